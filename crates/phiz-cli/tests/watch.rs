//! `phiz watch` and `phiz redact` as scripts use them, with the real ffmpeg.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "../../phiz-video/tests/clips/mod.rs"]
mod clips;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use clips::{actor, ffmpeg, frames, write};
use phiz_synth::{FaceModel, Scene};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with a clip and a home of its own.
struct Desk {
    folder: TempDir,
}

impl Desk {
    /// With `clip.mp4`: person 1 and after a second person 7 stand before the camera, with a sound.
    fn new() -> Desk {
        let desk = Desk { folder: tempfile::tempdir().unwrap() };
        let clip = [
            actor(1, 1, |time| (0.0..3.0).contains(&time).then_some([120.0, 135.0, 170.0])),
            actor(7, 1, |time| {
                (1.0..3.5).contains(&time).then_some([360.0 + 8.0 * time as f32, 135.0, 170.0])
            }),
        ];
        let codec = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-metadata", "title=Ana at home"];
        write(&desk.path("silent.mp4"), &frames(&clip, 4.0), &codec);
        let done = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(desk.path("silent.mp4"))
            .args(["-f", "lavfi", "-i", "sine=duration=4", "-c:v", "copy", "-c:a", "aac", "-shortest"])
            .arg(desk.path("clip.mp4"))
            .status();
        assert!(done.unwrap().success());
        desk
    }

    /// Learns a person by the seed.
    fn learn(&self, name: &str, person: u64) {
        let photos: Vec<String> = (0..3)
            .map(|look| {
                let scene =
                    Scene::portrait(FaceModel::bundled(), person, 256, person * 1000 + 900 + look).unwrap();
                let path = self.path(&format!("{name}-{look}.png"));
                scene.image.save(&path).unwrap();
                path.to_str().unwrap().to_owned()
            })
            .collect();
        let mut arguments = vec!["enroll", name];
        arguments.extend(photos.iter().map(String::as_str));
        self.run(0, &arguments);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phiz"));
        command.args(arguments).current_dir(self.folder.path()).env("PHIZ_HOME", self.path("home"));
        command
    }

    fn run(&self, code: i32, arguments: &[&str]) -> (String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(status.code(), Some(code), "phiz {arguments:?}\n{out}\n{err}");
        (out, err)
    }

    fn events(&self, arguments: &[&str]) -> Vec<Value> {
        let (out, _) = self.run(0, arguments);
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// What ffprobe says of a file.
fn probed(path: &std::path::Path) -> Value {
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json", "-show_streams", "-show_format"])
        .arg(path)
        .output()
        .unwrap();
    serde_json::from_slice(&out.stdout).unwrap()
}

fn streams(path: &std::path::Path) -> Vec<String> {
    let streams = probed(path)["streams"].as_array().unwrap().clone();
    streams.iter().map(|stream| stream["codec_name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn events_are_what_scripts_rely_on() {
    if !ffmpeg() {
        return;
    }
    let desk = Desk::new();
    // Without a gallery everybody is unknown.
    let events = desk.events(&["watch", "--json", "clip.mp4"]);
    assert!(events.iter().all(|event| event["person"].is_null() && event["fpir"].is_null()), "{events:?}");
    assert_eq!(events.iter().filter(|event| event["event"] == "appeared").count(), 2, "{events:#?}");
    desk.learn("Ada", 1);
    let events = desk.events(&["watch", "--json", "clip.mp4"]);
    for event in &events {
        let kind = event["event"].as_str().unwrap();
        assert!(["appeared", "identified", "changed", "left", "visit"].contains(&kind));
        assert!(event["time"].is_number() && event["track"].is_u64());
        let bbox: Vec<f64> = event["box"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert!(bbox.len() == 4 && bbox[2] > 0.0 && bbox[3] > 0.0);
        for field in ["person", "stranger", "fpir"] {
            assert!(event.get(field).is_some(), "{field} is there, and may be null");
        }
    }
    let named: Vec<&Value> = events.iter().filter(|event| event["event"] == "identified").collect();
    assert_eq!(named[0]["person"], "Ada", "{events:#?}");
    assert!(named[0]["time"].as_f64().unwrap() <= 1.0 && named[0]["fpir"].as_f64().unwrap() <= 0.01);
    let others = events.iter().filter(|event| event["track"] != named[0]["track"]);
    assert!(
        others.clone().count() >= 2 && others.clone().all(|event| event["person"].is_null()),
        "{events:#?}"
    );
    let times: Vec<f64> = events.iter().map(|event| event["time"].as_f64().unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[0] <= pair[1]), "{times:?}");
    // The same from standard input, as a table, and as visits.
    let file = std::fs::File::open(desk.path("clip.mp4")).unwrap();
    let piped = desk.command(&["watch", "--json", "-"]).stdin(Stdio::from(file)).output().unwrap();
    assert!(String::from_utf8(piped.stdout).unwrap().contains("\"Ada\""));
    assert!(desk.run(0, &["watch", "clip.mp4"]).0.contains("is Ada (reached by"));
    let visits = desk.events(&["watch", "--json", "--summary", "clip.mp4"]);
    assert_eq!(visits.len(), 2);
    assert!(visits[0]["person"] == "Ada" && visits[0]["seen"].as_f64().unwrap() > 2.0, "{visits:?}");
    assert!(visits.iter().all(|visit| visit.get("picture").is_none()), "{visits:?}");
    // With the best picture of each visit, and what took the time.
    let visits = desk.events(&["watch", "--json", "--summary", "--pictures", "best", "clip.mp4"]);
    assert_eq!(visits[0]["picture"], "best/clip_mp4-1-ada.jpg");
    for visit in &visits {
        let bytes = std::fs::read(desk.path(visit["picture"].as_str().unwrap())).unwrap();
        let image = phiz_image::Image::decode(&bytes, &phiz_image::DecodeOptions::default()).unwrap();
        assert!(image.width() > 40 && image.height() > 40);
    }
    // What is there is not written over unasked, which is said before anything is watched.
    let before = std::fs::read(desk.path("best/clip_mp4-1-ada.jpg")).unwrap();
    let again = ["watch", "--summary", "--stages", "--pictures", "best", "clip.mp4"];
    let (out, err) = desk.run(2, &again);
    assert!(
        out.is_empty() && err.contains("--pictures best: is not empty") && err.contains("--force"),
        "{err}"
    );
    let (_, err) = desk.run(2, &["watch", "--summary", "--pictures", "clip.mp4", "clip.mp4", "--force"]);
    assert!(err.contains("is a file"), "{err}");
    assert_eq!(std::fs::read(desk.path("best/clip_mp4-1-ada.jpg")).unwrap(), before);
    let (out, err) = desk.run(0, &[&again[..], &["--force"]].concat());
    assert!(out.contains("best picture") && out.contains("best/clip_mp4-1-ada.jpg"), "{out}");
    assert!(err.contains("frames a second (40 in "), "{err}");
    let shares: Vec<f64> = err.split(" %").filter_map(|part| part.rsplit(' ').next()?.parse().ok()).collect();
    assert!(shares.len() == 5 && (shares.iter().sum::<f64>() - 100.0).abs() < 0.5, "{err}");
}

#[test]
fn a_marked_copy_and_a_page_are_written_and_nothing_is_overwritten() {
    if !ffmpeg() {
        return;
    }
    let desk = Desk::new();
    desk.learn("Ada", 1);
    desk.run(0, &["watch", "clip.mp4", "--annotate", "marked.mp4", "--html", "page.html"]);
    assert_eq!(streams(&desk.path("marked.mp4")), ["h264", "aac"]);
    let duration: f64 =
        probed(&desk.path("marked.mp4"))["format"]["duration"].as_str().unwrap().parse().unwrap();
    assert!((duration - 4.0).abs() < 0.3, "{duration}");
    let page = std::fs::read_to_string(desk.path("page.html")).unwrap();
    assert!(page.contains("Ada") && page.matches("data:image/jpeg").count() == 2);
    for option in ["--annotate", "--html"] {
        let target = if option == "--annotate" { "marked.mp4" } else { "page.html" };
        let (_, err) = desk.run(2, &["watch", "clip.mp4", option, target]);
        assert!(err.contains("exists already"), "{err}");
    }
    let (_, err) = desk.run(2, &["watch", "clip.mp4", "--annotate", "clip.mp4", "--force"]);
    assert!(err.contains("is one of the inputs"), "{err}");
    let (_, err) = desk.run(2, &["watch", "clip.mp4", "--annotate", "marked.avi"]);
    assert!(err.contains("--annotate marked.avi"), "{err}");
}

#[test]
fn what_cannot_be_watched_is_said() {
    let desk = Desk { folder: tempfile::tempdir().unwrap() };
    let (out, err) = desk.run(2, &["watch", "--json", "nowhere.mp4"]);
    assert!(out.is_empty() && err.contains("nowhere.mp4") && err.contains("hint: "), "{err}");
    std::fs::write(desk.path("text.mp4"), "no video").unwrap();
    let missing = desk
        .command(&["watch", "text.mp4"])
        .env("PHIZ_FFMPEG", "/nowhere/ffmpeg")
        .env("PHIZ_FFPROBE", "/nowhere/ffprobe")
        .output()
        .unwrap();
    let err = String::from_utf8(missing.stderr).unwrap();
    assert_eq!(missing.status.code(), Some(2));
    assert!(err.contains("/nowhere/ffprobe") && err.contains("install ffmpeg"), "{err}");
    if ffmpeg() {
        let (_, err) = desk.run(2, &["watch", "text.mp4"]);
        assert!(err.contains("text.mp4: cannot be opened") && err.contains("ffmpeg says"), "{err}");
    }
}

#[test]
fn faces_in_a_video_are_hidden_with_its_sound_kept() {
    if !ffmpeg() {
        return;
    }
    let desk = Desk::new();
    for (with, out) in [("blur", "blur.mp4"), ("pixelate", "pixelate.mkv"), ("cover", "cover.mp4")] {
        let (answer, _) =
            desk.run(0, &["redact", "clip.mp4", "--out", out, "--with", with, "--check", "--json"]);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            (answer["hidden"].as_u64(), answer["left"].as_array().map(Vec::len)),
            (Some(2), Some(0)),
            "{answer}"
        );
        assert_eq!(streams(&desk.path(out)), ["h264", "aac"]);
        assert!(!probed(&desk.path(out)).to_string().contains("Ana"), "metadata are gone");
    }
    // Everybody but Ada, and nobody but Ada.
    desk.learn("Ada", 1);
    for (option, out) in [("--except", "except.mp4"), ("--only", "only.mp4")] {
        let (answer, _) = desk.run(0, &["redact", "clip.mp4", "--out", out, option, "Ada", "--json"]);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((answer["hidden"].as_u64(), answer["shown"].as_u64()), (Some(1), Some(1)), "{answer}");
        let events = desk.events(&["watch", "--json", out]);
        let ada = events.iter().any(|event| event["person"] == "Ada");
        assert_eq!(ada, option == "--except", "{events:#?}");
    }
    let (_, err) = desk.run(2, &["redact", "clip.mp4", "--out", "x.mp4", "--only", "Nobody"]);
    assert!(err.contains("--only Nobody"), "{err}");
}

#[test]
fn faces_in_a_photo_are_hidden() {
    let desk = Desk { folder: tempfile::tempdir().unwrap() };
    let party = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/party.jpg");
    let faces = desk.run(0, &["detect", "--json", party.to_str().unwrap()]).0;
    let faces = serde_json::from_str::<Value>(&faces).unwrap()["faces"].as_array().unwrap().len();
    for with in ["blur", "pixelate", "cover"] {
        let out = format!("{with}.jpg");
        let arguments =
            ["redact", party.to_str().unwrap(), "--out", &out, "--with", with, "--check", "--json"];
        let answer: Value = serde_json::from_str(&desk.run(0, &arguments).0).unwrap();
        assert!(answer["hidden"].as_u64().unwrap() >= faces as u64, "{answer}");
        assert!(answer["left"].as_array().unwrap().is_empty());
        let after = desk.run(0, &["detect", "--json", &out]).0;
        assert!(
            serde_json::from_str::<Value>(&after).unwrap()["faces"].as_array().unwrap().is_empty(),
            "{after}"
        );
    }
    let (_, err) = desk.run(2, &["redact", party.to_str().unwrap(), "--out", "x.gif"]);
    assert!(err.contains("x.gif"), "{err}");
}

/// A program that is ffmpeg until it has written so many pictures, and then crashes.
#[cfg(unix)]
fn crashes_after(desk: &Desk, pictures: usize) -> PathBuf {
    let path = desk.path(&format!("crashes-after-{pictures}"));
    let bytes = pictures * (clips::SIZE.0 * clips::SIZE.1 * 3) as usize;
    std::fs::write(&path, format!("#!/bin/sh\nffmpeg \"$@\" | head -c {bytes}\nkill -9 $$\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).unwrap();
    path
}

#[cfg(unix)]
#[test]
fn a_crash_of_ffmpeg_in_the_middle_of_a_file_changes_no_event() {
    if !ffmpeg() {
        return;
    }
    let desk = Desk::new();
    let whole = desk.events(&["watch", "--json", "silent.mp4"]);
    let output = desk
        .command(&["watch", "--json", "silent.mp4"])
        .env("PHIZ_FFMPEG", crashes_after(&desk, 34))
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("ffmpeg failed in the middle of the file; going on from 0:03."), "{told}");
    let out = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events, whole);
    // The last child has written all that was asked of it, and crashed only then.
    assert!(output.status.code().is_some_and(|code| code <= 1), "{told}");
}

#[cfg(unix)]
#[test]
fn a_file_at_which_ffmpeg_crashes_again_and_again_ends_and_says_what_was_left_out() {
    if !ffmpeg() {
        return;
    }
    let desk = Desk::new();
    let begun = std::time::Instant::now();
    let output = desk
        .command(&["watch", "--json", "silent.mp4"])
        .env("PHIZ_FFMPEG", crashes_after(&desk, 5))
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("parts could not be decoded"), "{told}");
    assert!(begun.elapsed().as_secs() < 400);
    let out = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut appeared: Vec<u64> = Vec::new();
    for event in events.iter().filter(|event| event["event"] == "appeared") {
        appeared.push(event["track"].as_u64().unwrap());
    }
    let left = events.iter().filter(|event| event["event"] == "left").count();
    assert!(!appeared.is_empty() && appeared.len() == left, "{out}");
    appeared.dedup();
    assert_eq!(appeared.len(), left, "a face appears twice: {out}");
}

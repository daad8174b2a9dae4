//! Events of `phiz watch` brought to others: none is lost and none is told twice, whatever is killed and whenever.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "../../phiz-video/tests/clips/mod.rs"]
mod clips;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clips::{actor, ffmpeg, frames, write};
use serde_json::Value;

/// What a receiver got: id and body, in the order in which they came.
type Got = Arc<Mutex<Vec<(String, String)>>>;

/// A receiver that checks signatures, and takes what it gets but for every fifth time, when it is busy.
fn receiver(secret: &Path) -> (String, Got) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}/events?token=t0ken-text", listener.local_addr().unwrap().port());
    let (got, secret): (Got, PathBuf) = (Arc::default(), secret.into());
    let kept = Arc::clone(&got);
    std::thread::spawn(move || {
        for (count, connection) in listener.incoming().enumerate() {
            let mut connection = connection.unwrap();
            let mut reader = BufReader::new(connection.try_clone().unwrap());
            let (mut headers, mut line) = (BTreeMap::new(), String::new());
            while reader.read_line(&mut line).is_ok_and(|read| read > 0) && !line.trim().is_empty() {
                if let Some((name, value)) = line.trim().split_once(": ") {
                    headers.insert(name.to_lowercase(), value.to_owned());
                }
                line.clear();
            }
            let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
            let mut body = vec![0; length];
            // Whoever sends may be killed in the middle of it.
            if reader.read_exact(&mut body).is_err() {
                continue;
            }
            let secret = std::fs::read(&secret).unwrap();
            let time = headers["phiz-timestamp"].parse().unwrap();
            let signed = phiz_deliver::signature(secret.trim_ascii(), time, &body);
            assert_eq!(headers["phiz-signature"], signed);
            let busy = count % 5 == 4;
            if !busy {
                let id = headers["phiz-event-id"].clone();
                kept.lock().unwrap().push((id, String::from_utf8(body).unwrap()));
            }
            let status = if busy { "503 Busy" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            _ = connection.write_all(answer.as_bytes());
        }
    });
    (url, got)
}

fn watch(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phiz"));
    command.arg("watch").args(arguments).current_dir(folder).env("PHIZ_HOME", folder.join("home"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Somebody comes and goes every second and a half.
fn clip(path: &Path, seconds: f64) {
    let comes = |person: u64, every: f64, x: f32| {
        actor(person, 1, move |time| (time % every < every / 2.0).then_some([x, 135.0, 170.0]))
    };
    let clip = [comes(1, 1.6, 120.0), comes(2, 2.2, 360.0)];
    write(path, &frames(&clip, seconds), &["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "10"]);
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))
}

/// How many different events of each id there are, each of which must be the same each time.
fn once(got: &Got) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for (id, body) in got.lock().unwrap().iter() {
        let event = json(body);
        assert_eq!(event["id"], **id);
        if let Some(before) = all.insert(id.clone(), event.clone()) {
            assert_eq!(before, event, "an event that is sent again is the same");
        }
    }
    all
}

#[test]
fn no_event_of_a_camera_is_lost_or_doubled_by_fifty_kills() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    clip(&folder.path().join("clip.mp4"), 8.0);
    let secret = folder.path().join("home/webhook.secret");
    let (url, got) = receiver(&secret);
    let options =
        ["--json", "--paced", "--leave-after", "0.3", "--visit-gap", "0.4", "--webhook", &url, "clip.mp4"];
    let mut printed: Vec<Value> = Vec::new();
    for kill in 0..50u64 {
        let mut child = watch(folder.path(), &options).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        if kill % 5 == 0 {
            // At any time, mostly before it has begun.
            std::thread::sleep(Duration::from_millis(50 + (kill * 977) % 1500));
        } else {
            // In the middle of the clip, however long it takes until so many events are told.
            let wanted = 1 + (kill * 7 % 9) as usize;
            while text.lines().count() < wanted && out.read_line(&mut text).unwrap() > 0 {}
            std::thread::sleep(Duration::from_millis(kill * 37 % 120));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        out.read_to_string(&mut text).unwrap();
        // The last line may have been cut off by the kill.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        printed.extend(whole.lines().map(json));
    }
    // A last run to its end, which ends what the others were in the middle of.
    let output = watch(folder.path(), &options).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    printed.extend(String::from_utf8(output.stdout).unwrap().lines().map(json));
    let events = once(&got);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!told.contains("t0ken"), "{told}");

    // Whatever was printed was delivered, and nothing is printed twice.
    let ids: Vec<&str> = printed.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an event is printed twice");
    let lost: Vec<&&str> = ids.iter().filter(|id| !events.contains_key(**id)).collect();
    assert!(lost.is_empty(), "{lost:?} of {}", ids.len());
    // Each track of each run has appeared once, left once, and belongs to one visit.
    let mut tracks: BTreeMap<(String, u64), BTreeMap<String, usize>> = BTreeMap::new();
    for (id, event) in &events {
        let run = id.split('-').next().unwrap().to_owned();
        let kind = event["event"].as_str().unwrap().to_owned();
        *tracks.entry((run, event["track"].as_u64().unwrap())).or_default().entry(kind).or_default() += 1;
    }
    assert!(tracks.len() >= 20, "{} tracks", tracks.len());
    let mut interrupted = 0;
    for (track, kinds) in &tracks {
        assert_eq!((kinds.get("appeared"), kinds.get("left")), (Some(&1), Some(&1)), "{track:?} {kinds:?}");
        assert!(kinds.get("visit").is_none_or(|count| *count == 1), "{track:?} {kinds:?}");
    }
    for event in events.values() {
        interrupted += usize::from(event["interrupted"] == true);
        assert!(event["at"].as_f64().unwrap() > 1.7e9 && event["source"] == "clip.mp4");
    }
    assert!(interrupted > 0, "some run was killed in the middle of a visit");
    eprintln!("{} events of {} tracks, {interrupted} told after a kill", events.len(), tracks.len());
}

#[test]
fn a_file_that_is_watched_again_after_a_kill_tells_each_event_once() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    clip(&folder.path().join("clip.mp4"), 6.0);
    let whole = watch(folder.path(), &["--json", "clip.mp4"]).output().unwrap();
    let wanted: Vec<Value> = String::from_utf8(whole.stdout).unwrap().lines().map(json).collect();
    let (url, got) = receiver(&folder.path().join("home/webhook.secret"));
    let options = ["--json", "--webhook", &url, "clip.mp4"];
    for kill in 0..8u64 {
        let mut child = watch(folder.path(), &options).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(200 + kill * 250));
        _ = child.kill();
        child.wait().unwrap();
    }
    let output = watch(folder.path(), &options).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let events = once(&got);
    let bare = |event: &Value| {
        let mut event = event.clone();
        for name in ["id", "at", "source"] {
            event.as_object_mut().unwrap().remove(name);
        }
        event.to_string()
    };
    let (mut had, mut should): (Vec<String>, Vec<String>) =
        (events.values().map(bare).collect(), wanted.iter().map(bare).collect());
    had.sort();
    should.sort();
    assert_eq!(had, should);
    // And once more: everything is known.
    let again = watch(folder.path(), &options).output().unwrap();
    assert!(again.stdout.is_empty() && once(&got).len() == events.len());
}

#[test]
fn cooldown_snapshots_and_strangers_that_are_remembered() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    clip(&folder.path().join("clip.mp4"), 6.0);
    let run = |arguments: &[&str]| {
        let output = watch(folder.path(), arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(json).collect::<Vec<Value>>()
    };
    let kinds = |events: &[Value], kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    let all = run(&["--json", "--leave-after", "0.3", "clip.mp4"]);
    let few = run(&["--json", "--leave-after", "0.3", "--cooldown", "60", "clip.mp4"]);
    assert!(kinds(&all, "appeared") > 4 && kinds(&few, "appeared") == 1, "{few:?}");
    assert_eq!(kinds(&all, "visit"), kinds(&few, "visit"));
    let shot = run(&["--json", "--snapshots", "shots", "clip.mp4"]);
    for event in &shot {
        let pictured = ["appeared", "identified", "changed"].contains(&event["event"].as_str().unwrap());
        assert_eq!(event["snapshot"].is_string(), pictured, "{event}");
        if let Some(path) = event["snapshot"].as_str() {
            let bytes = std::fs::read(folder.path().join(path)).unwrap();
            let image = phiz_image::Image::decode(&bytes, &phiz_image::DecodeOptions::default()).unwrap();
            assert_eq!((image.width(), image.height()), clips::SIZE);
        }
    }

    // The same numbers in the next run, and `phiz strangers` knows them.
    let numbers = |events: &[Value]| -> BTreeSet<u64> {
        events.iter().filter_map(|event| event["stranger"].as_u64()).collect()
    };
    let first = numbers(&run(&["--json", "--remember", "clip.mp4"]));
    let second = numbers(&run(&["--json", "--remember", "--keep-days", "30", "clip.mp4"]));
    assert!(!first.is_empty() && first == second, "{first:?} {second:?}");
    let listed = Command::new(env!("CARGO_BIN_EXE_phiz"))
        .args(["strangers", "--json"])
        .current_dir(folder.path())
        .env("PHIZ_HOME", folder.path().join("home"))
        .output()
        .unwrap();
    let listed: Vec<Value> = String::from_utf8(listed.stdout).unwrap().lines().map(json).collect();
    let known: BTreeSet<u64> = listed.iter().filter_map(|stranger| stranger["stranger"].as_u64()).collect();
    assert_eq!(known, first, "{listed:?}");
    let place = listed[0]["faces"][0]["path"].as_str().unwrap();
    assert!(place.starts_with("clip.mp4 at 0:0") && place.contains(", watched 20"), "{place}");

    // Was this face here before? It says when in the clip; and of somebody else that there is nothing.
    let portrait = |name: &str, person: u64| {
        let scene = phiz_synth::Scene::portrait(phiz_synth::FaceModel::bundled(), person, 256, 1).unwrap();
        scene.image.save(&folder.path().join(name)).unwrap();
    };
    portrait("same.png", 1);
    portrait("else.png", 9);
    let like = |photo: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_phiz"))
            .args(["strangers", "like", photo, "--json"])
            .current_dir(folder.path())
            .env("PHIZ_HOME", folder.path().join("home"))
            .output()
            .unwrap();
        let answer = json(String::from_utf8(output.stdout).unwrap().trim());
        (output.status.code(), answer["before"].as_array().unwrap().clone())
    };
    let (code, before) = like("same.png");
    assert!(code == Some(0) && before.len() >= 2, "{before:?}");
    let number = before[0]["stranger"].as_u64().unwrap();
    assert!(first.contains(&number) && before.iter().all(|seen| seen["stranger"] == number), "{before:?}");
    assert!(before[0]["path"].as_str().unwrap().starts_with("clip.mp4 at 0:0"), "{before:?}");
    assert!(
        before[0]["chance"].as_f64().unwrap() <= 0.01 && before[0]["at"].as_i64().unwrap() > 1_700_000_000
    );
    assert_eq!(like("else.png"), (Some(1), Vec::new()));
}

#[test]
fn addresses_that_are_none_are_said_without_their_secrets() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("short"), "abc").unwrap();
    for (arguments, part) in [
        (&["--webhook", "ftp://u:s3cret@x/y"][..], "ftp://x: is no http"),
        (&["--mqtt", "http://u:s3cret@broker"], "http://broker"),
        (&["--webhook", "http://x/", "--webhook-secret", "short"], "shorter than 16"),
        (&["--webhook", "http://x/", "--webhook-secret", "missing"], "missing: cannot be read"),
    ] {
        let output = watch(folder.path(), &[arguments, &["rtsp://127.0.0.1:1/x"]].concat()).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(part) && told.contains("hint: ") && !told.contains("s3cret"), "{told}");
    }
}

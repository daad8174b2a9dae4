//! Every command that the guides on data, training and video show is run as it stands there, on people who do not exist.
//!
//! Building is left out (`cargo`, `source`, `export`): it is what brought the program here.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use phiz_synth::{FaceModel, Scene};
use tempfile::TempDir;

/// The commands of a guide by the section that they stand in, without their comments.
fn commands(guide: &str) -> BTreeMap<String, Vec<String>> {
    let path = format!("{}/../../docs/guide/{guide}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut section = String::new();
    for line in text.lines() {
        if let Some(title) = line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'))
        {
            section = title.to_owned();
        }
        if let Some(command) = line.strip_prefix("$ phiz ") {
            let command =
                command.split("   #").next().unwrap_or(command).split(" # ").next().unwrap_or(command);
            sections.entry(section.clone()).or_default().push(command.trim().to_owned());
        }
    }
    sections
}

/// Small and short recipes under the names that the guides use, and models under theirs.
fn recipes(folder: &Path) {
    let stage = |size: u32| {
        format!("[[stages]]\nsize = {size}\nschedule = {{ rate = 1e-3, warmup = 1, steps = 2 }}\n")
    };
    for (name, network, batch, size) in [
        ("recipe.toml", "phiz-embed", 3, 112),
        ("smoke.toml", "slim-small", 8, 112),
        ("faces.toml", "phiz-detect-small", 2, 64),
        ("second.toml", "phiz-second", 4, 112),
    ] {
        let text =
            format!("network = \"{network}\"\nseed = 1\nbatch = {batch}\naverage = 0.5\n{}", stage(size));
        std::fs::write(folder.join(name), text).unwrap();
    }
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    for name in ["phiz-detect-small", "phiz-second-small"] {
        std::fs::copy(models.join(format!("{name}.onnx")), folder.join(format!("{name}.onnx"))).unwrap();
    }
    for card in ["teacher.toml", "my-detector.toml"] {
        std::fs::copy(models.join("phiz-detect-small.toml"), folder.join(card)).unwrap();
    }
}

/// Runs a command as a shell would; its exit code must be one of `codes`.
fn run(folder: &Path, command: &str, codes: &[i32]) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_phiz"));
    let path = std::env::join_paths(
        std::iter::once(program.parent().unwrap().to_path_buf())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let output = Command::new("sh")
        .args(["-c", &format!("phiz {command}")])
        .current_dir(folder)
        .env("PATH", path.unwrap())
        .env("PHIZ_HOME", folder.join("home"))
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (out, err) = (text(output.stdout), text(output.stderr));
    let code = output.status.code().unwrap_or(-1);
    assert!(codes.contains(&code), "phiz {command}\nended with {code}\n{out}\n{err}");
    out + &err
}

/// What a photo may have against it is told by exit code 1, and no failure.
fn codes(command: &str) -> &'static [i32] {
    if command.starts_with("data") { &[0, 1] } else { &[0] }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// Ten folders of ten photos, and recipes.
fn photos() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for person in 0..10 {
        let photos = folder.path().join(format!("photos/P{person}"));
        std::fs::create_dir_all(&photos).unwrap();
        for photo in 0..10 {
            let scene = Scene::portrait(FaceModel::bundled(), person, 160, 100 * person + photo).unwrap();
            scene.image.save(&photos.join(format!("{photo}.jpg"))).unwrap();
        }
    }
    recipes(folder.path());
    folder
}

#[test]
fn every_example_of_the_guides_on_data_and_training_runs() {
    let data = commands("data.md");
    let training = commands("training.md");
    let fresh = photos();
    let base = tempfile::tempdir().unwrap();
    copy(fresh.path(), base.path());
    for command in &data["Your own photos"] {
        run(base.path(), command, codes(command));
    }
    // Of ten people at least two judge, whatever the percentage says.
    let list = std::fs::read_to_string(base.path().join("photos.csv")).unwrap();
    assert!(list.lines().filter(|line| line.contains(",tune")).count() >= 20, "{list}");

    // What other sections take for granted.
    let scenes = training["A detector's second look"].iter().find(|c| c.starts_with("data scenes")).unwrap();
    run(base.path(), scenes, codes(scenes));
    copy(&base.path().join("shards"), &base.path().join("mine"));
    for name in ["a", "b"] {
        copy(&base.path().join("runs/mine"), &base.path().join(format!("runs/{name}")));
    }
    let mut ran = 0;
    for (section, commands) in training.iter().chain(data.iter().filter(|(s, _)| *s != "Your own photos")) {
        let folder = tempfile::tempdir().unwrap();
        copy(if section.starts_with("Ten people") { fresh.path() } else { base.path() }, folder.path());
        if section == "Other forms" {
            copy(&base.path().join("runs/mine"), &folder.path().join("runs/first"));
        }
        for command in commands {
            let tune = command.starts_with("train tune");
            if tune {
                std::fs::remove_dir_all(folder.path().join("runs")).unwrap();
            }
            // Whether these people can be taught is for the command to judge: it may keep the embedder as it was.
            let said = run(folder.path(), command, if tune { &[0, 1, 2] } else { codes(command) });
            assert!(
                !tune || said.contains("tuned.toml") || said.contains("stays as it was"),
                "{command}: {said}"
            );
            ran += 1;
        }
    }
    assert!(ran >= 12, "{ran} commands");
}

#[path = "../../phiz-video/tests/clips/mod.rs"]
mod clips;

/// Cameras that do not exist are left out; whoever should hear of events is not there either, which exit code 1 says.
#[test]
fn every_example_of_the_guide_on_video_runs() {
    if !clips::ffmpeg() {
        return;
    }
    let base = tempfile::tempdir().unwrap();
    let path = |name: &str| base.path().join(name);
    let actors = [
        clips::actor(1, 1, |time| (0.2..2.5).contains(&time).then_some([120.0, 135.0, 170.0])),
        clips::actor(7, 1, |time| (0.5..3.0).contains(&time).then_some([360.0, 135.0, 170.0])),
    ];
    let film = clips::frames(&actors, 3.0);
    for name in ["party.mp4", "door.mp4", "crossing.mp4"] {
        clips::write(&path(name), &film, &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    }
    film[10].image.save(&path("photo.jpg")).unwrap();
    let mut truth = String::from("time,person,left,top,width,height\n");
    for frame in &film {
        for (person, [x, y, w, h]) in clips::picture(&actors, frame.time).1 {
            let name = if person == 1 { "Ada" } else { "Somebody" };
            truth += &format!("{},{name},{x},{y},{w},{h}\n", frame.time);
        }
    }
    std::fs::write(path("crossing.csv"), truth).unwrap();
    for look in 0..3 {
        let scene = Scene::portrait(FaceModel::bundled(), 1, 256, 1900 + look).unwrap();
        scene.image.save(&path(&format!("ada-{look}.png"))).unwrap();
    }
    run(base.path(), "enroll Ada ada-0.png ada-1.png ada-2.png", &[0]);
    let mut ran = 0;
    for (section, commands) in commands("video.md") {
        let folder = tempfile::tempdir().unwrap();
        copy(base.path(), folder.path());
        for command in commands.iter().filter(|command| !command.contains("@camera/")) {
            let away = command.contains("--webhook") || command.contains("--mqtt");
            let said = run(folder.path(), command, if away { &[0, 1] } else { &[0] });
            match section.as_str() {
                "How good is it?" => assert!(said.contains("2 right, 0 wrong"), "{said}"),
                "Was this face here before?" if command == "strangers" => {
                    assert!(said.contains("door.mp4 at 20"), "{said}");
                }
                _ => {}
            }
            ran += 1;
        }
    }
    assert!(ran >= 10, "{ran} commands");
}

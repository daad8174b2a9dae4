//! Every command that the guides on data, training, archives and metadata show is run as it stands there, on people who do
//! not exist.
//!
//! Building is left out (`cargo`, `source`, `export`): it is what brought the program here.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use phiz_synth::{FaceModel, Scene, SceneOptions};
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
    run_as(folder, folder, command, codes)
}

/// The same, where `~` is one folder and the gallery lies in another. Whoever asks is answered `q`.
fn run_as(user: &Path, folder: &Path, command: &str, codes: &[i32]) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_phiz"));
    let path = std::env::join_paths(
        std::iter::once(program.parent().unwrap().to_path_buf())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let output = Command::new("sh")
        .args(["-c", &format!("echo q | phiz {command}")])
        .current_dir(folder)
        .env("PATH", path.unwrap())
        .env("HOME", user)
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

/// `~/Pictures` (and `~/Photos`): Ana, Ben and Cleo, whom somebody may enrol, and three strangers with three photos each.
/// People of the fixtures, who do not look like each other.
fn pictures() -> TempDir {
    let user = tempfile::tempdir().unwrap();
    let names = [("ana", &[1][..]), ("ben", &[3]), ("cleo", &[2]), ("x", &[18]), ("y", &[4]), ("z", &[20])];
    let photo = |name: &str, people: &[u64], seed: u64| {
        let options =
            SceneOptions { people: people.to_vec(), face_height: (110.0, 150.0), ..SceneOptions::default() };
        let scene = Scene::compose(FaceModel::bundled(), &options, seed).unwrap();
        scene.image.save(&user.path().join(name)).unwrap();
    };
    for folder in ["Pictures", "Photos", "Desktop", "stick"] {
        std::fs::create_dir(user.path().join(folder)).unwrap();
    }
    for (number, (name, people)) in names.into_iter().enumerate() {
        for i in 0..3 {
            photo(&format!("Pictures/{name}{i}.jpg"), people, 10 * number as u64 + i);
        }
    }
    photo("Pictures/both.jpg", &[1, 3], 100);
    // A photo without a time of its own counts by that of its file: July 2024.
    let summer = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_720_000_000);
    let file = std::fs::File::options().write(true).open(user.path().join("Pictures/ana1.jpg")).unwrap();
    file.set_modified(summer).unwrap();
    photo("party.jpg", &[1, 3, 18], 101);
    for name in ["ana0", "ana1", "ben0", "both"] {
        let name = format!("{name}.jpg");
        std::fs::copy(user.path().join("Pictures").join(&name), user.path().join("Photos").join(&name))
            .unwrap();
    }
    user
}

#[test]
fn every_example_of_the_guide_on_archives_runs() {
    let (user, guide) = (pictures(), commands("archive.md"));
    let start = |name: &str| {
        let folder = tempfile::tempdir_in(user.path()).unwrap();
        if !name.is_empty() {
            copy(&user.path().join(name).join("home"), &folder.path().join("home"));
        }
        std::fs::copy(user.path().join("party.jpg"), folder.path().join("party.jpg")).unwrap();
        folder
    };
    // The numbers of the strangers and their faces are those of somebody else's photos: these have others.
    let strangers = |folder: &Path| -> Vec<serde_json::Value> {
        let said = run_as(user.path(), folder, "strangers --json", &[0]);
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let here = |folder: &Path, command: &str| {
        let all = strangers(folder);
        let number = |place: usize| all[place]["stranger"].to_string();
        let face = |place: usize| all[1]["faces"][place]["sighting"].as_str().unwrap().to_owned();
        let words = command.split(' ').map(|word| match word {
            "14" => number(0),
            "3" if !command.starts_with("explain") => number(1),
            "9" => number(2),
            "s57" => face(0),
            "s60" => face(1),
            word => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let mut ran = 0;
    let mut run_here = |folder: &Path, command: &str| {
        let command = if command.starts_with("scan") { command.to_owned() } else { here(folder, command) };
        ran += 1;
        run_as(user.path(), folder, &command, &[0])
    };

    // The three commands with which the guide begins, on a machine where Phiz was never used.
    let first = start("");
    let told: Vec<String> = guide["Your photo archive"].iter().map(|c| run_here(first.path(), c)).collect();
    assert!(told[0].contains("19 photos: 19 new") && told[2].contains("Postman"), "{told:?}");
    let found = run_as(user.path(), first.path(), "find Postman", &[0]);
    assert!(found.matches(".jpg").count() >= 3, "{found}");

    // For the other sections some people are enrolled.
    let base = start("");
    run_as(user.path(), base.path(), "scan ~/Pictures", &[0]);
    for (name, photos) in [("Ana", "ana"), ("Ben", "ben"), ("Cleo", "cleo")] {
        run_as(user.path(), base.path(), &format!("enroll {name} ~/Pictures/{photos}0.jpg --force"), &[0]);
    }
    assert_eq!(strangers(base.path()).len(), 3);
    let base_name = base.path().file_name().unwrap().to_str().unwrap().to_owned();
    for (section, commands) in guide.iter().filter(|(section, _)| *section != "Your photo archive") {
        let mut folder = start(&base_name);
        for command in commands {
            // Each is an example of its own, but for the one that takes the one before it back.
            if section == "Strangers" && !command.ends_with("undo") {
                folder = start(&base_name);
            }
            let said = run_here(folder.path(), command);
            if command == "find Ana --with Ben --without Cleo" {
                assert!(said.contains("both.jpg") && !said.contains("ana0"), "{said}");
            }
        }
    }
    assert!(user.path().join("Desktop/people/Ana").is_dir());
    assert_eq!(std::fs::read_dir(user.path().join("stick")).unwrap().count(), 4);
    assert!(ran >= 18, "{ran} commands");
}

#[test]
fn every_example_of_the_guide_on_metadata_runs() {
    let (user, guide) = (pictures(), commands("metadata.md"));
    // Somebody has named the people in another program.
    let other = tempfile::tempdir().unwrap();
    for (name, photo) in [("Ana", "ana2"), ("Ben", "ben2")] {
        let command = format!("enroll {name} ~/Pictures/{photo}.jpg --force");
        run_as(user.path(), other.path(), &command, &[0]);
    }
    run_as(user.path(), other.path(), "tag ~/Photos", &[0]);
    let folder = tempfile::tempdir().unwrap();
    let mut ran = 0;
    for command in guide.values().flatten() {
        // A region whose face is too small or blurred is reported, and the others are enrolled.
        let codes = if command.starts_with("enroll") { &[0, 1][..] } else { &[0] };
        run_as(user.path(), folder.path(), command, codes);
        ran += 1;
        if command.starts_with("enroll") {
            let said = run_as(user.path(), folder.path(), "identify ~/party.jpg", &[0]);
            assert!(said.contains("Ana") && said.contains("Ben"), "{said}");
        }
    }
    assert!(ran >= 4, "{ran} commands");
}

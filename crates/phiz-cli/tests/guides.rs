//! Every command that the guides on galleries, archives, metadata, evaluation, data, training and video show is run as it stands there,
//! on people who do not exist.
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
        if ["Other forms", "Make groups of people less alike", "The mean of two runs"]
            .contains(&section.as_str())
        {
            copy(&base.path().join("runs/mine"), &folder.path().join("runs/first"));
            std::fs::copy(folder.path().join("runs/first/model.onnx"), folder.path().join("before.onnx"))
                .unwrap();
            // Each person stands for a group.
            copy(&base.path().join("shards"), &folder.path().join("groups"));
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
        clips::actor(28, 1, |time| (0.5..3.0).contains(&time).then_some([360.0, 135.0, 170.0])),
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
        // The live view needs a terminal: live.rs gives it one.
        let here = |command: &&String| !command.contains("@camera/") && !command.contains("--live");
        for command in commands.iter().filter(here) {
            let away = command.contains("--webhook") || command.contains("--mqtt");
            let said = run(folder.path(), command, if away { &[0, 1] } else { &[0] });
            match section.as_str() {
                "How good is it?" => assert!(said.contains("2 right, 0 wrong"), "{said}"),
                "Was this face here before?" if command == "strangers" => {
                    assert!(said.contains("door.mp4 at 0:0") && said.contains(", watched 20"), "{said}");
                }
                _ => {}
            }
            ran += 1;
        }
    }
    assert!(ran >= 10, "{ran} commands");
}

/// A photo of one person who does not exist.
fn portrait(path: &Path, person: u64, seed: u64) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    Scene::portrait(FaceModel::bundled(), person, 160, seed).unwrap().image.save(path).unwrap();
}

/// What the guide on galleries takes for granted: Ana's photos, and a folder of people, of whom Ben is the first.
fn archive() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let photo = |name: &str| folder.path().join(name);
    for (name, seed) in [("ana-1.jpg", 1), ("ana-2.jpg", 2), ("ana.jpg", 3), ("door.jpg", 4)] {
        portrait(&photo(name), 0, seed);
    }
    for person in 1..60 {
        let name = if person == 1 { "Ben".to_owned() } else { format!("Person {person:02}") };
        for look in 0..2 {
            portrait(&photo(&format!("people/{name}/{look}.jpg")), person, 10 * person + look);
        }
    }
    // Ana's mother, and Ana.
    let options = SceneOptions { width: 480, height: 240, people: vec![80, 0], ..SceneOptions::default() };
    let options = SceneOptions { face_height: (90.0, 110.0), ..options };
    Scene::compose(FaceModel::bundled(), &options, 5).unwrap().image.save(&photo("party.jpg")).unwrap();
    std::fs::create_dir(photo("Photos")).unwrap();
    folder
}

#[test]
fn every_example_of_the_guide_on_galleries_runs() {
    let guide = commands("gallery.md");
    let first = &guide["How do I keep a gallery of people?"];
    let base = archive();
    let mut ran = 0;
    // The last of the first commands takes the one before back.
    for command in &first[..2] {
        run(base.path(), command, &[0]);
    }
    let fresh = tempfile::tempdir().unwrap();
    copy(base.path(), fresh.path());
    for command in &first[2..] {
        run(fresh.path(), command, &[0]);
    }
    for (section, commands) in
        guide.iter().filter(|(section, _)| *section != "How do I keep a gallery of people?")
    {
        let folder = tempfile::tempdir().unwrap();
        copy(base.path(), folder.path());
        for command in commands {
            // Whoever reads the guide is asked; a test has nobody to ask.
            let asks = ["people remove", "gallery purge", "gallery key rotate"]
                .iter()
                .any(|c| command.starts_with(c));
            let command = command.replace("NEW.key", &format!("new-{ran}.key")).replace("~/Photos", "Photos");
            let command = if asks { format!("{command} --yes") } else { command };
            // The key that the command before made.
            let made = folder.path().join(format!("new-{}.key", ran - usize::from(ran > 0)));
            let command = if made.exists() { format!("{command} --key {}", made.display()) } else { command };
            // There is a keyring only where somebody has logged in, and a better model only after an update.
            let codes: &[i32] = match section.as_str() {
                "Use the operating system's keyring" => &[0, 2],
                _ if command.starts_with("gallery adopt --undo") => &[2],
                _ => &[0],
            };
            run(folder.path(), &command, codes);
            ran += 1;
        }
    }
    assert!(ran >= 24, "{ran} commands");
}

/// The commands that a guide's tables name.
fn tabled(guide: &str) -> Vec<String> {
    let path = format!("{}/../../docs/guide/{guide}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let commands = rows.flat_map(|row| row.split('`')).filter_map(|part| part.strip_prefix("phiz "));
    // The name of a command alone, in a sentence, is no example of it.
    commands.filter(|command| *command != "eval compare").map(str::to_owned).collect()
}

#[test]
fn every_example_of_the_guide_on_evaluation_runs() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (mut photos, mut paths) = (String::from("path,person,race,age\n"), String::new());
    for person in 0..12 {
        for look in 0..3 {
            let name = format!("A{person}/A{person}_{:04}.jpg", look + 1);
            portrait(&at(&format!("photos/{name}")), person, 10 * person + look);
            let race = ["a", "b"][person as usize % 2];
            photos += &format!("photos/{name},A{person},{race},{}\n", 10 + 20 * (person % 3));
            paths += &format!("photos/{name} ");
        }
    }
    std::fs::write(at("photos.csv"), photos).unwrap();
    copy(&at("photos"), &at("lfw"));
    // One set of ten, as LFW writes them: three pairs of one person, three of two.
    let pairs = "1\t3\nA0\t1\t2\nA1\t1\t2\nA2\t2\t3\nA0\t1\tA1\t1\nA2\t1\tA3\t2\nA4\t1\tA5\t1\n";
    std::fs::write(at("lfw/pairs.txt"), pairs).unwrap();
    let mut scores = String::from("a,b,same,score,person_a,person_b\n");
    for k in 0..40 {
        let same = k % 2;
        scores += &format!(
            "x{k},y{k},{same},{},p{k},{}\n",
            0.1 + 0.5 * f64::from(same) + 0.01 * f64::from(k % 7),
            if same == 1 { format!("p{k}") } else { format!("q{k}") }
        );
    }
    std::fs::write(at("scores.csv"), scores).unwrap();
    let (mut scenes, mut landscapes) = (String::from("path,boxes\n"), String::from("path,boxes\n"));
    for k in 0..3 {
        let options = SceneOptions {
            width: 320,
            height: 240,
            people: vec![k, k + 9],
            face_height: (60.0, 90.0),
            ..SceneOptions::default()
        };
        let scene = Scene::compose(FaceModel::bundled(), &options, k).unwrap();
        scene.image.save(&at(&format!("scene{k}.jpg"))).unwrap();
        let boxes: Vec<String> =
            scene.faces.iter().map(|f| f.bbox.map(|v| v.to_string()).join(" ")).collect();
        scenes += &format!("scene{k}.jpg,{}\n", boxes.join(";"));
        let empty = SceneOptions { width: 320, height: 240, people: Vec::new(), ..SceneOptions::default() };
        Scene::compose(FaceModel::bundled(), &empty, k)
            .unwrap()
            .image
            .save(&at(&format!("empty{k}.jpg")))
            .unwrap();
        landscapes += &format!("empty{k}.jpg,\n");
    }
    std::fs::write(at("scenes.csv"), scenes).unwrap();
    std::fs::write(at("landscapes.csv"), landscapes).unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    for (from, to) in [
        ("phiz-detect-small.toml", "other-detector.toml"),
        ("phiz-detect-small.onnx", "phiz-detect-small.onnx"),
        ("phiz-second-small.onnx", "phiz-second-small.onnx"),
    ] {
        std::fs::copy(models.join(from), at(to)).unwrap();
    }
    run(folder.path(), "enroll photos", &[0]);
    run(folder.path(), &format!("embed --largest --out theirs.npy --list paths.csv {paths}"), &[0]);
    for name in ["a", "b"] {
        run(folder.path(), &format!("eval all-pairs photos.csv --json {name}.json"), &[0]);
    }
    let shown = commands("evaluation.md").into_values().flatten();
    let all: Vec<String> = tabled("evaluation.md").into_iter().chain(shown).collect();
    for command in &all {
        run(folder.path(), command, &[0]);
    }
    assert!(all.len() >= 13, "{all:?}");
}

/// `~/Pictures` (and `~/Photos`): Ana, Ben and Cleo, whom somebody may enrol, and three strangers with three photos each.
/// People of the fixtures, who do not look like each other.
fn pictures() -> TempDir {
    let user = tempfile::tempdir().unwrap();
    let names = [("ana", &[1][..]), ("ben", &[3]), ("cleo", &[2]), ("x", &[18]), ("y", &[4]), ("z", &[28])];
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
    // One photo came later, so that something is left to write.
    std::fs::remove_file(user.path().join("Photos/ana1.jpg.xmp")).unwrap();
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

#[test]
fn every_example_of_the_readme_runs() {
    let readme = commands("../../README.md");
    let user = pictures();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // The README's own Ada is the archive's Ana.
    for (name, from) in [
        ("ada-1.jpg", "ana0"),
        ("ada-2.jpg", "ana1"),
        ("passport.jpg", "ana0"),
        ("selfie.jpg", "ana2"),
        ("holidays/1.jpg", "both"),
    ] {
        std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        std::fs::copy(user.path().join(format!("Pictures/{from}.jpg")), at(name)).unwrap();
    }
    std::fs::copy(user.path().join("party.jpg"), at("party.jpg")).unwrap();
    let mut ran = 0;
    for command in &readme["Use it with your own photos"] {
        run_as(user.path(), folder.path(), command, &[0]);
        ran += 1;
    }
    // The last of them took back the enrolment, and the archive's examples take Ada for known.
    run_as(user.path(), folder.path(), "enroll Ada ada-1.jpg ada-2.jpg", &[0]);
    for command in &readme["Your photo archive"] {
        let command = if command.starts_with("strangers name") {
            let said = run_as(user.path(), folder.path(), "strangers --json", &[0]);
            let first: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
            command.replace("14", &first["stranger"].to_string())
        } else {
            command.clone()
        };
        run_as(user.path(), folder.path(), &command, &[0]);
        ran += 1;
    }
    assert!(ran >= 11, "{ran} commands");
}

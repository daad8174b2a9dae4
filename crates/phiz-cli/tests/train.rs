//! `phiz data` and `phiz train` from ten people's photos to a trained network and its report, in the time of a test.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::path::Path;
use std::process::Command;

use phiz_engine::{LoadOptions, Tensor};
use phiz_synth::{FaceModel, Scene};
use serde_json::Value;

/// Small, coarse and short: enough to see that everything learns.
const RECIPE: &str = r#"
network = "slim-small"
seed = 1
batch = 16
average = 0.9

[[stages]]
size = 32
schedule = { rate = 3e-3, warmup = 5, steps = 60, fall = 0.5 }

[embed]
distil = 1.0
relations = 2.0
heads = [{ people = "", weight = 0.05, loss = "arcface", margin = 0.2, scale = 16.0 }]
"#;

fn phiz(folder: &Path, arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_phiz")).args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "phiz {arguments:?}\n{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn ten_photos_of_ten_people_become_a_network_and_a_report() {
    let folder = tempfile::tempdir().unwrap();
    for person in 0..10 {
        let photos = folder.path().join(format!("people/P{person}"));
        std::fs::create_dir_all(&photos).unwrap();
        for photo in 0..10 {
            let scene = Scene::portrait(FaceModel::bundled(), person, 160, 100 * person + photo).unwrap();
            scene.image.save(&photos.join(format!("{photo}.jpg"))).unwrap();
        }
    }
    std::fs::write(folder.path().join("recipe.toml"), RECIPE).unwrap();
    let run = |arguments: &[&str]| phiz(folder.path(), arguments);
    run(&["data", "split", "people", "--out", "list.csv", "--tune", "30"]);
    run(&["data", "prepare", "list.csv", "--out", "shards"]);
    let train = ["train", "embedder", "recipe.toml", "--data", "shards", "--run", "run", "--plain"];
    let said = run(&[&train[..], &["--evaluate-every", "30", "--backend", "flex"]].concat());
    assert!(said.contains("done: run/model.onnx, run/report.html"), "{said}");

    let read = |name: &str| std::fs::read(folder.path().join("run").join(name)).unwrap();
    let metrics = String::from_utf8(read("metrics.jsonl")).unwrap();
    let rows: Vec<Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let figures = |name: &str| -> Vec<f64> { rows.iter().filter_map(|row| row[name].as_f64()).collect() };
    let loss = figures("loss");
    assert!(loss.len() == 3 && loss[2] < 0.8 * loss[0], "it learns: {metrics}");
    let held_out = figures("equal_error");
    // What learnt at 32 pixels is judged at 112, where it is used; chance would be 0.5.
    assert!(held_out.len() == 2 && held_out[1] < 0.42, "strangers are told apart: {metrics}");
    assert!(figures("tar_at_far_1e-3").is_empty(), "30 photos show no rate of one in a thousand: {metrics}");

    let report = String::from_utf8(read("report.html")).unwrap();
    assert!(report.contains("<svg") && report.contains("slim-small"), "no curve in the report");
    let network = phiz_engine::load(&read("model.onnx"), &LoadOptions::default()).unwrap();
    let template = network.run(&Tensor::zeros(vec![1, 3, 112, 112]).unwrap()).unwrap().remove(0);
    assert!(template.shape == [1, 512] && template.data.iter().all(|v| v.is_finite()));

    // Each person stands for a group here: eight of them, of ten photos each, span fewer than nine directions.
    let weights = "run/model.safetensors";
    let even =
        ["train", "even", weights, "--network", "slim-small", "--groups", "shards/train", "--data", "shards"];
    let said = run(&[&even[..], &["--directions", "2", "--out", "even.safetensors"]].concat());
    assert!(said.contains("8 means of 8 groups") && said.contains("held out, after"), "{said}");
    assert!(said.lines().any(|line| line.starts_with('P') && line.contains("10 faces")), "{said}");
    run(&["train", "export", "even.safetensors", "--network", "slim-small", "--out", "even.onnx"]);
    let card = std::fs::read_to_string(folder.path().join("even.toml")).unwrap();
    assert!(card.contains("even.onnx"), "{card}");
    let mean = ["train", "mean", weights, "even.onnx", "--network", "slim-small"];
    let said = run(&[&mean[..], &["--shares", "1,3", "--out", "mean.safetensors"]].concat());
    assert!(said.contains("25.0 % of run/model.safetensors"), "{said}");
    run(&["train", "export", "mean.safetensors", "--network", "slim-small", "--out", "mean.onnx"]);

    let mean_file = folder.path().join("mean.safetensors");
    let before = std::fs::read(&mean_file).unwrap();
    let export = ["train", "export", weights, "--network", "slim-small"];
    for (command, more, expected) in [
        (&even[..], &["--directions", "9", "--out", "other.safetensors"][..], "do not span 9 directions"),
        (&even[..], &["--directions", "0", "--out", "other.safetensors"], "--directions"),
        (&even[..], &["--out", "mean.safetensors"], "is there already"),
        (&even[..], &["--out", "other.onnx"], "must be named .safetensors"),
        (&mean[..], &["--out", "mean.safetensors"], "is there already"),
        (&export[..], &["--out", "mean.safetensors"], "is there already"),
        (&export[..], &["--out", "other.bin"], "must be named .onnx or .safetensors"),
        (&mean[..], &["--shares", "1", "--out", "other.safetensors"], "1 numbers for 2 files"),
        (&mean[..], &["--shares", "1e308,1e308", "--out", "other.safetensors"], "too large to be added"),
        (&mean[..], &["--shares", "1,0", "--out", "other.safetensors"], "must be above 0"),
    ] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_phiz"));
        let output = program.args(command).args(more).current_dir(folder.path()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(expected), "{more:?}: {error}");
        assert!(!folder.path().join("other.safetensors").exists(), "{more:?}");
    }
    assert_eq!(std::fs::read(&mean_file).unwrap(), before);
}

#[cfg(feature = "vulkan")]
#[test]
fn without_a_vulkan_driver_nothing_is_begun_on_the_processor() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("recipe.toml"), RECIPE).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_phiz"))
        .args(["train", "embedder", "recipe.toml", "--data", "shards", "--run", "run", "--backend", "vulkan"])
        .current_dir(folder.path())
        // The loader's list of drivers, by its old name and its new one.
        .env("VK_ICD_FILENAMES", "/nonexistent.json")
        .env("VK_DRIVER_FILES", "/nonexistent.json")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{error}");
    assert!(error.contains("Vulkan finds no GPU") && error.contains("--backend flex"), "{error}");
    assert!(!folder.path().join("run").exists());
}

#[test]
fn tuning_overwrites_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let result = folder.path().join("model.safetensors");
    std::fs::write(&result, "a run's").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_phiz"))
        .args(["train", "tune", "--data", "shards", "--run", "."])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && error.contains("not overwritten") && error.contains("--run"),
        "{error}"
    );
    assert_eq!(std::fs::read(&result).unwrap(), b"a run's");
}

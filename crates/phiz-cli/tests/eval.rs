//! `phiz eval` as people run it: right input gives figures, wrong input an error or a warning that says what to do.
//!
//! Scores and templates come from text files, so no picture and no network is needed and the runs take no time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::path::Path;
use std::process::{Command, Output};

fn phiz(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_phiz")).current_dir(folder).arg("eval").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// People in corners of a cube of 16 numbers, three photos each: `(list with numbers, list alone)`.
fn people(n: usize, wobble: f64) -> (String, String) {
    let numbers: Vec<String> = (0..16).map(|k| format!("e{k}")).collect();
    let mut vectors = format!("path,person,group,{}\n", numbers.join(","));
    let mut list = "path,person,group\n".to_owned();
    for person in 0..n {
        for photo in 0..3 {
            let group = ["day", "night"][person % 2];
            let head = format!("p{person}/{photo}.jpg,p{person},{group}");
            let values = (0..16).map(|k| {
                let corner = if (person * 2_654_435_761) >> (k + 7) & 1 == 1 { 1.0 } else { -1.0 };
                let noise = ((person * 31 + photo * 17 + k * 7) % 13) as f64 / 6.0 - 1.0;
                format!("{:.4}", corner + wobble * noise)
            });
            vectors.push_str(&format!("{head},{}\n", values.collect::<Vec<_>>().join(",")));
            list.push_str(&format!("{head}\n"));
        }
    }
    (vectors, list)
}

struct Case<'a> {
    name: &'a str,
    files: &'a [(&'a str, &'a str)],
    arguments: &'a [&'a str],
    code: i32,
    /// On stderr for errors, on stdout for warnings inside the report.
    says: &'a [&'a str],
}

#[test]
fn wrong_input_says_what_is_wrong_and_what_to_do() {
    let lfw = "1\t1\nAda\t1\t2\nAda\t1\tBob\t1\n";
    let numbers = "path,e0,e1\na,1,0\nb,0,1\nc,1,1\n";
    let alike: (String, String) = (0..40)
        .fold(("path,person\n".into(), "path,e0,e1\n".into()), |(list, vectors), k| {
            (format!("{list}{k},p{k}\n"), format!("{vectors}{k},1,0\n"))
        });
    let cases = [
        Case {
            name: "pairs of missing photos only",
            files: &[("pairs.txt", lfw)],
            arguments: &["pairs", "pairs.txt"],
            code: 2,
            says: &["Ada_0001.jpg: there is no such photo", "the other 2", "hint:", "--photos"],
        },
        Case {
            name: "a score that is no number",
            files: &[("p.csv", "a,b,same,score\nx,y,1,0.5\nx,z,0,NaN\n")],
            arguments: &["pairs", "p.csv"],
            code: 2,
            says: &["p.csv:3", "`NaN` is no finite number", "hint:"],
        },
        Case {
            name: "swapped labels",
            files: &[("p.csv", "a,b,same,score\nx,y,1,0.1\nx,z,0,0.9\ny,z,0,0.8\n")],
            arguments: &["pairs", "p.csv"],
            code: 0,
            says: &["are the labels swapped"],
        },
        Case {
            name: "one pair with both answers",
            files: &[("p.csv", "a,b,same,score\nx,y,1,0.1\ny,x,0,0.9\n")],
            arguments: &["pairs", "p.csv"],
            code: 2,
            says: &["p.csv:3", "the pair of line 2 again, with the other answer"],
        },
        Case {
            name: "the same person as two",
            files: &[("p.csv", "a,b,same,person_a,person_b,score\nx,y,0,Ada,Ada,0.5\n")],
            arguments: &["pairs", "p.csv"],
            code: 2,
            says: &["p.csv:2", "the people are `Ada` and `Ada`"],
        },
        Case {
            name: "only pairs of different people",
            files: &[("p.csv", "a,b,same,score\nx,y,0,0.1\nx,z,0,0.2\n")],
            arguments: &["pairs", "p.csv"],
            code: 0,
            says: &["undefined"],
        },
        Case {
            name: "only pairs of one person",
            files: &[("p.csv", "a,b,same,score\nx,y,1,0.1\nx,z,1,0.2\n")],
            arguments: &["pairs", "p.csv"],
            code: 0,
            says: &["undefined", "there is no impostor pair", "no figures at a threshold"],
        },
        Case {
            name: "no list",
            files: &[],
            arguments: &["all-pairs", "list.csv"],
            code: 2,
            says: &["list.csv: cannot be read", "hint:"],
        },
        Case {
            name: "an empty list",
            files: &[("list.csv", "path,person\n")],
            arguments: &["all-pairs", "list.csv"],
            code: 2,
            says: &["list.csv: there is no photo"],
        },
        Case {
            name: "an empty list of pairs",
            files: &[("p.csv", "a,b,same,score\n")],
            arguments: &["pairs", "p.csv"],
            code: 2,
            says: &["p.csv: there is no pair"],
        },
        Case {
            name: "NaN among the templates",
            files: &[
                ("list.csv", "path,person\na,p\nb,p\nc,q\nd,q\n"),
                ("e.csv", "path,e0,e1\na,1,0\nb,1,0.1\nc,NaN,1\nd,0,1\n"),
            ],
            arguments: &["all-pairs", "list.csv", "--embeddings", "e.csv"],
            code: 1,
            says: &["Could not be used", "NaN or infinity", "as a failure to acquire"],
        },
        Case {
            name: "nobody is accepted",
            files: &[
                ("list.csv", "path,person\na,p\nb,p\nc,q\nd,q\n"),
                ("e.csv", "path,e0,e1\na,1,0\nb,1,0\nc,1,0\nd,1,0\n"),
            ],
            arguments: &["all-pairs", "list.csv", "--embeddings", "e.csv", "--threshold", "1.5"],
            code: 0,
            says: &["(rule of 3)", "every pair has the same score"],
        },
        Case {
            name: "a list that would be overwritten",
            files: &[("list.csv", "path,person\na,p\nb,q\n"), ("e.csv", numbers)],
            arguments: &["all-pairs", "list.csv", "--embeddings", "e.csv", "--json", "list.csv"],
            code: 2,
            says: &["--json list.csv: is used for something else as well", "hint:"],
        },
        Case {
            name: "a file of somebody's that would be overwritten",
            files: &[("list.csv", "path,person\na,p\nb,q\n"), ("e.csv", numbers), ("notes.md", "mine")],
            arguments: &["all-pairs", "list.csv", "--embeddings", "e.csv", "--markdown", "notes.md"],
            code: 2,
            says: &["--markdown notes.md: exists, and is not the report of an earlier run"],
        },
        Case {
            name: "a report into a folder that is not there",
            files: &[("list.csv", "path,person\na,p\nb,q\n"), ("e.csv", numbers)],
            arguments: &["all-pairs", "list.csv", "--embeddings", "e.csv", "--html", "no/where.html"],
            code: 2,
            says: &["--html no/where.html: cannot be written"],
        },
        Case {
            name: "a confidence that makes no interval",
            files: &[("p.csv", "a,b,same,score\nx,y,1,0.9\nx,z,0,0.2\n")],
            arguments: &["pairs", "p.csv", "--confidence", "1"],
            code: 2,
            says: &["confidence: 1 makes no interval"],
        },
        Case {
            name: "no intervals without people",
            files: &[("p.csv", "a,b,same,score\nx,y,1,0.9\nx,z,0,0.2\n")],
            arguments: &["pairs", "p.csv"],
            code: 0,
            says: &["names no people", "person_a"],
        },
        Case {
            name: "a photo without a template in the file",
            files: &[("list.csv", "path,person\na,p\nb,q\nd,q\n"), ("e.csv", numbers)],
            arguments: &["all-pairs", "list.csv", "--embeddings", "e.csv"],
            code: 1,
            says: &["Could not be used", "e.csv has no template for it", "as a failure to acquire"],
        },
        Case {
            name: "no photo of the list in the file",
            files: &[("list.csv", "path,person\nd,p\nf,q\n"), ("e.csv", numbers)],
            arguments: &["all-pairs", "list.csv", "--embeddings", "e.csv"],
            code: 2,
            says: &["e.csv: has no template for `d`", "hint:"],
        },
        Case {
            name: "a photo twice",
            files: &[("list.csv", "path,person\na,p\na,q\n"), ("e.csv", numbers)],
            arguments: &["all-pairs", "list.csv", "--embeddings", "e.csv"],
            code: 2,
            says: &["list.csv:3", "`a` again, after line 2"],
        },
        Case {
            name: "a column that is not there",
            files: &[("list.csv", "path,person\na,p\nb,q\n"), ("e.csv", numbers)],
            arguments: &["all-pairs", "list.csv", "--embeddings", "e.csv", "--by", "race"],
            code: 2,
            says: &["no column `race`", "columns: path, person"],
        },
        Case {
            name: "a filter that leaves nothing",
            files: &[("list.csv", "path,person,split\na,p,train\nb,q,train\n"), ("e.csv", numbers)],
            arguments: &["all-pairs", "list.csv", "--embeddings", "e.csv", "--where", "split=test"],
            code: 2,
            says: &["no photo has `test`", "values: train"],
        },
        Case {
            name: "nobody to search for",
            files: &[("list.csv", "path,person\na,p\nb,q\n"), ("e.csv", numbers)],
            arguments: &["identify", "list.csv", "--embeddings", "e.csv"],
            code: 2,
            says: &["no person has more than 1 photos"],
        },
        Case {
            name: "a rate that is none",
            files: &[("p.csv", "a,b,same,score\nx,y,1,0.9\nx,z,0,0.2\n")],
            arguments: &["pairs", "p.csv", "--fmr", "7"],
            code: 2,
            says: &["--fmr: 7 is not a rate", "0.001"],
        },
        Case {
            name: "thresholds of scores that are all alike",
            files: &[("list.csv", &alike.0), ("e.csv", &alike.1)],
            arguments: &["thresholds", "list.csv", "--embeddings", "e.csv"],
            code: 2,
            says: &["hardly any different scores"],
        },
        Case {
            name: "too few pairs for thresholds",
            files: &[("list.csv", "path,person\na,p\nb,q\nc,r\n"), ("e.csv", numbers)],
            arguments: &["thresholds", "list.csv", "--embeddings", "e.csv"],
            code: 2,
            says: &["3 impostor pairs are too few"],
        },
        Case {
            name: "a finding in a photo that has no truth",
            files: &[("gt.txt", "a.jpg\n1\n0 0 9 9\n"), ("r.txt", "b.jpg\n1\n0 0 9 9 0.5\n")],
            arguments: &["detect", "gt.txt", "--found", "r.txt"],
            code: 2,
            says: &["b.jpg: has findings but no truth"],
        },
        Case {
            name: "a run of another program",
            files: &[("run.json", "{}")],
            arguments: &["compare", "run.json"],
            code: 2,
            says: &["run.json", "phiz eval"],
        },
    ];
    let mut bad = Vec::new();
    for case in cases {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in case.files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let output = phiz(folder.path(), case.arguments);
        let said = if case.code == 2 { text(&output.stderr) } else { text(&output.stdout) };
        let missing: Vec<_> = case.says.iter().filter(|s| !said.contains(**s)).collect();
        if output.status.code() != Some(case.code) || !missing.is_empty() {
            bad.push(format!(
                "{}: {:?}, does not say {missing:?}:\n{said}{}",
                case.name,
                output.status,
                text(&output.stderr)
            ));
        }
    }
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}

#[test]
fn two_systems_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let (good, list) = people(40, 0.6);
    let (worse, _) = people(40, 1.6);
    std::fs::write(folder.path().join("list.csv"), &list).unwrap();
    for (name, vectors) in [("good", good), ("worse", worse)] {
        // The numbers' file may hold other columns than `path` and `person` only as numbers.
        let without_group: String = vectors
            .lines()
            .map(|line| {
                let fields: Vec<&str> = line.split(',').collect();
                [&fields[..2], &fields[3..]].concat().join(",") + "\n"
            })
            .collect();
        std::fs::write(folder.path().join(format!("{name}.csv")), without_group).unwrap();
        let file = format!("{name}.csv");
        let json = format!("{name}.json");
        let run = [
            "all-pairs",
            "list.csv",
            "--embeddings",
            &file,
            "--by",
            "group",
            "--threshold",
            "0.5",
            "--json",
            &json,
        ];
        let output = phiz(folder.path(), &run);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        assert!(
            said.contains("TAR at FAR 1e-1") && said.contains("night") && said.contains("95 % interval"),
            "{said}"
        );
        assert!(said.contains("too few to say"), "7,020 pairs cannot speak about one in a million:\n{said}");
    }
    let output = phiz(folder.path(), &["compare", "good.json", "worse.json", "--html", "page.html"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(said.contains("| difference |") && said.contains("p < 0.0"), "{said}");
    // The difference is that of the figures beside it, not the middle of the rounds.
    let line = said.lines().find(|line| line.starts_with("| AUC |")).unwrap();
    let numbers: Vec<f64> = line
        .replace('−', "-")
        .split('|')
        .skip(2)
        .filter_map(|cell| cell.split_whitespace().next()?.parse().ok())
        .collect();
    assert!((numbers[1] - numbers[0] - numbers[2]).abs() < 1.5e-4, "{line}");
    let page = std::fs::read_to_string(folder.path().join("page.html")).unwrap();
    for wanted in [
        "<svg",
        "role=\"img\"",
        "type=\"range\"",
        "Content-Security-Policy",
        "SHA-256",
        "seed 1",
        "scope=\"col\"",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
    assert!(
        !page.contains("http://") && !page.contains("https://"),
        "the page asks the network for something"
    );
    assert!(
        text(&phiz(folder.path(), &["identify", "list.csv", "--embeddings", "good.csv"]).stdout)
            .contains("rank-1")
    );
}

/// The rest of the work is done: our own models on photos, of which one is missing and one is damaged.
#[test]
fn a_missing_and_a_damaged_photo_do_not_end_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let people = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/people");
    let mut list = "path,person,boxes\n".to_owned();
    let mut used = 0;
    for person in ["Ada", "Ben"] {
        for n in 1..=2 {
            let photo = people.join(person).join(format!("{n}.jpg"));
            if photo.is_file() {
                std::fs::copy(&photo, folder.path().join(format!("{person}{n}.jpg"))).unwrap();
                list.push_str(&format!("{person}{n}.jpg,{person},10 10 80 80\n"));
                used += 1;
            }
        }
    }
    assert!(used >= 3, "the fixtures have other photos");
    std::fs::write(folder.path().join("broken.jpg"), b"\xff\xd8\xff\xe0 nothing more").unwrap();
    std::fs::write(folder.path().join("list.csv"), format!("{list}broken.jpg,Ada,\ngone.jpg,Ada,\n"))
        .unwrap();
    let pairs =
        "a,b,same\nAda1.jpg,Ada2.jpg,1\nAda1.jpg,Ben1.jpg,0\nAda1.jpg,broken.jpg,1\nAda1.jpg,gone.jpg,1\n";
    std::fs::write(folder.path().join("pairs.csv"), pairs).unwrap();
    for (what, arguments) in [
        ("pairs", vec!["pairs", "pairs.csv"]),
        ("all-pairs", vec!["all-pairs", "list.csv", "--cache", "cache"]),
        ("all-pairs again", vec!["all-pairs", "list.csv", "--cache", "cache"]),
        ("identify", vec!["identify", "list.csv", "--outside", "0", "--cache", "cache"]),
        ("detect", vec!["detect", "list.csv"]),
        ("quality", vec!["quality", "list.csv", "--cache", "cache"]),
    ] {
        let json = format!("{}.json", arguments[0]);
        let arguments = [arguments, vec!["--json", &json]].concat();
        let output = phiz(folder.path(), &arguments);
        let (said, told) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{what}: {told}{said}");
        for wanted in ["there is no such photo", "gone.jpg", "Could not be used", "broken.jpg"] {
            assert!(said.contains(wanted), "{what} does not say {wanted}:\n{said}");
        }
        let report: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.path().join(&json)).unwrap()).unwrap();
        let left_out = report["left_out"].as_array().unwrap();
        assert_eq!(left_out.len(), 2, "{what}: {left_out:?}");
        let counts =
            |item: &str| left_out.iter().find(|l| l["item"] == item).unwrap()["counts_as_failure"] == true;
        assert!(counts("broken.jpg") && !counts("gone.jpg"), "{what}: {left_out:?}");
        for section in report["sections"].as_array().unwrap() {
            for figure in section["figures"].as_array().unwrap() {
                assert_eq!(figure["value"].is_null(), figure["reason"].is_string(), "{what}: {figure}");
            }
        }
    }
    // Another pipeline does not take this one's templates for its own.
    phiz(folder.path(), &["all-pairs", "list.csv", "--cache", "cache", "--quick"]);
    assert_eq!(std::fs::read_dir(folder.path().join("cache")).unwrap().count(), 2);
}

#[test]
fn a_folder_with_a_photo_of_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    for (person, name) in [("p", "1"), ("p", "2"), ("q", "1")] {
        std::fs::create_dir_all(photos.join(person)).unwrap();
        std::fs::write(photos.join(person).join(format!("{name}.jpg")), b"x").unwrap();
    }
    std::fs::write(photos.join("stray.jpg"), b"x").unwrap();
    std::fs::write(folder.path().join("e.csv"), "path,e0,e1\np/1.jpg,1,0\np/2.jpg,1,0.2\nq/1.jpg,0,1\n")
        .unwrap();
    let output = phiz(folder.path(), &["all-pairs", "photos", "--embeddings", "e.csv"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("lies in no person's folder"), "{}", text(&output.stdout));
    let output = phiz(folder.path(), &["all-pairs", "photos/p", "--embeddings", "e.csv"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("holds no photo in a person's folder"), "{}", text(&output.stderr));
}

#[test]
fn one_report_of_several_is_none() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.csv"), "a,b,same,score\nx,y,1,0.9\nx,z,0,0.2\n").unwrap();
    assert_eq!(phiz(folder.path(), &["pairs", "p.csv", "--json", "a.json"]).status.code(), Some(0));
    std::fs::write(folder.path().join("other.json"), "{}").unwrap();
    let output = phiz(folder.path(), &["compare", "a.json", "other.json", "gone.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("### Verification"));
    let told = text(&output.stderr);
    assert!(told.contains("other.json") && told.contains("gone.json"), "{told}");
}

#[test]
fn figures_repeat_whatever_the_threads() {
    let folder = tempfile::tempdir().unwrap();
    let (vectors, _) = people(30, 1.0);
    std::fs::write(
        folder.path().join("list.csv"),
        vectors.replace(",group", "").replace(",day", "").replace(",night", ""),
    )
    .unwrap();
    let run = |threads: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_phiz"))
            .current_dir(folder.path())
            .env("RAYON_NUM_THREADS", threads)
            .args(["eval", "all-pairs", "list.csv", "--embeddings", "list.csv"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(run("1"), run("3"));
}

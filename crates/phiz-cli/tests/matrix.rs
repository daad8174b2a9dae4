//! Every command against every way in which the world around it fails: nobody reads the answer, the disk is full, the
//! medium is read-only, an item is missing, a name is no text. No command panics, each ends with its documented exit code,
//! does the rest of its work, and loses nothing that was stored.
//!
//! [`COMMANDS`] lists the commands once; `no_command_is_missed` compares it with what `phiz --help` lists.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;

use phiz_synth::{FaceModel, Scene, SceneOptions};
use serde_json::Value;
use tempfile::TempDir;

/// A command with arguments that do its work on a [`Desk`].
struct Row {
    /// As on the command line.
    command: &'static str,
    arguments: &'static [&'static str],
    /// How it ends when all is well.
    code: i32,
}

const fn row(command: &'static str, arguments: &'static [&'static str], code: i32) -> Row {
    Row { command, arguments, code }
}

/// All commands.
const COMMANDS: &[Row] = &[
    row("enroll", &["new"], 0),
    row("identify", &["a.jpg", "b.jpg"], 0),
    row("tag", &["a.jpg", "b.jpg"], 0),
    row("scan", &["album", "b.jpg"], 0),
    row("find", &["--unknown", "--link-to", "links"], 0),
    row("strangers list", &["--sheet", "sheet.png"], 0),
    row("strangers show", &["1"], 0),
    row("strangers like", &["album/1-0.png"], 0),
    row("strangers name", &["1", "Eve"], 0),
    row("strangers ignore", &["1"], 0),
    row("strangers notice", &["3"], 0),
    row("strangers join", &["1", "2"], 0),
    row("strangers split", &["1", "s1"], 0),
    row("strangers undo", &[], 0),
    row("review", &["--json"], 0),
    row("explain", &["a.jpg"], 0),
    // There is none, which is an answer.
    row("people doubts", &[], 1),
    row("people list", &[], 0),
    row("people show", &["p1", "--sheet", "sheet.png"], 0),
    row("people rename", &["p1", "Ada Lima"], 0),
    row("people set", &["p1", "team=red", "--list", "vip"], 0),
    row("people merge", &["p1", "p2", "p3"], 0),
    row("people split", &["p1", "f2", "--name", "Eve"], 0),
    row("people move", &["f2", "p2"], 0),
    row("people not", &["p1", "f2"], 0),
    row("people allow", &["n1"], 0),
    row("people remove", &["--yes", "p2", "f1"], 0),
    row("people undo", &[], 0),
    row("people history", &[], 0),
    row("gallery stats", &[], 0),
    row("gallery check", &[], 0),
    row("gallery compact", &[], 0),
    row("gallery purge", &["--yes", "--verify"], 0),
    row("gallery undo-days", &["--yes", "3"], 0),
    row("gallery export", &["exported"], 0),
    row("gallery backup", &["copy.phiz"], 0),
    row("gallery import", &["archive"], 0),
    row("gallery calibrate", &["--forget"], 0),
    row("gallery adopt", &[], 0),
    row("gallery key rotate", &["--yes", "--to-file", "new.key"], 0),
    row("gallery key exchange", &["--to-file", "new.key"], 0),
    row("detect", &["a.jpg", "b.jpg", "--annotate", "marked"], 0),
    // One picture is a video of one frame.
    row("watch", &["a.jpg", "--html", "page.html"], 0),
    row("redact", &["a.jpg", "--out", "hidden.jpg"], 0),
    row("verify", &["a.jpg", "a.jpg"], 0),
    row("embed", &["a.jpg", "--out", "t.npy", "--list", "t.csv"], 0),
    row("eval pairs", &["scores.csv", "--json", "pairs.json"], 0),
    row("eval all-pairs", &["list.csv", "--embeddings", "vectors.csv", "--markdown", "all.md"], 0),
    row("eval identify", &["list.csv", "--embeddings", "vectors.csv", "--html", "search.html"], 0),
    row("eval detect", &["boxes.csv"], 0),
    row("eval landmarks", &["list.csv", "--reference", "detector.toml"], 0),
    // One picture is a video of one frame.
    row("eval video", &["a.jpg", "--truth", "truth.csv"], 0),
    row("eval quality", &["list.csv", "--embeddings", "vectors.csv", "--column", "quality"], 0),
    row("eval gallery", &[], 0),
    // Too few people for a table, which is an error and no table.
    row("eval thresholds", &["list.csv", "--embeddings", "vectors.csv"], 2),
    row("eval compare", &["one.json", "two.json"], 0),
    row("key new", &["--scope", "read"], 0),
    row("key list", &[], 0),
    // There is no key yet.
    row("key revoke", &["k1"], 1),
    row("config show", &[], 0),
    row("model info", &["phiz-detect"], 0),
    row("completions", &["bash"], 0),
    row("bench", &["--rounds", "1"], 0),
];

/// Commands that tests of their own run: the trainer's, and the server, which does not end by itself.
const ELSEWHERE: [&str; 3] = ["data", "serve", "train"];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::copy(from, to).unwrap();
    }
}

/// A desk on which everything that [`COMMANDS`] names lies ready; every desk is a copy of it.
static READY: LazyLock<Desk> = LazyLock::new(|| {
    let desk = Desk { folder: tempfile::tempdir().unwrap() };
    let people = fixtures().join("people");
    for (from, to) in [
        ("Ada/1.jpg", "people/Ada/1.jpg"),
        ("Ada/2.jpg", "people/Ada/2.jpg"),
        ("Ben/1.jpg", "people/Ben/1.jpg"),
        ("Cleo/1.jpg", "people/Cleo/1.jpg"),
        ("Ada/3.jpg", "a.jpg"),
        ("Ben/2.jpg", "b.jpg"),
        ("Cleo/2.jpg", "new/Cleo/2.jpg"),
        ("Dan/1.jpg", "new/Dan/1.jpg"),
        ("Dan/2.jpg", "new/Dan/2.jpg"),
    ] {
        let to = desk.path(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        copy(&people.join(from), &to);
    }
    desk.run(0, &["enroll", "people", "--force"]);
    desk.run(0, &["people", "not", "p1", "b.jpg"]);
    desk.run(0, &["gallery", "export", "archive"]);
    std::fs::create_dir(desk.path("album")).unwrap();
    for (person, number) in [(44, 1), (55, 2), (66, 3)] {
        for seed in 0..3 {
            let options =
                SceneOptions { people: vec![person], face_height: (110.0, 150.0), ..SceneOptions::default() };
            let scene = Scene::compose(FaceModel::bundled(), &options, 10 * person + seed).unwrap();
            scene.image.save(&desk.path(format!("album/{number}-{seed}.png"))).unwrap();
        }
    }
    desk.run(0, &["scan", "album"]);
    desk.run(0, &["strangers", "ignore", "3"]);
    let mut scores = "a,b,same,score,person_a,person_b\n".to_owned();
    let mut list = "path,person,quality\n".to_owned();
    let mut vectors = "path,e0,e1,e2,e3\n".to_owned();
    for person in 0..8 {
        for photo in 0..3 {
            let name = format!("p{person}/{photo}.jpg");
            list.push_str(&format!("{name},p{person},0.{}\n", 5 + photo));
            let values = (0..4).map(|k| {
                format!("{}", if person >> k & 1 == 1 { 1.0 } else { -0.8 } + 0.1 * f64::from(photo * k))
            });
            vectors.push_str(&format!("{name},{}\n", values.collect::<Vec<_>>().join(",")));
        }
        scores.push_str(&format!(
            "p{person}/0.jpg,p{person}/1.jpg,1,0.{},p{person},p{person}\n",
            6 + person % 3
        ));
        let other = (person + 1) % 8;
        scores
            .push_str(&format!("p{person}/0.jpg,p{other}/1.jpg,0,0.{},p{person},p{other}\n", 1 + person % 3));
    }
    desk.file("scores.csv", scores);
    desk.file("list.csv", list);
    desk.file("vectors.csv", vectors);
    desk.file("truth.csv", "time,person,left,top,width,height\n0,Ada,100,80,180,240\n");
    desk.file("boxes.csv", "path,boxes\na.jpg,100 80 180 240\n");
    for report in ["one.json", "two.json"] {
        desk.run(0, &["eval", "pairs", "scores.csv", "--json", report]);
    }
    desk
});

/// A folder with photos, lists, an archive, and a home with a gallery of Ada (two faces), Ben and Cleo.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk { folder: tempfile::tempdir().unwrap() };
        copy(READY.folder.path(), desk.folder.path());
        desk
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phiz"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PHIZ_HOME", self.path("home"))
            .env_remove("PHIZ_PASSPHRASE")
            .env_remove("PHIZ_NEW_PASSPHRASE")
            .stdin(Stdio::null());
        command
    }

    fn phiz(&self, arguments: &[impl AsRef<OsStr>]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn run(&self, code: i32, arguments: &[&str]) -> (String, String) {
        let output = self.phiz(arguments);
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(code), "phiz {arguments:?}\n{out}\n{err}");
        (out, err)
    }

    fn json(&self, code: i32, arguments: &[&str]) -> Vec<Value> {
        self.run(code, arguments).0.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What is stored: people with their faces, what can be undone, and the files beside the gallery.
    fn state(&self) -> String {
        let mut said = String::new();
        for command in
            [&["people", "list", "--json"][..], &["people", "history", "--json"], &["gallery", "stats"]]
        {
            let mut output = self.phiz(command);
            if !matches!(output.status.code(), Some(0 | 1)) {
                output = self.phiz(&[command, &["--key", "new.key"]].concat());
            }
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            // Sizes of files and moments differ from run to run.
            for line in text.lines().filter(|line| !line.contains(" kB") && !line.contains(" bytes")) {
                let plain = line.split(&[',', '}'][..]).filter(|part| {
                    !["\"created\"", "\"at\"", "\"added\""].iter().any(|moment| part.contains(moment))
                });
                said.push_str(&plain.collect::<Vec<_>>().join(","));
                said.push('\n');
            }
        }
        let mut files = BTreeSet::new();
        list(self.folder.path(), self.folder.path(), &mut files);
        files.retain(|file| !file.starts_with("home"));
        said + &format!("{files:#?}")
    }
}

fn list(folder: &Path, root: &Path, files: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, root, files);
        } else {
            files.insert(path.strip_prefix(root).unwrap().into());
        }
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The arguments of a row, with the repository's detector card where one is asked for.
fn arguments(row: &Row) -> Vec<OsString> {
    let card = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/phiz-detect.toml");
    let word = |word: &str| match word {
        "detector.toml" => card.clone().into_os_string(),
        word => word.into(),
    };
    let words = row.command.split(' ').map(word);
    let mut all: Vec<OsString> = words.chain(row.arguments.iter().map(|text| word(text))).collect();
    if row.command == "eval landmarks" {
        all[2] = "faces.csv".into();
    }
    all
}

/// Says what could not be tested, past the test harness, which keeps the output of tests that pass to itself.
fn skipped(what: &str) {
    let mut out = std::io::stderr();
    writeln!(out, "skipped: {what}").unwrap();
}

/// A line of what is wrong unless a run ended as it should.
fn wrong(what: &str, row: &Row, output: &Output, code: i32) -> Option<String> {
    let (out, err) = texts(output);
    let panicked = err.contains("panicked") || output.status.signal().is_some();
    (panicked || output.status.code() != Some(code))
        .then(|| format!("phiz {} {what}: {} instead of {code}\n{out}\n{err}", row.command, output.status))
}

/// What each row leaves behind when all is well.
static WELL: LazyLock<BTreeMap<&'static str, (Output, String)>> = LazyLock::new(|| {
    let done = COMMANDS.iter().map(|row| {
        let desk = Desk::new();
        desk.file("faces.csv", "path,person\na.jpg,Ada\nb.jpg,Ben\n");
        let output = desk.phiz(&arguments(row));
        (row.command, (output, desk.state()))
    });
    done.collect()
});

/// Runs all commands in a way, and reports all that ended otherwise than with `code` or left another state behind.
fn all_commands(what: &str, run: impl Fn(Command) -> Output, code: impl Fn(&Row) -> i32) {
    let mut faults = Vec::new();
    for row in COMMANDS {
        let desk = Desk::new();
        desk.file("faces.csv", "path,person\na.jpg,Ada\nb.jpg,Ben\n");
        let output = run(desk.command(&arguments(row)));
        faults.extend(wrong(what, row, &output, code(row)));
        let (state, well) = (desk.state(), &WELL[row.command].1);
        if state != *well {
            faults.push(format!("phiz {} {what}: left\n{state}\ninstead of\n{well}", row.command));
        }
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n\n"));
}

#[test]
fn no_command_is_missed() {
    fn commands_of(path: &[&str], all: &mut BTreeSet<String>) {
        let output = Command::new(env!("CARGO_BIN_EXE_phiz")).args(path).arg("--help").output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{path:?}: {help}");
        let listed = help.split_once("\nCommands:\n").map(|(_, rest)| rest);
        let Some(listed) = listed else {
            all.insert(path.join(" "));
            return;
        };
        for line in listed.lines().take_while(|line| line.starts_with("  ")) {
            let Some(name) = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) else { continue };
            let name = name.split_whitespace().next().unwrap();
            if name != "help" && !(path.is_empty() && ELSEWHERE.contains(&name)) {
                commands_of(&[path, &[name]].concat(), all);
            }
        }
    }
    let mut all = BTreeSet::new();
    commands_of(&[], &mut all);
    let table: BTreeSet<String> = COMMANDS.iter().map(|row| row.command.to_owned()).collect();
    assert_eq!(table, all, "COMMANDS is not what `phiz --help` lists");
}

#[test]
fn all_is_well_where_nothing_fails() {
    let faults: Vec<String> =
        COMMANDS.iter().filter_map(|row| wrong("as usual", row, &WELL[row.command].0, row.code)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn nobody_reads_the_answer() {
    let run = |mut command: Command| {
        let mut child: Child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        child.wait_with_output().unwrap()
    };
    // What only answers may stop, which is no failure. A key that nobody has read is none.
    all_commands("| head -0", run, |row| if row.command == "key new" { 2 } else { row.code });
}

#[test]
fn the_disk_is_full_for_the_answer() {
    let Some(full) = full() else { return };
    let run = |mut command: Command| {
        command.stdout(full.try_clone().unwrap()).stderr(Stdio::piped()).output().unwrap()
    };
    all_commands("> /dev/full", run, |row| if WELL[row.command].0.stdout.is_empty() { row.code } else { 2 });
}

#[test]
fn the_disk_is_full_for_messages() {
    let Some(full) = full() else { return };
    let run = |mut command: Command| {
        command.stderr(full.try_clone().unwrap()).stdout(Stdio::piped()).output().unwrap()
    };
    all_commands("2> /dev/full", run, |row| row.code);
}

/// A device that is always full.
fn full() -> Option<std::fs::File> {
    let full =
        OpenOptions::new().write(true).open("/dev/full").ok().filter(|mut full| full.write(b"x").is_err());
    if full.is_none() {
        skipped("there is no /dev/full");
    }
    full
}

#[test]
fn standard_streams_are_closed() {
    let run = |command: Command| {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "exec \"$0\" \"$@\" >&- 2>&- <&-"])
            .arg(command.get_program())
            .args(command.get_args());
        shell.current_dir(command.get_current_dir().unwrap());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.output().unwrap()
    };
    all_commands(">&- 2>&- <&-", run, |row| row.code);
}

#[test]
fn all_are_enrolled_though_only_the_first_line_was_read() {
    let desk = Desk::new();
    for number in 0..6 {
        for (person, photo) in [("Dan", 1), ("Dan", 2)] {
            let to = desk.path(format!("many/{person} {number}/{photo}.jpg"));
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            copy(&fixtures().join(format!("people/{person}/{photo}.jpg")), &to);
        }
    }
    let command = "\"$0\" enroll many --force | head -1";
    let output = Command::new("sh")
        .args(["-c", command, env!("CARGO_BIN_EXE_phiz")])
        .current_dir(desk.folder.path())
        .env("PHIZ_HOME", desk.path("other"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    let (out, _) =
        texts(&desk.command(&["people", "--json"]).env("PHIZ_HOME", desk.path("other")).output().unwrap());
    // The same two pictures under six names: the first has them, the others are refused, and each was looked at.
    assert_eq!(out.lines().filter(|line| line.contains("Dan")).count(), 1, "{out}\n{}", texts(&output).1);
    assert_eq!(texts(&output).1.matches("already enrolled as face").count(), 10, "{}", texts(&output).1);
}

#[test]
fn help_and_version_that_cannot_be_written_are_failures() {
    let Some(full) = full() else { return };
    for argument in ["--help", "--version"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phiz"));
        let output =
            command.arg(argument).stdout(full.try_clone().unwrap()).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{argument}: {:?}", texts(&output));
        let mut child =
            Command::new(env!("CARGO_BIN_EXE_phiz")).arg(argument).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{argument}");
    }
}

/// A name that is no text; none where the file system has only text.
fn not_text(desk: &Desk, folder: &str) -> Option<PathBuf> {
    let path = Path::new(folder).join(OsStr::from_bytes(b"a\xff.jpg"));
    std::fs::create_dir_all(desk.path(folder)).unwrap();
    if let Err(error) = std::fs::copy(desk.path("a.jpg"), desk.path(&path)) {
        skipped(&format!("names that are not UTF-8 cannot be made here ({error})"));
        return None;
    }
    Some(path)
}

#[test]
fn names_that_are_no_text() {
    let desk = Desk::new();
    let Some(odd) = not_text(&desk, "odd") else { return };
    copy(&desk.path("b.jpg"), &desk.path("odd/b.jpg"));
    let word = |text: &str| if text == "ODD" { odd.clone().into_os_string() } else { text.into() };
    let cases: &[(&[&str], i32)] = &[
        (&["detect", "--json", "odd"], 0),
        (&["detect", "odd", "--annotate", "marked"], 0),
        (&["detect", "ODD", "--annotate", "marked.jpg"], 0),
        (&["identify", "--json", "odd"], 0),
        (&["identify", "odd", "--annotate", "named"], 0),
        (&["verify", "--json", "ODD", "ODD"], 0),
        (&["embed", "odd", "--out", "o.npy", "--list", "o.csv"], 0),
        (&["enroll", "--json", "Eva", "odd"], 0),
        (&["people", "not", "p2", "ODD"], 0),
        (&["people", "history"], 0),
        (&["eval", "all-pairs", "odd"], 2),
        (&["people", "show", "p1"], 0),
        // As anything but a photo it is refused, not fatal.
        (&["enroll", "ODD", "a.jpg"], 2),
        (&["people", "show", "ODD"], 2),
        (&["people", "list", "--gallery", "ODD"], 2),
        (&["people", "list", "--key", "ODD"], 2),
        (&["gallery", "import", "ODD"], 2),
        (&["detect", "a.jpg", "--detector", "ODD"], 2),
        (&["eval", "compare", "ODD", "ODD"], 2),
        (&["model", "info", "ODD"], 2),
    ];
    let mut faults = Vec::new();
    for (arguments, code) in cases {
        let arguments: Vec<OsString> = arguments.iter().map(|text| word(text)).collect();
        let row = row("", &[], *code);
        faults.extend(wrong(&format!("{arguments:?}"), &row, &desk.phiz(&arguments), *code));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // The bytes survive: in JSON, in lists, in the names of copies.
    for command in ["detect", "identify"] {
        let first = &desk.json(0, &[command, "--json", "odd"])[0];
        assert_eq!(first["path_bytes"], "b2RkL2H/LmpwZw==", "{first}");
    }
    let rows = std::fs::read(desk.path("o.csv")).unwrap();
    assert!(rows.windows(9).any(|w| w == b"odd/a\xff.jp"), "{}", String::from_utf8_lossy(&rows));
    assert!(desk.path("marked").join(OsStr::from_bytes(b"a\xff.jpg")).is_file());
    let (out, _) = texts(&desk.phiz(&["verify", "--json", "none.jpg", "odd"]));
    assert!(out.contains("\"path\":\"none.jpg\""), "{out}");
    let missing = OsStr::from_bytes(b"none\xff.jpg");
    let (out, _) =
        texts(&desk.phiz(&[OsStr::new("verify"), OsStr::new("--json"), OsStr::new("a.jpg"), missing]));
    assert!(out.contains("path_bytes") && out.contains("unreadable"), "{out}");
    // A person's folder whose name is no text is reported; the others are enrolled.
    std::fs::create_dir_all(desk.path("new").join(OsStr::from_bytes(b"\xfe"))).unwrap();
    copy(&desk.path("a.jpg"), &desk.path("new").join(OsStr::from_bytes(b"\xfe")).join("1.jpg"));
    let (out, err) = desk.run(1, &["enroll", "new"]);
    assert!(out.contains("Dan: 2 faces") && err.contains("is not valid UTF-8"), "{out}{err}");
}

#[test]
fn one_missing_among_good_ones() {
    let desk = Desk::new();
    desk.file("paths.txt", "a.jpg\nnone.jpg\nb.jpg\n");
    for command in [
        &["detect", "--json", "a.jpg", "none.jpg", "b.jpg"][..],
        &["detect", "--json", "--files-from", "paths.txt"],
        &["identify", "--json", "a.jpg", "none.jpg", "b.jpg"],
        &["detect", "--json", "a.jpg", "none.jpg", "b.jpg", "--annotate", "marked"],
    ] {
        let lines = desk.json(1, command);
        assert_eq!(lines.len(), 3, "{command:?}");
        assert_eq!(lines[1]["error"]["kind"], "unreadable", "{command:?}");
        assert!(lines[0]["faces"].is_array() && lines[2]["faces"].is_array(), "{command:?}");
    }
    assert!(desk.path("marked/b.jpg").is_file());
    desk.run(1, &["embed", "a.jpg", "none.jpg", "b.jpg", "--out", "t.npy", "--list", "t.csv"]);
    let rows = std::fs::read_to_string(desk.path("t.csv")).unwrap();
    assert!(rows.contains("none.jpg,-1,") && rows.contains("b.jpg,0,"), "{rows}");
    let answer = &desk.json(1, &["enroll", "--json", "Dan", "new/Dan/1.jpg", "none.jpg", "new/Dan/2.jpg"])[0];
    let photos = answer["photos"].as_array().unwrap();
    assert_eq!(photos[1]["error"]["kind"], "unreadable", "{answer}");
    assert!(photos[0]["face"].is_string() && photos[2]["face"].is_string(), "{answer}");
    let error = &desk.json(2, &["verify", "--json", "a.jpg", "none.jpg"])[0];
    assert_eq!((&error["path"], &error["error"]["kind"]), (&"none.jpg".into(), &"unreadable".into()));
    let error = &desk.json(2, &["verify", "--json", "none.jpg", "--as", "p1"])[0];
    assert_eq!(error["path"], "none.jpg");
    // A photo of a list that is not there is left out of the figures, which says so.
    desk.file(
        "faces.csv",
        "path,person\na.jpg,Ada\npeople/Ada/1.jpg,Ada\nnone.jpg,Ben\nb.jpg,Ben\npeople/Ben/1.jpg,Ben\n",
    );
    let (out, err) = desk.run(1, &["eval", "all-pairs", "faces.csv"]);
    assert!((out.clone() + &err).contains("none.jpg"), "{out}{err}");

    // What changes the gallery changes all or nothing.
    let before = desk.state();
    for command in [
        &["people", "remove", "--yes", "p1", "p99"][..],
        &["people", "remove", "--yes", "p1", "f99"],
        &["people", "remove", "--yes", "--purge", "p1", "f99"],
        &["people", "merge", "p1", "p2", "p99"],
        &["people", "merge", "p1", "p2", "p2"],
        &["people", "merge", "p1", "p2", "p1"],
        &["people", "split", "p1", "f1", "f99"],
        &["people", "split", "p1", "f1", "f3"],
        &["people", "split", "p1", "f1", "--name", "p7"],
        &["people", "move", "f1", "p99"],
        &["people", "not", "p1", "none.jpg"],
        &["people", "not", "p1", "f99"],
        &["people", "allow", "n99"],
        &["people", "undo", "o99"],
        &["people", "set", "p1", "team=red", "--list", "vip", "--unlist", "vip"],
        &["people", "set", "p1", "team=red", "--list", " "],
        &["people", "show", "p1", "--sheet", "a.jpg"],
        &["enroll", "--id", "p99", "Nobody", "a.jpg"],
        &["enroll", "--id", "p1", "new"],
        &["enroll", "Twice", "-", "-"],
        &["gallery", "import", "none"],
        &["gallery", "export", "archive"],
        &["gallery", "export", "a.jpg"],
        &["gallery", "key", "exchange", "--to-file", "a.jpg"],
        &["gallery", "key", "rotate", "--yes", "--to-passphrase"],
    ] {
        let (out, err) = desk.run(2, command);
        assert!(err.contains("error: ") && err.contains("hint: "), "{command:?}: {out}{err}");
        assert_eq!(desk.state(), before, "{command:?}");
    }
    assert_eq!(std::fs::read(desk.path("a.jpg")).unwrap(), std::fs::read(READY.path("a.jpg")).unwrap());
    // A face that goes with its person, and one that is named twice, are removed once.
    desk.run(0, &["people", "remove", "--yes", "p1", "f1", "f1", "ada"]);
    desk.run(0, &["people", "undo"]);
    let (out, _) = desk.run(0, &["people", "split", "p1", "f2", "f2", "--name", "Eve"]);
    assert!(out.starts_with("1 face of Ada"), "{out}");
}

#[test]
fn one_bad_folder_among_people() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("new/lost+found")).unwrap();
    for name in ["p7", "\u{1b}[31mRed", " "] {
        std::fs::create_dir(desk.path("new").join(name)).unwrap();
        copy(&desk.path("a.jpg"), &desk.path("new").join(name).join("1.jpg"));
    }
    desk.file("new/Dan/cover.jp2", "not read");
    let (out, err) = desk.run(1, &["enroll", "new"]);
    assert!(out.contains("Cleo: 1 face") && out.contains("Dan: 2 faces"), "{out}{err}");
    assert_eq!(err.matches("can be no person's folder").count(), 3, "{err}");
    assert!(err.contains("lost+found") && err.contains(".jp2"), "{err}");
    let (_, err) = desk.run(0, &["identify", "a.jpg", "--people", "new"]);
    assert!(err.contains(".jp2"), "{err}");
    // One person by two spellings of one name is one.
    let desk = Desk::new();
    for (name, photo) in [("Jos\u{e9}", "new/Dan/1.jpg"), ("Jose\u{301}", "new/Dan/2.jpg")] {
        std::fs::create_dir_all(desk.path("both").join(name)).unwrap();
        copy(&desk.path(photo), &desk.path("both").join(name).join("1.jpg"));
    }
    desk.run(0, &["enroll", "both"]);
    let people = desk.json(0, &["people", "list", "--json", "jos"]);
    assert_eq!((people.len(), &people[0]["faces"]), (1, &2.into()));
}

/// A home that cannot be written, as long as this lives.
struct ReadOnly {
    folder: PathBuf,
    mounted: bool,
}

impl ReadOnly {
    fn new(folder: PathBuf) -> Option<ReadOnly> {
        let mount = |arguments: &[&str]| {
            let run = Command::new("mount").args(arguments).arg(&folder).stderr(Stdio::null()).status();
            run.is_ok_and(|status| status.success())
        };
        let text = folder.to_str().unwrap();
        let mounted = mount(&["--bind", text]) && mount(&["-o", "remount,bind,ro"]);
        let this = ReadOnly { folder, mounted };
        if !mounted {
            this.permit(0o555, 0o444);
        }
        if std::fs::write(this.folder.join("probe"), "").is_ok() {
            std::fs::remove_file(this.folder.join("probe")).unwrap();
            skipped("nothing here can be made read-only (neither by a bind mount nor by permissions)");
            return None;
        }
        Some(this)
    }

    fn permit(&self, folder: u32, file: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        for entry in std::fs::read_dir(&self.folder).unwrap() {
            let path = entry.unwrap().path();
            mode(&path, if path.is_dir() { folder } else { file });
        }
        mode(&self.folder, folder);
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        if self.mounted {
            _ = Command::new("umount").arg(&self.folder).status();
        } else {
            self.permit(0o755, 0o644);
        }
    }
}

#[test]
fn the_medium_is_read_only() {
    let desk = Desk::new();
    let before = desk.state();
    let Some(read_only) = ReadOnly::new(desk.path("home")) else { return };
    let looks = [
        "identify",
        "people list",
        "people show",
        "people history",
        "gallery stats",
        "gallery check",
        "gallery export",
        "eval gallery",
        "verify",
        "detect",
        "embed",
    ];
    let changes = [
        "enroll",
        "people rename",
        "people set",
        "people merge",
        "people split",
        "people move",
        "people not",
        "people allow",
        "people remove",
        "people undo",
        "gallery compact",
        "gallery undo-days",
        "gallery key rotate",
        "gallery key exchange",
    ];
    let mut faults = Vec::new();
    for row in COMMANDS {
        let code = match row.command {
            command if looks.contains(&command) => 0,
            command if changes.contains(&command) => 2,
            _ => continue,
        };
        let output = desk.phiz(&arguments(row));
        faults.extend(wrong("on a read-only medium", row, &output, code));
        let (_, err) = texts(&output);
        if code == 2 && !err.contains("hint: ") {
            faults.push(format!("phiz {}: no hint in {err}", row.command));
        }
    }
    let (out, _) = desk.run(0, &["verify", "--as", "p1", "people/Ada/1.jpg"]);
    assert!(out.starts_with("this is Ada"), "{out}");
    // What is written elsewhere says whose fault it is.
    for command in [
        &["detect", "a.jpg", "--annotate", "home/a.png"][..],
        &["detect", "a.jpg", "b.jpg", "--annotate", "home/marked"],
        &["embed", "a.jpg", "--out", "home/t.npy", "--list", "x.csv"],
        &["embed", "a.jpg", "--out", "x.npy", "--list", "home/t.csv"],
        &["people", "show", "p1", "--sheet", "home/sheet.png"],
        &["gallery", "export", "home/archive"],
        &["completions", "--man", "home/man"],
        &["eval", "pairs", "scores.csv", "--json", "home/report.json"],
    ] {
        let output = desk.phiz(command);
        let (out, err) = texts(&output);
        if output.status.code() != Some(2) || !err.contains("home") || !err.contains("hint: ") {
            faults.push(format!("{command:?}: {}\n{out}\n{err}", output.status));
        }
    }
    drop(read_only);
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    for left in ["marked", "sheet.png", "exported", "t.npy", "t.csv"] {
        let path = desk.path(left);
        _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    }
    assert_eq!(desk.state(), before);
}

#[test]
fn empty_input() {
    let desk = Desk::new();
    for name in ["empty.jpg", "empty.csv", "empty.txt", "empty.toml", "empty.key"] {
        desk.file(name, "");
    }
    std::fs::create_dir_all(desk.path("void/inner")).unwrap();
    let cases: &[(&[&str], i32)] = &[
        (&["detect", "empty.jpg"], 1),
        (&["detect", "void"], 2),
        (&["detect", "-"], 1),
        (&["detect", "/dev/null"], 1),
        (&["detect", "--files-from", "empty.txt"], 2),
        (&["detect", "--files-from", "-"], 2),
        (&["detect", "a.jpg", "--detector", "empty.toml"], 2),
        (&["identify", "empty.jpg"], 1),
        (&["identify", "a.jpg", "--people", "void"], 2),
        (&["identify", "a.jpg", "--list", ""], 2),
        (&["verify", "a.jpg", "empty.jpg"], 2),
        (&["embed", "empty.jpg", "--out", "t.npy", "--list", "t.csv"], 1),
        (&["enroll", "Eva", "empty.jpg"], 2),
        (&["enroll", "Eva", "void"], 2),
        (&["enroll", "void"], 2),
        (&["enroll", "", "a.jpg"], 2),
        (&["enroll", "  ", "a.jpg"], 2),
        (&["people", "rename", "p1", ""], 2),
        (&["people", "show", ""], 2),
        (&["people", "list", "--gallery", "empty.jpg"], 2),
        (&["people", "list", "--gallery", "void"], 2),
        (&["enroll", "Eva", "a.jpg", "--gallery", "void"], 2),
        (&["people", "list", "--key", "empty.key"], 2),
        (&["gallery", "import", "void"], 2),
        (&["gallery", "key", "exchange", "--to-file", "empty.key"], 2),
        (&["eval", "pairs", "empty.csv"], 2),
        (&["eval", "all-pairs", "empty.csv"], 2),
        (&["eval", "all-pairs", "void"], 2),
        (&["eval", "identify", "empty.csv"], 2),
        (&["eval", "detect", "empty.csv"], 2),
        (&["eval", "quality", "empty.csv"], 2),
        (&["eval", "thresholds", "empty.csv"], 2),
        (&["eval", "landmarks", "empty.csv", "--reference", "empty.toml"], 2),
        (&["eval", "compare", "empty.csv", "empty.txt"], 2),
        (&["eval", "gallery", "--gallery", "empty.jpg"], 2),
        (&[], 2),
    ];
    let before = desk.state();
    let mut faults = Vec::new();
    for (arguments, code) in cases {
        let output = desk.phiz(arguments);
        let what = format!("{arguments:?}");
        faults.extend(wrong(&what, &row("", &[], *code), &output, *code));
        if texts(&output).1.is_empty() {
            faults.push(format!("{what}: says nothing"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    _ = std::fs::remove_file(desk.path("t.npy"));
    _ = std::fs::remove_file(desk.path("t.csv"));
    assert_eq!(desk.state(), before);
    // A gallery is not made for somebody who cannot be enrolled by that name.
    let other = desk.path("other");
    let refused = desk.command(&["enroll", " ", "a.jpg"]).env("PHIZ_HOME", &other).output().unwrap();
    assert!(refused.status.code() == Some(2) && !other.exists(), "{:?}", texts(&refused));
}

#[test]
fn variables_and_options_that_are_empty_or_said_twice() {
    let desk = Desk::new();
    let with = |name: &str, value: &str, arguments: &[&str]| {
        let output = desk.command(arguments).env(name, value).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}={value:?} {arguments:?}: {:?}", texts(&output));
        texts(&output).1
    };
    for needs_home in [&["people"][..], &["key", "list"], &["enroll", "Ana", "photos/a.jpg"]] {
        let said = with("PHIZ_HOME", "", needs_home);
        assert!(said.contains("home folder's name is empty") && said.contains("PHIZ_HOME"), "{said}");
    }
    let needs_none = desk.command(&["model", "info"]).env("PHIZ_HOME", "").output().unwrap();
    assert_eq!(needs_none.status.code(), Some(0), "{:?}", texts(&needs_none));
    assert!(with("PHIZ_PASSPHRASE", "", &["people"]).contains("PHIZ_PASSPHRASE: is empty"));
    let rotate = ["gallery", "key", "rotate", "--yes", "--to-passphrase"];
    for value in ["", "   "] {
        assert!(with("PHIZ_NEW_PASSPHRASE", value, &rotate).contains("passphrase"));
    }
    assert!(with("PHIZ_PASSPHRASE", "another", &["people"]).contains("sealed by a key file"));
    for arguments in [
        &["people", "--key", "a", "--key", "b"][..],
        &["people", "--home", "a", "--home", "b"],
        &["people", "--gallery", ""],
        &["people", "--home", ""],
        &["people", "--key", "a", "--keyring"],
        &["gallery", "key", "rotate", "--to-file", "a", "--to-nothing"],
        &["identify", "a.jpg", "--fmr", "0.1", "--fpir", "0.1"],
        &["detect", "-", "-"],
        &["detect", "-", "--files-from", "-"],
        &["verify", "-", "-"],
    ] {
        desk.run(2, arguments);
    }
    // A key that is named wins over a passphrase that stands in the environment.
    let named =
        desk.command(&["people", "--key", "home/gallery.key"]).env("PHIZ_PASSPHRASE", "another").output();
    assert_eq!(named.unwrap().status.code(), Some(0));
    // The same photo twice is one face and one copy.
    let (out, err) = desk.run(0, &["enroll", "Dan", "new/Dan/1.jpg", "new/Dan/1.jpg"]);
    assert!(out.contains("1 face enrolled") && err.contains("already enrolled as"), "{out}{err}");
    desk.run(0, &["detect", "a.jpg", "a.jpg", "--annotate", "twice"]);
    assert_eq!(std::fs::read_dir(desk.path("twice")).unwrap().count(), 1);
}

#[test]
fn nothing_that_exists_is_overwritten() {
    let desk = Desk::new();
    std::os::unix::fs::symlink("a.jpg", desk.path("link.png")).unwrap();
    let (_, _) = desk.run(0, &["completions", "--man", "man"]);
    desk.file("man/phiz.1", "mine");
    desk.file("t.npy.partial", "mine");
    desk.file("there.png", "mine");
    let contents = |desk: &Desk| {
        let mut files = BTreeSet::new();
        list(desk.folder.path(), desk.folder.path(), &mut files);
        files.retain(|file| !file.starts_with("home"));
        files.into_iter().map(|file| (std::fs::read(desk.path(&file)).unwrap(), file)).collect::<Vec<_>>()
    };
    let before = contents(&desk);
    for arguments in [
        &["detect", "a.jpg", "--annotate", "a.jpg"][..],
        &["detect", "a.jpg", "--annotate", "a.jpg", "--force"],
        &["detect", "a.jpg", "--annotate", "link.png", "--force"],
        &["detect", "a.jpg", "--annotate", "there.png"],
        &["identify", "a.jpg", "b.jpg", "--annotate", ".", "--force"],
        &["embed", "a.jpg", "--out", "a.jpg", "--list", "t.csv", "--force"],
        &["embed", "a.jpg", "--out", "t.npy", "--list", "a.jpg", "--force"],
        &["embed", "a.jpg", "--out", "t.npy", "--list", "./t.npy"],
        &["embed", "a.jpg", "--out", "t.npy", "--list", "man/../t.npy"],
        &["embed", "a.jpg", "--out", "t.npy", "--list", "there.png"],
        &["people", "show", "p1", "--sheet", "there.png"],
        &["people", "show", "p1", "--sheet", "sheet.gif"],
        &["people", "show", "p1", "--sheet", "man"],
        &["completions", "--man", "man"],
        &["completions", "--man", "a.jpg"],
        &["gallery", "export", "people"],
        &["gallery", "key", "rotate", "--yes", "--to-file", "there.png"],
        &["eval", "pairs", "scores.csv", "--json", "scores.csv"],
        &["eval", "pairs", "scores.csv", "--html", "list.csv"],
        &["eval", "pairs", "scores.csv", "--markdown", "there.png"],
        &["eval", "compare", "one.json", "two.json", "--html", "one.json"],
    ] {
        let (_, err) = desk.run(2, arguments);
        assert!(err.contains("hint: "), "{arguments:?}: {err}");
        assert!(contents(&desk) == before, "{arguments:?} changed a file");
    }
    // A gallery and its key cannot be made anew, so that --force does not help.
    let kept = ["home/gallery.phiz", "home/gallery.key"];
    let people = kept.map(|file| std::fs::read(desk.path(file)).unwrap());
    for file in kept {
        for arguments in [
            &["embed", "a.jpg", "--force", "--out", file, "--list", "t.csv"][..],
            &["embed", "a.jpg", "--force", "--out", "t.npy", "--list", file],
            &["watch", "a.jpg", "--force", "--html", file],
            &["find", "p1", "--force", "--html", file],
            &["eval", "pairs", "scores.csv", "--json", file],
            &["gallery", "backup", file],
        ] {
            desk.run(2, arguments);
        }
    }
    assert!(kept.map(|file| std::fs::read(desk.path(file)).unwrap()) == people, "somebody was lost");
    // What is beside the target and belongs to somebody else stays.
    desk.run(0, &["embed", "a.jpg", "--out", "t.npy", "--list", "t.csv"]);
    assert_eq!(std::fs::read(desk.path("t.npy.partial")).unwrap(), b"mine");
    assert!(
        !std::fs::read_dir(desk.folder.path())
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().starts_with(".phiz-") })
    );
}

/// A device is written to, never replaced: as root, renaming a finished file to its place did just that.
#[test]
fn devices_stay_devices() {
    let desk = Desk::new();
    // A pipe of our own, so that no test can harm a device of the machine.
    let pipe = desk.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    if !made.is_ok_and(|status| status.success()) {
        return skipped("there is no mkfifo");
    }
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read(pipe).unwrap()
    });
    desk.run(0, &["embed", "a.jpg", "--out", "pipe", "--list", "t.csv"]);
    use std::os::unix::fs::FileTypeExt as _;
    assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo(), "the pipe was replaced");
    assert!(reader.join().unwrap().starts_with(b"\x93NUMPY"));
}

#[test]
fn photos_come_through_pipes() {
    let desk = Desk::new();
    let photo = std::fs::read(desk.path("a.jpg")).unwrap();
    let piped = |arguments: &[&str], bytes: &[u8]| {
        let mut child = desk
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that does not read all of it closes the pipe.
        _ = child.stdin.take().unwrap().write_all(bytes);
        child.wait_with_output().unwrap()
    };
    let cases: &[(&[&str], &[u8])] = &[
        (&["detect", "-"], &photo),
        (&["detect", "/dev/stdin"], &photo),
        (&["detect", "-", "--annotate", "marked.png"], &photo),
        (&["detect", "--files-from", "-"], b"a.jpg\nb.jpg"),
        (&["detect", "--files-from", "/dev/stdin"], b"a.jpg\n"),
        (&["detect", "-0", "--files-from", "-"], b"a.jpg\0b.jpg\0"),
        (&["identify", "-"], &photo),
        (&["identify", "/dev/stdin"], &photo),
        (&["verify", "-", "a.jpg"], &photo),
        (&["verify", "a.jpg", "/dev/stdin"], &photo),
        (&["embed", "-", "--out", "t.npy", "--list", "t.csv"], &photo),
        (&["enroll", "Ada", "-"], &photo),
        (&["enroll", "Ada", "/dev/stdin"], &photo),
        (&["people", "not", "p2", "-"], &photo),
    ];
    let mut faults = Vec::new();
    for (arguments, bytes) in cases {
        let output = piped(arguments, bytes);
        faults.extend(wrong(&format!("{arguments:?}"), &row("", &[], 0), &output, 0));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    if !Command::new("mkfifo").arg(desk.path("pipe.jpg")).status().is_ok_and(|status| status.success()) {
        return skipped("there is no mkfifo");
    }
    for arguments in
        [&["detect", "pipe.jpg"][..], &["identify", "pipe.jpg"], &["verify", "pipe.jpg", "a.jpg"]]
    {
        let writer = std::thread::spawn({
            let (pipe, photo) = (desk.path("pipe.jpg"), photo.clone());
            move || std::fs::write(pipe, photo)
        });
        desk.run(0, arguments);
        _ = writer.join().unwrap();
    }
    // In a folder it is left out, and said to be.
    std::fs::create_dir(desk.path("box")).unwrap();
    std::fs::rename(desk.path("pipe.jpg"), desk.path("box/pipe.jpg")).unwrap();
    copy(&desk.path("a.jpg"), &desk.path("box/a.jpg"));
    let (_, err) = desk.run(0, &["detect", "box"]);
    assert!(err.contains("not looked at: 1 pipe or device"), "{err}");
}

/// No output of any command holds what acts on a terminal, wherever a stranger's words get into it.
#[test]
fn strangers_words_do_not_act_on_the_terminal() {
    let desk = Desk::new();
    let evil = "E\u{1b}[31m\u{9b}2J\u{202e}\n\u{7}x";
    let photo = format!("{evil}.jpg");
    std::fs::create_dir_all(desk.path("evil").join(evil)).unwrap();
    copy(&desk.path("a.jpg"), &desk.path("evil").join(&photo));
    copy(&desk.path("b.jpg"), &desk.path("evil").join(evil).join("1.jpg"));
    desk.file(format!("{evil}.txt"), format!("{evil}\n"));
    desk.file(format!("{evil}.csv"), format!("path,person\n\"{evil}\",x\n"));
    let (inside, text, table) = (format!("evil/{photo}"), format!("{evil}.txt"), format!("{evil}.csv"));
    let none = format!("none {photo}");
    let cases: &[&[&str]] = &[
        &[evil],
        &["--home", evil, "people"],
        &["people", evil],
        &["detect", "evil"],
        &["detect", "--json", "evil"],
        &["detect", &none],
        &["detect", &inside, &none, "--json"],
        &["detect", &inside, "--annotate", &inside],
        &["detect", "a.jpg", "--annotate", &text],
        &["detect", "a.jpg", "--detector", &text],
        &["detect", "a.jpg", "--score", evil],
        &["detect", "a.jpg", "--rotate", evil],
        &["detect", "a.jpg", &format!("--{evil}")],
        &["detect", "--files-from", &text],
        &["detect", "--files-from", &none],
        &["identify", "evil"],
        &["identify", "a.jpg", "--people", "evil"],
        &["identify", "a.jpg", "--list", evil],
        &["verify", &inside, "a.jpg"],
        &["verify", &none, "a.jpg"],
        &["verify", "a.jpg", "--as", evil],
        &["embed", &inside, &none, "--out", &format!("{evil}.npy"), "--list", "t.csv"],
        &["enroll", evil, "a.jpg"],
        &["enroll", "Eva", &inside, &none, "--consent", evil],
        &["enroll", "evil"],
        &["enroll", &none],
        &["people", "list", evil],
        &["people", "list", "--with", evil],
        &["people", "show", evil],
        &["people", "show", "Eva"],
        &["people", "show", "Eva", "--json"],
        &["people", "show", "Eva", "--sheet", &text],
        &["people", "rename", "p1", evil],
        &["people", "set", "p1", &format!("a={evil}")],
        &["people", "set", "p1", &format!("{evil}=a")],
        &["people", "set", "p1", "--list", evil],
        &["people", "merge", "p1", evil],
        &["people", "move", "f1", evil],
        &["people", "not", "p1", &inside],
        &["people", "not", "p1", &none],
        &["people", "show", "p1"],
        &["people", "remove", evil],
        &["people", "remove", "Eva"],
        &["people", "undo", evil],
        &["people", "history"],
        &["gallery", "check"],
        &["gallery", "export", evil],
        &["gallery", "import", &none],
        &["gallery", "stats", "--gallery", &text],
        &["gallery", "stats", "--key", &text],
        &["gallery", "key", "exchange", "--to-file", &text],
        &["eval", "pairs", &table],
        &["eval", "all-pairs", &table],
        &["eval", "all-pairs", "evil"],
        &["eval", "identify", &table, "--embeddings", &text],
        &["eval", "detect", &table],
        &["eval", "gallery", "--json", "a.jpg"],
        &["eval", "gallery"],
        &["eval", "compare", "one.json", &text],
        &["eval", "compare", "one.json", "two.json", "--title", evil],
        &["model", "info", evil],
        &["completions", evil],
    ];
    let acts = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    let mut faults = Vec::new();
    for arguments in cases {
        let output = desk.phiz(arguments);
        let (out, err) = texts(&output);
        if output.status.signal().is_some() || output.status.code() == Some(101) {
            faults.push(format!("{arguments:?}: {}\n{err}", output.status));
        }
        for text in [&out, &err] {
            if text.chars().any(acts) || text.lines().any(|line| line.starts_with('\u{7}')) {
                faults.push(format!("{arguments:?}: {text:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn people_without_a_name_are_called_by_their_id() {
    let desk = Desk::new();
    desk.run(0, &["people", "split", "p3", "f4"]);
    let (out, _) = desk.run(0, &["identify", "people/Cleo/1.jpg"]);
    assert!(out.contains("  p4  similarity"), "{out}");
    let (out, _) = desk.run(0, &["verify", "--as", "p4", "people/Cleo/1.jpg"]);
    assert!(out.starts_with("this is p4:"), "{out}");
}

#[test]
fn a_sheet_shows_the_faces_of_a_person() {
    let desk = Desk::new();
    let (out, _) = desk.run(0, &["people", "show", "Ada", "--sheet", "sheet.png"]);
    assert!(out.contains("f1") && out.contains("f2"), "{out}");
    let sheet = std::fs::read(desk.path("sheet.png")).unwrap();
    let sheet = phiz_image::Image::decode(&sheet, &phiz_image::DecodeOptions::default()).unwrap();
    assert!(sheet.width() > 2 * 112 && sheet.height() > 112, "{}×{}", sheet.width(), sheet.height());
    desk.run(0, &["people", "show", "Ada", "--sheet", "sheet.jpg", "--json"]);
    desk.run(0, &["people", "show", "Ada", "--sheet", "sheet.png", "--force"]);
    desk.run(0, &["enroll", "Dan", "new/Dan/1.jpg", "--no-crop"]);
    let (_, err) = desk.run(2, &["people", "show", "Dan", "--sheet", "dan.png"]);
    assert!(err.contains("no picture of Dan") && !desk.path("dan.png").exists(), "{err}");
}

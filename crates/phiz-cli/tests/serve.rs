//! `phiz serve` as a process: what it prints, how it ends, what outlives a kill, and the guide's examples as they stand there.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use phiz_synth::{FaceModel, Scene, SceneOptions};
use serde_json::Value;
use tempfile::TempDir;

#[path = "../../phiz-video/tests/camera/mod.rs"]
mod camera;
#[path = "../../phiz-video/tests/clips/mod.rs"]
mod clips;
#[path = "../../phiz-deliver/tests/receivers/mod.rs"]
mod receivers;

const PHIZ: &str = env!("CARGO_BIN_EXE_phiz");

/// A home folder, and the server that runs in it.
struct Desk {
    folder: TempDir,
}

struct Serving {
    child: Child,
    url: String,
    started: Value,
}

impl Drop for Serving {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Desk {
    fn new() -> Desk {
        Desk { folder: tempfile::tempdir().unwrap() }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn phiz(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(PHIZ).args(arguments).env("PHIZ_HOME", self.home()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    fn key(&self, scope: &str) -> String {
        let (code, out, err) = self.phiz(&["key", "new", "--scope", scope]);
        assert_eq!(code, 0, "{err}");
        let key = out.strip_suffix('\n').unwrap();
        assert!(key.starts_with("phiz_") && key.len() == 48 && !key.contains(['\n', ' ']), "{out:?}");
        key.to_owned()
    }

    fn serve(&self, arguments: &[&str]) -> Serving {
        let mut child = Command::new(PHIZ)
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--small", "--home"])
            .arg(self.home())
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let started: Value = serde_json::from_str(&line).unwrap();
        let url = format!("http://{}", started["address"].as_str().unwrap());
        Serving { child, url, started }
    }

    fn photo(&self, person: u64, seed: u64) -> Vec<u8> {
        let options = SceneOptions {
            people: vec![person],
            face_height: (110.0, 150.0),
            roll: 5.0,
            ..SceneOptions::default()
        };
        Scene::compose(FaceModel::bundled(), &options, seed).unwrap().image.encode_jpeg(85).unwrap()
    }
}

fn send(method: &str, url: &str, key: &str, kind: &str, body: &[u8]) -> Result<(u16, Value), ureq::Error> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)));
    let agent = config.build().new_agent();
    let mut request = ureq::http::Request::builder().method(method).uri(url).header("content-type", kind);
    if !key.is_empty() {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let mut answer = agent.run(request.body(body.to_vec()).unwrap())?;
    let status = answer.status().as_u16();
    let text = answer.body_mut().read_to_string()?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
}

impl Serving {
    fn ends(mut self, signal: &str) -> (Option<i32>, Duration) {
        let since = Instant::now();
        let killed = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let status = self.child.wait().unwrap();
        (status.code(), since.elapsed())
    }
}

#[test]
fn a_first_run_leaves_nothing_open_and_says_so() {
    let desk = Desk::new();
    let mut child = Command::new(PHIZ)
        .args(["serve", "--listen", "0.0.0.0:0", "--small", "--home"])
        .arg(desk.home())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("phiz key new") {
        assert!(errors.read_line(&mut text).unwrap() > 0, "{text}");
    }
    assert!(text.contains("only this computer can connect") && text.contains("/setup#"), "{text}");
    let url = text.split_whitespace().find(|word| word.starts_with("http://127.0.0.1:")).unwrap();
    let url = url.split_once("/setup").unwrap().0;
    let (status, answer) = send("GET", &format!("{url}/v1/people"), "", "text/plain", b"").unwrap();
    assert_eq!((status, answer["error"]["code"].as_str()), (401, Some("setup_needed")));
    // A key that another process makes opens the door that was asked for.
    let key = desk.key("admin");
    let (status, _) = send("GET", &format!("{url}/v1/people"), &key, "text/plain", b"").unwrap();
    assert_eq!(status, 200);
    let mut seen = text;
    while !seen.contains("listening where it was asked for") {
        assert!(errors.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    assert!(!seen.contains(&key), "the log holds the key");
    _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    let mut rest = String::new();
    _ = errors.read_to_string(&mut rest);
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
}

#[test]
fn settings_are_shown_with_where_they_come_from() {
    let desk = Desk::new();
    std::fs::create_dir_all(desk.home()).unwrap();
    std::fs::write(desk.home().join("phiz.toml"), "queue = 9\n").unwrap();
    let (code, out, err) = desk.phiz(&["config", "show", "--json", "--set", "max_faces=3"]);
    assert_eq!(code, 0, "{err}");
    let all: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| all.iter().find(|s| s["name"] == name).unwrap().clone();
    assert_eq!(
        (of("queue")["value"].as_str(), of("queue")["source"]["from"].as_str()),
        (Some("9"), Some("file"))
    );
    assert_eq!(of("max_faces")["source"]["from"], "argument");
    assert_eq!(of("listen")["source"]["from"], "default");
    std::fs::write(desk.home().join("phiz.toml"), "quue = 9\n").unwrap();
    for command in [&["config", "show"][..], &["serve"]] {
        let (code, _, err) = desk.phiz(command);
        assert!(code == 2 && err.contains("quue") && err.contains("hint:"), "{err}");
    }
}

#[test]
fn keys_are_listed_and_taken_back() {
    let desk = Desk::new();
    let key = desk.key("read");
    let (_, out, _) = desk.phiz(&["key", "list", "--json"]);
    let listed: Value = serde_json::from_str(out.trim()).unwrap();
    assert_eq!((listed["id"].as_str(), listed["scope"].as_str()), (Some("k1"), Some("read")));
    assert!(!out.contains(&key));
    assert_eq!(desk.phiz(&["key", "revoke", "k1"]).0, 0);
    assert_eq!(desk.phiz(&["key", "revoke", "k1"]).0, 1);
    assert_eq!(desk.phiz(&["key", "new", "--scope", "all"]).0, 2);
    // A key that reached nobody opens nothing.
    if let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") {
        let mut command = Command::new(PHIZ);
        let output =
            command.args(["key", "new", "--scope", "admin"]).env("PHIZ_HOME", desk.home()).stdout(full);
        let output = output.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains("was taken back"), "{said}");
        assert_eq!(desk.phiz(&["key", "list", "--json"]).1, "");
    }
}

#[test]
fn what_was_begun_is_finished_before_the_end() {
    let desk = Desk::new();
    let key = desk.key("enrol");
    let serving = desk.serve(&[]);
    assert_eq!(serving.started["setup_needed"], false);
    let photo = desk.photo(1, 3);
    let url = format!("{}/v1/detect?rotate=true&min_face=10", serving.url);
    let asked = std::thread::spawn(move || send("POST", &url, &key, "image/jpeg", &photo));
    std::thread::sleep(Duration::from_millis(150));
    let (code, took) = serving.ends("-TERM");
    let answer = asked.join().unwrap();
    assert_eq!(code, Some(0));
    // It was finished, unless it had not been taken yet.
    if let Ok((status, body)) = answer {
        assert!(status == 200 || body["error"]["code"] == "stopping", "{status} {body}");
    }
    assert!(took < Duration::from_secs(30), "{took:?}");
}

/// Enrols until it is killed, so many times; whatever was acknowledged must be there afterwards.
fn killed(times: usize) {
    let desk = Desk::new();
    let key = desk.key("enrol");
    // A fast machine asks more often than one caller may.
    let unlimited = &["--set", "requests_per_second=100000"];
    let photos: Vec<Vec<u8>> = (0..4).map(|i| desk.photo(i + 1, i + 40)).collect();
    let mut acknowledged: BTreeSet<(String, String)> = BTreeSet::new();
    let mut restarts = Vec::new();
    for round in 0..times {
        let since = Instant::now();
        let mut serving = desk.serve(unlimited);
        let (status, _) = send("GET", &format!("{}/readyz", serving.url), "", "text/plain", b"").unwrap();
        assert_eq!(status, 200);
        restarts.push(since.elapsed());
        let stop = Instant::now() + Duration::from_millis(400 + (round as u64 * 137) % 700);
        let threads: Vec<_> = (0..2)
            .map(|thread| {
                let (url, key, photos) = (serving.url.clone(), key.clone(), photos.clone());
                std::thread::spawn(move || {
                    let mut done = Vec::new();
                    for number in 0.. {
                        let name = format!("{{\"name\":\"Round {round}, {thread}, {number}\"}}");
                        let made = send(
                            "POST",
                            &format!("{url}/v1/people"),
                            &key,
                            "application/json",
                            name.as_bytes(),
                        );
                        let Ok((201, person)) = made else { break };
                        let id = person["id"].as_str().unwrap().to_owned();
                        done.push((id.clone(), String::new()));
                        let photo = &photos[number % photos.len()];
                        let url = format!("{url}/v1/people/{id}/faces?force=true");
                        let Ok((200, answer)) = send("POST", &url, &key, "image/jpeg", photo) else { break };
                        if let Some(face) = answer["photos"][0]["face"].as_str() {
                            done.push((id, face.to_owned()));
                        }
                    }
                    done
                })
            })
            .collect();
        std::thread::sleep(stop.saturating_duration_since(Instant::now()));
        serving.child.kill().unwrap();
        serving.child.wait().unwrap();
        threads.into_iter().for_each(|thread| acknowledged.extend(thread.join().unwrap()));
    }
    assert!(acknowledged.len() >= times, "only {} were acknowledged", acknowledged.len());
    let serving = desk.serve(unlimited);
    for (person, face) in &acknowledged {
        let path = if face.is_empty() { format!("people/{person}") } else { format!("faces/{face}") };
        let (status, answer) =
            send("GET", &format!("{}/v1/{path}", serving.url), &key, "text/plain", b"").unwrap();
        assert_eq!(status, 200, "{path} is lost: {answer}");
    }
    let (code, out, err) = desk.phiz(&["gallery", "check", "--json"]);
    assert_eq!(code, 0, "{out}{err}");
    restarts.sort();
    eprintln!(
        "{times} kills, {} acknowledged, restart: median {:?}, slowest {:?}",
        acknowledged.len(),
        restarts[restarts.len() / 2],
        restarts[restarts.len() - 1]
    );
}

/// `PHIZ_KILLS=200 cargo nextest run -p phiz-cli --test serve outlives` kills as often as one likes.
#[test]
fn what_was_acknowledged_outlives_a_kill() {
    killed(std::env::var("PHIZ_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(4));
}

/// A camera before which somebody comes and goes, watched by a server that is killed so many times while a receiver is busy at
/// every fifth event: each event comes, once by its id, and each track appears once and leaves once.
fn events_outlive(kills: u64) {
    if !clips::ffmpeg() {
        return;
    }
    let camera = camera::Camera::start();
    let shows = std::sync::Arc::clone(&camera.shows);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(2500));
            shows.fetch_xor(true, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let (port, got) = receivers::server(|number| if number % 5 == 4 { 503 } else { 200 });
    let desk = Desk::new();
    let key = desk.key("admin");
    let secret = "the secret of both sides";
    let body = serde_json::json!({ "name": "Door", "url": camera.url(), "webhook_secret": secret,
        "webhook": format!("http://127.0.0.1:{port}/") });
    let ask = |serving: &Serving, method: &str, path: &str, body: &Value| {
        let url = format!("{}{path}", serving.url);
        send(method, &url, &key, "application/json", body.to_string().as_bytes()).unwrap()
    };
    let mut serving = desk.serve(&[]);
    let (status, made) = ask(&serving, "POST", "/v1/streams", &body);
    assert_eq!(status, 201, "{made}");
    let path = format!("/v1/streams/{}", made["id"].as_str().unwrap());
    for kill in 0..kills {
        if kill % 2 == 0 {
            // In the middle of a visit, however long it takes until somebody is seen.
            let begun = Instant::now();
            while ask(&serving, "GET", &path, &Value::Null).1["present"].as_array().is_none_or(Vec::is_empty)
            {
                assert!(begun.elapsed() < Duration::from_secs(120), "nobody is seen");
                std::thread::sleep(Duration::from_millis(20));
            }
            std::thread::sleep(Duration::from_millis((kill * 977) % 700));
        } else {
            // At any time, also before anything is watched.
            std::thread::sleep(Duration::from_millis(50 + (kill * 977) % 5000));
        }
        serving.child.kill().unwrap();
        serving.child.wait().unwrap();
        serving = desk.serve(&[]);
    }
    // Whoever is still there leaves when the watching ends, which also ends what the last kill has left.
    let begun = Instant::now();
    while ask(&serving, "GET", &path, &Value::Null).1["state"] != "watching" {
        assert!(begun.elapsed() < Duration::from_secs(120), "the camera is not watched");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(ask(&serving, "PATCH", &path, &serde_json::json!({ "running": false })).0, 200);
    let events = || {
        let mut all: std::collections::BTreeMap<String, Value> = std::collections::BTreeMap::new();
        for request in got.lock().unwrap().iter() {
            let time = request.header("phiz-timestamp").parse().unwrap();
            let signed = phiz_deliver::signature(secret.as_bytes(), time, request.body.as_bytes());
            assert_eq!(request.header("phiz-signature"), signed);
            let event: Value = serde_json::from_str(&request.body).unwrap();
            if let Some(before) = all.insert(request.header("phiz-event-id").to_owned(), event.clone()) {
                assert_eq!(before, event, "an event that is sent again is the same");
            }
        }
        all
    };
    // By run and track: how often it appeared, left, and was told as a visit.
    let tracks = || {
        let mut tracks: std::collections::BTreeMap<(String, u64), [usize; 3]> = Default::default();
        for (id, event) in events() {
            let run = id.split('-').next().unwrap().to_owned();
            let counts = tracks.entry((run, event["track"].as_u64().unwrap())).or_default();
            match event["event"].as_str().unwrap() {
                "appeared" => counts[0] += 1,
                "left" => counts[1] += 1,
                "visit" => counts[2] += 1,
                _ => {}
            }
        }
        tracks
    };
    let begun = Instant::now();
    let complete = || tracks().values().all(|[appeared, left, _]| *appeared > 0 && *left > 0);
    while begun.elapsed() < Duration::from_secs(120) && !complete() {
        std::thread::sleep(Duration::from_millis(200));
    }
    let all = tracks();
    for (track, [appeared, left, visits]) in &all {
        assert!((*appeared, *left) == (1, 1) && *visits <= 1, "{track:?}: {appeared} {left} {visits}");
    }
    let interrupted = events().values().filter(|event| event["interrupted"] == true).count();
    assert!(all.len() as u64 > kills / 2 && interrupted > 0, "{} tracks, {interrupted}", all.len());
    eprintln!(
        "{kills} kills: {} events of {} tracks, {interrupted} told after a kill",
        events().len(),
        all.len()
    );
}

/// `PHIZ_KILLS=50 cargo nextest run -p phiz-cli --test serve deliver` kills as often as one likes.
#[test]
fn events_that_a_server_delivers_outlive_kills() {
    events_outlive(std::env::var("PHIZ_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(5));
}

#[test]
fn every_example_of_the_guide_runs() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/server.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let desk = Desk::new();
    let at = |name: &str| desk.folder.path().join(name);
    for (name, person, seed) in [
        ("ada-1.jpg", 1, 11),
        ("ada-2.jpg", 1, 12),
        ("passport.jpg", 1, 13),
        ("selfie.jpg", 1, 14),
        ("party.jpg", 1, 15),
        ("street-1.jpg", 3, 31),
        ("street-2.jpg", 3, 32),
        ("street-3.jpg", 3, 33),
    ] {
        std::fs::write(at(name), desk.photo(person, seed)).unwrap();
    }
    let serving = desk.serve(&[]);
    let mut key = String::new();
    let mut ran = 0;
    for line in guide.lines().filter_map(|line| line.strip_prefix("$ ")) {
        if line.starts_with("phiz serve") {
            continue;
        }
        if let Some(export) = line.strip_prefix("export PHIZ_KEY=$(phiz key new --scope ") {
            key = desk.key(export.split_whitespace().next().unwrap());
            continue;
        }
        assert!(line.starts_with("curl "), "{line}");
        let command = line.replace("http://127.0.0.1:7449", &serving.url);
        let output = Command::new("sh")
            .args(["-c", &command])
            .env("PHIZ_KEY", &key)
            .current_dir(desk.folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{line}\n{e}: {text}"));
        assert!(output.status.success() && answer.get("error").is_none(), "{line}\n{text}");
        ran += 1;
    }
    assert!(ran >= 12, "{ran}");
    let (_, people) = send("GET", &format!("{}/v1/people", serving.url), &key, "text/plain", b"").unwrap();
    assert_eq!(people["items"].as_array().unwrap().len(), 3, "one Ada, one Ben, one Postman: {people}");
}

//! Cameras over HTTP: a real camera that asks for a password, served by this test as motion JPEG, watched by a real server.
//!
//! Needs ffmpeg. Where it is missing, each test says so and ends, unless `PHIZ_NEED_FFMPEG` is set.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use phiz_server::Scope;
use phiz_synth::{FaceModel, Scene};
use serde_json::{Value, json};

#[path = "../../phiz-video/tests/clips/mod.rs"]
mod clips;
mod common;
use clips::{actor, ffmpeg, picture};
use common::Running;

/// A camera that shows person 1 while somebody is wanted, and nobody else.
struct Camera {
    port: u16,
    shows: Arc<AtomicBool>,
    served: Arc<AtomicU64>,
}

impl Camera {
    fn start() -> Camera {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (shows, served) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        let (shown, counted) = (Arc::clone(&shows), Arc::clone(&served));
        let somebody = [actor(1, 1, |_| Some([200.0, 135.0, 190.0]))];
        let jpeg = |actors: &[clips::Actor]| picture(actors, 0.0).0.encode_jpeg(92).unwrap();
        let pictures = Arc::new([jpeg(&[]), jpeg(&somebody)]);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (shown, counted, pictures) = (shown.clone(), counted.clone(), pictures.clone());
                std::thread::spawn(move || serve(connection.unwrap(), &shown, &counted, &pictures));
            }
        });
        Camera { port, shows, served }
    }

    fn url(&self) -> String {
        format!("http://ana:s3cret-word@127.0.0.1:{}/video.mjpg?token=t0ken-text", self.port)
    }
}

fn serve(mut socket: TcpStream, shows: &AtomicBool, served: &AtomicU64, pictures: &[Vec<u8>; 2]) {
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    let (mut line, mut allowed) = (String::new(), false);
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) && !line.trim().is_empty() {
        // ana:s3cret-word
        allowed |= line.trim() == "Authorization: Basic YW5hOnMzY3JldC13b3Jk";
        line.clear();
    }
    if !allowed {
        let no = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"camera\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        _ = socket.write_all(no.as_bytes());
        return;
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\nConnection: close\r\n\r\n";
    let mut sent = socket.write_all(head.as_bytes());
    while sent.is_ok() {
        let jpeg = &pictures[usize::from(shows.load(Ordering::Relaxed))];
        let head = format!("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
        sent = socket.write_all(&[head.as_bytes(), jpeg, b"\r\n"].concat());
        served.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The photos by which person 1 is known.
fn photos() -> Vec<Vec<u8>> {
    let photo = |look: u64| {
        let scene = Scene::portrait(FaceModel::bundled(), 1, 256, 1000 + look).unwrap();
        scene.image.encode_jpeg(92).unwrap()
    };
    (900..903).map(photo).collect()
}

/// Begins to read an answer that does not end.
fn open(server: &Running, path: &str, more: &str) -> BufReader<TcpStream> {
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{more}\r\n",
        server.address, server.admin
    );
    socket.write_all(head.as_bytes()).unwrap();
    BufReader::new(socket)
}

/// The next event: name, id, data.
fn event(reader: &mut BufReader<TcpStream>) -> (String, Option<String>, Value) {
    let (mut name, mut id, mut data) = (String::new(), None, Value::Null);
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the stream of events ends");
        let line = line.trim_end();
        if let Some(text) = line.strip_prefix("event: ") {
            name = text.to_owned();
        } else if let Some(text) = line.strip_prefix("id: ") {
            id = Some(text.to_owned());
        } else if let Some(text) = line.strip_prefix("data: ") {
            data = serde_json::from_str(text).unwrap();
        } else if line.is_empty() && !name.is_empty() {
            return (name, id, data);
        }
    }
}

fn until(what: &str, mut found: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !found() {
        assert!(begun.elapsed() < Duration::from_secs(90), "{what} does not come");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_camera_is_watched_told_of_and_kept_and_its_password_is_nowhere() {
    if !ffmpeg() {
        return;
    }
    let camera = Camera::start();
    let server = Running::start();
    let ada = server.person("Ada", &photos());
    let made = server
        .post("/v1/streams", &json!({ "name": " Front door ", "url": camera.url(), "preview": true }))
        .expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/streams/{id}");
    assert_eq!((made["name"].as_str(), made["preview"].as_bool()), (Some("Front door"), Some(true)));
    assert_eq!(made["source"], format!("http://127.0.0.1:{}/video.mjpg", camera.port));
    assert_eq!(made["keep_days"], 30.0);

    let mut events = open(&server, &format!("{path}/events"), "");
    let (name, _, state) = event(&mut events);
    assert_eq!((name.as_str(), &state["id"]), ("state", &made["id"]), "the state comes at once");
    let mut last = String::new();
    loop {
        let (name, number, data) = event(&mut events);
        last = number.unwrap_or(last);
        if name == "identified" {
            assert_eq!(data["person"], "Ada", "{data}");
            assert!((data["at"].as_f64().unwrap() - now()).abs() < 60.0 && data["box"].is_array(), "{data}");
            break;
        }
        assert!(["state", "appeared"].contains(&name.as_str()), "{name} {data}");
    }
    until("Ada", || {
        let shown = server.get(&path).expect(200);
        let there = &shown["present"][0];
        shown["state"] == "watching"
            && there["person"] == "Ada"
            && there["person_id"] == json!(ada)
            && there["box_share"][2].as_f64().is_some_and(|w| (0.05..0.9).contains(&w))
    });
    let current = server.get(&format!("{path}/visits")).expect(200);
    assert_eq!(
        (current["items"][0]["current"].as_bool(), current["items"][0]["person"].as_str()),
        (Some(true), Some("Ada"))
    );

    // Pictures, one after the other.
    let mut preview = open(&server, &format!("{path}/preview"), "Accept-Encoding: gzip\r\n");
    let mut bytes = vec![0; 60_000];
    let mut read = 0;
    while bytes[..read].windows(9).filter(|part| part == b"--picture").count() < 3 && read < bytes.len() {
        read += preview.read(&mut bytes[read..]).unwrap();
    }
    let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
    assert!(
        text.contains("multipart/x-mixed-replace; boundary=picture") && !text.contains("content-encoding"),
        "{text}"
    );
    drop(preview);

    // She goes, and comes back. Whoever was cut off goes on after what was heard last.
    camera.shows.store(false, Ordering::Relaxed);
    let mut again = open(&server, &format!("{path}/events"), &format!("Last-Event-ID: {last}\r\n"));
    loop {
        let (name, number, data) = event(&mut again);
        if name == "left" {
            assert_eq!(data["person"], "Ada");
            assert!(number.unwrap().parse::<u64>().unwrap() > last.parse().unwrap());
            break;
        }
        assert!(name == "state" || number.unwrap().parse::<u64>().unwrap() > last.parse().unwrap(), "{name}");
    }

    // Nobody is watched any more: the visit has ended, and is kept with its picture.
    let stopped = server.json("PATCH", &path, &json!({ "running": false })).expect(200);
    assert_eq!(stopped["state"], "stopped");
    let visit = || server.get(&format!("{path}/visits")).expect(200)["items"][0].clone();
    until("the visit", || visit()["current"] == false);
    let visit = visit();
    assert_eq!(
        (visit["person"].as_str(), visit["person_id"].as_str()),
        (Some("Ada"), Some(ada.as_str())),
        "{visit}"
    );
    assert!(
        visit["until"].as_f64() > visit["from"].as_f64() && visit["seen"].as_f64().unwrap() > 0.0,
        "{visit}"
    );
    let shown = server.get(&format!("{path}/visits/{}/picture", visit["id"].as_str().unwrap()));
    assert_eq!((shown.status, shown.header("content-type")), (200, Some("image/jpeg")));
    phiz_image::Image::decode(&shown.body, &phiz_image::DecodeOptions::default()).unwrap();
    server.get(&format!("{path}/visits/v999/picture")).error("no_picture");
    let later = format!("{path}/visits?from={}", now() + 1000.0);
    assert_eq!(server.get(&later).expect(200)["items"], json!([]));
    let frames = camera.served.load(Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(1500));
    assert!(camera.served.load(Ordering::Relaxed) < frames + 5, "the camera is left alone");

    // Nothing tells the password or the token: no answer, no audit, no file.
    let told = [path.as_str(), "/v1/streams", "/v1/audit", "/metrics"].map(|path| server.get(path).text());
    for text in told {
        assert!(!text.contains("s3cret") && !text.contains("t0ken"), "{text}");
    }
    for file in std::fs::read_dir(server.home.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        let holds = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
        assert!(!holds(b"s3cret") && !holds(b"t0ken"), "{}", path.display());
        assert!(!path.ends_with("streams.db") || !holds(b"Ada"), "visits are sealed");
    }

    // After a restart everything is there; and what runs goes on.
    let server = server.again();
    assert_eq!(server.get("/v1/streams").expect(200)["items"][0]["state"], "stopped");
    assert_eq!(server.get(&format!("{path}/visits")).expect(200)["items"].as_array().unwrap().len(), 1);
    server.json("PATCH", &path, &json!({ "running": true, "preview": false })).expect(200);
    server.get(&format!("{path}/preview")).error("preview_off");
    let server = server.again();
    until("the camera", || server.get(&path).expect(200)["state"] == "watching");
    assert_eq!(server.delete(&format!("{path}/visits")).status, 204);
    assert_eq!(server.delete(&path).status, 204);
    server.get(&path).error("no_stream");
    assert_eq!(server.get("/v1/streams").expect(200)["items"], json!([]));
}

fn now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}

#[test]
fn a_camera_that_is_away_is_lost_and_says_why_without_its_password() {
    if !ffmpeg() {
        return;
    }
    let server = Running::start();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("rtsp://ana:s3cret-word@127.0.0.1:{closed}/live");
    let made = server.post("/v1/streams", &json!({ "name": "Away", "url": url })).expect(201);
    let path = format!("/v1/streams/{}", made["id"].as_str().unwrap());
    until("the loss", || server.get(&path).expect(200)["state"] == "lost");
    let shown = server.get(&path).expect(200);
    assert!(shown["problem"].as_str().is_some_and(|why| why.contains("127.0.0.1")), "{shown}");
    assert!(shown["remedy"].is_string() && !shown.to_string().contains("s3cret"), "{shown}");
    assert_eq!(server.delete(&path).status, 204);
}

#[test]
fn what_is_no_camera_is_refused_and_readers_change_nothing() {
    let server = Running::with(|settings| settings.streams = 1);
    let wrong = |body: Value| server.post("/v1/streams", &body);
    for url in [
        "file:///etc/passwd",
        "/etc/passwd",
        "/dev/../etc/passwd",
        "concat:a|b",
        "rtsp://",
        "data://x",
        "rtsp://a b/c",
        "rtsp://a/\nfile '/etc/passwd'",
        "pipe:0",
        "",
    ] {
        let told = wrong(json!({ "name": "x", "url": url })).error("bad_value");
        assert!(told["error"]["message"].as_str().unwrap().starts_with("url"), "{told}");
    }
    let url = "rtsp://127.0.0.1:1/x";
    for (field, value) in
        [("name", json!("  ")), ("fpir", json!(1.0)), ("keep_days", json!(-1)), ("list", json!(" "))]
    {
        let mut body = json!({ "name": "x", "url": url });
        body[field] = value;
        let told = wrong(body).error("bad_value");
        assert!(told["error"]["message"].as_str().unwrap().starts_with(field), "{told}");
    }
    wrong(json!({ "name": "x", "url": url, "prevew": true })).error("bad_request");
    let made = wrong(json!({ "name": "x", "url": url, "running": false })).expect(201);
    wrong(json!({ "name": "y", "url": url, "running": false })).error("conflict");
    let path = format!("/v1/streams/{}", made["id"].as_str().unwrap());
    let reader = format!("Bearer {}", server.key(Scope::Enrol, None));
    let headers = [("authorization", reader.as_str()), ("content-type", "application/json")];
    let send = |method: &str, path: &str, body: &str| server.send(method, path, &headers, body.as_bytes());
    assert_eq!(send("GET", &path, "").status, 200);
    send("PATCH", &path, "{\"running\": true}").error("forbidden");
    send("DELETE", &path, "").error("forbidden");
    send("DELETE", &format!("{path}/visits"), "").error("forbidden");
    let edited = server.json("PATCH", &path, &json!({ "list": "staff", "keep_days": 2 })).expect(200);
    assert_eq!((edited["list"].as_str(), edited["keep_days"].as_f64()), (Some("staff"), Some(2.0)));
    let edited = server.json("PATCH", &path, &json!({ "list": null })).expect(200);
    assert_eq!(edited["list"], Value::Null);
    // A stream is of its gallery alone.
    server.post("/v1/galleries", &json!({ "name": "other" })).expect(201);
    server.get(&format!("{path}?gallery=other")).error("no_stream");
    assert_eq!(server.get("/v1/streams?gallery=other").expect(200)["items"], json!([]));
}

//! Cameras over HTTP: a real camera that asks for a password, served by this test as motion JPEG, watched by a real server.
//!
//! Needs ffmpeg. Where it is missing, each test says so and ends, unless `PHIZ_NEED_FFMPEG` is set.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use phiz_server::Scope;
use phiz_synth::{FaceModel, Scene};
use serde_json::{Value, json};

#[path = "../../phiz-video/tests/camera/mod.rs"]
mod camera;
#[path = "../../phiz-video/tests/clips/mod.rs"]
mod clips;
mod common;
#[path = "../../phiz-deliver/tests/receivers/mod.rs"]
mod receivers;
use camera::Camera;
use clips::ffmpeg;
use common::Running;

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
        assert!(begun.elapsed() < Duration::from_secs(180), "{what} does not come");
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
        .post(
            "/v1/streams",
            &json!({ "name": " Front door ", "url": camera.url(), "preview": true, "running": false }),
        )
        .expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/streams/{id}");
    assert_eq!((made["name"].as_str(), made["preview"].as_bool()), (Some("Front door"), Some(true)));
    assert_eq!(made["source"], format!("http://127.0.0.1:{}/video.mjpg", camera.port));
    assert_eq!(made["keep_days"], 30.0);

    let mut events = open(&server, &format!("{path}/events"), "");
    let (name, _, state) = event(&mut events);
    assert_eq!((name.as_str(), &state["id"]), ("state", &made["id"]), "the state comes at once");
    // Nothing happens before somebody listens.
    server.json("PATCH", &path, &json!({ "running": true })).expect(200);
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
    // Whoever watched it has hung up.
    until("that the camera is left alone", || {
        let frames = camera.served.load(Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(700));
        camera.served.load(Ordering::Relaxed) == frames
    });

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

/// What a receiver got: each event once by its id, in order, after their signatures were checked.
fn received(got: &std::sync::Mutex<Vec<receivers::Request>>, secret: &[u8]) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for request in got.lock().unwrap().iter() {
        let time = request.header("phiz-timestamp").parse().unwrap();
        let signed = phiz_deliver::signature(secret, time, request.body.as_bytes());
        assert_eq!(request.header("phiz-signature"), signed);
        let event: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(event["id"], request.header("phiz-event-id"));
        if all.iter().all(|known| known["id"] != event["id"]) {
            all.push(event);
        }
    }
    all
}

#[test]
fn events_of_a_stream_reach_its_webhook_and_what_waits_follows_to_a_new_address() {
    if !ffmpeg() {
        return;
    }
    let camera = Camera::start();
    let server = Running::start();
    server.person("Ada", &photos());
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let secret = "s3cret-of-both-sides";
    let made = server
        .post(
            "/v1/streams",
            &json!({ "name": "Front door", "url": camera.url(), "webhook_secret": secret,
                "webhook": format!("http://u:s3cret@127.0.0.1:{closed}/api/webhook/s3cret?x=s3cret") }),
        )
        .expect(201);
    let path = format!("/v1/streams/{}", made["id"].as_str().unwrap());
    assert_eq!(made["webhook"], format!("http://127.0.0.1:{closed}"), "{made}");
    assert_eq!((&made["mqtt"], made.get("webhook_secret")), (&Value::Null, None));
    until("the reason", || server.get(&path).expect(200)["undelivered"].is_string());
    let told = server.get(&path).text();
    assert!(!told.contains("s3cret"), "{told}");
    until("Ada", || server.get(&path).expect(200)["present"][0]["person"] == "Ada");

    // The address is mended: what has waited comes, in order.
    let (port, got) = receivers::server(|number| if number == 1 { 503 } else { 200 });
    let right = json!({ "webhook": format!("http://127.0.0.1:{port}/s3cret") });
    server.json("PATCH", &path, &right).expect(200);
    let kinds = || -> Vec<String> {
        let events = received(&got, secret.as_bytes());
        events.iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
    };
    until("Ada's name", || kinds().iter().any(|kind| kind == "identified"));
    let first = received(&got, secret.as_bytes())[0].clone();
    assert_eq!((&first["event"], &first["name"]), (&json!("appeared"), &json!("Front door")));
    assert_eq!((&first["stream"], &first["source"]), (&made["id"], &made["source"]), "{first}");
    assert!((first["at"].as_f64().unwrap() - now()).abs() < 90.0 && first["box"].is_array(), "{first}");
    until("the relief", || server.get(&path).expect(200)["undelivered"].is_null());

    // A restart ends what was going on, and each event has come once.
    let server = server.again();
    until("the visit", || kinds().iter().any(|kind| kind == "visit"));
    until("her again", || kinds().iter().filter(|kind| *kind == "identified").count() >= 2);
    let events = received(&got, secret.as_bytes());
    let count = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    assert_eq!((count("appeared"), count("left"), count("visit")), (2, 1, 1), "{:?}", kinds());

    // Nobody is told any more; and a camera that is gone leaves nothing that waits.
    let edited = server.json("PATCH", &path, &json!({ "webhook": "" })).expect(200);
    assert_eq!((&edited["webhook"], &edited["undelivered"]), (&Value::Null, &Value::Null));
    let before = got.lock().unwrap().len();
    camera.shows.store(false, Ordering::Relaxed);
    until("nobody", || server.get(&path).expect(200)["present"] == json!([]));
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!(got.lock().unwrap().len(), before);
    let told = [path.as_str(), "/v1/streams", "/v1/audit", "/metrics"].map(|path| server.get(path).text());
    assert!(told.iter().all(|text| !text.contains("s3cret")), "{told:?}");
    for file in std::fs::read_dir(server.home.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        let holds = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
        let names = path.ends_with("outbox.main.db") && holds(b"Ada");
        assert!(!holds(b"s3cret") && !names, "{}", path.display());
    }
    assert_eq!(server.delete(&path).status, 204);
}

#[test]
fn streams_without_an_address_of_their_own_are_published_to_the_broker_of_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    if !ffmpeg() {
        return;
    }
    let Some(mut broker) = receivers::mosquitto(folder.path(), port) else { return };
    let camera = Camera::start();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "the secret of a file\n").unwrap();
    let (hook, got) = receivers::server(|_| 200);
    let server = Running::with(|settings| {
        settings.mqtt = Some(format!("mqtt://127.0.0.1:{port}/house"));
        settings.webhook = Some(format!("http://127.0.0.1:{hook}/"));
        settings.webhook_secret = Some(secret.clone());
    });
    server.person("Ada", &photos());
    let heard = receivers::subscribe(port);
    let last = |topic: &str| {
        heard.lock().unwrap().iter().rev().find(|(t, _)| t == topic).map(|(_, value)| value.clone())
    };
    let add =
        |name: &str| server.post("/v1/streams", &json!({ "name": name, "url": camera.url() })).expect(201);
    let made = add("Front door");
    assert_eq!(made["mqtt"], format!("mqtt://127.0.0.1:{port}/house"), "{made}");
    until("Home Assistant", || {
        last("homeassistant/sensor/phiz-front_door_front_door/people/config").is_some()
    });
    until("Ada", || last("house/front_door/person/ada").as_deref() == Some("ON"));
    until("the webhook", || !received(&got, b"the secret of a file").is_empty());
    // A second camera of that name has topics of its own, and neither takes the other's connection.
    let second = add("Front door");
    let topic = format!("house/front_door_{}/people", second["id"].as_str().unwrap());
    until("Ada twice", || last(&topic).as_deref() == Some("Ada"));
    assert_eq!(last("house/available/phiz-front_door").as_deref(), Some("online"));
    // Whoever wants no broker for a camera says so, and the others go on.
    let path = format!("/v1/streams/{}", second["id"].as_str().unwrap());
    let edited = server.json("PATCH", &path, &json!({ "mqtt": "" })).expect(200);
    assert_eq!((&edited["mqtt"], edited["webhook"].is_string()), (&Value::Null, true), "{edited}");
    let edited = server.json("PATCH", &path, &json!({ "mqtt": null })).expect(200);
    assert!(edited["mqtt"].is_string(), "{edited}");
    camera.shows.store(false, Ordering::Relaxed);
    until("nobody", || last("house/front_door/people").as_deref() == Some("nobody"));
    until("OFF", || last("house/front_door/person/ada").as_deref() == Some("OFF"));
    drop(server);
    until("the end", || last("house/available/phiz-front_door").as_deref() == Some("offline"));
    broker.kill().unwrap();
    broker.wait().unwrap();
}

/// A way to a port that can be closed: nobody gets through then.
fn way(to: u16) -> (u16, std::sync::Arc<std::sync::atomic::AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let open = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let opened = open.clone();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let socket = socket.unwrap();
            if !opened.load(Ordering::Relaxed) {
                continue;
            }
            let Ok(there) = TcpStream::connect(("127.0.0.1", to)) else { continue };
            for (mut from, mut into) in
                [(socket.try_clone().unwrap(), there.try_clone().unwrap()), (there, socket)]
            {
                std::thread::spawn(move || {
                    _ = std::io::copy(&mut from, &mut into);
                    _ = into.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    (port, open)
}

#[test]
fn a_stream_that_is_deleted_or_renamed_leaves_nothing_at_its_broker_even_if_that_was_away() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Some(mut broker) = receivers::mosquitto(folder.path(), port) else { return };
    let (through, open) = way(port);
    let camera = Camera::start();
    let server = Running::start();
    server.person("Ada", &photos());
    let url = format!("mqtt://127.0.0.1:{through}/house");
    let add = |name: &str| {
        let made = server.post("/v1/streams", &json!({ "name": name, "url": camera.url(), "mqtt": url }));
        format!("/v1/streams/{}", made.expect(201)["id"].as_str().unwrap())
    };
    // What the broker retains, as a new subscriber hears it.
    let retained = || {
        let heard = receivers::subscribe(port);
        std::thread::sleep(Duration::from_millis(500));
        let heard = heard.lock().unwrap();
        let ours = heard.iter().filter(|(topic, value)| !topic.starts_with("$SYS") && !value.is_empty());
        ours.map(|(topic, _)| topic.clone()).collect::<Vec<_>>()
    };
    let holds = |part: &str| retained().iter().any(|topic| topic.contains(part));
    let (door, garden) = (add("Front door"), add("Garden"));
    until("Ada at the door", || holds("house/front_door/person/ada"));
    until("Ada in the garden", || holds("house/garden/person/ada"));
    assert_eq!(server.delete(&door).status, 204);
    until("the door's end", || !holds("front_door"));
    assert!(holds("house/garden/person/ada") && holds("phiz-garden_garden/people/config"));

    // A new name has new topics, and the old ones go.
    server.json("PATCH", &garden, &json!({ "name": "Yard" })).expect(200);
    until("the new name", || holds("house/yard/person/ada"));
    until("the old name's end", || !holds("garden"));

    // The broker is away when the stream is deleted, and still when the server starts again.
    open.store(false, Ordering::Relaxed);
    assert_eq!(server.delete(&garden).status, 204);
    let server = server.again();
    assert!(holds("house/yard/people"), "nobody could take it back");
    open.store(true, Ordering::Relaxed);
    until("the yard's end", || retained().is_empty());
    drop(server);
    broker.kill().unwrap();
    broker.wait().unwrap();
}

#[test]
fn snapshots_are_kept_where_they_are_wanted_and_a_cooldown_holds_back_what_was_told_a_moment_ago() {
    if !ffmpeg() {
        return;
    }
    let camera = Camera::start();
    let server = Running::start();
    server.person("Ada", &photos());
    let secret = "s3cret-of-both-sides";
    let (hook, got) = receivers::server(|_| 200);
    let made = server
        .post(
            "/v1/streams",
            &json!({ "name": "Front door", "url": camera.url(), "snapshots": true, "cooldown": 3600,
                "webhook": format!("http://127.0.0.1:{hook}/"), "webhook_secret": secret }),
        )
        .expect(201);
    assert_eq!((&made["snapshots"], made["cooldown"].as_f64()), (&json!(true), Some(3600.0)));
    let path = format!("/v1/streams/{}", made["id"].as_str().unwrap());
    let kinds = || -> Vec<String> {
        let events = received(&got, secret.as_bytes());
        events.iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
    };
    let count = |kind: &str| kinds().iter().filter(|known| *known == kind).count();
    let picture = |path: &str| {
        let shown = server.get(path);
        assert_eq!((shown.status, shown.header("content-type")), (200, Some("image/jpeg")), "{path}");
        phiz_image::Image::decode(&shown.body, &phiz_image::DecodeOptions::default()).unwrap()
    };

    // Each event in which somebody appears or is identified has a picture of its moment, which its receiver can ask for.
    let mut events = open(&server, &format!("{path}/events"), "Last-Event-ID: 0\r\n");
    loop {
        let (name, _, data) = event(&mut events);
        if name == "identified" {
            let id = data["snapshot"].as_str().unwrap();
            let shown = picture(&format!("{path}/snapshots/{id}"));
            assert_eq!((shown.width(), shown.height()), (480, 270));
            break;
        }
    }
    drop(events);
    until("the webhook", || count("identified") == 1);
    for event in received(&got, secret.as_bytes()) {
        picture(event["snapshot"].as_str().unwrap());
    }
    let kept = server.get(&format!("{path}/snapshots")).expect(200)["items"].clone();
    let brief = |kept: &Value| -> Vec<(Value, Value)> {
        kept.as_array().unwrap().iter().map(|one| (one["event"].clone(), one["person"].clone())).collect()
    };
    assert_eq!(
        brief(&kept),
        [(json!("identified"), json!("Ada")), (json!("appeared"), Value::Null)],
        "the latest first"
    );
    assert!(kept[0]["box"].is_array() && (kept[0]["at"].as_f64().unwrap() - now()).abs() < 90.0, "{kept}");

    // One can be asked for at any time.
    let taken = server.post(&format!("{path}/snapshots"), &json!({})).expect(201);
    assert_eq!((&taken["event"], &taken["box"]), (&Value::Null, &Value::Null), "{taken}");
    picture(&format!("{path}/snapshots/{}", taken["id"].as_str().unwrap()));
    let first = server.get(&format!("{path}/snapshots?limit=1")).expect(200);
    assert_eq!((first["items"].as_array().unwrap().len(), &first["items"][0]["id"]), (1, &taken["id"]));
    let next = first["next"].as_str().unwrap();
    let rest = server.get(&format!("{path}/snapshots?limit=2&cursor={next}")).expect(200);
    assert_eq!((&rest["items"], &rest["next"]), (&kept, &Value::Null));
    server.get(&format!("{path}/snapshots/n999")).error("no_picture");
    let reader = format!("Bearer {}", server.key(Scope::Read, None));
    let headers = [("authorization", reader.as_str())];
    server.send("POST", &format!("{path}/snapshots"), &headers, b"").error("forbidden");

    // She goes, comes back and goes again: that is told once, and who is there is right all the time.
    let is_there = |wanted: bool| {
        camera.shows.store(wanted, Ordering::Relaxed);
        until("who is there", || {
            let there = server.get(&path).expect(200)["present"].clone();
            if wanted { there[0]["person"] == "Ada" } else { there == json!([]) }
        });
    };
    is_there(false);
    until("her leaving", || count("left") == 1);
    is_there(true);
    is_there(false);
    server.json("PATCH", &path, &json!({ "running": false })).expect(200);
    until("the visit", || count("visit") == 1);
    assert_eq!(kinds(), ["appeared", "identified", "left", "visit"]);
    server.post(&format!("{path}/snapshots"), &json!({})).error("conflict");

    // Without a cooldown she is told of again, and without snapshots no picture is kept.
    let edit = json!({ "running": true, "cooldown": 0, "snapshots": false });
    let edited = server.json("PATCH", &path, &edit).expect(200);
    assert_eq!((&edited["snapshots"], edited["cooldown"].as_f64()), (&json!(false), Some(0.0)));
    is_there(true);
    until("her name again", || count("identified") == 2);
    is_there(false);
    until("her leaving again", || count("left") == 2);
    is_there(true);
    until("her name once more", || count("identified") == 3);
    let last = received(&got, secret.as_bytes()).pop().unwrap();
    assert!(last.get("snapshot").is_none(), "{last}");
    assert_eq!(server.get(&format!("{path}/snapshots")).expect(200)["items"].as_array().unwrap().len(), 3);

    // Nobody reads them in the file, and what is forgotten is gone.
    for file in std::fs::read_dir(server.home.path()).unwrap() {
        let path = file.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("streams.db") {
            let bytes = std::fs::read(&path).unwrap();
            let holds = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
            assert!(!holds(b"Ada") && !holds(b"JFIF") && !holds(b"\xff\xd8\xff"), "{}", path.display());
        }
    }
    assert_eq!(server.delete(&format!("{path}/snapshots")).status, 204);
    assert_eq!(server.get(&format!("{path}/snapshots")).expect(200)["items"], json!([]));
    for (field, value) in [("cooldown", json!(-1)), ("cooldown", json!(1e9))] {
        let told = server.json("PATCH", &path, &json!({ field: value })).error("bad_value");
        assert!(told["error"]["message"].as_str().unwrap().starts_with(field), "{told}");
    }
    assert_eq!(server.delete(&path).status, 204);
}

#[test]
fn addresses_and_secrets_of_events_are_checked() {
    let server = Running::start();
    let url = "rtsp://127.0.0.1:1/x";
    for (field, value) in [
        ("webhook", "ftp://u:s3cret@x/y"),
        ("webhook", "s3cret"),
        ("webhook", "http:///s3cret"),
        ("mqtt", "http://u:s3cret@broker"),
        ("mqtt", "mqtt://u:s3cret@"),
        ("webhook_secret", "s3cret"),
    ] {
        let mut body = json!({ "name": "x", "url": url, "running": false });
        body[field] = json!(value);
        let told = server.post("/v1/streams", &body).error("bad_value");
        assert!(told["error"]["message"].as_str().unwrap().starts_with(field), "{told}");
        assert!(!told.to_string().contains("s3cret"), "{told}");
    }
    assert_eq!(server.get("/v1/streams").expect(200)["items"], json!([]));
}

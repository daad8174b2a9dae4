//! Real receivers: an HTTP server of this test that fails at times, and mosquitto, which is killed and comes back.
//!
//! Needs mosquitto (Debian: mosquitto). Where it is missing, its test says so and ends, unless `PHIZ_NEED_MOSQUITTO` is set.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use phiz_deliver::{Deliverer, Message, Mqtt, Outbox, Stream, Target, Told, Webhook, signature};

/// A request as it came: headers in lower case, and the body.
#[derive(Clone, Debug)]
struct Request {
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }
}

/// A server that answers the n-th request by what `status` says; 0 closes the connection without an answer.
fn server(status: impl Fn(usize) -> u16 + Send + 'static) -> (u16, Arc<Mutex<Vec<Request>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let all: Arc<Mutex<Vec<Request>>> = Arc::default();
    let kept = Arc::clone(&all);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection: TcpStream = connection.unwrap();
            let mut reader = BufReader::new(connection.try_clone().unwrap());
            let (mut headers, mut line) = (Vec::new(), String::new());
            loop {
                line.clear();
                if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                    break;
                }
                if let Some((name, value)) = line.trim().split_once(": ") {
                    headers.push((name.to_lowercase(), value.to_owned()));
                }
            }
            let length =
                headers.iter().find(|(n, _)| n == "content-length").map_or(0, |(_, v)| v.parse().unwrap());
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let number = {
                let mut all = kept.lock().unwrap();
                all.push(Request { headers, body: String::from_utf8(body).unwrap() });
                all.len() - 1
            };
            let status = status(number);
            if status != 0 {
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                _ = connection.write_all(answer.as_bytes());
            }
        }
    });
    (port, all)
}

fn put(outbox: &Outbox, target: &str, id: &str, body: &str) {
    let message = Message { id: id.into(), at: 1_700_000_000.0, body: body.into() };
    // Long ago, but not so long that it is given up at once: that happens when an outbox is opened.
    outbox.put(&message, &[target.to_owned()], &[]).unwrap();
}

#[test]
fn a_webhook_gets_each_event_in_order_signed_and_again_until_it_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(&folder.path().join("outbox.db"), None).unwrap();
    // The first connection breaks, the second answer is that it is busy; the third event is refused for good.
    let (port, got) = server(|number| match number {
        0 => 0,
        1 => 503,
        n if (4..9).contains(&n) => 400,
        _ => 204,
    });
    let secret = b"a secret of both".to_vec();
    let hook = Webhook::new(&format!("http://127.0.0.1:{port}/phiz?token=t0ken"), secret.clone()).unwrap();
    let target = hook.key();
    for id in ["e1", "e2", "e3", "e4"] {
        put(&outbox, &target, id, &format!("{{\"event\":\"appeared\",\"id\":\"{id}\"}}"));
    }
    let told: Arc<Mutex<Vec<Told>>> = Arc::default();
    let tell = Arc::clone(&told);
    let deliverer =
        Deliverer::start(Arc::clone(&outbox), Box::new(hook), move |t| tell.lock().unwrap().push(t)).unwrap();
    assert_eq!(deliverer.finish(Duration::from_secs(60)), 0);
    let got = got.lock().unwrap();
    let ids: Vec<&str> = got.iter().map(|request| request.header("phiz-event-id")).collect();
    assert_eq!(ids, ["e1", "e1", "e1", "e2", "e3", "e3", "e3", "e3", "e3", "e4"]);
    for request in got.iter() {
        let time = request.header("phiz-timestamp").parse().unwrap();
        assert_eq!(request.header("phiz-signature"), signature(&secret, time, request.body.as_bytes()));
        assert!(request.body.contains(request.header("phiz-event-id")));
    }
    let told = told.lock().unwrap();
    assert!(matches!(told[0], Told::Away(..)) && matches!(told[1], Told::Back(_)), "{told:?}");
    assert!(told.iter().any(|t| matches!(t, Told::GivenUp(_, id, _) if id == "e3")), "{told:?}");
    assert!(told.iter().all(|t| !t.to_string().contains("t0ken")), "{told:?}");
}

#[test]
fn what_nobody_takes_waits_for_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox.db");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{closed}/");
    let hook = || Webhook::new(&url, Vec::new()).unwrap();
    let outbox = Outbox::open(&path, None).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let message = Message { id: "e1".into(), at: now, body: "{}".into() };
    outbox.put(&message, &[hook().key()], &[]).unwrap();
    let deliverer = Deliverer::start(Arc::clone(&outbox), Box::new(hook()), |_| ()).unwrap();
    assert_eq!(deliverer.finish(Duration::from_millis(300)), 1);
    drop(outbox);
    assert_eq!(Outbox::open(&path, None).unwrap().waiting(&[hook().key()]).unwrap(), 1);
}

/// A broker on a port; none, which is said, where it is not installed.
fn mosquitto(folder: &Path, port: u16) -> Option<Child> {
    let config = folder.join("mosquitto.conf");
    std::fs::write(&config, format!("listener {port} 127.0.0.1\nallow_anonymous true\n")).unwrap();
    let program = ["mosquitto", "/usr/sbin/mosquitto"].into_iter().find(|program| {
        Command::new(program).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    });
    let Some(program) = program else {
        assert!(std::env::var_os("PHIZ_NEED_MOSQUITTO").is_none(), "mosquitto is missing");
        eprintln!("skipped: mosquitto is missing");
        return None;
    };
    let child = Command::new(program).arg("-c").arg(&config).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "mosquitto does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(child)
}

/// Reads what is published to all topics, retained and new, for a while: a subscriber of its own, byte by byte.
fn subscribe(port: u16) -> Arc<Mutex<Vec<(String, String)>>> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.write_all(&[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 1, b's']).unwrap();
    let mut answer = [0; 4];
    socket.read_exact(&mut answer).unwrap();
    socket.write_all(&[0x82, 6, 0, 1, 0, 1, b'#', 0]).unwrap();
    let all: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let kept = Arc::clone(&all);
    std::thread::spawn(move || {
        let mut byte = [0];
        while socket.read_exact(&mut byte).is_ok() {
            let kind = byte[0];
            let (mut length, mut shift) = (0usize, 0);
            loop {
                socket.read_exact(&mut byte).unwrap();
                length |= usize::from(byte[0] & 0x7f) << shift;
                shift += 7;
                if byte[0] & 0x80 == 0 {
                    break;
                }
            }
            let mut body = vec![0; length];
            socket.read_exact(&mut body).unwrap();
            if kind >> 4 == 3 {
                let end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                kept.lock().unwrap().push((text(&body[2..end]), text(&body[end..])));
            }
        }
    });
    all
}

fn until(what: &str, found: impl Fn() -> bool) {
    let begun = Instant::now();
    while !found() {
        assert!(begun.elapsed() < Duration::from_secs(40), "{what} does not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn home_assistant_is_told_of_streams_and_people_and_a_broker_that_was_away_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Some(mut broker) = mosquitto(folder.path(), port) else { return };
    let outbox = Outbox::open(&folder.path().join("outbox.db"), None).unwrap();
    let stream =
        Stream { source: "rtsp://cam/live".into(), slug: "front_door".into(), name: "Front door".into() };
    let mqtt = Mqtt::new(&format!("mqtt://127.0.0.1:{port}/house"), vec![stream]).unwrap();
    let target = mqtt.key();
    let got = subscribe(port);
    let last = |topic: &str, got: &Mutex<Vec<(String, String)>>| {
        got.lock().unwrap().iter().rev().find(|(t, _)| t == topic).map(|(_, value)| value.clone())
    };
    let deliverer = Deliverer::start(Arc::clone(&outbox), Box::new(mqtt), |_| ()).unwrap();
    until("the availability", || last("house/available/phiz-front_door", &got).as_deref() == Some("online"));
    until("nobody", || last("house/front_door/people", &got).as_deref() == Some("nobody"));
    let config = last("homeassistant/sensor/phiz-front_door_front_door/people/config", &got).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["state_topic"], "house/front_door/people");
    assert_eq!(config["availability_topic"], "house/available/phiz-front_door");
    assert_eq!(config["device"]["name"], "Front door");
    let event = |id: &str, kind: &str, track: u32, person: Option<&str>| {
        let body = serde_json::json!({ "id": id, "event": kind, "track": track, "person": person,
            "source": "rtsp://cam/live" });
        put(&outbox, &target, id, &body.to_string());
    };
    event("e1", "appeared", 1, None);
    until("one face", || last("house/front_door/count", &got).as_deref() == Some("1"));
    assert_eq!(
        last("house/front_door/people", &got).as_deref(),
        Some("nobody"),
        "strangers are only counted"
    );
    event("e2", "identified", 1, Some("Ada L."));
    until("Ada", || last("house/front_door/person/ada_l", &got).as_deref() == Some("ON"));
    assert_eq!(last("house/front_door/people", &got).as_deref(), Some("Ada L."));
    assert!(last("homeassistant/binary_sensor/phiz-front_door_front_door/ada_l/config", &got).is_some());

    // The broker dies, somebody leaves, and it comes back.
    broker.kill().unwrap();
    broker.wait().unwrap();
    event("e3", "left", 1, Some("Ada L."));
    std::thread::sleep(Duration::from_millis(700));
    let mut broker = mosquitto(folder.path(), port).unwrap();
    let got = subscribe(port);
    until("the event", || {
        got.lock().unwrap().iter().any(|(t, v)| t == "house/front_door/event" && v.contains("e3"))
    });
    until("nobody", || last("house/front_door/people", &got).as_deref() == Some("nobody"));
    until("OFF", || last("house/front_door/person/ada_l", &got).as_deref() == Some("OFF"));
    assert_eq!(deliverer.finish(Duration::from_secs(20)), 0);
    until("the end", || last("house/available/phiz-front_door", &got).as_deref() == Some("offline"));
    broker.kill().unwrap();
    broker.wait().unwrap();
}

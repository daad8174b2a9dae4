//! Real receivers: an HTTP server of this test that fails at times, and mosquitto, which is killed and comes back.
//!
//! Needs mosquitto (Debian: mosquitto). Where it is missing, its test says so and ends, unless `PHIZ_NEED_MOSQUITTO` is set.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use phiz_deliver::{Deliverer, Keyed, Message, Mqtt, Outbox, Stream, Target, Told, Webhook, signature};

mod receivers;
use receivers::{mosquitto, server, subscribe, until};

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

    // What is held back changes who is there, and is no event.
    let held = serde_json::json!({ "id": "h1", "event": "appeared", "track": 2, "person": null, "held": true,
        "source": "rtsp://cam/live" });
    put(&outbox, &target, "h1", &held.to_string());
    until("two faces", || last("house/front_door/count", &got).as_deref() == Some("2"));
    event("e2b", "left", 2, None);
    until("one face again", || last("house/front_door/count", &got).as_deref() == Some("1"));
    until("the later event", || {
        got.lock().unwrap().iter().any(|(t, v)| t == "house/front_door/event" && v.contains("e2b"))
    });
    assert!(!got.lock().unwrap().iter().any(|(t, v)| t == "house/front_door/event" && v.contains("h1")));

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

    // The stream is no more: another client takes back all that is retained of it, also of people of earlier runs, and nothing
    // that is another stream's.
    let other = Stream { source: "b".into(), slug: "front_door_2".into(), name: "Front door 2".into() };
    let mqtt = Mqtt::new(&format!("mqtt://127.0.0.1:{port}/house"), vec![other]).unwrap();
    let two = Deliverer::start(Arc::clone(&outbox), Box::new(mqtt), |_| ()).unwrap();
    until("the other stream", || last("house/front_door_2/people", &got).is_some());
    assert_eq!(two.finish(Duration::from_secs(20)), 0);
    let stream = Stream { source: String::new(), slug: "front_door".into(), name: String::new() };
    let mqtt = Mqtt::new(&format!("mqtt://127.0.0.1:{port}/house"), vec![stream]).unwrap();
    let cleared = mqtt.retract().unwrap();
    assert!((5..=12).contains(&cleared), "{cleared} topics");
    // A new subscriber hears exactly what is retained.
    let retained = subscribe(port);
    until("the other stream", || last("house/front_door_2/people", &retained).is_some());
    until("its last topic", || {
        last("homeassistant/sensor/phiz-front_door_2_front_door_2/count/config", &retained).is_some()
    });
    let all: Vec<String> = retained.lock().unwrap().iter().map(|(topic, _)| topic.clone()).collect();
    assert!(all.iter().all(|topic| topic.contains("front_door_2") || topic.starts_with("$SYS")), "{all:?}");
    assert!(all.len() >= 5, "{all:?}");
    broker.kill().unwrap();
    broker.wait().unwrap();
    mqtt.retract().expect_err("the broker is away");
}

#[test]
fn what_waits_for_an_address_that_was_wrong_goes_to_the_right_one() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(&folder.path().join("outbox.db"), None).unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (port, got) = server(|_| 200);
    let begin = |port: u16| {
        let hook = Webhook::new(&format!("http://127.0.0.1:{port}/"), Vec::new()).unwrap();
        let target = Box::new(Keyed::new("webhook:door".into(), Box::new(hook)));
        Deliverer::start(Arc::clone(&outbox), target, |_| ()).unwrap()
    };
    let wrong = begin(closed);
    put(&outbox, wrong.target(), "e1", "{}");
    std::thread::sleep(Duration::from_millis(300));
    // The next one begins at once, and works as soon as this one has ended.
    let thread = wrong.end();
    let right = begin(port);
    assert_eq!(right.finish(Duration::from_secs(30)), 0);
    thread.join().unwrap();
    let ids: Vec<String> =
        got.lock().unwrap().iter().map(|request| request.header("phiz-event-id").to_owned()).collect();
    assert_eq!(ids, ["e1"]);
}

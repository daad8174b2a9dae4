//! The API as a program uses it: a real server on a port of the loopback interface, a real client, photos of people who do
//! not exist.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phiz_server::Scope;
use serde_json::{Value, json};

mod common;
use common::{ADA, BEN, Running, form_with, scene};

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

#[test]
fn people_are_learnt_recognised_corrected_and_restored() {
    let server = Running::start();
    let made = server.post("/v1/people", &json!({ "name": "Ada", "lists": ["staff"] })).expect(201);
    let ada = made["id"].as_str().unwrap().to_owned();
    assert_eq!((made["name"].as_str(), made["faces"].as_u64()), (Some("Ada"), Some(0)));

    // One photo is broken, one shows nobody: the others are enrolled, each with its own result.
    let nobody = phiz_image::Image::from_rgb(64, 64, vec![128; 64 * 64 * 3]).unwrap().encode_png().unwrap();
    let parts: [(&str, &str, &[u8]); 4] = [
        ("photo", "1.jpg", &ADA[0]),
        ("photo", "2.jpg", b"no picture"),
        ("photo", "3.png", &nobody),
        ("photo", "4.jpg", &ADA[1]),
    ];
    let done = server.form(&format!("/v1/people/{ada}/faces?consent=signed%203%20May"), &parts).expect(200);
    let photos = done["photos"].as_array().unwrap();
    assert_eq!(photos.len(), 4);
    assert!(
        photos[0]["face"].is_string() && photos[0]["like_own"].is_null() && photos[0]["similar"] == json!([]),
        "{done}"
    );
    assert_eq!(photos[1]["error"]["code"], "unknown_format", "{done}");
    assert_eq!(photos[2]["error"]["code"], "no_face", "{done}");
    assert!(photos[3]["face"].is_string() && photos[3]["source"] == "4.jpg", "{done}");
    assert_eq!(done["person"]["faces"], 2);

    // The same photo again is known, and changes nothing.
    let again = server.form(&format!("/v1/people/{ada}/faces"), &parts[..1]).expect(200);
    assert_eq!(again["photos"][0]["known"], photos[0]["face"], "{again}");
    assert_eq!(again["photos"][0]["face"], photos[0]["face"], "{again}");
    assert!(again["operation"].is_null());

    let ben = server.person("Ben", &BEN[..1]);
    let both = scene(&[1, 2], 5);
    let found =
        server.form("/v1/identify", &[("photo", "x.png", &both.image.encode_png().unwrap())]).expect(200);
    let (width, height) = (found["width"].as_f64().unwrap(), found["height"].as_f64().unwrap());
    assert_eq!((width, height), (f64::from(both.image.width()), f64::from(both.image.height())));
    let mut names: Vec<&str> = found["faces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|face| face["person"].as_str().unwrap_or("nobody"))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["Ada", "Ben"], "{found}");
    for face in found["faces"].as_array().unwrap() {
        let (pixels, shares) = (numbers(&face["box"]), numbers(&face["box_share"]));
        for (i, size) in [width, height, width, height].into_iter().enumerate() {
            assert!((pixels[i] / size - shares[i]).abs() < 1e-4, "{face}");
        }
        assert_eq!(face["landmarks"].as_array().unwrap().len(), 5);
        assert_eq!(face["decision"], "match");
        assert!(face["candidates"][0]["fpir"].as_f64().unwrap() <= 0.01);
    }

    let faces = server.get(&format!("/v1/people/{ada}/faces")).expect(200);
    let face = faces["items"][0].clone();
    assert_eq!((face["consent"].as_str(), face["source"].as_str()), (Some("signed 3 May"), Some("1.jpg")));
    let id = face["id"].as_str().unwrap();
    let crop = server.get(&format!("/v1/faces/{id}/crop"));
    assert_eq!((crop.status, crop.header("content-type")), (200, Some("image/jpeg")));
    let image = phiz_image::Image::decode(&crop.body, &phiz_image::DecodeOptions::default()).unwrap();
    assert_eq!((image.width(), image.height()), (112, 112));
    assert_eq!(server.get(&format!("/v1/people/{ada}/picture")).status, 200);

    let same = server.form(&format!("/v1/verify?person={ada}"), &[("photo", "x.jpg", &ADA[2])]).expect(200);
    assert_eq!(
        (same["same"].as_bool(), same["person"].as_str(), same["id"].as_str()),
        (Some(true), Some("Ada"), Some(&*ada))
    );

    // Corrections, each of which says how it is taken back.
    let moved = server.post(&format!("/v1/faces/{id}/move"), &json!({ "to": ben })).expect(200);
    assert_eq!(moved["person"], json!(ben));
    let undone = server.post("/v1/undo", &json!({ "operation": moved["operation"] })).expect(200);
    assert_eq!(undone["undone"]["kind"], "move_face");
    let split =
        server.post(&format!("/v1/people/{ada}/split"), &json!({ "faces": [id], "name": "Eve" })).expect(201);
    let eve = split["id"].as_str().unwrap().to_owned();
    let merged = server.post(&format!("/v1/people/{ada}/merge"), &json!({ "from": [eve] })).expect(200);
    assert_eq!((merged["name"].as_str(), merged["faces"].as_u64()), (Some("Ada"), Some(2)));
    server.get(&format!("/v1/people/{eve}")).error("no_person");

    let not = server.post(&format!("/v1/faces/{id}/not"), &json!({})).expect(201);
    let negatives = server.get(&format!("/v1/people/{ada}/negatives")).expect(200);
    assert_eq!(negatives["items"][0]["id"], not["negative"]);
    let refused = server.form(&format!("/v1/people/{ada}/faces"), &parts[..1]).expect(200);
    assert_eq!(refused["photos"][0]["error"]["code"], "refused", "{refused}");
    assert_eq!(refused["photos"][0]["error"]["details"]["reason"], "negative", "{refused}");
    server.delete(&format!("/v1/negatives/{}", not["negative"].as_str().unwrap())).expect(200);
    let said =
        server.form(&format!("/v1/people/{ben}/negatives"), &[("photo", "x.jpg", &ADA[0])]).expect(201);
    assert!(said["negative"].is_string());

    let renamed =
        server.json("PATCH", &format!("/v1/people/{ada}"), &json!({ "name": "Ada Lima" })).expect(200);
    assert_eq!(renamed["name"], "Ada Lima");
    let set = server
        .json(
            "PATCH",
            &format!("/v1/people/{ada}"),
            &json!({ "attributes": { "team": "red" }, "lists": ["vip"] }),
        )
        .expect(200);
    assert_eq!((set["attributes"]["team"].as_str(), set["lists"][0].as_str()), (Some("red"), Some("vip")));
    assert_eq!(server.get("/v1/lists").expect(200)["items"], json!([{ "name": "vip", "people": 1 }]));
    let among =
        server.form("/v1/identify?list=vip&top=1&fpir=0.0001", &[("photo", "x.jpg", &BEN[1])]).expect(200);
    assert_eq!(among["faces"][0]["decision"], "unknown", "Ben is on no list: {among}");
    server.form("/v1/identify?list=nobody", &[("photo", "x.jpg", &BEN[1])]).error("bad_value");

    server.delete(&format!("/v1/people/{ben}")).expect(200);
    server.get(&format!("/v1/people/{ben}")).error("no_person");
    let back = server.post(&format!("/v1/people/{ben}/restore"), &json!({})).expect(200);
    assert_eq!(back["name"], "Ben");
    let history = server.get("/v1/history?limit=2").expect(200);
    assert_eq!(history["items"].as_array().unwrap().len(), 2);
    let cursor = history["next"].as_str().unwrap();
    let more = server.get(&format!("/v1/history?limit=2&cursor={cursor}")).expect(200);
    assert_ne!(history["items"][0], more["items"][0]);

    let audit = server.get("/v1/audit").expect(200);
    let text = audit.to_string();
    assert!(text.contains("POST /v1/people/{id}/merge") && text.contains("\"k1\""), "{text}");
    assert!(!text.contains("Ada") && !text.contains("Lima"), "the audit holds no name: {text}");
    let figures = server.get("/v1/gallery").expect(200);
    assert_eq!((figures["people"].as_u64(), figures["sealed"].as_bool()), (Some(2), Some(true)));
}

#[test]
fn photos_come_in_three_forms_with_one_answer() {
    let server = common::shared();
    let bearer = format!("Bearer {}", server.admin);
    let by_form = server.form("/v1/detect", &[("photo", "a.jpg", &ADA[0])]).expect(200);
    let raw = |kind: &str| {
        server
            .send("POST", "/v1/detect", &[("authorization", &bearer), ("content-type", kind)], &ADA[0])
            .expect(200)
    };
    assert_eq!(by_form["faces"].as_array().unwrap().len(), 1, "{by_form}");
    assert_eq!(raw("image/jpeg"), by_form);
    assert_eq!(raw("application/octet-stream"), by_form);
    let text = STANDARD.encode(&ADA[0]);
    assert_eq!(server.post("/v1/detect", &json!({ "photo": text })).expect(200), by_form);
    let url = format!("data:image/jpeg;base64,{text}");
    assert_eq!(server.post("/v1/detect", &json!({ "photo": url })).expect(200), by_form);

    let pair = server.form("/v1/verify", &[("a", "a.jpg", &ADA[0]), ("b", "b.jpg", &ADA[1])]).expect(200);
    assert_eq!(pair["same"], true, "{pair}");
    let apart = server.post("/v1/verify", &json!({ "a": text, "b": STANDARD.encode(&BEN[0]) })).expect(200);
    assert_eq!(apart["same"], false, "{apart}");

    let a = server.form("/v1/embed", &[("photo", "a.jpg", &ADA[0])]).expect(200);
    let b = server.form("/v1/embed", &[("photo", "a.jpg", &ADA[1])]).expect(200);
    let template = |of: &Value| of["faces"][0]["template"].clone();
    let compared = json!({ "model": a["model"], "a": template(&a), "b": template(&b) });
    let compared = server.post("/v1/compare", &compared).expect(200);
    let difference = compared["similarity"].as_f64().unwrap() - pair["similarity"].as_f64().unwrap();
    assert!(difference.abs() < 1e-5, "{compared} {pair}");
    server.post("/v1/compare", &json!({ "model": "0000000000000000", "a": "", "b": "" })).error("bad_value");

    server.form("/v1/verify", &[("a", "a.jpg", &ADA[0])]).error("bad_request");
    server.form("/v1/verify", &[("a", "a.jpg", &ADA[0]), ("b", "b.jpg", b"x")]).error("unknown_format");
    server.form("/v1/detect?score=2", &[("photo", "a.jpg", &ADA[0])]).error("bad_value");
    server.form("/v1/detect?score=x", &[("photo", "a.jpg", &ADA[0])]).error("bad_request");
}

#[test]
fn lists_go_on_by_cursors_of_their_own() {
    let server = Running::start();
    let names: Vec<String> = (0..7).map(|i| format!("Person {i}")).collect();
    names.iter().for_each(|name| _ = server.person(name, &[]));
    let (mut seen, mut path) = (Vec::new(), "/v1/people?limit=3".to_owned());
    loop {
        let page = server.get(&path).expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/people?limit=3&cursor={next}");
    }
    assert_eq!(seen, names);
    let next = server.get("/v1/people?limit=3").expect(200)["next"].as_str().unwrap().to_owned();
    server.get(&format!("/v1/people?limit=3&q=a&cursor={next}")).error("bad_cursor");
    server.get("/v1/people?limit=0").error("bad_value");
    let found = server.get("/v1/people?q=son%203").expect(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 1, "{found}");
}

#[test]
fn a_request_with_a_key_of_its_own_is_done_once() {
    let server = Running::start();
    let bearer = format!("Bearer {}", server.admin);
    let send = |once: &str, name: &str| {
        let headers =
            [("authorization", &*bearer), ("content-type", "application/json"), ("idempotency-key", once)];
        server.send("POST", "/v1/people", &headers, json!({ "name": name }).to_string().as_bytes())
    };
    let first = send("5f0c1e7a-1", "Ada");
    let again = send("5f0c1e7a-1", "Ada");
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(first.expect(201), again.expect(201));
    send("5f0c1e7a-1", "Ben").error("idempotency_mismatch");
    send("short", "Ben").error("bad_value");
    // What was refused may be mended and sent again.
    send("5f0c1e7a-2", "p7").error("bad_name");
    send("5f0c1e7a-2", "Ben").expect(201);
    assert_eq!(server.get("/v1/people").expect(200)["items"].as_array().unwrap().len(), 2);

    // Photos, whose boundary is another one each time.
    let ada = server.get("/v1/people?name=Ada").expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    let enrol = |boundary: &str| {
        let (kind, body) = form_with(boundary, &[("photo", "1.jpg", &ADA[0])]);
        let headers =
            [("authorization", &*bearer), ("content-type", &*kind), ("idempotency-key", "5f0c1e7a-3")];
        server.send("POST", &format!("/v1/people/{ada}/faces"), &headers, &body)
    };
    let first = enrol("one-boundary").expect(200);
    assert!(first["operation"].is_string(), "{first}");
    assert_eq!(enrol("another-boundary").expect(200), first);
}

#[test]
fn keys_allow_what_their_scope_and_galleries_say() {
    let server = Running::start();
    let as_key = |key: &str, method: &str, path: &str, body: &Value| {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", &*bearer), ("content-type", "application/json")];
        server.send(method, path, &headers, body.to_string().as_bytes())
    };
    let (read, enrol) = (server.key(Scope::Read, None), server.key(Scope::Enrol, None));
    let new = json!({ "name": "Ada" });
    as_key(&read, "GET", "/v1/people", &json!(null)).expect(200);
    as_key(&read, "POST", "/v1/people", &new).error("forbidden");
    as_key(&enrol, "POST", "/v1/people", &new).expect(201);
    for (method, path) in [
        ("GET", "/v1/keys"),
        ("POST", "/v1/galleries"),
        ("GET", "/v1/audit"),
        ("POST", "/v1/gallery/purge"),
        ("POST", "/v1/gallery/backup"),
        ("POST", "/v1/gallery/calibration"),
    ] {
        as_key(&enrol, method, path, &json!({ "name": "x" })).error("forbidden");
    }
    server.post("/v1/galleries", &json!({ "name": "door" })).expect(201);
    server.post("/v1/galleries", &json!({ "name": "door" })).error("conflict");
    server.post("/v1/galleries", &json!({ "name": "../door" })).error("bad_value");
    let made = server
        .post("/v1/keys", &json!({ "name": "door", "scope": "admin", "galleries": ["door"] }))
        .expect(201);
    let door = made["key"].as_str().unwrap().to_owned();
    as_key(&door, "GET", "/v1/people", &json!(null)).error("forbidden");
    assert_eq!(as_key(&door, "GET", "/v1/people?gallery=door", &json!(null)).expect(200)["items"], json!([]));
    as_key(&door, "POST", "/v1/people?gallery=door", &new).expect(201);
    as_key(&door, "POST", "/v1/keys", &json!({ "scope": "admin" })).error("forbidden");
    assert_eq!(
        as_key(&door, "GET", "/v1/galleries", &json!(null)).expect(200)["items"].as_array().unwrap().len(),
        1
    );
    as_key(&door, "GET", "/v1/people?gallery=none", &json!(null)).error("forbidden");
    server.get("/v1/people?gallery=none").error("no_gallery");

    let listed = server.get("/v1/keys").expect(200);
    assert!(!listed.to_string().contains(&door), "a key is shown once");
    let id = made["id"].as_str().unwrap();
    server.delete(&format!("/v1/keys/{id}")).expect(204);
    as_key(&door, "GET", "/v1/people?gallery=door", &json!(null)).error("unauthorised");
    server.delete(&format!("/v1/keys/{id}")).error("no_key");
}

#[test]
fn the_page_signs_in_with_a_passphrase() {
    let server = Running::untouched();
    let plain = |method: &str, path: &str, headers: &[(&str, &str)], body: &Value| {
        let mut headers = headers.to_vec();
        headers.push(("content-type", "application/json"));
        server.send(method, path, &headers, body.to_string().as_bytes())
    };
    let status = plain("GET", "/v1/status", &[], &json!(null)).expect(200);
    assert_eq!((status["setup_needed"].as_bool(), status["signed_in"].as_bool()), (Some(true), Some(false)));
    plain("GET", "/v1/people", &[], &json!(null)).error("setup_needed");
    let code = server.url.split_once("/setup#").unwrap().1.to_owned();
    let words = "four words and more";
    plain("POST", "/v1/setup", &[], &json!({ "code": "wrong", "passphrase": words }))
        .error("wrong_passphrase");
    plain("POST", "/v1/setup", &[], &json!({ "code": code, "passphrase": "short" })).error("bad_value");
    plain(
        "POST",
        "/v1/setup",
        &[("x-forwarded-for", "192.0.2.1")],
        &json!({ "code": code, "passphrase": words }),
    )
    .error("forbidden");
    let session = plain("POST", "/v1/setup", &[], &json!({ "code": code, "passphrase": words }));
    let cookie = session.header("set-cookie").unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let csrf = session.expect(201)["csrf"].as_str().unwrap().to_owned();
    plain("POST", "/v1/setup", &[], &json!({ "code": code, "passphrase": words })).error("setup_done");

    let new = json!({ "name": "Ada" });
    plain("GET", "/v1/people", &[("cookie", &cookie)], &json!(null)).expect(200);
    plain("POST", "/v1/people", &[("cookie", &cookie)], &new).error("csrf");
    plain("POST", "/v1/people", &[("cookie", &cookie), ("phiz-csrf", "x")], &new).error("csrf");
    plain(
        "POST",
        "/v1/people",
        &[("cookie", &cookie), ("phiz-csrf", &csrf), ("origin", "http://evil.example")],
        &new,
    )
    .error("csrf");
    plain(
        "POST",
        "/v1/people",
        &[("cookie", &cookie), ("phiz-csrf", &csrf), ("sec-fetch-site", "cross-site")],
        &new,
    )
    .error("csrf");
    let origin = format!("http://{}", server.address);
    plain("POST", "/v1/people", &[("cookie", &cookie), ("phiz-csrf", &csrf), ("origin", &origin)], &new)
        .expect(201);

    plain("POST", "/v1/session", &[], &json!({ "passphrase": "not these words" })).error("wrong_passphrase");
    let second = plain("POST", "/v1/session", &[], &json!({ "passphrase": words }));
    let cookie2 = second.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let csrf2 = second.expect(201)["csrf"].as_str().unwrap().to_owned();
    assert_ne!(cookie, cookie2);
    plain("POST", "/v1/people", &[("cookie", &cookie2), ("phiz-csrf", &csrf)], &new).error("csrf");
    plain("DELETE", "/v1/session", &[("cookie", &cookie), ("phiz-csrf", &csrf)], &json!(null)).expect(204);
    plain("GET", "/v1/people", &[("cookie", &cookie)], &json!(null)).error("unauthorised");
    let changed = json!({ "old": words, "new": "four other words" });
    plain("POST", "/v1/passphrase", &[("cookie", &cookie2), ("phiz-csrf", &csrf2)], &changed).expect(204);
    plain("GET", "/v1/people", &[("cookie", &cookie2)], &json!(null)).error("unauthorised");
    plain("POST", "/v1/session", &[], &json!({ "passphrase": "four other words" })).expect(201);
}

#[test]
fn jobs_tell_their_progress_and_their_result() {
    let server = Running::start();
    server.person("Ada", &ADA[..2]);
    let begun = server.post("/v1/gallery/evaluation", &json!({})).expect(202);
    let failed = server.finished(&begun);
    assert_eq!(
        (failed["state"].as_str(), failed["error"]["code"].as_str()),
        (Some("failed"), Some("too_few_people"))
    );
    server.person("Ben", &BEN[..2]);
    let begun = server.post("/v1/gallery/evaluation", &json!({})).expect(202);
    let id = begun["id"].as_str().unwrap();
    let events = server.get(&format!("/v1/jobs/{id}/events"));
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    let text = events.text();
    assert!(text.contains("event: done"), "{text}");
    let done = server.finished(&begun);
    assert_eq!(done["state"], "done", "{done}");
    assert!(done["result"].is_object());
    let few = server.finished(&server.post("/v1/gallery/calibration", &json!({})).expect(202));
    assert_eq!(few["error"]["code"], "too_few_people", "{few}");
    server.delete("/v1/people/p1").expect(200);
    let purged = server.finished(&server.post("/v1/gallery/purge", &json!({})).expect(202));
    assert_eq!(
        (purged["result"]["faces"].as_u64(), purged["result"]["proof"]["found"].as_u64()),
        (Some(2), Some(0)),
        "{purged}"
    );
    assert_eq!(server.get("/v1/jobs").expect(200)["items"][0]["kind"], "purge");
    server.get("/v1/jobs/j99").error("no_job");
    server.get("/v1/jobs/x").error("no_job");
    let rates = server.get("/v1/gallery/rates?fpir=0.001").expect(200);
    assert_eq!((rates["source"].as_str(), rates["people"].as_u64()), (Some("card"), Some(1)), "{rates}");
}

#[test]
fn a_backup_of_a_live_gallery_opens_with_its_key() {
    let server = Running::start();
    server.person("Ada", &ADA[..1]);
    let copy = server.send(
        "POST",
        "/v1/gallery/backup",
        &[("authorization", &format!("Bearer {}", server.admin))],
        b"",
    );
    assert_eq!(copy.status, 200, "{}", copy.text());
    assert!(!copy.body.windows(3).any(|w| w == b"Ada"), "it is sealed");
    let path = server.home.path().join("copy.phiz");
    std::fs::write(&path, &copy.body).unwrap();
    let key = phiz_gallery::Key::File(server.home.path().join("gallery.key"));
    let gallery = phiz_gallery::Gallery::open(&path, &key).unwrap();
    assert_eq!(gallery.named("Ada").unwrap().len(), 1);
    assert!(gallery.check().unwrap().is_empty());
}

#[test]
fn operation_is_told_and_the_page_is_there() {
    let server = common::shared();
    let get = |path: &str| server.send("GET", path, &[], b"");
    assert_eq!((get("/healthz").status, get("/readyz").status), (200, 200));
    let metrics = get("/metrics");
    assert!(metrics.status == 200 && metrics.text().contains("phiz_requests_total{"), "{}", metrics.text());
    let passed_on = server.send("GET", "/metrics", &[("x-forwarded-for", "192.0.2.1")], b"");
    passed_on.error("unauthorised");
    let document = get("/v1/openapi.json").expect(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let docs = get("/docs");
    assert!(docs.status == 200 && docs.text().contains("POST /v1/identify"));
    for path in ["/", "/people/p1", "/review"] {
        let page = get(path);
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, Some("text/html; charset=utf-8")),
            "{path}"
        );
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe-inline"), "{policy}");
        for header in ["x-content-type-options", "referrer-policy", "x-frame-options", "permissions-policy"] {
            assert!(page.header(header).is_some(), "{header}");
        }
    }
    get("/assets/none.js").error("not_found");
    get("/v1/none").error("not_found");
    server.delete("/v1/people").error("method_not_allowed");
}

#[path = "../examples/door.rs"]
mod door;

#[test]
fn the_example_opens_the_door_for_whom_it_should() {
    use door::{Door, ask};
    let server = Running::start();
    let ada = server.person("Ada", &ADA[..2]);
    server.person("Ben", &BEN[..1]);
    server.json("PATCH", &format!("/v1/people/{ada}"), &json!({ "lists": ["staff"] })).expect(200);
    let (url, key) = (format!("http://{}", server.address), server.key(Scope::Read, None));
    let asked = |photo: &[u8]| ask(&url, &key, photo, "staff").unwrap();
    assert_eq!(asked(&ADA[2]), Door::Opens("Ada".into()));
    assert_eq!(asked(&BEN[1]), Door::Stays("not known"));
    assert_eq!(asked(&scene(&[1, 2], 5).image.encode_jpeg(90).unwrap()), Door::Stays("come one by one"));
    assert!(ask(&url, "phiz_wrong", &ADA[2], "staff").is_err());
}

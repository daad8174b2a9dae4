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

    // Who looks like Ada: Ben, whom she does not look like much, and never herself.
    let like = server.get(&format!("/v1/people/{ada}/candidates")).expect(200);
    let like = like["items"].as_array().unwrap();
    assert_eq!((like.len(), &like[0]["id"]), (1, &json!(ben)));
    assert!(like[0]["fmr"].as_f64().unwrap() > 1e-3 && like[0]["face"].is_string(), "{like:?}");
    server.get(&format!("/v1/people/{ada}/candidates?top=0")).error("bad_value");
    server.get("/v1/people/p999/candidates").error("no_person");

    let not = server.post(&format!("/v1/faces/{id}/not"), &json!({})).expect(201);
    let negatives = server.get(&format!("/v1/people/{ada}/negatives")).expect(200);
    assert_eq!(negatives["items"][0]["id"], not["negative"]);
    let refused = server.form(&format!("/v1/people/{ada}/faces"), &parts[..1]).expect(200);
    assert_eq!(refused["photos"][0]["error"]["code"], "refused", "{refused}");
    assert_eq!(refused["photos"][0]["error"]["details"]["reason"], "negative", "{refused}");
    let found = server.form("/v1/identify", &parts[..1]).expect(200);
    let face = &found["faces"][0];
    assert_eq!((&face["decision"], &face["denied"][0]["id"]), (&json!("unknown"), &json!(ada)), "{found}");
    assert!(face["candidates"].as_array().unwrap().iter().all(|candidate| candidate["id"] != json!(ada)));
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

/// Sends a photo to be kept; the ids of photo and first sighting.
fn keep(server: &Running, name: &str, photo: &[u8]) -> (String, String) {
    let kept = server.form("/v1/identify?keep=true", &[("photo", name, photo)]).expect(200);
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{kept}")).to_owned();
    (text(&kept["photo"]), text(&kept["faces"][0]["sighting"]))
}

#[test]
fn strangers_in_photos_that_are_sent_are_grouped_named_and_taken_back() {
    let server = Running::start();
    // Of the people who do not exist, the first and the third are not alike.
    let photos_of_ben = [21, 22].map(|seed| common::photo(3, seed));
    let ben = server.person("Ben", &photos_of_ben[..1]);
    assert_eq!(server.get("/v1/review").expect(200), json!({ "items": [], "left": 0 }));
    let (first, sighting) = keep(&server, "a.jpg", &ADA[0]);
    assert_eq!(
        keep(&server, "b.jpg", &ADA[0]),
        (first.clone(), sighting.clone()),
        "the same photo is one photo"
    );
    keep(&server, "b.jpg", &ADA[1]);
    keep(&server, "c.jpg", &ADA[2]);
    let (of_ben, _) = keep(&server, "ben.jpg", &photos_of_ben[1]);

    let strangers = server.get("/v1/strangers").expect(200);
    let stranger = &strangers["items"][0];
    assert_eq!((stranger["count"].as_u64(), stranger["photos"].as_u64()), (Some(3), Some(3)), "{strangers}");
    let number = stranger["stranger"].as_u64().unwrap();
    let seen = server.get(&format!("/v1/sightings/{sighting}")).expect(200);
    assert_eq!((seen["stranger"].as_u64(), seen["path"].as_str()), (Some(number), Some("a.jpg")));
    assert_eq!((seen["decision"].as_str(), &seen["person"]), (Some("unknown"), &Value::Null));
    let crop = server.get(&format!("/v1/sightings/{sighting}/crop"));
    assert_eq!((crop.status, crop.header("content-type")), (200, Some("image/jpeg")));
    let crop = phiz_image::Image::decode(&crop.body, &phiz_image::DecodeOptions::default()).unwrap();
    assert_eq!((crop.width(), crop.height()), (112, 112));
    server.get(&format!("/v1/photos/{first}/picture")).error("no_picture");
    assert_eq!(
        server.get("/v1/archive").expect(200),
        json!({ "photos": 4, "faces": 4, "named": 1, "strangers": 1 })
    );
    // Was this face here before?
    let before = server.form("/v1/sightings/search?limit=3", &[("photo", "x.jpg", &ADA[0])]).expect(200);
    let numbers: Vec<Option<u64>> =
        before["items"].as_array().unwrap().iter().map(|seen| seen["stranger"].as_u64()).collect();
    assert_eq!(numbers, [Some(number); 3], "{before}");
    assert!(
        before["items"][0]["similarity"].as_f64().unwrap() > 0.99,
        "the very photo comes first: {before}"
    );
    let resembled = server.get(&format!("/v1/strangers/{number}/candidates")).expect(200);
    assert_eq!(resembled["items"][0]["id"], json!(ben), "{resembled}");

    // The question, its answer, and the answer taken back.
    let asked = server.get("/v1/review").expect(200);
    let question = asked["items"].as_array().unwrap().iter().find(|q| q["question"] == "who_is").unwrap();
    assert_eq!((question["stranger"].as_u64(), question["photos"].as_u64()), (Some(number), Some(3)));
    let key = question["key"].clone();
    let wrong = json!({ "key": key, "answer": "second" });
    server.post("/v1/review", &wrong).error("bad_value");
    server.post("/v1/review", &json!({ "key": key, "answer": "name" })).error("bad_request");
    let named =
        server.post("/v1/review", &json!({ "key": key, "answer": "name", "name": "Ada" })).expect(200);
    assert_eq!(named["operations"].as_array().unwrap().len(), 1, "{named}");
    server.post("/v1/review", &json!({ "key": key, "answer": "no" })).error("not_asked");
    let error = server.get(&format!("/v1/strangers/{number}")).error("stranger_named");
    let ada = error["error"]["details"]["person"].as_str().unwrap().to_owned();
    let seen = server.get(&format!("/v1/sightings/{sighting}")).expect(200);
    assert_eq!((seen["person"].as_str(), seen["id"].as_str()), (Some("Ada"), Some(&*ada)), "{seen}");
    // Faces that were enrolled from sent photos have their pictures.
    assert_eq!(server.get(&format!("/v1/people/{ada}/picture")).status, 200);
    let photos = server.get(&format!("/v1/photos?person={ada}&without={ben}&limit=2")).expect(200);
    assert_eq!(photos["items"].as_array().unwrap().len(), 2, "{photos}");
    let more =
        format!("/v1/photos?person={ada}&without={ben}&limit=2&cursor={}", photos["next"].as_str().unwrap());
    assert_eq!(server.get(&more).expect(200)["items"].as_array().unwrap().len(), 1);
    server.get(&more.replace("without", "with")).error("bad_cursor");
    let explained = server.get(&format!("/v1/sightings/{sighting}/explain")).expect(200);
    assert_eq!(explained["decision"], "said", "{explained}");
    let undone = server.post("/v1/review/undo", &named).error("bad_request");
    assert!(undone.to_string().contains("done"), "an unknown field is named: {undone}");
    let back = json!({ "key": key, "operations": named["operations"] });
    assert_eq!(server.post("/v1/review/undo", &back).expect(200)["undone"].as_array().unwrap().len(), 1);
    assert_eq!(server.get(&format!("/v1/people/{ada}")).status, 404);
    let again = server.get("/v1/review").expect(200);
    assert!(again["items"].as_array().unwrap().iter().any(|q| q["key"] == key), "{again}");

    // Never, and never taken back.
    let never = server.post("/v1/review", &json!({ "key": key, "answer": "never" })).expect(200);
    assert_eq!(never["operations"], json!([]));
    assert!(!server.get("/v1/review").expect(200).to_string().contains(key.as_str().unwrap()));
    server.post("/v1/review/undo", &json!({ "key": key })).expect(200);
    assert!(server.get("/v1/review").expect(200).to_string().contains(key.as_str().unwrap()));

    // Ignored, noticed, split, joined.
    let ignored = server.post(&format!("/v1/strangers/{number}/ignore"), &json!({})).expect(200);
    assert!(ignored["operation"].is_string());
    assert_eq!(server.get("/v1/strangers").expect(200)["items"], json!([]));
    assert_eq!(server.get("/v1/strangers?ignored=true").expect(200)["items"][0]["stranger"], json!(number));
    server.post(&format!("/v1/strangers/{number}/notice"), &json!({})).expect(200);
    let split =
        server.post(&format!("/v1/strangers/{number}/split"), &json!({ "faces": [sighting] })).expect(201);
    let other = split["stranger"].as_u64().unwrap();
    assert_eq!(server.get(&format!("/v1/strangers/{other}")).expect(200)["count"], 1);
    server
        .post(&format!("/v1/strangers/{number}/join"), &json!({ "from": [other, 999] }))
        .error("no_stranger");
    assert_eq!(server.get(&format!("/v1/strangers/{other}")).expect(200)["count"], 1, "all or none");
    let joined =
        server.post(&format!("/v1/strangers/{number}/join"), &json!({ "from": [other] })).expect(200);
    assert_eq!(joined["operations"].as_array().unwrap().len(), 1);
    assert_eq!(server.get(&format!("/v1/strangers/{other}")).expect(200)["stranger"], json!(number));

    server.get("/v1/strangers/999").error("no_stranger");

    // Somebody says who a single face is, and who it is not.
    let said =
        server.post(&format!("/v1/sightings/{sighting}/person"), &json!({ "name": "Eve" })).expect(200);
    let seen = server.get(&format!("/v1/sightings/{sighting}")).expect(200);
    assert_eq!((seen["id"].as_str(), seen["person"].as_str()), (said["id"].as_str(), Some("Eve")), "{seen}");
    for operation in said["operations"].as_array().unwrap() {
        server.post("/v1/undo", &json!({ "operation": operation })).expect(200);
    }
    assert_eq!(server.get(&format!("/v1/sightings/{sighting}")).expect(200)["id"], Value::Null);
    let faces = server.get(&format!("/v1/photos/{of_ben}")).expect(200);
    assert_eq!(faces["faces"][0]["id"], json!(ben), "{faces}");
    let of_ben_seen = faces["faces"][0]["sighting"].as_str().unwrap();
    server.post(&format!("/v1/sightings/{of_ben_seen}/not"), &json!({ "person": ben })).expect(200);
    assert_eq!(server.get(&format!("/v1/sightings/{of_ben_seen}")).expect(200)["id"], Value::Null);

    // Forgotten, and purged with a proof.
    assert_eq!(server.delete(&format!("/v1/photos/{of_ben}")).status, 204);
    server.get(&format!("/v1/photos/{of_ben}")).error("no_photo");
    server.delete(&format!("/v1/photos/{of_ben}")).error("no_photo");
    let job = server.finished(&server.post("/v1/gallery/purge", &json!({})).expect(202));
    assert_eq!(
        (job["result"]["photos"].as_u64(), job["result"]["sightings"].as_u64()),
        (Some(1), Some(1)),
        "{job}"
    );
    assert_eq!(job["result"]["proof"]["found"], 0, "{job}");
    server.get(&format!("/v1/sightings/{of_ben_seen}/crop")).error("no_sighting");
    let audit = server.get("/v1/audit").expect(200).to_string();
    assert!(audit.contains("POST /v1/identify"), "what is kept is written down: {audit}");
}

#[test]
fn folders_that_are_allowed_are_scanned_and_found_again() {
    let photos = tempfile::tempdir().unwrap();
    let folder = std::fs::canonicalize(photos.path()).unwrap();
    std::fs::create_dir(folder.join("trip")).unwrap();
    for (number, photo) in ADA.iter().enumerate() {
        std::fs::write(folder.join(format!("trip/{number}.jpg")), photo).unwrap();
    }
    std::fs::write(folder.join("trip/broken.jpg"), b"no picture").unwrap();
    let allowed = folder.clone();
    let server = Running::with(move |settings| settings.scan_folders = vec![allowed]);
    assert_eq!(server.get("/v1/scan").expect(200)["folders"], json!([folder]));
    server.post("/v1/scan", &json!({ "folder": "/etc" })).error("folder_not_allowed");
    server.post("/v1/scan", &json!({ "folder": folder.join("none") })).error("bad_value");
    let ada = server.person("Ada", &ADA[..1]);
    let begun = server.post("/v1/scan", &json!({ "folder": folder.join("trip") })).expect(202);
    assert_eq!(begun["kind"], "scan");
    let job = server.finished(&begun);
    let result = &job["result"];
    assert_eq!((result["new"].as_u64(), result["refused"].as_u64()), (Some(3), Some(1)), "{job}");
    assert_eq!(result["problems"][0]["error"]["code"], "unknown_format", "{job}");
    let found = server.get(&format!("/v1/photos?person={ada}")).expect(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 3, "{found}");
    let photo = &found["items"][0];
    assert_eq!(
        (photo["path"].as_str(), photo["sent"].as_bool()),
        (folder.join("trip/0.jpg").to_str(), Some(false))
    );
    let id = photo["photo"].as_str().unwrap();
    let picture = server.get(&format!("/v1/photos/{id}/picture?side=200"));
    assert_eq!((picture.status, picture.header("content-type")), (200, Some("image/jpeg")));
    let picture = phiz_image::Image::decode(&picture.body, &phiz_image::DecodeOptions::default()).unwrap();
    assert_eq!(picture.width().max(picture.height()), 200);
    let sighting = photo["faces"][0]["sighting"].as_str().unwrap();
    assert_eq!(server.get(&format!("/v1/sightings/{sighting}/crop")).status, 200);
    let again = server.finished(&server.post("/v1/scan", &json!({})).expect(202));
    assert_eq!(
        (again["result"]["unchanged"].as_u64(), again["result"]["new"].as_u64()),
        (Some(3), Some(0)),
        "{again}"
    );
    std::fs::remove_file(folder.join("trip/0.jpg")).unwrap();
    server.get(&format!("/v1/photos/{id}/picture")).error("no_picture");
}

#[test]
fn a_gallery_of_another_model_adopts_the_servers() {
    use phiz_face::{Analyzer, Model};
    use phiz_service::{EnrolOptions, IdentifyOptions, Photo, Place, Service};
    let home = tempfile::tempdir().unwrap();
    let place = Place { home: Some(home.path().into()), ..Place::default() };
    let small = Analyzer::builder().embedder(Model::small_embedder().unwrap()).build().unwrap();
    let small = Service::over(small);
    let (gallery, _) = place.open_or_create(&small).unwrap();
    let photo = |bytes: &[u8]| Photo::from_bytes("x.jpg", bytes.to_vec());
    small.enrol(&gallery, "Ada", &[photo(&ADA[0])], &EnrolOptions::default()).unwrap();
    let sent = small.identify_and_keep(&gallery, &photo(&BEN[0]), &IdentifyOptions::default()).unwrap();
    let sighting = sent.sightings[0].unwrap();
    drop(gallery);

    let server = Running::at(home, |_| {}, true);
    let before = server.get("/v1/gallery").expect(200);
    assert_eq!(before["adopt_needed"], true, "{before}");
    server.form("/v1/identify", &[("photo", "x.jpg", &ADA[1])]).error("other_model");
    server.post("/v1/gallery/adopt", &json!({ "photos": ["/etc"] })).error("folder_not_allowed");
    let tried = server.finished(&server.post("/v1/gallery/adopt", &json!({ "dry_run": true })).expect(202));
    let result = &tried["result"];
    assert_eq!(
        (result["adopted"].as_bool(), result["described"].as_u64()),
        (Some(false), Some(1)),
        "{tried}"
    );
    let adopt = || {
        let done = server.finished(&server.post("/v1/gallery/adopt", &json!({})).expect(202));
        assert_eq!(
            (&done["result"]["adopted"], &done["result"]["waiting"]),
            (&json!(true), &json!([])),
            "{done}"
        );
        done
    };
    assert_eq!(adopt()["result"]["sightings"], 0, "what was sent is described from its crops");
    assert_eq!(server.get("/v1/gallery").expect(200)["adopt_needed"], false);
    let found = server.form("/v1/identify", &[("photo", "x.jpg", &ADA[1])]).expect(200);
    assert_eq!(found["faces"][0]["person"], "Ada", "{found}");
    let like = server.form("/v1/sightings/search", &[("photo", "x.jpg", &BEN[0])]).expect(200);
    assert_eq!(like["items"][0]["sighting"], json!(sighting), "{like}");
    assert!(like["items"][0]["similarity"].as_f64().unwrap() > 0.95, "{like}");
    let back = server.delete("/v1/gallery/adopt").expect(200);
    assert_eq!(back["to"], before["model"], "{back}");
    server.form("/v1/identify", &[("photo", "x.jpg", &ADA[1])]).error("other_model");
    adopt();
    server.form("/v1/identify", &[("photo", "x.jpg", &ADA[1])]).expect(200);
}

#[test]
fn photos_are_judged_before_anything_is_stored() {
    let server = Running::start();
    let ada = server.person("Ada", &ADA[..1]);
    let parts: [(&str, &str, &[u8]); 3] =
        [("photo", "1.jpg", &ADA[1]), ("photo", "2.jpg", &ADA[0]), ("photo", "3.jpg", b"no picture")];
    let judged = server.form(&format!("/v1/people/{ada}/faces?dry_run=true"), &parts).expect(200);
    let photos = judged["photos"].as_array().unwrap();
    assert!(photos[0]["like_own"].as_f64().unwrap() > 0.3 && photos[0].get("face").is_none(), "{judged}");
    assert!(photos[0]["quality"].as_f64().is_some() && photos[0]["box"][3].as_f64().is_some(), "{judged}");
    assert!(photos[1]["known"].is_string(), "{judged}");
    assert_eq!(photos[2]["error"]["code"], "unknown_format", "{judged}");
    assert_eq!((judged["person"]["faces"].as_u64(), &judged["operation"]), (Some(1), &Value::Null));
    let judged = server.form("/v1/enrol/check", &parts[..1]).expect(200);
    assert_eq!(judged["photos"][0]["similar"][0]["id"], json!(ada), "whom it looks like: {judged}");
    assert!(judged["photos"][0]["similar"][0]["face"].is_string(), "by which face: {judged}");
    let people = server.get("/v1/people").expect(200);
    assert_eq!(
        (people["items"].as_array().unwrap().len(), people["items"][0]["faces"].as_u64()),
        (1, Some(1))
    );
    assert_eq!(server.get("/v1/gallery").expect(200)["operations"], 2, "nothing was done since");
}

#[test]
fn one_look_and_twins_are_asked_for() {
    let server = common::shared();
    let quick = server.form("/v1/detect?quick=true", &[("photo", "x.jpg", &ADA[0])]).expect(200);
    let thorough = server.form("/v1/detect", &[("photo", "x.jpg", &ADA[0])]).expect(200);
    let (quick, thorough) = (numbers(&quick["faces"][0]["box"]), numbers(&thorough["faces"][0]["box"]));
    let off = quick.iter().zip(&thorough).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(off < thorough[2] / 8.0, "{quick:?} {thorough:?}");
    // Twice the same person in one picture.
    let server = Running::start();
    server.person("Ada", &ADA[..2]);
    let one = phiz_image::Image::decode(&ADA[2], &phiz_image::DecodeOptions::default()).unwrap();
    let (w, h) = (one.width() as usize, one.height() as usize);
    let row = |y: usize| &one.pixels()[y * w * 3..(y + 1) * w * 3];
    let twice = (0..h).flat_map(|y| [row(y), row(y)].concat()).collect();
    let twice = phiz_image::Image::from_rgb(2 * w as u32, h as u32, twice).unwrap().encode_png().unwrap();
    let named = |query: &str| {
        let found = server.form(&format!("/v1/identify{query}"), &[("photo", "x.png", &twice)]).expect(200);
        let faces = found["faces"].as_array().unwrap();
        assert_eq!(faces.len(), 2, "{found}");
        faces.iter().filter(|face| face["person"] == "Ada").count()
    };
    assert_eq!((named(""), named("?twins=true")), (1, 2));
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
    for (path, body) in [
        ("/v1/identify?keep=true", json!({ "photo": STANDARD.encode(&ADA[0]) })),
        ("/v1/enrol/check", json!({ "photo": STANDARD.encode(&ADA[0]) })),
        ("/v1/strangers/1/name", json!({ "name": "Ada" })),
        ("/v1/review", json!({ "key": "who g1", "answer": "never" })),
    ] {
        as_key(&read, "POST", path, &body).error("forbidden");
    }
    for (method, path) in [
        ("GET", "/v1/keys"),
        ("POST", "/v1/galleries"),
        ("GET", "/v1/audit"),
        ("POST", "/v1/gallery/purge"),
        ("POST", "/v1/gallery/backup"),
        ("POST", "/v1/gallery/calibration"),
        ("POST", "/v1/scan"),
        ("POST", "/v1/gallery/adopt"),
        ("DELETE", "/v1/gallery/adopt"),
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

/// A path, and the parts of a form.
type Request<'a> = (&'a str, Vec<(&'a str, &'a str, &'a [u8])>);

#[test]
fn requests_that_wait_are_described_together_and_answered_as_alone() {
    let server = Running::with(|settings| (settings.workers, settings.batch) = (1, 8));
    server.person("Ada", &ADA[..1]);
    let both = common::scene(&[1, 2], 31).image.encode_jpeg(90).unwrap();
    let pair = [("a", "a.jpg", &*ADA[1]), ("b", "b.jpg", &*BEN[0])];
    let requests: [Request<'_>; 6] = [
        ("/v1/identify", vec![("photo", "x.jpg", &both)]),
        ("/v1/embed", vec![("photo", "x.jpg", &BEN[1])]),
        ("/v1/verify", pair.to_vec()),
        ("/v1/verify?person=p1", vec![("photo", "x.jpg", &ADA[2])]),
        // One that cannot be used does not reach the others.
        ("/v1/identify", vec![("photo", "x.jpg", &both[..both.len() / 2])]),
        ("/v1/embed", vec![("photo", "x.jpg", &both)]),
    ];
    let send = |(path, parts): &Request<'_>| {
        let got = server.form(path, parts);
        let mut body = got.json();
        // The id of a request is its own.
        body["error"]["request_id"] = serde_json::Value::Null;
        (got.status, body)
    };
    let alone: Vec<_> = requests.iter().map(send).collect();
    assert_eq!(alone.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [200, 200, 200, 200, 422, 200]);
    let figure = |name: &str| {
        let text = server.get("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse::<u64>().unwrap()
    };
    let figures = || (figure("phiz_batches_total "), figure("phiz_batched_total "));
    let before = figures();
    assert_eq!(before, (5, 5), "each alone; one photo showed nothing to describe");
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .flat_map(|_| requests.iter().zip(&alone))
            .map(|(request, alone)| scope.spawn(move || assert_eq!(&send(request), alone, "{}", request.0)))
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    let after = figures();
    assert_eq!(after.1 - before.1, 20);
    assert!(after.0 - before.0 < 20, "{after:?}");
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

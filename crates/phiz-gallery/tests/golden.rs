//! Galleries and archives that commit a7d064d wrote still open, and say the same.
// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use phiz_gallery::{
    Decision, EnrollRules, ErrorKind, FaceId, Fault, Filter, Gallery, Key, ModelId, NewFace, Operation,
    OperationId, OperationKind, Outcome, PersonId, Purge, Rate, Search, Target, Template,
};
use serde_json::{Value, json};

const MODEL: &str = "a62d412e01fe74ef";

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/a7d064d").join(name)
}

fn lines(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(golden(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn probes() -> Vec<Template> {
    let bytes = std::fs::read(golden("probes.npy")).unwrap();
    let values: Vec<f32> =
        bytes[128..].as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let model = ModelId::new(MODEL).unwrap();
    values.chunks_exact(512).map(|row| Template::new(model.clone(), row.to_vec()).unwrap()).collect()
}

/// A copy of the gallery in a folder, to be opened.
fn copy(folder: &Path, sealed: bool) -> Gallery {
    let name = if sealed { "sealed.phiz" } else { "open.phiz" };
    let path = folder.join(name);
    std::fs::copy(golden(name), &path).unwrap();
    let key = if sealed { Key::File(golden("sealed.key")) } else { Key::None };
    Gallery::open(&path, &key).unwrap()
}

/// As `phiz people show --json` of that commit wrote it; the two galleries were made some seconds apart.
fn show(gallery: &Gallery, sealed: bool) -> Vec<Value> {
    let people = gallery.people(&Filter::default(), None, usize::MAX).unwrap();
    let show = |id: PersonId| {
        let mut value = json!({
            "person": gallery.person(id).unwrap(),
            "faces": gallery.faces(id).unwrap(),
            "negatives": gallery.negatives(id).unwrap(),
        });
        if !sealed {
            forget_times(&mut value);
        }
        value
    };
    people.iter().map(|person| show(person.id)).collect()
}

fn forget_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !["created", "added", "at"].contains(&name.as_str()));
            fields.values_mut().for_each(forget_times);
        }
        Value::Array(values) => values.iter_mut().for_each(forget_times),
        _ => {}
    }
}

fn decisions(gallery: &Gallery) -> Vec<Value> {
    let photos = lines("decisions.jsonl").into_iter().map(|line| line["photo"].clone());
    let found = gallery.identify_all(&probes(), &Search::default()).unwrap();
    let decisions = found.into_iter().map(|found| {
        let decision = match found.decision {
            Decision::Match(_) => "match",
            Decision::Ambiguous { .. } => "ambiguous",
            Decision::Unknown { .. } => "unknown",
        };
        let candidates: Vec<Value> =
            found.candidates.iter().map(|c| json!([c.person, c.name, c.similarity, c.fmr])).collect();
        json!({ "decision": decision, "candidates": candidates })
    });
    photos
        .zip(decisions)
        .map(|(photo, decision)| {
            json!({ "photo": photo, "decision": decision["decision"], "candidates": decision["candidates"] })
        })
        .collect()
}

/// Figures may differ in the last places: sums run in another order on another machine.
fn close(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= 1e-5 * a.abs().max(b.abs()).max(1e-3)
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| close(a, b)))
        }
        (a, b) => a == b,
    }
}

#[test]
fn people_faces_negatives_and_decisions_are_the_same() {
    for sealed in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let gallery = copy(folder.path(), sealed);
        let mut truth = lines("people.jsonl");
        if !sealed {
            truth.iter_mut().for_each(forget_times);
        }
        assert_eq!(show(&gallery, sealed), truth);
        let (is, was) = (decisions(&gallery), lines("decisions.jsonl"));
        assert!(close(&json!(is), &json!(was)), "{is:?}\nbut was\n{was:?}");
        assert_eq!(gallery.model().as_str(), MODEL);
        assert_eq!(gallery.check().unwrap(), Vec::<Fault>::new());
        assert_eq!(gallery.lists().unwrap(), [("vip".to_owned(), 1)].into());
        let crop = gallery.crop(FaceId(1)).unwrap().unwrap();
        assert_eq!(crop, std::fs::read(golden("archive/crops/f1")).unwrap());
    }
}

#[test]
fn its_history_is_read_and_undone() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = copy(folder.path(), true);
    let told = |operation: &Operation| json!({ "id": operation.id, "at": operation.at, "what": operation.kind.to_string() });
    let history = gallery.history().unwrap();
    assert_eq!(history.iter().map(told).collect::<Vec<_>>(), lines("history.jsonl"));
    assert!(history.iter().all(|operation| matches!(operation.kind, OperationKind::Text { .. })));
    // What was removed then comes back now; the oldest change last.
    for operation in history {
        assert_eq!(gallery.undo(None).unwrap().operation, operation);
    }
    let faces: Vec<usize> = (1..=4).map(|id| gallery.person(PersonId(id)).unwrap().faces).collect();
    assert_eq!(faces, [3, 3, 3, 3]);
    assert_eq!(gallery.person(PersonId(4)).unwrap().details.name, "Dan");
    assert_eq!(gallery.undo(None).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn it_goes_on_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = copy(folder.path(), true);
    // A name in Unicode's form NFD is found by both forms, and by no third person.
    for name in ["Jose\u{301} Ben", "Jos\u{e9} Ben", " JOS\u{c9} BEN"] {
        assert_eq!(gallery.resolve(name).unwrap().id, PersonId(2), "{name:?}");
        let known = gallery.enroll(&Target::Named(name.into()), &[], &EnrollRules::default()).unwrap();
        assert_eq!((known.person, known.new), (Some(PersonId(2)), false), "{name:?}");
    }
    // An id is an id, whoever is called so; who is called so keeps the name, and can be found and changed by id.
    assert_eq!(gallery.resolve("p3").unwrap().details.name, "p7");
    assert_eq!(gallery.resolve("p7").unwrap_err().kind(), ErrorKind::NotFound);
    gallery.update(PersonId(3), |details| _ = details.lists.insert("staff".into())).unwrap();
    assert_eq!(gallery.person(PersonId(3)).unwrap().details.name, "p7");
    // Changes, a search among them, another key, and all is well.
    let stranger = probes().pop().unwrap();
    let ada = gallery.verify(&probes()[0], PersonId(1), Rate::Fmr(1e-4)).unwrap();
    assert!(ada.accepted && ada.name == "Ada");
    let eve = gallery.enroll(
        &Target::Named("Eve".into()),
        &[NewFace::new(stranger.clone(), 0.9)],
        &EnrollRules::default(),
    );
    let eve = eve.unwrap();
    assert!(matches!(&eve.faces[..], [Outcome::Added { .. }]));
    let found = gallery.identify(&stranger, &Search::default()).unwrap();
    assert!(matches!(found.decision, Decision::Match(c) if c.name == "Eve"));
    gallery.undo(eve.operation).unwrap();
    gallery.remove_person(PersonId(2)).unwrap();
    gallery.rotate_key(&Key::File(folder.path().join("new.key"))).unwrap();
    assert_eq!(gallery.check().unwrap(), Vec::<Fault>::new());
    assert_eq!(gallery.undo(None).unwrap().people, [PersonId(2)]);
    assert_eq!(gallery.resolve("Jos\u{e9} Ben").unwrap().faces, 3);
    assert_eq!(gallery.undo(Some(OperationId(4))).unwrap().people, [PersonId(3)]);
    assert!(gallery.purge(Purge::All, true).unwrap().proof.unwrap().found.is_empty());
}

#[test]
fn its_archive_is_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let made = Gallery::create_from_archive(&folder.path().join("g"), &golden("archive"), &Key::None);
    let (gallery, done) = made.unwrap();
    assert_eq!((done.people.len(), done.faces, done.negatives), (4, 10, 1));
    let (is, was) = (decisions(&gallery), lines("decisions.jsonl"));
    assert!(close(&json!(is), &json!(was)), "{is:?}\nbut was\n{was:?}");
    // The gallery that it was exported from knows everything in it.
    let known = copy(folder.path(), true).import(&golden("archive")).unwrap();
    assert_eq!((known.people.len(), known.faces, known.negatives), (0, 0, 0));
    assert_eq!((known.known_people.len(), known.known_faces, known.known_negatives), (4, 10, 1));
    assert_eq!(known.operation, None);
}

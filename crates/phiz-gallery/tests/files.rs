//! What lies on the disk: it lasts, says nothing without its key, is gone when purged, and damage is told.
// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::{DIM, create, face, key, model, near, open, stranger, template};
use phiz_eval::random::Random;
use phiz_gallery::{
    Decision, Details, EnrollRules, ErrorKind, Fault, Filter, Gallery, Key, ModelId, NewFace, Note, Outcome,
    PersonId, Purge, Seal, Search, Target,
};

const RULES: EnrollRules = EnrollRules { least_quality: 0.0, report_similar: None, unlike_above: 0.02 };

/// A few people with everything that can be said of them; their templates.
fn fill(gallery: &Gallery, seed: u64) -> Vec<(PersonId, Vec<f32>)> {
    let mut random = Random::new(seed);
    let people = (0..6).map(|i| {
        let center = stranger(&mut random, DIM);
        let mut details = Details::named(format!("Somebody Number {i}"));
        details.attributes.insert("department".into(), format!("Accounting {i}"));
        details.lists.insert("night shift".into());
        let faces: Vec<NewFace> = (0..3)
            .map(|k| NewFace {
                template: template(&near(&mut random, &center, 0.3)),
                quality: 0.9,
                photo: Some([i * 16 + k; 32]),
                taken: Some(1_000_000),
                source: Some(format!("holiday-{i}-{k}.jpg")),
                consent: Some("signed form 12".into()),
                crop: Some(
                    (0..3000u32)
                        .map(|b| (b.wrapping_mul(2_654_435_761 + u32::from(i)) >> 20) as u8)
                        .collect(),
                ),
            })
            .collect();
        let done = gallery.enroll(&Target::New(details), &faces, &RULES).unwrap();
        assert!(done.faces.iter().all(|f| matches!(f, Outcome::Added { .. })));
        (done.person.unwrap(), center)
    });
    people.collect()
}

fn everything(gallery: &Gallery) -> String {
    let people = gallery.people(&Filter::default(), None, usize::MAX).unwrap();
    let faces = people.iter().flat_map(|p| gallery.faces(p.id).unwrap());
    let faces: Vec<_> =
        faces.map(|f| (gallery.template(f.id).unwrap(), gallery.crop(f.id).unwrap(), f)).collect();
    format!("{people:?}\n{faces:?}")
}

fn named(gallery: &Gallery, vector: &[f32]) -> Option<PersonId> {
    match gallery.identify(&template(vector), &Search::default()).unwrap().decision {
        Decision::Match(c) => Some(c.person),
        _ => None,
    }
}

/// Whether any file of the gallery holds a text.
fn holds(folder: &Path, text: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|window| window == text)
    })
}

#[test]
fn it_lasts_and_says_nothing_without_the_key() {
    for sealed in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let gallery = create(folder.path(), sealed);
        assert_eq!(gallery.seal().to_string(), if sealed { "key file" } else { "nothing" });
        let people = fill(&gallery, 1);
        let before = everything(&gallery);
        assert_eq!(named(&gallery, &people[2].1), Some(people[2].0));
        gallery.compact().unwrap();
        let template = gallery.template(gallery.faces(people[0].0).unwrap()[0].id).unwrap();
        drop(gallery);
        let bytes: Vec<u8> = template.vector()[..4].iter().flat_map(|v| v.to_le_bytes()).collect();
        for text in [&b"Somebody"[..], b"Accounting", b"night shift", b"holiday", b"signed form", &bytes] {
            assert_eq!(holds(folder.path(), text), !sealed, "{}", String::from_utf8_lossy(text));
        }
        let again = open(folder.path(), sealed);
        assert_eq!(everything(&again), before);
        assert_eq!(named(&again, &people[2].1), Some(people[2].0));
        assert_eq!(again.check().unwrap(), Vec::<Fault>::new());
        assert_eq!(again.notes(), Vec::<Note>::new());
        #[cfg(unix)]
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            use std::os::unix::fs::PermissionsExt;
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.path());
        }
    }
}

#[test]
fn wrong_keys_open_nothing() {
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path(), true));
    let path = folder.path().join("g.phiz");
    Key::generate(&folder.path().join("other")).unwrap();
    for key in [Key::None, Key::passphrase("x"), Key::File(folder.path().join("other"))] {
        let error = Gallery::open(&path, &key).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongKey, "{error}");
    }
    let error = Gallery::create(&path, &model(), &Key::None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "never overwritten");
}

#[test]
fn keys_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.phiz");
    let gallery = create(folder.path(), true);
    let people = fill(&gallery, 2);
    gallery.remove_person(people[5].0).unwrap();
    let before = everything(&gallery);
    let other = open(folder.path(), true);
    assert_eq!(named(&other, &people[0].1), Some(people[0].0));

    // Another wrapping: the data key stays, so others go on.
    let phrase = Key::passphrase("a long sentence that nobody guesses");
    gallery.exchange_key(&phrase).unwrap();
    assert_eq!(gallery.seal(), Seal::Passphrase);
    assert_eq!(named(&other, &people[0].1), Some(people[0].0));
    assert!(Gallery::open(&path, &key(folder.path(), true)).is_err());
    drop((gallery, other));

    let mut gallery = Gallery::open(&path, &phrase).unwrap();
    let other = Gallery::open(&path, &phrase).unwrap();
    assert_eq!(named(&other, &people[0].1), Some(people[0].0));
    let sealed_template = std::fs::read(&path).unwrap();
    // Each way of sealing to each other, everything anew.
    for (key, by) in [
        (Key::File(folder.path().join("second.key")), "key file"),
        (Key::None, "nothing"),
        (phrase.clone(), "passphrase"),
        (Key::File(folder.path().join("third.key")), "key file"),
    ] {
        gallery.rotate_key(&key).unwrap();
        assert_eq!((gallery.seal().to_string(), everything(&gallery)), (by.into(), before.clone()));
        assert_eq!(gallery.check().unwrap(), Vec::<Fault>::new());
        drop(gallery);
        gallery = Gallery::open(&path, &key).unwrap();
        assert_eq!(everything(&gallery), before);
        assert_eq!(gallery.named("somebody number 3").unwrap().len(), 1);
        assert_eq!(named(&gallery, &people[1].1), Some(people[1].0));
        assert_eq!(holds(folder.path(), b"Somebody Number 3"), by == "nothing");
    }
    gallery.undo(None).unwrap();
    assert_eq!(named(&gallery, &people[5].1), Some(people[5].0));
    let now = std::fs::read(&path).unwrap();
    // The description of the tables is SQLite's own, and says nothing about anybody.
    let describes = |page: &&[u8]| page.windows(12).any(|w| w == b"CREATE TABLE");
    let pages = sealed_template.chunks(4096).filter(|page| !describes(page));
    let kept = pages.filter(|page| page.iter().any(|b| *b != 0));
    let kept = kept
        .filter(|page| now.windows(64).any(|w| w == &page[2000..2064] && w.iter().any(|b| *b != 0)))
        .count();
    assert_eq!(kept, 0, "pages sealed by the first data key are still there");
    // Who has it open with the old data key is told, and reads and writes nothing wrong.
    let error = other.identify(&template(&people[0].1), &Search::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongKey, "{error}");
    let error =
        other.enroll(&Target::Named("Late".into()), &[face(people[0].1.clone())], &RULES).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongKey);
}

#[test]
fn what_was_purged_is_gone() {
    for sealed in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let gallery = create(folder.path(), sealed);
        let people = fill(&gallery, 3);
        assert!(named(&gallery, &people[1].1).is_some());
        gallery.compact().unwrap();
        gallery.remove_person(people[1].0).unwrap();
        let face = gallery.faces(people[2].0).unwrap()[0].id;
        gallery.not_this_person(face).unwrap();
        assert_eq!(named(&gallery, &people[1].1), None);
        // Removed, not destroyed: it can be undone, and so is still there.
        assert_eq!(holds(folder.path(), b"holiday-1-"), !sealed);
        let purged = gallery.purge(Purge::OlderThan { days: 1 }, true).unwrap();
        assert_eq!((purged.operations, purged.faces), (0, 0));
        let purged = gallery.purge(Purge::All, true).unwrap();
        assert_eq!((purged.operations, purged.faces, purged.negatives), (8, 4, 0));
        let proof = purged.proof.unwrap();
        assert!(proof.pieces > 50 && proof.bytes > 50_000 && proof.files.len() >= 2, "{proof:?}");
        assert_eq!(proof.found, [], "sealed: {sealed}");
        for text in [&b"Somebody Number 1"[..], b"holiday-1-", b"Accounting 1"] {
            assert!(!holds(folder.path(), text));
        }
        assert_eq!(gallery.undo(None).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(gallery.check().unwrap(), Vec::<Fault>::new());
        assert!(named(&gallery, &people[0].1).is_some());
    }
}

#[test]
fn the_proof_finds_what_is_left() {
    // The search must be able to fail: a copy of the index from before the purge lies where the index is.
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    let people = fill(&gallery, 3);
    drop(gallery);
    let database = std::fs::read(folder.path().join("g.phiz")).unwrap();
    let gallery = open(folder.path(), true);
    gallery.remove_person(people[0].0).unwrap();
    // Rows are sealed anew when they move to the bin; what lies there now is in the database or its log.
    let reader = rusqlite::Connection::open(folder.path().join("g.phiz")).unwrap();
    let left: Vec<u8> = reader
        .query_row("SELECT group_concat(hex(body), '') FROM template WHERE owner = 0", [], |r| {
            r.get::<_, String>(0)
        })
        .map(|text| {
            (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
        })
        .unwrap();
    drop(reader);
    assert!(database.len() > 4096 && left.len() > 100);
    std::fs::write(folder.path().join("g.phiz-journal"), &left).unwrap();
    let purged = gallery.purge(Purge::All, true);
    let _ = std::fs::remove_file(folder.path().join("g.phiz-journal"));
    let proof = purged.unwrap().proof.unwrap();
    assert!(!proof.found.is_empty(), "{proof:?}");
}

#[test]
fn undo_ends_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    let people = fill(&gallery, 4);
    gallery.remove_person(people[0].0).unwrap();
    assert_eq!((gallery.history().unwrap().len(), gallery.statistics().unwrap().removed_faces), (7, 3));
    gallery.set_undo_days(0).unwrap();
    let figures = gallery.statistics().unwrap();
    assert_eq!((figures.operations, figures.removed_faces, figures.people, figures.faces), (0, 0, 5, 15));
    gallery.remove_person(people[1].0).unwrap();
    assert_eq!((gallery.history().unwrap().len(), gallery.statistics().unwrap().removed_faces), (0, 0));
    assert_eq!(gallery.check().unwrap(), Vec::<Fault>::new());
}

#[test]
fn any_flipped_byte_is_told_or_harmless() {
    for sealed in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let gallery = create(folder.path(), sealed);
        let people = fill(&gallery, 5);
        gallery.compact().unwrap();
        drop(gallery);
        let path = folder.path().join("g.phiz");
        let good = std::fs::read(&path).unwrap();
        let mut random = Random::new(9);
        let (mut told, mut harmless) = (0, 0);
        for _ in 0..250 {
            let mut bad = good.clone();
            let at = random.below(bad.len());
            bad[at] ^= 1 << random.below(8);
            std::fs::write(&path, &bad).unwrap();
            for beside in ["g.phiz-wal", "g.phiz-shm", "g.phiz.index"] {
                let _ = std::fs::remove_file(folder.path().join(beside));
            }
            let Ok(gallery) = Gallery::open(&path, &key(folder.path(), sealed)) else {
                told += 1;
                continue;
            };
            let faults = gallery.check().map_or(1, |faults| faults.len());
            for (person, vector) in &people {
                // Never a wrong identity; a miss or an error only where `check` tells of the damage.
                match gallery.identify(&template(vector), &Search::default()).map(|found| found.decision) {
                    Ok(Decision::Match(c)) => assert_eq!(c.person, *person, "byte {at}"),
                    missed => assert!(faults > 0, "byte {at}: {missed:?}"),
                }
            }
            if faults > 0 { told += 1 } else { harmless += 1 }
        }
        std::fs::write(&path, &good).unwrap();
        assert!(told > 50 && harmless > 5, "{told} told, {harmless} harmless");
    }
}

#[test]
fn a_damaged_or_stale_index_is_built_anew() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    let people = fill(&gallery, 6);
    gallery.compact().unwrap();
    drop(gallery);
    let (path, index) = (folder.path().join("g.phiz"), folder.path().join("g.phiz.index"));
    let (old, old_index) = (std::fs::read(&path).unwrap(), std::fs::read(&index).unwrap());
    // Flipped.
    let mut bad = old_index.clone();
    bad[4200] ^= 1;
    std::fs::write(&index, &bad).unwrap();
    let gallery = open(folder.path(), true);
    assert_eq!(named(&gallery, &people[3].1), Some(people[3].0));
    assert!(matches!(&gallery.notes()[..], [Note::IndexUnusable { .. }]));
    // Old: what changed since is read from the store.
    gallery.remove_person(people[3].0).unwrap();
    drop(gallery);
    std::fs::write(&index, &old_index).unwrap();
    let gallery = open(folder.path(), true);
    assert_eq!(named(&gallery, &people[3].1), None);
    assert_eq!(gallery.check().unwrap(), Vec::<Fault>::new());
    gallery.compact().unwrap();
    drop(gallery);
    // A copy of the store from before, with other changes since, under a newer index.
    std::fs::write(&path, &old).unwrap();
    for beside in ["g.phiz-wal", "g.phiz-shm"] {
        let _ = std::fs::remove_file(folder.path().join(beside));
    }
    let gallery = open(folder.path(), true);
    gallery.remove_person(people[4].0).unwrap();
    gallery.rename(people[0].0, "x").unwrap();
    gallery.rename(people[0].0, "y").unwrap();
    assert_eq!(named(&gallery, &people[3].1), Some(people[3].0));
    assert_eq!(named(&gallery, &people[4].1), None);
}

#[test]
fn two_at_once_see_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (create(folder.path(), true), open(folder.path(), true));
    let mut random = Random::new(8);
    let templates: Vec<Vec<f32>> = (0..40).map(|_| stranger(&mut random, DIM)).collect();
    std::thread::scope(|scope| {
        for (gallery, mine) in [(&one, &templates[..20]), (&two, &templates[20..])] {
            scope.spawn(move || {
                for template in mine {
                    let done =
                        gallery.enroll(&Target::New(Details::default()), &[face(template.clone())], &RULES);
                    let person = done.unwrap().person;
                    assert_eq!(named(gallery, template), person);
                }
            });
        }
    });
    for gallery in [&one, &two] {
        assert_eq!(gallery.len().unwrap(), 40);
        assert!(templates.iter().all(|t| named(gallery, t).is_some()));
        assert_eq!(gallery.check().unwrap(), Vec::<Fault>::new());
    }
    let person = named(&one, &templates[0]).unwrap();
    two.remove_person(person).unwrap();
    assert_eq!(named(&one, &templates[0]), None);
}

#[test]
fn read_only_reads_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    let people = fill(&gallery, 7);
    drop(gallery);
    let path = folder.path().join("g.phiz");
    let before: Vec<u8> = std::fs::read(&path).unwrap();
    let gallery = Gallery::open_read_only(&path, &key(folder.path(), true)).unwrap();
    assert_eq!(named(&gallery, &people[0].1), Some(people[0].0));
    for error in [
        gallery.remove_person(people[0].0).unwrap_err(),
        gallery.compact().unwrap_err(),
        gallery.set_undo_days(1).unwrap_err(),
        gallery.enroll(&Target::Named("x".into()), &[face(people[0].1.clone())], &RULES).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error}");
    }
    drop(gallery);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn archives_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    let people = fill(&gallery, 10);
    gallery.not_this_person(gallery.faces(people[0].0).unwrap()[1].id).unwrap();
    gallery.remove_person(people[4].0).unwrap();
    let archive = folder.path().join("archive");
    let head = gallery.export(&archive).unwrap();
    assert_eq!((head.people, head.faces, head.negatives), (5, 14, 1));
    assert_eq!(gallery.export(&archive).unwrap_err().kind(), ErrorKind::Conflict, "never over another");

    let other = tempfile::tempdir().unwrap();
    let copy = create(other.path(), false);
    copy.enroll(&Target::Named("First".into()), &[face(vec![(1.0 / DIM as f32).sqrt(); DIM])], &RULES)
        .unwrap();
    let done = copy.import(&archive).unwrap();
    assert_eq!((done.people.len(), done.faces, done.negatives), (5, 14, 1));
    for (old, new) in &done.people {
        let (a, b) = (gallery.person(*old).unwrap(), copy.person(*new).unwrap());
        assert_eq!(
            (a.details, a.created, a.faces, a.negatives),
            (b.details, b.created, b.faces, b.negatives)
        );
        for (a, b) in gallery.faces(*old).unwrap().iter().zip(copy.faces(*new).unwrap()) {
            assert_eq!((a.quality, a.photo, a.taken, &a.source), (b.quality, b.photo, b.taken, &b.source));
            assert_eq!((a.added, &a.consent), (b.added, &b.consent));
            assert_eq!(gallery.template(a.id).unwrap(), copy.template(b.id).unwrap());
            assert_eq!(gallery.crop(a.id).unwrap(), copy.crop(b.id).unwrap());
        }
    }
    assert_eq!(copy.check().unwrap(), Vec::<Fault>::new());
    // Damage and other models are told, and nothing is taken in.
    let before = copy.len().unwrap();
    for name in ["people.jsonl", "faces.jsonl", "templates.npy", "negatives.jsonl", "archive.json"] {
        let path = archive.join(name);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        let at = bad.len() / 2;
        bad[at] ^= 0x20;
        std::fs::write(&path, &bad).unwrap();
        let done = copy.import(&archive);
        // A letter of the head's thresholds' description may be another without harm.
        assert!(done.is_err() || name == "archive.json", "{name}");
        std::fs::write(&path, &good[..good.len() - 3]).unwrap();
        assert!(copy.import(&archive).is_err(), "{name} cut short");
        std::fs::write(&path, &good).unwrap();
    }
    let mut stranger = model();
    stranger.id = ModelId::new("another").unwrap();
    let another = Gallery::create(&other.path().join("another"), &stranger, &Key::None).unwrap();
    assert_eq!(another.import(&archive).unwrap_err().kind(), ErrorKind::OtherModel);
    assert!(copy.len().unwrap() == before);
}

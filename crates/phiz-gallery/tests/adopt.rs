//! Bringing a gallery to another model: nobody is lost, it can be taken back, and a process that is killed at any moment
//! goes on where it was. `PHIZ_ADOPT_ROUNDS` sets how often one is killed.
// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{DIM, create, face, model, near, open, stranger};
use phiz_eval::random::Random;
use phiz_gallery::{
    Adoptee, Deciding, Decision, Details, EnrollRules, ErrorKind, Filter, Gallery, GroupId, Grouping, Key,
    Model, ModelId, NewFace, NewPhoto, NewSighting, PhotoFile, Purge, Search, Target, Template, Thresholds,
};

const RULES: EnrollRules = EnrollRules { least_quality: 0.0, report_similar: None, unlike_above: 0.02 };
const WIDE: usize = DIM + 16;

/// The other model: wider templates, another card.
fn other() -> Model {
    let thresholds = Thresholds::new(vec![[0.1, 0.3], [1e-4, 0.6]], "the other").unwrap();
    Model { id: ModelId::new("00000000000000aa").unwrap(), dim: WIDE, thresholds }
}

/// What the other model says of a crop: each crop holds the number of a person and of a face.
fn by_other(crop: &[u8]) -> Template {
    let number = |at: usize| u64::from(u32::from_le_bytes(crop[at..at + 4].try_into().unwrap()));
    let center = stranger(&mut Random::new(1_000_000 + number(0)), WIDE);
    let vector = near(&mut Random::new(2_000_000 + number(4)), &center, 0.3);
    Template::normalised(other().id, vector).unwrap()
}

fn crop(person: u32, number: u32) -> Vec<u8> {
    let mut random = Random::new(3_000_000 + u64::from(number));
    let noise = (0..492).map(|_| random.below(256) as u8);
    [person.to_le_bytes(), number.to_le_bytes()].concat().into_iter().chain(noise).collect()
}

/// A face of a person, with a photo of its own.
fn of(random: &mut Random, person: u32, number: u32, with_crop: bool) -> NewFace {
    let center = stranger(&mut Random::new(u64::from(person)), DIM);
    let mut photo = [0; 32];
    photo[..4].copy_from_slice(&number.to_le_bytes());
    NewFace {
        photo: Some(photo),
        source: Some(format!("{number}.jpg")),
        crop: with_crop.then(|| crop(person, number)),
        ..face(near(random, &center, 0.3))
    }
}

/// People of two faces each, one of them on a list, one without crops, and a negative, a merge and a removal.
fn fill(gallery: &Gallery, people: u32) {
    let mut random = Random::new(5);
    for person in 0..people {
        let faces: Vec<NewFace> =
            (0..2).map(|n| of(&mut random, person, person * 2 + n, person != 1)).collect();
        let target = Target::New(Details::named(format!("person {person}")));
        gallery.enroll(&target, &faces, &RULES).unwrap();
    }
    let people = gallery.people(&Filter::default(), None, 100).unwrap();
    let first = gallery.faces(people[0].id).unwrap();
    // Of this face there is a crop in the trash, by which the negative finds its way.
    gallery.not_this_person(first[1].id).unwrap();
    gallery.merge(people[2].id, people[3].id).unwrap();
    gallery.remove_person(people[4].id).unwrap();
}

/// Tells the parent, if this is the child.
fn step() {
    if std::env::var_os(FOLDER).is_some() {
        println!("step");
        std::io::stdout().flush().unwrap();
    }
}

fn prepare(gallery: &Gallery, batch: usize) -> usize {
    let model = other();
    let (mut after, mut done) = (None, 0);
    loop {
        let lacking = gallery.to_adopt(&model.id, &mut after, batch).unwrap();
        if lacking.is_empty() {
            return done;
        }
        let made: Vec<(Adoptee, Template)> = lacking
            .iter()
            .filter_map(|lacking| Some((lacking.id, by_other(lacking.crop.as_deref()?))))
            .collect();
        done += made.len();
        gallery.keep_adopted(&model.id, &made).unwrap();
        step();
    }
}

/// Everything but templates.
fn everything(gallery: &Gallery) -> String {
    let mut out = String::new();
    for person in gallery.people(&Filter::default(), None, usize::MAX).unwrap() {
        out += &format!("{} {:?} {}\n", person.id, person.details, person.created);
        for face in gallery.faces(person.id).unwrap() {
            out += &format!("  {face:?} {:?}\n", gallery.crop(face.id).unwrap());
        }
        out += &format!("  {:?}\n", gallery.negatives(person.id).unwrap());
    }
    out + &format!("{:?}", gallery.history().unwrap())
}

fn found(gallery: &Gallery, template: &Template) -> Option<String> {
    match gallery.identify(template, &Search::default()).unwrap().decision {
        Decision::Match(candidate) => Some(candidate.name),
        _ => None,
    }
}

/// A new photo of a person, by either model.
fn probe(person: u32) -> [Template; 2] {
    let center = stranger(&mut Random::new(u64::from(person)), DIM);
    let old = Template::normalised(model().id, near(&mut Random::new(77), &center, 0.3)).unwrap();
    [old, by_other(&crop(person, 5_000))]
}

#[test]
fn nobody_is_lost_and_it_can_be_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.phiz");
    let mut gallery = create(folder.path(), true);
    fill(&gallery, 60);
    gallery.calibrate(|_, _| {}).unwrap();
    let before = everything(&gallery);
    let [of_six, of_six_by_other] = probe(6);
    assert_eq!(found(&gallery, &of_six).as_deref(), Some("person 6"));
    let [lacking, with_crop, all] = gallery.lacking(&other().id).unwrap();
    assert_eq!(
        (lacking, with_crop, all),
        (121, 118, 121),
        "120 faces, two of them without a crop, and a negative"
    );
    assert_eq!(prepare(&gallery, 7), 118);
    assert_eq!(gallery.lacking(&other().id).unwrap(), [3, 0, 121]);
    // Until the exchange, all is as it was.
    assert_eq!(everything(&gallery), before);
    assert_eq!(found(&gallery, &of_six).as_deref(), Some("person 6"));
    assert_eq!(gallery.check().unwrap(), []);

    let onlooker = open(folder.path(), true);
    let adopted = gallery.adopt(&other()).unwrap();
    assert_eq!((adopted.faces, adopted.negatives), (118, 1), "{adopted:?}");
    assert_eq!(adopted.waiting.len(), 2, "{adopted:?}");
    assert_eq!((gallery.model(), gallery.dim()), (&other().id, WIDE));
    assert_eq!(everything(&gallery), before);
    assert_eq!(found(&gallery, &of_six_by_other).as_deref(), Some("person 6"));
    assert_eq!(found(&gallery, &probe(1)[1]), None, "their faces wait");
    assert_eq!(gallery.identify(&of_six, &Search::default()).unwrap_err().kind(), ErrorKind::OtherModel);
    assert_eq!(gallery.check().unwrap(), []);
    assert_eq!(gallery.statistics().unwrap().calibrated, None, "what was measured holds for the old model");
    assert_eq!(gallery.thresholds().quantiles(), other().thresholds.quantiles());
    // Who had it open is told, and does not read the one model's templates as the other's.
    assert_eq!(onlooker.identify(&of_six, &Search::default()).unwrap_err().kind(), ErrorKind::OtherModel);
    assert!(onlooker.people(&Filter::default(), None, 10).is_err());
    assert_eq!(gallery.adopt(&other()).unwrap_err().kind(), ErrorKind::Conflict);

    // Another process opens it as it is now, and the journal still works: the removed person comes back, recognised.
    drop(gallery);
    let gallery = open(folder.path(), true);
    assert_eq!((gallery.model(), gallery.dim()), (&other().id, WIDE));
    gallery.undo(None).unwrap();
    assert_eq!(found(&gallery, &probe(4)[1]).as_deref(), Some("person 4"));
    // A face that waits finds its photo.
    let mut waiting = Vec::new();
    let mut after = None;
    while let [one, ..] = &gallery.to_adopt(&other().id, &mut after, 1).unwrap()[..] {
        waiting.push(one.id);
    }
    assert_eq!(waiting, adopted.waiting);
    gallery.keep_adopted(&other().id, &[(waiting[0], by_other(&crop(1, 2)))]).unwrap();
    assert_eq!(found(&gallery, &probe(1)[1]).as_deref(), Some("person 1"));
    assert_eq!(gallery.check().unwrap(), []);
    // The key is changed while old templates are there.
    gallery.rotate_key(&Key::File(folder.path().join("new.key"))).unwrap();
    drop(gallery);
    let mut gallery = Gallery::open(&path, &Key::File(folder.path().join("new.key"))).unwrap();
    assert_eq!(found(&gallery, &of_six_by_other).as_deref(), Some("person 6"));

    // Somebody new, then back again: they wait, all others are as they were.
    let mut new = NewFace::new(by_other(&crop(900, 9_000)), 0.9);
    new.crop = Some(crop(900, 9_000));
    gallery.enroll(&Target::New(Details::named("new")), &[new], &RULES).unwrap();
    let back = gallery.undo_adoption().unwrap();
    assert_eq!((back.to.clone(), back.waiting.len()), (model().id, 1), "{back:?}");
    assert_eq!(found(&gallery, &of_six).as_deref(), Some("person 6"));
    assert_eq!(found(&gallery, &probe(1)[0]).as_deref(), Some("person 1"), "without a crop, too");
    assert!(gallery.statistics().unwrap().calibrated.is_some(), "what was measured holds again");
    assert_eq!(gallery.check().unwrap(), []);
    assert_eq!(gallery.undo_adoption().unwrap_err().kind(), ErrorKind::NotFound);
    // And forth, without anything to be computed but for nobody.
    let [lacking, ..] = gallery.lacking(&other().id).unwrap();
    assert_eq!(lacking, 1, "the face of which no photo came");
    let again = gallery.adopt(&other()).unwrap();
    assert_eq!(again.waiting.len(), 1);
    assert_eq!(found(&gallery, &probe(900)[1]).as_deref(), Some("new"));
}

/// Sightings of the old model say nothing by the new one until their photos are looked at again; who they were said to be,
/// their numbers and their groups stay.
#[test]
fn sightings_wait_for_the_new_model_and_keep_their_groups() {
    let folder = tempfile::tempdir().unwrap();
    let mut gallery = create(folder.path(), true);
    fill(&gallery, 8);
    let seen = |person: u32, number: u32, new: bool| {
        let center = stranger(&mut Random::new(u64::from(person)), DIM);
        let old = near(&mut Random::new(u64::from(number)), &center, 0.3);
        let (template, looked) = match new {
            false => (Template::normalised(model().id, old).unwrap(), "old"),
            true => (by_other(&crop(person, number)), "new"),
        };
        let face = NewSighting {
            template,
            quality: 0.8,
            bbox: [10.0, 10.0, 80.0, 100.0],
            score: 0.9,
            landmarks: [[20.0, 40.0], [60.0, 40.0], [40.0, 60.0], [25.0, 80.0], [55.0, 80.0]],
        };
        NewPhoto {
            photo: [number as u8; 32],
            file: PhotoFile { path: format!("/{number}.jpg").into(), size: 1, modified: 0 },
            size: [200, 200],
            taken: Some(i64::from(number)),
            looked: looked.into(),
            faces: Some(vec![face]),
            problem: None,
        }
    };
    // Four photos of somebody unknown, two of person 6.
    let who: Vec<(u32, u32)> = vec![(70, 101), (70, 102), (70, 103), (70, 104), (6, 105), (6, 106)];
    let photos =
        |new: bool| who.iter().map(|(person, number)| seen(*person, *number, new)).collect::<Vec<_>>();
    gallery.keep_photos(&photos(false)).unwrap();
    let archive = |gallery: &Gallery| gallery.archive(&Deciding::default()).unwrap();
    gallery
        .group_strangers(&archive(&gallery), &Grouping { rate: 1e-2, ..Grouping::default() }, &|_, _| ())
        .unwrap();
    let before = archive(&gallery);
    let numbers: Vec<(u64, usize)> =
        before.strangers(false).iter().map(|(g, places)| (g.id.0, places.len())).collect();
    assert_eq!(numbers, [(1, 4)]);
    let of_six = |gallery: &Gallery| {
        let six = gallery.named("person 6").unwrap()[0].id;
        archive(gallery).decided.iter().filter(|decided| decided.person() == Some(six)).count()
    };
    assert_eq!(of_six(&gallery), 2);
    // One is said to be somebody whom it does not resemble.
    let two = gallery.named("person 2").unwrap()[0].id;
    gallery.confirm(before.sightings[0].id, two).unwrap();

    prepare(&gallery, 7);
    assert_eq!(gallery.adopt(&other()).unwrap().sightings, 6);
    assert_eq!(gallery.check().unwrap(), []);
    // Nothing is compared across models; every photo is due.
    let waiting = archive(&gallery);
    assert_eq!((waiting.sightings.len(), waiting.photos.len()), (0, 6));
    assert!(waiting.photos.values().all(|photo| photo.looked.is_empty() && photo.taken.is_some()));
    assert_eq!(gallery.keep_photos(&photos(false)).unwrap_err().kind(), ErrorKind::OtherModel);
    // What is exported meanwhile waits there, too.
    let archive_at = folder.path().join("archive");
    assert_eq!(gallery.export(&archive_at).unwrap().sightings, 6);
    let (moved, _) =
        Gallery::create_from_archive(&folder.path().join("m.phiz"), &archive_at, &Key::None).unwrap();
    for gallery in [&gallery, &moved] {
        gallery.keep_photos(&photos(true)).unwrap();
        let after = archive(gallery);
        let ids =
            |archive: &phiz_gallery::Archive| archive.sightings.iter().map(|s| s.id).collect::<Vec<_>>();
        assert_eq!(ids(&after), ids(&before), "a face at the same place is the same sighting");
        assert_eq!(after.group(GroupId(1)).unwrap().sightings.len(), 3);
        assert_eq!(of_six(gallery), 2);
        let two = gallery.named("person 2").unwrap()[0].id;
        assert_eq!(after.decided[0].person(), Some(two), "what was said holds");
        assert_eq!(gallery.check().unwrap(), []);
    }
}

#[test]
fn what_is_purged_cannot_be_taken_back_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut gallery = create(folder.path(), false);
    fill(&gallery, 12);
    prepare(&gallery, 100);
    gallery.adopt(&other()).unwrap();
    let purged = gallery.purge(Purge::All, true).unwrap();
    let proof = purged.proof.unwrap();
    assert!(proof.found.is_empty() && proof.pieces > 0, "{proof:?}");
    assert_eq!(gallery.undo_adoption().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(gallery.check().unwrap(), []);
    // The old template of who waits is kept: adopting the old model anew finds them.
    let adopted = gallery.adopt(&model()).unwrap();
    assert_eq!(found(&gallery, &probe(1)[0]).as_deref(), Some("person 1"), "{adopted:?}");
}

#[test]
fn templates_of_the_wrong_model_are_refused() {
    let mut gallery = Gallery::in_memory(&model()).unwrap();
    fill(&gallery, 6);
    let face = gallery.faces(gallery.people(&Filter::default(), None, 1).unwrap()[0].id).unwrap()[0].id;
    let wrong = probe(0)[0].clone();
    let error = gallery.keep_adopted(&other().id, &[(Adoptee::Face(face), wrong)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OtherModel);
    // A template of another length than the model's is none of it: the face waits, and nothing is damaged.
    let short = Template::normalised(other().id, vec![1.0; 8]).unwrap();
    gallery.keep_adopted(&other().id, &[(Adoptee::Face(face), short)]).unwrap();
    let adopted = gallery.adopt(&other()).unwrap();
    assert!(adopted.waiting.contains(&Adoptee::Face(face)));
    assert_eq!(gallery.check().unwrap(), []);
    assert!(gallery.template(face).is_err());
}

const FOLDER: &str = "PHIZ_ADOPT_FOLDER";

/// The child: prepares a face at a time, exchanges, takes back, and begins again, until it is killed.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut gallery = open(Path::new(&folder), true);
    loop {
        step();
        if gallery.model() == &other().id {
            gallery.undo_adoption().unwrap();
        } else {
            prepare(&gallery, 3);
            gallery.adopt(&other()).unwrap();
        }
    }
}

#[test]
fn killed_at_any_moment_it_goes_on() {
    let rounds = std::env::var("PHIZ_ADOPT_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    fill(&gallery, 30);
    let before = everything(&gallery);
    drop(gallery);
    let (path, fresh) = (folder.path().join("g.phiz"), folder.path().join("fresh"));
    std::fs::copy(&path, &fresh).unwrap();
    let mut random = Random::new(3);
    let (mut old, mut new) = (0, 0);
    for round in 0..rounds {
        if round % 3 == 0 {
            // From the beginning again, when nothing was computed yet.
            for ending in ["-wal", "-shm", ".index"] {
                let _ = std::fs::remove_file(folder.path().join(format!("g.phiz{ending}")));
            }
            std::fs::copy(&fresh, &path).unwrap();
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let steps = 1 + random.below(30);
        let said = lines.by_ref().filter(|line| line.as_ref().unwrap().contains("step")).take(steps).count();
        assert_eq!(said, steps, "round {round}: the child ended by itself");
        std::thread::sleep(Duration::from_micros(random.below(20_000) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        let gallery = open(folder.path(), true);
        assert_eq!(gallery.check().unwrap(), [], "round {round}");
        assert_eq!(everything(&gallery), before, "round {round}");
        // Whole by the one model or by the other: everybody is recognised, but who waits for a photo.
        let is_new = gallery.model() == &other().id;
        *(if is_new { &mut new } else { &mut old }) += 1;
        for person in (5..30).step_by(4) {
            let name = found(&gallery, &probe(person)[usize::from(is_new)]);
            assert_eq!(name, Some(format!("person {person}")), "round {round}");
        }
    }
    println!("{old} times the old model, {new} times the new one");
    assert!(rounds < 12 || old > 0 && new > 0, "the moments are not spread: {old}, {new}");
}

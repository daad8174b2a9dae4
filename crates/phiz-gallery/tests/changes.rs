//! Changes that people make, and what goes wrong with them: names that mislead, commands that name several, faces of
//! somebody else, archives that come twice, galleries that cannot be made.
// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::{DIM, create, face, key, model, near, stranger, template};
use phiz_eval::random::Random;
use phiz_gallery::{
    Cause, Details, Doubt, Edit, EnrollRules, ErrorKind, FaceId, Fault, Filter, Gallery, Key, NameFault,
    NewFace, OperationKind, Outcome, PersonId, Refusal, Search, Target,
};

const RULES: EnrollRules = EnrollRules { least_quality: 0.0, report_similar: None, unlike_above: 0.02 };

fn in_memory() -> Gallery {
    Gallery::in_memory(&model()).unwrap()
}

fn enrolled(gallery: &Gallery, name: &str, faces: &[Vec<f32>]) -> PersonId {
    let faces: Vec<NewFace> = faces.iter().cloned().map(face).collect();
    gallery.enroll(&Target::Named(name.into()), &faces, &RULES).unwrap().person.unwrap()
}

/// Some people called `name 1` and so on, with two faces each; ids count from 1.
fn people(gallery: &Gallery, many: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut random = Random::new(seed);
    (1..=many)
        .map(|i| {
            let center = stranger(&mut random, DIM);
            let faces = [near(&mut random, &center, 0.2), near(&mut random, &center, 0.2)];
            enrolled(gallery, &format!("name {i}"), &faces);
            center
        })
        .collect()
}

/// All that a gallery holds, for comparing.
fn everything(gallery: &Gallery) -> String {
    let mut out = String::new();
    for person in gallery.people(&Filter::default(), None, usize::MAX).unwrap() {
        out += &format!("{person:?} {:?} {:?}\n", gallery.faces(person.id), gallery.negatives(person.id));
        out += &format!("{:?}\n", gallery.templates(person.id));
    }
    out
}

#[test]
fn names_that_mislead_are_refused_everywhere() {
    let gallery = in_memory();
    let vectors = people(&gallery, 2, 1);
    let before = everything(&gallery);
    for (name, fault) in [
        ("", NameFault::Blank),
        (" \t", NameFault::Blank),
        ("\u{200b}", NameFault::Blank),
        ("E\u{1b}[31mRED\nNEXT", NameFault::Control),
        ("p1", NameFault::LikeAnId),
        ("P99", NameFault::LikeAnId),
        ("f3", NameFault::LikeAnId),
        ("n1", NameFault::LikeAnId),
        ("O2", NameFault::LikeAnId),
    ] {
        let mut errors = vec![
            gallery.enroll(&Target::Named(name.into()), &[face(vectors[0].clone())], &RULES).unwrap_err(),
            gallery.rename(PersonId(1), name).unwrap_err(),
            gallery.apply(&[Edit::Rename { person: PersonId(1), name: name.into() }]).unwrap_err(),
        ];
        // Nobody's name is known to be nothing only where that is said, by no name at all.
        if !name.is_empty() {
            let details = Details::named(name);
            errors.push(gallery.enroll(&Target::New(details.clone()), &[], &RULES).unwrap_err());
            errors.push(gallery.split(PersonId(1), &[FaceId(1)], &details).unwrap_err());
            errors.push(gallery.update(PersonId(1), |d| d.name = name.into()).unwrap_err());
        }
        for error in errors {
            assert_eq!(error.cause(), Some(&Cause::Name { fault }), "{name:?}: {error}");
            assert_eq!(error.kind(), ErrorKind::Caller);
        }
    }
    assert_eq!(everything(&gallery), before);
    // Labels are shown in lists too.
    for bad in ["a\u{1b}b", " "] {
        assert!(gallery.update(PersonId(1), |d| _ = d.lists.insert(bad.into())).is_err());
        assert!(gallery.update(PersonId(1), |d| _ = d.attributes.insert(bad.into(), "x".into())).is_err());
    }
}

#[test]
fn two_forms_of_a_name_are_one_person() {
    let gallery = in_memory();
    let mut random = Random::new(2);
    let (composed, decomposed) = ("Jos\u{e9}", "Jose\u{301}");
    let one = enrolled(&gallery, decomposed, &[stranger(&mut random, DIM)]);
    let two = enrolled(&gallery, composed, &[stranger(&mut random, DIM)]);
    assert_eq!((one, gallery.len().unwrap()), (two, 1));
    assert_eq!(gallery.person(one).unwrap().details.name, composed);
    for name in [composed, decomposed, " JOS\u{c9} ", "jose\u{301}"] {
        assert_eq!(gallery.resolve(name).unwrap().id, one, "{name:?}");
        let filter = Filter { text: Some(name.trim().into()), ..Filter::default() };
        assert_eq!(gallery.people(&filter, None, 9).unwrap().len(), 1, "{name:?}");
    }
    // So are the two forms of a watch list and an attribute.
    gallery
        .update(one, |d| {
            d.lists.insert("e\u{301}quipe".into());
            d.attributes.insert("re\u{301}gion".into(), "Bele\u{301}m".into());
        })
        .unwrap();
    let attributes = [("r\u{e9}gion".to_owned(), "Bel\u{e9}m".to_owned())].into();
    let filter = Filter { attributes, ..Filter::list("\u{e9}quipe") };
    assert_eq!(gallery.people(&filter, None, 9).unwrap().len(), 1);
    assert_eq!(gallery.lists().unwrap(), [("\u{e9}quipe".to_owned(), 1)].into());
}

#[test]
fn a_list_that_nobody_is_on_is_an_error() {
    let gallery = in_memory();
    let vectors = people(&gallery, 3, 3);
    gallery.update(PersonId(1), |d| _ = d.lists.insert("vip".into())).unwrap();
    let search = |list: &str| {
        let search = Search { among: Filter::list(list), ..Search::default() };
        gallery.identify(&template(&vectors[0]), &search)
    };
    assert_eq!(search("vip").unwrap().people, 1);
    let error = search("vpi").unwrap_err();
    assert_eq!((error.kind(), error.cause()), (ErrorKind::NotFound, Some(&Cause::NobodyOnList)));
    // With other conditions too; that nobody on a list has an attribute is an answer.
    let mut among = Filter { text: Some("name".into()), ..Filter::list("vpi") };
    let found =
        || gallery.identify(&template(&vectors[0]), &Search { among: among.clone(), ..Search::default() });
    assert_eq!(found().unwrap_err().cause(), Some(&Cause::NobodyOnList));
    among = Filter { attributes: [("a".into(), "b".into())].into(), ..Filter::list("vip") };
    let found = gallery.identify(&template(&vectors[0]), &Search { among, ..Search::default() });
    assert_eq!(found.unwrap().people, 0);
}

#[test]
fn several_changes_are_all_made_or_none() {
    let gallery = in_memory();
    people(&gallery, 6, 4);
    gallery.add_negative(PersonId(5), &NewFace::new(gallery.template(FaceId(11)).unwrap(), 0.5)).unwrap();
    let (p, f) = (PersonId, FaceId);
    let merge = |into, from| Edit::Merge { into: p(into), from: p(from) };
    let before = (everything(&gallery), gallery.history().unwrap());
    for (name, edits, cause) in [
        (
            "a face that is not there",
            vec![Edit::RemovePerson(p(1)), Edit::RemoveFace(f(99))],
            Cause::NoFace { face: f(99) },
        ),
        ("merged twice", vec![merge(1, 2), merge(1, 2)], Cause::NamedTwice { person: p(2) }),
        ("merged, then merged into", vec![merge(1, 2), merge(2, 3)], Cause::NamedTwice { person: p(2) }),
        (
            "removed twice",
            vec![Edit::RemovePerson(p(1)), Edit::RemovePerson(p(1))],
            Cause::NamedTwice { person: p(1) },
        ),
        (
            "a face twice",
            vec![Edit::RemoveFace(f(1)), Edit::RemoveFace(f(1))],
            Cause::FaceNamedTwice { face: f(1) },
        ),
        ("with oneself", vec![merge(1, 2), merge(3, 3)], Cause::SamePerson { person: p(3) }),
        (
            "nobody",
            vec![Edit::RemoveFace(f(1)), Edit::RemovePerson(p(77))],
            Cause::NoPerson { person: Some(p(77)) },
        ),
        (
            "not them",
            vec![Edit::RemovePerson(p(1)), merge(5, 6)],
            Cause::SaidNotToBe {
                negative: gallery.negatives(p(5)).unwrap()[0].id,
                face: f(11),
                person: p(5),
            },
        ),
    ] {
        for error in [
            gallery.apply(&edits).map(|_| ()).unwrap_err(),
            gallery.apply_and_purge(&edits, false).map(|_| ()).unwrap_err(),
        ] {
            assert_eq!(error.cause(), Some(&cause), "{name}: {error}");
            assert_eq!((everything(&gallery), gallery.history().unwrap()), before, "{name}");
        }
    }
    // A person and their own face, in this order too: each is an operation that can be undone.
    let edits = [Edit::RemovePerson(p(1)), Edit::RemoveFace(f(1)), merge(2, 3), merge(2, 4)];
    let operations = gallery.apply(&edits).unwrap();
    assert_eq!(operations.len(), 4);
    assert_eq!(gallery.person(p(2)).unwrap().faces, 6);
    for operation in [operations[3], operations[2], operations[0], operations[1]] {
        gallery.undo(Some(operation)).unwrap();
    }
    assert_eq!(everything(&gallery), before.0);
    let purged = gallery.apply_and_purge(&[Edit::RemovePerson(p(1)), Edit::RemoveFace(f(3))], true).unwrap();
    assert_eq!(purged.faces, 3);
    assert_eq!(gallery.history().unwrap(), []);
}

#[test]
fn enrolling_is_in_the_history_and_undone() {
    let gallery = in_memory();
    let mut random = Random::new(5);
    let empty = everything(&gallery);
    let ana = enrolled(&gallery, "Ana", &[stranger(&mut random, DIM)]);
    let one = everything(&gallery);
    let more = [face(stranger(&mut random, DIM)), face(stranger(&mut random, DIM))];
    let done = gallery.enroll(&Target::Person(ana), &more, &RULES).unwrap();
    let [latest, first] = &gallery.history().unwrap()[..] else { panic!() };
    assert_eq!(latest.kind, OperationKind::Enroll { person: Some(ana), people: 0, faces: 2 });
    assert_eq!(first.kind, OperationKind::Enroll { person: Some(ana), people: 1, faces: 1 });
    assert_eq!(done.operation, Some(latest.id));
    // The earlier one made whom the later one gave faces to.
    let error = gallery.undo(Some(first.id)).unwrap_err();
    assert_eq!(error.cause(), Some(&Cause::ChangedSince { operation: first.id }));
    // Nor is it undone once somebody has changed what it made.
    let renamed = gallery.rename(ana, "Anna").unwrap();
    let moved = gallery.split(ana, &[FaceId(2)], &Details::named("Eva")).unwrap().1;
    assert!(gallery.undo(Some(latest.id)).is_err());
    gallery.undo(Some(moved)).unwrap();
    assert_eq!(gallery.undo(Some(latest.id)).unwrap().people, [ana]);
    assert!(gallery.undo(Some(first.id)).is_err(), "renamed since");
    gallery.undo(Some(renamed)).unwrap();
    assert_eq!(everything(&gallery), one);
    gallery.undo(Some(first.id)).unwrap();
    assert_eq!(everything(&gallery), empty);
    // Many at once are one operation.
    let all = (0..40).map(|i| (Target::Named(format!("n {i}")), vec![face(stranger(&mut random, DIM))]));
    let mut operations = Vec::new();
    gallery.enroll_all(all, &RULES, |done| operations.extend(done.iter().map(|d| d.operation))).unwrap();
    assert!(operations.iter().all(|o| o.is_some() && *o == operations[0]));
    assert_eq!(gallery.undo(None).unwrap().people.len(), 40);
    assert_eq!(everything(&gallery), empty);
    assert_eq!(gallery.check().unwrap(), Vec::<Fault>::new());
}

#[test]
fn what_is_enrolled_again_is_known() {
    let gallery = in_memory();
    let mut random = Random::new(6);
    let mut photo = face(stranger(&mut random, DIM));
    photo.photo = Some([3; 32]);
    let ana = Target::Named("Ana".into());
    gallery.enroll(&ana, std::slice::from_ref(&photo), &RULES).unwrap();
    let rules = EnrollRules { least_quality: 0.9, ..RULES };
    let again = gallery.enroll(&ana, std::slice::from_ref(&photo), &rules).unwrap();
    assert_eq!(again.faces, [Outcome::Known { face: FaceId(1) }]);
    assert_eq!((again.new, again.operation), (false, None));
    // The same pixels under another file's name.
    photo.photo = Some([4; 32]);
    let again = gallery.enroll(&ana, std::slice::from_ref(&photo), &RULES).unwrap();
    assert_eq!(again.faces, [Outcome::Known { face: FaceId(1) }]);
    // As somebody else's it is refused.
    photo.photo = Some([3; 32]);
    let other = gallery.enroll(&Target::Named("Eva".into()), &[photo], &RULES).unwrap();
    let refusal = Refusal::Duplicate { face: FaceId(1), person: PersonId(1) };
    assert_eq!(other.faces, [Outcome::Refused(refusal)]);
    assert_eq!((other.person, gallery.history().unwrap().len()), (None, 1));
}

#[test]
fn another_person_under_a_known_name_is_noticed() {
    let gallery = in_memory();
    let mut random = Random::new(7);
    let rules = EnrollRules::default();
    let (ana, bale) = (stranger(&mut random, DIM), stranger(&mut random, DIM));
    for (name, center) in [("Ana", &ana), ("Bale", &bale)] {
        let faces = [near(&mut random, center, 0.2), near(&mut random, center, 0.2)];
        assert!(gallery.enroll(&Target::Named(name.into()), &faces.map(face), &rules).is_ok());
    }
    let enroll = |name: &str, vector: Vec<f32>| {
        let done = gallery.enroll(&Target::Named(name.into()), &[face(vector)], &rules).unwrap();
        let Some(Outcome::Added { doubt, .. }) = done.faces.into_iter().next() else { panic!() };
        gallery.undo(done.operation).unwrap();
        doubt
    };
    // Her own face: no doubt.
    assert_eq!(enroll("Ana", near(&mut random, &ana, 0.2)), None);
    // Bale's face under her name: unlike hers, like his. Nothing proposes to merge the two.
    match enroll("Ana", near(&mut random, &bale, 0.2)) {
        Some(Doubt::Unlike { own, nearest: Some(other) }) => {
            assert!(own.similarity < 0.4 && own.fmr > 0.02, "{own:?}");
            assert!(other.name == "Bale" && other.similarity > 0.8 && other.fmr < 1e-4, "{other:?}");
        }
        other => panic!("{other:?}"),
    }
    // A stranger's.
    let mut far = stranger(&mut random, DIM);
    while [&ana, &bale].iter().any(|c| c.iter().zip(&far).map(|(a, b)| a * b).sum::<f32>() > 0.2) {
        far = stranger(&mut random, DIM);
    }
    assert!(matches!(enroll("Ana", far), Some(Doubt::Unlike { nearest: None, .. })));
    // His face under a new name: one person twice, perhaps.
    let doubt = enroll("Cleo", near(&mut random, &bale, 0.2));
    assert!(matches!(doubt, Some(Doubt::AlsoLike { other }) if other.name == "Bale"));
}

#[test]
fn similarities_are_never_above_one() {
    let gallery = in_memory();
    // As long as a template may be.
    let long: Vec<f32> = (0..DIM).map(|i| if i == 3 { 1.0099 } else { 0.0 }).collect();
    let ana = enrolled(&gallery, "Ana", std::slice::from_ref(&long));
    let found = gallery.identify(&template(&long), &Search::default()).unwrap();
    assert!(found.candidates[0].similarity <= 1.0, "{found:?}");
    let found = gallery.verify(&template(&long), ana, phiz_gallery::Rate::Fmr(0.1)).unwrap();
    assert!(found.similarity <= 1.0 && found.accepted);
}

#[test]
fn an_archive_that_comes_twice_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    let mut random = Random::new(8);
    for i in 0..8u8 {
        let center = stranger(&mut random, DIM);
        let photo = |k: u8, random: &mut Random| {
            let mut one = face(near(random, &center, 0.2));
            // Half of the people have no photos.
            one.photo = (i % 2 == 0).then_some([i * 16 + k; 32]);
            one
        };
        let faces: Vec<NewFace> = (0..i % 4).map(|k| photo(k, &mut random)).collect();
        let target = Target::Named(format!("somebody {i}"));
        if faces.is_empty() {
            // Somebody without a face.
            let done = gallery.enroll(&target, &[photo(0, &mut random)], &RULES).unwrap();
            let Outcome::Added { face, .. } = done.faces[0] else { panic!() };
            gallery.remove_face(face).unwrap();
        } else {
            gallery.enroll(&target, &faces, &RULES).unwrap();
        }
    }
    gallery.add_negative(PersonId(4), &face(stranger(&mut random, DIM))).unwrap();
    let archive = folder.path().join("archive");
    let head = gallery.export(&archive).unwrap();
    let before = everything(&gallery);
    // Into itself: everything is known, also after somebody has been renamed.
    gallery.rename(PersonId(4), "renamed").unwrap();
    let done = gallery.import(&archive).unwrap();
    assert_eq!((done.people.len(), done.faces, done.negatives, done.operation), (0, 0, 0, None));
    assert_eq!(
        (done.known_people.len(), done.known_faces, done.known_negatives),
        (head.people, head.faces, head.negatives)
    );
    assert!(done.known_people.iter().all(|(old, own)| old == own));
    gallery.undo(None).unwrap();
    assert_eq!(everything(&gallery), before);
    // Into another: new, then known, then undone.
    let other = in_memory();
    people(&other, 3, 9);
    let empty = everything(&other);
    let done = other.import(&archive).unwrap();
    assert_eq!((done.people.len(), done.faces, done.negatives), (head.people, head.faces, head.negatives));
    let full = everything(&other);
    let again = other.import(&archive).unwrap();
    assert_eq!((again.people.len(), again.faces, again.negatives), (0, 0, 0));
    assert_eq!(everything(&other), full);
    // What was removed since comes again, and can be taken back alone.
    let (_, first) = done.people[2];
    let lost = other.faces(first).unwrap().len();
    let removed = other.remove_person(first).unwrap();
    let third = other.import(&archive).unwrap();
    assert_eq!((third.people.len(), third.faces), (1, lost));
    other.undo(third.operation).unwrap();
    other.undo(Some(removed)).unwrap();
    assert_eq!(everything(&other), full);
    let kind = OperationKind::Import { people: head.people, faces: head.faces, negatives: head.negatives };
    assert_eq!(other.history().unwrap()[0].kind, kind);
    let undone = other.undo(done.operation).unwrap();
    assert_eq!(undone.people.len(), head.people);
    assert_eq!(everything(&other), empty);
    assert_eq!(other.check().unwrap(), Vec::<Fault>::new());
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn a_gallery_that_cannot_be_made_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, no_dim) = (folder.path().join("g.phiz"), phiz_gallery::Model { dim: 0, ..model() });
    let error = Gallery::create(&path, &no_dim, &key(folder.path(), true)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Caller, "{error}");
    assert!(is_empty(folder.path()));
    // A key that cannot be made, or cannot seal.
    let nowhere = Key::File(folder.path().join("no such folder/key"));
    let blank = Key::passphrase(" ");
    let keyring = (!cfg!(feature = "keyring")).then_some(Key::Keyring);
    for key in [nowhere, blank, Key::passphrase("")].into_iter().chain(keyring) {
        let error = Gallery::create(&path, &model(), &key).unwrap_err();
        assert!(is_empty(folder.path()), "{key:?}: {error}");
    }
    assert_eq!(
        Gallery::create(&path, &model(), &Key::passphrase("")).unwrap_err().cause(),
        Some(&Cause::EmptyPassphrase)
    );
    // What was there before stays: the file that is in the way, and a key.
    std::fs::write(&path, "something else").unwrap();
    let error = Gallery::create(&path, &model(), &key(folder.path(), true)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "something else");
    assert!(!folder.path().join("g.key").exists());
    std::fs::remove_file(&path).unwrap();
    std::fs::write(folder.path().join("g.key"), "no key").unwrap();
    assert!(Gallery::create(&path, &model(), &key(folder.path(), true)).is_err());
    assert!(folder.path().join("g.key").exists() && !path.exists());
    // A damaged archive makes no gallery.
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let gallery = in_memory();
    people(&gallery, 2, 1);
    let archive = folder.path().join("archive");
    gallery.export(&archive).unwrap();
    let npy = std::fs::read(archive.join("templates.npy")).unwrap();
    std::fs::write(archive.join("templates.npy"), &npy[..npy.len() - 4]).unwrap();
    let key = Key::File(other.join("key"));
    assert!(Gallery::create_from_archive(&other.join("g"), &archive, &key).is_err());
    assert!(is_empty(&other));
    std::fs::write(archive.join("templates.npy"), &npy).unwrap();
    let (made, _) = Gallery::create_from_archive(&other.join("g"), &archive, &key).unwrap();
    assert_eq!(made.len().unwrap(), 2);
}

#[test]
fn a_key_that_cannot_seal_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    people(&gallery, 2, 1);
    let nowhere = Key::File(folder.path().join("no such folder/key"));
    for key in [Key::passphrase(""), Key::passphrase(" \n"), nowhere] {
        assert!(gallery.rotate_key(&key).is_err() && gallery.exchange_key(&key).is_err());
    }
    let before = everything(&gallery);
    drop(gallery);
    assert_eq!(everything(&common::open(folder.path(), true)), before);
}

#[test]
#[cfg(unix)]
fn a_medium_that_cannot_be_written_is_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    people(&gallery, 2, 1);
    drop(gallery);
    let path = folder.path().join("g.phiz");
    let lock = |file: u32, dir: u32| {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(file)).unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(dir)).unwrap();
    };
    lock(0o400, 0o500);
    let probe = std::fs::OpenOptions::new().write(true).open(&path);
    let gallery = common::open(folder.path(), true);
    assert_eq!(gallery.len().unwrap(), 2);
    // Permissions do not bind an administrator: there, all can be written.
    if probe.is_err() {
        assert_eq!(gallery.notes(), [phiz_gallery::Note::ReadOnly]);
        assert_eq!(gallery.remove_person(PersonId(1)).unwrap_err().kind(), ErrorKind::ReadOnly);
    }
    drop(gallery);
    lock(0o600, 0o700);
}

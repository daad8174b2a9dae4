//! An archive in a gallery: photos and the faces that were seen in them, who they are, and which strangers are one person.
// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{DIM, create, face, key, model, near, open, stranger, template};
use phiz_eval::random::Random;
use phiz_gallery::{
    Archive, DecidedBy, Deciding, Details, EnrollRules, ErrorKind, Fault, Gallery, GroupId, Grouping, Kept,
    Key, NewFace, NewPhoto, NewSighting, PersonId, PhotoFile, Purge, SightingId, Target,
};

fn seen(vector: Vec<f32>, x: f32) -> NewSighting {
    NewSighting {
        template: template(&vector),
        quality: 0.8,
        bbox: [x, 10.0, 80.0, 100.0],
        score: 0.9,
        landmarks: [[x + 20.0, 40.0], [x + 60.0, 40.0], [x + 40.0, 60.0], [x + 25.0, 80.0], [x + 55.0, 80.0]],
    }
}

fn photo(number: u64, path: &str, faces: Vec<Vec<f32>>) -> NewPhoto {
    let mut hash = [7; 32];
    hash[..8].copy_from_slice(&number.to_le_bytes());
    let faces = faces.into_iter().enumerate().map(|(i, face)| seen(face, 100.0 * i as f32)).collect();
    NewPhoto {
        photo: hash,
        file: PhotoFile { path: path.into(), size: number, modified: 1_700_000_000_000_000_000 },
        size: [640, 480],
        taken: None,
        looked: "detector".into(),
        faces: Some(faces),
        problem: None,
    }
}

fn archive(gallery: &Gallery) -> Archive {
    gallery.archive(&Deciding::default()).unwrap()
}

fn group(gallery: &Gallery) -> phiz_gallery::Grouped {
    let grouping = Grouping { rate: 1e-3, ..Grouping::default() };
    gallery.group_strangers(&archive(gallery), &grouping, &|_, _| ()).unwrap()
}

/// Names of the people of all sightings, in the order of their ids.
fn people(gallery: &Gallery) -> Vec<Option<u64>> {
    archive(gallery).decided.iter().map(|d| d.person().map(|p| p.0)).collect()
}

fn sound(gallery: &Gallery) {
    assert_eq!(gallery.check().unwrap(), Vec::<Fault>::new());
}

#[test]
fn photos_come_move_change_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    let mut random = Random::new(1);
    let face = |random: &mut Random| vec![stranger(random, DIM)];
    let first = gallery.keep_photos(&[photo(1, "/a/1.jpg", face(&mut random))]).unwrap();
    assert_eq!(first[0].1, Kept::New);
    // The same content elsewhere, without a look: a copy, and no second sighting.
    let known = |number: u64, path: &str| NewPhoto { faces: None, ..photo(number, path, vec![]) };
    assert_eq!(gallery.keep_photos(&[known(1, "/b/1.jpg")]).unwrap(), [(first[0].0, Kept::Copied)]);
    assert_eq!(gallery.keep_photos(&[known(1, "/b/1.jpg")]).unwrap()[0].1, Kept::Renewed);
    assert_eq!(gallery.keep_photos(&[known(9, "/b/9.jpg")]).unwrap()[0].1, Kept::Forgotten);
    let all = archive(&gallery);
    assert_eq!((all.photos.len(), all.sightings.len()), (1, 1));
    let files: Vec<PathBuf> = all.photos[&first[0].0].files.iter().map(|file| file.path.clone()).collect();
    assert_eq!(files, [PathBuf::from("/a/1.jpg"), "/b/1.jpg".into()]);
    // A copy is lost, then the other, and then it turns up elsewhere.
    assert_eq!(gallery.lose_files(&["/a/1.jpg".into(), "/none.jpg".into()]).unwrap(), 0);
    assert_eq!(gallery.lose_files(&["/b/1.jpg".into()]).unwrap(), 1);
    assert!(archive(&gallery).photos[&first[0].0].gone.is_some());
    assert_eq!(gallery.keep_photos(&[known(1, "/c/1.jpg")]).unwrap(), [(first[0].0, Kept::Moved)]);
    assert!(archive(&gallery).photos[&first[0].0].gone.is_none());
    // Another photo under its path: the former is gone.
    assert_eq!(gallery.keep_photos(&[photo(2, "/c/1.jpg", face(&mut random))]).unwrap()[0].1, Kept::New);
    let all = archive(&gallery);
    assert_eq!(all.photos.values().map(|p| p.gone.is_some()).collect::<Vec<_>>(), [true, false]);
    // Looked at by another detector: a face at the same place keeps its id, another is new.
    let mut again = photo(2, "/c/1.jpg", vec![stranger(&mut random, DIM), stranger(&mut random, DIM)]);
    again.looked = "another".into();
    gallery.keep_photos(&[again]).unwrap();
    let all = archive(&gallery);
    assert_eq!(all.sightings.iter().map(|s| s.id.0).collect::<Vec<_>>(), [1, 2, 3]);
    sound(&gallery);
    let unusable = gallery.keep_photos(&[NewPhoto {
        faces: Some(vec![NewSighting { quality: 1.5, ..seen(stranger(&mut random, DIM), 0.0) }]),
        ..photo(3, "/x.jpg", vec![])
    }]);
    assert_eq!(unusable.unwrap_err().kind(), ErrorKind::Caller);
}

#[test]
fn photos_that_are_sent_keep_their_faces_alone() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    let mut random = Random::new(11);
    let center = stranger(&mut random, DIM);
    let crop =
        |number: u64| format!("a crop of nobody, number {number}, long enough to be found").into_bytes();
    let send =
        |gallery: &Gallery, photo: &NewPhoto| gallery.keep_sent(photo, &[crop(photo.file.size)]).unwrap();
    // All have one name, as photos of a camera have.
    let photos: Vec<NewPhoto> =
        (1..=3).map(|i| photo(i, "camera.jpg", vec![near(&mut random, &center, 0.3)])).collect();
    let first = send(&gallery, &photos[0]);
    assert!(first.2 && first.1.len() == 1);
    assert_eq!(send(&gallery, &photos[0]), (first.0, first.1.clone(), false), "known by its content");
    photos[1..].iter().for_each(|photo| _ = send(&gallery, photo));
    assert_eq!(gallery.keep_sent(&photos[1], &[]).unwrap_err().kind(), ErrorKind::Caller);
    let sighting = first.1[0].id;
    assert_eq!(gallery.sighting_crop(sighting).unwrap(), Some(crop(1)));
    assert!(gallery.photos().unwrap().iter().all(|photo| photo.sent));
    assert_eq!(group(&gallery).born, [GroupId(1)]);
    // A lost file of that name takes none of them; a new key opens all.
    assert_eq!(gallery.lose_files(&["camera.jpg".into()]).unwrap(), 0);
    let other = phiz_gallery::Key::File(folder.path().join("other.key"));
    gallery.rotate_key(&other).unwrap();
    assert_eq!(gallery.sighting_crop(sighting).unwrap(), Some(crop(1)));
    sound(&gallery);
    // An archive takes them along.
    let out = folder.path().join("export");
    gallery.export(&out).unwrap();
    let moved = tempfile::tempdir().unwrap();
    let there = create(moved.path(), true);
    there.import(&out).unwrap();
    let photos_there = there.photos().unwrap();
    assert!(photos_there.len() == 3 && photos_there.iter().all(|photo| photo.sent), "{photos_there:?}");
    assert_eq!(there.sighting_crop(sighting).unwrap(), Some(crop(1)));
    there.import(&out).unwrap();
    assert_eq!(there.photos().unwrap(), photos_there, "nothing comes twice");
    sound(&there);
    // Forgotten, sent again, forgotten for good.
    gallery.forget_photo(first.0).unwrap();
    assert_eq!(gallery.forget_photo(first.0).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(send(&gallery, &photos[0]), (first.0, first.1.clone(), false));
    assert!(gallery.photo(first.0).unwrap().gone.is_none());
    gallery.forget_photo(first.0).unwrap();
    let purged = gallery.purge(Purge::All, true).unwrap();
    assert_eq!((purged.photos, purged.sightings), (1, 1));
    assert_eq!(purged.proof.unwrap().found, []);
    assert_eq!(gallery.sighting_crop(sighting).unwrap(), None);
    // A scan finds the same content in a file.
    let scanned = NewPhoto { faces: None, ..photo(2, "/a/2.jpg", vec![]) };
    let (id, _) = gallery.keep_photos(&[scanned]).unwrap()[0];
    let kept = gallery.photo(id).unwrap();
    assert_eq!((kept.sent, kept.files.len(), &*kept.files[0].path), (false, 1, Path::new("/a/2.jpg")));
    sound(&gallery);
}

#[test]
fn a_photo_that_was_scanned_and_forgotten_has_crops_once_it_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    let mut random = Random::new(13);
    let mut both = photo(1, "/a/1.jpg", vec![stranger(&mut random, DIM), stranger(&mut random, DIM)]);
    let faces = both.faces.as_mut().unwrap();
    // Beside each other.
    (faces[0].bbox, faces[1].bbox) = ([10.0, 10.0, 40.0, 50.0], [80.0, 10.0, 40.0, 50.0]);
    let (id, _) = gallery.keep_photos(&[both.clone()]).unwrap()[0];
    let seen = archive(&gallery).sightings.iter().map(|s| s.id).collect::<Vec<_>>();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|sighting| gallery.sighting_crop(*sighting).unwrap().is_none()));
    // While its file is there, crops are cut from that.
    let crops = [b"the left face".to_vec(), b"the right face".to_vec()];
    let sent = NewPhoto { file: photo(1, "camera.jpg", vec![]).file, ..both.clone() };
    gallery.keep_sent(&sent, &crops).unwrap();
    assert_eq!(gallery.sighting_crop(seen[0]).unwrap(), None);
    gallery.forget_photo(id).unwrap();
    // The detector names the faces in another order, and sees them a little elsewhere.
    let mut turned = sent.clone();
    turned.faces.as_mut().unwrap().reverse();
    turned.faces.as_mut().unwrap()[0].bbox[0] += 3.0;
    let reversed = [crops[1].clone(), crops[0].clone()];
    let (again, sightings, new) = gallery.keep_sent(&turned, &reversed).unwrap();
    assert_eq!((again, sightings.len(), new), (id, 2, false));
    assert_eq!(gallery.sighting_crop(seen[0]).unwrap().as_ref(), Some(&crops[0]));
    assert_eq!(gallery.sighting_crop(seen[1]).unwrap().as_ref(), Some(&crops[1]));
    let kept = gallery.photo(id).unwrap();
    assert!(kept.sent && kept.gone.is_none() && kept.files[0].path == Path::new("camera.jpg"), "{kept:?}");
    sound(&gallery);
    // With the photo, they go.
    gallery.forget_photo(id).unwrap();
    assert_eq!(gallery.purge(Purge::All, true).unwrap().proof.unwrap().found, []);
    assert_eq!(gallery.sighting_crop(seen[0]).unwrap(), None);
    sound(&gallery);
}

#[test]
fn what_is_only_judged_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    let mut random = Random::new(12);
    let center = stranger(&mut random, DIM);
    let rules = EnrollRules::default();
    let [one, two] = [0, 1].map(|_| face(near(&mut random, &center, 0.2)));
    let ana = gallery
        .enroll(&Target::Named("Ana".into()), std::slice::from_ref(&one), &rules)
        .unwrap()
        .person
        .unwrap();
    let before = gallery.mark().unwrap();
    let judged = gallery.judge_faces(&Target::Person(ana), &[one, two.clone()], &rules).unwrap();
    assert!(matches!(judged.faces[0], phiz_gallery::Outcome::Known { .. }), "{judged:?}");
    assert!(matches!(&judged.faces[1], phiz_gallery::Outcome::Added { own: Some(_), .. }), "{judged:?}");
    let judged = gallery.judge_faces(&Target::New(Details::named("Eve")), &[two], &rules).unwrap();
    let phiz_gallery::Outcome::Added { similar, .. } = &judged.faces[0] else { panic!("{judged:?}") };
    assert_eq!(similar[0].person, ana);
    let nobody = gallery.judge_faces(&Target::Person(PersonId(99)), &[], &rules);
    assert_eq!(nobody.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!((gallery.len().unwrap(), gallery.history().unwrap().len()), (1, 1));
    assert_eq!(gallery.mark().unwrap(), before, "no transaction lasted");
}

#[cfg(unix)]
#[test]
fn paths_that_are_no_text_are_kept() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(b"/a/\xff\n.jpg"));
    let mut one = photo(1, "", vec![]);
    one.file.path = path.clone();
    gallery.keep_photos(&[one]).unwrap();
    assert_eq!(gallery.photos().unwrap()[0].files[0].path, path);
    assert_eq!(gallery.lose_files(&[path]).unwrap(), 1);
}

#[test]
fn who_is_known_follows_what_is_learnt_without_a_photo() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    let mut random = Random::new(2);
    let [ana, ben] = [0, 1].map(|_| stranger(&mut random, DIM));
    let of = |random: &mut Random, center: &[f32]| near(random, center, 0.3);
    let photos: Vec<NewPhoto> = (0..4)
        .map(|i| {
            let faces = vec![of(&mut random, &ana), of(&mut random, &ben), stranger(&mut random, DIM)];
            photo(i, &format!("/{i}.jpg"), faces)
        })
        .collect();
    gallery.keep_photos(&photos).unwrap();
    assert_eq!(people(&gallery), [None; 12]);
    let rules = EnrollRules::default();
    let faces = [face(of(&mut random, &ana)), face(of(&mut random, &ana))];
    let enrolled = gallery.enroll(&Target::Named("Ana".into()), &faces, &rules).unwrap();
    let wanted: Vec<Option<u64>> = (0..12).map(|i| (i % 3 == 0).then_some(1)).collect();
    assert_eq!(people(&gallery), wanted);
    let all = archive(&gallery);
    assert!(all.decided.iter().all(|d| d.person().is_none() || d.by == DecidedBy::Similarity));
    assert!(all.decided[0].face.is_some_and(|f| f.0 <= 2), "the face that carried the match is named");
    // "That is not Ana" counts at once, and so does taking it back.
    let first = NewFace::new(all.templates[0].clone(), 0.5);
    let (_, said) = gallery.add_negative(PersonId(1), &first).unwrap();
    assert_eq!(people(&gallery)[0], None);
    gallery.undo(Some(said)).unwrap();
    assert_eq!(people(&gallery), wanted);
    // It is the same after reopening, and after the key was changed.
    gallery.rotate_key(&key(folder.path(), true)).unwrap();
    drop(gallery);
    let gallery = open(folder.path(), true);
    assert_eq!(people(&gallery), wanted);
    sound(&gallery);
    gallery.undo(enrolled.operation).unwrap();
    assert_eq!(people(&gallery), [None; 12]);
    // A face that was enrolled from a photo is that person there, however unlike the others it is.
    let odd = NewFace { photo: Some(photos[1].photo), ..NewFace::new(all.templates[5].clone(), 0.5) };
    gallery.enroll(&Target::Named("Zoë".into()), &[odd], &rules).unwrap();
    let all = archive(&gallery);
    assert_eq!((all.decided[5].by, all.decided[5].person()), (DecidedBy::Statement, Some(PersonId(2))));
}

#[test]
fn a_person_is_in_a_photo_once() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), false);
    let mut random = Random::new(3);
    let ana = stranger(&mut random, DIM);
    let faces: Vec<NewFace> = (0..3).map(|_| face(near(&mut random, &ana, 0.2))).collect();
    gallery.enroll(&Target::Named("Ana".into()), &faces, &EnrollRules::default()).unwrap();
    let (well, less) = (near(&mut random, &ana, 0.1), near(&mut random, &ana, 0.5));
    gallery.keep_photos(&[photo(1, "/1.jpg", vec![less, well])]).unwrap();
    assert_eq!(people(&gallery), [None, Some(1)]);
    let twins = gallery.archive(&Deciding { twins: true, ..Deciding::default() }).unwrap();
    assert_eq!(twins.decided.iter().filter(|d| d.person().is_some()).count(), 2);
    // Who was said to be Ana is; the other then is not, though it is more like her.
    let first = archive(&gallery).sightings[0].id;
    let said = gallery.confirm(first, PersonId(1)).unwrap();
    assert_eq!(people(&gallery), [Some(1), None]);
    gallery.undo(Some(said)).unwrap();
    assert_eq!(people(&gallery), [None, Some(1)]);
    sound(&gallery);
}

/// A face that resembles Ana a little is not hers if it resembles a stranger more who is not Ana.
#[test]
fn a_stranger_outvotes_a_weak_likeness() {
    let axis = |ana: f32, other: f32| {
        let mut vector = vec![0.0; DIM];
        (vector[0], vector[1]) = (ana, other);
        vector
    };
    let at = |ana: f32| axis(ana, (1.0 - ana * ana).sqrt());
    let mut random = Random::new(21);
    let mut around = |ana: f32| near(&mut random, &at(ana), 0.1);
    // A stranger in five photos, whom one face shows unlike the others: its likeness to Ana is enough for a name.
    let faces: Vec<Vec<f32>> = vec![around(0.2), around(0.2), around(0.15), around(0.2), at(0.5)];
    let ana: Vec<NewFace> = (0..3).map(|_| face(near(&mut Random::new(22), &at(1.0), 0.1))).collect();
    let enrol = |gallery: &Gallery| {
        gallery.enroll(&Target::Named("Ana".into()), &ana[..1], &EnrollRules::default()).unwrap();
    };
    let scan = |gallery: &Gallery, from: usize| {
        let photos = faces.iter().enumerate().skip(from);
        let photos: Vec<NewPhoto> =
            photos.map(|(i, face)| photo(i as u64, &format!("/{i}.jpg"), vec![face.clone()])).collect();
        gallery.keep_photos(&photos).unwrap();
        group(gallery);
    };
    for enrolled_first in [false, true] {
        let gallery = Gallery::in_memory(&model()).unwrap();
        if enrolled_first {
            enrol(&gallery);
            gallery.keep_photos(&[photo(4, "/4.jpg", vec![faces[4].clone()])]).unwrap();
            assert_eq!(people(&gallery), [Some(1)], "alone it is Ana");
        }
        scan(&gallery, 0);
        if !enrolled_first {
            enrol(&gallery);
        }
        let all = archive(&gallery);
        let odd =
            all.sightings.iter().position(|s| all.photos[&s.photo].files[0].path == Path::new("/4.jpg"));
        let odd = odd.unwrap();
        assert_eq!((all.decided[odd].by, all.decided[odd].person()), (DecidedBy::Stranger, None));
        assert_eq!(all.decided[odd].best, Some(PersonId(1)), "whom it resembles is still told");
        assert!(all.decided.iter().all(|decided| decided.person().is_none()));
        // The stranger is Ana after all.
        let number = all.strangers(false)[0].0.id;
        gallery
            .name_group(number, &Target::Person(PersonId(1)), &[face(at(0.2))], &EnrollRules::default())
            .unwrap();
        assert!(archive(&gallery).decided.iter().all(|decided| decided.person() == Some(PersonId(1))));
        sound(&gallery);
    }
}

/// Photos of people with many photos and of people with one, in one order.
fn crowd(random: &mut Random) -> (Vec<NewPhoto>, Vec<usize>) {
    let (mut photos, mut truth) = (Vec::new(), Vec::new());
    for person in 0..26 {
        let center = stranger(random, DIM);
        for _ in 0..if person < 6 { 6 } else { 1 } {
            let number = photos.len() as u64;
            photos.push(photo(number, &format!("/{number}.jpg"), vec![near(random, &center, 0.3)]));
            truth.push(person);
        }
    }
    (photos, truth)
}

#[test]
fn strangers_keep_their_numbers_over_shuffled_runs() {
    let (photos, truth) = crowd(&mut Random::new(4));
    for seed in 0..10 {
        let gallery = Gallery::in_memory(&model()).unwrap();
        let mut order: Vec<usize> = (0..photos.len()).collect();
        Random::new(100 + seed).shuffle(&mut order);
        let mut numbers: BTreeMap<SightingId, GroupId> = BTreeMap::new();
        for batch in order.chunks(9) {
            let batch: Vec<NewPhoto> = batch.iter().map(|i| photos[*i].clone()).collect();
            gallery.keep_photos(&batch).unwrap();
            group(&gallery);
            let all = archive(&gallery);
            for (sighting, number) in numbers.iter() {
                let own = all.group(*number).unwrap();
                assert!(own.sightings.contains(sighting), "seed {seed}: {sighting} left {number}");
            }
            numbers = all.group_of();
        }
        let all = archive(&gallery);
        let person = |place: &usize| truth[all.photos[&all.sightings[*place].photo].files[0].size as usize];
        let strangers = all.strangers(false);
        assert_eq!(strangers.len(), 6, "seed {seed}");
        for (own, places) in strangers {
            let who: BTreeSet<usize> = places.iter().map(person).collect();
            assert_eq!((who.len(), places.len()), (1, 6), "seed {seed}: {own:?}");
        }
        sound(&gallery);
    }
}

#[test]
fn strangers_are_named_ignored_joined_and_split_and_all_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    let (photos, _) = crowd(&mut Random::new(5));
    gallery.keep_photos(&photos).unwrap();
    assert_eq!(group(&gallery).born.len(), 6);
    let numbers = |ignored: bool| -> Vec<(u64, usize)> {
        archive(&gallery).strangers(ignored).iter().map(|(g, places)| (g.id.0, places.len())).collect()
    };
    let before = numbers(false);
    assert_eq!(before, [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6), (6, 6)]);
    // Ignoring.
    let ignored = gallery.ignore_group(GroupId(2), true).unwrap();
    assert_eq!((numbers(false).len(), numbers(true)), (5, vec![(2, 6)]));
    assert_eq!(gallery.ignore_group(GroupId(2), true).unwrap_err().kind(), ErrorKind::Conflict);
    gallery.undo(Some(ignored)).unwrap();
    assert_eq!(numbers(false), before);
    // Joining: both numbers stand for one.
    let joined = gallery.join_groups(GroupId(1), GroupId(3)).unwrap();
    assert_eq!(numbers(false)[0], (1, 12));
    assert_eq!(archive(&gallery).group(GroupId(3)).unwrap().id, GroupId(1));
    assert_eq!(gallery.join_groups(GroupId(3), GroupId(1)).unwrap_err().kind(), ErrorKind::Caller);
    assert_eq!(gallery.ignore_group(GroupId(99), true).unwrap_err().kind(), ErrorKind::NotFound);
    sound(&gallery);
    gallery.undo(Some(joined)).unwrap();
    assert_eq!(numbers(false), before);
    // Splitting: what was split does not come back when more is grouped.
    let four = archive(&gallery).group(GroupId(4)).unwrap().sightings.clone();
    let (new, split) = gallery.split_group(GroupId(4), &four[..3]).unwrap();
    assert_eq!(new, GroupId(7));
    let more = photo(900, "/900.jpg", vec![archive(&gallery).templates[18].vector().to_vec()]);
    gallery.keep_photos(&[more]).unwrap();
    assert_eq!(group(&gallery).merged, []);
    let sizes: Vec<usize> =
        numbers(false).into_iter().filter(|(n, _)| *n == 4 || *n == 7).map(|(_, s)| s).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 7);
    assert_eq!(gallery.split_group(GroupId(5), &four[..1]).unwrap_err().kind(), ErrorKind::Conflict);
    assert!(gallery.split_group(GroupId(5), &[]).is_err());
    gallery.undo(Some(split)).unwrap();
    assert!(numbers(false).iter().any(|(number, size)| *number == 4 && *size >= 6));
    sound(&gallery);
    // Naming.
    let all = archive(&gallery);
    let five = all.group(GroupId(5)).unwrap().sightings.clone();
    let faces: Vec<NewFace> =
        five[..2].iter().map(|s| NewFace::new(all.templates[all.place(*s).unwrap()].clone(), 0.8)).collect();
    let rules = EnrollRules::default();
    let named = gallery.name_group(GroupId(5), &Target::Named("Postman".into()), &faces, &rules).unwrap();
    let postman = named.enrolled.person.unwrap();
    let all = archive(&gallery);
    let person = |s: &SightingId| all.decided[all.place(*s).unwrap()].person();
    assert!(five.iter().all(|s| person(s) == Some(postman)));
    assert!(!numbers(false).iter().any(|(number, _)| *number == 5));
    assert_eq!(
        gallery.name_group(GroupId(5), &Target::Named("X".into()), &faces, &rules).unwrap_err().kind(),
        ErrorKind::Conflict
    );
    // The group goes with its person when people are merged, and comes back when the person is removed.
    let other = gallery.enroll(
        &Target::New(Details::named("Ben")),
        &[face(stranger(&mut Random::new(6), DIM))],
        &rules,
    );
    let other = other.unwrap().person.unwrap();
    let merged = gallery.merge(other, postman).unwrap();
    assert_eq!(archive(&gallery).group(GroupId(5)).unwrap().person, Some(other));
    sound(&gallery);
    gallery.undo(Some(merged)).unwrap();
    let removed = gallery.remove_person(postman).unwrap();
    assert!(numbers(false).iter().any(|(number, size)| *number == 5 && *size == 6));
    gallery.undo(Some(removed)).unwrap();
    gallery.undo(Some(named.operation)).unwrap();
    assert!(numbers(false).iter().any(|(number, size)| *number == 5 && *size == 6));
    assert_eq!(gallery.named("Postman").unwrap().len(), 0);
    sound(&gallery);
}

#[test]
fn what_was_seen_in_photos_that_are_gone_is_destroyed_and_proved_so() {
    for sealed in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let gallery = create(folder.path(), sealed);
        let (photos, _) = crowd(&mut Random::new(7));
        gallery.keep_photos(&photos).unwrap();
        group(&gallery);
        let paths: Vec<PathBuf> = photos[..8].iter().map(|photo| photo.file.path.clone()).collect();
        assert_eq!(gallery.lose_files(&paths).unwrap(), 8);
        // Not yet: it can turn up elsewhere.
        assert_eq!(gallery.purge(Purge::OlderThan { days: 30 }, true).unwrap().photos, 0);
        let purged = gallery.purge(Purge::All, true).unwrap();
        assert_eq!((purged.photos, purged.sightings), (8, 8));
        let proof = purged.proof.unwrap();
        assert!(proof.pieces >= 8 && proof.found.is_empty(), "sealed {sealed}: {proof:?}");
        let all = archive(&gallery);
        assert_eq!((all.photos.len(), all.sightings.len()), (photos.len() - 8, photos.len() - 8));
        // The first person's group has lost all its faces, the second's two.
        assert_eq!(all.group(GroupId(1)).unwrap().sightings.len(), 0);
        assert_eq!(all.group(GroupId(2)).unwrap().sightings.len(), 4);
        sound(&gallery);
        // The bytes that are looked for are those that lay there: with the photos they are found.
        gallery.set_undo_days(0).unwrap();
        assert_eq!(gallery.lose_files(&[photos[9].file.path.clone()]).unwrap(), 1);
        assert_eq!(archive(&gallery).photos.len(), photos.len() - 9, "nothing is kept for undoing");
    }
}

/// Who is removed for good is not in the archive any more either: neither what was said to be them nor what resembled them.
#[test]
fn what_was_seen_of_a_removed_person_is_destroyed_with_them() {
    for sealed in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let gallery = create(folder.path(), sealed);
        let (photos, truth) = crowd(&mut Random::new(15));
        gallery.keep_photos(&photos).unwrap();
        group(&gallery);
        let all = archive(&gallery);
        let number = all.group_of()[&all.sightings[0].id];
        let vector = |place: usize| all.templates[place].vector().to_vec();
        let faces = [face(vector(0)), face(vector(1))];
        gallery.name_group(number, &Target::Named("Ana".into()), &faces, &EnrollRules::default()).unwrap();
        // Another, of whom nothing was said.
        let other = truth.iter().position(|person| *person == 1).unwrap();
        let faces = [face(vector(other)), face(vector(other + 1))];
        gallery.enroll(&Target::Named("Ben".into()), &faces, &EnrollRules::default()).unwrap();
        let shown =
            |gallery: &Gallery, person: u64| people(gallery).iter().filter(|p| **p == Some(person)).count();
        let (ana, ben) = (shown(&gallery, 1), shown(&gallery, 2));
        assert!(ana >= 6 && ben >= 4, "{ana} {ben}");
        let edits =
            [phiz_gallery::Edit::RemovePerson(PersonId(1)), phiz_gallery::Edit::RemovePerson(PersonId(2))];
        let purged = gallery.apply_and_purge(&edits, true).unwrap();
        let proof = purged.proof.unwrap();
        assert!(proof.found.is_empty() && proof.pieces >= ana + ben, "sealed {sealed}: {proof:?}");
        assert_eq!((purged.sightings, purged.photos), (ana + ben, 0));
        let left = archive(&gallery);
        assert_eq!(left.sightings.len(), photos.len() - ana - ben);
        assert_eq!(left.photos.len(), photos.len(), "the photos are known, and not looked at again");
        assert_eq!(left.group(number).unwrap().sightings.len(), 0);
        sound(&gallery);
    }
}

const FOLDER: &str = "PHIZ_SCAN_FOLDER";
/// Photos of the child's archive.
const MANY: u64 = 4000;

fn of_child(number: u64) -> NewPhoto {
    let mut random = Random::new(number);
    let faces = (0..1 + number % 3).map(|_| stranger(&mut random, DIM)).collect();
    photo(number, &format!("/{number}.jpg"), faces)
}

/// The child: keeps photos in small transactions, from where the archive ends, and says how far it got.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let gallery = open(Path::new(&folder), true);
    let known: BTreeSet<PathBuf> =
        gallery.photos().unwrap().into_iter().flat_map(|p| p.files.into_iter().map(|f| f.path)).collect();
    let due: Vec<u64> = (0..MANY).filter(|n| !known.contains(Path::new(&format!("/{n}.jpg")))).collect();
    let mut out = std::io::stdout().lock();
    for (batch, numbers) in due.chunks(5).enumerate() {
        let photos: Vec<NewPhoto> = numbers.iter().map(|n| of_child(*n)).collect();
        gallery.keep_photos(&photos).unwrap();
        writeln!(out, "kept {}", numbers.last().unwrap()).unwrap();
        out.flush().unwrap();
        if batch % 20 == 19 {
            group(&gallery);
        }
    }
    writeln!(out, "finished").unwrap();
}

/// Killed at random moments, again and again: nothing twice, nothing lost. `PHIZ_CRASH_ROUNDS` sets how often.
#[test]
fn a_scan_that_is_killed_goes_on() {
    let rounds: u64 = std::env::var("PHIZ_CRASH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(15);
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path(), true));
    let mut random = Random::new(std::process::id().into());
    let mut acknowledged = BTreeSet::new();
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pipe = BufReader::new(child.stdout.take().unwrap());
        // A machine that does other work needs longer until anything happens.
        let patience = if acknowledged.is_empty() { 300 * round } else { 0 };
        let wait = Duration::from_millis(20 + patience + random.below(200) as u64);
        let killer = std::thread::spawn(move || {
            std::thread::sleep(wait);
            _ = child.kill();
            child.wait().unwrap();
        });
        for line in pipe.lines().map_while(Result::ok) {
            if let Some(number) = line.split("kept ").nth(1) {
                acknowledged.insert(number.trim().parse::<u64>().unwrap());
            }
        }
        killer.join().unwrap();
        let gallery = open(folder.path(), true);
        let all = archive(&gallery);
        let mut paths = BTreeSet::new();
        for photo in all.photos.values() {
            assert!(paths.insert(photo.files[0].path.clone()), "round {round}: twice");
        }
        for number in &acknowledged {
            assert!(paths.contains(Path::new(&format!("/{number}.jpg"))), "round {round}: {number} is lost");
        }
        let faces: u64 = all.photos.values().map(|photo| 1 + photo.files[0].size % 3).sum();
        assert_eq!(all.sightings.len() as u64, faces, "round {round}: a photo is there by half");
        if round % 5 == 0 {
            sound(&gallery);
        }
    }
    assert!(!acknowledged.is_empty(), "no child came to anything");
}

/// The numbers of all groups that are no other's, their persons' names, and the paths of their photos.
fn told(gallery: &Gallery) -> Vec<(u64, bool, Option<String>, Vec<PathBuf>)> {
    let all = archive(gallery);
    let name = |id: PersonId| gallery.person(id).unwrap().details.name;
    let path =
        |id: &SightingId| all.photos[&all.sightings[all.place(*id).unwrap()].photo].files[0].path.clone();
    let open = all.groups.iter().filter(|group| group.into.is_none() && !group.sightings.is_empty());
    let mut told: Vec<_> = open
        .map(|group| {
            let mut paths: Vec<PathBuf> = group.sightings.iter().map(path).collect();
            paths.sort();
            (group.id.0, group.ignored, group.person.map(name), paths)
        })
        .collect();
    told.sort();
    told
}

#[test]
fn what_was_scanned_moves_to_another_machine() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let gallery = create(folder.path(), true);
    let (photos, _) = crowd(&mut Random::new(11));
    gallery.keep_photos(&photos).unwrap();
    group(&gallery);
    // One is named, one ignored, two are joined, one is split, and a photo is gone.
    let all = archive(&gallery);
    let numbers: Vec<GroupId> = all.strangers(false).iter().map(|(group, _)| group.id).collect();
    assert_eq!(numbers.len(), 6);
    let faces: Vec<NewFace> = all
        .group(numbers[0])
        .unwrap()
        .sightings
        .iter()
        .map(|id| face(all.templates[all.place(*id).unwrap()].vector().to_vec()))
        .collect();
    gallery
        .name_group(numbers[0], &Target::Named("Ana".into()), &faces[..2], &EnrollRules::default())
        .unwrap();
    gallery.ignore_group(numbers[1], true).unwrap();
    gallery.join_groups(numbers[2], numbers[3]).unwrap();
    let first = all.group(numbers[4]).unwrap().sightings[..2].to_vec();
    let (new, _) = gallery.split_group(numbers[4], &first).unwrap();
    gallery.lose_files(&[photos[55].file.path.clone()]).unwrap();
    let head = gallery.export(&at("archive")).unwrap();
    assert_eq!((head.format, head.people, head.groups), (2, 1, 7));
    assert_eq!((head.photos, head.sightings), (photos.len() - 1, photos.len() - 1));

    // On a new machine all is there, under the same numbers, and nothing is grouped or asked again.
    let made = Gallery::create_from_archive(&at("new.phiz"), &at("archive"), &Key::File(at("new.key")));
    let (moved, done) = made.unwrap();
    assert_eq!((done.photos, done.sightings, done.groups), (head.photos, head.sightings, 7));
    assert_eq!(done.renumbered, []);
    let (is, was) = (told(&moved), told(&gallery));
    let gone =
        |paths: &Vec<PathBuf>| paths.iter().filter(|path| **path != photos[55].file.path).cloned().collect();
    let was: Vec<_> =
        was.iter().map(|(id, ignored, name, paths)| (*id, *ignored, name.clone(), gone(paths))).collect();
    assert_eq!(is, was);
    assert_eq!(
        archive(&moved).group(numbers[3]).unwrap().id,
        numbers[2],
        "a number that stands for another still does"
    );
    assert!(archive(&moved).group(new).unwrap().apart.contains(&numbers[4]));
    let ana = |gallery: &Gallery| people(gallery).iter().filter(|p| **p == Some(1)).count();
    assert_eq!(ana(&moved), ana(&gallery));
    assert_eq!(group(&moved).born, []);
    sound(&moved);
    // The photos lie elsewhere: they are known by their content.
    let elsewhere = NewPhoto {
        faces: None,
        file: PhotoFile { path: "/other/0.jpg".into(), ..photos[0].file.clone() },
        ..photos[0].clone()
    };
    assert_eq!(moved.keep_photos(&[elsewhere]).unwrap()[0].1, Kept::Copied);

    // Taken in a second time, nothing is new; and taken back, the people go and what was seen stays.
    let again = moved.import(&at("archive")).unwrap();
    assert_eq!((again.photos, again.known_photos, again.sightings, again.groups), (0, head.photos, 0, 0));
    assert_eq!(again.operation, None);
    moved.undo(done.operation).unwrap();
    assert_eq!(moved.named("Ana").unwrap().len(), 0);
    assert_eq!(archive(&moved).photos.len(), head.photos);
    assert!(told(&moved).iter().any(|(id, _, name, _)| *id == numbers[0].0 && name.is_none()));
    sound(&moved);

    // A gallery that has strangers of its own keeps their numbers.
    let other = Gallery::in_memory(&model()).unwrap();
    let (own, _) = crowd(&mut Random::new(12));
    let own: Vec<NewPhoto> = own
        .into_iter()
        .map(|mut photo| {
            photo.photo[31] = 1;
            photo.file.path = PathBuf::from("/own").join(photo.file.path.strip_prefix("/").unwrap());
            photo
        })
        .collect();
    other.keep_photos(&own).unwrap();
    group(&other);
    let before = told(&other);
    let done = other.import(&at("archive")).unwrap();
    assert_eq!(
        (done.photos, done.groups),
        (head.photos, 6),
        "what only stands for another number is left out"
    );
    assert_eq!(done.renumbered.len(), 6);
    let after = told(&other);
    assert!(before.iter().all(|group| after.contains(group)), "{after:?}");
    assert_eq!(after.len(), before.len() + 6);
    sound(&other);
}

/// An archive that somebody has damaged by hand takes in nothing, and names what is wrong.
#[test]
fn a_damaged_archive_of_photos_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), false);
    let (photos, _) = crowd(&mut Random::new(13));
    gallery.keep_photos(&photos).unwrap();
    group(&gallery);
    let archive_at = folder.path().join("archive");
    gallery.export(&archive_at).unwrap();
    for (file, from, to, says) in [
        ("photos.jsonl", "\"photo\":\"", "\"photo\":\"zz", "has no SHA-256"),
        ("sightings.jsonl", "\"quality\":0.8", "\"quality\":8.5", "has no quality"),
        ("sightings.jsonl", "\"photo\":\"i1\"", "\"photo\":\"i999\"", "is in photo i999"),
        ("groups.jsonl", "\"stranger\":1", "\"stranger\":\"x\"", "line 1"),
    ] {
        let (path, head) = (archive_at.join(file), archive_at.join("archive.json"));
        let (was, head_was) =
            (std::fs::read_to_string(&path).unwrap(), std::fs::read_to_string(&head).unwrap());
        let changed = was.replacen(from, to, 1);
        assert_ne!(changed, was, "{file} has no {from}");
        std::fs::write(&path, &changed).unwrap();
        let made = || Gallery::create_from_archive(&folder.path().join("x.phiz"), &archive_at, &Key::None);
        assert_eq!(made().unwrap_err().kind(), ErrorKind::Damaged, "by its digest");
        let digest = |text: &str| phiz_gallery_digest(text.as_bytes());
        std::fs::write(&head, head_was.replace(&digest(&was), &digest(&changed))).unwrap();
        let error = made().unwrap_err();
        assert!(error.kind() == ErrorKind::Damaged && error.to_string().contains(says), "{file}: {error}");
        assert!(error.to_string().contains(file), "{error}");
        assert!(!folder.path().join("x.phiz").exists());
        std::fs::write(&path, &was).unwrap();
        std::fs::write(&head, &head_was).unwrap();
    }
}

fn phiz_gallery_digest(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

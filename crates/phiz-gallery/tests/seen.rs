//! Strangers whom a camera sees, and what other parts of Phiz keep in the gallery.
#![allow(clippy::unwrap_used)]

mod common;

use common::{DIM, create, face, key, open, stranger, template};
use phiz_eval::random::Random;
use phiz_gallery::{
    Deciding, EnrollRules, ErrorKind, Fault, Gallery, GroupId, Key, Memo, NewPhoto, NewSighting, PhotoFile,
    SightingId, Target,
};

fn view(number: u64, vector: &[f32]) -> NewPhoto {
    let mut hash = [9; 32];
    hash[..8].copy_from_slice(&number.to_le_bytes());
    let file =
        PhotoFile { path: format!("rtsp://door at {number}").into(), size: 0, modified: number as i64 };
    NewPhoto {
        photo: hash,
        file,
        size: [640, 480],
        taken: Some(1_700_000_000),
        looked: "video".into(),
        faces: Some(vec![NewSighting {
            template: template(vector),
            quality: 0.8,
            bbox: [10.0, 10.0, 80.0, 100.0],
            score: 1.0,
            landmarks: [[0.0; 2]; 5],
        }]),
        problem: None,
    }
}

fn sound(gallery: &Gallery) {
    assert_eq!(gallery.check().unwrap(), Vec::<Fault>::new());
}

#[test]
fn a_stranger_keeps_the_number_and_can_be_named_joined_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    let mut random = Random::new(5);
    let (a, b) = (stranger(&mut random, DIM), stranger(&mut random, DIM));
    let (first, _) = gallery.see_stranger(&view(1, &a), None).unwrap();
    let (second, seen) = gallery.see_stranger(&view(2, &b), None).unwrap();
    assert_ne!(first, second);
    assert_eq!(gallery.see_stranger(&view(3, &a), Some(first)).unwrap().0, first);
    drop(gallery);
    let gallery = open(folder.path(), true);
    let views = gallery.stranger_views().unwrap();
    let counts: Vec<(GroupId, usize)> = views.iter().map(|one| (one.group, one.views.len())).collect();
    assert_eq!(counts, [(first, 2), (second, 1)]);
    assert_eq!(views[1].views[0].0.vector(), template(&b).vector());
    // The archive knows them as it knows those of photos.
    let archive = gallery.archive(&Deciding::default()).unwrap();
    assert_eq!(archive.group_of().get(&seen), Some(&second));
    sound(&gallery);

    // Joined: the number stands for the other one, for whoever still uses it.
    gallery.join_groups(first, second).unwrap();
    assert_eq!(gallery.see_stranger(&view(4, &b), Some(second)).unwrap().0, first);
    assert_eq!(gallery.stranger_views().unwrap().len(), 1);
    // Named: nobody any more, and a view that comes late is the person's.
    gallery
        .name_group(first, &Target::Named("Post".into()), &[face(a.clone())], &EnrollRules::default())
        .unwrap();
    assert!(gallery.stranger_views().unwrap().is_empty());
    assert_eq!(gallery.see_stranger(&view(5, &a), Some(first)).unwrap().0, first);
    // A new number is never an old one, also when everything was forgotten.
    let paths: Vec<_> = (1..=5).map(|n| format!("rtsp://door at {n}").into()).collect();
    assert_eq!(gallery.lose_files(&paths).unwrap(), 5);
    let (third, _) = gallery.see_stranger(&view(6, &b), None).unwrap();
    assert!(third > second);
    sound(&gallery);

    let none = NewPhoto { faces: Some(Vec::new()), ..view(7, &a) };
    assert_eq!(gallery.see_stranger(&none, None).unwrap_err().kind(), ErrorKind::Caller);
    let missing = gallery.see_stranger(&view(8, &a), Some(GroupId(999))).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(gallery.sighting(SightingId(99)).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(gallery.photos().unwrap().len(), 6, "what fails leaves nothing behind");
}

#[test]
fn what_others_keep_is_sealed_and_comes_along_when_the_key_changes() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = create(folder.path(), true);
    assert_eq!(gallery.memo(Memo::Streams).unwrap(), None);
    let secret = b"rtsp://ana:s3cret-word@camera";
    gallery.change_memo(Memo::Streams, |kept| *kept = Some(secret.to_vec())).unwrap();
    let beside = gallery.key_beside().unwrap();
    assert_eq!(gallery.key_beside().unwrap(), beside, "it stays the same");
    let holds = |word: &[u8]| {
        let files = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|file| std::fs::read(file.unwrap().path()).unwrap());
        files.into_iter().any(|bytes| bytes.windows(word.len()).any(|part| part == word))
    };
    assert!(!holds(b"s3cret-word"));
    gallery.rotate_key(&Key::File(folder.path().join("new.key"))).unwrap();
    assert_eq!(gallery.memo(Memo::Streams).unwrap().as_deref(), Some(&secret[..]));
    drop(gallery);
    let new = Key::File(folder.path().join("new.key"));
    let gallery = Gallery::open(&folder.path().join("g.phiz"), &new).unwrap();
    assert_eq!(gallery.key_beside().unwrap(), beside);
    sound(&gallery);
    gallery.change_memo(Memo::Streams, |kept| *kept = None).unwrap();
    assert_eq!(gallery.memo(Memo::Streams).unwrap(), None);
    assert!(Gallery::open(&folder.path().join("g.phiz"), &key(folder.path(), true)).is_err());
}

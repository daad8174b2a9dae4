//! Every decision about a photo, taken without a terminal: which face is meant, what may be enrolled, who it is, whether it
//! is the same person, where the gallery lies. All people are synthetic (`fixtures/README.md`).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use phiz_face::{Analyzer, Model};
use phiz_gallery::{Details, Filter, Gallery, Rate, Seal, Target};
use phiz_image::{DecodeOptions, Image, Limits};
use phiz_service::{
    Choice, Code, DoubtAnswer, EnrolEvent, EnrolOptions, Error, IdentifyOptions, Looking, PersonPhotos,
    Photo, PhotoResult, Place, Problem, Service, Verdict, VerifyOptions,
};
use phiz_synth::{FaceModel, Scene, SceneOptions};
use tempfile::TempDir;

static SERVICE: LazyLock<Service> = LazyLock::new(|| Service::new().unwrap());

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

fn of(person: &str, number: usize) -> Photo {
    Photo::from_path(fixture(&format!("people/{person}/{number}.jpg")))
}

/// A photo of people, each with so many pixels from forehead to chin.
fn scene(people: &[u64], heights: (f32, f32), seed: u64) -> Scene {
    let options = SceneOptions { people: people.to_vec(), face_height: heights, ..SceneOptions::default() };
    Scene::compose(FaceModel::bundled(), &options, seed).unwrap()
}

fn photo_of(image: &Image) -> Photo {
    Photo::from_bytes("made", image.encode_png().unwrap())
}

/// A gallery in memory of these people by their first two photos.
fn gallery(people: &[&str]) -> Gallery {
    let gallery = SERVICE.gallery_in_memory().unwrap();
    for person in people {
        let answer = SERVICE
            .enrol(&gallery, person, &[of(person, 1), of(person, 2)], &EnrolOptions::default())
            .unwrap();
        assert_eq!(answer.enrolled(), 2, "{answer:?}");
    }
    gallery
}

fn enrol(gallery: &Gallery, name: &str, photo: Photo, options: &EnrolOptions) -> PhotoResult {
    SERVICE.enrol(gallery, name, &[photo], options).unwrap().photos.remove(0).result
}

fn refusal(result: PhotoResult) -> Problem {
    match result {
        PhotoResult::Refused { error, .. } => error,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn the_face_that_is_meant() {
    let party = SERVICE.decode(&Photo::from_path(fixture("party.jpg")), &Looking::default()).unwrap();
    let faces = SERVICE.faces(&party, &Looking::default()).unwrap();
    assert_eq!(faces.len(), 6);
    let chosen = |choice| SERVICE.face(&party, &Looking::default(), choice).map(|face| face.detection.bbox);
    assert_eq!(chosen(Choice::Dominant).unwrap_err().code(), Code::SeveralFaces);
    assert_eq!(chosen(Choice::Largest).unwrap(), faces[0].detection.bbox);
    for (number, face) in faces.iter().enumerate() {
        let [x, y, w, h] = face.detection.bbox;
        assert_eq!(chosen(Choice::Number(number + 1)).unwrap(), face.detection.bbox, "number {number}");
        assert_eq!(chosen(Choice::At([x + w / 2.0, y + h / 2.0])).unwrap(), face.detection.bbox);
    }
    for none in [Choice::Number(0), Choice::Number(7), Choice::At([-5.0, 3.0]), Choice::At([1e9, 1e9])] {
        assert_eq!(chosen(none).unwrap_err().code(), Code::NoSuchFace, "{none:?}");
    }
    // One face needs no choice; where there is none, no choice helps.
    let one = SERVICE.decode(&of("Ada", 1), &Looking::default()).unwrap();
    assert!(SERVICE.face(&one, &Looking::default(), Choice::Dominant).is_ok());
    let nobody = SERVICE.decode(&Photo::from_path(fixture("nobody.jpg")), &Looking::default()).unwrap();
    for choice in [Choice::Dominant, Choice::Largest, Choice::Number(1)] {
        let problem = SERVICE.face(&nobody, &Looking::default(), choice).unwrap_err();
        assert!(matches!(problem.code(), Code::NoFace | Code::NoSuchFace), "{choice:?}: {problem}");
    }
}

#[test]
fn what_may_be_enrolled() {
    let gallery = gallery(&[]);
    let small = scene(&[5], (26.0, 28.0), 3).image;
    let problem = refusal(enrol(&gallery, "Small", photo_of(&small), &EnrolOptions::default()));
    assert_eq!(problem.code(), Code::FaceTooSmall, "{problem}");
    assert!(problem.remedy().contains("--force"));
    let force = EnrolOptions { force: true, ..EnrolOptions::default() };
    assert!(matches!(enrol(&gallery, "Small", photo_of(&small), &force), PhotoResult::Enrolled { .. }));
    // What the quality score says is decisive, to the hundredth.
    let ada = SERVICE.decode(&of("Ada", 1), &Looking::default()).unwrap();
    let mut face = SERVICE.face(&ada, &Looking::default(), Choice::Dominant).unwrap();
    assert!(SERVICE.check_enrolment(&face).is_ok());
    face.quality = phiz_service::MIN_QUALITY;
    assert!(SERVICE.check_enrolment(&face).is_ok());
    face.quality -= 0.01;
    let problem = SERVICE.check_enrolment(&face).unwrap_err();
    assert_eq!(problem.code(), Code::FaceTooPoor, "{problem}");
    assert!(problem.remedy().contains("--force"));
    // Nobody is made of photos that were all refused.
    let answer = SERVICE.enrol(&gallery, "Nobody", &[photo_of(&small)], &EnrolOptions::default()).unwrap();
    assert_eq!((answer.id, answer.new, answer.operation), (None, false, None), "{answer:?}");
    let none = SERVICE.enrol(&gallery, "Nobody", &[], &EnrolOptions::default()).unwrap();
    assert_eq!((none.id, none.photos.len()), (None, 0));
}

#[test]
fn what_is_kept_of_a_face() {
    let gallery = gallery(&[]);
    let options = EnrolOptions { consent: Some("asked".into()), ..EnrolOptions::default() };
    let answer = SERVICE.enrol(&gallery, "Ada", &[of("Ada", 1)], &options).unwrap();
    let face = gallery.faces(answer.id.unwrap()).unwrap().remove(0);
    assert_eq!(face.consent.as_deref(), Some("asked"));
    assert!(face.source.unwrap().ends_with("people/Ada/1.jpg"));
    assert!(gallery.crop(face.id).unwrap().is_some());
    let bare = EnrolOptions { crop: false, ..EnrolOptions::default() };
    let answer = SERVICE.enrol(&gallery, "Ben", &[of("Ben", 1)], &bare).unwrap();
    let face = gallery.faces(answer.id.unwrap()).unwrap().remove(0);
    assert!(gallery.crop(face.id).unwrap().is_none() && face.consent.is_none());
}

#[test]
fn known_refused_and_doubted() {
    let gallery = gallery(&["Ada", "Ben"]);
    let options = EnrolOptions::default();
    // Known: nothing to be done, which is no refusal.
    let again = SERVICE.enrol(&gallery, "Ada", &[of("Ada", 1)], &options).unwrap();
    assert!(matches!(again.photos[0].result, PhotoResult::Known { .. }), "{again:?}");
    assert!(!again.refused_any() && again.enrolled() == 0 && !again.new && again.operation.is_none());
    // Another's: the same photo under another name.
    let problem = refusal(enrol(&gallery, "Ben", of("Ada", 1), &options));
    assert_eq!(problem.code(), Code::Refused);
    assert!(
        problem.to_string().contains("p1") && problem.remedy().contains("phiz people show p1"),
        "{problem}"
    );
    // Unlike the person's own faces, and like somebody else's: moved, not merged.
    let result = enrol(&gallery, "Ada", of("Ben", 3), &options);
    let PhotoResult::Enrolled { doubt: Some(DoubtAnswer::Unlike { like_own, nearest }), face, .. } = result
    else {
        panic!("Ben's photo was taken for Ada's without a doubt: {result:?}");
    };
    let nearest = nearest.unwrap();
    assert_eq!((nearest.person.as_str(), nearest.id.0), ("Ben", 2));
    assert!(nearest.similarity > like_own, "{nearest:?} {like_own}");
    gallery.move_face(face, nearest.id).unwrap();
    // The first face of a new name that is like somebody known: one person enrolled twice, or twins.
    let PhotoResult::Enrolled { doubt: Some(DoubtAnswer::AlsoLike { other }), like_own: None, .. } =
        enrol(&gallery, "Ada Lima", of("Ada", 3), &options)
    else {
        panic!("Ada's photo under another name was not doubted");
    };
    assert_eq!(other.person, "Ada");
    // A face that was said not to be somebody is refused for them.
    let ben = gallery.resolve("Ben").unwrap().id;
    let stranger = SERVICE.new_face(&Photo::from_path(fixture("strangers/2.jpg")), &options).unwrap();
    gallery.add_negative(ben, &stranger).unwrap();
    let problem = refusal(enrol(&gallery, "Ben", Photo::from_path(fixture("strangers/2.jpg")), &options));
    assert_eq!(problem.code(), Code::Refused);
    assert!(problem.remedy().contains("people allow"), "{}", problem.remedy());
    // By id: the person's own name is told, not the caller's.
    let person = PersonPhotos {
        target: Target::Person(ben),
        name: "Somebody".into(),
        photos: vec![(of("Ben", 1), None)],
    };
    SERVICE
        .enrol_people(&gallery, &[person], &options, 1, |event| {
            if let EnrolEvent::Person(_, answer) = event {
                assert_eq!(answer.person, "Ben");
            }
        })
        .unwrap();
}

#[test]
fn one_bad_photo_does_not_stop_the_others() {
    let gallery = gallery(&[]);
    let people = ["Ada", "Ben", "Cleo"].map(|name| {
        let mut person = PersonPhotos::named(name, [of(name, 1), Photo::from_path("none.jpg"), of(name, 2)]);
        let known = Problem::new(Code::Damaged, "is damaged", "take another");
        person.photos.push((of(name, 3), Some(known)));
        person
    });
    for threads in [1, 3] {
        let (mut photos, mut names) = (0, Vec::new());
        SERVICE
            .enrol_people(&gallery, &people, &EnrolOptions::default(), threads, |event| match event {
                EnrolEvent::Photo => photos += 1,
                EnrolEvent::Person(person, answer) => {
                    assert_eq!(answer.photos.len(), 4, "{answer:?}");
                    assert!(answer.refused_any());
                    for (number, code) in [(1, Code::Unreadable), (3, Code::Damaged)] {
                        assert_eq!(refusal(answer.photos[number].result.clone()).code(), code);
                    }
                    names.push(person.name.clone());
                }
            })
            .unwrap();
        assert_eq!((photos, names.join(" ")), (12, "Ada Ben Cleo".to_owned()), "{threads} threads");
    }
    assert_eq!(gallery.len().unwrap(), 3);
}

#[test]
fn who_a_face_is() {
    let gallery = gallery(&["Ada", "Ben"]);
    let who = |gallery: &Gallery, photo: Photo, options: &IdentifyOptions| {
        SERVICE.identify(gallery, &photo, options).unwrap().faces.remove(0)
    };
    let usual = IdentifyOptions::default();
    let ada = who(&gallery, of("Ada", 3), &usual);
    assert_eq!((ada.decision, ada.person.as_deref(), ada.tied), (Verdict::Match, Some("Ada"), 0));
    assert_eq!(ada.candidates[0].person, "Ada");
    assert!(f64::from(ada.candidates[0].similarity) >= ada.threshold && ada.people == 2);
    // Synthetic people are more alike than real ones: a strict rate keeps strangers unknown.
    let strict = IdentifyOptions { rate: Rate::Fpir(1e-5), top: 1, ..usual.clone() };
    let stranger = who(&gallery, Photo::from_path(fixture("strangers/1.jpg")), &strict);
    assert_eq!((stranger.decision, stranger.person, stranger.candidates.len()), (Verdict::Unknown, None, 1));
    // Two who are one cannot be told apart, and both are named.
    SERVICE.enrol(&gallery, "Twin", &[of("Ada", 3)], &EnrolOptions::default()).unwrap();
    let party = SERVICE.identify(&gallery, &of("Ada", 2), &usual).unwrap().faces.remove(0);
    if party.decision == Verdict::Ambiguous {
        assert!(party.person.is_none() && party.tied >= 2, "{party:?}");
        let names: Vec<&str> = party.candidates.iter().take(party.tied).map(|c| c.person.as_str()).collect();
        assert!(names.contains(&"Ada") && names.contains(&"Twin"), "{names:?}");
    } else {
        assert_eq!(party.person.as_deref(), Some("Ada"), "her own photo");
    }
    let twins = SERVICE.gallery_in_memory().unwrap();
    let face = SERVICE.new_face(&of("Ada", 1), &EnrolOptions::default()).unwrap();
    for name in ["One", "Other"] {
        let target = Target::New(Details::named(name));
        let another = SERVICE
            .new_face(&of("Ada", if name == "One" { 1 } else { 2 }), &EnrolOptions::default())
            .unwrap();
        twins.enroll(&target, &[another], &phiz_gallery::EnrollRules::default()).unwrap();
    }
    drop(face);
    let either = who(&twins, of("Ada", 3), &IdentifyOptions { rate: Rate::Fmr(0.3), ..usual.clone() });
    assert_ne!(either.decision, Verdict::Unknown, "{either:?}");
    // Among those on a list only.
    let ben = gallery.resolve("Ben").unwrap();
    gallery.update(ben.id, |details| details.lists.extend(["vip".to_owned()])).unwrap();
    let listed = IdentifyOptions { among: Filter::list("vip"), ..strict };
    let found = who(&gallery, of("Ada", 3), &listed);
    assert_eq!((found.people, found.candidates[0].person.as_str()), (1, "Ben"));
    assert_eq!(found.decision, Verdict::Unknown);
    // Nobody in the photo; nobody in the gallery.
    let nobody = SERVICE.identify(&gallery, &Photo::from_path(fixture("nobody.jpg")), &usual).unwrap();
    assert!(nobody.faces.is_empty() && nobody.width > 0);
    let empty = who(&SERVICE.gallery_in_memory().unwrap(), of("Ada", 1), &usual);
    assert_eq!((empty.decision, empty.candidates.len()), (Verdict::Unknown, 0));
    // A rate that is none.
    for rate in [Rate::Fpir(0.0), Rate::Fpir(f64::NAN), Rate::Fmr(1.5)] {
        let options = IdentifyOptions { rate, ..usual.clone() };
        assert!(SERVICE.identify(&gallery, &of("Ada", 3), &options).is_err(), "{rate:?}");
    }
}

#[test]
fn photos_are_described_together_as_alone() {
    let looking = Looking::default();
    let photos = [of("Ada", 1), Photo::from_path(fixture("nobody.jpg")), of("Ben", 2), of("Ada", 3)];
    let find = |photo| SERVICE.find(photo, &looking).unwrap();
    let together = SERVICE.describe(photos.iter().map(find).collect()).unwrap();
    assert_eq!(together.iter().map(|photo| photo.faces.len()).collect::<Vec<_>>(), [1, 0, 1, 1]);
    for (photo, together) in photos.iter().zip(&together) {
        let image = SERVICE.decode(photo, &looking).unwrap();
        assert_eq!(SERVICE.faces(&image, &looking).unwrap(), together.faces, "{}", photo.name());
        assert_eq!((together.width, together.height), image.original_size());
    }
    assert!(SERVICE.describe(Vec::new()).unwrap().is_empty());
}

#[test]
fn whether_it_is_the_same() {
    let options = VerifyOptions::default();
    let same = SERVICE.verify(&of("Ada", 1), &of("Ada", 1), &options).unwrap();
    assert!(same.similarity > 0.999 && same.similarity <= 1.0, "{same:?}");
    assert_eq!(same.same, Some(true));
    let other = SERVICE.verify(&of("Ada", 1), &of("Ben", 1), &options).unwrap();
    assert_eq!(other.same, Some(false));
    assert!(other.fmr > same.fmr && other.similarity < same.similarity);
    // Which of the two cannot be used is told, the first first.
    let none = Photo::from_path("none.jpg");
    for (a, b, index) in [(&none, &of("Ada", 1), 0), (&of("Ada", 1), &none, 1), (&none, &none, 0)] {
        let error = SERVICE.verify(a, b, &options).unwrap_err();
        assert_eq!(error.photo().unwrap().code(), Code::Unreadable);
        let Error::Compared(problem) = error else { panic!("{error}") };
        assert_eq!((problem.index, problem.photo.as_str()), (index, "none.jpg"));
    }
    for fmr in [0.0, 2.0, f64::NAN, -0.1] {
        assert!(
            SERVICE.verify(&of("Ada", 1), &of("Ada", 1), &VerifyOptions { fmr, ..options.clone() }).is_err()
        );
    }
    // Against a person: by all faces, and by what was said not to be them.
    let gallery = gallery(&["Ada", "Ben"]);
    let (ada, ben) = (gallery.resolve("Ada").unwrap().id, gallery.resolve("Ben").unwrap().id);
    let yes = SERVICE.verify_person(&gallery, ada, &of("Ada", 3), &options).unwrap();
    assert!(yes.same && !yes.denied && yes.person == "Ada" && yes.id == ada, "{yes:?}");
    let no = SERVICE.verify_person(&gallery, ben, &of("Ada", 3), &options).unwrap();
    assert!(!no.same && !no.denied, "{no:?}");
    gallery.add_negative(ada, &SERVICE.new_face(&of("Ada", 3), &EnrolOptions::default()).unwrap()).unwrap();
    let denied = SERVICE.verify_person(&gallery, ada, &of("Ada", 3), &options).unwrap();
    assert!(!denied.same && denied.denied && denied.similarity > 0.3, "{denied:?}");
    assert!(SERVICE.verify_person(&gallery, phiz_gallery::PersonId(99), &of("Ada", 3), &options).is_err());
}

#[test]
fn large_faces_are_found_at_a_reduced_resolution() {
    let party =
        Image::decode(&std::fs::read(fixture("party.jpg")).unwrap(), &DecodeOptions::default()).unwrap();
    let (width, height) = (party.width() * 4, party.height() * 4);
    let large = Photo::from_bytes("large", party.resize(width, height).encode_jpeg(90).unwrap());
    let looking = |min_face: f32| {
        let mut looking = Looking::default();
        looking.detect = looking.detect.min_face(min_face);
        looking
    };
    let whole = SERVICE.detect(&large, &looking(40.0)).unwrap();
    let reduced = SERVICE.detect(&large, &looking(200.0)).unwrap();
    // Sizes, boxes and landmarks are those of the photo, at whatever resolution it was looked at.
    for answer in [&whole, &reduced] {
        assert_eq!((answer.width, answer.height, answer.faces.len()), (width, height, 6));
    }
    assert_ne!(whole.faces, reduced.faces, "the photo was not reduced");
    for (a, b) in whole.faces.iter().zip(&reduced.faces) {
        assert!(phiz_face::iou(&a.bbox, &b.bbox) > 0.8, "{a:?} {b:?}");
    }
}

#[test]
fn problems_have_their_codes() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Photo::from_path(path)
    };
    let ada = std::fs::read(fixture("people/Ada/1.jpg")).unwrap();
    let limited = |max_bytes: u64, max_pixels: u64| Looking {
        limits: Limits { max_bytes, max_pixels },
        ..Looking::default()
    };
    let usual = Looking::default();
    let cases = [
        (Photo::from_path(folder.path().join("none.jpg")), usual.clone(), Code::Unreadable),
        (Photo::from_path(folder.path()), usual.clone(), Code::Unreadable),
        (file("text.jpg", b"dear diary, nothing happened"), usual.clone(), Code::UnknownFormat),
        (file("cut.jpg", &ada[..ada.len() / 2]), usual.clone(), Code::Damaged),
        (file("bytes.jpg", &ada), limited(1000, 1 << 30), Code::TooLarge),
        (file("pixels.jpg", &ada), limited(1 << 30, 1000), Code::TooLarge),
        (Photo::from_path(fixture("nobody.jpg")), usual.clone(), Code::NoFace),
        (Photo::from_path(fixture("party.jpg")), usual.clone(), Code::SeveralFaces),
    ];
    for (photo, looking, code) in cases {
        let options = EnrolOptions { looking, ..EnrolOptions::default() };
        let problem = SERVICE.new_face(&photo, &options).unwrap_err();
        assert_eq!(problem.code(), code, "{}: {problem}", photo.name());
        assert!(!problem.to_string().is_empty() && !problem.remedy().is_empty());
    }
    assert!(SERVICE.new_face(&file("empty.jpg", b""), &EnrolOptions::default()).is_err());
    let image = SERVICE.decode(&of("Ada", 1), &usual).unwrap();
    let problem = Problem::from(SERVICE.analyzer().embed_aligned(&image).unwrap_err());
    assert_eq!(problem.code(), Code::NotAligned, "{problem}");
    // More tiles than are allowed: the smallest face that can be looked for is told.
    let mut close = Looking::default();
    close.detect = close.detect.min_face(2.0).max_tiles(2);
    let wide = Image::from_rgb(3000, 2000, vec![90; 18_000_000]).unwrap();
    let problem = SERVICE.detect_in(&wide, &close).unwrap_err();
    assert_eq!(problem.code(), Code::TooLarge, "{problem}");
    assert!(problem.remedy().contains("--min-face"), "{}", problem.remedy());
    // More faces than are allowed, wherever all of them are wanted.
    let party = Photo::from_path(fixture("party.jpg"));
    let image = SERVICE.decode(&party, &usual).unwrap();
    let faces = SERVICE.detect(&party, &usual).unwrap().faces.len();
    let just = Looking { max_faces: Some(faces), ..Looking::default() };
    let fewer = Looking { max_faces: Some(faces - 1), ..Looking::default() };
    assert_eq!(SERVICE.find(&party, &just).unwrap().faces.len(), faces);
    for problem in [
        SERVICE.detect(&party, &fewer).unwrap_err(),
        SERVICE.find(&party, &fewer).unwrap_err(),
        SERVICE.faces(&image, &fewer).unwrap_err(),
    ] {
        assert_eq!(problem.code(), Code::TooLarge, "{problem}");
    }
}

#[test]
fn bytes_and_files_are_the_same_photo() {
    let bytes = std::fs::read(fixture("people/Ada/1.jpg")).unwrap();
    let (file, memory) = (of("Ada", 1), Photo::from_bytes("ada.jpg", bytes));
    assert_eq!((memory.name().as_ref(), memory.path()), ("ada.jpg", None));
    assert_eq!(file.path().unwrap(), fixture("people/Ada/1.jpg"));
    let looking = Looking::default();
    assert_eq!(SERVICE.detect(&file, &looking).unwrap(), SERVICE.detect(&memory, &looking).unwrap());
    // A photo that lies on its side and says so is seen upright.
    let sideways = SERVICE.detect(&Photo::from_path(fixture("sideways.jpg")), &looking).unwrap();
    assert_eq!(sideways.faces.len(), 1);
    assert!(sideways.faces[0].pose.roll.abs() < 30.0, "{:?}", sideways.faces[0].pose);
}

fn home() -> (TempDir, Place) {
    let folder = tempfile::tempdir().unwrap();
    let home = Some(folder.path().join("deep/home"));
    (folder, Place { home, ..Place::default() })
}

#[test]
fn where_the_gallery_lies() {
    let (folder, place) = home();
    let gallery_path = folder.path().join("deep/home/gallery.phiz");
    assert_eq!(place.gallery_path().unwrap(), gallery_path);
    assert!(matches!(place.open(), Err(Error::NoGallery(path)) if path == gallery_path));
    let (gallery, made) = place.open_or_create(&SERVICE).unwrap();
    assert!(made && matches!(gallery.seal(), Seal::KeyFile), "{:?}", gallery.seal());
    assert!(folder.path().join("deep/home/gallery.key").is_file());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &str| std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode();
        assert_eq!((mode("deep/home") & 0o077, mode("deep/home/gallery.key") & 0o077), (0, 0));
    }
    SERVICE.enrol(&gallery, "Ada", &[of("Ada", 1)], &EnrolOptions::default()).unwrap();
    drop(gallery);
    let (gallery, made) = place.open_or_create(&SERVICE).unwrap();
    assert!(!made && gallery.len().unwrap() == 1);
    drop(gallery);
    assert_eq!(place.open_for(&SERVICE).unwrap().len().unwrap(), 1);
    // Another model's gallery is refused, with both named.
    let small = Analyzer::builder().embedder(Model::small_embedder().unwrap()).build().unwrap();
    let small = Service::over(small);
    match place.open_for(&small) {
        Err(Error::OtherModel { gallery, engine, path }) => {
            assert_ne!(gallery, engine);
            assert_eq!(path, gallery_path);
        }
        other => panic!("{:?}", other.map(|gallery| gallery.len().unwrap())),
    }
    assert!(place.open_or_create(&small).is_err());
    // A folder is no gallery.
    let folder_as_gallery = Place { gallery: Some(folder.path().into()), ..Place::default() };
    assert!(matches!(folder_as_gallery.open(), Err(Error::GalleryIsFolder(_))));
    assert!(matches!(folder_as_gallery.open_or_create(&SERVICE), Err(Error::GalleryIsFolder(_))));
    assert!(matches!(folder_as_gallery.import(folder.path()), Err(Error::GalleryIsFolder(_))));
}

#[test]
fn what_opens_the_gallery() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| Some(folder.path().join(name));
    // The key of a gallery that is named lies beside it.
    let named = Place { gallery: at("mine.phiz"), ..Place::default() };
    drop(named.open_or_create(&SERVICE).unwrap());
    assert!(folder.path().join("mine.key").is_file());
    assert!(named.open().is_ok());
    // A key that is named lies where it is named, and no other opens the gallery.
    let keyed = Place { gallery: at("keyed.phiz"), key: at("its.key"), ..Place::default() };
    drop(keyed.open_or_create(&SERVICE).unwrap());
    assert!(keyed.open().is_ok() && !folder.path().join("keyed.key").exists());
    let wrong = Place { key: at("mine.key"), ..keyed.clone() };
    assert!(matches!(wrong.open(), Err(Error::Gallery(_))));
    let missing = Place { key: at("none.key"), ..keyed.clone() };
    assert!(matches!(missing.open(), Err(Error::Gallery(_))) && !folder.path().join("none.key").exists());
    // A passphrase, and a key file that goes before it.
    let said =
        Place { gallery: at("said.phiz"), passphrase: Some("several words".into()), ..Place::default() };
    let (gallery, _) = said.open_or_create(&SERVICE).unwrap();
    assert!(matches!(gallery.seal(), Seal::Passphrase), "{:?}", gallery.seal());
    drop(gallery);
    assert!(said.open().is_ok() && !folder.path().join("said.key").exists());
    assert!(Place { passphrase: Some("other words".into()), ..said.clone() }.open().is_err());
    assert!(Place { passphrase: Some(String::new()), ..said.clone() }.open().is_err());
    assert!(Place { passphrase: Some("several words".into()), ..keyed.clone() }.open().is_ok());
    // Nothing is sealed by nothing, and a creation that fails leaves no gallery behind.
    let blank = Place { gallery: at("blank.phiz"), passphrase: Some("  ".into()), ..Place::default() };
    assert!(blank.open_or_create(&SERVICE).is_err());
    assert!(!folder.path().join("blank.phiz").exists());
}

#[test]
fn an_archive_makes_a_gallery() {
    let (folder, place) = home();
    let archive = folder.path().join("archive");
    gallery(&["Ada", "Ben"]).export(&archive).unwrap();
    assert!(place.import(&folder.path().join("none")).is_err());
    assert!(!place.gallery_path().unwrap().exists(), "a failed import made a gallery");
    let (first, done, made) = place.import(&archive).unwrap();
    assert!(made && done.people.len() == 2 && done.faces == 4 && done.known_faces == 0);
    drop(first);
    let (again, done, made) = place.import(&archive).unwrap();
    assert!(!made && done.people.is_empty() && done.known_faces == 4, "{done:?}");
    assert_eq!(again.len().unwrap(), 2);
    drop(again);
    assert!(place.open_for(&SERVICE).is_ok(), "it belongs to the model that the archive names");
}

#[test]
fn folders_of_people_leave_nobody_out_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"photo").unwrap();
    };
    for name in
        ["Ada/1.jpg", "Ada/raw.jp2", "p7/1.jpg", "F12/1.jpg", " /1.jpg", "Zed/deep/1.png", "loose.jpg"]
    {
        file(name);
    }
    #[cfg(unix)]
    file("a\u{1b}b/1.jpg");
    std::fs::create_dir(folder.path().join("void")).unwrap();
    let found = phiz_service::walk::people(folder.path()).unwrap();
    let people: Vec<&str> = found.people.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(people, ["Ada", "Zed"]);
    assert_eq!(found.people[0].1.unread_endings["jp2"], 1);
    let nobody = found.nobody.len();
    assert_eq!(nobody, if cfg!(unix) { 5 } else { 4 }, "{:?}", found.nobody);
    assert!(found.nobody.iter().all(|(_, problem)| !problem.remedy().is_empty()));
}

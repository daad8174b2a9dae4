//! A gallery of another model is brought to the bundled one from its crops: how long that takes, and that it goes on where
//! it was. `PHIZ_ADOPT_PEOPLE` sets how many people there are. All faces are synthetic.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use phiz_gallery::{
    Adoptee, Details, EnrollRules, Gallery, Key, Model, ModelId, NewFace, Target, Template, Thresholds,
};
use phiz_image::DecodeOptions;
use phiz_service::{AdoptEvent, AdoptOptions, Choice, IdentifyOptions, Looking, Photo, Service, Verdict};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

#[test]
fn crops_are_described_anew_and_what_was_done_is_not_done_again() {
    let people: u32 =
        std::env::var("PHIZ_ADOPT_PEOPLE").ok().and_then(|text| text.parse().ok()).unwrap_or(24);
    let service = Service::new().unwrap();
    let looking = Looking::default();
    // Four people's crops, in turn.
    let crops: Vec<Vec<u8>> = ["Ada", "Ben", "Cleo", "Dan"]
        .iter()
        .map(|person| {
            let photo = Photo::from_path(fixture(&format!("people/{person}/1.jpg")));
            let image = photo.decode(&DecodeOptions::default()).unwrap();
            let face = service.face(&image, &looking, Choice::Dominant).unwrap();
            service.analyzer().align(&image, &face.detection).encode_jpeg(95).unwrap()
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.phiz");
    let key = Key::File(folder.path().join("gallery.key"));
    let old = Model {
        id: ModelId::new("0123456789abcdef").unwrap(),
        dim: 64,
        thresholds: Thresholds::new(vec![[0.1, 0.2], [1e-4, 0.5]], "").unwrap(),
    };
    let gallery = Gallery::create(&path, &old, &key).unwrap();
    let template = |number: u32| {
        let vector = (0..64u32).map(|i| ((number * 97 + i * 31) % 251) as f32 - 125.0).collect();
        Template::normalised(old.id.clone(), vector).unwrap()
    };
    let everybody = (0..people).map(|number| {
        let crop = Some(crops[number as usize % crops.len()].clone());
        let face = NewFace { crop, ..NewFace::new(template(number), 0.8) };
        (Target::New(Details::named(format!("person {number}"))), vec![face])
    });
    let rules = EnrollRules { report_similar: None, ..EnrollRules::default() };
    gallery.enroll_all(everybody, &rules, |_| {}).unwrap();
    let model = service.analyzer().model_id().clone();

    // A part was done when somebody stopped it.
    let mut after = None;
    let some = gallery.to_adopt(&model, &mut after, 10).unwrap();
    let templates: Vec<(Adoptee, Template)> = some
        .iter()
        .map(|one| {
            let crop =
                phiz_image::Image::decode(one.crop.as_deref().unwrap(), &DecodeOptions::default()).unwrap();
            (one.id, service.analyzer().embed_aligned(&crop).unwrap())
        })
        .collect();
    gallery.keep_adopted(&model, &templates).unwrap();
    // Ended half-way, it is of the model that it was of, and goes on where it was.
    let copy = folder.path().join("copy.phiz");
    gallery.backup(&copy).unwrap();
    drop(gallery);
    let mut gallery = Gallery::open(&copy, &key).unwrap();
    let mut first = None;
    let ended = service.adopt_while(&mut gallery, &AdoptOptions::default(), |event| match event {
        AdoptEvent::Begin(_) => true,
        AdoptEvent::Described(some) => {
            first = Some(some);
            false
        }
    });
    assert!(ended.unwrap().is_none() && gallery.model() == &old.id);
    let rest = service.adopt(&mut gallery, &AdoptOptions::default(), |_| {}).unwrap();
    assert_eq!(rest.described, people as usize - 10 - first.unwrap());
    assert!(rest.adopted && gallery.model() == &model);
    drop(gallery);

    let mut gallery = Gallery::open(&path, &key).unwrap();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (mut begun, mut steps) = (0, 0);
    let started = Instant::now();
    let answer = service
        .adopt(&mut gallery, &AdoptOptions { threads, ..AdoptOptions::default() }, |event| match event {
            AdoptEvent::Begin(all) => begun = all,
            AdoptEvent::Described(more) => steps += more,
        })
        .unwrap();
    let taken = started.elapsed();
    assert_eq!(
        (begun, steps, answer.described),
        (people as usize - 10, people as usize - 10, people as usize - 10)
    );
    assert!(answer.adopted && answer.waiting.is_empty(), "{answer:?}");
    println!(
        "{people} people in {taken:.1?} by {threads} threads, {:.1} ms a face",
        taken.as_secs_f64() * 1e3 / f64::from(people)
    );
    // Everybody with these crops is found; as there are several, none is chosen.
    let photo = Photo::from_path(fixture("people/Ada/2.jpg"));
    let found = service.identify(&gallery, &photo, &IdentifyOptions::default()).unwrap();
    assert_ne!(found.faces[0].decision, Verdict::Unknown, "{found:?}");
    assert!(gallery.check().unwrap().is_empty());
}

//! Strangers who keep their numbers when the program ends.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod clips;

use clips::{SERVICE, actor, frames, gallery, of};
use phiz_gallery::Gallery;
use phiz_service::Place;
use phiz_video::{Event, EventKind, Frame, StrangersOfGallery, WatchOptions, Watcher};

/// What a run of the program tells of a clip before a camera.
fn run(gallery: &Gallery, camera: &str, clip: &[Frame]) -> Vec<Event> {
    let strangers = StrangersOfGallery::new(gallery, |error| panic!("{error}")).unwrap();
    let watcher = Watcher::new(&SERVICE, Some(gallery), WatchOptions::default()).unwrap();
    let mut watcher = watcher.with_strangers(Box::new(strangers.before(camera)));
    let mut events = Vec::new();
    for frame in clip {
        events.extend(watcher.frame(frame).unwrap());
    }
    events.extend(watcher.finish());
    events
}

fn numbers(events: &[Event]) -> Vec<Option<u64>> {
    of(events, EventKind::Identified).iter().map(|event| event.who.stranger).collect()
}

#[test]
fn a_stranger_has_the_same_number_after_a_restart_and_before_another_camera() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place { home: Some(folder.path().into()), ..Place::default() };
    let (first, _) = place.open_or_create(&SERVICE).unwrap();
    let somebody =
        |person: u64, look: u64| frames(&[actor(person, look, |_| Some([240.0, 135.0, 180.0]))], 2.0);
    let two = frames(
        &[actor(5, 1, |_| Some([120.0, 135.0, 170.0])), actor(6, 1, |_| Some([360.0, 135.0, 170.0]))],
        2.0,
    );
    let mut born = numbers(&run(&first, "front", &two));
    born.sort_unstable();
    assert_eq!(born.len(), 2);
    drop(first);
    let again = place.open().unwrap();
    let five = numbers(&run(&again, "back", &somebody(5, 2)));
    assert!(born.contains(&five[0]), "{five:?} of {born:?}");
    let six = numbers(&run(&again, "back", &somebody(6, 2)));
    assert!(born.contains(&six[0]) && six != five, "{six:?} of {born:?}");
    // Was this face here before? Where and when it was, without a picture of it.
    let number = five[0].unwrap();
    let views = again.stranger_views().unwrap();
    assert_eq!(views.iter().find(|one| one.group.0 == number).unwrap().views.len(), 2);
    let places: Vec<String> =
        again.photos().unwrap().iter().map(|p| p.files[0].path.display().to_string()).collect();
    assert!(places.iter().any(|place| place.starts_with("back at 20")), "{places:?}");
    assert_eq!(again.check().unwrap(), []);

    // What is old is forgotten, and its number is not given to somebody else.
    assert_eq!(StrangersOfGallery::forget_older(&again, 1.0).unwrap(), 0);
    assert_eq!(StrangersOfGallery::forget_older(&again, 0.0).unwrap(), 4);
    let seven = numbers(&run(&again, "front", &somebody(7, 1)));
    assert!(seven[0].is_some() && !born.contains(&seven[0]), "{seven:?} of {born:?}");
}

#[test]
fn a_stranger_in_a_file_is_found_by_the_time_within_it() {
    let gallery = gallery(&[]);
    let strangers = StrangersOfGallery::new(&gallery, |error| panic!("{error}")).unwrap();
    let options = WatchOptions { in_order: true, ..WatchOptions::default() };
    let mut watcher = Watcher::new(&SERVICE, Some(&gallery), options)
        .unwrap()
        .with_strangers(Box::new(strangers.in_file("party.mp4")));
    for frame in frames(&[actor(5, 1, |time| (time > 1.0).then_some([240.0, 135.0, 180.0]))], 3.0) {
        watcher.frame(&frame).unwrap();
    }
    let place = gallery.photos().unwrap()[0].files[0].path.display().to_string();
    let time = place.strip_prefix("party.mp4 at 0:0").unwrap_or_else(|| panic!("{place}"));
    assert!(time.starts_with(['1', '2']) && time.contains(", watched 20"), "{place}");
}

#[test]
fn a_stranger_who_is_named_is_a_person_to_the_camera_from_then_on() {
    let gallery = gallery(&[1]);
    let clip = |look| frames(&[actor(5, look, |_| Some([240.0, 135.0, 180.0]))], 2.0);
    let number = numbers(&run(&gallery, "front", &clip(1)))[0].unwrap();
    let views = gallery.stranger_views().unwrap();
    let face = phiz_gallery::NewFace::new(views[0].views[0].0.clone(), 0.8);
    let target = phiz_gallery::Target::Named("Post".into());
    let rules = phiz_gallery::EnrollRules::default();
    gallery.name_group(phiz_gallery::GroupId(number), &target, &[face], &rules).unwrap();
    let events = run(&gallery, "front", &clip(2));
    assert_eq!(of(&events, EventKind::Identified)[0].who.person.as_deref(), Some("Post"), "{events:#?}");
}

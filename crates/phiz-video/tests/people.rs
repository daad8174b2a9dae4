//! Who is there: tracks and identities of synthetic people whose truth is known. Failures that users of other programs report
//! are tests of their own, in failures.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod clips;

use std::collections::{BTreeMap, BTreeSet};

use clips::{SERVICE, actor, frames, gallery, name, of, picture, watched};
use phiz_eval::tracking::{self, Tracking};
use phiz_face::iou;
use phiz_video::{EventKind, WatchOptions, Watcher};

/// Stands still in the middle of the picture between two times.
fn stands(person: u64, from: f64, until: f64) -> clips::Actor {
    actor(person, 1, move |time| (from..until).contains(&time).then_some([240.0, 135.0, 180.0]))
}

#[test]
fn somebody_known_comes_is_named_and_leaves() {
    let gallery = gallery(&[1, 2]);
    let events = watched(&frames(&[stands(1, 1.0, 4.0)], 7.0), Some(&gallery), WatchOptions::default());
    let kinds: Vec<EventKind> = events.iter().map(|event| event.event).collect();
    assert_eq!(
        kinds,
        [EventKind::Appeared, EventKind::Identified, EventKind::Left, EventKind::Visit],
        "{events:#?}"
    );
    let [appeared, identified, left, visit] = &events[..] else { panic!("four events") };
    assert!((appeared.time - 1.0).abs() < 0.3 && appeared.who.is_unknown());
    assert_eq!(identified.who.person, Some(name(1)));
    assert!(identified.fpir.is_some_and(|fpir| fpir <= 0.01));
    assert!((left.time - 3.9).abs() < 0.3, "{left:?}");
    assert!(visit.from == Some(appeared.time) && visit.seen.is_some_and(|seen| (2.5..3.2).contains(&seen)));
    assert!(events.iter().all(|event| event.track == appeared.track));
}

#[test]
fn without_a_gallery_strangers_have_numbers_that_they_keep() {
    let clip = [
        actor(5, 1, |time| (0.0..3.0).contains(&time).then_some([120.0, 135.0, 180.0])),
        actor(6, 1, |time| (2.0..8.0).contains(&time).then_some([360.0, 135.0, 180.0])),
        actor(5, 2, |time| (6.0..9.0).contains(&time).then_some([120.0, 135.0, 180.0])),
    ];
    let events = watched(&frames(&clip, 9.0), None, WatchOptions::default());
    assert!(events.iter().all(|event| event.who.person.is_none()));
    let numbers: Vec<_> = of(&events, EventKind::Identified).iter().map(|event| event.who.stranger).collect();
    assert_eq!(numbers, [Some(1), Some(2), Some(1)], "{events:#?}");
    let visits = of(&events, EventKind::Visit);
    assert_eq!(visits.len(), 2, "who came back within the gap is on one visit");
}

#[test]
fn a_stranger_is_not_named_beside_people_who_are() {
    let gallery = gallery(&[1, 2]);
    let clip = [actor(1, 1, |_| Some([120.0, 135.0, 170.0])), actor(7, 1, |_| Some([360.0, 135.0, 170.0]))];
    let events = watched(&frames(&clip, 3.0), Some(&gallery), WatchOptions::default());
    let left: BTreeSet<_> = of(&events, EventKind::Left).iter().map(|event| event.who.label()).collect();
    assert_eq!(left, BTreeSet::from([name(1), "stranger 1".into()]), "{events:#?}");
}

#[test]
fn nobody_is_in_two_places() {
    let gallery = gallery(&[1]);
    // The same face twice, as with a mirror or a picture on the wall.
    let clip = [actor(1, 1, |_| Some([120.0, 135.0, 170.0])), actor(1, 1, |_| Some([360.0, 135.0, 170.0]))];
    let mut watcher = Watcher::new(&SERVICE, Some(&gallery), WatchOptions::default()).unwrap();
    for frame in frames(&clip, 2.0) {
        watcher.frame(&frame).unwrap();
        let named = watcher.present().iter().filter(|face| face.who.person.is_some()).count();
        assert!(named <= 1, "at {}", frame.time);
    }
    assert_eq!(watcher.present().len(), 2);
}

/// For each person the times of frames, and the track that covers the face then with the name that it has.
type Followed = BTreeMap<u64, Vec<(f64, Option<(u64, String)>)>>;

/// How tracks and truth fit: for each frame and person, the track that covers the face.
fn followed(actors: &[clips::Actor], seconds: f64, people: &[u64]) -> Followed {
    let gallery = gallery(people);
    let mut watcher =
        Watcher::new(&SERVICE, Some(&gallery), WatchOptions { interval: 0.0, ..WatchOptions::default() })
            .unwrap();
    let mut seen = Followed::new();
    for frame in frames(actors, seconds) {
        watcher.frame(&frame).unwrap();
        for (person, bbox) in picture(actors, frame.time).1 {
            let present = watcher.present();
            let best = present.iter().max_by(|a, b| iou(&a.bbox, &bbox).total_cmp(&iou(&b.bbox, &bbox)));
            let best =
                best.filter(|face| iou(&face.bbox, &bbox) > 0.3).map(|face| (face.track, face.who.label()));
            seen.entry(person).or_default().push((frame.time, best));
        }
    }
    seen
}

#[test]
fn people_who_cross_keep_their_names() {
    // The second walks before the first; they meet after two and a half seconds.
    let clip = [
        actor(1, 1, |time| Some([100.0 + 56.0 * time as f32, 130.0, 150.0])),
        actor(2, 1, |time| Some([380.0 - 56.0 * time as f32, 140.0, 150.0])),
    ];
    let seen = followed(&clip, 5.0, &[1, 2]);
    for (person, seen) in seen {
        // Whoever is hidden has no face that could be followed.
        let apart = |time: f64| (time - 2.5).abs() > 1.0;
        let wrong: Vec<_> = seen
            .iter()
            .filter(|(time, face)| {
                apart(*time) && *time > 1.0 && face.as_ref().is_none_or(|(_, label)| *label != name(person))
            })
            .collect();
        assert!(wrong.is_empty(), "{person}: {wrong:?}");
        let tracks: BTreeSet<u64> = seen
            .iter()
            .filter(|(time, _)| apart(*time))
            .filter_map(|(_, face)| face.as_ref().map(|f| f.0))
            .collect();
        assert!(tracks.len() <= 2, "{person} was cut into {tracks:?}");
    }
}

#[test]
fn somebody_who_goes_behind_another_comes_out_as_the_same() {
    let clip = [
        actor(1, 1, |time| Some([60.0 + 60.0 * time as f32, 135.0, 110.0])),
        actor(2, 1, |_| Some([250.0, 135.0, 190.0])),
    ];
    let seen = followed(&clip, 6.0, &[1, 2]);
    let last = |person: u64| seen[&person].last().unwrap().1.clone().unwrap();
    assert_eq!(last(1).1, name(1));
    assert_eq!(last(2).1, name(2));
    let of_two: BTreeSet<u64> = seen[&2].iter().filter_map(|(_, face)| face.as_ref().map(|f| f.0)).collect();
    assert_eq!(of_two.len(), 1, "who stood still was never taken for the other");
}

/// Walks from edge to edge and back, so many pixels a second, between two times.
fn walks(person: u64, start: f32, speed: f32, y: f32, side: f32, from: f64, until: f64) -> clips::Actor {
    actor(person, 1, move |time| {
        let way = (start + speed * (time - from) as f32).rem_euclid(960.0);
        let x = if way > 480.0 { 960.0 - way } else { way };
        (from..until).contains(&time).then_some([x, y, side])
    })
}

/// The figures that the literature has for trackers, on people who cross, hide each other, leave and come back.
#[test]
fn tracks_and_names_fit_the_truth() {
    let clips = [
        // Two who cross again and again.
        vec![walks(1, 60.0, 90.0, 120.0, 130.0, 0.0, 10.0), walks(2, 420.0, 70.0, 150.0, 150.0, 0.0, 10.0)],
        // Three, of whom one comes late, one leaves and comes back, and one stands before the others' way.
        vec![
            walks(3, 100.0, 80.0, 110.0, 120.0, 1.0, 10.0),
            actor(1, 2, |time| (!(4.0..7.5).contains(&time)).then_some([400.0, 160.0, 140.0])),
            actor(2, 2, |_| Some([240.0, 140.0, 160.0])),
        ],
    ];
    let gallery = gallery(&[1, 2, 3]);
    let mut sum = Tracking::default();
    let (mut named, mut right) = (0, 0);
    for clip in &clips {
        let options = WatchOptions { interval: 0.0, ..WatchOptions::default() };
        let mut watcher = Watcher::new(&SERVICE, Some(&gallery), options).unwrap();
        let mut seen = Vec::new();
        for frame in frames(clip, 10.0) {
            watcher.frame(&frame).unwrap();
            let wide = |bbox: [f32; 4]| bbox.map(f64::from);
            let truth = picture(clip, frame.time).1;
            let present = watcher.present();
            for face in present.iter().filter(|face| face.who.person.is_some()) {
                let nearest =
                    truth.iter().max_by(|a, b| iou(&a.1, &face.bbox).total_cmp(&iou(&b.1, &face.bbox)));
                if let Some((person, _)) = nearest.filter(|(_, bbox)| iou(bbox, &face.bbox) > 0.3) {
                    named += 1;
                    right += u64::from(face.who.person == Some(name(*person)));
                }
            }
            seen.push(tracking::Frame {
                truth: truth.iter().map(|(id, bbox)| tracking::Box { id: *id, bbox: wide(*bbox) }).collect(),
                found: present
                    .iter()
                    .map(|face| tracking::Box { id: face.track, bbox: wide(face.bbox) })
                    .collect(),
            });
        }
        let quality = tracking::tracking(&seen, 0.3).unwrap();
        eprintln!("IDF1 {:.3}, MOTA {:.3}, {quality:?}", quality.idf1(), quality.mota());
        sum = sum.and(&quality);
    }
    eprintln!("{right} of {named} names are right");
    assert!(named > 200 && right * 100 >= named * 98, "{right} of {named} names are right");
    assert!(sum.idf1() > 0.75 && sum.mota() > 0.8 && sum.switches <= 6, "{sum:?}");
}

#[test]
fn events_of_a_file_are_in_the_order_of_time() {
    let clip = [
        actor(5, 1, |time| (0.0..2.0).contains(&time).then_some([120.0, 135.0, 180.0])),
        actor(6, 1, |time| (1.5..4.0).contains(&time).then_some([360.0, 135.0, 180.0])),
        actor(8, 2, |time| (2.4..5.0).contains(&time).then_some([120.0, 135.0, 180.0])),
    ];
    let clip = frames(&clip, 5.0);
    let ordered = watched(&clip, None, WatchOptions { in_order: true, ..WatchOptions::default() });
    assert!(ordered.windows(2).all(|pair| pair[0].time <= pair[1].time), "{ordered:#?}");
    let mut at_once = watched(&clip, None, WatchOptions::default());
    at_once.sort_by(|a, b| a.time.total_cmp(&b.time));
    let count =
        |events: &[phiz_video::Event]| events.iter().map(|e| (e.time, e.track)).collect::<Vec<_>>().len();
    assert_eq!(count(&ordered), count(&at_once), "none is lost");
}

#[test]
fn a_thousand_frames_without_anybody_cost_little_and_say_nothing() {
    let empty = frames(&[], 0.1);
    let mut watcher = Watcher::new(&SERVICE, None, WatchOptions::default()).unwrap();
    for index in 0..100 {
        let frame = phiz_video::Frame { index, time: index as f64 / 30.0, ..empty[0].clone() };
        assert!(watcher.frame(&frame).unwrap().is_empty());
    }
    let work = watcher.work();
    assert!(work.looks <= 30 && work.described == 0 && work.searches == 0, "{work:?}");
}

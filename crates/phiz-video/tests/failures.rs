//! Failures of other programs that watch cameras, each of which is a test here, named after the failure: it fails if Phiz does so,
//! too.
//!
//! | program | failure | test |
//! |---|---|---|
//! | Frigate | looks at a face twelve times, drops what it calls unknown, and never looks again | `twelve_tries_and_then_never_again` |
//! | Frigate | looks only at the largest face of each person's box | `only_the_largest_face_counts` |
//! | Frigate | 8 s from an event to a name, in the median of one household (FaceID) | `eight_seconds_to_a_name` |
//! | InsightFace's monitors | the newest frame's answer is the track's | `a_single_unknown_frame_ends_a_person` |
//! | InsightFace's monitors | a stranger has the number of a track only | `a_stranger_who_comes_back_is_a_new_one`; over restarts: remembered.rs |
//! | InsightFace's monitors | greedy assignment by overlap | `people_who_cross_keep_their_names` in people.rs, tracking.rs |
//! | InsightFace's monitors | events live in memory only | `no_event_of_a_camera_is_lost_or_doubled_by_fifty_kills` in phiz-cli, `events_that_a_server_delivers_outlive_kills` |
//! | Viseron | takes the first of an empty list | `a_crash_on_an_empty_list` |
//! | Viseron | a name lives five seconds after it was last recognised | `a_name_expires_after_five_seconds` |
//! | Viseron | the box's lower right corner adds what it should not | `the_box_lies_beside_the_face` |
//! | Viseron, DeepFace | nothing is told of unknown people | `nothing_is_told_of_unknown_people` |
//! | double-take | stops at the first match | `the_first_match_is_final` |
//! | DeepFace.stream | shows one match for five seconds, and sees nothing meanwhile | `nobody_else_is_seen_for_five_seconds_after_a_match` |
//! | FaceID | the closest two enrolled people are nearer than any stranger | `one_of_two_who_look_alike_is_picked` |
//! | autonomous-os | numbers of strangers flip with single bad views | `a_single_bad_view_makes_a_stranger` |
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod clips;

/// Tests that read as sentences: others fail by …
mod others_fail_by {
    use std::collections::BTreeSet;

    use phiz_face::iou;
    use phiz_image::Image;
    use phiz_service::{EnrolOptions, Photo};
    use phiz_synth::{FaceModel, Scene};
    use phiz_video::{Event, EventKind, Frame, WatchOptions, Watcher};

    use super::clips::{self, SERVICE, actor, frames, gallery, name, of, picture, watched};

    /// Stands still in the middle of the picture between two times.
    fn stands(person: u64, from: f64, until: f64) -> clips::Actor {
        actor(person, 1, move |time| (from..until).contains(&time).then_some([240.0, 135.0, 180.0]))
    }

    /// A frame in which a face is found and nobody can be recognised.
    fn blur(frame: &mut Frame) {
        frame.image = frame.image.resize(60, 34).resize(480, 270);
    }

    fn every_frame() -> WatchOptions {
        WatchOptions { interval: 0.0, ..WatchOptions::default() }
    }

    /// Frigate looks twelve times, drops what it calls unknown, and never looks again: who comes nearer later stays nameless.
    #[test]
    fn twelve_tries_and_then_never_again() {
        let gallery = gallery(&[1]);
        // A face of some 22 pixels for six seconds, then a step towards the camera within two.
        let walker = actor(1, 1, |time| {
            let side = 46.0 + 140.0 * ((time - 6.0) / 2.0).clamp(0.0, 1.0);
            Some([240.0, 135.0, side as f32])
        });
        let blurred: Vec<_> = frames(&[walker], 10.0)
            .into_iter()
            .map(|mut frame| {
                if frame.time < 6.0 {
                    frame.image = frame.image.resize(240, 135).resize(480, 270);
                }
                frame
            })
            .collect();
        let options = WatchOptions { min_face: Some(14.0), interval: 0.0, ..WatchOptions::default() };
        let events = watched(&blurred, Some(&gallery), options);
        let named: Vec<_> = events.iter().filter(|event| event.who.person == Some(name(1))).collect();
        assert!(!named.is_empty(), "{events:#?}");
        let first = of(&events, EventKind::Appeared)[0];
        assert!(first.time < 2.0, "it was followed from the beginning: {first:?}");
    }

    /// InsightFace's monitors take the newest frame's answer: one unknown frame ends the person.
    #[test]
    fn a_single_unknown_frame_ends_a_person() {
        let gallery = gallery(&[1]);
        let mut clip = frames(&[stands(1, 0.0, 5.0)], 5.0);
        for index in [20, 21, 30, 35] {
            // Nobody could recognise this, but it is still a face.
            clip[index].image = clip[index].image.resize(60, 34).resize(480, 270);
        }
        // And one without any face.
        clip[40].image = Image::from_rgb(480, 270, vec![0; 480 * 270 * 3]).unwrap();
        let events =
            watched(&clip, Some(&gallery), WatchOptions { interval: 0.0, ..WatchOptions::default() });
        assert_eq!(of(&events, EventKind::Identified).len(), 1, "{events:#?}");
        assert!(of(&events, EventKind::Changed).is_empty() && of(&events, EventKind::Left).len() == 1);
        assert_eq!(of(&events, EventKind::Left)[0].who.person, Some(name(1)));
    }

    /// Viseron takes the first of an empty list.
    #[test]
    fn a_crash_on_an_empty_list() {
        let empty = SERVICE.gallery_in_memory().unwrap();
        let events = watched(&frames(&[stands(1, 0.0, 2.0)], 2.0), Some(&empty), WatchOptions::default());
        assert!(events.iter().all(|event| event.who.person.is_none() && event.fpir.is_none()));
        assert_eq!(of(&events, EventKind::Left).len(), 1);
        assert!(watched(&frames(&[], 2.0), Some(&empty), WatchOptions::default()).is_empty());
        assert!(watched(&[], None, WatchOptions::default()).is_empty());
    }

    /// Frigate's users wait for it; a household measured 8 seconds in the median.
    #[test]
    fn eight_seconds_to_a_name() {
        let gallery = gallery(&[1, 2]);
        for person in [1, 2] {
            let events =
                watched(&frames(&[stands(person, 0.5, 3.0)], 3.0), Some(&gallery), WatchOptions::default());
            let identified = of(&events, EventKind::Identified)[0];
            assert!(identified.who.person == Some(name(person)) && identified.time <= 1.5, "{identified:?}");
        }
    }

    #[test]
    fn only_the_largest_face_counts() {
        let gallery = gallery(&[1, 2]);
        let clip =
            [actor(1, 1, |_| Some([150.0, 135.0, 230.0])), actor(2, 1, |_| Some([390.0, 150.0, 110.0]))];
        let events = watched(&frames(&clip, 3.0), Some(&gallery), WatchOptions::default());
        let named: BTreeSet<_> =
            of(&events, EventKind::Identified).iter().filter_map(|event| event.who.person.clone()).collect();
        assert_eq!(named, BTreeSet::from([name(1), name(2)]), "{events:#?}");
    }

    #[test]
    fn a_stranger_who_comes_back_is_a_new_one() {
        let clip = [stands(5, 0.0, 3.0), stands(5, 6.0, 9.0)];
        let options = WatchOptions { visit_gap: 1.0, ..WatchOptions::default() };
        let events = watched(&frames(&clip, 9.0), None, options);
        let numbers: Vec<_> =
            of(&events, EventKind::Identified).iter().map(|event| event.who.stranger).collect();
        assert_eq!(numbers, [Some(1), Some(1)], "{events:#?}");
    }

    #[test]
    fn a_name_expires_after_five_seconds() {
        let gallery = gallery(&[1]);
        let mut clip = frames(&[stands(1, 0.0, 10.0)], 10.0);
        clip[20..90].iter_mut().for_each(blur);
        let mut watcher = Watcher::new(&SERVICE, Some(&gallery), every_frame()).unwrap();
        let mut nameless = Vec::new();
        for frame in &clip {
            let events = watcher.frame(frame).unwrap();
            assert!(of(&events, EventKind::Changed).is_empty(), "{events:?}");
            let present = watcher.present();
            if frame.time > 1.5 && present.iter().all(|face| face.who.person != Some(name(1))) {
                nameless.push(frame.time);
            }
        }
        assert!(nameless.is_empty(), "{nameless:?}");
    }

    #[test]
    fn the_box_lies_beside_the_face() {
        let clip = [actor(1, 1, |time| Some([140.0 + 50.0 * time as f32, 140.0, 150.0]))];
        let mut watcher = Watcher::new(&SERVICE, None, every_frame()).unwrap();
        let mut seen = 0;
        let mut check = |events: &[Event], time: f64| {
            let truth = picture(&clip, time).1[0].1;
            for event in events.iter().filter(|event| event.event == EventKind::Identified) {
                assert!(iou(&event.bbox, &truth) > 0.5, "{:?} is not {truth:?}", event.bbox);
                seen += 1;
            }
        };
        for frame in frames(&clip, 3.0) {
            let events = watcher.frame(&frame).unwrap();
            check(&events, frame.time);
            for face in watcher.present().iter().filter(|_| frame.time > 0.5) {
                let truth = picture(&clip, frame.time).1[0].1;
                assert!(iou(&face.bbox, &truth) > 0.5, "{:?} is not {truth:?}", face.bbox);
            }
        }
        assert_eq!(seen, 1);
    }

    #[test]
    fn nothing_is_told_of_unknown_people() {
        let gallery = gallery(&[1, 2]);
        let somebody = actor(7, 1, |time| (0.5..3.5).contains(&time).then_some([360.0, 135.0, 170.0]));
        let events = watched(&frames(&[somebody], 6.0), Some(&gallery), WatchOptions::default());
        let kinds: Vec<EventKind> = events.iter().map(|event| event.event).collect();
        let all = [EventKind::Appeared, EventKind::Identified, EventKind::Left, EventKind::Visit];
        assert_eq!(kinds, all, "{events:#?}");
        assert!(events[1..].iter().all(|event| event.who.stranger == Some(1)), "{events:#?}");
    }

    /// Somebody was enrolled under a wrong name, and this is corrected while she stands before the camera.
    #[test]
    fn the_first_match_is_final() {
        let gallery = gallery(&[1]);
        let clip = frames(&[stands(1, 0.0, 9.0)], 9.0);
        let mut watcher = Watcher::new(&SERVICE, Some(&gallery), every_frame()).unwrap();
        let mut events = Vec::new();
        for frame in &clip {
            if frame.index == 20 {
                let people = gallery.people(&phiz_gallery::Filter::default(), None, 10).unwrap();
                gallery.remove_person(people[0].id).unwrap();
                enrol(&gallery, "Ada", 1);
            }
            events.extend(watcher.frame(frame).unwrap());
        }
        let changed = of(&events, EventKind::Changed);
        assert_eq!(changed.len(), 1, "{events:#?}");
        assert_eq!(changed[0].who.person.as_deref(), Some("Ada"));
        assert_eq!(changed[0].previous.as_ref().and_then(|who| who.person.clone()), Some(name(1)));
    }

    fn enrol(gallery: &phiz_gallery::Gallery, called: &str, person: u64) {
        let photo = |look: u64| {
            let scene = Scene::portrait(FaceModel::bundled(), person, 256, person * 1000 + look).unwrap();
            Photo::from_bytes(format!("{called}-{look}"), scene.image.encode_png().unwrap())
        };
        let photos: Vec<Photo> = (950..953).map(photo).collect();
        SERVICE
            .enrol(gallery, called, &photos, &EnrolOptions { force: true, ..EnrolOptions::default() })
            .unwrap();
    }

    #[test]
    fn nobody_else_is_seen_for_five_seconds_after_a_match() {
        let gallery = gallery(&[1, 2]);
        let clip = [
            actor(1, 1, |_| Some([120.0, 135.0, 170.0])),
            actor(2, 1, |time| (time >= 1.5).then_some([360.0, 135.0, 170.0])),
        ];
        let events = watched(&frames(&clip, 4.0), Some(&gallery), WatchOptions::default());
        let named = |person: u64| {
            let named = events.iter().find(|event| event.who.person == Some(name(person)));
            named.unwrap_or_else(|| panic!("{person} has no name: {events:#?}")).time
        };
        assert!(named(1) < 1.5 && named(2) < 2.5, "{} {}", named(1), named(2));
    }

    /// The household's members limit a threshold, not strangers: whom nobody could tell apart has no name rather than a wrong one.
    #[test]
    fn one_of_two_who_look_alike_is_picked() {
        let gallery = gallery(&[1, 2]);
        enrol(&gallery, "twin of person 1", 1);
        let events = watched(&frames(&[stands(1, 0.0, 3.0)], 3.0), Some(&gallery), every_frame());
        assert!(events.iter().all(|event| event.who.person.is_none()), "{events:#?}");
        // Whoever has no twin is named as ever.
        let events = watched(&frames(&[stands(2, 0.0, 3.0)], 3.0), Some(&gallery), every_frame());
        assert_eq!(of(&events, EventKind::Identified)[0].who.person, Some(name(2)));
    }

    #[test]
    fn a_single_bad_view_makes_a_stranger() {
        // Seen for a moment and blurred: somebody was there, and that is all.
        let mut short = frames(&[stands(7, 0.0, 0.25)], 4.0);
        short.iter_mut().for_each(blur);
        let events = watched(&short, None, every_frame());
        assert!(events.iter().all(|event| event.who.stranger.is_none()), "{events:#?}");
        // Clear at first, then blurred, away, and back: one number all the time.
        let mut long = frames(&[stands(7, 0.0, 6.0), stands(7, 9.0, 12.0)], 12.0);
        long[30..60].iter_mut().for_each(blur);
        let events = watched(&long, None, every_frame());
        let numbers: BTreeSet<u64> = events.iter().filter_map(|event| event.who.stranger).collect();
        assert!(numbers == BTreeSet::from([1]) && of(&events, EventKind::Changed).is_empty(), "{events:#?}");
    }
}

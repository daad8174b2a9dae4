//! Our tracks beside those of ByteTrack, on the same detections of people whose truth is known: walks, crossings, people who
//! hide each other, leave and come back.
//!
//! `cargo nextest run -p phiz-video --test tracking --no-capture` prints the figures, and where a face changed its track.
//! `PHIZ_CALIBRATE=120` also enrols 120 made-up people who are in no clip and calibrates the gallery: made-up people are more alike than
//! the real ones by whom the card's rates were measured.
//! `PHIZ_CLIPS=tune` takes other people and other ways: constants of the tracker are chosen on those, and never on the others.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod bytetrack;
mod clips;

use std::collections::BTreeMap;

use bytetrack::ByteTrack;
use clips::{Actor, RATE, SERVICE, actor, frames, gallery, name, picture};
use phiz_eval::tracking::{self, Box, Tracking};
use phiz_face::{DetectOptions, iou};
use phiz_gallery::Gallery;
use phiz_service::{EnrolOptions, Photo};
use phiz_synth::{FaceModel, Scene};
use phiz_video::{WatchOptions, Watcher};

/// Walks from edge to edge and back, so many pixels a second, between two times.
fn walks(
    person: u64,
    look: u64,
    start: f32,
    speed: f32,
    y: f32,
    side: f32,
    [from, until]: [f64; 2],
) -> Actor {
    actor(person, look, move |time| {
        let way = (start + speed * (time - from) as f32).rem_euclid(960.0);
        let x = if way > 480.0 { 960.0 - way } else { way };
        (from..until).contains(&time).then_some([x, y, side])
    })
}

/// A clip: what it shows, how long it is, whether it is two people who cross and nothing else.
struct Clip {
    what: &'static str,
    actors: Vec<Actor>,
    seconds: f64,
    crossing: bool,
}

fn all_clips() -> Vec<Clip> {
    let whole = [0.0, 100.0];
    let cross = |what, first: [u64; 2], second: [u64; 2], speeds: [f32; 2], sides: [f32; 2]| Clip {
        what,
        actors: vec![
            walks(first[0], first[1], 60.0, speeds[0], 120.0, sides[0], whole),
            walks(second[0], second[1], 420.0, speeds[1], 150.0, sides[1], whole),
        ],
        seconds: 15.0,
        crossing: true,
    };
    vec![
        cross("two cross, one is nearer", [1, 1], [2, 1], [90.0, 70.0], [130.0, 150.0]),
        cross("two cross, both fast", [3, 1], [1, 2], [150.0, 130.0], [140.0, 140.0]),
        cross("two cross, both slow", [2, 2], [3, 2], [40.0, 50.0], [120.0, 150.0]),
        cross("two strangers cross", [11, 1], [12, 1], [80.0, 60.0], [140.0, 150.0]),
        Clip {
            what: "three: late, back again, in the way",
            actors: vec![
                walks(3, 1, 100.0, 80.0, 110.0, 120.0, [1.0, 100.0]),
                actor(1, 2, |time| (!(4.0..7.5).contains(&time)).then_some([400.0, 160.0, 140.0])),
                actor(2, 2, |_| Some([240.0, 140.0, 160.0])),
            ],
            seconds: 10.0,
            crossing: false,
        },
        Clip {
            what: "one behind another",
            actors: vec![
                walks(1, 3, 40.0, 60.0, 135.0, 110.0, whole),
                actor(2, 3, |_| Some([250.0, 135.0, 190.0])),
            ],
            seconds: 10.0,
            crossing: false,
        },
        Clip {
            what: "comes and goes, one after the other",
            actors: (0..6)
                .map(|i| {
                    let from = 2.0 * i as f64;
                    actor(1 + i % 3, 4 + i, move |time| {
                        (from..from + 1.6).contains(&time).then_some([240.0, 135.0, 170.0])
                    })
                })
                .collect(),
            seconds: 12.0,
            crossing: false,
        },
        Clip {
            what: "comes nearer and goes away",
            actors: vec![actor(2, 5, |time| {
                let side = 60.0 + 150.0 * (1.0 - (time / 5.0 - 1.0).abs());
                Some([240.0, 135.0, side as f32])
            })],
            seconds: 10.0,
            crossing: false,
        },
    ]
}

/// Who is enrolled, and clips for choosing constants: two who cross again and again, at other speeds and sizes than those above.
fn tuning_clips() -> Vec<Clip> {
    let whole = [0.0, 100.0];
    let cross = |i: u64, speeds: [f32; 2], sides: [f32; 2]| Clip {
        what: ["tune 0", "tune 1", "tune 2", "tune 3", "tune 4", "tune 5", "tune 6", "tune 7"][i as usize],
        actors: vec![
            walks(21 + i % 5, 30 + i, 30.0 + 20.0 * i as f32, speeds[0], 115.0, sides[0], whole),
            walks(26 + i % 4, 50 + i, 400.0, speeds[1], 155.0, sides[1], whole),
        ],
        seconds: 15.0,
        crossing: true,
    };
    // Somebody walks behind another who stands before the camera, and is hidden for seconds.
    let behind = |what, person: u64, before: u64, speed: f32, side: f32| Clip {
        what,
        actors: vec![
            walks(person, 61, 60.0, speed, 130.0, 105.0, whole),
            actor(before, 62, move |_| Some([235.0, 135.0, side])),
        ],
        seconds: 12.0,
        crossing: false,
    };
    vec![
        cross(0, [80.0, 75.0], [135.0, 145.0]),
        cross(1, [140.0, 120.0], [135.0, 150.0]),
        cross(2, [35.0, 45.0], [130.0, 140.0]),
        cross(3, [60.0, 100.0], [150.0, 130.0]),
        cross(4, [30.0, 60.0], [120.0, 160.0]),
        cross(5, [55.0, 50.0], [145.0, 145.0]),
        cross(6, [45.0, 70.0], [125.0, 155.0]),
        cross(7, [110.0, 40.0], [140.0, 150.0]),
        behind("tune 8", 21, 24, 40.0, 200.0),
        behind("tune 9", 22, 25, 75.0, 180.0),
        behind("tune 10", 24, 26, 55.0, 210.0),
    ]
}

/// Says where a person's track changed, and whether the person had been out of sight before.
fn tell_switches(what: &str, frames: &[tracking::Frame]) {
    let mut last: BTreeMap<u64, (u64, usize)> = BTreeMap::new();
    for (index, frame) in frames.iter().enumerate() {
        let narrow = |bbox: &[f64; 4]| bbox.map(|v| v as f32);
        let mut pairs = Vec::new();
        for truth in &frame.truth {
            for found in &frame.found {
                let overlap = iou(&narrow(&truth.bbox), &narrow(&found.bbox));
                if overlap >= 0.3 {
                    pairs.push((overlap, truth.id, found.id));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut taken: Vec<u64> = Vec::new();
        let mut done: Vec<u64> = Vec::new();
        for (_, person, track) in pairs {
            if done.contains(&person) || taken.contains(&track) {
                continue;
            }
            done.push(person);
            taken.push(track);
            if let Some((before, when)) = last.insert(person, (track, index))
                && before != track
            {
                let time = |index: usize| index as f64 / RATE;
                eprintln!(
                    "{what}: person {person} is track {track} from {:.1} s on, and was {before} until {:.1} s",
                    time(index),
                    time(when)
                );
            }
        }
    }
}

/// A gallery that also knows so many made-up people who are in no clip, and has measured its rates on all of them.
fn calibrated(people: &[u64], others: u64) -> Gallery {
    let gallery = gallery(people);
    for person in 5000..5000 + others {
        let scene = Scene::portrait(FaceModel::bundled(), person, 256, person * 1000 + 900).unwrap();
        let photo = Photo::from_bytes(format!("{person}"), scene.image.encode_png().unwrap());
        SERVICE.enrol(&gallery, &name(person), &[photo], &EnrolOptions::default()).unwrap();
    }
    if others > 0 {
        let calibrated = gallery.calibrate(|_, _| ()).unwrap();
        eprintln!("rate, the card's similarity, this gallery's: {:?}", calibrated.compared);
    }
    gallery
}

/// Tracks that were named rightly and wrongly, and those of people who are enrolled that have no name.
#[derive(Clone, Copy, Debug, Default)]
struct Names {
    right: usize,
    wrong: usize,
    nameless: usize,
}

#[test]
fn tracks_names_and_switches_beside_bytetrack_on_the_same_detections() {
    let tuning = std::env::var("PHIZ_CLIPS").is_ok_and(|clips| clips == "tune");
    let (enrolled, clips) = match tuning {
        true => ([21, 22, 26], tuning_clips()),
        false => ([1, 2, 3], all_clips()),
    };
    let others = std::env::var("PHIZ_CALIBRATE").ok().and_then(|count| count.parse().ok()).unwrap_or(0);
    let gallery = calibrated(&enrolled, others);
    let (mut ours, mut theirs) = (Tracking::default(), Tracking::default());
    let (mut names, mut crossing) = (Names::default(), (0, 0, 0.0));
    for clip in clips {
        let options = WatchOptions { interval: 0.0, ..WatchOptions::default() };
        let mut watcher = Watcher::new(&SERVICE, Some(&gallery), options).unwrap();
        let mut byte = ByteTrack::new(RATE);
        let (mut our_frames, mut their_frames) = (Vec::new(), Vec::new());
        // By track: how often it covered whom, and who it was said to be in the end.
        let mut tracks: BTreeMap<u64, (BTreeMap<u64, usize>, Option<String>)> = BTreeMap::new();
        for frame in frames(&clip.actors, clip.seconds) {
            watcher.frame(&frame).unwrap();
            let wide = |bbox: [f32; 4]| bbox.map(f64::from);
            let shown = picture(&clip.actors, frame.time).1;
            let truth: Vec<Box> = shown.iter().map(|(id, bbox)| Box { id: *id, bbox: wide(*bbox) }).collect();
            let present = watcher.present();
            for face in &present {
                let track = tracks.entry(face.track).or_default();
                track.1.clone_from(&face.who.person);
                let near =
                    shown.iter().max_by(|a, b| iou(&a.1, &face.bbox).total_cmp(&iou(&b.1, &face.bbox)));
                if let Some((person, _)) = near.filter(|(_, bbox)| iou(bbox, &face.bbox) > 0.3) {
                    *track.0.entry(*person).or_default() += 1;
                }
            }
            let found = present.iter().map(|face| Box { id: face.track, bbox: wide(face.bbox) }).collect();
            our_frames.push(tracking::Frame { truth: truth.clone(), found });
            if tuning {
                continue;
            }
            let detect = DetectOptions::default().score(0.1).min_face(20.0);
            let faces = SERVICE.analyzer().detector().detect(&frame.image, &detect).unwrap();
            let faces: Vec<_> = faces.iter().map(|f| (wide(f.bbox), f64::from(f.score))).collect();
            let found = byte.step(&faces).into_iter().map(|(id, bbox)| Box { id, bbox }).collect();
            their_frames.push(tracking::Frame { truth, found });
        }
        tell_switches(clip.what, &our_frames);
        let ours_here = tracking::tracking(&our_frames, 0.3).unwrap();
        let theirs_here = if tuning { ours_here } else { tracking::tracking(&their_frames, 0.3).unwrap() };
        let mut here = Names::default();
        for (covered, said) in tracks.values() {
            let Some((person, count)) = covered.iter().max_by_key(|(_, count)| **count) else { continue };
            // Half a second says who it is, or nothing can.
            if *count < 5 {
                continue;
            }
            let true_name = enrolled.contains(person).then(|| name(*person));
            match (said, true_name) {
                (said, true_name) if *said == true_name => here.right += 1,
                (None, Some(_)) => here.nameless += 1,
                _ => here.wrong += 1,
            }
        }
        for (who, quality) in [("ours", &ours_here), ("ByteTrack", &theirs_here)] {
            eprintln!(
                "{:<40} {who:<9} IDF1 {:.3}, MOTA {:.3}, switches {}",
                clip.what,
                quality.idf1(),
                quality.mota(),
                quality.switches
            );
        }
        eprintln!("{:<40} tracks   {here:?}", clip.what);
        if clip.crossing {
            crossing.0 += ours_here.switches;
            crossing.1 += theirs_here.switches;
            crossing.2 += clip.seconds / 60.0;
        }
        (ours, theirs) = (ours.and(&ours_here), theirs.and(&theirs_here));
        names.right += here.right;
        names.wrong += here.wrong;
        names.nameless += here.nameless;
    }
    for (who, quality) in [("ours", &ours), ("ByteTrack", &theirs)] {
        eprintln!(
            "all: {who:<9} IDF1 {:.3}, MOTA {:.3}, switches {}, missed {} of {}",
            quality.idf1(),
            quality.mota(),
            quality.switches,
            quality.missed,
            quality.truth
        );
    }
    let tracks = names.right + names.wrong + names.nameless;
    eprintln!("tracks: {names:?}, right {:.1} %", 100.0 * names.right as f64 / tracks as f64);
    eprintln!(
        "switches a minute of two who cross: ours {:.2}, ByteTrack {:.2}",
        crossing.0 as f64 / crossing.2,
        crossing.1 as f64 / crossing.2
    );
    assert!(names.wrong == 0 && names.right * 100 >= tracks * 90, "{names:?}");
    assert!(ours.idf1() >= theirs.idf1(), "ByteTrack follows better: {ours:?} {theirs:?}");
    assert!(crossing.0 as f64 / crossing.2 <= 1.0, "{} switches", crossing.0);
}

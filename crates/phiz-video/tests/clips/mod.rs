//! Clips of people who do not exist, with known truth: portraits that move over a plain background.
#![allow(dead_code, clippy::unwrap_used, reason = "shared by tests, each of which uses a part of it")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex};

use phiz_gallery::Gallery;
use phiz_image::Image;
use phiz_service::{EnrolOptions, Photo, Service};
use phiz_synth::{FaceModel, Scene};
use phiz_video::{Event, EventKind, Frame, WatchOptions, Watcher};

pub(crate) static SERVICE: LazyLock<Service> = LazyLock::new(|| Service::new().unwrap());

/// Columns and rows of a clip.
pub(crate) const SIZE: (u32, u32) = (480, 270);
/// Frames a second.
pub(crate) const RATE: f64 = 10.0;

/// Somebody in a clip.
pub(crate) struct Actor {
    /// The person's seed.
    pub(crate) person: u64,
    /// The seed of how the person looks in this clip.
    pub(crate) look: u64,
    /// Where the middle of the portrait is at a time, and how many pixels its side has; none while the person is away.
    pub(crate) at: Box<dyn Fn(f64) -> Option<[f32; 3]>>,
}

pub(crate) fn actor(person: u64, look: u64, at: impl Fn(f64) -> Option<[f32; 3]> + 'static) -> Actor {
    Actor { person, look, at: Box::new(at) }
}

/// A portrait, and the box of its face as shares of its side.
type Portrait = (Image, [f32; 4]);

/// The portrait of a person in a look. Drawn once.
fn portrait(person: u64, look: u64) -> Portrait {
    static DRAWN: LazyLock<Mutex<BTreeMap<(u64, u64), Portrait>>> = LazyLock::new(Mutex::default);
    let mut drawn = DRAWN.lock().unwrap();
    let draw = || {
        let scene = Scene::portrait(FaceModel::bundled(), person, 256, look).unwrap();
        (scene.image.clone(), scene.faces[0].bbox.map(|v| v / 256.0))
    };
    drawn.entry((person, look)).or_insert_with(draw).clone()
}

/// Lays a picture over another, cut off at its edges.
fn lay(image: &mut Image, over: &Image, left: i64, top: i64) {
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    let (columns, rows) = (i64::from(over.width()), i64::from(over.height()));
    let from = over.pixels().to_vec();
    let pixels = image.pixels_mut();
    for j in 0..rows {
        for i in 0..columns {
            let (x, y) = (left + i, top + j);
            if (0..width).contains(&x) && (0..height).contains(&y) {
                let (to, at) = ((y * width + x) as usize * 3, (j * columns + i) as usize * 3);
                pixels[to..to + 3].copy_from_slice(&from[at..at + 3]);
            }
        }
    }
}

/// The share of a box that a rectangle covers.
fn covered(bbox: &[f32; 4], by: [f32; 4]) -> f32 {
    let along = |i: usize| ((bbox[i] + bbox[i + 2]).min(by[i] + by[i + 2]) - bbox[i].max(by[i])).max(0.0);
    along(0) * along(1) / (bbox[2] * bbox[3])
}

/// The picture at a time, and the faces in it of which half or more can be seen: each person with the box of the face. Later
/// actors stand before earlier ones.
pub(crate) fn picture(actors: &[Actor], time: f64) -> (Image, Vec<(u64, [f32; 4])>) {
    let mut image = Image::from_rgb(SIZE.0, SIZE.1, vec![92; (SIZE.0 * SIZE.1 * 3) as usize]).unwrap();
    let mut truth = Vec::new();
    for actor in actors {
        let Some([x, y, side]) = (actor.at)(time) else { continue };
        let (portrait, face) = portrait(actor.person, actor.look);
        let (left, top) = ((x - side / 2.0).round(), (y - side / 2.0).round());
        lay(&mut image, &portrait.resize(side as u32, side as u32), left as i64, top as i64);
        truth.retain(|(_, bbox): &(u64, [f32; 4])| covered(bbox, [left, top, side, side]) < 0.5);
        let [fx, fy, fw, fh] = face.map(|v| v * side);
        truth.push((actor.person, [left + fx, top + fy, fw, fh]));
    }
    truth.retain(|(_, bbox)| covered(bbox, [0.0, 0.0, SIZE.0 as f32, SIZE.1 as f32]) > 0.5);
    (image, truth)
}

/// The frames of a clip.
pub(crate) fn frames(actors: &[Actor], seconds: f64) -> Vec<Frame> {
    (0..(seconds * RATE) as u64)
        .map(|index| {
            let time = index as f64 / RATE;
            Frame { index, time, image: picture(actors, time).0, scale: 1.0 }
        })
        .collect()
}

/// A gallery in memory of people by their seeds, named `person SEED`.
pub(crate) fn gallery(people: &[u64]) -> Gallery {
    let gallery = SERVICE.gallery_in_memory().unwrap();
    for person in people {
        let photos: Vec<Photo> = (900..903)
            .map(|look| {
                let scene =
                    Scene::portrait(FaceModel::bundled(), *person, 256, person * 1000 + look).unwrap();
                Photo::from_bytes(format!("{person}-{look}"), scene.image.encode_png().unwrap())
            })
            .collect();
        let done = SERVICE.enrol(&gallery, &name(*person), &photos, &EnrolOptions::default()).unwrap();
        assert!(done.photos.len() == 3);
    }
    gallery
}

pub(crate) fn name(person: u64) -> String {
    format!("person {person}")
}

/// All events of a clip.
pub(crate) fn watched(frames: &[Frame], gallery: Option<&Gallery>, options: WatchOptions) -> Vec<Event> {
    let mut watcher = Watcher::new(&SERVICE, gallery, options).unwrap();
    let mut events = Vec::new();
    for frame in frames {
        events.extend(watcher.frame(frame).unwrap());
    }
    events.extend(watcher.finish());
    events
}

pub(crate) fn of(events: &[Event], kind: EventKind) -> Vec<&Event> {
    events.iter().filter(|event| event.event == kind).collect()
}

/// Whether ffmpeg is there. A test that needs it says so and ends where it is not, unless `PHIZ_NEED_FFMPEG` is set.
pub(crate) fn ffmpeg() -> bool {
    let there = |name: &str| {
        Command::new(name).arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    if there("ffmpeg") && there("ffprobe") {
        return true;
    }
    assert!(std::env::var_os("PHIZ_NEED_FFMPEG").is_none(), "ffmpeg is missing");
    eprintln!("skipped: ffmpeg is missing");
    false
}

/// Writes a clip by ffmpeg, with these arguments for the output.
pub(crate) fn write(path: &Path, frames: &[Frame], arguments: &[&str]) {
    let size = format!("{}x{}", SIZE.0, SIZE.1);
    let mut child = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-y",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "rgb24",
            "-s",
            &size,
            "-r",
            &RATE.to_string(),
        ])
        .args(["-i", "pipe:0"])
        .args(arguments)
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    for frame in frames {
        pipe.write_all(frame.image.pixels()).unwrap();
    }
    drop(pipe);
    assert!(child.wait().unwrap().success(), "{}", path.display());
}

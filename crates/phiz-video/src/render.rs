//! A video once more, with something done to each of its pictures; and marks on faces.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use phiz_image::{Image, draw};

use crate::encode::Writer;
use crate::event::Identity;
use crate::frames::{Frame, Frames, ReadOptions};
use crate::path::Path;
use crate::source::Source;
use crate::watch::Present;
use crate::{Result, VideoError};

/// Reads a video file, and writes another with the same times and sound, in which each picture is what `each` made of it.
/// `format` is one of [`crate::WRITTEN`]. `progress` hears the time of each frame. Returns the number of frames; a video
/// that was stopped is not finished, which is an error.
///
/// # Errors
/// A file that cannot be read, a result that cannot be written, or what `each` fails with.
pub fn rewrite(
    path: &FilePath,
    out: &FilePath,
    format: &str,
    stop: &Arc<AtomicBool>,
    mut each: impl FnMut(Frame) -> Result<Image>,
    mut progress: impl FnMut(f64),
) -> Result<u64> {
    let options = ReadOptions { longest_side: 16384, stall: 60.0, ..ReadOptions::default() };
    let mut frames = Frames::open(Source::File(path.into()), options, Arc::clone(stop))?;
    let mut writer: Option<Writer> = None;
    let mut count = 0;
    while let Some(frame) = frames.next_frame()? {
        let (time, size) = (frame.time, (frame.image.width(), frame.image.height()));
        progress(time);
        let image = each(frame)?;
        let writer = match &mut writer {
            Some(writer) => writer,
            empty => empty.insert(Writer::create(out, format, size, time, path, frames.probe())?),
        };
        writer.frame(&image, time)?;
        count += 1;
    }
    if stop.load(std::sync::atomic::Ordering::Relaxed) {
        return Err(VideoError::Unwritable { path: out.into(), said: vec!["it was stopped".into()] });
    }
    match writer {
        Some(writer) => writer.finish()?,
        None => {
            return Err(VideoError::Unreadable {
                source_name: path.display().to_string(),
                reason: "not one picture can be decoded".into(),
                said: Vec::new(),
            });
        }
    }
    Ok(count)
}

const INK: [u8; 3] = [16, 32, 24];
/// Points of a way no further apart than this belong to one movement.
const GAP: f64 = 1.0;
/// A face is marked for so long before and after it was found: half of the time between two looks.
const REACH: f64 = 0.06;

/// Marks the faces that are in a frame, with who each of them turned out to be.
#[must_use]
pub fn marked(frame: Frame, paths: &[Path]) -> Image {
    let Frame { time, mut image, scale, .. } = frame;
    let faces: Vec<Face> = paths
        .iter()
        .filter(|path| path.confirmed)
        .filter_map(|path| {
            let bbox = path.at(time, GAP, REACH)?.map(|v| v * scale);
            Some(Face { track: path.track, who: path.who.clone(), bbox })
        })
        .collect();
    mark(&mut image, &faces);
    image
}

/// The frame as JPEG, no longer than `longest` on a side, with the faces marked that are there now; for people who look on.
///
/// # Errors
/// The picture cannot be encoded.
pub fn preview(frame: &Frame, present: &[Present], longest: u32) -> Result<Vec<u8>> {
    looked_at(frame, present, longest).encode_jpeg(75).map_err(VideoError::photo)
}

/// The frame, no longer than `longest` on a side, with the faces marked that are there now.
#[must_use]
pub fn looked_at(frame: &Frame, present: &[Present], longest: u32) -> Image {
    let long = frame.image.width().max(frame.image.height()).max(1);
    let shrink = (longest as f32 / long as f32).min(1.0);
    let side = |side: u32| ((side as f32 * shrink).round() as u32).max(1);
    let mut image = frame.image.resize(side(frame.image.width()), side(frame.image.height()));
    let scale = frame.scale * shrink;
    let face = |there: &Present| Face {
        track: there.track,
        who: there.who.clone(),
        bbox: there.bbox.map(|v| v * scale),
    };
    let faces: Vec<Face> = present.iter().map(face).collect();
    mark(&mut image, &faces);
    image
}

/// A face that is marked, in pixels of the picture.
struct Face {
    track: u64,
    who: Identity,
    bbox: [f32; 4],
}

fn mark(image: &mut Image, faces: &[Face]) {
    let colour = |face: &Face| match face.who.person {
        Some(_) => phiz_service::KNOWN,
        None => phiz_service::NOT_KNOWN,
    };
    let long = image.width().max(image.height()) as f32;
    for face in faces {
        let line = (long / 500.0).min(face.bbox[2].min(face.bbox[3]) / 12.0).max(1.0);
        draw::rectangle(image, face.bbox, line.round() as u32, colour(face));
    }
    let fonts = draw::Fonts::system();
    let size = (long / 45.0).clamp(10.0, 60.0);
    let labels: Vec<String> = faces
        .iter()
        .map(|face| if face.who.is_unknown() { format!("#{}", face.track) } else { face.who.label() })
        .collect();
    let measured: Vec<[f32; 2]> = labels
        .iter()
        .map(|label| draw::measure(fonts, label, size))
        .map(|drawn| [drawn.width, drawn.height])
        .collect();
    let boxes: Vec<[f32; 4]> = faces.iter().map(|face| face.bbox).collect();
    let places = draw::place_labels([image.width(), image.height()], &boxes, &measured);
    for ((face, label), place) in faces.iter().zip(&labels).zip(places) {
        draw::text(image, fonts, label, place, size, INK, colour(face));
    }
}

//! Hiding faces in photos and videos.
//!
//! A video is gone through twice. First every frame is looked at, with a low score, and each face is followed; then each way
//! is filled between detections and a little beyond its ends, and hidden in every frame of that time. What was seen only
//! once and may have been a face is hidden, too: to hide too much is the smaller fault. Where a blurred or pixelated face is
//! still found by the detector, it is covered.

use std::collections::BTreeSet;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use phiz_face::{DetectOptions, Detection, Plan, iou};
use phiz_gallery::{Gallery, PersonId};
use phiz_image::Image;
use phiz_service::{IdentifyOptions, Service, Verdict};

use crate::frames::{Frame, Frames, ReadOptions};
use crate::hide::{Hiding, hide};
use crate::path::Path;
use crate::render::rewrite;
use crate::source::Source;
use crate::watch::{WatchOptions, Watcher};
use crate::{Result, VideoError};

/// Whose faces are hidden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whom {
    /// Everybody's.
    #[default]
    Everyone,
    /// Only the faces that are recognised as these people's.
    Only(BTreeSet<PersonId>),
    /// All but those that are recognised as these people's.
    Except(BTreeSet<PersonId>),
}

impl Whom {
    /// Whether a face is hidden that is known to be this person's, or nobody's.
    fn meets(&self, person: Option<PersonId>) -> bool {
        match self {
            Whom::Everyone => true,
            Whom::Only(people) => person.is_some_and(|person| people.contains(&person)),
            Whom::Except(people) => person.is_none_or(|person| !people.contains(&person)),
        }
    }
}

/// How faces are hidden.
#[derive(Clone, Debug, PartialEq)]
pub struct RedactOptions {
    /// Whose.
    pub whom: Whom,
    /// By what.
    pub how: Hiding,
    /// How people are recognised, where that matters.
    pub identify: IdentifyOptions,
    /// The lowest score of a face. Default 0.4: lower than usual, since a missed face is worse than a hidden thing.
    pub score: f32,
    /// The smallest face that is hidden, in pixels. Default 12.
    pub min_face: f32,
}

impl Default for RedactOptions {
    fn default() -> RedactOptions {
        RedactOptions {
            whom: Whom::Everyone,
            how: Hiding::Blur,
            identify: IdentifyOptions::default(),
            score: 0.4,
            min_face: 12.0,
        }
    }
}

impl RedactOptions {
    /// What is found by this is a face that was left.
    fn detect(&self) -> DetectOptions {
        DetectOptions::default().score(self.score).min_face(self.min_face)
    }

    /// The score from which on something is hidden: what is encoded differs a little from what was looked at, so that a face
    /// just below the score may be just above it in the result.
    fn faint(&self) -> f32 {
        self.score * FAINT
    }
}

/// The share of the score from which on something is hidden.
const FAINT: f32 = 0.75;
/// A picture is looked at so often, until nothing is found in it, and what is covered grows by so much each time.
const LOOKS: usize = 6;
const GROWTH: f32 = 0.2;

/// A face that the detector still finds where one should have been hidden.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Left {
    /// When, in a video.
    pub time: f64,
    /// Where, in pixels.
    pub bbox: [f32; 4],
    /// How sure the detector is.
    pub score: f32,
}

/// A photo with hidden faces.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedactedPhoto {
    /// The picture. It was made of pixels alone: there are no metadata.
    pub image: Image,
    /// The faces that were hidden, in pixels.
    pub hidden: Vec<[f32; 4]>,
    /// How many faces were left on purpose.
    pub shown: usize,
}

/// Hides faces in a photo that was decoded at full size.
///
/// # Errors
/// A network that fails, or a gallery that cannot be read.
pub fn redact_photo(
    service: &Service,
    gallery: Option<&Gallery>,
    photo: &Image,
    options: &RedactOptions,
) -> Result<RedactedPhoto> {
    let analyzer = service.analyzer();
    let faint = options.detect().score(options.faint());
    let found = analyzer.detector().detect(photo, &faint).map_err(VideoError::photo)?;
    let people: Vec<Option<PersonId>> = match (gallery, &options.whom) {
        (_, Whom::Everyone) | (None, _) => vec![None; found.len()],
        (Some(gallery), _) => {
            let faces = analyzer.describe_all(photo, found.clone()).map_err(VideoError::photo)?;
            let answers = service.identify_faces(gallery, &faces, &options.identify)?;
            let person = |answer: &phiz_service::IdentifiedFace| match answer.decision {
                Verdict::Match => answer.candidates.first().map(|candidate| candidate.id),
                _ => None,
            };
            answers.iter().map(person).collect()
        }
    };
    let meant = |face: &(&Detection, &Option<PersonId>)| options.whom.meets(*face.1);
    let boxes: Vec<[f32; 4]> =
        found.iter().zip(&people).filter(meant).map(|(detection, _)| detection.bbox).collect();
    let sure = |detection: &Detection| detection.score >= options.score;
    let sure_ones = found.iter().zip(&people).filter(|(detection, _)| sure(detection));
    let (hidden, shown): (Vec<_>, Vec<_>) = sure_ones.partition(meant);
    let hidden: Vec<[f32; 4]> = hidden.into_iter().map(|(detection, _)| detection.bbox).collect();
    let shown = shown.len();
    let image = hidden_in(service, photo.clone(), &boxes, options, true)?;
    Ok(RedactedPhoto { image, hidden, shown })
}

/// The faces that the detector still finds in a photo, where they should have been hidden.
///
/// # Errors
/// A network that fails.
pub fn check_photo(
    service: &Service,
    photo: &Image,
    hidden: &[[f32; 4]],
    options: &RedactOptions,
) -> Result<Vec<Left>> {
    let found = service.analyzer().detector().detect(photo, &options.detect()).map_err(VideoError::photo)?;
    let left = found.into_iter().filter(|face| options.whom == Whom::Everyone || meets(hidden, &face.bbox));
    Ok(left.map(|face| Left { time: 0.0, bbox: face.bbox, score: face.score }).collect())
}

fn meets(hidden: &[[f32; 4]], bbox: &[f32; 4]) -> bool {
    hidden.iter().any(|hidden| iou(hidden, bbox) > 0.2)
}

/// A box with the same centre and sides longer by this factor.
fn grown([x, y, w, h]: [f32; 4], by: f32) -> [f32; 4] {
    [x - w * (by - 1.0) / 2.0, y - h * (by - 1.0) / 2.0, w * by, h * by]
}

/// Hides these faces; what can still be found after that, near them or in the `whole` picture, is covered, and looked at again:
/// what is hidden may look like a face itself, of another size or beside it, so that more is covered each time.
fn hidden_in(
    service: &Service,
    mut image: Image,
    boxes: &[[f32; 4]],
    options: &RedactOptions,
    whole: bool,
) -> Result<Image> {
    boxes.iter().for_each(|bbox| hide(&mut image, *bbox, options.how));
    let mut near: Vec<[f32; 4]> = boxes.iter().copied().filter(|b| b[2] >= 1.0 && b[3] >= 1.0).collect();
    let all = options.whom == Whom::Everyone;
    for round in 0..LOOKS {
        if near.is_empty() && !whole {
            break;
        }
        let look = options.detect().score(options.faint());
        let look = if whole { look } else { look.plan(Plan::Region { boxes: near.clone(), reach: 0.75 }) };
        let found = service.analyzer().detector().detect(&image, &look).map_err(VideoError::photo)?;
        let found: Vec<[f32; 4]> =
            found.iter().map(|face| face.bbox).filter(|bbox| all || meets(boxes, bbox)).collect();
        if found.is_empty() {
            break;
        }
        for face in &found {
            hide(&mut image, grown(*face, 1.0 + GROWTH * round as f32), Hiding::Cover);
            for bbox in boxes.iter().filter(|bbox| iou(bbox, face) > 0.2) {
                hide(&mut image, *bbox, Hiding::Cover);
            }
        }
        near.extend(found);
    }
    Ok(image)
}

/// What a video is being done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Faces are looked for.
    Look,
    /// The new video is written.
    Write,
    /// The new video is looked at.
    Check,
}

/// Which video is written anew, and where.
#[derive(Clone, Copy, Debug)]
pub struct Rewriting<'a> {
    /// The video.
    pub path: &'a FilePath,
    /// The new one.
    pub out: &'a FilePath,
    /// Its format, one of [`crate::WRITTEN`].
    pub format: &'a str,
    /// Ends the work from another thread.
    pub stop: &'a Arc<AtomicBool>,
}

/// A video with hidden faces.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedactedVideo {
    /// Frames.
    pub frames: u64,
    /// The ways of the faces that were hidden.
    pub hidden: Vec<Path>,
    /// How many faces were left on purpose.
    pub shown: usize,
}

/// Ways are filled over gaps of so many seconds, in which a face was not found.
const GAP: f64 = 2.0;
/// A face is hidden for so many seconds before and after it was found.
const REACH: f64 = 0.4;

/// The boxes of the faces that are hidden at a time, in pixels of the picture.
fn at(paths: &[Path], time: f64, scale: f32) -> Vec<[f32; 4]> {
    paths.iter().filter_map(|path| path.at(time, GAP, REACH)).map(|bbox| bbox.map(|v| v * scale)).collect()
}

/// Hides faces in a video file, and writes a new one.
///
/// # Errors
/// A file that cannot be read or written, a network that fails, or a gallery that cannot be read.
pub fn redact_video(
    service: &Service,
    gallery: Option<&Gallery>,
    video: Rewriting<'_>,
    options: &RedactOptions,
    mut progress: impl FnMut(Stage, f64),
) -> Result<RedactedVideo> {
    let watch = WatchOptions {
        identify: options.identify.clone(),
        interval: 0.0,
        score: Some(options.faint()),
        min_face: Some(options.min_face),
        keep_paths: true,
        recognise: options.whom != Whom::Everyone,
        ..WatchOptions::default()
    };
    let read = ReadOptions { stall: 60.0, ..ReadOptions::default() };
    let mut frames = Frames::open(Source::File(video.path.into()), read, Arc::clone(video.stop))?;
    let mut watcher = Watcher::new(service, gallery, watch)?;
    while let Some(frame) = frames.next_frame()? {
        progress(Stage::Look, frame.time);
        watcher.frame(&frame)?;
    }
    watcher.finish();
    let (hidden, shown): (Vec<Path>, Vec<Path>) =
        watcher.paths().into_iter().partition(|path| options.whom.meets(path.id));
    let frames = write_hidden(service, video, options, &hidden, &[], &mut progress)?;
    let shown = shown.iter().filter(|path| path.confirmed).count();
    Ok(RedactedVideo { frames, hidden, shown })
}

/// Writes the video with its faces hidden; `more` are faces that a check has found left, which are covered for a moment
/// before and after, too. Returns the number of frames.
///
/// # Errors
/// A file that cannot be read or written, or a network that fails.
pub fn write_hidden(
    service: &Service,
    video: Rewriting<'_>,
    options: &RedactOptions,
    hidden: &[Path],
    more: &[Left],
    progress: &mut impl FnMut(Stage, f64),
) -> Result<u64> {
    let each = |frame: Frame| {
        let boxes = at(hidden, frame.time, frame.scale);
        let mut image = hidden_in(service, frame.image, &boxes, options, false)?;
        let now: Vec<&Left> = more.iter().filter(|left| (left.time - frame.time).abs() <= REACH).collect();
        for (i, left) in now.iter().enumerate() {
            // What was found again in the same place was not covered enough.
            let before = now[..i].iter().filter(|other| iou(&other.bbox, &left.bbox) > 0.2).count();
            let bbox = left.bbox.map(|v| v * frame.scale);
            hide(&mut image, grown(bbox, 1.0 + (GROWTH * before as f32).min(1.0)), Hiding::Cover);
        }
        Ok(image)
    };
    let Rewriting { path, out, format, stop } = video;
    rewrite(path, out, format, stop, each, |time| progress(Stage::Write, time))
}

/// The faces that the detector still finds in a video, where they should have been hidden.
///
/// # Errors
/// A file that cannot be read, or a network that fails.
pub fn check_video(
    service: &Service,
    path: &FilePath,
    hidden: &[Path],
    options: &RedactOptions,
    stop: &Arc<AtomicBool>,
    mut progress: impl FnMut(Stage, f64),
) -> Result<Vec<Left>> {
    let read = ReadOptions { stall: 60.0, ..ReadOptions::default() };
    let mut frames = Frames::open(Source::File(path.into()), read, Arc::clone(stop))?;
    let detector = service.analyzer().detector();
    let mut left = Vec::new();
    while let Some(frame) = frames.next_frame()? {
        progress(Stage::Check, frame.time);
        let detect = options.detect().min_face(options.min_face * frame.scale);
        let found = detector.detect(&frame.image, &detect).map_err(VideoError::photo)?;
        let boxes = at(hidden, frame.time, frame.scale);
        for face in found {
            if options.whom == Whom::Everyone || meets(&boxes, &face.bbox) {
                let bbox = face.bbox.map(|v| v / frame.scale);
                left.push(Left { time: frame.time, bbox, score: face.score });
            }
        }
    }
    Ok(left)
}

//! Landmarks of one face a photo against true ones, or another detector's.

use super::System;
use crate::Result;
use crate::error::{EvalError, same_length};
use crate::landmarks::{Landmarks, mean_length};
use crate::report::build;
use crate::report::{Better, Figure, Report, Table, Unit};

/// The five landmarks; right and left are the person's.
pub const LANDMARKS: [&str; 5] =
    ["right eye", "left eye", "nose", "right corner of the mouth", "left corner of the mouth"];

/// What became of the one face in a photo whose landmarks are known.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CentralFace {
    /// Overlap (IoU) of the found box that overlaps it most; 0 if none does.
    pub overlap: f64,
    /// How far the found landmarks lie from the true ones ([`crate::landmarks::offsets`]); none if the face was not found.
    pub offsets: Option<Vec<[f64; 2]>>,
    /// Whether more faces were found than the only one of the reference.
    pub more: bool,
}

impl CentralFace {
    /// A face and what was found of it.
    pub fn new(overlap: f64, offsets: Option<Vec<[f64; 2]>>, more: bool) -> Self {
        Self { overlap, offsets, more }
    }
}

/// Judges landmarks. Of `photos` photos, the faces of those in which the reference shows one; an error above `limit` (in
/// shares of the eye distance) is a failure.
///
/// # Errors
/// Overlaps or offsets that are no numbers; faces of different numbers of landmarks.
pub fn landmarks(system: System, photos: usize, faces: &[CentralFace], limit: f64) -> Result<Report> {
    let points = faces.iter().filter_map(|f| f.offsets.as_ref()).map(Vec::len).next().unwrap_or(0);
    for face in faces {
        if let Some(offsets) = &face.offsets {
            same_length("landmarks of two faces", points, offsets.len())?;
        }
        if !face.overlap.is_finite() {
            return Err(EvalError::input(
                "overlap of a face",
                face.overlap.to_string(),
                "give an IoU from 0 to 1",
            ));
        }
    }
    let errors: Vec<Option<f64>> = faces.iter().map(|f| f.offsets.as_deref().map(mean_length)).collect();
    let mut section = build::landmarks(&Landmarks::new(&errors)?, limit);
    section.tables.push(mean_offsets(faces, points));
    let all = faces.len() as u64;
    let mean = |sum: f64| match all {
        0 => Err(EvalError::undefined("the mean", "there is no face to be found")),
        n => Ok(sum / n as f64),
    };
    let found = faces.iter().filter(|f| f.overlap >= 0.5).count() as f64;
    let overlap = faces.iter().map(|f| f.overlap).sum();
    let more = faces.iter().filter(|f| f.more).count() as u64;
    let without = photos.saturating_sub(faces.len()) as u64;
    section.figures.extend([
        Figure::new("overlap", "face found (IoU ≥ 0.5)", mean(found), Unit::Percent, Better::Up)
            .of_trials(all),
        Figure::new("iou", "mean IoU", mean(overlap), Unit::Number, Better::Up),
        Figure::count("more", "photos with more faces than the reference's one", more),
        Figure::count("none", "photos in which the reference finds no face", without),
    ]);
    Ok(system.report(format!("landmarks of the central face, {photos} photos"), None, vec![section]))
}

/// Where landmarks lie on average beside the true ones: a bias, which their mean error does not tell from scatter.
fn mean_offsets(faces: &[CentralFace], points: usize) -> Table {
    let found: Vec<&Vec<[f64; 2]>> = faces.iter().filter_map(|f| f.offsets.as_ref()).collect();
    let mean = |k: usize, axis: usize| {
        let share = found.iter().map(|offsets| offsets[k][axis]).sum::<f64>() / found.len() as f64;
        format!("{:+.2} %", 100.0 * share)
    };
    let name = |k: usize| match LANDMARKS.get(k).filter(|_| points == LANDMARKS.len()) {
        Some(name) => (*name).to_owned(),
        None => format!("landmark {k}"),
    };
    // No face was found: no rows, and so no table.
    let rows = (0..if found.is_empty() { 0 } else { points }).map(|k| vec![name(k), mean(k, 0), mean(k, 1)]);
    Table::new(
        "Mean offset from the reference's landmarks, in shares of the eye distance",
        &["the person's", "rightward", "downward"],
        rows.collect(),
    )
}

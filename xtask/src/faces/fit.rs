//! `cargo xtask fit-faces`: the face model of `phiz-synth` from a manifest of photos.
//!
//! Each photo gives five landmarks (by a detector) and a texture (its pixels after a spline has taken the landmarks to
//! their mean). Both together are cut to their principal directions, and these are split into what sets people apart
//! and what sets photos of one person apart. Only means and directions are kept, in whole steps: the report says how
//! much of a photo they hold, for photos that were fitted and for photos that were left out. Numbers that are nearly
//! equal show that no photo was learned by heart.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array2, ArrayView1, Axis};
use phiz_face::{Analyzer, DetectOptions, Model};
use phiz_image::{DecodeOptions, Image, Similarity};
use phiz_synth::{Component, FaceModel, Frame, Spline};
use rayon::prelude::*;

use super::linear::{mean, principal};
use super::split::split;

/// Arguments of `cargo xtask fit-faces`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// CSV of photos: path, person, split; paths are relative to its folder
    #[arg(long, required = true, value_name = "CSV")]
    manifest: Vec<PathBuf>,
    /// Rows to take
    #[arg(long, default_value = "train")]
    split: String,
    /// Card of the detector that gives landmarks, instead of the bundled one
    #[arg(long, value_name = "CARD")]
    detector: Option<PathBuf>,
    /// At most so many photos
    #[arg(long, default_value_t = 12_000)]
    photos: usize,
    /// Directions that set people apart
    #[arg(long, default_value_t = 40)]
    identity: usize,
    /// Directions that set photos of one person apart
    #[arg(long, default_value_t = 24)]
    nuisance: usize,
    /// How far apart people are drawn: 1 as in the photos
    #[arg(long, default_value_t = 1.4)]
    identity_scale: f32,
    /// How far apart photos of one person are drawn: 1 as in the photos
    #[arg(long, default_value_t = 0.5)]
    nuisance_scale: f32,
    /// Where the model goes
    #[arg(long, default_value = "crates/phiz-synth/model/people.bin")]
    out: PathBuf,
}

/// Fewer photos than this would leave traces of single ones in the directions.
const FEWEST_PHOTOS: usize = 5_000;
/// Principal directions before the split.
const PRINCIPAL: usize = 120;
/// Every so-manieth person is left out of the fit, to measure on.
const LEFT_OUT: usize = 10;
/// A landmark's pixel counts as so many grey levels of one sample: shape then varies about as much as texture.
const SHAPE_WEIGHT: f32 = 60.0;
/// A chroma sample stands for 16 pixels, but eyes are worse at colour.
const CHROMA_WEIGHT: f32 = 2.0;

const POINTS: usize = 5;

/// A photo with its one face.
struct Sample {
    path: PathBuf,
    person: usize,
    /// Photo to frame.
    to_frame: Similarity,
    /// Landmarks in the frame.
    shape: [[f32; 2]; POINTS],
    /// Face box in the frame.
    bbox: [f32; 4],
}

/// Fits the model, writes it, and reports what it holds.
///
/// # Errors
/// A manifest that cannot be read, too few photos with a face, or a file that cannot be written.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let rows = manifest(arguments)?;
    let engine = engine(arguments.detector.as_deref())?;
    eprintln!("{} photos; looking for landmarks", rows.len());
    let done = AtomicUsize::new(0);
    let samples: Vec<Sample> = rows
        .par_iter()
        .filter_map(|(path, person)| {
            let n = done.fetch_add(1, Ordering::Relaxed) + 1;
            if n.is_multiple_of(1000) {
                eprintln!("  {n}");
            }
            look(&engine, path, *person)
        })
        .collect();
    let count = samples.len() as f32;
    let mut shape = [[0.0; 2]; POINTS];
    let mut bbox = [0.0; 4];
    for sample in &samples {
        for (sum, point) in shape.iter_mut().flatten().zip(sample.shape.iter().flatten()) {
            *sum += point / count;
        }
        bbox.iter_mut().zip(sample.bbox).for_each(|(sum, v)| *sum += v / count);
    }
    let rows: Vec<(Vec<f32>, usize)> =
        samples.par_iter().filter_map(|s| Some((measure(s, &shape)?, s.person))).collect();
    eprintln!("{} textures", rows.len());
    let (fitted, left_out): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|(_, person)| person % LEFT_OUT != 0);
    if fitted.len() < FEWEST_PHOTOS {
        return Err(format!("only {} photos show a whole head; the fit needs {FEWEST_PHOTOS}", fitted.len()));
    }
    let people: Vec<usize> = fitted.iter().map(|(_, person)| *person).collect();
    let (model, figures) = fit(arguments, &stack(&fitted)?, &people, &stack(&left_out)?, shape, bbox)?;
    let bytes = model.to_bytes();
    std::fs::write(&arguments.out, &bytes).map_err(|e| format!("{}: {e}", arguments.out.display()))?;
    println!("photos fitted       {}", fitted.len());
    println!("people fitted       {}", distinct(&people));
    println!("photos left out     {}", left_out.len());
    println!(
        "variance held       {:.1} % of fitted photos, {:.1} % of left out ones",
        figures[0], figures[1]
    );
    println!("components          {} identity, {} nuisance", model.identity.len(), model.nuisance.len());
    println!("file                {} bytes", bytes.len());
    Ok(())
}

pub(super) fn engine(detector: Option<&Path>) -> Result<Analyzer, String> {
    let mut builder = Analyzer::builder();
    if let Some(card) = detector {
        builder = builder.detector(Model::open(card).map_err(|e| e.to_string())?);
    }
    builder.build().map_err(|e| e.to_string())
}

/// Paths and people, people numbered from 0, the same people with every run.
fn manifest(arguments: &Arguments) -> Result<Vec<(PathBuf, usize)>, String> {
    let mut people: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in &arguments.manifest {
        let wrong = |reason: String| format!("{}: {reason}", file.display());
        let mut reader = csv::Reader::from_path(file).map_err(|e| wrong(e.to_string()))?;
        let header = reader.headers().map_err(|e| wrong(e.to_string()))?.clone();
        let column = |name: &str| {
            header.iter().position(|h| h == name).ok_or_else(|| wrong(format!("has no column {name:?}")))
        };
        let [path, person, split] = [column("path")?, column("person")?, column("split")?];
        let folder = file.parent().unwrap_or(Path::new(""));
        for record in reader.records() {
            let record = record.map_err(|e| wrong(e.to_string()))?;
            if record[split] == arguments.split && !record[person].is_empty() {
                people.entry(record[person].into()).or_default().push(folder.join(&record[path]));
            }
        }
    }
    // People with several photos tell identity from nuisance: they come first.
    let mut groups: Vec<Vec<PathBuf>> = people.into_values().collect();
    groups.sort_by_key(|photos| std::cmp::Reverse(photos.len().min(3)));
    let numbered = groups.into_iter().enumerate();
    Ok(numbered
        .flat_map(|(person, photos)| photos.into_iter().map(move |path| (path, person)))
        .take(arguments.photos)
        .collect())
}

/// Landmarks of the photo's largest face; none if there is no sure one.
fn look(engine: &Analyzer, path: &Path, person: usize) -> Option<Sample> {
    let image = Image::open(path, &DecodeOptions::default()).ok()?;
    let options = DetectOptions::default().min_face(40.0);
    let face = engine.detect(&image, &options).ok()?.into_iter().next().filter(|face| face.score >= 0.8)?;
    let to_frame = Similarity::estimate(&face.landmarks, &Frame::template())?;
    let [x, y, w, h] = face.bbox;
    let middle = to_frame.apply([x + 0.5 * w, y + 0.5 * h]);
    let (w, h) = (w * to_frame.scale(), h * to_frame.scale());
    let bbox = [middle[0] - 0.5 * w, middle[1] - 0.5 * h, w, h];
    let shape = face.landmarks.map(|point| to_frame.apply(point));
    Some(Sample { path: path.into(), person, to_frame, shape, bbox })
}

/// The numbers of one photo that the model describes: weighted landmarks, luma, weighted chroma. None if the head
/// reaches outside of the photo.
fn measure(sample: &Sample, mean: &[[f32; 2]; POINTS]) -> Option<Vec<f32>> {
    let image = Image::open(&sample.path, &DecodeOptions::default()).ok()?;
    let to_shape = Spline::through(mean, &sample.shape)?;
    let to_photo = sample.to_frame.inverse()?;
    let outside = std::cell::Cell::new(0usize);
    // A sample is the mean over its pixel, which is larger than the photo's.
    let colour = |centre: &[f32; 2], pixel: f32, grid: usize| {
        let mut sum = [0.0f32; 3];
        for k in 0..grid * grid {
            let step = |i: usize| ((i as f32 + 0.5) / grid as f32 - 0.5) * pixel;
            let at = to_photo.apply(to_shape.apply([centre[0] + step(k % grid), centre[1] + step(k / grid)]));
            let limits = [image.width() as f32, image.height() as f32];
            if (0..2).any(|axis| at[axis] < -1.0 || at[axis] > limits[axis] + 1.0) {
                outside.set(outside.get() + 1);
            }
            let here = bilinear(&image, at);
            sum = [0, 1, 2].map(|c| sum[c] + here[c] / (grid * grid) as f32);
        }
        sum
    };
    let (luma, chroma) = Frame::samples();
    let mut row: Vec<f32> = sample.shape.iter().flatten().map(|v| v * SHAPE_WEIGHT).collect();
    // JFIF's conversion.
    row.extend(luma.iter().map(|at| {
        let [r, g, b] = colour(at, 1.0, 2);
        0.299 * r + 0.587 * g + 0.114 * b
    }));
    if outside.get() > luma.len() / 20 {
        return None;
    }
    let coloured: Vec<[f32; 3]> = chroma.iter().map(|at| colour(at, Frame::CHROMA as f32, 4)).collect();
    let blue = |[r, g, b]: &[f32; 3]| -0.168_736 * r - 0.331_264 * g + 0.5 * b;
    let red = |[r, g, b]: &[f32; 3]| 0.5 * r - 0.418_688 * g - 0.081_312 * b;
    row.extend(coloured.iter().map(|c| CHROMA_WEIGHT * blue(c)));
    row.extend(coloured.iter().map(|c| CHROMA_WEIGHT * red(c)));
    Some(row)
}

/// The colour at a place, its edge going on outside of the photo.
fn bilinear(image: &Image, [x, y]: [f32; 2]) -> [f32; 3] {
    let split = |v: f32, n: u32| {
        let v = (v - 0.5).clamp(0.0, (n - 1) as f32);
        (v as usize, (v as usize + 1).min(n as usize - 1), v.fract())
    };
    let ((i, k, u), (j, l, v)) = (split(x, image.width()), split(y, image.height()));
    let pixel = |i: usize, j: usize| &image.pixels()[(j * image.width() as usize + i) * 3..][..3];
    let (a, b, c, d) = (pixel(i, j), pixel(k, j), pixel(i, l), pixel(k, l));
    [0, 1, 2].map(|n| {
        let [a, b, c, d] = [a[n], b[n], c[n], d[n]].map(f32::from);
        (a * (1.0 - u) + b * u) * (1.0 - v) + (c * (1.0 - u) + d * u) * v
    })
}

fn stack(rows: &[(Vec<f32>, usize)]) -> Result<Array2<f32>, String> {
    let width = rows.first().map_or(0, |(row, _)| row.len());
    let flat = rows.iter().flat_map(|(row, _)| row).copied().collect();
    Array2::from_shape_vec((rows.len(), width), flat).map_err(|e| e.to_string())
}

fn distinct(people: &[usize]) -> usize {
    people.iter().collect::<std::collections::BTreeSet<_>>().len()
}

/// The model, and the share of variance in per cent that its directions hold of fitted and of left out photos.
fn fit(
    arguments: &Arguments,
    rows: &Array2<f32>,
    people: &[usize],
    left_out: &Array2<f32>,
    shape: [[f32; 2]; POINTS],
    bbox: [f32; 4],
) -> Result<(FaceModel, [f32; 2]), String> {
    let middle = mean(rows);
    let rows = rows - &middle;
    let basis = principal(&rows, PRINCIPAL);
    let split = split(&rows.dot(&basis), people, arguments.identity, arguments.nuisance)
        .ok_or("no two photos of one person: nothing tells identity from nuisance")?;
    let directions = |within: &Array2<f64>| basis.dot(&within.mapv(|v| v as f32));
    let (identity, nuisance) = (directions(&split.identity), directions(&split.nuisance));
    let both =
        ndarray::concatenate(Axis(1), &[identity.view(), nuisance.view()]).map_err(|e| e.to_string())?;
    let figures = [held(&rows, &both), held(&(left_out - &middle), &both)];
    let components = |directions: &Array2<f32>| directions.columns().into_iter().map(component).collect();
    let model = FaceModel {
        bbox,
        shape,
        texture: texture(middle.view(), 128.0).iter().map(|v| v.round().clamp(0.0, 255.0) as u8).collect(),
        identity: components(&identity),
        nuisance: components(&nuisance),
        identity_scale: arguments.identity_scale,
        nuisance_scale: arguments.nuisance_scale,
    };
    Ok((model, figures))
}

/// The texture in a row, without the weight of chroma, which begins at `offset`.
fn texture(row: ArrayView1<'_, f32>, offset: f32) -> Vec<f32> {
    let luma = Frame::samples().0.len();
    let plain = |(i, &v): (usize, &f32)| if i < luma { v } else { v / CHROMA_WEIGHT + offset };
    row.iter().skip(2 * POINTS).enumerate().map(plain).collect()
}

fn component(direction: ArrayView1<'_, f32>) -> Component {
    let mut shape = [0.0; 2 * POINTS];
    shape.iter_mut().zip(direction).for_each(|(s, v)| *s = v / SHAPE_WEIGHT);
    let texture = texture(direction, 0.0);
    let largest = texture.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let step = (largest / 127.0).max(f32::MIN_POSITIVE);
    Component { shape, step, texture: texture.iter().map(|v| (v / step).round() as i8).collect() }
}

/// Share of the rows' variance that lies in the span of some directions, in per cent.
fn held(rows: &Array2<f32>, directions: &Array2<f32>) -> f32 {
    let basis = super::linear::orthonormal(directions.clone());
    let square = |rows: &Array2<f32>| rows.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>();
    (100.0 * square(&rows.dot(&basis)) / square(rows)) as f32
}

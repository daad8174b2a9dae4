//! `cargo xtask fixtures`: the photos in `fixtures/`, of people who do not exist, and what is in them.
//!
//! They are what the README's commands and the command line's tests work on. Everything follows from the seeds below
//! and the model in `phiz-synth`; a test here holds the committed files to that.

use std::path::{Path, PathBuf};

use phiz_image::Image;
use phiz_synth::{FaceModel, Scene, SceneOptions};
use serde::{Deserialize, Serialize};

/// Arguments of `cargo xtask fixtures`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where they go
    #[arg(long, default_value = "fixtures")]
    out: PathBuf,
}

/// People by the seeds of [`phiz_synth::Person`]. The last two have no name: nobody enrols them. They are chosen not to
/// look like the others: people of few coefficients resemble each other more often than people do.
const PEOPLE: [(Option<&str>, u64); 6] =
    [(Some("Ada"), 1), (Some("Ben"), 2), (Some("Cleo"), 3), (Some("Dan"), 4), (None, 18), (None, 20)];
const PHOTOS_TO_ENROL: u64 = 3;
/// The EXIF orientation of a camera held with its grip up: the picture is to be turned clockwise by a quarter.
const TURN_CLOCKWISE: u8 = 6;

/// What `truth.json` says of one photo.
#[derive(Debug, Serialize, Deserialize)]
struct Truth {
    /// Path within the folder.
    path: String,
    /// Columns of the upright photo.
    width: u32,
    /// Rows of the upright photo.
    height: u32,
    faces: Vec<FaceTruth>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FaceTruth {
    /// Null for somebody who is enrolled nowhere.
    name: Option<String>,
    /// `[x, y, w, h]` in pixels of the upright photo.
    #[serde(rename = "box")]
    bbox: [f32; 4],
    /// The person's right eye, left eye, nose, right and left corner of the mouth.
    landmarks: [[f32; 2]; 5],
}

/// A photo to make.
struct Photo {
    path: String,
    size: (u32, u32),
    /// Positions in [`PEOPLE`].
    people: Vec<usize>,
    face_height: (f32, f32),
    seed: u64,
    orientation: Option<u8>,
}

impl Photo {
    fn portrait(path: String, person: usize, seed: u64) -> Photo {
        let face_height = (150.0, 210.0);
        Photo { path, size: (400, 400), people: vec![person], face_height, seed, orientation: None }
    }
}

fn photos() -> Vec<Photo> {
    let mut photos = Vec::new();
    for (i, (name, _)) in PEOPLE.iter().enumerate() {
        let seed = 100 * i as u64;
        match name {
            Some(name) => photos.extend(
                (1..=PHOTOS_TO_ENROL).map(|k| Photo::portrait(format!("people/{name}/{k}.jpg"), i, seed + k)),
            ),
            None => photos.push(Photo::portrait(format!("strangers/{}.jpg", i - 3), i, seed)),
        }
    }
    photos.push(Photo {
        path: "party.jpg".into(),
        size: (1200, 800),
        people: (0..PEOPLE.len()).collect(),
        face_height: (110.0, 190.0),
        seed: 1001,
        orientation: None,
    });
    let sideways = Photo::portrait("sideways.jpg".into(), 1, 1002);
    photos.push(Photo { orientation: Some(TURN_CLOCKWISE), ..sideways });
    let nobody = Photo::portrait("nobody.jpg".into(), 0, 1003);
    photos.push(Photo { people: Vec::new(), ..nobody });
    photos
}

/// Writes the photos and `truth.json`.
///
/// # Errors
/// A file that cannot be written.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let write = |path: &Path, bytes: &[u8]| {
        let folder = path.parent().unwrap_or(Path::new(""));
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, bytes));
        written.map_err(|e| format!("{}: {e}", path.display()))
    };
    let mut all = Vec::new();
    for photo in photos() {
        let (truth, file) = make(&photo)?;
        write(&arguments.out.join(&photo.path), &file)?;
        println!("{:20} {:7} bytes, {} faces", truth.path, file.len(), truth.faces.len());
        all.push(truth);
    }
    let mut json = serde_json::to_vec_pretty(&all).map_err(|e| e.to_string())?;
    json.push(b'\n');
    write(&arguments.out.join("truth.json"), &json)
}

/// What is in a photo, and its file.
fn make(photo: &Photo) -> Result<(Truth, Vec<u8>), String> {
    let options = SceneOptions {
        width: photo.size.0,
        height: photo.size.1,
        people: photo.people.iter().map(|&i| PEOPLE[i].1).collect(),
        face_height: photo.face_height,
        ..SceneOptions::default()
    };
    let scene = Scene::compose(FaceModel::bundled(), &options, photo.seed)
        .map_err(|e| format!("{}: {e}", photo.path))?;
    let tenths = |v: f32| (v * 10.0).round() / 10.0;
    let faces = scene.faces.iter().zip(&photo.people).map(|(face, &person)| FaceTruth {
        name: PEOPLE[person].0.map(str::to_owned),
        bbox: face.bbox.map(tenths),
        landmarks: face.landmarks.map(|point| point.map(tenths)),
    });
    let truth =
        Truth { path: photo.path.clone(), width: photo.size.0, height: photo.size.1, faces: faces.collect() };
    let jpeg = |image: &Image| image.encode_jpeg(88).map_err(|e| format!("{}: {e}", photo.path));
    let file = match photo.orientation {
        None => jpeg(&scene.image)?,
        // Stored as the camera lay, with the tag that undoes it.
        Some(tag) => tagged(&jpeg(&scene.image.rotate90(3))?, tag),
    };
    Ok((truth, file))
}

/// The JPEG with an EXIF segment that says how to turn it.
fn tagged(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01".to_vec();
    // Tag 0x0112, a short, one of them, its value; no further directory.
    exif.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]);
    let length = (exif.len() + 2) as u16;
    [&jpeg[..2], &[0xff, 0xe1], &length.to_be_bytes(), &exif, &jpeg[2..]].concat()
}

#[cfg(test)]
mod tests {
    use phiz_image::{DecodeOptions, Image};

    use super::{Truth, make, photos};

    /// Not byte by byte: sines and logarithms differ in their last bit from one machine to the next, so a few pixels
    /// may fall on the other side of a rounding.
    #[test]
    fn the_committed_fixtures_are_what_the_command_makes() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
        let json = std::fs::read(folder.join("truth.json")).unwrap();
        let committed: Vec<Truth> = serde_json::from_slice(&json).unwrap();
        assert_eq!(committed.len(), photos().len());
        let mut bad = Vec::new();
        for (photo, committed) in photos().iter().zip(&committed) {
            let (truth, file) = make(photo).unwrap();
            let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(x, y)| (x - y).abs() < 0.25);
            let same = truth.path == committed.path
                && (truth.width, truth.height) == (committed.width, committed.height)
                && truth.faces.len() == committed.faces.len()
                && truth.faces.iter().zip(&committed.faces).all(|(a, b)| {
                    a.name == b.name
                        && close(&a.bbox, &b.bbox)
                        && close(a.landmarks.as_flattened(), b.landmarks.as_flattened())
                });
            if !same {
                bad.push(format!("{}: truth.json says {committed:?}, made is {truth:?}", photo.path));
            }
            let options = DecodeOptions::default();
            let made = Image::decode(&file, &options).unwrap();
            let stored = Image::open(&folder.join(&photo.path), &options).unwrap();
            assert_eq!((made.width(), made.height()), (committed.width, committed.height), "{}", photo.path);
            let apart: u64 =
                made.pixels().iter().zip(stored.pixels()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            let apart = apart as f64 / made.pixels().len() as f64;
            if made.pixels().len() != stored.pixels().len() || apart > 0.5 {
                bad.push(format!("{}: pixels are {apart:.2} apart in the mean", photo.path));
            }
        }
        assert!(bad.is_empty(), "run `cargo xtask fixtures`:\n{}", bad.join("\n"));
    }
}

//! `cargo xtask portraits`: a folder of people who do not exist, one folder for each with several photos, and of
//! one more what a camera sees while they look straight ahead, to both sides and down. The page is tried and shown with
//! them; the latter are the pictures of the clip that a browser's fake camera plays.

use std::path::{Path, PathBuf};

use phiz_face::pose;
use phiz_image::Image;
use phiz_synth::{FaceModel, Scene, SceneOptions};

/// Arguments of `cargo xtask portraits`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the folders go
    #[arg(long)]
    out: PathBuf,
    /// How many people, up to 24
    #[arg(long, default_value_t = 24)]
    people: usize,
    /// How many photos of each
    #[arg(long, default_value_t = 3)]
    photos: u64,
}

/// Names of many lengths and scripts: a page must bear them all.
const NAMES: [&str; 24] = [
    "Ada Lindqvist",
    "Ben Okafor",
    "Cleo Marchetti",
    "Dan Whitfield",
    "Élodie Saint-Just",
    "Farid Rahimi",
    "Grace Nakamura",
    "Hugo van der Berg",
    "Inês Carvalho",
    "Jonas Fält",
    "Kamala Venkataraman",
    "Li Wei",
    "Mira Kowalczyk",
    "Noor Haddad",
    "Olga Петрова",
    "Pál Szabó",
    "Quentin Delacroix",
    "Rosa Maria Álvarez de la Cruz y Montenegro",
    "Sam",
    "Tove Iversen",
    "Uma Chandrasekhar",
    "Viktor Horvat",
    "山本 結衣",
    "Zoë Achterberg",
];
/// The first four are those of `fixtures/`.
const SEEDS: [u64; 24] =
    [1, 2, 3, 4, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50];
/// Whom the fake camera shows: enrolled by nobody beforehand.
const BEFORE_THE_CAMERA: u64 = 18;
const LOOKS_TRIED: u64 = 40;

/// Writes the photos.
///
/// # Errors
/// A file that cannot be written.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    for (name, seed) in NAMES.iter().zip(SEEDS).take(arguments.people) {
        for photo in 1..=arguments.photos {
            let scene = portrait(seed, 1000 * seed + photo, [480, 480], 230.0, 7.0)?;
            write(&arguments.out.join("people").join(name).join(format!("{photo}.jpg")), &scene.image)?;
        }
    }
    turned(&arguments.out.join("camera"))
}

/// What a camera sees of one person who sits before it and turns their head: straight, to both sides, down.
fn turned(out: &Path) -> Result<(), String> {
    let mut looks = Vec::new();
    for look in 0..LOOKS_TRIED {
        let scene = portrait(BEFORE_THE_CAMERA, 50_000 + look, [1120, 640], 240.0, 1.0)?;
        looks.push((pose(&scene.faces[0].landmarks).yaw, scene));
    }
    let by = |score: fn(f32) -> f32| {
        let least = looks.iter().min_by(|a, b| score(a.0).total_cmp(&score(b.0)));
        least.map(|(_, scene)| scene).ok_or("no look was tried")
    };
    let straight = before_the_camera(by(f32::abs)?)?;
    let left = before_the_camera(by(|yaw| -yaw)?)?;
    let right = left.mirrored();
    let down = nodded(&straight)?;
    for (name, image) in [("straight", &straight), ("left", &left), ("right", &right), ("down", &down)] {
        write(&out.join(format!("{name}.jpg")), image)?;
    }
    Ok(())
}

/// The part of a scene around its face: 640×480, the face in the middle. What lies outside repeats the edge.
fn before_the_camera(scene: &Scene) -> Result<Image, String> {
    let [x, y, w, h] = scene.faces[0].bbox;
    let (left, top) = ((x + w / 2.0) as isize - 320, (y + h / 2.0) as isize - 240);
    let (width, height) = (scene.image.width() as isize, scene.image.height() as isize);
    let mut cut = Vec::with_capacity(640 * 480 * 3);
    for row in 0..480 {
        for column in 0..640 {
            let at = (top + row).clamp(0, height - 1) * width + (left + column).clamp(0, width - 1);
            let at = at as usize * 3;
            cut.extend_from_slice(&scene.image.pixels()[at..at + 3]);
        }
    }
    Image::from_rgb(640, 480, cut).map_err(|e| e.to_string())
}

/// The same with the nose lower between eyes and mouth, as of somebody who looks down. The face is in the middle.
fn nodded(image: &Image) -> Result<Image, String> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut bent = Vec::with_capacity(image.pixels().len());
    for row in 0..height {
        // Rows around the middle come from further up, most of all the nose's.
        let away = (row as f32 - 0.53 * height as f32) / 42.0;
        let from = (row as f32 - 13.0 * (-away * away).exp()).clamp(0.0, (height - 1) as f32) as usize;
        bent.extend_from_slice(&image.pixels()[from * width * 3..(from + 1) * width * 3]);
    }
    Image::from_rgb(image.width(), image.height(), bent).map_err(|e| e.to_string())
}

fn portrait(person: u64, seed: u64, size: [u32; 2], face: f32, roll: f32) -> Result<Scene, String> {
    let options = SceneOptions {
        width: size[0],
        height: size[1],
        people: vec![person],
        face_height: (0.95 * face, 1.05 * face),
        roll,
        ..SceneOptions::default()
    };
    Scene::compose(FaceModel::bundled(), &options, seed).map_err(|e| e.to_string())
}

fn write(path: &Path, image: &Image) -> Result<(), String> {
    let at = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let bytes = image.encode_jpeg(90).map_err(|e| at(&e))?;
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).map_err(|e| at(&e))?;
    std::fs::write(path, bytes).map_err(|e| at(&e))
}

//! `cargo xtask portraits`: a folder of people who do not exist, one folder for each with several photos, and for the
//! first of them five photos that look straight ahead, to both sides, up and down. The page is tried and shown with
//! them, and the clip that a browser's fake camera plays is made of the turned ones.

use std::path::{Path, PathBuf};

use phiz_face::pose;
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
const LOOKS_TRIED: u64 = 160;

/// Writes the photos.
///
/// # Errors
/// A file that cannot be written.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    for (name, seed) in NAMES.iter().zip(SEEDS).take(arguments.people) {
        for photo in 1..=arguments.photos {
            let scene = portrait(seed, 1000 * seed + photo, 480, 480, 7.0)?;
            write(&arguments.out.join("people").join(name).join(format!("{photo}.jpg")), &scene)?;
        }
    }
    turned(&arguments.out.join("turned"))
}

/// Of many looks of one person, those that look most to each side.
fn turned(out: &Path) -> Result<(), String> {
    let mut looks = Vec::new();
    for look in 0..LOOKS_TRIED {
        let scene = portrait(BEFORE_THE_CAMERA, 50_000 + look, 640, 480, 1.0)?;
        looks.push((pose(&scene.faces[0].landmarks), scene));
    }
    let least = |score: &dyn Fn(f32, f32) -> f32| {
        let by = |(pose, _): &(_, _)| {
            let pose: &phiz_face::Pose = pose;
            score(pose.yaw, pose.pitch)
        };
        looks.iter().min_by(|a, b| by(a).total_cmp(&by(b)))
    };
    let wanted: [(&str, &dyn Fn(f32, f32) -> f32); 5] = [
        ("straight", &|yaw, pitch| yaw.abs() + pitch.abs()),
        ("left", &|yaw, pitch| yaw + 0.3 * pitch.abs()),
        ("right", &|yaw, pitch| -yaw + 0.3 * pitch.abs()),
        ("up", &|yaw, pitch| -pitch + 0.3 * yaw.abs()),
        ("down", &|yaw, pitch| pitch + 0.3 * yaw.abs()),
    ];
    for (name, score) in wanted {
        let (pose, scene) = least(score).ok_or("no look was tried")?;
        println!("{name:9} yaw {:6.1}, pitch {:6.1}", pose.yaw, pose.pitch);
        write(&out.join(format!("{name}.jpg")), scene)?;
    }
    Ok(())
}

fn portrait(person: u64, seed: u64, width: u32, height: u32, roll: f32) -> Result<Scene, String> {
    let height_of_face = height as f32;
    let options = SceneOptions {
        width,
        height,
        people: vec![person],
        face_height: (0.44 * height_of_face, 0.52 * height_of_face),
        roll,
        ..SceneOptions::default()
    };
    Scene::compose(FaceModel::bundled(), &options, seed).map_err(|e| e.to_string())
}

fn write(path: &Path, scene: &Scene) -> Result<(), String> {
    let at = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let bytes = scene.image.encode_jpeg(90).map_err(|e| at(&e))?;
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).map_err(|e| at(&e))?;
    std::fs::write(path, bytes).map_err(|e| at(&e))
}

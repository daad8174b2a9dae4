//! Times what is done to every photo before a network sees it, on a drawn 12-megapixel JPEG or a given file.
//!
//! `cargo run --release -p phiz-image --example photo_speed [PHOTO]` prints the median of several runs on one core.

use std::time::Instant;

use phiz_image::{DecodeOptions, Image, ImageError};

const RUNS: usize = 5;

fn median<T>(name: &str, mut work: impl FnMut() -> T) -> T {
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..RUNS {
        let start = Instant::now();
        last = Some(work());
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!("{name:28} {:8.1} ms", times[RUNS / 2]);
    last.unwrap_or_else(work)
}

/// Waves and noise: about the detail, and so the bytes a pixel, of a phone's photo.
fn drawn(width: u32, height: u32) -> Result<Vec<u8>, ImageError> {
    let mut noise = 1u32;
    let mut rgb = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let grain = (noise >> 24) as f32 * 0.06;
            let (u, v) = (x as f32 * 0.01, y as f32 * 0.013);
            let light = 110.0 + 60.0 * (u + (0.7 * v).sin()).sin() + 40.0 * (7.0 * v + u).cos();
            rgb.extend([light, light * 0.9 + 10.0, light * 0.8 + 20.0].map(|c| (c + grain) as u8));
        }
    }
    Image::from_rgb(width, height, rgb)?.encode_jpeg(90)
}

fn main() -> Result<(), ImageError> {
    let bytes = match std::env::args_os().nth(1) {
        Some(path) => std::fs::read(&path).unwrap_or_default(),
        None => drawn(4000, 3000)?,
    };
    let whole = median("decode whole", || Image::decode(&bytes, &DecodeOptions::default()))?;
    println!("{:28} {}×{}, {} kB", "", whole.width(), whole.height(), bytes.len() / 1000);
    for side in [1280, 640] {
        let options = DecodeOptions { min_long_side: Some(side), ..DecodeOptions::default() };
        let small = median(&format!("decode, {side} will do"), || Image::decode(&bytes, &options))?;
        println!("{:28} {}×{}", "", small.width(), small.height());
    }
    let long = whole.width().max(whole.height());
    let side = |length: u32| length * 640 / long;
    median("resize whole to 640", || whole.resize(side(whole.width()), side(whole.height())));
    median("turn by a quarter", || whole.rotate90(1));
    Ok(())
}

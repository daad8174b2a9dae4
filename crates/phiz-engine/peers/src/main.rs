//! Milliseconds of a network in our engine and in tract, in turn, on one thread: what decision 1 rests on.
//!
//! `cargo run --release -- ../../../models/phiz-embed.onnx 112 112 [ROUNDS]`

use std::time::Instant;

use phiz_engine::{LoadOptions, Tensor, load};
use tract_onnx::prelude::*;

type Anything<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Anything<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, height, width, rest @ ..] = &arguments[..] else {
        return Err("say FILE.onnx HEIGHT WIDTH [ROUNDS]".into());
    };
    let (height, width): (usize, usize) = (height.parse()?, width.parse()?);
    let rounds: usize = rest.first().map_or(Ok(40), |rounds| rounds.parse())?;

    let shape = [1, 3, height, width];
    let data: Vec<f32> = (0..3 * height * width).map(|i| ((i * 7919) % 511) as f32 / 255.0 - 1.0).collect();
    let ours = load(&std::fs::read(file)?, &LoadOptions::default())?;
    let image = Tensor::new(shape.to_vec(), data.clone())?;
    let theirs = tract_onnx::onnx()
        .model_for_path(file)?
        .with_input_fact(0, f32::fact(shape).into())?
        .into_optimized()?
        .into_runnable()?;
    let tract_image: TValue = tract_ndarray::Array4::from_shape_vec(shape, data)?.into_tensor().into();

    let (mut rten, mut tract) = (f64::INFINITY, f64::INFINITY);
    let mut off = 0f32;
    for _ in 0..=rounds {
        let began = Instant::now();
        let a = ours.run(&image)?;
        rten = rten.min(began.elapsed().as_secs_f64());
        let began = Instant::now();
        let b = theirs.run(tvec![tract_image.clone()])?;
        tract = tract.min(began.elapsed().as_secs_f64());
        for (a, b) in a.iter().zip(&b) {
            let b = b.to_plain_array_view::<f32>()?;
            off = a.data.iter().zip(b.iter()).fold(off, |off, (a, b)| off.max((a - b).abs()));
        }
    }
    let (rten, tract) = (rten * 1e3, tract * 1e3);
    println!("{file} at {width}×{height}, one thread, least of {rounds}, largest difference {off:.1e}:");
    println!("rten {rten:.2} ms, tract {tract:.2} ms: rten takes {:.2} of tract's time", rten / tract);
    Ok(())
}

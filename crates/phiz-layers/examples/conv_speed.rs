//! How fast a convolution is in training, forward and both gradients: `cargo run --release -p phiz-layers --example conv_speed -- 64 28 128 1`
//! (channels, side of the map, pictures, threads). It prints the least time of five and the products of the plain way a
//! second; `conv_speed.py` beside it prints the same of PyTorch.

use std::time::Instant;

use phiz_layers::{Conv3, Shape};

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).map(|a| a.parse().expect("a number")).collect();
    let [channels, side, pictures, threads] = numbers[..] else {
        panic!("channels, side, pictures, threads")
    };
    let shape = Shape { pictures, height: side, width: side, inputs: channels, outputs: channels };
    let Some(conv) = Conv3::new(shape, threads) else {
        return println!("the plain way is as fast here");
    };
    let wave = |n: usize| (0..n).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<f32>>();
    let (x, dy, filters) = (wave(shape.input()), wave(shape.output()), wave(shape.filters()));
    let (mut y, mut dx, mut dfilters) = (dy.clone(), x.clone(), filters.clone());
    let mut forward = || conv.forward(&x, &filters, &mut y);
    let mut input = || conv.input_gradient(&dy, &filters, &mut dx);
    let mut filter = || conv.filter_gradient(&x, &dy, &mut dfilters);
    let products = shape.output() as f64 * 9.0 * channels as f64;
    let parts: [(&str, &mut dyn FnMut()); 3] =
        [("forward", &mut forward), ("input's gradient", &mut input), ("filters' gradient", &mut filter)];
    for (name, part) in parts {
        let least = (0..5).fold(f64::INFINITY, |least, _| {
            let began = Instant::now();
            part();
            least.min(began.elapsed().as_secs_f64())
        });
        println!(
            "{name:18} {:7.2} ms {:6.1} thousand million products a second",
            1e3 * least,
            products / least / 1e9
        );
    }
}

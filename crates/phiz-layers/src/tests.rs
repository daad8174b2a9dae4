//! Against sums written out in double precision.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;

use super::*;

fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Calls `term` with the place of an input, of an output and of a filter's number for each product of the convolution.
fn products(s: &Shape, mut term: impl FnMut(usize, usize, usize)) {
    for picture in 0..s.pictures {
        for (y, x) in (0..s.height).flat_map(|y| (0..s.width).map(move |x| (y, x))) {
            for (a, b) in (0..9).map(|place| (place / 3, place % 3)) {
                if y + a == 0 || x + b == 0 || y + a > s.height || x + b > s.width {
                    continue;
                }
                let from = ((picture * s.height + y + a - 1) * s.width + x + b - 1) * s.inputs;
                let to = ((picture * s.height + y) * s.width + x) * s.outputs;
                for (o, i) in (0..s.outputs).flat_map(|o| (0..s.inputs).map(move |i| (o, i))) {
                    term(from + i, to + o, (o * s.inputs + i) * 9 + 3 * a + b);
                }
            }
        }
    }
}

/// The largest difference, in typical sizes of what was expected.
fn difference(found: &[f32], expected: &[f64]) -> f64 {
    let typical = (expected.iter().map(|v| v * v).sum::<f64>() / expected.len() as f64).sqrt();
    found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max) / typical
}

fn check(conv: &Conv3, seed: u64) {
    let s = conv.shape();
    let (x, g, dy) =
        (numbers(s.input(), seed), numbers(s.filters(), seed + 1), numbers(s.output(), seed + 2));
    let (mut y64, mut dx64, mut dg64) = (vec![0.0; s.output()], vec![0.0; s.input()], vec![0.0; s.filters()]);
    products(&s, |i, o, f| {
        y64[o] += f64::from(x[i]) * f64::from(g[f]);
        dx64[i] += f64::from(dy[o]) * f64::from(g[f]);
        dg64[f] += f64::from(x[i]) * f64::from(dy[o]);
    });
    // Whatever stood there before is written over.
    let (mut y, mut dx, mut dg) =
        (vec![f32::NAN; s.output()], vec![f32::NAN; s.input()], vec![f32::NAN; s.filters()]);
    conv.forward(&x, &g, &mut y);
    conv.input_gradient(&dy, &g, &mut dx);
    conv.filter_gradient(&x, &dy, &mut dg);
    for (name, found, expected) in [("output", &y, &y64), ("input", &dx, &dx64), ("filters", &dg, &dg64)] {
        let difference = difference(found, expected);
        assert!(difference < 1e-4, "{name} of {conv:?}: {difference}");
    }
}

/// On every kind of instructions that this processor has; any maps, also those for which the plain way is as fast.
fn on_all(shape: Shape, threads: usize, seed: u64) {
    for level in Level::all() {
        check(&Conv3 { shape, level, threads }, seed);
    }
}

#[test]
fn our_networks_maps() {
    for (side, channels) in [(28, 64), (14, 128), (7, 64)] {
        on_all(Shape { pictures: 2, height: side, width: side, inputs: channels, outputs: channels }, 2, 7);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_map_is_convolved_as_by_hand(
        pictures in 1usize..5, height in 1usize..19, width in 1usize..19,
        inputs in 1usize..3, outputs in 1usize..3, threads in 1usize..4, seed: u64,
    ) {
        on_all(Shape { pictures, height, width, inputs: 64 * inputs, outputs: 64 * outputs }, threads, seed);
    }
}

#[test]
fn the_same_bits_again_and_forward_on_any_number_of_threads() {
    let shape = Shape { pictures: 9, height: 14, width: 14, inputs: 32, outputs: 64 };
    let Some(conv) = Conv3::new(shape, 2) else { return };
    let (x, g, dy) = (numbers(shape.input(), 1), numbers(shape.filters(), 2), numbers(shape.output(), 3));
    let forward = |conv: &Conv3| {
        let mut y = vec![0.0; shape.output()];
        conv.forward(&x, &g, &mut y);
        y
    };
    assert_eq!(forward(&conv), forward(&Conv3::new(shape, 5).unwrap()));
    let gradient = || {
        let mut dg = vec![0.0; shape.filters()];
        conv.filter_gradient(&x, &dy, &mut dg);
        dg
    };
    assert_eq!(gradient(), gradient());
}

#[test]
fn what_the_plain_way_does_as_fast_is_left_to_it() {
    let shape = Shape { pictures: 1, height: 28, width: 28, inputs: 64, outputs: 64 };
    let there = !Level::all().is_empty();
    assert_eq!(Conv3::new(shape, 1).is_some(), there);
    let poor = [
        Shape { height: 5, width: 5, ..shape },
        Shape { inputs: 3, ..shape },
        Shape { outputs: 24, ..shape },
        Shape { pictures: 0, ..shape },
        Shape { height: 0, ..shape },
        Shape { inputs: 0, ..shape },
    ];
    for shape in poor {
        assert!(Conv3::new(shape, 1).is_none(), "{shape:?}");
    }
}

/// The nearest bf16.
fn bf16(v: f32) -> Bf16 {
    let bits = v.to_bits();
    // Ties go to the even one.
    Bf16(((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16)
}

/// In bf16 as in f32 of the same numbers, but for the last rounding.
fn check_norm_of_halves(norm: &Norm, rows: usize, seed: u64) {
    let channels = norm.channels;
    let halves = |seed| numbers(rows * channels, seed).into_iter().map(bf16).collect::<Vec<_>>();
    let whole = |halves: &[Bf16]| halves.iter().map(|v| v.value()).collect::<Vec<f32>>();
    let (x, dy) = (halves(seed), halves(seed + 1));
    let (scale, shift) = (numbers(channels, seed + 2), numbers(channels, seed + 3));
    let (mut y, mut dx) = (vec![Bf16(0); x.len()], vec![Bf16(0); x.len()]);
    let (mut y_whole, mut dx_whole) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    let statistics = norm.forward(&x, &scale, &shift, &mut y);
    assert_eq!(statistics, norm.forward(&whole(&x), &scale, &shift, &mut y_whole));
    let lists = norm.backward(&x, &dy, [&scale, &shift], &statistics, &mut dx);
    let lists_whole = norm.backward(&whole(&x), &whole(&dy), [&scale, &shift], &statistics, &mut dx_whole);
    assert_eq!(lists, lists_whole, "{norm:?}");
    assert!(y == y_whole.into_iter().map(bf16).collect::<Vec<_>>(), "{norm:?}: output");
    assert!(dx == dx_whole.into_iter().map(bf16).collect::<Vec<_>>(), "{norm:?}: gradient");
}

/// Gradients by the formulas of Ioffe and Szegedy 2015, in double precision.
fn check_norm(norm: &Norm, rows: usize, seed: u64) {
    let channels = norm.channels;
    // Means far from nought, as many deviations as in networks that have just been made.
    let x: Vec<f32> = numbers(rows * channels, seed).iter().map(|v| 3.0 + 0.5 * v).collect();
    let (dy, scale, shift) =
        (numbers(rows * channels, seed + 1), numbers(channels, seed + 2), numbers(channels, seed + 3));
    let (mut y, mut dx) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
    let statistics = norm.forward(&x, &scale, &shift, &mut y);
    let [dscale, dshift] = norm.backward(&x, &dy, [&scale, &shift], &statistics, &mut dx);
    for c in 0..channels {
        let column =
            |map: &[f32]| map[c..].iter().step_by(channels).map(|v| f64::from(*v)).collect::<Vec<_>>();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / rows as f64;
        let (x, dy) = (column(&x), column(&dy));
        let centre = mean(&x);
        let variance = mean(&x.iter().map(|x| (x - centre).powi(2)).collect::<Vec<_>>());
        let inverse = 1.0 / (variance + f64::from(norm.epsilon)).sqrt();
        let unit: Vec<f64> = x.iter().map(|x| (x - centre) * inverse).collect();
        let (scale, shift) = (f64::from(scale[c]), f64::from(shift[c]));
        let before: Vec<f64> = unit.iter().map(|u| u * scale + shift).collect();
        let expected: Vec<f64> = before.iter().map(|v| if norm.relu { v.max(0.0) } else { *v }).collect();
        // Where rounding decides what ReLU lets through, the gradient is anybody's.
        if norm.relu && before.iter().any(|v| v.abs() < 1e-4) {
            continue;
        }
        let dy: Vec<f64> =
            dy.iter().zip(&before).map(|(d, v)| if norm.relu && *v <= 0.0 { 0.0 } else { *d }).collect();
        let product = mean(&dy.iter().zip(&unit).map(|(d, u)| d * u).collect::<Vec<_>>());
        let sum = mean(&dy);
        let back: Vec<f64> =
            dy.iter().zip(&unit).map(|(d, u)| scale * inverse * (d - sum - u * product)).collect();
        let close = |what: &str, found: f64, expected: f64, size: f64| {
            assert!(
                (found - expected).abs() < 1e-4 * (1.0 + size),
                "{what} {c} of {norm:?}: {found}, {expected}"
            );
        };
        close("mean", f64::from(statistics.mean[c]), centre, centre.abs());
        close("variance", f64::from(statistics.variance[c]), variance, variance);
        close("scale", f64::from(dscale[c]), product * rows as f64, rows as f64);
        close("shift", f64::from(dshift[c]), sum * rows as f64, rows as f64);
        for row in 0..rows {
            close("output", f64::from(y[row * channels + c]), expected[row], expected[row].abs());
            close("input", f64::from(dx[row * channels + c]), back[row], inverse);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_map_is_normalised_as_by_hand(
        rows in 2usize..300, panels in 1usize..4, relu: bool, threads in 1usize..4, seed: u64,
    ) {
        for level in Level::all() {
            let channels = panels * level.panel();
            let norm = Norm { channels, epsilon: 1e-5, relu, level, threads };
            check_norm(&norm, rows, seed);
            check_norm_of_halves(&norm, rows, seed);
        }
    }
}

#[test]
fn what_is_no_number_stays_no_number() {
    let Some(norm) = Norm::new(64, 1e-5, true, 1) else { return };
    let mut x = numbers(64 * 8, 1);
    x[5] = f32::NAN;
    let mut y = vec![0.0; x.len()];
    norm.forward(&x, &[1.0; 64], &[0.0; 64], &mut y);
    assert!(y[5].is_nan() && y[6].is_finite());
    for level in Level::all() {
        for nothing in [0x7f81, 0x7fff, 0xffff] {
            let mut halves: Vec<Bf16> = numbers(64 * 8, 1).into_iter().map(bf16).collect();
            halves[5] = Bf16(nothing);
            let mut y = vec![Bf16(0); halves.len()];
            Norm { level, ..norm }.forward(&halves, &[1.0; 64], &[0.0; 64], &mut y);
            assert!(y[5].value().is_nan() && y[6].value().is_finite(), "{level:?}");
        }
    }
}

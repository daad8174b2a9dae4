//! Every kernel under every set of instructions against plain definitions, on random shapes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::quantise::Steps;
use super::*;

/// Values from −1 to 1 that repeat late.
fn noise(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(1);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// `[pictures, channels, height, width]` in the layout of a map, its border zero, lanes beyond the channels zero, and
/// everything behind it no number.
fn blocked(map: &Map, pictures: usize, values: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; pictures * map.picture() + 64];
    out[pictures * map.picture()..].fill(f32::NAN);
    for (i, v) in values.iter().enumerate() {
        let (x, rest) = (i % map.width, i / map.width);
        let (y, rest) = (rest % map.height, rest / map.height);
        let (c, n) = (rest % map.channels, rest / map.channels);
        let (block, lane) = (c / channels_of_block(map), c % channels_of_block(map));
        let at = n * map.picture() + map.inner(block) + map.at(0, y, x);
        if map.lanes == SHORT {
            let [even, odd] = plain::pair(out[at + lane / 2]);
            let (even, odd) = if lane % 2 == 0 { (*v, odd) } else { (even, *v) };
            out[at + lane / 2] = plain::paired(even, odd);
        } else {
            out[at + lane] = *v;
        }
    }
    out
}

fn channels_of_block(map: &Map) -> usize {
    if map.lanes == 3 { 3 } else { LANES }
}

/// The nearest number in bf16.
fn rounded(values: &[f32]) -> Vec<f32> {
    values.iter().map(|v| plain::pair(plain::paired(*v, 0.0))[0]).collect()
}

/// The way back.
fn plain_order(map: &Map, pictures: usize, blocked: &[f32]) -> Vec<f32> {
    let mut out = Vec::new();
    for n in 0..pictures {
        for c in 0..map.channels {
            for y in 0..map.height {
                for x in 0..map.width {
                    let (block, lane) = (c / channels_of_block(map), c % channels_of_block(map));
                    let at = n * map.picture() + map.inner(block) + map.at(0, y, x);
                    out.push(match map.lanes {
                        SHORT => plain::pair(blocked[at + lane / 2])[lane % 2],
                        _ => blocked[at + lane],
                    });
                }
            }
        }
    }
    out
}

/// What an activation is defined to be.
type Definition = fn(f64) -> f64;

#[derive(Clone, Debug)]
struct Case {
    shape: ConvShape,
    pictures: usize,
    height: usize,
    width: usize,
    /// Borders beyond what is needed: of the input, the output and what is added.
    borders: [usize; 3],
    add: bool,
    /// Whether what goes out, and what is added, is bf16.
    short: [bool; 2],
}

/// The most of something: less where miri runs, which takes a thousand times as long.
const fn most(most: usize, for_miri: usize) -> usize {
    if cfg!(miri) { for_miri } else { most }
}

fn cases() -> impl Strategy<Value = Case> {
    // Seldom so many inputs that a pixel is more than one row of a matrix.
    let inputs = prop_oneof![7 => 1usize..=most(20, 9), 1 => 21usize..=most(140, 40)];
    let channels = (inputs, 1usize..=most(44, 17));
    let sides = (1usize..=most(9, 4), 1usize..=most(31, 9));
    let kernels = prop_oneof![
        4 => Just(([1usize, 1], 0usize)),
        6 => Just(([3, 3], 1)),
        1 => Just(([5, 5], 2)),
        1 => Just(([3, 3], 0)),
        1 => Just(([1, 3], 1)),
        1 => Just(([7, 7], 0)),
    ];
    let clamp =
        prop_oneof![Just([f32::NEG_INFINITY, f32::INFINITY]), Just([0.0, f32::INFINITY]), Just([0.0, 0.75]),];
    let rest =
        (1usize..=2, 1usize..=2, prop::array::uniform3(0usize..=2), any::<bool>(), 0..4, any::<[bool; 2]>());
    (channels, sides, kernels, clamp, rest).prop_filter_map(
        "a kernel within the map",
        |(
            (inputs, outputs),
            (height, width),
            (kernel, pad),
            clamp,
            (stride, pictures, borders, add, form, short),
        )| {
            let (inputs, lanes) = match form {
                0 => (3, 3),
                1 => (inputs, SHORT),
                _ => (inputs, LANES),
            };
            let fits = height + 2 * pad >= kernel[0] && width + 2 * pad >= kernel[1];
            let shape = ConvShape { inputs, outputs, lanes, kernel, stride, pad, clamp };
            fits.then_some(Case { shape, pictures, height, width, borders, add, short })
        },
    )
}

/// The convolution by its definition, with the sum of all products' sizes for the tolerance.
fn by_definition(case: &Case, x: &[f32], w: &[f32], bias: &[f32], add: Option<&[f32]>) -> Vec<(f64, f64)> {
    let s = &case.shape;
    let [kh, kw] = s.kernel;
    let side = |size: usize, kernel: usize| (size + 2 * s.pad - kernel) / s.stride + 1;
    let (height, width) = (side(case.height, kh), side(case.width, kw));
    let mut out = Vec::new();
    for n in 0..case.pictures {
        for o in 0..s.outputs {
            for (y, x_at) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let (mut sum, mut size) = (f64::from(bias[o]), f64::from(bias[o]).abs());
                for i in 0..s.inputs {
                    for (ky, kx) in (0..kh).flat_map(|y| (0..kw).map(move |x| (y, x))) {
                        let row = (y * s.stride + ky).wrapping_sub(s.pad);
                        let column = (x_at * s.stride + kx).wrapping_sub(s.pad);
                        if row < case.height && column < case.width {
                            let v = x[((n * s.inputs + i) * case.height + row) * case.width + column];
                            let product =
                                f64::from(v) * f64::from(w[((o * s.inputs + i) * kh + ky) * kw + kx]);
                            sum += product;
                            size += product.abs();
                        }
                    }
                }
                if let Some(add) = add {
                    sum += f64::from(add[out.len()]);
                }
                let [least, most] = s.clamp;
                out.push((sum.max(least.into()).min(most.into()), size));
            }
        }
    }
    out
}

fn check(case: &Case, isa: Isa, crew: &mut Crew) {
    let s = &case.shape;
    let bf16 = s.lanes == SHORT;
    if (bf16 || case.short != [false; 2]) && !isa.has(Precision::Bf16) {
        return;
    }
    let taps = s.kernel[0] * s.kernel[1];
    let w = noise(s.outputs * s.inputs * taps, 1);
    let bias = noise(s.outputs, 2);
    let x_map = Map {
        channels: s.inputs,
        height: case.height,
        width: case.width,
        pad: s.pad + case.borders[0],
        lanes: s.lanes,
    };
    let x = noise(case.pictures * s.inputs * case.height * case.width, 3);
    let conv = Conv::new(*s, &w, &bias, isa);
    let fits = conv.out_map(&x_map).unwrap();
    let lanes = case.short.map(|short| if short { SHORT } else { LANES });
    let out_map = Map { pad: case.borders[1], lanes: lanes[0], ..fits };
    let add_map = Map { pad: case.borders[2], lanes: lanes[1], ..fits };
    let added = noise(case.pictures * fits.channels * fits.height * fits.width, 4);
    let (blocked_x, blocked_add) =
        (blocked(&x_map, case.pictures, &x), blocked(&add_map, case.pictures, &added));
    let mut out = vec![7.0; case.pictures * out_map.picture() + 64];
    let add = case.add.then_some((&add_map, &blocked_add[..]));
    let mut room = Aligned::zeros(conv.room(&x_map, case.pictures) * crew.threads());
    room.fill(f32::NAN);
    conv.run((&x_map, &blocked_x), add, (&out_map, &mut out), case.pictures, &mut room, crew);
    let (x, w) = if bf16 { (rounded(&x), rounded(&w)) } else { (x, w) };
    let added = if case.short[1] { rounded(&added) } else { added };
    let want = by_definition(case, &x, &w, &bias, case.add.then_some(&added));
    let got = plain_order(&out_map, case.pictures, &out);
    assert_eq!(got.len(), want.len());
    let length = (s.inputs * taps) as f64;
    // Half a unit in the last place of what bf16 can hold.
    let step = if case.short[0] { 1.0 / 256.0 } else { 0.0 };
    for (i, (got, (want, size))) in got.iter().zip(&want).enumerate() {
        let tolerance =
            f64::from(f32::EPSILON) * (length.sqrt() + 4.0) * (size + want.abs()) + step * want.abs() * 1.01;
        assert!(
            (f64::from(*got) - want).abs() <= tolerance,
            "{isa:?} [{i}]: {got} is not {want} in {case:?}"
        );
    }
    // The border is zero, and nothing behind the map was touched.
    let mut border = vec![0.0; out.len()];
    border[case.pictures * out_map.picture()..].fill(7.0);
    for n in 0..case.pictures {
        for (block, y) in (0..out_map.blocks()).flat_map(|b| (0..fits.height).map(move |y| (b, y))) {
            let at = n * out_map.picture() + out_map.inner(block) + out_map.at(0, y, 0);
            let length = fits.width * out_map.lanes;
            border[at..at + length].copy_from_slice(&out[at..at + length]);
        }
    }
    let same = border.iter().zip(&out).all(|(a, b)| a.to_bits() == b.to_bits());
    assert!(same, "{isa:?}: written beyond the map in {case:?}");
}

/// A convolution in eight bits under each set of instructions: its definition, and the same bits.
fn check_bytes(case: &Case, threads: usize, shift: f32, short: bool) -> Result<(), TestCaseError> {
    let shape = ConvShape { lanes: BYTES, ..case.shape };
    let case = Case { shape, short: [false; 2], ..case.clone() };
    let mut crew = Crew::default();
    crew.resize(threads);
    let taps = shape.kernel[0] * shape.kernel[1];
    let (w, bias) = (noise(shape.outputs * shape.inputs * taps, 1), noise(shape.outputs, 2));
    let x_map = Map {
        channels: shape.inputs,
        height: case.height,
        width: case.width,
        pad: shape.pad + case.borders[0],
        lanes: LANES,
    };
    let each = shape.inputs * case.height * case.width;
    // Pictures of different ranges.
    let mut x = noise(case.pictures * each, 3);
    for (n, picture) in x.chunks_mut(each).enumerate() {
        picture.iter_mut().for_each(|v| *v = (*v + shift) * (3.0 * n as f32 + 0.1));
    }
    // What comes in may be bf16.
    let (x, x_map) = match short {
        true => (rounded(&x), Map { lanes: SHORT, ..x_map }),
        false => (x, x_map),
    };
    let mut whole = Vec::new();
    let mut steps = Vec::new();
    for picture in x.chunks(each) {
        let ranges: Vec<f32> = picture.iter().flat_map(|v| [*v, *v]).collect();
        let Steps { step, zero } = Steps::of(&ranges);
        steps.push(step);
        whole.extend(
            picture
                .iter()
                .map(|v| {
                    let byte =
                        (f64::from(v * (1.0 / step)) + f64::from(zero)).round_ties_even().clamp(0.0, 255.0);
                    let whole = byte as f32 - zero as f32;
                    prop_assert!((whole * step - v).abs() <= 0.51 * step);
                    Ok(whole)
                })
                .collect::<Result<Vec<_>, _>>()?,
        );
    }
    let filters: Vec<_> = w
        .chunks(shape.inputs * taps)
        .map(|f| {
            let most = f.iter().fold(0f32, |m, v| m.max(v.abs())) / 127.0;
            (most, f.iter().map(|v| (v / most).round_ties_even()).collect::<Vec<f32>>())
        })
        .collect();
    let whole_w: Vec<f32> = filters.iter().flat_map(|(_, f)| f.clone()).collect();
    let open = [f32::NEG_INFINITY, f32::INFINITY];
    let plainly = Case { shape: ConvShape { clamp: open, ..shape }, ..case.clone() };
    let sums = by_definition(&plainly, &whole, &whole_w, &vec![0.0; shape.outputs], None);
    let added = noise(sums.len(), 4);
    let blocked_x = blocked(&x_map, case.pictures, &x);
    let mut first: Option<Vec<f32>> = None;
    for isa in Isa::all().into_iter().filter(|isa| isa.has(Precision::Int8)) {
        let conv = Conv::new(shape, &w, &bias, isa);
        let fits = conv.out_map(&x_map).unwrap();
        let (out_map, add_map) = (Map { pad: case.borders[1], ..fits }, Map { pad: case.borders[2], ..fits });
        let blocked_add = blocked(&add_map, case.pictures, &added);
        let mut out = vec![7.0; case.pictures * out_map.picture() + 64];
        let mut scratch = Aligned::zeros(conv.scratch(&x_map, case.pictures));
        scratch.fill(f32::NAN);
        let add = case.add.then_some((&add_map, &blocked_add[..]));
        let mut room = Aligned::zeros(conv.room(&x_map, case.pictures) * threads);
        room.fill(f32::NAN);
        let maps = ((&x_map, &blocked_x[..]), (&out_map, &mut out[..]));
        conv.run_bytes(maps.0, add, maps.1, case.pictures, &mut scratch, &mut room, &mut crew);
        let got = plain_order(&out_map, case.pictures, &out);
        let channel = fits.height * fits.width;
        for (i, (got, (sum, _))) in got.iter().zip(&sums).enumerate() {
            let (o, n) = (i / channel % shape.outputs, i / channel / shape.outputs);
            let real = sum * f64::from(steps[n]) * f64::from(filters[o].0);
            let (bias, add) = (f64::from(bias[o]), if case.add { f64::from(added[i]) } else { 0.0 });
            let [least, most] = shape.clamp;
            let want = (real + bias + add).max(least.into()).min(most.into());
            let tolerance = 4.0 * f64::from(f32::EPSILON) * (real.abs() + bias.abs() + add.abs());
            prop_assert!(
                (f64::from(*got) - want).abs() <= tolerance,
                "{isa:?} [{i}]: {got} is not {want} in {case:?}"
            );
        }
        prop_assert!(out[case.pictures * out_map.picture()..].iter().all(|v| *v == 7.0));
        // Whole numbers are exact: all instructions give the same bits.
        match &first {
            None => first = Some(got),
            Some(first) => {
                prop_assert!(first.iter().zip(&got).all(|(a, b)| a.to_bits() == b.to_bits()), "{isa:?}")
            }
        }
    }
    Ok(())
}

/// Miri lets nobody see a folder, where proptest would keep a failed case.
fn config() -> ProptestConfig {
    if cfg!(miri) {
        ProptestConfig { cases: 3, failure_persistence: None, ..ProptestConfig::default() }
    } else {
        ProptestConfig::with_cases(400)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn convolutions_are_what_they_are_defined_to_be(case in cases(), threads in 1usize..=3) {
        let mut crew = Crew::default();
        crew.resize(threads);
        for isa in Isa::all() {
            check(&case, isa, &mut crew);
        }
    }

    #[test]
    fn eight_bits_give_what_their_steps_stand_for(
        case in cases(),
        threads in 1usize..=3,
        shift in -1f32..=1.0,
        short in any::<bool>(),
    ) {
        check_bytes(&case, threads, shift, short)?;
    }

    #[test]
    fn winograds_way_gives_the_same(
        (inputs, outputs) in (16usize..=most(24, 17), 16usize..=most(40, 17)),
        (height, width) in (1usize..=most(5, 2), 1usize..=most(16, 3)),
        pictures in 1usize..=2,
        (add, borders, threads) in (any::<bool>(), prop::array::uniform3(0usize..=2), 1usize..=3),
    ) {
        let clamp = [-0.25, f32::INFINITY];
        let (height, width) = (2 * height, 2 * width);
        let shape = ConvShape { inputs, outputs, lanes: LANES, kernel: [3; 2], stride: 1, pad: 1, clamp };
        let case = Case { shape, pictures, height, width, borders, add, short: [false; 2] };
        let (w, bias) = (noise(outputs * inputs * 9, 1), noise(outputs, 2));
        let x_map = Map { channels: inputs, height, width, pad: 1 + borders[0], lanes: LANES };
        let out_map = Map { channels: outputs, height, width, pad: borders[1], lanes: LANES };
        let add_map = Map { pad: borders[2], ..out_map };
        let x = noise(pictures * inputs * height * width, 3);
        let added = noise(pictures * outputs * height * width, 4);
        let want = by_definition(&case, &x, &w, &bias, add.then_some(&added));
        let (x, added) = (blocked(&x_map, pictures, &x), blocked(&add_map, pictures, &added));
        for isa in Isa::all() {
            let winograd = Winograd::new(shape, &w, &bias, isa).unwrap();
            let mut scratch = Aligned::zeros(winograd.scratch(&out_map).unwrap() * threads);
            scratch.fill(f32::NAN);
            let mut crew = Crew::default();
            crew.resize(threads);
            let mut out = vec![7.0; pictures * out_map.picture() + 64];
            let more = add.then_some((&add_map, &added[..]));
            winograd.run((&x_map, &x), more, (&out_map, &mut out), pictures, &mut scratch, &mut crew);
            for (got, (want, size)) in plain_order(&out_map, pictures, &out).iter().zip(&want) {
                // The products' sizes bound those of the transformed ones up to a small factor.
                let tolerance = 16.0 * f64::from(f32::EPSILON) * (2.0 + size);
                prop_assert!((f64::from(*got) - want).abs() <= tolerance, "{isa:?}: {got} is not {want} of {size}");
            }
            prop_assert!(out[pictures * out_map.picture()..].iter().all(|v| *v == 7.0));
        }
    }

    #[test]
    fn depthwise_convolutions_are_what_they_are_defined_to_be(
        (channels, height, width) in (1usize..=20, 1usize..=16, 1usize..=24),
        (kernel, pad, stride) in prop_oneof![
            Just((3usize, 1usize, 1usize)), Just((3, 1, 2)), Just((5, 2, 1)), Just((7, 3, 2)), Just((7, 0, 1)),
        ],
        border in 0usize..=2,
    ) {
        prop_assume!(height + 2 * pad >= kernel && width + 2 * pad >= kernel);
        let x_map = Map { channels, height, width, pad: pad + border, lanes: LANES };
        let x = noise(channels * height * width, 1);
        let (w, bias) = (noise(channels * kernel * kernel, 2), noise(channels, 3));
        let clamp = [-0.5, 1.5];
        // Each channel is a convolution of one channel.
        let shape = ConvShape { inputs: 1, outputs: 1, lanes: LANES, kernel: [kernel; 2], stride, pad, clamp };
        let case = Case { shape, pictures: 1, height, width, borders: [0; 3], add: false, short: [false; 2] };
        let defined = |x: &[f32]| {
            let channels = x.chunks(height * width).zip(w.chunks(kernel * kernel)).zip(&bias);
            channels.flat_map(|((x, w), bias)| by_definition(&case, x, w, &[*bias], None)).collect::<Vec<_>>()
        };
        let want = defined(&x);
        // Single precision everywhere, and bf16 for what is read, written or both.
        let forms = [[false, false], [true, false], [false, true], [true, true]];
        for (isa, [x_short, short]) in Isa::all().into_iter().flat_map(|isa| forms.map(|form| (isa, form))) {
            if (x_short || short) && !Depthwise::takes_short([kernel; 2], isa) {
                continue;
            }
            let lanes = |short: bool| if short { SHORT } else { LANES };
            let x_map = Map { lanes: lanes(x_short), ..x_map };
            let depthwise = Depthwise::new([kernel; 2], stride, pad, clamp, &w, &bias, isa);
            let out_map = Map { pad: border, lanes: lanes(short), ..depthwise.out_map(&x_map).unwrap() };
            let mut out = vec![7.0; out_map.picture()];
            let blocked_x = blocked(&x_map, 1, &x);
            Crew::default().rows(&out_map, &mut out, 0, &|block, y, row| {
                let x = &blocked_x[block * x_map.plane()..][..x_map.plane()];
                depthwise.row(block, y, (&x_map, x), row, short);
            });
            let want = match x_short {
                true => defined(&rounded(&x)),
                false => want.clone(),
            };
            for (got, (want, size)) in plain_order(&out_map, 1, &out).iter().zip(&want) {
                let step = if short { want.abs() / 250.0 } else { 0.0 };
                let off = (f64::from(*got) - want).abs();
                prop_assert!(off <= 1e-6 * (1.0 + size) + step, "{isa:?}: {got} is not {want}");
            }
        }
    }

    #[test]
    fn layers_in_one_pass_give_the_bits_of_each_in_turn(
        (inputs, channels) in (1usize..=most(20, 9), 2usize..=most(40, 9)),
        (height, width) in (4usize..=most(14, 5), 16usize..=most(32, 17)),
        (kernel, pad, stride, pictures) in (prop_oneof![Just(1usize), Just(3)], 0usize..=2, 1usize..=2, 1usize..=3),
        (borders, shorts, add, threads) in
            (prop::array::uniform4(0usize..=2), any::<[bool; 4]>(), any::<bool>(), 1usize..=3),
    ) {
        let lanes = shorts.map(|short| if short { SHORT } else { LANES });
        let clamp = [-0.5, 1.5];
        let shape = ConvShape {
            inputs,
            outputs: channels,
            lanes: lanes[0],
            kernel: [kernel; 2],
            stride,
            pad: kernel / 2,
            clamp,
        };
        let last = ConvShape { inputs: channels, lanes: lanes[2], kernel: [1; 2], stride: 1, pad: 0, ..shape };
        let (w, bias) = (noise(inputs * channels * kernel * kernel, 1), noise(channels, 2));
        let (filters, offsets) = (noise(9 * channels, 3), noise(channels, 4));
        let more = noise(channels * channels, 6);
        let x_map = Map { channels: inputs, height, width, pad: kernel / 2 + borders[0], lanes: lanes[0] };
        let x = blocked(&x_map, pictures, &noise(pictures * inputs * height * width, 5));
        let mut crew = Crew::default();
        crew.resize(threads);
        for isa in Isa::all() {
            if shorts.contains(&true) && !isa.has(Precision::Bf16) {
                continue;
            }
            let first = Conv::new(shape, &w, &bias, isa);
            if first.takes_matrices() {
                continue;
            }
            let depthwise = Depthwise::new([3; 2], stride, pad, clamp, &filters, &offsets, isa);
            let last = Conv::new(last, &more, &bias, isa);
            if last.takes_matrices() {
                continue;
            }
            let map = |map: Map, pad: usize, lanes: usize| Map { pad, lanes, ..map };
            let a = map(first.out_map(&x_map).unwrap(), pad + borders[1], lanes[1]);
            prop_assume!(a.height + 2 * pad >= 3 && a.width + 2 * pad >= 3);
            let b = map(depthwise.out_map(&a).unwrap(), borders[2], lanes[2]);
            prop_assume!(b.height >= 2 && b.width >= 2);
            let c = Map { height: b.height / 2, width: b.width / 2, ..b };
            let out_map = map(last.out_map(&c).unwrap(), borders[3], lanes[3]);
            let added_map = Map { pad: 1, ..out_map };
            let count = pictures * channels * out_map.height * out_map.width;
            let added = blocked(&added_map, pictures, &noise(count, 7));
            let add = add.then_some((&added_map, &added[..]));
            let empty = |map: &Map| vec![7.0; pictures * map.picture()];
            let (mut a_data, mut b_data, mut c_data) = (empty(&a), empty(&b), empty(&c));
            first.run((&x_map, &x), None, (&a, &mut a_data), pictures, &mut [], &mut crew);
            let blocks = b.blocks();
            crew.rows(&b, &mut b_data, 0, &|plane, y, row| {
                let x = &a_data[plane * a.plane()..][..a.plane()];
                depthwise.row(plane % blocks, y, (&a, x), row, b.is_short());
            });
            crew.rows(&c, &mut c_data, 0, &|plane, y, row| {
                max_pool(y, (&b, &b_data[plane * b.plane()..][..b.plane()]), row, [2, 2, 0], isa);
            });
            let mut want = vec![7.0; pictures * out_map.picture() + 64];
            last.run((&c, &c_data), add, (&out_map, &mut want), pictures, &mut [], &mut crew);
            let links = [
                (chain::Link::Conv(&first), a),
                (chain::Link::Depthwise(&depthwise), b),
                (chain::Link::MaxPool(isa), c),
                (chain::Link::Conv(&last), out_map),
            ];
            let mut scratch = vec![f32::NAN; threads * chain::scratch(&links)];
            let mut out = vec![7.0; want.len()];
            chain::run(&links, (&x_map, &x), add, &mut out, pictures, &mut scratch, &mut crew);
            prop_assert!(out.iter().zip(&want).all(|(a, b)| a.to_bits() == b.to_bits()), "{isa:?}");
        }
    }

    #[test]
    fn two_by_two_poolings_take_the_largest(short in any::<bool>(), width in 1usize..=9, seed in any::<u32>()) {
        let values = rounded(&noise(2 * 2 * width * LANES, seed));
        let map = Map { channels: LANES, height: 2, width: 2 * width, pad: 0, lanes: if short { SHORT } else { LANES } };
        let out_map = Map { height: 1, width, ..map };
        let x = blocked(&map, 1, &values);
        for isa in Isa::all() {
            let mut out = vec![7.0; out_map.picture()];
            max_pool(0, (&map, &x), &mut out, [2, 2, 0], isa);
            let got = plain_order(&out_map, 1, &out);
            for (i, got) in got.iter().enumerate() {
                let (channel, column) = (i / width, i % width);
                let at = |y: usize, x: usize| values[(channel * 2 + y) * 2 * width + 2 * column + x];
                let want = at(0, 0).max(at(0, 1)).max(at(1, 0)).max(at(1, 1));
                prop_assert_eq!(*got, want);
            }
        }
    }

    #[test]
    fn activations_are_what_they_are_defined_to_be(values in prop::collection::vec(-100f32..100.0, 1..50)) {
        for isa in Isa::all() {
            let bounds = [-0.5, 0.25];
            let cases: [(Unary, Definition); 5] = [
                (Unary::Sigmoid, |x| 1.0 / (1.0 + (-x).exp())),
                (Unary::Exp, f64::exp),
                (Unary::Silu, |x| x / (1.0 + (-x).exp())),
                (Unary::HardSwish, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
                (Unary::Clamp(bounds), |x| x.clamp(-0.5, 0.25)),
            ];
            for (unary, definition) in cases {
                let mut got = values.clone();
                unary.channel(&mut got, isa);
                for (got, x) in got.iter().zip(&values) {
                    let want = definition(f64::from(*x));
                    // Close to its zero at -3 a hard swish is the difference of larger numbers.
                    let size = if unary == Unary::HardSwish { f64::from(x.abs()) } else { want.abs() };
                    let close = (f64::from(*got) - want).abs() <= 4e-7 * size + 1e-36;
                    prop_assert!(close || want > 3.4e38, "{unary:?} of {x}: {got} is not {want}");
                }
            }
        }
    }
}

#[test]
fn every_part_is_done_once_whatever_the_threads() {
    let mut crew = Crew::default();
    for threads in [1, 2, 5, 3, 1, 4] {
        crew.resize(threads);
        for parts in [0, 1, 2, 7, most(100, 10), 3, most(999, 12), most(9999, 20)] {
            let done: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
            crew.run(parts, usize::MAX, &|part, thread| {
                assert!(thread < threads);
                done[part].fetch_add(1, Ordering::Relaxed);
            });
            assert!(done.iter().all(|n| n.load(Ordering::Relaxed) == 1), "{threads} threads, {parts} parts");
        }
        // Rows of planes, bands of them for each thread.
        for (planes, blocks, height) in [(6, 3, 5), (4, 1, most(40, 7)), (2, 2, 1)] {
            let map = Map { channels: blocks * LANES, height, width: 3, pad: 1, lanes: LANES };
            let mut data = vec![7.0; planes * map.plane() + 3];
            let whole = planes * map.plane();
            crew.rows(&map, &mut data[..whole], usize::MAX, &|plane, y, row| {
                assert_eq!(row.len(), 3 * LANES);
                row.iter_mut().for_each(|v| *v -= 7.0 - (plane * 100 + y) as f32);
            });
            for (i, v) in data.iter().enumerate() {
                let (pixel, plane) = (i % map.plane() / LANES, i / map.plane());
                let (y, x) = (pixel / 5, pixel % 5);
                let inner = (1..=height).contains(&y) && (1..=3).contains(&x);
                let want = if inner { (plane * 100 + y - 1) as f32 } else { 0.0 };
                assert_eq!(*v, if i < whole { want } else { 7.0 }, "{threads} threads, element {i}");
            }
        }
    }
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        crew.resize(3);
        crew.run(50, usize::MAX, &|part, _| assert_ne!(part, 20, "on purpose"));
    }));
    assert!(failed.is_err());
}

#[test]
fn a_vector_path_was_tested() {
    if cfg!(not(miri)) && is_vector_machine() {
        assert!(Isa::best().is_vector());
        assert!(Isa::all().len() >= 2);
    } else {
        assert!(!Isa::all().into_iter().any(Isa::is_vector));
    }
    for isa in Isa::all() {
        let names =
            [Precision::F32, Precision::Bf16, Precision::Int8].map(|p| isa.has(p).then(|| isa.name(p)));
        println!("{isa:?}: {names:?}");
    }
}

/// On a processor with AMX, `PHIZ_DEMANDS_AMX` makes sure that it is used, and not what tests do by hand; both are chosen unasked.
#[test]
fn amx_runs_where_it_is_demanded() {
    let amx = Isa::choose(Instructions::Amx, Precision::Int8);
    println!("AMX: {}", if amx.is_some() { "by the processor or by hand" } else { "not there" });
    if std::env::var_os("PHIZ_DEMANDS_AMX").is_some() {
        assert!(amx.is_some(), "AMX was demanded");
    }
    for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
        let best = Some(amx.filter(|_| precision != Precision::F32).unwrap_or(Isa::best()));
        for instructions in [Instructions::Auto, Instructions::Measured] {
            assert_eq!(Isa::choose(instructions, precision), best);
        }
    }
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if let Some(isa) = amx {
        for lanes in [SHORT, BYTES] {
            let shape = ConvShape {
                inputs: 70,
                outputs: 40,
                lanes,
                kernel: [3; 2],
                stride: 1,
                pad: 1,
                clamp: [f32::NEG_INFINITY, f32::INFINITY],
            };
            let before = amx::ran();
            let case = Case {
                shape,
                pictures: 1,
                height: 7,
                width: 7,
                borders: [0; 3],
                add: false,
                short: [false; 2],
            };
            match lanes {
                SHORT => check(&case, isa, &mut Crew::default()),
                _ => check_bytes(&case, 1, 0.0, false).unwrap(),
            }
            println!("AMX ran {} products of {lanes} elements a block", amx::ran() - before);
            assert!(amx::ran() > before, "the instructions ran");
        }
    }
}

fn is_vector_machine() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    return cfg!(target_arch = "aarch64");
}

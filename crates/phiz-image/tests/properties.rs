//! Pixel operations and transforms against their definitions, written as slowly and plainly as can be.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use phiz_image::{Image, Similarity};
use proptest::prelude::*;

/// A picture of so many pixels, up to 40 by 40, of any values.
fn pictures() -> impl Strategy<Value = Image> {
    (1u32..40, 1u32..40).prop_flat_map(|(w, h)| {
        prop::collection::vec(any::<u8>(), (w * h * 3) as usize)
            .prop_map(move |rgb| Image::from_rgb(w, h, rgb).unwrap())
    })
}

/// A smooth picture: what photos are at the scale of a pixel, so that two good ways to average agree.
fn smooth() -> impl Strategy<Value = Image> {
    let waves = prop::array::uniform3((0.01f32..0.12, 0.01f32..0.12, 0.0f32..6.0));
    (40u32..90, 40u32..90, waves).prop_map(|(w, h, waves)| {
        let pixel = move |i: u32| {
            let (x, y) = ((i % w) as f32, (i / w) as f32);
            waves.map(|(fx, fy, start)| (127.5 + 100.0 * (fx * x + fy * y + start).sin()) as u8)
        };
        Image::from_rgb(w, h, (0..w * h).flat_map(pixel).collect()).unwrap()
    })
}

fn pixel(image: &Image, x: u32, y: u32) -> [u8; 3] {
    let start = (y as usize * image.width() as usize + x as usize) * 3;
    [0, 1, 2].map(|c| image.pixels()[start + c])
}

fn similarities() -> impl Strategy<Value = Similarity> {
    (0.3f32..3.0, -3.2f32..3.2, -60.0f32..60.0, -60.0f32..60.0).prop_map(|(scale, turn, tx, ty)| Similarity {
        a: scale * turn.cos(),
        b: scale * turn.sin(),
        tx,
        ty,
    })
}

/// Bilinear value at a place whose whole numbers are corners of pixels; black outside.
fn bilinear(image: &Image, x: f64, y: f64, channel: usize) -> f64 {
    let (mut value, x, y) = (0.0, x - 0.5, y - 0.5);
    for j in 0..image.height() {
        for i in 0..image.width() {
            let weight =
                (1.0 - (x - f64::from(i)).abs()).max(0.0) * (1.0 - (y - f64::from(j)).abs()).max(0.0);
            value += weight * f64::from(pixel(image, i, j)[channel]);
        }
    }
    value
}

/// Length that two intervals share.
fn shared(a: (f64, f64), b: (f64, f64)) -> f64 {
    (a.1.min(b.1) - a.0.max(b.0)).max(0.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_crop_is_its_pixels(image in pictures(), x in 0u32..45, y in 0u32..45, w in 0u32..45, h in 0u32..45) {
        let fits = w > 0 && h > 0 && x + w <= image.width() && y + h <= image.height();
        match image.crop(x, y, w, h) {
            Ok(crop) => {
                prop_assert!(fits);
                prop_assert_eq!((crop.width(), crop.height()), (w, h));
                for j in 0..h {
                    for i in 0..w {
                        prop_assert_eq!(pixel(&crop, i, j), pixel(&image, x + i, y + j));
                    }
                }
            }
            Err(error) => prop_assert!(!fits, "{}", error),
        }
    }

    #[test]
    fn quarter_turns_move_every_pixel_around_the_middle(image in pictures(), turns in any::<u8>()) {
        let turned = image.rotate90(turns);
        // One turn at a time: what is at (x, y) goes to (h − 1 − y, x).
        let mut expected = image.clone();
        for _ in 0..turns % 4 {
            let (w, h) = (expected.width(), expected.height());
            let mut next = Image::from_rgb(h, w, vec![0; (w * h * 3) as usize]).unwrap();
            for y in 0..h {
                for x in 0..w {
                    let start = (x * h + (h - 1 - y)) as usize * 3;
                    next.pixels_mut()[start..start + 3].copy_from_slice(&pixel(&expected, x, y));
                }
            }
            expected = next;
        }
        prop_assert_eq!(turned, expected);
    }

    #[test]
    fn a_mirror_changes_left_and_right(image in pictures()) {
        let mirror = image.mirrored();
        for y in 0..image.height() {
            for x in 0..image.width() {
                prop_assert_eq!(pixel(&mirror, image.width() - 1 - x, y), pixel(&image, x, y));
            }
        }
        prop_assert_eq!(mirror.original_size(), image.original_size());
    }

    #[test]
    fn a_smaller_size_is_the_mean_of_what_each_pixel_covers(image in smooth(), w in 4u32..40, h in 4u32..40) {
        let small = image.resize(w, h);
        prop_assert_eq!((small.width(), small.height(), small.original_size()), (w, h, image.original_size()));
        let (fx, fy) = (f64::from(image.width()) / f64::from(w), f64::from(image.height()) / f64::from(h));
        for (x, y) in [(0, 0), (w - 1, h - 1), (w / 2, h / 3), (w / 4, h - 1)] {
            let (left, top) = (f64::from(x) * fx, f64::from(y) * fy);
            for c in 0..3 {
                let mut sum = 0.0;
                for j in 0..image.height() {
                    for i in 0..image.width() {
                        let across = shared((left, left + fx), (f64::from(i), f64::from(i) + 1.0));
                        let down = shared((top, top + fy), (f64::from(j), f64::from(j) + 1.0));
                        sum += across * down * f64::from(pixel(&image, i, j)[c]);
                    }
                }
                let (got, want) = (f64::from(pixel(&small, x, y)[c]), sum / (fx * fy));
                prop_assert!((got - want).abs() <= 0.51, "({}, {}): {} is not {}", x, y, got, want);
            }
        }
    }

    #[test]
    fn a_larger_size_is_bilinear(image in pictures(), more in 0u32..40, taller in 0u32..40) {
        let (w, h) = (image.width() + more, image.height() + taller);
        let large = image.resize(w, h);
        let (fx, fy) = (f64::from(image.width()) / f64::from(w), f64::from(image.height()) / f64::from(h));
        for (x, y) in [(0, 0), (w - 1, h - 1), (w / 2, h / 3), (w / 4, h - 1)] {
            // The edge goes on outside.
            let at = |v: u32, factor: f64, n: u32| ((f64::from(v) + 0.5) * factor).clamp(0.5, f64::from(n) - 0.5);
            let (u, v) = (at(x, fx, image.width()), at(y, fy, image.height()));
            for c in 0..3 {
                let (got, want) = (f64::from(pixel(&large, x, y)[c]), bilinear(&image, u, v, c));
                prop_assert!((got - want).abs() <= 2.0, "({}, {}): {} is not {}", x, y, got, want);
            }
        }
    }

    #[test]
    fn a_warp_that_enlarges_is_bilinear_where_each_pixel_comes_from(
        image in pictures(), to in similarities(), w in 1u32..50, h in 1u32..50,
    ) {
        prop_assume!(to.scale() >= 0.81);
        let out = image.warp(&to, w, h);
        prop_assert_eq!((out.width(), out.height(), out.original_size()), (w, h, (w, h)));
        let square = f64::from(to.a).powi(2) + f64::from(to.b).powi(2);
        for (x, y) in [(0, 0), (w - 1, h - 1), (w / 2, h / 2), (w / 3, h - 1)] {
            // Solve a·u − b·v + tx = x', b·u + a·v + ty = y' for the middle of the pixel.
            let (p, q) = (f64::from(x) + 0.5 - f64::from(to.tx), f64::from(y) + 0.5 - f64::from(to.ty));
            let u = (f64::from(to.a) * p + f64::from(to.b) * q) / square;
            let v = (f64::from(to.a) * q - f64::from(to.b) * p) / square;
            for c in 0..3 {
                let (got, want) = (f64::from(pixel(&out, x, y)[c]), bilinear(&image, u, v, c));
                prop_assert!((got - want).abs() <= 0.6, "({}, {}): {} is not {}", x, y, got, want);
            }
        }
    }

    #[test]
    fn a_warp_that_shrinks_is_the_mean_over_each_pixel(image in smooth(), scale in 0.2f32..0.8, turn in -3.2f32..3.2) {
        // The picture's middle goes to the output's.
        let (a, b) = (scale * turn.cos(), scale * turn.sin());
        let middle = [image.width() as f32 / 2.0, image.height() as f32 / 2.0];
        let moved = Similarity { a, b, tx: 0.0, ty: 0.0 }.apply(middle);
        let to = Similarity { a, b, tx: 2.5 - moved[0], ty: 2.5 - moved[1] };
        let out = image.warp(&to, 5, 5);
        let back = to.inverse().unwrap();
        for (x, y) in [(2, 2), (1, 2), (3, 3)] {
            let inner = |i: u32| (i as f32 + 0.5) / 8.0;
            let spots: Vec<[f32; 2]> =
                (0..64).map(|k| back.apply([x as f32 + inner(k % 8), y as f32 + inner(k / 8)])).collect();
            // Pixels that show the picture's edge are another matter.
            let inside = |[u, v]: [f32; 2]| {
                u > 2.0 && v > 2.0 && u < image.width() as f32 - 2.0 && v < image.height() as f32 - 2.0
            };
            if !spots.iter().all(|&spot| inside(spot)) {
                continue;
            }
            for c in 0..3 {
                let value = |&[u, v]: &[f32; 2]| bilinear(&image, u.into(), v.into(), c);
                let want = spots.iter().map(value).sum::<f64>() / 64.0;
                let got = f64::from(pixel(&out, x, y)[c]);
                prop_assert!((got - want).abs() <= 8.0, "({}, {}) at {}: {} is not {}", x, y, scale, got, want);
            }
        }
    }

    #[test]
    fn a_turn_too_small_to_see_changes_nothing(
        image in smooth(), scale in 0.1f32..3.0, tx in -30.0f32..30.0, ty in -30.0f32..30.0,
    ) {
        // Without a turn columns and rows are summed apart, with one each pixel by itself.
        let straight = Similarity { a: scale, b: 0.0, tx, ty };
        let turned = Similarity { b: scale * 1e-6, ..straight };
        let (straight, turned) = (image.warp(&straight, 24, 20), image.warp(&turned, 24, 20));
        for (a, b) in straight.pixels().iter().zip(turned.pixels()) {
            prop_assert!(a.abs_diff(*b) <= if scale < 0.25 { 24 } else { 2 }, "{} is not {}", a, b);
        }
    }

    #[test]
    fn a_transform_and_back_is_where_it_was(to in similarities(), x in -500.0f32..500.0, y in -500.0f32..500.0) {
        let back = to.inverse().unwrap();
        let [u, v] = back.apply(to.apply([x, y]));
        prop_assert!((u - x).hypot(v - y) < 0.01, "{} {} is not {} {}", u, v, x, y);
        prop_assert!((to.scale() * back.scale() - 1.0).abs() < 1e-4);
        let turn = (to.rotation() + back.rotation()).abs();
        prop_assert!(turn < 1e-3 || (turn - std::f32::consts::TAU).abs() < 1e-3, "{}", turn);
    }

    #[test]
    fn no_other_similarity_fits_better(
        to in similarities(),
        points in prop::collection::vec((prop::array::uniform2(0.0f32..100.0), prop::array::uniform2(-5.0f32..5.0)), 2..9),
        change in prop::array::uniform4(-0.05f64..0.05),
    ) {
        let from: Vec<[f32; 2]> = points.iter().map(|(p, _)| *p).collect();
        let noisy: Vec<[f32; 2]> = points.iter().map(|(p, noise)| {
            let [x, y] = to.apply(*p);
            [x + noise[0], y + noise[1]]
        }).collect();
        let spread = |axis: usize| {
            let values = from.iter().map(|p| p[axis]);
            values.clone().fold(f32::MIN, f32::max) - values.fold(f32::MAX, f32::min)
        };
        prop_assume!(spread(0) + spread(1) > 5.0);
        let found = Similarity::estimate(&from, &noisy).unwrap();
        let residual = |[a, b, tx, ty]: [f64; 4]| -> f64 {
            from.iter().zip(&noisy).map(|(p, q)| {
                let [x, y] = p.map(f64::from);
                (a * x - b * y + tx - f64::from(q[0])).powi(2) + (b * x + a * y + ty - f64::from(q[1])).powi(2)
            }).sum()
        };
        let best = [found.a, found.b, found.tx, found.ty].map(f64::from);
        let other = [0, 1, 2, 3].map(|i| best[i] + change[i]);
        prop_assert!(residual(best) <= residual(other) + 1e-2, "{} > {}", residual(best), residual(other));
    }
}

#[test]
fn what_has_no_transform_says_so() {
    let point = [3.0, 4.0];
    type Points<'a> = &'a [[f32; 2]];
    let cases: [(&str, Points<'_>, Points<'_>); 6] = [
        ("nothing", &[], &[]),
        ("one pair", &[point], &[point]),
        ("unequal numbers", &[point, [1.0, 1.0]], &[point]),
        ("one place", &[point, point], &[point, [1.0, 1.0]]),
        ("not a number", &[point, [f32::NAN, 1.0]], &[point, point]),
        ("infinite", &[point, [1.0, 1.0]], &[point, [f32::INFINITY, 1.0]]),
    ];
    for (name, from, to) in cases {
        assert!(Similarity::estimate(from, to).is_none(), "{name}");
    }
    assert!(Similarity { a: 0.0, b: 0.0, tx: 1.0, ty: 1.0 }.inverse().is_none());
    // Everything goes to one point: nothing to show, and no division by nothing.
    let image = Image::from_rgb(2, 2, vec![200; 12]).unwrap();
    let black = image.warp(&Similarity { a: 0.0, b: 0.0, tx: 0.0, ty: 0.0 }, 3, 3);
    assert!(black.pixels().iter().all(|&v| v == 0));
}

#[test]
fn sizes_of_nothing_become_one_pixel() {
    let image = Image::from_rgb(5, 3, vec![77; 45]).unwrap();
    for (w, h, size) in [(0, 0, (1, 1)), (0, 7, (1, 7)), (9, 0, (9, 1))] {
        let small = image.resize(w, h);
        assert_eq!((small.width(), small.height()), size);
        assert!(small.pixels().iter().all(|&v| v == 77));
    }
    assert_eq!(image.warp(&Similarity { a: 1.0, b: 0.0, tx: 0.0, ty: 0.0 }, 0, 0).pixels(), [77; 3]);
    for (w, h, bytes) in [(0, 1, 0), (1, 0, 0), (2, 2, 11), (2, 2, 13), (u32::MAX, u32::MAX, 3)] {
        assert!(Image::from_rgb(w, h, vec![0; bytes]).is_err(), "{w}×{h} of {bytes} bytes");
    }
}

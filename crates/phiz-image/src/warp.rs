//! Change of size and similarity warps.

use fast_image_resize as fir;
use fir::images::{TypedImage, TypedImageRef};
use fir::pixels::U8x3;

use crate::{Image, ImageView, Similarity};

impl Image {
    /// The whole picture at another size: [`ImageView::resize`].
    #[must_use]
    pub fn resize(&self, w: u32, h: u32) -> Image {
        ImageView::from(self).resize(w, h)
    }

    /// A picture that shows this one through a similarity: [`ImageView::warp`].
    #[must_use]
    pub fn warp(&self, to_output: &Similarity, w: u32, h: u32) -> Image {
        ImageView::from(self).warp(to_output, w, h)
    }
}

impl ImageView<'_> {
    /// The whole picture at another size: the mean of the covered area where it shrinks, bilinear where it grows.
    /// Sizes of zero become one.
    #[must_use]
    pub fn resize(&self, w: u32, h: u32) -> Image {
        let (w, h) = (w.max(1), h.max(1));
        let (width, height) = (self.width(), self.height());
        if (w, h) == (width, height) {
            return Image::from_view(self);
        }
        let original = self.original_size();
        if w <= width && h <= height {
            // Area averaging. The box filter of resizing crates counts a pixel wholly or not at all, which is another
            // picture where sizes have no whole ratio; here it counts by the part that is covered.
            let pixels = self.weigh(&coverage(width, w), &coverage(height, h));
            return Image { width: w, height: h, pixels, original };
        }
        let algorithm = fir::ResizeAlg::Convolution(fir::FilterType::Bilinear);
        let options = fir::ResizeOptions::new().resize_alg(algorithm);
        let mut pixels = vec![0; w as usize * h as usize * 3];
        let source = self.packed();
        // By pixel type and not by the crate's dynamic image: that compiles every pixel type for every instruction
        // set into this crate, minutes of it.
        let source = TypedImageRef::<U8x3>::from_buffer(width, height, &source);
        let target = TypedImage::<U8x3>::from_buffer(w, h, &mut pixels);
        if let (Ok(source), Ok(mut target)) = (source, target) {
            let resized = fir::Resizer::new().resize_typed(&source, &mut target, &options);
            debug_assert!(resized.is_ok(), "sizes agree by construction");
        }
        Image { width: w, height: h, pixels, original }
    }

    /// A picture each of whose columns and rows is a weighted sum of this one's; rounded. Rows first, because they lie
    /// together in memory.
    fn weigh(&self, columns: &[Taps], rows: &[Taps]) -> Vec<u8> {
        match self.format().bytes() {
            3 => self.weigh_of::<3>(columns, rows),
            _ => self.weigh_of::<4>(columns, rows),
        }
    }

    /// The same, of pixels of `N` bytes.
    fn weigh_of<const N: usize>(&self, columns: &[Taps], rows: &[Taps]) -> Vec<u8> {
        let channels = self.format().channels();
        // Of each row only what the columns read.
        let start = columns.iter().map(|(first, _)| *first).min().unwrap_or(0);
        let end = columns.iter().map(|(first, weights)| first + weights.len()).max().unwrap_or(0).max(start);
        let mut sums = vec![0f32; (end - start) * N];
        let mut pixels = Vec::with_capacity(columns.len() * rows.len() * 3);
        for (first, weights) in rows {
            sums.fill(0.0);
            for (y, weight) in (*first as u32..).zip(weights) {
                let row = &self.row(y)[start * N..end * N];
                sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += weight * f32::from(value));
            }
            for (first, weights) in columns {
                let mut sum = [0.5f32; N];
                for (pixel, weight) in sums[(first - start) * N..].chunks_exact(N).zip(weights) {
                    sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += weight * value);
                }
                pixels.extend(channels.map(|channel| sum[channel] as u8));
            }
        }
        pixels
    }

    /// A picture of `w` × `h` that shows this one through `to_output`, which takes pixels of this picture to
    /// pixels of the output. Bilinear; where the output is smaller, the mean over a grid of samples in each pixel;
    /// black outside.
    #[must_use]
    pub fn warp(&self, to_output: &Similarity, w: u32, h: u32) -> Image {
        let (w, h) = (w.max(1), h.max(1));
        let pixels = match to_output.inverse() {
            Some(back) if back.b == 0.0 => {
                let columns = samples(self.width(), back.a, back.tx, w);
                self.weigh(&columns, &samples(self.height(), back.a, back.ty, h))
            }
            Some(back) => self.warp_turned(&back, w, h),
            None => vec![0; w as usize * h as usize * 3],
        };
        Image { width: w, height: h, pixels, original: (w, h) }
    }

    /// What lies at `back` of each pixel of an output.
    fn warp_turned(&self, back: &Similarity, w: u32, h: u32) -> Vec<u8> {
        // Far smaller than the source: shrink by a whole factor first what is needed of it, so that the grid stays small.
        let factor = (back.scale() / 2.0).floor().clamp(1.0, 64.0);
        if factor < 2.0 {
            return self.sample(back, [1.0, 1.0], w, h);
        }
        let (w_end, h_end) = (w as f32, h as f32);
        let corners =
            [[0.0, 0.0], [w_end, 0.0], [0.0, h_end], [w_end, h_end]].map(|corner| back.apply(corner));
        let span = |axis: usize, size: u32| {
            let values = corners.iter().map(|corner| corner[axis]);
            let least = values.clone().fold(f32::MAX, f32::min) - 2.0 * factor;
            let most = values.fold(f32::MIN, f32::max) + 2.0 * factor;
            let from = (least.clamp(0.0, size as f32) / factor).floor() * factor;
            (from as u32, (most.clamp(0.0, size as f32).ceil() as u32).min(size))
        };
        let ((x0, x1), (y0, y1)) = (span(0, self.width()), span(1, self.height()));
        let Ok(part) = self.crop(x0, y0, x1.saturating_sub(x0), y1.saturating_sub(y0)) else {
            return vec![0; w as usize * h as usize * 3];
        };
        let size = |length: u32| ((length as f32 / factor).round() as u32).max(1);
        let small = part.resize(size(part.width()), size(part.height()));
        let scale = [small.width as f32 / part.width() as f32, small.height as f32 / part.height() as f32];
        let back = Similarity { tx: back.tx - x0 as f32, ty: back.ty - y0 as f32, ..*back };
        ImageView::from(&small).sample(&back, scale, w, h)
    }

    /// What lies at `back` of each output pixel; `scale` takes coordinates to this picture.
    fn sample(&self, back: &Similarity, scale: [f32; 2], w: u32, h: u32) -> Vec<u8> {
        let grid = grid(back.scale() * scale[0].max(scale[1]), 4);
        let share = 1.0 / (grid * grid) as f32;
        let mut pixels = vec![0u8; w as usize * h as usize * 3];
        for (index, pixel) in pixels.chunks_exact_mut(3).enumerate() {
            let (x, y) = (index % w as usize, index / w as usize);
            let mut sum = [0f32; 3];
            for sub in 0..grid * grid {
                let inner = |i: usize| (i as f32 + 0.5) / grid as f32;
                let [u, v] = back.apply([x as f32 + inner(sub % grid), y as f32 + inner(sub / grid)]);
                self.add_bilinear(u * scale[0] - 0.5, v * scale[1] - 0.5, &mut sum);
            }
            for (p, s) in pixel.iter_mut().zip(sum) {
                *p = (s * share + 0.5) as u8;
            }
        }
        pixels
    }

    /// Adds the bilinear value at `(x, y)`, whole numbers being centres of pixels; black counts outside.
    fn add_bilinear(&self, x: f32, y: f32, sum: &mut [f32; 3]) {
        let (w, h) = (i64::from(self.width()), i64::from(self.height()));
        if !(x > -1.0 && y > -1.0 && x < w as f32 && y < h as f32) {
            return;
        }
        let (size, channels) = (self.format().bytes(), self.format().channels());
        let (i, j) = (x.floor() as i64, y.floor() as i64);
        let (fx, fy) = (x - i as f32, y - j as f32);
        for (dj, wy) in [(0, 1.0 - fy), (1, fy)] {
            for (di, wx) in [(0, 1.0 - fx), (1, fx)] {
                let (i, j) = (i + di, j + dj);
                if i >= 0 && j >= 0 && i < w && j < h {
                    let p = &self.row(j as u32)[i as usize * size..][..size];
                    let weight = wx * wy;
                    for (sum, channel) in sum.iter_mut().zip(channels) {
                        *sum += weight * f32::from(p[channel]);
                    }
                }
            }
        }
    }
}

/// The first pixel of a line that counts, and how much it and those after it count.
type Taps = (usize, Vec<f32>);

/// Samples to each side in an output pixel that is so many pixels wide.
fn grid(step: f32, most: usize) -> usize {
    if step > 1.25 { (step.ceil() as usize).min(most) } else { 1 }
}

/// For each of `to` pixels, of which `k` begins at `a * k + t` of a line of `from` pixels, what [`ImageView::sample`] would
/// read along one side: where nothing turns, both sides are apart.
fn samples(from: u32, a: f32, t: f32, to: u32) -> Vec<Taps> {
    let grid = grid(a.abs(), 256);
    let share = 1.0 / grid as f32;
    let pixel = |k: u32| {
        let mut taps: Vec<(usize, f32)> = Vec::with_capacity(2 * grid);
        for sub in 0..grid {
            let x = a * (k as f32 + (sub as f32 + 0.5) * share) + t - 0.5;
            // Black outside.
            if x > -1.0 && x < from as f32 {
                let (left, part) = (x.floor(), x - x.floor());
                for (i, weight) in [(left, 1.0 - part), (left + 1.0, part)] {
                    if i >= 0.0 && i < from as f32 {
                        taps.push((i as usize, weight * share));
                    }
                }
            }
        }
        let first = taps.iter().map(|tap| tap.0).min().unwrap_or(0);
        let end = taps.iter().map(|tap| tap.0 + 1).max().unwrap_or(0);
        let mut weights = vec![0.0; end - first];
        taps.into_iter().for_each(|(i, weight)| weights[i - first] += weight);
        (first, weights)
    };
    (0..to).map(pixel).collect()
}

/// For each of `to` equal parts of a line of `from` pixels, `to` ≤ `from`: the first pixel that it covers, and how much
/// of the part each pixel from there on fills.
fn coverage(from: u32, to: u32) -> Vec<Taps> {
    let (from, to) = (u64::from(from), u64::from(to));
    // In units of 1 / `to` of a pixel a part is `from` long and a pixel `to`: whole numbers, no rounding.
    let part = |k: u64| {
        let (start, end) = (k * from, (k + 1) * from);
        let pixels = start / to..end.div_ceil(to);
        let share = |i: u64| (end.min((i + 1) * to) - start.max(i * to)) as f32 / from as f32;
        (pixels.start as usize, pixels.map(share).collect())
    };
    (0..to).map(part).collect()
}

//! Change of size and similarity warps.

use fast_image_resize as fir;

use crate::{Image, Similarity};

impl Image {
    /// The whole picture at another size: the mean of the covered area where it shrinks, bilinear where it grows.
    /// Sizes of zero become one.
    #[must_use]
    pub fn resize(&self, w: u32, h: u32) -> Image {
        let (w, h) = (w.max(1), h.max(1));
        if (w, h) == (self.width, self.height) {
            return self.clone();
        }
        let mut out = fir::images::Image::new(w, h, fir::PixelType::U8x3);
        let shrinks = w < self.width && h < self.height;
        let filter = if shrinks { fir::FilterType::Box } else { fir::FilterType::Bilinear };
        let options = fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(filter));
        let source = fir::images::ImageRef::new(self.width, self.height, &self.pixels, fir::PixelType::U8x3);
        let resized = source.map(|source| fir::Resizer::new().resize(&source, &mut out, &options));
        debug_assert!(matches!(resized, Ok(Ok(()))), "sizes and types agree by construction");
        Image { width: w, height: h, pixels: out.into_vec(), original: self.original }
    }

    /// A picture of `w` × `h` that shows this one through `to_output`, which takes pixels of this picture to
    /// pixels of the output. Bilinear; where the output is smaller, the mean over a grid of samples in each pixel;
    /// black outside.
    #[must_use]
    pub fn warp(&self, to_output: &Similarity, w: u32, h: u32) -> Image {
        let (w, h) = (w.max(1), h.max(1));
        let mut pixels = vec![0u8; w as usize * h as usize * 3];
        if let Some(back) = to_output.inverse() {
            // Far smaller than the source: shrink by a whole factor first, so that the grid stays small.
            let factor = (back.scale() / 2.0).floor().clamp(1.0, 64.0);
            if factor >= 2.0 {
                let size = |length: u32| ((length as f32 / factor).round() as u32).max(1);
                let small = self.resize(size(self.width), size(self.height));
                let sx = small.width as f32 / self.width as f32;
                let sy = small.height as f32 / self.height as f32;
                small.sample(&back, [sx, sy], w, &mut pixels);
            } else {
                self.sample(&back, [1.0, 1.0], w, &mut pixels);
            }
        }
        Image { width: w, height: h, pixels, original: (w, h) }
    }

    /// Fills `pixels` with what lies at `back` of each output pixel; `scale` takes coordinates to this picture.
    fn sample(&self, back: &Similarity, scale: [f32; 2], w: u32, pixels: &mut [u8]) {
        let step = back.scale() * scale[0].max(scale[1]);
        let grid = if step > 1.25 { (step.ceil() as usize).min(4) } else { 1 };
        let share = 1.0 / (grid * grid) as f32;
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
    }

    /// Adds the bilinear value at `(x, y)`, whole numbers being centres of pixels; black counts outside.
    fn add_bilinear(&self, x: f32, y: f32, sum: &mut [f32; 3]) {
        let (w, h) = (self.width as i64, self.height as i64);
        if !(x > -1.0 && y > -1.0 && x < w as f32 && y < h as f32) {
            return;
        }
        let (i, j) = (x.floor() as i64, y.floor() as i64);
        let (fx, fy) = (x - i as f32, y - j as f32);
        for (dj, wy) in [(0, 1.0 - fy), (1, fy)] {
            for (di, wx) in [(0, 1.0 - fx), (1, fx)] {
                let (i, j) = (i + di, j + dj);
                if i >= 0 && j >= 0 && i < w && j < h {
                    let p = &self.pixels[(j * w + i) as usize * 3..][..3];
                    let weight = wx * wy;
                    for c in 0..3 {
                        sum[c] += weight * f32::from(p[c]);
                    }
                }
            }
        }
    }
}

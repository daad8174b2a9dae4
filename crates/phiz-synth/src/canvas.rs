//! A picture in the making: RGB as floats, so that layers can be laid over each other without rounding.

use phiz_image::{Image, ImageError};

/// Grey levels in 0 to 255, not cut until the picture is finished.
#[derive(Clone, Debug)]
pub(crate) struct Canvas {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<[f32; 3]>,
}

impl Canvas {
    /// From a colour for each pixel's centre.
    pub(crate) fn paint(width: usize, height: usize, colour: impl Fn(f32, f32) -> [f32; 3]) -> Canvas {
        let at = |i: usize| i as f32 + 0.5;
        let pixels = (0..height).flat_map(|j| (0..width).map(move |i| (i, j)));
        Canvas { width, height, pixels: pixels.map(|(i, j)| colour(at(i), at(j))).collect() }
    }

    /// Lays colours with an opacity over the pixels of a rectangle `[left, top, right, bottom]`.
    pub(crate) fn lay(&mut self, within: [f32; 4], colour: impl Fn(f32, f32) -> ([f32; 3], f32)) {
        let [left, right] = [within[0], within[2]].map(|x| (x.max(0.0) as usize).min(self.width));
        let [top, bottom] = [within[1], within[3]].map(|y| (y.max(0.0) as usize).min(self.height));
        for j in top..bottom {
            for i in left..right {
                let (over, opacity) = colour(i as f32 + 0.5, j as f32 + 0.5);
                if opacity > 0.0 {
                    let pixel = &mut self.pixels[j * self.width + i];
                    *pixel = mix(*pixel, over, opacity.min(1.0));
                }
            }
        }
    }

    /// Cut to bytes.
    pub(crate) fn finish(&self) -> Result<Image, ImageError> {
        let bytes = self.pixels.iter().flatten().map(|v| (v + 0.5).clamp(0.0, 255.0) as u8).collect();
        Image::from_rgb(self.width as u32, self.height as u32, bytes)
    }
}

/// `a` where `t` is 0, `b` where it is 1.
pub(crate) fn mix(a: [f32; 3], b: [f32; 3], t: f32) -> [f32; 3] {
    [0, 1, 2].map(|k| a[k] + (b[k] - a[k]) * t)
}

/// 0 up to `low`, 1 from `high`, smooth between; falling if `high < low`.
pub(crate) fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

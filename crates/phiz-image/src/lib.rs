//! Pictures: decode, upright, limits, resize, warp, draw. Knows no model.
//!
//! An [`Image`] is 8-bit RGB, upright (EXIF orientation applied), and remembers the size of its upright original
//! and the scale at which it was decoded. Coordinates everywhere are `f32` pixels with the origin at the top left
//! corner of the top left pixel, so the centre of pixel `(i, j)` is `(i + 0.5, j + 0.5)`.
//!
//! ```
//! use phiz_image::{DecodeOptions, Image};
//! let red = Image::from_rgb(2, 1, vec![255, 0, 0, 255, 0, 0])?;
//! let again = Image::decode(&red.encode_png()?, &DecodeOptions::default())?;
//! assert_eq!(again.pixels(), red.pixels());
//! # Ok::<(), phiz_image::ImageError>(())
//! ```

mod avif;
mod decode;
pub mod draw;
mod encode;
mod error;
pub mod formats;
mod geometry;
mod heif;
mod jpeg;
mod jxl;
mod orientation;
mod taken;
mod tiff;
mod view;
mod warp;

pub use decode::{DecodeOptions, Limits};
pub use error::{ErrorKind, ImageError, Limit};
pub use geometry::Similarity;
pub use orientation::{stored_orientation, taken};
pub use view::{ImageView, PixelFormat, ViewError};

/// An upright 8-bit RGB picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
    original: (u32, u32),
}

impl Image {
    /// From interleaved RGB, row by row.
    ///
    /// # Errors
    /// No pixels, or `rgb` is not `width · height · 3` bytes long.
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Result<Image, ImageError> {
        let expected = u128::from(width) * u128::from(height) * 3;
        if expected == 0 || rgb.len() as u128 != expected {
            let reason = format!("{} bytes are not a {width}×{height} RGB picture", rgb.len());
            return Err(ImageError::new(ErrorKind::Caller, reason));
        }
        Ok(Image { width, height, pixels: rgb, original: (width, height) })
    }

    /// Columns.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Interleaved RGB, row by row.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Interleaved RGB, row by row.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// Width and height of the upright original, before any reduced decoding.
    #[must_use]
    pub fn original_size(&self) -> (u32, u32) {
        self.original
    }

    /// Size of this picture over the original's: 1 unless it was decoded at a reduced scale.
    #[must_use]
    pub fn scale(&self) -> f32 {
        self.width as f32 / self.original.0 as f32
    }

    /// A rectangle of the picture, as a new picture.
    ///
    /// # Errors
    /// A rectangle that is empty or reaches outside.
    pub fn crop(&self, x: u32, y: u32, w: u32, h: u32) -> Result<Image, ImageError> {
        let fits =
            |start: u32, length: u32, size: u32| start.checked_add(length).is_some_and(|end| end <= size);
        if !fits(x, w, self.width) || !fits(y, h, self.height) {
            let reason = format!("{w}×{h} at ({x}, {y}) reaches outside of {}×{}", self.width, self.height);
            return Err(ImageError::new(ErrorKind::Caller, reason));
        }
        let row = |j: u32| {
            let start = ((y + j) as usize * self.width as usize + x as usize) * 3;
            &self.pixels[start..start + w as usize * 3]
        };
        Image::from_rgb(w, h, (0..h).flat_map(row).copied().collect())
    }

    /// The mirror image: left and right change places.
    #[must_use]
    pub fn mirrored(&self) -> Image {
        let mut mirror = self.clone();
        let row = self.width as usize * 3;
        for (to, from) in mirror.pixels.chunks_exact_mut(row).zip(self.pixels.chunks_exact(row)) {
            for (to, from) in to.chunks_exact_mut(3).zip(from.chunks_exact(3).rev()) {
                to.copy_from_slice(from);
            }
        }
        mirror
    }

    /// The picture turned clockwise by this number of quarter turns.
    #[must_use]
    pub fn rotate90(&self, quarter_turns_clockwise: u8) -> Image {
        let (w, h) = (self.width as usize, self.height as usize);
        let turns = quarter_turns_clockwise % 4;
        let swap = turns % 2 == 1;
        let (out_w, out_h) = if swap { (h, w) } else { (w, h) };
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for y in 0..out_h {
            for x in 0..out_w {
                let (i, j) = match turns {
                    0 => (x, y),
                    1 => (y, h - 1 - x),
                    2 => (w - 1 - x, h - 1 - y),
                    _ => (w - 1 - y, x),
                };
                pixels.extend_from_slice(&self.pixels[(j * w + i) * 3..][..3]);
            }
        }
        let original = if swap { (self.original.1, self.original.0) } else { self.original };
        Image { width: out_w as u32, height: out_h as u32, pixels, original }
    }
}

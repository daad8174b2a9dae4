//! Pixels that belong to somebody else: a frame of a video, a buffer of another library.

use std::borrow::Cow;
use std::fmt;

use crate::{ErrorKind, Image, ImageError};

/// How the bytes of a pixel follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PixelFormat {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red, as OpenCV has it.
    Bgr,
    /// Red, green, blue and a fourth byte that is not looked at.
    Rgba,
    /// Blue, green, red and a fourth byte that is not looked at, as screens and video decoders have it.
    Bgra,
}

impl PixelFormat {
    /// Bytes of a pixel.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            PixelFormat::Rgb | PixelFormat::Bgr => 3,
            PixelFormat::Rgba | PixelFormat::Bgra => 4,
        }
    }

    /// Where red, green and blue stand in a pixel.
    #[must_use]
    pub fn channels(self) -> [usize; 3] {
        match self {
            PixelFormat::Rgb | PixelFormat::Rgba => [0, 1, 2],
            PixelFormat::Bgr | PixelFormat::Bgra => [2, 1, 0],
        }
    }
}

/// Why bytes are no picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ViewError {
    /// No columns or no rows.
    Empty,
    /// The stride is shorter than a row.
    Stride {
        /// Bytes from one row to the next.
        stride: usize,
        /// Bytes of a row.
        row: usize,
    },
    /// There are fewer bytes than the rows need.
    Short {
        /// Bytes that there are.
        bytes: usize,
        /// Bytes that the rows need, the last one without what follows it.
        needed: usize,
    },
    /// The sizes are beyond what a machine can count.
    Overflow,
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ViewError::Empty => write!(f, "a picture has at least one column and one row"),
            ViewError::Stride { stride, row } => {
                write!(f, "the stride of {stride} bytes is shorter than a row of {row} bytes")
            }
            ViewError::Short { bytes, needed } => {
                write!(f, "there are {bytes} bytes, but the rows need {needed}")
            }
            ViewError::Overflow => write!(f, "width, height and stride are too large"),
        }
    }
}

impl std::error::Error for ViewError {}

impl From<ViewError> for ImageError {
    fn from(error: ViewError) -> ImageError {
        ImageError::new(ErrorKind::Caller, error.to_string())
    }
}

/// A borrowed picture of 8 bits a channel, whose rows may be longer than their pixels.
///
/// ```
/// use phiz_image::{Image, ImageView, PixelFormat};
/// // Two rows of one blue pixel, each filled up to four bytes, as OpenCV has them.
/// let frame = [255, 0, 0, 9, 255, 0, 0, 9];
/// let view = ImageView::new(&frame, 1, 2, 4, PixelFormat::Bgr)?;
/// assert_eq!(Image::from_view(&view).pixels(), [0, 0, 255, 0, 0, 255]);
/// # Ok::<(), phiz_image::ViewError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ImageView<'a> {
    bytes: &'a [u8],
    width: u32,
    height: u32,
    stride: usize,
    format: PixelFormat,
    original: (u32, u32),
}

impl<'a> ImageView<'a> {
    /// `stride` is the number of bytes from the beginning of a row to that of the next. Bytes behind the last row's
    /// pixels are not needed.
    ///
    /// # Errors
    /// No pixels, a stride shorter than a row, or too few bytes.
    pub fn new(
        bytes: &'a [u8],
        width: u32,
        height: u32,
        stride: usize,
        format: PixelFormat,
    ) -> Result<ImageView<'a>, ViewError> {
        if width == 0 || height == 0 {
            return Err(ViewError::Empty);
        }
        let row = (width as usize).checked_mul(format.bytes()).ok_or(ViewError::Overflow)?;
        if stride < row {
            return Err(ViewError::Stride { stride, row });
        }
        let before = stride.checked_mul(height as usize - 1).ok_or(ViewError::Overflow)?;
        let needed = before.checked_add(row).ok_or(ViewError::Overflow)?;
        if bytes.len() < needed {
            return Err(ViewError::Short { bytes: bytes.len(), needed });
        }
        Ok(ImageView { bytes, width, height, stride, format, original: (width, height) })
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

    /// Bytes from the beginning of a row to that of the next.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// How the bytes of a pixel follow each other.
    #[must_use]
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Width and height of the upright original: its own, except of an [`Image`] that was decoded at a reduced scale.
    #[must_use]
    pub fn original_size(&self) -> (u32, u32) {
        self.original
    }

    /// Its size over the original's.
    #[must_use]
    pub fn scale(&self) -> f32 {
        self.width as f32 / self.original.0 as f32
    }

    /// The bytes of the pixels of a row, from 0 on.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, y: u32) -> &'a [u8] {
        let start = y as usize * self.stride;
        &self.bytes[start..start + self.width as usize * self.format.bytes()]
    }

    /// All rows, from the top.
    pub fn rows(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        (0..self.height).map(|y| self.row(y))
    }

    /// A rectangle of it, without a copy.
    ///
    /// # Errors
    /// A rectangle that is empty or reaches outside.
    pub fn crop(&self, x: u32, y: u32, w: u32, h: u32) -> Result<ImageView<'a>, ImageError> {
        let fits =
            |start: u32, length: u32, size: u32| start.checked_add(length).is_some_and(|end| end <= size);
        if w == 0 || h == 0 || !fits(x, w, self.width) || !fits(y, h, self.height) {
            let reason = format!("{w}×{h} at ({x}, {y}) reaches outside of {}×{}", self.width, self.height);
            return Err(ImageError::new(ErrorKind::Caller, reason));
        }
        let start = y as usize * self.stride + x as usize * self.format.bytes();
        Ok(ImageView { bytes: &self.bytes[start..], width: w, height: h, original: (w, h), ..*self })
    }
}

impl<'a> From<&'a Image> for ImageView<'a> {
    fn from(image: &'a Image) -> ImageView<'a> {
        let (bytes, width, height) = (image.pixels(), image.width(), image.height());
        let stride = width as usize * 3;
        ImageView { bytes, width, height, stride, format: PixelFormat::Rgb, original: image.original }
    }
}

impl<'a> From<&ImageView<'a>> for ImageView<'a> {
    fn from(view: &ImageView<'a>) -> ImageView<'a> {
        *view
    }
}

impl ImageView<'_> {
    /// Interleaved RGB, row by row: a copy, unless they lie so already.
    pub(crate) fn packed(&self) -> Cow<'_, [u8]> {
        let row = self.width as usize * 3;
        if self.format == PixelFormat::Rgb && self.stride == row {
            return Cow::Borrowed(&self.bytes[..row * self.height as usize]);
        }
        let mut pixels = Vec::with_capacity(row * self.height as usize);
        let [r, g, b] = self.format.channels();
        for row in self.rows() {
            match self.format {
                PixelFormat::Rgb => pixels.extend_from_slice(row),
                _ => {
                    let size = self.format.bytes();
                    pixels.extend(row.chunks_exact(size).flat_map(|pixel| [pixel[r], pixel[g], pixel[b]]));
                }
            }
        }
        Cow::Owned(pixels)
    }
}

impl Image {
    /// A copy of borrowed pixels.
    #[must_use]
    pub fn from_view(view: &ImageView<'_>) -> Image {
        let pixels = view.packed().into_owned();
        Image { width: view.width, height: view.height, pixels, original: view.original }
    }
}

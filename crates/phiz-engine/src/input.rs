//! What a network is fed: a tensor, or pictures of eight bits that are normalised on the way in.

use crate::{EngineError, Port, Tensor};

/// Order of the colour channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red first.
    #[default]
    Rgb,
    /// Blue first.
    Bgr,
}

/// How pictures of eight bits are normalised for a network: `(value − mean) / std` on 0 to 255, channel by channel.
///
/// The default feeds the values as they are, red first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalisation {
    /// The mean to subtract, in the order in which the channels are fed.
    pub mean: [f32; 3],
    /// The standard deviation to divide by, in the order in which the channels are fed.
    pub std: [f32; 3],
    /// The order in which channels are fed.
    pub order: ChannelOrder,
}

impl Default for Normalisation {
    fn default() -> Normalisation {
        Normalisation { mean: [0.0; 3], std: [1.0; 3], order: ChannelOrder::Rgb }
    }
}

impl Normalisation {
    /// Factor and offset of a channel: the normalised value is `value · factor + offset`.
    pub(crate) fn affine(&self, channel: usize) -> (f32, f32) {
        (1.0 / self.std[channel], -self.mean[channel] / self.std[channel])
    }
}

/// A batch of pictures of one size: three bytes per pixel, interleaved, rows from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pictures<'a> {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes from the beginning of a row to that of the next; at least three times the width.
    pub stride: usize,
    /// Order of the channels in the pictures; it may differ from the network's.
    pub order: ChannelOrder,
    /// The pictures, each at least `stride · (height − 1) + 3 · width` bytes.
    pub pictures: &'a [&'a [u8]],
}

impl<'a> Pictures<'a> {
    /// Pictures with red first whose rows follow one another without a gap.
    #[must_use]
    pub fn rgb(width: usize, height: usize, pictures: &'a [&'a [u8]]) -> Pictures<'a> {
        Pictures { width, height, stride: width.saturating_mul(3), order: ChannelOrder::Rgb, pictures }
    }

    /// `[pictures, 3, height, width]`.
    pub(crate) fn shape(&self) -> [usize; 4] {
        [self.pictures.len(), 3, self.height, self.width]
    }

    /// Checks that every picture has the bytes that its size asks for; `port` is named in the error.
    pub(crate) fn check(&self, port: &Port) -> Result<(), EngineError> {
        let wrong = |reason| Err(EngineError::Shape { port: port.name.clone(), reason });
        let row = self.width.checked_mul(3);
        if row.is_none_or(|row| row > self.stride) {
            return wrong(format!("a row of {} pixels does not fit {} bytes", self.width, self.stride));
        }
        let needed = match self.height {
            0 => Some(0),
            rows => (rows - 1).checked_mul(self.stride).and_then(|n| n.checked_add(row?)),
        };
        for (index, picture) in self.pictures.iter().enumerate() {
            if needed.is_none_or(|needed| picture.len() < needed) {
                return wrong(format!(
                    "picture {index} of {}×{} pixels with {} bytes per row has only {} bytes",
                    self.width,
                    self.height,
                    self.stride,
                    picture.len()
                ));
            }
        }
        Ok(())
    }

    /// The rows of one picture, each `3 · width` bytes.
    pub(crate) fn rows(&self, picture: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let pictures = *self;
        (0..self.height).map(move |y| pictures.row(picture, y))
    }

    /// A row of one picture, `3 · width` bytes.
    pub(crate) fn row(&self, picture: usize, y: usize) -> &'a [u8] {
        &self.pictures[picture][y * self.stride..][..3 * self.width]
    }

    /// Writes the normalised pictures as `[pictures, 3, height, width]`.
    pub(crate) fn normalise(&self, normalisation: &Normalisation, out: &mut Vec<f32>) {
        out.clear();
        out.resize(self.shape().iter().product(), 0.0);
        let plane = self.width * self.height;
        for channel in 0..3 {
            let from = if normalisation.order == self.order { channel } else { 2 - channel };
            let (factor, offset) = normalisation.affine(channel);
            for picture in 0..self.pictures.len() {
                let plane = &mut out[(picture * 3 + channel) * plane..][..plane];
                for (values, row) in plane.chunks_exact_mut(self.width.max(1)).zip(self.rows(picture)) {
                    for (value, pixel) in values.iter_mut().zip(row.as_chunks::<3>().0) {
                        *value = f32::from(pixel[from]) * factor + offset;
                    }
                }
            }
        }
    }
}

/// The input of a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input<'a> {
    /// Values that are normalised already, of the shape that the network's input declares.
    Tensor(&'a Tensor),
    /// Pictures that the network normalises as [`crate::LoadOptions::normalisation`] says.
    Pictures(Pictures<'a>),
}

impl<'a> From<&'a Tensor> for Input<'a> {
    fn from(tensor: &'a Tensor) -> Input<'a> {
        Input::Tensor(tensor)
    }
}

impl<'a> From<Pictures<'a>> for Input<'a> {
    fn from(pictures: Pictures<'a>) -> Input<'a> {
        Input::Pictures(pictures)
    }
}

impl Input<'_> {
    /// The shape of an input of four axes that was checked.
    pub(crate) fn shape(&self) -> [usize; 4] {
        match self {
            Input::Tensor(tensor) => tensor.shape.as_slice().try_into().unwrap_or_default(),
            Input::Pictures(pictures) => pictures.shape(),
        }
    }

    /// Checks that the input is well formed and fits the port.
    pub(crate) fn check(&self, port: &Port) -> Result<(), EngineError> {
        match self {
            Input::Tensor(tensor) => {
                port.check(&tensor.shape)?;
                tensor.check().map_err(|error| match error {
                    EngineError::Shape { reason, .. } => {
                        EngineError::Shape { port: port.name.clone(), reason }
                    }
                    other => other,
                })
            }
            Input::Pictures(pictures) => {
                port.check(&pictures.shape())?;
                pictures.check(port)?;
                crate::tensor::element_count(&pictures.shape()).map(|_| ())
            }
        }
    }
}

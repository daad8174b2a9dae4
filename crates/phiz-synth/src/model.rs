//! The appearance model: what faces have in common, and along which directions they differ.
//!
//! Shape is five landmarks in the [`Frame`]; texture is the head's pixels after a spline has taken its landmarks to
//! the mean ones, as luma at full and two chroma planes at quarter resolution, inside an oval. Both are linear:
//! `mean + Σ identity·component + Σ nuisance·component`, with coefficients of unit variance.
//!
//! # File
//! Little-endian: `PHIZFACE`, u32 version (1), u32 identity components, u32 nuisance components, f32 identity scale,
//! f32 nuisance scale, 4 f32 box, 10 f32 mean shape, 1 byte a sample of mean texture; then each component, identity
//! first: 10 f32 shape, f32 step, 1 signed byte a sample of texture, in units of the step.

use std::sync::OnceLock;

use crate::error::SynthError;
use crate::spline::POINTS;

const MAGIC: &[u8; 8] = b"PHIZFACE";
const VERSION: u32 = 1;

/// The coordinates of the model: 80 × 96 pixels with the eyes 24 apart, placed as the usual 112×112 template is.
#[derive(Clone, Copy, Debug)]
pub struct Frame;

impl Frame {
    /// Columns of the luma plane.
    pub const WIDTH: usize = 80;
    /// Rows of the luma plane.
    pub const HEIGHT: usize = 96;
    /// Luma pixels to a chroma pixel, along each side.
    pub const CHROMA: usize = 4;
    const CENTRE: [f32; 2] = [40.0, 47.0];
    const RADII: [f32; 2] = [39.0, 46.5];

    /// The five landmarks that photos are turned and scaled to before shape is measured: the 112×112 template of
    /// ArcFace (Deng et al. 2019), in coordinates whose origin is the corner of the first pixel.
    #[must_use]
    pub fn template() -> [[f32; 2]; POINTS] {
        let published = [
            [38.2946, 51.6963],
            [73.5318, 51.5014],
            [56.0252, 71.7366],
            [41.5493, 92.3655],
            [70.7299, 92.2041],
        ];
        let scale = 24.0 / 35.2372;
        published.map(|[x, y]: [f32; 2]| [(x + 0.5 - 56.0) * scale + 40.0, (y + 0.5 - 52.1) * scale + 46.0])
    }

    /// How far out of the head's oval a point is: 0 in the middle, 1 on the rim.
    #[must_use]
    pub fn radius([x, y]: [f32; 2]) -> f32 {
        ((x - Self::CENTRE[0]) / Self::RADII[0]).hypot((y - Self::CENTRE[1]) / Self::RADII[1])
    }

    /// Centres of the luma samples of a texture, then those of one chroma plane. A texture is luma, blue and red
    /// difference, in the order of these centres.
    #[must_use]
    pub fn samples() -> (Vec<[f32; 2]>, Vec<[f32; 2]>) {
        let plane = |step: usize| {
            let (w, h) = (Self::WIDTH / step, Self::HEIGHT / step);
            let centre = move |i: usize| (i as f32 + 0.5) * step as f32;
            let all = (0..h).flat_map(move |j| (0..w).map(move |i| [centre(i), centre(j)]));
            all.filter(|&at| Self::radius(at) <= 1.0).collect()
        };
        (plane(1), plane(Self::CHROMA))
    }

    /// Numbers in a texture.
    #[must_use]
    pub fn texture_length() -> usize {
        let (luma, chroma) = Self::samples();
        luma.len() + 2 * chroma.len()
    }
}

/// One direction in which faces differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// What one standard deviation adds to x and y of the landmarks, in frame pixels.
    pub shape: [f32; 2 * POINTS],
    /// Grey levels to a unit of `texture`.
    pub step: f32,
    /// What one standard deviation adds to the texture, in steps.
    pub texture: Vec<i8>,
}

/// Means and components.
#[derive(Clone, Debug, PartialEq)]
pub struct FaceModel {
    /// `[x, y, w, h]` of the face box in the frame, around the mean shape.
    pub bbox: [f32; 4],
    /// Mean landmarks in the frame.
    pub shape: [[f32; 2]; POINTS],
    /// Mean texture, one byte a sample; chroma is offset by 128.
    pub texture: Vec<u8>,
    /// What sets people apart.
    pub identity: Vec<Component>,
    /// What sets photos of one person apart.
    pub nuisance: Vec<Component>,
    /// Standard deviation that identity coefficients are drawn with.
    pub identity_scale: f32,
    /// Standard deviation that nuisance coefficients are drawn with.
    pub nuisance_scale: f32,
}

/// A head without a place yet: landmarks in the frame, and its pixels where the mean landmarks are.
#[derive(Clone, Debug)]
pub struct Head {
    /// Landmarks in the frame.
    pub shape: [[f32; 2]; POINTS],
    /// The model's mean landmarks, which `pixels` are arranged by.
    pub mean: [[f32; 2]; POINTS],
    /// RGB of [`Frame::WIDTH`] × [`Frame::HEIGHT`], not cut to bytes; outside of the oval its rim goes on.
    pub pixels: Vec<[f32; 3]>,
}

impl FaceModel {
    /// The model that comes with this crate.
    ///
    /// # Panics
    /// Never in a checkout whose tests pass: the file is part of the crate.
    #[must_use]
    pub fn bundled() -> &'static FaceModel {
        static MODEL: OnceLock<FaceModel> = OnceLock::new();
        MODEL.get_or_init(|| {
            FaceModel::from_bytes(include_bytes!("../model/people.bin"))
                .expect("the bundled face model is whole")
        })
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// Bytes of something else, of another version, cut off, too long, or with numbers that are not finite.
    pub fn from_bytes(bytes: &[u8]) -> Result<FaceModel, SynthError> {
        let mut reader = Reader(bytes);
        if reader.take(8)? != MAGIC {
            return Err(SynthError::Model("it does not begin with PHIZFACE".into()));
        }
        let version = reader.count()?;
        if version != VERSION as usize {
            return Err(SynthError::Model(format!("version {version}, this program reads {VERSION}")));
        }
        let counts = [reader.count()?, reader.count()?];
        let [identity_scale, nuisance_scale] = reader.floats()?;
        let bbox = reader.floats()?;
        let flat: [f32; 2 * POINTS] = reader.floats()?;
        let length = Frame::texture_length();
        let texture = reader.take(length)?.to_vec();
        let mut components = |count: usize| -> Result<Vec<Component>, SynthError> {
            // No capacity from the file: a wrong count ends with the bytes, not with the memory.
            let mut list = Vec::new();
            for _ in 0..count {
                let shape = reader.floats()?;
                let [step] = reader.floats()?;
                let texture = reader.take(length)?.iter().map(|&b| i8::from_le_bytes([b])).collect();
                list.push(Component { shape, step, texture });
            }
            Ok(list)
        };
        let (identity, nuisance) = (components(counts[0])?, components(counts[1])?);
        if !reader.0.is_empty() {
            return Err(SynthError::Model(format!("{} bytes too many", reader.0.len())));
        }
        let shape = points(&flat);
        Ok(FaceModel { bbox, shape, texture, identity, nuisance, identity_scale, nuisance_scale })
    }

    /// The file of this model.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for count in [VERSION, self.identity.len() as u32, self.nuisance.len() as u32] {
            bytes.extend(count.to_le_bytes());
        }
        let scales = [self.identity_scale, self.nuisance_scale];
        for number in scales.iter().chain(&self.bbox).chain(self.shape.iter().flatten()) {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(&self.texture);
        for component in self.identity.iter().chain(&self.nuisance) {
            for number in component.shape.iter().chain([&component.step]) {
                bytes.extend(number.to_le_bytes());
            }
            bytes.extend(component.texture.iter().flat_map(|sample| sample.to_le_bytes()));
        }
        bytes
    }

    /// The head of these coefficients, in standard deviations. Missing ones count as 0, surplus ones do not count.
    #[must_use]
    pub fn head(&self, identity: &[f32], nuisance: &[f32]) -> Head {
        let mut shape: Vec<f32> = self.shape.iter().flatten().copied().collect();
        let mut texture: Vec<f32> = self.texture.iter().map(|&b| f32::from(b)).collect();
        let parts = self.identity.iter().zip(identity).chain(self.nuisance.iter().zip(nuisance));
        for (component, &coefficient) in parts {
            shape.iter_mut().zip(&component.shape).for_each(|(s, c)| *s += coefficient * c);
            let factor = coefficient * component.step;
            texture.iter_mut().zip(&component.texture).for_each(|(t, &c)| *t += factor * f32::from(c));
        }
        let (luma, chroma) = Frame::samples();
        let (y, difference) = texture.split_at(luma.len());
        let (blue, red) = difference.split_at(chroma.len());
        let y = spread(&luma, y, 1);
        let (blue, red) = (spread(&chroma, blue, Frame::CHROMA), spread(&chroma, red, Frame::CHROMA));
        let (cw, ch) = (Frame::WIDTH / Frame::CHROMA, Frame::HEIGHT / Frame::CHROMA);
        let mut pixels = Vec::with_capacity(Frame::WIDTH * Frame::HEIGHT);
        for j in 0..Frame::HEIGHT {
            for i in 0..Frame::WIDTH {
                let at = [i, j].map(|k| (k as f32 + 0.5) / Frame::CHROMA as f32);
                let (cb, cr) = (bilinear(&blue, cw, ch, at) - 128.0, bilinear(&red, cw, ch, at) - 128.0);
                let l = y[j * Frame::WIDTH + i];
                // JFIF's conversion.
                pixels.push([l + 1.402 * cr, l - 0.344_14 * cb - 0.714_14 * cr, l + 1.772 * cb]);
            }
        }
        Head { shape: points(&shape), mean: self.shape, pixels }
    }
}

fn points(flat: &[f32]) -> [[f32; 2]; POINTS] {
    let mut points = [[0.0; 2]; POINTS];
    for (point, pair) in points.iter_mut().zip(flat.chunks_exact(2)) {
        point.copy_from_slice(pair);
    }
    points
}

/// A whole plane from the samples inside of the oval: pixels outside take the one where the ray to the middle enters.
fn spread(centres: &[[f32; 2]], values: &[f32], step: usize) -> Vec<f32> {
    let (w, h) = (Frame::WIDTH / step, Frame::HEIGHT / step);
    let place = |at: [f32; 2]| {
        let [i, j] = at.map(|v| (v / step as f32).max(0.0) as usize);
        j.min(h - 1) * w + i.min(w - 1)
    };
    let mut plane = vec![f32::NAN; w * h];
    for (centre, &value) in centres.iter().zip(values) {
        plane[place(*centre)] = value;
    }
    let inside = plane.clone();
    for j in 0..h {
        for i in 0..w {
            let at = [i, j].map(|k| (k as f32 + 0.5) * step as f32);
            let mut radius = Frame::radius(at);
            let direction = [0, 1].map(|k| (at[k] - Frame::CENTRE[k]) / radius.max(1e-6));
            while plane[j * w + i].is_nan() && radius > 0.0 {
                radius -= 0.02;
                plane[j * w + i] = inside[place([0, 1].map(|k| Frame::CENTRE[k] + direction[k] * radius))];
            }
        }
    }
    plane
}

fn bilinear(plane: &[f32], w: usize, h: usize, [x, y]: [f32; 2]) -> f32 {
    let split = |v: f32, n: usize| {
        let v = (v - 0.5).clamp(0.0, (n - 1) as f32);
        (v as usize, (v as usize + 1).min(n - 1), v.fract())
    };
    let ((i, k, u), (j, l, v)) = (split(x, w), split(y, h));
    let top = plane[j * w + i] * (1.0 - u) + plane[j * w + k] * u;
    let bottom = plane[l * w + i] * (1.0 - u) + plane[l * w + k] * u;
    top * (1.0 - v) + bottom * v
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], SynthError> {
        let cut = || SynthError::Model("it is cut off".into());
        let (head, rest) = self.0.split_at_checked(length).ok_or_else(cut)?;
        self.0 = rest;
        Ok(head)
    }

    fn count(&mut self) -> Result<usize, SynthError> {
        let bytes = self.take(4)?;
        Ok(bytes.iter().rev().fold(0usize, |number, &byte| number << 8 | usize::from(byte)))
    }

    fn floats<const N: usize>(&mut self) -> Result<[f32; N], SynthError> {
        let mut numbers = [0.0; N];
        for number in &mut numbers {
            let mut four = [0; 4];
            four.copy_from_slice(self.take(4)?);
            *number = f32::from_le_bytes(four);
            if !number.is_finite() {
                return Err(SynthError::Model("a number in it is not finite".into()));
            }
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::{Component, FaceModel, Frame};

    fn small() -> FaceModel {
        let length = Frame::texture_length();
        let texture = (0..length).map(|i| (i % 256) as u8).collect();
        let component = Component {
            shape: [0.5, -1.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.25, 0.0, 0.0],
            step: 0.5,
            texture: (0..length).map(|i| (i % 255) as i8).collect(),
        };
        FaceModel {
            bbox: [20.0, 25.0, 40.0, 60.0],
            shape: Frame::template(),
            texture,
            identity: vec![component.clone(), component.clone()],
            nuisance: vec![component],
            identity_scale: 1.25,
            nuisance_scale: 0.5,
        }
    }

    #[test]
    fn a_file_gives_back_its_model_and_no_other_bytes_do() {
        let model = small();
        let bytes = model.to_bytes();
        assert_eq!(FaceModel::from_bytes(&bytes).unwrap(), model);
        let mut longer = bytes.clone();
        longer.push(0);
        let mut newer = bytes.clone();
        newer[8] = 2;
        let mut infinite = bytes.clone();
        infinite[20..24].copy_from_slice(&f32::INFINITY.to_le_bytes());
        let mut many = bytes.clone();
        many[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        let cases: [(&str, &[u8], &str); 7] = [
            ("empty", &[], "cut off"),
            ("another file", b"GIF89a and so on", "PHIZFACE"),
            ("cut", &bytes[..bytes.len() - 1], "cut off"),
            ("longer", &longer, "1 bytes too many"),
            ("newer", &newer, "version 2, this program reads 1"),
            ("infinite", &infinite, "not finite"),
            ("many components", &many, "cut off"),
        ];
        for (name, bytes, reason) in cases {
            let error = FaceModel::from_bytes(bytes).unwrap_err().to_string();
            assert!(error.contains(reason), "{name}: {error}");
        }
    }

    #[test]
    fn a_head_is_the_mean_plus_its_components() {
        let mut model = small();
        // Grey 100, and one component that adds 10 to luma and moves the first eye by one pixel.
        let (luma, _) = Frame::samples();
        model.texture = vec![128; model.texture.len()];
        model.texture[..luma.len()].fill(100);
        model.identity[0].texture = vec![0; model.texture.len()];
        model.identity[0].texture[..luma.len()].fill(20);
        let head = model.head(&[-2.0], &[]);
        assert_eq!(head.pixels.len(), Frame::WIDTH * Frame::HEIGHT);
        for pixel in &head.pixels {
            assert!(pixel.iter().all(|v| (v - 80.0).abs() < 0.01), "{pixel:?}");
        }
        assert!((head.shape[0][0] - (model.shape[0][0] - 1.0)).abs() < 1e-4);
        assert!((head.shape[0][1] - (model.shape[0][1] + 2.0)).abs() < 1e-4);
    }

    #[test]
    fn the_frame_holds_the_template_inside_of_the_oval() {
        let eyes = Frame::template();
        assert!((eyes[1][0] - eyes[0][0] - 24.0).abs() < 1e-3);
        assert!(eyes.iter().all(|&point| Frame::radius(point) < 0.75));
        let (luma, chroma) = Frame::samples();
        assert!((luma.len() as f32 / chroma.len() as f32 - 16.0).abs() < 0.5);
    }
}

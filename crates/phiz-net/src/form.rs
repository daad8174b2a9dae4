//! In which numbers a file holds weights.
//!
//! In half precision and in eight bits only weights become shorter, not biases: a matrix costs two or four times less,
//! a bias nothing. Whoever reads the file computes in single precision as before.
//!
//! In eight bits every output channel of a weight has its own scale: `w ≈ scale · q`, `q` from −127 to 127. The scale is
//! calibrated: of a row of clipping points the one with the least squared error is taken, which gives up a few outliers
//! for a finer step everywhere else.

use std::str::FromStr;

/// The numbers in which weights are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Single precision.
    #[default]
    F32,
    /// Half precision.
    F16,
    /// Eight bits with a scale for each output channel.
    Int8,
}

impl Form {
    /// Names of all forms, as they are parsed.
    pub const NAMES: [&str; 3] = ["f32", "f16", "int8"];

    /// The form of one folded parameter: biases stay as they are.
    #[must_use]
    pub fn of(self, parameter: &str) -> Form {
        if parameter.ends_with(".weight") { self } else { Form::F32 }
    }
}

impl FromStr for Form {
    type Err = String;

    fn from_str(name: &str) -> Result<Form, String> {
        match name {
            "f32" => Ok(Form::F32),
            "f16" => Ok(Form::F16),
            "int8" => Ok(Form::Int8),
            _ => Err(format!("{name:?} is no form; known are {}", Form::NAMES.join(", "))),
        }
    }
}

/// A weight in eight bits.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantised {
    /// One for each output channel.
    pub scales: Vec<f32>,
    /// Rounded values.
    pub values: Vec<i8>,
}

/// Clipping points that are tried, from the largest value down in steps of [`CLIP_STEP`].
const CLIPS: usize = 24;
const CLIP_STEP: f32 = 0.025;

/// Quantises a weight whose first axis is the output channel.
#[must_use]
pub fn quantise(data: &[f32], channels: usize) -> Quantised {
    let mut result = Quantised { scales: Vec::new(), values: Vec::with_capacity(data.len()) };
    for row in data.chunks_exact((data.len() / channels.max(1)).max(1)) {
        let largest = row.iter().fold(0f32, |m, v| m.max(v.abs()));
        let round = |v: f32, scale: f32| (v / scale).round().clamp(-127.0, 127.0);
        let error =
            |scale: f32| -> f64 { row.iter().map(|v| f64::from(v - scale * round(*v, scale)).powi(2)).sum() };
        let candidates = (0..CLIPS).map(|i| largest * (1.0 - CLIP_STEP * i as f32) / 127.0);
        let best = candidates.map(|s| (error(s), s)).min_by(|a, b| a.0.total_cmp(&b.0));
        // A channel that is zero throughout has no scale of its own.
        let scale = best.map_or(1.0, |(_, s)| s);
        let scale = if largest > 0.0 && scale > 0.0 { scale } else { 1.0 };
        result.scales.push(scale);
        result.values.extend(row.iter().map(|v| round(*v, scale) as i8));
    }
    result
}

/// What eight bits stand for: each row of `values` times its scale.
#[must_use]
pub fn expanded(values: &[f32], scales: &[f32]) -> Vec<f32> {
    let each = (values.len() / scales.len().max(1)).max(1);
    let rows = values.chunks_exact(each).zip(scales);
    rows.flat_map(|(row, scale)| row.iter().map(move |q| q * scale)).collect()
}

impl Quantised {
    /// The weight that the eight bits stand for.
    #[must_use]
    pub fn expanded(&self) -> Vec<f32> {
        expanded(&self.values.iter().map(|q| f32::from(*q)).collect::<Vec<_>>(), &self.scales)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed() {
        assert_eq!(Form::NAMES.map(|name| name.parse()), [Ok(Form::F32), Ok(Form::F16), Ok(Form::Int8)]);
        assert!("int4".parse::<Form>().is_err_and(|e| e.contains("f16")));
    }

    #[test]
    fn eight_bits_are_calibrated_channel_by_channel() {
        // Products of three even numbers: most are small, a few large.
        let mut state = 1u32;
        let mut even = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let mut data: Vec<f32> = (0..4 * 200).map(|_| even() * even() * even()).collect();
        data[200..400].iter_mut().for_each(|v| *v *= 1e-3);
        data[400..600].fill(0.0);
        let q = quantise(&data, 4);
        assert_eq!(q.scales.len(), 4);
        let mut finer = 0;
        for (channel, (row, back)) in data.chunks(200).zip(q.expanded().chunks(200)).enumerate() {
            let error = |b: &[f32]| row.iter().zip(b).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>();
            let power = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
            assert!(error(back) <= power * 1e-3, "channel {channel}");
            let largest = row.iter().fold(0f32, |m, v| m.max(v.abs()));
            if largest > 0.0 {
                let plain: Vec<f32> =
                    row.iter().map(|v| (v / largest * 127.0).round() * largest / 127.0).collect();
                assert!(error(back) <= error(&plain) * 1.000_01 + 1e-12, "channel {channel} is worse for it");
                finer += usize::from(error(back) < error(&plain));
            }
        }
        assert!(finer > 0, "calibration never did anything");
        assert!(q.values[400..600].iter().all(|v| *v == 0));
    }
}

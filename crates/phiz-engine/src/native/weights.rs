//! Weights of a convolution between the file and the kernels.
//!
//! They stay where they stand in the file until they are packed, so that the largest layer is unpacked at one time and
//! not the whole network.

use phiz_onnx::Packed;

/// Weights of a convolution or a fully connected layer, output by output.
pub(super) enum Weights<'g> {
    /// As numbers.
    Values(Vec<f32>),
    /// As they stand in the file, and what they stand for.
    Packed(Packed<'g>, Option<Scales>),
}

/// What weights of eight bits stand for: `(value − zero) · scale`.
#[derive(Clone)]
pub(super) struct Scales {
    /// One for each output, or one for all.
    pub(super) scales: Vec<f32>,
    /// The same.
    pub(super) zeros: Vec<f32>,
}

impl Scales {
    /// Puts what they stand for in place of values, of which `each` have one scale.
    pub(super) fn apply(&self, values: &mut [f32], each: usize) {
        for (row, values) in values.chunks_mut(each.max(1)).enumerate() {
            let channel = row % self.scales.len();
            let (scale, zero) = (self.scales[channel], self.zeros[channel % self.zeros.len()]);
            values.iter_mut().for_each(|v| *v = (*v - zero) * scale);
        }
    }
}

impl Weights<'_> {
    /// The numbers; `scratch` holds them if they are not held already.
    pub(super) fn unpacked<'s>(&'s self, scratch: &'s mut Vec<f32>) -> &'s [f32] {
        match self {
            Weights::Values(values) => values,
            Weights::Packed(packed, scales) => {
                packed.unpack(scratch);
                if let Some(scales) = scales {
                    let each = match scales.scales.len() {
                        1 => scratch.len(),
                        outputs => scratch.len() / outputs,
                    };
                    scales.apply(scratch, each);
                }
                scratch
            }
        }
    }

    /// The `each` numbers of an output, in place of what `to` holds.
    pub(super) fn of_output(&self, output: usize, each: usize, to: &mut Vec<f32>) {
        match self {
            Weights::Values(values) => {
                to.clear();
                to.extend_from_slice(&values[output * each..][..each]);
            }
            Weights::Packed(packed, scales) => {
                packed.unpack_part(output * each, each, to);
                if let Some(Scales { scales, zeros }) = scales {
                    let (scale, zero) = (scales[output % scales.len()], zeros[output % zeros.len()]);
                    to.iter_mut().for_each(|v| *v = (*v - zero) * scale);
                }
            }
        }
    }

    /// The numbers, to be kept.
    pub(super) fn into_values(self) -> Vec<f32> {
        if let Weights::Values(values) = self {
            return values;
        }
        let mut values = Vec::new();
        self.unpacked(&mut values);
        values
    }

    /// The numbers, to be changed.
    pub(super) fn values_mut(&mut self) -> &mut Vec<f32> {
        if let Weights::Packed(..) = self {
            let mut values = Vec::new();
            self.unpacked(&mut values);
            *self = Weights::Values(values);
        }
        match self {
            Weights::Values(values) => values,
            Weights::Packed(..) => unreachable!("was unpacked above"),
        }
    }
}

//! `TensorProto`: the constants of a network.

use half::{bf16, f16};

use crate::wire::{Field, fields, numbers, text};
use crate::{ReadError, Tensors};

/// Element types of `TensorProto`.
pub mod element {
    /// Single precision.
    pub const F32: u64 = 1;
    /// Eight bits without a sign.
    pub const U8: u64 = 2;
    /// Eight bits with a sign.
    pub const I8: u64 = 3;
    /// Whole numbers of 32 bits.
    pub const I32: u64 = 6;
    /// Whole numbers of 64 bits.
    pub const I64: u64 = 7;
    /// Half precision.
    pub const F16: u64 = 10;
    /// Single precision cut to 16 bits.
    pub const BF16: u64 = 16;
}

/// A constant: its values are numbers that a network computes with, or whole numbers such as a shape.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Constant<'a> {
    Floats(Vec<usize>, Vec<f32>),
    Integers(Vec<usize>, Vec<i64>),
    /// Floats that were left where they stand in the file.
    Packed(Packed<'a>),
}

/// A constant of f32, f16, bf16, int8 or uint8 whose values were left where they stand in the file: see
/// [`crate::read_packed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed<'a> {
    shape: Vec<usize>,
    element: u64,
    bytes: &'a [u8],
}

impl Packed<'_> {
    /// Size along each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Puts the values, row-major, in place of what `to` holds.
    pub fn unpack(&self, to: &mut Vec<f32>) {
        self.unpack_part(0, self.bytes.len() / self.size(), to);
    }

    /// Puts `count` values from the one at `first` on, row-major, in place of what `to` holds; fewer where there are no
    /// more.
    pub fn unpack_part(&self, first: usize, count: usize, to: &mut Vec<f32>) {
        to.clear();
        let size = self.size();
        let all = self.bytes.len();
        let (begin, end) = (first.saturating_mul(size), first.saturating_add(count).saturating_mul(size));
        let bytes = &self.bytes[begin.min(all)..end.min(all)];
        // A loop for each type, which becomes vectors. No remainder: the lengths agree.
        let pairs = || bytes.as_chunks::<2>().0.iter();
        match self.element {
            element::F32 => to.extend(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))),
            element::F16 => to.extend(pairs().map(|b| f16::from_le_bytes(*b).to_f32())),
            element::BF16 => to.extend(pairs().map(|b| bf16::from_le_bytes(*b).to_f32())),
            element::I8 => to.extend(bytes.iter().map(|b| f32::from(b.cast_signed()))),
            _ => to.extend(bytes.iter().map(|b| f32::from(*b))),
        }
    }

    /// Bytes of an element.
    fn size(&self) -> usize {
        match self.element {
            element::F32 => 4,
            element::F16 | element::BF16 => 2,
            _ => 1,
        }
    }

    /// The values, row-major.
    #[must_use]
    pub fn values(&self) -> Vec<f32> {
        let mut values = Vec::new();
        self.unpack(&mut values);
        values
    }
}

/// All initialisers of a file whose elements are f32, f16, bf16, int8 or uint8, as f32.
///
/// Reads only what lies on the way to them, so it also reads files with operations that nobody knows.
///
/// # Errors
/// Bytes that are not a whole ONNX file.
pub fn initialisers(onnx: &[u8]) -> Result<Tensors<f32>, ReadError> {
    let mut found = Tensors::new();
    for field in fields(onnx) {
        let (7, Field::Bytes(graph)) = field? else { continue };
        for field in fields(graph) {
            let (5, Field::Bytes(bytes)) = field? else { continue };
            match tensor(bytes)? {
                Some((name, Constant::Floats(shape, data))) => _ = found.insert(name, (shape, data)),
                Some((name, Constant::Packed(packed))) => {
                    let values = packed.values();
                    found.insert(name, (packed.shape, values));
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

/// Name and values of a `TensorProto`; none for element types that no network for faces computes with.
pub(crate) fn tensor(message: &[u8]) -> Result<Option<(String, Constant<'_>)>, ReadError> {
    let (mut shape, mut kind, mut name, mut raw) = (Vec::new(), 0, String::new(), None);
    let (mut floats, mut ints) = (Vec::new(), Vec::new());
    for field in fields(message) {
        match field? {
            (1, Field::Number(n)) => shape.push(n as usize),
            (1, Field::Bytes(packed)) => {
                for n in numbers(packed) {
                    shape.push(n? as usize);
                }
            }
            (2, Field::Number(n)) => kind = n,
            (4, Field::Bytes(b)) => floats.extend_from_slice(b),
            (5 | 7, Field::Number(n)) => ints.push(n.cast_signed()),
            (5 | 7, Field::Bytes(packed)) => {
                for n in numbers(packed) {
                    ints.push(n?.cast_signed());
                }
            }
            (8, Field::Bytes(b)) => name = text(b),
            (9, Field::Bytes(b)) => raw = Some(b),
            _ => {}
        }
    }
    let size = match kind {
        element::F32 | element::I32 => 4,
        element::F16 | element::BF16 => 2,
        element::I8 | element::U8 => 1,
        element::I64 => 8,
        _ => return Ok(None),
    };
    let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let disagree = ReadError::new("a tensor's shape and length disagree");
    let whole = matches!(kind, element::I32 | element::I64);
    // Numbers stand in the file as raw bytes, or in a list of their own that is one a number, whatever their size.
    if raw.is_none() && floats.is_empty() && (!ints.is_empty() || whole || count == Some(0)) {
        if count != Some(ints.len()) {
            return Err(disagree);
        }
        let bits = |n: i64| n as u16;
        let float = |n: &i64| match kind {
            element::F16 => f16::from_bits(bits(*n)).to_f32(),
            element::BF16 => bf16::from_bits(bits(*n)).to_f32(),
            _ => *n as f32,
        };
        let constant = match kind {
            element::F32 if count != Some(0) => return Err(disagree),
            _ if whole => Constant::Integers(shape, ints),
            _ => Constant::Floats(shape, ints.iter().map(float).collect()),
        };
        return Ok(Some((name, constant)));
    }
    let bytes = raw.unwrap_or(&floats);
    if count.and_then(|n| n.checked_mul(size)) != Some(bytes.len()) {
        return Err(disagree);
    }
    let constant = if whole {
        let value = |c: &[u8]| match *c {
            [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
            _ => c.try_into().map_or(0, i64::from_le_bytes),
        };
        Constant::Integers(shape, bytes.chunks_exact(size).map(value).collect())
    } else if let Some(bytes) = raw {
        Constant::Packed(Packed { shape, element: kind, bytes })
    } else {
        Constant::Floats(shape, Packed { shape: Vec::new(), element: kind, bytes }.values())
    };
    Ok(Some((name, constant)))
}

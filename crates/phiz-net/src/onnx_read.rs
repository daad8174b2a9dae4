//! Reads the weights back out of an ONNX file that [`crate::onnx`] wrote (or any whose initialisers carry the same
//! names), so that training can go on from a shipped model.
//!
//! Of Protocol Buffers only the fields on the way to the initialisers are understood; everything else is skipped by
//! its length. Nothing is allocated beyond the file's own size.

use half::f16;

use crate::form;
use crate::graph::{Architecture, GraphError};
use crate::onnx::{EIGHT, HALF, SCALE, Weights, element};

/// Why weights could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes are not an ONNX file, or are cut off.
    #[error("is not a whole ONNX file ({0}); copy it again")]
    Format(&'static str),
    /// The architecture is no network.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// An initialiser that the architecture needs is not there.
    #[error("holds no {name:?} of shape {shape:?}: it is not the network {network}")]
    Missing {
        /// The parameter.
        name: String,
        /// The shape that the architecture asks for.
        shape: Vec<usize>,
        /// The architecture.
        network: String,
    },
}

/// The folded weights (`node.weight`, `node.bias`) of a network, whatever the form in which the file holds them.
///
/// # Errors
/// A file that is not ONNX or holds another network.
pub fn weights(net: &Architecture, onnx: &[u8]) -> Result<Weights, ReadError> {
    let mut found = Weights::new();
    for graph in messages(onnx, 7)? {
        for tensor in messages(graph, 5)? {
            if let Some((name, value)) = initialiser(tensor)? {
                found.insert(name, value);
            }
        }
    }
    let mut weights = Weights::new();
    for p in net.parameters(false)? {
        let mut stored = |suffix: &str| found.remove(&format!("{}{suffix}", p.name));
        let value = stored("").or_else(|| stored(HALF)).or_else(|| {
            let ((shape, values), (_, scales)) = (stored(EIGHT)?, stored(SCALE)?);
            (shape.first() == Some(&scales.len())).then(|| (shape, form::expanded(&values, &scales)))
        });
        match value {
            Some((shape, data)) if shape == p.shape => weights.insert(p.name, (shape, data)),
            _ => return Err(ReadError::Missing { name: p.name, shape: p.shape, network: net.name.clone() }),
        };
    }
    Ok(weights)
}

/// A field's value.
pub(crate) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Fields of a message in their order.
pub(crate) fn fields(mut bytes: &[u8]) -> Result<Vec<(u64, Value<'_>)>, ReadError> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let key = number(&mut bytes)?;
        let value = match key & 7 {
            0 => Value::Number(number(&mut bytes)?),
            1 => Value::Bytes(take(&mut bytes, 8)?),
            2 => {
                let length = number(&mut bytes)?;
                Value::Bytes(take(&mut bytes, length)?)
            }
            5 => Value::Bytes(take(&mut bytes, 4)?),
            _ => return Err(ReadError::Format("unknown wire type")),
        };
        all.push((key >> 3, value));
    }
    Ok(all)
}

/// The sub-messages (or texts) of one field.
pub(crate) fn messages(bytes: &[u8], field: u64) -> Result<Vec<&[u8]>, ReadError> {
    let bytes_of = |(number, value)| match value {
        Value::Bytes(b) if number == field => Some(b),
        _ => None,
    };
    Ok(fields(bytes)?.into_iter().filter_map(bytes_of).collect())
}

/// The number of variable length at the beginning of `bytes`, which move on behind it.
pub(crate) fn number(bytes: &mut &[u8]) -> Result<u64, ReadError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&first, rest) = bytes.split_first().ok_or(ReadError::Format("cut off"))?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first < 0x80 {
            return Ok(value);
        }
    }
    Err(ReadError::Format("a number without end"))
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], ReadError> {
    let length = usize::try_from(length).map_err(|_| ReadError::Format("cut off"))?;
    let (taken, rest) = bytes.split_at_checked(length).ok_or(ReadError::Format("cut off"))?;
    *bytes = rest;
    Ok(taken)
}

pub(crate) type Named = (String, (Vec<usize>, Vec<f32>));

/// Name, shape and values of a `TensorProto` of f32, f16 or int8, all as f32; none for other types, which no parameter
/// of ours has.
pub(crate) fn initialiser(tensor: &[u8]) -> Result<Option<Named>, ReadError> {
    let (mut shape, mut kind, mut name, mut raw, mut floats) =
        (Vec::new(), 0, String::new(), None, Vec::new());
    for (field, value) in fields(tensor)? {
        match (field, value) {
            (1, Value::Number(n)) => shape.push(n as usize),
            (1, Value::Bytes(mut packed)) => {
                while !packed.is_empty() {
                    shape.push(number(&mut packed)? as usize);
                }
            }
            (2, Value::Number(n)) => kind = n,
            (4, Value::Bytes(b)) => floats.extend_from_slice(b),
            (8, Value::Bytes(b)) => name = String::from_utf8_lossy(b).into_owned(),
            (9, Value::Bytes(b)) => raw = Some(b),
            _ => {}
        }
    }
    let bytes = raw.unwrap_or(&floats);
    let size = match kind {
        element::F32 => 4,
        element::F16 => 2,
        element::I8 => 1,
        _ => return Ok(None),
    };
    let count = shape.iter().try_fold(size, |n: usize, &d| n.checked_mul(d));
    if count != Some(bytes.len()) {
        return Err(ReadError::Format("a tensor's shape and length disagree"));
    }
    let value = |c: &[u8]| match *c {
        [a, b, c, d] => f32::from_le_bytes([a, b, c, d]),
        [a, b] => f16::from_le_bytes([a, b]).to_f32(),
        [a] => f32::from(i8::from_le_bytes([a])),
        _ => f32::NAN, // no element has another size
    };
    let data = bytes.chunks_exact(size).map(value).collect();
    Ok(Some((name, (shape, data))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::{Form, quantise};
    use crate::graph::{Act, Builder, Op};
    use crate::onnx::{export, export_as, fold};

    fn network() -> (Architecture, Weights) {
        let mut b = Builder::new("tiny", 3);
        let x = b.conv("stem", b.input(), 4, 3, 2, 1, Act::Relu);
        let x = b.node("pool", Op::GlobalDepthwise { kernel: 4 }, &[x]);
        let x = b.node("out", Op::Linear { out: 2 }, &[x]);
        let net = b.finish(&[("template", x)]);
        let mut value = 0.5f32;
        let weights = net.parameters(true).expect("a network").into_iter().map(|p| {
            let data = (0..p.shape.iter().product::<usize>()).map(|_| {
                value = (value * 1.7 + 0.1) % 2.0;
                value
            });
            let data = data.collect();
            (p.name, (p.shape, data))
        });
        let weights = weights.collect();
        (net, weights)
    }

    #[test]
    fn what_was_written_is_read() {
        let (net, trained) = network();
        let bytes = export(&net, &trained).expect("exports");
        let folded = fold(&net, &trained).expect("folds");
        assert_eq!(weights(&net, &bytes).expect("reads"), folded);
        for form in [Form::F16, Form::Int8] {
            let bytes = export_as(&net, &trained, form).expect("exports");
            let read = weights(&net, &bytes).expect("reads");
            for (name, (shape, data)) in &folded {
                let rounded = match form.of(name) {
                    Form::F32 => data.clone(),
                    Form::F16 => data.iter().map(|v| f16::from_f32(*v).to_f32()).collect(),
                    Form::Int8 => quantise(data, shape[0]).expanded(),
                };
                assert_eq!(read[name], (shape.clone(), rounded), "{form:?} {name}");
            }
        }
    }

    #[test]
    fn what_half_precision_cannot_hold_is_refused() {
        let (net, mut trained) = network();
        if let Some((_, data)) = trained.get_mut("out.weight") {
            data[1] = 1e5;
        }
        assert!(export_as(&net, &trained, Form::Int8).is_ok());
        let error = export_as(&net, &trained, Form::F16).expect_err("too large").to_string();
        assert!(error.contains("out.weight"), "{error}");
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let (net, trained) = network();
        for form in [Form::F32, Form::F16, Form::Int8] {
            let bytes = export_as(&net, &trained, form).expect("exports");
            let whole = weights(&net, &bytes).expect("reads");
            for end in 0..bytes.len() {
                // Behind the graph stand fields that say nothing of the weights: without them the file is still whole.
                if let Ok(read) = weights(&net, &bytes[..end]) {
                    assert_eq!(read, whole, "{form:?} cut off at {end}");
                }
            }
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x80;
                let _ = weights(&net, &damaged);
            }
        }
        let bytes = export(&net, &trained).expect("exports");
        let mut b = Builder::new("other", 3);
        let x = b.conv("stem", b.input(), 5, 3, 2, 1, Act::Relu);
        let error = weights(&b.finish(&[("x", x)]), &bytes).expect_err("another network").to_string();
        assert!(error.contains("stem.weight") && error.contains("not the network other"), "{error}");
    }
}

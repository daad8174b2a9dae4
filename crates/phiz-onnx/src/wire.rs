//! The wire format of Protocol Buffers, as far as ONNX uses it.
//!
//! <https://protobuf.dev/programming-guides/encoding/>: a message is a row of fields, each a key (number and kind) and
//! a value. What is not understood is skipped by its length.

use crate::ReadError;

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    Number(u64),
    /// Text, a message, packed numbers, or the four or eight bytes of a number of fixed length.
    Bytes(&'a [u8]),
}

/// The fields of a message in their order, each with its number; ends after the first error.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a>(&'a [u8]);

pub(crate) fn fields(message: &[u8]) -> Fields<'_> {
    Fields(message)
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = field(&mut self.0);
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

fn field<'a>(bytes: &mut &'a [u8]) -> Result<(u64, Field<'a>), ReadError> {
    let key = number(bytes)?;
    let value = match key & 7 {
        0 => Field::Number(number(bytes)?),
        1 => Field::Bytes(take(bytes, 8)?),
        2 => {
            let length = number(bytes)?;
            Field::Bytes(take(bytes, length)?)
        }
        5 => Field::Bytes(take(bytes, 4)?),
        _ => return Err(ReadError::new("a field of an unknown kind")),
    };
    Ok((key >> 3, value))
}

/// Packed numbers of variable length.
pub(crate) fn numbers(mut packed: &[u8]) -> impl Iterator<Item = Result<u64, ReadError>> {
    std::iter::from_fn(move || {
        if packed.is_empty() {
            return None;
        }
        let value = number(&mut packed);
        if value.is_err() {
            packed = &[];
        }
        Some(value)
    })
}

/// The number of variable length at the beginning of `bytes`, which move on behind it.
fn number(bytes: &mut &[u8]) -> Result<u64, ReadError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&first, rest) = bytes.split_first().ok_or(ReadError::new("it is cut off"))?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first < 0x80 {
            return Ok(value);
        }
    }
    Err(ReadError::new("a number without end"))
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], ReadError> {
    let (taken, rest) = usize::try_from(length)
        .ok()
        .and_then(|length| bytes.split_at_checked(length))
        .ok_or(ReadError::new("it is cut off"))?;
    *bytes = rest;
    Ok(taken)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A message under construction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) bytes: Vec<u8>,
}

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub(crate) fn int(&mut self, field: u64, value: i64) {
        self.varint(field << 3);
        self.varint(value.cast_unsigned());
    }

    pub(crate) fn float(&mut self, field: u64, value: f32) {
        self.varint(field << 3 | 5);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn blob(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn text(&mut self, field: u64, text: &str) {
        self.blob(field, text.as_bytes());
    }

    pub(crate) fn message(&mut self, field: u64, message: &Message) {
        self.blob(field, &message.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut inner = Message::default();
        inner.text(4, "Relu");
        let mut message = Message::default();
        message.int(1, 300);
        message.int(2, -1);
        message.float(3, 1.5);
        message.message(20, &inner);
        let read: Vec<_> = fields(&message.bytes).collect::<Result<_, _>>().expect("is whole");
        let expected = [
            (1, Field::Number(300)),
            (2, Field::Number(u64::MAX)),
            (3, Field::Bytes(&[0, 0, 0xc0, 0x3f])),
            (20, Field::Bytes(&inner.bytes)),
        ];
        assert_eq!(read, expected);
        for end in 1..message.bytes.len() {
            // Cut between two fields it is a message still; inside one it must be an error, and then end.
            let read: Vec<_> = fields(&message.bytes[..end]).collect();
            assert!(read.len() <= 4, "cut off at {end}");
            assert!(read.iter().rev().skip(1).all(Result::is_ok), "cut off at {end}");
        }
    }

    #[test]
    fn numbers_without_end_are_refused() {
        assert_eq!(numbers(&[0x80; 11]).last(), Some(Err(ReadError::new("a number without end"))));
        assert_eq!(numbers(&[0x80; 3]).last(), Some(Err(ReadError::new("it is cut off"))));
        let all: Vec<_> = numbers(&[1, 0xac, 2]).collect::<Result<_, _>>().expect("two numbers");
        assert_eq!(all, [1, 300]);
    }
}

//! From the bytes of a strip or tile to its rows: the ways to pack that TIFF 6 and its supplements name.

use std::io::Read;

use crate::error::zeros;
use crate::{ErrorKind, ImageError};

fn damaged(reason: &str) -> ImageError {
    ImageError::new(ErrorKind::Damaged, format!("is a damaged TIFF: {reason}"))
}

fn cut_off() -> ImageError {
    ImageError::new(ErrorKind::Damaged, "is cut off (a part of the TIFF is missing)")
}

/// What a strip or tile holds.
pub(super) struct Shape {
    pub(super) width: usize,
    pub(super) rows: usize,
    /// Samples of a pixel that stand together.
    pub(super) samples: usize,
    /// Bits of a sample.
    pub(super) bits: usize,
    pub(super) little: bool,
}

impl Shape {
    /// Bytes of a row, which is filled up to a byte.
    pub(super) fn row(&self) -> usize {
        (self.width * self.samples * self.bits).div_ceil(8)
    }
}

/// The rows of a strip or tile, packed by a method that [`reads`] knows. Not one byte of them may be missing.
pub(super) fn unpack(method: u64, body: &[u8], shape: &Shape) -> Result<Vec<u8>, ImageError> {
    let length = shape.row() * shape.rows;
    let mut out = zeros(0, 0)?;
    match method {
        1 => out.extend_from_slice(body.get(..length).ok_or_else(cut_off)?),
        5 => {
            // The oldest files, which turn the bits round, begin with these.
            if body.starts_with(&[0, 1]) {
                let reason = "is a TIFF compressed with LZW in its oldest form, which Phiz does not read";
                return Err(ImageError::new(ErrorKind::Unsupported, reason));
            }
            out = zeros(0, length)?;
            let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
            let (mut read, mut done) = (0, 0);
            while done < length {
                let result = decoder.decode_bytes(&body[read..], &mut out[done..]);
                read += result.consumed_in;
                done += result.consumed_out;
                match result.status {
                    Err(e) => return Err(damaged(&e.to_string())),
                    Ok(weezl::LzwStatus::Ok) if result.consumed_in + result.consumed_out > 0 => {}
                    Ok(_) => break,
                }
            }
            out.truncate(done);
        }
        8 | 32_946 => {
            let reader = flate2::read::ZlibDecoder::new(body);
            reader.take(length as u64).read_to_end(&mut out).map_err(|e| damaged(&e.to_string()))?;
        }
        32_773 => pack_bits(body, length, &mut out),
        _ => fax(body, shape, &mut out)?,
    }
    if out.len() < length {
        return Err(cut_off());
    }
    Ok(out)
}

/// Runs of bytes (TIFF 6, section 9).
fn pack_bits(body: &[u8], length: usize, out: &mut Vec<u8>) {
    let mut rest = body;
    while let Some((&head, after)) = rest.split_first()
        && out.len() < length
    {
        let room = length - out.len();
        match head {
            0..=127 => {
                let count = (usize::from(head) + 1).min(after.len());
                out.extend_from_slice(&after[..count.min(room)]);
                rest = &after[count..];
            }
            128 => rest = after,
            _ => {
                let Some((&byte, after)) = after.split_first() else { return };
                let count = 257 - usize::from(head);
                out.resize(out.len() + count.min(room), byte);
                rest = after;
            }
        }
    }
}

/// Group 4 of fax machines: black is 1.
fn fax(body: &[u8], shape: &Shape, out: &mut Vec<u8>) -> Result<(), ImageError> {
    let (Ok(width), Ok(rows)) = (u16::try_from(shape.width), u16::try_from(shape.rows)) else {
        return Err(damaged("a fax is never so large"));
    };
    let row = shape.row();
    fax34::decoder::decode_g4(body.iter().copied(), width, Some(rows), |line| {
        let start = out.len();
        out.resize(start + row, 0);
        for (x, colour) in fax34::decoder::pels(line, width).enumerate().take(shape.width) {
            if colour == fax34::Color::Black {
                out[start + x / 8] |= 0x80 >> (x % 8);
            }
        }
    });
    Ok(())
}

/// Undoes a prediction of each value from the one to its left. Tells whether it is known.
pub(super) fn undo_prediction(kind: u64, bytes: &mut [u8], shape: &Shape) -> bool {
    let (samples, size) = (shape.samples, shape.bits / 8);
    match (kind, shape.bits) {
        (0 | 1, _) => {}
        (2, 8 | 16 | 32) => {
            for row in bytes.chunks_exact_mut(shape.row().max(1)) {
                for i in samples * size..row.len() {
                    // Byte by byte from the lowest, with a carry into the next.
                    if i % size == 0 {
                        add(row, i, i - samples * size, size, shape.little);
                    }
                }
            }
        }
        (3, 32) => {
            let row_length = shape.row();
            let mut turned = vec![0; row_length];
            for row in bytes.chunks_exact_mut(row_length.max(1)) {
                for i in samples..row.len() {
                    row[i] = row[i].wrapping_add(row[i - samples]);
                }
                // The highest bytes of all values, then the next.
                let count = row.len() / size;
                for i in 0..count {
                    for byte in 0..size {
                        let to = if shape.little { size - 1 - byte } else { byte };
                        turned[i * size + to] = row[byte * count + i];
                    }
                }
                row.copy_from_slice(&turned);
            }
        }
        _ => return false,
    }
    true
}

/// Adds a number of so many bytes to another.
fn add(row: &mut [u8], to: usize, from: usize, size: usize, little: bool) {
    let mut carry = 0;
    for i in 0..size {
        let i = if little { i } else { size - 1 - i };
        let sum = u16::from(row[to + i]) + u16::from(row[from + i]) + carry;
        row[to + i] = sum as u8;
        carry = sum >> 8;
    }
}

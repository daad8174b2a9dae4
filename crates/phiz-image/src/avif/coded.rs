//! What coded pictures say of themselves, read before a decoder is started: size, depth, layout of colour, and how many
//! pictures follow. Only the headers of AV1 are read (sections 5.3 and 5.5 of its specification).

/// A coded picture's data, as far as its headers tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coded {
    /// Columns and rows.
    pub(super) size: (u32, u32),
    /// Bits of a sample: 8, 10 or 12.
    pub(super) depth: u32,
    /// Whether the colours' planes are half as wide, and half as high.
    pub(super) shift: (usize, usize),
    /// Whether there is luma alone.
    pub(super) grey: bool,
    /// The matrix, by its number in H.273.
    pub(super) matrix: u16,
    /// Whether samples use all values of their bits.
    pub(super) full_range: bool,
    /// How many pictures are coded, shown or not; at least one.
    pub(super) pictures: u64,
}

impl Coded {
    /// Reads the headers. `None` if there is no sequence header, or a damaged one.
    pub(super) fn read(mut data: &[u8]) -> Option<Coded> {
        let (mut found, mut pictures): (Option<Coded>, u64) = (None, 0);
        while let Some((header, rest)) = data.split_first() {
            // The kind of the unit, whether a byte more belongs to its header, and whether its length follows.
            let (kind, more, sized) = (header >> 3 & 15, header >> 2 & 1, header >> 1 & 1);
            let Some(rest) = rest.get(usize::from(more)..) else { break };
            let (body, after) = match sized {
                0 => (rest, &rest[rest.len()..]),
                _ => {
                    let Some((length, rest)) = leb128(rest) else { break };
                    // A unit that is cut off is the decoder's to refuse; it may hold a picture.
                    let length = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
                    rest.split_at(length)
                }
            };
            match kind {
                // A sequence may state itself again, but not differently: the decoder would begin anew.
                SEQUENCE => match (sequence(body)?, found) {
                    (said, Some(before)) if said != before => return None,
                    (said, _) => found = Some(said),
                },
                FRAME_HEADER | FRAME => pictures += 1,
                _ => {}
            }
            data = after;
        }
        found.map(|coded| Coded { pictures: pictures.max(1), ..coded })
    }

    /// Whether two pictures are of one size and layout, as the tiles of a grid must be.
    pub(super) fn same_kind(&self, other: &Coded) -> bool {
        let kind = |c: &Coded| (c.size, c.depth, c.shift, c.grey);
        kind(self) == kind(other)
    }
}

const SEQUENCE: u8 = 1;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;

/// A number of seven bits a byte, and what follows it.
fn leb128(mut data: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for place in 0..8 {
        let (byte, rest) = data.split_first()?;
        data = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, data));
        }
    }
    None
}

/// The sequence header; names of the fields are the specification's.
fn sequence(body: &[u8]) -> Option<Coded> {
    let mut bits = Bits { data: body, at: 0 };
    let seq_profile = bits.read(3)?;
    let _still_picture = bits.flag()?;
    let reduced_still_picture_header = bits.flag()?;
    if reduced_still_picture_header {
        let _seq_level_idx = bits.read(5)?;
    } else {
        operating_points(&mut bits)?;
    }
    let frame_width_bits = bits.read(4)? + 1;
    let frame_height_bits = bits.read(4)? + 1;
    let size = (bits.read(frame_width_bits)? + 1, bits.read(frame_height_bits)? + 1);
    if !reduced_still_picture_header && bits.flag()? {
        let _frame_id_lengths = bits.read(4 + 3)?;
    }
    let _superblock_and_intra_tools = bits.read(3)?;
    if !reduced_still_picture_header {
        let _inter_tools = bits.read(4)?;
        let enable_order_hint = bits.flag()?;
        if enable_order_hint {
            let _jnt_comp_and_ref_frame_mvs = bits.read(2)?;
        }
        let seq_choose_screen_content_tools = bits.flag()?;
        if seq_choose_screen_content_tools || bits.flag()? {
            let seq_choose_integer_mv = bits.flag()?;
            if !seq_choose_integer_mv {
                let _seq_force_integer_mv = bits.flag()?;
            }
        }
        if enable_order_hint {
            let _order_hint_bits_minus_1 = bits.read(3)?;
        }
    }
    let _superres_cdef_and_restoration = bits.read(3)?;
    colours(&mut bits, seq_profile, size)
}

fn operating_points(bits: &mut Bits<'_>) -> Option<()> {
    let mut buffer_delay_length = None;
    let timing_info_present = bits.flag()?;
    if timing_info_present {
        let (_num_units_in_display_tick, _time_scale) = (bits.read(32)?, bits.read(32)?);
        if bits.flag()? {
            let mut zeros = 0;
            while !bits.flag()? {
                zeros += 1;
            }
            if zeros < 32 {
                let _num_ticks_per_picture = bits.read(zeros)?;
            }
        }
        let decoder_model_info_present = bits.flag()?;
        if decoder_model_info_present {
            buffer_delay_length = Some(bits.read(5)? + 1);
            let _num_units_in_decoding_tick = bits.read(32)?;
            let _removal_and_presentation_time_lengths = bits.read(5 + 5)?;
        }
    }
    let initial_display_delay_present = bits.flag()?;
    for _ in 0..=bits.read(5)? {
        let _operating_point_idc = bits.read(12)?;
        let seq_level_idx = bits.read(5)?;
        if seq_level_idx > 7 {
            let _seq_tier = bits.flag()?;
        }
        if let Some(length) = buffer_delay_length
            && bits.flag()?
        {
            let (_decoder_delay, _encoder_delay) = (bits.read(length)?, bits.read(length)?);
            let _low_delay_mode = bits.flag()?;
        }
        if initial_display_delay_present && bits.flag()? {
            let _initial_display_delay_minus_1 = bits.read(4)?;
        }
    }
    Some(())
}

fn colours(bits: &mut Bits<'_>, seq_profile: u32, size: (u32, u32)) -> Option<Coded> {
    let high_bitdepth = bits.flag()?;
    let depth = match (high_bitdepth, seq_profile) {
        (false, _) => 8,
        (true, 2) if bits.flag()? => 12,
        (true, _) => 10,
    };
    let grey = seq_profile != 1 && bits.flag()?;
    let (primaries, transfer, matrix) = match bits.flag()? {
        true => (bits.read(8)?, bits.read(8)?, bits.read(8)? as u16),
        false => (2, 2, 2),
    };
    let (full_range, shift) = if grey {
        (bits.flag()?, (1, 1))
    } else if (primaries, transfer, matrix) == (1, 13, 0) {
        (true, (0, 0))
    } else {
        let full_range = bits.flag()?;
        let shift = match seq_profile {
            0 => (1, 1),
            1 => (0, 0),
            _ if depth == 12 => {
                let x = bits.flag()?;
                (usize::from(x), usize::from(x && bits.flag()?))
            }
            _ => (1, 0),
        };
        (full_range, shift)
    };
    Some(Coded { size, depth, shift, grey, matrix, full_range, pictures: 0 })
}

/// Bits, the highest of each byte first.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn flag(&mut self) -> Option<bool> {
        let byte = self.data.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// A number of at most 32 bits.
    fn read(&mut self, length: u32) -> Option<u32> {
        (0..length).try_fold(0u32, |value, _| Some(value << 1 | u32::from(self.flag()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of a sequence header, each with its length in bits, as a unit with a length.
    fn unit(fields: &[(u64, u32)]) -> Vec<u8> {
        let bits: Vec<u8> =
            fields.iter().flat_map(|&(value, n)| (0..n).rev().map(move |i| (value >> i & 1) as u8)).collect();
        let body: Vec<u8> = bits
            .chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0, |all, (i, bit)| all | bit << (7 - i)))
            .collect();
        [&[SEQUENCE << 3 | 2, body.len() as u8], &body[..]].concat()
    }

    #[test]
    fn a_full_header_is_read_to_its_colours() {
        // Two operating points, times, a decoder model, frame ids, order hints: everything that may stand before them.
        let full = [
            (2, 3),
            (1, 1),
            (0, 1),
            (1, 1),
            (1000, 32),
            (60000, 32),
            (1, 1),
            (0b00101, 5),
            (1, 1),
            (9, 5),
            (1, 32),
            (4, 5),
            (5, 5),
            (1, 1),
            (1, 5),
            (1, 12),
            (9, 5),
            (1, 1),
            (1, 1),
            (77, 10),
            (88, 10),
            (0, 1),
            (1, 1),
            (3, 4),
            (2, 12),
            (5, 5),
            (0, 1),
            (0, 1),
            (9, 4),
            (8, 4),
            (639, 10),
            (399, 9),
            (1, 1),
            (3, 4),
            (2, 3),
            (0, 3),
            (15, 4),
            (1, 1),
            (3, 2),
            (0, 1),
            (1, 1),
            (0, 1),
            (1, 1),
            (6, 3),
            (7, 3),
            (1, 1),
            (1, 1),
            (0, 1),
            (1, 1),
            (9, 8),
            (16, 8),
            (9, 8),
            (1, 1),
            (1, 1),
            (0, 1),
            (0, 2),
            (0, 1),
        ];
        let right = Coded {
            size: (640, 400),
            depth: 12,
            shift: (1, 0),
            grey: false,
            matrix: 9,
            full_range: true,
            pictures: 1,
        };
        assert_eq!(Coded::read(&unit(&full)), Some(right));
        // Cut off anywhere before the end of what is read, it says nothing.
        let whole = unit(&full);
        for length in 0..whole.len() - 1 {
            assert_eq!(Coded::read(&whole[..length]), None, "{length}");
        }
        // A still picture's, grey, of 10 bits.
        let still = [
            (0, 3),
            (1, 1),
            (1, 1),
            (4, 5),
            (5, 4),
            (5, 4),
            (48, 6),
            (32, 6),
            (0, 3),
            (0, 3),
            (1, 1),
            (1, 1),
            (0, 1),
            (0, 1),
        ];
        let grey = Coded {
            size: (49, 33),
            depth: 10,
            shift: (1, 1),
            grey: true,
            matrix: 2,
            full_range: false,
            pictures: 1,
        };
        assert_eq!(Coded::read(&unit(&still)), Some(grey));
        // Said twice, it is the same; said differently, it is refused. Pictures are counted, also in a unit without length.
        let pictures = [
            &unit(&still)[..],
            &unit(&still),
            &[FRAME << 3 | 2, 1, 0, FRAME_HEADER << 3 | 2, 1, 0, FRAME << 3, 9],
        ]
        .concat();
        assert_eq!(Coded::read(&pictures), Some(Coded { pictures: 3, ..grey }));
        assert_eq!(Coded::read(&[unit(&still), unit(&full)].concat()), None);
        assert_eq!(Coded::read(b""), None);
    }

    #[test]
    fn no_bytes_are_too_strange() {
        let mut seed = 1u32;
        let mut byte = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        };
        let mut read = 0;
        for _ in 0..20_000 {
            let mut data = vec![SEQUENCE << 3 | 2, byte() % 40];
            let length = byte() % 64;
            data.extend((0..length).map(|_| byte()));
            read += usize::from(Coded::read(&data).is_some());
        }
        assert!(read > 100, "{read} of them were headers");
    }
}

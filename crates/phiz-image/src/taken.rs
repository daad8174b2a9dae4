//! When a picture was taken, from the directories of its EXIF.

use crate::tiff::Directory;

/// The directory of EXIF's own tags.
const EXIF: u16 = 0x8769;
/// Tags of a time, each with that of its offset from UTC: when the picture was taken, and when it was made digital.
const TIMES: [(u16, u16); 2] = [(0x9003, 0x9011), (0x9004, 0x9012)];

/// The time in the directory that the first one points to, in seconds since 1970.
pub(crate) fn time_in(block: &[u8], first: &Directory) -> Option<i64> {
    let directory = first.child(block, EXIF)?;
    TIMES.iter().find_map(|(time, offset)| {
        let time = seconds(directory.text(block, *time)?)?;
        let offset = directory.text(block, *offset).and_then(offset_of);
        Some(time - offset.unwrap_or(0))
    })
}

/// The number that some digits stand for.
fn digits(text: &[u8]) -> Option<i64> {
    let add = |sum: i64, byte: &u8| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0'));
    text.iter().try_fold(0, add)
}

/// A time as EXIF writes it, `2024:06:01 18:30:00`; other marks between the numbers occur and are read, too. Blanks and
/// zeros say that the time is not known.
fn seconds(text: &[u8]) -> Option<i64> {
    let text = text.first_chunk::<19>()?;
    let between = |at: usize| !text[at].is_ascii_alphanumeric();
    if ![4, 7, 10, 13, 16].into_iter().all(|at| between(at) || (at == 10 && text[at] == b'T')) {
        return None;
    }
    let number = |from: usize, to: usize| digits(&text[from..to]);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Eras of 400 years from 1 March of the year 0.
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// An offset as EXIF writes it, `+02:00` or `Z`, in seconds.
fn offset_of(text: &[u8]) -> Option<i64> {
    if text.first() == Some(&b'Z') {
        return Some(0);
    }
    let text = text.first_chunk::<6>()?;
    let sign = match text[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = (digits(&text[1..3])?, digits(&text[4..6])?);
    (text[3] == b':' && hours <= 14 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_what_is_none_is_not() {
        for (text, wanted) in [
            ("1970:01:01 00:00:00", Some(0)),
            ("2024:06:01 18:30:05\0", Some(1_717_266_605)),
            ("2024-06-01T18:30:05.123+02:00", Some(1_717_266_605)),
            ("2000:02:29 23:59:59", Some(951_868_799)),
            ("1969:12:31 23:59:59", Some(-1)),
            ("1900:02:29 00:00:00", None),
            ("0000:00:00 00:00:00", None),
            ("    :  :     :  :  ", None),
            ("2024:13:01 00:00:00", None),
            ("2024:04:31 00:00:00", None),
            ("2024:06:01 24:00:00", None),
            ("2024:06:01 18:30", None),
            ("2024a06:01 18:30:05", None),
            ("", None),
        ] {
            assert_eq!(seconds(text.as_bytes()), wanted, "{text}");
        }
        for (text, wanted) in [
            ("+02:00\0", Some(7200)),
            ("-09:30", Some(-34_200)),
            ("Z", Some(0)),
            ("+99:00", None),
            ("   :  ", None),
            ("+2", None),
        ] {
            assert_eq!(offset_of(text.as_bytes()), wanted, "{text}");
        }
    }
}

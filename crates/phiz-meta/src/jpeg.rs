//! The XMP packet of a JPEG: found, put in, taken out. Every other byte stays where it stands in relation to the others.

use crate::error::{MetaError, Result};

const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const EXTENDED: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";
/// The most bytes of a packet in one segment.
pub const LONGEST: usize = 65_535 - 2 - XMP.len();

/// A segment before the picture's data.
struct Segment {
    marker: u8,
    /// From its marker to its last byte.
    start: usize,
    body: usize,
    end: usize,
}

/// The segments up to the first scan.
fn segments(bytes: &[u8]) -> Result<Vec<Segment>> {
    if !bytes.starts_with(b"\xff\xd8") {
        return Err(MetaError::NotJpeg("it does not begin as one"));
    }
    let mut found = Vec::new();
    let mut at = 2;
    loop {
        let start = at;
        if bytes.get(at) != Some(&0xff) {
            return Err(MetaError::NotJpeg("a segment does not begin where the one before it ends"));
        }
        // A marker may have any number of such bytes before it.
        while bytes.get(at + 1) == Some(&0xff) {
            at += 1;
        }
        let marker = *bytes.get(at + 1).ok_or(MetaError::NotJpeg("it is cut off"))?;
        match marker {
            0xda | 0xd9 => return Ok(found),
            // Markers that stand alone.
            0x01 | 0xd0..=0xd7 => {
                at += 2;
                continue;
            }
            _ => {}
        }
        let length = bytes.get(at + 2..at + 4).ok_or(MetaError::NotJpeg("it is cut off"))?;
        let length = usize::from(length[0]) << 8 | usize::from(length[1]);
        let (body, end) = (at + 4, at + 2 + length);
        if length < 2 || end > bytes.len() {
            return Err(MetaError::NotJpeg("it is cut off"));
        }
        found.push(Segment { marker, start, body, end });
        at = end;
    }
}

fn is_packet(bytes: &[u8], segment: &Segment) -> bool {
    segment.marker == 0xe1 && bytes[segment.body..segment.end].starts_with(XMP)
}

/// The packet, if there is one.
///
/// # Errors
/// [`MetaError::NotJpeg`].
pub fn packet(bytes: &[u8]) -> Result<Option<&[u8]>> {
    let segments = segments(bytes)?;
    let found = segments.iter().find(|segment| is_packet(bytes, segment));
    Ok(found.map(|segment| &bytes[segment.body + XMP.len()..segment.end]))
}

/// All packets: the first, and that of which the parts stand in further segments.
pub(crate) fn packets(bytes: &[u8]) -> Vec<Vec<u8>> {
    let Ok(segments) = segments(bytes) else { return Vec::new() };
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut parts: Vec<(usize, &[u8])> = Vec::new();
    for segment in &segments {
        let body = &bytes[segment.body..segment.end];
        if is_packet(bytes, segment) {
            found.push(body[XMP.len()..].to_vec());
        } else if let (0xe1, Some(rest)) = (segment.marker, body.strip_prefix(EXTENDED)) {
            // A name of 32 digits, the length of the whole, and where in it this part stands.
            if let (Some(offset), Some(part)) = (rest.get(36..40), rest.get(40..)) {
                parts.push((offset.iter().fold(0, |n, b| n << 8 | usize::from(*b)), part));
            }
        }
    }
    parts.sort_by_key(|(offset, _)| *offset);
    let extended: Vec<u8> = parts.iter().flat_map(|(_, part)| *part).copied().collect();
    if !extended.is_empty() {
        found.push(extended);
    }
    found
}

/// The JPEG with this packet instead of the one that it has, or without one.
///
/// # Errors
/// No JPEG, a packet that is too long for one, one that goes on in further segments which hold names or regions, or a
/// file that holds further pictures whose places would change.
pub fn with_packet(bytes: &[u8], packet: Option<&[u8]>) -> Result<Vec<u8>> {
    let segments = segments(bytes)?;
    if let Some(packet) = packet
        && packet.len() > LONGEST
    {
        return Err(MetaError::TooLong { bytes: packet.len(), most: LONGEST });
    }
    let known: [&[u8]; 4] = [b"schemas/regions/", b"RegionInfo#", b"dc:subject", b"hierarchicalSubject"];
    for segment in segments.iter().filter(|segment| segment.marker == 0xe1) {
        let body = &bytes[segment.body..segment.end];
        if body.starts_with(EXTENDED) && known.iter().any(|name| position(body, name).is_some()) {
            return Err(MetaError::Extended);
        }
    }
    let old = segments.iter().find(|segment| is_packet(bytes, segment));
    let (start, end) = match old {
        Some(segment) => (segment.start, segment.end),
        None => {
            // Behind JFIF and EXIF, where everybody looks for it.
            let first = |segment: &&Segment| {
                segment.marker == 0xe0
                    || segment.marker == 0xe1 && bytes[segment.body..segment.end].starts_with(b"Exif\0")
            };
            let at =
                segments.iter().take_while(|segment| first(segment)).last().map_or(2, |segment| segment.end);
            (at, at)
        }
    };
    let written = match packet {
        None => Vec::new(),
        Some(packet) => {
            let length = (2 + XMP.len() + packet.len()) as u16;
            [&[0xff, 0xe1][..], &length.to_be_bytes(), XMP, packet].concat()
        }
    };
    // Places of further pictures count from within this segment.
    let further = segments
        .iter()
        .find(|segment| segment.marker == 0xe2 && bytes[segment.body..segment.end].starts_with(b"MPF\0"));
    if further.is_some_and(|segment| segment.start < start) && written.len() != end - start {
        return Err(MetaError::FurtherPictures);
    }
    Ok([&bytes[..start], &written, &bytes[end..]].concat())
}

/// Where bytes stand among others.
pub(crate) fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() + 2) as u16;
        [&[0xff, marker][..], &length.to_be_bytes(), body].concat()
    }

    fn jpeg(segments: &[Vec<u8>]) -> Vec<u8> {
        [&b"\xff\xd8"[..], &segments.concat(), b"\xff\xda\0\x02data\xff\xe1\xff\xd9trailer"].concat()
    }

    #[test]
    fn a_packet_stands_behind_exif_and_goes_again() {
        let (jfif, exif, table) =
            (segment(0xe0, b"JFIF\0"), segment(0xe1, b"Exif\0\0II"), segment(0xdb, &[7; 65]));
        let plain = jpeg(&[jfif.clone(), exif.clone(), table.clone()]);
        assert_eq!(packet(&plain).unwrap(), None);
        let with = with_packet(&plain, Some(b"<x/>")).unwrap();
        assert_eq!(with, jpeg(&[jfif, exif, segment(0xe1, &[XMP, b"<x/>"].concat()), table]));
        assert_eq!(packet(&with).unwrap(), Some(&b"<x/>"[..]));
        let longer = with_packet(&with, Some(b"<longer/>")).unwrap();
        assert_eq!(packet(&longer).unwrap(), Some(&b"<longer/>"[..]));
        assert_eq!(with_packet(&longer, Some(b"<x/>")).unwrap(), with);
        assert_eq!(with_packet(&with, None).unwrap(), plain);
        assert_eq!(with_packet(&with_packet(&jpeg(&[]), Some(b"a")).unwrap(), None).unwrap(), jpeg(&[]));
    }

    #[test]
    fn what_would_break_is_refused() {
        let further = segment(0xe2, b"MPF\0II*\0");
        let xmp = segment(0xe1, &[XMP, b"<x/>"].concat());
        let before = jpeg(&[xmp.clone(), further.clone()]);
        assert!(with_packet(&before, Some(b"<longer/>")).is_ok());
        let behind = jpeg(&[further, xmp]);
        assert!(matches!(with_packet(&behind, Some(b"<longer/>")), Err(MetaError::FurtherPictures)));
        assert!(with_packet(&behind, Some(b"<y/>")).is_ok(), "of the same length");
        assert!(matches!(
            with_packet(&before, Some(&vec![b' '; LONGEST + 1])),
            Err(MetaError::TooLong { .. })
        ));
        let longest = with_packet(&before, Some(&vec![b' '; LONGEST])).unwrap();
        assert_eq!(packet(&longest).unwrap().unwrap().len(), LONGEST);
        let part =
            [EXTENDED, &[b'0'; 32], &[0; 8], b"<a xmlns:mwg-rs='http://x/schemas/regions/'/>"].concat();
        let extended = jpeg(&[segment(0xe1, &part)]);
        assert!(matches!(with_packet(&extended, Some(b"<x/>")), Err(MetaError::Extended)));
        for bad in [
            &b"\x89PNG"[..],
            b"\xff\xd8",
            b"\xff\xd8\xff\xe1\0\x50abc",
            b"\xff\xd8\xff\xe1\0\x01",
            b"\xff\xd8ab",
        ] {
            assert!(matches!(with_packet(bad, Some(b"<x/>")), Err(MetaError::NotJpeg(_))), "{bad:?}");
            assert!(packet(bad).is_err());
        }
    }

    #[test]
    fn parts_are_put_together() {
        let part = |offset: u8, text: &[u8]| {
            segment(0xe1, &[EXTENDED, &[b'0'; 32], &[0, 0, 0, 9], &[0, 0, 0, offset], text].concat())
        };
        let bytes = jpeg(&[segment(0xe1, &[XMP, b"main"].concat()), part(4, b"world"), part(0, b"the ")]);
        assert_eq!(packets(&bytes), [b"main".to_vec(), b"the world".to_vec()]);
    }
}

//! NumPy's `.npy` files: the one reader and the one writer of the project.
//!
//! Read are versions 1 to 3, little-endian, in C order; written is version 1.0, byte for byte as `numpy.save` does. A
//! header is checked against the file's length before anything is reserved for it.
//!
//! ```
//! use phiz_eval::npy;
//!
//! let bytes = npy::file("<f4", &[1, 2], &[1.0f32, 0.5].map(f32::to_le_bytes).concat());
//! let array = npy::read(&bytes, "x.npy".as_ref())?;
//! assert_eq!((array.shape.as_slice(), array.floats()?), (&[1, 2][..], vec![1.0, 0.5]));
//! # Ok::<(), phiz_eval::EvalError>(())
//! ```

use crate::Result;
use crate::error::EvalError;
use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Largest file that is read, in bytes: a million templates of 1,024 numbers.
const MOST: u64 = 4 << 30;
const MAGIC: &[u8] = b"\x93NUMPY";
/// Bytes of magic, length and header together, if it is as short as ours; a multiple of 64, as NumPy wants it.
const HEADER: usize = 128;

/// What a file holds: numbers of one type, not yet converted.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Array<'a> {
    /// NumPy's name of the type, such as `<f4`.
    pub descr: String,
    /// The extents, outermost first.
    pub shape: Vec<usize>,
    /// The numbers as they stand in the file, little-endian and in C order.
    pub bytes: &'a [u8],
    name: PathBuf,
}

fn fault(name: &Path, reason: String) -> EvalError {
    EvalError::file(
        name,
        0,
        reason,
        "save it with numpy.save(file, numpy.ascontiguousarray(x, dtype=numpy.float32)), x of shape [photos, numbers]",
    )
}

/// Reads a file's bytes; `name` is used in errors.
///
/// # Errors
/// Any other file: what it is and how to convert it.
pub fn read<'a>(bytes: &'a [u8], name: &Path) -> Result<Array<'a>> {
    let fail = |reason: String| fault(name, reason);
    if bytes.len() as u64 > MOST {
        return Err(EvalError::Limit {
            what: name.display().to_string(),
            size: bytes.len() as u64,
            limit: MOST,
            unit: "bytes",
        });
    }
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| fail("this is no .npy file".into()))?;
    let short = || fail("the file ends in its header".into());
    let (start, length) = match rest.first() {
        Some(1) => {
            let size: [u8; 2] = rest.get(2..4).and_then(|b| b.try_into().ok()).ok_or_else(short)?;
            (4, usize::from(u16::from_le_bytes(size)))
        }
        Some(2 | 3) => {
            let size: [u8; 4] = rest.get(2..6).and_then(|b| b.try_into().ok()).ok_or_else(short)?;
            (6, u32::from_le_bytes(size) as usize)
        }
        other => return Err(fail(format!("format version {other:?} is unknown"))),
    };
    let header = rest.get(start..usize::saturating_add(start, length)).ok_or_else(short)?;
    let header = std::str::from_utf8(header).map_err(|e| fail(e.to_string()))?;
    // The header is a Python dictionary written by numpy: three keys, no nesting beside the shape.
    let value = |key: &str| {
        let after = header.split_once(&format!("'{key}':")).map(|(_, after)| after.trim_start());
        after.ok_or_else(|| fail(format!("the header has no `{key}`")))
    };
    let descr = value("descr")?.trim_start_matches('\'');
    let descr = descr.split('\'').next().unwrap_or_default().to_owned();
    if !value("fortran_order")?.starts_with("False") {
        return Err(fail("the matrix is stored column by column".into()));
    }
    let extents = value("shape")?.trim_start_matches('(').split(')').next().unwrap_or_default();
    let shape: Option<Vec<usize>> =
        extents.split(',').map(str::trim).filter(|s| !s.is_empty()).map(|s| s.parse().ok()).collect();
    let shape = shape.ok_or_else(|| fail(format!("the shape is `{extents}`")))?;
    let width = match descr.as_str() {
        "|u1" | "|i1" => 1,
        "<f2" => 2,
        "<f4" => 4,
        "<f8" => 8,
        other => return Err(fail(format!("the numbers are of type `{other}`"))),
    };
    let bytes = &rest[start + length..];
    let wanted = shape.iter().try_fold(width, |n: usize, &extent| n.checked_mul(extent));
    if wanted != Some(bytes.len()) {
        let extents = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
        return Err(fail(format!("{extents} numbers of {width} bytes are not {} bytes", bytes.len())));
    }
    Ok(Array { descr, shape, bytes, name: name.to_owned() })
}

impl Array<'_> {
    /// All numbers as f32, in the file's order.
    ///
    /// # Errors
    /// Whole numbers.
    pub fn floats(&self) -> Result<Vec<f32>> {
        let four = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        let eight = |b: &[u8]| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32;
        match self.descr.as_str() {
            "<f2" => Ok(self.bytes.chunks_exact(2).map(|b| half(u16::from_le_bytes([b[0], b[1]]))).collect()),
            "<f4" => Ok(self.bytes.chunks_exact(4).map(four).collect()),
            "<f8" => Ok(self.bytes.chunks_exact(8).map(eight).collect()),
            other => Err(fault(&self.name, format!("the numbers are of type `{other}`"))),
        }
    }

    /// The rows of a matrix as f32.
    ///
    /// # Errors
    /// Whole numbers; another number of extents than two; rows of no numbers.
    pub fn rows(&self) -> Result<Vec<Vec<f32>>> {
        let [_, columns] = self.shape[..] else {
            return Err(fault(&self.name, format!("the shape is {:?}, not two-dimensional", self.shape)));
        };
        if columns == 0 {
            return Err(fault(&self.name, "its rows hold no numbers".into()));
        }
        Ok(self.floats()?.chunks_exact(columns).map(<[f32]>::to_vec).collect())
    }
}

/// IEEE 754 half precision.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023) / 1024.0);
    sign * match exponent {
        0 => fraction * 2f32.powi(-14),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        e => (1.0 + fraction) * 2f32.powi(e - 15),
    }
}

/// Magic, length and dictionary.
fn header(descr: &str, shape: &[usize]) -> Vec<u8> {
    // Python's tuples: one element needs its comma.
    let extents: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let text =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}{comma}), }}", extents.join(", "));
    let length = (MAGIC.len() + 4 + text.len() + 1).next_multiple_of(64).max(HEADER);
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((length as u16 - 10).to_le_bytes());
    bytes.extend(text.bytes());
    bytes.resize(length - 1, b' ');
    bytes.push(b'\n');
    bytes
}

/// A whole file of these bytes, which are little-endian and in C order.
pub fn file(descr: &str, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let mut all = header(descr, shape);
    all.extend_from_slice(bytes);
    all
}

/// Writes rows of f32 while their number is not yet known.
///
/// The header is written first with room for any number of rows, and again with the right one at the end; the file gets
/// its name only then, so that a file of that name is always whole.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
    dim: Option<usize>,
    rows: usize,
}

impl Writer {
    /// Begins a file; `path` itself is not touched before [`Writer::finish`].
    ///
    /// # Errors
    /// The partial file beside it cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        let partial = PathBuf::from(name);
        let mut file = BufWriter::new(File::create(&partial)?);
        file.write_all(&[b' '; HEADER])?;
        Ok(Self { path: path.into(), partial, file, dim: None, rows: 0 })
    }

    /// Adds a row, as long as all others.
    ///
    /// # Errors
    /// A row of another length; a full disk.
    pub fn push(&mut self, row: &[f32]) -> io::Result<()> {
        if *self.dim.get_or_insert(row.len()) != row.len() {
            return Err(io::Error::other("templates of different lengths"));
        }
        self.rows += 1;
        row.iter().try_for_each(|value| self.file.write_all(&value.to_le_bytes()))
    }

    /// Completes the file and gives it its name. `dim` is the length of rows if there were none.
    ///
    /// # Errors
    /// A full disk, a name that cannot be given.
    pub fn finish(mut self, dim: usize) -> io::Result<()> {
        let header = header("<f4", &[self.rows, self.dim.unwrap_or(dim)]);
        debug_assert_eq!(header.len(), HEADER, "two numbers always fit");
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header)?;
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        std::fs::rename(&self.partial, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn floats(shape: &[usize], data: &[f32]) -> Vec<u8> {
        file("<f4", shape, &data.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>())
    }

    /// `numpy.save(f, numpy.array([[1, -2], [.5, 3]], 'f4'))`, NumPy 2.3.
    fn numpys() -> Vec<u8> {
        let mut expected =
            b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }".to_vec();
        expected.resize(127, b' ');
        expected.push(b'\n');
        expected.extend([1.0f32, -2.0, 0.5, 3.0].iter().flat_map(|v| v.to_le_bytes()));
        expected
    }

    #[test]
    fn files_are_as_numpy_writes_them() {
        assert_eq!(floats(&[2, 2], &[1.0, -2.0, 0.5, 3.0]), numpys());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.npy");
        let mut writer = Writer::create(&path).unwrap();
        writer.push(&[1.0, -2.0]).unwrap();
        writer.push(&[0.5, 3.0]).unwrap();
        assert!(!path.exists() && writer.push(&[1.0]).is_err());
        writer.finish(2).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), numpys());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no partial file is left");
        Writer::create(&path).unwrap().finish(512).unwrap();
        assert_eq!(read(&std::fs::read(&path).unwrap(), &path).unwrap().shape, [0, 512]);
    }

    #[test]
    fn there_and_back() {
        let data = [1.0, -2.5, 0.0, 0.0, f32::NAN, 1.0];
        let bytes = floats(&[3, 2], &data);
        let rows = read(&bytes, Path::new("x.npy")).unwrap().rows().unwrap();
        assert_eq!((rows.len(), &rows[0]), (3, &vec![1.0, -2.5]));
        assert!(rows[2][0].is_nan());
        let crops = file("|u1", &[1, 2, 2, 3], &[7; 12]);
        let array = read(&crops, Path::new("x.npy")).unwrap();
        assert_eq!((array.shape.as_slice(), array.bytes), (&[1, 2, 2, 3][..], &[7; 12][..]));
        assert!(array.floats().is_err() && array.rows().is_err());
    }

    #[test]
    fn halves() {
        for (bits, value) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (1, 5.960_464_5e-8), (0, 0.0)]
        {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7e00).is_nan() && half(0xfc00) == f32::NEG_INFINITY);
    }

    #[test]
    fn other_files_say_how_to_convert_them() {
        let good = floats(&[2, 2], &[1.0; 4]);
        let with = |from: &str, to: &str| {
            let place = good.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
            let mut bad = good.clone();
            bad[place..place + to.len()].copy_from_slice(to.as_bytes());
            bad
        };
        for (bytes, expected) in [
            (vec![], "no .npy"),
            (good[..9].to_vec(), "ends in its header"),
            (good[..good.len() - 1].to_vec(), "2 × 2"),
            (with("<f4", "<i4"), "`<i4`"),
            (with("False", "True "), "column by column"),
            (with("(2, 2)", "(4,)  "), "two-dimensional"),
            (with("(2, 2)", "(2, x)"), "the shape is `2, x`"),
            (with("'shape'", "'shapx'"), "no `shape`"),
        ] {
            let error = read(&bytes, Path::new("x.npy")).and_then(|a| a.rows()).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("numpy.save"), "{expected}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_what_is_read_fits(cut in 0usize..200, place in 0usize..140, byte in any::<u8>()) {
            let mut bytes = numpys();
            if let Some(b) = bytes.get_mut(place) {
                *b = byte;
            }
            bytes.truncate(cut);
            if let Ok(array) = read(&bytes, Path::new("x.npy")) {
                prop_assert!(array.bytes.len() <= bytes.len());
                let _ = array.rows();
            }
        }

        #[test]
        fn every_shape_comes_back(shape in prop::collection::vec(0usize..5, 0..5)) {
            let data = vec![9u8; shape.iter().product()];
            let bytes = file("|u1", &shape, &data);
            prop_assert_eq!(bytes.len() - data.len(), 128);
            prop_assert_eq!(read(&bytes, Path::new("x.npy")).unwrap().shape, shape);
        }
    }
}

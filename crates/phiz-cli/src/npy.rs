//! Writes templates as a `.npy` file of float32 `[n, dim]` while their number is not yet known.
//!
//! The header is written first with room for any number of rows, and again with the right one at the end; the file
//! gets its name only then, so that a file of that name is always whole. Format: NumPy's `format.py`, version 1.0.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Bytes of magic, length and header together; a multiple of 64, as NumPy wants it.
const HEADER: usize = 128;

pub(crate) struct NpyWriter {
    path: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
    dim: Option<usize>,
    rows: usize,
}

impl NpyWriter {
    /// Begins a file; `path` itself is not touched before [`NpyWriter::finish`].
    pub(crate) fn create(path: &Path) -> io::Result<NpyWriter> {
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        let partial = PathBuf::from(name);
        let mut file = BufWriter::new(File::create(&partial)?);
        file.write_all(&[b' '; HEADER])?;
        Ok(NpyWriter { path: path.into(), partial, file, dim: None, rows: 0 })
    }

    /// Adds a row, as long as all others.
    pub(crate) fn push(&mut self, row: &[f32]) -> io::Result<()> {
        if *self.dim.get_or_insert(row.len()) != row.len() {
            return Err(io::Error::other("templates of different lengths"));
        }
        self.rows += 1;
        row.iter().try_for_each(|value| self.file.write_all(&value.to_le_bytes()))
    }

    /// Completes the file and gives it its name. `dim` is the length of rows if there were none.
    pub(crate) fn finish(mut self, dim: usize) -> io::Result<()> {
        let shape = (self.rows, self.dim.unwrap_or(dim));
        let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape:?}, }}");
        let mut header = b"\x93NUMPY\x01\x00".to_vec();
        header.extend((HEADER as u16 - 10).to_le_bytes());
        header.extend(text.bytes());
        header.resize(HEADER - 1, b' ');
        header.push(b'\n');
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

    #[test]
    fn a_file_is_as_numpy_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.npy");
        let mut writer = NpyWriter::create(&path).unwrap();
        writer.push(&[1.0, -2.0]).unwrap();
        writer.push(&[0.5, 3.0]).unwrap();
        assert!(!path.exists() && writer.push(&[1.0]).is_err());
        writer.finish(2).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        // numpy.save(f, numpy.array([[1, -2], [.5, 3]], 'f4')), NumPy 2.3
        let mut expected =
            b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }".to_vec();
        expected.resize(127, b' ');
        expected.push(b'\n');
        expected.extend([1.0f32, -2.0, 0.5, 3.0].iter().flat_map(|v| v.to_le_bytes()));
        assert_eq!(bytes, expected);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no partial file is left");
    }

    #[test]
    fn no_rows_are_a_file_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.npy");
        NpyWriter::create(&path).unwrap().finish(512).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains("(0, 512)") && bytes.len() == HEADER);
    }
}

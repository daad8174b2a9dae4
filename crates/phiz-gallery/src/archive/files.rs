//! The files of an archive: lines of JSON, arrays of NumPy.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{ErrorKind, GalleryError, Result};

/// A new file that only its owner may read.
pub(super) fn create(path: &Path) -> Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|e| GalleryError::io(path, &e))
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| GalleryError::io(path, &e))
}

pub(super) fn digest(path: &Path) -> Result<String> {
    let io = |e: std::io::Error| GalleryError::io(path, &e);
    let (mut hash, mut file) = (Sha256::new(), File::open(path).map_err(io)?);
    std::io::copy(&mut file, &mut hash).map_err(io)?;
    Ok(crate::bytes::hex(&hash.finalize()))
}

/// The head, after a look at every file that will be read.
/// A file of JSON Lines under way.
pub(super) struct Lines {
    file: BufWriter<File>,
    path: PathBuf,
}

impl Lines {
    pub(super) fn new(path: &Path) -> Result<Lines> {
        Ok(Lines { file: BufWriter::new(create(path)?), path: path.into() })
    }

    pub(super) fn write<T: Serialize>(&mut self, value: &T) -> Result<()> {
        let io = |e: std::io::Error| GalleryError::io(&self.path, &e);
        serde_json::to_writer(&mut self.file, value).map_err(|e| io(e.into()))?;
        self.file.write_all(b"\n").map_err(io)
    }

    pub(super) fn finish(mut self) -> Result<()> {
        let done = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        done.map_err(|e| GalleryError::io(&self.path, &e))
    }
}

pub(super) fn lines<T: serde::de::DeserializeOwned>(
    path: &Path,
) -> Result<impl Iterator<Item = Result<T>> + use<T>> {
    let file = File::open(path).map_err(|e| GalleryError::io(path, &e))?;
    let path = path.to_path_buf();
    Ok(BufReader::new(file).lines().enumerate().map(move |(number, line)| {
        let line = line.map_err(|e| GalleryError::io(&path, &e))?;
        serde_json::from_str(&line)
            .map_err(|e| GalleryError::new(ErrorKind::Damaged, format!("line {}: {e}", number + 1)).at(&path))
    }))
}

/// Templates as NumPy keeps them: little-endian f32, one row a template.
pub(super) struct Npy {
    file: BufWriter<File>,
    path: PathBuf,
    dim: usize,
    rows: usize,
}

/// Bytes of the header, with room for any number of rows.
const NPY_HEADER: usize = 128;

fn npy_header(rows: usize, dim: usize) -> Vec<u8> {
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((NPY_HEADER as u16 - 10).to_le_bytes());
    out.extend(format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}").bytes());
    out.resize(NPY_HEADER - 1, b' ');
    out.push(b'\n');
    out
}

impl Npy {
    pub(super) fn new(path: &Path, dim: usize) -> Result<Npy> {
        let mut file = BufWriter::new(create(path)?);
        file.write_all(&npy_header(0, dim)).map_err(|e| GalleryError::io(path, &e))?;
        Ok(Npy { file, path: path.into(), dim, rows: 0 })
    }

    pub(super) fn write(&mut self, row: &[f32]) -> Result<()> {
        let bytes: Vec<u8> = row.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.rows += 1;
        self.file.write_all(&bytes).map_err(|e| GalleryError::io(&self.path, &e))
    }

    /// How many rows there are is known only now.
    pub(super) fn finish(mut self) -> Result<()> {
        let header = npy_header(self.rows, self.dim);
        let done = self.file.rewind().and_then(|()| self.file.write_all(&header));
        let done = done.and_then(|()| self.file.flush()).and_then(|()| self.file.get_ref().sync_all());
        done.map_err(|e| GalleryError::io(&self.path, &e))
    }
}

/// Rows of an npy file of f32 with `dim` columns.
pub(super) fn npy_rows(path: &Path, dim: usize) -> Result<impl Iterator<Item = Result<Vec<f32>>> + use<>> {
    let io = |e: std::io::Error| GalleryError::io(path, &e);
    let wrong = |reason: &str| {
        GalleryError::new(ErrorKind::Damaged, reason)
            .at(path)
            .with_hint(format!("write it with numpy.save as float32 of {dim} columns"))
    };
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let mut start = [0; 10];
    file.read_exact(&mut start).map_err(|_| wrong("is no npy file"))?;
    if start[..6] != *b"\x93NUMPY" || start[6] != 1 {
        return Err(wrong("is no npy file of version 1"));
    }
    let mut header = vec![0; usize::from(u16::from_le_bytes([start[8], start[9]]))];
    file.read_exact(&mut header).map_err(|_| wrong("is cut short"))?;
    let header = String::from_utf8_lossy(&header).replace(' ', "");
    let shape = header.split("'shape':(").nth(1).and_then(|rest| rest.split(')').next());
    let shape: Vec<usize> = shape.unwrap_or_default().split(',').filter_map(|n| n.parse().ok()).collect();
    let [rows, columns] = shape[..] else { return Err(wrong("is not of two dimensions")) };
    if !header.contains("'descr':'<f4'") || !header.contains("'fortran_order':False") || columns != dim {
        return Err(wrong("holds other values than it must"));
    }
    let path = path.to_path_buf();
    Ok((0..rows).map(move |row| {
        let mut bytes = vec![0; dim * 4];
        file.read_exact(&mut bytes).map_err(|e| {
            GalleryError::new(ErrorKind::Damaged, format!("row {row} cannot be read ({e})")).at(&path)
        })?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    }))
}

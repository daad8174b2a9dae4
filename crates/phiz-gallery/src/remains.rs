//! Searching files for bytes that must be gone.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{GalleryError, Result};

/// What a search of the files for destroyed data found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Proof {
    /// Files searched, byte by byte.
    pub files: Vec<PathBuf>,
    /// Their size together.
    pub bytes: u64,
    /// Pieces searched for: of sealed rows as they lay on the disk, of templates, crops and names in the clear.
    pub pieces: usize,
    /// Where one was found: must be empty.
    pub found: Vec<(PathBuf, u64)>,
}

/// Files that were searched, and stay open.
pub(crate) type OpenFiles = BTreeMap<PathBuf, File>;

/// Pieces to look for, [`LEAST`] bytes or more each.
#[derive(Default)]
pub(crate) struct Pieces {
    pieces: Vec<Vec<u8>>,
}

/// A shorter piece would be found by chance.
const LEAST: usize = 8;
/// Bits of the filter that lets almost all positions of a file pass by.
const FILTER_BITS: u32 = 22;

impl Pieces {
    pub(crate) fn add(&mut self, piece: &[u8]) {
        // Zeros and other runs are everywhere, and prove nothing.
        let run = piece.windows(2).all(|w| w[0] == w[1]);
        if piece.len() >= LEAST && !run {
            self.pieces.push(piece.to_vec());
        }
    }

    /// Some pieces of a long value: every 512 bytes 16.
    pub(crate) fn add_samples(&mut self, value: &[u8]) {
        value.chunks(512).for_each(|chunk| self.add(&chunk[..chunk.len().min(16)]));
    }

    pub(crate) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Forgets all pieces that occur in a value: somebody else has the same, and keeps it.
    pub(crate) fn forgive(&mut self, finder: &Finder, value: &[u8]) {
        finder.search(value, |piece, _| self.pieces[piece].clear());
    }

    pub(crate) fn finder(&self) -> Finder {
        let mut finder = Finder { filter: vec![0; 1 << (FILTER_BITS - 6)], starts: HashMap::new() };
        for (i, piece) in self.pieces.iter().enumerate() {
            if let Some(start) = piece.first_chunk::<LEAST>() {
                let bit = hash(*start);
                finder.filter[bit / 64] |= 1 << (bit % 64);
                finder.starts.entry(*start).or_default().push((i, piece.clone()));
            }
        }
        finder
    }

    /// Searches files from end to end, and leaves them open in `open`: closing a file gives up all locks that this
    /// process has on it (POSIX), those of a database connection too.
    pub(crate) fn search(&self, files: &[PathBuf], open: &mut OpenFiles) -> Result<Proof> {
        let finder = self.finder();
        let longest = self.pieces.iter().map(Vec::len).max().unwrap_or(0);
        let mut proof = Proof { pieces: self.len(), ..Proof::default() };
        for path in files {
            let io = |e: std::io::Error| GalleryError::io(path, &e);
            if !open.get(path).is_some_and(|file| is_at(file, path)) {
                open.insert(path.clone(), File::open(path).map_err(io)?);
            }
            let Some(file) = open.get_mut(path) else { continue };
            file.rewind().map_err(io)?;
            let found = |at| proof.found.push((path.clone(), at));
            proof.bytes += search_file(file, &finder, longest, found).map_err(io)?;
            proof.files.push(path.clone());
        }
        proof.found.sort();
        proof.found.dedup();
        Ok(proof)
    }
}

/// Whether a path still leads to an open file: another may have been written under its name since.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let same = |a: std::fs::Metadata, b: std::fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        file.metadata().is_ok_and(|own| std::fs::metadata(path).is_ok_and(|there| same(own, there)))
    }
    #[cfg(not(unix))]
    {
        // Other systems' locks are not given up with a file that somebody else has closed.
        let _ = (file, path);
        false
    }
}

fn hash(start: [u8; LEAST]) -> usize {
    (u64::from_le_bytes(start).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FILTER_BITS)) as usize
}

/// Finds many pieces at once.
pub(crate) struct Finder {
    filter: Vec<u64>,
    starts: HashMap<[u8; LEAST], Vec<(usize, Vec<u8>)>>,
}

impl Finder {
    fn search(&self, bytes: &[u8], mut found: impl FnMut(usize, usize)) {
        for (at, window) in bytes.windows(LEAST).enumerate() {
            let Some(start) = window.first_chunk::<LEAST>() else { continue };
            let bit = hash(*start);
            if self.filter[bit / 64] >> (bit % 64) & 1 == 0 {
                continue;
            }
            for (i, piece) in self.starts.get(start).into_iter().flatten() {
                if bytes[at..].starts_with(piece) {
                    found(*i, at);
                }
            }
        }
    }
}

/// In blocks that overlap by the longest piece; says how long the file is.
fn search_file(
    file: &mut File,
    finder: &Finder,
    longest: usize,
    mut found: impl FnMut(u64),
) -> std::io::Result<u64> {
    let (mut block, mut start) = (Vec::new(), 0u64);
    loop {
        let read = file.by_ref().take(1 << 20).read_to_end(&mut block)?;
        if read == 0 {
            return Ok(start + block.len() as u64);
        }
        finder.search(&block, |_, at| found(start + at as u64));
        let passed = block.len().saturating_sub(longest);
        block.drain(..passed);
        start += passed as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(pieces: &Pieces, path: &Path) -> Proof {
        pieces.search(&[path.into()], &mut OpenFiles::new()).unwrap()
    }

    #[test]
    fn pieces_are_found_wherever_they_lie() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut bytes: Vec<u8> =
            (0..3_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut pieces = Pieces::default();
        pieces.add(b"short");
        pieces.add(&[0; 40]);
        assert_eq!(pieces.len(), 0, "they would prove nothing");
        pieces.add(b"a secret template");
        pieces.add(b"another thing");
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(search(&pieces, &path).found, []);
        // At the start, across the border of blocks, at the end.
        for at in [0, (1 << 20) - 5, bytes.len() - 17] {
            let mut with = bytes.clone();
            with[at..at + 17].copy_from_slice(b"a secret template");
            std::fs::write(&path, &with).unwrap();
            let proof = search(&pieces, &path);
            assert_eq!(proof.found, [(path.clone(), at as u64)]);
            assert_eq!((proof.bytes, proof.pieces), (3_000_000, 2));
        }
        bytes[7..24].copy_from_slice(b"a secret template");
        let finder = pieces.finder();
        pieces.forgive(&finder, &bytes);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(search(&pieces, &path).found, [], "forgiven");
    }
}

//! Templates kept between runs, by the photo's hash and all that made them.
//!
//! One file a pipeline (models, options, version of this format), records of equal length, only ever appended to:
//! a run that is cut short loses at most its last record, and a torn record is dropped when the file is opened.
//! Templates are biometric data and lie here unsealed, so there is a cache only where `--cache` names a folder.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::Failure;

const MAGIC: &[u8; 8] = b"phizevc1";
const KEY: usize = 32;

/// A photo's hash.
pub(crate) type Key = [u8; KEY];

/// What was made of a photo.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Face {
    pub(crate) quality: f32,
    pub(crate) vector: Vec<f32>,
}

/// What earlier runs found in photos: a face, or none.
pub(crate) type Known = HashMap<Key, Option<Face>>;

/// Adds what this run finds.
pub(crate) struct Cache {
    file: BufWriter<File>,
    dim: usize,
    /// Records not yet handed to the operating system.
    pending: usize,
}

/// A run that is cut short loses no more than so many records.
const AT_ONCE: usize = 64;

/// Key, found, quality, vector, and a check of all of it.
fn record_length(dim: usize) -> usize {
    KEY + 1 + 4 + 4 * dim + 4
}

fn check(bytes: &[u8]) -> [u8; 4] {
    let hash = Sha256::digest(bytes);
    [hash[0], hash[1], hash[2], hash[3]]
}

impl Cache {
    /// The cache of a pipeline, in a folder that is made if need be.
    pub(crate) fn open(folder: &Path, pipeline: &str, dim: usize) -> Result<(Known, Cache), Failure> {
        std::fs::create_dir_all(folder).map_err(|e| Failure::writing(folder, &e))?;
        let name: String = Sha256::digest(pipeline).iter().take(8).map(|b| format!("{b:02x}")).collect();
        let path = folder.join(format!("templates-{name}.cache"));
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(Failure::reading(&path, &e)),
        };
        let length = record_length(dim);
        let mut known = Known::new();
        let mut good = 0;
        if let Some(records) = bytes.strip_prefix(MAGIC) {
            good = MAGIC.len();
            for record in records.chunks_exact(length) {
                let (body, mark) = record.split_at(length - 4);
                if check(body) != mark {
                    break;
                }
                let (key, rest) = body.split_at(KEY);
                let number = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
                let face = (rest[0] == 1).then(|| Face {
                    quality: number(&rest[1..5]),
                    vector: rest[5..].chunks_exact(4).map(number).collect(),
                });
                if let Ok(key) = Key::try_from(key) {
                    known.insert(key, face);
                }
                good += length;
            }
        }
        let failed = |e| Failure::writing(&path, &e);
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        // Whatever is torn or of another format makes room.
        file.set_len(good as u64).map_err(failed)?;
        let mut file = BufWriter::new(file);
        if good == 0 {
            file.write_all(MAGIC).map_err(failed)?;
        }
        Ok((known, Cache { file, dim, pending: 0 }))
    }

    /// Keeps what was found.
    pub(crate) fn put(&mut self, key: &Key, face: Option<&Face>) -> std::io::Result<()> {
        let mut record = key.to_vec();
        record.push(u8::from(face.is_some()));
        record.extend(face.map_or(0.0, |f| f.quality).to_le_bytes());
        match face {
            Some(face) => record.extend(face.vector.iter().flat_map(|v| v.to_le_bytes())),
            None => record.resize(record_length(self.dim) - 4, 0),
        }
        record.extend(check(&record));
        self.file.write_all(&record)?;
        self.pending += 1;
        if self.pending == AT_ONCE {
            self.pending = 0;
            self.file.flush()?;
        }
        Ok(())
    }

    /// Writes what is still in memory.
    pub(crate) fn finish(mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_there_and_torn_ends_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let face = Face { quality: 0.5, vector: vec![0.6, -0.8] };
        let open = || Cache::open(folder.path(), "a pipeline", 2).unwrap();
        let (_, mut cache) = open();
        cache.put(&[1; KEY], Some(&face)).unwrap();
        cache.put(&[2; KEY], None).unwrap();
        cache.finish().unwrap();
        let path = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        let whole = std::fs::read(&path).unwrap();
        let both = Known::from([([1; KEY], Some(face.clone())), ([2; KEY], None)]);
        for torn in [0, 1, record_length(2) - 1] {
            std::fs::write(&path, [&whole[..], &whole[8..8 + torn]].concat()).unwrap();
            let (known, mut cache) = open();
            assert_eq!(known, both);
            cache.put(&[3; KEY], Some(&face)).unwrap();
            cache.finish().unwrap();
            assert_eq!(open().0.get(&[3; KEY]), Some(&Some(face.clone())));
        }
        // A flipped bit ends what is believed.
        let mut flipped = whole.clone();
        flipped[8 + record_length(2) + 3] ^= 1;
        std::fs::write(&path, flipped).unwrap();
        assert_eq!(open().0.keys().collect::<Vec<_>>(), [&[1; KEY]]);
        assert!(Cache::open(folder.path(), "another", 2).unwrap().0.is_empty());
    }
}

//! The index's file: a cache beside the store, never needed, never believed without its checksums.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `PHIZIDX` and the format's version, 2 (1 had 8-bit rows) |
//! | 8..24 | the gallery's id |
//! | 24..28, 28..32 | values a template has; 1 if sealed, 0 if not |
//! | 32..40 | rows |
//! | 40..48, 48..56 | the store's version and stamp that the file holds |
//! | 56..60 | 0 |
//! | 60..64 | bytes of the sealed header check that follows |
//! | 64.. | header check: an empty value sealed, bound to bytes 0..64 |
//! | 4096.. | chunks: the packed rows, then all ids, then a scale and an error for each, [`CHUNK`] bytes each before sealing |
//!
//! All numbers are little-endian. Without a key the chunks lie there as they are, so that the packed rows can be
//! mapped and used in place, and a CRC-32 of each follows them all. With a key each chunk is sealed, and is opened
//! into memory; nothing of a template lies on the disk in the clear.
//!
//! A file is written under another name, synced, renamed, and never changed, so readers in other processes keep what
//! they have mapped.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::{Base, Fit, Index};
use crate::error::{GalleryError, Result};
use crate::faults::IndexFault;
use crate::scan::{self, GROUP, LANES, block_bytes};
use crate::seal::Sealer;
use crate::store::Mark;

const MAGIC: [u8; 8] = *b"PHIZIDX\x02";
const HEADER: usize = 64;
const START: usize = 4096;
/// One sealed piece; the last of each part may be shorter.
const CHUNK: usize = 1 << 20;
/// Bytes a row takes beside its codes.
const BESIDE: usize = 16;

/// What became of loading.
pub(crate) enum Loaded {
    Index(Box<Index>),
    /// There is no file.
    Absent,
    /// There is one that cannot be used, and why.
    Unusable(IndexFault),
}

fn header(index: &Index, rows: usize, gallery: &[u8; 16], sealed: bool) -> [u8; HEADER] {
    let mut out = [0; HEADER];
    out[..8].copy_from_slice(&MAGIC);
    out[8..24].copy_from_slice(gallery);
    out[24..28].copy_from_slice(&(index.dim as u32).to_le_bytes());
    out[28] = u8::from(sealed);
    out[32..40].copy_from_slice(&(rows as u64).to_le_bytes());
    out[40..48].copy_from_slice(&index.mark.version.to_le_bytes());
    out[48..56].copy_from_slice(&index.mark.stamp.to_le_bytes());
    out
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|i| bytes[at + i])
}

/// To what a chunk is bound: its file (by the header, which holds the stamp) and its number.
fn bound_to(header: &[u8; HEADER], chunk: usize) -> Vec<u8> {
    [&header[..], &(chunk as u64).to_le_bytes()].concat()
}

/// Writes the index; gives back the same index with what was written as its base.
pub(crate) fn save(index: &Index, path: &Path, gallery: &[u8; 16], sealer: &Sealer) -> Result<Index> {
    let (codes, ids, fits) = index.packed();
    let mut other = Vec::with_capacity(ids.len() * BESIDE);
    other.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
    other.extend(fits.iter().flat_map(|fit| [fit.scale, fit.error]).flat_map(f32::to_le_bytes));
    let mut header = header(index, ids.len(), gallery, sealer.is_sealed());
    let check = sealer.seal(b"", b"")?.len();
    header[60..64].copy_from_slice(&(check as u32).to_le_bytes());
    let check = sealer.seal(&header, b"")?;

    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.new", std::process::id()));
    let temporary = Path::new(&temporary);
    let write = |file: &mut File| -> Result<()> {
        let io = |e: std::io::Error| GalleryError::io(path, &e);
        let mut start = vec![0; START];
        start[..HEADER].copy_from_slice(&header);
        start[HEADER..HEADER + check.len()].copy_from_slice(&check);
        file.write_all(&start).map_err(io)?;
        let chunks = codes.chunks(CHUNK).chain(other.chunks(CHUNK));
        let mut sums = Vec::new();
        for (i, chunk) in chunks.enumerate() {
            if sealer.is_sealed() {
                file.write_all(&sealer.seal(&bound_to(&header, i), chunk)?).map_err(io)?;
            } else {
                sums.extend(crc32fast::hash(chunk).to_le_bytes());
                file.write_all(chunk).map_err(io)?;
            }
        }
        file.write_all(&sums).map_err(io)?;
        file.sync_all().map_err(io)
    };
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let io = |e: std::io::Error| GalleryError::io(path, &e);
    let written = options
        .open(temporary)
        .map_err(io)
        .and_then(|mut file| write(&mut file))
        .and_then(|()| std::fs::rename(temporary, path).map_err(io));
    if written.is_err() {
        let _ = std::fs::remove_file(temporary);
    }
    written?;
    Ok(Index::with_base(index.dim, Base::Owned(codes), ids, fits, index.mark))
}

/// Loads an index of a gallery; whether it is up to date its caller must see.
pub(crate) fn load(path: &Path, dim: usize, gallery: &[u8; 16], sealer: &Sealer) -> Loaded {
    let Ok(file) = File::open(path) else { return Loaded::Absent };
    let Ok(map) = scan::map(&file) else { return Loaded::Unusable(IndexFault::NotMapped) };
    if map.len() < START || map[..8] != MAGIC {
        return Loaded::Unusable(IndexFault::OtherFormat);
    }
    let header: [u8; HEADER] = number(&map, 0);
    let check = u32::from_le_bytes(number(&header, 60)) as usize;
    let genuine = check <= START - HEADER && sealer.open(&header, &map[HEADER..HEADER + check]).is_some();
    if !genuine || header[28] != u8::from(sealer.is_sealed()) {
        return Loaded::Unusable(IndexFault::OtherKey);
    }
    if header[8..24] != *gallery || u32::from_le_bytes(number(&header, 24)) as usize != dim {
        return Loaded::Unusable(IndexFault::OtherGallery);
    }
    let rows = u64::from_le_bytes(number(&header, 32)) as usize;
    let mark = Mark {
        version: u64::from_le_bytes(number(&header, 40)),
        stamp: u64::from_le_bytes(number(&header, 48)),
    };
    // Without a key anybody can write a header: the products below must not overflow.
    if rows > map.len() / BESIDE {
        return Loaded::Unusable(IndexFault::CutShort);
    }
    let codes = rows.div_ceil(LANES) * block_bytes(dim.next_multiple_of(GROUP));
    let parts = [codes, rows * BESIDE];
    let (base, other) = if sealer.is_sealed() {
        match open_chunks(&map[START..], &header, parts, sealer) {
            Some([codes, other]) => (Base::Owned(codes), other),
            None => return Loaded::Unusable(IndexFault::Damaged),
        }
    } else {
        let sums = parts.iter().map(|part| part.div_ceil(CHUNK)).sum::<usize>() * 4;
        if map.len() != START + codes + rows * BESIDE + sums {
            return Loaded::Unusable(IndexFault::CutShort);
        }
        let (data, sums) = map[START..].split_at(codes + rows * BESIDE);
        let (packed, other) = data.split_at(codes);
        let chunks: Vec<&[u8]> = packed.chunks(CHUNK).chain(other.chunks(CHUNK)).collect();
        let right = |(chunk, sum): (&&[u8], &[u8; 4])| crc32fast::hash(chunk).to_le_bytes() == *sum;
        if !chunks.iter().zip(sums.as_chunks::<4>().0).all(right) {
            return Loaded::Unusable(IndexFault::Damaged);
        }
        let other = other.to_vec();
        (Base::Mapped { map, start: START, end: START + codes }, other)
    };
    let (ids, fits) = other.split_at(rows * 8);
    let ids: Vec<u64> = ids.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b)).collect();
    let fit = |b: &[u8; 8]| Fit {
        scale: f32::from_le_bytes(number(b, 0)),
        error: f32::from_le_bytes(number(b, 4)),
    };
    let fits = fits.as_chunks::<8>().0.iter().map(fit).collect();
    if !ids.is_sorted_by(|a, b| a < b) {
        return Loaded::Unusable(IndexFault::Damaged);
    }
    Loaded::Index(Box::new(Index::with_base(dim, base, ids, fits, mark)))
}

/// Opens all sealed chunks into their two parts, on all cores: this is what opening a large sealed gallery takes.
fn open_chunks(
    bytes: &[u8],
    header: &[u8; HEADER],
    parts: [usize; 2],
    sealer: &Sealer,
) -> Option<[Vec<u8>; 2]> {
    let extra = sealer.seal(b"", b"").ok()?.len();
    let chunks = |part: usize| part.div_ceil(CHUNK);
    if bytes.len() != parts[0] + parts[1] + (chunks(parts[0]) + chunks(parts[1])) * extra {
        return None;
    }
    let mut out = parts.map(|size| vec![0; size]);
    let mut jobs = Vec::new();
    let (mut from, mut number) = (bytes, 0);
    for part in &mut out {
        for target in part.chunks_mut(CHUNK) {
            let (sealed, rest) = from.split_at_checked(target.len() + extra)?;
            from = rest;
            jobs.push((number, sealed, target));
            number += 1;
        }
    }
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(8);
    let share = jobs.len().div_ceil(threads).max(1);
    let opened = std::thread::scope(|scope| {
        let workers: Vec<_> = jobs
            .chunks_mut(share)
            .map(|jobs| {
                scope.spawn(move || {
                    jobs.iter_mut().all(|(number, sealed, target)| {
                        let value = sealer.open(&bound_to(header, *number), sealed);
                        value.is_some_and(|value| {
                            value.len() == target.len() && {
                                target.copy_from_slice(&value);
                                true
                            }
                        })
                    })
                })
            })
            .collect();
        workers.into_iter().all(|worker| worker.join().unwrap_or(false))
    });
    opened.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::super::tests::unit;
    use super::*;
    use phiz_eval::random::Random;

    #[test]
    fn a_file_comes_back_and_any_flipped_byte_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let gallery = [5; 16];
        for sealer in [Sealer::fresh().unwrap(), Sealer::open_to_all()] {
            let mut random = Random::new(2);
            let mut index = Index::new(20);
            let people: Vec<Vec<f32>> = (0..50).map(|_| unit(&mut random, 20)).collect();
            for (id, template) in people.iter().enumerate() {
                index.set(id as u64 + 1, Some(template));
            }
            index.mark = Mark { version: 9, stamp: 1234 };
            index.set(7, None);
            let index = save(&index, &path, &gallery, &sealer).unwrap();
            let Loaded::Index(again) = load(&path, 20, &gallery, &sealer) else { panic!("cannot be loaded") };
            assert_eq!((again.mark, again.len(), again.pending()), (index.mark, 49, 0));
            let probe = again.probe(&people[20]);
            assert_eq!(again.search(&[probe], 1, None)[0][0].id, 21);

            let good = std::fs::read(&path).unwrap();
            let plain = again.coder.code(&people[20]).codes;
            let shown = good.windows(4).any(|w| (0..4).all(|i| w[i] == plain[i] | plain[i + 4] << 4));
            assert_eq!(shown, !sealer.is_sealed(), "eight values of a template in the file");
            // Bytes between the header and the first chunk are padding that nothing reads.
            let used = (0..good.len()).filter(|i| *i < 104 || *i >= START);
            for at in used.step_by(7) {
                let mut bad = good.clone();
                bad[at] ^= 4;
                std::fs::write(&path, &bad).unwrap();
                let found = matches!(load(&path, 20, &gallery, &sealer), Loaded::Unusable(_));
                assert!(found || (!sealer.is_sealed() && (80..104).contains(&at)), "byte {at}");
            }
            for cut in [0, 7, 64, START, good.len() - 1] {
                std::fs::write(&path, &good[..cut]).unwrap();
                assert!(!matches!(load(&path, 20, &gallery, &sealer), Loaded::Index(_)), "cut at {cut}");
            }
            for rows in [50, 1 << 40, u64::MAX / 16, u64::MAX] {
                let mut header: [u8; HEADER] = number(&good, 0);
                header[32..40].copy_from_slice(&rows.to_le_bytes());
                let check = sealer.seal(&header, b"").unwrap();
                let forged = [&header[..], &check, &good[HEADER + check.len()..]].concat();
                std::fs::write(&path, forged).unwrap();
                let found = load(&path, 20, &gallery, &sealer);
                assert!(
                    matches!(found, Loaded::Unusable(_)),
                    "{rows} rows by a header that is right in itself"
                );
            }
            std::fs::write(&path, &good).unwrap();
            assert!(!matches!(load(&path, 20, &[6; 16], &sealer), Loaded::Index(_)), "another gallery");
            assert!(!matches!(load(&path, 21, &gallery, &sealer), Loaded::Index(_)), "another dimension");
        }
    }
}

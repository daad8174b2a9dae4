//! Mapping the index file.
#![allow(unsafe_code)]

use std::fs::File;

use memmap2::Mmap;

/// A read-only view of a file, which must never be changed in place: writers make another file and rename it.
pub(crate) fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: index files are written under another name, renamed when they are whole, and never opened for writing
    // again (see `crate::index`), so the bytes do not change beneath the view. A foreign program that truncates the
    // file could end this process by a signal, but not make it read outside the mapping.
    unsafe { Mmap::map(file) }
}

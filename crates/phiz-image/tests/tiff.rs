//! TIFFs as scanners, cameras, editors and network drives write them, against tifffile and libtiff. `golden/tiff/make.py`
//! made the files and says what they are.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "common/variants.rs"]
mod variants;

#[test]
fn every_variant_is_read_or_refused_by_name() {
    variants::check("tiff", 70);
}

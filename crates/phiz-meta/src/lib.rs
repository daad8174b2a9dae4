//! Names and face regions in the metadata of photos, as other programs write and read them.
//!
//! Regions are those of the Metadata Working Group (MWG, guidelines 2.0: namespace `mwg-rs`), which digiKam, Lightroom,
//! Picasa, Apple's cameras, Immich and ExifTool share; Microsoft's and the IPTC's are read, too. They stand in an XMP packet: in a
//! sidecar (`photo.jpg.xmp`) or in the photo itself.
//!
//! - [`read`] tells which regions a packet states; [`picasa`] what Picasa kept beside the photos.
//! - [`merge`] puts regions and keywords into a packet. What others wrote there stays as it is, to the byte: new text is
//!   put between it, and only regions that carry our mark are ever taken out.
//! - [`jpeg`] finds the packet in a JPEG and changes it; all other bytes stay. [`embedded`] finds it in any file.
//! - [`mod@file`] writes files so that a crash leaves the old or the new one.
//!
//! An [`Area`] refers to the picture as it is stored, before the EXIF orientation turns it upright; this is how the
//! programs above mean it. [`Orientation`] maps between the two.
//!
//! ```
//! use phiz_meta::{Area, Face, Orientation, Tags, merge, read};
//! let area = Area { x: 0.5, y: 0.25, w: 0.2, h: 0.1 };
//! let tags = Tags { faces: vec![Face { name: "Ada".into(), area }], ..Tags::of(4000, 3000, Orientation::UPRIGHT) };
//! let merged = merge(None, &tags)?;
//! let found = read(&merged.packet)?;
//! assert_eq!(found.regions[0].name.as_deref(), Some("Ada"));
//! # Ok::<(), phiz_meta::MetaError>(())
//! ```

mod area;
mod error;
pub mod file;
pub mod jpeg;
mod merge;
pub mod picasa;
mod read;
mod space;
mod tree;

pub use area::{Area, Orientation};
pub use error::{MetaError, Result};
pub use merge::{Face, Merged, Outcome, Tags, merge};
pub use picasa::Picasa;
pub use read::{Found, Frame, Region, Schema, embedded, read};

//! Faces in video: sources, tracking, identity over time, events, redaction. Knows no terminal and no HTTP.
//!
//! ```no_run
//! use std::sync::Arc;
//! use phiz_service::Service;
//! use phiz_video::{Frames, ReadOptions, Source, WatchOptions, Watcher};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = Service::new()?;
//! let gallery = service.gallery_in_memory()?;
//! let source = Source::parse("party.mp4".as_ref())?;
//! let mut frames = Frames::open(source, ReadOptions::default(), Arc::default())?;
//! let mut watcher = Watcher::new(&service, Some(&gallery), WatchOptions::default())?;
//! while let Some(frame) = frames.next_frame()? {
//!     for event in watcher.frame(&frame)? {
//!         println!("{:.1} s: {:?} {}", event.time, event.event, event.who.label());
//!     }
//! }
//! for event in watcher.finish() {
//!     println!("{:.1} s: {:?} {}", event.time, event.event, event.who.label());
//! }
//! # Ok(()) }
//! ```
//!
//! - [`Frames`] reads a [`Source`] by an `ffmpeg` child, each [`Frame`] with its time;
//! - [`redact_video`] and [`redact_photo`] hide faces, [`marked`] marks them, [`rewrite`] writes a video anew;
//! - a [`Post`] brings events to an outbox, from which they are delivered, whatever is killed;
//! - a [`Watcher`] finds and follows faces, decides who they are by all views of a track, and tells [`Event`]s and [`Visit`]s.
//!
//! Boxes are in pixels of the upright video. Times are seconds from its beginning.

mod assign;
mod encode;
mod error;
mod event;
mod evidence;
mod frames;
mod hide;
mod kalman;
mod path;
mod post;
mod probe;
mod redact;
mod remembered;
mod render;
mod source;
mod strangers;
mod timeline;
mod tracker;
mod visit;
mod watch;

pub use encode::{WRITTEN, Writer};
pub use error::{Result, VideoError};
pub use event::{Cooldown, Event, EventKind, Identity};
pub use frames::{Frame, Frames, Notice, ReadOptions};
pub use hide::{AROUND, Hiding, hide};
pub use path::{Path, Point};
pub use post::{Post, Posted};
pub use probe::{Probe, probe};
pub use redact::{
    Left, RedactOptions, RedactedPhoto, RedactedVideo, Rewriting, Stage, Whom, check_photo, check_video,
    redact_photo, redact_video, write_hidden,
};
pub use remembered::StrangersOfGallery;
pub use render::{looked_at, marked, preview, rewrite};
pub use source::{Source, is_picture};
pub use strangers::{Stranger, Strangers, StrangersOfRun};
pub use timeline::timeline;
pub use visit::Visit;
pub use watch::{Present, WatchOptions, Watcher, Work};

//! Strangers whose numbers outlive the program: they are kept in the gallery, as sightings in groups.
//!
//! A track that shows a stranger becomes one sighting: its combined template, with the camera and the time in place of a
//! photo's path. So `phiz strangers` lists strangers of cameras beside those of photos, and whoever is named there is known to
//! the cameras from then on. All cameras of a process share the numbers, and other processes' numbers are read before a new
//! one is given.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use phiz_gallery::{Gallery, GalleryError, GroupId, NewPhoto, NewSighting, PhotoFile};
use sha2::{Digest as _, Sha256};

use crate::strangers::{Known, Likeness, Stranger, Strangers};
use crate::{Result, VideoError};

/// By what views of cameras were looked at, in the gallery.
const LOOKED: &str = "video";

/// Strangers whom a gallery remembers, for all cameras of a process.
#[derive(Clone)]
pub struct StrangersOfGallery<'a> {
    gallery: &'a Gallery,
    camera: String,
    /// Whether it is no camera, but a file, of which the time within it says where somebody is seen.
    file: bool,
    known: Arc<Mutex<Known>>,
    /// When the last view was kept, in milliseconds since 1970: two views of one moment would have one name.
    last: Arc<AtomicI64>,
    tell: Arc<dyn Fn(&GalleryError) + Send + Sync>,
}

impl<'a> StrangersOfGallery<'a> {
    /// Reads the strangers of a gallery. `tell` hears why one could not be kept; he or she then has no number.
    ///
    /// # Errors
    /// The gallery cannot be read.
    pub fn new(
        gallery: &'a Gallery,
        tell: impl Fn(&GalleryError) + Send + Sync + 'static,
    ) -> Result<StrangersOfGallery<'a>> {
        let known = read(gallery).map_err(|error| VideoError::Service(error.into()))?;
        Ok(StrangersOfGallery {
            gallery,
            camera: String::new(),
            file: false,
            known: Arc::new(Mutex::new(known)),
            last: Arc::default(),
            tell: Arc::new(tell),
        })
    }

    /// The same strangers, before a camera of this name.
    #[must_use]
    pub fn before(&self, camera: &str) -> StrangersOfGallery<'a> {
        StrangersOfGallery { camera: camera.into(), file: false, ..self.clone() }
    }

    /// The same strangers, in a video file of this name.
    #[must_use]
    pub fn in_file(&self, file: &str) -> StrangersOfGallery<'a> {
        StrangersOfGallery { camera: file.into(), file: true, ..self.clone() }
    }

    /// Forgets views of cameras that are older than so many days; says how many. They are destroyed as photos are that are
    /// gone: by `phiz gallery purge`, or in time. A stranger without a view is in no list any more, and the number is not
    /// given again.
    ///
    /// # Errors
    /// The gallery cannot be read or written.
    pub fn forget_older(gallery: &Gallery, days: f64) -> Result<usize> {
        let forget = || {
            let before = now().as_secs_f64() - days * 24.0 * 3600.0;
            let old: Vec<PathBuf> = gallery
                .photos()?
                .into_iter()
                .filter(|photo| photo.looked == LOOKED && photo.gone.is_none())
                .filter(|photo| photo.taken.unwrap_or(photo.seen) as f64 <= before)
                .flat_map(|photo| photo.files.into_iter().map(|file| file.path))
                .collect();
            if old.is_empty() { Ok(0) } else { gallery.lose_files(&old) }
        };
        forget().map_err(|error: GalleryError| VideoError::Service(error.into()))
    }

    /// Keeps a view; the number of the stranger it shows.
    fn keep(&self, seen: &Stranger<'_>, group: Option<u64>) -> std::result::Result<u64, GalleryError> {
        let at = i64::try_from(now().as_millis()).unwrap_or(i64::MAX / 1_000_000);
        let at = at.max(self.last.fetch_max(at, Ordering::Relaxed) + 1);
        self.last.fetch_max(at, Ordering::Relaxed);
        let (seconds, modified) = (at / 1000, at * 1_000_000);
        let mut content = Sha256::new();
        content.update(b"view of a camera, form 1\0");
        content.update(self.camera.as_bytes());
        content.update(modified.to_le_bytes());
        seen.template.vector().iter().for_each(|value| content.update(value.to_le_bytes()));
        let view = NewPhoto {
            photo: content.finalize().into(),
            // No file: a name that says where and when, and that is nobody else's.
            file: PhotoFile {
                path: match self.file {
                    true => format!(
                        "{} at {}, watched {}.{:03}",
                        self.camera,
                        clock(seen.time),
                        date(seconds),
                        at % 1000
                    ),
                    false => format!("{} at {}.{:03}", self.camera, date(seconds), at % 1000),
                }
                .into(),
                size: 0,
                modified,
            },
            size: seen.size.map(|side| side.max(0.0) as u32),
            taken: Some(seconds),
            looked: LOOKED.into(),
            faces: Some(vec![NewSighting {
                template: seen.template.clone(),
                quality: seen.quality.clamp(0.0, 1.0),
                bbox: seen.bbox,
                score: 1.0,
                landmarks: usual_landmarks(seen.bbox),
            }]),
            problem: None,
        };
        Ok(self.gallery.see_stranger(&view, group.map(GroupId))?.0.0)
    }
}

impl Strangers for StrangersOfGallery<'_> {
    fn number(&mut self, seen: &Stranger<'_>, busy: &BTreeSet<u64>) -> Option<u64> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut who = known.who(seen.template, busy);
        if who == Likeness::New {
            // Another process may have given a number meanwhile, or somebody has named, joined or split strangers.
            match read(self.gallery) {
                Ok(fresh) => *known = fresh,
                Err(error) => (self.tell)(&error),
            }
            who = known.who(seen.template, busy);
        }
        let group = match who {
            Likeness::Same(number) => Some(number),
            Likeness::New => None,
            Likeness::Doubtful => return None,
        };
        match self.keep(seen, group) {
            Ok(number) => {
                known.add(number, seen.template, seen.quality);
                Some(number)
            }
            Err(error) => {
                (self.tell)(&error);
                None
            }
        }
    }

    fn named(&mut self, number: u64) {
        // The gallery decides its sightings anew: they are the person's.
        self.known.lock().unwrap_or_else(PoisonError::into_inner).all.retain(|(known, _)| *known != number);
    }
}

fn now() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn read(gallery: &Gallery) -> std::result::Result<Known, GalleryError> {
    let mut known = Known::new(gallery.thresholds());
    for stranger in gallery.stranger_views()? {
        for (template, quality) in &stranger.views {
            known.add(stranger.group.0, template, *quality);
        }
    }
    Ok(known)
}

/// Where eyes, nose and mouth of an upright face usually are in its box: tracks do not keep them.
fn usual_landmarks([x, y, w, h]: [f32; 4]) -> [[f32; 2]; 5] {
    [[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.78], [0.65, 0.78]].map(|[u, v]| [x + u * w, y + v * h])
}

/// Seconds as `1:02:03.4` or `2:03.4`.
fn clock(seconds: f64) -> String {
    let tenths = (seconds.max(0.0) * 10.0).round() as u64;
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    let hours = if hours > 0 { format!("{hours}:{minutes:02}") } else { minutes.to_string() };
    format!("{hours}:{:02}.{}", rest / 10, rest % 10)
}

/// A time as `2026-11-29 01:02:03`, in UTC.
fn date(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Eras of 400 years from 1 March of the year 0.
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_a_file_are_read_as_players_show_them() {
        for (seconds, text) in [(0.0, "0:00.0"), (61.26, "1:01.3"), (3599.96, "1:00:00.0"), (-1.0, "0:00.0")]
        {
            assert_eq!(clock(seconds), text);
        }
    }

    #[test]
    fn times_are_dates() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_795_914_000, "2026-11-29 01:00:00"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }
}

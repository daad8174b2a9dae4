//! What is known of each gallery's photos and strangers, kept in memory for as long as the gallery stays as it is.
//!
//! Reading an archive costs as much as it is large, and a page asks several times in a row: so one reading serves all until
//! something changes, and only one request reads at a time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use phiz_gallery::store::Mark;
use phiz_gallery::{Gallery, Grouping};
use phiz_service::{Album, Asked, IdentifyOptions, Known};
use tokio::sync::Semaphore;

use crate::app::{Access, App};
use crate::error::{ApiError, Result};

/// Requests that wait for the same archive at a time hold a thread each.
const AT_ONCE: usize = 4;
/// What nobody has asked for so long is read anew when it is needed.
const KEPT: Duration = Duration::from_secs(600);

/// All archives by their galleries' names.
pub(crate) struct Archives {
    all: Mutex<BTreeMap<String, Arc<Entry>>>,
    turns: Semaphore,
}

impl Default for Archives {
    fn default() -> Archives {
        Archives { all: Mutex::default(), turns: Semaphore::new(AT_ONCE) }
    }
}

#[derive(Default)]
struct Entry {
    held: Mutex<Held>,
    /// Whether everything that was seen has been grouped.
    grouped: AtomicBool,
}

#[derive(Default)]
struct Held {
    known: Option<Arc<Known>>,
    asked: Option<(Mark, Arc<Vec<Asked>>)>,
    used: Option<Instant>,
}

fn options() -> IdentifyOptions {
    IdentifyOptions::default()
}

impl Archives {
    fn entry(&self, name: &str) -> Arc<Entry> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(name.to_owned()).or_default().clone()
    }

    /// Photos were kept that are not grouped yet.
    pub(crate) fn has_new(&self, name: &str) {
        self.entry(name).grouped.store(false, Ordering::Relaxed);
    }

    /// Forgets what nobody has asked for in a while.
    pub(crate) fn tidy(&self) {
        let all: Vec<Arc<Entry>> =
            self.all.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for entry in all {
            let Ok(mut held) = entry.held.try_lock() else { continue };
            if held.used.is_some_and(|used| used.elapsed() > KEPT) {
                *held = Held::default();
            }
        }
    }

    /// Everything that is known of a gallery's archive now; strangers are grouped.
    fn known(&self, name: &str, gallery: &Gallery) -> Result<Arc<Known>> {
        let entry = self.entry(name);
        let mut held = entry.held.lock().unwrap_or_else(PoisonError::into_inner);
        current(&entry, &mut held, gallery)
    }

    /// The questions about a gallery, in order of worth.
    fn asked(&self, name: &str, gallery: &Gallery) -> Result<(Arc<Known>, Arc<Vec<Asked>>)> {
        let entry = self.entry(name);
        let mut held = entry.held.lock().unwrap_or_else(PoisonError::into_inner);
        let known = current(&entry, &mut held, gallery)?;
        if let (Some(mark), Some((of, asked))) = (known.mark, &held.asked)
            && mark == *of
        {
            return Ok((known, asked.clone()));
        }
        let asked = Arc::new(Album::over(gallery, known.clone()).questions(&options())?);
        held.asked = known.mark.map(|mark| (mark, asked.clone()));
        Ok((known, asked))
    }
}

fn current(entry: &Entry, held: &mut Held, gallery: &Gallery) -> Result<Arc<Known>> {
    held.used = Some(Instant::now());
    if !entry.grouped.swap(true, Ordering::Relaxed) {
        let again = |error: phiz_service::Error| {
            entry.grouped.store(false, Ordering::Relaxed);
            ApiError::from(error)
        };
        let known = Known::read(gallery, &options()).map_err(again)?;
        let grouping = Grouping::default();
        gallery.group_strangers(&known.archive, &grouping, &|_, _| {}).map_err(|e| again(e.into()))?;
        held.known = Some(Arc::new(known));
    }
    if let Some(known) = &held.known
        && let Some(mark) = known.mark
        && gallery.mark()? == mark
    {
        return Ok(known.clone());
    }
    // Two of them at once would take twice the memory.
    held.known = None;
    let known = Arc::new(Known::read(gallery, &options())?);
    held.known = Some(known.clone());
    Ok(known)
}

impl App {
    /// Forgets photos that were sent longer ago than the setting lets them stay. Says how many.
    pub(crate) fn expire_sent(&self) -> Result<usize> {
        let days = i64::from(self.settings.keep_days);
        if days == 0 {
            return Ok(0);
        }
        let limit = crate::book::now() - days * 86_400;
        let mut forgotten = 0;
        for (_, gallery) in self.galleries.all() {
            for photo in gallery.photos()? {
                if photo.sent && photo.gone.is_none() && photo.seen < limit {
                    gallery.forget_photo(photo.id)?;
                    forgotten += 1;
                }
            }
        }
        Ok(forgotten)
    }

    /// Asks a gallery's archive.
    pub(crate) async fn album<T: Send + 'static>(
        &self,
        access: Access,
        work: impl FnOnce(&App, &Album<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _turn = self.archives.turns.acquire().await.map_err(ApiError::internal)?;
        self.blocking(move |app| {
            let known = app.archives.known(&access.gallery_name, &access.gallery)?;
            work(app, &Album::over(&access.gallery, known))
        })
        .await
    }

    /// Asks a gallery's archive and its questions.
    pub(crate) async fn questions<T: Send + 'static>(
        &self,
        access: Access,
        work: impl FnOnce(&App, &Album<'_>, &[Asked]) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _turn = self.archives.turns.acquire().await.map_err(ApiError::internal)?;
        self.blocking(move |app| {
            let (known, asked) = app.archives.asked(&access.gallery_name, &access.gallery)?;
            work(app, &Album::over(&access.gallery, known), &asked)
        })
        .await
    }
}

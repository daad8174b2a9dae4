//! The gallery: what a caller holds.
//!
//! Its parts: this file opens, reads and writes; [`follow`] keeps the index in step, [`look`] lists, [`enroll`] takes faces
//! in, [`search`] decides, [`edit`] changes people, [`journal`] takes that back, [`upkeep`] destroys, checks and counts,
//! [`keys`] changes the key.

mod edit;
mod enroll;
mod follow;
mod journal;
mod keys;
mod look;
mod search;
mod upkeep;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use phiz_template::Thresholds;
use serde::{Deserialize, Serialize};

pub(crate) use enroll::add_face;
pub use enroll::{EnrollRules, Enrolled, Outcome, Refusal, Whom};
pub use journal::{Operation, Undone};
pub(crate) use look::with_all;
pub(crate) use search::{Against, Likeness, liken};
pub use search::{Filter, Identified, Search, Verified};
pub use upkeep::{Purge, Purged, Statistics};

use crate::error::{ErrorKind, GalleryError, Result};
use crate::index::Index;
use crate::rows::Codec;
use crate::seal::{Key, Seal, Sealer, Wrap};
use crate::store::{Rows, RowsMut, SqliteStore, Store};

/// The embedder that a gallery is bound to.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Its identity; templates of another are refused.
    pub id: String,
    /// Values that its templates have.
    pub dim: usize,
    /// Which similarity stands for which false match rate.
    pub thresholds: Thresholds,
}

/// What must be known to open anything else; in the clear, but the data key is bound to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    gallery: String,
    model: String,
    dim: usize,
    /// Counts data keys, so that a process notices that another has changed it.
    key_number: u64,
    seal: Option<Wrap>,
}

impl Head {
    fn identity(&self) -> Vec<u8> {
        format!("{} {} {} {}", self.gallery, self.model, self.dim, self.key_number).into_bytes()
    }

    fn gallery_id(&self) -> Option<[u8; 16]> {
        crate::seal::unhex(&self.gallery)?.try_into().ok()
    }
}

/// What may change and belongs to the gallery as a whole; sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The model's, from its card.
    pub(crate) thresholds: Thresholds,
    /// Measured on this gallery, see [`Gallery::calibrate`].
    #[serde(default)]
    pub(crate) calibration: Option<crate::calibrate::Calibration>,
    /// For how many days what was removed can be restored.
    pub(crate) undo_days: u32,
}

/// For how many days what was removed can be restored, unless the gallery is set otherwise.
pub const UNDO_DAYS: u32 = 30;

const HEAD: &str = "head";
const SETTINGS: &str = "settings";

/// People and their faces, in one file. May be shared by threads, and its file by processes.
pub struct Gallery {
    store: Mutex<Box<dyn Store>>,
    index: RwLock<Option<Index>>,
    index_file: Option<PathBuf>,
    path: Option<PathBuf>,
    read_only: bool,
    head: Head,
    id: [u8; 16],
    sealer: Sealer,
    settings: RwLock<Settings>,
    notes: Mutex<Vec<String>>,
}

impl std::fmt::Debug for Gallery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gallery").field("path", &self.path).field("model", &self.head.model).finish()
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
}

/// Opening.
impl Gallery {
    /// Makes a gallery in a new file, sealed by `key`. A key file that does not exist is made.
    ///
    /// # Errors
    /// The file exists, cannot be made, or the key cannot be used.
    pub fn create(path: &Path, model: &Model, key: &Key) -> Result<Gallery> {
        if path.exists() {
            let reason = "there is a file of that name already";
            return Err(GalleryError::new(ErrorKind::Conflict, reason)
                .at(path)
                .hint_at("open it, or name another"));
        }
        if let Key::File(file) = key
            && !file.exists()
        {
            Key::generate(file)?;
        }
        let store = SqliteStore::open(path, true)?;
        Gallery::over(Box::new(store), Some(path), Some(model), key)
    }

    /// Opens a gallery.
    ///
    /// # Errors
    /// There is none, it is damaged or of a newer version, or the key does not open it.
    pub fn open(path: &Path, key: &Key) -> Result<Gallery> {
        Gallery::over(Box::new(SqliteStore::open(path, false)?), Some(path), None, key)
    }

    /// Opens a gallery by the key that `choose` gives for what seals it.
    ///
    /// # Errors
    /// See [`Gallery::open`].
    pub fn open_with(path: &Path, choose: impl FnOnce(&Seal) -> Key) -> Result<Gallery> {
        let mut store = SqliteStore::open(path, false)?;
        let head =
            read_head(&mut store).and_then(|head| head.ok_or_else(headless)).map_err(|e| e.at(path))?;
        let key = choose(&Seal::of(head.seal.as_ref()));
        Gallery::over(Box::new(store), Some(path), None, &key)
    }

    /// Opens a gallery only to read it; what would change it is refused.
    ///
    /// # Errors
    /// See [`Gallery::open`].
    pub fn open_read_only(path: &Path, key: &Key) -> Result<Gallery> {
        let store = SqliteStore::open_read_only(path)?;
        let mut gallery = Gallery::over(Box::new(store), Some(path), None, key)?;
        gallery.read_only = true;
        Ok(gallery)
    }

    /// A gallery over any store, without an index file. With `model`, an empty store becomes a gallery.
    ///
    /// # Errors
    /// See [`Gallery::create`] and [`Gallery::open`].
    pub fn over_store(store: Box<dyn Store>, model: Option<&Model>, key: &Key) -> Result<Gallery> {
        Gallery::over(store, None, model, key)
    }

    fn over(
        mut store: Box<dyn Store>,
        path: Option<&Path>,
        model: Option<&Model>,
        key: &Key,
    ) -> Result<Gallery> {
        let at = |e: GalleryError| match path {
            Some(path) if e.path().is_none() => e.at(path),
            _ => e,
        };
        let mut head = read_head(&mut *store).map_err(at)?;
        if head.is_none()
            && let Some(model) = model
        {
            // Two processes may both find it empty: the second takes what the first has made.
            store.write(&mut |rows| {
                if rows.meta(HEAD)?.is_none() {
                    initialise(rows, model, key)?;
                }
                Ok(())
            })?;
            head = read_head(&mut *store).map_err(at)?;
        }
        let head = head.ok_or_else(|| at(headless()))?;
        let damaged = || at(GalleryError::damaged("the gallery's head"));
        let id = head.gallery_id().ok_or_else(damaged)?;
        let sealer = match &head.seal {
            Some(wrap) => Sealer::unwrap(wrap, key, &head.identity()).map_err(at)?,
            None => Sealer::open_to_all(),
        };
        let mut settings = None;
        store.read(&mut |rows| {
            settings = Some(read_settings(rows, &sealer, &head)?);
            Ok(())
        })?;
        let settings = settings.ok_or_else(damaged)?;
        if let Some(model) = model
            && (model.id != head.model || model.dim != head.dim)
        {
            return Err(at(other_model(&head.model, &model.id)));
        }
        let index_file = path.map(|path| {
            let mut name = path.as_os_str().to_owned();
            name.push(".index");
            name.into()
        });
        let mut notes = Vec::new();
        if let Key::File(file) = key
            && head.seal.is_some()
            && Key::is_exposed(file)
        {
            notes.push(format!(
                "{}: others on this machine may read this key file: chmod 600 it",
                file.display()
            ));
        }
        if head.seal.is_none() && !matches!(key, Key::None) {
            notes.push("this gallery is not sealed; the key that was given is not used".into());
        }
        Ok(Gallery {
            store: Mutex::new(store),
            index: RwLock::new(None),
            index_file,
            path: path.map(Path::to_path_buf),
            read_only: false,
            head,
            id,
            sealer,
            settings: RwLock::new(settings),
            notes: Mutex::new(notes),
        })
    }
}

fn other_model(own: &str, other: &str) -> GalleryError {
    GalleryError::new(
        ErrorKind::OtherModel,
        format!("the gallery holds templates of model {own}, not of {other}"),
    )
}

fn initialise(rows: &mut dyn RowsMut, model: &Model, key: &Key) -> Result<()> {
    if model.dim == 0 || model.dim > 1 << 14 || model.id.is_empty() {
        return Err(GalleryError::new(ErrorKind::Caller, "a model needs an id and 1 to 16384 values"));
    }
    let mut id = [0; 16];
    crate::seal::random(&mut id)?;
    let mut head = Head {
        gallery: crate::seal::hex(&id),
        model: model.id.clone(),
        dim: model.dim,
        key_number: 1,
        seal: None,
    };
    let sealer = if matches!(key, Key::None) { Sealer::open_to_all() } else { Sealer::fresh()? };
    head.seal = sealer.wrap(key, &head.identity())?;
    let settings = Settings { thresholds: model.thresholds.clone(), calibration: None, undo_days: UNDO_DAYS };
    write_head(rows, &head)?;
    write_settings(rows, &sealer, &head, &settings)
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| GalleryError::new(ErrorKind::Caller, e.to_string()))
}

/// The head of the gallery in a store, if it has one.
fn read_head(store: &mut dyn Store) -> Result<Option<Head>> {
    let mut found = None;
    store.read(&mut |rows| {
        found = rows.meta(HEAD)?;
        Ok(())
    })?;
    let parse = |bytes: Vec<u8>| {
        let head = serde_json::from_slice(&bytes).ok();
        let sound = head.filter(|head: &Head| head.seal.as_ref().is_none_or(Wrap::is_sound));
        sound.ok_or_else(|| GalleryError::damaged("the gallery's head"))
    };
    found.map(parse).transpose()
}

fn headless() -> GalleryError {
    GalleryError::new(ErrorKind::Damaged, "has no head: its making was interrupted")
        .hint_at("delete it and make it anew")
}

fn write_head(rows: &mut dyn RowsMut, head: &Head) -> Result<()> {
    rows.set_meta(HEAD, Some(&json(head)?))
}

fn write_settings(rows: &mut dyn RowsMut, sealer: &Sealer, head: &Head, settings: &Settings) -> Result<()> {
    let bound_to = [b"settings ", &*head.identity()].concat();
    rows.set_meta(SETTINGS, Some(&sealer.seal(&bound_to, &json(settings)?)?))
}

fn read_settings(rows: &dyn Rows, sealer: &Sealer, head: &Head) -> Result<Settings> {
    let damaged = || GalleryError::damaged("the gallery's settings");
    let sealed = rows.meta(SETTINGS)?.ok_or_else(damaged)?;
    let bound_to = [b"settings ", &*head.identity()].concat();
    let settings = sealer.open(&bound_to, &sealed).ok_or_else(damaged)?;
    serde_json::from_slice(&settings).map_err(|_| damaged())
}

/// Reading and writing the store.
impl Gallery {
    pub(crate) fn codec(&self) -> Codec<'_> {
        Codec { sealer: &self.sealer, dim: self.head.dim }
    }

    /// Another process may have changed the data key since we opened: then nothing that we seal or open is right.
    fn same_key(&self, rows: &dyn Rows) -> Result<()> {
        let head: Option<Head> = rows.meta(HEAD)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        match head {
            Some(head) if head.key_number == self.head.key_number && head.gallery == self.head.gallery => {
                Ok(())
            }
            Some(_) => Err(GalleryError::new(ErrorKind::WrongKey, "the gallery's key was changed meanwhile")
                .hint_at("open the gallery again, with the new key")),
            None => Err(GalleryError::damaged("the gallery's head")),
        }
    }

    /// Runs `work` over one state of the store.
    pub(crate) fn read<T>(&self, mut work: impl FnMut(&dyn Rows, Codec<'_>) -> Result<T>) -> Result<T> {
        let mut result = None;
        lock(&self.store).read(&mut |rows| {
            self.same_key(rows)?;
            result = Some(work(rows, self.codec())?);
            Ok(())
        })?;
        result.ok_or_else(|| GalleryError::new(ErrorKind::Io, "the store did not run what it was given"))
    }

    /// Runs `work` in a transaction: all of it lasts, or none.
    pub(crate) fn write<T>(
        &self,
        mut work: impl FnMut(&mut dyn RowsMut, Codec<'_>) -> Result<T>,
    ) -> Result<T> {
        self.may_write()?;
        let mut result = None;
        lock(&self.store).write(&mut |rows| {
            self.same_key(rows)?;
            result = Some(work(rows, self.codec())?);
            Ok(())
        })?;
        result.ok_or_else(|| GalleryError::new(ErrorKind::Io, "the store did not run what it was given"))
    }

    fn may_write(&self) -> Result<()> {
        if !self.read_only {
            return Ok(());
        }
        let error = GalleryError::new(ErrorKind::ReadOnly, "the gallery was opened only to be read");
        Err(match &self.path {
            Some(path) => error.at(path),
            None => error,
        })
    }

    fn settings(&self) -> Settings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fails unless a template can be one of this gallery's: the right number of values, finite, of unit length.
    pub(crate) fn check_template(&self, template: &[f32]) -> Result<()> {
        let length = template.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let reason = if template.len() != self.head.dim {
            format!("a template has {} values, not {} as this gallery's", template.len(), self.head.dim)
        } else if !(0.99..=1.01).contains(&length) {
            format!("a template's length is {length}, not 1")
        } else {
            return Ok(());
        };
        Err(GalleryError::new(ErrorKind::Caller, reason)
            .hint_at("give templates as the model's embedder makes them"))
    }
}

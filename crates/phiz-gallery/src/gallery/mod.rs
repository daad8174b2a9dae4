//! The gallery: what a caller holds.
//!
//! Its parts, each of which uses only those before it: this file opens, reads and writes; [`follow`] keeps the index in
//! step; [`search`] decides; [`look`] lists; [`operation`] names what was done, [`steps`] how it is taken back, [`trash`]
//! destroys it, [`journal`] keeps it; [`edit`] changes people, [`enroll`] takes faces in; [`photos`] keeps an archive's
//! photos and sightings, [`together`] decides the faces of one photo, [`decisions`] those of the archive, [`cluster`] finds
//! which strangers are one person, [`groups`] keeps and changes that, [`seen`] adds those whom a camera sees; [`upkeep`] counts and gives space back, [`check`] reads everything, [`keys`] changes the key.

mod adopt;
mod check;
mod cluster;
mod decisions;
mod edit;
mod enroll;
mod follow;
mod groups;
mod journal;
mod kept;
mod keys;
mod look;
mod operation;
mod photos;
mod search;
mod seen;
mod steps;
mod take_back;
mod together;
mod trash;
mod upkeep;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
#[cfg(feature = "sqlite")]
use std::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use phiz_template::{ModelId, Template, Thresholds};
use serde::{Deserialize, Serialize};

pub use adopt::{Adopted, Adoptee, ToAdopt};
pub use decisions::{Archive, Decided, DecidedBy, Deciding};
pub use edit::Edit;
pub use enroll::{Doubt, EnrollRules, Enrolled, Likeness, Outcome, Refusal, Target};
pub(crate) use enroll::{add_face, in_photo};
pub(crate) use groups::own_group;
pub use groups::{Grouped, Grouping, NamedGroup};
pub use journal::Undone;
pub(crate) use journal::record;
pub(crate) use kept::forget_decisions;
pub use operation::{Operation, OperationKind};
pub use photos::Kept;
pub(crate) use photos::{of_content, overlap};
pub(crate) use search::{Against, compare};
pub use search::{Filter, Identified, Search, Verified};
pub use seen::{Memo, StrangerViews};
pub(crate) use steps::{Ranges, Step};
pub use together::once_a_photo;
pub use trash::{Purge, Purged};
pub use upkeep::Statistics;

use crate::error::{Cause, ErrorKind, GalleryError, Result};
use crate::faults::Note;
use crate::index::Index;
use crate::rates::Calibration;
use crate::remains::OpenFiles;
use crate::rows::Codec;
#[cfg(feature = "sqlite")]
use crate::seal::Seal;
use crate::seal::{Key, Sealer, Wrap};
#[cfg(feature = "sqlite")]
use crate::store::SqliteStore;
use crate::store::{Rows, RowsMut, Store};

/// The embedder that a gallery is bound to.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Its identity; templates of another are refused.
    pub id: ModelId,
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
    model: ModelId,
    dim: usize,
    /// Counts data keys, so that a process notices that another has changed it.
    key_number: u64,
    seal: Option<Wrap>,
    /// The model that the gallery was brought to since it was made. The data key stays bound to the first; this one is
    /// held to what the sealed settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    adopted: Option<AdoptedModel>,
}

/// A model that a gallery was brought to, see [`adopt`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdoptedModel {
    id: ModelId,
    dim: usize,
}

impl Head {
    fn identity(&self) -> Vec<u8> {
        format!("{} {} {} {}", self.gallery, self.model, self.dim, self.key_number).into_bytes()
    }

    /// The model whose templates the gallery holds.
    fn model(&self) -> &ModelId {
        self.adopted.as_ref().map_or(&self.model, |adopted| &adopted.id)
    }

    /// Values that its templates have.
    fn dim(&self) -> usize {
        self.adopted.as_ref().map_or(self.dim, |adopted| adopted.dim)
    }

    fn gallery_id(&self) -> Option<[u8; 16]> {
        crate::bytes::unhex(&self.gallery)?.try_into().ok()
    }
}

/// The head and what seals by it: replaced as a whole when the key changes, while others still use the old ones.
struct Keys {
    head: Head,
    identity: Vec<u8>,
    sealer: Sealer,
}

impl Keys {
    fn new(head: Head, sealer: Sealer) -> Keys {
        Keys { identity: head.identity(), head, sealer }
    }

    fn codec(&self) -> Codec<'_> {
        Codec { sealer: &self.sealer, dim: self.head.dim(), identity: &self.identity }
    }

    /// Another process may have changed the data key since we opened: then nothing that we seal or open is right.
    fn check(&self, rows: &dyn Rows) -> Result<()> {
        let head: Option<Head> = rows.meta(HEAD)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        match head {
            Some(head) if head.key_number == self.head.key_number && head.gallery == self.head.gallery => {
                if head.adopted == self.head.adopted {
                    return Ok(());
                }
                let reason = format!("the gallery was brought to model {} meanwhile", head.model());
                Err(GalleryError::new(ErrorKind::OtherModel, reason).with_hint("open the gallery again"))
            }
            Some(_) => Err(GalleryError::new(ErrorKind::WrongKey, "the gallery's key was changed meanwhile")
                .with_hint("open the gallery again, with the new key")
                .because(Cause::KeyChanged)),
            None => Err(GalleryError::damaged("the gallery's head")),
        }
    }
}

/// What may change and belongs to the gallery as a whole; sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The model's, from its card.
    pub(crate) thresholds: Thresholds,
    /// Measured on this gallery, see [`Gallery::calibrate`].
    #[serde(default)]
    pub(crate) calibration: Option<Calibration>,
    /// For how many days what was removed can be restored.
    pub(crate) undo_days: u32,
    /// The model that the gallery was brought to: what the head says in the clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) adopted: Option<AdoptedModel>,
}

/// For how many days what was removed can be restored, unless the gallery is set otherwise.
pub const UNDO_DAYS: u32 = 30;

const HEAD: &str = "head";
const SETTINGS: &str = "settings";

/// People and their faces. Shared by threads: searches wait neither for each other nor for a change, an export or a
/// check; changes take turns. Several processes may use one file.
pub struct Gallery {
    store: Box<dyn Store>,
    model: ModelId,
    dim: usize,
    id: [u8; 16],
    keys: RwLock<Arc<Keys>>,
    /// Held while the data key is changed.
    rotating: Mutex<()>,
    index: RwLock<Option<Index>>,
    /// Held while the index file is written.
    saving: Mutex<()>,
    index_file: Option<PathBuf>,
    path: Option<PathBuf>,
    read_only: bool,
    settings: RwLock<Settings>,
    notes: Mutex<Vec<Note>>,
    /// The gallery's files that a proof has searched. They are closed after the store, which comes first.
    searched: Mutex<OpenFiles>,
}

impl std::fmt::Debug for Gallery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gallery").field("path", &self.path).field("model", &self.model).finish()
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(GalleryError::io(path, &e)),
        _ => Ok(()),
    }
}

pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
}

/// How long to wait for another process that is making the gallery at this moment.
#[cfg(feature = "sqlite")]
const MAKING: Duration = Duration::from_secs(2);

/// Opening.
impl Gallery {
    /// Makes a gallery in a new file, sealed by `key`. A key file that does not exist is made. If anything fails, neither
    /// the file nor the key is left behind.
    ///
    /// # Errors
    /// The file exists or cannot be made, or the key cannot be used.
    #[cfg(feature = "sqlite")]
    pub fn create(path: &Path, model: &Model, key: &Key) -> Result<Gallery> {
        key.check_new()?;
        let mut made = Vec::new();
        let done = Gallery::make(path, model, key, &mut made);
        if done.is_err() {
            for file in made.iter().rev() {
                let _ = std::fs::remove_file(file);
            }
        }
        done
    }

    /// Remembers in `made` the files that it makes.
    #[cfg(feature = "sqlite")]
    fn make(path: &Path, model: &Model, key: &Key, made: &mut Vec<PathBuf>) -> Result<Gallery> {
        // Who makes the file makes the gallery: of two at once, one is told that it is there.
        match new_file(path) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                let reason = "there is a file of that name already";
                let error = GalleryError::new(ErrorKind::Conflict, reason).at(path);
                return Err(error.with_hint("open it, or name another"));
            }
            Err(e) => return Err(GalleryError::io(path, &e)),
            Ok(()) => {}
        }
        for ending in ["", "-wal", "-shm", "-journal"] {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            made.push(name.into());
        }
        if let Key::File(file) = key
            && !file.exists()
        {
            Key::generate(file)?;
            made.push(file.clone());
        }
        let store = SqliteStore::open(path, true)?;
        Gallery::over(Box::new(store), Some(path), Some(model), key)
    }

    /// Opens a gallery. One on a medium that cannot be written is opened for reading only, and a [`Note`] says so.
    ///
    /// # Errors
    /// There is none, it is damaged or of a newer version, or the key does not open it.
    #[cfg(feature = "sqlite")]
    pub fn open(path: &Path, key: &Key) -> Result<Gallery> {
        Gallery::open_with(path, |_| key.clone())
    }

    /// Opens a gallery by the key that `choose` gives for what seals it.
    ///
    /// # Errors
    /// The same errors as [`Gallery::open`].
    #[cfg(feature = "sqlite")]
    pub fn open_with(path: &Path, choose: impl FnOnce(&Seal) -> Key) -> Result<Gallery> {
        let (store, read_only) = match SqliteStore::open(path, false) {
            Err(e) if matches!(e.kind(), ErrorKind::ReadOnly | ErrorKind::Io) => {
                match SqliteStore::open_read_only(path) {
                    Ok(store) => (store, true),
                    Err(_) => return Err(e),
                }
            }
            other => (other?, false),
        };
        let since = std::time::Instant::now();
        let head = loop {
            match read_head(&store).map_err(|e| e.at(path))? {
                Some(head) => break head,
                None if since.elapsed() < MAKING => std::thread::sleep(Duration::from_millis(20)),
                None => return Err(headless().at(path)),
            }
        };
        let key = choose(&Seal::of(head.seal.as_ref()));
        let mut gallery = Gallery::over(Box::new(store), Some(path), None, &key)?;
        gallery.read_only = read_only;
        if read_only {
            lock(&gallery.notes).push(Note::ReadOnly);
        }
        Ok(gallery)
    }

    /// Opens a gallery only to read it; what would change it is refused.
    ///
    /// # Errors
    /// The same errors as [`Gallery::open`].
    #[cfg(feature = "sqlite")]
    pub fn open_read_only(path: &Path, key: &Key) -> Result<Gallery> {
        let store = SqliteStore::open_read_only(path)?;
        let mut gallery = Gallery::over(Box::new(store), Some(path), None, key)?;
        gallery.read_only = true;
        Ok(gallery)
    }

    /// A gallery that lasts as long as the value, in memory.
    ///
    /// # Errors
    /// The model has no values.
    pub fn in_memory(model: &Model) -> Result<Gallery> {
        Gallery::over_store(Box::new(crate::store::MemoryStore::default()), Some(model), &Key::None)
    }

    /// A gallery over any store, without an index file. With `model`, an empty store becomes a gallery.
    ///
    /// # Errors
    /// See [`Gallery::in_memory`], or the store holds a gallery of another model, or one that the key does not open.
    pub fn over_store(store: Box<dyn Store>, model: Option<&Model>, key: &Key) -> Result<Gallery> {
        Gallery::over(store, None, model, key)
    }

    fn over(store: Box<dyn Store>, path: Option<&Path>, model: Option<&Model>, key: &Key) -> Result<Gallery> {
        let at = |e: GalleryError| match path {
            Some(path) => e.at(path),
            None => e,
        };
        let mut head = read_head(&*store).map_err(at)?;
        if head.is_none()
            && let Some(model) = model
        {
            initialise(&*store, model, key).map_err(at)?;
            head = read_head(&*store).map_err(at)?;
        }
        let head = head.ok_or_else(|| at(headless()))?;
        let damaged = || at(GalleryError::damaged("the gallery's head"));
        let id = head.gallery_id().ok_or_else(damaged)?;
        if let Some(model) = model
            && (model.id != *head.model() || model.dim != head.dim())
        {
            return Err(at(other_model(head.model(), &model.id)));
        }
        let sealer = match &head.seal {
            Some(wrap) => Sealer::unwrap(wrap, key, &head.identity()).map_err(at)?,
            None => Sealer::open_to_all(),
        };
        let keys = Keys::new(head, sealer);
        let mut settings = None;
        store.read(&mut |rows| {
            settings = Some(read_settings(rows, keys.codec())?);
            Ok(())
        })?;
        let settings = settings.ok_or_else(damaged)?;
        if settings.adopted != keys.head.adopted {
            return Err(damaged());
        }
        let index_file = path.map(|path| {
            let mut name = path.as_os_str().to_owned();
            name.push(".index");
            name.into()
        });
        let mut notes = Vec::new();
        let sealed = keys.head.seal.is_some();
        if let Key::File(file) = key
            && sealed
            && Key::is_exposed(file)
        {
            notes.push(Note::KeyExposed { path: file.clone() });
        }
        if !sealed && !matches!(key, Key::None) {
            notes.push(Note::KeyNotUsed);
        }
        Ok(Gallery {
            store,
            model: keys.head.model().clone(),
            dim: keys.head.dim(),
            id,
            keys: RwLock::new(Arc::new(keys)),
            rotating: Mutex::new(()),
            index: RwLock::new(None),
            saving: Mutex::new(()),
            index_file,
            path: path.map(Path::to_path_buf),
            read_only: false,
            settings: RwLock::new(settings),
            notes: Mutex::new(notes),
            searched: Mutex::default(),
        })
    }
}

/// A file that only its owner may read; SQLite gives its other files the same mode.
#[cfg(feature = "sqlite")]
fn new_file(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ())
}

fn other_model(own: &ModelId, other: &ModelId) -> GalleryError {
    GalleryError::new(
        ErrorKind::OtherModel,
        format!("the gallery holds templates of model {own}, not of {other}"),
    )
}

/// Makes an empty store a gallery. Two processes may both find it empty: the second takes what the first has made.
fn initialise(store: &dyn Store, model: &Model, key: &Key) -> Result<()> {
    if model.dim == 0 || model.dim > 1 << 14 {
        return Err(GalleryError::new(ErrorKind::Caller, "a model's templates have 1 to 16384 values"));
    }
    let mut id = [0; 16];
    crate::bytes::random(&mut id)?;
    let mut head = Head {
        gallery: crate::bytes::hex(&id),
        model: model.id.clone(),
        dim: model.dim,
        key_number: 1,
        seal: None,
        adopted: None,
    };
    let sealer = if matches!(key, Key::None) { Sealer::open_to_all() } else { Sealer::fresh()? };
    head.seal = sealer.wrap(key, &head.identity())?;
    let keys = Keys::new(head, sealer);
    let settings = Settings {
        thresholds: model.thresholds.clone(),
        calibration: None,
        undo_days: UNDO_DAYS,
        adopted: None,
    };
    let mut first = false;
    let done = store.write(&mut |rows| {
        first = rows.meta(HEAD)?.is_none();
        if first {
            write_head(rows, &keys.head)?;
            write_settings(rows, keys.codec(), &settings)?;
        }
        Ok(())
    });
    if let Some(Wrap::Keyring { entry, .. }) = &keys.head.seal
        && (done.is_err() || !first)
    {
        crate::keyring::remove(entry);
    }
    done
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| GalleryError::new(ErrorKind::Caller, e.to_string()))
}

/// The head of the gallery in a store, if it has one.
fn read_head(store: &dyn Store) -> Result<Option<Head>> {
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
        .with_hint("delete it and make it anew")
}

fn write_head(rows: &mut dyn RowsMut, head: &Head) -> Result<()> {
    rows.set_meta(HEAD, Some(&json(head)?))
}

fn write_settings(rows: &mut dyn RowsMut, codec: Codec<'_>, settings: &Settings) -> Result<()> {
    let bound_to = [b"settings ", codec.identity].concat();
    rows.set_meta(SETTINGS, Some(&codec.sealer.seal(&bound_to, &json(settings)?)?))
}

fn read_settings(rows: &dyn Rows, codec: Codec<'_>) -> Result<Settings> {
    let damaged = || GalleryError::damaged("the gallery's settings");
    let sealed = rows.meta(SETTINGS)?.ok_or_else(damaged)?;
    let bound_to = [b"settings ", codec.identity].concat();
    let settings = codec.sealer.open(&bound_to, &sealed).ok_or_else(damaged)?;
    serde_json::from_slice(&settings).map_err(|_| damaged())
}

/// Reading and writing the store.
impl Gallery {
    fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs a transaction by the present keys; once more if another thread has changed the key meanwhile.
    fn with_keys<T>(&self, mut run: impl FnMut(&Keys) -> Result<T>) -> Result<T> {
        loop {
            let keys = self.keys();
            match run(&keys) {
                Err(e) if e.cause() == Some(&Cause::KeyChanged) => {
                    let _until_it_is_changed = lock(&self.rotating);
                    if Arc::ptr_eq(&keys, &self.keys()) {
                        return Err(e);
                    }
                }
                other => return other,
            }
        }
    }

    /// Runs `work` over one state of the store.
    pub(crate) fn read<T>(&self, mut work: impl FnMut(&dyn Rows, Codec<'_>) -> Result<T>) -> Result<T> {
        self.with_keys(|keys| {
            let mut result = None;
            self.store.read(&mut |rows| {
                keys.check(rows)?;
                result = Some(work(rows, keys.codec())?);
                Ok(())
            })?;
            result.ok_or_else(not_run)
        })
    }

    /// Runs `work` in a transaction: all of it lasts, or none.
    pub(crate) fn write<T>(
        &self,
        mut work: impl FnMut(&mut dyn RowsMut, Codec<'_>) -> Result<T>,
    ) -> Result<T> {
        self.with_keys(|keys| self.write_by(keys, &mut work))
    }

    fn write_by<T>(
        &self,
        keys: &Keys,
        work: &mut impl FnMut(&mut dyn RowsMut, Codec<'_>) -> Result<T>,
    ) -> Result<T> {
        self.may_write()?;
        let mut result = None;
        self.store.write(&mut |rows| {
            keys.check(rows)?;
            result = Some(work(rows, keys.codec())?);
            Ok(())
        })?;
        result.ok_or_else(not_run)
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

    /// Fails unless a template is of this gallery's model.
    pub(crate) fn check_template(&self, template: &Template) -> Result<()> {
        if *template.model() != self.model {
            return Err(other_model(&self.model, template.model()));
        }
        if template.vector().len() != self.dim {
            let (has, wanted) = (template.vector().len(), self.dim);
            let reason = format!("a template has {has} values, not {wanted} as this gallery's");
            return Err(GalleryError::new(ErrorKind::Caller, reason)
                .with_hint("give templates as the model's embedder makes them"));
        }
        Ok(())
    }
}

fn not_run() -> GalleryError {
    GalleryError::new(ErrorKind::Io, "the store did not run what it was given")
}

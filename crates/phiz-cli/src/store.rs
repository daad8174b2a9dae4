//! Where the gallery lies, how it is opened, and galleries that last only as long as a command.

use std::path::{Path, PathBuf};

use phiz_gallery::{Gallery, Key, Model, Seal};

use super::{Failure, Shared, verify};
use crate::Engine;

const GALLERY: &str = "gallery.phiz";
const KEY: &str = "gallery.key";

impl From<phiz_gallery::GalleryError> for Failure {
    fn from(error: phiz_gallery::GalleryError) -> Failure {
        Failure::new(&error).hint(error.hint())
    }
}

impl Shared {
    /// The gallery's file: `--gallery`, or in the home folder.
    pub(crate) fn gallery_path(&self) -> Result<PathBuf, Failure> {
        match &self.gallery {
            Some(path) => Ok(path.clone()),
            None => Ok(self.home_folder()?.join(GALLERY)),
        }
    }

    /// What opens or is to seal it: `--keyring`, `--key`, `PHIZ_PASSPHRASE`, or a key file beside it.
    fn key(&self) -> Result<Key, Failure> {
        if self.keyring {
            return Ok(Key::Keyring);
        }
        if let Some(path) = &self.key {
            return Ok(Key::File(path.clone()));
        }
        if let Some(passphrase) = std::env::var_os("PHIZ_PASSPHRASE") {
            let text = passphrase.into_string().map_err(|_| {
                Failure::new("PHIZ_PASSPHRASE: is no text").hint("use a passphrase that is valid UTF-8")
            })?;
            return Ok(Key::passphrase(text));
        }
        match &self.gallery {
            Some(path) => Ok(Key::File(path.with_extension("key"))),
            None => Ok(Key::File(self.home_folder()?.join(KEY))),
        }
    }

    fn home_folder(&self) -> Result<PathBuf, Failure> {
        let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = self.home.clone().or_else(|| {
            if cfg!(windows) {
                return Some(variable("LOCALAPPDATA")?.join("phiz"));
            }
            variable("XDG_DATA_HOME")
                .filter(|path| path.is_absolute())
                .or_else(|| Some(variable("HOME")?.join(".local/share")))
                .map(|data| data.join("phiz"))
        });
        home.ok_or_else(|| {
            Failure::new("there is no home folder to keep the gallery in")
                .hint("set PHIZ_HOME to a folder, or name the file with --gallery")
        })
    }

    /// The gallery that exists.
    pub(crate) fn open_gallery(&self) -> Result<Gallery, Failure> {
        let path = self.gallery_path()?;
        if !path.exists() {
            return Err(Failure::new(format!("{}: there is no gallery yet", path.display()))
                .hint("enrol somebody first: phiz enroll NAME PHOTO…"));
        }
        let usual = self.key()?;
        let gallery = Gallery::open_with(&path, |seal| match seal {
            // The gallery itself says that its key is there.
            Seal::Keyring(_) if self.key.is_none() => Key::Keyring,
            _ => usual,
        })?;
        for note in gallery.notes() {
            eprintln!("note: {note}");
        }
        Ok(gallery)
    }

    /// The gallery that exists, if it is the engine's.
    pub(crate) fn open_gallery_of(&self, engine: &Engine) -> Result<Gallery, Failure> {
        let gallery = self.open_gallery()?;
        gallery.expect_model(engine.model_id()).map_err(|error| {
            let failure = Failure::new(&error);
            failure.hint(bundled_as(gallery.model().as_str()).unwrap_or_else(|| error.hint()))
        })?;
        Ok(gallery)
    }

    /// The gallery, made if there is none.
    pub(crate) fn open_or_create_gallery(&self, engine: &Engine) -> Result<Gallery, Failure> {
        let path = self.gallery_path()?;
        if path.exists() {
            return self.open_gallery_of(engine);
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        create_private(folder).map_err(|e| Failure::writing(folder, &e))?;
        let gallery = Gallery::create(&path, &model_of(engine)?, &self.key()?)?;
        eprintln!("made a gallery: {}", path.display());
        Ok(gallery)
    }
}

/// What takes the model of this id, if it is a bundled one.
fn bundled_as(id: &str) -> Option<&'static str> {
    let is = |model: Result<crate::Model, _>| model.is_ok_and(|model| model.id().as_str() == id);
    if is(crate::Model::small_embedder()) {
        Some("add --small: the gallery was made so")
    } else if is(crate::Model::bundled_embedder()) {
        Some("leave out --small and --embedder: the gallery was made so")
    } else {
        None
    }
}

/// A gallery in memory.
pub(crate) fn passing_gallery(engine: &Engine) -> Result<Gallery, Failure> {
    Ok(Gallery::in_memory(&model_of(engine)?)?)
}

fn model_of(engine: &Engine) -> Result<Model, Failure> {
    Ok(Model {
        id: engine.model_id().clone(),
        dim: engine.dim(),
        thresholds: verify::thresholds(engine)?.clone(),
    })
}

/// Folders that only their owner may look into.
fn create_private(folder: &Path) -> std::io::Result<()> {
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

//! Where a gallery lies on this machine, and which key opens it.

use std::path::{Path, PathBuf};

use phiz_gallery::{Gallery, Imported, Key, Seal};

use crate::{Error, Result, Service};

const GALLERY: &str = "gallery.phiz";
const KEY: &str = "gallery.key";

/// Where a gallery lies, and what opens it. Everything that is not set follows from the others: the gallery and its key
/// file lie in the home folder; the key of a gallery that is named lies beside it.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The gallery's file.
    pub gallery: Option<PathBuf>,
    /// The key file.
    pub key: Option<PathBuf>,
    /// Whether the key of a new gallery is kept in the operating system's keyring.
    pub keyring: bool,
    /// The folder of gallery and key; otherwise `phiz` in the user's data folder.
    pub home: Option<PathBuf>,
    /// A passphrase instead of a key file.
    pub passphrase: Option<String>,
}

impl Place {
    /// The gallery's file.
    ///
    /// # Errors
    /// [`Error::NoHome`] if nothing says where it lies.
    pub fn gallery_path(&self) -> Result<PathBuf> {
        match &self.gallery {
            Some(path) => Ok(path.clone()),
            None => Ok(self.home_folder()?.join(GALLERY)),
        }
    }

    fn key(&self) -> Result<Key> {
        if self.keyring {
            return Ok(Key::Keyring);
        }
        if let Some(path) = &self.key {
            return Ok(Key::File(path.clone()));
        }
        if let Some(passphrase) = &self.passphrase {
            return Ok(Key::passphrase(passphrase.clone()));
        }
        match &self.gallery {
            Some(path) => Ok(Key::File(path.with_extension("key"))),
            None => Ok(Key::File(self.home_folder()?.join(KEY))),
        }
    }

    /// The folder in which gallery and key are kept unless they are named.
    ///
    /// # Errors
    /// [`Error::NoHome`] if nothing says where it lies, [`Error::EmptyHome`] if an empty name does.
    pub fn home_folder(&self) -> Result<PathBuf> {
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
        match home {
            None => Err(Error::NoHome),
            Some(home) if home.as_os_str().is_empty() => Err(Error::EmptyHome),
            Some(home) => Ok(home),
        }
    }

    /// The gallery's file, which is no folder.
    fn file(&self) -> Result<PathBuf> {
        let path = self.gallery_path()?;
        if path.is_dir() { Err(Error::GalleryIsFolder(path)) } else { Ok(path) }
    }

    /// Opens the gallery that exists.
    ///
    /// # Errors
    /// [`Error::NoGallery`] if there is none, [`Error::Gallery`] if it cannot be opened.
    pub fn open(&self) -> Result<Gallery> {
        let path = self.file()?;
        if !path.exists() {
            return Err(Error::NoGallery(path));
        }
        let usual = self.key()?;
        Ok(Gallery::open_with(&path, |seal| match seal {
            // The gallery itself says that its key is there.
            Seal::Keyring(_) if self.key.is_none() => Key::Keyring,
            _ => usual,
        })?)
    }

    /// Opens the gallery that exists, if it belongs to the service's embedder.
    ///
    /// # Errors
    /// [`Error::OtherModel`] if it does not, and as [`Place::open`].
    pub fn open_for(&self, service: &Service) -> Result<Gallery> {
        let gallery = self.open()?;
        let engine = service.analyzer().model_id();
        if gallery.model() != engine {
            let (path, engine) = (self.gallery_path()?, engine.clone());
            return Err(Error::OtherModel { path, gallery: gallery.model().clone(), engine });
        }
        Ok(gallery)
    }

    /// Opens the gallery, and makes it if there is none; says whether it was made.
    ///
    /// # Errors
    /// As [`Place::open_for`], or the gallery cannot be made.
    pub fn open_or_create(&self, service: &Service) -> Result<(Gallery, bool)> {
        if self.file()?.exists() {
            return Ok((self.open_for(service)?, false));
        }
        self.open_or_create_any(service)
    }

    /// The same, but a gallery that exists may belong to another embedder: then it must adopt the service's before templates
    /// can be compared.
    ///
    /// # Errors
    /// As [`Place::open`], or the gallery cannot be made.
    pub fn open_or_create_any(&self, service: &Service) -> Result<(Gallery, bool)> {
        let path = self.file()?;
        if path.exists() {
            return Ok((self.open()?, false));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        create_private(folder).map_err(|source| Error::Folder { path: folder.into(), source })?;
        Ok((Gallery::create(&path, &service.gallery_model()?, &self.key()?)?, true))
    }
}

impl Place {
    /// Takes an archive into the gallery, and makes the gallery if there is none; says whether it was made.
    ///
    /// # Errors
    /// The archive cannot be read, belongs to another embedder, or the gallery cannot be opened, made or written. Then
    /// nothing was taken in.
    pub fn import(&self, archive: &Path) -> Result<(Gallery, Imported, bool)> {
        let path = self.file()?;
        if path.exists() {
            let gallery = self.open()?;
            let done = gallery.import(archive)?;
            return Ok((gallery, done, false));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        create_private(folder).map_err(|source| Error::Folder { path: folder.into(), source })?;
        let (gallery, done) = Gallery::create_from_archive(&path, archive, &self.key()?)?;
        Ok((gallery, done, true))
    }
}

/// Makes folders that only their owner may look into.
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

//! Where the gallery lies, as the shared options say.

use std::path::{Path, PathBuf};

use phiz_gallery::{Gallery, Imported};
use phiz_service::{Place, Service};
use phiz_template::ModelId;

use super::out::note;
use super::{Failure, Shared};

impl From<phiz_gallery::GalleryError> for Failure {
    fn from(error: phiz_gallery::GalleryError) -> Failure {
        Failure::new(&error).hint(error.hint())
    }
}

impl Shared {
    /// Where the gallery lies, and what opens it.
    pub(crate) fn place(&self) -> Result<Place, Failure> {
        let passphrase = match std::env::var_os("PHIZ_PASSPHRASE") {
            None => None,
            Some(text) => Some(text.into_string().map_err(|_| {
                Failure::new("PHIZ_PASSPHRASE: is not valid text")
                    .hint("set it to a passphrase that is valid UTF-8")
            })?),
        };
        if passphrase.as_ref().is_some_and(String::is_empty) {
            return Err(Failure::new("PHIZ_PASSPHRASE: is empty, which would seal a gallery with nothing")
                .hint("set it to a passphrase, or unset it to use a key file"));
        }
        Ok(Place {
            gallery: self.gallery.clone(),
            key: self.key.clone(),
            keyring: self.keyring,
            home: self.home.clone(),
            passphrase,
        })
    }

    /// The folder of the gallery, the server's settings and its keys.
    pub(crate) fn home(&self) -> Result<PathBuf, Failure> {
        Ok(self.place()?.home_folder()?)
    }

    /// The gallery's file.
    pub(crate) fn gallery_path(&self) -> Result<PathBuf, Failure> {
        Ok(self.place()?.gallery_path()?)
    }

    /// The gallery that exists.
    pub(crate) fn open_gallery(&self) -> Result<Gallery, Failure> {
        Ok(noted(self.place()?.open()?))
    }

    /// The gallery that exists, if it belongs to the service's embedder.
    pub(crate) fn open_gallery_for(&self, service: &Service) -> Result<Gallery, Failure> {
        Ok(noted(self.place()?.open_for(service)?))
    }

    /// The gallery, if there is one and it belongs to the service's embedder.
    pub(crate) fn open_gallery_if_any(&self, service: &Service) -> Result<Option<Gallery>, Failure> {
        match self.place()?.open_for(service) {
            Ok(gallery) => Ok(Some(noted(gallery))),
            // One that was named is wanted.
            Err(phiz_service::Error::NoGallery(_)) if self.gallery.is_none() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes an archive into the gallery, made if there is none; says whether it was made.
    pub(crate) fn import(&self, archive: &Path) -> Result<(Gallery, Imported, bool), Failure> {
        let (gallery, done, made) = self.place()?.import(archive)?;
        Ok((noted(gallery), done, made))
    }

    /// The gallery, made if there is none; says whether it was made.
    pub(crate) fn open_or_create_gallery(&self, service: &Service) -> Result<(Gallery, bool), Failure> {
        let (gallery, made) = self.place()?.open_or_create(service)?;
        Ok((noted(gallery), made))
    }
}

fn noted(gallery: Gallery) -> Gallery {
    for note in gallery.notes() {
        note!("note: {note}");
    }
    gallery
}

/// What takes the model of a gallery, if it is a bundled one.
pub(crate) fn option_for(gallery: &ModelId) -> &'static str {
    let is = |model: Result<crate::Model, _>| model.is_ok_and(|model| model.id() == *gallery);
    if is(crate::Model::small_embedder()) {
        "add --small: the gallery was made with the small models; or bring it to these models, which loses nobody: \
         phiz gallery adopt"
    } else if is(crate::Model::bundled_embedder()) {
        "leave out --small and --embedder: the gallery was made with the bundled models; or bring it to the models that \
         you name, which loses nobody: phiz gallery adopt, with the same --small or --embedder"
    } else {
        "bring the gallery to the present models, which loses nobody: phiz gallery adopt, with --small or --embedder if \
         you use one of them; or name the embedder that it was made with (--embedder CARD)"
    }
}

//! The galleries that a server holds: the one of the home folder, called `main`, and those beside it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use phiz_gallery::Gallery;
use phiz_service::{Place, Service};

use crate::error::{ApiError, Code, Result};

/// The gallery of the home folder.
pub(crate) const MAIN: &str = "main";
/// The folder of the others.
const FOLDER: &str = "galleries";
const LONGEST_NAME: usize = 40;

/// All galleries by name. Each is opened when the server starts, or when it is made.
pub(crate) struct Galleries {
    home: PathBuf,
    /// Where the main gallery is, and what opens it.
    main: Place,
    all: RwLock<BTreeMap<String, Arc<Gallery>>>,
}

/// Whether a gallery can be called so: its name is a file's, too.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(allowed) && !name.starts_with('-')
}

impl Galleries {
    /// Opens the main gallery, made if there is none, and all that lie beside it.
    pub(crate) fn open(home: PathBuf, place: &Place, service: &Service) -> phiz_service::Result<Galleries> {
        let (main, _) = place.open_or_create_any(service)?;
        let galleries = Galleries { home, main: place.clone(), all: RwLock::default() };
        galleries.put(MAIN, main, service);
        let listed = std::fs::read_dir(galleries.home.join(FOLDER)).into_iter().flatten().flatten();
        for path in listed.map(|entry| entry.path()) {
            let name = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
            if path.extension().is_some_and(|e| e == "phiz") && is_name(&name) && name != MAIN {
                let gallery = galleries.place(&name).open()?;
                galleries.put(&name, gallery, service);
            }
        }
        Ok(galleries)
    }

    fn place(&self, name: &str) -> Place {
        if name == MAIN {
            return self.main.clone();
        }
        Place {
            gallery: Some(self.home.join(FOLDER).join(format!("{name}.phiz"))),
            passphrase: self.main.passphrase.clone(),
            ..Place::default()
        }
    }

    /// The gallery of a name, opened once more: who holds the former handle keeps it.
    pub(crate) fn open_again(&self, name: &str) -> Result<Gallery> {
        self.get(name)?;
        Ok(self.place(name).open()?)
    }

    /// Puts a gallery in the place of the one of that name, if there is one.
    pub(crate) fn put(&self, name: &str, gallery: Gallery, service: &Service) -> Arc<Gallery> {
        let own = service.analyzer().model_id();
        if gallery.model() != own {
            tracing::warn!(
                gallery = name,
                model = %gallery.model(),
                "templates of another model: nobody is recognised until POST /v1/gallery/adopt has brought them to {own}"
            );
        }
        for note in gallery.notes() {
            tracing::warn!(gallery = name, "{note}");
        }
        let gallery = Arc::new(gallery);
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(name.to_owned(), gallery.clone());
        gallery
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<(String, Arc<Gallery>)> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(name, gallery)| (name.clone(), gallery.clone())).collect()
    }

    /// The gallery of a name.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Gallery>> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.get(name).cloned().ok_or_else(|| {
            ApiError::new(Code::NoGallery, "there is no gallery of that name", "GET /v1/galleries lists all")
        })
    }

    /// Makes a gallery.
    pub(crate) fn create(&self, name: &str, service: &Service) -> Result<Arc<Gallery>> {
        if !is_name(name) {
            let reason = "is no name of a gallery";
            return Err(ApiError::value("name", reason, "use a to z, 0 to 9, - and _, 40 at the most"));
        }
        if self.get(name).is_ok() {
            return Err(ApiError::new(
                Code::Conflict,
                "there is a gallery of that name already",
                "choose another name",
            ));
        }
        let (gallery, _) = self.place(name).open_or_create(service)?;
        Ok(self.put(name, gallery, service))
    }
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_are_files_names() {
        for good in ["main", "front-door", "a", "x_1"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "../x", "A", "a b", "a/b", ".x", "-x", &"a".repeat(41), "ä", "a\0"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}

//! Which key seals a gallery, and changing it.

use super::{Gallery, HEAD, json, read_settings, write_head, write_settings};
use crate::error::{ErrorKind, GalleryError, Result};
use crate::model::{FaceId, PersonId};
use crate::rows::Codec;
use crate::seal::{Key, Seal, Sealer};
use crate::store::Kind;

impl Gallery {
    /// What seals the gallery.
    #[must_use]
    pub fn seal(&self) -> Seal {
        Seal::of(self.head.seal.as_ref())
    }

    /// Seals everything anew: a fresh data key, wrapped by `key`, in one transaction; then the old rows' bytes are
    /// overwritten. After that neither the old key nor the old data key opens anything. With [`Key::None`] the gallery
    /// lies open from then on, and one that lay open is sealed. A key file that does not exist is made. Other
    /// processes must open the gallery again.
    ///
    /// This takes as long as writing the gallery. If the old key was only to be exchanged, and not lost to somebody,
    /// [`Gallery::exchange_key`] does that at once.
    ///
    /// # Errors
    /// The gallery cannot be written or is damaged; then the old key stays. If another process is using the gallery,
    /// the new key holds, but old bytes are not overwritten until the next [`Gallery::compact`].
    pub fn rotate_key(&mut self, key: &Key) -> Result<()> {
        make_key(key)?;
        let mut head = self.head.clone();
        head.key_number += 1;
        let fresh = if matches!(key, Key::None) { Sealer::open_to_all() } else { Sealer::fresh()? };
        head.seal = fresh.wrap(key, &head.identity())?;
        self.write(|rows, old| {
            let new = Codec { sealer: &fresh, dim: old.dim };
            for kind in Kind::ALL {
                let mut after = 0;
                while let Some(page) = rows.next_page(kind, &mut after, 256)? {
                    for (id, row) in &page {
                        let value = zeroize::Zeroizing::new(old.open(kind, *id, row)?);
                        let tags = match kind {
                            Kind::Person => match old.person_body(rows, PersonId(*id))? {
                                Some(body) => new.person_tags(&body.details),
                                None => Vec::new(),
                            },
                            Kind::Face => match old.face_body(rows, FaceId(*id))? {
                                Some((_, body)) => new.face_tags(&body),
                                None => Vec::new(),
                            },
                            _ => Vec::new(),
                        };
                        rows.put(kind, *id, &new.row(kind, *id, row.owner, tags, &value)?)?;
                    }
                }
            }
            let settings = read_settings(rows, old.sealer, &self.head)?;
            write_head(rows, &head)?;
            write_settings(rows, &fresh, &head, &settings)
        })?;
        (self.head, self.sealer) = (head, fresh);
        self.compact()
    }

    /// Wraps the data key by another key: the old one no longer opens the gallery, but opens copies that were made
    /// before, and who has kept the data key itself has it still. A key file that does not exist is made.
    ///
    /// # Errors
    /// The gallery is not sealed or cannot be written, or the key is none: see [`Gallery::rotate_key`].
    pub fn exchange_key(&mut self, key: &Key) -> Result<()> {
        if !self.is_sealed() || matches!(key, Key::None) {
            let reason = "only a sealed gallery's key can be exchanged, and only for another key";
            return Err(GalleryError::new(ErrorKind::Caller, reason).hint_at("rotate the key instead"));
        }
        make_key(key)?;
        let mut head = self.head.clone();
        head.seal = self.sealer.wrap(key, &head.identity())?;
        let bytes = json(&head)?;
        self.write(|rows, _| rows.set_meta(HEAD, Some(&bytes)))?;
        self.head = head;
        Ok(())
    }
}

fn make_key(key: &Key) -> Result<()> {
    match key {
        Key::File(path) if !path.exists() => Key::generate(path),
        _ => Ok(()),
    }
}

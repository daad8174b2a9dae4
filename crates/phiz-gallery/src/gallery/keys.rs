//! Which key seals a gallery, and changing it.

use std::sync::{Arc, PoisonError};

use super::adopt::seal_record_anew;
use super::{Gallery, HEAD, Keys, json, lock, read_settings, write_head, write_settings};
use crate::error::{ErrorKind, GalleryError, Result};
use crate::model::{FaceId, PersonId, PhotoId};
use crate::rows::Codec;
use crate::seal::{Key, Seal, Sealer};
use crate::store::{Kind, RowsMut};

impl Gallery {
    /// What seals the gallery.
    #[must_use]
    pub fn seal(&self) -> Seal {
        Seal::of(self.keys().head.seal.as_ref())
    }

    /// Seals everything anew: a fresh data key, wrapped by `key`, in one transaction; then the old rows' bytes are
    /// overwritten. After that neither the old key nor the old data key opens anything. With [`Key::None`] the gallery
    /// lies open from then on, and one that lay open is sealed. A key file that does not exist is made. Searches in this
    /// process go on meanwhile; other processes must open the gallery again.
    ///
    /// This takes as long as writing the gallery. If the old key was only to be exchanged, and not lost to somebody,
    /// [`Gallery::exchange_key`] does that at once.
    ///
    /// # Errors
    /// The key is none, or the gallery cannot be written or is damaged; then the old key stays, and no key file is left
    /// behind. If somebody reads from the gallery for too long, the new key holds, but old bytes are not overwritten
    /// until the next [`Gallery::compact`].
    pub fn rotate_key(&self, key: &Key) -> Result<()> {
        {
            let _turn = lock(&self.rotating);
            let old = self.keys();
            let mut head = old.head.clone();
            head.key_number += 1;
            let fresh = if matches!(key, Key::None) { Sealer::open_to_all() } else { Sealer::fresh()? };
            let made = self.new_key(key)?;
            let done = fresh.wrap(key, &head.identity()).and_then(|wrap| {
                head.seal = wrap;
                let new = Keys::new(head.clone(), fresh);
                self.write_by(&old, &mut |rows, codec| seal_anew(rows, codec, &new))?;
                Ok(new)
            });
            let new = done.inspect_err(|_| made.take_back())?;
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        }
        self.compact()
    }

    /// Wraps the data key by another key: the old one no longer opens the gallery, but opens copies that were made
    /// before, and who has kept the data key itself has it still. A key file that does not exist is made.
    ///
    /// # Errors
    /// The gallery is not sealed or cannot be written, or the key is none: see [`Gallery::rotate_key`].
    pub fn exchange_key(&self, key: &Key) -> Result<()> {
        if !self.is_sealed() || matches!(key, Key::None) {
            let reason = "only a sealed gallery's key can be exchanged, and only for another key";
            return Err(GalleryError::new(ErrorKind::Caller, reason).with_hint("rotate the key instead"));
        }
        let _turn = lock(&self.rotating);
        let old = self.keys();
        let made = self.new_key(key)?;
        let done = old.sealer.wrap(key, &old.identity).and_then(|wrap| {
            let mut head = old.head.clone();
            head.seal = wrap;
            let bytes = json(&head)?;
            self.write_by(&old, &mut |rows, _| rows.set_meta(HEAD, Some(&bytes)))?;
            Ok(Keys::new(head, old.sealer.again()?))
        });
        let new = done.inspect_err(|_| made.take_back())?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        Ok(())
    }

    /// Makes the key's file, if it names one that does not exist.
    fn new_key<'a>(&self, key: &'a Key) -> Result<Made<'a>> {
        self.may_write()?;
        key.check_new()?;
        match key {
            Key::File(path) if !path.exists() => {
                Key::generate(path)?;
                Ok(Made(Some(path)))
            }
            _ => Ok(Made(None)),
        }
    }
}

/// A key file that was made just now.
struct Made<'a>(Option<&'a std::path::Path>);

impl Made<'_> {
    fn take_back(&self) {
        if let Some(path) = self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Opens every row by the old key and seals it by the new one; the head comes last.
fn seal_anew(rows: &mut dyn RowsMut, old: Codec<'_>, keys: &Keys) -> Result<()> {
    let new = keys.codec();
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
                    Kind::Photo => new.photo_tags(&old.photo_body(PhotoId(*id), row)?),
                    _ => Vec::new(),
                };
                rows.put(kind, *id, &new.row(kind, *id, row.owner, tags, &value)?)?;
            }
        }
    }
    super::kept::forget_decisions(rows)?;
    super::kept::seal_anew(rows, old, new)?;
    super::seen::seal_anew(rows, old, new)?;
    let settings = read_settings(rows, old)?;
    seal_record_anew(rows, old, new)?;
    write_head(rows, &keys.head)?;
    write_settings(rows, new, &settings)
}

//! Strangers whom a camera sees, and what other parts of Phiz keep beside the rows.
//!
//! A stranger before a camera is a group like any other: it has a number, `phiz strangers` lists it, and it can be named,
//! joined and split. What a group of an archive finds by comparing thousands of faces, a camera knows at once, since a track
//! shows one person: so a view of a track is kept as a photo with one face, whose place is the camera and the time, and
//! joins the group that it belongs to in the same transaction.

use std::collections::{BTreeMap, BTreeSet};

use phiz_template::Template;
use zeroize::Zeroizing;

use super::Gallery;
use super::groups::{edit_members, new_group, resolve};
use super::photos::keep;
use super::steps::TRASH;
use crate::error::{ErrorKind, GalleryError, Result};
use crate::model::{GroupId, NewPhoto, PersonId, PhotoId, SightingId};
use crate::rows::Codec;
use crate::store::{Kind, Rows, RowsMut};

/// Views of a stranger that are compared: the latest.
const VIEWS: usize = 32;

/// A stranger with the templates by which they are known again.
#[derive(Clone, Debug)]
pub struct StrangerViews {
    /// The number.
    pub group: GroupId,
    /// Templates with their qualities, the latest last.
    pub views: Vec<(Template, f32)>,
}

/// What another part of Phiz keeps in the gallery, sealed as its rows are: it comes along when the key changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Memo {
    /// The cameras that a server watches, with their passwords.
    Streams,
    /// The key of what lies beside the gallery: events that wait to be delivered, visits.
    Beside,
    /// What MQTT brokers retain of cameras that are no more, with the brokers' passwords.
    Topics,
}

impl Memo {
    const ALL: [Memo; 3] = [Memo::Streams, Memo::Beside, Memo::Topics];

    fn name(self) -> &'static str {
        match self {
            Memo::Streams => "streams",
            Memo::Topics => "topics",
            Memo::Beside => "beside",
        }
    }

    fn place(self) -> Vec<u8> {
        format!("memo {}, form 1", self.name()).into_bytes()
    }
}

fn memo(rows: &dyn Rows, codec: Codec<'_>, memo: Memo) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let Some(sealed) = rows.meta(memo.name())? else { return Ok(None) };
    let opened = codec.sealer.open(&memo.place(), &sealed).map(Zeroizing::new);
    opened.map(Some).ok_or_else(|| {
        let reason = format!("what the gallery keeps for {} is damaged", memo.name());
        GalleryError::new(ErrorKind::Damaged, reason).with_hint("restore the gallery from a backup")
    })
}

/// Seals by a new key what is kept for others.
pub(super) fn seal_anew(rows: &mut dyn RowsMut, old: Codec<'_>, new: Codec<'_>) -> Result<()> {
    for kept in Memo::ALL {
        if let Some(value) = memo(rows, old, kept)? {
            rows.set_meta(kept.name(), Some(&new.sealer.seal(&kept.place(), &value)?))?;
        }
    }
    Ok(())
}

impl Gallery {
    /// What another part of Phiz keeps here; none if it has kept nothing.
    ///
    /// # Errors
    /// The gallery cannot be read or is damaged.
    pub fn memo(&self, kept: Memo) -> Result<Option<Vec<u8>>> {
        self.read(|rows, codec| Ok(memo(rows, codec, kept)?.map(|value| value.to_vec())))
    }

    /// Keeps something for another part of Phiz, sealed, or forgets it. `change` gets what is kept now; nobody else changes
    /// it meanwhile.
    ///
    /// # Errors
    /// The gallery cannot be written or is damaged.
    pub fn change_memo<T>(&self, kept: Memo, mut change: impl FnMut(&mut Option<Vec<u8>>) -> T) -> Result<T> {
        self.write(|rows, codec| {
            let before = memo(rows, codec, kept)?.map(|value| value.to_vec());
            let mut value = before.clone();
            let result = change(&mut value);
            if value != before {
                let sealed = value.map(Zeroizing::new);
                let sealed = sealed.map(|value| codec.sealer.seal(&kept.place(), &value)).transpose()?;
                rows.set_meta(kept.name(), sealed.as_deref())?;
            }
            Ok(result)
        })
    }

    /// The key by which others seal what lies beside the gallery, such as events that wait to be delivered. It is made when it
    /// is first asked for, and stays the same when the gallery's own key changes.
    ///
    /// # Errors
    /// The gallery cannot be read or written, or there are no random numbers.
    pub fn key_beside(&self) -> Result<[u8; 32]> {
        if let Some(key) = self.memo(Memo::Beside)?.and_then(|key| key.try_into().ok()) {
            return Ok(key);
        }
        let fresh = crate::seal::random_key()?;
        self.change_memo(Memo::Beside, |kept| {
            let known: Option<[u8; 32]> = kept.as_ref().and_then(|key| key.as_slice().try_into().ok());
            known.unwrap_or_else(|| {
                *kept = Some(fresh.to_vec());
                *fresh
            })
        })
    }

    /// Keeps a view of a stranger: in the group of this number, or in a new one, which gets the next number. The view is a
    /// photo with one face. A number that was joined to another stands for that one.
    ///
    /// # Errors
    /// The view has not exactly one face, its template is not of this gallery's model, there is no such group, or the gallery
    /// cannot be written.
    pub fn see_stranger(&self, view: &NewPhoto, group: Option<GroupId>) -> Result<(GroupId, SightingId)> {
        let faces = view.faces.as_deref().unwrap_or_default();
        let [face] = faces else {
            let reason = format!("a view of a stranger has {} faces, not one", faces.len());
            return Err(GalleryError::new(ErrorKind::Caller, reason));
        };
        self.check_template(&face.template)?;
        self.write(|rows, codec| {
            let (photo, _) = keep(rows, codec, view)?;
            let sightings = rows.owned(Kind::Sighting, photo.0)?;
            let Some(sighting) = sightings.last().copied() else {
                return Err(GalleryError::new(ErrorKind::Caller, "the view is known and shows nobody"));
            };
            let (group, _) = match group {
                Some(group) => {
                    let (group, person, _) = resolve(rows, codec, group)?;
                    (group, person)
                }
                None => (new_group(rows, codec, TRASH)?.0, TRASH),
            };
            edit_members(rows, codec, group, |members| _ = members.insert(sighting))?;
            Ok((group, SightingId(sighting)))
        })
    }

    /// The strangers with their latest views. Views of photos that are gone and views without a template of the gallery's model
    /// are left out.
    ///
    /// # Errors
    /// The gallery cannot be read.
    pub fn stranger_views(&self) -> Result<Vec<StrangerViews>> {
        self.read(|rows, codec| {
            let mut groups: BTreeMap<GroupId, Vec<u64>> = BTreeMap::new();
            let mut after = 0;
            while let Some(page) = rows.next_page(Kind::Group, &mut after, 256)? {
                for (id, row) in &page {
                    let body = codec.group_body(*id, row)?;
                    if PersonId(row.owner) == TRASH && body.head.into.is_none() {
                        let first = body.sightings.len().saturating_sub(VIEWS);
                        groups.insert(GroupId(*id), body.sightings[first..].to_vec());
                    }
                }
            }
            let mut all = Vec::with_capacity(groups.len());
            for (group, sightings) in groups {
                let mut views = Vec::with_capacity(sightings.len());
                let found = rows.get_many(Kind::Sighting, &sightings)?;
                let photos: Vec<u64> = found.iter().map(|(_, row)| row.owner).collect();
                let mut there = BTreeSet::new();
                for (id, row) in rows.get_many(Kind::Photo, &photos)? {
                    if codec.photo_body(PhotoId(id), &row)?.gone.is_none() {
                        there.insert(id);
                    }
                }
                for (id, row) in found.iter().filter(|(_, row)| there.contains(&row.owner)) {
                    let seen = codec.seen(*id, row)?;
                    if let Ok(template) = Template::new(self.model.clone(), seen.template) {
                        views.push((template, seen.sighting.quality));
                    }
                }
                all.push(StrangerViews { group, views });
            }
            Ok(all)
        })
    }
}

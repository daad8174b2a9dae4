//! Destroying what was removed: by and by, or at once with a proof.

use serde::Serialize;
use std::collections::BTreeSet;

use super::adopt::forget as forget_adoption;
use super::kept::{forget_decisions, forget_sightings};
use super::steps::{entry, names, referenced};
use super::{Gallery, lock, now};
use crate::error::Result;
use crate::model::{FaceId, OperationId, PhotoId};
use crate::remains::{Pieces, Proof};
use crate::rows::Codec;
use crate::store::{Kind, Row, Rows, RowsMut};

/// What to destroy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purge {
    /// All that was removed.
    All,
    /// What was removed so many days ago or more.
    OlderThan {
        /// Days.
        days: u32,
    },
}

/// What was destroyed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Purged {
    /// Operations that can no longer be undone.
    pub operations: usize,
    /// Faces, with template and crop.
    pub faces: usize,
    /// Negatives.
    pub negatives: usize,
    /// Photos of an archive whose files are gone.
    pub photos: usize,
    /// Faces that were seen in those photos, or were people's who were removed by the same step.
    pub sightings: usize,
    /// What a search of all files found; none if not asked for.
    pub proof: Option<Proof>,
}

/// Deletes from the journal what `keep` does not hold, from the trash what no kept entry needs, and photos that were gone
/// at `keep`'s time. Shows each row to `seen` before.
fn destroy(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    keep: impl Fn(i64) -> bool,
    mut seen: impl FnMut(&dyn Rows, Kind, u64, &Row) -> Result<()>,
) -> Result<Purged> {
    let mut purged = Purged { operations: 0, faces: 0, negatives: 0, photos: 0, sightings: 0, proof: None };
    let mut needed = BTreeSet::new();
    let mut after = 0;
    while let Some(page) = rows.next_page(Kind::Journal, &mut after, 64)? {
        for (id, row) in &page {
            let entry = entry(codec, OperationId(*id), row)?;
            if keep(entry.at) {
                needed.extend(referenced(&entry));
            } else {
                seen(rows, Kind::Journal, *id, row)?;
                rows.delete(Kind::Journal, *id)?;
                purged.operations += 1;
            }
        }
    }
    let mut delete = |rows: &mut dyn RowsMut, kind: Kind, id: u64| -> Result<()> {
        if let Some(row) = rows.get(kind, id)? {
            seen(rows, kind, id, &row)?;
            rows.delete(kind, id)?;
        }
        Ok(())
    };
    for id in rows.owned(Kind::Face, 0)?.into_iter().filter(|id| !needed.contains(&(Kind::Face, *id))) {
        for kind in [Kind::Spare, Kind::Crop, Kind::Template, Kind::Face] {
            delete(rows, kind, id)?;
        }
        purged.faces += 1;
    }
    for id in rows.owned(Kind::Negative, 0)?.into_iter().filter(|id| !needed.contains(&(Kind::Negative, *id)))
    {
        delete(rows, Kind::SpareNegative, id)?;
        delete(rows, Kind::Negative, id)?;
        purged.negatives += 1;
    }
    let mut gone = BTreeSet::new();
    for id in rows.tagged(Kind::Photo, &codec.gone_tag())? {
        let Some(row) = rows.get(Kind::Photo, id)? else { continue };
        if codec.photo_body(PhotoId(id), &row)?.gone.is_none_or(&keep) {
            continue;
        }
        for sighting in rows.owned(Kind::Sighting, id)? {
            delete(rows, Kind::SightingCrop, sighting)?;
            delete(rows, Kind::Sighting, sighting)?;
            gone.insert(sighting);
        }
        delete(rows, Kind::Photo, id)?;
        purged.photos += 1;
    }
    purged.sightings = gone.len();
    if !gone.is_empty() {
        forget_sightings(rows, codec, &gone)?;
        forget_decisions(rows)?;
    }
    Ok(purged)
}

/// Whether what was done at a time is kept.
fn older(days: u32) -> impl Fn(i64) -> bool {
    let limit = now() - i64::from(days) * 86_400;
    move |at| days > 0 && at > limit
}

/// Destroys the photos that have been gone for longer than the gallery's setting.
pub(super) fn expire_photos(rows: &mut dyn RowsMut, codec: Codec<'_>, undo_days: u32) -> Result<()> {
    let keep = older(undo_days);
    for id in rows.tagged(Kind::Photo, &codec.gone_tag())? {
        let row = rows.get(Kind::Photo, id)?;
        let gone = row.map(|row| codec.photo_body(PhotoId(id), &row)).transpose()?.and_then(|body| body.gone);
        if gone.is_some_and(|at| !keep(at)) {
            return destroy(rows, codec, keep, |_, _, _, _| Ok(())).map(|_| ());
        }
    }
    Ok(())
}

/// Destroys what the gallery's setting no longer lets be restored.
pub(super) fn expire(rows: &mut dyn RowsMut, codec: Codec<'_>, undo_days: u32) -> Result<()> {
    // Entries are in order of time, so that one look at the first is enough almost always.
    if let Some((id, row)) = rows.page(Kind::Journal, 0, 1)?.first()
        && !older(undo_days)(entry(codec, OperationId(*id), row)?.at)
    {
        destroy(rows, codec, older(undo_days), |_, _, _, _| Ok(()))?;
    }
    forget_adoption(rows, codec, |at| at <= now() - i64::from(undo_days) * 86_400, |_, _, _, _| Ok(()))
}

/// What a row has left on the disk if it is not destroyed.
fn pieces_of(
    rows: &dyn Rows,
    codec: Codec<'_>,
    kind: Kind,
    id: u64,
    row: &Row,
    out: &mut Pieces,
) -> Result<()> {
    // The first bytes of a sealed row are the nonce, half of which rows of one process share.
    const NONCE: usize = 24;
    if codec.sealer.is_sealed() {
        out.add_samples(row.body.get(NONCE..).unwrap_or_default());
    } else {
        out.add(&row.body[..row.body.len().min(16)]);
    }
    match kind {
        Kind::Template => {
            codec.weighted(FaceId(id), row)?;
            out.add_samples(codec.open(kind, id, row)?.get(4..).unwrap_or_default());
        }
        Kind::Crop | Kind::SightingCrop => out.add_samples(&codec.open(kind, id, row)?),
        Kind::Negative => {
            out.add_samples(codec.open(kind, id, row)?.get(..codec.dim * 4).unwrap_or_default())
        }
        Kind::Journal => {
            for name in names(&entry(codec, OperationId(id), row)?) {
                out.add(name.as_bytes());
            }
        }
        Kind::Face => {
            if let Some((_, body)) = codec.face_body(rows, FaceId(id))? {
                let texts = [body.photo, body.source, body.consent];
                texts.iter().flatten().for_each(|text| out.add(text.as_bytes()));
            }
        }
        Kind::Photo => {
            let body = codec.photo_body(PhotoId(id), row)?;
            out.add(body.photo.as_bytes());
            for file in &body.files {
                out.add(file.path().as_os_str().as_encoded_bytes());
            }
        }
        Kind::Sighting => {
            out.add_samples(codec.open(kind, id, row)?.get(4..4 + codec.dim * 4).unwrap_or_default())
        }
        Kind::Person | Kind::Group => {}
        Kind::Spare | Kind::SpareNegative => out.add_samples(&codec.open(kind, id, row)?),
    }
    Ok(())
}

/// Destroying.
impl Gallery {
    /// Destroys what was removed: rows, the log of the database, what they have left in its free space, the index.
    /// Afterwards it cannot be undone. With `verify`, all files are then searched for pieces of what was destroyed,
    /// sealed and in the clear.
    ///
    /// # Errors
    /// The gallery cannot be written, or somebody reads from it for too long: then rows are gone, but may have left bytes
    /// until the next purge.
    pub fn purge(&self, what: Purge, verify: bool) -> Result<Purged> {
        self.purge_with(what, verify, &BTreeSet::new(), |_, _| Ok(()))
    }

    /// The same after `first`, and with some sightings, in one transaction.
    pub(super) fn purge_with(
        &self,
        what: Purge,
        verify: bool,
        sightings: &BTreeSet<u64>,
        mut first: impl FnMut(&mut dyn RowsMut, Codec<'_>) -> Result<()>,
    ) -> Result<Purged> {
        let keep: Box<dyn Fn(i64) -> bool> = match what {
            Purge::All => Box::new(|_| false),
            Purge::OlderThan { days } => Box::new(older(days)),
        };
        let (mut purged, mut pieces) = self.write(|rows, codec| {
            first(rows, codec)?;
            let mut pieces = Pieces::default();
            let mut seen = |rows: &dyn Rows, kind: Kind, id: u64, row: &Row| {
                if verify { pieces_of(rows, codec, kind, id, row, &mut pieces) } else { Ok(()) }
            };
            let mut gone = BTreeSet::new();
            for (id, row) in rows.get_many(Kind::Sighting, &sightings.iter().copied().collect::<Vec<_>>())? {
                seen(rows, Kind::Sighting, id, &row)?;
                rows.delete(Kind::Sighting, id)?;
                gone.insert(id);
            }
            if !gone.is_empty() {
                forget_sightings(rows, codec, &gone)?;
                forget_decisions(rows)?;
            }
            let mut purged = destroy(rows, codec, &keep, &mut seen)?;
            purged.sightings += gone.len();
            let due = |at: i64| match what {
                Purge::All => true,
                Purge::OlderThan { days } => at <= now() - i64::from(days) * 86_400,
            };
            forget_adoption(rows, codec, due, &mut seen)?;
            Ok((purged, pieces))
        })?;
        self.compact()?;
        if verify {
            self.forgive_living(&mut pieces)?;
            purged.proof = Some(pieces.search(&self.files(), &mut lock(&self.searched))?);
        }
        Ok(purged)
    }

    /// What the living have too, such as a name or the tables of a JPEG file, is no remains of the dead. In a sealed
    /// gallery nothing of the living can be found, so nothing is forgiven but by the clear text, which must be absent.
    fn forgive_living(&self, pieces: &mut Pieces) -> Result<()> {
        if self.is_sealed() {
            return Ok(());
        }
        let finder = pieces.finder();
        self.read(|rows, _| {
            for kind in Kind::ALL {
                let mut after = 0;
                while let Some(page) = rows.next_page(kind, &mut after, 256)? {
                    page.iter().for_each(|(_, row)| pieces.forgive(&finder, &row.body));
                }
            }
            Ok(())
        })
    }
}

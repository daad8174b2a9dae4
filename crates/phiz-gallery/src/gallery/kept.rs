//! What the gallery remembers about its sightings beside their rows, sealed: what was decided, which were compared, which
//! questions were settled. It lies below those who decide, group and destroy, since each of them changes it.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::json;
use super::steps::Ranges;
use crate::error::Result;
use crate::model::{GroupId, PersonId};
use crate::rows::Codec;
use crate::store::{Kind, Rows, RowsMut};

/// Decisions that were made; can be made again.
pub(super) const DECISIONS: &str = "decisions";

/// Forgets what was decided.
pub(crate) fn forget_decisions(rows: &mut dyn RowsMut) -> Result<()> {
    if rows.meta(DECISIONS)?.is_some() {
        rows.set_meta(DECISIONS, None)?;
    }
    Ok(())
}

/// Sightings that were compared with all others, as ranges of ids; sealed.
const COMPARED: &str = "compared";
const PLACE: &[u8] = b"sightings that were compared, form 1";

pub(super) fn compared(rows: &dyn Rows, codec: Codec<'_>) -> Result<BTreeSet<u64>> {
    let Some(sealed) = rows.meta(COMPARED)? else { return Ok(BTreeSet::new()) };
    // What does not open is done again.
    let ranges = codec.sealer.open(PLACE, &sealed).map(Zeroizing::new);
    let ranges: Option<Ranges> = ranges.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(ranges.map(|ranges| ranges.iter().collect()).unwrap_or_default())
}

pub(super) fn put_compared(rows: &mut dyn RowsMut, codec: Codec<'_>, ids: &BTreeSet<u64>) -> Result<()> {
    let mut ranges = Ranges::default();
    ids.iter().for_each(|id| ranges.push(*id));
    rows.set_meta(COMPARED, Some(&codec.sealer.seal(PLACE, &json(&ranges)?)?))
}

/// Questions that were answered and left nothing else behind, by their keys; sealed.
const SETTLED: &str = "settled";
const SETTLED_PLACE: &[u8] = b"settled questions, form 1";

pub(super) fn settled(rows: &dyn Rows, codec: Codec<'_>) -> Result<BTreeSet<String>> {
    let Some(sealed) = rows.meta(SETTLED)? else { return Ok(BTreeSet::new()) };
    let keys = codec.sealer.open(SETTLED_PLACE, &sealed).map(Zeroizing::new);
    Ok(keys.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

pub(super) fn put_settled(rows: &mut dyn RowsMut, codec: Codec<'_>, keys: &BTreeSet<String>) -> Result<()> {
    rows.set_meta(SETTLED, Some(&codec.sealer.seal(SETTLED_PLACE, &json(keys)?)?))
}

/// Seals by a new key what lies beside the rows; what can be made again is forgotten.
pub(super) fn seal_anew(rows: &mut dyn RowsMut, old: Codec<'_>, new: Codec<'_>) -> Result<()> {
    if rows.meta(COMPARED)?.is_some() {
        let ids = compared(rows, old)?;
        put_compared(rows, new, &ids)?;
    }
    if rows.meta(SETTLED)?.is_some() {
        let keys = settled(rows, old)?;
        put_settled(rows, new, &keys)?;
    }
    Ok(())
}

/// Takes sightings that are gone out of their groups.
pub(super) fn forget_sightings(rows: &mut dyn RowsMut, codec: Codec<'_>, gone: &BTreeSet<u64>) -> Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let mut after = 0;
    while let Some(page) = rows.next_page(Kind::Group, &mut after, 256)? {
        for (id, row) in &page {
            let mut body = codec.group_body(*id, row)?;
            let before = body.sightings.len();
            body.sightings.retain(|sighting| !gone.contains(sighting));
            if body.sightings.len() != before {
                codec.put_group(rows, GroupId(*id), PersonId(row.owner), &body)?;
            }
        }
    }
    let mut known = compared(rows, codec)?;
    if gone.iter().any(|id| known.remove(id)) {
        known.retain(|id| !gone.contains(id));
        put_compared(rows, codec, &known)?;
    }
    Ok(())
}

//! Groups of sightings that are one person: found by [`cluster`], named, ignored, joined and split by people.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};

use super::cluster::{self, Anchor, Clusters, Item, Rules};
use super::decisions::Archive;
use super::enroll::{Came, EnrollRules, Enrolled, Target};
use super::kept::{compared, put_compared, put_settled, settled};
use super::operation::OperationKind;
use super::photos::no_sighting;
use super::steps::{Step, TRASH, changed, move_row};
use super::{Gallery, now, record};
use crate::error::{Cause, ErrorKind, GalleryError, Result};
use crate::model::{GroupBody, GroupHead, GroupId, NewFace, OperationId, Part, PersonId, SightingId};
use crate::rows::Codec;
use crate::store::{Kind, Rows, RowsMut};

/// How strangers are grouped.
#[derive(Clone, Debug, PartialEq)]
pub struct Grouping {
    /// The share of people who occur once of whom some other face may be as similar as the faces of one group must be. A
    /// group needs several faces that all agree, so that far fewer of them come into a wrong one.
    pub rate: f64,
    /// Photos that a new group needs.
    pub least_photos: usize,
    /// Faces of lower quality are not grouped.
    pub least_quality: f32,
    /// Faces with fewer pixels between the eyes are not grouped.
    pub least_eyes: f32,
    /// Threads that compare.
    pub threads: usize,
}

impl Default for Grouping {
    fn default() -> Grouping {
        Grouping { rate: 0.05, least_photos: 3, least_quality: 0.35, least_eyes: 16.0, threads: 1 }
    }
}

/// A small archive is grouped as strictly as one of so many sightings: few faces say little about each other.
const LEAST_SIGHTINGS: usize = 1000;

/// What grouping has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Grouped {
    /// New groups.
    #[serde(serialize_with = "numbers")]
    pub born: Vec<GroupId>,
    /// How many sightings came to groups that there were.
    pub joined: usize,
    /// Groups that turned out to be an older one: `(younger, older)`. The younger one's number stands for the older from
    /// now on.
    #[serde(serialize_with = "pairs_of_numbers")]
    pub merged: Vec<(GroupId, GroupId)>,
}

/// Strangers are told by their numbers, as everywhere else.
fn numbers<S: Serializer>(groups: &[GroupId], s: S) -> std::result::Result<S::Ok, S::Error> {
    s.collect_seq(groups.iter().map(|group| group.0))
}

fn pairs_of_numbers<S: Serializer>(
    groups: &[(GroupId, GroupId)],
    s: S,
) -> std::result::Result<S::Ok, S::Error> {
    s.collect_seq(groups.iter().map(|(younger, older)| (younger.0, older.0)))
}

/// What became of naming a group.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedGroup {
    /// The person, and what became of the faces that were given.
    pub enrolled: Enrolled,
    /// By which operation it can be taken back.
    pub operation: OperationId,
}

fn no_group(group: GroupId) -> GalleryError {
    GalleryError::missing(Cause::NoGroup { group })
        .with_hint("`phiz strangers` lists them with their numbers")
}

fn body_of(rows: &dyn Rows, codec: Codec<'_>, id: GroupId) -> Result<(PersonId, GroupBody)> {
    let row = rows.get(Kind::Group, id.0)?.ok_or_else(|| no_group(id))?;
    Ok((PersonId(row.owner), codec.group_body(id.0, &row)?))
}

/// The group that a number stands for now.
pub(super) fn resolve(
    rows: &dyn Rows,
    codec: Codec<'_>,
    mut id: GroupId,
) -> Result<(GroupId, PersonId, GroupBody)> {
    let mut seen = BTreeSet::new();
    loop {
        let (person, body) = body_of(rows, codec, id)?;
        match body.head.into {
            Some(into) if seen.insert(id) => id = GroupId(into),
            _ => return Ok((id, person, body)),
        }
    }
}

/// Changes one group's members.
pub(super) fn edit_members(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    id: GroupId,
    edit: impl FnOnce(&mut BTreeSet<u64>),
) -> Result<()> {
    let (person, mut body) = body_of(rows, codec, id)?;
    let mut members: BTreeSet<u64> = body.sightings.iter().copied().collect();
    edit(&mut members);
    body.sightings = members.into_iter().collect();
    codec.put_group(rows, id, person, &body)
}

/// Puts sightings from one group into another; 0 for none.
fn put_members(rows: &mut dyn RowsMut, codec: Codec<'_>, ids: &[u64], from: u64, to: u64) -> Result<Step> {
    if from != 0 {
        edit_members(rows, codec, GroupId(from), |members| {
            ids.iter().for_each(|id| _ = members.remove(id));
        })?;
    }
    if to != 0 {
        edit_members(rows, codec, GroupId(to), |members| members.extend(ids.iter().copied()))?;
    }
    Ok(Step::Members { sightings: ids.to_vec(), from, to })
}

fn put_head(rows: &mut dyn RowsMut, codec: Codec<'_>, id: GroupId, after: &GroupHead) -> Result<Step> {
    let (person, mut body) = body_of(rows, codec, id)?;
    let before = std::mem::replace(&mut body.head, after.clone());
    codec.put_group(rows, id, person, &body)?;
    Ok(Step::Group { id: id.0, before: Some(before), after: Some(after.clone()) })
}

pub(super) fn new_group(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    person: PersonId,
) -> Result<(GroupId, Step)> {
    let id = GroupId(rows.next_id(Kind::Group)?);
    let head = GroupHead { created: now(), ..GroupHead::default() };
    codec.put_group(rows, id, person, &GroupBody { head: head.clone(), sightings: Vec::new() })?;
    Ok((id, Step::Group { id: id.0, before: None, after: Some(head) }))
}

/// Gives a group of nobody to a person.
pub(crate) fn own_group(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    group: GroupId,
    person: PersonId,
) -> Result<Step> {
    move_row(rows, codec, Kind::Group, group.0, person)?;
    Ok(Step::GroupOwner { id: group.0, from: TRASH.0, to: person.0 })
}

pub(super) fn take_back_head(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    id: u64,
    before: &Option<GroupHead>,
    after: &Option<GroupHead>,
    operation: OperationId,
) -> Result<()> {
    let Some(row) = rows.get(Kind::Group, id)? else {
        return Err(changed(operation, Part::Group(GroupId(id))));
    };
    let mut body = codec.group_body(id, &row)?;
    if Some(&body.head) != after.as_ref() {
        return Err(changed(operation, Part::Group(GroupId(id))));
    }
    match before {
        Some(before) => {
            body.head = before.clone();
            codec.put_group(rows, GroupId(id), PersonId(row.owner), &body)
        }
        // What has come to it since is single again.
        None => rows.delete(Kind::Group, id).map(|_| ()),
    }
}

pub(super) fn take_back_members(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    sightings: &[u64],
    from: u64,
    to: u64,
    operation: OperationId,
) -> Result<()> {
    // Those whose photos are gone for good cannot come back.
    let there: Vec<u64> = rows.get_many(Kind::Sighting, sightings)?.into_iter().map(|(id, _)| id).collect();
    if to != 0 {
        let (_, body) = body_of(rows, codec, GroupId(to))?;
        if there.iter().any(|id| body.sightings.binary_search(id).is_err()) {
            return Err(changed(operation, Part::Group(GroupId(to))));
        }
    } else if there.iter().any(|id| matches!(group_of(rows, codec, *id), Ok(Some(_)) | Err(_))) {
        return Err(changed(operation, Part::Group(GroupId(from))));
    }
    put_members(rows, codec, &there, to, from).map(|_| ())
}

/// The group that a sighting is in.
fn group_of(rows: &dyn Rows, codec: Codec<'_>, sighting: u64) -> Result<Option<GroupId>> {
    let mut after = 0;
    while let Some(page) = rows.next_page(Kind::Group, &mut after, 256)? {
        for (id, row) in &page {
            if codec.group_body(*id, row)?.sightings.binary_search(&sighting).is_ok() {
                return Ok(Some(GroupId(*id)));
            }
        }
    }
    Ok(None)
}

/// Whether a face is good enough to be grouped.
fn is_good(sighting: &crate::model::Sighting, grouping: &Grouping) -> bool {
    let [right, left, ..] = sighting.landmarks;
    let eyes = (left[0] - right[0]).hypot(left[1] - right[1]);
    sighting.quality >= grouping.least_quality && eyes >= grouping.least_eyes
}

impl Gallery {
    /// Groups the sightings that are nobody known: new ones join groups that there are, or make new ones. Groups keep
    /// their numbers and their sightings. `tell` hears how many sightings of how many were compared.
    ///
    /// # Errors
    /// The rate is none, or the gallery cannot be read or written.
    pub fn group_strangers(
        &self,
        archive: &Archive,
        grouping: &Grouping,
        tell: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Grouped> {
        let known = self.read(compared)?;
        let in_group = archive.group_of();
        let open: Vec<usize> = (0..archive.groups.len())
            .filter(|place| archive.groups[*place].person.is_none() && archive.groups[*place].into.is_none())
            .collect();
        let place_of: BTreeMap<GroupId, usize> =
            open.iter().enumerate().map(|(place, group)| (archive.groups[*group].id, place)).collect();
        let (mut items, mut sightings) = (Vec::new(), Vec::new());
        for (place, sighting) in archive.sightings.iter().enumerate() {
            let group = in_group.get(&sighting.id);
            let there = archive.photos.get(&sighting.photo).is_some_and(|photo| photo.gone.is_none());
            let nobody = archive.decided[place].person().is_none() && there;
            let group = match group {
                // In the group of somebody who has a name.
                Some(group) if !place_of.contains_key(group) => continue,
                Some(group) => place_of.get(group).copied(),
                None if nobody && is_good(sighting, grouping) => None,
                None => continue,
            };
            items.push(Item {
                photo: sighting.photo.0,
                template: archive.templates[place].vector(),
                group,
                new: !known.contains(&sighting.id.0),
            });
            sightings.push(sighting.id);
        }
        if items.iter().all(|item| !item.new) {
            return Ok(Grouped::default());
        }
        let anchors: Vec<Anchor> = open
            .iter()
            .map(|group| {
                let group = &archive.groups[*group];
                let apart = group.apart.iter().filter_map(|other| place_of.get(other).copied()).collect();
                Anchor { open: !group.ignored, apart }
            })
            .collect();
        let rules = self.rules(grouping, items.len())?;
        let found = cluster::cluster(&items, &anchors, self.dim, rules, grouping.threads, tell);
        let groups: Vec<GroupId> = open.iter().map(|place| archive.groups[*place].id).collect();
        self.put_clusters(&found, &groups, &sightings)
    }

    /// The similarities that a rate stands for among so many sightings.
    fn rules(&self, grouping: &Grouping, sightings: usize) -> Result<Rules> {
        let fmr = crate::rates::Rate::Fpir(grouping.rate).fmr(sightings.max(LEAST_SIGHTINGS) as f64)?;
        let thresholds = self.thresholds();
        let means = thresholds.similarity_at(fmr) as f32;
        Ok(Rules {
            means,
            // Members differ more than means do.
            members: means * 0.6,
            neighbours: means * 0.8,
            least_photos: grouping.least_photos.max(1),
        })
    }

    fn put_clusters(
        &self,
        found: &Clusters,
        groups: &[GroupId],
        sightings: &[SightingId],
    ) -> Result<Grouped> {
        self.write(|rows, codec| {
            let mut done = Grouped::default();
            // Somebody may have changed groups meanwhile: who is in a group by now stays there.
            let mut taken = BTreeSet::new();
            let mut after = 0;
            while let Some(page) = rows.next_page(Kind::Group, &mut after, 256)? {
                for (id, row) in &page {
                    taken.extend(codec.group_body(*id, row)?.sightings);
                }
            }
            let free = |rows: &dyn Rows, ids: Vec<u64>, taken: &BTreeSet<u64>| -> Result<Vec<u64>> {
                let there = rows.get_many(Kind::Sighting, &ids)?;
                Ok(there.into_iter().map(|(id, _)| id).filter(|id| !taken.contains(id)).collect())
            };
            let mut joined: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
            for (item, group) in &found.joined {
                joined.entry(*group).or_default().push(sightings[*item].0);
            }
            for (group, ids) in joined {
                let Ok((id, person, body)) = resolve(rows, codec, groups[group]) else { continue };
                if person == TRASH {
                    let ids = free(rows, ids, &taken)?;
                    done.joined += ids.len();
                    let members: BTreeSet<u64> = body.sightings.iter().copied().chain(ids).collect();
                    let body = GroupBody { sightings: members.into_iter().collect(), ..body };
                    codec.put_group(rows, id, person, &body)?;
                }
            }
            for (younger, older) in &found.merged {
                let (younger, older) = (groups[*younger], groups[*older]);
                let (Ok((from, mut gone)), Ok((to, kept))) =
                    (body_of(rows, codec, younger), body_of(rows, codec, older))
                else {
                    continue;
                };
                let untouched = |person: PersonId, head: &GroupHead| {
                    person == TRASH && !head.ignored && head.into.is_none()
                };
                if untouched(from, &gone.head) && untouched(to, &kept.head) {
                    put_members(rows, codec, &gone.sightings, younger.0, older.0)?;
                    gone.head.into = Some(older.0);
                    put_head(rows, codec, younger, &gone.head)?;
                    done.merged.push((younger, older));
                }
            }
            for born in &found.born {
                let ids = born.iter().map(|item| sightings[*item].0).collect();
                let ids = free(rows, ids, &taken)?;
                if !ids.is_empty() {
                    let (id, _) = new_group(rows, codec, TRASH)?;
                    edit_members(rows, codec, id, |members| members.extend(&ids))?;
                    done.born.push(id);
                }
            }
            let mut known = compared(rows, codec)?;
            known.extend(free(rows, sightings.iter().map(|s| s.0).collect(), &BTreeSet::new())?);
            put_compared(rows, codec, &known)?;
            Ok(done)
        })
    }

    /// Says who a group is: its faces that are given are enrolled, and all its sightings are that person from then on.
    ///
    /// # Errors
    /// There is no such group, it has a name already, no face was taken in and nobody has the name; and as
    /// [`Gallery::enroll`].
    pub fn name_group(
        &self,
        group: GroupId,
        target: &Target,
        faces: &[NewFace],
        rules: &EnrollRules,
    ) -> Result<NamedGroup> {
        let (target, similar) = self.prepare(target, faces, rules)?;
        let (mut enrolled, operation) = self.write(|rows, codec| {
            let (group, owner, _) = resolve(rows, codec, group)?;
            if owner != TRASH {
                let reason = format!("stranger {} is {owner} already", group.0);
                return Err(GalleryError::new(ErrorKind::Conflict, reason)
                    .with_hint(format!("`phiz people rename {owner} NAME` gives another name")));
            }
            let mut came = Came::default();
            let enrolled = came.enroll(rows, codec, &target, faces, rules)?;
            let Some(person) = enrolled.person else {
                let reason = format!("none of the faces of stranger {} can be enrolled", group.0);
                return Err(GalleryError::new(ErrorKind::Conflict, reason)
                    .with_hint("name a person who is enrolled, or enrol other photos of them first"));
            };
            let mut steps: Vec<Step> = came.step().into_iter().collect();
            let taken = match steps.first() {
                Some(Step::Enrolled { faces, .. }) => faces.len(),
                _ => 0,
            };
            steps.push(own_group(rows, codec, group, person)?);
            let kind = OperationKind::NameGroup { group, person, faces: taken };
            Ok((enrolled, record(rows, codec, kind, steps)?))
        })?;
        enrolled.operation = Some(operation);
        self.judge(&mut enrolled, similar, rules);
        Ok(NamedGroup { enrolled, operation })
    }

    /// Puts a group out of sight, or brings it back.
    ///
    /// # Errors
    /// There is no such group, it is in that state already, or the gallery cannot be written.
    pub fn ignore_group(&self, group: GroupId, ignored: bool) -> Result<OperationId> {
        self.write(|rows, codec| {
            let (group, _, mut body) = resolve(rows, codec, group)?;
            if body.head.ignored == ignored {
                let state = if ignored { "is ignored already" } else { "is not ignored" };
                let reason = format!("stranger {} {state}", group.0);
                return Err(GalleryError::new(ErrorKind::Conflict, reason));
            }
            body.head.ignored = ignored;
            let step = put_head(rows, codec, group, &body.head)?;
            record(rows, codec, OperationKind::IgnoreGroup { group, ignored }, vec![step])
        })
    }

    /// Two groups are one person: the sightings of `from` become `into`'s, and its number stands for `into` from then on.
    ///
    /// # Errors
    /// There is no such group, they are one already, or two different people have their names; or the gallery cannot be
    /// written.
    pub fn join_groups(&self, into: GroupId, from: GroupId) -> Result<OperationId> {
        self.write(|rows, codec| {
            let (into, own, mut kept) = resolve(rows, codec, into)?;
            let (from, owner, mut gone) = resolve(rows, codec, from)?;
            if into == from {
                let reason = format!("stranger {} cannot be joined to itself", into.0);
                return Err(GalleryError::new(ErrorKind::Caller, reason).with_hint("name two strangers"));
            }
            if owner != TRASH && owner != own {
                let reason = format!("stranger {} has a name: it is {owner}", from.0);
                return Err(GalleryError::new(ErrorKind::Conflict, reason)
                    .with_hint("name it first in the list, or merge the people: phiz people merge"));
            }
            let mut steps = Vec::new();
            steps.push(put_members(rows, codec, &gone.sightings, from.0, into.0)?);
            if kept.head.apart.remove(&from.0) {
                steps.push(put_head(rows, codec, into, &kept.head)?);
            }
            gone.head.apart.remove(&into.0);
            gone.head.into = Some(into.0);
            steps.push(put_head(rows, codec, from, &gone.head)?);
            record(rows, codec, OperationKind::JoinGroups { from, into }, steps)
        })
    }

    /// A group is two people: some of its sightings become a group of their own, and never come back by themselves.
    ///
    /// # Errors
    /// There is no such group, no sighting is named or one that is not in it; or the gallery cannot be written.
    pub fn split_group(&self, group: GroupId, sightings: &[SightingId]) -> Result<(GroupId, OperationId)> {
        self.write(|rows, codec| {
            let (group, _, mut body) = resolve(rows, codec, group)?;
            let ids: BTreeSet<u64> = sightings.iter().map(|s| s.0).collect();
            if ids.is_empty() || ids.len() >= body.sightings.len() {
                let reason =
                    format!("no face, or every face of stranger {}, is to be split from it", group.0);
                return Err(GalleryError::new(ErrorKind::Caller, reason)
                    .with_hint("name the faces that are somebody else, and not all of them"));
            }
            if let Some(other) = ids.iter().find(|id| body.sightings.binary_search(id).is_err()) {
                let reason = format!("s{other} is no face of stranger {}", group.0);
                return Err(GalleryError::new(ErrorKind::Conflict, reason)
                    .with_hint(format!("`phiz strangers show {}` lists its faces", group.0)));
            }
            let ids: Vec<u64> = ids.into_iter().collect();
            let (new, made) = new_group(rows, codec, TRASH)?;
            let mut steps = vec![made, put_members(rows, codec, &ids, group.0, new.0)?];
            body.head.apart.insert(new.0);
            steps.push(put_head(rows, codec, group, &body.head)?);
            let (_, made) = body_of(rows, codec, new)?;
            let mut head = made.head;
            head.apart.insert(group.0);
            steps.push(put_head(rows, codec, new, &head)?);
            let kind = OperationKind::SplitGroup { group, new, sightings: ids.len() };
            Ok((new, record(rows, codec, kind, steps)?))
        })
    }

    /// Two groups are two people: they are never joined by themselves.
    ///
    /// # Errors
    /// There is no such group, they are one already, or the gallery cannot be written.
    pub fn part_groups(&self, one: GroupId, other: GroupId) -> Result<OperationId> {
        self.write(|rows, codec| {
            let (one, _, mut first) = resolve(rows, codec, one)?;
            let (other, _, mut second) = resolve(rows, codec, other)?;
            if one == other {
                let reason = format!("strangers {} and {} are one", one.0, other.0);
                return Err(GalleryError::new(ErrorKind::Conflict, reason)
                    .with_hint("split it: phiz strangers split"));
            }
            first.head.apart.insert(other.0);
            second.head.apart.insert(one.0);
            let steps =
                vec![put_head(rows, codec, one, &first.head)?, put_head(rows, codec, other, &second.head)?];
            record(rows, codec, OperationKind::PartGroups { one, other }, steps)
        })
    }

    /// Keys of the questions that were settled, see [`Gallery::settle`].
    ///
    /// # Errors
    /// The gallery cannot be read.
    pub fn settled(&self) -> Result<BTreeSet<String>> {
        self.read(settled)
    }

    /// Remembers that a question need not be asked again.
    ///
    /// # Errors
    /// The gallery cannot be written.
    pub fn settle(&self, key: &str) -> Result<()> {
        self.write(|rows, codec| {
            let mut keys = settled(rows, codec)?;
            keys.insert(key.into());
            put_settled(rows, codec, &keys)
        })
    }

    /// Takes back that a question need not be asked again, see [`Gallery::settle`].
    ///
    /// # Errors
    /// The gallery cannot be written.
    pub fn unsettle(&self, key: &str) -> Result<()> {
        self.write(|rows, codec| {
            let mut keys = settled(rows, codec)?;
            if keys.remove(key) {
                put_settled(rows, codec, &keys)?;
            }
            Ok(())
        })
    }

    /// Says who a sighting is, without enrolling its face.
    ///
    /// # Errors
    /// There is no such sighting or person, or the gallery cannot be written.
    pub fn confirm(&self, sighting: SightingId, person: PersonId) -> Result<OperationId> {
        self.write(|rows, codec| {
            rows.get(Kind::Sighting, sighting.0)?.ok_or_else(|| no_sighting(sighting))?;
            rows.get(Kind::Person, person.0)?.ok_or_else(|| GalleryError::no_person(person))?;
            let mut steps = Vec::new();
            let from = group_of(rows, codec, sighting.0)?;
            let to = match rows.owned(Kind::Group, person.0)?.first() {
                Some(id) => GroupId(*id),
                None => {
                    let (id, made) = new_group(rows, codec, TRASH)?;
                    steps.push(made);
                    steps.push(own_group(rows, codec, id, person)?);
                    id
                }
            };
            if from == Some(to) {
                let reason = format!("{sighting} is {person} already");
                return Err(GalleryError::new(ErrorKind::Conflict, reason));
            }
            steps.push(put_members(rows, codec, &[sighting.0], from.map_or(0, |id| id.0), to.0)?);
            record(rows, codec, OperationKind::Confirm { sighting, person }, steps)
        })
    }
}

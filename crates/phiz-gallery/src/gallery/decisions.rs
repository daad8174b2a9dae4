//! Who the faces of an archive are: decided from templates, without a look at any photo.
//!
//! What is decided is kept, sealed, until something that it follows from changes: people and their faces, what is said not
//! to be them, rates, groups that were named. It is a cache: losing it costs time.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use phiz_template::Template;
use sha2::{Digest as _, Sha256};

use super::kept::DECISIONS;
use super::together::once_a_photo;
use super::{Gallery, Search, compare, photos};
use crate::error::Result;
use crate::model::{FaceId, Group, GroupId, PersonId, PhotoId, SeenPhoto, Sighting, SightingId};
use crate::rates::{self, Candidate, Decision};
use crate::rows::{Codec, SAME_IN_PHOTO, Weighted, combine, similarity};
use crate::store::{Kind, Mark, Rows};

/// How the faces of an archive are decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deciding {
    /// How people are searched.
    pub search: Search,
    /// Whether one person may be in a photo more than once: in a collage or a mirror, or who has a twin.
    pub twins: bool,
}

/// By what a sighting was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecidedBy {
    /// Nobody is similar enough.
    Unknown,
    /// Several people are too alike to tell.
    Ambiguous,
    /// One person is similar enough.
    Similarity,
    /// Somebody has said who it is.
    Statement,
    /// One person is similar enough, but a stranger is more so, whose faces together are not that person.
    Stranger,
}

/// What was decided about a sighting.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// By what.
    pub by: DecidedBy,
    /// The person, or the most similar one where nobody was accepted: no identity then.
    pub best: Option<PersonId>,
    /// The second of the people who are too alike to tell, if it is ambiguous.
    pub second: Option<PersonId>,
    /// How similar the face is to the best.
    pub similarity: f32,
    /// The false match rate that the similarity stands for.
    pub fmr: f64,
    /// The chance that a stranger looks as much like anybody.
    pub fpir: f64,
    /// The stored face that carried the comparison.
    pub face: Option<FaceId>,
}

impl Decided {
    const NOBODY: Decided = Decided {
        by: DecidedBy::Unknown,
        best: None,
        second: None,
        similarity: 0.0,
        fmr: 1.0,
        fpir: 1.0,
        face: None,
    };

    /// Who it is, if that is known.
    #[must_use]
    pub fn person(&self) -> Option<PersonId> {
        self.best.filter(|_| matches!(self.by, DecidedBy::Similarity | DecidedBy::Statement))
    }
}

/// An archive at one moment: what was seen, who it is, and which strangers are one person.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    /// The photos, by id.
    pub photos: BTreeMap<PhotoId, SeenPhoto>,
    /// The sightings, by rising id.
    pub sightings: Vec<Sighting>,
    /// The template of each sighting.
    pub templates: Vec<Template>,
    /// What was decided about each sighting.
    pub decided: Vec<Decided>,
    /// The groups, by rising number.
    pub groups: Vec<Group>,
}

impl Archive {
    /// Where a sighting is in the lists.
    #[must_use]
    pub fn place(&self, id: SightingId) -> Option<usize> {
        self.sightings.binary_search_by_key(&id, |sighting| sighting.id).ok()
    }

    /// The group of a number; of one that was joined to another, that one.
    #[must_use]
    pub fn group(&self, mut id: GroupId) -> Option<&Group> {
        // Aliases lead to groups that exist; more steps than groups would be a circle.
        for _ in 0..=self.groups.len() {
            let place = self.groups.binary_search_by_key(&id, |group| group.id).ok()?;
            match self.groups[place].into {
                Some(into) => id = into,
                None => return Some(&self.groups[place]),
            }
        }
        None
    }

    /// Which group each sighting is in.
    #[must_use]
    pub fn group_of(&self) -> BTreeMap<SightingId, GroupId> {
        self.groups.iter().flat_map(|group| group.sightings.iter().map(|s| (*s, group.id))).collect()
    }

    /// The sightings of each photo, in the order of their ids.
    #[must_use]
    pub fn by_photo(&self) -> BTreeMap<PhotoId, Vec<usize>> {
        let mut by_photo: BTreeMap<PhotoId, Vec<usize>> = BTreeMap::new();
        for (place, sighting) in self.sightings.iter().enumerate() {
            by_photo.entry(sighting.photo).or_default().push(place);
        }
        by_photo
    }

    /// The strangers: groups that nobody has named, with those of their sightings that are nobody known, in photos that are
    /// there; the largest first. Those that are ignored only if `ignored` says so.
    #[must_use]
    pub fn strangers(&self, ignored: bool) -> Vec<(&Group, Vec<usize>)> {
        let unknown = |id: &SightingId| {
            let place = self.place(*id)?;
            let there = self.photos.get(&self.sightings[place].photo).is_some_and(|p| p.gone.is_none());
            (there && self.decided[place].person().is_none()).then_some(place)
        };
        let open = self.groups.iter().filter(|g| g.person.is_none() && g.into.is_none());
        let open = open.filter(|group| group.ignored == ignored);
        let mut found: Vec<(&Group, Vec<usize>)> =
            open.map(|group| (group, group.sightings.iter().filter_map(unknown).collect())).collect();
        found.retain(|(_, places)| !places.is_empty());
        found.sort_by_key(|(group, places)| (std::cmp::Reverse(places.len()), group.id));
        found
    }
}

/// What the decisions are bound to when they are sealed.
const PLACE: &[u8] = b"decisions of sightings, form 1";
/// Sightings that are decided together.
const TOGETHER: usize = 4096;

/// Decisions as they are kept: what they follow from, and a record for each sighting.
#[derive(Default)]
struct Cache {
    mark: Mark,
    basis: [u8; 32],
    decided: BTreeMap<SightingId, Decided>,
}

/// Bytes of a record: sighting, by what, best, second, similarity, face.
const RECORD: usize = 8 + 1 + 8 + 8 + 4 + 8;

impl Cache {
    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(48 + self.decided.len() * RECORD);
        out.extend(self.mark.version.to_le_bytes());
        out.extend(self.mark.stamp.to_le_bytes());
        out.extend(self.basis);
        for (id, decided) in &self.decided {
            out.extend(id.0.to_le_bytes());
            out.push(match decided.by {
                DecidedBy::Unknown => 0,
                DecidedBy::Ambiguous => 1,
                DecidedBy::Similarity => 2,
                DecidedBy::Statement => 3,
                DecidedBy::Stranger => 4,
            });
            out.extend(decided.best.map_or(0, |p| p.0).to_le_bytes());
            out.extend(decided.second.map_or(0, |p| p.0).to_le_bytes());
            out.extend(decided.similarity.to_le_bytes());
            out.extend(decided.face.map_or(0, |f| f.0).to_le_bytes());
        }
        out
    }

    /// None if the bytes are of another form.
    fn read(bytes: &[u8]) -> Option<Cache> {
        let (head, records) = bytes.split_first_chunk::<48>()?;
        let number = |at: &[u8]| at.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
        let mark = Mark { version: number(head)?, stamp: number(&head[8..])? };
        let basis = *head[16..].first_chunk::<32>()?;
        let (records, rest) = records.as_chunks::<RECORD>();
        if !rest.is_empty() {
            return None;
        }
        let mut decided = BTreeMap::new();
        for record in records {
            let by = match record[8] {
                0 => DecidedBy::Unknown,
                1 => DecidedBy::Ambiguous,
                2 => DecidedBy::Similarity,
                3 => DecidedBy::Statement,
                4 => DecidedBy::Stranger,
                _ => return None,
            };
            let person = |at: usize| number(&record[at..]).map(|id| (id != 0).then_some(PersonId(id)));
            let (best, second) = (person(9)?, person(17)?);
            let similarity = f32::from_le_bytes(*record[25..].first_chunk::<4>()?);
            let face = Some(number(&record[29..])?).filter(|id| *id != 0).map(FaceId);
            let one = Decided { by, best, second, similarity, fmr: 1.0, fpir: 1.0, face };
            decided.insert(SightingId(number(record)?), one);
        }
        Some(Cache { mark, basis, decided })
    }

    fn load(rows: &dyn Rows, codec: Codec<'_>) -> Result<Cache> {
        let Some(sealed) = rows.meta(DECISIONS)? else { return Ok(Cache::default()) };
        // What does not open or is of another form is made anew.
        Ok(codec.sealer.open(PLACE, &sealed).and_then(|bytes| Cache::read(&bytes)).unwrap_or_default())
    }
}

/// Faces that a stranger needs to have a say in who they are.
const LEAST_FACES: usize = 3;
/// A face that a stranger resembles anybody as much as so rarely is not compared with the strangers.
const SURE: f64 = 1e-3;

/// The strangers' faces together: one template for each of them, and whose each sighting is.
struct Strangers {
    means: BTreeMap<GroupId, Vec<f32>>,
    of: BTreeMap<SightingId, GroupId>,
}

impl Strangers {
    fn of(archive: &Archive) -> Strangers {
        let mut strangers = Strangers { means: BTreeMap::new(), of: BTreeMap::new() };
        let unnamed = archive.groups.iter().filter(|group| group.person.is_none() && group.into.is_none());
        for group in unnamed.filter(|group| group.sightings.len() >= LEAST_FACES) {
            let faces = group.sightings.iter().filter_map(|id| archive.place(*id)).map(|place| Weighted {
                quality: archive.sightings[place].quality,
                template: archive.templates[place].vector().to_vec(),
            });
            if let Some(mean) = combine(&faces.collect::<Vec<_>>()) {
                strangers.of.extend(group.sightings.iter().map(|sighting| (*sighting, group.id)));
                strangers.means.insert(group.id, mean);
            }
        }
        strangers
    }
}

/// Faces that are compared with one stranger after the other, while they are near the processor.
const TILE: usize = 32;
/// [`product`] is nearer to [`similarity`] than this.
const ROUNDING: f32 = 1e-5;

/// The product of two templates, roughly and fast: in sixteen sums that do not wait for each other.
fn product(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<16>();
    let (b, b_rest) = b.as_chunks::<16>();
    let mut sums = [0.0f32; 16];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

impl Strangers {
    /// For each face, the strangers whom it resembles at least as much as is said beside it.
    fn as_alike(&self, faces: &[(&[f32], f32)]) -> Vec<Vec<GroupId>> {
        let mut found = vec![Vec::new(); faces.len()];
        for (faces, found) in faces.chunks(TILE).zip(found.chunks_mut(TILE)) {
            for (id, mean) in &self.means {
                for ((face, least), found) in faces.iter().zip(&mut *found) {
                    if product(mean, face) + ROUNDING >= *least && similarity(mean, face) >= *least {
                        found.push(*id);
                    }
                }
            }
        }
        found
    }
}

/// Who was said to be where: by naming a group, or by enrolling the very face.
type Said = BTreeMap<SightingId, (PersonId, Option<FaceId>)>;

impl Gallery {
    /// Everything that is known of the archive at this moment; decisions that no longer hold are made anew, from templates.
    ///
    /// # Errors
    /// The gallery cannot be read or is damaged, or the rate is none.
    pub fn archive(&self, deciding: &Deciding) -> Result<Archive> {
        let mut archive = Archive::default();
        let cache = self.read(|rows, codec| {
            archive = Archive::default();
            let mut after = 0;
            while let Some(page) = rows.next_page(Kind::Photo, &mut after, 1000)? {
                for (id, row) in &page {
                    archive.photos.insert(PhotoId(*id), codec.seen_photo(*id, row)?);
                }
            }
            photos::all_seen(rows, codec, |seen| {
                archive.sightings.push(seen.sighting);
                archive.templates.push(Template::new(self.model.clone(), seen.template)?);
                Ok(())
            })?;
            let mut after = 0;
            while let Some(page) = rows.next_page(Kind::Group, &mut after, 1000)? {
                for (id, row) in &page {
                    let mut group = codec.group(*id, row)?;
                    // Those that wait for a template stay in the group, and say nothing.
                    let sightings = &archive.sightings;
                    group.sightings.retain(|id| sightings.binary_search_by_key(id, |seen| seen.id).is_ok());
                    archive.groups.push(group);
                }
            }
            let mut cache = Cache::load(rows, codec)?;
            let basis = self.basis(rows, &archive.groups, deciding)?;
            let stays = cache.basis == basis
                && rows.changed_since(&cache.mark)?.is_some_and(|people| people.is_empty());
            if !stays {
                cache = Cache { basis, ..Cache::default() };
            }
            cache.mark = rows.mark()?;
            Ok(cache)
        })?;
        self.decide(&mut archive, cache, deciding)?;
        Ok(archive)
    }

    /// What decisions follow from, beside people and their faces.
    fn basis(&self, rows: &dyn Rows, groups: &[Group], deciding: &Deciding) -> Result<[u8; 32]> {
        let mut hash = Sha256::new();
        let settings = self.settings();
        let (thresholds, share) = (self.thresholds(), settings.calibration.map_or(1.0, |c| c.share));
        hash.update(format!("{deciding:?} {:?} {share}", thresholds.quantiles()));
        let mut after = 0;
        while let Some(page) = rows.next_page(Kind::Negative, &mut after, 1000)? {
            page.iter().for_each(|(id, row)| hash.update(format!("n{id} {} ", row.owner)));
        }
        for group in groups {
            hash.update(format!("{}{:?}{:?}", group.id, group.person, group.sightings));
        }
        Ok(hash.finalize().into())
    }

    /// Completes an archive's decisions by those that are missing.
    fn decide(&self, archive: &mut Archive, mut cache: Cache, deciding: &Deciding) -> Result<()> {
        let by_photo = archive.by_photo();
        let missing = |places: &Vec<usize>| {
            places.iter().any(|place| !cache.decided.contains_key(&archive.sightings[*place].id))
        };
        let due: Vec<&Vec<usize>> = by_photo.values().filter(|places| missing(places)).collect();
        let known = cache.decided.len();
        let mut people = None;
        if !due.is_empty() {
            let (said, strangers) = (self.said(archive)?, Strangers::of(archive));
            let mut from = 0;
            while from < due.len() {
                let (mut to, mut faces) = (from, 0);
                while to < due.len() && (faces == 0 || faces + due[to].len() <= TOGETHER) {
                    faces += due[to].len();
                    to += 1;
                }
                let photos = &due[from..to];
                people = Some(self.decide_photos(archive, photos, &said, &strangers, deciding, &mut cache)?);
                from = to;
            }
        }
        // Those that are gone are forgotten.
        cache.decided.retain(|id, _| archive.place(*id).is_some());
        if (known != cache.decided.len() || people.is_some()) && !self.read_only {
            let bytes = cache.bytes();
            let written = self.write(|rows, codec| {
                // A mark of before: what has changed since is found to have changed.
                rows.set_meta(DECISIONS, Some(&codec.sealer.seal(PLACE, &bytes)?))
            });
            // Not to be able to keep them costs time, nothing else.
            drop(written);
        }
        let searched = match people {
            Some(people) => people,
            None => self.index()?.as_ref().map_or(0, crate::index::Index::len),
        };
        let (thresholds, comparisons) = (self.thresholds(), self.comparisons(searched));
        archive.decided = archive
            .sightings
            .iter()
            .map(|sighting| {
                let mut decided = cache.decided.remove(&sighting.id).unwrap_or(Decided::NOBODY);
                decided.fmr = thresholds.fmr_at(f64::from(decided.similarity));
                decided.fpir = rates::fpir(decided.fmr, comparisons);
                if decided.best.is_none() || (decided.by == DecidedBy::Statement && decided.face.is_none()) {
                    (decided.fmr, decided.fpir) = (1.0, 1.0);
                }
                decided
            })
            .collect();
        Ok(())
    }

    /// Decides some photos' faces; says among how many people they were searched.
    fn decide_photos(
        &self,
        archive: &Archive,
        photos: &[&Vec<usize>],
        said: &Said,
        strangers: &Strangers,
        deciding: &Deciding,
        cache: &mut Cache,
    ) -> Result<usize> {
        let places: Vec<usize> = photos.iter().flat_map(|places| places.iter().copied()).collect();
        let templates: Vec<Template> = places.iter().map(|place| archive.templates[*place].clone()).collect();
        let found = self.identify_all(&templates, &deciding.search)?;
        let people = found.first().map_or(0, |found| found.people);
        let outvoted = self.outvoted(archive, &places, &found, strangers)?;
        let mut found = found.into_iter().zip(outvoted);
        for places in photos {
            let (found, outvoted): (Vec<_>, Vec<bool>) = found.by_ref().take(places.len()).unzip();
            let threshold = found.first().map_or(1.0, |found| found.threshold);
            let own = |place: &usize| said.get(&archive.sightings[*place].id);
            let taken: BTreeSet<PersonId> =
                places.iter().filter_map(own).map(|(person, _)| *person).collect();
            let mut open: Vec<Decision> = found.iter().map(|found| found.decision.clone()).collect();
            for ((decision, place), outvoted) in open.iter_mut().zip(*places).zip(&outvoted) {
                if own(place).is_some() || *outvoted {
                    *decision = Decision::Unknown { best: None };
                }
            }
            let decisions = match deciding.twins {
                true => open,
                false => once_a_photo(&open, threshold, &taken, deciding.search.margin),
            };
            for (((decision, found), place), outvoted) in
                decisions.iter().zip(&found).zip(*places).zip(outvoted)
            {
                let sighting = archive.sightings[*place].id;
                let decided = match said.get(&sighting) {
                    Some((person, face)) => {
                        let own = found.candidates.iter().find(|c| c.person == *person);
                        Decided {
                            by: DecidedBy::Statement,
                            face: face.or(own.map(|c| c.face)),
                            similarity: own.map_or(0.0, |c| c.similarity),
                            best: Some(*person),
                            ..Decided::NOBODY
                        }
                    }
                    None if outvoted => Decided { by: DecidedBy::Stranger, ..decided(&found.decision) },
                    None => decided(decision),
                };
                cache.decided.insert(sighting, decided);
            }
        }
        Ok(people)
    }

    /// Which faces were found to be somebody, but are a stranger's who is not that person: because they are in the stranger's
    /// group, or because they were found by little and the stranger is more like them.
    fn outvoted(
        &self,
        archive: &Archive,
        places: &[usize],
        found: &[super::Identified],
        strangers: &Strangers,
    ) -> Result<Vec<bool>> {
        let mut known: BTreeMap<(GroupId, PersonId), bool> = BTreeMap::new();
        let mut outvoted = Vec::with_capacity(places.len());
        let unsure = places.iter().zip(found).filter_map(|(place, found)| match &found.decision {
            Decision::Match(alone) if alone.fpir > SURE => {
                Some((archive.templates[*place].vector(), alone.similarity))
            }
            _ => None,
        });
        let mut others = strangers.as_alike(&unsure.collect::<Vec<_>>()).into_iter();
        for (place, found) in places.iter().zip(found) {
            let Decision::Match(alone) = &found.decision else {
                outvoted.push(false);
                continue;
            };
            let own = strangers.of.get(&archive.sightings[*place].id).copied();
            let mut rivals: Vec<GroupId> = own.into_iter().collect();
            if alone.fpir > SURE {
                rivals.extend(others.next().into_iter().flatten().filter(|id| own != Some(*id)));
            }
            let mut is_stranger = false;
            for rival in rivals {
                let mean = &strangers.means[&rival];
                is_stranger |= match known.entry((rival, alone.person)) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(unknown) => {
                        let compared = self.read(|rows, codec| compare(rows, codec, mean, alone.person))?;
                        let alike = compared.map_or(-1.0, |(compared, _)| compared.similarity);
                        *unknown.insert(f64::from(alike) < found.threshold)
                    }
                };
            }
            outvoted.push(is_stranger);
        }
        Ok(outvoted)
    }

    /// What was said about sightings.
    fn said(&self, archive: &Archive) -> Result<Said> {
        let mut said = Said::new();
        for group in &archive.groups {
            if let Some(person) = group.person {
                said.extend(group.sightings.iter().map(|s| (*s, (person, None))));
            }
        }
        // A face that was enrolled from a photo is that person in the photo.
        let mut of_photo: BTreeMap<[u8; 32], Vec<usize>> = BTreeMap::new();
        for (place, sighting) in archive.sightings.iter().enumerate() {
            if let Some(photo) = archive.photos.get(&sighting.photo) {
                of_photo.entry(photo.photo).or_default().push(place);
            }
        }
        self.read(|rows, codec| {
            let mut after = 0;
            while let Some(page) = rows.next_page(Kind::Face, &mut after, 1000)? {
                for (id, row) in page.iter().filter(|(_, row)| row.owner != 0) {
                    let body: crate::model::FaceBody = codec.open_json(Kind::Face, *id, row)?;
                    let Some(places) = body.photo().and_then(|photo| of_photo.get(&photo)) else { continue };
                    let template = codec.template(rows, FaceId(*id))?.template;
                    let alike = |place: &usize| similarity(&template, archive.templates[*place].vector());
                    let best = places.iter().map(|place| (*place, alike(place)));
                    if let Some((place, alike)) = best.max_by(|a, b| a.1.total_cmp(&b.1))
                        && alike >= SAME_IN_PHOTO
                    {
                        let person = PersonId(row.owner);
                        said.insert(archive.sightings[place].id, (person, Some(FaceId(*id))));
                    }
                }
            }
            Ok(())
        })?;
        Ok(said)
    }
}

fn decided(decision: &Decision) -> Decided {
    let of = |by, candidate: &Candidate, second: Option<&Candidate>| Decided {
        by,
        best: Some(candidate.person),
        second: second.map(|second| second.person),
        similarity: candidate.similarity,
        face: Some(candidate.face),
        ..Decided::NOBODY
    };
    match decision {
        Decision::Match(candidate) => of(DecidedBy::Similarity, candidate, None),
        Decision::Ambiguous { candidates } => match &candidates[..] {
            [first, rest @ ..] => of(DecidedBy::Ambiguous, first, rest.first()),
            [] => Decided::NOBODY,
        },
        Decision::Unknown { best: Some(best) } => of(DecidedBy::Unknown, best, None),
        Decision::Unknown { best: None } => Decided::NOBODY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is roughly compared first is compared as exactly as if it were compared alone.
    #[test]
    fn strangers_are_compared_in_tiles_as_one_by_one() {
        let mut random = phiz_eval::random::Random::new(5);
        let mut unit = |dim: usize| {
            let mut vector: Vec<f32> = (0..dim).map(|_| random.normal() as f32).collect();
            let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
            vector.iter_mut().for_each(|v| *v /= length);
            vector
        };
        for dim in [1, 15, 64, 100] {
            let means: BTreeMap<GroupId, Vec<f32>> = (1..=40).map(|id| (GroupId(id), unit(dim))).collect();
            let faces: Vec<Vec<f32>> = (0..70).map(|_| unit(dim)).collect();
            // Every third bound is met exactly.
            let mut asked: Vec<(&[f32], f32)> = faces.iter().map(|face| (&face[..], 0.1)).collect();
            for (i, (face, least)) in asked.iter_mut().enumerate().filter(|(i, _)| i % 3 == 0) {
                *least = similarity(&means[&GroupId(i as u64 % 40 + 1)], face);
            }
            let naive = |(face, least): &(&[f32], f32)| {
                let alike = means.iter().filter(|(_, mean)| similarity(mean, face) >= *least);
                alike.map(|(id, _)| *id).collect::<Vec<_>>()
            };
            let wanted: Vec<Vec<GroupId>> = asked.iter().map(naive).collect();
            assert!(wanted.iter().any(|some| !some.is_empty()));
            let strangers = Strangers { means: means.clone(), of: BTreeMap::new() };
            assert_eq!(strangers.as_alike(&asked), wanted, "dim {dim}");
        }
    }

    /// The bytes are frozen: an older Phiz's decisions are read.
    #[test]
    fn decisions_keep_their_form() {
        let one = Decided {
            by: DecidedBy::Ambiguous,
            best: Some(PersonId(2)),
            second: Some(PersonId(3)),
            similarity: 0.5,
            face: Some(FaceId(9)),
            ..Decided::NOBODY
        };
        let decided = BTreeMap::from([(SightingId(1), one), (SightingId(7), Decided::NOBODY)]);
        let cache = Cache { mark: Mark { version: 4, stamp: 5 }, basis: [6; 32], decided };
        let bytes = cache.bytes();
        let wanted = [
            "0400000000000000",
            "0500000000000000",
            &"06".repeat(32),
            "0100000000000000",
            "01",
            "0200000000000000",
            "0300000000000000",
            "0000003f",
            "0900000000000000",
            "0700000000000000",
            &"00".repeat(29),
        ]
        .concat();
        assert_eq!(bytes.len(), 48 + 2 * RECORD);
        assert_eq!(crate::bytes::hex(&bytes), wanted);
        let read = Cache::read(&bytes).unwrap();
        assert_eq!((read.mark, read.basis, read.decided), (cache.mark, cache.basis, cache.decided));
        assert!(Cache::read(&bytes[..bytes.len() - 1]).is_none() && Cache::read(&[]).is_none());
    }
}

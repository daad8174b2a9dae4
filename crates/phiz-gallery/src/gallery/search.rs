//! Deciding: who is this (open set), and is this that person?

use std::collections::{BTreeMap, BTreeSet};

use phiz_template::{Template, Thresholds};
use serde::Serialize;

use super::Gallery;
use crate::error::{Cause, ErrorKind, GalleryError, Result};
use crate::index::{Choice, Hit, Index, Probe};
use crate::model::{FaceId, Person, PersonId};
use crate::names;
use crate::rates::{self, Calibration, Candidate, Decision, Rate, decide};
use crate::rows::{Codec, Faces, Negatives, combine, similarity};
use crate::store::{Kind, Rows, Tag};

/// Chooses people: those for whom everything that is set holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// People of this name, whatever its case and its form in Unicode.
    pub name: Option<String>,
    /// People whose name contains this, whatever its case.
    pub text: Option<String>,
    /// People who have all these attributes.
    pub attributes: BTreeMap<String, String>,
    /// People who are on all these watch lists.
    pub lists: BTreeSet<String>,
    /// Only these people.
    pub people: Option<BTreeSet<PersonId>>,
}

impl Filter {
    /// The people on one watch list.
    #[must_use]
    pub fn list(name: impl Into<String>) -> Filter {
        Filter { lists: BTreeSet::from([name.into()]), ..Filter::default() }
    }

    pub(crate) fn passes(&self, person: &Person) -> bool {
        let details = &person.details;
        let named = || names::folded(&details.name);
        let attribute = |(key, value): (&String, &String)| {
            details.attributes.iter().any(|(k, v)| names::same(k, key) && names::same(v, value))
        };
        self.name.as_ref().is_none_or(|name| named() == names::folded(name))
            && self.text.as_ref().is_none_or(|text| named().contains(&names::folded(text)))
            && self.attributes.iter().all(attribute)
            && self.lists.iter().all(|list| details.lists.iter().any(|own| names::same(own, list)))
            && self.people.as_ref().is_none_or(|people| people.contains(&person.id))
    }

    /// Ids that may pass, rising, found without opening all rows; none if there is nothing to find them by.
    pub(crate) fn tagged(&self, rows: &dyn Rows, codec: &Codec<'_>) -> Result<Option<Vec<u64>>> {
        let mut tags: Vec<Vec<Tag>> = self.name.iter().map(|name| codec.name_tags(name)).collect();
        tags.extend(self.attributes.iter().map(|(key, value)| codec.attribute_tags(key, value)));
        tags.extend(self.lists.iter().map(|list| codec.list_tags(list)));
        let mut ids: Option<BTreeSet<u64>> =
            self.people.as_ref().map(|all| all.iter().map(|p| p.0).collect());
        for spellings in tags {
            let found = with_any(rows, &spellings)?;
            ids = Some(match ids {
                Some(ids) => ids.intersection(&found).copied().collect(),
                None => found,
            });
        }
        Ok(ids.map(|ids| ids.into_iter().collect()))
    }

    /// Fails if a watch list is asked for that nobody is on: most likely its name is misspelt, and to find nobody would
    /// be no answer.
    fn check_lists(&self, rows: &dyn Rows, codec: &Codec<'_>) -> Result<()> {
        for list in &self.lists {
            if with_any(rows, &codec.list_tags(list))?.is_empty() {
                return Err(GalleryError::new(ErrorKind::NotFound, "nobody is on that watch list")
                    .with_hint("check how the list is spelt, or put somebody on it")
                    .because(Cause::NobodyOnList));
            }
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Filter::default()
    }
}

/// Ids of people who carry one of some tags.
fn with_any(rows: &dyn Rows, tags: &[Tag]) -> Result<BTreeSet<u64>> {
    let mut found = BTreeSet::new();
    for tag in tags {
        found.extend(rows.tagged(Kind::Person, tag)?);
    }
    Ok(found)
}

/// How to search.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// How often a stranger may be taken for somebody.
    pub rate: Rate,
    /// The second person must be this many times more likely a coincidence than the first, else the answer is
    /// [`Decision::Ambiguous`].
    pub margin: f64,
    /// How many candidates to list, if there are as many people.
    pub most: usize,
    /// The people to search; everybody, unless it is set.
    pub among: Filter,
}

impl Default for Search {
    fn default() -> Search {
        Search { rate: Rate::Fpir(0.01), margin: 10.0, most: 5, among: Filter::default() }
    }
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Identified {
    /// Who it is.
    #[serde(flatten)]
    pub decision: Decision,
    /// The most similar people, by falling similarity. The first, and all who are similar enough, are certain; among
    /// the others somebody nearly as similar may be left out.
    pub candidates: Vec<Candidate>,
    /// People who would have been candidates, had it not been said that a face like this is not them; by falling
    /// similarity.
    pub denied: Vec<Candidate>,
    /// How many people were searched.
    pub people: usize,
    /// The similarity from which on somebody is accepted.
    pub threshold: f64,
}

/// What a comparison with one person found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verified {
    /// Is it that person, within the rate that was asked for?
    pub accepted: bool,
    /// Who the face was compared with.
    pub person: PersonId,
    /// What they were called when it was compared; empty if nobody knows.
    pub name: String,
    /// Cosine between the face and the person's faces, combined.
    pub similarity: f32,
    /// The false match rate that the similarity stands for.
    pub fmr: f64,
    /// The similarity from which on it is accepted.
    pub threshold: f64,
    /// It was said that a face like this is not that person.
    pub denied: bool,
}

/// How like a person a face is.
pub(crate) struct Compared {
    pub(crate) similarity: f32,
    pub(crate) denied: bool,
    /// Which of the person's faces is the most similar.
    pub(crate) face: FaceId,
}

/// All that is known of a person.
struct KnownPerson {
    name: String,
    faces: Faces,
    /// The faces as one template; none if they cancel each other out.
    combined: Option<Vec<f32>>,
    negatives: Negatives,
}

/// All that is known of some people, read when it is first needed.
#[derive(Default)]
struct Known {
    people: BTreeMap<u64, KnownPerson>,
    asked: BTreeSet<u64>,
}

impl Known {
    fn of(rows: &dyn Rows, codec: Codec<'_>, people: &[u64]) -> Result<Known> {
        let mut known = Known::default();
        known.learn(rows, codec, people.iter().copied())?;
        Ok(known)
    }

    /// Reads those who were not read yet, by at most five queries, however many people and faces there are.
    fn learn(
        &mut self,
        rows: &dyn Rows,
        codec: Codec<'_>,
        people: impl IntoIterator<Item = u64>,
    ) -> Result<()> {
        let new: Vec<u64> = people.into_iter().filter(|id| self.asked.insert(*id)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let names = codec.names(rows, &new)?;
        let mut faces = codec.templates_of(rows, &new)?;
        let mut negatives = codec.negatives_of(rows, &new)?;
        for (id, name) in names {
            let faces = faces.remove(&id).unwrap_or_default();
            let combined = combine(faces.iter().map(|(_, face)| face));
            let negatives = negatives.remove(&id).unwrap_or_default();
            self.people.insert(id, KnownPerson { name, faces, combined, negatives });
        }
        Ok(())
    }

    fn compare(&self, face: &[f32], person: PersonId) -> Option<Compared> {
        let known = self.people.get(&person.0)?;
        let combined = known.combined.as_ref()?;
        let own = similarity(face, combined);
        let (mut best, mut carrier) = (f32::NEG_INFINITY, None);
        for (id, stored) in &known.faces {
            let alike = similarity(face, &stored.template);
            if alike > best {
                (best, carrier) = (alike, Some(*id));
            }
        }
        let best = best.max(own);
        let denied = known.negatives.iter().any(|(_, template)| similarity(face, template) >= best);
        Some(Compared { similarity: own, denied, face: carrier? })
    }

    fn name(&self, person: PersonId) -> String {
        self.people.get(&person.0).map(|known| known.name.clone()).unwrap_or_default()
    }
}

/// Compares a face with all that is known of a person; none if the person has no faces. Says what they are called, too.
///
/// A face is denied if it is at least as similar to one of the person's negatives as to any of their faces: the
/// negative is then the better explanation.
pub(crate) fn compare(
    rows: &dyn Rows,
    codec: Codec<'_>,
    face: &[f32],
    person: PersonId,
) -> Result<Option<(Compared, String)>> {
    let known = Known::of(rows, codec, &[person.0])?;
    Ok(known.compare(face, person).map(|compared| (compared, known.name(person))))
}

/// Candidates looked at first; more are fetched if rounding to 4 bits could have hidden one.
const FIRST: usize = 64;

impl Gallery {
    /// Which similarity stands for which false match rate here: the model's card, or what was measured on this
    /// gallery.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        let settings = self.settings();
        settings.calibration.map_or(settings.thresholds, |calibration| calibration.thresholds)
    }

    /// The thresholds of the model's card, whatever was measured.
    #[must_use]
    pub fn card(&self) -> Thresholds {
        self.settings().thresholds
    }

    /// What was measured on this gallery, if anything was.
    #[must_use]
    pub fn calibration(&self) -> Option<Calibration> {
        self.settings().calibration
    }

    /// All people who have faces, by id.
    pub(crate) fn searchable(&self) -> Result<Vec<PersonId>> {
        let index = self.index()?;
        let mut people: Vec<PersonId> = index.iter().flat_map(Index::people).map(PersonId).collect();
        people.sort_unstable();
        Ok(people)
    }

    /// Compares some people's faces with everybody else: counts all similarities, and says for each probe which bins
    /// it reaches and who is nearest. By the index, whose rounding widens the spread of similarities by a 150th.
    pub(crate) fn against_all(
        &self,
        probes: &[(PersonId, Vec<f32>)],
        histogram: &mut [u64],
    ) -> Result<Vec<Against>> {
        let guard = self.index()?;
        let Some(index) = guard.as_ref() else { return Ok(Vec::new()) };
        let quantised: Vec<Probe> = probes.iter().map(|(_, template)| index.probe(template)).collect();
        let mut out: Vec<Against> =
            probes.iter().map(|(person, _)| Against { person: *person, highest: 0, nearest: None }).collect();
        index.scan(&quantised, None, |probe, block, similar, wanted| {
            let own = &mut out[probe];
            for (lane, (similarity, id)) in similar.iter().zip(index.ids(block)).enumerate() {
                if wanted >> lane & 1 == 0 || *id == own.person.0 {
                    continue;
                }
                let bin = rates::bin(*similarity);
                histogram[bin] += 1;
                own.highest = own.highest.max(bin);
                if own.nearest.is_none_or(|(s, _)| *similarity > s) {
                    own.nearest = Some((*similarity, PersonId(*id)));
                }
            }
        });
        Ok(out)
    }

    /// How many independent comparisons a search among `people` amounts to.
    pub(crate) fn comparisons(&self, people: usize) -> f64 {
        people as f64 * self.settings().calibration.map_or(1.0, |calibration| calibration.share)
    }

    /// Who is this?
    ///
    /// ```
    /// # use phiz_gallery::*;
    /// # fn who(gallery: &Gallery, template: &Template) -> Result<()> {
    /// match gallery.identify(template, &Search { rate: Rate::Fpir(0.001), ..Search::default() })?.decision {
    ///     Decision::Match(c) => println!("{} ({:.0e})", c.name, c.fpir),
    ///     Decision::Ambiguous { candidates } => println!("one of {}", candidates.len()),
    ///     Decision::Unknown { .. } => println!("unknown"),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The template is not of this gallery's model, the rate is none, nobody is on the watch list that is searched
    /// ([`Cause::NobodyOnList`]), or the gallery cannot be read or is damaged.
    pub fn identify(&self, template: &Template, search: &Search) -> Result<Identified> {
        let mut found = self.identify_all(std::slice::from_ref(template), search)?;
        found.pop().ok_or_else(|| GalleryError::damaged("the answer"))
    }

    /// Who are these? Many faces share a pass over the gallery, which is far faster than one by one.
    ///
    /// # Errors
    /// The same errors as [`Gallery::identify`].
    pub fn identify_all(&self, templates: &[Template], search: &Search) -> Result<Vec<Identified>> {
        templates.iter().try_for_each(|template| self.check_template(template))?;
        search.rate.fmr(1.0)?;
        let guard = self.index()?;
        let Some(index) = guard.as_ref() else { return Err(GalleryError::damaged("the index")) };
        let (choice, people) = self.choose(index, &search.among)?;
        let probes: Vec<Probe> = templates.iter().map(|template| index.probe(template.vector())).collect();
        let rough = index.search(&probes, FIRST.max(search.most * 2), choice.as_ref());
        let thresholds = self.thresholds();
        let fmr = search.rate.fmr(self.comparisons(people))?;
        // Whoever is less similar than this can neither be the first nor make the first ambiguous.
        let floor = thresholds.similarity_at((fmr * search.margin.max(1.0)).min(1.0)) as f32;
        self.read(|rows, codec| {
            let looks = templates.iter().zip(&probes).zip(&rough);
            let mut known = Known::default();
            let first = rough.iter().flat_map(|hits| hits.iter().take(at_first(search)));
            known.learn(rows, codec, first.map(|hit| hit.id))?;
            looks
                .map(|((template, probe), hits)| {
                    let mut seen = rank(rows, codec, &mut known, template.vector(), hits, search, floor)?;
                    let mut room = hits.len();
                    while !seen.complete && room < people {
                        room *= 8;
                        let one = std::slice::from_ref(probe);
                        let hits = index.search(one, room, choice.as_ref()).pop().unwrap_or_default();
                        seen = rank(rows, codec, &mut known, template.vector(), &hits, search, floor)?;
                    }
                    Ok(self.conclude(seen, search, people, fmr, &thresholds))
                })
                .collect()
        })
    }

    /// The rows that a filter lets through, and how many.
    fn choose(&self, index: &Index, filter: &Filter) -> Result<(Option<Choice>, usize)> {
        if filter.is_empty() {
            return Ok((None, index.len()));
        }
        let wanted = match filter {
            // Tags are found by keyed hashes; that the people behind them carry what they stand for is checked.
            Filter { text: None, .. } => self.read(|rows, codec| {
                filter.check_lists(rows, &codec)?;
                let ids = filter.tagged(rows, &codec)?.unwrap_or_default();
                let mut wanted = Vec::with_capacity(ids.len());
                for ids in ids.chunks(1000) {
                    let people = codec.people(rows, rows.get_many(Kind::Person, ids)?)?;
                    wanted.extend(people.iter().filter(|person| filter.passes(person)).map(|p| p.id.0));
                }
                Ok(wanted)
            })?,
            _ => {
                self.read(|rows, codec| filter.check_lists(rows, &codec))?;
                self.people(filter, None, usize::MAX)?.into_iter().map(|person| person.id.0).collect()
            }
        };
        let choice = index.choose(wanted.iter().copied());
        let people = choice.len();
        Ok((Some(choice), people))
    }

    fn conclude(
        &self,
        ranked: Ranked,
        search: &Search,
        people: usize,
        fmr: f64,
        thresholds: &Thresholds,
    ) -> Identified {
        let comparisons = self.comparisons(people);
        let candidate = |Likely { similarity, person, name, face }: Likely| {
            let fmr = thresholds.fmr_at(f64::from(similarity));
            Candidate { person, name, similarity, fmr, fpir: rates::fpir(fmr, comparisons), face }
        };
        let mut candidates: Vec<Candidate> = ranked.exact.into_iter().map(candidate).collect();
        let mut denied: Vec<Candidate> = ranked.denied.into_iter().map(candidate).collect();
        denied.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
        let decision = decide(&candidates, fmr, search.margin);
        candidates.truncate(search.most);
        let threshold = thresholds.similarity_at(fmr);
        Identified { decision, candidates, denied, people, threshold }
    }

    /// Is this that person? The rate is one comparison's: a rate for searches is taken for a search of one.
    ///
    /// # Errors
    /// There is no such person or they have no face, and as [`Gallery::identify`].
    pub fn verify(&self, template: &Template, person: PersonId, rate: Rate) -> Result<Verified> {
        self.check_template(template)?;
        let fmr = rate.fmr(1.0)?;
        let (compared, name) = self.read(|rows, codec| {
            let known = Known::of(rows, codec, &[person.0])?;
            if !known.people.contains_key(&person.0) {
                return Err(GalleryError::no_person(person));
            }
            let compared = known.compare(template.vector(), person);
            let none = || GalleryError::missing(Cause::NoFaceOfPerson { person });
            Ok((compared.ok_or_else(none)?, known.name(person)))
        })?;
        let thresholds = self.thresholds();
        let found = thresholds.fmr_at(f64::from(compared.similarity));
        Ok(Verified {
            accepted: found <= fmr && !compared.denied,
            person,
            name,
            similarity: compared.similarity,
            fmr: found,
            threshold: thresholds.similarity_at(fmr),
            denied: compared.denied,
        })
    }
}

/// How many hits are measured at first.
fn at_first(search: &Search) -> usize {
    search.most.max(2) + 2
}

/// Measures hits exactly, in their order, until none that follows could matter.
fn rank(
    rows: &dyn Rows,
    codec: Codec<'_>,
    known: &mut Known,
    template: &[f32],
    hits: &[Hit],
    search: &Search,
    floor: f32,
) -> Result<Ranked> {
    let mut ranked = Ranked { exact: Vec::new(), denied: Vec::new(), complete: false };
    // Mostly the first few decide. Then a few more are read at a time, since each that is read in vain costs as much as one
    // that decides, and more and more, so that there are few queries.
    let (mut rest, mut together, mut next) = (hits, at_first(search), 4);
    while !rest.is_empty() && !ranked.settles(&rest[0], search, floor) {
        let (now, later) = rest.split_at(together.min(rest.len()));
        known.learn(rows, codec, now.iter().map(|hit| hit.id))?;
        for hit in now {
            if ranked.settles(hit, search, floor) {
                break;
            }
            let person = PersonId(hit.id);
            let Some(Compared { similarity, face, denied }) = known.compare(template, person) else {
                continue;
            };
            let likely = Likely { similarity, person, name: known.name(person), face };
            match denied {
                true if similarity >= floor => ranked.denied.push(likely),
                true => {}
                false => ranked.add(likely),
            }
        }
        (rest, together, next) = (later, next, next + next / 2);
    }
    Ok(ranked)
}

/// How one face compares with everybody but its own person.
pub(crate) struct Against {
    pub(crate) person: PersonId,
    /// The bin of the highest similarity.
    pub(crate) highest: usize,
    pub(crate) nearest: Option<(f32, PersonId)>,
}

/// Somebody who was compared exactly.
struct Likely {
    similarity: f32,
    person: PersonId,
    name: String,
    face: FaceId,
}

struct Ranked {
    /// By falling similarity.
    exact: Vec<Likely>,
    denied: Vec<Likely>,
    /// Nobody who was not looked at could be among those who matter.
    complete: bool,
}

impl Ranked {
    fn add(&mut self, likely: Likely) {
        let at = self.exact.partition_point(|before| before.similarity >= likely.similarity);
        self.exact.insert(at, likely);
    }

    /// Whether neither this hit nor those behind it, who are no more similar, could change anything. Who is similar
    /// enough, and who is first, must be certain; the rest of the list is filled with who comes next.
    fn settles(&mut self, hit: &Hit, search: &Search, floor: f32) -> bool {
        let certain = if hit.at_most < floor { 1 } else { search.most.max(2) };
        self.complete |= self.exact.len() >= search.most
            && self.exact.get(certain - 1).is_some_and(|likely| likely.similarity >= hit.at_most);
        self.complete
    }
}

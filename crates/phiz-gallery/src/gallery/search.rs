//! Deciding: who is this (open set), and is this that person?

use std::collections::{BTreeMap, BTreeSet};

use phiz_template::Thresholds;
use serde::Serialize;

use super::{Gallery, with_all};
use crate::calibrate::Calibration;
use crate::error::{GalleryError, Result};
use crate::index::{Choice, Index, Probe};
use crate::model::{Person, PersonId};
use crate::rates::{self, Candidate, Decision, Rate, decide};
use crate::rows::{Codec, combine, similarity};
use crate::store::{Kind, Rows, Tag};

/// Which people. Everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Called so, whatever the case.
    pub name: Option<String>,
    /// With this within the name, whatever the case.
    pub text: Option<String>,
    /// With all these attributes.
    pub attributes: BTreeMap<String, String>,
    /// On all these watch lists.
    pub lists: BTreeSet<String>,
    /// Of these.
    pub people: Option<BTreeSet<PersonId>>,
}

impl Filter {
    /// Those on one watch list.
    #[must_use]
    pub fn list(name: impl Into<String>) -> Filter {
        Filter { lists: BTreeSet::from([name.into()]), ..Filter::default() }
    }

    pub(crate) fn passes(&self, person: &Person) -> bool {
        let (own, details) = (person.details.name.trim().to_lowercase(), &person.details);
        self.name.as_ref().is_none_or(|name| own == name.trim().to_lowercase())
            && self.text.as_ref().is_none_or(|text| own.contains(&text.to_lowercase()))
            && self.attributes.iter().all(|(key, value)| details.attributes.get(key) == Some(value))
            && self.lists.iter().all(|list| details.lists.contains(list))
            && self.people.as_ref().is_none_or(|people| people.contains(&person.id))
    }

    /// Ids that may pass, found without opening all rows; none if there is nothing to find them by.
    pub(crate) fn tagged(&self, rows: &dyn Rows, codec: &Codec<'_>) -> Result<Option<Vec<u64>>> {
        let mut tags: Vec<Tag> = self.name.iter().map(|name| codec.name_tag(name)).collect();
        tags.extend(self.attributes.iter().map(|(key, value)| codec.attribute_tag(key, value)));
        tags.extend(self.lists.iter().map(|list| codec.list_tag(list)));
        let mut ids = with_all(rows, &tags)?;
        if let Some(people) = &self.people {
            match &mut ids {
                Some(ids) => ids.retain(|id| people.contains(&PersonId(*id))),
                None => ids = Some(people.iter().map(|id| id.0).collect()),
            }
        }
        Ok(ids)
    }

    fn is_empty(&self) -> bool {
        *self == Filter::default()
    }
}

/// How to search.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// How often a stranger may be taken for somebody.
    pub rate: Rate,
    /// The second person must be this many times more likely a coincidence than the first, else the answer is
    /// [`Decision::Ambiguous`].
    pub margin: f64,
    /// Candidates to list, as far as there are people.
    pub most: usize,
    /// Among whom.
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
    /// People who would have been candidates, had it not been said that a face like this is not them.
    pub denied: Vec<PersonId>,
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
    /// Whom the face was compared with.
    pub person: PersonId,
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
pub(crate) struct Likeness {
    pub(crate) similarity: f32,
    pub(crate) denied: bool,
}

/// Compares a face with all that is known of a person; none if the person has no faces.
///
/// A face is denied if it is at least as similar to one of the person's negatives as to any of their faces: the
/// negative is then the better explanation.
pub(crate) fn liken(
    rows: &dyn Rows,
    codec: Codec<'_>,
    face: &[f32],
    person: PersonId,
) -> Result<Option<Likeness>> {
    let templates = codec.templates(rows, person)?;
    let Some(combined) = combine(templates.iter().map(|(_, t)| t)) else { return Ok(None) };
    let own = similarity(face, &combined);
    let best = templates.iter().map(|(_, t)| similarity(face, &t.template)).fold(own, f32::max);
    let negatives = codec.negatives(rows, person)?;
    let denied = negatives.iter().any(|(_, template)| similarity(face, template) >= best);
    Ok(Some(Likeness { similarity: own, denied }))
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
                let bin = crate::calibrate::bin(*similarity);
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
    /// # fn who(gallery: &Gallery, template: &[f32]) -> Result<()> {
    /// match gallery.identify(template, &Search { rate: Rate::Fpir(0.001), ..Search::default() })?.decision {
    ///     Decision::Match(c) => println!("{} ({:.0e})", gallery.person(c.person)?.details.name, c.fpir),
    ///     Decision::Ambiguous { candidates } => println!("one of {}", candidates.len()),
    ///     Decision::Unknown { .. } => println!("unknown"),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The template cannot be one of this gallery's, the rate is none, the gallery cannot be read or is damaged.
    pub fn identify(&self, template: &[f32], search: &Search) -> Result<Identified> {
        let mut found = self.identify_all(&[template], search)?;
        found.pop().ok_or_else(|| GalleryError::damaged("the answer"))
    }

    /// Who are these? Many faces share a pass over the gallery, which is far faster than one by one.
    ///
    /// # Errors
    /// See [`Gallery::identify`].
    pub fn identify_all(&self, templates: &[&[f32]], search: &Search) -> Result<Vec<Identified>> {
        templates.iter().try_for_each(|template| self.check_template(template))?;
        search.rate.fmr(1.0)?;
        let guard = self.index()?;
        let Some(index) = guard.as_ref() else { return Err(GalleryError::damaged("the index")) };
        let (choice, people) = self.choose(index, &search.among)?;
        let probes: Vec<Probe> = templates.iter().map(|template| index.probe(template)).collect();
        let rough = index.search(&probes, FIRST.max(search.most * 2), choice.as_ref());
        let thresholds = self.thresholds();
        let fmr = search.rate.fmr(self.comparisons(people))?;
        let looks = templates.iter().zip(&probes).zip(rough);
        looks
            .map(|((template, probe), mut hits)| {
                // Whoever is less similar than this can neither be the first nor make the first ambiguous.
                let floor = thresholds.similarity_at((fmr * search.margin.max(1.0)).min(1.0)) as f32;
                loop {
                    let room = hits.len();
                    let seen = self.rank(template, &hits, search, floor)?;
                    if seen.complete || room >= people {
                        return Ok(self.conclude(seen, search, people, fmr, &thresholds));
                    }
                    hits = index
                        .search(std::slice::from_ref(probe), room * 8, choice.as_ref())
                        .pop()
                        .unwrap_or_default();
                }
            })
            .collect()
    }

    /// The rows that a filter lets through, and how many.
    fn choose(&self, index: &Index, filter: &Filter) -> Result<(Option<Choice>, usize)> {
        if filter.is_empty() {
            return Ok((None, index.len()));
        }
        let wanted = match filter {
            // Tags are found by keyed hashes; that the people behind them carry what they stand for is checked.
            Filter { text: None, .. } => self.read(|rows, codec| {
                let ids = filter.tagged(rows, &codec)?.unwrap_or_default();
                let mut wanted = Vec::with_capacity(ids.len());
                for id in ids {
                    if codec.person(rows, PersonId(id))?.is_some_and(|person| filter.passes(&person)) {
                        wanted.push(id);
                    }
                }
                Ok(wanted)
            })?,
            _ => self.people(filter, None, usize::MAX)?.into_iter().map(|person| person.id.0).collect(),
        };
        let choice = index.choose(wanted.iter().copied());
        let people = choice.len();
        Ok((Some(choice), people))
    }

    /// Measures hits exactly, in their order, until none that follows could matter.
    fn rank(
        &self,
        template: &[f32],
        hits: &[crate::index::Hit],
        search: &Search,
        floor: f32,
    ) -> Result<Ranked> {
        self.read(|rows, codec| {
            let mut ranked = Ranked { exact: Vec::new(), denied: Vec::new(), complete: false };
            for hit in hits {
                // Those who follow are no more similar than this. Who is similar enough, and who is first, must be
                // certain; the rest of the list is filled with who comes next.
                let at_most = hit.at_most;
                let certain = if at_most < floor { 1 } else { search.most.max(2) };
                if ranked.exact.len() >= search.most
                    && ranked.exact.get(certain - 1).is_some_and(|(s, _)| *s >= at_most)
                {
                    ranked.complete = true;
                    break;
                }
                let person = PersonId(hit.id);
                match liken(rows, codec, template, person)? {
                    Some(likeness) if likeness.denied && likeness.similarity >= floor => {
                        ranked.denied.push(person);
                    }
                    Some(likeness) if likeness.denied => {}
                    Some(likeness) => {
                        let at = ranked.exact.partition_point(|(s, _)| *s >= likeness.similarity);
                        ranked.exact.insert(at, (likeness.similarity, person));
                    }
                    None => {}
                }
            }
            Ok(ranked)
        })
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
        let candidate = |(similarity, person): (f32, PersonId)| {
            let fmr = thresholds.fmr_at(f64::from(similarity));
            Candidate { person, similarity, fmr, fpir: rates::fpir(fmr, comparisons) }
        };
        let mut candidates: Vec<Candidate> = ranked.exact.into_iter().map(candidate).collect();
        let decision = decide(&candidates, fmr, search.margin);
        candidates.truncate(search.most);
        let threshold = thresholds.similarity_at(fmr);
        Identified { decision, candidates, denied: ranked.denied, people, threshold }
    }

    /// Is this that person? The rate is one comparison's: a rate for searches is taken for a search of one.
    ///
    /// # Errors
    /// There is no such person or they have no face, and as [`Gallery::identify`].
    pub fn verify(&self, template: &[f32], person: PersonId, rate: Rate) -> Result<Verified> {
        self.check_template(template)?;
        let fmr = rate.fmr(1.0)?;
        let likeness = self.read(|rows, codec| {
            if rows.get(Kind::Person, person.0)?.is_none() {
                return Err(GalleryError::missing(format!("person {person}")));
            }
            let likeness = liken(rows, codec, template, person)?;
            likeness.ok_or_else(|| GalleryError::missing(format!("face of person {person}")))
        })?;
        let thresholds = self.thresholds();
        let found = thresholds.fmr_at(f64::from(likeness.similarity));
        Ok(Verified {
            accepted: found <= fmr && !likeness.denied,
            person,
            similarity: likeness.similarity,
            fmr: found,
            threshold: thresholds.similarity_at(fmr),
            denied: likeness.denied,
        })
    }
}

/// How one face compares with everybody but its own person.
pub(crate) struct Against {
    pub(crate) person: PersonId,
    /// The bin of the highest similarity.
    pub(crate) highest: usize,
    pub(crate) nearest: Option<(f32, PersonId)>,
}

struct Ranked {
    /// By falling similarity.
    exact: Vec<(f32, PersonId)>,
    denied: Vec<PersonId>,
    /// Nobody who was not looked at could be among those who matter.
    complete: bool,
}

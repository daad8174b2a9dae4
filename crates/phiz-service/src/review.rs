//! What a gallery and its archive would like to know: questions in order of worth, each answered by one word.
//!
//! A question is worth as many faces as its answer decides. The same queue is asked in the terminal and on a page; an answer
//! is an operation that can be undone. A question that was answered, or put off for ever, is not asked again.

use std::collections::{BTreeMap, BTreeSet};

use phiz_gallery::{
    Archive, DecidedBy, EnrollRules, FaceId, Filter, Gallery, GroupId, NegativeId, NewFace, OperationId,
    Person, PersonId, PhotoId, Rate, Search, SightingId, Target, Template,
};
use serde::{Deserialize, Serialize};

use crate::{Album, CandidateAnswer, IdentifyOptions, MIN_QUALITY, PathName, Result, Service};

/// A person, as questions name them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Named {
    /// The person.
    pub id: PersonId,
    /// The name, or the id of one who has none.
    pub name: String,
}

/// A face in a photo, as questions show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// The sighting.
    pub sighting: SightingId,
    /// The photo.
    #[serde(flatten)]
    pub path: PathName,
    /// Left, top, width, height.
    #[serde(rename = "box")]
    pub bbox: [f32; 4],
    /// The photo, for programs that go on with it.
    #[serde(skip)]
    pub photo: PhotoId,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "question", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Question {
    /// Is this person in the photo?
    IsPerson {
        /// The face.
        face: Shown,
        /// The person.
        person: Named,
        /// The enrolled face that is most like it.
        beside: Option<FaceId>,
        /// The chance that a stranger resembles anybody as much.
        fpir: f64,
    },
    /// Which of two people is it?
    WhichPerson {
        /// The face.
        face: Shown,
        /// The one.
        first: Named,
        /// The other.
        second: Named,
    },
    /// Is this stranger that person?
    StrangerIsPerson {
        /// The stranger's number.
        stranger: u64,
        /// Their best faces.
        faces: Vec<Shown>,
        /// The person.
        person: Named,
        /// The enrolled face that is most like them.
        beside: Option<FaceId>,
        /// The chance that another stranger resembles anybody as much.
        fpir: f64,
    },
    /// Are these two strangers one person?
    OneStranger {
        /// The one.
        first: u64,
        /// The other.
        second: u64,
        /// The best faces of the one.
        faces: Vec<Shown>,
        /// The best faces of the other.
        others: Vec<Shown>,
        /// The false match rate of their likeness.
        fmr: f64,
    },
    /// Who is this? The answer is a name.
    WhoIs {
        /// The stranger's number.
        stranger: u64,
        /// Their best faces.
        faces: Vec<Shown>,
        /// In how many photos they are.
        photos: usize,
    },
    /// Does this enrolled face belong to its person? It is unlike the others.
    BelongsTo {
        /// The face.
        face: FaceId,
        /// The person.
        person: Named,
        /// The false match rate of its likeness to the person's other faces.
        fmr: f64,
    },
    /// Are these two people one?
    OnePerson {
        /// The one.
        first: Named,
        /// The other.
        second: Named,
        /// The false match rate of their likeness.
        fmr: f64,
    },
    /// Is this person two? These faces are unlike the others.
    TwoPeople {
        /// The person.
        person: Named,
        /// The faces that may be somebody else's.
        faces: Vec<FaceId>,
        /// The false match rate of the likeness of the two halves.
        fmr: f64,
    },
    /// Was this enrolled face the reason of a mistake? A face that is not the person is very like it.
    Misleads {
        /// The face.
        face: FaceId,
        /// The person.
        person: Named,
        /// What was said not to be the person.
        negative: NegativeId,
        /// The false match rate of the likeness of the two.
        fmr: f64,
    },
}

/// A question with its worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asked {
    /// Names the question between sessions.
    pub key: String,
    /// How many faces the answer decides, about.
    pub worth: f64,
    /// The question.
    #[serde(flatten)]
    pub question: Question,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Yes; of two people, the first.
    Yes,
    /// No; of two people, neither.
    No,
    /// Of two people, the second.
    Second,
    /// The name of a stranger.
    Name(String),
    /// The person who a stranger is.
    Person(PersonId),
    /// Never ask this again, whatever the answer is.
    Never,
}

/// What an answer has done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answered {
    /// Operations to undo, the latest last; none if only the question was settled.
    pub operations: Vec<OperationId>,
    /// In words.
    pub done: String,
}

/// Faces that a question shows of a stranger.
const SHOWN: usize = 6;
/// Names of strangers are asked for so many at a time: each opens others.
const NAMES: usize = 50;
/// A face is unlike its person if the false match rate of its likeness to the others is above this.
const UNLIKE: f64 = 0.02;
/// Two halves of a person are unlike if it is above this, and each half alike if it is below [`UNLIKE`].
const APART: f64 = 0.05;
/// Two people are alike if it is below this.
const ALIKE: f64 = 1e-6;
/// An enrolled face misleads if what is not the person is as like it as this.
const MISLED: f64 = 1e-3;

/// The mean of some templates, of unit length; none if they cancel each other out.
pub(crate) fn mean<'a>(templates: impl IntoIterator<Item = &'a Template>) -> Option<Template> {
    let (mut sum, mut model): (Vec<f32>, _) = (Vec::new(), None);
    for template in templates {
        sum.resize(template.vector().len(), 0.0);
        sum.iter_mut().zip(template.vector()).for_each(|(s, v)| *s += v);
        model = Some(template.model().clone());
    }
    Template::normalised(model?, sum).ok()
}

fn alike(a: &Template, b: &Template) -> f64 {
    a.similarity(b).map_or(-1.0, f64::from)
}

/// The people whom a person's faces, combined, are most like, the most similar first. An answer to nothing: people may look alike.
///
/// # Errors
/// There is no such person, or the gallery cannot be read.
pub fn neighbours(
    gallery: &Gallery,
    person: PersonId,
    options: &IdentifyOptions,
) -> Result<Vec<CandidateAnswer>> {
    gallery.person(person)?;
    let faces = gallery.templates(person)?;
    let Some(mean) = mean(faces.iter().map(|(_, template)| template)) else { return Ok(Vec::new()) };
    // The first is the person.
    let search = IdentifyOptions { top: options.top + 1, ..options.clone() }.search();
    let found = gallery.identify(&mean, &search)?.candidates.into_iter();
    let others = found.filter(|candidate| candidate.person != person).take(options.top);
    Ok(others.map(CandidateAnswer::from).collect())
}

/// The proposals about enrolled people: faces that do not fit, people who are one or two, faces that misled.
///
/// # Errors
/// The gallery cannot be read.
pub fn doubts(gallery: &Gallery) -> Result<Vec<Asked>> {
    let mut found = Vec::new();
    let thresholds = gallery.thresholds();
    let people = gallery.people(&Filter::default(), None, usize::MAX)?;
    let mut means = Vec::new();
    for person in &people {
        let faces = gallery.templates(person.id)?;
        if let Some(mean) = mean(faces.iter().map(|(_, template)| template)) {
            means.push((person, mean));
        }
        let two = two_people(&faces, &thresholds);
        if let Some((others, fmr)) = &two {
            let (faces, fmr) = (others.clone(), *fmr);
            let ids: Vec<String> = faces.iter().map(FaceId::to_string).collect();
            found.push(Asked {
                key: format!("two {} {}", person.id, ids.join(" ")),
                worth: faces.len() as f64 + 2.0,
                question: Question::TwoPeople { person: named(person), faces, fmr },
            });
        }
        for (face, template) in faces.iter().filter(|_| faces.len() > 2 && two.is_none()) {
            let others = mean(faces.iter().filter(|(other, _)| other != face).map(|(_, template)| template));
            let fmr = others.map_or(1.0, |others| thresholds.fmr_at(alike(template, &others)));
            if fmr > UNLIKE {
                found.push(Asked {
                    key: format!("fits {face}"),
                    worth: 2.0 + fmr,
                    question: Question::BelongsTo { face: *face, person: named(person), fmr },
                });
            }
        }
        for (negative, template) in gallery.negative_templates(person.id)? {
            let like = |(face, own): &(FaceId, Template)| (*face, alike(own, &template));
            let best = faces.iter().map(like).max_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((face, similarity)) = best
                && thresholds.fmr_at(similarity) <= MISLED
            {
                let fmr = thresholds.fmr_at(similarity);
                found.push(Asked {
                    key: format!("misleads {face} {negative}"),
                    worth: 3.0,
                    question: Question::Misleads { face, person: named(person), negative, fmr },
                });
            }
        }
    }
    let search = Search { rate: Rate::Fmr(ALIKE), most: 3, ..Search::default() };
    let templates: Vec<Template> = means.iter().map(|(_, mean)| mean.clone()).collect();
    let mut pairs = BTreeSet::new();
    for ((person, _), found_for) in means.iter().zip(gallery.identify_all(&templates, &search)?) {
        for candidate in found_for.candidates.iter().filter(|c| c.person != person.id && c.fmr <= ALIKE) {
            let pair = (person.id.min(candidate.person), person.id.max(candidate.person));
            let Some(other) = people.iter().find(|other| other.id == candidate.person) else { continue };
            if pairs.insert(pair) {
                let (first, second) = if person.id < other.id { (*person, other) } else { (other, *person) };
                found.push(Asked {
                    key: format!("one {} {}", pair.0, pair.1),
                    worth: 4.0 + first.faces.min(second.faces) as f64,
                    question: Question::OnePerson {
                        first: named(first),
                        second: named(second),
                        fmr: candidate.fmr,
                    },
                });
            }
        }
    }
    settle(gallery, found)
}

fn named(person: &Person) -> Named {
    let name = match person.details.name.as_str() {
        "" => person.id.to_string(),
        name => name.to_owned(),
    };
    Named { id: person.id, name }
}

/// Those that were not answered yet, by falling worth.
fn settle(gallery: &Gallery, mut asked: Vec<Asked>) -> Result<Vec<Asked>> {
    let settled = gallery.settled()?;
    asked.retain(|asked| !settled.contains(&asked.key));
    asked.sort_by(|a, b| b.worth.total_cmp(&a.worth).then_with(|| a.key.cmp(&b.key)));
    Ok(asked)
}

/// Whether a person's faces fall into two halves, each alike and unlike the other: the smaller half, with the false match
/// rate of the halves' likeness.
#[allow(clippy::needless_range_loop, reason = "several lists are walked together")]
fn two_people(
    faces: &[(FaceId, Template)],
    thresholds: &phiz_gallery::Thresholds,
) -> Option<(Vec<FaceId>, f64)> {
    if faces.len() < 4 || faces.len() > 400 {
        return None;
    }
    // Average linkage down to two clusters: few faces, so the plain way.
    let mut clusters: Vec<Vec<usize>> = (0..faces.len()).map(|face| vec![face]).collect();
    while clusters.len() > 2 {
        let centers: Vec<Option<Template>> =
            clusters.iter().map(|own| mean(own.iter().map(|face| &faces[*face].1))).collect();
        let mut best = (f64::NEG_INFINITY, 0, 1);
        for a in 0..clusters.len() {
            for b in a + 1..clusters.len() {
                let similar = match (&centers[a], &centers[b]) {
                    (Some(a), Some(b)) => alike(a, b),
                    _ => -1.0,
                };
                if similar > best.0 {
                    best = (similar, a, b);
                }
            }
        }
        let gone = clusters.swap_remove(best.2);
        clusters[best.1].extend(gone);
    }
    let halves =
        [mean(clusters[0].iter().map(|f| &faces[*f].1))?, mean(clusters[1].iter().map(|f| &faces[*f].1))?];
    let between = thresholds.fmr_at(alike(&halves[0], &halves[1]));
    let within = |half: usize| {
        let own = clusters[half].iter().map(|face| thresholds.fmr_at(alike(&faces[*face].1, &halves[half])));
        clusters[half].len() >= 2 && own.fold(0.0, f64::max) <= UNLIKE
    };
    if between <= APART || !within(0) || !within(1) {
        return None;
    }
    clusters.sort_by_key(|own| (own.len(), own.first().copied()));
    let mut smaller: Vec<FaceId> = clusters[0].iter().map(|face| faces[*face].0).collect();
    smaller.sort_unstable();
    Some((smaller, between))
}

impl Album<'_> {
    fn shown(&self, place: usize) -> Shown {
        let path = self.file_of(place).unwrap_or_default();
        let seen = &self.archive.sightings[place];
        Shown { sighting: seen.id, path: path.as_path().into(), bbox: seen.bbox, photo: seen.photo }
    }

    fn best_of(&self, places: &[usize]) -> Vec<Shown> {
        let mut places = places.to_vec();
        let quality = |place: usize| self.archive.sightings[place].quality;
        places.sort_by(|a, b| quality(*b).total_cmp(&quality(*a)).then(a.cmp(b)));
        places.truncate(SHOWN);
        places.into_iter().map(|place| self.shown(place)).collect()
    }

    fn named(&self, person: PersonId) -> Named {
        Named { id: person, name: self.name(person) }
    }

    /// All questions, in order of worth.
    ///
    /// # Errors
    /// The gallery cannot be read.
    pub fn questions(&self, options: &IdentifyOptions) -> Result<Vec<Asked>> {
        let gallery = self.gallery();
        let archive = &self.archive;
        let mut asked = Vec::new();
        let strangers = archive.strangers(false);
        let means: Vec<Option<Template>> = strangers
            .iter()
            .map(|(_, places)| mean(places.iter().map(|place| &archive.templates[*place])))
            .collect();
        let in_stranger: BTreeSet<usize> =
            strangers.iter().chain(&archive.strangers(true)).flat_map(|(_, places)| places.clone()).collect();
        // Strangers who are like somebody who is enrolled, by a rate that is not enough for a name.
        let probes: Vec<Template> = means.iter().flatten().cloned().collect();
        let mut found = gallery.identify_all(&probes, &options.search())?.into_iter();
        for ((group, places), _) in strangers.iter().zip(&means).filter(|(_, mean)| mean.is_some()) {
            let best = found.next().and_then(|found| found.candidates.into_iter().next());
            if let Some(best) = best.filter(|best| best.fpir <= 0.1) {
                asked.push(Asked {
                    key: format!("stranger {} {}", group.id, best.person),
                    worth: places.len() as f64 * (1.0 - best.fpir),
                    question: Question::StrangerIsPerson {
                        stranger: group.id.0,
                        faces: self.best_of(places),
                        person: self.named(best.person),
                        beside: Some(best.face),
                        fpir: best.fpir,
                    },
                });
            }
        }
        for (group, places) in strangers.iter().take(NAMES) {
            asked.push(Asked {
                key: format!("who {}", group.id),
                worth: places.len() as f64 * 0.9,
                question: Question::WhoIs {
                    stranger: group.id.0,
                    faces: self.best_of(places),
                    photos: places.len(),
                },
            });
        }
        asked.extend(self.one_stranger(&strangers, &means));
        // Single faces: too alike to tell, or nearly somebody.
        for (place, decided) in archive.decided.iter().enumerate() {
            let there = archive.photos.get(&archive.sightings[place].photo).is_some_and(|p| p.gone.is_none());
            if !there || in_stranger.contains(&place) || archive.sightings[place].quality < MIN_QUALITY {
                continue;
            }
            let face = self.shown(place);
            match (decided.by, decided.best, decided.second) {
                (DecidedBy::Ambiguous, Some(first), Some(second)) => asked.push(Asked {
                    key: format!("which {} {first} {second}", face.sighting),
                    worth: 1.5,
                    question: Question::WhichPerson {
                        face,
                        first: self.named(first),
                        second: self.named(second),
                    },
                }),
                (DecidedBy::Unknown, Some(person), _) if decided.fpir <= 0.3 => asked.push(Asked {
                    key: format!("is {} {person}", face.sighting),
                    worth: 1.0 - decided.fpir,
                    question: Question::IsPerson {
                        face,
                        person: self.named(person),
                        beside: decided.face,
                        fpir: decided.fpir,
                    },
                }),
                _ => {}
            }
        }
        let mut all = settle(gallery, asked)?;
        all.extend(doubts(gallery)?);
        all.sort_by(|a, b| b.worth.total_cmp(&a.worth).then_with(|| a.key.cmp(&b.key)));
        Ok(all)
    }

    /// Pairs of strangers who are alike, but not enough to be joined.
    fn one_stranger(
        &self,
        strangers: &[(&phiz_gallery::Group, Vec<usize>)],
        means: &[Option<Template>],
    ) -> Vec<Asked> {
        let thresholds = self.gallery().thresholds();
        // A pair in a hundred among all of them may be wrong to ask about.
        let pairs = (strangers.len() * strangers.len().saturating_sub(1) / 2).max(1) as f64;
        let least = thresholds.similarity_at((1.0 / pairs).min(1e-3));
        let mut asked = Vec::new();
        for (a, (one, places)) in strangers.iter().enumerate() {
            for (b, (other, others)) in strangers.iter().enumerate().skip(a + 1) {
                let (Some(mean_a), Some(mean_b)) = (&means[a], &means[b]) else { continue };
                let similar = alike(mean_a, mean_b);
                if similar < least || one.apart.contains(&other.id) || self.in_one_photo(places, others) {
                    continue;
                }
                asked.push(Asked {
                    key: format!("join {} {}", one.id, other.id),
                    worth: places.len().min(others.len()) as f64,
                    question: Question::OneStranger {
                        first: one.id.0,
                        second: other.id.0,
                        faces: self.best_of(places),
                        others: self.best_of(others),
                        fmr: thresholds.fmr_at(similar),
                    },
                });
            }
        }
        asked
    }

    fn in_one_photo(&self, places: &[usize], others: &[usize]) -> bool {
        let photo = |place: &usize| self.archive.sightings[*place].photo;
        let own: BTreeSet<_> = places.iter().map(photo).collect();
        others.iter().any(|place| own.contains(&photo(place)))
    }
}

fn settled(what: impl Into<String>) -> Answered {
    Answered { operations: Vec::new(), done: what.into() }
}

fn done(operation: OperationId, what: impl Into<String>) -> Answered {
    Answered { operations: vec![operation], done: what.into() }
}

impl Service {
    /// Says that a sighting is a person: a face that is good enough is enrolled as well.
    ///
    /// # Errors
    /// The gallery cannot be written, or refuses it.
    pub fn say_who(
        &self,
        album: &Album<'_>,
        sighting: SightingId,
        person: PersonId,
        consent: Option<&str>,
    ) -> Result<OperationId> {
        let place = album.place(sighting)?;
        let face = crate::scan::face_of(&album.archive, place);
        if self.check_enrolment(&face).is_ok() {
            let (faces, _) = self.faces_to_enrol(album, &[place], consent);
            let enrolled =
                album.gallery().enroll(&Target::Person(person), &faces, &EnrollRules::default())?;
            if let Some(operation) = enrolled.operation {
                return Ok(operation);
            }
        }
        Ok(album.gallery().confirm(sighting, person)?)
    }

    /// Says that a sighting is not a person, from now on.
    ///
    /// # Errors
    /// The gallery cannot be written, or refuses it.
    pub fn say_not(&self, album: &Album<'_>, sighting: SightingId, person: PersonId) -> Result<OperationId> {
        let place = album.place(sighting)?;
        let (mut faces, _) = self.faces_to_enrol(album, &[place], None);
        let face = faces.pop().unwrap_or_else(|| NewFace::new(album.archive.templates[place].clone(), 0.0));
        Ok(album.gallery().add_negative(person, &face)?.1)
    }

    /// Does what an answer says.
    ///
    /// # Errors
    /// The answer does not fit the question, or the gallery cannot be written or refuses it.
    pub fn answer(&self, album: &Album<'_>, asked: &Asked, answer: &Answer) -> Result<Answered> {
        self.answer_with(album, asked, answer, None)
    }

    /// The same, with the ground on which faces are kept that are enrolled by it.
    ///
    /// # Errors
    /// The answer does not fit the question, or the gallery cannot be written or refuses it.
    pub fn answer_with(
        &self,
        album: &Album<'_>,
        asked: &Asked,
        answer: &Answer,
        consent: Option<&str>,
    ) -> Result<Answered> {
        let gallery = album.gallery();
        let unfit = || {
            let error = phiz_gallery::GalleryError::new(
                phiz_gallery::ErrorKind::Caller,
                "this is no answer to that question",
            );
            Err(error.with_hint("answer as the question says").into())
        };
        if *answer == Answer::Never {
            gallery.settle(&asked.key)?;
            return Ok(settled("not asked again"));
        }
        let answered = match (&asked.question, answer) {
            (Question::IsPerson { face, person, .. }, Answer::Yes) => done(
                self.say_who(album, face.sighting, person.id, consent)?,
                format!("this is {}", person.name),
            ),
            (Question::IsPerson { face, person, .. }, Answer::No) => {
                done(self.say_not(album, face.sighting, person.id)?, format!("this is not {}", person.name))
            }
            (Question::WhichPerson { face, first, .. }, Answer::Yes) => done(
                self.say_who(album, face.sighting, first.id, consent)?,
                format!("this is {}", first.name),
            ),
            (Question::WhichPerson { face, second, .. }, Answer::Second) => done(
                self.say_who(album, face.sighting, second.id, consent)?,
                format!("this is {}", second.name),
            ),
            (Question::WhichPerson { face, first, second }, Answer::No) => Answered {
                operations: vec![
                    self.say_not(album, face.sighting, first.id)?,
                    self.say_not(album, face.sighting, second.id)?,
                ],
                done: format!("this is neither {} nor {}", first.name, second.name),
            },
            (Question::StrangerIsPerson { stranger, person, .. }, Answer::Yes) => {
                let named = self.name_stranger(album, *stranger, &Target::Person(person.id), consent)?;
                done(named.operation, format!("stranger {stranger} is {}", person.name))
            }
            (Question::StrangerIsPerson { faces, person, stranger, .. }, Answer::No) => match faces.first() {
                Some(face) => done(
                    self.say_not(album, face.sighting, person.id)?,
                    format!("stranger {stranger} is not {}", person.name),
                ),
                None => settled("noted"),
            },
            (Question::OneStranger { first, second, .. }, Answer::Yes) => done(
                gallery.join_groups(GroupId(*first), GroupId(*second))?,
                format!("stranger {second} is stranger {first}"),
            ),
            (Question::OneStranger { first, second, .. }, Answer::No) => done(
                gallery.part_groups(GroupId(*first), GroupId(*second))?,
                format!("strangers {first} and {second} are two people"),
            ),
            (Question::WhoIs { stranger, .. }, Answer::Name(_) | Answer::Person(_)) => {
                let target = match answer {
                    Answer::Person(person) => Target::Person(*person),
                    Answer::Name(name) => Target::Named(name.clone()),
                    _ => return unfit(),
                };
                let named = self.name_stranger(album, *stranger, &target, consent)?;
                done(named.operation, format!("stranger {stranger} is {}", named.person))
            }
            (Question::WhoIs { stranger, .. }, Answer::No) => done(
                gallery.ignore_group(GroupId(*stranger), true)?,
                format!("stranger {stranger} is ignored"),
            ),
            (Question::BelongsTo { face, person, .. }, Answer::No) => {
                done(gallery.remove_face(*face)?, format!("{face} is no face of {} any more", person.name))
            }
            (Question::Misleads { face, person, .. }, Answer::Yes) => {
                done(gallery.remove_face(*face)?, format!("{face} is no face of {} any more", person.name))
            }
            (Question::OnePerson { first, second, .. }, Answer::Yes) => {
                done(gallery.merge(first.id, second.id)?, format!("{} is {}", second.name, first.name))
            }
            (Question::TwoPeople { person, faces, .. }, Answer::Yes) => {
                let (new, operation) = gallery.split(person.id, faces, &phiz_gallery::Details::default())?;
                done(operation, format!("{} faces of {} are {new}'s", faces.len(), person.name))
            }
            (Question::BelongsTo { .. }, Answer::Yes)
            | (
                Question::Misleads { .. } | Question::OnePerson { .. } | Question::TwoPeople { .. },
                Answer::No,
            ) => settled("noted"),
            _ => return unfit(),
        };
        if answered.operations.is_empty() {
            gallery.settle(&asked.key)?;
        }
        Ok(answered)
    }
}

impl Service {
    /// Takes an answer back, so that its question is asked again: the operations that [`Service::answer`] told of, the latest
    /// last. Says what was undone.
    ///
    /// # Errors
    /// Something that was done since needs what would be undone, or the gallery cannot be written.
    pub fn take_back(gallery: &Gallery, key: &str, operations: &[OperationId]) -> Result<Vec<String>> {
        let mut undone = Vec::with_capacity(operations.len());
        for operation in operations.iter().rev() {
            undone.push(gallery.undo(Some(*operation))?.operation.kind.to_string());
        }
        gallery.unsettle(key)?;
        Ok(undone)
    }
}

/// Why a face is who it is, or is not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The face, by its number in the photo, from 1.
    pub face: usize,
    /// Left, top, width, height.
    #[serde(rename = "box")]
    pub bbox: [f32; 4],
    /// How much the face is worth to recognition, 0 to 1.
    pub quality: f32,
    /// The person's name; null if it is nobody known.
    pub person: Option<String>,
    /// How it was decided: `match`, `said`, `ambiguous` or `unknown`.
    pub decision: String,
    /// The similarity that a match needs.
    pub threshold: f64,
    /// The stranger whom it is more like than the person that it resembles, and who is not that person; 0 for one whose
    /// number is not known because the face is in no group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stranger: Option<u64>,
    /// How many people were searched.
    pub people: usize,
    /// The smallest rate at which strangers resemble anybody that was measured; below it, rates are estimates.
    #[serde(skip)]
    pub least_measured: f64,
    /// The most similar people, and what speaks for and against each.
    pub candidates: Vec<Reason>,
}

/// What speaks for and against a person.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reason {
    /// The person.
    pub person: Named,
    /// Cosine between the face and the person's faces, combined.
    pub similarity: f32,
    /// The false match rate of that.
    pub fmr: f64,
    /// The chance that a stranger resembles anybody as much.
    pub fpir: f64,
    /// The person's faces that are most like it.
    pub faces: Vec<LikeFace>,
    /// What was said not to be the person, and is like it: the nearest.
    pub negatives: Vec<LikeNegative>,
    /// Whether a negative is more like it than any of the person's faces, which rules the person out.
    pub denied: bool,
    /// The face of this photo, by its number, that is the person instead.
    pub taken_by: Option<usize>,
}

/// An enrolled face beside the one in question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LikeFace {
    /// The enrolled face.
    pub face: FaceId,
    /// How like it is.
    pub similarity: f32,
    /// Where it is from.
    pub source: Option<String>,
}

/// A negative beside the face in question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LikeNegative {
    /// The negative.
    pub negative: NegativeId,
    /// How like it is.
    pub similarity: f32,
    /// Where it is from.
    pub source: Option<String>,
}

/// Faces and negatives that an explanation lists for each person.
const BESIDE: usize = 3;

impl Service {
    /// Why the faces of a photo are who they are. `faces` are those of one photo, with what was decided about each.
    ///
    /// # Errors
    /// The gallery cannot be read.
    pub fn explain(
        &self,
        gallery: &Gallery,
        faces: &[phiz_face::Face],
        said: &BTreeMap<usize, PersonId>,
        options: &IdentifyOptions,
    ) -> Result<Vec<Explanation>> {
        let answers = self.identify_faces(gallery, faces, options)?;
        let mut holder: BTreeMap<PersonId, usize> = BTreeMap::new();
        for (number, answer) in answers.iter().enumerate() {
            if let Some(best) = answer.candidates.first().filter(|_| answer.person.is_some()) {
                holder.insert(best.id, number);
            }
        }
        holder.extend(said.iter().map(|(number, person)| (*person, *number)));
        let people = gallery.people(&Filter::default(), None, usize::MAX)?;
        let mut explained = Vec::with_capacity(faces.len());
        for (number, (face, answer)) in faces.iter().zip(&answers).enumerate() {
            let template = &face.template;
            let search = Search { most: options.top, ..options.search() };
            let found = gallery.identify(template, &search)?;
            let mut ids: Vec<PersonId> = answer.candidates.iter().map(|candidate| candidate.id).collect();
            let mut more: Vec<PersonId> =
                said.get(&number).copied().into_iter().chain(found.denied.iter().map(|c| c.person)).collect();
            // Whoever was ruled out by a negative, however little the face resembles them.
            for person in people.iter().filter(|person| person.negatives > 0 && person.faces > 0) {
                if gallery.verify(template, person.id, Rate::Fmr(0.5))?.denied {
                    more.push(person.id);
                }
            }
            for id in more {
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            let mut candidates = Vec::new();
            for id in ids {
                let taken_by = holder.get(&id).copied().filter(|other| *other != number && !options.twins);
                candidates.push(reason(gallery, template, id, found.people, taken_by)?);
            }
            let name = |id: PersonId| -> Result<String> { Ok(named(&gallery.person(id)?).name) };
            let (person, decision) = match said.get(&number) {
                Some(person) => (Some(name(*person)?), "said".to_owned()),
                None => {
                    let decision = match answer.decision {
                        crate::Verdict::Match => "match",
                        crate::Verdict::Ambiguous => "ambiguous",
                        crate::Verdict::Unknown => "unknown",
                    };
                    (answer.person.clone(), decision.to_owned())
                }
            };
            explained.push(Explanation {
                face: number + 1,
                bbox: face.detection.bbox,
                quality: face.quality,
                person,
                decision,
                threshold: answer.threshold,
                stranger: None,
                people: found.people,
                least_measured: phiz_gallery::fpir(answer.least_measured, found.people as f64),
                candidates,
            });
        }
        Ok(explained)
    }
}

impl Album<'_> {
    /// Corrects an explanation of a photo that was scanned by what its archive knows beside the photo: faces that are one of a
    /// stranger's are not somebody whom the stranger is not.
    pub fn correct(&self, places: &[usize], explained: &mut [Explanation]) {
        let groups = self.archive.group_of();
        let mut strangers = BTreeSet::new();
        for (place, one) in places.iter().zip(explained.iter_mut()) {
            if self.archive.decided[*place].by == DecidedBy::Stranger {
                let group = groups.get(&self.archive.sightings[*place].id);
                one.stranger = Some(group.map_or(0, |group| group.0));
                (one.person, one.decision) = (None, "unknown".into());
                strangers.insert(one.face);
            }
        }
        // Nor do they take the person from another face.
        for reason in explained.iter_mut().flat_map(|one| &mut one.candidates) {
            reason.taken_by = reason.taken_by.filter(|face| !strangers.contains(face));
        }
    }
}

fn reason(
    gallery: &Gallery,
    template: &Template,
    id: PersonId,
    people: usize,
    taken_by: Option<usize>,
) -> Result<Reason> {
    let person = gallery.person(id)?;
    let verified = gallery.verify(template, id, Rate::Fmr(0.5))?;
    let mut faces: Vec<(FaceId, f32)> =
        gallery.templates(id)?.iter().map(|(face, own)| (*face, alike(template, own) as f32)).collect();
    faces.sort_by(|a, b| b.1.total_cmp(&a.1));
    faces.truncate(BESIDE);
    let like = |(face, similarity): (FaceId, f32)| -> Result<LikeFace> {
        Ok(LikeFace { face, similarity, source: gallery.face(face)?.source })
    };
    let faces = faces.into_iter().map(like).collect::<Result<Vec<_>>>()?;
    let sources: BTreeMap<NegativeId, Option<String>> =
        gallery.negatives(id)?.into_iter().map(|negative| (negative.id, negative.source)).collect();
    let mut negatives: Vec<LikeNegative> = gallery
        .negative_templates(id)?
        .into_iter()
        .map(|(negative, own)| LikeNegative {
            negative,
            similarity: alike(template, &own) as f32,
            source: sources.get(&negative).cloned().flatten(),
        })
        .collect();
    negatives.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
    negatives.truncate(BESIDE);
    Ok(Reason {
        person: named(&person),
        similarity: verified.similarity,
        fmr: verified.fmr,
        fpir: phiz_gallery::fpir(verified.fmr, people as f64),
        faces,
        negatives,
        denied: verified.denied,
        taken_by: taken_by.map(|number| number + 1),
    })
}

/// Who was said to be who, among the sightings of one photo.
#[must_use]
pub fn said_in(archive: &Archive, places: &[usize]) -> BTreeMap<usize, PersonId> {
    let said = |(number, place): (usize, &usize)| {
        let decided = &archive.decided[*place];
        Some((number, decided.person().filter(|_| decided.by == DecidedBy::Statement)?))
    };
    places.iter().enumerate().filter_map(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use phiz_gallery::{ModelId, Thresholds};

    #[test]
    fn a_person_who_is_two_is_seen() {
        let model = ModelId::new("test-model").unwrap();
        let thresholds = Thresholds::new(vec![[0.1, 0.2], [1e-2, 0.4], [1e-6, 0.8]], "").unwrap();
        let face = |id: u64, x: f32, y: f32, z: f32| {
            (FaceId(id), Template::normalised(model.clone(), vec![x, y, z]).unwrap())
        };
        let mut faces = vec![face(1, 1.0, 0.1, 0.0), face(2, 1.0, 0.0, 0.1), face(3, 1.0, 0.1, 0.1)];
        assert_eq!(two_people(&faces, &thresholds), None, "too few to tell");
        faces.push(face(4, 1.0, -0.1, 0.0));
        assert_eq!(two_people(&faces, &thresholds), None, "one person");
        faces.extend([face(5, 0.0, 1.0, 0.1), face(6, 0.1, 1.0, 0.0)]);
        let (others, fmr) = two_people(&faces, &thresholds).unwrap();
        assert_eq!(others, [FaceId(5), FaceId(6)]);
        assert!(fmr > 0.1);
        // One odd face is no person: that is another question.
        faces.pop();
        assert_eq!(two_people(&faces, &thresholds), None);
    }
}

//! The gallery against a twin that is too plain to be wrong: a map of people, copied before each operation, so that
//! undo is putting the copy back. Seeded random operations over each store, compared after each and after restarts.
// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::{DIM, face, model, near, stranger, template};
use phiz_eval::random::Random;
use phiz_gallery::store::{MemoryStore, SqliteStore, Store};
use phiz_gallery::{
    Cause, Decision, Details, EnrollRules, ErrorKind, FaceId, Filter, Gallery, Key, ModelId, NegativeId,
    NewFace, OperationId, Outcome, PersonId, Rate, Refusal, Search, Target, Template,
};

#[derive(Clone, Default)]
struct Someone {
    details: Details,
    faces: BTreeMap<FaceId, (f32, Vec<f32>)>,
    negatives: BTreeMap<NegativeId, Vec<f32>>,
}

type People = BTreeMap<PersonId, Someone>;

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Similarity to a person, and whether a negative forbids it.
fn score(someone: &Someone, probe: &[f32]) -> Option<(f64, bool)> {
    let mut sum = [0.0f64; DIM];
    for (quality, template) in someone.faces.values() {
        sum.iter_mut().zip(template).for_each(|(s, v)| *s += f64::from(quality.max(0.05)) * f64::from(*v));
    }
    let length = sum.iter().map(|v| v * v).sum::<f64>().sqrt();
    if someone.faces.is_empty() || length <= 1e-6 {
        return None;
    }
    let own = sum.iter().zip(probe).map(|(s, p)| s / length * f64::from(*p)).sum::<f64>();
    let best = someone.faces.values().map(|(_, t)| cosine(t, probe)).fold(own, f64::max);
    Some((own, someone.negatives.values().any(|t| cosine(t, probe) >= best)))
}

struct World {
    gallery: Gallery,
    people: People,
    /// What can be undone: the operation and the people before it.
    past: Vec<(OperationId, People)>,
    random: Random,
    centers: Vec<Vec<f32>>,
    done: BTreeMap<&'static str, usize>,
}

impl World {
    fn somebody(&mut self) -> Option<PersonId> {
        let all: Vec<PersonId> = self.people.keys().copied().collect();
        (!all.is_empty()).then(|| all[self.random.below(all.len())])
    }

    fn some_face(&mut self) -> Option<(PersonId, FaceId)> {
        let all: Vec<(PersonId, FaceId)> =
            self.people.iter().flat_map(|(p, s)| s.faces.keys().map(|f| (*p, *f))).collect();
        (!all.is_empty()).then(|| all[self.random.below(all.len())])
    }

    fn probe(&mut self) -> Vec<f32> {
        let center = self.centers[self.random.below(self.centers.len())].clone();
        near(&mut self.random, &center, 0.5)
    }

    fn step(&mut self) {
        let before = self.people.clone();
        let choice = self.random.below(12);
        let name = format!("name {}", self.random.below(8));
        let name_of = |choice| match choice {
            0..=3 => "enroll",
            4 => "update",
            5 => "remove person",
            6 => "remove face",
            7 => "merge",
            8 => "split",
            9 => "negative",
            10 => "move",
            _ => "undo",
        };
        let operation = match choice {
            0..=3 => {
                let mut faces = Vec::new();
                for _ in 0..1 + self.random.below(3) {
                    let mut one = face(self.probe());
                    one.quality = self.random.unit() as f32;
                    faces.push(one);
                }
                let whom = match (self.random.below(2), self.somebody()) {
                    (0, Some(person)) => Target::Person(person),
                    _ => Target::New(Details {
                        name: name.clone(),
                        attributes: BTreeMap::from([("team".into(), format!("{}", self.random.below(3)))]),
                        ..Details::default()
                    }),
                };
                let rules = EnrollRules { report_similar: None, ..EnrollRules::default() };
                let enrolled = self.gallery.enroll(&whom, &faces, &rules).unwrap();
                let person = enrolled.person.unwrap();
                let someone = self.people.entry(person).or_default();
                if let Target::New(details) = whom {
                    assert!(enrolled.new);
                    someone.details = details;
                }
                for (outcome, face) in enrolled.faces.iter().zip(faces) {
                    let Outcome::Added { face: id, .. } = outcome else { panic!("{outcome:?}") };
                    someone.faces.insert(*id, (face.quality, face.template.vector().to_vec()));
                }
                self.past.push((enrolled.operation.unwrap(), before));
                *self.done.entry("enroll").or_default() += 1;
                return;
            }
            4 => self.somebody().map(|person| {
                let details = &mut self.people.get_mut(&person).unwrap().details;
                details.name = name.clone();
                details.lists.insert("vip".into());
                self.gallery.update(person, |d| {
                    d.name = name.clone();
                    d.lists.insert("vip".into());
                })
            }),
            5 => self.somebody().map(|person| {
                self.people.remove(&person);
                self.gallery.remove_person(person)
            }),
            6 => self.some_face().map(|(person, face)| {
                self.people.get_mut(&person).unwrap().faces.remove(&face);
                self.gallery.remove_face(face)
            }),
            7 => self.somebody().zip(self.somebody()).map(|(into, from)| {
                let done = self.gallery.merge(into, from);
                if done.is_ok() {
                    let gone = self.people.remove(&from).unwrap();
                    let kept = self.people.get_mut(&into).unwrap();
                    kept.faces.extend(gone.faces);
                    kept.negatives.extend(gone.negatives);
                    for (key, value) in gone.details.attributes {
                        kept.details.attributes.entry(key).or_insert(value);
                    }
                    kept.details.lists.extend(gone.details.lists);
                } else {
                    // A face that is said not to be the other, or a person with themselves.
                    let same = |a: &Someone, b: &Someone| {
                        a.negatives.values().any(|n| b.faces.values().any(|(_, t)| cosine(n, t) >= 0.9995))
                    };
                    let (a, b) = (&self.people[&into], &self.people[&from]);
                    assert!(into == from || same(a, b) || same(b, a), "{done:?}");
                }
                done
            }),
            8 => self.some_face().map(|(person, face)| {
                let (new, operation) =
                    self.gallery.split(person, &[face], &Details::named(name.clone())).unwrap();
                let moved = self.people.get_mut(&person).unwrap().faces.remove(&face).unwrap();
                let faces = BTreeMap::from([(face, moved)]);
                self.people
                    .insert(new, Someone { details: Details::named(name), faces, ..Someone::default() });
                Ok(operation)
            }),
            9 => self.some_face().map(|(person, face)| {
                let (negative, operation) = self.gallery.not_this_person(face).unwrap();
                let someone = self.people.get_mut(&person).unwrap();
                let (_, template) = someone.faces.remove(&face).unwrap();
                someone.negatives.insert(negative, template);
                Ok(operation)
            }),
            10 => self.some_face().zip(self.somebody()).map(|((from, face), to)| {
                let done = self.gallery.move_face(face, to);
                if done.is_ok() {
                    let moved = self.people.get_mut(&from).unwrap().faces.remove(&face).unwrap();
                    self.people.get_mut(&to).unwrap().faces.insert(face, moved);
                }
                done
            }),
            _ => {
                let latest = self.past.pop();
                let undone = latest.map(|(operation, people)| {
                    self.gallery.undo(Some(operation)).unwrap();
                    self.people = people;
                });
                *self.done.entry("undo").or_default() += usize::from(undone.is_some());
                return;
            }
        };
        match operation {
            Some(Ok(operation)) => {
                *self.done.entry(name_of(choice)).or_default() += 1;
                self.past.push((operation, before));
            }
            Some(Err(e)) => assert!(matches!(e.kind(), ErrorKind::Conflict | ErrorKind::Caller), "{e}"),
            None => {}
        }
    }

    fn compare(&mut self) {
        let all = self.gallery.people(&Filter::default(), None, usize::MAX).unwrap();
        assert!(all.iter().map(|p| p.id).eq(self.people.keys().copied()));
        for (person, (id, someone)) in all.iter().zip(&self.people) {
            assert_eq!((person.id, &person.details), (*id, &someone.details));
            let faces = self.gallery.faces(*id).unwrap();
            assert!(faces.iter().map(|f| f.id).eq(someone.faces.keys().copied()), "{id}");
            for (face, (quality, vector)) in faces.iter().zip(someone.faces.values()) {
                assert_eq!(face.quality, *quality);
                assert_eq!(self.gallery.template(face.id).unwrap(), template(vector));
            }
            let negatives = self.gallery.negatives(*id).unwrap();
            assert!(negatives.iter().map(|n| n.id).eq(someone.negatives.keys().copied()));
        }
        let probes: Vec<Vec<f32>> =
            (0..4).map(|i| if i == 0 { stranger(&mut self.random, DIM) } else { self.probe() }).collect();
        let on_team =
            Filter { attributes: BTreeMap::from([("team".into(), "1".into())]), ..Filter::default() };
        for among in [Filter::default(), on_team, Filter::list("vip")] {
            for probe in &probes {
                self.compare_search(probe, &among);
            }
        }
        let name = "NAME 3 ";
        let named: Vec<PersonId> = self.gallery.named(name).unwrap().iter().map(|p| p.id).collect();
        let truth = self.people.iter().filter(|(_, s)| s.details.name == "name 3").map(|(id, _)| *id);
        assert!(named.iter().copied().eq(truth));
    }

    fn compare_search(&self, probe: &[f32], among: &Filter) {
        let passes = |someone: &Someone| {
            among.lists.is_subset(&someone.details.lists)
                && among.attributes.iter().all(|(k, v)| someone.details.attributes.get(k) == Some(v))
        };
        let searched = self.people.iter().filter(|(_, s)| passes(s));
        let scores: Vec<(PersonId, f64, bool)> =
            searched.filter_map(|(id, s)| score(s, probe).map(|(s, denied)| (*id, s, denied))).collect();
        let mut truth: Vec<(PersonId, f64)> = scores.iter().filter(|s| !s.2).map(|s| (s.0, s.1)).collect();
        truth.sort_by(|a, b| b.1.total_cmp(&a.1));
        let most = 1 + self.people.len() % 7;
        let search = Search { rate: Rate::Fmr(1e-3), most, among: among.clone(), ..Search::default() };
        let found = self.gallery.identify(&template(probe), &search);
        let on_list =
            |list: &String| self.people.values().any(|someone| someone.details.lists.contains(list));
        if !among.lists.iter().all(on_list) {
            assert_eq!(found.unwrap_err().cause(), Some(&Cause::NobodyOnList));
            return;
        }
        let found = found.unwrap();
        assert_eq!(found.people, scores.len());
        let thresholds = model().thresholds;
        let wanted = match truth.first() {
            None => "unknown",
            Some((_, s)) if thresholds.fmr_at(*s) > 1e-3 => "unknown",
            Some((_, s)) => {
                let second = truth.get(1).map_or(1.0, |(_, s)| thresholds.fmr_at(*s));
                if second < thresholds.fmr_at(*s) * 10.0 { "ambiguous" } else { "match" }
            }
        };
        let (got, first) = match &found.decision {
            Decision::Match(c) => ("match", Some(c)),
            Decision::Ambiguous { candidates } => ("ambiguous", candidates.first()),
            Decision::Unknown { best } => ("unknown", best.as_ref()),
        };
        assert_eq!(got, wanted, "{:?} {:?}", found, &truth[..truth.len().min(3)]);
        assert_eq!(first.map(|c| c.person), truth.first().map(|t| t.0));
        // As many as were asked for, each as similar as the twin says, in order.
        assert_eq!(found.candidates.len(), search.most.min(truth.len()), "{found:?}");
        assert!(found.candidates.is_sorted_by(|a, b| a.similarity >= b.similarity));
        for (candidate, (nth, _)) in found.candidates.iter().zip(&truth) {
            let own = truth.iter().find(|(person, _)| *person == candidate.person);
            let (_, similarity) = own.unwrap_or_else(|| panic!("{candidate:?} is none"));
            assert!((f64::from(candidate.similarity) - similarity).abs() < 1e-5);
            // Nobody who is similar enough is left out.
            assert!(candidate.person == *nth || f64::from(candidate.similarity) < found.threshold + 1e-6);
        }
    }
}

/// Runs operations over a store that `open` opens again and again.
fn run(open: impl Fn() -> Box<dyn Store>, seed: u64, steps: usize, key: &Key) {
    let mut random = Random::new(seed);
    let centers = (0..12).map(|_| stranger(&mut random, DIM)).collect();
    let gallery = Gallery::over_store(open(), Some(&model()), key).unwrap();
    let (people, past, done) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
    let mut world = World { gallery, people, past, random, centers, done };
    for step in 0..steps {
        world.step();
        world.compare();
        if step % 25 == 24 {
            world.gallery = Gallery::over_store(open(), None, key).unwrap();
            world.compare();
        }
    }
    assert_eq!(world.done.len(), 9, "every operation was done: {:?}", world.done);
}

#[test]
fn in_memory() {
    let store = MemoryStore::default();
    run(|| Box::new(store.clone()), 1, 400, &Key::None);
}

#[test]
fn in_sqlite_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::File(folder.path().join("key"));
    let Key::File(path) = &key else { unreachable!() };
    Key::generate(path).unwrap();
    run(|| Box::new(SqliteStore::open(&folder.path().join("g"), true).unwrap()), 2, 300, &key);
}

#[test]
fn refusals() {
    let gallery = Gallery::over_store(Box::new(MemoryStore::default()), Some(&model()), &Key::None).unwrap();
    let mut random = Random::new(5);
    let vector = stranger(&mut random, DIM);
    let rules = EnrollRules { least_quality: 0.5, ..EnrollRules::default() };
    let mut photo = face(vector.clone());
    photo.photo = Some([7; 32]);
    let ana = gallery
        .enroll(&Target::Named("Ana".into()), std::slice::from_ref(&photo), &rules)
        .unwrap()
        .person
        .unwrap();
    // The same photo again, for anybody: refused. For a new person nothing is written at all.
    let again = gallery.enroll(&Target::Named("Eva".into()), &[photo], &rules).unwrap();
    assert!(matches!(again.faces[0], Outcome::Refused(Refusal::Duplicate { person, .. }) if person == ana));
    assert_eq!((again.person, gallery.len().unwrap()), (None, 1));
    let mut poor = face(stranger(&mut random, DIM));
    poor.quality = 0.4;
    let refused = gallery.enroll(&Target::Person(ana), &[poor], &rules).unwrap();
    assert!(matches!(refused.faces[0], Outcome::Refused(Refusal::Quality { .. })));
    // A face that is like somebody else's is taken in, and reported.
    let like = near(&mut random, &vector, 0.2);
    let eva = gallery.enroll(&Target::Named("Eva".into()), &[face(like.clone())], &rules).unwrap();
    assert!(matches!(&eva.faces[0], Outcome::Added { similar, .. } if similar[0].person == ana));
    // What was said not to be Ana is not enrolled as Ana, nor found as Ana, nor comes to her by merging.
    let (negative, _) = gallery.add_negative(ana, &face(like.clone())).unwrap();
    let refused = gallery.enroll(&Target::Person(ana), &[face(like.clone())], &rules).unwrap();
    assert!(matches!(refused.faces[0], Outcome::Refused(Refusal::Negative { .. })));
    let found = gallery.identify(&template(&like), &Search::default()).unwrap();
    assert!(matches!(found.decision, Decision::Match(ref c) if Some(c.person) == eva.person), "{found:?}");
    assert_eq!(found.denied.iter().map(|denied| denied.person).collect::<Vec<_>>(), [ana]);
    assert!(!gallery.verify(&template(&like), ana, Rate::Fmr(0.01)).unwrap().accepted);
    let merged = gallery.merge(ana, eva.person.unwrap());
    assert_eq!(merged.unwrap_err().kind(), ErrorKind::Conflict);
    gallery.remove_negative(negative).unwrap();
    assert!(gallery.verify(&template(&like), ana, Rate::Fmr(0.01)).unwrap().accepted);
    // Names need not be unique, but then a name does not say who.
    gallery.enroll(&Target::New(Details::named("ana")), &[face(stranger(&mut random, DIM))], &rules).unwrap();
    let error = gallery.enroll(&Target::Named("ANA".into()), &[face(like)], &rules).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.hint().contains("p1") && gallery.resolve("ana").is_err() && gallery.resolve("p1").is_ok());
    // Another model's templates, and of other lengths, are refused everywhere.
    let other = ModelId::new("another").unwrap();
    let foreign = Template::new(other.clone(), stranger(&mut random, DIM)).unwrap();
    let short = Template::new(common::model_id(), vec![1.0]).unwrap();
    for (bad, kind) in [(foreign, ErrorKind::OtherModel), (short, ErrorKind::Caller)] {
        assert_eq!(gallery.identify(&bad, &Search::default()).unwrap_err().kind(), kind);
        assert_eq!(gallery.verify(&bad, ana, Rate::Fmr(0.01)).unwrap_err().kind(), kind);
        let bad = NewFace::new(bad, 0.5);
        assert_eq!(
            gallery.enroll(&Target::Person(ana), std::slice::from_ref(&bad), &rules).unwrap_err().kind(),
            kind
        );
        assert_eq!(gallery.add_negative(ana, &bad).unwrap_err().kind(), kind);
    }
    assert_eq!(gallery.expect_model(&other).unwrap_err().kind(), ErrorKind::OtherModel);
}

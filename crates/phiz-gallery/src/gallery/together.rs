//! The faces of one photo decided together: a person is in a photo once.
//!
//! Each face alone may be several people, by its [`Decision`]. Of all ways to give each face at most one of the people
//! that it may be, and each person at most one face, the one with the most evidence is taken. A face that loses its person
//! to a better one is then one of the others that it was too like to tell from, or unknown: it is never given to somebody
//! whom it would not have been taken for alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::PersonId;
use crate::rates::{Candidate, Decision};

/// The least false match rate that evidence is counted by: what is rarer is as good as certain.
const LEAST_FMR: f64 = 1e-12;

/// Whom each face may be, alone: the match, or the people among whom it is ambiguous.
fn may_be(decision: &Decision) -> &[Candidate] {
    match decision {
        Decision::Match(candidate) => std::slice::from_ref(candidate),
        Decision::Ambiguous { candidates } => candidates,
        Decision::Unknown { .. } => &[],
    }
}

/// What a comparison is worth: decades of the false match rate, and a little for the similarity where the rate is too
/// small to be told.
fn evidence(candidate: &Candidate) -> f64 {
    -candidate.fmr.max(LEAST_FMR).log10() + f64::from(candidate.similarity) * 1e-3 + 1e-6
}

/// Decides the faces of one photo together. `threshold` is the similarity from which on somebody is accepted. `taken` are people of whom somebody has said where in the photo they are: no
/// other face is theirs. `margin` is that of [`Search`](crate::Search): one face must be so many times more likely a
/// person than another before the other is said not to be them.
#[must_use]
pub fn once_a_photo(
    decisions: &[Decision],
    threshold: f64,
    taken: &BTreeSet<PersonId>,
    margin: f64,
) -> Vec<Decision> {
    let accepted = |c: &&Candidate| f64::from(c.similarity) >= threshold && !taken.contains(&c.person);
    let edges: Vec<Vec<&Candidate>> =
        decisions.iter().map(|decision| may_be(decision).iter().filter(accepted).collect()).collect();
    let assigned = assign(&edges);
    let owner: BTreeMap<PersonId, usize> =
        assigned.iter().enumerate().filter_map(|(face, person)| Some(((*person)?, face))).collect();
    // How likely the face that a person was given to is a coincidence.
    let claim = |person: PersonId| {
        let face = owner.get(&person)?;
        edges[*face].iter().find(|c| c.person == person).map(|c| (*face, c.fmr))
    };
    let decide = |(face, decision): (usize, &Decision)| match decision {
        Decision::Unknown { .. } => decision.clone(),
        Decision::Match(alone) if assigned[face] == Some(alone.person) => decision.clone(),
        Decision::Match(alone) => Decision::Unknown { best: Some(alone.clone()) },
        Decision::Ambiguous { candidates } => {
            let best = || candidates.first().cloned();
            let open: Vec<Candidate> = candidates
                .iter()
                .filter(|c| !taken.contains(&c.person))
                .filter(|c| match claim(c.person) {
                    // Nobody else's, or the other face is not so much more likely theirs that this one cannot be.
                    Some((other, fmr)) if other != face => fmr.max(LEAST_FMR) * margin > c.fmr.max(LEAST_FMR),
                    _ => true,
                })
                .cloned()
                .collect();
            match <[Candidate; 1]>::try_from(open) {
                Ok([one]) if assigned[face] == Some(one.person) => Decision::Match(one),
                // What is left belongs to another face, by little.
                Ok(_) => Decision::Unknown { best: best() },
                Err(open) if open.is_empty() => Decision::Unknown { best: best() },
                Err(open) => Decision::Ambiguous { candidates: open },
            }
        }
    };
    decisions.iter().enumerate().map(decide).collect()
}

/// Gives each face at most one person and each person at most one face, so that the evidence is the most: the Hungarian
/// method over the people who are in question, with one place for each face to be nobody.
#[allow(clippy::needless_range_loop, reason = "several lists are walked together")]
fn assign(edges: &[Vec<&Candidate>]) -> Vec<Option<PersonId>> {
    let people: BTreeSet<PersonId> = edges.iter().flatten().map(|c| c.person).collect();
    let people: Vec<PersonId> = people.into_iter().collect();
    let (rows, columns) = (edges.len(), people.len() + edges.len());
    // Costs: what is not possible is dearer than nobody, which costs nothing.
    const NEVER: f64 = 1e6;
    let cost = |row: usize, column: usize| match people.get(column) {
        Some(person) => {
            edges[row].iter().find(|c| c.person == *person).map_or(NEVER, |candidate| -evidence(candidate))
        }
        None => 0.0,
    };
    // Rows and columns count from 1; 0 is the place from which each search begins.
    let (mut u, mut v) = (vec![0.0; rows + 1], vec![0.0; columns + 1]);
    let mut row_of = vec![0usize; columns + 1];
    for row in 1..=rows {
        let (mut least, mut used) = (vec![f64::INFINITY; columns + 1], vec![false; columns + 1]);
        let mut from = vec![0usize; columns + 1];
        row_of[0] = row;
        let mut column = 0;
        loop {
            used[column] = true;
            let (here, mut delta, mut next) = (row_of[column], f64::INFINITY, 0);
            for to in 1..=columns {
                if used[to] {
                    continue;
                }
                let reduced = cost(here - 1, to - 1) - u[here] - v[to];
                if reduced < least[to] {
                    (least[to], from[to]) = (reduced, column);
                }
                if least[to] < delta {
                    (delta, next) = (least[to], to);
                }
            }
            for to in 0..=columns {
                if used[to] {
                    u[row_of[to]] += delta;
                    v[to] -= delta;
                } else {
                    least[to] -= delta;
                }
            }
            column = next;
            if row_of[column] == 0 {
                break;
            }
        }
        while column != 0 {
            let before = from[column];
            row_of[column] = row_of[before];
            column = before;
        }
    }
    let mut assigned = vec![None; rows];
    for column in 1..=columns {
        let row = row_of[column];
        if row > 0
            && let Some(person) = people.get(column - 1)
            && edges[row - 1].iter().any(|c| c.person == *person)
        {
            assigned[row - 1] = Some(*person);
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FaceId;
    use phiz_eval::random::Random;

    fn candidate(person: u64, fmr: f64) -> Candidate {
        let similarity = (-fmr.log10() / 12.0) as f32;
        Candidate {
            person: PersonId(person),
            name: String::new(),
            similarity,
            fmr,
            fpir: fmr,
            face: FaceId(person),
        }
    }

    fn one(person: u64, fmr: f64) -> Decision {
        Decision::Match(candidate(person, fmr))
    }

    fn either(all: &[(u64, f64)]) -> Decision {
        Decision::Ambiguous { candidates: all.iter().map(|(p, fmr)| candidate(*p, *fmr)).collect() }
    }

    fn names(decisions: &[Decision]) -> Vec<String> {
        let person = |c: &Candidate| c.person.to_string();
        let name = |decision: &Decision| match decision {
            Decision::Match(c) => person(c),
            Decision::Ambiguous { candidates } => candidates.iter().map(person).collect::<Vec<_>>().join("|"),
            Decision::Unknown { .. } => "-".into(),
        };
        decisions.iter().map(name).collect()
    }

    #[test]
    fn one_person_once() {
        let unknown = || Decision::Unknown { best: None };
        for (what, faces, wanted) in [
            ("nobody", vec![], vec![]),
            ("one face is as it is alone", vec![one(1, 1e-6)], vec!["p1"]),
            ("different people", vec![one(1, 1e-6), unknown(), one(2, 1e-7)], vec!["p1", "-", "p2"]),
            ("the better of two", vec![one(1, 1e-5), one(1, 1e-8)], vec!["-", "p1"]),
            ("who is left is it", vec![either(&[(1, 1e-7), (2, 3e-7)]), one(2, 1e-10)], vec!["p1", "p2"]),
            (
                "twins in one photo stay two",
                vec![either(&[(1, 1e-7), (2, 3e-7)]), either(&[(2, 1e-7), (1, 3e-7)])],
                vec!["p1|p2", "p2|p1"],
            ),
            (
                "a chain",
                vec![either(&[(1, 1e-6), (2, 2e-6)]), either(&[(2, 1e-7), (3, 2e-7)]), one(3, 1e-11)],
                vec!["p1", "p2", "p3"],
            ),
        ] {
            assert_eq!(names(&once_a_photo(&faces, 0.3, &BTreeSet::new(), 10.0)), wanted, "{what}");
        }
        let taken = BTreeSet::from([PersonId(1)]);
        assert_eq!(names(&once_a_photo(&[one(1, 1e-9), one(2, 1e-9)], 0.3, &taken, 10.0)), ["-", "p2"]);
    }

    /// The definition: all ways, one after the other.
    fn naive(edges: &[Vec<&Candidate>], face: usize, used: &mut BTreeSet<PersonId>) -> f64 {
        let Some(own) = edges.get(face) else { return 0.0 };
        let mut best = naive(edges, face + 1, used);
        for candidate in own {
            if used.insert(candidate.person) {
                best = best.max(evidence(candidate) + naive(edges, face + 1, used));
                used.remove(&candidate.person);
            }
        }
        best
    }

    #[test]
    fn no_other_way_has_more_evidence() {
        let mut random = Random::new(3);
        for round in 0..300 {
            let faces: Vec<Vec<Candidate>> = (0..1 + random.below(6))
                .map(|_| {
                    let mut people: BTreeSet<u64> = BTreeSet::new();
                    (0..random.below(4)).for_each(|_| _ = people.insert(1 + random.below(5) as u64));
                    people.into_iter().map(|p| candidate(p, 10f64.powf(-2.0 - 8.0 * random.unit()))).collect()
                })
                .collect();
            let edges: Vec<Vec<&Candidate>> = faces.iter().map(|face| face.iter().collect()).collect();
            let assigned = assign(&edges);
            let people: Vec<PersonId> = assigned.iter().flatten().copied().collect();
            assert_eq!(people.len(), people.iter().collect::<BTreeSet<_>>().len(), "round {round}");
            let worth = |(face, person): (usize, &Option<PersonId>)| {
                person
                    .map_or(0.0, |p| edges[face].iter().find(|c| c.person == p).map_or(-1e9, |c| evidence(c)))
            };
            let sum: f64 = assigned.iter().enumerate().map(worth).sum();
            let best = naive(&edges, 0, &mut BTreeSet::new());
            assert!((sum - best).abs() < 1e-9, "round {round}: {sum}, but {best} is possible");
        }
    }
}

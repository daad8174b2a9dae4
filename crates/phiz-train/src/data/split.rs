//! Who is learnt and who is kept apart to judge by: people are divided, not photos, by a seed.

use std::collections::BTreeMap;

use crate::random::Random;

/// Shares of the people that are kept apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// To judge a run while it goes on.
    pub tune: f32,
    /// To judge the result by, once.
    pub test: f32,
}

/// Divides what has no split yet; `people` and `splits` tell of each photo whose it is (empty if unknown) and what it
/// is for already. A photo without a person is divided by itself, by its name in `paths`. Somebody of whom another
/// photo is decided already goes there with all of theirs.
///
/// Each person's place follows from the seed and their name alone: those who come later move nobody, but for one thing. Where a
/// share is asked for, at least [`JUDGES`] people with two photos are kept apart for it, since with fewer there is nothing to
/// judge by; of few people these are the next ones in their order of places, as long as twice as many are left to learn.
pub fn divide(paths: &[&str], people: &[&str], splits: &mut [String], shares: Shares, seed: u64) {
    let decided: BTreeMap<String, String> = people
        .iter()
        .zip(splits.iter())
        .filter(|(person, split)| !person.is_empty() && !split.is_empty())
        .map(|(person, split)| ((*person).to_owned(), split.clone()))
        .collect();
    let open: Vec<bool> = splits.iter().map(String::is_empty).collect();
    for ((path, person), split) in paths.iter().zip(people).zip(splits.iter_mut()) {
        if !split.is_empty() {
            continue;
        }
        let (kind, name) = if person.is_empty() { ("photo", path) } else { ("person", person) };
        *split = decided.get(*name).filter(|_| kind == "person").cloned().unwrap_or_else(|| {
            let place = place(seed, kind, name);
            let chosen = match place {
                p if p < shares.test => "test",
                p if p < shares.test + shares.tune => "tune",
                _ => "train",
            };
            chosen.to_owned()
        });
    }
    for (split, share) in [("test", shares.test), ("tune", shares.tune)] {
        if share > 0.0 {
            fill(people, splits, &open, split, seed);
        }
    }
}

/// People with two photos that a split needs to judge by: two, so that there are pairs of one person and of different ones.
pub const JUDGES: usize = 2;

/// Brings a split up to [`JUDGES`] people by those who learn and were not decided on, the next in order first.
fn fill(people: &[&str], splits: &mut [String], open: &[bool], split: &str, seed: u64) {
    // Photos of each person, where they are, and whether all of them were left to us.
    let mut all: BTreeMap<&str, (usize, String, bool)> = BTreeMap::new();
    for ((person, at), open) in people.iter().zip(splits.iter()).zip(open).filter(|((p, _), _)| !p.is_empty())
    {
        let entry = all.entry(person).or_insert((0, at.clone(), true));
        entry.0 += 1;
        entry.2 &= open;
    }
    let judges = all.values().filter(|(photos, at, _)| *photos >= 2 && at == split).count();
    let mut free: Vec<&str> = all
        .iter()
        .filter(|(_, (photos, at, open))| *photos >= 2 && at == "train" && *open)
        .map(|(person, _)| *person)
        .collect();
    free.sort_by(|a, b| place(seed, "person", a).total_cmp(&place(seed, "person", b)));
    let learners = all.values().filter(|(_, at, _)| at == "train").count();
    // Whoever is taken away must leave twice as many to learn as there are to judge.
    let spare = learners.saturating_sub(2 * JUDGES);
    for person in free.into_iter().take(JUDGES.saturating_sub(judges).min(spare)) {
        let own = people.iter().zip(splits.iter_mut()).filter(|(p, _)| **p == person);
        own.for_each(|(_, at)| split.clone_into(at));
    }
}

/// A place in `[0, 1)` for a name.
fn place(seed: u64, kind: &str, name: &str) -> f32 {
    Random::named(seed, kind.bytes().chain([0]).chain(name.bytes())).unit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHARES: Shares = Shares { tune: 0.2, test: 0.1 };

    fn divided(people: &[String], splits: &[String], seed: u64) -> Vec<String> {
        let paths: Vec<String> = (0..people.len()).map(|i| format!("{i}.jpg")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let people: Vec<&str> = people.iter().map(String::as_str).collect();
        let mut splits = splits.to_vec();
        divide(&paths, &people, &mut splits, SHARES, seed);
        splits
    }

    proptest! {
        #[test]
        fn nobody_stands_on_two_sides(
            people in prop::collection::vec("[a-e]?", 1..40),
            tested in "[a-e]",
            seed in 0u64..1000,
        ) {
            let splits: Vec<String> =
                people.iter().map(|p| if *p == tested { "test".into() } else { String::new() }).collect();
            let after = divided(&people, &splits, seed);
            for i in 0..people.len() {
                prop_assert!(["train", "tune", "test"].contains(&after[i].as_str()));
                prop_assert!(people[i] != tested || after[i] == "test");
                for j in 0..i {
                    prop_assert!(people[i].is_empty() || people[i] != people[j] || after[i] == after[j]);
                }
            }
        }
    }

    #[test]
    fn shares_are_kept_and_seeds_differ() {
        let people: Vec<String> = (0..5000).map(|i| format!("person {i}")).collect();
        let none = vec![String::new(); people.len()];
        let a = divided(&people, &none, 1);
        let share = |name: &str| a.iter().filter(|s| *s == name).count() as f32 / a.len() as f32;
        assert!((share("tune") - 0.2).abs() < 0.02 && (share("test") - 0.1).abs() < 0.015);
        assert_ne!(a, divided(&people, &none, 2));
        assert_eq!(a, divided(&people, &none, 1));
    }

    /// So many people of two photos each.
    fn pairs(people: usize) -> Vec<String> {
        (0..2 * people).map(|i| format!("person {}", i / 2)).collect()
    }

    #[test]
    fn more_people_later_move_nobody() {
        let people = pairs(100);
        let more = [people.clone(), vec!["somebody else".into(), "and another".into()]].concat();
        for seed in 0..20 {
            let before = divided(&people, &vec![String::new(); people.len()], seed);
            let after = divided(&more, &vec![String::new(); more.len()], seed);
            assert_eq!(after[..people.len()], before[..], "seed {seed}");
        }
    }

    #[test]
    fn of_few_people_there_are_some_to_judge_by_and_most_to_learn() {
        let count = |splits: &[String], name: &str| splits.iter().filter(|s| *s == name).count() / 2;
        for people in 1..14 {
            for seed in 0..50 {
                let people = pairs(people);
                let splits = divided(&people, &vec![String::new(); people.len()], seed);
                let learners = count(&splits, "train");
                for judges in ["test", "tune"].map(|name| count(&splits, name)) {
                    assert!(
                        judges >= JUDGES || learners <= 2 * JUDGES,
                        "{people:?} by seed {seed}: {splits:?}"
                    );
                }
            }
        }
        // Whoever has one photo only judges nothing, and who was decided on stays.
        let people: Vec<String> = (0..10).map(|i| format!("person {i}")).collect();
        let mut splits = vec![String::new(); 10];
        splits[0] = "train".into();
        let single = divided(&people, &splits, 1);
        assert_eq!(single[0], "train");
        let decided = vec!["train".to_owned(); 20];
        assert_eq!(divided(&pairs(10), &decided, 1), decided);
    }
}

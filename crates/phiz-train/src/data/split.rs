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
/// Each person's place follows from the seed and their name alone: those who come later move nobody.
pub fn divide(paths: &[&str], people: &[&str], splits: &mut [String], shares: Shares, seed: u64) {
    let decided: BTreeMap<String, String> = people
        .iter()
        .zip(splits.iter())
        .filter(|(person, split)| !person.is_empty() && !split.is_empty())
        .map(|(person, split)| ((*person).to_owned(), split.clone()))
        .collect();
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
            // More people later move nobody.
            let mut more = people.clone();
            more.push("somebody else".into());
            let again = divided(&more, &[splits, vec![String::new()]].concat(), seed);
            prop_assert_eq!(&again[..people.len()], &after[..]);
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
}

//! Is it as good for everybody? Error rates by group, at one global threshold.
//!
//! A group is a value of any column of a manifest: race, age, light, camera. A group's false match
//! rate is that of pairs of two people of the group (the hard ones: people of one group look more
//! alike than people of two), its false non-match rate that of pairs of one person whose photos are
//! both in the group. One threshold serves all, because a door does not know who stands before it.
//! The summary is the worst rate over the geometric mean of all (NIST FRTE): 1 is equal, 3 means that
//! the worst group has three times the errors of the middle.

use crate::Result;
use crate::all_pairs::{Progress, walk};
use crate::bootstrap::{Draws, Replicates, pair_weight};
use crate::error::{EvalError, same_length};
use crate::manifest::Manifest;
use crate::samples::{Samples, pair_counts};
use serde::{Deserialize, Serialize};

/// A column of a list that tells photos apart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grouping {
    /// The column, or several with commas between them.
    pub column: String,
    /// The group of each photo; none where nothing is known of it.
    pub of: Vec<Option<String>>,
}

/// The most groups that a table holds.
const MOST: usize = 100;

/// Ages as bands, children apart: below each number a band ends.
const BANDS: [(u32, &str); 6] = [
    (10, "0 to 9 years"),
    (18, "10 to 17 years"),
    (30, "18 to 29 years"),
    (45, "30 to 44 years"),
    (60, "45 to 59 years"),
    (u32::MAX, "60 years and over"),
];

impl Grouping {
    /// By the values of a list's column; `race,age` by those of two together.
    ///
    /// A column `age` of whole numbers is taken in bands that keep children apart (0 to 9, 10 to 17, 18 to 29, 30 to 44, 45
    /// to 59, 60 and over): rates of single years would stand on too few people.
    ///
    /// # Errors
    /// No such column; more than a hundred groups.
    pub fn by_column(manifest: &Manifest, column: &str) -> Result<Self> {
        let mut of: Vec<Option<String>> = vec![Some(String::new()); manifest.len()];
        for (place, name) in column.split(',').map(str::trim).enumerate() {
            let values = manifest.column(name)?;
            let banded =
                name.eq_ignore_ascii_case("age") && values.iter().all(|v| v.is_empty() || band(v).is_some());
            for (group, value) in of.iter_mut().zip(values) {
                let value = if banded { band(value).unwrap_or_default() } else { value };
                *group = group.take().filter(|_| !value.is_empty()).map(|before| match place {
                    0 => value.to_owned(),
                    _ => format!("{before}, {value}"),
                });
            }
        }
        let distinct = of.iter().flatten().collect::<std::collections::BTreeSet<_>>().len();
        if distinct > MOST {
            return Err(EvalError::input(
                format!("groups by {column}"),
                format!("{distinct} values are too many groups"),
                "group the values first, such as dates by year",
            ));
        }
        Ok(Self { column: column.to_owned(), of })
    }
}

/// The band of an age in whole years.
fn band(age: &str) -> Option<&'static str> {
    let age: u32 = age.parse().ok().filter(|a| *a <= 130)?;
    BANDS.iter().find(|(end, _)| age < *end).map(|(_, name)| *name)
}

/// Errors out of trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rate {
    /// Wrong decisions.
    pub errors: u64,
    /// All decisions.
    pub trials: u64,
}

impl Rate {
    /// errors / trials. Down is good; none without trials.
    pub fn value(self) -> Option<f64> {
        (self.trials > 0).then(|| self.errors as f64 / self.trials as f64)
    }
}

/// One group at the global threshold.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Group {
    /// The column's value.
    pub name: String,
    /// Photos of the group, and those of them without a template.
    pub photos: usize,
    /// Photos in which no face was found.
    pub failures: usize,
    /// People with a photo in the group.
    pub people: usize,
    /// False matches.
    pub fmr: Rate,
    /// False non-matches, failures to acquire included.
    pub fnmr: Rate,
    /// The false match rate in each round; empty without draws.
    pub fmr_rounds: Replicates,
    /// The false non-match rate in each round; empty without draws.
    pub fnmr_rounds: Replicates,
}

/// Judges each group at one threshold. `group_of[photo]` is none for photos that are left out.
///
/// # Errors
/// Lists of different length, no group, draws of another number of people.
pub fn by_group(
    samples: &Samples,
    group_of: &[Option<String>],
    threshold: f64,
    draws: Option<&Draws>,
    progress: Progress<'_>,
) -> Result<Vec<Group>> {
    same_length("photos and groups", samples.photos().len(), group_of.len())?;
    if let Some(draws) = draws {
        same_length("people and draws", samples.people().count(), draws.people())?;
    }
    let mut names: Vec<&String> = group_of.iter().flatten().collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Err(EvalError::undefined("rates by group", "no photo has a group"));
    }
    let number = |group: &String| names.binary_search(&group).unwrap_or_else(|place| place);
    let groups: Vec<Option<usize>> = group_of.iter().map(|g| g.as_ref().map(number)).collect();
    let of_row: Vec<Option<usize>> = samples.photo_of().iter().map(|&photo| groups[photo]).collect();
    let person = samples.person_of();
    let rounds = draws.map_or(0, Draws::rounds);
    #[derive(Clone, Default)]
    struct Accepted {
        genuine: u64,
        impostors: u64,
        genuine_rounds: Vec<u64>,
        impostor_rounds: Vec<u64>,
    }
    let empty =
        Accepted { genuine_rounds: vec![0; rounds], impostor_rounds: vec![0; rounds], ..Default::default() };
    let states = walk(
        samples.templates(),
        samples.templates(),
        true,
        || vec![empty.clone(); names.len()],
        |state, tile| {
            for (r, row) in tile.scores.chunks_exact(tile.columns).enumerate() {
                let a = tile.row0 + r;
                let Some(group) = of_row[a] else { continue };
                let first = (a + 1).saturating_sub(tile.column0);
                for (c, &score) in row.iter().enumerate().skip(first) {
                    let b = tile.column0 + c;
                    if f64::from(score) < threshold || of_row[b] != Some(group) {
                        continue;
                    }
                    let same = person[a] == person[b];
                    let accepted = &mut state[group];
                    let (count, sums) = if same {
                        (&mut accepted.genuine, &mut accepted.genuine_rounds)
                    } else {
                        (&mut accepted.impostors, &mut accepted.impostor_rounds)
                    };
                    *count += 1;
                    if let Some(draws) = draws {
                        let weights = draws.of(person[a]).iter().zip(draws.of(person[b]));
                        for (sum, (&v, &w)) in sums.iter_mut().zip(weights) {
                            *sum += pair_weight(v, w, same);
                        }
                    }
                }
            }
        },
        progress,
    )?;
    let mut accepted = vec![empty; names.len()];
    for state in states {
        for (sum, part) in accepted.iter_mut().zip(state) {
            sum.genuine += part.genuine;
            sum.impostors += part.impostors;
            crate::all_pairs::add(&mut sum.genuine_rounds, part.genuine_rounds);
            crate::all_pairs::add(&mut sum.impostor_rounds, part.impostor_rounds);
        }
    }
    let found: Vec<bool> = samples.rows().iter().map(Option::is_some).collect();
    Ok(names
        .iter()
        .zip(accepted)
        .enumerate()
        .map(|(group, (name, accepted))| {
            let mut photos = vec![0u64; samples.people().count()];
            let mut failures = 0;
            for (photo, &p) in samples.people().of().iter().enumerate() {
                if groups[photo] == Some(group) {
                    photos[p as usize] += 1;
                    failures += usize::from(!found[photo]);
                }
            }
            let (genuine, impostors) = pair_counts(&photos, |_| 1);
            let weighted = |round: usize| {
                pair_counts(&photos, |p| draws.map_or(0, |d| u64::from(d.weight(p as u32, round))))
            };
            let totals: Vec<(u64, u64)> = (0..rounds).map(weighted).collect();
            let fmr = totals.iter().zip(&accepted.impostor_rounds);
            let fnmr = totals.iter().zip(&accepted.genuine_rounds);
            Group {
                name: (*name).clone(),
                photos: photos.iter().sum::<u64>() as usize,
                failures,
                people: photos.iter().filter(|n| **n > 0).count(),
                fmr: Rate { errors: accepted.impostors, trials: impostors },
                fnmr: Rate { errors: genuine - accepted.genuine, trials: genuine },
                fmr_rounds: fmr.map(|(t, &n)| Rate { errors: n, trials: t.1 }.value()).collect(),
                fnmr_rounds: fnmr.map(|(t, &n)| Rate { errors: t.0 - n, trials: t.0 }.value()).collect(),
            }
        })
        .collect())
}

/// The worst rate over the geometric mean of all. 1 is equal; down is good.
///
/// # Errors
/// Undefined with fewer than two groups, and when a group shows no error or has no trial: then it has
/// too few pairs to be compared.
pub fn worst_over_mean<'a>(groups: impl IntoIterator<Item = (&'a str, Rate)>) -> Result<f64> {
    let (mut worst, mut logs, mut n) = (0.0f64, 0.0, 0u32);
    for (name, rate) in groups {
        match rate.value() {
            Some(value) if value > 0.0 => {
                worst = worst.max(value);
                logs += value.ln();
                n += 1;
            }
            Some(_) => {
                return Err(EvalError::undefined(
                    "worst over geometric mean",
                    format!("group `{name}` shows no error in {} pairs", rate.trials),
                ));
            }
            None => {
                let reason = format!("group `{name}` has no pair");
                return Err(EvalError::undefined("worst over geometric mean", reason));
            }
        }
    }
    if n < 2 {
        return Err(EvalError::undefined("worst over geometric mean", "there are fewer than two groups"));
    }
    Ok(worst / (logs / f64::from(n)).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::all_pairs::{silent, tests::clouds};
    use crate::bootstrap::Bootstrap;

    #[test]
    fn equals_the_slow_twin() {
        let (templates, people) = clouds(24, 5, 16, 1.3, 4);
        let acquired: Vec<bool> = (0..120).map(|i| i % 13 != 2).collect();
        let kept: Vec<usize> = (0..120).filter(|&i| acquired[i]).collect();
        let photos = (0..120).map(|i| i.to_string()).collect();
        let samples =
            Samples::new(photos, people.clone(), &acquired, templates.select(&kept).unwrap()).unwrap();
        // A group may hold some photos of a person only, and some photos have none.
        let groups: Vec<Option<String>> = (0..120)
            .map(|i| match i % 7 {
                0 => None,
                k if k < 4 => Some("day".to_owned()),
                _ => Some("night".to_owned()),
            })
            .collect();
        let draws = Draws::new(24, &Bootstrap { rounds: 4, ..Default::default() }).unwrap();
        let fast = by_group(&samples, &groups, 0.45, Some(&draws), &silent).unwrap();
        assert_eq!(fast.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(), ["day", "night"]);
        let (rows, of) = (samples.rows(), people.of());
        for group in &fast {
            for round in 0..5 {
                let (mut fm, mut impostors, mut fnm, mut genuine) = (0u64, 0u64, 0u64, 0u64);
                for a in 0..120 {
                    for b in a + 1..120 {
                        if groups[a].as_ref() != Some(&group.name) || groups[b] != groups[a] {
                            continue;
                        }
                        let accepted = samples.similarity(&rows, a, b).is_some_and(|s| s >= 0.45);
                        let same = of[a] == of[b];
                        // Round 4 stands for no resampling at all.
                        let draw = |p: u32| if round == 4 { 1 } else { draws.weight(p, round) };
                        let w = pair_weight(draw(of[a]), draw(of[b]), same);
                        if same {
                            genuine += w;
                            fnm += if accepted { 0 } else { w };
                        } else {
                            impostors += w;
                            fm += if accepted { w } else { 0 };
                        }
                    }
                }
                let (fmr, fnmr) =
                    (Rate { errors: fm, trials: impostors }, Rate { errors: fnm, trials: genuine });
                if round == 4 {
                    assert_eq!((group.fmr, group.fnmr), (fmr, fnmr));
                } else {
                    assert_eq!(
                        (group.fmr_rounds[round], group.fnmr_rounds[round]),
                        (fmr.value(), fnmr.value())
                    );
                }
            }
        }
        assert!(fast[0].failures > 0 && fast[0].fmr.errors > 0 && fast[0].fnmr.errors > 0);
        assert!(by_group(&samples, &vec![None; 120], 0.4, None, &silent).unwrap_err().is_undefined());
        assert!(by_group(&samples, &groups[1..], 0.4, None, &silent).is_err());
    }

    #[test]
    fn the_ratio_is_undefined_without_errors() {
        let rate = |errors| Rate { errors, trials: 100 };
        let ratio = worst_over_mean([("a", rate(1)), ("b", rate(4))]).unwrap();
        assert!((ratio - 2.0).abs() < 1e-12);
        let silent = worst_over_mean([("a", rate(1)), ("b", rate(0))]).unwrap_err();
        assert!(silent.is_undefined() && silent.to_string().contains("`b` shows no error in 100"));
        assert!(worst_over_mean([("a", rate(1))]).unwrap_err().is_undefined());
    }

    #[test]
    fn columns_become_groups_and_children_stand_apart() {
        let list = "path,age,race,day\na,9,x,1\nb,10,y,2\nc,,x,3\nd,61,,4\n";
        let manifest = Manifest::read(list.as_bytes(), std::path::Path::new("l.csv")).unwrap();
        let of = |column: &str| Grouping::by_column(&manifest, column).unwrap().of;
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            of("age"),
            [some("0 to 9 years"), some("10 to 17 years"), None, some("60 years and over")]
        );
        assert_eq!(of("race"), [some("x"), some("y"), some("x"), None]);
        assert_eq!(of("race, age"), [some("x, 0 to 9 years"), some("y, 10 to 17 years"), None, None]);
        assert_eq!(of("day")[1], some("2"));
        assert!(Grouping::by_column(&manifest, "sex").unwrap_err().to_string().contains("no column `sex`"));
        let many: String = (0..101).map(|k| format!("{k},{k}\n")).collect();
        let manifest =
            Manifest::read(format!("path,n\n{many}").as_bytes(), std::path::Path::new("l.csv")).unwrap();
        assert!(Grouping::by_column(&manifest, "n").unwrap_err().to_string().contains("101 values"));
        assert_eq!(
            (band("0"), band("17"), band("18"), band("131"), band("9.5")),
            (Some(BANDS[0].1), Some(BANDS[1].1), Some(BANDS[2].1), None, None)
        );
    }
}

//! A whole identification experiment: split, enrol, search, and count whatever failed on the way.
//!
//! ISO/IEC 19795-1 counts failures in: a person none of whose enrolment photos gave a template (failure
//! to enrol) stays somebody whom the gallery should know, so a search for them is mated and misses; a
//! probe without a template (failure to acquire) misses if it is mated and raises no alarm if not.

use crate::Result;
use crate::all_pairs::Progress;
use crate::bootstrap::{Draws, Replicates};
use crate::classify::Confusion;
use crate::error::EvalError;
use crate::identification::{Identification, Mate, Search, Split, SplitOptions, split};
use crate::samples::Samples;
use rayon::prelude::*;

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Experiment {
    /// One search a probe, in the order of the split.
    pub identification: Identification,
    /// Photos enrolled and searched with.
    pub split: Split,
    /// The person of each search.
    pub people: Vec<u32>,
    /// Enrolled photos without a template.
    pub enrolment_failures: usize,
    /// People meant to be enrolled, and those of them of whom no photo gave a template.
    pub enrolled: (usize, usize),
}

/// Splits the photos by seed, enrols and searches.
///
/// # Errors
/// A split that leaves nobody to enrol or nothing to search with, or no template on either side.
pub fn experiment(samples: &Samples, options: &SplitOptions, progress: Progress<'_>) -> Result<Experiment> {
    let split = split(samples.people(), options)?;
    let (rows, of) = (samples.rows(), samples.people().of());
    let acquired = |photos: &[usize]| -> (Vec<usize>, Vec<u32>) {
        photos.iter().filter_map(|&photo| Some((rows[photo]?, of[photo]))).unzip()
    };
    let ((gallery, enrolled), (probes, probe_people)) = (acquired(&split.gallery), acquired(&split.probes));
    let found = Identification::run(
        &samples.templates().select(&gallery)?,
        &enrolled,
        &samples.templates().select(&probes)?,
        &probe_people,
        progress,
    )?;
    let distinct = |people: &mut dyn Iterator<Item = u32>| {
        let mut people: Vec<u32> = people.collect();
        people.sort_unstable();
        people.dedup();
        people
    };
    let meant = distinct(&mut split.gallery.iter().map(|&photo| of[photo]));
    let missing = meant.len() - found.gallery_people;
    // One more than anybody can rank.
    let last = Mate { score: f64::NEG_INFINITY, rank: meant.len() + 1 };
    let mut searches = found.searches.into_iter();
    let searches: Option<Vec<Search>> = split
        .probes
        .iter()
        .map(|&photo| {
            let is_meant = meant.binary_search(&of[photo]).is_ok();
            let mut search = match rows[photo] {
                Some(_) => searches.next()?,
                None => Search::failure(is_meant, meant.len()),
            };
            if is_meant && search.mate.is_none() {
                search.mate = Some(last);
            }
            Some(search)
        })
        .collect();
    let searches = searches.ok_or_else(|| EvalError::undefined("identification", "a search is missing"))?;
    Ok(Experiment {
        identification: Identification { gallery_people: meant.len(), searches },
        people: split.probes.iter().map(|&photo| of[photo]).collect(),
        enrolment_failures: split.gallery.len() - gallery.len(),
        enrolled: (meant.len(), missing),
        split,
    })
}

impl Experiment {
    /// Metrics of each round of a bootstrap over the people searched for; the gallery stays as it is.
    pub fn replicate(
        &self,
        draws: &Draws,
        metrics: impl Fn(&Identification) -> Vec<Option<f64>> + Sync,
    ) -> Vec<Replicates> {
        let rounds: Vec<Vec<Option<f64>>> = (0..draws.rounds())
            .into_par_iter()
            .map(|round| {
                let drawn =
                    self.people.iter().zip(&self.identification.searches).flat_map(|(&person, s)| {
                        std::iter::repeat_n(*s, draws.weight(person, round) as usize)
                    });
                metrics(&Identification { searches: drawn.collect(), ..self.identification })
            })
            .collect();
        let count = rounds.iter().map(Vec::len).max().unwrap_or(0);
        (0..count).map(|m| rounds.iter().map(|r| r.get(m).copied().flatten()).collect()).collect()
    }

    /// Who it was against who was named at a threshold; `None` is "nobody that is enrolled" and "unknown".
    ///
    /// # Errors
    /// No search.
    pub fn confusion(&self, threshold: f64) -> Result<Confusion<Option<u32>>> {
        let (truth, named): (Vec<_>, Vec<_>) = self
            .people
            .iter()
            .zip(&self.identification.searches)
            .map(|(&person, search)| {
                let truth = search.mate.map(|_| person);
                let best = match search.mate {
                    Some(mate) if mate.rank == 1 => Some((mate.score, person)),
                    _ => search.best_other.zip(search.other),
                };
                (truth, best.filter(|b| b.0 >= threshold).map(|b| b.1))
            })
            .unzip();
        Confusion::new(&truth, &named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::all_pairs::{silent, tests::clouds};
    use crate::bootstrap::Bootstrap;
    use crate::templates::Templates;

    fn samples(failed: &[usize]) -> Samples {
        let (templates, people) = clouds(20, 4, 32, 0.5, 8);
        let acquired: Vec<bool> = (0..80).map(|i| !failed.contains(&i)).collect();
        let kept: Vec<usize> = (0..80).filter(|&i| acquired[i]).collect();
        let photos = (0..80).map(|i| i.to_string()).collect();
        Samples::new(photos, people, &acquired, templates.select(&kept).unwrap()).unwrap()
    }

    #[test]
    fn failures_count_against_the_system() {
        let options = SplitOptions { enroll: 2, outside: 0.25, ..Default::default() };
        let whole = experiment(&samples(&[]), &options, &silent).unwrap();
        assert_eq!((whole.enrolled, whole.enrolment_failures), ((15, 0), 0));
        assert_eq!(whole.identification.rank(1).unwrap(), 1.0);
        // Person A cannot be enrolled, person B loses a probe.
        let of = |photo: usize| photo / 4;
        let a: Vec<usize> =
            whole.split.gallery.iter().copied().filter(|&p| of(p) == of(whole.split.gallery[0])).collect();
        let b = *whole
            .split
            .probes
            .iter()
            .find(|&&p| whole.split.gallery.iter().any(|&g| of(g) == of(p)) && of(p) != of(a[0]))
            .unwrap();
        let failed = experiment(&samples(&[a[0], a[1], b]), &options, &silent).unwrap();
        assert_eq!((failed.enrolled, failed.enrolment_failures), ((15, 1), 2));
        let searches = &failed.identification.searches;
        assert_eq!(searches.iter().filter(|s| s.mate.is_some()).count(), 30);
        assert!((failed.identification.rank(15).unwrap() - 27.0 / 30.0).abs() < 1e-12);
        assert_eq!(searches.iter().filter(|s| s.failed).count(), 1);
    }

    #[test]
    fn names_given_and_unknown() {
        let e = experiment(&samples(&[]), &SplitOptions::default(), &silent).unwrap();
        let all = e.confusion(f64::NEG_INFINITY).unwrap();
        let strangers = e.identification.searches.iter().filter(|s| s.mate.is_none()).count();
        let wrong: u64 = all.confusions().iter().map(|c| c.2).sum();
        assert_eq!(wrong as usize, strangers, "without a threshold every stranger gets a name");
        assert_eq!(e.confusion(2.0).unwrap().confusions().iter().filter(|c| c.1.is_some()).count(), 0);
    }

    #[test]
    fn rounds_repeat_people_not_photos() {
        let e = experiment(&samples(&[]), &SplitOptions::default(), &silent).unwrap();
        let draws = Draws::new(20, &Bootstrap { rounds: 20, ..Default::default() }).unwrap();
        let counts = e.replicate(&draws, |id| vec![Some(id.searches.len() as f64), id.rank(1).ok()]);
        for (round, count) in counts[0].iter().enumerate() {
            let expected: u32 = e.people.iter().map(|&p| draws.weight(p, round)).sum();
            assert_eq!(*count, Some(f64::from(expected)));
        }
        assert!(counts[1].iter().flatten().all(|r| *r == 1.0));
        assert!(Templates::new(1, vec![]).unwrap().is_empty());
    }
}

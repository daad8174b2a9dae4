//! What a similarity is worth on this gallery: measured on its own people, not on the model's test photos.
//!
//! Faces of some people (the *probes*, chosen by a fixed rule) are compared with everybody else in the gallery. From
//! the histogram of all these similarities come the thresholds, as far down as a hundred comparisons bear them out;
//! from each probe's most similar stranger comes what a search amounts to (see [`Calibration::share`](crate::Calibration::share)).
//!
//! One person who is enrolled as two raises the rates of high similarities: to the safe side, but more often
//! "unknown" than need be. Such pairs are reported.

use std::collections::BTreeMap;

use phiz_template::Thresholds;
use serde::Serialize;

use crate::error::{ErrorKind, GalleryError, Result};
use crate::gallery::{Against, Gallery, compare, now};
use crate::model::{FaceId, PersonId};
use crate::rates::{BINS, Calibration};
use crate::store::Kind;

/// Two people who may be one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suspects {
    /// The one.
    pub one: PersonId,
    /// What they are called.
    pub one_name: String,
    /// The other.
    pub other: PersonId,
    /// What they are called.
    pub other_name: String,
    /// A face of the one compared with the other.
    pub similarity: f32,
    /// The false match rate that the model's card gives for that.
    pub fmr: f64,
}

/// What became of calibrating.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibrated {
    /// What holds from now on.
    pub calibration: Calibration,
    /// The similarity for each measured rate, by the card and as measured: `[rate, card, measured]`.
    pub compared: Vec<[f64; 3]>,
    /// Pairs that look like one person, the most similar first: merge them, if they are, and calibrate again.
    pub suspects: Vec<Suspects>,
}

/// People whose faces are compared with everybody.
const PROBES: usize = 3000;
/// With fewer people nothing can be measured.
const LEAST_PEOPLE: usize = 50;
/// A rate is measured from this many comparisons that exceed it (its error is then about a tenth), and from this many
/// different probes, for one unusual face exceeds many times.
const LEAST_COUNT: u64 = 100;
const LEAST_PROBES: usize = 30;
/// The upper edge of a bin: what exceeds it lies in higher bins.
fn edge(bin: usize) -> f64 {
    (bin + 1) as f64 / BINS as f64 * 2.0 - 1.0
}

impl Gallery {
    /// Measures on the gallery's own people which similarity stands for which rate, and decides by that from then on.
    /// `progress` is told how many probes of how many are done.
    ///
    /// # Errors
    /// There are fewer than 50 people with faces, or the gallery cannot be written.
    pub fn calibrate(&self, mut progress: impl FnMut(usize, usize)) -> Result<Calibrated> {
        let go_on = |done, all| {
            progress(done, all);
            true
        };
        let done = self.calibrate_while(go_on)?;
        done.ok_or_else(|| GalleryError::new(ErrorKind::Conflict, "the calibration was ended"))
    }

    /// The same, for as long as `progress` says true. None if it was ended: then nothing has changed.
    ///
    /// # Errors
    /// As [`Gallery::calibrate`].
    pub fn calibrate_while(
        &self,
        mut progress: impl FnMut(usize, usize) -> bool,
    ) -> Result<Option<Calibrated>> {
        let card = self.card();
        let people = self.searchable()?;
        if people.len() < LEAST_PEOPLE {
            let reason = format!(
                "only {} people have faces; {LEAST_PEOPLE} are needed to measure rates",
                people.len()
            );
            return Err(GalleryError::new(ErrorKind::Conflict, reason)
                .with_hint("the model's own thresholds hold until then"));
        }
        // Evenly spread over the order of enrolment.
        let many = people.len().min(PROBES);
        let chosen: Vec<PersonId> = (0..many).map(|i| people[i * people.len() / many]).collect();
        let mut histogram = vec![0u64; BINS];
        let mut reached = vec![0u32; BINS];
        let mut best = Vec::with_capacity(many);
        let mut suspects = Vec::new();
        for (batch, chosen) in chosen.chunks(64).enumerate() {
            let probes = self.read(|rows, codec| {
                let ids: Vec<u64> = chosen.iter().map(|person| person.0).collect();
                // The first face of each.
                let mut first = BTreeMap::new();
                for (owner, face) in rows.owned_many(Kind::Face, &ids)? {
                    first.entry(owner).or_insert(face);
                }
                let faces: Vec<u64> = first.values().copied().collect();
                let mut templates: BTreeMap<u64, Vec<f32>> = BTreeMap::new();
                for (id, row) in rows.get_many(Kind::Template, &faces)? {
                    let template = codec.weighted(FaceId(id), &row)?.template;
                    // A face that waits for a template of this model says nothing.
                    if template.iter().any(|value| *value != 0.0) {
                        templates.insert(row.owner, template);
                    }
                }
                let of = |person: &PersonId| Some((*person, templates.remove(&person.0)?));
                Ok(chosen.iter().filter_map(of).collect::<Vec<_>>())
            })?;
            let against = self.against_all(&probes, &mut histogram)?;
            for (Against { person, highest, nearest }, (_, face)) in against.into_iter().zip(&probes) {
                if let Some((similarity, other)) = nearest {
                    reached[highest] += 1;
                    best.push(similarity);
                    suspects.extend(self.suspect(face, person, other, &card, 0.01 / people.len() as f64)?);
                }
            }
            if !progress(batch * 64 + chosen.len(), many) {
                return Ok(None);
            }
        }
        suspects.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
        suspects.dedup_by(|a, b| (a.one, a.other) == (b.other, b.one));
        let comparisons: u64 = histogram.iter().sum();
        let measured_on = format!("this gallery, {} people", people.len());
        let thresholds = Thresholds::new(quantiles(&histogram, &reached), measured_on).map_err(|_| {
            GalleryError::new(ErrorKind::Conflict, "too few comparisons to measure two rates")
                .with_hint("the model's own thresholds hold until there are more people")
        })?;
        let share = share(&mut best, &thresholds, people.len() - 1);
        let compared =
            thresholds.quantiles().iter().map(|[rate, s]| [*rate, card.similarity_at(*rate), *s]).collect();
        let calibration = Calibration { thresholds, share, at: now(), people: people.len(), comparisons };
        self.set_settings(|settings| settings.calibration = Some(calibration.clone()))?;
        Ok(Some(Calibrated { calibration, compared, suspects }))
    }

    /// Measures exactly whether a face of the one is so like the other that it happens less often than `least` by chance.
    fn suspect(
        &self,
        face: &[f32],
        one: PersonId,
        other: PersonId,
        card: &Thresholds,
        least: f64,
    ) -> Result<Option<Suspects>> {
        self.read(|rows, codec| {
            let Some((compared, other_name)) = compare(rows, codec, face, other)? else { return Ok(None) };
            let similarity = compared.similarity;
            let fmr = card.fmr_at(f64::from(similarity));
            if fmr >= least {
                return Ok(None);
            }
            let one_name = codec.names(rows, &[one.0])?.remove(&one.0).unwrap_or_default();
            Ok(Some(Suspects { one, one_name, other, other_name, similarity, fmr }))
        })
    }

    /// Goes back to the thresholds of the model's card.
    ///
    /// # Errors
    /// The gallery cannot be written.
    pub fn forget_calibration(&self) -> Result<()> {
        self.set_settings(|settings| settings.calibration = None)
    }
}

/// Rates that fall by √10, each with its similarity, as far as the counts bear them out.
fn quantiles(histogram: &[u64], reached: &[u32]) -> Vec<[f64; 2]> {
    let all: u64 = histogram.iter().sum();
    let mut out: Vec<[f64; 2]> = Vec::new();
    // `above` counts what lies in higher bins; `probes` how many probes reach at least so high.
    let (mut above, mut probes) = (vec![0u64; BINS], vec![0usize; BINS]);
    for bin in (0..BINS - 1).rev() {
        above[bin] = above[bin + 1] + histogram[bin + 1];
        probes[bin] = probes[bin + 1] + reached[bin + 1] as usize;
    }
    for half in 2.. {
        let rate = 10f64.powf(-f64::from(half) / 2.0);
        let wanted = rate * all as f64;
        // The lowest edge that no more than the wanted exceed.
        let Some(bin) = (0..BINS).find(|bin| above[*bin] as f64 <= wanted) else { break };
        if above[bin] < LEAST_COUNT || probes[bin] < LEAST_PROBES {
            break;
        }
        // What lies in one bin is spread over it evenly, as far as anybody knows.
        let inside = histogram[bin].max(1) as f64;
        let similarity = edge(bin) - (wanted - above[bin] as f64).min(inside) / inside * 2.0 / BINS as f64;
        if out.last().is_none_or(|[_, last]| similarity > *last) {
            out.push([rate, similarity]);
        }
    }
    out
}

/// From the most similar stranger of each probe: at the similarity that a share q of the probes reaches, a search of
/// `n` amounts to ln(1 − q) / ln(1 − fmr) independent comparisons. The largest of a few q is taken, the safe side.
fn share(best: &mut [f32], thresholds: &Thresholds, n: usize) -> f64 {
    best.sort_by(|a, b| b.total_cmp(a));
    let mut largest: Option<f64> = None;
    for q in [0.2, 0.1, 0.05, 0.02, 0.01] {
        let count = (best.len() as f64 * q) as usize;
        if count < LEAST_PROBES {
            break;
        }
        let fmr = thresholds.fmr_at(f64::from(best[count]));
        let amounts_to = (-q).ln_1p() / (-fmr).max(-0.999).ln_1p();
        let share = amounts_to / n as f64;
        largest = Some(largest.map_or(share, |l| l.max(share)));
    }
    largest.unwrap_or(1.0).clamp(1.0 / n.max(1) as f64, 1.0)
}

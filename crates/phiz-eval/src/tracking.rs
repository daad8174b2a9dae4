//! Tracking: how well the tracks of a video follow the people in it.
//!
//! MOTA (Bernardin and Stiefelhagen 2008) counts, frame by frame, faces that no track follows, tracks that follow nothing,
//! and switches; it hardly cares who is who. IDF1 (Ristani et al. 2016) gives each person the one track that covers most of
//! them, and asks which share of all boxes is then right; it hardly cares about single frames. Both are 1 at best.
//!
//! ```
//! use phiz_eval::tracking::{Box, Frame, tracking};
//! let at = |id, x| Box { id, bbox: [x, 0.0, 10.0, 10.0] };
//! // One person, followed by track 7 and then by track 8.
//! let frames = [
//!     Frame { truth: vec![at(1, 0.0)], found: vec![at(7, 0.0)] },
//!     Frame { truth: vec![at(1, 5.0)], found: vec![at(7, 5.0)] },
//!     Frame { truth: vec![at(1, 9.0)], found: vec![at(8, 9.0)] },
//! ];
//! let quality = tracking(&frames, 0.5)?;
//! assert_eq!(quality.switches, 1);
//! assert!((quality.mota() - 2.0 / 3.0).abs() < 1e-9 && (quality.idf1() - 2.0 / 3.0).abs() < 1e-9);
//! # Ok::<(), phiz_eval::EvalError>(())
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::Result;
use crate::detection::iou;
use crate::error::{EvalError, check_rate};

/// Somebody's face in a frame: a person in the truth, a track in what was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Box {
    /// The person, or the track.
    pub id: u64,
    /// Left, top, width, height.
    pub bbox: [f64; 4],
}

/// What a frame shows, and what was found in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// The faces that are there; each person once.
    pub truth: Vec<Box>,
    /// The faces that were found; each track once.
    pub found: Vec<Box>,
}

/// Counts over a video. Those of several videos may be added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tracking {
    /// Faces that are there, over all frames.
    pub truth: u64,
    /// Faces that were found, over all frames.
    pub found: u64,
    /// Faces that no track follows.
    pub missed: u64,
    /// Found faces that are none.
    pub false_faces: u64,
    /// How often another track took a person over.
    pub switches: u64,
    /// Found faces of the track that belongs to the person.
    pub right: u64,
}

impl Tracking {
    /// Multiple object tracking accuracy: `1 − (missed + false faces + switches) / truth`; below 0 at worst.
    #[must_use]
    pub fn mota(&self) -> f64 {
        1.0 - (self.missed + self.false_faces + self.switches) as f64 / self.truth as f64
    }

    /// Identity F1: `2 · right / (truth + found)`.
    #[must_use]
    pub fn idf1(&self) -> f64 {
        2.0 * self.right as f64 / (self.truth + self.found) as f64
    }

    /// The counts of two videos together.
    #[must_use]
    pub fn and(&self, other: &Tracking) -> Tracking {
        Tracking {
            truth: self.truth + other.truth,
            found: self.found + other.found,
            missed: self.missed + other.missed,
            false_faces: self.false_faces + other.false_faces,
            switches: self.switches + other.switches,
            right: self.right + other.right,
        }
    }
}

/// Compares the tracks of a video with the truth. A found face is a person's if their boxes overlap by `overlap` (IoU).
///
/// In each frame, a track keeps the person whom it followed in the frame before as long as both still overlap; all others are
/// assigned so that as many as possible have a partner, and of those assignments the one of the largest overlap is taken.
///
/// # Errors
/// A frame that holds a person or a track twice, an overlap that is none, or a truth without any face, of which nothing can
/// be missed.
pub fn tracking(frames: &[Frame], overlap: f64) -> Result<Tracking> {
    check_rate("overlap", overlap)?;
    let mut sum = Tracking::default();
    // Which track followed each person last, and how many boxes a person and a track share.
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    let mut shared: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    for (number, frame) in frames.iter().enumerate() {
        for (what, boxes) in [("person", &frame.truth), ("track", &frame.found)] {
            let ids: BTreeSet<u64> = boxes.iter().map(|b| b.id).collect();
            if ids.len() < boxes.len() {
                let reason = format!("holds a {what} twice");
                return Err(EvalError::input(format!("frame {number}"), reason, "give each its own number"));
            }
        }
        sum.truth += frame.truth.len() as u64;
        sum.found += frame.found.len() as u64;
        let near = |t: usize, f: usize| {
            let overlapped = iou(&frame.truth[t].bbox, &frame.found[f].bbox);
            (overlapped >= overlap && overlapped > 0.0).then_some(overlapped)
        };
        for (t, person) in frame.truth.iter().enumerate() {
            for (f, track) in frame.found.iter().enumerate() {
                if near(t, f).is_some() {
                    *shared.entry((person.id, track.id)).or_default() += 1;
                }
            }
        }
        let mut partner: Vec<Option<usize>> = frame
            .truth
            .iter()
            .enumerate()
            .map(|(t, person)| {
                let track = last.get(&person.id)?;
                let f = frame.found.iter().position(|found| found.id == *track)?;
                near(t, f).map(|_| f)
            })
            .collect();
        // Two people whom one track followed in turn cannot both keep it.
        for t in 0..partner.len() {
            if partner[t].is_some() && partner[..t].contains(&partner[t]) {
                partner[t] = None;
            }
        }
        let free_truth: Vec<usize> = (0..partner.len()).filter(|&t| partner[t].is_none()).collect();
        let free_found: Vec<usize> =
            (0..frame.found.len()).filter(|&f| !partner.contains(&Some(f))).collect();
        // Each pair is worth more than all overlaps together.
        let worth: Vec<Vec<f64>> = free_truth
            .iter()
            .map(|&t| free_found.iter().map(|&f| near(t, f).map_or(0.0, |o| 1000.0 + o)).collect())
            .collect();
        for (row, column) in most(&worth) {
            if worth[row][column] > 0.0 {
                partner[free_truth[row]] = Some(free_found[column]);
            }
        }
        for (person, partner) in frame.truth.iter().zip(&partner) {
            match partner.map(|f| frame.found[f].id) {
                Some(track) => {
                    let before = last.insert(person.id, track);
                    sum.switches += u64::from(before.is_some_and(|before| before != track));
                }
                None => sum.missed += 1,
            }
        }
        sum.false_faces += (frame.found.len() - partner.iter().flatten().count()) as u64;
    }
    if sum.truth == 0 {
        return Err(EvalError::undefined("MOTA", "there is no face in the truth"));
    }
    let people: Vec<u64> = shared.keys().map(|(p, _)| *p).collect::<BTreeSet<_>>().into_iter().collect();
    let tracks: Vec<u64> = shared.keys().map(|(_, t)| *t).collect::<BTreeSet<_>>().into_iter().collect();
    let count = |p: &u64, t: &u64| shared.get(&(*p, *t)).copied().unwrap_or(0);
    let worth: Vec<Vec<f64>> =
        people.iter().map(|p| tracks.iter().map(|t| count(p, t) as f64).collect()).collect();
    sum.right = most(&worth).into_iter().map(|(row, column)| worth[row][column] as u64).sum();
    Ok(sum)
}

/// Pairs of a row and a column, each at most once, that are worth the most together (Kuhn 1955, by augmenting paths with
/// potentials; all worths are 0 or more).
fn most(worth: &[Vec<f64>]) -> Vec<(usize, usize)> {
    let (rows, columns) = (worth.len(), worth.first().map_or(0, Vec::len));
    if rows == 0 || columns == 0 {
        return Vec::new();
    }
    // A square is filled up with pairs that are worth nothing. Row and column 0 are the algorithm's own.
    let n = rows.max(columns);
    let cost = |i: usize, j: usize| -worth.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0.0);
    let (mut u, mut v) = (vec![0.0; n + 1], vec![0.0; n + 1]);
    let (mut row_of, mut way) = (vec![0; n + 1], vec![0; n + 1]);
    for row in 1..=n {
        row_of[0] = row;
        let mut column = 0;
        let (mut least, mut used) = (vec![f64::INFINITY; n + 1], vec![false; n + 1]);
        loop {
            used[column] = true;
            let (here, mut delta, mut next) = (row_of[column], f64::INFINITY, 0);
            for j in (1..=n).filter(|&j| !used[j]).collect::<Vec<_>>() {
                let reduced = cost(here - 1, j - 1) - u[here] - v[j];
                if reduced < least[j] {
                    (least[j], way[j]) = (reduced, column);
                }
                if least[j] < delta {
                    (delta, next) = (least[j], j);
                }
            }
            for j in 0..=n {
                if used[j] {
                    u[row_of[j]] += delta;
                    v[j] -= delta;
                } else {
                    least[j] -= delta;
                }
            }
            column = next;
            if row_of[column] == 0 {
                break;
            }
        }
        while column != 0 {
            row_of[column] = row_of[way[column]];
            column = way[column];
        }
    }
    let pairs = row_of.iter().enumerate().skip(1).map(|(column, row)| (row - 1, column - 1));
    pairs.filter(|(row, column)| *row < rows && *column < columns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(id: u64, x: f64) -> Box {
        Box { id, bbox: [x, 0.0, 10.0, 10.0] }
    }

    #[test]
    fn known_videos_have_known_figures() {
        let frame = |truth: &[(u64, f64)], found: &[(u64, f64)]| {
            let boxes = |list: &[(u64, f64)]| list.iter().map(|(id, x)| at(*id, *x)).collect();
            Frame { truth: boxes(truth), found: boxes(found) }
        };
        // (frames; missed, false faces, switches, right)
        for (name, frames, wanted) in [
            ("followed", vec![frame(&[(1, 0.0)], &[(5, 1.0)]); 4], (0, 0, 0, 4)),
            ("never found", vec![frame(&[(1, 0.0)], &[]); 3], (3, 0, 0, 0)),
            ("elsewhere", vec![frame(&[(1, 0.0)], &[(5, 50.0)]); 3], (3, 3, 0, 0)),
            (
                "two who are swapped half way",
                [
                    vec![frame(&[(1, 0.0), (2, 50.0)], &[(5, 0.0), (6, 50.0)]); 2],
                    vec![frame(&[(1, 0.0), (2, 50.0)], &[(6, 0.0), (5, 50.0)]); 2],
                ]
                .concat(),
                (0, 0, 2, 4),
            ),
            (
                // Both overlap both; each keeps its own.
                "close together",
                vec![frame(&[(1, 0.0), (2, 3.0)], &[(5, 0.0), (6, 3.0)]); 3],
                (0, 0, 0, 6),
            ),
            (
                "a gap is no switch",
                vec![
                    frame(&[(1, 0.0)], &[(5, 0.0)]),
                    frame(&[(1, 0.0)], &[]),
                    frame(&[(1, 0.0)], &[(5, 0.0)]),
                ],
                (1, 0, 0, 2),
            ),
        ] {
            let found = tracking(&frames, 0.5).unwrap();
            assert_eq!((found.missed, found.false_faces, found.switches, found.right), wanted, "{name}");
        }
    }

    #[test]
    fn what_defines_nothing_is_an_error() {
        assert!(tracking(&[], 0.5).unwrap_err().is_undefined());
        let twice = Frame { truth: vec![at(1, 0.0), at(1, 50.0)], found: Vec::new() };
        assert!(tracking(&[twice], 0.5).unwrap_err().to_string().contains("frame 0"));
        assert!(tracking(&[], 1.5).is_err());
    }

    #[test]
    fn no_pairs_are_worth_more() {
        // All assignments of small tables, one after the other.
        fn best(worth: &[Vec<f64>], row: usize, used: &mut Vec<bool>) -> f64 {
            if row == worth.len() {
                return 0.0;
            }
            let mut most = best(worth, row + 1, used);
            for column in 0..used.len() {
                if !used[column] {
                    used[column] = true;
                    most = most.max(worth[row][column] + best(worth, row + 1, used));
                    used[column] = false;
                }
            }
            most
        }
        let mut state = 7u64;
        let mut number = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 60) as f64
        };
        for (rows, columns) in [(1, 1), (2, 3), (3, 2), (4, 4), (5, 3), (1, 5)] {
            for _ in 0..20 {
                let worth: Vec<Vec<f64>> =
                    (0..rows).map(|_| (0..columns).map(|_| number()).collect()).collect();
                let sum: f64 = most(&worth).iter().map(|(row, column)| worth[*row][*column]).sum();
                assert_eq!(sum, best(&worth, 0, &mut vec![false; columns]), "{worth:?}");
            }
        }
    }
}

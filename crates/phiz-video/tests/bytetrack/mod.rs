//! ByteTrack, as a yardstick: Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV 2022.
//! Written anew from the paper, with the values of its reference configuration. It knows boxes and scores alone.
#![allow(dead_code, reason = "shared by tests")]

/// A found face: box and score.
pub(crate) type Found = ([f64; 4], f64);

const HIGH: f64 = 0.6;
const LOW: f64 = 0.1;
/// A new track needs a score above the high one by so much.
const NEW: f64 = HIGH + 0.1;
/// Largest costs of the first and second association, and of tracks that were seen once.
const FIRST: f64 = 0.8;
const SECOND: f64 = 0.5;
const UNCONFIRMED: f64 = 0.7;
/// A lost track is kept for so many frames, at 30 a second.
const BUFFER: f64 = 30.0;

/// Place and speed of one of centre x, centre y, aspect, height. The filter of the paper couples none of the four.
#[derive(Clone, Copy)]
struct Axis {
    x: f64,
    v: f64,
    /// Covariances.
    xx: f64,
    xv: f64,
    vv: f64,
}

impl Axis {
    fn new(x: f64, std: f64, std_v: f64) -> Axis {
        Axis { x, v: 0.0, xx: (2.0 * std).powi(2), xv: 0.0, vv: (10.0 * std_v).powi(2) }
    }

    fn predict(&mut self, std: f64, std_v: f64) {
        self.x += self.v;
        self.xx += 2.0 * self.xv + self.vv + std * std;
        self.xv += self.vv;
        self.vv += std_v * std_v;
    }

    fn update(&mut self, seen: f64, std: f64) {
        let gain = [self.xx, self.xv].map(|c| c / (self.xx + std * std));
        let off = seen - self.x;
        self.x += gain[0] * off;
        self.v += gain[1] * off;
        self.vv -= gain[1] * self.xv;
        self.xv -= gain[1] * self.xx;
        self.xx -= gain[0] * self.xx;
    }
}

#[derive(Clone)]
struct Track {
    id: u64,
    axes: [Axis; 4],
    confirmed: bool,
    lost: bool,
    last: u64,
}

fn measured([x, y, w, h]: [f64; 4]) -> [f64; 4] {
    [x + w / 2.0, y + h / 2.0, w / h, h]
}

impl Track {
    fn new(id: u64, bbox: [f64; 4], frame: u64) -> Track {
        let seen = measured(bbox);
        let (place, speed) = (seen[3] / 20.0, seen[3] / 160.0);
        let axes = [
            Axis::new(seen[0], place, speed),
            Axis::new(seen[1], place, speed),
            Axis::new(seen[2], 1e-2 / 2.0, 1e-5 / 10.0),
            Axis::new(seen[3], place, speed),
        ];
        // Tracks of the first frame are believed at once.
        Track { id, axes, confirmed: frame == 1, lost: false, last: frame }
    }

    fn predict(&mut self) {
        let height = self.axes[3].x;
        if self.lost {
            self.axes[3].v = 0.0;
        }
        for (i, axis) in self.axes.iter_mut().enumerate() {
            match i {
                2 => axis.predict(1e-2, 1e-5),
                _ => axis.predict(height / 20.0, height / 160.0),
            }
        }
    }

    fn update(&mut self, bbox: [f64; 4], frame: u64) {
        let height = self.axes[3].x;
        for (i, (axis, seen)) in self.axes.iter_mut().zip(measured(bbox)).enumerate() {
            axis.update(seen, if i == 2 { 1e-1 } else { height / 20.0 });
        }
        (self.confirmed, self.lost, self.last) = (true, false, frame);
    }

    fn bbox(&self) -> [f64; 4] {
        let [x, y, aspect, h] = self.axes.map(|axis| axis.x);
        let w = aspect * h;
        [x - w / 2.0, y - h / 2.0, w, h]
    }
}

fn iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let along = |i: usize| ((a[i] + a[i + 2]).min(b[i] + b[i + 2]) - a[i].max(b[i])).max(0.0);
    let common = along(0) * along(1);
    common / (a[2] * a[3] + b[2] * b[3] - common).max(1e-9)
}

/// The assignment of least cost, where leaving a track or a face out costs half of `most` each. By trying all of them: there
/// are few faces.
fn assign(costs: &[Vec<f64>], most: f64) -> Vec<Option<usize>> {
    fn best(costs: &[Vec<f64>], row: usize, taken: &mut Vec<bool>, most: f64) -> (f64, Vec<Option<usize>>) {
        let Some(line) = costs.get(row) else {
            return (taken.iter().filter(|taken| !**taken).count() as f64 * most / 2.0, Vec::new());
        };
        let (cost, mut chosen) = best(costs, row + 1, taken, most);
        let mut least = cost + most / 2.0;
        chosen.insert(0, None);
        for (column, cost) in line.iter().enumerate() {
            if !taken[column] && *cost <= most {
                taken[column] = true;
                let (rest, mut others) = best(costs, row + 1, taken, most);
                taken[column] = false;
                if cost + rest < least {
                    least = cost + rest;
                    others.insert(0, Some(column));
                    chosen = others;
                }
            }
        }
        (least, chosen)
    }
    let columns = costs.first().map_or(0, Vec::len);
    best(costs, 0, &mut vec![false; columns], most).1
}

/// All tracks of a video.
pub(crate) struct ByteTrack {
    tracks: Vec<Track>,
    next: u64,
    frame: u64,
    buffer: u64,
}

impl ByteTrack {
    pub(crate) fn new(rate: f64) -> ByteTrack {
        ByteTrack { tracks: Vec::new(), next: 1, frame: 0, buffer: (rate / 30.0 * BUFFER).round() as u64 }
    }

    /// Takes the faces of the next frame; the tracks that are there, with their boxes.
    pub(crate) fn step(&mut self, found: &[Found]) -> Vec<(u64, [f64; 4])> {
        self.frame += 1;
        let frame = self.frame;
        self.tracks.iter_mut().for_each(Track::predict);
        let (mut high, low): (Vec<Found>, Vec<Found>) =
            found.iter().filter(|face| face.1 > LOW).partition(|face| face.1 > HIGH);
        // First, sure faces with all tracks that were seen twice, lost ones included; likeness is weighed by the score.
        let fused = |track: &Track, face: &Found| 1.0 - iou(track.bbox(), face.0) * face.1;
        let plain = |track: &Track, face: &Found| 1.0 - iou(track.bbox(), face.0);
        let confirmed: Vec<usize> = (0..self.tracks.len()).filter(|i| self.tracks[*i].confirmed).collect();
        let left = self.associate(&confirmed, &mut high, FIRST, fused);
        // Then, faint faces with those that were there a moment ago.
        let here: Vec<usize> = left.iter().copied().filter(|i| !self.tracks[*i].lost).collect();
        let mut low = low;
        let left = self.associate(&here, &mut low, SECOND, plain);
        left.into_iter().for_each(|i| self.tracks[i].lost = true);
        // Last, what is left of the sure ones with tracks that were seen once; these have no second chance.
        let new: Vec<usize> = (0..self.tracks.len()).filter(|i| !self.tracks[*i].confirmed).collect();
        let mut gone = self.associate(&new, &mut high, UNCONFIRMED, fused);
        gone.sort_unstable();
        gone.into_iter().rev().for_each(|i| _ = self.tracks.remove(i));
        for (bbox, score) in high {
            if score >= NEW {
                self.tracks.push(Track::new(self.next, bbox, frame));
                self.next += 1;
            }
        }
        self.tracks.retain(|track| frame - track.last <= self.buffer);
        let there = self.tracks.iter().filter(|track| track.confirmed && !track.lost);
        there.map(|track| (track.id, track.bbox())).collect()
    }

    /// Gives faces to tracks, and takes them out of `faces`; the tracks that got none.
    fn associate(
        &mut self,
        tracks: &[usize],
        faces: &mut Vec<Found>,
        most: f64,
        cost: impl Fn(&Track, &Found) -> f64,
    ) -> Vec<usize> {
        let costs: Vec<Vec<f64>> =
            tracks.iter().map(|i| faces.iter().map(|face| cost(&self.tracks[*i], face)).collect()).collect();
        let (mut left, mut taken) = (Vec::new(), Vec::new());
        for (i, face) in tracks.iter().zip(assign(&costs, most)) {
            match face {
                Some(face) => {
                    self.tracks[*i].update(faces[face].0, self.frame);
                    taken.push(face);
                }
                None => left.push(*i),
            }
        }
        taken.sort_unstable();
        taken.into_iter().rev().for_each(|face| _ = faces.remove(face));
        left
    }
}

#[test]
fn the_yardstick_follows_who_walks_and_keeps_the_number_over_a_short_loss() {
    let mut tracker = ByteTrack::new(30.0);
    let at = |x: f64| ([x, 50.0, 40.0, 50.0], 0.9);
    for i in 0..40 {
        let x = 4.0 * f64::from(i);
        let faces = if (20..24).contains(&i) { vec![at(400.0 - x)] } else { vec![at(x), at(400.0 - x)] };
        let there: Vec<u64> = tracker.step(&faces).iter().map(|track| track.0).collect();
        assert_eq!(there, if (20..24).contains(&i) { vec![2] } else { vec![1, 2] }, "{i}");
    }
    // A faint face keeps a track alive, and begins none.
    assert_eq!(tracker.step(&[([160.0, 50.0, 40.0, 50.0], 0.3)]).len(), 1);
    assert_eq!(ByteTrack::new(30.0).step(&[([160.0, 50.0, 40.0, 50.0], 0.3)]), []);
}

//! Each face's way through the frames of a file, for whoever draws on them or hides faces in them.

use phiz_gallery::PersonId;

use crate::event::Identity;
use crate::frames::Frame;

/// Where a face was found.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Point {
    /// Number of the frame.
    pub index: u64,
    /// Its time.
    pub time: f64,
    /// The box, in pixels of the video.
    pub bbox: [f32; 4],
}

/// The way of one face, with who it turned out to be.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Path {
    /// The track; 0 for something that may have been a face, seen once and not followed.
    pub track: u64,
    /// Who it is.
    pub who: Identity,
    /// The person in the gallery.
    pub id: Option<PersonId>,
    /// Whether it was seen often enough to be told of.
    pub confirmed: bool,
    /// Where it was found, by rising time.
    pub points: Vec<Point>,
}

impl Path {
    /// Where the face is at a time: between two points that lie no further apart than `gap` seconds on the line between them,
    /// and up to `reach` seconds before the first and after the last point where that one is.
    #[must_use]
    pub fn at(&self, time: f64, gap: f64, reach: f64) -> Option<[f32; 4]> {
        let after = self.points.partition_point(|point| point.time <= time);
        match (after.checked_sub(1).map(|i| self.points[i]), self.points.get(after)) {
            (Some(a), Some(b)) if b.time - a.time <= gap => {
                let share = ((time - a.time) / (b.time - a.time).max(1e-9)) as f32;
                Some([0, 1, 2, 3].map(|i| a.bbox[i] + (b.bbox[i] - a.bbox[i]) * share))
            }
            // Within a longer gap, near its ends.
            (Some(a), _) if time - a.time <= reach => Some(a.bbox),
            (_, Some(b)) if b.time - time <= reach => Some(b.bbox),
            _ => None,
        }
    }
}

/// The ways of all faces.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    all: Vec<Path>,
}

impl Paths {
    fn of(&mut self, track: u64) -> &mut Path {
        // The faces that are there now are the latest.
        let position = match self.all.iter().rposition(|path| path.track == track && track > 0) {
            Some(position) => position,
            None => {
                let (who, points) = (Identity::default(), Vec::new());
                self.all.push(Path { track, who, id: None, confirmed: false, points });
                self.all.len() - 1
            }
        };
        &mut self.all[position]
    }

    pub(crate) fn point(&mut self, track: u64, frame: &Frame, bbox: [f32; 4]) {
        let point = Point { index: frame.index, time: frame.time, bbox };
        self.of(track).points.push(point);
    }

    pub(crate) fn stray(&mut self, frame: &Frame, bbox: [f32; 4]) {
        self.point(0, frame, bbox);
    }

    /// Who it is; only for tracks whose ways are kept.
    pub(crate) fn is(&mut self, track: u64, who: &Identity, id: Option<PersonId>) {
        if let Some(path) = self.all.iter_mut().rfind(|path| path.track == track) {
            path.who = who.clone();
            path.id = id;
        }
    }

    /// The way of a track that turned out to be an older one goes on with that one's.
    pub(crate) fn rejoin(&mut self, new: u64, old: u64) {
        let Some(position) = self.all.iter().rposition(|path| path.track == new && new > 0) else { return };
        let points = self.all.remove(position).points;
        self.of(old).points.extend(points);
    }

    pub(crate) fn confirmed(&mut self, track: u64) {
        if let Some(path) = self.all.iter_mut().rfind(|path| path.track == track) {
            path.confirmed = true;
        }
    }

    pub(crate) fn all(&self) -> Vec<Path> {
        self.all.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_filled_between_points_and_a_little_beyond() {
        let point =
            |time: f64, x: f32| Point { index: (time * 10.0) as u64, time, bbox: [x, 0.0, 10.0, 10.0] };
        let points = vec![point(1.0, 0.0), point(1.5, 50.0), point(4.0, 90.0)];
        let path = Path { track: 1, who: Identity::default(), id: None, confirmed: true, points };
        for (time, x) in [
            (0.5, None),
            (0.8, Some(0.0)),
            (1.0, Some(0.0)),
            (1.25, Some(25.0)),
            (1.5, Some(50.0)),
            (1.75, Some(50.0)),
            (2.5, None),
            (3.8, Some(90.0)),
            (4.2, Some(90.0)),
            (4.5, None),
        ] {
            assert_eq!(path.at(time, 1.0, 0.3).map(|b| b[0]), x, "{time}");
        }
        assert!(path.at(2.5, 3.0, 0.3).is_some_and(|b| b[0] > 50.0 && b[0] < 90.0));
    }
}

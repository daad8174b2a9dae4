//! Which face of this frame is which face of the last one: tracks, with identity inside the assignment.
//!
//! Motion alone confuses people who cross, and templates alone confuse a person's blurred profile with somebody else's.
//! So both make one cost, and the cheapest assignment of all tracks to all faces at once is taken ([`assign`]). Some pairs
//! are never made, however well they fit otherwise: a face that the gallery knows as Ben and a track that is Ada, and a
//! good view that clearly shows somebody else than the good views of the track.
//!
//! Who is hidden by somebody else is waited for. The face that then comes out is at first half of a face, of which a template
//! tells little: so a new track that begins where somebody was hidden is not told of until a good view has said whether it is
//! the missing one ([`Tracker::returned`], [`Tracker::settle`]), or two seconds have passed.
//!
//! A face below the detector's usual score continues a track where it is expected and begins none (as in ByteTrack, Zhang
//! et al. 2022).

use phiz_face::{Detection, iou};
use phiz_gallery::PersonId;
use phiz_template::{Template, Thresholds};

use crate::assign::assign;
use crate::evidence::Evidence;
use crate::kalman::Motion;

/// A face in a frame, with what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) detection: Detection,
    /// Whether it may begin a track.
    pub(crate) sure: bool,
    /// Its template and quality, if it was described.
    pub(crate) view: Option<(Template, f32)>,
    /// Who it is by itself, if that is beyond doubt.
    pub(crate) person: Option<PersonId>,
}

impl Found {
    pub(crate) fn new(detection: Detection, sure: bool) -> Found {
        Found { detection, sure, view: None, person: None }
    }
}

/// One face over time.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    pub(crate) id: u64,
    pub(crate) motion: Motion,
    pub(crate) evidence: Evidence,
    /// Who it is.
    pub(crate) person: Option<PersonId>,
    pub(crate) first: f64,
    pub(crate) last: f64,
    /// The box where it was found first, and last.
    pub(crate) first_box: [f32; 4],
    pub(crate) bbox: [f32; 4],
    /// How often it was found, and the sum of scores.
    pub(crate) hits: u32,
    pub(crate) score: f32,
    /// Looks in a row that did not find it.
    pub(crate) missed: u32,
    pub(crate) confirmed: bool,
    /// Whether somebody else was seen where it was expected, since it was seen last.
    pub(crate) hidden: bool,
    /// Until when it may turn out to be somebody who is missing.
    pub(crate) doubtful_until: Option<f64>,
}

impl Track {
    /// Whether it is not seen now, and would be known again by its views.
    fn is_missing(&self) -> bool {
        self.missed > 0 && self.confirmed && self.evidence.views > 0 && self.evidence.best >= GOOD
    }

    /// Whether it may still turn out to be somebody who is missing.
    pub(crate) fn is_doubtful(&self, time: f64) -> bool {
        self.doubtful_until.is_some_and(|until| time < until)
    }

    fn new(id: u64, found: &Found, time: f64) -> Track {
        let bbox = found.detection.bbox;
        Track {
            id,
            motion: Motion::new(bbox, time),
            evidence: Evidence::default(),
            person: None,
            first: time,
            last: time,
            first_box: bbox,
            bbox,
            hits: 1,
            score: found.detection.score,
            missed: 0,
            confirmed: false,
            hidden: false,
            doubtful_until: None,
        }
    }

    fn take(&mut self, found: &Found, time: f64) {
        self.motion.update(found.detection.bbox);
        self.bbox = found.detection.bbox;
        self.last = time;
        self.hits += 1;
        self.score += found.detection.score;
        self.missed = 0;
        self.hidden = false;
    }
}

/// Which similarities tell that two views show one person, or two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Alike {
    /// Two different people hardly ever reach it.
    pub(crate) same: f32,
    /// One person's good views hardly ever stay below it.
    pub(crate) different: f32,
    /// Whoever is found where nobody was expected must reach it.
    pub(crate) again: f32,
}

impl Alike {
    pub(crate) fn of(thresholds: &Thresholds) -> Alike {
        Alike {
            same: thresholds.similarity_at(1e-4) as f32,
            different: thresholds.similarity_at(0.2) as f32,
            again: thresholds.similarity_at(0.02) as f32,
        }
    }
}

/// Only views of this quality prove that somebody else is seen.
const GOOD: f32 = 0.4;
/// A box continues a track if it overlaps the expected one by so much, …
const OVERLAP: f32 = 0.15;
/// … or if its centre is within so many standard deviations of the expected one, …
const DEVIATIONS: f64 = 3.5;
/// … and its size has changed by no more than this factor.
const GROWTH: f32 = 2.0;

/// A new track may turn out to be somebody who is missing for so many seconds: whoever walks slowly takes as long to come out.
const DOUBTFUL: f64 = 2.0;
/// A view of this quality shows a whole face, and settles who it is not.
const WHOLE: f32 = 0.6;
/// Who was hidden comes out no further from where he or she is expected than so many sides of the face.
const COMES_OUT: f32 = 3.0;
/// Who is hidden behind somebody else is waited for so many times longer.
const HIDDEN: f64 = 3.0;
/// A face hides another at this distance of their centres, as a share of their sides: it stands before a head, not only a face.
const BEFORE: f32 = 1.0;

/// Whether a face is so near that it may hide the other.
fn meet(a: &[f32; 4], b: &[f32; 4]) -> bool {
    let apart = |i: usize| ((a[i] + a[i + 2] / 2.0) - (b[i] + b[i + 2] / 2.0)).abs();
    let sides = |i: usize| (a[i + 2] + b[i + 2]) / 2.0;
    apart(0) < BEFORE * sides(0) && apart(1) < BEFORE * sides(1)
}

/// The tracks of one camera.
pub(crate) struct Tracker {
    pub(crate) tracks: Vec<Track>,
    next: u64,
    alike: Alike,
}

/// What became of the faces of a frame.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Matched {
    /// Index of the track of each face that has one, old or new.
    pub(crate) track: Vec<Option<usize>>,
}

impl Tracker {
    pub(crate) fn new(alike: Alike) -> Tracker {
        Tracker { tracks: Vec::new(), next: 1, alike }
    }

    /// Moves all tracks to a time.
    pub(crate) fn predict(&mut self, time: f64) {
        for track in &mut self.tracks {
            if track.missed > 0 {
                track.motion.hold_size();
            }
            track.motion.predict(time);
        }
    }

    /// Whether a face may be a track's by its place.
    fn near(track: &Track, found: &Found) -> bool {
        let (expected, seen) = (track.motion.bbox(), found.detection.bbox);
        let area = |b: &[f32; 4]| (b[2] * b[3]).max(1.0);
        let growth = (area(&expected) / area(&seen)).sqrt();
        if !(1.0 / GROWTH..=GROWTH).contains(&growth) {
            return false;
        }
        let overlap = iou(&expected, &seen);
        if !found.sure {
            return overlap >= 2.0 * OVERLAP;
        }
        // However unsure the motion is: not across half of the picture.
        let across = (expected[0] + expected[2] / 2.0 - seen[0] - seen[2] / 2.0)
            .hypot(expected[1] + expected[3] / 2.0 - seen[1] - seen[3] / 2.0);
        let reach = 2.5 * area(&expected).sqrt();
        overlap >= OVERLAP || track.motion.distance(seen) <= DEVIATIONS && across <= reach
    }

    /// Whether a face is where the track was expected, without a break: then it need not prove who it is.
    fn steady(track: &Track, found: &Found) -> bool {
        track.missed == 0 && iou(&track.motion.bbox(), &found.detection.bbox) >= 2.0 * OVERLAP
    }

    /// The faces that must be described before tracks and faces can be told apart: where a track or a face has more than one
    /// possible partner, where a track was lost or jumps, and where a face comes up while somebody is missing.
    pub(crate) fn in_doubt(&self, found: &[Found]) -> Vec<usize> {
        let near: Vec<Vec<bool>> =
            found.iter().map(|f| self.tracks.iter().map(|t| Tracker::near(t, f)).collect()).collect();
        let missing = self.tracks.iter().any(|t| t.missed > 0 && t.evidence.views > 0);
        (0..found.len())
            .filter(|&i| {
                let partners = near[i].iter().filter(|near| **near).count();
                let rivals = |t: usize| near.iter().filter(|row| row[t]).count() > 1;
                let jumps = |t: usize| {
                    self.tracks[t].evidence.views > 0 && !Tracker::steady(&self.tracks[t], &found[i])
                };
                let doubt = (0..self.tracks.len()).any(|t| near[i][t] && (rivals(t) || jumps(t)));
                partners > 1 || doubt || partners == 0 && missing && found[i].sure
            })
            .collect()
    }

    /// What a pair of a track and a face costs; infinite if it cannot be.
    fn cost(&self, track: &Track, found: &Found) -> f64 {
        if track.person.is_some_and(|one| found.person.is_some_and(|other| one != other)) {
            return f64::INFINITY;
        }
        let alike = found.view.as_ref().and_then(|(template, quality)| {
            Some((track.evidence.similarity(template)?, quality.min(track.evidence.best)))
        });
        let Alike { same, different, again } = self.alike;
        let least = if Tracker::steady(track, found) { different } else { again };
        if alike.is_some_and(|(similarity, quality)| quality >= GOOD && similarity < least) {
            return f64::INFINITY;
        }
        let appearance = alike.map_or(0.5, |(similarity, _)| {
            1.0 - ((similarity - different) / (same - different)).clamp(0.0, 1.0)
        });
        if !Tracker::near(track, found) {
            // Somebody who was hidden, or whom a cut has moved, is known again only by the face.
            let again = track.missed > 0 && found.sure && alike.is_some_and(|(s, q)| s >= same && q >= GOOD);
            return if again { 0.9 } else { f64::INFINITY };
        }
        let overlap = iou(&track.motion.bbox(), &found.detection.bbox);
        let away = (track.motion.distance(found.detection.bbox) / DEVIATIONS).min(1.0);
        let unsure = if found.sure { 0.0 } else { 0.1 };
        0.35 * f64::from(1.0 - overlap) + 0.15 * away + 0.4 * f64::from(appearance) + unsure
    }

    /// Gives each face of a frame its track: an old one, a new one, or none if it is not sure enough to begin one. Where only
    /// parts of the frame were looked at, nobody is missed.
    pub(crate) fn step(&mut self, time: f64, found: &[Found], whole: bool) -> Matched {
        let costs: Vec<Vec<f64>> =
            found.iter().map(|f| self.tracks.iter().map(|t| self.cost(t, f)).collect()).collect();
        let assigned = assign(&costs, 2.0);
        let mut matched = Matched { track: vec![None; found.len()] };
        self.tracks.iter_mut().for_each(|track| track.missed += u32::from(whole));
        for (i, index) in assigned.into_iter().enumerate() {
            if let Some(index) = index {
                self.tracks[index].take(&found[i], time);
                matched.track[i] = Some(index);
            } else if found[i].sure {
                let mut track = Track::new(self.next, &found[i], time);
                track.doubtful_until = self.hidden_near(&found[i]).then_some(time + DOUBTFUL);
                self.tracks.push(track);
                self.next += 1;
                matched.track[i] = Some(self.tracks.len() - 1);
            }
        }
        self.hide();
        matched
    }

    /// Remembers of those who were missed whether somebody is seen where they are expected who was there already when they
    /// were seen last. Whoever comes later took their place, and hides nobody.
    fn hide(&mut self) {
        let seen: Vec<(f64, [f32; 4])> = self
            .tracks
            .iter()
            .filter(|track| track.missed == 0)
            .map(|track| (track.first, track.bbox))
            .collect();
        for track in self.tracks.iter_mut().filter(|track| track.missed > 0 && !track.hidden) {
            let expected = track.motion.bbox();
            track.hidden = seen.iter().any(|(first, bbox)| *first <= track.last && meet(bbox, &expected));
        }
    }

    /// Whether somebody who was hidden by another, and whose face is known, may have come out here. Where nobody hides anybody,
    /// the next one is told of at once.
    fn hidden_near(&self, found: &Found) -> bool {
        let seen = found.detection.bbox;
        let side = |b: &[f32; 4]| (b[2] * b[3]).max(1.0).sqrt();
        let comes_out = |track: &Track| {
            let expected = track.motion.bbox();
            let across = (expected[0] + expected[2] / 2.0 - seen[0] - seen[2] / 2.0)
                .hypot(expected[1] + expected[3] / 2.0 - seen[1] - seen[3] / 2.0);
            across <= COMES_OUT * side(&track.bbox).max(side(&seen))
        };
        self.tracks.iter().any(|track| track.hidden && track.is_missing() && comes_out(track))
    }

    /// Which missing track a new one turns out to be, by their views: their indices. The new one is still in doubt.
    pub(crate) fn returned(&self, id: u64) -> Option<(usize, usize)> {
        let new = self.tracks.iter().position(|track| track.id == id && track.doubtful_until.is_some())?;
        let track = &self.tracks[new];
        if track.evidence.best < GOOD {
            return None;
        }
        let template = track.evidence.template()?;
        let alike = |old: &Track| old.evidence.similarity(&template).unwrap_or(f32::MIN);
        let other = |old: &&(usize, &Track)| {
            let differs = old.1.person.is_some_and(|one| track.person.is_some_and(|other| one != other));
            old.1.is_missing() && !differs
        };
        let olds: Vec<(usize, &Track)> = self.tracks.iter().enumerate().collect();
        let (old, best) =
            olds.iter().filter(other).map(|(i, old)| (*i, alike(old))).max_by(|a, b| a.1.total_cmp(&b.1))?;
        (best >= self.alike.again).then_some((new, old))
    }

    /// Ends the doubt about a new track that clearly is none of those who are missing.
    pub(crate) fn settle(&mut self, id: u64) {
        let Some(new) = self.tracks.iter().position(|track| track.id == id) else { return };
        let evidence = &self.tracks[new].evidence;
        let Some(template) = evidence.template().filter(|_| evidence.best >= WHOLE && evidence.views >= 2)
        else {
            return;
        };
        let alike = |old: &Track| old.evidence.similarity(&template).unwrap_or(f32::MIN);
        if self.tracks.iter().filter(|track| track.is_missing()).all(|old| alike(old) < self.alike.different)
        {
            self.tracks[new].doubtful_until = None;
        }
    }

    /// Makes one track of a new one and the missing one that it turned out to be, which keeps its number.
    pub(crate) fn rejoin(&mut self, new: usize, old: usize) {
        let Some(track) = self.tracks.get(new).cloned().filter(|_| new != old) else { return };
        let Some(kept) = self.tracks.get_mut(old) else { return };
        kept.evidence.join(&track.evidence);
        (kept.motion, kept.bbox, kept.last) = (track.motion, track.bbox, track.last);
        kept.hits += track.hits;
        kept.score += track.score;
        (kept.missed, kept.hidden) = (track.missed, false);
        self.tracks.remove(new);
    }

    /// Whether a face that continues a track by its place shows somebody else than the track did so far.
    pub(crate) fn contradicts(&self, index: usize, found: &Found) -> bool {
        let evidence = &self.tracks[index].evidence;
        let view =
            found.view.as_ref().filter(|view| view.1 >= GOOD && evidence.best >= GOOD && evidence.views >= 2);
        let similarity = view.and_then(|(template, _)| evidence.similarity(template));
        similarity.is_some_and(|similarity| similarity < self.alike.different)
    }

    /// Gives a face a track of its own, and says which. The track that it was taken for counts as missed.
    pub(crate) fn split(&mut self, index: usize, found: &Found, time: f64) -> usize {
        self.tracks[index].missed = 1;
        let mut track = Track::new(self.next, found, time);
        track.doubtful_until = self.hidden_near(found).then_some(time + DOUBTFUL);
        self.tracks.push(track);
        self.next += 1;
        self.tracks.len() - 1
    }

    /// Of faces that were found around some tracks, those that continue a track. For a look that is not a look at everything:
    /// it begins no track.
    pub(crate) fn continuing(&self, found: Vec<Found>) -> Vec<Found> {
        let near = |f: &Found| self.tracks.iter().any(|track| Tracker::near(track, f));
        found.into_iter().filter(near).map(|found| Found { sure: false, ..found }).collect()
    }

    /// Takes out the tracks that were not seen for so long, confirmed ones and others. Who is expected where somebody else is
    /// seen is hidden, and has not left: such tracks wait longer.
    pub(crate) fn leave(&mut self, time: f64, confirmed: f64, tentative: f64) -> Vec<Track> {
        let seen: Vec<(u64, [f32; 4])> = self
            .tracks
            .iter()
            .filter(|track| track.missed == 0)
            .map(|track| (track.id, track.bbox))
            .collect();
        let gone = |track: &mut Track| {
            let expected = track.motion.bbox();
            let taken = seen.iter().any(|(id, bbox)| *id != track.id && meet(bbox, &expected));
            let patience = match (track.confirmed, track.hidden || taken) {
                (true, true) => confirmed * HIDDEN,
                (true, false) => confirmed,
                (false, _) => tentative,
            };
            time - track.last > patience && track.missed >= 2
        };
        self.tracks.extract_if(.., gone).collect()
    }
}

#[cfg(test)]
mod tests {
    use phiz_template::ModelId;

    use super::*;

    const ALIKE: Alike = Alike { same: 0.5, different: 0.15, again: 0.2 };

    fn found(bbox: [f32; 4], person: usize) -> Found {
        let mut vector = vec![0.05; 8];
        vector[person] = 1.0;
        let template = Template::normalised(ModelId::new("m").unwrap(), vector).unwrap();
        let detection = Detection { bbox, score: 0.9, landmarks: [[0.0; 2]; 5] };
        Found { view: Some((template, 0.8)), ..Found::new(detection, true) }
    }

    fn at(x: f32) -> [f32; 4] {
        [x, 100.0, 50.0, 60.0]
    }

    /// Steps, and takes each view into its track's evidence. Returns the tracks' ids.
    fn step(tracker: &mut Tracker, time: f64, faces: &[Found]) -> Vec<u64> {
        tracker.predict(time);
        let matched = tracker.step(time, faces, true);
        let ids = matched.track.iter().map(|index| tracker.tracks[index.unwrap()].id).collect();
        for (face, index) in faces.iter().zip(&matched.track) {
            let (template, quality) = face.view.as_ref().unwrap();
            tracker.tracks[index.unwrap()].evidence.add(template, *quality);
        }
        ids
    }

    #[test]
    fn people_who_cross_keep_their_tracks() {
        let mut tracker = Tracker::new(ALIKE);
        for i in 0..40 {
            let time = f64::from(i) / 10.0;
            let x = i as f32 * 10.0;
            let faces = [found(at(100.0 + x), 0), found(at(500.0 - x), 1)];
            assert_eq!(step(&mut tracker, time, &faces), [1, 2], "{time}");
        }
        assert_eq!(tracker.tracks.len(), 2);
    }

    #[test]
    fn a_person_who_was_hidden_is_known_again_elsewhere_and_somebody_else_is_not() {
        for (who, id) in [(0, 1), (3, 2)] {
            let mut tracker = Tracker::new(ALIKE);
            for i in 0..5 {
                step(&mut tracker, f64::from(i) / 10.0, &[found(at(100.0), 0)]);
            }
            step(&mut tracker, 0.5, &[]);
            assert_eq!(step(&mut tracker, 1.0, &[found(at(600.0), who)]), [id]);
        }
    }

    #[test]
    fn two_known_people_never_share_a_track() {
        let mut tracker = Tracker::new(ALIKE);
        let known = |person: u64| {
            let mut face = found(at(100.0), 0);
            face.person = Some(PersonId(person));
            face
        };
        step(&mut tracker, 0.0, &[known(1)]);
        tracker.tracks[0].person = Some(PersonId(1));
        assert_eq!(step(&mut tracker, 0.1, &[known(1)]), [1]);
        // In the same place, and alike, but the gallery says that it is somebody else.
        assert_eq!(step(&mut tracker, 0.2, &[known(2)]), [2]);
    }

    #[test]
    fn an_unsure_face_continues_a_track_and_begins_none() {
        let mut tracker = Tracker::new(ALIKE);
        let unsure = |x| Found { sure: false, view: None, ..found(at(x), 0) };
        assert_eq!(tracker.step(0.0, &[unsure(100.0)], true).track, [None]);
        step(&mut tracker, 0.1, &[found(at(100.0), 0)]);
        tracker.predict(0.2);
        assert_eq!(tracker.step(0.2, &[unsure(103.0), unsure(400.0)], true).track, [Some(0), None]);
    }

    #[test]
    fn only_those_in_doubt_need_a_template() {
        let mut tracker = Tracker::new(ALIKE);
        step(&mut tracker, 0.0, &[found(at(100.0), 0), found(at(600.0), 1)]);
        tracker.predict(0.1);
        assert!(tracker.in_doubt(&[found(at(102.0), 0), found(at(598.0), 1)]).is_empty());
        // Two faces where one is expected.
        let close = [found(at(102.0), 0), found(at(130.0), 2), found(at(598.0), 1)];
        assert_eq!(tracker.in_doubt(&close), [0, 1]);
    }

    #[test]
    fn somebody_else_in_the_same_place_is_a_track_of_its_own() {
        let mut tracker = Tracker::new(ALIKE);
        for i in 0..4 {
            step(&mut tracker, f64::from(i) / 10.0, &[found(at(100.0), 0)]);
        }
        let other = found(at(102.0), 4);
        assert!(!tracker.contradicts(0, &found(at(100.0), 0)) && tracker.contradicts(0, &other));
        assert_eq!((tracker.split(0, &other, 0.4), tracker.tracks[1].id), (1, 2));
        // Three looks later, and not expected any more, it must prove who it is.
        tracker.tracks.truncate(1);
        for time in [0.5, 0.6] {
            step(&mut tracker, time, &[]);
        }
        assert_eq!(tracker.in_doubt(&[found(at(100.0), 4)]), [0]);
        assert_eq!(step(&mut tracker, 0.7, &[found(at(100.0), 4)]), [3]);
    }

    #[test]
    fn tracks_leave_after_their_time() {
        let mut tracker = Tracker::new(ALIKE);
        step(&mut tracker, 0.0, &[found(at(100.0), 0), found(at(600.0), 1)]);
        tracker.tracks[0].confirmed = true;
        for i in 1..=4 {
            tracker.predict(f64::from(i) / 5.0);
            tracker.step(f64::from(i) / 5.0, &[], true);
        }
        let ids = |tracks: Vec<Track>| tracks.iter().map(|t| t.id).collect::<Vec<_>>();
        assert_eq!(ids(tracker.leave(0.8, 1.0, 0.5)), [2]);
        assert_eq!(ids(tracker.leave(1.2, 1.0, 0.5)), [1]);
    }

    #[test]
    fn who_comes_out_half_hidden_is_told_of_once_a_good_view_says_who_it_is() {
        for (who, same) in [(0, true), (4, false)] {
            let mut tracker = Tracker::new(ALIKE);
            for i in 0..5 {
                step(&mut tracker, f64::from(i) / 10.0, &[found(at(100.0), 0), found(at(130.0), 1)]);
            }
            tracker.tracks.iter_mut().for_each(|track| track.confirmed = true);
            for i in 5..12 {
                step(&mut tracker, f64::from(i) / 10.0, &[found(at(130.0), 1)]);
            }
            assert!(tracker.tracks[0].hidden && tracker.tracks[0].missed > 0);
            // Half of a face looks like nobody: it cannot continue the track.
            let half = Found { view: Some((found(at(0.0), 6).view.unwrap().0, 0.5)), ..found(at(96.0), 6) };
            let ids = step(&mut tracker, 1.2, &[half, found(at(130.0), 1)]);
            assert_eq!(ids, [3, 2]);
            assert!(tracker.tracks[2].is_doubtful(1.2) && tracker.returned(3).is_none());
            for _ in 0..6 {
                let (template, quality) = found(at(0.0), who).view.unwrap();
                tracker.tracks[2].evidence.add(&template, quality);
            }
            assert_eq!(tracker.returned(3), same.then_some((2, 0)), "{who}");
            if same {
                tracker.rejoin(2, 0);
                assert_eq!(
                    tracker.tracks.iter().map(|t| (t.id, t.missed)).collect::<Vec<_>>(),
                    [(1, 0), (2, 0)]
                );
                assert_eq!(tracker.tracks[0].bbox, at(96.0));
            } else {
                tracker.settle(3);
                assert!(!tracker.tracks[2].is_doubtful(1.3), "a whole face says that it is somebody new");
            }
        }
    }

    #[test]
    fn who_is_hidden_behind_another_has_not_left() {
        for (x, left) in [(110.0, vec![]), (400.0, vec![1])] {
            let mut tracker = Tracker::new(ALIKE);
            step(&mut tracker, 0.0, &[found(at(100.0), 0), found(at(x), 1)]);
            tracker.tracks.iter_mut().for_each(|track| track.confirmed = true);
            for i in 1..=8 {
                step(&mut tracker, f64::from(i) / 5.0, &[found(at(x), 1)]);
            }
            let ids: Vec<u64> = tracker.leave(1.6, 1.0, 0.5).iter().map(|track| track.id).collect();
            assert_eq!(ids, left, "{x}");
        }
    }
}

//! Visits: what people want to read. One person's tracks, with gaps that do not count.

use phiz_gallery::PersonId;
use phiz_image::Image;

use crate::event::{Event, EventKind, Identity, rounded, rounded_box};
use crate::frames::Frame;

/// Somebody was there.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Visit {
    /// Who.
    pub who: Identity,
    /// The person in the gallery.
    pub id: Option<PersonId>,
    /// When the person appeared, in seconds from the beginning.
    pub from: f64,
    /// When the person was last seen.
    pub until: f64,
    /// For how many seconds the face was seen in between.
    pub seen: f64,
    /// The clearest rate at which the person was named.
    pub fpir: Option<f64>,
    /// The tracks that make up the visit.
    pub tracks: Vec<u64>,
    /// The best view of the face, if pictures are kept.
    pub picture: Option<Image>,
    /// Quality of that view.
    pub quality: f32,
    /// Where the face was last.
    pub bbox: [f32; 4],
}

/// A track's share in a visit.
#[derive(Clone, Debug)]
struct Part {
    visit: Visit,
    id: Option<PersonId>,
    track: u64,
    present: bool,
}

/// All visits to one camera.
#[derive(Debug)]
pub(crate) struct Visits {
    gap: f64,
    parts: Vec<Part>,
    closed: Vec<Visit>,
    early: Vec<(u64, f32, Image)>,
}

/// Longest side of a kept picture.
const PICTURE: u32 = 160;
/// Two times at which a face was seen belong together if they are no further apart than this.
const TOGETHER: f64 = 1.0;

impl Visits {
    pub(crate) fn new(gap: f64) -> Visits {
        Visits { gap, parts: Vec::new(), closed: Vec::new(), early: Vec::new() }
    }

    fn part(&mut self, track: u64) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.track == track)
    }

    pub(crate) fn begin(&mut self, track: u64, from: f64, until: f64, bbox: [f32; 4]) {
        let early = self.early.iter().position(|early| early.0 == track).map(|i| self.early.swap_remove(i));
        let (quality, picture) = early.map_or((0.0, None), |(_, quality, picture)| (quality, Some(picture)));
        let who = Identity::default();
        let visit = Visit {
            who,
            id: None,
            from,
            until,
            seen: until - from,
            fpir: None,
            tracks: vec![track],
            picture,
            quality,
            bbox,
        };
        self.parts.push(Part { visit, id: None, track, present: true });
    }

    pub(crate) fn seen(&mut self, track: u64, time: f64) {
        if let Some(part) = self.part(track) {
            let since = time - part.visit.until;
            if since <= TOGETHER {
                part.visit.seen += since.max(0.0);
            }
            part.visit.until = part.visit.until.max(time);
        }
    }

    pub(crate) fn is(&mut self, track: u64, who: &Identity, id: Option<PersonId>, fpir: Option<f64>) {
        if let Some(part) = self.part(track) {
            part.visit.who = who.clone();
            part.visit.id = id;
            part.visit.fpir = fpir;
            part.id = id;
        }
    }

    /// A better view of a face.
    pub(crate) fn picture(&mut self, track: u64, quality: f32, frame: &Frame, bbox: [f32; 4]) {
        let Some(picture) = portrait(frame, bbox) else { return };
        match self.part(track) {
            Some(part) if part.visit.quality < quality => {
                (part.visit.quality, part.visit.picture) = (quality, Some(picture));
            }
            Some(_) => {}
            None => {
                // Not told of yet. Most of these come to nothing: only the last few are kept.
                self.early.retain(|early| early.0 != track);
                self.early.push((track, quality, picture));
                if self.early.len() > 32 {
                    self.early.remove(0);
                }
            }
        }
    }

    pub(crate) fn end(&mut self, track: u64, time: f64, bbox: [f32; 4]) {
        if let Some(part) = self.part(track) {
            part.present = false;
            part.visit.until = part.visit.until.max(time);
            part.visit.bbox = bbox;
        }
    }

    /// The parts that make up visits, as indices.
    fn groups(&self) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (i, part) in self.parts.iter().enumerate() {
            let same = |group: &&mut Vec<usize>| {
                let first = &self.parts[group[0]];
                match (part.id, part.visit.who.stranger) {
                    (None, None) => false,
                    (id, stranger) => first.id == id && first.visit.who.stranger == stranger,
                }
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.push(i),
                None => groups.push(vec![i]),
            }
        }
        groups
    }

    /// The visits that a person's parts make up: parts further apart than the gap are visits of their own.
    fn merged(&self, group: &[usize]) -> Vec<Visit> {
        let mut parts: Vec<&Visit> = group.iter().map(|&i| &self.parts[i].visit).collect();
        parts.sort_by(|a, b| a.from.total_cmp(&b.from));
        let mut visits: Vec<Visit> = Vec::new();
        for part in parts {
            match visits.last_mut().filter(|visit| part.from - visit.until <= self.gap) {
                Some(visit) => {
                    visit.seen += part.seen;
                    if part.until >= visit.until {
                        (visit.until, visit.bbox) = (part.until, part.bbox);
                    }
                    visit.tracks.extend(&part.tracks);
                    visit.fpir = match (visit.fpir, part.fpir) {
                        (Some(a), Some(b)) => Some(a.min(b)),
                        (a, b) => a.or(b),
                    };
                    if part.picture.is_some() && part.quality > visit.quality {
                        (visit.quality, visit.picture) = (part.quality, part.picture.clone());
                    }
                }
                None => visits.push(part.clone()),
            }
        }
        visits
    }

    /// Ends visits of people who did not come back in time, or all.
    pub(crate) fn expire(&mut self, now: f64, all: bool, events: &mut Vec<Event>) {
        let gap = self.gap;
        let over = |part: &Part| all || !part.present && now - part.visit.until > gap;
        if !self.parts.iter().any(over) {
            return;
        }
        let mut gone = Vec::new();
        for group in self.groups() {
            if !group.iter().all(|&i| over(&self.parts[i])) {
                continue;
            }
            for visit in self.merged(&group) {
                events.push(Event {
                    event: EventKind::Visit,
                    time: rounded(now),
                    track: visit.tracks.last().copied().unwrap_or(0),
                    who: visit.who.clone(),
                    bbox: rounded_box(visit.bbox),
                    fpir: visit.fpir,
                    previous: None,
                    from: Some(rounded(visit.from)),
                    seen: Some(rounded(visit.seen)),
                    tracks: visit.tracks.clone(),
                });
                self.closed.push(visit);
            }
            gone.extend(group);
        }
        gone.sort_unstable();
        for index in gone.into_iter().rev() {
            self.parts.remove(index);
        }
    }

    /// The visits that have ended since the last call.
    pub(crate) fn take_closed(&mut self) -> Vec<Visit> {
        std::mem::take(&mut self.closed)
    }

    /// All visits, by their beginnings.
    pub(crate) fn all(&self) -> Vec<Visit> {
        let mut all = self.closed.clone();
        all.extend(self.groups().iter().flat_map(|group| self.merged(group)));
        all.sort_by(|a, b| a.from.total_cmp(&b.from));
        all
    }
}

/// The face with a little around it.
fn portrait(frame: &Frame, bbox: [f32; 4]) -> Option<Image> {
    let [x, y, w, h] = bbox.map(|v| v * frame.scale);
    let side = 1.6 * w.max(h);
    let (image_w, image_h) = (frame.image.width() as f32, frame.image.height() as f32);
    let (left, top) =
        ((x + w / 2.0 - side / 2.0).clamp(0.0, image_w), (y + h / 2.0 - side / 2.0).clamp(0.0, image_h));
    let (width, height) = (side.min(image_w - left), side.min(image_h - top));
    let part = frame.image.crop(left as u32, top as u32, width as u32, height as u32).ok()?;
    let shrink = (PICTURE as f32 / part.width().max(part.height()) as f32).min(1.0);
    let shrunk = |side: u32| ((side as f32 * shrink) as u32).max(1);
    Some(part.resize(shrunk(part.width()), shrunk(part.height())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Identity {
        Identity { person: Some(name.into()), stranger: None }
    }

    #[test]
    fn tracks_within_the_gap_are_one_visit() {
        let mut visits = Visits::new(10.0);
        let mut events = Vec::new();
        let bbox = [0.0, 0.0, 10.0, 10.0];
        for (track, from, until, who) in
            [(1, 0.0, 5.0, named("Ada")), (2, 12.0, 14.0, named("Ada")), (3, 13.0, 15.0, named("Ben"))]
        {
            visits.begin(track, from, from, bbox);
            let id = if track == 3 { PersonId(2) } else { PersonId(1) };
            visits.is(track, &who, Some(id), Some(0.001 * track as f64));
            let mut time = from;
            while time < until {
                time += 0.5;
                visits.seen(track, time);
            }
            visits.end(track, until, bbox);
            visits.expire(until, false, &mut events);
        }
        assert!(events.is_empty(), "nobody was away for longer than the gap");
        visits.expire(24.5, false, &mut events);
        assert_eq!(events.len(), 1);
        let ada = &events[0];
        assert_eq!(
            (ada.who.label(), ada.from, ada.seen, ada.fpir),
            ("Ada".into(), Some(0.0), Some(7.0), Some(0.001))
        );
        visits.expire(24.6, true, &mut events);
        assert_eq!((events[1].who.label(), events[1].time), ("Ben".into(), 24.6));
        let all = visits.all();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].tracks.clone(), all[0].until), (vec![1, 2], 14.0));
    }

    #[test]
    fn people_of_whom_nothing_is_known_are_not_one_person() {
        let mut visits = Visits::new(10.0);
        for track in [1, 2] {
            visits.begin(track, 0.0, 1.0, [0.0; 4]);
            visits.end(track, 1.0, [0.0; 4]);
        }
        assert_eq!(visits.all().len(), 2);
    }
}

//! From frames to events: look, follow, recognise, tell.
//!
//! Detection takes the most time, so not every frame is looked at: the whole frame several times a second, and only around
//! known faces ([`Plan::Region`]) where one moves too fast for that or is missed. Once a second the look is a thorough one,
//! which also finds faces that fill the frame. Between looks, tracks move on by their filters.
//!
//! A face is described when it is new, when it could be confused with another, when its view is better than all before, and
//! otherwise less and less often, but never for the last time. All views of a track count, weighted by quality
//! ([`Evidence`]), and the gallery is asked about all of them together. A name needs evidence, and once it is given, only
//! evidence against it takes it away: that nobody recognises a blurred profile is none.

use std::collections::BTreeSet;

use phiz_face::{DetectOptions, Detection, Detector, Face, Plan, iou, pose, quality};
use phiz_gallery::{Gallery, PersonId, Rate};
use phiz_image::Image;
use phiz_service::{IdentifiedFace, IdentifyOptions, Service, Verdict};
use phiz_template::Template;

use crate::event::{Event, EventKind, Identity, rounded, rounded_box};
use crate::evidence::Evidence;
use crate::frames::Frame;
use crate::path::{Path, Paths};
use crate::strangers::{Stranger, Strangers, StrangersOfRun};
use crate::tracker::{Alike, Found, Track, Tracker};
use crate::visit::{Visit, Visits};
use crate::{Result, VideoError};

/// How a video is watched.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchOptions {
    /// How faces are identified: rate, watch list.
    pub identify: IdentifyOptions,
    /// The smallest face worth finding, in pixels of the video; by default a 45th of its longer side, at least 20.
    pub min_face: Option<f32>,
    /// Seconds between two looks at the whole frame. Default 0.12; 0 looks at every frame.
    pub interval: f64,
    /// Seconds after which a face that is not seen any more has left. Default 1.5.
    pub leave_after: f64,
    /// Somebody who comes back within so many seconds is on the same visit. Default 30.
    pub visit_gap: f64,
    /// Whether events wait until nothing before them can happen any more, so that their times never go back. For files; a
    /// camera's events are told at once.
    pub in_order: bool,
    /// Whether each face's way through the frames is kept ([`Watcher::paths`]), as annotation and redaction need it. For files.
    pub keep_paths: bool,
    /// Whether a picture of each visit is kept.
    pub keep_pictures: bool,
    /// Whether faces are recognised at all.
    pub recognise: bool,
    /// Lowest score of a face that begins a track; the detector's own by default.
    pub score: Option<f32>,
}

impl Default for WatchOptions {
    fn default() -> WatchOptions {
        WatchOptions {
            identify: IdentifyOptions::default(),
            min_face: None,
            interval: 0.12,
            leave_after: 1.5,
            visit_gap: 30.0,
            in_order: false,
            keep_paths: false,
            keep_pictures: false,
            recognise: true,
            score: None,
        }
    }
}

/// A face that is there now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Present {
    /// The track.
    pub track: u64,
    /// Who it is.
    pub who: Identity,
    /// The person in the gallery.
    pub id: Option<PersonId>,
    /// Where it is expected to be, in pixels of the video.
    pub bbox: [f32; 4],
}

/// How often what was done, and how long it took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Work {
    /// Frames that came.
    pub frames: u64,
    /// Looks at whole frames, thorough ones among them, and looks around faces only.
    pub looks: u64,
    /// Looks around known faces.
    pub regions: u64,
    /// Faces described.
    pub described: u64,
    /// Searches in the gallery.
    pub searches: u64,
    /// Seconds spent in detection.
    pub detect_seconds: f64,
    /// Seconds spent in cutting faces out, judging their quality and describing them.
    pub describe_seconds: f64,
    /// Seconds spent in searching the gallery.
    pub search_seconds: f64,
}

/// Somebody's identity within a track.
#[derive(Clone, Debug, Default)]
struct Who {
    identity: Identity,
    id: Option<PersonId>,
    fpir: Option<f64>,
    similarity: f32,
    /// Evidence when it was decided.
    weight: f64,
}

/// What is remembered of a track beside its motion.
#[derive(Clone, Debug, Default)]
struct Memory {
    id: u64,
    who: Who,
    searches: u32,
    /// When it was described last.
    described: f64,
}

/// Watches one camera or file.
pub struct Watcher<'a> {
    service: &'a Service,
    gallery: Option<&'a Gallery>,
    options: WatchOptions,
    tracker: Tracker,
    memories: Vec<Memory>,
    strangers: Box<dyn Strangers + 'a>,
    visits: Visits,
    paths: Paths,
    pending: Vec<Event>,
    last_look: Option<f64>,
    last_thorough: Option<f64>,
    /// Seconds between the last two looks.
    pause: f64,
    now: f64,
    size: [f32; 2],
    work: Work,
}

/// A thorough look, once in so many seconds.
const THOROUGH: f64 = 1.0;
/// Long side of what the detector usually sees.
const SIDE: f32 = 640.0;
/// Faces of so many pixels of it are found.
const SMALLEST: f32 = 14.0;
/// How far around an expected face is looked.
const REACH: f32 = 0.75;
/// A track whose face may have moved by so much of its size since it was found is looked at between looks.
const DRIFT: f64 = 0.4;
/// Faces with less than the usual score continue tracks.
const FAINT: f32 = 0.4;
/// A track is told of when its scores add up to this: two good looks.
const CONFIRMED: f32 = 1.2;
/// Tentative tracks are forgotten after so many seconds.
const TENTATIVE: f64 = 0.5;
/// Views of lower quality say nothing about who it is.
const WORTHLESS: f32 = 0.2;
/// A name needs so much evidence (sum of squared qualities) from two views or more, …
const EVIDENCE: f64 = 0.4;
/// … or a single good view that is a hundred times clearer than the rate asks.
const CLEAR: f64 = 0.01;
const GOOD_VIEW: f32 = 0.4;
/// A stranger's number needs more, …
const STRANGER_EVIDENCE: f64 = 0.7;
const STRANGER_VIEWS: u32 = 3;
/// … and nobody in the gallery within this factor of the rate.
const NOBODY_NEAR: f64 = 3.0;
/// A name is withdrawn when its rate is worse than asked for by this factor, …
const AGAINST: f64 = 10.0;
/// … on so much more evidence than it was given on.
const MORE: f64 = 1.5;

impl<'a> Watcher<'a> {
    /// Begins to watch. Without a gallery nobody is known, and all are strangers.
    ///
    /// # Errors
    /// The embedder's card states no thresholds.
    pub fn new(
        service: &'a Service,
        gallery: Option<&'a Gallery>,
        options: WatchOptions,
    ) -> Result<Watcher<'a>> {
        let thresholds = service.thresholds()?.clone();
        Ok(Watcher {
            service,
            gallery,
            tracker: Tracker::new(Alike::of(&thresholds)),
            memories: Vec::new(),
            strangers: Box::new(StrangersOfRun::new(thresholds)),
            visits: Visits::new(options.visit_gap),
            paths: Paths::default(),
            pending: Vec::new(),
            last_look: None,
            last_thorough: None,
            pause: 0.0,
            now: 0.0,
            size: [0.0; 2],
            work: Work::default(),
            options,
        })
    }

    /// Numbers strangers by this store instead of one that is forgotten with the watcher.
    #[must_use]
    pub fn with_strangers(mut self, strangers: Box<dyn Strangers + 'a>) -> Watcher<'a> {
        self.strangers = strangers;
        self
    }

    /// The time of the last frame.
    #[must_use]
    pub fn now(&self) -> f64 {
        self.now
    }

    /// What was done so far.
    #[must_use]
    pub fn work(&self) -> Work {
        self.work
    }

    /// The visits so far, the current ones included, in the order of their beginnings.
    #[must_use]
    pub fn visits(&self) -> Vec<Visit> {
        self.visits.all()
    }

    /// The visits that have ended since the last call, which [`Watcher::visits`] then no longer tells. Who watches a camera for
    /// months calls this, or the memory fills with visits.
    pub fn take_visits(&mut self) -> Vec<Visit> {
        self.visits.take_closed()
    }

    /// Each face's way through the frames, if it was kept, with who it turned out to be.
    #[must_use]
    pub fn paths(&self) -> Vec<Path> {
        self.paths.all()
    }

    /// The faces that are there now.
    #[must_use]
    pub fn present(&self) -> Vec<Present> {
        let here = self.tracker.tracks.iter().filter(|t| t.confirmed && self.is_here(t));
        here.map(|track| Present {
            track: track.id,
            who: self.memory(track.id).map(|m| m.who.identity.clone()).unwrap_or_default(),
            id: self.memory(track.id).and_then(|m| m.who.id),
            bbox: track.motion.bbox(),
        })
        .collect()
    }

    /// Whether a face was found by one of the last looks.
    fn is_here(&self, track: &Track) -> bool {
        self.now - track.last < (2.5 * self.pause).max(0.5)
    }

    fn memory(&self, id: u64) -> Option<&Memory> {
        self.memories.iter().find(|memory| memory.id == id)
    }

    /// Takes the next frame.
    ///
    /// # Errors
    /// A network that fails, or a gallery that cannot be read.
    pub fn frame(&mut self, frame: &Frame) -> Result<Vec<Event>> {
        self.now = frame.time;
        self.work.frames += 1;
        self.size = [frame.image.width() as f32 / frame.scale, frame.image.height() as f32 / frame.scale];
        self.tracker.predict(frame.time);
        let due = self.last_look.is_none_or(|last| frame.time - last >= self.options.interval - 1e-6);
        if due {
            self.pause = self.last_look.map_or(0.0, |last| frame.time - last);
            self.last_look = Some(frame.time);
            let found = self.look(frame)?;
            self.follow(frame, found, true)?;
        } else {
            let fast: Vec<[f32; 4]> = self
                .tracker
                .tracks
                .iter()
                .filter(|t| t.missed == 0 && t.motion.drift(frame.time - t.last) > DRIFT)
                .map(|t| t.motion.bbox())
                .collect();
            if !fast.is_empty() {
                let found = self.around(frame, fast)?;
                // Others were not looked for, so that they were not missed either.
                let found = self.tracker.continuing(found);
                self.follow(frame, found, false)?;
            }
        }
        self.depart(frame.time);
        self.visits.expire(frame.time, false, &mut self.pending);
        Ok(self.told(false))
    }

    /// The video has ended: everybody leaves.
    pub fn finish(&mut self) -> Vec<Event> {
        let tracks = std::mem::take(&mut self.tracker.tracks);
        for mut track in tracks {
            // What came with the very last frames could not be looked at twice.
            if !track.confirmed && self.now - track.last < 0.05 && track.score / track.hits as f32 > 0.8 {
                self.confirm(&mut track);
            }
            self.gone(track);
        }
        self.visits.expire(self.now, true, &mut self.pending);
        self.told(true)
    }

    /// Events that may be told now.
    fn told(&mut self, all: bool) -> Vec<Event> {
        if !self.options.in_order {
            return std::mem::take(&mut self.pending);
        }
        self.pending.sort_by(|a, b| a.time.total_cmp(&b.time));
        // Whoever is not seen any more will be told to have left when they were seen last, and a face that is not told of
        // yet to have appeared when it was seen first.
        let open =
            self.tracker.tracks.iter().map(|track| if track.confirmed { track.last } else { track.first });
        let settled = open.fold(self.now, f64::min) - 1e-3;
        let count = match all {
            true => self.pending.len(),
            false => self.pending.partition_point(|event| event.time <= settled),
        };
        self.pending.drain(..count).collect()
    }

    fn min_face(&self) -> f32 {
        self.options.min_face.unwrap_or_else(|| (self.size[0].max(self.size[1]) / 45.0).max(20.0))
    }

    /// Looks at the whole frame, and again around faces that should be there and were not found.
    fn look(&mut self, frame: &Frame) -> Result<Vec<Found>> {
        let long = self.size[0].max(self.size[1]);
        let thorough = self.last_thorough.is_none_or(|last| frame.time - last >= THOROUGH);
        let plan = if thorough {
            self.last_thorough = Some(frame.time);
            Plan::Photo
        } else {
            let needed = SMALLEST * long / self.min_face();
            Plan::Single { side: needed.clamp(SIDE.min(2.0 * long), 1920.0) as u32 }
        };
        self.work.looks += 1;
        let mut found = self.detect(frame, plan)?;
        let missed: Vec<[f32; 4]> = self
            .tracker
            .tracks
            .iter()
            .map(|track| track.motion.bbox())
            .filter(|expected| found.iter().all(|f| iou(&f.detection.bbox, expected) < 0.3))
            .collect();
        if !missed.is_empty() {
            for again in self.around(frame, missed)? {
                if found.iter().all(|f| iou(&f.detection.bbox, &again.detection.bbox) < 0.4) {
                    found.push(again);
                }
            }
        }
        Ok(found)
    }

    /// Looks only around these boxes.
    fn around(&mut self, frame: &Frame, boxes: Vec<[f32; 4]>) -> Result<Vec<Found>> {
        self.work.regions += boxes.len() as u64;
        self.detect(
            frame,
            Plan::Region { boxes: boxes.iter().map(|b| b.map(|v| v * frame.scale)).collect(), reach: REACH },
        )
    }

    /// The faces that a plan shows, in pixels of the video.
    fn detect(&mut self, frame: &Frame, plan: Plan) -> Result<Vec<Found>> {
        let begun = std::time::Instant::now();
        let detector = self.service.analyzer().detector();
        let least = self.options.score.unwrap_or_else(|| usual_score(detector));
        let options = DetectOptions::default()
            .score(FAINT.min(least))
            .min_face(self.min_face() * frame.scale)
            .plan(plan)
            .max_tiles(64);
        let found = detector.detect(&frame.image, &options).map_err(VideoError::photo)?;
        self.work.detect_seconds += begun.elapsed().as_secs_f64();
        let found = found.into_iter().map(|detection| {
            let sure = detection.score >= least;
            Found::new(scaled(&detection, 1.0 / frame.scale), sure)
        });
        Ok(found.collect())
    }

    /// Describes faces of a frame, all at once. A face that is not worth it stays without.
    fn describe(
        &mut self,
        frame: &Frame,
        found: &mut [Found],
        which: &[usize],
        least: impl Fn(usize) -> f32,
    ) -> Result<()> {
        let begun = std::time::Instant::now();
        let analyzer = self.service.analyzer();
        let mut chosen: Vec<(usize, Image, f32)> = Vec::new();
        for &i in which {
            let Some(face) = found.get(i).filter(|face| face.view.is_none()) else { continue };
            let detection = scaled(&face.detection, frame.scale);
            let aligned = analyzer.align(&frame.image, &detection);
            let quality = quality(&detection, &aligned);
            if quality >= least(i) {
                chosen.push((i, aligned, quality));
            }
        }
        if chosen.is_empty() {
            self.work.describe_seconds += begun.elapsed().as_secs_f64();
            return Ok(());
        }
        let pictures: Vec<Image> = chosen.iter().map(|(_, aligned, _)| aligned.clone()).collect();
        let templates = analyzer.embedder().embed(&pictures).map_err(VideoError::photo)?;
        self.work.described += pictures.len() as u64;
        self.work.describe_seconds += begun.elapsed().as_secs_f64();
        for ((i, _, quality), template) in chosen.into_iter().zip(templates) {
            found[i].view = Some((template, quality));
        }
        Ok(())
    }

    /// Gives the faces of a frame their tracks, and tells what is new about them.
    fn follow(&mut self, frame: &Frame, mut found: Vec<Found>, whole: bool) -> Result<()> {
        if self.options.recognise {
            let doubtful = self.tracker.in_doubt(&found);
            if !doubtful.is_empty() {
                self.describe(frame, &mut found, &doubtful, |_| WORTHLESS)?;
                self.know(&mut found, &doubtful)?;
            }
        }
        let mut matched = self.tracker.step(frame.time, &found, whole);
        if self.options.recognise {
            let wanted: Vec<(usize, f32)> = matched
                .track
                .iter()
                .enumerate()
                .filter_map(|(i, index)| Some((i, self.wanted((*index)?, frame.time)?)))
                .collect();
            let which: Vec<usize> = wanted.iter().map(|(i, _)| *i).collect();
            let least = |i: usize| wanted.iter().find(|w| w.0 == i).map_or(1.0, |w| w.1);
            self.describe(frame, &mut found, &which, least)?;
        }
        for (face, index) in found.iter().zip(&mut matched.track) {
            if let Some(old) = index.filter(|&index| self.tracker.contradicts(index, face)) {
                *index = Some(self.tracker.split(old, face, frame.time));
            }
        }
        let mut asked = Vec::new();
        for (face, index) in found.iter().zip(&matched.track) {
            let Some(index) = *index else {
                if self.options.keep_paths {
                    self.paths.stray(frame, face.detection.bbox);
                }
                continue;
            };
            if self.memory(self.tracker.tracks[index].id).is_none() {
                let id = self.tracker.tracks[index].id;
                self.memories.push(Memory { id, described: f64::NEG_INFINITY, ..Memory::default() });
            }
            let track = &mut self.tracker.tracks[index];
            if self.options.keep_paths {
                self.paths.point(track.id, frame, face.detection.bbox);
            }
            if let Some((template, quality)) = &face.view {
                let better = *quality > track.evidence.best;
                track.evidence.add(template, *quality);
                asked.push(index);
                let memory = self.memories.iter_mut().find(|memory| memory.id == track.id);
                if let Some(memory) = memory {
                    memory.described = frame.time;
                }
                if better && self.options.keep_pictures {
                    self.visits.picture(track.id, *quality, frame, face.detection.bbox);
                }
            }
            let enough = track.hits >= 2 && track.score >= CONFIRMED && !track.is_doubtful(frame.time);
            if !track.confirmed && enough {
                let mut track = track.clone();
                self.confirm(&mut track);
                self.tracker.tracks[index] = track;
            }
        }
        for index in asked {
            // Whoever may be somebody who is missing is asked about as that one, or a little later.
            if !self.tracker.tracks[index].is_doubtful(frame.time) {
                self.decide(index)?;
            }
        }
        let seen: Vec<(u64, f64)> = matched
            .track
            .iter()
            .flatten()
            .map(|&index| (self.tracker.tracks[index].id, frame.time))
            .collect();
        for (id, time) in seen {
            self.visits.seen(id, time);
        }
        self.welcome_back(frame.time)
    }

    /// Gives those who were missing and are seen again by new tracks their old ones back.
    fn welcome_back(&mut self, time: f64) -> Result<()> {
        let doubtful = |track: &&Track| !track.confirmed && track.is_doubtful(time);
        let ids: Vec<u64> = self.tracker.tracks.iter().filter(doubtful).map(|track| track.id).collect();
        for new in ids {
            let Some((from, to)) = self.tracker.returned(new) else {
                self.tracker.settle(new);
                continue;
            };
            let old = self.tracker.tracks[to].id;
            self.tracker.rejoin(from, to);
            let described = self.memory(new).map(|memory| memory.described);
            self.memories.retain(|memory| memory.id != new);
            if let (Some(memory), Some(at)) =
                (self.memories.iter_mut().find(|memory| memory.id == old), described)
            {
                memory.described = at;
            }
            self.paths.rejoin(new, old);
            self.visits.seen(old, time);
            if let Some(index) = self.tracker.tracks.iter().position(|track| track.id == old) {
                self.decide(index)?;
            }
        }
        Ok(())
    }

    /// The least quality for which a track's face is worth describing now; none if it is not.
    fn wanted(&self, index: usize, time: f64) -> Option<f32> {
        let track = &self.tracker.tracks[index];
        let memory = self.memory(track.id);
        let since = time - memory.map_or(f64::NEG_INFINITY, |memory| memory.described);
        let evidence = &track.evidence;
        let decided = memory.is_some_and(|memory| !memory.who.identity.is_unknown());
        // Longer and longer pauses, never without end.
        let pause = match decided {
            false if track.is_doubtful(time) => 0.0,
            false => 0.1 * 1.15f64.powi(evidence.views.min(30) as i32),
            true => (0.5 * 1.3f64.powi(evidence.views.min(12) as i32)).min(5.0),
        };
        if since >= pause.min(5.0) {
            return Some(WORTHLESS);
        }
        // A better view is always welcome.
        Some((evidence.best * 1.1 + 0.02).max(WORTHLESS))
    }

    /// Tells who faces are by themselves, where the gallery has no doubt: two known people never share a track.
    fn know(&mut self, found: &mut [Found], which: &[usize]) -> Result<()> {
        let Some(gallery) = self.gallery else { return Ok(()) };
        for &i in which {
            let Some(face) = found.get(i) else { continue };
            let Some((template, quality)) = face.view.as_ref().filter(|view| view.1 >= GOOD_VIEW) else {
                continue;
            };
            let answer = self.ask(gallery, template, *quality, 1.0)?;
            if let (Some(answer), Some(rate)) = (answer, self.rate()) {
                let first = answer.candidates.first().filter(|_| answer.decision == Verdict::Match);
                found[i].person = first.filter(|c| c.fpir <= rate * CLEAR * 10.0).map(|c| c.id);
            }
        }
        Ok(())
    }

    /// The rate that was asked for, as a search's.
    fn rate(&self) -> Option<f64> {
        match self.options.identify.rate {
            Rate::Fpir(rate) => Some(rate),
            Rate::Fmr(rate) => {
                let people = self.gallery?.people(&self.options.identify.among, None, usize::MAX).ok()?.len();
                Some(phiz_gallery::fpir(rate, people as f64))
            }
        }
    }

    /// Asks the gallery, at a rate that is this many times stricter than asked for.
    fn ask(
        &mut self,
        gallery: &Gallery,
        template: &Template,
        quality: f32,
        stricter: f64,
    ) -> Result<Option<IdentifiedFace>> {
        self.work.searches += 1;
        let begun = std::time::Instant::now();
        let rate = match self.options.identify.rate {
            Rate::Fpir(rate) => Rate::Fpir(rate / stricter),
            Rate::Fmr(rate) => Rate::Fmr(rate / stricter),
        };
        let nowhere = Detection { bbox: [0.0, 0.0, 1.0, 1.0], score: 1.0, landmarks: [[0.0; 2]; 5] };
        let face = Face::new(nowhere.clone(), pose(&nowhere.landmarks), quality, template.clone());
        let options = IdentifyOptions { rate, ..self.options.identify.clone() };
        let mut answers = self.service.identify_faces(gallery, std::slice::from_ref(&face), &options)?;
        self.work.search_seconds += begun.elapsed().as_secs_f64();
        Ok(answers.pop())
    }

    /// Decides anew who a track is, by all of its views.
    fn decide(&mut self, index: usize) -> Result<()> {
        let track = &self.tracker.tracks[index];
        let (id, evidence) = (track.id, track.evidence.clone());
        let Some(template) = evidence.template() else { return Ok(()) };
        let Some(position) = self.memories.iter().position(|memory| memory.id == id) else { return Ok(()) };
        self.memories[position].searches += 1;
        // Who is searched again and again has more chances to be taken for somebody. Later searches hardly differ from
        // those before, so that their number counts by its logarithm.
        let stricter = 1.0 + f64::from(self.memories[position].searches).ln();
        let answer = match self.gallery {
            Some(gallery) => self.ask(gallery, &template, evidence.best, stricter)?,
            None => None,
        };
        let Some(answer) = answer else {
            self.number(index, position, &template, &evidence, None);
            return Ok(());
        };
        let rate = self.rate().unwrap_or(0.01);
        let first = answer.candidates.first();
        let now = self.memories[position].who.clone();
        match (answer.decision, first) {
            (Verdict::Match, Some(first)) => {
                let clear = first.fpir <= rate * CLEAR && evidence.best >= GOOD_VIEW;
                let enough = clear || evidence.weight >= EVIDENCE && evidence.views >= 2;
                if now.id == Some(first.id) {
                    let who = &mut self.memories[position].who;
                    (who.fpir, who.similarity) = (Some(first.fpir), first.similarity);
                    return Ok(());
                }
                if !enough || !self.free(first.id, first.similarity, id) {
                    return Ok(());
                }
                if let Some(number) = now.identity.stranger {
                    self.strangers.named(number);
                }
                let who = Who {
                    identity: Identity { person: Some(first.person.clone()), stranger: None },
                    id: Some(first.id),
                    fpir: Some(first.fpir),
                    similarity: first.similarity,
                    weight: evidence.weight,
                };
                self.told_who(index, position, who);
            }
            (Verdict::Unknown, _) if now.id.is_some() => {
                let still = answer.candidates.iter().find(|c| Some(c.id) == now.id);
                let against = still.is_none_or(|c| c.fpir > rate * AGAINST);
                if against && evidence.weight >= now.weight * MORE {
                    self.told_who(index, position, Who { weight: evidence.weight, ..Who::default() });
                }
            }
            (Verdict::Unknown, _) => {
                let nearest = first.map(|c| c.fpir / rate);
                self.number(index, position, &template, &evidence, nearest);
            }
            // Too alike to tell: whoever it was said to be it stays.
            _ => {}
        }
        Ok(())
    }

    /// Whether a person may be given to a track: nobody is in two places. Of two, the more similar one keeps the name.
    fn free(&mut self, person: PersonId, similarity: f32, id: u64) -> bool {
        let holder = self
            .tracker
            .tracks
            .iter()
            .position(|track| track.id != id && track.person == Some(person) && self.is_here(track));
        let Some(holder) = holder else { return true };
        let other = self.tracker.tracks[holder].id;
        let Some(position) = self.memories.iter().position(|memory| memory.id == other) else { return true };
        if similarity <= self.memories[position].who.similarity + 0.05 {
            return false;
        }
        let weight = self.tracker.tracks[holder].evidence.weight;
        self.told_who(holder, position, Who { weight, ..Who::default() });
        true
    }

    /// Gives a stranger a number, if the evidence suffices. `nearest` says how near the most similar person in the gallery
    /// is, as a multiple of the rate.
    fn number(
        &mut self,
        index: usize,
        position: usize,
        template: &Template,
        evidence: &Evidence,
        nearest: Option<f64>,
    ) {
        let enough = evidence.weight >= STRANGER_EVIDENCE
            && evidence.views >= STRANGER_VIEWS
            && evidence.best >= GOOD_VIEW
            && nearest.is_none_or(|times| times > NOBODY_NEAR);
        if !enough || !self.memories[position].who.identity.is_unknown() {
            return;
        }
        let id = self.tracker.tracks[index].id;
        let track = &self.tracker.tracks[index];
        let present = self.tracker.tracks.iter().filter(|t| t.id != id && self.is_here(t));
        let busy: BTreeSet<u64> = present.filter_map(|t| self.memory(t.id)?.who.identity.stranger).collect();
        let (quality, bbox, size, time) = (evidence.best, track.bbox, self.size, self.now);
        let seen = Stranger { template, quality, bbox, size, time };
        if let Some(number) = self.strangers.number(&seen, &busy) {
            let identity = Identity { person: None, stranger: Some(number) };
            self.told_who(index, position, Who { identity, weight: evidence.weight, ..Who::default() });
        }
    }

    /// Sets who a track is, and tells.
    fn told_who(&mut self, index: usize, position: usize, who: Who) {
        let previous = std::mem::replace(&mut self.memories[position].who, who);
        let track = &mut self.tracker.tracks[index];
        track.person = self.memories[position].who.id;
        if !track.confirmed {
            let mut track = track.clone();
            self.confirm(&mut track);
            self.tracker.tracks[index] = track;
        }
        let track = &self.tracker.tracks[index];
        let who = &self.memories[position].who;
        let (kind, previous) = match previous.identity.is_unknown() {
            true => (EventKind::Identified, None),
            false => (EventKind::Changed, Some(previous.identity)),
        };
        self.visits.is(track.id, &who.identity, who.id, who.fpir);
        self.pending.push(event(kind, self.now, track.id, track.bbox, who, previous));
        self.paths.is(track.id, &who.identity, who.id);
    }

    /// A face that was seen often enough to be told of.
    fn confirm(&mut self, track: &mut Track) {
        track.confirmed = true;
        let nobody = Who::default();
        self.pending.push(event(EventKind::Appeared, track.first, track.id, track.first_box, &nobody, None));
        self.visits.begin(track.id, track.first, track.last, track.bbox);
        self.paths.confirmed(track.id);
    }

    fn depart(&mut self, time: f64) {
        for track in self.tracker.leave(time, self.options.leave_after, TENTATIVE) {
            self.gone(track);
        }
    }

    fn gone(&mut self, track: Track) {
        let position = self.memories.iter().position(|memory| memory.id == track.id);
        let who = position.map(|position| self.memories.swap_remove(position).who).unwrap_or_default();
        if track.confirmed {
            self.pending.push(event(EventKind::Left, track.last, track.id, track.bbox, &who, None));
            self.visits.end(track.id, track.last, track.bbox);
        }
    }
}

fn event(
    kind: EventKind,
    time: f64,
    track: u64,
    bbox: [f32; 4],
    who: &Who,
    previous: Option<Identity>,
) -> Event {
    Event {
        event: kind,
        time: rounded(time),
        track,
        who: who.identity.clone(),
        bbox: rounded_box(bbox),
        fpir: who.fpir,
        previous,
        from: None,
        seen: None,
        tracks: Vec::new(),
    }
}

/// The score that the detector's card asks for.
fn usual_score(detector: &Detector) -> f32 {
    detector.card().output.score
}

/// The face with all coordinates multiplied.
fn scaled(detection: &Detection, by: f32) -> Detection {
    Detection {
        bbox: detection.bbox.map(|v| v * by),
        score: detection.score,
        landmarks: detection.landmarks.map(|point| point.map(|v| v * by)),
    }
}

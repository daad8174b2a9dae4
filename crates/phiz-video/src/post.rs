//! Events of one source on their way to the outbox, so that none is lost and none is told twice, whatever is killed.
//!
//! Each event gets an id. For a file it follows from the file and the event, so that watching the file again brings nothing
//! twice. For a camera it follows from the run. Together with each event the outbox keeps who is there at that moment, so that
//! the next run ends what a run that was killed was in the middle of.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use phiz_deliver::{DeliverError, Message, Outbox, Result, State, keeps_state};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::event::{Event, EventKind, rounded};

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unwritable(error: impl std::fmt::Display) -> DeliverError {
    DeliverError::System(format!("an event cannot be kept ({error})"))
}

/// Somebody who is before a camera, or was on the visit that has not ended: what a later run must end if this one is killed.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Standing {
    run: String,
    track: u64,
    person: Option<String>,
    stranger: Option<u64>,
    #[serde(rename = "box")]
    bbox: [f32; 4],
    /// When it appeared, and when it was last told of.
    from: f64,
    last: f64,
    /// Seconds since 1970 at the time 0 of its run.
    zero: f64,
    here: bool,
}

/// An event as it went to the outbox.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Posted {
    /// Its id.
    pub id: String,
    /// When it happened, in seconds since 1970; of a file, when it was told.
    pub at: f64,
    /// Whether it is new; otherwise an earlier run has told it.
    pub new: bool,
}

/// Brings the events of one source to an [`Outbox`].
#[derive(Debug)]
pub struct Post {
    outbox: Arc<Outbox>,
    targets: Vec<String>,
    /// By what the outbox knows the source.
    key: String,
    about: Map<String, Value>,
    file: Option<String>,
    /// Names this run.
    run: String,
    next: u64,
    /// Seconds since 1970 at the time 0.
    zero: Option<f64>,
    standing: BTreeMap<u64, Standing>,
    /// Held while the source is watched: what another run that holds it is in the middle of is its own.
    turn: Option<std::fs::File>,
}

impl Post {
    /// For a source: the targets' keys, by what the outbox shall know the source, and fields that each event gets, such as
    /// `source`. `file` is the path of a source that can be watched again, and none for a camera.
    ///
    /// # Errors
    /// The operating system has no random numbers.
    pub fn new(
        outbox: Arc<Outbox>,
        targets: Vec<String>,
        key: &str,
        about: Map<String, Value>,
        file: Option<&Path>,
    ) -> Result<Post> {
        let file = file.map(fingerprint);
        let turn = if file.is_none() { turn(outbox.path(), key) } else { None };
        let run = hex(&phiz_deliver::random::<8>()?);
        let (next, zero, standing) = (1, None, BTreeMap::new());
        Ok(Post { outbox, targets, key: key.into(), about, file, run, next, zero, standing, turn })
    }

    /// A frame of this time has come: times since 1970 are counted from the first.
    pub fn frame(&mut self, time: f64) {
        self.zero.get_or_insert_with(|| now() - time);
    }

    /// Ends what an earlier run of this source was in the middle of: the events that tell so, as JSON objects.
    ///
    /// # Errors
    /// The outbox cannot be read or written.
    pub fn recover(&self) -> Result<Vec<Value>> {
        if self.turn.is_none() {
            return Ok(Vec::new());
        }
        let standing: Vec<(String, Standing)> = self
            .outbox
            .states(&self.key)?
            .into_iter()
            .filter_map(|state| Some((state.key, serde_json::from_str(&state.body?).ok()?)))
            .filter(|(_, standing): &(String, Standing)| standing.run != self.run)
            .collect();
        let mut events = Vec::new();
        for (key, standing) in standing.iter().filter(|(_, standing)| standing.here) {
            let gone = Standing { here: false, ..standing.clone() };
            let state = self.state(key.clone(), Some(&gone))?;
            let id = format!("{}-{}-left", standing.run, standing.track);
            let event = json!({ "event": "left", "time": standing.last });
            events.extend(self.interrupted(id, standing, event, &[state])?);
        }
        // People are on one visit with all of their tracks; of whom nothing is known, each is on a visit of his or her own.
        let visitor = |one: &Standing| {
            let unknown = one.person.is_none() && one.stranger.is_none();
            let number = if unknown { u64::MAX - one.track } else { one.stranger.unwrap_or(0) };
            (one.run.clone(), one.person.clone(), number)
        };
        let mut visits: BTreeMap<_, Vec<&(String, Standing)>> = BTreeMap::new();
        for one in &standing {
            visits.entry(visitor(&one.1)).or_default().push(one);
        }
        for tracks in visits.values() {
            let Some((_, last)) = tracks.iter().max_by(|a, b| a.1.last.total_cmp(&b.1.last)) else {
                continue;
            };
            let from = tracks.iter().map(|(_, one)| one.from).fold(last.last, f64::min);
            let seen: f64 = tracks.iter().map(|(_, one)| (one.last - one.from).max(0.0)).sum();
            let over: Vec<State> =
                tracks.iter().map(|(key, _)| self.state(key.clone(), None)).collect::<Result<_>>()?;
            let id = format!("{}-{}-visit", last.run, last.track);
            let event = json!({ "event": "visit", "time": last.last, "from": from, "seen": rounded(seen) });
            events.extend(self.interrupted(id, last, event, &over)?);
        }
        Ok(events)
    }

    /// Puts an event that a run could not tell any more; the event, if nobody has told it yet.
    fn interrupted(
        &self,
        id: String,
        standing: &Standing,
        mut event: Value,
        states: &[State],
    ) -> Result<Option<Value>> {
        for (name, value) in [
            ("track", json!(standing.track)),
            ("person", json!(standing.person)),
            ("stranger", json!(standing.stranger)),
            ("box", json!(standing.bbox)),
            ("fpir", Value::Null),
            ("interrupted", json!(true)),
            ("id", json!(id)),
            ("at", json!(rounded(standing.zero + standing.last))),
        ] {
            event[name] = value;
        }
        for (name, value) in &self.about {
            event[name] = value.clone();
        }
        let message = Message { id, at: now(), body: event.to_string() };
        Ok(self.outbox.put(&message, &self.targets, states)?.then_some(event))
    }

    fn state(&self, key: String, standing: Option<&Standing>) -> Result<State> {
        let body = standing.map(serde_json::to_string).transpose().map_err(unwritable)?;
        Ok(State { source: self.key.clone(), key, body })
    }

    /// When an event happened, in seconds since 1970.
    #[must_use]
    pub fn at(&self, event: &Event) -> f64 {
        match (&self.file, self.zero) {
            (None, Some(zero)) => rounded(zero + event.time),
            _ => rounded(now()),
        }
    }

    /// Brings an event on its way, with further fields. When this returns, it is certain that it will be delivered.
    ///
    /// # Errors
    /// The outbox cannot be written.
    pub fn send(&mut self, event: &Event, at: f64, more: &Map<String, Value>) -> Result<Posted> {
        self.put(event, at, more, false)
    }

    /// Takes an event into account that is not told, because another one like it was told a moment ago. Whoever shows who is
    /// there (Home Assistant) still hears of it, as an event with the field `held`.
    ///
    /// # Errors
    /// The outbox cannot be written.
    pub fn hold(&mut self, event: &Event) -> Result<Posted> {
        self.put(event, self.at(event), &Map::new(), true)
    }

    fn put(&mut self, event: &Event, at: f64, more: &Map<String, Value>, held: bool) -> Result<Posted> {
        let zero = self.zero.unwrap_or_else(now);
        let kind = serde_json::to_value(event.event).unwrap_or_default();
        let kind = kind.as_str().unwrap_or_default();
        let id = match &self.file {
            Some(file) => format!("{file}-{}-{kind}-{:.0}", event.track, event.time * 1000.0),
            None => format!("{}-{}", self.run, self.next),
        };
        self.next += 1;
        let mut states = Vec::new();
        if self.file.is_none() {
            for track in self.follow(event, zero) {
                states.push(self.state(format!("{}-{track}", self.run), self.standing.get(&track))?);
            }
        }
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(flatten)]
            event: &'a Event,
            id: &'a str,
            at: f64,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            held: bool,
            #[serde(flatten)]
            more: &'a Map<String, Value>,
            #[serde(flatten)]
            about: &'a Map<String, Value>,
        }
        let body = Body { event, id: &id, at, held, more, about: &self.about };
        let body = serde_json::to_string(&body).map_err(unwritable)?;
        let hears = |target: &&String| !held || keeps_state(target);
        let targets: Vec<String> = self.targets.iter().filter(hears).cloned().collect();
        let new = self.outbox.put(&Message { id: id.clone(), at: now(), body }, &targets, &states)?;
        Ok(Posted { id, at, new })
    }

    /// Takes an event into account; the tracks whose standing has changed.
    fn follow(&mut self, event: &Event, zero: f64) -> Vec<u64> {
        let track = event.track;
        match event.event {
            EventKind::Visit => {
                let tracks = event.tracks.iter().copied().filter(|track| self.standing.contains_key(track));
                let tracks: Vec<u64> = tracks.collect();
                tracks.iter().for_each(|track| _ = self.standing.remove(track));
                return tracks;
            }
            EventKind::Appeared => {
                let standing = Standing {
                    run: self.run.clone(),
                    track,
                    person: None,
                    stranger: None,
                    bbox: event.bbox,
                    from: event.time,
                    last: event.time,
                    zero,
                    here: true,
                };
                self.standing.insert(track, standing);
            }
            _ => {
                let Some(standing) = self.standing.get_mut(&track) else { return Vec::new() };
                standing.person.clone_from(&event.who.person);
                (standing.stranger, standing.bbox) = (event.who.stranger, event.bbox);
                standing.last = standing.last.max(event.time);
                standing.here = event.event != EventKind::Left;
            }
        }
        vec![track]
    }
}

/// What a file is: its path, length and time.
fn fingerprint(path: &Path) -> String {
    let mut content = Sha256::new();
    content.update(b"events of a file, form 1\0");
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    content.update(path.as_os_str().as_encoded_bytes());
    if let Ok(meta) = std::fs::metadata(&path) {
        content.update(meta.len().to_le_bytes());
        let since = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        content.update(since.unwrap_or_default().as_nanos().to_le_bytes());
    }
    hex(&content.finalize()[..12])
}

/// The lock of a source, if nobody else holds it.
fn turn(outbox: &Path, key: &str) -> Option<std::fs::File> {
    let mut name = outbox.file_name()?.to_os_string();
    name.push(format!(".{}.lock", &hex(&Sha256::digest(key.as_bytes()))[..16]));
    let turn = std::fs::File::options().create(true).append(true).open(outbox.with_file_name(name)).ok()?;
    turn.try_lock().is_ok().then_some(turn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Identity;

    fn event(kind: EventKind, time: f64, track: u64, person: Option<&str>) -> Event {
        Event {
            event: kind,
            time,
            track,
            who: Identity { person: person.map(str::to_owned), stranger: None },
            bbox: [1.0, 2.0, 3.0, 4.0],
            fpir: None,
            previous: None,
            from: None,
            seen: None,
            tracks: if kind == EventKind::Visit { vec![track] } else { Vec::new() },
        }
    }

    fn post(outbox: &Arc<Outbox>) -> Post {
        let about = Map::from_iter([("source".to_owned(), json!("door"))]);
        let mut post = Post::new(Arc::clone(outbox), vec!["t".into()], "door", about, None).unwrap();
        post.frame(0.0);
        post
    }

    fn send(post: &mut Post, event: &Event) -> Posted {
        let at = post.at(event);
        post.send(event, at, &Map::new()).unwrap()
    }

    #[test]
    fn the_next_run_ends_what_a_killed_run_was_in_the_middle_of_and_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(&folder.path().join("outbox.db"), None).unwrap();
        let mut first = post(&outbox);
        assert!(first.recover().unwrap().is_empty());
        for event in [
            event(EventKind::Appeared, 1.0, 1, None),
            event(EventKind::Identified, 1.5, 1, Some("Ada")),
            event(EventKind::Appeared, 2.0, 2, None),
            event(EventKind::Left, 3.0, 2, None),
            event(EventKind::Visit, 3.0, 2, None),
        ] {
            assert!(send(&mut first, &event).new);
        }
        // Another run beside it leaves alone what is the first one's.
        assert!(post(&outbox).recover().unwrap().is_empty());
        drop(first);
        let second = post(&outbox);
        let told = second.recover().unwrap();
        let brief: Vec<(&str, u64)> = told
            .iter()
            .map(|event| (event["event"].as_str().unwrap(), event["track"].as_u64().unwrap()))
            .collect();
        assert_eq!(brief, [("left", 1), ("visit", 1)], "{told:?}");
        for event in &told {
            assert_eq!((event["person"].as_str(), event["source"].as_str()), (Some("Ada"), Some("door")));
            assert_eq!(event["interrupted"], true);
        }
        assert!(second.recover().unwrap().is_empty());
        drop(second);
        assert!(post(&outbox).recover().unwrap().is_empty());
        assert_eq!(outbox.waiting(&["t".into()]).unwrap(), 7);
    }

    #[test]
    fn an_event_that_is_held_back_changes_who_is_there_and_goes_only_to_those_who_show_that() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(&folder.path().join("outbox.db"), None).unwrap();
        let targets = ["webhook:1".to_owned(), "mqtt:1".to_owned()];
        let begin = || {
            let mut post =
                Post::new(Arc::clone(&outbox), targets.to_vec(), "door", Map::new(), None).unwrap();
            post.frame(0.0);
            post
        };
        let mut first = begin();
        send(&mut first, &event(EventKind::Appeared, 1.0, 1, None));
        assert!(first.hold(&event(EventKind::Appeared, 1.5, 2, None)).unwrap().new);
        first.hold(&event(EventKind::Left, 2.0, 2, None)).unwrap();
        assert_eq!(targets.clone().map(|target| outbox.waiting(&[target]).unwrap()), [1, 3]);
        drop(first);
        // The second face has left: only the first one, and both visits, are ended by the next run.
        let told = begin().recover().unwrap();
        let brief: Vec<(&str, u64)> = told
            .iter()
            .map(|event| (event["event"].as_str().unwrap(), event["track"].as_u64().unwrap()))
            .collect();
        assert_eq!(brief, [("left", 1), ("visit", 2), ("visit", 1)], "{told:?}");
    }

    #[test]
    fn an_event_of_a_file_that_is_watched_again_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(&folder.path().join("outbox.db"), None).unwrap();
        let path = folder.path().join("clip.mp4");
        std::fs::write(&path, b"clip").unwrap();
        for new in [true, false] {
            let mut post = Post::new(Arc::clone(&outbox), vec![], "clip", Map::new(), Some(&path)).unwrap();
            let posted = send(&mut post, &event(EventKind::Appeared, 1.0, 1, None));
            assert_eq!(posted.new, new);
        }
    }
}

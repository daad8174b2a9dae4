//! Events of `phiz watch` on their way to others: a webhook, an MQTT broker, a folder of snapshots.
//!
//! Each event gets an id and goes to the outbox before it is printed. For a file the id follows from the file and the event, so
//! that watching it again brings nothing twice. For a camera it follows from the run; what a run that was killed was in the
//! middle of is ended by the next one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use phiz_deliver::{
    DeliverError, Deliverer, Message, Mqtt, Outbox, State, Stream, Target, Told, Webhook, slug,
};
use phiz_gallery::Gallery;
use phiz_video::{Event, EventKind, Frame, Source};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::out::note;
use super::{Done, Failure, Shared, table};

/// Arguments of `phiz watch` that say whom events are brought to.
#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Telling others")]
pub(crate) struct Arguments {
    /// Send each event to this address by HTTP POST, signed, and again until it is taken
    #[arg(long, value_name = "URL", env = "PHIZ_WEBHOOK", hide_env_values = true)]
    webhook: Option<String>,
    /// File with the secret that signs webhooks [default: webhook.secret in the home folder, made if there is none]
    #[arg(long, value_name = "FILE", requires = "webhook")]
    webhook_secret: Option<PathBuf>,
    /// Publish events to this MQTT broker, for Home Assistant to discover: mqtt://USER:PASSWORD@HOST/PREFIX
    #[arg(long, value_name = "URL", env = "PHIZ_MQTT", hide_env_values = true)]
    mqtt: Option<String>,
    /// What the source is called in MQTT topics and by Home Assistant [default: its address]
    #[arg(long, value_name = "NAME", requires = "mqtt")]
    name: Option<String>,
    /// Write the picture of each event in which a face appears or is identified to this folder
    #[arg(long, value_name = "FOLDER")]
    snapshots: Option<PathBuf>,
}

impl Arguments {
    /// Whether events are kept until they are delivered.
    pub(crate) fn delivers(&self) -> bool {
        self.webhook.is_some() || self.mqtt.is_some()
    }

    /// The folder of snapshots.
    pub(crate) fn snapshots(&self) -> Option<&Path> {
        self.snapshots.as_deref()
    }
}

impl From<DeliverError> for Failure {
    fn from(error: DeliverError) -> Failure {
        let hint = error.hint();
        Failure::new(error).hint(hint)
    }
}

/// How long the end waits for events to be delivered.
const LAST_WAIT: Duration = Duration::from_secs(15);

/// The outbox and those who empty it.
pub(crate) struct Delivery {
    outbox: Arc<Outbox>,
    targets: Vec<String>,
    deliverers: Mutex<Vec<Deliverer>>,
    /// Names this run.
    run: String,
    next: AtomicU64,
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The secret that signs webhooks: of a file, which is made if it is ours.
fn secret(named: Option<&Path>, home: &Path) -> Result<Vec<u8>, Failure> {
    let own = home.join("webhook.secret");
    let path = named.unwrap_or(&own);
    let unreadable = |error: std::io::Error| {
        Failure::new(format!("{}: cannot be read ({error})", path.display()))
            .hint("name a file that holds the secret of both sides, with --webhook-secret")
    };
    if named.is_none() && !path.exists() {
        let fresh = hex(&phiz_deliver::random::<32>()?);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let made = options.open(path).and_then(|mut file| {
            use std::io::Write as _;
            file.write_all(format!("{fresh}\n").as_bytes())?;
            file.sync_all()
        });
        made.map_err(|error| Failure::writing(path, &error))?;
        note!("note: the secret by which the receiver checks signatures lies in {}", path.display());
    }
    let text = std::fs::read(path).map_err(unreadable)?;
    let text = text.trim_ascii().to_vec();
    if text.len() < 16 {
        return Err(Failure::new(format!("{}: the secret is shorter than 16 characters", path.display()))
            .hint("make one with: openssl rand -hex 32"));
    }
    Ok(text)
}

impl Delivery {
    /// Opens the outbox and begins to deliver; none if nobody is told.
    pub(crate) fn open(
        arguments: &Arguments,
        shared: &Shared,
        gallery: Option<&Gallery>,
        sources: &[Source],
    ) -> Result<Option<Delivery>, Failure> {
        if let Some(folder) = &arguments.snapshots {
            std::fs::create_dir_all(folder).map_err(|error| Failure::writing(folder, &error))?;
        }
        if !arguments.delivers() {
            return Ok(None);
        }
        if arguments.name.is_some() && sources.len() > 1 {
            return Err(Failure::new("--name: names one source, and there are several")
                .hint("watch each source by a command of its own"));
        }
        let home = shared.home()?;
        std::fs::create_dir_all(&home).map_err(|error| Failure::writing(&home, &error))?;
        let mut targets: Vec<Box<dyn Target>> = Vec::new();
        if let Some(url) = &arguments.webhook {
            let secret = secret(arguments.webhook_secret.as_deref(), &home)?;
            targets.push(Box::new(Webhook::new(url, secret)?));
        }
        if let Some(url) = &arguments.mqtt {
            let stream = |source: &Source| {
                let name = arguments.name.clone().unwrap_or_else(|| source.name());
                Stream { source: source.name(), slug: slug(&name), name }
            };
            targets.push(Box::new(Mqtt::new(url, sources.iter().map(stream).collect())?));
        }
        // Events hold names, which a gallery keeps sealed.
        let key = gallery.map(Gallery::key_beside).transpose()?;
        let outbox = Outbox::open(&home.join("outbox.db"), key.as_ref())?;
        let keys = targets.iter().map(|target| target.key()).collect();
        let tell = |told: Told| note!("{told}");
        let deliverers = targets
            .into_iter()
            .map(|target| Deliverer::start(Arc::clone(&outbox), target, tell))
            .collect::<Result<_, _>>()?;
        let run = hex(&phiz_deliver::random::<8>()?);
        Ok(Some(Delivery {
            outbox,
            targets: keys,
            deliverers: Mutex::new(deliverers),
            run,
            next: AtomicU64::new(1),
        }))
    }

    /// Waits for what is on its way.
    pub(crate) fn finish(&self) -> Done {
        let deliverers = std::mem::take(&mut *self.deliverers.lock().unwrap_or_else(PoisonError::into_inner));
        let left: usize = deliverers.into_iter().map(|deliverer| deliverer.finish(LAST_WAIT)).sum();
        if left == 0 {
            return Done::Well;
        }
        note!(
            "note: {} could not be delivered; the next `phiz watch` with the same addresses sends what waits",
            table::count(left, "event", "events")
        );
        Done::Partly
    }
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

/// What brings the events of one source to everybody.
pub(crate) struct Post<'a> {
    delivery: Option<&'a Delivery>,
    snapshots: Option<PathBuf>,
    source: String,
    /// Of a file: what it is.
    file: Option<String>,
    /// Seconds since 1970 at the time 0.
    zero: Option<f64>,
    standing: BTreeMap<u64, Standing>,
    /// Held while the source is watched: what another run that holds it is in the middle of is its own.
    turn: Option<std::fs::File>,
}

/// An event as it was sent.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Sent {
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// When it happened, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<f64>,
    /// The picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<String>,
    /// Whether it is not new, but known from an earlier run.
    #[serde(skip)]
    pub(crate) known: bool,
}

fn milli(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

impl<'a> Post<'a> {
    /// For a source; `live` if it cannot be watched again.
    pub(crate) fn new(
        delivery: Option<&'a Delivery>,
        arguments: &Arguments,
        source: &Source,
        live: bool,
    ) -> Post<'a> {
        let file = source.path().filter(|_| !live).map(|path| {
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
        });
        let turn = delivery.filter(|_| file.is_none()).and_then(|delivery| {
            let name = format!("outbox.db.{}.lock", &hex(&Sha256::digest(source.name().as_bytes()))[..16]);
            let path = delivery.outbox.path().with_file_name(name);
            let turn = std::fs::File::options().create(true).append(true).open(path).ok()?;
            turn.try_lock().is_ok().then_some(turn)
        });
        Post {
            delivery,
            snapshots: arguments.snapshots.clone(),
            source: source.name(),
            file,
            zero: None,
            standing: BTreeMap::new(),
            turn,
        }
    }

    /// Ends what an earlier run of this source was in the middle of: events as JSON objects.
    pub(crate) fn recover(&self) -> Result<Vec<Value>, Failure> {
        let Some(delivery) = self.delivery.filter(|_| self.turn.is_some()) else { return Ok(Vec::new()) };
        let states = delivery.outbox.states(&self.source)?;
        let standing: Vec<(String, Standing)> = states
            .into_iter()
            .filter_map(|state| Some((state.key, serde_json::from_str(&state.body?).ok()?)))
            .filter(|(_, standing): &(String, Standing)| standing.run != delivery.run)
            .collect();
        let mut events = Vec::new();
        let mut tell =
            |id: String, standing: &Standing, event: Value, states: &[State]| -> Result<(), Failure> {
                let mut event = event;
                for (name, value) in [
                    ("track", json!(standing.track)),
                    ("person", json!(standing.person)),
                    ("stranger", json!(standing.stranger)),
                    ("box", json!(standing.bbox)),
                    ("fpir", Value::Null),
                    ("interrupted", json!(true)),
                    ("id", json!(id)),
                    ("at", json!(milli(standing.zero + standing.last))),
                    ("source", json!(self.source)),
                ] {
                    event[name] = value;
                }
                let message = Message { id, at: now(), body: event.to_string() };
                if delivery.outbox.put(&message, &delivery.targets, states)? {
                    events.push(event);
                }
                Ok(())
            };
        for (key, standing) in standing.iter().filter(|(_, standing)| standing.here) {
            let gone = Standing { here: false, ..standing.clone() };
            let state = self.state(key.clone(), Some(&gone))?;
            let event = json!({ "event": "left", "time": standing.last });
            tell(format!("{}-{}-left", standing.run, standing.track), standing, event, &[state])?;
        }
        // People are on one visit with all of their tracks; of whom nothing is known, each is on a visit of his or her own.
        let mut visits: BTreeMap<(String, Option<String>, u64), Vec<&(String, Standing)>> = BTreeMap::new();
        for one in &standing {
            let unknown = one.1.person.is_none() && one.1.stranger.is_none();
            let number = if unknown { u64::MAX - one.1.track } else { one.1.stranger.unwrap_or(0) };
            visits.entry((one.1.run.clone(), one.1.person.clone(), number)).or_default().push(one);
        }
        for tracks in visits.values() {
            let Some((_, last)) = tracks.iter().max_by(|a, b| a.1.last.total_cmp(&b.1.last)) else {
                continue;
            };
            let from = tracks.iter().map(|(_, one)| one.from).fold(last.last, f64::min);
            let seen: f64 = tracks.iter().map(|(_, one)| (one.last - one.from).max(0.0)).sum();
            let over: Vec<State> =
                tracks.iter().map(|(key, _)| self.state(key.clone(), None)).collect::<Result<_, _>>()?;
            let event = json!({ "event": "visit", "time": last.last, "from": from, "seen": milli(seen) });
            tell(format!("{}-{}-visit", last.run, last.track), last, event, &over)?;
        }
        Ok(events)
    }

    fn state(&self, key: String, standing: Option<&Standing>) -> Result<State, Failure> {
        let body = standing.map(serde_json::to_string).transpose();
        let body = body.map_err(|error| Failure::new(format!("an event cannot be kept ({error})")))?;
        Ok(State { source: self.source.clone(), key, body })
    }

    /// A frame has come: times are counted from the first.
    pub(crate) fn frame(&mut self, frame: &Frame) {
        self.zero.get_or_insert_with(|| now() - frame.time);
    }

    /// Brings an event on its way, with the picture of the present frame if one is wanted. When this returns, it is certain that
    /// it will be delivered.
    pub(crate) fn send(&mut self, event: &Event, frame: Option<&Frame>) -> Result<Sent, Failure> {
        let zero = self.zero.unwrap_or_else(now);
        let at = milli(if self.file.is_some() { now() } else { zero + event.time });
        let mut sent = Sent::default();
        let pictured =
            matches!(event.event, EventKind::Appeared | EventKind::Identified | EventKind::Changed);
        if let (Some(folder), Some(frame), true) = (&self.snapshots, frame, pictured) {
            sent.snapshot = Some(self.snapshot(folder, event, frame, at)?);
        }
        let Some(delivery) = self.delivery else { return Ok(sent) };
        let kind = serde_json::to_value(event.event).unwrap_or_default();
        let kind = kind.as_str().unwrap_or_default().to_owned();
        let id = match &self.file {
            Some(file) => format!("{file}-{}-{kind}-{:.0}", event.track, event.time * 1000.0),
            None => format!("{}-{}", delivery.run, delivery.next.fetch_add(1, Ordering::Relaxed)),
        };
        (sent.id, sent.at) = (Some(id.clone()), Some(at));
        let mut states = Vec::new();
        if self.file.is_none() {
            for key in self.follow(event, zero, &delivery.run) {
                states.push(self.state(format!("{}-{key}", delivery.run), self.standing.get(&key))?);
            }
        }
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(flatten)]
            event: &'a Event,
            #[serde(flatten)]
            sent: &'a Sent,
            source: &'a str,
        }
        let body = serde_json::to_string(&Body { event, sent: &sent, source: &self.source });
        let body = body.map_err(|error| Failure::new(format!("an event cannot be kept ({error})")))?;
        sent.known = !delivery.outbox.put(&Message { id, at: now(), body }, &delivery.targets, &states)?;
        Ok(sent)
    }

    /// Takes an event into account; the tracks whose standing has changed.
    fn follow(&mut self, event: &Event, zero: f64, run: &str) -> Vec<u64> {
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
                    run: run.into(),
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

    fn snapshot(&self, folder: &Path, event: &Event, frame: &Frame, at: f64) -> Result<String, Failure> {
        let kind = serde_json::to_value(event.event).unwrap_or_default();
        let time = table::date(at as i64).replace([' ', ':', '-'], "");
        let name = format!(
            "{}-{time}-{:03.0}-{}-{}.jpg",
            slug(&self.source),
            (at.fract() * 1000.0).floor(),
            event.track,
            kind.as_str().unwrap_or_default()
        );
        let path = folder.join(name);
        let bytes = frame
            .image
            .encode_jpeg(88)
            .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        std::fs::write(&path, bytes).map_err(|error| Failure::writing(&path, &error))?;
        Ok(path.display().to_string())
    }
}

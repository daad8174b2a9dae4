//! Cameras that the server watches: a thread each, who is there now, what has happened, and the visits, which are kept.
//!
//! What a stream is, its address with the password included, lies sealed in its gallery. Visits and snapshots lie in
//! `streams.db` in the home folder, each sealed by a key that the gallery keeps; they are deleted after the stream's `keep_days`.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use phiz_deliver::Deliverer;
use phiz_gallery::{Filter, Gallery, Memo, PersonId, Rate};
use phiz_service::IdentifyOptions;
use phiz_video::{
    Cooldown, Event, EventKind, Frame, Frames, Notice, Post, ReadOptions, Source, StrangersOfGallery,
    VideoError, Visit, WatchOptions, Watcher, preview,
};
use rusqlite::{Connection, params};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use tokio::sync::watch;

use crate::app::App;
use crate::deliveries::{Deliveries, Published, Recipients};
use crate::error::{ApiError, Code, Result};
use crate::secret;
use crate::settings::Settings;
use crate::stream_wire::{Present, Stream, StreamEvent, StreamSnapshot, StreamState, StreamVisit};

/// The file's name in the home folder.
const FILE: &str = "streams.db";
/// Events that a listener may have missed and still gets.
const REMEMBERED: usize = 1000;
/// Pictures of a preview come no faster, and are no larger.
const PREVIEW_PACE: Duration = Duration::from_millis(250);
const PREVIEW_SIDE: u32 = 960;
/// Snapshots of one stream that are kept at most, and their longest side.
pub(crate) const SNAPSHOTS: usize = 1000;
const SNAPSHOT_SIDE: u32 = 1280;
/// How long a request for a snapshot waits for the next frame.
const NEXT_FRAME: Duration = Duration::from_secs(5);
/// Pauses before a camera that could not be opened is tried again grow from this to that.
const FIRST_PAUSE: f64 = 2.0;
const LONGEST_PAUSE: f64 = 60.0;
const NONCE: usize = 24;

/// Seconds since 1970.
pub(crate) fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn milli(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// What a stream is, as its gallery keeps it.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) name: String,
    /// With its credentials: never told.
    pub(crate) url: String,
    pub(crate) running: bool,
    pub(crate) preview: bool,
    pub(crate) remember: bool,
    pub(crate) pictures: bool,
    pub(crate) keep_days: f64,
    pub(crate) list: Option<String>,
    pub(crate) fpir: f64,
    /// Where events go, with credentials: never told. None: where the settings say. Empty: nowhere.
    #[serde(default)]
    pub(crate) webhook: Option<String>,
    /// What signs them, if it is not what signs those of all streams: never told.
    #[serde(default)]
    pub(crate) webhook_secret: Option<String>,
    #[serde(default)]
    pub(crate) mqtt: Option<String>,
    /// Its part of MQTT topics, once it was chosen.
    #[serde(default)]
    pub(crate) topic: Option<String>,
    /// Whether a picture of the moment is kept with each event in which somebody appears or is identified.
    #[serde(default)]
    pub(crate) snapshots: bool,
    /// Events like one that was told so many seconds ago are held back.
    #[serde(default)]
    pub(crate) cooldown: f64,
}

impl Kept {
    /// Whether the other's events go elsewhere, or by another name.
    fn delivers_otherwise(&self, other: &Kept) -> bool {
        (&self.webhook, &self.webhook_secret, &self.mqtt, &self.name, &self.topic, &self.url)
            != (&other.webhook, &other.webhook_secret, &other.mqtt, &other.name, &other.topic, &other.url)
    }

    /// Whether watching must begin anew if it was like the other before.
    fn watches_otherwise(&self, other: &Kept) -> bool {
        // Events carry the name, and go to the outbox for whoever is to hear of them.
        let told = |kept: &Kept| {
            let is_there = |address: &Option<String>| address.as_ref().map(|address| !address.is_empty());
            let hears = (is_there(&kept.webhook), is_there(&kept.mqtt));
            (hears, (hears != (None, None)).then(|| kept.name.clone()))
        };
        (&self.url, self.remember, self.pictures, &self.list, self.fpir, self.running, told(self))
            != (
                &other.url,
                other.remember,
                other.pictures,
                &other.list,
                other.fpir,
                other.running,
                told(other),
            )
    }
}

/// How a stream fares.
#[derive(Clone, Debug)]
struct Now {
    state: StreamState,
    problem: Option<String>,
    remedy: Option<String>,
    since: f64,
    size: Option<[u32; 2]>,
    frames: u64,
    dropped: u64,
    present: Vec<Present>,
    visits: Vec<StreamVisit>,
}

impl Now {
    fn new(state: StreamState) -> Now {
        Now {
            state,
            problem: None,
            remedy: None,
            since: milli(seconds()),
            size: None,
            frames: 0,
            dropped: 0,
            present: Vec::new(),
            visits: Vec::new(),
        }
    }
}

/// A stream of this server.
pub(crate) struct Camera {
    pub(crate) gallery: String,
    kept: Mutex<Kept>,
    now: Mutex<Now>,
    /// Counts starts: a thread that is not of the last one has nothing to say any more.
    generation: AtomicU64,
    stop: Mutex<Arc<AtomicBool>>,
    gone: AtomicBool,
    /// Held while the camera is watched: a new thread waits until the one before has told its last events.
    turn: Mutex<()>,
    pub(crate) deliverers: Mutex<Vec<Deliverer>>,
    /// Why events wait, by the outbox's key of their target.
    pub(crate) undelivered: Mutex<BTreeMap<String, String>>,
    events: Mutex<VecDeque<(u64, &'static str, String)>>,
    /// The number of the latest event.
    pub(crate) latest: watch::Sender<u64>,
    /// Grows when the state or who is there changes; 0 when the stream is no more.
    pub(crate) changes: watch::Sender<u64>,
    pub(crate) pictures: watch::Sender<Option<Arc<Vec<u8>>>>,
    /// Those who ask for a snapshot of the next frame.
    asking: Mutex<Vec<SyncSender<Result<StreamSnapshot>>>>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Camera {
    fn new(gallery: &str, kept: Kept) -> Arc<Camera> {
        // Numbers go on over restarts of the server, so that none is met twice.
        let first = (seconds() * 1000.0) as u64 * 1000;
        Arc::new(Camera {
            gallery: gallery.into(),
            kept: Mutex::new(kept),
            now: Mutex::new(Now::new(StreamState::Stopped)),
            generation: AtomicU64::new(0),
            stop: Mutex::default(),
            gone: AtomicBool::new(false),
            turn: Mutex::default(),
            deliverers: Mutex::default(),
            undelivered: Mutex::default(),
            events: Mutex::default(),
            latest: watch::channel(first).0,
            changes: watch::channel(1).0,
            pictures: watch::channel(None).0,
            asking: Mutex::default(),
        })
    }

    pub(crate) fn kept(&self) -> Kept {
        lock(&self.kept).clone()
    }

    /// The stream as it is told.
    pub(crate) fn told(&self, settings: &Settings) -> Stream {
        let (kept, now) = (self.kept(), lock(&self.now).clone());
        let [webhook, mqtt] = Recipients::of(&kept, settings).told();
        let undelivered: Vec<String> = lock(&self.undelivered).values().cloned().collect();
        Stream {
            id: kept.id,
            name: kept.name,
            source: Source::Address(kept.url).name(),
            running: kept.running,
            state: now.state,
            problem: now.problem,
            remedy: now.remedy,
            since: now.since,
            width: now.size.map(|size| size[0]),
            height: now.size.map(|size| size[1]),
            frames: now.frames,
            dropped: now.dropped,
            present: now.present,
            preview: kept.preview,
            remember: kept.remember,
            pictures: kept.pictures,
            keep_days: kept.keep_days,
            list: kept.list,
            fpir: kept.fpir,
            snapshots: kept.snapshots,
            cooldown: kept.cooldown,
            webhook,
            mqtt,
            undelivered: (!undelivered.is_empty()).then(|| undelivered.join("; ")),
        }
    }

    /// The visits of those who are there now, the latest first.
    pub(crate) fn current(&self) -> Vec<StreamVisit> {
        lock(&self.now).visits.clone()
    }

    /// Events after one of this number: number, kind, data.
    pub(crate) fn events_after(&self, number: u64) -> Vec<(u64, &'static str, String)> {
        lock(&self.events).iter().filter(|(seq, ..)| *seq > number).cloned().collect()
    }

    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn is(&self, generation: u64) -> bool {
        self.generation.load(Ordering::Relaxed) == generation && !self.gone.load(Ordering::Relaxed)
    }

    fn set(&self, generation: u64, change: impl FnOnce(&mut Now)) {
        if self.is(generation) {
            change(&mut lock(&self.now));
            self.changed();
        }
    }

    fn state(&self, generation: u64, state: StreamState, why: Option<(String, String)>) {
        self.set(generation, |now| {
            if now.state != state {
                now.since = milli(seconds());
            }
            now.state = state;
            (now.problem, now.remedy) = why.unzip();
        });
    }

    fn publish(&self, event: &Event, zero: f64, snapshot: Option<String>) {
        let told = StreamEvent { snapshot, ..StreamEvent::new(event, milli(zero + event.time)) };
        let kind = told.event.as_str();
        let data = serde_json::to_string(&told).unwrap_or_default();
        let mut events = lock(&self.events);
        let number = *self.latest.borrow() + 1;
        events.push_back((number, kind, data));
        if events.len() > REMEMBERED {
            events.pop_front();
        }
        drop(events);
        self.latest.send_replace(number);
    }

    /// Keeps a picture of the next frame, and waits for it.
    pub(crate) fn snapshot(&self) -> Result<StreamSnapshot> {
        let nothing = || {
            ApiError::new(
                Code::Conflict,
                "the camera shows nothing now",
                "see the stream's `state` and `problem`; ask again once it is `watching`",
            )
        };
        if lock(&self.now).state != StreamState::Watching {
            return Err(nothing());
        }
        let (answer, coming) = sync_channel(1);
        lock(&self.asking).push(answer);
        coming.recv_timeout(NEXT_FRAME).map_err(|_| nothing())?
    }

    fn halt(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        lock(&self.stop).store(true, Ordering::Relaxed);
    }
}

fn no_stream() -> ApiError {
    ApiError::new(Code::NoStream, "there is no such stream", "GET /v1/streams lists those of the gallery")
}

/// All streams.
pub(crate) struct Streams {
    all: Mutex<BTreeMap<String, Arc<Camera>>>,
    visits: Mutex<Connection>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
    pub(crate) deliveries: Deliveries,
}

/// A part of a list, and the number of its last row if there are more.
type Page<T> = (Vec<T>, Option<u64>);

impl Streams {
    /// Opens the file of visits.
    pub(crate) fn open(home: &Path) -> std::io::Result<Streams> {
        let path = home.join(FILE);
        let mut options = std::fs::OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path)?;
        let open = || {
            let connection = Connection::open(&path)?;
            connection.busy_timeout(Duration::from_secs(20))?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "secure_delete", true)?;
            connection.execute_batch(
                "CREATE TABLE IF NOT EXISTS visit(id INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL,
                     since REAL NOT NULL, until REAL NOT NULL, body BLOB NOT NULL, picture BLOB);
                 CREATE INDEX IF NOT EXISTS visit_of ON visit(stream, since);
                 CREATE TABLE IF NOT EXISTS snapshot(id INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL,
                     at REAL NOT NULL, body BLOB NOT NULL, picture BLOB NOT NULL);
                 CREATE INDEX IF NOT EXISTS snapshot_of ON snapshot(stream, at);",
            )?;
            Ok(connection)
        };
        let connection = open().map_err(|error: rusqlite::Error| std::io::Error::other(error.to_string()))?;
        Ok(Streams {
            all: Mutex::default(),
            visits: Mutex::new(connection),
            threads: Mutex::default(),
            deliveries: Deliveries::new(home.to_owned()),
        })
    }

    /// Reads the streams of all galleries, and begins to watch those that should run.
    pub(crate) fn begin(&self, app: &App) {
        for (name, gallery) in app.galleries.all() {
            match kept_in(&gallery) {
                Ok(all) => {
                    for kept in all {
                        let camera = Camera::new(&name, kept.clone());
                        // Also of those that publish nothing now, so that no other one takes it.
                        self.deliveries.topic(&kept);
                        lock(&self.all).insert(kept.id, Arc::clone(&camera));
                        _ = self.deliveries.begin(app, &camera, &gallery);
                        self.start(app, &camera);
                    }
                }
                Err(error) => {
                    let why = error.message;
                    tracing::error!(gallery = name, why, "the streams of a gallery cannot be read");
                }
            }
            self.deliveries.go_on_retracting(app, &gallery);
        }
    }

    /// The streams of a gallery, in the order in which they were made.
    pub(crate) fn list(&self, gallery: &Gallery, name: &str) -> Result<Vec<Arc<Camera>>> {
        let all = lock(&self.all);
        let kept = kept_in(gallery)?;
        Ok(kept
            .iter()
            .filter_map(|kept| all.get(&kept.id))
            .filter(|camera| camera.gallery == name)
            .cloned()
            .collect())
    }

    pub(crate) fn get(&self, id: &str, gallery: &str) -> Result<Arc<Camera>> {
        let all = lock(&self.all);
        all.get(id).filter(|camera| camera.gallery == gallery).cloned().ok_or_else(no_stream)
    }

    /// The stream that publishes by these topics now.
    pub(crate) fn publisher(&self, app: &App, published: &Published) -> Option<Arc<Camera>> {
        let all: Vec<Arc<Camera>> = lock(&self.all).values().cloned().collect();
        let is = |camera: &Arc<Camera>| {
            self.deliveries.published(&camera.kept(), &app.settings).as_ref() == Some(published)
        };
        all.into_iter().find(is)
    }

    /// Makes a stream and begins to watch.
    pub(crate) fn create(
        &self,
        app: &App,
        gallery: &Arc<Gallery>,
        name: &str,
        mut kept: Kept,
    ) -> Result<Arc<Camera>> {
        let mut all = lock(&self.all);
        if all.len() >= app.settings.streams {
            return Err(ApiError::new(
                Code::Conflict,
                format!("there are {} streams already", all.len()),
                "delete one, or raise the setting streams",
            ));
        }
        kept.topic = Some(self.deliveries.topic(&kept));
        change_kept(gallery, |kept_all| kept_all.push(kept.clone()))?;
        let camera = Camera::new(name, kept.clone());
        all.insert(kept.id, Arc::clone(&camera));
        drop(all);
        _ = self.deliveries.begin(app, &camera, gallery);
        self.start(app, &camera);
        Ok(camera)
    }

    /// Changes a stream; if it watches otherwise from then on, it begins anew.
    pub(crate) fn edit(
        &self,
        app: &App,
        gallery: &Arc<Gallery>,
        camera: &Arc<Camera>,
        mut kept: Kept,
    ) -> Result<()> {
        let before = camera.kept();
        let published = self.deliveries.published(&before, &app.settings);
        if kept.name != before.name {
            kept.topic = None;
            kept.topic = Some(self.deliveries.topic(&kept));
        }
        change_kept(gallery, |all| {
            all.iter_mut().filter(|other| other.id == kept.id).for_each(|other| *other = kept.clone());
        })?;
        *lock(&camera.kept) = kept.clone();
        if kept.delivers_otherwise(&before) {
            let ending = self.deliveries.begin(app, camera, gallery);
            self.deliveries.forget(app, camera, gallery, false)?;
            let publishes = self.deliveries.published(&kept, &app.settings);
            if let Some(published) = published.filter(|before| Some(before) != publishes.as_ref()) {
                self.deliveries.retract(app, gallery, published, ending);
            }
        }
        if kept.watches_otherwise(&before) {
            camera.halt();
            self.start(app, camera);
        }
        if !kept.preview {
            camera.pictures.send_replace(None);
        }
        camera.changed();
        Ok(())
    }

    /// Forgets a stream, its visits and snapshots, its events that wait, and what an MQTT broker retains of it.
    pub(crate) fn delete(&self, app: &App, gallery: &Arc<Gallery>, camera: &Camera) -> Result<()> {
        let kept = camera.kept();
        let published = self.deliveries.published(&kept, &app.settings);
        change_kept(gallery, |all| all.retain(|other| other.id != kept.id))?;
        camera.gone.store(true, Ordering::Relaxed);
        camera.halt();
        lock(&self.all).remove(&kept.id);
        camera.changes.send_replace(0);
        camera.pictures.send_replace(None);
        let ending = lock(&camera.deliverers).drain(..).map(Deliverer::end).collect();
        self.deliveries.forget(app, camera, gallery, true)?;
        if let Some(published) = published {
            self.deliveries.retract(app, gallery, published, ending);
        }
        self.forget_visits(&kept.id)?;
        self.forget_snapshots(&kept.id)
    }

    /// Ends all threads, and waits for them for a while, so that the last visits are kept.
    pub(crate) fn end(&self, most: Duration) {
        for camera in lock(&self.all).values() {
            lock(&camera.stop).store(true, Ordering::Relaxed);
        }
        let begun = Instant::now();
        let threads = std::mem::take(&mut *lock(&self.threads));
        while begun.elapsed() < most && threads.iter().any(|thread| !thread.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let all: Vec<Arc<Camera>> = lock(&self.all).values().cloned().collect();
        self.deliveries.end(&all, Duration::from_secs(2));
    }

    fn start(&self, app: &App, camera: &Arc<Camera>) {
        let kept = camera.kept();
        let generation = camera.generation.fetch_add(1, Ordering::Relaxed) + 1;
        if !kept.running {
            camera.set(generation, |now| *now = Now::new(StreamState::Stopped));
            return;
        }
        let stop = Arc::new(AtomicBool::new(false));
        *lock(&camera.stop) = Arc::clone(&stop);
        camera.set(generation, |now| *now = Now::new(StreamState::Opening));
        let (app, owned) = (app.clone(), Arc::clone(camera));
        let run = move || {
            let work = std::panic::AssertUnwindSafe(|| follow(&app, &owned, generation, &stop));
            if std::panic::catch_unwind(work).is_err() {
                tracing::error!(stream = owned.kept().id, "watching a stream panicked");
                let why =
                    ("the server failed".into(), "look into its log, and start the stream again".into());
                owned.state(generation, StreamState::Failed, Some(why));
            }
        };
        let started = std::thread::Builder::new().name("phiz-camera".into()).spawn(run);
        match started {
            Ok(thread) => {
                let mut threads = lock(&self.threads);
                threads.retain(|thread| !thread.is_finished());
                threads.push(thread);
            }
            Err(error) => {
                let why = (error.to_string(), "raise the limit of threads".into());
                camera.state(generation, StreamState::Failed, Some(why));
            }
        }
    }

    // Visits.

    fn keep_visit(
        &self,
        key: &[u8; 32],
        stream: &str,
        visit: &StreamVisit,
        picture: Option<&[u8]>,
    ) -> Result<()> {
        let body = serde_json::to_vec(visit).map_err(ApiError::internal)?;
        let body = sealed(key, stream, &body)?;
        let picture = picture.map(|picture| sealed(key, stream, picture)).transpose()?;
        let put = "INSERT INTO visit(stream, since, until, body, picture) VALUES(?1, ?2, ?3, ?4, ?5)";
        let done = lock(&self.visits).execute(put, params![stream, visit.from, visit.until, body, picture]);
        done.map(|_| ()).map_err(ApiError::internal)
    }

    /// Visits of a stream that overlap a time, the latest first, with rows before one; and the last row if there are more.
    pub(crate) fn visits(
        &self,
        key: &[u8; 32],
        stream: &str,
        [from, until]: [f64; 2],
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<StreamVisit>> {
        let query = "SELECT id, body FROM visit WHERE stream = ?1 AND until >= ?2 AND since <= ?3 AND id < ?4
             ORDER BY id DESC LIMIT ?5";
        let (visits, more) = self.page::<StreamVisit>(key, stream, query, [from, until], before, limit)?;
        let named = |(id, visit)| StreamVisit { id: format!("v{id}"), ..visit };
        Ok((visits.into_iter().map(named).collect(), more))
    }

    /// Rows of a stream that a query finds, with their numbers, the latest first; and the last number if there are more. The query
    /// is told the stream, two times, the number before which rows lie, and how many are wanted.
    fn page<T: DeserializeOwned>(
        &self,
        key: &[u8; 32],
        stream: &str,
        query: &str,
        [from, until]: [f64; 2],
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<(i64, T)>> {
        let before = before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
        let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let connection = lock(&self.visits);
        let read = || {
            let mut rows = connection.prepare(query)?;
            let rows = rows.query_map(params![stream, from, until, before, most], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let mut rows = read().map_err(ApiError::internal)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().map(|(id, _)| u64::try_from(*id).unwrap_or(0)).filter(|_| more);
        let open = |(id, body): (i64, Vec<u8>)| Some((id, read_sealed(key, stream, &body)?));
        Ok((rows.into_iter().filter_map(open).collect(), last))
    }

    pub(crate) fn picture(&self, key: &[u8; 32], stream: &str, visit: &str) -> Result<Vec<u8>> {
        use rusqlite::OptionalExtension as _;
        let id: Option<i64> = visit.strip_prefix('v').and_then(|id| id.parse().ok());
        let picture = lock(&self.visits)
            .query_row(
                "SELECT picture FROM visit WHERE stream = ?1 AND id = ?2",
                params![stream, id],
                |row| row.get::<_, Option<Vec<u8>>>(0),
            )
            .optional()
            .map_err(ApiError::internal)?;
        picture.flatten().and_then(|sealed| opened(key, stream, &sealed)).ok_or_else(|| {
            ApiError::new(
                Code::NoPicture,
                "no picture of this visit is kept",
                "visits that go on have none yet; later ones have one if the stream's `pictures` is true",
            )
        })
    }

    /// Forgets all visits of a stream.
    pub(crate) fn forget_visits(&self, stream: &str) -> Result<()> {
        let done = lock(&self.visits).execute("DELETE FROM visit WHERE stream = ?1", [stream]);
        done.map(|_| ()).map_err(ApiError::internal)
    }

    /// Forgets visits that ended so many days ago, and snapshots that are as old.
    fn forget_older(&self, stream: &str, days: f64) -> Result<()> {
        let before = seconds() - days * 24.0 * 3600.0;
        let connection = lock(&self.visits);
        for old in [
            "DELETE FROM visit WHERE stream = ?1 AND until < ?2",
            "DELETE FROM snapshot WHERE stream = ?1 AND at < ?2",
        ] {
            connection.execute(old, params![stream, before]).map_err(ApiError::internal)?;
        }
        Ok(())
    }

    // Snapshots.

    /// Keeps what a frame shows, with its event or because somebody asked; the oldest ones make room.
    fn keep_snapshot(
        &self,
        key: &[u8; 32],
        stream: &str,
        frame: &Frame,
        told: StreamSnapshot,
    ) -> Result<StreamSnapshot> {
        let (width, height) = (frame.image.width(), frame.image.height());
        let shrink = (SNAPSHOT_SIDE as f32 / width.max(height).max(1) as f32).min(1.0);
        let side = |side: u32| ((side as f32 * shrink).round() as u32).max(1);
        let picture = match shrink < 1.0 {
            true => frame.image.resize(side(width), side(height)).encode_jpeg(85),
            false => frame.image.encode_jpeg(85),
        };
        let picture = sealed(key, stream, &picture.map_err(ApiError::internal)?)?;
        let body = sealed(key, stream, &serde_json::to_vec(&told).map_err(ApiError::internal)?)?;
        let connection = lock(&self.visits);
        let keep = || {
            let put = "INSERT INTO snapshot(stream, at, body, picture) VALUES(?1, ?2, ?3, ?4)";
            connection.execute(put, params![stream, told.at, body, picture])?;
            let id = connection.last_insert_rowid();
            let room =
                "DELETE FROM snapshot WHERE stream = ?1 AND id <= (SELECT id FROM snapshot WHERE stream = ?1
                        ORDER BY id DESC LIMIT 1 OFFSET ?2)";
            connection.execute(room, params![stream, SNAPSHOTS])?;
            Ok::<i64, rusqlite::Error>(id)
        };
        let id = keep().map_err(ApiError::internal)?;
        Ok(StreamSnapshot { id: format!("n{id}"), ..told })
    }

    /// Snapshots of a stream that were taken in a time, the latest first, with numbers before one; and the last number if
    /// there are more.
    pub(crate) fn snapshots(
        &self,
        key: &[u8; 32],
        stream: &str,
        [from, until]: [f64; 2],
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<StreamSnapshot>> {
        let query = "SELECT id, body FROM snapshot WHERE stream = ?1 AND at >= ?2 AND at <= ?3 AND id < ?4
             ORDER BY id DESC LIMIT ?5";
        let (told, more) = self.page::<StreamSnapshot>(key, stream, query, [from, until], before, limit)?;
        let named = |(id, told)| StreamSnapshot { id: format!("n{id}"), ..told };
        Ok((told.into_iter().map(named).collect(), more))
    }

    pub(crate) fn snapshot(&self, key: &[u8; 32], stream: &str, snapshot: &str) -> Result<Vec<u8>> {
        use rusqlite::OptionalExtension as _;
        let id: Option<i64> = snapshot.strip_prefix('n').and_then(|id| id.parse().ok());
        let picture = lock(&self.visits)
            .query_row(
                "SELECT picture FROM snapshot WHERE stream = ?1 AND id = ?2",
                params![stream, id],
                |row| row.get::<_, Vec<u8>>(0),
            )
            .optional()
            .map_err(ApiError::internal)?;
        picture.and_then(|sealed| opened(key, stream, &sealed)).ok_or_else(|| {
            ApiError::new(
                Code::NoPicture,
                "there is no such snapshot",
                "GET /v1/streams/{id}/snapshots lists them; they go after the stream's `keep_days`, and the oldest of a thousand \
                 make room",
            )
        })
    }

    /// Forgets all snapshots of a stream.
    pub(crate) fn forget_snapshots(&self, stream: &str) -> Result<()> {
        let done = lock(&self.visits).execute("DELETE FROM snapshot WHERE stream = ?1", [stream]);
        done.map(|_| ()).map_err(ApiError::internal)
    }
}

/// What was sealed as JSON. What was sealed for a gallery of another key is nobody's to read.
fn read_sealed<T: DeserializeOwned>(key: &[u8; 32], stream: &str, body: &[u8]) -> Option<T> {
    serde_json::from_slice(&opened(key, stream, body)?).ok()
}

fn sealed(key: &[u8; 32], stream: &str, value: &[u8]) -> Result<Vec<u8>> {
    let nonce = secret::random::<NONCE>().map_err(ApiError::internal)?;
    let payload = Payload { msg: value, aad: stream.as_bytes() };
    let sealed = XChaCha20Poly1305::new(key.into()).encrypt(XNonce::from_slice(&nonce), payload);
    Ok([&nonce[..], &sealed.map_err(ApiError::internal)?].concat())
}

fn opened(key: &[u8; 32], stream: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
    let payload = Payload { msg: sealed, aad: stream.as_bytes() };
    XChaCha20Poly1305::new(key.into()).decrypt(XNonce::from_slice(nonce), payload).ok()
}

/// The streams that a gallery keeps.
fn kept_in(gallery: &Gallery) -> Result<Vec<Kept>> {
    let bytes = gallery.memo(Memo::Streams)?;
    bytes.map_or(Ok(Vec::new()), |bytes| serde_json::from_slice(&bytes).map_err(ApiError::internal))
}

fn change_kept(gallery: &Gallery, mut change: impl FnMut(&mut Vec<Kept>)) -> Result<()> {
    gallery.change_memo(Memo::Streams, |bytes| {
        let known = bytes.as_deref().map_or(Ok(Vec::new()), serde_json::from_slice);
        let mut all: Vec<Kept> = known.map_err(ApiError::internal)?;
        change(&mut all);
        *bytes = Some(serde_json::to_vec(&all).map_err(ApiError::internal)?);
        Ok(())
    })?
}

/// Watches a stream until somebody ends it: opens the camera again and again, whatever happens.
fn follow(app: &App, camera: &Arc<Camera>, generation: u64, stop: &Arc<AtomicBool>) {
    let mut pause = FIRST_PAUSE;
    while !stop.load(Ordering::Relaxed) && camera.is(generation) {
        let begun = Instant::now();
        let error = match watch_once(app, camera, generation, stop) {
            Ok(()) => return,
            Err(error) => error,
        };
        let kept = camera.kept();
        tracing::warn!(stream = kept.id, error = error.0, "a stream ended");
        let (reason, remedy, again) = error;
        let state = if again { StreamState::Lost } else { StreamState::Failed };
        camera.state(generation, state, Some((reason, remedy)));
        if !again {
            return;
        }
        if begun.elapsed() > Duration::from_secs(120) {
            pause = FIRST_PAUSE;
        }
        let until = Instant::now() + Duration::from_secs_f64(pause);
        while Instant::now() < until && !stop.load(Ordering::Relaxed) && camera.is(generation) {
            std::thread::sleep(Duration::from_millis(50));
        }
        pause = (pause * 2.0).min(LONGEST_PAUSE);
    }
}

/// Why watching ended: the reason, a remedy, and whether it may be otherwise later.
type Ended = (String, String, bool);

fn ended(error: &VideoError) -> Ended {
    let again = !matches!(error, VideoError::NoFfmpeg { .. } | VideoError::NoSource { .. });
    (error.to_string(), error.hint().into(), again)
}

fn failed(error: &ApiError) -> Ended {
    (error.message.clone(), error.remedy.clone(), true)
}

fn watch_once(
    app: &App,
    camera: &Arc<Camera>,
    generation: u64,
    stop: &Arc<AtomicBool>,
) -> std::result::Result<(), Ended> {
    let _turn = lock(&camera.turn);
    if stop.load(Ordering::Relaxed) {
        return Ok(());
    }
    let kept = camera.kept();
    let gallery = app.galleries.get(&camera.gallery).map_err(|error| failed(&error))?;
    let key = gallery.key_beside().map_err(|error| failed(&error.into()))?;
    let mut post = app.streams.deliveries.post(app, camera, &gallery).map_err(|error| failed(&error))?;
    recover(app, camera, &key, post.as_ref()).map_err(|error| failed(&error))?;
    let source = Source::parse(kept.url.as_ref()).map_err(|error| ended(&error))?;
    let read = ReadOptions { live: Some(true), longest_side: 1920, ..ReadOptions::default() };
    let mut frames = Frames::open(source, read, Arc::clone(stop)).map_err(|error| ended(&error))?;
    let told = Arc::clone(camera);
    frames.on_notice(move |notice| match notice {
        Notice::Lost(why) => {
            let why = (why.clone(), "check the camera and the network; it is opened again and again".into());
            told.state(generation, StreamState::Lost, Some(why));
        }
        Notice::Back(_) => told.state(generation, StreamState::Watching, None),
        _ => {}
    });
    let options = WatchOptions {
        identify: IdentifyOptions {
            rate: Rate::Fpir(kept.fpir),
            among: kept.list.as_ref().map_or_else(Filter::default, Filter::list),
            ..IdentifyOptions::default()
        },
        keep_pictures: kept.pictures,
        ..WatchOptions::default()
    };
    let mut watcher =
        Watcher::new(&app.service, Some(gallery.as_ref()), options).map_err(|error| ended(&error))?;
    if kept.remember {
        let tell = |error: &phiz_gallery::GalleryError| tracing::warn!(%error, "a stranger cannot be kept");
        let strangers = StrangersOfGallery::new(&gallery, tell).map_err(|error| ended(&error))?;
        watcher = watcher.with_strangers(Box::new(strangers.before(&kept.name)));
    }
    let mut cooldown = Cooldown::default();
    let (mut zero, mut shown, mut swept) = (None, Instant::now(), None::<Instant>);
    let mut looked = Instant::now();
    let error = loop {
        let frame = match frames.next_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => break None,
            Err(error) => break Some(ended(&error)),
        };
        let zero = *zero.get_or_insert_with(|| {
            camera.state(generation, StreamState::Watching, None);
            seconds() - frame.time
        });
        post.iter_mut().for_each(|post| post.frame(frame.time));
        let events = match watcher.frame(&frame) {
            Ok(events) => events,
            Err(error) => break Some(ended(&error)),
        };
        if !camera.is(generation) && camera.gone.load(Ordering::Relaxed) {
            return Ok(());
        }
        let telling = Telling { app, camera, key: &key, zero, frame: Some(&frame) };
        telling.tell(&mut watcher, &events, post.as_mut(), &mut cooldown);
        telling.answer();
        if !events.is_empty() || looked.elapsed() >= Duration::from_millis(200) {
            looked = Instant::now();
            let now = state_of(&watcher, &frame, frames.dropped(), zero);
            camera.set(generation, |state| {
                (state.size, state.frames, state.dropped) = (now.size, now.frames, now.dropped);
                (state.present, state.visits) = (now.present, now.visits);
            });
        }
        let wanted = camera.pictures.receiver_count() > 0 && shown.elapsed() >= PREVIEW_PACE;
        if wanted && camera.kept().preview {
            shown = Instant::now();
            if let Ok(picture) = preview(&frame, &watcher.present(), PREVIEW_SIDE) {
                camera.pictures.send_replace(Some(Arc::new(picture)));
            }
        }
        if swept.is_none_or(|swept| swept.elapsed() > Duration::from_secs(3600)) {
            swept = Some(Instant::now());
            app.streams.deliveries.sweep();
            let days = camera.kept().keep_days;
            if let Err(error) = app.streams.forget_older(&kept.id, days) {
                tracing::warn!(error = error.message, "old visits cannot be forgotten");
            }
            if kept.remember
                && let Err(error) = StrangersOfGallery::forget_older(&gallery, days)
            {
                tracing::warn!(%error, "old strangers cannot be forgotten");
            }
        }
    };
    let events = watcher.finish();
    if !camera.gone.load(Ordering::Relaxed) {
        let telling = Telling { app, camera, key: &key, zero: zero.unwrap_or_else(seconds), frame: None };
        telling.tell(&mut watcher, &events, post.as_mut(), &mut cooldown);
    }
    camera.set(generation, |now| (now.present, now.visits) = (Vec::new(), Vec::new()));
    error.map_or(Ok(()), Err)
}

/// What is needed to tell what happened at one moment.
struct Telling<'a> {
    app: &'a App,
    camera: &'a Camera,
    key: &'a [u8; 32],
    /// Seconds since 1970 at the time 0.
    zero: f64,
    frame: Option<&'a Frame>,
}

impl Telling<'_> {
    /// Tells events, and keeps the visits that have ended.
    fn tell(
        &self,
        watcher: &mut Watcher<'_>,
        events: &[Event],
        mut post: Option<&mut Post>,
        cooldown: &mut Cooldown,
    ) {
        for visit in watcher.take_visits() {
            let picture = visit.picture.as_ref().and_then(|picture| picture.encode_jpeg(85).ok());
            let told = visit_of(&visit, self.zero, false, picture.is_some());
            let id = self.camera.kept().id;
            if let Err(error) = self.app.streams.keep_visit(self.key, &id, &told, picture.as_deref()) {
                tracing::error!(error = error.message, "a visit cannot be kept");
            }
        }
        for event in events {
            cooldown.set(self.camera.kept().cooldown);
            let passes = cooldown.passes(event);
            let snapshot = if passes { self.snapshot(event) } else { None };
            if let Some(post) = &mut post
                && let Err(error) = match passes {
                    true => post.send(event, post.at(event), &self.more(snapshot.as_deref())),
                    false => post.hold(event),
                }
            {
                // Whoever watches here should go on even if the disk is full.
                tracing::error!(%error, "an event cannot be delivered");
                lock(&self.camera.undelivered).insert("outbox".into(), error.to_string());
            }
            if passes {
                self.camera.publish(event, self.zero, snapshot);
            }
        }
    }

    /// Where whoever gets an event finds its picture.
    fn more(&self, snapshot: Option<&str>) -> Map<String, serde_json::Value> {
        let (stream, gallery) = (self.camera.kept().id, &self.camera.gallery);
        let path = snapshot.map(|id| format!("/v1/streams/{stream}/snapshots/{id}?gallery={gallery}"));
        path.into_iter().map(|path| ("snapshot".to_owned(), json!(path))).collect()
    }

    /// Keeps the picture of an event, if that is wanted; its id.
    fn snapshot(&self, event: &Event) -> Option<String> {
        let pictured =
            matches!(event.event, EventKind::Appeared | EventKind::Identified | EventKind::Changed);
        let frame = self.frame.filter(|_| pictured && self.camera.kept().snapshots)?;
        let told = StreamEvent::new(event, milli(self.zero + event.time));
        let told = StreamSnapshot {
            id: String::new(),
            at: milli(self.zero + frame.time),
            event: Some(told.event),
            track: Some(told.track),
            person: told.person,
            stranger: told.stranger,
            bbox: Some(told.bbox),
        };
        match self.app.streams.keep_snapshot(self.key, &self.camera.kept().id, frame, told) {
            Ok(kept) => Some(kept.id),
            Err(error) => {
                tracing::error!(error = error.message, "a snapshot cannot be kept");
                None
            }
        }
    }

    /// Answers those who have asked for a picture of this moment: one is kept for all of them.
    fn answer(&self) {
        let asking = std::mem::take(&mut *lock(&self.camera.asking));
        let Some(frame) = self.frame.filter(|_| !asking.is_empty()) else { return };
        let told = StreamSnapshot {
            id: String::new(),
            at: milli(self.zero + frame.time),
            event: None,
            track: None,
            person: None,
            stranger: None,
            bbox: None,
        };
        let kept = self.app.streams.keep_snapshot(self.key, &self.camera.kept().id, frame, told);
        asking.iter().for_each(|answer| _ = answer.try_send(kept.clone()));
    }
}

/// Ends what the server was in the middle of when it was killed: events for others, and visits that are kept.
fn recover(app: &App, camera: &Camera, key: &[u8; 32], post: Option<&Post>) -> Result<()> {
    let Some(post) = post else { return Ok(()) };
    let events = post.recover().map_err(ApiError::internal)?;
    for event in events.iter().filter(|event| event["event"] == "visit") {
        let number = |name: &str| event[name].as_f64().unwrap_or(0.0);
        let until = number("at");
        let visit = StreamVisit {
            id: String::new(),
            person: event["person"].as_str().map(str::to_owned),
            person_id: None,
            stranger: event["stranger"].as_u64(),
            from: milli(until - (number("time") - number("from")).max(0.0)),
            until,
            seen: number("seen"),
            fpir: None,
            current: false,
            picture: false,
        };
        app.streams.keep_visit(key, &camera.kept().id, &visit, None)?;
    }
    Ok(())
}

fn visit_of(visit: &Visit, zero: f64, current: bool, picture: bool) -> StreamVisit {
    StreamVisit {
        id: format!("v0{}", visit.tracks.first().copied().unwrap_or(0)),
        person: visit.who.person.clone(),
        person_id: visit.id.map(|id: PersonId| id.to_string()),
        stranger: visit.who.stranger,
        from: milli(zero + visit.from),
        until: milli(zero + visit.until),
        seen: milli(visit.seen),
        fpir: visit.fpir,
        current,
        picture,
    }
}

/// How a stream fares now.
fn state_of(watcher: &Watcher<'_>, frame: &Frame, dropped: u64, zero: f64) -> Now {
    let size = [frame.image.width(), frame.image.height()].map(|side| (side as f32 / frame.scale).round());
    let present = watcher.present();
    let mut visits: Vec<StreamVisit> =
        watcher.visits().iter().map(|visit| visit_of(visit, zero, true, false)).collect();
    visits.sort_by(|a, b| b.from.total_cmp(&a.from));
    Now {
        size: Some(size.map(|side| side as u32)),
        frames: watcher.work().frames,
        dropped,
        present: present
            .into_iter()
            .map(|there| {
                let [x, y, w, h] = there.bbox.map(|v| (v * 10.0).round() / 10.0);
                Present {
                    track: there.track,
                    person: there.who.person,
                    person_id: there.id.map(|id| id.to_string()),
                    stranger: there.who.stranger,
                    bbox: [x, y, w, h],
                    box_share: [x / size[0], y / size[1], w / size[0], h / size[1]],
                }
            })
            .collect(),
        visits,
        ..Now::new(StreamState::Watching)
    }
}

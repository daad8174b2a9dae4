//! Events of streams on their way to webhooks and MQTT brokers.
//!
//! Each gallery has an outbox of its own (`outbox.GALLERY.db` in the home folder), sealed by a key that the gallery keeps. Each
//! stream has at most two targets, known there by the stream's id: so events that wait for an address that was wrong go to the
//! right one once it is set, and what one receiver does not take holds up no other stream.
//!
//! A broker retains what it was told of a stream. When the stream is deleted, renamed or goes to another broker, that is taken
//! back, again and again until the broker has acknowledged it; what is still to be taken back lies sealed in the gallery.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use phiz_deliver::{
    DeliverError, Deliverer, Keyed, Mqtt, Outbox, Target, Told, Webhook, origin, secret_of, shown, slug,
};
use phiz_gallery::{Gallery, Memo};
use phiz_video::{Post, Source};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use crate::app::App;
use crate::error::{ApiError, Result};
use crate::settings::Settings;
use crate::streams::{Camera, Kept, lock, seconds};

/// The secret that signs webhooks of all streams which have none of their own; `phiz watch` uses the same.
const SECRET: &str = "webhook.secret";

/// Whom a stream's events go to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recipients {
    /// The webhook's address, with the secrets that it may hold.
    pub(crate) webhook: Option<String>,
    /// The broker's.
    pub(crate) mqtt: Option<String>,
}

impl Recipients {
    /// A stream's own, or where it says nothing those of the settings. An empty address is nobody's.
    pub(crate) fn of(kept: &Kept, settings: &Settings) -> Recipients {
        let one = |own: &Option<String>, all: &Option<String>| {
            own.clone().or_else(|| all.clone()).filter(|address| !address.is_empty())
        };
        Recipients { webhook: one(&kept.webhook, &settings.webhook), mqtt: one(&kept.mqtt, &settings.mqtt) }
    }

    /// As it is told: without credentials, and a webhook without its path, which often is one.
    pub(crate) fn told(&self) -> [Option<String>; 2] {
        [self.webhook.as_deref().map(origin), self.mqtt.as_deref().map(shown)]
    }

    /// By what the outbox knows them.
    fn keys(&self, stream: &str) -> Vec<String> {
        let mut keys = Vec::new();
        if self.webhook.is_some() {
            keys.push(webhook_key(stream));
        }
        if self.mqtt.is_some() {
            keys.push(mqtt_key(stream));
        }
        keys
    }
}

fn webhook_key(stream: &str) -> String {
    format!("webhook:{stream}")
}

fn mqtt_key(stream: &str) -> String {
    format!("mqtt:{stream}")
}

/// Refuses addresses that are none, and secrets that are too short.
pub(crate) fn check(kept: &Kept) -> Result<()> {
    let wrong = |field: &str, error: DeliverError| match error {
        DeliverError::Address { reason, .. } => ApiError::value(field, reason, error_hint(field)),
        error => ApiError::internal(error),
    };
    let long = |address: &str| address.len() > 2000 || address.chars().any(char::is_control);
    if let Some(url) = kept.webhook.as_deref().filter(|url| !url.is_empty()) {
        Webhook::new(url, Vec::new()).map_err(|error| wrong("webhook", error))?;
        if long(url) {
            return Err(ApiError::value(
                "webhook",
                "is too long, or holds a line break",
                error_hint("webhook"),
            ));
        }
    }
    if let Some(url) = kept.mqtt.as_deref().filter(|url| !url.is_empty()) {
        Mqtt::new(url, Vec::new()).map_err(|error| wrong("mqtt", error))?;
        if long(url) {
            return Err(ApiError::value("mqtt", "is too long, or holds a line break", error_hint("mqtt")));
        }
    }
    if kept.webhook_secret.as_deref().is_some_and(|secret| !(16..=1000).contains(&secret.trim().len())) {
        return Err(ApiError::value(
            "webhook_secret",
            "is shorter than 16 characters, or longer than 1,000",
            "make one with: openssl rand -hex 32",
        ));
    }
    Ok(())
}

fn error_hint(field: &str) -> &'static str {
    match field {
        "webhook" => "give http://HOST/PATH or https://HOST/PATH, or an empty text for none",
        _ => "give mqtt://USER:PASSWORD@HOST/PREFIX or mqtts://…, or an empty text for none",
    }
}

/// What a broker retains of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Published {
    mqtt: String,
    topic: String,
}

/// What is to be taken back, and since when.
#[derive(Clone, Serialize, Deserialize)]
struct Retraction {
    published: Published,
    since: f64,
}

/// Pauses before a broker is asked again to forget grow from this to that.
const FIRST_PAUSE: f64 = 0.5;
const LONGEST_PAUSE: f64 = 300.0;
/// A broker that was away for so many seconds is asked no more.
const GIVEN_UP: f64 = 30.0 * 24.0 * 3600.0;

/// A gallery's outbox, and the key by which it is sealed.
type Opened = ([u8; 32], Arc<Outbox>);

/// The outboxes of all galleries, and which topics are whose.
pub(crate) struct Deliveries {
    home: PathBuf,
    outboxes: Mutex<BTreeMap<String, Opened>>,
    /// Streams by their part of topics.
    topics: Mutex<BTreeMap<String, String>>,
}

impl Deliveries {
    pub(crate) fn new(home: PathBuf) -> Deliveries {
        Deliveries { home, outboxes: Mutex::default(), topics: Mutex::default() }
    }

    fn outbox(&self, name: &str, gallery: &Gallery) -> Result<Arc<Outbox>> {
        let key = gallery.key_beside()?;
        let mut all = lock(&self.outboxes);
        if let Some((_, outbox)) = all.get(name).filter(|(known, _)| *known == key) {
            return Ok(Arc::clone(outbox));
        }
        let path = self.home.join(format!("outbox.{name}.db"));
        let outbox = Outbox::open(&path, Some(&key)).map_err(|error| broken(&error))?;
        all.insert(name.into(), (key, Arc::clone(&outbox)));
        Ok(outbox)
    }

    /// A stream's part of topics: the one that it has, otherwise its name, and with another stream of that name its id, too.
    pub(crate) fn topic(&self, kept: &Kept) -> String {
        let mut all = lock(&self.topics);
        all.retain(|_, stream| *stream != kept.id);
        let topic = kept.topic.clone().unwrap_or_else(|| {
            let name = slug(&kept.name);
            if all.contains_key(&name) { format!("{name}_{}", kept.id) } else { name }
        });
        all.insert(topic.clone(), kept.id.clone());
        topic
    }

    /// What a broker retains of a stream; none if none was told of it.
    pub(crate) fn published(&self, kept: &Kept, settings: &Settings) -> Option<Published> {
        let mqtt = Recipients::of(kept, settings).mqtt?;
        let all = lock(&self.topics);
        let topic = all.iter().find(|(_, stream)| **stream == kept.id).map(|(topic, _)| topic.clone())?;
        Some(Published { mqtt, topic })
    }

    /// Takes back what a broker retains of a stream, once those who published it have ended.
    pub(crate) fn retract(
        &self,
        app: &App,
        gallery: &Arc<Gallery>,
        published: Published,
        ending: Vec<JoinHandle<()>>,
    ) {
        let retraction = Retraction { published: published.clone(), since: seconds() };
        if let Err(error) = change_retractions(gallery, |all| all.push(retraction.clone())) {
            // It is tried nevertheless, as long as the server runs.
            tracing::error!(error = error.message, "what is to be taken back from a broker cannot be kept");
        }
        begin_to_retract(app, gallery, published, ending);
    }

    /// Takes back what an earlier run of the server could not.
    pub(crate) fn go_on_retracting(&self, app: &App, gallery: &Arc<Gallery>) {
        let mut left = Vec::new();
        let read = change_retractions(gallery, |all| {
            all.retain(|one| seconds() - one.since < GIVEN_UP);
            left = all.iter().map(|one| one.published.clone()).collect();
        });
        if let Err(error) = read {
            tracing::error!(error = error.message, "what is to be taken back from brokers cannot be read");
        }
        for published in left {
            begin_to_retract(app, gallery, published, Vec::new());
        }
    }

    /// What brings a stream's events to its outbox; none if nobody is to hear of them.
    pub(crate) fn post(&self, app: &App, camera: &Camera, gallery: &Gallery) -> Result<Option<Post>> {
        let kept = camera.kept();
        let keys = Recipients::of(&kept, &app.settings).keys(&kept.id);
        if keys.is_empty() {
            return Ok(None);
        }
        let outbox = self.outbox(&camera.gallery, gallery)?;
        let about = Map::from_iter([
            ("source".to_owned(), json!(Source::Address(kept.url).name())),
            ("stream".to_owned(), json!(kept.id)),
            ("name".to_owned(), json!(kept.name)),
        ]);
        Post::new(outbox, keys, &kept.id, about, None).map(Some).map_err(|error| broken(&error))
    }

    /// Begins to deliver a stream's events, in place of whoever did so before: the threads of those, which are ending.
    pub(crate) fn begin(&self, app: &App, camera: &Arc<Camera>, gallery: &Gallery) -> Vec<JoinHandle<()>> {
        let ending = lock(&camera.deliverers).drain(..).map(Deliverer::end).collect();
        lock(&camera.undelivered).clear();
        let kept = camera.kept();
        let recipients = Recipients::of(&kept, &app.settings);
        let targets = self.targets(&kept, &recipients, &app.settings);
        for (key, target) in targets {
            let begun = target.and_then(|target| {
                let outbox = self.outbox(&camera.gallery, gallery)?;
                let (told, of) = (Arc::clone(camera), key.clone());
                let tell = move |known: Told| tell(&told, &of, &known);
                let target = Box::new(Keyed::new(key.clone(), target));
                Deliverer::start(outbox, target, tell).map_err(|error| broken(&error))
            });
            match begun {
                Ok(deliverer) => lock(&camera.deliverers).push(deliverer),
                Err(error) => {
                    tracing::error!(stream = kept.id, error = error.message, "events cannot be delivered");
                    lock(&camera.undelivered).insert(key, error.message);
                }
            }
        }
        ending
    }

    fn targets(
        &self,
        kept: &Kept,
        recipients: &Recipients,
        settings: &Settings,
    ) -> Vec<(String, Result<Box<dyn Target>>)> {
        let mut targets: Vec<(String, Result<Box<dyn Target>>)> = Vec::new();
        if let Some(url) = &recipients.webhook {
            let secret = match (&kept.webhook_secret, &settings.webhook_secret) {
                (Some(secret), _) => Ok(secret.trim().as_bytes().to_vec()),
                (None, Some(path)) => secret_of(path, false).map(|(secret, _)| secret),
                (None, None) => secret_of(&self.home.join(SECRET), true).map(|(secret, _)| secret),
            };
            let target = secret.and_then(|secret| Webhook::new(url, secret));
            let target = target.map(|target| Box::new(target) as Box<dyn Target>);
            targets.push((webhook_key(&kept.id), target.map_err(|error| broken(&error))));
        }
        if let Some(url) = &recipients.mqtt {
            let stream = phiz_deliver::Stream {
                source: Source::Address(kept.url.clone()).name(),
                slug: self.topic(kept),
                name: kept.name.clone(),
            };
            let target = Mqtt::new(url, vec![stream]).map(|target| Box::new(target) as Box<dyn Target>);
            targets.push((mqtt_key(&kept.id), target.map_err(|error| broken(&error))));
        }
        targets
    }

    /// Forgets what waits for recipients that a stream has no longer; with a stream that is gone, everything of it.
    pub(crate) fn forget(&self, app: &App, camera: &Camera, gallery: &Gallery, gone: bool) -> Result<()> {
        let kept = camera.kept();
        let wanted = match gone {
            true => Vec::new(),
            false => Recipients::of(&kept, &app.settings).keys(&kept.id),
        };
        // Where nothing was ever sent there is nothing to forget, and no file to make.
        if !self.home.join(format!("outbox.{}.db", camera.gallery)).exists() {
            return Ok(());
        }
        let outbox = self.outbox(&camera.gallery, gallery)?;
        for key in [webhook_key(&kept.id), mqtt_key(&kept.id)] {
            if !wanted.contains(&key) {
                outbox.forget(&key).map_err(|error| broken(&error))?;
            }
        }
        if gone {
            outbox.forget_states(&kept.id).map_err(|error| broken(&error))?;
            lock(&self.topics).retain(|_, stream| *stream != kept.id);
        }
        Ok(())
    }

    /// Forgets what is too old in all outboxes.
    pub(crate) fn sweep(&self) {
        let all: Vec<Arc<Outbox>> = lock(&self.outboxes).values().map(|(_, outbox)| outbox.clone()).collect();
        for outbox in all {
            if let Err(error) = outbox.sweep() {
                tracing::warn!(%error, "old events cannot be forgotten");
            }
        }
    }

    /// Waits for what is on its way, but not longer than this, and ends all delivery. What is left goes after the next start.
    pub(crate) fn end(&self, cameras: &[Arc<Camera>], most: Duration) {
        let begun = std::time::Instant::now();
        let all: Vec<Opened> = lock(&self.outboxes).values().cloned().collect();
        let targets: Vec<String> = cameras
            .iter()
            .filter(|camera| lock(&camera.undelivered).is_empty())
            .flat_map(|camera| {
                let deliverers = lock(&camera.deliverers);
                deliverers.iter().map(|deliverer| deliverer.target().to_owned()).collect::<Vec<_>>()
            })
            .collect();
        let waiting = || all.iter().any(|(_, outbox)| outbox.waiting(&targets).is_ok_and(|count| count > 0));
        while begun.elapsed() < most && waiting() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let threads: Vec<JoinHandle<()>> = cameras
            .iter()
            .flat_map(|camera| lock(&camera.deliverers).drain(..).map(Deliverer::end).collect::<Vec<_>>())
            .collect();
        // A moment for brokers to be told goodbye.
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_secs(1) && threads.iter().any(|thread| !thread.is_finished()) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn change_retractions(gallery: &Gallery, mut change: impl FnMut(&mut Vec<Retraction>)) -> Result<()> {
    gallery.change_memo(Memo::Topics, |bytes| {
        let known = bytes.as_deref().map_or(Ok(Vec::new()), serde_json::from_slice);
        let mut all: Vec<Retraction> = known.map_err(ApiError::internal)?;
        change(&mut all);
        *bytes = match all.is_empty() {
            true => None,
            false => Some(serde_json::to_vec(&all).map_err(ApiError::internal)?),
        };
        Ok(())
    })?
}

fn begin_to_retract(app: &App, gallery: &Arc<Gallery>, published: Published, ending: Vec<JoinHandle<()>>) {
    let (app, gallery) = (app.clone(), Arc::clone(gallery));
    let work = move || {
        ending.into_iter().for_each(|thread| _ = thread.join());
        retract(&app, &gallery, &published);
    };
    if let Err(error) = std::thread::Builder::new().name("phiz-retract".into()).spawn(work) {
        tracing::error!(%error, "what a broker retains of a stream is taken back after the next start");
    }
}

/// Takes back what a broker retains, again and again until it has acknowledged that.
fn retract(app: &App, gallery: &Arc<Gallery>, published: &Published) {
    let (begun, mut pause) = (std::time::Instant::now(), FIRST_PAUSE);
    // Another stream may have these topics by now.
    while app.streams.publisher(app, published).is_none() && begun.elapsed().as_secs_f64() < GIVEN_UP {
        let topic = published.topic.clone();
        let stream = phiz_deliver::Stream { source: String::new(), slug: topic, name: String::new() };
        let retracted = Mqtt::new(&published.mqtt, vec![stream])
            .map_err(|error| std::io::Error::other(error.to_string()))
            .and_then(|mqtt| mqtt.retract());
        match retracted {
            Ok(_) => break,
            Err(error) => {
                let broker = shown(&published.mqtt);
                tracing::info!(broker, %error, "what a broker retains of a stream is not taken back yet");
            }
        }
        let until = std::time::Instant::now() + Duration::from_secs_f64(pause);
        while std::time::Instant::now() < until {
            // What is left is taken back after the next start.
            if *app.stop.borrow() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        pause = (pause * 2.0).min(LONGEST_PAUSE);
    }
    if let Err(error) = change_retractions(gallery, |all| all.retain(|one| one.published != *published)) {
        tracing::error!(error = error.message, "what was taken back from a broker cannot be noted");
    }
    // A stream that has just got these topics tells them anew.
    if let Some(camera) = app.streams.publisher(app, published)
        && let Ok(gallery) = app.galleries.get(&camera.gallery)
    {
        _ = app.streams.deliveries.begin(app, &camera, &gallery);
    }
}

fn tell(camera: &Camera, key: &str, known: &Told) {
    let stream = camera.kept().id;
    tracing::info!(stream, "{known}");
    match known {
        Told::Away(target, why) => {
            lock(&camera.undelivered).insert(key.into(), format!("{target}: {why}"));
        }
        Told::Back(_) => _ = lock(&camera.undelivered).remove(key),
        _ => {}
    }
    camera.changed();
}

/// What the outbox or a secret's file does not allow.
fn broken(error: &DeliverError) -> ApiError {
    let mut told = ApiError::internal(error);
    // Whoever may read a stream's state may know which file of the server is in the way.
    told.message = error.to_string();
    told.remedy = error.hint().into();
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_name_have_topics_of_their_own_and_keep_them() {
        let deliveries = Deliveries::new(PathBuf::new());
        let kept = |id: &str, name: &str| Kept { id: id.into(), name: name.into(), ..Kept::default() };
        assert_eq!(deliveries.topic(&kept("c1", "Front door")), "front_door");
        assert_eq!(deliveries.topic(&kept("c2", "front-door")), "front_door_c2");
        assert_eq!(deliveries.topic(&kept("c1", "Front door")), "front_door");
        assert_eq!(deliveries.topic(&kept("c1", "Garden")), "garden");
        assert_eq!(deliveries.topic(&kept("c2", "front-door")), "front_door");
    }

    #[test]
    fn a_stream_s_own_recipients_come_before_the_settings_and_none_is_a_choice() {
        let mut settings = Settings::default();
        settings.webhook = Some("https://all.example/hook/s3cret".into());
        let of = |webhook: Option<&str>| {
            let kept = Kept { webhook: webhook.map(str::to_owned), ..Kept::default() };
            Recipients::of(&kept, &settings).told()[0].clone()
        };
        assert_eq!(of(None).as_deref(), Some("https://all.example"));
        assert_eq!(of(Some("http://u:s3cret@own:8123/api/x")).as_deref(), Some("http://own:8123"));
        assert_eq!(of(Some("")), None);
    }
}

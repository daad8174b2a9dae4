//! Events of `phiz watch` on their way to others: a webhook, an MQTT broker, a folder of snapshots.
//!
//! Each event gets an id and goes to the outbox before it is printed. For a file the id follows from the file and the event, so
//! that watching it again brings nothing twice. For a camera it follows from the run; what a run that was killed was in the
//! middle of is ended by the next one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use phiz_deliver::{DeliverError, Deliverer, Mqtt, Outbox, Stream, Target, Told, Webhook, secret_of, slug};
use phiz_gallery::Gallery;
use phiz_video::{Event, EventKind, Frame, Source};
use serde::Serialize;
use serde_json::{Map, Value, json};

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
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The secret that signs webhooks: of a file, which is made if it is ours.
fn secret(named: Option<&Path>, home: &Path) -> Result<Vec<u8>, Failure> {
    let own = home.join("webhook.secret");
    let path = named.unwrap_or(&own);
    let (secret, made) = secret_of(path, named.is_none())?;
    if made {
        note!("note: the secret by which the receiver checks signatures lies in {}", path.display());
    }
    Ok(secret)
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
        Ok(Some(Delivery { outbox, targets: keys, deliverers: Mutex::new(deliverers) }))
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

/// What brings the events of one source to everybody.
pub(crate) struct Post {
    post: Option<phiz_video::Post>,
    snapshots: Option<PathBuf>,
    source: String,
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

impl Post {
    /// For a source; `live` if it cannot be watched again.
    pub(crate) fn new(
        delivery: Option<&Delivery>,
        arguments: &Arguments,
        source: &Source,
        live: bool,
    ) -> Result<Post, Failure> {
        let name = source.name();
        let file = source.path().filter(|_| !live);
        let about = Map::from_iter([("source".to_owned(), json!(name))]);
        let post = delivery.map(|delivery| {
            let (outbox, targets) = (Arc::clone(&delivery.outbox), delivery.targets.clone());
            phiz_video::Post::new(outbox, targets, &name, about, file)
        });
        Ok(Post { post: post.transpose()?, snapshots: arguments.snapshots.clone(), source: name })
    }

    /// Ends what an earlier run of this source was in the middle of: events as JSON objects.
    pub(crate) fn recover(&self) -> Result<Vec<Value>, Failure> {
        Ok(self.post.as_ref().map_or(Ok(Vec::new()), phiz_video::Post::recover)?)
    }

    /// A frame has come: times are counted from the first.
    pub(crate) fn frame(&mut self, frame: &Frame) {
        if let Some(post) = &mut self.post {
            post.frame(frame.time);
        }
    }

    /// Brings an event on its way, with the picture of the present frame if one is wanted. When this returns, it is certain that
    /// it will be delivered.
    pub(crate) fn send(&mut self, event: &Event, frame: Option<&Frame>) -> Result<Sent, Failure> {
        let at = self.post.as_ref().map_or_else(now, |post| post.at(event));
        let mut sent = Sent::default();
        let pictured =
            matches!(event.event, EventKind::Appeared | EventKind::Identified | EventKind::Changed);
        if let (Some(folder), Some(frame), true) = (&self.snapshots, frame, pictured) {
            sent.snapshot = Some(self.snapshot(folder, event, frame, at)?);
        }
        let Some(post) = &mut self.post else { return Ok(sent) };
        let more = sent.snapshot.iter().map(|path| ("snapshot".to_owned(), json!(path))).collect();
        let posted = post.send(event, at, &more)?;
        (sent.id, sent.at, sent.known) = (Some(posted.id), Some(posted.at), !posted.new);
        Ok(sent)
    }

    /// Takes an event into account that is held back.
    pub(crate) fn hold(&mut self, event: &Event) -> Result<(), Failure> {
        self.post.as_mut().map_or(Ok(()), |post| post.hold(event).map(|_| ()))?;
        Ok(())
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

//! What all requests share, and who a request comes from.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use phiz_gallery::Gallery;
use phiz_service::{AlignedFace, Face, PhotoAnswer, Service};
use tokio::sync::{Notify, Semaphore};

use crate::archives::Archives;
use crate::book::{Book, Scope};
use crate::error::{ApiError, Code, Result};
use crate::galleries::{Galleries, MAIN};
use crate::jobs::Jobs;
use crate::limits::Buckets;
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::settings::Settings;
use crate::streams::Streams;

/// The faces of a request's photos: found, and described.
type Found = Vec<PhotoAnswer<AlignedFace>>;
type Described = Vec<PhotoAnswer<Face>>;

/// How many faces a request has.
pub(crate) fn faces(request: &Found) -> usize {
    request.iter().map(|photo| photo.faces.len()).sum()
}

/// Describes the faces of several requests together.
pub(crate) fn describe(service: &Service, requests: Vec<Found>) -> Vec<Result<Described>> {
    let counts: Vec<usize> = requests.iter().map(Vec::len).collect();
    match service.describe(requests.into_iter().flatten().collect()) {
        Ok(all) => {
            let mut all = all.into_iter();
            counts.into_iter().map(|photos| Ok(all.by_ref().take(photos).collect())).collect()
        }
        // Only the network fails here, and it would for each.
        Err(problem) => counts.iter().map(|_| Err(problem.clone().into())).collect(),
    }
}

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) home: PathBuf,
    pub(crate) service: Arc<Service>,
    pub(crate) galleries: Galleries,
    /// What is known of photos and strangers.
    pub(crate) archives: Archives,
    pub(crate) book: Book,
    pub(crate) pool: Pool<Found, Result<Described>>,
    pub(crate) jobs: Jobs,
    pub(crate) streams: Streams,
    pub(crate) metrics: Metrics,
    /// Requests by key or address.
    pub(crate) rates: Buckets<String>,
    /// Wrong keys and passphrases by address.
    pub(crate) attempts: Buckets<std::net::IpAddr>,
    /// Thousands of bytes that bodies may take.
    pub(crate) memory: Arc<Semaphore>,
    pub(crate) memory_units: u32,
    /// Passphrases that are hashed at a time: each takes 19 MiB.
    pub(crate) hashing: Semaphore,
    /// The code that sets the server up, shown on the terminal.
    pub(crate) setup_code: String,
    /// Told when a passphrase or a key has come into being.
    pub(crate) set_up: Notify,
    pub(crate) stopping: AtomicBool,
    /// Ends open event streams.
    pub(crate) stop: tokio::sync::watch::Receiver<bool>,
    pub(crate) tls: bool,
    pub(crate) started: Instant,
    /// Names this run: claims of another were interrupted.
    pub(crate) run: String,
}

/// A handle on what all requests share.
#[derive(Clone)]
pub(crate) struct App(pub(crate) Arc<Shared>);

impl Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// Runs work that waits for the disk.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&App) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let app = self.clone();
        tokio::task::spawn_blocking(move || work(&app)).await?
    }

    /// Finds faces, describes them together with those of other requests that wait, and does the rest: `first` and `rest` on one of
    /// the pool's threads.
    pub(crate) async fn compute_faces<T: Send + 'static>(
        &self,
        first: impl FnOnce(&App) -> Result<Found> + Send + 'static,
        rest: impl FnOnce(&App, Described) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (app, own) = (self.clone(), self.clone());
        self.pool.run_staged(move || first(&app), move |described| rest(&own, described?)).await
    }

    /// Computes on one of the pool's threads.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce(&App) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let app = self.clone();
        self.pool.run(move || work(&app)).await?
    }
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// How somebody has shown who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// By a key, with its id.
    Key(String),
    /// By a session, with its secret.
    Session(String),
}

/// Somebody who may come in.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) who: Who,
    pub(crate) scope: Scope,
    /// The galleries that they are confined to.
    pub(crate) galleries: Option<Vec<String>>,
}

impl Caller {
    /// For the audit.
    pub(crate) fn name(&self) -> String {
        match &self.who {
            Who::Key(id) => id.clone(),
            Who::Session(_) => "session".into(),
        }
    }

    pub(crate) fn may_use(&self, gallery: &str) -> bool {
        self.galleries.as_ref().is_none_or(|names| names.iter().any(|name| name == gallery))
    }

    pub(crate) fn need(&self, scope: Scope) -> Result<()> {
        if self.scope >= scope {
            return Ok(());
        }
        Err(ApiError::new(
            Code::Forbidden,
            format!("this needs the scope {scope}, and the key has {}", self.scope),
            format!("use a key made with: phiz key new --scope {scope}"),
        ))
    }
}

/// The gallery that a request names.
pub(crate) fn gallery_name(parts: &Parts) -> Result<String> {
    let wrong = || ApiError::value("gallery", "is no name of a gallery", "GET /v1/galleries lists all");
    if let Some(value) = parts.headers.get("phiz-gallery") {
        return value.to_str().map(str::to_owned).map_err(|_| wrong());
    }
    let query = parts.uri.query().unwrap_or_default();
    let named = query.split('&').find_map(|pair| pair.strip_prefix("gallery="));
    match named {
        None => Ok(MAIN.into()),
        // Names need no escaping.
        Some(name) if crate::galleries::is_name(name) => Ok(name.into()),
        Some(_) => Err(wrong()),
    }
}

/// Somebody who may do what a route is for, and the gallery that they mean.
pub(crate) struct Access {
    pub(crate) caller: Caller,
    pub(crate) gallery: Arc<Gallery>,
    pub(crate) gallery_name: String,
}

fn caller(parts: &Parts, app: &App) -> Result<Caller> {
    if let Some(caller) = parts.extensions.get::<Caller>() {
        return Ok(caller.clone());
    }
    if !app.book.is_set_up().map_err(ApiError::internal)? {
        return Err(ApiError::new(
            Code::SetupNeeded,
            "nobody has set a passphrase or made a key yet",
            "open the address that `phiz serve` has printed, or make a key: phiz key new --scope admin",
        ));
    }
    Err(ApiError::new(
        Code::Unauthorised,
        "no key and no session came with the request",
        "send the header Authorization: Bearer KEY; `phiz key new` makes a key",
    ))
}

fn access(parts: &Parts, app: &App, scope: Scope) -> Result<Access> {
    let caller = caller(parts, app)?;
    caller.need(scope)?;
    let gallery_name = gallery_name(parts)?;
    if !caller.may_use(&gallery_name) {
        return Err(ApiError::new(
            Code::Forbidden,
            "the key is confined to other galleries",
            "name one that it may use (header Phiz-Gallery), or use another key",
        ));
    }
    let gallery = app.galleries.get(&gallery_name)?;
    Ok(Access { caller, gallery, gallery_name })
}

macro_rules! scoped {
    ($($name:ident $scope:ident $what:literal;)*) => {$(
        #[doc = $what]
        pub(crate) struct $name(pub(crate) Access);

        impl FromRequestParts<App> for $name {
            type Rejection = ApiError;
            async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<$name> {
                access(parts, app, Scope::$scope).map($name)
            }
        }
    )*};
}

scoped! {
    Reader Read "Somebody who may look at the gallery.";
    Enroller Enrol "Somebody who may change people and faces of the gallery.";
    Admin Admin "Somebody who may do everything with the gallery.";
}

/// Somebody who may manage what is no gallery's: keys, galleries, the audit. A key that is confined to some galleries may
/// not: it could make itself a key for the others.
pub(crate) struct Manager;

impl FromRequestParts<App> for Manager {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Manager> {
        let caller = caller(parts, app)?;
        caller.need(Scope::Admin)?;
        if caller.galleries.is_some() {
            return Err(ApiError::new(
                Code::Forbidden,
                "the key is confined to some galleries",
                "use a key for all galleries",
            ));
        }
        Ok(Manager)
    }
}

/// Somebody who may come in, whatever for.
pub(crate) struct Anyone(pub(crate) Caller);

impl FromRequestParts<App> for Anyone {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Anyone> {
        caller(parts, app).map(Anyone)
    }
}

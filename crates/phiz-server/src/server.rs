//! The server's life: prepare, listen, serve, stop.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse as _;
use axum::routing::get;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use phiz_service::{Place, Service};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};
use tower::ServiceExt as _;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::app::{App, Peer, Shared};
use crate::archives::Archives;
use crate::book::Book;
use crate::error::{ApiError, Code};
use crate::galleries::Galleries;
use crate::jobs::Jobs;
use crate::limits::{Buckets, network};
use crate::metrics::Metrics;
use crate::pool::{Pool, Together};
use crate::settings::Settings;
use crate::streams::Streams;
use crate::{guard, openapi, page, routes, secret, tls};

/// Most bytes of a request's headers, and most of them.
const HEADER_BYTES: usize = 32 * 1024;
const HEADERS: usize = 64;
/// Faces that are described together at most, unless one photo has more. Each waits as a picture of 38 kB.
const FACES_TOGETHER: usize = 32;

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The gallery or the models cannot be used.
    #[error(transparent)]
    Service(#[from] phiz_service::Error),
    /// A file or a port cannot be used.
    #[error("{what}: {source}")]
    Io {
        /// Which.
        what: String,
        /// The reason that the operating system gave.
        source: std::io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("{what}: {reason}")]
    Tls {
        /// Which file.
        what: String,
        /// Why not.
        reason: String,
    },
}

impl ServerError {
    fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> ServerError {
        let what = what.into();
        move |source| ServerError::Io { what, source }
    }

    /// What can be done about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            ServerError::Service(_) => "see what `phiz people` says of the gallery",
            ServerError::Io { .. } => {
                "check that the folder may be written to, and that no other program uses the port (choose another with --listen)"
            }
            ServerError::Tls { .. } => {
                "name PEM files with tls_certificate and tls_key, or set tls_self_signed=true"
            }
        }
    }
}

/// A server that is ready to run.
pub struct Server {
    app: App,
    tls: Option<tokio_rustls::TlsAcceptor>,
    stop: watch::Sender<bool>,
    listener: std::net::TcpListener,
    wanted: SocketAddr,
    fingerprint: Option<String>,
}

/// Where a server listens, for whoever started it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The address, with the port that was given if port 0 was asked for.
    pub address: SocketAddr,
    /// Whether another address was asked for, which has to wait until somebody has set the server up.
    pub held_back: Option<SocketAddr>,
    /// The address to open in a browser.
    pub url: String,
    /// SHA-256 of the certificate that was made.
    pub fingerprint: Option<String>,
    /// Whether nobody has set the server up; then the URL holds the code for it.
    pub setup_needed: bool,
}

fn loopback_of(address: SocketAddr) -> SocketAddr {
    if address.ip().is_loopback() {
        return address;
    }
    match address.ip() {
        IpAddr::V4(_) => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(_) => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
    }
}

impl Server {
    /// Opens everything and takes the port. Until somebody has set a passphrase or made a key, this is a port of the
    /// loopback interface, whatever was asked for.
    ///
    /// # Errors
    /// The gallery, a file or the port cannot be used.
    pub fn prepare(
        settings: Settings,
        home: &Path,
        place: &Place,
        service: Service,
    ) -> Result<Server, ServerError> {
        let at = |what: &Path| ServerError::io(what.display().to_string());
        // Galleries first: they make the home folder, readable by its owner alone.
        let galleries = Galleries::open(home.to_owned(), place, &service)?;
        let book = Book::open(home).map_err(at(home))?;
        let streams = Streams::open(home).map_err(at(home))?;
        let (acceptor, fingerprint) = tls::acceptor(&settings, home)?;
        let is_set_up = book.is_set_up().map_err(at(home))?;
        let wanted = settings.listen;
        let first = if is_set_up { wanted } else { loopback_of(wanted) };
        let listener = std::net::TcpListener::bind(first).map_err(ServerError::io(first.to_string()))?;
        listener.set_nonblocking(true).map_err(ServerError::io(first.to_string()))?;
        let service = Arc::new(service);
        let own = service.clone();
        let together = move |requests| crate::app::describe(&own, requests);
        let limit = Together { work: settings.batch, weight: FACES_TOGETHER };
        let pool = Pool::start(settings.worker_threads(), settings.queue, limit, crate::app::faces, together)
            .map_err(ServerError::io("threads"))?;
        let random = |e| ServerError::Io { what: "random numbers".into(), source: e };
        let setup_code = secret::token().map_err(random)?.chars().take(22).collect();
        let run = secret::token().map_err(random)?;
        let memory_units = u32::try_from(settings.memory_mb * 1000).unwrap_or(u32::MAX);
        let (stop, stopped) = watch::channel(false);
        let app = App(Arc::new(Shared {
            rates: Buckets::new(settings.requests_per_second, settings.requests_per_second * 2.0),
            attempts: Buckets::new(
                settings.attempts_per_minute / 60.0,
                settings.attempts_per_minute.max(1.0),
            ),
            memory: Arc::new(Semaphore::new(memory_units as usize)),
            memory_units,
            hashing: Semaphore::new(2),
            home: home.to_owned(),
            service,
            galleries,
            archives: Archives::default(),
            book,
            pool,
            jobs: Jobs::default(),
            streams,
            metrics: Metrics::default(),
            setup_code,
            set_up: Notify::new(),
            stopping: AtomicBool::new(false),
            stop: stopped,
            tls: acceptor.is_some(),
            started: Instant::now(),
            run,
            settings,
        }));
        Ok(Server { app, tls: acceptor, stop, listener, wanted, fingerprint })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The port is gone.
    pub fn listening(&self) -> Result<Listening, ServerError> {
        let address = self.listener.local_addr().map_err(ServerError::io("listener"))?;
        let setup_needed = !self.app.book.is_set_up().map_err(ServerError::io("server.db"))?;
        let scheme = if self.app.tls { "https" } else { "http" };
        let shown = if address.ip().is_unspecified() { loopback_of(address) } else { address };
        let path = if setup_needed { format!("/setup#{}", self.app.setup_code) } else { "/".into() };
        Ok(Listening {
            address,
            held_back: (address.ip() != self.wanted.ip()).then_some(self.wanted),
            url: format!("{scheme}://{shown}{path}"),
            fingerprint: self.fingerprint.clone(),
            setup_needed,
        })
    }

    /// Serves until `until` is done, then finishes what it has begun.
    ///
    /// # Errors
    /// The runtime cannot be started.
    pub fn run(self, until: impl Future<Output = ()> + Send + 'static) -> Result<(), ServerError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(16)
            .thread_name("phiz-serve")
            .enable_all()
            .build()
            .map_err(ServerError::io("runtime"))?;
        let done = runtime.block_on(self.serve(until));
        // What waits for the disk may finish; a computation that nobody waits for may not hold the end up.
        runtime.shutdown_timeout(Duration::from_secs(1));
        done
    }

    async fn serve(self, until: impl Future<Output = ()> + Send + 'static) -> Result<(), ServerError> {
        let Server { app, tls, stop, listener, wanted, .. } = self;
        let router = router(&app);
        // Before the first request, which may ask for them; cameras are opened on threads of their own.
        app.streams.begin(&app);
        tokio::spawn(keep_house(app.clone()));
        let graceful = GracefulShutdown::new();
        let connections = Arc::new(Connections::new(&app.settings));
        let mut listener = TcpListener::from_std(listener).map_err(ServerError::io("listener"))?;
        let mut local = listener.local_addr().map_err(ServerError::io("listener"))?;
        let mut until = std::pin::pin!(until);
        let mut look = tokio::time::interval(Duration::from_secs(1));
        loop {
            let (stream, peer) = tokio::select! {
                () = &mut until => break,
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        // Too many open files, most likely: others will be closed.
                        tracing::warn!(%error, "a connection cannot be taken");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                },
                // A key may be made by another process, too.
                _ = look.tick(), if local.ip() != wanted.ip() => {
                    if app.book.is_set_up().unwrap_or(false) {
                        drop(listener);
                        let address = SocketAddr::new(wanted.ip(), local.port());
                        listener = match TcpListener::bind(address).await {
                            Ok(listener) => {
                                tracing::info!(%address, "set up: listening where it was asked for");
                                listener
                            }
                            Err(error) => {
                                tracing::error!(%address, %error, "cannot listen where it was asked for");
                                TcpListener::bind(local).await.map_err(ServerError::io(local.to_string()))?
                            }
                        };
                        local = SocketAddr::new(wanted.ip(), local.port());
                    }
                    continue;
                }
            };
            app.metrics.connections.fetch_add(1, Ordering::Relaxed);
            let Some(place) = connections.take(peer.ip()) else {
                // No answer: it would cost what there is too little of.
                drop(stream);
                continue;
            };
            let (app, router, watcher) = (app.clone(), router.clone(), graceful.watcher());
            let tls = tls.clone();
            tokio::spawn(async move {
                app.metrics.open.fetch_add(1, Ordering::Relaxed);
                _ = stream.set_nodelay(true);
                match tls {
                    None => connection(&app, router, stream, peer, watcher).await,
                    Some(tls) => {
                        let time = Duration::from_secs(app.settings.header_seconds);
                        if let Ok(Ok(stream)) = tokio::time::timeout(time, tls.accept(stream)).await {
                            connection(&app, router, stream, peer, watcher).await;
                        }
                    }
                }
                app.metrics.open.fetch_sub(1, Ordering::Relaxed);
                drop(place);
            });
        }
        tracing::info!("stopping: finishing what is being worked on");
        app.stopping.store(true, Ordering::Relaxed);
        drop(listener);
        _ = stop.send(true);
        let time = Duration::from_secs(app.settings.stop_seconds);
        if tokio::time::timeout(time, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests took too long and were given up");
        }
        app.streams.end(Duration::from_secs(5));
        tracing::info!("stopped");
        Ok(())
    }
}

/// Serves one connection.
async fn connection<S>(
    app: &App,
    router: Router,
    stream: S,
    peer: SocketAddr,
    watcher: hyper_util::server::graceful::Watcher,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            let (mut parts, body) = request.into_parts();
            parts.extensions.insert(Peer(peer));
            let request = Request::from_parts(parts, axum::body::Body::new(body));
            router.oneshot(request).await
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(app.settings.header_seconds))
        .max_buf_size(HEADER_BYTES)
        .max_headers(HEADERS)
        .half_close(false);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(serving).await {
        tracing::debug!(%error, "a connection ended");
    }
}

/// All routes, with what every request passes.
fn router(app: &App) -> Router {
    let (routes, _) = routes::all().split_for_parts();
    let settings = &app.settings;
    let mut router = routes
        .route("/v1/openapi.json", get(openapi::give))
        .route("/docs", get(openapi::read))
        .route("/docs/style.css", get(openapi::style))
        .fallback(page::file)
        .method_not_allowed_fallback(|| async {
            ApiError::new(Code::MethodNotAllowed, "the route has no such method", "/docs lists all routes")
                .into_response()
        })
        .layer(from_fn_with_state(app.clone(), guard::change))
        .layer(from_fn_with_state(app.clone(), guard::caller))
        .layer(DefaultBodyLimit::disable());
    // Nothing that a session may see is compressed beside what somebody else chose: pages and descriptions only.
    let compressible = SizeAbove::new(1024)
        .and(NotForContentType::new("application/json"))
        .and(NotForContentType::new("text/event-stream"))
        .and(NotForContentType::new("application/octet-stream"))
        .and(NotForContentType::new("multipart/x-mixed-replace"))
        .and(NotForContentType::IMAGES);
    router = router.layer(CompressionLayer::new().compress_when(compressible));
    if !settings.cors_origins.is_empty() {
        let origins = settings.cors_origins.iter().filter_map(|origin| origin.parse().ok());
        let headers = ["authorization", "content-type", "idempotency-key", "phiz-gallery", "x-request-id"];
        let cors = CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods(["GET", "POST", "PATCH", "DELETE"].map(|m| m.parse().unwrap_or_default()))
            .allow_headers(headers.map(axum::http::HeaderName::from_static));
        router = router.layer(cors);
    }
    router.layer(from_fn_with_state(app.clone(), guard::outer)).with_state(app.clone())
}

/// Connections that are open, in all and by address.
struct Connections {
    all: Arc<Semaphore>,
    most_of_one: usize,
    by_address: Arc<Mutex<std::collections::HashMap<IpAddr, usize>>>,
}

/// A connection's place, given back when it ends.
struct Taken {
    address: IpAddr,
    by_address: Arc<Mutex<std::collections::HashMap<IpAddr, usize>>>,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

impl Connections {
    fn new(settings: &Settings) -> Connections {
        Connections {
            all: Arc::new(Semaphore::new(settings.connections)),
            most_of_one: settings.connections_per_address,
            by_address: Arc::default(),
        }
    }

    fn take(&self, address: IpAddr) -> Option<Taken> {
        let address = network(address);
        let permit = self.all.clone().try_acquire_owned().ok()?;
        let mut all = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(address).or_default();
        if *count >= self.most_of_one {
            return None;
        }
        *count += 1;
        Some(Taken { address, by_address: self.by_address.clone(), _permit: permit })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut all = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.address);
            }
        }
    }
}

/// What is done by and by: photos that were sent expire, memory that nobody needs is given back.
async fn keep_house(app: App) {
    let mut stop = app.stop.clone();
    for minute in 0_u64.. {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(60)) => {}
            _ = stop.changed() => return,
        }
        app.archives.tidy();
        if minute % 60 == 0 {
            match app.blocking(|app| app.expire_sent()).await {
                Ok(0) => {}
                Ok(forgotten) => tracing::info!(forgotten, "photos that were sent have expired"),
                Err(error) => tracing::warn!(fault = error.message, "photos that were sent cannot expire"),
            }
        }
    }
}

/// Ends when the process is asked to stop.
pub async fn asked_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut term) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = term.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    _ = tokio::signal::ctrl_c().await;
}

/// Where the settings' file lies unless another is named.
#[must_use]
pub fn settings_file(home: &Path) -> PathBuf {
    home.join(crate::settings::FILE)
}

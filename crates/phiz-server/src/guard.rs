//! What every request passes, from the outside in: faults become answers, ids and headers are set, the host is checked,
//! the caller is told apart, rates are held, changes are written down and done once.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;

use crate::app::{App, Caller, Peer, Who, gallery_name};
use crate::body;
use crate::book::{AuditEntry, Claim, Kept, Scope, now};
use crate::error::{ApiError, Code, Failed, Result, answer};
use crate::limits::network;
use crate::secret;

/// Longest request id that is taken over.
const LONGEST_ID: usize = 64;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ONCE: &str = "idempotency-key";

/// The id of a request.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

fn request_id(headers: &HeaderMap) -> String {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    let brought = headers.get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    if let Some(id) = brought.filter(|id| (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(allowed)) {
        return id.into();
    }
    let bytes = secret::random::<8>().unwrap_or_default();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn peer(request: &Request) -> Option<Peer> {
    request.extensions().get::<Peer>().copied()
}

/// Whether a request comes from this computer itself, and was not passed on by a proxy.
pub(crate) fn is_local(peer: Option<Peer>, headers: &HeaderMap) -> bool {
    let passed_on =
        ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name));
    !passed_on && peer.is_some_and(|Peer(address)| address.ip().to_canonical().is_loopback())
}

/// The outermost layer.
pub(crate) async fn outer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let since = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let route = route_of(&request);
    let is_page = !request.uri().path().starts_with("/v1/");
    request.extensions_mut().insert(RequestId(id.clone()));
    let done = match checked(&app, &request) {
        Ok(()) => AssertUnwindSafe(next.run(request))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| ApiError::internal("a request panicked").into_response()),
        Err(error) => error.into_response(),
    };
    // The error is written anew where the request id is known.
    let mut response = match done.extensions().get::<Failed>().cloned() {
        Some(Failed(error)) => {
            let mut response = answer(&error, &id);
            if let Some(allow) = done.headers().get(header::ALLOW) {
                response.headers_mut().insert(header::ALLOW, allow.clone());
            }
            response
        }
        None => done,
    };
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    secure(headers, is_page, app.tls);
    let (status, took) = (response.status().as_u16(), since.elapsed());
    app.metrics.request(method.as_str(), &route, status, took);
    let millis = took.as_millis();
    if status >= 500 && status != 503 {
        tracing::error!(id, %method, route, status, millis, "request");
    } else if route == "/healthz" || route == "/readyz" || route == "/metrics" {
        tracing::debug!(id, %method, route, status, millis, "request");
    } else {
        tracing::info!(id, %method, route, status, millis, "request");
    }
    response
}

/// The route's pattern: it holds no id and no name.
fn route_of(request: &Request) -> String {
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    matched.unwrap_or_else(|| "other".into())
}

fn secure(headers: &mut HeaderMap, is_page: bool, tls: bool) {
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(
        HeaderName::from_static("permissions-policy"),
        "camera=(self), microphone=(), geolocation=(), display-capture=(), payment=(), usb=()",
    );
    set(
        header::CONTENT_SECURITY_POLICY,
        if is_page {
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; \
             media-src 'self' blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; \
             base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        } else {
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
        },
    );
    if !is_page {
        set(header::CACHE_CONTROL, "no-store");
    }
    if tls {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}

/// What is wrong with a request whoever it comes from.
fn checked(app: &App, request: &Request) -> Result<()> {
    let headers = request.headers();
    if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
        return Err(ApiError::bad(
            "the request states its length in two ways",
            "send either Content-Length or Transfer-Encoding",
        ));
    }
    if headers.get_all(header::HOST).iter().count() > 1 {
        return Err(ApiError::bad("the request names several hosts", "send one Host header"));
    }
    let host = headers.get(header::HOST).map(|value| value.to_str().unwrap_or("\u{0}"));
    // A request line may name the host, too; then it counts.
    let host = request.uri().authority().map(|a| a.as_str()).or(host).unwrap_or_default();
    if !host_is_ours(host, &app.settings.hosts) {
        return Err(ApiError::new(
            Code::BadHost,
            "the Host header names another host than this server",
            "call it by localhost or its IP address, or add the name to the setting hosts",
        ));
    }
    if app.stopping.load(Ordering::Relaxed) && request.uri().path().starts_with("/v1/") {
        return Err(ApiError::new(Code::Stopping, "the server is being stopped", "try again in a moment")
            .retry_after(5));
    }
    Ok(())
}

/// Whether a host is one by which this server may be called: a page of another site can name a host of its own that leads
/// here, but neither an IP address nor localhost.
fn host_is_ours(host: &str, allowed: &[String]) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, "")) => (name, None),
            Some((name, port)) if port.starts_with(':') => (name, Some(&port[1..])),
            _ => return false,
        },
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return false;
    }
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<std::net::IpAddr>().is_ok()
        || allowed.iter().any(|own| own == "*" || *own == name)
}

fn too_many(code: Code, wait: Duration) -> ApiError {
    let what = match code {
        Code::TooManyAttempts => "too many wrong keys or passphrases came from this address",
        _ => "too many requests came from this key or address",
    };
    ApiError::new(code, what, "wait as long as Retry-After says").retry_after(wait.as_secs() + 1)
}

/// Counts a wrong key or passphrase; fails if there were too many.
pub(crate) fn wrong_attempt(app: &App, peer: Option<Peer>) -> Result<()> {
    let Some(Peer(address)) = peer else { return Ok(()) };
    app.attempts
        .take(network(address.ip()), Instant::now())
        .map_err(|wait| too_many(Code::TooManyAttempts, wait))
}

/// Fails if there were too many wrong keys or passphrases already.
pub(crate) fn check_attempts(app: &App, peer: Option<Peer>) -> Result<()> {
    let Some(Peer(address)) = peer else { return Ok(()) };
    match app.attempts.wait(network(address.ip()), Instant::now()) {
        Some(wait) => Err(too_many(Code::TooManyAttempts, wait)),
        None => Ok(()),
    }
}

/// The name of the session's cookie. With TLS, browsers hold it to this host by its name.
pub(crate) fn cookie_name(tls: bool) -> &'static str {
    if tls { "__Host-phiz" } else { "phiz" }
}

fn session_cookie(headers: &HeaderMap, tls: bool) -> Option<&str> {
    let name = cookie_name(tls);
    headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).find_map(|cookies| {
        cookies.split(';').find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
    })
}

/// What a session's cookie is answered with.
pub(crate) fn csrf_of(session: &str) -> String {
    secret::derived_text(session, "csrf")
}

/// A session's request that changes something must come from the page itself.
fn check_csrf(request: &Request, session: &str) -> Result<()> {
    let wrong = |what| {
        ApiError::new(Code::Csrf, what, "send the token that GET /v1/session answers as the header Phiz-Csrf")
    };
    let headers = request.headers();
    let site = headers.get("sec-fetch-site").and_then(|v| v.to_str().ok());
    if matches!(site, Some("cross-site" | "same-site")) {
        return Err(wrong("the request comes from another site"));
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let own =
            origin.to_str().ok().and_then(|origin| origin.split_once("://")).is_some_and(|(_, o)| o == host);
        if !own {
            return Err(wrong("the request comes from another origin"));
        }
    }
    let token = headers.get("phiz-csrf").and_then(|v| v.to_str().ok()).unwrap_or_default();
    if secret::same(token, &csrf_of(session)) {
        Ok(())
    } else {
        Err(wrong("the session's token is missing or wrong"))
    }
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Tells who a request comes from, and holds everybody to their rate. Whoever shows nothing is nobody: routes decide
/// whether that suffices.
pub(crate) async fn caller(State(app): State<App>, mut request: Request, next: Next) -> Result<Response> {
    let peer = peer(&request);
    let found = find_caller(&app, &request, peer)?;
    let key = match (&found, peer) {
        (Some(Caller { who: Who::Key(id), .. }), _) => id.clone(),
        (_, Some(Peer(address))) => network(address.ip()).to_string(),
        _ => String::new(),
    };
    if request.uri().path().starts_with("/v1/") {
        app.rates.take(key, Instant::now()).map_err(|wait| too_many(Code::TooManyRequests, wait))?;
    }
    if let Some(caller) = found {
        request.extensions_mut().insert(caller);
    }
    Ok(next.run(request).await)
}

fn find_caller(app: &App, request: &Request, peer: Option<Peer>) -> Result<Option<Caller>> {
    if let Some(value) = request.headers().get(header::AUTHORIZATION) {
        let wrong = |what: &str| {
            ApiError::new(
                Code::Unauthorised,
                what,
                "send the header Authorization: Bearer KEY; `phiz key new` makes a key",
            )
        };
        let value = value.to_str().map_err(|_| wrong("the Authorization header is not text"))?;
        let key = match value.split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim(),
            _ => return Err(wrong("the Authorization header is not of the form Bearer KEY")),
        };
        return match app.book.find_key(key)? {
            Some(info) => {
                Ok(Some(Caller { who: Who::Key(info.id), scope: info.scope, galleries: info.galleries }))
            }
            None => {
                wrong_attempt(app, peer)?;
                Err(wrong("the key is not valid"))
            }
        };
    }
    let Some(token) = session_cookie(request.headers(), app.tls) else { return Ok(None) };
    if app.book.find_session(token)?.is_none() {
        return Ok(None);
    }
    // Logging in replaces a session, and needs no token of the old one.
    let logs_in = request.uri().path() == "/v1/session" && request.method() == Method::POST;
    if !is_safe(request.method()) && !logs_in {
        check_csrf(request, token)?;
    }
    Ok(Some(Caller { who: Who::Session(token.into()), scope: Scope::Admin, galleries: None }))
}

/// Bounds the time of a request, finishes changes whose caller has gone, writes them down, and does them once.
pub(crate) async fn change(State(app): State<App>, request: Request, next: Next) -> Result<Response> {
    let time = Duration::from_secs(app.settings.work_seconds + app.settings.body_seconds);
    let too_slow =
        |_| ApiError::new(Code::TooSlow, "the work took longer than allowed", "send less at a time");
    if is_safe(request.method()) {
        return tokio::time::timeout(time, next.run(request)).await.map_err(too_slow);
    }
    let (method, route) = (request.method().clone(), route_of(&request));
    let keeps = request.uri().query().unwrap_or_default().split('&').any(|pair| pair == "keep=true");
    let caller = request.extensions().get::<Caller>().cloned();
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let subject = request
        .uri()
        .path()
        .split('/')
        .find(|part| {
            let mut chars = part.chars();
            chars.next().is_some_and(|c| c.is_ascii_lowercase())
                && part.len() > 1
                && part.len() < 22
                && chars.all(|c| c.is_ascii_digit())
                && *part != "v1"
        })
        .map(str::to_owned);
    // Strangers are plain numbers in paths.
    let number = request.uri().path().strip_prefix("/v1/strangers/").and_then(|rest| rest.split('/').next());
    let stranger = number.and_then(|number| number.parse::<u64>().ok()).map(|number| format!("g{number}"));
    let subject = subject.or(stranger);
    // On a task of its own: whoever hangs up does not undo half of it.
    let task = tokio::spawn(async move {
        let (parts, body) = request.into_parts();
        let gallery = gallery_name(&parts).ok();
        let done = once(&app, caller.as_ref(), Request::from_parts(parts, body), next);
        let response = match tokio::time::timeout(time, done).await {
            Ok(done) => done.unwrap_or_else(ApiError::into_response),
            Err(e) => too_slow(e).into_response(),
        };
        let looks = matches!(
            route.as_str(),
            "/v1/detect"
                | "/v1/identify"
                | "/v1/verify"
                | "/v1/embed"
                | "/v1/compare"
                | "/v1/sightings/search"
                | "/v1/enrol/check"
                | "other"
        );
        let looks = looks && !keeps;
        if !looks {
            let who = match (&caller, route.as_str()) {
                (Some(caller), _) => caller.name(),
                (None, "/v1/setup") => "setup".into(),
                (None, _) => "nobody".into(),
            };
            let of_gallery = !(route.starts_with("/v1/session")
                || route.starts_with("/v1/keys")
                || route.starts_with("/v1/passphrase")
                || route.starts_with("/v1/setup"));
            let entry = AuditEntry {
                at: now(),
                who,
                what: format!("{method} {route}"),
                gallery: gallery.filter(|name| of_gallery && crate::galleries::is_name(name)),
                subject,
                status: response.status().as_u16(),
                request_id: id,
            };
            if let Err(error) = app.book.note(&entry, app.settings.audit_days) {
                tracing::error!(fault = error.message, "the audit cannot be written");
            }
        }
        response
    });
    Ok(task.await?)
}

/// Does a request with an idempotency key once.
async fn once(app: &App, caller: Option<&Caller>, request: Request, next: Next) -> Result<Response> {
    let Some(value) = request.headers().get(ONCE) else { return Ok(next.run(request).await) };
    // Whoever is nobody is refused by the route.
    let Some(caller) = caller else { return Ok(next.run(request).await) };
    let key = value.to_str().ok().filter(|key| (8..=200).contains(&key.len())).map(str::to_owned);
    let key = key.ok_or_else(|| {
        ApiError::value(
            "Idempotency-Key",
            "has no 8 to 200 characters of ASCII",
            "use a new UUID for each request",
        )
    })?;
    let (parts, body) = request.into_parts();
    let held = body::hold(app, &parts.headers, body, app.settings.max_body_mb * 1_000_000).await?;
    let mut print = Vec::new();
    let gallery = parts.headers.get("phiz-gallery").map(HeaderValue::as_bytes).unwrap_or_default();
    let kind = parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    // A multipart body is never the same twice: its boundary is random. What counts is what it holds.
    let content = match multer::parse_boundary(String::from_utf8_lossy(kind)) {
        Ok(boundary) => without(&held.bytes, boundary.as_bytes()),
        Err(_) => held.bytes.to_vec(),
    };
    for part in [parts.method.as_str().as_bytes(), parts.uri.to_string().as_bytes(), gallery, &content] {
        print.extend((part.len() as u64).to_le_bytes());
        print.extend(part);
    }
    let name = match &caller.who {
        Who::Key(id) => id.clone(),
        Who::Session(_) => "session".into(),
    };
    match app.book.claim(&name, &key, &print, &app.run)? {
        Claim::Done(kept) => {
            let mut response = Response::new(Body::from(kept.body));
            *response.status_mut() = axum::http::StatusCode::from_u16(kept.status).unwrap_or_default();
            if let Some(kind) = kept.content_type.and_then(|kind| HeaderValue::from_str(&kind).ok()) {
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
            }
            response
                .headers_mut()
                .insert(HeaderName::from_static("idempotency-replayed"), HeaderValue::from_static("true"));
            return Ok(response);
        }
        Claim::New => {}
    }
    let response = next.run(Request::from_parts(parts, Body::from(held.bytes.clone()))).await;
    drop(held);
    let status = response.status();
    // What was refused has changed nothing, and may be sent again after it was mended.
    if !status.is_success() {
        app.book.settle(&name, &key, None)?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 16_000_000).await.map_err(ApiError::internal)?;
    let content_type =
        parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let kept = Kept { status: status.as_u16(), content_type, body: bytes.to_vec() };
    app.book.settle(&name, &key, Some(&kept))?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// Bytes without any occurrence of some others.
fn without(bytes: &[u8], what: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = find(rest, what) {
        out.extend(&rest[..at]);
        rest = &rest[at + what.len()..];
    }
    out.extend(rest);
    out
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let first = *what.first()?;
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == first) {
        if bytes[from + at..].starts_with(what) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_lead_here() {
        let own = ["phiz.lan".to_owned()];
        for good in [
            "localhost",
            "localhost:7449",
            "LOCALHOST:1",
            "127.0.0.1:80",
            "[::1]:7449",
            "[::1]",
            "192.0.2.7",
            "phiz.lan",
            "Phiz.LAN:7449",
            "a.localhost",
            "localhost.",
        ] {
            assert!(host_is_ours(good, &own), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "phiz.lan.evil",
            "[::1]evil",
            "localhost:x",
            "evil@localhost",
            "localhost:80:80",
            "\u{0}",
            "phiz",
        ] {
            assert!(!host_is_ours(bad, &own), "{bad}");
        }
        assert!(host_is_ours("any.example", &["*".to_owned()]));
    }

    #[test]
    fn boundaries_do_not_count() {
        assert_eq!(without(b"--abXX--ab--", b"ab"), b"--XX----");
        assert_eq!(without(b"aab", b"ab"), b"a");
        assert_eq!(without(b"abc", b""), b"abc");
    }
}

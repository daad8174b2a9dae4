//! Who may come in: setting up, sessions, keys, the audit.

use axum::Json as Answer;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{Anyone, App, Caller, Manager, Peer, Who};
use crate::body::Json;
use crate::book::{AuditEntry, KeyInfo, Scope};
use crate::error::{ApiError, Code, Result};
use crate::guard::{check_attempts, cookie_name, csrf_of, is_local, wrong_attempt};
use crate::look::{Id, PageQuery, Query, cursor};
use crate::secret;
use crate::wire::{List, LogIn, MadeKey, NewKey, NewPassphrase, SessionInfo, Setup, Status};

/// Longest name of a key, in characters.
const LONGEST_NAME: usize = 100;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(status))
        .routes(routes!(setup))
        .routes(routes!(session, log_in, log_out))
        .routes(routes!(passphrase))
        .routes(routes!(keys, new_key))
        .routes(routes!(revoke))
        .routes(routes!(audit))
}

/// Say whether the server is set up, and who asks
#[utoipa::path(get, path = "/v1/status", tag = "access", security(()), responses((status = 200, body = Status)))]
async fn status(State(app): State<App>, caller: Option<Extension<Caller>>) -> Result<Answer<Status>> {
    let caller = caller.map(|Extension(caller)| caller);
    Ok(Answer(Status {
        version: env!("CARGO_PKG_VERSION").into(),
        setup_needed: !app.book.is_set_up().map_err(ApiError::internal)?,
        passphrase: app.book.passphrase()?.is_some(),
        signed_in: caller.as_ref().is_some_and(|caller| matches!(caller.who, Who::Session(_))),
        scope: caller.map(|caller| caller.scope),
    }))
}

/// A session, as the answer that begins it.
fn begun(app: &App, status: StatusCode) -> Result<Response> {
    let (token, expires) = app.book.new_session()?;
    let secure = if app.tls { "; Secure" } else { "" };
    let cookie = format!("{}={token}; Path=/; HttpOnly; SameSite=Strict{secure}", cookie_name(app.tls));
    let info = SessionInfo { csrf: csrf_of(&token), scope: Scope::Admin, expires };
    let mut response = (status, Answer(info)).into_response();
    let cookie = HeaderValue::from_str(&cookie).map_err(ApiError::internal)?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

fn check_new(field: &str, text: &str) -> Result<()> {
    match secret::passphrase_fault(text) {
        None => Ok(()),
        Some(fault) => {
            Err(ApiError::value(field, fault, "use four or five words that do not belong together"))
        }
    }
}

/// Hashes or verifies off the threads that serve, a few at a time.
async fn hashing<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let _turn = app.hashing.acquire().await.map_err(ApiError::internal)?;
    tokio::task::spawn_blocking(work).await?
}

/// Set the first passphrase, with the code that the terminal shows
#[utoipa::path(post, path = "/v1/setup", tag = "access", security(()), request_body = Setup,
    responses((status = 201, body = SessionInfo)))]
async fn setup(
    State(app): State<App>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Json(Setup { code, passphrase }): Json<Setup>,
) -> Result<Response> {
    let peer = peer.map(|Extension(peer)| peer);
    if !is_local(peer, &headers) {
        return Err(ApiError::new(
            Code::Forbidden,
            "the server can be set up only from the computer that it runs on",
            "open the address there, or make a key there: phiz key new --scope admin",
        ));
    }
    if app.book.is_set_up().map_err(ApiError::internal)? {
        return Err(ApiError::new(
            Code::SetupDone,
            "a passphrase or a key exists already",
            "sign in; who has a key of the scope admin can set a passphrase: POST /v1/passphrase",
        ));
    }
    check_attempts(&app, peer)?;
    if !secret::same(&code, &app.setup_code) {
        wrong_attempt(&app, peer)?;
        return Err(ApiError::new(
            Code::WrongPassphrase,
            "the code is wrong",
            "use the one that the terminal shows",
        ));
    }
    check_new("passphrase", &passphrase)?;
    let hash =
        hashing(&app, move || secret::hash_passphrase(&passphrase).map_err(ApiError::internal)).await?;
    app.book.set_passphrase(&hash)?;
    app.set_up.notify_one();
    begun(&app, StatusCode::CREATED)
}

fn wrong_passphrase() -> ApiError {
    ApiError::new(Code::WrongPassphrase, "the passphrase is wrong", "try again; after some tries, wait")
}

/// Whether a passphrase is the one that is set. Takes as long if there is none.
async fn verified(app: &App, peer: Option<Peer>, passphrase: String) -> Result<()> {
    check_attempts(app, peer)?;
    let hash = app.book.passphrase()?;
    let fits = hashing(app, move || match hash {
        Some(hash) => Ok(secret::verify_passphrase(&passphrase, &hash)),
        None => secret::hash_passphrase(&passphrase).map(|_| false).map_err(ApiError::internal),
    })
    .await?;
    if fits {
        return Ok(());
    }
    wrong_attempt(app, peer)?;
    Err(wrong_passphrase())
}

/// Sign in
#[utoipa::path(post, path = "/v1/session", tag = "access", security(()), request_body = LogIn,
    responses((status = 201, body = SessionInfo)))]
async fn log_in(
    State(app): State<App>,
    peer: Option<Extension<Peer>>,
    old: Option<Extension<Caller>>,
    headers: HeaderMap,
    Json(LogIn { passphrase }): Json<LogIn>,
) -> Result<Response> {
    // A page of another site must not sign its visitors in, either.
    if matches!(headers.get("sec-fetch-site").and_then(|v| v.to_str().ok()), Some("cross-site" | "same-site"))
    {
        return Err(ApiError::new(
            Code::Csrf,
            "the request comes from another site",
            "sign in on the page itself",
        ));
    }
    verified(&app, peer.map(|Extension(peer)| peer), passphrase).await?;
    if let Some(Extension(Caller { who: Who::Session(token), .. })) = old {
        app.book.end_session(&token)?;
    }
    begun(&app, StatusCode::CREATED)
}

fn session_of(caller: &Caller) -> Result<&str> {
    match &caller.who {
        Who::Session(token) => Ok(token),
        Who::Key(_) => Err(ApiError::new(Code::Forbidden, "a key is no session", "keys need none of this")),
    }
}

/// Show the session
#[utoipa::path(get, path = "/v1/session", tag = "access", responses((status = 200, body = SessionInfo)))]
async fn session(State(app): State<App>, Anyone(caller): Anyone) -> Result<Answer<SessionInfo>> {
    let token = session_of(&caller)?;
    let expires = app.book.find_session(token)?.unwrap_or_default();
    Ok(Answer(SessionInfo { csrf: csrf_of(token), scope: caller.scope, expires }))
}

/// Sign out
#[utoipa::path(delete, path = "/v1/session", tag = "access", responses((status = 204)))]
async fn log_out(State(app): State<App>, Anyone(caller): Anyone) -> Result<Response> {
    app.book.end_session(session_of(&caller)?)?;
    let secure = if app.tls { "; Secure" } else { "" };
    let gone = format!("{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{secure}", cookie_name(app.tls));
    let gone = HeaderValue::from_str(&gone).map_err(ApiError::internal)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}

/// Set another passphrase; all sessions end
#[utoipa::path(post, path = "/v1/passphrase", tag = "access", request_body = NewPassphrase,
    responses((status = 204)))]
async fn passphrase(
    State(app): State<App>,
    _: Manager,
    peer: Option<Extension<Peer>>,
    Json(NewPassphrase { old, new }): Json<NewPassphrase>,
) -> Result<StatusCode> {
    check_new("new", &new)?;
    // Who manages by a key may set the first one.
    if app.book.passphrase()?.is_some() {
        verified(&app, peer.map(|Extension(peer)| peer), old).await?;
    }
    let hash = hashing(&app, move || secret::hash_passphrase(&new).map_err(ApiError::internal)).await?;
    app.book.set_passphrase(&hash)?;
    Ok(StatusCode::NO_CONTENT)
}

/// List keys
#[utoipa::path(get, path = "/v1/keys", tag = "access", responses((status = 200, body = List<KeyInfo>)))]
async fn keys(State(app): State<App>, _: Manager) -> Result<Answer<List<KeyInfo>>> {
    Ok(Answer(List::whole(app.book.keys().map_err(ApiError::internal)?)))
}

/// Make a key; it is shown this once
#[utoipa::path(post, path = "/v1/keys", tag = "access", request_body = NewKey,
    responses((status = 201, body = MadeKey)))]
async fn new_key(
    State(app): State<App>,
    _: Manager,
    Json(NewKey { name, scope, galleries }): Json<NewKey>,
) -> Result<(StatusCode, Answer<MadeKey>)> {
    let name = name.trim();
    if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        let reason = format!("is longer than {LONGEST_NAME} characters or holds control characters");
        return Err(ApiError::value("name", reason, "choose another name"));
    }
    if let Some(names) = &galleries {
        if names.is_empty() {
            return Err(ApiError::value(
                "galleries",
                "is empty",
                "name one or more, or leave it out for all",
            ));
        }
        names.iter().try_for_each(|name| app.galleries.get(name).map(|_| ()))?;
    }
    let (info, key) = app.book.new_key(name, scope, galleries.as_deref()).map_err(ApiError::internal)?;
    app.set_up.notify_one();
    Ok((StatusCode::CREATED, Answer(MadeKey { info, key })))
}

/// Take a key back
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "access", params(("id" = String, Path, example = "k1")),
    responses((status = 204)))]
async fn revoke(State(app): State<App>, _: Manager, Id(id): Id<String>) -> Result<StatusCode> {
    match app.book.revoke_key(&id).map_err(ApiError::internal)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::new(Code::NoKey, "there is no such key", "GET /v1/keys lists all")),
    }
}

/// List who did what, latest first
#[utoipa::path(get, path = "/v1/audit", tag = "access", params(PageQuery),
    responses((status = 200, body = List<AuditEntry>)))]
async fn audit(
    State(app): State<App>,
    _: Manager,
    Query(page): Query<PageQuery>,
) -> Result<Answer<List<AuditEntry>>> {
    let (before, limit) = (page.after("audit")?, page.limit()?);
    app.blocking(move |app| {
        let before = before.map(|number| i64::try_from(number).unwrap_or(i64::MAX));
        let mut found = app.book.audit(before, limit + 1)?;
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more).and_then(|(number, _)| u64::try_from(*number).ok());
        let next = last.map(|number| cursor("audit", number));
        Ok(Answer(List { items: found.into_iter().map(|(_, entry)| entry).collect(), next }))
    })
    .await
}

//! Cameras: begin, change, end; who is there now, what has happened, who was there.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json as Answer;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::Stream as Coming;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{Admin, App, Reader};
use crate::body::Json;
use crate::deliveries;
use crate::error::{ApiError, Code, Result};
use crate::look::{Id, Query, cursor, number_of};
use crate::secret;
use crate::stream_wire::{NewStream, Stream, StreamEdit, StreamSnapshot, StreamVisit};
use crate::streams::Kept;
use crate::wire::List;

/// The least time between two states that a listener is told.
const PACE: Duration = Duration::from_millis(200);
const LONGEST_NAME: usize = 80;
/// Schemes of addresses that may be watched: nothing that reads the server's own files.
const SCHEMES: [&str; 8] = ["rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "srt", "udp"];

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, edit, delete))
        .routes(routes!(events))
        .routes(routes!(visits, forget))
        .routes(routes!(picture))
        .routes(routes!(snapshots, take_snapshot, forget_snapshots))
        .routes(routes!(snapshot))
        .routes(routes!(preview))
}

fn checked(kept: Kept) -> Result<Kept> {
    let name = kept.name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(ApiError::value("name", "is no name", "give 1 to 80 characters on one line"));
    }
    let wrong = |reason| {
        ApiError::value("url", reason, "give rtsp://NAME:PASSWORD@HOST/PATH, http://…, or /dev/video0")
    };
    let device = kept.url.strip_prefix("/dev/video").is_some_and(|number| {
        !number.is_empty() && number.len() <= 3 && number.bytes().all(|c| c.is_ascii_digit())
    });
    let scheme = kept.url.split_once("://").map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
    let address = scheme.is_some_and(|(scheme, rest)| {
        SCHEMES.contains(&scheme.as_str()) && !rest.is_empty() && !rest.starts_with('/')
    });
    if !device && !address {
        return Err(wrong("is no address of a camera"));
    }
    if kept.url.len() > 2000 || kept.url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(wrong("is too long, or holds a blank"));
    }
    if !(kept.fpir > 0.0 && kept.fpir < 1.0) {
        return Err(ApiError::value("fpir", "is not a rate", "give a number between 0 and 1"));
    }
    if !(0.0..=36_500.0).contains(&kept.keep_days) {
        return Err(ApiError::value("keep_days", "is out of range", "give a number of days from 0 to 36500"));
    }
    if !(0.0..=1e6).contains(&kept.cooldown) {
        return Err(ApiError::value(
            "cooldown",
            "is out of range",
            "give a number of seconds from 0 to 1000000",
        ));
    }
    if kept.list.as_ref().is_some_and(|list| list.trim().is_empty()) {
        return Err(ApiError::value("list", "names no watch list", "give its name, or null for everybody"));
    }
    deliveries::check(&kept)?;
    Ok(Kept { name: name.into(), ..kept })
}

/// List the cameras that are watched
#[utoipa::path(get, path = "/v1/streams", tag = "streams", responses((status = 200, body = List<Stream>)))]
async fn list(State(app): State<App>, Reader(access): Reader) -> Result<Answer<List<Stream>>> {
    app.blocking(move |app| {
        let all = app.streams.list(&access.gallery, &access.gallery_name)?;
        Ok(Answer(List::whole(all.iter().map(|camera| camera.told(&app.settings)).collect())))
    })
    .await
}

/// Watch a camera
#[utoipa::path(post, path = "/v1/streams", tag = "streams", request_body = NewStream,
    responses((status = 201, body = Stream)))]
async fn create(
    State(app): State<App>,
    Admin(access): Admin,
    Json(new): Json<NewStream>,
) -> Result<(StatusCode, Answer<Stream>)> {
    app.blocking(move |app| {
        let bytes = secret::random::<4>().map_err(ApiError::internal)?;
        let kept = checked(Kept {
            id: format!("c{:08x}", u32::from_le_bytes(bytes)),
            name: new.name,
            url: new.url,
            running: new.running.unwrap_or(true),
            preview: new.preview.unwrap_or(false),
            remember: new.remember.unwrap_or(false),
            pictures: new.pictures.unwrap_or(true),
            keep_days: new.keep_days.unwrap_or(app.settings.visit_days),
            list: new.list,
            fpir: new.fpir.unwrap_or(0.01),
            webhook: new.webhook,
            webhook_secret: new.webhook_secret,
            mqtt: new.mqtt,
            topic: None,
            snapshots: new.snapshots.unwrap_or(false),
            cooldown: new.cooldown.unwrap_or(0.0),
        })?;
        let camera = app.streams.create(app, &access.gallery, &access.gallery_name, kept)?;
        Ok((StatusCode::CREATED, Answer(camera.told(&app.settings))))
    })
    .await
}

/// Show a camera, and who is before it
#[utoipa::path(get, path = "/v1/streams/{id}", tag = "streams",
    params(("id" = String, Path, example = "c0123abcd")), responses((status = 200, body = Stream)))]
async fn show(State(app): State<App>, Reader(access): Reader, Id(id): Id<String>) -> Result<Answer<Stream>> {
    Ok(Answer(app.streams.get(&id, &access.gallery_name)?.told(&app.settings)))
}

/// Change a camera: begin or end watching with `running`
#[utoipa::path(patch, path = "/v1/streams/{id}", tag = "streams", request_body = StreamEdit,
    params(("id" = String, Path, example = "c0123abcd")), responses((status = 200, body = Stream)))]
async fn edit(
    State(app): State<App>,
    Admin(access): Admin,
    Id(id): Id<String>,
    Json(edit): Json<StreamEdit>,
) -> Result<Answer<Stream>> {
    app.blocking(move |app| {
        let camera = app.streams.get(&id, &access.gallery_name)?;
        let before = camera.kept();
        let kept = checked(Kept {
            name: edit.name.unwrap_or(before.name),
            url: edit.url.unwrap_or(before.url),
            running: edit.running.unwrap_or(before.running),
            preview: edit.preview.unwrap_or(before.preview),
            remember: edit.remember.unwrap_or(before.remember),
            pictures: edit.pictures.unwrap_or(before.pictures),
            keep_days: edit.keep_days.unwrap_or(before.keep_days),
            list: edit.list.unwrap_or(before.list),
            fpir: edit.fpir.unwrap_or(before.fpir),
            webhook: edit.webhook.unwrap_or(before.webhook),
            webhook_secret: edit.webhook_secret.unwrap_or(before.webhook_secret),
            mqtt: edit.mqtt.unwrap_or(before.mqtt),
            snapshots: edit.snapshots.unwrap_or(before.snapshots),
            cooldown: edit.cooldown.unwrap_or(before.cooldown),
            topic: before.topic,
            id: before.id,
        })?;
        app.streams.edit(app, &access.gallery, &camera, kept)?;
        Ok(Answer(camera.told(&app.settings)))
    })
    .await
}

/// Forget a camera and its visits
#[utoipa::path(delete, path = "/v1/streams/{id}", tag = "streams",
    params(("id" = String, Path, example = "c0123abcd")), responses((status = 204)))]
async fn delete(State(app): State<App>, Admin(access): Admin, Id(id): Id<String>) -> Result<StatusCode> {
    app.blocking(move |app| {
        let camera = app.streams.get(&id, &access.gallery_name)?;
        app.streams.delete(app, &access.gallery, &camera)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Follow a camera: events `state` with a Stream, and `appeared`, `identified`, `changed`, `left`, `visit` with a StreamEvent
#[utoipa::path(get, path = "/v1/streams/{id}/events", tag = "streams",
    params(("id" = String, Path, example = "c0123abcd"),
        ("Last-Event-ID" = Option<String>, Header, description = "Go on after this event, while it is among the last 1,000")),
    responses((status = 200, body = String, content_type = "text/event-stream")))]
async fn events(
    State(app): State<App>,
    Reader(access): Reader,
    Id(id): Id<String>,
    headers: HeaderMap,
) -> Result<Sse<impl Coming<Item = std::result::Result<SseEvent, Infallible>>>> {
    let camera = app.streams.get(&id, &access.gallery_name)?;
    let (latest, changes) = (camera.latest.subscribe(), camera.changes.subscribe());
    let known = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let known: u64 = known.unwrap_or(*latest.borrow());
    let stop = app.stop.clone();
    let begin = (app, camera, latest, changes, stop, known, 0u64, Vec::<SseEvent>::new());
    let stream = futures_util::stream::unfold(begin, |state| async move {
        let (app, camera, mut latest, mut changes, mut stop, mut known, mut told, mut waiting) = state;
        loop {
            if let Some(event) = waiting.pop() {
                return Some((Ok(event), (app, camera, latest, changes, stop, known, told, waiting)));
            }
            if *stop.borrow() || *changes.borrow() == 0 {
                return None;
            }
            latest.borrow_and_update();
            let change = *changes.borrow_and_update();
            for (number, kind, data) in camera.events_after(known) {
                known = known.max(number);
                waiting.push(SseEvent::default().id(number.to_string()).event(kind).data(data));
            }
            if change != told && change != 0 {
                told = change;
                waiting.push(
                    SseEvent::default()
                        .event("state")
                        .json_data(camera.told(&app.settings))
                        .unwrap_or_default(),
                );
            }
            waiting.reverse();
            if waiting.is_empty() {
                tokio::select! {
                    changed = latest.changed() => if changed.is_err() { return None },
                    changed = changes.changed() => {
                        if changed.is_err() {
                            return None;
                        }
                        tokio::time::sleep(PACE).await;
                    },
                    _ = stop.changed() => return None,
                }
            }
        }
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

/// How many items a part of a list of the past has.
fn limit_of(asked: Option<usize>) -> Result<usize> {
    match asked.unwrap_or(100) {
        limit @ 1..=1000 => Ok(limit),
        _ => Err(ApiError::value("limit", "is out of range", "give a number from 1 to 1000")),
    }
}

/// The time that is asked for, in seconds since 1970.
fn time_of(from: Option<f64>, until: Option<f64>) -> [f64; 2] {
    [from.unwrap_or(f64::MIN), until.unwrap_or(f64::MAX)]
}

/// A JPEG that stays as it is, but that only who asked may keep.
fn kept_picture(jpeg: Vec<u8>) -> Response {
    let headers = [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "private, max-age=3600")];
    (headers, jpeg).into_response()
}

/// Which visits are meant.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct VisitQuery {
    /// Only visits that ended then or later, in seconds since 1970
    from: Option<f64>,
    /// Only visits that began then or before
    until: Option<f64>,
    /// How many; 100 unless it is set
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Where to go on: `next` of the part before
    cursor: Option<String>,
}

/// List who was before a camera, the latest first
#[utoipa::path(get, path = "/v1/streams/{id}/visits", tag = "streams",
    params(("id" = String, Path, example = "c0123abcd"), VisitQuery),
    responses((status = 200, body = List<StreamVisit>)))]
async fn visits(
    State(app): State<App>,
    Reader(access): Reader,
    Id(id): Id<String>,
    Query(query): Query<VisitQuery>,
) -> Result<Answer<List<StreamVisit>>> {
    let limit = limit_of(query.limit)?;
    app.blocking(move |app| {
        let camera = app.streams.get(&id, &access.gallery_name)?;
        let key = access.gallery.key_beside()?;
        let of = format!("visits of {id} {:?} {:?}", query.from, query.until);
        let before = query.cursor.as_deref().map(|cursor| number_of(cursor, &of)).transpose()?;
        let time = time_of(query.from, query.until);
        let (past, more) = app.streams.visits(&key, &id, time, before, limit)?;
        let mut items: Vec<StreamVisit> = match before {
            None => camera.current(),
            Some(_) => Vec::new(),
        };
        items.retain(|visit| visit.until >= time[0] && visit.from <= time[1]);
        items.extend(past);
        Ok(Answer(List { items, next: more.map(|number| cursor(&of, number)) }))
    })
    .await
}

/// Forget who was before a camera
#[utoipa::path(delete, path = "/v1/streams/{id}/visits", tag = "streams",
    params(("id" = String, Path, example = "c0123abcd")), responses((status = 204)))]
async fn forget(State(app): State<App>, Admin(access): Admin, Id(id): Id<String>) -> Result<StatusCode> {
    app.blocking(move |app| {
        app.streams.get(&id, &access.gallery_name)?;
        app.streams.forget_visits(&id)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Show the best view of a visit
#[utoipa::path(get, path = "/v1/streams/{id}/visits/{visit}/picture", tag = "streams",
    params(("id" = String, Path, example = "c0123abcd"), ("visit" = String, Path, example = "v12")),
    responses((status = 200, body = Vec<u8>, content_type = "image/jpeg")))]
async fn picture(
    State(app): State<App>,
    Reader(access): Reader,
    Id((id, visit)): Id<(String, String)>,
) -> Result<Response> {
    app.blocking(move |app| {
        app.streams.get(&id, &access.gallery_name)?;
        let key = access.gallery.key_beside()?;
        Ok(kept_picture(app.streams.picture(&key, &id, &visit)?))
    })
    .await
}

/// Which snapshots are meant.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SnapshotQuery {
    /// Only those that were taken then or later, in seconds since 1970
    from: Option<f64>,
    /// Only those that were taken then or before
    until: Option<f64>,
    /// How many; 100 unless it is set
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Where to go on: `next` of the part before
    cursor: Option<String>,
}

/// List the pictures that were kept with events or asked for, the latest first
#[utoipa::path(get, path = "/v1/streams/{id}/snapshots", tag = "streams",
    params(("id" = String, Path, example = "c0123abcd"), SnapshotQuery),
    responses((status = 200, body = List<StreamSnapshot>)))]
async fn snapshots(
    State(app): State<App>,
    Reader(access): Reader,
    Id(id): Id<String>,
    Query(query): Query<SnapshotQuery>,
) -> Result<Answer<List<StreamSnapshot>>> {
    let limit = limit_of(query.limit)?;
    app.blocking(move |app| {
        app.streams.get(&id, &access.gallery_name)?;
        let key = access.gallery.key_beside()?;
        let of = format!("snapshots of {id} {:?} {:?}", query.from, query.until);
        let before = query.cursor.as_deref().map(|cursor| number_of(cursor, &of)).transpose()?;
        let time = time_of(query.from, query.until);
        let (items, more) = app.streams.snapshots(&key, &id, time, before, limit)?;
        Ok(Answer(List { items, next: more.map(|number| cursor(&of, number)) }))
    })
    .await
}

/// Keep a picture of what a camera shows now
#[utoipa::path(post, path = "/v1/streams/{id}/snapshots", tag = "streams",
    params(("id" = String, Path, example = "c0123abcd")), responses((status = 201, body = StreamSnapshot)))]
async fn take_snapshot(
    State(app): State<App>,
    Admin(access): Admin,
    Id(id): Id<String>,
) -> Result<(StatusCode, Answer<StreamSnapshot>)> {
    app.blocking(move |app| {
        let camera = app.streams.get(&id, &access.gallery_name)?;
        Ok((StatusCode::CREATED, Answer(camera.snapshot()?)))
    })
    .await
}

/// Forget the pictures that a camera's snapshots are
#[utoipa::path(delete, path = "/v1/streams/{id}/snapshots", tag = "streams",
    params(("id" = String, Path, example = "c0123abcd")), responses((status = 204)))]
async fn forget_snapshots(
    State(app): State<App>,
    Admin(access): Admin,
    Id(id): Id<String>,
) -> Result<StatusCode> {
    app.blocking(move |app| {
        app.streams.get(&id, &access.gallery_name)?;
        app.streams.forget_snapshots(&id)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Show a snapshot
#[utoipa::path(get, path = "/v1/streams/{id}/snapshots/{snapshot}", tag = "streams",
    params(("id" = String, Path, example = "c0123abcd"), ("snapshot" = String, Path, example = "n34")),
    responses((status = 200, body = Vec<u8>, content_type = "image/jpeg")))]
async fn snapshot(
    State(app): State<App>,
    Reader(access): Reader,
    Id((id, snapshot)): Id<(String, String)>,
) -> Result<Response> {
    app.blocking(move |app| {
        app.streams.get(&id, &access.gallery_name)?;
        let key = access.gallery.key_beside()?;
        Ok(kept_picture(app.streams.snapshot(&key, &id, &snapshot)?))
    })
    .await
}

/// Look through a camera: JPEG pictures with faces marked, one after the other
#[utoipa::path(get, path = "/v1/streams/{id}/preview", tag = "streams",
    params(("id" = String, Path, example = "c0123abcd")),
    responses((status = 200, body = Vec<u8>, content_type = "multipart/x-mixed-replace")))]
async fn preview(State(app): State<App>, Reader(access): Reader, Id(id): Id<String>) -> Result<Response> {
    let camera = app.streams.get(&id, &access.gallery_name)?;
    if !camera.kept().preview {
        return Err(ApiError::new(
            Code::PreviewOff,
            "this stream has no preview",
            "switch it on: PATCH /v1/streams/{id} with {\"preview\": true}",
        ));
    }
    let begin = (camera.pictures.subscribe(), camera.changes.subscribe(), app.stop.clone(), camera);
    let stream =
        futures_util::stream::unfold(begin, |(mut pictures, changes, mut stop, camera)| async move {
            loop {
                tokio::select! {
                    changed = pictures.changed() => if changed.is_err() { return None },
                    _ = stop.changed() => return None,
                }
                let picture = pictures.borrow_and_update().clone();
                let Some(picture) = picture else {
                    if *changes.borrow() == 0 || !camera.kept().preview {
                        return None;
                    }
                    continue;
                };
                let head = format!(
                    "--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
                    picture.len()
                );
                let part = [head.as_bytes(), picture.as_slice(), b"\r\n"].concat();
                return Some((Ok::<_, Infallible>(part), (pictures, changes, stop, camera)));
            }
        });
    let headers = [
        (header::CONTENT_TYPE, "multipart/x-mixed-replace; boundary=picture"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

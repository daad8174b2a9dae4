//! How the server fares: health, readiness, figures; the description of the API.

use std::sync::atomic::Ordering;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{App, Caller, Peer};
use crate::error::{ApiError, Code, Result};
use crate::guard::is_local;
use crate::metrics::Gauge;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// Say that the process lives
#[utoipa::path(get, path = "/healthz", tag = "operation", security(()),
    responses((status = 200, body = String, content_type = "text/plain")))]
async fn healthz() -> &'static str {
    "ok\n"
}

/// Say whether requests are taken on
#[utoipa::path(get, path = "/readyz", tag = "operation", security(()),
    responses((status = 200, body = String, content_type = "text/plain"),
        (status = 503, body = String, content_type = "text/plain")))]
async fn readyz(State(app): State<App>) -> Response {
    if app.stopping.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    if app.pool.is_full() {
        return (StatusCode::SERVICE_UNAVAILABLE, "overloaded\n").into_response();
    }
    "ready\n".into_response()
}

/// Figures for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, body = String, content_type = "text/plain")))]
async fn metrics(
    State(app): State<App>,
    peer: Option<Extension<Peer>>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
) -> Result<Response> {
    if caller.is_none() && !is_local(peer.map(|Extension(peer)| peer), &headers) {
        return Err(ApiError::new(
            Code::Unauthorised,
            "figures are given to this computer, or to who has a key",
            "send the header Authorization: Bearer KEY",
        ));
    }
    let text = app
        .blocking(move |app| {
            let (mut people, mut faces) = (0, 0);
            for (_, gallery) in app.galleries.all() {
                let figures = gallery.statistics()?;
                (people, faces) = (people + figures.people, faces + figures.faces);
            }
            let free = app.memory.available_permits();
            let held = (app.memory_units as usize).saturating_sub(free) * 1000;
            let (batches, batched) = app.pool.batches();
            let counters = [
                ("phiz_batches_total", "Batches of faces that were described together.", batches),
                ("phiz_batched_total", "Requests whose faces were in these batches.", batched),
            ];
            Ok(app.metrics.text(
                &counters,
                &[
                    Gauge("phiz_people", "People in all galleries.", people as f64),
                    Gauge("phiz_stored_faces", "Faces in all galleries.", faces as f64),
                    Gauge("phiz_waiting", "Photos that wait to be worked on.", app.pool.waiting() as f64),
                    Gauge("phiz_body_bytes", "Bytes of bodies in memory.", held as f64),
                    Gauge(
                        "phiz_up_seconds",
                        "Seconds since the server was started.",
                        app.started.elapsed().as_secs_f64(),
                    ),
                ],
            ))
        })
        .await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

//! Long work: list, show, follow, end.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{Anyone, App, Caller, Reader};
use crate::error::Result;
use crate::jobs::Job;
use crate::look::Id;
use crate::wire::List;

/// The least time between two events of progress.
const PACE: Duration = Duration::from_millis(200);

/// Where a stream of events stands.
enum Step {
    First,
    Next,
    Over,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, cancel)).routes(routes!(events))
}

/// A job that the caller may see: it works on a gallery that is theirs.
fn seen(app: &App, caller: &Caller, id: &str) -> Result<Job> {
    let job = app.jobs.get(id)?;
    if caller.may_use(&job.gallery) { Ok(job) } else { app.jobs.get("") }
}

/// List jobs, latest first
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", responses((status = 200, body = List<Job>)))]
async fn list(State(app): State<App>, Reader(access): Reader) -> Answer<List<Job>> {
    let jobs = app.jobs.list().into_iter().filter(|job| access.caller.may_use(&job.gallery));
    Answer(List::whole(jobs.collect()))
}

/// Show a job
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path, example = "j1")),
    responses((status = 200, body = Job)))]
async fn show(State(app): State<App>, Anyone(caller): Anyone, Id(id): Id<String>) -> Result<Answer<Job>> {
    seen(&app, &caller, &id).map(Answer)
}

/// End a job at its next step
#[utoipa::path(delete, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path, example = "j1")),
    responses((status = 200, body = Job)))]
async fn cancel(State(app): State<App>, Anyone(caller): Anyone, Id(id): Id<String>) -> Result<Answer<Job>> {
    caller.need(seen(&app, &caller, &id)?.kind.scope())?;
    app.jobs.cancel(&id).map(Answer)
}

/// Follow a job: events `progress`, at the end `done`, `failed` or `cancelled`
#[utoipa::path(get, path = "/v1/jobs/{id}/events", tag = "jobs", params(("id" = String, Path, example = "j1")),
    responses((status = 200, body = String, content_type = "text/event-stream")))]
async fn events(
    State(app): State<App>,
    Anyone(caller): Anyone,
    Id(id): Id<String>,
) -> Result<Sse<impl Stream<Item = std::result::Result<Event, Infallible>>>> {
    seen(&app, &caller, &id)?;
    let (job, stop) = (app.jobs.watch(&id)?, app.stop.clone());
    let stream =
        futures_util::stream::unfold((job, stop, Step::First), |(mut job, mut stop, step)| async move {
            match step {
                Step::First => {}
                Step::Next => tokio::select! {
                    () = async {
                        tokio::time::sleep(PACE).await;
                        _ = job.changed().await;
                    } => {}
                    _ = stop.changed() => return None,
                },
                Step::Over => return None,
            }
            let now = job.borrow_and_update().clone();
            let over = now.state.is_over();
            let name = if over { now.state.as_str() } else { "progress" };
            let event = Event::default().event(name).json_data(&now).unwrap_or_default();
            Some((Ok(event), (job, stop, if over { Step::Over } else { Step::Next })))
        });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

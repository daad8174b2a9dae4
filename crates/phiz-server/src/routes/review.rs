//! What the gallery and its archive would like to know: questions, their answers, and taking answers back.

use axum::Json as Answer;
use axum::extract::State;
use phiz_service::{Answer as Said, Service, doubts};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::archive::{part, whom};
use super::people::check_consent;
use crate::app::{App, Enroller, Reader};
use crate::body::Json;
use crate::error::{ApiError, Code, Result};
use crate::look::{PageQuery, Query};
use crate::seen::{AnswerKind, Asked, Questions, ReviewAnswer, ReviewUndo, ReviewUndone, Reviewed};
use crate::wire::List;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(questions, answer))
        .routes(routes!(take_back))
        .routes(routes!(list_doubts))
}

/// How many questions are wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ReviewQuery {
    /// How many questions; 20 unless it is set
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// List the questions whose answers help most, the one that decides the most faces first
#[utoipa::path(get, path = "/v1/review", tag = "review", params(ReviewQuery),
    responses((status = 200, body = Questions)))]
async fn questions(
    State(app): State<App>,
    Reader(access): Reader,
    Query(ReviewQuery { limit }): Query<ReviewQuery>,
) -> Result<Answer<Questions>> {
    let limit = limit.unwrap_or(20);
    if !(1..=500).contains(&limit) {
        return Err(ApiError::value("limit", "is out of range", "give a number from 1 to 500"));
    }
    app.questions(access, move |_, _, asked| {
        let items = asked.iter().take(limit).cloned().filter_map(Asked::new).collect();
        Ok(Answer(Questions { items, left: asked.len() }))
    })
    .await
}

/// Answer a question
#[utoipa::path(post, path = "/v1/review", tag = "review", request_body = ReviewAnswer,
    responses((status = 200, body = Reviewed)))]
async fn answer(
    State(app): State<App>,
    Enroller(access): Enroller,
    Json(ReviewAnswer { key, answer, name, person, consent }): Json<ReviewAnswer>,
) -> Result<Answer<Reviewed>> {
    check_consent(consent.as_deref())?;
    if answer != AnswerKind::Name && (name.is_some() || person.is_some()) {
        return Err(ApiError::value("name, person", "fit no such answer", "send them with the answer name"));
    }
    let said = match answer {
        AnswerKind::Yes => Said::Yes,
        AnswerKind::No => Said::No,
        AnswerKind::Second => Said::Second,
        AnswerKind::Never => Said::Never,
        AnswerKind::Name => match whom(person, name)? {
            phiz_gallery::Target::Person(person) => Said::Person(person),
            phiz_gallery::Target::Named(name) => Said::Name(name),
            phiz_gallery::Target::New(details) => Said::Name(details.name),
        },
    };
    app.questions(access, move |app, album, asked| {
        let asked = asked.iter().find(|asked| asked.key == key).ok_or_else(|| {
            ApiError::new(
                Code::NotAsked,
                "this question is not asked, or not any more",
                "GET /v1/review lists the questions with their keys",
            )
        })?;
        let done = app.service.answer_with(album, asked, &said, consent.as_deref())?;
        Ok(Answer(Reviewed { key, operations: done.operations, done: done.done }))
    })
    .await
}

/// Take an answer back: its question is asked again
#[utoipa::path(post, path = "/v1/review/undo", tag = "review", request_body = ReviewUndo,
    responses((status = 200, body = ReviewUndone)))]
async fn take_back(
    State(app): State<App>,
    Enroller(access): Enroller,
    Json(ReviewUndo { key, operations }): Json<ReviewUndo>,
) -> Result<Answer<ReviewUndone>> {
    app.blocking(move |_| {
        Ok(Answer(ReviewUndone { undone: Service::take_back(&access.gallery, &key, &operations)? }))
    })
    .await
}

/// List what may be wrong with the people who are enrolled; `POST /v1/review` answers it
#[utoipa::path(get, path = "/v1/doubts", tag = "review", params(PageQuery),
    responses((status = 200, body = List<Asked>)))]
async fn list_doubts(
    State(app): State<App>,
    Reader(access): Reader,
    Query(page): Query<PageQuery>,
) -> Result<Answer<List<Asked>>> {
    let of = format!("doubts {}", access.gallery_name);
    page.limit()?;
    app.blocking(move |_| {
        let all = doubts(&access.gallery)?;
        part(all.into_iter().filter_map(Asked::new).collect(), &of, &page).map(Answer)
    })
    .await
}

//! The people whom nobody has named: list, show, name, ignore, join, split.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use phiz_gallery::GroupId;
use phiz_service::{Album, IdentifyOptions};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::archive::{part, whom};
use super::people::check_consent;
use crate::app::{App, Enroller, Reader};
use crate::body::Json;
use crate::error::{ApiError, Code, Result};
use crate::look::{Id, PageQuery, Query, TopQuery};
use crate::seen::{DoneSeveral, JoinStrangers, NamedStranger, NewStranger, SplitStranger, Stranger, Whom};
use crate::wire::{Candidate, Done, List};

/// Faces of each stranger in a list.
const LISTED: usize = 6;
/// Strangers that are joined at a time.
const JOINED: usize = 100;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(candidates))
        .routes(routes!(name))
        .routes(routes!(ignore))
        .routes(routes!(notice))
        .routes(routes!(join))
        .routes(routes!(split))
}

/// Which strangers are listed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct StrangersQuery {
    /// Those that nobody wants to hear of instead
    ignored: Option<bool>,
    /// How many faces are listed of each; 6 unless it is set
    #[param(minimum = 0, maximum = 500)]
    faces: Option<usize>,
}

/// List the strangers, the one with the most faces first
#[utoipa::path(get, path = "/v1/strangers", tag = "strangers", params(StrangersQuery, PageQuery),
    responses((status = 200, body = List<Stranger>)))]
async fn list(
    State(app): State<App>,
    Reader(access): Reader,
    Query(query): Query<StrangersQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Answer<List<Stranger>>> {
    let of = format!("strangers {} {query:?}", access.gallery_name);
    let (ignored, most) = (query.ignored.unwrap_or(false), query.faces.unwrap_or(LISTED));
    if most > 500 {
        return Err(ApiError::value("faces", "is out of range", "give a number from 0 to 500"));
    }
    page.limit()?;
    app.album(access, move |_, album| {
        let List { items, next } = part(album.strangers(ignored), &of, &page)?;
        let items = items.into_iter().map(|one| Stranger::new(one, ignored, most)).collect();
        Ok(Answer(List { items, next }))
    })
    .await
}

/// Fails if there is no such stranger, or if they have a name by now.
fn unnamed(album: &Album<'_>, number: u64) -> Result<()> {
    let Some(group) = album.archive.group(GroupId(number)) else {
        let reason = format!("there is no stranger {number}");
        return Err(ApiError::new(Code::NoStranger, reason, "GET /v1/strangers lists them by number"));
    };
    let Some(person) = group.person else { return Ok(()) };
    let reason = format!("stranger {number} has a name: it is {person}");
    let remedy = format!("GET /v1/people/{person} shows who it is");
    Err(ApiError::new(Code::StrangerNamed, reason, remedy).details(&serde_json::json!({ "person": person })))
}

/// Show a stranger with all faces
#[utoipa::path(get, path = "/v1/strangers/{number}", tag = "strangers",
    params(("number" = u64, Path, example = 1)), responses((status = 200, body = Stranger)))]
async fn show(
    State(app): State<App>,
    Reader(access): Reader,
    Id(number): Id<u64>,
) -> Result<Answer<Stranger>> {
    app.album(access, move |_, album| {
        unnamed(album, number)?;
        let stranger = album.stranger(number)?;
        let ignored = album.archive.group(GroupId(number)).is_some_and(|group| group.ignored);
        Ok(Answer(Stranger::new(stranger, ignored, usize::MAX)))
    })
    .await
}

/// List the people whom a stranger resembles most, though not enough to be one of them
#[utoipa::path(get, path = "/v1/strangers/{number}/candidates", tag = "strangers",
    params(("number" = u64, Path, example = 1), TopQuery), responses((status = 200, body = List<Candidate>)))]
async fn candidates(
    State(app): State<App>,
    Reader(access): Reader,
    Id(number): Id<u64>,
    Query(top): Query<TopQuery>,
) -> Result<Answer<List<Candidate>>> {
    let top = top.get()?;
    app.album(access, move |_, album| {
        unnamed(album, number)?;
        let options = IdentifyOptions { top, ..IdentifyOptions::default() };
        let found = album.resembled(number, &options)?;
        Ok(Answer(List::whole(found.into_iter().map(Candidate::from).collect())))
    })
    .await
}

/// Say who a stranger is: the best and most different faces are enrolled
#[utoipa::path(post, path = "/v1/strangers/{number}/name", tag = "strangers",
    params(("number" = u64, Path, example = 1)), request_body = Whom,
    responses((status = 200, body = NamedStranger)))]
async fn name(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(number): Id<u64>,
    Json(Whom { person, name, consent }): Json<Whom>,
) -> Result<Answer<NamedStranger>> {
    check_consent(consent.as_deref())?;
    let target = whom(person, name)?;
    app.album(access, move |app, album| {
        unnamed(album, number)?;
        let named = app.service.name_stranger(album, number, &target, consent.as_deref())?;
        Ok(Answer(named.into()))
    })
    .await
}

/// Do not list a stranger any more
#[utoipa::path(post, path = "/v1/strangers/{number}/ignore", tag = "strangers",
    params(("number" = u64, Path, example = 1)), responses((status = 200, body = Done)))]
async fn ignore(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(number): Id<u64>,
) -> Result<Answer<Done>> {
    app.blocking(move |_| Ok(Answer(Done { operation: access.gallery.ignore_group(GroupId(number), true)? })))
        .await
}

/// List a stranger again who was ignored
#[utoipa::path(post, path = "/v1/strangers/{number}/notice", tag = "strangers",
    params(("number" = u64, Path, example = 1)), responses((status = 200, body = Done)))]
async fn notice(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(number): Id<u64>,
) -> Result<Answer<Done>> {
    app.blocking(move |_| {
        Ok(Answer(Done { operation: access.gallery.ignore_group(GroupId(number), false)? }))
    })
    .await
}

/// Join strangers who are one person: the others' numbers stand for this one from then on
#[utoipa::path(post, path = "/v1/strangers/{number}/join", tag = "strangers",
    params(("number" = u64, Path, example = 1)), request_body = JoinStrangers,
    responses((status = 200, body = DoneSeveral)))]
async fn join(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(into): Id<u64>,
    Json(JoinStrangers { from }): Json<JoinStrangers>,
) -> Result<Answer<DoneSeveral>> {
    if from.is_empty() || from.len() > JOINED {
        let remedy = format!("name one stranger or more, {JOINED} at the most");
        return Err(ApiError::value("from", "names nobody, or too many", remedy));
    }
    app.blocking(move |_| {
        let mut operations = Vec::new();
        for other in from {
            match access.gallery.join_groups(GroupId(into), GroupId(other)) {
                Ok(operation) => operations.insert(0, operation),
                Err(error) => {
                    // All or none.
                    for operation in operations {
                        access.gallery.undo(Some(operation))?;
                    }
                    return Err(error.into());
                }
            }
        }
        Ok(Answer(DoneSeveral { operations }))
    })
    .await
}

/// Divide a stranger who is two people: some faces become a stranger of their own
#[utoipa::path(post, path = "/v1/strangers/{number}/split", tag = "strangers",
    params(("number" = u64, Path, example = 1)), request_body = SplitStranger,
    responses((status = 201, body = NewStranger)))]
async fn split(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(number): Id<u64>,
    Json(SplitStranger { faces }): Json<SplitStranger>,
) -> Result<(StatusCode, Answer<NewStranger>)> {
    if faces.is_empty() {
        return Err(ApiError::value("faces", "names none", "name one face or more"));
    }
    app.blocking(move |_| {
        let (new, operation) = access.gallery.split_group(GroupId(number), &faces)?;
        Ok((StatusCode::CREATED, Answer(NewStranger { stranger: new.0, operation })))
    })
    .await
}

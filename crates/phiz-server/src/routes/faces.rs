//! Single faces: show, picture, remove, move, "this is not them".

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use phiz_gallery::FaceId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::people::jpeg;
use crate::app::{App, Enroller, Reader};
use crate::body::Json;
use crate::error::{ApiError, Result};
use crate::look::Id;
use crate::wire::{Done, MoveTo, MovedFace, NewNegative, StoredFace};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(show, remove))
        .routes(routes!(crop))
        .routes(routes!(move_to))
        .routes(routes!(not))
}

/// Show a face
#[utoipa::path(get, path = "/v1/faces/{id}", tag = "faces", params(("id" = String, Path, example = "f1")),
    responses((status = 200, body = StoredFace)))]
async fn show(
    State(app): State<App>,
    Reader(access): Reader,
    Id(id): Id<FaceId>,
) -> Result<Answer<StoredFace>> {
    app.blocking(move |_| Ok(Answer(access.gallery.face(id)?.into()))).await
}

/// Show the picture of a face: aligned, 112×112 pixels
#[utoipa::path(get, path = "/v1/faces/{id}/crop", tag = "faces", params(("id" = String, Path, example = "f1")),
    responses((status = 200, body = Vec<u8>, content_type = "image/jpeg")))]
async fn crop(State(app): State<App>, Reader(access): Reader, Id(id): Id<FaceId>) -> Result<Response> {
    let bytes = app.blocking(move |_| access.gallery.crop(id)?.ok_or_else(ApiError::no_picture)).await?;
    Ok(jpeg(bytes))
}

/// Remove a face; this can be undone
#[utoipa::path(delete, path = "/v1/faces/{id}", tag = "faces", params(("id" = String, Path, example = "f1")),
    responses((status = 200, body = Done)))]
async fn remove(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(id): Id<FaceId>,
) -> Result<Answer<Done>> {
    app.blocking(move |_| Ok(Answer(Done { operation: access.gallery.remove_face(id)? }))).await
}

/// Give a face to another person
#[utoipa::path(post, path = "/v1/faces/{id}/move", tag = "faces", params(("id" = String, Path, example = "f1")),
    request_body = MoveTo, responses((status = 200, body = MovedFace)))]
async fn move_to(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(id): Id<FaceId>,
    Json(MoveTo { to }): Json<MoveTo>,
) -> Result<Answer<MovedFace>> {
    app.blocking(move |_| {
        let operation = access.gallery.move_face(id, to)?;
        Ok(Answer(MovedFace { face: access.gallery.face(id)?.into(), operation }))
    })
    .await
}

/// Say that a face is not its person
#[utoipa::path(post, path = "/v1/faces/{id}/not", tag = "faces", params(("id" = String, Path, example = "f1")),
    responses((status = 201, body = NewNegative)))]
async fn not(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(id): Id<FaceId>,
) -> Result<(StatusCode, Answer<NewNegative>)> {
    app.blocking(move |_| {
        let (negative, operation) = access.gallery.not_this_person(id)?;
        Ok((StatusCode::CREATED, Answer(NewNegative { negative, operation })))
    })
    .await
}

//! All routes. Each file has those of one part of the API, with what the OpenAPI document says of them.

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

mod access;
mod archive;
mod faces;
mod gallery;
mod jobs;
mod operation;
mod people;
mod photos;
mod review;
mod strangers;
mod streams;

/// All of them, with their description.
pub(crate) fn all() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(photos::routes())
        .merge(people::routes())
        .merge(faces::routes())
        .merge(archive::routes())
        .merge(strangers::routes())
        .merge(review::routes())
        .merge(gallery::routes())
        .merge(jobs::routes())
        .merge(streams::routes())
        .merge(access::routes())
        .merge(operation::routes())
}

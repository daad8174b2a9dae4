//! What a photo shows: detect, identify, verify, embed, compare.

use std::sync::atomic::Ordering;

use axum::Json as Answer;
use axum::extract::State;
use phiz_gallery::{ModelId, PersonId, Template};
use phiz_service::{FaceAnswer, IdentifyOptions, VerifyOptions};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{App, Reader};
use crate::body::{Json, Photos};
use crate::book::Scope;
use crate::error::{ApiError, Result};
use crate::look::{FmrQuery, LookQuery, Query, SearchQuery};
use crate::wire::{
    Compare, Detected, Embedded, EmbeddedPhoto, Face, IdentifiedPhoto, Verified, decode_values, encode_values,
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(detect))
        .routes(routes!(identify))
        .routes(routes!(verify))
        .routes(routes!(embed))
        .routes(routes!(compare))
}

/// A form with one photo.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct PhotoForm {
    /// The picture.
    #[schema(value_type = String, format = Binary, content_media_type = "application/octet-stream")]
    photo: Vec<u8>,
}

/// A form with two photos, or with one that is compared with a person.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct PairForm {
    /// The first picture.
    #[schema(value_type = Option<String>, format = Binary, content_media_type = "application/octet-stream")]
    a: Option<Vec<u8>>,
    /// The second picture.
    #[schema(value_type = Option<String>, format = Binary, content_media_type = "application/octet-stream")]
    b: Option<Vec<u8>>,
    /// The picture that is compared with a person.
    #[schema(value_type = Option<String>, format = Binary, content_media_type = "application/octet-stream")]
    photo: Option<Vec<u8>>,
}

/// A photo in base64.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct PhotoJson {
    /// The picture in base64, or a `data:` URL.
    photo: String,
}

/// Two photos in base64, or one that is compared with a person.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct PairJson {
    /// The first picture in base64.
    a: Option<String>,
    /// The second picture in base64.
    b: Option<String>,
    /// The picture that is compared with a person, in base64.
    photo: Option<String>,
}

fn count_faces(app: &App, faces: usize) {
    app.metrics.faces.fetch_add(faces as u64, Ordering::Relaxed);
}

/// The answer of a request of one photo.
fn only<T>(photos: &[T]) -> Result<&T> {
    photos.first().ok_or_else(|| ApiError::internal("a photo was lost between two steps"))
}

/// Find the faces in a photo
#[utoipa::path(post, path = "/v1/detect", tag = "photos", params(LookQuery),
    request_body(content((PhotoForm = "multipart/form-data"), (PhotoJson = "application/json"), (Vec<u8> = "application/octet-stream"))),
    responses((status = 200, body = Detected)))]
async fn detect(
    State(app): State<App>,
    _: Reader,
    Query(look): Query<LookQuery>,
    mut photos: Photos,
) -> Result<Answer<Detected>> {
    let looking = look.looking(&app.settings)?;
    let photo = photos.one("photo")?.photo();
    let found = app.compute(move |app| Ok(app.service.detect(&photo, &looking)?)).await?;
    count_faces(&app, found.faces.len());
    Ok(Answer(found.into()))
}

/// Whether what was seen is kept.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct KeepQuery {
    /// Whether what was seen is kept: templates and pictures of the faces, but not the photo. Strangers are found in it and
    /// can be named. Needs the scope `enrol`
    keep: Option<bool>,
}

/// Say whose faces a photo shows
#[utoipa::path(post, path = "/v1/identify", tag = "photos", params(LookQuery, SearchQuery, KeepQuery),
    request_body(content((PhotoForm = "multipart/form-data"), (PhotoJson = "application/json"), (Vec<u8> = "application/octet-stream"))),
    responses((status = 200, body = IdentifiedPhoto)))]
async fn identify(
    State(app): State<App>,
    Reader(access): Reader,
    Query(look): Query<LookQuery>,
    Query(search): Query<SearchQuery>,
    Query(keep): Query<KeepQuery>,
    mut photos: Photos,
) -> Result<Answer<IdentifiedPhoto>> {
    let keep = keep.keep.unwrap_or(false);
    if keep {
        access.caller.need(Scope::Enrol)?;
    }
    let options = IdentifyOptions {
        looking: look.looking(&app.settings)?,
        rate: search.rate()?,
        among: search.among()?,
        top: search.top()?,
        twins: search.twins.unwrap_or(false),
    };
    let photo = photos.one("photo")?.photo();
    if keep {
        let kept = app
            .compute(move |app| {
                let kept = app.service.identify_and_keep(&access.gallery, &photo, &options)?;
                app.archives.has_new(&access.gallery_name);
                Ok(kept)
            })
            .await?;
        count_faces(&app, kept.answer.faces.len());
        return Ok(Answer(kept.into()));
    }
    let looking = options.looking.clone();
    let found = app
        .compute_faces(
            move |app| Ok(vec![app.service.find(&photo, &looking)?]),
            move |app, described| {
                Ok(app.service.identify_described(&access.gallery, only(&described)?, &options)?)
            },
        )
        .await?;
    count_faces(&app, found.faces.len());
    Ok(Answer(found.into()))
}

/// Who a photo is compared with.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PersonQuery {
    /// Compare `photo` with this person instead of `a` with `b`
    #[param(value_type = Option<String>, example = "p1")]
    person: Option<PersonId>,
}

/// Say whether two photos show the same person, or whether a photo shows a person of the gallery
#[utoipa::path(post, path = "/v1/verify", tag = "photos", params(LookQuery, FmrQuery, PersonQuery),
    request_body(content((PairForm = "multipart/form-data"), (PairJson = "application/json"))),
    responses((status = 200, body = Verified)))]
async fn verify(
    State(app): State<App>,
    Reader(access): Reader,
    Query(look): Query<LookQuery>,
    Query(fmr): Query<FmrQuery>,
    Query(with): Query<PersonQuery>,
    mut photos: Photos,
) -> Result<Answer<Verified>> {
    let options =
        VerifyOptions { looking: look.looking(&app.settings)?, choice: look.choice()?, fmr: fmr.fmr()? };
    if let Some(person) = with.person {
        let photo = photos.one("photo")?.photo();
        let own = options.clone();
        let found = app
            .compute_faces(
                move |app| Ok(app.service.find_compared(&[&photo], &own)?),
                move |app, described| {
                    let gallery = &access.gallery;
                    Ok(app.service.verify_person_described(gallery, person, &described, &options)?)
                },
            )
            .await?;
        return Ok(Answer(Verified {
            similarity: found.similarity,
            fmr: Some(found.fmr),
            same: Some(found.same),
            person: Some(found.person),
            id: Some(found.id),
            denied: Some(found.denied),
        }));
    }
    let (a, b) = (photos.one("a")?.photo(), photos.one("b")?.photo());
    let own = options.clone();
    let found = app
        .compute_faces(
            move |app| Ok(app.service.find_compared(&[&a, &b], &own)?),
            move |app, described| Ok(app.service.verify_described(&described, &options)?),
        )
        .await?;
    let (similarity, fmr, same) = (found.similarity, found.fmr, found.same);
    Ok(Answer(Verified { similarity, fmr, same, person: None, id: None, denied: None }))
}

/// Describe the faces in a photo by their templates
#[utoipa::path(post, path = "/v1/embed", tag = "photos", params(LookQuery),
    request_body(content((PhotoForm = "multipart/form-data"), (PhotoJson = "application/json"), (Vec<u8> = "application/octet-stream"))),
    responses((status = 200, body = EmbeddedPhoto)))]
async fn embed(
    State(app): State<App>,
    _: Reader,
    Query(look): Query<LookQuery>,
    mut photos: Photos,
) -> Result<Answer<EmbeddedPhoto>> {
    let looking = look.looking(&app.settings)?;
    let photo = photos.one("photo")?.photo();
    let find = move |app: &App| Ok(vec![app.service.find(&photo, &looking)?]);
    let described = app.compute_faces(find, |_, described| Ok(described)).await?;
    let found = only(&described)?;
    count_faces(&app, found.faces.len());
    let (width, height) = (found.width, found.height);
    let faces = found.faces.iter().map(|face| Embedded {
        face: Face::new(&FaceAnswer::from(face), width, height),
        template: encode_values(face.template.vector()),
    });
    Ok(Answer(EmbeddedPhoto {
        width,
        height,
        model: app.service.analyzer().model_id().to_string(),
        dim: app.service.analyzer().dim(),
        faces: faces.collect(),
    }))
}

/// Compare two templates
#[utoipa::path(post, path = "/v1/compare", tag = "photos", params(FmrQuery), request_body = Compare,
    responses((status = 200, body = Verified)))]
async fn compare(
    State(app): State<App>,
    _: Reader,
    Query(rate): Query<FmrQuery>,
    Json(pair): Json<Compare>,
) -> Result<Answer<Verified>> {
    let asked = rate.fmr()?;
    let model = ModelId::new(&pair.model)
        .map_err(|e| ApiError::value("model", e, "send the model that POST /v1/embed answers"))?;
    let own = app.service.analyzer().model_id();
    if model != *own {
        return Err(ApiError::value(
            "model",
            "is another model than the server's",
            format!("the server's is {own}"),
        ));
    }
    let template = |field: &str, text: &str| {
        let values = decode_values(field, text)?;
        let wrong =
            || ApiError::value(field, "has another number of values", "send a template of this model");
        if values.len() != app.service.analyzer().dim() {
            return Err(wrong());
        }
        Template::new(model.clone(), values)
            .map_err(|e| ApiError::value(field, e, "send a template as POST /v1/embed answers it"))
    };
    let (a, b) = (template("a", &pair.a)?, template("b", &pair.b)?);
    let similarity = a.similarity(&b).map_err(|e| ApiError::value("b", e, "send templates of one model"))?;
    let fmr = app.service.thresholds().ok().map(|thresholds| thresholds.fmr_at(f64::from(similarity)));
    let same = fmr.map(|fmr| fmr <= asked);
    Ok(Answer(Verified { similarity, fmr, same, person: None, id: None, denied: None }))
}

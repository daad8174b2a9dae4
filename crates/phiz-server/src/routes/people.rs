//! People: list, make, change, remove, restore, merge, split; their faces and what is said not to be them.

use std::sync::atomic::Ordering;

use axum::Json as Answer;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use phiz_gallery::{Details, Edit, FaceId, Gallery, NegativeId, OperationKind, PersonId, Target};
use phiz_service::{EnrolAnswer, EnrolEvent, EnrolOptions, IdentifyOptions, PersonPhotos, neighbours};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{App, Enroller, Reader};
use crate::body::{Json, MaybeJson, Photos};
use crate::error::{ApiError, Code, Result};
use crate::look::{EnrolQuery, ForceQuery, Id, LookQuery, PageQuery, PeopleQuery, Query, TopQuery, cursor};
use crate::seen::JudgedPhotos;
use crate::wire::{
    Candidate, ChangedPerson, Done, EnrolledPhoto, EnrolledPhotos, List, Merge, MergedPerson, Negative,
    NewNegative, NewPerson, Operation, Person, PersonChange, Split, StoredFace, Undo, Undone, WatchList,
};

/// Longest text of consent, in characters.
const LONGEST_CONSENT: usize = 1000;
/// Longest name, attribute or list, in characters, and the most of them.
const LONGEST_NAME: usize = 200;
const MOST_DETAILS: usize = 100;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, remove))
        .routes(routes!(restore))
        .routes(routes!(faces, enrol))
        .routes(routes!(check))
        .routes(routes!(picture))
        .routes(routes!(candidates))
        .routes(routes!(negatives, say_not))
        .routes(routes!(allow))
        .routes(routes!(merge))
        .routes(routes!(split))
        .routes(routes!(lists))
        .routes(routes!(history))
        .routes(routes!(undo))
}

/// Fails if somebody's details would garble lists or fill the gallery.
pub(super) fn check_details(details: &Details) -> Result<()> {
    let long = |text: &str| text.chars().count() > LONGEST_NAME;
    let remedy = format!("use {LONGEST_NAME} characters or fewer");
    if long(&details.name) {
        return Err(ApiError::new(Code::BadName, "the name is too long", remedy));
    }
    let texts = details.attributes.iter().flat_map(|(k, v)| [k, v]).chain(&details.lists);
    if texts.clone().any(|text| long(text)) {
        return Err(ApiError::value("attributes, lists", "hold a text that is too long", remedy));
    }
    if texts.clone().any(|text| text.chars().any(char::is_control)) {
        return Err(ApiError::value("attributes, lists", "hold control characters", "leave them out"));
    }
    if details.lists.iter().chain(details.attributes.keys()).any(|text| text.trim().is_empty()) {
        return Err(ApiError::value("attributes, lists", "hold a name that is blank", "leave it out"));
    }
    if details.attributes.len() + details.lists.len() > MOST_DETAILS {
        let reason = format!("are more than {MOST_DETAILS}");
        return Err(ApiError::value("attributes, lists", reason, "use fewer"));
    }
    Ok(())
}

/// Fails if the ground on which faces are kept is too long a text.
pub(super) fn check_consent(consent: Option<&str>) -> Result<()> {
    if consent.is_some_and(|text| text.chars().count() > LONGEST_CONSENT) {
        let remedy = format!("use {LONGEST_CONSENT} characters or fewer");
        return Err(ApiError::value("consent", "is too long", remedy));
    }
    Ok(())
}

/// List people
#[utoipa::path(get, path = "/v1/people", tag = "people", params(PeopleQuery, PageQuery),
    responses((status = 200, body = List<Person>)))]
async fn list(
    State(app): State<App>,
    Reader(access): Reader,
    Query(people): Query<PeopleQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Answer<List<Person>>> {
    let of = format!("people {} {people:?}", access.gallery_name);
    let (after, limit) = (page.after(&of)?.map(PersonId), page.limit()?);
    let filter = people.filter()?;
    app.blocking(move |_| {
        let mut found = access.gallery.people(&filter, after, limit + 1)?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| cursor(&of, last.id.0));
        Ok(Answer(List { items: found.into_iter().map(Person::from).collect(), next }))
    })
    .await
}

/// Make a person
#[utoipa::path(post, path = "/v1/people", tag = "people", request_body = NewPerson,
    responses((status = 201, body = ChangedPerson)))]
async fn create(
    State(app): State<App>,
    Enroller(access): Enroller,
    Json(new): Json<NewPerson>,
) -> Result<(StatusCode, Answer<ChangedPerson>)> {
    let details = Details { name: new.name, attributes: new.attributes, lists: new.lists };
    phiz_gallery::clean_name(&details.name)?;
    check_details(&details)?;
    app.blocking(move |_| {
        let (id, operation) = access.gallery.add_person(&details)?;
        let person = access.gallery.person(id)?.into();
        Ok((StatusCode::CREATED, Answer(ChangedPerson { person, operation })))
    })
    .await
}

/// Show a person
#[utoipa::path(get, path = "/v1/people/{id}", tag = "people", params(("id" = String, Path, example = "p1")),
    responses((status = 200, body = Person)))]
async fn show(
    State(app): State<App>,
    Reader(access): Reader,
    Id(id): Id<PersonId>,
) -> Result<Answer<Person>> {
    app.blocking(move |_| Ok(Answer(access.gallery.person(id)?.into()))).await
}

/// Change a person's name, attributes or watch lists
#[utoipa::path(patch, path = "/v1/people/{id}", tag = "people", params(("id" = String, Path, example = "p1")),
    request_body = PersonChange, responses((status = 200, body = ChangedPerson)))]
async fn update(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(id): Id<PersonId>,
    Json(change): Json<PersonChange>,
) -> Result<Answer<ChangedPerson>> {
    if change.name.is_none() && change.attributes.is_none() && change.lists.is_none() {
        return Err(ApiError::bad("nothing is to be changed", "send name, attributes or lists"));
    }
    if let Some(name) = &change.name {
        phiz_gallery::clean_name(name)?;
    }
    check_details(&Details {
        name: change.name.clone().unwrap_or_default(),
        attributes: change.attributes.clone().unwrap_or_default(),
        lists: change.lists.clone().unwrap_or_default(),
    })?;
    app.blocking(move |_| {
        let operation = match (&change.name, &change.attributes, &change.lists) {
            (Some(name), None, None) => access.gallery.rename(id, name)?,
            _ => access.gallery.update(id, |details| {
                details.name = change.name.clone().unwrap_or_else(|| std::mem::take(&mut details.name));
                if let Some(attributes) = &change.attributes {
                    details.attributes = attributes.clone();
                }
                if let Some(lists) = &change.lists {
                    details.lists = lists.clone();
                }
            })?,
        };
        Ok(Answer(ChangedPerson { person: access.gallery.person(id)?.into(), operation }))
    })
    .await
}

/// Remove a person with all faces; this can be undone
#[utoipa::path(delete, path = "/v1/people/{id}", tag = "people", params(("id" = String, Path, example = "p1")),
    responses((status = 200, body = Done)))]
async fn remove(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(id): Id<PersonId>,
) -> Result<Answer<Done>> {
    app.blocking(move |_| Ok(Answer(Done { operation: access.gallery.remove_person(id)? }))).await
}

/// Restore a person who was removed
#[utoipa::path(post, path = "/v1/people/{id}/restore", tag = "people", params(("id" = String, Path, example = "p1")),
    responses((status = 200, body = Person)))]
async fn restore(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(id): Id<PersonId>,
) -> Result<Answer<Person>> {
    app.blocking(move |_| {
        if let Ok(person) = access.gallery.person(id) {
            return Ok(Answer(person.into()));
        }
        let removal = access.gallery.history()?.into_iter().find(
            |operation| matches!(operation.kind, OperationKind::RemovePerson { person, .. } if person == id),
        );
        let removal = removal.ok_or_else(|| {
            ApiError::new(
                Code::NoPerson,
                format!("person {id} was not removed, or cannot be restored any more"),
                "GET /v1/history lists what can be undone",
            )
        })?;
        access.gallery.undo(Some(removal.id))?;
        Ok(Answer(access.gallery.person(id)?.into()))
    })
    .await
}

/// List a person's faces
#[utoipa::path(get, path = "/v1/people/{id}/faces", tag = "people", params(("id" = String, Path, example = "p1")),
    responses((status = 200, body = List<StoredFace>)))]
async fn faces(
    State(app): State<App>,
    Reader(access): Reader,
    Id(id): Id<PersonId>,
) -> Result<Answer<List<StoredFace>>> {
    app.blocking(move |_| {
        let faces = access.gallery.faces(id)?;
        Ok(Answer(List::whole(faces.into_iter().map(StoredFace::from).collect())))
    })
    .await
}

/// A form with photos of one person.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
struct PhotosForm {
    /// The pictures.
    #[schema(value_type = Vec<String>, format = Binary, content_media_type = "application/octet-stream")]
    photo: Vec<Vec<u8>>,
}

/// A photo in base64, with its name.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
struct NamedPhoto {
    /// The picture in base64.
    photo: String,
    /// Its name.
    source: Option<String>,
}

/// Photos of one person in base64.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
struct PhotosJson {
    /// The pictures.
    photos: Vec<NamedPhoto>,
}

/// Add faces to a person from photos
#[utoipa::path(post, path = "/v1/people/{id}/faces", tag = "people",
    params(("id" = String, Path, example = "p1"), LookQuery, EnrolQuery),
    request_body(content((PhotosForm = "multipart/form-data"), (PhotosJson = "application/json"), (Vec<u8> = "application/octet-stream"))),
    responses((status = 200, body = EnrolledPhotos)))]
async fn enrol(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(id): Id<PersonId>,
    Query(look): Query<LookQuery>,
    Query(how): Query<EnrolQuery>,
    photos: Photos,
) -> Result<Answer<EnrolledPhotos>> {
    check_consent(how.consent.as_deref())?;
    let options = EnrolOptions {
        looking: look.looking(&app.settings)?,
        choice: look.choice()?,
        force: how.force.unwrap_or(false),
        crop: how.crop.unwrap_or(true),
        consent: how.consent.filter(|text| !text.trim().is_empty()),
    };
    let sent = of_person(photos)?;
    // Whose photos they are is known before any is looked at.
    let gallery = access.gallery.clone();
    let person = app.blocking(move |_| Ok(gallery.person(id)?)).await?;
    if how.dry_run.unwrap_or(false) {
        let photos = judge(&app, access.gallery, Some(id), sent, options).await?;
        return Ok(Answer(EnrolledPhotos { photos, person: person.into(), operation: None }));
    }
    let answer = app.compute(move |app| add(app, &access.gallery, id, sent, &options)).await?;
    let error = |photo: &&EnrolledPhoto| photo.error.is_some();
    let refused = answer.photos.iter().filter(error).count() as u64;
    app.metrics.refused.fetch_add(refused, Ordering::Relaxed);
    app.metrics.enrolled.fetch_add(answer.photos.len() as u64 - refused, Ordering::Relaxed);
    Ok(Answer(answer))
}

/// Judges photos as if they were to be enrolled.
async fn judge(
    app: &App,
    gallery: std::sync::Arc<Gallery>,
    person: Option<PersonId>,
    sent: Vec<crate::body::Sent>,
    options: EnrolOptions,
) -> Result<Vec<EnrolledPhoto>> {
    app.compute(move |app| {
        let names: Vec<String> = sent.iter().map(|sent| sent.name.clone()).collect();
        let photos: Vec<phiz_service::Photo> = sent.into_iter().map(crate::body::Sent::photo).collect();
        let judged = app.service.judge_photos(&gallery, person, &photos, &options)?;
        Ok(names.into_iter().zip(judged).map(|(name, judged)| EnrolledPhoto::judged(name, judged)).collect())
    })
    .await
}

/// Say what would become of photos of somebody who is new if they were enrolled; nothing is stored
#[utoipa::path(post, path = "/v1/enrol/check", tag = "people", params(LookQuery, ForceQuery),
    request_body(content((PhotosForm = "multipart/form-data"), (PhotosJson = "application/json"), (Vec<u8> = "application/octet-stream"))),
    responses((status = 200, body = JudgedPhotos)))]
async fn check(
    State(app): State<App>,
    Enroller(access): Enroller,
    Query(look): Query<LookQuery>,
    Query(ForceQuery { force }): Query<ForceQuery>,
    photos: Photos,
) -> Result<Answer<JudgedPhotos>> {
    let options = EnrolOptions {
        looking: look.looking(&app.settings)?,
        choice: look.choice()?,
        force: force.unwrap_or(false),
        crop: false,
        consent: None,
    };
    let sent = of_person(photos)?;
    Ok(Answer(JudgedPhotos { photos: judge(&app, access.gallery, None, sent, options).await? }))
}

/// The photos that were sent as those of a person.
fn of_person(photos: Photos) -> Result<Vec<crate::body::Sent>> {
    let sent: Vec<_> = photos.photos.into_iter().filter(|sent| sent.field == "photo").collect();
    if sent.is_empty() {
        return Err(ApiError::bad("the request holds no photo", "send one or more as the field \"photo\""));
    }
    Ok(sent)
}

fn add(
    app: &App,
    gallery: &Gallery,
    id: PersonId,
    sent: Vec<crate::body::Sent>,
    options: &EnrolOptions,
) -> Result<EnrolledPhotos> {
    let names: Vec<String> = sent.iter().map(|sent| sent.name.clone()).collect();
    let photos = sent.into_iter().map(|sent| (sent.photo(), None)).collect();
    let person = PersonPhotos { target: Target::Person(id), name: String::new(), photos };
    let mut done: Option<EnrolAnswer> = None;
    app.service.enrol_people(gallery, std::slice::from_ref(&person), options, 1, |event| {
        if let EnrolEvent::Person(_, answer) = event {
            done = Some(answer);
        }
    })?;
    let done = done.ok_or_else(|| ApiError::internal("nothing was enrolled"))?;
    let photos = names.into_iter().zip(done.photos);
    Ok(EnrolledPhotos {
        photos: photos.map(|(name, photo)| EnrolledPhoto::new(name, photo.result)).collect(),
        person: gallery.person(id)?.into(),
        operation: done.operation,
    })
}

/// A picture as an answer.
pub(super) fn jpeg(bytes: Vec<u8>) -> Response {
    // A face's picture never changes; only the person behind it may.
    ([(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "private, max-age=86400")], bytes)
        .into_response()
}

/// Show the picture of a person's best face
#[utoipa::path(get, path = "/v1/people/{id}/picture", tag = "people", params(("id" = String, Path, example = "p1")),
    responses((status = 200, body = Vec<u8>, content_type = "image/jpeg")))]
async fn picture(State(app): State<App>, Reader(access): Reader, Id(id): Id<PersonId>) -> Result<Response> {
    let bytes = app
        .blocking(move |_| {
            let faces = access.gallery.faces(id)?;
            let best = faces.iter().filter(|face| face.crop).max_by(|a, b| a.quality.total_cmp(&b.quality));
            let best = best.ok_or_else(ApiError::no_picture)?;
            access.gallery.crop(best.id)?.ok_or_else(ApiError::no_picture)
        })
        .await?;
    let mut response = jpeg(bytes);
    // Another face may be the best tomorrow.
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, axum::http::HeaderValue::from_static("private, no-cache"));
    Ok(response)
}

/// List the people whom a person resembles most
#[utoipa::path(get, path = "/v1/people/{id}/candidates", tag = "people",
    params(("id" = String, Path, example = "p1"), TopQuery), responses((status = 200, body = List<Candidate>)))]
async fn candidates(
    State(app): State<App>,
    Reader(access): Reader,
    Id(id): Id<PersonId>,
    Query(top): Query<TopQuery>,
) -> Result<Answer<List<Candidate>>> {
    let options = IdentifyOptions { top: top.get()?, ..IdentifyOptions::default() };
    app.blocking(move |_| {
        let found = neighbours(&access.gallery, id, &options)?;
        Ok(Answer(List::whole(found.into_iter().map(Candidate::from).collect())))
    })
    .await
}

/// List what is said not to be a person
#[utoipa::path(get, path = "/v1/people/{id}/negatives", tag = "people", params(("id" = String, Path, example = "p1")),
    responses((status = 200, body = List<Negative>)))]
async fn negatives(
    State(app): State<App>,
    Reader(access): Reader,
    Id(id): Id<PersonId>,
) -> Result<Answer<List<Negative>>> {
    app.blocking(move |_| {
        let found = access.gallery.negatives(id)?;
        Ok(Answer(List::whole(found.into_iter().map(Negative::from).collect())))
    })
    .await
}

/// A face that is not the person.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NotFace {
    /// A face that was enrolled for the person.
    #[schema(value_type = String, example = "f1")]
    face: FaceId,
}

/// Say that a face is not a person
#[utoipa::path(post, path = "/v1/people/{id}/negatives", tag = "people",
    params(("id" = String, Path, example = "p1"), LookQuery),
    request_body(content((NotFace = "application/json"), (super::photos::PhotoForm = "multipart/form-data"), (Vec<u8> = "application/octet-stream"))),
    responses((status = 201, body = NewNegative)))]
async fn say_not(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(id): Id<PersonId>,
    Query(look): Query<LookQuery>,
    request: Request,
) -> Result<(StatusCode, Answer<NewNegative>)> {
    let mut photos = Photos::from_request(request, &app).await?;
    if let Some(json) = photos.json.take().filter(|_| photos.photos.is_empty()) {
        let NotFace { face } = serde_json::from_value(json)
            .map_err(|_| ApiError::bad("the JSON names no face", "send {\"face\": \"f12\"}, or a photo"))?;
        return app
            .blocking(move |_| {
                let owner = access.gallery.face(face)?.person;
                if owner != id {
                    let reason = format!("face {face} is not person {id}'s but {owner}'s");
                    return Err(ApiError::new(
                        Code::Conflict,
                        reason,
                        "GET /v1/people/{id}/faces lists a person's faces",
                    ));
                }
                let (negative, operation) = access.gallery.not_this_person(face)?;
                Ok((StatusCode::CREATED, Answer(NewNegative { negative, operation })))
            })
            .await;
    }
    let options = EnrolOptions {
        looking: look.looking(&app.settings)?,
        choice: look.choice()?,
        force: true,
        crop: false,
        consent: None,
    };
    let photo = photos.one("photo")?.photo();
    app.compute(move |app| {
        let face = app.service.new_face(&photo, &options)?;
        let (negative, operation) = access.gallery.add_negative(id, &face)?;
        Ok((StatusCode::CREATED, Answer(NewNegative { negative, operation })))
    })
    .await
}

/// Take back that a face is not a person
#[utoipa::path(delete, path = "/v1/negatives/{id}", tag = "people", params(("id" = String, Path, example = "n1")),
    responses((status = 200, body = Done)))]
async fn allow(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(id): Id<NegativeId>,
) -> Result<Answer<Done>> {
    app.blocking(move |_| Ok(Answer(Done { operation: access.gallery.remove_negative(id)? }))).await
}

/// Merge people who are one person
#[utoipa::path(post, path = "/v1/people/{id}/merge", tag = "people", params(("id" = String, Path, example = "p1")),
    request_body = Merge, responses((status = 200, body = MergedPerson)))]
async fn merge(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(into): Id<PersonId>,
    Json(Merge { from }): Json<Merge>,
) -> Result<Answer<MergedPerson>> {
    if from.is_empty() {
        return Err(ApiError::value("from", "names nobody", "name one person or more"));
    }
    app.blocking(move |_| {
        let edits: Vec<Edit> = from.iter().map(|from| Edit::Merge { into, from: *from }).collect();
        let mut operations = access.gallery.apply(&edits)?;
        operations.reverse();
        Ok(Answer(MergedPerson { person: access.gallery.person(into)?.into(), operations }))
    })
    .await
}

/// Split some faces of a person off as a new person
#[utoipa::path(post, path = "/v1/people/{id}/split", tag = "people", params(("id" = String, Path, example = "p1")),
    request_body = Split, responses((status = 201, body = ChangedPerson)))]
async fn split(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(id): Id<PersonId>,
    Json(Split { faces, name }): Json<Split>,
) -> Result<(StatusCode, Answer<ChangedPerson>)> {
    let details = Details::named(name);
    check_details(&details)?;
    app.blocking(move |_| {
        let (new, operation) = access.gallery.split(id, &faces, &details)?;
        let person = access.gallery.person(new)?.into();
        Ok((StatusCode::CREATED, Answer(ChangedPerson { person, operation })))
    })
    .await
}

/// List the watch lists
#[utoipa::path(get, path = "/v1/lists", tag = "people", responses((status = 200, body = List<WatchList>)))]
async fn lists(State(app): State<App>, Reader(access): Reader) -> Result<Answer<List<WatchList>>> {
    app.blocking(move |_| {
        let lists = access.gallery.lists()?;
        Ok(Answer(List::whole(lists.into_iter().map(|(name, people)| WatchList { name, people }).collect())))
    })
    .await
}

/// List what can be undone, latest first
#[utoipa::path(get, path = "/v1/history", tag = "people", params(PageQuery),
    responses((status = 200, body = List<Operation>)))]
async fn history(
    State(app): State<App>,
    Reader(access): Reader,
    Query(page): Query<PageQuery>,
) -> Result<Answer<List<Operation>>> {
    let of = format!("history {}", access.gallery_name);
    let (before, limit) = (page.after(&of)?, page.limit()?);
    app.blocking(move |_| {
        let mut all = access.gallery.history()?;
        all.retain(|operation| before.is_none_or(|before| operation.id.0 < before));
        let more = all.len() > limit;
        all.truncate(limit);
        let next = all.last().filter(|_| more).map(|last| cursor(&of, last.id.0));
        Ok(Answer(List { items: all.into_iter().map(Operation::from).collect(), next }))
    })
    .await
}

/// Undo a change, the latest if none is named
#[utoipa::path(post, path = "/v1/undo", tag = "people", request_body = Option<Undo>,
    responses((status = 200, body = Undone)))]
async fn undo(
    State(app): State<App>,
    Enroller(access): Enroller,
    MaybeJson(Undo { operation }): MaybeJson<Undo>,
) -> Result<Answer<Undone>> {
    app.blocking(move |_| {
        let undone = access.gallery.undo(operation)?;
        Ok(Answer(Undone { undone: undone.operation.into(), people: undone.people }))
    })
    .await
}

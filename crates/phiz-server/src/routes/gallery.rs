//! Galleries as a whole: figures, rates, calibration, evaluation, purge, backup.

use axum::Json as Answer;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use phiz_eval::protocol::{self, System};
use phiz_eval::{Samples, embeddings};
use phiz_gallery::{Filter, Gallery, Purge, Rate, fpir};
use phiz_service::{AdoptEvent, AdoptOptions};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::archive::allowed;
use crate::app::{Admin, Anyone, App, Manager, Reader};
use crate::body::{Json, MaybeJson};
use crate::error::{ApiError, Code, Result};
use crate::jobs::{Job, JobKind, Progress};
use crate::look::{FpirQuery, Query};
use crate::wire::{
    AdoptUndone, AdoptWhat, CalibrationFigures, CalibrationState, GalleryFigures, GalleryHead, List,
    NewGallery, PurgeWhat, RatePoint, Rates,
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(figures))
        .routes(routes!(rates))
        .routes(routes!(calibration, calibrate, forget))
        .routes(routes!(evaluate))
        .routes(routes!(purge))
        .routes(routes!(adopt, undo_adoption))
        .routes(routes!(backup))
}

fn head(name: String, gallery: &Gallery) -> Result<GalleryHead> {
    let figures = gallery.statistics()?;
    Ok(GalleryHead { name, people: figures.people, faces: figures.faces })
}

/// List the galleries that the caller may use
#[utoipa::path(get, path = "/v1/galleries", tag = "gallery", responses((status = 200, body = List<GalleryHead>)))]
async fn list(State(app): State<App>, Anyone(caller): Anyone) -> Result<Answer<List<GalleryHead>>> {
    app.blocking(move |app| {
        let all = app.galleries.all().into_iter().filter(|(name, _)| caller.may_use(name));
        Ok(Answer(List::whole(all.map(|(name, gallery)| head(name, &gallery)).collect::<Result<_>>()?)))
    })
    .await
}

/// Make a gallery
#[utoipa::path(post, path = "/v1/galleries", tag = "gallery", request_body = NewGallery,
    responses((status = 201, body = GalleryHead)))]
async fn create(
    State(app): State<App>,
    _: Manager,
    Json(NewGallery { name }): Json<NewGallery>,
) -> Result<(StatusCode, Answer<GalleryHead>)> {
    app.blocking(move |app| {
        let gallery = app.galleries.create(&name, &app.service)?;
        Ok((StatusCode::CREATED, Answer(head(name, &gallery)?)))
    })
    .await
}

/// Show a gallery in figures
#[utoipa::path(get, path = "/v1/gallery", tag = "gallery", responses((status = 200, body = GalleryFigures)))]
async fn figures(State(app): State<App>, Reader(access): Reader) -> Result<Answer<GalleryFigures>> {
    app.blocking(move |app| {
        let figures = access.gallery.statistics()?;
        Ok(Answer(GalleryFigures {
            adopt_needed: figures.model != *app.service.analyzer().model_id(),
            name: access.gallery_name,
            model: figures.model.to_string(),
            dim: figures.dim,
            sealed: access.gallery.is_sealed(),
            people: figures.people,
            people_without_faces: figures.people_without_faces,
            faces: figures.faces,
            crops: figures.crops,
            negatives: figures.negatives,
            operations: figures.operations,
            removed_faces: figures.removed_faces,
            undo_days: figures.undo_days,
            calibrated: figures.calibrated,
        }))
    })
    .await
}

/// Say what a rate means in this gallery
#[utoipa::path(get, path = "/v1/gallery/rates", tag = "gallery", params(FpirQuery), responses((status = 200, body = Rates)))]
async fn rates(
    State(app): State<App>,
    Reader(access): Reader,
    Query(query): Query<FpirQuery>,
) -> Result<Answer<Rates>> {
    let asked = query.fpir()?;
    app.blocking(move |_| {
        let figures = access.gallery.statistics()?;
        let people = figures.people - figures.people_without_faces;
        let calibration = access.gallery.calibration();
        let comparisons = people as f64 * calibration.as_ref().map_or(1.0, |calibration| calibration.share);
        let wrong = |e| ApiError::value("fpir", e, "give a number between 0 and 1");
        let fmr = Rate::Fpir(asked).fmr(comparisons).map_err(wrong)?;
        let thresholds = access.gallery.thresholds();
        let point = |[fmr, similarity]: &[f64; 2]| RatePoint { fmr: *fmr, similarity: *similarity };
        Ok(Answer(Rates {
            source: if calibration.is_some() { "measured" } else { "card" }.into(),
            threshold: thresholds.similarity_at(fmr),
            fmr,
            fpir: fpir(fmr, comparisons.max(1.0)),
            people,
            least_measured: thresholds.least_measured(),
            points: thresholds.quantiles().iter().map(point).collect(),
        }))
    })
    .await
}

/// Say whether rates were measured on this gallery
#[utoipa::path(get, path = "/v1/gallery/calibration", tag = "gallery", responses((status = 200, body = CalibrationState)))]
async fn calibration(Reader(access): Reader) -> Answer<CalibrationState> {
    let calibration = access.gallery.calibration().map(|calibration| CalibrationFigures {
        at: calibration.at,
        people: calibration.people,
        comparisons: calibration.comparisons,
        share: calibration.share,
    });
    Answer(CalibrationState { calibration })
}

type Begun = (StatusCode, Answer<Job>);

fn cancelled() -> ApiError {
    ApiError::new(Code::Conflict, "the job was ended", "begin it again")
}

/// Measure rates on this gallery's own people, and decide by them from then on
#[utoipa::path(post, path = "/v1/gallery/calibration", tag = "gallery", responses((status = 202, body = Job)))]
async fn calibrate(State(app): State<App>, Admin(access): Admin) -> Result<Begun> {
    let gallery = access.gallery;
    let work = move |progress: &Progress| {
        let done = gallery.calibrate_while(|done, all| {
            progress.tell(done as u64, all as u64);
            !progress.is_cancelled()
        });
        let done = done.map_err(|error| match error.cause() {
            None if error.kind() == phiz_gallery::ErrorKind::Conflict => {
                ApiError::new(Code::TooFewPeople, error.reason(), error.hint())
            }
            _ => error.into(),
        })?;
        let done = done.ok_or_else(cancelled)?;
        Ok(json!({
            "people": done.calibration.people,
            "comparisons": done.calibration.comparisons,
            "share": done.calibration.share,
            "at": done.calibration.at,
            "compared": done.compared,
            "suspects": done.suspects,
        }))
    };
    let job = app.jobs.start(JobKind::Calibrate, &access.gallery_name, work)?;
    Ok((StatusCode::ACCEPTED, Answer(job)))
}

/// Forget the measured rates: the model's own hold again
#[utoipa::path(delete, path = "/v1/gallery/calibration", tag = "gallery", responses((status = 204)))]
async fn forget(State(app): State<App>, Admin(access): Admin) -> Result<StatusCode> {
    app.blocking(move |_| {
        access.gallery.forget_calibration()?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Measure how well this gallery recognises its own people
#[utoipa::path(post, path = "/v1/gallery/evaluation", tag = "gallery", params(FpirQuery),
    responses((status = 202, body = Job)))]
async fn evaluate(
    State(app): State<App>,
    Reader(access): Reader,
    Query(query): Query<FpirQuery>,
) -> Result<Begun> {
    let (gallery, fpir) = (access.gallery, query.fpir()?);
    let name = access.gallery_name.clone();
    let work = move |progress: &Progress| {
        let samples = enrolled(&gallery)?;
        let mut system = System::new("gallery");
        system.fact("gallery", name);
        system.fact("model", gallery.model());
        let followed = Followed(progress);
        let options = protocol::Options::default();
        let report = protocol::gallery(system, &samples, fpir, &options, &followed);
        if progress.is_cancelled() {
            return Err(cancelled());
        }
        let report =
            report.map_err(|e| ApiError::new(Code::Conflict, e.to_string(), "enrol more people or faces"))?;
        serde_json::to_value(report).map_err(ApiError::internal)
    };
    let job = app.jobs.start(JobKind::Evaluate, &access.gallery_name, work)?;
    Ok((StatusCode::ACCEPTED, Answer(job)))
}

/// Everybody who is enrolled, faces named `person id, face id`: names need not be unique.
fn enrolled(gallery: &Gallery) -> Result<Samples> {
    const PAGE: usize = 1000;
    let (mut photos, mut people, mut vectors) = (Vec::new(), Vec::new(), Vec::new());
    let mut after = None;
    loop {
        let page = gallery.people(&Filter::default(), after, PAGE)?;
        for person in &page {
            let name = format!("{} {}", person.details.name, person.id);
            for (face, template) in gallery.templates(person.id)? {
                photos.push(format!("{name}, face {face}"));
                people.push(name.clone());
                vectors.push(Some(template.vector().to_vec()));
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.id),
            _ => break,
        }
    }
    let distinct: std::collections::BTreeSet<&String> = people.iter().collect();
    if distinct.len() < 2 {
        let reason = "the gallery has fewer than two people with a face";
        return Err(ApiError::new(Code::TooFewPeople, reason, "enrol more people"));
    }
    embeddings::samples(photos, &people, &vectors).map_err(ApiError::internal)
}

/// Destroy what was removed, and prove that it is gone
#[utoipa::path(post, path = "/v1/gallery/purge", tag = "gallery", request_body = Option<PurgeWhat>,
    responses((status = 202, body = Job)))]
async fn purge(
    State(app): State<App>,
    Admin(access): Admin,
    MaybeJson(PurgeWhat { days }): MaybeJson<PurgeWhat>,
) -> Result<Begun> {
    let gallery = access.gallery;
    let what = days.map_or(Purge::All, |days| Purge::OlderThan { days });
    let work = move |_: &Progress| {
        let done = gallery.purge(what, true)?;
        let proof = done
            .proof
            .map(|proof| json!({ "bytes": proof.bytes, "pieces": proof.pieces, "found": proof.found.len() }));
        Ok(json!({
            "operations": done.operations,
            "faces": done.faces,
            "negatives": done.negatives,
            "photos": done.photos,
            "sightings": done.sightings,
            "proof": proof,
        }))
    };
    let job = app.jobs.start(JobKind::Purge, &access.gallery_name, work)?;
    Ok((StatusCode::ACCEPTED, Answer(job)))
}

/// Bring the gallery to the server's model: templates are computed anew from the pictures that are kept
#[utoipa::path(post, path = "/v1/gallery/adopt", tag = "gallery", request_body = Option<AdoptWhat>,
    responses((status = 202, body = Job)))]
async fn adopt(
    State(app): State<App>,
    Admin(access): Admin,
    MaybeJson(AdoptWhat { photos, dry_run }): MaybeJson<AdoptWhat>,
) -> Result<Begun> {
    let roots = app.settings.scan_folders.clone();
    let folders = move |_: &App| {
        let each = photos.iter().map(|folder| allowed(&roots, Some(folder)));
        Ok(each.collect::<Result<Vec<_>>>()?.concat())
    };
    let options = AdoptOptions {
        photos: app.blocking(folders).await?,
        dry_run,
        threads: app.settings.worker_threads().div_ceil(2),
        ..AdoptOptions::default()
    };
    let (name, server) = (access.gallery_name.clone(), app.clone());
    let work = move |progress: &Progress| {
        // Requests go on with the handle that they have, until the templates are exchanged.
        let mut gallery = server.galleries.open_again(&name)?;
        let (mut done, mut all) = (0, 0);
        let answer = server.service.adopt_while(&mut gallery, &options, |event| {
            match event {
                AdoptEvent::Begin(faces) => all = faces as u64,
                AdoptEvent::Described(more) => done += more as u64,
            }
            progress.tell(done.min(all), all);
            !progress.is_cancelled()
        });
        // One that was ended is of its model still, and requests keep their handle.
        if !options.dry_run && !matches!(answer, Ok(None)) {
            server.galleries.put(&name, gallery, &server.service);
        }
        serde_json::to_value(answer?.ok_or_else(cancelled)?).map_err(ApiError::internal)
    };
    let job = app.jobs.start(JobKind::Adopt, &access.gallery_name, work)?;
    Ok((StatusCode::ACCEPTED, Answer(job)))
}

/// Go back to the model before the last adoption
#[utoipa::path(delete, path = "/v1/gallery/adopt", tag = "gallery", responses((status = 200, body = AdoptUndone)))]
async fn undo_adoption(State(app): State<App>, Admin(access): Admin) -> Result<Answer<AdoptUndone>> {
    app.blocking(move |app| {
        let mut gallery = app.galleries.open_again(&access.gallery_name)?;
        let back = gallery.undo_adoption().map_err(|error| match error.kind() {
            phiz_gallery::ErrorKind::NotFound => {
                let remedy = "GET /v1/gallery says which model it is of";
                ApiError::new(Code::Conflict, error.reason(), remedy)
            }
            _ => error.into(),
        })?;
        app.galleries.put(&access.gallery_name, gallery, &app.service);
        Ok(Answer(AdoptUndone {
            from: back.from.to_string(),
            to: back.to.to_string(),
            waiting: back.waiting.len(),
            sightings: back.sightings,
        }))
    })
    .await
}

/// Download a copy of the gallery as it is now, sealed as it is: its key opens it
#[utoipa::path(post, path = "/v1/gallery/backup", tag = "gallery",
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")))]
async fn backup(State(app): State<App>, Admin(access): Admin) -> Result<Response> {
    let name = format!("attachment; filename=\"{}.phiz\"", access.gallery_name);
    let file = app
        .blocking(move |app| {
            let folder = tempfile::Builder::new()
                .prefix(".backup-")
                .tempdir_in(&app.home)
                .map_err(ApiError::internal)?;
            let path = folder.path().join("gallery.phiz");
            access.gallery.backup(&path)?;
            // The open file outlives its name, where the system allows it.
            let file = std::fs::File::open(&path).map_err(ApiError::internal)?;
            Ok(file)
        })
        .await?;
    let stream = futures_util::stream::unfold(tokio::fs::File::from_std(file), |mut file| async move {
        use tokio::io::AsyncReadExt as _;
        let mut bytes = vec![0; 64 * 1024];
        match file.read(&mut bytes).await {
            Ok(0) => None,
            Ok(read) => {
                bytes.truncate(read);
                Some((Ok(bytes), file))
            }
            Err(error) => Some((Err(error), file)),
        }
    });
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// An evaluation's progress as a job's.
struct Followed<'a>(&'a Progress);

impl protocol::Watch for Followed<'_> {
    fn progress(&self, done: u64, all: u64) {
        self.0.tell(done, all);
    }
}

//! What was seen: photos that were scanned or sent, the faces in them, and who they are.

use std::path::{Path, PathBuf};

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use phiz_gallery::{PersonId, PhotoId, SightingId, Target};
use phiz_service::walk::{Item, Walk};
use phiz_service::{FindOptions, IdentifyOptions, Looking, Problem, ScanEvent, ScanOptions, photo_shown};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::people::{check_consent, check_details, jpeg};
use super::photos::{PhotoForm, PhotoJson};
use crate::app::{Admin, App, Enroller, Reader};
use crate::body::{Json, MaybeJson, Photos};
use crate::error::{ApiError, Code, Result};
use crate::jobs::{Job, JobKind, Progress};
use crate::look::{Id, LookQuery, PageQuery, Query, cursor};
use crate::seen::{
    ArchiveFigures, ArchivePhoto, Explanation, LikeSeen, NotWhom, SaidWho, ScanFolders, ScanWhat, Seen,
    Unusable, Whom, no_photo,
};
use crate::wire::{Done, List};

/// Photos that cannot be used, of which a scan's result names so many.
const NAMED_PROBLEMS: usize = 100;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(figures))
        .routes(routes!(folders, scan))
        .routes(routes!(photos))
        .routes(routes!(photo, forget))
        .routes(routes!(picture))
        .routes(routes!(search))
        .routes(routes!(sighting))
        .routes(routes!(crop))
        .routes(routes!(explain))
        .routes(routes!(say_who))
        .routes(routes!(say_not))
}

/// Show what the archive holds, in figures
#[utoipa::path(get, path = "/v1/archive", tag = "archive", responses((status = 200, body = ArchiveFigures)))]
async fn figures(State(app): State<App>, Reader(access): Reader) -> Result<Answer<ArchiveFigures>> {
    app.album(access, |_, album| {
        let all = phiz_service::tally(&album.archive);
        let of = |name| all.get(name).copied().unwrap_or_default();
        Ok(Answer(ArchiveFigures {
            photos: of("photos"),
            faces: of("faces"),
            named: of("named"),
            strangers: of("strangers"),
        }))
    })
    .await
}

/// List the folders that the server may scan
#[utoipa::path(get, path = "/v1/scan", tag = "archive", responses((status = 200, body = ScanFolders)))]
async fn folders(State(app): State<App>, _: Reader) -> Answer<ScanFolders> {
    let folders = app.settings.scan_folders.iter().map(|folder| folder.display().to_string());
    Answer(ScanFolders { folders: folders.collect() })
}

/// The folders to scan, each as the system knows it: in a folder that may be scanned, whatever links lead there.
pub(super) fn allowed(roots: &[PathBuf], wanted: Option<&str>) -> Result<Vec<PathBuf>> {
    let refused = || {
        ApiError::new(
            Code::FolderNotAllowed,
            "the server may not scan that folder",
            "name a folder that GET /v1/scan lists, or one in it; the setting scan_folders allows folders",
        )
    };
    let missing = |folder: &Path| {
        ApiError::value(
            "folder",
            format!("{} is no folder that can be read", folder.display()),
            "check that it exists and that the server may read it",
        )
    };
    let known = |folder: &Path| std::fs::canonicalize(folder).ok().filter(|folder| folder.is_dir());
    let Some(wanted) = wanted else {
        if roots.is_empty() {
            return Err(refused());
        }
        return roots.iter().map(|root| known(root).ok_or_else(|| missing(root))).collect();
    };
    let wanted = Path::new(wanted);
    let plain = wanted.components().all(|part| !matches!(part, std::path::Component::ParentDir));
    // What lies elsewhere is refused whether it exists or not.
    if !plain || !roots.iter().any(|root| wanted.starts_with(root)) {
        return Err(refused());
    }
    let folder = known(wanted).ok_or_else(|| missing(wanted))?;
    if !roots.iter().filter_map(|root| known(root)).any(|root| folder.starts_with(root)) {
        return Err(refused());
    }
    Ok(vec![folder])
}

/// The photos in folders, but not those that links lead to from elsewhere.
fn walk(folders: &[PathBuf]) -> Walk {
    let mut walk = Walk::over(folders);
    for item in &mut walk.items {
        let Item { path, root, problem } = item;
        let inside = || std::fs::canonicalize(&*path).is_ok_and(|path| path.starts_with(&*root));
        if problem.is_none() && !inside() {
            let reason = "is a link that leads out of the folder";
            *problem =
                Some(Problem::new(phiz_service::Code::Unreadable, reason, "put the photo into the folder"));
        }
    }
    walk
}

/// Look at the photos of a folder of the server, and keep what is seen; photos that are known are not looked at again
#[utoipa::path(post, path = "/v1/scan", tag = "archive", request_body = Option<ScanWhat>,
    responses((status = 202, body = Job)))]
async fn scan(
    State(app): State<App>,
    Admin(access): Admin,
    MaybeJson(ScanWhat { folder }): MaybeJson<ScanWhat>,
) -> Result<(StatusCode, Answer<Job>)> {
    let roots = app.settings.scan_folders.clone();
    let folders = app.blocking(move |_| allowed(&roots, folder.as_deref())).await?;
    // The photos of an own folder may show crowds: nobody waits for them, and nobody sent them.
    let looking = Looking { max_faces: None, ..LookQuery::default().looking(&app.settings)? };
    let options = ScanOptions {
        identify: IdentifyOptions { looking, ..IdentifyOptions::default() },
        // Half of the processors are left to those who wait for an answer.
        threads: app.settings.worker_threads().div_ceil(2),
        ..ScanOptions::default()
    };
    let name = access.gallery_name.clone();
    let server = app.clone();
    let work = move |progress: &Progress| {
        let walk = walk(&folders);
        let (mut done, mut due) = (0, 0);
        let mut problems = Vec::new();
        let summary =
            server.service.scan::<ApiError>(&access.gallery, &walk, &folders, &options, &mut |event| {
                if progress.is_cancelled() {
                    return Err(ApiError::new(Code::Conflict, "the job was ended", "begin it again"));
                }
                match event {
                    ScanEvent::Begins { due: all } => {
                        due = all as u64;
                        progress.tell(0, due);
                    }
                    ScanEvent::Photo { path, due: looked, answer } => {
                        done += u64::from(looked);
                        progress.tell(done, due);
                        if let Err(problem) = answer
                            && problems.len() < NAMED_PROBLEMS
                        {
                            let error = unusable(problem);
                            problems.push(Unusable { path: path.display().to_string(), error: error.item() });
                        }
                    }
                    _ => {}
                }
                Ok(())
            });
        // What was committed before it ended is there.
        server.archives.has_new(&access.gallery_name);
        let mut result = serde_json::to_value(summary?).map_err(ApiError::internal)?;
        result["problems"] = json!(problems);
        Ok(result)
    };
    Ok((StatusCode::ACCEPTED, Answer(app.jobs.start(JobKind::Scan, &name, work)?)))
}

/// A photo of the server that cannot be read is no fault of the server.
fn unusable(problem: Problem) -> ApiError {
    match problem.code() {
        phiz_service::Code::Unreadable => {
            ApiError::new(Code::Unusable, problem.to_string(), "let the server read the file")
        }
        _ => problem.into(),
    }
}

/// Which photos are listed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct FindQuery {
    /// Photos that show one of these people, by id, with commas
    #[param(example = "p1,p2")]
    person: Option<String>,
    /// Only photos that show all of these people, too
    with: Option<String>,
    /// Only photos that show none of these people
    without: Option<String>,
    /// Only photos that show somebody whom nobody has named
    unknown: Option<bool>,
    /// Only photos that show this stranger, by number
    stranger: Option<u64>,
    /// Only photos of that time or later, in seconds since 1970
    since: Option<i64>,
    /// Only photos of before that time, in seconds since 1970
    before: Option<i64>,
}

impl FindQuery {
    fn options(&self) -> Result<FindOptions> {
        let people = |field: &str, text: &Option<String>| -> Result<Vec<PersonId>> {
            let wrong =
                || ApiError::value(field, "holds what is no id of a person", "give ids such as p1,p2");
            let ids = text.iter().flat_map(|text| text.split(','));
            ids.map(|id| id.trim().parse().map_err(|_| wrong())).collect()
        };
        Ok(FindOptions {
            any: people("person", &self.person)?,
            with: people("with", &self.with)?,
            without: people("without", &self.without)?,
            unknown: self.unknown.unwrap_or(false),
            since: self.since,
            before: self.before,
            stranger: self.stranger,
            sent: true,
        })
    }
}

/// A part of a list that is made as a whole; the cursor says how many items came before.
pub(super) fn part<T>(all: Vec<T>, of: &str, page: &PageQuery) -> Result<List<T>> {
    let (before, limit) = (page.after(of)?.unwrap_or(0), page.limit()?);
    let skipped = usize::try_from(before).unwrap_or(usize::MAX);
    let more = all.len() > skipped.saturating_add(limit);
    let items: Vec<T> = all.into_iter().skip(skipped).take(limit).collect();
    let next = more.then(|| cursor(of, before + items.len() as u64));
    Ok(List { items, next })
}

/// List the photos that show somebody, by path; all photos if nothing is asked for
#[utoipa::path(get, path = "/v1/photos", tag = "archive", params(FindQuery, PageQuery),
    responses((status = 200, body = List<ArchivePhoto>)))]
async fn photos(
    State(app): State<App>,
    Reader(access): Reader,
    Query(find): Query<FindQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Answer<List<ArchivePhoto>>> {
    let of = format!("photos {} {find:?}", access.gallery_name);
    let options = find.options()?;
    page.limit()?;
    app.album(access, move |_, album| {
        let List { items, next } = part(album.find(&options), &of, &page)?;
        let items = items.into_iter().map(|photo| ArchivePhoto::new(album, photo.id, photo.faces));
        Ok(Answer(List { items: items.collect::<Result<_>>()?, next }))
    })
    .await
}

/// Show a photo of the archive and the faces in it
#[utoipa::path(get, path = "/v1/photos/{id}", tag = "archive", params(("id" = String, Path, example = "i1")),
    responses((status = 200, body = ArchivePhoto)))]
async fn photo(
    State(app): State<App>,
    Reader(access): Reader,
    Id(id): Id<PhotoId>,
) -> Result<Answer<ArchivePhoto>> {
    app.album(access, move |_, album| {
        let (_, places) = album.photos().find(|(photo, _)| photo.id == id).ok_or_else(no_photo)?;
        let faces = places.iter().map(|place| album.face(*place)).collect();
        ArchivePhoto::new(album, id, faces).map(Answer)
    })
    .await
}

/// How large a picture is wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SideQuery {
    /// The longer side in pixels at the most; 1600 unless it is set
    #[param(minimum = 64, maximum = 4096)]
    side: Option<u32>,
}

/// Show the picture of a photo of the archive, upright
#[utoipa::path(get, path = "/v1/photos/{id}/picture", tag = "archive",
    params(("id" = String, Path, example = "i1"), SideQuery),
    responses((status = 200, body = Vec<u8>, content_type = "image/jpeg")))]
async fn picture(
    State(app): State<App>,
    Reader(access): Reader,
    Id(id): Id<PhotoId>,
    Query(SideQuery { side }): Query<SideQuery>,
) -> Result<Response> {
    let side = side.unwrap_or(1600);
    if !(64..=4096).contains(&side) {
        return Err(ApiError::value("side", "is out of range", "give a number of pixels from 64 to 4096"));
    }
    let shown = app.compute(move |_| Ok(photo_shown(&access.gallery, id, side)?)).await?;
    let bytes = shown.ok_or_else(|| {
        ApiError::new(
            Code::NoPicture,
            "the photo cannot be shown: its file is gone or was changed, or it was sent and only its faces were kept",
            "show the pictures of its faces: GET /v1/sightings/{id}/crop",
        )
    })?;
    let headers = [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "private, max-age=3600")];
    Ok((headers, bytes).into_response())
}

/// Forget a photo of the archive and what was seen in it; scanning finds it again
#[utoipa::path(delete, path = "/v1/photos/{id}", tag = "archive", params(("id" = String, Path, example = "i1")),
    responses((status = 204)))]
async fn forget(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(id): Id<PhotoId>,
) -> Result<StatusCode> {
    app.blocking(move |_| {
        access.gallery.forget_photo(id)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Show a face that was seen
#[utoipa::path(get, path = "/v1/sightings/{id}", tag = "archive", params(("id" = String, Path, example = "s1")),
    responses((status = 200, body = Seen)))]
async fn sighting(
    State(app): State<App>,
    Reader(access): Reader,
    Id(id): Id<SightingId>,
) -> Result<Answer<Seen>> {
    app.album(access, move |_, album| Ok(Answer(Seen::at(album, album.place(id)?)))).await
}

/// Show the picture of a face that was seen: aligned, 112×112 pixels
#[utoipa::path(get, path = "/v1/sightings/{id}/crop", tag = "archive", params(("id" = String, Path, example = "s1")),
    responses((status = 200, body = Vec<u8>, content_type = "image/jpeg")))]
async fn crop(State(app): State<App>, Reader(access): Reader, Id(id): Id<SightingId>) -> Result<Response> {
    let bytes = app
        .compute(move |app| {
            app.service.crop_of(&access.gallery, id)?.ok_or_else(|| {
                ApiError::new(
                    Code::NoPicture,
                    "the photo that shows this face is gone or was changed",
                    "connect the disk that the photo is on, or scan its folder again",
                )
            })
        })
        .await?;
    Ok(jpeg(bytes))
}

/// Say why a face that was seen is who it is, or is not
#[utoipa::path(get, path = "/v1/sightings/{id}/explain", tag = "archive",
    params(("id" = String, Path, example = "s1")), responses((status = 200, body = Explanation)))]
async fn explain(
    State(app): State<App>,
    Reader(access): Reader,
    Id(id): Id<SightingId>,
) -> Result<Answer<Explanation>> {
    app.album(access, move |app, album| {
        let place = album.place(id)?;
        let photo = album.archive.sightings[place].photo;
        let (_, places) = album.photos().find(|(other, _)| other.id == photo).ok_or_else(no_photo)?;
        let said = phiz_service::said_in(&album.archive, places);
        let options = IdentifyOptions::default();
        let all = app.service.explain(album.gallery(), &album.faces(places), &said, &options)?;
        let own = places.iter().zip(all).find(|(other, _)| **other == place);
        let (_, own) = own.ok_or_else(|| ApiError::internal("a sighting is not in its photo"))?;
        Ok(Answer(own.into()))
    })
    .await
}

/// Who is meant by a person's id or by a name: exactly one of the two.
pub(super) fn whom(person: Option<PersonId>, name: Option<String>) -> Result<Target> {
    match (person, name) {
        (Some(person), None) => Ok(Target::Person(person)),
        (None, Some(name)) => {
            phiz_gallery::clean_name(&name)?;
            check_details(&phiz_gallery::Details::named(name.clone()))?;
            Ok(Target::Named(name))
        }
        _ => Err(ApiError::bad("it is not said who it is", "send either person or name")),
    }
}

/// Say who a face that was seen is; a face that is good enough is enrolled as well
#[utoipa::path(post, path = "/v1/sightings/{id}/person", tag = "archive",
    params(("id" = String, Path, example = "s1")), request_body = Whom,
    responses((status = 200, body = SaidWho)))]
async fn say_who(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(id): Id<SightingId>,
    Json(Whom { person, name, consent }): Json<Whom>,
) -> Result<Answer<SaidWho>> {
    check_consent(consent.as_deref())?;
    let target = whom(person, name)?;
    app.album(access, move |app, album| {
        album.place(id)?;
        let gallery = album.gallery();
        let mut operations = Vec::new();
        let person = match target {
            Target::Person(person) => person,
            Target::Named(name) => match gallery.named(&name)?.as_slice() {
                [] => {
                    let (person, made) = gallery.add_person(&phiz_gallery::Details::named(name))?;
                    operations.push(made);
                    person
                }
                _ => gallery.resolve(&name)?.id,
            },
            Target::New(details) => gallery.add_person(&details)?.0,
        };
        let said = app.service.say_who(album, id, person, consent.as_deref());
        match said {
            Ok(operation) => operations.insert(0, operation),
            Err(error) => {
                // Nobody is left who was made only for this.
                if let Some(made) = operations.pop() {
                    gallery.undo(Some(made))?;
                }
                return Err(error.into());
            }
        }
        let name = gallery.person(person)?.details.name;
        Ok(Answer(SaidWho { id: person, person: name, operations }))
    })
    .await
}

/// Say that a face that was seen is not a person
#[utoipa::path(post, path = "/v1/sightings/{id}/not", tag = "archive",
    params(("id" = String, Path, example = "s1")), request_body = NotWhom,
    responses((status = 200, body = Done)))]
async fn say_not(
    State(app): State<App>,
    Enroller(access): Enroller,
    Id(id): Id<SightingId>,
    Json(NotWhom { person }): Json<NotWhom>,
) -> Result<Answer<Done>> {
    app.album(access, move |app, album| {
        Ok(Answer(Done { operation: app.service.say_not(album, id, person)? }))
    })
    .await
}

/// How many are wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct MostQuery {
    /// How many sightings; 20 unless it is set
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// Say where a face was seen before: the sightings that are most like it, whoever they are
#[utoipa::path(post, path = "/v1/sightings/search", tag = "archive", params(LookQuery, MostQuery),
    request_body(content((PhotoForm = "multipart/form-data"), (PhotoJson = "application/json"), (Vec<u8> = "application/octet-stream"))),
    responses((status = 200, body = List<LikeSeen>)))]
async fn search(
    State(app): State<App>,
    Reader(access): Reader,
    Query(look): Query<LookQuery>,
    Query(MostQuery { limit }): Query<MostQuery>,
    mut photos: Photos,
) -> Result<Answer<List<LikeSeen>>> {
    let (looking, choice) = (look.looking(&app.settings)?, look.choice()?);
    let limit = limit.unwrap_or(20);
    if !(1..=500).contains(&limit) {
        return Err(ApiError::value("limit", "is out of range", "give a number from 1 to 500"));
    }
    let photo = photos.one("photo")?.photo();
    let face = app
        .compute(move |app| {
            let image = app.service.decode(&photo, &looking)?;
            Ok(app.service.face(&image, &looking, choice)?)
        })
        .await?;
    app.album(access, move |_, album| {
        let thresholds = album.gallery().thresholds();
        let like = |(place, similarity): (usize, f32)| LikeSeen {
            seen: Seen::at(album, place),
            similarity,
            fmr: thresholds.fmr_at(f64::from(similarity)),
        };
        Ok(Answer(List::whole(album.like(&face.template, limit)?.into_iter().map(like).collect())))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_that_are_named_are_scanned() {
        let home = tempfile::tempdir().unwrap();
        let home = std::fs::canonicalize(home.path()).unwrap();
        let [root, inside, outside] = ["photos", "photos/2024", "private"].map(|name| home.join(name));
        for folder in [&inside, &outside] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let roots = [root.clone()];
        let code = |wanted: &Path| allowed(&roots, Some(&wanted.to_string_lossy())).map_err(|e| e.code);
        assert_eq!(code(&root), Ok(vec![root.clone()]));
        assert_eq!(code(&inside), Ok(vec![inside.clone()]));
        assert_eq!(allowed(&roots, None).map_err(|e| e.code), Ok(vec![root.clone()]));
        assert_eq!(code(&root.join("none")), Err(Code::BadValue), "it may exist there");
        for elsewhere in
            [outside.clone(), home.join("none"), root.join("../private"), "photos".into(), "/".into()]
        {
            assert_eq!(code(&elsewhere), Err(Code::FolderNotAllowed), "{}", elsewhere.display());
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&outside, root.join("link")).unwrap();
            assert_eq!(code(&root.join("link")), Err(Code::FolderNotAllowed), "a link that leads out");
        }
        assert_eq!(allowed(&[], None).map_err(|e| e.code), Err(Code::FolderNotAllowed));
    }

    #[test]
    fn lists_go_on_where_they_ended() {
        let page = |limit: &str, cursor: Option<&str>| {
            let cursor = cursor.map(|c| format!("&cursor={c}")).unwrap_or_default();
            let uri = format!("/?limit={limit}{cursor}").parse().unwrap();
            axum::extract::Query::<PageQuery>::try_from_uri(&uri).unwrap().0
        };
        let all: Vec<u8> = (0..5).collect();
        let first = part(all.clone(), "x", &page("3", None)).unwrap();
        assert_eq!(first.items, [0, 1, 2]);
        let rest = part(all.clone(), "x", &page("3", first.next.as_deref())).unwrap();
        assert_eq!((rest.items, rest.next), (vec![3, 4], None));
        assert_eq!(part(all, "x", &page("5", None)).unwrap().next, None);
    }
}

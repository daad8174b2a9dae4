//! The one form of errors, and the one table of their codes. What is the caller's to mend is explained; what is ours is
//! logged under the request id and not shown.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use phiz_gallery::{Cause, ErrorKind, GalleryError};
use phiz_service::{Code as PhotoCode, Error as ServiceError, Problem};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::{ObjectBuilder, Type};

macro_rules! codes {
    ($($variant:ident $name:literal $status:literal $when:literal;)*) => {
        /// Names an error for programs. The names stay the same between versions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $when] #[serde(rename = $name)] $variant,)*
        }

        impl Code {
            /// All codes, in the order of the documentation.
            pub const ALL: &[Code] = &[$(Code::$variant),*];

            /// The name, as JSON has it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub fn status(self) -> StatusCode {
                let number: u16 = match self { $(Code::$variant => $status,)* };
                StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }

            /// When it is answered.
            #[must_use]
            pub fn when(self) -> &'static str {
                match self { $(Code::$variant => $when,)* }
            }
        }
    };
}

codes! {
    BadRequest "bad_request" 400 "the request cannot be understood: broken JSON or multipart, a wrong parameter";
    BadId "bad_id" 400 "an id is none";
    BadCursor "bad_cursor" 400 "the cursor is not of this list";
    BadHost "bad_host" 421 "the `Host` header names another host";
    Unauthorised "unauthorised" 401 "no key or session, or one that is not valid";
    SetupNeeded "setup_needed" 401 "nobody has set a passphrase or made a key";
    WrongPassphrase "wrong_passphrase" 401 "the passphrase or the code is wrong";
    FolderNotAllowed "folder_not_allowed" 403 "the server may not scan that folder: see the setting scan_folders";
    Csrf "csrf" 403 "a session's request without its token, or from another site";
    Forbidden "forbidden" 403 "the key's scope or galleries do not allow it";
    NotFound "not_found" 404 "there is no such route";
    NoPerson "no_person" 404 "there is no such person";
    NoFaceId "no_face_id" 404 "there is no such face";
    NoNegative "no_negative" 404 "there is no such negative";
    NoOperation "no_operation" 404 "there is no such operation, or none at all";
    NoGallery "no_gallery" 404 "there is no such gallery";
    NoJob "no_job" 404 "there is no such job";
    NoKey "no_key" 404 "there is no such key";
    NoStream "no_stream" 404 "there is no such stream";
    NoPhoto "no_photo" 404 "there is no such photo in the archive";
    NoSighting "no_sighting" 404 "there is no such sighting";
    NoStranger "no_stranger" 404 "there is no stranger of that number";
    NoPicture "no_picture" 404 "no picture of the face is kept";
    MethodNotAllowed "method_not_allowed" 405 "the route has no such method";
    Timeout "timeout" 408 "the body came too slowly";
    Conflict "conflict" 409 "the request contradicts what the gallery holds";
    ChangedSince "changed_since" 409 "a later operation must be undone first";
    PreviewOff "preview_off" 409 "the stream has no preview";
    SaidNotToBe "said_not_to_be" 409 "somebody said that the face is not the person";
    SeveralPeople "several_people" 409 "several people have the name";
    StrangerNamed "stranger_named" 409 "the stranger has a name by now; `details` says whose";
    NotAsked "not_asked" 409 "that question is not asked, or not any more";
    SetupDone "setup_done" 409 "a passphrase or a key exists already";
    OtherModel "other_model" 409 "the gallery holds templates of another model than the server's: it must adopt that first";
    TooFewPeople "too_few_people" 409 "too few people have faces for this";
    IdempotencyRunning "idempotency_running" 409 "the first request with this key is still being worked on";
    IdempotencyLost "idempotency_lost" 409 "the server was interrupted while it worked on the first request with this key; look whether it was done";
    TooLargeBody "too_large_body" 413 "the body is larger than allowed";
    WrongType "wrong_type" 415 "the content type is none that the route takes";
    IdempotencyMismatch "idempotency_mismatch" 422 "the key came with another request before";
    BadName "bad_name" 422 "the text can be no name";
    BadValue "bad_value" 422 "a field has a value that it cannot have";
    UnknownFormat "unknown_format" 422 "the photo is in no picture format that Phiz reads";
    Damaged "damaged" 422 "the photo is broken or cut off";
    TooLarge "too_large" 422 "the photo has too many pixels or faces";
    Unusable "unusable" 422 "the photo cannot be used for another reason";
    NoFace "no_face" 422 "one face is needed, and the photo has none";
    SeveralFaces "several_faces" 422 "one face is needed, and the photo has several of similar size";
    NoSuchFace "no_such_face" 422 "the photo has no face of that number or at that place";
    FaceTooSmall "face_too_small" 422 "the face has too few pixels to be enrolled";
    FaceTooPoor "face_too_poor" 422 "the face is too blurred, dark or turned away to be enrolled";
    Refused "refused" 422 "the gallery does not take the face; `details` says why";
    TooManyRequests "too_many_requests" 429 "this key or address asks too often; see `Retry-After`";
    TooManyAttempts "too_many_attempts" 429 "too many wrong passphrases or keys from this address; see `Retry-After`";
    HeaderTooLarge "header_too_large" 431 "the headers are larger than allowed";
    Internal "internal" 500 "a fault of the server; its log has the request id";
    Overloaded "overloaded" 503 "more work waits than is allowed; see `Retry-After`";
    Stopping "stopping" 503 "the server is being stopped";
    TooSlow "too_slow" 503 "the work took longer than allowed";
    Busy "busy" 503 "another program keeps the gallery locked; see `Retry-After`";
    Storage "storage" 507 "the disk is full or cannot be written";
}

// By hand: the derive does not see names that a macro hands on.
impl utoipa::PartialSchema for Code {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        let names = Code::ALL.iter().map(|code| code.as_str());
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).build().into()
    }
}

impl ToSchema for Code {
    fn name() -> std::borrow::Cow<'static, str> {
        "Code".into()
    }
}

/// Why a request was not done.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) remedy: String,
    pub(crate) details: Option<Value>,
    /// Seconds after which to try again.
    pub(crate) retry_after: Option<u64>,
}

/// Result of a route.
pub(crate) type Result<T, E = ApiError> = std::result::Result<T, E>;

impl ApiError {
    pub(crate) fn new(code: Code, message: impl Into<String>, remedy: impl Into<String>) -> ApiError {
        let (message, remedy) = (message.into(), remedy.into());
        ApiError { code, message, remedy, details: None, retry_after: None }
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> ApiError {
        self.retry_after = Some(seconds.max(1));
        self
    }

    pub(crate) fn details(mut self, details: &impl Serialize) -> ApiError {
        self.details = serde_json::to_value(details).ok();
        self
    }

    /// A fault of ours: what happened goes to the log.
    pub(crate) fn internal(what: impl std::fmt::Display) -> ApiError {
        tracing::error!(fault = %what, "internal fault");
        ApiError::new(
            Code::Internal,
            "the server could not do this because of a fault of its own",
            "look for the request id in the server's log",
        )
    }

    pub(crate) fn bad(message: impl Into<String>, remedy: impl Into<String>) -> ApiError {
        ApiError::new(Code::BadRequest, message, remedy)
    }

    pub(crate) fn value(field: &str, message: impl std::fmt::Display, remedy: impl Into<String>) -> ApiError {
        ApiError::new(Code::BadValue, format!("{field}: {message}"), remedy)
    }

    pub(crate) fn overloaded() -> ApiError {
        ApiError::new(
            Code::Overloaded,
            "more work waits than the server takes on",
            "wait as long as Retry-After says, then try again",
        )
        .retry_after(1)
    }

    pub(crate) fn no_picture() -> ApiError {
        ApiError::new(
            Code::NoPicture,
            "no picture of this face is kept",
            "faces are enrolled with a picture unless crop=false is given",
        )
    }

    /// The error as one item of several has it: without a request id.
    pub(crate) fn item(&self) -> ItemError {
        ItemError {
            code: self.code,
            message: self.message.clone(),
            remedy: self.remedy.clone(),
            details: self.details.clone(),
        }
    }
}

/// Why one item of several was not done.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ItemError {
    /// Names the error for programs.
    pub(crate) code: Code,
    /// What is wrong.
    pub(crate) message: String,
    /// What can be done about it.
    pub(crate) remedy: String,
    /// What programs may want to know beside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<Value>,
}

/// The body of every answer that is an error.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// The error.
    pub(crate) error: ErrorFields,
}

/// What an error says.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ErrorFields {
    /// What is wrong.
    #[serde(flatten)]
    pub(crate) item: ItemError,
    /// The request, as the server's log and the header `X-Request-Id` name it.
    pub(crate) request_id: String,
}

/// An error on its way out: the request id is put in where it is known.
#[derive(Clone, Debug)]
pub(crate) struct Failed(pub(crate) ApiError);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        answer(&self, "")
    }
}

/// The answer, which remembers the error so that [`answer`] can be asked again with the request id.
pub(crate) fn answer(error: &ApiError, request_id: &str) -> Response {
    let fields = ErrorFields { item: error.item(), request_id: request_id.into() };
    let mut response = (error.code.status(), Json(ErrorBody { error: fields })).into_response();
    if let Some(seconds) = error.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.code.status() == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"phiz\""));
    }
    response.extensions_mut().insert(Failed(error.clone()));
    response
}

/// What a photo has against it. The service words its remedies for the command line: here they name the API.
impl From<Problem> for ApiError {
    fn from(problem: Problem) -> ApiError {
        let (code, remedy) = match problem.code() {
            PhotoCode::Unreadable | PhotoCode::Unwritable => return ApiError::internal(&problem),
            PhotoCode::Model => return ApiError::internal(&problem),
            PhotoCode::UnknownFormat => {
                (Code::UnknownFormat, "send a JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF or JPEG XL picture")
            }
            PhotoCode::Damaged => (Code::Damaged, "send the original file again"),
            PhotoCode::TooLarge => {
                (Code::TooLarge, "send a smaller picture, or look for larger faces with min_face")
            }
            PhotoCode::NoFace => (
                Code::NoFace,
                "use a photo with a visible face; score=0.3 finds unclear faces, rotate=true turned ones",
            ),
            PhotoCode::SeveralFaces => (
                Code::SeveralFaces,
                "say which is meant: face=largest, face=2 (the second that detect lists), or at=X,Y",
            ),
            PhotoCode::NoSuchFace => (Code::NoSuchFace, "POST /v1/detect lists the faces of the photo"),
            PhotoCode::FaceTooSmall => {
                (Code::FaceTooSmall, "use a larger photo, or take it all the same with force=true")
            }
            PhotoCode::FaceTooPoor => (
                Code::FaceTooPoor,
                "use a sharper photo from the front, or take it all the same with force=true",
            ),
            PhotoCode::Refused => (Code::Refused, "use another photo, or take back what was said first"),
            _ => (Code::Unusable, "use another photo"),
        };
        ApiError::new(code, problem.to_string(), remedy)
    }
}

impl From<GalleryError> for ApiError {
    fn from(error: GalleryError) -> ApiError {
        let made = |code, remedy: &str| ApiError::new(code, error.reason(), remedy);
        let with = |made: ApiError| match error.cause() {
            Some(cause) => made.details(cause),
            None => made,
        };
        let by_cause = error.cause().and_then(|cause| {
            Some(match cause {
                Cause::Name { .. } => made(Code::BadName, "choose another name"),
                Cause::NoPerson { .. } => made(Code::NoPerson, "GET /v1/people lists everybody"),
                Cause::NoFaceOfPerson { .. } => made(Code::Conflict, "enrol a photo of the person first"),
                Cause::NoPhoto { .. } => {
                    made(Code::NoPhoto, "GET /v1/photos lists the photos of the archive")
                }
                Cause::NoSighting { .. } => {
                    made(Code::NoSighting, "GET /v1/photos lists what was seen, with ids")
                }
                Cause::NoGroup { .. } => made(Code::NoStranger, "GET /v1/strangers lists them by number"),
                Cause::NoFace { .. } => {
                    made(Code::NoFaceId, "GET /v1/people/{id}/faces lists a person's faces")
                }
                Cause::NoNegative { .. } => {
                    made(Code::NoNegative, "GET /v1/people/{id}/negatives lists what was said")
                }
                Cause::NoOperation { .. } => {
                    made(Code::NoOperation, "GET /v1/history lists what can be undone")
                }
                Cause::SeveralPeople { .. } => made(Code::SeveralPeople, "say which is meant by id"),
                Cause::NobodyOnList => {
                    made(Code::BadValue, "check how the list is spelt: GET /v1/lists names all")
                }
                Cause::SaidNotToBe { .. } => {
                    made(Code::SaidNotToBe, "take it back first: DELETE /v1/negatives/{id}")
                }
                Cause::ChangedSince { .. } => {
                    made(Code::ChangedSince, "undo the later operations first: GET /v1/history lists them")
                }
                Cause::NamedTwice { .. } | Cause::FaceNamedTwice { .. } => {
                    made(Code::BadValue, "name each one once")
                }
                Cause::SamePerson { .. } | Cause::FaceOfAnother { .. } => {
                    made(Code::Conflict, "check the ids")
                }
                _ => return None,
            })
        });
        if let Some(made) = by_cause {
            return with(made);
        }
        match error.kind() {
            ErrorKind::Conflict => made(Code::Conflict, error.hint()),
            ErrorKind::Caller => made(Code::BadValue, error.hint()),
            ErrorKind::NotFound => made(Code::NotFound, "check the ids"),
            ErrorKind::OtherModel => {
                made(Code::OtherModel, "POST /v1/gallery/adopt brings the gallery to the server's model")
            }
            ErrorKind::Busy => {
                ApiError::new(Code::Busy, "another program keeps the gallery locked", "try again in a moment")
                    .retry_after(2)
            }
            ErrorKind::Full | ErrorKind::ReadOnly => {
                tracing::error!(fault = %error, "the gallery cannot be written");
                ApiError::new(
                    Code::Storage,
                    "the gallery cannot be written to",
                    "free some space on the server, or make the gallery's folder writable",
                )
            }
            _ => ApiError::internal(&error),
        }
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> ApiError {
        match error {
            ServiceError::Photo(problem) => problem.into(),
            ServiceError::Compared(compared) => {
                let index = compared.index;
                ApiError::from(compared.problem).details(&serde_json::json!({ "index": index }))
            }
            ServiceError::Gallery(error) => error.into(),
            ServiceError::Template(error) => {
                ApiError::new(Code::BadValue, error.to_string(), "check the rate and the templates")
            }
            error => ApiError::internal(&error),
        }
    }
}

impl From<tokio::task::JoinError> for ApiError {
    fn from(error: tokio::task::JoinError) -> ApiError {
        ApiError::internal(error)
    }
}

impl From<rusqlite::Error> for ApiError {
    fn from(error: rusqlite::Error) -> ApiError {
        use rusqlite::ErrorCode::{DatabaseBusy, DiskFull, ReadOnly};
        match error.sqlite_error_code() {
            Some(DatabaseBusy) => ApiError::overloaded(),
            Some(DiskFull | ReadOnly) => ApiError::new(
                Code::Storage,
                "the server's own file cannot be written to",
                "free some space on the server, or make its folder writable",
            ),
            _ => ApiError::internal(error),
        }
    }
}

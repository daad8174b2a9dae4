//! Shapes of what was seen: photos of the archive, sightings, strangers, questions. Field names are those of `phiz find`,
//! `phiz strangers`, `phiz review` and `phiz explain` with `--json`; ids of photos and shares of boxes stand beside them.

use phiz_gallery::{FaceId, NegativeId, OperationId, PersonId, PhotoId, SightingId};
use phiz_service::{
    Album, Asked as AskedAnswer, Explanation as Explained, FoundFace, Question, StrangerAnswer,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{ApiError, Code, ItemError, Result};
use crate::wire::EnrolledPhoto;

/// A face that was seen in a photo, and who it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Seen {
    /// The sighting.
    #[schema(value_type = String, example = "s1")]
    pub(crate) sighting: SightingId,
    /// The photo.
    #[schema(value_type = String, example = "i1")]
    pub(crate) photo: PhotoId,
    /// The photo's file, or the name of one that was sent.
    pub(crate) path: String,
    /// When the photo was taken or, if that is not known, last changed or sent, in seconds since 1970.
    pub(crate) taken: i64,
    /// Left, top, width, height in pixels of the upright photo.
    #[serde(rename = "box")]
    pub(crate) bbox: [f32; 4],
    /// The same as shares of the photo's width and height.
    pub(crate) box_share: [f32; 4],
    /// How much the face is worth to recognition, 0 to 1.
    pub(crate) quality: f32,
    /// The person's name, or the id of one who has none; null if nobody knows who it is.
    pub(crate) person: Option<String>,
    /// The person.
    #[schema(value_type = Option<String>, example = "p1")]
    pub(crate) id: Option<PersonId>,
    /// How it was decided: `match`, `said`, `ambiguous` or `unknown`.
    pub(crate) decision: String,
    /// The chance that a stranger resembles anybody as much; 0 where somebody has said who it is.
    pub(crate) fpir: f64,
    /// The number of the stranger, if it is one.
    pub(crate) stranger: Option<u64>,
}

impl Seen {
    pub(crate) fn at(album: &Album<'_>, place: usize) -> Seen {
        let seen = &album.archive.sightings[place];
        Seen::new(album, seen.photo, album.face(place))
    }

    pub(crate) fn new(album: &Album<'_>, photo: PhotoId, face: FoundFace) -> Seen {
        let FoundFace { bbox, person, id, fpir, decision, quality, stranger, sighting } = face;
        let of = album.archive.photos.get(&photo);
        let [w, h] = of.map_or([1, 1], |photo| photo.size).map(|side| side.max(1) as f32);
        let path =
            of.and_then(|photo| photo.files.first()).map(|file| file.path.to_string_lossy().into_owned());
        Seen {
            sighting,
            photo,
            path: path.unwrap_or_default(),
            taken: of.map_or(0, Album::taken),
            bbox,
            box_share: [bbox[0] / w, bbox[1] / h, bbox[2] / w, bbox[3] / h],
            quality,
            person,
            id,
            decision: decision.into(),
            fpir,
            stranger,
        }
    }
}

/// A photo of the archive.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ArchivePhoto {
    /// The photo.
    #[schema(value_type = String, example = "i1")]
    pub(crate) photo: PhotoId,
    /// Its file, or the name that it was sent under.
    pub(crate) path: String,
    /// Other files with the same content.
    pub(crate) copies: Vec<String>,
    /// Columns of the upright photo.
    pub(crate) width: u32,
    /// Rows.
    pub(crate) height: u32,
    /// When it was taken or, if that is not known, last changed or sent, in seconds since 1970.
    pub(crate) taken: i64,
    /// Whether it was sent: only pictures of its faces are kept.
    pub(crate) sent: bool,
    /// Its faces, or those that were looked for.
    pub(crate) faces: Vec<Seen>,
}

impl ArchivePhoto {
    pub(crate) fn new(album: &Album<'_>, id: PhotoId, faces: Vec<FoundFace>) -> Result<ArchivePhoto> {
        let photo =
            album.archive.photos.get(&id).filter(|photo| photo.gone.is_none()).ok_or_else(no_photo)?;
        let mut paths = photo.files.iter().map(|file| file.path.to_string_lossy().into_owned());
        Ok(ArchivePhoto {
            photo: id,
            path: paths.next().unwrap_or_default(),
            copies: paths.collect(),
            width: photo.size[0],
            height: photo.size[1],
            taken: Album::taken(photo),
            sent: photo.sent,
            faces: faces.into_iter().map(|face| Seen::new(album, id, face)).collect(),
        })
    }
}

pub(crate) fn no_photo() -> ApiError {
    ApiError::new(
        Code::NoPhoto,
        "there is no such photo in the archive",
        "GET /v1/photos lists the photos of the archive",
    )
}

/// What the archive holds.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct ArchiveFigures {
    /// Photos that are there and can be used.
    pub(crate) photos: usize,
    /// Faces in them.
    pub(crate) faces: usize,
    /// Faces of which it is known who they are.
    pub(crate) named: usize,
    /// Strangers whom nobody has named or ignored.
    pub(crate) strangers: usize,
}

/// Folders of photos.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ScanFolders {
    /// The folders that the server may scan; none unless the setting `scan_folders` names some.
    pub(crate) folders: Vec<String>,
}

/// What to scan.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScanWhat {
    /// The folder, in one that the server may scan; all of those if it is left out.
    #[serde(default)]
    pub(crate) folder: Option<String>,
}

/// A sighting that resembles a face.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct LikeSeen {
    /// The sighting.
    #[serde(flatten)]
    pub(crate) seen: Seen,
    /// Cosine, −1 to 1.
    pub(crate) similarity: f32,
    /// False match rate of that similarity.
    pub(crate) fmr: f64,
}

/// Who a sighting is: `person` or `name`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whom {
    /// The person.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "p1")]
    pub(crate) person: Option<PersonId>,
    /// Instead: the name; who has none of that name is made.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// On what ground the faces are kept, in the words of whoever says it.
    #[serde(default)]
    pub(crate) consent: Option<String>,
}

/// Who a sighting is not.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotWhom {
    /// The person.
    #[schema(value_type = String, example = "p1")]
    pub(crate) person: PersonId,
}

/// A sighting of which somebody said who it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SaidWho {
    /// The person.
    #[schema(value_type = String, example = "p1")]
    pub(crate) id: PersonId,
    /// The name.
    pub(crate) person: String,
    /// The operations to undo, the last first.
    #[schema(value_type = Vec<String>)]
    pub(crate) operations: Vec<OperationId>,
}

/// Somebody, in questions and explanations.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Somebody {
    /// The person.
    #[schema(value_type = String, example = "p1")]
    id: PersonId,
    /// The name, or the id of one who has none.
    name: String,
}

impl From<phiz_service::Named> for Somebody {
    fn from(named: phiz_service::Named) -> Somebody {
        Somebody { id: named.id, name: named.name }
    }
}

/// A face that a question shows.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ShownFace {
    /// The sighting.
    #[schema(value_type = String, example = "s1")]
    sighting: SightingId,
    /// The photo.
    #[schema(value_type = String, example = "i1")]
    photo: PhotoId,
    /// The photo's file, or the name of one that was sent.
    path: String,
    /// Left, top, width, height in pixels of the upright photo.
    #[serde(rename = "box")]
    bbox: [f32; 4],
}

impl From<phiz_service::Shown> for ShownFace {
    fn from(shown: phiz_service::Shown) -> ShownFace {
        let phiz_service::Shown { sighting, path, bbox, photo } = shown;
        ShownFace { sighting, photo, path: path.path, bbox }
    }
}

fn shown(faces: Vec<phiz_service::Shown>) -> Vec<ShownFace> {
    faces.into_iter().map(ShownFace::from).collect()
}

/// What is asked, by its `question`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "question", rename_all = "snake_case")]
pub(crate) enum AskedWhat {
    /// Is this person in the photo? `yes`, `no`.
    IsPerson {
        /// The face.
        face: ShownFace,
        /// The person.
        person: Somebody,
        /// The enrolled face that is most like it.
        #[schema(value_type = Option<String>, example = "f1")]
        beside: Option<FaceId>,
        /// The chance that a stranger resembles anybody as much.
        fpir: f64,
    },
    /// Which of two people is it? `yes` (the first), `second`, `no` (neither).
    WhichPerson {
        /// The face.
        face: ShownFace,
        /// The one.
        first: Somebody,
        /// The other.
        second: Somebody,
    },
    /// Is this stranger that person? `yes`, `no`.
    StrangerIsPerson {
        /// The stranger's number.
        stranger: u64,
        /// Their best faces.
        faces: Vec<ShownFace>,
        /// The person.
        person: Somebody,
        /// The enrolled face that is most like them.
        #[schema(value_type = Option<String>, example = "f1")]
        beside: Option<FaceId>,
        /// The chance that another stranger resembles anybody as much.
        fpir: f64,
    },
    /// Are these two strangers one person? `yes`, `no`.
    OneStranger {
        /// The one.
        first: u64,
        /// The other.
        second: u64,
        /// The best faces of the one.
        faces: Vec<ShownFace>,
        /// The best faces of the other.
        others: Vec<ShownFace>,
        /// The false match rate of their likeness.
        fmr: f64,
    },
    /// Who is this? `name` with a name or person, `no` (ignore them).
    WhoIs {
        /// The stranger's number.
        stranger: u64,
        /// Their best faces.
        faces: Vec<ShownFace>,
        /// In how many photos they are.
        photos: usize,
    },
    /// Does this enrolled face belong to its person? It is unlike the others. `yes`, `no` (it is removed).
    BelongsTo {
        /// The face.
        #[schema(value_type = String, example = "f1")]
        face: FaceId,
        /// The person.
        person: Somebody,
        /// The false match rate of its likeness to the person's other faces.
        fmr: f64,
    },
    /// Are these two people one? `yes` (they are merged), `no`.
    OnePerson {
        /// The one.
        first: Somebody,
        /// The other.
        second: Somebody,
        /// The false match rate of their likeness.
        fmr: f64,
    },
    /// Are these faces of a person somebody else's? `yes` (they are split off), `no`.
    TwoPeople {
        /// The person.
        person: Somebody,
        /// The faces that may be somebody else's.
        #[schema(value_type = Vec<String>)]
        faces: Vec<FaceId>,
        /// The false match rate of the likeness of the two halves.
        fmr: f64,
    },
    /// Was this enrolled face the reason of a mistake? A face that is not the person is very like it. `yes` (it is removed),
    /// `no`.
    Misleads {
        /// The face.
        #[schema(value_type = String, example = "f1")]
        face: FaceId,
        /// The person.
        person: Somebody,
        /// What was said not to be the person.
        #[schema(value_type = String, example = "n1")]
        negative: NegativeId,
        /// The false match rate of the likeness of the two.
        fmr: f64,
    },
}

/// A question with its worth. Every one can also be answered by `never`: it is not asked again.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Asked {
    /// Names the question: `POST /v1/review` takes it.
    pub(crate) key: String,
    /// How many faces the answer decides, about.
    pub(crate) worth: f64,
    /// The question.
    #[serde(flatten)]
    pub(crate) what: AskedWhat,
}

impl Asked {
    /// None for a question of a kind that this API does not know.
    pub(crate) fn new(asked: AskedAnswer) -> Option<Asked> {
        let AskedAnswer { key, worth, question } = asked;
        let what = match question {
            Question::IsPerson { face, person, beside, fpir } => {
                AskedWhat::IsPerson { face: face.into(), person: person.into(), beside, fpir }
            }
            Question::WhichPerson { face, first, second } => {
                AskedWhat::WhichPerson { face: face.into(), first: first.into(), second: second.into() }
            }
            Question::StrangerIsPerson { stranger, faces, person, beside, fpir } => {
                AskedWhat::StrangerIsPerson {
                    stranger,
                    faces: shown(faces),
                    person: person.into(),
                    beside,
                    fpir,
                }
            }
            Question::OneStranger { first, second, faces, others, fmr } => {
                AskedWhat::OneStranger { first, second, faces: shown(faces), others: shown(others), fmr }
            }
            Question::WhoIs { stranger, faces, photos } => {
                AskedWhat::WhoIs { stranger, faces: shown(faces), photos }
            }
            Question::BelongsTo { face, person, fmr } => {
                AskedWhat::BelongsTo { face, person: person.into(), fmr }
            }
            Question::OnePerson { first, second, fmr } => {
                AskedWhat::OnePerson { first: first.into(), second: second.into(), fmr }
            }
            Question::TwoPeople { person, faces, fmr } => {
                AskedWhat::TwoPeople { person: person.into(), faces, fmr }
            }
            Question::Misleads { face, person, negative, fmr } => {
                AskedWhat::Misleads { face, person: person.into(), negative, fmr }
            }
            _ => return None,
        };
        Some(Asked { key, worth, what })
    }
}

/// The next questions.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Questions {
    /// They, by falling worth.
    pub(crate) items: Vec<Asked>,
    /// How many there are in all.
    pub(crate) left: usize,
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AnswerKind {
    /// Yes; of two people, the first.
    Yes,
    /// No; of two people, neither; of a stranger, that nobody wants to hear of them.
    No,
    /// Of two people, the second.
    Second,
    /// Who a stranger is: `name` or `person` says it.
    Name,
    /// Never ask this again.
    Never,
}

/// An answer to a question.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReviewAnswer {
    /// The question.
    pub(crate) key: String,
    /// The answer.
    pub(crate) answer: AnswerKind,
    /// With `name`: the name; who has none of that name is made.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// With `name`, instead: the person.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "p1")]
    pub(crate) person: Option<PersonId>,
    /// On what ground faces are kept that are enrolled by it.
    #[serde(default)]
    pub(crate) consent: Option<String>,
}

/// What an answer has done.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Reviewed {
    /// The question.
    pub(crate) key: String,
    /// Operations to undo, the latest last; none if only the question was settled.
    #[schema(value_type = Vec<String>)]
    pub(crate) operations: Vec<OperationId>,
    /// In words.
    pub(crate) done: String,
}

/// An answer to be taken back, as `POST /v1/review` told of it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReviewUndo {
    /// The question.
    pub(crate) key: String,
    /// The operations, the latest last.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub(crate) operations: Vec<OperationId>,
}

/// What was taken back.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ReviewUndone {
    /// In words, the latest first; nothing if only the question was settled.
    pub(crate) undone: Vec<String>,
}

/// A stranger's face.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct StrangerFace {
    /// The sighting.
    #[schema(value_type = String, example = "s1")]
    sighting: SightingId,
    /// The photo.
    #[schema(value_type = String, example = "i1")]
    photo: PhotoId,
    /// The photo's file, or the name of one that was sent.
    path: String,
    /// Left, top, width, height in pixels of the upright photo.
    #[serde(rename = "box")]
    bbox: [f32; 4],
    /// How much the face is worth to recognition, 0 to 1.
    quality: f32,
}

/// A stranger: faces that are one person whom nobody has named.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Stranger {
    /// The number. It stays the same, and is never another stranger's.
    stranger: u64,
    /// How many faces they have.
    count: usize,
    /// In how many photos.
    photos: usize,
    /// Their faces, the best first; in lists only the first of them.
    faces: Vec<StrangerFace>,
    /// When the first of the photos was taken, last changed or sent, in seconds since 1970.
    first: i64,
    /// The same of the last.
    last: i64,
    /// Whether nobody wants to hear of them.
    ignored: bool,
}

impl Stranger {
    /// With so many faces at most.
    pub(crate) fn new(answer: StrangerAnswer, ignored: bool, most: usize) -> Stranger {
        let StrangerAnswer { stranger, faces, first, last } = answer;
        let photos: std::collections::BTreeSet<PhotoId> = faces.iter().map(|face| face.photo).collect();
        let count = faces.len();
        let face = |face: phiz_service::StrangerFace| {
            let phiz_service::StrangerFace { path, bbox, quality, sighting, photo } = face;
            StrangerFace { sighting, photo, path: path.path, bbox, quality }
        };
        let faces = faces.into_iter().take(most).map(face).collect();
        Stranger { stranger, count, photos: photos.len(), faces, first, last, ignored }
    }
}

/// A stranger who was given a name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct NamedStranger {
    /// The stranger.
    stranger: u64,
    /// The name.
    person: String,
    /// The person.
    #[schema(value_type = Option<String>, example = "p1")]
    id: Option<PersonId>,
    /// Whether the person is new in the gallery.
    new: bool,
    /// How many faces were enrolled.
    enrolled: usize,
    /// Of how many faces no picture could be kept, because their photos cannot be read.
    without_picture: usize,
    /// The operation to undo.
    #[schema(value_type = String, example = "o1")]
    operation: OperationId,
}

impl From<phiz_service::NamedAnswer> for NamedStranger {
    fn from(named: phiz_service::NamedAnswer) -> NamedStranger {
        let phiz_service::NamedAnswer { stranger, person, id, new, enrolled, without_picture, operation } =
            named;
        NamedStranger { stranger, person, id, new, enrolled, without_picture, operation }
    }
}

/// Strangers to be joined.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JoinStrangers {
    /// The strangers who become the other, one or more, by number.
    #[schema(min_items = 1)]
    pub(crate) from: Vec<u64>,
}

/// Faces to be split off a stranger.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SplitStranger {
    /// The faces of the other person, one or more.
    #[schema(value_type = Vec<String>, min_items = 1)]
    pub(crate) faces: Vec<SightingId>,
}

/// Changes that were made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DoneSeveral {
    /// The operations to undo, the last first.
    #[schema(value_type = Vec<String>)]
    pub(crate) operations: Vec<OperationId>,
}

/// A stranger who was split off.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct NewStranger {
    /// The new stranger, by number.
    pub(crate) stranger: u64,
    /// The operation to undo.
    #[schema(value_type = String, example = "o1")]
    pub(crate) operation: OperationId,
}

/// An enrolled face beside the one in question.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct LikeFace {
    /// The enrolled face.
    #[schema(value_type = String, example = "f1")]
    face: FaceId,
    /// How like it is: cosine, −1 to 1.
    similarity: f32,
    /// Where it is from.
    source: Option<String>,
}

/// A negative beside the face in question.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct LikeNegative {
    /// The negative.
    #[schema(value_type = String, example = "n1")]
    negative: NegativeId,
    /// How like it is: cosine, −1 to 1.
    similarity: f32,
    /// Where it is from.
    source: Option<String>,
}

/// What speaks for and against a person.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Reason {
    /// The person.
    person: Somebody,
    /// Cosine between the face and the person's faces, combined.
    similarity: f32,
    /// The false match rate of that.
    fmr: f64,
    /// The chance that a stranger resembles anybody as much.
    fpir: f64,
    /// The person's faces that are most like it.
    faces: Vec<LikeFace>,
    /// What was said not to be the person, and is like it: the nearest.
    negatives: Vec<LikeNegative>,
    /// Whether a negative is more like it than any of the person's faces, which rules the person out.
    denied: bool,
    /// The face of this photo, by its number from 1, that is the person instead.
    taken_by: Option<usize>,
}

/// Why a face is who it is, or is not.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Explanation {
    /// The face, by its number in the photo, from 1.
    face: usize,
    /// Left, top, width, height in pixels of the upright photo.
    #[serde(rename = "box")]
    bbox: [f32; 4],
    /// How much the face is worth to recognition, 0 to 1.
    quality: f32,
    /// The person's name; null if it is nobody known.
    person: Option<String>,
    /// How it was decided: `match`, `said`, `ambiguous` or `unknown`.
    decision: String,
    /// The similarity that a match needs.
    threshold: f64,
    /// How many people were searched.
    people: usize,
    /// The most similar people, and what speaks for and against each.
    candidates: Vec<Reason>,
}

impl From<Explained> for Explanation {
    fn from(explained: Explained) -> Explanation {
        let Explained { face, bbox, quality, person, decision, threshold, people, candidates, .. } =
            explained;
        let like = |like: phiz_service::LikeFace| LikeFace {
            face: like.face,
            similarity: like.similarity,
            source: like.source,
        };
        let unlike = |like: phiz_service::LikeNegative| LikeNegative {
            negative: like.negative,
            similarity: like.similarity,
            source: like.source,
        };
        let reason = |reason: phiz_service::Reason| Reason {
            person: reason.person.into(),
            similarity: reason.similarity,
            fmr: reason.fmr,
            fpir: reason.fpir,
            faces: reason.faces.into_iter().map(like).collect(),
            negatives: reason.negatives.into_iter().map(unlike).collect(),
            denied: reason.denied,
            taken_by: reason.taken_by,
        };
        let candidates = candidates.into_iter().map(reason).collect();
        Explanation { face, bbox, quality, person, decision, threshold, people, candidates }
    }
}

/// Photos that were judged.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct JudgedPhotos {
    /// One result for each photo, in their order, as if they were enrolled; nothing is stored.
    pub(crate) photos: Vec<EnrolledPhoto>,
}

/// A photo of a scan that could not be used.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Unusable {
    pub(crate) path: String,
    pub(crate) error: ItemError,
}

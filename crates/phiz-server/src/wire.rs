//! Shapes of requests and answers. Answers have the field names of `--json`, and what only a network needs beside them.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phiz_gallery::{Details, FaceId, NegativeId, OperationId, PersonId, PhotoId, SightingId};
use phiz_service::{
    CandidateAnswer, DoubtAnswer, FaceAnswer, IdentifiedFace, JudgedPhoto, PhotoAnswer, PhotoResult,
    SentPhoto, Verdict,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::book::Scope;
use crate::error::{ApiError, Code, ItemError};

/// A list, or a part of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// The cursor of what follows; null at the end.
    pub(crate) next: Option<String>,
}

impl<T> List<T> {
    pub(crate) fn whole(items: Vec<T>) -> List<T> {
        List { items, next: None }
    }
}

/// How a head is turned, in degrees.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Pose {
    /// Positive where the person looks towards the right side of the picture.
    yaw: f64,
    /// Positive where the person looks up.
    pitch: f64,
    /// Positive where the head leans clockwise on the screen.
    roll: f64,
}

/// A face in a photo, in pixels of the upright photo. A box may reach outside the photo where a face is cut off.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Face {
    /// Left, top, width, height.
    #[serde(rename = "box")]
    bbox: [f32; 4],
    /// The same as shares of the photo's width and height.
    box_share: [f32; 4],
    /// How sure the detector is, 0 to 1.
    score: f32,
    /// The person's right eye, left eye, nose tip, right and left corner of the mouth.
    landmarks: [[f32; 2]; 5],
    /// How much the face is worth to recognition, 0 to 1.
    quality: f32,
    /// How the head is turned.
    pose: Pose,
}

impl Face {
    pub(crate) fn new(face: &FaceAnswer, width: u32, height: u32) -> Face {
        let [x, y, w, h] = face.bbox;
        let (width, height) = (width.max(1) as f32, height.max(1) as f32);
        Face {
            bbox: face.bbox,
            box_share: [x / width, y / height, w / width, h / height],
            score: face.score,
            landmarks: face.landmarks,
            quality: face.quality,
            pose: Pose { yaw: face.pose.yaw, pitch: face.pose.pitch, roll: face.pose.roll },
        }
    }
}

/// What a photo shows: its size as it is seen (upright) and its faces, from the largest to the smallest.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Detected {
    /// Columns.
    width: u32,
    /// Rows.
    height: u32,
    /// The faces.
    faces: Vec<Face>,
}

impl From<PhotoAnswer<FaceAnswer>> for Detected {
    fn from(found: PhotoAnswer<FaceAnswer>) -> Detected {
        let PhotoAnswer { width, height, faces } = found;
        Detected { width, height, faces: faces.iter().map(|face| Face::new(face, width, height)).collect() }
    }
}

/// A person whom a face resembles.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Candidate {
    /// The person's name.
    person: String,
    /// The person.
    #[schema(value_type = String, example = "p1")]
    id: PersonId,
    /// Cosine between the face and the person's faces, combined; −1 to 1.
    similarity: f32,
    /// False match rate: the share of pairs of different people that are as similar or more.
    fmr: f64,
    /// False positive identification rate: the chance that a stranger resembles anybody among those searched as much.
    fpir: f64,
    /// The enrolled face that carried the comparison: of the person's faces the most similar.
    #[schema(value_type = String, example = "f1")]
    face: FaceId,
}

impl From<CandidateAnswer> for Candidate {
    fn from(candidate: CandidateAnswer) -> Candidate {
        let CandidateAnswer { person, id, similarity, fmr, fpir, face } = candidate;
        Candidate { person, id, similarity, fmr, fpir, face }
    }
}

/// Kind of decision about a face.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DecisionKind {
    /// The first candidate is similar enough for the rate that was asked for.
    Match,
    /// Several people are too alike to choose between.
    Ambiguous,
    /// Nobody is similar enough for the rate that was asked for.
    Unknown,
}

/// A face and who it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Identified {
    /// Where the face is.
    #[serde(flatten)]
    face: Face,
    /// The person's name; null unless it is a match.
    person: Option<String>,
    /// The kind of decision.
    decision: DecisionKind,
    /// The similarity that a match needs.
    threshold: f64,
    /// The most similar people whatever the decision, by falling similarity: not an answer.
    candidates: Vec<Candidate>,
    /// People whom the face resembles enough for a match, had nobody said that a face like this is not them; by falling
    /// similarity.
    denied: Vec<Candidate>,
    /// Of the candidates, how many are too alike to tell; 0 unless the decision is ambiguous.
    tied: usize,
    /// The sighting, if the photo was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "s1")]
    sighting: Option<SightingId>,
}

/// A photo and whose faces it shows.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct IdentifiedPhoto {
    /// Columns.
    width: u32,
    /// Rows.
    height: u32,
    /// The faces.
    faces: Vec<Identified>,
    /// The photo, if it was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "i1")]
    photo: Option<PhotoId>,
}

impl From<SentPhoto> for IdentifiedPhoto {
    fn from(sent: SentPhoto) -> IdentifiedPhoto {
        let mut found = IdentifiedPhoto { photo: sent.photo, ..IdentifiedPhoto::from(sent.answer) };
        found.faces.iter_mut().zip(sent.sightings).for_each(|(face, sighting)| face.sighting = sighting);
        found
    }
}

impl From<PhotoAnswer<IdentifiedFace>> for IdentifiedPhoto {
    fn from(found: PhotoAnswer<IdentifiedFace>) -> IdentifiedPhoto {
        let PhotoAnswer { width, height, faces } = found;
        let face = |face: IdentifiedFace| Identified {
            face: Face::new(&face.face, width, height),
            person: face.person,
            decision: match face.decision {
                Verdict::Match => DecisionKind::Match,
                Verdict::Ambiguous => DecisionKind::Ambiguous,
                _ => DecisionKind::Unknown,
            },
            threshold: face.threshold,
            candidates: face.candidates.into_iter().map(Candidate::from).collect(),
            denied: face.denied.into_iter().map(Candidate::from).collect(),
            tied: face.tied,
            sighting: None,
        };
        IdentifiedPhoto { width, height, faces: faces.into_iter().map(face).collect(), photo: None }
    }
}

/// Whether two photos, or a photo and a person, are the same.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Verified {
    /// Cosine, −1 to 1.
    pub(crate) similarity: f32,
    /// False match rate of that similarity; null if it is not known.
    pub(crate) fmr: Option<f64>,
    /// Whether that rate is at most the one that was asked for.
    pub(crate) same: Option<bool>,
    /// The person's name, if the photo was compared with a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) person: Option<String>,
    /// The person's id, if the photo was compared with a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "p1")]
    pub(crate) id: Option<PersonId>,
    /// Whether somebody said that a face like this is not the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) denied: Option<bool>,
}

/// A face with its template.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Embedded {
    /// Where the face is.
    #[serde(flatten)]
    pub(crate) face: Face,
    /// Base64 of the template's values, each a little-endian f32.
    pub(crate) template: String,
}

/// A photo and the templates of its faces.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct EmbeddedPhoto {
    /// Columns.
    pub(crate) width: u32,
    /// Rows.
    pub(crate) height: u32,
    /// The model that made the templates: only those of one model can be compared.
    pub(crate) model: String,
    /// Values of a template.
    pub(crate) dim: usize,
    /// The faces.
    pub(crate) faces: Vec<Embedded>,
}

/// Two templates to be compared.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(crate) struct Compare {
    /// The model that made them.
    pub(crate) model: String,
    /// Base64 of little-endian f32 values, as `embed` answers it.
    pub(crate) a: String,
    /// The other.
    pub(crate) b: String,
}

/// The values of a template as base64 has them.
pub(crate) fn encode_values(values: &[f32]) -> String {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

/// The values behind base64.
pub(crate) fn decode_values(field: &str, text: &str) -> Result<Vec<f32>, ApiError> {
    let wrong = || {
        ApiError::value(field, "is not base64 of f32 values", "send a template as POST /v1/embed answers it")
    };
    let bytes = STANDARD.decode(text).map_err(|_| wrong())?;
    let (values, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(wrong());
    }
    Ok(values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// A person.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Person {
    /// The id.
    #[schema(value_type = String, example = "p1")]
    pub(crate) id: PersonId,
    /// The name; empty if nobody knows it.
    pub(crate) name: String,
    /// Any text under any key.
    pub(crate) attributes: BTreeMap<String, String>,
    /// Watch lists that the person is on.
    pub(crate) lists: BTreeSet<String>,
    /// When they were enrolled, in seconds since 1970.
    pub(crate) created: i64,
    /// How many faces they have.
    pub(crate) faces: usize,
    /// How many faces are said not to be this person.
    pub(crate) negatives: usize,
}

impl From<phiz_gallery::Person> for Person {
    fn from(person: phiz_gallery::Person) -> Person {
        let phiz_gallery::Person { id, details, created, faces, negatives } = person;
        let Details { name, attributes, lists } = details;
        Person { id, name, attributes, lists, created, faces, negatives }
    }
}

/// A person after a change, and the operation that takes it back.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ChangedPerson {
    /// The person as they are now.
    #[serde(flatten)]
    pub(crate) person: Person,
    /// The operation to undo.
    #[schema(value_type = String, example = "o1")]
    pub(crate) operation: OperationId,
}

/// A person after a merger.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MergedPerson {
    /// The person as they are now.
    #[serde(flatten)]
    pub(crate) person: Person,
    /// The operations to undo, the last first.
    #[schema(value_type = Vec<String>)]
    pub(crate) operations: Vec<OperationId>,
}

/// A person to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPerson {
    /// The name.
    pub(crate) name: String,
    /// Any text under any key.
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
    /// Watch lists.
    #[serde(default)]
    pub(crate) lists: BTreeSet<String>,
}

/// What to change of a person: what is left out stays as it is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonChange {
    /// The name.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// All attributes.
    #[serde(default)]
    pub(crate) attributes: Option<BTreeMap<String, String>>,
    /// All watch lists.
    #[serde(default)]
    pub(crate) lists: Option<BTreeSet<String>>,
}

/// An enrolled face.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct StoredFace {
    /// The id.
    #[schema(value_type = String, example = "f1")]
    pub(crate) id: FaceId,
    /// The person whose face it is.
    #[schema(value_type = String, example = "p1")]
    pub(crate) person: PersonId,
    /// How much it is worth to recognition, 0 to 1.
    pub(crate) quality: f32,
    /// SHA-256 of the photo's file.
    pub(crate) photo: Option<String>,
    /// When the photo was taken, in seconds since 1970.
    pub(crate) taken: Option<i64>,
    /// When it was enrolled, in seconds since 1970.
    pub(crate) added: i64,
    /// Where the photo is from.
    pub(crate) source: Option<String>,
    /// On what ground it is kept.
    pub(crate) consent: Option<String>,
    /// Whether a picture of it is kept.
    pub(crate) crop: bool,
}

fn hex(hash: Option<[u8; 32]>) -> Option<String> {
    hash.map(|hash| hash.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl From<phiz_gallery::Face> for StoredFace {
    fn from(face: phiz_gallery::Face) -> StoredFace {
        let phiz_gallery::Face { id, person, quality, photo, taken, added, source, consent, crop } = face;
        StoredFace { id, person, quality, photo: hex(photo), taken, added, source, consent, crop }
    }
}

/// A face after it was moved.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MovedFace {
    /// The face as it is now.
    #[serde(flatten)]
    pub(crate) face: StoredFace,
    /// The operation to undo.
    #[schema(value_type = String, example = "o1")]
    pub(crate) operation: OperationId,
}

/// "This face is not that person."
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Negative {
    /// The id.
    #[schema(value_type = String, example = "n1")]
    id: NegativeId,
    /// The person who the face is not.
    #[schema(value_type = String, example = "p1")]
    person: PersonId,
    /// SHA-256 of the photo's file.
    photo: Option<String>,
    /// When it was said, in seconds since 1970.
    added: i64,
    /// Where the photo is from.
    source: Option<String>,
}

impl From<phiz_gallery::Negative> for Negative {
    fn from(negative: phiz_gallery::Negative) -> Negative {
        let phiz_gallery::Negative { id, person, photo, added, source } = negative;
        Negative { id, person, photo: hex(photo), added, source }
    }
}

/// A negative that was noted.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct NewNegative {
    /// The negative.
    #[schema(value_type = String, example = "n1")]
    pub(crate) negative: NegativeId,
    /// The operation to undo.
    #[schema(value_type = String, example = "o1")]
    pub(crate) operation: OperationId,
}

/// A change was made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Done {
    /// The operation to undo.
    #[schema(value_type = String, example = "o1")]
    pub(crate) operation: OperationId,
}

/// Something that was done and can be undone.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Operation {
    /// The id.
    #[schema(value_type = String, example = "o1")]
    pub(crate) id: OperationId,
    /// When, in seconds since 1970.
    pub(crate) at: i64,
    /// What, as an English sentence without names.
    pub(crate) what: String,
    /// What, for programs.
    pub(crate) kind: String,
    /// The kind's own fields.
    pub(crate) details: Value,
}

impl From<phiz_gallery::Operation> for Operation {
    fn from(operation: phiz_gallery::Operation) -> Operation {
        let mut details = serde_json::to_value(operation.kind.told()).unwrap_or_default();
        let kind = details.as_object_mut().and_then(|fields| fields.remove("kind"));
        Operation {
            id: operation.id,
            at: operation.at,
            what: operation.kind.to_string(),
            kind: kind.and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default(),
            details,
        }
    }
}

/// What was taken back.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Undone {
    /// The operation.
    pub(crate) undone: Operation,
    /// People who are as they were.
    #[schema(value_type = Vec<String>)]
    pub(crate) people: Vec<PersonId>,
}

/// Which operation to take back.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Undo {
    /// The operation; the latest if none is named.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "o1")]
    pub(crate) operation: Option<OperationId>,
}

/// People to be merged.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Merge {
    /// The people who become the other, one or more.
    #[schema(value_type = Vec<String>, min_items = 1)]
    pub(crate) from: Vec<PersonId>,
}

/// Faces to be split off.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Split {
    /// The faces of the new person, one or more.
    #[schema(value_type = Vec<String>, min_items = 1)]
    pub(crate) faces: Vec<FaceId>,
    /// The new person's name; nobody's if it is left out.
    #[serde(default)]
    pub(crate) name: String,
}

/// To whom a face is to be given.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MoveTo {
    /// The person.
    #[schema(value_type = String, example = "p2")]
    pub(crate) to: PersonId,
}

/// A watch list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct WatchList {
    /// Its name.
    pub(crate) name: String,
    /// How many people are on it.
    pub(crate) people: usize,
}

/// Why somebody should look at a face that was enrolled.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum DoubtAbout {
    /// It is unlike the person's other faces: perhaps it is somebody else's and should be moved.
    Unlike {
        /// How much it resembles the person's other faces, combined.
        like_own: f32,
        /// Another person whom it resembles more, if there is one.
        nearest: Option<Candidate>,
    },
    /// It fits the person, or is their first face, and resembles somebody else as well.
    AlsoLike {
        /// The most similar other person.
        other: Candidate,
    },
}

/// What became of one photo: `face` if the person has the face now, `error` if not.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct EnrolledPhoto {
    /// The photo's name, as it was sent.
    pub(crate) source: String,
    /// The face.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "f1")]
    pub(crate) face: Option<FaceId>,
    /// The same face, if the person had it already.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "f1")]
    pub(crate) known: Option<FaceId>,
    /// How much it resembles the person's other faces, combined; null if it is the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) like_own: Option<Option<f32>>,
    /// Other people whom the face resembles more than by chance, the most similar first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) similar: Option<Vec<Candidate>>,
    /// Why somebody should look at the face; null if nothing is suspicious.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) doubt: Option<Option<DoubtAbout>>,
    /// Why the face was not enrolled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<ItemError>,
    /// Of a photo that was only judged: where the face is, in pixels of the upright photo.
    #[serde(rename = "box", skip_serializing_if = "Option::is_none")]
    pub(crate) bbox: Option<[f32; 4]>,
    /// Of a photo that was only judged: how much the face is worth to recognition, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quality: Option<f32>,
}

impl EnrolledPhoto {
    /// What would become of a photo.
    pub(crate) fn judged(source: String, judged: JudgedPhoto) -> EnrolledPhoto {
        let known = matches!(judged.result, PhotoResult::Known { .. });
        let mut photo = EnrolledPhoto::new(source, judged.result);
        if !known {
            photo.face = None;
        }
        photo.bbox = judged.face.as_ref().map(|face| face.bbox);
        photo.quality = judged.face.map(|face| face.quality);
        photo
    }

    pub(crate) fn new(source: String, result: PhotoResult) -> EnrolledPhoto {
        let empty = EnrolledPhoto { source, ..EnrolledPhoto::default() };
        match result {
            PhotoResult::Enrolled { face, like_own, similar, doubt } => {
                let doubt = doubt.and_then(|doubt| match doubt {
                    DoubtAnswer::Unlike { like_own, nearest } => {
                        Some(DoubtAbout::Unlike { like_own, nearest: nearest.map(Candidate::from) })
                    }
                    DoubtAnswer::AlsoLike { other } => Some(DoubtAbout::AlsoLike { other: other.into() }),
                    _ => None,
                });
                EnrolledPhoto {
                    face: Some(face),
                    like_own: Some(like_own),
                    similar: Some(similar.into_iter().map(Candidate::from).collect()),
                    doubt: Some(doubt),
                    ..empty
                }
            }
            PhotoResult::Known { known } => EnrolledPhoto { face: Some(known), known: Some(known), ..empty },
            PhotoResult::Refused { error, details } => {
                let mut error = ApiError::from(error);
                if let Some(details) = &details {
                    error = error.details(details);
                }
                EnrolledPhoto { error: Some(error.item()), ..empty }
            }
            _ => {
                let error = ApiError::new(Code::Unusable, "the photo was not enrolled", "use another photo");
                EnrolledPhoto { error: Some(error.item()), ..empty }
            }
        }
    }
}

/// What became of photos of a person.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct EnrolledPhotos {
    /// One result for each photo, in their order.
    pub(crate) photos: Vec<EnrolledPhoto>,
    /// The person as they are now.
    pub(crate) person: Person,
    /// The operation to undo; null if nothing was stored.
    #[schema(value_type = Option<String>, example = "o1")]
    pub(crate) operation: Option<OperationId>,
}

/// A gallery among others.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct GalleryHead {
    /// Its name.
    pub(crate) name: String,
    /// How many people it holds.
    pub(crate) people: u64,
    /// How many faces it holds.
    pub(crate) faces: u64,
}

/// A gallery to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGallery {
    /// Its name: a to z, 0 to 9, `-` and `_`, 40 at the most.
    pub(crate) name: String,
}

/// A gallery in figures.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct GalleryFigures {
    /// Its name.
    pub(crate) name: String,
    /// The model that it is bound to.
    pub(crate) model: String,
    /// Whether that is another model than the server's: nobody is recognised until it has been adopted.
    pub(crate) adopt_needed: bool,
    /// Values that a template has.
    pub(crate) dim: usize,
    /// Whether what lies on the disk is sealed.
    pub(crate) sealed: bool,
    /// People.
    pub(crate) people: u64,
    /// People without a face, who cannot be recognised.
    pub(crate) people_without_faces: u64,
    /// Faces.
    pub(crate) faces: u64,
    /// Faces of which a picture is kept.
    pub(crate) crops: u64,
    /// Faces that are said not to be somebody.
    pub(crate) negatives: u64,
    /// Operations that can be undone.
    pub(crate) operations: u64,
    /// Faces that wait to be restored or destroyed.
    pub(crate) removed_faces: u64,
    /// For how many days what was removed can be restored.
    pub(crate) undo_days: u32,
    /// When rates were measured on this gallery, in seconds since 1970.
    pub(crate) calibrated: Option<i64>,
}

/// A similarity and the false match rate that it stands for.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct RatePoint {
    /// False match rate.
    pub(crate) fmr: f64,
    /// Similarity.
    pub(crate) similarity: f64,
}

/// What a rate means in this gallery.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Rates {
    /// `card` if the model's own rates hold, `measured` if they were measured on this gallery.
    pub(crate) source: String,
    /// The similarity that a match needs.
    pub(crate) threshold: f64,
    /// The false match rate of each comparison.
    pub(crate) fmr: f64,
    /// The false positive identification rate of a search.
    pub(crate) fpir: f64,
    /// People who are searched.
    pub(crate) people: u64,
    /// The smallest false match rate that was measured; below it, rates are estimates.
    pub(crate) least_measured: f64,
    /// Measured similarities by falling rate.
    pub(crate) points: Vec<RatePoint>,
}

/// What was measured on a gallery.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CalibrationFigures {
    /// When, in seconds since 1970.
    pub(crate) at: i64,
    /// How many people there were.
    pub(crate) people: usize,
    /// How many comparisons of different people.
    pub(crate) comparisons: u64,
    /// Independent comparisons that one comparison in a search amounts to.
    pub(crate) share: f64,
}

/// What was measured on a gallery, if anything was.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CalibrationState {
    /// Null if the model's own rates hold.
    pub(crate) calibration: Option<CalibrationFigures>,
}

/// What to destroy.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PurgeWhat {
    /// Only what was removed so many days ago or more; all if it is left out.
    #[serde(default)]
    pub(crate) days: Option<u32>,
}

/// How a gallery is brought to the server's model.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdoptWhat {
    /// Folders of photos, each in one that the server may scan: there the photos of faces are looked for of which no picture
    /// is kept.
    #[serde(default)]
    pub(crate) photos: Vec<String>,
    /// Whether nothing is changed: the result says what would be.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// A gallery that went back to its former model.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AdoptUndone {
    /// The model before.
    pub(crate) from: String,
    /// The model now.
    pub(crate) to: String,
    /// Faces and negatives that wait for a template of it.
    pub(crate) waiting: usize,
    /// Faces seen in photos that say nothing until the photos are scanned again.
    pub(crate) sightings: usize,
}

/// Whether somebody has to set the server up, and who asks.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Status {
    /// The version of Phiz.
    pub(crate) version: String,
    /// Whether neither a passphrase nor a key exists.
    pub(crate) setup_needed: bool,
    /// Whether a passphrase exists.
    pub(crate) passphrase: bool,
    /// Whether the request came with a session.
    pub(crate) signed_in: bool,
    /// What the caller may do.
    pub(crate) scope: Option<Scope>,
}

/// The first passphrase.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setup {
    /// The code that the terminal shows.
    pub(crate) code: String,
    /// The passphrase, 12 characters or more.
    pub(crate) passphrase: String,
}

/// A passphrase.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogIn {
    /// The passphrase.
    pub(crate) passphrase: String,
}

/// Another passphrase.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassphrase {
    /// The passphrase that holds.
    pub(crate) old: String,
    /// The one that is to hold, 12 characters or more.
    pub(crate) new: String,
}

/// A session.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SessionInfo {
    /// What the header `Phiz-Csrf` must hold.
    pub(crate) csrf: String,
    /// What the session may do.
    pub(crate) scope: Scope,
    /// When it ends unless it is used, in seconds since 1970.
    pub(crate) expires: i64,
}

/// A key to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// What it is for.
    #[serde(default)]
    pub(crate) name: String,
    /// What it allows.
    pub(crate) scope: Scope,
    /// The galleries that it is confined to; all if it is left out.
    #[serde(default)]
    pub(crate) galleries: Option<Vec<String>>,
}

/// A key, shown this once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MadeKey {
    /// What is kept of it.
    #[serde(flatten)]
    pub(crate) info: crate::book::KeyInfo,
    /// The key.
    pub(crate) key: String,
}

//! Shapes that all answers share. Field names are stable: scripts and clients rely on them.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phiz_face::{Detection, Face, pose};
use phiz_gallery::{Candidate, FaceId, PersonId};
use serde::Serialize;

/// A path in JSON: `path`, and `path_bytes` (base64) beside it where the path is not UTF-8 and `path` shows it only
/// roughly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PathName {
    /// As text; what is not UTF-8 is replaced by U+FFFD.
    pub path: String,
    /// The bytes in base64, if the text is not the whole truth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
}

impl From<&Path> for PathName {
    fn from(path: &Path) -> PathName {
        let path_bytes =
            path.to_str().is_none().then(|| STANDARD.encode(path.as_os_str().as_encoded_bytes()));
        PathName { path: path.to_string_lossy().into_owned(), path_bytes }
    }
}

/// What one photo shows: its size as it is seen (upright) and its faces, from the largest to the smallest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhotoAnswer<F> {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The faces.
    pub faces: Vec<F>,
}

/// A face in a photo, in pixels of the upright photo. A box may reach outside the photo where a face is cut off.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FaceAnswer {
    /// Left, top, width, height.
    #[serde(rename = "box")]
    pub bbox: [f32; 4],
    /// How sure the detector is, 0 to 1.
    pub score: f32,
    /// The person's right eye, left eye, nose tip, right and left corner of the mouth.
    pub landmarks: [[f32; 2]; 5],
    /// How much the face is worth to recognition (sharpness, size, pose, light), 0 to 1.
    pub quality: f32,
    /// How the head is turned.
    pub pose: PoseAnswer,
}

/// How a head is turned, in degrees with one decimal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PoseAnswer {
    /// Positive where the person looks towards the right side of the picture.
    pub yaw: f64,
    /// Positive where the person looks up.
    pub pitch: f64,
    /// Positive where the head leans clockwise on the screen.
    pub roll: f64,
}

impl FaceAnswer {
    pub(crate) fn new(detection: &Detection, quality: f32) -> FaceAnswer {
        let pose = pose(&detection.landmarks);
        let rounded = |angle: f32| (f64::from(angle) * 10.0).round() / 10.0;
        FaceAnswer {
            bbox: detection.bbox,
            score: detection.score,
            landmarks: detection.landmarks,
            quality,
            pose: PoseAnswer { yaw: rounded(pose.yaw), pitch: rounded(pose.pitch), roll: rounded(pose.roll) },
        }
    }
}

impl From<&Face> for FaceAnswer {
    fn from(face: &Face) -> FaceAnswer {
        FaceAnswer::new(&face.detection, face.quality)
    }
}

/// A person whom a face resembles.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CandidateAnswer {
    /// The person's name.
    pub person: String,
    /// The person.
    pub id: PersonId,
    /// Cosine between the face and the person's faces, combined; −1 to 1.
    pub similarity: f32,
    /// False match rate: the share of pairs of different people that are as similar or more.
    pub fmr: f64,
    /// False positive identification rate: the chance that a stranger resembles anybody among those searched as much.
    pub fpir: f64,
    /// The enrolled face that carried the comparison: of the person's faces the most similar.
    pub face: FaceId,
}

impl From<Candidate> for CandidateAnswer {
    fn from(candidate: Candidate) -> CandidateAnswer {
        let Candidate { person: id, name: person, similarity, fmr, fpir, face } = candidate;
        CandidateAnswer { person, id, similarity, fmr, fpir, face }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn paths_that_are_no_text_survive() {
        use std::os::unix::ffi::OsStrExt as _;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"a\xff.jpg"));
        let json = serde_json::to_string(&PathName::from(path)).unwrap();
        assert_eq!(json, "{\"path\":\"a\u{fffd}.jpg\",\"path_bytes\":\"Yf8uanBn\"}");
        assert_eq!(
            serde_json::to_string(&PathName::from(Path::new("é.jpg"))).unwrap(),
            "{\"path\":\"é.jpg\"}"
        );
    }
}

//! Prepared scenes on disk, and the training pictures of a detector that are made of them: whole ones
//! ([`Scenes::compose`]), and views of single faces for the second look ([`Scenes::view`]).
//!
//! A set is two files in one folder: `scenes.bin`, raw interleaved RGB one picture after the other, and
//! `scenes.jsonl`, one JSON object a picture: `{"path", "split", "offset", "width", "height", "faces":
//! [{"box": [x, y, w, h], "points": [10 numbers or none], "sure": bool}], "candidates": [[x, y, w, h]]}`. A face that is
//! not `sure` is neither learnt nor unlearnt; candidates are what a detector's first looks took for faces.

mod compose;
pub(crate) mod paint;
mod view;

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::TrainError;

/// Coordinates beyond this many pixels are of no picture.
const LARGEST: f32 = 1e5;

/// A face of a scene or of a composed picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Marked {
    /// `[x, y, w, h]` in pixels.
    #[serde(rename = "box")]
    pub bbox: [f32; 4],
    /// x and y of five landmarks, or nothing where unknown.
    pub points: Vec<f32>,
    /// Whether the detector shall learn it; otherwise the place does not count.
    pub sure: bool,
}

/// A picture of a set, as its line says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// The photo that it comes from.
    #[serde(default)]
    pub path: String,
    /// What it is for.
    pub split: String,
    /// Where its pixels begin in `scenes.bin`, in bytes.
    pub offset: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Its faces.
    pub faces: Vec<Marked>,
    /// `[x, y, w, h]` of what a detector's first looks take for faces, rightly or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<[f32; 4]>,
}

/// All scenes of a folder.
#[derive(Debug)]
pub struct Scenes {
    pixels: Vec<u8>,
    scenes: Vec<Scene>,
    with_faces: Vec<usize>,
    crowded: Vec<usize>,
    empty: Vec<usize>,
    /// Candidates that are no face: the scene and the box.
    mistakes: Vec<(usize, [f32; 4])>,
}

impl Scenes {
    /// Reads the set in `folder`, all of whose pictures must belong to `split`.
    ///
    /// # Errors
    /// A file that cannot be read, places outside of it, or a picture of another split.
    pub fn open(folder: &Path, split: &str) -> Result<Scenes, TrainError> {
        let (bin, list) = (folder.join("scenes.bin"), folder.join("scenes.jsonl"));
        let pixels = std::fs::read(&bin).map_err(|e| TrainError::file(&bin, &e))?;
        let text = std::fs::read_to_string(&list).map_err(|e| TrainError::file(&list, &e))?;
        let mut scenes: Vec<Scene> = Vec::new();
        for (line, row) in text.lines().enumerate() {
            let bad = |reason: String| TrainError::file(&list, &format!("line {}: {reason}", line + 1));
            let scene: Scene = serde_json::from_str(row).map_err(|e| bad(e.to_string()))?;
            if scene.split != split {
                return Err(bad(format!("is of split {:?}, not {split:?}: refused", scene.split)));
            }
            let length = scene.width.checked_mul(scene.height).and_then(|n| n.checked_mul(3));
            let end = length.and_then(|n| n.checked_add(scene.offset));
            if scene.width == 0 || scene.height == 0 || end.is_none_or(|end| end > pixels.len()) {
                return Err(bad("its pixels lie outside of scenes.bin".into()));
            }
            if scene.faces.iter().any(|f| !(f.points.is_empty() || f.points.len() == 10)) {
                return Err(bad("a face has neither no points nor ten numbers".into()));
            }
            let bad_box = |b: &[f32; 4]| b.iter().any(|v| v.abs() > LARGEST);
            let bad_face = |f: &Marked| {
                bad_box(&f.bbox)
                    || f.points.iter().any(|v| v.abs() > LARGEST)
                    || f.sure && f.bbox[2].min(f.bbox[3]) <= 0.0
            };
            if scene.faces.iter().any(bad_face) || scene.candidates.iter().any(bad_box) {
                return Err(bad(format!("a box is empty, or a number beyond {LARGEST}")));
            }
            scenes.push(scene);
        }
        let choose = |test: &dyn Fn(&Scene) -> bool| -> Vec<usize> {
            (0..scenes.len()).filter(|&i| test(&scenes[i])).collect()
        };
        let with_faces = choose(&|s| s.faces.iter().any(|f| f.sure));
        let crowded = choose(&|s| s.faces.len() > 1 || (!s.faces.is_empty() && s.width.max(s.height) > 420));
        let empty = choose(&|s| s.faces.is_empty());
        if with_faces.is_empty() {
            return Err(TrainError::file(&list, &"marks no face"));
        }
        let mut mistakes = Vec::new();
        for (i, scene) in scenes.iter().enumerate() {
            mistakes.extend(scene.candidates.iter().filter(|c| scene.shows_none(c)).map(|c| (i, *c)));
        }
        Ok(Scenes { pixels, scenes, with_faces, crowded, empty, mistakes })
    }

    /// What tells these scenes from others: their number and a hash of what is marked on them.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        self.scenes.iter().for_each(|scene| hash.update(format!("{scene:?}")));
        hash.update((self.pixels.len() as u64).to_le_bytes());
        let hash: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("{} scenes, {hash}", self.len())
    }

    /// Number of pictures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scenes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scenes.is_empty()
    }

    /// Its pictures.
    pub(crate) fn all(&self) -> &[Scene] {
        &self.scenes
    }
}

impl Scene {
    /// Whether a box is surely no face: it overlaps none by much, nor any place that may hold one.
    fn shows_none(&self, bbox: &[f32; 4]) -> bool {
        self.faces.iter().all(|face| iou(&face.bbox, bbox) < if face.sure { 0.25 } else { 0.02 })
    }
}

/// Intersection over union of `[x, y, w, h]`.
pub(crate) fn iou(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let along = |i: usize| ((a[i] + a[i + 2]).min(b[i] + b[i + 2]) - a[i].max(b[i])).max(0.0);
    let overlap = along(0) * along(1);
    overlap / (a[2] * a[3] + b[2] * b[3] - overlap).max(1e-6)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One scene of two faces, of which one is not sure, and one without a face; a colour that no other place has marks
    /// the sure face's middle.
    pub(crate) fn scenes(candidates: Vec<[f32; 4]>) -> Scenes {
        let (width, height) = (200, 160);
        let mut pixels = vec![90u8; width * height * 3 * 2];
        for (y, x) in (66..74).flat_map(|y| (46..54).map(move |x| (y, x))) {
            pixels[(y * width + x) * 3..][..3].copy_from_slice(&[255, 0, 0]);
        }
        let face = |x: f32, sure| Marked { bbox: [x, 45.0, 40.0, 50.0], points: vec![60.0; 10], sure };
        let scene = |offset, faces, candidates| Scene {
            path: String::new(),
            split: "train".into(),
            offset,
            width,
            height,
            faces,
            candidates,
        };
        let folder = tempfile::tempdir().expect("a folder");
        let lines: Vec<String> = [
            scene(0, vec![face(30.0, true), face(130.0, false)], candidates),
            scene(width * height * 3, Vec::new(), Vec::new()),
        ]
        .iter()
        .map(|s| serde_json::to_string(s).expect("serialises"))
        .collect();
        std::fs::write(folder.path().join("scenes.bin"), &pixels).expect("writes");
        std::fs::write(folder.path().join("scenes.jsonl"), lines.join("\n")).expect("writes");
        Scenes::open(folder.path(), "train").expect("opens")
    }

    #[test]
    fn boxes_of_no_picture_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("scenes.bin"), [0u8; 12]).expect("writes");
        let open = |face: &str, candidate: &str| {
            let line = format!(
                r#"{{"split":"train","offset":0,"width":2,"height":2,"faces":[{{"box":{face},"points":[],"sure":true}}],"candidates":[{candidate}]}}"#
            );
            std::fs::write(folder.path().join("scenes.jsonl"), line).expect("writes");
            Scenes::open(folder.path(), "train").map(|_| ()).map_err(|e| e.to_string())
        };
        open("[0,0,2,2]", "[0,0,1,1]").expect("opens");
        for (face, candidate) in [
            ("[0,0,2,0]", "[0,0,1,1]"),
            ("[0,0,1e30,2]", "[0,0,1,1]"),
            ("[0,0,1e300,2]", "[0,0,1,1]"),
            ("[0,0,2,2]", "[-1e9,0,1,1]"),
        ] {
            let reason = open(face, candidate).expect_err(face);
            assert!(reason.contains("line 1"), "{reason}");
        }
    }
}

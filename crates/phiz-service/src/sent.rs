//! Photos that were sent to a server: there is no file of them. What was seen in one is kept with the aligned crop of each
//! face, sealed, so that strangers are grouped and can be named from them as from the photos of an archive.

use std::time::{SystemTime, UNIX_EPOCH};

use phiz_gallery::{Gallery, NewPhoto, PhotoFile, PhotoId, Sighting, SightingId};
use phiz_image::Image;
use sha2::{Digest as _, Sha256};

use crate::{IdentifiedFace, IdentifyOptions, Photo, PhotoAnswer, Problem, Result, Service, scan};

/// A photo that was identified and kept.
#[derive(Clone, Debug, PartialEq)]
pub struct SentPhoto {
    /// Whose faces it shows.
    pub answer: PhotoAnswer<IdentifiedFace>,
    /// The photo; none if it shows no face or too many, and nothing is kept of it.
    pub photo: Option<PhotoId>,
    /// The sighting of each face of the answer; none for a face that was not seen when the photo was kept the first time.
    pub sightings: Vec<Option<SightingId>>,
    /// Whether it was not known before.
    pub new: bool,
}

/// Boxes of one face in two looks at a photo overlap at least by so much.
const SAME_FACE: f32 = 0.5;

fn overlap(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let side = |i: usize| ((a[i] + a[i + 2]).min(b[i] + b[i + 2]) - a[i].max(b[i])).max(0.0);
    let common = side(0) * side(1);
    common / (a[2] * a[3] + b[2] * b[3] - common).max(f32::MIN_POSITIVE)
}

/// The sighting that shows a face.
fn of_face(bbox: &[f32; 4], sightings: &[Sighting]) -> Option<SightingId> {
    let best = sightings.iter().max_by(|a, b| overlap(&a.bbox, bbox).total_cmp(&overlap(&b.bbox, bbox)))?;
    (overlap(&best.bbox, bbox) >= SAME_FACE).then_some(best.id)
}

impl Service {
    /// Identifies the faces in a photo that was sent, and keeps what was seen: the templates and aligned crops of its faces,
    /// the photo's name and the time, but not the photo. The same photo, sent again, is known by its content.
    ///
    /// # Errors
    /// As [`Service::identify`]; or the gallery cannot be written.
    pub fn identify_and_keep(
        &self,
        gallery: &Gallery,
        photo: &Photo,
        options: &IdentifyOptions,
    ) -> Result<SentPhoto> {
        let decode = options.looking.to_describe();
        let bytes = photo.read(&decode)?;
        let image = Image::decode(&bytes, &decode).map_err(Problem::from)?;
        let faces = self.faces(&image, &options.looking)?;
        let (width, height) = image.original_size();
        let answer = PhotoAnswer { width, height, faces: self.identify_faces(gallery, &faces, options)? };
        if faces.is_empty() {
            return Ok(SentPhoto { answer, photo: None, sightings: Vec::new(), new: false });
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let new = NewPhoto {
            photo: Sha256::digest(&bytes).into(),
            file: PhotoFile {
                path: photo.name().into_owned().into(),
                size: bytes.len() as u64,
                modified: i64::try_from(now.as_nanos()).unwrap_or(i64::MAX),
            },
            size: [width, height],
            taken: phiz_image::taken(&bytes),
            looked: self.looks_by(&options.looking),
            faces: Some(faces.iter().map(scan::sighting).collect()),
            problem: None,
        };
        let crop = |face: &phiz_face::Face| {
            Ok(self.analyzer().align(&image, &face.detection).encode_jpeg(95).map_err(Problem::from)?)
        };
        let crops = faces.iter().map(crop).collect::<Result<Vec<_>>>()?;
        let (id, seen, new) = gallery.keep_sent(&new, &crops)?;
        let sightings = faces.iter().map(|face| of_face(&face.detection.bbox, &seen)).collect();
        Ok(SentPhoto { answer, photo: Some(id), sightings, new })
    }
}

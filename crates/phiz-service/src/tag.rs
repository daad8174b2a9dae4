//! Names into the metadata of photos: regions and keywords, in sidecars or in the photos themselves.

use std::path::Path;

use phiz_gallery::{Gallery, PersonId};
use phiz_image::{Image, stored_orientation};
use phiz_meta::{Area, Face, MetaError, Orientation, Outcome, Tags, file, jpeg, merge};
use serde::Serialize;

use crate::{Code, IdentifyOptions, PathName, Photo, Problem, Result, Service, TagJournal, Verdict};

/// Sidecars that are larger belong to no photo.
const LARGEST_SIDECAR: u64 = 32 << 20;

/// How photos are tagged.
#[derive(Clone, Debug, PartialEq)]
pub struct TagOptions {
    /// How it is found out who is in a photo.
    pub identify: IdentifyOptions,
    /// Whether the names are written into the photo itself, and not beside it.
    pub embed: bool,
    /// Whether the names are keywords, too, and not only beside regions.
    pub keywords: bool,
    /// The keyword above all names, in hierarchies of keywords; empty for none.
    pub parent: String,
    /// Whether nothing is written.
    pub dry_run: bool,
}

impl Default for TagOptions {
    fn default() -> TagOptions {
        TagOptions {
            identify: IdentifyOptions::default(),
            embed: false,
            keywords: true,
            parent: "People".into(),
            dry_run: false,
        }
    }
}

/// A face that is somebody's, in pixels of the upright photo.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedFace {
    /// The person's name.
    pub person: String,
    /// The person, if the gallery knows them.
    pub id: Option<PersonId>,
    /// Left, top, width, height.
    pub bbox: [f32; 4],
}

/// What became of the metadata of one photo.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TagAnswer {
    /// The file that holds the metadata.
    pub file: PathName,
    /// Whether that is the photo itself.
    pub embedded: bool,
    /// Whether it was changed (without `dry_run`: on the disk).
    pub changed: bool,
    /// The faces that have names.
    pub faces: Vec<TaggedFace>,
    /// Regions of ours that were taken out: their faces have no name any more.
    pub removed: usize,
}

/// What became of a face's region.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaggedFace {
    /// The person's name.
    pub person: String,
    /// The person.
    pub id: Option<PersonId>,
    /// Left, top, width, height, in pixels of the upright photo.
    #[serde(rename = "box")]
    pub bbox: [f32; 4],
    /// What became of the region.
    pub region: RegionOutcome,
    /// The name that somebody else gave to the face, and that stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theirs: Option<String>,
}

/// What became of the region of a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RegionOutcome {
    /// It was written.
    Added,
    /// It was there already.
    There,
    /// Somebody had marked the face without naming it; it was given the name.
    Named,
    /// Somebody had given the face another name, which stays.
    Theirs,
}

pub(crate) fn problem(error: &MetaError) -> Problem {
    let code = match error {
        MetaError::Io(_) => Code::Unwritable,
        _ => Code::Metadata,
    };
    Problem::new(code, error.to_string(), error.hint())
}

/// A problem of the sidecar, which is another file than the one that the problem stands beside.
pub(crate) fn of_sidecar(path: &Path, error: &MetaError) -> Problem {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let problem = problem(error);
    Problem::new(problem.code(), format!("its sidecar {name} {problem}"), problem.remedy())
}

impl Service {
    /// Finds out who is in a photo, and writes it into the photo's metadata.
    ///
    /// # Errors
    /// A photo that cannot be used or whose metadata cannot be changed safely ([`crate::Error::Photo`]), or a gallery that
    /// cannot be read. Nothing was written then.
    pub fn tag(
        &self,
        gallery: &Gallery,
        photo: &Path,
        options: &TagOptions,
        journal: Option<&TagJournal>,
    ) -> Result<TagAnswer> {
        let decode = options.identify.looking.to_describe();
        let bytes = Photo::from_path(photo).read(&decode)?.into_owned();
        let image = Image::decode(&bytes, &decode).map_err(Problem::from)?;
        let found = self.identify_in(gallery, &image, &options.identify)?;
        let mut named: Vec<(f32, NamedFace)> = Vec::new();
        for face in found.faces.iter().filter(|face| face.decision == Verdict::Match) {
            let Some(candidate) = face.candidates.first() else { continue };
            let this =
                NamedFace { person: candidate.person.clone(), id: Some(candidate.id), bbox: face.face.bbox };
            // A person is in a photo once: the face that is most like them has the name.
            match named.iter_mut().find(|(_, other)| other.id == this.id) {
                Some(other) if other.0 < candidate.similarity => *other = (candidate.similarity, this),
                Some(_) => {}
                // Somebody who was split off and was not named yet.
                None if this.person.is_empty() => {}
                None => named.push((candidate.similarity, this)),
            }
        }
        let named: Vec<NamedFace> = named.into_iter().map(|(_, face)| face).collect();
        let size = image.original_size();
        Ok(self.tag_faces(photo, &bytes, size, &named, options, journal)?)
    }

    /// Writes names into a photo's metadata. `bytes` are those of the photo's file, `size` is that of the upright photo.
    ///
    /// # Errors
    /// Metadata that cannot be changed safely, or a file that cannot be written.
    pub fn tag_faces(
        &self,
        photo: &Path,
        bytes: &[u8],
        (width, height): (u32, u32),
        faces: &[NamedFace],
        options: &TagOptions,
        journal: Option<&TagJournal>,
    ) -> std::result::Result<TagAnswer, Problem> {
        let orientation = Orientation::of(stored_orientation(bytes));
        let (w, h) = if orientation.is_sideways() { (height, width) } else { (width, height) };
        let areas = faces.iter().filter_map(|face| Some((face, Area::of_box(face.bbox, width, height)?)));
        let (faces, areas): (Vec<&NamedFace>, Vec<Area>) = areas.unzip();
        let tags = Tags {
            keywords: options.keywords,
            parent: options.parent.clone(),
            faces: faces
                .iter()
                .zip(areas)
                .map(|(face, area)| Face { name: face.person.clone(), area })
                .collect(),
            ..Tags::of(w, h, orientation)
        };
        let (path, merged) = match options.embed {
            true => {
                if !bytes.starts_with(b"\xff\xd8\xff") {
                    let reason = "cannot take metadata inside itself: Phiz writes it into JPEGs only";
                    let remedy = "leave --embed out, which writes a sidecar beside the photo";
                    return Err(Problem::new(Code::Metadata, reason, remedy));
                }
                let before = jpeg::packet(bytes).map_err(|e| problem(&e))?;
                let merged = merge(before, &tags).map_err(|e| problem(&e))?;
                if merged.changed {
                    let after = jpeg::with_packet(bytes, Some(&merged.packet)).map_err(|e| problem(&e))?;
                    if !options.dry_run {
                        if let Some(journal) = journal {
                            journal.embedded(photo, before, bytes, &after)?;
                        }
                        file::replace(photo, &after).map_err(|e| problem(&e.into()))?;
                    }
                }
                (photo.to_owned(), merged)
            }
            false => {
                let path = file::sidecar(photo);
                let beside = |error: MetaError| of_sidecar(&path, &error);
                let before = file::read(&path, LARGEST_SIDECAR).map_err(|e| beside(e.into()))?;
                let merged = merge(before.as_deref(), &tags).map_err(beside)?;
                if merged.changed && !options.dry_run {
                    if let Some(journal) = journal {
                        journal.sidecar(&path, before.as_deref(), &merged.packet)?;
                    }
                    file::replace(&path, &merged.packet).map_err(|e| beside(e.into()))?;
                }
                (path, merged)
            }
        };
        let told = faces.iter().zip(&merged.faces).map(|(face, outcome)| {
            let (region, theirs) = match outcome {
                Outcome::Added => (RegionOutcome::Added, None),
                Outcome::There => (RegionOutcome::There, None),
                Outcome::Named => (RegionOutcome::Named, None),
                Outcome::Theirs(name) => (RegionOutcome::Theirs, Some(name.clone())),
            };
            TaggedFace { person: face.person.clone(), id: face.id, bbox: face.bbox, region, theirs }
        });
        Ok(TagAnswer {
            file: path.as_path().into(),
            embedded: options.embed,
            changed: merged.changed,
            faces: told.collect(),
            removed: merged.removed,
        })
    }
}

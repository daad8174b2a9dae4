//! Enrolment by names that others wrote into photos: regions in sidecars, in the photos themselves, and in Picasa's files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use phiz_face::UNSURE_SCORE;
use phiz_gallery::{Gallery, NewFace, Target, clean_name};
use phiz_image::{Image, stored_orientation};
use phiz_meta::{Area, Found, MetaError, Orientation, Picasa, embedded, file, picasa, read};
use sha2::{Digest as _, Sha256};

use crate::{
    Code, EnrolEvent, EnrolOptions, Looking, PersonPhotos, Photo, Problem, Result, Service, in_order,
};

/// Sidecars that are larger belong to no photo.
const LARGEST_SIDECAR: u64 = 32 << 20;
/// Faces of one person that are held until they are enrolled together.
const TOGETHER: usize = 256;

/// A photo whose metadata names people.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedPhoto {
    /// The photo.
    pub path: PathBuf,
    /// The people's names, as a gallery takes them. Names that can be nobody's are in `problems`.
    pub names: Vec<String>,
    /// Names that cannot be taken, with the reason.
    pub problems: Vec<Problem>,
    /// What the metadata states.
    found: Found,
}

/// Reads names, and remembers what Picasa's file says of the photos of a folder.
#[derive(Debug)]
pub struct NameReader<'a> {
    looking: &'a Looking,
    own: bool,
    folders: Mutex<BTreeMap<PathBuf, Arc<Picasa>>>,
}

impl<'a> NameReader<'a> {
    /// Regions that Phiz wrote itself count only if `own` says so.
    #[must_use]
    pub fn new(looking: &'a Looking, own: bool) -> NameReader<'a> {
        NameReader { looking, own, folders: Mutex::default() }
    }

    /// What Picasa says of the photos beside this one.
    fn picasa(&self, photo: &Path) -> std::result::Result<Arc<Picasa>, Problem> {
        let folder = match photo.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // Held while it is read: many photos of one folder are asked about at once.
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = folders.get(folder) {
            return Ok(Arc::clone(known));
        }
        let mut found = Picasa::default();
        for name in picasa::NAMES {
            let bytes = file::read(&folder.join(name), LARGEST_SIDECAR).map_err(|error| {
                let reason = format!("lies beside {name}, which cannot be read ({error})");
                Problem::new(Code::Metadata, reason, "make it readable, or move it elsewhere")
            })?;
            if let Some(bytes) = bytes {
                found = Picasa::read(&bytes);
                break;
            }
        }
        let found = Arc::new(found);
        folders.insert(folder.to_owned(), Arc::clone(&found));
        Ok(found)
    }

    /// Reads whom a photo's metadata name: a sidecar's if it names anybody, otherwise that in the photo itself, otherwise
    /// Picasa's file of the folder. None if nobody is named.
    ///
    /// # Errors
    /// A file that cannot be read, or metadata that cannot be understood.
    pub fn read(&self, path: &Path) -> std::result::Result<Option<NamedPhoto>, Problem> {
        let wanted = |mut found: Found| {
            found.regions.retain(|region| region.name.is_some() && (self.own || !region.ours));
            (!found.regions.is_empty()).then_some(found)
        };
        let mut damaged = None;
        let mut states = None;
        for sidecar in file::sidecars(path) {
            let beside = |error: &MetaError| super::tag::of_sidecar(&sidecar, error);
            match file::read(&sidecar, LARGEST_SIDECAR) {
                Ok(None) => {}
                Ok(Some(packet)) => match read(&packet) {
                    Ok(found) => states = states.or_else(|| wanted(found)),
                    Err(error) => damaged = damaged.or(Some(beside(&error))),
                },
                Err(error) => return Err(Problem::unreadable(&error)),
            }
        }
        if states.is_none() {
            let bytes = Photo::from_path(path).read(&self.looking.to_describe())?.into_owned();
            for packet in embedded(&bytes) {
                match read(&packet) {
                    // The second part of a packet in two parts holds what the first had no room for.
                    Ok(found) => states = states.or_else(|| wanted(found)),
                    Err(error) => damaged = damaged.or_else(|| Some(super::tag::problem(&error))),
                }
            }
        }
        let (mut names, mut problems) = (Vec::new(), Vec::new());
        if states.is_none() {
            let (found, unnamed) = self.picasa(path)?.of(path);
            states = wanted(found);
            problems.extend(unnamed.iter().map(|id| {
                let reason = format!("has a face that Picasa knows as {id}, whose name is not in the folder's .picasa.ini");
                let remedy = "have Picasa write names into the photos (Options, Name Tags), or enrol the person yourself";
                Problem::new(Code::Metadata, reason, remedy)
            }));
        }
        let found = match (states, damaged) {
            (Some(found), _) => found,
            (None, Some(damaged)) => return Err(damaged),
            (None, None) if problems.is_empty() => return Ok(None),
            (None, None) => Found::default(),
        };
        for name in found.regions.iter().filter_map(|region| region.name.as_deref()) {
            match clean_name(name) {
                Ok(name) if names.contains(&name) => {}
                Ok(name) => names.push(name),
                Err(error) => {
                    let reason = format!("names a face {name:?}: {}", error.reason());
                    problems.push(Problem::new(
                        Code::Metadata,
                        reason,
                        "rename it in the program that wrote it",
                    ));
                }
            }
        }
        Ok(Some(NamedPhoto { path: path.to_owned(), names, problems, found }))
    }
}

impl Service {
    /// Enrols the people whom photos' metadata name, each as soon as their last photo was looked at; people with very many
    /// photos are told of in several answers.
    ///
    /// A region is matched to the face that is found at its place, for which a lower score is enough, as somebody says
    /// that it is there.
    ///
    /// # Errors
    /// A gallery that cannot be written; what was told of is enrolled.
    pub fn enrol_named(
        &self,
        gallery: &Gallery,
        photos: &[NamedPhoto],
        options: &EnrolOptions,
        threads: usize,
        mut tell: impl FnMut(EnrolEvent<'_>),
    ) -> Result<()> {
        let mut left: BTreeMap<&str, usize> = BTreeMap::new();
        for name in photos.iter().flat_map(|photo| &photo.names) {
            *left.entry(name).or_default() += 1;
        }
        type Waiting = Vec<(Photo, std::result::Result<NewFace, Problem>)>;
        let mut waiting: BTreeMap<&str, Waiting> = BTreeMap::new();
        let work = |photo: &&NamedPhoto| self.named_faces(photo, options);
        let all: Vec<&NamedPhoto> = photos.iter().collect();
        in_order(&all, threads, work, |photo, faces| {
            tell(EnrolEvent::Photo);
            for (name, face) in photo.names.iter().zip(faces) {
                let here = waiting.entry(name).or_default();
                here.push((Photo::from_path(&photo.path), face));
                let remaining = left.entry(name).or_default();
                *remaining -= 1;
                if *remaining == 0 || here.len() >= TOGETHER {
                    let (photos, described): (Vec<Photo>, Vec<_>) = std::mem::take(here).into_iter().unzip();
                    let person = PersonPhotos {
                        target: Target::Named(name.clone()),
                        name: name.clone(),
                        photos: photos.into_iter().map(|photo| (photo, None)).collect(),
                    };
                    let answer = self.put_into(gallery, &person, described)?;
                    tell(EnrolEvent::Person(&person, answer));
                }
            }
            Ok(())
        })
    }

    /// The faces of the people whom a photo's metadata name, one for each name.
    fn named_faces(
        &self,
        photo: &NamedPhoto,
        options: &EnrolOptions,
    ) -> Vec<std::result::Result<NewFace, Problem>> {
        match self.named_faces_of(photo, options) {
            Ok(faces) => faces,
            Err(problem) => photo.names.iter().map(|_| Err(problem.clone())).collect(),
        }
    }

    fn named_faces_of(
        &self,
        photo: &NamedPhoto,
        options: &EnrolOptions,
    ) -> std::result::Result<Vec<std::result::Result<NewFace, Problem>>, Problem> {
        let decode = options.looking.to_describe();
        let bytes = Photo::from_path(&photo.path).read(&decode)?.into_owned();
        let image = Image::decode(&bytes, &decode)?;
        let orientation = Orientation::of(stored_orientation(&bytes));
        let (width, height) = image.original_size();
        let stored = if orientation.is_sideways() { (height, width) } else { (width, height) };
        let frame = photo.found.frame(stored, orientation).map_err(|error| super::tag::problem(&error))?;
        let mut looking = options.looking.clone();
        looking.detect.score = looking.detect.score.or(Some(UNSURE_SCORE));
        let detections = self.analyzer().detector().detect(&image, &looking.detect)?;
        let areas: Vec<Option<Area>> =
            detections.iter().map(|found| Area::of_box(found.bbox, width, height)).collect();
        // The pairs that overlap most are made first; a face belongs to one region.
        let mut pairs = Vec::new();
        for (number, region) in photo.found.regions.iter().enumerate() {
            let place = frame.to_upright(region.area, orientation);
            for (face, area) in areas.iter().enumerate() {
                if let Some(area) = area.filter(|area| area.is_like(&place)) {
                    pairs.push((area.iou(&place), number, face));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut of_region = vec![None; photo.found.regions.len()];
        let mut taken = vec![false; detections.len()];
        for (_, region, face) in pairs {
            if of_region[region].is_none() && !taken[face] {
                (of_region[region], taken[face]) = (Some(face), true);
            }
        }
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        let described = photo.names.iter().map(|name| {
            let mut regions = photo.found.regions.iter().zip(&of_region).filter(|(region, _)| {
                region.name.as_deref().and_then(|n| clean_name(n).ok()).as_ref() == Some(name)
            });
            let Some((_, Some(face))) = regions.find(|(_, face)| face.is_some()) else {
                let reason = format!("no face was found in the region of {name}");
                let remedy = "look at it with `phiz detect`; --score 0.2 finds unclear faces, --rotate auto turned ones";
                return Err(Problem::new(Code::NoFace, reason, remedy));
            };
            let face = self.analyzer().describe(&image, detections[*face].clone())?;
            if !options.force {
                self.check_enrolment(&face)?;
            }
            let crop = match options.crop {
                true => Some(self.analyzer().align(&image, &face.detection).encode_jpeg(95)?),
                false => None,
            };
            Ok(NewFace {
                photo: Some(hash),
                source: Some(photo.path.to_string_lossy().into_owned()),
                consent: options.consent.clone(),
                crop,
                ..NewFace::new(face.template, face.quality)
            })
        });
        Ok(described.collect())
    }
}

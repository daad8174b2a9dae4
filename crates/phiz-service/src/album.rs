//! What an archive answers: in which photos somebody is, and who the strangers are.
//!
//! [`Known`] is read once and may be kept for as long as the gallery does not change; [`Album`] asks it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use phiz_face::Detection;
use phiz_gallery::store::Mark;
use phiz_gallery::{
    Archive, Decided, DecidedBy, EnrollRules, Enrolled, Filter, Gallery, GroupId, NamedGroup, NewFace,
    OperationId, PersonId, PhotoId, SeenPhoto, Sighting, SightingId, Target, Template,
};
use phiz_image::{DecodeOptions, Image};
use serde::Serialize;

use crate::{Code, MIN_QUALITY, PathName, Photo, Problem, Result, Service, scan};

/// Which photos are looked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FindOptions {
    /// One of these people is in the photo; anybody, if there is none here.
    pub any: Vec<PersonId>,
    /// All of these people are in it, too.
    pub with: Vec<PersonId>,
    /// None of these people is in it.
    pub without: Vec<PersonId>,
    /// Somebody unknown is in it.
    pub unknown: bool,
    /// It was taken then or later, in seconds since 1970.
    pub since: Option<i64>,
    /// It was taken before, in seconds since 1970.
    pub before: Option<i64>,
    /// This stranger is in it, by number.
    pub stranger: Option<u64>,
    /// Photos that were sent to a server count, too: there is no file of them.
    pub sent: bool,
}

/// A photo that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundPhoto {
    /// Its file.
    #[serde(flatten)]
    pub path: PathName,
    /// Other files with the same content.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<PathName>,
    /// When it was taken or, if that is not known, last changed, in seconds since 1970.
    pub taken: i64,
    /// The faces that were looked for.
    pub faces: Vec<FoundFace>,
    /// The path for programs that go on with it.
    #[serde(skip)]
    pub file: PathBuf,
    /// The photo.
    #[serde(skip)]
    pub id: PhotoId,
}

/// A face that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundFace {
    /// Left, top, width, height.
    #[serde(rename = "box")]
    pub bbox: [f32; 4],
    /// The person's name, or the id of one who has none; null if nobody knows who it is.
    pub person: Option<String>,
    /// The person.
    pub id: Option<PersonId>,
    /// The chance that a stranger resembles anybody as much; 0 where somebody has said who it is.
    pub fpir: f64,
    /// How it was decided.
    pub decision: &'static str,
    /// How much the face is worth to recognition, 0 to 1.
    pub quality: f32,
    /// The number of the stranger, if it is one.
    pub stranger: Option<u64>,
    /// The sighting.
    pub sighting: SightingId,
}

/// A stranger: faces that are one person whom nobody has named.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StrangerAnswer {
    /// The number. It stays the same, and is never another stranger's.
    pub stranger: u64,
    /// The faces, the best first.
    pub faces: Vec<StrangerFace>,
    /// When the first of the photos was taken or last changed, in seconds since 1970.
    pub first: i64,
    /// The same of the last.
    pub last: i64,
}

/// A stranger's face.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StrangerFace {
    /// The photo.
    #[serde(flatten)]
    pub path: PathName,
    /// Left, top, width, height.
    #[serde(rename = "box")]
    pub bbox: [f32; 4],
    /// How much the face is worth to recognition, 0 to 1.
    pub quality: f32,
    /// The sighting.
    pub sighting: SightingId,
    /// The photo, for programs that go on with it.
    #[serde(skip)]
    pub photo: PhotoId,
}

/// A sighting that shows whom a face shows, as far as one can tell: it was here before.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeenBefore {
    /// The photo, or the camera and the time.
    #[serde(flatten)]
    pub path: PathName,
    /// Left, top, width, height.
    #[serde(rename = "box")]
    pub bbox: [f32; 4],
    /// The sighting.
    pub sighting: SightingId,
    /// The person's name, if the sighting has one.
    pub person: Option<String>,
    /// The person.
    pub id: Option<PersonId>,
    /// The number of the stranger, if it is one.
    pub stranger: Option<u64>,
    /// When the photo was taken or last changed, or somebody was before the camera, in seconds since 1970.
    pub at: i64,
    /// How alike the faces are: the cosine of their templates, -1 to 1.
    pub similarity: f32,
    /// The chance that any face of somebody else in the archive is so alike.
    pub chance: f64,
}

/// A stranger who was given a name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamedAnswer {
    /// The stranger.
    pub stranger: u64,
    /// The name.
    pub person: String,
    /// The person.
    pub id: Option<PersonId>,
    /// Whether the person is new in the gallery.
    pub new: bool,
    /// How many faces were enrolled.
    pub enrolled: usize,
    /// Of how many faces no picture could be kept, because their photos cannot be read.
    pub without_picture: usize,
    /// The operation to undo.
    pub operation: OperationId,
}

/// Faces that are enrolled of a stranger at most: the best, and each as different as can be from those before it.
const ENROLLED: usize = 8;

/// What an archive knows, with names: everything at one state of the gallery.
pub struct Known {
    /// The archive.
    pub archive: Archive,
    /// The gallery's state, if that is known: as long as it is this one, nothing that is known here has changed.
    pub mark: Option<Mark>,
    names: BTreeMap<PersonId, String>,
    group_of: BTreeMap<SightingId, GroupId>,
    by_photo: BTreeMap<PhotoId, Vec<usize>>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("photos", &self.archive.photos.len()).finish_non_exhaustive()
    }
}

impl Known {
    /// Reads everything that is known; decisions that no longer hold are made anew, without a look at any photo.
    ///
    /// # Errors
    /// The gallery cannot be read, or a rate is none.
    pub fn read(gallery: &Gallery, options: &crate::IdentifyOptions) -> Result<Known> {
        let mut tries = 2;
        let (archive, people, mark) = loop {
            let before = gallery.mark()?;
            let archive = gallery.archive(&options.deciding())?;
            let people = gallery.people(&Filter::default(), None, usize::MAX)?;
            let unchanged = gallery.mark()? == before;
            // Decisions that were made anew were written down, which is a change as well: the second look makes none.
            tries -= 1;
            if unchanged || tries == 0 {
                break (archive, people, unchanged.then_some(before));
            }
        };
        let name = |person: phiz_gallery::Person| match person.details.name.as_str() {
            "" => (person.id, person.id.to_string()),
            _ => (person.id, person.details.name),
        };
        let (group_of, by_photo) = (archive.group_of(), archive.by_photo());
        Ok(Known { names: people.into_iter().map(name).collect(), archive, mark, group_of, by_photo })
    }
}

/// What an archive knows, ready to be asked.
pub struct Album<'a> {
    known: Arc<Known>,
    gallery: &'a Gallery,
}

impl Deref for Album<'_> {
    type Target = Known;
    fn deref(&self) -> &Known {
        &self.known
    }
}

impl std::fmt::Debug for Album<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Album").field("photos", &self.archive.photos.len()).finish_non_exhaustive()
    }
}

impl<'a> Album<'a> {
    /// Reads everything that is known; decisions that no longer hold are made anew, without a look at any photo.
    ///
    /// # Errors
    /// The gallery cannot be read, or a rate is none.
    pub fn open(gallery: &'a Gallery, options: &crate::IdentifyOptions) -> Result<Album<'a>> {
        Ok(Album::over(gallery, Arc::new(Known::read(gallery, options)?)))
    }

    /// Asks what was read of this gallery before.
    #[must_use]
    pub fn over(gallery: &'a Gallery, known: Arc<Known>) -> Album<'a> {
        Album { known, gallery }
    }

    /// The gallery.
    #[must_use]
    pub fn gallery(&self) -> &'a Gallery {
        self.gallery
    }

    /// What a person is called; the id of one who has no name.
    #[must_use]
    pub fn name(&self, person: PersonId) -> String {
        self.names.get(&person).cloned().unwrap_or_else(|| person.to_string())
    }

    /// When a photo was taken or, if that is not known, last changed.
    #[must_use]
    pub fn taken(photo: &SeenPhoto) -> i64 {
        let changed = || photo.files.iter().map(|file| file.modified.div_euclid(1_000_000_000)).min();
        photo.taken.or_else(changed).unwrap_or(photo.seen)
    }

    /// Photos that are there, with the places of their sightings.
    pub fn photos(&self) -> impl Iterator<Item = (&SeenPhoto, &[usize])> {
        let there = self.archive.photos.values().filter(|photo| photo.gone.is_none());
        there.map(|photo| (photo, self.by_photo.get(&photo.id).map_or(&[][..], |places| places.as_slice())))
    }

    /// A face as an answer has it.
    #[must_use]
    pub fn face(&self, place: usize) -> FoundFace {
        let (seen, decided) = (&self.archive.sightings[place], &self.archive.decided[place]);
        let person = decided.person();
        FoundFace {
            bbox: seen.bbox,
            person: person.map(|person| self.name(person)),
            id: person,
            fpir: if decided.by == DecidedBy::Statement { 0.0 } else { decided.fpir },
            decision: decision(decided),
            quality: seen.quality,
            stranger: self.stranger_at(place),
            sighting: seen.id,
        }
    }

    /// The number of the stranger whom a sighting shows, if it is one.
    fn stranger_at(&self, place: usize) -> Option<u64> {
        let seen = &self.archive.sightings[place];
        let group = self.group_of.get(&seen.id).and_then(|id| self.archive.group(*id))?;
        let nobody = group.person.is_none() && self.archive.decided[place].person().is_none();
        nobody.then_some(group.id.0)
    }

    /// The sightings that are most like a template, the most similar first: was this face seen before?
    ///
    /// # Errors
    /// The template is of another model.
    pub fn like(&self, template: &Template, most: usize) -> Result<Vec<(usize, f32)>> {
        let mut found = Vec::new();
        for (_, places) in self.photos() {
            for place in places {
                found.push((*place, self.archive.templates[*place].similarity(template)?));
            }
        }
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found.truncate(most);
        Ok(found)
    }

    /// The sightings of whom a face shows, the most similar first: those that so few strangers reach by chance.
    ///
    /// # Errors
    /// As [`Album::like`].
    pub fn seen_before(&self, template: &Template, rate: f64, most: usize) -> Result<Vec<SeenBefore>> {
        let thresholds = self.gallery.thresholds();
        let all = self.archive.sightings.len().max(1) as f64;
        let mut before = Vec::new();
        for (place, similarity) in self.like(template, most)? {
            let chance = phiz_gallery::fpir(thresholds.fmr_at(f64::from(similarity)), all);
            if chance > rate {
                break;
            }
            let face = self.face(place);
            let path = self.file_of(place).unwrap_or_else(|| PathBuf::from("?"));
            before.push(SeenBefore {
                path: path.as_path().into(),
                bbox: face.bbox,
                sighting: face.sighting,
                person: face.person,
                id: face.id,
                stranger: face.stranger,
                at: self.photo_of(place).map_or(0, Album::taken),
                similarity,
                chance,
            });
        }
        Ok(before)
    }

    /// The people whom a stranger's faces, combined, are most like. An answer to nothing: nobody is similar enough.
    ///
    /// # Errors
    /// As [`Album::stranger`]; or the gallery cannot be read.
    pub fn resembled(
        &self,
        number: u64,
        options: &crate::IdentifyOptions,
    ) -> Result<Vec<crate::CandidateAnswer>> {
        let stranger = self.stranger(number)?;
        let places = stranger.faces.iter().filter_map(|face| self.archive.place(face.sighting));
        let mean = crate::review::mean(places.map(|place| &self.archive.templates[place]));
        let Some(mean) = mean else { return Ok(Vec::new()) };
        let found = self.gallery.identify(&mean, &options.search())?;
        Ok(found.candidates.into_iter().map(crate::CandidateAnswer::from).collect())
    }

    /// The photos that are looked for, by path.
    #[must_use]
    pub fn find(&self, options: &FindOptions) -> Vec<FoundPhoto> {
        let wanted: BTreeSet<PersonId> = options.any.iter().chain(&options.with).copied().collect();
        let mut found = Vec::new();
        for (photo, places) in self.photos().filter(|(photo, _)| options.sent || !photo.sent) {
            let taken = Album::taken(photo);
            let in_time = options.since.is_none_or(|since| taken >= since)
                && options.before.is_none_or(|before| taken < before);
            let person = |place: &usize| self.archive.decided[*place].person();
            let people: BTreeSet<PersonId> = places.iter().filter_map(person).collect();
            let unknown = places.iter().any(|place| person(place).is_none());
            let right = (options.any.is_empty() || options.any.iter().any(|p| people.contains(p)))
                && options.with.iter().all(|p| people.contains(p))
                && !options.without.iter().any(|p| people.contains(p))
                && (unknown || !options.unknown);
            let stranger = |place: &usize| {
                options.stranger.is_none_or(|number| self.stranger_at(*place) == Some(number))
            };
            let with_stranger = options.stranger.is_none() || places.iter().any(stranger);
            if !(in_time && right && with_stranger) {
                continue;
            }
            let is_wanted = |place: &usize| match person(place) {
                _ if options.stranger.is_some() => stranger(place),
                Some(person) => wanted.contains(&person) || (wanted.is_empty() && !options.unknown),
                None => options.unknown || wanted.is_empty(),
            };
            let faces =
                places.iter().filter(|place| is_wanted(place)).map(|place| self.face(*place)).collect();
            let mut files = photo.files.iter().map(|file| file.path.clone());
            let Some(file) = files.next() else { continue };
            let copies = files.map(|path| PathName::from(path.as_path())).collect();
            found.push(FoundPhoto { path: file.as_path().into(), copies, taken, faces, file, id: photo.id });
        }
        found.sort_by(|a, b| a.file.cmp(&b.file).then(a.id.cmp(&b.id)));
        found
    }

    /// The strangers, largest first; those that are ignored instead, if asked for.
    #[must_use]
    pub fn strangers(&self, ignored: bool) -> Vec<StrangerAnswer> {
        let strangers = self.archive.strangers(ignored).into_iter();
        strangers.map(|(group, places)| self.stranger_of(group.id, places)).collect()
    }

    /// One stranger by number, ignored or not.
    ///
    /// # Errors
    /// There is none of that number, or the stranger has a name by now.
    pub fn stranger(&self, number: u64) -> Result<StrangerAnswer> {
        let none = || {
            let reason = format!("there is no stranger {number}");
            crate::Error::from(
                phiz_gallery::GalleryError::new(phiz_gallery::ErrorKind::NotFound, reason)
                    .with_hint("`phiz strangers` lists them with their numbers"),
            )
        };
        let group = self.archive.group(GroupId(number)).ok_or_else(none)?;
        if let Some(person) = group.person {
            let reason = format!("stranger {number} is {} now", self.name(person));
            let error = phiz_gallery::GalleryError::new(phiz_gallery::ErrorKind::Conflict, reason);
            return Err(error.with_hint(format!("phiz find {person}")).into());
        }
        let all = [false, true].into_iter().flat_map(|ignored| self.archive.strangers(ignored));
        let places = all.into_iter().find(|(own, _)| own.id == group.id).map(|(_, places)| places);
        Ok(self.stranger_of(group.id, places.ok_or_else(none)?))
    }

    fn stranger_of(&self, id: GroupId, mut places: Vec<usize>) -> StrangerAnswer {
        let quality = |place: &usize| self.archive.sightings[*place].quality;
        places.sort_by(|a, b| quality(b).total_cmp(&quality(a)).then(a.cmp(b)));
        let times = places.iter().filter_map(|place| self.photo_of(*place)).map(Album::taken);
        let (first, last) = times.fold((i64::MAX, i64::MIN), |(a, b), t| (a.min(t), b.max(t)));
        let face = |place: &usize| {
            let seen = &self.archive.sightings[*place];
            let path = self.file_of(*place).unwrap_or_else(|| PathBuf::from("?"));
            StrangerFace {
                path: path.as_path().into(),
                bbox: seen.bbox,
                quality: seen.quality,
                sighting: seen.id,
                photo: seen.photo,
            }
        };
        StrangerAnswer { stranger: id.0, faces: places.iter().map(face).collect(), first, last }
    }

    fn photo_of(&self, place: usize) -> Option<&SeenPhoto> {
        self.archive.photos.get(&self.archive.sightings[place].photo)
    }

    /// The file that shows a sighting; of a photo that was sent, the name that it had.
    #[must_use]
    pub fn file_of(&self, place: usize) -> Option<PathBuf> {
        Some(self.photo_of(place)?.files.first()?.path.clone())
    }

    /// The photo that shows a sighting, if there is a file of it.
    #[must_use]
    pub fn photo_file(&self, place: usize) -> Option<Photo> {
        let photo = self.photo_of(place)?;
        let file = photo.files.first().filter(|_| !photo.sent)?;
        Some(Photo::File(file.path.clone()))
    }

    /// Sightings as the faces that they were.
    #[must_use]
    pub fn faces(&self, places: &[usize]) -> Vec<phiz_face::Face> {
        places.iter().map(|place| scan::face_of(&self.archive, *place)).collect()
    }

    /// A sighting by its id.
    ///
    /// # Errors
    /// There is none.
    pub fn place(&self, sighting: SightingId) -> Result<usize> {
        match self.archive.place(sighting) {
            Some(place) => Ok(place),
            // Says that there is none.
            None => self.gallery.sighting(sighting).map_err(crate::Error::from).and_then(|_| {
                Err(Problem::new(Code::Refused, "the face came meanwhile", "try again").into())
            }),
        }
    }

    /// The photo of a file, known by its path or its content.
    #[must_use]
    pub fn photo_at(&self, path: &Path) -> Option<(&SeenPhoto, &[usize])> {
        let path = scan::known_as(path);
        self.photos().find(|(photo, _)| photo.files.iter().any(|file| file.path == path))
    }
}

fn decision(decided: &Decided) -> &'static str {
    match decided.by {
        DecidedBy::Similarity => "match",
        DecidedBy::Statement => "said",
        DecidedBy::Ambiguous => "ambiguous",
        _ => "unknown",
    }
}

/// In an aligned picture the eyes are 38 pixels apart; decoded a half larger than that, nothing of it is lost.
const CROP_EYES: f32 = 57.0;

/// A photo of an archive, from a file that still holds it.
fn decoded(photo: &SeenPhoto, options: &DecodeOptions) -> Option<Image> {
    if photo.sent || photo.gone.is_some() {
        return None;
    }
    let image = |file: &phiz_gallery::PhotoFile| {
        let options = DecodeOptions { min_long_side: Some(options.min_long_side.unwrap_or(1)), ..*options };
        let image = Photo::File(file.path.clone()).decode(&options).ok()?;
        (image.original_size() == (photo.size[0], photo.size[1])).then_some(image)
    };
    photo.files.iter().find_map(image)
}

/// A photo of an archive, upright, with a long side of at most so many pixels, as a JPEG. None if no file of it is left.
///
/// # Errors
/// There is no such photo, or the gallery cannot be read.
pub fn photo_shown(gallery: &Gallery, photo: PhotoId, side: u32) -> Result<Option<Vec<u8>>> {
    let photo = gallery.photo(photo)?;
    let options = DecodeOptions { min_long_side: Some(side), ..DecodeOptions::default() };
    let Some(image) = decoded(&photo, &options) else { return Ok(None) };
    let (w, h) = (image.width(), image.height());
    let long = w.max(h);
    if long <= side {
        return Ok(image.encode_jpeg(85).ok());
    }
    let scaled = |length: u32| {
        u32::try_from(u64::from(length) * u64::from(side) / u64::from(long)).unwrap_or(side).max(1)
    };
    Ok(image.resize(scaled(w), scaled(h)).encode_jpeg(85).ok())
}

/// The best of some faces, and each as different as can be from those before it.
fn best_and_most_different(archive: &Archive, places: &[usize], most: usize) -> Vec<usize> {
    let mut open: Vec<usize> =
        places.iter().copied().filter(|place| archive.sightings[*place].quality >= MIN_QUALITY).collect();
    let quality = |place: usize| archive.sightings[place].quality;
    open.sort_by(|a, b| quality(*b).total_cmp(&quality(*a)).then(a.cmp(b)));
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < most && !open.is_empty() {
        // A face is worth its quality, and how little of it is known already.
        let worth = |place: usize| {
            let alike = |other: &usize| {
                archive.templates[place].similarity(&archive.templates[*other]).unwrap_or(1.0)
            };
            quality(place) * (1.0 - chosen.iter().map(alike).fold(0.0, f32::max))
        };
        let best =
            open.iter().enumerate().max_by(|a, b| worth(*a.1).total_cmp(&worth(*b.1)).then(b.0.cmp(&a.0)));
        let Some((at, _)) = best else { break };
        chosen.push(open.remove(at));
    }
    chosen
}

impl Service {
    /// The aligned picture of a sighting, from its photo; none if the photo cannot be read or is another by now.
    #[must_use]
    pub fn picture_of(&self, album: &Album<'_>, place: usize) -> Option<Image> {
        let photo = album.photo_of(place)?;
        if photo.sent {
            let crop = album.gallery.sighting_crop(album.archive.sightings[place].id).ok()??;
            return Image::decode(&crop, &DecodeOptions::default()).ok();
        }
        let image = album.photo_file(place)?.decode(&DecodeOptions::default()).ok()?;
        if image.original_size() != (photo.size[0], photo.size[1]) {
            return None;
        }
        Some(self.picture_in(&image, &album.archive.sightings[place]))
    }

    /// The aligned picture of a sighting as a JPEG: the crop that is kept, or from its photo, decoded no larger than needed.
    /// None if the photo is gone, cannot be read or is another by now.
    ///
    /// # Errors
    /// There is no such sighting, or the gallery cannot be read.
    pub fn crop_of(&self, gallery: &Gallery, sighting: SightingId) -> Result<Option<Vec<u8>>> {
        let seen = gallery.sighting(sighting)?;
        if let Some(crop) = gallery.sighting_crop(sighting)? {
            return Ok(Some(crop));
        }
        let photo = gallery.photo(seen.photo)?;
        let [right, left, ..] = seen.landmarks;
        let eyes = (left[0] - right[0]).hypot(left[1] - right[1]).max(1.0);
        let Some(image) =
            decoded(&photo, &DecodeOptions { min_scale: CROP_EYES / eyes, ..DecodeOptions::default() })
        else {
            return Ok(None);
        };
        Ok(self.picture_in(&image, &seen).encode_jpeg(90).ok())
    }

    /// The aligned picture of a sighting in its photo.
    #[must_use]
    pub fn picture_in(&self, image: &Image, seen: &Sighting) -> Image {
        let detection = Detection { bbox: seen.bbox, score: seen.score, landmarks: seen.landmarks };
        self.analyzer().align(image, &detection)
    }

    /// The faces of an album as a gallery enrols them; and of how many no picture can be kept.
    pub(crate) fn faces_to_enrol(
        &self,
        album: &Album<'_>,
        places: &[usize],
        consent: Option<&str>,
    ) -> (Vec<NewFace>, usize) {
        let mut without = 0;
        let face = |place: &usize| {
            let crop = self.picture_of(album, *place).and_then(|picture| picture.encode_jpeg(95).ok());
            without += usize::from(crop.is_none());
            let photo = album.photo_of(*place);
            NewFace {
                photo: photo.map(|photo| photo.photo),
                taken: photo.and_then(|photo| photo.taken),
                source: album.file_of(*place).map(|path| path.to_string_lossy().into_owned()),
                consent: consent.map(str::to_owned),
                crop,
                ..NewFace::new(
                    album.archive.templates[*place].clone(),
                    album.archive.sightings[*place].quality,
                )
            }
        };
        let faces = places.iter().map(face).collect();
        (faces, without)
    }

    /// Says who a stranger is: the best and most different faces are enrolled under this name, or for the person who has it.
    ///
    /// # Errors
    /// There is no such stranger, the name can be nobody's, or the gallery cannot be written.
    pub fn name_stranger(
        &self,
        album: &Album<'_>,
        number: u64,
        target: &Target,
        consent: Option<&str>,
    ) -> Result<NamedAnswer> {
        let stranger = album.stranger(number)?;
        let places = stranger.faces.iter().filter_map(|face| album.archive.place(face.sighting));
        let places: Vec<usize> = places.collect();
        let chosen = best_and_most_different(&album.archive, &places, ENROLLED);
        let (faces, without_picture) = self.faces_to_enrol(album, &chosen, consent);
        let named =
            album.gallery.name_group(GroupId(stranger.stranger), target, &faces, &EnrollRules::default())?;
        let NamedGroup { enrolled: Enrolled { person, new, faces, .. }, operation } = named;
        let added = |outcome: &&phiz_gallery::Outcome| matches!(outcome, phiz_gallery::Outcome::Added { .. });
        let name = person.map(|id| album.gallery.person(id)).transpose()?;
        Ok(NamedAnswer {
            stranger: stranger.stranger,
            person: name.map(|person| person.details.name).unwrap_or_default(),
            id: person,
            new,
            enrolled: faces.iter().filter(added).count(),
            without_picture,
            operation,
        })
    }
}

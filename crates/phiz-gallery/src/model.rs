//! What a gallery is made of: people, faces, what is said of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use phiz_template::Template;
use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, GalleryError};
use crate::store::Kind;

macro_rules! id {
    ($name:ident, $letter:literal, $what:literal) => {
        #[doc = concat!("Names ", $what, ", for ever: an id is never given twice. Written `", $letter, "12`.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = GalleryError;
            fn from_str(text: &str) -> Result<$name, GalleryError> {
                let number = text.strip_prefix($letter).and_then(|digits| digits.parse().ok());
                number.filter(|n| *n > 0 && *n <= i64::MAX as u64).map($name).ok_or_else(|| {
                    GalleryError::new(ErrorKind::Caller, format!("{text:?} is no id of {}", $what))
                        .with_hint(concat!("such an id reads ", $letter, "12"))
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<$name, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(PersonId, "p", "a person");
id!(FaceId, "f", "a face");
id!(NegativeId, "n", "a negative");
id!(OperationId, "o", "an operation");
id!(PhotoId, "i", "a photo of an archive");
id!(SightingId, "s", "a sighting");
id!(GroupId, "g", "a group of sightings");

/// Name, attributes and watch lists of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// The name. Several people may have the same one, and it is empty if nobody knows it; see [`clean_name`](crate::clean_name) for what a
    /// name may hold.
    pub name: String,
    /// Attributes: any text under any key, such as `red` under `team`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Watch lists that the person is on.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lists: BTreeSet<String>,
}

impl Details {
    /// Details with a name and nothing else.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Details {
        Details { name: name.into(), ..Details::default() }
    }
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    /// Its id.
    pub id: PersonId,
    /// Name, attributes and watch lists.
    #[serde(flatten)]
    pub details: Details,
    /// When they were enrolled, in seconds since 1970.
    pub created: i64,
    /// How many faces they have.
    pub faces: usize,
    /// How many faces are said not to be this person.
    pub negatives: usize,
}

/// A photo's identity: SHA-256 of its file.
pub type PhotoHash = [u8; 32];

/// A face to be enrolled.
#[derive(Clone, Debug, PartialEq)]
pub struct NewFace {
    /// The template, made by the gallery's model.
    pub template: Template,
    /// Quality of the face, from 0 to 1: how much it counts among the person's faces.
    pub quality: f32,
    /// The photo that it comes from.
    pub photo: Option<PhotoHash>,
    /// When the photo was taken, in seconds since 1970.
    pub taken: Option<i64>,
    /// Where the photo is from, such as its path.
    pub source: Option<String>,
    /// On what ground the person's face is kept, in the operator's words.
    pub consent: Option<String>,
    /// The aligned crop as an encoded picture, so that another model can describe it later.
    pub crop: Option<Vec<u8>>,
}

impl NewFace {
    /// A face of which nothing else is known.
    #[must_use]
    pub fn new(template: Template, quality: f32) -> NewFace {
        NewFace { template, quality, photo: None, taken: None, source: None, consent: None, crop: None }
    }
}

/// An enrolled face.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Face {
    /// Its id.
    pub id: FaceId,
    /// The person whose face it is.
    pub person: PersonId,
    /// Quality of the face, from 0 to 1.
    pub quality: f32,
    /// The photo that it comes from.
    #[serde(serialize_with = "hash")]
    pub photo: Option<PhotoHash>,
    /// When the photo was taken, in seconds since 1970.
    pub taken: Option<i64>,
    /// When it was enrolled, in seconds since 1970.
    pub added: i64,
    /// Where the photo is from.
    pub source: Option<String>,
    /// On what ground it is kept.
    pub consent: Option<String>,
    /// Whether the gallery keeps its crop.
    pub crop: bool,
}

/// "This face is not that person."
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Negative {
    /// Its id.
    pub id: NegativeId,
    /// The person who the face is not.
    pub person: PersonId,
    /// The photo that the face comes from.
    #[serde(serialize_with = "hash")]
    pub photo: Option<PhotoHash>,
    /// When it was said, in seconds since 1970.
    pub added: i64,
    /// Where the photo is from.
    pub source: Option<String>,
}

fn hash<S: serde::Serializer>(hash: &Option<PhotoHash>, s: S) -> Result<S::Ok, S::Error> {
    hash.map(|h| crate::bytes::hex(&h)).serialize(s)
}

/// A file that holds a photo, as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PhotoFile {
    /// Its path.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last changed, in nanoseconds since 1970.
    pub modified: i64,
}

/// Why a photo could not be used, in a form that lasts: a code, a reason and a remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhotoProblem {
    /// The code for programs.
    pub kind: String,
    /// The reason in words.
    pub reason: String,
    /// What a person can do about it.
    pub hint: String,
}

/// A face in a photo of an archive, to be kept as a sighting.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSighting {
    /// The template, made by the gallery's model.
    pub template: Template,
    /// Quality of the face, from 0 to 1.
    pub quality: f32,
    /// Left, top, width, height in pixels of the upright photo.
    pub bbox: [f32; 4],
    /// How sure the detector is, from 0 to 1.
    pub score: f32,
    /// Right eye, left eye, nose tip, right and left corner of the mouth.
    pub landmarks: [[f32; 2]; 5],
}

/// A photo that was looked at, to be kept with its faces.
#[derive(Clone, Debug, PartialEq)]
pub struct NewPhoto {
    /// SHA-256 of its file.
    pub photo: PhotoHash,
    /// The file in which it was found.
    pub file: PhotoFile,
    /// Columns and rows as the photo is seen, upright.
    pub size: [u32; 2],
    /// When it was taken, in seconds since 1970.
    pub taken: Option<i64>,
    /// By what it was looked at: networks and options. A photo that was looked at by others is looked at anew.
    pub looked: String,
    /// Its faces, from the largest to the smallest; none if it was not looked at, because its content is known.
    pub faces: Option<Vec<NewSighting>>,
    /// Why it could not be used, if it could not.
    pub problem: Option<PhotoProblem>,
}

/// A photo of an archive.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenPhoto {
    /// Its id.
    pub id: PhotoId,
    /// SHA-256 of its file.
    pub photo: PhotoHash,
    /// The files that hold it; of one that is gone, those that did.
    pub files: Vec<PhotoFile>,
    /// Columns and rows as the photo is seen, upright.
    pub size: [u32; 2],
    /// When it was taken, in seconds since 1970.
    pub taken: Option<i64>,
    /// Whether it was asked when it was taken: an older Phiz did not ask.
    pub dated: bool,
    /// When it was first looked at, in seconds since 1970.
    pub seen: i64,
    /// By what it was looked at.
    pub looked: String,
    /// Since when none of its files is there, in seconds since 1970; none if one is.
    pub gone: Option<i64>,
    /// Why it could not be used, if it could not.
    pub problem: Option<PhotoProblem>,
    /// Whether it was sent: no file of it is kept, and its one path is the name that it had.
    pub sent: bool,
}

/// A face that was seen in a photo of an archive.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// Its id.
    pub id: SightingId,
    /// The photo.
    pub photo: PhotoId,
    /// Quality of the face, from 0 to 1.
    pub quality: f32,
    /// Left, top, width, height in pixels of the upright photo.
    pub bbox: [f32; 4],
    /// How sure the detector is, from 0 to 1.
    pub score: f32,
    /// Right eye, left eye, nose tip, right and left corner of the mouth.
    pub landmarks: [[f32; 2]; 5],
}

/// Sightings of one person. Its number never changes and is never given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub id: GroupId,
    /// Who it is, if somebody has said so.
    pub person: Option<PersonId>,
    /// When it came to be, in seconds since 1970.
    pub created: i64,
    /// Whether nobody wants to hear of it.
    pub ignored: bool,
    /// The group that it was joined to, if it was: its number stands for that one from then on.
    pub into: Option<GroupId>,
    /// Groups that are somebody else, as somebody has said.
    pub apart: BTreeSet<GroupId>,
    /// Its sightings, rising.
    pub sightings: Vec<SightingId>,
}

/// A part of a gallery, for messages and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// A person.
    Person(PersonId),
    /// A face.
    Face(FaceId),
    /// A face's template.
    Template(FaceId),
    /// A face's crop.
    Crop(FaceId),
    /// A face that is said not to be somebody.
    Negative(NegativeId),
    /// An operation.
    Operation(OperationId),
    /// A photo of an archive.
    Photo(PhotoId),
    /// A face that was seen in a photo.
    Sighting(SightingId),
    /// Sightings of one person.
    Group(GroupId),
    /// The crop of a face that was seen in a photo.
    SightingCrop(SightingId),
    /// A face's template by another model than the gallery's.
    Spare(FaceId),
    /// A negative's template by another model than the gallery's.
    SpareNegative(NegativeId),
}

impl Part {
    pub(crate) fn of(kind: Kind, id: u64) -> Part {
        match kind {
            Kind::Person => Part::Person(PersonId(id)),
            Kind::Face => Part::Face(FaceId(id)),
            Kind::Template => Part::Template(FaceId(id)),
            Kind::Crop => Part::Crop(FaceId(id)),
            Kind::Negative => Part::Negative(NegativeId(id)),
            Kind::Journal => Part::Operation(OperationId(id)),
            Kind::Photo => Part::Photo(PhotoId(id)),
            Kind::Sighting => Part::Sighting(SightingId(id)),
            Kind::Group => Part::Group(GroupId(id)),
            Kind::SightingCrop => Part::SightingCrop(SightingId(id)),
            Kind::Spare => Part::Spare(FaceId(id)),
            Kind::SpareNegative => Part::SpareNegative(NegativeId(id)),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Person(id) => write!(f, "person {id}"),
            Part::Face(id) => write!(f, "face {id}"),
            Part::Template(id) => write!(f, "the template of face {id}"),
            Part::Crop(id) => write!(f, "the crop of face {id}"),
            Part::Negative(id) => write!(f, "negative {id}"),
            Part::Operation(id) => write!(f, "operation {id}"),
            Part::Photo(id) => write!(f, "photo {id}"),
            Part::Sighting(id) => write!(f, "sighting {id}"),
            Part::Group(id) => write!(f, "group {id}"),
            Part::SightingCrop(id) => write!(f, "the crop of sighting {id}"),
            Part::Spare(id) => write!(f, "the template of face {id} by another model"),
            Part::SpareNegative(id) => write!(f, "the template of negative {id} by another model"),
        }
    }
}

/// What a row of a person holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PersonBody {
    #[serde(flatten)]
    pub(crate) details: Details,
    pub(crate) created: i64,
}

/// What a row of a photo holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PhotoBody {
    pub(crate) photo: String,
    pub(crate) files: Vec<FileBody>,
    pub(crate) size: [u32; 2],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) taken: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) dated: bool,
    pub(crate) seen: i64,
    pub(crate) looked: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gone: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<PhotoProblem>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) sent: bool,
}

/// A file of a photo. A path that is not UTF-8 is kept as the bytes that it is, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FileBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
    pub(crate) size: u64,
    pub(crate) modified: i64,
}

impl FileBody {
    pub(crate) fn new(file: &PhotoFile) -> FileBody {
        let path = file.path.to_str().map(str::to_owned);
        let bytes = || crate::bytes::hex(file.path.as_os_str().as_encoded_bytes());
        let path_bytes = path.is_none().then(bytes);
        FileBody { path, path_bytes, size: file.size, modified: file.modified }
    }

    pub(crate) fn path(&self) -> PathBuf {
        if let Some(path) = &self.path {
            return path.into();
        }
        let bytes = self.path_bytes.as_deref().and_then(crate::bytes::unhex).unwrap_or_default();
        #[cfg(unix)]
        return PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes));
        #[cfg(not(unix))]
        String::from_utf8_lossy(&bytes).into_owned().into()
    }

    pub(crate) fn file(&self) -> PhotoFile {
        PhotoFile { path: self.path(), size: self.size, modified: self.modified }
    }
}

/// What a row of a sighting holds behind quality and template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SightingBody {
    #[serde(rename = "box")]
    pub(crate) bbox: [f32; 4],
    pub(crate) score: f32,
    pub(crate) landmarks: [[f32; 2]; 5],
}

/// What is said of a group, beside whose it is and what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct GroupHead {
    pub(crate) created: i64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) ignored: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) into: Option<u64>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) apart: BTreeSet<u64>,
}

/// What a row of a group holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupBody {
    #[serde(flatten)]
    pub(crate) head: GroupHead,
    pub(crate) sightings: Vec<u64>,
}

/// What a row of a face or a negative holds, beside its template and crop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FaceBody {
    pub(crate) added: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) photo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) taken: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) consent: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) crop: bool,
}

impl FaceBody {
    pub(crate) fn photo(&self) -> Option<PhotoHash> {
        self.photo.as_deref().and_then(crate::bytes::unhex).and_then(|bytes| bytes.try_into().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_and_nothing_else_does() {
        assert_eq!("p12".parse::<PersonId>().unwrap(), PersonId(12));
        assert_eq!(FaceId(7).to_string(), "f7");
        for wrong in ["", "p", "12", "f12", "p0", "p-1", "p9223372036854775808", "p1 "] {
            assert!(wrong.parse::<PersonId>().is_err(), "{wrong}");
        }
    }
}

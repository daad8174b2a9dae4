//! What a gallery is made of: people, faces, what is said of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
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
    hash.map(|h| crate::seal::hex(&h)).serialize(s)
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
        self.photo.as_deref().and_then(crate::seal::unhex).and_then(|bytes| bytes.try_into().ok())
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

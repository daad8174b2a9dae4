//! What an operation did: a code with its fields for programs, English by `Display`. Never holds a name.

use serde::{Deserialize, Serialize, Serializer};

use crate::model::{FaceId, GroupId, NegativeId, OperationId, PersonId, SightingId};

/// What an operation did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum OperationKind {
    /// Faces were enrolled.
    Enroll {
        /// The person, if it was one person.
        person: Option<PersonId>,
        /// How many people were made.
        people: usize,
        /// How many faces were enrolled.
        faces: usize,
    },
    /// An archive was taken in.
    Import {
        /// How many people were made.
        people: usize,
        /// How many faces were enrolled.
        faces: usize,
        /// How many negatives were taken in.
        negatives: usize,
    },
    /// Name, attributes or watch lists of a person were changed.
    Update {
        /// The person.
        person: PersonId,
    },
    /// A person was given another name.
    Rename {
        /// The person.
        person: PersonId,
    },
    /// A person was removed with all their faces.
    RemovePerson {
        /// The person.
        person: PersonId,
        /// How many faces the person had.
        faces: usize,
    },
    /// A face was removed.
    RemoveFace {
        /// The face.
        face: FaceId,
        /// The person whose face it was.
        person: PersonId,
    },
    /// Two people became one.
    Merge {
        /// The person who was merged into the other.
        from: PersonId,
        /// The person who stayed.
        into: PersonId,
    },
    /// Faces of a person became a new person's.
    Split {
        /// The person whose faces they were.
        person: PersonId,
        /// The new person.
        new: PersonId,
        /// How many faces became the new person's.
        faces: usize,
    },
    /// A face was given to another person.
    MoveFace {
        /// The face.
        face: FaceId,
        /// The person whose face it was.
        from: PersonId,
        /// The person whose face it became.
        to: PersonId,
    },
    /// It was said that a face is not a person.
    AddNegative {
        /// The negative.
        negative: NegativeId,
        /// The person who the face is not.
        person: PersonId,
    },
    /// That was taken back.
    RemoveNegative {
        /// The negative that was taken back.
        negative: NegativeId,
        /// The person.
        person: PersonId,
    },
    /// A group of sightings was named: its best faces were enrolled for a person.
    NameGroup {
        /// The group.
        group: GroupId,
        /// The person.
        person: PersonId,
        /// How many faces were enrolled.
        faces: usize,
    },
    /// A group of sightings was put out of sight, or brought back.
    IgnoreGroup {
        /// The group.
        group: GroupId,
        /// Whether it is out of sight now.
        ignored: bool,
    },
    /// Two groups of sightings became one.
    JoinGroups {
        /// The group whose sightings they were.
        from: GroupId,
        /// The group that has them now.
        into: GroupId,
    },
    /// Sightings of a group became a group of their own.
    SplitGroup {
        /// The group that they were in.
        group: GroupId,
        /// The new group.
        new: GroupId,
        /// How many they are.
        sightings: usize,
    },
    /// It was said that two groups of sightings are not one person.
    PartGroups {
        /// The one.
        one: GroupId,
        /// The other.
        other: GroupId,
    },
    /// It was said who a sighting is.
    Confirm {
        /// The sighting.
        sighting: SightingId,
        /// The person.
        person: PersonId,
    },
    /// An operation of an earlier version of Phiz, which stored a text and no code.
    Text {
        /// The text that it stored.
        text: String,
    },
}

impl std::fmt::Display for OperationKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let many = |n: usize, one: &str, several: &str| format!("{n} {}", if n == 1 { one } else { several });
        let faces = |n: usize| many(n, "face", "faces");
        let people = |n: usize| many(n, "person", "people");
        match self {
            OperationKind::Enroll { person: Some(person), faces: 0, .. } => write!(f, "add {person}"),
            OperationKind::Enroll { person: Some(person), faces: n, .. } => {
                write!(f, "enrol {person} with {}", faces(*n))
            }
            OperationKind::Enroll { people: p, faces: n, .. } => {
                write!(f, "enrol {} with {}", people(*p), faces(*n))
            }
            OperationKind::Import { people: p, faces: n, .. } => {
                write!(f, "import {} with {}", people(*p), faces(*n))
            }
            OperationKind::Update { person } => write!(f, "change what is said of {person}"),
            OperationKind::Rename { person } => write!(f, "rename {person}"),
            OperationKind::RemovePerson { person, faces: n } => {
                write!(f, "remove {person} with {}", faces(*n))
            }
            OperationKind::RemoveFace { face, person } => write!(f, "remove face {face} of {person}"),
            OperationKind::Merge { from, into } => write!(f, "merge {from} into {into}"),
            OperationKind::Split { person, new, faces: n } => {
                write!(f, "split {} from {person} as {new}", faces(*n))
            }
            OperationKind::MoveFace { face, from, to } => write!(f, "move face {face} from {from} to {to}"),
            OperationKind::AddNegative { negative, person } => {
                write!(f, "say ({negative}) that a face is not {person}")
            }
            OperationKind::RemoveNegative { negative, person } => {
                write!(f, "take back ({negative}) that a face is not {person}")
            }
            OperationKind::NameGroup { group, person, faces: n } => {
                write!(f, "name stranger {} as {person}, enrolled with {}", group.0, faces(*n))
            }
            OperationKind::IgnoreGroup { group, ignored: true } => write!(f, "ignore stranger {}", group.0),
            OperationKind::IgnoreGroup { group, .. } => write!(f, "stop ignoring stranger {}", group.0),
            OperationKind::JoinGroups { from, into } => {
                write!(f, "join stranger {} to stranger {}", from.0, into.0)
            }
            OperationKind::SplitGroup { group, new, sightings } => {
                write!(f, "split {} from stranger {} as stranger {}", faces(*sightings), group.0, new.0)
            }
            OperationKind::PartGroups { one, other } => {
                write!(f, "say that strangers {} and {} are two people", one.0, other.0)
            }
            OperationKind::Confirm { sighting, person } => {
                write!(f, "say that sighting {sighting} is {person}")
            }
            OperationKind::Text { text } => f.write_str(text),
        }
    }
}

/// As programs see it: strangers are told by their numbers, as everywhere else. What is stored keeps the ids of their groups.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Told<'a> {
    NameGroup {
        group: u64,
        person: PersonId,
        faces: usize,
    },
    IgnoreGroup {
        group: u64,
        ignored: bool,
    },
    JoinGroups {
        from: u64,
        into: u64,
    },
    SplitGroup {
        group: u64,
        new: u64,
        sightings: usize,
    },
    PartGroups {
        one: u64,
        other: u64,
    },
    #[serde(untagged)]
    Other(&'a OperationKind),
}

impl OperationKind {
    /// `kind`, and the kind's fields, for programs.
    pub fn told(&self) -> impl Serialize + '_ {
        match *self {
            OperationKind::NameGroup { group, person, faces } => {
                Told::NameGroup { group: group.0, person, faces }
            }
            OperationKind::IgnoreGroup { group, ignored } => Told::IgnoreGroup { group: group.0, ignored },
            OperationKind::JoinGroups { from, into } => Told::JoinGroups { from: from.0, into: into.0 },
            OperationKind::SplitGroup { group, new, sightings } => {
                Told::SplitGroup { group: group.0, new: new.0, sightings }
            }
            OperationKind::PartGroups { one, other } => Told::PartGroups { one: one.0, other: other.0 },
            _ => Told::Other(self),
        }
    }
}

/// An operation that can be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// When it was done, in seconds since 1970.
    pub at: i64,
    /// What it did.
    pub kind: OperationKind,
}

/// `id`, `at`, `what` (the English text), `kind`, and the kind's fields.
impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<T> {
            id: OperationId,
            at: i64,
            what: String,
            #[serde(flatten)]
            kind: T,
        }
        Fields { id: self.id, at: self.at, what: self.kind.to_string(), kind: self.kind.told() }.serialize(s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_the_text_beside_the_code() {
        let kind = OperationKind::Merge { from: PersonId(7), into: PersonId(3) };
        let json = serde_json::to_string(&Operation { id: OperationId(2), at: 9, kind }).unwrap();
        assert_eq!(
            json,
            r#"{"id":"o2","at":9,"what":"merge p7 into p3","kind":"merge","from":"p7","into":"p3"}"#
        );
    }

    #[test]
    fn strangers_are_numbers_to_programs_and_ids_in_the_store() {
        let (one, other) = (GroupId(3), GroupId(14));
        for (kind, told, stored) in [
            (
                OperationKind::NameGroup { group: one, person: PersonId(2), faces: 5 },
                r#"{"kind":"name_group","group":3,"person":"p2","faces":5}"#,
                r#"{"kind":"name_group","group":"g3","person":"p2","faces":5}"#,
            ),
            (
                OperationKind::IgnoreGroup { group: one, ignored: true },
                r#"{"kind":"ignore_group","group":3,"ignored":true}"#,
                r#"{"kind":"ignore_group","group":"g3","ignored":true}"#,
            ),
            (
                OperationKind::JoinGroups { from: other, into: one },
                r#"{"kind":"join_groups","from":14,"into":3}"#,
                r#"{"kind":"join_groups","from":"g14","into":"g3"}"#,
            ),
            (
                OperationKind::SplitGroup { group: one, new: other, sightings: 2 },
                r#"{"kind":"split_group","group":3,"new":14,"sightings":2}"#,
                r#"{"kind":"split_group","group":"g3","new":"g14","sightings":2}"#,
            ),
            (
                OperationKind::PartGroups { one, other },
                r#"{"kind":"part_groups","one":3,"other":14}"#,
                r#"{"kind":"part_groups","one":"g3","other":"g14"}"#,
            ),
            (
                OperationKind::Text { text: "g1".into() },
                r#"{"kind":"text","text":"g1"}"#,
                r#"{"kind":"text","text":"g1"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&kind.told()).unwrap(), told);
            assert_eq!(serde_json::to_string(&kind).unwrap(), stored);
            assert_eq!(serde_json::from_str::<OperationKind>(stored).unwrap(), kind);
        }
        let grouped = crate::Grouped { born: vec![other], joined: 3, merged: vec![(GroupId(15), other)] };
        let json = serde_json::to_string(&grouped).unwrap();
        assert_eq!(json, r#"{"born":[14],"joined":3,"merged":[[15,14]]}"#);
    }
}

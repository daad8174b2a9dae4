//! What happens in front of a camera, as scripts read it. Field names are stable.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Serialize;

/// Kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A face is there.
    Appeared,
    /// It is known who it is: a person, or a stranger with a number.
    Identified,
    /// It is somebody else than was said before, or the name was withdrawn.
    Changed,
    /// The face is gone.
    Left,
    /// A visit has ended: a person was there, and did not come back for a while.
    Visit,
}

/// Who somebody is: a person in the gallery, a stranger with a number, or nobody yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Identity {
    /// The person's name.
    pub person: Option<String>,
    /// The stranger's number.
    pub stranger: Option<u64>,
}

impl Identity {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Identity::default()
    }

    /// As people read it: `Ada`, `stranger 3`, `somebody`.
    #[must_use]
    pub fn label(&self) -> String {
        match (&self.person, self.stranger) {
            (Some(person), _) => person.clone(),
            (None, Some(number)) => format!("stranger {number}"),
            (None, None) => "somebody".into(),
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub event: EventKind,
    /// When, in seconds from the beginning: when the face was first seen, when it was known, when it was last seen.
    pub time: f64,
    /// The track: one face that was followed without a break.
    pub track: u64,
    /// Who it is.
    #[serde(flatten)]
    pub who: Identity,
    /// Where the face is, in pixels of the upright video: left, top, width, height.
    #[serde(rename = "box")]
    pub bbox: [f32; 4],
    /// The chance that a stranger would have been taken for anybody in the gallery as clearly; null without a name.
    pub fpir: Option<f64>,
    /// Who it was said to be before, if that has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Identity>,
    /// Of a visit: when it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<f64>,
    /// Of a visit: for how many seconds the face was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<f64>,
    /// Of a visit: all of its tracks. For programs in this process.
    #[serde(skip)]
    pub tracks: Vec<u64>,
}

/// Holds back what was told a moment ago: of each kind of event, one for each person or stranger in so many seconds, and one
/// for faces of whom nothing is known. Visits are never held back.
#[derive(Clone, Debug, Default)]
pub struct Cooldown {
    seconds: f64,
    told: BTreeMap<(u8, Identity), f64>,
}

impl Cooldown {
    /// For so many seconds; 0 holds nothing back.
    #[must_use]
    pub fn new(seconds: f64) -> Cooldown {
        Cooldown { seconds, told: BTreeMap::new() }
    }

    /// For so many seconds from now on.
    pub fn set(&mut self, seconds: f64) {
        self.seconds = seconds;
    }

    /// Whether an event is to be told.
    pub fn passes(&mut self, event: &Event) -> bool {
        if self.seconds <= 0.0 || event.event == EventKind::Visit {
            return true;
        }
        let since = event.time - self.seconds;
        self.told.retain(|_, told| *told > since);
        match self.told.entry((event.event as u8, event.who.clone())) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(event.time);
                true
            }
        }
    }
}

/// Seconds with three decimals.
pub(crate) fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// A box with one decimal.
pub(crate) fn rounded_box(bbox: [f32; 4]) -> [f32; 4] {
    bbox.map(|v| (v * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_an_event_is_stable() {
        let event = Event {
            event: EventKind::Appeared,
            time: 1.25,
            track: 3,
            who: Identity::default(),
            bbox: [1.0, 2.5, 30.0, 40.0],
            fpir: None,
            previous: None,
            from: None,
            seen: None,
            tracks: Vec::new(),
        };
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"event":"appeared","time":1.25,"track":3,"person":null,"stranger":null,"box":[1.0,2.5,30.0,40.0],"fpir":null}"#
        );
        let who = Identity { person: Some("Ada".into()), stranger: None };
        let previous = Some(Identity { person: None, stranger: Some(2) });
        let changed = Event { event: EventKind::Changed, who, previous, fpir: Some(0.001), ..event };
        assert_eq!(
            serde_json::to_string(&changed).unwrap(),
            "{\"event\":\"changed\",\"time\":1.25,\"track\":3,\"person\":\"Ada\",\"stranger\":null,\
             \"box\":[1.0,2.5,30.0,40.0],\"fpir\":0.001,\"previous\":{\"person\":null,\"stranger\":2}}"
        );
    }

    #[test]
    fn the_same_of_the_same_person_is_held_back_for_a_while() {
        let mut cooldown = Cooldown::new(10.0);
        let event = |kind, time, person: Option<&str>| Event {
            event: kind,
            time,
            track: 1,
            who: Identity { person: person.map(str::to_owned), stranger: None },
            bbox: [0.0; 4],
            fpir: None,
            previous: None,
            from: None,
            seen: None,
            tracks: Vec::new(),
        };
        for (kind, time, person, passes) in [
            (EventKind::Identified, 0.0, Some("Ada"), true),
            (EventKind::Identified, 4.0, Some("Ada"), false),
            (EventKind::Identified, 5.0, Some("Ben"), true),
            (EventKind::Left, 6.0, Some("Ada"), true),
            (EventKind::Appeared, 7.0, None, true),
            (EventKind::Appeared, 8.0, None, false),
            (EventKind::Visit, 8.5, Some("Ada"), true),
            (EventKind::Visit, 8.6, Some("Ada"), true),
            (EventKind::Identified, 10.5, Some("Ada"), true),
        ] {
            assert_eq!(cooldown.passes(&event(kind, time, person)), passes, "{kind:?} {time}");
        }
        let mut none = Cooldown::default();
        assert!((0..3).all(|_| none.passes(&event(EventKind::Appeared, 1.0, None))));
    }
}

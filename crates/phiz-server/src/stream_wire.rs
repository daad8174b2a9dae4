//! Shapes of what the server tells of cameras.

use phiz_video::{Event, EventKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a stream fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StreamState {
    /// The camera is being opened.
    Opening,
    /// It is watched.
    Watching,
    /// It is away, and is opened again and again.
    Lost,
    /// It cannot be watched.
    Failed,
    /// Nobody wants it to be watched now.
    Stopped,
}

/// A face that is there now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Present {
    /// The track: one face that was followed without a break.
    pub(crate) track: u64,
    /// The person's name, if it is known.
    pub(crate) person: Option<String>,
    /// The person.
    #[schema(example = "p1")]
    pub(crate) person_id: Option<String>,
    /// The stranger's number, if there is one.
    pub(crate) stranger: Option<u64>,
    /// Left, top, width, height in pixels of the video.
    #[serde(rename = "box")]
    pub(crate) bbox: [f32; 4],
    /// The same as shares of the video's width and height.
    pub(crate) box_share: [f32; 4],
}

/// A camera that is watched.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Stream {
    /// Its id.
    #[schema(example = "c0123abcd")]
    pub(crate) id: String,
    /// What people call it.
    pub(crate) name: String,
    /// Its address without credentials and query.
    pub(crate) source: String,
    /// Whether it should be watched, also after a restart of the server.
    pub(crate) running: bool,
    /// How it fares.
    pub(crate) state: StreamState,
    /// Why it is lost or failed.
    pub(crate) problem: Option<String>,
    /// What can be done about it.
    pub(crate) remedy: Option<String>,
    /// Since when it fares so, in seconds since 1970.
    pub(crate) since: f64,
    /// Columns of the video, once it was opened.
    pub(crate) width: Option<u32>,
    /// Rows of the video.
    pub(crate) height: Option<u32>,
    /// Frames that were taken since it was opened.
    pub(crate) frames: u64,
    /// Frames that were left out because there was no time for them.
    pub(crate) dropped: u64,
    /// Who is there now.
    pub(crate) present: Vec<Present>,
    /// Whether there is a preview.
    pub(crate) preview: bool,
    /// Whether strangers are kept in the gallery, with their numbers.
    pub(crate) remember: bool,
    /// Whether the best view of each visit is kept.
    pub(crate) pictures: bool,
    /// For how many days visits are kept.
    pub(crate) keep_days: f64,
    /// The watch list that faces are compared with; null for everybody.
    pub(crate) list: Option<String>,
    /// False positive identification rate.
    pub(crate) fpir: f64,
    /// Whether a picture of the moment is kept with each event in which somebody appears or is identified.
    pub(crate) snapshots: bool,
    /// For how many seconds events of the same kind about the same person are held back; 0 holds none back.
    pub(crate) cooldown: f64,
    /// Where its events are sent, without path and credentials; null for nowhere.
    pub(crate) webhook: Option<String>,
    /// The MQTT broker to which its events are published, without credentials; null for none.
    pub(crate) mqtt: Option<String>,
    /// Why events wait to be delivered; null if they do not.
    pub(crate) undelivered: Option<String>,
}

/// A camera to be watched.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewStream {
    /// What people call it.
    #[schema(example = "Front door")]
    pub(crate) name: String,
    /// Its address, with name and password if it asks for them: rtsp, rtsps, rtmp, rtmps, http, https, srt, udp, or a camera of
    /// the server such as /dev/video0. It is never told to anybody.
    #[schema(example = "rtsp://name:password@camera/stream")]
    pub(crate) url: String,
    /// Only people on this watch list.
    pub(crate) list: Option<String>,
    /// False positive identification rate; 0.01 unless it is set.
    pub(crate) fpir: Option<f64>,
    /// Whether there is a preview; false unless it is set.
    pub(crate) preview: Option<bool>,
    /// Whether strangers are kept in the gallery, with their numbers; false unless it is set.
    pub(crate) remember: Option<bool>,
    /// Whether the best view of each visit is kept; true unless it is set.
    pub(crate) pictures: Option<bool>,
    /// For how many days visits are kept; the setting visit_days unless it is set.
    pub(crate) keep_days: Option<f64>,
    /// Whether it is watched at once; true unless it is set.
    pub(crate) running: Option<bool>,
    /// Whether a picture of the moment is kept with each event in which somebody appears or is identified; false unless it is
    /// set. The last 1,000 are kept, for as many days as visits.
    pub(crate) snapshots: Option<bool>,
    /// After an event, those of the same kind about the same person are held back for so many seconds; 0 unless it is set.
    /// Visits are always told, and who is there is told as it is.
    pub(crate) cooldown: Option<f64>,
    /// Where its events are sent by HTTP POST; the setting webhook unless it is set, and nowhere if it is empty. Only host and
    /// port of it are ever told.
    pub(crate) webhook: Option<String>,
    /// The secret that signs them, of 16 characters or more; the server's unless it is set. It is never told to anybody.
    pub(crate) webhook_secret: Option<String>,
    /// The MQTT broker to which its events are published; the setting mqtt unless it is set, and none if it is empty. Its
    /// credentials are never told.
    #[schema(example = "mqtt://name:password@broker/prefix")]
    pub(crate) mqtt: Option<String>,
}

/// What of a stream is to be otherwise; what is left out stays.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StreamEdit {
    /// What people call it.
    pub(crate) name: Option<String>,
    /// Its address, with name and password.
    pub(crate) url: Option<String>,
    /// The watch list; null for everybody.
    #[serde(deserialize_with = "some")]
    #[schema(value_type = Option<String>)]
    pub(crate) list: Option<Option<String>>,
    /// False positive identification rate.
    pub(crate) fpir: Option<f64>,
    /// Whether there is a preview.
    pub(crate) preview: Option<bool>,
    /// Whether strangers are kept in the gallery.
    pub(crate) remember: Option<bool>,
    /// Whether the best view of each visit is kept.
    pub(crate) pictures: Option<bool>,
    /// For how many days visits are kept.
    pub(crate) keep_days: Option<f64>,
    /// Whether it is watched.
    pub(crate) running: Option<bool>,
    /// Whether a picture of the moment is kept with each event in which somebody appears or is identified.
    pub(crate) snapshots: Option<bool>,
    /// For how many seconds events of the same kind about the same person are held back.
    pub(crate) cooldown: Option<f64>,
    /// Where its events are sent; null for where the setting webhook says, empty for nowhere.
    #[serde(deserialize_with = "some")]
    #[schema(value_type = Option<String>)]
    pub(crate) webhook: Option<Option<String>>,
    /// The secret that signs them; null for the server's.
    #[serde(deserialize_with = "some")]
    #[schema(value_type = Option<String>)]
    pub(crate) webhook_secret: Option<Option<String>>,
    /// The MQTT broker; null for the one of the setting mqtt, empty for none.
    #[serde(deserialize_with = "some")]
    #[schema(value_type = Option<String>)]
    pub(crate) mqtt: Option<Option<String>>,
}

/// A field that is there, be it null.
fn some<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(from).map(Some)
}

/// Kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StreamEventKind {
    /// A face is there.
    Appeared,
    /// It is known who it is.
    Identified,
    /// It is somebody else than was said before, or the name was withdrawn.
    Changed,
    /// The face is gone.
    Left,
    /// A visit has ended.
    Visit,
}

impl StreamEventKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            StreamEventKind::Appeared => "appeared",
            StreamEventKind::Identified => "identified",
            StreamEventKind::Changed => "changed",
            StreamEventKind::Left => "left",
            StreamEventKind::Visit => "visit",
        }
    }
}

/// Who somebody was said to be.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Somebody {
    /// The person's name.
    pub(crate) person: Option<String>,
    /// The stranger's number.
    pub(crate) stranger: Option<u64>,
}

/// Something that happened before a camera.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct StreamEvent {
    /// What happened.
    pub(crate) event: StreamEventKind,
    /// When, in seconds since 1970.
    pub(crate) at: f64,
    /// When, in seconds since watching began.
    pub(crate) time: f64,
    /// The track.
    pub(crate) track: u64,
    /// The person's name, if it is known.
    pub(crate) person: Option<String>,
    /// The stranger's number, if there is one.
    pub(crate) stranger: Option<u64>,
    /// Left, top, width, height in pixels of the video.
    #[serde(rename = "box")]
    pub(crate) bbox: [f32; 4],
    /// The chance that a stranger would have been taken for anybody as clearly; null without a name.
    pub(crate) fpir: Option<f64>,
    /// Who it was said to be before, if that has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<Somebody>,
    /// Of a visit: when it began, in seconds since watching began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<f64>,
    /// Of a visit: for how many seconds the face was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seen: Option<f64>,
    /// The snapshot of the moment, if one is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "n34")]
    pub(crate) snapshot: Option<String>,
}

/// A picture of what a camera showed at one moment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct StreamSnapshot {
    /// Its id.
    #[schema(example = "n34")]
    pub(crate) id: String,
    /// When it was taken, in seconds since 1970.
    pub(crate) at: f64,
    /// With which event; null if somebody asked for it.
    pub(crate) event: Option<StreamEventKind>,
    /// The event's track.
    pub(crate) track: Option<u64>,
    /// The event's person.
    pub(crate) person: Option<String>,
    /// The event's stranger.
    pub(crate) stranger: Option<u64>,
    /// Where the face is: left, top, width, height in pixels of the video, of which the picture may be a smaller copy.
    #[serde(rename = "box")]
    pub(crate) bbox: Option<[f32; 4]>,
}

impl StreamEvent {
    pub(crate) fn new(event: &Event, at: f64) -> StreamEvent {
        let previous = event.previous.clone();
        StreamEvent {
            event: match event.event {
                EventKind::Appeared => StreamEventKind::Appeared,
                EventKind::Identified => StreamEventKind::Identified,
                EventKind::Changed => StreamEventKind::Changed,
                EventKind::Left => StreamEventKind::Left,
                _ => StreamEventKind::Visit,
            },
            at,
            time: event.time,
            track: event.track,
            person: event.who.person.clone(),
            stranger: event.who.stranger,
            bbox: event.bbox,
            fpir: event.fpir,
            previous: previous.map(|who| Somebody { person: who.person, stranger: who.stranger }),
            from: event.from,
            seen: event.seen,
            snapshot: None,
        }
    }
}

/// Somebody was before a camera, or is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct StreamVisit {
    /// Its id; of a visit that goes on it changes at its end.
    #[schema(example = "v12")]
    pub(crate) id: String,
    /// The person's name; null if nobody knows.
    pub(crate) person: Option<String>,
    /// The person.
    #[schema(example = "p1")]
    pub(crate) person_id: Option<String>,
    /// The stranger's number, if there is one.
    pub(crate) stranger: Option<u64>,
    /// When it began, in seconds since 1970.
    pub(crate) from: f64,
    /// When the person was last seen.
    pub(crate) until: f64,
    /// For how many seconds the face was seen.
    pub(crate) seen: f64,
    /// The chance that a stranger would have been taken for anybody as clearly; null without a name.
    pub(crate) fpir: Option<f64>,
    /// Whether it goes on.
    pub(crate) current: bool,
    /// Whether a picture is kept.
    pub(crate) picture: bool,
}

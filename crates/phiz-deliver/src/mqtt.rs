//! MQTT 3.1.1 with Home Assistant's discovery.
//!
//! A client of our own, of the few packets that a publisher needs: what is durable here is the outbox, so an event must count
//! as delivered exactly when the broker has acknowledged it (QoS 1), and the usual clients keep a queue of their own and do
//! not say which publication an acknowledgement belongs to.
//!
//! Topics, below the prefix (`phiz` unless the address names another) and a stream's [`slug`]:
//!
//! | topic | holds |
//! |---|---|
//! | `phiz/front_door/event` | each event, as JSON |
//! | `phiz/front_door/visit` | the last visit, as JSON; retained |
//! | `phiz/front_door/people` | the known people who are there, with commas, or `nobody`; retained |
//! | `phiz/front_door/count` | how many faces are there, known or not; retained |
//! | `phiz/front_door/person/ada` | `ON` while the person is there, else `OFF`; retained |
//! | `phiz/available/CLIENT` | `online`, or `offline` once the connection is gone; retained |
//!
//! An event whose field `held` is true changes who is there, and is not published as an event. What the broker retains of a
//! stream that is no more is taken back by [`Mqtt::retract`].

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::deliverer::{Failed, Target};
use crate::{DeliverError, Result, key_of, shown, tls};

/// How long the broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Seconds without a packet after which the broker counts us as gone, times 1.5.
const KEEP_ALIVE: u16 = 30;
/// Longest packet that the broker may send: we have subscribed to nothing, so that all answers are short; and while we have.
const SHORT: usize = 1024;
const LONG: usize = 1 << 20;
/// How often the broker is asked what it retains, until it says nothing more.
const ROUNDS: usize = 5;
/// Where Home Assistant looks for devices.
const DISCOVERY: &str = "homeassistant";

/// A stream whose events are published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// What it is called in events: their field `source`.
    pub source: String,
    /// Its part of topics.
    pub slug: String,
    /// What people call it.
    pub name: String,
}

/// A text as a part of a topic: letters, digits and underscores.
#[must_use]
pub fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
    }
    let out = out.trim_end_matches('_');
    if out.is_empty() { "x".into() } else { out.chars().take(60).collect() }
}

/// A broker.
pub struct Mqtt {
    url: String,
    place: Place,
    streams: Vec<Stream>,
    client: String,
    connection: Option<Connection>,
    /// Who is there: by stream and track, the person's name if it is known.
    present: BTreeMap<(String, u64), Option<String>>,
    /// People whom Home Assistant was told of, by stream.
    announced: BTreeSet<(String, String)>,
}

impl std::fmt::Debug for Mqtt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mqtt").field("url", &shown(&self.url)).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    secure: bool,
    host: String,
    port: u16,
    user: Option<(String, String)>,
    prefix: String,
}

/// `%2F` and the like as the characters that they stand for.
fn unescaped(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn place(url: &str) -> Result<Place> {
    let wrong = |reason: &str| DeliverError::Address { what: shown(url), reason: reason.into() };
    let (secure, rest) = match url.split_once("://") {
        Some(("mqtt", rest)) => (false, rest),
        Some(("mqtts", rest)) => (true, rest),
        _ => return Err(wrong("is no mqtt:// or mqtts:// address")),
    };
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            (Some((unescaped(name), unescaped(password))), rest)
        }
        None => (None, rest),
    };
    let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let usual = if secure { 8883 } else { 1883 };
    let (host, port) = match host.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((host, port)) => (host, port.parse().map_err(|_| wrong("has a port that is no number"))?),
        None => (host, usual),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(wrong("names no host"));
    }
    let prefix = prefix.trim_matches('/');
    if prefix.contains(['+', '#', '\0']) {
        return Err(wrong("has a prefix with +, # or a zero, which no topic may hold"));
    }
    let prefix = if prefix.is_empty() { "phiz" } else { prefix };
    Ok(Place { secure, host: host.into(), port, user, prefix: prefix.into() })
}

impl Mqtt {
    /// A broker at `mqtt://USER:PASSWORD@HOST:PORT/PREFIX` (or `mqtts://`), of which all but the host may be missing.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(url: &str, streams: Vec<Stream>) -> Result<Mqtt> {
        let place = place(url)?;
        // The same at each start, so that a broker takes over an old connection that it has not noticed to be dead.
        let client = match streams.first() {
            Some(first) => format!("phiz-{}", first.slug),
            None => "phiz".into(),
        };
        Ok(Mqtt {
            url: url.into(),
            place,
            streams,
            client,
            connection: None,
            present: BTreeMap::new(),
            announced: BTreeSet::new(),
        })
    }

    fn available(&self) -> String {
        format!("{}/available/{}", self.place.prefix, self.client)
    }

    fn topic(&self, stream: &str, rest: &str) -> String {
        format!("{}/{stream}/{rest}", self.place.prefix)
    }

    /// Connects if that has not been done, and tells Home Assistant what there is.
    fn reach(&mut self) -> std::io::Result<()> {
        if self.connection.is_some() {
            return Ok(());
        }
        self.connection = Some(Connection::open(&self.place, &self.client, Some(&self.available()))?);
        self.announced.clear();
        let available = self.available();
        self.publish(&available, "online", true)?;
        for stream in self.streams.clone() {
            for (what, title, icon) in
                [("people", "People", "mdi:account-group"), ("count", "Faces", "mdi:face-recognition")]
            {
                let mut config = self.described(&stream, what, title);
                config["icon"] = icon.into();
                if what == "people" {
                    config["json_attributes_topic"] = self.topic(&stream.slug, "visit").into();
                } else {
                    config["state_class"] = "measurement".into();
                }
                let topic = format!("{DISCOVERY}/sensor/{}_{}/{what}/config", self.client, stream.slug);
                self.publish(&topic, &config.to_string(), true)?;
            }
            self.state(&stream.slug)?;
        }
        Ok(())
    }

    /// Takes back what the broker retains of the streams, so that Home Assistant forgets their devices; says how many topics
    /// were cleared. Whoever published for them must have ended before.
    ///
    /// # Errors
    /// The broker cannot be reached, or does not acknowledge.
    pub fn retract(&self) -> std::io::Result<usize> {
        // A client of its own name: somebody who publishes for a new stream of this name keeps the connection.
        let mut connection = Connection::open(&self.place, &format!("{}-end", self.client), None)?;
        let mut filters = vec![self.available()];
        // What is known to be there, for brokers that let nobody ask.
        let mut topics = BTreeSet::from([self.available()]);
        for stream in &self.streams {
            let device = format!("{}_{}", self.client, stream.slug);
            filters.push(format!("{DISCOVERY}/+/{device}/+/config"));
            filters.push(self.topic(&stream.slug, "#"));
            for sensor in ["people", "count"] {
                topics.insert(format!("{DISCOVERY}/sensor/{device}/{sensor}/config"));
            }
            topics.extend(["people", "count", "visit"].map(|what| self.topic(&stream.slug, what)));
        }
        let mut cleared = BTreeSet::new();
        for _ in 0..ROUNDS {
            topics.extend(connection.retained(&filters)?);
            if topics.is_empty() {
                break;
            }
            for topic in std::mem::take(&mut topics) {
                connection.publish(&topic, b"", true)?;
                cleared.insert(topic);
            }
        }
        _ = connection.write(&[0xe0, 0]);
        Ok(cleared.len())
    }

    /// What Home Assistant is told of a sensor.
    fn described(&self, stream: &Stream, topic: &str, title: &str) -> Value {
        let id = format!("{}_{}", self.client, stream.slug);
        json!({
            "name": title,
            "unique_id": format!("{id}_{}", slug(topic)),
            "state_topic": self.topic(&stream.slug, topic),
            "availability_topic": self.available(),
            "device": { "identifiers": [id], "name": stream.name, "manufacturer": "Phiz", "model": "phiz watch",
                "sw_version": env!("CARGO_PKG_VERSION") },
        })
    }

    /// Publishes who is there.
    fn state(&mut self, stream: &str) -> std::io::Result<()> {
        let here: Vec<&Option<String>> =
            self.present.iter().filter(|((of, _), _)| of == stream).map(|(_, person)| person).collect();
        let count = here.len().to_string();
        let people: BTreeSet<String> = here.into_iter().flatten().cloned().collect();
        let names: Vec<&str> = people.iter().map(String::as_str).collect();
        let names = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        self.publish(&self.topic(stream, "people"), &names, true)?;
        self.publish(&self.topic(stream, "count"), &count, true)?;
        let known: Vec<String> =
            self.announced.iter().filter(|(of, _)| of == stream).map(|(_, person)| person.clone()).collect();
        for person in known {
            let value = if people.contains(&person) { "ON" } else { "OFF" };
            self.publish(&self.topic(stream, &format!("person/{}", slug(&person))), value, true)?;
        }
        Ok(())
    }

    /// Tells Home Assistant of a person, once.
    fn announce(&mut self, stream: &Stream, person: &str) -> std::io::Result<()> {
        if !self.announced.insert((stream.slug.clone(), person.to_owned())) {
            return Ok(());
        }
        let mut config = self.described(stream, &format!("person/{}", slug(person)), person);
        config["device_class"] = "occupancy".into();
        let id = format!("{}_{}", self.client, stream.slug);
        let topic = format!("{DISCOVERY}/binary_sensor/{id}/{}/config", slug(person));
        self.publish(&topic, &config.to_string(), true)
    }

    fn publish(&mut self, topic: &str, text: &str, retained: bool) -> std::io::Result<()> {
        let Some(connection) = &mut self.connection else {
            return Err(std::io::Error::from(std::io::ErrorKind::NotConnected));
        };
        connection.publish(topic, text.as_bytes(), retained)
    }

    fn event(&mut self, body: &str) -> std::io::Result<()> {
        self.reach()?;
        let value: Value = serde_json::from_str(body).unwrap_or_default();
        let source = value["source"].as_str().unwrap_or_default();
        let stream = self.streams.iter().find(|stream| stream.source == source).cloned();
        let stream = stream.unwrap_or_else(|| Stream {
            source: source.into(),
            slug: slug(source),
            name: source.into(),
        });
        let track = (stream.slug.clone(), value["track"].as_u64().unwrap_or(0));
        let person = value["person"].as_str().map(str::to_owned);
        match value["event"].as_str() {
            Some("appeared" | "identified" | "changed") => {
                _ = self.present.insert(track, person.clone());
            }
            Some("left") => _ = self.present.remove(&track),
            _ => {}
        }
        if let Some(person) = &person {
            self.announce(&stream, person)?;
        }
        if value["event"] == "visit" {
            self.publish(&self.topic(&stream.slug, "visit"), body, true)?;
        } else {
            self.state(&stream.slug)?;
        }
        if value["held"] == true {
            return Ok(());
        }
        // Last, so that the event is repeated if anything before it was lost.
        self.publish(&self.topic(&stream.slug, "event"), body, false)
    }

    fn failed(&mut self, error: &std::io::Error) -> Failed {
        self.connection = None;
        Failed::Later(error.to_string())
    }
}

impl Target for Mqtt {
    fn key(&self) -> String {
        key_of("mqtt", &self.url)
    }

    fn name(&self) -> String {
        shown(&self.url)
    }

    fn deliver(&mut self, _: &str, _: f64, body: &str) -> std::result::Result<(), Failed> {
        self.event(body).map_err(|error| self.failed(&error))
    }

    fn idle(&mut self) -> std::result::Result<(), Failed> {
        let kept = self.reach().and_then(|()| match &mut self.connection {
            Some(connection) => connection.keep_alive(),
            None => Ok(()),
        });
        kept.map_err(|error| self.failed(&error))
    }

    fn close(&mut self) {
        if self.connection.is_some() {
            let available = self.available();
            _ = self.publish(&available, "offline", true);
        }
        if let Some(connection) = &mut self.connection {
            _ = connection.write(&[0xe0, 0]);
        }
        self.connection = None;
    }
}

trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

/// A connection to a broker that has said yes.
struct Connection {
    wire: Box<dyn Wire>,
    next: u16,
    last: Instant,
    /// Longest packet that the broker may send.
    most: usize,
}

fn bad(reason: impl Into<String>) -> std::io::Error {
    std::io::Error::other(reason.into())
}

fn text(out: &mut Vec<u8>, text: &[u8]) -> std::io::Result<()> {
    let length = u16::try_from(text.len()).map_err(|_| bad("a text is longer than 65,535 bytes"))?;
    out.extend(length.to_be_bytes());
    out.extend(text);
    Ok(())
}

/// A packet of a kind with its length before it.
fn packet(kind: u8, body: &[u8]) -> std::io::Result<Vec<u8>> {
    if body.len() >= 1 << 28 {
        return Err(bad("a packet is longer than MQTT allows"));
    }
    let mut out = vec![kind];
    let mut length = body.len();
    loop {
        let byte = (length % 128) as u8;
        length /= 128;
        out.push(if length > 0 { byte | 0x80 } else { byte });
        if length == 0 {
            break;
        }
    }
    out.extend(body);
    Ok(out)
}

impl Connection {
    /// Connects; `will` is the topic that says `offline` when the connection breaks.
    fn open(place: &Place, client: &str, will: Option<&str>) -> std::io::Result<Connection> {
        let mut failed = bad("the host has no address");
        let mut socket = None;
        for address in (place.host.as_str(), place.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(connected) => {
                    socket = Some(connected);
                    break;
                }
                Err(error) => failed = error,
            }
        }
        let socket = socket.ok_or(failed)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let wire: Box<dyn Wire> = if place.secure {
            let config = tls::config().map_err(|error| bad(error.to_string()))?;
            let name = rustls::pki_types::ServerName::try_from(place.host.clone())
                .map_err(|error| bad(error.to_string()))?;
            let session =
                rustls::ClientConnection::new(config, name).map_err(|error| bad(error.to_string()))?;
            Box::new(rustls::StreamOwned::new(session, socket))
        } else {
            Box::new(socket)
        };
        let mut connection = Connection { wire, next: 1, last: Instant::now(), most: SHORT };
        let mut body = Vec::new();
        text(&mut body, b"MQTT")?;
        // Level 4; a clean session; a will of QoS 1 that is retained; name and password, if there are any.
        let flags = 0b0000_0010
            | if will.is_some() { 0b0010_1100 } else { 0 }
            | if place.user.is_some() { 0b1100_0000 } else { 0 };
        body.extend([4, flags]);
        body.extend(KEEP_ALIVE.to_be_bytes());
        text(&mut body, client.as_bytes())?;
        if let Some(will) = will {
            text(&mut body, will.as_bytes())?;
            text(&mut body, b"offline")?;
        }
        if let Some((user, password)) = &place.user {
            text(&mut body, user.as_bytes())?;
            text(&mut body, password.as_bytes())?;
        }
        connection.write(&packet(0x10, &body)?)?;
        let (kind, body) = connection.read()?;
        match (kind >> 4, body.get(1)) {
            (2, Some(0)) => Ok(connection),
            (2, Some(4 | 5)) => Err(bad("the broker does not accept the name and password")),
            (2, Some(3)) => Err(bad("the broker is not available")),
            (2, Some(code)) => Err(bad(format!("the broker refuses the connection (code {code})"))),
            _ => Err(bad("what answers is no MQTT broker")),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.last = Instant::now();
        self.wire.write_all(bytes)?;
        self.wire.flush()
    }

    /// The next packet: its first byte and what follows the length.
    fn read(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let mut byte = [0];
        self.wire.read_exact(&mut byte)?;
        let kind = byte[0];
        let (mut length, mut shift) = (0usize, 0);
        loop {
            self.wire.read_exact(&mut byte)?;
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 {
                break;
            }
            if shift > 21 {
                return Err(bad("the broker sends a packet without a length"));
            }
        }
        if length > self.most {
            return Err(bad("the broker sends what nobody asked for"));
        }
        let mut body = vec![0; length];
        self.wire.read_exact(&mut body)?;
        Ok((kind, body))
    }

    fn id(&mut self) -> u16 {
        let id = self.next;
        self.next = self.next.checked_add(1).unwrap_or(1);
        id
    }

    /// The topics below these filters of which the broker retains something. A filter that it does not grant finds nothing.
    fn retained(&mut self, filters: &[String]) -> std::io::Result<BTreeSet<String>> {
        self.most = LONG;
        let mut body = self.id().to_be_bytes().to_vec();
        for filter in filters {
            text(&mut body, filter.as_bytes())?;
            body.push(0);
        }
        self.write(&packet(0x82, &body)?)?;
        // Brokers send what they retain at once: what answers this comes after it. What comes later is found in the next round.
        self.write(&[0xc0, 0])?;
        let (mut topics, begun) = (BTreeSet::new(), Instant::now());
        while begun.elapsed() < PATIENCE {
            let (kind, body) = self.read()?;
            match kind >> 4 {
                3 if kind & 1 == 1 => {
                    let length =
                        body.first_chunk().map_or(0, |bytes| usize::from(u16::from_be_bytes(*bytes)));
                    let topic = body.get(2..2 + length).and_then(|bytes| std::str::from_utf8(bytes).ok());
                    let holds = body.len() > 2 + length;
                    topics.extend(topic.filter(|_| holds).map(str::to_owned));
                }
                13 => return Ok(topics),
                _ => {}
            }
        }
        Err(bad("the broker does not say what it retains"))
    }

    /// Publishes, and waits for the acknowledgement of exactly this.
    fn publish(&mut self, topic: &str, payload: &[u8], retained: bool) -> std::io::Result<()> {
        let id = self.id();
        let mut body = Vec::new();
        text(&mut body, topic.as_bytes())?;
        body.extend(id.to_be_bytes());
        body.extend(payload);
        self.write(&packet(0x32 | u8::from(retained), &body)?)?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let (kind, body) = self.read()?;
            if kind >> 4 == 4 && body.get(..2) == Some(&id.to_be_bytes()[..]) {
                return Ok(());
            }
        }
        Err(bad("the broker does not acknowledge"))
    }

    /// Says that we are there, if nothing was said for a while.
    fn keep_alive(&mut self) -> std::io::Result<()> {
        if self.last.elapsed() < Duration::from_secs(u64::from(KEEP_ALIVE) / 2) {
            return Ok(());
        }
        self.write(&[0xc0, 0])?;
        loop {
            let (kind, _) = self.read()?;
            if kind >> 4 == 13 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let place = |url| place(url).unwrap();
        assert_eq!(
            place("mqtt://ana:p%40ss@broker:1884/house/phiz/"),
            Place {
                secure: false,
                host: "broker".into(),
                port: 1884,
                user: Some(("ana".into(), "p@ss".into())),
                prefix: "house/phiz".into()
            }
        );
        let plain = place("mqtts://[::1]");
        assert_eq!((plain.host.as_str(), plain.port, plain.prefix.as_str()), ("::1", 8883, "phiz"));
        for wrong in ["http://a", "mqtt://", "mqtt://a:b", "mqtt://a/x/#", "broker"] {
            assert!(super::place(wrong).is_err(), "{wrong}");
        }
        assert!(!format!("{:?}", Mqtt::new("mqtt://ana:s3cret@b", vec![]).unwrap()).contains("s3cret"));
    }

    #[test]
    fn slugs_are_parts_of_topics() {
        for (text, wanted) in [
            ("Front door", "front_door"),
            ("rtsp://camera:554/live/1", "rtsp_camera_554_live_1"),
            ("Zoë Müller+#/", "zoë_müller"),
            ("//", "x"),
        ] {
            assert_eq!(slug(text), wanted);
        }
    }

    #[test]
    fn lengths_have_seven_bits_a_byte() {
        for (length, head) in [
            (0, vec![0x30, 0]),
            (127, vec![0x30, 127]),
            (128, vec![0x30, 0x80, 1]),
            (321, vec![0x30, 0xc1, 2]),
        ] {
            let bytes = packet(0x30, &vec![0; length]).unwrap();
            assert_eq!(&bytes[..head.len()], head, "{length}");
            assert_eq!(bytes.len(), head.len() + length);
        }
    }
}

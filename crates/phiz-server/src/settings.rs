//! Settings: one table from which the file, the environment, `phiz config show` and the reference file follow.
//!
//! A value comes from the first of: `--set NAME=VALUE` (or a flag of its own), the environment variable, the file, the
//! default. Each value remembers where it came from.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// The file's name in the home folder.
pub const FILE: &str = "phiz.toml";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "from", content = "where")]
pub enum Source {
    /// Nobody said anything else.
    Default,
    /// The file.
    File(PathBuf),
    /// This environment variable.
    Environment(String),
    /// An argument of the command.
    Argument,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File(path) => write!(f, "{}", path.display()),
            Source::Environment(name) => f.write_str(name),
            Source::Argument => f.write_str("argument"),
        }
    }
}

/// A setting that cannot be understood: which, why, what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct SettingError {
    /// The setting and where it stands.
    pub place: String,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub hint: String,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in the file and for `--set`.
    pub name: &'static str,
    /// Its value if nobody says anything else, as text.
    pub default: &'static str,
    /// What it means.
    pub help: &'static str,
    set: fn(&mut Settings, &str) -> Result<(), String>,
}

impl Setting {
    /// The environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("PHIZ_{}", self.name.to_ascii_uppercase())
    }
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// An object per line.
    Json,
}

/// All settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Names by which the server may be called.
    pub hosts: Vec<String>,
    /// Origins whose pages may call.
    pub cors_origins: Vec<String>,
    /// The certificate.
    pub tls_certificate: Option<PathBuf>,
    /// Its key.
    pub tls_key: Option<PathBuf>,
    /// Whether a certificate is made if there is none.
    pub tls_self_signed: bool,
    /// Threads that compute; 0 for one per processor.
    pub workers: usize,
    /// Photos that may wait.
    pub queue: usize,
    /// Requests whose faces are described together at most.
    pub batch: usize,
    /// Connections at a time.
    pub connections: usize,
    /// Connections of one address at a time.
    pub connections_per_address: usize,
    /// Most bytes of a body, in millions.
    pub max_body_mb: u64,
    /// Bytes of bodies in memory at a time, in millions.
    pub memory_mb: u64,
    /// Most pixels of a photo, in millions.
    pub max_megapixels: u64,
    /// Most faces of a photo.
    pub max_faces: usize,
    /// Most photos of one request.
    pub max_photos: usize,
    /// Seconds for the headers of a request.
    pub header_seconds: u64,
    /// Seconds for a body.
    pub body_seconds: u64,
    /// Seconds for the work of a request.
    pub work_seconds: u64,
    /// Seconds for requests in work when the server is stopped.
    pub stop_seconds: u64,
    /// Requests of a key or address in a second.
    pub requests_per_second: f64,
    /// Wrong passphrases and keys of an address in a minute.
    pub attempts_per_minute: f64,
    /// Days for which the audit is kept.
    pub audit_days: u32,
    /// Cameras that are watched at most.
    pub streams: usize,
    /// Days for which visits to cameras are kept.
    pub visit_days: f64,
    /// Where events of streams are sent.
    pub webhook: Option<String>,
    /// The file with the secret that signs them.
    pub webhook_secret: Option<PathBuf>,
    /// The MQTT broker to which events of streams are published.
    pub mqtt: Option<String>,
    /// Folders of photos that may be scanned over HTTP.
    pub scan_folders: Vec<PathBuf>,
    /// Days for which photos that were sent to be kept stay.
    pub keep_days: u32,
    /// What is logged.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
    sources: BTreeMap<&'static str, (String, Source)>,
}

fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
    text: &str,
    least: T,
    most: T,
) -> Result<T, String> {
    text.trim()
        .parse()
        .ok()
        .filter(|n| *n >= least && *n <= most)
        .ok_or_else(|| format!("is {text:?}, not a number from {least} to {most}"))
}

fn flag(text: &str) -> Result<bool, String> {
    match text.trim() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("is {text:?}, neither true nor false")),
    }
}

fn names(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_ascii_lowercase).collect()
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

/// An address that may hold secrets: what is wrong with it is told without them.
fn address(text: &str, check: impl Fn(&str) -> phiz_deliver::Result<()>) -> Result<Option<String>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    match check(text) {
        Ok(()) => Ok(Some(text.into())),
        Err(phiz_deliver::DeliverError::Address { reason, .. }) => Err(reason),
        Err(error) => Err(error.to_string()),
    }
}

macro_rules! table {
    ($($name:ident = $default:literal, $help:literal, |$s:ident, $text:ident| $set:expr;)*) => {
        /// All settings, in the order of the reference file.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            name: stringify!($name),
            default: $default,
            help: $help,
            set: |$s, $text| { $s.$name = $set; Ok(()) },
        }),*];
    };
}

table! {
    listen = "127.0.0.1:7449", "Address and port. 0.0.0.0 listens to the whole network, once a passphrase or a key exists.",
        |s, text| text.trim().parse().map_err(|_| format!("is {text:?}, not an address with a port, such as 127.0.0.1:7449"))?;
    hosts = "", "Names by which the server may be called, beside localhost and IP addresses, with commas; * for any. Requests \
        for other names are refused, because a page of another site could have sent them.",
        |s, text| names(text);
    cors_origins = "", "Origins whose pages may call the API with a key, such as https://app.example, with commas. Empty: none.",
        |s, text| names(text);
    tls_certificate = "", "File with the certificate and its chain (PEM). With it, the server speaks HTTPS only.",
        |s, text| path(text);
    tls_key = "", "File with the certificate's private key (PEM).",
        |s, text| path(text);
    tls_self_signed = "false", "Make a certificate if none is named. Browsers warn of it until it is trusted by hand.",
        |s, text| flag(text)?;
    workers = "0", "Threads that compute. 0: one per processor.",
        |s, text| number(text, 0, 1024)?;
    queue = "64", "Photos that may wait for these threads. What comes when all places are taken is refused with 503.",
        |s, text| number(text, 1, 100_000)?;
    batch = "4", "Requests whose faces a thread describes together at most, if so many wait. 1: each by itself.",
        |s, text| number(text, 1, 64)?;
    connections = "1024", "Connections at a time.",
        |s, text| number(text, 1, 100_000)?;
    connections_per_address = "256", "Connections of one address at a time.",
        |s, text| number(text, 1, 100_000)?;
    max_body_mb = "32", "Largest body of a request, in millions of bytes.",
        |s, text| number(text, 1, 4000)?;
    memory_mb = "256", "Bodies of all requests together that are held in memory, in millions of bytes.",
        |s, text| number(text, 8, 100_000)?;
    max_megapixels = "50", "Largest photo, in millions of pixels.",
        |s, text| number(text, 1, 4000)?;
    max_faces = "500", "Most faces in a photo. A photo with more is refused.",
        |s, text| number(text, 1, 100_000)?;
    max_photos = "64", "Most photos in one request.",
        |s, text| number(text, 1, 10_000)?;
    header_seconds = "10", "Time for the headers of a request, in seconds.",
        |s, text| number(text, 1, 600)?;
    body_seconds = "60", "Time for the body of a request, in seconds.",
        |s, text| number(text, 1, 3600)?;
    work_seconds = "120", "Time for the work of a request, in seconds.",
        |s, text| number(text, 1, 3600)?;
    stop_seconds = "30", "Time for requests that are being worked on when the server is stopped, in seconds.",
        |s, text| number(text, 0, 3600)?;
    requests_per_second = "1000", "Requests of one key, or without a key of one address, in a second. Twice as many may come at once.",
        |s, text| number(text, 0.1, 1e6)?;
    attempts_per_minute = "10", "Wrong passphrases and keys of one address in a minute.",
        |s, text| number(text, 0.1, 1e6)?;
    audit_days = "365", "Days for which it is kept who did what.",
        |s, text| number(text, 1, 36_500)?;
    streams = "16", "Most cameras. Each takes a thread, and most of a core while faces are there.",
        |s, text| number(text, 0, 1000)?;
    visit_days = "30", "Days for which it is kept who was before a camera, unless the camera is set otherwise.",
        |s, text| number(text, 0.0, 36_500.0)?;
    webhook = "", "Address to which the events of all cameras are sent by HTTP POST, signed, unless a camera has its own. Empty: none.",
        |s, text| address(text, |text| phiz_deliver::Webhook::new(text, Vec::new()).map(|_| ()))?;
    webhook_secret = "", "File with the secret that signs webhooks. Empty: webhook.secret in the home folder, made if there is none.",
        |s, text| path(text);
    mqtt = "", "MQTT broker to which the events of all cameras are published, for Home Assistant to discover, unless a camera has \
        its own: mqtt://USER:PASSWORD@HOST/PREFIX. Empty: none.",
        |s, text| address(text, |text| phiz_deliver::Mqtt::new(text, Vec::new()).map(|_| ()))?;
    scan_folders = "", "Folders of photos that may be scanned over HTTP with a key of scope admin, with commas. Empty: none.",
        |s, text| {
            let folders = text.split(',').map(str::trim).filter(|folder| !folder.is_empty()).map(PathBuf::from);
            let folders: Vec<PathBuf> = folders.collect();
            match folders.iter().find(|folder| !folder.is_absolute()) {
                Some(folder) => return Err(format!("names {}, which is no absolute path", folder.display())),
                None => folders,
            }
        };
    keep_days = "90", "Days after which what was seen in photos that were sent to be kept (identify?keep=true) is forgotten. 0: never.",
        |s, text| number(text, 0, 36_500)?;
    log = "info", "What is logged: error, warn, info, debug, or a filter such as phiz_server=debug,info.",
        |s, text| text.trim().to_owned();
    log_format = "text", "text for people, json for programs.",
        |s, text| match text.trim() {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => return Err(format!("is {text:?}, neither text nor json")),
        };
}

impl Default for Settings {
    fn default() -> Settings {
        let mut settings = Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 7449)),
            hosts: Vec::new(),
            cors_origins: Vec::new(),
            tls_certificate: None,
            tls_key: None,
            tls_self_signed: false,
            workers: 0,
            queue: 0,
            batch: 0,
            connections: 0,
            connections_per_address: 0,
            max_body_mb: 0,
            memory_mb: 0,
            max_megapixels: 0,
            max_faces: 0,
            max_photos: 0,
            header_seconds: 0,
            body_seconds: 0,
            work_seconds: 0,
            stop_seconds: 0,
            requests_per_second: 0.0,
            attempts_per_minute: 0.0,
            audit_days: 0,
            streams: 0,
            visit_days: 0.0,
            webhook: None,
            webhook_secret: None,
            mqtt: None,
            scan_folders: Vec::new(),
            keep_days: 0,
            log: String::new(),
            log_format: LogFormat::Text,
            sources: BTreeMap::new(),
        };
        for setting in SETTINGS {
            // That each default is a value is tested.
            _ = (setting.set)(&mut settings, setting.default);
            settings.sources.insert(setting.name, (setting.default.into(), Source::Default));
        }
        settings
    }
}

impl Settings {
    /// Reads the file if there is one, the environment and the arguments.
    ///
    /// # Errors
    /// A setting that does not exist, or whose value is none; a file that cannot be read.
    pub fn read(
        file: &Path,
        must_exist: bool,
        variable: impl Fn(&str) -> Option<String>,
        arguments: &[(String, String)],
    ) -> Result<Settings, SettingError> {
        let mut settings = Settings::default();
        let place = file.display().to_string();
        match std::fs::read_to_string(file) {
            Ok(text) => {
                for (name, value) in values(&text).map_err(|reason| SettingError {
                    place: place.clone(),
                    reason,
                    hint: "docs/reference/phiz.toml shows every setting with its meaning".into(),
                })? {
                    settings.put(&name, &value, Source::File(file.into()), &place)?;
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !must_exist => {}
            Err(e) => {
                let reason = format!("cannot be read ({e})");
                return Err(SettingError {
                    place,
                    reason,
                    hint: "check that the file exists and may be read".into(),
                });
            }
        }
        for setting in SETTINGS {
            let name = setting.variable();
            if let Some(value) = variable(&name) {
                settings.put(setting.name, &value, Source::Environment(name.clone()), &name)?;
            }
        }
        for (name, value) in arguments {
            settings.put(name, value, Source::Argument, "argument")?;
        }
        if settings.tls_certificate.is_some() != settings.tls_key.is_some() {
            return Err(SettingError {
                place: "tls_certificate, tls_key".into(),
                reason: "one of the two is missing".into(),
                hint: "name both files, or neither".into(),
            });
        }
        Ok(settings)
    }

    fn put(&mut self, name: &str, value: &str, source: Source, place: &str) -> Result<(), SettingError> {
        let Some(setting) = SETTINGS.iter().find(|s| s.name == name) else {
            return Err(SettingError {
                place: format!("{place}: {name}"),
                reason: "is no setting".into(),
                hint: "`phiz config show` lists all settings".into(),
            });
        };
        (setting.set)(self, value).map_err(|reason| SettingError {
            place: format!("{place}: {name}"),
            reason,
            hint: setting.help.into(),
        })?;
        // Whoever looks at the settings need not see what an address holds beside its host.
        let told = match setting.name {
            "webhook" => phiz_deliver::origin(value.trim()),
            "mqtt" => phiz_deliver::shown(value.trim()),
            _ => value.into(),
        };
        self.sources.insert(setting.name, (told, source));
        Ok(())
    }

    /// A setting's value as text, and where it came from.
    #[must_use]
    pub fn value(&self, setting: &Setting) -> (&str, &Source) {
        self.sources
            .get(setting.name)
            .map_or((setting.default, &Source::Default), |(value, source)| (value, source))
    }

    /// Threads that compute.
    #[must_use]
    pub fn worker_threads(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        }
    }
}

/// The values of a file as text; lists with commas.
fn values(text: &str) -> Result<Vec<(String, String)>, String> {
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
    let one = |value: &toml::Value| match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    };
    let mut all = Vec::new();
    for (name, value) in &table {
        let text = match value {
            toml::Value::Array(items) => {
                items.iter().map(one).collect::<Option<Vec<_>>>().map(|v| v.join(","))
            }
            value => one(value),
        };
        all.push((
            name.clone(),
            text.ok_or_else(|| format!("{name}: is neither a text, a number, a flag nor a list"))?,
        ));
    }
    Ok(all)
}

/// The reference file: every setting with its meaning and default, in comments.
#[must_use]
pub fn reference() -> String {
    let mut out = String::from(
        "# Settings of `phiz serve`, with their defaults. Copy what you want to change to phiz.toml in the home folder.\n\
         # Each can also be set by the environment variable PHIZ_NAME or by --set NAME=VALUE; `phiz config show` says where\n\
         # each value came from.\n",
    );
    let plain: BTreeSet<&str> = ["true", "false"].into();
    for setting in SETTINGS {
        let value = match setting.default {
            text if plain.contains(text) || text.parse::<f64>().is_ok() => text.to_owned(),
            text => format!("{text:?}"),
        };
        out.push_str(&format!("\n# {}\n# {} = {value}\n", setting.help, setting.name));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        file: &str,
        variables: &[(&str, &str)],
        arguments: &[(&str, &str)],
    ) -> Result<Settings, SettingError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, file).unwrap();
        let of = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let arguments: Vec<_> = arguments.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Settings::read(&path, true, of, &arguments)
    }

    #[test]
    fn every_default_is_a_value() {
        let mut settings = Settings::default();
        for setting in SETTINGS {
            (setting.set)(&mut settings, setting.default).unwrap_or_else(|e| panic!("{}: {e}", setting.name));
        }
    }

    #[test]
    fn arguments_come_before_the_environment_and_that_before_the_file() {
        let file = "queue = 5\nworkers = 3\nhosts = [\"Phiz.lan\", \"b\"]\nlog = \"debug\"\n";
        let settings = read(file, &[("PHIZ_QUEUE", "6"), ("PHIZ_LOG", "warn")], &[("queue", "7")]).unwrap();
        assert_eq!((settings.queue, settings.workers, settings.log.as_str()), (7, 3, "warn"));
        assert_eq!(settings.hosts, ["phiz.lan", "b"]);
        let source = |name| settings.value(SETTINGS.iter().find(|s| s.name == name).unwrap()).1.clone();
        assert_eq!(source("queue"), Source::Argument);
        assert_eq!(source("log"), Source::Environment("PHIZ_LOG".into()));
        assert!(matches!(source("workers"), Source::File(_)));
        assert_eq!(source("max_faces"), Source::Default);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (file, arguments, part) in [
            ("queu = 5", vec![], "queu"),
            ("queue = 0", vec![], "queue"),
            ("queue = [[1]]", vec![], "queue"),
            ("queue =", vec![], "phiz.toml"),
            ("", vec![("listen", "everywhere")], "listen"),
            ("", vec![("tls_key", "a.pem")], "tls_certificate"),
            ("", vec![("log_format", "xml")], "log_format"),
            ("mqtt = \"http://ana:pw@x\"", vec![], "mqtt"),
        ] {
            let error = read(file, &[], &arguments).unwrap_err();
            assert!(error.to_string().contains(part) && !error.hint.is_empty(), "{error}");
        }
    }

    #[test]
    fn addresses_are_used_as_they_are_and_shown_without_their_secrets() {
        let variables = [("PHIZ_WEBHOOK", "https://u:s3cret@ha:8123/api/webhook/s3cret?x=s3cret")];
        let settings = read("mqtt = \"mqtt://ana:s3cret@broker/house\"\n", &variables, &[]).unwrap();
        assert_eq!(settings.webhook.as_deref(), Some(variables[0].1));
        let shown = |name| settings.value(SETTINGS.iter().find(|s| s.name == name).unwrap()).0;
        assert_eq!((shown("webhook"), shown("mqtt")), ("https://ha:8123", "mqtt://broker/house"));
        let error = read("", &[("PHIZ_MQTT", "http://ana:s3cret@x")], &[]).unwrap_err();
        assert!(!error.to_string().contains("s3cret") && error.to_string().contains("PHIZ_MQTT"), "{error}");
    }

    #[test]
    fn the_reference_file_names_each_setting_and_is_read() {
        let path = format!("{}/../../docs/reference/phiz.toml", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("PHIZ_BLESS").is_some() {
            std::fs::write(&path, reference()).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(written, reference(), "run this test with PHIZ_BLESS=1");
        let values: String = written
            .lines()
            .filter_map(|line| {
                line.strip_prefix("# ")
                    .filter(|l| SETTINGS.iter().any(|s| l.starts_with(&format!("{} = ", s.name))))
            })
            .flat_map(|line| [line, "\n"])
            .collect();
        let settings = read(&values, &[], &[]).unwrap();
        assert_eq!(settings.queue, Settings::default().queue);
        assert_eq!(values.lines().count(), SETTINGS.len());
    }
}

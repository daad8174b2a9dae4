//! Where a video comes from, how `ffmpeg` is told about it, and what nobody may read of it.
//!
//! A camera's address usually holds its password. Arguments of a process can be read by everybody on the machine, so
//! addresses are never arguments: `ffmpeg` reads them from its standard input, as a list for its concat demuxer. In messages
//! they stand as [`Source::name`], and what `ffmpeg` says is cleaned by [`Secrets`].

use std::ffi::{OsStr, OsString};
use std::io::BufRead as _;
use std::path::{Path, PathBuf};

use crate::{Result, VideoError};

/// Where a video comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A file of any format that `ffmpeg` reads; also an animated GIF, or a single picture.
    File(PathBuf),
    /// Pictures of which each is a frame, in this order.
    Pictures(Vec<PathBuf>),
    /// Pictures whose names are numbered, as a pattern such as `frame-%04d.png`.
    Pattern(PathBuf),
    /// A camera on this machine, such as `/dev/video0`.
    Device(PathBuf),
    /// An address: RTSP, HTTP and whatever else `ffmpeg` opens.
    Address(String),
    /// Standard input.
    Stdin,
}

/// Endings of pictures that may be frames of a sequence.
const PICTURES: [&str; 8] = ["jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "ppm"];

/// Whether a file's name is that of a still picture.
#[must_use]
pub fn is_picture(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    PICTURES.contains(&ending.as_str())
}

impl Source {
    /// Reads a source as people write it: a path, a folder of pictures, a pattern, a camera, an address, or `-`.
    ///
    /// # Errors
    /// [`VideoError::NoSource`] if there is no such file, or a folder holds no picture.
    pub fn parse(text: &OsStr) -> Result<Source> {
        if text == "-" {
            return Ok(Source::Stdin);
        }
        if let Some(address) = text.to_str().filter(|t| scheme(t).is_some_and(|s| s != "file")) {
            if address.contains(['\n', '\r', '\0']) {
                return Err(no_source(hidden(address), "holds a line break, which no address does"));
            }
            return Ok(Source::Address(address.into()));
        }
        let path = match text.to_str().and_then(|t| t.strip_prefix("file://")) {
            Some(path) => PathBuf::from(path),
            None => PathBuf::from(text),
        };
        let name = path.display().to_string();
        if path.is_dir() {
            let entries = std::fs::read_dir(&path)
                .map_err(|error| no_source(name.clone(), format!("cannot be read ({error})")))?;
            let mut pictures: Vec<PathBuf> = entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.is_file() && is_picture(path))
                .collect();
            pictures.sort();
            return match pictures.is_empty() {
                true => Err(no_source(name, "is a folder without pictures")),
                false => Ok(Source::Pictures(pictures)),
            };
        }
        if !path.exists() {
            return match is_pattern(&name) {
                true => Ok(Source::Pattern(path)),
                false => Err(no_source(name, "does not exist")),
            };
        }
        if path.starts_with("/dev") && name.contains("/video") {
            return Ok(Source::Device(path));
        }
        if let Err(error) = std::fs::File::open(&path) {
            return Err(no_source(name, format!("cannot be read ({error})")));
        }
        Ok(Source::File(path))
    }

    /// What the source is called in messages and events: without credentials and without what follows `?` in an address.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Source::File(path) | Source::Pattern(path) | Source::Device(path) => path.display().to_string(),
            Source::Pictures(paths) => {
                paths.first().and_then(|p| p.parent()).unwrap_or(Path::new("")).display().to_string()
            }
            Source::Address(address) => hidden(address),
            Source::Stdin => "-".into(),
        }
    }

    /// Whether the source goes on whether or not somebody looks: a camera.
    #[must_use]
    pub fn is_live(&self) -> bool {
        match self {
            Source::Device(_) => true,
            Source::Address(address) => {
                !matches!(scheme(address).as_deref(), Some("http" | "https" | "ftp" | "data"))
            }
            _ => false,
        }
    }

    /// The file, if frames come from one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Source::File(path) => Some(path),
            _ => None,
        }
    }

    /// How `ffmpeg` and `ffprobe` are told.
    pub(crate) fn input(&self, rate: f64) -> Result<Input> {
        let plain = |before: &[&str], path: &Path| {
            let mut args: Vec<OsString> = before.iter().map(OsString::from).collect();
            // With the protocol before it, a colon or a leading dash in a name means nothing.
            let mut url = OsString::from("file:");
            url.push(path);
            args.extend(["-i".into(), url]);
            Input { args, feed: Feed::Nothing }
        };
        Ok(match self {
            Source::File(path) => plain(&[], path),
            Source::Pattern(path) => plain(&["-f", "image2", "-framerate", &rate.to_string()], path),
            Source::Device(path) => {
                let args = ["-f", "v4l2", "-i"].map(OsString::from).into_iter().chain([path.into()]);
                Input { args: args.collect(), feed: Feed::Nothing }
            }
            Source::Stdin => Input { args: ["-i", "pipe:0"].map(OsString::from).into(), feed: Feed::Stdin },
            Source::Address(address) => {
                let mut list = format!("ffconcat version 1.0\nfile {}\n", quoted(address));
                if matches!(scheme(address).as_deref(), Some("rtsp" | "rtsps")) {
                    list.push_str("option rtsp_transport tcp\n");
                }
                Input::concat(list)
            }
            Source::Pictures(paths) => {
                let mut list = String::from("ffconcat version 1.0\n");
                for path in paths {
                    let path = std::path::absolute(path)
                        .ok()
                        .and_then(|path| path.to_str().map(str::to_owned))
                        .filter(|path| !path.contains(['\n', '\r']))
                        .ok_or_else(|| {
                            no_source(path.display().to_string(), "has a name that is not plain text")
                        })?;
                    list.push_str(&format!(
                        "file {}\nduration {}\n",
                        quoted(&format!("file:{path}")),
                        1.0 / rate
                    ));
                }
                Input::concat(list)
            }
        })
    }
}

/// How a source is given to `ffmpeg`: arguments up to and with `-i`, and what it reads on standard input.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) args: Vec<OsString>,
    pub(crate) feed: Feed,
}

#[derive(Debug)]
pub(crate) enum Feed {
    Nothing,
    Text(String),
    /// What our own standard input holds.
    Stdin,
}

impl Input {
    fn concat(list: String) -> Input {
        let protocols = "file,pipe,fd,rtsp,rtsps,rtp,srtp,rtmp,rtmps,tcp,udp,tls,http,https,httpproxy,crypto,hls,srt,data";
        let args = ["-f", "concat", "-safe", "0", "-protocol_whitelist", protocols, "-i", "pipe:0"];
        Input { args: args.map(OsString::from).into(), feed: Feed::Text(list) }
    }
}

/// Keeps what standard input holds in a file, if it is a film of the MP4 family: its table of contents may stand at its end,
/// which a pipe cannot be asked for. Other formats are read as they come.
pub(crate) fn kept_stdin() -> std::io::Result<Option<tempfile::TempPath>> {
    let mut stdin = std::io::stdin().lock();
    if stdin.fill_buf()?.get(4..8) != Some(b"ftyp") {
        return Ok(None);
    }
    let mut file = tempfile::Builder::new().prefix("phiz-stdin-").tempfile()?;
    std::io::copy(&mut stdin, &mut file)?;
    Ok(Some(file.into_temp_path()))
}

/// A name in a list of the concat demuxer.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn no_source(source_name: String, reason: impl Into<String>) -> VideoError {
    VideoError::NoSource { source_name, reason: reason.into() }
}

/// `%04d` and the like.
fn is_pattern(name: &str) -> bool {
    name.split_once('%')
        .is_some_and(|(_, rest)| rest.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with('d'))
}

/// The scheme of an address, in lower case; none for a path.
fn scheme(text: &str) -> Option<String> {
    let (scheme, _) = text.split_once("://")?;
    let fits = scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    fits.then(|| scheme.to_ascii_lowercase())
}

/// The parts of an address: scheme, `user:password`, the rest up to `?`, what follows.
fn parts(address: &str) -> Option<(&str, Option<&str>, &str, Option<&str>)> {
    let (scheme, rest) = address.split_once("://")?;
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    // A password may hold slashes that nobody has escaped: the last @ before the query ends it.
    match place.rsplit_once('@') {
        Some((user, place)) => Some((scheme, Some(user), place, query)),
        None => Some((scheme, None, place, query)),
    }
}

/// An address without what must not be read.
fn hidden(address: &str) -> String {
    match parts(address) {
        Some((scheme, _, place, _)) => format!("{scheme}://{place}"),
        None => address.into(),
    }
}

/// What must not stand in any message about a source.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    words: Vec<(String, String)>,
}

impl Secrets {
    pub(crate) fn of(source: &Source) -> Secrets {
        let Source::Address(address) = source else { return Secrets::default() };
        let mut words = vec![(address.clone(), hidden(address))];
        if let Some((_, user, _, query)) = parts(address) {
            if let Some(user) = user {
                words.push((format!("{user}@"), String::new()));
                if let Some((_, password)) = user.split_once(':') {
                    words.push((password.into(), "***".into()));
                    words.push((unescaped(password), "***".into()));
                }
            }
            if let Some(query) = query {
                words.push((query.into(), "***".into()));
                for value in query.split('&').filter_map(|pair| Some(pair.split_once('=')?.1)) {
                    words.push((value.into(), "***".into()));
                }
            }
        }
        // A password of two letters would be found everywhere; it is not worth hiding within other words.
        words.retain(|(word, _)| word.len() > 2);
        words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        Secrets { words }
    }

    /// The text without the secrets.
    pub(crate) fn hide(&self, text: &str) -> String {
        self.words.iter().fold(text.to_owned(), |text, (word, instead)| text.replace(word, instead))
    }
}

/// `%2F` and the like as the characters that they stand for.
fn unescaped(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let parse = |text: &Path| Source::parse(text.as_os_str());
        for name in ["b.png", "a.jpg", "notes.txt"] {
            std::fs::write(at(name), b"x").unwrap();
        }
        std::fs::create_dir(at("empty")).unwrap();
        assert_eq!(parse(&at("notes.txt")).unwrap(), Source::File(at("notes.txt")));
        assert_eq!(parse(folder.path()).unwrap(), Source::Pictures(vec![at("a.jpg"), at("b.png")]));
        assert_eq!(parse(&at("frame-%04d.png")).unwrap(), Source::Pattern(at("frame-%04d.png")));
        assert_eq!(parse(Path::new("-")).unwrap(), Source::Stdin);
        for missing in [at("empty"), at("none.mp4"), at("100%.mp4")] {
            let error = parse(&missing).unwrap_err().to_string();
            assert!(error.starts_with(&missing.display().to_string()), "{error}");
        }
        for (address, live) in [
            ("rtsp://camera/live", true),
            ("udp://@239.0.0.1:1234", true),
            ("http://camera/video.mjpg", false),
            ("https://example.org/a.mp4", false),
        ] {
            let source = Source::parse(OsStr::new(address)).unwrap();
            assert_eq!((source.clone(), source.is_live()), (Source::Address(address.into()), live));
        }
        Source::parse(OsStr::new("rtsp://camera/\nfile '/etc/passwd'")).expect_err("has a second line");
    }

    #[test]
    fn no_secret_of_an_address_is_told() {
        for (address, name) in [
            ("rtsp://ana:s3cret@camera:554/live", "rtsp://camera:554/live"),
            ("rtsp://ana:s3/cr@et@camera/live", "rtsp://camera/live"),
            ("http://camera/video?user=ana&token=s3cret", "http://camera/video"),
            ("rtsp://camera/live", "rtsp://camera/live"),
        ] {
            let source = Source::Address(address.into());
            assert_eq!(source.name(), name);
            let said = format!("[tcp] cannot open {address}: 401 for s3cret, user ana:s3/cr@et");
            let hidden = Secrets::of(&source).hide(&said);
            if address.contains("s3") {
                assert!(!hidden.contains("s3cret") || !address.contains("s3cret"), "{hidden}");
                assert!(!hidden.contains("s3/cr@et@"), "{hidden}");
            }
        }
        let escaped = Source::Address("rtsp://ana:s3cret%2Fword@camera/live".into());
        assert_eq!(Secrets::of(&escaped).hide("password s3cret/word is wrong"), "password *** is wrong");
    }

    #[test]
    fn a_camera_of_this_machine_is_opened_by_its_driver_and_is_live() {
        let source = Source::Device("/dev/video3".into());
        assert!(source.is_live() && source.name() == "/dev/video3");
        let input = source.input(25.0).unwrap();
        assert_eq!(input.args, ["-f", "v4l2", "-i", "/dev/video3"]);
        assert!(matches!(input.feed, Feed::Nothing));
    }

    #[test]
    fn a_name_in_a_list_cannot_end_it() {
        assert_eq!(quoted("a'b"), r"'a'\''b'");
        let input = Source::Address("rtsp://x/it's".into()).input(25.0).unwrap();
        assert!(input.args.iter().all(|arg| !arg.to_string_lossy().contains("rtsp://x")));
        let Feed::Text(list) = input.feed else { panic!("the address is fed") };
        assert!(list.contains(r"file 'rtsp://x/it'\''s'") && list.contains("rtsp_transport tcp"), "{list}");
    }
}

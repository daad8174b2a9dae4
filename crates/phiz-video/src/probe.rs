//! What a source holds, as `ffprobe` tells before a picture is decoded.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::source::{Feed, Secrets, Source};
use crate::{Result, VideoError};

/// What a source holds.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Probe {
    /// Columns of a picture as it is seen: upright, with square pixels. 0 where it is known only from the first picture.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Pictures a second, on average; variable rates are told by each frame's time.
    pub rate: Option<f64>,
    /// Seconds; unknown for what has no end.
    pub duration: Option<f64>,
    /// Pictures, if the file tells.
    pub frames: Option<u64>,
    /// Codec of the sound, if there is any.
    pub audio: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    format: Format,
}

#[derive(Default, Deserialize)]
struct Format {
    duration: Option<String>,
}

#[derive(Deserialize)]
struct Stream {
    codec_type: Option<String>,
    codec_name: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    sample_aspect_ratio: Option<String>,
    avg_frame_rate: Option<String>,
    r_frame_rate: Option<String>,
    duration: Option<String>,
    nb_frames: Option<String>,
    #[serde(default)]
    disposition: Disposition,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Default, Deserialize)]
struct Disposition {
    #[serde(default)]
    attached_pic: u8,
}

#[derive(Deserialize)]
struct SideData {
    rotation: Option<f64>,
}

/// Longest time that a source may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(25);

/// The program's name, which the environment may change.
pub(crate) fn program(name: &'static str) -> std::ffi::OsString {
    let variable = if name == "ffprobe" { "PHIZ_FFPROBE" } else { "PHIZ_FFMPEG" };
    std::env::var_os(variable).filter(|path| !path.is_empty()).unwrap_or_else(|| name.into())
}

/// Starts `ffmpeg` or `ffprobe`, and gives it what it reads.
pub(crate) fn start(name: &'static str, command: &mut Command, feed: &Feed) -> Result<Child> {
    command.stdin(match feed {
        Feed::Nothing => Stdio::null(),
        Feed::Text(_) | Feed::Stdin => Stdio::piped(),
    });
    let mut child = command.spawn().map_err(|error| VideoError::NoFfmpeg {
        program: program(name).to_string_lossy().into_owned(),
        reason: error.to_string(),
    })?;
    // If the child is gone already, it has said why.
    match (feed, child.stdin.take()) {
        (Feed::Text(text), Some(mut pipe)) => _ = pipe.write_all(text.as_bytes()),
        (Feed::Stdin, Some(mut pipe)) => {
            // By us, because we may have looked at its beginning already.
            std::thread::spawn(move || _ = std::io::copy(&mut std::io::stdin().lock(), &mut pipe));
        }
        _ => {}
    }
    Ok(child)
}

/// Asks what a source holds.
///
/// # Errors
/// No `ffprobe`; a source that cannot be opened or holds no picture.
pub fn probe(source: &Source, rate: f64) -> Result<Probe> {
    if *source == Source::Stdin {
        // What is read from it to look is gone: the first picture will tell.
        return Ok(Probe::default());
    }
    let input = source.input(rate)?;
    let mut command = Command::new(program("ffprobe"));
    command.args(["-v", "error", "-of", "json", "-show_format", "-show_streams"]).args(&input.args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = start("ffprobe", &mut command, &input.feed)?;
    let read = |pipe: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(pipe) = pipe {
                _ = pipe.take(1 << 20).read_to_end(&mut bytes);
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let out = read(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let err = read(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let begun = Instant::now();
    let late = loop {
        match child.try_wait() {
            Ok(None) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                _ = child.kill();
                _ = child.wait();
                break true;
            }
            _ => break false,
        }
    };
    let (out, err) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
    let secrets = Secrets::of(source);
    let said: Vec<String> = err.lines().map(|line| cleaned(line, &secrets)).collect();
    let said = said[said.len().saturating_sub(4)..].to_vec();
    let source_name = source.name();
    if late {
        return Err(VideoError::Stalled { source_name, seconds: PATIENCE.as_secs_f64(), said });
    }
    let unreadable = |reason: &str, said| VideoError::Unreadable {
        source_name: source.name(),
        reason: reason.into(),
        said,
    };
    let Ok(answer) = serde_json::from_str::<Answer>(&out) else {
        return Err(unreadable("cannot be opened", said));
    };
    if answer.streams.is_empty() {
        return Err(unreadable("cannot be opened as a video", said));
    }
    read_answer(&answer).ok_or_else(|| unreadable("holds no moving picture, only sound or nothing", said))
}

/// A line of `ffmpeg` without its address in memory, without secrets and within a length.
pub(crate) fn cleaned(line: &str, secrets: &Secrets) -> String {
    let line = secrets.hide(line.trim());
    let line = match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((part, rest)) if part.contains(" @ 0x") => rest.to_owned(),
        _ => line,
    };
    line.chars().take(300).collect()
}

fn read_answer(answer: &Answer) -> Option<Probe> {
    let of = |kind: &str| {
        let kind = kind.to_owned();
        answer.streams.iter().filter(move |s| s.codec_type.as_deref() == Some(kind.as_str()))
    };
    // A cover picture in a file of music is no video.
    let video = of("video").find(|s| s.disposition.attached_pic == 0)?;
    let (width, height) = (video.width.unwrap_or(0), video.height.unwrap_or(0));
    let aspect = video.sample_aspect_ratio.as_deref().and_then(|text| ratio(text, ':')).unwrap_or(1.0);
    // Square pixels, as ffmpeg's filter makes them.
    let width = (f64::from(width) * aspect).floor() as u32;
    let turn = video.side_data_list.iter().find_map(|data| data.rotation).unwrap_or(0.0);
    let on_its_side = (turn / 90.0).round() as i64 % 2 != 0;
    let (width, height) = if on_its_side { (height, width) } else { (width, height) };
    let seconds = |text: &Option<String>| {
        text.as_ref().and_then(|t| t.parse::<f64>().ok()).filter(|s| s.is_finite() && *s > 0.0)
    };
    let rate = [&video.avg_frame_rate, &video.r_frame_rate]
        .into_iter()
        .find_map(|text| text.as_deref().and_then(|text| ratio(text, '/')));
    Some(Probe {
        width,
        height,
        rate,
        duration: seconds(&video.duration).or_else(|| seconds(&answer.format.duration)),
        frames: video.nb_frames.as_ref().and_then(|n| n.parse().ok()).filter(|n| *n > 0),
        audio: of("audio").next().map(|s| s.codec_name.clone().unwrap_or_default()),
    })
}

/// `25/2` as a number; none if it is not positive.
fn ratio(text: &str, between: char) -> Option<f64> {
    let (a, b) = text.split_once(between)?;
    let value = a.parse::<f64>().ok()? / b.parse::<f64>().ok()?;
    (value.is_finite() && value > 0.0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let text = r#"{"streams": [
            {"codec_type": "video", "codec_name": "mjpeg", "width": 9, "height": 9, "disposition": {"attached_pic": 1}},
            {"codec_type": "video", "width": 720, "height": 576, "sample_aspect_ratio": "16:11",
             "avg_frame_rate": "25/2", "nb_frames": "377", "side_data_list": [{"rotation": -90}]},
            {"codec_type": "audio", "codec_name": "aac"}], "format": {"duration": "30.16"}}"#;
        let probe = read_answer(&serde_json::from_str(text).unwrap()).unwrap();
        let wanted = Probe {
            width: 576,
            height: 1047,
            rate: Some(12.5),
            duration: Some(30.16),
            frames: Some(377),
            audio: Some("aac".into()),
        };
        assert_eq!(probe, wanted);
        let music = r#"{"streams": [{"codec_type": "audio"}]}"#;
        assert_eq!(read_answer(&serde_json::from_str(music).unwrap()), None);
    }

    #[test]
    fn rates_are_positive_or_unknown() {
        for (text, rate) in [("30/1", Some(30.0)), ("0/0", None), ("1/0", None), ("x", None), ("-1/2", None)]
        {
            assert_eq!(ratio(text, '/'), rate, "{text}");
        }
    }
}

//! A new video with pictures of ours and the sound of the old one, written by an `ffmpeg` child.
//!
//! Raw pixels on a pipe carry no times, and films from phones have no constant rate. So pictures go to `ffmpeg` as a stream
//! of Matroska with uncompressed video, which is a page of code and gives each picture its time in microseconds. The sound
//! is taken from the original as it is where the new file can hold it. Metadata, chapters and attachments are not.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use phiz_image::Image;

use crate::probe::{Probe, cleaned, program};
use crate::source::Secrets;
use crate::{Result, VideoError};

/// Writes a video.
pub struct Writer {
    path: PathBuf,
    child: Child,
    pipe: Option<ChildStdin>,
    said: Arc<Mutex<VecDeque<String>>>,
    listener: Option<std::thread::JoinHandle<()>>,
    size: (u32, u32),
    begin: f64,
}

/// Endings of videos that can be written.
pub const WRITTEN: [&str; 5] = ["mp4", "m4v", "mov", "mkv", "webm"];

impl Writer {
    /// Begins a video of pictures of this size, of which the first is shown at `begin`, with the sound of `original`. The
    /// format is one of [`WRITTEN`]; a file that exists is overwritten.
    ///
    /// # Errors
    /// No `ffmpeg`.
    pub fn create(
        path: &Path,
        format: &str,
        size: (u32, u32),
        begin: f64,
        original: &Path,
        probe: &Probe,
    ) -> Result<Writer> {
        let mut command = Command::new(program("ffmpeg"));
        command.args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+error", "-y"]);
        // Each input is brought to begin at zero. Where the sound of the original begins before its first picture, ours must
        // wait as long.
        command.args(["-itsoffset", &format!("{begin:.6}"), "-f", "matroska", "-i", "pipe:0"]);
        let mut url = std::ffi::OsString::from("file:");
        url.push(original);
        if probe.audio.is_some() {
            // Frames of the original's pictures are neither decoded nor waited for.
            command.args(["-vn", "-sn", "-dn", "-i"]).arg(&url);
        }
        command.args(["-map", "0:v:0"]);
        if probe.audio.is_some() {
            command.args(["-map", "1:a?"]);
        }
        command.args(["-map_metadata", "-1", "-map_chapters", "-1", "-fps_mode", "passthrough"]);
        // Else times would be rounded to the rate that ffmpeg guesses.
        command.args(["-enc_time_base:v", "1:90000"]);
        // Most players want an even number of columns and rows, and chroma at half the resolution.
        command.args(["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p"]);
        if format == "webm" {
            command.args([
                "-c:v",
                "libvpx-vp9",
                "-crf",
                "28",
                "-b:v",
                "0",
                "-deadline",
                "realtime",
                "-cpu-used",
                "6",
            ]);
        } else {
            command.args(["-c:v", "libx264", "-crf", "18", "-preset", "veryfast"]);
        }
        command.args(["-c:a", sound(format, probe.audio.as_deref())]);
        let muxer = match format {
            "mkv" => "matroska",
            "m4v" | "mov" => "mov",
            other => other,
        };
        if matches!(muxer, "mp4" | "mov") {
            // A quarter of a millisecond, so that variable rates keep their times.
            command.args(["-video_track_timescale", "90000", "-movflags", "+faststart"]);
        }
        // Not even the encoder's version.
        command.args(["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-f", muxer]);
        let mut target = std::ffi::OsString::from("file:");
        target.push(path);
        command.arg(&target).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| VideoError::NoFfmpeg {
            program: program("ffmpeg").to_string_lossy().into_owned(),
            reason: error.to_string(),
        })?;
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let listener = child.stderr.take().map(|err| {
            let said = Arc::clone(&said);
            std::thread::spawn(move || {
                for line in BufReader::new(err).lines().map_while(std::result::Result::ok) {
                    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                    let line = line.replacen("[error] ", "", 1).replacen("[fatal] ", "", 1);
                    said.push_back(cleaned(&line, &Secrets::default()));
                    if said.len() > 4 {
                        said.pop_front();
                    }
                }
            })
        });
        let mut pipe = child.stdin.take();
        let head = head(size.0, size.1);
        let begun = pipe.as_mut().map_or(Ok(()), |pipe| pipe.write_all(&head));
        let mut writer = Writer { path: path.into(), child, pipe, said, listener, size, begin };
        if begun.is_err() {
            return Err(writer.failed());
        }
        Ok(writer)
    }

    /// Adds a picture at a time that is after the one before. A picture of another size is brought to the first one's.
    ///
    /// # Errors
    /// `ffmpeg` has ended, for example because the disk is full.
    pub fn frame(&mut self, image: &Image, time: f64) -> Result<()> {
        let resized;
        let image = if (image.width(), image.height()) == self.size {
            image
        } else {
            resized = image.resize(self.size.0, self.size.1);
            &resized
        };
        let cluster = cluster(time - self.begin, image.pixels().len());
        let written = match &mut self.pipe {
            Some(pipe) => pipe.write_all(&cluster).and_then(|()| pipe.write_all(image.pixels())),
            None => Ok(()),
        };
        if written.is_err() { Err(self.failed()) } else { Ok(()) }
    }

    /// Ends the video.
    ///
    /// # Errors
    /// It could not be encoded or written.
    pub fn finish(mut self) -> Result<()> {
        self.pipe = None;
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            _ => Err(self.failed()),
        }
    }

    fn failed(&mut self) -> VideoError {
        self.pipe = None;
        _ = self.child.kill();
        _ = self.child.wait();
        if let Some(listener) = self.listener.take() {
            _ = listener.join();
        }
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        VideoError::Unwritable { path: self.path.clone(), said }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.pipe.take().is_some() {
            _ = self.child.kill();
            _ = self.child.wait();
        }
    }
}

/// How the sound goes into a file of this format: as it is, if it may stand there.
fn sound(format: &str, codec: Option<&str>) -> &'static str {
    let Some(codec) = codec else { return "copy" };
    match format {
        "mkv" => "copy",
        "webm" if ["opus", "vorbis"].contains(&codec) => "copy",
        "webm" => "libopus",
        _ if ["aac", "mp3", "ac3", "eac3", "alac"].contains(&codec) => "copy",
        "mov" if codec.starts_with("pcm_") => "copy",
        _ => "aac",
    }
}

/// An element of EBML: its id, its length in eight bytes, its content.
fn element(id: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    bytes.extend((content.len() as u64 | 1 << 56).to_be_bytes());
    bytes.extend(content);
    bytes
}

fn number(id: u32, value: u64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

/// The beginning of an endless Matroska stream with one uncompressed video, and times in microseconds.
fn head(width: u32, height: u32) -> Vec<u8> {
    let ebml = [element(0x4282, b"matroska"), number(0x4287, 4), number(0x4285, 2)].concat();
    let info = [number(0x002A_D7B1, 1000), element(0x4D80, b"phiz"), element(0x5741, b"phiz")].concat();
    // RGB with three bytes a pixel, as raw video is called in AVI.
    let colour = element(0x002E_B524, &[b'R', b'G', b'B', 24]);
    let video = [number(0xB0, width.into()), number(0xBA, height.into()), colour].concat();
    let track = [
        number(0xD7, 1),
        number(0x73C5, 1),
        number(0x83, 1),
        element(0x86, b"V_UNCOMPRESSED"),
        element(0xE0, &video),
    ];
    let mut bytes = element(0x1A45_DFA3, &ebml);
    // The segment's length is unknown.
    bytes.extend([0x18, 0x53, 0x80, 0x67, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
    bytes.extend(element(0x1549_A966, &info));
    bytes.extend(element(0x1654_AE6B, &element(0xAE, &track.concat())));
    bytes
}

/// A cluster of one picture, up to its pixels.
fn cluster(time: f64, pixels: usize) -> Vec<u8> {
    let time = number(0xE7, (time.max(0.0) * 1e6).round() as u64);
    // Track 1, no time of its own, a key frame.
    let block = [0x81, 0, 0, 0x80];
    let length = |bytes: usize| (bytes as u64 | 1 << 56).to_be_bytes();
    let mut bytes = 0x1F43_B675u32.to_be_bytes().to_vec();
    bytes.extend(length(time.len() + 1 + 8 + block.len() + pixels));
    bytes.extend(time);
    bytes.push(0xA3);
    bytes.extend(length(block.len() + pixels));
    bytes.extend(block);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_is_copied_where_it_may_stand() {
        for (format, codec, how) in [
            ("mp4", "aac", "copy"),
            ("mp4", "pcm_s16le", "aac"),
            ("mov", "pcm_s16le", "copy"),
            ("mkv", "pcm_s16le", "copy"),
            ("webm", "opus", "copy"),
            ("webm", "aac", "libopus"),
        ] {
            assert_eq!(sound(format, Some(codec)), how, "{codec} in {format}");
        }
    }

    #[test]
    fn lengths_of_elements_are_right() {
        assert_eq!(element(0x83, &[7]), [0x83, 1, 0, 0, 0, 0, 0, 0, 1, 7]);
        let cluster = cluster(1.5, 12);
        // Id, length, time (id, length, eight bytes), block (id, length), the block's head.
        assert_eq!(cluster.len(), 4 + 8 + 17 + 9 + 4);
        assert_eq!(cluster[11], 17 + 9 + 4 + 12);
    }
}

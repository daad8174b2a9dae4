//! The `ffmpeg` that decodes AV1: a child process, so that a decoder which crashes or hangs on a damaged file takes
//! nothing with it.
//!
//! The child reads coded pictures from standard input, as IVF, and writes their planes to standard output, in the layout
//! that their headers state; nothing is scaled or converted. It opens no file and no address, it works in one thread, and it
//! is ended when it takes too long, and in any case before this module returns.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use super::coded::Coded;
use super::{damaged, unsupported};
use crate::{ErrorKind, ImageError, Limit};

const MISSING: &str = "install ffmpeg, or name it in PHIZ_FFMPEG, or convert the picture with libavif: avifdec photo.avif photo.png";
const NO_AV1: &str = "install an ffmpeg with libdav1d or libaom, or convert the picture with libavif: avifdec photo.avif photo.png";
const SLOW: &str = "try again on a machine that does less, or convert the picture with libavif: avifdec photo.avif photo.png";
/// Bytes of what the child says that are kept.
const SAID: u64 = 1 << 14;
/// How long a child may take for itself, and for so many pixels a second; decoders make a hundred times as many.
const PATIENCE: Duration = Duration::from_secs(20);
const SLOWEST: u64 = 1_000_000;

/// The program, which the environment may change: the same that decodes video.
pub(super) fn program() -> OsString {
    std::env::var_os("PHIZ_FFMPEG").filter(|path| !path.is_empty()).unwrap_or_else(|| "ffmpeg".into())
}

/// How long to wait for pictures that take `effort` pixels of decoding.
pub(super) fn patience(effort: u64) -> Duration {
    PATIENCE + Duration::from_secs(effort / SLOWEST)
}

/// Decodes pictures of one kind, and hands each one's planes to `take`, one behind the other, in bytes of the machine's order.
///
/// # Errors
/// No ffmpeg, or one without AV1; a picture that cannot be decoded, or not in time; what `take` refuses.
pub(super) fn decode(
    program: &OsStr,
    kind: &Coded,
    pictures: Vec<Arc<[u8]>>,
    patience: Duration,
    mut take: impl FnMut(usize, &[u8]) -> Result<(), ImageError>,
) -> Result<(), ImageError> {
    let until = Instant::now() + patience;
    let mut child = start(program, kind, pictures.len())?;
    let (stdin, stdout, stderr) = (child.0.stdin.take(), child.0.stdout.take(), child.0.stderr.take());
    let (Some(mut stdin), Some(mut stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        return Err(damaged("the decoder has no pipes"));
    };
    let (size, count) = (kind.size, pictures.len());
    // The threads end with the child, whose end closes their pipes. Nobody waits for those of a child that was ended.
    std::thread::spawn(move || _ = write_ivf(&mut stdin, size, &pictures));
    let (say, said) = sync_channel(1);
    std::thread::spawn(move || {
        let mut stderr = stderr;
        let mut text = Vec::new();
        _ = stderr.by_ref().take(SAID).read_to_end(&mut text);
        _ = std::io::copy(&mut stderr, &mut std::io::sink());
        _ = say.send(text);
    });
    let length = bytes_of(kind);
    let (give, given) = sync_channel(1);
    std::thread::spawn(move || {
        for _ in 0..count {
            let mut picture = Vec::new();
            if picture.try_reserve_exact(length).is_err() {
                _ = give.send(None);
                return;
            }
            // What comes is bounded by what was promised, whatever the child writes.
            let read = stdout.by_ref().take(length as u64).read_to_end(&mut picture);
            if read.is_err() || picture.len() < length || give.send(Some(picture)).is_err() {
                return;
            }
        }
    });
    for i in 0..count {
        match given.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Some(picture)) => take(i, &picture)?,
            Ok(None) => {
                let reason = "needs more memory than this machine can give";
                return Err(ImageError::new(ErrorKind::TooLarge, reason).with_limit(Limit::Memory));
            }
            Err(RecvTimeoutError::Timeout) => {
                let reason = format!("takes ffmpeg more than {} s", patience.as_secs_f32().ceil());
                let error = ImageError::new(ErrorKind::TooLarge, reason).with_limit(Limit::Scans);
                return Err(error.with_hint(SLOW).of_this_machine());
            }
            Err(RecvTimeoutError::Disconnected) => {
                // It has closed its output: why, it says when it ends, which is at once.
                let text = said.recv_timeout(Duration::from_secs(2)).unwrap_or_default();
                return Err(refusal(&complaints(&text)));
            }
        }
    }
    Ok(())
}

/// A child that doesn't outlive this.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Of one that has ended already, this is only asked for its exit code.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn start(program: &OsStr, kind: &Coded, count: usize) -> Result<Ended, ImageError> {
    let pixels = u64::from(kind.size.0) * u64::from(kind.size.1);
    let mut command = Command::new(program);
    command.args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+error"]);
    command.args(["-protocol_whitelist", "pipe", "-threads", "1", "-max_pixels", &pixels.to_string()]);
    // Everything that must be known is: without these it would decode a picture to look at it, and then once more.
    command.args(["-probesize", "32", "-analyzeduration", "0", "-f", "ivf", "-i", "pipe:0"]);
    command.args(["-map", "0:v:0", "-an", "-sn", "-dn", "-filter_threads", "1", "-threads", "1"]);
    command.args(["-fps_mode", "passthrough", "-frames:v", &count.to_string(), "-f", "rawvideo", "pipe:1"]);
    // It would write a file.
    command.env_remove("FFREPORT");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().map(Ended).map_err(|error| {
        let name = program.to_string_lossy();
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => {
                format!("is an AVIF picture; AVIF is decoded by ffmpeg, which was not found ({name})")
            }
            _ => format!(
                "is an AVIF picture; AVIF is decoded by ffmpeg, which cannot be run ({name}: {error})"
            ),
        };
        ImageError::new(ErrorKind::Unsupported, reason).with_hint(MISSING).of_this_machine()
    })
}

/// Bytes of a decoded picture: its planes, one behind the other.
fn bytes_of(kind: &Coded) -> usize {
    let (w, h) = (kind.size.0 as usize, kind.size.1 as usize);
    let colour = match kind.grey {
        true => 0,
        false => w.div_ceil(1 << kind.shift.0) * h.div_ceil(1 << kind.shift.1),
    };
    (w * h + 2 * colour) * if kind.depth > 8 { 2 } else { 1 }
}

/// Writes the simplest container that `ffmpeg` reads AV1 from: a header, and for each picture its length and time.
fn write_ivf(
    to: &mut impl Write,
    (width, height): (u32, u32),
    pictures: &[Arc<[u8]>],
) -> std::io::Result<()> {
    // The unit that begins a picture's time; files of pictures leave it out.
    const DELIMITER: &[u8] = &[0x12, 0];
    let short = |side: u32| u16::try_from(side).unwrap_or(u16::MAX).to_le_bytes();
    to.write_all(b"DKIF\0\0\x20\0AV01")?;
    to.write_all(&[short(width), short(height)].concat())?;
    for number in [25, 1, pictures.len() as u32, 0] {
        to.write_all(&u32::to_le_bytes(number))?;
    }
    for (time, data) in pictures.iter().enumerate() {
        let delimiter = if data.starts_with(DELIMITER) { &[] } else { DELIMITER };
        let length = u32::try_from(data.len() + delimiter.len()).unwrap_or(u32::MAX);
        to.write_all(&length.to_le_bytes())?;
        to.write_all(&(time as u64).to_le_bytes())?;
        to.write_all(delimiter)?;
        to.write_all(data)?;
    }
    Ok(())
}

/// What the child complained about, each once: `[libdav1d @ 0x55d0] [error] Error parsing OBU data`.
fn complaints(text: &[u8]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in String::from_utf8_lossy(text).lines() {
        let levels = ["[error] ", "[fatal] ", "[panic] "];
        let Some((_, said)) = levels.iter().find_map(|level| line.split_once(level)) else { continue };
        let said: String = said.chars().filter(|c| !c.is_control()).take(160).collect();
        if !said.is_empty() && !found.contains(&said) && found.len() < 3 {
            found.push(said);
        }
    }
    found
}

fn refusal(said: &[String]) -> ImageError {
    let none = ["not found", "hardware accelerated AV1", "Unknown decoder", "Unrecognized option"];
    if said.iter().any(|line| none.iter().any(|none| line.contains(none))) {
        return unsupported(format!("this ffmpeg does not decode AV1: {}", said.join("; ")))
            .with_hint(NO_AV1)
            .of_this_machine();
    }
    match said {
        [] => damaged("ffmpeg decodes fewer pixels of it than it states"),
        said => damaged(format!("ffmpeg says: {}", said.join("; "))),
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const KIND: Coded = Coded {
        size: (4, 2),
        depth: 8,
        shift: (1, 1),
        grey: false,
        matrix: 2,
        full_range: true,
        pictures: 1,
    };

    /// Runs a script in place of ffmpeg, and says what came and how long it took.
    fn run(script: &str, pictures: usize, patience: f32) -> (Result<Vec<Vec<u8>>, ImageError>, Duration) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ffmpeg");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let begun = Instant::now();
        let data = vec![Arc::from(vec![7; 3 << 20]); pictures];
        let mut came = Vec::new();
        // A file that was just written may still be open in a child that another test started meanwhile.
        let done = loop {
            let done =
                decode(path.as_os_str(), &KIND, data.clone(), Duration::from_secs_f32(patience), |_, b| {
                    came.push(b.to_vec());
                    Ok(())
                });
            match done {
                Err(error) if error.reason().contains("busy") => {}
                done => break done,
            }
        };
        (done.map(|()| came), begun.elapsed())
    }

    #[test]
    fn pictures_are_taken_one_by_one_and_no_more_than_were_promised() {
        let (came, _) = run("printf aaaaaaaabbccAAAAAAAABBCC; cat >/dev/null", 2, 20.0);
        assert_eq!(came.unwrap(), [b"aaaaaaaabbcc", b"AAAAAAAABBCC"]);
        // It writes without end, and reads nothing of the three million bytes that wait for it.
        let (came, took) = run("exec yes", 1, 20.0);
        assert_eq!(came.unwrap(), [b"y\ny\ny\ny\ny\ny\n"]);
        assert!(took < Duration::from_secs(10), "{took:?}");
    }

    #[test]
    fn a_child_that_hangs_is_ended() {
        let id = tempfile::NamedTempFile::new().unwrap();
        let script = format!("echo $$ > {}; printf abc; exec sleep 60", id.path().display());
        let (came, took) = run(&script, 1, 0.7);
        let error = came.unwrap_err();
        assert_eq!((error.kind(), error.limit()), (ErrorKind::TooLarge, Some(Limit::Scans)), "{error}");
        assert!(took < Duration::from_secs(20), "{took:?}");
        // It is gone, and was reaped: nothing of it is left in the table of processes.
        let id = std::fs::read_to_string(id.path()).unwrap();
        let alive = Command::new("kill").args(["-0", id.trim()]).stderr(Stdio::null()).status().unwrap();
        assert!(!alive.success(), "{id} is still there");
    }

    #[test]
    fn what_the_child_says_is_told() {
        let says = |text: &str| {
            let (came, _) = run(&format!("cat >/dev/null\necho '{text}' >&2\nexit 1"), 1, 20.0);
            came.unwrap_err()
        };
        let error = says("[libdav1d @ 0x55d0] [error] Error parsing OBU data");
        assert_eq!((error.kind(), error.is_passing()), (ErrorKind::Damaged, false));
        assert_eq!(error.reason(), "is a damaged AVIF picture (ffmpeg says: Error parsing OBU data)");
        let error = says("[error] Decoder (codec av1) not found for input stream #0:0");
        assert_eq!((error.kind(), error.hint()), (ErrorKind::Unsupported, NO_AV1), "{error}");
        assert!(error.is_passing());
        let error = says("a word of no level");
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(error.reason().contains("fewer pixels"), "{error}");
        // A flood of complaints neither fills memory nor stops the child.
        let (came, _) = run("cat >/dev/null; yes '[error] no' | head -c 9000000 >&2; exit 1", 1, 20.0);
        assert_eq!(came.unwrap_err().reason(), "is a damaged AVIF picture (ffmpeg says: no)");
    }

    #[test]
    fn without_ffmpeg_it_is_named_with_a_remedy() {
        let data = vec![Arc::from(vec![7; 30])];
        let error = decode("/nowhere/ffmpeg".as_ref(), &KIND, data, PATIENCE, |_, _| Ok(())).unwrap_err();
        assert_eq!((error.kind(), error.hint()), (ErrorKind::Unsupported, MISSING));
        assert!(error.is_passing());
        assert!(
            error.reason().contains("/nowhere/ffmpeg") && error.reason().contains("not found"),
            "{error}"
        );
    }
}

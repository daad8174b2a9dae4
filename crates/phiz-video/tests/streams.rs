//! Cameras: a real RTSP server that asks for a password, is killed and comes back.
//!
//! Needs ffmpeg and GStreamer's RTSP server with its Python bindings (Debian: gir1.2-gst-rtsp-server-1.0, python3-gi,
//! gstreamer1.0-plugins-good, gstreamer1.0-plugins-bad).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod clips;

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clips::{actor, ffmpeg, frames, write};
use phiz_video::{Frames, Notice, ReadOptions, Source};

/// A camera that plays a clip.
struct Camera {
    child: Child,
}

impl Camera {
    fn start(port: u16, clip: &Path) -> Option<Camera> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rtsp_server.py");
        // Debian's Python has the bindings, whatever comes first in the search path.
        let python = if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" };
        let mut child = Command::new(python)
            .arg(script)
            .arg(port.to_string())
            .arg(clip)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take()?).read_line(&mut line).ok()?;
        let camera = Camera { child };
        line.starts_with("ready").then_some(camera)
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// A camera on a free port; none, which is said, where the server is not installed.
fn camera(clip: &Path) -> Option<(Camera, u16)> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    match Camera::start(port, clip) {
        Some(camera) => Some((camera, port)),
        None => {
            assert!(std::env::var_os("PHIZ_NEED_RTSP").is_none(), "GStreamer's RTSP server is missing");
            eprintln!("skipped: GStreamer's RTSP server is missing");
            None
        }
    }
}

fn clip(folder: &Path, seconds: f64) -> std::path::PathBuf {
    let path = folder.join("clip.mp4");
    let pictures = frames(&[actor(1, 1, |time| Some([100.0 + 20.0 * time as f32, 135.0, 180.0]))], seconds);
    let codec = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "5", "-bf", "0", "-profile:v", "baseline"];
    write(&path, &pictures, &codec);
    path
}

/// Arguments of all processes on this machine that read our camera.
fn arguments_of_all() -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap();
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let bytes = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
    };
    entries
        .filter_map(read)
        .filter(|arguments| arguments.contains("ffmpeg") || arguments.contains("ffprobe"))
        .collect()
}

#[test]
fn a_camera_is_read_and_its_password_is_nowhere() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some((_camera, port)) = camera(&clip(folder.path(), 4.0)) else { return };
    let address = format!("rtsp://ana:s3cret%2Fword@127.0.0.1:{port}/camera");
    let source = Source::parse(address.as_ref()).unwrap();
    let mut frames = Frames::open(source, ReadOptions::default(), Arc::default()).unwrap();
    assert!(frames.is_live());
    let mut last = -1.0;
    for _ in 0..20 {
        let frame = frames.next_frame().unwrap().unwrap();
        assert!(frame.time > last && frame.image.width() == 480);
        last = frame.time;
    }
    let running = arguments_of_all();
    assert!(running.iter().any(|arguments| arguments.contains("rawvideo")), "ffmpeg is at work: {running:?}");
    assert!(!running.iter().any(|arguments| arguments.contains("s3cret")), "{running:?}");
}

#[test]
fn a_wrong_password_is_said_without_being_told() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some((_camera, port)) = camera(&clip(folder.path(), 1.0)) else { return };
    let source = Source::parse(format!("rtsp://ana:wr0ng-one@127.0.0.1:{port}/camera").as_ref()).unwrap();
    let error = Frames::open(source, ReadOptions::default(), Arc::default()).err().unwrap().to_string();
    assert!(error.contains("401") && error.contains(&format!("rtsp://127.0.0.1:{port}/camera")), "{error}");
    assert!(!error.contains("wr0ng"), "{error}");
}

#[test]
fn a_camera_that_is_killed_and_comes_back_is_opened_again() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(folder.path(), 30.0);
    let Some((camera, port)) = camera(&clip) else { return };
    let source = Source::parse(format!("rtsp://ana:s3cret%2Fword@127.0.0.1:{port}/camera").as_ref()).unwrap();
    let options = ReadOptions { stall: 4.0, ..ReadOptions::default() };
    let mut frames = Frames::open(source, options, Arc::default()).unwrap();
    let mut last = 0.0;
    for _ in 0..10 {
        last = frames.next_frame().unwrap().unwrap().time;
    }
    drop(camera);
    let back = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(2));
        Camera::start(port, &clip)
    });
    let mut notices = Vec::new();
    let begun = Instant::now();
    while !notices.iter().any(|notice| matches!(notice, Notice::Back(_))) {
        let frame = frames.next_frame().unwrap().unwrap();
        assert!(frame.time > last, "time goes on");
        last = frame.time;
        notices.extend(frames.notices());
        assert!(begun.elapsed() < Duration::from_secs(90), "{notices:?}");
    }
    assert!(matches!(notices[0], Notice::Lost(_)), "{notices:?}");
    assert!(back.join().unwrap().is_some());
}

#[test]
fn a_camera_that_stays_away_is_given_up_and_whoever_waits_can_stop() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for stopped in [false, true] {
        let Some((camera, port)) = camera(&clip(folder.path(), 20.0)) else { return };
        let source =
            Source::parse(format!("rtsp://ana:s3cret%2Fword@127.0.0.1:{port}/camera").as_ref()).unwrap();
        let give_up = if stopped { None } else { Some(1.0) };
        let options = ReadOptions { stall: 2.0, give_up, ..ReadOptions::default() };
        let stop = Arc::new(AtomicBool::new(false));
        let mut frames = Frames::open(source, options, Arc::clone(&stop)).unwrap();
        frames.next_frame().unwrap().unwrap();
        drop(camera);
        if stopped {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_secs(4));
                stop.store(true, Ordering::Relaxed);
            });
        }
        let end = loop {
            match frames.next_frame() {
                Ok(Some(_)) => {}
                end => break end,
            }
        };
        match stopped {
            true => assert!(end.unwrap().is_none()),
            false => assert!(end.unwrap_err().to_string().contains("no picture came")),
        }
    }
}

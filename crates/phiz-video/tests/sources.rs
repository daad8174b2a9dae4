//! Everything that can be a source, read by the real ffmpeg; and what is said of what cannot.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod clips;

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use clips::{actor, ffmpeg, frames, write};
use phiz_image::Image;
use phiz_video::{Frames, Notice, ReadOptions, Source, VideoError, Writer, probe};

/// Time, width and height of each frame.
type Seen = Vec<(f64, u32, u32)>;

/// The frames of a source, and what became known.
fn read(source: Source) -> Result<(Seen, Vec<Notice>), VideoError> {
    let mut frames = Frames::open(source, ReadOptions::default(), Arc::default())?;
    let mut seen = Vec::new();
    while let Some(frame) = frames.next_frame()? {
        assert_eq!(frame.index, seen.len() as u64);
        seen.push((frame.time, frame.image.width(), frame.image.height()));
    }
    Ok((seen, frames.notices()))
}

fn at(path: &Path) -> Source {
    Source::parse(path.as_os_str()).unwrap()
}

fn clip(seconds: f64) -> Vec<phiz_video::Frame> {
    frames(&[actor(1, 1, |time| Some([100.0 + 50.0 * time as f32, 135.0, 180.0]))], seconds)
}

#[test]
fn files_of_many_formats_are_read_with_their_times() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(1.0);
    for (name, arguments) in [
        ("a.mp4", &["-c:v", "libx264", "-pix_fmt", "yuv420p"][..]),
        ("-dash : colon.mkv", &["-c:v", "mpeg4"][..]),
        ("a.webm", &["-c:v", "libvpx", "-b:v", "1M"][..]),
        ("a.avi", &["-c:v", "mjpeg"][..]),
        ("a.gif", &[][..]),
    ] {
        let path = folder.path().join(name);
        write(&path, &clip, arguments);
        let (seen, notices) = read(at(&path)).unwrap();
        assert_eq!(seen.len(), 10, "{name}");
        for (i, (time, width, height)) in seen.iter().enumerate() {
            assert!((time - i as f64 / 10.0).abs() < 0.02, "{name}: {time} is the time of frame {i}");
            assert_eq!((*width, *height), (480, 270), "{name}");
        }
        assert!(notices.is_empty(), "{name}: {notices:?}");
    }
}

#[test]
fn sequences_of_pictures_are_videos() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (i, frame) in clip(0.5).iter().enumerate() {
        frame.image.save(&folder.path().join(format!("it's {i:03}.png"))).unwrap();
    }
    let (seen, _) = read(at(folder.path())).unwrap();
    assert_eq!(seen.len(), 5);
    assert!(seen.windows(2).all(|pair| (pair[1].0 - pair[0].0 - 0.04).abs() < 0.01), "{seen:?}");
    let (seen, _) = read(at(&folder.path().join("it's %03d.png"))).unwrap();
    assert_eq!(seen.len(), 5);
}

#[test]
fn a_video_that_lies_on_its_side_is_turned() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (plain, turned) = (folder.path().join("plain.mp4"), folder.path().join("turned.mp4"));
    write(&plain, &clip(0.3), &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    let turn = |flag: &[&str], after: &[&str]| {
        let mut command = std::process::Command::new("ffmpeg");
        command.args(["-v", "error", "-y"]).args(flag).arg("-i").arg(&plain).args(["-c", "copy"]);
        command.args(after).arg(&turned).status().unwrap().success()
    };
    // From 6.0 on the rotation is an option of the input, before that metadata of the output.
    assert!(turn(&["-display_rotation", "90"], &[]) || turn(&[], &["-metadata:s:v:0", "rotate=90"]));
    let probe = probe(&at(&turned), 25.0).unwrap();
    assert_eq!((probe.width, probe.height), (270, 480));
    let (seen, _) = read(at(&turned)).unwrap();
    assert!(seen.iter().all(|frame| (frame.1, frame.2) == (270, 480)), "{seen:?}");
}

#[test]
fn variable_rates_keep_their_times_and_are_written_with_them() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (path, again) = (folder.path().join("a.mkv"), folder.path().join("b.mp4"));
    // Ours writes times to the microsecond; Matroska and MP4 keep them to a millisecond or better.
    let times = [0.0, 0.033, 0.5, 0.52, 1.4, 1.417, 2.0];
    let probe = probe(
        &{
            let plain = folder.path().join("plain.mp4");
            write(&plain, &clip(0.3), &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
            at(&plain)
        },
        25.0,
    )
    .unwrap();
    let pictures = clip(1.0);
    let mut writer =
        Writer::create(&path, "mkv", (480, 270), 0.0, &folder.path().join("plain.mp4"), &probe).unwrap();
    for (time, frame) in times.iter().zip(&pictures) {
        writer.frame(&frame.image, *time).unwrap();
    }
    writer.finish().unwrap();
    let check = |path: &Path| {
        let (seen, _) = read(at(path)).unwrap();
        let seen: Vec<f64> = seen.iter().map(|frame| frame.0).collect();
        assert_eq!(seen.len(), times.len(), "{seen:?}");
        assert!(seen.iter().zip(times).all(|(a, b)| (a - b).abs() < 0.002), "{seen:?}");
    };
    check(&path);
    let each = |frame: phiz_video::Frame| Ok(frame.image);
    phiz_video::rewrite(&path, &again, "mp4", &Arc::default(), each, |_| {}).unwrap();
    check(&again);
}

#[test]
fn sound_that_begins_before_the_pictures_stays_in_step() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (silent, late, again) =
        (folder.path().join("silent.mp4"), folder.path().join("late.mp4"), folder.path().join("again.mp4"));
    write(&silent, &clip(1.0), &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "sine=duration=2", "-itsoffset", "0.7", "-i"])
        .arg(&silent)
        .args(["-map", "1:v", "-map", "0:a", "-c:v", "copy", "-c:a", "aac"])
        .arg(&late)
        .status();
    assert!(made.unwrap().success());
    phiz_video::rewrite(&late, &again, "mp4", &Arc::default(), |frame| Ok(frame.image), |_| {}).unwrap();
    let begin = |path: &Path| read(at(path)).unwrap().0[0].0;
    assert!((begin(&late) - 0.7).abs() < 0.05, "{}", begin(&late));
    assert!((begin(&late) - begin(&again)).abs() < 0.03, "{} {}", begin(&late), begin(&again));
}

#[test]
fn what_is_no_video_is_refused_with_a_reason() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.mp4");
    write(&whole, &clip(2.0), &["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "5"]);
    let bytes = std::fs::read(&whole).unwrap();
    let sound = folder.path().join("sound.wav");
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "sine=duration=0.2"])
        .arg(&sound)
        .status();
    assert!(made.unwrap().success());
    let sound = std::fs::read(&sound).unwrap();
    for (name, bytes, reason) in [
        ("empty.mp4", &[][..], "cannot be opened"),
        ("text.mp4", b"this is no video at all, whatever its name says".as_slice(), "cannot be opened"),
        ("headless.mp4", &bytes[bytes.len() / 2..], "cannot be opened"),
        ("cut.mp4", &bytes[..bytes.len() / 2], "cannot be opened"),
        ("sound.wav", &sound, "no moving picture"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = read(at(&path)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(name) && text.contains(reason), "{text}");
        assert!(!error.hint().is_empty());
    }
    let missing = Source::parse(OsStr::new("/nowhere/a.mp4")).unwrap_err();
    assert!(missing.to_string().contains("does not exist"));
}

#[test]
fn what_is_damaged_in_the_middle_is_read_as_far_as_it_goes() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    write(&path, &clip(2.0), &["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "5"]);
    let mut bytes = std::fs::read(&path).unwrap();
    let (from, until) = (bytes.len() / 3, bytes.len() * 2 / 3);
    for (i, byte) in bytes[from..until].iter_mut().enumerate() {
        if i % 7 == 0 {
            *byte ^= 0x5A;
        }
    }
    std::fs::write(&path, &bytes).unwrap();
    let (seen, _) = read(at(&path)).unwrap();
    assert!(seen.len() >= 5, "{seen:?}");
    assert!(seen.windows(2).all(|pair| pair[1].0 > pair[0].0), "times never go back: {seen:?}");
}

#[test]
fn tiny_and_huge_pictures_are_read_within_limits() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, width, height) in [("1x1.png", 1, 1), ("wide.png", 9000, 30)] {
        let path = folder.path().join(name);
        Image::from_rgb(width, height, vec![90; (width * height * 3) as usize]).unwrap().save(&path).unwrap();
        let mut frames = Frames::open(at(&path), ReadOptions::default(), Arc::default()).unwrap();
        let frame = frames.next_frame().unwrap().unwrap();
        assert_eq!(frame.image.width(), width.min(3840), "{name}");
        assert!((frame.scale - frame.image.width() as f32 / width as f32).abs() < 1e-3);
    }
}

/// The `ffmpeg` of this process that reads a file.
#[cfg(target_os = "linux")]
fn child_that_reads(path: &Path) -> Option<u32> {
    let own = std::process::id().to_string();
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // `pid (name) state parent …`
        let parent = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let name = path.file_name()?.to_str()?;
        let reads =
            parent == own && String::from_utf8_lossy(&line).contains(name) && stat.contains("(ffmpeg)");
        if reads { entry.file_name().to_str()?.parse().ok() } else { None }
    })
}

/// A crash in the middle must cost nothing: each picture comes once, with its own time.
#[cfg(target_os = "linux")]
#[test]
fn a_file_whose_ffmpeg_is_killed_goes_on_after_its_last_picture() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, arguments) in [
        ("killed.mp4", &["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "7", "-bf", "2"][..]),
        ("killed.mkv", &["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "100"]),
        ("killed.ts", &["-c:v", "mpeg2video", "-r", "25", "-g", "5"]),
    ] {
        let path = folder.path().join(name);
        write(&path, &clip(4.0), arguments);
        let collect = |kills: &[usize]| {
            let mut frames = Frames::open(at(&path), ReadOptions::default(), Arc::default()).unwrap();
            let (mut all, mut kills, mut killed) = (Vec::new(), kills.iter().peekable(), None);
            while let Some(frame) = frames.next_frame().unwrap() {
                all.push((frame.index, frame.time, frame.image.pixels().to_vec()));
                // After a kill some pictures come that were waiting, while the child is still dying or none is there.
                if kills.peek().is_some_and(|kill| all.len() >= **kill)
                    && let Some(child) = child_that_reads(&path)
                    && killed != Some(child)
                {
                    kills.next();
                    killed = Some(child);
                    let kill = std::process::Command::new("kill").args(["-9", &child.to_string()]).status();
                    assert!(kill.unwrap().success());
                }
            }
            (all, frames.notices())
        };
        let (whole, _) = collect(&[]);
        let (killed, notices) = collect(&[5, 6, 23]);
        let resumed = notices.iter().filter(|notice| matches!(notice, Notice::Resumed(_))).count();
        assert_eq!((resumed, notices.len()), (3, 3), "{name}: {notices:?}");
        assert_eq!(killed.len(), whole.len(), "{name}");
        for (a, b) in killed.iter().zip(&whole) {
            assert!(a.0 == b.0 && (a.1 - b.1).abs() < 3e-3, "{name}: {} {} {} {}", a.0, a.1, b.0, b.1);
            assert!(a.2 == b.2, "{name}: the picture at {} is another", a.1);
        }
    }
}

/// Times of a container may go back; the pictures are whole all the same, and nothing is said to be damaged.
#[test]
fn time_stamps_that_go_back_are_no_damage() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (whole, back) = (folder.path().join("whole.mkv"), folder.path().join("back.mkv"));
    write(&whole, &clip(3.0), &["-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "0"]);
    let times = "setts=ts=if(eq(mod(N\\,9)\\,0)\\,0\\,TS)";
    let done = std::process::Command::new("ffmpeg")
        .args(["-v", "quiet", "-y", "-i"])
        .arg(&whole)
        .args(["-c", "copy", "-bsf:v", times])
        .arg(&back)
        .status();
    assert!(done.unwrap().success());
    let (seen, notices) = read(at(&back)).unwrap();
    assert_eq!(seen.len(), 30);
    assert!(seen.windows(2).all(|pair| pair[1].0 > pair[0].0), "times never go back: {seen:?}");
    assert_eq!(notices, [], "{notices:?}");
}

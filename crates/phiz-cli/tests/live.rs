//! The live view of `phiz watch` under a pseudo-terminal, as `script` of util-linux makes one: what it draws, that it follows the
//! terminal's size, and that it gives the terminal back however it ends.
//!
//! Needs ffmpeg and `script`. Where `script` is missing, each test says so and ends, unless `PHIZ_NEED_SCRIPT` is set.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "../../phiz-video/tests/clips/mod.rs"]
mod clips;

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clips::{actor, ffmpeg, frames, write};

fn script() -> bool {
    if Command::new("script").arg("--version").stdout(Stdio::null()).status().is_ok() {
        return true;
    }
    assert!(std::env::var_os("PHIZ_NEED_SCRIPT").is_none(), "script is missing");
    eprintln!("skipped: script is missing");
    false
}

/// A shell in a terminal of 80 columns and 24 rows, and what it has written so far.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Runs these lines of a shell, in which `$PHIZ` is the program.
    fn run(folder: &Path, variables: &[(&str, &str)], lines: &str) -> Terminal {
        let mut command = Command::new("script");
        command.args(["-qfec", &format!("stty rows 24 cols 80; {lines}"), "/dev/null"]).current_dir(folder);
        command.env("PHIZ", env!("CARGO_BIN_EXE_phiz")).env("PHIZ_HOME", folder.join("home"));
        for name in ["TMUX", "STY", "COLORTERM", "TERM_PROGRAM", "KITTY_WINDOW_ID", "PHIZ_PICTURES"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color").envs(variables.iter().copied()).env("SHELL", "/bin/sh");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (keys, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let kept = Arc::clone(&written);
        std::thread::spawn(move || {
            let mut part = [0; 65536];
            while let Ok(read @ 1..) = out.read(&mut part) {
                kept.lock().unwrap().extend(&part[..read]);
            }
        });
        Terminal { child, keys, written }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }

    #[track_caller]
    fn until(&self, what: &str, found: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        while !found(&self.text()) {
            let text = self.text();
            assert!(begun.elapsed() < Duration::from_secs(90), "{what} does not come: {:?}", tail(&text));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
        self.keys.flush().unwrap();
    }

    /// What was written until the shell ended.
    fn end(mut self) -> String {
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not end: {:?}", tail(&self.text()));
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_millis(200));
        self.text()
    }
}

fn tail(text: &str) -> String {
    let from = text.chars().count().saturating_sub(600);
    text.chars().skip(from).collect()
}

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// The terminal is as it was: the last word on the alternate screen and on the cursor is to give them back.
#[track_caller]
fn given_back(text: &str) {
    let last = |what: &str| text.rfind(what).unwrap_or_else(|| panic!("no {what:?} in {:?}", tail(text)));
    assert!(last(LEAVE) > last(ENTER), "{:?}", tail(text));
    let after = &text[last(LEAVE) + LEAVE.len()..];
    assert!(!after.contains("\x1b["), "something is drawn afterwards: {:?}", tail(after));
}

fn clip(folder: &Path, seconds: f64) {
    let somebody = [actor(1, 1, |time| Some([200.0 + 8.0 * time as f32, 135.0, 170.0]))];
    let codec = ["-c:v", "libx264", "-pix_fmt", "yuv420p"];
    write(&folder.join("clip.mp4"), &frames(&somebody, seconds), &codec);
}

#[test]
fn the_picture_the_people_and_the_events_are_shown_and_the_terminal_is_given_back_at_the_end() {
    if !ffmpeg() || !script() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    clip(folder.path(), 5.0);
    let lines = "stty -g > before; $PHIZ watch --live --paced clip.mp4; echo code $?; stty -g > after";
    let text = Terminal::run(folder.path(), &[("COLORTERM", "truecolor")], lines).end();
    given_back(&text);
    let (shown, after) = text.split_once(LEAVE).unwrap();
    // Half blocks in 24-bit colours, the name of the source, who is there, and what has happened.
    assert!(shown.matches('▀').count() > 5 * 80 && shown.contains("\x1b[38;2;"), "{:?}", tail(shown));
    for part in ["clip.mp4", "Here now: ", "stranger 1", "a face appears", "is stranger 1", "frames a second"]
    {
        assert!(shown.contains(part), "{part}: {:?}", tail(shown));
    }
    // What people read at the end, after the screen that was there before has come back.
    assert!(after.contains("1 visit") && after.contains("code 0"), "{after:?}");
    let mode = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(mode("before"), mode("after"));
}

#[test]
fn the_view_follows_the_size_of_the_terminal_and_its_colours() {
    if !ffmpeg() || !script() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    clip(folder.path(), 60.0);
    // The shell does each next thing when a key is pressed: when the view has shown what is waited for.
    let lines =
        "$PHIZ watch --live --paced clip.mp4 & read key; stty rows 12 cols 40; read key; kill -TERM $!; wait";
    let mut terminal = Terminal::run(folder.path(), &[], lines);
    let cleared =
        |text: &str, times: usize| text.split("\x1b[2J").nth(times).is_some_and(|part| part.contains('▀'));
    // Cleared when the view takes the terminal, and when it draws first.
    terminal.until("the view", |text| cleared(text, 2));
    terminal.press(b"\n");
    terminal.until("the smaller view", |text| cleared(text, 3));
    terminal.press(b"\n");
    let text = terminal.end();
    given_back(&text);
    let (shown, _) = text.split_once(LEAVE).unwrap();
    assert!(shown.contains("\x1b[38;5;") && !shown.contains("\x1b[38;2;"), "256 colours only");
    // Cleared once at the beginning, and once when the size has changed.
    let parts: Vec<&str> = shown.split("\x1b[2J").collect();
    assert!(parts.len() >= 4, "{} parts", parts.len());
    let rows = |part: &str| {
        let row = |text: &str| text.split_once(';').and_then(|(row, _)| row.parse::<usize>().ok());
        part.split("\x1b[").filter(|text| text.contains('H')).filter_map(row).max().unwrap_or(0)
    };
    let last = parts.last().unwrap();
    assert!((10..=12).contains(&rows(last)), "{} rows in 12", rows(last));
    assert!((20..=24).contains(&rows(parts[2])), "{} rows in 24", rows(parts[2]));
    // Between two places of the cursor lies one row of the picture.
    let longest = last.split("H").map(|row| row.matches('▀').count()).max().unwrap_or(0);
    assert!((20..=40).contains(&longest), "{longest} columns in 40");
}

#[test]
fn ctrl_c_and_an_error_give_the_terminal_back() {
    if !ffmpeg() || !script() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    clip(folder.path(), 30.0);
    let lines = "$PHIZ watch --live --paced clip.mp4; echo code $?";
    let mut terminal = Terminal::run(folder.path(), &[], lines);
    terminal.until("the face", |text| text.contains("a face appears"));
    terminal.press(b"\x03");
    let text = terminal.end();
    given_back(&text);
    assert!(text.contains("1 visit"), "{:?}", tail(&text));

    // An error in the middle: ffmpeg stalls.
    let fake = folder.path().join("stalls");
    std::fs::write(&fake, "#!/bin/sh\nffmpeg \"$@\" | head -c 2000000\nexec sleep 60\n").unwrap();
    std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let lines = "PHIZ_FFMPEG=$PWD/stalls $PHIZ watch --live --stall 2 clip.mp4; echo code $?";
    let text = Terminal::run(folder.path(), &[], lines).end();
    given_back(&text);
    let after = &text[text.rfind(LEAVE).unwrap()..];
    assert!(after.contains("error: ") && after.contains("code 2"), "{after:?}");
}

#[test]
fn a_signal_that_ends_the_program_gives_the_terminal_back() {
    if !ffmpeg() || !script() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    clip(folder.path(), 30.0);
    for signal in ["INT", "TERM", "QUIT"] {
        // A shell without job control lets what it begins in the background ignore SIGINT.
        let lines = "stty -g > before; set -m; $PHIZ watch --live --paced clip.mp4 & echo $! > pid; fg; stty -g > after; echo over";
        let terminal = Terminal::run(folder.path(), &[], lines);
        terminal.until("the face", |text| text.contains("a face appears"));
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let pid = read("pid").trim().to_owned();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        let text = terminal.end();
        given_back(&text);
        // Everybody has left, and what people read at the end stands on the terminal that was there before.
        let after = &text[text.rfind(LEAVE).unwrap()..];
        assert!(after.contains("1 visit") && after.contains("over"), "{signal}: {after:?}");
        assert_eq!(read("before"), read("after"), "{signal}");
    }
}

#[test]
fn ctrl_z_gives_the_terminal_back_until_the_program_goes_on() {
    if !ffmpeg() || !script() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    clip(folder.path(), 30.0);
    // A shell with job control, as people have.
    let lines = "set -m; $PHIZ watch --live --paced clip.mp4; echo stopped; fg; echo over";
    let mut terminal = Terminal::run(folder.path(), &[], lines);
    terminal.until("the face", |text| text.contains("a face appears"));
    terminal.press(b"\x1a");
    terminal.until("the stop", |text| text.contains("stopped\r\n"));
    let text = terminal.text();
    let (before, _) = text.split_once("stopped\r\n").unwrap();
    given_back(before);
    terminal.until("the view", |text| text.matches(ENTER).count() == 2);
    terminal.press(b"\x03");
    given_back(&terminal.end());
}

#[test]
fn pictures_are_sent_by_the_protocol_of_the_terminal() {
    if !ffmpeg() || !script() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    clip(folder.path(), 2.0);
    for (protocol, begins) in [
        ("kitty", "\x1b_Ga=T,f=100,i=7449,p=1,q=2,C=1,c="),
        ("iterm", "\x1b]1337;File=inline=1;width="),
        ("sixel", "\x1bPq"),
    ] {
        let lines = "$PHIZ watch --live --paced clip.mp4";
        let begun = Instant::now();
        let text = Terminal::run(folder.path(), &[("PHIZ_PICTURES", protocol)], lines).end();
        given_back(&text);
        let pictures = text.matches(begins).count();
        // Five a second at most.
        let most = 5.0 * begun.elapsed().as_secs_f64() + 2.0;
        assert!(
            pictures >= 1 && pictures as f64 <= most,
            "{protocol}: {pictures} pictures, {most:.1} at most"
        );
        assert!(!text.contains('▀'), "{protocol}");
    }
}

#[test]
fn where_standard_output_is_no_terminal_the_view_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.mp4"), b"x").unwrap();
    let run = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_phiz")).args(arguments).current_dir(folder.path()).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, told) = run(&["watch", "--live", "a.mp4"]);
    assert!(code == Some(2) && told.contains("no terminal") && told.contains("hint: "), "{told}");
    let (code, told) = run(&["watch", "--live", "--json", "a.mp4"]);
    assert!(code == Some(2) && told.contains("--live") && told.contains("--json"), "{told}");
}

//! The live view of `phiz watch`: the picture with its faces, who is there, and what happened last, in a terminal.
//!
//! A thread of its own draws, a few times a second, whatever the watching thread has left for it: so a slow terminal costs
//! pictures of the view, and never frames that are looked at. The view takes the terminal's alternate screen and gives the
//! terminal back as it found it when it ends, when the program fails or panics, when it is stopped by Ctrl-Z, and when it is
//! told to end and does not.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use phiz_image::Image;
use phiz_video::{Frame, Present, looked_at};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::out;
use super::picture::Protocol;
use super::{Failure, table};

/// Pictures a second: of characters, and of a protocol, whose pictures are larger.
const RATE: f64 = 8.0;
const RATE_OF_PICTURES: f64 = 5.0;
/// Longest side of a picture that a protocol shows.
const SIDE: u32 = 640;
/// Columns that a picture of characters takes at most: more are no clearer, and many to write.
const COLUMNS: usize = 160;
/// A cell of a terminal that does not say how large it is.
const CELL: [u32; 2] = [8, 16];
/// Lines for what happened last.
const EVENTS: usize = 6;
/// A program that is told to end and has not left the view for so long is ended.
const PATIENCE: Duration = Duration::from_secs(4);

/// Alternate screen, no cursor, nothing on it; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE: &str = "\x1b_Ga=d,q=2\x1b\\\x1b[0m\x1b[?25h\x1b[?1049l";

/// Whether the view has the terminal: whoever changes this from true gives it back. Held while something is drawn, so that
/// nothing is drawn after that.
static SHOWN: Mutex<bool> = Mutex::new(false);

/// How long whoever gives the terminal back waits for a picture that is being drawn. A thread that panicked while it drew never
/// ends its picture.
const LAST_PICTURE: Duration = Duration::from_secs(1);

fn enter() {
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    *shown = true;
    out::hold();
    out::picture(ENTER);
}

/// Draws, if the view has the terminal.
fn draw(text: &str) {
    let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if *shown {
        out::picture(text);
    }
}

fn leave() {
    let begun = Instant::now();
    loop {
        match SHOWN.try_lock() {
            Ok(mut shown) => {
                if std::mem::take(&mut *shown) {
                    out::picture(LEAVE);
                    out::release();
                }
                return;
            }
            Err(TryLockError::Poisoned(shown)) => {
                if std::mem::take(&mut *shown.into_inner()) {
                    out::picture(LEAVE);
                    out::release();
                }
                return;
            }
            Err(TryLockError::WouldBlock) if begun.elapsed() > LAST_PICTURE => {
                out::picture(LEAVE);
                out::release();
                return;
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// How many colours the terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colours {
    All,
    Palette,
}

/// What the drawing thread shows.
#[derive(Default)]
struct Scene {
    picture: Option<(Frame, Vec<Present>)>,
    present: Vec<String>,
    events: VecDeque<String>,
    head: String,
    /// Grows with each change.
    version: u64,
}

/// The view, for as long as it lives.
pub(crate) struct Live {
    scene: Arc<Mutex<Scene>>,
    over: Arc<AtomicBool>,
    drawer: Option<JoinHandle<()>>,
    name: String,
    pause: Duration,
    handed: Option<Instant>,
    begun: Instant,
}

fn lock(scene: &Mutex<Scene>) -> MutexGuard<'_, Scene> {
    scene.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Refuses a terminal that cannot show the view, and standard output that is none.
pub(crate) fn check() -> Result<(), Failure> {
    if !std::io::stdout().is_terminal() {
        return Err(Failure::new("--live: standard output is no terminal")
            .hint("leave --live out to get one line per event, or use --json for programs"));
    }
    if std::env::var("TERM").is_ok_and(|term| term == "dumb") {
        return Err(Failure::new("--live: this terminal (TERM=dumb) cannot move its cursor")
            .hint("leave --live out to get one line per event"));
    }
    Ok(())
}

impl Live {
    /// Takes the terminal. `stop` is set when the program is to end.
    pub(crate) fn begin(name: &str, stop: &Arc<AtomicBool>) -> Result<Live, Failure> {
        check()?;
        let variable = |name: &str| std::env::var(name).ok();
        let protocol = Protocol::of_terminal(variable);
        let colours = match variable("COLORTERM").as_deref() {
            Some("truecolor" | "24bit") => Colours::All,
            _ if variable("TERM").is_some_and(|term| term.ends_with("-direct")) => Colours::All,
            _ => Colours::Palette,
        };
        let suspended = Arc::new(AtomicBool::new(false));
        #[cfg(unix)]
        for (signal, flag) in
            [(signal_hook::consts::SIGTSTP, &suspended), (signal_hook::consts::SIGQUIT, stop)]
        {
            signal_hook::flag::register(signal, Arc::clone(flag))
                .map_err(|error| Failure::new(format!("signals cannot be handled ({error})")))?;
        }
        // What a panic says would be drawn over, and lost with the alternate screen.
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave();
            before(panic);
        }));
        let rate = if protocol.is_some() { RATE_OF_PICTURES } else { RATE };
        let pause = Duration::from_secs_f64(1.0 / rate);
        let (scene, over) = (Arc::new(Mutex::new(Scene::default())), Arc::new(AtomicBool::new(false)));
        enter();
        let drawer = Drawer {
            scene: Arc::clone(&scene),
            over: Arc::clone(&over),
            stop: Arc::clone(stop),
            suspended,
            protocol,
            colours,
            pause,
        };
        let drawer = std::thread::Builder::new().name("phiz-live".into()).spawn(move || drawer.run());
        let drawer = drawer.map_err(|error| {
            leave();
            Failure::new(format!("a thread cannot be started ({error})"))
        })?;
        let (name, begun) = (out::clean(name).into_owned(), Instant::now());
        Ok(Live { scene, over, drawer: Some(drawer), name, pause, handed: None, begun })
    }

    /// Hands over a frame, if it is time for one.
    pub(crate) fn frame(&mut self, frame: &Frame, present: Vec<Present>, frames: u64, dropped: u64) {
        if self.handed.is_some_and(|last| last.elapsed() < self.pause) {
            return;
        }
        self.handed = Some(Instant::now());
        let rate = frames as f64 / self.begun.elapsed().as_secs_f64().max(0.001);
        let left_out = if dropped > 0 { format!(", {dropped} left out") } else { String::new() };
        let people = table::count(present.len(), "face", "faces");
        let mut scene = lock(&self.scene);
        let time = super::watch::clock(frame.time);
        scene.head =
            format!("{}  {time}  {people}  {rate:.0} frames a second{left_out}  Ctrl-C ends", self.name);
        scene.present = present.iter().map(label).collect();
        scene.picture = Some((frame.clone(), present));
        scene.version += 1;
    }

    /// Tells what happened.
    pub(crate) fn event(&self, text: &str) {
        let mut scene = lock(&self.scene);
        scene.events.push_back(out::clean(text).into_owned());
        if scene.events.len() > EVENTS {
            scene.events.pop_front();
        }
        scene.version += 1;
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(drawer) = self.drawer.take() {
            _ = drawer.join();
        }
        leave();
    }
}

fn label(there: &Present) -> String {
    match there.who.is_unknown() {
        true => format!("#{}", there.track),
        false => out::clean(&there.who.label()).into_owned(),
    }
}

struct Drawer {
    scene: Arc<Mutex<Scene>>,
    over: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    suspended: Arc<AtomicBool>,
    protocol: Option<Protocol>,
    colours: Colours,
    pause: Duration,
}

impl Drawer {
    fn run(self) {
        let (mut drawn, mut size, mut last) = (0, [0, 0], None::<Instant>);
        let mut told = None::<Instant>;
        while !self.over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
            if self.stop.load(Ordering::Relaxed) {
                let since = *told.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE {
                    leave();
                    std::process::exit(130);
                }
            }
            #[cfg(unix)]
            if self.suspended.swap(false, Ordering::Relaxed) {
                leave();
                _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP);
                enter();
                size = [0, 0];
            }
            if last.is_some_and(|last| last.elapsed() < self.pause) {
                continue;
            }
            let now = terminal();
            // What is told on standard error belongs among the events.
            let notes = out::held_since_asked();
            let mut scene = lock(&self.scene);
            for note in notes {
                scene.events.push_back(note);
                if scene.events.len() > EVENTS {
                    scene.events.pop_front();
                }
                scene.version += 1;
            }
            if scene.version == drawn && now == size {
                continue;
            }
            let resized = now != size;
            (drawn, size, last) = (scene.version, now, Some(Instant::now()));
            let (picture, head) = (scene.picture.clone(), scene.head.clone());
            let (present, events) = (scene.present.clone(), Vec::from(scene.events.clone()));
            drop(scene);
            let mut text = String::from("\x1b[?2026h");
            if resized {
                text.push_str("\x1b[2J");
            }
            text.push_str(&self.screen(size, picture.as_ref(), &head, &present, &events));
            text.push_str("\x1b[?2026l");
            draw(&text);
        }
    }

    /// The characters of the whole screen: a head, the picture, who is there, and what happened last.
    fn screen(
        &self,
        [columns, rows]: [usize; 2],
        picture: Option<&(Frame, Vec<Present>)>,
        head: &str,
        present: &[String],
        events: &[String],
    ) -> String {
        // Small terminals lose the events first, then who is there.
        let below = (rows.saturating_sub(4) / 2).min(EVENTS + 1);
        let high = rows.saturating_sub(1 + below);
        let mut text = line(1, columns, &format!("\x1b[7m{}\x1b[0m", padded(head, columns)), true);
        if let (Some((frame, faces)), true) = (picture, high > 0 && columns > 0) {
            text.push_str(&self.picture(frame, faces, columns, high));
        }
        if below > 0 {
            let there = if present.is_empty() { "nobody".to_owned() } else { present.join(", ") };
            let there = cut(&format!("Here now: {there}"), columns);
            text.push_str(&line(1 + high + 1, columns, &format!("\x1b[1m{there}\x1b[0m"), true));
            let shown = &events[events.len().saturating_sub(below - 1)..];
            for row in 0..below - 1 {
                let event = shown.get(row).map_or("", String::as_str);
                text.push_str(&line(1 + high + 2 + row, columns, event, false));
            }
        }
        text
    }

    /// The picture in so many columns and rows, from the second row of the screen on.
    fn picture(&self, frame: &Frame, faces: &[Present], columns: usize, rows: usize) -> String {
        let Some(protocol) = self.protocol else {
            return halves(frame, faces, columns.min(COLUMNS), rows, self.colours);
        };
        let [wide, high] = cell();
        let (room_x, room_y) = (columns as u32 * wide, rows as u32 * high);
        let (width, height) = (frame.image.width().max(1), frame.image.height().max(1));
        let fit = (f64::from(room_x) / f64::from(width)).min(f64::from(room_y) / f64::from(height));
        let longest = (f64::from(width.max(height)) * fit).min(f64::from(SIDE)).max(1.0) as u32;
        let image = looked_at(frame, faces, longest);
        // In cells: kitty and iTerm enlarge what is smaller than its place.
        let across = ((f64::from(width) * fit / f64::from(wide)) as usize).clamp(1, columns);
        let down = ((f64::from(height) * fit / f64::from(high)) as usize).clamp(1, rows);
        match protocol.show_at(&image, across, down) {
            Some(characters) => format!("\x1b[2;1H{characters}"),
            None => String::new(),
        }
    }
}

/// Columns and rows.
fn terminal() -> [usize; 2] {
    let (rows, columns) = console::Term::stdout().size();
    [usize::from(columns), usize::from(rows)]
}

/// Width and height of a cell in pixels.
fn cell() -> [u32; 2] {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(std::io::stdout())
        && size.ws_xpixel > 0
        && size.ws_ypixel > 0
        && size.ws_col > 0
        && size.ws_row > 0
    {
        let side = |pixels: u16, cells: u16| u32::from(pixels / cells).max(1);
        return [side(size.ws_xpixel, size.ws_col), side(size.ws_ypixel, size.ws_row)];
    }
    CELL
}

/// A row of the screen; `ready` text has its width already.
fn line(row: usize, columns: usize, text: &str, ready: bool) -> String {
    let text = if ready { text.to_owned() } else { cut(text, columns) };
    format!("\x1b[{row};1H{text}\x1b[K")
}

/// Text of so many columns at most.
fn cut(text: &str, columns: usize) -> String {
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= columns
    };
    text.chars().take_while(fits).collect()
}

/// Text of exactly so many columns.
fn padded(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let missing = columns.saturating_sub(text.width());
    text + &" ".repeat(missing)
}

/// A picture of half blocks: each character is two pixels, the upper one in its own colour and the lower one as its background.
fn halves(frame: &Frame, faces: &[Present], columns: usize, rows: usize, colours: Colours) -> String {
    let (width, height) = (frame.image.width().max(1) as f32, frame.image.height().max(1) as f32);
    let fit = (columns as f32 / width).min(2.0 * rows as f32 / height);
    let side = |side: f32, most: usize| ((side * fit).round() as usize).clamp(1, most);
    let (across, high) = (side(width, columns), side(height, 2 * rows));
    let mut image = frame.image.resize(across as u32, high as u32);
    let mut labels: Vec<(usize, usize, String, [u8; 3])> = Vec::new();
    for face in faces {
        let colour = if face.who.person.is_some() { phiz_service::KNOWN } else { phiz_service::NOT_KNOWN };
        let [x, y, w, h] = face.bbox.map(|v| v * frame.scale * fit);
        let within = |v: f32, most: usize| (v.max(0.0) as usize).min(most - 1);
        let (left, right) = (within(x, across), within(x + w, across));
        let (top, bottom) = (within(y, high), within(y + h, high));
        outline(&mut image, [left, top, right, bottom], colour);
        let row = (top / 2).saturating_sub(1);
        labels.push((row, left, cut(&label(face), across.saturating_sub(left)), colour));
    }
    let pixel = |x: usize, y: usize| {
        let at = (y.min(high - 1) * across + x) * 3;
        let pixels = image.pixels();
        [pixels[at], pixels[at + 1], pixels[at + 2]]
    };
    let mut text = String::with_capacity(across * high * 12);
    for row in 0..rows {
        _ = write!(text, "\x1b[{};1H", row + 2);
        let (mut upper, mut lower) = (None, None);
        if 2 * row < high {
            for x in 0..across {
                let (top, bottom) = (pixel(x, 2 * row), pixel(x, 2 * row + 1));
                if upper != Some(top) {
                    text.push_str(&sgr(38, top, colours));
                    upper = Some(top);
                }
                if lower != Some(bottom) {
                    text.push_str(&sgr(48, bottom, colours));
                    lower = Some(bottom);
                }
                text.push('▀');
            }
        }
        text.push_str("\x1b[0m\x1b[K");
    }
    for (row, column, label, colour) in labels {
        let (ink, ground) = (sgr(38, [16, 32, 24], colours), sgr(48, colour, colours));
        _ = write!(text, "\x1b[{};{}H{ink}{ground}{label}\x1b[0m", row + 2, column + 1);
    }
    text
}

fn outline(image: &mut Image, [left, top, right, bottom]: [usize; 4], colour: [u8; 3]) {
    let width = image.width() as usize;
    let pixels = image.pixels_mut();
    let mut put = |x: usize, y: usize| {
        let at = (y * width + x) * 3;
        pixels[at..at + 3].copy_from_slice(&colour);
    };
    for x in left..=right {
        put(x, top);
        put(x, bottom);
    }
    for y in top..=bottom {
        put(left, y);
        put(right, y);
    }
}

/// The characters that choose a colour, for letters (38) or behind them (48).
fn sgr(what: u8, [r, g, b]: [u8; 3], colours: Colours) -> String {
    match colours {
        Colours::All => format!("\x1b[{what};2;{r};{g};{b}m"),
        Colours::Palette => format!("\x1b[{what};5;{}m", nearest([r, g, b])),
    }
}

/// The nearest of the 256 colours of xterm: of its cube of six shades each, or of its greys.
fn nearest(colour: [u8; 3]) -> u8 {
    const SHADES: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let away = |other: [u8; 3]| -> u32 {
        colour.iter().zip(other).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    let shade = |value: u8| (0..6).min_by_key(|i| value.abs_diff(SHADES[*i])).unwrap_or(0);
    let [r, g, b] = colour.map(shade);
    let cube = [SHADES[r], SHADES[g], SHADES[b]];
    let mean = colour.iter().map(|v| u32::from(*v)).sum::<u32>() / 3;
    let step = (mean.saturating_sub(3) / 10).min(23) as u8;
    let grey = 8 + 10 * step;
    match away([grey; 3]) < away(cube) {
        true => 232 + step,
        false => (16 + 36 * r + 6 * g + b) as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_the_palette_are_the_nearest() {
        for (colour, number) in [
            ([0, 0, 0], 16),
            ([255, 255, 255], 231),
            ([255, 0, 0], 196),
            ([128, 128, 128], 244),
            ([8, 8, 8], 232),
        ] {
            assert_eq!(nearest(colour), number, "{colour:?}");
        }
    }

    #[test]
    fn lines_have_the_width_of_the_terminal_whatever_is_in_them() {
        assert_eq!(padded("李 Ada", 4), "李 A");
        assert_eq!(padded("ab", 4), "ab  ");
        assert_eq!(cut("李李", 3), "李");
    }

    /// A thread panics while the view is drawn, and nobody drops the view, so that only the panic's hook can give the terminal back.
    #[cfg(target_os = "linux")]
    fn panics_in_a_terminal() {
        check().unwrap();
        let live = Live::begin("a source", &Arc::default()).unwrap();
        let live = std::mem::ManuallyDrop::new(live);
        let busy = std::thread::spawn(move || {
            for number in 0.. {
                live.event(&format!("event {number}"));
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        std::thread::sleep(Duration::from_millis(600));
        std::thread::spawn(|| panic!("a fault of the program")).join().unwrap_err();
        std::thread::sleep(Duration::from_millis(600));
        assert!(!busy.is_finished());
        std::process::exit(7);
    }

    /// Runs itself once more in a terminal, where it panics.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_panic_gives_the_terminal_back() {
        const IN_A_TERMINAL: &str = "PHIZ_TEST_IN_A_TERMINAL";
        if std::env::var_os(IN_A_TERMINAL).is_some() {
            return panics_in_a_terminal();
        }
        let test = std::env::current_exe().unwrap();
        let line = format!(
            "{IN_A_TERMINAL}=1 {} --exact live::tests::a_panic_gives_the_terminal_back --nocapture; echo code $?",
            test.display()
        );
        let mut command = std::process::Command::new("script");
        command.args(["-qfec", &line, "/dev/null"]).env("TERM", "xterm-256color").env("SHELL", "/bin/sh");
        let Ok(output) = command.stdin(std::process::Stdio::null()).output() else {
            assert!(std::env::var_os("PHIZ_NEED_SCRIPT").is_none(), "script is missing");
            out::note!("skipped: script is missing");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let (shown, after) = text.split_once(LEAVE).unwrap_or_else(|| panic!("{text:?}"));
        assert!(shown.contains(ENTER) && shown.contains("event 1"), "{shown:?}");
        // What the panic says is read on the terminal that was there before, and nothing is drawn over it.
        assert!(after.contains("a fault of the program") && after.contains("code 7"), "{after:?}");
        assert!(!after.contains('\x1b'), "{after:?}");
    }

    #[test]
    fn half_blocks_hold_two_pixels_each() {
        let image = Image::from_rgb(2, 2, vec![255, 0, 0, 255, 0, 0, 0, 0, 255, 0, 0, 255]).unwrap();
        let frame = Frame { index: 0, time: 0.0, image, scale: 1.0 };
        let text = halves(&frame, &[], 2, 1, Colours::All);
        assert_eq!(text, "\x1b[2;1H\x1b[38;2;255;0;0m\x1b[48;2;0;0;255m▀▀\x1b[0m\x1b[K");
    }
}

//! All that the program prints, so that no print can panic, lose an answer in silence or reach the terminal raw.
//!
//! - What people read is one line at a time, with control characters and marks of text direction shown as `\u{1b}`: names
//!   and paths come from strangers.
//! - Where nobody reads standard output any more (`phiz … | head`), the rest of the work is done and nothing more is
//!   printed. Where it cannot be written otherwise (a full disk), the rest of the work is done, too, and the program ends
//!   with an error.
//! - Standard error may be closed or full: then its messages are lost and nothing else.

use std::borrow::Cow;
use std::io::{self, Write as _};
use std::sync::Mutex;

use serde::Serialize;

/// The first failure of standard output.
static FAILURE: Mutex<Option<io::Error>> = Mutex::new(None);

fn remembered() -> std::sync::MutexGuard<'static, Option<io::Error>> {
    FAILURE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Prints a line for people on standard output.
macro_rules! say {
    ($($text:tt)*) => { $crate::out::line(&format!($($text)*)) };
}

/// Prints a line for people on standard error.
macro_rules! note {
    ($($text:tt)*) => { $crate::out::error_line(&format!($($text)*)) };
}

pub(crate) use {note, say};

/// Prints a line for people on standard output.
pub(crate) fn line(text: &str) {
    write(&clean(text));
}

/// Lines for standard error that wait while something else has the terminal, and how many of them were asked for.
static HELD: Mutex<Option<(Vec<String>, usize)>> = Mutex::new(None);

fn held() -> std::sync::MutexGuard<'static, Option<(Vec<String>, usize)>> {
    HELD.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// From now on lines for standard error wait: something else has the terminal.
pub(crate) fn hold() {
    held().get_or_insert_default();
}

/// The lines that wait and have not been asked for before. They are still printed by [`release`].
pub(crate) fn held_since_asked() -> Vec<String> {
    let mut held = held();
    let Some((lines, asked)) = &mut *held else { return Vec::new() };
    let new = lines[*asked..].to_vec();
    *asked = lines.len();
    new
}

/// Prints what waits, and from now on at once again.
pub(crate) fn release() {
    let lines = held().take().map_or(Vec::new(), |(lines, _)| lines);
    lines.iter().for_each(|line| error_line(line));
}

/// Prints a line for people on standard error.
pub(crate) fn error_line(text: &str) {
    if let Some((lines, asked)) = &mut *held() {
        lines.push(clean(text).into_owned());
        // A camera that comes and goes for months must not fill the memory.
        if lines.len() > 200 {
            lines.remove(0);
            *asked = asked.saturating_sub(1);
        }
        return;
    }
    let mut line = clean(text).into_owned();
    line.push('\n');
    // There is nobody left to tell.
    _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Prints text that consists of many lines of our own on standard output: no names or paths are in it.
pub(crate) fn raw(text: &str) {
    write(text.strip_suffix('\n').unwrap_or(text));
}

/// Prints a path as it is, and a zero byte behind it, for programs.
pub(crate) fn path_and_zero(path: &std::path::Path) {
    let mut failure = remembered();
    if failure.is_none() {
        let mut out = io::stdout().lock();
        let written = out.write_all(path.as_os_str().as_encoded_bytes()).and_then(|()| out.write_all(b"\0"));
        *failure = written.and_then(|()| out.flush()).err();
    }
}

/// Prints the characters by which a terminal shows a picture: our own, with nothing in them that came from elsewhere.
pub(crate) fn picture(characters: &str) {
    let mut failure = remembered();
    if failure.is_none() {
        let mut out = io::stdout().lock();
        *failure = out.write_all(characters.as_bytes()).and_then(|()| out.flush()).err();
    }
}

/// Prints an object for programs on a line of standard output.
pub(crate) fn json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => write(&escaped(&text)),
        Err(error) => {
            remembered().get_or_insert_with(|| io::Error::other(error));
        }
    }
}

/// Whether nobody reads standard output any more, so that a command that only answers may stop.
pub(crate) fn nobody_reads() -> bool {
    remembered().as_ref().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// Whether something of what was printed has reached nobody.
pub(crate) fn was_lost() -> bool {
    remembered().is_some()
}

/// Why standard output could not be written, unless only because nobody reads it.
pub(crate) fn failure() -> Option<io::Error> {
    if let Err(error) = io::stdout().lock().flush() {
        remembered().get_or_insert(error);
    }
    remembered().take().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
}

fn write(line: &str) {
    let mut failure = remembered();
    if failure.is_none() {
        let mut out = io::stdout().lock();
        let written =
            out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
        *failure = written.err();
    }
}

/// Text without what would move a terminal's cursor, colour it or turn its reading direction.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            c if acts(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and marks, embeddings and isolates of direction.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// JSON in which such characters, which can only stand within its strings, are escaped.
fn escaped(json: &str) -> Cow<'_, str> {
    if !json.chars().any(acts) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match acts(c) {
            // All of them lie in the first plane.
            true => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => text.push(c),
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_shown_instead() {
        for (text, shown) in [
            ("José 🦀 李", "José 🦀 李"),
            ("E\u{1b}[31mRED\nNEXT", "E\\u{1b}[31mRED\\nNEXT"),
            ("a\u{9b}2Jb\u{7f}", "a\\u{9b}2Jb\\u{7f}"),
            ("photo\u{202e}gpj.exe", "photo\\u{202e}gpj.exe"),
        ] {
            assert_eq!(clean(text), shown);
        }
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = serde_json::json!({ "name": "a\u{9b}b\u{202e}c\n" });
        let text = escaped(&value.to_string()).into_owned();
        assert!(!text.chars().any(acts), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}

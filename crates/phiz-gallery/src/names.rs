//! Which texts can be a name, and when two names are one.
//!
//! One name has several spellings in Unicode: a keyboard writes `é` as one character (form NFC), a folder from a Mac
//! has `e` and an accent (form NFD). They look the same, so they are the same name here, whatever their case, the space
//! around them, the kind and number of spaces in them, and what nobody can see, such as the soft hyphens that come with text
//! from a web page. New names are stored in NFC. Galleries that an older Phiz made may hold other forms; they are
//! found by every spelling too, see [`spellings`].

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;

use crate::error::{Cause, ErrorKind, GalleryError, NameFault, Result};
use crate::model::Details;

/// A name as it is stored: in Unicode's form NFC, without the space around it or anything that nobody can see, and with one
/// space between two words.
///
/// # Errors
/// [`Cause::Name`] if it is blank, holds control characters, or reads like an id.
pub fn clean_name(name: &str) -> Result<String> {
    let fault = if name.chars().all(is_invisible) {
        NameFault::Blank
    } else if name.trim().chars().any(is_control) {
        NameFault::Control
    } else {
        let name = plain(name);
        if !is_like_an_id(&name) {
            return Ok(name);
        }
        NameFault::LikeAnId
    };
    Err(refused(fault))
}

fn refused(fault: NameFault) -> GalleryError {
    GalleryError::new(ErrorKind::Caller, fault.to_string())
        .with_hint("choose another name")
        .because(Cause::Name { fault })
}

/// A name without what cannot be seen, in form NFC.
fn plain(name: &str) -> String {
    let seen: String = name.chars().filter(|c| !is_unseen(*c)).nfc().collect();
    seen.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Changes nothing of what a name looks like, wherever it stands in it. The joiners, which shape letters of several scripts, and
/// the selectors of an emoji's form do.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || matches!(c, '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}')
}

/// Takes up space in no list, alone.
fn is_invisible(c: char) -> bool {
    let invisible = "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{2800}\u{3164}\u{feff}\u{ffa0}";
    c.is_whitespace()
        || ('\u{200b}'..='\u{200f}').contains(&c)
        || ('\u{2060}'..='\u{206f}').contains(&c)
        || ('\u{fe00}'..='\u{fe0f}').contains(&c)
        || invisible.contains(c)
}

fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `p7` in any case, and in letters and digits of other widths.
fn is_like_an_id(name: &str) -> bool {
    let plain: String = name.nfkc().collect::<String>().to_lowercase();
    let digits = plain.trim().strip_prefix(['p', 'f', 'n', 'o']);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What two spellings of one name have in common.
pub(crate) fn folded(name: &str) -> String {
    plain(&plain(name).to_lowercase())
}

/// All that an older Phiz may have made of a name to find it by, the present way first.
pub(crate) fn spellings(name: &str) -> Vec<String> {
    let decomposed: String = name.nfd().collect();
    let composed: String = name.nfc().collect();
    let lower = [name, &decomposed, &composed].map(|name| name.trim().to_lowercase());
    let recomposed: String = lower[2].nfc().collect();
    let mut all = vec![folded(name)];
    for other in lower.into_iter().chain([recomposed]) {
        if !all.contains(&other) {
            all.push(other);
        }
    }
    all
}

/// A label such as a watch list's name, in the spellings that it may be stored in.
pub(crate) fn forms(text: &str) -> Vec<String> {
    let mut all = vec![text.nfc().collect::<String>()];
    for other in [text.to_owned(), text.nfd().collect()] {
        if !all.contains(&other) {
            all.push(other);
        }
    }
    all
}

/// Whether two labels are the same but for their form.
pub(crate) fn same(one: &str, other: &str) -> bool {
    one == other || one.nfc().eq(other.nfc())
}

fn label(text: &str) -> Result<String> {
    let text: String = text.nfc().collect();
    let fault = if text.chars().all(is_invisible) {
        NameFault::Blank
    } else if text.chars().any(is_control) {
        NameFault::Control
    } else {
        return Ok(text);
    };
    Err(refused(fault))
}

/// Checks and cleans what differs from `before`, so that what an older Phiz has let in does not stand in the way.
pub(crate) fn clean(details: &mut Details, before: &Details) -> Result<()> {
    if details.name != before.name && !details.name.is_empty() {
        details.name = clean_name(&details.name)?;
    }
    let lists = std::mem::take(&mut details.lists).into_iter();
    let list = |text: String| if before.lists.contains(&text) { Ok(text) } else { label(&text) };
    details.lists = lists.map(list).collect::<Result<BTreeSet<String>>>()?;
    let attributes = std::mem::take(&mut details.attributes);
    for (key, value) in attributes {
        if before.attributes.get(&key) == Some(&value) {
            details.attributes.insert(key, value);
            continue;
        }
        if value.chars().any(is_control) {
            return Err(refused(NameFault::Control));
        }
        let key = if before.attributes.contains_key(&key) { key } else { label(&key)? };
        details.attributes.insert(key, value.nfc().collect());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_mislead_are_refused() {
        use NameFault::{Blank, Control, LikeAnId};
        for (name, wanted) in [
            ("Ana", Ok("Ana")),
            ("  Ana Lima\t", Ok("Ana Lima")),
            ("Jose\u{301}", Ok("Jos\u{e9}")),
            ("p", Ok("p")),
            ("p7a", Ok("p7a")),
            ("7", Ok("7")),
            ("نرگس\u{200c}جان", Ok("نرگس\u{200c}جان")),
            ("A\u{200b}na\u{ad} \u{a0} Lima\u{feff}", Ok("Ana Lima")),
            ("Jose\u{200b}\u{301}", Ok("Jos\u{e9}")),
            ("\u{2764}\u{fe0f}", Ok("\u{2764}\u{fe0f}")),
            ("", Err(Blank)),
            (" \t\n", Err(Blank)),
            ("\u{200b}", Err(Blank)),
            ("\u{3164}\u{2800}", Err(Blank)),
            ("E\u{1b}[31mRED", Err(Control)),
            ("two\nlines", Err(Control)),
            ("two\u{2028}lines", Err(Control)),
            ("nul\0", Err(Control)),
            ("\u{202e}anA", Err(Control)),
            ("\u{9b}31m", Err(Control)),
            ("p7", Err(LikeAnId)),
            ("P7", Err(LikeAnId)),
            (" f003 ", Err(LikeAnId)),
            ("N1", Err(LikeAnId)),
            ("o2", Err(LikeAnId)),
            ("\u{ff50}\u{ff17}", Err(LikeAnId)),
            ("p\u{200b}7", Err(LikeAnId)),
            ("p99999999999999999999", Err(LikeAnId)),
        ] {
            let done = clean_name(name);
            let done = done.as_deref().map_err(|e| e.cause().cloned());
            assert_eq!(done, wanted.map_err(|fault| Some(Cause::Name { fault })), "{name:?}");
        }
    }

    #[test]
    fn spellings_of_a_name_are_one() {
        let (composed, decomposed) = ("Jos\u{e9}", " JOSE\u{301} ");
        assert_eq!(folded(composed), folded(decomposed));
        for stored in ["jos\u{e9}", "jose\u{301}"] {
            assert!(spellings(composed).iter().any(|s| s == stored), "{stored:?}");
            assert!(spellings(decomposed).iter().any(|s| s == stored), "{stored:?}");
        }
        assert_eq!(spellings("ana"), ["ana"]);
        assert_eq!(folded("Ana Lima"), folded("ana\u{200b} \u{a0}lima\u{ad}"));
        // As an older Phiz has stored it.
        assert!(spellings("Ana \u{200b} Lima").contains(&"ana \u{200b} lima".to_owned()));
        assert!(same("\u{e9}quipe", "e\u{301}quipe") && !same("a", "b"));
        assert_eq!(forms("team"), ["team"]);
    }

    #[test]
    fn what_was_there_before_may_stay() {
        let before = Details { name: "p1".into(), ..Details::default() };
        let mut after = before.clone();
        after.lists.insert("e\u{301}quipe".into());
        clean(&mut after, &before).unwrap();
        assert_eq!(after.name, "p1");
        assert!(after.lists.contains("\u{e9}quipe"));
        for bad in ["", "a\nb"] {
            let mut after = before.clone();
            after.lists.insert(bad.into());
            assert!(clean(&mut after, &before).is_err(), "{bad:?}");
            let mut after = before.clone();
            after.attributes.insert(bad.into(), "x".into());
            assert!(clean(&mut after, &before).is_err(), "{bad:?}");
        }
    }
}

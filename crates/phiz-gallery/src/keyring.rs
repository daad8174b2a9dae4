//! The operating system's keyring: Secret Service (GNOME Keyring, KWallet, KeePassXC), macOS Keychain, Windows
//! Credential Manager.
//!
//! An entry holds what a key file would, under the service `phiz` and a name of its own, which stands in the
//! gallery's head. Built without the feature `keyring`, nothing is reached and everything is refused in words.

use zeroize::Zeroizing;

use crate::error::{ErrorKind, GalleryError, Result};

/// A fresh name for an entry. Names are never used twice, so that no key ever takes another's place.
pub(crate) fn entry_name() -> Result<String> {
    let mut id = [0; 8];
    crate::bytes::random(&mut id)?;
    Ok(format!("{PREFIX}{}", crate::bytes::hex(&id)))
}

/// Whether [`entry_name`] may have given this.
pub(crate) fn is_entry_name(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|id| id.len() == 16 && crate::bytes::unhex(id).is_some())
}

const PREFIX: &str = "gallery-";

/// Stores a text under a name.
pub(crate) fn store(name: &str, text: &str) -> Result<()> {
    #[cfg(feature = "keyring")]
    return entry(name)?.set_password(text).map_err(|e| refused(name, &e));
    #[cfg(not(feature = "keyring"))]
    return Err(absent(name, text));
}

/// The text under a name.
pub(crate) fn load(name: &str) -> Result<Zeroizing<String>> {
    #[cfg(feature = "keyring")]
    return entry(name)?.get_password().map(Zeroizing::new).map_err(|e| refused(name, &e));
    #[cfg(not(feature = "keyring"))]
    return Err(absent(name, ""));
}

/// Takes back an entry that was made for a gallery which then could not be made.
pub(crate) fn remove(name: &str) {
    #[cfg(feature = "keyring")]
    let _ = entry(name).and_then(|entry| entry.delete_credential().map_err(|e| refused(name, &e)));
    #[cfg(not(feature = "keyring"))]
    let _ = name;
}

#[cfg(feature = "keyring")]
fn entry(name: &str) -> Result<keyring::Entry> {
    // The library remembers why it found no keyring, and says only that there is none when asked for an entry.
    if let Err(e) = keyring::Entry::store_status() {
        return Err(refused(name, e));
    }
    keyring::Entry::new("phiz", name).map_err(|e| refused(name, &e))
}

#[cfg(feature = "keyring")]
fn refused(name: &str, error: &keyring::Error) -> GalleryError {
    let (kind, reason, hint) = match error {
        keyring::Error::NoEntry => (
            ErrorKind::WrongKey,
            format!("the keyring of this user holds no entry `{name}` of the service `phiz`"),
            "open the gallery as the user, and on the machine, that sealed it; without that entry nobody can open it",
        ),
        other => (
            ErrorKind::Io,
            format!("the operating system's keyring cannot be used ({other})"),
            "start and unlock it (GNOME Keyring, KWallet, KeePassXC on Linux); where there is none, seal by a key \
             file or a passphrase",
        ),
    };
    GalleryError::new(kind, reason).with_hint(hint)
}

#[cfg(not(feature = "keyring"))]
fn absent(name: &str, _: &str) -> GalleryError {
    let reason = format!("this Phiz was built without keyrings and cannot reach the entry `{name}`");
    GalleryError::new(ErrorKind::Caller, reason)
        .with_hint("build it with the feature `keyring`, or seal by a key file or a passphrase")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_entries_are_asked_for() {
        assert!(is_entry_name(&entry_name().unwrap()));
        for other in [
            "",
            "gallery-",
            "login",
            "gallery-0123456789abcde",
            "gallery-0123456789abcdeg",
            "gallery-\u{1b}[2J\0",
        ] {
            assert!(!is_entry_name(other), "{other:?}");
        }
    }
}

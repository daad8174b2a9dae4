//! Sealing: what lies on the disk says nothing about a face to whoever lacks the key.
//!
//! One random *data key* seals everything (XChaCha20-Poly1305, a nonce of its own for each value, the row's kind,
//! id and owner as associated data, so that sealed values cannot be moved between rows). The data key lies in the
//! store, *wrapped* by a key that a key file or the operating system's keyring holds, or that Argon2id derives from a
//! passphrase; changing that key rewraps 32 bytes. Lookups by name go over keyed hashes ([`Sealer::tag`]).
//!
//! Without a key values carry a checksum instead, under the same functions: damage is found either way.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{Key as CipherKey, Tag as CipherTag, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::bytes::{hex, random, unhex};
use crate::error::{Cause, ErrorKind, GalleryError, Result};
use crate::keyring;
use crate::store::Tag;

/// What opens a gallery.
#[derive(Clone)]
pub enum Key {
    /// Nothing: the gallery lies open on the disk.
    None,
    /// A file with a random key, made by [`Key::generate`] or with the gallery.
    File(PathBuf),
    /// Something that a person remembers; stretched by Argon2id.
    Passphrase(Zeroizing<String>),
    /// A random key in the operating system's keyring, under an entry of the gallery's own, which sealing makes.
    Keyring,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Key::None => f.write_str("None"),
            Key::File(path) => write!(f, "File({})", path.display()),
            Key::Passphrase(_) => f.write_str("Passphrase(…)"),
            Key::Keyring => f.write_str("Keyring"),
        }
    }
}

impl Key {
    /// A passphrase.
    #[must_use]
    pub fn passphrase(text: impl Into<String>) -> Key {
        Key::Passphrase(Zeroizing::new(text.into()))
    }

    /// Fails if nothing can be sealed by this key: a passphrase of blanks is none.
    pub(crate) fn check_new(&self) -> Result<()> {
        match self {
            Key::Passphrase(text) if text.trim().is_empty() => {
                Err(GalleryError::new(ErrorKind::Caller, "the passphrase is empty, which would seal nothing")
                    .with_hint("choose a passphrase of several words, or use a key file")
                    .because(Cause::EmptyPassphrase))
            }
            _ => Ok(()),
        }
    }

    /// Makes a key file, readable by its owner only. Never overwrites.
    ///
    /// # Errors
    /// The file exists or cannot be written.
    pub fn generate(path: &Path) -> Result<()> {
        let key = random_key()?;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let text = key_text(&key);
        let written = options.open(path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|e| GalleryError::io(path, &e))
    }

    /// Whether others than its owner may read a key file (known on Unix only).
    #[must_use]
    pub fn is_exposed(path: &Path) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o077 != 0)
        }
        #[cfg(not(unix))]
        {
            let _ = path;
            false
        }
    }
}

const KEY_FILE: &str = "phiz-key-1";
const NONCE: usize = 24;
const TAG: usize = 16;

type Secret = Zeroizing<[u8; 32]>;

/// How the data key is wrapped; part of the gallery's head, in the clear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", tag = "by")]
pub(crate) enum Wrap {
    File { data_key: String },
    Passphrase { data_key: String, salt: String, memory_kib: u32, passes: u32, lanes: u32 },
    Keyring { data_key: String, entry: String },
}

impl Wrap {
    /// Whether it may be acted on: whoever can write the file says which entry is asked for, and what is shown of it.
    pub(crate) fn is_sound(&self) -> bool {
        match self {
            Wrap::Keyring { entry, .. } => keyring::is_entry_name(entry),
            Wrap::File { .. } | Wrap::Passphrase { .. } => true,
        }
    }
}

/// What seals a gallery. In JSON it is the text that [`Display`](std::fmt::Display) gives; programs match on the type,
/// or on [`Seal::code`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seal {
    /// Nothing: it lies open.
    Nothing,
    /// A key file.
    KeyFile,
    /// A passphrase.
    Passphrase,
    /// A key in the operating system's keyring: the entry of this name, of the service `phiz`.
    Keyring(String),
}

impl Seal {
    pub(crate) fn of(wrap: Option<&Wrap>) -> Seal {
        match wrap {
            None => Seal::Nothing,
            Some(Wrap::File { .. }) => Seal::KeyFile,
            Some(Wrap::Passphrase { .. }) => Seal::Passphrase,
            Some(Wrap::Keyring { entry, .. }) => Seal::Keyring(entry.clone()),
        }
    }

    /// `nothing`, `key_file`, `passphrase` or `keyring`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Seal::Nothing => "nothing",
            Seal::KeyFile => "key_file",
            Seal::Passphrase => "passphrase",
            Seal::Keyring(_) => "keyring",
        }
    }
}

impl Serialize for Seal {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl std::fmt::Display for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Seal::Nothing => f.write_str("nothing"),
            Seal::KeyFile => f.write_str("key file"),
            Seal::Passphrase => f.write_str("passphrase"),
            Seal::Keyring(entry) => write!(f, "keyring (entry {entry})"),
        }
    }
}

/// Argon2id as RFC 9106 recommends for little memory: 64 MiB, 3 passes (one lane: we run on one thread).
const ARGON: (u32, u32, u32) = (64 * 1024, 3, 1);

/// Seals and opens values.
pub(crate) struct Sealer {
    cipher: Option<XChaCha20Poly1305>,
    data_key: Option<Secret>,
    names: Secret,
    prefix: [u8; 16],
    counter: AtomicU64,
}

impl Sealer {
    /// For values that only carry checksums.
    pub(crate) fn open_to_all() -> Sealer {
        let (names, prefix) = (Zeroizing::new([0; 32]), [0; 16]);
        Sealer { cipher: None, data_key: None, names, prefix, counter: AtomicU64::new(0) }
    }

    /// With a fresh data key.
    pub(crate) fn fresh() -> Result<Sealer> {
        Sealer::with(random_key()?)
    }

    fn with(data_key: Secret) -> Result<Sealer> {
        let mut prefix = [0; 16];
        random(&mut prefix)?;
        Ok(Sealer {
            cipher: Some(XChaCha20Poly1305::new(CipherKey::from_slice(&*derive(&data_key, b"phiz values")))),
            names: derive(&data_key, b"phiz tags"),
            data_key: Some(data_key),
            // 128 random bits for this process and a count within it: no nonce comes twice.
            prefix,
            counter: AtomicU64::new(0),
        })
    }

    /// Another with the same data key. Its nonces begin anew from other random bits.
    pub(crate) fn again(&self) -> Result<Sealer> {
        match &self.data_key {
            Some(data_key) => Sealer::with(data_key.clone()),
            None => Ok(Sealer::open_to_all()),
        }
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.cipher.is_some()
    }

    /// The data key under another key; none where nothing is sealed. With [`Key::Keyring`] this makes an
    /// entry, which opens nothing if the gallery can then not be written.
    pub(crate) fn wrap(&self, key: &Key, bound_to: &[u8]) -> Result<Option<Wrap>> {
        key.check_new()?;
        let Some(data_key) = &self.data_key else { return Ok(None) };
        let seal = |outer: &Secret| -> Result<String> {
            Ok(hex(&Sealer::with(outer.clone())?.seal(bound_to, data_key.as_slice())?))
        };
        Ok(match key {
            Key::None => None,
            Key::File(path) => Some(Wrap::File { data_key: seal(&read_key_file(path)?)? }),
            Key::Passphrase(text) => {
                let mut salt = [0; 16];
                random(&mut salt)?;
                let (memory_kib, passes, lanes) = ARGON;
                let outer = stretch(&composed(text), &salt, ARGON)?;
                Some(Wrap::Passphrase {
                    data_key: seal(&outer)?,
                    salt: hex(&salt),
                    memory_kib,
                    passes,
                    lanes,
                })
            }
            Key::Keyring => {
                let (outer, entry) = (random_key()?, keyring::entry_name()?);
                let data_key = seal(&outer)?;
                keyring::store(&entry, &key_text(&outer))?;
                Some(Wrap::Keyring { data_key, entry })
            }
        })
    }

    /// The sealer whose data key was wrapped.
    pub(crate) fn unwrap(wrap: &Wrap, key: &Key, bound_to: &[u8]) -> Result<Sealer> {
        let wrong = |reason: &str| GalleryError::new(ErrorKind::WrongKey, reason);
        let (outer, sealed) = match (wrap, key) {
            (Wrap::File { data_key }, Key::File(path)) => (read_key_file(path)?, data_key),
            (Wrap::Passphrase { data_key, salt, memory_kib, passes, lanes }, Key::Passphrase(text)) => {
                let salt = unhex(salt).ok_or_else(|| GalleryError::damaged("the gallery's head"))?;
                let sealed = unhex(data_key).ok_or_else(|| GalleryError::damaged("the gallery's head"))?;
                for text in typed(text) {
                    let outer = stretch(&text, &salt, (*memory_kib, *passes, *lanes))?;
                    if let Some(sealer) = Sealer::behind(outer, &sealed, bound_to)? {
                        return Ok(sealer);
                    }
                }
                return Err(wrong("the passphrase does not open this gallery"));
            }
            (Wrap::Keyring { data_key, entry }, Key::Keyring) => (read_keyring(entry)?, data_key),
            (Wrap::File { .. }, _) => return Err(wrong("the gallery is sealed by a key file")),
            (Wrap::Passphrase { .. }, _) => return Err(wrong("the gallery is sealed by a passphrase")),
            (Wrap::Keyring { .. }, _) => {
                return Err(wrong("the gallery is sealed by a key in the operating system's keyring"));
            }
        };
        let sealed = unhex(sealed).ok_or_else(|| GalleryError::damaged("the gallery's head"))?;
        Sealer::behind(outer, &sealed, bound_to)?.ok_or_else(|| wrong("the key does not open this gallery"))
    }

    /// The sealer whose data key a key opens; none if it is the wrong key.
    fn behind(outer: Secret, sealed: &[u8], bound_to: &[u8]) -> Result<Option<Sealer>> {
        let bytes = Sealer::with(outer)?.open(bound_to, sealed).map(Zeroizing::new);
        let data_key = bytes.and_then(|bytes| bytes.as_slice().try_into().ok().map(Zeroizing::new));
        data_key.map(Sealer::with).transpose()
    }

    /// `nonce ‖ tag ‖ ciphertext`, or `checksum ‖ value`.
    pub(crate) fn seal(&self, bound_to: &[u8], value: &[u8]) -> Result<Vec<u8>> {
        let Some(cipher) = &self.cipher else {
            let mut out = Vec::with_capacity(TAG + value.len());
            out.extend_from_slice(&checksum(bound_to, value));
            out.extend_from_slice(value);
            return Ok(out);
        };
        let mut out = vec![0; NONCE + TAG + value.len()];
        out[..16].copy_from_slice(&self.prefix);
        out[16..NONCE].copy_from_slice(&self.counter.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        let (head, body) = out.split_at_mut(NONCE + TAG);
        body.copy_from_slice(value);
        let tag = cipher
            .encrypt_in_place_detached(XNonce::from_slice(&head[..NONCE]), bound_to, body)
            .map_err(|_| GalleryError::new(ErrorKind::Caller, "a value is too long to be sealed"))?;
        head[NONCE..].copy_from_slice(&tag);
        Ok(out)
    }

    /// The value, or none if this is not what was sealed, bound to this.
    pub(crate) fn open(&self, bound_to: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let Some(cipher) = &self.cipher else {
            let (sum, value) = sealed.split_at_checked(TAG)?;
            return (sum == checksum(bound_to, value)).then(|| value.to_vec());
        };
        let (head, body) = sealed.split_at_checked(NONCE + TAG)?;
        let mut value = body.to_vec();
        let (nonce, tag) = (XNonce::from_slice(&head[..NONCE]), CipherTag::from_slice(&head[NONCE..]));
        cipher.decrypt_in_place_detached(nonce, bound_to, &mut value, tag).ok()?;
        Some(value)
    }

    /// By what a row is found without being opened: a keyed hash, so that guesses cannot be tried without the key.
    pub(crate) fn tag(&self, what: &str, value: &[u8]) -> Tag {
        let mut mac = mac(&*self.names);
        mac.update(what.as_bytes());
        mac.update(&[0]);
        mac.update(value);
        let hash = mac.finalize().into_bytes();
        std::array::from_fn(|i| hash[i])
    }
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    // HMAC takes a key of any length; there is no other way for this to fail.
    <Hmac<Sha256> as Mac>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"))
}

fn derive(key: &Secret, label: &[u8]) -> Secret {
    let mut mac = mac(key.as_slice());
    mac.update(label);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn checksum(bound_to: &[u8], value: &[u8]) -> [u8; TAG] {
    let mut hash = Sha256::new();
    hash.update((bound_to.len() as u64).to_le_bytes());
    hash.update(bound_to);
    hash.update(value);
    let hash = hash.finalize();
    std::array::from_fn(|i| hash[i])
}

fn stretch(text: &str, salt: &[u8], (memory_kib, passes, lanes): (u32, u32, u32)) -> Result<Secret> {
    // The figures come from the file: one that asks for all memory is damaged or hostile.
    if memory_kib > 1 << 20 || passes > 64 || lanes > 16 {
        return Err(GalleryError::damaged("the gallery's head"));
    }
    let mut out = Zeroizing::new([0; 32]);
    argon2::Params::new(memory_kib, passes, lanes, Some(32))
        .map(|params| argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params))
        .and_then(|argon| argon.hash_password_into(text.as_bytes(), salt, out.as_mut_slice()))
        .map_err(|e| GalleryError::new(ErrorKind::Caller, format!("the passphrase cannot be used ({e})")))?;
    Ok(out)
}

/// A passphrase as new galleries take it: keyboards and systems spell an `é` differently.
fn composed(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.nfc().collect())
}

/// What a person may have typed when the gallery was sealed: Unicode's form NFC, or, by an older Phiz, anything that
/// reads the same. Plain letters have one form only.
fn typed(text: &str) -> Vec<Zeroizing<String>> {
    let mut all = vec![composed(text)];
    for other in [text.to_owned(), text.nfd().collect()].map(Zeroizing::new) {
        if !all.contains(&other) {
            all.push(other);
        }
    }
    all
}

fn read_key_file(path: &Path) -> Result<Secret> {
    let mut text = Zeroizing::new(String::new());
    // A key file is one short line; more is another file, which need not be read to its end.
    let read = std::fs::File::open(path).and_then(|file| file.take(1024).read_to_string(&mut text));
    read.map_err(|e| {
        GalleryError::new(ErrorKind::WrongKey, format!("the key file cannot be read ({e})"))
            .at(path)
            .with_hint("without its key file a sealed gallery cannot be opened by anyone: restore the file")
    })?;
    parse_key(&text).ok_or_else(|| {
        GalleryError::new(ErrorKind::WrongKey, format!("is no key file: it does not read `{KEY_FILE} …`"))
            .at(path)
    })
}

fn read_keyring(entry: &str) -> Result<Secret> {
    parse_key(&keyring::load(entry)?).ok_or_else(|| {
        let reason = format!("the keyring's entry `{entry}` does not read `{KEY_FILE} …`");
        GalleryError::new(ErrorKind::WrongKey, reason)
            .with_hint("restore that entry from a copy of the keyring")
    })
}

/// A key as a key file and a keyring's entry hold it.
fn key_text(key: &Secret) -> Zeroizing<String> {
    Zeroizing::new(format!("{KEY_FILE} {}\n", hex(key.as_slice())))
}

fn parse_key(text: &str) -> Option<Secret> {
    let bytes = Zeroizing::new(unhex(text.trim().strip_prefix(KEY_FILE)?.trim())?);
    bytes.as_slice().try_into().ok().map(Zeroizing::new)
}

pub(crate) fn random_key() -> Result<Secret> {
    let mut key = Zeroizing::new([0; 32]);
    random(key.as_mut_slice())?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> [Sealer; 2] {
        [Sealer::fresh().unwrap(), Sealer::open_to_all()]
    }

    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        for sealer in both() {
            for value in [&b""[..], b"x", &[7; 5000]] {
                let sealed = sealer.seal(b"row 1", value).unwrap();
                assert_eq!(sealer.open(b"row 1", &sealed).as_deref(), Some(value));
                assert_eq!(sealer.open(b"row 2", &sealed), None, "moved to another row");
                for at in (0..sealed.len()).step_by(37.min(sealed.len())) {
                    let mut flipped = sealed.clone();
                    flipped[at] ^= 1;
                    assert_eq!(sealer.open(b"row 1", &flipped), None, "byte {at}");
                }
                for cut in [0, 1, 15, 16, 40] {
                    if cut < sealed.len() {
                        assert_eq!(sealer.open(b"row 1", &sealed[..cut]), None, "cut at {cut}");
                    }
                }
            }
        }
    }

    #[test]
    fn equal_values_look_different_and_tags_need_the_key() {
        let [one, _] = both();
        let [other, _] = both();
        assert_ne!(one.seal(b"", b"same").unwrap(), one.seal(b"", b"same").unwrap());
        assert_eq!(one.tag("name", b"ana"), one.tag("name", b"ana"));
        assert_ne!(one.tag("name", b"ana"), one.tag("list", b"ana"));
        assert_ne!(one.tag("name", b"ana"), other.tag("name", b"ana"));
    }

    #[test]
    fn a_passphrase_is_one_in_all_its_spellings() {
        let sealer = Sealer::fresh().unwrap();
        let (composed, decomposed) = ("cr\u{e8}me br\u{fb}l\u{e9}e", "cre\u{300}me bru\u{302}le\u{301}e");
        for sealed_by in [composed, decomposed] {
            let wrap = sealer.wrap(&Key::passphrase(sealed_by), b"").unwrap().unwrap();
            for opened_by in [composed, decomposed] {
                assert!(Sealer::unwrap(&wrap, &Key::passphrase(opened_by), b"").is_ok(), "{opened_by:?}");
            }
            assert!(Sealer::unwrap(&wrap, &Key::passphrase("creme brulee"), b"").is_err());
        }
        // An older Phiz took the bytes as they came, and an empty text for a passphrase.
        for old in [decomposed, composed, ""] {
            let salt = [7; 16];
            let outer = Sealer::with(stretch(old, &salt, (8, 1, 1)).unwrap()).unwrap();
            let data_key = hex(&outer.seal(b"", sealer.data_key.as_ref().unwrap().as_slice()).unwrap());
            let wrap = Wrap::Passphrase { data_key, salt: hex(&salt), memory_kib: 8, passes: 1, lanes: 1 };
            assert!(Sealer::unwrap(&wrap, &Key::passphrase(old), b"").is_ok(), "{old:?}");
            let other = if old == composed { decomposed } else { composed };
            assert_eq!(Sealer::unwrap(&wrap, &Key::passphrase(other), b"").is_ok(), !old.is_empty());
        }
        for blank in ["", " ", "\t\n", "\u{a0}"] {
            let error = sealer.wrap(&Key::passphrase(blank), b"").unwrap_err();
            assert_eq!(error.cause(), Some(&Cause::EmptyPassphrase), "{blank:?}");
        }
    }

    #[test]
    fn only_the_right_key_unwraps() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        Key::generate(&path("a")).unwrap();
        Key::generate(&path("b")).unwrap();
        assert!(Key::generate(&path("a")).is_err(), "never overwritten");
        assert!(!Key::is_exposed(&path("a")));
        std::fs::write(path("c"), "no key").unwrap();
        let sealer = Sealer::fresh().unwrap();
        let sealed = sealer.seal(b"", b"value").unwrap();
        let keys = [
            Key::File(path("a")),
            Key::File(path("b")),
            Key::File(path("c")),
            Key::File(path("absent")),
            Key::passphrase("correct horse"),
            Key::passphrase("battery staple"),
            Key::None,
        ];
        for right in [0, 4] {
            let wrap = sealer.wrap(&keys[right], b"gallery").unwrap().unwrap();
            for (i, key) in keys.iter().enumerate() {
                match Sealer::unwrap(&wrap, key, b"gallery") {
                    Ok(opened) => {
                        assert_eq!(i, right);
                        assert_eq!(opened.open(b"", &sealed).unwrap(), b"value");
                    }
                    Err(e) => assert!(i != right && e.kind() == ErrorKind::WrongKey, "{i} for {right}: {e}"),
                }
            }
            assert!(Sealer::unwrap(&wrap, &keys[right], b"another gallery").is_err());
        }
    }
}

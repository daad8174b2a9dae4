//! Random secrets and what is kept of them: keys and sessions as SHA-256 (they have 256 random bits, so a slow hash would
//! add nothing), passphrases as Argon2id.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// What a key begins with, so that scanners for leaked secrets can find it.
pub(crate) const PREFIX: &str = "phiz_";
/// The least characters of a passphrase.
pub(crate) const LEAST_PASSPHRASE: usize = 12;
/// More would only keep the hash busy.
const MOST_PASSPHRASE: usize = 1024;

/// Bytes from the operating system's generator.
///
/// # Errors
/// It has none, which ends the work: nothing that follows would be secret.
pub(crate) fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| std::io::Error::other(e.to_string()))?;
    Ok(bytes)
}

/// A new secret of 256 bits as text.
pub(crate) fn token() -> std::io::Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// A new key for programs.
pub(crate) fn key() -> std::io::Result<String> {
    Ok(format!("{PREFIX}{}", token()?))
}

/// What is kept of a secret with 256 random bits.
pub(crate) fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// A code derived from a secret for another purpose.
pub(crate) fn derived(secret: &[u8], purpose: &str, data: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return [0; 32] };
    mac.update(purpose.as_bytes());
    mac.update(&[0]);
    mac.update(data);
    mac.finalize().into_bytes().into()
}

/// The same as text.
pub(crate) fn derived_text(secret: &str, purpose: &str) -> String {
    URL_SAFE_NO_PAD.encode(derived(secret.as_bytes(), purpose, &[]))
}

/// Whether two texts are the same, in a time that does not tell where they differ.
pub(crate) fn same(a: &str, b: &str) -> bool {
    digest(a).ct_eq(&digest(b)).into()
}

/// Why a text is no passphrase to be set.
pub(crate) fn passphrase_fault(text: &str) -> Option<String> {
    let length = text.chars().count();
    if length < LEAST_PASSPHRASE {
        return Some(format!("has {length} characters; {LEAST_PASSPHRASE} are needed"));
    }
    if text.len() > MOST_PASSPHRASE {
        return Some(format!("is longer than {MOST_PASSPHRASE} bytes"));
    }
    let first = text.chars().next();
    if text.chars().all(|c| Some(c) == first || c.is_whitespace()) {
        return Some("is one character over and over".into());
    }
    None
}

/// OWASP's first choice for Argon2id: 19 MiB, two passes.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19 * 1024, 2, 1, None).unwrap_or_default())
}

/// What is kept of a passphrase.
pub(crate) fn hash_passphrase(text: &str) -> std::io::Result<String> {
    let salt = SaltString::from_b64(&STANDARD_NO_PAD.encode(random::<16>()?))
        .map_err(|e| std::io::Error::other(e.to_string()))?;
    let hash = argon2().hash_password(text.as_bytes(), &salt);
    Ok(hash.map_err(|e| std::io::Error::other(e.to_string()))?.to_string())
}

/// Whether a passphrase is the one that was hashed.
pub(crate) fn verify_passphrase(text: &str, hash: &str) -> bool {
    if text.len() > MOST_PASSPHRASE {
        return false;
    }
    PasswordHash::new(hash).is_ok_and(|hash| argon2().verify_password(text.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passphrases_verify_and_others_do_not() {
        let hash = hash_passphrase("correct horse battery").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify_passphrase("correct horse battery", &hash));
        for wrong in ["correct horse batterz", "", "correct horse battery "] {
            assert!(!verify_passphrase(wrong, &hash), "{wrong}");
        }
        assert!(!verify_passphrase("x", "no hash"));
        assert_ne!(hash, hash_passphrase("correct horse battery").unwrap(), "each hash has its own salt");
    }

    #[test]
    fn weak_passphrases_are_told_why() {
        assert!(passphrase_fault("short").unwrap().contains("12"));
        assert!(passphrase_fault("aaaaaaaaaaaaaaa").is_some());
        assert!(passphrase_fault(&"ab".repeat(600)).is_some());
        assert_eq!(passphrase_fault("zwölf zeichen"), None);
    }

    #[test]
    fn keys_are_long_and_differ() {
        let (a, b) = (key().unwrap(), key().unwrap());
        assert!(a.starts_with(PREFIX) && a.len() == PREFIX.len() + 43 && a != b);
        assert!(same(&a, &a) && !same(&a, &b));
        assert_ne!(derived_text(&a, "csrf"), derived_text(&b, "csrf"));
    }
}

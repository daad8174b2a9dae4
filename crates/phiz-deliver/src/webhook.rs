//! Webhooks: an event is the body of a POST, signed.
//!
//! `Phiz-Signature: v1=HEX` is HMAC-SHA256 over `TIMESTAMP.BODY` with the secret, where `Phiz-Timestamp` holds the seconds since
//! 1970 at which it was sent. Whoever receives it computes the same over the bytes as they came, compares, and refuses what is
//! older than five minutes. `Phiz-Event-Id` is the same each time an event is sent.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::deliverer::{Failed, Target};
use crate::{DeliverError, Result, hex, key_of, origin, tls};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Whoever guesses a shorter one can tell events of their own.
const SHORTEST_SECRET: usize = 16;

/// The signature of a body that is sent at a time: the value of `Phiz-Signature`.
#[must_use]
pub fn signature(secret: &[u8], timestamp: u64, body: &[u8]) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("v1={}", hex(&mac.finalize().into_bytes()))
}

/// The secret that a file holds, and whether it was made just now: a file that is missing is made, with a fresh secret, if
/// `make` says so.
///
/// # Errors
/// The file cannot be read or made, or the secret is shorter than 16 characters.
pub fn secret_of(file: &Path, make: bool) -> Result<(Vec<u8>, bool)> {
    let fault = |reason: String| DeliverError::Secret { file: file.display().to_string(), reason };
    let made = make && !file.exists();
    if made {
        let fresh = hex(&crate::random::<32>()?);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(file).and_then(|mut file| {
            use std::io::Write as _;
            file.write_all(format!("{fresh}\n").as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| fault(format!("cannot be written ({error})")))?;
    }
    let text = std::fs::read(file).map_err(|error| fault(format!("cannot be read ({error})")))?;
    let text = text.trim_ascii().to_vec();
    if text.len() < SHORTEST_SECRET {
        return Err(fault(format!("the secret is shorter than {SHORTEST_SECRET} characters")));
    }
    Ok((text, made))
}

/// A program that is called by HTTP.
pub struct Webhook {
    url: String,
    secret: Vec<u8>,
    agent: ureq::Agent,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("url", &origin(&self.url)).finish_non_exhaustive()
    }
}

impl Webhook {
    /// A webhook at an address, signed with a secret that both sides know.
    ///
    /// # Errors
    /// The address is none of HTTP.
    pub fn new(url: &str, secret: Vec<u8>) -> Result<Webhook> {
        let wrong = |reason: &str| DeliverError::Address { what: origin(url), reason: reason.into() };
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(wrong("is no http:// or https:// address"));
        }
        let parsed: std::result::Result<ureq::http::Uri, _> = url.parse();
        if !parsed.is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty())) {
            return Err(wrong("is no address"));
        }
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // What is signed for one address is not carried to another.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(PATIENCE))
            .user_agent(concat!("phiz/", env!("CARGO_PKG_VERSION")));
        if url.starts_with("https://") {
            config = config.tls_config(tls::of_ureq());
        }
        Ok(Webhook { url: url.into(), secret, agent: config.build().new_agent() })
    }
}

impl Target for Webhook {
    fn key(&self) -> String {
        key_of("webhook", &self.url)
    }

    fn name(&self) -> String {
        origin(&self.url)
    }

    fn deliver(&mut self, id: &str, _: f64, body: &str) -> std::result::Result<(), Failed> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let sent = self
            .agent
            .post(&self.url)
            .header("Content-Type", "application/json")
            .header("Phiz-Event-Id", id)
            .header("Phiz-Timestamp", now.to_string())
            .header("Phiz-Signature", signature(&self.secret, now, body.as_bytes()))
            .send(body.as_bytes());
        let status = match sent {
            Ok(answer) => answer.status().as_u16(),
            // It may name the address, and with it a secret.
            Err(error) => {
                return Err(Failed::Later(error.to_string().replace(&self.url, &origin(&self.url))));
            }
        };
        match status {
            200..=299 => Ok(()),
            408 | 409 | 425 | 429 | 500..=599 => Err(Failed::Later(format!("it answers {status}"))),
            300..=399 => Err(Failed::Refused(format!("it answers {status} and names another address"))),
            _ => Err(Failed::Refused(format!("it answers {status}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_that_others_compute() {
        // printf '1700000000.{"event":"appeared"}' | openssl dgst -sha256 -hmac secret
        let known = "v1=df9419309394b85b6b13397e2977f756e0da34af7cc04ebd6e2747ec3f750664";
        assert_eq!(signature(b"secret", 1_700_000_000, br#"{"event":"appeared"}"#), known);
        assert_ne!(signature(b"secret", 1_700_000_001, br#"{"event":"appeared"}"#), known);
    }

    #[test]
    fn a_secret_is_made_once_and_short_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webhook.secret");
        assert!(secret_of(&path, false).unwrap_err().to_string().contains("cannot be read"));
        let (secret, made) = secret_of(&path, true).unwrap();
        assert!(made && secret.len() == 64);
        assert_eq!(secret_of(&path, true).unwrap(), (secret, false));
        std::fs::write(&path, "  short\n").unwrap();
        let error = secret_of(&path, true).unwrap_err();
        assert!(error.to_string().contains("shorter than 16") && error.hint().contains("openssl"), "{error}");
    }

    #[test]
    fn addresses_are_checked_and_their_secrets_not_told() {
        for wrong in ["ftp://a/b", "example.org", "http://", "https:///x"] {
            assert!(Webhook::new(wrong, Vec::new()).is_err(), "{wrong}");
        }
        let hook = Webhook::new("http://u:pw@127.0.0.1:1/a?token=s3cret", Vec::new()).unwrap();
        assert_eq!(hook.name(), "http://127.0.0.1:1");
        assert!(!format!("{hook:?} {}", hook.key()).contains("s3cret"));
    }
}

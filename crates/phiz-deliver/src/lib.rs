//! Events on their way to other programs: kept until they are delivered, delivered in their order, signed, each once by its
//! id. Knows no face and no video: an event is a JSON object with an id.
//!
//! ```no_run
//! use std::time::Duration;
//! use phiz_deliver::{Deliverer, Message, Outbox, Webhook};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let outbox = Outbox::open("outbox.db".as_ref(), None)?;
//! let webhook = Webhook::new("https://house.example/phiz", b"a secret of both sides".to_vec())?;
//! let target = phiz_deliver::Target::key(&webhook);
//! let deliverer = Deliverer::start(outbox.clone(), Box::new(webhook), |told| eprintln!("{told}"))?;
//! let body = r#"{"event":"appeared"}"#.to_owned();
//! outbox.put(&Message { id: "e1".into(), at: 1_700_000_000.0, body }, &[target], &[])?;
//! let left = deliverer.finish(Duration::from_secs(10));
//! # Ok(()) }
//! ```
//!
//! An [`Outbox`] is a file. What was [put](Outbox::put) there is delivered, by this process or by a later one, until the
//! receiver has said that it has it. If the process ends between that answer and the note that is made of it, the event is
//! sent again, with the same id and the same bytes: whoever keeps the ids of the last hour gets each event once.

mod deliverer;
mod mqtt;
mod outbox;
mod tls;
mod webhook;

pub use deliverer::{Deliverer, Failed, Keyed, Target, Told};
pub use mqtt::{Mqtt, Stream, slug};
pub use outbox::{Message, Outbox, State};
pub use webhook::{Webhook, secret_of, signature};

/// Why events cannot be kept or a target cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliverError {
    /// The outbox cannot be read or written.
    #[error("{file}: {reason}")]
    Outbox {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// An address is none.
    #[error("{what}: {reason}")]
    Address {
        /// Which address: without credentials.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// The secret that signs webhooks cannot be used.
    #[error("{file}: {reason}")]
    Secret {
        /// Its file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// The operating system refuses a thread, random numbers or certificates.
    #[error("{0}")]
    System(String),
}

impl DeliverError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            DeliverError::Outbox { .. } => {
                "check that the folder may be written to and has free space; a damaged outbox can be deleted, with the events \
                 that wait in it"
            }
            DeliverError::Address { .. } => {
                "a webhook is an http:// or https:// address, a broker mqtt://HOST or mqtts://HOST, with USER:PASSWORD@ before \
                 the host if it asks for them"
            }
            DeliverError::Secret { .. } => {
                "name a file that holds the secret of both sides, of 16 characters or more; openssl rand -hex 32 makes one"
            }
            DeliverError::System(_) => "check the operating system's limits and its certificates",
        }
    }
}

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, DeliverError>;

/// An address without credentials and without what follows `?`, for messages.
#[must_use]
pub fn shown(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.into() };
    let place = rest.split(['?', '#']).next().unwrap_or(rest);
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    format!("{scheme}://{place}")
}

/// Scheme, host and port of an address: the path of a webhook often holds its secret.
#[must_use]
pub fn origin(address: &str) -> String {
    let shown = shown(address);
    let Some((scheme, rest)) = shown.split_once("://") else { return shown };
    format!("{scheme}://{}", rest.split('/').next().unwrap_or(rest))
}

/// Random bytes of the operating system.
///
/// # Errors
/// It has none.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| DeliverError::System(format!("no random numbers ({error})")))?;
    Ok(bytes)
}

/// Bytes as hexadecimal text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the target of a key shows who is there, besides events: it must hear of events that are held back, too.
#[must_use]
pub fn keeps_state(target: &str) -> bool {
    target.starts_with("mqtt:")
}

/// Text by which a target is known in the outbox, without telling its address.
pub(crate) fn key_of(kind: &str, address: &str) -> String {
    use sha2::Digest as _;
    format!("{kind}:{}", &hex(&sha2::Sha256::digest(address.as_bytes()))[..16])
}

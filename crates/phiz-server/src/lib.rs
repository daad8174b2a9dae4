//! The HTTP API over `phiz-service` and `phiz-gallery`, with the page inside. It presents: what is decided about a face is
//! decided there. It adds transport, who a caller is and what they may do, limits, and an account of who did what.
//!
//! ```no_run
//! use phiz_server::{Server, Settings, asked_to_stop};
//! use phiz_service::{Place, Service};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let home = std::path::Path::new("/var/lib/phiz");
//! let place = Place { home: Some(home.into()), ..Place::default() };
//! let server = Server::prepare(Settings::default(), home, &place, Service::new()?)?;
//! println!("open {}", server.listening()?.url);
//! server.run(asked_to_stop())?;
//! # Ok(()) }
//! ```
//!
//! # How a request travels
//! `server` takes the connection; `guard` checks host and caller, holds rates, writes changes down and does them once;
//! `routes` reads what was sent (`body`, `look`), asks the service on a thread of the `pool`, and answers in the shapes of
//! `wire`. Whatever goes wrong is an `error` of one form.

mod app;
mod archives;
mod body;
mod book;
mod deliveries;
mod error;
mod galleries;
mod guard;
mod jobs;
mod limits;
mod look;
mod metrics;
mod openapi;
mod page;
mod pool;
mod routes;
mod secret;
mod seen;
mod server;
pub mod settings;
mod stream_wire;
mod streams;
mod tls;
mod wire;

pub use book::{AuditEntry, Book, KeyInfo, Scope};
pub use error::Code;
pub use openapi::json as openapi_json;
pub use server::{Listening, Server, ServerError, asked_to_stop, settings_file};
pub use settings::Settings;

//! `phiz serve`: the HTTP API and the page.

use clap::Args;
use phiz_server::settings::LogFormat;
use phiz_server::{Listening, Server, ServerError, Settings, asked_to_stop};
use serde_json::json;

use super::config::SettingArguments;
use super::out::{self, note};
use super::{Done, Failure, Shared};

/// Arguments of `phiz serve`.
#[derive(Args)]
#[command(after_help = "Examples:
  phiz serve                               for this computer; prints the address to open
  phiz serve --listen 0.0.0.0:7449         for the network, once a passphrase or a key exists

It ends with Ctrl-C, after it has finished what it was asked.")]
pub(crate) struct Arguments {
    /// Address and port to listen on [default: 127.0.0.1:7449]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Print one JSON object when the server is ready, with its address
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: SettingArguments,
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Failure {
        match error {
            ServerError::Service(error) => error.into(),
            error => {
                let hint = error.hint();
                Failure::new(error).hint(hint)
            }
        }
    }
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let mut more: Vec<(String, String)> = Vec::new();
    more.extend(arguments.listen.iter().map(|listen| ("listen".to_owned(), listen.clone())));
    more.extend(shared.threads.map(|threads| ("workers".to_owned(), threads.to_string())));
    let settings = arguments.from.read(shared, &more)?;
    start_log(&settings)?;
    let (home, place) = (shared.home()?, shared.place()?);
    let server = Server::prepare(settings, &home, &place, shared.service()?)?;
    let at = server.listening()?;
    match arguments.json {
        true => out::json(&json!({ "address": at.address, "url": at.url, "setup_needed": at.setup_needed,
            "held_back": at.held_back, "fingerprint": at.fingerprint })),
        false => tell(&at),
    }
    server.run(asked_to_stop())?;
    Ok(Done::Well)
}

fn tell(at: &Listening) {
    if at.setup_needed {
        note!("nobody has set a passphrase or made a key yet, so only this computer can connect");
        if let Some(wanted) = at.held_back {
            note!("as soon as that is done, {wanted} is listened to as well");
        }
        note!("open this address to set a passphrase: {}", at.url);
        note!("or make a key for a program:           phiz key new --scope admin");
    } else {
        note!("listening on {}", at.address);
        note!("open {}", at.url);
    }
    if let Some(fingerprint) = &at.fingerprint {
        note!(
            "the certificate was made here; compare its SHA-256 when your browser warns of it: {fingerprint}"
        );
    }
}

fn start_log(settings: &Settings) -> Result<(), Failure> {
    let filter = settings.log.parse::<tracing_subscriber::EnvFilter>().map_err(|e| {
        Failure::new(format!("log: {e}"))
            .hint("use error, warn, info or debug, or a filter such as phiz_server=debug,info")
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    let started = match settings.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    started.map_err(|e| Failure::new(format!("the log cannot be started: {e}")))
}

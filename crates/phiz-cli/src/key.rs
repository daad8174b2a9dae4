//! `phiz key`: the keys by which programs may call the server.

use clap::{Args, Subcommand};
use phiz_server::{Book, Scope};
use serde_json::json;

use super::out::{self, note, say};
use super::{Done, Failure, Shared, table};

/// Arguments of `phiz key`.
#[derive(Args)]
#[command(after_help = "Example:
  phiz key new --scope read --name door    print a key by which a program may recognise people")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make a key and print it. It is shown only this once: what is kept of it does not open anything
    New {
        /// What the key allows: read (recognise and look), enrol (also change people and faces) or admin (everything)
        #[arg(long, value_name = "SCOPE")]
        scope: Scope,
        /// What the key is for, to tell keys apart
        #[arg(long, value_name = "NAME", default_value = "")]
        name: String,
        /// Confine the key to this gallery of the server; repeat it for several [default: all]
        #[arg(long = "only", value_name = "GALLERY")]
        only: Vec<String>,
        /// Print a JSON object with the key and what is kept of it
        #[arg(long)]
        json: bool,
    },
    /// List the keys, without what they consist of
    List {
        /// Print one JSON object per key, one per line
        #[arg(long)]
        json: bool,
    },
    /// Take keys back: programs that use them are refused from now on
    Revoke {
        /// The keys, by id (k12, see `phiz key list`)
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
        /// Print one JSON object per key, one per line
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let home = shared.home()?;
    let mut folders = std::fs::DirBuilder::new();
    folders.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folders, 0o700);
    folders.create(&home).map_err(|e| Failure::writing(&home, &e))?;
    let book = Book::open(&home).map_err(|e| {
        Failure::new(e).hint("check that the home folder may be written to, or name another with --home")
    })?;
    let failed = |e: std::io::Error| Failure::new(e).hint("check that the home folder may be written to");
    match &arguments.action {
        Action::New { scope, name, only, json } => {
            if name.chars().any(char::is_control) || name.chars().count() > 100 {
                return Err(Failure::new(
                    "--name: holds control characters or is longer than 100 characters",
                )
                .hint("choose another name"));
            }
            let only = (!only.is_empty()).then_some(only.as_slice());
            let (info, key) = book.new_key(name, *scope, only).map_err(failed)?;
            match json {
                true => out::json(&json!({ "id": info.id, "name": info.name, "scope": info.scope,
                    "galleries": info.galleries, "created": info.created, "key": key })),
                false => say!("{key}"),
            }
            if out::was_lost() {
                book.revoke_key(&info.id).map_err(failed)?;
                return Err(Failure::new("the key could not be printed, and was taken back")
                    .hint("make another whose output goes to a terminal, a file or a program"));
            }
            if !json {
                let id = &info.id;
                note!("this is key {id}, shown only this once; take it back with: phiz key revoke {id}");
            }
            Ok(Done::Well)
        }
        Action::List { json } => {
            let keys = book.keys().map_err(failed)?;
            let rows: Vec<Vec<String>> = keys
                .iter()
                .map(|key| {
                    let galleries = key.galleries.as_ref().map_or("all".into(), |names| names.join(", "));
                    let used = key.last_used.map_or("never".into(), table::date);
                    let (id, name, scope) = (key.id.clone(), key.name.clone(), key.scope.to_string());
                    vec![id, name, scope, galleries, table::date(key.created), used]
                })
                .collect();
            match json {
                true => keys.iter().for_each(|key| out::json(&json!(key))),
                false => {
                    table::print(&["key", "for", "scope", "galleries", "made (UTC)", "used (UTC)"], &rows)
                }
            }
            Ok(Done::Well)
        }
        Action::Revoke { keys, json } => {
            let mut all = true;
            for key in keys {
                let revoked = book.revoke_key(key).map_err(failed)?;
                all &= revoked;
                match (json, revoked) {
                    (true, _) => out::json(&json!({ "key": key, "revoked": revoked })),
                    (false, true) => say!("{key} is taken back"),
                    (false, false) => note!("there is no key {key}; `phiz key list` lists all"),
                }
            }
            Ok(if all { Done::Well } else { Done::Partly })
        }
    }
}

//! `phiz gallery`: the gallery as a whole: figures, checking, destroying, archives, thresholds, keys.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use phiz_gallery::{Gallery, Key, Purge, Purged, Seal, Statistics};
use serde_json::json;

use super::out::{self, note, say};
use super::{Done, Failure, Shared, adopt, table};

/// Arguments of `phiz gallery`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// Print how many people and faces the gallery holds, its key, model and files
    Stats,
    /// Read everything in the gallery and report what is damaged
    Check,
    /// Give unused space back to the disk, and overwrite what deleted rows have left
    Compact,
    /// Destroy everything that was removed, so that it cannot be undone
    Purge {
        /// Only what was removed at least this many days ago
        #[arg(long, value_name = "DAYS")]
        older_than: Option<u32>,
        /// Then search every byte of the gallery's files for what was destroyed, and fail if any of it is found
        #[arg(long)]
        verify: bool,
        /// Do not ask for confirmation
        #[arg(long, short)]
        yes: bool,
    },
    /// Set for how many days a change can be undone (with 0, what is removed is destroyed at once)
    UndoDays {
        /// The number of days
        days: u32,
        /// Do not ask for confirmation
        #[arg(long, short)]
        yes: bool,
    },
    /// Write everything to a new folder as an archive, which is NOT encrypted
    Export {
        /// The new folder for the archive
        folder: PathBuf,
    },
    /// Copy the gallery to a new file while it is in use. The copy is encrypted as the gallery is, and opens with its key
    Backup {
        /// The new file
        file: PathBuf,
    },
    /// Take in the people of an archive; people and faces that the gallery has already are recognised
    Import {
        /// The folder of the archive
        folder: PathBuf,
    },
    /// Measure on your own people which similarity stands for which error rate, and decide by that from now on
    Calibrate {
        /// Forget what was measured, and decide by the model's own thresholds again
        #[arg(long)]
        forget: bool,
    },
    /// Bring the gallery to the present embedder (or the one of --small or --embedder): compute all templates anew from the
    /// stored crops. Names, lists, corrections and history stay, and it can be taken back
    #[command(after_help = "Examples:
  phiz gallery adopt --dry-run            what would be done, and which faces have no stored crop
  phiz gallery adopt                      after an update brought a new model
  phiz gallery adopt --photos ~/Photos    look there for the photos of faces without a crop
  phiz gallery adopt --undo               go back to the model before

It may be interrupted at any moment, and goes on where it was when it is called again.")]
    Adopt {
        /// Look for the photos of faces without a stored crop in these folders; they are known by their content
        #[arg(long, value_name = "FOLDER", num_args = 1..)]
        photos: Vec<PathBuf>,
        /// Change nothing, and say what would be done
        #[arg(long)]
        dry_run: bool,
        /// Go back to the model before; faces that were enrolled since wait until the newer model is adopted again
        #[arg(long, conflicts_with_all = ["photos", "dry_run"])]
        undo: bool,
    },
    /// Change the key that the gallery is encrypted with
    Key {
        #[command(subcommand)]
        action: KeyAction,
    },
}

#[derive(Subcommand)]
enum KeyAction {
    /// Encrypt everything anew with a new key. Use this if somebody may have seen the old key
    Rotate {
        #[command(flatten)]
        to: NewKey,
        /// Do not ask for confirmation
        #[arg(long, short)]
        yes: bool,
    },
    /// Put another key in place of the old one, without encrypting anew. Old copies of the gallery still open with the old
    /// key
    Exchange {
        #[command(flatten)]
        to: NewKey,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct NewKey {
    /// Use this key file, which is made if it does not exist
    #[arg(long, value_name = "FILE")]
    to_file: Option<PathBuf>,
    /// Use the passphrase in the environment variable PHIZ_NEW_PASSPHRASE
    #[arg(long)]
    to_passphrase: bool,
    /// Use a new key in the operating system's keyring
    #[arg(long)]
    to_keyring: bool,
    /// Use no key: the gallery is not encrypted any more
    #[arg(long)]
    to_nothing: bool,
}

impl NewKey {
    fn key(&self) -> Result<Key, Failure> {
        if let Some(path) = &self.to_file {
            return Ok(Key::File(path.clone()));
        }
        if self.to_keyring {
            return Ok(Key::Keyring);
        }
        if self.to_nothing {
            return Ok(Key::None);
        }
        match std::env::var("PHIZ_NEW_PASSPHRASE") {
            Ok(text) if !text.is_empty() => Ok(Key::passphrase(text)),
            _ => Err(Failure::new("PHIZ_NEW_PASSPHRASE: holds no passphrase")
                .hint("set it to the new passphrase for this one command")),
        }
    }
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let json = arguments.json;
    if let Action::Import { folder } = &arguments.action {
        return import(folder, shared, json);
    }
    if let Action::Adopt { photos, dry_run, undo } = &arguments.action {
        return if *undo { adopt::undo(json, shared) } else { adopt::run(photos, *dry_run, json, shared) };
    }
    let gallery = shared.open_gallery()?;
    match &arguments.action {
        Action::Stats => stats(&gallery.statistics()?, &gallery, json),
        Action::Check => check(&gallery, json),
        Action::Compact => {
            let before = bytes(&gallery);
            gallery.compact()?;
            let after = bytes(&gallery);
            match json {
                true => out::json(&json!({ "bytes_before": before, "bytes": after })),
                false => say!("{} before, {} now", table::size(before), table::size(after)),
            }
            Ok(Done::Well)
        }
        Action::Purge { older_than, verify, yes } => {
            let what = older_than.map_or(Purge::All, |days| Purge::OlderThan { days });
            table::confirm("destroy what was removed, so that it cannot be undone?", *yes)?;
            report_purge(&gallery.purge(what, *verify)?, json)
        }
        Action::UndoDays { days, yes } => {
            if *days < gallery.statistics()?.undo_days {
                table::confirm("what was removed longer ago is destroyed at once. Go on?", *yes)?;
            }
            gallery.set_undo_days(*days)?;
            match json {
                true => out::json(&json!({ "undo_days": days })),
                false => {
                    say!("what is removed can be undone for {}", table::count(*days as usize, "day", "days"))
                }
            }
            Ok(Done::Well)
        }
        Action::Backup { file } => {
            gallery.backup(file)?;
            let bytes = std::fs::metadata(file).map_or(0, |meta| meta.len());
            match json {
                true => out::json(&json!({ "file": file, "bytes": bytes })),
                false => say!(
                    "copied to {} ({} kB); it opens with the gallery's key",
                    file.display(),
                    bytes / 1000
                ),
            }
            Ok(Done::Well)
        }
        Action::Export { folder } => {
            let head = gallery.export(folder)?;
            match json {
                true => out::json(&json!(head)),
                false => say!(
                    "{} with {} written to {}",
                    table::count(head.people, "person", "people"),
                    table::count(head.faces, "face", "faces"),
                    folder.display()
                ),
            }
            if head.photos > 0 {
                let faces = table::count(head.sightings, "face", "faces");
                note!(
                    "with {} that were scanned, and {faces} in them",
                    table::count(head.photos, "photo", "photos")
                );
            }
            note!("note: the archive is not sealed: whoever has it has everything");
            Ok(Done::Well)
        }
        // Both were done above: one needs no gallery, the other another model's.
        Action::Import { .. } | Action::Adopt { .. } => Ok(Done::Well),
        Action::Calibrate { forget: true } => {
            gallery.forget_calibration()?;
            match json {
                true => out::json(&json!({ "calibrated": false })),
                false => say!("the model's own thresholds hold again"),
            }
            Ok(Done::Well)
        }
        Action::Calibrate { forget: false } => calibrate(&gallery, shared, json),
        Action::Key { action } => {
            let old = gallery.seal();
            match action {
                KeyAction::Rotate { to, yes } => {
                    let key = to.key()?;
                    let ask = match key {
                        Key::None => "open the gallery to everybody who can read its file?",
                        _ => "seal everything anew? The old key will open nothing more.",
                    };
                    table::confirm(ask, *yes)?;
                    gallery.rotate_key(&key)?;
                }
                KeyAction::Exchange { to } => gallery.exchange_key(&to.key()?)?,
            }
            match json {
                true => out::json(&json!({ "sealed_by": gallery.seal().to_string() })),
                false => say!("sealed by: {}", gallery.seal()),
            }
            if let Seal::Keyring(entry) = old {
                note!(
                    "note: the old key is still in the keyring (service phiz, entry {entry}): delete it there when no copy \
                     of the gallery needs it"
                );
            }
            Ok(Done::Well)
        }
    }
}

fn import(folder: &Path, shared: &Shared, json: bool) -> Result<Done, Failure> {
    let (_, done, made) = shared.import(folder)?;
    if made && !shared.quiet {
        note!("made a gallery: {}", shared.gallery_path()?.display());
    }
    if json {
        out::json(&done);
        return Ok(Done::Well);
    }
    let people = table::count(done.people.len(), "person", "people");
    say!("{people} with {} taken in", table::count(done.faces, "face", "faces"));
    if done.known_faces > 0 || !done.known_people.is_empty() {
        let people = table::count(done.known_people.len(), "person", "people");
        let faces = table::count(done.known_faces, "face", "faces");
        say!("known already: {people}, {faces}");
    }
    if done.photos + done.known_photos > 0 {
        let photos = table::count(done.photos, "scanned photo", "scanned photos");
        let faces = table::count(done.sightings, "face", "faces");
        let groups = table::count(done.groups, "stranger or named group", "strangers and named groups");
        say!("{photos} with {faces}, {groups} taken in; {} photos known already", done.known_photos);
        for (was, is) in &done.renumbered {
            note!("stranger {was} of the archive is stranger {is} here");
        }
        note!("hint: if the photos lie elsewhere on this machine, `phiz scan` finds them by their content");
    }
    if let Some(operation) = done.operation {
        say!("undo with: phiz people undo {operation}");
    }
    Ok(Done::Well)
}

fn bytes(gallery: &Gallery) -> u64 {
    gallery.files().iter().filter_map(|path| std::fs::metadata(path).ok()).map(|m| m.len()).sum()
}

fn stats(figures: &Statistics, gallery: &Gallery, json: bool) -> Result<Done, Failure> {
    if json {
        out::json(&json!(figures));
        return Ok(Done::Well);
    }
    let calibrated = match gallery.calibration() {
        Some(c) => format!("on {} own people, {} UTC", c.people, table::date(c.at)),
        None => "no: the model's own thresholds hold".into(),
    };
    let mut rows = vec![
        ["people".into(), figures.people.to_string()],
        ["  without a face".into(), figures.people_without_faces.to_string()],
        ["faces".into(), figures.faces.to_string()],
        ["  with crop".into(), figures.crops.to_string()],
        ["faces said not to be somebody".into(), figures.negatives.to_string()],
        ["photos that were scanned".into(), figures.photos.to_string()],
        ["faces seen in them".into(), figures.sightings.to_string()],
        ["removed faces not yet destroyed".into(), figures.removed_faces.to_string()],
        ["operations that can be undone".into(), figures.operations.to_string()],
        ["undo lasts".into(), table::count(figures.undo_days as usize, "day", "days")],
        ["sealed by".into(), figures.sealed_by.to_string()],
        ["model".into(), format!("{}, {} values", figures.model, figures.dim)],
        ["calibrated".into(), calibrated],
        ["index in memory".into(), table::size(figures.index_bytes as u64)],
    ];
    rows.extend(figures.files.iter().map(|(path, bytes)| [path.display().to_string(), table::size(*bytes)]));
    let width = rows.iter().map(|[name, _]| name.chars().count()).max().unwrap_or(0);
    for [name, value] in rows {
        say!("{}  {value}", table::padded(&name, width));
    }
    Ok(Done::Well)
}

fn check(gallery: &Gallery, json: bool) -> Result<Done, Failure> {
    let faults: Vec<String> = gallery.check()?.iter().map(ToString::to_string).collect();
    if json {
        out::json(&json!({ "faults": faults }));
    } else if faults.is_empty() {
        say!("all is well");
    } else {
        faults.iter().for_each(|fault| say!("{fault}"));
        note!("hint: restore the gallery from a backup copy or an archive");
    }
    Ok(if faults.is_empty() { Done::Well } else { Done::Partly })
}

/// What was destroyed; a failure if remains were found.
pub(crate) fn report_purge(purged: &Purged, json: bool) -> Result<Done, Failure> {
    let found = purged.proof.as_ref().map_or(0, |proof| proof.found.len());
    if json {
        out::json(&json!(purged));
    } else {
        say!(
            "destroyed {} and {} that could be undone",
            table::count(purged.faces, "face", "faces"),
            table::count(purged.operations, "operation", "operations")
        );
        if purged.photos > 0 {
            say!(
                "destroyed what was seen in {} that are gone: {}",
                table::count(purged.photos, "photo", "photos"),
                table::count(purged.sightings, "face", "faces")
            );
        }
        if let Some(proof) = &purged.proof {
            say!(
                "searched {} in {} for {} pieces of it: {}",
                table::size(proof.bytes),
                table::count(proof.files.len(), "file", "files"),
                proof.pieces,
                if found == 0 { "none found".into() } else { format!("{found} FOUND") }
            );
        }
    }
    if found > 0 {
        return Err(Failure::new("pieces of what was destroyed are still on the disk")
            .hint("close other programs that use the gallery, then: phiz gallery compact"));
    }
    Ok(Done::Well)
}

fn calibrate(gallery: &Gallery, shared: &Shared, json: bool) -> Result<Done, Failure> {
    let bar = shared.progress(gallery.len()?);
    let done = gallery.calibrate(|at, of| {
        bar.set_length(of as u64);
        bar.set_position(at as u64);
    })?;
    bar.finish_and_clear();
    if json {
        out::json(&json!(done));
        return Ok(Done::Well);
    }
    let c = &done.calibration;
    say!("measured on {} people, {} comparisons of different people", c.people, c.comparisons);
    let rows: Vec<Vec<String>> = done
        .compared
        .iter()
        .map(|[rate, card, measured]| {
            vec![format!("{rate:.1e}"), format!("{card:.3}"), format!("{measured:.3}")]
        })
        .collect();
    table::print(&["false match rate", "similarity by the model", "measured here"], &rows);
    let share = 100.0 * c.share;
    say!("in a search, {share:.0} % of the comparisons count as independent");
    for pair in done.suspects.iter().take(20) {
        say!(
            "one person? {} ({}) and {} ({}): similarity {:.2}",
            pair.one_name,
            pair.one,
            pair.other_name,
            pair.other,
            pair.similarity
        );
    }
    if !done.suspects.is_empty() {
        note!("hint: phiz people merge joins two that are one; calibrate again afterwards");
    }
    Ok(Done::Well)
}

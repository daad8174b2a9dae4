//! `phiz scan`: looks at every photo of an archive once, and keeps its faces.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use phiz_gallery::{Filter, Gallery, Grouping, Rate};
use phiz_service::walk::Walk;
use phiz_service::{IdentifyOptions, ScanEvent, ScanOptions, ScanSummary, Service};

use super::faces::Looking;
use super::out::{self, note};
use super::photos::{AtPath, Batch, report};
use super::verify::check_rate;
use super::{Done, Failure, Shared, table};

/// Arguments of `phiz scan`.
#[derive(Args)]
#[command(
    after_help = "Example: phiz scan ~/Pictures\n\nThe photos are only read. What was seen is kept, encrypted, in the gallery: \
    path, box and template of each face, but no picture. A scan that was interrupted goes on where it ended, and a second \
    scan looks only at what is new. `phiz find PERSON` then lists photos, `phiz strangers` shows who has no name yet."
)]
pub(crate) struct Arguments {
    /// Folders of photos, or single photos
    #[arg(value_name = "FOLDER", required = true)]
    folders: Vec<PathBuf>,
    /// Go on looking for new photos until you press Ctrl-C
    #[arg(long, conflicts_with = "forget")]
    watch: bool,
    /// With --watch: seconds between two looks into the folders
    #[arg(long, value_name = "SECONDS", default_value_t = 10, requires = "watch", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    every: u64,
    /// Forget what was seen in these folders, as if their photos were deleted
    #[arg(long)]
    forget: bool,
    #[command(flatten)]
    deciding: Deciding,
    /// How readily faces are grouped as one stranger: the share of people seen only once whose face may be similar
    /// enough to another's to be grouped with it. A lower rate makes smaller and surer groups
    #[arg(long, value_name = "RATE", default_value_t = Grouping::default().rate)]
    group_rate: f64,
    /// Print one JSON object per photo, one per line, as `phiz identify` does
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    looking: Looking,
}

/// How the faces of an archive are decided.
#[derive(Args, Clone, Debug)]
pub(crate) struct Deciding {
    /// The share of people who are not enrolled that may be given a name (false positive identification rate)
    #[arg(long, value_name = "RATE", default_value_t = 0.01)]
    fpir: f64,
    /// Let one person be in a photo more than once: in collages and mirrors, or because of a twin
    #[arg(long)]
    twins: bool,
}

impl Deciding {
    /// The rate that was asked for.
    pub(crate) fn rate(&self) -> f64 {
        self.fpir
    }

    pub(crate) fn options(&self) -> Result<IdentifyOptions, Failure> {
        check_rate("--fpir", self.fpir)?;
        Ok(IdentifyOptions { rate: Rate::Fpir(self.fpir), twins: self.twins, ..IdentifyOptions::default() })
    }
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    if arguments.forget {
        return forget(arguments, shared);
    }
    check_rate("--group-rate", arguments.group_rate)?;
    let identify = IdentifyOptions { looking: arguments.looking.service(), ..arguments.deciding.options()? };
    let options = ScanOptions {
        identify,
        grouping: Grouping { rate: arguments.group_rate, ..Grouping::default() },
        threads: shared.threads()?,
        answers: arguments.json,
    };
    let walk = Walk::over(&arguments.folders);
    let nothing = !walk.items.is_empty() && walk.items.iter().all(|item| item.problem.is_some());
    if nothing && !arguments.watch && walk.items.iter().all(|item| !item.path.is_dir()) {
        walk.items.iter().for_each(|item| {
            if let Some(problem) = &item.problem {
                report(&item.path, problem, arguments.json);
            }
        });
        return Ok(Done::Nothing);
    }
    let service = shared.service()?;
    let (gallery, made) = shared.open_or_create_gallery(&service)?;
    if made && !shared.quiet {
        note!("made the gallery {}", shared.gallery_path()?.display());
    }
    let mut done = once(&service, &gallery, walk, arguments, &options, shared, true)?;
    while arguments.watch && !out::nobody_reads() {
        std::thread::sleep(Duration::from_secs(arguments.every));
        let again =
            once(&service, &gallery, Walk::over(&arguments.folders), arguments, &options, shared, false)?;
        done = if again == Done::Well { done } else { again };
    }
    Ok(done)
}

/// One scan. Later ones in the same run tell only of what has changed.
fn once(
    service: &Service,
    gallery: &Gallery,
    walk: Walk,
    arguments: &Arguments,
    options: &ScanOptions,
    shared: &Shared,
    first: bool,
) -> Result<Done, Failure> {
    let mut bar = indicatif::ProgressBar::hidden();
    let mut grouping = false;
    let json = arguments.json;
    let summary = service.scan::<Failure>(gallery, &walk, &arguments.folders, options, &mut |event| {
        match event {
            ScanEvent::Begins { due } => bar = shared.progress(due),
            ScanEvent::Photo { path, due, answer } => {
                if due {
                    bar.inc(1);
                }
                if first || due {
                    bar.suspend(|| match answer {
                        Ok(Some(found)) if json => out::json(&AtPath { path: path.into(), found: &found }),
                        Ok(_) => {}
                        Err(problem) => report(path, &problem, json),
                    });
                }
            }
            ScanEvent::Compared(done, all) => {
                if !grouping {
                    grouping = true;
                    bar.finish_and_clear();
                    bar = shared.progress(all);
                    bar.set_message("faces compared");
                }
                bar.set_position(done as u64);
            }
            _ => {}
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    let mut batch = Batch::default();
    let refused = summary.refused;
    batch.add(walk);
    if first {
        if !shared.quiet {
            tell(&summary, service, gallery, options)?;
        }
        batch.left_out();
    } else if summary.new + summary.changed + summary.moved + summary.gone > 0 && !shared.quiet {
        note!("{}", counts(&summary));
    }
    Ok(batch.done(refused))
}

fn counts(summary: &ScanSummary) -> String {
    let parts = [
        (summary.new, "new"),
        (summary.changed, "changed"),
        (summary.moved, "moved"),
        (summary.copied, "copied"),
        (summary.renewed, "looked at again"),
        (summary.unchanged, "as before"),
        (summary.refused, "could not be used"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let mut text = table::count(summary.photos, "photo", "photos");
    if !parts.is_empty() {
        text += &format!(": {}", parts.join(", "));
    }
    if summary.gone > 0 {
        text += &format!("; {} gone", table::count(summary.gone, "photo is", "photos are"));
    }
    text
}

fn tell(
    summary: &ScanSummary,
    _service: &Service,
    gallery: &Gallery,
    options: &ScanOptions,
) -> Result<(), Failure> {
    note!("{}", counts(summary));
    for folder in &summary.empty {
        note!("note: {folder}: holds none of the photos that were there; nothing was forgotten");
        note!("  hint: connect the disk, or forget them with: phiz scan --forget {folder}");
    }
    let archive = gallery.archive(&options.identify.deciding())?;
    let all = phiz_service::tally(&archive);
    note!(
        "the archive: {}, {}, of which {} have a name; {}",
        table::count(all["photos"], "photo", "photos"),
        table::count(all["faces"], "face", "faces"),
        all["named"],
        table::count(all["strangers"], "stranger", "strangers")
    );
    if all["strangers"] > 0 {
        note!("who has no name yet: phiz strangers");
    } else if gallery.people(&Filter::default(), None, 1)?.is_empty() && all["faces"] > 0 {
        note!("teach Phiz who is who: phiz enroll NAME PHOTO…");
    }
    Ok(())
}

/// Says that what was seen in folders is to be forgotten.
fn forget(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let gallery = shared.open_gallery()?;
    let folders: Vec<PathBuf> = arguments
        .folders
        .iter()
        .map(|folder| std::fs::canonicalize(folder).or_else(|_| std::path::absolute(folder)))
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::reading(&arguments.folders[0], &error))?;
    let photos = gallery.photos()?;
    let files = photos.iter().filter(|photo| photo.gone.is_none()).flat_map(|photo| &photo.files);
    let under = files.map(|file| &file.path).filter(|path| folders.iter().any(|f| path.starts_with(f)));
    let paths: Vec<PathBuf> = under.cloned().collect();
    let gone = gallery.lose_files(&paths)?;
    if arguments.json {
        out::json(&serde_json::json!({ "files": paths.len(), "photos": gone }));
    } else {
        out::line(&format!(
            "forgot {}, which held {}",
            table::count(paths.len(), "file", "files"),
            table::count(gone, "photo that is nowhere else", "photos that are nowhere else")
        ));
        note!(
            "note: scanning again brings them back; destroy what was seen with: phiz gallery purge --verify"
        );
    }
    Ok(if paths.is_empty() { Done::Partly } else { Done::Well })
}

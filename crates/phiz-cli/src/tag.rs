//! `phiz tag`: writes who is in photos into their metadata, for other programs.

use std::path::{Path, PathBuf};

use clap::Args;
use phiz_gallery::{Filter, Rate};
use phiz_service::{IdentifyOptions, RegionOutcome, TagAnswer, TagJournal, TagOptions, UntaggedFile};

use super::faces::Looking;
use super::identify::{apart, check_list};
use super::out::{self, note, say};
use super::photos::{self, PhotoArguments};
use super::verify::check_rate;
use super::{Done, Failure, Shared, table};

/// Arguments of `phiz tag`.
#[derive(Args)]
#[command(after_help = "Examples:
  phiz tag photos/                 write photos/a.jpg.xmp, which digiKam reads
  phiz tag --embed photos/*.jpg    write into the photos themselves
  phiz tag --dry-run photos/       only say what would be written
  phiz tag --undo                  take back what the last `phiz tag` wrote

DigiKam, Immich and PhotoPrism read the files beside the photos; Lightroom reads what stands in the photos themselves.

What others wrote there stays: a face that somebody has named keeps that name.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    photos: PhotoArguments,
    /// Write into the photos themselves instead of files beside them (only JPEG); their pixels stay as they are
    #[arg(long)]
    embed: bool,
    /// Write only regions, and no keywords
    #[arg(long)]
    no_keywords: bool,
    /// The keyword under which the names stand in hierarchies of keywords; empty for none
    #[arg(long, value_name = "KEYWORD", default_value = "People")]
    under: String,
    /// Write nothing, and say what would be written
    #[arg(long)]
    dry_run: bool,
    /// Take back what the last run wrote, except in files that were changed since
    #[arg(long, conflicts_with_all = ["photos", "files_from", "embed", "no_keywords", "dry_run"])]
    undo: bool,
    /// The share of people who are not enrolled that may be given a name (false positive identification rate)
    #[arg(long, value_name = "RATE", default_value_t = 0.01)]
    fpir: f64,
    /// Instead of --fpir: the share of comparisons of two different people that may match (false match rate)
    #[arg(long, value_name = "RATE", conflicts_with = "fpir")]
    fmr: Option<f64>,
    /// Name only the people on this watch list
    #[arg(long, value_name = "LIST")]
    list: Option<String>,
    /// Print one JSON object per photo, one per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    looking: Looking,
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let journal = journal(&shared.gallery_path()?);
    if arguments.undo {
        return undo(&journal, arguments.json);
    }
    check_rate("--fpir", arguments.fpir)?;
    arguments.fmr.map_or(Ok(()), |fmr| check_rate("--fmr", fmr))?;
    let batch = arguments.photos.find()?;
    if batch.paths().any(|path| path.as_os_str() == "-") {
        return Err(Failure::new("-: standard input has no file beside which metadata could be written")
            .hint("name the photo by its path"));
    }
    let service = shared.service()?;
    let gallery = shared.open_gallery_for(&service)?;
    if let Some(list) = &arguments.list {
        check_list(&gallery, list)?;
    }
    let options = TagOptions {
        identify: IdentifyOptions {
            looking: arguments.looking.service(),
            rate: arguments.fmr.map_or(Rate::Fpir(arguments.fpir), Rate::Fmr),
            among: arguments.list.as_ref().map_or_else(Filter::default, Filter::list),
            ..IdentifyOptions::default()
        },
        embed: arguments.embed,
        keywords: !arguments.no_keywords,
        parent: arguments.under.trim().to_owned(),
        dry_run: arguments.dry_run,
    };
    let written = TagJournal::in_folder(&journal);
    let mut tally = Tally::default();
    let done = batch.finish(
        shared,
        arguments.json,
        |_, item| apart(service.tag(&gallery, &item.path, &options, Some(&written))),
        |path, answer| {
            tally.add(answer);
            if !arguments.json {
                print(path, answer);
            }
        },
    )?;
    if !arguments.json && !shared.quiet {
        tally.print(arguments.dry_run);
    }
    Ok(done)
}

/// Where it is written down what tagging changes: beside the gallery.
fn journal(gallery: &Path) -> PathBuf {
    let mut name = gallery.as_os_str().to_owned();
    name.push(".tags");
    name.into()
}

fn print(path: &Path, answer: &TagAnswer) {
    let mut names: Vec<String> = Vec::new();
    for face in &answer.faces {
        match (face.region, &face.theirs) {
            (RegionOutcome::Theirs, Some(theirs)) => {
                note!(
                    "{}: looks like {}, but somebody named this face {theirs}, which stays",
                    path.display(),
                    face.person
                );
            }
            _ => names.push(face.person.clone()),
        }
    }
    let names = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
    match answer.changed {
        true => say!("{}: {names} → {}", path.display(), answer.file.path),
        false => say!("{}: {names}, nothing to change", path.display()),
    }
}

#[derive(Default)]
struct Tally {
    changed: usize,
    faces: usize,
    removed: usize,
}

impl Tally {
    fn add(&mut self, answer: &TagAnswer) {
        self.changed += usize::from(answer.changed);
        self.faces += answer.faces.iter().filter(|face| face.region != RegionOutcome::Theirs).count();
        self.removed += answer.removed;
    }

    fn print(&self, dry_run: bool) {
        let faces = table::count(self.faces, "named face", "named faces");
        let files = table::count(self.changed, "file", "files");
        let verb = if dry_run { "would be written" } else { "written" };
        note!("{faces}, {files} {verb}");
        if self.removed > 0 {
            let regions = table::count(self.removed, "region", "regions");
            note!("{regions} that Phiz had written taken out: nobody is recognised there any more");
        }
        if self.changed > 0 && !dry_run {
            note!("hint: `phiz tag --undo` takes this back");
        }
    }
}

fn undo(journal: &Path, json: bool) -> Result<Done, Failure> {
    let mut partly = false;
    let done = TagJournal::undo(journal, |file: &UntaggedFile| {
        partly |= !file.restored;
        match (json, &file.error) {
            (true, _) => out::json(file),
            (false, Some(problem)) => photos::warn(Path::new(&file.file.path), problem),
            (false, None) if file.restored => say!("{}: as before", file.file.path),
            (false, None) => {
                note!("{}: was changed since by another program and is left alone", file.file.path)
            }
        }
    })
    .map_err(|error| Failure::reading(journal, &error))?;
    match done {
        None => Err(Failure::new("nothing to take back")
            .hint("no run of `phiz tag` with this gallery changed anything")),
        Some(_) if partly => Ok(Done::Partly),
        Some(_) => Ok(Done::Well),
    }
}

//! `phiz identify`: whose faces a photo shows, or that nobody known is.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use phiz_gallery::{Filter, Gallery, Rate};
use phiz_service::{
    CandidateAnswer, EnrolEvent, EnrolOptions, IdentifiedFace, IdentifyOptions, KNOWN, Mark, NOT_KNOWN,
    PhotoAnswer, PhotoResult, Service, Verdict, marked,
};
use unicode_width::UnicodeWidthStr as _;

use super::detect::AnnotateArguments;
use super::faces::Looking;
use super::out::{clean, note, say};
use super::output::Marked;
use super::photos::{self, PhotoArguments};
use super::verify::{check_rate, one_in};
use super::{Done, Failure, Shared, enroll, table};

/// Arguments of `phiz identify`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    photos: PhotoArguments,
    /// Compare with the people in this folder instead of the gallery. It contains one folder per person, and nothing is
    /// stored
    #[arg(long, value_name = "FOLDER")]
    people: Option<PathBuf>,
    /// The share of people who are not enrolled that may be given a name (false positive identification rate)
    #[arg(long, value_name = "RATE", default_value_t = 0.01)]
    fpir: f64,
    /// Instead of --fpir: the share of comparisons of two different people that may match (false match rate)
    #[arg(long, value_name = "RATE", conflicts_with = "fpir")]
    fmr: Option<f64>,
    /// Compare only with the people on this watch list
    #[arg(long, value_name = "LIST", conflicts_with = "people")]
    list: Option<String>,
    /// Number of candidates that --json lists for each face
    #[arg(long, value_name = "N", default_value = "5")]
    top: NonZeroUsize,
    /// Let one person be in a photo more than once: in collages and mirrors, or because of a twin
    #[arg(long)]
    twins: bool,
    /// Print one JSON object per photo, one per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    annotate: AnnotateArguments,
    #[command(flatten)]
    looking: Looking,
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    check_rate("--fpir", arguments.fpir)?;
    arguments.fmr.map_or(Ok(()), |fmr| check_rate("--fmr", fmr))?;
    let batch = arguments.photos.find()?;
    let copies =
        Marked::plan(arguments.annotate.annotate.as_deref(), &batch.items, arguments.annotate.force)?;
    // Learning people looks at many photos at the same time.
    let service = match arguments.people {
        Some(_) => shared.service()?,
        None => shared.service_for(batch.items.len())?,
    };
    let gallery = match &arguments.people {
        Some(folder) => learn(&service, folder, arguments, shared)?,
        None => shared.open_gallery_for(&service)?,
    };
    if let Some(list) = &arguments.list {
        check_list(&gallery, list)?;
    }
    let options = IdentifyOptions {
        looking: arguments.looking.service(),
        rate: arguments.fmr.map_or(Rate::Fpir(arguments.fpir), Rate::Fmr),
        among: arguments.list.as_ref().map_or_else(Filter::default, Filter::list),
        top: arguments.top.get(),
        twins: arguments.twins,
    };
    let look = |photo: &phiz_service::Photo, path: &Path| {
        let image = service.decode(photo, &options.looking)?;
        let found = service.identify_in(&gallery, &image, &options)?;
        if copies.wanted() {
            let marks = found.faces.iter().map(|face| Mark {
                face: &face.face,
                label: label(face),
                colour: colour(face),
            });
            copies.write(path, &marked(image, marks))?;
        }
        Ok(found)
    };
    let mut tally = Tally::default();
    let done = batch.tell(
        shared,
        arguments.json,
        |photo, item| apart(look(photo, &item.path)),
        |path, found| {
            tally.add(found);
            print(path, found);
        },
    )?;
    if tally.photos > 1 && !arguments.json && !shared.quiet {
        tally.print();
    }
    Ok(done)
}

/// A problem of one photo apart from what ends the work.
pub(crate) fn apart<T>(result: phiz_service::Result<T>) -> Result<Result<T, phiz_service::Problem>, Failure> {
    match result {
        Ok(found) => Ok(Ok(found)),
        Err(phiz_service::Error::Photo(problem)) => Ok(Err(problem)),
        Err(error) => Err(error.into()),
    }
}

/// A search among nobody would call everybody unknown.
pub(crate) fn check_list(gallery: &Gallery, list: &str) -> Result<(), Failure> {
    if list.trim().is_empty() {
        return Err(Failure::new("--list: names no watch list").hint("give its name, or leave --list out"));
    }
    if gallery.people(&Filter::list(list), None, 1)?.is_empty() {
        return Err(Failure::new(format!("--list {list}: nobody is on this watch list"))
            .hint(format!("put people on it with: phiz people set PERSON --list {list}")));
    }
    Ok(())
}

/// An in-memory gallery of a folder of people.
fn learn(
    service: &Service,
    folder: &Path,
    arguments: &Arguments,
    shared: &Shared,
) -> Result<Gallery, Failure> {
    let gallery = service.gallery_in_memory()?;
    let mut rest = photos::Batch::default();
    let (people, _) = enroll::people_of(folder, false, &mut rest)?;
    let options =
        EnrolOptions { looking: arguments.looking.service(), crop: false, ..EnrolOptions::default() };
    let bar = shared.progress(people.iter().map(|person| person.photos.len()).sum());
    service.enrol_people(&gallery, &people, &options, shared.threads()?, |event| match event {
        EnrolEvent::Photo => bar.inc(1),
        EnrolEvent::Person(person, answer) => bar.suspend(|| {
            for ((photo, _), done) in person.photos.iter().zip(&answer.photos) {
                if let PhotoResult::Refused { error, details: None } = &done.result {
                    photos::warn(Path::new(&*photo.name()), error);
                }
            }
        }),
    })?;
    bar.finish_and_clear();
    rest.summarise(0, shared);
    if gallery.is_empty()? {
        return Err(Failure::new(format!("--people {}: no face of anybody could be used", folder.display()))
            .hint("the reason for each photo stands above"));
    }
    Ok(gallery)
}

/// What a face is called.
fn label(face: &IdentifiedFace) -> String {
    match (face.decision, &face.person) {
        (Verdict::Match, Some(person)) if !person.is_empty() => person.clone(),
        // Somebody who was split off and has no name yet.
        (Verdict::Match, _) => face.candidates.first().map(called).unwrap_or_default(),
        (Verdict::Ambiguous, _) => {
            let names: Vec<String> = face.candidates.iter().take(face.tied).map(called).collect();
            names.join(" or ") + "?"
        }
        _ => "unknown".into(),
    }
}

/// A candidate's name, or the id of one who has none.
fn called(candidate: &CandidateAnswer) -> String {
    if candidate.person.is_empty() { candidate.id.to_string() } else { candidate.person.clone() }
}

fn colour(face: &IdentifiedFace) -> [u8; 3] {
    if face.decision == Verdict::Match { KNOWN } else { NOT_KNOWN }
}

fn print(path: &Path, found: &PhotoAnswer<IdentifiedFace>) {
    say!("{}:{}", path.display(), if found.faces.is_empty() { " no face" } else { "" });
    let labels: Vec<String> = found.faces.iter().map(|face| clean(&label(face)).into_owned()).collect();
    let width = labels.iter().map(|label| label.width()).max().unwrap_or(0);
    for (face, label) in found.faces.iter().zip(&labels) {
        let [x, y, w, h] = face.face.bbox;
        let why = match (face.decision, face.candidates.first()) {
            (Verdict::Match, Some(c)) => {
                let least = phiz_gallery::fpir(face.least_measured, face.people as f64);
                format!("similarity {:.2}, reached by {}", c.similarity, one_in(c.fpir, least, "strangers"))
            }
            (Verdict::Ambiguous, _) => "too similar to more than one person to tell".into(),
            _ if face.denied.is_empty() => "not similar enough to anybody".into(),
            _ => {
                let names: Vec<String> = face.denied.iter().map(called).collect();
                let names = clean(&names.join(" or ")).into_owned();
                format!("like {names}, but it was said that a face like this is not {names}")
            }
        };
        say!("  {}  {why}   ({w:.0} × {h:.0} at {x:.0}, {y:.0})", table::padded(label, width));
    }
}

/// What many photos come to.
#[derive(Default)]
struct Tally {
    photos: usize,
    matched: usize,
    ambiguous: usize,
    unknown: usize,
    people: std::collections::BTreeSet<phiz_gallery::PersonId>,
}

impl Tally {
    fn add(&mut self, found: &PhotoAnswer<IdentifiedFace>) {
        self.photos += 1;
        for face in &found.faces {
            match (face.decision, face.candidates.first()) {
                (Verdict::Match, Some(candidate)) => {
                    self.matched += 1;
                    self.people.insert(candidate.id);
                }
                (Verdict::Ambiguous, _) => self.ambiguous += 1,
                _ => self.unknown += 1,
            }
        }
    }

    fn print(&self) {
        let faces = table::count(self.matched + self.ambiguous + self.unknown, "face", "faces");
        let people = table::count(self.people.len(), "person", "people");
        note!(
            "{faces}: {} of {people}, {} unknown, {} too alike to tell",
            self.matched,
            self.unknown,
            self.ambiguous
        );
    }
}

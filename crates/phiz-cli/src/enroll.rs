//! `phiz enroll`: learns people from their photos.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;
use phiz_gallery::{Gallery, PersonId, Target};
use phiz_service::{
    DoubtAnswer, EnrolAnswer, EnrolEvent, EnrolOptions, NameReader, PersonPhotos, Photo, PhotoResult,
    Service, walk,
};

use super::faces::{Looking, Selection};
use super::out::{self, note, say};
use super::photos::{self, Batch};
use super::{Done, Failure, Shared, table};

/// Arguments of `phiz enroll`.
#[derive(Args)]
#[command(after_help = "Examples:
  phiz enroll Ada ada-1.jpg ada-2.jpg    one person, from one or more photos
  phiz enroll people/                    many people: people/Ada/*.jpg, people/Ben/…
  phiz enroll --from-metadata photos/    people whom other programs have named
  phiz enroll Ada party.jpg --face 2     the second face that `phiz detect` lists")]
pub(crate) struct Arguments {
    /// The person's name, or a folder that contains one folder per person
    #[arg(value_name = "NAME|FOLDER", required_unless_present = "from_metadata")]
    name: Option<String>,
    /// Photos of the person, or folders of such photos; `-` reads a photo from standard input
    #[arg(value_name = "PHOTO")]
    photos: Vec<PathBuf>,
    /// Learn the people whose faces digiKam, Lightroom, Picasa or others have marked and named in these photos or folders:
    /// in sidecars (`photo.jpg.xmp`, `photo.xmp`), in a folder's `.picasa.ini` or in the photos themselves
    #[arg(long, value_name = "FOLDER", num_args = 1.., conflicts_with_all = ["name", "photos", "id", "largest", "number", "at"])]
    from_metadata: Vec<PathBuf>,
    /// With --from-metadata: pass over what `phiz tag` wrote
    #[arg(long, requires = "from_metadata")]
    skip_own: bool,
    /// Add the faces to the person with this id instead of finding the person by name
    #[arg(long, value_name = "ID")]
    id: Option<PersonId>,
    /// Also take small, blurred or dark faces
    #[arg(long)]
    force: bool,
    /// Store with each face, in your own words, on what ground you keep it
    #[arg(long, value_name = "TEXT")]
    consent: Option<String>,
    /// Store no picture of the face. Without it, a later model cannot describe the face unless you still have the photo
    #[arg(long)]
    no_crop: bool,
    /// Print one JSON object per person, one per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    looking: Looking,
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let Some(name) = &arguments.name else { return from_metadata(arguments, shared) };
    let mut batch = Batch::default();
    let mut done = Done::Well;
    let people = match arguments.photos.is_empty() {
        true => {
            if arguments.id.is_some() {
                return Err(Failure::new("--id: names one person, and no photo of theirs is named")
                    .hint("name the photos: phiz enroll NAME PHOTO… --id ID"));
            }
            let (people, all) = people_of(Path::new(name), arguments.json, &mut batch)?;
            if !all {
                done = Done::Partly;
            }
            people
        }
        false => vec![person_of(name, arguments, &mut batch)?],
    };
    people.iter().try_for_each(PersonPhotos::check)?;
    let service = shared.service()?;
    let gallery = gallery_of(&service, shared)?;
    let options = arguments.options();
    let bar = shared.progress(people.iter().map(|person| person.photos.len()).sum());
    let mut told = Told { json: arguments.json, known: 0, done, bar };
    service.enrol_people(&gallery, &people, &options, shared.threads()?, |event| told.tell(event))?;
    told.end(&batch, shared)
}

/// The gallery, which is made if there is none.
fn gallery_of(service: &Service, shared: &Shared) -> Result<Gallery, Failure> {
    let (gallery, made) = shared.open_or_create_gallery(service)?;
    if made && !shared.quiet {
        note!("made a gallery: {}", shared.gallery_path()?.display());
    }
    Ok(gallery)
}

impl Arguments {
    fn options(&self) -> EnrolOptions {
        EnrolOptions {
            looking: self.looking.service(),
            choice: self.selection.choice(),
            force: self.force,
            crop: !self.no_crop,
            consent: self.consent.clone(),
        }
    }
}

/// What was told of people so far.
struct Told {
    json: bool,
    known: usize,
    done: Done,
    bar: ProgressBar,
}

impl Told {
    fn tell(&mut self, event: EnrolEvent<'_>) {
        let Told { json, known, done, bar } = self;
        match event {
            EnrolEvent::Photo => bar.inc(1),
            EnrolEvent::Person(person, answer) => bar.suspend(|| {
                *known += usize::from(answer.id.is_some());
                if answer.refused_any() {
                    *done = Done::Partly;
                }
                match json {
                    true => out::json(&answer),
                    false => print(person, &answer),
                }
            }),
        }
    }

    fn end(self, batch: &Batch, shared: &Shared) -> Result<Done, Failure> {
        self.bar.finish_and_clear();
        batch.summarise(0, shared);
        if self.known == 0 {
            return Err(
                Failure::new("nobody was enrolled").hint("every photo was refused, for the reasons above")
            );
        }
        Ok(self.done)
    }
}

/// Enrols the people whom photos' metadata name.
fn from_metadata(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let mut batch = Batch::default();
    batch.add(walk::Walk::over(&arguments.from_metadata));
    let looking = arguments.looking.service();
    let bar = shared.progress(batch.items.len());
    let mut named = Vec::new();
    let mut done = Done::Well;
    let names = NameReader::new(&looking, !arguments.skip_own);
    let read = |item: &walk::Item| match &item.problem {
        Some(problem) => Err(problem.clone()),
        None => names.read(&item.path),
    };
    photos::in_order(&batch.items, shared.threads()?, &bar, read, |item, found| {
        let problems = match found {
            Ok(None) => return Ok(()),
            Ok(Some(mut photo)) => {
                let problems = std::mem::take(&mut photo.problems);
                if !photo.names.is_empty() {
                    named.push(photo);
                }
                problems
            }
            Err(problem) => vec![problem],
        };
        for problem in &problems {
            done = Done::Partly;
            photos::report(&item.path, problem, arguments.json);
        }
        Ok(())
    })?;
    if !shared.quiet {
        let names = named.iter().flat_map(|photo| &photo.names).collect::<std::collections::BTreeSet<_>>();
        let photos = table::count(named.len(), "photo names", "photos name");
        note!("{photos} {}", table::count(names.len(), "person", "people"));
    }
    if named.iter().all(|photo| photo.names.is_empty()) {
        batch.summarise(0, shared);
        return Err(Failure::new("no photo there names anybody in its metadata").hint(
            "names are read from face regions in sidecars (photo.jpg.xmp), in the photos and in .picasa.ini; \
             `exiftool -RegionInfo -RegionName PHOTO` shows what a photo holds",
        ));
    }
    let service = shared.service()?;
    let gallery = gallery_of(&service, shared)?;
    let bar = shared.progress(named.len());
    let mut told = Told { json: arguments.json, known: 0, done, bar };
    let options = arguments.options();
    service.enrol_named(&gallery, &named, &options, shared.threads()?, |event| told.tell(event))?;
    told.end(&batch, shared)
}

/// The one person who is named, with their photos.
fn person_of(name: &str, arguments: &Arguments, batch: &mut Batch) -> Result<PersonPhotos, Failure> {
    if arguments.id.is_none() {
        // Before a gallery is made for them.
        phiz_gallery::clean_name(name)?;
    }
    photos::check_stdin(&arguments.photos)?;
    let mut all: Vec<(Photo, Option<phiz_service::Problem>)> = Vec::new();
    for path in &arguments.photos {
        if path.as_os_str() == "-" {
            all.push((photos::from_stdin()?, None));
            continue;
        }
        let found = walk::Walk::over(std::slice::from_ref(path));
        all.extend(found.items.iter().map(|item| (Photo::from_path(&item.path), item.problem.clone())));
        batch.add(walk::Walk { items: Vec::new(), ..found });
    }
    let target = match arguments.id {
        Some(id) => Target::Person(id),
        None => Target::Named(name.to_owned()),
    };
    Ok(PersonPhotos { target, name: name.to_owned(), photos: all })
}

/// The people of a folder; says whether all of its folders are people's. What is left out of them is added to `batch`.
///
/// # Errors
/// No such folder, or none within it.
pub(crate) fn people_of(
    folder: &Path,
    as_json: bool,
    batch: &mut Batch,
) -> Result<(Vec<PersonPhotos>, bool), Failure> {
    if !folder.is_dir() {
        let reason = format!("{}: is not a folder of people, and no photo is named", folder.display());
        return Err(Failure::new(reason).hint("enrol a person with: phiz enroll NAME PHOTO…"));
    }
    let found = walk::people(folder)
        .map_err(|p| Failure::new(format!("{}: {p}", folder.display())).hint(p.remedy()))?;
    for (path, problem) in &found.nobody {
        photos::report(path, problem, as_json);
    }
    let mut people = Vec::with_capacity(found.people.len());
    for (name, mut walk) in found.people {
        let items = std::mem::take(&mut walk.items).into_iter();
        let photos = items.map(|item| (Photo::from_path(item.path), item.problem)).collect();
        people.push(PersonPhotos { target: Target::Named(name.clone()), name, photos });
        batch.add(walk);
    }
    Ok((people, found.nobody.is_empty()))
}

fn print(person: &PersonPhotos, answer: &EnrolAnswer) {
    let enrolled: Vec<String> = answer
        .photos
        .iter()
        .filter_map(|photo| match &photo.result {
            PhotoResult::Enrolled { face, .. } => Some(face.to_string()),
            _ => None,
        })
        .collect();
    match answer.id {
        Some(id) => {
            let known = if answer.new { "" } else { ", known before" };
            let faces = table::count(enrolled.len(), "face", "faces");
            let ids = if enrolled.is_empty() { String::new() } else { format!(": {}", enrolled.join(" ")) };
            say!("{}: {faces} enrolled ({id}{known}){ids}", answer.person);
        }
        None => say!("{}: not enrolled", answer.person),
    }
    for ((photo, _), done) in person.photos.iter().zip(&answer.photos) {
        let path = photo.name();
        match &done.result {
            PhotoResult::Refused { error, .. } => photos::warn(Path::new(&*path), error),
            PhotoResult::Known { known } => note!("{path}: already enrolled as {known}"),
            PhotoResult::Enrolled {
                face, doubt: Some(DoubtAnswer::Unlike { like_own, nearest }), ..
            } => {
                let name = &answer.person;
                note!(
                    "{path}: this face is unlike the other faces of {name} (similarity {like_own:.2}): somebody else?"
                );
                match nearest {
                    Some(other) => note!(
                        "  hint: it is like {} ({}, similarity {:.2}); if it is theirs: phiz people move {face} {}",
                        other.person,
                        other.id,
                        other.similarity,
                        other.id
                    ),
                    None => note!("  hint: if it is: phiz people remove {face}, or phiz people undo"),
                }
            }
            PhotoResult::Enrolled { doubt: Some(DoubtAnswer::AlsoLike { other }), .. } => {
                note!(
                    "{path}: this face is also like {} ({}, similarity {:.2}): the same person?",
                    other.person,
                    other.id,
                    other.similarity
                );
                note!("  hint: if so, phiz people merge joins the two");
            }
            _ => {}
        }
    }
}

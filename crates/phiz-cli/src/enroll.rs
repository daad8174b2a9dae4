//! `phiz enroll`: learns people from their photos.

use std::path::{Path, PathBuf};

use clap::Args;
use phiz_gallery::{PersonId, Target};
use phiz_service::{
    DoubtAnswer, EnrolAnswer, EnrolEvent, EnrolOptions, PersonPhotos, Photo, PhotoResult, walk,
};

use super::faces::{Looking, Selection};
use super::out::{self, note, say};
use super::photos::{self, Batch};
use super::{Done, Failure, Shared, table};

/// Arguments of `phiz enroll`.
#[derive(Args)]
#[command(after_help = "Examples:
  phiz enroll Ada ada-1.jpg ada-2.jpg    one person, from one or more photos
  phiz enroll people/                    many people: people/Ada/*.jpg, people/Ben/*.jpg, …
  phiz enroll Ada party.jpg --face 2     the second of the faces that `phiz detect party.jpg` lists")]
pub(crate) struct Arguments {
    /// The person's name, or a folder that contains one folder per person
    #[arg(value_name = "NAME|FOLDER")]
    name: String,
    /// Photos of the person, or folders of such photos; `-` reads a photo from standard input
    #[arg(value_name = "PHOTO")]
    photos: Vec<PathBuf>,
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
    let mut batch = Batch::default();
    let mut done = Done::Well;
    let people = match arguments.photos.is_empty() {
        true => {
            if arguments.id.is_some() {
                return Err(Failure::new("--id: names one person, and no photo of theirs is named")
                    .hint("name the photos: phiz enroll NAME PHOTO… --id ID"));
            }
            let (people, all) = people_of(Path::new(&arguments.name), arguments.json, &mut batch)?;
            if !all {
                done = Done::Partly;
            }
            people
        }
        false => vec![person_of(arguments, &mut batch)?],
    };
    people.iter().try_for_each(PersonPhotos::check)?;
    let service = shared.service()?;
    let (gallery, made) = shared.open_or_create_gallery(&service)?;
    if made {
        note!("made a gallery: {}", shared.gallery_path()?.display());
    }
    let options = EnrolOptions {
        looking: arguments.looking.service(),
        choice: arguments.selection.choice(),
        force: arguments.force,
        crop: !arguments.no_crop,
        consent: arguments.consent.clone(),
    };
    let bar = shared.progress(people.iter().map(|person| person.photos.len()).sum());
    let mut known = 0;
    service.enrol_people(&gallery, &people, &options, shared.threads()?, |event| match event {
        EnrolEvent::Photo => bar.inc(1),
        EnrolEvent::Person(person, answer) => bar.suspend(|| {
            known += usize::from(answer.id.is_some());
            if answer.refused_any() {
                done = Done::Partly;
            }
            match arguments.json {
                true => out::json(&answer),
                false => print(person, &answer),
            }
        }),
    })?;
    bar.finish_and_clear();
    batch.summarise(0, shared);
    if known == 0 {
        return Err(
            Failure::new("nobody was enrolled").hint("every photo was refused, for the reasons above")
        );
    }
    Ok(done)
}

/// The one person who is named, with their photos.
fn person_of(arguments: &Arguments, batch: &mut Batch) -> Result<PersonPhotos, Failure> {
    if arguments.id.is_none() {
        // Before a gallery is made for them.
        phiz_gallery::clean_name(&arguments.name)?;
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
        None => Target::Named(arguments.name.clone()),
    };
    Ok(PersonPhotos { target, name: arguments.name.clone(), photos: all })
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

//! `phiz enroll`: learns people from their photos.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use phiz_gallery::{Doubt, EnrollRules, Enrolled, Gallery, NewFace, Outcome, PersonId, Target};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::faces::{self, Looking, Problem};
use super::{Done, Failure, Shared, photos};
use crate::{Engine, Image};

/// Arguments of `phiz enroll`.
#[derive(Args)]
#[command(after_help = "Examples:
  phiz enroll Ada ada-1.jpg ada-2.jpg    one person, from one or more photos
  phiz enroll people/                    a folder of people: people/Ada/*.jpg, people/Ben/*.jpg, …")]
pub(crate) struct Arguments {
    /// The person's name, or a folder that holds a folder a person
    #[arg(value_name = "NAME|FOLDER")]
    name: String,
    /// Photos of the person, or folders of such
    #[arg(value_name = "PHOTO")]
    photos: Vec<PathBuf>,
    /// Add to the person of this id instead of one by name
    #[arg(long, value_name = "ID")]
    id: Option<PersonId>,
    /// Of several faces in a photo take the largest
    #[arg(long)]
    largest: bool,
    /// Take small, blurred or dark faces too
    #[arg(long)]
    force: bool,
    /// On what ground the faces are kept, in your words
    #[arg(long, value_name = "TEXT")]
    consent: Option<String>,
    /// Keep no picture of the face (then another model cannot be adopted later without the photos)
    #[arg(long)]
    no_crop: bool,
    /// One JSON object a person and line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    looking: Looking,
}

impl Arguments {
    /// What `phiz identify --people FOLDER` learns by.
    pub(crate) fn of_folder(looking: &Looking) -> Arguments {
        Arguments {
            name: String::new(),
            photos: Vec::new(),
            id: None,
            largest: false,
            force: false,
            consent: None,
            no_crop: true,
            json: false,
            looking: looking.clone(),
        }
    }
}

/// A person to be enrolled.
pub(crate) struct Group {
    target: Target,
    name: String,
    photos: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let folder = Path::new(&arguments.name);
    let groups = match arguments.photos.is_empty() {
        true => people_of(folder)?,
        false => vec![Group {
            target: match arguments.id {
                Some(id) => Target::Person(id),
                None => Target::Named(arguments.name.clone()),
            },
            name: arguments.name.clone(),
            photos: photos::find(&arguments.photos)?,
        }],
    };
    let engine = shared.engine()?;
    let gallery = shared.open_or_create_gallery(&engine)?;
    let mut done = Done::Well;
    let mut people = 0;
    learn(&engine, &gallery, groups, arguments, shared, |group, problems, enrolled| {
        people += usize::from(enrolled.person.is_some());
        let report = Report { group, problems, enrolled };
        if report.refused() > 0 {
            done = Done::Partly;
        }
        match arguments.json {
            true => println!("{}", report.to_json()?),
            false => report.print()?,
        }
        Ok(())
    })?;
    if people == 0 {
        return Err(
            Failure::new("nobody was enrolled").hint("every photo was refused; the reasons stand above")
        );
    }
    Ok(done)
}

/// A folder a person.
///
/// # Errors
/// No such folder, or none within it.
pub(crate) fn people_of(folder: &Path) -> Result<Vec<Group>, Failure> {
    if !folder.is_dir() {
        return Err(Failure::new(format!(
            "{}: is no folder of people, and no photo is named",
            folder.display()
        ))
        .hint("enrol a person with: phiz enroll NAME PHOTO…"));
    }
    let entries = std::fs::read_dir(folder).map_err(|e| Failure::reading(folder, &e))?;
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    let mut groups = Vec::new();
    for path in folders {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            let photos = photos::find(std::slice::from_ref(&path))?;
            groups.push(Group { target: Target::Named(name.clone()), name, photos });
        }
    }
    if groups.is_empty() {
        return Err(Failure::new(format!("{}: holds no folder of a person", folder.display()))
            .hint("put each person's photos into a folder with their name, or: phiz enroll NAME PHOTO…"));
    }
    Ok(groups)
}

/// Describes all photos and enrols person by person, each as soon as their photos are done; `each` is told of it.
pub(crate) fn learn(
    engine: &Engine,
    gallery: &Gallery,
    groups: Vec<Group>,
    arguments: &Arguments,
    shared: &Shared,
    mut each: impl FnMut(&Group, &BTreeMap<PathBuf, Problem>, &Enrolled) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let photos: Vec<(usize, &PathBuf)> =
        groups.iter().enumerate().flat_map(|(n, group)| group.photos.iter().map(move |p| (n, p))).collect();
    let bar = shared.progress(photos.len());
    let work = |(_, path): &(usize, &PathBuf)| describe(engine, path, arguments);
    let (mut faces, mut problems, mut seen) = (Vec::new(), BTreeMap::new(), 0);
    photos::in_order(&photos, shared.threads()?, &bar, work, |(number, path), face| {
        match face {
            Ok(face) => faces.push(face),
            Err(problem) => {
                problems.insert((*path).clone(), problem);
            }
        }
        seen += 1;
        let group = &groups[*number];
        if seen == group.photos.len() {
            let enrolled = gallery.enroll(&group.target, &faces, &EnrollRules::default())?;
            each(group, &problems, &enrolled)?;
            faces.clear();
            problems.clear();
            seen = 0;
        }
        Ok(())
    })
}

fn describe(engine: &Engine, path: &Path, arguments: &Arguments) -> Result<NewFace, Problem> {
    let bytes = std::fs::read(path).map_err(|e| Problem::unreadable(&e))?;
    let image = Image::decode(&bytes, &crate::DecodeOptions::default())?;
    let face = faces::one(engine, &image, &arguments.looking, arguments.largest)?;
    if !arguments.force {
        faces::fit_to_enrol(&face)?;
    }
    let crop = match arguments.no_crop {
        true => None,
        false => Some(engine.align(&image, &face.detection).encode_jpeg(95)?),
    };
    Ok(NewFace {
        photo: Some(Sha256::digest(&bytes).into()),
        source: Some(path.display().to_string()),
        consent: arguments.consent.clone(),
        crop,
        ..NewFace::new(face.template, face.quality)
    })
}

/// What became of one person's photos.
struct Report<'a> {
    group: &'a Group,
    problems: &'a BTreeMap<PathBuf, Problem>,
    enrolled: &'a Enrolled,
}

impl Report<'_> {
    /// Each photo with what became of it; faces are in the order of the photos that have no problem.
    fn photos(&self) -> impl Iterator<Item = (&PathBuf, Result<&Outcome, &Problem>)> {
        let mut outcomes = self.enrolled.faces.iter();
        self.group.photos.iter().filter_map(move |path| match self.problems.get(path) {
            Some(problem) => Some((path, Err(problem))),
            None => Some((path, Ok(outcomes.next()?))),
        })
    }

    fn refused(&self) -> usize {
        let lost = |outcome: &Result<&Outcome, &Problem>| matches!(outcome, Err(_) | Ok(Outcome::Refused(_)));
        self.photos().filter(|(_, outcome)| lost(outcome)).count()
    }

    fn print(&self) -> Result<(), Failure> {
        let added = self.enrolled.faces.iter().filter(|face| matches!(face, Outcome::Added { .. })).count();
        match self.enrolled.person {
            Some(person) => {
                let known = if self.enrolled.new { "" } else { ", known before" };
                let faces = if added == 1 { "1 face" } else { &format!("{added} faces") };
                println!("{}: {faces} enrolled ({person}{known})", self.group.name);
            }
            None => println!("{}: not enrolled", self.group.name),
        }
        for (path, outcome) in self.photos() {
            match outcome {
                Err(problem) => problem.warn(path),
                Ok(Outcome::Refused(refusal)) => eprintln!("{}: {refusal}", path.display()),
                Ok(Outcome::Known { face }) => eprintln!("{}: known already as {face}", path.display()),
                Ok(Outcome::Added { face, doubt: Some(Doubt::Unlike { own, nearest }), .. }) => {
                    eprintln!(
                        "{}: this face is unlike {}'s other faces (similarity {:.2}): somebody else?",
                        path.display(),
                        self.group.name,
                        own.similarity
                    );
                    if let Some(other) = nearest {
                        eprintln!(
                            "  hint: it is {:.2} like {}'s ({}); if it is them: phiz people move {face} {}",
                            other.similarity, other.name, other.person, other.person
                        );
                    }
                }
                Ok(Outcome::Added { doubt: Some(Doubt::AlsoLike { other }), .. }) => eprintln!(
                    "{}: this face is {:.2} like {}'s ({}): the same person?\n  hint: if so, phiz people merge joins \
                     the two",
                    path.display(),
                    other.similarity,
                    other.name,
                    other.person
                ),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    fn to_json(&self) -> Result<serde_json::Value, Failure> {
        let mut list = Vec::new();
        for (path, outcome) in self.photos() {
            list.push(match outcome {
                Err(problem) => json!({ "path": path, "error": problem }),
                Ok(Outcome::Refused(refusal)) => {
                    let reason = refusal.to_string();
                    json!({ "path": path, "error": { "kind": "refused", "reason": reason, "details": refusal } })
                }
                Ok(Outcome::Added { face, own, similar, doubt }) => {
                    let others = similar.iter().map(|other| {
                        json!({ "person": other.name, "id": other.person, "similarity": other.similarity })
                    });
                    let others: Vec<serde_json::Value> = others.collect();
                    let like_own = own.map(|own| own.similarity);
                    json!({ "path": path, "face": face, "like_own": like_own, "similar": others, "doubt": doubt })
                }
                Ok(Outcome::Known { face }) => json!({ "path": path, "known": face }),
                Ok(_) => json!({ "path": path }),
            });
        }
        let (id, new) = (self.enrolled.person, self.enrolled.new);
        Ok(json!({ "person": self.group.name, "id": id, "new": new, "photos": list }))
    }
}

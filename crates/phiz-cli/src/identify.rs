//! `phiz identify`: whose faces a photo shows, or nobody's who is known.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use phiz_gallery::{Decision, Filter, Gallery, Identified, Rate, Search};
use serde_json::{Value, json};

use super::detect::{Annotate, FOUND, Mark, UNKNOWN, face_json};
use super::faces::{self, Looking, Problem};
use super::tell::{self, Tell};
use super::verify::{check_rate, one_in};
use super::{Done, Failure, Shared, enroll, photos, store};
use crate::{Engine, Face};

/// Arguments of `phiz identify`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Photos, or folders of photos
    #[arg(required = true, value_name = "PHOTO")]
    photos: Vec<PathBuf>,
    /// Compare with the people in this folder (a folder a person) instead of the gallery; nothing is stored
    #[arg(long, value_name = "FOLDER")]
    people: Option<PathBuf>,
    /// At most this share of unknown people may be given a name
    #[arg(long, value_name = "RATE", default_value_t = 0.01)]
    fpir: f64,
    /// Instead of --fpir: at most this share of single comparisons of different people may match
    #[arg(long, value_name = "RATE", conflicts_with = "fpir")]
    fmr: Option<f64>,
    /// Only people on this watch list
    #[arg(long, value_name = "LIST", conflicts_with = "people")]
    list: Option<String>,
    /// Candidates to show for each face
    #[arg(long, value_name = "N", default_value = "5")]
    top: NonZeroUsize,
    /// One JSON object a photo and line
    #[arg(long)]
    json: bool,
    /// Write the photo with names, as .jpg or .png; a folder if there are several photos
    #[arg(long, value_name = "FILE")]
    annotate: Option<PathBuf>,
    #[command(flatten)]
    looking: Looking,
}

struct Found {
    size: (u32, u32),
    faces: Vec<Named>,
    /// The smallest false match rate that was measured.
    least: f64,
}

struct Named {
    face: Face,
    identified: Identified,
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    check_rate("--fpir", arguments.fpir)?;
    arguments.fmr.map_or(Ok(()), |fmr| check_rate("--fmr", fmr))?;
    let paths = photos::find(&arguments.photos)?;
    let annotate = Annotate::new(arguments.annotate.as_deref(), &paths)?;
    let engine = shared.engine()?;
    let gallery = match &arguments.people {
        Some(folder) => learn(&engine, folder, arguments, shared)?,
        None => shared.open_gallery_of(&engine)?,
    };
    let search = Search {
        rate: arguments.fmr.map_or(Rate::Fpir(arguments.fpir), Rate::Fmr),
        most: arguments.top.get(),
        among: arguments.list.as_ref().map_or_else(Filter::default, Filter::list),
        ..Search::default()
    };
    tell::each(&paths, shared, arguments.json, |path| {
        look(&engine, &gallery, &search, path, arguments, &annotate)
    })
}

/// A gallery of a folder of people, in memory.
fn learn(engine: &Engine, folder: &Path, arguments: &Arguments, shared: &Shared) -> Result<Gallery, Failure> {
    let gallery = store::passing_gallery(engine)?;
    let groups = enroll::people_of(folder)?;
    let how = enroll::Arguments::of_folder(&arguments.looking);
    enroll::learn(engine, &gallery, groups, &how, shared, |_, problems, _| {
        problems.iter().for_each(|(path, problem)| problem.warn(path));
        Ok(())
    })?;
    Ok(gallery)
}

/// What one photo shows. The outer error ends the command: the gallery cannot be read.
fn look(
    engine: &Engine,
    gallery: &Gallery,
    search: &Search,
    path: &Path,
    arguments: &Arguments,
    annotate: &Annotate<'_>,
) -> Result<Result<Found, Problem>, Failure> {
    let (image, faces) = match faces::all(engine, path, &arguments.looking) {
        Ok(found) => found,
        Err(problem) => return Ok(Err(problem)),
    };
    let templates: Vec<_> = faces.iter().map(|face| face.template.clone()).collect();
    let identified = gallery.identify_all(&templates, search)?;
    let mut named = Vec::new();
    for (face, identified) in faces.into_iter().zip(identified) {
        named.push(Named { face, identified });
    }
    if annotate.wanted() {
        let marks =
            named.iter().map(|n| Mark { at: &n.face.detection, label: n.label(), colour: n.colour() });
        if let Err(problem) = annotate.write(path, image.clone(), marks) {
            return Ok(Err(problem));
        }
    }
    let least = gallery.thresholds().least_measured();
    Ok(Ok(Found { size: image.original_size(), faces: named, least }))
}

impl Named {
    fn label(&self) -> String {
        match &self.identified.decision {
            Decision::Match(candidate) => candidate.name.clone(),
            Decision::Ambiguous { candidates } => {
                let names: Vec<&str> = candidates.iter().map(|c| c.name.as_str()).collect();
                names.join(" or ") + "?"
            }
            Decision::Unknown { .. } => "unknown".into(),
        }
    }

    fn colour(&self) -> [u8; 3] {
        match self.identified.decision {
            Decision::Match(_) => FOUND,
            _ => UNKNOWN,
        }
    }

    fn to_json(&self) -> Value {
        let mut face = face_json(&self.face.detection, self.face.quality);
        let candidates: Vec<Value> = self
            .identified
            .candidates
            .iter()
            .map(|c| {
                json!({ "person": c.name, "id": c.person, "similarity": c.similarity, "fmr": c.fmr, "fpir": c.fpir })
            })
            .collect();
        let (decision, person) = match &self.identified.decision {
            Decision::Match(c) => ("match", json!(c.name)),
            Decision::Ambiguous { .. } => ("ambiguous", Value::Null),
            Decision::Unknown { .. } => ("unknown", Value::Null),
        };
        face["person"] = person;
        face["decision"] = json!(decision);
        face["threshold"] = json!(self.identified.threshold);
        face["candidates"] = json!(candidates);
        face
    }
}

impl Tell for Found {
    fn to_json(&self, path: &Path) -> Value {
        let faces: Vec<Value> = self.faces.iter().map(Named::to_json).collect();
        json!({ "path": path, "width": self.size.0, "height": self.size.1, "faces": faces })
    }

    fn print(&self, out: &mut dyn Write, path: &Path) -> std::io::Result<()> {
        writeln!(out, "{}:{}", path.display(), if self.faces.is_empty() { " no face" } else { "" })?;
        let width = self.faces.iter().map(|n| n.label().chars().count()).max().unwrap_or(0);
        for named in &self.faces {
            let [x, y, w, h] = named.face.detection.bbox;
            let why = match &named.identified.decision {
                Decision::Match(c) => {
                    let least = phiz_gallery::fpir(self.least, named.identified.people as f64);
                    format!(
                        "similarity {:.2}, reached by {}",
                        c.similarity,
                        one_in(c.fpir, least, "strangers")
                    )
                }
                Decision::Ambiguous { .. } => "too similar to more than one person to tell".into(),
                Decision::Unknown { .. } => "not similar enough to anybody".into(),
            };
            writeln!(out, "  {:width$}  {why}   ({w:.0} × {h:.0} at {x:.0}, {y:.0})", named.label())?;
        }
        Ok(())
    }
}

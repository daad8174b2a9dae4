//! `phiz explain`: why a face is who it is, or is not.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use phiz_gallery::PersonId;
use phiz_service::{Album, Explanation, IdentifyOptions, Photo, Reason};

use super::faces::Looking;
use super::out::{self, note, say};
use super::output::Target;
use super::photos::AtPath;
use super::verify::one_in;
use super::{Done, Failure, Shared, scan};

/// Arguments of `phiz explain`.
#[derive(Args)]
#[command(
    after_help = "Example: phiz explain party.jpg --face 3\n\nFaces have the numbers that `phiz detect` lists. A photo that was \
    scanned is not looked at again."
)]
pub(crate) struct Arguments {
    /// The photo
    photo: PathBuf,
    /// Only the face with this number in the list that `phiz detect` prints
    #[arg(long, value_name = "N")]
    face: Option<usize>,
    /// Print one JSON object per face, one per line
    #[arg(long)]
    json: bool,
    /// Write a picture of the face beside the enrolled faces that are most like it, as .jpg or .png
    #[arg(long, value_name = "FILE", requires = "face")]
    sheet: Option<PathBuf>,
    /// Let --sheet overwrite a file that exists
    #[arg(long, requires = "sheet")]
    force: bool,
    #[command(flatten)]
    deciding: scan::Deciding,
    #[command(flatten)]
    looking: Looking,
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let target = match &arguments.sheet {
        Some(path) => Some(Target::picture("--sheet", path, [arguments.photo.as_path()], arguments.force)?),
        None => None,
    };
    let options = IdentifyOptions { looking: arguments.looking.service(), ..arguments.deciding.options()? };
    let service = shared.service()?;
    let gallery = shared.open_gallery_for(&service)?;
    let album = Album::open(&gallery, &options)?;
    let unusable = |problem: &phiz_service::Problem| {
        Failure::new(format!("{}: {problem}", arguments.photo.display())).hint(problem.remedy())
    };
    let scanned = album.photo_at(&arguments.photo).filter(|(photo, _)| photo.problem.is_none());
    let (faces, said): (Vec<_>, BTreeMap<usize, PersonId>) = match scanned {
        Some((_, places)) => (album.faces(places), phiz_service::said_in(&album.archive, places)),
        None => {
            let image = service.decode(&Photo::from_path(&arguments.photo), &options.looking);
            let image = image.map_err(|problem| unusable(&problem))?;
            (service.faces(&image, &options.looking).map_err(|p| unusable(&p))?, BTreeMap::new())
        }
    };
    let mut explained = service.explain(&gallery, &faces, &said, &options)?;
    if let Some((_, places)) = scanned {
        album.correct(places, &mut explained);
    }
    let wanted: Vec<&Explanation> =
        explained.iter().filter(|one| arguments.face.is_none_or(|number| one.face == number)).collect();
    if let (Some(number), true) = (arguments.face, wanted.is_empty()) {
        return Err(Failure::new(format!(
            "{}: there is no face {number}; the photo has {}",
            arguments.photo.display(),
            super::table::count(explained.len(), "face", "faces")
        ))
        .hint("`phiz detect` lists the faces of a photo with their numbers"));
    }
    for one in &wanted {
        match arguments.json {
            true => out::json(&AtPath { path: arguments.photo.as_path().into(), found: *one }),
            false => print(one),
        }
    }
    if let (Some(target), Some(one)) = (target, wanted.first()) {
        let image = service.decode(&Photo::from_path(&arguments.photo), &options.looking);
        let image = image.map_err(|problem| unusable(&problem))?;
        let own = service.analyzer().align(&image, &faces[one.face - 1].detection).encode_jpeg(95);
        let mut crops = vec![(format!("face {}", one.face), own.map_err(Failure::new)?)];
        for face in one.candidates.iter().flat_map(|reason| &reason.faces) {
            if let Some(crop) = gallery.crop(face.face)? {
                crops.push((face.face.to_string(), crop));
            }
        }
        let sheet = phiz_service::contact_sheet(&crops).map_err(|problem| unusable(&problem))?;
        target.write_picture(&sheet).map_err(|e| Failure::writing(target.path(), &e))?;
        note!("written: {}", target.path().display());
    }
    if wanted.is_empty() {
        note!("{}: no face", arguments.photo.display());
    }
    Ok(if wanted.is_empty() { Done::Partly } else { Done::Well })
}

fn print(one: &Explanation) {
    let who = match (&*one.decision, &one.person) {
        ("said", Some(person)) => format!("{person}, because you have said so"),
        (_, Some(person)) => format!("{person}, by similarity"),
        (_, None) if one.stranger.is_some() => format!("unknown: more like {}", stranger(one)),
        ("ambiguous", None) => "too similar to more than one person to tell".into(),
        _ => "unknown".into(),
    };
    say!(
        "face {}: {who}   (quality {:.2}; a name needs a similarity of {:.2} among {})",
        one.face,
        one.quality,
        one.threshold,
        super::table::count(one.people, "person", "people")
    );
    for reason in &one.candidates {
        say!("  {}: {}", reason.person.name, words(reason, one));
        for face in &reason.faces {
            say!("    {:.2}  {}  {}", face.similarity, face.face, face.source.as_deref().unwrap_or(""));
        }
        for negative in &reason.negatives {
            say!(
                "    {:.2}  not: {}  {}",
                negative.similarity,
                negative.negative,
                negative.source.as_deref().unwrap_or("")
            );
        }
    }
}

fn stranger(one: &Explanation) -> String {
    match one.stranger {
        Some(0) | None => "a stranger".into(),
        Some(number) => format!("stranger {number}"),
    }
}

fn words(reason: &Reason, one: &Explanation) -> String {
    let reached = one_in(reason.fpir, one.least_measured, "strangers");
    let mut text = format!("similarity {:.2}, reached by {reached}", reason.similarity);
    if reason.denied {
        text += "; ruled out: it is more like what you said is not them";
    } else if let Some(other) = reason.taken_by {
        text += &format!("; but face {other} of this photo is {}", reason.person.name);
    } else if one.stranger.is_some() && f64::from(reason.similarity) >= one.threshold {
        text += &format!(
            "; but more like {}, whose faces together are not {}",
            stranger(one),
            reason.person.name
        );
    } else if f64::from(reason.similarity) < one.threshold {
        text += "; too little for a name";
    }
    text
}

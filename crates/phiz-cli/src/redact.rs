//! `phiz redact`: hides faces in photos and videos.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use phiz_gallery::{Filter, Gallery, PersonId, Rate};
use phiz_service::{IdentifyOptions, Photo, Service};
use phiz_video::{
    Hiding, Left, RedactOptions, Rewriting, Stage, WRITTEN, Whom, check_photo, check_video, redact_photo,
    redact_video, write_hidden,
};
use serde::Serialize;

use super::out::{self, note, say};
use super::output::Target;
use super::verify::check_rate;
use super::watch::{positive, stop_flag};
use super::{Done, Failure, Shared, table};

/// Arguments of `phiz redact`.
#[derive(Args)]
#[command(after_help = "Examples:
  phiz redact party.jpg --out hidden.jpg                blur every face
  phiz redact party.mp4 --out hidden.mp4 --except Ada   hide everybody but Ada
  phiz redact party.mp4 --out hidden.mp4 --check        report any face left")]
pub(crate) struct Arguments {
    /// The photo or video
    #[arg(value_name = "PHOTO|VIDEO")]
    input: PathBuf,
    /// The file to write: .jpg or .png for a photo; .mp4, .mov, .mkv or .webm for a video
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Hide only the faces of this person, by name or id; may be given several times
    #[arg(long, value_name = "PERSON", conflicts_with = "except")]
    only: Vec<String>,
    /// Hide everybody but this person, by name or id; may be given several times
    #[arg(long, value_name = "PERSON")]
    except: Vec<String>,
    /// How faces are hidden
    #[arg(long, value_enum, default_value = "blur")]
    with: With,
    /// Look at the result again, hide what is found there as well, and report any face that is left even then
    #[arg(long)]
    check: bool,
    /// Let --out overwrite a file that exists (but never the one that is being read)
    #[arg(long)]
    force: bool,
    /// Print the result as a JSON object
    #[arg(long)]
    json: bool,
    /// The share of people who are not enrolled that may be given a name (false positive identification rate)
    #[arg(long, value_name = "RATE", default_value_t = 0.01)]
    fpir: f64,
    /// Lowest detection score of a face that is hidden, from 0 to 1; lower than elsewhere, since a missed face is worse than
    /// a hidden thing
    #[arg(long, value_name = "SCORE", default_value_t = 0.4, value_parser = score)]
    score: f32,
    /// Smallest face that is hidden, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 12.0, value_parser = positive)]
    min_face: f64,
}

fn score(text: &str) -> Result<f32, String> {
    text.parse().ok().filter(|s| (0.05..=1.0).contains(s)).ok_or("give a number from 0.05 to 1".into())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum With {
    /// Blur them so much that no feature is left
    Blur,
    /// Draw them as a few large squares
    Pixelate,
    /// Cover them with one colour
    Cover,
}

/// What was done.
#[derive(Serialize)]
struct Answer<'a> {
    path: phiz_service::PathName,
    out: phiz_service::PathName,
    /// Frames of a video; 1 of a photo.
    frames: u64,
    /// Faces (of a photo) or ways of faces (of a video) that were hidden.
    hidden: usize,
    /// Those that were left on purpose.
    shown: usize,
    /// What a second look still finds; null if there was none.
    left: Option<&'a [Found]>,
}

#[derive(Serialize)]
struct Found {
    time: f64,
    #[serde(rename = "box")]
    bbox: [f32; 4],
    score: f32,
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    check_rate("--fpir", arguments.fpir)?;
    let ending = ending(&arguments.out);
    let video = WRITTEN.contains(&ending.as_str());
    let target = match video {
        true => Target::new("--out", &arguments.out, [arguments.input.as_path()], arguments.force)?,
        false if ["jpg", "jpeg", "png"].contains(&ending.as_str()) => {
            Target::picture("--out", &arguments.out, [arguments.input.as_path()], arguments.force)?
        }
        false => {
            return Err(Failure::new(format!(
                "--out {}: is no format that Phiz writes",
                arguments.out.display()
            ))
            .hint("let it end in .jpg or .png for a photo, in .mp4, .mov, .mkv or .webm for a video"));
        }
    };
    let service = shared.service()?;
    let named = !arguments.only.is_empty() || !arguments.except.is_empty();
    let gallery = if named { Some(shared.open_gallery_for(&service)?) } else { None };
    let options = options(arguments, gallery.as_ref())?;
    let (frames, hidden, shown, left) = match video {
        true => of_video(arguments, shared, &service, gallery.as_ref(), &options, &target, &ending)?,
        false => of_photo(arguments, &service, gallery.as_ref(), &options, &target)?,
    };
    let left: Option<Vec<Found>> = left.map(|left| {
        let found = |left: &Left| Found { time: left.time, bbox: left.bbox, score: left.score };
        left.iter().map(found).collect()
    });
    if arguments.json {
        out::json(&Answer {
            path: arguments.input.as_path().into(),
            out: arguments.out.as_path().into(),
            frames,
            hidden,
            shown,
            left: left.as_deref(),
        });
    } else {
        let what = table::count(hidden, "face", "faces");
        let kept = if shown > 0 { format!(", {shown} left as they are") } else { String::new() };
        say!("{}: {what} hidden{kept}", arguments.out.display());
    }
    let Some(left) = left else { return Ok(Done::Well) };
    if left.is_empty() {
        if !shared.quiet {
            note!("checked: no face is left");
        }
        return Ok(Done::Well);
    }
    for Found { time, bbox: [x, y, w, h], score } in &left {
        note!("still a face at {time:.2} s: {w:.0} × {h:.0} at ({x:.0}, {y:.0}), score {score:.2}");
    }
    note!(
        "hint: hide them with --with cover, or look for smaller and fainter ones with --min-face and --score"
    );
    Ok(Done::Partly)
}

fn ending(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

fn options(arguments: &Arguments, gallery: Option<&Gallery>) -> Result<RedactOptions, Failure> {
    let whom = match gallery {
        None => Whom::Everyone,
        Some(gallery) if arguments.only.is_empty() => {
            Whom::Except(people(gallery, "--except", &arguments.except)?)
        }
        Some(gallery) => Whom::Only(people(gallery, "--only", &arguments.only)?),
    };
    let how = match arguments.with {
        With::Blur => Hiding::Blur,
        With::Pixelate => Hiding::Pixelate,
        With::Cover => Hiding::Cover,
    };
    let identify = IdentifyOptions { rate: Rate::Fpir(arguments.fpir), ..IdentifyOptions::default() };
    Ok(RedactOptions { whom, how, identify, score: arguments.score, min_face: arguments.min_face as f32 })
}

/// The people of these names or ids; a name of several people means all of them.
fn people(gallery: &Gallery, option: &str, names: &[String]) -> Result<BTreeSet<PersonId>, Failure> {
    let mut people = BTreeSet::new();
    for name in names {
        let filter = match name.parse::<PersonId>() {
            Ok(id) => Filter { people: Some(BTreeSet::from([id])), ..Filter::default() },
            Err(_) => Filter { name: Some(name.clone()), ..Filter::default() },
        };
        let found = gallery.people(&filter, None, usize::MAX)?;
        if found.is_empty() {
            return Err(Failure::new(format!("{option} {name}: there is no such person in the gallery"))
                .hint("`phiz people list` shows names and ids"));
        }
        people.extend(found.iter().map(|person| person.id));
    }
    Ok(people)
}

/// A video in which a face is left is written again so often.
const MENDED: usize = 3;

type Counts = (u64, usize, usize, Option<Vec<Left>>);

fn of_photo(
    arguments: &Arguments,
    service: &Service,
    gallery: Option<&Gallery>,
    options: &RedactOptions,
    target: &Target,
) -> Result<Counts, Failure> {
    let looking = phiz_service::Looking::default();
    let unusable = |problem: phiz_service::Problem| {
        Failure::new(format!("{}: {problem}", arguments.input.display())).hint(problem.remedy())
    };
    let photo = service.decode(&Photo::from_path(&arguments.input), &looking).map_err(unusable)?;
    let done = redact_photo(service, gallery, &photo, options)?;
    target.write_picture(&done.image).map_err(|error| Failure::writing(target.path(), &error))?;
    let left = match arguments.check {
        true => {
            // As it lies on the disk: a JPEG differs from what was encoded.
            let again = service.decode(&Photo::from_path(target.path()), &looking).map_err(unusable)?;
            Some(check_photo(service, &again, &done.hidden, options)?)
        }
        false => None,
    };
    Ok((1, done.hidden.len(), done.shown, left))
}

fn of_video(
    arguments: &Arguments,
    shared: &Shared,
    service: &Service,
    gallery: Option<&Gallery>,
    options: &RedactOptions,
    target: &Target,
    format: &str,
) -> Result<Counts, Failure> {
    let input = arguments.input.as_path();
    let source = phiz_video::Source::parse(input.as_os_str())?;
    if source.path().is_none() {
        return Err(Failure::new(format!("{}: is no video file", input.display()))
            .hint("a video is gone through twice, so that it must be a file"));
    }
    let stop = stop_flag(true)?;
    let seconds = phiz_video::probe(&source, 25.0)?.duration.unwrap_or(0.0);
    // Looking takes the most time; writing and checking are weighed as they usually come out.
    let weights = [0.5, 0.3, if arguments.check { 0.5 } else { 0.0 }];
    let bar = shared.progress((seconds * 10.0 * weights.iter().sum::<f64>()) as usize);
    let mut progress = |stage: Stage, time: f64| {
        let (before, weight) = match stage {
            Stage::Look => (0.0, weights[0]),
            Stage::Write => (weights[0], weights[1]),
            _ => (weights[0] + weights[1], weights[2]),
        };
        bar.set_position(((before * seconds + weight * time) * 10.0) as u64);
    };
    let workshop = target.workshop().map_err(|error| Failure::writing(target.path(), &error))?;
    let growing = workshop.path().join("video");
    let video = Rewriting { path: input, out: &growing, format, stop: &stop };
    let done = redact_video(service, gallery, video, options, &mut progress)?;
    let left = match arguments.check {
        true => {
            let mut left = check_video(service, &growing, &done.hidden, options, &stop, &mut progress)?;
            // What was found is hidden as well, and looked at once more.
            let mut more = Vec::new();
            for _ in 0..MENDED {
                if left.is_empty() {
                    break;
                }
                more.append(&mut left);
                let hidden = &done.hidden;
                write_hidden(service, video, options, hidden, &more, &mut progress)?;
                left = check_video(service, &growing, hidden, options, &stop, &mut progress)?;
            }
            Some(left)
        }
        false => None,
    };
    bar.finish_and_clear();
    target.take(&growing).map_err(|error| Failure::writing(target.path(), &error))?;
    let ways = done.hidden.iter().filter(|path| path.confirmed).count();
    Ok((done.frames, ways, done.shown, left))
}

//! `phiz strangers`: the people in an archive whom nobody has named.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use phiz_gallery::{GroupId, OperationId, PersonId, SightingId, Target as Whom};
use phiz_service::{Album, Photo, SeenBefore, Service, StrangerAnswer};
use serde_json::json;

use super::faces::Looking;
use super::out::{self, note, say};
use super::output::Target;
use super::verify::one_in;
use super::{Done, Failure, Shared, people, scan, table};

/// Arguments of `phiz strangers`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  phiz strangers name 14 \"Postman\"  give a stranger a name\n  phiz strangers like face.jpg        say \
    whether this face was here before\n\nA stranger is at least three photos of one person whom nobody \
    has named. The number stays the same for ever. Every change can be undone with `phiz strangers undo`."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print JSON instead of tables, one object per line
    #[arg(long, global = true)]
    json: bool,
    /// Write a picture of the faces with their numbers, as .jpg or .png
    #[arg(long, value_name = "FILE", global = true)]
    sheet: Option<PathBuf>,
    /// Let --sheet overwrite a file that exists
    #[arg(long, requires = "sheet", global = true)]
    force: bool,
    #[command(flatten)]
    deciding: scan::Deciding,
}

#[derive(Subcommand)]
enum Action {
    /// List the strangers, the one with the most faces first (the default)
    List {
        /// List those that you ignore instead
        #[arg(long)]
        ignored: bool,
    },
    /// Show one stranger's faces, and the photos that they are in
    Show {
        /// The stranger, by number
        number: u64,
    },
    /// Say where and when the faces in a photo were seen before: in scanned photos, and before cameras
    Like {
        /// The photo
        photo: PathBuf,
        /// How many sightings of each face are listed at most
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        most: u16,
        #[command(flatten)]
        looking: Looking,
    },
    /// Give a stranger a name: the best and most different faces are enrolled
    Name {
        /// The stranger, by number
        number: u64,
        /// The name of the person, or the id of one who is enrolled
        name: String,
        /// On what ground the faces are kept, in your own words
        #[arg(long, value_name = "TEXT")]
        consent: Option<String>,
    },
    /// Do not list these strangers any more
    Ignore {
        /// The strangers, by number
        #[arg(required = true)]
        numbers: Vec<u64>,
    },
    /// List strangers again that you have ignored
    Notice {
        /// The strangers, by number
        #[arg(required = true)]
        numbers: Vec<u64>,
    },
    /// Join strangers who are one person: the others' numbers then stand for the first
    Join {
        /// The stranger who stays, by number
        into: u64,
        /// The strangers who become that one, by number
        #[arg(required = true)]
        from: Vec<u64>,
    },
    /// Divide a stranger who is two people: some faces become a stranger of their own
    Split {
        /// The stranger, by number
        number: u64,
        /// The faces of the other person, by id (see `phiz strangers show`)
        #[arg(required = true, value_name = "FACE")]
        faces: Vec<SightingId>,
    },
    /// Undo a change, or the latest change if none is named
    Undo {
        /// The change, by id (o12, see `phiz people history`)
        operation: Option<OperationId>,
    },
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let json = arguments.json;
    let sheet = match &arguments.sheet {
        Some(path) => Some(Target::picture("--sheet", path, std::iter::empty::<&Path>(), arguments.force)?),
        None => None,
    };
    let options = arguments.deciding.options()?;
    let gallery = shared.open_gallery()?;
    let said = |operation: OperationId, what: String| {
        match json {
            true => out::json(&json!({ "operation": operation, "done": what })),
            false => {
                say!("{what}");
                say!("undo with: phiz strangers undo {operation}");
            }
        }
        Ok(Done::Well)
    };
    let each = |numbers: &[u64], ignored: bool| -> Result<Done, Failure> {
        for number in numbers {
            let operation = gallery.ignore_group(GroupId(*number), ignored)?;
            let what = if ignored { "is ignored" } else { "is listed again" };
            said(operation, format!("stranger {number} {what}"))?;
        }
        Ok(Done::Well)
    };
    match arguments.action.as_ref().unwrap_or(&Action::List { ignored: false }) {
        Action::List { ignored } => {
            let album = Album::open(&gallery, &options)?;
            let strangers = album.strangers(*ignored);
            if let Some(target) = &sheet {
                write_sheet(&shared.service()?, &album, &strangers, target, 8)?;
            }
            Ok(list(&strangers, &album, json, shared))
        }
        Action::Show { number } => {
            let album = Album::open(&gallery, &options)?;
            let stranger = album.stranger(*number)?;
            if let Some(target) = &sheet {
                write_sheet(&shared.service()?, &album, std::slice::from_ref(&stranger), target, 400)?;
            }
            show(&stranger, json);
            Ok(Done::Well)
        }
        Action::Like { photo, most, looking } => {
            let service = shared.service()?;
            gallery.expect_model(service.analyzer().model_id())?;
            let album = Album::open(&gallery, &options)?;
            let looking = looking.service();
            let unusable = |problem: phiz_service::Problem| {
                Failure::new(format!("{}: {problem}", photo.display())).hint(problem.remedy())
            };
            let image = service.decode(&Photo::from_path(photo), &looking).map_err(unusable)?;
            let faces = service.faces(&image, &looking).map_err(unusable)?;
            let mut any = false;
            for (number, face) in faces.iter().enumerate() {
                let before =
                    album.seen_before(&face.template, arguments.deciding.rate(), usize::from(*most))?;
                any |= !before.is_empty();
                like(photo, number + 1, face.detection.bbox, &before, json);
            }
            if faces.is_empty() {
                note!("{}: no face", photo.display());
            }
            Ok(if any { Done::Well } else { Done::Partly })
        }
        Action::Name { number, name, consent } => {
            let service = shared.service()?;
            gallery.expect_model(service.analyzer().model_id())?;
            let album = Album::open(&gallery, &options)?;
            let target = match name.trim().to_ascii_lowercase().parse::<PersonId>() {
                Ok(id) => Whom::Person(id),
                Err(_) => Whom::Named(name.clone()),
            };
            let named = service.name_stranger(&album, *number, &target, consent.as_deref())?;
            if json {
                out::json(&named);
                return Ok(Done::Well);
            }
            let id = named.id.map(|id| format!(" ({id})")).unwrap_or_default();
            let faces = table::count(named.enrolled, "face", "faces");
            say!("stranger {number} is {}{id} now, enrolled with {faces}", named.person);
            if named.without_picture > 0 {
                note!("note: of {} no picture is kept: the photos cannot be read", named.without_picture);
            }
            say!("photos: phiz find {}", named.id.map_or_else(|| named.person.clone(), |id| id.to_string()));
            say!("undo with: phiz strangers undo {}", named.operation);
            Ok(Done::Well)
        }
        Action::Ignore { numbers } => each(numbers, true),
        Action::Notice { numbers } => each(numbers, false),
        Action::Join { into, from } => {
            for other in from {
                let operation = gallery.join_groups(GroupId(*into), GroupId(*other))?;
                said(operation, format!("stranger {other} is stranger {into} now"))?;
            }
            Ok(Done::Well)
        }
        Action::Split { number, faces } => {
            let (new, operation) = gallery.split_group(GroupId(*number), faces)?;
            let faces = table::count(faces.len(), "face", "faces");
            said(operation, format!("{faces} of stranger {number} are stranger {} now", new.0))
        }
        Action::Undo { operation } => people::undo(&gallery, *operation, json),
    }
}

fn list(strangers: &[StrangerAnswer], album: &Album<'_>, json: bool, shared: &Shared) -> Done {
    if json {
        strangers.iter().for_each(out::json);
    } else {
        let row = |stranger: &StrangerAnswer| {
            let best = stranger.faces.first().map(|face| face.path.path.clone()).unwrap_or_default();
            let (first, last) = (table::date(stranger.first), table::date(stranger.last));
            let number = stranger.stranger.to_string();
            vec![number, stranger.faces.len().to_string(), first[..10].into(), last[..10].into(), best]
        };
        let rows: Vec<Vec<String>> = strangers.iter().map(row).collect();
        table::print(&["stranger", "faces", "first", "last", "best seen in"], &rows);
        if !shared.quiet {
            note!("{}", table::count(strangers.len(), "stranger", "strangers"));
            if strangers.is_empty() && album.archive.photos.is_empty() {
                note!("note: no photo was scanned yet: phiz scan FOLDER");
            } else if !strangers.is_empty() {
                note!(
                    "their faces: phiz strangers --sheet FILE.jpg; name one: phiz strangers name NUMBER NAME"
                );
            }
        }
    }
    if strangers.is_empty() { Done::Partly } else { Done::Well }
}

fn show(stranger: &StrangerAnswer, json: bool) {
    if json {
        out::json(stranger);
        return;
    }
    let row = |face: &phiz_service::StrangerFace| {
        let [x, y, w, h] = face.bbox;
        let place = format!("{w:.0} × {h:.0} at {x:.0}, {y:.0}");
        vec![face.sighting.to_string(), format!("{:.2}", face.quality), place, face.path.path.clone()]
    };
    let rows: Vec<Vec<String>> = stranger.faces.iter().map(row).collect();
    table::print(&["face", "quality", "place", "photo"], &rows);
}

/// Says where a face was seen before.
fn like(photo: &Path, number: usize, [x, y, w, h]: [f32; 4], before: &[SeenBefore], json: bool) {
    if json {
        let path = phiz_service::PathName::from(photo);
        let mut answer = json!({ "face": number, "box": [x, y, w, h], "before": before });
        if let (Some(answer), Ok(serde_json::Value::Object(path))) =
            (answer.as_object_mut(), serde_json::to_value(&path))
        {
            answer.extend(path);
        }
        out::json(&answer);
        return;
    }
    let what = match before.len() {
        0 => "was not seen before".to_owned(),
        _ => format!("was seen before: {}", table::count(before.len(), "sighting", "sightings")),
    };
    say!("face {number} ({w:.0} × {h:.0} at {x:.0}, {y:.0}) {what}");
    let row = |seen: &SeenBefore| {
        let who = match (&seen.person, seen.stranger) {
            (Some(person), _) => person.clone(),
            (None, Some(number)) => format!("stranger {number}"),
            (None, None) => "somebody".into(),
        };
        let chance = one_in(seen.chance, 0.0, "strangers");
        vec![seen.sighting.to_string(), who, table::date(seen.at), chance, seen.path.path.clone()]
    };
    let rows: Vec<Vec<String>> = before.iter().map(row).collect();
    table::print(&["face", "who", "when", "as alike by chance", "seen in"], &rows);
}

fn write_sheet(
    service: &Service,
    album: &Album<'_>,
    strangers: &[StrangerAnswer],
    target: &Target,
    each: usize,
) -> Result<(), Failure> {
    let alone = strangers.len() == 1;
    let places = strangers.iter().flat_map(|stranger| {
        stranger.faces.iter().take(each).filter_map(move |face| {
            let caption = match alone {
                true => face.sighting.to_string(),
                false => stranger.stranger.to_string(),
            };
            Some((caption, album.archive.place(face.sighting)?))
        })
    });
    let (crops, without) = service.pictures(album, places.take(800));
    if crops.is_empty() {
        return Err(Failure::new(format!("{}: there is no face to show", target.path().display()))
            .hint("scan photos first, or connect the disk that they are on"));
    }
    let sheet = phiz_service::contact_sheet(&crops)
        .map_err(|p| Failure::new(format!("{}: {p}", target.path().display())).hint(p.remedy()))?;
    target.write_picture(&sheet).map_err(|e| Failure::writing(target.path(), &e))?;
    note!("written: {}", target.path().display());
    if without > 0 {
        note!("note: the photos of {} cannot be read", table::count(without, "face", "faces"));
    }
    Ok(())
}

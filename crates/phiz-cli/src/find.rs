//! `phiz find`: the photos that show somebody.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use phiz_gallery::{Gallery, PersonId};
use phiz_service::{Album, FindOptions, FoundPhoto, Service};

use super::out::{self, note};
use super::output::Target;
use super::{Done, Failure, Shared, scan, table};

/// Arguments of `phiz find`.
#[derive(Args)]
#[command(
    after_help = "Example: phiz find Ana --with Ben --since 2024-06-01\n\nIt finds what `phiz scan` has seen, and looks at no \
    photo. Who was enrolled since is found in photos that were scanned before."
)]
pub(crate) struct Arguments {
    /// The people to find, by id or name: photos that show any of them
    #[arg(value_name = "PERSON", required_unless_present_any = ["with", "unknown"])]
    people: Vec<String>,
    /// Only photos that show this person as well
    #[arg(long, value_name = "PERSON")]
    with: Vec<String>,
    /// Only photos that do not show this person
    #[arg(long, value_name = "PERSON")]
    without: Vec<String>,
    /// Only photos taken on this day or later (2024-06-01); photos that do not say when count by their file's time
    #[arg(long, value_name = "DATE", value_parser = day)]
    since: Option<i64>,
    /// Only photos taken before this day
    #[arg(long, value_name = "DATE", value_parser = day)]
    before: Option<i64>,
    /// Only photos that show somebody whom nobody has named
    #[arg(long)]
    unknown: bool,
    /// Print one JSON object per photo, one per line
    #[arg(long, conflicts_with = "null")]
    json: bool,
    /// Print only paths, each followed by a zero byte, for `xargs -0`
    #[arg(short = '0', long = "null")]
    null: bool,
    /// Make links to the photos in this folder, in one folder per person
    #[arg(long, value_name = "FOLDER", conflicts_with = "copy_to")]
    link_to: Option<PathBuf>,
    /// Copy the photos to this folder, into one folder per person
    #[arg(long, value_name = "FOLDER")]
    copy_to: Option<PathBuf>,
    /// Write a picture of the faces that were found, as .jpg or .png
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Write a page with the photos, faces and names; it needs no other file and no network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Let --sheet and --html overwrite files that exist
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    deciding: scan::Deciding,
}

/// A day in UTC as seconds since 1970.
fn day(text: &str) -> Result<i64, String> {
    let wrong = || "give a day as 2024-06-01".to_owned();
    let parts: Vec<i64> = text.split('-').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let [year, month, of_month] = parts[..] else { return Err(wrong()) };
    if !(1..=12).contains(&month) || !(1..=31).contains(&of_month) || !(0..=9999).contains(&year) {
        return Err(wrong());
    }
    // Eras of 400 years from 1 March of the year 0, as `table::date` counts them.
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + of_month - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let seconds = days * 86_400;
    // The 31st of a month that has 30 days is no day.
    match table::date(seconds).get(8..10).and_then(|d| d.parse().ok()) == Some(of_month) {
        true => Ok(seconds),
        false => Err(wrong()),
    }
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let target = |option: &str, path: &Option<PathBuf>, picture: bool| -> Result<Option<Target>, Failure> {
        let Some(path) = path else { return Ok(None) };
        let none = std::iter::empty::<&Path>();
        let made = match picture {
            true => Target::picture(option, path, none, arguments.force),
            false => Target::new(option, path, none, arguments.force),
        };
        made.map(Some)
    };
    let sheet = target("--sheet", &arguments.sheet, true)?;
    let html = target("--html", &arguments.html, false)?;
    let options = arguments.deciding.options()?;
    // Pictures need the models that align faces; everything else is known.
    let service = if sheet.is_some() || html.is_some() { Some(shared.service()?) } else { None };
    let gallery = shared.open_gallery()?;
    let people = |names: &[String]| -> Result<Vec<PersonId>, Failure> {
        names.iter().map(|name| Ok(gallery.resolve(name)?.id)).collect()
    };
    let wanted = FindOptions {
        any: people(&arguments.people)?,
        with: people(&arguments.with)?,
        without: people(&arguments.without)?,
        unknown: arguments.unknown,
        since: arguments.since,
        before: arguments.before,
        ..FindOptions::default()
    };
    let album = Album::open(&gallery, &options)?;
    let found = album.find(&wanted);
    if found.is_empty() && album.archive.photos.is_empty() {
        note!("note: no photo was scanned yet: phiz scan FOLDER");
    }
    print(&found, arguments, shared);
    if let Some(folder) = arguments.link_to.as_ref().or(arguments.copy_to.as_ref()) {
        sort_into(folder, &found, arguments.link_to.is_some(), &gallery, shared)?;
    }
    if let (Some(service), Some(target)) = (&service, &sheet) {
        write_sheet(service, &album, &found, target)?;
    }
    if let (Some(service), Some(target)) = (&service, &html) {
        let page = service.page(&album, &found, &title(arguments));
        target.write(page.as_bytes()).map_err(|e| Failure::writing(target.path(), &e))?;
        note!("written: {}", target.path().display());
    }
    Ok(if found.is_empty() { Done::Partly } else { Done::Well })
}

fn title(arguments: &Arguments) -> String {
    let mut parts = arguments.people.clone();
    parts.extend(arguments.with.iter().map(|name| format!("with {name}")));
    parts.extend(arguments.without.iter().map(|name| format!("without {name}")));
    if arguments.unknown {
        parts.push("somebody unknown".into());
    }
    parts.join(", ")
}

fn print(found: &[FoundPhoto], arguments: &Arguments, shared: &Shared) {
    if arguments.null {
        found.iter().for_each(|photo| out::path_and_zero(&photo.file));
        return;
    }
    if arguments.json {
        found.iter().for_each(out::json);
        return;
    }
    let row = |photo: &FoundPhoto| {
        let names: BTreeSet<&str> =
            photo.faces.iter().map(|face| face.person.as_deref().unwrap_or("unknown")).collect();
        let names: Vec<&str> = names.into_iter().collect();
        vec![photo.path.path.clone(), names.join(", "), table::date(photo.taken)]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    table::print(&["photo", "who", "when (UTC)"], &rows);
    if !shared.quiet {
        note!("{}", table::count(found.len(), "photo", "photos"));
    }
}

/// A name as a folder's: nothing that leads elsewhere or hides.
fn folder_name(name: &str) -> String {
    let plain = |c: char| if c.is_control() || "/\\:*?\"<>|".contains(c) { '_' } else { c };
    let name: String = name.chars().map(plain).collect();
    let name = name.trim().trim_start_matches('.').trim_end_matches('.').to_owned();
    if name.is_empty() { "_".into() } else { name }
}

/// Puts links to photos, or copies of them, into one folder per person. What is there already stays, and is not made twice.
fn sort_into(
    folder: &Path,
    found: &[FoundPhoto],
    links: bool,
    _gallery: &Gallery,
    shared: &Shared,
) -> Result<(), Failure> {
    let mut by_person: BTreeMap<String, BTreeSet<&Path>> = BTreeMap::new();
    for photo in found {
        for face in &photo.faces {
            let name = folder_name(face.person.as_deref().unwrap_or("unknown"));
            by_person.entry(name).or_default().insert(&photo.file);
        }
    }
    let bar = shared.progress(by_person.values().map(BTreeSet::len).sum());
    let (mut made, mut there, mut failed) = (0, 0, 0);
    for (person, photos) in &by_person {
        let place = folder.join(person);
        std::fs::create_dir_all(&place).map_err(|e| Failure::writing(&place, &e))?;
        for photo in photos {
            match put(photo, &place, links) {
                Ok(true) => made += 1,
                Ok(false) => there += 1,
                Err(error) => {
                    failed += 1;
                    bar.suspend(|| {
                        note!("{}: cannot be put into {} ({error})", photo.display(), place.display())
                    });
                }
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let what = if links { table::count(made, "link", "links") } else { table::count(made, "copy", "copies") };
    note!("{}: {what} made, {there} there already", folder.display());
    match failed {
        0 => Ok(()),
        _ => Err(Failure::new(format!("{}: {failed} could not be made", folder.display()))
            .hint("the reason for each stands above; the others are made")),
    }
}

/// Whether it was made; not if it is there already.
fn put(photo: &Path, folder: &Path, link: bool) -> std::io::Result<bool> {
    let (stem, ending) = (photo.file_stem().unwrap_or_default(), photo.extension());
    for number in 1.. {
        let mut name = stem.to_owned();
        if number > 1 {
            name.push(format!("-{number}"));
        }
        if let Some(ending) = ending {
            name.push(".");
            name.push(ending);
        }
        let place = folder.join(name);
        match std::fs::symlink_metadata(&place) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if link {
                    make_link(photo, &place)?;
                } else {
                    copy(photo, folder, &place)?;
                }
                return Ok(true);
            }
            Err(error) => return Err(error),
            Ok(_) if is_same(photo, &place, link)? => return Ok(false),
            Ok(_) => {}
        }
    }
    Ok(false)
}

#[cfg(unix)]
fn make_link(photo: &Path, place: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(photo, place)
}

#[cfg(not(unix))]
fn make_link(photo: &Path, place: &Path) -> std::io::Result<()> {
    std::fs::hard_link(photo, place)
}

/// A copy appears whole or not at all.
fn copy(photo: &Path, folder: &Path, place: &Path) -> std::io::Result<()> {
    let whole = tempfile::Builder::new().prefix(".phiz-").tempfile_in(folder)?;
    std::fs::copy(photo, whole.path())?;
    whole.persist_noclobber(place).map(|_| ()).map_err(|error| error.error)
}

fn is_same(photo: &Path, place: &Path, link: bool) -> std::io::Result<bool> {
    if link && std::fs::read_link(place).is_ok_and(|target| target == photo) {
        return Ok(true);
    }
    let (own, there) = (std::fs::metadata(photo)?, std::fs::metadata(place)?);
    Ok(!link && own.len() == there.len() && std::fs::read(photo)? == std::fs::read(place)?)
}

/// Faces on a sheet at most.
const ON_A_SHEET: usize = 400;

fn write_sheet(
    service: &Service,
    album: &Album<'_>,
    found: &[FoundPhoto],
    target: &Target,
) -> Result<(), Failure> {
    let sightings = found.iter().flat_map(|photo| photo.faces.iter());
    let places: Vec<(String, usize)> = sightings
        .filter_map(|face| {
            let name = face.person.clone().unwrap_or_else(|| face.sighting.to_string());
            Some((name, album.archive.place(face.sighting)?))
        })
        .collect();
    let left = places.len().saturating_sub(ON_A_SHEET);
    let (crops, without) = service.pictures(album, places.into_iter().take(ON_A_SHEET));
    if crops.is_empty() {
        return Err(Failure::new(format!("{}: there is no face to show", target.path().display()))
            .hint("the photos cannot be read any more, or none was found"));
    }
    let sheet = phiz_service::contact_sheet(&crops)
        .map_err(|p| Failure::new(format!("{}: {p}", target.path().display())).hint(p.remedy()))?;
    target.write_picture(&sheet).map_err(|e| Failure::writing(target.path(), &e))?;
    note!("written: {}", target.path().display());
    if without > 0 {
        note!("note: the photos of {} cannot be read", table::count(without, "face", "faces"));
    }
    if left > 0 {
        note!(
            "note: {} are not on the sheet, which holds {ON_A_SHEET}",
            table::count(left, "more face", "more faces")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_what_dates_say() {
        for text in ["1970-01-01", "2000-02-29", "2024-06-01", "2024-02-29", "1969-12-31"] {
            assert_eq!(table::date(day(text).unwrap()), format!("{text} 00:00"));
        }
        for wrong in ["", "2024", "2024-13-01", "2023-02-29", "2024-06-31", "1.6.2024", "2024-06-01-02"] {
            assert!(day(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_lead_nowhere_else() {
        for (name, folder) in [("Ana", "Ana"), ("../x", "_x"), ("a/b", "a_b"), (".", "_"), ("José", "José")]
        {
            assert_eq!(folder_name(name), folder);
        }
    }
}

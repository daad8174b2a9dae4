//! `phiz people`: looks at the people in the gallery, puts right what is wrong, takes that back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use phiz_gallery::{
    Details, Edit, FaceId, Filter, Gallery, NegativeId, NewFace, OperationId, Person, PersonId,
};
use phiz_service::EnrolOptions;
use serde_json::json;

use super::faces::{Looking, Selection};
use super::out::{self, note, say};
use super::output::Target;
use super::{Done, Failure, Shared, photos, table};

/// Arguments of `phiz people`.
#[derive(Args)]
#[command(
    after_help = "You name a person by id (p12), or by a name that only one person has. Every change can be undone with \
    `phiz people undo`, until it is purged (`phiz gallery purge`) or older than 30 days (`phiz gallery undo-days`)."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print JSON instead of tables, one object per line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// List the people in the gallery (the default)
    List {
        /// Only people whose name contains this text
        #[arg(value_name = "TEXT")]
        text: Option<String>,
        /// Only people on this watch list
        #[arg(long, value_name = "LIST")]
        list: Option<String>,
        /// Only people with this attribute
        #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
        with: Vec<(String, String)>,
    },
    /// Show a person and their faces
    Show {
        /// The person, by id or name
        person: String,
        /// Also write a picture of the faces with their ids, as .jpg or .png
        #[arg(long, value_name = "FILE")]
        sheet: Option<PathBuf>,
        /// Let --sheet overwrite a file that exists
        #[arg(long, requires = "sheet")]
        force: bool,
    },
    /// Give a person another name
    Rename {
        /// The person, by id or name
        person: String,
        /// The new name
        name: String,
    },
    /// Set the attributes and watch lists of a person
    Set {
        /// The person, by id or name
        person: String,
        /// Attributes to set; KEY= with nothing after it removes an attribute
        #[arg(value_name = "KEY=VALUE", value_parser = pair)]
        attributes: Vec<(String, String)>,
        /// Put the person on this watch list
        #[arg(long, value_name = "LIST")]
        list: Vec<String>,
        /// Take the person off this watch list
        #[arg(long, value_name = "LIST")]
        unlist: Vec<String>,
    },
    /// Join people who are one person: the faces of the others become the first's
    Merge {
        /// The person who stays, by id or name
        into: String,
        /// The people who become that person, by id or name
        #[arg(required = true)]
        from: Vec<String>,
    },
    /// Divide a person who is two people: some faces become a new person's
    Split {
        /// The person, by id or name
        person: String,
        /// The faces of the new person, by id (see `phiz people show`)
        #[arg(required = true, value_name = "FACE")]
        faces: Vec<FaceId>,
        /// The new person's name
        #[arg(long, default_value = "")]
        name: String,
    },
    /// Give a face to another person
    Move {
        /// The face, by id (f12)
        face: FaceId,
        /// The person whose face it is, by id or name
        to: String,
    },
    /// Say that a face is not this person, so that it is never taken for them again
    Not {
        /// The person who it is not, by id or name
        person: String,
        /// A face that was enrolled for the person (f12), or a photo
        #[arg(value_name = "FACE|PHOTO")]
        face: PathBuf,
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        looking: Looking,
    },
    /// Take back the statement that a face is not a person
    Allow {
        /// The statement, by id (n12, see `phiz people show`)
        negative: NegativeId,
    },
    /// Remove people or single faces (this can be undone)
    Remove {
        /// People, by id or name, or faces, by id (f12)
        #[arg(required = true, value_name = "PERSON|FACE")]
        whom: Vec<String>,
        /// Also destroy everything that was ever removed, so that it cannot be undone
        #[arg(long)]
        purge: bool,
        /// Do not ask for confirmation
        #[arg(long, short)]
        yes: bool,
    },
    /// Undo a change, or the latest change if none is named
    Undo {
        /// The change, by id (o12, see `phiz people history`)
        operation: Option<OperationId>,
    },
    /// List what may be wrong: faces that do not fit, people who are one or two, faces that misled
    Doubts,
    /// List the changes that can be undone
    History,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("give an attribute as KEY=VALUE")?;
    if key.is_empty() {
        return Err("an attribute needs a name before the =".into());
    }
    Ok((key.into(), value.into()))
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let json = arguments.json;
    let gallery = shared.open_gallery()?;
    let who = |text: &String| gallery.resolve(text);
    let said = |operation: OperationId, what: String| {
        match json {
            true => out::json(&json!({ "operation": operation, "done": what })),
            false => {
                say!("{what}");
                say!("undo with: phiz people undo {operation}");
            }
        }
        Ok(Done::Well)
    };
    let all = Action::List { text: None, list: None, with: Vec::new() };
    match arguments.action.as_ref().unwrap_or(&all) {
        Action::List { text, list, with } => {
            let filter = Filter {
                text: text.clone(),
                lists: list.iter().cloned().collect(),
                attributes: with.iter().cloned().collect(),
                ..Filter::default()
            };
            list_people(&gallery, &filter, json)
        }
        Action::Show { person, sheet, force } => {
            let person = who(person)?;
            if let Some(path) = sheet {
                contact_sheet(&gallery, &person, path, *force)?;
            }
            show(&gallery, &person, json)
        }
        Action::Rename { person, name } => {
            let person = who(person)?;
            let what = format!("{} is called {name:?} now", label(&person));
            said(gallery.rename(person.id, name)?, what)
        }
        Action::Set { person, attributes, list, unlist } => {
            if attributes.is_empty() && list.is_empty() && unlist.is_empty() {
                return Err(Failure::new("nothing to set").hint("give KEY=VALUE, --list or --unlist"));
            }
            if let Some(both) = list.iter().find(|name| unlist.contains(name)) {
                let reason = format!("--list {both} and --unlist {both}: is it on this list, or not?");
                return Err(Failure::new(reason).hint("give one of the two"));
            }
            let person = who(person)?;
            let operation = gallery.update(person.id, |details| {
                for (key, value) in attributes {
                    match value.is_empty() {
                        true => _ = details.attributes.remove(key),
                        false => _ = details.attributes.insert(key.clone(), value.clone()),
                    }
                }
                details.lists.extend(list.iter().cloned());
                details.lists.retain(|name| !unlist.contains(name));
            })?;
            said(operation, format!("{} is changed", label(&person)))
        }
        Action::Merge { into, from } => {
            let into = who(into)?;
            let from = from.iter().map(who).collect::<Result<Vec<_>, _>>()?;
            let edits: Vec<Edit> =
                from.iter().map(|person| Edit::Merge { into: into.id, from: person.id }).collect();
            for (person, operation) in from.iter().zip(gallery.apply(&edits)?) {
                said(operation, format!("{} is {} now", label(person), label(&into)))?;
            }
            Ok(Done::Well)
        }
        Action::Split { person, faces, name } => {
            let person = who(person)?;
            let faces: Vec<FaceId> = faces.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
            let (new, operation) = gallery.split(person.id, &faces, &Details::named(name))?;
            let faces = table::count(faces.len(), "face", "faces");
            said(operation, format!("{faces} of {} became {new}'s", label(&person)))
        }
        Action::Move { face, to } => {
            let to = who(to)?;
            said(gallery.move_face(*face, to.id)?, format!("face {face} is {}'s now", label(&to)))
        }
        Action::Not { person, face, selection, looking } => {
            let person = who(person)?;
            // A name that is no text is a photo's.
            let id = face.to_str().and_then(|text| text.parse::<FaceId>().ok());
            let (negative, operation) = match id {
                Some(id) if !face.exists() => own_face(&gallery, &person, id)?,
                _ => gallery.add_negative(person.id, &seen(&gallery, face, looking, selection, shared)?)?,
            };
            said(operation, format!("noted ({negative}): this is not {}", label(&person)))
        }
        Action::Allow { negative } => {
            said(gallery.remove_negative(*negative)?, format!("{negative} is taken back"))
        }
        Action::Remove { whom, purge, yes } => remove(&gallery, whom, *purge, *yes, json),
        Action::Undo { operation } => undo(&gallery, *operation, json),
        Action::Doubts => super::review::doubts(&gallery, json),
        Action::History => history(&gallery, json),
    }
}

/// A person as messages say it.
fn label(person: &Person) -> String {
    match person.details.name.as_str() {
        "" => person.id.to_string(),
        name => format!("{name} ({})", person.id),
    }
}

fn list_people(gallery: &Gallery, filter: &Filter, json: bool) -> Result<Done, Failure> {
    let (mut after, mut all, mut rows) = (None, 0, Vec::new());
    loop {
        let page = gallery.people(filter, after, 1000)?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        all += page.len();
        for person in page {
            if json {
                out::json(&json!(person));
                continue;
            }
            let Details { name, attributes, lists } = &person.details;
            let said = attributes.iter().map(|(key, value)| format!("{key}={value}"));
            let said: Vec<String> = said.chain(lists.iter().map(|list| format!("[{list}]"))).collect();
            let faces = person.faces.to_string();
            rows.push(vec![
                person.id.to_string(),
                name.clone(),
                faces,
                table::date(person.created),
                said.join(" "),
            ]);
        }
    }
    table::print(&["id", "name", "faces", "since (UTC)", ""], &rows);
    if !json {
        note!("{}", table::count(all, "person", "people"));
    }
    Ok(if all > 0 { Done::Well } else { Done::Partly })
}

fn show(gallery: &Gallery, person: &Person, json: bool) -> Result<Done, Failure> {
    let (faces, negatives) = (gallery.faces(person.id)?, gallery.negatives(person.id)?);
    if json {
        out::json(&json!({ "person": person, "faces": faces, "negatives": negatives }));
        return Ok(Done::Well);
    }
    say!("{}, since {} UTC", label(person), table::date(person.created));
    for (key, value) in &person.details.attributes {
        say!("  {key}: {value}");
    }
    for list in &person.details.lists {
        say!("  on watch list {list}");
    }
    let text = |value: Option<String>| value.unwrap_or_default();
    let rows: Vec<Vec<String>> = faces
        .into_iter()
        .map(|face| {
            let (quality, added) = (format!("{:.2}", face.quality), table::date(face.added));
            vec![face.id.to_string(), quality, added, text(face.source), text(face.consent)]
        })
        .collect();
    table::print(&["face", "quality", "added (UTC)", "from", "consent"], &rows);
    let rows: Vec<Vec<String>> = negatives
        .into_iter()
        .map(|negative| vec![negative.id.to_string(), table::date(negative.added), text(negative.source)])
        .collect();
    table::print(&["not", "said (UTC)", "from"], &rows);
    Ok(Done::Well)
}

/// Writes a picture of a person's faces with their ids.
fn contact_sheet(gallery: &Gallery, person: &Person, path: &Path, force: bool) -> Result<(), Failure> {
    let files = gallery.files();
    let target = Target::picture("--sheet", path, files.iter().map(PathBuf::as_path), force)?;
    let mut crops = Vec::new();
    let mut without = 0;
    for face in gallery.faces(person.id)? {
        match gallery.crop(face.id)? {
            Some(crop) => crops.push((face.id.to_string(), crop)),
            None => without += 1,
        }
    }
    if crops.is_empty() {
        let reason = format!("--sheet {}: no picture of {}'s faces is kept", path.display(), label(person));
        return Err(
            Failure::new(reason).hint("faces are enrolled with their picture unless --no-crop is given")
        );
    }
    let sheet = phiz_service::contact_sheet(&crops)
        .map_err(|p| Failure::new(format!("--sheet {}: {p}", path.display())).hint(p.remedy()))?;
    target.write_picture(&sheet).map_err(|e| Failure::writing(path, &e))?;
    if without > 0 {
        note!("note: of {} no picture is kept", table::count(without, "face", "faces"));
    }
    Ok(())
}

fn own_face(gallery: &Gallery, person: &Person, face: FaceId) -> Result<(NegativeId, OperationId), Failure> {
    let owner = gallery.face(face)?.person;
    if owner != person.id {
        return Err(Failure::new(format!("face {face} is not {}'s but {owner}'s", label(person)))
            .hint(format!("`phiz people show {}` lists their faces", person.id)));
    }
    Ok(gallery.not_this_person(face)?)
}

/// The face in a photo.
fn seen(
    gallery: &Gallery,
    path: &Path,
    looking: &Looking,
    selection: &Selection,
    shared: &Shared,
) -> Result<NewFace, Failure> {
    let service = shared.service()?;
    gallery.expect_model(service.analyzer().model_id())?;
    let options = EnrolOptions {
        looking: looking.service(),
        choice: selection.choice(),
        force: true,
        crop: false,
        ..EnrolOptions::default()
    };
    let face = service.new_face(&photos::photo(path)?, &options);
    face.map_err(|p| Failure::new(format!("{}: {p}", path.display())).hint(p.remedy()))
}

fn remove(gallery: &Gallery, whom: &[String], purge: bool, yes: bool, json: bool) -> Result<Done, Failure> {
    // All are found before anything is removed.
    let mut people: BTreeMap<PersonId, Person> = BTreeMap::new();
    let mut faces: BTreeMap<FaceId, PersonId> = BTreeMap::new();
    for text in whom {
        match text.parse::<FaceId>() {
            Ok(face) => _ = faces.insert(face, gallery.face(face)?.person),
            Err(_) => {
                let person = gallery.resolve(text)?;
                people.insert(person.id, person);
            }
        }
    }
    // A face goes with its person.
    faces.retain(|_, owner| !people.contains_key(owner));
    let mut parts: Vec<String> = people
        .values()
        .map(|person| format!("{} with {}", label(person), table::count(person.faces, "face", "faces")))
        .collect();
    parts.extend(faces.keys().map(|face| format!("face {face}")));
    let what = parts.join(", ");
    let how = if purge { " and destroy all that was ever removed" } else { "" };
    table::confirm(&format!("remove {what}{how}?"), yes)?;
    let mut edits: Vec<Edit> = people.keys().map(|person| Edit::RemovePerson(*person)).collect();
    edits.extend(faces.keys().map(|face| Edit::RemoveFace(*face)));
    if purge {
        return super::gallery::report_purge(&gallery.apply_and_purge(&edits, true)?, json);
    }
    let operations = gallery.apply(&edits)?;
    if json {
        out::json(&json!({ "removed": what, "operations": operations }));
        return Ok(Done::Well);
    }
    say!("removed {what}");
    for operation in operations {
        say!("undo with: phiz people undo {operation}");
    }
    note!("note: still on the disk, so that it can be undone; destroy it with: phiz gallery purge --verify");
    if !people.is_empty() && gallery.statistics()?.photos > 0 {
        note!(
            "note: in photos that were scanned they are strangers now; --purge destroys what was seen of them, too"
        );
    }
    Ok(Done::Well)
}

/// Takes an operation back, the latest if none is named, and says which it was.
pub(crate) fn undo(gallery: &Gallery, operation: Option<OperationId>, json: bool) -> Result<Done, Failure> {
    let undone = gallery.undo(operation)?;
    match json {
        true => out::json(&json!({ "undone": undone.operation, "people": undone.people })),
        false => say!("undone: {}", undone.operation.kind),
    }
    Ok(Done::Well)
}

fn history(gallery: &Gallery, json: bool) -> Result<Done, Failure> {
    let all = gallery.history()?;
    if json {
        for operation in all {
            out::json(&json!(operation));
        }
        return Ok(Done::Well);
    }
    let rows: Vec<Vec<String>> =
        all.into_iter().map(|o| vec![o.id.to_string(), table::date(o.at), o.kind.to_string()]).collect();
    table::print(&["id", "when (UTC)", "what"], &rows);
    note!("{} can be undone", table::count(rows.len(), "operation", "operations"));
    Ok(Done::Well)
}

#[cfg(test)]
mod tests {
    use super::pair;

    #[test]
    fn attributes_read_key_value() {
        assert_eq!(pair("team=red=blue"), Ok(("team".into(), "red=blue".into())));
        assert_eq!(pair("team="), Ok(("team".into(), String::new())));
        assert!(pair("team").is_err() && pair("=red").is_err());
    }
}

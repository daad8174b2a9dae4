//! `phiz people`: looks at the people in the gallery, puts right what is wrong, takes that back.

use std::collections::BTreeMap;
use std::path::Path;

use clap::{Args, Subcommand};
use phiz_gallery::{
    Details, Edit, FaceId, Filter, Gallery, NegativeId, NewFace, OperationId, Person, PersonId,
};
use phiz_service::EnrolOptions;
use serde_json::json;

use super::faces::{Looking, Selection};
use super::out::{self, note, say};
use super::{Done, Failure, Shared, photos, table};

/// Arguments of `phiz people`.
#[derive(Args)]
#[command(
    after_help = "A person is named by id (p12) or by a name that only one has. Whatever is changed can be undone \
    with `phiz people undo`, until it is purged (`phiz gallery purge`) or too long ago (30 days)."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// JSON instead of tables
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// List people (also without saying so)
    List {
        /// With this in their name
        #[arg(value_name = "TEXT")]
        text: Option<String>,
        /// On this watch list
        #[arg(long, value_name = "LIST")]
        list: Option<String>,
        /// With this attribute
        #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
        with: Vec<(String, String)>,
    },
    /// Show a person and their faces
    Show {
        /// Id or name
        person: String,
    },
    /// Give a person another name
    Rename {
        /// Id or name
        person: String,
        /// The new name
        name: String,
    },
    /// Say something of a person: attributes, watch lists
    Set {
        /// Id or name
        person: String,
        /// Attributes to set; with nothing after the = one is taken away
        #[arg(value_name = "KEY=VALUE", value_parser = pair)]
        attributes: Vec<(String, String)>,
        /// Put on a watch list
        #[arg(long, value_name = "LIST")]
        list: Vec<String>,
        /// Take off a watch list
        #[arg(long, value_name = "LIST")]
        unlist: Vec<String>,
    },
    /// Two people are one: the second's faces become the first's
    Merge {
        /// Id or name of who stays
        into: String,
        /// Ids or names of who become them
        #[arg(required = true)]
        from: Vec<String>,
    },
    /// One person is two: some faces become a new person's
    Split {
        /// Id or name
        person: String,
        /// Faces of the new person (see `phiz people show`)
        #[arg(required = true, value_name = "FACE")]
        faces: Vec<FaceId>,
        /// The new person's name
        #[arg(long, default_value = "")]
        name: String,
    },
    /// Give a face to another person
    Move {
        /// The face
        face: FaceId,
        /// Id or name of who it is
        to: String,
    },
    /// "This is not that person": never take this face for them again
    Not {
        /// Id or name of who it is not
        person: String,
        /// A face of theirs (f12), or a photo
        #[arg(value_name = "FACE|PHOTO")]
        face: String,
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        looking: Looking,
    },
    /// Take back that a face is not a person
    Allow {
        /// What was said (n12, see `phiz people show`)
        negative: NegativeId,
    },
    /// Remove people or single faces; can be undone
    Remove {
        /// Ids or names of people, or faces (f12)
        #[arg(required = true, value_name = "PERSON|FACE")]
        whom: Vec<String>,
        /// Destroy at once all that was ever removed: cannot be undone
        #[arg(long)]
        purge: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Take a change back, the latest if none is named
    Undo {
        /// Which (o12, see `phiz people history`)
        operation: Option<OperationId>,
    },
    /// List what can be undone
    History,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("an attribute reads KEY=VALUE")?;
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
        Action::Show { person } => show(&gallery, &who(person)?, json),
        Action::Rename { person, name } => {
            let person = who(person)?;
            let what = format!("{} is called {name:?} now", label(&person));
            said(gallery.rename(person.id, name)?, what)
        }
        Action::Set { person, attributes, list, unlist } => {
            if attributes.is_empty() && list.is_empty() && unlist.is_empty() {
                return Err(Failure::new("nothing to set").hint("give KEY=VALUE, --list or --unlist"));
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
            let (new, operation) = gallery.split(person.id, faces, &Details::named(name))?;
            let faces = table::count(faces.len(), "face", "faces");
            said(operation, format!("{faces} of {} became {new}'s", label(&person)))
        }
        Action::Move { face, to } => {
            let to = who(to)?;
            said(gallery.move_face(*face, to.id)?, format!("face {face} is {}'s now", label(&to)))
        }
        Action::Not { person, face, selection, looking } => {
            let person = who(person)?;
            let (negative, operation) = match face.parse::<FaceId>() {
                Ok(face) if !Path::new(&face.to_string()).exists() => own_face(&gallery, &person, face)?,
                _ => gallery
                    .add_negative(person.id, &seen(&gallery, face.as_ref(), looking, selection, shared)?)?,
            };
            said(operation, format!("noted ({negative}): this is not {}", label(&person)))
        }
        Action::Allow { negative } => {
            said(gallery.remove_negative(*negative)?, format!("{negative} is taken back"))
        }
        Action::Remove { whom, purge, yes } => remove(&gallery, whom, *purge, *yes, json),
        Action::Undo { operation } => {
            let undone = gallery.undo(*operation)?;
            match json {
                true => out::json(&json!({ "undone": undone.operation, "people": undone.people })),
                false => say!("undone: {}", undone.operation.kind),
            }
            Ok(Done::Well)
        }
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
    let mut faces = Vec::new();
    for text in whom {
        match text.parse::<FaceId>() {
            Ok(face) => faces.push(gallery.face(face)?.id),
            Err(_) => {
                let person = gallery.resolve(text)?;
                people.insert(person.id, person);
            }
        }
    }
    let mut parts: Vec<String> = people
        .values()
        .map(|person| format!("{} with {}", label(person), table::count(person.faces, "face", "faces")))
        .collect();
    parts.extend(faces.iter().map(|face| format!("face {face}")));
    let what = parts.join(", ");
    let how = if purge { " and destroy all that was ever removed" } else { "" };
    table::confirm(&format!("remove {what}{how}?"), yes)?;
    let mut edits: Vec<Edit> = people.keys().map(|person| Edit::RemovePerson(*person)).collect();
    edits.extend(faces.iter().map(|face| Edit::RemoveFace(*face)));
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
    note!("note: still on the disk so that it can be undone; destroy it with: phiz gallery purge --verify");
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

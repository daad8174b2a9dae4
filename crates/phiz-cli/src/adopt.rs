//! `phiz gallery adopt`: brings the gallery to another embedder, and back.

use std::path::PathBuf;

use phiz_gallery::{Adopted, Adoptee};
use phiz_service::{AdoptAnswer, AdoptEvent, AdoptOptions};

use super::out::{self, note, say};
use super::{Done, Failure, Shared, table};

/// Faces that are named when they wait; of more, only the number is told (JSON has all).
const NAMED: usize = 20;

pub(crate) fn run(photos: &[PathBuf], dry_run: bool, json: bool, shared: &Shared) -> Result<Done, Failure> {
    let mut gallery = shared.open_gallery()?;
    let service = shared.service()?;
    let options = AdoptOptions {
        photos: photos.to_vec(),
        dry_run,
        threads: shared.threads()?,
        ..AdoptOptions::default()
    };
    let mut bar = indicatif::ProgressBar::hidden();
    let answer = service.adopt(&mut gallery, &options, |event| match event {
        AdoptEvent::Begin(all) => bar = shared.progress(all),
        AdoptEvent::Described(more) => bar.inc(more as u64),
    })?;
    bar.finish_and_clear();
    match json {
        true => out::json(&answer),
        false => print(&answer, dry_run),
    }
    Ok(if answer.waiting.is_empty() { Done::Well } else { Done::Partly })
}

fn print(answer: &AdoptAnswer, dry_run: bool) {
    let faces = table::count(answer.described, "face", "faces");
    match (dry_run, answer.adopted) {
        (true, _) if answer.from == answer.to && answer.described + answer.waiting.len() == 0 => {
            say!("the gallery is of model {} already: nothing to do", answer.to);
        }
        (true, _) => say!("{faces} would be described anew by model {}", answer.to),
        (false, true) => {
            say!("the gallery is searched by model {} now; before: {}", answer.to, answer.from);
            note!("{faces} described anew; the thresholds are those of the model's card");
            note!(
                "hint: `phiz gallery adopt --undo` goes back; `phiz gallery purge` destroys the old templates"
            );
        }
        (false, false) if answer.described == 0 => {
            say!("the gallery is of model {} already: nothing to do", answer.to);
        }
        (false, false) => say!("{faces} that waited can be recognised now"),
    }
    if answer.sightings > 0 {
        let sightings =
            table::count(answer.sightings, "face in your archive waits", "faces in your archive wait");
        note!(
            "{sightings} for `phiz scan`, which looks at the photos by the new model; groups keep their numbers"
        );
    }
    if answer.waiting.is_empty() {
        return;
    }
    let waiting = table::count(answer.waiting.len(), "face", "faces");
    match dry_run {
        true => note!("{waiting} have no stored crop, and would be looked for in their photos:"),
        false => note!("{waiting} cannot be recognised until their photos are found:"),
    }
    for one in answer.waiting.iter().take(NAMED) {
        let name = one.name.clone().unwrap_or_else(|| "removed".into());
        let source = one.source.as_deref().unwrap_or("from an unknown photo");
        note!("  {} ({name}), {source}: {}", one.id, one.error);
    }
    if answer.waiting.len() > NAMED {
        note!("  and {} more; --json lists all", answer.waiting.len() - NAMED);
    }
    if let Some(first) = answer.waiting.first() {
        note!("  hint: {}", first.error.remedy());
    }
}

/// Goes back to the model before.
pub(crate) fn undo(json: bool, shared: &Shared) -> Result<Done, Failure> {
    let mut gallery = shared.open_gallery()?;
    let back: Adopted = gallery.undo_adoption()?;
    if json {
        out::json(&back);
    } else {
        say!("the gallery is searched by model {} again", back.to);
        if back.sightings > 0 {
            note!("hint: `phiz scan` looks at the photos of your archive anew");
        }
        let faces = back.waiting.iter().filter(|id| matches!(id, Adoptee::Face(_))).count();
        if faces > 0 {
            let faces = table::count(
                faces,
                "face that was enrolled since waits",
                "faces that were enrolled since wait",
            );
            note!("{faces} for a template of this model: `phiz gallery adopt` with it makes them");
        }
    }
    Ok(Done::Well)
}

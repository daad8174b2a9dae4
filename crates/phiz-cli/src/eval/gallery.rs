//! `phiz eval gallery`: the gallery in use. Each enrolled face is searched for among the others, so nothing has to be
//! photographed again.

use clap::Args;
use phiz_eval::protocol::{self, System};
use phiz_eval::{Samples, embeddings};
use phiz_gallery::{Filter, Gallery};

use super::report::{Output, finish};
use super::{Bar, Sureness, check_rate};
use crate::{Done, Failure, Shared};

/// Arguments of `phiz eval gallery`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The share of searches for people who are not enrolled that may name somebody. The answer contains the similarity
    /// threshold for this rate
    #[arg(long, value_name = "RATE", default_value_t = 0.01)]
    fpir: f64,
    #[command(flatten)]
    sureness: Sureness,
    #[command(flatten)]
    output: Output,
}

/// `phiz eval gallery`.
pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    check_rate("--fpir", arguments.fpir)?;
    let options = arguments.sureness.options()?;
    let path = shared.gallery_path()?;
    arguments.output.check([path.as_path()])?;
    let gallery = shared.open_gallery()?;
    let samples = enrolled(&gallery)?;
    if samples.people().count() < 2 {
        return Err(
            Failure::new("the gallery has fewer than two people with a face").hint("enrol more people")
        );
    }
    let mut system = System::new("gallery");
    system.fact("gallery", path.display());
    system.fact("model", gallery.model());
    let bar = Bar::new(shared);
    let report = protocol::gallery(system, &samples, arguments.fpir, &options, &bar)?;
    bar.finish();
    finish(report, &arguments.output)
}

/// Everybody who is enrolled, faces named `person id, face id (source)`: names need not be unique.
fn enrolled(gallery: &Gallery) -> Result<Samples, Failure> {
    const PAGE: usize = 1000;
    let (mut photos, mut people, mut vectors) = (Vec::new(), Vec::new(), Vec::new());
    let mut after = None;
    loop {
        let page = gallery.people(&Filter::default(), after, PAGE)?;
        for person in &page {
            let name = format!("{} {}", person.details.name, person.id);
            for face in gallery.faces(person.id)? {
                let source = face.source.as_deref().map(|s| format!(" ({s})")).unwrap_or_default();
                photos.push(format!("{name}, face {}{source}", face.id));
                people.push(name.clone());
                vectors.push(Some(gallery.template(face.id)?.vector().to_vec()));
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.id),
            _ => break,
        }
    }
    if vectors.is_empty() {
        return Err(Failure::new("nobody is enrolled").hint("enrol somebody first: phiz enroll NAME PHOTO…"));
    }
    Ok(embeddings::samples(photos, &people, &vectors)?)
}

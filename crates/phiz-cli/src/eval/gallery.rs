//! The gallery in use: each enrolled face is searched for among the others, so nothing has to be photographed again.
//!
//! As strangers serve the same faces, each with its own person taken out: "would anybody else have been named?"

use clap::Args;
use phiz_eval::all_pairs::all_pairs;
use phiz_eval::identification::{Identification, Search};
use phiz_eval::report::build::{RATES, figure, number_of, verification};
use phiz_eval::report::{Better, Section, Table, Unit, Value};
use phiz_eval::{Answer, Samples, embeddings};
use phiz_gallery::{Filter, Gallery};

use super::Sureness;
use super::report::{Draft, Output, finish};
use super::verification::{draws, with_bar, worst};
use crate::verify::check_rate;
use crate::{Done, Failure, Shared};

/// Arguments of `phiz eval gallery`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The rate of strangers who are named that you would bear: the threshold for it is said
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
    let bootstrap = arguments.sureness.bootstrap()?;
    let gallery = shared.open_gallery()?;
    let samples = enrolled(&gallery)?;
    if samples.people().count() < 2 {
        return Err(
            Failure::new("the gallery has fewer than two people with a face").hint("enrol more people")
        );
    }
    let pairs = with_bar(shared, "comparing", |bar| all_pairs(&samples, 20, bar))?;
    let found = with_bar(shared, "searching", |bar| {
        Identification::leave_one_out(samples.templates(), samples.person_of(), bar)
    })?;
    let draws = draws(&samples, bootstrap)?;
    let resampled = match &draws {
        Some(draws) => Some(with_bar(shared, "drawing again", |bar| {
            phiz_eval::bootstrap::Resampled::from_all_pairs(&samples, &pairs.curve, draws, bar)
        })?),
        None => None,
    };
    let mut all = verification(&pairs.curve, resampled.as_ref(), None, arguments.sureness.confidence);
    all.tables.push(worst("People who look alike", &samples, &pairs.closest_impostors));
    let facts = vec![
        ("gallery".into(), shared.gallery_path()?.display().to_string()),
        ("model".into(), gallery.model().to_string()),
        ("people".into(), samples.people().count().to_string()),
        ("faces".into(), samples.photos().len().to_string()),
    ];
    let draft = Draft {
        name: "gallery".into(),
        question: format!("{} people in the gallery, each face left out in turn", samples.people().count()),
        facts,
        warnings: Vec::new(),
        bootstrap: draws.as_ref().and(bootstrap),
        drawn: samples.people().names(),
        sections: vec![searches(&found, &samples, arguments.fpir)?, all],
    };
    finish(draft, &arguments.output, 0)
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

fn searches(found: &Identification, samples: &Samples, wanted: f64) -> Result<Section, Failure> {
    let mated = found.searches.iter().filter(|s| s.mate.is_some()).count();
    let strangers = found.searches.iter().map(|s| Search { mate: None, ..*s });
    let both = found.searches.iter().filter(|s| s.mate.is_some()).copied().chain(strangers).collect();
    let open = Identification { gallery_people: found.gallery_people, searches: both };
    let mut figures = vec![
        number_of("people", "people", found.gallery_people as u64),
        number_of("faces", "faces", found.searches.len() as u64),
        number_of("mated", "faces of people with several", mated as u64),
        figure("rank_1", "rank-1", open.rank(1), Unit::Percent, Better::Up),
    ];
    for rate in RATES.into_iter().take(3) {
        let fnir = open.fnir_at_fpir(rate, 1).map(|a| a.map(|p| p.fnir));
        let id = format!("fnir_at_{rate:e}");
        figures.push(figure(&id, &format!("FNIR at FPIR {rate:e}"), fnir, Unit::Percent, Better::Down));
    }
    let at = match open.fnir_at_fpir(wanted, 1) {
        // With single faces only there is no FNIR; thresholds then come from `phiz gallery calibrate`.
        Err(e) => Value::Undefined(e.to_string()),
        Ok(Answer::Value(p)) => Value::Number(p.threshold),
        Ok(Answer::TooFew { have, needed }) => Value::TooFew { have, needed },
    };
    figures.push(figure(
        "threshold",
        &format!("threshold for FPIR {wanted:e}"),
        at,
        Unit::Number,
        Better::Neither,
    ));
    // A face that is closer to somebody else than to its own person: a wrong name, a poor photo, or twins.
    let mut strange: Vec<(f64, usize)> = found
        .searches
        .iter()
        .enumerate()
        .filter_map(|(row, s)| Some((s.mate?.score - s.best_other?, row)))
        .filter(|(margin, _)| *margin < 0.0)
        .collect();
    strange.sort_by(|a, b| a.0.total_cmp(&b.0));
    let photo = |row: usize| samples.photos().get(row).cloned().unwrap_or_default();
    let rows = strange.iter().take(20).map(|&(_, row)| {
        let s = found.searches[row];
        let own = s.mate.map_or(String::new(), |m| format!("{:.4}", m.score));
        let other =
            s.other.and_then(|p| samples.people().names().get(p as usize).cloned()).unwrap_or_default();
        vec![photo(row), own, other, s.best_other.map_or(String::new(), |b| format!("{b:.4}"))]
    });
    let table = Table {
        title: format!(
            "Suspicious faces: closer to somebody else than to their own person ({})",
            strange.len()
        ),
        head: ["face", "own person", "somebody else", "similarity"].map(str::to_owned).to_vec(),
        rows: rows.collect(),
    };
    let note = "Each face is searched for among all others; as a stranger it is searched for with its own person taken \
                out. A gallery's own photos are often of one day and one camera: expect a little less of new ones.";
    let (id, title) = ("gallery".into(), "Searches of the gallery".into());
    Ok(Section { id, title, note: note.into(), figures, tables: vec![table], ..Section::default() })
}

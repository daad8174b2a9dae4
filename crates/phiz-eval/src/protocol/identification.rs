//! Identification: a gallery and probes drawn from a list, and a gallery that is in use.

use super::verification::{drawn_again, draws, worst};
use super::{Options, System, Watch};
use crate::Result;
use crate::all_pairs::all_pairs;
use crate::curve::Answer;
use crate::embeddings::Prepared;
use crate::error::check_rate;
use crate::experiment::experiment;
use crate::identification::{Identification, Search, SplitOptions};
use crate::report::build::{self, RATES, verification};
use crate::report::{Better, Figure, Report, Section, Table, Unit, Value};
use crate::samples::Samples;

/// Enrols some photos of a list and searches with others, people who are not enrolled among them.
///
/// # Errors
/// A split that leaves nobody to enrol or nothing to search with; no template on either side.
pub fn identification(
    prepared: &Prepared,
    split: &SplitOptions,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Report> {
    let (samples, mut system) = (&prepared.samples, prepared.system.clone());
    watch.stage("searching");
    let result = experiment(samples, split, &|done, all| watch.progress(done, all))?;
    system.fact(
        "split",
        format!(
            "{} photos enrolled a person, {} of the people outside, seed {}",
            split.enroll, split.outside, split.seed
        ),
    );
    let draws = draws(samples, options, &mut system)?;
    let names = samples.people().names();
    let section = build::identification(&result, names, draws.as_ref(), options.confidence())?;
    let (enrolled, searches) = (result.enrolled.0, result.identification.searches.len());
    let question = format!("identification, {enrolled} people enrolled, {searches} searches");
    let mut report = system.report(question, options.bootstrap, vec![section]);
    if draws.is_some() {
        report.drawn_from(options.bootstrap, names);
    }
    Ok(report)
}

/// Judges a gallery by its own faces: each is searched for among the others, and once more with its own person taken
/// out, as somebody who is not enrolled. Says the threshold at which a share `fpir` of such searches names anybody.
///
/// # Errors
/// A rate outside 0..1; fewer than two faces.
pub fn gallery(
    mut system: System,
    samples: &Samples,
    fpir: f64,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Report> {
    check_rate("false positive identification rate", fpir)?;
    let progress = |done, all| watch.progress(done, all);
    watch.stage("comparing");
    let pairs = all_pairs(samples, 20, &progress)?;
    watch.stage("searching");
    let found = Identification::leave_one_out(samples.templates(), samples.person_of(), &progress)?;
    let (draws, resampled) = drawn_again(samples, &pairs.curve, options, &mut system, watch)?;
    let mut all = verification(&pairs.curve, resampled.as_ref(), None, options.confidence());
    all.tables.push(worst("People who look alike", samples, &pairs.closest_impostors));
    if !pairs.farthest_genuine.is_empty() {
        all.tables.push(worst("Least similar pairs of one person", samples, &pairs.farthest_genuine));
    }
    let people = samples.people().count();
    system.fact("people", people);
    system.fact("faces", samples.photos().len());
    let question = format!("{people} people in the gallery, each face left out in turn");
    let sections = vec![searches(&found, samples, fpir), all];
    let mut report = system.report(question, options.bootstrap, sections);
    if draws.is_some() {
        report.drawn_from(options.bootstrap, samples.people().names());
    }
    Ok(report)
}

fn searches(found: &Identification, samples: &Samples, wanted: f64) -> Section {
    let mated = found.searches.iter().filter(|s| s.mate.is_some()).count() as u64;
    let strangers = found.searches.iter().map(|s| Search { mate: None, ..*s });
    let both = found.searches.iter().filter(|s| s.mate.is_some()).copied().chain(strangers).collect();
    let open = Identification { gallery_people: found.gallery_people, searches: both };
    let mut figures = vec![
        Figure::count("people", "people", found.gallery_people as u64),
        Figure::count("faces", "faces", found.searches.len() as u64),
        Figure::count("mated", "faces of people with several", mated),
        Figure::new("rank_1", "rank-1", open.rank(1), Unit::Percent, Better::Up).of_trials(mated),
    ];
    for rate in RATES.into_iter().take(3) {
        let fnir = open.fnir_at_fpir(rate, 1).map(|a| a.map(|p| p.fnir));
        let (id, name) = (format!("fnir_at_{rate:e}"), format!("FNIR at FPIR {rate:e}"));
        figures.push(Figure::new(&id, &name, fnir, Unit::Percent, Better::Down).of_trials(mated));
    }
    let at = match open.fnir_at_fpir(wanted, 1) {
        // With single faces only there is no FNIR; thresholds then come from `phiz gallery calibrate`.
        Err(e) => Value::from(e),
        Ok(Answer::Value(p)) => Value::number(p.threshold),
        Ok(Answer::TooFew { have, needed }) => Value::TooFew { have, needed },
    };
    let name = format!("threshold for FPIR {wanted:e}");
    figures.push(Figure::new("threshold", &name, at, Unit::Number, Better::Neither));
    // A face that is closer to somebody else than to its own person: a wrong name, a poor photo, or twins.
    let mut strange: Vec<(f64, usize)> = found
        .searches
        .iter()
        .enumerate()
        .filter_map(|(row, s)| Some((s.mate?.score - s.best_other?, row)))
        .filter(|(margin, _)| *margin < 0.0)
        .collect();
    strange.sort_by(|a, b| a.0.total_cmp(&b.0));
    let photo = |row: usize| {
        samples.photo_of().get(row).and_then(|&p| samples.photos().get(p)).cloned().unwrap_or_default()
    };
    let rows = strange.iter().take(20).map(|&(_, row)| {
        let s = found.searches[row];
        let own = s.mate.map_or(String::new(), |m| format!("{:.4}", m.score));
        let other =
            s.other.and_then(|p| samples.people().names().get(p as usize).cloned()).unwrap_or_default();
        vec![photo(row), own, other, s.best_other.map_or(String::new(), |b| format!("{b:.4}"))]
    });
    let title =
        format!("Suspicious faces: closer to somebody else than to their own person ({})", strange.len());
    let head = ["face", "own person", "somebody else", "similarity"];
    let note = "Each face is searched for among all others, and once more with its own person taken out, as \
                somebody who is not enrolled. A gallery's own photos are often of one day and one camera: expect a \
                little less of new ones.";
    Section {
        id: "gallery".into(),
        title: "Searches of the gallery".into(),
        note: note.into(),
        figures,
        tables: vec![Table::new(title, &head, rows.collect())],
        ..Section::default()
    }
}

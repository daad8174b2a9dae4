//! `phiz verify`: whether two photos show the same person, or a photo somebody from the gallery.

use std::path::{Path, PathBuf};

use clap::Args;
use phiz_gallery::Rate;
use serde_json::json;

use super::faces::{self, Looking};
use super::{Done, Failure, Shared};
use crate::{Engine, Face};

/// Arguments of `phiz verify`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A photo
    a: PathBuf,
    /// Another photo
    #[arg(required_unless_present = "person", conflicts_with = "person")]
    b: Option<PathBuf>,
    /// Instead of another photo: a person in the gallery, by id or by a name that only one has
    #[arg(long = "as", value_name = "PERSON")]
    person: Option<String>,
    /// Say "same" where no more than this share of pairs of different people would be called the same
    #[arg(long, value_name = "RATE", default_value_t = 1e-3)]
    fmr: f64,
    /// Of several faces in a photo take the largest
    #[arg(long)]
    largest: bool,
    /// A JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    looking: Looking,
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    check_rate("--fmr", arguments.fmr)?;
    let engine = shared.engine()?;
    match (&arguments.person, &arguments.b) {
        (Some(person), _) => with_person(arguments, shared, &engine, person),
        (None, Some(b)) => with_photo(arguments, &engine, b),
        (None, None) => Err(Failure::new("nothing to compare the photo with").hint("give another, or --as")),
    }
}

fn face(path: &Path, arguments: &Arguments, engine: &Engine) -> Result<Face, Failure> {
    faces::open(path)
        .and_then(|image| faces::one(engine, &image, &arguments.looking, arguments.largest))
        .map_err(|problem| Failure::new(format!("{}: {problem}", path.display())).hint(problem.hint))
}

fn with_photo(arguments: &Arguments, engine: &Engine, b: &Path) -> Result<Done, Failure> {
    let (a, b) = (face(&arguments.a, arguments, engine)?, face(b, arguments, engine)?);
    let similarity = a.template.similarity(&b.template).map_err(Failure::new)?;
    let Ok(thresholds) = thresholds(engine) else {
        match arguments.json {
            true => println!("{}", json!({ "similarity": similarity, "fmr": null, "same": null })),
            false => println!("similarity {similarity:.3}"),
        }
        eprintln!(
            "note: the embedder's card states no thresholds, so that nothing follows from the similarity"
        );
        return Ok(Done::Well);
    };
    let fmr = thresholds.fmr_at(f64::from(similarity));
    let same = fmr <= arguments.fmr;
    if arguments.json {
        println!("{}", json!({ "similarity": similarity, "fmr": fmr, "same": same }));
    } else {
        let verdict = if same { "the same person" } else { "not the same person" };
        let reached = one_in(fmr, thresholds.least_measured(), "pairs of different people");
        println!("{verdict}: similarity {similarity:.3}, reached by {reached}");
    }
    Ok(if same { Done::Well } else { Done::Partly })
}

/// By all faces of the person, and by what was said not to be them.
fn with_person(
    arguments: &Arguments,
    shared: &Shared,
    engine: &Engine,
    person: &str,
) -> Result<Done, Failure> {
    let gallery = shared.open_gallery_of(engine)?;
    let person = gallery.resolve(person)?;
    let (id, name) = (person.id, person.details.name);
    let face = face(&arguments.a, arguments, engine)?;
    let found = gallery.verify(&face.template, id, Rate::Fmr(arguments.fmr))?;
    let (same, similarity) = (found.accepted, found.similarity);
    if arguments.json {
        let line = json!({
            "similarity": similarity, "fmr": found.fmr, "same": same,
            "person": name, "id": id, "denied": found.denied,
        });
        println!("{line}");
    } else {
        let verdict = if same { "this is" } else { "this is not" };
        let reached = one_in(found.fmr, gallery.thresholds().least_measured(), "pairs of different people");
        let denied = if found.denied { "; it was said that a face like this is not them" } else { "" };
        println!("{verdict} {name} ({id}): similarity {similarity:.3}, reached by {reached}{denied}");
    }
    Ok(if same { Done::Well } else { Done::Partly })
}

/// The thresholds of the embedder in use.
pub(crate) fn thresholds(engine: &crate::Engine) -> Result<&phiz_template::Thresholds, Failure> {
    let card = engine.embedder_card();
    card.thresholds.as_ref().ok_or_else(|| {
        Failure::new(format!("the model card of {:?} states no thresholds", card.name))
            .hint("measure them with `phiz eval thresholds` and write them into the card")
    })
}

pub(crate) fn check_rate(field: &str, rate: f64) -> Result<(), Failure> {
    match rate > 0.0 && rate < 1.0 {
        true => Ok(()),
        false => Err(Failure::new(format!("{field}: {rate} is no rate"))
            .hint("give a number between 0 and 1, such as 0.001 for one in a thousand")),
    }
}

/// A rate of `what` as people say it; below `least`, what was measured, no more than that.
pub(crate) fn one_in(rate: f64, least: f64, what: &str) -> String {
    if rate < least {
        return format!("fewer than {}", one_in(least, least, what));
    }
    if rate > 0.2 {
        return format!("{:.0} % of {what}", 100.0 * rate);
    }
    let one_in = 1.0 / rate.max(1e-12);
    let size = 10f64.powf(one_in.log10().floor() - 1.0).max(1.0);
    let digits = format!("{:.0}", (one_in / size).round() * size);
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("1 in {grouped} {what}")
}

#[cfg(test)]
mod tests {
    use super::one_in;

    #[test]
    fn rates_are_said_as_people_say_them() {
        for (rate, said) in [
            (0.5, "50 % of pairs"),
            (0.1, "1 in 10 pairs"),
            (0.0123, "1 in 81 pairs"),
            (1e-3, "1 in 1,000 pairs"),
            (7.7e-6, "1 in 130,000 pairs"),
            (1e-9, "fewer than 1 in 1,000,000 pairs"),
        ] {
            assert_eq!(one_in(rate, 1e-6, "pairs"), said);
        }
    }
}

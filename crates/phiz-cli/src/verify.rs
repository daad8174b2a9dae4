//! `phiz verify`: whether two photos show the same person, or a photo somebody in the gallery.

use std::path::{Path, PathBuf};

use clap::Args;
use phiz_service::{Error, Service, VerifyOptions, VerifyProblem};

use super::faces::{Looking, Selection};
use super::out::{self, note, say};
use super::{Done, Failure, Shared, photos};

/// Arguments of `phiz verify`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The photo; `-` reads it from standard input
    #[arg(value_name = "PHOTO")]
    a: PathBuf,
    /// The photo to compare it with
    #[arg(value_name = "PHOTO", required_unless_present = "person", conflicts_with = "person")]
    b: Option<PathBuf>,
    /// Compare with this person in the gallery instead of another photo. Give an id, or a name that only one person has
    #[arg(long = "as", value_name = "PERSON")]
    person: Option<String>,
    /// The false match rate that is acceptable: the share of pairs of different people that would be called the same
    #[arg(long, value_name = "RATE", default_value_t = 1e-3)]
    fmr: f64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    looking: Looking,
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    check_rate("--fmr", arguments.fmr)?;
    // Two photos at most, one after the other.
    let service = shared.service_for(1)?;
    let answer = match (&arguments.person, &arguments.b) {
        (Some(person), _) => with_person(arguments, shared, &service, person)?,
        (None, Some(b)) => with_photo(arguments, &service, b)?,
        (None, None) => {
            return Err(Failure::new("nothing to compare the photo with")
                .hint("give a second photo, or a person with --as"));
        }
    };
    answer.map_err(|VerifyProblem { photo, problem, index }| {
        if arguments.json {
            let path = if index == 0 { Some(&arguments.a) } else { arguments.b.as_ref() };
            photos::report(path.unwrap_or(&arguments.a), &problem, true);
        }
        Failure::new(format!("{photo}: {problem}")).hint(problem.remedy())
    })
}

/// The inner error is a photo that cannot be used.
type Answer = Result<Result<Done, VerifyProblem>, Failure>;

fn options(arguments: &Arguments) -> VerifyOptions {
    VerifyOptions {
        looking: arguments.looking.service(),
        choice: arguments.selection.choice(),
        fmr: arguments.fmr,
    }
}

fn with_photo(arguments: &Arguments, service: &Service, b: &Path) -> Answer {
    if arguments.a.as_os_str() == "-" && b.as_os_str() == "-" {
        return Err(Failure::new("-: standard input can be read only once").hint("name one of the photos"));
    }
    let (a, b) = (photos::photo(&arguments.a)?, photos::photo(b)?);
    let found = match service.verify(&a, &b, &options(arguments)) {
        Ok(found) => found,
        Err(Error::Compared(problem)) => return Ok(Err(problem)),
        Err(error) => return Err(error.into()),
    };
    if arguments.json {
        out::json(&found);
    }
    let (Some(fmr), Some(same), Some(least)) = (found.fmr, found.same, found.least_measured) else {
        if !arguments.json {
            say!("similarity {:.3}", found.similarity);
        }
        note!(
            "note: the embedder's card states no thresholds, so Phiz cannot say what this similarity means"
        );
        return Ok(Ok(Done::Well));
    };
    if !arguments.json {
        let verdict = if same { "the same person" } else { "not the same person" };
        let reached = one_in(fmr, least, "pairs of different people");
        say!("{verdict}: similarity {:.3}, reached by {reached}", found.similarity);
    }
    Ok(Ok(if same { Done::Well } else { Done::Partly }))
}

/// By all faces of the person, and by what was said not to be them.
fn with_person(arguments: &Arguments, shared: &Shared, service: &Service, person: &str) -> Answer {
    let gallery = shared.open_gallery_for(service)?;
    let person = gallery.resolve(person)?;
    let photo = photos::photo(&arguments.a)?;
    let found = match service.verify_person(&gallery, person.id, &photo, &options(arguments)) {
        Ok(found) => found,
        Err(Error::Compared(problem)) => return Ok(Err(problem)),
        Err(error) => return Err(error.into()),
    };
    if arguments.json {
        out::json(&found);
    } else {
        let verdict = if found.same { "this is" } else { "this is not" };
        let reached = one_in(found.fmr, found.least_measured, "pairs of different people");
        let who = match found.person.as_str() {
            "" => found.id.to_string(),
            name => format!("{name} ({})", found.id),
        };
        let denied = if found.denied { "; it was said that a face like this is not this person" } else { "" };
        say!("{verdict} {who}: similarity {:.3}, reached by {reached}{denied}", found.similarity);
    }
    Ok(Ok(if found.same { Done::Well } else { Done::Partly }))
}

pub(crate) fn check_rate(field: &str, rate: f64) -> Result<(), Failure> {
    match rate > 0.0 && rate < 1.0 {
        true => Ok(()),
        false => Err(Failure::new(format!("{field}: {rate} is not a rate"))
            .hint("give a number between 0 and 1, such as 0.001 for one in a thousand")),
    }
}

/// A rate of `what` as people say it; below `least`, what was measured, no more than that.
pub(crate) fn one_in(rate: f64, least: f64, what: &str) -> String {
    if rate < least {
        return format!("fewer than {}", one_in(least, least, what));
    }
    if rate >= 0.995 {
        return format!("nearly all {what}");
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
            (1.0, "nearly all pairs"),
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

//! Detection against true boxes.

use std::path::{Path, PathBuf};

use clap::Args;
use phiz_eval::bootstrap::Draws;
use phiz_eval::detection::coco::{self, Coco};
use phiz_eval::detection::voc::Voc;
use phiz_eval::detection::wider::{self, Wider};
use phiz_eval::detection::{Found, Scene, Truth, join};
use phiz_eval::report::build::{figure, number_of, precision_recall, with_rounds};
use phiz_eval::report::{Better, Section, Unit, Value};

use super::report::{Draft, Output, finish};
use super::subject::{Facts, hex, models};
use super::{Choice, Sureness};
use crate::faces::{self, Problem};
use crate::verify::check_rate;
use crate::{Analyzer, DetectOptions};
use crate::{Done, Failure, Shared, photos};

/// Arguments of `phiz eval detect`.
#[derive(Args)]
pub(crate) struct Detect {
    /// True boxes: a list (path,boxes[,…] with boxes `x y w h;x y w h`), WIDER FACE's text, or COCO's JSON
    #[command(flatten)]
    choice: Choice,
    /// Found boxes of another system instead of photos: WIDER FACE's result folder or text, or COCO's result JSON
    #[arg(long, value_name = "PATH")]
    found: Option<PathBuf>,
    /// COCO category that means faces, if there are several
    #[arg(long, value_name = "NAME")]
    category: Option<String>,
    /// Overlap (intersection over union) that makes a hit
    #[arg(long, value_name = "IOU", default_value_t = 0.5)]
    iou: f64,
    /// True boxes whose shorter side has fewer pixels neither count nor harm
    #[arg(long, value_name = "PIXELS", default_value_t = 0.0)]
    ignore_under: f64,
    /// Precision and recall are taken from this score up [default: what the detector's card says]
    #[arg(long, value_name = "SCORE")]
    score: Option<f64>,
    /// The system's name in tables [default: the detector's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    sureness: Sureness,
    #[command(flatten)]
    output: Output,
}

/// The score that counts, and the score that is enough beside a face that reaches it.
#[derive(Clone, Copy)]
struct Enough {
    score: f64,
    beside: f64,
}

impl Enough {
    fn by(output: &phiz_net::card::Output) -> Enough {
        Enough { score: output.score.into(), beside: output.enough(f32::INFINITY).into() }
    }

    /// Without what the detector would not have shown.
    fn of(self, scene: &Scene) -> Scene {
        let sure = scene.found.iter().any(|f| f.score >= self.score);
        let mut shown = scene.clone();
        shown.found.retain(|f| f.score >= if sure { self.beside } else { self.score });
        shown
    }
}

impl std::fmt::Display for Enough {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "from score {:.2} up", self.score)?;
        if self.beside < self.score { write!(f, " ({:.2} beside a face)", self.beside) } else { Ok(()) }
    }
}

/// Boxes from this score up make the curve.
const FLOOR: f32 = 0.02;

/// `phiz eval detect`.
pub(crate) fn detect(arguments: &Detect, shared: &Shared) -> Result<Done, Failure> {
    check_rate("--iou", arguments.iou)?;
    let bootstrap = arguments.sureness.bootstrap()?;
    let (truths, root, mut facts, annotations) = read_truth(arguments)?;
    let (mut unreadable, mut warnings) = (0, Vec::new());
    let name;
    let mut enough = arguments.score.map(|score| Enough { score, beside: score });
    let mut scenes = match &arguments.found {
        Some(path) => {
            let (found, fact) = read_found(path, &truths, annotations.as_ref())?;
            facts.push(("found boxes".into(), fact));
            name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let (scenes, notes) = join(truths, found)?;
            warnings.extend(notes);
            scenes
        }
        None => {
            let engine = shared.analyzer()?;
            let models = models(shared)?;
            name = models[0].1.split(", ").next().unwrap_or_default().to_owned();
            facts.push(models[0].clone());
            enough = match enough {
                None => Some(Enough::by(&shared.detector()?.card().output)),
                asked => asked,
            };
            let (scenes, lost) = look(&engine, &root, truths, shared)?;
            unreadable = lost;
            scenes
        }
    };
    scenes.iter_mut().for_each(|s| s.ignore_under(arguments.ignore_under));
    let sections = vec![section(arguments, &scenes, enough, bootstrap)?];
    if arguments.ignore_under > 0.0 {
        facts.push(("ignored".into(), format!("boxes under {} pixels", arguments.ignore_under)));
    }
    let draft = Draft {
        name: arguments.name.clone().unwrap_or(name),
        question: format!("detection, {} photos", scenes.len()),
        facts,
        warnings,
        bootstrap,
        drawn: &scenes.iter().map(|s| s.photo.clone()).collect::<Vec<_>>(),
        sections,
    };
    finish(draft, &arguments.output, unreadable)
}

type Truths = (Vec<(String, Vec<Truth>)>, PathBuf, Facts, Option<coco::Annotations>);

fn read_truth(arguments: &Detect) -> Result<Truths, Failure> {
    let list = arguments.choice.lists.first().map_or(Path::new(""), PathBuf::as_path);
    let ending = list.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    if arguments.choice.lists.len() > 1 || !matches!(ending.as_str(), "txt" | "json") {
        let (manifest, root, facts) = arguments.choice.read()?;
        return Ok((manifest.boxes()?, root, facts, None));
    }
    let text = std::fs::read_to_string(list).map_err(|e| Failure::reading(list, &e))?;
    let facts = vec![("list".to_owned(), format!("{}, SHA-256 {}", list.display(), hex(text.as_bytes())))];
    let root =
        arguments.choice.photos.clone().or_else(|| list.parent().map(Path::to_path_buf)).unwrap_or_default();
    if ending == "txt" {
        return Ok((wider::read_truth(&text, list)?, root, facts, None));
    }
    let annotations = coco::read_truth(&text, list, arguments.category.as_deref())?;
    Ok((annotations.photos.clone(), root, facts, Some(annotations)))
}

/// Found boxes by photo.
type FoundIn = Vec<(String, Vec<Found>)>;

/// Boxes of another system, and what names them for the record.
fn read_found(
    path: &Path,
    truths: &[(String, Vec<Truth>)],
    annotations: Option<&coco::Annotations>,
) -> Result<(FoundIn, String), Failure> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|e| Failure::reading(path, &e));
    if let Some(annotations) = annotations {
        let text = read(path)?;
        let fact = format!("{}, SHA-256 {}", path.display(), hex(text.as_bytes()));
        return Ok((coco::read_found(&text, path, annotations)?, fact));
    }
    // WIDER FACE wants a folder an event with a file a photo; one file that holds them all will do.
    let mut files = vec![path.to_path_buf()];
    let (mut found, mut all) = (Vec::new(), String::new());
    while let Some(file) = files.pop() {
        if file.is_dir() {
            let entries = std::fs::read_dir(&file).map_err(|e| Failure::reading(&file, &e))?;
            let mut inside: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
            inside.sort_by(|a, b| b.cmp(a));
            files.extend(
                inside.into_iter().filter(|p| p.is_dir() || p.extension().is_some_and(|e| e == "txt")),
            );
            continue;
        }
        let text = read(&file)?;
        let mut photos = wider::read_found(&text, &file)?;
        if let ([(photo, _)], Ok(name)) = (&mut photos[..], file.with_extension("").strip_prefix(path)) {
            *photo = name.to_string_lossy().into_owned();
        }
        found.append(&mut photos);
        all.push_str(&text);
    }
    wider::fit_names(&mut found, truths);
    Ok((found, format!("{}, SHA-256 {}", path.display(), hex(all.as_bytes()))))
}

fn look(
    engine: &Analyzer,
    root: &Path,
    truths: Vec<(String, Vec<Truth>)>,
    shared: &Shared,
) -> Result<(Vec<Scene>, usize), Failure> {
    let options = DetectOptions::default().score(FLOOR);
    let work = |(photo, _): &(String, Vec<Truth>)| -> Result<Vec<Found>, Problem> {
        let image = faces::open(&root.join(photo))?;
        let found = engine.detect(&image, &options)?;
        Ok(found.iter().map(|d| Found { bbox: d.bbox.map(f64::from), score: f64::from(d.score) }).collect())
    };
    let (mut scenes, mut unreadable) = (Vec::new(), 0);
    photos::in_order(
        &truths,
        shared.threads()?,
        &shared.progress(truths.len()),
        work,
        |(photo, boxes), found| {
            let found = found.unwrap_or_else(|problem| {
                crate::photos::warn(&root.join(photo), &problem);
                unreadable += 1;
                Vec::new()
            });
            scenes.push(Scene { photo: photo.clone(), truths: boxes.clone(), found });
            Ok(())
        },
    )?;
    Ok((scenes, unreadable))
}

/// A metric of all photos, each with a weight.
type Metric<'a> = dyn Fn(&dyn Fn(usize) -> u64) -> phiz_eval::Result<f64> + 'a;

fn section(
    arguments: &Detect,
    scenes: &[Scene],
    enough: Option<Enough>,
    bootstrap: Option<phiz_eval::bootstrap::Bootstrap>,
) -> Result<Section, Failure> {
    let shown: Vec<Scene> =
        scenes.iter().map(|scene| enough.map_or_else(|| scene.clone(), |e| e.of(scene))).collect();
    let empty: Vec<&Scene> = shown.iter().filter(|s| s.truths.is_empty()).collect();
    let alarms = empty.iter().filter(|s| !s.found.is_empty()).count();
    let mut figures = vec![number_of("photos", "photos", scenes.len() as u64)];
    let at = enough.map_or(String::new(), |enough| format!(" {enough}"));
    if !empty.is_empty() {
        figures.push(number_of("empty", "photos without a face", empty.len() as u64));
        let share = Ok(alarms as f64 / empty.len() as f64);
        let name = format!("of them with one found{at}");
        figures.push(figure("alarms", &name, share, Unit::Percent, Better::Down));
    }
    let mut plots = Vec::new();
    if empty.len() < scenes.len() {
        let voc = Voc::new(scenes, arguments.iou, arguments.ignore_under)?;
        let voc_shown = Voc::new(&shown, arguments.iou, arguments.ignore_under)?;
        let hits = |w: &dyn Fn(usize) -> u64| voc_shown.at(f64::NEG_INFINITY, w);
        figures.push(number_of("faces", "faces that count", voc.truths()));
        let confidence = arguments.sureness.confidence;
        // Photos are drawn again: faces of one photo share its light and its crowd.
        let draws = bootstrap.map(|options| Draws::new(scenes.len(), &options)).transpose()?;
        let rounds = |of: &Metric<'_>| -> Vec<Option<f64>> {
            let Some(draws) = &draws else { return Vec::new() };
            (0..draws.rounds())
                .map(|round| of(&|scene| u64::from(draws.weight(scene as u32, round))).ok())
                .collect()
        };
        let mut add = |id: &str, name: &str, of: &Metric<'_>| {
            let whole = figure(id, name, of(&|_| 1), Unit::Percent, Better::Up);
            let rounds = rounds(of);
            figures.push(if rounds.is_empty() { whole } else { with_rounds(whole, rounds, confidence) });
        };
        add("ap", &format!("AP at IoU {}", arguments.iou), &|w| voc.average_precision(w));
        let undefined = || phiz_eval::EvalError::Undefined {
            metric: "precision".into(),
            reason: "nothing is found".into(),
        };
        add("precision", &format!("precision{at}"), &|w| {
            let (hits, alarms) = hits(w);
            if hits + alarms == 0 { Err(undefined()) } else { Ok(hits as f64 / (hits + alarms) as f64) }
        });
        add("recall", &format!("recall{at}"), &|w| {
            let all = voc.weighted_truths(w);
            if all == 0 { Err(undefined()) } else { Ok(hits(w).0 as f64 / all as f64) }
        });
        match Wider::new(scenes, arguments.iou) {
            Ok(wider) => add("wider", "AP by WIDER FACE's arithmetic", &|w| wider.average_precision(w)),
            Err(e) => figures.push(figure(
                "wider",
                "AP by WIDER FACE's arithmetic",
                Value::Undefined(e.to_string()),
                Unit::Percent,
                Better::Up,
            )),
        }
        let coco = Coco::new(scenes)?;
        let names = ["small (under 32² pixels)", "medium", "large (from 96² pixels)"];
        let mut all = vec![("coco".to_owned(), "AP by COCO (0.50:0.95)".to_owned(), coco.ap)];
        for (k, name) in names.iter().enumerate() {
            all.push((format!("coco_{k}"), format!("the same, {name}"), coco.ap_by_size[k]));
        }
        for (id, name, value) in all {
            let value = value.map_or_else(|| Value::Undefined("no such face".into()), Value::Number);
            figures.push(figure(&id, &name, value, Unit::Percent, Better::Up));
        }
        plots.push(precision_recall(&voc.curve(|_| 1)?));
    }
    let note = "AP is Pascal VOC's (area under the monotone precision) unless named otherwise. Intervals draw photos again.";
    let (id, title) = ("detection".into(), "Detection".into());
    Ok(Section { id, title, note: note.into(), figures, plots, ..Section::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_judged_is_what_the_detector_shows() {
        let enough = Enough { score: 0.7, beside: 0.5 };
        let shown = |scores: &[f64]| {
            let found =
                scores.iter().map(|score| Found { bbox: [0.0, 0.0, 9.0, 9.0], score: *score }).collect();
            let scene = Scene { photo: "a.jpg".into(), truths: Vec::new(), found };
            enough.of(&scene).found.iter().map(|f| f.score).collect::<Vec<_>>()
        };
        assert_eq!(shown(&[0.4, 0.5, 0.7]), [0.5, 0.7]);
        assert!(shown(&[0.4, 0.5, 0.69]).is_empty());
        assert_eq!(enough.to_string(), "from score 0.70 up (0.50 beside a face)");
    }
}

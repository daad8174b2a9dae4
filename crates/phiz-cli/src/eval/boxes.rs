//! `phiz eval detect`: found boxes against true ones.

use std::path::{Path, PathBuf};

use clap::Args;
use phiz_eval::detection::{Found, PhotoBoxes, Truth, coco, join, wider};
use phiz_eval::protocol::{self, DetectionOptions, Shown, System};

use super::report::{Output, finish};
use super::subject::{Facts, List, Problem, hex, left_out, models, open};
use super::{Choice, Sureness, check_rate};
use crate::{Analyzer, DetectOptions};
use crate::{Done, Failure, Shared, photos};

/// Arguments of `phiz eval detect`.
#[derive(Args)]
pub(crate) struct Detect {
    // True boxes: a list (path,boxes[,…] with boxes `x y w h;x y w h`), WIDER FACE's text, or COCO's JSON.
    #[command(flatten)]
    choice: Choice,
    /// Judge the boxes that another system found, instead of running the detector. PATH is WIDER FACE's result folder or
    /// text, or COCO's result JSON
    #[arg(long, value_name = "PATH")]
    found: Option<PathBuf>,
    /// The COCO category that stands for faces, if there are several
    #[arg(long, value_name = "NAME")]
    category: Option<String>,
    /// The overlap (intersection over union) from which a found box is a hit
    #[arg(long, value_name = "IOU", default_value_t = 0.5)]
    iou: f64,
    /// Ignore true boxes whose shorter side has fewer pixels: they count neither when missed nor when found
    #[arg(long, value_name = "PIXELS", default_value_t = 0.0)]
    ignore_under: f64,
    /// The score from which precision and recall are taken [default: the detector card's]
    #[arg(long, value_name = "SCORE")]
    score: Option<f64>,
    /// The name of the system in tables [default: the detector's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    sureness: Sureness,
    #[command(flatten)]
    output: Output,
}

/// Boxes from this score up make the curve.
const FLOOR: f32 = 0.02;

/// `phiz eval detect`.
pub(crate) fn detect(arguments: &Detect, shared: &Shared) -> Result<Done, Failure> {
    check_rate("--iou", arguments.iou)?;
    let options = arguments.sureness.options()?;
    let inputs = arguments.choice.inputs().chain(arguments.found.as_deref());
    arguments.output.check(inputs)?;
    let Truths { boxes, root, facts, annotations } = read_truth(arguments)?;
    let mut shown = arguments.score.map(|score| Shown { score, beside: score });
    let mut system = System::default();
    let photos = match &arguments.found {
        Some(path) => {
            let (found, fact) = read_found(path, &boxes, annotations.as_ref())?;
            system.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            system.fact("found boxes", fact);
            let (photos, notes) = join(boxes, found)?;
            system.warnings.extend(notes);
            photos
        }
        None => {
            let detector = models(shared)?.remove(0);
            system.name = detector.1.split(", ").next().unwrap_or_default().to_owned();
            system.facts.push(detector);
            if shown.is_none() {
                let output = shared.detector()?.card().output;
                shown =
                    Some(Shown { score: output.score.into(), beside: output.enough(f32::INFINITY).into() });
            }
            look(&shared.analyzer()?, &root, boxes, shared, &mut system)?
        }
    };
    system.facts = [facts, system.facts].concat();
    if let Some(name) = &arguments.name {
        system.name.clone_from(name);
    }
    let mut how = DetectionOptions::default();
    (how.min_iou, how.ignore_under, how.shown) = (arguments.iou, arguments.ignore_under, shown);
    finish(protocol::detection(system, photos, &how, &options)?, &arguments.output)
}

/// True boxes by photo, and what goes with them.
struct Truths {
    boxes: Vec<(String, Vec<Truth>)>,
    /// The folder that the photos are in.
    root: PathBuf,
    facts: Facts,
    /// What COCO's result files refer to.
    annotations: Option<coco::Annotations>,
}

fn read_truth(arguments: &Detect) -> Result<Truths, Failure> {
    let list = arguments.choice.lists.first().map_or(Path::new(""), PathBuf::as_path);
    let ending = list.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    if arguments.choice.lists.len() > 1 || !matches!(ending.as_str(), "txt" | "json") {
        let List { manifest, root, facts, .. } = arguments.choice.read()?;
        return Ok(Truths { boxes: manifest.boxes()?, root, facts, annotations: None });
    }
    let text = std::fs::read_to_string(list).map_err(|e| Failure::reading(list, &e))?;
    let facts = vec![("list".to_owned(), format!("{}, SHA-256 {}", list.display(), hex(text.as_bytes())))];
    let root =
        arguments.choice.photos.clone().or_else(|| list.parent().map(Path::to_path_buf)).unwrap_or_default();
    if ending == "txt" {
        return Ok(Truths { boxes: wider::read_truth(&text, list)?, root, facts, annotations: None });
    }
    let annotations = coco::read_truth(&text, list, arguments.category.as_deref())?;
    Ok(Truths { boxes: annotations.photos.clone(), root, facts, annotations: Some(annotations) })
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

/// What our detector finds in the photos. A photo that nobody can read leaves the test; one that cannot be decoded counts
/// as one in which nothing was found.
fn look(
    engine: &Analyzer,
    root: &Path,
    truths: Vec<(String, Vec<Truth>)>,
    shared: &Shared,
    system: &mut System,
) -> Result<Vec<PhotoBoxes>, Failure> {
    let options = DetectOptions::default().score(FLOOR);
    let work = |(photo, _): &(String, Vec<Truth>)| -> Result<Vec<Found>, Problem> {
        let image = open(&root.join(photo))?;
        let found = engine.detect(&image, &options)?;
        Ok(found.iter().map(|d| Found { bbox: d.bbox.map(f64::from), score: f64::from(d.score) }).collect())
    };
    let mut photos = Vec::new();
    photos::in_order(
        &truths,
        shared.threads()?,
        &shared.progress(truths.len()),
        work,
        |(photo, boxes), found| {
            let found = match found {
                Ok(found) => found,
                Err(problem) => {
                    let item = left_out(photo, &root.join(photo), &problem);
                    let counts = item.counts_as_failure;
                    system.left_out.push(item);
                    if !counts {
                        return Ok(());
                    }
                    Vec::new()
                }
            };
            photos.push(PhotoBoxes { photo: photo.clone(), truths: boxes.clone(), found });
            Ok(())
        },
    )?;
    if photos.is_empty() {
        return Err(Failure::new("none of the photos could be read")
            .hint("name the folder in which the list's paths begin with --photos"));
    }
    Ok(photos)
}

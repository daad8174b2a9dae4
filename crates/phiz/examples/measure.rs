//! Prints the figures of `docs/accuracy.md` from photo sets on disk.
//!
//! `cargo run --release -p phiz --example measure -- lfw --packs DIR` and so on, see `--help`. DIR holds a folder and
//! a CSV (`path,person,split,boxes,note`) a set; model cards choose other models than the bundled pair.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::{Args, Parser, Subcommand};
use phiz_face::{DetectOptions, Detection, Engine, Model, iou};
use phiz_image::{DecodeOptions, Image};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    with: With,
}

#[derive(Args)]
struct With {
    /// Folder of the photo sets
    #[arg(long, global = true, env = "PHIZ_PACKS", default_value = ".")]
    packs: PathBuf,
    /// Card of another detector
    #[arg(long, global = true)]
    detector: Option<PathBuf>,
    /// Card of another embedder
    #[arg(long, global = true)]
    embedder: Option<PathBuf>,
    /// Photos at a time
    #[arg(long, global = true, default_value_t = 2)]
    threads: usize,
    /// Only every n-th photo or pair, for a first impression
    #[arg(long, global = true, default_value_t = 1)]
    every: usize,
}

#[derive(Subcommand)]
enum What {
    /// Labeled Faces in the Wild, 6,000 pairs in ten folds, unrestricted with labelled outside data
    Lfw,
    /// The central face of each LFW photo against a reference detector's box and landmarks
    Central {
        /// The reference's card
        #[arg(long)]
        reference: PathBuf,
    },
    /// Photos without a face in which one is found (`test` rows of the negatives)
    Negatives,
    /// Precision and recall at IoU 0.5 and average precision on annotated scenes (`test` rows)
    Scenes {
        /// The set
        #[arg(long, default_value = "scenes_masks")]
        set: String,
        /// Rows to take
        #[arg(long, default_value = "test")]
        split: String,
        /// Boxes smaller than this (shorter side in pixels) neither count nor harm
        #[arg(long, default_value_t = 10.0)]
        ignore_under: f32,
    },
    /// Similarities of pairs of different people at false match rates, as a card's `[thresholds]` wants them
    Quantiles {
        /// People to take
        #[arg(long, default_value = "tune")]
        split: String,
    },
}

struct Row {
    path: PathBuf,
    person: String,
    split: String,
    boxes: Vec<[f32; 4]>,
}

fn main() -> Result<()> {
    let Cli { what, with } = Cli::parse();
    let mut builder = Engine::builder();
    if let Some(card) = &with.detector {
        builder = builder.detector(Model::open(card)?);
    }
    if let Some(card) = &with.embedder {
        builder = builder.embedder(Model::open(card)?);
    }
    let engine = builder.build()?;
    match what {
        What::Lfw => lfw(&engine, &with),
        What::Central { reference } => {
            let reference = Engine::builder().detector(Model::open(&reference)?).build()?;
            central(&engine, &reference, &with)
        }
        What::Negatives => negatives(&engine, &with),
        What::Scenes { set, split, ignore_under } => scenes(&engine, &with, &set, &split, ignore_under),
        What::Quantiles { split } => quantiles(&engine, &with, &split),
    }
}

fn rows(packs: &Path, set: &str) -> Result<Vec<Row>> {
    let file = packs.join(format!("{set}.csv"));
    let mut reader = csv::Reader::from_path(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut rows = Vec::new();
    for row in reader.deserialize() {
        let row: BTreeMap<String, String> = row?;
        let boxes = row["boxes"]
            .split(';')
            .filter_map(|b| {
                let numbers: Vec<f32> = b.split_whitespace().filter_map(|v| v.parse().ok()).collect();
                <[f32; 4]>::try_from(numbers).ok()
            })
            .collect();
        let (person, split) = (row["person"].clone(), row["split"].clone());
        rows.push(Row { path: packs.join(&row["path"]), person, split, boxes });
    }
    Ok(rows)
}

/// `work` on all items by several threads, results in order, progress on stderr.
fn each<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let out: Mutex<Vec<Option<Result<R>>>> = Mutex::new(items.iter().map(|_| None).collect());
    let bar = indicatif::ProgressBar::new(items.len() as u64);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(i) else { return };
                    let result = work(item);
                    if let Ok(mut out) = out.lock() {
                        out[i] = Some(result);
                    }
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    out.into_inner().map_err(|_| "a thread panicked")?.into_iter().flatten().collect()
}

fn open(path: &Path) -> Result<Image> {
    Ok(Image::open(path, &DecodeOptions::default())?)
}

/// The face nearest the photo's centre, in units of its own size.
fn middle(found: &[Detection], image: &Image) -> Option<Detection> {
    let (w, h) = image.original_size();
    let off = |d: &Detection| {
        let [x, y, bw, bh] = d.bbox;
        (x + bw / 2.0 - w as f32 / 2.0).hypot(y + bh / 2.0 - h as f32 / 2.0) / d.size().max(1.0)
    };
    found.iter().min_by(|a, b| off(a).total_cmp(&off(b))).cloned()
}

fn lfw(engine: &Engine, with: &With) -> Result<()> {
    let file = with.packs.join("lfw_pairs/pairs.txt");
    let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut names: Vec<String> = Vec::new();
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut number = |person: &str, n: &str| {
        let name = format!("lfw/{person}/{person}_{:0>4}.jpg", n);
        *numbers.entry(name.clone()).or_insert_with(|| {
            names.push(name);
            names.len() - 1
        })
    };
    let mut pairs = Vec::new();
    for (i, line) in text.lines().skip(1).enumerate() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let pair = match fields[..] {
            [p, a, b] => (number(p, a), number(p, b), true),
            [p, a, q, b] => (number(p, a), number(q, b), false),
            _ => return Err(format!("{}: line {}: three or four fields", file.display(), i + 2).into()),
        };
        if i % with.every == 0 {
            pairs.push((i / 600, pair));
        }
    }
    let used: std::collections::HashSet<usize> = pairs.iter().flat_map(|(_, (a, b, _))| [*a, *b]).collect();
    let list: Vec<(usize, &String)> = names.iter().enumerate().collect();
    let faces = each(&list, with.threads, |(i, name)| {
        if !used.contains(i) {
            return Ok(None);
        }
        let image = open(&with.packs.join(name))?;
        let mut found = engine.detect(&image, &DetectOptions::default())?;
        if found.is_empty() {
            found =
                engine.detect(&image, &DetectOptions { score: Some(0.05), ..DetectOptions::default() })?;
        }
        middle(&found, &image).map(|d| Ok(engine.describe(&image, d)?.template)).transpose()
    })?;
    let missing = used.iter().filter(|i| faces[**i].is_none()).count();
    let scored: Vec<(usize, f32, bool)> = pairs
        .iter()
        .map(|&(fold, (a, b, same))| {
            let score = faces[a].as_ref().zip(faces[b].as_ref()).and_then(|(a, b)| a.similarity(b));
            (fold, score.unwrap_or(-1.0), same)
        })
        .collect();
    let mut accuracies = Vec::new();
    for fold in 0..10 {
        let mut train: Vec<(f32, bool)> = scored.iter().filter(|s| s.0 != fold).map(|s| (s.1, s.2)).collect();
        train.sort_by(|a, b| b.0.total_cmp(&a.0));
        // Thresholds fall; accepting one more pair changes the count of right answers by one.
        let mut right = train.iter().filter(|s| !s.1).count() as i64;
        let mut best = (right, f32::INFINITY);
        for (k, (score, same)) in train.iter().enumerate() {
            right += if *same { 1 } else { -1 };
            if right > best.0 {
                let below = train.get(k + 1).map_or(-1.0, |next| next.0);
                best = (right, (score + below) / 2.0);
            }
        }
        let test: Vec<_> = scored.iter().filter(|s| s.0 == fold).collect();
        let right = test.iter().filter(|s| (s.1 >= best.1) == s.2).count();
        accuracies.push(right as f64 / test.len().max(1) as f64);
    }
    let mean = accuracies.iter().sum::<f64>() / 10.0;
    let error = (accuracies.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / 90.0).sqrt();
    println!("LFW, {} pairs, {} photos, {missing} without a face", pairs.len(), used.len());
    println!("accuracy over ten folds  {:.2} ± {:.2} %", 100.0 * mean, 100.0 * error);
    let impostors: Vec<f32> = scored.iter().filter(|s| !s.2).map(|s| s.1).collect();
    let genuine: Vec<f32> = scored.iter().filter(|s| s.2).map(|s| s.1).collect();
    tar(genuine, impostors, &[1e-2, 1e-3]);
    Ok(())
}

fn tar(genuine: Vec<f32>, mut impostors: Vec<f32>, rates: &[f64]) {
    impostors.sort_by(|a, b| b.total_cmp(a));
    for rate in rates {
        let allowed = (rate * impostors.len() as f64).floor() as usize;
        let threshold = impostors[allowed.min(impostors.len() - 1)];
        let taken = genuine.iter().filter(|s| **s > threshold).count();
        println!(
            "TAR at FAR {rate:e}          {:.2} %  (similarity {threshold:.4})",
            100.0 * taken as f64 / genuine.len() as f64
        );
    }
}

fn central(engine: &Engine, reference: &Engine, with: &With) -> Result<()> {
    let rows: Vec<Row> = rows(&with.packs, "lfw")?.into_iter().step_by(with.every).collect();
    let results = each(&rows, with.threads, |row| {
        let image = open(&row.path)?;
        let theirs = reference.detect(&image, &DetectOptions::default())?;
        let Some(truth) = middle(&theirs, &image) else { return Ok(None) };
        let ours = engine.detect(&image, &DetectOptions::default())?;
        let best = ours.iter().max_by(|a, b| iou(&a.bbox, &truth.bbox).total_cmp(&iou(&b.bbox, &truth.bbox)));
        let overlap = best.map_or(0.0, |d| iou(&d.bbox, &truth.bbox));
        let [right, left, ..] = truth.landmarks;
        let eyes = (right[0] - left[0]).hypot(right[1] - left[1]);
        let error = best.filter(|_| overlap >= 0.5).map(|d| {
            let pairs = d.landmarks.iter().zip(&truth.landmarks);
            pairs.map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1])).sum::<f32>() / 5.0 / eyes
        });
        if overlap < 0.5 {
            eprintln!("missed: {} (IoU {overlap:.2})", row.path.display());
        }
        Ok(Some((overlap, error, ours.len() > 1 && theirs.len() == 1)))
    })?;
    let judged: Vec<_> = results.iter().flatten().collect();
    let found = judged.iter().filter(|r| r.0 >= 0.5).count();
    let errors: Vec<f32> = judged.iter().filter_map(|r| r.1).collect();
    println!("LFW, {} photos, in {} the reference finds a face", results.len(), judged.len());
    println!("central face found (IoU ≥ 0.5)   {:.2} %", 100.0 * found as f64 / judged.len() as f64);
    println!(
        "mean IoU                         {:.3}",
        judged.iter().map(|r| r.0).sum::<f32>() / judged.len() as f32
    );
    println!(
        "landmark error, mean             {:.2} % of the eye distance",
        100.0 * errors.iter().sum::<f32>() / errors.len() as f32
    );
    println!("more faces than the reference's one in {}", judged.iter().filter(|r| r.2).count());
    Ok(())
}

fn negatives(engine: &Engine, with: &With) -> Result<()> {
    let mut all = Vec::new();
    for set in ["negatives", "negatives_city", "negatives_nature"] {
        all.extend(rows(&with.packs, set)?.into_iter().filter(|r| r.split == "test"));
    }
    let found =
        each(&all, with.threads, |row| Ok(engine.detect(&open(&row.path)?, &DetectOptions::default())?))?;
    let mut wrong = 0;
    for (row, faces) in all.iter().zip(&found) {
        if let Some(worst) = faces.iter().max_by(|a, b| a.score.total_cmp(&b.score)) {
            wrong += 1;
            eprintln!("{} {:.2} {:?}", row.path.display(), worst.score, worst.bbox);
        }
    }
    println!(
        "photos without a face: {}, with one found: {wrong} ({:.2} %)",
        all.len(),
        100.0 * wrong as f64 / all.len() as f64
    );
    Ok(())
}

fn scenes(engine: &Engine, with: &With, set: &str, split: &str, ignore_under: f32) -> Result<()> {
    let rows: Vec<Row> = rows(&with.packs, set)?.into_iter().filter(|r| r.split == split).collect();
    let floor = DetectOptions { score: Some(0.02), ..DetectOptions::default() };
    let found = each(&rows, with.threads, |row| {
        let image = open(&row.path)?;
        Ok((engine.detect(&image, &floor)?, engine.detect(&image, &DetectOptions::default())?))
    })?;
    // Each found face by falling score takes the free box that it overlaps most; one that overlaps a small box
    // or is small itself does not count.
    let small = |b: &[f32; 4]| b[2].min(b[3]) < ignore_under;
    let judge = |faces: &[Detection], boxes: &[[f32; 4]]| -> Vec<(f32, bool)> {
        let mut sorted: Vec<&Detection> = faces.iter().collect();
        sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut taken = vec![false; boxes.len()];
        let mut out = Vec::new();
        for face in sorted {
            let best = (0..boxes.len())
                .filter(|i| !taken[*i])
                .map(|i| (iou(&face.bbox, &boxes[i]), i))
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .filter(|b| b.0 >= 0.5);
            match best {
                Some((_, i)) => {
                    taken[i] = true;
                    if !small(&boxes[i]) {
                        out.push((face.score, true));
                    }
                }
                None if small(&face.bbox) => {}
                None => out.push((face.score, false)),
            }
        }
        out
    };
    let truths: usize = rows.iter().map(|r| r.boxes.iter().filter(|b| !small(b)).count()).sum();
    let mut all = Vec::new();
    let (mut hits, mut alarms) = (0usize, 0usize);
    for (row, (many, few)) in rows.iter().zip(&found) {
        all.extend(judge(many, &row.boxes));
        for (_, hit) in judge(few, &row.boxes) {
            if hit { hits += 1 } else { alarms += 1 }
        }
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut right, mut points) = (0usize, Vec::new());
    for (k, (_, hit)) in all.iter().enumerate() {
        right += usize::from(*hit);
        points.push((right as f64 / truths as f64, right as f64 / (k + 1) as f64));
    }
    // Area under precision made monotone (Pascal VOC 2010, WIDER FACE).
    let (mut ap, mut ceiling, mut last) = (0.0, 0.0f64, points.last().map_or(0.0, |p| p.0));
    for (recall, precision) in points.iter().rev() {
        ap += (last - recall) * ceiling;
        ceiling = ceiling.max(*precision);
        last = *recall;
    }
    ap += last * ceiling;
    println!("{set}, {} photos, {truths} faces of {ignore_under} pixels or more", rows.len());
    println!("precision  {:.2} %", 100.0 * hits as f64 / (hits + alarms).max(1) as f64);
    println!("recall     {:.2} %", 100.0 * hits as f64 / truths.max(1) as f64);
    println!("AP         {:.2} %", 100.0 * ap);
    Ok(())
}

fn quantiles(engine: &Engine, with: &With, split: &str) -> Result<()> {
    let mut all = Vec::new();
    for set in ["celeba_17k", "celeba_20k"] {
        all.extend(rows(&with.packs, set)?.into_iter().filter(|r| r.split == split));
    }
    // A photo may be in both sets; its number is its name.
    let mut seen = std::collections::HashSet::new();
    all.retain(|r| seen.insert(r.path.file_stem().map(|s| s.to_os_string())));
    let faces = each(&all, with.threads, |row| {
        let image = open(&row.path)?;
        let found = engine.detect(&image, &DetectOptions::default())?;
        middle(&found, &image).map(|d| Ok(engine.describe(&image, d)?.template)).transpose()
    })?;
    let known: Vec<_> = all.iter().zip(&faces).filter_map(|(r, f)| Some((r, f.as_ref()?))).collect();
    let (mut genuine, mut impostors) = (Vec::new(), Vec::new());
    for (i, (a, x)) in known.iter().enumerate() {
        for (b, y) in &known[i + 1..] {
            let score = x.similarity(y).ok_or("templates of two models")?;
            if a.person == b.person { genuine.push(score) } else { impostors.push(score) }
        }
    }
    let people: std::collections::BTreeSet<_> = known.iter().map(|k| &k.0.person).collect();
    println!(
        "{split}: {} photos of {} people, {} without a face; {} genuine and {} impostor pairs",
        all.len(),
        people.len(),
        all.len() - known.len(),
        genuine.len(),
        impostors.len()
    );
    impostors.sort_by(|a, b| b.total_cmp(a));
    let mut list = Vec::new();
    for rate in [0.5, 1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5] {
        let allowed = (rate * impostors.len() as f64) as usize;
        // The rule of thirty (Doddington): below thirty false matches a rate is too unsure to bind a threshold.
        if allowed >= 30 {
            list.push(format!("[{rate:e}, {:.4}]", impostors[allowed]));
        }
    }
    println!("quantiles = [{}]", list.join(", "));
    tar(genuine, impostors, &[1e-2, 1e-3, 1e-4]);
    Ok(())
}

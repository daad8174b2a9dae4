//! Who is judged: our models or others by their cards, run on photos; or a file of any system's templates.
//!
//! The one place of `phiz eval` that knows how photos are opened, faces found and templates made.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use phiz_eval::embeddings::{Embeddings, FileEmbeddings, Prepared, Seen};
use phiz_eval::manifest::Manifest;
use phiz_eval::protocol::System;
use phiz_eval::report::LeftOut;
use sha2::{Digest, Sha256};

use super::Choice;
use super::cache::{Cache, Face, Key, Known};
pub(super) use crate::faces::{Problem, open};
use crate::{Analyzer, DecodeOptions, DetectOptions, Detection, Image, Model};
use crate::{Failure, Shared, photos};

/// Where templates come from.
#[derive(Args, Clone)]
pub(crate) struct Source {
    /// Judge another system by its templates, instead of running the models on photos. FILE is a .npy file (float32
    /// [n, dim]) with --list beside it, or one CSV file
    #[arg(long, value_name = "FILE", help_heading = "Subject")]
    embeddings: Option<PathBuf>,
    /// A CSV file with the `path` of each row of the .npy file, as `phiz embed --largest` writes it
    #[arg(long = "list", value_name = "FILE", requires = "embeddings", help_heading = "Subject")]
    embeddings_list: Option<PathBuf>,
    /// Which face of each photo is taken
    #[arg(long, value_enum, default_value = "central", help_heading = "Subject")]
    face: Which,
    /// Count a photo as a failure if no face reaches the detector's score. Without this option, a second search takes the
    /// best face with a score of 0.05 or more
    #[arg(long, help_heading = "Subject")]
    strict: bool,
    /// Keep templates in this folder, and take them from there next time. They are biometric data and are not encrypted
    #[arg(long, value_name = "DIR", help_heading = "Subject")]
    cache: Option<PathBuf>,
    /// The name of the system in tables [default: the embedder's]
    #[arg(long, value_name = "NAME", help_heading = "Subject")]
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// The face nearest to the middle of the photo, in units of its own size
    Central,
    /// The largest face
    Largest,
    /// The photo itself, which is an aligned face of 112×112 pixels
    Aligned,
}

impl Which {
    fn name(self) -> &'static str {
        match self {
            Which::Central => "central",
            Which::Largest => "largest",
            Which::Aligned => "aligned",
        }
    }
}

/// What a reader needs to repeat a run: `(what, value)`.
pub(crate) type Facts = Vec<(String, String)>;

/// The score below which the second search does not go.
const KEEN: f32 = 0.05;

/// All that decides which template a photo gets, as the name of its cache.
///
/// The text is frozen: it is written out here, not made from the names of types and fields, so that a cache is found again
/// whatever the code is called, and never taken for another's. Whoever changes what a photo's template depends on adds a
/// line, or counts the version up.
struct Pipeline {
    /// Identity of the detector, and a hash of its whole card: its thresholds decide which face is taken.
    detector: (String, String),
    embedder: (String, String),
    face: &'static str,
    /// Faces of at least so many pixels.
    min_face: f32,
    second_search: Option<f32>,
    mirror: bool,
}

impl Pipeline {
    fn text(&self) -> String {
        let Pipeline { detector, embedder, face, min_face, second_search, mirror } = self;
        let second = second_search.map_or("none".to_owned(), |score| format!("from score {score:.2}"));
        let mirror = if *mirror { "yes" } else { "no" };
        format!(
            "phiz eval templates 2\ndetector {} card {}\nembedder {} card {}\nface {face}\nphoto upright\n\
             least face {min_face:.1} pixels\nsecond search {second}\nmirror {mirror}\n",
            detector.0, detector.1, embedder.0, embedder.1
        )
    }
}

/// What is asked for templates: a network on photos, or a file.
pub(crate) enum Subject<'a> {
    File(Box<FileEmbeddings>),
    Network(Box<Network<'a>>),
}

impl Embeddings for Subject<'_> {
    type Error = Failure;

    fn embed(&mut self, photos: &[String]) -> Result<Vec<Seen>, Failure> {
        match self {
            Subject::File(file) => Ok(file.embed(photos)?),
            Subject::Network(network) => network.embed(photos),
        }
    }

    fn system(&self) -> System {
        match self {
            Subject::File(file) => file.system(),
            Subject::Network(network) => network.system.clone(),
        }
    }
}

/// Our models, or others by their cards, on the photos of a folder.
pub(crate) struct Network<'a> {
    source: &'a Source,
    shared: &'a Shared,
    root: &'a Path,
    engine: Analyzer,
    system: System,
    pipeline: Pipeline,
}

impl Source {
    pub(crate) fn reads_embeddings(&self) -> bool {
        self.embeddings.is_some()
    }

    /// The name that was given.
    pub(crate) fn given_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The files that are read.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &Path> {
        self.embeddings.iter().chain(&self.embeddings_list).map(PathBuf::as_path)
    }

    /// The system that is asked for, ready to work on the photos that lie in `root`.
    pub(crate) fn subject<'a>(&'a self, root: &'a Path, shared: &'a Shared) -> Result<Subject<'a>, Failure> {
        match &self.embeddings {
            Some(file) => Ok(Subject::File(Box::new(self.read_file(file)?))),
            None => Ok(Subject::Network(Box::new(self.network(root, shared)?))),
        }
    }

    fn read_file(&self, file: &Path) -> Result<FileEmbeddings, Failure> {
        let read = |path: &Path| std::fs::read(path).map_err(|e| Failure::reading(path, &e));
        let bytes = read(file)?;
        let stem = file.file_stem().map_or_else(|| "embeddings".into(), |s| s.to_string_lossy());
        let name = self.name.as_deref().unwrap_or(&stem);
        let named = |path: &Path, bytes: &[u8]| format!("{}, SHA-256 {}", path.display(), hex(bytes));
        let mut list = None;
        let mut embeddings = if file.extension().is_some_and(|e| e == "csv") {
            FileEmbeddings::from_csv(name, &bytes, file)?
        } else {
            let Some(path) = &self.embeddings_list else {
                return Err(Failure::new(format!("{}: which row is which photo?", file.display()))
                    .hint("name a CSV file with a column `path` and one line per row with --list"));
            };
            let text = read(path)?;
            list = Some(named(path, &text));
            FileEmbeddings::from_npy(name, &bytes, file, &text, path)?
        };
        embeddings.fact("embeddings", named(file, &bytes));
        if let Some(list) = list {
            embeddings.fact("list", list);
        }
        Ok(embeddings)
    }

    fn network<'a>(&'a self, root: &'a Path, shared: &'a Shared) -> Result<Network<'a>, Failure> {
        let (detector, embedder) = (shared.detector()?, shared.embedder()?);
        let engine = shared.analyzer()?;
        let card = engine.embedder_card();
        let mut system = System::new(self.name.as_deref().unwrap_or(&card.name));
        if let Some(thresholds) = card.thresholds.clone() {
            system.card = Some(Arc::new(move |rate| thresholds.similarity_at(rate)));
        }
        system.facts = models(shared)?;
        let second_search = (self.face != Which::Aligned && !self.strict).then_some(KEEN);
        let taken = match (self.face, second_search) {
            (Which::Aligned, _) => "photos are aligned faces".to_owned(),
            (which, None) => format!("{} face", which.name()),
            (which, Some(keen)) => {
                format!("{} face; where none reaches the detector's score, from {keen} up", which.name())
            }
        };
        system.fact("face", taken);
        let identity = |model: &Model| (model.id().to_string(), card_hash(model));
        let pipeline = Pipeline {
            detector: identity(&detector),
            embedder: identity(&embedder),
            face: self.face.name(),
            min_face: DetectOptions::default().min_face,
            second_search,
            mirror: !shared.quick,
        };
        Ok(Network { source: self, shared, root, engine, system, pipeline })
    }
}

/// A hash of everything that a card says.
fn card_hash(model: &Model) -> String {
    serde_json::to_vec(model.card()).map_or_else(|_| "unknown".into(), |card| hex(&card))
}

impl Network<'_> {
    /// What the network makes of each photo. One that is missing or cannot be used is told of and left to the report.
    fn embed(&mut self, paths: &[String]) -> Result<Vec<Seen>, Failure> {
        let (known, mut cache) = match &self.source.cache {
            Some(folder) => Cache::open(folder, &self.pipeline.text(), self.engine.dim())
                .map(|(known, cache)| (Some(known), Some(cache)))?,
            None => (None, None),
        };
        let files: Vec<PathBuf> = paths.iter().map(|p| self.root.join(p)).collect();
        if let Some(first) = files.first()
            && !files.iter().any(|file| file.is_file())
        {
            let (path, all) = (first.display(), files.len());
            return Err(Failure::new(format!(
                "{path}: there is no such photo, and none of the other {}",
                all - 1
            ))
            .hint("name the folder in which the list's paths begin with --photos"));
        }
        let folder = self.source.cache.as_deref().unwrap_or(Path::new(""));
        let failed = |e: std::io::Error| Failure::writing(folder, &e);
        let mut seen = Vec::with_capacity(files.len());
        let work = |path: &PathBuf| self.look(path, known.as_ref());
        let (threads, bar) = (self.shared.threads()?, self.shared.progress(files.len()));
        photos::in_order(&files, threads, &bar, work, |path, result| {
            let (face, fresh) = match result {
                Ok(found) => found,
                Err(problem) => {
                    seen.push(unusable(path, &problem));
                    return Ok(());
                }
            };
            if let Some((key, cache)) = fresh.zip(cache.as_mut()) {
                cache.put(&key, face.as_ref()).map_err(failed)?;
            }
            seen.push(
                face.map_or(Seen::NoFace, |f| Seen::Face { vector: f.vector, quality: Some(f.quality) }),
            );
            Ok(())
        })?;
        cache.map_or(Ok(()), Cache::finish).map_err(failed)?;
        Ok(seen)
    }

    /// The face that is meant, and the photo's hash if the cache does not know it.
    fn look(&self, path: &Path, known: Option<&Known>) -> Result<(Option<Face>, Option<Key>), Problem> {
        let options = DecodeOptions::default();
        let mut key = None;
        let image = match known {
            None => Image::open(path, &options)?,
            Some(known) => {
                // Whatever is wrong with the file, opening it says so in the words of every command.
                let Ok(bytes) = std::fs::read(path) else {
                    return Ok((self.face(&Image::open(path, &options)?)?, None));
                };
                let hash: Key = Sha256::digest(&bytes).into();
                if let Some(face) = known.get(&hash) {
                    return Ok((face.clone(), None));
                }
                key = Some(hash);
                Image::decode(&bytes, &options)?
            }
        };
        Ok((self.face(&image)?, key))
    }

    fn face(&self, image: &Image) -> Result<Option<Face>, Problem> {
        let engine = &self.engine;
        if self.source.face == Which::Aligned {
            let template = engine.embed_aligned(image)?;
            return Ok(Some(Face { quality: 1.0, vector: template.vector().to_vec() }));
        }
        let mut found = engine.detect(image, &DetectOptions::default())?;
        if let Some(keen) = self.pipeline.second_search.filter(|_| found.is_empty()) {
            found = engine.detect(image, &DetectOptions::default().score(keen))?;
        }
        let chosen = match self.source.face {
            Which::Largest => found.into_iter().next(),
            _ => central(&found, image).cloned(),
        };
        let Some(detection) = chosen else { return Ok(None) };
        let face = engine.describe(image, detection)?;
        Ok(Some(Face { quality: face.quality, vector: face.template.vector().to_vec() }))
    }
}

/// A photo that could not be used: told of on stderr, and kept for the report. One that cannot be read at all leaves the
/// test; one that cannot be decoded counts as a failure of the system.
pub(crate) fn unusable(path: &Path, problem: &Problem) -> Seen {
    crate::photos::warn(path, problem);
    match is_absent(problem) {
        true if !path.exists() => Seen::Absent("there is no such photo".into()),
        true => Seen::Absent(problem.to_string()),
        false => Seen::Failed(problem.to_string()),
    }
}

/// The same, as what the report lists.
pub(crate) fn left_out(name: &str, path: &Path, problem: &Problem) -> LeftOut {
    match unusable(path, problem) {
        Seen::Failed(reason) => LeftOut::failed(name, reason),
        Seen::Absent(reason) => LeftOut::absent(name, reason),
        _ => LeftOut::absent(name, problem.to_string()),
    }
}

/// Could nobody look at the photo?
fn is_absent(problem: &Problem) -> bool {
    problem.code() == phiz_service::Code::Unreadable
}

/// The face nearest the photo's middle, in units of its own size.
pub(crate) fn central<'a>(found: &'a [Detection], image: &Image) -> Option<&'a Detection> {
    let (w, h) = image.original_size();
    let off = |d: &Detection| {
        let [x, y, bw, bh] = d.bbox;
        (x + bw / 2.0 - w as f32 / 2.0).hypot(y + bh / 2.0 - h as f32 / 2.0) / d.size().max(1.0)
    };
    found.iter().min_by(|a, b| off(a).total_cmp(&off(b)))
}

/// The models in use, for the record.
pub(crate) fn models(shared: &Shared) -> Result<Facts, Failure> {
    let say = |m: Model| format!("{}, {}", m.card().name, m.id());
    Ok(vec![("detector".into(), say(shared.detector()?)), ("embedder".into(), say(shared.embedder()?))])
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

impl Choice {
    /// The files that are read.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &Path> {
        self.lists.iter().map(PathBuf::as_path)
    }

    /// The list, filtered, and the folder of its photos.
    pub(crate) fn read(&self) -> Result<List, Failure> {
        if self.every == 0 {
            return Err(Failure::new("--every: 0 leaves no photo").hint("give 1 or more"));
        }
        let (mut facts, mut left_out) = (Vec::new(), Vec::new());
        let mut manifest: Option<Manifest> = None;
        for list in &self.lists {
            let (next, fact) = read_list(list, &mut left_out)?;
            facts.push(("list".to_owned(), fact));
            manifest = Some(match manifest {
                Some(before) => before.join(next)?,
                None => next,
            });
        }
        let first = self.lists.first().map_or(Path::new(""), PathBuf::as_path);
        let own = if first.is_dir() { Some(first) } else { first.parent() };
        let root = self.photos.clone().or_else(|| own.map(Path::to_path_buf)).unwrap_or_default();
        let mut manifest = manifest.ok_or_else(|| Failure::new("there is no list"))?;
        for filter in &self.filters {
            let Some((column, value)) = filter.split_once('=') else {
                return Err(Failure::new(format!("--where {filter}: is not a filter"))
                    .hint("give COLUMN=VALUE, such as split=test"));
            };
            manifest = manifest.filter(column, value)?;
        }
        if self.distinct_names {
            manifest = manifest.distinct_names()?;
        }
        if self.every > 1 {
            manifest = manifest.select(&(0..manifest.len()).step_by(self.every).collect::<Vec<_>>());
        }
        Ok(List { manifest, root, facts, left_out })
    }

    /// The list's photos with what a system makes of them.
    pub(crate) fn prepare(&self, source: &Source, shared: &Shared) -> Result<(Prepared, List), Failure> {
        let list = self.read()?;
        let mut prepared = Prepared::new(&list.manifest, &mut source.subject(&list.root, shared)?)?;
        list.tell(&mut prepared.system);
        Ok((prepared, list))
    }
}

/// A list of photos, and what is known of it.
pub(crate) struct List {
    pub(crate) manifest: Manifest,
    /// The folder that its paths are in.
    pub(crate) root: PathBuf,
    /// What names it for the record.
    pub(crate) facts: Facts,
    /// Files of a folder that cannot be told whose they are.
    pub(crate) left_out: Vec<LeftOut>,
}

impl List {
    /// Adds what is known of the list to what is known of the system.
    pub(crate) fn tell(&self, system: &mut System) {
        system.facts = [self.facts.as_slice(), &system.facts].concat();
        system.left_out = [self.left_out.as_slice(), &system.left_out].concat();
    }
}

/// A list from a CSV file or a folder of people, and what names it for the record.
fn read_list(list: &Path, left_out: &mut Vec<LeftOut>) -> Result<(Manifest, String), Failure> {
    if !list.is_dir() {
        let bytes = std::fs::read(list).map_err(|e| Failure::reading(list, &e))?;
        let fact = format!("{}, SHA-256 {}", list.display(), hex(&bytes));
        return Ok((Manifest::read(&bytes[..], list)?, fact));
    }
    let mut csv = csv::Writer::from_writer(Vec::new());
    let failed = |e: csv::Error| Failure::reading(list, &e);
    csv.write_record(["path", "person"]).map_err(failed)?;
    let mut kept = 0;
    for path in photos::find(&[list.to_path_buf()])? {
        let name = path.strip_prefix(list).unwrap_or(&path);
        let mut leave = |reason: &str| left_out.push(LeftOut::absent(path.display().to_string(), reason));
        match (name.to_str(), name.parent().and_then(Path::to_str)) {
            (Some(_), Some("")) => leave("lies in no person's folder"),
            (Some(name), Some(person)) => {
                csv.write_record([name, person]).map_err(failed)?;
                kept += 1;
            }
            _ => leave("its name is not UTF-8"),
        }
    }
    if kept == 0 {
        return Err(Failure::new(format!("{}: holds no photo in a person's folder", list.display()))
            .hint("give a folder that contains one folder of photos per person, or a CSV list"));
    }
    let bytes = csv.into_inner().map_err(|e| Failure::reading(list, &e))?;
    Ok((Manifest::read(&bytes[..], list)?, list.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_cache_is_frozen() {
        let pipeline = || Pipeline {
            detector: ("0123456789abcdef".into(), "d".into()),
            embedder: ("fedcba9876543210".into(), "e".into()),
            face: Which::Central.name(),
            min_face: 20.0,
            second_search: Some(KEEN),
            mirror: true,
        };
        let golden = "phiz eval templates 2\ndetector 0123456789abcdef card d\nembedder fedcba9876543210 card e\n\
                      face central\nphoto upright\nleast face 20.0 pixels\nsecond search from score 0.05\nmirror yes\n";
        assert_eq!(pipeline().text(), golden);
        // Whatever changes a template changes the name.
        let mut texts = vec![golden.to_owned()];
        let mut add = |change: &dyn Fn(&mut Pipeline)| {
            let mut other = pipeline();
            change(&mut other);
            texts.push(other.text());
        };
        add(&|p| p.detector.0.push('1'));
        add(&|p| p.detector.1.push('1'));
        add(&|p| p.embedder.0.push('1'));
        add(&|p| p.embedder.1.push('1'));
        add(&|p| p.face = Which::Largest.name());
        add(&|p| p.face = Which::Aligned.name());
        add(&|p| p.min_face = 10.0);
        add(&|p| p.second_search = None);
        add(&|p| p.mirror = false);
        let all = texts.len();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), all);
    }
}

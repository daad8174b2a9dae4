//! Who is judged: our models or others by their cards, run on photos; or a file of any system's templates.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use phiz_eval::Samples;
use phiz_eval::embeddings;
use phiz_eval::manifest::Manifest;
use sha2::{Digest, Sha256};

use super::Choice;
use super::cache::{Cache, Key, Known};
use crate::faces::Problem;
use crate::{Analyzer, DecodeOptions, DetectOptions, Detection, Image, Model};
use crate::{Failure, Shared, photos};

/// Where templates come from.
#[derive(Args, Clone)]
pub(crate) struct Source {
    /// Templates of another system instead of photos: .npy (float32 [n, dim]) with --list, or one CSV file
    #[arg(long, value_name = "FILE", help_heading = "Subject")]
    embeddings: Option<PathBuf>,
    /// CSV file with the `path` of each row of the .npy file, as `phiz embed --largest` writes it
    #[arg(long = "list", value_name = "FILE", requires = "embeddings", help_heading = "Subject")]
    embeddings_list: Option<PathBuf>,
    /// Which face of a photo is meant
    #[arg(long, value_enum, default_value = "central", help_heading = "Subject")]
    face: Which,
    /// Photos in which no face reaches the detector's score count as failures, without a second, keener look
    #[arg(long, help_heading = "Subject")]
    strict: bool,
    /// Keep templates in this folder and take them from there next time; they are biometric data, unsealed
    #[arg(long, value_name = "DIR", help_heading = "Subject")]
    cache: Option<PathBuf>,
    /// The system's name in tables [default: the embedder's]
    #[arg(long, value_name = "NAME", help_heading = "Subject")]
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Nearest to the photo's middle, in units of its own size
    Central,
    /// Largest
    Largest,
    /// The photo is an aligned face of 112×112 pixels
    Aligned,
}

/// What a reader needs to repeat a run: `(what, value)`.
pub(crate) type Facts = Vec<(String, String)>;

/// What was made of a photo.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Face {
    pub(crate) quality: f32,
    pub(crate) vector: Vec<f32>,
}

/// What was made of all photos.
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) faces: Vec<Option<Face>>,
    /// Photos that could not be read at all.
    pub(crate) unreadable: usize,
    /// What a reader needs to repeat it.
    pub(crate) facts: Facts,
    /// The embedder's thresholds, if it has some.
    pub(crate) thresholds: Option<phiz_template::Thresholds>,
}

impl Described {
    pub(crate) fn vectors(&self) -> Vec<Option<Vec<f32>>> {
        self.faces.iter().map(|f| f.as_ref().map(|f| f.vector.clone())).collect()
    }
}

/// The score below which the second look does not go.
const KEEN: f32 = 0.05;

impl Source {
    pub(crate) fn reads_embeddings(&self) -> bool {
        self.embeddings.is_some()
    }

    /// The name that was given.
    pub(crate) fn given_name(&self) -> Option<String> {
        self.name.clone()
    }

    /// Templates of the photos named `paths`, which lie in `root`.
    pub(crate) fn describe(
        &self,
        root: &Path,
        paths: &[String],
        shared: &Shared,
    ) -> Result<Described, Failure> {
        match &self.embeddings {
            Some(file) => self.read_file(file, paths),
            None => self.run_on(root, paths, shared),
        }
    }

    fn read_file(&self, file: &Path, paths: &[String]) -> Result<Described, Failure> {
        let bytes = std::fs::read(file).map_err(|e| Failure::reading(file, &e))?;
        let mut facts = vec![("embeddings".into(), format!("{}, SHA-256 {}", file.display(), hex(&bytes)))];
        let (names, vectors) = if file.extension().is_some_and(|e| e == "csv") {
            let manifest = Manifest::read(&bytes[..], file)?;
            (manifest.paths()?, embeddings::columns_of(&manifest, &[])?)
        } else {
            let Some(list) = &self.embeddings_list else {
                return Err(Failure::new(format!("{}: which row is which photo?", file.display()))
                    .hint("name a CSV file with a column `path` by --list, one line a row"));
            };
            let text = std::fs::read(list).map_err(|e| Failure::reading(list, &e))?;
            facts.push(("list".into(), format!("{}, SHA-256 {}", list.display(), hex(&text))));
            let manifest = Manifest::read(&text[..], list)?;
            let mut rows = embeddings::rows_of(&embeddings::read_npy(&bytes, file)?).into_iter();
            // `phiz embed` lists photos without a face as face -1; they have no row.
            let without: Vec<bool> = match manifest.has("face") {
                true => manifest.column("face")?.iter().map(|f| *f == "-1").collect(),
                false => vec![false; manifest.len()],
            };
            let vectors: Vec<_> =
                without.iter().map(|w| if *w { Some(None) } else { rows.next() }).map_while(|v| v).collect();
            let left = rows.count();
            if vectors.len() != manifest.len() || left > 0 {
                let rows = without.iter().filter(|w| !**w).count();
                return Err(Failure::new(format!(
                    "{}: lists {rows} templates, {} holds another number",
                    list.display(),
                    file.display()
                ))
                .hint("the list has one line for each row, in the same order"));
            }
            (manifest.paths()?, vectors)
        };
        let mut known: HashMap<&str, &Option<Vec<f32>>> = HashMap::new();
        for (name, vector) in names.iter().zip(&vectors) {
            known.insert(name, vector);
        }
        let faces = paths
            .iter()
            .map(|path| match known.get(path.as_str()) {
                Some(vector) => Ok(vector.as_ref().map(|v| Face { quality: 0.0, vector: v.clone() })),
                None => Err(Failure::new(format!("{}: has no template for `{path}`", file.display()))
                    .hint("paths must be written alike in both; give a row of zeros (or empty fields) where no face was found")),
            })
            .collect::<Result<_, _>>()?;
        let stem = file.file_stem().map_or_else(|| "embeddings".into(), |s| s.to_string_lossy().into_owned());
        let name = self.name.clone().unwrap_or(stem);
        Ok(Described { name, faces, unreadable: 0, facts, thresholds: None })
    }

    fn run_on(&self, root: &Path, paths: &[String], shared: &Shared) -> Result<Described, Failure> {
        let models = models(shared)?;
        let engine = shared.analyzer()?;
        let card = engine.embedder_card();
        let look = match (self.face, self.strict) {
            (Which::Aligned, _) => "photos are aligned faces".to_owned(),
            (which, true) => format!("{which:?} face").to_lowercase(),
            (which, false) => {
                format!("{which:?} face; where none reaches the detector's score, from {KEEN} up")
                    .to_lowercase()
            }
        };
        let pipeline =
            format!("{models:?} {look} {:?} {}", DetectOptions::default(), env!("CARGO_PKG_VERSION"));
        let (known, mut cache) = match &self.cache {
            Some(folder) => Cache::open(folder, &pipeline, engine.dim())
                .map(|(known, cache)| (Some(known), Some(cache)))?,
            None => (None, None),
        };
        let files: Vec<PathBuf> = paths.iter().map(|p| root.join(p)).collect();
        if let Some(missing) = files.iter().position(|f| !f.is_file()) {
            let all = files.iter().filter(|f| !f.is_file()).count();
            return Err(Failure::new(format!(
                "{}: there is no such photo; {all} are missing",
                files[missing].display()
            ))
            .hint("name the folder that the list's paths are in by --photos"));
        }
        let failed = |e: std::io::Error| Failure::writing(self.cache.as_deref().unwrap_or(Path::new("")), &e);
        let mut faces = Vec::with_capacity(files.len());
        let mut unreadable = 0;
        let work = |path: &PathBuf| self.look(&engine, path, known.as_ref());
        photos::in_order(&files, shared.threads()?, &shared.progress(files.len()), work, |path, seen| {
            let (face, fresh) = seen.unwrap_or_else(|problem| {
                crate::photos::warn(path, &problem);
                unreadable += 1;
                (None, None)
            });
            if let Some((key, cache)) = fresh.zip(cache.as_mut()) {
                cache.put(&key, face.as_ref()).map_err(failed)?;
            }
            faces.push(face);
            Ok(())
        })?;
        cache.map_or(Ok(()), Cache::finish).map_err(failed)?;
        let mut facts = models;
        facts.push(("face".into(), look));
        Ok(Described {
            name: self.name.clone().unwrap_or_else(|| card.name.clone()),
            faces,
            unreadable,
            facts,
            thresholds: card.thresholds.clone(),
        })
    }

    /// The face that is meant, and the photo's hash if the cache does not know it.
    fn look(
        &self,
        engine: &Analyzer,
        path: &Path,
        known: Option<&Known>,
    ) -> Result<(Option<Face>, Option<Key>), Problem> {
        let options = DecodeOptions::default();
        let mut key = None;
        let image = match known {
            None => Image::open(path, &options)?,
            Some(known) => {
                // Whatever is wrong with the file, opening it says so in the words of every command.
                let Ok(bytes) = std::fs::read(path) else {
                    return Ok((self.face(engine, &Image::open(path, &options)?)?, None));
                };
                let hash: Key = Sha256::digest(&bytes).into();
                if let Some(face) = known.get(&hash) {
                    return Ok((face.clone(), None));
                }
                key = Some(hash);
                Image::decode(&bytes, &options)?
            }
        };
        Ok((self.face(engine, &image)?, key))
    }

    fn face(&self, engine: &Analyzer, image: &Image) -> Result<Option<Face>, Problem> {
        if self.face == Which::Aligned {
            let template = engine.embed_aligned(image)?;
            return Ok(Some(Face { quality: 1.0, vector: template.vector().to_vec() }));
        }
        let mut found = engine.detect(image, &DetectOptions::default())?;
        if found.is_empty() && !self.strict {
            found = engine.detect(image, &DetectOptions::default().score(KEEN))?;
        }
        let chosen = match self.face {
            Which::Largest => found.into_iter().next(),
            _ => central(&found, image).cloned(),
        };
        let Some(detection) = chosen else { return Ok(None) };
        let face = engine.describe(image, detection)?;
        Ok(Some(Face { quality: face.quality, vector: face.template.vector().to_vec() }))
    }
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
    /// The list, filtered, and the folder of its photos.
    pub(crate) fn read(&self) -> Result<(Manifest, PathBuf, Facts), Failure> {
        if self.every == 0 {
            return Err(Failure::new("--every: 0 leaves no photo").hint("give 1 or more"));
        }
        let mut facts = Vec::new();
        let mut manifest: Option<Manifest> = None;
        for list in &self.lists {
            let (next, fact) = read_list(list)?;
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
                return Err(Failure::new(format!("--where {filter}: is no filter"))
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
        Ok((manifest, root, facts))
    }
}

/// A list from a CSV file or a folder of people, and what names it for the record.
fn read_list(list: &Path) -> Result<(Manifest, String), Failure> {
    if !list.is_dir() {
        let bytes = std::fs::read(list).map_err(|e| Failure::reading(list, &e))?;
        let fact = format!("{}, SHA-256 {}", list.display(), hex(&bytes));
        return Ok((Manifest::read(&bytes[..], list)?, fact));
    }
    let mut csv = csv::Writer::from_writer(Vec::new());
    let failed = |e: csv::Error| Failure::reading(list, &e);
    csv.write_record(["path", "person"]).map_err(failed)?;
    for path in photos::find(&[list.to_path_buf()])? {
        let name = path.strip_prefix(list).unwrap_or(&path);
        let person = name.parent().filter(|p| !p.as_os_str().is_empty()).ok_or_else(|| {
            Failure::new(format!("{}: lies in no person's folder", path.display()))
                .hint("give a folder with a folder of photos a person, or a CSV list")
        })?;
        csv.write_record([name, person].map(|p| p.to_string_lossy().into_owned())).map_err(failed)?;
    }
    let bytes = csv.into_inner().map_err(|e| Failure::reading(list, &e))?;
    Ok((Manifest::read(&bytes[..], list)?, list.display().to_string()))
}

/// Photos, people and templates of a chosen list.
pub(crate) struct Subject {
    pub(crate) manifest: Manifest,
    pub(crate) root: PathBuf,
    pub(crate) samples: Samples,
    pub(crate) described: Described,
    pub(crate) facts: Facts,
}

impl Subject {
    pub(crate) fn new(choice: &Choice, source: &Source, shared: &Shared) -> Result<Subject, Failure> {
        let (manifest, root, mut facts) = choice.read()?;
        let (paths, people) = (manifest.paths()?, manifest.people()?);
        let mut described = source.describe(&root, &paths, shared)?;
        let samples = embeddings::samples(paths, &people, &described.vectors())?;
        facts.append(&mut described.facts);
        facts.push(("photos".into(), samples.photos().len().to_string()));
        facts.push(("people".into(), samples.people().count().to_string()));
        facts.push(("photos without a face".into(), samples.failures().to_string()));
        Ok(Subject { manifest, root, samples, described, facts })
    }
}

//! Scanning an archive: each photo is looked at once, and its faces are kept in the gallery as sightings.
//!
//! A photo that is known by path, size and time is not read again; one whose content is known is not looked at again. What
//! was looked at is committed every few seconds, so that a scan that ends early goes on where it was.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use phiz_face::{Detection, Face, pose};
use phiz_gallery::{
    Archive, DecidedBy, Gallery, Grouped, Grouping, Kept, NewPhoto, NewSighting, PhotoFile, PhotoHash,
    PhotoProblem, SeenPhoto,
};
use phiz_image::Image;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::walk::{Item, Walk};
use crate::{
    Code, IdentifiedFace, IdentifyOptions, Looking, Photo, PhotoAnswer, Problem, Result, Service, Verdict,
    in_order,
};

/// How to scan.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanOptions {
    /// How faces are looked for, and how they are decided.
    pub identify: IdentifyOptions,
    /// How strangers are grouped.
    pub grouping: Grouping,
    /// Photos that are worked on at the same time.
    pub threads: usize,
    /// Whether the answer for each photo is told, also of those that were known.
    pub answers: bool,
}

impl Default for ScanOptions {
    fn default() -> ScanOptions {
        ScanOptions {
            identify: IdentifyOptions::default(),
            grouping: Grouping::default(),
            threads: 1,
            answers: false,
        }
    }
}

/// What a scan tells while it works.
#[derive(Debug)]
#[non_exhaustive]
pub enum ScanEvent<'a> {
    /// So many photos must be looked at; all others are known.
    Begins {
        /// Photos to look at.
        due: usize,
    },
    /// A photo was looked at, or could not be used. Photos that are known are told only if answers are asked for.
    Photo {
        /// Its path, as it was given.
        path: &'a Path,
        /// Whether it was looked at now.
        due: bool,
        /// Who it shows, if answers are asked for; or why it cannot be used.
        answer: std::result::Result<Option<PhotoAnswer<IdentifiedFace>>, Problem>,
    },
    /// Of so many new sightings so many were compared with all.
    Compared(usize, usize),
}

/// What a scan has done.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ScanSummary {
    /// Photos found.
    pub photos: usize,
    /// Photos that were new.
    pub new: usize,
    /// Files that hold another photo than before.
    pub changed: usize,
    /// Photos that lay elsewhere before.
    pub moved: usize,
    /// Files with a photo that lies elsewhere, too.
    pub copied: usize,
    /// Photos that were as they had been.
    pub unchanged: usize,
    /// Photos that were looked at again, because options or networks have changed.
    pub renewed: usize,
    /// Photos whose files are gone.
    pub gone: usize,
    /// Photos that cannot be used.
    pub refused: usize,
    /// Faces of the photos that were looked at.
    pub faces: usize,
    /// Folders that hold no photo at all any more: perhaps a disk that is not there. Nothing was said of their photos.
    pub empty: Vec<String>,
    /// What grouping the strangers has changed.
    pub grouped: Grouped,
}

/// Photos and time between commits.
const COMMIT_PHOTOS: usize = 32;
const COMMIT_EVERY: Duration = Duration::from_secs(2);
/// A file that changes while it is read is read again so often.
const TRIES: usize = 3;
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// How a file lies on the disk.
fn stamp(path: &Path) -> std::io::Result<PhotoFile> {
    let meta = std::fs::metadata(path)?;
    let modified = match meta.modified()?.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX),
    };
    Ok(PhotoFile { path: path.into(), size: meta.len(), modified })
}

/// Two changes of a file in so short a time may leave it with one time: clocks of file systems tick as slowly.
const TICK: Duration = Duration::from_millis(20);

/// How long to wait until a later change of a file shows in its time.
fn until_settled(file: &PhotoFile, now: SystemTime) -> Duration {
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let age = u128::try_from(file.modified).ok().and_then(|modified| now.checked_sub(modified));
    // A time to come says nothing.
    age.map_or(Duration::ZERO, |age| {
        TICK.saturating_sub(Duration::from_nanos(u64::try_from(age).unwrap_or(u64::MAX)))
    })
}

/// Reads a file, all of one moment: if it changes meanwhile, it is read again, a few times.
fn steady<'a>(
    path: &Path,
    most: u64,
    read: &mut dyn FnMut() -> std::result::Result<Cow<'a, [u8]>, Problem>,
) -> std::result::Result<(PhotoFile, Cow<'a, [u8]>), Problem> {
    let stamp = || stamp(path).map_err(|error| Problem::unreadable(&error));
    for _ in 0..TRIES {
        let before = stamp()?;
        std::thread::sleep(until_settled(&before, SystemTime::now()));
        let bytes = read()?;
        let after = stamp()?;
        if before == after && bytes.len() as u64 >= after.size.min(most) {
            return Ok((after, bytes));
        }
        std::thread::sleep(AGAIN_AFTER);
    }
    let reason = "changes again and again while it is read";
    Err(Problem::new(Code::Unreadable, reason, "scan again when it is finished"))
}

/// The path by which a photo is known: absolute, whatever folder the scan was started in.
pub(crate) fn known_as(path: &Path) -> PathBuf {
    // Links to files are photos of their own names; the folder that they lie in has one name.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (std::fs::canonicalize(folder), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => std::path::absolute(path).unwrap_or_else(|_| path.into()),
    }
}

/// What is known of a photo before it is read.
struct Due<'a> {
    item: &'a Item,
    /// The file as it was found, under its absolute path.
    file: Option<PhotoFile>,
    /// The known photo, if the file is as it was.
    known: Option<&'a SeenPhoto>,
}

/// What a look at a photo has brought.
struct Looked {
    photo: NewPhoto,
    faces: Vec<Face>,
    size: (u32, u32),
}

fn kept(problem: &Problem) -> PhotoProblem {
    PhotoProblem {
        kind: problem.code().as_str().into(),
        reason: problem.to_string(),
        hint: problem.remedy().into(),
    }
}

fn told(problem: &PhotoProblem) -> Problem {
    let code = problem.kind.parse().unwrap_or(Code::Unusable);
    Problem::new(code, problem.reason.clone(), problem.hint.clone())
}

impl Service {
    /// By what photos are looked at: what would find other faces has another text.
    pub(crate) fn looks_by(&self, looking: &Looking) -> String {
        let detect = &looking.detect;
        let score = detect.score.map_or("card".into(), |score| score.to_string());
        format!(
            "{} min_face={} score={score} rotate={:?} refine={}",
            self.analyzer().detector().card().name,
            detect.min_face,
            detect.rotate,
            detect.refine
        )
    }

    /// Scans photos into a gallery. `tell` hears of each photo in order; the work goes on at the next scan where it ended.
    ///
    /// # Errors
    /// The gallery cannot be read or written, or `tell` ends the work by an error; what was committed stays.
    pub fn scan<E: From<crate::Error>>(
        &self,
        gallery: &Gallery,
        walk: &Walk,
        roots: &[PathBuf],
        options: &ScanOptions,
        tell: &mut dyn FnMut(ScanEvent<'_>) -> std::result::Result<(), E>,
    ) -> std::result::Result<ScanSummary, E> {
        let fail = |error: phiz_gallery::GalleryError| E::from(crate::Error::from(error));
        let archive = match options.answers {
            true => gallery.archive(&options.identify.deciding()).map_err(fail)?,
            false => {
                let photos = gallery.photos().map_err(fail)?.into_iter();
                Archive { photos: photos.map(|photo| (photo.id, photo)).collect(), ..Archive::default() }
            }
        };
        let by_photo = archive.by_photo();
        let (good, bad) =
            (self.looks_by(&options.identify.looking), self.limits_of(&options.identify.looking));
        let usable = |photo: &SeenPhoto| match &photo.problem {
            Some(_) => photo.looked == bad,
            None => photo.looked == good,
        };
        // A photo that was scanned before photos were asked for their time is read once more, but not looked at again.
        let as_it_was = |photo: &SeenPhoto| photo.dated && usable(photo);
        let mut of_path: HashMap<&Path, (&SeenPhoto, &PhotoFile)> = HashMap::new();
        for photo in archive.photos.values().filter(|photo| photo.gone.is_none()) {
            of_path.extend(photo.files.iter().map(|file| (file.path.as_path(), (photo, file))));
        }
        let mut summary = ScanSummary { photos: walk.items.len(), ..ScanSummary::default() };
        let mut seen = BTreeSet::new();
        let mut all = Vec::with_capacity(walk.items.len());
        for item in &walk.items {
            let path = known_as(&item.path);
            let file = if item.problem.is_none() { stamp(&path).ok() } else { None };
            let known =
                file.as_ref().and_then(|file| of_path.get(file.path.as_path()).filter(|(_, f)| *f == file));
            let known = known.map(|(photo, _)| *photo).filter(|photo| as_it_was(photo));
            // Named twice, by two folders that lie in each other.
            if item.problem.is_some() || seen.insert(path) {
                all.push(Due { item, file, known });
            } else {
                summary.photos -= 1;
            }
        }
        summary.gone = self.lose(gallery, &of_path, &seen, roots, &mut summary.empty).map_err(fail)?;
        let contents: HashMap<PhotoHash, &SeenPhoto> =
            archive.photos.values().filter(|photo| usable(photo)).map(|photo| (photo.photo, photo)).collect();
        let due = all.iter().filter(|due| due.known.is_none() && due.item.problem.is_none()).count();
        tell(ScanEvent::Begins { due })?;
        let answer = |faces: &[Face], size: (u32, u32)| -> Result<Option<PhotoAnswer<IdentifiedFace>>> {
            if !options.answers {
                return Ok(None);
            }
            let faces = self.identify_faces(gallery, faces, &options.identify)?;
            Ok(Some(PhotoAnswer { width: size.0, height: size.1, faces }))
        };
        let stored = |photo: &SeenPhoto| -> Result<Option<PhotoAnswer<IdentifiedFace>>> {
            let places = by_photo.get(&photo.id).map_or(&[][..], |places| places.as_slice());
            let faces: Vec<Face> = places.iter().map(|place| face_of(&archive, *place)).collect();
            let mut found = answer(&faces, (photo.size[0], photo.size[1]))?;
            for (face, place) in found.iter_mut().flat_map(|found| &mut found.faces).zip(places) {
                by_statement(gallery, face, &archive.decided[*place])?;
            }
            Ok(found)
        };
        type Done = (Option<Looked>, std::result::Result<Option<PhotoAnswer<IdentifiedFace>>, Problem>);
        let work = |due: &Due<'_>| -> Result<Done> {
            if let Some(problem) = &due.item.problem {
                return Ok((None, Err(problem.clone())));
            }
            if let Some(photo) = due.known {
                return match &photo.problem {
                    Some(problem) => Ok((None, Err(told(problem)))),
                    None if options.answers => Ok((None, Ok(stored(photo)?))),
                    None => Ok((None, Ok(None))),
                };
            }
            let path = due.file.as_ref().map_or_else(|| known_as(&due.item.path), |file| file.path.clone());
            match self.look_once(&path, &options.identify.looking, &contents, &good, &bad) {
                Err(problem) => Ok((None, Err(problem))),
                Ok(looked) => match (&looked.photo.problem, &looked.photo.faces) {
                    (Some(problem), _) => {
                        let problem = told(problem);
                        Ok((Some(looked), Err(problem)))
                    }
                    (None, Some(_)) => {
                        let answer = answer(&looked.faces, looked.size)?;
                        Ok((Some(looked), Ok(answer)))
                    }
                    // Its content is known.
                    (None, None) => match contents.get(&looked.photo.photo) {
                        Some(photo) => Ok((Some(looked), Ok(stored(photo)?))),
                        None => Ok((Some(looked), Ok(None))),
                    },
                },
            }
        };
        let mut waiting: Vec<NewPhoto> = Vec::new();
        let mut last = Instant::now();
        let changed = |path: &Path, photo: &PhotoHash| {
            of_path.get(path).is_some_and(|(known, _)| known.photo != *photo)
        };
        let commit = |waiting: &mut Vec<NewPhoto>, summary: &mut ScanSummary| -> Result<()> {
            let photos = std::mem::take(waiting);
            // Of a photo that is known, the files that it had elsewhere may be gone: then it was moved.
            let known = photos.iter().filter(|photo| photo.faces.is_none());
            let files = known.filter_map(|photo| contents.get(&photo.photo)).flat_map(|known| &known.files);
            let lost: Vec<PathBuf> =
                files.map(|file| file.path.clone()).filter(|path| is_gone(path)).collect();
            summary.gone += gallery.lose_files(&lost)?;
            let mut again = Vec::new();
            for (photo, (_, kept)) in photos.iter().zip(gallery.keep_photos(&photos)?) {
                count(summary, photo, kept, changed(&photo.file.path, &photo.photo));
                if kept == Kept::Forgotten {
                    let nothing = HashMap::new();
                    match self.look_once(&photo.file.path, &options.identify.looking, &nothing, &good, &bad) {
                        Ok(looked) => again.push(looked.photo),
                        Err(_) => summary.refused += 1,
                    }
                }
            }
            for (photo, (_, kept)) in again.iter().zip(gallery.keep_photos(&again)?) {
                count(summary, photo, kept, changed(&photo.file.path, &photo.photo));
            }
            Ok(())
        };
        in_order(&all, options.threads, work, |due, done| -> std::result::Result<(), E> {
            let (looked, answer) = done.map_err(E::from)?;
            match (&looked, due.known) {
                (None, Some(_)) if answer.is_ok() => summary.unchanged += 1,
                (Some(looked), _) => summary.faces += looked.faces.len(),
                _ => {}
            }
            summary.refused += usize::from(answer.is_err());
            if let Some(looked) = looked {
                waiting.push(looked.photo);
            }
            let was_due = due.known.is_none();
            if was_due || options.answers || answer.is_err() {
                tell(ScanEvent::Photo { path: &due.item.path, due: was_due, answer })?;
            }
            if waiting.len() >= COMMIT_PHOTOS || (!waiting.is_empty() && last.elapsed() >= COMMIT_EVERY) {
                commit(&mut waiting, &mut summary).map_err(E::from)?;
                last = Instant::now();
            }
            Ok(())
        })?;
        commit(&mut waiting, &mut summary).map_err(E::from)?;
        drop(archive);
        let (sender, receiver) = std::sync::mpsc::channel();
        let grouping = Grouping { threads: options.threads, ..options.grouping.clone() };
        let archive = gallery.archive(&options.identify.deciding()).map_err(fail)?;
        // What is heard of while threads compare is told by this one.
        let grouped = std::thread::scope(|scope| {
            let sender = std::sync::Mutex::new(sender);
            let run = scope.spawn({
                let (gallery, archive, grouping) = (&gallery, &archive, &grouping);
                move || {
                    gallery.group_strangers(archive, grouping, &|done, all| {
                        if let Ok(sender) = sender.lock() {
                            // Nobody listens any more: then there is nothing to tell.
                            _ = sender.send((done, all));
                        }
                    })
                }
            });
            for (done, all) in receiver {
                tell(ScanEvent::Compared(done, all))?;
            }
            match run.join() {
                Ok(grouped) => grouped.map_err(fail),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })?;
        summary.grouped = grouped;
        Ok(summary)
    }

    /// The same with the limits, for photos that could not be used: other limits may let them in.
    fn limits_of(&self, looking: &Looking) -> String {
        format!("{} limits={:?}", self.looks_by(looking), looking.limits)
    }

    /// Files that were known under the folders and are not there any more.
    fn lose(
        &self,
        gallery: &Gallery,
        known: &HashMap<&Path, (&SeenPhoto, &PhotoFile)>,
        seen: &BTreeSet<PathBuf>,
        roots: &[PathBuf],
        empty: &mut Vec<String>,
    ) -> phiz_gallery::Result<usize> {
        let mut lost = Vec::new();
        for root in roots {
            let Ok(folder) = std::fs::canonicalize(root) else { continue };
            let missing: Vec<&Path> = known
                .keys()
                .copied()
                .filter(|path| path.starts_with(&folder) && !seen.contains(*path))
                .filter(|path| is_gone(path))
                .collect();
            if missing.is_empty() {
                continue;
            }
            // A folder that holds nothing may be the place of a disk that is not there.
            if !seen.iter().any(|path| path.starts_with(&folder)) {
                empty.push(root.display().to_string());
                continue;
            }
            lost.extend(missing.into_iter().map(Path::to_path_buf));
        }
        lost.sort();
        lost.dedup();
        if lost.is_empty() { Ok(0) } else { gallery.lose_files(&lost) }
    }

    /// Reads a photo, and looks at it unless its content is known. A file that changes meanwhile is read again.
    fn look_once(
        &self,
        path: &Path,
        looking: &Looking,
        contents: &HashMap<PhotoHash, &SeenPhoto>,
        good: &str,
        bad: &str,
    ) -> std::result::Result<Looked, Problem> {
        let decode = looking.to_describe();
        let photo = Photo::from_path(path);
        let (after, bytes) = steady(path, decode.limits.max_bytes, &mut || photo.read(&decode))?;
        let hash: PhotoHash = Sha256::digest(&bytes).into();
        let taken = phiz_image::taken(&bytes);
        let new = |size: [u32; 2], looked: &str, faces, problem| NewPhoto {
            photo: hash,
            file: after.clone(),
            size,
            taken,
            looked: looked.into(),
            faces,
            problem,
        };
        if let Some(known) = contents.get(&hash) {
            let photo = new(known.size, &known.looked, None, known.problem.clone());
            return Ok(Looked { photo, faces: Vec::new(), size: (known.size[0], known.size[1]) });
        }
        let image = match Image::decode(&bytes, &decode) {
            // What is wrong is not the photo: nothing is kept, so it is tried again the next time.
            Err(error) if error.is_passing() => return Err(error.into()),
            image => image.map_err(Problem::from),
        };
        let looked = image.and_then(|image| Ok((image.original_size(), self.faces(&image, looking)?)));
        Ok(match looked {
            Ok((size, faces)) => {
                let sightings = faces.iter().map(sighting).collect();
                let photo = new([size.0, size.1], good, Some(sightings), None);
                Looked { photo, faces, size }
            }
            Err(problem) => {
                let photo = new([0, 0], bad, Some(Vec::new()), Some(kept(&problem)));
                Looked { photo, faces: Vec::new(), size: (0, 0) }
            }
        })
    }
}

/// Whether there is no such file, as opposed to one that cannot be looked at now.
fn is_gone(path: &Path) -> bool {
    match std::fs::symlink_metadata(path) {
        Err(error) => {
            matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
        }
        Ok(_) => false,
    }
}

fn count(summary: &mut ScanSummary, photo: &NewPhoto, kept: Kept, changed: bool) {
    match kept {
        Kept::New if photo.problem.is_some() => {}
        _ if changed => summary.changed += 1,
        Kept::New => summary.new += 1,
        Kept::Moved => {
            summary.moved += 1;
            // It was counted among those that are gone before it turned up.
            summary.gone = summary.gone.saturating_sub(1);
        }
        Kept::Copied => summary.copied += 1,
        // It was only read, because its file has another time or was never asked for its own.
        Kept::Renewed if photo.faces.is_none() => summary.unchanged += 1,
        Kept::Renewed => summary.renewed += 1,
        _ => {}
    }
}

pub(crate) fn sighting(face: &Face) -> NewSighting {
    let Detection { bbox, score, landmarks } = face.detection.clone();
    NewSighting { template: face.template.clone(), quality: face.quality, bbox, score, landmarks }
}

/// A sighting as the face that it was.
pub(crate) fn face_of(archive: &Archive, place: usize) -> Face {
    let seen = &archive.sightings[place];
    let detection = Detection { bbox: seen.bbox, score: seen.score, landmarks: seen.landmarks };
    let pose = pose(&detection.landmarks);
    Face::new(detection, pose, seen.quality, archive.templates[place].clone())
}

/// What somebody has said about a face goes before what it resembles.
fn by_statement(gallery: &Gallery, face: &mut IdentifiedFace, decided: &phiz_gallery::Decided) -> Result<()> {
    let Some(person) = decided.person().filter(|_| decided.by == DecidedBy::Statement) else { return Ok(()) };
    face.person = Some(gallery.person(person)?.details.name);
    face.decision = Verdict::Match;
    face.tied = 0;
    if let Some(place) = face.candidates.iter().position(|candidate| candidate.id == person) {
        face.candidates[..=place].rotate_right(1);
    }
    Ok(())
}

/// How many of an archive's photos are there, and how many of its faces have a name.
#[must_use]
pub fn tally(archive: &Archive) -> BTreeMap<&'static str, usize> {
    let there = |photo: &SeenPhoto| photo.gone.is_none() && photo.problem.is_none();
    let faces = archive.sightings.iter().zip(&archive.decided);
    let faces = faces.filter(|(seen, _)| archive.photos.get(&seen.photo).is_some_and(there));
    let (named, unknown): (Vec<_>, Vec<_>) = faces.partition(|(_, decided)| decided.person().is_some());
    BTreeMap::from([
        ("photos", archive.photos.values().filter(|photo| there(photo)).count()),
        ("faces", named.len() + unknown.len()),
        ("named", named.len()),
        ("strangers", archive.strangers(false).len()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_while_it_is_read_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        let read = || Ok(Cow::Owned(std::fs::read(&path).unwrap()));
        write("first");
        // Longer, shorter and as long: what is taken is what lies there in the end, with the time that it has then.
        for text in ["second and longer", "third", "forth"] {
            let mut times = 0;
            let (file, bytes) = steady(&path, 1 << 20, &mut || {
                times += 1;
                let bytes = read();
                if times == 1 {
                    write(text);
                }
                bytes
            })
            .unwrap();
            assert_eq!((&*bytes, times), (text.as_bytes(), 2));
            assert_eq!(file, stamp(&path).unwrap());
        }
        // One that grows on and on is not taken by half.
        let mut length = 0;
        let error = steady(&path, 1 << 20, &mut || {
            length += 1;
            let bytes = read();
            write(&"x".repeat(length));
            bytes
        })
        .unwrap_err();
        assert!(error.to_string().contains("changes again and again"), "{error}");
        assert_eq!((error.code(), length), (Code::Unreadable, TRIES));
        // One that is gone meanwhile is a problem of its own.
        let gone = steady(&path, 1 << 20, &mut || {
            let bytes = read();
            std::fs::remove_file(&path).unwrap();
            bytes
        });
        assert_eq!(gone.unwrap_err().code(), Code::Unreadable);
    }

    #[test]
    fn a_file_of_this_very_moment_is_waited_for() {
        let file = |modified| PhotoFile { path: "a".into(), size: 1, modified };
        let now = UNIX_EPOCH + Duration::from_secs(100);
        for (modified, wanted) in [
            (99_000_000_000, Duration::ZERO),
            (99_980_000_000, Duration::ZERO),
            (99_995_000_000, Duration::from_millis(15)),
            (100_000_000_000, TICK),
            // The clock of another machine, and times before all time.
            (200_000_000_000, Duration::ZERO),
            (-5, Duration::ZERO),
        ] {
            assert_eq!(until_settled(&file(modified), now), wanted, "{modified}");
        }
    }
}

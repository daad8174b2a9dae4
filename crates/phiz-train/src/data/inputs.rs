//! Where photos come from: a folder (or tar) with a folder a person, a list, or LFW's `pairs.txt`.
//!
//! Photos within a tar are read where they lie; nothing is unpacked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use crate::data::manifest;
use crate::error::TrainError;

/// Endings of files that are taken from a folder or tar.
const ENDINGS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];
/// What a photo may be for. A folder that holds nothing but folders of these names is divided by them.
pub const SPLITS: [&str; 3] = ["train", "tune", "test"];

/// Where a photo's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file of its own.
    File(PathBuf),
    /// Part of a tar.
    Tar {
        /// The tar.
        file: PathBuf,
        /// Where the photo begins in it, in bytes.
        offset: u64,
        /// Its bytes.
        length: u64,
    },
}

impl Source {
    /// The file that holds the bytes.
    #[must_use]
    pub fn file(&self) -> &Path {
        match self {
            Source::File(file) | Source::Tar { file, .. } => file,
        }
    }
}

impl Source {
    /// The file's bytes, of which there may be no more than `limit`.
    ///
    /// # Errors
    /// A file that cannot be read, or is too large.
    pub fn read(&self, limit: u64) -> io::Result<Vec<u8>> {
        let (mut file, length) = match self {
            Source::File(path) => {
                let file = File::open(path)?;
                let length = file.metadata()?.len();
                (file, length)
            }
            Source::Tar { file, offset, length } => {
                let mut file = File::open(file)?;
                file.seek(SeekFrom::Start(*offset))?;
                (file, *length)
            }
        };
        if length > limit {
            return Err(io::Error::other(format!("has {length} bytes, more than the limit of {limit}")));
        }
        let mut bytes = Vec::new();
        file.by_ref().take(length).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < length {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "is cut off"));
        }
        Ok(bytes)
    }
}

/// A photo that is to be looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Photo {
    /// Where its bytes are.
    pub source: Source,
    /// What lists call it: relative to the input that it came from.
    pub path: String,
    /// Who it shows; empty if unknown.
    pub person: String,
    /// What it is for; empty if undecided.
    pub split: String,
    /// Its faces' boxes `[x, y, w, h]`, where known.
    pub boxes: Vec<[f32; 4]>,
    /// Whether it is known to show no face.
    pub shows_none: bool,
    /// Anything else that was said.
    pub note: String,
}

impl Photo {
    fn plain(source: Source, path: String, person: String, split: String) -> Photo {
        Photo { source, path, person, split, boxes: Vec::new(), shows_none: false, note: String::new() }
    }
}

/// The photos of an input, in the order of the list, or of names.
///
/// # Errors
/// An input that cannot be read or holds no photo.
pub fn open(input: &Path) -> Result<Vec<Photo>, TrainError> {
    let ending = input.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let photos = match ending.as_str() {
        _ if input.is_dir() => folder(input)?,
        "tar" => tar(input)?,
        "csv" | "json" | "jsonl" => list(input)?,
        "txt" => pairs(input)?,
        "gz" | "tgz" | "xz" | "zst" | "zip" => {
            return Err(TrainError::file(input, &"is compressed: unpack it, or make it a plain .tar"));
        }
        _ if !input.exists() => return Err(TrainError::file(input, &"does not exist")),
        _ => {
            let reason =
                "is no folder, .tar, list (.csv, .json, .jsonl) or pairs.txt: give the folder of the photos";
            return Err(TrainError::file(input, &reason));
        }
    };
    if photos.is_empty() {
        let reason = format!("holds no photo; photos end in .{}", ENDINGS.join(", ."));
        return Err(TrainError::file(input, &reason));
    }
    Ok(photos)
}

fn is_photo(name: &str) -> bool {
    let hidden = name.split('/').any(|part| part.starts_with('.') && part != ".");
    let ending =
        name.rsplit('/').next().and_then(|n| n.rsplit_once('.')).map(|(_, e)| e.to_ascii_lowercase());
    !hidden && ending.is_some_and(|e| ENDINGS.contains(&e.as_str()))
}

fn folder(root: &Path) -> Result<Vec<Photo>, TrainError> {
    let mut files = Vec::new();
    search(root, root, &mut files)?;
    Ok(by_folder(files.into_iter().map(|(name, path)| (name, Source::File(path))).collect()))
}

fn search(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> Result<(), TrainError> {
    let entries = std::fs::read_dir(folder).map_err(|e| TrainError::file(folder, &e))?;
    for entry in entries {
        let path = entry.map_err(|e| TrainError::file(folder, &e))?.path();
        // A link to a folder may lead back up; links to files are followed.
        if path.is_dir() && !path.is_symlink() {
            search(root, &path, files)?;
        } else if path.is_file() {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
            files.push((parts.join("/"), path));
        }
    }
    Ok(())
}

/// The photos of a tar, by their names in it.
fn index(path: &Path) -> Result<Vec<(String, Source)>, TrainError> {
    let bad = |e: io::Error| TrainError::file(path, &format!("is no whole tar ({e}): make it again"));
    let file = File::open(path).map_err(|e| TrainError::file(path, &e))?;
    let mut archive = tar::Archive::new(file);
    let mut found = Vec::new();
    for entry in archive.entries_with_seek().map_err(bad)? {
        let entry = entry.map_err(bad)?;
        if entry.header().entry_type().is_file() {
            let name = entry.path().map_err(bad)?.to_string_lossy().trim_start_matches("./").to_owned();
            let (offset, length) = (entry.raw_file_position(), entry.size());
            found.push((name, Source::Tar { file: path.into(), offset, length }));
        }
    }
    Ok(found)
}

fn tar(path: &Path) -> Result<Vec<Photo>, TrainError> {
    Ok(by_folder(index(path)?))
}

/// Photos by name, whose first folder is the person. Folders around all of them are no person, as tars have them.
fn by_folder(mut files: Vec<(String, Source)>) -> Vec<Photo> {
    files.retain(|(name, _)| is_photo(name));
    files.sort_by(|a, b| a.0.cmp(&b.0));
    let parts = |name: &str, skip: usize| name.split('/').skip(skip).map(str::to_owned).collect::<Vec<_>>();
    let tops = |skip: usize| -> Vec<String> {
        let mut tops: Vec<String> = files
            .iter()
            .map(|(name, _)| parts(name, skip))
            .filter_map(|p| Some(p).filter(|p| p.len() > 1))
            .map(|mut p| p.swap_remove(0))
            .collect();
        tops.dedup();
        tops
    };
    let every_deeper = |depth: usize| files.iter().all(|(name, _)| name.matches('/').count() >= depth);
    // people/Ada/1.jpg: `people` is around everybody, if folders follow within it everywhere.
    let mut skip = 0;
    while every_deeper(skip + 2) && tops(skip).len() == 1 && !SPLITS.contains(&tops(skip)[0].as_str()) {
        skip += 1;
    }
    let divided = every_deeper(skip + 2) && tops(skip).iter().all(|top| SPLITS.contains(&top.as_str()));
    let photo = |(name, source): (String, Source)| {
        let mut parts = parts(&name, skip);
        let split = if divided && !parts.is_empty() { parts.remove(0) } else { String::new() };
        let person = if parts.len() > 1 { parts.swap_remove(0) } else { String::new() };
        Photo::plain(source, name, person, split)
    };
    files.into_iter().map(photo).collect()
}

fn list(path: &Path) -> Result<Vec<Photo>, TrainError> {
    let root = path.parent().unwrap_or(Path::new(""));
    let mut tars: BTreeMap<PathBuf, BTreeMap<String, Source>> = BTreeMap::new();
    let mut photos = Vec::new();
    for row in manifest::read(path)? {
        let boxes = row.boxes.numbers().map_err(|reason| TrainError::file(path, &reason))?;
        let shows_none = row.shows_none();
        let source = match row.path.split_once(".tar/") {
            Some((tar, inner)) if root.join(format!("{tar}.tar")).is_file() => {
                let tar = root.join(format!("{tar}.tar"));
                if !tars.contains_key(&tar) {
                    tars.insert(tar.clone(), index(&tar)?.into_iter().collect());
                }
                let missing = || TrainError::file(path, &format!("{}: the tar has no such photo", row.path));
                tars[&tar].get(inner).cloned().ok_or_else(missing)?
            }
            _ => Source::File(root.join(&row.path)),
        };
        let mut photo = Photo::plain(source, row.path, row.person, row.split);
        (photo.boxes, photo.shows_none, photo.note) = (boxes, shows_none, row.note);
        photos.push(photo);
    }
    Ok(photos)
}

/// Every photo of a `pairs.txt` once, `test` all of them: by these a model is judged, never taught. They lie beside
/// the file, or in a folder `lfw` beside it.
fn pairs(path: &Path) -> Result<Vec<Photo>, TrainError> {
    let text = std::fs::read_to_string(path).map_err(|e| TrainError::file(path, &e))?;
    let pairs = phiz_eval::pairs::parse_lfw_pairs(&text, path).map_err(|e| TrainError::file(path, &e))?;
    let beside = path.parent().unwrap_or(Path::new(""));
    let mut named: Vec<_> = pairs.into_iter().flat_map(|pair| [pair.a, pair.b]).collect();
    named.sort();
    named.dedup();
    let root = match named.first() {
        Some(first) if !beside.join(first.path()).exists() && beside.join("lfw").is_dir() => {
            beside.join("lfw")
        }
        _ => beside.to_path_buf(),
    };
    let photo = |p: phiz_eval::pairs::LfwPhoto| {
        Photo::plain(Source::File(root.join(p.path())), p.path(), p.person, "test".into())
    };
    Ok(named.into_iter().map(photo).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, name.as_bytes()).expect("writes");
        }
        folder
    }

    fn said(photos: &[Photo]) -> Vec<(String, String, String)> {
        photos.iter().map(|p| (p.path.clone(), p.person.clone(), p.split.clone())).collect()
    }

    fn expected(rows: &[[&str; 3]]) -> Vec<(String, String, String)> {
        rows.iter().map(|[a, b, c]| ((*a).into(), (*b).into(), (*c).into())).collect()
    }

    #[test]
    fn the_first_folder_is_the_person() {
        let cases: [(&[&str], &[[&str; 3]]); 4] = [
            (
                &["Ben/1.jpg", "Ada/2.PNG", "Ada/deep/er/1.jpg", "Ada/notes.txt", ".git/a.jpg", "loose.jpg"],
                &[
                    ["Ada/2.PNG", "Ada", ""],
                    ["Ada/deep/er/1.jpg", "Ada", ""],
                    ["Ben/1.jpg", "Ben", ""],
                    ["loose.jpg", "", ""],
                ],
            ),
            (
                &["train/Ada/1.jpg", "tune/Ben/x/1.jpg"],
                &[["train/Ada/1.jpg", "Ada", "train"], ["tune/Ben/x/1.jpg", "Ben", "tune"]],
            ),
            (
                &["people/Ada/1.jpg", "people/Ben/1.jpg"],
                &[["people/Ada/1.jpg", "Ada", ""], ["people/Ben/1.jpg", "Ben", ""]],
            ),
            (&["Ada/1.jpg"], &[["Ada/1.jpg", "Ada", ""]]),
        ];
        for (names, rows) in cases {
            let folder = tree(names);
            assert_eq!(said(&open(folder.path()).expect("photos")), expected(rows));
        }
    }

    #[test]
    fn a_tar_is_read_where_it_lies() {
        let folder = tree(&["Ada/1.jpg", "Ben/2.jpg"]);
        // Not within the folder: the archive would take itself in until the disk is full.
        let beside = tree(&["notes.txt"]);
        let path = beside.path().join("all.tar");
        let mut builder = tar::Builder::new(File::create(&path).expect("a file"));
        builder.append_dir_all("./people", folder.path()).expect("appends");
        builder.finish().expect("finishes");
        let photos = open(&path).expect("photos");
        let rows = [["people/Ada/1.jpg", "Ada", ""], ["people/Ben/2.jpg", "Ben", ""]];
        assert_eq!(said(&photos), expected(&rows));
        assert_eq!(photos[1].source.read(100).expect("bytes"), b"Ben/2.jpg");
        assert!(photos[1].source.read(3).expect_err("too large").to_string().contains("limit"));

        std::fs::copy(&path, folder.path().join("all.tar")).expect("copies");
        let listed = folder.path().join("list.csv");
        std::fs::write(&listed, "path,person\nall.tar/people/Ben/2.jpg,B\nAda/1.jpg,A\n").expect("writes");
        let photos = open(&listed).expect("photos");
        assert_eq!(photos[0].source.read(100).expect("bytes"), b"Ben/2.jpg");
        assert_eq!(photos[1].source.read(100).expect("bytes"), b"Ada/1.jpg");
    }

    #[test]
    fn pairs_are_for_judging_only() {
        let folder = tree(&["lfw/Ada/Ada_0001.jpg"]);
        let path = folder.path().join("pairs.txt");
        std::fs::write(&path, "1\nAda\t1\t2\nAda\t1\tBen\t1\n").expect("writes");
        let rows = [
            ["Ada/Ada_0001.jpg", "Ada", "test"],
            ["Ada/Ada_0002.jpg", "Ada", "test"],
            ["Ben/Ben_0001.jpg", "Ben", "test"],
        ];
        let photos = open(&path).expect("photos");
        assert_eq!(said(&photos), expected(&rows));
        assert!(photos[0].source.read(100).is_ok());
    }

    #[test]
    fn what_cannot_be_used_says_what_to_do() {
        let folder = tree(&["a.tar.gz", "photo.jpg", "empty/readme.md", "bad.tar"]);
        for (name, expected) in [
            ("a.tar.gz", "unpack"),
            ("photo.jpg", "give the folder"),
            ("empty", "holds no photo"),
            ("nowhere", "does not exist"),
            ("bad.tar", "no whole tar"),
        ] {
            let error = open(&folder.path().join(name)).expect_err(name).to_string();
            assert!(error.contains(expected) && error.contains(name), "{name}: {error}");
        }
    }
}

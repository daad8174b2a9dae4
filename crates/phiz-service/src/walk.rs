//! Which photos are meant by paths and folders: one rule for everything that takes photos.
//!
//! - A file that is named itself is taken, whatever it is called; its format is told by its content.
//! - A folder is searched with all folders in it, in the order of names. Files whose ending is one that
//!   [`phiz_image::formats`] reads are taken. Files and folders whose names begin with a dot are passed over. Links to
//!   files are followed, links to folders are not: they may lead back up.
//! - Nothing is left out in silence: [`Walk::left_out`] counts what was seen and not taken, by reason. A path that cannot
//!   be read is an item with its problem, and the others are done.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use phiz_image::formats::{self, Naming};
use serde::Serialize;

use crate::{Code, Problem};

/// Endings of videos.
const VIDEO: [&str; 9] = ["mp4", "mov", "avi", "mkv", "webm", "m4v", "mts", "m2ts", "3gp"];

/// Why something in a folder was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LeftOut {
    /// A picture in a format that Phiz does not read.
    UnreadFormat,
    /// A video.
    Video,
    /// A link that leads nowhere.
    DanglingLink,
    /// A link to a folder.
    LinkedFolder,
    /// Neither a file nor a folder: a pipe, a socket, a device.
    Special,
    /// A file that is no picture by its ending.
    NoPicture,
}

/// The photos that paths stand for, in their order.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// Photos, and paths that cannot be read, with the reason.
    pub items: Vec<Item>,
    /// What folders hold beside them, counted by reason.
    pub left_out: BTreeMap<LeftOut, u64>,
    /// Endings of pictures in formats that Phiz does not read, counted.
    pub unread_endings: BTreeMap<String, u64>,
}

/// A photo, or a path that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The path.
    pub path: PathBuf,
    /// The named path that it was found under: itself, or a folder.
    pub root: PathBuf,
    /// Why it cannot be read, if that is known already.
    pub problem: Option<Problem>,
}

impl Walk {
    /// Finds the photos that `paths` stand for. Whatever cannot be read is an item with its problem.
    #[must_use]
    pub fn over(paths: &[PathBuf]) -> Walk {
        let mut walk = Walk::default();
        for path in paths {
            match std::fs::metadata(path) {
                Ok(meta) if meta.is_dir() => {
                    let before = walk.items.len();
                    walk.search(path, path);
                    if walk.items.len() == before {
                        let reason = "holds no photo";
                        let remedy = format!(
                            "photos in folders are files that end in .{}",
                            formats::extensions().collect::<Vec<_>>().join(", .")
                        );
                        walk.add(path, path, Some(Problem::new(Code::Unreadable, reason, remedy)));
                    }
                }
                Ok(_) => walk.add(path, path, None),
                Err(error) => walk.add(path, path, Some(Problem::unreadable(&error))),
            }
        }
        walk
    }

    /// The items that may be read.
    pub fn photos(&self) -> impl Iterator<Item = &Path> {
        self.items.iter().filter(|item| item.problem.is_none()).map(|item| item.path.as_path())
    }

    fn add(&mut self, path: &Path, root: &Path, problem: Option<Problem>) {
        self.items.push(Item { path: path.into(), root: root.into(), problem });
    }

    fn leave_out(&mut self, reason: LeftOut) {
        *self.left_out.entry(reason).or_default() += 1;
    }

    fn search(&mut self, folder: &Path, root: &Path) {
        let listed = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut paths: Vec<PathBuf> = match listed {
            Ok(entries) => entries.into_iter().map(|entry| entry.path()).collect(),
            Err(error) => return self.add(folder, root, Some(Problem::unreadable(&error))),
        };
        paths.sort();
        for path in paths {
            if is_hidden(&path) {
                continue;
            }
            let Ok(meta) = std::fs::metadata(&path) else {
                match path.is_symlink() {
                    true => self.leave_out(LeftOut::DanglingLink),
                    false => {
                        self.add(&path, root, Some(Problem::unreadable(&std::io::Error::other("is gone"))))
                    }
                }
                continue;
            };
            if meta.is_dir() {
                match path.is_symlink() {
                    true => self.leave_out(LeftOut::LinkedFolder),
                    false => self.search(&path, root),
                }
                continue;
            }
            match formats::by_name(&path) {
                Naming::Read(_) if meta.is_file() => self.add(&path, root, None),
                Naming::Known(_) => {
                    self.leave_out(LeftOut::UnreadFormat);
                    *self.unread_endings.entry(ending(&path)).or_default() += 1;
                }
                _ if !meta.is_file() => self.leave_out(LeftOut::Special),
                _ if VIDEO.contains(&ending(&path).as_str()) => self.leave_out(LeftOut::Video),
                _ => self.leave_out(LeftOut::NoPicture),
            }
        }
    }
}

/// A folder of people: each folder in it holds the photos of the person it is named after.
#[derive(Clone, Debug, Default)]
pub struct PeopleWalk {
    /// People's names with their photos; no photo may be left where all of a folder's are problems.
    pub people: Vec<(String, Walk)>,
    /// Folders that are nobody's: they hold no photo, or cannot be read, or their name can be no person's.
    pub nobody: Vec<(PathBuf, Problem)>,
}

/// Finds the people in a folder of people.
///
/// # Errors
/// [`Code::Unreadable`] if the folder cannot be read or holds no folder.
pub fn people(folder: &Path) -> Result<PeopleWalk, Problem> {
    let listed = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = listed.map_err(|error| Problem::unreadable(&error))?;
    let mut folders: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    folders.retain(|path| path.is_dir() && !is_hidden(path));
    folders.sort();
    let remedy = "put each person's photos into a folder with their name, or: phiz enroll NAME PHOTO…";
    if folders.is_empty() {
        return Err(Problem::new(Code::Unreadable, "holds no folder of a person", remedy));
    }
    let mut found = PeopleWalk::default();
    for path in folders {
        let walk = Walk::over(std::slice::from_ref(&path));
        let name = path.file_name().unwrap_or_default().to_str().map(str::to_owned);
        let has_photos = walk.photos().next().is_some();
        match (name, has_photos) {
            (None, _) => {
                let reason = "its name is not valid UTF-8, so it cannot be a person's name";
                found.nobody.push((path, Problem::new(Code::Unreadable, reason, "rename the folder")));
            }
            (Some(_), false) => {
                let problem = walk.items.into_iter().find_map(|item| item.problem);
                let empty = || Problem::new(Code::Unreadable, "holds no photo", remedy);
                found.nobody.push((path, problem.unwrap_or_else(empty)));
            }
            (Some(name), true) => match phiz_gallery::clean_name(&name) {
                Ok(_) => found.people.push((name, walk)),
                Err(error) => {
                    let reason = format!("can be no person's folder: {}", error.reason());
                    found.nobody.push((path, Problem::new(Code::Unusable, reason, "rename the folder")));
                }
            },
        }
    }
    Ok(found)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn ending(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_of(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        }
        folder
    }

    fn names(folder: &Path, walk: &Walk) -> Vec<String> {
        let name = |path: &Path| path.strip_prefix(folder).unwrap().display().to_string();
        walk.photos().map(name).collect()
    }

    #[test]
    fn folders_are_searched_and_files_taken_as_they_are() {
        let folder = folder_of(&[
            "b.JPG",
            "a.png",
            "c.jfif",
            "d.jpe",
            "notes.txt",
            ".hidden.jpg",
            "sub/c.webp",
            ".git/d.jpg",
            "e.jp2",
            "f.JP2",
            "g.mp4",
            "h.nef",
        ]);
        let walk = Walk::over(&[folder.path().into()]);
        assert_eq!(names(folder.path(), &walk), ["a.png", "b.JPG", "c.jfif", "d.jpe", "sub/c.webp"]);
        let left: Vec<_> = walk.left_out.into_iter().collect();
        assert_eq!(left, [(LeftOut::UnreadFormat, 3), (LeftOut::Video, 1), (LeftOut::NoPicture, 1)]);
        assert_eq!(walk.unread_endings["jp2"], 2);
        let walk = Walk::over(&[folder.path().join("notes.txt")]);
        assert_eq!(names(folder.path(), &walk), ["notes.txt"]);
    }

    #[test]
    fn what_cannot_be_read_stands_between_the_others() {
        let folder = folder_of(&["a.jpg", "b/b.jpg"]);
        std::fs::create_dir(folder.path().join("empty")).unwrap();
        let at = |name: &str| folder.path().join(name);
        let walk = Walk::over(&[at("none.jpg"), at("a.jpg"), at("empty"), at("b")]);
        let problems: Vec<bool> = walk.items.iter().map(|item| item.problem.is_some()).collect();
        assert_eq!(problems, [true, false, true, false]);
        assert_eq!(walk.items[3].root, at("b"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_to_files_only() {
        use std::os::unix::fs::symlink;
        let folder = folder_of(&["a.jpg", "sub/b.jpg"]);
        symlink(folder.path().join("a.jpg"), folder.path().join("link.jpg")).unwrap();
        symlink(folder.path().join("none.jpg"), folder.path().join("dangling.jpg")).unwrap();
        symlink(folder.path(), folder.path().join("sub/up")).unwrap();
        let walk = Walk::over(&[folder.path().into()]);
        assert_eq!(names(folder.path(), &walk), ["a.jpg", "link.jpg", "sub/b.jpg"]);
        let left: Vec<_> = walk.left_out.into_iter().collect();
        assert_eq!(left, [(LeftOut::DanglingLink, 1), (LeftOut::LinkedFolder, 1)]);
    }

    #[test]
    fn folders_without_a_photo_are_nobody() {
        let folder = folder_of(&["Ada/1.jpg", "Ben/2.jpg", "notes/a.txt", ".cache/c.jpg", "loose.jpg"]);
        std::fs::create_dir(folder.path().join("lost+found")).unwrap();
        let found = people(folder.path()).unwrap();
        let people: Vec<&str> = found.people.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(people, ["Ada", "Ben"]);
        let nobody: Vec<_> = found.nobody.iter().map(|(path, _)| path.file_name().unwrap()).collect();
        assert_eq!(nobody, ["lost+found", "notes"]);
        assert_eq!(super::people(&folder.path().join("Ada")).unwrap_err().code(), Code::Unreadable);
        assert_eq!(super::people(&folder.path().join("none")).unwrap_err().code(), Code::Unreadable);
    }
}

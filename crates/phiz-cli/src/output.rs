//! Files that commands write: never over an input, never over what exists unless `--force` says so, and whole or not at
//! all. A target that cannot be written is found out before any work is done.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use phiz_service::walk::Item;
use phiz_service::{Code, Problem};

use super::Failure;
use super::out::note;

/// A file that will be written.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    path: PathBuf,
    force: bool,
}

impl Target {
    /// Checks that the file that `option` names may be written.
    ///
    /// # Errors
    /// It is one of `inputs`, exists and `force` is not given, is a folder, or cannot be written.
    pub(crate) fn new<'a>(
        option: &str,
        path: &Path,
        inputs: impl IntoIterator<Item = &'a Path>,
        force: bool,
    ) -> Result<Target, Failure> {
        let target = Target::planned(option, path, &identities(inputs), force)?;
        if !is_device(path) {
            probe(option, folder_of(path))?;
        }
        Ok(target)
    }

    /// Whether two targets are one file, however they are spelt.
    pub(crate) fn is(&self, other: &Target) -> bool {
        let place = |path: &Path| {
            let folder = std::fs::canonicalize(folder_of(path)).unwrap_or_else(|_| folder_of(path).into());
            path.file_name().map(|name| folder.join(name))
        };
        self.path == other.path || place(&self.path) == place(&other.path)
    }

    /// A folder for the file while it grows, beside its place where that is a file's: pass it on to [`Target::take`].
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn workshop(&self) -> std::io::Result<tempfile::TempDir> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".phiz-");
        if is_device(&self.path) { builder.tempdir() } else { builder.tempdir_in(folder_of(&self.path)) }
    }

    /// Moves a finished file to its place.
    ///
    /// # Errors
    /// It cannot be written, or another process has made a file there meanwhile.
    pub(crate) fn take(&self, finished: &Path) -> std::io::Result<()> {
        if is_device(&self.path) {
            let mut device = std::fs::OpenOptions::new().write(true).open(&self.path)?;
            return std::io::copy(&mut std::fs::File::open(finished)?, &mut device).map(|_| ());
        }
        let finished = tempfile::TempPath::try_from_path(finished)?;
        let persisted = match self.force {
            true => finished.persist(&self.path),
            false => finished.persist_noclobber(&self.path),
        };
        persisted.map_err(|e| e.error)
    }

    fn planned(
        option: &str,
        path: &Path,
        inputs: &BTreeSet<Identity>,
        force: bool,
    ) -> Result<Target, Failure> {
        let wrong = |reason: &str, hint: &str| {
            Err(Failure::new(format!("{option} {}: {reason}", path.display())).hint(hint))
        };
        if identity(path).is_some_and(|id| inputs.contains(&id)) {
            return wrong("is one of the inputs, which would be lost", "name another file or folder");
        }
        if path.is_dir() {
            return wrong("is a folder", "name a file");
        }
        if path.exists() && !is_device(path) && !force {
            return wrong("exists already", "name another file, or overwrite it with --force");
        }
        if holds_people(path) {
            return wrong("holds a gallery or its key, which would be lost", "name another file");
        }
        Ok(Target { path: path.into(), force })
    }

    /// [`Target::new`] for a picture, whose format follows from the name.
    ///
    /// # Errors
    /// Also if the name is no picture's.
    pub(crate) fn picture<'a>(
        option: &str,
        path: &Path,
        inputs: impl IntoIterator<Item = &'a Path>,
        force: bool,
    ) -> Result<Target, Failure> {
        if !is_picture(path) {
            return Err(Failure::new(format!("{option} {}: is no picture file", path.display()))
                .hint("let it end in .jpg or .png"));
        }
        Target::new(option, path, inputs, force)
    }

    /// Writes a picture in the format that the name asks for.
    ///
    /// # Errors
    /// As [`Target::write`].
    pub(crate) fn write_picture(&self, picture: &phiz_image::Image) -> std::io::Result<()> {
        let bytes = match ending(&self.path).as_str() {
            "png" => picture.encode_png(),
            _ => picture.encode_jpeg(92),
        };
        self.write(&bytes.map_err(std::io::Error::other)?)
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written, or another process has made it meanwhile.
    pub(crate) fn write(&self, bytes: &[u8]) -> std::io::Result<()> {
        if is_device(&self.path) {
            return std::fs::OpenOptions::new().write(true).open(&self.path)?.write_all(bytes);
        }
        let mut file = temporary_in(folder_of(&self.path))?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        let persisted = match self.force {
            true => file.persist(&self.path),
            false => file.persist_noclobber(&self.path),
        };
        persisted.map(|_| ()).map_err(|e| e.error)
    }
}

/// Whether a file is a gallery (or another database) or its key: what is lost with them, nobody can make anew, so not even
/// `--force` writes over them.
fn holds_people(path: &Path) -> bool {
    let beginning = || -> std::io::Result<[u8; 16]> {
        let mut bytes = [0; 16];
        std::fs::File::open(path)?.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    path.is_file()
        && beginning().is_ok_and(|bytes| &bytes == b"SQLite format 3\0" || bytes.starts_with(b"phiz-key-"))
}

/// A pipe or device, such as `/dev/stdout`, holds nothing that could be lost.
fn is_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn temporary_in(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".phiz-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Makes a folder for files whose names nobody knows yet.
///
/// # Errors
/// It is a file, holds something and `force` is not given, or cannot be written to.
pub(crate) fn folder(option: &str, path: &Path, force: bool) -> Result<(), Failure> {
    let wrong = |reason: &str, hint: &str| {
        Err(Failure::new(format!("{option} {}: {reason}", path.display())).hint(hint))
    };
    if path.exists() && !path.is_dir() {
        return wrong("is a file", "name a folder");
    }
    if !force && std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
        return wrong("is not empty", "name another folder, or let its files be overwritten with --force");
    }
    std::fs::create_dir_all(path).map_err(|error| Failure::writing(path, &error))?;
    probe(option, path)
}

/// Whether files can be made in a folder.
fn probe(option: &str, folder: &Path) -> Result<(), Failure> {
    temporary_in(folder).map(|_| ()).map_err(|error| {
        let mut failure = Failure::writing(folder, &error);
        failure.message = format!("{option} {}", failure.message);
        failure
    })
}

/// What is the same for all names of one file, links of either kind included.
type Identity = (u64, u64, PathBuf);

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some((meta.dev(), meta.ino(), PathBuf::new()))
}

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<Identity> {
    Some((0, 0, std::fs::canonicalize(path).ok()?))
}

fn identities<'a>(paths: impl IntoIterator<Item = &'a Path>) -> BTreeSet<Identity> {
    paths.into_iter().filter_map(identity).collect()
}

/// Where marked copies of photos go.
#[derive(Debug, Default)]
pub(crate) struct Marked {
    targets: BTreeMap<PathBuf, Target>,
    /// Photos whose copy is written: one that is named twice has one copy.
    written: Mutex<BTreeSet<PathBuf>>,
}

const OPTION: &str = "--annotate";

impl Marked {
    /// Plans a marked copy of each photo: in the file that is named, or in the folder that is named, where sub-folders and
    /// whole names are kept (`2019/06.01.png` stays `2019/06.01.png`, and `a.webp` becomes `a.webp.jpg`).
    ///
    /// # Errors
    /// A target that is an input, exists and `force` is not given, or cannot be written.
    pub(crate) fn plan(target: Option<&Path>, items: &[Item], force: bool) -> Result<Marked, Failure> {
        let Some(target) = target else { return Ok(Marked::default()) };
        let mut marked = Marked::default();
        let inputs = identities(items.iter().map(|item| item.path.as_path()));
        let one = items.len() <= 1 && items.iter().all(|item| item.path == item.root) && !target.is_dir();
        if one {
            if !is_picture(target) {
                let reason = format!("{OPTION} {}: is not a picture file", target.display());
                return Err(Failure::new(reason).hint("name a file that ends in .jpg or .png"));
            }
            let planned = Target::planned(OPTION, target, &inputs, force)?;
            probe(OPTION, folder_of(target))?;
            marked.targets.extend(items.iter().map(|item| (item.path.clone(), planned.clone())));
            return Ok(marked);
        }
        if target.is_file() || is_picture(target) {
            let reason = format!("{OPTION} {}: is a file, and there may be several photos", target.display());
            return Err(Failure::new(reason).hint("name a folder"));
        }
        let mut taken = BTreeSet::new();
        for item in items.iter().filter(|item| item.problem.is_none()) {
            if marked.targets.contains_key(&item.path) {
                continue;
            }
            let relative = match item.path.strip_prefix(&item.root) {
                Ok(relative) if !relative.as_os_str().is_empty() => relative,
                _ => Path::new(item.path.file_name().unwrap_or(item.path.as_os_str())),
            };
            let path = free(&target.join(relative), &mut taken);
            marked.targets.insert(item.path.clone(), Target::planned(OPTION, &path, &inputs, force)?);
        }
        std::fs::create_dir_all(target).map_err(|e| Failure::writing(target, &e))?;
        probe(OPTION, target)?;
        Ok(marked)
    }

    pub(crate) fn wanted(&self) -> bool {
        !self.targets.is_empty()
    }

    /// Writes the marked copy of a photo.
    ///
    /// # Errors
    /// [`Code::Unwritable`].
    pub(crate) fn write(&self, photo: &Path, marked: &phiz_service::Marked) -> Result<(), Problem> {
        let Some(target) = self.targets.get(photo) else { return Ok(()) };
        if !self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(photo.into()) {
            return Ok(());
        }
        let bytes = match ending(target.path()).as_str() {
            "png" => marked.image.encode_png(),
            _ => marked.image.encode_jpeg(92),
        }?;
        if !marked.missing.is_empty() {
            note!(
                "note: {}: no font on this machine can draw {:?}: install one that can, such as Noto",
                target.path().display(),
                marked.missing
            );
        }
        let written = std::fs::create_dir_all(folder_of(target.path())).and_then(|()| target.write(&bytes));
        written.map_err(|error| {
            let reason = format!("its marked copy {} cannot be written ({error})", target.path().display());
            Problem::new(
                Code::Unwritable,
                reason,
                "check that its folder may be written to and has free space",
            )
        })
    }
}

fn ending(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

fn is_picture(path: &Path) -> bool {
    matches!(ending(path).as_str(), "jpg" | "jpeg" | "png")
}

/// A name that no other copy has; formats that are not written get `.jpg` behind their whole name.
fn free(wanted: &Path, taken: &mut BTreeSet<PathBuf>) -> PathBuf {
    let (stem, end) = match ending(wanted).as_str() {
        "jpg" | "jpeg" | "png" => {
            (wanted.with_extension(""), wanted.extension().unwrap_or_default().to_os_string())
        }
        _ => (wanted.to_path_buf(), "jpg".into()),
    };
    for number in 1.. {
        let mut name = stem.clone().into_os_string();
        if number > 1 {
            name.push(format!("-{number}"));
        }
        name.push(".");
        name.push(&end);
        if taken.insert(PathBuf::from(&name)) {
            return name.into();
        }
    }
    wanted.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(root: &Path, names: &[&str]) -> Vec<Item> {
        for name in names {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"photo").unwrap();
        }
        phiz_service::walk::Walk::over(&[root.into()]).items
    }

    #[test]
    fn copies_keep_folders_and_whole_names() {
        let folder = tempfile::tempdir().unwrap();
        let photos = folder.path().join("p");
        let items = items(
            &photos,
            &["2019.06.01.jpg", "2019.06.02.jpg", "a/x.png", "b/x.png", "c.webp", "c.webp.jpg"],
        );
        let out = folder.path().join("out");
        let marked = Marked::plan(Some(&out), &items, false).unwrap();
        let mut names: Vec<String> = marked
            .targets
            .values()
            .map(|t| t.path.strip_prefix(&out).unwrap().display().to_string())
            .collect();
        names.sort();
        let wanted = ["2019.06.01.jpg", "2019.06.02.jpg", "a/x.png", "b/x.png", "c.webp-2.jpg", "c.webp.jpg"];
        assert_eq!(names, wanted);
    }

    #[test]
    fn inputs_are_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let items = items(folder.path(), &["a.jpg", "sub/b.jpg"]);
        let error = Marked::plan(Some(folder.path()), &items, true).unwrap_err();
        assert!(error.message.contains("is one of the inputs"), "{}", error.message);
        let one = [Item { path: items[0].path.clone(), root: items[0].path.clone(), problem: None }];
        assert!(Marked::plan(Some(&items[0].path), &one, true).is_err());
        #[cfg(unix)]
        {
            let link = folder.path().join("link.jpg");
            std::os::unix::fs::symlink(&items[0].path, &link).unwrap();
            assert!(Marked::plan(Some(&link), &one, true).is_err());
            let hard = folder.path().join("hard.jpg");
            std::fs::hard_link(&items[0].path, &hard).unwrap();
            assert!(Target::new("--out", &hard, [items[0].path.as_path()], true).is_err());
        }
    }

    #[test]
    fn what_exists_is_kept_unless_forced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.npy");
        let make = |force| Target::new("--out", &path, [], force);
        make(false).unwrap().write(b"first").unwrap();
        let error = make(false).unwrap_err();
        assert!(error.message.contains("exists already") && error.hint.unwrap().contains("--force"));
        make(true).unwrap().write(b"second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no partial file is left");
        let nowhere = folder.path().join("none/out.npy");
        assert!(Target::new("--out", &nowhere, [], false).unwrap_err().message.starts_with("--out "));
        assert!(Target::new("--out", folder.path(), [], true).unwrap_err().message.contains("is a folder"));
    }
}

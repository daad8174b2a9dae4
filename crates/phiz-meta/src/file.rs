//! Files that are replaced as a whole: a crash leaves the old one or the new one, never a part.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// The sidecar of a photo: `photo.jpg.xmp` beside `photo.jpg`.
#[must_use]
pub fn sidecar(photo: &Path) -> PathBuf {
    let mut name = OsString::from(photo.as_os_str());
    name.push(".xmp");
    name.into()
}

/// The sidecars that a photo may have: ours, and Adobe's `photo.xmp`.
#[must_use]
pub fn sidecars(photo: &Path) -> [PathBuf; 2] {
    [sidecar(photo), photo.with_extension("xmp")]
}

/// What tells whether a file is still the one that it was.
#[must_use]
pub fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A file's bytes; none if there is no such file.
///
/// # Errors
/// It cannot be read, or has more than `most` bytes.
pub fn read(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let length = match fs::metadata(path) {
        Ok(meta) if meta.is_file() => meta.len(),
        Ok(_) => return Err(io::Error::other("is not a file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > most {
        return Err(io::Error::other(format!("has {length} bytes, more than the {most} that are read")));
    }
    fs::read(path).map(Some)
}

/// Replaces a file, or makes it: the bytes are written to a file beside it and forced to the disk before it takes the
/// name. A link stays a link: the file that it leads to is replaced. Whoever might read and write the old one may do so
/// with the new one.
///
/// # Errors
/// Something cannot be written; then the old file is as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = match fs::canonicalize(path) {
        Ok(path) => path,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let old = fs::metadata(&path).ok();
    if old.as_ref().is_some_and(|old| old.permissions().readonly()) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "is marked as read-only"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".phiz-").suffix(".tmp");
    // As any new file has it; a temporary one is its owner's alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut new = builder.tempfile_in(folder)?;
    new.write_all(bytes)?;
    if let Some(old) = &old {
        new.as_file().set_permissions(old.permissions())?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            // Only those who may give files away can; a photo that changes hands is not worth failing for.
            _ = std::os::unix::fs::fchown(new.as_file(), Some(old.uid()), Some(old.gid()));
        }
    }
    new.as_file().sync_all()?;
    new.persist(&path).map_err(|error| error.error)?;
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Removes a file, for good.
///
/// # Errors
/// It cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_rights() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("photo.jpg");
        replace(&path, b"one").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            let link = folder.path().join("link.jpg");
            std::os::unix::fs::symlink("photo.jpg", &link).unwrap();
            replace(&link, b"two").unwrap();
            assert!(link.is_symlink());
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
            assert_eq!(fs::read(&path).unwrap(), b"two");
            let mut rights = fs::metadata(&path).unwrap().permissions();
            rights.set_readonly(true);
            fs::set_permissions(&path, rights).unwrap();
            assert!(replace(&path, b"three").is_err(), "somebody protects it");
            assert_eq!(fs::read(&path).unwrap(), b"two");
        }
        assert_eq!(sidecar(&path), folder.path().join("photo.jpg.xmp"));
        assert!(replace(&folder.path().join("none/photo.jpg"), b"x").is_err());
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().contains("tmp")), "{left:?}");
    }
}

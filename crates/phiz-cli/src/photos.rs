//! Photos named on the command line: files as they are, folders searched through; and work on many at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

use indicatif::ProgressBar;

use super::Failure;

/// Endings of files that are taken from a folder. A file that is named itself is tried whatever its ending.
const ENDINGS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];

/// The photos that `paths` stand for, in their order, those of a folder by name.
///
/// # Errors
/// A path that does not exist, a folder that cannot be read or holds no photo.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        let meta = std::fs::metadata(path).map_err(|e| Failure::reading(path, &e))?;
        if !meta.is_dir() {
            found.push(path.clone());
            continue;
        }
        let before = found.len();
        search(path, &mut found)?;
        if found.len() == before {
            return Err(Failure::new(format!("{}: holds no photo", path.display()))
                .hint(format!("photos in folders are files that end in .{}", ENDINGS.join(", ."))));
        }
    }
    Ok(found)
}

fn search(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = std::fs::read_dir(folder).map_err(|e| Failure::reading(folder, &e))?;
    let mut paths = entries
        .map(|entry| entry.map(|e| e.path()).map_err(|e| Failure::reading(folder, &e)))
        .collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    for path in paths {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        // A link to a folder may lead back up; links to files are followed.
        let folder = path.is_dir() && !path.is_symlink();
        if folder && !hidden {
            search(&path, found)?;
        } else if !hidden && path.is_file() && is_photo(&path) {
            found.push(path);
        }
    }
    Ok(())
}

fn is_photo(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    ENDINGS.contains(&ending.as_str())
}

/// `work` on all items by several threads; `take` gets the results on the calling thread in the order of the items,
/// each as soon as it and all before it are there.
///
/// # Errors
/// The first error of `take`; the rest of the work is then dropped.
pub(crate) fn in_order<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    bar: &ProgressBar,
    work: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(&T, R) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let (send, receive) = sync_channel::<(usize, R)>(2 * threads);
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            let (send, next, stop, work) = (send.clone(), &next, &stop, &work);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { return };
                    if send.send((index, work(item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut waiting = BTreeMap::new();
        let mut due = 0;
        let mut result = Ok(());
        for (index, done) in receive {
            bar.inc(1);
            waiting.insert(index, done);
            while let Some(done) = waiting.remove(&due) {
                if result.is_ok() {
                    result = bar.suspend(|| take(&items[due], done));
                    stop.store(result.is_err(), Ordering::Relaxed);
                }
                due += 1;
            }
        }
        bar.finish_and_clear();
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whatever_the_threads() {
        let items: Vec<u64> = (0..200).collect();
        for threads in [1, 2, 7] {
            let mut seen = Vec::new();
            let work = |i: &u64| {
                std::thread::sleep(std::time::Duration::from_micros(i * 7919 % 300));
                i * 2
            };
            in_order(&items, threads, &ProgressBar::hidden(), work, |item, done| {
                assert_eq!(item * 2, done);
                seen.push(*item);
                Ok(())
            })
            .unwrap();
            assert_eq!(seen, items);
        }
    }

    #[test]
    fn an_error_ends_the_work() {
        let items: Vec<u64> = (0..10_000).collect();
        let worked = AtomicUsize::new(0);
        let work = |_: &u64| worked.fetch_add(1, Ordering::Relaxed);
        let result = in_order(&items, 2, &ProgressBar::hidden(), work, |item, _| match item {
            5 => Err(Failure::new("enough")),
            _ => Ok(()),
        });
        assert_eq!(result.unwrap_err().message, "enough");
        assert!(worked.load(Ordering::Relaxed) < 5_000);
    }

    #[test]
    fn folders_are_searched_and_files_taken_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.JPG", "a.png", "notes.txt", ".hidden.jpg", "sub/c.webp", ".git/d.jpg"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        }
        let names = |paths: &[PathBuf]| -> Vec<String> {
            let relative = |p: &PathBuf| p.strip_prefix(folder.path()).unwrap().display().to_string();
            find(paths).unwrap().iter().map(relative).collect()
        };
        assert_eq!(names(&[folder.path().into()]), ["a.png", "b.JPG", "sub/c.webp"]);
        assert_eq!(names(&[folder.path().join("notes.txt")]), ["notes.txt"]);
        let error = find(&[folder.path().join("nobody.jpg")]).unwrap_err();
        assert!(error.message.contains("nobody.jpg") && error.hint.is_some());
        std::fs::create_dir(folder.path().join("empty")).unwrap();
        assert!(find(&[folder.path().join("empty")]).unwrap_err().message.contains("holds no photo"));
    }
}

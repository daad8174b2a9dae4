//! One photo under two names: lists made from a folder and from another list call it differently.
//!
//! `phiz data check photos/` says `Ada/1.jpg`; a list beside the folder says `photos/Ada/1.jpg`. One name ends with the other,
//! part by part.

use std::collections::BTreeMap;

/// For each of `listed` the photos among `paths` that it means: those of the same name; where there is none, those of
/// which one name ends with the other. More than one photo is returned only if it cannot be told which is meant.
#[must_use]
pub fn meant<'a>(listed: &[&'a str], paths: &[&'a str]) -> Vec<Vec<usize>> {
    let mut exact: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut by_last: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, path) in paths.iter().enumerate() {
        exact.entry(path).or_default().push(i);
        by_last.entry(last(path)).or_default().push(i);
    }
    let mean = |name: &&str| -> Vec<usize> {
        if let Some(same) = exact.get(name) {
            return same.clone();
        }
        let near = by_last.get(last(name)).map_or(&[][..], Vec::as_slice);
        near.iter().copied().filter(|&i| ends_with(paths[i], name) || ends_with(name, paths[i])).collect()
    };
    listed.iter().map(mean).collect()
}

/// What stands behind the last slash.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether the parts of `end` are the last parts of `path`.
fn ends_with(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_photo_is_known_under_a_longer_or_shorter_name() {
        let cases: [(&str, &[&str], &[usize]); 7] = [
            ("Ada/1.jpg", &["Ada/1.jpg", "photos/Ada/1.jpg"], &[0]),
            ("Ada/1.jpg", &["photos/Ada/1.jpg", "photos/Ada/2.jpg"], &[0]),
            ("photos/Ada/1.jpg", &["Ada/1.jpg"], &[0]),
            ("/home/me/photos/Ada/1.jpg", &["photos/Ada/1.jpg"], &[0]),
            ("Ada/1.jpg", &["LAda/1.jpg", "Ben/1.jpg"], &[]),
            ("Ada/1.jpg", &["a/Ada/1.jpg", "b/Ada/1.jpg"], &[0, 1]),
            ("all.tar/Ada/1.jpg", &["Ada/1.jpg"], &[0]),
        ];
        for (listed, paths, expected) in cases {
            assert_eq!(meant(&[listed], paths), [expected], "{listed} among {paths:?}");
        }
    }
}

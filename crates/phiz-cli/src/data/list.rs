//! The list of what `phiz data check` found, a row a photo, which people may change by hand before it is applied:
//! `path,person,action,reason,other,sure`.

use std::collections::BTreeMap;
use std::path::Path;

use phiz_train::data::inputs::Photo;
use serde::{Deserialize, Serialize};

use crate::Failure;

/// What is done with a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    /// Nothing.
    Keep,
    /// It is left out.
    Drop,
    /// It stays, as somebody unknown.
    Unname,
    /// It stays, under the name in `other`.
    Rename,
}

/// A row of the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Correction {
    /// The photo, as its input calls it.
    pub(crate) path: String,
    /// Whose it was said to be.
    #[serde(default)]
    pub(crate) person: String,
    pub(crate) action: Action,
    /// Why: a kind of problem.
    #[serde(default)]
    pub(crate) reason: String,
    /// Whom or what it is like instead.
    #[serde(default)]
    pub(crate) other: String,
    /// How sure that is, 0 to 1.
    #[serde(default)]
    pub(crate) sure: Option<f32>,
}

impl Correction {
    /// Does it to the photo; whether the photo stays.
    pub(crate) fn apply(&self, photo: &mut Photo) -> bool {
        match self.action {
            Action::Keep => {}
            Action::Drop => return false,
            Action::Unname => photo.person.clear(),
            Action::Rename => photo.person.clone_from(&self.other),
        }
        true
    }
}

/// Reads a list. Of several rows for one photo the one that takes most away counts.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, Correction>, Failure> {
    let wrong = |reason: &dyn std::fmt::Display| {
        Failure::new(format!("{}: {reason}", path.display()))
            .hint("a list has the columns path,person,action,reason,other,sure; actions are keep, drop, unname, rename")
    };
    let mut reader = csv::Reader::from_path(path).map_err(|e| Failure::reading(path, &e))?;
    let mut all: BTreeMap<String, Correction> = BTreeMap::new();
    for row in reader.deserialize() {
        let row: Correction = row.map_err(|e| wrong(&e))?;
        if row.action == Action::Rename && row.other.is_empty() {
            return Err(wrong(&format!("{}: rename needs a name in `other`", row.path)));
        }
        let weight = |action| {
            [Action::Keep, Action::Rename, Action::Unname, Action::Drop].iter().position(|a| *a == action)
        };
        match all.get(&row.path) {
            Some(before) if weight(before.action) >= weight(row.action) => {}
            _ => {
                all.insert(row.path.clone(), row);
            }
        }
    }
    Ok(all)
}

/// Writes a list.
pub(crate) fn write(path: &Path, all: &[Correction]) -> Result<(), Failure> {
    let failed = |e: &dyn std::fmt::Display| Failure::writing(path, &std::io::Error::other(e.to_string()));
    let mut writer = csv::Writer::from_path(path).map_err(|e| failed(&e))?;
    if all.is_empty() {
        writer
            .write_record(["path", "person", "action", "reason", "other", "sure"])
            .map_err(|e| failed(&e))?;
    }
    all.iter().try_for_each(|row| writer.serialize(row)).map_err(|e| failed(&e))?;
    writer.flush().map_err(|e| failed(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_written_and_the_strictest_row_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l.csv");
        let row = |path: &str, action, other: &str| Correction {
            path: path.into(),
            person: "Ada".into(),
            action,
            reason: "wrong_name".into(),
            other: other.into(),
            sure: Some(0.75),
        };
        let rows = [
            row("a.jpg", Action::Rename, "Ben"),
            row("b.jpg", Action::Drop, ""),
            row("b.jpg", Action::Keep, ""),
        ];
        write(&path, &rows).unwrap();
        let all = read(&path).unwrap();
        assert_eq!((&all["a.jpg"], all["b.jpg"].action), (&rows[0], Action::Drop));
        write(&path, &[]).unwrap();
        assert!(read(&path).unwrap().is_empty());
        for (text, expected) in [
            ("path,action\na.jpg,burn\n", "burn"),
            ("path,action,other\na.jpg,rename,\n", "needs a name"),
            ("file,action\na.jpg,keep\n", "path"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = read(&path).unwrap_err();
            assert!(error.message.contains(expected) && error.hint.is_some(), "{text}: {}", error.message);
        }
    }
}

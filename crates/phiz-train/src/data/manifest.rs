//! Lists of photos: CSV with a header, or JSON, one object a photo (in an array, or one a line).
//!
//! `path` is needed and relative to the list's folder. The rest may be left out: `person`, `split` (`train`, `tune`,
//! `test`), `boxes` (`x y w h;x y w h` in pixels), and `note`; a note of `no face` says that the photo shows none,
//! which no boxes at all would not.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// A photo of a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Row {
    /// Where it is, relative to the list's folder.
    pub path: String,
    /// Who it shows; empty if unknown.
    pub person: String,
    /// What it is for; empty if undecided.
    pub split: String,
    /// The faces' boxes.
    pub boxes: Boxes,
    /// Anything else.
    pub note: String,
}

/// Boxes as text, as CSV has them, or as numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Boxes {
    /// `x y w h;x y w h`.
    Text(String),
    /// `[[x, y, w, h], …]`.
    Numbers(Vec<[f32; 4]>),
}

impl Default for Boxes {
    fn default() -> Boxes {
        Boxes::Text(String::new())
    }
}

impl Boxes {
    /// The boxes as numbers, `[x, y, w, h]`.
    ///
    /// # Errors
    /// What is no box, and why.
    pub fn numbers(&self) -> Result<Vec<[f32; 4]>, String> {
        let boxes = match self {
            Boxes::Numbers(boxes) => boxes.clone(),
            Boxes::Text(text) => text
                .split(';')
                .filter(|part| !part.trim().is_empty())
                .map(|part| {
                    let numbers: Option<Vec<f32>> = part.split_whitespace().map(|n| n.parse().ok()).collect();
                    numbers
                        .and_then(|n| n.try_into().ok())
                        .ok_or_else(|| format!("{part:?} is no box `x y w h`"))
                })
                .collect::<Result<_, _>>()?,
        };
        match boxes.iter().find(|b| !(b.iter().all(|v| v.is_finite()) && b[2] > 0.0 && b[3] > 0.0)) {
            Some(bad) => Err(format!("{bad:?} is no box: width and height must be positive")),
            None => Ok(boxes),
        }
    }

    /// Boxes as CSV has them.
    #[must_use]
    pub fn text(boxes: &[[f32; 4]]) -> Boxes {
        Boxes::Text(boxes.iter().map(|b| b.map(|v| v.to_string()).join(" ")).collect::<Vec<_>>().join(";"))
    }
}

impl Row {
    /// Whether the photo is known to show no face.
    #[must_use]
    pub fn shows_none(&self) -> bool {
        self.note.trim() == "no face"
    }
}

/// Reads a list; which kind it is tells its ending, `.json` and `.jsonl` or anything else for CSV.
///
/// # Errors
/// A file that cannot be read, or a row without a path or with boxes that are none; the line is named.
pub fn read(path: &Path) -> Result<Vec<Row>, TrainError> {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let rows = if ending == "json" || ending == "jsonl" { read_json(path)? } else { read_csv(path)? };
    for (i, row) in rows.iter().enumerate() {
        let bad = |reason: &str| TrainError::file(path, &format!("photo {}: {reason}", i + 1));
        if row.path.is_empty() {
            return Err(bad("has no path"));
        }
        row.boxes.numbers().map_err(|reason| bad(&reason))?;
    }
    if rows.is_empty() {
        return Err(TrainError::file(path, &"lists no photo"));
    }
    Ok(rows)
}

fn read_json(path: &Path) -> Result<Vec<Row>, TrainError> {
    let text = std::fs::read_to_string(path).map_err(|e| TrainError::file(path, &e))?;
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(&text).map_err(|e| TrainError::file(path, &e));
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(n, line)| {
            serde_json::from_str(line).map_err(|e| TrainError::file(path, &format!("line {}: {e}", n + 1)))
        })
        .collect()
}

fn read_csv(path: &Path) -> Result<Vec<Row>, TrainError> {
    let mut reader = csv::Reader::from_path(path).map_err(|e| TrainError::file(path, &e))?;
    let header = reader.headers().map_err(|e| TrainError::file(path, &e))?;
    if !header.iter().any(|name| name == "path") {
        let found = header.iter().collect::<Vec<_>>().join(",");
        let reason = format!(
            "its first line names no column `path` but {found:?}; write path,person,split,boxes,note"
        );
        return Err(TrainError::file(path, &reason));
    }
    reader.deserialize().map(|row| row.map_err(|e| TrainError::file(path, &e))).collect()
}

/// A list as CSV, for the file at `path`.
///
/// # Errors
/// Rows that are no CSV.
pub fn text(path: &Path, rows: &[Row]) -> Result<Vec<u8>, TrainError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let wrong = |e: &dyn std::fmt::Display| TrainError::file(path, e);
    writer.write_record(["path", "person", "split", "boxes", "note"]).map_err(|e| wrong(&e))?;
    for row in rows {
        let boxes = match &row.boxes {
            Boxes::Numbers(boxes) => Boxes::text(boxes),
            text @ Boxes::Text(_) => text.clone(),
        };
        writer.serialize((&row.path, &row.person, &row.split, boxes, &row.note)).map_err(|e| wrong(&e))?;
    }
    writer.into_inner().map_err(|e| wrong(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(name: &str, text: &str) -> Result<Vec<Row>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("writes");
        read(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn csv_and_json_say_the_same() {
        let csv = "person,path,ignored,boxes,note\nAda,a.jpg,7,1 2 3 4;5 6 7 8.5,\n,b.jpg,,,no face\n";
        let array = r#"[{"path": "a.jpg", "person": "Ada", "boxes": [[1, 2, 3, 4], [5, 6, 7, 8.5]]},
            {"path": "b.jpg", "note": "no face"}]"#;
        let lines = "{\"path\": \"a.jpg\", \"person\": \"Ada\", \"boxes\": \"1 2 3 4;5 6 7 8.5\"}\n\n\
            {\"path\": \"b.jpg\", \"note\": \"no face\"}\n";
        for (name, text) in [("l.csv", csv), ("l.json", array), ("l.jsonl", lines)] {
            let rows = read_text(name, text).expect(name);
            assert_eq!(rows.len(), 2, "{name}");
            assert_eq!((rows[0].person.as_str(), rows[0].shows_none()), ("Ada", false), "{name}");
            assert_eq!(rows[0].boxes.numbers().expect(name), [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.5]]);
            assert!(rows[1].shows_none() && rows[1].boxes.numbers().expect(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, text, expected) in [
            ("l.csv", "file,person\na.jpg,Ada\n", "path,person,split"),
            ("l.csv", "path,boxes\na.jpg,1 2 3\n", "photo 1"),
            ("l.csv", "path,boxes\na.jpg,1 2 3 0\n", "positive"),
            ("l.csv", "path,person\n,Ada\n", "no path"),
            ("l.csv", "path,person\n", "no photo"),
            ("l.json", "[{\"path\": 3}]", "string"),
            ("l.jsonl", "{\"path\": \"a\"}\n{", "line 2"),
        ] {
            let error = read_text(name, text).expect_err(text);
            assert!(error.contains(expected) && error.contains(name), "{text:?}: {error}");
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.csv");
        let mut rows = vec![Row { path: "a, \"b\".jpg".into(), person: "Ünal".into(), ..Row::default() }];
        rows.push(Row {
            path: "c.jpg".into(),
            split: "tune".into(),
            note: "no face".into(),
            ..Row::default()
        });
        rows[0].boxes = Boxes::text(&[[1.5, 2.0, 30.0, 40.0]]);
        std::fs::write(&path, text(&path, &rows).expect("is CSV")).expect("writes");
        assert_eq!(read(&path).expect("reads"), rows);
    }
}

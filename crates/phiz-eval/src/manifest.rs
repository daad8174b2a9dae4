//! Lists of photos: a CSV file with a column `path`, and whatever else is known of each photo.
//!
//! `person` says who it shows, `boxes` (`x y w h;x y w h`) where faces are, `quality` how good it is;
//! every other column (age, race, camera, split) can be filtered by and broken down by.

use crate::Result;
use crate::detection::Truth;
use crate::error::EvalError;
use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A list of photos.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    name: PathBuf,
    columns: Vec<String>,
    /// A row's line and fields.
    rows: Vec<(u64, Vec<String>)>,
}

impl Manifest {
    /// Reads CSV with a header; `name` is used in errors.
    ///
    /// # Errors
    /// No CSV, no column `path`, a row without a path, a path twice, no row: the line is named.
    pub fn read(reader: impl Read, name: &Path) -> Result<Self> {
        let hint = "expected CSV with a header `path,person,…`, one photo a line";
        let fail = |line: u64, reason: String| EvalError::file(name, line, reason, hint);
        let mut csv = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(reader);
        let header = csv.headers().map_err(|e| fail(1, e.to_string()))?;
        let columns: Vec<String> =
            header.iter().map(|h| h.trim_start_matches('\u{feff}').to_owned()).collect();
        let path = columns
            .iter()
            .position(|c| c == "path")
            .ok_or_else(|| fail(1, "there is no column `path`".into()))?;
        let mut rows = Vec::new();
        let mut seen: HashMap<String, u64> = HashMap::new();
        for record in csv.records() {
            let record =
                record.map_err(|e| fail(e.position().map_or(0, csv::Position::line), e.to_string()))?;
            let line = record.position().map_or(0, csv::Position::line);
            let fields: Vec<String> = record.iter().map(str::to_owned).collect();
            if fields[path].is_empty() {
                return Err(fail(line, "the path is missing".into()));
            }
            if let Some(first) = seen.insert(fields[path].clone(), line) {
                return Err(fail(line, format!("`{}` again, after line {first}", fields[path])));
            }
            rows.push((line, fields));
        }
        if rows.is_empty() {
            return Err(fail(0, "there is no photo".into()));
        }
        Ok(Self { name: name.to_owned(), columns, rows })
    }

    /// How many photos.
    pub fn len(&self) -> usize {
        self.rows.len()
    }
    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
    /// Names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }
    /// Is there such a column?
    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|c| c == column)
    }
    /// A column, one value a photo; empty where nothing is known.
    ///
    /// # Errors
    /// There is no such column: those that there are, are named.
    pub fn column(&self, column: &str) -> Result<Vec<&str>> {
        let place = self.columns.iter().position(|c| c == column).ok_or_else(|| {
            EvalError::file(
                &self.name,
                1,
                format!("there is no column `{column}`"),
                format!("columns: {}", self.columns.join(", ")),
            )
        })?;
        Ok(self.rows.iter().map(|(_, fields)| fields[place].as_str()).collect())
    }
    /// The photos whose column has a value, such as `split`, `test`.
    ///
    /// # Errors
    /// No such column; no photo with this value (those that occur are named).
    pub fn filter(&self, column: &str, value: &str) -> Result<Self> {
        let values = self.column(column)?;
        let rows: Vec<_> =
            self.rows.iter().zip(&values).filter(|(_, v)| **v == value).map(|(row, _)| row.clone()).collect();
        if rows.is_empty() {
            let mut others: Vec<&str> = values;
            others.sort_unstable();
            others.dedup();
            others.truncate(12);
            return Err(EvalError::file(
                &self.name,
                0,
                format!("no photo has `{value}` in column `{column}`"),
                format!("values: {}", others.join(", ")),
            ));
        }
        Ok(Self { rows, ..self.clone() })
    }
    /// Both lists, one after the other.
    ///
    /// # Errors
    /// Other columns, or a path that both have.
    pub fn join(mut self, other: Self) -> Result<Self> {
        let fail = |line, reason| EvalError::file(&other.name, line, reason, "join lists of one kind");
        if self.columns != other.columns {
            let reason = format!("has columns {}, not {}", other.columns.join(", "), self.columns.join(", "));
            return Err(fail(1, reason));
        }
        let seen: HashSet<&str> = self.column("path")?.into_iter().collect();
        let twice = other.column("path")?.iter().position(|path| seen.contains(path));
        if let Some(place) = twice {
            return Err(fail(
                other.rows[place].0,
                format!("has a photo that {} has, too", self.name.display()),
            ));
        }
        self.rows.extend(other.rows);
        Ok(self)
    }
    /// Of photos with one file name (without folder and ending) only the first.
    ///
    /// # Errors
    /// None: `path` is always there.
    pub fn distinct_names(&self) -> Result<Self> {
        let paths = self.column("path")?;
        let mut seen = HashSet::new();
        let first = |place: &usize| seen.insert(Path::new(paths[*place]).file_stem());
        let kept: Vec<usize> = (0..paths.len()).filter(first).collect();
        Ok(self.select(&kept))
    }
    /// The photos at these places.
    pub fn select(&self, places: &[usize]) -> Self {
        let rows = places.iter().filter_map(|&place| self.rows.get(place).cloned()).collect();
        Self { rows, ..self.clone() }
    }
    /// Paths as written.
    ///
    /// # Errors
    /// None: `path` is always there.
    pub fn paths(&self) -> Result<Vec<String>> {
        Ok(self.column("path")?.into_iter().map(str::to_owned).collect())
    }
    /// Who each photo shows.
    ///
    /// # Errors
    /// No column `person`, or a photo without one.
    pub fn people(&self) -> Result<Vec<String>> {
        let people = self.column("person")?;
        if let Some(place) = people.iter().position(|p| p.is_empty()) {
            return Err(EvalError::file(
                &self.name,
                self.rows[place].0,
                "the person is missing",
                "name a person for every photo, or leave the photo out",
            ));
        }
        Ok(people.into_iter().map(str::to_owned).collect())
    }
    /// A column of numbers.
    ///
    /// # Errors
    /// No such column, or a value that is no finite number.
    pub fn numbers(&self, column: &str) -> Result<Vec<f64>> {
        let values = self.column(column)?;
        let parse = |(value, row): (&str, &(u64, Vec<String>))| match value.parse::<f64>() {
            Ok(n) if n.is_finite() => Ok(n),
            _ => Err(EvalError::file(
                &self.name,
                row.0,
                format!("`{value}` in column `{column}` is no number"),
                "give a finite number for every photo",
            )),
        };
        values.into_iter().zip(&self.rows).map(parse).collect()
    }
    /// True boxes from a column `x y w h;x y w h`.
    ///
    /// # Errors
    /// No column `boxes`, or a box of another shape.
    pub fn boxes(&self) -> Result<Vec<(String, Vec<Truth>)>> {
        let (paths, boxes) = (self.column("path")?, self.column("boxes")?);
        let parse = |text: &str, line: u64| {
            let numbers: Option<Vec<f64>> = text.split_whitespace().map(|w| w.parse().ok()).collect();
            numbers.and_then(|n| <[f64; 4]>::try_from(n).ok()).map(Truth::new).ok_or_else(|| {
                EvalError::file(&self.name, line, format!("`{text}` is no box"), "expected `x y w h;x y w h`")
            })
        };
        let all = paths.into_iter().zip(boxes).zip(&self.rows);
        all.map(|((path, boxes), (line, _))| {
            let boxes = boxes.split(';').filter(|b| !b.trim().is_empty());
            Ok((path.to_owned(), boxes.map(|b| parse(b, *line)).collect::<Result<_>>()?))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Manifest> {
        Manifest::read(text.as_bytes(), Path::new("photos.csv"))
    }

    #[test]
    fn columns_filters_and_boxes() {
        let m = read("path,person,split,boxes,age\na,p,test,1 2 3 4;5 6 7 8,30\nb,q,train,,40\n").unwrap();
        let test = m.filter("split", "test").unwrap();
        assert_eq!(
            (test.len(), test.paths().unwrap(), test.people().unwrap()),
            (1, vec!["a".into()], vec!["p".into()])
        );
        assert_eq!(m.boxes().unwrap().iter().map(|b| b.1.len()).collect::<Vec<_>>(), [2, 0]);
        assert_eq!(
            (m.numbers("age").unwrap(), m.select(&[1]).len(), m.has("race")),
            (vec![30.0, 40.0], 1, false)
        );
    }

    #[test]
    fn lists_are_joined_and_copies_left_out() {
        let a = read("path,person\nx/1.jpg,p\nx/2.jpg,p\n").unwrap();
        let b = read("path,person\ny/2.png,p\ny/3.jpg,q\n").unwrap();
        let both = a.clone().join(b.clone()).unwrap();
        assert_eq!((both.len(), both.distinct_names().unwrap().len()), (4, 3));
        assert!(a.clone().join(a.clone()).unwrap_err().to_string().contains(":2"));
        assert!(a.join(read("path\nz\n").unwrap()).unwrap_err().to_string().contains("has columns path"));
    }

    #[test]
    fn faults_name_the_line_and_what_would_do() {
        for (text, expected) in [
            ("file,person\na,p", "no column `path`"),
            ("path\n", "no photo"),
            ("path,person\n,p", ":2"),
            ("path,person\na,p\na,q", ":3"),
            ("path,person\na", ":2"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        let m = read("path,person,boxes,age\na,,1 2 3,old\n").unwrap();
        let errors = [
            (m.people().map(drop), "photos.csv:2: the person is missing"),
            (m.boxes().map(drop), "`1 2 3` is no box"),
            (m.numbers("age").map(drop), "`old` in column `age`"),
            (m.column("race").map(drop), "columns: path, person, boxes, age"),
            (m.filter("age", "young").map(drop), "values: old"),
        ];
        for (result, expected) in errors {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

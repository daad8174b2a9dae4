//! Verification protocols: LFW's `pairs.txt`, pairs in a CSV file, and k-fold accuracy.

use crate::Result;
use crate::curve::Curve;
use crate::error::{EvalError, same_length};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

/// A photo as `pairs.txt` names it: the n-th of a person.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LfwPhoto {
    /// The person, with underscores.
    pub person: String,
    /// From 1.
    pub number: u32,
}

impl LfwPhoto {
    /// The path inside LFW's folder: `Person/Person_0001.jpg`.
    pub fn path(&self) -> String {
        format!("{0}/{0}_{1:04}.jpg", self.person, self.number)
    }
}

/// One pair of `pairs.txt`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LfwPair {
    /// The one photo.
    pub a: LfwPhoto,
    /// The other.
    pub b: LfwPhoto,
    /// The same person?
    pub same: bool,
    /// The fold it belongs to, from 0.
    pub fold: u32,
}

/// Reads LFW's `pairs.txt` (first line `folds<TAB>pairs`) or a development file such as
/// `pairsDevTest.txt` (first line `pairs`, one fold). `name` is used in errors.
///
/// # Errors
/// A line of another shape, too few or too many lines, a photo paired with itself, a "different"
/// pair of one person: each names the line.
pub fn parse_lfw_pairs(text: &str, name: &Path) -> Result<Vec<LfwPair>> {
    let fail = |line: usize, reason: String| {
        EvalError::file(
            name,
            line as u64,
            reason,
            "expected LFW's format: `folds<TAB>pairs`, then per fold `person n1 n2` lines and `person n1 person n2` lines",
        )
    };
    let mut lines = text.lines().enumerate().map(|(i, l)| (i + 1, l.trim_end_matches('\r')));
    let (_, header) = lines.next().ok_or_else(|| fail(1, "the file is empty".into()))?;
    let numbers: Vec<usize> = header
        .split_whitespace()
        .map(|w| w.parse::<usize>().ok().filter(|&n| (1..=1_000_000).contains(&n)))
        .collect::<Option<_>>()
        .ok_or_else(|| fail(1, format!("`{header}` is no header")))?;
    let (folds, each) = match numbers[..] {
        [each] => (1, each),
        [folds, each] => (folds, each),
        _ => return Err(fail(1, format!("`{header}` is no header"))),
    };
    let photo = |line: usize, person: &str, number: &str| match number.parse::<u32>() {
        Ok(n) if n > 0 => Ok(LfwPhoto { person: person.to_owned(), number: n }),
        _ => Err(fail(line, format!("`{number}` is no photo number"))),
    };
    let mut pairs = Vec::new();
    let mut lines = lines.filter(|(_, l)| !l.trim().is_empty());
    for fold in 0..folds {
        for k in 0..2 * each {
            let (line, text) = lines.next().ok_or_else(|| {
                fail(
                    0,
                    format!("ends in fold {} after {} pairs of {}", fold + 1, pairs.len(), 2 * folds * each),
                )
            })?;
            // Tab is the official separator; names with a space are only possible with it.
            let fields: Vec<&str> = if text.contains('\t') {
                text.split('\t').map(str::trim).collect()
            } else {
                text.split_whitespace().collect()
            };
            let (a, b, same) = match fields[..] {
                [person, n1, n2] => (photo(line, person, n1)?, photo(line, person, n2)?, true),
                [p1, n1, p2, n2] => (photo(line, p1, n1)?, photo(line, p2, n2)?, false),
                _ => return Err(fail(line, format!("{} fields instead of 3 or 4", fields.len()))),
            };
            if same != (k < each) {
                let expected = if k < each { "same" } else { "different" };
                return Err(fail(line, format!("a pair of {expected} people was expected here")));
            }
            if a == b {
                return Err(fail(line, "the photo is paired with itself".into()));
            }
            if !same && a.person == b.person {
                return Err(fail(line, format!("{} is paired with {} as two people", a.person, b.person)));
            }
            pairs.push(LfwPair { a, b, same, fold: fold as u32 });
        }
    }
    if let Some((line, _)) = lines.next() {
        return Err(fail(line, format!("more lines than the {} pairs of the header", pairs.len())));
    }
    Ok(pairs)
}

/// A pair from a CSV file.
#[derive(Debug, Clone, PartialEq)]
pub struct CsvPair {
    /// The one photo, as the file names it.
    pub a: String,
    /// The other.
    pub b: String,
    /// The same person?
    pub same: bool,
    /// A score, where the file has one (another system's, a cloud's); empty means failure to acquire.
    pub score: Option<f64>,
    /// A fold, where the file has one.
    pub fold: Option<u32>,
    /// The two people, where the file names them: a bootstrap needs them.
    pub people: Option<(String, String)>,
    /// Line in the file, from 1.
    pub line: u64,
}

/// Reads pairs from CSV with a header: columns `a`, `b`, `same` (1/0, true/false, same/different),
/// and if present `score`, `fold`, `person_a`, `person_b`. Returns the pairs, and warnings (pairs given twice).
///
/// # Errors
/// A missing column, an unreadable value, a score that is no finite number, a photo paired with
/// itself, people who contradict `same`, one pair with both answers: each names the line.
pub fn read_csv_pairs(reader: impl Read, name: &Path) -> Result<(Vec<CsvPair>, Vec<String>)> {
    let hint = "expected a header `a,b,same` with optional `score`, `fold`, `person_a`, `person_b`";
    let fail = |line: u64, reason: String| EvalError::file(name, line, reason, hint);
    let mut csv = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(false).from_reader(reader);
    let header = csv.headers().map_err(|e| fail(1, e.to_string()))?.clone();
    let column = |wanted: &str| header.iter().position(|h| h.trim_start_matches('\u{feff}') == wanted);
    let must = |wanted: &str| column(wanted).ok_or_else(|| fail(1, format!("no column `{wanted}`")));
    let (a, b, same) = (must("a")?, must("b")?, must("same")?);
    let (score, fold) = (column("score"), column("fold"));
    let people = column("person_a").zip(column("person_b"));
    let mut pairs = Vec::new();
    let mut warnings = Vec::new();
    let mut seen: HashMap<(String, String), (u64, bool)> = HashMap::new();
    for record in csv.records() {
        let record = record.map_err(|e| fail(e.position().map_or(0, csv::Position::line), e.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let field = |i: usize| record.get(i).unwrap_or("");
        let same = match field(same).to_ascii_lowercase().as_str() {
            "1" | "true" | "same" | "yes" => true,
            "0" | "false" | "different" | "no" => false,
            other => return Err(fail(line, format!("`same` is `{other}`, not 1 or 0"))),
        };
        let number = |i: usize| match field(i) {
            "" => Ok(None),
            text => match text.parse::<f64>() {
                Ok(n) if n.is_finite() => Ok(Some(n)),
                _ => Err(fail(line, format!("score `{text}` is no finite number"))),
            },
        };
        let score = score.map_or(Ok(None), number)?;
        let fold = match fold.map(field) {
            None | Some("") => None,
            Some(text) => {
                Some(text.parse().map_err(|_| fail(line, format!("fold `{text}` is no whole number")))?)
            }
        };
        let people = people.map(|(p, q)| (field(p).to_owned(), field(q).to_owned()));
        let (a, b) = (field(a).to_owned(), field(b).to_owned());
        if a.is_empty() || b.is_empty() {
            return Err(fail(line, "a photo is missing".into()));
        }
        if a == b {
            return Err(fail(line, format!("`{a}` is paired with itself")));
        }
        if let Some((p, q)) = &people
            && !p.is_empty()
            && !q.is_empty()
            && (p == q) != same
        {
            return Err(fail(line, format!("`same` says {same}, but the people are `{p}` and `{q}`")));
        }
        let key = if a < b { (a.clone(), b.clone()) } else { (b.clone(), a.clone()) };
        match seen.get(&key) {
            Some(&(first, before)) if before != same => {
                return Err(fail(line, format!("the pair of line {first} again, with the other answer")));
            }
            Some(&(first, _)) => {
                warnings.push(format!("line {line}: the pair of line {first} again; both count"))
            }
            None => {
                seen.insert(key, (line, same));
            }
        }
        pairs.push(CsvPair { a, b, same, score, fold, people, line });
    }
    if pairs.is_empty() {
        return Err(fail(0, "there is no pair".into()));
    }
    Ok((pairs, warnings))
}

/// Accuracy by k folds: each fold is judged at the threshold that is best on the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KFold {
    /// Accuracy of each fold. Up is good.
    pub accuracies: Vec<f64>,
    /// The threshold each fold was judged at.
    pub thresholds: Vec<f64>,
    /// Mean accuracy.
    pub mean: f64,
    /// Standard error of the mean, as LFW asks: sample standard deviation / √folds.
    pub standard_error: f64,
}

/// LFW's protocol over any folds. A pair without a score counts as "different people".
///
/// # Errors
/// Lists of different length, fewer than two folds, NaN scores.
pub fn k_fold(scores: &[Option<f64>], same: &[bool], folds: &[u32]) -> Result<KFold> {
    k_fold_weighted(scores, same, folds, |_| 1)
}

/// [`k_fold`] where pair `i` counts `weight(i)` times, as in a round of a bootstrap.
///
/// # Errors
/// As [`k_fold`]; a fold of which no pair has a weight.
pub fn k_fold_weighted(
    scores: &[Option<f64>],
    same: &[bool],
    folds: &[u32],
    weight: impl Fn(usize) -> u64,
) -> Result<KFold> {
    same_length("scores and labels", scores.len(), same.len())?;
    same_length("scores and folds", scores.len(), folds.len())?;
    let mut names: Vec<u32> = folds.to_vec();
    names.sort_unstable();
    names.dedup();
    if names.len() < 2 {
        return Err(EvalError::undefined("k-fold accuracy", "there are fewer than two folds"));
    }
    if let Some(place) = scores.iter().flatten().position(|s| !s.is_finite()) {
        return Err(EvalError::input(
            format!("score {place} (from 0)"),
            "is no finite number",
            "leave pairs without a score empty: they count as different",
        ));
    }
    let mut order: Vec<usize> = (0..scores.len()).filter(|&i| scores[i].is_some()).collect();
    order.sort_unstable_by(|&a, &b| scores[b].unwrap_or(0.0).total_cmp(&scores[a].unwrap_or(0.0)));
    let part = |keep: &dyn Fn(u32) -> bool| {
        let count = |i: usize, wanted: bool| if same[i] == wanted { weight(i) } else { 0 };
        let kept = order.iter().filter(|&&i| keep(folds[i]));
        let bins = kept.map(|&i| (scores[i].unwrap_or(0.0), count(i, true), count(i, false)));
        let failed = || (0..scores.len()).filter(|&i| scores[i].is_none() && keep(folds[i]));
        Curve::from_bins(
            bins,
            failed().map(|i| count(i, true)).sum(),
            failed().map(|i| count(i, false)).sum(),
        )
    };
    let (mut accuracies, mut thresholds) = (Vec::new(), Vec::new());
    for &fold in &names {
        let (threshold, _) = part(&|f| f != fold)?.best_accuracy();
        accuracies.push(part(&|f| f == fold)?.accuracy(threshold));
        thresholds.push(threshold);
    }
    let k = accuracies.len() as f64;
    let mean = accuracies.iter().sum::<f64>() / k;
    let variance = accuracies.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / (k - 1.0);
    Ok(KFold { accuracies, thresholds, mean, standard_error: (variance / k).sqrt() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "2\t1\nAda\t1\t2\nAda\t1\tBob\t3\nCy\t4\t5\nBob\t1\tCy\t2\n";

    #[test]
    fn lfw_pairs_are_read() {
        let pairs = parse_lfw_pairs(GOOD, Path::new("pairs.txt")).unwrap();
        assert_eq!(pairs.len(), 4);
        assert_eq!(pairs[0].b.path(), "Ada/Ada_0002.jpg");
        assert_eq!((pairs[1].same, pairs[1].fold, pairs[3].fold), (false, 0, 1));
        assert_eq!(parse_lfw_pairs("1\nA 1 2\r\nA 1 B 1", Path::new("x")).unwrap().len(), 2);
    }

    #[test]
    fn bad_lfw_files_name_their_line() {
        let cases = [
            ("", ":1"),
            ("ten 300", ":1"),
            ("0\t3", ":1"),
            ("1\t1\nAda\t1\t2\n", "after 1 pairs of 2"),
            ("1\t1\nAda\t1\n", ":2"),
            ("1\t1\nAda\t1\t1\nAda\t1\tBob\t2", "itself"),
            ("1\t1\nAda\t1\t2\nAda\t1\tAda\t2", "two people"),
            ("1\t1\nAda\t1\tBob\t2\nAda\t1\t2", "expected here"),
            ("1\t1\nAda\t0\t2\nAda\t1\tBob\t2", "photo number"),
            ("1\t1\nAda\t1\t2\nAda\t1\tBob\t2\nCy\t1\t2", ":4"),
        ];
        for (text, expected) in cases {
            let error = parse_lfw_pairs(text, Path::new("pairs.txt")).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn csv_pairs_and_their_faults() {
        let good = "a,b,same,score,person_a,person_b\nx,y,1,0.5,p,p\nx,z,0,,p,q\ny,x,1,0.5,p,p\n";
        let (pairs, warnings) = read_csv_pairs(good.as_bytes(), Path::new("p.csv")).unwrap();
        assert_eq!((pairs.len(), pairs[1].score, warnings.len()), (3, None, 1));
        let cases = [
            ("a,b\nx,y", "no column `same`"),
            ("a,b,same\nx,y,maybe", ":2"),
            ("a,b,same,score\nx,y,1,NaN", "finite"),
            ("a,b,same\nx,x,1", "itself"),
            ("a,b,same\nx,y,1\ny,x,0", ":3"),
            ("a,b,same,person_a,person_b\nx,y,1,p,q", "people are"),
            ("a,b,same\nx,y", ":2"),
            ("a,b,same\n", "no pair"),
        ];
        for (text, expected) in cases {
            let error = read_csv_pairs(text.as_bytes(), Path::new("p.csv")).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn k_fold_judges_at_the_others_threshold() {
        // Fold 0 is separable at 0.5; fold 1 at 0.7, so judged at 0.5 it loses its impostor at 0.6.
        let scores = [0.9, 0.1, 0.8, 0.6].map(Some);
        let result = k_fold(&scores, &[true, false, true, false], &[0, 0, 1, 1]).unwrap();
        assert_eq!(result.accuracies, [1.0, 0.5]);
        assert!((result.thresholds[0] - 0.7).abs() < 1e-12 && (result.thresholds[1] - 0.5).abs() < 1e-12);
        assert!((result.standard_error - 0.25).abs() < 1e-12);
        assert!(k_fold(&scores, &[true; 4], &[0; 4]).unwrap_err().is_undefined());
    }
}

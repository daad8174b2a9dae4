//! Templates of any other system, from files: numpy's `.npy` with a CSV list beside it, or one CSV.
//!
//! So dlib, InsightFace or a paper's network stand beside ours in the same tables. A row of zeros or
//! NaN (`.npy`), or without numbers (CSV), says that the system found no face in the photo.

use crate::Result;
use crate::error::EvalError;
use crate::manifest::Manifest;
use crate::samples::Samples;
use crate::templates::{People, Templates};
use std::path::Path;

/// Largest file that is read, in bytes: a million templates of 1,024 numbers.
const MOST: u64 = 4 << 30;

/// A matrix of f32, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Numbers a row.
    pub columns: usize,
    /// All numbers.
    pub data: Vec<f32>,
}

/// Reads a two-dimensional `.npy` file of f16, f32 or f64, little-endian, in C order (versions 1 to 3).
///
/// # Errors
/// Any other file: what it is and how to convert it.
pub fn read_npy(bytes: &[u8], name: &Path) -> Result<Matrix> {
    let fail = |reason: String| {
        EvalError::file(
            name,
            0,
            reason,
            "save it with numpy.save(file, numpy.ascontiguousarray(x, dtype=numpy.float32)), x of shape [photos, numbers]",
        )
    };
    if bytes.len() as u64 > MOST {
        return Err(EvalError::Limit {
            what: name.display().to_string(),
            size: bytes.len() as u64,
            limit: MOST,
            unit: "bytes",
        });
    }
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or_else(|| fail("this is no .npy file".into()))?;
    let short = || fail("the file ends in its header".into());
    let (start, length) = match rest.first() {
        Some(1) => {
            let size: [u8; 2] = rest.get(2..4).and_then(|b| b.try_into().ok()).ok_or_else(short)?;
            (4, usize::from(u16::from_le_bytes(size)))
        }
        Some(2 | 3) => {
            let size: [u8; 4] = rest.get(2..6).and_then(|b| b.try_into().ok()).ok_or_else(short)?;
            (6, u32::from_le_bytes(size) as usize)
        }
        other => return Err(fail(format!("format version {other:?} is unknown"))),
    };
    let header = rest.get(start..usize::saturating_add(start, length)).ok_or_else(short)?;
    let header = std::str::from_utf8(header).map_err(|e| fail(e.to_string()))?;
    // The header is a Python dictionary written by numpy: three keys, no nesting beside the shape.
    let value = |key: &str| {
        let after = header.split_once(&format!("'{key}':")).map(|(_, after)| after.trim_start());
        after.ok_or_else(|| fail(format!("the header has no `{key}`")))
    };
    let kind = value("descr")?.trim_start_matches('\'');
    let kind = kind.split('\'').next().unwrap_or_default();
    if !value("fortran_order")?.starts_with("False") {
        return Err(fail("the matrix is stored column by column".into()));
    }
    let shape = value("shape")?.trim_start_matches('(').split(')').next().unwrap_or_default();
    let shape: Option<Vec<usize>> =
        shape.split(',').map(str::trim).filter(|s| !s.is_empty()).map(|s| s.parse().ok()).collect();
    let Some([rows, columns]) = shape.as_deref().and_then(|s| <[usize; 2]>::try_from(s).ok()) else {
        return Err(fail(format!("the shape is {shape:?}, not two-dimensional")));
    };
    let width = match kind {
        "<f2" => 2,
        "<f4" => 4,
        "<f8" => 8,
        other => return Err(fail(format!("the numbers are of type `{other}`"))),
    };
    let data = &rest[start + length..];
    if columns == 0 || rows.checked_mul(columns).and_then(|n| n.checked_mul(width)) != Some(data.len()) {
        return Err(fail(format!(
            "{rows} × {columns} numbers of {width} bytes are not {} bytes",
            data.len()
        )));
    }
    let numbers = data.chunks_exact(width).map(|b| match *b {
        [a, b] => half(u16::from_le_bytes([a, b])),
        [a, b, c, d] => f32::from_le_bytes([a, b, c, d]),
        [a, b, c, d, e, f, g, h] => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
        _ => f32::NAN,
    });
    Ok(Matrix { columns, data: numbers.collect() })
}

/// IEEE 754 half precision.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023) / 1024.0);
    sign * match exponent {
        0 => fraction * 2f32.powi(-14),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        e => (1.0 + fraction) * 2f32.powi(e - 15),
    }
}

/// Vectors from CSV columns: all columns that are neither `path` nor `person` nor named in `others`.
///
/// # Errors
/// No such column, a field that is no number, a row that is only partly filled.
pub fn columns_of(manifest: &Manifest, others: &[String]) -> Result<Vec<Option<Vec<f32>>>> {
    let known = |c: &String| c == "path" || c == "person" || others.contains(c);
    let columns: Vec<Vec<&str>> =
        manifest.columns().iter().filter(|c| !known(c)).map(|c| manifest.column(c)).collect::<Result<_>>()?;
    if columns.is_empty() {
        return Err(EvalError::input(
            "embeddings",
            "the CSV has no column of numbers",
            "give a column for each number beside `path` and `person`",
        ));
    }
    (0..manifest.len())
        .map(|row| {
            if columns.iter().all(|c| c[row].is_empty()) {
                return Ok(None);
            }
            let numbers: Option<Vec<f32>> = columns.iter().map(|c| c[row].parse().ok()).collect();
            numbers.map(Some).ok_or_else(|| {
                let wrong = columns.iter().find(|c| c[row].parse::<f32>().is_err()).map_or("", |c| c[row]);
                EvalError::input(
                    format!("embedding of row {} (from 1)", row + 1),
                    format!("`{wrong}` is no number"),
                    "leave all numbers empty where no face was found; name other columns as such",
                )
            })
        })
        .collect()
}

/// Rows of a matrix, none where all is zero or something is no number.
pub fn rows_of(matrix: &Matrix) -> Vec<Option<Vec<f32>>> {
    let found = |row: &&[f32]| row.iter().all(|x| x.is_finite()) && row.iter().any(|x| *x != 0.0);
    matrix.data.chunks_exact(matrix.columns).map(|row| Some(row).filter(found).map(<[f32]>::to_vec)).collect()
}

/// Photos with their people and vectors.
///
/// # Errors
/// Lists of different length, vectors of different length, no vector at all.
pub fn samples(photos: Vec<String>, people: &[String], vectors: &[Option<Vec<f32>>]) -> Result<Samples> {
    crate::error::same_length("photos and embeddings", photos.len(), vectors.len())?;
    let dim = vectors.iter().flatten().map(Vec::len).next().ok_or_else(|| {
        EvalError::undefined("the evaluation", "no photo has a template: no face was found in any")
    })?;
    if let Some(place) = vectors.iter().position(|v| v.as_ref().is_some_and(|v| v.len() != dim)) {
        return Err(EvalError::input(
            format!("embedding of {}", photos[place]),
            format!("has another length than {dim}"),
            "compare templates of one model only",
        ));
    }
    let acquired: Vec<bool> = vectors.iter().map(Option::is_some).collect();
    let data: Vec<f32> = vectors.iter().flatten().flatten().copied().collect();
    Samples::new(photos, People::from_names(people), &acquired, Templates::new(dim, data)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As numpy.save writes it.
    fn write_npy(columns: usize, data: &[f32]) -> Vec<u8> {
        let rows = data.len() / columns;
        let mut header =
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}")
                .into_bytes();
        // Data begin at a multiple of 64.
        while !(10 + header.len() + 1).is_multiple_of(64) {
            header.push(b' ');
        }
        header.push(b'\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header);
        bytes.extend(data.iter().flat_map(|x| x.to_le_bytes()));
        bytes
    }

    #[test]
    fn npy_there_and_back() {
        let data = [1.0, -2.5, 0.0, 0.0, f32::NAN, 1.0];
        let matrix = read_npy(&write_npy(2, &data), Path::new("x.npy")).unwrap();
        assert_eq!((matrix.columns, matrix.data.len()), (2, 6));
        assert_eq!(rows_of(&matrix), [Some(vec![1.0, -2.5]), None, None]);
        assert_eq!(write_npy(2, &data).len() % 64, 24);
    }

    #[test]
    fn halves() {
        for (bits, value) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (1, 5.960_464_5e-8), (0, 0.0)]
        {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7e00).is_nan() && half(0xfc00) == f32::NEG_INFINITY);
    }

    #[test]
    fn other_files_say_how_to_convert_them() {
        let good = write_npy(2, &[1.0; 4]);
        let with = |from: &str, to: &str| {
            let place = good.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
            let mut bad = good.clone();
            bad[place..place + to.len()].copy_from_slice(to.as_bytes());
            bad
        };
        for (bytes, expected) in [
            (vec![], "no .npy"),
            (good[..9].to_vec(), "ends in its header"),
            (good[..good.len() - 1].to_vec(), "2 × 2"),
            (with("<f4", "<i4"), "`<i4`"),
            (with("False", "True "), "column by column"),
            (with("(2, 2)", "(4,)  "), "two-dimensional"),
            (with("'shape'", "'shapx'"), "no `shape`"),
        ] {
            let error = read_npy(&bytes, Path::new("x.npy")).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("numpy.save"), "{expected}: {error}");
        }
    }

    #[test]
    fn csv_vectors_and_failures() {
        let text = "path,person,e0,e1\na,p,1,0\nb,q,,\n";
        let manifest = Manifest::read(text.as_bytes(), Path::new("e.csv")).unwrap();
        let vectors = columns_of(&manifest, &[]).unwrap();
        assert_eq!(vectors, [Some(vec![1.0, 0.0]), None]);
        let samples = samples(manifest.paths().unwrap(), &manifest.people().unwrap(), &vectors).unwrap();
        assert_eq!(samples.failures(), 1);
        let bad = Manifest::read("path,e0\na,x\n".as_bytes(), Path::new("e.csv")).unwrap();
        assert!(columns_of(&bad, &[]).is_err());
        assert!(super::samples(vec!["a".into()], &["p".into()], &[None]).unwrap_err().is_undefined());
    }
}

//! Weights on disk: safetensors, written whole or not at all.

use std::fs;
use std::io::Write;
use std::path::Path;

use half::f16;
use phiz_net::form::expanded;
use phiz_net::onnx::{SCALE, Weights};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::TrainError;

/// Reads a safetensors file of f32, f16 or our int8.
///
/// # Errors
/// A file that cannot be read or holds something else.
pub fn read_weights(path: &Path) -> Result<Weights, TrainError> {
    let bytes = fs::read(path).map_err(|e| TrainError::file(path, &e))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| {
        TrainError::file(
            path,
            &format!("is not a whole safetensors file ({e}); copy it again or leave it out"),
        )
    })?;
    let (mut weights, mut eight) = (Weights::new(), Vec::new());
    for (name, view) in file.iter() {
        let data: Vec<f32> = match view.dtype() {
            Dtype::F32 => {
                view.data().chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect()
            }
            Dtype::F16 => {
                view.data().chunks_exact(2).map(|c| f16::from_le_bytes([c[0], c[1]]).to_f32()).collect()
            }
            Dtype::I8 => {
                eight.push(name.to_string());
                view.data().iter().map(|c| f32::from(i8::from_le_bytes([*c]))).collect()
            }
            other => {
                let reason = format!("tensor {name:?} is {other:?}; only F32, F16 and I8 can be trained on");
                return Err(TrainError::file(path, &reason));
            }
        };
        weights.insert(name.to_string(), (view.shape().to_vec(), data));
    }
    for name in eight {
        let scales = weights.remove(&format!("{name}{SCALE}"));
        match (scales, weights.get_mut(&name)) {
            (Some((_, scales)), Some((shape, data))) if shape.first() == Some(&scales.len()) => {
                *data = expanded(data, &scales);
            }
            _ => {
                let reason = format!("tensor {name:?} is I8 without one {name}{SCALE} for each of its rows");
                return Err(TrainError::file(path, &reason));
            }
        }
    }
    Ok(weights)
}

/// Writes a safetensors file of f32, whole or not at all.
///
/// # Errors
/// A file that cannot be written.
pub fn write_weights(path: &Path, weights: &Weights) -> Result<(), TrainError> {
    let bytes: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = weights
        .iter()
        .map(|(n, (shape, data))| {
            (n.clone(), Dtype::F32, shape.clone(), data.iter().flat_map(|v| v.to_le_bytes()).collect())
        })
        .collect();
    write_tensors(path, &bytes)
}

/// Writes a safetensors file of any types: name, type, shape, little-endian bytes.
///
/// # Errors
/// A file that cannot be written, or bytes that do not fit their shape.
pub fn write_tensors(
    path: &Path,
    tensors: &[(String, Dtype, Vec<usize>, Vec<u8>)],
) -> Result<(), TrainError> {
    let mut views = Vec::new();
    for (name, dtype, shape, data) in tensors {
        let view = TensorView::new(*dtype, shape.clone(), data).map_err(|e| TrainError::file(path, &e))?;
        views.push((name.as_str(), view));
    }
    let file = safetensors::serialize(views, None).map_err(|e| TrainError::file(path, &e))?;
    write_atomically(path, &file)
}

/// Writes a file beside, makes it last, and only then puts it in the old one's place: whenever the machine stops,
/// one of the two is whole.
///
/// # Errors
/// A file that cannot be written; the old one then still stands.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)?;
        // The new name itself lasts only once its folder does.
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    };
    write().map_err(|e| {
        let _ = fs::remove_file(&partial);
        TrainError::file(
            path,
            &format!("cannot be written ({e}); what stood there still stands: free some space and run the same command again, which resumes"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_survive_a_round_trip_and_a_failed_write() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("w.safetensors");
        let mut weights = Weights::new();
        weights.insert("a.weight".into(), (vec![2, 2], vec![1.0, -0.0, f32::MIN_POSITIVE, 3.5e20]));
        write_weights(&path, &weights).expect("writes");
        assert_eq!(read_weights(&path).expect("reads"), weights);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left beside");

        // A folder in the way of the partial file stands for a disk that takes no more.
        fs::create_dir(folder.path().join("w.safetensors.partial")).expect("a folder");
        let error = write_weights(&path, &Weights::new()).expect_err("cannot be written").to_string();
        assert!(error.contains("free some space"), "{error}");
        assert_eq!(read_weights(&path).expect("still reads"), weights);

        fs::write(&path, b"cut off").expect("writes");
        assert!(read_weights(&path).expect_err("no file").to_string().contains("not a whole"));
    }

    #[test]
    fn eight_bits_need_a_scale_for_each_row() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("w.safetensors");
        let write = |scales: &[f32]| {
            let bytes = scales.iter().flat_map(|v| v.to_le_bytes()).collect();
            let eight = ("a".to_owned(), Dtype::I8, vec![2, 3], vec![1, 2, 3, 4, 5, 0xff]);
            let scale = (format!("a{SCALE}"), Dtype::F32, vec![scales.len()], bytes);
            write_tensors(&path, &[eight, scale]).expect("writes");
            read_weights(&path)
        };
        assert_eq!(
            write(&[1.0, 2.0]).expect("reads")["a"],
            (vec![2, 3], vec![1.0, 2.0, 3.0, 8.0, 10.0, -2.0])
        );
        for wrong in [&[][..], &[1.0], &[1.0, 2.0, 3.0]] {
            assert!(write(wrong).expect_err("too few or many").to_string().contains("each of its rows"));
        }
    }
}

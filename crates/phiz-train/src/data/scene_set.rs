//! Writes sets of scenes (see [`crate::scenes`]) photo by photo, so that an interrupted writing goes on.
//!
//! Pictures are appended to `scenes.bin.partial` and their lines to `scenes.jsonl.partial` of each split's folder. Now
//! and then both are made last and `scenes.state.json` says how far they count; what lies beyond is cut off when the
//! writing goes on. The files get their names when all is done.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use phiz_image::Image;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::scenes::{Marked, Scene};
use crate::shards::LeftOut;
use crate::weights::write_atomically;

/// Photos between two states that last.
const EVERY: usize = 64;
const FILES: [&str; 2] = ["scenes.bin", "scenes.jsonl"];

/// How far a set is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Fingerprint of everything that the set follows from.
    pub from: String,
    /// Photos that are dealt with.
    pub photos: usize,
    /// Whether that is all of them.
    pub done: bool,
    /// What each split holds.
    pub splits: BTreeMap<String, Share>,
    /// Photos that did not come in.
    pub left_out: Vec<LeftOut>,
}

/// What a split holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Pictures.
    pub scenes: usize,
    /// Faces to be learnt.
    pub sure: usize,
    /// Faces that do not count.
    pub unsure: usize,
    /// Lengths of the two files in bytes.
    lengths: [u64; 2],
}

/// A set that is being written.
pub struct SceneSet {
    folder: PathBuf,
    state: State,
    files: BTreeMap<String, [File; 2]>,
}

fn partial(folder: &Path, split: &str, name: &str) -> PathBuf {
    folder.join(split).join(format!("{name}.partial"))
}

impl SceneSet {
    /// Begins a set in `folder`, or goes on with one that follows from the same. One that follows from something
    /// else is refused, or with `redo` replaced.
    ///
    /// # Errors
    /// A folder that cannot be written, or another set in it.
    pub fn open(folder: &Path, from: &str, redo: bool) -> Result<SceneSet, TrainError> {
        let path = folder.join("scenes.state.json");
        let found: Option<State> = std::fs::read(&path).ok().and_then(|b| serde_json::from_slice(&b).ok());
        let state = match found {
            Some(state) if state.from == from => state,
            Some(_) if !redo => {
                let reason = "this set was made from other photos, models or options: give another --out, or --redo to \
                              make it again";
                return Err(TrainError::file(folder, &reason));
            }
            other => {
                for split in other.iter().flat_map(|state| state.splits.keys()) {
                    for path in FILES
                        .iter()
                        .flat_map(|name| [partial(folder, split, name), folder.join(split).join(name)])
                    {
                        let _ = std::fs::remove_file(path);
                    }
                }
                State { from: from.into(), ..State::default() }
            }
        };
        let mut set = SceneSet { folder: folder.into(), state, files: BTreeMap::new() };
        if !set.state.done {
            for split in set.state.splits.keys().cloned().collect::<Vec<_>>() {
                set.file(&split)?;
            }
        }
        Ok(set)
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The two files of a split, open at their ends as the state knows them.
    fn file(&mut self, split: &str) -> Result<&mut [File; 2], TrainError> {
        if !self.files.contains_key(split) {
            let lengths = self.state.splits.entry(split.into()).or_default().lengths;
            std::fs::create_dir_all(self.folder.join(split))
                .map_err(|e| TrainError::file(&self.folder, &e))?;
            let open = |i: usize| {
                let path = partial(&self.folder, split, FILES[i]);
                let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
                let ready = file.and_then(|mut file| {
                    if file.metadata()?.len() < lengths[i] {
                        return Err(std::io::Error::other(
                            "is shorter than it was: delete the folder and begin again",
                        ));
                    }
                    file.set_len(lengths[i])?;
                    file.seek(SeekFrom::End(0))?;
                    Ok(file)
                });
                ready.map_err(|e| TrainError::file(&path, &e))
            };
            self.files.insert(split.into(), [open(0)?, open(1)?]);
        }
        self.files.get_mut(split).ok_or_else(|| TrainError::file(&self.folder, &"cannot be written"))
    }

    /// Adds a picture with its faces and what a detector took for some.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn add(
        &mut self,
        split: &str,
        path: &str,
        picture: &Image,
        faces: &[Marked],
        candidates: &[[f32; 4]],
    ) -> Result<(), TrainError> {
        self.file(split)?;
        let share = self.state.splits.entry(split.into()).or_default();
        let scene = Scene {
            path: path.into(),
            split: split.into(),
            offset: share.lengths[0] as usize,
            width: picture.width() as usize,
            height: picture.height() as usize,
            faces: faces.to_vec(),
            candidates: candidates.to_vec(),
        };
        let line = serde_json::to_string(&scene).unwrap_or_default() + "\n";
        share.scenes += 1;
        share.sure += faces.iter().filter(|f| f.sure).count();
        share.unsure += faces.iter().filter(|f| !f.sure).count();
        share.lengths[0] += picture.pixels().len() as u64;
        share.lengths[1] += line.len() as u64;
        let [pixels, lines] = self.file(split)?;
        let written = pixels.write_all(picture.pixels()).and_then(|()| lines.write_all(line.as_bytes()));
        written.map_err(|e| {
            TrainError::file(&self.folder.join(split), &format!("{e}: free some space and go on"))
        })
    }

    /// Notes a photo that does not come in.
    pub fn leave_out(&mut self, photo: LeftOut) {
        self.state.left_out.push(photo);
    }

    /// A photo is dealt with, whatever came of it.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn photo_done(&mut self) -> Result<(), TrainError> {
        self.state.photos += 1;
        if self.state.photos.is_multiple_of(EVERY) { self.save() } else { Ok(()) }
    }

    fn save(&mut self) -> Result<(), TrainError> {
        for file in self.files.values_mut().flatten() {
            file.sync_data().map_err(|e| TrainError::file(&self.folder, &e))?;
        }
        let text = serde_json::to_vec(&self.state).unwrap_or_default();
        write_atomically(&self.folder.join("scenes.state.json"), &text)
    }

    /// All photos are dealt with: the files get their names.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn finish(mut self) -> Result<State, TrainError> {
        if self.state.done {
            return Ok(self.state);
        }
        self.save()?;
        for split in self.state.splits.keys() {
            for name in FILES {
                let (from, to) = (partial(&self.folder, split, name), self.folder.join(split).join(name));
                std::fs::rename(&from, &to).map_err(|e| TrainError::file(&to, &e))?;
            }
        }
        self.files.clear();
        self.state.done = true;
        self.save()?;
        Ok(self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::Scenes;

    fn picture(level: u8) -> Image {
        Image::from_rgb(6, 4, vec![level; 72]).expect("a picture")
    }

    fn face(sure: bool) -> Marked {
        Marked { bbox: [1.0, 1.0, 2.0, 2.5], points: Vec::new(), sure }
    }

    fn add(set: &mut SceneSet, level: u8) {
        set.add("train", &format!("{level}.jpg"), &picture(level), &[face(true), face(false)], &[])
            .expect("adds");
        set.photo_done().expect("goes on");
    }

    #[test]
    fn an_interrupted_set_goes_on_to_the_same_files() {
        let (whole, broken) =
            (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let mut set = SceneSet::open(whole.path(), "x", false).expect("opens");
        (0..150).for_each(|i| add(&mut set, i));
        let state = set.finish().expect("finishes");
        assert_eq!((state.splits["train"].scenes, state.splits["train"].sure, state.done), (150, 150, true));

        let mut set = SceneSet::open(broken.path(), "x", false).expect("opens");
        (0..100).for_each(|i| add(&mut set, i));
        drop(set); // 100 photos were written, 64 of them last.
        assert!(SceneSet::open(broken.path(), "y", false).is_err_and(|e| e.to_string().contains("--redo")));
        let mut set = SceneSet::open(broken.path(), "x", false).expect("opens");
        assert_eq!(set.state().photos, 64);
        (64..150).for_each(|i| add(&mut set, i));
        assert_eq!(set.finish().expect("finishes"), state);
        for name in FILES {
            let read = |folder: &tempfile::TempDir| {
                std::fs::read(folder.path().join("train").join(name)).expect("a file")
            };
            assert_eq!(read(&whole), read(&broken), "{name}");
        }
        let scenes = Scenes::open(&broken.path().join("train"), "train").expect("opens");
        assert_eq!(scenes.len(), 150);

        // What is done stays done; another beginning takes its place only if it is asked for.
        assert!(SceneSet::open(broken.path(), "x", false).expect("opens").state().done);
        let mut set = SceneSet::open(broken.path(), "y", true).expect("opens");
        add(&mut set, 3);
        set.finish().expect("finishes");
        assert_eq!(Scenes::open(&broken.path().join("train"), "train").expect("opens").len(), 1);
    }
}

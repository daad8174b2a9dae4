//! Sheets to look at: what training makes of prepared faces and scenes, every change by name.

use phiz_image::{Image, draw};

use crate::augment::{EFFECTS, Strength, augment};
use crate::error::TrainError;
use crate::random::Random;
use crate::scenes::{Marked, Scenes};
use crate::shards::Faces;

/// Pixels between pictures, and height of a row's name.
const GAP: usize = 4;
const NAME: usize = 14;
const GROUND: u8 = 24;

/// A grid of square pictures with a name over each row.
struct Sheet {
    image: Image,
    side: usize,
}

impl Sheet {
    fn new(rows: usize, columns: usize, side: usize) -> Result<Sheet, TrainError> {
        let (w, h) = (columns * (side + GAP) + GAP, rows * (side + GAP + NAME) + GAP);
        let image = Image::from_rgb(w as u32, h as u32, vec![GROUND; w * h * 3]);
        Ok(Sheet { image: image.map_err(|e| TrainError::file("sheet".as_ref(), &e))?, side })
    }

    fn corner(&self, row: usize, column: usize) -> [usize; 2] {
        [GAP + column * (self.side + GAP), GAP + NAME + row * (self.side + GAP + NAME)]
    }

    fn name(&mut self, row: usize, text: &str) {
        let [x, y] = self.corner(row, 0);
        let at = [x as f32, (y - NAME + 1) as f32];
        draw::label(&mut self.image, text, at, 1, [230; 3], [GROUND; 3]);
    }

    fn put(&mut self, row: usize, column: usize, pixels: &[u8]) {
        let [x, y] = self.corner(row, column);
        let width = self.image.width() as usize;
        for (line, from) in pixels.chunks_exact(self.side * 3).enumerate() {
            self.image.pixels_mut()[((y + line) * width + x) * 3..][..self.side * 3].copy_from_slice(from);
        }
    }
}

/// The rows of a sheet: nothing changed, each effect alone, and what the recipe says.
fn rows(recipe: &Strength) -> Vec<(&'static str, Strength)> {
    let all = [("prepared", Strength::NONE)].into_iter().chain(EFFECTS);
    all.chain([("as the recipe says", *recipe)]).collect()
}

/// Prepared faces: a column a face, a row an effect, the last row as `recipe` says, all at `side` pixels.
///
/// # Errors
/// A sheet that would be too large.
pub fn of_faces(
    faces: &Faces,
    recipe: &Strength,
    columns: usize,
    side: usize,
    seed: u64,
) -> Result<Image, TrainError> {
    let columns = columns.clamp(1, faces.len().max(1));
    let rows = rows(recipe);
    let mut sheet = Sheet::new(rows.len(), columns, side)?;
    let mut random = Random::new(seed);
    let chosen: Vec<usize> = (0..columns).map(|_| random.below(faces.len().max(1))).collect();
    for (row, (name, strength)) in rows.iter().enumerate() {
        sheet.name(row, name);
        for (column, &face) in chosen.iter().enumerate() {
            let mut pixels = Vec::with_capacity(side * side * 3);
            // The last row shows what a run of this seed may draw; the rows before stay the same beside it.
            let mut random = Random::for_sample(seed, row as u64, column as u64);
            augment(faces.crop(face), side, strength, &mut random, &mut pixels, None);
            sheet.put(row, column, &pixels);
        }
    }
    Ok(sheet.image)
}

/// Composed scenes, with the faces to be learnt in green, those that do not count in red, and their landmarks; rows
/// as of faces, without those that scenes do not have.
///
/// # Errors
/// A sheet that would be too large.
pub fn of_scenes(
    scenes: &Scenes,
    recipe: &Strength,
    empty: f32,
    columns: usize,
    side: usize,
    seed: u64,
) -> Result<Image, TrainError> {
    let columns = columns.max(1);
    let mut rows = rows(recipe);
    let of_crops = ["flip", "shift", "scale", "rotate", "erase", "mixed", "chin"];
    rows.retain(|(name, _)| !of_crops.contains(name));
    let mut sheet = Sheet::new(rows.len(), columns, side)?;
    for (row, (name, strength)) in rows.iter().enumerate() {
        sheet.name(row, name);
        for column in 0..columns {
            let mut pixels = Vec::with_capacity(side * side * 3);
            let mut random = Random::for_sample(seed, 0, column as u64);
            let faces = scenes.compose(side, strength, empty, &mut random, &mut pixels);
            sheet.put(row, column, &marked(pixels, side, &faces));
        }
    }
    Ok(sheet.image)
}

fn marked(pixels: Vec<u8>, side: usize, faces: &[Marked]) -> Vec<u8> {
    let Ok(mut image) = Image::from_rgb(side as u32, side as u32, pixels.clone()) else { return pixels };
    for face in faces {
        draw::rectangle(&mut image, face.bbox, 1, if face.sure { [0, 255, 0] } else { [255, 0, 0] });
        let colours = [[255, 60, 60], [60, 120, 255], [255, 255, 0], [255, 0, 255], [0, 255, 255]];
        for (point, colour) in face.points.chunks_exact(2).zip(colours) {
            draw::disc(&mut image, [point[0], point[1]], 1.5, colour);
        }
    }
    image.pixels().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shards::{CROP, Shard};

    #[test]
    fn a_sheet_shows_every_effect_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut shard = Shard::default();
        for level in [60u8, 120, 180] {
            let row = [format!("{level}.jpg"), String::new(), "train".into()];
            shard.push(&vec![level; CROP * CROP * 3], &[1.0], row).expect("a face");
        }
        shard.write(&folder.path().join("s"), "x").expect("writes");
        let faces = Faces::open(folder.path(), "train").expect("opens");
        let sheet = of_faces(&faces, &Strength::default(), 5, 64, 1).expect("a sheet");
        let rows = (EFFECTS.len() + 2) as u32;
        assert_eq!((sheet.width(), sheet.height()), (3 * 68 + 4, rows * 82 + 4));
        assert_eq!(
            sheet.pixels(),
            of_faces(&faces, &Strength::default(), 5, 64, 1).expect("a sheet").pixels()
        );
        assert_ne!(
            sheet.pixels(),
            of_faces(&faces, &Strength::default(), 5, 64, 2).expect("a sheet").pixels()
        );
    }
}

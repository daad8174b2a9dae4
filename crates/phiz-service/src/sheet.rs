//! Many faces on one picture, for people to look through.

use phiz_image::{DecodeOptions, Image, draw};

use crate::Problem;

const FACE: u32 = 112;
const GAP: u32 = 8;
const CAPTION: u32 = 20;
const IN_A_ROW: usize = 8;
const GROUND: [u8; 3] = [250, 250, 248];
const INK: [u8; 3] = [32, 32, 36];

/// A picture of aligned faces in rows of eight, each above its caption. A face is given as the file that was kept of it.
///
/// # Errors
/// A file that is no picture, or more faces than one picture can show.
pub fn contact_sheet(faces: &[(String, Vec<u8>)]) -> Result<Image, Problem> {
    let columns = faces.len().clamp(1, IN_A_ROW) as u32;
    let rows = faces.len().div_ceil(IN_A_ROW).max(1) as u32;
    let (across, down) = (FACE + GAP, FACE + CAPTION + GAP);
    let (width, height) = (GAP + columns * across, GAP + rows * down);
    let mut sheet = Image::from_rgb(width, height, GROUND.repeat(width as usize * height as usize))?;
    for (number, (caption, file)) in faces.iter().enumerate() {
        let crop = Image::decode(file, &DecodeOptions::default())?;
        let crop = if (crop.width(), crop.height()) == (FACE, FACE) { crop } else { crop.resize(FACE, FACE) };
        let x = GAP + (number % IN_A_ROW) as u32 * across;
        let y = GAP + (number / IN_A_ROW) as u32 * down;
        paste(&mut sheet, &crop, x as usize, y as usize);
        draw::label(&mut sheet, caption, [x as f32, (y + FACE + 4) as f32], 1, INK, GROUND);
    }
    Ok(sheet)
}

fn paste(onto: &mut Image, picture: &Image, x: usize, y: usize) {
    let (wide, row) = (onto.width() as usize * 3, picture.width() as usize * 3);
    let to = onto.pixels_mut();
    for (line, pixels) in picture.pixels().chunks_exact(row).enumerate() {
        let start = (y + line) * wide + x * 3;
        if let Some(place) = to.get_mut(start..start + row) {
            place.copy_from_slice(pixels);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_stand_in_rows_above_their_captions() {
        let face = |value: u8| {
            let image = Image::from_rgb(FACE, FACE, vec![value; 3 * (FACE * FACE) as usize]).unwrap();
            image.encode_png().unwrap()
        };
        let faces: Vec<(String, Vec<u8>)> = (0..9).map(|n| (format!("f{n}"), face(n * 20))).collect();
        let sheet = contact_sheet(&faces).unwrap();
        assert_eq!((sheet.width(), sheet.height()), (8 + 8 * 120, 8 + 2 * 140));
        let at = |x: u32, y: u32| sheet.pixels()[((y * sheet.width() + x) * 3) as usize];
        for (number, _) in faces.iter().enumerate() {
            let (x, y) = (8 + number as u32 % 8 * 120, 8 + number as u32 / 8 * 140);
            assert_eq!(at(x + 56, y + 56), number as u8 * 20);
            let caption = (0..16).any(|dx| (112..130).any(|dy| at(x + dx, y + dy) == INK[0]));
            assert!(caption, "face {number} has none");
        }
        assert!(contact_sheet(&[("f1".into(), b"no picture".to_vec())]).is_err());
    }
}

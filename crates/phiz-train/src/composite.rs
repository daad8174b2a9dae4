//! Scenes to judge a detector by, made of faces and backgrounds that it has not learnt: where every face is known, none
//! is forgotten.
//!
//! On a photo without faces are pasted 1 to 50 heads (the number's logarithm uniform, as that of their sizes, from 16 to
//! 600 pixels), each turned by up to 45°, lit in its own way, with soft edges, and one in five partly behind something.
//! No box covers more than a little of another.

use phiz_image::Image;

use crate::error::TrainError;
use crate::random::Random;
use crate::scenes::paint::Placed;
use crate::scenes::{Marked, Scene, Scenes};

/// Most faces of a scene.
const MOST: f32 = 50.0;
/// Sizes of faces, root of the box's area in pixels.
const SIZES: [f32; 2] = [16.0, 600.0];
/// Largest turn, in radians.
const TURN: f32 = std::f32::consts::FRAC_PI_4;
/// Faces are enlarged at most so often: beyond, they are a blur.
const ENLARGED: f32 = 1.5;
/// Boxes overlap at most so much.
const OVERLAP: f32 = 0.05;
/// Backgrounds have at least so many pixels a side.
const LEAST_BACKGROUND: usize = 16;
/// Places that are tried for each face.
const TRIES: usize = 40;

/// Makes composite scenes of a set.
pub struct Composer<'a> {
    scenes: &'a Scenes,
    faces: Vec<(&'a Scene, &'a Marked)>,
    backgrounds: Vec<&'a Scene>,
}

impl<'a> Composer<'a> {
    /// Of the sure faces with landmarks and the pictures without a face of a set.
    ///
    /// # Errors
    /// The set lacks one or the other.
    pub fn new(scenes: &'a Scenes) -> Result<Composer<'a>, TrainError> {
        let all = scenes.all();
        let faces: Vec<_> = all
            .iter()
            .flat_map(|s| s.faces.iter().map(move |f| (s, f)))
            .filter(|(_, f)| f.sure && f.points.len() == 10)
            .collect();
        let roomy = |s: &&Scene| s.faces.is_empty() && s.width.min(s.height) >= LEAST_BACKGROUND;
        let backgrounds: Vec<_> = all.iter().filter(roomy).collect();
        if faces.is_empty() || backgrounds.is_empty() {
            let reason = format!(
                "composites need faces with landmarks and photos noted `no face`; the set has {} and {}",
                faces.len(),
                backgrounds.len()
            );
            return Err(TrainError::Recipe(reason));
        }
        Ok(Composer { scenes, faces, backgrounds })
    }

    /// Scene `number` of a seed, and its faces.
    ///
    /// # Errors
    /// Never, unless memory for a picture is lacking.
    pub fn compose(&self, seed: u64, number: u64) -> Result<(Image, Vec<Marked>), TrainError> {
        let random = &mut Random::for_sample(seed, 0, number);
        let long = random.between(480.0, 1280.0) as usize;
        let shape = [1.0, 0.75, 0.75, 0.667, 0.5625][random.below(5)];
        let short = (long as f32 * shape) as usize;
        let (width, height) = if random.chance(0.7) { (long, short) } else { (short, long) };
        let mut canvas = vec![128.0; width * height * 3];
        self.background(&mut canvas, width, height, random);
        let wanted = MOST.powf(random.unit()).round().max(1.0) as usize;
        let mut faces: Vec<Marked> = Vec::new();
        for _ in 0..wanted {
            if let Some(face) = self.face(&mut canvas, width, height, &faces, random) {
                faces.push(face);
            }
        }
        let pixels = canvas.iter().map(|v| v.round().clamp(0.0, 255.0) as u8).collect();
        let image = Image::from_rgb(width as u32, height as u32, pixels)
            .map_err(|e| TrainError::Recipe(e.to_string()))?;
        Ok((image, faces))
    }

    fn background(&self, canvas: &mut [f32], width: usize, height: usize, random: &mut Random) {
        let s = self.backgrounds[random.below(self.backgrounds.len())];
        let cover = (width as f32 / (s.width - 2) as f32).max(height as f32 / (s.height - 2) as f32);
        let placed = Placed {
            focus: [s.width as f32 / 2.0, s.height as f32 / 2.0],
            target: [width as f32 / 2.0, height as f32 / 2.0],
            zoom: cover * 1.01,
            angle: 0.0,
            flip: random.chance(0.5),
            coarse: 1,
        };
        self.scenes.blend(s, &placed, [0, 0, width, height], canvas, width, |_, _| 1.0);
    }

    /// Pastes a face where there is room for it.
    fn face(
        &self,
        canvas: &mut [f32],
        width: usize,
        height: usize,
        others: &[Marked],
        random: &mut Random,
    ) -> Option<Marked> {
        let largest = SIZES[1].min(0.8 * width.min(height) as f32);
        for _ in 0..TRIES {
            let size = SIZES[0] * (largest / SIZES[0]).powf(random.unit());
            let (scene, source) = self.faces[random.below(self.faces.len())];
            let [x, y, w, h] = source.bbox;
            let zoom = size / (w * h).sqrt();
            if zoom > ENLARGED {
                continue;
            }
            let target = [random.unit() * width as f32, random.unit() * height as f32];
            let placed = Placed {
                focus: [x + w / 2.0, y + h / 2.0],
                target,
                zoom,
                angle: random.between(-TURN, TURN),
                flip: random.chance(0.5),
                coarse: 1,
            };
            let face = placed.face(source);
            let [left, top, across, down] = face.bbox;
            let inside =
                left >= 0.0 && top >= 0.0 && left + across <= width as f32 && top + down <= height as f32;
            if !inside || others.iter().any(|o| overlaps(&o.bbox, &face.bbox)) {
                continue;
            }
            self.paste(canvas, width, scene, source, &placed, random);
            if random.chance(0.2) {
                occlude(canvas, width, &face, random);
            }
            return Some(face);
        }
        None
    }

    /// Draws a head in a light of its own.
    fn paste(
        &self,
        canvas: &mut [f32],
        width: usize,
        scene: &Scene,
        source: &Marked,
        placed: &Placed,
        random: &mut Random,
    ) {
        let [_, _, w, h] = source.bbox;
        // The head around the face, fading out.
        let (a, b) = (0.85 * w * placed.zoom, 0.85 * h * placed.zoom);
        let reach = a.max(b).ceil();
        let [cx, cy] = placed.target;
        let from = |v: f32| (v - reach).max(0.0) as usize;
        let to = |v: f32, most: usize| ((v + reach).max(0.0) as usize).min(most);
        let height = canvas.len() / 3 / width;
        let (x0, y0, x1, y1) = (from(cx), from(cy), to(cx, width), to(cy, height));
        let (sin, cos) = placed.angle.sin_cos();
        let share = |x: f32, y: f32| {
            let (dx, dy) = (x - cx, y - cy);
            let (u, v) = (cos * dx + sin * dy, cos * dy - sin * dx);
            let away = (u / a).hypot(v / b);
            ((1.0 - away) / 0.15).clamp(0.0, 1.0)
        };
        let rect = [x0, y0, x1.saturating_sub(x0), y1.saturating_sub(y0)];
        let rows = y0 * width * 3..y1.max(y0) * width * 3;
        let before = canvas[rows.clone()].to_vec();
        self.scenes.blend(scene, placed, rect, canvas, width, share);
        let (gain, offset) = (random.between(0.6, 1.25), random.between(-25.0, 25.0));
        for y in y0..y1 {
            for x in x0..x1 {
                let much = share(x as f32 + 0.5, y as f32 + 0.5);
                for c in 0..3 {
                    let i = (y * width + x) * 3 + c;
                    if (canvas[i] - before[i - rows.start]).abs() > 0.0 {
                        canvas[i] += much * (canvas[i] * (gain - 1.0) + offset);
                    }
                }
            }
        }
    }
}

/// Whether one of two boxes covers more than a little of the other.
fn overlaps(a: &[f32; 4], b: &[f32; 4]) -> bool {
    let along = |i: usize| ((a[i] + a[i + 2]).min(b[i] + b[i + 2]) - a[i].max(b[i])).max(0.0);
    let smaller = (a[2] * a[3]).min(b[2] * b[3]);
    along(0) * along(1) > OVERLAP * smaller
}

/// Puts something of one colour before a fifth to two fifths of a face, from one side.
fn occlude(canvas: &mut [f32], width: usize, face: &Marked, random: &mut Random) {
    let [x, y, w, h] = face.bbox;
    let part = random.between(0.2, 0.4);
    let [left, top, across, down] = match random.below(4) {
        0 => [x, y, part * w, h],
        1 => [x + (1.0 - part) * w, y, part * w, h],
        2 => [x, y, w, part * h],
        _ => [x, y + (1.0 - part) * h, w, part * h],
    };
    let level = [0; 3].map(|_| random.between(0.0, 255.0));
    let height = canvas.len() / 3 / width;
    for v in (top.max(0.0) as usize)..((top + down).max(0.0) as usize).min(height) {
        for u in (left.max(0.0) as usize)..((left + across).max(0.0) as usize).min(width) {
            canvas[(v * width + u) * 3..][..3].copy_from_slice(&level);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::tests::scenes;

    #[test]
    fn every_face_is_there_whole_and_apart() {
        let scenes = scenes(Vec::new());
        let composer = Composer::new(&scenes).expect("has faces and backgrounds");
        let mut counts = Vec::new();
        for number in 0..30 {
            let (image, faces) = composer.compose(1, number).expect("composes");
            counts.push(faces.len());
            let (w, h) = (image.width() as f32, image.height() as f32);
            for (i, face) in faces.iter().enumerate() {
                let [x, y, across, down] = face.bbox;
                assert!(x >= 0.0 && y >= 0.0 && x + across <= w && y + down <= h, "{face:?}");
                // Turned by 45° a box's bounds grow by less than a half.
                assert!((15.0..900.0).contains(&(across * down).sqrt()), "{face:?}");
                assert!(faces[..i].iter().all(|other| !overlaps(&other.bbox, &face.bbox)));
            }
            let (again, marked) = composer.compose(1, number).expect("composes");
            assert!(again == image && marked == faces, "repeatable");
        }
        assert!(counts.contains(&1) && counts.iter().any(|n| *n > 8), "{counts:?}");
    }

    #[test]
    fn a_pasted_face_is_seen() {
        let scenes = scenes(Vec::new());
        let composer = Composer::new(&scenes).expect("has faces and backgrounds");
        let red = |number| {
            let (image, faces) = composer.compose(2, number).expect("composes");
            let of = |face: &Marked| {
                let [x, y, w, h] = face.bbox;
                let at = (y + h / 2.0) as usize * image.width() as usize + (x + w / 2.0) as usize;
                let pixel = &image.pixels()[at * 3..][..3];
                pixel[0] > pixel[1].saturating_add(40)
            };
            (faces.iter().filter(|f| of(f)).count(), faces.len())
        };
        let (seen, all) = (0..20).map(red).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        // Some are behind something, none of them by more than two fifths from one side.
        assert!(all > 50 && seen == all, "{seen} of {all}");
    }

    #[test]
    fn a_set_without_backgrounds_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let line = r#"{"split":"test","offset":0,"width":2,"height":2,"faces":[{"box":[0,0,2,2],"points":[],"sure":true}]}"#;
        std::fs::write(folder.path().join("scenes.bin"), [0u8; 12]).expect("writes");
        std::fs::write(folder.path().join("scenes.jsonl"), line).expect("writes");
        let scenes = Scenes::open(folder.path(), "test").expect("opens");
        let reason = Composer::new(&scenes).err().expect("is refused").to_string();
        assert!(reason.contains("no face"), "{reason}");
    }
}

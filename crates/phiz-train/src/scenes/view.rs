//! Views for the second look: one face, or something else, in the middle of a small picture.

use super::paint::{Placed, cover, finish};
use super::{Marked, Scenes};
use crate::augment::{self, Strength};
use crate::random::Random;

/// Places that are tried before it is taken for granted that every one may hold a face.
const TRIES: usize = 200;

impl Scenes {
    /// A view of `side` × `side` for a second look, appended to `out`: in its middle, about `size` pixels large, is a
    /// face, which is returned, or, with probability `empty`, something else: what first looks took for a face, or any
    /// place.
    pub fn view(
        &self,
        side: usize,
        size: f32,
        strength: &Strength,
        empty: f32,
        random: &mut Random,
        out: &mut Vec<u8>,
    ) -> Option<Marked> {
        let (scene, anchor, bbox) = if random.chance(empty) {
            let (scene, bbox) = self.no_face(random);
            (scene, None, bbox)
        } else {
            let from =
                if !self.crowded.is_empty() && random.chance(0.5) { &self.crowded } else { &self.with_faces };
            let scene = from[random.below(from.len())];
            let known: Vec<&Marked> = self.scenes[scene].faces.iter().filter(|f| f.sure).collect();
            match known.get(random.below(known.len().max(1))) {
                Some(face) => (scene, Some(*face), face.bbox),
                None => {
                    let (scene, bbox) = self.no_face(random);
                    (scene, None, bbox)
                }
            }
        };
        let [x, y, w, h] = bbox;
        let there = (w * h).sqrt().max(1.0);
        // First looks are off by about so much.
        let mut off = || random.normal() * 0.08 * there;
        let focus = [x + w / 2.0 + off(), y + h / 2.0 + off()];
        let zoom = size / there * (0.14 * random.normal()).exp();
        let angle = if random.chance(0.15) { random.between(-0.8, 0.8) } else { random.normal() * 0.2 };
        let middle = side as f32 / 2.0;
        let flip = random.chance(0.5);
        // Now and then as if the photo had been so small that the face had but a few pixels.
        let most = there.min(size) / 9.0;
        let coarse =
            if random.chance(0.3) { random.between(1.0, most.clamp(1.0, 5.0)).round() as usize } else { 1 };
        let placed = Placed { focus, target: [middle; 2], zoom, angle, flip, coarse };
        let mut canvas = vec![0.0; side * side * 3];
        self.draw(&self.scenes[scene], &placed, [0, 0, side, side], &mut canvas);
        let face = anchor.map(|face| placed.face(face));
        let mut later = augment::later(strength, random);
        if let Some(face) = &face {
            if random.chance(0.06) {
                cover(&mut canvas, side, face, random);
            }
            if let Some(random) = later.as_mut().filter(|_| face.points.len() == 10) {
                augment::worn(&mut canvas, side, &face.points, strength, random);
            }
        }
        finish(&mut canvas, side, strength, later, random, out);
        face
    }

    /// A place where no face is.
    fn no_face(&self, random: &mut Random) -> (usize, [f32; 4]) {
        if !self.mistakes.is_empty() && random.chance(0.7) {
            return self.mistakes[random.below(self.mistakes.len())];
        }
        for _ in 0..TRIES {
            let empty = !self.empty.is_empty() && random.chance(0.5);
            let scene = if empty {
                self.empty[random.below(self.empty.len())]
            } else {
                random.below(self.scenes.len())
            };
            let s = &self.scenes[scene];
            let long = s.width.max(s.height) as f32;
            let side = 10.0 * (0.6 * long / 10.0).max(1.0).powf(random.unit());
            let at = |length: usize, random: &mut Random| random.unit() * length as f32 - side / 2.0;
            let bbox = [at(s.width, random), at(s.height, random), side * 0.85, side * 1.15];
            if s.shows_none(&bbox) {
                return (scene, bbox);
            }
        }
        // Every place may hold a face: beside the picture is none.
        (random.below(self.scenes.len()), [-1e4, -1e4, 60.0, 60.0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::tests::scenes;

    #[test]
    fn a_view_shows_the_face_near_its_middle_at_about_its_size() {
        let scenes = scenes(Vec::new());
        for seed in 0..200 {
            let mut out = Vec::new();
            let mut random = Random::new(seed);
            let face = scenes.view(112, 60.0, &Strength::NONE, 0.0, &mut random, &mut out).expect("a face");
            let [x, y, w, h] = face.bbox;
            let (cx, cy) = (x + w / 2.0, y + h / 2.0);
            assert!((cx - 56.0).abs() < 30.0 && (cy - 56.0).abs() < 30.0, "{face:?}");
            assert!((30.0..120.0).contains(&(w * h).sqrt()), "{face:?}");
            let pixel = &out[(cy as usize * 112 + cx as usize) * 3..][..3];
            assert!(pixel[0] > pixel[1] + 30, "seed {seed}: {pixel:?} at the face's middle");
        }
    }

    #[test]
    fn where_faces_may_be_everywhere_what_is_none_lies_outside() {
        let mut scenes = scenes(Vec::new());
        scenes.empty.clear();
        scenes.scenes.truncate(1);
        // Boxes of all sizes overlap one of these by more than nothing.
        scenes.scenes[0].faces = (0..40)
            .flat_map(|x| (0..32).map(move |y| [x as f32 * 5.0 - 60.0, y as f32 * 5.0 - 60.0]))
            .flat_map(|[x, y]| [10.0f32, 40.0, 120.0].map(|side| [x, y, side, side]))
            .map(|bbox| Marked { bbox, points: Vec::new(), sure: false })
            .collect();
        for seed in 0..10 {
            let mut random = Random::new(seed);
            let view = scenes.view(112, 60.0, &Strength::NONE, 1.0, &mut random, &mut Vec::new());
            assert!(view.is_none());
        }
    }

    #[test]
    fn mistakes_are_what_overlaps_no_face() {
        let (on, off) = ([32.0, 46.0, 40.0, 50.0], [90.0, 100.0, 30.0, 40.0]);
        let unsure = [131.0, 46.0, 40.0, 50.0];
        let scenes = scenes(vec![on, off, unsure]);
        assert_eq!(scenes.mistakes, [(0, off)]);
        for seed in 0..100 {
            let mut random = Random::new(seed);
            let (scene, bbox) = scenes.no_face(&mut random);
            assert!(scenes.scenes[scene].shows_none(&bbox));
            assert!(scenes.view(112, 60.0, &Strength::NONE, 1.0, &mut random, &mut Vec::new()).is_none());
        }
    }
}

//! Composed pictures: a background without faces on which a grid of 1 to 16 cells is laid. Each cell shows one scene,
//! turned, scaled and placed so that one of its faces has a chosen size. That gives every size, many faces at once,
//! cut-off faces and hard edges that mean nothing.

use super::paint::{Placed, cover, finish};
use super::{Marked, Scenes};
use crate::augment::{self, Strength};
use crate::random::Random;

impl Scenes {
    /// A composed picture of `side` × `side` interleaved RGB, appended to `out`, and its faces; with probability
    /// `empty` it shows none.
    pub fn compose(
        &self,
        side: usize,
        strength: &Strength,
        empty: f32,
        random: &mut Random,
        out: &mut Vec<u8>,
    ) -> Vec<Marked> {
        let mut canvas = vec![random.between(0.0, 255.0); side * side * 3];
        let mut faces = Vec::new();
        let whole = [0, 0, side, side];
        if !self.empty.is_empty() && random.chance(0.9) {
            let scene = self.empty[random.below(self.empty.len())];
            let s = &self.scenes[scene];
            let fit = side as f32 / s.width.min(s.height) as f32 * random.between(0.5, 1.8).max(0.5);
            self.paste(scene, None, fit, 0.0, whole, &mut canvas, &mut faces, random);
        }
        let grid = [1, 1, 1, 1, 2, 2, 2, 3, 3, 4][random.below(10)];
        let cell = side / grid;
        let rows = if random.chance(empty) { 0 } else { grid };
        for place in 0..rows * grid {
            if grid > 1 && random.chance(0.2) {
                continue;
            }
            let from = if grid <= 2 && !self.crowded.is_empty() && random.chance(0.6) {
                &self.crowded
            } else {
                &self.with_faces
            };
            let scene = from[random.below(from.len())];
            let known: Vec<usize> =
                (0..self.scenes[scene].faces.len()).filter(|&i| self.scenes[scene].faces[i].sure).collect();
            if known.is_empty() {
                continue;
            }
            let anchor = known[random.below(known.len())];
            let [_, _, w, h] = self.scenes[scene].faces[anchor].bbox;
            let largest = cell as f32 * if grid == 1 { 0.95 } else { 0.8 };
            let wanted = 10.0 * (largest / 10.0).powf(random.unit().powf(0.8));
            let zoom = (wanted / (w * h).sqrt().max(1.0)).min(3.0);
            let wild = random.chance(0.15);
            let angle = if wild { random.between(-0.8, 0.8) } else { random.normal() * 0.2 };
            let rect = [place % grid * cell, place / grid * cell, cell, cell];
            self.paste(scene, Some(anchor), zoom, angle, rect, &mut canvas, &mut faces, random);
        }
        for face in faces.iter().filter(|f| f.sure) {
            if random.chance(0.06) {
                cover(&mut canvas, side, face, random);
            }
        }
        let mut later = augment::later(strength, random);
        if let Some(random) = &mut later {
            for face in faces.iter().filter(|f| f.sure && f.points.len() == 10) {
                augment::worn(&mut canvas, side, &face.points, strength, random);
            }
        }
        finish(&mut canvas, side, strength, later, random, out);
        faces
    }

    /// Shows a scene in `rect` `[x, y, w, h]` of the canvas, `zoom` times as large and turned by `angle`, with the
    /// anchor face (or any place) somewhere in the rectangle; adds the faces that are seen.
    #[allow(clippy::too_many_arguments, reason = "one private caller, each argument another kind of thing")]
    fn paste(
        &self,
        scene: usize,
        anchor: Option<usize>,
        zoom: f32,
        angle: f32,
        rect: [usize; 4],
        canvas: &mut [f32],
        faces: &mut Vec<Marked>,
        random: &mut Random,
    ) {
        let s = &self.scenes[scene];
        let (focus, size) = match anchor {
            Some(i) => {
                let [x, y, w, h] = s.faces[i].bbox;
                ([x + w / 2.0, y + h / 2.0], (w * h).sqrt() * zoom)
            }
            None => ([random.unit() * s.width as f32, random.unit() * s.height as f32], 0.0),
        };
        let [left, top, width, height] = rect.map(|v| v as f32);
        let mut place = |start: f32, length: f32| {
            let free = (length - size).max(0.0) / 2.0 + 0.08 * size;
            start + length / 2.0 + random.between(-1.0, 1.0) * free
        };
        let target = [place(left, width), place(top, height)];
        let placed = Placed { focus, target, zoom, angle, flip: random.chance(0.5), coarse: 1 };
        self.draw(s, &placed, rect, canvas);
        for face in &s.faces {
            let mut face = placed.face(face);
            let [x, y, w, h] = face.bbox;
            let seen = |start: f32, length: f32, low: f32, extent: f32| {
                ((start + length).min(low + extent) - start.max(low)).max(0.0) / length.max(1e-3)
            };
            let share = seen(x, w, left, width) * seen(y, h, top, height);
            if share < 0.15 {
                continue;
            }
            face.sure &= share > 0.6 && (w * h).sqrt() >= 8.0;
            faces.push(face);
        }
    }
}

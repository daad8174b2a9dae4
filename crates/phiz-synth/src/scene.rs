//! Heads on shoulders before a backdrop, with the truth about each.

use phiz_image::{Image, Similarity};

use crate::backdrop;
use crate::canvas::{Canvas, mix, smoothstep};
use crate::error::SynthError;
use crate::model::{FaceModel, Frame, Head};
use crate::people::{Look, Person};
use crate::random::{Noise, Random};
use crate::spline::{POINTS, Spline};

/// What a scene shall hold.
#[derive(Clone, Debug)]
pub struct SceneOptions {
    /// Columns in pixels.
    pub width: u32,
    /// Rows in pixels.
    pub height: u32,
    /// Seeds of the people, one face each; the same person may come twice.
    pub people: Vec<u64>,
    /// Smallest and largest height of a face box in pixels. Where the faces do not fit beside each other the larger
    /// ones become smaller, but none than the first number.
    pub face_height: (f32, f32),
    /// Heads lean by up to so many degrees to either side.
    pub roll: f32,
    /// Standard deviation of the camera's noise in grey levels.
    pub noise: f32,
}

impl Default for SceneOptions {
    /// 640×480, nobody, faces of 40 to 160 pixels, leaning up to 15 degrees.
    fn default() -> SceneOptions {
        SceneOptions {
            width: 640,
            height: 480,
            people: Vec::new(),
            face_height: (40.0, 160.0),
            roll: 15.0,
            noise: 2.5,
        }
    }
}

/// One face of a scene.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    /// The person's seed.
    pub person: u64,
    /// `[x, y, w, h]` in pixels, from the hairline to the chin; wholly inside of the scene.
    pub bbox: [f32; 4],
    /// Right eye, left eye, nose, right and left corner of the mouth, the person's right first, in pixels.
    pub landmarks: [[f32; 2]; POINTS],
}

/// A picture and the truth about it.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The picture.
    pub image: Image,
    /// In the order of [`SceneOptions::people`].
    pub faces: Vec<Truth>,
}

/// The largest scene, in pixels: enough for any test.
const MOST_PIXELS: u64 = 50_000_000;

impl Scene {
    /// The scene of a seed. The same arguments give the same scene.
    ///
    /// # Errors
    /// No pixels or more than 50 million, a range of heights that is empty or begins under 8 pixels, or more faces
    /// than fit.
    pub fn compose(model: &FaceModel, options: &SceneOptions, seed: u64) -> Result<Scene, SynthError> {
        let pixels = u64::from(options.width) * u64::from(options.height);
        if pixels == 0 || pixels > MOST_PIXELS {
            return Err(SynthError::Scene(format!("{}×{} pixels", options.width, options.height)));
        }
        let (low, high) = options.face_height;
        if !(low >= 8.0 && high >= low && high.is_finite()) {
            return Err(SynthError::Scene(format!("faces of {low} to {high} pixels; the least is 8")));
        }
        let mut random = Random::new(seed, 3);
        let (width, height) = (options.width as usize, options.height as usize);
        let mut canvas = backdrop::paint(width, height, &mut random);
        let faces = figures(model, options, &mut random)?;
        for figure in &faces {
            figure.draw(&mut canvas, &mut random);
        }
        let light = [random.between(0.85, 1.1), random.between(0.85, 1.1)];
        for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
            let across = (i % width) as f32 / width as f32;
            let gain = light[0] + (light[1] - light[0]) * across;
            *pixel = pixel.map(|v| v * gain + options.noise * random.normal(4.0));
        }
        let truth = |person| faces.iter().find(|figure| figure.position == person).map(|f| f.truth.clone());
        let faces = (0..options.people.len()).filter_map(truth).collect();
        Ok(Scene { image: canvas.finish()?, faces })
    }

    /// A photo of one person who nearly fills it: `size` × `size` pixels, the face about half of its height.
    ///
    /// # Errors
    /// A size under 32 pixels or over 7,000.
    pub fn portrait(model: &FaceModel, person: u64, size: u32, seed: u64) -> Result<Scene, SynthError> {
        let side = size as f32;
        let face_height = (0.4 * side, 0.55 * side);
        let options = SceneOptions {
            width: size,
            height: size,
            people: vec![person],
            face_height,
            ..SceneOptions::default()
        };
        Scene::compose(model, &options, seed)
    }

    /// The scene's faces as 112×112 crops, aligned as embedders want them, by the true landmarks.
    #[must_use]
    pub fn aligned(&self) -> Vec<Image> {
        // The frame is the template at another scale: 24 pixels between the eyes instead of 35.2372.
        let scale = 35.2372 / 24.0;
        let template = Frame::template().map(|[x, y]| [(x - 40.0) * scale + 56.0, (y - 46.0) * scale + 52.1]);
        let align = |face: &Truth| Similarity::estimate(&face.landmarks, &template);
        self.faces.iter().filter_map(align).map(|to| self.image.warp(&to, 112, 112)).collect()
    }
}

/// A face box's middle and height in pixels.
#[derive(Clone, Copy, Debug)]
struct Place {
    x: f32,
    y: f32,
    height: f32,
}

/// A place for each face, so that no head covers another's face and every box lies inside.
fn places(options: &SceneOptions, model: &FaceModel, random: &mut Random) -> Result<Vec<Place>, SynthError> {
    let (low, high) = options.face_height;
    let (width, height) = (options.width as f32, options.height as f32);
    let aspect = model.bbox[2] / model.bbox[3];
    // What a head takes around its face box, in heights of the box: hair, and lean.
    let half = [0.5 * aspect + 0.22, 0.5 + 0.3];
    // Each attempt is content with smaller faces than the one before.
    for attempt in 0..24 {
        let ceiling = high * 0.85f32.powi(attempt);
        if ceiling < low {
            break;
        }
        let mut places: Vec<Place> = Vec::new();
        for _ in 0..options.people.len() * 60 {
            if places.len() == options.people.len() {
                break;
            }
            let size = low * (ceiling / low).powf(random.unit());
            let (mx, my) = (half[0] * size, half[1] * size);
            let (x, y) = (random.between(mx, width - mx), random.between(my, height - my));
            let inside = mx < width - mx && my < height - my;
            let free = places.iter().all(|other| {
                let (dx, dy) = ((x - other.x).abs(), y - other.y);
                dx > half[0] * (size + other.height) || dy.abs() > half[1] * (size + other.height)
            });
            if inside && free {
                places.push(Place { x, y, height: size });
            }
        }
        if places.len() == options.people.len() {
            return Ok(places);
        }
    }
    let (faces, w, h) = (options.people.len(), options.width, options.height);
    Err(SynthError::Scene(format!("{faces} faces of at least {low} pixels do not fit into {w}×{h}")))
}

/// Everybody, in the order in which they are drawn: whose head is lower stands nearer. Bodies hang below heads, so
/// that nobody covers a face, whoever is larger.
fn figures(
    model: &FaceModel,
    options: &SceneOptions,
    random: &mut Random,
) -> Result<Vec<Figure>, SynthError> {
    let mut figures = Vec::new();
    for (position, place) in places(options, model, random)?.into_iter().enumerate() {
        let look = Look::new(model, random.bits(), options.roll.to_radians());
        let person = Person::new(model, options.people[position]);
        figures.push((place.y, Figure::new(model, &person, look, place, position)));
    }
    figures.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(figures.into_iter().map(|(_, figure)| figure).collect())
}

/// Somebody at a place.
struct Figure {
    /// In [`SceneOptions::people`].
    position: usize,
    person: Person,
    look: Look,
    head: Head,
    /// Frame to scene.
    to_scene: Similarity,
    truth: Truth,
}

impl Figure {
    fn new(model: &FaceModel, person: &Person, look: Look, place: Place, position: usize) -> Figure {
        let head = sharpen(model.head(&person.identity, &look.nuisance));
        let scale = place.height / model.bbox[3];
        let (a, b) = (scale * look.roll.cos(), scale * look.roll.sin());
        let middle = [model.bbox[0] + 0.5 * model.bbox[2], model.bbox[1] + 0.5 * model.bbox[3]];
        let turned = Similarity { a, b, tx: 0.0, ty: 0.0 }.apply(middle);
        let to_scene = Similarity { a, b, tx: place.x - turned[0], ty: place.y - turned[1] };
        let (w, h) = (model.bbox[2] * scale, place.height);
        let bbox = [place.x - 0.5 * w, place.y - 0.5 * h, w, h];
        let landmarks = head.shape.map(|point| to_scene.apply(point));
        let truth = Truth { person: person.seed, bbox, landmarks };
        Figure { position, person: person.clone(), look, head, to_scene, truth }
    }

    fn draw(&self, canvas: &mut Canvas, random: &mut Random) {
        let (Some(to_frame), Some(to_mean)) =
            (self.to_scene.inverse(), Spline::through(&self.head.shape, &self.head.mean))
        else {
            return;
        };
        self.draw_body(canvas, &to_frame, Noise(random.bits()));
        let scale = self.to_scene.scale();
        // Where the frame is finer than the scene, several samples a pixel.
        let samples = ((1.0 / scale).ceil() as usize).clamp(1, 4);
        canvas.lay(self.around(1.0), |x, y| {
            let (mut sum, mut weight) = ([0.0f32; 3], 0.0);
            for k in 0..samples * samples {
                let step = |i: usize| (i as f32 + 0.5) / samples as f32 - 0.5;
                let at = to_frame.apply([x + step(k % samples), y + step(k / samples)]);
                let at = to_mean.apply(at);
                let opacity = smoothstep(1.0, 0.84, Frame::radius(at));
                if opacity > 0.0 {
                    let colour = self.lit(cubic(&self.head.pixels, at));
                    sum = [0, 1, 2].map(|c| sum[c] + opacity * colour[c]);
                    weight += opacity;
                }
            }
            (sum.map(|s| s / weight.max(1e-6)), weight / (samples * samples) as f32)
        });
    }

    /// Shoulders, neck, and the hair behind the head.
    fn draw_body(&self, canvas: &mut Canvas, to_frame: &Similarity, noise: Noise) {
        let skin = self.lit(self.average(|[x, y]| (30.0..50.0).contains(&x) && (62.0..84.0).contains(&y)));
        let hair = self.lit(self.average(|at| at[1] < 16.0 && Frame::radius(at) < 0.97));
        let clothes = self.look.clothes;
        // Bodies stand upright: only the head leans.
        let scale = self.to_scene.scale();
        let chin = self.to_scene.apply([40.0, 88.0]);
        let upright = |x: f32, y: f32| [(x - chin[0]) / scale, (y - chin[1]) / scale];
        let below =
            [chin[0] - 80.0 * scale, chin[1] - 20.0 * scale, chin[0] + 80.0 * scale, canvas.height as f32];
        canvas.lay(below, |x, y| {
            let [u, v] = upright(x, y);
            let neck = smoothstep(16.5, 14.0, u.abs()) * smoothstep(30.0, 26.0, v);
            // Round shoulders that turn into straight sides.
            let rim = 12.0 + 46.0 * (1.0 - (1.0 - (u.abs() / 62.0).min(1.0).powi(2)).sqrt());
            let cloth = smoothstep(rim - 1.5, rim + 1.5, v) * smoothstep(62.0, 60.0, u.abs());
            let folds = 0.8 + 0.4 * noise.fractal(u * 0.05, v * 0.05);
            let shadow = 0.62 + 0.2 * smoothstep(0.0, 20.0, v);
            let collar = smoothstep(9.0, 12.0, (u / 1.4).hypot(v - 6.0) - 2.0);
            let shown = mix(skin.map(|c| c * shadow), clothes.map(|c| c * folds), cloth * collar);
            (shown, neck.max(cloth))
        });
        let volume = 24.0 * self.person.hair_volume;
        let bottom = 46.0 + 24.0 * self.person.hair_length;
        let grain = Noise(self.person.seed);
        canvas.lay(self.around(1.4), |x, y| {
            let [u, v] = to_frame.apply([x, y]);
            let dx = (u - 40.0) / (35.0 + volume);
            let dy = if v < 44.0 { (v - 44.0) / (42.0 + volume) } else { 0.3 * (v - 44.0) / (42.0 + volume) };
            let inside = smoothstep(1.0, 0.9, dx.hypot(dy)) * smoothstep(bottom + 4.0, bottom - 4.0, v);
            let strands = 0.7 + 0.6 * grain.fractal(u * 0.6, v * 0.08);
            (hair.map(|c| c * strands), inside)
        });
    }

    fn lit(&self, colour: [f32; 3]) -> [f32; 3] {
        [0, 1, 2].map(|k| colour[k] * self.look.gain[k])
    }

    /// Mean colour of a part of the head.
    fn average(&self, part: impl Fn([f32; 2]) -> bool) -> [f32; 3] {
        let (mut sum, mut count) = ([0.0; 3], 0.0f32);
        for (i, pixel) in self.head.pixels.iter().enumerate() {
            if part([(i % Frame::WIDTH) as f32 + 0.5, (i / Frame::WIDTH) as f32 + 0.5]) {
                sum = [0, 1, 2].map(|k| sum[k] + pixel[k]);
                count += 1.0;
            }
        }
        sum.map(|s| s / count.max(1.0))
    }

    /// A rectangle of the scene that holds the head, grown by a factor.
    fn around(&self, factor: f32) -> [f32; 4] {
        let [x, y] = self.to_scene.apply([40.0, 48.0]);
        let reach = factor * 66.0 * self.to_scene.scale();
        [x - reach, y - reach, x + reach, y + reach]
    }
}

/// Linear models are soft, because they average over what landmarks do not align: some contrast goes back in.
fn sharpen(mut head: Head) -> Head {
    let soft = head.pixels.clone();
    let (w, h) = (Frame::WIDTH, Frame::HEIGHT);
    for j in 1..h - 1 {
        for i in 1..w - 1 {
            let at = j * w + i;
            let around = [at - w, at + w, at - 1, at + 1].map(|neighbour| soft[neighbour]);
            head.pixels[at] = [0, 1, 2].map(|k| {
                let sum: f32 = around.iter().map(|pixel| pixel[k]).sum();
                soft[at][k] + 0.9 * (soft[at][k] - 0.25 * sum)
            });
        }
    }
    head
}

/// Catmull-Rom interpolation: bilinear shows the frame's pixels as diamonds on large faces.
fn cubic(pixels: &[[f32; 3]], [x, y]: [f32; 2]) -> [f32; 3] {
    let (x, y) = (x - 0.5, y - 0.5);
    let (i, j) = (x.floor(), y.floor());
    let weights = |t: f32| {
        let (t2, t3) = (t * t, t * t * t);
        [
            0.5 * (-t3 + 2.0 * t2 - t),
            0.5 * (3.0 * t3 - 5.0 * t2 + 2.0),
            0.5 * (-3.0 * t3 + 4.0 * t2 + t),
            0.5 * (t3 - t2),
        ]
    };
    let clamp = |v: f32, n: usize| v.clamp(0.0, (n - 1) as f32) as usize;
    let (across, down) = (weights(x - i), weights(y - j));
    let mut sum = [0.0; 3];
    for (n, wy) in down.iter().enumerate() {
        let row = clamp(j + n as f32 - 1.0, Frame::HEIGHT) * Frame::WIDTH;
        for (m, wx) in across.iter().enumerate() {
            let pixel = pixels[row + clamp(i + m as f32 - 1.0, Frame::WIDTH)];
            sum = [0, 1, 2].map(|k| sum[k] + wx * wy * pixel[k]);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::{Scene, SceneOptions, figures};
    use crate::backdrop;
    use crate::model::FaceModel;
    use crate::random::Random;

    fn crowd(people: u64) -> SceneOptions {
        SceneOptions {
            width: 600,
            height: 400,
            people: (0..people).collect(),
            face_height: (30.0, 90.0),
            ..SceneOptions::default()
        }
    }

    #[test]
    fn a_seed_gives_one_scene_and_another_seed_another() {
        let model = FaceModel::bundled();
        let [a, b, c] = [7, 7, 8].map(|seed| Scene::compose(model, &crowd(3), seed).unwrap());
        assert!(a.image == b.image && a.faces == b.faces);
        assert!(a.image != c.image && a.faces != c.faces);
        let people: Vec<u64> = a.faces.iter().map(|face| face.person).collect();
        assert_eq!(people, [0, 1, 2], "in the order of the options, whoever stands nearer");
    }

    #[test]
    fn boxes_lie_inside_hold_their_landmarks_and_keep_apart() {
        for seed in 0..8 {
            let scene = Scene::compose(FaceModel::bundled(), &crowd(8), seed).unwrap();
            assert_eq!(scene.faces.len(), 8);
            for (i, face) in scene.faces.iter().enumerate() {
                let [x, y, w, h] = face.bbox;
                assert!(x >= 0.0 && y >= 0.0 && x + w <= 600.0 && y + h <= 400.0, "{:?}", face.bbox);
                assert!((29.9..=90.1).contains(&h) && w < h, "{:?}", face.bbox);
                for [u, v] in face.landmarks {
                    assert!(u > x && u < x + w && v > y && v < y + h, "{u} {v} outside of {:?}", face.bbox);
                }
                for other in &scene.faces[..i] {
                    let [p, q, r, s] = other.bbox;
                    assert!(
                        x + w < p || p + r < x || y + h < q || q + s < y,
                        "{:?} {:?}",
                        face.bbox,
                        other.bbox
                    );
                }
            }
        }
    }

    /// A larger person above a smaller one once stood before them, face and all.
    #[test]
    fn nobody_covers_a_face() {
        let model = FaceModel::bundled();
        for seed in 0..8 {
            let mut random = Random::new(seed, 3);
            let mut canvas = backdrop::paint(600, 400, &mut random);
            let figures = figures(model, &crowd(8), &mut random).unwrap();
            let at = |[x, y]: [f32; 2]| y as usize * 600 + x as usize;
            let mut drawn = Vec::new();
            for figure in &figures {
                figure.draw(&mut canvas, &mut random);
                drawn.push(figure.truth.landmarks.map(|point| canvas.pixels[at(point)]));
            }
            for (figure, drawn) in figures.iter().zip(drawn) {
                let last = figure.truth.landmarks.map(|point| canvas.pixels[at(point)]);
                assert_eq!(last, drawn, "seed {seed}: somebody stands before {:?}", figure.truth.bbox);
            }
        }
    }

    #[test]
    fn what_cannot_be_composed_says_why() {
        let model = FaceModel::bundled();
        let fine = crowd(2);
        for (options, says) in [
            (SceneOptions { width: 0, ..fine.clone() }, "0×400"),
            (SceneOptions { width: 100_000, height: 100_000, ..fine.clone() }, "100000×100000"),
            (SceneOptions { face_height: (4.0, 9.0), ..fine.clone() }, "the least is 8"),
            (SceneOptions { face_height: (40.0, 30.0), ..fine.clone() }, "40 to 30"),
            (SceneOptions { face_height: (40.0, f32::NAN), ..fine.clone() }, "NaN"),
            (SceneOptions { people: vec![1; 500], ..fine.clone() }, "500 faces"),
            (SceneOptions { face_height: (390.0, 395.0), ..fine.clone() }, "do not fit"),
        ] {
            let error = Scene::compose(model, &options, 1).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn aligned_crops_are_the_size_that_embedders_read() {
        let portrait = Scene::portrait(FaceModel::bundled(), 3, 128, 5).unwrap();
        let [crop] = &portrait.aligned()[..] else { panic!("one face") };
        assert_eq!((crop.width(), crop.height()), (112, 112));
    }
}

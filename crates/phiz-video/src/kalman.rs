//! Where a face will be: a Kalman filter of constant velocity on the centre and the size of its box.
//!
//! The four numbers (centre, width, height) are filtered each by itself: their errors hardly depend on each other, and four
//! filters of two states are a page where one of eight is a library. All noise is in shares of the face's size, so that near
//! and far faces are treated alike.

/// One number that moves: its value and velocity, and how sure both are.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    value: f64,
    velocity: f64,
    /// Variance of the value, covariance, variance of the velocity.
    p: [f64; 3],
}

impl Axis {
    fn new(value: f64, noise: f64, speed: f64) -> Axis {
        Axis { value, velocity: 0.0, p: [noise * noise, 0.0, speed * speed] }
    }

    /// White noise of acceleration.
    fn predict(&mut self, dt: f64, acceleration: f64) {
        self.value += self.velocity * dt;
        let [a, b, c] = self.p;
        let q = acceleration * acceleration;
        self.p = [
            a + 2.0 * b * dt + c * dt * dt + q * dt.powi(4) / 4.0,
            b + c * dt + q * dt.powi(3) / 2.0,
            c + q * dt * dt,
        ];
    }

    fn update(&mut self, measured: f64, noise: f64) {
        let [a, b, c] = self.p;
        let s = a + noise * noise;
        let (gain, slope) = (a / s, b / s);
        let off = measured - self.value;
        self.value += gain * off;
        self.velocity += slope * off;
        self.p = [(1.0 - gain) * a, (1.0 - gain) * b, c - slope * b];
    }
}

/// How far a detector's boxes jump about, as a share of the face's size.
const JITTER: f64 = 0.06;
/// How fast an unknown face may be, in its sizes a second.
const SPEED: f64 = 3.0;
/// How fast a face changes its velocity: its sizes a second, a second.
const ACCELERATION: f64 = 8.0;
/// The same for the box's sides, which change more slowly.
const GROWTH: f64 = 1.5;

/// The motion of one face.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Motion {
    axes: [Axis; 4],
    time: f64,
}

impl Motion {
    pub(crate) fn new(bbox: [f32; 4], time: f64) -> Motion {
        let [x, y, w, h] = centred(bbox);
        let size = (w * h).sqrt().max(1.0);
        let place = |value| Axis::new(value, JITTER * size, SPEED * size);
        let side = |value| Axis::new(value, JITTER * size, 0.5 * size);
        Motion { axes: [place(x), place(y), side(w), side(h)], time }
    }

    fn size(&self) -> f64 {
        (self.axes[2].value.max(1.0) * self.axes[3].value.max(1.0)).sqrt()
    }

    /// Brings the motion to a time that is not before the last one.
    pub(crate) fn predict(&mut self, time: f64) {
        let dt = (time - self.time).clamp(0.0, 2.0);
        let size = self.size();
        for (axis, acceleration) in self.axes.iter_mut().zip([ACCELERATION, ACCELERATION, GROWTH, GROWTH]) {
            axis.predict(dt, acceleration * size);
        }
        // A box neither vanishes nor grows without end while nobody looks.
        for axis in &mut self.axes[2..] {
            axis.value = axis.value.clamp(0.7 * size, 1.4 * size).max(1.0);
        }
        self.time = self.time.max(time);
    }

    /// Takes a box that was found at the time of the last prediction.
    pub(crate) fn update(&mut self, bbox: [f32; 4]) {
        let noise = JITTER * self.size();
        for (axis, value) in self.axes.iter_mut().zip(centred(bbox)) {
            axis.update(value, noise);
        }
    }

    /// Nobody sees it: its sides stay as they are. Whoever goes behind somebody seems to shrink just before, and would go on to
    /// shrink out of sight.
    pub(crate) fn hold_size(&mut self) {
        self.axes[2..].iter_mut().for_each(|axis| axis.velocity = 0.0);
    }

    /// The box, `[x, y, w, h]`.
    pub(crate) fn bbox(&self) -> [f32; 4] {
        let [x, y, w, h] = self.axes.map(|axis| axis.value);
        [x - w / 2.0, y - h / 2.0, w, h].map(|v| v as f32)
    }

    /// How far a box's centre is from the expected one, in standard deviations of both together.
    pub(crate) fn distance(&self, bbox: [f32; 4]) -> f64 {
        let noise = JITTER * self.size();
        let measured = centred(bbox);
        let square = |i: usize| {
            let axis = &self.axes[i];
            (measured[i] - axis.value).powi(2) / (axis.p[0] + noise * noise)
        };
        (square(0) + square(1)).sqrt()
    }

    /// How far the face has moved since it was last found, as a share of its size, by the velocity that it had.
    pub(crate) fn drift(&self, seconds: f64) -> f64 {
        self.axes[0].velocity.hypot(self.axes[1].velocity) * seconds / self.size()
    }
}

fn centred([x, y, w, h]: [f32; 4]) -> [f64; 4] {
    [x + w / 2.0, y + h / 2.0, w, h].map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shrank_while_going_behind_somebody_does_not_shrink_out_of_sight() {
        let mut motion = Motion::new([100.0, 100.0, 60.0, 60.0], 0.0);
        for i in 1..=6 {
            motion.predict(f64::from(i) / 10.0);
            let hidden = 6.0 * i as f32;
            motion.update([100.0 + 6.0 * i as f32, 100.0, 60.0 - hidden, 60.0]);
        }
        let before = motion.bbox();
        for i in 7..=40 {
            motion.hold_size();
            motion.predict(f64::from(i) / 10.0);
        }
        let after = motion.bbox();
        assert!(
            (after[2] - before[2]).abs() < 8.0 && (after[3] - before[3]).abs() < 8.0,
            "{before:?} {after:?}"
        );
        assert!(after[0] > before[0] + 50.0, "it walks on: {before:?} {after:?}");
    }

    #[test]
    fn a_steady_walk_is_foreseen() {
        let at = |t: f64| [(100.0 + 60.0 * t) as f32, (50.0 - 10.0 * t) as f32, 40.0, 50.0];
        let mut motion = Motion::new(at(0.0), 0.0);
        for i in 1..=10 {
            let time = f64::from(i) / 10.0;
            motion.predict(time);
            motion.update(at(time));
        }
        motion.predict(1.5);
        let (seen, true_box) = (motion.bbox(), at(1.5));
        assert!(seen.iter().zip(true_box).all(|(a, b)| (a - b).abs() < 4.0), "{seen:?} {true_box:?}");
        assert!(motion.distance(true_box) < 1.0 && motion.distance([400.0, 50.0, 40.0, 50.0]) > 4.0);
    }

    #[test]
    fn the_longer_nobody_looks_the_less_is_sure() {
        let bbox = [100.0, 50.0, 40.0, 50.0];
        let away = [160.0, 50.0, 40.0, 50.0];
        let mut motion = Motion::new(bbox, 0.0);
        for i in 1..10 {
            motion.predict(f64::from(i) / 10.0);
            motion.update(bbox);
        }
        motion.predict(1.0);
        let soon = motion.distance(away);
        motion.predict(2.0);
        assert!(soon > 4.0 && motion.distance(away) < soon / 3.0);
        assert_eq!(motion.drift(1.0).round(), 0.0);
    }
}

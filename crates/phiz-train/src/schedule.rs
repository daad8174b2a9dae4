//! How the learning rate moves over a stage.

use serde::{Deserialize, Serialize};

/// Up from zero over `warmup` steps, then as `shape` says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Schedule {
    /// Highest learning rate.
    pub rate: f64,
    /// Steps of the rise.
    pub warmup: u64,
    /// Steps in all.
    pub steps: u64,
    /// Fraction of the steps over which the rate falls, at the end; 1 falls from the beginning.
    #[serde(default = "Schedule::default_fall")]
    pub fall: f64,
    /// The way of the fall.
    #[serde(default)]
    pub shape: Shape,
}

/// The way in which a learning rate falls. `t` runs from 0 to 1 over the falling part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Shape {
    /// `(1 + cos πt) / 2` (Loshchilov and Hutter 2017).
    #[default]
    Cosine,
    /// `(1 − t)^power`; power 1 is a straight line.
    Polynomial {
        /// The exponent.
        power: f64,
    },
    /// Times `factor` after every `every` of the falling part: `{ every = 0.25, factor = 0.1 }` falls three times.
    Step {
        /// Length of a tread as a fraction of the falling part.
        every: f64,
        /// What each step multiplies by.
        factor: f64,
    },
    /// Smith's one cycle (2018): up from `rate / begin` along a half cosine, down to `rate / (begin · end)`.
    /// The rise takes the place of the linear warm-up and takes the steps that do not fall.
    OneCycle {
        /// Divides the highest rate at the beginning.
        begin: f64,
        /// Divides the first rate at the end.
        end: f64,
    },
}

impl Schedule {
    fn default_fall() -> f64 {
        1.0
    }

    /// The learning rate of step `step`, counted from 0.
    #[must_use]
    pub fn at(&self, step: u64) -> f64 {
        let falling = (self.steps as f64 * self.fall).max(1.0);
        let before = self.steps as f64 - falling;
        let t = ((step as f64 - before) / falling).clamp(0.0, 1.0);
        let half_cosine =
            |from: f64, to: f64, t: f64| to + (from - to) * 0.5 * (1.0 + (t * std::f64::consts::PI).cos());
        if let Shape::OneCycle { begin, end } = self.shape {
            let low = self.rate / begin;
            let rise = (step as f64 / before.max(1.0)).min(1.0);
            let up = half_cosine(low, self.rate, rise);
            return if (step as f64) < before { up } else { half_cosine(self.rate, low / end, t) };
        }
        if step < self.warmup {
            return self.rate * (step + 1) as f64 / self.warmup as f64;
        }
        self.rate
            * match self.shape {
                Shape::Cosine | Shape::OneCycle { .. } => half_cosine(1.0, 0.0, t),
                Shape::Polynomial { power } => (1.0 - t).powf(power),
                Shape::Step { every, factor } => factor.powf((t / every + 1e-9).floor()),
            }
    }

    /// What is wrong with the numbers, if anything.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let wrong = |what: &str| Some(format!("schedule.{what}"));
        if self.steps == 0 {
            return wrong("steps must be positive");
        }
        if !(self.rate > 0.0 && self.rate.is_finite()) {
            return wrong("rate must be a positive number");
        }
        if !(0.0..=1.0).contains(&self.fall) {
            return wrong("fall must be a fraction from 0 to 1");
        }
        match self.shape {
            Shape::Step { every, factor } if !(every > 0.0 && factor > 0.0) => {
                wrong("shape.step needs positive every and factor")
            }
            Shape::Polynomial { power } if power.is_nan() || power <= 0.0 => {
                wrong("shape.polynomial.power must be positive")
            }
            Shape::OneCycle { begin, end } if !(begin >= 1.0 && end >= 1.0) => {
                wrong("shape.one_cycle.begin and .end must be at least 1")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_have_their_known_points() {
        let schedule = |warmup, fall, shape| Schedule { rate: 2.0, warmup, steps: 100, fall, shape };
        let step = Shape::Step { every: 0.25, factor: 0.1 };
        let cycle = Shape::OneCycle { begin: 25.0, end: 1e4 };
        let cases = [
            ("warm-up is linear", schedule(10, 1.0, Shape::Cosine), 4, 1.0),
            ("cosine is half way in the middle", schedule(0, 1.0, Shape::Cosine), 50, 1.0),
            ("level before the fall", schedule(0, 0.5, Shape::Cosine), 40, 2.0),
            ("cosine over the last half", schedule(0, 0.5, Shape::Cosine), 75, 1.0),
            ("a straight line", schedule(0, 1.0, Shape::Polynomial { power: 1.0 }), 25, 1.5),
            ("a parabola", schedule(0, 1.0, Shape::Polynomial { power: 2.0 }), 50, 0.5),
            ("before the first tread ends", schedule(0, 1.0, step), 24, 2.0),
            ("after the first", schedule(0, 1.0, step), 25, 0.2),
            ("after the third", schedule(0, 1.0, step), 99, 0.002),
            ("one cycle begins low", schedule(0, 0.7, cycle), 0, 0.08),
            ("one cycle peaks", schedule(0, 0.7, cycle), 30, 2.0),
            ("one cycle ends lower", schedule(0, 0.7, cycle), 100, 0.08 / 1e4),
        ];
        for (name, schedule, at, expected) in cases {
            let got = schedule.at(at);
            assert!((got - expected).abs() < 1e-9, "{name}: {got}, not {expected}");
            assert_eq!(schedule.fault(), None, "{name}");
        }
        assert!(schedule(0, 1.5, Shape::Cosine).fault().is_some_and(|f| f.contains("fall")));
    }
}

//! How strongly pictures are changed: the `[augment]` part of a recipe.

use serde::{Deserialize, Serialize};

/// How strongly a crop is changed. All are probabilities or largest amounts; zero is none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Strength {
    /// Probability of a mirror image.
    pub flip: f32,
    /// Largest shift in pixels of the 112 px crop.
    pub shift: f32,
    /// Largest relative change of size.
    pub scale: f32,
    /// Largest rotation in degrees.
    pub rotate: f32,
    /// Largest relative change of brightness, contrast and each channel's gain.
    pub colour: f32,
    /// Probability of grey.
    pub grey: f32,
    /// Probability of a coarser picture (sampled at 0.25 to 0.8 of the resolution and enlarged again).
    pub coarse: f32,
    /// Largest standard deviation of noise, in grey levels.
    pub noise: f32,
    /// Probability of an erased rectangle.
    pub erase: f32,
    /// Probability of a picture out of focus.
    #[serde(skip_serializing_if = "is_zero")]
    pub blur: f32,
    /// Probability of a picture blurred by motion.
    #[serde(skip_serializing_if = "is_zero")]
    pub motion: f32,
    /// Probability of a picture in little light: dark, in a cast, with the noise of few photons.
    #[serde(skip_serializing_if = "is_zero")]
    pub dark: f32,
    /// Probability of a strongly compressed JPEG.
    #[serde(skip_serializing_if = "is_zero")]
    pub jpeg: f32,
    /// Probability of a crop that was kept small and squashed (24 to 80 pixels) and is restored, so that small and
    /// native crops of a set look alike.
    #[serde(skip_serializing_if = "is_zero")]
    pub mixed: f32,
    /// Probability of a missing chin band, as crops have that were cut too tightly, so that it is no clue.
    #[serde(skip_serializing_if = "is_zero")]
    pub chin: f32,
    /// Probability of a mask over mouth and nose.
    #[serde(skip_serializing_if = "is_zero")]
    pub mask: f32,
    /// Probability of glasses, of which one pair in four is dark.
    #[serde(skip_serializing_if = "is_zero")]
    pub glasses: f32,
    /// Largest turn of the head to the side in degrees, and twice the largest nod: a rotation in space.
    #[serde(skip_serializing_if = "is_zero")]
    pub turn: f32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(v: &f32) -> bool {
    *v == 0.0
}

/// A turn beyond shows too much that the photo does not hold.
const MOST_TURN: f32 = 40.0;

impl Strength {
    /// Nothing is changed.
    pub const NONE: Strength = Strength {
        flip: 0.0,
        shift: 0.0,
        scale: 0.0,
        rotate: 0.0,
        colour: 0.0,
        grey: 0.0,
        coarse: 0.0,
        noise: 0.0,
        erase: 0.0,
        blur: 0.0,
        motion: 0.0,
        dark: 0.0,
        jpeg: 0.0,
        mixed: 0.0,
        chin: 0.0,
        mask: 0.0,
        glasses: 0.0,
        turn: 0.0,
    };

    /// What is impossible, if anything.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let s = self;
        let chances = [
            ("flip", s.flip),
            ("grey", s.grey),
            ("coarse", s.coarse),
            ("erase", s.erase),
            ("blur", s.blur),
            ("motion", s.motion),
            ("dark", s.dark),
            ("jpeg", s.jpeg),
            ("mixed", s.mixed),
            ("chin", s.chin),
            ("mask", s.mask),
            ("glasses", s.glasses),
        ];
        let amounts = [("shift", s.shift), ("rotate", s.rotate), ("noise", s.noise)];
        let shares = [("scale", s.scale), ("colour", s.colour)];
        let wrong = |of: &[(&str, f32)], most: f32| {
            of.iter().find(|(_, v)| !(0.0..=most).contains(v)).map(|(name, v)| match most {
                1.0 => format!("augment.{name} is {v}, but a probability or share is 0 to 1"),
                _ => format!("augment.{name} is {v}, but an amount is 0 to {most}"),
            })
        };
        if !(0.0..=MOST_TURN).contains(&s.turn) {
            return Some(format!("augment.turn is {}, but a turn is 0 to {MOST_TURN} degrees", s.turn));
        }
        wrong(&chances, 1.0).or_else(|| wrong(&shares, 1.0)).or_else(|| wrong(&amounts, 180.0))
    }

    /// Whether any change is asked for that came later than the first recipes.
    pub(super) fn is_late(&self) -> bool {
        [
            self.blur,
            self.motion,
            self.dark,
            self.jpeg,
            self.mixed,
            self.chin,
            self.mask,
            self.glasses,
            self.turn,
        ]
        .iter()
        .any(|v| *v > 0.0)
    }
}

/// Every change by name, alone and as strong as it gets.
pub const EFFECTS: [(&str, Strength); 18] = [
    ("flip", Strength { flip: 1.0, ..Strength::NONE }),
    ("shift", Strength { shift: 8.0, ..Strength::NONE }),
    ("scale", Strength { scale: 0.15, ..Strength::NONE }),
    ("rotate", Strength { rotate: 15.0, ..Strength::NONE }),
    ("colour", Strength { colour: 0.4, ..Strength::NONE }),
    ("grey", Strength { grey: 1.0, ..Strength::NONE }),
    ("coarse", Strength { coarse: 1.0, ..Strength::NONE }),
    ("noise", Strength { noise: 20.0, ..Strength::NONE }),
    ("erase", Strength { erase: 1.0, ..Strength::NONE }),
    ("blur", Strength { blur: 1.0, ..Strength::NONE }),
    ("motion", Strength { motion: 1.0, ..Strength::NONE }),
    ("dark", Strength { dark: 1.0, ..Strength::NONE }),
    ("jpeg", Strength { jpeg: 1.0, ..Strength::NONE }),
    ("mixed", Strength { mixed: 1.0, ..Strength::NONE }),
    ("chin", Strength { chin: 1.0, ..Strength::NONE }),
    ("mask", Strength { mask: 1.0, ..Strength::NONE }),
    ("glasses", Strength { glasses: 1.0, ..Strength::NONE }),
    ("turn", Strength { turn: 25.0, ..Strength::NONE }),
];

impl Default for Strength {
    fn default() -> Strength {
        Strength {
            flip: 0.5,
            shift: 3.0,
            scale: 0.05,
            rotate: 5.0,
            colour: 0.25,
            grey: 0.1,
            coarse: 0.2,
            noise: 6.0,
            erase: 0.1,
            ..Strength::NONE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_strengths_are_named() {
        for (strength, expected) in [
            (Strength { mask: 1.5, ..Strength::NONE }, "augment.mask"),
            (Strength { colour: -0.1, ..Strength::NONE }, "augment.colour"),
            (Strength { noise: f32::NAN, ..Strength::NONE }, "augment.noise"),
        ] {
            assert!(strength.fault().is_some_and(|f| f.contains(expected)), "{strength:?}");
        }
        assert_eq!(Strength::default().fault(), None);
    }
}

//! Who, and how they look today: coefficients of the face model, drawn from seeds, identity and nuisance apart.

use crate::model::FaceModel;
use crate::random::Random;

/// Beyond so many standard deviations coefficients are drawn again.
const FARTHEST: f32 = 2.2;

/// Somebody who does not exist: the same for the same seed, in every photo.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The number that this person follows from.
    pub seed: u64,
    /// Identity coefficients in standard deviations of the model's components.
    pub identity: Vec<f32>,
    /// How far the hair goes out beyond the head, in eye distances.
    pub hair_volume: f32,
    /// How far the hair comes down beyond the eyes, in eye distances.
    pub hair_length: f32,
}

impl Person {
    /// The person of a seed.
    #[must_use]
    pub fn new(model: &FaceModel, seed: u64) -> Person {
        let mut random = Random::new(seed, 1);
        let identity =
            model.identity.iter().map(|_| model.identity_scale * random.normal(FARTHEST)).collect();
        let long = random.unit() < 0.5;
        Person {
            seed,
            identity,
            hair_volume: random.between(0.02, 0.25),
            hair_length: if long { random.between(1.0, 2.4) } else { random.between(-0.2, 0.3) },
        }
    }
}

/// One photo's share in how a head looks: light, pose, expression, and what the camera adds.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Nuisance coefficients in standard deviations of the model's components.
    pub nuisance: Vec<f32>,
    /// Turn in the picture's plane in radians, clockwise on a screen.
    pub roll: f32,
    /// Factors on red, green and blue.
    pub gain: [f32; 3],
    /// Clothes.
    pub clothes: [f32; 3],
}

impl Look {
    /// A look drawn from a seed, turned by up to `roll` radians to either side.
    #[must_use]
    pub fn new(model: &FaceModel, seed: u64, roll: f32) -> Look {
        let mut random = Random::new(seed, 2);
        let nuisance =
            model.nuisance.iter().map(|_| model.nuisance_scale * random.normal(FARTHEST)).collect();
        let light = random.between(0.8, 1.15);
        Look {
            nuisance,
            roll: random.between(-1.0, 1.0) * roll,
            gain: [0; 3].map(|_| light * random.between(0.95, 1.05)),
            clothes: random.colour(),
        }
    }
}

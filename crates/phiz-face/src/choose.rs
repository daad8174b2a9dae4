//! Which face of a photo is meant, where one is needed.

use crate::Detection;

/// A face counts as the one that is meant if it is so many times as large as every other, by [`Detection::size`].
const DOMINANT: f32 = 1.5;

/// Which face of a photo is meant.
///
/// ```
/// use phiz_face::{Choice, ChoiceError, Detection};
/// let face = |x: f32, size: f32| {
///     Detection { bbox: [x, 0.0, size, size], score: 0.9, landmarks: [[x, 0.0]; 5] }
/// };
/// let found = [face(0.0, 50.0), face(100.0, 40.0)];
/// assert_eq!(Choice::Dominant.index(&found), Err(ChoiceError::SeveralFaces { count: 2 }));
/// assert_eq!(Choice::Number(2).index(&found), Ok(1));
/// assert_eq!(Choice::At([120.0, 20.0]).of(&found).unwrap().bbox[0], 100.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Choice {
    /// The only face, or one that is at least half as large again as every other: a photo of one person.
    #[default]
    Dominant,
    /// The largest face, however large the others are.
    Largest,
    /// The face with this number; the largest face, which [`crate::Detector::detect`] returns first, has the number 1.
    Number(usize),
    /// The face at a point `[x, y]`, in pixels of the upright original photo: of those whose box contains it, the one
    /// whose centre is nearest in proportion to its size.
    At([f32; 2]),
}

/// Why no face can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChoiceError {
    /// There is no face at all.
    #[error("no face found")]
    NoFace,
    /// There are several faces of similar size, and nothing says which is meant.
    #[error("{count} faces of similar size where one is needed")]
    SeveralFaces {
        /// How many faces there are, whatever their size.
        count: usize,
    },
    /// There are fewer faces than the number says, or the number is 0.
    #[error(
        "there is no face number {number}: the photo shows {count}, counted from 1 and the largest first"
    )]
    NoSuchNumber {
        /// The number that was given.
        number: usize,
        /// How many faces there are.
        count: usize,
    },
    /// No face is at the point.
    #[error("no face at ({}, {}): the photo shows {count} elsewhere", point[0], point[1])]
    NobodyAt {
        /// The point that was given, in pixels of the upright original photo.
        point: [f32; 2],
        /// How many faces there are.
        count: usize,
    },
}

impl Choice {
    /// The face that is meant.
    ///
    /// # Errors
    /// The same errors as [`Choice::index`].
    pub fn of(self, found: &[Detection]) -> Result<&Detection, ChoiceError> {
        self.index(found).map(|index| &found[index])
    }

    /// The place in `found` of the face that is meant. `found` is in the order of [`crate::Detector::detect`]: largest
    /// first.
    ///
    /// # Errors
    /// No face, several where none is named, or none where the choice points.
    pub fn index(self, found: &[Detection]) -> Result<usize, ChoiceError> {
        let count = found.len();
        let Some(first) = found.first() else {
            return Err(ChoiceError::NoFace);
        };
        match self {
            Choice::Largest => Ok(0),
            Choice::Dominant => match found.get(1) {
                Some(second) if first.size() < DOMINANT * second.size() => {
                    Err(ChoiceError::SeveralFaces { count })
                }
                _ => Ok(0),
            },
            Choice::Number(number) => match number.checked_sub(1).filter(|&index| index < count) {
                Some(index) => Ok(index),
                None => Err(ChoiceError::NoSuchNumber { number, count }),
            },
            Choice::At(point) => {
                let hit = found.iter().enumerate().filter(|(_, d)| contains(&d.bbox, point));
                let nearest = hit.min_by(|(_, a), (_, b)| distance(a, point).total_cmp(&distance(b, point)));
                nearest.map(|(index, _)| index).ok_or(ChoiceError::NobodyAt { point, count })
            }
        }
    }
}

fn contains([left, top, w, h]: &[f32; 4], [x, y]: [f32; 2]) -> bool {
    (*left..=left + w).contains(&x) && (*top..=top + h).contains(&y)
}

/// From a face's centre, in units of its size.
fn distance(face: &Detection, [x, y]: [f32; 2]) -> f32 {
    let [left, top, w, h] = face.bbox;
    (x - left - w / 2.0).hypot(y - top - h / 2.0) / face.size().max(1e-6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faces(boxes: &[[f32; 4]]) -> Vec<Detection> {
        boxes.iter().map(|&bbox| Detection { bbox, score: 0.9, landmarks: [[0.0; 2]; 5] }).collect()
    }

    fn sizes(sizes: &[f32]) -> Vec<Detection> {
        faces(&sizes.iter().map(|&s| [0.0, 0.0, s, s]).collect::<Vec<_>>())
    }

    #[test]
    fn the_one_face_is_the_dominant_one() {
        for (name, choice, found, expected) in [
            ("nobody", Choice::Dominant, sizes(&[]), Err(ChoiceError::NoFace)),
            ("nobody, largest", Choice::Largest, sizes(&[]), Err(ChoiceError::NoFace)),
            ("nobody, first", Choice::Number(1), sizes(&[]), Err(ChoiceError::NoFace)),
            ("nobody, at", Choice::At([0.0, 0.0]), sizes(&[]), Err(ChoiceError::NoFace)),
            ("one", Choice::Dominant, sizes(&[30.0]), Ok(0)),
            ("dominant", Choice::Dominant, sizes(&[90.0, 60.0, 20.0]), Ok(0)),
            ("similar", Choice::Dominant, sizes(&[90.0, 61.0]), Err(ChoiceError::SeveralFaces { count: 2 })),
            ("similar, largest", Choice::Largest, sizes(&[90.0, 61.0]), Ok(0)),
            ("third", Choice::Number(3), sizes(&[90.0, 61.0, 30.0]), Ok(2)),
            (
                "fourth of three",
                Choice::Number(4),
                sizes(&[90.0, 61.0, 30.0]),
                Err(ChoiceError::NoSuchNumber { number: 4, count: 3 }),
            ),
            (
                "number 0",
                Choice::Number(0),
                sizes(&[90.0]),
                Err(ChoiceError::NoSuchNumber { number: 0, count: 1 }),
            ),
        ] {
            assert_eq!(choice.index(&found), expected, "{name}");
        }
    }

    #[test]
    fn a_point_means_the_face_around_it() {
        // A large face, a small one within its box, and one that reaches outside the photo.
        let found =
            faces(&[[100.0, 100.0, 100.0, 100.0], [160.0, 160.0, 30.0, 30.0], [-10.0, 0.0, 30.0, 30.0]]);
        for (point, expected) in [
            ([120.0, 120.0], Ok(0)),
            ([175.0, 175.0], Ok(1)),
            ([150.0, 150.0], Ok(0)),
            ([100.0, 100.0], Ok(0)),
            ([0.0, 29.0], Ok(2)),
            ([60.0, 60.0], Err(ChoiceError::NobodyAt { point: [60.0, 60.0], count: 3 })),
        ] {
            assert_eq!(Choice::At(point).index(&found), expected, "{point:?}");
        }
        assert!(Choice::At([f32::NAN, 0.0]).index(&found).is_err());
    }
}

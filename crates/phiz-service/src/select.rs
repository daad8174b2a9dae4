//! Which of the faces in a photo is meant.

use phiz_face::Detection;

use crate::{Code, Problem};

/// Which of the faces in a photo is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Select {
    /// The only one, or one that is at least 1.5 times as large as every other.
    #[default]
    Only,
    /// The largest.
    Largest,
    /// The face of this number, counted from 1 in the order in which faces are listed (from the largest on).
    Number(usize),
    /// The face at this point `[x, y]`, in pixels of the upright photo; of several the smallest.
    At([f32; 2]),
}

/// A face counts as the only one if it is so many times as large as every other (root of the box's area).
const DOMINANT: f32 = 1.5;

impl Select {
    /// The index of the face that is meant, among faces from the largest to the smallest.
    ///
    /// # Errors
    /// [`Code::NoFace`], [`Code::SeveralFaces`] or [`Code::NoSuchFace`].
    pub fn among(self, found: &[Detection]) -> Result<usize, Problem> {
        if found.is_empty() {
            return Err(Problem::new(
                Code::NoFace,
                "no face found",
                "use a photo with a visible face; --score 0.3 finds unclear ones, --rotate auto turned ones",
            ));
        }
        match self {
            Select::Largest => Ok(0),
            Select::Only => match found {
                [first, second, ..] if first.size() < DOMINANT * second.size() => Err(Problem::new(
                    Code::SeveralFaces,
                    format!("{} faces of similar size where one is needed", found.len()),
                    "say which one is meant: --face 2 takes the second of those that `phiz detect` lists, --at X,Y the \
                     one at that place, --largest the largest",
                )),
                _ => Ok(0),
            },
            Select::Number(number) => {
                (1..=found.len()).contains(&number).then(|| number - 1).ok_or_else(|| {
                    no_such_face(format!("shows {} and no face number {number}", count(found.len())))
                })
            }
            Select::At([x, y]) => {
                let holds = |d: &Detection| {
                    let [left, top, w, h] = d.bbox;
                    (left..=left + w).contains(&x) && (top..=top + h).contains(&y)
                };
                let last = found.iter().rposition(holds);
                last.ok_or_else(|| {
                    no_such_face(format!("shows {}, none of them at {x},{y}", count(found.len())))
                })
            }
        }
    }
}

fn no_such_face(reason: String) -> Problem {
    Problem::new(
        Code::NoSuchFace,
        reason,
        "`phiz detect` lists the photo's faces with their numbers and places",
    )
}

fn count(faces: usize) -> String {
    format!("{faces} {}", if faces == 1 { "face" } else { "faces" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_face_that_is_meant() {
        let found = |sizes: &[f32]| -> Vec<Detection> {
            let face = |(i, size): (usize, &f32)| Detection {
                bbox: [100.0 * i as f32, 0.0, *size, *size],
                score: 0.9,
                landmarks: [[0.0; 2]; 5],
            };
            sizes.iter().enumerate().map(face).collect()
        };
        use Code::{NoFace, NoSuchFace, SeveralFaces};
        for (sizes, select, wanted) in [
            (&[][..], Select::Largest, Err(NoFace)),
            (&[], Select::Number(1), Err(NoFace)),
            (&[30.0], Select::Only, Ok(0)),
            (&[90.0, 50.0, 20.0], Select::Only, Ok(0)),
            (&[90.0, 70.0], Select::Only, Err(SeveralFaces)),
            (&[90.0, 70.0], Select::Largest, Ok(0)),
            (&[90.0, 70.0], Select::Number(2), Ok(1)),
            (&[90.0, 70.0], Select::Number(0), Err(NoSuchFace)),
            (&[90.0, 70.0], Select::Number(3), Err(NoSuchFace)),
            (&[90.0, 70.0], Select::At([110.0, 5.0]), Ok(1)),
            (&[90.0, 70.0], Select::At([95.0, 5.0]), Err(NoSuchFace)),
            (&[150.0, 70.0], Select::At([120.0, 5.0]), Ok(1)),
        ] {
            assert_eq!(select.among(&found(sizes)).map_err(|p| p.code()), wanted, "{sizes:?} {select:?}");
        }
    }
}

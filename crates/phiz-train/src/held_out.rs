//! How well people who were not learnt are told apart, over all pairs of their faces.

use phiz_eval::all_pairs::{all_pairs, silent};
use phiz_eval::{Curve, People, Samples, Templates};

use crate::shards::Faces;
use crate::watch::Figures;

/// Error rates over all pairs of the faces that have a name; `templates` has a row of `dim` numbers for each face.
///
/// None without two photos of a person or without two people, and where a template has no direction.
#[must_use]
pub fn curve(faces: &Faces, templates: &[f32], dim: usize) -> Option<Curve> {
    let rows = templates.chunks_exact(dim.max(1)).enumerate();
    let (people, rows): (Vec<&String>, Vec<&[f32]>) =
        rows.filter_map(|(face, row)| Some((&faces.names()[faces.person(face)?], row))).unzip();
    let samples =
        Samples::complete(Templates::new(dim, rows.concat()).ok()?, People::from_names(people)).ok()?;
    let curve = all_pairs(&samples, 0, &silent).ok()?.curve;
    (curve.genuine() > 0 && curve.impostors() > 0).then_some(curve)
}

/// What a run says of held-out people: the TAR at FAR 1e-3 and 1e-4, each only if there are pairs enough to state it
/// (three times as many as one false match needs), and the equal error rate.
#[must_use]
pub fn figures(curve: &Curve) -> Figures {
    let tar = |far: f64| {
        let point = curve.tar_at_far(far).ok()?.value()?;
        Some((format!("tar_at_far_{far:e}"), point.tar() as f32))
    };
    let equal_error = || Some(("equal_error".to_string(), curve.eer().ok()?.rate as f32));
    [tar(1e-3), tar(1e-4), equal_error()].into_iter().flatten().collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]
mod tests {
    use super::*;
    use crate::shards::{CROP_BYTES, Shard};

    /// `people` times `photos` faces, and a last one of nobody known.
    fn faces(people: usize, photos: usize) -> Faces {
        let folder = tempfile::tempdir().unwrap();
        let mut shard = Shard::default();
        let names = (0..people * photos).map(|i| format!("P{}", i / photos)).chain([String::new()]);
        for (i, person) in names.enumerate() {
            let row = [format!("{i}.jpg"), person, "tune".into()];
            shard.push(&vec![0; CROP_BYTES], &[1.0], row).unwrap();
        }
        shard.write(&folder.path().join("s"), "s").unwrap();
        Faces::open(folder.path(), "tune").unwrap()
    }

    /// Templates on a circle: everybody a degree from the next, photos of one person a hundredth of it apart.
    fn circle(people: usize, photos: usize) -> Vec<f32> {
        let at = |i: usize| ((i / photos) as f32 + (i % photos) as f32 / 100.0).to_radians();
        (0..=people * photos).flat_map(|i| [at(i).cos(), at(i).sin()]).collect()
    }

    #[test]
    fn people_who_lie_apart_are_told_apart_and_nobody_is_no_person() {
        let faces = faces(60, 2);
        let mut templates = circle(60, 2);
        // The face without a name lies on somebody: if it counted as another person, it would be a false match.
        let last = templates.len() - 2;
        templates.copy_within(0..2, last);
        let curve = curve(&faces, &templates, 2).unwrap();
        assert_eq!((curve.genuine(), curve.impostors()), (60, 120 * 119 / 2 - 60));
        let said = figures(&curve);
        assert_eq!(said, [("tar_at_far_1e-3".to_string(), 1.0), ("equal_error".to_string(), 0.0)]);
    }

    #[test]
    fn what_too_few_pairs_cannot_show_is_not_said() {
        let few = faces(3, 5);
        let said = figures(&curve(&few, &circle(3, 5), 2).unwrap());
        assert_eq!(said, [("equal_error".to_string(), 0.0)]);
        assert!(curve(&faces(1, 5), &circle(1, 5), 2).is_none(), "one person");
        assert!(curve(&faces(5, 1), &circle(5, 1), 2).is_none(), "one photo each");
        assert!(curve(&few, &[f32::NAN; 32], 2).is_none(), "no directions");
    }
}

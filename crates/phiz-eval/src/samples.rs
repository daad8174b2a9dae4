//! Photos as one system saw them: whose each is, and its template, or none when no face was found.
//!
//! Every protocol starts from here, so that a photo without a template is counted everywhere and in
//! the same way (ISO/IEC 19795-1: failure to acquire), instead of quietly leaving the test.

use crate::Result;
use crate::error::{EvalError, same_length};
use crate::templates::{People, Templates};

/// Photos, people and templates of one system.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    photos: Vec<String>,
    people: People,
    templates: Templates,
    /// The photo of each template, rising.
    photo_of: Vec<usize>,
    /// The person of each template.
    person_of: Vec<u32>,
}

impl Samples {
    /// `photos[i]` shows `people.of()[i]`; `templates` hold one row for each photo for which
    /// `acquired[i]` holds, in the same order.
    ///
    /// # Errors
    /// Lists that do not fit each other; a photo named twice.
    pub fn new(photos: Vec<String>, people: People, acquired: &[bool], templates: Templates) -> Result<Self> {
        same_length("photos and people", photos.len(), people.of().len())?;
        same_length("photos and acquired", photos.len(), acquired.len())?;
        let photo_of: Vec<usize> = (0..photos.len()).filter(|&i| acquired[i]).collect();
        same_length("acquired photos and templates", photo_of.len(), templates.len())?;
        let mut names: Vec<&String> = photos.iter().collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|w| w[0] == w[1]) {
            return Err(EvalError::input(
                "photos",
                format!("`{}` is listed twice", twice[0]),
                "list each photo once: compared with itself it would be a perfect genuine pair",
            ));
        }
        let person_of = photo_of.iter().map(|&photo| people.of()[photo]).collect();
        Ok(Self { photos, people, templates, photo_of, person_of })
    }

    /// A template for every photo; photos are numbered.
    ///
    /// # Errors
    /// Lists of different length.
    pub fn complete(templates: Templates, people: People) -> Result<Self> {
        let photos = (0..templates.len()).map(|i| i.to_string()).collect();
        let acquired = vec![true; templates.len()];
        Self::new(photos, people, &acquired, templates)
    }

    /// Names of the photos.
    pub fn photos(&self) -> &[String] {
        &self.photos
    }
    /// Whose each photo is.
    pub fn people(&self) -> &People {
        &self.people
    }
    /// Templates of the photos that have one.
    pub fn templates(&self) -> &Templates {
        &self.templates
    }
    /// The photo of each template, rising.
    pub fn photo_of(&self) -> &[usize] {
        &self.photo_of
    }
    /// The person of each template.
    pub fn person_of(&self) -> &[u32] {
        &self.person_of
    }
    /// Photos without a template.
    pub fn failures(&self) -> usize {
        self.photos.len() - self.photo_of.len()
    }
    /// The template row of each photo.
    pub fn rows(&self) -> Vec<Option<usize>> {
        let mut rows = vec![None; self.photos.len()];
        for (row, &photo) in self.photo_of.iter().enumerate() {
            rows[photo] = Some(row);
        }
        rows
    }
    /// The score of two photos: none when one of them has no template.
    pub fn similarity(&self, rows: &[Option<usize>], a: usize, b: usize) -> Option<f64> {
        self.templates.similarity(rows.get(a).copied()??, rows.get(b).copied()??)
    }
    /// Photos and templates of each person: `(all, acquired)`.
    pub(crate) fn counts(&self) -> (Vec<u64>, Vec<u64>) {
        let (mut all, mut acquired) = (vec![0; self.people.count()], vec![0; self.people.count()]);
        self.people.of().iter().for_each(|&p| all[p as usize] += 1);
        self.person_of.iter().for_each(|&p| acquired[p as usize] += 1);
        (all, acquired)
    }
}

/// Pairs of photos of one person, and of two people, from the photos of each, weighted by how often
/// each person was drawn: `(genuine, impostor)`. Two draws of one person make no pairs with each other.
pub(crate) fn pair_counts(photos: &[u64], weight: impl Fn(usize) -> u64) -> (u64, u64) {
    let (mut genuine, mut sum, mut squares) = (0, 0, 0);
    for (person, &n) in photos.iter().enumerate() {
        let w = weight(person);
        genuine += w * (n * n.saturating_sub(1) / 2);
        sum += w * n;
        squares += (w * n) * (w * n);
    }
    (genuine, (sum * sum - squares) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_keep_their_place() {
        let names = ["1", "2", "3"].map(str::to_owned).to_vec();
        let people = People::from_names(["a", "b", "a"]);
        let templates = Templates::new(2, vec![1.0, 0.0, 0.0, 1.0]).unwrap();
        let samples =
            Samples::new(names.clone(), people.clone(), &[true, false, true], templates.clone()).unwrap();
        assert_eq!((samples.rows(), samples.failures()), (vec![Some(0), None, Some(1)], 1));
        assert_eq!(samples.person_of(), [0, 0]);
        assert_eq!(samples.similarity(&samples.rows(), 0, 2), Some(0.0));
        assert_eq!(samples.similarity(&samples.rows(), 0, 1), None);
        assert_eq!(samples.counts(), (vec![2, 1], vec![2, 0]));
        assert!(Samples::new(names, people.clone(), &[true; 3], templates.clone()).is_err());
        let twice = ["1", "1", "3"].map(str::to_owned).to_vec();
        let error = Samples::new(twice, people, &[true, false, true], templates).unwrap_err();
        assert!(error.to_string().contains("twice"));
    }

    #[test]
    fn pairs_are_counted() {
        assert_eq!(pair_counts(&[3, 2, 0], |_| 1), (4, 6));
        // Person 0 twice, person 1 not at all, person 2 once: 2 × 3 genuine, 2 × 3 × 1 impostors.
        assert_eq!(pair_counts(&[3, 2, 1], |p| [2, 0, 1][p]), (6, 6));
    }
}

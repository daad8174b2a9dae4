//! A set of templates of one model: unit vectors in one block of memory, and whose they are.

use crate::Result;
use crate::error::EvalError;
use std::collections::HashMap;

/// `len` unit vectors of `dim` numbers, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Templates {
    dim: usize,
    data: Vec<f32>,
}

impl Templates {
    /// From `data` of shape `[n, dim]`, row-major. Each row is brought to unit length.
    ///
    /// # Errors
    /// `dim` 0, a length that is no multiple of it, and a row that has no direction (all zero) or
    /// holds NaN or infinity.
    pub fn new(dim: usize, mut data: Vec<f32>) -> Result<Self> {
        if dim == 0 || !data.len().is_multiple_of(dim) {
            return Err(EvalError::input(
                "templates",
                format!("{} numbers do not make rows of {dim}", data.len()),
                "give n × dim numbers, row by row",
            ));
        }
        for (row, values) in data.chunks_exact_mut(dim).enumerate() {
            let length = values.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
            if !length.is_finite() || length < 1e-12 {
                let reason = if length.is_finite() { "is all zero" } else { "holds NaN or infinity" };
                return Err(EvalError::input(
                    format!("template {row} (from 0)"),
                    reason,
                    "leave out photos without a template; they count as failures to acquire",
                ));
            }
            for x in values {
                *x = (f64::from(*x) / length) as f32;
            }
        }
        Ok(Self { dim, data })
    }

    /// How many templates.
    pub fn len(&self) -> usize {
        self.data.len() / self.dim
    }
    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }
    /// Numbers a template.
    pub fn dim(&self) -> usize {
        self.dim
    }
    /// All numbers, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }
    /// One template, or `None` beyond the end.
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        self.data.chunks_exact(self.dim).nth(index)
    }
    /// Cosine similarity of two templates, −1 to 1; `None` beyond the end.
    pub fn similarity(&self, a: usize, b: usize) -> Option<f64> {
        Some(dot(self.row(a)?, self.row(b)?))
    }
    /// The templates at these places, in this order.
    ///
    /// # Errors
    /// A place beyond the end.
    pub fn select(&self, places: &[usize]) -> Result<Self> {
        let mut data = Vec::with_capacity(places.len() * self.dim);
        for &place in places {
            let row = self.row(place).ok_or_else(|| {
                EvalError::input(
                    "template index",
                    format!("{place} of {}", self.len()),
                    "select existing templates",
                )
            })?;
            data.extend_from_slice(row);
        }
        Ok(Self { dim: self.dim, data })
    }
}

/// Cosine of two unit vectors, added in f64 and kept within −1..1.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>().clamp(-1.0, 1.0)
}

/// Whose each sample is: an index into the names of the people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct People {
    of: Vec<u32>,
    names: Vec<String>,
}

impl People {
    /// From a name a sample; people are numbered in the order they first appear.
    pub fn from_names<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut numbers: HashMap<String, u32> = HashMap::new();
        let mut people = Self { of: Vec::new(), names: Vec::new() };
        for name in names {
            let name = name.as_ref();
            let number = match numbers.get(name) {
                Some(&number) => number,
                None => {
                    let number = people.names.len() as u32;
                    numbers.insert(name.to_owned(), number);
                    people.names.push(name.to_owned());
                    number
                }
            };
            people.of.push(number);
        }
        people
    }
    /// The person of each sample.
    pub fn of(&self) -> &[u32] {
        &self.of
    }
    /// How many people.
    pub fn count(&self) -> usize {
        self.names.len()
    }
    /// Names by number.
    pub fn names(&self) -> &[String] {
        &self.names
    }
    /// The samples of each person, by number.
    pub fn samples(&self) -> Vec<Vec<usize>> {
        let mut samples = vec![Vec::new(); self.count()];
        for (sample, &person) in self.of.iter().enumerate() {
            samples[person as usize].push(sample);
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_unit_vectors() {
        let t = Templates::new(2, vec![3.0, 4.0, 0.0, -2.0]).unwrap();
        assert_eq!(t.row(0).unwrap(), [0.6, 0.8]);
        assert!((t.similarity(0, 1).unwrap() + 0.8).abs() < 1e-7);
        assert!(t.similarity(0, 2).is_none() && t.select(&[2]).is_err());
    }

    #[test]
    fn rows_without_direction_are_named() {
        for bad in
            [vec![1.0, 0.0, 0.0, 0.0], vec![1.0, 0.0, f32::NAN, 0.0], vec![1.0, 0.0, f32::INFINITY, 0.0]]
        {
            assert!(Templates::new(2, bad).unwrap_err().to_string().contains("template 1"));
        }
        assert!(Templates::new(0, vec![]).is_err() && Templates::new(3, vec![1.0; 4]).is_err());
    }
}

//! What makes a face comparable.

use std::sync::Arc;

use crate::{ModelId, TemplateError};

/// By how much a template's length may differ from 1: what rounding to 16 bits and back can do.
const LENGTH_TOLERANCE: f64 = 0.01;

/// A unit vector that stands for a face, bound to the model that made it. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    vector: Arc<[f32]>,
    model: ModelId,
}

impl Template {
    /// Binds a vector of length 1 to the model that made it.
    ///
    /// # Errors
    /// [`TemplateError::NotUnit`] if the vector is empty, holds a value that is not finite, or differs from length 1 by
    /// more than 0.01.
    pub fn new(model: ModelId, vector: impl Into<Arc<[f32]>>) -> Result<Template, TemplateError> {
        let vector = vector.into();
        let length = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        // Not a number is in no range.
        if !(1.0 - LENGTH_TOLERANCE..=1.0 + LENGTH_TOLERANCE).contains(&length) {
            let reason = format!("its {} values have the length {length}", vector.len());
            return Err(TemplateError::NotUnit { reason });
        }
        Ok(Template { vector, model })
    }

    /// Brings a vector to length 1 and binds it to the model that made it.
    ///
    /// # Errors
    /// [`TemplateError::NotUnit`] if it has no direction: all values are zero, or one is not finite.
    pub fn normalised(model: ModelId, mut vector: Vec<f32>) -> Result<Template, TemplateError> {
        let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        if !(length.is_finite() && length > 1e-12) {
            return Err(TemplateError::NotUnit { reason: "it has no direction".into() });
        }
        vector.iter_mut().for_each(|value| *value /= length);
        Ok(Template { vector: vector.into(), model })
    }

    /// The unit vector.
    #[must_use]
    pub fn vector(&self) -> &[f32] {
        &self.vector
    }

    /// The model that made it.
    #[must_use]
    pub fn model(&self) -> &ModelId {
        &self.model
    }

    /// Cosine of the angle between two templates, from −1 to 1.
    ///
    /// # Errors
    /// [`TemplateError::OtherModel`] if two models made them; [`TemplateError::NotUnit`] if one model made both but
    /// they differ in length, which only foreign data can do.
    pub fn similarity(&self, other: &Template) -> Result<f32, TemplateError> {
        if self.model != other.model {
            return Err(TemplateError::OtherModel(self.model.clone(), other.model.clone()));
        }
        if self.vector.len() != other.vector.len() {
            let reason = format!("{} values are compared with {}", self.vector.len(), other.vector.len());
            return Err(TemplateError::NotUnit { reason });
        }
        let product: f32 = self.vector.iter().zip(&*other.vector).map(|(a, b)| a * b).sum();
        Ok(product.clamp(-1.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn model(name: &str) -> ModelId {
        ModelId::new(name).unwrap()
    }

    #[test]
    fn only_unit_vectors_are_templates() {
        for (vector, good) in [
            (vec![1.0], true),
            (vec![0.6, 0.8], true),
            (vec![0.605, 0.8], true),
            (vec![], false),
            (vec![0.0, 0.0], false),
            (vec![0.7, 0.8], false),
            (vec![f32::NAN, 1.0], false),
            (vec![f32::INFINITY], false),
        ] {
            assert_eq!(Template::new(model("m"), vector.clone()).is_ok(), good, "{vector:?}");
        }
        assert!(Template::normalised(model("m"), vec![0.0; 4]).is_err());
        assert!(Template::normalised(model("m"), vec![f32::NAN; 4]).is_err());
    }

    #[test]
    fn templates_of_two_models_are_not_compared() {
        let one = Template::new(model("a"), vec![1.0]).unwrap();
        let other = Template::new(model("b"), vec![1.0]).unwrap();
        assert_eq!(one.similarity(&other), Err(TemplateError::OtherModel(model("a"), model("b"))));
        let longer = Template::new(model("a"), vec![1.0, 0.0]).unwrap();
        assert!(one.similarity(&longer).is_err());
    }

    proptest! {
        #[test]
        fn similarity_is_a_cosine(a in prop::collection::vec(-1f32..1.0, 8), b in prop::collection::vec(-1f32..1.0, 8)) {
            let (Ok(a), Ok(b)) = (Template::normalised(model("m"), a), Template::normalised(model("m"), b)) else {
                return Ok(());
            };
            let (ab, ba, aa) = (a.similarity(&b).unwrap(), b.similarity(&a).unwrap(), a.similarity(&a).unwrap());
            prop_assert!((-1.0..=1.0).contains(&ab) && (-1.0..=1.0).contains(&aa));
            prop_assert!((ab - ba).abs() < 1e-6 && (aa - 1.0).abs() < 1e-5);
        }
    }
}

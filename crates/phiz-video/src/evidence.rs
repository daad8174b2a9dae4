//! What many views of one face say together: all templates of a track as one.

use phiz_template::{ModelId, Template};

/// The templates of a track, combined. Each weighs the square of its quality: a blurred profile adds a little, a sharp view
/// from the front a lot, and none is left out.
///
/// The mean of several views is nearer to the person than any of them, while its similarities to other people keep their
/// spread: what the views share is all that is left of them, and it is brought to length 1 again. So the card's rates hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    sum: Vec<f64>,
    model: Option<ModelId>,
    /// Sum of the weights.
    pub(crate) weight: f64,
    /// Views.
    pub(crate) views: u32,
    /// Quality of the best view.
    pub(crate) best: f32,
}

impl Evidence {
    /// Takes a view into account; one of another model is none.
    pub(crate) fn add(&mut self, template: &Template, quality: f32) {
        if self.sum.is_empty() {
            self.sum = vec![0.0; template.vector().len()];
            self.model = Some(template.model().clone());
        }
        if self.model.as_ref() != Some(template.model()) || self.sum.len() != template.vector().len() {
            return;
        }
        let weight = f64::from(quality.clamp(0.05, 1.0)).powi(2);
        self.sum.iter_mut().zip(template.vector()).for_each(|(sum, v)| *sum += weight * f64::from(*v));
        self.weight += weight;
        self.views += 1;
        self.best = self.best.max(quality);
    }

    /// Takes all views of another track of the same person into account.
    pub(crate) fn join(&mut self, other: &Evidence) {
        if self.sum.is_empty() {
            *self = other.clone();
        } else if self.model == other.model && self.sum.len() == other.sum.len() {
            self.sum.iter_mut().zip(&other.sum).for_each(|(sum, v)| *sum += v);
            self.weight += other.weight;
            self.views += other.views;
            self.best = self.best.max(other.best);
        }
    }

    /// All views as one template; none before the first.
    pub(crate) fn template(&self) -> Option<Template> {
        let vector = self.sum.iter().map(|v| *v as f32).collect();
        Template::normalised(self.model.clone()?, vector).ok()
    }

    /// How alike a template is to all views together; none before the first.
    pub(crate) fn similarity(&self, template: &Template) -> Option<f32> {
        self.template()?.similarity(template).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(vector: [f32; 3]) -> Template {
        Template::normalised(ModelId::new("m").unwrap(), vector.to_vec()).unwrap()
    }

    #[test]
    fn good_views_weigh_more_and_none_is_left_out() {
        let (person, noise) = (template([1.0, 0.0, 0.0]), template([0.0, 1.0, 0.0]));
        let mut evidence = Evidence::default();
        assert!(evidence.template().is_none());
        for _ in 0..10 {
            evidence.add(&noise, 0.1);
        }
        evidence.add(&person, 0.9);
        assert!(evidence.similarity(&person).unwrap() > 0.98);
        assert!(evidence.similarity(&noise).unwrap() > 0.1);
        assert_eq!((evidence.views, evidence.best), (11, 0.9));
    }

    #[test]
    fn templates_of_another_model_do_not_count() {
        let mut evidence = Evidence::default();
        evidence.add(&template([1.0, 0.0, 0.0]), 0.5);
        evidence.add(&Template::new(ModelId::new("other").unwrap(), vec![0.0, 1.0, 0.0]).unwrap(), 0.9);
        assert_eq!(evidence.views, 1);
    }
}

//! Parameters of which a step needs some rows only: those stand in the place of the whole while the step is computed, so that
//! neither gradients nor what the optimiser remembers are computed for the others, which stay as they are.

use std::collections::BTreeMap;

use crate::backend::Backend;
use crate::optim::Optimiser;

/// The whole of a parameter whose rows are in use, and what the optimiser remembers of it.
pub(crate) struct Taken<B: Backend> {
    name: String,
    rows: Vec<usize>,
    whole: B::Tensor,
    first: Option<B::Tensor>,
    second: Option<B::Tensor>,
}

impl<B: Backend> Taken<B> {
    /// Puts rows of a parameter into its place. None if there is no such parameter.
    pub(crate) fn new(
        b: &B,
        name: String,
        rows: Vec<usize>,
        tensors: &mut BTreeMap<String, B::Tensor>,
        optimiser: &mut Optimiser<B>,
    ) -> Option<Taken<B>> {
        let whole = tensors.remove(&name)?;
        tensors.insert(name.clone(), b.leaf(&b.rows(&whole, &rows)));
        let part = |all: &mut BTreeMap<String, B::Tensor>| {
            let whole = all.remove(&name)?;
            all.insert(name.clone(), b.rows(&whole, &rows));
            Some(whole)
        };
        let (first, second) = (part(&mut optimiser.first), part(&mut optimiser.second));
        Some(Taken { name, rows, whole, first, second })
    }

    /// Puts the whole back, with these rows as they have become.
    pub(crate) fn put_back(
        self,
        b: &B,
        tensors: &mut BTreeMap<String, B::Tensor>,
        optimiser: &mut Optimiser<B>,
    ) {
        let Taken { name, rows, whole, first, second } = self;
        let shape = b.shape(&whole);
        // What the optimiser does not remember yet of the other rows is nought.
        let nought = || b.constant(&vec![0.0; shape.iter().product()], &shape);
        let back = |all: &mut BTreeMap<String, B::Tensor>, whole: Option<B::Tensor>| {
            if let Some(now) = all.remove(&name) {
                all.insert(name.clone(), b.with_rows(whole.unwrap_or_else(nought), &rows, &now));
            }
        };
        back(&mut optimiser.first, first);
        back(&mut optimiser.second, second);
        back(tensors, Some(whole));
    }
}

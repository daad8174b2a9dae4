//! Error rates of single comparisons and of searches.
//!
//! A *false match rate* (FMR) is the share of pairs of different people that are as similar as this or more; the
//! model's card says which similarity stands for which rate. A search compares with everybody: with `n` people in
//! the gallery a stranger is taken for somebody at the *false positive identification rate* (FPIR, ISO/IEC 19795-1)
//!
//! `FPIR = 1 − (1 − FMR)ⁿ`
//!
//! if the comparisons are independent. They are not wholly: some strangers resemble many. For given mean FMR that
//! only lowers the FPIR (the right side is concave in FMR, Jensen), so the formula errs to the safe side.

use crate::TemplateError;

/// How often a stranger may be taken for a person in the gallery.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// False match rate: in each comparison of two faces.
    Fmr(f64),
    /// False positive identification rate: in each search of the whole gallery, whatever its size.
    Fpir(f64),
}

impl Rate {
    /// The false match rate that each of `people` comparisons may have.
    ///
    /// # Errors
    /// [`TemplateError::Rate`] if the rate is not between 0 and 1, both excluded.
    pub fn fmr(self, people: f64) -> Result<f64, TemplateError> {
        let (Rate::Fmr(rate) | Rate::Fpir(rate)) = self;
        if !(rate > 0.0 && rate < 1.0) {
            return Err(TemplateError::Rate(rate));
        }
        Ok(match self {
            Rate::Fmr(fmr) => fmr,
            Rate::Fpir(fpir) => -((-fpir).ln_1p() / people.max(1.0)).exp_m1(),
        })
    }
}

/// The false positive identification rate of a search among `people`: `1 − (1 − fmr)ⁿ`, see the module's text.
#[must_use]
pub fn fpir(fmr: f64, people: f64) -> f64 {
    -(people * (-fmr).max(-1.0).ln_1p()).exp_m1()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_comparisons_and_searches_are_inverse() {
        for people in [1.0, 2.0, 1000.0, 1e6] {
            for rate in [1e-9, 1e-4, 0.01, 0.5] {
                let fmr = Rate::Fpir(rate).fmr(people).unwrap();
                assert!((fpir(fmr, people) / rate - 1.0).abs() < 1e-6, "{people} {rate}");
                assert!(fmr <= rate);
            }
        }
        assert!((fpir(1e-5, 1000.0) - 0.009_950_2).abs() < 1e-6);
        assert_eq!((fpir(1.0, 3.0), fpir(0.0, 3.0), fpir(0.1, 0.0)), (1.0, 0.0, 0.0));
        for bad in [0.0, 1.0, -0.1, 2.0, f64::NAN] {
            assert!(Rate::Fmr(bad).fmr(1.0).is_err() && Rate::Fpir(bad).fmr(1.0).is_err());
        }
    }
}

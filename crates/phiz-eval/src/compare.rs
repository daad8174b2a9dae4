//! Is the one system better than the other, or was it luck? Paired tests.
//!
//! Two systems judged on the same people err on the same hard photos, so their intervals may overlap
//! although one is better throughout. [`paired`] looks at the difference within each bootstrap round
//! (both must have been drawn with one seed from the same people); [`mcnemar`] at the decisions on
//! which the two differ.

use crate::Result;
use crate::bootstrap::{Interval, interval};
use crate::error::{EvalError, same_length};
use serde::{Deserialize, Serialize};

/// The difference of two systems in one metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Difference {
    /// Second minus first, as observed on all data.
    pub observed: f64,
    /// What the differences of the middle rounds span. Rounds draw some people several times and leave others out, so
    /// their middle need not be what was observed.
    pub interval: Interval,
    /// Two-sided: how often chance alone would show such a difference. Never below 1 / (rounds + 1).
    pub p: f64,
}

/// How sure an observed difference (second minus first) is, by the differences round by round.
///
/// # Errors
/// Lists of different length; undefined when more than one round in twenty lacks either value.
pub fn paired(
    observed: f64,
    first: &[Option<f64>],
    second: &[Option<f64>],
    confidence: f64,
) -> Result<Difference> {
    same_length("rounds of the two systems", first.len(), second.len())?;
    let differences: Vec<Option<f64>> = first.iter().zip(second).map(|(a, b)| Some((*b)? - (*a)?)).collect();
    let ends = interval(&differences, confidence)?;
    let values: Vec<f64> = differences.into_iter().flatten().collect();
    let tail = |count: usize| (count + 1) as f64 / (values.len() + 1) as f64;
    let below = tail(values.iter().filter(|d| **d <= 0.0).count());
    let above = tail(values.iter().filter(|d| **d >= 0.0).count());
    Ok(Difference { observed, interval: ends, p: (2.0 * below.min(above)).min(1.0) })
}

/// McNemar's exact test on right and wrong decisions about the same trials: the two-sided chance of a
/// split as uneven as this among the trials that only one system decides rightly, were both equal.
/// It takes trials for independent; with several pairs a person prefer [`paired`].
///
/// # Errors
/// Lists of different length; undefined when the two never differ.
pub fn mcnemar(first: &[bool], second: &[bool]) -> Result<f64> {
    same_length("decisions of the two systems", first.len(), second.len())?;
    let only = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| **a && !**b).count();
    let (b, c) = (only(first, second), only(second, first));
    let n = b + c;
    if n == 0 {
        return Err(EvalError::undefined("McNemar's test", "the two systems decide every trial alike"));
    }
    // 2 · P(X ≤ min(b, c)), X ~ B(n, 1/2), in logarithms: 2^-n is no f64 for long.
    let mut log_term = -(n as f64) * std::f64::consts::LN_2;
    let mut sum = log_term.exp();
    for k in 0..b.min(c) {
        log_term += ((n - k) as f64 / (k + 1) as f64).ln();
        sum += log_term.exp();
    }
    Ok((2.0 * sum).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_steady_difference_is_seen() {
        let mut random = crate::random::Random::new(2);
        let first: Vec<Option<f64>> = (0..200).map(|_| Some(random.normal())).collect();
        let better = first.iter().map(|v| v.map(|v| v + 0.05 + 0.01 * random.normal())).collect::<Vec<_>>();
        let difference = paired(0.05, &first, &better, 0.95).unwrap();
        assert!(difference.interval.low > 0.0 && difference.p < 0.02, "{difference:?}");
        assert!(difference.observed == 0.05);
        assert_eq!(paired(0.0, &first, &first, 0.95).unwrap().p, 1.0);
        assert!(paired(0.0, &first, &first[1..], 0.95).is_err());
        assert!(paired(0.0, &[None], &[Some(1.0)], 0.95).unwrap_err().is_undefined());
    }

    #[test]
    fn mcnemar_by_hand() {
        let rows = |b: usize, c: usize, both: usize| {
            let first = [vec![true; b], vec![false; c], vec![true; both]].concat();
            let second = [vec![false; b], vec![true; c], vec![true; both]].concat();
            mcnemar(&first, &second)
        };
        assert!((rows(1, 5, 90).unwrap() - 2.0 * 7.0 / 64.0).abs() < 1e-12);
        assert_eq!(rows(5, 5, 0).unwrap(), 1.0);
        assert!(rows(0, 3000, 0).unwrap() < 1e-300);
        assert!(rows(0, 0, 5).unwrap_err().is_undefined());
    }
}

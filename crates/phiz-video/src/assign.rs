//! The cheapest assignment of rows to columns, with pairs that are forbidden (the Hungarian method).

/// For each row its column, so that as many rows as possible have one and the sum of costs is the smallest. A pair whose cost
/// is not finite is never made; a row stays alone rather than in a pair that costs more than `alone`.
///
/// By shortest augmenting paths with potentials (Kuhn 1955 in the form of Jonker and Volgenant 1987), O(n³). Staying alone is
/// a column of the row's own.
pub(crate) fn assign(costs: &[Vec<f64>], alone: f64) -> Vec<Option<usize>> {
    let rows = costs.len();
    let columns = costs.first().map_or(0, Vec::len);
    if rows == 0 || columns == 0 {
        return vec![None; rows];
    }
    // Larger than any sum of real costs, small enough to keep them exact.
    let forbidden = 1e6;
    let cost = |row: usize, column: usize| match costs[row].get(column) {
        Some(cost) if cost.is_finite() => *cost,
        Some(_) => forbidden,
        None if column - columns == row => alone,
        None => forbidden,
    };
    let all = columns + rows;
    // One more row and column, numbered 0, make the algorithm simple.
    let (mut u, mut v) = (vec![0.0; rows + 1], vec![0.0; all + 1]);
    let (mut matched, mut way) = (vec![0; all + 1], vec![0; all + 1]);
    for row in 1..=rows {
        matched[0] = row;
        let mut column = 0;
        let (mut least, mut used) = (vec![f64::INFINITY; all + 1], vec![false; all + 1]);
        loop {
            used[column] = true;
            let (here, mut delta, mut next) = (matched[column], f64::INFINITY, 0);
            for j in 1..=all {
                if used[j] {
                    continue;
                }
                let reduced = cost(here - 1, j - 1) - u[here] - v[j];
                if reduced < least[j] {
                    (least[j], way[j]) = (reduced, column);
                }
                if least[j] < delta {
                    (delta, next) = (least[j], j);
                }
            }
            for j in 0..=all {
                if used[j] {
                    u[matched[j]] += delta;
                    v[j] -= delta;
                } else {
                    least[j] -= delta;
                }
            }
            column = next;
            if matched[column] == 0 {
                break;
            }
        }
        while column != 0 {
            matched[column] = matched[way[column]];
            column = way[column];
        }
    }
    let mut assigned = vec![None; rows];
    for (column, &row) in matched.iter().enumerate().skip(1) {
        if row > 0 && column <= columns && costs[row - 1][column - 1].is_finite() {
            assigned[row - 1] = Some(column - 1);
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All assignments, one after the other.
    fn naive(costs: &[Vec<f64>], alone: f64, row: usize, used: &mut Vec<bool>) -> f64 {
        if row == costs.len() {
            return 0.0;
        }
        let mut best = alone + naive(costs, alone, row + 1, used);
        for column in 0..used.len() {
            if !used[column] && costs[row][column].is_finite() {
                used[column] = true;
                best = best.min(costs[row][column] + naive(costs, alone, row + 1, used));
                used[column] = false;
            }
        }
        best
    }

    proptest! {
        #[test]
        fn no_assignment_is_cheaper(
            costs in (1usize..6, 1usize..6).prop_flat_map(|(rows, columns)| {
                let cell = prop_oneof![4 => 0.0f64..2.0, 1 => Just(f64::INFINITY)];
                prop::collection::vec(prop::collection::vec(cell, columns), rows)
            }),
            alone in 0.5f64..1.5,
        ) {
            let assigned = assign(&costs, alone);
            let mut taken = vec![false; costs[0].len()];
            let mut sum = 0.0;
            for (row, column) in assigned.iter().enumerate() {
                sum += column.map_or(alone, |column| costs[row][column]);
                if let Some(column) = *column {
                    prop_assert!(!taken[column]);
                    taken[column] = true;
                }
            }
            let least = naive(&costs, alone, 0, &mut vec![false; costs[0].len()]);
            prop_assert!((sum - least).abs() < 1e-9, "{} {}", sum, least);
        }
    }

    #[test]
    fn forbidden_pairs_are_never_made() {
        let no = f64::INFINITY;
        assert_eq!(assign(&[vec![no, no], vec![0.1, no]], 1.0), [None, Some(0)]);
        assert_eq!(assign(&[vec![0.2, 0.3], vec![0.1, no]], 1.0), [Some(1), Some(0)]);
        assert_eq!(assign(&[vec![2.0]], 1.0), [None]);
        assert_eq!(assign(&[vec![], vec![]], 1.0), [None, None]);
        assert!(assign(&[], 1.0).is_empty());
    }
}

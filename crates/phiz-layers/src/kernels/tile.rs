//! The transforms of F(4×4, 3×3) in one dimension, each applied to columns and then to rows, by the matrices of Lavin and Gray 2016.

use super::vector::Vector;

/// Pixels of a tile's output in one dimension.
pub(super) const OUT: usize = 4;
/// Pixels of its input, and points of its transform.
pub(super) const IN: usize = 6;
/// Points of a tile.
pub(super) const POINTS: usize = IN * IN;

/// `Bᵀ d`.
///
/// # Safety
/// As [`Vector`].
#[inline(always)]
pub(super) unsafe fn input<V: Vector>([d0, d1, d2, d3, d4, d5]: [V; IN]) -> [V; IN] {
    // SAFETY: passed on.
    unsafe {
        let [two, minus_two, four, minus_four, minus_five] = [2.0, -2.0, 4.0, -4.0, -5.0].map(|k| V::all(k));
        let (p, q) = (d2.times(minus_four, d4), d1.times(minus_four, d3));
        let (r, s) = (d4.sub(d2), d3.sub(d1));
        [
            d0.times(four, d2.times(minus_five, d4)),
            p.add(q),
            p.sub(q),
            s.times(two, r),
            s.times(minus_two, r),
            d1.times(four, d3.times(minus_five, d5)),
        ]
    }
}

/// `Aᵀ m`.
///
/// # Safety
/// As [`Vector`].
#[inline(always)]
pub(super) unsafe fn output<V: Vector>([m0, m1, m2, m3, m4, m5]: [V; IN]) -> [V; OUT] {
    // SAFETY: passed on.
    unsafe {
        let [two, four, eight] = [2.0, 4.0, 8.0].map(|k| V::all(k));
        let (p, q) = (m1.add(m2), m1.sub(m2));
        let (r, s) = (m3.add(m4), m3.sub(m4));
        [m0.add(p).add(r), s.times(two, q), r.times(four, p), s.times(eight, q).add(m5)]
    }
}

/// `A dy`, the adjoint of [`output`].
///
/// # Safety
/// As [`Vector`].
#[inline(always)]
pub(super) unsafe fn output_gradient<V: Vector>([a, b, c, d]: [V; OUT]) -> [V; IN] {
    // SAFETY: passed on.
    unsafe {
        let [two, minus_two, four] = [2.0, -2.0, 4.0].map(|k| V::all(k));
        let (even, odd) = (a.add(c), b.add(d));
        let (wide, wider) = (c.times(four, a), d.times(four, b));
        [a, even.add(odd), even.sub(odd), wider.times(two, wide), wider.times(minus_two, wide), d]
    }
}

/// `G g`.
///
/// # Safety
/// As [`Vector`].
#[inline(always)]
pub(super) unsafe fn filter<V: Vector>([a, b, c]: [V; 3]) -> [V; IN] {
    // SAFETY: passed on.
    unsafe {
        let zero = V::all(0.0);
        let scaled = |value: V, factor: f32| value.times(V::all(factor), zero);
        let sum = a.add(c);
        let mixed = c.times(V::all(1.0 / 6.0), scaled(a, 1.0 / 24.0));
        let (minus, plus) = (V::all(-1.0 / 12.0), V::all(1.0 / 12.0));
        [
            scaled(a, 0.25),
            scaled(sum.add(b), -1.0 / 6.0),
            scaled(b.sub(sum), 1.0 / 6.0),
            b.times(plus, mixed),
            b.times(minus, mixed),
            c,
        ]
    }
}

/// `Gᵀ du`, the adjoint of [`filter`].
///
/// # Safety
/// As [`Vector`].
#[inline(always)]
pub(super) unsafe fn filter_gradient<V: Vector>([u0, u1, u2, u3, u4, u5]: [V; IN]) -> [V; 3] {
    // SAFETY: passed on.
    unsafe {
        let zero = V::all(0.0);
        let (near, far) = (u1.add(u2).times(V::all(-1.0 / 6.0), zero), u3.add(u4));
        [
            u0.times(V::all(0.25), far.times(V::all(1.0 / 24.0), near)),
            u2.sub(u1).times(V::all(1.0 / 6.0), u3.sub(u4).times(V::all(1.0 / 12.0), zero)),
            far.times(V::all(1.0 / 6.0), near.add(u5)),
        ]
    }
}

// Rates that people choose, and the rate among many of the rate of one comparison.

export const STEPS = [0.05, 0.01, 0.001, 0.0001] as const;
export const NORMAL = 1;
/** The step whose rate is nearest to a rate, as its orders of magnitude go. */
export const nearest = (rate: number): number => {
  const away = STEPS.map((step) => Math.abs(Math.log(step) - Math.log(Math.max(1e-12, rate))));
  return away.indexOf(Math.min(...away));
};

/** The chance that a stranger is like anybody of `people`, where one comparison goes wrong at `fmr`. */
export const fpirOf = (fmr: number, people: number): number => (people > 0 ? -Math.expm1(people * Math.log1p(-Math.min(fmr, 1 - 1e-12))) : 0);

/** Of a rate such as 0.0123 the "1 in N" with a round N that is not better than the truth: 1 in 80. */
export function oneIn(rate: number): number {
  if (!(rate > 0)) return Infinity;
  // 1 / 1e-5 is a little less than 100,000.
  const n = (1 / rate) * (1 + 1e-9);
  if (n < 10) return Math.max(1, Math.floor(n));
  const size = 10 ** Math.floor(Math.log10(n));
  return Math.floor(n / size) * size;
}

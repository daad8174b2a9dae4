// Rates that people choose, and the rate among many of the rate of one comparison.

export const STEPS = [0.05, 0.01, 0.001, 0.0001] as const;
export const NORMAL = 1;

/** The chance that a stranger is like anybody of `people`, where one comparison goes wrong at `fmr`. */
export const fpirOf = (fmr: number, people: number): number => (people > 0 ? -Math.expm1(people * Math.log1p(-Math.min(fmr, 1 - 1e-12))) : 0);

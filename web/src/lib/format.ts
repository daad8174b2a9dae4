// Dates, counts and rates as people say them.

import { locale } from '../texts';

export { oneIn } from './rates';

const dates = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric' });
const times = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const numbers = new Intl.NumberFormat(locale);
const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });

export const count = (n: number): string => numbers.format(n);
export const day = (seconds: number): string => dates.format(seconds * 1000);
export const moment = (seconds: number): string => times.format(seconds * 1000);

/** From one day to another, as short as can be: "3–9 May 2026". */
export const span = (from: number, to: number): string => dates.formatRange(from * 1000, to * 1000);

export function ago(seconds: number, now = Date.now() / 1000): string {
  const past = seconds - now;
  for (const [unit, size] of [['day', 86400], ['hour', 3600], ['minute', 60]] as const) {
    if (Math.abs(past) >= size * (unit === 'day' ? 1 : 1)) {
      if (unit === 'day' && Math.abs(past) > 13 * 86400) return day(seconds);
      return relative.format(Math.round(past / size), unit);
    }
  }
  return relative.format(0, 'minute');
}

/** Of so many, how many; never a false nought. */
export const of = (rate: number, total: number): number => Math.round(rate * total * 10) / 10;

const clocks = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' });
export const clock = (seconds: number): string => clocks.format(seconds * 1000);
const unit = (name: string) => new Intl.NumberFormat(locale, { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: 0 });
/** How long something lasted: "12 sec", "4 min", "2 hr". */
export const lasting = (seconds: number): string =>
  seconds < 90 ? unit('second').format(seconds) : seconds < 5400 ? unit('minute').format(seconds / 60) : unit('hour').format(seconds / 3600);

/** The last part of a path, whichever system wrote it. */
export const fileName = (path: string): string => path.split(/[/\\]/).at(-1) || path;

export function initials(name: string): string {
  const words = [...name.trim().split(/\s+/)];
  const first = [...(words[0] ?? '?')][0] ?? '?';
  const last = words.length > 1 ? ([...(words.at(-1) ?? '')][0] ?? '') : '';
  return (first + last).toLocaleUpperCase(locale);
}

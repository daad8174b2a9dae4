// The language: what was chosen in the settings, else the first that the browser asks for and the page has.

import { en, type Texts } from './en';

/** Languages by their own name. English comes with the page; the others are loaded when they are wanted. */
export const languages: Record<string, string> = { en: 'English', de: 'Deutsch' };
const others: Record<string, () => Promise<Texts>> = { de: async () => (await import('./de')).de };
const KEPT = 'phiz-language';

/** The language that was chosen here; null for the browser's. */
export const chosen: string | null = (() => { try { const kept = localStorage.getItem(KEPT); return kept && kept in languages ? kept : null; } catch { return null; } })();
/** Takes another language from now on: the page is loaded anew. */
export function choose(which: string | null): void {
  try { if (which) localStorage.setItem(KEPT, which); else localStorage.removeItem(KEPT); } catch { /* then for this visit the browser's stays */ }
  location.reload();
}

export const language: string = chosen ?? navigator.languages.map((tag) => tag.split('-')[0]!).find((tag) => tag in languages) ?? 'en';
/** For dates and numbers: as the visitor writes the language, en-GB rather than en. */
export const locale: string = navigator.languages.find((tag) => tag.split('-')[0] === language) ?? language;
export const t: Texts = await (others[language]?.().catch(() => en) ?? en);
document.documentElement.lang = t === en ? 'en' : language;

// The language: the first that the browser asks for and that the page has. English is the only one so far.

import { en, type Texts } from './en';

const languages: Record<string, Texts> = { en };
export const language: string = navigator.languages.map((tag) => tag.split('-')[0]!).find((tag) => tag in languages) ?? 'en';
export const t: Texts = languages[language] ?? en;
/** For dates and numbers: as the visitor writes the language, en-GB rather than en. */
export const locale: string = navigator.languages.find((tag) => tag.split('-')[0] === language) ?? language;
document.documentElement.lang = language;

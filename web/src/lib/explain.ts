// Turns a failure into words. Whoever leaves a screen has not failed.

import { ApiError } from './api';
import { t } from '../texts';

export function explain(error: unknown): { text: string; detail: string; aborted: boolean } {
  if (error instanceof DOMException && error.name === 'AbortError') return { text: '', detail: '', aborted: true };
  if (error instanceof ApiError) {
    const words: Record<string, unknown> = t.errors;
    const known = words[error.code];
    const own = typeof known === 'string' ? known : undefined;
    const text = own ?? sentence(error.message || t.errors.internal);
    const detail = error.status >= 500 && error.requestId && !error.retryAfter ? t.errors.request(error.requestId)
      : error.retryAfter ? t.errors.retryIn(error.retryAfter) : own ? '' : sentence(error.remedy);
    return { text, detail, aborted: false };
  }
  return { text: t.errors.page, detail: error instanceof Error ? error.message : String(error), aborted: false };
}

/** The server's messages begin in lower case and end without a stop. */
export function sentence(text: string): string {
  if (!text) return '';
  const whole = text[0]!.toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(whole) ? whole : whole + '.';
}

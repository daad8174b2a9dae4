// What was changed here: says so, offers to take it back, and tells every screen to look again.

import { api } from './api';
import { explain } from './explain';
import { names, told } from './operations';
import type { Operation } from './types';
import { t } from '../texts';

/** Takes something back, and says in words what. */
export type Back = () => Promise<string>;
export interface Toast { id: number; text: string; detail: string; bad: boolean; back: Back | null }

/** Takes operations back, the latest first. */
export async function takeBack(operations: string[]): Promise<string> {
  let undone: Operation | null = null;
  for (const operation of [...operations].reverse()) undone = (await api.undo(operation)).undone;
  return operations.length > 1 || !undone ? t.undo.several(operations.length) : inWords(undone);
}

/** What was undone, with the names of whom it is about: they may be back. */
async function inWords(undone: Operation): Promise<string> {
  const what = told(undone, await names().catch(() => new Map<string, string>())).replace(/\.$/, '');
  return t.undo.done(what[0]!.toLowerCase() + what.slice(1));
}

class Changes {
  #toasts = $state<Toast[]>([]);
  #version = $state(0);
  #last = $state.raw<Back | null>(null);
  #next = 1;

  get toasts(): Toast[] { return this.#toasts; }
  /** Grows with every change: screens that show people depend on it. */
  get version(): number { return this.#version; }
  get canUndo(): boolean { return this.#last !== null; }

  #show(toast: Omit<Toast, 'id'>): void {
    const id = this.#next++;
    this.#toasts = [...this.#toasts.slice(-1), { ...toast, id }];
    // What went wrong stays until it is closed.
    if (!toast.bad) setTimeout(() => this.close(id), 9000);
  }

  close(id: number): void { this.#toasts = this.#toasts.filter((toast) => toast.id !== id); }
  say(text: string): void { this.#show({ text, detail: '', bad: false, back: null }); }
  fail(error: unknown): void {
    const { text, detail, aborted } = explain(error);
    if (!aborted) this.#show({ text, detail, bad: true, back: null });
  }

  /** Something was done. `operations` is what undo takes back, in the order in which it was done; or `back` does. */
  done(text: string, operations: (string | null)[], back?: Back): void {
    const all = operations.filter((o): o is string => Boolean(o));
    this.#version += 1;
    const way = back ?? (all.length ? () => takeBack(all) : null);
    if (way) this.#last = way;
    this.#show({ text, detail: '', bad: false, back: way });
  }

  async undo(back: Back | null = this.#last): Promise<void> {
    try {
      const said = await (back ?? (async () => inWords((await api.undo()).undone)))();
      if (back === this.#last) this.#last = null;
      this.#toasts = this.#toasts.filter((toast) => toast.back === null);
      this.#version += 1;
      this.say(said);
    } catch (error) {
      this.#version += 1;
      this.fail(error);
    }
  }

  /** Another gallery is looked at: what was done before cannot be undone there. */
  forget(): void {
    this.#last = null;
    this.#toasts = [];
    this.#version += 1;
  }

  /** Tries something that changes the gallery. Gives false if it failed, and has said why. */
  async attempt(work: () => Promise<void>): Promise<boolean> {
    try { await work(); return true; } catch (error) { this.fail(error); return false; }
  }
}

export const changes = new Changes();

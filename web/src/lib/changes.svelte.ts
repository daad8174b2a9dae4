// What was changed here: says so, offers to take it back, and tells every screen to look again.

import { api } from './api';
import { explain } from './explain';
import { t } from '../texts';

export interface Toast { id: number; text: string; detail: string; bad: boolean; operations: string[] }

class Changes {
  #toasts = $state<Toast[]>([]);
  #version = $state(0);
  #last = $state<string[]>([]);
  #next = 1;

  get toasts(): Toast[] { return this.#toasts; }
  /** Grows with every change: screens that show people depend on it. */
  get version(): number { return this.#version; }
  get canUndo(): boolean { return this.#last.length > 0; }

  #show(toast: Omit<Toast, 'id'>): void {
    const id = this.#next++;
    this.#toasts = [...this.#toasts.slice(-2), { ...toast, id }];
    // What went wrong stays until it is closed.
    if (!toast.bad) setTimeout(() => this.close(id), 9000);
  }

  close(id: number): void { this.#toasts = this.#toasts.filter((toast) => toast.id !== id); }
  say(text: string): void { this.#show({ text, detail: '', bad: false, operations: [] }); }
  fail(error: unknown): void {
    const { text, detail, aborted } = explain(error);
    if (!aborted) this.#show({ text, detail, bad: true, operations: [] });
  }

  /** Something was done. `operations` is what undo takes back, in the order in which it was done. */
  done(text: string, operations: (string | null)[]): void {
    const all = operations.filter((o): o is string => Boolean(o));
    this.#version += 1;
    if (all.length) this.#last = all;
    this.#show({ text, detail: '', bad: false, operations: all });
  }

  async undo(operations?: string[]): Promise<void> {
    const back = operations ?? this.#last;
    try {
      let what = '';
      if (back.length === 0) what = (await api.undo()).undone.what;
      else for (const operation of [...back].reverse()) what = (await api.undo(operation)).undone.what;
      this.#last = [];
      this.#toasts = this.#toasts.filter((toast) => toast.operations.length === 0);
      this.#version += 1;
      this.say(back.length > 1 ? t.undo.several(back.length) : t.undo.done(what));
    } catch (error) {
      this.#version += 1;
      this.fail(error);
    }
  }

  /** Another gallery is looked at: what was done before cannot be undone there. */
  forget(): void {
    this.#last = [];
    this.#toasts = [];
    this.#version += 1;
  }

  /** Tries something that changes the gallery. Gives false if it failed, and has said why. */
  async attempt(work: () => Promise<void>): Promise<boolean> {
    try { await work(); return true; } catch (error) { this.fail(error); return false; }
  }
}

export const changes = new Changes();

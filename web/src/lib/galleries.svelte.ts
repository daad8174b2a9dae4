// Which of several galleries is looked at. Most people have one, and see nothing of this.

import { api, setGallery } from './api';
import { changes } from './changes.svelte';

const MAIN = 'main';

class Galleries {
  #names = $state<string[]>([]);
  #chosen = $state(MAIN);

  get names(): string[] { return this.#names; }
  get chosen(): string { return this.#chosen; }
  set chosen(name: string) {
    this.#chosen = name;
    setGallery(name === MAIN ? null : name);
    changes.forget();
  }

  async load(): Promise<void> {
    try { this.#names = (await api.galleries()).items.map((gallery) => gallery.name); } catch { /* then there is one */ }
  }
}

export const galleries = new Galleries();

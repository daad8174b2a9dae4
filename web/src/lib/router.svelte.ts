// Where the visitor is: the part of the address behind `#`, as a list of words.

class Router {
  #hash = $state(location.hash);

  constructor() {
    addEventListener('hashchange', () => { this.#hash = location.hash; });
  }

  /** `#/people/p1` is `['people', 'p1']`. */
  get parts(): string[] {
    return this.#hash.replace(/^#\/?/, '').split('?')[0]!.split('/').filter(Boolean).map(decodeURIComponent);
  }

  go(...parts: string[]): void {
    location.hash = '/' + parts.map(encodeURIComponent).join('/');
  }
}

export const router = new Router();
export const href = (...parts: string[]): string => '#/' + parts.map(encodeURIComponent).join('/');

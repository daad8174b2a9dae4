// Light, dark, or as the system has it.

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const stored = (): Theme => {
  try {
    const text = localStorage.getItem('theme');
    return THEMES.find((theme) => theme === text) ?? 'system';
  } catch {
    return 'system';
  }
};

class ThemeState {
  #theme = $state<Theme>(stored());

  get value(): Theme { return this.#theme; }
  set value(theme: Theme) {
    this.#theme = theme;
    try { localStorage.setItem('theme', theme); } catch { /* private windows keep nothing */ }
    this.apply();
  }

  apply(): void {
    const root = document.documentElement;
    if (this.#theme === 'system') delete root.dataset.theme;
    else root.dataset.theme = this.#theme;
  }
}

export const theme = new ThemeState();

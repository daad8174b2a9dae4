// Keys that work everywhere on a screen. A key typed into a field belongs to the field.

type Handler = (event: KeyboardEvent) => void;
const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
const dialogOpen = (): boolean => document.querySelector('[role=dialog], [role=alertdialog], [role=menu], [role=listbox]') !== null;

/** While the component that calls this is shown, `keys` maps what is pressed (`a`, `/`, `Escape`) to what is done. */
export function shortcuts(keys: () => Record<string, Handler>): void {
  $effect(() => {
    const map = keys();
    const listen = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || dialogOpen()) return;
      // On a button or link, Space and Enter press it.
      if ((event.key === ' ' || event.key === 'Enter') && event.target instanceof HTMLElement && event.target.closest('button, a, summary, label')) return;
      const handler = map[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (handler) { event.preventDefault(); handler(event); }
    };
    addEventListener('keydown', listen);
    return () => removeEventListener('keydown', listen);
  });
}

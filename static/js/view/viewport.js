// Keeps the page above a keyboard that the browser lays over it (Safari on iOS); otherwise the style sheet decides.

/** What covers less than this, in px, is the browser's own bar, which `dvh` follows. */
const KEYBOARD_MIN = 100;

/** Follows what can be seen of the page. */
export function followKeyboard() {
  const view = window.visualViewport;
  const root = document.documentElement;
  const follow = () => {
    // Who zooms in sees less of the page too, and it is to stay as it is.
    const isCovered = view.scale < 1.01 && root.clientHeight - view.height > KEYBOARD_MIN;
    for (const [name, size] of [['--view-height', view.height], ['--view-top', view.pageTop]]) {
      if (isCovered) root.style.setProperty(name, `${size}px`);
      else root.style.removeProperty(name);
    }
  };
  for (const change of ['resize', 'scroll']) view?.addEventListener(change, follow);
}

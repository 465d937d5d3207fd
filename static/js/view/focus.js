// Where the focus goes when what had it is taken away: never to nowhere.

import { part } from './dom.js';

const isThere = (element) => element?.checkVisibility({ visibilityProperty: true }) && !element.closest('[inert]') && !element.disabled;

/** Draws, and gives the focus to what is next to what had it, if that went. */
export function holdFocus(draw) {
  const had = document.activeElement;
  const wasRead = part('log').contains(had);
  draw();
  if (!had || had === document.body || isThere(had)) return;
  // A field that gets the focus opens the keyboard of a phone.
  const places = wasRead || matchMedia('(pointer: coarse)').matches ? ['log', 'field'] : ['field', 'log'];
  [...[...places, 'room-add', 'menu'].map(part), part('blank').querySelector('button')].find(isThere)?.focus({ preventScroll: true });
}

// The few ways in which the page makes and finds elements. Text only ever becomes text.

import { hueOf, initials } from '../text.js';

/** Returns the element of the page's skeleton with this id. */
export const part = (id) => document.getElementById(id);

/**
 * Makes an element.
 * @param {Record<string, unknown>} properties  `class`, `on` (event handlers), `data`; the rest are attributes, and
 *   those that are null, undefined or false are left out, as are such children
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'class') element.className = value;
    else if (name === 'on') for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else if (name === 'data') Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter(Boolean));
  return element;
}

/** Makes the small words behind a name. */
export function tags(...words) {
  return words.filter(Boolean).map((word) => make('span', { class: 'tag' }, word));
}

/** Makes a button that looks like a word of the text around it. */
export function textButton(label, click, disabled = false) {
  return make('button', { class: 'text-button', type: 'button', disabled, on: { click } }, label);
}

const SVG = 'http://www.w3.org/2000/svg';

/** Makes an icon of the page's sprite. */
export function icon(name, label) {
  const svg = document.createElementNS(SVG, 'svg');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  svg.classList.add('icon', `icon-${name}`);
  for (const [attribute, value] of label ? [['role', 'img'], ['aria-label', label]] : [['aria-hidden', 'true']]) {
    svg.setAttribute(attribute, value);
  }
  return svg;
}

/** Turns an element into the avatar of a user. */
export function paintAvatar(element, user) {
  element.style.setProperty('--hue', hueOf(user.id) * 30);
  element.textContent = initials(user.name);
}

/** Makes the avatar of a user. It repeats the name beside it, so it is not read out. */
export function avatar(user) {
  const element = make('span', { class: 'avatar', 'aria-hidden': 'true' });
  paintAvatar(element, user);
  return element;
}

/** Sets a text only if it differs, so that nothing is announced or repainted twice. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Makes what stands where there is no conversation: the yard, a title and a hint. */
export function emptyYard(title, hint) {
  return [make('div', { class: 'empty-yard', 'aria-hidden': 'true' }), make('h2', {}, title), make('p', {}, hint)];
}

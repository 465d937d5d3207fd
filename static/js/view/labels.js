// The fixed words of the page, in the language that is spoken, and the choice of another one.

import { LANGUAGES, language, speak, t } from '../i18n.js';
import { make, part, setText } from './dom.js';

/** The words that stand in the page from the beginning. */
export class Labels {
  /** @param {{onSpeak: (language: string) => void}} actions  another language was chosen */
  constructor({ onSpeak }) {
    this.onSpeak = onSpeak;
  }

  /** Writes all of them. */
  draw() {
    document.documentElement.lang = language;
    for (const element of document.querySelectorAll('[data-t]')) setText(element, t(element.dataset.t));
    for (const element of document.querySelectorAll('[data-label]')) {
      element.setAttribute('aria-label', t(element.dataset.label));
      if (element.localName === 'button') element.title = t(element.dataset.label);
    }
    for (const element of document.querySelectorAll('[data-title]')) element.title = t(element.dataset.title);
    for (const group of [part('languages'), part('name-languages')]) {
      group.replaceChildren(...Object.entries(LANGUAGES).map(([name, ownName]) => make('button', {
        type: 'button', lang: name, 'aria-pressed': String(name === language), on: { click: () => this.#speak(name, group) },
      }, ownName)));
    }
  }

  async #speak(name, group) {
    await speak(name);
    this.draw();
    this.onSpeak(name);
    group.querySelector('[aria-pressed="true"]').focus();
  }
}

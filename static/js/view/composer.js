// The field in which messages are written.
//
// One Enter sends a text once and whole, whatever the input method does: a key that composes never sends, and a
// line break that arrives outside of a composition without Shift sends in its place. While somebody composes
// the field is not rewritten.

import { t } from '../i18n.js';
import { length } from '../names.js';
import { sendable } from '../text.js';
import { part } from './dom.js';

/** `keyCode` of a key that an input method took. */
const TAKEN_BY_INPUT_METHOD = 229;
/** From this part of the limit on the rest is shown. */
const COUNTED_FROM = 0.9;
const MAX_HEIGHT = 200;

/** The composer. */
export class Composer {
  /**
   * @param {object} actions
   * @param {(text: string) => void} actions.onSend
   * @param {(room: string, text: string) => void} actions.onDraft
   * @param {() => void} actions.onType
   * @param {() => number} actions.limit  code points of a text
   */
  constructor(actions) {
    this.actions = actions;
    this.form = part('composer');
    this.field = part('field');
    this.over = part('over');
    this.button = part('send');
    this.room = null;
    this.isComposing = false;
    this.withShift = false;
    this.#listen();
  }

  /** Turns to a room and its draft. Waits while somebody composes. */
  turnTo(room, draft) {
    if (this.isComposing) {
      this.waiting = () => this.turnTo(room, draft);
      return;
    }
    if (room !== this.room) {
      this.room = room;
      this.field.value = draft;
      this.#resize();
    }
    this.form.hidden = room === null;
    this.field.placeholder = room === null ? '' : t('write', { room });
    this.field.setAttribute('aria-label', this.field.placeholder);
    this.#count();
  }

  /** Puts a text back into the field, in front of what is there. */
  take(text) {
    this.field.value = this.field.value ? `${text}\n${this.field.value}` : text;
    this.#changed();
    this.field.focus();
  }

  focus() {
    this.field.focus({ preventScroll: true });
  }

  #listen() {
    const { field } = this;
    field.addEventListener('compositionstart', () => { this.isComposing = true; });
    field.addEventListener('compositionend', () => {
      this.isComposing = false;
      this.#changed();
      if (this.isSendWanted) this.#send();
      this.isSendWanted = false;
      this.waiting?.();
      this.waiting = null;
    });
    field.addEventListener('keydown', (event) => {
      this.withShift = event.shiftKey;
      const isTaken = event.isComposing || event.keyCode === TAKEN_BY_INPUT_METHOD;
      if (event.key !== 'Enter' || isTaken || event.shiftKey || isTouch()) return;
      event.preventDefault();
      this.#send();
    });
    field.addEventListener('beforeinput', (event) => {
      const isBreak = event.inputType === 'insertLineBreak' || event.inputType === 'insertParagraph';
      if (!isBreak || event.isComposing || this.isComposing || this.withShift || isTouch()) return;
      event.preventDefault();
      this.#send();
    });
    field.addEventListener('input', () => {
      this.#changed();
      if (field.value.trim()) this.actions.onType();
    });
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (!this.isComposing) {
        this.#send();
        return;
      }
      // The button ends a composition, as leaving the field does; what was composed goes out with the text.
      this.isSendWanted = true;
      field.blur();
      field.focus();
    });
    // The keyboard of a phone stays open if the field never loses the focus.
    this.button.addEventListener('pointerdown', (event) => event.preventDefault());
  }

  #send() {
    const text = sendable(this.field.value);
    if (!text || this.room === null || this.isComposing || length(text) > this.actions.limit()) return;
    this.field.value = '';
    this.#changed();
    this.actions.onSend(text);
  }

  #changed() {
    this.#resize();
    this.#count();
    if (this.room !== null && !this.isComposing) this.actions.onDraft(this.room, this.field.value);
  }

  #resize() {
    this.field.style.height = 'auto';
    this.field.style.height = `${Math.min(this.field.scrollHeight, MAX_HEIGHT)}px`;
    this.field.style.overflowY = this.field.scrollHeight > MAX_HEIGHT ? 'auto' : 'hidden';
  }

  #count() {
    const limit = this.actions.limit();
    const text = this.field.value.length < limit * COUNTED_FROM ? '' : sendable(this.field.value);
    const count = text ? length(text) : 0;
    const isOver = count > limit;
    this.form.classList.toggle('is-over', isOver);
    const rest = isOver ? t('tooLong', { n: count - limit }) : String(limit - count);
    this.over.textContent = count >= limit * COUNTED_FROM ? rest : '';
    this.button.disabled = isOver || !this.field.value.trim();
  }
}

/** True where a finger writes: there Enter breaks the line and the button sends. */
function isTouch() {
  return matchMedia('(pointer: coarse)').matches && !matchMedia('(any-pointer: fine)').matches;
}

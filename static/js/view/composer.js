// The field in which messages are written.
//
// One Enter sends a text once and whole, whatever the input method does: a key that composes never sends, and a
// line break that arrives outside of a composition without Shift or Alt sends in its place. While somebody composes
// nothing is rewritten: draft, counter and a change of room wait.

import { t } from '../i18n.js';
import { length } from '../names.js';
import { sendable } from '../text.js';
import { part, setText } from './dom.js';

/** `keyCode` of a key that an input method took. */
const TAKEN_BY_INPUT_METHOD = 229;
/** From this part of the limit on what is left is shown. */
const COUNTED_FROM = 0.9;
const MAX_HEIGHT = 200;
/** The count is spoken when the typing pauses this long. */
const PAUSE_MS = 1_000;

// Where a finger writes, Enter breaks the line and the button sends. The pen of a phone is no keyboard.
const COARSE = matchMedia('(pointer: coarse)');
const DESK = matchMedia('(any-pointer: fine) and (min-width: 760px)');
const isTouch = () => COARSE.matches && !DESK.matches;

/** The composer. */
export class Composer {
  /** @param {Record<'onSend'|'onDraft'|'onType'|'limit', Function>} actions  `limit` in code points */
  constructor(actions) {
    this.actions = actions;
    this.form = part('composer');
    this.field = part('field');
    this.over = part('over');
    this.said = part('over-said');
    this.button = part('send');
    this.room = null;
    this.isComposing = false;
    this.#listen();
  }

  /** Turns to a room and its draft. Waits while somebody composes. */
  turnTo(room, draft) {
    if (this.isComposing) {
      this.waiting = [room, draft];
      return;
    }
    if (room !== this.room) {
      this.room = room;
      this.field.value = draft;
      this.#resize();
    }
    const label = room === null ? '' : t('write', { room });
    const hint = isTouch() ? 'enter' : 'send';
    // The room is drawn with every message, and what is set is laid out anew even if it is the same.
    if (this.field.placeholder !== label || this.field.enterKeyHint !== hint) {
      Object.assign(this.field, { enterKeyHint: hint, placeholder: label, ariaLabel: label });
    }
    this.form.hidden = room === null;
    this.#count();
  }

  /** Puts a text back into the field, in front of what is there. */
  take(text) {
    this.field.blur();
    this.field.value = this.field.value ? `${text}\n${this.field.value}` : text;
    this.#changed();
    this.field.focus();
  }

  focus() {
    this.field.focus({ preventScroll: true });
  }

  #listen() {
    const { field } = this;
    field.addEventListener('compositionstart', () => {
      this.isComposing = true;
      this.button.disabled = false;
    });
    // Leaving the field ends a composition, also where an input method forgets to say so.
    for (const end of ['compositionend', 'blur']) field.addEventListener(end, () => this.#composed());
    for (const way of ['keydown', 'keyup']) {
      field.addEventListener(way, ({ shiftKey, altKey }) => { this.isBreak = shiftKey || altKey; });
    }
    field.addEventListener('keydown', (event) => {
      const isTaken = event.isComposing || event.keyCode === TAKEN_BY_INPUT_METHOD;
      if (event.key !== 'Enter' || isTaken || !this.#sends(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.#send();
    });
    field.addEventListener('beforeinput', (event) => {
      if (!/^insert(?:LineBreak|Paragraph)$/u.test(event.inputType) || event.isComposing || this.isComposing || !this.#sends(false)) return;
      event.preventDefault();
      this.#send();
    });
    field.addEventListener('input', () => {
      this.#changed();
      if (field.value.trim()) this.actions.onType();
    });
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      // The button ends a composition; what was composed goes out with the text.
      if (this.isComposing) {
        field.blur();
        field.focus();
      }
      this.#send();
    });
    // The keyboard of a phone stays open if the field never loses the focus.
    this.button.addEventListener('pointerdown', (event) => event.preventDefault());
  }

  /** True if Enter sends: not with Shift or Alt, which break the line, and under a finger only with Ctrl or Command. */
  #sends(isForced) {
    return !this.isBreak && (isForced || !isTouch());
  }

  #composed() {
    if (!this.isComposing) return;
    this.isComposing = false;
    this.#changed();
    // The Enter that ended the composition may be still to come, and is meant for this text.
    setTimeout(() => {
      const { waiting } = this;
      this.waiting = null;
      if (waiting) this.turnTo(...waiting);
    });
  }

  #send() {
    const text = sendable(this.field.value);
    const [room] = this.waiting ?? [this.room];
    if (!text || room === null || room !== this.room || this.isComposing || length(text) > this.actions.limit()) return;
    this.field.value = '';
    this.#changed();
    this.actions.onSend(text);
  }

  #changed() {
    this.#resize();
    if (this.isComposing) return;
    this.#count();
    if (this.room !== null) this.actions.onDraft(this.room, this.field.value);
  }

  #resize() {
    const { style } = this.field;
    style.height = 'auto';
    const height = this.field.scrollHeight;
    style.height = `${Math.min(height, MAX_HEIGHT)}px`;
    style.overflowY = height > MAX_HEIGHT ? 'auto' : 'hidden';
  }

  #count() {
    const limit = this.actions.limit();
    const text = this.field.value.length < limit * COUNTED_FROM ? '' : sendable(this.field.value);
    const count = text ? length(text) : 0;
    const isOver = count > limit;
    const isNear = count >= limit * COUNTED_FROM;
    this.form.classList.toggle('is-over', isOver);
    if (this.field.getAttribute('aria-invalid') !== String(isOver)) this.field.setAttribute('aria-invalid', String(isOver));
    const words = isNear ? t(isOver ? 'tooLong' : 'lengthLeft', { n: Math.abs(limit - count) }) : '';
    setText(this.over, isNear && !isOver ? String(limit - count) : words);
    this.button.disabled = isOver || !this.field.value.trim();
    if (words === this.words) return;
    this.words = words;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => setText(this.said, words), PAUSE_MS);
  }
}

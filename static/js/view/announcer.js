// The one voice for those who listen: live messages of the open room, at most one utterance in two seconds.

import { t } from '../i18n.js';
import { part } from './dom.js';

const PAUSE_MS = 2_000;
/** Characters of a text that are spoken; the rest can be read in the conversation. */
const SPOKEN_MAX = 200;

/** The hidden polite announcer. */
export class Announcer {
  constructor() {
    this.element = part('announcer');
    this.waiting = [];
    this.timer = null;
  }

  /** Speaks of a message now or, together with those that follow it, when the pause is over. */
  announce(room, entry) {
    this.waiting.push(entry);
    this.room = room;
    this.timer ??= setTimeout(() => this.#speak(), this.spokenAt + PAUSE_MS > Date.now() ? PAUSE_MS : 0);
  }

  /** Says no more of what waits: another room is open. */
  hush() {
    this.waiting = [];
  }

  #speak() {
    this.timer = null;
    if (this.waiting.length === 0) return;
    this.spokenAt = Date.now();
    const [{ user, text }] = this.waiting;
    const n = this.waiting.length;
    this.waiting = [];
    this.element.textContent = n === 1
      ? t('says', { name: user?.name ?? '', text: (text ?? '').slice(0, SPOKEN_MAX) })
      : t('announceMany', { n, room: this.room });
  }
}

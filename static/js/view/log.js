// The conversation on the screen: a window over a room's items that never moves what somebody reads.
//
// At the bottom it follows. Elsewhere the first visible row and its offset are noted before every change and put
// back after it; the browser's own anchoring is off. At most MAX_ROWS items stand in the DOM.

import { language, t } from '../i18n.js';
import { rowsOf } from '../model/rows.js';
import { dayNameOf } from '../time.js';
import { emptyYard, make, part, textButton } from './dom.js';
import { drawRow } from './row.js';

const MAX_ROWS = 400;
/** Items drawn when a room is opened or the window has grown too long while following. */
const FRESH_ROWS = 120;
const STEP = 80;
/** Closer to an end than this, in px, the window is extended. */
const NEAR = 600;
/** Closer to the end than this, in px, counts as at the end. */
const AT_END = 40;
/** Rows noted as anchors, in case the first ones go. */
const ANCHORS = 40;

/** The conversation of the room in view. */
export class Log {
  /**
   * @param {object} actions
   * @param {() => void} actions.onOlder  older entries than those in memory are wanted
   * @param {() => void} actions.onLook  what is on the screen changed
   */
  constructor(actions) {
    this.actions = actions;
    this.box = part('log');
    this.top = part('log-top');
    this.list = part('entries');
    this.room = null;
    this.rows = new Map();
    this.places = new WeakMap();
    this.following = true;
    this.box.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    for (const event of ['wheel', 'touchmove', 'keydown']) {
      this.box.addEventListener(event, () => { this.opening = false; }, { passive: true });
    }
    const sizes = new ResizeObserver(() => { if (this.following) this.#toEnd(); });
    sizes.observe(this.box);
    sizes.observe(this.list);
  }

  /** Px between what is on the screen and the end of what is drawn. */
  get #distance() {
    return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight;
  }

  /** True if the way back to the newest entry is long enough to offer it. */
  get isAway() {
    return this.room !== null && !this.following && (this.lastId !== null || this.#distance > 240);
  }

  /** True if the newest entry is on the screen. */
  get showsNewest() {
    return this.room !== null && this.following && !this.isFresh && !this.opening;
  }

  /** Draws what changed in the room in view. */
  draw(room, self) {
    if (room !== this.room) this.#turnTo(room);
    this.box.hidden = room === null;
    if (room === null) return;
    if (this.isFresh && room.position !== null) this.#aim(room);
    this.box.setAttribute('aria-label', t('conversation', { room: room.name }));
    this.self = self;
    const anchors = this.following || this.opening ? [] : this.#anchors();
    const { items, withSends } = this.#window(room);
    this.#reconcile(rowsOf(room, { items, withSends, self }));
    this.#drawTop(room);
    if (this.opening) this.#open(room);
    else if (this.following) this.#toEnd();
    else this.#restore(anchors);
    if (this.box.scrollHeight < this.box.clientHeight + NEAR && this.firstId === null) this.#wantOlder(room);
    this.actions.onLook();
  }

  /** Draws everything anew: another language, another day. */
  redraw() {
    this.rows.clear();
    this.list.replaceChildren();
    this.draw(this.room, this.self);
  }

  /** Goes to the newest entry and stays there. */
  goToEnd() {
    this.following = true;
    this.opening = false;
    this.firstId = this.lastId = null;
    this.draw(this.room, this.self);
  }

  #turnTo(room) {
    const { following, firstId, lastId } = this;
    if (this.room) this.places.set(this.room, { following, anchors: this.#anchors(), firstId, lastId });
    this.room = room;
    this.rows.clear();
    this.list.replaceChildren();
    this.opening = false;
    this.following = true;
    this.firstId = this.lastId = null;
    this.isFresh = room !== null;
    const place = this.places.get(room);
    if (room?.divider === null && place && !place.following) {
      this.isFresh = false;
      Object.assign(this, { following: false, firstId: place.firstId, lastId: place.lastId });
      queueMicrotask(() => this.room === room && this.#restore(place.anchors));
    }
  }

  /** Once the room is joined it is known whether something is unread, and then it opens at that line. */
  #aim({ items, divider }) {
    this.isFresh = false;
    if (divider === null) return;
    this.opening = true;
    this.following = false;
    const fresh = items.findIndex((item) => item.what === 'message' && item.seq > divider);
    if (fresh > STEP) this.firstId = items[fresh - STEP].id;
  }

  /** Returns the items to draw, within the limit, and cuts where nobody reads. */
  #window(room) {
    const { items } = room;
    let first = this.firstId === null ? 0 : items.findIndex((item) => item.id === this.firstId);
    let last = this.lastId === null ? items.length : items.findIndex((item) => item.id === this.lastId) + 1;
    if (first < 0) first = 0;
    if (last === 0) last = items.length;
    if (last - first > MAX_ROWS) {
      if (this.following) first = last - FRESH_ROWS;
      else if (this.isGoingDown) first = last - MAX_ROWS;
      else last = first + MAX_ROWS;
    }
    this.firstId = first === 0 ? null : items[first].id;
    this.lastId = last === items.length ? null : items[last - 1].id;
    return { items: items.slice(first, last), withSends: this.lastId === null };
  }

  #reconcile(rows) {
    const ids = new Set(rows.map((row) => row.id));
    for (const [id, { element }] of this.rows) {
      if (ids.has(id)) continue;
      element.remove();
      this.rows.delete(id);
    }
    let next = this.list.firstElementChild;
    for (const row of rows) {
      const mark = row.what === 'day' ? dayNameOf(row.at, Date.now(), language) : row.mark;
      let drawn = this.rows.get(row.id);
      if (!drawn) {
        drawn = { element: make('li', { data: { id: row.id } }), mark: null };
        this.rows.set(row.id, drawn);
      }
      if (drawn.mark !== mark) {
        drawRow(drawn.element, row, this.actions);
        drawn.mark = mark;
      }
      if (drawn.element === next) next = next.nextElementSibling;
      else this.list.insertBefore(drawn.element, next);
    }
  }

  #drawTop(room) {
    const isEmpty = room.items.length === 0 && room.sends.items.length === 0;
    const state = this.firstId !== null ? 'above' : room.older;
    const mark = `${language} ${state} ${isEmpty} ${room.firstSeq > 1}`;
    if (this.topMark === mark) return;
    this.topMark = mark;
    this.box.classList.toggle('is-empty', isEmpty && state === 'end');
    const content = {
      unknown: () => skeleton(),
      loading: () => (isEmpty ? skeleton() : topNote(t('loading'))),
      failed: () => topNote(t('olderFailed'), ' ', textButton(t('tryAgain'), () => this.actions.onOlder(true))),
      end: () => (isEmpty ? emptyRoom() : topNote(t(room.firstSeq > 1 ? 'trimmedStart' : 'beginning'))),
    }[state];
    this.top.replaceChildren(content ? content() : '');
  }

  /** Puts the line where reading stopped into the upper third, once what is around it is there. */
  #open(room) {
    const line = this.rows.get('new')?.element;
    if (line) this.box.scrollTop = line.offsetTop - this.box.clientHeight / 3;
    else this.box.scrollTop = this.box.scrollHeight;
    if (room.older === 'unknown' || room.older === 'loading') return;
    this.opening = false;
    this.following = this.#isAtEnd();
  }

  #isAtEnd() {
    return this.lastId === null && this.#distance <= AT_END;
  }

  #toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
  }

  #anchors() {
    const anchors = [];
    const edge = this.box.scrollTop;
    for (const element of this.list.children) {
      if (element.offsetTop + element.offsetHeight <= edge) continue;
      // Days and the line of the new ones move by themselves; only messages hold.
      if (!element.classList.contains('day') && !element.classList.contains('new')) {
        anchors.push({ id: element.dataset.id, offset: element.offsetTop - edge });
      }
      if (anchors.length === ANCHORS) break;
    }
    return anchors;
  }

  #restore(anchors) {
    const anchor = anchors.find(({ id }) => this.rows.has(id));
    if (anchor) this.box.scrollTop = this.rows.get(anchor.id).element.offsetTop - anchor.offset;
  }

  #scrolled() {
    const { room } = this;
    if (!room || this.opening) return;
    this.following = this.#isAtEnd();
    if (this.box.scrollTop < NEAR) this.#extendUp(room);
    else if (this.lastId !== null && this.#distance < NEAR) this.#extendDown(room);
    this.actions.onLook();
  }

  #extendUp(room) {
    if (this.firstId === null) {
      this.#wantOlder(room);
      return;
    }
    const first = room.items.findIndex((item) => item.id === this.firstId);
    this.firstId = first - STEP > 0 ? room.items[first - STEP].id : null;
    this.draw(room, this.self);
  }

  #extendDown(room) {
    const last = room.items.findIndex((item) => item.id === this.lastId);
    this.lastId = room.items[last + STEP]?.id ?? null;
    this.isGoingDown = true;
    this.draw(room, this.self);
    this.isGoingDown = false;
  }

  #wantOlder(room) {
    if (room.older === 'more') this.actions.onOlder(false);
  }
}

const topNote = (...content) => make('p', { class: 'top-note' }, ...content);

function skeleton() {
  const lines = ['long', 'short', 'middle', 'long', 'short'].map((size) => make('div', { class: `bone ${size}` }));
  return make('div', { class: 'skeleton', role: 'status', 'aria-label': t('loading') }, ...lines);
}

function emptyRoom() {
  return make('div', { class: 'empty' }, ...emptyYard(t('emptyTitle'), t('emptyHint')));
}

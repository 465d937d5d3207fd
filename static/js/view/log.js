// The conversation on the screen: a window over a room's items that never moves what somebody reads.
//
// At the bottom it follows. Elsewhere the first visible row and its offset are noted before every change and put
// back after it; the browser's own anchoring is off. At most MAX_ROWS rows stand in the DOM.

import { language, t } from '../i18n.js';
import { spanOf } from '../model/hold.js';
import { rowsOf } from '../model/rows.js';
import { dayNameOf } from '../time.js';
import { emptyYard, make, part, textButton } from './dom.js';
import { drawRow } from './row.js';

const MAX_ROWS = 400;
/** While following, the window grows to so many items before it is cut to so few. */
const FOLLOW_ROWS = 120;
const FRESH_ROWS = 80;
const STEP = 40;
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
   * @param {() => void} actions.onMove  the window moved and is to be drawn with the next frame
   * @param {() => void} actions.onLook  what is on the screen changed
   */
  constructor(actions) {
    this.actions = actions;
    this.box = part('log');
    this.top = part('log-top');
    this.list = part('entries');
    this.room = null;
    this.rows = new Map();
    this.asides = [];
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

  /** What the person sees: see `Model.look`. Only what was drawn counts, and nothing while a room opens. */
  get view() {
    if (this.room === null || this.isFresh || this.opening) return null;
    const { children } = this.list;
    const { scrollTop, clientHeight } = this.box;
    const bottom = scrollTop + clientHeight;
    const seqAt = (index) => {
      const { state, item } = this.rows.get(children[index].dataset.id).row;
      return state ? undefined : item?.seq;
    };
    let last = this.following ? children.length - 1 : this.#rowAt(bottom + 1) - 1;
    while (last >= 0 && !seqAt(last)) last -= 1;
    let first = this.following ? children.length : this.#rowAt(scrollTop);
    while (first < children.length && !seqAt(first)) first += 1;
    const isNear = ({ element }) => element.offsetTop < bottom + NEAR && element.offsetTop + element.offsetHeight > scrollTop - NEAR;
    return {
      seen: last < 0 ? 0 : seqAt(last),
      focus: this.following ? null : first < children.length ? seqAt(first) : Infinity,
      near: this.asides.map(({ id }) => this.rows.get(id)).find(isNear)?.row.item ?? null,
    };
  }

  /** Draws what changed in the room in view. `anchors` are where to stay, if that is not where it stands. */
  draw(room, self, anchors = null) {
    if (room !== this.room) anchors = this.#turnTo(room);
    this.box.hidden = room === null;
    if (room === null) return;
    if (this.isFresh && room.position !== null) this.#aim(room);
    this.box.setAttribute('aria-label', t('conversation', { room: room.name }));
    this.self = self;
    anchors ??= this.following || this.opening ? [] : this.#anchors();
    this.#reconcile(this.#window(room, anchors));
    this.#drawTop(room);
    if (this.opening) this.#open(room);
    else if (this.following) this.#toEnd();
    else this.#restore(anchors);
    if (this.box.scrollHeight < this.box.clientHeight + NEAR && this.firstId === null) this.#wantOlder(room);
    this.actions.onLook();
  }

  /** Draws everything anew: another language, another day. */
  redraw() {
    const anchors = this.#anchors();
    this.rows.clear();
    this.list.replaceChildren();
    this.draw(this.room, this.self, anchors);
  }

  /** Goes to the newest entry and stays there. */
  goToEnd() {
    this.following = true;
    this.opening = false;
    this.firstId = this.lastId = null;
    this.draw(this.room, this.self);
  }

  /** Turns to another room, and returns the anchors of where it was left, if nothing is new there. */
  #turnTo(room) {
    const { following, firstId, lastId } = this;
    if (this.room) this.places.set(this.room, { following, anchors: this.#anchors(), firstId, lastId });
    this.room = room;
    this.rows.clear();
    this.list.replaceChildren();
    const place = room?.divider === null ? this.places.get(room) : null;
    this.opening = false;
    this.following = place?.following ?? true;
    this.firstId = place?.firstId ?? null;
    this.lastId = place?.lastId ?? null;
    this.isFresh = this.following && room !== null;
    return place?.anchors ?? [];
  }

  /** Once the room is joined it is known whether something is unread, and then it opens at that line. */
  #aim({ divider }) {
    this.isFresh = false;
    this.opening = divider !== null;
    this.following = !this.opening;
  }

  /** Returns the rows to draw, within the limit, cut where nobody reads. */
  #window(room, anchors) {
    const all = [...room.items, ...room.sends.items];
    const indexOf = (id) => all.findIndex((item) => item.id === id);
    let first = this.firstId === null ? 0 : Math.max(0, indexOf(this.firstId));
    let last = (this.lastId === null ? 0 : indexOf(this.lastId) + 1) || all.length;
    const rows = () => rowsOf(room, all.slice(first, last), this.self);
    const narrow = (wanted) => {
      const n = this.following ? FRESH_ROWS : wanted;
      const at = this.following ? last : this.opening
        ? all.findIndex((item) => spanOf(item)[1] > room.divider)
        : anchors.map(({ id }) => indexOf(id)).find((index) => index >= 0) ?? first;
      first = Math.max(first, Math.min(at - (n >> 1), last - n));
      last = Math.min(last, first + n);
    };
    if (last - first > (this.following ? FOLLOW_ROWS : MAX_ROWS)) narrow(MAX_ROWS);
    let drawn = rows();
    if (drawn.length > MAX_ROWS) {
      narrow(MAX_ROWS - (drawn.length - (last - first)));
      drawn = rows();
    }
    this.firstId = first === 0 ? null : all[first].id;
    this.lastId = last === all.length ? null : all[last - 1].id;
    return drawn;
  }

  #reconcile(rows) {
    const ids = new Set(rows.map((row) => row.id));
    this.asides = rows.filter(({ item }) => item?.reason === 'aside');
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
      drawn.row = row;
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
    if (room.older === 'unknown' || room.older === 'loading' || (room.status === 'joined' && !room.isReady(Date.now()))) return;
    this.opening = false;
    this.following = this.#isAtEnd();
  }

  #isAtEnd() {
    return this.lastId === null && this.#distance <= AT_END;
  }

  #toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
  }

  /** Returns the index of the first row that ends below a height. Rows stand in order, so few are measured. */
  #rowAt(y) {
    const { children } = this.list;
    let low = 0;
    let high = children.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (children[middle].offsetTop + children[middle].offsetHeight > y) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #anchors() {
    const edge = this.box.scrollTop;
    const start = this.#rowAt(edge);
    // Days and the line of the new ones move by themselves; only messages hold.
    return [...this.list.children].slice(start, start + ANCHORS)
      .filter(({ classList }) => !classList.contains('day') && !classList.contains('new'))
      .map(({ dataset, offsetTop }) => ({ id: dataset.id, offset: offsetTop - edge }));
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
    this.firstId = this.#step(room, this.firstId, -STEP);
    this.actions.onMove();
  }

  #extendDown(room) {
    this.lastId = this.#step(room, this.lastId, STEP);
    this.actions.onMove();
  }

  /** Returns the id of the item so many items away, or null beyond the ends. */
  #step({ items, sends }, id, by) {
    const all = [...items, ...sends.items];
    const index = all.findIndex((item) => item.id === id);
    return index < 0 ? null : all[index + by]?.id ?? null;
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

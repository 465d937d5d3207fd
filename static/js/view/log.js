// The conversation on the screen: a window over a room's items that never moves what somebody reads.
//
// At the bottom it follows. Elsewhere the first visible row and its offset are noted before every change and put
// back after it; the browser's own anchoring is off. At most MAX_ROWS rows stand in the DOM.
//
// All drawing happens in `draw`, once per frame, and only `#put` scrolls. Everything else says what is meant (`stance`,
// `isGoing`), and the next frame does it.

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
/** Rows added per frame to those that stand: what comes at once takes a few frames instead of a long one. */
const ROWS_PER_FRAME = 10;
/** Who follows and is so many behind sees the newest at once, and what lies between later. */
const MOST_BEHIND = 30;
/** No message is lower than this, in px. */
const LEAST_HEIGHT = 36;
/** Closer to an end than this, in px, the window is extended. */
const NEAR = 600;
/** Closer to the end than this, in px, counts as at the end. */
const AT_END = 40;
/** Rows noted as anchors, in case the first ones go. */
const ANCHORS = 40;
/** After so many frames without a sign of it no scroll is under way. Frames, since a busy page tells of it late. */
const REST_FRAMES = 8;

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
    /**
     * Where it stands, whatever is drawn: at the newest, where somebody reads, or, while a room opens, at the line where
     * reading stopped. @type {'end'|'place'|'line'}
     */
    this.stance = 'end';
    /** Somebody asked for the newest: the next frame goes there. */
    this.isGoing = false;
    this.isStale = false;
    /** Some of the window is to be drawn with the next frames. */
    this.isBehind = false;
    /** Where it stood when it was last put or found somewhere. A scroll away from there is somebody's. */
    this.stood = 0;
    /** Px by which it could not be put exactly there: scrolling knows whole pixels only, and many small errors add up. */
    this.owed = 0;
    /** Frames for which a scroll may be under way, and whether it is the one that a jump put an end to. */
    this.stirring = 0;
    this.isSettling = false;
    this.box.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    // A short way up that ended near the newest was none.
    this.box.addEventListener('scrollend', () => { if (this.stance === 'place' && this.#isAtEnd()) this.stance = 'end'; });
    for (const event of ['wheel', 'touchmove', 'keydown', 'pointerdown']) {
      this.box.addEventListener(event, (input) => this.#stirred(input), { passive: true });
    }
    const sizes = new ResizeObserver(() => { if (this.stance === 'end') this.#put(this.#end); });
    sizes.observe(this.box);
    sizes.observe(this.list);
  }

  /** Px between what is on the screen and the end of what is drawn. */
  get #distance() {
    return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight;
  }

  /** True if the way back to the newest entry is long enough to offer it. */
  get isAway() {
    return this.room !== null && this.stance !== 'end' && (this.lastId !== null || this.#distance > 240);
  }

  /** What the person sees: see `Model.look`. Only what was drawn counts, and nothing while a room opens. */
  get view() {
    if (this.room === null || this.isFresh || this.stance === 'line') return null;
    const follows = this.stance === 'end';
    const { children } = this.list;
    const { scrollTop, clientHeight } = this.box;
    const bottom = scrollTop + clientHeight;
    const seqAt = (index) => {
      const { state, item } = this.rows.get(children[index].dataset.id).row;
      return state ? undefined : item?.seq;
    };
    let last = follows ? children.length - 1 : this.#rowAt(bottom + 1) - 1;
    while (last >= 0 && !seqAt(last)) last -= 1;
    let first = follows ? children.length : this.#rowAt(scrollTop);
    while (first < children.length && !seqAt(first)) first += 1;
    const isNear = ({ element }) => element.offsetTop < bottom + NEAR && element.offsetTop + element.offsetHeight > scrollTop - NEAR;
    return {
      seen: last < 0 ? 0 : seqAt(last),
      focus: follows ? null : first < children.length ? seqAt(first) : Infinity,
      near: this.asides.map(({ id }) => this.rows.get(id)).find(isNear)?.row.item ?? null,
    };
  }

  /** Draws what changed in the room in view. Nothing else touches the list, so that it changes once per frame. */
  draw(room, self) {
    const left = room === this.room ? null : this.#turnTo(room);
    this.box.hidden = room === null;
    if (room === null) return;
    if (this.isFresh && room.position !== null) this.#aim(room);
    this.box.setAttribute('aria-label', t('conversation', { room: room.name }));
    this.self = self;
    if (this.isGoing) this.#go();
    const anchors = left ?? (this.stance === 'place' ? this.#anchors() : []);
    if (this.isStale) this.#forget();
    this.#reconcile(this.#window(room, anchors));
    this.#drawTop(room);
    if (this.stance === 'line') this.#open(room);
    else this.#put(this.stance === 'end' ? this.#end : this.#placeOf(anchors));
    if (!this.isBehind && this.firstId === null && this.box.scrollHeight < this.box.clientHeight + NEAR) this.#wantOlder(room);
    this.actions.onLook();
  }

  /** Has everything drawn anew with the next frame: another language, another day. */
  redraw() {
    this.isStale = true;
    this.actions.onMove();
  }

  /** Goes to the newest entry with the next frame, whatever scroll is under way, and stays there. */
  goToEnd() {
    this.isGoing = true;
    this.actions.onMove();
  }

  /** Stays where it is, although it followed: something at the end is looked at. */
  stay() {
    this.stance = 'place';
  }

  #go() {
    // A scroll under way, such as that of the Home key, moves on after the page has scrolled.
    const isSettling = this.stirring > 0;
    Object.assign(this, { stance: 'end', isGoing: false, isSettling, firstId: null, lastId: null });
    if (isSettling) this.#stir();
  }

  #forget() {
    this.isStale = false;
    this.rows.clear();
    this.list.replaceChildren();
  }

  /** Turns to another room, and returns the anchors of where it was left, if nothing is new there. */
  #turnTo(room) {
    const { stance, firstId, lastId } = this;
    if (this.room) this.places.set(this.room, { stance, anchors: this.#anchors(), firstId, lastId });
    this.room = room;
    this.#forget();
    const place = room?.divider === null ? this.places.get(room) : null;
    this.stance = place?.stance === 'place' ? 'place' : 'end';
    this.isGoing = false;
    this.firstId = place?.firstId ?? null;
    this.lastId = place?.lastId ?? null;
    this.isFresh = this.stance === 'end' && room !== null;
    return place?.anchors ?? [];
  }

  /** Once the room is joined it is known whether something is unread, and then it opens at that line. */
  #aim({ divider }) {
    this.isFresh = false;
    this.stance = divider === null ? 'end' : 'line';
  }

  /** Returns the rows to draw, within the limit, cut where nobody reads. */
  #window(room, anchors) {
    const all = [...room.items, ...room.sends.items];
    const follows = this.stance === 'end';
    const indexOf = (id) => all.findLastIndex((item) => item.id === id);
    let first = this.firstId === null ? 0 : Math.max(0, indexOf(this.firstId));
    let last = (this.lastId === null ? 0 : indexOf(this.lastId) + 1) || all.length;
    const rows = () => rowsOf(room, this.#inSteps(all.slice(first, last)), this.self);
    const narrow = (wanted) => {
      const n = follows ? FRESH_ROWS : wanted;
      const at = follows ? last : this.stance === 'line'
        ? all.findIndex((item) => spanOf(item)[1] > room.divider)
        : anchors.map(({ id }) => indexOf(id)).find((index) => index >= 0) ?? first;
      first = Math.max(first, Math.min(at - (n >> 1), last - n));
      last = Math.min(last, first + n);
    };
    if (last - first > (follows ? FOLLOW_ROWS : MAX_ROWS)) narrow(MAX_ROWS);
    let drawn = rows();
    if (drawn.length > MAX_ROWS) {
      narrow(MAX_ROWS - drawn.filter(({ item }) => !item).length);
      drawn = rows();
    }
    this.firstId = first === 0 ? null : all[first].id;
    this.lastId = last === all.length ? null : all[last - 1].id;
    return drawn;
  }

  /**
   * Leaves to the next frames what is too much for one of them. What is nearest to the rows that stand comes first; who
   * follows sees the newest at once, and an own message that is no entry yet never waits.
   */
  #inSteps(items) {
    const stands = ({ id }) => this.rows.has(id);
    const start = items.findIndex(stands);
    const follows = this.stance === 'end';
    this.isBehind = false;
    if (this.stance === 'line' || (start < 0 && !follows)) return items;
    let left = ROWS_PER_FRAME;
    let shown = items.filter((item, index) => {
      if (stands(item)) return true;
      if (index < start) return index >= start - ROWS_PER_FRAME;
      if (!item.state) left -= 1;
      return left >= 0 || item.state;
    });
    if (follows && (start < 0 || left < -MOST_BEHIND)) shown = items.slice(-Math.ceil(this.box.clientHeight / LEAST_HEIGHT));
    this.isBehind = shown.length < items.length;
    if (this.isBehind) this.actions.onMove();
    return shown;
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
    this.#put(line ? line.offsetTop - this.box.clientHeight / 3 : this.#end);
    if (room.older === 'unknown' || room.older === 'loading' || (room.status === 'joined' && !room.isReady(Date.now()))) return;
    this.stance = this.#isAtEnd() ? 'end' : 'place';
  }

  #isAtEnd() {
    return this.lastId === null && this.#distance <= AT_END;
  }

  get #end() {
    return this.box.scrollHeight - this.box.clientHeight;
  }

  /** Scrolls, as nothing else does. Where it stands already it stays, so that somebody's scroll goes on. */
  #put(top) {
    const { box } = this;
    if (top !== null && (Math.abs(box.scrollTop - top) >= 1 || this.isSettling)) box.scrollTop = top;
    this.stood = box.scrollTop;
    const owed = top === null ? 0 : top - this.stood;
    this.owed = Math.abs(owed) < 1 ? owed : 0;
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
    const { scrollTop } = this.box;
    const start = this.#rowAt(scrollTop);
    // Days and the line of the new ones move by themselves; only messages hold.
    return [...this.list.children].slice(start, start + ANCHORS)
      .filter(({ classList }) => !classList.contains('day') && !classList.contains('new'))
      .map((row) => ({ id: row.dataset.id, offset: this.#heightOf(row) - this.owed }));
  }

  /** Where to scroll so that a row stands where it stood, or null if none of them is left. */
  #placeOf(anchors) {
    const anchor = anchors.find(({ id }) => this.rows.has(id));
    return anchor ? this.box.scrollTop + this.#heightOf(this.rows.get(anchor.id).element) - anchor.offset : null;
  }

  /** How far below the edge stands what a row says. The name above it goes once an earlier message is drawn. */
  #heightOf(row) {
    return (row.querySelector('.bubble') ?? row).getBoundingClientRect().top - this.box.getBoundingClientRect().top;
  }

  /** A scroll may be under way from now on, until a few frames pass without another sign of it. */
  #stir() {
    const isCounting = this.stirring > 0;
    this.stirring = REST_FRAMES;
    if (isCounting) return;
    const count = () => {
      this.stirring -= 1;
      if (this.stirring > 0) requestAnimationFrame(count);
      else this.isSettling = false;
    };
    requestAnimationFrame(count);
  }

  /** Somebody does what may scroll. What only goes on, a key held down or a wheel still turning, was meant before. */
  #stirred({ type, key, repeat }) {
    if (key === 'Escape') return;
    const goesOn = repeat || (this.stirring > 0 && (type === 'wheel' || type === 'touchmove'));
    if (!goesOn) this.isSettling = false;
    if (this.stance === 'line') this.stance = 'place';
    this.#stir();
  }

  #scrolled() {
    const { room, box } = this;
    const moved = box.scrollTop - this.stood;
    this.stood = box.scrollTop;
    if (!room || this.stance === 'line') return;
    // Less than a pixel is the browser's rounding.
    const isOurs = Math.abs(moved) < 1;
    if (!isOurs) {
      this.owed = 0;
      this.#stir();
      if (this.isSettling) {
        this.#put(this.#end);
        return;
      }
    }
    // Whoever goes up leaves the newest with the first step, or what is drawn meanwhile would take them back.
    if (moved <= -1 ? this.lastId === null && this.#distance < 2 : this.#isAtEnd()) this.stance = 'end';
    else if (!isOurs) this.stance = 'place';
    if (this.isBehind) this.actions.onMove();
    else if (box.scrollTop < NEAR) this.#extendUp(room);
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

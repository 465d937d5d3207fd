// Everything the page knows, without DOM and without network: frames go in, changes and questions come out.
//
// `receive` takes a frame and notes in `changes` what it touched. `asks` returns the requests that are due; the
// caller sends them and hands each answer back together with its `about`. Time is always an argument.

import { DEFAULT_LIMITS, TAKES } from './frames.js';
import { Room } from './room.js';
import { newKey } from './sends.js';

/** Items kept of the room in view, and of each other one. */
const KEPT = { inView: 2_000, aside: 300 };
/** Entries asked for when joining again: the room in view, and each other one. */
const JOIN_IN_VIEW = 200;
const JOIN_ASIDE = 50;
const PAGE = 50;
const GAP_PAGE = 200;
const MEMBERS_PAGE = 100;
/** Who goes on typing is told of this often; half of how long a word of it counts. */
const TYPING_EVERY_MS = 3_000;

/** The state of the page. */
export class Model {
  /** @param {() => string} makeKey  returns random keys of at least 96 bits */
  constructor(makeKey = newKey) {
    this.newKey = makeKey;
    this.kept = KEPT;
    /** @type {{id: string, name: string}|null} */
    this.self = null;
    this.node = null;
    this.limits = DEFAULT_LIMITS;
    this.online = false;
    this.degraded = null;
    /** @type {Map<string, Room>} in the order they were added */
    this.rooms = new Map();
    this.current = null;
    /** True while the page is visible and the newest entry of the current room is on the screen. */
    this.attentive = false;
    /** A gap near the screen that the page made itself: it is asked for as soon as may be. */
    this.near = null;
    this.typedAt = -Infinity;
    /** How far the broker's clock is ahead of this machine's, in ms. */
    this.skew = 0;
    /** What changed since it was last cleared: `self`, `status`, `rooms`, `unread`, `read`, `log:<room>`, `people:<room>`. */
    this.changes = new Set();
  }

  /** The room in view, or null. */
  get room() {
    return this.rooms.get(this.current) ?? null;
  }

  /** Unread messages over all rooms. */
  get unread() {
    let unread = 0;
    for (const room of this.rooms.values()) unread += room.unread;
    return unread;
  }

  /** Adds a room at the end of the list, to be joined. Returns it, or null if there are too many. */
  add(name) {
    const known = this.rooms.get(name);
    if (known) return known;
    if (this.rooms.size >= this.limits.rooms) return null;
    const room = new Room(name);
    this.rooms.set(name, room);
    this.changes.add('rooms');
    return room;
  }

  /** Puts a room into view. What is unread in it stays marked by a line. */
  open(name) {
    const room = this.rooms.get(name) ?? null;
    if (this.room && this.room !== room) {
      this.room.trim(this.kept.aside);
      this.room.divider = null;
    }
    this.current = room ? name : null;
    this.attentive = false;
    this.near = null;
    if (room) room.divider = room.unread > 0 ? room.read : null;
    this.changes.add('rooms').add(`log:${name}`).add(`people:${name}`);
    return room;
  }

  /** Takes a room off the list. Returns the request that says so to the node, or null. */
  leave(name) {
    const room = this.rooms.get(name);
    if (!room) return null;
    this.rooms.delete(name);
    if (this.current === name) this.current = null;
    this.changes.add('rooms');
    const isThere = room.status === 'joined' || room.status === 'joining';
    return isThere && this.online ? { frame: { type: 'leave', room: name }, about: { what: 'leave', room } } : null;
  }

  /** Takes what a person wrote; it is shown at once and goes out with the next `asks`. */
  write(text, now) {
    const { room } = this;
    if (!room) return;
    this.typedAt = -Infinity;
    room.sends.add(text, this.newKey(), now + this.skew);
    this.changes.add(`log:${room.name}`);
  }

  /** Tries a room, a send, a gap or the older entries again, because the person asked. */
  retryRoom(room) {
    Object.assign(room, { status: 'new', error: null, retryAt: 0 });
    this.changes.add('rooms').add(`log:${room.name}`);
  }

  retrySend(room, send) {
    room.sends.retry(send, this.newKey());
    this.changes.add(`log:${room.name}`);
  }

  discardSend(room, send) {
    room.sends.discard(send);
    this.changes.add(`log:${room.name}`);
  }

  /**
   * Notes what the person sees of the room in view.
   * @param {boolean} isVisible  whether the page can be seen at all
   * @param {{seen: number, focus: number|null, near: object|null}|null} view  the last and the first seq on the screen
   *   (null where it follows the newest), and a gap of ours near it
   */
  look(isVisible, view) {
    const { room } = this;
    this.attentive = isVisible && view?.focus === null;
    this.near = view?.near ?? null;
    if (!room || !view) return;
    room.focus = view.focus;
    const { unread } = room;
    if (isVisible && room.readTo(view.seen)) this.changes.add(room.unread === unread ? 'read' : 'unread');
  }

  /** Notes that the unread of a room may have changed from what they were, with the position at `seq`. */
  counted(room, { unread, seq }) {
    if (room.unread === unread || (room === this.room && this.attentive)) return;
    if (room === this.room && unread === 0) room.divider = seq;
    this.changes.add('unread');
  }

  /** Notes that the session is gone. */
  lost() {
    if (!this.online && this.self === null) return;
    this.online = false;
    this.degraded = null;
    for (const room of this.rooms.values()) room.lost();
    this.changes.add('status').add('rooms').add(`log:${this.current}`).add(`people:${this.current}`);
  }

  /** Returns the frame that says that the person types, or null if that was said lately. */
  askTyping(now) {
    const { room } = this;
    if (!this.online || room?.status !== 'joined' || now - this.typedAt < TYPING_EVERY_MS) return null;
    this.typedAt = now;
    return { type: 'typing', room: room.name };
  }

  /** Returns the request for older entries of the room in view, or null if none is due. */
  askOlder(now) {
    const { room } = this;
    if (!this.online || room?.status !== 'joined') return null;
    if (room.older === 'loading' || room.older === 'end' || now < room.olderRetryAt) return null;
    room.older = 'loading';
    this.changes.add(`log:${room.name}`);
    // Without an end the newest are meant, and none may be named that the log does not reach.
    const isNewest = room.firstSeq === null && (room.goal === null || room.position.seq >= room.goal.seq);
    return this.#historyAsk(room, PAGE, { before: room.head }, isNewest ? {} : { before: room.under(room.head) });
  }

  /** Returns the request for the entries that a gap stands for, nearest to the reader first, or null. */
  askGap(room, gap) {
    if (!this.online || room.status !== 'joined' || gap.loading) return null;
    gap.loading = true;
    this.changes.add(`log:${room.name}`);
    const limit = Math.min(GAP_PAGE, gap.to - gap.from + 1);
    if (room.focus === null || room.focus >= gap.from) {
      return this.#historyAsk(room, limit, { gap, before: gap.to + 1 }, { before: room.under(gap.to + 1) });
    }
    return this.#historyAsk(room, limit, { gap, to: gap.to }, { after: room.under(gap.from - 1) });
  }

  /** Returns the request for the next page of members of the room in view, or null. */
  askMembers() {
    const { room } = this;
    if (!this.online || room?.status !== 'joined' || room.people.loading || !room.people.hasMore) return null;
    Object.assign(room.people, { loading: true, hasFailed: false });
    const { cursor } = room.people;
    return {
      frame: { type: 'members', room: room.name, limit: MEMBERS_PAGE, ...(cursor ? { cursor } : {}) },
      about: { what: 'members', room },
    };
  }

  /** Returns every request that is due, in order: joins, then sends, the room in view first. */
  asks(now) {
    if (!this.online) return [];
    const asks = [];
    for (const room of this.#currentFirst()) {
      if (room.status === 'new' && now >= room.retryAt) asks.push(this.#joinAsk(room));
      if (room.sends.items.length && room.isReady(now)) asks.push(...this.#sendAsks(room, now));
    }
    const { room, near } = this;
    if (room?.older === 'unknown') asks.push(this.askOlder(now));
    if (near && now >= room.olderRetryAt && room.items.includes(near)) asks.push(this.askGap(room, near));
    return asks.filter(Boolean);
  }

  /** Returns when `asks` or `expire` have something to do without a frame, or Infinity. */
  wakeAt(now) {
    let at = Infinity;
    const soon = (moment) => {
      if (moment > now) at = Math.min(at, moment);
    };
    for (const room of this.rooms.values()) {
      if (room.status === 'new') soon(room.retryAt);
      if (room === this.room && (room.older === 'unknown' || this.near)) soon(room.olderRetryAt);
      if (room.goal) soon(room.goal.by);
      if (room.sends.items.some((send) => send.state === 'waiting')) soon(room.sends.pausedUntil);
    }
    for (const { until } of this.room?.people.typing.values() ?? []) soon(until);
    return at;
  }

  /** Drops who no longer types in the room in view. */
  expire(now) {
    if (this.room?.people.expire(now)) this.changes.add(`people:${this.current}`);
  }

  /** Takes a frame; `about` is what the request carried, if the frame answers one. */
  receive(frame, about, now) {
    if (!Object.hasOwn(TAKES, frame.type)) return;
    TAKES[frame.type].call(this, frame, about, now);
    const room = this.rooms.get(frame.room);
    room?.trim(room === this.room ? this.kept.inView : this.kept.aside);
  }

  #currentFirst() {
    const rooms = [...this.rooms.values()];
    const { room } = this;
    return room ? [room, ...rooms.filter((other) => other !== room)] : rooms;
  }

  #joinAsk(room) {
    room.status = 'joining';
    const { after } = room;
    const limit = room === this.room ? JOIN_IN_VIEW : JOIN_ASIDE;
    const frame = { type: 'join', room: room.name, ...(after ? { after, limit } : {}) };
    return { frame, about: { what: 'join', room, after } };
  }

  #sendAsks(room, now) {
    const due = room.sends.due(now, this.self.id, this.limits.dedupe_ms);
    if (due.length || room.sends.items.some((send) => send.state === 'ask')) this.changes.add(`log:${room.name}`);
    return due.map((send) => ({
      frame: { type: 'send', room: room.name, text: send.text, key: send.key },
      about: { what: 'send', room, send },
    }));
  }

  #historyAsk(room, limit, about, where) {
    return {
      frame: { type: 'history', room: room.name, limit, ...where },
      about: { what: 'history', room, generation: room.generation, ...about },
    };
  }

  /** Runs a take for the room that a frame names, if the page still has it. */
  named(frame, take) {
    const room = this.rooms.get(frame.room);
    if (room) take(room);
  }

  /** True if a frame's user is who this page speaks as. */
  isMine(frame) {
    return frame.user?.id !== undefined && frame.user.id === this.self?.id;
  }

  /** Gives a room the name that the node knows it by. */
  rename(room, name) {
    if (room.name === name) return;
    const renamed = [...this.rooms.values()].filter((other) => other === room || other.name !== name);
    if (this.current === room.name) this.current = name;
    room.name = name;
    this.rooms = new Map(renamed.map((other) => [other.name, other]));
    this.changes.add('rooms');
  }
}

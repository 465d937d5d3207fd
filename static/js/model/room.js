// One room as this page knows it: its position, what it shows, and how far it was read.
//
// Only `message`, `gap` and `epoch` move the position. What is shown ascends in seq at all times: entries of any
// epoch, lines for gaps, and lines for what was withdrawn. History only ever fills in below the position.

import { People } from './people.js';
import { Sends } from './sends.js';

/** Entries kept of the room in view, and of each other one. */
export const KEPT_IN_VIEW = 2_000;
export const KEPT_ASIDE = 300;
/** A room that has not caught up to `joined.seq` by then sends all the same: keys keep it from doubling. */
export const CATCH_UP_MS = 5_000;

/**
 * @typedef {object} Entry
 * @property {'message'} what
 * @property {string} id  identity of its row
 * @property {string} epoch
 * @property {number} seq
 * @property {number} at  ms, the broker's clock
 * @property {{id: string, name: string, bot?: boolean}} user
 * @property {string} [kind]  absent for text
 * @property {string} [text]
 * @property {boolean} [own]  true if it was written on this page
 */

/** Where an item stands among the others. A withdrawal stands between its cut and what follows. */
function orderOf(item) {
  if (item.what === 'message') return item.seq;
  return item.what === 'gap' ? item.to : item.from - 0.5;
}

/** Who wrote an entry that does not say it. */
const NOBODY = { id: '', name: '?' };

const isEntry = (item) => item.what === 'message';

/** One room. */
export class Room {
  /** @param {string} name canonical as far as known */
  constructor(name) {
    this.name = name;
    /** `new`: to be joined; `refused` and `left` wait for the person. @type {'new'|'joining'|'joined'|'refused'|'left'} */
    this.status = 'new';
    this.error = null;
    this.retryAt = 0;
    /** @type {{epoch: string|null, seq: number}|null} null before the first `joined` */
    this.position = null;
    this.goal = null;
    this.items = [];
    /** What lies above the first item. @type {'unknown'|'loading'|'more'|'end'|'failed'} */
    this.older = 'unknown';
    this.olderRetryAt = 0;
    /** Answers to questions asked before an epoch changed are not ours any more. */
    this.generation = 0;
    this.read = 0;
    this.unread = 0;
    /** The seq after which everything was new when the room was opened. */
    this.divider = null;
    this.sends = new Sends();
    this.people = new People();
    this.serial = 0;
  }

  /** True if messages may go out: what was missed has come by, so nothing is sent that already arrived. */
  isReady(now) {
    if (this.status !== 'joined') return false;
    const { goal, position } = this;
    const caughtUp = goal === null || (position.epoch === goal.epoch && position.seq >= goal.seq);
    if (caughtUp) this.goal = null;
    return caughtUp || now >= goal.by;
  }

  /** Takes `joined`. The first one sets the position; later ones never do. */
  joined(frame, now) {
    this.status = 'joined';
    this.error = null;
    this.people.joined(frame);
    this.goal = { epoch: frame.epoch, seq: frame.seq, by: now + CATCH_UP_MS };
    if (this.position === null) {
      this.position = { epoch: frame.epoch, seq: frame.seq };
      this.older = frame.seq > 0 ? 'unknown' : 'end';
      this.unread = this.read > 0 ? Math.max(0, frame.seq - this.read) : 0;
      if (this.read === 0 || this.read > frame.seq) this.read = frame.seq;
    }
  }

  /** Notes that the session is gone: everything asked is unanswered, everything known stays. */
  lost() {
    if (this.status === 'joined' || this.status === 'joining') this.status = 'new';
    if (this.older === 'loading') this.older = this.items.length ? 'more' : 'unknown';
    for (const item of this.items) if (item.what === 'gap') item.loading = false;
    this.goal = null;
    this.generation += 1;
    this.people.loading = false;
    this.people.typing.clear();
    this.sends.lost();
  }

  /**
   * Takes a `message`.
   * @param {boolean} isMine  true if its user is who this page speaks as
   * @returns {Entry|null} the entry, or null if it was a repeat
   */
  message(frame, isMine) {
    if (this.position === null) return null;
    if (frame.seq <= this.position.seq) {
      if (frame.epoch === this.position.epoch) return null;
      // The log was rewound and the word about it is missing: it means the same.
      this.epoch({ epoch: frame.epoch, from: frame.seq });
    }
    const entry = this.#entry(frame, isMine);
    this.items.push(entry);
    this.#move(frame.epoch, frame.seq);
    this.people.spoke(entry.user.id);
    return entry;
  }

  /** Takes a `gap`: a line stands for what lies between. */
  gap({ epoch, from, to, reason }) {
    if (this.position === null) return;
    const start = Math.max(from, this.position.seq + 1);
    if (to >= start) this.items.push({ what: 'gap', id: this.#nextId('g'), from: start, to, reason, loading: false });
    if (to >= this.position.seq) this.#move(epoch, to);
  }

  /** Takes an `epoch`: everything at `from` and above is withdrawn, whatever its epoch. */
  epoch({ epoch, from }) {
    if (this.position === null) return;
    const kept = [];
    const gone = [];
    for (const item of this.items) {
      if (isEntry(item)) (item.seq < from ? kept : gone).push(item);
      else if (item.what === 'withdrawn') (item.from < from ? kept : gone).push(item);
      else if (item.from < from) kept.push(Object.assign(item, { to: Math.min(item.to, from - 1) }));
    }
    const lost = gone.filter(isEntry).concat(this.sends.withdrawn(from, epoch).map((send) => ({ ...send, what: 'message' })));
    const earlier = gone.filter((item) => item.what === 'withdrawn').flatMap((item) => item.entries);
    if (lost.length || earlier.length) {
      kept.push({ what: 'withdrawn', id: this.#nextId('w'), from, entries: earlier.concat(lost) });
    }
    this.items = kept;
    this.generation += 1;
    if (this.older === 'loading') this.older = 'more';
    for (const item of kept) if (item.what === 'gap') item.loading = false;
    if (this.read >= from) {
      this.read = from - 1;
      this.unread = 0;
    } else {
      this.unread = Math.max(0, this.unread - gone.filter((item) => isEntry(item) && !item.own).length);
    }
    if (this.divider !== null && this.divider >= from) this.divider = null;
    this.#move(epoch, from - 1);
  }

  /** Takes the answer to a question for older entries, or for those of a gap, below the seq `before`. */
  history({ messages = [], more, from }, { gap, generation, before }, isMine) {
    if (generation !== this.generation) return;
    if (gap) gap.loading = false;
    else this.older = more ? 'more' : 'end';
    // The position was not good: an `epoch` for this room is on its way and settles what is shown.
    if (from !== undefined) {
      this.older = 'more';
      return;
    }
    const known = this.#seqs();
    const fresh = messages.filter(({ seq }) => seq <= this.position.seq && !known.has(seq));
    if (messages.length) this.#cover(messages[0].seq, before - 1);
    // What the log did not give although it had nothing more, it no longer has.
    if (gap && (!more || messages.length === 0 || messages[0].seq <= gap.from)) gap.reason = 'trimmed';
    for (const frame of fresh) this.items.push(this.#entry(frame, isMine(frame)));
    this.#sort();
  }

  /** Drops the oldest entries above a number; they can be had again by history. */
  trim(kept) {
    if (this.items.length <= kept) return;
    this.items = this.items.slice(-kept);
    if (this.older !== 'loading') this.older = 'more';
  }

  /** Notes that everything up to the position was read. Returns true if that is news. */
  markRead() {
    if (this.position === null || (this.unread === 0 && this.read === this.position.seq)) return false;
    this.unread = 0;
    this.read = this.position.seq;
    return true;
  }

  /** Where a question for older entries begins: a seq, under the epoch of the position, which covers it. */
  before(seq) {
    return { epoch: this.position.epoch, seq };
  }

  /** The lowest seq that is shown, or null. */
  get firstSeq() {
    const first = this.items.find((item) => item.what !== 'withdrawn');
    return first ? first.from ?? first.seq : null;
  }

  #seqs() {
    return new Set(this.items.filter(isEntry).map((item) => item.seq));
  }

  #sort() {
    this.items.sort((a, b) => orderOf(a) - orderOf(b));
  }

  /** Takes a range of seqs out of the gaps: it is known now. */
  #cover(from, to) {
    this.items = this.items.flatMap((item) => {
      if (item.what !== 'gap' || item.to < from || item.from > to) return [item];
      const rest = [];
      if (item.to > to) rest.push({ ...item, id: this.#nextId('g'), from: to + 1, loading: false });
      if (item.from < from) rest.unshift(Object.assign(item, { to: from - 1 }));
      return rest;
    });
  }

  #entry({ epoch, seq, at, user, key, kind, text }, isMine) {
    const send = isMine ? this.sends.settle(key) : null;
    const id = send?.id ?? `e:${epoch}:${seq}`;
    const entry = { what: 'message', id, epoch, seq, at, user: user ?? NOBODY, kind, text };
    if (isMine) entry.own = true;
    return entry;
  }

  /** Moves the position; what was sent and is passed without having come by takes its place now. */
  #move(epoch, seq) {
    this.position = { epoch, seq };
    const passed = this.sends.passed(seq);
    if (passed.length) this.#place(passed);
  }

  #place(sends) {
    const known = this.#seqs();
    for (const { id, epoch, seq, at, text, user } of sends) {
      if (known.has(seq)) continue;
      this.#cover(seq, seq);
      this.items.push({ what: 'message', id, epoch, seq, at, user, text, own: true });
    }
    this.#sort();
  }

  /** Takes `sent` for an own message. */
  sent(send, frame, user) {
    this.sends.sent(send, frame);
    send.user = user;
    const passed = this.position ? this.sends.passed(this.position.seq) : [];
    if (passed.length) this.#place(passed);
  }

  #nextId(prefix) {
    this.serial += 1;
    return `${prefix}:${this.serial}`;
  }
}

// One room as this page knows it: its position, what it shows, and how far it was read.
//
// Only `message`, `gap` and `epoch` move the position. What is shown ascends in seq at all times: entries of any
// epoch, lines for gaps, and lines for what was withdrawn. History only ever fills in below the position.

import { hold, spanOf } from './hold.js';
import { People } from './people.js';
import { Sends } from './sends.js';

/** Entries kept of a withdrawal, for those who want to look at it. */
const WITHDRAWN_KEPT = 50;
/** A room that has not caught up to `joined.seq` by then sends all the same: keys keep it from doubling. */
export const CATCH_UP_MS = 5_000;

/** @typedef {{what: 'message', id: string, epoch: string, seq: number, at: number, user: object, kind?: string, text?: string, own?: boolean}} Entry  `id` is its row's */

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
    /** The log is known to have nothing below this seq. */
    this.floor = 0;
    /** Answers to questions asked before an epoch changed are not ours any more. */
    this.generation = 0;
    /** Up to where it was read, of which lineage as far as that was remembered; null where nobody ever read. */
    this.read = null;
    this.readEpoch = null;
    this.unread = 0;
    /** Own entries above it. */
    this.own = new Set();
    /** The seq after which everything was new when reading stopped. */
    this.divider = null;
    /** The seq that is being read, null for the newest. */
    this.focus = null;
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

  /** The position to join behind: where the stream stopped, or else where reading stopped; null for neither. */
  get after() {
    return this.position ?? (this.read === null ? null : { epoch: this.readEpoch, seq: this.read });
  }

  /** Takes `joined`. The first one sets the position, to where the stream begins; later ones never do. */
  joined(frame, now, after = null) {
    this.status = 'joined';
    this.error = null;
    this.people.joined(frame);
    this.goal = { epoch: frame.epoch, seq: frame.seq, by: now + CATCH_UP_MS };
    if (this.position !== null) return;
    const { epoch, seq } = after ?? frame;
    this.position = { epoch, seq };
    this.older = seq > 0 ? 'unknown' : 'end';
    this.read ??= seq;
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
    this.#count();
    return entry;
  }

  /** Takes a `gap`: a line stands for what lies between. */
  gap({ epoch, from, to, reason }) {
    if (this.position === null) return;
    const start = Math.max(from, this.position.seq + 1);
    if (to >= start) this.items.push({ what: 'gap', id: this.#nextId('g'), from: start, to, reason, loading: false });
    if (to >= this.position.seq) this.#move(epoch, to);
    if (reason === 'trimmed') this.floor = to + 1;
    this.#count();
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
      const n = gone.reduce((sum, item) => sum + (item.n ?? 0), lost.length);
      kept.push({ what: 'withdrawn', id: this.#nextId('w'), from, n, entries: earlier.concat(lost).slice(-WITHDRAWN_KEPT) });
    }
    this.items = kept;
    this.generation += 1;
    if (this.older === 'loading') this.older = 'more';
    for (const item of kept) if (item.what === 'gap') item.loading = false;
    this.read = Math.min(this.read, from - 1);
    this.floor = Math.min(this.floor, from);
    for (const seq of this.own) if (seq >= from) this.own.delete(seq);
    if (this.divider !== null && this.divider >= from) this.divider = null;
    this.#move(epoch, from - 1);
    this.#count();
  }

  /**
   * Takes the answer to a question for older entries, below the seq `before`, or for those of a gap: its last, below
   * `before`, or without it its first, when it reached up to `to`.
   */
  history({ messages = [], more, from }, { gap, generation, before, to }, isMine) {
    if (generation !== this.generation) return;
    if (gap) gap.loading = false;
    else this.older = more ? 'more' : 'end';
    // What was asked about is no longer what lies there.
    const isLate = gap ? !this.items.includes(gap) : before !== this.head;
    // With `from` the position was not good: an `epoch` for this room is on its way and settles what is shown.
    if (isLate || from !== undefined) {
      if (!gap) this.older = 'more';
      return;
    }
    const known = this.#seqs();
    const end = gap ? this.#settle(gap, messages, before, to, more) : this.position.seq;
    for (const frame of messages.filter(({ seq }) => seq <= end && !known.has(seq))) this.items.push(this.#entry(frame, isMine(frame)));
    this.#sort();
    if (this.older === 'end') this.floor = this.head;
    this.#count();
  }

  /**
   * Takes out of a gap what an answer decides: what the log did not give though it has nothing more is gone. Returns
   * the last seq decided.
   */
  #settle(gap, messages, before, to, more) {
    const isOpen = more && messages.length > 0;
    const start = before && isOpen ? messages[0].seq : gap.from;
    const end = before ? before - 1 : Math.min(to, isOpen ? messages.at(-1).seq : to);
    const gone = Math.min(end, gap.to, (messages[0]?.seq ?? Infinity) - 1);
    this.#cover(start, end);
    if (gone < start) return end;
    this.floor = Math.max(this.floor, gone + 1);
    this.items.push({ what: 'gap', id: this.#nextId('g'), from: start, to: gone, reason: 'trimmed', loading: false });
    return end;
  }

  /**
   * Drops what is farthest from what is being read; it can be had again by history. Some more than has to go goes with
   * it, so that not every message of a flood pays for it.
   */
  trim(limit) {
    if (this.items.length <= limit) return;
    const [first] = this.items;
    const focus = this.focus ?? (this.unread > 0 ? this.read : null);
    this.items = hold(this.items, limit - (limit >> 5), focus, () => this.#nextId('g'));
    if (this.items[0] !== first && this.older !== 'loading') this.older = 'more';
    this.#count();
  }

  /** Notes that everything up to a seq was on the screen. Returns true if that is news. */
  readTo(seq) {
    if (this.position === null || Math.min(seq, this.position.seq) <= this.read) return false;
    this.#read(Math.min(seq, this.position.seq));
    return true;
  }

  /** What other windows and later visits are told of how far it was read: epoch and seq, or null. */
  get mark() {
    return this.read === null ? null : [this.position ? this.position.epoch : this.readEpoch, this.read];
  }

  /** Takes the mark of another window or of an earlier visit, if it is of this lineage. Returns true if it is further. */
  take([epoch, seq]) {
    if (this.position === null) Object.assign(this, { read: seq, readEpoch: epoch });
    else if (epoch === this.position.epoch && seq > this.read) {
      this.#read(seq);
      return true;
    }
    return false;
  }

  #read(seq) {
    this.read = seq;
    for (const own of this.own) if (own <= seq) this.own.delete(own);
    this.#count();
  }

  /**
   * Counts what is unread: every number above the read position but own entries and what nobody has any more. Of what
   * the log still has it does not matter whether it is in memory.
   */
  #count() {
    const { read, position, own, floor } = this;
    const start = Math.max(read, floor - 1);
    let n = position.seq - start;
    for (const seq of own) if (seq > start) n -= 1;
    if (read < start) n += this.items.filter((item) => isEntry(item) && !item.own && item.seq > read && item.seq <= start).length;
    this.unread = Math.max(0, n);
  }

  /** A position at a known seq: under the newest epoch known, which covers it. */
  under(seq) {
    return { epoch: this.goal?.epoch ?? this.position.epoch, seq };
  }

  /** The lowest seq that is shown, or null. */
  get firstSeq() {
    const first = this.items.find((item) => item.what !== 'withdrawn');
    return first ? spanOf(first)[0] : null;
  }

  /** The seq below which everything is older than what is shown. */
  get head() {
    return this.firstSeq ?? this.position.seq + 1;
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
    if (isMine) {
      entry.own = true;
      if (seq > this.read) this.own.add(seq);
    }
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
      if (seq > this.read) this.own.add(seq);
      // What is older than all that is shown comes with what lies between.
      if (known.has(seq) || (seq < this.head && this.older !== 'end')) continue;
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
    if (passed.length) {
      this.#place(passed);
      this.#count();
    }
  }

  #nextId(prefix) {
    this.serial += 1;
    return `${prefix}:${this.serial}`;
  }
}

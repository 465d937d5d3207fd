// Rooms as a fleet of nodes keeps them, in one process, for tests of the page: numbering, epochs, resume, presence.
//
// It follows docs/protocol.md as far as the page can see it, and has a handle for everything that can go wrong.

import { randomBytes } from 'node:crypto';

const LIMITS = { frame_bytes: 65_536, text: 4_000, name: 64, rooms: 50, sends_per_second: 1_000, send_burst: 1_000, dedupe_ms: 300_000, history: 1_000 };
const token = () => randomBytes(9).toString('base64url');

/** One room over all nodes. */
class Room {
  constructor(name) {
    this.name = name;
    this.log = [];
    /** Every text that was ever accepted, in order. */
    this.everything = [];
    this.seq = 0;
    this.chain = [];
    this.keys = new Map();
    this.members = new Map();
  }

  get epoch() {
    return this.chain.at(-1)?.epoch ?? null;
  }

  /** Numbers a message and gives it to every member. Returns its place, or that of the first with its key. */
  publish(user, { key, text, ...rest }) {
    const identity = `${user.id} ${key}`;
    const known = this.keys.get(identity);
    if (known) return { ...known, duplicate: true };
    if (this.epoch === null) this.chain.push({ epoch: token(), first: this.seq + 1 });
    this.seq += 1;
    const entry = { room: this.name, epoch: this.epoch, seq: this.seq, at: Date.now(), key, user, text, ...rest };
    this.log.push(entry);
    this.everything.push(text);
    const place = { epoch: entry.epoch, seq: entry.seq, at: entry.at };
    this.keys.set(identity, place);
    this.tell({ type: 'message', ...entry });
    return place;
  }

  /** Returns the seq from which on a position is not of this lineage, or null if all of it is. */
  cutOf({ epoch, seq }) {
    if (epoch === null && seq === 0) return null;
    const index = this.chain.findIndex((link) => link.epoch === epoch);
    if (index < 0) return 1;
    const next = this.chain[index + 1]?.first ?? Infinity;
    return seq < next && seq <= this.seq ? null : Math.min(this.seq, next - 1) + 1;
  }

  tell(frame) {
    for (const { sessions } of this.members.values()) for (const session of sessions) session.line.send(frame);
  }

  users() {
    return Array.from(this.members.values(), ({ user }) => user);
  }

  enter(session) {
    const member = this.members.get(session.user.id);
    if (member) {
      member.sessions.add(session);
      return;
    }
    this.members.set(session.user.id, { user: session.user, sessions: new Set([session]) });
    this.#presence({ joined: [session.user] }, session);
  }

  leave(session) {
    const member = this.members.get(session.user.id);
    member?.sessions.delete(session);
    if (member?.sessions.size === 0) {
      this.members.delete(session.user.id);
      this.#presence({ left: [session.user.id] }, session);
    }
  }

  renamed(user) {
    const member = this.members.get(user.id);
    if (!member) return;
    member.user = user;
    this.#presence({ renamed: [user] });
  }

  #presence(change, except) {
    const frame = { type: 'presence', room: this.name, joined: [], left: [], renamed: [], count: this.members.size, ...change };
    for (const { sessions } of this.members.values()) for (const session of sessions) if (session !== except) session.line.send(frame);
  }

  /** Forgets the oldest entries. */
  trim(kept) {
    this.log = kept === 0 ? [] : this.log.slice(-kept);
  }

  /** Goes back to a seq, as a Redis does that lost data, and tells the members. */
  rewind(seq) {
    this.log = this.log.filter((entry) => entry.seq <= seq);
    this.chain = this.chain.filter(({ first }) => first <= seq).slice(-7);
    this.chain.push({ epoch: token(), first: seq + 1 });
    this.seq = seq;
    for (const [identity, place] of this.keys) if (place.seq > seq) this.keys.delete(identity);
    this.tell({ type: 'epoch', room: this.name, epoch: this.epoch, from: seq + 1 });
  }
}

/** All rooms and all people. */
export class Fleet {
  constructor() {
    this.rooms = new Map();
    this.people = new Map();
    this.sessions = new Set();
    /** Requests of these types are refused with this error while `n` is above 0. */
    this.refusal = { n: 0 };
    /** Answers to `send` that are swallowed although the message was taken. */
    this.swallow = 0;
    /** What is done to each new line, if anything; see later.mjs. */
    this.dress = null;
    /** Requests of these types wait until `release`. */
    this.withheld = new Set();
    this.waiting = [];
    /** Every `send` that arrived, as [text, key]. */
    this.sends = [];
  }

  room(name) {
    if (!this.rooms.has(name)) this.rooms.set(name, new Room(name));
    return this.rooms.get(name);
  }

  /** Takes a new session on a node. */
  accept(line, node) {
    this.dress?.(line);
    const session = { line, node, user: null, rooms: new Set(), refused: new Map(), id: token() };
    this.sessions.add(session);
    line.on('text', (text) => this.#receive(session, JSON.parse(text)));
    line.on('end', () => {
      this.sessions.delete(session);
      for (const name of session.rooms) this.room(name).leave(session);
    });
  }

  /** Answers what was withheld. */
  release() {
    this.withheld.clear();
    for (const [session, frame] of this.waiting.splice(0)) this.#receive(session, frame);
  }

  #receive(session, frame) {
    if (this.withheld.has(frame.type)) {
      this.waiting.push([session, frame]);
      return;
    }
    const answer = ANSWERS[frame.type];
    if (!answer) {
      session.line.send({ type: 'error', id: frame.id, code: 'bad_type', message: 'unknown type' });
      return;
    }
    const error = this.#errorFor(session, frame);
    if (error) session.line.send({ type: 'error', id: frame.id, room: frame.room, message: 'refused', ...error });
    else answer.call(this, session, frame);
  }

  /** After a retryable refusal, what comes later in the room is refused too until the refused key comes again. */
  #errorFor(session, { type, room, key }) {
    const first = session.refused.get(room);
    if (type === 'send' && first) {
      if (first.key !== key) return first.error;
      session.refused.delete(room);
    }
    if (this.refusal.n <= 0 || this.refusal.type !== type) return null;
    this.refusal.n -= 1;
    const { error } = this.refusal;
    if (type === 'send' && error.retry_after_ms) session.refused.set(room, { key, error });
    return error;
  }
}

const ANSWERS = {
  hello(session, { token: known, name }) {
    const person = this.people.get(known) ?? { token: `mdg1.${token()}`, user: { id: token(), name: name ?? 'guest' } };
    const resumed = this.people.has(known);
    if (name) person.user = { ...person.user, name: name.trim() };
    this.people.set(person.token, person);
    session.user = person.user;
    session.line.send({ type: 'welcome', session: session.id, user: person.user, token: person.token, resumed_identity: resumed, node: session.node.name, limits: this.limits ?? LIMITS, features: [] });
  },

  ping({ line }, { id }) {
    line.send({ type: 'pong', id, at: Date.now() });
  },

  join(session, { id, room: raw, after, limit = 200 }) {
    const name = raw.trim().toLowerCase();
    const room = this.room(name);
    session.rooms.add(name);
    room.enter(session);
    session.line.send({ type: 'joined', id, room: name, epoch: room.epoch, seq: room.seq, members: room.users().slice(0, 100), count: room.members.size });
    if (!after) return;
    const cut = room.cutOf(after);
    if (cut !== null) session.line.send({ type: 'epoch', room: name, epoch: room.epoch, from: cut });
    const from = cut ?? after.seq + 1;
    let missed = room.log.filter((entry) => entry.seq >= from);
    const gap = (start, end, reason) => start <= end && session.line.send({ type: 'gap', room: name, epoch: room.epoch, from: start, to: end, reason });
    const first = missed[0]?.seq ?? room.seq + 1;
    gap(from, first - 1, 'trimmed');
    if (missed.length > limit) {
      missed = missed.slice(-limit);
      gap(first, missed[0].seq - 1, 'skipped');
    }
    for (const entry of missed) session.line.send({ type: 'message', ...entry });
  },

  leave(session, { id, room }) {
    session.rooms.delete(room);
    session.refused.delete(room);
    this.room(room).leave(session);
    session.line.send({ type: 'left', id, room, reason: 'asked' });
  },

  send(session, { id, room, text, key }) {
    this.sends.push([text, key]);
    if (!session.rooms.has(room)) {
      session.line.send({ type: 'error', id, room, code: 'not_joined', message: 'join first' });
      return;
    }
    const place = this.room(room).publish(session.user, { key, text });
    if (this.swallow > 0) this.swallow -= 1;
    else session.line.send({ type: 'sent', id, room, ...place });
  },

  history(session, { id, room: name, before, after, limit = 50 }) {
    const room = this.room(name);
    const within = room.log.filter(({ seq }) => (!before || seq < before.seq) && (!after || seq > after.seq));
    const messages = after ? within.slice(0, limit) : within.slice(-limit);
    const cut = before ? room.cutOf(before) : null;
    session.line.send({ type: 'history', id, room: name, epoch: room.epoch, messages, more: messages.length < within.length, ...(cut === null ? {} : { from: cut }) });
  },

  members(session, { id, room: name, cursor = '0', limit = 100 }) {
    const room = this.room(name);
    const start = Number(cursor);
    const users = room.users();
    const next = start + limit < users.length ? { cursor: String(start + limit) } : {};
    session.line.send({ type: 'members', id, room: name, members: users.slice(start, start + limit), count: users.length, ...next });
  },

  typing(session, { room: name }) {
    const { user } = session;
    for (const other of this.sessions) {
      if (other !== session && other.rooms.has(name)) other.line.send({ type: 'typing', room: name, user });
    }
  },

  rename(session, { id, name }) {
    if (name === 'forbidden') {
      session.line.send({ type: 'error', id, code: 'bad_name', field: 'name', message: 'not this one' });
      return;
    }
    const user = { ...session.user, name };
    for (const person of this.people.values()) if (person.user.id === user.id) person.user = user;
    for (const other of this.sessions) if (other.user?.id === user.id) other.user = user;
    session.line.send({ type: 'renamed', id, user });
    for (const room of session.rooms) this.room(room).renamed(user);
  },
};

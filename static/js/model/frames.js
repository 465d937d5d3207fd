// What each frame of a node does to the model, and each refusal of what the page asked for.

import { pauseOf } from './sends.js';

/** What counts until `welcome` says it. */
export const DEFAULT_LIMITS = { text: 4_000, name: 64, rooms: 50, dedupe_ms: 300_000 };

/** What was refused without a time is not repeated sooner. */
const RETRY_MS = 3_000;

/** What each frame does; frames that are not here are of a later version and are ignored. Called on the model. */
export const TAKES = {
  welcome({ user, node, limits }) {
    this.self = user;
    this.node = node ?? null;
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.online = true;
    this.degraded = null;
    this.changes.add('self').add('status').add('rooms');
  },

  joined(frame, about, now) {
    const room = about?.room ?? this.rooms.get(frame.room);
    if (!room || this.rooms.get(room.name) !== room) return;
    this.rename(room, frame.room);
    room.joined(frame, now, about?.after);
    if (room === this.room && frame.seq > room.read && !this.attentive) room.divider ??= room.read;
    this.changes.add('rooms').add(`log:${room.name}`).add(`people:${room.name}`);
  },

  left(frame, about) {
    if (about) return;
    this.named(frame, (room) => {
      room.lost();
      room.status = 'left';
      room.error = { code: frame.reason };
      this.changes.add('rooms').add(`log:${room.name}`);
    });
  },

  sent(frame, about, now) {
    if (about?.what !== 'send') return;
    if (!frame.duplicate) this.skew = frame.at - now || 0;
    about.room.sent(about.send, frame, this.self);
    this.changes.add(`log:${about.room.name}`);
  },

  message(frame, about, now) {
    this.named(frame, (room) => {
      const typed = room.people.typing.size;
      const before = { unread: room.unread, seq: frame.seq - 1 };
      const isLive = room.isReady(now);
      const entry = room.message(frame, this.isMine(frame));
      if (!entry) return;
      if (isLive) this.skew = frame.at - now || 0;
      this.changes.add(`log:${room.name}`);
      if (typed !== room.people.typing.size) this.changes.add(`people:${room.name}`);
      this.counted(room, before);
    });
  },

  gap(frame) {
    this.named(frame, (room) => {
      const before = { unread: room.unread, seq: frame.from - 1 };
      room.gap(frame);
      this.counted(room, before);
      this.changes.add(`log:${room.name}`);
    });
  },

  epoch(frame) {
    this.named(frame, (room) => {
      room.epoch(frame);
      this.changes.add('rooms').add(`log:${room.name}`);
    });
  },

  history(frame, about, now) {
    if (about?.what !== 'history' || !about.room.position) return;
    const { room } = about;
    if (frame.from !== undefined) room.olderRetryAt = now + RETRY_MS;
    room.history(frame, about, (message) => this.isMine(message));
    this.changes.add('unread').add(`log:${room.name}`);
  },

  members(frame, about) {
    if (about?.what !== 'members') return;
    about.room.people.page(frame);
    this.changes.add(`people:${about.room.name}`);
  },

  presence(frame) {
    this.named(frame, (room) => {
      room.people.presence(frame);
      this.changes.add(`people:${room.name}`);
    });
    // Renamed in another window of the same person.
    const self = frame.renamed?.find((user) => user.id === this.self?.id);
    if (self) {
      this.self = self;
      this.changes.add('self');
    }
  },

  renamed({ user }) {
    if (user?.id !== this.self?.id) return;
    this.self = user;
    for (const room of this.rooms.values()) room.people.renamed(user);
    this.changes.add('self').add(`people:${this.current}`);
  },

  typing(frame, about, now) {
    if (!frame.user || this.isMine(frame)) return;
    this.named(frame, (room) => {
      room.people.types(frame.user, now);
      this.changes.add(`people:${room.name}`);
    });
  },

  degraded({ reason }) {
    this.degraded = { reason };
    this.changes.add('status');
  },

  recovered() {
    this.degraded = null;
    this.changes.add('status');
  },

  error(frame, about, now) {
    const refuse = REFUSALS[about?.what];
    if (!refuse) return;
    refuse.call(this, frame, about, now);
    this.changes.add('rooms').add(`log:${about.room.name}`).add(`people:${about.room.name}`);
  },
};

/** What a refusal does, by what was asked. Unknown codes count by their `retry_after_ms`. */
const REFUSALS = {
  join(error, { room }, now) {
    if (error.retry_after_ms !== undefined) {
      Object.assign(room, { status: 'new', error, retryAt: now + pauseOf(error) });
    } else if (error.code === 'already_joined' && error.room !== room.name && this.rooms.has(error.room)) {
      // Two spellings of one room: the one that is joined stays.
      this.rooms.delete(room.name);
      if (this.current === room.name) this.open(error.room);
    } else {
      Object.assign(room, { status: 'refused', error });
    }
  },

  send(error, { room, send }, now) {
    if (error.code !== 'not_joined') {
      room.sends.refused(send, error, now);
      return;
    }
    // The node no longer counts this page as a member: it joins again and sends what is left.
    room.sends.refused(send, { ...error, retry_after_ms: RETRY_MS }, now);
    if (room.status === 'joined') Object.assign(room, { status: 'new', retryAt: 0 });
  },

  history(error, { room, gap, generation }, now) {
    if (generation !== room.generation) return;
    if (gap) gap.loading = false;
    else room.older = 'failed';
    room.olderRetryAt = now + (error.retry_after_ms === undefined ? RETRY_MS : pauseOf(error));
  },

  members(error, { room }) {
    room.people.loading = false;
    room.people.hasFailed = true;
  },
};

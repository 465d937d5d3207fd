// Own messages of one room on their way: waiting, sent, failed, or a question to the person.
//
// They go out in the order they were written, each with one key for its whole life, so that sending again
// never doubles. Either `sent` or the `message` itself settles one, whichever comes first.

/** Sends of one room that may be unanswered at a time; the others wait here, where they cost nobody anything. */
export const FLYING_MAX = 16;

/** Returns how long a refusal asks to wait, within reason. */
export const pauseOf = ({ retry_after_ms: ms }) => Math.min(Math.max(Number(ms) || 0, 200), 60_000);

/** Returns a random key of 128 bits. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes)).replace(/\+/gu, '-').replace(/\//gu, '_').replace(/=/gu, '');
}

/**
 * A message on its way: its row's `id` is kept when it becomes an entry, `at` is only for show, `flying` while its
 * answer can still come on this session, `firstSentAt` and `by` when and as whom it went out first, `epoch` and `seq`
 * where it stands once `sent`. Of `ask` a person decides: it may have arrived long ago.
 * @typedef {{id: string, key: string, text: string, at: number, state: 'waiting'|'sent'|'failed'|'ask', flying: boolean, firstSentAt: number|null, by: string|null, error: object|null, epoch?: string, seq?: number}} Send
 */

/** The queue of one room. */
export class Sends {
  constructor() {
    /** @type {Send[]} */
    this.items = [];
    this.pausedUntil = 0;
    this.pauseCode = null;
  }

  /** Takes a new message. */
  add(text, key, at) {
    const send = {
      id: `k:${key}`, key, text, at, state: 'waiting', flying: false, firstSentAt: null, by: null, error: null,
    };
    this.items.push(send);
    return send;
  }

  /** Returns what goes out now, in order, and counts it as flying. */
  due(now, user, dedupeMs) {
    if (now < this.pausedUntil) return [];
    this.pauseCode = null;
    const due = [];
    let flying = this.items.filter((send) => send.flying).length;
    for (const send of this.items) {
      if (send.state !== 'waiting' || send.flying) continue;
      const wasSent = send.firstSentAt !== null;
      if (wasSent && (now - send.firstSentAt >= dedupeMs || send.by !== user)) {
        send.state = 'ask';
        continue;
      }
      if (flying >= FLYING_MAX) break;
      flying += 1;
      send.flying = true;
      send.firstSentAt ??= now;
      send.by ??= user;
      due.push(send);
    }
    return due;
  }

  /** Notes the answer `sent`. Does nothing if the message itself was faster. */
  sent(send, { epoch, seq, at }) {
    if (!this.items.includes(send)) return;
    Object.assign(send, { state: 'sent', flying: false, epoch, seq, at, error: null });
  }

  /** Notes a refusal: a pause for the whole room if the same may be repeated, otherwise the end of this one. */
  refused(send, error, now) {
    if (!this.items.includes(send) || send.state === 'sent') return;
    send.flying = false;
    if (error.retry_after_ms === undefined) {
      Object.assign(send, { state: 'failed', error });
      return;
    }
    this.pausedUntil = Math.max(this.pausedUntil, now + pauseOf(error));
    this.pauseCode = error.code;
    // The node refuses what came after it too, so all of them go out again, in order.
    this.lost();
  }

  /** Notes that no answer comes to what flies: the session is gone. */
  lost() {
    for (const send of this.items) send.flying = false;
  }

  /** Sends one again because the person wants it. */
  retry(send, newKey) {
    if (send.error?.code === 'key_reused') send.key = newKey;
    // What was asked about counts as sent first now, under whoever the person is now.
    if (send.state === 'ask') Object.assign(send, { firstSentAt: null, by: null });
    Object.assign(send, { state: 'waiting', flying: false, error: null });
  }

  /** Forgets one. */
  discard(send) {
    this.items = this.items.filter((other) => other !== send);
  }

  /** Takes out and returns the one with this key, whose message came by. */
  settle(key) {
    return this.#take((send) => send.key === key)[0] ?? null;
  }

  /** Takes out and returns those sent at or below a seq, whose message will not come by any more. */
  passed(seq) {
    return this.#take((send) => send.state === 'sent' && send.seq <= seq);
  }

  /** Takes out and returns those that were sent at or above a seq of a lineage that is no more. */
  withdrawn(from, epoch) {
    return this.#take((send) => send.state === 'sent' && send.seq >= from && send.epoch !== epoch);
  }

  #take(isTaken) {
    const taken = this.items.filter(isTaken);
    if (taken.length) this.items = this.items.filter((send) => !taken.includes(send));
    return taken;
  }
}

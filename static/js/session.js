// The session with a node: dials, says hello, keeps the line proven, and comes back after a cut.
//
// It knows frames and close codes, nothing of rooms and nothing of the DOM. WebSocket, clock and chance are
// handed in, so that tests own them. At most one session lives at a time, and of one that was dropped nothing
// is heard any more.

/** After this silence the page asks for a sign of life. */
export const SILENCE_MS = 30_000;
/** A request that takes longer than this makes the page doubt the line. */
export const SLOW_ANSWER_MS = 3_000;
/** No frame within this after a ping: the line is dead, whatever the browser says. */
export const PONG_MS = 5_000;
/** A dial that has not led to `welcome` by then is given up. */
export const DIAL_MS = 10_000;
/** A request without an answer by then counts as refused with `timeout`; above the node's own limit of 3 s. */
export const ANSWER_MS = 15_000;
/** Back-off: the n-th wait is drawn evenly from 0 to BASE · 2ⁿ, at most CAP. */
export const BACKOFF_BASE_MS = 1_000;
export const BACKOFF_CAP_MS = 30_000;
/** After a session this long the back-off begins anew. */
export const HEALTHY_MS = 60_000;
/** A node that told the page to come back closes within this, or the page leaves by itself. */
const TOLD_GRACE_MS = 5_000;

/** Close codes after which coming back would only fail again; every other code, known or not, comes back. */
export const FINAL_CLOSES = new Set([1002, 1003, 1007, 1009, 4005]);

const SUBPROTOCOL = 'madang.v1';
const OPEN = 1;

const systemClock = {
  now: () => performance.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};

/**
 * `since` is when the way to the nodes was lost, or when online since when it is there; `told` if the node asked for
 * the wait until `retryAt`, `code` what ended it for good.
 * @typedef {{name: 'idle'|'connecting'|'online'|'waiting'|'closed', since: number, retryAt?: number, told?: boolean, code?: number}} SessionState
 */

/** One page's way to the nodes. */
export class Session {
  /**
   * @param {object} options
   * @param {string} options.url  address of `/ws`
   * @param {() => object} options.hello  members of the next `hello`
   * @param {(frame: object, about: unknown) => void} options.onFrame  every frame; `about` is what the request carried
   * @param {(state: SessionState) => void} options.onState
   */
  constructor({ url, hello, onFrame, onState, WebSocket = globalThis.WebSocket, clock = systemClock, random = Math.random }) {
    Object.assign(this, { url, hello, onFrame, onState, WebSocket, clock, random });
    /** @type {SessionState} */
    this.state = { name: 'idle', since: clock.now() };
    this.requests = new Map();
    this.nextId = 1;
    this.attempt = 0;
    this.toldAt = null;
  }

  /** Dials now, whatever the wait was. Does nothing while a session is there or on its way. */
  dial() {
    if (this.state.name === 'connecting' || this.state.name === 'online') return;
    this.clock.clearTimeout(this.timer);
    this.toldAt = null;
    // A wait that the node asked for is no outage; only what comes after it is.
    const isOutage = this.state.name === 'waiting' && !this.state.told;
    const offlineSince = isOutage ? this.state.since : this.clock.now();
    let line;
    try {
      line = new this.WebSocket(this.url, SUBPROTOCOL);
    } catch {
      this.#wait(offlineSince);
      return;
    }
    this.line = line;
    line.onopen = () => this.send({ type: 'hello', ...this.hello(), moved_ms: this.movedAt && Math.round(this.clock.now() - this.movedAt) });
    line.onmessage = (event) => this.#hear(event.data);
    line.onclose = (event) => this.#ended(event.code);
    this.#become({ name: 'connecting', since: offlineSince });
    this.timer = this.clock.setTimeout(() => this.#drop(), DIAL_MS);
  }

  /** Ends the session and stays away until `dial`. */
  stop() {
    this.#release();
    this.#become({ name: 'idle', since: this.clock.now() });
  }

  /** Sends a frame that has no answer. Returns false if there is no session to send it to. */
  send(frame) {
    if (this.line?.readyState !== OPEN) return false;
    this.line.send(JSON.stringify(frame));
    return true;
  }

  /** Sends a request under a new id; its answer comes to `onFrame` together with `about`. */
  request(frame, about) {
    const id = this.nextId;
    if (!this.send({ ...frame, id })) return false;
    this.nextId += 1;
    this.requests.set(id, { about, at: this.clock.now(), doubted: false });
    this.#watch();
    return true;
  }

  /** Asks for a sign of life at once: the page became visible, or the network came back. */
  prove() {
    if (this.state.name === 'online') this.#ping();
    else if (this.state.name === 'waiting' && !this.state.told) this.dial();
  }

  #become(state) {
    this.state = state;
    this.onState(state);
  }

  #hear(data) {
    this.heardAt = this.clock.now();
    this.pingedAt = null;
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    if (frame === null || typeof frame !== 'object' || typeof frame.type !== 'string') return;
    if (frame.type === 'welcome') this.#welcomed();
    if (frame.type === 'reconnect') this.#told(frame);
    const request = this.requests.get(frame.id);
    this.requests.delete(frame.id);
    this.onFrame(frame, request?.about);
    if (this.state.name === 'online') this.#watch();
  }

  #welcomed() {
    this.onlineAt = this.clock.now();
    this.#become({ name: 'online', since: this.onlineAt });
  }

  /** The node goes away and says when to come back; it closes once everything is answered. */
  #told({ after_ms: after, reason }) {
    const wait = Number.isFinite(after) ? Math.min(Math.max(after, 0), 10 * BACKOFF_CAP_MS) : 0;
    this.toldAt = this.clock.now() + wait;
    this.leaveBy = this.toldAt + TOLD_GRACE_MS;
    // Said in each hello, so that nobody is moved to and fro.
    if (reason === 'rebalance') this.movedAt = this.clock.now();
  }

  #ping() {
    if (this.pingedAt !== null) return;
    this.pingedAt = this.clock.now();
    this.send({ type: 'ping', id: `p${this.nextId}` });
    this.nextId += 1;
    this.#watch();
  }

  /** Sets the one timer of a living session to the next moment at which something is due. */
  #watch() {
    this.clock.clearTimeout(this.timer);
    const now = this.clock.now();
    const due = [this.pingedAt === null ? this.heardAt + SILENCE_MS : this.pingedAt + PONG_MS];
    if (this.toldAt !== null) due.push(this.leaveBy);
    for (const request of this.requests.values()) {
      // Requests are in the order of their age, so the first that waits decides.
      due.push(request.at + (request.doubted ? ANSWER_MS : SLOW_ANSWER_MS));
      if (!request.doubted) break;
    }
    this.timer = this.clock.setTimeout(() => this.#check(), Math.max(0, Math.min(...due) - now));
  }

  #check() {
    const now = this.clock.now();
    const isSilent = this.pingedAt !== null && now >= this.pingedAt + PONG_MS;
    if (isSilent || (this.toldAt !== null && now >= this.leaveBy)) {
      this.#drop();
      return;
    }
    let doubt = now >= this.heardAt + SILENCE_MS;
    const late = [];
    for (const [id, request] of this.requests) {
      if (now < request.at + SLOW_ANSWER_MS) break;
      doubt ||= !request.doubted;
      request.doubted = true;
      if (now >= request.at + ANSWER_MS) late.push([id, request]);
    }
    for (const [id, request] of late) {
      this.requests.delete(id);
      this.onFrame({ type: 'error', id, code: 'timeout', message: 'no answer', retry_after_ms: 1_000 }, request.about);
    }
    if (doubt) this.#ping();
    if (this.state.name === 'online') this.#watch();
  }

  /** Gives the line up without waiting for the closing handshake, which a dead line never finishes. */
  #drop() {
    this.#ended(1006);
  }

  #ended(code) {
    const wasOnline = this.state.name === 'online';
    const since = wasOnline ? this.clock.now() : this.state.since;
    if (wasOnline && this.clock.now() - this.onlineAt >= HEALTHY_MS) this.attempt = 0;
    const told = this.toldAt;
    this.#release();
    if (FINAL_CLOSES.has(code)) this.#become({ name: 'closed', since, code });
    else this.#wait(since, told);
  }

  /** Lets go of the line: whatever it still says is not heard. */
  #release() {
    this.clock.clearTimeout(this.timer);
    const line = this.line;
    if (line) line.onopen = line.onmessage = line.onclose = null;
    line?.close(1000);
    this.line = null;
    this.toldAt = null;
    this.pingedAt = null;
    this.requests.clear();
  }

  #wait(since, told = null) {
    const now = this.clock.now();
    const ceiling = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** Math.min(this.attempt, 10));
    const wait = told === null ? this.random() * ceiling : Math.max(0, told - now);
    if (told === null) this.attempt += 1;
    this.#become({ name: 'waiting', since, retryAt: now + wait, told: told !== null });
    this.timer = this.clock.setTimeout(() => this.dial(), wait);
  }
}

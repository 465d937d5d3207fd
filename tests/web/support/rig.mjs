// The page's model with a fleet on the other end, frame by frame in the hands of a test.

import { EventEmitter } from 'node:events';

import { Model } from '../../../static/js/model/model.js';
import { Fleet } from '../fake/fleet.mjs';

/** A model, its session, and the frames that are on their way to it. */
export class Rig {
  constructor({ fleet = new Fleet(), name = 'Ann' } = {}) {
    let keys = 0;
    this.fleet = fleet;
    this.name = name;
    this.model = new Model(() => `${name}-${keys += 1}`);
    this.now = 1_000_000;
    this.token = undefined;
    this.queue = [];
    this.nextId = 1;
    this.abouts = new Map();
    /** Whether somebody sees the newest entry after every frame. */
    this.isLooking = false;
  }

  /** Has the person look at the newest entry from now on, or at nothing. */
  look(isLooking) {
    this.isLooking = isLooking;
    this.model.look(isLooking, { seen: this.room?.position?.seq ?? 0, focus: null, near: null });
    return this;
  }

  /** Has the person look at a stretch somewhere above. */
  lookAt(focus, seen, near = null) {
    this.isLooking = false;
    this.model.look(true, { seen, focus, near });
    return this;
  }

  /** Opens a session and says hello; its frames wait in the queue. */
  dial() {
    this.line = new EventEmitter();
    const { line } = this;
    line.send = (frame) => {
      if (line === this.line) this.queue.push(structuredClone(frame));
    };
    this.fleet.accept(line, { name: 'node-a' });
    this.say({ type: 'hello', token: this.token, name: this.name });
    return this;
  }

  /** Cuts the session: what was on its way is gone. */
  cut() {
    this.line?.emit('end');
    this.line = null;
    this.queue = [];
    this.abouts.clear();
    this.model.lost();
    return this;
  }

  say(frame) {
    this.line?.emit('text', JSON.stringify(frame));
  }

  ask(request) {
    if (!request) return;
    this.abouts.set(this.nextId, request.about);
    this.say({ ...request.frame, id: this.nextId });
    this.nextId += 1;
  }

  /** Sends what the model has to send. */
  pump() {
    for (const request of this.model.asks(this.now)) this.ask(request);
    return this;
  }

  /** Gives the next frame to the model. */
  deliver() {
    const frame = this.queue.shift();
    if (!frame) return;
    if (frame.type === 'welcome') this.token = frame.token;
    const about = this.abouts.get(frame.id);
    this.abouts.delete(frame.id);
    this.model.receive(frame, about, this.now);
    if (this.isLooking) this.look(true);
  }

  /** Gives and sends until nothing moves any more, letting time pass where something waits for it. */
  settle() {
    for (let round = 0; round < 1_000; round += 1) {
      this.pump();
      if (this.queue.length) while (this.queue.length) this.deliver();
      else {
        const wake = this.model.wakeAt(this.now);
        if (Number.isFinite(wake)) this.now = wake;
        else if (this.abouts.size === 0 || this.line === null) return this;
        else this.#timeOut();
      }
    }
    throw new Error('never settles');
  }

  /** What no answer came to, the session takes as refused. */
  #timeOut() {
    for (const about of this.abouts.values()) {
      this.model.receive({ type: 'error', code: 'timeout', retry_after_ms: 1_000 }, about, this.now);
    }
    this.abouts.clear();
  }

  get room() {
    return this.model.room;
  }

  /** What is on the screen, as short words. */
  get screen() {
    return [
      ...this.room.items.map((item) => {
        if (item.what === 'message') return `${item.text}`;
        return item.what === 'gap' ? `[${item.reason} ${item.from}-${item.to}]` : `[withdrawn ${item.entries.map(({ text }) => text)}]`;
      }),
      ...this.room.sends.items.map((send) => `${send.text} (${send.state})`),
    ];
  }
}

/** A rig that is in a room. */
export function inRoom(options) {
  const rig = new Rig(options);
  rig.model.add('lobby');
  rig.model.open('lobby');
  return rig.look(true).dial().settle();
}

/** Publishes as somebody else. */
export function publish(rig, text, { user = { id: 'bob', name: 'Bob' }, room = 'lobby', ...rest } = {}) {
  return rig.fleet.room(room).publish(user, { key: `bob-${text}`, text, ...rest });
}

// The session over a line and a clock that the test owns.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BACKOFF_CAP_MS, HEALTHY_MS, Session } from '../../../static/js/session.js';
import { Clock } from '../support/clock.mjs';

/** The browser's half of a line, driven by hand. */
class Line {
  static made = [];

  constructor(url, protocol) {
    Object.assign(this, { url, protocol, readyState: 0, sent: [], isClosed: false });
    Line.made.push(this);
  }

  open() {
    this.readyState = 1;
    this.onopen?.();
  }

  say(frame) {
    this.onmessage?.({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) });
  }

  end(code) {
    this.readyState = 3;
    this.onclose?.({ code });
  }

  send(data) {
    this.sent.push(JSON.parse(data));
  }

  close() {
    this.isClosed = true;
    this.readyState = 2;
  }
}

function setUp({ random = () => 0.5 } = {}) {
  Line.made = [];
  const clock = new Clock();
  const frames = [];
  const states = [];
  const session = new Session({
    url: 'ws://node/ws',
    hello: () => ({ name: 'Ann' }),
    onFrame: (frame, about) => frames.push([frame, about]),
    onState: (state) => states.push(state.name),
    WebSocket: Line,
    clock,
    random,
  });
  const line = () => Line.made.at(-1);
  const goOnline = () => {
    if (session.state.name === 'idle' || session.state.name === 'closed') session.dial();
    line().open();
    line().say({ type: 'welcome' });
  };
  return { clock, frames, states, session, line, goOnline };
}

test('hello is the first frame, on the subprotocol, and welcome makes it online', () => {
  const { session, states, line, goOnline } = setUp();
  goOnline();
  assert.equal(line().protocol, 'madang.v1');
  assert.deepEqual(line().sent, [{ type: 'hello', name: 'Ann' }]);
  assert.deepEqual(states, ['connecting', 'online']);
  assert.equal(session.state.name, 'online');
});

test('an answer comes with what its request carried, others without', () => {
  const { session, frames, line, goOnline } = setUp();
  goOnline();
  session.request({ type: 'join', room: 'a' }, 'about a');
  session.request({ type: 'join', room: 'b' }, 'about b');
  const [, first, second] = line().sent;
  line().say({ type: 'joined', id: second.id, room: 'b' });
  line().say({ type: 'message', room: 'b' });
  line().say({ type: 'joined', id: first.id, room: 'a' });
  line().say({ type: 'joined', id: first.id, room: 'a' });
  assert.deepEqual(frames.slice(1).map(([, about]) => about), ['about b', undefined, 'about a', undefined]);
});

test('what is no frame is ignored', () => {
  const { frames, line, goOnline } = setUp();
  goOnline();
  for (const data of ['', 'null', '7', '[]', '{}', '{"type":5}', '{"type":']) line().say(data);
  assert.equal(frames.length, 1);
});

test('waits are drawn evenly from zero to a ceiling that doubles up to its cap', () => {
  for (const [draw, expected] of [[1, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]], [0, [0, 0, 0]]]) {
    const { clock, session, line } = setUp({ random: () => draw });
    session.dial();
    for (const wait of expected) {
      line().end(1006);
      assert.equal(session.state.retryAt - clock.now(), Math.min(wait, BACKOFF_CAP_MS));
      clock.pass(wait);
      assert.equal(session.state.name, 'connecting');
    }
  }
});

test('only a healthy session makes the back-off begin anew', () => {
  const { clock, session, line, goOnline } = setUp({ random: () => 1 });
  const waitAfter = (ms) => {
    goOnline();
    clock.pass(ms);
    line().end(1012);
    const wait = session.state.retryAt - clock.now();
    clock.pass(wait);
    return wait;
  };
  assert.equal(waitAfter(100), 1_000);
  assert.equal(waitAfter(100), 2_000);
  // Nothing was said for a minute but pongs.
  goOnline();
  for (let passed = 0; passed < HEALTHY_MS; passed += 10_000) {
    clock.pass(10_000);
    line().say({ type: 'pong' });
  }
  line().end(1006);
  assert.equal(session.state.retryAt - clock.now(), 1_000);
});

test('final close codes stay away, every other code comes back', () => {
  for (const code of [1002, 1003, 1007, 1009, 4005]) {
    const { clock, session, line, goOnline } = setUp();
    goOnline();
    line().end(code);
    assert.equal(session.state.name, 'closed');
    assert.equal(session.state.code, code);
    clock.pass(600_000);
    assert.equal(Line.made.length, 1, `${code} must not dial again`);
    session.dial();
    assert.equal(session.state.name, 'connecting', 'a person may still try');
  }
  for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 1013, 4001, 4002, 4003, 4004, 4999]) {
    const { session, line, goOnline } = setUp();
    goOnline();
    line().end(code);
    assert.equal(session.state.name, 'waiting', `${code} must come back`);
  }
});

test('a told reconnect comes back when told, without counting as a failure', () => {
  const { clock, session, line, goOnline } = setUp({ random: () => 1 });
  goOnline();
  line().say({ type: 'reconnect', after_ms: 700, reason: 'drain' });
  assert.equal(session.state.name, 'online', 'until the node closes, the session goes on');
  clock.pass(200);
  line().end(1012);
  assert.equal(session.state.told, true);
  session.prove();
  assert.equal(session.state.name, 'waiting', 'what was told is not cut short by the page becoming visible');
  clock.pass(499);
  assert.equal(Line.made.length, 1);
  clock.pass(1);
  assert.equal(Line.made.length, 2);
  line().end(1006);
  assert.equal(session.state.retryAt - clock.now(), 1_000);
});

test('who was moved to balance the nodes says so in each hello', () => {
  const { clock, line, goOnline } = setUp();
  goOnline();
  assert.equal('moved_ms' in line().sent[0], false);
  line().say({ type: 'reconnect', after_ms: 100, reason: 'rebalance' });
  clock.pass(40);
  line().end(1012);
  clock.pass(60);
  line().open();
  assert.equal(line().sent[0].moved_ms, 100);
  line().say({ type: 'welcome' });
  line().say({ type: 'reconnect', after_ms: 1_000, reason: 'drain' });
  line().end(1012);
  clock.pass(1_000);
  line().open();
  assert.equal(line().sent[0].moved_ms, 1_100);
});

test('a node that tells and does not close is left', () => {
  const { clock, session, line, goOnline } = setUp();
  goOnline();
  line().say({ type: 'reconnect', after_ms: 1_000 });
  clock.pass(6_000);
  assert.equal(Line.made[0].isClosed, true);
  assert.notEqual(session.state.name, 'online');
});

test('silence is asked about after 30 s and dropped 5 s later, without a closing handshake', () => {
  const { clock, session, line, goOnline } = setUp();
  goOnline();
  clock.pass(29_999);
  assert.equal(line().sent.length, 1);
  clock.pass(1);
  assert.equal(line().sent[1].type, 'ping');
  const dead = line();
  clock.pass(5_000);
  assert.equal(session.state.name, 'waiting');
  assert.equal(dead.isClosed, true);
  dead.say({ type: 'message' });
  dead.end(4005);
  assert.equal(session.state.name, 'waiting', 'nothing is heard of a line that was dropped');
});

test('any frame is proof of life', () => {
  const { clock, session, line, goOnline } = setUp();
  goOnline();
  for (let i = 0; i < 10; i += 1) {
    clock.pass(29_000);
    line().say({ type: 'something-new' });
  }
  assert.equal(line().sent.length, 1);
  clock.pass(30_000);
  line().say({ type: 'message' });
  clock.pass(10_000);
  assert.equal(session.state.name, 'online');
});

test('an unanswered request makes the page doubt the line: dead lines are noticed within 10 s', () => {
  const { clock, session, line, goOnline } = setUp();
  goOnline();
  session.request({ type: 'send' }, 'x');
  clock.pass(2_999);
  assert.equal(line().sent.length, 2);
  clock.pass(1);
  assert.equal(line().sent[2].type, 'ping');
  clock.pass(5_000);
  assert.equal(session.state.name, 'waiting');
});

test('a request without an answer on a living line counts as refused with timeout', () => {
  const { clock, frames, session, line, goOnline } = setUp();
  goOnline();
  session.request({ type: 'send' }, 'x');
  for (let i = 0; i < 15; i += 1) {
    clock.pass(1_000);
    line().say({ type: 'pong' });
  }
  const [frame, about] = frames.find(([{ type }]) => type === 'error');
  assert.equal(about, 'x');
  assert.equal(frame.code, 'timeout');
  assert.equal(frame.retry_after_ms, 1_000);
  assert.equal(line().sent.filter(({ type }) => type === 'ping').length, 1, 'one doubt per request');
});

test('a dial that leads nowhere is given up', () => {
  const { clock, session } = setUp();
  session.dial();
  clock.pass(10_000);
  assert.equal(session.state.name, 'waiting');
});

test('becoming visible dials at once or asks for a sign of life', () => {
  const { clock, session, line, goOnline } = setUp();
  goOnline();
  line().end(1006);
  session.prove();
  assert.equal(session.state.name, 'connecting');
  goOnline();
  clock.pass(1_000);
  session.prove();
  session.prove();
  assert.deepEqual(line().sent.map(({ type }) => type), ['hello', 'ping']);
});

test('an outage lasts from the cut over all attempts', () => {
  const { clock, session, line, goOnline } = setUp();
  goOnline();
  clock.pass(100);
  line().end(1006);
  const { since } = session.state;
  for (let i = 0; i < 4; i += 1) {
    clock.pass(40_000);
    assert.equal(session.state.since, since);
  }
});

// Random walks: whatever is cut, refused, trimmed, rewound, swallowed or dropped, the screen is the room.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { spanOf } from '../../../static/js/model/hold.js';
import { inRoom, publish } from '../support/rig.mjs';

const WALKS = 600;
/** Every second walk has a page that keeps little. */
const FEW = { inView: 24, aside: 9 };
const STEPS = 120;

/** Small, and the same everywhere: a failing seed can be walked again. */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function check(rig, written, where) {
  const room = rig.model.rooms.get('lobby');
  const { items, sends } = room;
  let last = null;
  for (const item of items) {
    if (item.what === 'withdrawn') continue;
    const [from, to] = spanOf(item);
    assert.ok(from <= to, `${where}: a gap of nothing`);
    assert.equal(from, (last ?? from - 1) + 1, `${where}: ascends, and no hole is without a word`);
    last = to;
  }
  if (last !== null) assert.equal(last, room.position.seq, `${where}: the newest are there`);
  assert.ok(items.length <= (room === rig.room ? rig.model.kept.inView : rig.model.kept.aside), `${where}: ${items.length} items`);
  const others = new Set(items.filter(({ what, own }) => what === 'message' && !own).map(({ seq }) => seq));
  let unread = 0;
  for (let seq = room.read + 1; seq <= room.position.seq; seq += 1) {
    if (seq < room.floor ? others.has(seq) : !room.own.has(seq)) unread += 1;
  }
  assert.equal(room.unread, unread, `${where}: unread`);
  const ids = [...items, ...sends.items].map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length, `${where}: every row once`);
  for (const text of written) {
    const shown = items.filter((item) => item.text === text).length + sends.items.filter((send) => send.text === text).length;
    assert.ok(shown <= 1, `${where}: ${text} stands once`);
  }
}

function walk(seed) {
  const random = randomOf(seed);
  const rig = inRoom();
  if (seed % 2) rig.model.kept = FEW;
  rig.model.add('side');
  const room = rig.fleet.room('lobby');
  room.everything = [];
  const written = [];
  const withdrawn = new Set();
  let isCut = false;
  let n = 0;
  const steps = {
    publish: () => publish(rig, `bob ${n += 1}`),
    write() {
      written.push(`mine ${n += 1}`);
      rig.model.write(written.at(-1), rig.now);
    },
    pump: () => rig.pump(),
    deliver: () => rig.deliver(),
    deliverSome: () => { for (let i = random() * 6; i > 0; i -= 1) rig.deliver(); },
    cut() {
      rig.cut();
      isCut = true;
    },
    dial() {
      if (isCut) rig.dial();
      isCut = false;
    },
    swallow: () => { rig.fleet.swallow = 1; },
    refuse: () => { rig.fleet.refusal = { n: 1, type: random() < 0.7 ? 'send' : 'history', error: { code: 'unavailable', retry_after_ms: 300 } }; },
    older() {
      rig.lookAt(rig.room.head, 0);
      rig.ask(rig.model.askOlder(rig.now));
    },
    gap() {
      const gap = rig.room.items.find((item) => item.what === 'gap' && item.reason === 'skipped');
      if (gap) rig.ask(rig.model.askGap(rig.room, gap));
    },
    scroll() {
      const shown = rig.room.items.filter(({ what }) => what === 'message');
      const index = Math.floor(random() * shown.length);
      const asides = rig.room.items.filter(({ reason }) => reason === 'aside');
      if (shown.length) rig.lookAt(shown[index].seq, shown[Math.min(index + 3, shown.length - 1)].seq, asides[Math.floor(random() * asides.length)]);
    },
    end: () => rig.look(true),
    hide: () => rig.look(false),
    turn() {
      rig.model.open('side');
      check(rig, written, `seed ${seed}, in the other room`);
      if (random() < 0.5) rig.deliver();
      rig.model.open('lobby');
    },
    wait: () => { rig.now += random() * 600; },
    burst: () => { if (random() < 0.2) for (let i = 0; i < 230; i += 1) publish(rig, `bob ${n += 1}`); },
    trim: () => { if (random() < 0.3) room.trim(Math.floor(random() * 20)); },
    rewind() {
      if (random() > 0.3 || room.log.length === 0) return;
      const to = Math.max(0, room.seq - Math.floor(random() * 6));
      for (const { seq, text } of room.log) if (seq > to) withdrawn.add(text);
      room.rewind(to);
    },
  };
  const names = Object.keys(steps).flatMap((name) => Array(['deliver', 'pump', 'deliverSome'].includes(name) ? 4 : 1).fill(name));
  for (let step = 0; step < STEPS; step += 1) {
    const name = names[Math.floor(random() * names.length)];
    steps[name]();
    check(rig, written, `seed ${seed}, step ${step} (${name})`);
  }
  steps.dial();
  rig.settle();
  rig.look(true).settle();
  const where = `seed ${seed}, at the end`;
  assert.equal(rig.room.unread, 0, where);
  check(rig, written, where);
  assert.deepEqual(rig.room.sends.items, [], `${where}: everything is settled`);
  assert.equal(rig.room.position.seq, room.seq, where);
  const log = new Map(room.log.map((entry) => [entry.seq, entry]));
  const { items } = rig.room;
  for (const item of items) {
    if (item.what !== 'message' || !log.has(item.seq)) continue;
    assert.equal(item.text, log.get(item.seq).text, `${where}: seq ${item.seq}`);
  }
  const first = rig.room.firstSeq ?? Infinity;
  const covers = (seq) => items.some((item) => (item.what === 'gap' ? item.from <= seq && seq <= item.to : item.seq === seq));
  for (const seq of log.keys()) if (seq >= first) assert.ok(covers(seq), `${where}: seq ${seq} is shown or told of`);
  const order = room.everything.filter((text) => text.startsWith('mine'));
  if (withdrawn.size === 0) assert.deepEqual(order, written, `${where}: in the order written`);
  for (const text of written) {
    const stands = room.log.filter((entry) => entry.text === text).length;
    assert.ok(stands <= 1 || withdrawn.has(text), `${where}: ${text} was written once`);
  }
}

test('the screen is the room after any walk', () => {
  for (let seed = 1; seed <= WALKS; seed += 1) walk(seed);
});

// What outlives the page, and what happens where nothing may.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Drafts, Memory } from '../../../static/js/memory.js';
import { Store } from '../../../static/js/store.js';
import { Rig, inRoom, publish } from '../support/rig.mjs';

class Storage {
  items = new Map();
  getItem(name) { return this.items.get(name) ?? null; }
  setItem(name, value) {
    if (this.isFull) throw new Error('full');
    this.items.set(name, value);
  }
  removeItem(name) { this.items.delete(name); }
}

test('values come back, bad ones do not', () => {
  const storage = new Storage();
  const store = new Store(() => storage);
  assert.equal(store.persistent, true);
  store.set('a', { b: [1] });
  assert.deepEqual(new Store(() => storage).get('a'), { b: [1] });
  storage.setItem('madang.bad', '{');
  assert.equal(store.get('bad', 7), 7);
  store.set('a', null);
  assert.equal(store.get('a', 'gone'), 'gone');
  assert.deepEqual([...storage.items.keys()], ['madang.bad']);
});

test('a refused storage lasts for the visit', () => {
  const refused = new Store(() => { throw new Error('refused'); });
  assert.equal(refused.persistent, false);
  refused.set('a', 1);
  assert.equal(refused.get('a'), 1);
  refused.set('a', null);
  assert.equal(refused.get('a', 2), 2);
  assert.equal(refused.get('b', 2), 2);
});

test('a storage that becomes full is told of when it happens, and when it is over', () => {
  const storage = new Storage();
  const turns = [];
  const full = new Store(() => storage, () => turns.push(full.persistent));
  full.set('a', 1);
  storage.isFull = true;
  full.set('a', 2);
  full.set('b', 3);
  assert.deepEqual([full.get('a'), full.get('b'), new Store(() => storage).get('a')], [2, 3, 1]);
  assert.deepEqual(turns, [false]);
  storage.isFull = false;
  full.set('a', 4);
  const read = new Store(() => storage);
  assert.deepEqual([read.get('a'), read.get('b')], [4, 3], 'what found no room is kept as soon as there is some');
  assert.deepEqual(turns, [false, true]);
});

test('a storage that is full from the beginning is read, and known to be full', () => {
  const storage = new Storage();
  new Store(() => storage).set('a', 1);
  storage.isFull = true;
  const full = new Store(() => storage);
  assert.equal(full.get('a'), 1);
  assert.equal(full.persistent, false);
  storage.isFull = false;
  full.set('a', 2);
  assert.equal(full.persistent, true);
});

/** A window of a person: a page over stores that others share. */
function windowOf(storage, { fleet, rooms = ['lobby'], token, session = new Storage(), dials = true } = {}) {
  const rig = new Rig({ fleet });
  rig.token = token;
  const memory = new Memory(rig.model, new Store(() => storage), new Store(() => session), (name) => rig.ask(rig.model.leave(name)));
  memory.recall(rooms);
  rig.model.open(rooms[0]);
  if (dials) rig.dial().settle();
  return { rig, memory, model: rig.model, room: (name) => rig.model.rooms.get(name), session };
}

test('rooms and read positions come back', () => {
  const storage = new Storage();
  const first = windowOf(storage);
  publish(first.rig, 'a');
  first.model.add('side');
  first.rig.look(true).settle();
  first.memory.keep();
  publish(first.rig, 'b');
  const next = windowOf(storage, { fleet: first.rig.fleet });
  assert.deepEqual([...next.model.rooms.keys()], ['lobby', 'side']);
  assert.equal(next.room('lobby').read, 1);
  assert.equal(next.room('lobby').unread, 1);
  assert.equal(next.room('lobby').divider, 1);
  assert.deepEqual(next.rig.screen, ['a', 'b']);
});

test('an empty room that somebody was in counts what came since', () => {
  const storage = new Storage();
  const first = windowOf(storage, { rooms: ['lobby', 'side'] });
  first.memory.keep();
  publish(first.rig, 'hello', { room: 'side' });
  const next = windowOf(storage, { fleet: first.rig.fleet });
  assert.equal(next.room('side').unread, 1);
});

test('what is stored is not believed if it is no mark', () => {
  const storage = new Storage();
  const first = windowOf(storage);
  publish(first.rig, 'a');
  for (const mark of [1, [1], ['e'], ['e', -0.5], [null, 4], {}, ['e', '1']]) {
    storage.setItem('madang.read', JSON.stringify({ lobby: mark }));
    const next = windowOf(storage, { fleet: first.rig.fleet });
    assert.equal(next.room('lobby').status, 'joined');
    assert.equal(next.room('lobby').unread, 0);
  }
});

test('windows share what was read, and never put it back', () => {
  const storage = new Storage();
  const one = windowOf(storage, { rooms: ['lobby', 'side'] });
  const other = windowOf(storage, { fleet: one.rig.fleet, rooms: ['lobby', 'side'], token: one.rig.token });
  for (let i = 1; i <= 5; i += 1) publish(one.rig, `m${i}`);
  publish(one.rig, 'x', { room: 'side' });
  one.rig.settle();
  other.rig.settle();
  assert.deepEqual([one.model.unread, other.model.unread], [6, 6]);
  one.rig.lookAt(1, 3);
  one.memory.keep();
  other.memory.follow();
  assert.deepEqual([one.room('lobby').unread, other.room('lobby').unread], [2, 2]);
  other.rig.lookAt(1, 2);
  other.memory.keep();
  other.rig.lookAt(1, 5);
  other.memory.keep();
  one.memory.keep();
  assert.equal(one.room('lobby').unread, 0);
  assert.equal(new Store(() => storage).get('read').lobby[1], 5);
  one.model.open('side');
  one.rig.look(true);
  one.memory.keep();
  other.memory.follow();
  assert.equal(other.model.unread, 0);
});

test('a rewind lowers what was read, and a window that has not heard of it does not raise it again', () => {
  const storage = new Storage();
  const one = windowOf(storage);
  const other = windowOf(storage, { fleet: one.rig.fleet, token: one.rig.token });
  for (let i = 1; i <= 5; i += 1) publish(one.rig, `m${i}`);
  one.rig.look(true).settle();
  other.rig.settle();
  other.rig.cut();
  one.memory.keep();
  other.memory.keep();
  one.rig.fleet.room('lobby').rewind(2);
  one.rig.settle();
  one.memory.keep();
  other.rig.lookAt(1, 5);
  other.memory.keep();
  const stored = () => new Store(() => storage).get('read').lobby[1];
  assert.equal(stored(), 2);
  publish(one.rig, 'new');
  other.rig.dial().settle();
  other.memory.keep();
  one.rig.settle();
  one.memory.keep();
  assert.equal(stored(), 3);
  const late = windowOf(storage, { fleet: one.rig.fleet, token: one.rig.token });
  assert.equal(late.room('lobby').unread, 0);
});

test('a visit after a rewind begins where the room still is what was read', () => {
  const storage = new Storage();
  const one = windowOf(storage);
  for (let i = 1; i <= 5; i += 1) publish(one.rig, `m${i}`);
  one.rig.look(true).settle();
  one.memory.keep();
  one.rig.fleet.room('lobby').rewind(2);
  for (let i = 3; i <= 4; i += 1) publish(one.rig, `again ${i}`);
  const next = windowOf(storage, { fleet: one.rig.fleet });
  assert.equal(next.room('lobby').unread, 2);
  assert.deepEqual(next.rig.screen, ['m1', 'm2', 'again 3', 'again 4']);
});

test('rooms entered and left in two windows at once are all entered and left', () => {
  const storage = new Storage();
  const one = windowOf(storage, { rooms: ['lobby', 'old'] });
  const other = windowOf(storage, { fleet: one.rig.fleet, rooms: ['lobby', 'old'], token: one.rig.token });
  one.memory.keep();
  other.memory.keep();
  one.model.add('mine');
  other.model.add('theirs');
  other.rig.ask(other.model.leave('old'));
  one.memory.keep();
  other.memory.keep();
  one.memory.follow();
  for (const { model } of [one, other]) assert.deepEqual([...model.rooms.keys()].sort(), ['lobby', 'mine', 'theirs']);
  assert.deepEqual(new Store(() => storage).get('rooms').sort(), ['lobby', 'mine', 'theirs']);
});

test('a room left elsewhere stays while something here waits to go out', () => {
  const storage = new Storage();
  const one = windowOf(storage, { rooms: ['lobby', 'old'] });
  const other = windowOf(storage, { fleet: one.rig.fleet, rooms: ['lobby', 'old'], dials: false });
  for (const { memory } of [one, other]) memory.keep();
  other.model.open('old');
  other.model.write('not yet sent', 0);
  one.model.leave('old');
  one.memory.keep();
  other.memory.follow();
  assert.ok(other.room('old'));
});

test('drafts come back, and those of other windows stay', () => {
  const person = new Store(() => new Storage());
  const [one, other] = [new Drafts(person), new Drafts(person)];
  one.keep('lobby', 'half a thou');
  other.keep('side', 'another');
  one.keep('lobby', 'half a thought');
  assert.deepEqual([other.of('lobby'), one.of('side')], ['half a thought', 'another']);
  one.keep('lobby', '');
  assert.equal(new Drafts(person).of('lobby'), '');
});

test('messages not delivered survive a reload with their keys, and are not doubled', () => {
  const storage = new Storage();
  const first = windowOf(storage);
  first.rig.fleet.swallow = 1;
  first.model.write('arrived, answer lost', first.rig.now);
  first.rig.pump();
  first.rig.cut();
  first.model.write('written offline', first.rig.now);
  first.memory.keep();
  const { session } = first;
  const next = windowOf(storage, { fleet: first.rig.fleet, token: first.rig.token, session });
  assert.deepEqual(next.rig.screen, ['arrived, answer lost', 'written offline']);
  assert.equal(first.rig.fleet.room('lobby').log.length, 2);
  next.memory.keep();
  assert.equal(new Store(() => session).get('sends'), null);
});

test('a window duplicated with what it had not delivered settles it, wherever that stands', () => {
  for (const more of [0, 10, 400]) {
    const storage = new Storage();
    const first = windowOf(storage);
    publish(first.rig, 'a');
    first.rig.look(true).settle();
    first.memory.keep();
    first.rig.cut();
    first.model.write('mine', first.rig.now);
    first.memory.keep();
    const session = new Storage();
    session.items = new Map(first.session.items);
    first.rig.dial().settle();
    for (let i = 0; i < more; i += 1) publish(first.rig, `m${i}`);
    const copy = windowOf(storage, { fleet: first.rig.fleet, token: first.rig.token, session });
    assert.deepEqual(copy.room('lobby').sends.items, []);
    assert.equal(first.rig.fleet.room('lobby').everything.filter((text) => text === 'mine').length, 1);
    const { items } = copy.room('lobby');
    assert.ok(items.filter(({ text }) => text === 'mine').length <= 1);
    copy.memory.keep();
    assert.equal(new Store(() => session).get('sends'), null);
    let last = 0;
    for (const item of items) {
      assert.equal(item.from ?? item.seq, last + 1, `${more}: no hole without a word`);
      last = item.to ?? item.seq;
    }
  }
});

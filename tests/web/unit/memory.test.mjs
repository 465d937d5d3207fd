// What outlives the page, and what happens where nothing may.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Drafts, recall, remember } from '../../../static/js/memory.js';
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

test('a refused storage lasts for the visit, a full one too', () => {
  const refused = new Store(() => { throw new Error('refused'); });
  assert.equal(refused.persistent, false);
  refused.set('a', 1);
  assert.equal(refused.get('a'), 1);
  assert.equal(refused.get('b', 2), 2);
  const storage = new Storage();
  const full = new Store(() => storage);
  full.set('a', 1);
  storage.isFull = true;
  full.set('a', 2);
  assert.equal(full.get('a'), 2);
  assert.equal(full.persistent, true);
  storage.isFull = false;
  full.set('a', 3);
  assert.equal(new Store(() => storage).get('a'), 3);
});

test('rooms, read positions and drafts come back', () => {
  const person = new Store(() => new Storage());
  const tab = new Store(() => new Storage());
  const rig = inRoom();
  publish(rig, 'a');
  rig.model.add('side');
  rig.settle();
  remember(rig.model, person, tab);
  const next = new Rig({ fleet: rig.fleet });
  recall(next.model, person, tab, person.get('rooms'));
  assert.deepEqual([...next.model.rooms.keys()], ['lobby', 'side']);
  assert.equal(next.model.rooms.get('lobby').read, 1);
  const drafts = new Drafts(person);
  drafts.keep('lobby', 'half a thou');
  assert.equal(new Drafts(person).of('lobby'), 'half a thou');
  drafts.keep('lobby', '');
  assert.equal(new Drafts(person).of('lobby'), '');
});

test('messages not delivered survive a reload with their keys, and are not doubled', () => {
  const person = new Store(() => new Storage());
  const tab = new Store(() => new Storage());
  const rig = inRoom();
  rig.fleet.swallow = 1;
  rig.model.write('arrived, answer lost', rig.now);
  rig.pump();
  rig.cut();
  rig.model.write('written offline', rig.now);
  remember(rig.model, person, tab);
  const next = new Rig({ fleet: rig.fleet });
  next.token = rig.token;
  recall(next.model, person, tab, ['lobby']);
  next.model.open('lobby');
  next.dial().settle();
  assert.deepEqual(next.screen, ['arrived, answer lost', 'written offline']);
  assert.equal(rig.fleet.room('lobby').log.length, 2);
  remember(next.model, person, tab);
  assert.equal(tab.get('sends'), null);
});

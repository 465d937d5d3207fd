// Rows: groups, days, the line of the new, and marks that change only with what is seen.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { rowsOf } from '../../../static/js/model/rows.js';
import { inRoom } from '../support/rig.mjs';

const ANN = { id: 'ann', name: 'Ann' };
const BOB = { id: 'bob', name: 'Bob' };
const NOON = new Date(2026, 4, 10, 12).getTime();

function setUp(entries, sends = []) {
  const { room } = inRoom();
  room.items = entries.map(([user, at, text], index) => ({ what: 'message', id: `e${index + 1}`, epoch: 'e', seq: index + 1, at, user, text }));
  room.sends.items = sends.map(([text, at, state = 'waiting']) => ({ id: text, key: text, text, at, state, error: null }));
  return { room, rows: () => rowsOf(room, [...room.items, ...room.sends.items], ANN) };
}

test('messages of one person within minutes stand together under one name', () => {
  const { rows } = setUp([
    [BOB, NOON, 'a'], [BOB, NOON + 60_000, 'b'], [ANN, NOON + 61_000, 'c'], [BOB, NOON + 62_000, 'd'], [BOB, NOON + 600_000, 'e'],
  ], [['f', NOON + 601_000]]);
  const messages = rows().filter(({ what }) => what === 'message');
  assert.deepEqual(messages.map(({ first, last }) => [first, last]), [[true, false], [false, true], [true, true], [true, true], [true, true], [true, true]]);
  assert.deepEqual(messages.map(({ own }) => own), [false, false, true, false, false, true]);
});

test('a renamed person begins a new group', () => {
  const { rows } = setUp([[BOB, NOON, 'a'], [{ ...BOB, name: 'Robert' }, NOON + 1, 'b']]);
  assert.deepEqual(rows().filter(({ what }) => what === 'message').map(({ first }) => first), [true, true]);
});

test('times stand at the last of a minute', () => {
  const { rows } = setUp([[BOB, NOON, 'a'], [BOB, NOON + 1_000, 'b'], [BOB, NOON + 60_000, 'c']]);
  assert.deepEqual(rows().filter(({ what }) => what === 'message').map(({ timed }) => timed), [false, true, true]);
});

test('each day begins with its line, once, also if a clock is off', () => {
  const day = 24 * 3_600_000;
  const { rows } = setUp([[BOB, NOON, 'a'], [BOB, NOON + day, 'b'], [BOB, NOON + day + 1, 'c']], [['mine', NOON - 5 * day]]);
  assert.deepEqual(rows().map(({ what }) => what), ['day', 'message', 'day', 'message', 'message', 'message']);
});

test('the line of the new stands above the first that was not read', () => {
  const { room, rows } = setUp([[BOB, NOON, 'a'], [BOB, NOON + 1, 'b'], [BOB, NOON + 2, 'c']]);
  room.divider = 1;
  assert.deepEqual(rows().map(({ id }) => id), ['d:2026-05-10', 'e1', 'new', 'e2', 'e3']);
  assert.equal(rows()[3].first, true, 'a group does not reach over the line');
  room.divider = 3;
  assert.equal(rows().some(({ what }) => what === 'new'), false);
});

test('a mark changes with what is seen and with nothing else', () => {
  const { room, rows } = setUp([[BOB, NOON, 'a']], [['mine', NOON + 1_000]]);
  const marks = () => new Map(rows().map(({ id, mark }) => [id, mark]));
  const before = marks();
  room.position = { epoch: 'other', seq: 99 };
  assert.deepEqual(marks(), before);
  room.sends.items[0].state = 'sent';
  assert.equal(marks().get('e1'), before.get('e1'));
  assert.notEqual(marks().get('mine'), before.get('mine'));
});

test('the reason of a pause stands once', () => {
  const { room, rows } = setUp([], [['a', NOON], ['b', NOON]]);
  room.sends.pauseCode = 'rate_limited';
  assert.deepEqual(rows().filter(({ what }) => what === 'message').map(({ note }) => note), ['rate_limited', null]);
});

// A room's position, entries and sends under everything that the protocol can tell it.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CATCH_UP_MS } from '../../../static/js/model/room.js';
import { inRoom, publish } from '../support/rig.mjs';

const at = (rig) => rig.room.position.seq;

test('sent and message settle a send in either order, in one row', () => {
  for (const order of [['sent', 'message'], ['message', 'sent']]) {
    const rig = inRoom();
    rig.model.write('hello', rig.now);
    const [{ id }] = rig.room.sends.items;
    rig.pump();
    rig.queue.sort((a, b) => order.indexOf(a.type) - order.indexOf(b.type));
    assert.equal(rig.queue[0].type, order[0]);
    rig.deliver();
    assert.deepEqual(rig.screen, order[0] === 'sent' ? ['hello (sent)'] : ['hello']);
    assert.equal(at(rig), order[0] === 'sent' ? 0 : 1, 'sent never moves the position');
    rig.deliver();
    assert.deepEqual(rig.screen, ['hello']);
    assert.equal(rig.room.items[0].id, id, 'the row stays the same');
  }
});

test('a message of mine from another window is mine and settles nothing', () => {
  const rig = inRoom();
  rig.model.write('here', rig.now);
  rig.fleet.room('lobby').publish(rig.model.self, { key: 'other window', text: 'there' });
  rig.deliver();
  assert.deepEqual(rig.screen, ['there', 'here (waiting)']);
  assert.equal(rig.room.items[0].own, true);
});

test('somebody else with my key is somebody else', () => {
  const rig = inRoom();
  rig.model.write('mine', rig.now);
  const [{ key }] = rig.room.sends.items;
  rig.fleet.room('lobby').publish({ id: 'eve', name: 'Eve' }, { key, text: 'hers' });
  rig.settle();
  assert.deepEqual(rig.screen, ['hers', 'mine']);
});

test('a cut in any place of a send leaves one message', () => {
  for (const cutAt of ['before', 'sent', 'message', 'both']) {
    const rig = inRoom();
    rig.model.write('once', rig.now);
    if (cutAt !== 'before') rig.pump();
    if (cutAt === 'sent') rig.queue = rig.queue.filter(({ type }) => type === 'sent');
    if (cutAt === 'message') rig.queue = rig.queue.filter(({ type }) => type === 'message');
    if (cutAt !== 'both') while (rig.queue.length) rig.deliver();
    rig.cut().dial().settle();
    assert.deepEqual(rig.screen, ['once'], cutAt);
    assert.equal(rig.fleet.room('lobby').log.length, 1);
  }
});

test('after a cut the unanswered go out again in order, before anything new, once caught up', () => {
  const rig = inRoom();
  rig.fleet.swallow = 1;
  rig.model.write('one', rig.now);
  rig.pump();
  rig.cut();
  rig.model.write('two', rig.now);
  for (let i = 0; i < 3; i += 1) publish(rig, `bob ${i}`);
  rig.fleet.sends = [];
  rig.dial();
  rig.deliver();
  rig.pump();
  rig.deliver();
  assert.equal(rig.room.status, 'joined');
  rig.pump();
  assert.deepEqual(rig.fleet.sends, [], 'nothing goes out before joined.seq is reached');
  rig.model.write('three', rig.now);
  rig.settle();
  assert.deepEqual(rig.fleet.sends.map(([text]) => text), ['two', 'three'], 'one came by and is not sent again');
  assert.deepEqual(rig.screen, ['one', 'bob 0', 'bob 1', 'bob 2', 'two', 'three']);
});

test('a room that never catches up sends after a while', () => {
  const rig = inRoom();
  rig.cut().dial();
  rig.model.write('kept', rig.now);
  rig.pump();
  rig.deliver();
  rig.pump();
  rig.queue[0].seq = 99;
  rig.deliver();
  rig.pump();
  assert.deepEqual(rig.fleet.sends, []);
  rig.now += CATCH_UP_MS;
  rig.pump();
  assert.deepEqual(rig.fleet.sends.map(([text]) => text), ['kept']);
});

test('a gap moves the position; what was skipped can be had, what was trimmed cannot', () => {
  const rig = inRoom();
  publish(rig, 'seen');
  rig.settle();
  rig.cut();
  for (let i = 2; i <= 261; i += 1) publish(rig, `m${i}`);
  rig.dial().settle();
  assert.deepEqual(rig.screen.slice(0, 3), ['seen', '[skipped 2-61]', 'm62']);
  assert.equal(at(rig), 261);
  rig.fleet.room('lobby').trim(230);
  rig.ask(rig.model.askGap(rig.room, rig.room.items[1]));
  rig.settle();
  assert.deepEqual(rig.screen.slice(0, 3), ['seen', '[trimmed 2-31]', 'm32']);
  assert.equal(rig.room.items.length, 232);
});

test('a large gap is filled from its end, page by page', () => {
  const rig = inRoom();
  publish(rig, 'm1');
  rig.settle();
  rig.cut();
  for (let i = 2; i <= 601; i += 1) publish(rig, `m${i}`);
  rig.dial().settle();
  const [, gap] = rig.room.items;
  assert.deepEqual([gap.from, gap.to], [2, 401]);
  rig.ask(rig.model.askGap(rig.room, gap));
  rig.settle();
  assert.deepEqual([gap.from, gap.to, gap.reason], [2, 201, 'skipped']);
  rig.ask(rig.model.askGap(rig.room, gap));
  rig.settle();
  assert.deepEqual(rig.screen, Array.from({ length: 601 }, (_, i) => `m${i + 1}`));
});

test('a gap of an unknown reason is shown and can be asked for', () => {
  const rig = inRoom();
  rig.model.receive({ type: 'gap', room: 'lobby', epoch: 'e', from: 1, to: 4, reason: 'moonlight' }, undefined, rig.now);
  assert.deepEqual(rig.screen, ['[moonlight 1-4]']);
  assert.equal(at(rig), 4);
});

test('epoch withdraws from its seq on, whatever the epoch, and keeps what was there for those who ask', () => {
  const rig = inRoom();
  for (const text of ['a', 'b', 'c', 'd']) publish(rig, text);
  rig.settle();
  rig.fleet.room('lobby').rewind(2);
  rig.settle();
  assert.deepEqual(rig.screen, ['a', 'b', '[withdrawn c,d]']);
  assert.equal(at(rig), 2);
  publish(rig, 'e');
  rig.settle();
  assert.deepEqual(rig.screen, ['a', 'b', '[withdrawn c,d]', 'e']);
  rig.fleet.room('lobby').rewind(1);
  rig.settle();
  assert.deepEqual(rig.screen, ['a', '[withdrawn c,d,b,e]']);
});

test('an epoch that withdraws nothing shows nothing', () => {
  const rig = inRoom();
  publish(rig, 'a');
  rig.settle();
  rig.fleet.room('lobby').rewind(1);
  rig.settle();
  assert.deepEqual(rig.screen, ['a']);
});

test('an epoch told at the join after a cut is obeyed before anything goes out again', () => {
  const rig = inRoom();
  for (const text of ['a', 'b', 'c']) publish(rig, text);
  rig.settle();
  rig.cut();
  rig.fleet.room('lobby').rewind(1);
  rig.model.write('mine', rig.now);
  rig.dial();
  rig.deliver();
  rig.pump();
  rig.deliver();
  rig.pump();
  assert.deepEqual(rig.fleet.sends, [], 'the position is of another epoch than joined');
  rig.settle();
  assert.deepEqual(rig.screen, ['a', '[withdrawn b,c]', 'mine']);
});

test('a sent message whose lineage is gone is withdrawn, one of the new lineage stays', () => {
  const rig = inRoom();
  publish(rig, 'a');
  rig.settle();
  rig.model.write('lost', rig.now);
  rig.pump();
  rig.queue = rig.queue.filter(({ type }) => type === 'sent');
  rig.deliver();
  assert.deepEqual(rig.screen, ['a', 'lost (sent)']);
  rig.fleet.room('lobby').rewind(1);
  rig.deliver();
  assert.deepEqual(rig.screen, ['a', '[withdrawn lost]']);

  rig.model.write('kept', rig.now);
  rig.pump();
  const { epoch } = rig.queue[0];
  rig.queue.reverse();
  rig.deliver();
  rig.model.receive({ type: 'epoch', room: 'lobby', epoch, from: 2 }, undefined, rig.now);
  assert.deepEqual(rig.screen, ['a', '[withdrawn lost]', 'kept (sent)']);
  rig.settle();
  assert.deepEqual(rig.screen, ['a', '[withdrawn lost]', 'kept']);
});

test('a rewind that nobody told of is seen by its numbers', () => {
  const rig = inRoom();
  for (const text of ['a', 'b', 'c']) publish(rig, text);
  rig.settle();
  rig.model.receive({ type: 'message', room: 'lobby', epoch: 'new', seq: 2, at: 5, key: 'k', user: { id: 'x', name: 'X' }, text: 'n' }, undefined, rig.now);
  assert.deepEqual(rig.screen, ['a', '[withdrawn b,c]', 'n']);
});

test('an entry of a later kind counts and shows its text, or that there is something', () => {
  const rig = inRoom();
  publish(rig, 'a poll', { kind: 'poll', options: [1, 2] });
  publish(rig, undefined, { kind: 'moon' });
  rig.settle();
  assert.equal(at(rig), 2);
  assert.deepEqual(rig.screen, ['a poll', 'undefined']);
});

test('a message that passes by in a gap takes its place when its answer comes', () => {
  const rig = inRoom();
  publish(rig, 'm1');
  rig.settle();
  rig.fleet.swallow = 1;
  rig.model.write('mine', rig.now);
  rig.pump();
  rig.cut();
  for (let i = 3; i <= 252; i += 1) publish(rig, `m${i}`);
  rig.dial().settle();
  assert.deepEqual(rig.screen.slice(0, 4), ['m1', 'mine', '[skipped 3-52]', 'm53']);
  rig.ask(rig.model.askGap(rig.room, rig.room.items[2]));
  rig.settle();
  assert.equal(rig.screen[1], 'mine');
  assert.equal(rig.screen.filter((text) => text === 'mine').length, 1);
  assert.equal(rig.room.items.length, 252);
});

test('history fills in above, never doubles, and ends where the log ends', () => {
  const rig = inRoom();
  rig.cut();
  for (let i = 1; i <= 120; i += 1) publish(rig, `m${i}`);
  const late = inRoom({ fleet: rig.fleet, name: 'Late' });
  assert.equal(late.room.items.length, 50);
  publish(late, 'live');
  late.settle();
  late.ask(late.model.askOlder(late.now));
  assert.equal(late.model.askOlder(late.now), null, 'one question at a time');
  late.settle();
  assert.equal(late.room.items.length, 101);
  assert.equal(late.room.older, 'more');
  late.ask(late.model.askOlder(late.now));
  late.settle();
  assert.deepEqual(late.screen, [...Array.from({ length: 120 }, (_, i) => `m${i + 1}`), 'live']);
  assert.equal(late.room.older, 'end');
  assert.equal(late.model.askOlder(late.now), null);
});

test('an answer from before a rewind is not shown', () => {
  const rig = inRoom();
  rig.cut();
  for (let i = 1; i <= 120; i += 1) publish(rig, `m${i}`);
  const late = inRoom({ fleet: rig.fleet, name: 'Late' });
  late.ask(late.model.askOlder(late.now));
  const stale = late.queue.pop();
  rig.fleet.room('lobby').rewind(80);
  late.settle();
  const shown = late.screen;
  late.model.receive(stale, { what: 'history', room: late.room, gap: null, generation: 0, before: 71 }, late.now);
  assert.deepEqual(late.screen, shown);
  assert.deepEqual(shown.slice(0, 2), ['m71', 'm72']);
  assert.match(shown.at(-1), /^\[withdrawn m81,.*m120\]$/);
});

test('a frame that comes twice is shown once', () => {
  const rig = inRoom();
  publish(rig, 'a');
  publish(rig, 'b');
  rig.queue.push(...structuredClone(rig.queue));
  rig.settle();
  assert.deepEqual(rig.screen, ['a', 'b']);
  assert.equal(at(rig), 2);
});

test('an own message that the log no longer has when its turn comes stays where it was', () => {
  const rig = inRoom();
  publish(rig, 'a');
  rig.settle();
  rig.model.write('mine', rig.now);
  rig.pump();
  rig.queue = rig.queue.filter(({ type }) => type === 'sent');
  rig.deliver();
  rig.cut();
  for (const text of ['b', 'c']) publish(rig, text);
  rig.fleet.room('lobby').trim(1);
  rig.dial().settle();
  assert.deepEqual(rig.screen, ['a', 'mine', '[trimmed 3-3]', 'c']);
});

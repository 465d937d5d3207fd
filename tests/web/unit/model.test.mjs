// Rooms, the send queue, unread counts and people, as frames and a person make them.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FLYING_MAX, Sends } from '../../../static/js/model/sends.js';
import { Rig, inRoom, publish } from '../support/rig.mjs';

const states = (rig) => rig.room.sends.items.map(({ text, state }) => `${text} ${state}`);
const sent = (rig) => rig.fleet.sends.map(([text]) => text);

test('a retryable refusal pauses the room and everything goes out again in order', () => {
  const rig = inRoom();
  rig.fleet.refusal = { n: 1, type: 'send', error: { code: 'rate_limited', retry_after_ms: 1_500 } };
  for (const text of ['a', 'b', 'c']) rig.model.write(text, rig.now);
  rig.pump();
  while (rig.queue.length) rig.deliver();
  rig.model.write('d', rig.now);
  rig.now += 1_400;
  rig.pump();
  assert.deepEqual(sent(rig), []);
  assert.equal(rig.room.sends.pauseCode, 'rate_limited');
  assert.equal(rig.model.wakeAt(rig.now), rig.now + 100);
  rig.now += 100;
  rig.pump();
  assert.deepEqual(sent(rig), ['a', 'b', 'c', 'd']);
  rig.settle();
  assert.deepEqual(rig.screen, ['a', 'b', 'c', 'd']);
});

test('an unknown error code counts by its retry_after_ms', () => {
  const rig = inRoom();
  rig.fleet.refusal = { n: 1, type: 'send', error: { code: 'solar_flare', retry_after_ms: 400 } };
  rig.model.write('a', rig.now);
  rig.settle();
  assert.deepEqual(rig.screen, ['a']);
  rig.fleet.refusal = { n: 1, type: 'send', error: { code: 'moon_phase' } };
  rig.model.write('b', rig.now);
  rig.settle();
  assert.deepEqual(rig.screen, ['a', 'b (failed)']);
});

test('a final refusal fails that message only, and a retry keeps its key', () => {
  const rig = inRoom();
  rig.fleet.refusal = { n: 1, type: 'send', error: { code: 'forbidden' } };
  rig.model.write('a', rig.now);
  rig.model.write('b', rig.now);
  rig.settle();
  assert.deepEqual(rig.screen, ['b', 'a (failed)']);
  const [send] = rig.room.sends.items;
  const { key } = send;
  rig.model.retrySend(rig.room, send);
  rig.settle();
  assert.deepEqual(rig.screen, ['b', 'a']);
  assert.equal(rig.room.items[1].key ?? key, key);
  assert.equal(rig.fleet.sends.at(-1)[1], key);
});

test('a key that collides is replaced when the person sends again', () => {
  const rig = inRoom();
  rig.fleet.refusal = { n: 1, type: 'send', error: { code: 'key_reused' } };
  rig.model.write('a', rig.now);
  rig.settle();
  const [send] = rig.room.sends.items;
  const { key } = send;
  rig.model.retrySend(rig.room, send);
  assert.notEqual(send.key, key);
  rig.settle();
  assert.deepEqual(rig.screen, ['a']);
});

test('what flies when one is refused goes out again too, though its own answer never comes', () => {
  const sends = new Sends();
  const [a, b] = ['a', 'b'].map((text) => sends.add(text, text, 0));
  assert.deepEqual(sends.due(0, 'ann', 300_000), [a, b]);
  sends.refused(a, { code: 'unavailable', retry_after_ms: 1_000 }, 10);
  assert.deepEqual(sends.due(1_009, 'ann', 300_000), []);
  assert.deepEqual(sends.due(1_010, 'ann', 300_000), [a, b]);
});

test('no more than a few sends fly at a time', () => {
  const rig = inRoom();
  for (let i = 0; i < FLYING_MAX + 5; i += 1) rig.model.write(`m${i}`, rig.now);
  rig.pump();
  assert.equal(rig.fleet.sends.length, FLYING_MAX);
  rig.settle();
  assert.equal(rig.fleet.sends.length, FLYING_MAX + 5);
});

test('what is older than the dedupe window is asked about, not sent by itself', () => {
  const rig = inRoom();
  rig.fleet.swallow = 1;
  rig.model.write('old', rig.now);
  rig.pump();
  rig.queue = [];
  rig.cut();
  rig.model.write('never sent', rig.now);
  rig.fleet.room('lobby').rewind(0);
  rig.now += 300_000;
  rig.dial().settle();
  assert.deepEqual(rig.screen, ['never sent', 'old (ask)']);
  rig.model.retrySend(rig.room, rig.room.sends.items[0]);
  rig.settle();
  assert.deepEqual(rig.screen, ['never sent', 'old']);
});

test('what was sent under another user id is asked about', () => {
  const rig = inRoom();
  rig.model.write('as Ann', rig.now);
  rig.pump();
  rig.cut();
  rig.fleet.room('lobby').rewind(0);
  rig.token = undefined;
  rig.dial().settle();
  assert.deepEqual(states(rig), ['as Ann ask']);
  rig.model.discardSend(rig.room, rig.room.sends.items[0]);
  rig.settle();
  assert.deepEqual(rig.screen, []);
});

test('a node that lost a membership is joined again and gets what waits', () => {
  const rig = inRoom();
  const [session] = rig.fleet.sessions;
  session.rooms.delete('lobby');
  rig.fleet.room('lobby').leave(session);
  rig.model.write('still here', rig.now);
  rig.settle();
  assert.deepEqual(rig.screen, ['still here']);
});

test('a refused join is shown; a retryable one comes again', () => {
  const rig = new Rig();
  rig.fleet.refusal = { n: 1, type: 'join', error: { code: 'unavailable', retry_after_ms: 800 } };
  rig.model.add('lobby');
  rig.model.open('lobby');
  rig.dial().pump();
  rig.deliver();
  rig.pump();
  rig.deliver();
  assert.equal(rig.room.status, 'new');
  assert.equal(rig.model.wakeAt(rig.now), rig.now + 800);
  rig.settle();
  assert.equal(rig.room.status, 'joined');

  rig.fleet.refusal = { n: 1, type: 'join', error: { code: 'forbidden' } };
  rig.model.add('secret');
  rig.model.open('secret');
  rig.settle();
  assert.equal(rig.room.status, 'refused');
  assert.equal(rig.room.error.code, 'forbidden');
  rig.model.retryRoom(rig.room);
  rig.settle();
  assert.equal(rig.room.status, 'joined');
});

test('the node knows the room by its canonical name', () => {
  const rig = new Rig();
  rig.model.add('LOBBY');
  rig.model.open('LOBBY');
  rig.dial().settle();
  assert.equal(rig.model.current, 'lobby');
  assert.deepEqual([...rig.model.rooms.keys()], ['lobby']);
});

test('two spellings of one room become one', () => {
  const rig = inRoom();
  rig.model.add('LOBBY');
  rig.model.open('LOBBY');
  rig.fleet.refusal = { n: 1, type: 'join', error: { code: 'already_joined', room: 'lobby' } };
  rig.settle();
  assert.equal(rig.model.current, 'lobby');
  assert.deepEqual([...rig.model.rooms.keys()], ['lobby']);
});

test('left without having asked stays on the list and says so', () => {
  const rig = inRoom();
  publish(rig, 'a');
  rig.settle();
  rig.model.receive({ type: 'left', room: 'lobby', reason: 'forbidden' }, undefined, rig.now);
  rig.settle();
  assert.equal(rig.room.status, 'left');
  assert.deepEqual(rig.screen, ['a']);
});

test('unread counts what others wrote where nobody looked', () => {
  const rig = inRoom();
  rig.model.add('side');
  rig.settle();
  publish(rig, 'seen');
  publish(rig, 'aside', { room: 'side' });
  rig.settle();
  assert.deepEqual([...rig.model.rooms.values()].map(({ unread }) => unread), [0, 1]);
  rig.look(false);
  publish(rig, 'unseen');
  publish(rig, 'unseen too');
  rig.model.write('mine', rig.now);
  rig.settle();
  assert.equal(rig.room.unread, 2);
  assert.equal(rig.room.divider, 1, 'the line stands above what is new');
  assert.equal(rig.model.unread, 3);
  rig.look(true);
  assert.equal(rig.model.unread, 1);
  rig.model.open('side');
  assert.equal(rig.room.divider, 0);
  rig.look(true);
  assert.equal(rig.model.unread, 0);
});

test('a room read before counts what came since', () => {
  const rig = new Rig();
  for (let i = 1; i <= 9; i += 1) publish(rig, `m${i}`);
  rig.model.add('lobby').take([rig.fleet.room('lobby').epoch, 4]);
  rig.model.add('fresh');
  publish(rig, 'x', { room: 'fresh' });
  rig.model.open('lobby');
  rig.dial().settle();
  assert.equal(rig.room.unread, 5);
  assert.equal(rig.room.divider, 4);
  assert.equal(rig.model.rooms.get('fresh').unread, 0, 'a room never read has nothing unread');
});

test('a withdrawal takes what it withdraws off the unread', () => {
  const rig = inRoom();
  for (const text of ['a', 'b']) publish(rig, text);
  rig.settle();
  rig.look(false);
  for (const text of ['c', 'd', 'e']) publish(rig, text);
  rig.settle();
  rig.fleet.room('lobby').rewind(3);
  rig.settle();
  assert.equal(rig.room.unread, 1);
  rig.fleet.room('lobby').rewind(1);
  rig.settle();
  assert.equal(rig.room.unread, 0);
});

test('rooms not in view keep less and ask for less', () => {
  const rig = inRoom();
  rig.model.add('side');
  rig.settle();
  for (let i = 0; i < 400; i += 1) publish(rig, `m${i}`, { room: 'side' });
  rig.settle();
  assert.equal(rig.model.rooms.get('side').items.length, 300);
  rig.cut().dial();
  rig.deliver();
  const joins = rig.model.asks(rig.now).map(({ frame }) => frame);
  assert.deepEqual(joins.map(({ room, limit }) => [room, limit]), [['lobby', 200], ['side', 50]]);
  assert.deepEqual(joins[0].after, { epoch: null, seq: 0 });
});

test('the room in view joins first, and rooms are limited', () => {
  const rig = new Rig();
  for (const name of ['one', 'two', 'three']) rig.model.add(name);
  rig.model.open('three');
  rig.dial();
  rig.deliver();
  assert.deepEqual(rig.model.asks(rig.now).map(({ frame }) => frame.room), ['three', 'one', 'two']);
  for (let i = 0; i < 47; i += 1) assert.ok(rig.model.add(`room ${i}`));
  assert.equal(rig.model.add('one too many'), null);
});

test('leaving says so and forgets the room, whatever still comes of it', () => {
  const rig = inRoom();
  const request = rig.model.leave('lobby');
  assert.deepEqual(request.frame, { type: 'leave', room: 'lobby' });
  publish(rig, 'late');
  rig.ask(request);
  rig.settle();
  assert.equal(rig.model.rooms.size, 0);
  assert.equal(rig.model.leave('lobby'), null);
});

test('members come with joined, change by presence, and come in pages', () => {
  const rig = inRoom();
  const { people } = rig.room;
  assert.deepEqual([...people.members.values()].map(({ name }) => name), ['Ann']);
  const other = inRoom({ fleet: rig.fleet, name: 'Bob' });
  rig.settle();
  assert.equal(people.count, 2);
  other.say({ type: 'rename', id: 1, name: 'Robert' });
  rig.settle();
  assert.deepEqual([...people.members.values()].map(({ name }) => name), ['Ann', 'Robert']);
  other.cut();
  rig.settle();
  assert.equal(people.count, 1);
  rig.model.receive({ type: 'presence', room: 'lobby', count: 250 }, undefined, rig.now);
  assert.equal(people.count, 250);
  assert.equal(people.hasMore, true);
  for (let i = 0; i < 149; i += 1) rig.fleet.room('lobby').members.set(`u${i}`, { user: { id: `u${i}`, name: `U${i}` }, sessions: new Set() });
  rig.ask(rig.model.askMembers());
  assert.equal(rig.model.askMembers(), null);
  rig.settle();
  assert.equal(people.members.size, 100);
  rig.ask(rig.model.askMembers());
  rig.settle();
  assert.equal(people.members.size, 150);
  assert.equal(people.hasMore, false);
});

test('typing counts for six seconds, or until the message', () => {
  const rig = inRoom();
  const bob = inRoom({ fleet: rig.fleet, name: 'Bob' });
  const { typing } = rig.room.people;
  bob.say({ type: 'typing', room: 'lobby' });
  rig.say({ type: 'typing', room: 'lobby' });
  while (rig.queue.length) rig.deliver();
  assert.equal(typing.size, 1);
  assert.equal(rig.model.wakeAt(rig.now), rig.now + 6_000);
  rig.now += 6_000;
  rig.model.expire(rig.now);
  assert.equal(typing.size, 0);
  bob.say({ type: 'typing', room: 'lobby' });
  rig.fleet.room('lobby').publish(bob.model.self, { key: 'k', text: 'done' });
  while (rig.queue.length) rig.deliver();
  assert.equal(typing.size, 0);
});

test('a new name is mine at once, also from another window', () => {
  const rig = inRoom();
  rig.ask({ frame: { type: 'rename', name: 'Anna' }, about: { what: 'rename' } });
  rig.settle();
  assert.equal(rig.model.self.name, 'Anna');
  rig.model.receive({ type: 'presence', room: 'lobby', joined: [], left: [], renamed: [{ id: rig.model.self.id, name: 'Annie' }], count: 1 }, undefined, rig.now);
  assert.equal(rig.model.self.name, 'Annie');
});

test('degraded is shown until recovered, and not beyond the session', () => {
  const rig = inRoom();
  rig.model.receive({ type: 'degraded', reason: 'broker' }, undefined, rig.now);
  assert.deepEqual(rig.model.degraded, { reason: 'broker' });
  rig.model.receive({ type: 'recovered' }, undefined, rig.now);
  assert.equal(rig.model.degraded, null);
  rig.model.receive({ type: 'degraded', reason: 'broker' }, undefined, rig.now);
  rig.cut();
  assert.equal(rig.model.degraded, null);
});

test('frames, fields and rooms that are not known change nothing', () => {
  const rig = inRoom();
  publish(rig, 'a', { mood: 'fine' });
  rig.settle();
  const before = rig.screen;
  for (const frame of [
    { type: 'reaction', room: 'lobby' }, { type: 'constructor' }, { type: 'toString' }, { type: '__proto__' },
    { type: 'message', room: 'elsewhere', epoch: 'e', seq: 1 }, { type: 'gap', room: 'elsewhere', epoch: 'e', from: 1, to: 2 },
    { type: 'epoch', room: 'elsewhere', epoch: 'e', from: 1 }, { type: 'error', code: 'bad_type', message: '' },
    { type: 'sent', room: 'lobby', epoch: 'e', seq: 9 }, { type: 'typing', room: 'lobby' }, { type: 'history', room: 'lobby' },
  ]) {
    rig.model.receive(frame, undefined, rig.now);
  }
  assert.deepEqual(rig.screen, before);
  assert.equal(rig.room.position.seq, 1);
});

test('an entry without a user or text is counted and shown as something', () => {
  const rig = inRoom();
  rig.model.receive({ type: 'message', room: 'lobby', epoch: 'e', seq: 1, at: 1, kind: 'unreadable' }, undefined, rig.now);
  assert.equal(rig.room.position.seq, 1);
  assert.equal(rig.room.items.length, 1);
  assert.equal(rig.room.items[0].own, undefined);
});

/** Checks that a room's items follow each other without a hole, within a limit, up to the position. */
function isWhole({ items, position }, limit) {
  assert.ok(items.length <= limit, `${items.length} items`);
  let last = (items[0].from ?? items[0].seq) - 1;
  for (const item of items) {
    assert.equal(item.from ?? item.seq, last + 1);
    last = item.to ?? item.seq;
  }
  assert.equal(last, position.seq);
}

test('a flood while somebody reads keeps what is read and the newest, and what lies between comes as they come near', () => {
  const rig = inRoom();
  for (let i = 1; i <= 100; i += 1) publish(rig, `m${i}`);
  rig.settle();
  rig.lookAt(40, 60);
  for (let i = 101; i <= 5_000; i += 1) {
    publish(rig, `m${i}`);
    while (rig.queue.length) rig.deliver();
    assert.ok(rig.room.items.length <= 2_000);
  }
  isWhole(rig.room, 2_000);
  const aside = () => rig.room.items.find(({ reason }) => reason === 'aside');
  assert.equal(rig.room.items[0].seq, 1);
  assert.equal(rig.room.items.at(-1).seq, 5_000);
  assert.deepEqual([rig.room.unread, rig.room.divider], [4_900, 100]);
  const texts = new Set();
  for (let step = 0; aside() && step < 100; step += 1) {
    const gap = aside();
    for (const { text, seq } of rig.room.items) if (seq < gap.from) texts.add(text);
    rig.lookAt(gap.from - 10, gap.from - 1, gap).settle();
    isWhole(rig.room, 2_000);
  }
  assert.equal(aside(), undefined);
  for (const { text } of rig.room.items) texts.add(text);
  assert.equal(texts.size, 5_000);
  assert.equal(rig.room.older, 'more', 'what is behind comes again from above');
  assert.ok(rig.room.unread > 0);
});

test('however far somebody goes up, the newest stay at hand', () => {
  const rig = inRoom();
  for (let i = 1; i <= 5_000; i += 1) publish(rig, `m${i}`);
  rig.settle();
  let turns = 0;
  while (rig.room.older !== 'end') {
    rig.lookAt(rig.room.head + 20, rig.room.head + 40);
    rig.ask(rig.model.askOlder(rig.now));
    rig.settle();
    isWhole(rig.room, 2_000);
    assert.ok((turns += 1) < 200);
  }
  assert.equal(rig.room.head, 1);
  assert.deepEqual(rig.room.items.slice(-400).map(({ seq }) => seq), Array.from({ length: 400 }, (_, i) => 4_601 + i));
});

test('a room aside keeps the place where reading stopped, and the newest', () => {
  const rig = inRoom();
  rig.model.add('side');
  for (let i = 1; i <= 20; i += 1) publish(rig, `m${i}`, { room: 'side' });
  rig.settle();
  rig.model.open('side');
  rig.look(true).settle();
  rig.model.open('lobby');
  for (let i = 21; i <= 1_000; i += 1) publish(rig, `m${i}`, { room: 'side' });
  rig.settle();
  const side = rig.model.rooms.get('side');
  isWhole(side, 300);
  assert.equal(side.unread, 980);
  for (const seq of [20, 21, 60, 1_000]) assert.ok(side.items.some((item) => item.seq === seq), `${seq}`);
});

test('a gap of the page is asked for again by itself when that was refused, and is a loss only if the room lost it', () => {
  const rig = inRoom();
  rig.model.kept = { inView: 40, aside: 8 };
  publish(rig, 'm1');
  rig.settle();
  rig.lookAt(1, 1);
  for (let i = 2; i <= 100; i += 1) publish(rig, `m${i}`);
  rig.settle();
  const aside = () => rig.room.items.find(({ reason }) => reason === 'aside');
  const { from } = aside();
  rig.fleet.refusal = { n: 2, type: 'history', error: { code: 'unavailable', retry_after_ms: 400 } };
  rig.lookAt(from - 3, from - 1, aside()).settle();
  assert.ok(rig.room.items.some(({ seq }) => seq === from), 'what was nearest came');
  rig.fleet.room('lobby').trim(3);
  const count = rig.room.items.length;
  rig.lookAt(aside().from - 3, aside().from - 1, aside()).settle();
  assert.equal(aside(), undefined);
  assert.equal(rig.room.items.filter(({ reason }) => reason === 'trimmed').length, 1);
  assert.ok(rig.room.items.length <= count);
});

test('what one wrote in another window is never unread, whatever becomes of it in memory', () => {
  const rig = inRoom();
  rig.model.add('side');
  rig.model.kept = { inView: 40, aside: 10 };
  rig.settle();
  for (let i = 0; i < 60; i += 1) publish(rig, `m${i}`, { room: 'side', ...(i % 3 ? {} : { user: rig.model.self }) });
  rig.settle();
  assert.equal(rig.model.rooms.get('side').unread, 40);
});

test('what was skipped is unread, what is gone is not', () => {
  const rig = inRoom();
  rig.model.add('side');
  publish(rig, 'm1', { room: 'side' });
  rig.settle();
  rig.cut();
  for (let i = 2; i <= 200; i += 1) publish(rig, `m${i}`, { room: 'side' });
  rig.fleet.room('side').trim(120);
  rig.dial().settle();
  const side = rig.model.rooms.get('side');
  assert.equal(side.items.filter(({ what }) => what === 'message').length, 50);
  assert.equal(side.unread, 120);
});

test('no wait that a node asks for is endless', () => {
  const rig = new Rig();
  for (const [asked, waited] of [[1e15, 60_000], ['soon', 200], [-5, 200], [null, 200]]) {
    rig.fleet.refusal = { n: 1, type: 'join', error: { code: 'overloaded', retry_after_ms: asked } };
    const room = rig.model.add(`${asked}`);
    if (rig.line) rig.pump();
    else rig.dial();
    while (rig.queue.length) rig.deliver();
    rig.pump();
    while (rig.queue.length) rig.deliver();
    if (room.status === 'new') assert.equal(room.retryAt, rig.now + waited, `${asked}`);
    else assert.fail(`${asked} ${room.status}`);
    rig.settle();
  }
});

test('what waits to go out is shown at the time of the server, as far as that is known', () => {
  const rig = inRoom();
  publish(rig, 'a');
  rig.settle();
  rig.model.write('b', rig.now);
  const [send] = rig.room.sends.items;
  assert.ok(Math.abs(send.at - Date.now()) < 60_000);
  assert.ok(rig.now < 1e9, 'though the clock of this machine says something else');
});

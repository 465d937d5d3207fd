// What the page does when something goes wrong, told by a fake node that can do all of it on demand.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { Fleet } from '../fake/fleet.mjs';
import { startNode } from '../fake/node.mjs';
import { Person, eventually, newRoom, startBrowser } from '../support/people.mjs';

let browser;
let fleet;
let node;
let name;
let room;

const BOB = { id: 'bob', name: 'Bob' };
let keys = 0;
const bobSays = (text, more) => room.publish(BOB, { key: `bob ${keys += 1}`, text, ...more });

before(async () => {
  browser = await startBrowser();
  fleet = new Fleet();
  node = await startNode({ fleet });
});

after(async () => {
  await browser?.close();
  await node?.stop();
});

beforeEach(() => {
  name = newRoom();
  room = fleet.room(name);
  fleet.refusal = { n: 0 };
  fleet.swallow = 0;
  fleet.sends = [];
  node.isRefusing = false;
});

const enter = (options) => Person.enter(browser, node.url, name, { isCut: true, ...options });

test('a gap is explained, and what was skipped comes when asked for', async () => {
  const ann = await enter();
  bobSays('m1');
  await ann.shows(['m1']);
  node.isRefusing = true;
  node.cut();
  for (let i = 2; i <= 241; i += 1) bobSays(`m${i}`);
  node.isRefusing = false;
  await ann.isOnline();
  await ann.page.waitForFunction(() => {
    const gap = document.querySelector('.gap');
    if (!gap) document.getElementById('log').scrollTop = 0;
    return gap?.textContent.includes('40 messages were skipped');
  });
  await ann.page.evaluate(() => document.querySelector('.gap').scrollIntoView());
  await ann.page.click('.gap button');
  await ann.page.waitForSelector('.gap', { state: 'detached' });
  await ann.shows(Array.from({ length: 241 }, (_, i) => `m${i + 1}`));
  node.isRefusing = true;
  node.cut();
  for (let i = 0; i < 3; i += 1) bobSays('gone');
  room.trim(1);
  node.isRefusing = false;
  await eventually(async () => assert.match(await ann.page.textContent('.gap'), /^2 messages are gone/u));
  assert.equal(await ann.page.locator('.gap button').count(), 0);
  await ann.leave();
});

test('a withdrawal is explained and can be looked at', async () => {
  const ann = await enter();
  for (const text of ['a', 'b', 'c']) bobSays(text);
  await ann.shows(['a', 'b', 'c']);
  room.rewind(1);
  await ann.shows(['a']);
  assert.match(await ann.page.textContent('.withdrawn'), /2 messages shown here are no longer in it/u);
  await ann.page.click('.withdrawn summary');
  assert.deepEqual(await ann.page.locator('.withdrawn li').allTextContents(), ['Bob b', 'Bob c']);
  bobSays('d');
  await ann.shows(['a', 'd']);
  await ann.leave();
});

test('a pause says why and ends by itself, in order', async () => {
  const ann = await enter();
  fleet.refusal = { n: 2, type: 'send', error: { code: 'rate_limited', retry_after_ms: 1_200 } };
  await ann.say('one');
  await ann.say('two');
  await ann.page.waitForFunction(() => document.querySelector('.note')?.textContent.startsWith('That was a little fast.'));
  await ann.say('three');
  await ann.shows(['one', 'two', 'three']);
  assert.deepEqual(fleet.sends.map(([text]) => text), ['one', 'two', 'three']);
  assert.equal(await ann.page.locator('.note').count(), 0);
  await ann.leave();
});

test('a refused message can be sent again, taken back into the field, or dropped', async () => {
  const ann = await enter();
  const { page } = ann;
  fleet.refusal = { n: 3, type: 'send', error: { code: 'forbidden' } };
  for (const text of ['again', 'edit me', 'drop me']) await ann.say(text);
  await ann.shows(['again (failed)', 'edit me (failed)', 'drop me (failed)']);
  assert.match(await page.locator('.note').first().textContent(), /Not sent\. You are not allowed/u);
  await page.locator('.note button', { hasText: 'Send again' }).first().click();
  await ann.shows(['again', 'edit me (failed)', 'drop me (failed)']);
  await page.locator('.note button', { hasText: 'Discard' }).last().click();
  await ann.shows(['again', 'edit me (failed)']);
  await page.locator('.note button', { hasText: 'Edit' }).click();
  await ann.shows(['again']);
  assert.equal(await page.inputValue('#field'), 'edit me');
  await ann.leave();
});

test('a told reconnect shows nothing', async () => {
  const ann = await enter();
  bobSays('a');
  await ann.shows(['a']);
  await ann.page.evaluate(() => {
    window.banners = 0;
    new MutationObserver(() => { window.banners += 1; }).observe(document.getElementById('banner'), { childList: true });
  });
  node.drain(2_500);
  await ann.page.waitForSelector('#dot:not([data-state="online"])');
  bobSays('b');
  await ann.isOnline();
  await ann.shows(['a', 'b']);
  assert.equal(await ann.page.evaluate(() => window.banners), 0);
  await ann.leave();
});

test('an outage counts down and can be cut short', async () => {
  const ann = await enter();
  node.isRefusing = true;
  node.cut();
  // Both at one moment, and with time left for the button: the next attempt comes by itself.
  await eventually(async () => {
    const [state, banner] = await ann.page.$$eval('#state, #banner', (parts) => parts.map(({ textContent }) => textContent));
    assert.match(banner, /Next attempt in (?:[2-9]|\d\d) s/u);
    assert.equal(state, 'Not connected');
  });
  node.isRefusing = false;
  await ann.page.click('#banner button');
  await ann.isOnline();
  await eventually(async () => assert.equal(await ann.page.textContent('#banner'), ''));
  await ann.leave();
});

test('a degraded server is said calmly, until it recovers', async () => {
  const ann = await enter();
  node.tell({ type: 'degraded', reason: 'broker' });
  await ann.page.waitForSelector('.banner.calm');
  assert.equal(await ann.page.textContent('#state'), 'Connected, sending paused');
  node.tell({ type: 'recovered' });
  await ann.page.waitForSelector('.banner.calm', { state: 'detached' });
  assert.equal(await ann.page.textContent('#state'), 'Connected');
  await ann.leave();
});

test('closes that end it say so; a revoked person may start anew', async () => {
  const ann = await enter();
  node.close(1002);
  await ann.page.waitForSelector('.banner.alert');
  assert.match(await ann.page.textContent('#banner'), /Reload the page/u);
  await ann.page.click('#banner button');
  await ann.isOnline();
  const token = () => ann.page.evaluate(() => localStorage.getItem('madang.token'));
  const old = await token();
  node.close(4005);
  await ann.page.waitForSelector('.banner.alert');
  await ann.page.click('#banner button');
  await ann.isOnline();
  await eventually(async () => assert.notEqual(await token(), old));
  await ann.leave();
});

test('messages written offline survive a reload and arrive once, in order', async () => {
  const ann = await enter();
  fleet.swallow = 1;
  await ann.say('arrived');
  await ann.shows(['arrived']);
  node.isRefusing = true;
  node.cut();
  await ann.page.waitForSelector('#dot:not([data-state="online"])');
  await ann.say('one');
  await ann.say('two');
  await ann.page.reload();
  await ann.shows(['one (waiting)', 'two (waiting)']);
  node.isRefusing = false;
  await ann.isOnline();
  await ann.shows(['arrived', 'one', 'two']);
  assert.deepEqual(room.log.map(({ text }) => text), ['arrived', 'one', 'two']);
  await ann.leave();
});

test('what may have arrived long ago is asked about', async () => {
  fleet.limits = { text: 4_000, rooms: 50, dedupe_ms: 300 };
  const ann = await enter();
  node.mute();
  await ann.say('hm');
  await ann.page.waitForSelector('.message.ask', { timeout: 20_000 });
  await ann.shows(['hm (ask)']);
  assert.match(await ann.page.textContent('.note'), /may have arrived already/u);
  await ann.page.locator('.note button', { hasText: 'Send again' }).click();
  await ann.shows(['hm']);
  fleet.limits = undefined;
  await ann.leave();
});

test('frames, fields, kinds and reasons of a later version break nothing', async () => {
  const ann = await enter();
  node.tell({ type: 'reaction', room: name, to: 1 });
  node.tell({ type: 'error', code: 'solar_flare', message: '?' });
  node.tell({ type: 'degraded', reason: 'moonlight' });
  node.tell({ type: 'recovered', since: 1 });
  bobSays('a poll', { kind: 'poll', options: [1, 2] });
  bobSays(undefined, { kind: 'sticker', shape: 'cat' });
  node.tell({ type: 'message', room: name, epoch: room.epoch, seq: 3, at: Date.now(), kind: 'unreadable' });
  room.seq = 3;
  bobSays('after');
  await ann.shows(['a poll', 'Something this page cannot show yet. Reload it to get its newest version.', 'Something this page cannot show yet. Reload it to get its newest version.', 'after']);
  await ann.leave();
});

test('a room that refuses says why, and is tried again when asked', async () => {
  const ann = await enter();
  const { page } = ann;
  fleet.refusal = { n: 1, type: 'join', error: { code: 'forbidden' } };
  await page.goto(`${node.url}/#/secret`);
  await page.waitForSelector('.blank');
  assert.match(await page.textContent('.blank'), /You are not allowed to do this/u);
  await page.click('.blank .main-button');
  await page.waitForSelector('.blank', { state: 'hidden' });
  node.tell({ type: 'left', room: 'secret', reason: 'forbidden' });
  await page.waitForSelector('.blank');
  assert.equal(await page.textContent('.blank h2'), 'You are no longer in this room');
  await ann.leave();
});

test('a name that the server refuses is asked for again', async () => {
  const ann = await enter();
  await ann.page.click('#me');
  await ann.page.fill('#name-field', 'forbidden');
  await ann.page.press('#name-field', 'Enter');
  await eventually(async () => assert.match(await ann.page.textContent('#name-fault'), /1 to 64/u));
  await ann.page.keyboard.press('Escape');
  assert.equal(await ann.page.textContent('#me-name'), 'Ann');
  await ann.leave();
});

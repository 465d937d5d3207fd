// How far somebody has read, and that nothing moves while they do.

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
const bobSays = (text) => room.publish(BOB, { key: `bob ${keys += 1}`, text });

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
});

const addressOf = (of = name) => `${node.url}/#/${encodeURIComponent(of)}`;
const enter = (options) => Person.enter(browser, node.url, name, options);

/** Somebody who was in the room, read all of it, and is elsewhere now. */
async function enterAndTurnAway() {
  const ann = await enter();
  const side = newRoom('side');
  await ann.page.goto(addressOf(side));
  await ann.page.waitForFunction((of) => document.getElementById('room-name').textContent === of, side);
  await ann.page.waitForSelector('.is-empty');
  return ann;
}

/** Makes the page believe that it is hidden, or not. */
const hide = (page, isHidden) => page.evaluate((value) => {
  Object.defineProperty(document, 'hidden', { value, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}, isHidden);

/** What the badge of the room says is unread. */
const unreadOf = ({ page }) => page.evaluate(
  (of) => Number(document.querySelector(`#rooms li[data-room="${of}"] .badge`)?.textContent ?? 0), name,
);

/** The text of the last row that can be seen whole. */
const lastSeen = ({ page }) => page.evaluate(() => {
  const { bottom } = document.getElementById('log').getBoundingClientRect();
  return [...document.querySelectorAll('.message')].filter((row) => row.getBoundingClientRect().bottom <= bottom + 1).at(-1)?.querySelector('.bubble').textContent;
});

const scrollTo = ({ page }, top) => page.evaluate((y) => { document.getElementById('log').scrollTop = y; }, top);

test('scrolling through what is unread reads it, and leaves the rest unread', async () => {
  const ann = await enterAndTurnAway();
  for (let i = 1; i <= 90; i += 1) bobSays(`m${i}`);
  await eventually(async () => assert.equal(await unreadOf(ann), 90));
  await ann.page.goto(addressOf());
  const isCounted = () => eventually(async () => {
    const seen = Number((await lastSeen(ann)).slice(1));
    assert.ok(seen > 0 && seen < 90, `${seen} seen`);
    assert.equal(await unreadOf(ann), 90 - seen);
    assert.ok((await ann.page.title()).startsWith(`(${90 - seen}) `));
  });
  await isCounted();
  assert.equal(await ann.page.locator('.row.new + .message .bubble').textContent(), 'm1');
  const before = await unreadOf(ann);
  await scrollTo(ann, 900);
  await isCounted();
  const middle = await unreadOf(ann);
  assert.ok(middle < before);
  await scrollTo(ann, 0);
  await ann.page.waitForFunction(() => document.getElementById('log').scrollTop === 0);
  assert.equal(await unreadOf(ann), middle, 'nothing becomes unread by looking up');
  assert.equal(await ann.page.locator('.row.new + .message .bubble').textContent(), 'm1', 'the line stays');

  const last = 90 - middle;
  await ann.page.reload();
  await eventually(async () => assert.equal(await ann.page.locator('.row.new + .message .bubble').textContent(), `m${last + 1}`));
  await ann.page.keyboard.press('Escape');
  await eventually(async () => assert.equal(await unreadOf(ann), 0));
  await eventually(async () => assert.equal((await ann.screen()).at(-1), 'm90'));
  await ann.leave();
});

test('a page that cannot be seen reads nothing', async () => {
  const ann = await enter();
  bobSays('seen');
  await ann.shows(['seen']);
  await hide(ann.page, true);
  for (let i = 0; i < 3; i += 1) bobSays(`m${i}`);
  await eventually(async () => assert.match(await ann.page.title(), /^\(3\) /u));
  assert.equal(await ann.page.getAttribute('link[rel="icon"]', 'href'), 'icon-new.svg');
  await hide(ann.page, false);
  await eventually(async () => assert.doesNotMatch(await ann.page.title(), /^\(/u));
  assert.equal(await ann.page.locator('.row.new + .message .bubble').textContent(), 'm0');
  await ann.leave();
});

test('a room with more than comes at once opens where reading stopped', async () => {
  const ann = await enter();
  for (let i = 1; i <= 40; i += 1) bobSays(`m${i}`);
  await eventually(async () => assert.equal((await ann.screen()).at(-1), 'm40'));
  await ann.page.waitForFunction(() => Object.values(JSON.parse(localStorage.getItem('madang.read')) ?? {}).some(([, seq]) => seq === 40));
  await ann.page.goto('about:blank');
  for (let i = 41; i <= 400; i += 1) bobSays(`m${i}`);
  await ann.page.goto(addressOf());
  await ann.isOnline();
  await ann.page.waitForSelector('.row.new + .gap');
  await ann.page.waitForFunction(() => {
    const line = document.querySelector('.row.new').getBoundingClientRect();
    return line.top > 0 && line.bottom < innerHeight;
  });
  assert.equal((await ann.screen())[39], 'm40');
  await ann.page.click('.gap button');
  await ann.page.waitForSelector('.gap', { state: 'detached' });
  assert.equal(await ann.page.locator('.row.new + .message .bubble').textContent(), 'm41');
  await ann.leave();
});

test('a flood while somebody reads moves nothing, keeps the page small, and leaves everything to be had', async () => {
  const ann = await enter();
  const { page } = ann;
  for (let i = 0; i < 200; i += 1) bobSays(`n ${i}`);
  await eventually(async () => assert.equal((await ann.screen()).at(-1), 'n 199'));
  await page.evaluate(async () => {
    const log = document.getElementById('log');
    for (let i = 0; i < 4; i += 1) {
      log.scrollTop -= 700;
      for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
    }
    const { top } = log.getBoundingClientRect();
    const row = [...document.querySelectorAll('.message')].find((element) => element.getBoundingClientRect().top > top);
    const list = document.getElementById('entries');
    window.watch = { row, top: row.getBoundingClientRect().top, moved: 0, rows: 0 };
    const look = () => {
      window.watch.moved = Math.max(window.watch.moved, Math.abs(row.getBoundingClientRect().top - window.watch.top));
      window.watch.rows = Math.max(window.watch.rows, list.children.length);
      if (!window.watch.isOver) requestAnimationFrame(look);
    };
    look();
  });
  for (let i = 200; i < 3_200; i += 1) {
    bobSays(`n ${i}`);
    if (i % 20 === 0) await new Promise(setImmediate);
  }
  await page.waitForFunction(() => document.getElementById('newest-count').textContent.startsWith('3000 '));
  const { moved, rows } = await page.evaluate(() => {
    window.watch.isOver = true;
    return window.watch;
  });
  assert.ok(moved <= 1, `the row moved by ${moved} px`);
  assert.ok(rows <= 400, `${rows} rows`);

  await page.keyboard.press('Escape');
  await page.waitForFunction(() => [...document.querySelectorAll('.bubble')].at(-1).textContent === 'n 3199');
  await eventually(async () => assert.equal(await unreadOf(ann), 0));

  // All of it is there on the way up, without a word about anything missing.
  const found = await page.evaluate(async () => {
    const log = document.getElementById('log');
    const list = document.getElementById('entries');
    const texts = new Set();
    let most = 0;
    for (let turn = 0; turn < 3_000 && !texts.has('n 0'); turn += 1) {
      for (const bubble of document.querySelectorAll('.bubble')) texts.add(bubble.textContent);
      most = Math.max(most, list.children.length);
      if (document.querySelector('.gap button')) return { size: 'a loss' };
      const { top, bottom } = log.getBoundingClientRect();
      // Whoever comes near what was dropped waits for it, as a person does.
      const isNear = [...document.querySelectorAll('.gap')].some((gap) => gap.getBoundingClientRect().bottom > top - 500 && gap.getBoundingClientRect().top < bottom);
      if (!isNear) log.scrollTop -= 400;
      await new Promise(requestAnimationFrame);
      await new Promise(requestAnimationFrame);
    }
    return { size: texts.size, most, gap: document.querySelector('.gap')?.textContent, top: log.scrollTop };
  });
  assert.equal(found.size, 3_200, JSON.stringify(found));
  assert.ok(found.most <= 400, `${found.most} rows`);
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => [...document.querySelectorAll('.bubble')].at(-1).textContent === 'n 3199');
  await ann.leave();
});

test('what waits to go out counts among the rows, and the last of it can be seen', async () => {
  const ann = await Person.enter(browser, node.url, name, { isCut: true });
  bobSays('before');
  await ann.shows(['before']);
  node.isRefusing = true;
  node.cut();
  await ann.page.waitForSelector('#dot:not([data-state="online"])');
  await ann.page.evaluate((room) => {
    addEventListener('pagehide', () => sessionStorage.setItem('madang.sends', JSON.stringify(Array.from({ length: 450 }, (_, i) => ({
      id: `k:${i}`, key: `${Math.random()}`, text: `n ${i}`, at: Date.now(), state: 'waiting', firstSentAt: null, by: null, error: null, room,
    })))));
  }, name);
  await ann.page.reload();
  await eventually(async () => assert.equal((await ann.screen()).at(-1), 'n 449 (waiting)'));
  assert.ok(await ann.page.locator('#entries li').count() <= 400);
  node.isRefusing = false;
  await ann.isOnline();
  await eventually(() => assert.equal(room.log.length, 451));
  await eventually(async () => assert.equal((await ann.screen()).at(-1), 'n 449'));
  assert.deepEqual(room.log.slice(1).map(({ text }) => text), Array.from({ length: 450 }, (_, i) => `n ${i}`));
  assert.ok(await ann.page.locator('#entries li').count() <= 400);
  await ann.leave();
});

for (const hours of [1, -1]) {
  test(`a clock that is ${hours > 0 ? 'an hour ahead' : 'an hour behind'} changes no time on the page and no order`, async () => {
    const ann = await enter();
    const { page } = ann;
    await page.addInitScript((off) => {
      const { now } = Date;
      const Real = Date;
      window.Date = class extends Real {
        constructor(...args) {
          super(...(args.length ? args : [now() + off]));
        }
      };
      window.Date.now = () => now() + off;
    }, hours * 3_600_000);
    bobSays('one');
    await page.reload();
    await ann.isOnline();
    await ann.shows(['one']);
    await ann.say('two');
    await ann.shows(['one', 'two']);
    node.mute();
    await ann.say('three');
    await ann.shows(['one', 'two', 'three (waiting)']);
    const times = () => page.$$eval('.message time', (elements) => elements.map((element) => element.dateTime));
    const shown = await times();
    const { at } = room.log[1];
    assert.equal(shown[0], new Date(room.log[0].at).toISOString());
    assert.ok(Math.abs(Date.parse(shown.at(-1)) - at) < 60_000, 'what waits is shown at about the time of the server');
    assert.ok(await page.locator('.day').count() <= 2);
    await ann.shows(['one', 'two', 'three']);
    assert.equal((await times()).at(-1), new Date(room.log[2].at).toISOString());
    await ann.leave();
  });
}

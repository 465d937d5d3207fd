// Windows of one person in one browser: one user, one list of rooms, one read position.

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
const bobSays = (text, where = room) => where.publish(BOB, { key: `bob ${keys += 1}`, text });

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
  node.isRefusing = false;
});

const addressOf = (of = name) => `${node.url}/#/${encodeURIComponent(of)}`;
const enter = (options) => Person.enter(browser, node.url, name, { isCut: true, ...options });

/** Opens another window of a person. */
async function another(person, of = name) {
  const other = new Person(person.context, await person.context.newPage(), true);
  await other.page.goto(addressOf(of));
  await other.isOnline();
  return other;
}

const badge = (person, of = name) => person.page.locator(`#rooms li[data-room="${of}"] .badge`);
const roomsOf = (person) => person.page.locator('#rooms .room-label').allTextContents();

for (const hasLocks of [true, false]) {
  test(`windows opened at once on a first visit are one user${hasLocks ? '' : ', also without locks'}`, async () => {
    const context = await browser.newContext();
    if (!hasLocks) await context.addInitScript(() => Object.defineProperty(navigator, 'locks', { value: undefined }));
    const known = fleet.people.size;
    const people = await Promise.all([0, 1, 2].map(async () => {
      const person = new Person(context, await context.newPage(), true);
      await person.page.goto(addressOf());
      await person.page.fill('#name-field', 'Ann');
      return person;
    }));
    await Promise.all(people.map(({ page }) => page.evaluate(() => document.getElementById('name-save').click())));
    await Promise.all(people.map((person) => person.isOnline()));
    await eventually(() => assert.deepEqual([...room.members.values()].map(({ sessions }) => sessions.size), [3]));
    if (hasLocks) assert.equal(fleet.people.size, known + 1);
    await people[0].say('as one');
    for (const person of people) {
      await person.shows(['as one']);
      assert.equal(await person.page.locator('.message.own').count(), 1);
    }
    await people[0].leave();
  });
}

test('a window that still asks for a name takes the one that another was given', async () => {
  const context = await browser.newContext();
  const [one, other] = await Promise.all([0, 1].map(async () => new Person(context, await context.newPage(), true)));
  for (const { page } of [one, other]) {
    await page.goto(addressOf());
    await page.waitForSelector('#name-dialog[open]');
  }
  await one.page.fill('#name-field', 'Ann');
  await one.page.press('#name-field', 'Enter');
  await other.isOnline();
  assert.equal(await other.page.locator('#name-dialog[open]').count(), 0);
  assert.equal(await other.page.textContent('#me-name'), 'Ann');
  await one.leave();
});

test('reading in one window clears unread and title in the other', async () => {
  const ann = await enter();
  const side = newRoom('side');
  const other = await another(ann, side);
  await ann.page.goto(addressOf(side));
  for (let i = 0; i < 3; i += 1) bobSays(`m${i}`);
  for (const person of [ann, other]) {
    await eventually(async () => assert.equal(await badge(person).textContent(), '3'));
    await person.page.waitForFunction(() => document.title.startsWith('(3) '));
  }
  await ann.page.goto(addressOf());
  await ann.shows(['m0', 'm1', 'm2']);
  await eventually(async () => assert.equal(await badge(other).count(), 0));
  assert.doesNotMatch(await other.page.title(), /^\(/u);
  await ann.leave();
});

test('a new name, a new room and a room left are so in every window', async () => {
  const ann = await enter();
  const other = await another(ann);
  const side = newRoom('side');
  await ann.page.click('#me');
  await ann.page.fill('#name-field', 'Anna');
  await ann.page.press('#name-field', 'Enter');
  await other.page.waitForFunction(() => document.getElementById('me-name').textContent === 'Anna');
  await ann.page.goto(addressOf(side));
  await eventually(async () => assert.ok((await roomsOf(other)).includes(side)));
  bobSays('here', fleet.room(side));
  await eventually(async () => assert.ok((await roomsOf(ann)).includes(name)));
  await other.page.hover(`#rooms li[data-room="${name}"]`);
  await other.page.click(`#rooms li[data-room="${name}"] .leave`);
  for (const person of [ann, other]) await eventually(async () => assert.ok(!(await roomsOf(person)).includes(name)));
  await eventually(() => assert.equal(room.members.size, 0, 'nobody is left in it'));
  await ann.leave();
});

test('what the other window sends is one\'s own: never unread, never announced', async () => {
  const ann = await enter();
  const other = await another(ann, newRoom('side'));
  const third = await another(ann);
  await third.page.evaluate(() => {
    window.said = [];
    new MutationObserver(() => window.said.push(document.getElementById('announcer').textContent))
      .observe(document.getElementById('announcer'), { childList: true, characterData: true, subtree: true });
  });
  await ann.say('from here');
  await third.shows(['from here']);
  assert.equal(await third.page.locator('.message.own').count(), 1);
  bobSays('and mine');
  await eventually(async () => assert.deepEqual(await third.page.evaluate(() => window.said), ['Bob: and mine']));
  await eventually(async () => assert.equal(await badge(other).count(), 0, 'read where it was seen'));
  await ann.leave();
});

test('drafts of two windows in two rooms both stay', async () => {
  const side = newRoom('side');
  const ann = await enter();
  const other = await another(ann, side);
  await ann.page.fill('#field', 'in the one');
  await other.page.fill('#field', 'in the other');
  await ann.page.type('#field', '!');
  for (const [person, draft] of [[ann, 'in the one!'], [other, 'in the other']]) {
    await person.page.reload();
    await person.page.waitForFunction((text) => document.getElementById('field').value === text, draft);
  }
  await ann.leave();
});

test('a window duplicated while something waits does not send it twice', async () => {
  const ann = await enter();
  node.isRefusing = true;
  node.cut();
  await ann.page.waitForSelector('#dot:not([data-state="online"])');
  await ann.say('once');
  await ann.page.waitForFunction(() => sessionStorage.getItem('madang.sends'));
  const [page] = await Promise.all([ann.context.waitForEvent('page'), ann.page.evaluate(() => { window.open(location.href); })]);
  const copy = new Person(ann.context, page, true);
  await copy.shows(['once (waiting)']);
  node.isRefusing = false;
  for (const person of [ann, copy]) await person.shows(['once']);
  assert.deepEqual(room.log.map(({ text }) => text), ['once']);
  await copy.page.reload();
  await copy.shows(['once']);
  await ann.leave();
});

test('a storage that becomes full is told of, and everything goes on', async () => {
  const ann = await enter();
  const { page } = ann;
  await page.waitForSelector('#not-kept', { state: 'hidden' });
  await page.evaluate(() => {
    let text = 'x'.repeat(1 << 20);
    for (let i = 0; text; i += 1) {
      try {
        localStorage.setItem(`filler ${i}`, text);
      } catch {
        text = text.slice(0, text.length >> 1);
      }
    }
  });
  await page.fill('#field', 'a draft that finds no room');
  await page.waitForSelector('#not-kept', { state: 'visible' });
  await page.press('#field', 'Enter');
  await ann.shows(['a draft that finds no room']);
  await page.evaluate(() => { for (const key of Object.keys(localStorage)) if (key.startsWith('filler')) localStorage.removeItem(key); });
  await page.fill('#field', 'another');
  await page.waitForSelector('#not-kept', { state: 'hidden' });
  await ann.leave();
});

// The people of a room: found among many, told apart, named without harm; and the page above a phone's keyboard.

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
let keys = 0;

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

const enter = (options) => Person.enter(browser, node.url, name, options);
const settle = (user) => room.members.set(user.id, { user, sessions: new Set() });
const says = (user, text) => room.publish(user, { key: `key ${keys += 1}`, text });
const shown = ({ page }) => page.locator('#members .member-name').allTextContents();

test('somebody is found among 2,000, also one not yet loaded, by any spelling and by leading consonants', async () => {
  for (let i = 0; i < 1_998; i += 1) settle({ id: `u${i}`, name: `member ${i}` });
  settle({ id: 'minji', name: '김 민지' });
  settle({ id: 'elodie', name: 'Élodie' });
  const ann = await enter();
  const { page } = ann;
  await eventually(async () => assert.equal((await shown(ann)).length, 100));
  for (const [typed, found] of [['민지', '김 민지'], ['김미', '김 민지'], ['ㅁㅈ', '김 민지'], ['ㄱㅁㅈ', '김 민지'], ['elod', 'Élodie'], ['ÉLODIE', 'Élodie'], ['member 1997', 'member 1997']]) {
    await page.fill('#members-search', typed);
    await eventually(async () => assert.deepEqual(await shown(ann), [found], typed));
  }
  await page.fill('#members-search', 'nobody at all');
  await page.waitForFunction(() => document.getElementById('members-none').textContent === 'Nobody here by that name.');
  assert.deepEqual(await shown(ann), []);
  await page.press('#members-search', 'Escape');
  assert.equal(await page.inputValue('#members-search'), '');
  await eventually(async () => assert.equal((await shown(ann)).length, 500));
  assert.equal(await page.textContent('#members-none'), '');
  await page.fill('#members-search', 'member');
  await page.evaluate(() => { location.hash = '#/elsewhere'; });
  await eventually(async () => assert.deepEqual(await shown(ann), ['Ann']));
  assert.equal(await page.inputValue('#members-search'), '', 'another room, another search');
  await ann.leave();
});

test('a refused page of members is told of, and nobody is said not to be there', async () => {
  for (let i = 0; i < 300; i += 1) settle({ id: `u${i}`, name: `member ${i}` });
  const ann = await enter();
  const { page } = ann;
  await eventually(async () => assert.equal((await shown(ann)).length, 100));
  fleet.refusal = { n: 1, type: 'members', error: { code: 'rate_limited', retry_after_ms: 1_000 } };
  await page.fill('#members-search', 'member 299');
  await page.waitForFunction(() => document.getElementById('members-none').textContent === 'More members could not be loaded.');
  assert.deepEqual(await shown(ann), []);
  await page.click('#members-more');
  await eventually(async () => assert.deepEqual(await shown(ann), ['member 299']));
  assert.equal(await page.textContent('#members-none'), '');
  await ann.leave();
});

test('a search on a phone ends with Escape, and then the drawer', async () => {
  const ann = await enter({ phone: true });
  const { page } = ann;
  await page.tap('#people-toggle');
  await page.fill('#members-search', 'xyz');
  await page.waitForSelector('#members-none:not(:empty)');
  await page.press('#members-search', 'Escape');
  assert.deepEqual(await shown(ann), ['Ann']);
  await page.press('#members-search', 'Escape');
  await page.waitForSelector('#people', { state: 'hidden' });
  await ann.leave();
});

test('two of one name are told apart among the members and in the conversation, and a bot is marked', async () => {
  const [first, second] = [{ id: 'sam-aaaa', name: 'Sam' }, { id: 'sam-bbbb', name: 'Sam' }];
  const bot = { id: 'bot-deploy', name: 'deploy', bot: true };
  settle(first);
  settle(bot);
  const ann = await enter();
  const { page } = ann;
  says(first, 'one');
  says(bot, 'two');
  await ann.shows(['one', 'two']);
  const heads = () => page.$$eval('.who:not(.unseen)', (all) => all.map((who) => Array.from(who.children, (part) => part.textContent).join(' ')));
  assert.deepEqual(await heads(), ['Sam', 'deploy bot']);
  assert.deepEqual(await page.locator('#members li').allTextContents().then((all) => all.toSorted()), ['AAnnyou', 'Ddeploybot', 'SSam']);
  // The other one is no member any more; what was said is still of two.
  says(second, 'three');
  says(first, 'four');
  await ann.shows(['one', 'two', 'three', 'four']);
  assert.deepEqual(await heads(), ['Sam aaaa', 'deploy bot', 'Sam bbbb', 'Sam aaaa']);
  settle(second);
  room.tell({ type: 'presence', room: name, joined: [second], left: [], renamed: [], count: 4 });
  await eventually(async () => assert.deepEqual(
    await page.locator('#members li').allTextContents().then((all) => all.filter((one) => one.includes('Sam')).toSorted()),
    ['SSamaaaa', 'SSambbbb'],
  ));
  await ann.leave();
});

test('names of any script turn no sentence around', async () => {
  const ann = await enter();
  const { page } = ann;
  const leila = { id: 'leila', name: 'ليلى' };
  settle(leila);
  room.tell({ type: 'typing', room: name, user: leila });
  room.tell({ type: 'presence', room: name, joined: [leila], left: [], renamed: [], count: 2 });
  await page.waitForFunction(() => document.getElementById('typing').textContent === 'ليلى is typing…');
  assert.equal(await page.textContent('#typing bdi'), leila.name);
  says(leila, 'مرحبا\nhello\n\u202edlrow');
  await eventually(async () => assert.equal(await page.locator('.message bdi').textContent(), leila.name));
  await page.waitForFunction(() => document.getElementById('typing').textContent === '');
  assert.equal(await page.locator('.message time').getAttribute('datetime').then((at) => new Date(at).toISOString() === at), true);
  await ann.leave();
});

test('the field and the newest message stay above a keyboard that lies over the page', async () => {
  for (const hasView of [true, false]) {
    const context = await browser.newContext({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
    await context.addInitScript((has) => {
      const view = Object.assign(new EventTarget(), { height: 844, width: 390, scale: 1, offsetTop: 0, pageTop: 0 });
      Object.defineProperty(window, 'visualViewport', { value: has ? view : undefined });
    }, hasView);
    const page = await context.newPage();
    await page.goto(`${node.url}/#/${encodeURIComponent(name)}`);
    await page.fill('#name-field', 'Ann');
    await page.click('#name-save');
    for (let i = 0; i < 40; i += 1) says({ id: 'bob', name: 'Bob' }, `line ${i}`);
    await page.waitForFunction(() => document.querySelectorAll('.message').length >= 40);
    const bottoms = () => page.evaluate(() => {
      const bottom = (one) => one.getBoundingClientRect().bottom;
      return { field: bottom(document.getElementById('field')), newest: bottom([...document.querySelectorAll('.message')].at(-1)), log: bottom(document.getElementById('log')) };
    });
    const turn = (change) => page.evaluate((to) => {
      Object.assign(window.visualViewport, to);
      window.visualViewport.dispatchEvent(new Event('resize'));
    }, change);
    if (hasView) {
      await turn({ height: 450, offsetTop: 30, pageTop: 30 });
      await eventually(async () => {
        const { field, newest, log } = await bottoms();
        assert.ok(field <= 480 && newest <= log + 1, JSON.stringify({ field, newest, log }));
      });
      await turn({ height: 400, offsetTop: 0, pageTop: 0, scale: 2 });
      assert.ok((await bottoms()).field > 700, 'who zooms in sees the page unchanged');
      await turn({ height: 844, scale: 1 });
    }
    await eventually(async () => assert.ok((await bottoms()).field > 700));
    await context.close();
    room.trim(0);
  }
});

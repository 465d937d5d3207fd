// People chat through a server of a later version as through one of today.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Fleet } from '../fake/fleet.mjs';
import { chance, speakLater } from '../fake/later.mjs';
import { startNode } from '../fake/node.mjs';
import { Person, eventually, newRoom, startBrowser } from '../support/people.mjs';

const SEED = Number(process.env.SEED ?? Date.now() % 1e9);
/** Codes that no version has yet, and one that the browser makes itself. */
const CLOSES = [4999, 4100, 3500, 1011];

let browser;
let fleet;
let node;
let random;

before(async () => {
  browser = await startBrowser();
  random = chance(SEED);
  fleet = new Fleet();
  fleet.dress = (line) => speakLater(line, random);
  node = await startNode({ fleet });
});

after(async () => {
  await browser?.close();
  await node?.stop();
});

test(`people chat through unknown frames, fields, kinds, reasons, codes and closes (SEED=${SEED})`, async () => {
  const name = newRoom('later');
  const room = fleet.room(name);
  for (let i = 0; i < 120; i += 1) room.publish({ id: 'old', name: 'Old' }, { key: `old ${i}`, text: `old ${i}` });
  const ann = await Person.enter(browser, node.url, name, { name: 'Ann', isCut: true });
  const bob = await Person.enter(browser, node.url, name, { name: 'Bob', isCut: true });
  const people = [ann, bob];
  const said = [];
  const say = async (person, text) => {
    said.push(text);
    await person.say(text);
  };

  for (let round = 0; round < CLOSES.length; round += 1) {
    for (const person of people) for (let i = 0; i < 3; i += 1) await say(person, `${round} ${i} of ${person === ann ? 'Ann' : 'Bob'}`);
    // A code that nobody knows counts by whether it says when to try again.
    fleet.refusal = { n: 1, type: 'send', error: { code: 'solar_flare', retry_after_ms: 300 } };
    await say(ann, `${round} refused for a while`);
    // Of everybody, or the next refusal would be for a message that is still on its way.
    await eventually(() => assert.deepEqual(said.filter((text) => !room.everything.includes(text)), []));
    fleet.refusal = { n: 1, type: 'send', error: { code: 'moonlight' } };
    await say(bob, `${round} refused for good`);
    await bob.page.locator('.message.failed .note button').first().click();
    node.tell({ type: 'degraded', reason: 'broker' });
    await ann.page.waitForSelector('.banner.calm');
    node.tell({ type: 'recovered' });
    await ann.page.waitForSelector('.banner.calm', { state: 'detached' });
    for (const person of people) await eventually(async () => assert.ok((await person.screen()).at(-1)?.endsWith('refused for good')));
    // Nobody is let in before both were seen outside: a page may be back sooner than anybody looks.
    node.isRefusing = true;
    node.close(CLOSES[round]);
    for (const { page } of people) await page.waitForSelector('#dot:not([data-state="online"])', { state: 'attached' });
    node.isRefusing = false;
    for (const { page } of people) await page.evaluate(() => dispatchEvent(new Event('online')));
    for (const person of people) await person.isOnline();
  }

  await bob.page.type('#field', 'hm');
  await ann.page.waitForFunction(() => document.getElementById('typing').textContent !== '');
  await bob.page.fill('#field', '');
  await ann.page.click('#me');
  await ann.page.fill('#name-field', 'Anna');
  await ann.page.press('#name-field', 'Enter');
  await eventually(async () => assert.deepEqual((await bob.page.locator('#members .member-name').allTextContents()).toSorted(), ['Anna', 'Bob']));

  // A gap whose reason nobody knows is a gap; what was said before it stays.
  const news = (text) => room.publish({ id: 'old', name: 'Old' }, { key: text, text });
  room.tell({ type: 'gap', room: name, epoch: room.epoch, from: room.seq + 1, to: room.seq + 2, reason: 'moonlight' });
  room.seq += 2;
  news('after the gap');
  const recent = async (person) => (await person.screen()).filter((text) => !text.startsWith('old '));
  for (const person of people) {
    await eventually(async () => assert.deepEqual((await recent(person)).toSorted(), [...said, 'after the gap'].toSorted()));
    assert.equal(await person.page.locator('.gap').count(), 1);
  }
  assert.deepEqual(await recent(ann), await recent(bob), 'in one order');
  assert.deepEqual(new Set(room.everything).size, room.everything.length, 'nothing came twice');
  for (const person of people) {
    await eventually(async () => {
      await person.page.evaluate(() => { document.getElementById('log').scrollTop = 0; });
      assert.equal((await person.screen())[0], 'old 0');
    });
    await person.leave();
  }
});

// A session that goes silent without a close is noticed and replaced, soon after somebody would miss it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Fleet } from '../fake/fleet.mjs';
import { startNode } from '../fake/node.mjs';
import { Person, eventually, newRoom, startBrowser } from '../support/people.mjs';

const NOTICED_MS = 10_000;
const REPEATS = 5;

let browser;
let fleet;
let node;

before(async () => {
  browser = await startBrowser();
  fleet = new Fleet();
  node = await startNode({ fleet });
});

after(async () => {
  await browser?.close();
  await node?.stop();
});

/** Runs in the page: notes how long after `begun()` the page says that it is not connected. */
function watch() {
  const dot = document.getElementById('dot');
  window.begun = () => { window.begunAt = performance.now(); };
  new MutationObserver(() => {
    if (dot.dataset.state !== 'online') window.noticed ??= performance.now() - window.begunAt;
  }).observe(dot, { attributes: true });
}

const hide = (page, isHidden) => page.evaluate((hidden) => {
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event('visibilitychange'));
}, isHidden);

/** Has several people miss an answer at once, and returns how long each took to notice, ascending. */
async function noticedAfter(prepare, act) {
  const people = await Promise.all(Array.from({ length: REPEATS }, (_, i) => Person.enter(browser, node.url, newRoom(), { name: `Ann ${i}`, isCut: true })));
  await Promise.all(people.map(({ page }) => page.evaluate(watch)));
  await Promise.all(people.map(prepare));
  node.mute();
  await Promise.all(people.map(act));
  const times = await Promise.all(people.map(async ({ page }) => {
    const handle = await page.waitForFunction(() => window.noticed, null, { timeout: 3 * NOTICED_MS });
    return handle.jsonValue();
  }));
  for (const person of people) await person.isOnline();
  return { people, times: times.sort((a, b) => a - b) };
}

function within({ times }) {
  assert.ok(times[REPEATS >> 1] <= NOTICED_MS, `${times} ms`);
}

test('a silent session is noticed within 10 s of the next send, which arrives once', async () => {
  const noticed = await noticedAfter(async () => {}, async (person) => {
    await person.page.evaluate(() => window.begun());
    await person.say('into the void');
  });
  within(noticed);
  for (const person of noticed.people) {
    await person.shows(['into the void']);
    await person.leave();
  }
});

test('a silent session is noticed within 10 s of the page becoming visible', async () => {
  const noticed = await noticedAfter(({ page }) => hide(page, true), async ({ page }) => {
    await page.evaluate(() => window.begun());
    await hide(page, false);
  });
  within(noticed);
  for (const person of noticed.people) {
    await person.say('back');
    await eventually(async () => assert.deepEqual(await person.screen(), ['back']));
    await person.leave();
  }
});

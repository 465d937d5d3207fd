// Every state of the page, in both themes and languages, on a desk and on a phone, is free of what axe finds.
//
// SHOTS names a directory for a picture of each.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';

import { startBrowser } from '../support/people.mjs';
import { Walk } from '../support/states.mjs';

const { SHOTS } = process.env;
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

let browser;
let axe;

before(async () => {
  browser = await startBrowser();
  axe = await readFile(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
});

after(() => browser?.close());

/** Returns what axe has to say about the page as it is, as lines. */
async function violations(page) {
  if (!await page.evaluate(() => 'axe' in window)) await page.evaluate(`{ const module = undefined; ${axe} }`);
  const found = await page.evaluate((values) => window.axe.run(document, { runOnly: { type: 'tag', values }, resultTypes: ['violations'] })
    .then((result) => result.violations), TAGS);
  return found.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)}\n    ${failureSummary}`));
}

/** Walks through all states and returns what was found in each, by its name. */
async function walkThrough(look, find) {
  const walk = await Walk.start(browser, look);
  const found = {};
  let states = 0;
  try {
    await walk.run(async (name, page) => {
      states += 1;
      if (SHOTS) await page.screenshot({ path: `${SHOTS}/${Object.values(look).join('-')}-${String(states).padStart(2, '0')}-${name.replace(/\W+/gu, '-')}.png` });
      const lines = await find(page);
      if (lines.length) found[name] = lines;
    });
  } finally {
    await walk.stop();
  }
  assert.ok(states >= 31, `${states} states`);
  return found;
}

/** Runs in the page: what sticks out of it or is cut off, and whether what must be reached is within it. */
function cut() {
  const { clientWidth, scrollWidth } = document.documentElement;
  const found = scrollWidth > clientWidth ? [`the page is ${scrollWidth} wide on ${clientWidth}`] : [];
  const layer = document.querySelector('dialog[open]') ?? document.body;
  for (const element of layer.querySelectorAll('button, input, textarea, h1, h2, p, .bubble, .notice, time, summary, label')) {
    if (element.closest('.unseen, .sprite, [inert]') || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    const { left, right, width } = element.getBoundingClientRect();
    const say = (what) => found.push(`${element.localName}#${element.id}.${element.className} ${what}: ${element.textContent.slice(0, 40)}`);
    if (width > 0 && (left < -0.5 || right > clientWidth + 0.5)) say('sticks out');
    const { overflowX, textOverflow } = getComputedStyle(element);
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0 && overflowX === 'hidden' && textOverflow !== 'ellipsis') say('is cut off');
  }
  const field = document.getElementById('field');
  const { bottom, height } = field.getBoundingClientRect();
  if (height > 0 && bottom > innerHeight) found.push('the field is below the page');
  const log = document.getElementById('log');
  if (!log.hidden && log.clientHeight < 96) found.push(`the conversation is ${log.clientHeight} high`);
  return found;
}

describe('every state', { concurrency: 3 }, () => {
  for (const theme of ['light', 'dark']) {
    for (const language of ['en', 'ko']) {
      for (const view of ['desk', 'phone']) {
        test(`axe finds nothing: ${view}, ${theme}, ${language}`, async () => {
          assert.deepEqual(await walkThrough({ view, theme, language }, violations), {});
        });
      }
    }
  }

  for (const [view, what] of [['zoomed', 'at 200 %'], ['narrow', 'on 320 px']]) {
    test(`nothing is cut off ${what}, and nothing scrolls sideways`, async () => {
      assert.deepEqual(await walkThrough({ view, theme: 'light', language: view === 'zoomed' ? 'en' : 'ko' }, (page) => page.evaluate(cut)), {});
    });
  }
});

// What a flood costs the page: frames, tasks, rows, keys, and what is read out.
//
// The browser's own trace says what its main thread did. A task is one turn of its event loop: events, timers, a
// frame with script, style, layout and paint. Tasks are weighed by the processor time of their thread, so that
// waiting for another program does not count, and the flood against the same page right before.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Fleet } from '../fake/fleet.mjs';
import { startNode } from '../fake/node.mjs';
import { Person, eventually, newRoom, startBrowser } from '../support/people.mjs';

const TOTAL = 10_000;
const PER_SECOND = 200;
const MOST_ROWS = 400;
const PARTS = 10;
const IDLE_MS = 2_400;
const KEYS = 'still quick ';
const BOB = { id: 'bob', name: 'Bob' };
const SAYINGS = ['ok', 'see https://example.com/docs for the rest', '점심 먹고 다시 볼게요. 문서는 위에 있어요', 'two\nlines', 'a somewhat longer message, as people write them when they explain something to each other'];

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

let keys = 0;
const says = (room, text) => fleet.room(room).publish(BOB, { key: `bob ${keys += 1}`, text });
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** Publishes so many messages at this rate, in even steps. */
async function pour(room, total, rate) {
  const start = performance.now();
  for (let said = 0; said < total; await pause(4)) {
    const due = Math.min(total, Math.floor((performance.now() - start) * rate / 1_000));
    for (; said < due; said += 1) says(room, `${SAYINGS[said % SAYINGS.length]} ${said}`);
  }
}

/** Runs something and returns the tasks of the page's main thread meanwhile: when each began, and what it cost. */
async function tasksDuring(page, act) {
  await browser.startTracing(page, { categories: ['toplevel', 'disabled-by-default-devtools.timeline'] });
  await act();
  const { traceEvents } = JSON.parse(await browser.stopTracing());
  const mains = traceEvents.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain');
  return traceEvents
    .filter(({ name, pid, tid, tdur }) => name === 'RunTask' && tdur > 0 && mains.some((main) => main.pid === pid && main.tid === tid))
    .map(({ ts, tdur }) => ({ at: ts / 1_000, ms: tdur / 1_000 })).sort((a, b) => a.at - b.at);
}

/** The longest task of each stretch of time, in ms. */
function longestOfEach(tasks, stretch) {
  const found = [];
  for (const { at, ms } of tasks) {
    const slice = Math.floor((at - tasks[0].at) / stretch);
    found[slice] = Math.max(found[slice] ?? 0, ms);
  }
  return Object.values(found);
}

const middle = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** Runs in the page: counts frames, flushes of the list within a frame, rows, and frames that a key waits. */
function watch() {
  const seen = { frame: 0, flushes: 0, mostPerFrame: 0, mostRows: 0, keys: [] };
  window.seen = seen;
  const list = document.getElementById('entries');
  const frames = [];
  let flushedIn = -1;
  let inThisFrame = 0;
  new MutationObserver(() => {
    seen.flushes += 1;
    inThisFrame = flushedIn === seen.frame ? inThisFrame + 1 : 1;
    flushedIn = seen.frame;
    seen.mostPerFrame = Math.max(seen.mostPerFrame, inThisFrame);
    seen.mostRows = Math.max(seen.mostRows, list.children.length);
  }).observe(list, { childList: true });
  const count = () => {
    seen.frame += 1;
    frames.push(performance.now());
    requestAnimationFrame(count);
  };
  requestAnimationFrame(count);
  // Frames that began between the key and its letter in the field were shown without it.
  const field = document.getElementById('field');
  let pressedAt = 0;
  field.addEventListener('keydown', (event) => { pressedAt = event.timeStamp; });
  field.addEventListener('input', () => {
    const now = performance.now();
    seen.keys.push(frames.filter((at) => at > pressedAt && at < now).length);
  });
}

/** Runs in the page: goes to the very top, and returns by how much the first visible row moved as older ones came. */
async function readUp() {
  const log = document.getElementById('log');
  const frame = () => new Promise(requestAnimationFrame);
  log.scrollTop = 0;
  const row = [...document.querySelectorAll('.message')].find((element) => element.getBoundingClientRect().bottom > log.getBoundingClientRect().top);
  const rows = document.querySelectorAll('.message');
  const top = row.getBoundingClientRect().top;
  let moved = 0;
  // Until something came above it, and a few frames more.
  for (let left = 300; left > 0; left -= 1) {
    await frame();
    moved = Math.max(moved, Math.abs(row.getBoundingClientRect().top - top));
    if (document.querySelector('.message') !== rows[0]) left = Math.min(left, 6);
  }
  return { moved, hasMore: document.querySelector('.message') !== rows[0] };
}

test('ten thousand messages at 200 a second cost one flush a frame, mostly short tasks, few rows, and most keys wait for no frame', async (t) => {
  const name = newRoom('flood');
  for (let i = 0; i < 300; i += 1) says(name, `${SAYINGS[i % SAYINGS.length]} before ${i}`);
  const ann = await Person.enter(browser, node.url, name);
  const { page } = ann;
  await page.evaluate(watch);
  await page.click('#field');
  const write = async () => {
    await page.keyboard.type(KEYS, { delay: 40 });
  };

  const moves = [];
  const doing = {
    following: write,
    reading: async () => {
      moves.push(await page.evaluate(readUp));
      await write();
    },
  };
  // Idle is a page on which somebody says something now and then, while one does the same. Each part of the flood has
  // its own, right before it: what else runs on the machine lengthens both.
  const ratios = { following: [], reading: [] };
  for (let part = 0; part < PARTS; part += 1) {
    const what = part < PARTS / 2 ? 'following' : 'reading';
    await page.keyboard.press('Escape');
    const idle = await tasksDuring(page, () => Promise.all([pour(name, IDLE_MS / 120, 1_000 / 120), doing[what]()]));
    await page.keyboard.press('Escape');
    const flood = await tasksDuring(page, () => Promise.all([pour(name, TOTAL / PARTS, PER_SECOND), doing[what]()]));
    ratios[what].push(middle(longestOfEach(flood, IDLE_MS)) / longestOfEach(idle, Infinity)[0]);
  }
  await page.keyboard.press('Escape');
  await eventually(async () => assert.match((await ann.screen()).at(-1), / 999$/u));

  const seen = await page.evaluate(() => window.seen);
  t.diagnostic(`${seen.flushes} flushes in ${seen.frame} frames, at most ${seen.mostRows} rows, moved by ${moves.map(({ moved }) => moved)} px`);
  assert.ok(seen.flushes > 200 && seen.mostPerFrame === 1, `${seen.mostPerFrame} flushes in one of ${seen.frame} frames`);
  assert.ok(seen.mostRows <= MOST_ROWS, `${seen.mostRows} rows`);
  for (const [what, each] of Object.entries(ratios)) {
    t.diagnostic(`longest task while ${what}, flood to idle: ${each.map((ratio) => ratio.toFixed(2)).join(', ')}`);
    assert.ok(middle(each) <= 3, `${each} times as long while ${what}`);
  }
  assert.equal(seen.keys.length, 2 * PARTS * KEYS.length, 'every key came');
  // A key is on its way through the browser for a while, and a frame may begin meanwhile; most find none.
  const late = seen.keys.filter((frames) => frames > 0);
  assert.ok(late.length <= seen.keys.length / 4 && late.every((frames) => frames <= 2), `frames that keys waited: ${seen.keys}`);
  assert.ok(moves.some(({ hasMore }) => hasMore), 'older ones came');
  for (const { moved } of moves) assert.ok(moved <= 1, `the row moved by ${moved} px`);
  await ann.leave();
});

test('a hundred messages in a second are read out in two sentences', async () => {
  const name = newRoom('flood');
  const ann = await Person.enter(browser, node.url, name);
  await ann.page.evaluate(() => {
    window.said = [];
    const announcer = document.getElementById('announcer');
    new MutationObserver(() => window.said.push(announcer.textContent)).observe(announcer, { childList: true, characterData: true, subtree: true });
  });
  await pour(name, 100, 100);
  const said = () => ann.page.evaluate(() => window.said.filter(Boolean));
  await eventually(async () => assert.match((await said()).at(-1) ?? '', /^\d+ new messages/u));
  const sentences = await said();
  assert.ok(sentences.length <= 2, `${sentences}`);
  assert.match(sentences[0], /^Bob: /u);
  const others = Number.parseInt(sentences[1], 10);
  assert.equal(others, 99);
  await ann.leave();
});

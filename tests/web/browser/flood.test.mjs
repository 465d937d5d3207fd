// What a flood costs the page: frames, tasks, rows, keys, and what is read out.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Fleet } from '../fake/fleet.mjs';
import { startNode } from '../fake/node.mjs';
import { Person, eventually, newRoom, startBrowser } from '../support/people.mjs';
import { markKeys, trace } from '../support/trace.mjs';

const TOTAL = 10_000;
const PER_SECOND = 200;
const IDLE_PER_SECOND = 8;
const MOST_ROWS = 400;
const PARTS = 10;
const PART_MS = TOTAL / PARTS / PER_SECOND * 1_000;
const KEYS = 'still quick';
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

/** Runs in the page: counts frames, rows, and how often the list is drawn in a frame and outside of all, from the next frame on. */
async function watch() {
  const seen = { frames: 0, flushes: 0, mostPerFrame: 0, outside: 0, mostRows: 0 };
  window.seen = seen;
  const ask = window.requestAnimationFrame;
  let frame = null;
  // All that is asked for one frame gets the same time. What is seen of a change comes before the next microtask.
  window.requestAnimationFrame = (draw) => ask((at) => {
    frame = at;
    try {
      draw(at);
    } finally {
      queueMicrotask(() => { frame = null; });
    }
  });
  // A frame that was asked for before cannot be told from none: the last of them ends before this one.
  await new Promise(ask);
  const list = document.getElementById('entries');
  let flushedIn;
  let inThisFrame;
  new MutationObserver(() => {
    seen.flushes += 1;
    if (frame === null) seen.outside += 1;
    inThisFrame = flushedIn === frame ? inThisFrame + 1 : 1;
    flushedIn = frame;
    seen.mostPerFrame = Math.max(seen.mostPerFrame, inThisFrame);
    seen.mostRows = Math.max(seen.mostRows, list.children.length);
  }).observe(list, { childList: true, subtree: true, characterData: true });
  const count = () => {
    seen.frames += 1;
    ask(count);
  };
  ask(count);
}

/** Runs in the page: goes to the very top, and returns by how much the first visible message moved as older ones came. */
async function readUp() {
  const log = document.getElementById('log');
  const frame = () => new Promise(requestAnimationFrame);
  log.scrollTop = 0;
  const row = [...document.querySelectorAll('.message')].find((element) => element.getBoundingClientRect().bottom > log.getBoundingClientRect().top);
  const rows = document.querySelectorAll('.message');
  const height = () => row.querySelector('.bubble').getBoundingClientRect().top;
  const top = height();
  let moved = 0;
  // Until something came above it, and a few frames more.
  for (let left = 300; left > 0; left -= 1) {
    await frame();
    moved = Math.max(moved, Math.abs(height() - top));
    if (document.querySelector('.message') !== rows[0]) left = Math.min(left, 6);
  }
  return { moved, hasMore: document.querySelector('.message') !== rows[0] };
}

const longest = (tasks) => tasks.reduce((most, task) => (task.ms > most.ms ? task : most));

test('ten thousand messages at 200 a second cost one flush a frame, short tasks and few rows, and no key waits for a frame', async (t) => {
  const name = newRoom('flood');
  for (let i = 0; i < 300; i += 1) says(name, `${SAYINGS[i % SAYINGS.length]} before ${i}`);
  const ann = await Person.enter(browser, node.url, name);
  const { page } = ann;
  const moves = [];
  const type = () => page.keyboard.type(KEYS, { delay: 40 });
  /** Waits until it stands at the newest, and not for a moment before the frame that a jump waits for. */
  const isAtEnd = async () => {
    await page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); }));
    await page.waitForFunction(() => {
      const log = document.getElementById('log');
      return log.scrollHeight - log.scrollTop - log.clientHeight < 2 && document.getElementById('newest').hidden;
    });
  };
  /** Goes to the newest in every way there is, and writes. */
  const write = async () => {
    await page.click('#field');
    await type();
    await page.keyboard.press('Enter');
    await isAtEnd();
    await page.keyboard.press('Escape');
    await page.focus('#log');
    await page.keyboard.press('PageUp');
    await page.keyboard.press('End');
    await isAtEnd();
    await page.focus('#field');
    await type();
    await page.keyboard.press('Escape');
    await page.keyboard.press('Enter');
    await isAtEnd();
  };
  const doing = {
    following: write,
    reading: async () => {
      moves.push(await page.evaluate(readUp));
      await page.click('#field');
      await type();
      await write();
      moves.push(await page.evaluate(readUp));
      await type();
    },
  };
  await page.evaluate(markKeys);
  await page.evaluate(watch);

  // Idle is a page on which somebody says something now and then, while one does the same, for as long. Each part of the
  // flood has its own, right before it: what else runs on the machine lengthens both.
  const tasks = { following: { idle: [], flood: [] }, reading: { idle: [], flood: [] } };
  const typed = [];
  for (let part = 0; part < 2 * PARTS; part += 1) {
    const what = part < PARTS ? 'following' : 'reading';
    const [how, rate] = part % 2 ? ['flood', PER_SECOND] : ['idle', IDLE_PER_SECOND];
    await page.keyboard.press('Escape');
    await isAtEnd();
    const seen = await trace(browser, page, () => Promise.all([pour(name, PART_MS / 1_000 * rate, rate), doing[what]()]));
    tasks[what][how].push(...seen.tasks);
    if (how === 'flood') typed.push(...seen.keys);
  }
  await page.keyboard.press('Escape');
  await eventually(async () => assert.equal((await ann.screen()).at(-1), fleet.room(name).log.at(-1).text));

  const seen = await page.evaluate(() => window.seen);
  t.diagnostic(`${seen.flushes} flushes in ${seen.frames} frames, at most ${seen.mostRows} rows, moved by ${moves.map(({ moved }) => moved)} px`);
  for (const [what, { idle, flood }] of Object.entries(tasks)) {
    const [usual, most] = [longest(idle), longest(flood)];
    t.diagnostic(`longest task while ${what}: ${most.ms.toFixed(1)} ms (${most.what}) in ${flood.length}, idle ${usual.ms.toFixed(1)} ms (${usual.what}) in ${idle.length}`);
  }
  const waited = Math.max(...typed.map(({ ms, room }) => ms / room));
  t.diagnostic(`${typed.length} keys, at most ${Math.round(waited * 100)} % of the time to the frame after the next one taken by the page`);
  assert.ok(seen.flushes > 200, `${seen.flushes} flushes`);
  assert.deepEqual([seen.mostPerFrame, seen.outside], [1, 0], 'flushes in a frame, and outside of frames');
  assert.ok(seen.mostRows <= MOST_ROWS, `${seen.mostRows} rows`);
  for (const [what, { idle, flood }] of Object.entries(tasks)) {
    assert.ok(longest(flood).ms <= 3 * longest(idle).ms, `a task of ${longest(flood).ms} ms while ${what}`);
  }
  assert.equal(typed.length, (2 * PARTS / 2 + 4 * PARTS / 2) * KEYS.length, 'every key came');
  assert.deepEqual(typed.filter(({ isLate }) => isLate), [], 'every key is shown with the next frame');
  assert.ok(moves.some(({ hasMore }) => hasMore), 'older ones came');
  for (const { moved } of moves) assert.ok(moved <= 1, `the row moved by ${moved} px`);
  await ann.leave();
});

test('a page that keeps a key waiting past a frame is found out', async () => {
  const ann = await Person.enter(browser, node.url, newRoom('flood'));
  const { page } = ann;
  await page.evaluate(markKeys);
  await page.evaluate(() => {
    // As much work as takes 200 ms alone: a loop until some time is no work while another program has the processor.
    const spin = (turns) => {
      let sum = 0;
      for (let turn = 0; turn < turns; turn += 1) sum = (sum * 31 + turn) | 0;
      window.sum = sum;
    };
    const speeds = Array.from({ length: 30 }, () => {
      const start = performance.now();
      spin(1_000_000);
      return 1_000_000 / (performance.now() - start);
    });
    document.addEventListener('keyup', () => setTimeout(() => spin(200 * Math.max(...speeds))));
  });
  const seen = await trace(browser, page, () => page.locator('#field').pressSequentially(KEYS, { delay: 40 }));
  assert.equal(seen.keys.length, KEYS.length);
  const late = seen.keys.filter(({ isLate }) => isLate).length;
  assert.ok(late >= KEYS.length / 2, `${late} of ${KEYS.length} keys late: ${JSON.stringify(seen.keys)}`);
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
  // The first alone with what it says, unless another one came before anything could be said.
  const count = (sentence) => (sentence.startsWith('Bob: ') ? 1 : Number.parseInt(sentence, 10));
  await eventually(async () => assert.equal((await said()).reduce((sum, sentence) => sum + count(sentence), 0), 100));
  const sentences = await said();
  assert.equal(sentences.length, 2, `${sentences}`);
  assert.match(sentences[1], /^\d+ new messages/u);
  await ann.leave();
});

// What of a conversation reaches the clipboard, and what a text may do to the page it stands on.

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

const BOB = { id: 'bob', name: 'Bob' };

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
});

const bobSays = (text, more) => room.publish(BOB, { key: `bob ${keys += 1}`, text, ...more });

async function enter(options) {
  const person = await Person.enter(browser, node.url, name, options);
  await person.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  return person;
}

/** Selects from a place in one text to a place in another, copies with the keys, and reads the clipboard. */
async function copied({ page }, from, start, to, end) {
  await page.evaluate(() => navigator.clipboard.writeText(''));
  await page.evaluate(([fromText, startAt, toText, endAt]) => {
    const bubble = (text) => [...document.querySelectorAll('.bubble')].find((one) => one.textContent === text).firstChild;
    getSelection().setBaseAndExtent(bubble(fromText), startAt, bubble(toText), endAt);
  }, [from, start, to, end]);
  await page.keyboard.press('Control+c');
  return page.evaluate(() => navigator.clipboard.readText());
}

const timesOf = ({ page }) => page.locator('.message time').allTextContents();

test('several messages are copied as name, time and text, without anything else', async () => {
  const ann = await enter();
  bobSays('one');
  bobSays('two\nlines', { user: BOB });
  await ann.shows(['one', 'two\nlines']);
  await ann.say('mine, see https://a.kr/b');
  await eventually(async () => assert.equal((await ann.screen()).at(-1), 'mine, see https://a.kr/b'));
  fleet.refusal = { n: 1, type: 'send', error: { code: 'forbidden' } };
  await ann.say('refused');
  await ann.page.waitForSelector('.failed');
  bobSays('last');
  await eventually(async () => assert.equal((await ann.screen()).length, 5));
  const [one, two, mine] = await timesOf(ann);
  const last = await ann.page.locator('.message:not(.own) time').last().textContent();
  assert.equal(await copied(ann, 'one', 0, 'last', 4), [
    `Bob ${one}`, 'one', `Bob ${two}`, 'two\nlines', `Ann ${mine}`, 'mine, see https://a.kr/b', `Bob ${last}`, 'last',
  ].join('\n'), 'in the order of the room; what was refused stands below');
  assert.equal(await copied(ann, 'one', 1, 'two\nlines', 3), `Bob ${one}\nne\nBob ${two}\ntwo`, 'the ends are where they were selected');
  await ann.page.keyboard.press('Control+a');
  assert.equal(await copied(ann, 'last', 0, 'refused', 7), `Bob ${last}\nlast\nAnn\nrefused`);
  await ann.leave();
});

test('a part of one message is copied as it is, and the field copies its own', async () => {
  const ann = await enter();
  bobSays('some words of Bob');
  await ann.shows(['some words of Bob']);
  assert.equal(await copied(ann, 'some words of Bob', 5, 'some words of Bob', 10), 'words');
  await ann.page.locator('.bubble').click({ clickCount: 3 });
  await ann.page.keyboard.press('Control+c');
  assert.equal((await ann.page.evaluate(() => navigator.clipboard.readText())).trim(), 'some words of Bob');
  await ann.page.fill('#field', 'a draft');
  await ann.page.press('#field', 'Control+a');
  await ann.page.press('#field', 'Control+c');
  assert.equal(await ann.page.evaluate(() => navigator.clipboard.readText()), 'a draft');
  await ann.leave();
});

test('what is selected stays selected while more is said', async () => {
  const ann = await enter();
  bobSays('one');
  await ann.shows(['one']);
  await copied(ann, 'one', 0, 'one', 3);
  bobSays('two');
  await ann.shows(['one', 'two']);
  assert.equal(await ann.page.evaluate(() => getSelection().toString()), 'one');
  await ann.leave();
});

test('days and gaps between copied messages are lines of their own', async () => {
  const ann = await enter({ locale: 'ko-KR' });
  const day = 86_400_000;
  const at = Date.now();
  bobSays('어제', { at: at - day });
  bobSays('오늘', { at });
  await ann.shows(['어제', '오늘']);
  const [first, second] = await timesOf(ann);
  const date = await ann.page.locator('.day time').last().getAttribute('datetime');
  assert.equal(await copied(ann, '어제', 0, '오늘', 2), `Bob ${first}\n어제\n${date}\nBob ${second}\n오늘`);
  await ann.leave();
});

const HARMFUL = {
  emoji: '👩‍👩‍👧'.repeat(800),
  'one word': 'W'.repeat(4_000),
  lines: Array.from({ length: 2_000 }, () => 'a').join('\n'),
  accents: `a${'\u0301'.repeat(3_999)}`,
  directions: '\u202e\u2066a'.repeat(1_333),
  brackets: `https://a.kr/${')'.repeat(3_980)}`,
  links: 'http://a.kr '.repeat(333),
};

test('no text breaks the layout or takes the page down, and what is long is folded', async () => {
  for (const phone of [false, true]) {
    name = newRoom();
    room = fleet.room(name);
    const ann = await enter({ phone });
    const { page } = ann;
    bobSays('before');
    await ann.shows(['before']);
    for (const [what, text] of Object.entries(HARMFUL)) {
      const start = await page.evaluate(() => performance.now());
      bobSays(text);
      await page.waitForFunction((size) => [...document.querySelectorAll('.bubble')].at(-1).textContent.length === size, text.length);
      const took = await page.evaluate((from) => new Promise((done) => {
        requestAnimationFrame(() => setTimeout(() => done(performance.now() - from)));
      }), start);
      if (process.env.SHOW_TIMES) console.log(what, phone, Math.round(took));
      const box = await page.evaluate(() => {
        const log = document.getElementById('log');
        const bubble = [...document.querySelectorAll('.bubble')].at(-1);
        return {
          isWide: document.documentElement.scrollWidth > innerWidth || log.scrollWidth > log.clientWidth,
          height: bubble.offsetHeight, isAtEnd: log.scrollHeight - log.scrollTop - log.clientHeight < 2, page: innerHeight,
        };
      });
      assert.equal(box.isWide, false, `${what} sticks out`);
      assert.ok(box.height < box.page, `${what} fills more than the page`);
      assert.equal(box.isAtEnd, true, what);
    }
    const row = page.locator('.message').last();
    const place = () => row.evaluate((element) => element.getBoundingClientRect().top);
    const top = await place();
    await row.getByRole('button', { name: 'Show all' }).click();
    await page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); }));
    assert.equal(await row.locator('.folded').count(), 0);
    assert.ok(Math.abs(await place() - top) < 2, 'the beginning stays where it is');
    bobSays('after');
    await eventually(async () => assert.equal((await ann.screen()).at(-1), 'after'));
    assert.equal(await page.locator('.message').nth(-2).locator('.folded').count(), 0, 'what was shown stays so');
    await ann.leave();
  }
});

test('a text is of the language of its first letter, whatever the page speaks', async () => {
  const ann = await enter();
  bobSays('한국어로 쓴 글');
  bobSays('English text');
  await ann.shows(['한국어로 쓴 글', 'English text']);
  assert.deepEqual(await ann.page.$$eval('.bubble', (all) => all.map((one) => [one.lang, getComputedStyle(one).wordBreak])), [['ko', 'keep-all'], ['', 'normal']]);
  await ann.leave();
});

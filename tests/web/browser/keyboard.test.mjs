// Everything that the page can do is done with the keyboard alone, the focus can be seen and is never lost.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Fleet } from '../fake/fleet.mjs';
import { startNode } from '../fake/node.mjs';
import { Person, eventually, newRoom, startBrowser } from '../support/people.mjs';

const BOB = { id: 'bob', name: 'Bob' };
/** More stops than the page has: a way that is longer leads nowhere. */
const MOST_STOPS = 80;

let browser;
let fleet;
let node;
let keys = 0;
const says = (room, text) => fleet.room(room).publish(BOB, { key: `bob ${keys += 1}`, text });

before(async () => {
  browser = await startBrowser();
  fleet = new Fleet();
  node = await startNode({ fleet });
});

after(async () => {
  await browser?.close();
  await node?.stop();
});

/** Runs in the page: what has the focus, and whether that can be seen. */
function focused() {
  const element = document.activeElement;
  const shown = [element, element.closest('.composer')].filter(Boolean).map((part) => getComputedStyle(part));
  const seen = shown.some(({ outlineStyle, outlineWidth, outlineColor, boxShadow }) => (
    (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1 && !/rgba\(.*, 0\)|transparent/u.test(outlineColor)) || /[1-9]\d*px/u.test(boxShadow)
  ));
  const { width, height, top, bottom } = element.getBoundingClientRect();
  return {
    name: element === document.body ? 'body' : `${element.localName}#${element.id}.${element.className} ${element.textContent.slice(0, 20)}`,
    isLost: element === document.body,
    isSeen: seen && width > 0 && height > 0 && bottom > 0 && top < innerHeight,
  };
}

/** Somebody without a mouse. */
class Keyboard {
  constructor(page) {
    this.page = page;
  }

  async press(...names) {
    for (const name of names) await this.page.keyboard.press(name);
  }

  type(text) {
    return this.page.keyboard.type(text);
  }

  /** Tabs until what has the focus matches, each stop to be seen. The end of the page leads to its begin. */
  async to(selector, key = 'Tab') {
    for (let stops = 0; stops < MOST_STOPS; stops += 1) {
      if (await this.page.evaluate((wanted) => document.activeElement.matches(wanted), selector)) return;
      await this.press(key);
      const { name, isLost, isSeen } = await this.page.evaluate(focused);
      assert.ok(isLost || isSeen, `the focus on ${name} can be seen`);
    }
    assert.fail(`${selector} is not reached`);
  }

  back(selector) {
    return this.to(selector, 'Shift+Tab');
  }

  /** Waits until the focus has come to rest, and says where that is. */
  async rests(selector, what) {
    await eventually(async () => {
      const { name } = await this.page.evaluate(focused);
      const isThere = await this.page.evaluate((wanted) => document.activeElement.matches(wanted), selector);
      assert.ok(isThere, `${what}: the focus is on ${name} instead of ${selector}`);
    }, 5_000);
  }

  /** Tabs around and holds that the focus stays within an element. */
  async isTrappedIn(selector) {
    const stops = new Set();
    for (const key of [...Array(20).fill('Tab'), ...Array(20).fill('Shift+Tab')]) {
      await this.press(key);
      // Between the last stop and the first lies the browser itself.
      const stop = await this.page.evaluate((box) => (document.activeElement === document.body
        ? 'browser' : document.activeElement.closest(box) ? 'inside' : document.activeElement.id || document.activeElement.className), selector);
      stops.add(stop);
    }
    stops.delete('browser');
    assert.deepEqual([...stops], ['inside'], selector);
  }
}

for (const theme of ['light', 'dark']) {
  test(`everything is done with the keyboard alone, and the focus is seen and kept: ${theme}`, async () => {
    const context = await browser.newContext({ colorScheme: theme, viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', locale: 'en-US' });
    const page = await context.newPage();
    const ann = new Person(context, page, true);
    const board = new Keyboard(page);
    const [lobby, other] = [newRoom('a'), newRoom('b')];
    for (let i = 0; i < 200; i += 1) says(lobby, `earlier ${i}`);

    // The first visit: language and name.
    await page.goto(`${node.url}/#/${encodeURIComponent(lobby)}`);
    await board.rests('#name-field', 'at the first visit');
    await board.to('#name-languages [lang="ko"]');
    await board.press('Enter');
    await page.waitForSelector('html[lang="ko"]');
    await board.rests('#name-languages [lang="ko"]', 'after the language was changed');
    await board.back('#name-languages [lang="en"]');
    await board.press('Space');
    await page.waitForSelector('html[lang="en"]');
    await board.isTrappedIn('#name-dialog');
    await board.back('#name-field');
    await board.type('Ann');
    await board.press('Enter');
    await ann.isOnline();
    await board.rests('#field', 'after the name was given');

    // Writing, with Enter and with the button.
    await board.type('hello');
    await board.press('Enter');
    await eventually(async () => assert.equal((await ann.screen()).at(-1), 'hello'));
    await board.type('by the button');
    await board.to('#send');
    await board.press('Enter');
    await eventually(async () => assert.equal((await ann.screen()).at(-1), 'by the button'));
    await board.rests('#field', 'after sending with the button');

    // Reading: the log is reached and scrolled, older ones come, and two ways lead to the newest.
    await board.back('#log');
    const rows = (await ann.screen()).length;
    await board.press('Home');
    await eventually(async () => {
      await board.press('Home');
      assert.ok((await ann.screen()).length > rows, 'older ones came');
    });
    await page.waitForSelector('#newest');
    /** Keys scroll smoothly, and a way begun is gone to its end. */
    const rested = () => page.evaluate(async () => {
      const log = document.getElementById('log');
      for (let still = 0, last = -1; still < 10; still = log.scrollTop === last ? still + 1 : 0) {
        last = log.scrollTop;
        await new Promise(requestAnimationFrame);
      }
    });
    const atEnd = () => page.waitForFunction(() => {
      const log = document.getElementById('log');
      return log.scrollHeight - log.scrollTop - log.clientHeight < 2 && document.getElementById('newest').hidden;
    });
    await board.press('End');
    await atEnd();
    await board.rests('#log', 'after End');
    // The way up is not over yet, and is not gone on with.
    for (const key of ['Escape', 'End']) {
      await board.press('Home');
      await page.waitForSelector('#newest');
      await board.press(key);
      await atEnd();
      await rested();
      await atEnd();
    }
    await board.press('PageUp', 'PageUp');
    await page.waitForSelector('#newest');
    await rested();
    await board.to('#newest');
    await board.press('Enter');
    await atEnd();
    await board.rests('#field', 'after the way to the newest');
    await board.back('#log');
    await board.press('Home');
    await page.waitForSelector('#newest');
    await rested();
    await board.to('#newest');
    await board.press('Escape');
    await atEnd();
    assert.equal((await page.evaluate(focused)).isLost, false, 'the button went with the focus on it');

    // Rooms: one is joined, and turned to and fro.
    await board.back('#room-add');
    await board.press('Enter');
    await board.rests('#room-field', 'when asked for a room');
    await board.press('Escape');
    await board.rests('#room-add', 'after the question was put off');
    await board.press('Enter');
    await board.type('a/b');
    await board.press('Enter');
    await page.waitForSelector('#room-fault:not(:empty)');
    await board.press('Control+a');
    await board.type(other);
    await board.press('Enter');
    const isIn = (name) => page.waitForFunction((wanted) => document.getElementById('room-name').textContent === wanted, name);
    await isIn(other);
    await board.rests('#field', 'in the new room');
    await board.press('Alt+ArrowUp');
    await isIn(lobby);
    await board.press('Alt+ArrowDown');
    await isIn(other);
    await board.back(`#rooms li[data-room="${lobby}"] a`);
    await board.press('Enter');
    await isIn(lobby);
    await board.rests('#field', 'after a room was picked');

    // A failed message is sent again, edited, dropped; what was skipped is loaded.
    fleet.refusal = { n: 3, type: 'send', error: { code: 'forbidden' } };
    for (const text of ['again', 'edit me', 'drop me']) {
      await board.type(text);
      await board.press('Enter');
    }
    await eventually(async () => assert.equal(await page.locator('.message.failed').count(), 3));
    await board.back('.message.failed:nth-last-child(3) .note button:first-of-type');
    await board.press('Enter');
    await eventually(async () => assert.equal(await page.locator('.message.failed').count(), 2));
    await board.rests('#log', 'after a message was sent again');
    await board.to('.message.failed:last-child .note button:last-of-type');
    await board.press('Enter');
    await eventually(async () => assert.equal(await page.locator('.message.failed').count(), 1));
    await board.rests('#log', 'after a message was dropped');
    await board.to('.message.failed .note button:nth-of-type(2)');
    await board.press('Enter');
    await board.rests('#field', 'when a message is edited');
    assert.equal(await page.inputValue('#field'), 'edit me');
    const room = fleet.room(lobby);
    says(lobby, 'skipped');
    room.tell({ type: 'gap', room: lobby, epoch: room.epoch, from: room.seq + 1, to: room.seq + 3, reason: 'skipped' });
    room.seq += 3;
    says(lobby, 'after it');
    await page.waitForSelector('.gap button');
    await board.back('.gap button');
    await board.press('Enter');
    await page.waitForFunction(() => !document.querySelector('.gap button'));
    await board.rests('#log', 'after what was skipped was asked for');

    // An outage is cut short.
    node.isRefusing = true;
    node.cut();
    await page.waitForFunction(() => /\d/u.test(document.querySelector('.banner-text')?.textContent), null, { timeout: 20_000 });
    await board.back('#banner button');
    node.isRefusing = false;
    await board.press('Enter');
    await ann.isOnline();
    await page.waitForSelector('#banner:empty', { state: 'attached' });
    await board.rests('#field', 'after the banner went');

    // Another name.
    await board.back('#me');
    await board.press('Enter');
    await board.rests('#name-field', 'when asked for a name');
    await board.press('Escape');
    await board.rests('#me', 'after the name was left as it was');
    await board.press('Enter', 'Control+a');
    await board.type('Anna');
    await board.press('Enter');
    await page.waitForFunction(() => document.getElementById('me-name').textContent === 'Anna');
    await board.rests('#me', 'after the name was changed');
    await board.to('#languages [lang="ko"]');
    await board.press('Enter');
    await page.waitForSelector('html[lang="ko"]');
    await board.rests('#languages [lang="ko"]', 'after the language was changed');

    // Members beside the conversation, then as a drawer over it, and the rooms too.
    await board.to('#people-toggle');
    await board.press('Enter');
    await page.waitForSelector('#people', { state: 'hidden' });
    await board.rests('#people-toggle', 'after the members were hidden');
    await board.press('Enter');
    await page.waitForSelector('#people', { state: 'visible' });
    for (const [width, toggle, drawer] of [[1_000, '#people-toggle', '#people'], [700, '#people-toggle', '#people'], [700, '#menu', '#side']]) {
      await page.setViewportSize({ width, height: 700 });
      // What the page makes of another width it makes with the next frame, and closes a drawer with it.
      await page.evaluate(() => new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); }));
      await board.to(toggle);
      await board.press('Enter');
      await page.waitForFunction((box) => document.querySelector(box).contains(document.activeElement), drawer);
      await board.isTrappedIn(drawer);
      await board.press('Escape');
      await page.waitForSelector(drawer, { state: 'hidden' });
      await board.rests(toggle, `after ${drawer} was closed`);
    }
    await page.setViewportSize({ width: 1_280, height: 800 });

    // Rooms are left, those aside and the one in view, until there is none.
    for (let left = await page.locator('#rooms li').count() - 1; left >= 0; left -= 1) {
      await board.back('#rooms .leave');
      await board.press('Enter');
      await eventually(async () => assert.equal(await page.locator('#rooms li').count(), left));
      await eventually(async () => assert.equal((await page.evaluate(focused)).isLost, false, 'a room was left'));
    }
    await page.waitForSelector('#blank:not([hidden])');
    await board.to('#blank button');
    await board.press('Enter');
    await board.rests('#room-field', 'when asked for a room');
    await context.close();
    assert.deepEqual(ann.faults, []);
  });
}

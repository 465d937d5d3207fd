// Every state that the page can be in, one after the other, so that each can be looked at and checked.
//
// A walk has a fleet of its own. Each state leads from the one before it to itself and waits until it is there.

import { Fleet } from '../fake/fleet.mjs';
import { startNode } from '../fake/node.mjs';
import { eventually } from './people.mjs';

/** What the page is looked at through; `zoomed` is the desk at 200 %. */
const VIEWS = {
  desk: { viewport: { width: 1280, height: 800 } },
  zoomed: { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 },
  phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
  narrow: { viewport: { width: 320, height: 568 }, isMobile: true, hasTouch: true },
};

const LIMITS = { text: 4_000, name: 64, rooms: 50, dedupe_ms: 1 };
const MINUTE = 60_000;
const BOB = { id: 'bob-1', name: 'Bob' };
const SEOYEON = { id: 'seoyeon-2', name: '이서연' };
const BOT = { id: 'bot-3', name: 'deploy', bot: true };
const TALK = [
  [-26 * 60, BOB, 'Morning! The new nodes are up: https://example.com/nodes?from=a&to=b'],
  [-26 * 60, BOB, 'and nobody noticed'],
  [-25 * 60, SEOYEON, '문서는 https://example.kr/문서에서 볼 수 있어요. 점심 먹고 다시 볼게요'],
  [-25 * 60, null, '네, 고마워요'],
  [-44, BOT, 'rollout finished: 3 of 3 nodes'],
  [-43, BOB, '🎉'],
  [-12, SEOYEON, 'one line\n\tand one with a tab\n\n<b>and</b> a_very_long_name_without_any_place_to_break_it_in_two_so_that_it_has_to_break_somewhere'],
  [-11, null, 'What I write stands on the other side.'],
  [-11, null, '그리고 이어집니다. 긴 문장도 낱말 사이에서 줄이 바뀌고, 말풍선은 화면 너비를 넘지 않습니다.'],
  [-2, BOB, 'See you later'],
];

/** A page on its way through all states. */
export class Walk {
  /** @param {{theme: 'light'|'dark', language: 'en'|'ko', view: keyof VIEWS}} look */
  static async start(browser, { theme, language, view }) {
    const fleet = new Fleet();
    fleet.limits = LIMITS;
    const node = await startNode({ fleet, name: 'node-1' });
    const context = await browser.newContext({
      locale: language === 'ko' ? 'ko-KR' : 'en-US', colorScheme: theme, reducedMotion: 'reduce',
      ...VIEWS[view],
    });
    return new Walk({ fleet, node, context, hasDrawers: view !== 'desk', page: await context.newPage() });
  }

  constructor(parts) {
    Object.assign(this, parts);
    this.keys = 0;
  }

  /** Goes to each state in turn and has it looked at: `look(name, page)`. */
  async run(look) {
    for (const [name, enter] of Object.entries(STATES)) {
      const page = await enter.call(this, this.page);
      if (page === null) continue;
      await look(name, page ?? this.page);
      if (page) await page.close();
    }
  }

  async stop() {
    await this.context.close();
    await this.node.stop();
  }

  /** Goes to a room by its address, without a reload. */
  go(room) {
    return this.page.evaluate((hash) => { location.hash = hash; }, `#/${encodeURIComponent(room)}`);
  }

  get self() {
    return [...this.fleet.people.values()][0].user;
  }

  says(room, user, text, more) {
    this.keys += 1;
    this.fleet.room(room).publish(user ?? this.self, { key: `walk ${this.keys}`, text, ...more });
  }

  async write(text) {
    await this.page.fill('#field', text);
    await this.page.click('#send');
  }

  /** Fills a room with a conversation over two days, long enough to be scrolled. */
  fill(room) {
    for (const [minutes, user, text] of [...TALK.slice(0, 4), ...TALK]) this.says(room, user, text, { at: Date.now() + minutes * MINUTE });
  }

  shown(text) {
    return eventually(async () => {
      const bubbles = await this.page.locator('.bubble').allTextContents();
      if (!bubbles.includes(text)) throw new Error(`${text} is not shown`);
    });
  }

  /** Ends an outage now instead of after the countdown. */
  async comeBack() {
    await this.page.evaluate(() => dispatchEvent(new Event('online')));
    await this.online();
  }

  online() {
    return this.page.waitForSelector('#dot[data-state="online"]', { state: 'attached' });
  }
}

const STATES = {
  async 'first visit'(page) {
    await page.goto(`${this.node.url}/#/lobby`);
    await page.waitForSelector('#name-dialog[open]');
  },

  async 'name refused'(page) {
    await page.fill('#name-field', ' ');
    await page.click('#name-save');
    await page.waitForSelector('#name-fault:not(:empty)');
  },

  async 'server not there'(page) {
    this.node.isRefusing = true;
    await page.fill('#name-field', 'Ann');
    await page.click('#name-save');
    await page.waitForSelector('#banner:not(:empty)');
  },

  async 'empty room'(page) {
    this.node.isRefusing = false;
    await this.comeBack();
    await page.waitForSelector('.is-empty .empty');
  },

  async 'room dialog'(page) {
    if (this.hasDrawers) await page.click('#menu');
    await page.click('#room-add');
    await page.waitForSelector('#room-dialog[open]');
  },

  async 'room name refused'(page) {
    await page.fill('#room-field', 'a/b');
    await page.press('#room-field', 'Enter');
    await page.waitForSelector('#room-fault:not(:empty)');
  },

  async loading(page) {
    await page.press('#room-field', 'Escape');
    if (this.hasDrawers) await page.click('#side-close');
    this.fill('design');
    this.fleet.withheld.add('history');
    await this.go('design');
    await page.waitForSelector('.skeleton');
  },

  async conversation() {
    this.fleet.release();
    await this.shown('See you later');
  },

  async typing(page) {
    this.node.tell({ type: 'typing', room: 'design', user: BOB });
    await page.waitForSelector('#typing:not(:empty)');
  },

  async 'new messages below'(page) {
    await page.evaluate(() => { document.getElementById('log').scrollTop = 0; });
    await page.waitForSelector('#newest');
    for (const text of ['one more', 'and another', '그리고 하나 더']) this.says('design', SEOYEON, text);
    await page.waitForSelector('#newest.has-unread');
  },

  async 'line of the new'(page) {
    await page.evaluate(() => document.querySelector('.row.new').scrollIntoView({ block: 'center' }));
  },

  async 'unread in another room'(page) {
    await this.go('lobby');
    await page.waitForSelector('.is-empty .empty');
    for (let i = 0; i < 3; i += 1) this.says('design', BOB, 'psst');
    await page.waitForSelector('.badge', { state: 'attached' });
  },

  async 'rooms in the drawer'(page) {
    if (!this.hasDrawers) return null;
    await page.click('#menu');
    await page.waitForSelector('.shows-side #rooms a');
  },

  async gaps(page) {
    if (this.hasDrawers) await page.click('#side-close');
    await this.go('design');
    await this.shown('psst');
    const room = this.fleet.room('design');
    for (const reason of ['skipped', 'trimmed']) {
      room.tell({ type: 'gap', room: 'design', epoch: room.epoch, from: room.seq + 1, to: room.seq + 7, reason });
      room.seq += 7;
      this.says('design', BOB, `after what was ${reason}`);
    }
    await page.evaluate(() => document.getElementById('newest').click());
    await this.shown('after what was trimmed');
  },

  async withdrawn(page) {
    const room = this.fleet.room('design');
    this.says('design', SEOYEON, '곧 사라질 말');
    this.says('design', BOB, 'and this one too');
    await this.shown('and this one too');
    room.rewind(room.seq - 2);
    await page.waitForSelector('.withdrawn');
  },

  async 'withdrawn, opened'(page) {
    await page.click('.withdrawn summary');
    await page.waitForSelector('.withdrawn details[open]');
  },

  async 'kind of a later version'(page) {
    this.says('design', BOB, undefined, { kind: 'sticker' });
    await page.waitForSelector('.bubble.strange');
  },

  async 'sends that wait, failed or ask'(page) {
    const { fleet } = this;
    fleet.withheld.add('send');
    await this.write('this may have arrived');
    await page.waitForSelector('.message.waiting');
    await eventually(async () => { if (fleet.waiting.length === 0) throw new Error('not sent yet'); });
    fleet.waiting = [];
    fleet.withheld.clear();
    // Nobody is let in before the page was seen outside: it may be back sooner than anybody looks.
    this.node.isRefusing = true;
    this.node.cut();
    await page.waitForSelector('#dot:not([data-state="online"])', { state: 'attached' });
    this.node.isRefusing = false;
    await this.comeBack();
    await page.waitForSelector('.message.ask');
    fleet.refusal = { n: 1, type: 'send', error: { code: 'forbidden' } };
    await this.write('this one was refused');
    await page.waitForSelector('.message.failed');
    fleet.refusal = { n: 9, type: 'send', error: { code: 'rate_limited', retry_after_ms: 60_000 } };
    await this.write('this one waits');
    await page.waitForSelector('.message.waiting .note');
  },

  async 'text over the limit'(page) {
    await page.fill('#field', '가'.repeat(LIMITS.text + 12));
    await page.waitForSelector('.composer.is-over');
  },

  async members(page) {
    await page.fill('#field', '');
    const room = this.fleet.room('design');
    const users = [BOB, SEOYEON, { id: 'other-bob-9', name: 'Bob' }, BOT, { id: 'inés-4', name: 'Inés' }];
    room.tell({ type: 'presence', room: 'design', joined: users, left: [], renamed: [], count: 6 });
    if (this.hasDrawers) await page.click('#people-toggle');
    await page.waitForSelector('#members li:nth-child(6)');
  },

  async 'members found'(page) {
    const search = page.locator('#people input');
    if (await search.count() === 0) return null;
    await search.fill('bo');
    await page.waitForFunction(() => document.querySelectorAll('#members li').length === 2);
    return undefined;
  },

  async 'nobody found'(page) {
    const search = page.locator('#people input');
    if (await search.count() === 0) return null;
    await search.fill('zzz');
    await page.waitForFunction(() => document.querySelectorAll('#members li').length === 0);
    return undefined;
  },

  async rename(page) {
    const search = page.locator('#people input');
    if (await search.count()) await search.fill('');
    if (this.hasDrawers) {
      await page.click('#people-close');
      await page.click('#menu');
    }
    await page.click('#me');
    await page.waitForSelector('#name-dialog[open]');
  },

  async degraded(page) {
    await page.click('#name-cancel');
    if (this.hasDrawers) await page.click('#side-close');
    this.node.tell({ type: 'degraded', reason: 'broker' });
    await page.waitForSelector('.banner.calm');
  },

  async offline(page) {
    this.node.isRefusing = true;
    this.node.cut();
    await page.waitForFunction(() => /\d/u.test(document.querySelector('.banner-text')?.textContent), null, { timeout: 20_000 });
  },

  async 'closed for something sent'(page) {
    this.node.isRefusing = false;
    await this.comeBack();
    this.node.close(1009);
    await page.waitForSelector('.banner.alert');
  },

  async revoked(page) {
    await page.click('#banner button');
    await this.online();
    this.node.close(4005);
    await page.waitForSelector('.banner.alert');
  },

  async 'room refused'(page) {
    await page.click('#banner button');
    await this.online();
    this.fleet.refusal = { n: 1, type: 'join', error: { code: 'forbidden' } };
    await this.go('secret');
    await page.waitForSelector('#blank:not([hidden])');
  },

  async 'room left'(page) {
    await page.click('.blank .main-button');
    await page.waitForSelector('.is-empty .empty');
    this.node.tell({ type: 'left', room: 'secret', reason: 'forbidden' });
    await page.waitForSelector('#blank:not([hidden])');
  },

  async 'no such address'(page) {
    await page.evaluate(() => { location.hash = '#/a%2Fb'; });
    await page.waitForFunction(() => document.querySelectorAll('#blank button').length === 1);
  },

  async 'no room'(page) {
    await page.evaluate(() => {
      for (const button of document.querySelectorAll('#rooms .leave')) button.click();
      location.hash = '#/';
    });
    await page.waitForFunction(() => !document.querySelector('#rooms a'));
    await page.waitForFunction(() => document.querySelectorAll('#blank button').length === 1);
  },

  async 'storage refused'() {
    const page = await this.context.newPage();
    await page.addInitScript(() => {
      for (const name of ['localStorage', 'sessionStorage']) {
        Object.defineProperty(window, name, { get() { throw new DOMException('refused', 'SecurityError'); } });
      }
    });
    await page.goto(`${this.node.url}/#/lobby`);
    await page.fill('#name-field', 'Nobody');
    await page.click('#name-save');
    await page.waitForSelector('.is-empty .empty');
    if (this.hasDrawers) await page.click('#menu');
    await page.waitForSelector('#not-kept:not([hidden])');
    return page;
  },
};

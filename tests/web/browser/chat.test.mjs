// People on two nodes, in a real browser.
//
// MADANG_URLS names two nodes of one fleet, as in `MADANG_URLS=http://127.0.0.1:8081,http://127.0.0.1:8083`; without
// it the fake fleet serves.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Person, eventually, newRoom, startBrowser, startNodes } from '../support/people.mjs';
import { startProxy } from '../support/proxy.mjs';

let browser;
let nodes;
let proxy;

before(async () => {
  [browser, nodes] = await Promise.all([startBrowser(), startNodes()]);
  proxy = await startProxy(nodes.urls[0]);
});

after(async () => {
  await browser?.close();
  await proxy?.stop();
  await nodes?.stop();
});

/** Two people in one room, on two nodes. */
async function annAndBob(room = newRoom(), options = {}) {
  const ann = await Person.enter(browser, nodes.urls[0], room, { name: 'Ann', ...options });
  const bob = await Person.enter(browser, nodes.urls[1], room, { name: 'Bob', ...options });
  return [ann, bob, room];
}

test('two people on two nodes chat, in one order', async () => {
  const [ann, bob] = await annAndBob();
  await ann.page.waitForSelector('.is-empty');
  await ann.say('hello Bob');
  await bob.shows(['hello Bob']);
  await bob.say('hello Ann');
  await ann.shows(['hello Bob', 'hello Ann']);
  for (let i = 0; i < 5; i += 1) await Promise.all([ann.say(`ann ${i}`), bob.say(`bob ${i}`)]);
  await eventually(async () => assert.equal((await ann.screen()).filter((text) => !text.includes('(')).length, 12));
  await bob.shows(await ann.screen());
  const screen = await ann.screen();
  for (const who of ['ann', 'bob']) {
    assert.deepEqual(screen.filter((text) => text.startsWith(`${who} `)), Array.from({ length: 5 }, (_, i) => `${who} ${i}`));
  }
  assert.equal(await ann.page.locator('.message.own').count(), 6);
  assert.deepEqual(await ann.page.locator('.who:not(.unseen) bdi').allTextContents().then((names) => [...new Set(names)]), ['Bob']);
  assert.notEqual(await ann.page.textContent('#node'), await bob.page.textContent('#node'));
  await ann.leave();
  await bob.leave();
});

test('an own message is there at once, pending, then once and settled', async () => {
  const room = newRoom();
  const ann = await Person.enter(browser, proxy.url, room);
  proxy.isHeld = true;
  await ann.say('on its way');
  // At once is with the next frame.
  await ann.page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); }));
  assert.deepEqual(await ann.screen(), ['on its way (waiting)']);
  assert.equal(await ann.page.inputValue('#field'), '');
  const row = await ann.page.$('.message');
  proxy.isHeld = false;
  proxy.cut();
  await ann.shows(['on its way']);
  assert.equal(await row.evaluate((element) => element.isConnected), true, 'the row is the same');
  await ann.context.close();
});

test('a cut and its end lose nothing, double nothing and move nothing', async () => {
  const room = newRoom();
  const ann = await Person.enter(browser, proxy.url, room, { name: 'Ann', isCut: true });
  const bob = await Person.enter(browser, nodes.urls[1], room, { name: 'Bob' });
  await ann.say('before');
  await bob.shows(['before']);
  await ann.shows(['before']);
  await ann.page.evaluate(() => {
    window.seen = { removed: 0, banners: 0 };
    new MutationObserver((changes) => {
      for (const { removedNodes } of changes) window.seen.removed += removedNodes.length;
    }).observe(document.getElementById('entries'), { childList: true });
    new MutationObserver(() => { window.seen.banners += 1; }).observe(document.getElementById('banner'), { childList: true });
  });

  proxy.cut();
  await bob.say('meanwhile 1');
  await ann.isOnline();
  await ann.shows(['before', 'meanwhile 1']);
  assert.deepEqual(await ann.page.evaluate(() => window.seen), { removed: 0, banners: 0 }, 'a short cut shows nothing');

  proxy.isClosed = true;
  proxy.cut();
  await ann.page.waitForSelector('#dot:not([data-state="online"])');
  await ann.say('offline 1');
  await ann.say('offline 2');
  await bob.say('meanwhile 2');
  await bob.say('meanwhile 3');
  await bob.shows(['before', 'meanwhile 1', 'meanwhile 2', 'meanwhile 3']);
  await ann.page.waitForSelector('.banner.calm');
  assert.deepEqual(await ann.screen(), ['before', 'meanwhile 1', 'offline 1 (waiting)', 'offline 2 (waiting)']);
  proxy.isClosed = false;
  // The countdown ends by itself; where it offers to try now, a person may.
  await ann.page.click('.banner button', { timeout: 2_000 }).catch(() => {});
  await ann.isOnline();
  await ann.shows(['before', 'meanwhile 1', 'meanwhile 2', 'meanwhile 3', 'offline 1', 'offline 2']);
  await bob.shows(await ann.screen());
  await ann.page.waitForSelector('.banner.calm', { state: 'detached' });
  assert.equal(await ann.page.evaluate(() => window.seen.removed), 0, 'no row was taken away');
  await bob.page.waitForFunction(() => document.getElementById('people-count').textContent === '2');
  await ann.leave();
  await bob.leave();
});

test('a line that is dead without a word is noticed and replaced', async () => {
  const ann = await Person.enter(browser, proxy.url, newRoom(), { isCut: true });
  await ann.say('first');
  await ann.shows(['first']);
  proxy.isHeld = true;
  await ann.say('into the void');
  await ann.page.waitForSelector('#dot:not([data-state="online"])', { timeout: 15_000 });
  proxy.isHeld = false;
  proxy.cut();
  await ann.shows(['first', 'into the void']);
  await ann.leave();
});

test('older messages come as one scrolls up, and nothing moves', async () => {
  const room = newRoom();
  const ann = await Person.enter(browser, nodes.urls[0], room);
  const total = 300;
  await ann.page.evaluate(fill, { room, total, sessions: 20 });
  await eventually(async () => assert.ok((await ann.screen()).length >= 50));
  const late = await Person.enter(browser, nodes.urls[1], room, { name: 'Late' });
  await eventually(async () => assert.ok((await late.screen()).length >= 50));
  assert.ok((await late.screen()).length < total, 'not everything at once');
  const { page } = late;
  assert.ok(await page.evaluate(() => {
    const log = document.getElementById('log');
    return log.scrollHeight - log.scrollTop - log.clientHeight < 2;
  }), 'opens at the newest');

  let count = 0;
  while (!(await page.$('.top-note')) || (await page.textContent('.top-note')) === 'Loading…') {
    const moved = await page.evaluate(async () => {
      const log = document.getElementById('log');
      const rows = () => document.querySelectorAll('.message').length;
      log.scrollTop = Math.max(0, log.scrollTop - 350);
      const before = rows();
      const box = log.getBoundingClientRect();
      const row = [...document.querySelectorAll('.message')].find((element) => element.getBoundingClientRect().bottom > box.top + 40);
      const top = row.getBoundingClientRect().top;
      for (let frame = 0; frame < 12; frame += 1) await new Promise(requestAnimationFrame);
      return { by: Math.abs(row.getBoundingClientRect().top - top), more: rows() - before };
    });
    assert.ok(moved.by <= 1, `the row moved by ${moved.by} px when ${moved.more} came`);
    count += 1;
    assert.ok(count < 400, 'the beginning is never reached');
  }
  const texts = await late.screen();
  const all = await page.evaluate(collect);
  assert.equal(new Set(all).size, all.length);
  assert.deepEqual(all.toSorted(byNumber), Array.from({ length: total }, (_, i) => `n ${i}`), `${texts.length} in the DOM`);

  await ann.say('the newest');
  await page.waitForSelector('#newest.has-unread');
  assert.equal(await page.textContent('#newest-count'), '1 new');
  const top = await page.evaluate(() => document.getElementById('log').scrollTop);
  await ann.say('and another');
  await page.waitForFunction(() => document.getElementById('newest-count').textContent === '2 new');
  assert.equal(await page.evaluate(() => document.getElementById('log').scrollTop), top, 'reading is not disturbed');
  assert.match(await page.title(), /^\(2\) /u);
  await page.click('#newest');
  await eventually(async () => assert.equal((await late.screen()).at(-1), 'and another'));
  await page.waitForSelector('#newest', { state: 'hidden' });
  await eventually(async () => assert.doesNotMatch(await page.title(), /^\(/u));
  await ann.leave();
  await late.leave();
});

/** Runs in the page: fills a room from many sessions at once, so that no session's rate is exceeded. */
async function fill({ room, total, sessions }) {
  const url = new URL('ws', location.href.split('#')[0]).href.replace(/^http/u, 'ws');
  const each = total / sessions;
  await Promise.all(Array.from({ length: sessions }, (_, session) => new Promise((resolve, reject) => {
    const line = new WebSocket(url, 'madang.v1');
    let sent = 0;
    const send = (i) => line.send(JSON.stringify({ type: 'send', id: i, room, text: `n ${session * each + i}`, key: `${session}-${i}-${Math.random()}` }));
    line.onopen = () => line.send(JSON.stringify({ type: 'hello', name: `filler ${session}` }));
    line.onerror = reject;
    line.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.type === 'welcome') line.send(JSON.stringify({ type: 'join', id: 'j', room }));
      if (frame.type === 'joined') for (let i = 0; i < each; i += 1) send(i);
      if (frame.type === 'error') {
        if (frame.retry_after_ms) setTimeout(() => send(frame.id), frame.retry_after_ms);
        else reject(new Error(data));
      }
      if (frame.type === 'sent') sent += 1;
      if (sent === each) {
        line.close();
        resolve();
      }
    };
  })));
}

/** Runs in the page: goes down from the top and collects every text that is shown on the way. */
async function collect() {
  const log = document.getElementById('log');
  const texts = new Map();
  for (;;) {
    for (const row of document.querySelectorAll('.message')) texts.set(row.dataset.id, row.querySelector('.bubble').textContent);
    const before = log.scrollTop;
    log.scrollTop += log.clientHeight;
    for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
    if (log.scrollTop === before) break;
  }
  log.scrollTop = 0;
  for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
  return [...texts.values()];
}

const byNumber = (a, b) => Number(a.slice(2)) - Number(b.slice(2));

test('the page speaks the language of the browser, and the one that is chosen', async () => {
  const room = newRoom('수다방');
  const ann = await Person.enter(browser, nodes.urls[0], room, { locale: 'ko-KR', name: '이서연' });
  const { page } = ann;
  assert.equal(await page.getAttribute('html', 'lang'), 'ko');
  assert.equal(await page.getAttribute('#field', 'placeholder'), `${room} 방에 메시지 쓰기`);
  await ann.say('안녕하세요');
  await ann.shows(['안녕하세요']);
  assert.equal(await page.textContent('.day'), '오늘');
  await page.click('#languages [lang="en"]');
  await page.waitForFunction(() => document.querySelector('.day').textContent === 'Today');
  assert.equal(await page.getAttribute('#field', 'placeholder'), `Write to ${room}`);
  await page.reload();
  await ann.isOnline();
  assert.equal(await page.getAttribute('html', 'lang'), 'en', 'the choice is remembered');
  await ann.shows(['안녕하세요']);
  assert.equal(await page.locator('.message.own').count(), 1, 'the identity is kept');
  await ann.leave();

  const bob = await Person.enter(browser, nodes.urls[1], room, { name: 'Bob' });
  assert.equal(await bob.page.getAttribute('html', 'lang'), 'en');
  assert.equal(await bob.page.textContent('#room-name'), room);
  await bob.leave();
});

test('text is text, whatever it says', async () => {
  const [ann, bob, room] = await annAndBob();
  const texts = [
    '<img src=x onerror="document.title=1">', '<script>document.title=2</script>', '"><b>bold</b>', 'a\u202etxt.exe', '&lt;&amp;', '   indented\n\n  lines\tand tabs',
    '👩‍👩‍👧'.repeat(60), 'x'.repeat(3_000), 'javascript:alert(1)',
  ];
  for (const text of texts) {
    await ann.say(text);
    await bob.shows(texts.slice(0, texts.indexOf(text) + 1));
  }
  for (const { page } of [ann, bob]) {
    assert.equal(await page.locator('.message img, .message script, .message b').count(), 0);
    assert.match(await page.title(), /madang$/u);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, 'nothing sticks out');
  }
  await ann.say('see https://example.com/a_(b)?c=d&e=<f>, and (https://example.kr/문서)에서');
  const link = bob.page.locator('.bubble a').first();
  assert.equal(await link.getAttribute('href'), 'https://example.com/a_(b)?c=d&e=');
  assert.equal(await link.getAttribute('rel'), 'noopener noreferrer nofollow');
  assert.equal(await link.getAttribute('target'), '_blank');
  const eve = await Person.enter(browser, nodes.urls[0], room, { name: '<i>Eve</i>' });
  await eve.say('my name is text too');
  await eventually(async () => assert.ok((await bob.page.locator('.who bdi').allTextContents()).includes('<i>Eve</i>')));
  await ann.leave();
  await bob.leave();
  await eve.leave();
});

test('one Enter sends a Korean text once and whole', async () => {
  const [ann, bob] = await annAndBob(newRoom(), { locale: 'ko-KR' });
  const keyboard = await ann.context.newCDPSession(ann.page);
  const compose = (text) => keyboard.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length });
  const key = (windowsVirtualKeyCode, name = 'Enter') => keyboard.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', windowsVirtualKeyCode, key: name, code: 'Enter' });
  await ann.page.focus('#field');
  const greet = async () => {
    for (const text of ['ㅇ', '아', '안', '안ㄴ', '안녀', '안녕']) await compose(text);
    await key(229, 'Process');
    assert.equal(await ann.page.inputValue('#field'), '안녕', 'a key of the input method sends nothing');
    await keyboard.send('Input.insertText', { text: '안녕' });
  };
  // The key comes again after the composition, as on Windows and Linux.
  await greet();
  await key(13);
  await bob.shows(['안녕']);
  assert.equal(await ann.page.inputValue('#field'), '');
  await key(13);
  // Only the line break comes, as in Safari.
  await greet();
  await keyboard.send('Input.dispatchKeyEvent', { type: 'char', text: '\r' });
  await bob.shows(['안녕', '안녕']);
  assert.equal(await ann.page.inputValue('#field'), '');
  await bob.say('끝');
  await ann.shows(['안녕', '안녕', '끝']);
  await ann.leave();
  await bob.leave();
});

test('Shift+Enter breaks the line, a draft waits in its room, too much text is kept', async () => {
  const room = newRoom();
  const other = newRoom();
  const ann = await Person.enter(browser, nodes.urls[0], room);
  const { page } = ann;
  await page.focus('#field');
  await page.keyboard.type('one');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('two');
  assert.equal(await page.inputValue('#field'), 'one\ntwo');
  await page.keyboard.press('Enter');
  await ann.shows(['one\ntwo']);

  await page.keyboard.type('half a thought');
  await page.click('#room-add');
  await page.fill('#room-field', `#${other.toUpperCase()}`);
  await page.press('#room-field', 'Enter');
  await page.waitForFunction((name) => document.getElementById('room-name').textContent === name, other);
  assert.equal(decodeURIComponent(new URL(page.url()).hash), `#/${other}`);
  assert.equal(await page.inputValue('#field'), '');
  await page.goBack();
  await page.waitForFunction(() => document.getElementById('field').value === 'half a thought');
  await page.reload();
  await ann.isOnline();
  assert.equal(await page.inputValue('#field'), 'half a thought');

  await page.fill('#field', 'x'.repeat(4_001));
  await page.keyboard.press('Enter');
  assert.equal((await page.inputValue('#field')).length, 4_001);
  assert.equal(await page.textContent('#over'), '1 character too many');
  assert.equal(await page.isDisabled('#send'), true);
  await page.keyboard.press('Backspace');
  await page.keyboard.press('Enter');
  await eventually(async () => assert.equal((await ann.screen()).at(-1), 'x'.repeat(4_000)));
  await ann.leave();
});

test('rooms are listed with what is unread, and can be left', async () => {
  const [ann, bob, room] = await annAndBob();
  const side = newRoom('side');
  const { page } = ann;
  await page.goto(`${nodes.urls[0]}/#/${encodeURIComponent(side)}`);
  await page.waitForFunction((name) => document.getElementById('room-name').textContent === name, side);
  await bob.say('psst');
  await bob.say('over here');
  const item = page.locator(`#rooms li[data-room="${room}"]`);
  await item.locator('.badge').waitFor();
  await eventually(async () => assert.equal(await item.locator('.badge').textContent(), '2'));
  await item.locator('a').click();
  await ann.shows(['psst', 'over here']);
  assert.equal(await page.locator('.row.new + .message .bubble').textContent(), 'psst', 'opens at the line');
  await eventually(async () => assert.equal(await item.locator('.badge').count(), 0));
  await page.keyboard.press('Alt+ArrowUp');
  await page.waitForFunction((name) => document.getElementById('room-name').textContent !== name, room);
  await item.hover();
  await item.locator('.leave').click();
  await eventually(async () => assert.equal(await item.count(), 0));
  await bob.page.waitForFunction(() => document.getElementById('people-count').textContent === '1');
  await ann.leave();
  await bob.leave();
});

test('who is there, who types and who is called something else is seen', async () => {
  const [ann, bob] = await annAndBob();
  const members = () => ann.page.locator('#members .member-name').allTextContents();
  await eventually(async () => assert.deepEqual((await members()).toSorted(), ['Ann', 'Bob']));
  assert.equal(await ann.page.textContent('#people-count'), '2');
  await bob.page.type('#field', 'hm');
  await ann.page.waitForFunction(() => document.getElementById('typing').textContent === 'Bob is typing…');
  assert.equal(await bob.page.textContent('#typing'), '');
  await bob.page.press('#field', 'Enter');
  await ann.shows(['hm']);
  assert.equal(await ann.page.textContent('#typing'), '');

  await bob.page.click('#me');
  await bob.page.fill('#name-field', 'Robert');
  await bob.page.press('#name-field', 'Enter');
  await bob.page.waitForFunction(() => document.getElementById('me-name').textContent === 'Robert');
  await eventually(async () => assert.deepEqual((await members()).toSorted(), ['Ann', 'Robert']));
  await bob.say('call me Robert');
  await eventually(async () => assert.equal((await ann.page.locator('.who:not(.unseen) bdi').allTextContents()).at(-1), 'Robert'));
  await bob.page.click('#me');
  await bob.page.fill('#name-field', ' ');
  await bob.page.press('#name-field', 'Enter');
  await bob.page.waitForFunction(() => document.getElementById('name-fault').textContent !== '');
  await bob.page.keyboard.press('Escape');
  await bob.page.reload();
  await bob.isOnline();
  assert.equal(await bob.page.textContent('#me-name'), 'Robert');
  await ann.leave();
  await bob.leave();
});

test('on a phone the conversation fills the page and the rest is in drawers', async () => {
  const room = newRoom();
  const ann = await Person.enter(browser, nodes.urls[0], room, { phone: true });
  const { page } = ann;
  await page.fill('#field', 'from the phone');
  await page.press('#field', 'Enter');
  assert.equal(await page.inputValue('#field'), 'from the phone\n', 'a finger breaks the line with Enter');
  await page.tap('#send');
  await ann.shows(['from the phone']);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'field', 'the keyboard stays');
  assert.equal(await page.isVisible('#side'), false);
  await page.tap('#menu');
  await page.waitForSelector('#rooms a', { state: 'visible' });
  assert.equal(await page.evaluate(() => document.getElementById('main').inert), true);
  await page.keyboard.press('Escape');
  await page.waitForSelector('#side', { state: 'hidden' });
  assert.equal(await page.evaluate(() => document.activeElement.id), 'menu', 'the focus comes back');
  await page.tap('#people-toggle');
  await page.waitForSelector('#members li', { state: 'visible' });
  await page.tap('#scrim', { position: { x: 10, y: 400 } });
  await page.waitForSelector('#people', { state: 'hidden' });
  const sizes = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth, page: innerWidth, field: parseFloat(getComputedStyle(document.getElementById('field')).fontSize),
  }));
  assert.equal(sizes.wide, sizes.page);
  assert.ok(sizes.field >= 16);
  await ann.leave();
});

test('an address that names no room is explained', async () => {
  const ann = await Person.enter(browser, nodes.urls[0], newRoom());
  const { page } = ann;
  await page.goto(`${nodes.urls[0]}/#/a%2Fb`);
  await page.waitForSelector('.blank h2');
  assert.equal(await page.textContent('.blank h2'), 'This room cannot be joined');
  await page.click('.blank .main-button');
  const room = newRoom();
  await page.fill('#room-field', room);
  await page.press('#room-field', 'Enter');
  await page.waitForSelector('.is-empty');
  assert.equal(await page.textContent('#room-name'), room);
  await ann.leave();
});

// The field in a real browser: input methods in the order of each browser, fingers, pasted lines, the limit.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { Fleet } from '../fake/fleet.mjs';
import { startNode } from '../fake/node.mjs';
import { Person, eventually, newRoom, startBrowser } from '../support/people.mjs';

let browser;
let fleet;
let node;
let room;

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
  room = newRoom();
  fleet.sends = [];
});

const enter = (options) => Person.enter(browser, node.url, room, options);
const texts = () => fleet.sends.map(([text]) => text);
const valueOf = ({ page }) => page.inputValue('#field');

/** The input method of a person: syllables grow, and its keys have the code 229. */
async function inputMethod({ context, page }) {
  const line = await context.newCDPSession(page);
  const key = (windowsVirtualKeyCode, name, more = {}) => line.send('Input.dispatchKeyEvent', {
    type: 'rawKeyDown', windowsVirtualKeyCode, key: name, code: 'Enter', ...more,
  });
  return {
    async compose(...steps) {
      for (const text of steps) await line.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length });
    },
    commit: (text) => line.send('Input.insertText', { text }),
    /** Enter as the input method takes it: it carries the code of the method, under its own name or Enter's. */
    takenEnter: (name = 'Enter') => key(229, name),
    enter: (more) => key(13, 'Enter', more),
    /** The line break that follows an Enter. */
    lineBreak: () => line.send('Input.dispatchKeyEvent', { type: 'char', text: '\r' }),
  };
}

const GROWING = ['ㅇ', '아', '안', '안ㄴ', '안녀', '안녕'];

test('Enter that ends a composition sends once: key taken, composition over, key again', async () => {
  const ann = await enter({ locale: 'ko-KR' });
  const method = await inputMethod(ann);
  await ann.page.focus('#field');
  for (const name of ['Process', 'Enter']) {
    await method.compose(...GROWING);
    await method.takenEnter(name);
    assert.equal(await valueOf(ann), '안녕', 'a key of the input method sends nothing');
    await method.commit('안녕');
    assert.equal(await valueOf(ann), '안녕');
    await method.enter();
    await method.lineBreak();
    assert.equal(await valueOf(ann), '');
  }
  await method.enter();
  await ann.shows(['안녕', '안녕']);
  assert.deepEqual(texts(), ['안녕', '안녕']);
  await ann.leave();
});

test('Enter that ends a composition sends once: composition over, key taken, line break', async () => {
  const ann = await enter({ locale: 'ko-KR' });
  const method = await inputMethod(ann);
  await ann.page.focus('#field');
  await method.compose(...GROWING);
  await method.commit('안녕');
  await method.takenEnter();
  assert.deepEqual(texts(), [], 'a key of the input method sends nothing, also right after the composition');
  await method.lineBreak();
  await ann.shows(['안녕']);
  assert.equal(await valueOf(ann), '');

  // Where the key only picks a word, as with kanji, no line break follows, and the next Enter sends.
  await method.compose('に', '日本');
  await method.commit('日本');
  await method.takenEnter();
  assert.equal(await valueOf(ann), '日本');
  await method.enter();
  await ann.shows(['안녕', '日本']);
  assert.deepEqual(texts(), ['안녕', '日本']);
  await ann.leave();
});

test('Shift breaks the line, in the middle of a composition too', async () => {
  const ann = await enter({ locale: 'ko-KR' });
  const method = await inputMethod(ann);
  await ann.page.focus('#field');
  await method.compose('안', '안녕');
  await method.takenEnter('Process');
  await method.commit('안녕');
  await ann.page.keyboard.press('Shift+Enter');
  await method.compose('끝');
  await method.commit('끝');
  assert.equal(await valueOf(ann), '안녕\n끝');
  await method.enter();
  await ann.shows(['안녕\n끝']);
  for (const [key, text] of [['Control+Enter', 'a'], ['Meta+Enter', 'b']]) {
    await ann.page.fill('#field', text);
    await ann.page.press('#field', key);
    assert.equal(await valueOf(ann), '', key);
  }
  await ann.page.fill('#field', 'c');
  await ann.page.press('#field', 'Alt+Enter');
  assert.equal((await valueOf(ann)).trim(), 'c', 'Alt does not send');
  await ann.shows(['안녕\n끝', 'a', 'b']);
  await ann.leave();
});

test('nothing is rewritten while somebody composes: draft, counter and a change of room wait', async () => {
  const other = newRoom();
  const ann = await enter({ locale: 'ko-KR' });
  const { page } = ann;
  const method = await inputMethod(ann);
  const kept = () => page.evaluate(() => Math.max(...Object.values(localStorage).map((value) => value.match(/[가-힣]/gu)?.length ?? 0)));
  await page.fill('#field', '가'.repeat(3_700));
  await eventually(async () => assert.equal(await page.textContent('#over'), '300'));
  await page.focus('#field');
  await page.evaluate(() => {
    const field = document.getElementById('field');
    field.setSelectionRange(field.value.length, field.value.length);
    window.rewrites = 0;
    const value = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value');
    Object.defineProperty(field, 'value', { configurable: true, get: value.get, set(text) { window.rewrites += 1; value.set.call(this, text); } });
  });
  await method.compose('ㅇ', '아', '안');
  assert.equal(await page.textContent('#over'), '300');
  await eventually(async () => assert.equal(await kept(), 3_700));
  await page.evaluate((name) => { location.hash = `#/${encodeURIComponent(name)}`; }, other);
  await page.waitForFunction((name) => document.getElementById('room-name').textContent === name, other);
  assert.ok((await valueOf(ann)).endsWith('안'), 'the field is still of the first room');
  assert.equal(await page.evaluate(() => window.rewrites), 0);
  await method.commit('안');
  await eventually(async () => assert.equal(await valueOf(ann), ''));
  await eventually(async () => assert.equal(await kept(), 3_701));
  assert.deepEqual(texts(), []);
  await page.goBack();
  await eventually(async () => assert.equal((await valueOf(ann)).length, 3_701));
  await ann.leave();
});

test('one Enter is enough where everything comes at once, also if something arrived meanwhile', async () => {
  const ann = await enter();
  const { page } = ann;
  await page.fill('#field', '안녕');
  await page.evaluate(() => document.getElementById('field').dispatchEvent(new CompositionEvent('compositionstart')));
  fleet.room(room).publish({ id: 'bob', name: 'Bob' }, { key: 'b1', text: 'meanwhile' });
  await ann.shows(['meanwhile']);
  const isTaken = await page.evaluate(() => {
    const field = document.getElementById('field');
    field.dispatchEvent(new CompositionEvent('compositionend', { data: '안녕' }));
    field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, cancelable: true }));
    return !field.dispatchEvent(new InputEvent('beforeinput', { inputType: 'insertLineBreak', cancelable: true }));
  });
  assert.equal(isTaken, true, 'no line break stays behind');
  assert.equal(await valueOf(ann), '');
  await ann.shows(['meanwhile', '안녕']);
  assert.deepEqual(texts(), ['안녕']);
  await ann.leave();
});

test('the button sends what is being composed, whole, and the field keeps the focus', async () => {
  for (const phone of [false, true]) {
    room = newRoom();
    fleet.sends = [];
    const ann = await enter({ locale: 'ko-KR', phone });
    const { page } = ann;
    const method = await inputMethod(ann);
    await page.focus('#field');
    await method.compose(...GROWING);
    assert.equal(await page.isEnabled('#send'), true);
    await (phone ? page.tap('#send') : page.click('#send'));
    await ann.shows(['안녕']);
    assert.equal(await valueOf(ann), '');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'field');
    assert.equal(await page.getAttribute('#field', 'enterkeyhint'), phone ? 'enter' : 'send');
    assert.deepEqual(texts(), ['안녕']);
    if (phone) {
      await method.compose('두', '둘');
      await method.commit('둘');
      await method.enter();
      await method.lineBreak();
      assert.equal(await valueOf(ann), '둘\n', 'a finger breaks the line');
    }
    await ann.leave();
  }
});

test('pasted lines stay lines, and nothing sends them but Enter', async () => {
  const ann = await enter();
  const { page } = ann;
  await ann.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.evaluate(() => navigator.clipboard.writeText('one\r\n  two\n\nthree'));
  await page.focus('#field');
  await page.keyboard.press('Control+v');
  assert.equal(await valueOf(ann), 'one\n  two\n\nthree');
  await page.fill('#field', '');
  await page.keyboard.insertText('one\n  two\n\nthree');
  assert.equal(await valueOf(ann), 'one\n  two\n\nthree');
  assert.deepEqual(texts(), []);
  await page.keyboard.press('Enter');
  await ann.shows(['one\n  two\n\nthree']);
  await ann.leave();
});

test('too much text is kept whole, counted, marked and told once the typing pauses', async () => {
  const ann = await enter();
  const { page } = ann;
  const long = '🎉'.repeat(4_002);
  await page.fill('#field', long);
  assert.equal(await page.textContent('#over'), '2 characters too many');
  assert.equal(await page.getAttribute('#field', 'aria-invalid'), 'true');
  await page.waitForFunction(() => document.getElementById('over-said').textContent === '2 characters too many');
  await page.press('#field', 'Enter');
  await page.evaluate(() => document.getElementById('composer').requestSubmit());
  assert.equal(await valueOf(ann), long);
  await page.press('#field', 'Backspace');
  await page.press('#field', 'Backspace');
  assert.equal(await page.textContent('#over'), '0');
  await page.waitForFunction(() => document.getElementById('over-said').textContent === '0 characters left');
  await page.press('#field', 'Enter');
  await ann.shows(['🎉'.repeat(4_000)]);
  await page.waitForFunction(() => document.getElementById('over-said').textContent === '');
  assert.equal(await page.getAttribute('#field', 'aria-invalid'), 'false');
  await ann.leave();
});

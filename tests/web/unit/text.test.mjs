// Links, initials, names, times and words.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import en from '../../../static/js/words/en.js';
import ko from '../../../static/js/words/ko.js';
import { LANGUAGES, closeText, errorText, languageOf, speak } from '../../../static/js/i18n.js';
import { hashOfRoom, length, roomName, roomOfHash, sharedNames, userName } from '../../../static/js/names.js';
import { finderOf } from '../../../static/js/search.js';
import { FINAL_CLOSES } from '../../../static/js/session.js';
import { graphemes, hueOf, initials, isPicture, linkParts, sendable } from '../../../static/js/text.js';
import { dayNameOf, dayOf, timeOf, untilMidnight } from '../../../static/js/time.js';

const links = (text) => linkParts(text).filter(({ href }) => href).map((part) => part.text);

test('a link ends where its address ends', () => {
  for (const [text, ...expected] of [
    ['no link here'],
    ['https://a.kr', 'https://a.kr'],
    ['see https://a.kr/b?c=d&e=f#g, and go', 'https://a.kr/b?c=d&e=f#g'],
    ['(https://a.kr/b)', 'https://a.kr/b'],
    ['https://en.wikipedia.org/wiki/A_(b)', 'https://en.wikipedia.org/wiki/A_(b)'],
    ['(see https://en.wikipedia.org/wiki/A_(b))', 'https://en.wikipedia.org/wiki/A_(b)'],
    ['"https://a.kr/b".', 'https://a.kr/b'],
    ['<https://a.kr>', 'https://a.kr'],
    ['https://a.kr에서 만나요', 'https://a.kr'],
    ['https://a.kr/문서를', 'https://a.kr/문서를'],
    ['https://a.kr/doc을 보세요', 'https://a.kr/doc'],
    ['https://a.kr/doc으로', 'https://a.kr/doc'],
    ['https://a.kr/입니다', 'https://a.kr'],
    ['https://ko.wikipedia.org/wiki/마당 에', 'https://ko.wikipedia.org/wiki/마당'],
    ['https://ko.wikipedia.org/wiki/고', 'https://ko.wikipedia.org/wiki/고'],
    ['https://한국.kr', 'https://한국.kr'],
    ['https://a.kr에서만나요', 'https://a.kr'],
    ['https://a.kr:8080에서 만나요', 'https://a.kr:8080'],
    ['http://localhost:8080에서도', 'http://localhost:8080'],
    ['(https://a.kr)에서', 'https://a.kr'],
    ['(https://a.kr/문서)에서', 'https://a.kr/문서'],
    ['https://ko.wikipedia.org/wiki/A_(b)의', 'https://ko.wikipedia.org/wiki/A_(b)'],
    ['https://a.kr/?q=한글', 'https://a.kr/?q=한글'],
    ['https://a.한국', 'https://a.한국'],
    ['https://a.kr/\u202egnp.exe', 'https://a.kr'],
    ['“https://a.kr”', 'https://a.kr'],
    ['「https://a.kr」', 'https://a.kr'],
    ['http://a.kr http://b.kr', 'http://a.kr', 'http://b.kr'],
    ['HTTPS://A.kr/X', 'HTTPS://A.kr/X'],
    ['javascript:alert(1) data:text/html,x ftp://a.kr'],
    ['https://'],
    ['http://[', ],
  ]) {
    const found = links(text);
    // A particle right behind the slash of a bare host is grammar; the slash itself may stay.
    assert.deepEqual(found.map((link) => link.replace(/^(https?:\/\/[^/]+)\/$/u, '$1')), expected, text);
    assert.equal(linkParts(text).map((part) => part.text).join(''), text, 'nothing is lost');
  }
});

test('a text that is made to be slow is not', () => {
  const cost = (text) => Math.min(...Array.from({ length: 5 }, () => {
    const start = performance.now();
    linkParts(text);
    return performance.now() - start;
  }));
  for (const mark of [')', '.', '(', '에서', 'https://a.kr)', ' ', '가.aa']) {
    const of = (n) => `https://a.kr${mark.repeat(n / mark.length)}`;
    cost(of(20_000));
    const ratio = cost(of(320_000)) / cost(of(20_000));
    assert.ok(ratio < 100, `16 times as many ${mark} take ${ratio} times as long`);
  }
});

test('links lead to http and https only', () => {
  for (const { href } of linkParts('https://a.kr http://b.kr/"><script>').filter((part) => part.href)) {
    assert.match(href, /^https?:\/\//u);
    assert.doesNotMatch(href, /[<>"]/u);
  }
});

test('emoji are whole', () => {
  assert.deepEqual(graphemes('👩‍👩‍👧é한🇰🇷'), ['👩‍👩‍👧', 'é', '한', '🇰🇷']);
  for (const text of ['🎉', '👩‍👩‍👧', '🇰🇷🇰🇷', ' ❤️ ', '👍🏽👏🏽🎉']) assert.equal(isPicture(text), true, text);
  for (const text of ['', '1', 'a🎉', '🎉🎉🎉🎉', '#', '안녕', '🎉'.repeat(1_000)]) assert.equal(isPicture(text), false, text);
});

test('initials stand for a name in any script', () => {
  for (const [name, expected] of [
    ['Ann Lee', 'AL'], ['ann', 'A'], ['Jean  Claude Van Damme', 'JD'], ['이서연', '이'], ['김 지훈', '김'],
    ['👩‍👩‍👧 family', '👩‍👩‍👧'], ['élodie', 'É'], ['Ann 🎉', 'A'], ['محمد علي', 'م'],
  ]) {
    assert.equal(initials(name), expected, name);
  }
});

test('colors are spread and stay', () => {
  const hues = new Map();
  for (let i = 0; i < 1_200; i += 1) hues.set(hueOf(`user-${i}`), (hues.get(hueOf(`user-${i}`)) ?? 0) + 1);
  assert.equal(hues.size, 12);
  assert.ok(Math.min(...hues.values()) > 50, JSON.stringify([...hues]));
  assert.ok([...hues.keys()].every((hue) => Number.isInteger(hue) && hue >= 0 && hue < 12));
});

test('what is sent has line feeds, whole characters, no control characters and no ragged ends', () => {
  assert.equal(sendable('a\r\nb\rc\u0000\u001b[31m\td \n\n'), 'a\nb\nc[31m\td');
  assert.equal(sendable('\n\n  indented\n'), '  indented');
  assert.equal(sendable(' \n\t '), '');
  assert.equal(sendable('안녕 👋'), '안녕 👋');
  assert.equal(sendable('\ud83d안녕 👋\udc4b'), '안녕 👋');
});

test('names are taken as the node will take them', () => {
  assert.equal(length('👩‍👩‍👧'), 5);
  for (const [typed, expected] of [
    [' Lobby ', 'lobby'], ['#dev', 'dev'], ['디자인  리뷰', '디자인 리뷰'], ['한국', '한국'], ['🦀 rust', '🦀 rust'], ['42', '42'],
    ['', null], ['#', null], ['a/b', null], ['a%2f', null], ['@ann', null], ['-', null], ['a\u202eb', null], ['a\ud83d', null], ['a'.repeat(65), null],
  ]) {
    assert.equal(roomName(typed), expected, typed);
  }
  assert.equal(userName('  Ann   Lee '), 'Ann Lee');
  for (const bad of ['', '   ', 'a\u202eb', 'a\udc4b', 'n'.repeat(65)]) assert.equal(userName(bad), null);
});

test('people are found by any spelling, while a syllable is still being typed, and by leading consonants', () => {
  for (const [typed, name] of [
    ['민', '김민지'], ['미', '김민지'], ['민ㅈ', '김민지'], ['ㄱㅁㅈ', '김민지'], ['김민지', '김 민지'], ['ㄳㅎ', '김수현'], ['BOB', 'bob'], ['jose', 'José'],
    ['\u1100\u1161', '가'], ['ｂｏｂ', 'Bob'], ['🦀', '🦀 crab'], ['.*', 'a.*b'],
  ]) {
    assert.equal(finderOf(typed)(name), true, `${typed} in ${name}`);
  }
  for (const [typed, name] of [['ㅈㅁ', '김민지'], ['문', '김민지'], ['ann', 'Bob'], ['ㄱ', 'Bob'], ['.*', 'Bob']]) {
    assert.equal(finderOf(typed)(name), false, `${typed} in ${name}`);
  }
});

test('a name is shared if two people have it', () => {
  const [ann, other, bob] = [{ id: '1', name: 'Ann' }, { id: '2', name: 'Ann' }, { id: '3', name: 'Bob' }];
  assert.deepEqual([...sharedNames([ann, bob, ann])], []);
  assert.deepEqual([...sharedNames([ann, bob, other, ann])], ['Ann']);
});

test('rooms stand in the address, in any script', () => {
  for (const name of ['lobby', '디자인 리뷰', '🦀 rust', "a'b&c=d"]) assert.equal(roomOfHash(hashOfRoom(name)), name);
  assert.equal(roomOfHash('#/%E0%A4%A'), '%E0%A4%A');
  assert.equal(roomOfHash(''), '');
  assert.equal(roomOfHash('#lobby'), 'lobby');
});

test('days have names as seen from now, right after midnight too', () => {
  const midnight = new Date(2026, 2, 10, 0, 0, 1).getTime();
  assert.equal(dayNameOf(midnight, midnight, 'en'), 'Today');
  assert.equal(dayNameOf(midnight - 2_000, midnight, 'en'), 'Yesterday');
  assert.equal(dayNameOf(midnight - 2_000, midnight, 'ko'), '어제');
  assert.equal(dayNameOf(midnight, midnight, 'ko'), '오늘');
  assert.match(dayNameOf(new Date(2026, 0, 5).getTime(), midnight, 'en'), /^Monday, January 5$/u);
  assert.match(dayNameOf(new Date(2025, 0, 6).getTime(), midnight, 'ko'), /2025/u);
  assert.equal(dayOf(midnight), '2026-03-10');
  assert.match(timeOf(midnight, 'ko'), /12:00/u);
  assert.equal(untilMidnight(new Date(2026, 2, 10, 23, 59, 59).getTime()), 1_050);
});

test('both languages say everything, and nothing needs a particle chosen for a name', () => {
  for (const part of [(words) => words, (words) => words.errors, (words) => words.closes]) {
    assert.deepEqual(Object.keys(part(ko)), Object.keys(part(en)));
    for (const [name, text] of Object.entries(part(en))) assert.equal(typeof part(ko)[name], typeof text, name);
  }
  const values = { n: 2, room: 'ROOM', a: 'ANN', b: 'BOB', name: 'ANN', text: 'TEXT', node: 'NODE', s: 3 };
  for (const [name, text] of Object.entries(ko)) {
    if (typeof text !== 'function') continue;
    assert.doesNotMatch(text(values), /(ROOM|ANN|BOB|NODE|TEXT)(은|는|이|가|을|를|와|과|로|으로)/u, name);
  }
});

test('every code of the server has words in both languages', async () => {
  const table = (file) => readFileSync(new URL(`../../../src/protocol/${file}`, import.meta.url), 'utf8');
  const errors = [...table('errors.rs').matchAll(/=> row\("(\w+)"/gu)].map(([, word]) => word);
  assert.ok(errors.length >= 18);
  const finals = [...table('close.rs').matchAll(/=> \((\d+), "\w+", false/gu)].map(([, code]) => Number(code));
  assert.deepEqual([...new Set(finals)].sort(), [...FINAL_CLOSES].sort());
  for (const language of Object.keys(LANGUAGES)) {
    await speak(language);
    for (const code of errors) assert.notEqual(errorText(code), errorText('unknown'), `${code} in ${language}`);
    assert.notEqual(closeText(4005), closeText(1002), language);
    assert.equal(errorText('constructor'), errorText('unknown'));
  }
});

test('the words that the page asks for are there', () => {
  const root = new URL('../../../static/', import.meta.url);
  const files = readdirSync(root, { recursive: true }).filter((file) => /\.(?:js|html)$/u.test(file));
  let count = 0;
  for (const file of files) {
    for (const [, name] of readFileSync(new URL(file, root), 'utf8').matchAll(/(?:\bt\('|data-(?:t|label|title)=")(\w+)/gu)) {
      assert.ok(name in en, `${name} in ${file}`);
      count += 1;
    }
  }
  assert.ok(count > 60);
});

test('the first language that the page speaks is taken', () => {
  assert.equal(languageOf(['ko-KR', 'en']), 'ko');
  assert.equal(languageOf(['fr-FR', 'KO', 'en']), 'ko');
  assert.equal(languageOf(['fr', 'de']), 'en');
  assert.equal(languageOf([null, 'constructor']), 'en');
});

test('the page asks nobody else for anything and makes no markup of texts', () => {
  const root = new URL('../../../static/', import.meta.url);
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  for (const file of files) {
    const text = readFileSync(`${file.path}/${file.name}`, 'utf8');
    const addresses = [...text.matchAll(/(?:https?:)?\/\/[a-z0-9-]+\.[a-z]+[^\s"')]*/giu)].map(([address]) => address);
    assert.deepEqual(addresses.filter((address) => !address.startsWith('http://www.w3.org/')), [], file.name);
    assert.doesNotMatch(text, /\.innerHTML|insertAdjacentHTML|\beval\(|\bon\w+="|\sstyle="|document\.write/u, file.name);
  }
});

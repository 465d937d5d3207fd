// Bots among people: what is sent by HTTP is on the page like everything else, and says that it is a bot's.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Person, newRoom, startBrowser } from '../support/people.mjs';
import { hasProcesses, makeKey, startProcess } from '../support/processes.mjs';

const skip = hasProcesses ? false : 'needs the built program and a Redis; make test-web has both';
let browser;
let directory;

before(async () => {
  browser = await startBrowser();
  directory = mkdtempSync(join(tmpdir(), 'madang-bots-'));
});

after(async () => {
  await browser?.close();
  rmSync(directory, { recursive: true, force: true });
});

test('a bot speaks and reads among people, and is no member', { skip }, async () => {
  const { key, entry } = makeKey('배포 알림', '--right', 'read', '--right', 'publish', '--room', '*');
  const file = join(directory, 'keys.toml');
  writeFileSync(file, entry);
  const node = await startProcess('node', { MADANG_API__KEYS_FILE: file });
  const room = newRoom();
  const ann = await Person.enter(browser, node.url, room);
  const messages = `${node.url}/api/v1/rooms/${encodeURIComponent(room)}/messages`;
  const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' };
  const body = JSON.stringify({ text: '1.2.3 배포 <b>완료</b>', key: 'deploy-1' });
  const statuses = [];
  for (let i = 0; i < 3; i += 1) statuses.push((await fetch(messages, { method: 'POST', headers, body })).status);
  assert.deepEqual(statuses, [201, 200, 200]);
  await ann.shows(['1.2.3 배포 <b>완료</b>']);
  assert.equal(await ann.page.textContent('.message .who bdi'), '배포 알림');
  assert.equal(await ann.page.textContent('.message .who .tag'), 'bot');
  assert.equal(await ann.page.textContent('#people-count'), '1');
  await ann.say('thanks');
  await ann.shows(['1.2.3 배포 <b>완료</b>', 'thanks']);
  const read = await (await fetch(`${messages}?after=1`, { headers })).json();
  assert.deepEqual(read.messages.map(({ text, user }) => [text, user.name, user.bot]), [['thanks', 'Ann', undefined]]);
  await ann.leave();
  await node.kill();
});

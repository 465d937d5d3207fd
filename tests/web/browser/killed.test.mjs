// What people see when the node they are on dies or leaves: real nodes, killed and stopped.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Person, eventually, newRoom, startBrowser } from '../support/people.mjs';
import { hasProcesses, startProcess } from '../support/processes.mjs';
import { startProxy } from '../support/proxy.mjs';

const skip = hasProcesses ? false : 'needs the built program and a Redis; make test-web has both';
let browser;

before(async () => { browser = await startBrowser(); });
after(() => browser?.close());

/** Ann behind a balancer in front of one node, Bob on another one. */
async function balanced(variables) {
  const [first, second] = [await startProcess('first', variables), await startProcess('second', variables)];
  const balancer = await startProxy(first.url);
  const room = newRoom();
  const ann = await Person.enter(browser, balancer.url, room, { name: 'Ann', isCut: true });
  const bob = await Person.enter(browser, second.url, room, { name: 'Bob' });
  await ann.say('before');
  await bob.shows(['before']);
  await ann.shows(['before']);
  const end = async () => {
    await ann.context.close();
    await bob.leave();
    await balancer.stop();
    await Promise.all([first.kill(), second.kill()]);
  };
  return { first, second, balancer, ann, bob, end };
}

test('messages written after a node was killed arrive once, in order, from a tab that was reloaded', { skip }, async () => {
  const { first, second, balancer, ann, bob, end } = await balanced();
  await first.kill();
  await ann.page.waitForSelector('#dot:not([data-state="online"])', { state: 'attached' });
  const written = Array.from({ length: 5 }, (_, index) => `offline ${index}`);
  for (const text of written) await ann.say(text);
  await bob.say('meanwhile');
  await ann.shows(['before', ...written.map((text) => `${text} (waiting)`)]);
  // The page is kept by the next node; what it had not sent by the tab.
  balancer.target = second.url;
  await ann.page.reload();
  await bob.shows(['before', 'meanwhile', ...written]);
  await ann.shows(['before', 'meanwhile', ...written]);
  await end();
});

test('who is on a node that is killed goes on elsewhere, and nothing is missing or doubled', { skip }, async () => {
  const { first, second, balancer, ann, bob, end } = await balanced();
  balancer.target = second.url;
  const said = ['before'];
  const talk = async (from, to) => {
    for (let index = from; index < to; index += 1) {
      await ann.say(`ann ${index}`);
      await bob.say(`bob ${index}`);
      said.push(`ann ${index}`, `bob ${index}`);
    }
  };
  await talk(0, 5);
  const killed = first.kill();
  await talk(5, 10);
  await killed;
  await eventually(async () => {
    const [left, right] = [await ann.screen(), await bob.screen()];
    assert.deepEqual(left, right, 'both see one order');
    assert.deepEqual(left.toSorted(), said.toSorted(), 'everything once');
  });
  for (const who of ['ann', 'bob']) {
    const own = (await bob.screen()).filter((text) => text.startsWith(who));
    assert.deepEqual(own, Array.from({ length: 10 }, (_, index) => `${who} ${index}`));
  }
  await end();
});

test('a node that leaves takes nothing along, and who was on it sees no banner', { skip }, async () => {
  const { first, second, balancer, ann, bob, end } = await balanced({ MADANG_DRAIN__DELAY: '100ms' });
  await ann.page.evaluate(() => {
    window.banners = 0;
    new MutationObserver(() => { window.banners += 1; }).observe(document.getElementById('banner'), { childList: true });
  });
  balancer.target = second.url;
  assert.equal(await first.leave(), 0);
  await ann.say('after');
  await bob.shows(['before', 'after']);
  await ann.shows(['before', 'after']);
  assert.equal(await ann.page.evaluate(() => window.banners), 0);
  await end();
});

// Takes the pictures of docs/page.md and the README: desk and phone, light and dark, English and Korean.
//
// node docs/images/take.mjs [http://localhost:8080]
//
// Without an address it starts a node of its own: target/debug/madang if that is built, otherwise the fake one of
// the tests. A node that is named should be a fresh one, or the conversation stands below another. It needs what
// `make setup` installs.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { startNode } from '../../tests/web/fake/node.mjs';
import { Person, eventually, startBrowser } from '../../tests/web/support/people.mjs';

const MADANG = fileURLToPath(new URL('../../target/debug/madang', import.meta.url));
const MOST_BYTES = 150_000;
const ROOMS = ['lobby', 'design', '배포', 'reading club'];
const [LOBBY, DESIGN, DEPLOY] = ROOMS;
const TALK = [
  ['서준', '다들 좋은 아침이에요 ☕'],
  ['Tom', 'Morning! Three new nodes go out today, right after lunch'],
  ['Tom', 'Nobody should notice a thing 🤞'],
  ['서준', '지난번에도 정말 아무도 몰랐어요. 메시지가 하나도 안 빠졌더라고요'],
  ['민지', '순서는 여기 적어 뒀어요: https://example.com/rollout'],
  ['민지', '점심 먹고 같이 볼까요?'],
  ['Inés', 'Yes please. I was on the train the last time, two tunnels and all, and the page caught up each time, in order'],
  ['하은', '저는 지하철에서 써 봤는데 끊겨도 알아서 이어지던데요 ㅎㅎ'],
  ['Inés', 'Bibimbap first, rollout second. Save me a seat!'],
  ['서준', '창가 자리로 잡아 둘게요'],
  ['민지', '🙌'],
];
const ELSEWHERE = [[DESIGN, 'Inés', 'New icons are in, have a look'], [DEPLOY, 'Tom', 'node-1 is drained'], [DEPLOY, 'Tom', 'node-2 is next'], [DEPLOY, '서준', '확인했어요']];

/** Starts the real node on a free port, with everything in its memory. Returns its address and what ends it. */
async function startMadang() {
  const free = { MADANG_SERVER__LISTEN: '127.0.0.1:0', MADANG_SERVER__INTERNAL_LISTEN: '127.0.0.1:0' };
  const child = spawn(MADANG, { env: { ...process.env, ...free, MADANG_SERVER__NODE_NAME: 'node-1', MADANG_LOG__FORMAT: 'json' } });
  const url = await new Promise((resolve, reject) => {
    let log = '';
    const read = (bytes) => {
      log += bytes;
      const [, address] = /"address":"([^"]+)"/u.exec(log.split('\n').find((line) => line.includes('madang serves')) ?? '') ?? [];
      if (address) resolve(`http://${address}`);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('error', reject);
    child.on('exit', () => reject(new Error(`the node does not start:\n${log}`)));
  });
  // An interrupted node leaves at once.
  return { url, stop: () => child.kill('SIGINT') };
}

async function takeAll(browser, url) {
  const people = new Map();
  for (const name of ['Tom', '서준', 'Inés', '하은', '민지']) people.set(name, await Person.enter(browser, url, LOBBY, { name }));
  const turn = async ({ page }, room) => {
    await page.evaluate((hash) => { location.hash = hash; }, `#/${encodeURIComponent(room)}`);
    await page.waitForFunction((name) => document.getElementById('room-name').textContent === name && !document.querySelector('.skeleton'), room);
  };
  const minji = people.get('민지');
  for (const room of [...ROOMS.slice(1), LOBBY]) await turn(minji, room);
  for (const [name, text] of TALK) {
    await people.get(name).say(text);
    // Everything is said in its order: each waits for the one before.
    await eventually(async () => {
      if ((await minji.screen()).at(-1) !== text) throw new Error(`not shown: ${text}`);
    });
  }
  for (const [room, name, text] of ELSEWHERE) {
    await turn(people.get(name), room);
    await people.get(name).say(text);
    await people.get(name).shows(await people.get(name).screen().then((screen) => screen.map((line) => line.replace(/ \(.*\)$/u, ''))));
  }
  await minji.page.waitForFunction(() => document.querySelectorAll('#rooms .badge').length === 2);
  const typing = setInterval(() => people.get('하은').page.type('#field', '.').catch(() => {}), 2_000);
  const storageState = await minji.context.storageState();
  for (const view of ['desk', 'phone']) {
    for (const theme of ['light', 'dark']) {
      for (const language of ['en', 'ko']) {
        const path = fileURLToPath(new URL(`${view}-${theme}-${language}.png`, import.meta.url));
        await take(browser, url, { storageState, view, theme, language, path });
        const { size } = await stat(path);
        if (size > MOST_BYTES) throw new Error(`${path} has ${size} bytes`);
        console.log(path, size);
      }
    }
  }
  clearInterval(typing);
}

/** A zone where it is a little after nine in the morning: people in the pictures say good morning. */
const offset = (9 - new Date().getUTCHours() + 36) % 24 - 12;
const MORNING = `Etc/GMT${offset < 0 ? '+' : '-'}${Math.abs(offset)}`;

/** Looks at the conversation in another window of the same person. */
async function take(browser, url, { storageState, view, theme, language, path }) {
  const isPhone = view === 'phone';
  const context = await browser.newContext({
    storageState, colorScheme: theme, locale: language === 'ko' ? 'ko-KR' : 'en-US', timezoneId: MORNING,
    viewport: isPhone ? { width: 390, height: 844 } : { width: 1280, height: 800 }, isMobile: isPhone, hasTouch: isPhone,
  });
  const page = await context.newPage();
  await page.goto(`${url}/#/${LOBBY}`);
  await page.waitForFunction((n) => document.querySelectorAll('.message:not(.waiting, .sent)').length >= n, TALK.length);
  await page.waitForSelector('#typing:not(:empty)');
  await page.screenshot({ path, animations: 'disabled', caret: 'hide' });
  await context.close();
}

const [named] = process.argv.slice(2);
const node = named ? { url: named, stop() {} } : existsSync(MADANG) ? await startMadang() : await startNode({ name: 'node-1' });
const browser = await startBrowser();
try {
  await takeAll(browser, node.url);
} finally {
  await browser.close();
  await node.stop();
}

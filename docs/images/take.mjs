// Takes the pictures of the README from a node that runs.
//
// node docs/images/take.mjs http://localhost:8080
//
// It needs what `make setup` installs. The node should be a fresh one, or the conversation stands below another.

import { fileURLToPath } from 'node:url';

import { Person, eventually, startBrowser } from '../../tests/web/support/people.mjs';

const ROOMS = ['lobby', 'design', '배포'];
const TALK = [
  ['민지', '안녕하세요! 오늘 배포하는 날이죠?'],
  ['Tom', 'Hi! Yes, three new nodes, right after lunch'],
  ['Tom', 'Nobody should notice a thing 🤞'],
  ['서준', '지난번에도 정말 아무도 몰랐어요. 메시지가 하나도 안 빠졌더라고요'],
  ['Inés', 'I was on the train, two tunnels and all. The page caught up each time, in order'],
  ['하은', '저는 지하철에서 써 봤는데 끊겨도 알아서 이어지던데요 ㅎㅎ'],
  ['민지', '그럼 점심부터 먹을까요? 오늘 메뉴는 비빔밥입니다'],
  ['Inés', 'Bibimbap first, rollout second. Save me a seat!'],
  ['서준', '창가 자리로 잡아 둘게요'],
];

const url = process.argv[2] ?? 'http://localhost:8080';
const browser = await startBrowser();
const people = new Map();
const enter = (name, options) => Person.enter(browser, url, ROOMS[0], { name, ...options });
for (const name of ['Tom', '서준', 'Inés', '하은']) people.set(name, await enter(name));
const desk = await enter('민지');
people.set('민지', desk);

for (const room of ROOMS.slice(1)) {
  await desk.page.goto(`${url}/#/${encodeURIComponent(room)}`);
  await desk.page.waitForFunction(() => !document.querySelector('.skeleton'));
}
await desk.page.goto(`${url}/#/${encodeURIComponent(ROOMS[0])}`);
let said = 0;
for (const [name, text] of TALK) {
  await people.get(name).say(text);
  said += 1;
  await eventually(async () => {
    const screen = await desk.screen();
    if (screen.length !== said || screen.at(-1) !== text) throw new Error(`not shown: ${text}`);
  });
}

const phone = await enter('Noa', { phone: true, dark: true, locale: 'ko-KR' });
await eventually(async () => {
  if ((await phone.screen()).length !== said) throw new Error('the phone has not caught up');
});
await people.get('하은').page.type('#field', '저도 곧');
await desk.page.waitForFunction(() => document.body.innerText.includes('하은 is typing'));
const picture = (name) => ({ path: fileURLToPath(new URL(name, import.meta.url)), animations: 'disabled', caret: 'hide' });
await desk.page.screenshot(picture('desk.png'));
await phone.page.screenshot(picture('phone.png'));
await browser.close();

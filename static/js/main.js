// Joins the parts: frames go from the session to the model, changes from the model to the views, and what a
// person does the other way. Nothing is decided here that one of them could decide.
//
// The model changes when something arrives, the DOM once per animation frame.

import { LANGUAGES, language, languageOf, speak, t } from './i18n.js';
import { Drafts, recall, remember } from './memory.js';
import { Model } from './model/model.js';
import { hashOfRoom, roomName, roomOfHash } from './names.js';
import { Session } from './session.js';
import { Store } from './store.js';
import { untilMidnight } from './time.js';
import { Announcer } from './view/announcer.js';
import { Blank } from './view/blank.js';
import { Composer } from './view/composer.js';
import { NameDialog, RoomDialog } from './view/dialogs.js';
import { make, paintAvatar, part, setText } from './view/dom.js';
import { Drawers } from './view/drawers.js';
import { Log } from './view/log.js';
import { People } from './view/people.js';
import { Rooms, drawUnread } from './view/rooms.js';
import { Status } from './view/status.js';

const FIRST_ROOM = 'lobby';
/** A person who goes on typing is told of this often; half of how long a word of it counts. */
const TYPING_EVERY_MS = 3_000;
const REMEMBER_AFTER_MS = 400;
const KEY_BYTES = 16;

const person = new Store(() => window.localStorage);
const tab = new Store(() => window.sessionStorage);
const drafts = new Drafts(person);
const model = new Model(newKey);
const session = new Session({
  url: new URL('ws', location.href.split('#')[0]).href.replace(/^http/u, 'ws'),
  hello: () => ({ token: person.get('token') ?? undefined, name: person.get('name'), client: 'madang-page', features: [] }),
  onFrame: receive,
  onState: stateChanged,
});

let addressFault = null;
let routedHash = '';
let typedAt = -Infinity;

const announcer = new Announcer();
const nameDialog = new NameDialog({ onName: named });
const roomDialog = new RoomDialog({ onRoom: joinRoom });
const drawers = new Drawers({
  peopleOpen: person.get('people', true),
  onPeople(open) {
    person.set('people', open);
    touch('people');
  },
});
const roomsView = new Rooms({ onLeave: leaveRoom });
const peopleView = new People({ onMore: () => ask(model.askMembers()) });
const statusView = new Status({ onTry: () => session.dial(), onStartOver: startOver });
const blank = new Blank({
  onAdd: () => roomDialog.open(),
  onRetry: (room) => act(() => model.retryRoom(room)),
  onRemove: leaveRoom,
});
const log = new Log({
  onOlder(isWanted) {
    if (isWanted && model.room) model.room.olderRetryAt = 0;
    ask(model.askOlder(Date.now()));
  },
  onGap: (gap) => ask(model.askGap(model.room, gap)),
  onRetry: (send) => act(() => model.retrySend(model.room, send)),
  onDiscard: (send) => act(() => model.discardSend(model.room, send)),
  onEdit: (send) => act(() => {
    model.discardSend(model.room, send);
    composer.take(send.text);
  }),
  onLook: look,
});
const composer = new Composer({
  onSend(text) {
    typedAt = -Infinity;
    log.following = true;
    act(() => model.write(text, Date.now()));
    log.goToEnd();
  },
  onDraft: (room, text) => drafts.keep(room, text),
  onType: typing,
  limit: () => model.limits.text,
});

// === What arrives ===

function receive(frame, about) {
  if (frame.type === 'error' && session.state.name === 'connecting') {
    refusedAtHello(frame);
    return;
  }
  const now = Date.now();
  const { room } = model;
  const isLive = frame.type === 'message' && frame.room === room?.name && room.isReady(now) && !model.isMine(frame);
  model.receive(frame, about, now);
  if (isLive) announcer.announce(room.name, frame);
  if (frame.type === 'welcome') welcomed(frame);
  if (about?.what === 'rename') renamed(frame);
  act();
}

function welcomed({ token, user }) {
  if (typeof token === 'string') person.set('token', token);
  person.set('name', user.name);
}

/** A `hello` can only be refused for what the person or the storage put into it. */
function refusedAtHello({ code, field }) {
  if (field === 'token') person.set('token', null);
  if (code !== 'bad_name' && field !== 'name') return;
  session.stop();
  nameDialog.open(person.get('name', ''), true);
  nameDialog.fault(code);
}

function renamed(frame) {
  if (frame.type === 'error') {
    nameDialog.fault(frame.code);
    return;
  }
  person.set('name', frame.user.name);
  nameDialog.done();
}

function stateChanged({ name }) {
  if (name !== 'online') model.lost();
  touch('status');
}

// === What a person does ===

function named(name) {
  if (session.state.name === 'online') {
    session.request({ type: 'rename', name }, { what: 'rename' });
    return;
  }
  person.set('name', name);
  nameDialog.done();
  session.dial();
  touch('self');
}

function startOver() {
  person.set('token', null);
  session.dial();
}

function joinRoom(name) {
  if (!model.rooms.has(name) && !model.add(name)) return 'too_many_rooms';
  location.hash = hashOfRoom(name);
  drawers.close();
  act();
  return null;
}

function leaveRoom(name) {
  const names = [...model.rooms.keys()];
  const wasCurrent = model.current === name;
  ask(model.leave(name));
  drafts.keep(name, '');
  if (!wasCurrent) return;
  const next = names[names.indexOf(name) + 1] ?? names[names.indexOf(name) - 1];
  location.hash = next === undefined ? '#/' : hashOfRoom(next);
}

/** Takes the room from the address. */
function route() {
  routedHash = location.hash;
  const asked = roomOfHash(routedHash);
  const name = asked ? roomName(asked) : null;
  addressFault = asked && !name ? 'bad_name' : null;
  if (name && !model.add(name)) addressFault = 'too_many_rooms';
  model.open(addressFault ? null : name);
  if (drawers.open === 'side') drawers.close();
  act();
  if (matchMedia('(pointer: fine)').matches && !document.querySelector('dialog[open]')) composer.focus();
}

function typing() {
  const now = Date.now();
  if (now - typedAt < TYPING_EVERY_MS || model.room?.status !== 'joined') return;
  if (session.send({ type: 'typing', room: model.current })) typedAt = now;
}

function look() {
  model.look(!document.hidden && log.room === model.room && log.showsNewest);
  drawNewest();
  touch();
}

function turnRoom(step) {
  const names = [...model.rooms.keys()];
  const name = names[(names.indexOf(model.current) + step + names.length) % names.length];
  if (name !== undefined) location.hash = hashOfRoom(name);
}

// === The way out, and the way to the screen ===

function ask(request) {
  if (request) session.request(request.frame, request.about);
  touch();
}

let wakeTimer;

/** Does something to the model, sends what is due because of it, and has the rest drawn. */
function act(change) {
  change?.();
  const now = Date.now();
  for (const { frame, about } of model.asks(now)) session.request(frame, about);
  clearTimeout(wakeTimer);
  const wait = model.wakeAt(now) - now;
  if (Number.isFinite(wait)) {
    wakeTimer = setTimeout(() => act(() => model.expire(Date.now())), wait);
  }
  touch();
}

const dirty = new Set();
let frameAsked = false;

/** Has everything drawn that changed, with the next animation frame. */
function touch(...also) {
  for (const change of [...model.changes, ...also]) dirty.add(change);
  model.changes.clear();
  if (dirty.size === 0) return;
  // No frames come while the page is hidden, and that is when the title matters.
  if (document.hidden) drawUnread(model);
  rememberSoon();
  if (frameAsked) return;
  frameAsked = true;
  requestAnimationFrame(() => {
    frameAsked = false;
    draw();
  });
}

function draw() {
  const changed = new Set(dirty);
  dirty.clear();
  const { current } = model;
  if (changed.has('rooms') || changed.has('self')) {
    roomsView.draw(model);
    drawUnread(model);
    drawAddress();
  }
  if (changed.has('self') || changed.has('all')) drawSelf();
  if (changed.has('rooms') || changed.has('all') || changed.has(`log:${current}`)) {
    const isShown = blank.draw(model.room, addressFault);
    composer.turnTo(isShown ? current : null, current === null ? '' : drafts.of(current));
    log.draw(isShown ? model.room : null, model.self);
    drawNewest();
  }
  if (changed.has('people') || changed.has('self') || changed.has('rooms') || changed.has(`people:${current}`)) {
    peopleView.draw(model, drawers.showsPeople);
  }
  drawStatus();
}

let statusTimer;

function drawStatus() {
  clearTimeout(statusTimer);
  const goesOn = statusView.draw(session, model, performance.now());
  if (goesOn) statusTimer = setTimeout(drawStatus, 250);
}

/** The node may know the room by another spelling. A room that was asked for and not yet turned to is left alone. */
function drawAddress() {
  if (addressFault || model.current === null || location.hash !== routedHash) return;
  if (roomName(roomOfHash(routedHash)) === model.current) return;
  routedHash = hashOfRoom(model.current);
  history.replaceState(null, '', routedHash);
}

function drawNewest() {
  const unread = log.isAway ? model.room?.unread ?? 0 : 0;
  part('newest').hidden = !log.isAway;
  part('newest').classList.toggle('has-unread', unread > 0);
  part('newest').setAttribute('aria-label', unread > 0 ? `${t('newCount', { n: unread })}. ${t('newest')}` : t('newest'));
  setText(part('newest-count'), unread > 0 ? t('newCount', { n: unread }) : '');
}

function drawSelf() {
  const name = model.self?.name ?? person.get('name', '');
  setText(part('me-name'), name);
  paintAvatar(part('me-avatar'), { id: model.self?.id ?? '', name: name || '?' });
  part('not-kept').hidden = person.persistent;
}

/** Puts every fixed word of the page into the language that is spoken. */
function label() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll('[data-t]')) setText(element, t(element.dataset.t));
  for (const element of document.querySelectorAll('[data-label]')) {
    element.setAttribute('aria-label', t(element.dataset.label));
    if (element.localName === 'button') element.title = t(element.dataset.label);
  }
  for (const element of document.querySelectorAll('[data-title]')) element.title = t(element.dataset.title);
  for (const group of [part('languages'), part('name-languages')]) {
    group.replaceChildren(...Object.entries(LANGUAGES).map(([name, ownName]) => make('button', {
      type: 'button', lang: name, 'aria-pressed': String(name === language), on: { click: () => switchLanguage(name) },
    }, ownName)));
  }
  nameDialog.label();
}

async function switchLanguage(name) {
  const isFromDialog = part('name-languages').contains(document.activeElement);
  await speak(name);
  person.set('language', name);
  label();
  log.redraw();
  touch('all', 'self', 'rooms', 'people');
  part(isFromDialog ? 'name-languages' : 'languages').querySelector('[aria-pressed="true"]').focus();
}

let rememberTimer;

function rememberSoon() {
  rememberTimer ??= setTimeout(rememberNow, REMEMBER_AFTER_MS);
}

function rememberNow() {
  clearTimeout(rememberTimer);
  rememberTimer = undefined;
  remember(model, person, tab);
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  return btoa(String.fromCharCode(...bytes)).replace(/\+/gu, '-').replace(/\//gu, '_').replace(/=/gu, '');
}

function newDay() {
  log.redraw();
  setTimeout(newDay, untilMidnight(Date.now()));
}

function listen() {
  part('me').addEventListener('click', () => nameDialog.open(model.self?.name ?? person.get('name', ''), false));
  part('room-add').addEventListener('click', () => roomDialog.open());
  part('newest').addEventListener('click', () => {
    log.goToEnd();
    composer.focus();
  });
  addEventListener('hashchange', route);
  addEventListener('online', () => session.prove());
  addEventListener('pageshow', () => session.prove());
  addEventListener('pagehide', rememberNow);
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) session.prove();
    look();
    touch('rooms');
  });
  document.addEventListener('keydown', (event) => {
    if (document.querySelector('dialog[open]') || event.isComposing) return;
    if (event.altKey && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
      event.preventDefault();
      turnRoom(event.key === 'ArrowUp' ? -1 : 1);
    } else if (event.key === 'Escape' && log.room) {
      log.goToEnd();
    }
  });
}

async function start() {
  await speak(languageOf([person.get('language'), ...navigator.languages ?? [navigator.language]]));
  label();
  recall(model, person, tab, person.get('rooms', [FIRST_ROOM]));
  const known = person.get('room') ?? [...model.rooms.keys()][0];
  if (!roomOfHash(location.hash) && known !== undefined) history.replaceState(null, '', hashOfRoom(known));
  listen();
  route();
  touch('self', 'rooms', 'people', 'status');
  setTimeout(newDay, untilMidnight(Date.now()));
  if (person.get('name')) session.dial();
  else nameDialog.open('', true);
}

start();

// Joins the parts: frames go from the session to the model, changes from the model to the views, and what a
// person does the other way. Nothing is decided here that one of them could decide.

import { Address } from './address.js';
import { languageOf, speak } from './i18n.js';
import { Identity } from './identity.js';
import { Drafts, Memory } from './memory.js';
import { Model } from './model/model.js';
import { Naming } from './naming.js';
import { Session } from './session.js';
import { Store } from './store.js';
import { untilMidnight } from './time.js';
import { Announcer } from './view/announcer.js';
import { Blank } from './view/blank.js';
import { Composer } from './view/composer.js';
import { copyMessages } from './view/copy.js';
import { RoomDialog } from './view/dialogs.js';
import { part } from './view/dom.js';
import { Drawers } from './view/drawers.js';
import { Labels } from './view/labels.js';
import { Log } from './view/log.js';
import { People } from './view/people.js';
import { Rooms } from './view/rooms.js';
import { Screen } from './view/screen.js';
import { Status } from './view/status.js';
import { followKeyboard } from './view/viewport.js';

const FIRST_ROOM = 'lobby';

const person = new Store(() => window.localStorage, () => touch('self'));
const tab = new Store(() => window.sessionStorage, () => touch('self'));
const drafts = new Drafts(person);
const identity = new Identity(person);
const model = new Model();
const address = new Address(model);
const memory = new Memory(model, person, tab, leaveRoom);
const session = new Session({
  url: new URL('ws', location.href.split('#')[0]).href.replace(/^http/u, 'ws'),
  hello: () => identity.hello(),
  onFrame: receive,
  onState: stateChanged,
});

const naming = new Naming({ identity, session, model, onChange: () => touch('self') });
const announcer = new Announcer();
const roomDialog = new RoomDialog({ onRoom: joinRoom });
const drawers = new Drawers({
  peopleOpen: person.get('people', true),
  onPeople(open) {
    person.set('people', open);
    touch('people');
  },
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
  onUnfold() {
    log.stay();
    log.box.focus({ preventScroll: true });
  },
  onMove: () => touch(`log:${model.current}`),
  onLook: look,
});
const composer = new Composer({
  onSend(text) {
    act(() => model.write(text, Date.now()));
    log.goToEnd();
  },
  onDraft: (room, text) => drafts.keep(room, text),
  onType() {
    const frame = model.askTyping(Date.now());
    if (frame) session.send(frame);
  },
  limit: () => model.limits.text,
});
const labels = new Labels({
  onSpeak(name) {
    person.set('language', name);
    naming.dialog.label();
    log.redraw();
    touch('all', 'self', 'rooms', 'people');
  },
});
const screen = new Screen({
  model, session, identity, address, drafts, drawers, composer, log,
  stores: [person, tab],
  rooms: new Rooms({ onLeave: leaveRoom }),
  people: new People({ onMore: () => ask(model.askMembers()) }),
  status: new Status({ onTry: () => session.dial(), onStartOver: () => naming.startOver() }),
  blank: new Blank({
    onAdd: () => roomDialog.open(),
    onRetry: (room) => act(() => model.retryRoom(room)),
    onRemove: leaveRoom,
  }),
  onTouch: () => memory.keepSoon(),
});

// === What arrives ===

function receive(frame, about) {
  if (frame.type === 'error' && session.state.name === 'connecting') {
    naming.refused(frame);
    return;
  }
  const now = Date.now();
  const { room } = model;
  const isLive = frame.type === 'message' && frame.room === room?.name && room.isReady(now) && !model.isMine(frame);
  model.receive(frame, about, now);
  if (isLive) announcer.announce(room.name, frame);
  if (frame.type === 'welcome') identity.welcomed(frame);
  if (about?.what === 'rename') naming.answered(frame);
  act();
}

function stateChanged({ name }) {
  if (name !== 'online') model.lost();
  touch('status');
}

/** Another window of this person has stored something. */
function stored(name) {
  naming.stored(name);
  if (name === 'rooms' || name === 'read') memory.follow();
  act();
}

// === What a person does ===

function joinRoom(name) {
  if (!model.add(name)) return 'too_many_rooms';
  address.turnTo(name);
  drawers.close();
  act();
  return null;
}

function leaveRoom(name) {
  const names = [...model.rooms.keys()];
  const wasCurrent = model.current === name;
  ask(model.leave(name));
  drafts.keep(name, '');
  if (wasCurrent) address.turnTo(names[names.indexOf(name) + 1] ?? names[names.indexOf(name) - 1] ?? null);
}

function turned() {
  address.route();
  announcer.hush();
  if (drawers.open === 'side') drawers.close();
  act();
  if (matchMedia('(pointer: fine)').matches && !document.querySelector('dialog[open]')) composer.focus();
}

function look() {
  act(() => model.look(!document.hidden && log.room === model.room, log.view));
  screen.drawNewest();
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

function touch(...changes) {
  screen.touch(...changes);
}

function everyDay(onDay) {
  setTimeout(() => {
    onDay();
    everyDay(onDay);
  }, untilMidnight(Date.now()));
}

function listen() {
  part('me').addEventListener('click', () => naming.ask());
  part('room-add').addEventListener('click', () => roomDialog.open());
  part('newest').addEventListener('click', () => {
    log.goToEnd();
    composer.focus();
  });
  followKeyboard();
  document.addEventListener('copy', copyMessages);
  person.follow(stored);
  addEventListener('hashchange', turned);
  addEventListener('online', () => session.prove());
  addEventListener('pageshow', () => session.prove());
  addEventListener('pagehide', () => memory.keep());
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) session.prove();
    look();
    touch('rooms');
  });
  document.addEventListener('keydown', (event) => {
    if (document.querySelector('dialog[open]') || event.isComposing) return;
    if (event.altKey && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
      event.preventDefault();
      address.step(event.key === 'ArrowUp' ? -1 : 1);
    } else if ((event.key === 'Escape' || (event.key === 'End' && event.target === log.box)) && log.room) {
      // The browser's own way to the end is slow, and ends where the end was.
      if (event.key === 'End') event.preventDefault();
      log.goToEnd();
    }
  });
}

async function start() {
  await speak(languageOf([person.get('language'), ...navigator.languages ?? [navigator.language]]));
  labels.draw();
  naming.dialog.label();
  memory.recall([FIRST_ROOM]);
  address.begin(person.get('room') ?? [...model.rooms.keys()][0]);
  listen();
  turned();
  touch('self', 'rooms', 'people', 'status');
  everyDay(() => log.redraw());
  naming.begin();
}

start();

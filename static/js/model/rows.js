// What a stretch of a room looks like, line by line, before any of it is drawn.
//
// Lines have an identity (`id`) and a `mark` that changes when anything visible about them does, so that the view
// redraws only what changed and never a line that stayed the same.

import { sharedNames } from '../names.js';
import { dayOf } from '../time.js';

/** Messages of one person that follow each other within this stand together under one name. */
const TOGETHER_MS = 5 * 60_000;

/**
 * `first` and `last` are those of a group, `timed` shows its time, `state` is that of an own message that is no entry
 * yet, `isShared` says that the name is somebody else's too.
 * @typedef {{id: string, what: 'message'|'day'|'gap'|'withdrawn'|'new', mark: string, item?: object, first?: boolean, last?: boolean, timed?: boolean, own?: boolean, state?: string, isShared?: boolean, at?: number}} Row
 */

/**
 * Returns the rows of some of a room's items and sends.
 * @returns {Row[]}
 */
export function rowsOf(room, items, self) {
  const rows = [];
  let day = null;
  let at = 0;
  let isDivided = room.divider === null;
  const days = new Set();

  const addDay = () => {
    const today = dayOf(at);
    if (today === day) return;
    day = today;
    if (!days.has(day)) rows.push({ id: `d:${day}`, what: 'day', at, mark: day });
    days.add(day);
  };
  const addMessage = (item, own, state) => {
    // The order is the room's; a clock that goes back does not bring yesterday back.
    at = Math.max(at, item.at);
    addDay();
    if (!own) divide(item.seq);
    rows.push({ id: item.id, what: 'message', item, own, state, user: item.user ?? self, at: item.at });
  };
  const divide = (seq) => {
    if (isDivided || seq <= room.divider) return;
    isDivided = true;
    rows.push({ id: 'new', what: 'new', mark: '' });
  };

  for (const item of items) {
    if (item.what === 'message') addMessage(item, item.own === true || item.user.id === self?.id, undefined);
    else if (item.what === 'withdrawn') rows.push({ id: item.id, what: 'withdrawn', item, mark: `${item.n}` });
    else if (item.what === 'gap') {
      divide(item.to);
      rows.push({ id: item.id, what: 'gap', item, mark: gapMark(item) });
    } else addMessage(item, true, item.state);
  }
  tell(rows, room.people.members);
  group(rows, room.sends.pauseCode);
  return rows;
}

const gapMark = (gap) => `${gap.from} ${gap.to} ${gap.reason} ${gap.loading}`;

/** Marks the messages of those who share their name with somebody else here. */
function tell(rows, members) {
  const speakers = rows.flatMap(({ user }) => user ?? []);
  const shared = sharedNames([...members.values(), ...speakers]);
  for (const row of rows) row.isShared = !row.own && shared.has(row.user?.name);
}

/** Marks where groups begin and end, and with that what each message row looks like. */
function group(rows, pauseCode) {
  let isNoted = false;
  rows.forEach((row, index) => {
    if (row.what !== 'message') return;
    row.first = !isTogether(rows[index - 1], row);
    row.last = !isTogether(row, rows[index + 1]);
    const next = rows[index + 1];
    row.timed = row.last || row.state !== next.state || Math.floor(row.at / 60_000) !== Math.floor(next.at / 60_000);
    const { item, state } = row;
    row.note = item.error?.code ?? null;
    // The reason of a pause stands once, at the first message that waits for its end.
    if (state === 'waiting' && !isNoted) {
      row.note = pauseCode;
      isNoted = true;
    }
    row.mark = [row.first, row.last, row.timed, row.own, state, row.note, row.user?.name, row.isShared, item.at, item.text].join('\u0000');
  });
}

function isTogether(one, next) {
  if (one?.what !== 'message' || next?.what !== 'message') return false;
  const isSame = one.own === next.own && one.user?.id === next.user?.id && one.user?.name === next.user?.name;
  return isSame && Math.abs(next.at - one.at) < TOGETHER_MS;
}

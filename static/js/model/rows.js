// What a stretch of a room looks like, line by line, before any of it is drawn.
//
// Lines have an identity (`id`) and a `mark` that changes when anything visible about them does, so that the view
// redraws only what changed and never a line that stayed the same.

import { dayOf } from '../time.js';

/** Messages of one person that follow each other within this stand together under one name. */
const TOGETHER_MS = 5 * 60_000;

/**
 * @typedef {object} Row
 * @property {string} id
 * @property {'message'|'day'|'gap'|'withdrawn'|'new'} what
 * @property {string} mark
 * @property {object} [item]  the entry, send, gap or withdrawal that it shows
 * @property {boolean} [first]  of its group: avatar and name
 * @property {boolean} [last]  of its group or of its minute: time
 * @property {boolean} [own]
 * @property {'waiting'|'sent'|'failed'|'ask'} [state]  of an own message that is no entry yet
 * @property {number} [at]
 */

/**
 * Returns the rows of some items of a room, and of its sends if `withSends`.
 * @param {object} room
 * @param {{items: object[], withSends: boolean, self: object|null}} part
 * @returns {Row[]}
 */
export function rowsOf(room, { items, withSends, self }) {
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
    if (!isDivided && item.seq > room.divider) {
      isDivided = true;
      rows.push({ id: 'new', what: 'new', mark: '' });
    }
    rows.push({ id: item.id, what: 'message', item, own, state, user: item.user ?? self, at: item.at });
  };

  for (const item of items) {
    if (item.what === 'message') addMessage(item, item.own === true || item.user.id === self?.id, undefined);
    else if (item.what === 'gap') rows.push({ id: item.id, what: 'gap', item, mark: gapMark(item) });
    else rows.push({ id: item.id, what: 'withdrawn', item, mark: `${item.entries.length}` });
  }
  if (withSends) for (const send of room.sends.items) addMessage(send, true, send.state);
  group(rows, room.sends.pauseCode);
  return rows;
}

const gapMark = (gap) => `${gap.from} ${gap.to} ${gap.reason} ${gap.loading}`;

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
    row.mark = [row.first, row.last, row.timed, row.own, state, row.note, row.user?.name, item.at, item.text].join('\u0000');
  });
}

function isTogether(one, next) {
  if (one?.what !== 'message' || next?.what !== 'message') return false;
  const isSame = one.own === next.own && one.user?.id === next.user?.id && one.user?.name === next.user?.name;
  return isSame && Math.abs(next.at - one.at) < TOGETHER_MS;
}

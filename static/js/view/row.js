// How one line of a conversation is drawn.

import { errorText, language, t } from '../i18n.js';
import { isPicture, linkParts } from '../text.js';
import { dayNameOf, dayOf, momentOf, timeOf } from '../time.js';
import { avatar, icon, make, textButton } from './dom.js';

/** Entries of a withdrawal that can be looked at again. */
const WITHDRAWN_SHOWN = 50;

/**
 * Draws a row into its list item.
 * @param {HTMLLIElement} item
 * @param {import('../model/rows.js').Row} row
 * @param {{onRetry: Function, onDiscard: Function, onEdit: Function, onGap: Function}} actions
 */
export function drawRow(item, row, actions) {
  item.className = `row ${row.what}`;
  DRAWN[row.what](item, row, actions);
}

/** Returns what a text becomes on the page: text, with its links as links. */
export function textNodes(text) {
  return linkParts(text).map(({ text: part, href }) => (href
    ? make('a', { href, target: '_blank', rel: 'noopener noreferrer nofollow' }, part)
    : part));
}

const DRAWN = {
  day(item, { at }) {
    item.replaceChildren(make('time', { class: 'chip', datetime: dayOf(at) }, dayNameOf(at, Date.now(), language)));
  },

  new(item) {
    item.replaceChildren(make('span', { class: 'new-line' }, t('newLine')));
  },

  gap(item, { item: gap }, { onGap }) {
    const n = gap.to - gap.from + 1;
    const isGone = gap.reason === 'trimmed';
    const button = isGone ? null : textButton(t(gap.loading ? 'loading' : 'loadGap'), () => onGap(gap), gap.loading);
    item.replaceChildren(notice('cut', t(isGone ? 'gapTrimmed' : 'gapSkipped', { n }), button));
  },

  withdrawn(item, { item: { entries } }) {
    const shown = entries.slice(-WITHDRAWN_SHOWN).map(({ user, text }) => make(
      'li', {}, make('bdi', {}, user?.name ?? ''), ' ', make('span', { dir: 'auto' }, text ?? ''),
    ));
    const details = make('details', {}, make('summary', {}, t('showWithdrawn')), make('ul', {}, ...shown));
    item.replaceChildren(notice('back', t('withdrawn', { n: entries.length }), details));
  },

  message(item, row, actions) {
    const { first, last, own, state } = row;
    item.classList.toggle('own', own);
    item.classList.toggle('first', first);
    item.classList.toggle('last', last);
    item.classList.toggle('timed', row.timed);
    if (state) item.classList.add(state);
    item.replaceChildren(
      own ? '' : make('span', { class: 'face' }, first ? avatar(row.user) : ''),
      make('div', { class: 'body' }, who(row), make('div', { class: 'line' }, bubble(row), meta(row)), note(row, actions)),
    );
  },
};

function notice(symbol, text, more) {
  return make('div', { class: 'notice' }, icon(symbol), make('span', {}, text), more);
}

/** The name above a group. It stands before every message for those who listen, and in what is copied. */
function who({ first, own, user }) {
  const isSeen = first && !own;
  const bot = user?.bot ? make('span', { class: 'tag' }, t('bot')) : null;
  return make('p', { class: isSeen ? 'who' : 'who unseen' }, make('bdi', {}, user?.name ?? ''), bot);
}

function bubble({ item }) {
  if (typeof item.text !== 'string') return make('div', { class: 'bubble strange' }, t('unknownKind'));
  if (isPicture(item.text)) return make('div', { class: 'bubble picture' }, item.text);
  return make('div', { class: 'bubble', dir: 'auto' }, ...textNodes(item.text));
}

function meta({ at, state }) {
  const moment = new Date(at);
  const time = make('time', { datetime: moment.toISOString(), title: momentOf(at, language) }, timeOf(at, language));
  const mark = MARKS[state];
  const isStuck = state === 'failed' || state === 'ask';
  return make('span', { class: 'meta' }, mark ? icon(mark, t(state)) : null, isStuck ? null : time);
}

const MARKS = { waiting: 'clock', sent: 'check', failed: 'alert', ask: 'alert' };

/** What is to be said about an own message that has not arrived, and what can be done about it. */
function note({ item, state, note: code }, { onRetry, onDiscard, onEdit }) {
  if (state === 'waiting') return code ? make('p', { class: 'note' }, `${errorText(code)} ${t('later')}`) : null;
  if (state !== 'failed' && state !== 'ask') return null;
  const action = (name, act) => textButton(t(name), () => act(item));
  const text = state === 'ask' ? t('ask') : `${t('failed')}. ${errorText(code)}`;
  const actions = [action('retry', onRetry), action('edit', onEdit), action('discard', onDiscard)];
  return make('p', { class: 'note' }, text, ' ', ...actions);
}

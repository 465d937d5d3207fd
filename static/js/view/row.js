// How one line of a conversation is drawn.

import { errorText, language, t } from '../i18n.js';
import { tagOf } from '../names.js';
import { isPicture, linkParts } from '../text.js';
import { dayNameOf, dayOf, momentOf, timeOf } from '../time.js';
import { avatar, icon, make, tags, textButton } from './dom.js';

/** Characters and lines from which on only the beginning of a text is shown at first. */
const LONG = 1_500;
const LONG_LINES = 25;
/** Messages that somebody wanted to see whole. */
const unfolded = new WeakSet();
/** What the rows on the screen were drawn from. */
const marks = new WeakMap();
/** A text is of the language of its first letter, as its direction is. */
const KOREAN = /^\P{L}*\p{Script=Hangul}/u;

/**
 * Draws a row into its list item.
 * @param {Record<'onRetry'|'onDiscard'|'onEdit'|'onGap'|'onUnfold', Function>} actions
 */
export function drawRow(item, row, actions) {
  item.className = `row ${row.what}`;
  DRAWN[row.what](item, row, actions);
}

/** What a text becomes on the page: text, with its links as links. */
function textNodes(text) {
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
    if (gap.reason === 'aside') {
      item.replaceChildren(notice('cut', t('loading')));
      return;
    }
    const n = gap.to - gap.from + 1;
    const isGone = gap.reason === 'trimmed';
    const button = !isGone && textButton(t(gap.loading ? 'loading' : 'loadGap'), () => onGap(gap), gap.loading);
    item.replaceChildren(notice('cut', t(isGone ? 'gapTrimmed' : 'gapSkipped', { n }), button));
  },

  withdrawn(item, { item: { entries, n } }) {
    const shown = entries.map(({ user, text }) => make(
      'li', {}, make('bdi', {}, user?.name ?? ''), ' ', make('span', { dir: 'auto' }, text ?? ''),
    ));
    const details = make('details', {}, make('summary', {}, t('showWithdrawn')), make('ul', {}, ...shown));
    item.replaceChildren(notice('back', t('withdrawn', { n }), details));
  },

  message(item, row, actions) {
    const { first, own, state, user } = row;
    for (const name of ['own', 'first', 'last', 'timed']) item.classList.toggle(name, row[name]);
    if (state) item.classList.add(state);
    // Where a group ends is a matter of style: what somebody selects is not drawn anew for it.
    const mark = JSON.stringify([first, own, state, row.note, user?.name, row.isShared, row.at, row.item.text]);
    if (marks.get(item) === mark) return;
    marks.set(item, mark);
    item.replaceChildren(
      own ? '' : make('span', { class: 'face' }, first ? avatar(user) : ''),
      make('div', { class: 'body' }, who(row), make('div', { class: 'line' }, bubble(row), meta(row)), fold(row, actions), note(row, actions)),
    );
  },
};

function notice(symbol, text, more) {
  return make('div', { class: 'notice' }, icon(symbol), make('span', {}, text), more);
}

/** The name above a group. It stands before every message for those who listen, and in what is copied. */
function who({ first, own, user, isShared }) {
  const name = make('bdi', {}, user?.name ?? '');
  return make('p', { class: first && !own ? 'who' : 'who unseen' }, name, ...tags(isShared && tagOf(user.id), user?.bot && t('bot')));
}

function bubble({ item }) {
  if (typeof item.text !== 'string') return make('div', { class: 'bubble strange' }, t('unknownKind'));
  if (isPicture(item.text)) return make('div', { class: 'bubble picture' }, item.text);
  const properties = { class: isFolded(item) ? 'bubble folded' : 'bubble', dir: 'auto', lang: KOREAN.test(item.text) && 'ko' };
  return make('div', properties, ...textNodes(item.text));
}

function isFolded(item) {
  if (typeof item.text !== 'string' || unfolded.has(item)) return false;
  return item.text.length > LONG || item.text.split('\n').length > LONG_LINES;
}

/** The way to the rest of a long text. */
function fold({ item }, { onUnfold }) {
  if (!isFolded(item)) return null;
  return textButton(t('showAll'), ({ target }) => {
    unfolded.add(item);
    target.closest('.body').querySelector('.bubble').classList.remove('folded');
    target.remove();
    onUnfold();
  });
}

function meta({ at, state }) {
  const isStuck = state === 'failed' || state === 'ask';
  const time = { datetime: new Date(at).toISOString(), title: momentOf(at, language) };
  return make('span', { class: 'meta' }, state && icon(MARKS[state], t(state)), !isStuck && make('time', time, timeOf(at, language)));
}

const MARKS = { waiting: 'clock', sent: 'check', failed: 'alert', ask: 'alert' };

/** What is to be said about an own message that has not arrived, and what can be done about it. */
function note({ item, state, note: code }, { onRetry, onDiscard, onEdit }) {
  if (state === 'waiting') return code ? make('p', { class: 'note' }, `${errorText(code)} ${t('later')}`) : null;
  if (state !== 'failed' && state !== 'ask') return null;
  const actions = Object.entries({ retry: onRetry, edit: onEdit, discard: onDiscard });
  const text = state === 'ask' ? t('ask') : `${t('failed')}. ${errorText(code)}`;
  return make('p', { class: 'note' }, text, ' ', ...actions.map(([name, act]) => textButton(t(name), () => act(item))));
}

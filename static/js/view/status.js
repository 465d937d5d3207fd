// How it stands with the session: a dot and a word that are always there, a banner only when it matters.

import { closeText, errorText, t } from '../i18n.js';
import { make, part, setText, textButton } from './dom.js';

/** A cut shorter than this, in ms, shows nothing but the pending mark at one's messages. */
const UNSEEN_CUT_MS = 1_500;

const WORDS = { online: 'statusOnline', degraded: 'statusDegraded', connecting: 'statusConnecting', idle: 'statusConnecting' };

/** The state line and the banner. */
export class Status {
  /** @param {{onTry: () => void, onStartOver: () => void}} actions */
  constructor(actions) {
    this.actions = actions;
    this.banner = part('banner');
    this.wasOnline = false;
    this.drawn = '';
  }

  /** Draws both. `now` is the session's clock. Returns true while it wants to be drawn again each second. */
  draw({ state }, model, now) {
    const isOnline = state.name === 'online';
    this.wasOnline ||= isOnline;
    const isUnseen = this.wasOnline && (state.name === 'waiting' || state.name === 'connecting') && (state.told || now - state.since < UNSEEN_CUT_MS);
    part('dot').classList.toggle('steady', isUnseen);
    part('dot').dataset.state = isOnline ? (model.degraded ? 'degraded' : 'online') : state.name;
    if (!isUnseen) {
      setText(part('state'), t(WORDS[part('dot').dataset.state] ?? 'statusWaiting'));
      setText(part('node'), isOnline && model.node ? model.node : '');
    }
    part('node').title = model.node ? t('node', { node: model.node }) : '';
    this.#drawBanner(...this.#message(state, model, now) ?? []);
    return !isOnline && state.name !== 'idle';
  }

  #message(state, model, now) {
    if (state.name === 'closed') {
      const action = state.code === 4005 ? ['startOver', this.actions.onStartOver] : ['reload', () => location.reload()];
      return ['alert', closeText(state.code), '', action];
    }
    const isCut = (state.name === 'waiting' && !state.told) || state.name === 'connecting';
    if (isCut && now - state.since >= UNSEEN_CUT_MS) {
      const s = state.name === 'waiting' ? Math.max(0, Math.ceil((state.retryAt - now) / 1000)) : 0;
      if (!this.wasOnline && state.name === 'connecting') return ['calm', t('statusFirst'), '', null];
      return ['calm', t('statusRetry', { s }), t('keepWriting'), ['tryNow', this.actions.onTry], true];
    }
    if (model.degraded) return ['calm', t('degraded'), '', null];
    const { room } = model;
    if (room?.status === 'new' && room.error) return ['calm', errorText(room.error.code), t('later'), null];
    return null;
  }

  #drawBanner(kind, text, hint, action, counts) {
    // The countdown changes each second, the button stays where the finger is, and who listens is told only once.
    const mark = [kind, hint, action?.[0], counts, t('reload')].join('\u0000');
    if (mark !== this.drawn) {
      this.drawn = mark;
      this.banner.className = kind ? `banner ${kind}` : 'banner';
      this.banner.replaceChildren(...(kind ? this.#content(hint, action, counts) : []));
    }
    if (kind) setText(this.banner.querySelector('.banner-text'), text);
  }

  #content(hint, action, counts) {
    const words = make(
      'span', { class: 'banner-words' },
      counts && make('span', { class: 'unseen' }, t('statusWaiting')),
      make('span', { class: 'banner-text', 'aria-hidden': counts && 'true' }),
      hint && make('span', { class: 'banner-hint' }, hint),
    );
    return action ? [words, textButton(t(action[0]), action[1])] : [words];
  }
}

// The way from the model to the screen: the model changes when something arrives, the DOM once per animation frame.

import { t } from '../i18n.js';
import { paintAvatar, part, setText } from './dom.js';
import { holdFocus } from './focus.js';
import { drawUnread } from './rooms.js';

/** Draws what changed. */
export class Screen {
  /** @param {object} parts  model, session, views and what else they are drawn from */
  constructor(parts) {
    Object.assign(this, parts);
    this.dirty = new Set();
    this.isAsked = false;
  }

  /** Has everything drawn that changed, with the next animation frame. */
  touch(...also) {
    const { model, dirty } = this;
    for (const change of [...model.changes, ...also]) dirty.add(change);
    model.changes.clear();
    if (dirty.size === 0) return;
    // No frames come while the page is hidden, and that is when the title matters.
    if (document.hidden) drawUnread(model);
    this.onTouch();
    if (this.isAsked) return;
    this.isAsked = true;
    requestAnimationFrame(() => {
      // What fails to be drawn must not keep the rest from it.
      try {
        holdFocus(() => this.#draw());
      } finally {
        this.isAsked = false;
      }
      this.touch();
    });
  }

  #draw() {
    const { model, dirty, drawers } = this;
    const { current } = model;
    const changed = new Set(dirty);
    dirty.clear();
    const has = (...changes) => changes.some((change) => changed.has(change));
    if (has('rooms', 'all', `log:${current}`)) this.#drawLog();
    // What was drawn is read by that, and never counted on the screen.
    if (dirty.delete('unread')) changed.add('unread');
    dirty.delete('read');
    if (has('rooms', 'self', 'unread')) {
      this.rooms.draw(model);
      drawUnread(model);
      this.address.draw();
      this.drawNewest();
    }
    if (has('self', 'all')) this.#drawSelf();
    if (has('people', 'self', 'rooms', `people:${current}`)) this.people.draw(model, drawers.showsPeople);
    this.#drawStatus();
  }

  #drawLog() {
    const { model, composer, drafts } = this;
    const isShown = this.blank.draw(model.room, this.address.fault);
    const room = isShown ? model.current : null;
    composer.turnTo(room, room === null || room === composer.room ? '' : drafts.of(room));
    this.log.draw(isShown ? model.room : null, model.self);
    this.drawNewest();
  }

  #drawStatus() {
    clearTimeout(this.timer);
    const goesOn = this.status.draw(this.session, this.model, performance.now());
    if (goesOn) this.timer = setTimeout(() => holdFocus(() => this.#drawStatus()), 250);
  }

  /** Draws the way to the newest entry. */
  drawNewest() {
    const { isAway } = this.log;
    const unread = isAway ? this.model.room?.unread ?? 0 : 0;
    const button = part('newest');
    holdFocus(() => { button.hidden = !isAway; });
    button.classList.toggle('has-unread', unread > 0);
    button.setAttribute('aria-label', unread > 0 ? `${t('newCount', { n: unread })}. ${t('newest')}` : t('newest'));
    setText(part('newest-count'), unread > 0 ? t('newCount', { n: unread }) : '');
  }

  #drawSelf() {
    const { self } = this.model;
    const name = self?.name ?? this.identity.name;
    setText(part('me-name'), name);
    paintAvatar(part('me-avatar'), { id: self?.id ?? '', name: name || '?' });
    part('not-kept').hidden = this.stores.every((store) => store.persistent);
  }
}

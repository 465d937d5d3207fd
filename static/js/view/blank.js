// What stands in place of a conversation where there is none: no room, or one that cannot be joined.

import { errorText, t } from '../i18n.js';
import { emptyYard, make, part } from './dom.js';

/** The page without a conversation. */
export class Blank {
  /** @param {{onAdd: Function, onRetry: Function, onRemove: Function}} actions */
  constructor(actions) {
    this.actions = actions;
    this.element = part('blank');
    this.drawn = '';
  }

  /** Draws what is to be said, and returns true if a conversation is to be shown. `fault` is a code about the address. */
  draw(room, fault) {
    const isOut = room?.status === 'refused' || room?.status === 'left';
    const mark = room === null || isOut ? [room?.name, room?.status, room?.error?.code, fault, t('join')].join('\u0000') : '';
    if (mark !== this.drawn) {
      this.drawn = mark;
      this.element.replaceChildren(...(mark ? this.#content(room, isOut, fault) : []));
    }
    this.element.hidden = !mark;
    return !mark;
  }

  #content(room, isOut, fault) {
    const { onAdd, onRetry, onRemove } = this.actions;
    const button = (name, kind, click) => make('button', { class: kind, type: 'button', on: { click } }, t(name));
    const page = (title, hint, ...buttons) => [...emptyYard(title, hint), make('div', { class: 'actions centered' }, ...buttons)];
    if (room === null) {
      const add = button('addRoom', 'main-button', onAdd);
      if (fault === null) return page(t('noRoomTitle'), t('noRoomHint'), add);
      return page(t('roomRefused'), fault === 'bad_name' ? t('badRoomName') : errorText(fault), add);
    }
    const isRefused = room.status === 'refused';
    return page(t(isRefused ? 'roomRefused' : 'roomLeft'), isRefused ? errorText(room.error?.code) : '',
      button('remove', 'quiet-button', () => onRemove(room.name)),
      button(isRefused ? 'tryAgain' : 'joinAgain', 'main-button', () => onRetry(room)));
  }
}

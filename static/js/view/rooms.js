// The list of rooms with what is unread in each.

import { t } from '../i18n.js';
import { hashOfRoom } from '../names.js';
import { icon, make, part, setText } from './dom.js';

/** The list of joined rooms. */
export class Rooms {
  /** @param {{onLeave: (name: string) => void}} actions */
  constructor(actions) {
    this.actions = actions;
    this.list = part('rooms');
    this.drawn = '';
  }

  /** Draws the list, if anything about it changed. */
  draw(model) {
    const isOut = ({ status }) => status === 'refused' || status === 'left';
    const seen = Array.from(model.rooms.values(), (room) => [room.name, room.unread, isOut(room), room.name === model.current]);
    const mark = JSON.stringify([seen, t('leave', { room: '' })]);
    if (mark === this.drawn) return;
    this.drawn = mark;
    const focused = document.activeElement?.closest('#rooms li')?.dataset.room;
    this.list.replaceChildren(...seen.map(([name, unread, isOut, isCurrent]) => this.#item(name, unread, isOut, isCurrent)));
    if (focused !== undefined) this.list.querySelector(`li[data-room="${CSS.escape(focused)}"] a`)?.focus();
    const elsewhere = seen.some(([, unread, , isCurrent]) => unread > 0 && !isCurrent);
    part('menu-pip').hidden = !elsewhere;
  }

  #item(name, unread, isOut, isCurrent) {
    const link = make(
      'a', { href: hashOfRoom(name), 'aria-current': isCurrent && 'page' },
      make('span', { class: 'hash', 'aria-hidden': 'true' }, '#'),
      make('bdi', { class: 'room-label' }, name),
      isOut ? icon('alert') : badge(unread),
    );
    const title = t('leave', { room: name });
    const click = () => this.actions.onLeave(name);
    const leave = make('button', { class: 'icon-button leave', type: 'button', 'aria-label': title, title, on: { click } }, icon('close'));
    return make('li', { data: { room: name }, class: unread > 0 ? 'has-unread' : null }, link, leave);
  }
}

function badge(unread) {
  if (unread === 0) return null;
  return make('span', { class: 'badge', 'aria-label': t('unread', { n: unread }) }, unread > 99 ? '99+' : String(unread));
}

/** Shows the number of unread messages where the page is not in view: its title and its icon. */
export function drawUnread(model) {
  const { unread } = model;
  const room = model.current ? `${model.current} · madang` : 'madang';
  const title = unread > 0 ? `(${unread}) ${room}` : room;
  if (document.title !== title) document.title = title;
  const link = document.querySelector('link[rel="icon"]');
  const href = unread > 0 && document.hidden ? 'icon-new.svg' : 'icon.svg';
  if (link.getAttribute('href') !== href) link.setAttribute('href', href);
  setText(part('room-name'), model.current ?? 'madang');
}

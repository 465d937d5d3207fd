// The members of the room in view, and who is typing in it.

import { language, t } from '../i18n.js';
import { avatar, make, part, setText } from './dom.js';

/** Members drawn at once; beyond it the count says the rest. */
const SHOWN_MAX = 500;

/** Draws count, list and the typing line of the room in view. */
export class People {
  /** @param {{onMore: () => void}} actions */
  constructor({ onMore }) {
    this.list = part('members');
    this.more = part('members-more');
    this.more.addEventListener('click', onMore);
    this.drawn = '';
  }

  /** @param {boolean} isOpen  the list itself is drawn only while it can be seen */
  draw(model, isOpen) {
    const people = model.room?.people;
    part('people-toggle').hidden = !people || people.count === 0;
    setText(part('typing'), people ? typingText(people) : '');
    setText(part('people-total'), people?.count ? String(people.count) : '');
    if (!people) {
      this.list.replaceChildren();
      this.drawn = '';
      this.more.hidden = true;
      return;
    }
    setText(part('people-count'), String(people.count));
    part('people-toggle').setAttribute('aria-label', t('membersCount', { n: people.count }));
    part('people-toggle').title = t('membersCount', { n: people.count });
    if (!isOpen) return;
    const members = sorted([...people.members.values()], model.self).slice(0, SHOWN_MAX);
    const mark = JSON.stringify([members, model.self?.id, language]);
    if (mark !== this.drawn) {
      this.drawn = mark;
      const names = new Map();
      for (const { name } of members) names.set(name, (names.get(name) ?? 0) + 1);
      this.list.replaceChildren(...members.map((user) => member(user, user.id === model.self?.id, names.get(user.name) > 1)));
    }
    this.more.hidden = !people.hasMore || members.length >= SHOWN_MAX;
    this.more.disabled = people.loading;
  }
}

/** One member. Two of one name are told apart by the end of their id. */
function member(user, isSelf, isDouble) {
  return make('li', {}, avatar(user), make('bdi', { class: 'member-name' }, user.name),
    isDouble ? make('span', { class: 'tag' }, user.id.slice(-4)) : null,
    isSelf ? make('span', { class: 'tag' }, t('you')) : null,
    user.bot ? make('span', { class: 'tag' }, t('bot')) : null);
}

function sorted(members, self) {
  const order = new Intl.Collator(language).compare;
  return members.sort((a, b) => (b.id === self?.id) - (a.id === self?.id) || order(a.name, b.name));
}

function typingText({ typing }) {
  const names = Array.from(typing.values(), ({ user }) => user.name);
  if (names.length === 0) return '';
  if (names.length === 1) return t('typingOne', { a: names[0] });
  return names.length === 2 ? t('typingTwo', { a: names[0], b: names[1] }) : t('typingMany');
}

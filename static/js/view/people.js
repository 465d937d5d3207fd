// The members of the room in view, the search among them, and who is typing.

import { language, t } from '../i18n.js';
import { sharedNames, tagOf } from '../names.js';
import { finderOf } from '../search.js';
import { avatar, make, part, setText, tags } from './dom.js';

/** Members drawn at once; beyond it the count says the rest. */
const SHOWN_MAX = 500;
/** With so many found, a search asks for further pages only when told to. */
const FOUND_ENOUGH = 50;

/** The count, the list and the typing line. */
export class People {
  /** @param {{onMore: () => void}} actions  the next page of members is wanted */
  constructor({ onMore }) {
    this.onMore = onMore;
    this.list = part('members');
    this.more = part('members-more');
    this.search = part('members-search');
    this.more.addEventListener('click', onMore);
    const redraw = () => this.draw(this.model, true);
    this.search.addEventListener('input', redraw);
    this.search.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || event.isComposing || !this.search.value) return;
      event.preventDefault();
      event.stopPropagation();
      this.search.value = '';
      redraw();
    });
    this.drawn = '';
  }

  /** @param {boolean} isOpen  the list itself is drawn only while it can be seen */
  draw(model, isOpen) {
    const people = model.room?.people;
    if (model.room !== this.room) this.search.value = '';
    Object.assign(this, { model, room: model.room });
    const toggle = part('people-toggle');
    const count = people?.count ? String(people.count) : '';
    toggle.hidden = !count;
    drawTyping(people);
    setText(part('people-total'), count);
    setText(part('people-count'), count);
    if (!people) {
      this.list.replaceChildren();
      this.drawn = '';
      this.more.hidden = true;
      return;
    }
    toggle.title = t('membersCount', { n: people.count });
    toggle.setAttribute('aria-label', toggle.title);
    if (isOpen) this.#drawList(people, model.self);
  }

  #drawList(people, self) {
    const all = [...people.members.values()];
    const typed = this.search.value.trim();
    const isFound = finderOf(typed);
    const found = typed ? all.filter(({ name }) => isFound(name)) : all;
    const shared = sharedNames(all);
    const members = sorted(found, self).slice(0, SHOWN_MAX).map((user) => [user, shared.has(user.name)]);
    const mark = JSON.stringify([members, self?.id, language]);
    if (mark !== this.drawn) {
      this.drawn = mark;
      this.list.replaceChildren(...members.map(([user, isShared]) => member(user, user.id === self?.id, isShared)));
    }
    const isSearching = typed && people.hasMore && !people.hasFailed && found.length < FOUND_ENOUGH;
    this.search.placeholder = t('findMember');
    setText(part('members-none'), this.#notice(people, typed && found.length === 0, isSearching));
    this.more.hidden = isSearching || !people.hasMore || members.length >= SHOWN_MAX;
    this.more.disabled = people.loading;
    if (isSearching) this.onMore();
  }

  /** What is said below the members. Whoever was not asked for may be there. */
  #notice({ hasFailed }, isEmpty, isSearching) {
    if (hasFailed) return t('membersFailed');
    if (!isEmpty) return '';
    return t(isSearching ? 'loading' : 'nobodyFound');
  }
}

/** One member. Two of one name are told apart by the end of their id. */
function member(user, isSelf, isShared) {
  return make('li', {}, avatar(user), make('bdi', { class: 'member-name' }, user.name),
    ...tags(isShared && tagOf(user.id), isSelf && t('you'), user.bot && t('bot')));
}

function sorted(members, self) {
  const order = new Intl.Collator(language, { numeric: true }).compare;
  return members.sort((a, b) => (b.id === self?.id) - (a.id === self?.id) || order(a.name, b.name));
}

/** Draws who is typing. Names stand apart, so that none of them turns the sentence around. */
function drawTyping(people) {
  const names = Array.from(people?.typing.values() ?? [], ({ user }) => user.name);
  const text = t(['typingNone', 'typingOne', 'typingTwo'][names.length] ?? 'typingMany', { a: '\u0001', b: '\u0002' });
  const places = { '\u0001': names[0], '\u0002': names[1] };
  const parts = text.split(/([\u0001\u0002])/u).map((one) => (one in places ? make('bdi', {}, places[one]) : one));
  const line = make('p', {}, ...parts);
  if (line.textContent !== part('typing').textContent) part('typing').replaceChildren(...line.childNodes);
}

// The two panels beside the conversation: on a narrow page they are drawers over it. While one is open everything
// else is inert, so the focus stays in it; closing gives it back.

import { part } from './dom.js';

const SIDE_NARROW = matchMedia('(max-width: 760px)');
const PEOPLE_NARROW = matchMedia('(max-width: 1080px)');

/** The rooms at the left and the members at the right. */
export class Drawers {
  /** `peopleOpen` says whether members are shown where there is room, `onPeople` is told when that changes. */
  constructor({ peopleOpen, onPeople }) {
    this.frame = part('frame');
    this.onPeople = onPeople;
    this.peopleWanted = peopleOpen;
    this.open = null;
    part('menu').addEventListener('click', () => this.show('side'));
    part('side-close').addEventListener('click', () => this.close());
    part('scrim').addEventListener('click', () => this.close());
    part('people-close').addEventListener('click', () => this.#hidePeople());
    part('people-toggle').addEventListener('click', () => {
      if (PEOPLE_NARROW.matches) this.show('people');
      else this.#wantPeople(!this.peopleWanted);
    });
    document.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || this.open === null || document.querySelector('dialog[open]')) return;
      event.stopImmediatePropagation();
      this.close();
    });
    for (const query of [SIDE_NARROW, PEOPLE_NARROW]) query.addEventListener('change', () => this.close());
    this.#apply();
  }

  /** True while the members can be seen. */
  get showsPeople() {
    return PEOPLE_NARROW.matches ? this.open === 'people' : this.peopleWanted;
  }

  /** Opens a drawer. */
  show(name) {
    this.returnTo = document.activeElement;
    this.open = name;
    this.#apply();
    part(name).querySelector('button, a')?.focus();
    if (name === 'people') this.onPeople(this.peopleWanted);
  }

  /** Closes the open drawer and gives the focus back. */
  close() {
    const wasOpen = this.open !== null;
    this.open = null;
    this.#apply();
    if (wasOpen) this.returnTo?.focus?.({ preventScroll: true });
  }

  #hidePeople() {
    if (PEOPLE_NARROW.matches) this.close();
    else this.#wantPeople(false);
  }

  #wantPeople(wanted) {
    this.peopleWanted = wanted;
    this.#apply();
    this.onPeople(wanted);
    if (!wanted) part('people-toggle').focus();
  }

  #apply() {
    const { open } = this;
    this.frame.classList.toggle('shows-side', open === 'side');
    this.frame.classList.toggle('shows-people', this.showsPeople);
    this.frame.classList.toggle('has-drawer', open !== null);
    part('side').inert = open === 'people' || (SIDE_NARROW.matches && open !== 'side');
    part('people').inert = !this.showsPeople || open === 'side';
    part('main').inert = open !== null;
    part('menu').setAttribute('aria-expanded', String(open === 'side'));
    part('people-toggle').setAttribute('aria-expanded', String(this.showsPeople));
  }
}

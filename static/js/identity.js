// Who the person is: a token and a name, shared by all windows of the browser.
//
// A first visit asks for them under a lock, so that windows opened at once become one user. Where the browser has
// no locks, the window whose user was stored last decides.

const LOCK = 'madang.identity';
/** What a window has stored is seen by the others a little later. */
const SETTLE_MS = 100;

/** The identity in the store. */
export class Identity {
  constructor(person) {
    this.person = person;
    /** What the last `hello` went out with. */
    this.token = null;
    this.settle = () => {};
  }

  get name() {
    return this.person.get('name', '');
  }

  set name(name) {
    this.person.set('name', name);
  }

  /** The next `hello`. */
  hello() {
    this.token = this.person.get('token');
    return { token: this.token ?? undefined, name: this.name || undefined, client: 'madang-page', features: [] };
  }

  /** Dials: at once as somebody known, otherwise when no other window is about to become somebody. */
  enter(dial) {
    if (this.person.get('token') || !navigator.locks) dial();
    else navigator.locks.request(LOCK, () => this.#first(dial)).catch(dial);
  }

  #first(dial) {
    dial();
    return this.person.get('token') ? null : new Promise((resolve) => { this.settle = () => setTimeout(resolve, SETTLE_MS); });
  }

  /** Keeps who a node says this is. */
  welcomed({ token, user }) {
    if (typeof token === 'string') this.person.set('token', token);
    this.name = user.name;
    this.person.set('id', user.id);
    this.settle();
  }

  /** Forgets a token that counts no more, unless another window has a new one already. */
  forget() {
    if (this.person.get('token') === this.token) this.person.set('token', null);
  }

  /** True if the session of this window is not that of whom the others are. */
  isOther({ state }, self) {
    if (state.name === 'online') return this.person.get('id', self.id) !== self.id;
    const isOut = state.name === 'idle' || state.code === 4005;
    return isOut && this.person.get('token', this.token) !== this.token;
  }
}

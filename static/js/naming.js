// How somebody gets a name and with it a session: asked at the first visit, given another one, told by another window.

import { NameDialog } from './view/dialogs.js';

/** Stands between the identity, the session and the question for a name. */
export class Naming {
  /** @param {() => void} onChange  the name that is shown may be another */
  constructor({ identity, session, model, onChange }) {
    Object.assign(this, { identity, session, model, onChange });
    this.dialog = new NameDialog({ onName: (name) => this.#named(name) });
  }

  /** Comes in as who is known here, or asks. */
  begin() {
    if (this.identity.name) this.enter();
    else this.dialog.open('', true);
  }

  /** Asks for another name. */
  ask() {
    this.dialog.open(this.model.self?.name ?? this.identity.name, false);
  }

  enter() {
    this.identity.enter(() => this.session.dial());
  }

  /** Comes in as somebody else, because who one was counts no more. */
  startOver() {
    this.identity.forget();
    this.enter();
  }

  /** A `hello` can only be refused for what the person or the storage put into it. */
  refused({ code, field }) {
    if (field === 'token') this.identity.forget();
    if (code !== 'bad_name' && field !== 'name') return;
    this.session.stop();
    this.dialog.open(this.identity.name, true);
    this.dialog.fault(code);
  }

  /** Takes the answer to a new name. */
  answered({ type, code, user }) {
    if (type === 'error') {
      this.dialog.fault(code);
      return;
    }
    this.identity.name = user.name;
    this.dialog.done();
  }

  /** Another window has stored something under a name. */
  stored(what) {
    const { identity, session, model } = this;
    if (what === 'name' && model.self) model.receive({ type: 'renamed', user: { ...model.self, name: identity.name } });
    if ((what === 'token' || what === 'id') && identity.isOther(session, model.self)) {
      session.stop();
      this.dialog.done();
      session.dial();
    }
  }

  #named(name) {
    if (this.session.state.name === 'online') {
      this.session.request({ type: 'rename', name }, { what: 'rename' });
      return;
    }
    this.identity.name = name;
    this.dialog.done();
    this.enter();
    this.onChange();
  }
}

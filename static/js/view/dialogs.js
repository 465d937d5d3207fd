// The two questions the page asks: who somebody is, and which room to join.

import { errorText, t } from '../i18n.js';
import { roomName, userName } from '../names.js';
import { part, setText } from './dom.js';

/** The dialog for a name: at the first visit it stays until there is one, and always until `done`. */
export class NameDialog {
  constructor({ onName }) {
    this.dialog = part('name-dialog');
    this.field = part('name-field');
    part('name-cancel').addEventListener('click', () => this.dialog.close());
    this.dialog.addEventListener('cancel', (event) => {
      if (this.isFirst) event.preventDefault();
    });
    part('name-form').addEventListener('submit', (event) => {
      event.preventDefault();
      const name = userName(this.field.value);
      if (name) onName(name);
      else this.fault('bad_name');
    });
    this.field.addEventListener('input', () => setText(part('name-fault'), ''));
  }

  /** Opens it, for the first name or for another one. */
  open(name, isFirst) {
    this.isFirst = isFirst;
    this.field.value = name;
    setText(part('name-fault'), '');
    this.label();
    if (!this.dialog.open) this.dialog.showModal();
    this.field.select();
  }

  /** Puts its words in the language that is spoken. */
  label() {
    setText(part('name-title'), t(this.isFirst ? 'welcome' : 'rename'));
    setText(part('name-hint'), t(this.isFirst ? 'welcomeHint' : 'nameTaken'));
    setText(part('name-save'), t(this.isFirst ? 'enter' : 'save'));
    part('name-cancel').hidden = this.isFirst;
    part('name-languages').hidden = !this.isFirst;
  }

  /** Says why a name was refused. */
  fault(code) {
    const isName = code === 'bad_name' || code === 'bad_field';
    setText(part('name-fault'), isName ? t('badUserName') : errorText(code));
    if (!this.dialog.open) this.open(this.field.value, this.isFirst);
    this.field.focus();
  }

  done() {
    if (this.dialog.open) this.dialog.close();
  }
}

/** The dialog for a room. */
export class RoomDialog {
  /** @param {{onRoom: (name: string) => string|null}} actions  returns the code of a refusal, or null */
  constructor({ onRoom }) {
    this.dialog = part('room-dialog');
    this.field = part('room-field');
    part('room-cancel').addEventListener('click', () => this.dialog.close());
    part('room-form').addEventListener('submit', (event) => {
      event.preventDefault();
      const name = roomName(this.field.value);
      const fault = name ? onRoom(name) : 'bad_name';
      if (fault === null) this.dialog.close();
      else setText(part('room-fault'), fault === 'bad_name' ? t('badRoomName') : errorText(fault));
    });
    this.field.addEventListener('input', () => setText(part('room-fault'), ''));
  }

  open() {
    this.field.value = '';
    setText(part('room-fault'), '');
    this.dialog.showModal();
  }
}

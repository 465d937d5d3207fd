// What the page remembers between visits: small JSON values under one prefix.
//
// Where the browser refuses storage everything still works for the visit, from memory, and `persistent` says so.

const PREFIX = 'madang.';

/** A map of names to JSON values, over a Storage or over memory. */
export class Store {
  /** @param {() => Storage} storage a function, because reading `window.localStorage` alone may throw */
  constructor(storage) {
    this.memory = new Map();
    /** False where values are gone when the page closes. */
    this.persistent = true;
    try {
      this.storage = storage();
      const probe = `${PREFIX}probe`;
      this.storage.setItem(probe, '1');
      this.storage.removeItem(probe);
    } catch {
      this.persistent = false;
    }
  }

  /** Returns the value of a name, or `otherwise` if there is none or it cannot be read. */
  get(name, otherwise = null) {
    if (this.memory.has(name)) return this.memory.get(name);
    if (!this.persistent) return otherwise;
    try {
      return JSON.parse(this.storage.getItem(PREFIX + name)) ?? otherwise;
    } catch {
      return otherwise;
    }
  }

  /** Keeps a value; null forgets the name. A full storage turns the name into one of this visit. */
  set(name, value) {
    this.memory.delete(name);
    try {
      if (!this.persistent) throw new Error('no storage');
      if (value === null) this.storage.removeItem(PREFIX + name);
      else this.storage.setItem(PREFIX + name, JSON.stringify(value));
    } catch {
      this.memory.set(name, value);
    }
  }
}

// What the page remembers between visits: small JSON values under one prefix.
//
// Where the browser refuses storage, or has no room for a value, everything still works for the visit, from memory.

const PREFIX = 'madang.';
const PROBE = 'probe';

/** A map of names to JSON values, over a Storage or over memory. */
export class Store {
  /**
   * @param {() => Storage} storage a function, because reading `window.localStorage` alone may throw
   * @param {() => void} [onTurn]  `persistent` changed
   */
  constructor(storage, onTurn = () => {}) {
    this.memory = new Map();
    this.onTurn = () => {};
    try {
      this.storage = storage();
    } catch {
      this.storage = null;
    }
    this.set(PROBE, 1);
    if (this.persistent) this.set(PROBE, null);
    this.onTurn = onTurn;
  }

  /** False where values are gone when the page closes. */
  get persistent() {
    return this.memory.size === 0;
  }

  /** Returns the value of a name, or `otherwise` if there is none or it cannot be read. */
  get(name, otherwise = null) {
    if (this.memory.has(name)) return this.memory.get(name) ?? otherwise;
    try {
      return JSON.parse(this.storage.getItem(PREFIX + name)) ?? otherwise;
    } catch {
      return otherwise;
    }
  }

  /** Keeps a value; null forgets the name. What finds no room lasts for the visit. */
  set(name, value) {
    const { persistent, memory } = this;
    memory.set(name, value);
    // Where there is room for one, there may be for what found none before.
    for (const waiting of memory.size > 1 ? [name, ...memory.keys()] : [name]) {
      if (!this.#write(waiting, memory.get(waiting))) break;
      memory.delete(waiting);
      memory.delete(PROBE);
    }
    if (persistent !== this.persistent) this.onTurn();
  }

  #write(name, value) {
    try {
      if (value === null) this.storage.removeItem(PREFIX + name);
      else if (value !== undefined) this.storage.setItem(PREFIX + name, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  }

  /** Calls back with the name of what another window of the same storage changed. */
  follow(onChange) {
    addEventListener('storage', ({ key, storageArea }) => {
      if (storageArea === this.storage && key?.startsWith(PREFIX)) onChange(key.slice(PREFIX.length));
    });
  }
}

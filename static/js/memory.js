// What of the model outlives the page: rooms and how far they were read, drafts, and messages not yet delivered.
//
// Rooms, read positions and drafts belong to the person and are shared by windows, so whoever writes them first
// takes what another window wrote. Undelivered messages belong to the window, with their keys.

const KEEP_AFTER_MS = 400;

/** Keeps a model in step with what is stored. */
export class Memory {
  /** @param {(name: string) => void} onLeft  a room was left in another window */
  constructor(model, person, tab, onLeft) {
    Object.assign(this, { model, person, tab, onLeft });
    /** The rooms that this window and the store agreed on last. */
    this.agreed = [];
  }

  /** Puts what was remembered into the model. */
  recall(rooms) {
    this.agreed = this.person.get('rooms', rooms);
    for (const name of this.agreed) this.model.add(name);
    for (const { room: name, ...send } of this.tab.get('sends', [])) {
      const room = this.model.add(name);
      // Whether its answer came is not known any more: if it went out at all, it may have arrived.
      room?.sends.items.push({ ...send, flying: false });
    }
    this.follow();
  }

  /** Takes what other windows have stored. Returns the rooms that there are for all of them. */
  follow() {
    const { model, person, agreed } = this;
    const theirs = person.get('rooms', agreed);
    const ours = [...model.rooms.keys()];
    const names = theirs.filter((name) => ours.includes(name) || !agreed.includes(name))
      .concat(ours.filter((name) => !agreed.includes(name) && !theirs.includes(name)));
    for (const [name, { sends }] of model.rooms) {
      // What was not delivered from here would be lost with it.
      if (!names.includes(name) && sends.items.length === 0) this.onLeft(name);
    }
    for (const name of names) model.add(name);
    this.agreed = theirs.filter((name) => model.rooms.has(name) || agreed.includes(name));
    const marks = person.get('read', {});
    for (const [name, room] of model.rooms) {
      if (isMark(marks[name]) && room.take(marks[name])) model.changes.add('unread');
    }
    return names;
  }

  /** Keeps what is to be remembered, a little later, and with it what changes until then. */
  keepSoon() {
    this.timer ??= setTimeout(() => this.keep(), KEEP_AFTER_MS);
  }

  /** Keeps what is to be remembered. */
  keep() {
    clearTimeout(this.timer);
    this.timer = undefined;
    const names = this.follow();
    const { model, person } = this;
    const marks = person.get('read', {});
    const read = Object.fromEntries(names.map((name) => [name, later(model.rooms.get(name), marks[name])]));
    store(person, 'rooms', names);
    this.agreed = names.filter((name) => model.rooms.has(name));
    store(person, 'read', read);
    store(person, 'room', model.current);
    const sends = [...model.rooms.values()].flatMap((room) => room.sends.items
      .filter((send) => send.state !== 'sent')
      .map(({ flying, user, ...send }) => ({ ...send, room: room.name })));
    store(this.tab, 'sends', sends.length ? sends : null);
  }
}

const isMark = (mark) => Array.isArray(mark) && Number.isSafeInteger(mark[1]) && (mark[0] === null ? mark[1] === 0 : typeof mark[0] === 'string');

/** Which of two marks counts: the further of one lineage, otherwise that of a room whose session knows its lineage. */
function later(room, stored) {
  const mark = room?.mark;
  if (!mark || !isMark(stored)) return mark ?? stored;
  if (mark[0] === stored[0]) return mark[1] > stored[1] ? mark : stored;
  return room.status === 'joined' ? mark : stored;
}

/** Stores what is news only: every write is told to all windows. */
function store(into, name, value) {
  if (JSON.stringify(into.get(name)) !== JSON.stringify(value)) into.set(name, value);
}

/** Drafts by room, each on its own, so that windows that write in two rooms do not meet. */
export class Drafts {
  constructor(person) {
    this.person = person;
  }

  of(room) {
    return this.person.get(`draft.${room}`, '');
  }

  keep(room, text) {
    this.person.set(`draft.${room}`, text || null);
  }
}

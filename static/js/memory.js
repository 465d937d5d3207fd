// What of the model outlives the page: rooms and how far they were read, drafts, and messages not yet delivered.
//
// Rooms, read positions and drafts belong to the person and are shared by windows; undelivered messages belong to
// the window, with their keys, so that only it sends them again.

const DRAFT_MAX = 20_000;

/** Puts what was remembered into a model. */
export function recall(model, person, tab, rooms) {
  const read = person.get('read', {});
  for (const name of rooms) {
    const room = model.add(name);
    if (room && Number.isSafeInteger(read[name])) room.read = read[name];
  }
  for (const { room: name, ...send } of tab.get('sends', [])) {
    const room = model.add(name);
    // Whether its answer came is not known any more: if it went out at all, it may have arrived.
    room?.sends.items.push({ ...send, flying: false });
  }
}

/** Keeps what is to be remembered of a model. */
export function remember(model, person, tab) {
  const rooms = [...model.rooms.values()];
  person.set('rooms', rooms.map((room) => room.name));
  person.set('room', model.current);
  person.set('read', Object.fromEntries(rooms.map((room) => [room.name, room.read])));
  const sends = rooms.flatMap((room) => room.sends.items
    .filter((send) => send.state !== 'sent')
    .map(({ flying, user, ...send }) => ({ ...send, room: room.name })));
  tab.set('sends', sends.length ? sends : null);
}

/** Drafts by room. */
export class Drafts {
  constructor(person) {
    this.person = person;
    this.texts = person.get('drafts', {});
  }

  of(room) {
    return this.texts[room] ?? '';
  }

  keep(room, text) {
    if (text) this.texts[room] = text.slice(0, DRAFT_MAX);
    else delete this.texts[room];
    this.person.set('drafts', this.texts);
  }
}

// Names as people type them: a first check before a node judges, whose canonical form the page takes over; and the
// room in the page's address.

const ROOM_BEGINS = /^[\p{L}\p{N}\p{Extended_Pictographic}\p{Regional_Indicator}]/u;
const NOT_IN_ROOMS = /[/\\?#%]/u;
// Control characters, halves of characters, and those that turn the direction of a text.
const NOT_IN_NAMES = /[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** Code points of a text, which is what every limit counts. */
export function length(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** Returns the name of a user as a node will most likely take it, or null. */
export function userName(typed, limit = 64) {
  const name = typed.normalize('NFC').trim().replace(/\s+/gu, ' ');
  return name && length(name) <= limit && !NOT_IN_NAMES.test(name) ? name : null;
}

/** Returns the name of a room as a node will most likely take it, or null. A `#` in front is what people type. */
export function roomName(typed, limit = 64) {
  const name = typed.trim().replace(/^#/u, '').normalize('NFC').toLowerCase().trim().replace(/\s+/gu, ' ');
  const fits = name && length(name) <= limit && !NOT_IN_NAMES.test(name);
  return fits && ROOM_BEGINS.test(name) && !NOT_IN_ROOMS.test(name) ? name : null;
}

/** Returns the names that two or more of some users have; there the end of the id tells them apart. */
export function sharedNames(users) {
  const owners = new Map();
  const shared = new Set();
  for (const { id, name } of users) {
    if (owners.has(name) && owners.get(name) !== id) shared.add(name);
    owners.set(name, id);
  }
  return shared;
}

/** Returns the short form of an id. */
export const tagOf = (id) => id.slice(-4);

/** Returns what the address names as the room, as it stands there, or an empty string. */
export function roomOfHash(hash) {
  const raw = hash.replace(/^#\/?/u, '');
  try {
    return decodeURIComponent(raw);
  } catch {
    return raw;
  }
}

/** Returns the address of a room. */
export function hashOfRoom(name) {
  return `#/${encodeURIComponent(name)}`;
}

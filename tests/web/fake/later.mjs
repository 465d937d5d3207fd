// A server of a later version on the other end of a line: everything that is said there today, and more.
//
// Every frame gets members that this version does not know, at every depth. Between frames come frames that it does
// not know. Kinds, reasons and codes are new ones now and then.

/** Names that no table of the page may have by accident, beside those that a later version may really add. */
const TYPES = ['reaction', 'thread', 'room_settings', 'constructor', 'toString', '__proto__', 'hasOwnProperty', ''];
const WORDS = ['moonlight', 'solar_flare', 'toString', '__proto__', ''];
const KINDS = ['poll', 'notice', 'constructor'];
const VALUES = [null, 0, -1, 1e21, '', 'x'.repeat(300), [], [null, {}], { type: 'message' }, true];

/** Returns chance that can be repeated: numbers from 0 to 1 of a seed. */
export function chance(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Has a line speak like that. */
export function speakLater(line, random) {
  const one = (values) => values[Math.floor(random() * values.length)];
  const send = line.send.bind(line);
  const dress = (value) => {
    if (Array.isArray(value)) return value.map(dress);
    if (value === null || typeof value !== 'object') return value;
    const dressed = Object.entries(value).map(([name, member]) => [name, dress(member)]);
    return Object.fromEntries([[`x_${one(WORDS)}`, one(VALUES)], ...dressed, ['annotations', one(VALUES)]]);
  };
  line.send = (frame) => {
    while (random() < 0.4) send({ type: one(TYPES), room: frame.room ?? 'nowhere', seq: frame.seq, id: random() < 0.5 ? undefined : 'nobody asked', user: one(VALUES) });
    const later = dress(frame);
    if (later.reason !== undefined && random() < 0.7) later.reason = one(WORDS);
    if (later.type === 'message' && random() < 0.3) later.kind = one(KINDS);
    if (later.type === 'error' && random() < 0.7) later.code = one(WORDS);
    send(later);
  };
}

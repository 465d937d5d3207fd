// What of a room stays in memory when it grows too long: what is farthest from what is being read goes.
//
// What goes from the beginning comes again as older entries do. What goes from between leaves a gap that the page
// itself made (`aside`): it loads by itself when somebody comes near and is never told of as a loss. The newest
// stay in any case, so that the way to them is never long.

/** Returns the first and the last seq that an item stands for. A withdrawal stands for none. */
export const spanOf = ({ what, from, to, seq }) => (what === 'gap' ? [from, to] : [seq, seq]);

/**
 * Returns the items that stay, at most `limit`.
 * @param {number|null} focus  the seq that is being read; null for the newest
 * @param {() => string} newId
 */
export function hold(items, limit, focus, newId) {
  const tail = items.length - (limit >> 2);
  const around = limit - (limit >> 2) - 1;
  // What is read is near the newest most of the time.
  const at = focus === null ? items.length : items.findLastIndex((item) => spanOf(item)[1] < focus) + 1;
  const low = at === items.length ? tail : Math.max(0, at - (around >> 1));
  const high = low + around;
  if (high >= tail) return items.slice(-limit);
  const dropped = items.slice(high, tail);
  const spans = dropped.filter(({ what }) => what !== 'withdrawn').map(spanOf);
  if (spans.length === 0) return [...items.slice(low, high), ...items.slice(tail)];
  const gap = dropped.find(({ reason }) => reason === 'aside') ?? { what: 'gap', id: newId(), reason: 'aside', loading: false };
  Object.assign(gap, { from: spans[0][0], to: spans.at(-1)[1] });
  return [...items.slice(low, high), gap, ...items.slice(tail)];
}

// The craft of text: links inside of it, initials and a color for a person, what can be sent.
//
// Everything here returns strings and plain objects; only the view makes nodes of them, and only as text.

const LINK = /https?:\/\/[^\s<>"'`\u3000-\u3003\u3008-\u3011\u2018-\u201f]+/giu;
const CLOSING = /[.,;:!?…·*'"”’»)\]}>。，、！？」』）]$/u;
const PAIRS = { ')': '(', ']': '[', '}': '{' };
// Hangul that follows a link without a space: a particle or an ending, not a part of the address.
const PARTICLE = /(?<=[A-Za-z0-9/])(?:에서(?:는|도|만)?|에게|한테|에는|에도|에|은|는|이|가|을|를|의|으로|로|와|과|랑|이랑|하고|도|만|까지|부터|마다|보다|처럼|이나|나|라고|이라고|라는|이라는|입니다|이에요|예요|인데|이고|고|요)$/u;
const PICTURE = /\p{Extended_Pictographic}|\p{Regional_Indicator}/u;
const HUES = 12;

const segmenter = globalThis.Intl?.Segmenter ? new Intl.Segmenter() : null;

/** Splits a text into what a reader sees as single characters. */
export function graphemes(text) {
  return segmenter ? Array.from(segmenter.segment(text), (part) => part.segment) : Array.from(text);
}

/** Cuts what does not belong to the address off the end of a raw match. */
function trimLink(raw) {
  let link = raw;
  for (;;) {
    const last = link.at(-1);
    const balanced = PAIRS[last] && link.split(PAIRS[last]).length >= link.split(last).length;
    if (CLOSING.test(link) && !balanced) link = link.slice(0, -1);
    else break;
  }
  const bare = link.replace(PARTICLE, '');
  // A path may end in Hangul on its own; only after a host or a Latin end is it grammar.
  return /\/$/u.test(bare) && !/:\/\/[^/]+\/$/u.test(bare) ? link : bare;
}

/**
 * Splits a text into its links and what stands between them.
 * @returns {{text: string, href?: string}[]} the parts; their texts joined are the text itself
 */
export function linkParts(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    const link = trimLink(match[0]);
    let href;
    try {
      href = new URL(link).href;
    } catch {
      continue;
    }
    if (match.index > end) parts.push({ text: text.slice(end, match.index) });
    parts.push({ text: link, href });
    end = match.index + link.length;
  }
  if (end < text.length) parts.push({ text: text.slice(end) });
  return parts;
}

/** Returns true if a text is nothing but one to three emoji, which are shown large. */
export function isPicture(text) {
  const bare = text.trim();
  if (!bare || bare.length > 40) return false;
  const seen = graphemes(bare);
  return seen.length <= 3 && seen.every((one) => PICTURE.test(one));
}

/** Returns one or two characters that stand for a name. */
export function initials(name) {
  const words = name.trim().split(/\s+/u);
  const first = graphemes(words[0])[0] ?? '?';
  const isLatin = (one) => /^\p{Script=Latin}/u.test(one);
  if (words.length < 2 || !isLatin(first)) return first.toUpperCase();
  const last = graphemes(words.at(-1))[0];
  return (isLatin(last) ? first + last : first).toUpperCase();
}

/** Returns the number of the color, 0 to 11, that a user keeps on every screen. */
export function hueOf(id) {
  let hash = 2166136261;
  for (const unit of id) hash = Math.imul(hash ^ unit.codePointAt(0), 16777619);
  return ((hash ^ (hash >>> 15)) >>> 0) % HUES;
}

/** Returns what a field holds in the form that a node accepts: line feeds only, no control characters. */
export function sendable(typed) {
  return typed
    .replace(/\r\n?/gu, '\n')
    .replace(/[^\P{Cc}\n\t]/gu, '')
    .replace(/^\n+|\s+$/gu, '');
}

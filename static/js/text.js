// The craft of text: links inside of it, initials and a color for a person, what can be sent. Only the view makes
// nodes of what is returned here, and only as text.

// Neither quotation marks nor what turns the direction of a text belongs to an address.
const LINK = /https?:\/\/[^\s<>"'`\u2018-\u201f\u200e\u200f\u202a-\u202e\u2066-\u2069\u3000-\u3003\u3008-\u3011]+/giu;
const CLOSING = '.,;:!?…·*»)]}。，、！？」』）';
const PAIRS = { ')': '(', ']': '[', '}': '{' };
// Hangul that follows a link without a space: a particle or an ending, not a part of the address.
const PARTICLE = /([\w/.,!?…»)\]}」』）])(?:에(?:서?(?:는|도|만|의)?|게|선)|께서?|한테|은|는|이?(?:나|랑|라고|라는|란|고|며|지만|에요|죠|네요)|이|가|을|를|의|으?로(?:는|도|만)?|와|과|하고|도|만|까지|부터|마다|보다|처럼|밖에|대로|입니다|예요|인데|요)$/u;
// A host that ends in Latin letters and is followed by Hangul is followed by words.
const AFTER_HOST = /^(https?:\/\/[^/?#]*\.[a-z]{2,}(?::\d+)?)[가-힣][^./?#]*$/iu;
const PICTURE = /\p{Extended_Pictographic}|\p{Regional_Indicator}/u;
const HUES = 12;

const segmenter = globalThis.Intl?.Segmenter ? new Intl.Segmenter() : null;

/** Splits a text into what a reader sees as single characters. */
export function graphemes(text) {
  return segmenter ? Array.from(segmenter.segment(text), (part) => part.segment) : Array.from(text);
}

/** Cuts marks off the end that close something outside of the address. Each is counted once: a text may be all marks. */
function trimMarks(link) {
  const counts = {};
  for (const one of link) counts[one] = (counts[one] ?? 0) + 1;
  let end = link.length;
  while (CLOSING.includes(link[end - 1])) {
    const last = link[end - 1];
    if (PAIRS[last] && (counts[PAIRS[last]] ?? 0) >= counts[last]) break;
    counts[last] -= 1;
    end -= 1;
  }
  return link.slice(0, end);
}

/** Cuts what does not belong to the address off the end of a raw match. */
function trimLink(raw) {
  const link = trimMarks(raw.replace(AFTER_HOST, '$1'));
  const bare = trimMarks(link.replace(PARTICLE, '$1'));
  // A path may end in Hangul on its own; only after a host or a Latin end is it grammar.
  return /\/$/u.test(bare) && !/:\/\/[^/]+\/$/u.test(bare) ? link : bare;
}

/** Splits a text into parts `{text, href?}`: its links and what stands between them. Their texts joined are the text. */
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
  if (!bare || bare.length > 40 || !PICTURE.test(bare)) return false;
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

/** Returns what a field holds in the form that a node accepts: line feeds only, no control or half characters. */
export function sendable(typed) {
  return typed.replace(/\r\n?/gu, '\n').replace(/[^\P{Cc}\n\t]|\p{Cs}/gu, '').replace(/^\n+/u, '').trimEnd();
}

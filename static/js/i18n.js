// Which language the page speaks, and its words, loaded when they are first spoken. A text with values is a function.

/** The languages, by their own names. */
export const LANGUAGES = { en: 'English', ko: '한국어' };

let words;

/** The language that is spoken now. */
export let language = 'en';

/** Returns the first language of a list that the page speaks. */
export function languageOf(wanted) {
  const names = wanted.map((tag) => String(tag).toLowerCase().split('-')[0]);
  return names.find((name) => Object.hasOwn(LANGUAGES, name)) ?? 'en';
}

/** Switches the language. */
export async function speak(name) {
  words = (await import(`./words/${name}.js`)).default;
  language = name;
}

/** Returns a text by its name, with values filled in. */
export function t(name, values) {
  const text = words[name];
  return typeof text === 'function' ? text(values) : text;
}

/** Returns the text of an error code; an unknown one has a text too. */
export function errorText(code) {
  return Object.hasOwn(words.errors, code) ? words.errors[code] : words.errors.unknown;
}

/** Returns the text of a close code that ends the conversation with the node for good. */
export function closeText(code) {
  return words.closes[code] ?? words.closes.other;
}

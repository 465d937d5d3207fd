// Finding somebody by a part of the name, however it is spelled, and in Korean by the leading consonants too.

/** What an input method makes of two consonants in a row. */
const CLUSTERS = { ㄳ: 'ㄱㅅ', ㄵ: 'ㄴㅈ', ㄶ: 'ㄴㅎ', ㄺ: 'ㄹㄱ', ㄻ: 'ㄹㅁ', ㄼ: 'ㄹㅂ', ㄽ: 'ㄹㅅ', ㄾ: 'ㄹㅌ', ㄿ: 'ㄹㅍ', ㅀ: 'ㄹㅎ', ㅄ: 'ㅂㅅ' };
const LEADING = /^[\u1100-\u1112]+$/u;
const NOT_LEADING = /[\u1161-\u11ff]/gu;

/** Takes a text apart: no case, no accents, no spaces, and each syllable of Hangul as its letters. */
const fold = (text) => text.normalize('NFKD').replace(/[\p{Mn}\s]/gu, '').toLowerCase();

/** Returns a function that says whether a name contains what was typed. */
export function finderOf(typed) {
  const query = fold(typed.replace(/[ㄳㄵㄶㄺㄻㄼㄽㄾㄿㅀㅄ]/gu, (cluster) => CLUSTERS[cluster]));
  const isLeading = LEADING.test(query);
  return (name) => {
    const folded = fold(name);
    return folded.includes(query) || (isLeading && folded.replace(NOT_LEADING, '').includes(query));
  };
}

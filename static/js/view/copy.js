// What is copied of a conversation: of one message its text, of several a line with name and time before each text.
// Labels of buttons, states and initials stay behind.

import { part } from './dom.js';

/** Takes a `copy` event; without messages in it, it is the browser's. */
export function copyMessages(event) {
  const selection = getSelection();
  if (selection.isCollapsed || event.target.closest?.('input, textarea')) return;
  const range = selection.getRangeAt(0);
  const lines = [];
  let texts = 0;
  for (const row of part('entries').children) {
    const words = row.querySelector('.bubble, .chip, .notice > span');
    const text = words && range.intersectsNode(row) ? within(range, words) : '';
    if (!text) continue;
    const isMessage = words.matches('.bubble');
    texts += isMessage;
    lines.push([isMessage && headOf(row), words.matches('.chip') ? words.dateTime : text]);
  }
  if (texts === 0) return;
  event.preventDefault();
  const text = lines.length === 1 ? lines[0].at(-1) : lines.flat().filter(Boolean).join('\n');
  event.clipboardData.setData('text/plain', text);
}

/** Name and time of a message. */
function headOf(row) {
  return [row.querySelector('.who bdi'), row.querySelector('time')].map((one) => one?.textContent).filter(Boolean).join(' ');
}

/** The text of an element as far as it lies within a range. */
function within(range, element) {
  const inner = document.createRange();
  inner.selectNodeContents(element);
  if (range.compareBoundaryPoints(Range.START_TO_START, inner) > 0) inner.setStart(range.startContainer, range.startOffset);
  if (range.compareBoundaryPoints(Range.END_TO_END, inner) < 0) inner.setEnd(range.endContainer, range.endOffset);
  return inner.toString();
}

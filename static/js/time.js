// Times as people read them, in the language of the page and the zone of the machine.

const made = new Map();

/** Returns a formatter; making one costs more than using it. */
function formatter(language, form, options, Formatter = Intl.DateTimeFormat) {
  const name = `${language} ${form}`;
  if (!made.has(name)) made.set(name, new Formatter(language, options));
  return made.get(name);
}

/** Returns the local calendar day as `2024-05-31`. */
export function dayOf(at) {
  const day = new Date(at);
  const two = (number) => String(number).padStart(2, '0');
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

/** Returns the time of day: `3:07 PM`, `오후 3:07`. */
export function timeOf(at, language) {
  return formatter(language, 'time', { hour: 'numeric', minute: '2-digit' }).format(at);
}

/** Returns day and time in full, for whoever asks. */
export function momentOf(at, language) {
  return formatter(language, 'moment', { dateStyle: 'full', timeStyle: 'medium' }).format(at);
}

/** Returns the name of a day as seen from now: today, yesterday, or its date, with the year if that is another. */
export function dayNameOf(at, now, language) {
  const day = dayOf(at);
  const yesterday = new Date(now);
  yesterday.setDate(yesterday.getDate() - 1);
  for (const [days, known] of [[0, dayOf(now)], [-1, dayOf(yesterday)]]) {
    if (day !== known) continue;
    const word = formatter(language, 'near', { numeric: 'auto' }, Intl.RelativeTimeFormat).format(days, 'day');
    return word.charAt(0).toLocaleUpperCase(language) + word.slice(1);
  }
  const year = day.slice(0, 4) === dayOf(now).slice(0, 4) ? undefined : 'numeric';
  return formatter(language, `day ${year}`, { weekday: 'long', month: 'long', day: 'numeric', year }).format(at);
}

/** Returns the ms until the local day ends. */
export function untilMidnight(now) {
  const next = new Date(now);
  next.setHours(24, 0, 0, 50);
  return next.getTime() - now;
}

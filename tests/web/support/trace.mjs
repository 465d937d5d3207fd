// What the page's main thread did, as the browser's own trace tells it.
//
// A task is one turn of the thread's event loop: an event, a timer, or a frame with script, style, layout and paint.
// Everything is weighed by the processor time of the thread, so that what else runs on the machine does not count.

const CATEGORIES = ['toplevel', 'benchmark', 'input', 'blink.user_timing'];

/** Runs in the page: marks what is read out of the trace, when a key with a text comes and when its letter is there. */
export function markKeys() {
  document.addEventListener('keydown', ({ key }) => {
    if (key.length === 1 || key === 'Enter') performance.mark('key');
  }, true);
  document.addEventListener('input', () => performance.mark('letter'), true);
}

/**
 * Runs something on a page that runs `markKeys` and types, and returns what its main thread did meanwhile.
 * @returns {Promise<{tasks: {at: number, ms: number, what: string}[], keys: Key[]}>}
 */
export async function trace(browser, page, act) {
  await browser.startTracing(page, { categories: CATEGORIES });
  await act();
  const { traceEvents } = JSON.parse(await browser.stopTracing());
  const events = traceEvents.sort((a, b) => a.ts - b.ts);
  const { pid, tid } = events.find(({ name, cat }) => name === 'letter' && cat === 'blink.user_timing');
  const here = events.filter((event) => event.pid === pid);
  const main = here.filter((event) => event.tid === tid);
  const tasks = main.filter(({ name, tdur }) => name === 'ThreadControllerImpl::RunTask' && tdur > 0)
    .map(({ ts, tdur, args }) => ({ at: ts / 1_000, ms: tdur / 1_000, what: args.src_func }));
  return { tasks, keys: keysOf(here, main) };
}

/** Returns a function that tells how long, in ms, a thread had worked at some time: exact where an event began or ended. */
function clockOf(thread) {
  const points = thread.filter(({ ph, tts }) => ph === 'X' && tts > 0)
    .flatMap(({ ts, dur, tts, tdur }) => [[ts / 1_000, tts / 1_000], [(ts + dur) / 1_000, (tts + tdur) / 1_000]])
    .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return (at) => {
    const after = points.findIndex(([when]) => when >= at);
    const [[t0, c0], [t1, c1]] = [points[after - 1], points[after]];
    return c0 + (c1 - c0) * (at - t0) / (t1 - t0 || 1);
  };
}

/**
 * A letter on its way from the main thread's queue to the frame that paints it.
 *
 * The next frame is the next one that is due: a key that is queued while one is under way cannot be in that, and how long
 * that may take is a matter of the longest task. From its end on, on a machine that does nothing else, the letter is shown
 * with the next frame if none begins between its event and the letter, and if the thread gets to the letter's own frame
 * before the one after the next is due.
 * @typedef {object} Key
 * @property {number} frames  frames that began between event and letter
 * @property {number} ms  what the main thread worked until the letter's frame began
 * @property {number} room  until the frame after the next one was due
 * @property {boolean} isLate
 */

/** @returns {Key[]} */
function keysOf(here, main) {
  const times = (name) => main.filter((event) => event.name === name && event.ph !== 'e').map(({ ts }) => ts / 1_000);
  const queued = here.filter(({ name, args }) => name === 'MainThreadEventQueue::HandleEvent' && args.event_type === 'kKeyDown')
    .map(({ ts, dur }) => (ts + dur) / 1_000);
  const came = times('key');
  if (queued.length !== came.length) throw new Error(`${queued.length} keys were queued and ${came.length} came`);
  const letters = times('letter');
  const worked = clockOf(main);
  const ticks = here.filter(({ name }) => name === 'Scheduler::BeginFrame').map(({ args }) => args.args);
  const dueOf = new Map(ticks.map(({ sequence_number: id, frame_time_us: time }) => [id, time / 1_000]));
  const frames = main.filter(({ name, ph }) => name === 'ProxyMain::BeginMainFrame' && ph === 'X')
    .map(({ ts, dur, args }) => ({ begin: ts / 1_000, end: (ts + dur) / 1_000, due: dueOf.get(args.begin_frame_id) ?? ts / 1_000 }));
  // They are due at even times, also while none is asked for.
  const [first, interval] = [ticks[0].frame_time_us / 1_000, ticks[0].interval_us / 1_000];
  return came.flatMap((at, index) => {
    const letter = letters.find((when) => when >= at);
    const own = frames.find(({ begin }) => begin > letter);
    // Enter brings no letter.
    if (letter === undefined || letter > came[index + 1] || own === undefined) return [];
    const before = frames.findLast(({ begin, due }) => begin < at && due <= queued[index]);
    const from = Math.max(queued[index], before?.end ?? 0);
    const passed = frames.filter(({ begin }) => begin > at && begin < letter).length;
    const ms = worked(own.begin) - worked(from);
    const room = 2 * interval - (((from - first) % interval) + interval) % interval;
    return [{ frames: passed, ms, room, isLate: passed > 0 || ms > room }];
  });
}

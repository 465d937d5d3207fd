// A clock that stands still until a test moves it.

/** Time and timers in the hands of a test. */
export class Clock {
  constructor(start = 1_000_000) {
    this.time = start;
    this.timers = new Map();
    this.next = 1;
    this.now = () => this.time;
    this.setTimeout = (callback, ms) => {
      this.timers.set(this.next, { at: this.time + ms, callback });
      this.next += 1;
      return this.next - 1;
    };
    this.clearTimeout = (timer) => this.timers.delete(timer);
  }

  /** Moves on, running what becomes due on the way, each at its time. */
  pass(ms) {
    const end = this.time + ms;
    for (;;) {
      const [timer, due] = [...this.timers].sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
      if (!due || due.at > end) break;
      this.timers.delete(timer);
      this.time = Math.max(this.time, due.at);
      due.callback();
    }
    this.time = end;
  }
}

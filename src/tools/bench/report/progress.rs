//! How far a run is, on standard error: one line that is redrawn on a terminal, otherwise a line for each phase.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::{Duration, Instant};

/// Time between two drawings.
const REDRAW: Duration = Duration::from_millis(200);
/// Goes to the beginning of the line and clears it.
const CLEAR: &str = "\r\x1b[K";

/// See the [module](self).
#[derive(Debug)]
pub(in crate::tools::bench) struct Progress {
    is_quiet: bool,
    is_terminal: bool,
    drawn: Option<Instant>,
}

impl Progress {
    pub(in crate::tools::bench) fn new(is_quiet: bool) -> Self {
        Self {
            is_quiet,
            is_terminal: stderr().is_terminal(),
            drawn: None,
        }
    }

    /// Tells how far a phase is, or that it is over.
    pub(in crate::tools::bench) fn tell(
        &mut self,
        time: Duration,
        phase: &str,
        counts: &[(&str, u64)],
        is_done: bool,
    ) {
        let is_due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW);
        if self.is_quiet || !(is_done || self.is_terminal && is_due) {
            return;
        }
        self.drawn = Some(Instant::now());
        let line = line(time, phase, counts);
        let (begin, end) = match (self.is_terminal, is_done) {
            (true, true) => (CLEAR, "\n"),
            (true, false) => (CLEAR, ""),
            (false, _) => ("", "\n"),
        };
        // Who does not want to see it may have closed it.
        let _ = write!(stderr(), "{begin}{line}{end}");
        let _ = stderr().flush();
    }
}

fn line(time: Duration, phase: &str, counts: &[(&str, u64)]) -> String {
    let mut line = format!("{:6.1} s  {phase:<10}", time.as_secs_f64());
    for (name, count) in counts {
        if *count > 0 {
            line.push_str(&format!("  {count} {name}"));
        }
    }
    line
}

//! The phases of a run, one after the other, and what is read of the machine between them.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

use mio::Waker;

use super::account::{Cpu, memory, peak};
use super::plan::{Load, Plan, nanoseconds};
use super::record::Record;
use super::report::progress::Progress;
use super::thread::{Order, Status, Thread};

/// How often the threads' counts are looked at.
const GLANCE: Duration = Duration::from_millis(20);
/// From the order to the first message.
const START: Duration = Duration::from_millis(50);
/// Sessions that are not open so long after the last should have been are given up.
const OPENING: Duration = Duration::from_secs(40);
/// Sessions that are not whole so long after the last should have come back are given up.
const RETURNING: Duration = Duration::from_secs(60);

/// Resident memory of a process, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    pub(super) empty: u64,
    pub(super) idle: Option<u64>,
    pub(super) after: Option<u64>,
    pub(super) peak: u64,
}

/// What the measured phase cost.
#[derive(Clone, Debug, Default)]
pub(super) struct Cost {
    pub(super) before: Cpu,
    pub(super) after: Cpu,
    pub(super) time: Duration,
}

/// What a run brought.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) record: Record,
    pub(super) memory: BTreeMap<String, Memory>,
    pub(super) cost: Cost,
    /// Time from the cut to the last session that was whole again.
    pub(super) resumed_in: Option<Duration>,
}

/// A thread from outside.
#[derive(Debug)]
struct Hand {
    orders: Sender<Order>,
    waker: Waker,
    status: Arc<Status>,
    thread: JoinHandle<io::Result<Record>>,
    given: u64,
}

#[derive(Debug)]
struct Run<'a> {
    plan: &'a Plan,
    began: Instant,
    hands: Vec<Hand>,
    progress: Progress,
}

/// Goes through the phases.
///
/// # Errors
/// The system gives no threads, a process to account for is gone, or no session could be opened.
pub(super) fn run(plan: &Plan) -> Result<Outcome, String> {
    let processes = &plan.options.processes;
    let mut memories: BTreeMap<String, Memory> = BTreeMap::new();
    for (name, empty) in memory(processes)? {
        memories.entry(name).or_default().empty = empty;
    }
    let mut run = Run::start(plan)?;
    run.open()?;
    run.wait("settling", plan.options.settle);
    if !plan.options.hold.is_zero() {
        run.wait("idle", plan.options.hold);
        for (name, idle) in memory(processes)? {
            memories.entry(name).or_default().idle = Some(idle);
        }
    }
    let cost = run.traffic()?;
    let storm = run.storm();
    if !plan.options.cool.is_zero() {
        run.wait("silence", plan.options.cool);
        for (name, after) in memory(processes)? {
            memories.entry(name).or_default().after = Some(after);
        }
    }
    for (name, peak) in peak(processes)? {
        memories.entry(name).or_default().peak = peak;
    }
    let record = run.finish()?;
    Ok(Outcome {
        resumed_in: storm.map(|cut| Duration::from_nanos(record.resumes.last.saturating_sub(cut))),
        record,
        memory: memories,
        cost,
    })
}

impl<'a> Run<'a> {
    fn start(plan: &'a Plan) -> Result<Self, String> {
        let began = Instant::now();
        let shared = Arc::new(plan.clone());
        let hands = (0..plan.options.threads).map(|index| hand(&shared, index, began));
        let hands: io::Result<Vec<Hand>> = hands.collect();
        Ok(Self {
            plan,
            began,
            hands: hands.map_err(|error| format!("the system gives no threads: {error}"))?,
            progress: Progress::new(plan.options.is_quiet),
        })
    }

    fn now(&self) -> u64 {
        nanoseconds(self.began.elapsed())
    }

    /// Gives all threads an order; they obey it when they next look.
    fn order(&mut self, order: &Order) {
        for hand in &mut self.hands {
            // A thread that has failed tells so at the end.
            let _ = hand.orders.send(order.clone());
            let _ = hand.waker.wake();
            hand.given += 1;
        }
    }

    fn sum(&self, count: impl Fn(&Status) -> &AtomicU64) -> u64 {
        let counts = self
            .hands
            .iter()
            .map(|hand| count(&hand.status).load(Ordering::Relaxed));
        counts.sum()
    }

    fn sum_of_owed(&self, count: impl Fn(&Status) -> &AtomicI64) -> i64 {
        let counts = self
            .hands
            .iter()
            .map(|hand| count(&hand.status).load(Ordering::Relaxed));
        counts.sum()
    }

    fn have_obeyed(&self) -> bool {
        self.hands
            .iter()
            .all(|hand| hand.status.obeyed.load(Ordering::Acquire) == hand.given)
    }

    /// Waits until something holds after the last order, or the time is over; returns true if it does.
    fn until(&mut self, phase: &str, most: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let end = Instant::now() + most;
        loop {
            if self.have_obeyed() && holds(self) {
                self.tell(phase, true);
                return true;
            }
            if Instant::now() >= end || self.hands.iter().any(|hand| hand.thread.is_finished()) {
                self.tell(phase, true);
                return false;
            }
            self.tell(phase, false);
            sleep(GLANCE.min(end.saturating_duration_since(Instant::now())));
        }
    }

    fn wait(&mut self, phase: &str, time: Duration) {
        self.until(phase, time, |_| false);
    }

    fn tell(&mut self, phase: &str, is_done: bool) {
        let counts = [
            ("sessions", self.sum(|status| &status.opened)),
            ("failed", self.sum(|status| &status.failed)),
            ("closed", self.sum(|status| &status.closed)),
            ("sent", self.sum(|status| &status.sent)),
            ("received", self.sum(|status| &status.received)),
            ("back", self.sum(|status| &status.whole)),
        ];
        self.progress
            .tell(self.began.elapsed(), phase, &counts, is_done);
    }

    fn open(&mut self) -> Result<(), String> {
        self.order(&Order::Open(self.now()));
        let sessions = u64::from(self.plan.sessions);
        let ramp = Duration::from_secs_f64(f64::from(self.plan.sessions) / self.plan.options.ramp);
        self.until("opening", ramp + OPENING, |run| {
            run.sum(|status| &status.opened) + run.sum(|status| &status.failed) == sessions
        });
        if self.sum(|status| &status.opened) > 0 {
            return Ok(());
        }
        let record = self.take()?;
        let why = record
            .failed
            .keys()
            .next()
            .map_or("nobody knows why", String::as_str);
        Err(format!("no session could be opened: {why}"))
    }

    /// Has messages sent, accounts for the measured phase, and waits for what is under way.
    fn traffic(&mut self) -> Result<Cost, String> {
        if self.plan.load != Load::Idle && self.sum(|status| &status.ready) == 0 {
            return Err(
                "no session is left that sends: all senders are slow, or failed".to_owned(),
            );
        }
        let traffic = self.plan.traffic(self.now() + nanoseconds(START));
        self.order(&Order::Send(traffic.clone()));
        self.wait_until("warm-up", traffic.measured.start);
        let processes = &self.plan.options.processes;
        let (begun, before) = (Instant::now(), Cpu::read(processes)?);
        self.wait_until("measuring", traffic.measured.end);
        let (time, after) = (begun.elapsed(), Cpu::read(processes)?);
        self.drain();
        Ok(Cost {
            before,
            after,
            time,
        })
    }

    fn wait_until(&mut self, phase: &str, end: u64) {
        let time = Duration::from_nanos(end.saturating_sub(self.now()));
        self.wait(phase, time);
    }

    fn drain(&mut self) {
        self.order(&Order::Drain);
        self.until("draining", self.plan.options.drain, |run| {
            run.sum_of_owed(|status| &status.owed) <= 0
                && run.sum_of_owed(|status| &status.unanswered) <= 0
        });
    }

    /// Cuts all, and waits until they are whole again; returns when they were cut.
    fn storm(&mut self) -> Option<u64> {
        let length = self.plan.options.storm?;
        let cut = self.now();
        let members = self.sum(|status| &status.opened) - self.sum(|status| &status.closed);
        self.order(&Order::Storm(nanoseconds(length)));
        self.until("storm", length + RETURNING, |run| {
            run.sum(|status| &status.whole) >= members
        });
        self.drain();
        Some(cut)
    }

    fn finish(mut self) -> Result<Record, String> {
        self.take()
    }

    fn take(&mut self) -> Result<Record, String> {
        self.order(&Order::Finish);
        let mut all = Record::default();
        for hand in self.hands.drain(..) {
            let record = hand
                .thread
                .join()
                .map_err(|_| "a thread of the bench panicked".to_owned())?;
            all.add(&record.map_err(|error| format!("a thread of the bench failed: {error}"))?);
        }
        Ok(all)
    }
}

fn hand(plan: &Arc<Plan>, index: u32, began: Instant) -> io::Result<Hand> {
    let (orders, received) = channel();
    let status = Arc::new(Status::default());
    let (told, heard) = channel();
    let thread = {
        let (plan, status) = (Arc::clone(plan), Arc::clone(&status));
        Builder::new()
            .name(format!("bench {index}"))
            .spawn(move || {
                // What a thread has is not for others to hold, so it makes it itself.
                let (thread, waker) = Thread::new(plan, index, began, received, status)?;
                let _ = told.send(waker);
                thread.run()
            })?
    };
    match heard.recv() {
        Ok(waker) => Ok(Hand {
            orders,
            waker,
            status,
            thread,
            given: 0,
        }),
        Err(_) => match thread.join() {
            Ok(Err(error)) => Err(error),
            _ => Err(io::Error::other("a thread of the bench ended at once")),
        },
    }
}

//! A thread of the bench from outside: what it is told by, and what it tells.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use mio::Waker;

use super::plan::Plan;
use super::record::Record;
use super::thread::{Order, Status, Thread};

/// A thread from outside.
#[derive(Debug)]
pub(super) struct Hand {
    orders: Sender<Order>,
    waker: Waker,
    pub(super) status: Arc<Status>,
    thread: JoinHandle<io::Result<Record>>,
    /// Orders so far.
    given: u64,
}

impl Hand {
    /// Starts the thread with this index of a run that began then.
    ///
    /// # Errors
    /// The system gives no thread, poll or timer.
    pub(super) fn new(plan: &Arc<Plan>, index: u32, began: Instant) -> io::Result<Self> {
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
            Ok(waker) => Ok(Self {
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

    /// Gives it an order, which it obeys when it next looks.
    pub(super) fn order(&mut self, order: Order) {
        // A thread that has failed tells so at the end.
        let _ = self.orders.send(order);
        let _ = self.waker.wake();
        self.given += 1;
    }

    /// Returns true once its counts are those after the last order.
    pub(super) fn has_obeyed(&self) -> bool {
        self.status.obeyed.load(Ordering::Acquire) == self.given
    }

    /// Returns true if it has failed, or is done.
    pub(super) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end; returns what it counted.
    ///
    /// # Errors
    /// A sentence that says how it failed.
    pub(super) fn end(self) -> Result<Record, String> {
        let ended = self.thread.join();
        let ended = ended.map_err(|_| "a thread of the bench panicked".to_owned())?;
        ended.map_err(|error| format!("a thread of the bench failed: {error}"))
    }
}

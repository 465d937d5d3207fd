//! One session of the bench: its stream, how far it is, and what of a frame it waits for.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

use super::wire::Opening;

/// Bytes that may wait for a server that does not read.
const LONGEST_QUEUE: usize = 4 * 1024 * 1024;
/// An unfinished frame's memory is kept for the next one up to this size.
const KEPT: usize = 1024;
/// Local addresses give so many ports to one target, with a margin.
const SESSIONS_PER_SOURCE: u32 = 25_000;

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not opened, cut, or ended.
    Away,
    /// The network is asked.
    Connecting,
    /// The server is asked for a WebSocket.
    Opening,
    /// It is greeted.
    Greeting,
    /// It is asked to let the session in.
    Joining,
    /// It is a member.
    Live,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Session {
    pub(super) stream: Option<TcpStream>,
    pub(super) state: State,
    /// The index of its room among those of its thread.
    pub(super) room: u32,
    /// Its index in the room.
    pub(super) member: u32,
    /// Grows with each attempt to open it.
    pub(super) attempt: u32,
    pub(super) opening: Opening,
    /// When it should have been opened, in nanoseconds since the run began.
    pub(super) begun: u64,
    /// The beginning of a frame that has not ended.
    pub(super) tail: Vec<u8>,
    /// The payload of a message whose frames have not all come.
    pub(super) fragments: Vec<u8>,
    queued: Vec<u8>,
    /// The position: the last number that it has, of which epoch.
    pub(super) seq: Option<u64>,
    pub(super) epoch: Option<Rc<str>>,
    /// What makes it the same user again.
    pub(super) token: Option<Box<str>>,
    /// Where it has caught up, if it comes back.
    pub(super) goal: Option<u64>,
    /// Its index among those that may send now.
    pub(super) turn: Option<u32>,
    pub(super) is_slow: bool,
    pub(super) is_paused: bool,
    /// True from the moment it is cut until it has what it missed.
    pub(super) is_returning: bool,
}

impl Session {
    pub(super) fn new(room: u32, member: u32, random: &mut fastrand::Rng) -> Self {
        Self {
            stream: None,
            state: State::Away,
            room,
            member,
            attempt: 0,
            opening: Opening::new(random),
            begun: 0,
            tail: Vec::new(),
            fragments: Vec::new(),
            queued: Vec::new(),
            seq: None,
            epoch: None,
            token: None,
            goal: None,
            turn: None,
            is_slow: false,
            is_paused: false,
            is_returning: false,
        }
    }

    /// Reads what is there behind what is kept of an unfinished frame; returns how much of the buffer is filled, and
    /// whether it was as much as fits.
    ///
    /// # Errors
    /// The stream's, [`ErrorKind::WouldBlock`] if nothing is there.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>, room: usize) -> io::Result<(usize, bool)> {
        let stream = self.stream.as_mut().ok_or(ErrorKind::NotConnected)?;
        let kept = self.tail.len();
        if buffer.len() < kept + room {
            buffer.resize(kept + room, 0);
        }
        let space = &mut buffer[kept..kept + room];
        let length = stream.read(space)?;
        if length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        buffer[..kept].copy_from_slice(&self.tail);
        self.tail.clear();
        Ok((kept + length, length == room))
    }

    /// Keeps what is left of a frame that has not ended.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        if rest.is_empty() {
            if self.tail.capacity() > KEPT {
                self.tail = Vec::new();
            }
        } else {
            self.tail.extend_from_slice(rest);
        }
    }

    /// Writes bytes, at once as far as the server takes them.
    ///
    /// # Errors
    /// The stream's, or [`ErrorKind::OutOfMemory`] if the server has not read for too long.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.stream.as_mut().ok_or(ErrorKind::NotConnected)?;
        let mut done = 0;
        if self.queued.is_empty() {
            done = written(stream.write(bytes))?;
        }
        if done < bytes.len() {
            if self.queued.len() > LONGEST_QUEUE {
                return Err(ErrorKind::OutOfMemory.into());
            }
            self.queued.extend_from_slice(&bytes[done..]);
        }
        Ok(())
    }

    /// Writes what is queued.
    ///
    /// # Errors
    /// The stream's.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while !self.queued.is_empty() {
            let stream = self.stream.as_mut().ok_or(ErrorKind::NotConnected)?;
            let done = written(stream.write(&self.queued))?;
            if done == 0 {
                return Ok(());
            }
            self.queued.drain(..done);
        }
        self.queued = Vec::new();
        Ok(())
    }

    /// Cuts it off: the server finds the stream reset, as after a crash.
    pub(super) fn cut(&mut self) {
        self.stream = None;
        self.state = State::Away;
        self.tail = Vec::new();
        self.fragments = Vec::new();
        self.queued = Vec::new();
    }
}

fn written(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(0)
        }
        result => result,
    }
}

/// Begins to open a stream for the session with this index of the whole run.
///
/// # Errors
/// The system's; that of the network comes later.
pub(super) fn connect(address: SocketAddr, index: u32, sessions: u32) -> io::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    socket.set_tcp_nodelay(true)?;
    // Closed ports would stay taken for a minute, and a few runs would take them all.
    socket.set_linger(Some(Duration::ZERO))?;
    if let Some(source) = source(address, index, sessions) {
        socket.bind(&source.into())?;
    }
    match socket.connect(&address.into()) {
        Err(error) if !is_under_way(&error) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

/// Returns true if an error says that the network is being asked.
fn is_under_way(error: &io::Error) -> bool {
    // EINPROGRESS; it has no stable kind of its own.
    const IN_PROGRESS: i32 = 115;
    error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(IN_PROGRESS)
}

/// Returns the address of this machine that a session comes from, where one has not enough ports for all.
fn source(address: SocketAddr, index: u32, sessions: u32) -> Option<SocketAddr> {
    if sessions <= SESSIONS_PER_SOURCE || !address.is_ipv4() || !address.ip().is_loopback() {
        return None;
    }
    let last = u8::try_from(2 + index / SESSIONS_PER_SOURCE).unwrap_or(u8::MAX);
    Some((Ipv4Addr::new(127, 0, 0, last), 0).into())
}

//! One server process and its signals.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Ports below those that the kernel gives to outgoing connections, so that a killed server finds its own free again.
const PORTS: std::ops::Range<u32> = 10_100..32_000;

/// A process that was started with a configuration file, and can be started so again.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    program: &'static str,
    arguments: Vec<String>,
    directory: PathBuf,
}

impl Process {
    /// Starts a program in a directory; what it prints goes into the file `log` there.
    pub(super) fn start(program: &'static str, arguments: Vec<String>, directory: PathBuf) -> Self {
        let child = spawn(program, &arguments, &directory);
        Self {
            child,
            program,
            arguments,
            directory,
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it as a crash does.
    pub(super) fn kill(&mut self) {
        // A process that has ended already is as good as killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again after a kill.
    pub(super) fn restart(&mut self) {
        self.kill();
        self.child = spawn(self.program, &self.arguments, &self.directory);
    }

    /// Sends a signal such as `STOP` or `CONT`.
    pub(super) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.id().to_string()])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "kill -{name} of {} failed",
            self.program
        );
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(program: &str, arguments: &[String], directory: &Path) -> Child {
    let log = || {
        File::options()
            .create(true)
            .append(true)
            .open(directory.join("log"))
            .expect("a log can be written")
    };
    Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(log())
        .stderr(log())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} cannot be started: {error}; is it installed?"))
}

/// Returns a loopback port that nobody listens at.
pub(super) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let count = PORTS.end - PORTS.start;
    // Each process begins somewhere else.
    let begin = std::process::id().wrapping_mul(2_654_435_761) % count;
    for _ in 0..count {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + (begin + step) % count;
        let port = u16::try_from(port).expect("the range is within 16 bits");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no loopback port is free");
}

//! What processes cost: their time on the cores and their memory, from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::str::FromStr;

/// Nanoseconds of a tick of `/proc/stat`: `USER_HZ` is 100 on all of Linux.
const TICK: u64 = 10_000_000;

/// A process that is accounted for, under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// What it is called in the report.
    pub name: String,
    /// Its number.
    pub pid: u32,
}

impl FromStr for Process {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, pid) = text.split_once('=').unwrap_or(("server", text));
        match pid.parse() {
            Ok(pid) if !name.is_empty() => Ok(Self {
                name: name.to_owned(),
                pid,
            }),
            _ => Err("must be the number of a process, or NAME=NUMBER".to_owned()),
        }
    }
}

/// What each thread used, by its number. What one used that has ended is not told, so only differences of the same
/// threads make sense.
pub(super) type ByThread = BTreeMap<u32, u64>;

/// Returns what was used between two moments.
pub(super) fn used(before: &ByThread, after: &ByThread) -> u64 {
    let used = |(thread, after): (&u32, &u64)| {
        let before = before.get(thread).copied().unwrap_or(0);
        after.saturating_sub(before)
    };
    after.iter().map(used).sum()
}

/// How often a tick of the clock found a process at work. The ticks are few hundred per second, so the part of the
/// kernel is good to some percent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ticks {
    /// In its own code.
    pub(super) own: u64,
    /// In the kernel, at what it asked for or what was charged to it.
    pub(super) kernel: u64,
}

impl Ticks {
    /// Adds those of a process up to now.
    fn add(&mut self, pid: u32) -> Result<(), String> {
        let path = format!("/proc/{pid}/stat");
        let text = read(&path)?;
        // The name before it may hold anything, brackets and spaces too; then `utime` is the 12th and `stime` the 13th.
        let (_, fields) = text.rsplit_once(')').unwrap_or_default();
        let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u64>);
        let (Some(Ok(own)), Some(Ok(kernel))) = (ticks.next(), ticks.next()) else {
            return Err(format!("{path} does not tell the times of the process"));
        };
        self.own += own;
        self.kernel += kernel;
        Ok(())
    }

    /// Returns which part of what came after `before` was in the kernel; nothing if nothing came.
    pub(super) fn kernel_part(self, before: Self) -> Option<f64> {
        let own = self.own.saturating_sub(before.own) as f64;
        let kernel = self.kernel.saturating_sub(before.kernel) as f64;
        (own + kernel > 0.0).then(|| kernel / (own + kernel))
    }
}

/// Time on the cores up to some moment, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Cpu {
    /// Of the processes, by name.
    pub(super) processes: BTreeMap<String, ByThread>,
    /// Where the ticks found them.
    pub(super) ticks: BTreeMap<String, Ticks>,
    /// Of this one.
    pub(super) generator: ByThread,
    /// Of all, in whatever they do.
    pub(super) busy: u64,
    /// What others than this machine had of its cores.
    pub(super) steal: u64,
    /// Cores of the machine, whichever this process may use.
    pub(super) cores: usize,
}

impl Cpu {
    /// Reads what was used so far.
    ///
    /// # Errors
    /// A sentence that names what cannot be read.
    pub(super) fn read(processes: &[Process]) -> Result<Self, String> {
        let mut cpu = Self {
            generator: of_process("self")?,
            ..Self::default()
        };
        for process in processes {
            let used = of_process(&process.pid.to_string())
                .map_err(|error| format!("--pid {}={}: {error}", process.name, process.pid))?;
            let threads = cpu.processes.entry(process.name.clone()).or_default();
            threads.extend(used);
            let ticks = cpu.ticks.entry(process.name.clone()).or_default();
            ticks.add(process.pid)?;
        }
        let stat = read("/proc/stat")?;
        let all = stat.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = all
            .split_whitespace()
            .skip(1)
            .filter_map(|ticks| ticks.parse().ok())
            .collect();
        // user nice system idle iowait irq softirq steal; guests are within user.
        let &[user, nice, system, _, _, irq, softirq, steal, ..] = ticks.as_slice() else {
            return Err("/proc/stat does not begin with the time of all cores".to_owned());
        };
        cpu.busy = (user + nice + system + irq + softirq) * TICK;
        cpu.steal = steal * TICK;
        let is_core = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
        cpu.cores = stat.lines().filter(is_core).count();
        Ok(cpu)
    }
}

/// Resident memory of the processes now, in KiB. It walks their page tables, so never while times are taken.
///
/// # Errors
/// A sentence that names what cannot be read.
pub(super) fn memory(processes: &[Process]) -> Result<BTreeMap<String, u64>, String> {
    let mut memory = BTreeMap::new();
    for Process { name, pid } in processes {
        let text = read(&format!("/proc/{pid}/smaps_rollup"))?;
        *memory.entry(name.clone()).or_default() += field(&text, "Rss:")?;
    }
    Ok(memory)
}

/// The most that the processes ever had, in KiB.
///
/// # Errors
/// A sentence that names what cannot be read.
pub(super) fn peak(processes: &[Process]) -> Result<BTreeMap<String, u64>, String> {
    let mut peak = BTreeMap::new();
    for Process { name, pid } in processes {
        let text = read(&format!("/proc/{pid}/status"))?;
        *peak.entry(name.clone()).or_default() += field(&text, "VmHWM:")?;
    }
    Ok(peak)
}

fn of_process(process: &str) -> Result<ByThread, String> {
    let folder = format!("/proc/{process}/task");
    let threads =
        fs::read_dir(&folder).map_err(|error| format!("{folder} cannot be read: {error}"))?;
    let mut used = ByThread::new();
    for thread in threads.flatten() {
        let number = thread.file_name().to_string_lossy().parse();
        // It may end while this is read.
        let text = fs::read_to_string(thread.path().join("schedstat"));
        let (Ok(number), Ok(text)) = (number, text) else {
            continue;
        };
        let first = text.split(' ').next();
        let time = first.and_then(|time| time.parse().ok()).unwrap_or(0);
        used.insert(number, time);
    }
    Ok(used)
}

fn field(text: &str, name: &str) -> Result<u64, String> {
    text.lines()
        .find_map(|line| {
            line.strip_prefix(name)?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .ok_or_else(|| format!("the system does not tell {name}"))
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"))
}

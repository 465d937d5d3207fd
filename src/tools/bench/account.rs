//! What processes cost: their time on the cores and their memory, from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::str::FromStr;

/// Nanoseconds of a tick of `/proc/stat`: USER_HZ is 100 on all of Linux.
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

/// Time on the cores up to some moment, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Cpu {
    /// Of the processes, by name.
    pub(super) processes: BTreeMap<String, u64>,
    /// Of this one.
    pub(super) generator: u64,
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
            *cpu.processes.entry(process.name.clone()).or_default() += used;
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

/// Sums up what the threads of a process used. What threads used that ended is not in it, so it must not have any.
fn of_process(process: &str) -> Result<u64, String> {
    let folder = format!("/proc/{process}/task");
    let threads =
        fs::read_dir(&folder).map_err(|error| format!("{folder} cannot be read: {error}"))?;
    let mut used = 0;
    for thread in threads.flatten() {
        // It may end while this is read.
        let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else {
            continue;
        };
        used += text
            .split(' ')
            .next()
            .and_then(|used| used.parse::<u64>().ok())
            .unwrap_or(0);
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

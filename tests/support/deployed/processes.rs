//! The processes in which the local AWS runs a function. It runs one for each batch in
//! progress, and keeps them for later batches. A story can kill them.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use super::{Result, Surprise};

/// The processes of a function.
#[derive(Debug)]
pub struct Processes {
    emulator: u32,
    variable: String,
    log: PathBuf,
    died: [String; 2],
    /// The voluntary context switches of each process at the last look.
    waits: HashMap<u32, u64>,
}

impl Processes {
    /// `emulator` is the process id of the local AWS, and `variable` an environment variable that
    /// only this function has. Lines of the log with both parts of `died` say that a process died
    /// at work.
    pub(super) fn new(emulator: u32, variable: String, log: PathBuf, died: [String; 2]) -> Self {
        Self { emulator, variable, log, died, waits: HashMap::new() }
    }

    /// Sends SIGKILL to a random process that was active since the last call. Returns whether
    /// there was one.
    pub async fn kill_one_at_work(&mut self) -> Result<bool> {
        let waits = self.look();
        // The count of an idle process does not change.
        let moved = waits.iter().filter(|(pid, waits)| self.waits.get(pid) != Some(waits));
        let at_work: Vec<u32> = moved.map(|(pid, _)| *pid).collect();
        self.waits = waits;
        match fastrand::choice(at_work) {
            Some(victim) => kill(victim).await,
            None => Ok(false),
        }
    }

    /// How many processes have died during a batch, by the log.
    pub fn deaths_at_work(&self) -> Result<usize> {
        let log = fs::read(&self.log).map_err(Surprise::of("the log of batches that failed"))?;
        let died = |line: &&str| self.died.iter().all(|part| line.contains(part));
        Ok(String::from_utf8_lossy(&log).lines().filter(died).count())
    }

    /// All processes of the function, with their voluntary context switches.
    fn look(&self) -> HashMap<u32, u64> {
        let connections = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter_map(|pid| Some((pid, self.waits_of(pid, &connections)?))).collect()
    }

    /// None if the process is not of this function, has ended, or is still starting.
    fn waits_of(&self, pid: u32, connections: &str) -> Option<u64> {
        let read = |file| fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
        let status = read("status")?;
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if field("PPid:")? != self.emulator.to_string() {
            return None;
        }
        let environment = read("environ")?;
        let variable = |name| environment.split('\0').find_map(|line| line.strip_prefix(name));
        if !environment.split('\0').any(|line| line == self.variable) {
            return None;
        }
        // A started process is connected to the Runtime API. When a process dies before that,
        // the local AWS ends all others of its function too, at the same moment.
        let port: u16 = variable("AWS_LAMBDA_RUNTIME_API=127.0.0.1:")?.parse().ok()?;
        let established = format!(" 0100007F:{port:04X} 01 ");
        let in_service = connections.contains(&established);
        in_service.then(|| field("voluntary_ctxt_switches:")?.parse().ok())?
    }
}

/// Sends SIGKILL. Returns whether the process was there.
pub(super) async fn kill(pid: u32) -> Result<bool> {
    let mut kill = Command::new("sh");
    kill.args(["-c", "kill -KILL \"$0\"", &pid.to_string()]);
    let done = kill.stdin(Stdio::null()).stderr(Stdio::null()).status().await;
    Ok(done.map_err(Surprise::of("killing a process"))?.success())
}

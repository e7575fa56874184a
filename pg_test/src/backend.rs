//! What a backend holds: memory, files, threads.

use crate::Result;
use postgres::Client;
use std::fs;
use std::time::{Duration, Instant};

/// How long what was let go may take to be gone: connections are closed by other threads.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);

/// What a backend holds at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Footprint {
    /// The most memory that was ever resident, shared buffers included, KB.
    pub peak_kb: u64,
    /// Memory of its own that is resident, KB.
    pub own_kb: u64,
    /// That without the shared buffers it has touched, KB.
    pub own_peak_kb: u64,
    /// Open file descriptors.
    pub files: usize,
    /// Threads.
    pub threads: usize,
    /// Postgres's memory contexts, KB.
    pub contexts_kb: u64,
}

/// How much more a backend may hold after many repetitions than before.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// Resident memory and its peak: allocators and caches need a while to find their size.
    pub memory_kb: u64,
    /// Memory contexts.
    pub contexts_kb: u64,
}

impl Footprint {
    /// That of the client's own backend.
    pub fn of(client: &mut Client) -> Result<Self> {
        let contexts = "SELECT pg_backend_pid(), sum(total_bytes)::bigint / 1024 FROM pg_backend_memory_contexts";
        let row = client.query_one(contexts, &[])?;
        let pid: i32 = row.get(0);
        let process = format!("/proc/{pid}");
        let entries = |name: &str| -> Result<usize> {
            Ok(fs::read_dir(format!("{process}/{name}"))?.count())
        };
        let status = fs::read_to_string(format!("{process}/status"))?;
        let kb = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let value = line.and_then(|line| line.split_whitespace().next());
            Ok(value.ok_or("/proc/PID/status has all fields")?.parse()?)
        };
        let peak_kb = kb("VmHWM:")?;
        Ok(Footprint {
            peak_kb,
            own_peak_kb: peak_kb.saturating_sub(kb("RssShmem:")?),
            own_kb: kb("RssAnon:")?,
            files: entries("fd")?,
            threads: entries("task")?,
            contexts_kb: u64::try_from(row.get::<_, i64>(1))?,
        })
    }

    /// Fails unless the backend holds no more than this, but for the allowance. Returns what it holds.
    pub fn assert_not_grown(self, client: &mut Client, allowance: Allowance) -> Result<Self> {
        let began = Instant::now();
        loop {
            let now = Footprint::of(client)?;
            if now.is_within(self, allowance) {
                return Ok(now);
            }
            assert!(
                began.elapsed() < SETTLED_WITHIN,
                "before: {self:?}\nafter: {now:?}\nmore than {allowance:?}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn is_within(&self, before: Footprint, allowance: Allowance) -> bool {
        self.peak_kb <= before.peak_kb + allowance.memory_kb
            && self.own_kb <= before.own_kb + allowance.memory_kb
            && self.contexts_kb <= before.contexts_kb + allowance.contexts_kb
            // A connection or two that is kept, or the epoll of a thread that sleeps.
            && self.files <= before.files + 2
            // Threads that read files and resolve names come and go with the work.
            && self.threads <= before.threads + 4
    }
}

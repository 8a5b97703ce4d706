//! The machine that a record comes from.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use procfs::{CpuInfo, Current, Meminfo};
use serde::{Deserialize, Serialize};

/// What is worth knowing about a machine, and when it was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// The processor, as it calls itself.
    pub(crate) processor: String,
    /// Processors that this process may use.
    pub(crate) processors: usize,
    /// Its caches, innermost first, such as `L2 512K`.
    pub(crate) caches: Vec<String>,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
    pub(crate) system: String,
    pub(crate) openssl: String,
    pub(crate) rustc: String,
    /// The commit that was measured, with `-dirty` behind it if files differ from it.
    pub(crate) commit: String,
    /// When, in seconds since 1970.
    pub(crate) unix_time: u64,
}

impl Machine {
    /// This one, now. What cannot be found out is left empty.
    pub(crate) fn this() -> Self {
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            processor: (CpuInfo::current().ok())
                .and_then(|info| info.model_name(0).map(str::to_owned))
                .unwrap_or_default(),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            caches: caches(),
            memory_bytes: Meminfo::current().map_or(0, |info| info.mem_total),
            kernel: output("uname", &["-sr"]),
            system: (release.lines())
                .find_map(|line| line.strip_prefix("PRETTY_NAME="))
                .map_or_else(String::new, |name| name.trim_matches('"').to_owned()),
            openssl: openssl::version::version().to_owned(),
            rustc: output("rustc", &["--version"]),
            commit: output("git", &["describe", "--always", "--dirty", "--abbrev=12"]),
            unix_time: since_1970.map_or(0, |since| since.as_secs()),
        }
    }
}

fn caches() -> Vec<String> {
    let one = |index| {
        let read = |file| {
            let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{file}");
            fs::read_to_string(path).ok().map(|s| s.trim().to_owned())
        };
        let (level, kind, size) = (read("level")?, read("type")?, read("size")?);
        Some((kind != "Instruction").then(|| format!("L{level} {size}")))
    };
    (0..8).map_while(one).flatten().collect()
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    text.unwrap_or_default()
}

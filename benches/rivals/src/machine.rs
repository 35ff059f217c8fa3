//! Where it was measured, and with what.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use serde::{Deserialize, Serialize};

/// The crates whose versions matter.
const CRATES: [&str; 9] =
    ["aes-gcm", "aws-lc-rs", "cached", "cachekit-rs", "moka", "quick_cache", "redis", "rmp-serde", "tokio"];

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub kernel: String,
    pub rustc: String,
    pub redis_server: String,
    pub crates: BTreeMap<String, String>,
    pub when: String,
    /// The load averages of a minute, 5 and 15 minutes as it began, and as it ended.
    pub load: [String; 2],
    pub seconds: u64,
    /// With fewer rounds and less of everything: not to be shown to anyone.
    pub quick: bool,
}

impl Machine {
    pub fn look(quick: bool) -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = info.lines().find_map(|line| line.strip_prefix("model name\t: "));
        Self {
            cpu: cpu.unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            kernel: said("uname", &["-sr"]),
            rustc: said("rustc", &["--version"]),
            redis_server: said("redis-server", &["--version"]).split(" sha").next().unwrap_or("").to_owned(),
            crates: crates(),
            when: said("date", &["-u", "+%F %R UTC"]),
            load: [load(), String::new()],
            seconds: 0,
            quick,
        }
    }
}

/// The repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// What this process has in memory, in bytes.
pub fn rss() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| "unknown".into(), |it| String::from_utf8_lossy(&it.stdout).trim().to_owned())
}

/// The versions that Cargo.lock says; where there are several, the newest stands last.
fn crates() -> BTreeMap<String, String> {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap_or_default();
    let packages = lock.split("[[package]]").filter_map(|package| {
        let field = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim_matches('"').to_owned())
        };
        Some((field("name = ")?, field("version = ")?))
    });
    packages.filter(|(name, _)| CRATES.contains(&name.as_str())).collect()
}

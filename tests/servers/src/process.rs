//! A program of one test.

use std::{
    io,
    net::TcpListener,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

/// How long a server may take to start on a busy machine.
const STARTS: Duration = Duration::from_secs(60);
/// How often a server is tried to be started on other ports: another process may take a free one before it does.
const TRIES: usize = 5;

/// A running program. Killed when dropped, with all that it started: they are a process group of their own.
pub struct Process(Child);

impl Process {
    /// Runs the command until it is `ready`. `None` if it ends before, or is not ready for long.
    ///
    /// # Panics
    /// If the program is missing; `install` is the line that installs it.
    pub fn start(command: &mut Command, install: &str, ready: impl Fn() -> bool) -> Option<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).process_group(0);
        let child = command.spawn().unwrap_or_else(|err| match err.kind() {
            io::ErrorKind::NotFound => panic!("{program} is missing. Install it: {install}"),
            _ => panic!("{program} does not start: {err}"),
        });
        let mut process = Self(child);
        let deadline = Instant::now() + STARTS;
        while Instant::now() < deadline && process.0.try_wait().unwrap().is_none() {
            if ready() {
                return Some(process);
            }
            thread::sleep(Duration::from_millis(10));
        }
        None
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // They may have ended by themselves. The first is not waited for yet, so its id is no one else's.
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

/// Something that starts on ports which were free a moment ago, or fails to.
///
/// # Panics
/// If it fails every time.
pub fn on_free_ports<T>(mut start: impl FnMut() -> Option<T>) -> T {
    (0..TRIES).find_map(|_| start()).expect("a server does not start: see what it printed")
}

/// A loopback port that nothing listens on at this moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

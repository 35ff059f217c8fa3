//! The child, and the search through its memory.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::FileExt,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::secrets::{Mark, PART};

pub(crate) struct Process {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
}

impl Process {
    pub(crate) fn start(scenario: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--child", scenario]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self { to: child.stdin.take().unwrap(), from: child.stdout.take().unwrap(), child }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.to.write_all(bytes).unwrap();
    }

    pub(crate) fn wait(&mut self) {
        self.from.read_exact(&mut [0]).expect("the child goes on");
    }

    pub(crate) fn go_on(&mut self) {
        self.send(b".");
    }

    /// Bytes with their length before them.
    pub(crate) fn receive(&mut self) -> Vec<u8> {
        let mut length = [0; 4];
        self.from.read_exact(&mut length).unwrap();
        let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
        self.from.read_exact(&mut bytes).unwrap();
        bytes
    }

    pub(crate) fn end(mut self) {
        assert!(self.child.wait().unwrap().success());
    }

    /// How many parts of each mark stand in the child's writable memory.
    pub(crate) fn count(&self, marks: &[Mark]) -> BTreeMap<&'static str, usize> {
        let process = format!("/proc/{}", self.child.id());
        let maps = fs::read_to_string(format!("{process}/maps")).unwrap();
        let memory = File::open(format!("{process}/mem")).unwrap();
        let mut found: BTreeMap<_, _> = marks.iter().map(|(name, _)| (*name, 0)).collect();
        let parts = Parts::of(marks);
        for (from, to) in maps.lines().filter_map(writable) {
            let mut bytes = vec![0; (to - from) as usize];
            if memory.read_exact_at(&mut bytes, from).is_ok() {
                parts.find(&bytes, |name| *found.get_mut(name).unwrap() += 1);
            } // else it is such as [vvar]
        }
        found
    }
}

fn writable(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split_whitespace();
    let (range, access) = (fields.next()?, fields.next()?);
    let (from, to) = range.split_once('-')?;
    let address = |hex| u64::from_str_radix(hex, 16).ok();
    access.starts_with("rw").then_some((address(from)?, address(to)?))
}

/// Every part of every mark, by the two bytes that it begins with: so most of memory is passed over quickly.
struct Parts<'a>(Vec<Vec<(&'static str, &'a [u8])>>);

impl<'a> Parts<'a> {
    fn of(marks: &'a [Mark]) -> Self {
        let mut parts = vec![Vec::new(); 1 << 16];
        for (name, mark) in marks {
            mark.windows(PART).for_each(|part| parts[beginning(part)].push((*name, part)));
        }
        Self(parts)
    }

    fn find(&self, bytes: &[u8], mut tell: impl FnMut(&'static str)) {
        for window in bytes.windows(PART) {
            let alike = self.0[beginning(window)].iter();
            alike.filter(|(_, part)| *part == window).for_each(|(name, _)| tell(name));
        }
    }
}

fn beginning(part: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([part[0], part[1]]))
}

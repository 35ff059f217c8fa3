//! No key and no plaintext stays in memory once it is dropped.
//!
//! The test starts itself as a child, gives it a master key and a value over a pipe, and searches the child's whole
//! writable memory: while the child holds them, as a control that the search finds what is there, and after it has
//! dropped them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test

use std::{
    env,
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::FileExt,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use blindcache::{EncryptedBackend, Keyring, MasterKey, MemoryBackend};
use zeroize::{Zeroize, Zeroizing};

mod common;

const VALUE: usize = 48;

fn main() {
    if !cfg!(target_os = "linux") {
        return println!("0 passed, 0 failed: the memory of a process is searched on Linux only");
    }
    if env::args().nth(1).as_deref() == Some("--child") {
        return child();
    }
    let mut secrets = Secrets::generate();
    let mut child = Process::start();
    child.send(&secrets.master);
    child.send(&secrets.value);
    child.wait();
    for (name, mark) in secrets.while_held() {
        assert!(child.count(&mark) > 0, "control: {name} is not found while the child holds it");
    }
    child.send(b".");
    child.wait();
    let left: Vec<_> = secrets.all().into_iter().map(|(name, mark)| (name, child.count(&mark))).collect();
    println!("copies left after drop: {left:?}");
    child.send(b".");
    child.end();
    secrets.master.zeroize();
    assert!(left.iter().all(|(_, count)| *count == 0), "{left:?}");
    println!("test nothing_stays_in_memory_after_drop ... ok\n\n1 passed, 0 failed");
}

struct Secrets {
    master: [u8; 32],
    value: [u8; VALUE],
}

impl Secrets {
    fn generate() -> Self {
        let mut secrets = Self { master: [0; 32], value: [0; VALUE] };
        getrandom::fill(&mut secrets.master).unwrap();
        getrandom::fill(&mut secrets.value).unwrap();
        secrets.value.iter_mut().for_each(|byte| *byte = b'a' + *byte % 26);
        secrets
    }

    /// What the child must have in memory while it can seal and open.
    fn while_held(&self) -> Vec<(&'static str, Vec<u8>)> {
        let states =
            ["inner naming state", "outer naming state", "inner sealing state", "outer sealing state"];
        self.all().into_iter().filter(|(name, _)| states.contains(name) || *name == "master key").collect()
    }

    fn all(&self) -> Vec<(&'static str, Vec<u8>)> {
        let root = common::expand(&self.master, &[b"blindcache/v1/tenant\0", b"acme"]);
        let sealing = common::tenant_key(&self.master, "acme", "seal");
        let naming = common::tenant_key(&self.master, "acme", "name");
        vec![
            ("master key", self.master.to_vec()),
            ("master key as text", MasterKey::from_bytes(&self.master).unwrap().to_text()[10..50].into()),
            ("tenant root", root.to_vec()),
            ("sealing key", sealing.to_vec()),
            ("naming key", naming.to_vec()),
            ("inner sealing state", hmac_state(&sealing, 0x36)),
            ("outer sealing state", hmac_state(&sealing, 0x5C)),
            ("inner naming state", hmac_state(&naming, 0x36)),
            ("outer naming state", hmac_state(&naming, 0x5C)),
            ("value", self.value.to_vec()),
        ]
    }
}

/// The SHA-256 state after the first block of an HMAC, RFC 2104, as it lies in memory: as good as the key.
fn hmac_state(key: &[u8; 32], pad: u8) -> Vec<u8> {
    let mut state =
        [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
    let mut block = [pad; 64];
    block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    sha2::block_api::compress256(&mut state, &[block]);
    state.iter().flat_map(|word: &u32| word.to_ne_bytes()).collect()
}

struct Process {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
}

impl Process {
    fn start() -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        let mut child = command.arg("--child").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Self { to: child.stdin.take().unwrap(), from: child.stdout.take().unwrap(), child }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.to.write_all(bytes).unwrap();
    }

    fn wait(&mut self) {
        self.from.read_exact(&mut [0]).expect("the child goes on");
    }

    fn end(mut self) {
        assert!(self.child.wait().unwrap().success());
    }

    /// How often the bytes stand in the child's writable memory.
    fn count(&self, mark: &[u8]) -> usize {
        let process = format!("/proc/{}", self.child.id());
        let maps = fs::read_to_string(format!("{process}/maps")).unwrap();
        let memory = File::open(format!("{process}/mem")).unwrap();
        maps.lines().filter_map(writable).map(|(from, to)| count_in(&memory, from, to, mark)).sum()
    }
}

fn count_in(memory: &File, from: u64, to: u64, mark: &[u8]) -> usize {
    let mut bytes = vec![0; (to - from) as usize];
    match memory.read_exact_at(&mut bytes, from) {
        Ok(()) => bytes.windows(mark.len()).filter(|window| *window == mark).count(),
        Err(_) => 0, // such as [vvar]
    }
}

fn writable(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split_whitespace();
    let (range, access) = (fields.next()?, fields.next()?);
    let (from, to) = range.split_once('-')?;
    let address = |hex| u64::from_str_radix(hex, 16).ok();
    access.starts_with("rw").then_some((address(from)?, address(to)?))
}

fn child() {
    // Not `stdin()`, whose buffer would keep what it read.
    let mut input = File::open("/proc/self/fd/0").unwrap();
    let held = hold(&mut input);
    go_on(&mut input);
    work(held);
    go_on(&mut input);
}

fn go_on(input: &mut File) {
    std::io::stdout().write_all(b".").unwrap();
    std::io::stdout().flush().unwrap();
    input.read_exact(&mut [0]).unwrap();
}

type Held = (MasterKey, EncryptedBackend<MemoryBackend>, Zeroizing<Vec<u8>>);

#[inline(never)]
fn hold(input: &mut File) -> Held {
    let mut master = Box::new(Zeroizing::new([0; 32]));
    let mut value = Zeroizing::new(vec![0; VALUE]);
    input.read_exact(master.as_mut_slice()).unwrap();
    input.read_exact(&mut value).unwrap();
    let text = MasterKey::from_bytes(master.as_slice()).unwrap().to_text();
    let keys = Keyring::new(MasterKey::parse(&text).unwrap()).unwrap().tenant("acme").unwrap();
    (MasterKey::parse(&text).unwrap(), EncryptedBackend::new(MemoryBackend::new(), keys), value)
}

#[inline(never)]
fn work((master, acme, value): Held) {
    let text = std::str::from_utf8(&value).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for round in 0..100 {
            let copies = vec![text; 1 + round]; // the buffer grows on the way
            acme.set(round, &copies, Duration::from_secs(60)).await.unwrap();
            let mut back: Vec<String> = acme.get(round).await.unwrap().unwrap();
            back.iter_mut().for_each(Zeroize::zeroize);
            acme.set_bytes(round, &value, None).await.unwrap();
            let bytes = acme.get_bytes(round).await.unwrap().unwrap();
            bytes.try_into_mut().unwrap().fill(0); // from here on the caller's
            let small = acme.clone().max_value(100 * VALUE as u32);
            assert!(small.set(round, &vec![text; 200], None).await.is_err()); // refused on the way
        }
    });
    drop(master);
}

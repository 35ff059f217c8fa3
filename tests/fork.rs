//! After `fork`, parent and child never write the same nonce: random bytes come from the operating system at every
//! entry, so there is no state to be copied.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test

use std::{
    collections::HashSet,
    fs::File,
    io::{Read as _, Write as _},
    os::fd::FromRawFd as _,
};

use blindcache::{EncryptedBackend, Keyring, MasterKey, MemoryBackend};

const ENTRIES: usize = 1000;
const NONCE: usize = 24;

fn main() {
    let store = MemoryBackend::new();
    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap().tenant("acme").unwrap();
    let acme = EncryptedBackend::new(store.clone(), keys);
    write_nonces(&acme, &store); // whatever is kept between entries exists before the fork

    let shared = nonces_of_both(|| write_nonces(&acme, &store));
    assert_eq!(shared, 0, "parent and child wrote {shared} equal nonces");
    println!("test parent_and_child_never_write_the_same_nonce ... ok");

    let mut generator = 0_u64; // in user space: after a fork it goes on alike in both
    let shared = nonces_of_both(|| {
        let next = |_| {
            generator = generator.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            [generator.to_be_bytes(); 3].concat().try_into().unwrap()
        };
        (0..ENTRIES).map(next).collect()
    });
    assert_eq!(shared, ENTRIES, "control: a generator in user space is found out");
    println!("test control_a_generator_in_user_space_is_found_out ... ok\n\n2 passed, 0 failed");
}

fn write_nonces(acme: &EncryptedBackend<MemoryBackend>, store: &MemoryBackend) -> Vec<[u8; NONCE]> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(acme.set_many((0..ENTRIES).map(|at| (at, at)), None)).unwrap();
    store.entries().iter().map(|(_, entry)| entry[8..8 + NONCE].try_into().unwrap()).collect()
}

/// Runs `write` in this process and in a forked one, and counts the nonces that both wrote.
fn nonces_of_both(mut write: impl FnMut() -> Vec<[u8; NONCE]>) -> usize {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two file descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: both descriptors are open, and nothing else owns them.
    let [mut from, mut to] = ends.map(|end| unsafe { File::from_raw_fd(end) });
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        0 => {
            to.write_all(&write().concat()).unwrap();
            std::process::exit(0);
        }
        child => {
            drop(to);
            let mine: HashSet<[u8; NONCE]> = write().into_iter().collect();
            let mut theirs = Vec::new();
            from.read_to_end(&mut theirs).unwrap();
            // SAFETY: no status is asked for.
            assert_eq!(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) }, child);
            assert_eq!((mine.len(), theirs.len()), (ENTRIES, ENTRIES * NONCE));
            theirs.chunks(NONCE).filter(|nonce| mine.contains(*nonce)).count()
        }
    }
}

//! Taking plaintext and key material out of memory.

/// Room in bytes on the stack that deriving keys takes at most, and that is wiped behind it.
const STACK: usize = 16 * 1024;

/// Overwrites the bytes with zeros, and keeps the compiler from leaving that out.
///
/// `fill` runs at the speed of memory; `Zeroize` of a slice goes byte by byte.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}

/// Runs `work`, then wipes the stack that it used: a key type returned by value leaves copies of itself there.
pub(crate) fn with_clean_stack<T>(work: impl FnOnce() -> T) -> T {
    let done = apart(work);
    zeroize::zeroize_stack::<STACK>();
    done
}

/// Keeps the frame of `work` below the one that is wiped.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

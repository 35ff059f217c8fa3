//! Taking plaintext and key material out of memory.

/// Stack in bytes below the preparing of keys, once for a tenant.
pub(crate) const SETUP: usize = 16 * 1024;
/// Stack in bytes below the copy of a prepared state, for each name and each entry; unoptimized frames are deeper.
pub(crate) const CALL: usize = if cfg!(debug_assertions) { 16 * 1024 } else { 2 * 1024 };
/// Stack in bytes below the cipher of aes-gcm, for each entry: its round keys, and copies of them.
#[cfg(any(not(feature = "aws-lc-rs"), feature = "testing", test))]
pub(crate) const CIPHER: usize = if cfg!(debug_assertions) { 16 * 1024 } else { 4 * 1024 };

/// Overwrites the bytes with zeros, and keeps the compiler from leaving that out.
///
/// `fill` runs at the speed of memory; `Zeroize` of a slice goes byte by byte.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}

/// Runs `work`, then wipes the `STACK` bytes below it: a key type returned by value leaves copies of itself there.
#[inline(always)]
pub(crate) fn with_clean_stack<const STACK: usize, T>(work: impl FnOnce() -> T) -> T {
    let done = apart(work);
    zeroize::zeroize_stack::<STACK>();
    done
}

/// Keeps the frame of `work` below the one that is wiped.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

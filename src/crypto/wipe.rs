//! Taking plaintext and key material out of memory.

/// Stack in bytes below the preparing of keys, once for a tenant.
pub(crate) const SETUP: usize = 16_384;
/// Stack in bytes below the copy of a prepared state, for each name and each entry; unoptimized frames are deeper.
pub(crate) const CALL: usize = if cfg!(debug_assertions) { 16_384 } else { 2048 };
/// Stack in bytes below the cipher of aes-gcm, for each entry: its round keys, and copies of them.
#[cfg(any(not(feature = "aws-lc-rs"), feature = "testing", test))]
pub(crate) const CIPHER: usize = if cfg!(debug_assertions) { 16_384 } else { 4096 };

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

#[cfg(test)]
mod tests {
    use super::*;

    /// That nothing else is left in memory is `tests/memory/main.rs`.
    #[test]
    fn wiped_bytes_are_zero() {
        let mut bytes = [7; 100];
        wipe(&mut bytes[1..99]);
        assert_eq!(bytes, std::array::from_fn(|at| if at == 0 || at == 99 { 7 } else { 0 }));
    }

    #[test]
    fn work_on_a_clean_stack_gives_what_it_gives() {
        assert_eq!(with_clean_stack::<CALL, _>(|| 42), 42);
    }
}

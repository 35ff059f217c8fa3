//! Planted faults. A fuzzer, or a replay, that does not find them sees nothing.

/// Panics on inputs with one beginning.
#[allow(clippy::panic)] // the fault
pub fn control(data: &[u8]) {
    if is_planted(data) {
        panic!("the planted fault");
    }
}

/// Takes 32 MiB at once on the same.
pub fn control_memory(data: &[u8]) {
    if is_planted(data) {
        let much = vec![1_u8; 32 << 20];
        assert!(std::hint::black_box(&much).ends_with(&[1]));
    }
}

/// Five bytes: a fuzzer that sees which branches are taken finds them one by one, and one that does not in 2^40 runs.
fn is_planted(data: &[u8]) -> bool {
    matches!(data, [0xC1, b'b', b'c', 1, b'!', ..])
}

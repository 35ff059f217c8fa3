//! How often the hot paths allocate, exactly: what is added there shows here.
//!
//! By a counting allocator, on this thread. A number that sinks is good news: put the new one.
#![allow(clippy::unwrap_used)] // a test

use allocation_counter::{AllocationInfo, measure};
use blindcache_counts::{now, paths, runtime};

/// The allocations of one call, once it is warm: those of the library, of the store below it, and of the value. What
/// aws-lc allocates in C is not among them.
const EXPECTED: &[(&str, u64)] = &[
    ("key str", 0),
    ("key tuple", 0),
    ("get, absent", 1),
    ("get 64 B", 3),
    ("get profile", 13),
    ("get 16 KiB", 3),
    ("set 64 B", 5),
    ("set profile", 5),
    ("set 16 KiB", 5),
    ("get_bytes 16 KiB", 3),
    ("set_bytes 16 KiB", 4),
    ("get_many 100 profiles", 1314),
    ("set_many 100 profiles", 406),
    ("Cache::get, in memory", 0),
    ("Cache::get, in memory, u64", 0),
    ("Cache::get, L1", 0),
    ("Cache::get, L1, tuple", 0),
    ("Cache::get, sealed L1", 4),
    ("Cache::get_or_compute, L1", 0),
    ("Cache::get, store", 10),
    ("Cache::get, store, 16 tags", 17),
    ("Cache::get, absent", 5),
    ("Cache::get_or_compute, store", 10),
    ("Cache::get_or_compute, miss", 11),
    ("Cache::set", 12),
    ("Cache::set, in memory", 5),
];

#[test]
fn hot_paths_allocate_as_often_as_is_said_here() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let mut counted = Vec::new();
    for (name, path) in paths() {
        let path = path();
        (0..10).for_each(|_| path());
        let calls = [(); 3].map(|()| measure(&*path));
        assert!(calls.iter().all(|call| call.count_total == calls[0].count_total), "{name}: {calls:?}");
        assert!(
            name.contains("set") || calls.iter().all(|call| call.count_current == 0),
            "{name} keeps some"
        );
        counted.push((name, calls[0].count_total));
    }
    assert_eq!(counted, EXPECTED);
}

/// The control: what is allocated is counted, and what is not is not.
#[test]
fn the_allocator_counts() {
    let of = |info: AllocationInfo| (info.count_total, info.bytes_total);
    assert_eq!(of(measure(|| ())), (0, 0));
    assert_eq!(of(measure(|| drop(std::hint::black_box(Box::new([7_u8; 64]))))), (1, 64));
    assert_eq!(of(measure(|| drop(std::hint::black_box(vec![String::from("a"); 3])))), (4, 75));
    assert_eq!(of(measure(|| now(async { drop(std::hint::black_box(vec![1_u8, 2])) }))), (1, 2));
}

//! What the sweep removes, what it leaves, and that all files together stay within the cap.

use std::{
    fs::{self, File},
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use blindcache::{Backend, FileBackend, testing::Clock};

use crate::tools::{HEADER, Place, entry, file_of, files, has, key};

/// The least cap in bytes that can be set, and how many small files it holds.
const CAP: u64 = 1 << 20;
const FIT: usize = 256;

/// What the files below occupy, in the backend's own count.
fn occupied(dir: &Path) -> u64 {
    files(dir).iter().filter_map(|it| fs::metadata(it).ok()).map(|it| it.len().next_multiple_of(4_096)).sum()
}

fn date(path: &Path, time: SystemTime) {
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

async fn fill(backend: &FileBackend, count: u64) {
    for number in 0..count {
        backend.set(&key(number), entry(number, 200), None).await.unwrap();
    }
}

async fn numbers(backend: &FileBackend, count: u64) -> Vec<u64> {
    let keys: Vec<_> = (0..count).map(key).collect();
    let found = backend.get_many(&keys).await.unwrap();
    (0..count).zip(found).filter_map(|(number, found)| found.map(|_| number)).collect()
}

#[tokio::test]
async fn what_has_expired_goes_and_the_rest_stays() {
    let place = Place::new();
    let clock = Clock::at(1_790_000_000_000);
    let backend = place.builder().clock(&clock).build().unwrap();
    for number in 0..30 {
        let ttl = (number % 3 != 0).then(|| Duration::from_secs(number));
        backend.set(&key(number), entry(number, 200), ttl).await.unwrap();
    }
    backend.sweep().await.unwrap(); // so that no step after a write is on its way
    clock.advance(Duration::from_secs(15));
    let swept = backend.sweep().await.unwrap();
    assert_eq!((swept.entries, swept.removed, swept.bytes), (20, 10, 20 * 4_096));
    let left = files(&place.dir());
    let expected = (0..30).filter(|it| it % 3 == 0 || *it > 15).map(|it| place.file(&key(it)));
    assert_eq!(left.len(), 20);
    assert!(expected.into_iter().all(|it| left.contains(&it)));
}

#[tokio::test]
async fn torn_files_and_those_of_crashed_writers_go_and_foreign_ones_stay() {
    let place = Place::new();
    let backend = place.backend();
    fill(&backend, 3).await;
    backend.sweep().await.unwrap(); // so that no step after a write is on its way
    let leaf = place.file(&key(0)).parent().unwrap().to_owned();
    let temp = |digit: &str| leaf.join(format!("tmp-{}", digit.repeat(32)));
    let hours = |hours: u64| SystemTime::now() - Duration::from_secs(hours * 3_600);
    fs::write(temp("a"), "half").unwrap();
    date(&temp("a"), hours(3));
    fs::write(temp("b"), "half").unwrap();
    date(&temp("b"), hours(1));
    fs::write(place.file(&key(1)), &file_of(entry(1, 200).as_bytes())[..100]).unwrap();
    for foreign in ["notes.txt", "tmp-", "b1."] {
        fs::write(leaf.join(foreign), "x").unwrap();
        date(&leaf.join(foreign), hours(1_000));
    }
    fs::write(place.dir().join("README"), "x").unwrap();
    let swept = backend.sweep().await.unwrap();
    assert_eq!((swept.entries, swept.removed, swept.bytes), (2, 2, 3 * 4_096));
    assert!(!temp("a").exists() && temp("b").exists() && !place.file(&key(1)).exists());
    assert!(["notes.txt", "tmp-", "b1."].iter().all(|it| leaf.join(it).exists()));
    assert!(place.dir().join("README").exists());
}

#[tokio::test]
async fn the_oldest_go_first() {
    let place = Place::new();
    fill(&place.backend(), 400).await;
    // Oldest first in another order than that of the names and of the writes.
    let age = |number: u64| number * 7 % 400;
    for number in 0..400 {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_790_000_000_000 - age(number));
        date(&place.file(&key(number)), time);
    }
    let backend = place.builder().max_bytes(CAP).build().unwrap();
    let swept = backend.sweep().await.unwrap();
    assert_eq!((swept.entries, swept.removed, swept.bytes), (FIT as u64, 144, CAP));
    let expected: Vec<u64> = (0..400).filter(|number| age(*number) < 256).collect();
    assert_eq!(numbers(&backend, 400).await, expected);
}

/// Waits until the threads that tidy have come within the cap.
async fn within(dir: &Path, cap: u64) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while occupied(dir) > cap {
        assert!(Instant::now() < deadline, "{} bytes stay above {cap}", occupied(dir));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_alone_keep_all_files_within_the_cap() {
    let place = Place::new();
    let backend = place.builder().max_bytes(CAP).build().unwrap();
    let mut most = 0;
    for round in 0..12 {
        let writes = (0..100).map(|it| round * 100 + it);
        backend.set_many(writes.map(|it| (key(it), entry(it, 200), None)).collect()).await.unwrap();
        most = most.max(occupied(&place.dir()));
        within(&place.dir(), CAP).await;
    }
    assert!(most > CAP, "control: it was above the cap");
    let left = numbers(&backend, 1_200).await;
    assert!(left.len() > FIT / 2, "{} are left", left.len());
    assert!(left.iter().all(|it| *it >= 700), "older ones are left: {left:?}");
    // One large entry takes the place of many.
    backend.set(&key(0), entry(0, (CAP / 2) as usize), None).await.unwrap();
    within(&place.dir(), CAP).await;
    assert!(has(&backend, &key(0), &entry(0, (CAP / 2) as usize)).await);
}

#[tokio::test]
async fn what_other_processes_wrote_counts() {
    let place = Place::new();
    let small = || place.builder().max_bytes(CAP).build().unwrap();
    let (one, other) = (small(), place.backend());
    fill(&one, 100).await;
    one.sweep().await.unwrap(); // so that its first look is over
    for number in 100..400 {
        other.set(&key(number), entry(number, 200), None).await.unwrap();
    }
    // An eighth of the cap written is reason enough to look, a step after each write.
    assert!(occupied(&place.dir()) > CAP);
    for number in (400..440).cycle().take(1_000) {
        one.set(&key(number), entry(number, 200), None).await.unwrap();
        if number == 439 && occupied(&place.dir()) <= CAP {
            break;
        }
    }
    within(&place.dir(), CAP).await;
    assert!(numbers(&one, 440).await.ends_with(&(400..440).collect::<Vec<_>>()));
}

/// As commands of a shell or jobs of a timer: each process writes a few entries and ends.
#[test]
fn processes_that_write_little_keep_the_cap_too() {
    let place = Place::new();
    let process = |cap: u64, numbers: std::ops::Range<u64>| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let backend = place.builder().max_bytes(cap).build().unwrap();
        runtime.block_on(async {
            for number in numbers {
                backend.set(&key(number), entry(number, 200), None).await.unwrap();
            }
        });
    };
    process(FileBackend::BYTES, 0..400);
    assert!(occupied(&place.dir()) > CAP, "control");
    for at in 0..20 {
        process(CAP, 400 + 5 * at..405 + 5 * at);
    }
    // The last writes of a process may come when its runtime takes no more work.
    assert!(occupied(&place.dir()) <= CAP + 5 * 4_096);
    assert_eq!(
        files(&place.dir()).iter().filter(|it| (0..100).any(|at| **it == place.file(&key(at)))).count(),
        0
    );
}

#[tokio::test]
async fn overwriting_and_deleting_do_not_add_up() {
    let place = Place::new();
    let backend = place.builder().max_bytes(CAP).build().unwrap();
    fill(&backend, 200).await;
    for _ in 0..5 {
        fill(&backend, 200).await;
        backend.set(&key(300), entry(300, 200_000), None).await.unwrap();
        assert!(backend.delete(&key(300)).await.unwrap());
    }
    assert_eq!(numbers(&backend, 200).await.len(), 200, "nothing is dropped while there is room");
    assert_eq!(backend.sweep().await.unwrap().removed, 0);
}

#[tokio::test]
async fn an_entry_written_anew_is_not_old() {
    let place = Place::new();
    fill(&place.backend(), 300).await;
    let backend = place.builder().max_bytes(CAP).build().unwrap();
    let old = SystemTime::now() - Duration::from_secs(9);
    (0..10).for_each(|number| date(&place.file(&key(number)), old));
    fill(&place.backend(), 5).await;
    backend.sweep().await.unwrap();
    let left = numbers(&backend, 300).await;
    assert_eq!((left.len(), &left[..5]), (FIT, &[0, 1, 2, 3, 4][..]));
    assert!((5..10).all(|it| !left.contains(&it)));
}

#[tokio::test]
async fn an_interval_that_has_passed_is_reason_to_sweep() {
    let place = Place::new();
    let clock = Clock::at(1_790_000_000_000);
    let backend = place.builder().clock(&clock).sweep_interval(Duration::from_secs(60)).build().unwrap();
    backend.set(&key(0), entry(0, 200), Some(Duration::from_secs(10))).await.unwrap();
    backend.sweep().await.unwrap();
    let expired = place.file(&key(0));
    clock.advance(Duration::from_secs(59));
    write_until(&backend, || false, 100).await;
    assert!(expired.exists(), "not before its time");
    clock.advance(Duration::from_secs(1));
    assert!(write_until(&backend, || !expired.exists(), 1_000).await);
}

/// Writes the same entry up to so many times until something holds.
async fn write_until(backend: &FileBackend, holds: impl Fn() -> bool, most: usize) -> bool {
    for _ in 0..most {
        backend.set(&key(1), entry(1, 200), None).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await; // the step is on a thread of its own
        if holds() {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn a_header_counts_too() {
    let place = Place::new();
    let backend = place.backend();
    backend.set(&key(0), entry(0, 4_096 - HEADER), None).await.unwrap();
    assert_eq!(backend.sweep().await.unwrap().bytes, 4_096);
    backend.set(&key(0), entry(0, 4_097 - HEADER), None).await.unwrap();
    assert_eq!(backend.sweep().await.unwrap().bytes, 8_192);
}

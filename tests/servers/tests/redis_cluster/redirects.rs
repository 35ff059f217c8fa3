//! Nodes that point anywhere, and say anything: typed errors within the limits, and nothing of their text.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use blindcache::{Backend, BackendErrorKind as Kind, RedisBackend};
use blindcache_server_tests::{
    LIMIT, Script, cluster::short, entry, failing, in_time, key, script::all_slots_at, until,
};
use tokio::task::JoinSet;

/// A node that says that all slots are at its own port, and answers everything else like this.
async fn node(answer: impl Fn(u16, &[String]) -> Option<Vec<u8>> + Send + Sync + 'static) -> Script {
    let script = Script::start(|_| None).await;
    let port = script.port;
    script.play(move |words| match &*words[0] {
        "CLUSTER" => Some(all_slots_at(port)),
        _ => answer(port, words),
    });
    script
}

fn impatient(script: &Script) -> RedisBackend {
    short(RedisBackend::cluster_builder([script.url()])).build().unwrap()
}

fn text(answer: impl Into<String>) -> Option<Vec<u8>> {
    Some(answer.into().into_bytes())
}

/// Each kind of call ends with this.
async fn all_fail(backend: &RedisBackend, kinds: &[Kind]) {
    let since = Instant::now();
    let met = [
        failing(backend.get(&key(1))).await,
        failing(backend.set(&key(1), entry(1, 200), None)).await,
        failing(backend.delete(&key(1))).await,
        failing(backend.exists(&key(1))).await,
        failing(backend.get_many(&[key(1), key(2)])).await,
        failing(backend.set_many(vec![(key(1), entry(1, 200), None)])).await,
        failing(backend.delete_many(&[key(1), key(2)])).await,
    ];
    assert!(
        met.iter().all(|kind| kinds.contains(kind)),
        "{met:?}, not {kinds:?}: {:?}",
        backend.get(&key(1)).await
    );
    assert!(since.elapsed() < 7 * (2 * LIMIT + Duration::from_millis(200)), "{:?}", since.elapsed());
}

#[tokio::test]
async fn nodes_that_point_to_each_other_are_transient() {
    for code in ["MOVED", "ASK"] {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let script = node(move |port, words| {
            counted.fetch_add(usize::from(words[0] == "GET"), SeqCst);
            match &*words[0] {
                "ASKING" => text("+OK\r\n"),
                _ => text(format!("-{code} 1 127.0.0.1:{port}\r\n")),
            }
        })
        .await;
        all_fail(&impatient(&script), &[Kind::Transient, Kind::Timeout]).await;
        let asked = asked.load(SeqCst);
        assert!((2..=8).contains(&asked), "{asked}");
    }
}

#[tokio::test]
async fn node_that_points_nowhere_is_transient_or_misconfigured() {
    for (target, kind) in [
        ("127.0.0.1:1", Kind::Transient),
        ("no-such-host.invalid:6379", Kind::Misconfigured),
        ("?:6379", Kind::Misconfigured),
        ("hunter2", Kind::Misconfigured),
        (":0", Kind::Misconfigured),
    ] {
        let script = node(move |_, _| text(format!("-MOVED 1 {target}\r\n"))).await;
        let backend = impatient(&script);
        // A resolver may also be too slow for the limit.
        all_fail(&backend, &[kind, Kind::Timeout]).await;
        let err = backend.get(&key(1)).await.unwrap_err();
        assert!(!format!("{err:?} {backend:?}").contains("hunter2"));
    }
}

/// More nodes than a cluster can have are forgotten again, so that there is room for a real one.
#[tokio::test]
async fn nodes_that_are_made_up_have_an_end() {
    let count = AtomicUsize::new(0);
    let script = node(move |_, words| {
        let at = count.fetch_add(1, SeqCst);
        match &*words[0] {
            "MGET" => text(format!("-MOVED 1 127.{}.{}.1:1\r\n", at / 250 % 250, at % 250)),
            _ => text(":1\r\n"),
        }
    })
    .await;
    let backend = impatient(&script);
    let keys: Vec<_> = (0..512).map(key).collect();
    for _ in 0..6 {
        let kind = failing(backend.get_many(&keys)).await;
        assert!([Kind::Transient, Kind::Timeout].contains(&kind), "{kind:?}");
        assert!(backend.exists(&key(1)).await.unwrap());
    }
    let real = node(|_, _| text("$-1\r\n")).await;
    let (port, here) = (script.port, real.port);
    script.play(move |words| match &*words[0] {
        "CLUSTER" => Some(all_slots_at(port)),
        _ => text(format!("-MOVED 1 127.0.0.1:{here}\r\n")),
    });
    until("a real node is followed", async || in_time(backend.get(&key(1))).await.is_ok()).await;
    assert!(real.heard().iter().any(|words| words[0] == "GET"));
}

#[tokio::test]
async fn map_is_asked_for_at_most_ten_times_a_second() {
    for answer in ["-CLUSTERDOWN The cluster is down\r\n", "-MOVED 1 127.0.0.1:1\r\n"] {
        let script = node(move |_, _| text(answer)).await;
        let backend = impatient(&script);
        let since = Instant::now();
        let mut tasks = JoinSet::new();
        for task in 0..20 {
            let backend = backend.clone();
            tasks.spawn(async move {
                while since.elapsed() < Duration::from_secs(1) {
                    let kind = failing(backend.get(&key(task))).await;
                    assert!([Kind::Transient, Kind::Timeout].contains(&kind), "{kind:?}");
                }
            });
        }
        in_time(tasks.join_all()).await;
        let maps = script.heard().iter().filter(|words| words[0] == "CLUSTER").count();
        let most = since.elapsed().as_millis() as usize / 100 + 1;
        assert!((2..=most).contains(&maps), "{maps} maps in {:?}", since.elapsed());
    }
}

#[tokio::test]
async fn try_again_is_tried_again() {
    let asked = AtomicUsize::new(0);
    let script = node(move |_, words| match &*words[0] {
        "GET" if asked.fetch_add(1, SeqCst) < 3 => text("-TRYAGAIN later\r\n"),
        "GET" => text("$-1\r\n"),
        _ => text("-TRYAGAIN later\r\n"),
    })
    .await;
    let backend = impatient(&script);
    assert!(in_time(backend.get(&key(1))).await.unwrap().is_none());
    assert!([Kind::Transient, Kind::Timeout].contains(&failing(backend.exists(&key(1))).await));
}

#[tokio::test]
async fn error_replies_have_the_kind_of_their_code_and_none_of_their_text() {
    for (reply, kind) in [
        ("-CLUSTERDOWN hunter2\r\n", Kind::Transient),
        ("-LOADING hunter2\r\n", Kind::Transient),
        ("-MASTERDOWN hunter2\r\n", Kind::Transient),
        ("-READONLY hunter2\r\n", Kind::Transient),
        ("-OOM hunter2\r\n", Kind::Throttled),
        ("-NOPERM hunter2\r\n", Kind::Denied),
        ("-NOAUTH hunter2\r\n", Kind::Denied),
        ("-CROSSSLOT hunter2\r\n", Kind::Misconfigured),
        ("-HUNTER hunter2\r\n", Kind::Rejected),
        ("-ERR hunter2\r\n", Kind::Rejected),
        ("+hunter2\r\n", Kind::Rejected),
        ("hunter2\r\n", Kind::Rejected),
        ("*3\r\n:1\r\n:2\r\n:3\r\n", Kind::Rejected),
        ("%1\r\n+hunter2\r\n+b\r\n", Kind::Rejected),
    ] {
        let script = node(move |_, _| text(reply)).await;
        let backend = impatient(&script);
        // Garbage in place of a batch's answer looks like a lost connection to the client.
        let garbage = (reply == "hunter2\r\n").then_some(Kind::Transient);
        let kinds: Vec<_> = [kind].into_iter().chain(garbage).collect();
        all_fail(&backend, &kinds).await;
        let err = backend.get(&key(1)).await.unwrap_err();
        assert!(!format!("{err:?} {err}").to_lowercase().contains("hunter"), "{err:?}");
    }
}

#[tokio::test]
async fn map_of_any_other_form_is_rejected() {
    for (map, kind) in [
        ("+hunter2\r\n", Kind::Rejected),
        ("hunter2\r\n", Kind::Rejected),
        ("*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$7\r\nhunter2\r\n:1\r\n", Kind::Rejected),
        ("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$7\r\nhunter2\r\n:-1\r\n", Kind::Rejected),
        ("*9223372036854775807\r\n", Kind::Rejected),
        ("-ERR hunter2\r\n", Kind::Rejected),
        ("-NOPERM hunter2\r\n", Kind::Denied),
        ("*0\r\n", Kind::Transient),
        ("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$1\r\n?\r\n:1\r\n", Kind::Transient),
        ("*1\r\n*3\r\n:5\r\n:4\r\n*2\r\n$9\r\n127.0.0.1\r\n:1\r\n", Kind::Transient),
    ] {
        let script = Script::start(move |_| text(map)).await;
        let backend = impatient(&script);
        for _ in 0..2 {
            let err = in_time(backend.get(&key(1))).await.unwrap_err();
            assert!([kind, Kind::Timeout].contains(&err.kind()), "{map}: {err:?}");
            assert!(!format!("{err:?} {err}").to_lowercase().contains("hunter"), "{err:?}");
        }
        // And it heals.
        let port = script.port;
        script
            .play(move |words| if words[0] == "CLUSTER" { Some(all_slots_at(port)) } else { text(":0\r\n") });
        until("the backend heals", async || in_time(backend.exists(&key(1))).await.is_ok()).await;
    }
}

/// A map with more nodes than a cluster can have, and one without end.
#[tokio::test]
async fn map_that_is_too_large_ends_the_connection() {
    let many: String = (0..3_000)
        .map(|at| format!("*3\r\n:{at}\r\n:{at}\r\n*2\r\n$9\r\n127.0.0.1\r\n:{}\r\n", at + 1))
        .collect();
    let many = format!("*3000\r\n{many}");
    let script = Script::start(move |_| text(many.clone())).await;
    assert_eq!(failing(impatient(&script).get(&key(1))).await, Kind::Transient);

    let endless =
        Script::start(|_| Some([b"$9000000000000000000\r\n".to_vec(), vec![0; 64 << 20]].concat())).await;
    let patient = RedisBackend::cluster_builder([endless.url()])
        .response_timeout(Duration::from_secs(7))
        .build()
        .unwrap();
    assert_eq!(failing(patient.get(&key(1))).await, Kind::Rejected);
}

#[tokio::test]
async fn flood_in_place_of_an_answer_is_rejected() {
    let script = node(|_, _| Some([b"$9000000000000000000\r\n".to_vec(), vec![0; 8 << 20]].concat())).await;
    let backend = RedisBackend::cluster_builder([script.url()]).max_entry(1 << 20).build().unwrap();
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Rejected);
    assert_eq!(failing(backend.get_many(&[key(1), key(2)])).await, Kind::Rejected);
    assert_eq!(failing(backend.delete(&key(1))).await, Kind::Rejected);
}

/// What the seeds say is asked of all of them, if need be.
#[tokio::test]
async fn seeds_that_are_down_hang_or_know_nothing_are_passed_over() {
    let good = node(|_, _| text(":1\r\n")).await;
    let hung = Script::start(|_| None).await;
    let empty = Script::start(|_| text("*0\r\n")).await;
    let denied = Script::start(|_| text("-NOPERM no\r\n")).await;
    let seeds = ["redis://127.0.0.1:1".to_owned(), hung.url(), empty.url(), denied.url(), good.url()];
    for _ in 0..5 {
        let backend = RedisBackend::cluster(&seeds).unwrap();
        until("a good seed was asked", async || in_time(backend.exists(&key(1))).await.is_ok()).await;
        assert!(backend.exists(&key(2)).await.unwrap());
    }
}

#[tokio::test]
async fn seeds_that_are_not_nodes_keep_no_connection() {
    let other = node(|_, _| text(":1\r\n")).await;
    let port = other.port;
    let seed = Script::start(move |_| Some(all_slots_at(port))).await;
    let backend = impatient(&seed);
    for _ in 0..10 {
        assert!(backend.exists(&key(1)).await.unwrap());
    }
    assert_eq!((seed.accepted(), other.accepted()), (1, 1));
    assert_eq!(seed.heard().len(), 1);
    until("the seed's connection ends", async || seed.open() == 0).await;
}

#[test]
fn call_outside_a_runtime_is_misconfigured() {
    let backend = RedisBackend::cluster(["redis://127.0.0.1:1"]).unwrap();
    let mut call = Box::pin(backend.ping());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(outcome) = std::future::Future::poll(call.as_mut(), &mut context) else {
        panic!("waits");
    };
    assert_eq!(outcome.unwrap_err().kind(), Kind::Misconfigured);
}

#[test]
fn backend_works_on_from_another_runtime() {
    let serving = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let script = serving.block_on(node(|_, _| text(":1\r\n")));
    let backend = impatient(&script);
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert!(runtime.block_on(backend.exists(&key(1))).unwrap());
    }
}

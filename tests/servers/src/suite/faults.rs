//! Each fault ends in an error of a known kind, in time, and the backend heals by itself.

use blindcache::{
    Backend, BackendError,
    BackendErrorKind::{self, Timeout, Transient},
};
use tokio::task::JoinSet;

use super::drops::{Drops, fill, stored};
use crate::{Fault, HANG, LIMIT, Proxy, Remote, each_method, entry, healed, in_time, key, longest_call};

/// The kind of the error that the call ends with, in time.
async fn met<S: Remote, T>(call: impl Future<Output = Result<T, BackendError>>) -> BackendErrorKind {
    let Err(err) = in_time(call).await else { panic!("the call was to fail") };
    assert_eq!(err.backend(), S::NAME);
    err.kind()
}

/// Calls of every method end in time with one of these kinds under the fault, on an old connection and on new ones;
/// afterwards they succeed by themselves.
async fn ends_in<S: Remote>(store: &S, fault: Fault, kinds: &[BackendErrorKind]) {
    let proxy = Proxy::start(store.port()).await;
    let backend = store.impatient(proxy.port);
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    proxy.set(fault);
    for _ in 0..2 {
        let met = each_method(&backend, HANG).await;
        assert!(met.iter().all(|met| met.is_err_and(|kind| kinds.contains(&kind))), "{fault:?}: {met:?}");
        println!("{} under {fault:?}: {met:?}", S::NAME);
        tokio::time::sleep(LIMIT).await; // also after a pause between attempts
    }
    proxy.set(Fault::None);
    healed(&backend).await;
    assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, 200).as_bytes());
}

/// Resets, closed connections, cut, late and missing replies, and garbage.
pub async fn every_fault_is_typed_and_heals<S: Remote>() {
    let store = S::start().await;
    for (fault, kinds) in [
        (Fault::Reset, &[Transient][..]),
        (Fault::Cut(0), &[Transient]),
        (Fault::Cut(3), &[Transient]),
        (Fault::BlackHole, &[Timeout]),
        (Fault::Delay(LIMIT * 3), &[Timeout]),
        (Fault::Garbage, S::GARBAGE),
    ] {
        ends_in(&store, fault, kinds).await;
    }
    println!("{}: the longest call took {:?}, at limits of {LIMIT:?}", S::NAME, longest_call());
}

/// Nothing listens, and then something does again.
pub async fn closed_port_is_transient<S: Remote>() {
    let store = S::start().await;
    let mut proxy = Proxy::start(store.port()).await;
    let backend = store.impatient(proxy.port);
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    proxy.close().await;
    for _ in 0..20 {
        assert_eq!(met::<S, _>(backend.get(&key(1))).await, Transient);
    }
    proxy.open();
    healed(&backend).await;
    assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, 200).as_bytes());
}

/// Connections cut in the middle of replies, while calls are made and dropped: an answer is the right one or none.
pub async fn replies_do_not_cross_when_connections_are_lost<S: Remote>() {
    let store = S::start().await;
    let entries = fill(&store.backend()).await;
    let proxy = Proxy::start(store.port()).await;
    let backend = store.impatient(proxy.port);
    let mut random = fastrand::Rng::with_seed(11);
    let mut failed = 0;
    for round in 0..100 {
        proxy.set(Fault::CutOnce(random.usize(0..200_000)));
        let mut wave = JoinSet::new();
        for at in 0..20 {
            let (backend, number) = (backend.clone(), random.u64(0..entries));
            let polls = if at % 2 == 0 { u32::MAX } else { random.u32(1..6) };
            wave.spawn(async move {
                let key = key(number);
                let found = Drops { future: Box::pin(backend.get(&key)), polls }.await;
                match found {
                    Some(Ok(found)) => assert_eq!(*found.unwrap(), stored(number)),
                    Some(Err(_)) => return 1,
                    None => {}
                }
                0
            });
        }
        failed += in_time(wave.join_all()).await.into_iter().sum::<u64>();
        if round % 10 == 0 {
            healed(&backend).await;
        }
    }
    assert!(failed < 500, "{failed} of 2000 failed");
    assert!(proxy.accepted() > 10);
    proxy.set(Fault::None);
    healed(&backend).await;
}

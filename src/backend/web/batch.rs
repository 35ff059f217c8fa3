//! Batches, for stores that take one name at a time.

use std::{collections::HashMap, future::Future};

use futures_util::{StreamExt, stream::FuturesUnordered};

use crate::{crypto::StoreKey, error::BackendError};

/// Calls of one batch at the same time.
const AT_ONCE: usize = 16;

/// Makes the call for each item, up to 16 at the same time, and gives the results in the items' order.
///
/// The calls for one name are made one after the other, in their order. The first error ends the batch: calls that are
/// under way are dropped then, as all are when this future is.
pub(crate) async fn each<I, T, F>(
    items: Vec<(StoreKey, I)>,
    call: impl Fn(StoreKey, I) -> F,
) -> Result<Vec<T>, BackendError>
where
    F: Future<Output = Result<T, BackendError>>,
{
    let mut results: Vec<Option<T>> = items.iter().map(|_| None).collect();
    let mut waiting = lanes(items).into_iter();
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < AT_ONCE
            && let Some(lane) = waiting.next()
        {
            running.push(run(lane, &call));
        }
        let Some(done) = running.next().await else { break };
        for (at, result) in done? {
            results[at] = Some(result);
        }
    }
    Ok(results.into_iter().flatten().collect())
}

/// The calls for one name: where each result belongs, and what the call is given.
struct Lane<I> {
    key: StoreKey,
    items: Vec<(usize, I)>,
}

fn lanes<I>(items: Vec<(StoreKey, I)>) -> Vec<Lane<I>> {
    let mut lanes: Vec<Lane<I>> = Vec::with_capacity(items.len());
    let mut lane_of = HashMap::with_capacity(items.len());
    for (at, (key, item)) in items.into_iter().enumerate() {
        let next = lanes.len();
        let lane = *lane_of.entry(key.clone()).or_insert(next);
        if lane == next {
            lanes.push(Lane { key, items: Vec::with_capacity(1) });
        }
        lanes[lane].items.push((at, item));
    }
    lanes
}

async fn run<I, T, F>(
    lane: Lane<I>,
    call: &impl Fn(StoreKey, I) -> F,
) -> Result<Vec<(usize, T)>, BackendError>
where
    F: Future<Output = Result<T, BackendError>>,
{
    let mut results = Vec::with_capacity(lane.items.len());
    for (at, item) in lane.items {
        results.push((at, call(lane.key.clone(), item).await?));
    }
    Ok(results)
}

#[cfg(test)]
pub(super) mod tests {
    use std::{
        sync::{
            Arc, Mutex,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
        time::Duration,
    };

    use tokio::time::sleep;

    use super::*;
    use crate::error::BackendErrorKind;

    pub(crate) fn key(number: usize) -> StoreKey {
        let letters = b"abcdefghijklmnopqrstuvwxyz";
        let [high, low] = [number / 26, number % 26].map(|at| char::from(letters[at]));
        StoreKey::parse(&format!("b1.{}{high}{low}a", "a".repeat(49))).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn results_are_in_order_and_calls_are_few_at_a_time() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let items = (0..100).map(|number| (key(number), number)).collect();
        let call = async |number: usize| {
            most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            sleep(Duration::from_millis(number as u64 * 7 % 10 + 1)).await;
            now.fetch_sub(1, SeqCst);
            Ok(number)
        };
        assert_eq!(each(items, |_, number| call(number)).await.unwrap(), (0..100).collect::<Vec<_>>());
        assert_eq!(most.into_inner(), AT_ONCE);
    }

    #[tokio::test(start_paused = true)]
    async fn name_that_stands_twice_keeps_its_order() {
        let made = Mutex::new(Vec::new());
        let items = vec![(key(1), 0), (key(2), 1), (key(1), 2), (key(1), 3)];
        let call = async |number: u64| {
            sleep(Duration::from_millis(10 - number)).await;
            made.lock().unwrap().push(number);
            Ok(number)
        };
        assert_eq!(each(items, |_, number| call(number)).await.unwrap(), [0, 1, 2, 3]);
        assert_eq!(*made.lock().unwrap(), [1, 0, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn first_error_ends_the_batch() {
        let made = AtomicUsize::new(0);
        let items = (0..100).map(|number| (key(number), number)).collect();
        let call = async |number: usize| {
            made.fetch_add(1, SeqCst);
            sleep(Duration::from_millis(10 - number as u64 % 10)).await;
            if number == 9 { Err(BackendError::new("a", BackendErrorKind::Transient)) } else { Ok(()) }
        };
        assert!(each(items, |_, number| call(number)).await.is_err());
        assert_eq!(made.into_inner(), AT_ONCE);
    }

    #[tokio::test(start_paused = true)]
    async fn dropped_batch_makes_no_further_call() {
        let made = Arc::new(AtomicUsize::new(0));
        let items = (0..100).map(|number| (key(number), number)).collect();
        let call = async |_: usize| {
            made.fetch_add(1, SeqCst);
            sleep(Duration::from_secs(1)).await;
            Ok(())
        };
        let batch = each(items, |_, number| call(number));
        assert!(tokio::time::timeout(Duration::from_millis(1_500), batch).await.is_err());
        sleep(Duration::from_secs(10)).await;
        assert_eq!(made.load(SeqCst), 2 * AT_ONCE);
    }
}

//! What every store's backend must do, once for all of them: `suite!` and `remote_suite!` make the tests.

mod drops;
mod faults;
mod outage;
mod plaintext;

use std::time::Duration;

use blindcache::{
    AnyBackend, BackendExt,
    conformance::{Subject, run_all},
};

pub use self::{
    drops::{DROPPED, Drops, dropped_futures_harm_no_other_call},
    faults::{
        closed_port_is_transient, every_fault_is_typed_and_heals,
        replies_do_not_cross_when_connections_are_lost,
    },
    outage::no_caller_sees_an_outage,
    plaintext::{holds_no_plaintext, keeps_no_plaintext},
};
use crate::Store;

/// The contract, by the backend itself, behind the layers, and with its type erased.
pub async fn conforms<S: Store>() {
    let store = S::start().await;
    let backend = store.backend();
    assert_eq!(blindcache::Backend::name(&backend), S::NAME);
    let bare = backend.clone();
    let subject = Subject::new(S::EXPIRY, move || std::future::ready(bare.clone()));
    run_all(&subject.largest(S::LARGEST)).await.unwrap();
    // The layers of `resilient()`, with time for a slow store on a busy machine.
    let layered = backend.timeout(Duration::from_secs(30)).unwrap().breaker().limit(256, 16_384).unwrap();
    let layered = AnyBackend::new(layered.retry().deadline(Duration::from_secs(60)).unwrap());
    let subject = Subject::new(S::EXPIRY, move || std::future::ready(layered.clone()));
    run_all(&subject.largest(S::LARGEST)).await.unwrap();
}

/// The tests of a [`Store`].
#[macro_export]
macro_rules! suite {
    ($store:ty) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn backend_conforms() {
            $crate::suite::conforms::<$store>().await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn dropped_futures_harm_no_other_call() {
            $crate::suite::dropped_futures_harm_no_other_call::<$store>().await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn store_holds_no_plaintext() {
            $crate::suite::holds_no_plaintext::<$store>().await;
        }
    };
}

/// The tests of a [`Remote`](crate::Remote), those of a [`Store`] among them.
#[macro_export]
macro_rules! remote_suite {
    ($store:ty) => {
        $crate::suite!($store);

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn every_fault_is_typed_and_heals() {
            $crate::suite::every_fault_is_typed_and_heals::<$store>().await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn closed_port_is_transient() {
            $crate::suite::closed_port_is_transient::<$store>().await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn replies_do_not_cross_when_connections_are_lost() {
            $crate::suite::replies_do_not_cross_when_connections_are_lost::<$store>().await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn no_caller_sees_an_outage() {
            $crate::suite::no_caller_sees_an_outage::<$store>().await;
        }
    };
}

//! The breaker on shuttle's locks: never more probes than are set, none of them lost, and it closes once the store is back.

mod control;
mod scene;

use std::future::Future;

use self::scene::{Guard, OPEN_FOR, PROBES, Store, closed, half_open};
use super::Breaker;
use crate::{
    backend::Backend,
    error::BackendError,
    sync::scheduled::{pct, random},
};

impl Guard for Breaker<Store> {
    fn around(store: Store) -> Self {
        let breaker = Breaker::new(store).share(0.0).unwrap().min_calls(1).unwrap();
        breaker.open_for(OPEN_FOR).unwrap().probes(PROBES).unwrap()
    }

    fn call(&self) -> impl Future<Output = Result<(), BackendError>> {
        self.ping()
    }
}

#[test]
fn half_open_breaker_lets_no_more_probes_pass_and_loses_none() {
    random(2_000, half_open::<Breaker<Store>>);
    pct(2_000, half_open::<Breaker<Store>>);
}

#[test]
fn breaker_lets_calls_pass_again_whatever_was_under_way() {
    random(2_000, closed::<Breaker<Store>>);
    pct(2_000, closed::<Breaker<Store>>);
}

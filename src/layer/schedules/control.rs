//! A race planted on purpose: the files of the breaker, on a lock that lets others in.
#![allow(clippy::duplicate_mod, dead_code, unreachable_pub)] // the files of `layer`, compiled once more, and not all used

use std::{
    future::Future,
    ops::{Deref, DerefMut},
    sync::LockResult,
};

use super::{
    super::{Load, checked, guarded, within},
    scene::{Guard, OPEN_FOR, PROBES, Store, half_open},
};
use crate::{
    backend::Backend,
    error::BackendError,
    sync::scheduled::{assert_found, point},
};

#[path = "../breaker.rs"]
mod breaker;
#[path = "../circuit.rs"]
mod circuit;

/// Takes the value out while it is "locked": who comes meanwhile finds another, and what that one does is lost.
#[derive(Debug, Default)]
struct Mutex<T: Default>(std::sync::Mutex<T>);

struct MutexGuard<'a, T: Default> {
    home: &'a std::sync::Mutex<T>,
    value: T,
}

impl<T: Default> Mutex<T> {
    fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let value = std::mem::take(&mut *self.0.lock().unwrap());
        point();
        Ok(MutexGuard { home: &self.0, value })
    }
}

impl<T: Default> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        *self.home.lock().unwrap() = std::mem::take(&mut self.value);
    }
}

impl<T: Default> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Default> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl Guard for breaker::Breaker<Store> {
    fn around(store: Store) -> Self {
        let breaker = Self::new(store).share(0.0).unwrap().min_calls(1).unwrap();
        breaker.open_for(OPEN_FOR).unwrap().probes(PROBES).unwrap()
    }

    fn call(&self) -> impl Future<Output = Result<(), BackendError>> {
        self.ping()
    }
}

#[test]
fn a_lock_of_the_breaker_that_lets_others_in_is_found() {
    assert_found(half_open::<breaker::Breaker<Store>>);
}

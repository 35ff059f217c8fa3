//! What a function returns, told by its type: a `Result` under any name, an `Option` or neither.
//!
//! An inherent method goes before a trait's, so `Returns::<R>::new().shape()` is the inherent one where `R` is a `Result`,
//! and that of [`AnyShape`] where it is not. The same for [`AnyPresence`] and `Option`.

use std::{convert::Infallible, marker::PhantomData};

use crate::error::Error;

/// Stands for a type.
pub struct Returns<R>(PhantomData<fn() -> R>);

impl<R> Returns<R> {
    #[expect(clippy::new_without_default, reason = "nobody makes one but the expansion")]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

/// A `Result`.
pub struct Fallible<T, E>(PhantomData<fn() -> (T, E)>);

/// Not a `Result`.
pub struct Plain<R>(PhantomData<fn() -> R>);

impl<T, E> Returns<Result<T, E>> {
    pub fn shape(self) -> Fallible<T, E> {
        Fallible(PhantomData)
    }
}

/// For what is not a `Result`.
pub trait AnyShape<R> {
    fn shape(self) -> Plain<R>;
}

impl<R> AnyShape<R> for Returns<R> {
    fn shape(self) -> Plain<R> {
        Plain(PhantomData)
    }
}

impl<T, E> Fallible<T, E> {
    pub fn value(&self) -> Returns<T> {
        Returns::new()
    }
}

impl<R> Plain<R> {
    pub fn value(&self) -> Returns<R> {
        Returns::new()
    }
}

/// How a function's result is a value or an error.
pub trait Shape {
    type Returned;
    type Value;
    type Error;
    fn split(returned: Self::Returned) -> Result<Self::Value, Self::Error>;
    fn join(result: Result<Self::Value, Self::Error>) -> Self::Returned;
}

impl<T, E> Shape for Fallible<T, E> {
    type Returned = Result<T, E>;
    type Value = T;
    type Error = E;
    fn split(returned: Result<T, E>) -> Result<T, E> {
        returned
    }
    fn join(result: Result<T, E>) -> Result<T, E> {
        result
    }
}

impl<R> Shape for Plain<R> {
    type Returned = R;
    type Value = R;
    type Error = Infallible;
    fn split(returned: R) -> Result<R, Infallible> {
        Ok(returned)
    }
    fn join(Ok(value): Result<R, Infallible>) -> R {
        value
    }
}

/// What can return the cache's own errors.
#[diagnostic::on_unimplemented(
    message = "under `strict` a function returns a `Result` whose error is `From<blindcache::Error>`",
    label = "trouble with the cache has no way out of this function",
    note = "return `Result<…, E>` with `impl From<blindcache::Error> for E`, or leave out `strict`"
)]
pub trait Fails: Shape {
    fn fail(error: Error) -> Self::Returned;
}

impl<T, E: From<Error>> Fails for Fallible<T, E> {
    fn fail(error: Error) -> Result<T, E> {
        Err(error.into())
    }
}

/// An `Option`.
pub struct Maybe<T>(PhantomData<fn() -> T>);

/// Not an `Option`.
pub struct Always<V>(PhantomData<fn() -> V>);

impl<T> Returns<Option<T>> {
    pub fn presence(self) -> Maybe<T> {
        Maybe(PhantomData)
    }
}

/// For what is not an `Option`.
pub trait AnyPresence<V> {
    fn presence(self) -> Always<V>;
}

impl<V> AnyPresence<V> for Returns<V> {
    fn presence(self) -> Always<V> {
        Always(PhantomData)
    }
}

/// How a value is there or not.
pub trait Presence {
    type Value;
    type Inner;
    fn inner(value: &Self::Value) -> Option<&Self::Inner>;
}

impl<T> Presence for Maybe<T> {
    type Value = Option<T>;
    type Inner = T;
    fn inner(value: &Option<T>) -> Option<&T> {
        value.as_ref()
    }
}

impl<V> Presence for Always<V> {
    type Value = V;
    type Inner = V;
    fn inner(value: &V) -> Option<&V> {
        Some(value)
    }
}

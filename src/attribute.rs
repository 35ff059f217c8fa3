//! What the expansion of `#[cached]` calls. Nothing here is for other uses, but [`FunctionKey`].
#![allow(missing_docs)] // All but `FunctionKey` is hidden.

mod shape;

use std::{fmt, future::Future, marker::PhantomData};

use serde::{Serialize, ser::SerializeTuple};

pub use self::shape::{AnyPresence, AnyShape, Returns};
use self::shape::{Fails, Presence, Shape};
use crate::{
    cache::{Entry, Value},
    error::{BackendError, BackendErrorKind, ComputeError, KeyError},
    key::{CacheKey, Key},
};

/// The key under which a function of `#[cached]` keeps its result for certain arguments: what its `…_key` gives.
///
/// It is a key as any other: `cache.entry(user_key(&db, 42)).ttl(…)`.
#[derive(Clone, PartialEq, Eq)]
pub struct FunctionKey(Result<CacheKey, KeyError>);

impl Key for FunctionKey {
    fn to_cache_key(&self) -> Result<CacheKey, KeyError> {
        self.0.clone()
    }
}

impl fmt::Debug for FunctionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FunctionKey").field(&self.0).finish()
    }
}

/// All that makes the key of a function's result; two functions never have the same.
pub struct FullKey<'a, T, K> {
    pub namespace: Option<&'a str>,
    /// Where the function stands.
    pub scope: &'a str,
    pub name: &'a str,
    pub version: Option<u64>,
    /// The type and const parameters.
    pub types: T,
    /// The arguments.
    pub key: K,
}

impl<T: Serialize, K: Serialize> Serialize for FullKey<'_, T, K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { namespace, scope, name, version, types, key } = self;
        let mut tuple = serializer.serialize_tuple(6)?;
        tuple.serialize_element(namespace)?;
        tuple.serialize_element(scope)?;
        tuple.serialize_element(name)?;
        tuple.serialize_element(version)?;
        tuple.serialize_element(types)?;
        tuple.serialize_element(key)?;
        tuple.end()
    }
}

/// The key's canonical bytes, or why there are none.
pub fn key(key: &impl Key) -> FunctionKey {
    FunctionKey(key.to_cache_key())
}

/// A part of a key.
pub fn part<K: Serialize + ?Sized>(part: &K) -> &K {
    part
}

/// The path of the module or `impl` around a function, of the name of a closure in it: `a::B<C>` of
/// `a::B<C>::function<D>::{{closure}}::{{closure}}`. The compiler does not promise this form; in another, it is the module.
pub fn scope<'a>(closure: &'a str, function: &str, module: &'a str) -> &'a str {
    let closure = closure.trim_end_matches("::{{closure}}");
    let before = |path: &'a str| {
        let path = path.strip_suffix(function)?;
        path.strip_suffix("::r#").or_else(|| path.strip_suffix("::"))
    };
    let generic = || closure.match_indices('<').rev().find_map(|(at, _)| before(&closure[..at]));
    before(closure).or_else(generic).unwrap_or(module)
}

/// Which values are kept.
pub struct Keep<P, A> {
    none: bool,
    ask: A,
    of: PhantomData<fn() -> P>,
}

/// Keeps `None` if `none` says so, and another value if `ask` says so.
pub fn keep<P: Presence, A: FnOnce(&P::Inner) -> bool>(_: P, none: bool, ask: A) -> Keep<P, A> {
    Keep { none, ask, of: PhantomData }
}

impl<P: Presence, A: FnOnce(&P::Inner) -> bool> Keep<P, A> {
    fn keeps(self, value: &P::Value) -> bool {
        match P::inner(value) {
            Some(inner) => (self.ask)(inner),
            None => self.none,
        }
    }
}

/// Calls the function through the cache.
pub async fn run<S, P, A, F, Fut>(entry: Option<Entry<'_>>, _: S, keep: Keep<P, A>, body: F) -> S::Returned
where
    S: Shape,
    S::Value: Value,
    P: Presence<Value = S::Value>,
    A: FnOnce(&P::Inner) -> bool,
    F: FnOnce() -> Fut,
    Fut: Future<Output = S::Returned>,
{
    let Some(entry) = entry else { return body().await };
    S::join(entry.get_or_sort(|| sort::<S, _, _, _>(body(), keep)).await)
}

/// As [`run`]; trouble with the cache is an error.
pub async fn run_strict<S, P, A, F, Fut>(
    entry: Option<Entry<'_>>,
    _: S,
    keep: Keep<P, A>,
    body: F,
) -> S::Returned
where
    S: Fails,
    S::Value: Value,
    P: Presence<Value = S::Value>,
    A: FnOnce(&P::Inner) -> bool,
    F: FnOnce() -> Fut,
    Fut: Future<Output = S::Returned>,
{
    let fail = |kind| S::fail(BackendError::new("cached", kind).into());
    let Some(entry) = entry else { return fail(BackendErrorKind::Misconfigured) };
    match entry.strict().get_or_sort(|| sort::<S, _, _, _>(body(), keep)).await {
        Ok(value) => S::join(Ok(value)),
        Err(ComputeError::Compute(error)) => S::join(Err(error)),
        Err(ComputeError::Cache(error)) => S::fail(error),
        Err(ComputeError::TimedOut) => fail(BackendErrorKind::Timeout),
    }
}

/// Runs the body, and tells whether its value is to be kept.
async fn sort<S, P, A, Fut>(body: Fut, keep: Keep<P, A>) -> Result<(S::Value, bool), S::Error>
where
    S: Shape,
    P: Presence<Value = S::Value>,
    A: FnOnce(&P::Inner) -> bool,
    Fut: Future<Output = S::Returned>,
{
    let value = S::split(body.await)?;
    let kept = keep.keeps(&value);
    Ok((value, kept))
}

#[cfg(test)]
mod tests {
    use super::scope;

    #[test]
    fn the_scope_is_what_stands_around_the_function() {
        for (closure, expected) in [
            ("a::b::f::{{closure}}", "a::b"),
            ("a::b::f::{{closure}}::{{closure}}", "a::b"),
            ("a::b::r#f::{{closure}}", "a::b"),
            ("a::C<alloc::vec::Vec<u8>>::f::{{closure}}", "a::C<alloc::vec::Vec<u8>>"),
            ("a::C<a::f::D>::f<alloc::vec::Vec<fn() -> u8>, 3>::{{closure}}", "a::C<a::f::D>"),
            ("a::outer::{{closure}}::f::{{closure}}", "a::outer::{{closure}}"),
        ] {
            assert_eq!(scope(closure, "f", "the module"), expected, "{closure}");
        }
    }

    #[test]
    fn in_another_form_the_scope_is_the_module() {
        for closure in ["", "f", "closure@src/lib.rs:1:2", "a::b::g::{{closure}}", "a::bf::{{closure}}"] {
            assert_eq!(scope(closure, "f", "the module"), "the module", "{closure}");
        }
    }
}

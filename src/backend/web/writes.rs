//! Batches of writes, for stores that take one at a time.

use std::{future::Future, time::Duration};

use super::batch::each;
use crate::{
    backend::Write,
    crypto::{Sealed, StoreKey},
    error::{BackendError, BackendErrorKind::TooLarge},
};

/// [`each`] for writes: one that the store finds too large ends nothing, and is the error when all others are done.
pub(crate) async fn set_each<F>(
    writes: Vec<Write>,
    set: impl Fn(StoreKey, Sealed, Option<Duration>) -> F,
) -> Result<(), BackendError>
where
    F: Future<Output = Result<(), BackendError>>,
{
    let writes = writes.into_iter().map(|(key, entry, ttl)| (key, (entry, ttl))).collect();
    let refused = each(writes, |key, (entry, ttl)| {
        let set = set(key, entry, ttl);
        async move {
            match set.await {
                Err(err) if err.kind() == TooLarge => Ok(Some(err)),
                done => done.map(|()| None),
            }
        }
    });
    refused.await?.into_iter().flatten().next().map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{backend::web::batch::tests::key, error::BackendErrorKind::Transient};

    fn writes() -> Vec<Write> {
        let entry = |size| Sealed::parse([&b"\xC1bc\x01"[..], &vec![0; size]].concat()).unwrap();
        (0..40).map(|number| (key(number), entry(200 + number), None)).collect()
    }

    /// Makes all writes, of which those at these places end with an error of this kind, and tells how many were made.
    async fn made(at: &[usize], kind: crate::BackendErrorKind) -> (Option<crate::BackendErrorKind>, usize) {
        let made = Mutex::new(Vec::new());
        let set = async |entry: Sealed| {
            tokio::task::yield_now().await;
            let number = entry.len() - 204;
            if at.contains(&number) {
                return Err(BackendError::new("a", kind));
            }
            made.lock().unwrap().push(number);
            Ok(())
        };
        let done = set_each(writes(), |_, entry, _| set(entry)).await;
        (done.err().map(|err| err.kind()), made.into_inner().unwrap().len())
    }

    #[tokio::test]
    async fn too_large_entry_ends_nothing_and_is_the_error() {
        assert_eq!(made(&[], TooLarge).await, (None, 40));
        assert_eq!(made(&[0], TooLarge).await, (Some(TooLarge), 39));
        assert_eq!(made(&[0, 17, 39], TooLarge).await, (Some(TooLarge), 37));
    }

    #[tokio::test]
    async fn another_error_ends_the_batch() {
        let (kind, made) = made(&[0], Transient).await;
        assert_eq!(kind, Some(Transient));
        assert!(made < 39, "{made}");
    }
}

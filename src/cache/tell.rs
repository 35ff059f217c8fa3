//! Invalidating: remembered in this process, then told to the store.

use std::sync::Arc;

use super::{
    Cache,
    flight::{Leader, Published, SlotKey, Turn},
    tags::Tag,
};
use crate::{
    backend::Backend,
    encrypted::later,
    error::{BackendError, BackendErrorKind, Error},
    metrics::Call,
};

/// The end of time: FORMAT.md, "never".
const NEVER: u64 = u64::MAX;

/// What became of writing a marker, for those who waited to write it too.
struct Told {
    at: u64,
    failed: Option<BackendErrorKind>,
}

impl Cache {
    /// Remembers the invalidation in this process, then tells the store.
    pub(super) async fn invalidate(&self, call: &Call<'_>, tag: &[u8]) -> Result<(), Error> {
        call.beyond(|| Some(self.store.as_ref()?.marker_place(tag).name));
        let tag = Tag { scope: self.scope, tag: tag.into() };
        let at = self.shared.markers.invalidate(tag.clone(), self.now());
        self.tell(tag, at).await
    }

    /// Tells the store of an invalidation of that moment. The marker of a tag is written by one call at a time, which
    /// writes the newest moment that is known: no older one can come after it, and those who waited need not write.
    pub(super) async fn tell(&self, tag: Tag, at: u64) -> Result<(), Error> {
        let Some(store) = &self.store else { return Ok(()) };
        let seat = self.shared.telling.enter(SlotKey { scope: tag.scope, key: tag.tag.clone() });
        let told = |told: &Published| {
            let told = told.downcast_ref::<Told>().filter(|told| told.at >= at)?;
            Some(
                told.failed
                    .map_or(Ok(()), |kind| Err(BackendError::new(store.backend().name(), kind).into())),
            )
        };
        match seat.lead_or(told).await {
            Turn::Value(told) => told,
            Turn::Lead(leader) => {
                let cache = self.clone();
                self.unbroken(async move { cache.tell_as(leader, tag, at).await }).await
            }
        }
    }

    async fn tell_as(&self, mut leader: Leader, tag: Tag, at: u64) -> Result<(), Error> {
        let Some(store) = &self.store else { return Ok(()) };
        let at = self.shared.markers.invalid_until(&tag).map_or(at, |until| until.max(at));
        // Entries with a tag come from this cache, which bounds their lives; others in the namespace may live for ever.
        let expires_at =
            if tag.tag.is_empty() { NEVER } else { later(at, self.shared.policy.longest).unwrap_or(NEVER) };
        let (name, entry, ttl) = store.seal_marker(&tag.tag, at, expires_at)?;
        let written = store.backend().set(&name, entry, ttl).await;
        let failed = written.as_ref().err().map(BackendError::kind);
        leader.publish(Arc::new(Told { at, failed }), || ());
        let written = written.map_err(Error::from);
        written.inspect_err(|error| self.trouble(error))
    }
}

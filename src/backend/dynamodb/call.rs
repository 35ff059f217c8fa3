//! The calls on the table, one request each.

use std::time::Duration;

use aws_sdk_dynamodb::types::ReturnValue;
use bytes::Bytes;

use super::{
    bound::Bound,
    error::Failure,
    item::{self, EXPIRY, Item, KEY, MAX_ITEM, VALUE},
    link::Link,
};
use crate::{
    clock::Clock,
    crypto::{Sealed, StoreKey},
};

/// Sends a request of the SDK, of whose answer no more is read than `$bound`.
macro_rules! send {
    ($request:expr, $bound:expr) => {
        $request.customize().interceptor($bound).send().await.map_err(|err| Failure::sdk(&err))
    };
}
pub(super) use send;

/// The time by this process's clock, in Unix milliseconds.
pub(super) fn now() -> u64 {
    Clock::default().now()
}

/// When an entry set now expires, in Unix seconds.
pub(super) fn expiry(ttl: Option<Duration>) -> Option<u64> {
    ttl.map(|ttl| item::expiry(ttl, now()))
}

impl Link {
    pub(super) async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, Failure> {
        let bound = Bound::entries(1, self.limits.max_entry);
        let found = self.read(key, [KEY, VALUE, EXPIRY].join(", "), bound).await?;
        found.map_or(Ok(None), |found| item::entry(found, now()))
    }

    pub(super) async fn exists(&self, key: &StoreKey) -> Result<bool, Failure> {
        let found = self.read(key, [KEY, EXPIRY].join(", "), Bound::plain()).await?;
        found.map_or(Ok(false), |found| Ok(!item::is_expired(&found, now())?))
    }

    async fn read(&self, key: &StoreKey, attributes: String, bound: Bound) -> Result<Option<Item>, Failure> {
        let request = self.client().await.get_item().table_name(&self.table).set_key(Some(item::key(key)));
        let request = request.projection_expression(attributes).consistent_read(self.limits.consistent);
        let Some(found) = send!(request, bound)?.item else { return Ok(None) };
        // An item of another name would not open, but is no answer.
        if item::name(&found)? == key.as_str() { Ok(Some(found)) } else { Err(Failure::unexpected()) }
    }

    /// An entry that is too large takes what was stored before with it.
    pub(super) async fn set(
        &self,
        key: &StoreKey,
        entry: &Sealed,
        ttl: Option<Duration>,
    ) -> Result<(), Failure> {
        let expiry = expiry(ttl);
        if !self.fits(key, entry, expiry) {
            self.remove(key).await?;
            return Err(Failure::too_large());
        }
        self.put(key, entry, expiry).await
    }

    /// What is in front of the table may find it too large, where the table would not.
    pub(super) async fn put(
        &self,
        key: &StoreKey,
        entry: &Sealed,
        expiry: Option<u64>,
    ) -> Result<(), Failure> {
        let item = item::item(key, entry, expiry);
        let request = self.client().await.put_item().table_name(&self.table).set_item(Some(item));
        let result = send!(request, Bound::plain()).map(drop);
        if result.as_ref().is_err_and(Failure::is_too_large) {
            self.remove(key).await?;
        }
        result
    }

    /// Whether there was an entry that had not expired.
    pub(super) async fn delete(&self, key: &StoreKey) -> Result<bool, Failure> {
        let request = self.client().await.delete_item().table_name(&self.table).set_key(Some(item::key(key)));
        // What is deleted may be of a writer with another largest entry.
        let bound = Bound::entries(1, MAX_ITEM);
        let deleted = send!(request.return_values(ReturnValue::AllOld), bound)?.attributes;
        let Some(deleted) = deleted else { return Ok(false) };
        if item::name(&deleted)? != key.as_str() {
            return Err(Failure::unexpected());
        }
        Ok(!item::is_expired(&deleted, now())?)
    }

    pub(super) async fn remove(&self, key: &StoreKey) -> Result<(), Failure> {
        let request = self.client().await.delete_item().table_name(&self.table).set_key(Some(item::key(key)));
        send!(request, Bound::plain()).map(drop)
    }

    /// Whether the service takes it, and it would be read back.
    pub(super) fn fits(&self, key: &StoreKey, entry: &Sealed, expiry: Option<u64>) -> bool {
        entry.len() <= self.limits.max_entry && item::size(key, entry, expiry) <= MAX_ITEM
    }
}

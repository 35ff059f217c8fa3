//! How much of an answer is read.

use aws_sdk_dynamodb::{
    config::{
        ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeDeserializationInterceptorContextMut,
    },
    error::BoxError,
};
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;

/// Most bytes of an answer without an entry, or of an error.
const PLAIN: usize = 64 * 1024;
/// About what the answer has around an entry: its name, its expiry, JSON.
const FRAME: usize = 512;
/// Most bytes of entries that the service gives at once, 16 MB; as base64 they are a third more.
const MOST: usize = 16 * 1024 * 1024;

/// Ends an answer that is longer than this many bytes, before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound(usize);

impl Bound {
    /// Room for an answer without entries.
    pub(super) fn plain() -> Self {
        Self(PLAIN)
    }

    /// Room for so many entries, each of at most so many bytes.
    pub(super) fn entries(count: usize, max_entry: usize) -> Self {
        let entries = count.saturating_mul(base64(max_entry) + FRAME);
        Self(PLAIN + entries.min(base64(MOST) + count.saturating_mul(FRAME)))
    }
}

fn base64(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

impl Intercept for Bound {
    fn name(&self) -> &'static str {
        "Bound"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        let body = response.take_body();
        *response.body_mut() = SdkBody::from_body_1_x(Limited::new(body, self.0));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bound_has_room_for_each_entry_and_for_no_more_than_the_service_gives() {
        assert_eq!(Bound::entries(1, 300), Bound(PLAIN + 400 + FRAME));
        assert!(Bound::entries(1, 409_600).0 < 700 * 1024);
        assert_eq!(Bound::entries(100, 409_600), Bound(PLAIN + base64(MOST) + 100 * FRAME));
    }
}

//! The span of a call, and the events of what goes wrong (feature `tracing`). Without the feature there is nothing of it.

#[cfg(feature = "tracing")]
pub(crate) use self::traced::{Span, background_failed, no_default, trouble};
#[cfg(not(feature = "tracing"))]
pub(crate) use self::untraced::{Span, background_failed, no_default, trouble};

use std::{error::Error as _, fmt, io::Write as _};

use crate::error::Error;

/// An error with its causes. Errors hold no logical key, tenant, value or secret.
struct Chain<'a>(&'a Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

/// Nobody else may be there to hear it; nor may standard error be, which stops nothing.
fn no_default_on_stderr(error: &Error) {
    let said = "blindcache: #[cached] functions run uncached, there is no default cache";
    let _ = writeln!(std::io::stderr(), "{said}: {}", Chain(error));
}

#[cfg(feature = "tracing")]
mod traced {
    use std::{fmt, future::Future};

    use tracing::{Instrument, field::Empty};

    use super::{
        super::{Operation, Outcome, label},
        Chain,
    };
    use crate::error::Error;

    pub(crate) struct Span(tracing::Span);

    impl Span {
        pub(in super::super) fn new(operation: Operation) -> Self {
            Self(tracing::debug_span!(
                target: "blindcache",
                "cache",
                operation = operation.as_str(),
                outcome = Empty,
                locator = Empty,
                keys = Empty,
            ))
        }

        pub(in super::super) fn around<F: Future>(&self, body: F) -> tracing::instrument::Instrumented<F> {
            body.instrument(self.0.clone())
        }

        pub(in super::super) fn keys(&self, keys: usize) {
            self.0.record("keys", keys);
        }

        /// The name is made only if somebody looks: that is an HMAC.
        pub(in super::super) fn locator<N: fmt::Debug>(&self, name: impl FnOnce() -> Option<N>) {
            if !self.0.is_disabled()
                && let Some(name) = name()
            {
                self.0.record("locator", tracing::field::debug(name));
            }
        }

        pub(in super::super) fn outcome(&self, outcome: Outcome) {
            self.0.record("outcome", outcome.as_str());
        }
    }

    pub(crate) fn trouble(error: &Error, place: Option<&dyn fmt::Debug>) {
        match label::trouble(error) {
            Err(reason) => tracing::warn!(
                target: "blindcache",
                reason = reason.as_str(),
                locator = place.map(tracing::field::debug),
                "an entry of the store cannot be read"
            ),
            Ok(reason) => {
                tracing::warn!(target: "blindcache", reason, error = %Chain(error), "trouble with the cache");
            }
        }
    }

    /// A refresh in the background gave no value.
    pub(crate) fn background_failed() {
        tracing::warn!(target: "blindcache", "a refresh in the background failed or took too long");
    }

    /// There is no default cache, which is said once.
    pub(crate) fn no_default(error: &Error) {
        if !tracing::dispatcher::has_been_set() {
            return super::no_default_on_stderr(error);
        }
        tracing::warn!(
            target: "blindcache",
            error = %Chain(error),
            "#[cached] functions run uncached: there is no default cache"
        );
    }
}

#[cfg(not(feature = "tracing"))]
mod untraced {
    use std::{fmt, future::Future};

    use super::super::{Operation, Outcome};
    use crate::error::Error;

    pub(crate) struct Span;

    impl Span {
        pub(in super::super) fn new(_: Operation) -> Self {
            Self
        }

        pub(in super::super) fn around<F: Future>(&self, body: F) -> F {
            body
        }

        pub(in super::super) fn keys(&self, _: usize) {}

        pub(in super::super) fn locator<N>(&self, _: impl FnOnce() -> Option<N>) {}

        pub(in super::super) fn outcome(&self, _: Outcome) {}
    }

    pub(crate) fn trouble(_: &Error, _: Option<&dyn fmt::Debug>) {}

    pub(crate) fn background_failed() {}

    pub(crate) fn no_default(error: &Error) {
        super::no_default_on_stderr(error);
    }
}

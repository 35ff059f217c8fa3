//! What the SDK and the service say, as a [`BackendError`].
//!
//! No text of a server is kept: of its errors only the code survives, and only if it is one of these. Nor is an error of
//! the SDK: what it shows has the answer's bytes in it.

use std::{error::Error as StdError, io, time::Duration};

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use aws_smithy_runtime_api::client::{endpoint::error::ResolveEndpointError, result::DispatchFailure};
use http_body_util::LengthLimitError;

use crate::{
    backend::tls,
    error::{
        BackendError,
        BackendErrorKind::{self, Denied, Misconfigured, Rejected, Throttled, Timeout, TooLarge, Transient},
    },
};

/// The errors of the service that mean something to a cache. Others are judged by the status of HTTP.
const CODES: [(&str, BackendErrorKind); 30] = [
    ("LimitExceededException", Throttled),
    ("ProvisionedThroughputExceededException", Throttled),
    ("RequestLimitExceeded", Throttled),
    ("SlowDown", Throttled),
    ("Throttling", Throttled),
    ("ThrottlingException", Throttled),
    ("TooManyRequestsException", Throttled),
    ("AccessDenied", Denied),
    ("AccessDeniedException", Denied),
    ("ExpiredToken", Denied),
    ("ExpiredTokenException", Denied),
    ("IncompleteSignature", Denied),
    ("IncompleteSignatureException", Denied),
    ("InvalidClientTokenId", Denied),
    ("InvalidSignatureException", Denied),
    ("MissingAuthenticationToken", Denied),
    ("MissingAuthenticationTokenException", Denied),
    ("NotAuthorized", Denied),
    ("OptInRequired", Denied),
    ("RequestExpired", Denied),
    ("SignatureDoesNotMatch", Denied),
    ("UnrecognizedClientException", Denied),
    ("ResourceNotFoundException", Misconfigured),
    ("TableNotFoundException", Misconfigured),
    ("InternalFailure", Transient),
    ("InternalServerError", Transient),
    ("ServiceUnavailable", Transient),
    ("TransactionInProgressException", Transient),
    ("SerializationException", Rejected),
    ("ValidationException", Rejected),
];
/// Those of them that say that the credentials are old or wrong.
const BAD_CREDENTIALS: [&str; 6] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];
/// What the service answers where a table, or a change of it, is there or under way already.
const IN_USE: &str = "ResourceInUseException";
/// Longest time that a retry-after is believed.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// A [`BackendError`] before it has the backend's name.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    kind: BackendErrorKind,
    cause: Cause,
    retry_after: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Cause {
    #[error("the service answered {0}")]
    Code(&'static str),
    #[error("the service answered with an error of HTTP status {0}")]
    Status(u16),
    #[error("the answer is not one that this call has")]
    Unexpected,
    #[error("the answer is not HTTP")]
    Garbage,
    #[error("the answer is longer than the largest entry allows")]
    Flood,
    #[error("no answer within the limit")]
    NoAnswer,
    #[error("a part of the batch was put off until the limit")]
    PutOff,
    #[error("the host name was not found")]
    Lookup,
    #[error("the connection failed: {0}")]
    Io(io::ErrorKind),
    #[error("the connection was closed before the answer was complete")]
    Closed,
    // What rustls says of it shows names that the server sent.
    #[error("TLS failed: {0}")]
    Tls(&'static str),
    #[error("no credentials were found, or none could be had")]
    NoCredentials,
    #[error("the credentials were not there in time")]
    LateCredentials,
    #[error("larger than an item, or than the largest entry that is set")]
    TooLarge,
    #[error("no Tokio runtime")]
    NoRuntime,
    #[error("{0}")]
    Setting(&'static str),
}

impl Failure {
    fn new(kind: BackendErrorKind, cause: Cause) -> Self {
        Self { kind, cause, retry_after: None }
    }

    /// From the SDK: what the connection, the credentials or the service said.
    pub(super) fn sdk<E>(err: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        match err {
            SdkError::ServiceError(service) => Self::service(service.err().code(), service.raw()),
            SdkError::ResponseError(_) => of_chain(err.source()).unwrap_or_else(Self::unexpected),
            SdkError::DispatchFailure(failure) => Self::dispatch(failure, err.source()),
            SdkError::TimeoutError(_) => Self::no_answer(),
            SdkError::ConstructionFailure(_) => of_chain(err.source()).unwrap_or_else(Self::no_credentials),
            _ => Self::unexpected(),
        }
    }

    fn service(code: Option<&str>, response: &HttpResponse) -> Self {
        let status = response.status().as_u16();
        let known = code.and_then(|code| CODES.iter().find(|(known, _)| *known == code));
        let failure = match known {
            Some(&(code, kind)) => Self::new(kind, Cause::Code(code)),
            None if code == Some(IN_USE) => Self::new(Transient, Cause::Code(IN_USE)),
            // No error at all by its status: a body that is not what it should be.
            None if response.status().is_success() => Self::unexpected(),
            None => Self::new(kind_of_status(status), Cause::Status(status)),
        };
        Self { retry_after: retry_after(response), ..failure }
    }

    fn dispatch(failure: &DispatchFailure, source: Option<&(dyn StdError + 'static)>) -> Self {
        if failure.is_timeout() {
            return Self::no_answer();
        }
        match of_chain(source) {
            Some(failure) => failure,
            // What has no cause in the connection failed before there was one.
            None if failure.is_other() => Self::no_credentials(),
            None => Self::new(Transient, Cause::Closed),
        }
    }

    /// An answer that this call does not have.
    pub(super) fn unexpected() -> Self {
        Self::new(Rejected, Cause::Unexpected)
    }

    pub(super) fn no_answer() -> Self {
        Self::new(Timeout, Cause::NoAnswer)
    }

    /// The service put names of a batch off for as long as there was time to ask again.
    pub(super) fn put_off() -> Self {
        Self::new(Throttled, Cause::PutOff)
    }

    pub(super) fn too_large() -> Self {
        Self::new(TooLarge, Cause::TooLarge)
    }

    pub(super) fn no_runtime() -> Self {
        Self::new(Misconfigured, Cause::NoRuntime)
    }

    pub(super) fn setting(what: &'static str) -> Self {
        Self::new(Misconfigured, Cause::Setting(what))
    }

    fn no_credentials() -> Self {
        Self::new(Denied, Cause::NoCredentials)
    }

    /// A name that was found before is in passing trouble; one that never was is most likely wrong.
    pub(super) fn known_host(self) -> Self {
        if self.cause == Cause::Lookup { Self { kind: Transient, ..self } } else { self }
    }

    /// Whether a server answered, whatever it said.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self.cause, Cause::Code(_) | Cause::Status(_) | Cause::Unexpected | Cause::Flood)
    }

    /// Whether other credentials may do better: these are old or wrong, or there were none. Not where they may only not
    /// do what was asked.
    pub(super) fn wants_credentials(&self) -> bool {
        match self.cause {
            Cause::NoCredentials => true,
            Cause::Code(code) => BAD_CREDENTIALS.contains(&code),
            _ => false,
        }
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.kind == TooLarge
    }

    /// Whether it is there, or under way, already.
    pub(super) fn is_in_use(&self) -> bool {
        self.cause == Cause::Code(IN_USE)
    }

    pub(super) fn is_code(&self, code: &str) -> bool {
        matches!(self.cause, Cause::Code(known) if known == code)
    }

    /// Whether the same call may do better later.
    pub(super) fn passes(&self) -> bool {
        matches!(self.kind, Transient | Timeout | Throttled)
    }
}

impl From<Failure> for BackendError {
    fn from(failure: Failure) -> Self {
        let err = Self::new(super::NAME, failure.kind).with_source(failure.cause);
        match failure.retry_after {
            Some(after) => err.with_retry_after(after),
            None => err,
        }
    }
}

/// By its status, as every backend over HTTP has it.
fn kind_of_status(status: u16) -> BackendErrorKind {
    match status {
        300..=399 => Misconfigured, // elsewhere, such as https:// or a page to log in
        401 | 403 | 407 => Denied,
        404 | 405 => Misconfigured,
        408 | 504 => Timeout,
        413 => TooLarge,
        425 => Transient,
        429 | 507 => Throttled, // 507: the storage is full
        501 | 505 => Rejected,
        500..=599 => Transient,
        _ => Rejected,
    }
}

/// `Retry-After` in whole seconds; not as a date, which no AWS service sends.
fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

/// The first in the chain of causes that means something.
fn of_chain(mut next: Option<&(dyn StdError + 'static)>) -> Option<Failure> {
    while let Some(err) = next {
        let found = of_one(err);
        if found.is_some() {
            return found;
        }
        next = err.source();
    }
    None
}

fn of_one(err: &(dyn StdError + 'static)) -> Option<Failure> {
    if err.is::<LengthLimitError>() {
        return Some(Failure::new(Rejected, Cause::Flood));
    }
    if err.is::<ResolveEndpointError>() {
        return Some(Failure::setting("the client, or the environment, names an endpoint that is none"));
    }
    if let Some(err) = err.downcast_ref::<io::Error>() {
        return Some(of_io(err));
    }
    if let Some(err) = err.downcast_ref::<hyper::Error>() {
        return of_hyper(err);
    }
    // These types are the libraries' own, and their words are all that tells.
    let words = err.to_string();
    if words.starts_with("identity resolver timed out") {
        return Some(Failure::new(Timeout, Cause::LateCredentials));
    }
    (words == "dns error").then(|| Failure::new(Misconfigured, Cause::Lookup))
}

fn of_hyper(err: &hyper::Error) -> Option<Failure> {
    if err.is_parse() {
        return Some(Failure::new(Rejected, Cause::Garbage));
    }
    let closed = err.is_incomplete_message() || err.is_closed() || err.is_canceled();
    closed.then(|| Failure::new(Transient, Cause::Closed))
}

fn of_io(err: &io::Error) -> Failure {
    if let Some(err) = tls::error_in(err) {
        return Failure::new(tls::kind(&err), Cause::Tls(tls::words(&err)));
    }
    // An `io::Error` leaves what it holds out of its chain.
    if let Some(found) = err.get_ref().and_then(|inner| of_chain(Some(inner))) {
        return found;
    }
    let kind = match err.kind() {
        io::ErrorKind::PermissionDenied => Denied,
        io::ErrorKind::TimedOut => Timeout,
        _ => Transient,
    };
    Failure::new(kind, Cause::Io(err.kind()))
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        Client,
        config::{BehaviorVersion, Config, Credentials, Region},
    };

    use super::*;
    use crate::{DynamoDbBackend, backend::Backend};

    #[test]
    fn credentials_are_looked_for_again_where_they_are_bad_and_not_where_they_may_not() {
        let of_code = |code: &str| {
            let known = CODES.iter().find(|(known, _)| *known == code).unwrap();
            Failure::new(known.1, Cause::Code(known.0)).wants_credentials()
        };
        assert!(BAD_CREDENTIALS.iter().all(|code| of_code(code)));
        for code in ["AccessDenied", "AccessDeniedException", "NotAuthorized", "OptInRequired"] {
            assert!(!of_code(code), "{code}");
        }
        assert!(Failure::no_credentials().wants_credentials());
        assert!(!Failure::new(Denied, Cause::Status(403)).wants_credentials());
        assert!(!Failure::new(Timeout, Cause::LateCredentials).wants_credentials());
    }

    #[tokio::test]
    async fn endpoint_that_is_none_is_not_said_to_be_a_lack_of_credentials() {
        let config = Config::builder().behavior_version(BehaviorVersion::v2026_01_12());
        let config = config.region(Region::new("eu-west-1")).endpoint_url("hunter2:8000");
        let credentials = Credentials::new("AKIATESTS", "secret", None, None, "tests");
        let client = Client::from_conf(config.credentials_provider(credentials).build());
        let err = DynamoDbBackend::from_client("cache", &client).unwrap().ping().await.unwrap_err();
        assert_eq!(err.kind(), Misconfigured);
        assert!(!format!("{err:?}").contains("hunter2"));
    }
}

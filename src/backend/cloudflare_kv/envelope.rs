//! What surrounds every answer of the API but a value: `{"success", "errors": [{"code", "message"}], "result"}`.
//!
//! Of errors only codes are read, and only those that are known here mean something. No text is kept.

use serde_json::Value;

use crate::error::{
    BackendError,
    BackendErrorKind::{self, Denied, Misconfigured, Throttled, Transient},
};

/// The name that was asked for is not there.
const NO_SUCH_KEY: u64 = 10_009;
/// The other errors that mean something to a cache. All others are told by the status alone.
const CODES: [(u64, BackendErrorKind, &str); 8] = [
    (6003, Denied, "the request's headers are not accepted: the token is malformed"),
    (6111, Denied, "the header Authorization is malformed"),
    (7000, Misconfigured, "no such route: the base URL is not that of the API"),
    (7003, Misconfigured, "the id of the account or of the namespace is none"),
    (9109, Denied, "the token is not accepted"),
    (10_000, Denied, "the token is not accepted, or does not allow this"),
    (10_013, Misconfigured, "the account has no such namespace"),
    (10_048, Throttled, "the account's free requests of today are used up"),
];

/// Why a call failed although there is an answer.
#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("the server answered {code}: {meaning}")]
    Code { code: u64, meaning: &'static str },
    #[error("the server did not do it for all names")]
    Partly,
}

/// An answer's envelope.
pub(super) struct Envelope {
    success: bool,
    codes: Vec<u64>,
    result: Value,
}

impl Envelope {
    /// `None` if the bytes are no envelope.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let Value::Object(mut fields) = serde_json::from_slice(body).ok()? else { return None };
        let success = fields.get("success")?.as_bool()?;
        let codes = match fields.get("errors") {
            Some(Value::Array(errors)) => {
                errors.iter().map(|error| error.get("code")?.as_u64()).collect::<Option<_>>()?
            }
            Some(Value::Null) | None => Vec::new(),
            Some(_) => return None,
        };
        Some(Self { success, codes, result: fields.remove("result").unwrap_or_default() })
    }

    pub(super) fn is_success(&self) -> bool {
        self.success
    }

    pub(super) fn lacks_the_key(&self) -> bool {
        self.codes.contains(&NO_SUCH_KEY)
    }

    /// The error that the first known code is.
    pub(super) fn refusal(&self) -> Option<BackendError> {
        let known = |asked: &u64| CODES.iter().find(|(code, ..)| code == asked);
        let &(code, kind, meaning) = self.codes.iter().find_map(known)?;
        Some(error(kind, Cause::Code { code, meaning }))
    }

    /// Whether a request about so many names was done for all of them, where the result says that at all.
    pub(super) fn did_all(&self, names: usize) -> Result<(), BackendError> {
        let failed = self.result["unsuccessful_keys"].as_array().map_or(0, Vec::len);
        let done = self.result["successful_key_count"].as_u64().map_or(names, |count| count as usize);
        if failed == 0 && done >= names { Ok(()) } else { Err(error(Transient, Cause::Partly)) }
    }
}

fn error(kind: BackendErrorKind, cause: Cause) -> BackendError {
    BackendError::new(super::NAME, kind).with_source(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(codes: &str) -> Option<BackendErrorKind> {
        let body = format!(r#"{{"success":false,"errors":[{codes}],"messages":[],"result":null}}"#);
        Envelope::parse(body.as_bytes()).unwrap().refusal().map(|err| err.kind())
    }

    #[test]
    fn codes_have_the_kind_a_caller_can_act_on() {
        for (code, expected, _) in CODES {
            assert_eq!(kind(&format!(r#"{{"code":{code},"message":"something"}}"#)), Some(expected));
        }
        assert_eq!(kind(r#"{"code":1},{"code":10013}"#), Some(Misconfigured));
        assert_eq!(kind(r#"{"code":1}"#), None);
        assert_eq!(kind(""), None);
    }

    #[test]
    fn text_of_a_server_is_in_no_error() {
        let body = br#"{"success":false,"errors":[{"code":10000,"message":"hunter2"}],"result":"hunter2"}"#;
        let err = Envelope::parse(body).unwrap().refusal().unwrap();
        assert!(!format!("{err:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_no_envelope_is_none() {
        let deep = "[".repeat(100_000);
        for body in [
            "",
            "null",
            "true",
            "[]",
            "{}",
            r#"{"success":1}"#,
            r#"{"success":"true"}"#,
            r#"{"success":true,"errors":"none"}"#,
            r#"{"success":true,"errors":[1]}"#,
            r#"{"success":true,"errors":[{"code":"10009"}]}"#,
            r#"{"success":true,"errors":[{"code":-1}]}"#,
            r#"{"success":true} more"#,
            r#"{"success":true"#,
            "<html>",
            &deep,
        ] {
            assert!(Envelope::parse(body.as_bytes()).is_none(), "{}", &body[..body.len().min(80)]);
        }
        assert!(Envelope::parse(br#"{"success":true}"#).unwrap().is_success());
        assert!(Envelope::parse(br#"{"success":true,"errors":null}"#).unwrap().is_success());
    }

    #[test]
    fn what_was_done_for_some_names_only_is_transient() {
        let did = |result: &str| {
            let body = format!(r#"{{"success":true,"errors":[],"result":{result}}}"#);
            Envelope::parse(body.as_bytes()).unwrap().did_all(2).map_err(|err| err.kind())
        };
        assert_eq!(did("null"), Ok(()));
        assert_eq!(did("{}"), Ok(()));
        assert_eq!(did(r#"{"successful_key_count":2,"unsuccessful_keys":[]}"#), Ok(()));
        assert_eq!(did(r#"{"successful_key_count":2}"#), Ok(()));
        assert_eq!(did(r#"{"successful_key_count":1,"unsuccessful_keys":["x"]}"#), Err(Transient));
        assert_eq!(did(r#"{"successful_key_count":1,"unsuccessful_keys":[]}"#), Err(Transient));
        assert_eq!(did(r#"{"unsuccessful_keys":["x"]}"#), Err(Transient));
    }
}

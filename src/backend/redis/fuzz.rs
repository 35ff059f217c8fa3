//! For the fuzz targets `redis` and `config`.

use redis::Value;

use super::{
    access::{Access, Place},
    answer,
    error::Failure,
};
use crate::error::BackendError;

/// Any bytes as an answer in RESP: what each command makes of it, and where a cluster and a sentinel send us by it.
pub(crate) fn reply(bytes: &[u8]) {
    let Ok(reply) = redis::parse_redis_value(bytes) else { return };
    let stored = match &reply {
        Value::BulkString(entry) => Some(Some(entry.clone())),
        Value::Nil => Some(None),
        _ => None,
    };
    assert_eq!(answer::entry(reply.clone()).ok().map(|entry| entry.map(Vec::from)), stored);
    assert_eq!(answer::flag(reply.clone()).ok().map(i64::from), reply_number(&reply));
    assert_eq!(answer::done(reply.clone()).is_ok(), reply == Value::Okay);
    assert!(answer::pong(&reply).is_err() || stored.is_none());
    let each = (0..4).filter(|count| answer::each(reply.clone(), *count).is_ok()).count();
    assert!(each <= 1, "as many answers as two batches have");
    if let Value::ServerError(err) = &reply {
        let shown = format!("{:?}", BackendError::from(Failure::server(err)));
        let said = err.details().unwrap_or_default();
        assert!(said.len() < 40 || !shown.contains(said), "a server's text in an error");
    }
    #[cfg(feature = "redis-cluster")]
    {
        super::cluster::fuzz::reply(&reply);
        let is_master = super::sentinel::role(&reply).is_ok();
        let begins = reply.as_sequence().and_then(<[_]>::first);
        assert_eq!(is_master, begins == Some(&Value::BulkString(b"master".into())));
        assert!(super::sentinel::address(reply).map_or(true, |(host, _)| !host.is_empty()), "no address");
    }
}

fn reply_number(reply: &Value) -> Option<i64> {
    match reply {
        Value::Int(number @ 0..=1) => Some(*number),
        _ => None,
    }
}

/// Any text as a URL: a place that is shown without the login, or an error that shows none of the text.
pub(crate) fn url(text: &str) -> Option<String> {
    let tls = || Err(Failure::setting("TLS"));
    match Access::parse(text, tls) {
        Ok((place, access)) => {
            let place_is = match &place {
                Place::Tcp(host, _) => host.clone(),
                Place::Unix(path) => path.display().to_string(),
            };
            let password = access.login.password().unwrap_or_default().to_owned();
            let shown = access.target(place).map(|target| format!("{target:?}"));
            let is_secret = password.len() >= 8 && !place_is.contains(&password);
            assert!(!is_secret || shown.is_ok_and(|shown| !shown.contains(&password)), "a password is shown");
            None
        }
        Err(failure) => Some(format!("{:?}", BackendError::from(failure))),
    }
}

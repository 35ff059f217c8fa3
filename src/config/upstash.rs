//! The Upstash Redis of the environment.

use super::{
    cache::{refused, text},
    secret::Setting,
};
use crate::{
    backend::upstash::{UpstashBackend, UpstashBuilder, check_token, check_url},
    error::{Error, SettingError},
};

/// A database's URL, and its token.
struct Pair {
    url: &'static str,
    token: Setting,
}

/// Upstash's own names, and those of Vercel. The first of which anything is set counts.
const PAIRS: [Pair; 2] = [
    Pair {
        url: "UPSTASH_REDIS_REST_URL",
        token: Setting { variable: "UPSTASH_REDIS_REST_TOKEN", file: "UPSTASH_REDIS_REST_TOKEN_FILE" },
    },
    Pair {
        url: "KV_REST_API_URL",
        token: Setting { variable: "KV_REST_API_TOKEN", file: "KV_REST_API_TOKEN_FILE" },
    },
];

impl UpstashBackend {
    /// The database of the environment: `UPSTASH_REDIS_REST_URL` and `UPSTASH_REDIS_REST_TOKEN`, or if neither is set
    /// `KV_REST_API_URL` and `KV_REST_API_TOKEN`, as Vercel names them.
    ///
    /// Instead of a token, the same name with `_FILE` may name a file that holds it. White space around a setting is
    /// ignored, and an empty variable counts as not set. For other settings, see [`UpstashBuilder::from_vars`].
    ///
    /// # Errors
    /// [`Error::Setting`] names the variable that is missing or was refused, without its text; [`Error::Backend`] if
    /// the system has no CA certificates.
    pub fn from_env() -> Result<Self, Error> {
        Ok(UpstashBuilder::from_vars(super::variable)?.build()?)
    }
}

impl UpstashBuilder {
    /// The settings of [`UpstashBackend::from_env`], with variables from `lookup`.
    ///
    /// # Errors
    /// [`Error::Setting`] names the variable that is missing or was refused, without its text.
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        for pair in PAIRS {
            match (text(pair.url, &lookup)?, pair.token.text(&lookup)?) {
                (None, None) => {}
                (Some(_), None) => return Err(missing(pair.token.variable)),
                (None, Some(_)) => return Err(missing(pair.url)),
                (Some(url), Some((variable, token))) => {
                    let token = token.trim();
                    check_url(&url).map_err(|source| refused(pair.url, source.into()))?;
                    check_token(token).map_err(|source| refused(variable, source.into()))?;
                    return Ok(Self::new(&url, token));
                }
            }
        }
        Err(missing(PAIRS[0].url))
    }
}

fn missing(variable: &'static str) -> Error {
    let hint = "the REST URL and the token of a database go together, and are in Upstash's console; \
                KV_REST_API_URL and KV_REST_API_TOKEN will do too";
    SettingError::Missing { variable, hint }.into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const URL: &str = "http://localhost:7000";

    fn builder(variables: &[(&str, &str)]) -> Result<UpstashBuilder, Error> {
        let variables: HashMap<&str, &str> = variables.iter().copied().collect();
        UpstashBuilder::from_vars(|name| variables.get(name).map(ToString::to_string))
    }

    fn refusal(variables: &[(&str, &str)]) -> SettingError {
        match builder(variables) {
            Err(Error::Setting(refused)) => {
                let shown = format!("{refused:?} {refused}");
                assert!(!shown.contains("hunter2"), "{shown}");
                refused
            }
            other => panic!("not refused as a setting: {other:?}"),
        }
    }

    fn shown(variables: &[(&str, &str)]) -> String {
        format!("{:?}", builder(variables).unwrap().build().unwrap())
    }

    #[test]
    fn either_pair_names_the_database_and_upstashs_own_comes_first() {
        let upstash =
            [("UPSTASH_REDIS_REST_URL", " http://localhost:7000\n"), ("UPSTASH_REDIS_REST_TOKEN", "a\n")];
        let vercel = [("KV_REST_API_URL", "http://localhost:8000"), ("KV_REST_API_TOKEN", "b")];
        assert!(shown(&upstash).contains(URL));
        assert!(shown(&vercel).contains("http://localhost:8000"));
        assert!(shown(&[upstash, vercel].concat()).contains(URL));
        let empty = [("UPSTASH_REDIS_REST_URL", " "), ("UPSTASH_REDIS_REST_TOKEN", "")];
        assert!(shown(&[empty, vercel].concat()).contains("http://localhost:8000"));
    }

    #[test]
    fn half_a_pair_is_refused_and_the_other_half_named() {
        for (set, missing) in [
            (("UPSTASH_REDIS_REST_URL", URL), "UPSTASH_REDIS_REST_TOKEN"),
            (("UPSTASH_REDIS_REST_TOKEN", "hunter2"), "UPSTASH_REDIS_REST_URL"),
            (("KV_REST_API_URL", URL), "KV_REST_API_TOKEN"),
            (("KV_REST_API_TOKEN", "hunter2"), "KV_REST_API_URL"),
        ] {
            let found = refusal(&[set]);
            assert!(
                matches!(found, SettingError::Missing { variable, .. } if variable == missing),
                "{missing}"
            );
        }
        // A whole pair does not make up for half of the one before.
        let vercel = [("KV_REST_API_URL", URL), ("KV_REST_API_TOKEN", "hunter2")];
        let found = refusal(&[&[("UPSTASH_REDIS_REST_URL", URL)][..], &vercel].concat());
        assert!(matches!(found, SettingError::Missing { variable: "UPSTASH_REDIS_REST_TOKEN", .. }));
        assert!(matches!(refusal(&[]), SettingError::Missing { variable: "UPSTASH_REDIS_REST_URL", .. }));
    }

    #[test]
    fn what_cannot_be_a_url_or_a_token_is_refused_by_name() {
        for (url, token, name) in [
            ("hunter2", "t", "UPSTASH_REDIS_REST_URL"),
            ("hunter2\u{FFFD}", "t", "UPSTASH_REDIS_REST_URL"),
            ("https://h/?_token=hunter2", "t", "UPSTASH_REDIS_REST_URL"),
            (URL, "hunter2 hunter2", "UPSTASH_REDIS_REST_TOKEN"),
            (URL, "hunter2\u{FFFD}", "UPSTASH_REDIS_REST_TOKEN"),
        ] {
            let found = refusal(&[("UPSTASH_REDIS_REST_URL", url), ("UPSTASH_REDIS_REST_TOKEN", token)]);
            assert!(
                matches!(found, SettingError::Variable { variable, .. } if variable == name),
                "{url} {token}"
            );
        }
    }

    #[test]
    fn token_may_be_in_a_file() {
        let path = std::env::temp_dir().join(format!("blindcache-upstash-{}", std::process::id()));
        std::fs::write(&path, "t0ken\n").unwrap();
        let file = path.to_str().unwrap();
        for (url, token) in
            [("UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN"), ("KV_REST_API_URL", "KV_REST_API_TOKEN")]
        {
            let twin = format!("{token}_FILE");
            assert!(shown(&[(url, URL), (&twin, file)]).contains(URL));
            let both = refusal(&[(url, URL), (token, "hunter2"), (&twin, file)]);
            assert!(matches!(both, SettingError::Both { variable } if variable == token));
            let nowhere = refusal(&[(url, URL), (&twin, "/nowhere/at/all")]);
            assert!(matches!(nowhere, SettingError::File { variable, .. } if variable == twin));
        }
        std::fs::write(&path, "hunter2 hunter2").unwrap();
        let found = refusal(&[("UPSTASH_REDIS_REST_URL", URL), ("UPSTASH_REDIS_REST_TOKEN_FILE", file)]);
        assert!(matches!(found, SettingError::Variable { variable: "UPSTASH_REDIS_REST_TOKEN_FILE", .. }));
        std::fs::remove_file(path).unwrap();
    }
}

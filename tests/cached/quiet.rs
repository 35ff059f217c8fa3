//! What the attribute brings along is quiet: no lint of the strictest user looks at it.
#![deny(warnings, missing_docs, clippy::all, clippy::pedantic)]

use blindcache::{Cache, cached};

use super::cache;

/// Nobody calls what stands beside it.
#[cached(cache = cache, skip(cache))]
async fn alone(cache: &Cache, mut text: String, parts: Vec<String>) -> Result<String, std::fmt::Error> {
    for part in parts {
        text += &part;
    }
    Ok(text)
}

struct Users {
    cache: Cache,
}

impl Users {
    /// A method.
    #[cached(cache = self.cache, skip(self))]
    async fn name(&self, id: u64) -> String {
        format!("user {id}")
    }

    /// Of a visibility.
    ///
    /// # Errors
    /// If it is.
    #[cached(cache = self.cache, skip(self), ttl = "1h")]
    pub(super) async fn length(self: std::sync::Arc<Self>, name: String) -> std::io::Result<usize> {
        Ok(name.len())
    }
}

#[tokio::test]
async fn no_lint_looks_at_what_stands_beside_a_function() {
    let users = std::sync::Arc::new(Users { cache: cache() });
    assert_eq!(alone(&cache(), "a".into(), vec!["b".into()]).await.as_deref(), Ok("ab"));
    assert_eq!(users.name(1).await, "user 1");
    assert_eq!(users.length("Ada".into()).await.unwrap_or_default(), 3);
}

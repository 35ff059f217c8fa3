//! How functions may look.

use std::{borrow::Cow, fmt::Display, sync::Arc, time::Duration};

use blindcache::{Cache, Value, cached};
use serde::{Serialize, de::DeserializeOwned};

use super::{Runs, cache};

/// Whether a future may go to another thread.
fn sent<T>(future: impl Future<Output = T> + Send) -> impl Future<Output = T> + Send {
    future
}

struct Db {
    cache: Cache,
    runs: Runs,
}

impl Db {
    fn new() -> Self {
        Self { cache: cache(), runs: Runs::default() }
    }

    /// Borrows, of itself and of its argument.
    #[cached(cache = self.cache, key = (self.name(), name), ttl = "10m")]
    async fn by_ref(&self, name: &str) -> Result<String, Refused> {
        let known = self.known(name)?;
        if known.is_empty() {
            return Err("empty".into());
        }
        tokio::task::yield_now().await;
        Ok(format!("{known} {}", self.runs.next()))
    }

    #[cached(cache = self.cache, skip(self))]
    async fn by_mut(&mut self, mut id: u64) -> u64 {
        self.runs = Runs::default();
        id += self.runs.next();
        id
    }

    #[cached(cache = self.cache, key = (self.name(), id))]
    async fn by_value(mut self, id: u64) -> u64 {
        *self.runs.0.get_mut() += id;
        self.runs.next()
    }

    #[cached(cache = self.cache, skip(self))]
    async fn by_arc(self: Arc<Self>, id: u64) -> u64 {
        id + self.runs.next()
    }

    #[allow(clippy::unused_self)]
    fn name(&self) -> &'static str {
        "db"
    }

    #[allow(clippy::unused_self)]
    fn known<'a>(&self, name: &'a str) -> Result<&'a str, std::fmt::Error> {
        if name == "nobody" { Err(std::fmt::Error) } else { Ok(name) }
    }
}

type Refused = Box<dyn std::error::Error + Send + Sync>;

#[tokio::test]
async fn a_method_borrows_itself_and_its_arguments() {
    let db = Db::new();
    let name = String::from("Ada");
    assert_eq!(sent(db.by_ref(&name)).await.unwrap(), "Ada 1");
    assert_eq!(db.by_ref(&name).await.unwrap(), "Ada 1");
    assert!(sent(db.by_ref_invalidate(&name)).await.unwrap());
    assert_eq!(sent(db.by_ref_uncached(&name)).await.unwrap(), "Ada 2");
    assert_eq!(db.by_ref(&name).await.unwrap(), "Ada 3");
}

#[tokio::test]
async fn a_question_mark_and_a_return_leave_the_body_alone() {
    let db = Db::new();
    assert!(db.by_ref("nobody").await.unwrap_err().is::<std::fmt::Error>());
    assert_eq!(db.by_ref("").await.unwrap_err().to_string(), "empty");
    assert!(!db.by_ref_invalidate("").await.unwrap());
}

#[tokio::test]
async fn self_is_borrowed_for_change_taken_or_counted() {
    let mut db = Db::new();
    assert_eq!(sent(db.by_mut(1)).await, 2);
    assert_eq!(db.by_mut(1).await, 2);
    assert_eq!(db.runs.so_far(), 1);
    let db = Arc::new(db);
    assert_eq!(sent(db.clone().by_arc(1)).await, 3);
    let other = Db { cache: db.cache.clone(), runs: Runs::default() };
    assert_eq!(sent(other.by_value(1)).await, 2);
    let other = Db { cache: db.cache.clone(), runs: Runs::default() };
    assert!(other.by_value_invalidate(1).await.unwrap());
}

#[cached(cache = cache, skip(cache))]
async fn generic<'a, T, const N: usize>(cache: &Cache, parts: &'a [T], more: Cow<'a, str>) -> Vec<T>
where
    T: Value + Display,
{
    let mut parts = parts.to_vec();
    parts.truncate(more.len().min(N));
    parts
}

#[tokio::test]
async fn generics_lifetimes_and_where_clauses_stay() {
    let cache = cache();
    assert_eq!(sent(generic::<_, 2>(&cache, &[1_u8, 2, 3], "ab".into())).await, [1, 2]);
    assert_eq!(generic::<_, 2>(&cache, &["a".to_owned()], "ab".into()).await, ["a"]);
    assert!(generic_invalidate::<_, 2>(&cache, &[1_u8, 2, 3], "ab".into()).await.unwrap());
    assert!(!generic_invalidate::<_, 2>(&cache, &[1_u16, 2, 3], "ab".into()).await.unwrap());
}

struct Table<T> {
    cache: Cache,
    row: T,
}

impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> Table<T> {
    #[cached(cache = self.cache, skip(self))]
    async fn row(&self, id: u64) -> Option<T> {
        (id > 0).then(|| self.row.clone())
    }
}

#[tokio::test]
async fn a_method_of_a_generic_type_caches_for_each_type() {
    let cache = cache();
    let numbers = Table { cache: cache.clone(), row: 7 };
    let texts = Table { cache, row: "seven".to_owned() };
    assert_eq!(sent(numbers.row(1)).await, Some(7));
    assert_eq!(texts.row(1).await.as_deref(), Some("seven"));
    assert_eq!(numbers.row(1).await, Some(7));
}

#[cached(cache = cache, skip(cache), key = (left, right, &point.0, first))]
#[allow(clippy::toplevel_ref_arg)]
async fn patterns(
    cache: Cache,
    (left, mut right): (u64, u64),
    ref point: (u64,),
    [first, ..]: [u64; 1],
) -> u64 {
    right += left;
    drop(cache);
    right + point.0
}

#[tokio::test]
async fn arguments_may_be_patterns_and_mutable() {
    let cache = cache();
    assert_eq!(patterns(cache.clone(), (1, 2), (3,), [0]).await, 6);
    assert_eq!(patterns(cache, (1, 2), (3,), [0]).await, 6);
}

#[cached(cache = cache, skip(cache, log), key = text.to_string())]
async fn opaque(cache: &Cache, log: impl Fn(&str) + Send, text: impl Display + Send) -> String {
    let text = text.to_string();
    log(&text);
    tokio::task::yield_now().await;
    text
}

#[tokio::test]
async fn arguments_may_be_impl_trait() {
    let (cache, runs) = (cache(), Runs::default());
    for _ in 0..2 {
        sent(opaque(&cache, |_| assert_eq!(runs.next(), 1), 7)).await;
    }
    assert_eq!(runs.so_far(), 1);
}

mod renamed {
    pub(super) use ::blindcache as vault;
}

mod attributes {
    #![allow(non_camel_case_types)]

    /// What the attribute must not meet.
    type cache = entry;
    type entry = u64;

    struct Option;
    struct Result;

    #[super::cached(cache = stored, skip(stored), crate = super::renamed::vault)]
    #[cfg(test)]
    #[must_use]
    pub(super) async fn hygienic(
        stored: &blindcache::Cache,
        shape: u64,
        keep: cache,
        presence: u64,
    ) -> entry {
        let other = Option;
        let (Option, Result) = (other, Result);
        shape + keep + presence
    }
}

#[tokio::test]
async fn names_do_not_meet_and_the_library_may_be_renamed() {
    assert_eq!(attributes::hygienic(&cache(), 1, 2, 3).await, 6);
    assert_eq!(attributes::hygienic_uncached(&cache(), 1, 2, 3).await, 6);
}

#[cached(cache = cache, skip(cache), key = **id)]
async fn alone(cache: &Cache, id: &std::rc::Rc<u64>) -> u64 {
    tokio::task::yield_now().await;
    **id
}

#[tokio::test]
async fn a_body_that_is_not_send_is_allowed() {
    assert_eq!(alone(&cache(), &std::rc::Rc::new(1)).await, 1);
}

#[cached(cache = cache, skip(cache, runs))]
async fn slow(cache: Cache, runs: Arc<Runs>, id: u64) -> u64 {
    tokio::time::sleep(Duration::from_secs(1)).await;
    runs.next() + id
}

#[tokio::test(start_paused = true)]
async fn however_many_call_the_body_runs_once() {
    let (cache, runs) = (cache(), Arc::new(Runs::default()));
    let calls: Vec<_> = (0..1000).map(|_| tokio::spawn(slow(cache.clone(), runs.clone(), 1))).collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 2);
    }
}

#[derive(Debug, PartialEq)]
struct NoNumber<'a>(&'a str);

static SHARED: std::sync::LazyLock<Cache> = std::sync::LazyLock::new(cache);

#[cached(cache = SHARED)]
async fn number(text: &str) -> Result<u64, NoNumber<'_>> {
    text.parse().map_err(|_| NoNumber(text))
}

#[tokio::test]
async fn an_error_may_borrow_from_an_argument() {
    let text = "seven".to_owned();
    assert_eq!(sent(number(&text)).await, Err(NoNumber(&text)));
    assert_eq!(sent(number("7")).await, Ok(7));
}

#[cached(cache = cache, skip(cache, runs))]
async fn fibonacci(cache: &Cache, runs: &Runs, n: u64) -> u64 {
    runs.next();
    if n < 2 {
        return n;
    }
    Box::pin(fibonacci(cache, runs, n - 1)).await + Box::pin(fibonacci(cache, runs, n - 2)).await
}

#[tokio::test]
async fn a_function_may_call_itself() {
    let (cache, runs) = (cache(), Runs::default());
    assert_eq!(sent(fibonacci(&cache, &runs, 50)).await, 12_586_269_025);
    assert_eq!(runs.so_far(), 51);
}

//! What makes the key of a call.

use blindcache::{Cache, CacheKey, Key, cached};

use super::{Runs, cache};

fn bytes(key: &impl Key) -> CacheKey {
    key.to_cache_key().unwrap()
}

#[cached(skip(_runs))]
async fn sum(_runs: &Runs, (left, right): (u64, u64), names: &[String]) -> u64 {
    left + right + names.len() as u64
}

#[test]
fn without_a_key_the_arguments_that_are_not_skipped_are_the_key() {
    let (one, other) = (Runs::default(), Runs::default());
    let names = ["Ada".to_owned()];
    let key = bytes(&sum_key(&one, (1, 2), &names));
    assert_eq!(key, bytes(&sum_key(&other, (1, 2), &names)));
    for changed in [sum_key(&one, (2, 1), &names), sum_key(&one, (1, 2), &[]), sum_key(&one, (1, 3), &names)]
    {
        assert_ne!(key, bytes(&changed));
    }
}

mod here {
    #[blindcache::cached]
    pub(super) async fn double(x: u64) -> u64 {
        x * 2
    }
    #[blindcache::cached]
    pub(super) async fn twice(x: u64) -> u64 {
        x * 2
    }
    #[blindcache::cached(name = "double", namespace = "mine", version = 2)]
    pub(super) async fn named(x: u64) -> u64 {
        x * 2
    }
}

mod there {
    #[blindcache::cached]
    pub(super) async fn double(x: u64) -> u64 {
        x * 2
    }
    #[blindcache::cached(name = "double", namespace = "mine", version = 2)]
    pub(super) async fn moved(x: u64) -> u64 {
        x * 2
    }
    #[blindcache::cached(name = "double", namespace = "mine", version = 3)]
    pub(super) async fn newer(x: u64) -> u64 {
        x * 2
    }
    #[blindcache::cached(name = "double", namespace = "other".to_owned(), version = 2)]
    pub(super) async fn other(x: u64) -> u64 {
        x * 2
    }
    #[blindcache::cached(name = "double", namespace = "mine")]
    pub(super) async fn first(x: u64) -> u64 {
        x * 2
    }
}

#[test]
fn functions_of_other_names_and_modules_have_other_keys() {
    let key = bytes(&here::double_key(1));
    assert_eq!(key, bytes(&here::double_key(1)));
    assert_ne!(key, bytes(&here::double_key(2)));
    assert_ne!(key, bytes(&here::twice_key(1)));
    assert_ne!(key, bytes(&there::double_key(1)));
}

#[test]
fn a_name_stays_where_the_function_moves() {
    assert_eq!(bytes(&here::named_key(1)), bytes(&there::moved_key(1)));
}

#[test]
fn version_namespace_and_name_change_the_key() {
    let key = bytes(&here::named_key(1));
    for other in [there::newer_key(1), there::other_key(1), there::first_key(1), there::double_key(1)] {
        assert_ne!(key, bytes(&other));
    }
}

struct Cats<T>(T);
struct Dogs;

impl<T> Cats<T> {
    #[cached]
    async fn count(age: u64) -> u64 {
        age
    }
    #[cached(skip(self))]
    async fn many(&self, age: u64) -> u64 {
        age
    }
    #[cached]
    async fn of<U>(age: u64) -> u64 {
        age
    }
}

impl Dogs {
    #[cached]
    async fn count(age: u64) -> u64 {
        age
    }
    #[cached(skip(self))]
    async fn many(&self, age: u64) -> u64 {
        age
    }
}

#[test]
fn methods_of_two_types_in_one_module_have_two_keys() {
    assert_ne!(bytes(&Cats::<u8>::count_key(1)), bytes(&Dogs::count_key(1)));
    assert_ne!(bytes(&Cats::<u8>::count_key(1)), bytes(&Cats::<u16>::count_key(1)));
    assert_ne!(bytes(&Cats(1).many_key(1)), bytes(&Dogs.many_key(1)));
    assert_ne!(bytes(&Cats::<u8>::of_key::<u8>(1)), bytes(&Cats::<u8>::of_key::<i8>(1)));
    assert_ne!(bytes(&Cats::<u8>::of_key::<u8>(1)), bytes(&Cats::<u16>::of_key::<u8>(1)));
}

#[cached]
async fn lengths<const N: usize, T>(first: &str) -> u64 {
    (N + size_of::<T>()) as u64
}

#[cached(skip(_store))]
async fn through<S: Sync>(_store: &S, id: u64) -> u64 {
    id
}

#[cached]
async fn shown(what: impl std::fmt::Display + serde::Serialize + Sync) -> String {
    what.to_string()
}

#[test]
fn type_and_const_parameters_are_in_the_key() {
    let key = bytes(&lengths_key::<2, u8>(""));
    assert_eq!(key, bytes(&lengths_key::<2, u8>("")));
    assert_ne!(key, bytes(&lengths_key::<3, u8>("")));
    assert_ne!(key, bytes(&lengths_key::<2, i8>("")));
    assert_ne!(bytes(&shown_key(7_u8)), bytes(&shown_key(7_u16)));
}

#[test]
fn the_type_of_a_skipped_argument_is_not_in_the_key() {
    assert_eq!(bytes(&through_key(&1_u8, 7)), bytes(&through_key(&"store", 7)));
}

#[cached(cache = cache, key = ("user", name, [id, id + 1], format!("{id}-{}", name)), skip(cache))]
async fn composed(cache: &Cache, name: String, id: u64) -> String {
    let taken = name;
    format!("{taken} {id}")
}

#[tokio::test]
async fn a_key_of_expressions_takes_nothing_from_the_body() {
    let cache = cache();
    assert_eq!(composed(&cache, "Ada".into(), 1).await, "Ada 1");
    let key = composed_key(&cache, "Ada".into(), 1);
    assert_eq!(cache.get::<String>(&key_of(&key)).await.unwrap(), None, "its bytes are no key of their own");
    assert_eq!(cache.get::<String>(key).await.unwrap().as_deref(), Some("Ada 1"));
}

fn key_of(key: &impl Key) -> Vec<u8> {
    bytes(key).as_bytes().to_vec()
}

macro_rules! made {
    ($name:ident, $argument:ident: $ty:ty) => {
        #[cached]
        async fn $name($argument: $ty, other: u64) -> u64 {
            u64::from($argument) + other
        }
    };
}

made!(by_macro, small: u8);

#[tokio::test]
async fn a_function_from_a_macro_has_its_key() {
    assert_eq!(by_macro(1, 2).await, 3);
    assert_ne!(bytes(&by_macro_key(1, 2)), bytes(&by_macro_key(2, 1)));
}

#[cached(cache = cache, skip(cache, runs))]
async fn r#type(cache: &Cache, runs: &Runs, r#in: u64) -> u64 {
    r#in + runs.next()
}

#[cached(cache = cache, skip(cache, runs))]
async fn typed<T>(cache: &Cache, runs: &Runs, id: u64) -> u64 {
    id + runs.next() + size_of::<T>() as u64
}

struct Shop;

impl Shop {
    #[cached(cache = cache, skip(cache, runs))]
    async fn open(cache: &Cache, runs: &Runs, id: u64) -> u64 {
        id + runs.next()
    }
    #[cached(cache = cache, skip(self, cache, runs))]
    async fn close(&self, cache: &Cache, runs: &Runs, id: u64) -> u64 {
        id + runs.next()
    }
}

#[tokio::test]
async fn the_key_beside_a_function_is_the_one_it_caches_under() {
    let (cache, runs) = (cache(), Runs::default());
    r#type(&cache, &runs, 1).await;
    assert!(cache.exists(type_key(&cache, &runs, 1)).await.unwrap());
    typed::<Vec<fn(u8) -> u8>>(&cache, &runs, 1).await;
    assert!(cache.exists(typed_key::<Vec<fn(u8) -> u8>>(&cache, &runs, 1)).await.unwrap());
    Shop::open(&cache, &runs, 1).await;
    assert!(cache.exists(Shop::open_key(&cache, &runs, 1)).await.unwrap());
    Shop.close(&cache, &runs, 1).await;
    assert!(cache.exists(Shop.close_key(&cache, &runs, 1)).await.unwrap());
    assert!(Shop.close_invalidate(&cache, &runs, 1).await.unwrap());
    assert!(!Shop.close_invalidate(&cache, &runs, 1).await.unwrap());
}

//! The feature `tracing`: a span for each call, and events for what goes wrong.

use tracing::Level;

use super::{
    listener::{Listener, Told},
    store::{World, secs, settle},
};

/// Operation, outcome, locator, number of keys.
fn seen(span: &Told) -> (&str, Option<&str>, Option<&str>, Option<&str>) {
    assert_eq!(span.level, Level::DEBUG);
    (span.field("operation").unwrap(), span.field("outcome"), span.field("locator"), span.field("keys"))
}

#[tokio::test]
async fn each_call_is_a_span_with_the_locator_unless_memory_answers() {
    let (listener, _guard) = Listener::start();
    let world = World::new();
    let cache = world.cache();
    cache.get::<i32>("k").await.unwrap();
    cache.set("k", 1).await.unwrap();
    let name = format!("{:?}", world.store.entries()[0].0);
    cache.get::<i32>("k").await.unwrap();
    world.cache().get::<i32>("k").await.unwrap();
    cache.get_or_compute("k", || async { Ok::<_, ()>(2) }).await.unwrap();
    cache.delete("k").await.unwrap();
    cache.exists("k").await.unwrap();
    cache.get_or_compute("k", || async { Ok::<_, ()>(2) }).await.unwrap();
    let spans = listener.spans();
    let seen: Vec<_> = spans.iter().map(seen).collect();
    let (at, none) = (Some(&name[..]), None);
    let expected = [
        ("get", Some("miss"), at, none),
        ("set", Some("done"), at, none),
        ("get", Some("l1_hit"), none, none),
        ("get", Some("hit"), at, none),
        ("get_or_compute", Some("l1_hit"), none, none),
        ("delete", Some("hit"), at, none),
        ("exists", Some("miss"), at, none),
        ("get_or_compute", Some("computed"), at, none),
    ];
    assert_eq!(seen, expected);
    assert_eq!(name.len(), "StoreKey(12345678…)".len());
}

#[tokio::test]
async fn a_batch_tells_how_many_keys_it_has_and_no_locator() {
    let (listener, _guard) = Listener::start();
    let cache = World::new().cache();
    cache.set_many([("a", 1), ("b", 2)]).await.unwrap();
    cache.get_many::<i32>(["a", "c", "d"]).await.unwrap();
    let spans = listener.spans();
    let seen: Vec<_> = spans.iter().map(seen).collect();
    let expected = [("set_many", Some("done"), None, Some("2")), ("get_many", Some("miss"), None, Some("3"))];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn an_unreadable_entry_and_a_store_that_fails_are_warnings() {
    let (listener, _guard) = Listener::start();
    let world = World::new();
    let cache = world.without_memory();
    cache.set("k", 1).await.unwrap();
    world.store.plant_everywhere(b"plaintext");
    cache.get::<i32>("k").await.unwrap();
    world.store.fail();
    cache.get::<i32>("k").await.unwrap_err();
    let events = listener.events();
    let name = format!("{:?}", world.store.entries()[0].0);
    assert_eq!(events[0].field("locator"), Some(&name[..]));
    let reasons: Vec<_> = events.iter().map(|event| (event.level, event.field("reason"))).collect();
    assert_eq!(reasons, [(Level::WARN, Some("not_sealed")), (Level::WARN, Some("timeout"))]);
    assert_eq!(events[1].field("error"), Some("the store failed: test did not answer in time"));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_in_the_background_is_a_warning_in_a_span_of_its_own() {
    let (listener, _guard) = Listener::start();
    let world = World::new();
    let cache = world.builder().ttl(secs(1)).stale(secs(100)).build().unwrap();
    cache.set("k", 1).await.unwrap();
    world.pass(secs(2)).await;
    cache.get_or_refresh("k", || async { Err::<i32, _>("hunter2") }).await.unwrap();
    settle().await;
    let events = listener.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].level, Level::WARN);
    let spans = listener.spans();
    let last = seen(spans.last().unwrap());
    assert_eq!((last.0, last.1), ("background_refresh", Some("error")));
    assert!(last.2.is_some());
}

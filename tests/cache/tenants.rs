//! Tenants of one cache.

use blindcache::Cache;
use tokio::time::timeout;

use super::store::{World, ms};

#[tokio::test]
async fn tenants_share_nothing_readable() {
    let world = World::new();
    let in_memory = Cache::in_memory().build().unwrap();
    for acme in [world.cache(), world.without_memory(), in_memory] {
        let (globex, initech) =
            (acme.for_tenant(world.tenant("globex")), acme.for_tenant(world.tenant("initech")));
        acme.set("k", 1).await.unwrap();
        assert_eq!(globex.get::<i32>("k").await.unwrap(), None);
        assert_eq!(globex.get_many::<i32>(["k"]).await.unwrap(), [None]);
        assert!(!globex.exists("k").await.unwrap());
        assert!(!globex.delete("k").await.unwrap());
        assert_eq!(globex.get_or_compute("k", async || Ok::<_, ()>(2)).await, Ok(2));
        assert_eq!((acme.get("k").await.unwrap(), globex.get("k").await.unwrap()), (Some(1), Some(2)));
        assert_eq!(initech.get::<i32>("k").await.unwrap(), None);
        assert!(globex.delete("k").await.unwrap());
        assert_eq!(acme.get("k").await.unwrap(), Some(1));
    }
}

#[tokio::test]
async fn two_handles_of_one_tenant_share() {
    let world = World::new();
    let cache = world.cache();
    let (one, other) = (cache.for_tenant(world.tenant("globex")), cache.for_tenant(world.tenant("globex")));
    one.set("k", 1).await.unwrap();
    assert_eq!(other.get("k").await.unwrap(), Some(1));
    world.store.calls();
    assert_eq!(other.get("k").await.unwrap(), Some(1));
    assert!(world.store.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn tenants_do_not_wait_for_each_other() {
    let world = World::new();
    let acme = world.cache();
    let globex = acme.for_tenant(world.tenant("globex"));
    let outer = acme.get_or_compute("k", async || {
        Ok::<_, ()>(1 + globex.get_or_compute("k", async || Ok::<i32, ()>(1)).await?)
    });
    assert_eq!(timeout(ms(60_000), outer).await, Ok(Ok(2)));
}

#[tokio::test]
async fn entry_moved_between_tenants_is_a_miss() {
    let world = World::new();
    let acme = world.without_memory();
    let globex = acme.for_tenant(world.tenant("globex"));
    acme.set("k", 1).await.unwrap();
    let entry = world.store.entries()[0].clone();
    globex.set("k", 2).await.unwrap();
    let names = world.store.entries();
    let (name, _) = names.iter().find(|(name, _)| *name != entry.0).unwrap();
    world.store.plant(name, Some(entry.1));
    assert_eq!(globex.get::<i32>("k").await.unwrap(), None);
    assert_eq!(globex.stats().unreadable, 1);
}

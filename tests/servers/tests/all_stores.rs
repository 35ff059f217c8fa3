//! The same entries in every store.

use blindcache::{Keyring, MasterKey};
use blindcache_server_tests::{
    Cloudflare, Cluster, Files, Memcached, Memory, Server,
    dynamodb::Dynoxide,
    http::{Dav, Lua},
    suite::keeps_no_plaintext,
    upstash::Upstash,
};

/// The same thousand entries, under the same keys, are read back from each store, and no store holds a mark.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_store_holds_what_was_marked() {
    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
    keeps_no_plaintext::<Memory>(&keys).await;
    keeps_no_plaintext::<Server>(&keys).await;
    keeps_no_plaintext::<Cluster>(&keys).await;
    keeps_no_plaintext::<Dav>(&keys).await;
    keeps_no_plaintext::<Lua>(&keys).await;
    keeps_no_plaintext::<Dynoxide>(&keys).await;
    keeps_no_plaintext::<Cloudflare>(&keys).await;
    keeps_no_plaintext::<Files>(&keys).await;
    keeps_no_plaintext::<Memcached>(&keys).await;
    keeps_no_plaintext::<Upstash>(&keys).await;
}

//! `RedisBackend` on real clusters, and found through real Sentinels.

mod answers;
mod failovers;
mod logins;
mod misbehaviour;
mod moves;
mod quiet;
mod redirects;
mod sentinels;

/// Three masters and three replicas.
mod six {
    blindcache_server_tests::suite!(blindcache_server_tests::Cluster);

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_caller_sees_a_failover() {
        blindcache_server_tests::suite::no_caller_sees_an_outage::<blindcache_server_tests::Cluster>().await;
    }
}

/// One node behind a proxy.
mod lone {
    blindcache_server_tests::remote_suite!(blindcache_server_tests::Lone);
}

/// A master, two replicas, three sentinels.
mod trio {
    blindcache_server_tests::remote_suite!(blindcache_server_tests::Trio);
}

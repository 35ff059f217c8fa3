//! `MemcachedBackend`, on real servers.

blindcache_server_tests::remote_suite!(blindcache_server_tests::Memcached);

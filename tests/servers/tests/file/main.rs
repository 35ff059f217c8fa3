//! `FileBackend` among the other stores. What is its own is in the package's own tests, which need no server.

blindcache_server_tests::suite!(blindcache_server_tests::Files);

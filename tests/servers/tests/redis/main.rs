//! `RedisBackend`, on real servers.

mod answers;
mod conformance;
mod faults;
mod floods;
mod hostile;
mod logins;

blindcache_server_tests::remote_suite!(blindcache_server_tests::Server);

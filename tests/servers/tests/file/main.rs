//! `FileBackend` among the other stores, and on file systems that misbehave. What is its own beside that is in the
//! package's own tests, which need no rights.

mod misbehaviour;
mod mounts;

blindcache_server_tests::suite!(blindcache_server_tests::Files);

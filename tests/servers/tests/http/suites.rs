//! What every store's backend must do, on each of the servers.

mod dav {
    blindcache_server_tests::remote_suite!(blindcache_server_tests::http::Dav);
}

mod lua {
    blindcache_server_tests::remote_suite!(blindcache_server_tests::http::Lua);
}

/// HTTP/2 over TLS, with a client certificate.
mod contract {
    blindcache_server_tests::remote_suite!(blindcache_server_tests::http::Contract);
}

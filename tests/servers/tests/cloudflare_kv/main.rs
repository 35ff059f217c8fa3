//! `CloudflareKvBackend`, on Cloudflare's REST contract over a local KV namespace, and on servers that misbehave.

blindcache_server_tests::remote_suite!(blindcache_server_tests::Cloudflare);

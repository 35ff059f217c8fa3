//! What stores answer, and where they are said to be: any bytes for each parser, whose properties stand beside it.

#[cfg(any(feature = "http", feature = "cloudflare-kv", feature = "upstash"))]
use crate::backend::web;

/// A file of the file store.
#[cfg(feature = "file")]
pub fn file_header(data: &[u8]) {
    crate::backend::file::fuzz::header(data);
}

/// An answer of Upstash.
#[cfg(feature = "upstash")]
pub fn upstash(data: &[u8]) {
    crate::backend::upstash::fuzz::answer(data);
}

/// An answer of Cloudflare's API.
#[cfg(feature = "cloudflare-kv")]
pub fn cloudflare_kv(data: &[u8]) {
    crate::backend::cloudflare_kv::fuzz::answer(data);
}

/// The answers of memcached to a few commands.
#[cfg(feature = "memcached")]
pub fn memcached(data: &[u8]) {
    let mut input = super::Input(data);
    let commands = input.byte() % 5;
    crate::backend::memcached::fuzz::answers(input.take(commands.into()), input.rest());
}

/// An answer of Redis, of a node of its cluster, or of a sentinel.
#[cfg(feature = "redis")]
pub fn redis(data: &[u8]) {
    crate::backend::redis::fuzz::reply(data);
}

/// An item of DynamoDB.
#[cfg(feature = "dynamodb")]
pub fn dynamodb(data: &[u8]) {
    let mut input = super::Input(data);
    let now = input.number();
    let attributes = (0..input.byte() % 6).map(|_| (input.byte(), input.byte(), input.piece()));
    crate::backend::dynamodb::fuzz::item(&attributes.collect::<Vec<_>>(), now);
}

/// The head and the body of an answer over HTTP.
#[cfg(any(feature = "http", feature = "cloudflare-kv", feature = "upstash"))]
pub fn web(data: &[u8]) {
    let mut input = super::Input(data);
    let (status, now) = (u16::from_le_bytes(input.array()), u32::from_le_bytes(input.array()));
    web::fuzz::refusal(status, input.piece(), input.piece(), now);
    let (is_success, is_told) = (input.byte() % 2 == 0, input.byte() % 2 == 0);
    let (length, largest) = (input.number() >> (input.byte() % 64), u16::from_le_bytes(input.array()));
    let parts: Vec<_> = (0..input.byte() % 5).map(|_| input.piece()).collect();
    web::fuzz::body(is_success, is_told.then_some(length), largest, &parts);
}

/// A setting of the environment.
pub fn config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    crate::config::fuzz::setting(&text);
    #[cfg(any(feature = "http", feature = "cloudflare-kv", feature = "upstash"))]
    assert!(web::fuzz::url(&text).is_none_or(|refusal| !refusal.contains("hunter2")), "echoed");
}

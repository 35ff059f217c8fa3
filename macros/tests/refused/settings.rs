//! Arguments of the attribute.
use blindcache::cached;

#[cached(time = 10)]
async fn unknown() -> u64 {
    1
}

#[cached(ttl = 600)]
async fn no_unit() -> u64 {
    1
}

#[cached(ttl = "10 minutes")]
async fn words() -> u64 {
    1
}

#[cached(ttl = "m")]
async fn no_number() -> u64 {
    1
}

#[cached(ttl = "0s")]
async fn zero() -> u64 {
    1
}

#[cached(ttl = "999999999999999999d")]
async fn too_long() -> u64 {
    1
}

#[cached(ttl)]
async fn no_value() -> u64 {
    1
}

#[cached(ttl = "1s", ttl = "2s")]
async fn twice() -> u64 {
    1
}

#[cached(key = "user:{id}")]
async fn quoted_key(id: u64) -> u64 {
    id
}

#[cached(cache = "CACHE")]
async fn quoted_cache() -> u64 {
    1
}

#[cached(tags = "users")]
async fn one_tag() -> u64 {
    1
}

#[cached(skip = db)]
async fn skip(db: u64) -> u64 {
    db
}

#[cached(cache_none = true)]
async fn flag() -> Option<u64> {
    None
}

#[cached(version = "2")]
async fn version() -> u64 {
    1
}

#[cached(name = users)]
async fn name() -> u64 {
    1
}

#[cached(strict, stale = "1h")]
async fn together() -> Result<u64, blindcache::Error> {
    Ok(1)
}

fn main() {}

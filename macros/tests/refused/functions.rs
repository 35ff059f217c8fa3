//! What is no async function that returns something to keep.
use blindcache::cached;

#[cached]
fn not_async(id: u64) -> u64 {
    id
}

#[cached]
fn future(id: u64) -> impl Future<Output = u64> {
    async move { id }
}

#[cached]
async unsafe fn not_safe(id: u64) -> u64 {
    id
}

#[cached]
async fn nothing(_id: u64) {}

#[cached]
async fn unit(_id: u64) -> () {}

#[cached]
async fn reference(name: &str) -> &str {
    name
}

#[cached]
async fn opaque(id: u64) -> Result<impl Send, String> {
    Ok(id)
}

#[cached]
struct NoFunction;

fn main() {}

//! Methods of traits.
use blindcache::cached;

struct Db;

trait Users {
    #[cached]
    async fn declared(&self) -> u64;
}

#[cached]
impl Clone for Db {
    fn clone(&self) -> Self {
        Self
    }
}

#[cached]
impl Db {}

fn main() {}

//! A method in an `impl` of a trait, which the attribute cannot see.
use blindcache::cached;

struct Db;

trait Users {
    async fn name(&self, id: u64) -> String;
}

impl Users for Db {
    #[cached(skip(self))]
    async fn name(&self, id: u64) -> String {
        id.to_string()
    }
}

fn main() {}

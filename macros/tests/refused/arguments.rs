//! Arguments that are neither in the key nor skipped.
use blindcache::cached;

#[cached(key = id)]
async fn forgotten(id: u64, language: &str) -> String {
    format!("{id} {language}")
}

#[cached(key = ("user", other.id))]
async fn field(id: u64, other: Other) -> u64 {
    id + other.id
}

#[cached(key = left)]
async fn pattern((left, right): (u64, u64)) -> u64 {
    left + right
}

#[cached(key = format!("{id}", id = other.id))]
async fn given(id: u64, other: Other) -> u64 {
    id + other.id
}

#[cached(key = others.iter().map(|id| id.id).sum::<u64>())]
async fn bound(id: u64, others: &[Other]) -> u64 {
    id + others[0].id
}

#[cached]
async fn nameless(id: u64, _: u64) -> u64 {
    id
}

#[cached(skip(db))]
async fn unknown(id: u64) -> u64 {
    id
}

#[cached(key = id, skip(id))]
async fn both(id: u64) -> u64 {
    id
}

#[cached]
async fn perhaps(id: u64, #[cfg(all())] here: u64, #[cfg(any())] there: u64) -> u64 {
    id + here
}

struct Other {
    id: u64,
}

impl Other {
    #[cached]
    async fn neither(&self) -> u64 {
        self.id
    }

    #[cached(key = id)]
    async fn not_self(&self, id: u64) -> u64 {
        self.id + id
    }
}

fn main() {}

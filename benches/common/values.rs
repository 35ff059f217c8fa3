//! The values that benchmarks work on, the same ones everywhere.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

/// What a cache may be asked to keep.
pub trait Value: Serialize + DeserializeOwned + Clone + PartialEq + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Clone + PartialEq + Send + Sync + 'static> Value for T {}

/// The raw ones: how they are called, and their length in bytes.
pub const RAW: [(&str, usize); 5] =
    [("64 B", 64), ("1 KiB", 1 << 10), ("16 KiB", 16 << 10), ("128 KiB", 128 << 10), ("1 MiB", 1 << 20)];
pub const PROFILE: &str = "profile";
pub const ROWS: &str = "1,000 rows";

/// What is done with each value.
pub trait Visit {
    fn visit<T: Value>(&mut self, name: &'static str, value: T);
}

/// The raw values by size, the profile, the rows.
pub fn each(visit: &mut impl Visit) {
    for (name, size) in RAW {
        visit.visit(name, raw(size));
    }
    visit.visit(PROFILE, Profile::ada());
    visit.visit(ROWS, rows());
}

/// So many bytes as they are.
pub fn raw(size: usize) -> ByteBuf {
    (0..size).map(|at| (at * 31 + at / 251) as u8).collect::<Vec<u8>>().into()
}

/// A user, about 350 bytes of MessagePack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    id: u64,
    name: String,
    email: String,
    phone: Option<String>,
    street: String,
    city: String,
    country: String,
    born: (u16, u8, u8),
    roles: Vec<String>,
    verified: bool,
    balance: f64,
    note: String,
}

impl Profile {
    pub fn ada() -> Self {
        Self {
            id: 1_815_121_018_521_127,
            name: "Augusta Ada King, Countess of Lovelace".into(),
            email: "ada.lovelace@analytical-engine.example".into(),
            phone: Some("+44 20 7946 0815".into()),
            street: "12 St James's Square".into(),
            city: "London".into(),
            country: "GB".into(),
            born: (1815, 12, 10),
            roles: vec!["admin".into(), "billing".into(), "support".into()],
            verified: true,
            balance: 1_024.25,
            note:
                "Prefers letters to telephone calls; has the first program ever written, and wants it back."
                    .into(),
        }
    }
}

/// A line of an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    id: u64,
    day: String,
    text: String,
    amount: f64,
    paid: bool,
}

/// What a query may return: 1,000 rows.
pub fn rows() -> Vec<Row> {
    let row = |id: u64| Row {
        id: 1_000_000 + id,
        day: format!("2026-{:02}-{:02}", 1 + id % 12, 1 + id % 28),
        text: format!("invoice {} of customer {}", 5_000 + id, id * 7919 % 1000),
        amount: id as f64 * 1.25,
        paid: id.is_multiple_of(3),
    };
    (0..1000).map(row).collect()
}

//! What speaks DynamoDB's protocol: dynoxide, within the process, and AWS's own DynamoDB Local.

mod dynoxide;
#[cfg(feature = "dynamodb-local")]
mod local;

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::AttributeValue,
};
use blindcache::{DynamoDbBackend, DynamoDbBuilder};

pub use self::dynoxide::Dynoxide;
#[cfg(feature = "dynamodb-local")]
pub use self::local::DynamoDbLocal;

/// The table of the tests.
pub const TABLE: &str = "cache";
/// The region of the tests.
pub const REGION: &str = "eu-central-1";
/// The secret key of the tests.
pub const SECRET: &str = "tests-secret-access-key";
/// A limit that a busy machine does not meet.
const PATIENCE: Duration = Duration::from_secs(30);

pub fn credentials() -> Credentials {
    Credentials::new("AKIATESTSACCESSKEYID", SECRET, None, None, "tests")
}

/// A backend for what listens on this loopback port.
pub fn at(port: u16) -> DynamoDbBuilder {
    DynamoDbBackend::builder(TABLE, REGION)
        .endpoint_url(&format!("http://127.0.0.1:{port}"))
        .credentials(credentials())
}

pub fn patient(port: u16) -> DynamoDbBackend {
    at(port).timeout(PATIENCE).build().unwrap()
}

/// A client of the SDK's own for what listens on this loopback port.
pub fn client(port: u16) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(REGION))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .credentials_provider(credentials());
    Client::from_conf(config.build())
}

/// Every item of the table.
pub async fn items(client: &Client) -> Vec<HashMap<String, AttributeValue>> {
    let (mut items, mut next) = (Vec::new(), None);
    loop {
        let scan = client.scan().table_name(TABLE).consistent_read(true).set_exclusive_start_key(next);
        let page = scan.send().await.unwrap();
        items.extend(page.items.unwrap());
        next = page.last_evaluated_key;
        if next.is_none() {
            return items;
        }
    }
}

/// The bytes of every attribute of every item.
async fn contents(port: u16) -> Vec<u8> {
    let mut contents = Vec::new();
    for (name, value) in items(&client(port)).await.into_iter().flatten() {
        contents.extend(name.as_bytes());
        match value {
            AttributeValue::S(text) | AttributeValue::N(text) => contents.extend(text.as_bytes()),
            AttributeValue::B(bytes) => contents.extend(bytes.as_ref()),
            other => panic!("{other:?}"),
        }
    }
    contents
}

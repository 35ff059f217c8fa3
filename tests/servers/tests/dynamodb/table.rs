//! Setting the table up.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TimeToLiveSpecification, TimeToLiveStatus,
};
use blindcache::{Backend, BackendErrorKind as Kind};
use blindcache_server_tests::{
    Remote,
    dynamodb::{Dynoxide, TABLE, client},
    entry, key,
};

use crate::failing;

/// Several that create it at once all succeed, again and again, and its items stay.
pub(crate) async fn is_created_once<S: Remote<Backend = blindcache::DynamoDbBackend>>(store: &S) {
    let (one, other) = (store.backend(), store.backend());
    let (first, second) = tokio::join!(one.create_table(), other.create_table());
    first.and(second).unwrap();
    one.set(&key(1), entry(1, 200), None).await.unwrap();
    other.create_table().await.unwrap();
    assert!(one.get(&key(1)).await.unwrap().is_some());
    let described = client(store.port()).describe_time_to_live().table_name(TABLE).send().await.unwrap();
    let ttl = described.time_to_live_description.unwrap();
    assert_eq!(ttl.attribute_name(), Some("exp"));
    assert!(
        [TimeToLiveStatus::Enabled, TimeToLiveStatus::Enabling].contains(ttl.time_to_live_status().unwrap())
    );
}

#[tokio::test]
async fn table_is_created_once_with_its_ttl() {
    is_created_once(&Dynoxide::empty()).await;
}

/// Makes a table with this key.
async fn make(server: &Dynoxide, name: &str, of: ScalarAttributeType) {
    let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(of).build().unwrap();
    let key = KeySchemaElement::builder().attribute_name(name).key_type(KeyType::Hash).build().unwrap();
    let request = client(server.port).create_table().table_name(TABLE).attribute_definitions(attribute);
    request.key_schema(key).billing_mode(BillingMode::PayPerRequest).send().await.unwrap();
}

#[tokio::test]
async fn table_of_another_key_or_ttl_is_misconfigured() {
    use blindcache_server_tests::Store;
    for (name, of) in [("id", ScalarAttributeType::S), ("pk", ScalarAttributeType::B)] {
        let server = Dynoxide::empty();
        make(&server, name, of).await;
        assert_eq!(failing(server.backend().create_table()).await, Kind::Misconfigured);
    }
    let server = Dynoxide::empty();
    make(&server, "pk", ScalarAttributeType::S).await;
    let other = TimeToLiveSpecification::builder().enabled(true).attribute_name("ttl").build().unwrap();
    let request = client(server.port).update_time_to_live().table_name(TABLE);
    request.time_to_live_specification(other).send().await.unwrap();
    assert_eq!(failing(server.backend().create_table()).await, Kind::Misconfigured);
}

#[tokio::test]
async fn refused_creation_is_told_at_once() {
    let answer = |_: &_| crate::canned::error("400 Bad Request", "AccessDeniedException", "");
    let server = crate::canned::Canned::start(answer).await;
    let backend = blindcache_server_tests::dynamodb::patient(server.port);
    assert_eq!(failing(backend.create_table()).await, Kind::Denied);
    assert_eq!(server.asked().len(), 1);
}

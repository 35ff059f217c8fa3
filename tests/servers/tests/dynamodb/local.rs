//! The same on AWS's own DynamoDB Local. `tests/run.sh --full` runs these, with its jar and Java.

use blindcache_server_tests::{Store, dynamodb::DynamoDbLocal};

blindcache_server_tests::remote_suite!(DynamoDbLocal);

#[tokio::test]
async fn largest_item_passes_and_a_larger_one_is_too_large_and_gone() {
    super::sizes::largest_item_passes(&DynamoDbLocal::start().await).await;
}

#[tokio::test]
async fn expired_items_that_are_still_served_are_misses() {
    super::answers::expired_items_are_misses(&DynamoDbLocal::start().await).await;
}

#[tokio::test]
async fn large_batches_pass() {
    super::sizes::large_batches_pass(&DynamoDbLocal::start().await).await;
}

#[tokio::test]
async fn table_is_created_once_with_its_ttl() {
    let server = DynamoDbLocal::empty();
    super::table::is_created_once(&server).await;
}

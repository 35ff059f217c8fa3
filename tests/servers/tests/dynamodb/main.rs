//! `DynamoDbBackend`, on servers that speak its protocol.

blindcache_server_tests::remote_suite!(blindcache_server_tests::dynamodb::Dynoxide);

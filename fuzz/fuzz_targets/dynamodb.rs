#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| blindcache::testing::fuzz::dynamodb(data));

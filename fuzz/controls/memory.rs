#![no_main]
//! A control: more memory at once than a run allows, which a fuzzer must find.

libfuzzer_sys::fuzz_target!(|data: &[u8]| blindcache::testing::fuzz::control_memory(data));

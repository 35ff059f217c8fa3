#![no_main]
//! A control: a fault that a fuzzer must find.

libfuzzer_sys::fuzz_target!(|data: &[u8]| blindcache::testing::fuzz::control(data));

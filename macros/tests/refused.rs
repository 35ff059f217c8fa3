//! What `#[cached]` refuses: the words of each refusal, and where they point.

#[test]
fn what_cannot_be_cached_says_what_to_write_instead() {
    trybuild::TestCases::new().compile_fail("tests/refused/*.rs");
}

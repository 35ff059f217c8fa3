//! What is remembered of more tags than there is room for.

use super::*;

const NOW: u64 = 1_790_000_000_000;
const SCOPE: [u8; 16] = [7; 16];

fn tag(number: usize) -> Tag {
    Tag { scope: SCOPE, tag: number.to_string().into_bytes().into() }
}

/// With the namespace and the first tag known, which is invalid until now, and then as many tags without a marker as
/// push all out that can be pushed out.
fn crowded() -> Markers {
    let markers = Markers::new(1_000, true);
    markers.invalidate(tag(0), NOW);
    for other in 1..=2 * REMEMBERED.get() {
        markers.learn(tag(other), Answer::Absent, NOW);
    }
    markers.learn(Tag { scope: SCOPE, tag: [].into() }, Answer::Absent, NOW);
    markers
}

#[test]
fn tags_without_a_marker_do_not_push_out_one_that_was_seen() {
    let markers = crowded();
    for trust in [Trust::Alone, Trust::Asked, Trust::Answered] {
        assert!(markers.judge(SCOPE, [&b"0"[..]], NOW, NOW, trust) == Verdict::Invalid);
    }
    assert_eq!(markers.beginning(SCOPE, [&b"0"[..]], NOW).created_at, NOW + 1);
    assert_eq!(markers.invalidate(tag(0), NOW), NOW + 1);
}

#[test]
fn marker_that_was_pushed_out_is_not_taken_back_by_none() {
    let markers = crowded();
    assert!(markers.judge(SCOPE, [&b"0"[..]], NOW + 1, NOW, Trust::Asked) == Verdict::Ask(vec![tag(0)]));
    markers.learn(tag(0), Answer::Absent, NOW);
    assert!(markers.judge(SCOPE, [&b"0"[..]], NOW, NOW, Trust::Asked) == Verdict::Invalid);
    assert!(markers.judge(SCOPE, [&b"0"[..]], NOW + 1, NOW, Trust::Asked) == Verdict::Valid);
    let markers = crowded();
    markers.not_told([tag(0)].into_iter(), NOW);
    assert!(markers.judge(SCOPE, [&b"0"[..]], NOW, NOW, Trust::Asked) == Verdict::Invalid);
}

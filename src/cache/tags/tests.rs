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

const LIFETIME: u64 = 1_000;

/// Whether an entry of `NOW` with the first tag is valid at this time; the second: whether the verdict is remembered.
fn looked_at(markers: &Markers, judged: &Judged, now: u64) -> (bool, bool) {
    let valid = markers.is_valid(judged, SCOPE, [&b"0"[..]], NOW, now, Trust::Asked);
    (valid, markers.rounds.valid_until(judged).is_some())
}

fn known() -> (Markers, Judged) {
    let markers = Markers::new(LIFETIME, true);
    markers.learn(tag(0), Answer::Absent, NOW);
    markers.learn(Tag { scope: SCOPE, tag: [].into() }, Answer::Absent, NOW + 1);
    let judged = Judged::default();
    assert_eq!(looked_at(&markers, &judged, NOW + 1), (true, true));
    (markers, judged)
}

#[test]
fn a_remembered_verdict_ends_with_what_it_was_made_of() {
    let (markers, judged) = known();
    assert!(looked_at(&markers, &judged, NOW + LIFETIME - 1).0);
    assert!(!looked_at(&markers, &judged, NOW + LIFETIME).0, "the store is to be asked for the first tag");
    assert!(looked_at(&markers, &judged, NOW).0);
    assert!(looked_at(&markers, &judged, NOW + 2 - LIFETIME).0);
    assert!(!looked_at(&markers, &judged, NOW + 1 - LIFETIME).0, "nothing is known of a clock so far back");
}

#[test]
fn a_remembered_verdict_ends_with_any_invalidation() {
    let (markers, judged) = known();
    markers.invalidate(tag(1), NOW);
    assert_eq!(markers.rounds.valid_until(&judged), None);
    assert_eq!(looked_at(&markers, &judged, NOW), (true, true));
    markers.learn(tag(1), Answer::Marked(NOW), NOW);
    assert!(markers.rounds.valid_until(&judged).is_some(), "that was known");
    markers.learn(tag(1), Answer::Marked(NOW + 1), NOW);
    assert_eq!(markers.rounds.valid_until(&judged), None);
    for end in [
        (&|markers: &Markers| _ = markers.invalidate(tag(0), NOW)) as &dyn Fn(&Markers),
        &|markers| markers.learn(tag(0), Answer::Marked(NOW), NOW),
        &|markers| markers.learn(tag(0), Answer::Broken, NOW),
        &|markers| markers.learn(tag(0), Answer::FromTheFuture, NOW),
    ] {
        let (markers, judged) = known();
        end(&markers);
        assert_eq!(looked_at(&markers, &judged, NOW), (false, false));
    }
}

#[test]
fn a_question_that_is_dropped_takes_back_what_counted_on_its_answer() {
    let (markers, judged) = known();
    let later = NOW + LIFETIME;
    let claim = markers.claim(&[tag(0), Tag { scope: SCOPE, tag: [].into() }], later);
    assert!(looked_at(&markers, &judged, later).0, "others go on meanwhile");
    drop(claim);
    assert!(!looked_at(&markers, &judged, later).0);
}

#[test]
fn a_strict_call_neither_uses_nor_leaves_a_remembered_verdict() {
    let (markers, judged) = known();
    markers.not_told([tag(0)].into_iter(), NOW + LIFETIME);
    let strict = |judged: &_, now| markers.is_valid(judged, SCOPE, [&b"0"[..]], NOW, now, Trust::Answered);
    assert!(looked_at(&markers, &judged, NOW + LIFETIME).0);
    assert!(!strict(&judged, NOW + LIFETIME));
    let new = Judged::default();
    assert!(strict(&new, NOW + 1));
    assert_eq!(markers.rounds.valid_until(&new), None);
}

#[test]
fn without_a_store_a_verdict_lasts_until_the_next_invalidation() {
    let (markers, judged) = (Markers::new(LIFETIME, false), Judged::default());
    let valid = |now| markers.is_valid(&judged, SCOPE, [&b"0"[..]], NOW, now, Trust::Alone);
    assert!(valid(NOW));
    assert_eq!(markers.rounds.valid_until(&judged), Some(u64::MAX));
    assert!(valid(0) && valid(u64::MAX - 1));
    markers.invalidate(tag(0), NOW);
    assert!(!valid(NOW));
}

//! What is known of a tag, for how long, and what is remembered of more tags than there is room for.

use super::*;

const NOW: u64 = 1_790_000_000_000;
const SCOPE: [u8; 16] = [7; 16];

fn tag(number: usize) -> Tag {
    Tag { scope: SCOPE, tag: number.to_string().into_bytes().into() }
}

/// Known by now: that there is no marker of the namespace.
fn markers(has_store: bool) -> Markers {
    let markers = Markers::new(1_000, has_store);
    markers.learn(Tag { scope: SCOPE, tag: [].into() }, Answer::Absent, NOW);
    markers
}

/// What is judged of an entry of that moment with the first tag.
fn judged(markers: &Markers, created_at: u64, now: u64, trust: Trust) -> Verdict {
    markers.judge(SCOPE, [&b"0"[..]], created_at, now, trust)
}

fn begins(markers: &Markers, now: u64) -> u64 {
    markers.beginning(SCOPE, [&b"0"[..]], now).created_at
}

const ALL: [Trust; 3] = [Trust::Alone, Trust::Asked, Trust::Answered];

#[test]
fn what_is_not_younger_than_an_invalidation_is_invalid() {
    let (own, seen) = (markers(true), markers(true));
    assert_eq!(own.invalidate(tag(0), NOW), NOW);
    seen.learn(tag(0), Answer::Marked(NOW), NOW);
    for markers in [own, seen] {
        for trust in ALL {
            assert!(judged(&markers, NOW - 1, NOW, trust) == Verdict::Invalid);
            assert!(judged(&markers, NOW, NOW, trust) == Verdict::Invalid);
            assert!(judged(&markers, NOW + 1, NOW, trust) == Verdict::Valid);
        }
        assert_eq!(markers.invalid_until(&tag(0)), Some(NOW));
        assert_eq!(markers.invalid_until(&tag(1)), None);
    }
}

#[test]
fn what_is_stored_begins_after_an_invalidation_and_the_next_one_ends_it() {
    let markers = markers(true);
    markers.invalidate(tag(0), NOW);
    for (now, created_at) in [(NOW - 1, NOW + 1), (NOW, NOW + 1), (NOW + 1, NOW + 1), (NOW + 2, NOW + 2)] {
        assert_eq!(begins(&markers, now), created_at);
    }
    // Of a clock that is behind, and of another tag too.
    assert_eq!(markers.invalidate(tag(0), NOW), NOW + 2);
    assert_eq!(markers.invalidate(tag(1), NOW - 1), NOW + 2);
    assert_eq!(markers.invalidate(tag(1), NOW - 1), NOW + 3);
    assert_eq!(markers.invalidate(tag(1), NOW + 9), NOW + 9);
}

#[test]
fn knowledge_lasts_for_its_lifetime_whichever_way_the_clock_goes() {
    let (markers, ask) = (markers(true), Verdict::Ask(vec![tag(0), Tag { scope: SCOPE, tag: [].into() }]));
    markers.learn(tag(0), Answer::Absent, NOW);
    for trust in [Trust::Asked, Trust::Answered] {
        for now in [NOW - 999, NOW + 999] {
            assert!(judged(&markers, NOW, now, trust) == Verdict::Valid);
        }
        for now in [NOW - 1_000, NOW + 1_000] {
            assert!(judged(&markers, NOW, now, trust) == ask);
        }
    }
    assert!(judged(&markers, NOW, NOW + 1_000, Trust::Alone) == Verdict::Valid);
}

#[test]
fn store_that_does_not_answer_is_asked_again_after_a_lifetime_and_is_no_answer() {
    let (asked, ask) = (markers(true), Verdict::Ask(vec![tag(0)]));
    asked.not_told([tag(0)].into_iter(), NOW);
    assert!(judged(&asked, NOW, NOW, Trust::Asked) == Verdict::Valid);
    assert!(judged(&asked, NOW, NOW, Trust::Answered) == ask);
    let answered = markers(true);
    answered.learn(tag(0), Answer::Marked(NOW - 5), NOW - 500);
    answered.not_told([tag(0)].into_iter(), NOW);
    assert!(judged(&answered, NOW - 5, NOW, Trust::Asked) == Verdict::Invalid, "what is known stands");
    assert!(judged(&answered, NOW, NOW + 999, Trust::Asked) == Verdict::Valid);
    assert!(judged(&answered, NOW, NOW + 499, Trust::Answered) == Verdict::Valid);
    assert!(judged(&answered, NOW, NOW + 500, Trust::Answered) == ask);
}

#[test]
fn who_asks_for_markers_claims_it_until_it_is_given_up() {
    let (markers, later) = (markers(true), NOW + 1_000);
    markers.learn(tag(0), Answer::Absent, NOW);
    markers.learn(Tag { scope: SCOPE, tag: [].into() }, Answer::Absent, later);
    let ask = Verdict::Ask(vec![tag(0)]);
    let claim = markers.claim(&[tag(0), tag(1)], later);
    assert!(judged(&markers, NOW, later, Trust::Asked) == Verdict::Valid);
    assert!(judged(&markers, NOW, later, Trust::Answered) == ask);
    let unknown = markers.judge(SCOPE, [&b"1"[..]], NOW, later, Trust::Asked);
    assert!(unknown == Verdict::Ask(vec![tag(1)]), "nothing is known that others could go by");
    drop(claim);
    assert!(judged(&markers, NOW, later, Trust::Asked) == ask);
    markers.claim(&[tag(0)], later).end();
    assert!(judged(&markers, NOW, later, Trust::Asked) == Verdict::Valid);
}

#[test]
fn marker_is_not_taken_back_and_a_broken_one_counts_until_now() {
    for answer in [Answer::Absent, Answer::Marked(NOW - 1), Answer::Broken, Answer::FromTheFuture] {
        let markers = markers(true);
        markers.learn(tag(0), Answer::Marked(NOW), NOW);
        markers.learn(tag(0), answer, NOW - 1);
        assert_eq!(markers.invalid_until(&tag(0)), Some(NOW), "{answer:?}");
    }
    for answer in [Answer::Broken, Answer::FromTheFuture] {
        let markers = markers(true);
        markers.learn(tag(0), answer, NOW);
        assert_eq!(markers.invalid_until(&tag(0)), Some(NOW), "{answer:?}");
        // What this process has stored ahead of the clock carries the tag too, for all that is known.
        assert_eq!(begins(&markers, NOW), NOW + 1);
        markers.learn(tag(1), answer, NOW);
        assert_eq!(markers.invalid_until(&tag(1)), Some(NOW + 1), "{answer:?}");
    }
}

#[test]
fn clock_that_is_set_back_takes_along_what_is_more_than_5_minutes_ahead() {
    for (until, begun) in
        [(299_999, NOW + 300_000), (300_000, NOW + 300_001), (300_001, NOW + 1), (900_000, NOW + 1)]
    {
        let markers = markers(true);
        markers.invalidate(tag(0), NOW + until);
        assert_eq!(begins(&markers, NOW), begun, "{until} ms ahead");
        assert!(judged(&markers, begun - 1, NOW, Trust::Alone) == Verdict::Invalid);
        assert!(judged(&markers, begun, NOW, Trust::Alone) == Verdict::Valid);
    }
    for (stored, until) in [(299_999, NOW + 299_999), (300_000, NOW + 300_000), (300_001, NOW)] {
        let markers = markers(true);
        assert_eq!(begins(&markers, NOW + stored), NOW + stored);
        assert_eq!(markers.invalidate(tag(1), NOW), until, "{stored} ms ahead");
    }
    // Without a store there are no other processes, and nothing stored may outlive its invalidation.
    let alone = markers(false);
    assert_eq!(alone.invalidate(tag(0), NOW + 900_000), NOW + 900_000);
    assert_eq!(begins(&alone, NOW), NOW + 900_001);
    assert_eq!(alone.invalidate(tag(1), NOW), NOW + 900_001);
}

#[test]
fn what_is_stored_after_an_invalidation_that_was_forgotten_is_valid() {
    let markers = markers(false);
    let begun = begins(&markers, NOW);
    for other in 1..=2 * REMEMBERED.get() + 1 {
        markers.invalidate(tag(other), NOW);
    }
    assert!(judged(&markers, begun, NOW, Trust::Alone) == Verdict::Invalid);
    // At the same moment; and when the clock has been set back.
    for now in [NOW, NOW - 1_000] {
        assert!(judged(&markers, begins(&markers, now), now, Trust::Alone) == Verdict::Valid);
    }
}

#[test]
fn invalidation_that_was_forgotten_ends_whatever_it_could_have_ended() {
    let room = 2 * REMEMBERED.get();
    for (count, forgotten) in [(room, false), (room + 1, true)] {
        let markers = Markers::new(1_000, false);
        for other in 1..=count {
            markers.invalidate(tag(other), NOW + other as u64);
        }
        let judge = |of: &[u8], created_at| markers.judge(SCOPE, [of], created_at, NOW, Trust::Alone);
        for unknown in [&b"0"[..], b"1"] {
            let ended = judge(unknown, NOW + 1) == Verdict::Invalid;
            assert_eq!(ended, forgotten || unknown == b"1", "{count} tags");
            assert!(judge(unknown, NOW + 2) == Verdict::Valid);
        }
        assert!(judge(b"2", NOW + 2) == Verdict::Invalid);
        assert!(judge(b"2", NOW + 3) == Verdict::Valid);
        let asked = markers.judge(SCOPE, [&b"0"[..]], NOW + 1, NOW, Trust::Asked);
        assert!(asked != Verdict::Invalid, "where a store can be asked, it is");
    }
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
    for trust in ALL {
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
    // Too far ahead of a clock that was set back, it is brought back to it.
    let (markers, before) = (crowded(), NOW - MAX_SKEW_MS - 1);
    assert_eq!(begins(&markers, before), before + 1);
    assert!(judged(&markers, before, before, Trust::Alone) == Verdict::Invalid);
    assert!(judged(&markers, before + 1, before, Trust::Alone) == Verdict::Valid);
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

#[test]
fn a_tag_is_found_by_its_own_name_alone() {
    let name = |scope: u8, tag| Name { scope: [scope; 16], tag };
    let all = [name(1, &b""[..]), name(2, b""), name(1, b"a"), name(1, b"ab"), name(1, b"b"), name(2, b"a")];
    let known: std::collections::HashSet<Tag> = all.into_iter().map(Name::to_tag).collect();
    assert_eq!(known.len(), all.len());
    for name in all {
        let found = known.get(&name as &dyn Named).unwrap();
        assert!(found.name() == name);
    }
    assert!(!known.contains(&name(3, b"") as &dyn Named));
    assert!(!known.contains(&name(2, b"ab") as &dyn Named));
}

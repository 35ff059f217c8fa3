//! For the fuzz target `cloudflare_kv`.

use serde_json::Value;

use super::envelope::Envelope;

/// Names of the largest request that is tried.
const NAMES: usize = 4;

/// Any bytes as an answer of the API: an envelope that means the same in another spelling, or none.
pub(crate) fn answer(body: &[u8]) {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let Some(envelope) = Envelope::parse(body) else { return };
    let success = json.as_ref().and_then(|json| json.get("success")?.as_bool());
    assert_eq!(success, Some(envelope.is_success()), "an envelope that does not tell of success");

    let again = json.map(|json| json.to_string()).unwrap_or_default();
    let again = Envelope::parse(again.as_bytes());
    assert_eq!(again.as_ref().map(meaning), Some(meaning(&envelope)), "another meaning in another spelling");
    let done = |names| envelope.did_all(names).is_ok();
    assert!(
        (1..=NAMES).all(|names| done(names - 1) || !done(names)),
        "done for more names, and not for fewer"
    );
}

fn meaning(envelope: &Envelope) -> (bool, String, Vec<bool>) {
    let done = (0..=NAMES).map(|names| envelope.did_all(names).is_ok()).collect();
    (envelope.lacks_the_key(), format!("{:?}", envelope.refusal()), done)
}

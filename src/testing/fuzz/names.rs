//! Master keys in text, and names in stores.

use data_encoding::{BASE32_NOPAD, BASE64, HEXLOWER};

use super::input::Input;
use crate::{
    crypto::{Keyring, MasterKey, StoreKey, is_prefix},
    testing::Place,
};

/// Length in characters of a store key without its prefix.
const STORE_KEY: usize = 55;

/// Any text is a master key exactly if the grammar says so, and is never echoed.
pub fn master_key(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match MasterKey::parse(&text) {
        Ok(key) => {
            assert!(forms(&key).iter().any(|form| *form == text || is_hex_of(form, &text)), "another form");
        }
        Err(err) => {
            let shown = format!("{err} {err:?}");
            assert!(text.len() < 8 || !shown.contains(&*text), "echoed");
        }
    }
    if let Some(bytes) = data.first_chunk::<32>()
        && let Ok(key) = MasterKey::from_bytes(bytes)
    {
        for form in forms(&key) {
            assert!(MasterKey::parse(&form).is_ok_and(|read| read.id() == key.id()), "a form is not read");
        }
        assert!(!format!("{key:?}").contains(&forms(&key)[1]));
    }
}

/// The forms of FORMAT.md, "Keys": with a checksum, hex, base64.
#[allow(clippy::expect_used)] // a broken property
fn forms(key: &MasterKey) -> [String; 3] {
    let text = key.to_text();
    let digits = text.strip_prefix("bcmk1-").expect("its prefix").to_uppercase();
    let bytes = BASE32_NOPAD.decode(digits.as_bytes()).expect("base32");
    let key = &bytes[..bytes.len() - 4];
    [text.to_string(), HEXLOWER.encode(key), BASE64.encode(key)]
}

fn is_hex_of(form: &str, text: &str) -> bool {
    form.len() == 64 && form.eq_ignore_ascii_case(text)
}

/// A name is 55 characters and the prefix, and valid in every store, whatever it was made from; and a text is a
/// name exactly if it has that shape.
pub fn store_key(data: &[u8]) {
    let mut input = Input(data);
    let (tenant, namespace, prefix, key) = (input.text(), input.text(), input.text(), input.piece());
    if let Some(name) = name_of(&tenant, &namespace, &prefix, key, input.number()) {
        let text = name.as_str();
        assert_eq!(text.len(), prefix.len() + STORE_KEY);
        assert!(text.starts_with(&prefix) && StoreKey::parse(text).is_ok_and(|parsed| parsed == name));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        // memcached: at most 250 bytes, no blank or control. A URL's segment: all unreserved, or a colon. Workers KV:
        // 1 to 512 bytes. DynamoDB: 1 to 2,048. A file: 1 to 255, no slash. "." and ".." are none.
        assert!(text.len() <= 250 && text.bytes().all(plain) && text != "." && text != "..");
    }
    let any = String::from_utf8_lossy(input.rest());
    assert_eq!(StoreKey::parse(&any).is_ok(), has_the_shape(&any), "{any:?}");
}

fn name_of(tenant: &str, namespace: &str, prefix: &str, name: &[u8], epoch: u64) -> Option<StoreKey> {
    let master = MasterKey::from_bytes(&std::array::from_fn::<u8, 32, _>(|at| at as u8)).ok()?;
    let keys = Keyring::new(master).ok()?.tenant(tenant).ok()?;
    let place = Place { keys: &keys, marker: epoch % 2 == 1, epoch, namespace, name };
    is_prefix(prefix).then(|| place.store_key(prefix))
}

/// `[A-Za-z0-9._:-]{0,64}b1\.[a-z2-7]{51}[aq]`: the last character holds one bit and four zeros.
fn has_the_shape(text: &str) -> bool {
    let Some((prefix, name)) = text.len().checked_sub(STORE_KEY).and_then(|at| text.split_at_checked(at))
    else {
        return false;
    };
    let in_prefix = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
    let base32 = |byte: u8| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte);
    let is_name = name.starts_with("b1.") && name.bytes().skip(3).all(base32) && name.ends_with(['a', 'q']);
    prefix.len() <= 64 && prefix.bytes().all(in_prefix) && is_name
}

//! Wycheproof's attacks on AES-256-GCM, HKDF-SHA256 and HMAC-SHA256, through the library's own seams
//! (https://github.com/C2SP/wycheproof).

use hkdf::Hkdf;
use sha2::Sha256;
use wycheproof::{TestResult, aead, hkdf as expansions, mac};

#[cfg(feature = "aws-lc-rs")]
use super::aead::Fastest;
use super::{
    aead::{Aead, RustCrypto},
    derive::{Expander, SECRET},
    tenant::TenantKeys,
};

/// Every case of AES-GCM with the sizes that the format has.
fn gcm<A: Aead>() -> usize {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let fits = |group: &aead::TestGroup| (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128);
    let mut tried = 0;
    for test in set.test_groups.into_iter().filter(fits).flat_map(|group| group.tests) {
        let (key, iv) = (test.key[..].try_into().unwrap(), test.nonce[..].try_into().unwrap());
        let mut opened = [&test.ct[..], &test.tag].concat();
        let opens = A::open(&key, &iv, &test.aad, &mut opened).is_ok();
        assert_eq!(opens, test.result != TestResult::Invalid, "{}", test.tc_id);
        let mut sealed = test.pt.to_vec();
        let tag = A::seal(&key, &iv, &test.aad, &mut sealed);
        assert_eq!((sealed[..] == test.ct[..], tag[..] == test.tag[..]), (true, opens), "{}", test.tc_id);
        if opens {
            assert_eq!(opened[..test.pt.len()], test.pt[..], "{}", test.tc_id);
        }
        tried += 1;
    }
    println!("{tried} cases of AES-256-GCM");
    tried
}

#[test]
fn aes_gcm_of_rust_crypto_withstands_wycheproof() {
    assert!(gcm::<RustCrypto>() > 50);
}

#[cfg(feature = "aws-lc-rs")]
#[test]
fn aes_gcm_of_aws_lc_withstands_wycheproof() {
    assert!(gcm::<Fastest>() > 50);
}

/// The library expands 32 bytes to at most 32; what is extracted stands for the secret.
#[test]
fn hkdf_withstands_wycheproof() {
    let set = expansions::TestSet::load(expansions::TestName::HkdfSha256).unwrap();
    let mut tried = 0;
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        if test.size > SECRET || test.result == TestResult::Invalid {
            continue;
        }
        let (secret, _) = Hkdf::<Sha256>::extract(Some(&test.salt), &test.ikm);
        let mut out = vec![0; test.size];
        Expander::new(&secret.into()).expand(&[&test.info], &mut out);
        assert_eq!(out[..], test.okm[..], "{}", test.tc_id);
        tried += 1;
    }
    println!("{tried} cases of HKDF-SHA256");
    assert!(tried >= 30, "{tried}");
}

/// The library's tags are whole; a case with a truncated one holds for their beginning.
#[test]
fn hmac_withstands_wycheproof() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let mut tried = 0;
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        let tag = TenantKeys::named_by(&test.key).name([&test.msg, b"", b"", b"", b""]);
        let holds = tag.starts_with(&test.tag);
        assert_eq!(holds, test.result != TestResult::Invalid, "{}", test.tc_id);
        tried += 1;
    }
    println!("{tried} cases of HMAC-SHA256");
    assert!(tried > 100, "{tried}");
}

//! What the format asks for, without blindcache: HMAC-SHA256 of the name, two HKDF expansions, AES-256-GCM under a key of its
//! own, in place; and 24 random bytes for an entry.

use std::hint::black_box;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use blindcache::testing::bench::{Cipher, Steps};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use serde_bytes::ByteBuf;
use sha2::Sha256;

use crate::{
    calls::{KEY, NAMESPACE},
    values,
};

/// Length in bytes of what is in front of the inner part, of its fields, of the tag.
const HEADER: usize = 64;
const FIELDS: usize = 36;
const TAG: usize = 16;

#[derive(Clone)]
pub struct Format {
    hmac: Hmac<Sha256>,
    hkdf: Hkdf<Sha256>,
    /// What is blinded.
    message: Vec<u8>,
    /// Length in bytes of what is encoded, and of all that is encrypted.
    encoded: usize,
    inner: usize,
}

impl Format {
    /// For a value of so many bytes.
    pub fn new(steps: &Steps, length: usize) -> Self {
        let encoded = rmp_serde::to_vec_named(&values::raw(length)).unwrap();
        let inner = steps.seal(Cipher::AwsLc, &encoded).unwrap().len() - HEADER - TAG;
        assert!(inner >= FIELDS + encoded.len());
        Self {
            hmac: Hmac::new_from_slice(&[7; 32]).unwrap(),
            hkdf: Hkdf::from_prk(&[7; 32]).unwrap(),
            message: [&[2; 13], NAMESPACE.as_bytes(), &[b'k'; KEY.len() + 1]].concat(),
            encoded: encoded.len(),
            inner,
        }
    }

    /// The HMAC of a name.
    pub fn blind(&self) -> impl Sized {
        self.hmac.clone().chain_update(black_box(&self.message)).finalize()
    }

    /// Both expansions.
    pub fn expand(&self) -> [[u8; 32]; 2] {
        let mut keys = [[0; 32]; 2];
        keys.iter_mut().for_each(|key| self.hkdf.expand(black_box(&[9; 54]), key).unwrap());
        keys
    }

    pub fn random(&self) -> [u8; 24] {
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).unwrap();
        nonce
    }

    /// An entry before it is sealed, with this encoded value.
    pub fn draft(&self, encoded: &[u8]) -> Vec<u8> {
        let mut entry = Vec::with_capacity(HEADER + self.inner + TAG);
        entry.resize(HEADER + FIELDS, 0);
        entry.extend_from_slice(encoded);
        entry.resize(HEADER + self.inner, 0);
        entry
    }

    pub fn seal(&self, mut entry: Vec<u8>) -> Vec<u8> {
        let (iv, aad) = (Nonce::assume_unique_for_key([5; 12]), Aad::from([3; 96]));
        let tag = cipher().seal_in_place_separate_tag(iv, aad, &mut entry[HEADER..]).unwrap();
        entry.extend_from_slice(tag.as_ref());
        entry
    }

    pub fn open(&self, mut entry: Vec<u8>) -> Vec<u8> {
        let (iv, aad) = (Nonce::assume_unique_for_key([5; 12]), Aad::from([3; 96]));
        cipher().open_in_place(iv, aad, &mut entry[HEADER..]).unwrap();
        entry
    }

    /// The value of an entry that is open.
    pub fn decode(&self, entry: &[u8]) -> ByteBuf {
        rmp_serde::from_slice(&entry[HEADER + FIELDS..][..self.encoded]).unwrap()
    }
}

fn cipher() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, black_box(&[7; 32])).unwrap())
}

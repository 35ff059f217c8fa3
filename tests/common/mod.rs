//! A second, independent writer of the format, for tests that need entries which the library does not write.
#![allow(dead_code)] // each test uses a part

use std::time::Duration;

use aes_gcm::{Aes256Gcm, KeyInit as _, aead::AeadInOut as _};
use blindcache::{Backend, BackendError, Sealed, StoreKey};
use bytes::Bytes;
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// `Expand(secret, info, 32)`.
pub(crate) fn expand(secret: &[u8], info: &[&[u8]]) -> [u8; 32] {
    let mut out = [0; 32];
    Hkdf::<Sha256>::from_prk(secret).unwrap().expand_multi_info(info, &mut out).unwrap();
    out
}

/// FORMAT.md, "Keys": the key that a tenant's entries are sealed with, or named by.
pub(crate) fn tenant_key(master: &[u8], tenant: &str, label: &str) -> [u8; 32] {
    let root = expand(master, &[b"blindcache/v1/tenant\0", tenant.as_bytes()]);
    expand(&root, &[b"blindcache/v1/", label.as_bytes(), b"\0"])
}

/// FORMAT.md, "Names".
pub(crate) fn locator(name_key: &[u8], kind: u8, epoch: u64, namespace: &str, name: &[u8]) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(name_key).unwrap();
    hmac.update(&[kind]);
    hmac.update(&epoch.to_be_bytes());
    hmac.update(&(namespace.len() as u32).to_be_bytes());
    hmac.update(namespace.as_bytes());
    hmac.update(name);
    hmac.finalize().into_bytes().into()
}

/// FORMAT.md, "Entry", the inner part, unpadded and without tags.
pub(crate) fn inner(codec: u8, times: [u64; 3], payload: &[u8]) -> Vec<u8> {
    let mut inner = vec![0, codec, 0, 0, 0, 0, 0, 0];
    times.iter().for_each(|time| inner.extend(time.to_be_bytes()));
    inner.extend((payload.len() as u32).to_be_bytes());
    inner.extend(payload);
    inner
}

/// FORMAT.md, "Entry": header, ciphertext, tag.
pub(crate) fn seal(
    seal_key: &[u8],
    key_id: [u8; 4],
    nonce: [u8; 24],
    locator: &[u8; 32],
    inner: &[u8],
) -> Vec<u8> {
    let (salt, iv) = nonce.split_at(12);
    let aes_key = expand(seal_key, &[b"entry-key\0", salt, locator]);
    let commitment = expand(seal_key, &[b"entry-com\0", salt, locator]);
    let header = [b"\xC1bc\x01", &key_id[..], &nonce, &commitment].concat();
    let associated = [&header[..], locator].concat();
    let mut body = inner.to_vec();
    let iv: [u8; 12] = iv.try_into().unwrap();
    let cipher = Aes256Gcm::new(&aes_key.into());
    let tag = cipher.encrypt_inout_detached(&iv.into(), &associated, body.as_mut_slice().into()).unwrap();
    [header, body, tag.to_vec()].concat()
}

/// A store that answers every `get` with the same bytes, whatever they are, and takes nothing.
pub(crate) struct Always(pub(crate) Bytes);

impl Backend for Always {
    async fn get(&self, _: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        Ok(Some(self.0.clone()))
    }
    async fn set(&self, _: &StoreKey, _: Sealed, _: Option<Duration>) -> Result<(), BackendError> {
        Ok(())
    }
    async fn delete(&self, _: &StoreKey) -> Result<bool, BackendError> {
        Ok(false)
    }
    async fn exists(&self, _: &StoreKey) -> Result<bool, BackendError> {
        Ok(true)
    }
}

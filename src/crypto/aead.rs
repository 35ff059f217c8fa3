//! AES-256-GCM, NIST SP 800-38D, with a 96-bit IV and a 128-bit tag: by aws-lc-rs, or by aes-gcm without it.

use super::{derive::Secret, entry::TAG};

/// The seam between the format and an implementation of the cipher.
pub(crate) trait Aead {
    /// Encrypts `body` in place and gives the tag.
    fn seal(key: &Secret, iv: &[u8; 12], aad: &[u8], body: &mut [u8]) -> [u8; TAG];

    /// Decrypts in place a body with its tag behind it. If the tag does not hold, what is left there means nothing.
    fn open(key: &Secret, iv: &[u8; 12], aad: &[u8], body_and_tag: &mut [u8]) -> Result<(), NotAuthentic>;
}

/// The tag does not hold.
pub(crate) struct NotAuthentic;

#[cfg(feature = "aws-lc-rs")]
pub(crate) use aws_lc::AwsLc;
#[cfg(feature = "aws-lc-rs")]
pub(crate) type Fastest = AwsLc;
#[cfg(not(feature = "aws-lc-rs"))]
pub(crate) type Fastest = RustCrypto;

#[cfg(any(not(feature = "aws-lc-rs"), feature = "testing", test))]
pub(crate) use rust_crypto::RustCrypto;

#[cfg(feature = "aws-lc-rs")]
mod aws_lc {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

    use super::{Aead, NotAuthentic, Secret, TAG};

    /// The cipher of aws-lc-rs.
    pub(crate) struct AwsLc;

    #[allow(clippy::expect_used)]
    fn cipher(key: &Secret) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("an AES-256 key is 32 bytes"))
    }

    impl Aead for AwsLc {
        #[allow(clippy::expect_used)]
        fn seal(key: &Secret, iv: &[u8; 12], aad: &[u8], body: &mut [u8]) -> [u8; TAG] {
            let iv = Nonce::assume_unique_for_key(*iv);
            let tag = cipher(key).seal_in_place_separate_tag(iv, Aad::from(aad), body);
            tag.expect("far below the limit of 64 GiB").as_ref().try_into().expect("a tag is 16 bytes")
        }

        fn open(
            key: &Secret,
            iv: &[u8; 12],
            aad: &[u8],
            body_and_tag: &mut [u8],
        ) -> Result<(), NotAuthentic> {
            let iv = Nonce::assume_unique_for_key(*iv);
            let opened = cipher(key).open_in_place(iv, Aad::from(aad), body_and_tag);
            opened.map(drop).map_err(|_| NotAuthentic)
        }
    }
}

#[cfg(any(not(feature = "aws-lc-rs"), feature = "testing", test))]
mod rust_crypto {
    use aes_gcm::{Aes256Gcm, KeyInit, aead::AeadInOut};

    use super::{
        super::wipe::{CIPHER, with_clean_stack},
        Aead, NotAuthentic, Secret, TAG,
    };

    /// The cipher of RustCrypto's aes-gcm.
    pub(crate) struct RustCrypto;

    impl Aead for RustCrypto {
        #[allow(clippy::expect_used)]
        fn seal(key: &Secret, iv: &[u8; 12], aad: &[u8], body: &mut [u8]) -> [u8; TAG] {
            // The cipher wipes its round keys where they end, not where they were moved from.
            let tag = with_clean_stack::<CIPHER, _>(|| {
                Aes256Gcm::new(key.into()).encrypt_inout_detached(iv.into(), aad, body.into())
            });
            tag.expect("far below the limit of 64 GiB").into()
        }

        fn open(
            key: &Secret,
            iv: &[u8; 12],
            aad: &[u8],
            body_and_tag: &mut [u8],
        ) -> Result<(), NotAuthentic> {
            let (body, tag) = body_and_tag.split_last_chunk_mut::<TAG>().ok_or(NotAuthentic)?;
            let opened = with_clean_stack::<CIPHER, _>(|| {
                let cipher = Aes256Gcm::new(key.into());
                cipher.decrypt_inout_detached(iv.into(), aad, body.into(), (&*tag).into())
            });
            opened.map_err(|_| NotAuthentic)
        }
    }
}

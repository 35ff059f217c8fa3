//! The keys of one tenant, prepared for use: FORMAT.md, "Keys".

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    derive::{self, Expander, SECRET, Secret},
    keyring::Keyring,
    master::{KeyId, MasterKey},
    wipe::{CALL, SETUP, with_clean_stack},
};

/// The keys of one tenant: what [`EncryptedBackend`](crate::EncryptedBackend) needs of a [`Keyring`].
///
/// Holds prepared HMAC states, wiped when dropped. It cannot be cloned, displayed or serialized.
pub struct TenantKeys {
    /// The one that seals first, then the accepted ones.
    sealing: Box<[SealingKey]>,
    naming: Box<Hmac<Sha256>>,
}

/// A tenant's sealing key from one master key.
pub(super) struct SealingKey {
    pub(super) id: KeyId,
    pub(super) expander: Expander,
}

impl TenantKeys {
    /// Takes the keys of a keyring not as masters but as this one tenant's roots: 32 random bytes each, which a key
    /// management service keeps wrapped. When the wrapped roots are deleted, the tenant's entries are unreadable for ever.
    pub fn from_roots(roots: &Keyring) -> Self {
        Self::derive(roots.keys(), roots.naming(), |key, root| root.copy_from_slice(key.secret()))
    }

    /// Root: `Expand(master, "tenant" || tenant id)`.
    pub(super) fn of_masters(masters: &[MasterKey], naming: &MasterKey, tenant: &str) -> Self {
        Self::derive(masters, naming, |master, root| {
            derive::expand(master.secret(), derive::TENANT, tenant.as_bytes(), root);
        })
    }

    /// Sealing key: `Expand(root, "seal")`; naming key: `Expand(root, "name")`.
    fn derive(keys: &[MasterKey], naming: &MasterKey, root_of: impl Fn(&MasterKey, &mut Secret)) -> Self {
        let derive_from = |key: &MasterKey, label: &[u8]| {
            let mut root = Zeroizing::new([0; SECRET]);
            let mut derived = Zeroizing::new([0; SECRET]);
            root_of(key, &mut root);
            derive::expand(&root, label, b"", derived.as_mut_slice());
            derived
        };
        with_clean_stack::<SETUP, _>(|| {
            let sealing = keys.iter().map(|key| SealingKey {
                id: key.id(),
                expander: Expander::new(&derive_from(key, derive::SEAL)),
            });
            #[allow(clippy::expect_used)]
            let naming = Hmac::new_from_slice(derive_from(naming, derive::NAME).as_slice())
                .expect("HMAC takes keys of any length");
            Self { sealing: sealing.collect(), naming: Box::new(naming) }
        })
    }

    /// Keys that only name, by a naming key of any length.
    #[cfg(test)]
    pub(super) fn named_by(key: &[u8]) -> Self {
        Self { sealing: Box::default(), naming: Box::new(Hmac::new_from_slice(key).unwrap()) }
    }

    /// The key that seals.
    pub(super) fn sealing(&self) -> &SealingKey {
        &self.sealing[0]
    }

    /// The id of the key that seals.
    pub(crate) fn sealing_id(&self) -> KeyId {
        self.sealing().id
    }

    /// Whether an entry that a key with this id sealed is opened.
    pub(crate) fn accepts(&self, id: KeyId) -> bool {
        self.accepted(id).is_some()
    }

    /// The accepted key with this id.
    pub(super) fn accepted(&self, id: KeyId) -> Option<&SealingKey> {
        self.sealing.iter().find(|key| key.id == id)
    }

    /// `HMAC(naming key, parts)`: RFC 2104 with SHA-256.
    pub(super) fn name(&self, parts: [&[u8]; 5]) -> [u8; SECRET] {
        with_clean_stack::<CALL, _>(|| {
            let mut hmac = Hmac::clone(&self.naming);
            parts.iter().for_each(|part| hmac.update(part));
            hmac.finalize().into_bytes().into()
        })
    }
}

impl fmt::Debug for TenantKeys {
    /// Shows the key ids, which are public.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<KeyId> = self.sealing.iter().map(|key| key.id).collect();
        f.debug_struct("TenantKeys").field("key_ids", &ids).finish_non_exhaustive()
    }
}

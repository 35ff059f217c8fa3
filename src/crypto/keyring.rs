//! The set of master keys that a process holds: FORMAT.md, "Keys".

use std::fmt;

use super::{
    master::{KeyId, MasterKey},
    tenant::TenantKeys,
};
use crate::error::{Error, KeyringError, SettingError};

/// How many accepted keys there may be besides the sealing one.
const MAX_ACCEPTED: usize = 7;

/// The master keys of a process: one that seals, up to 7 more whose entries are accepted, and one that names.
///
/// To rotate: add the new key to the accepted ones everywhere; then make it the sealing key everywhere, the old one
/// accepted; when nothing sealed by the old one is left, drop it. The naming key stays, so no entry changes its name.
pub struct Keyring {
    /// The sealing key first, then the accepted ones.
    keys: Vec<MasterKey>,
    /// `None`: the sealing key names too.
    naming: Option<MasterKey>,
}

impl Keyring {
    /// One key for everything.
    ///
    /// # Errors
    /// [`KeyringError::ReservedKeyId`], with a chance of 2^-32: generate another key.
    pub fn new(key: MasterKey) -> Result<Self, KeyringError> {
        Self::checked(vec![key], None)
    }

    /// `sealing` seals, `accepted` are read besides it, `naming` blinds keys: usually the key that was there first.
    ///
    /// # Errors
    /// [`KeyringError`]: too many keys, one of them twice, or two that cannot be told apart by their ids.
    pub fn with_accepted(
        sealing: MasterKey,
        accepted: impl IntoIterator<Item = MasterKey>,
        naming: MasterKey,
    ) -> Result<Self, KeyringError> {
        let mut keys = vec![sealing];
        keys.extend(accepted.into_iter().take(MAX_ACCEPTED + 1));
        Self::checked(keys, Some(naming))
    }

    fn checked(keys: Vec<MasterKey>, naming: Option<MasterKey>) -> Result<Self, KeyringError> {
        if keys.len() > 1 + MAX_ACCEPTED {
            return Err(KeyringError::TooManyKeys);
        }
        let ids: Vec<KeyId> = keys.iter().map(MasterKey::id).collect();
        check_ids(&ids, |one, other| keys[one].secret() == keys[other].secret())?;
        Ok(Self { keys, naming })
    }

    /// The keys of one tenant: nothing that they seal or name can be read or found with another tenant's.
    ///
    /// # Errors
    /// [`SettingError::Tenant`] unless the id has 1 to 255 bytes.
    pub fn tenant(&self, id: &str) -> Result<TenantKeys, Error> {
        if !(1..=255).contains(&id.len()) {
            return Err(SettingError::Tenant.into());
        }
        Ok(TenantKeys::of_masters(&self.keys, self.naming(), id))
    }

    /// The id of the sealing key, then those of the accepted ones.
    pub fn key_ids(&self) -> Vec<KeyId> {
        self.keys.iter().map(MasterKey::id).collect()
    }

    pub(super) fn keys(&self) -> &[MasterKey] {
        &self.keys
    }

    pub(crate) fn naming(&self) -> &MasterKey {
        self.naming.as_ref().unwrap_or(&self.keys[0])
    }
}

/// Refuses the reserved id, and ids that stand twice; `same` tells whether the keys at two places are one.
fn check_ids(ids: &[KeyId], same: impl Fn(usize, usize) -> bool) -> Result<(), KeyringError> {
    for (at, id) in ids.iter().enumerate() {
        if *id == KeyId([0; 4]) {
            return Err(KeyringError::ReservedKeyId);
        }
        match ids[..at].iter().position(|other| other == id) {
            Some(other) if same(at, other) => return Err(KeyringError::DuplicateKey),
            Some(_) => return Err(KeyringError::DuplicateKeyId),
            None => {}
        }
    }
    Ok(())
}

impl fmt::Debug for Keyring {
    /// Shows the key ids, which are public.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("key_ids", &self.key_ids()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(fill: u8) -> MasterKey {
        MasterKey::from_bytes(&std::array::from_fn::<u8, 32, _>(|at| fill.wrapping_add(at as u8 * 3)))
            .unwrap()
    }

    #[test]
    fn up_to_7_keys_are_accepted_besides_the_sealing_one() {
        let accepted = |count: u8| Keyring::with_accepted(master(0), (1..=count).map(master), master(0));
        assert_eq!(accepted(6).unwrap().key_ids().len(), 7);
        assert_eq!(accepted(7).unwrap().key_ids().len(), 8);
        assert_eq!(accepted(8).err(), Some(KeyringError::TooManyKeys));
        assert_eq!(accepted(200).err(), Some(KeyringError::TooManyKeys));
    }

    #[test]
    fn a_key_stands_once_in_a_keyring() {
        let twice = Keyring::with_accepted(master(1), [master(2), master(1)], master(1));
        assert_eq!(twice.err(), Some(KeyringError::DuplicateKey));
        let twice = Keyring::with_accepted(master(1), [master(2), master(2)], master(1));
        assert_eq!(twice.err(), Some(KeyringError::DuplicateKey));
    }

    #[test]
    fn ids_that_cannot_tell_keys_apart_are_refused() {
        let [zero, one, two] = [[0; 4], [0, 0, 0, 1], [1, 0, 0, 0]].map(KeyId);
        assert_eq!(check_ids(&[one, two], |_, _| false), Ok(()));
        assert_eq!(check_ids(&[one, two, one], |_, _| false), Err(KeyringError::DuplicateKeyId));
        assert_eq!(check_ids(&[one, zero], |_, _| false), Err(KeyringError::ReservedKeyId));
    }

    #[test]
    fn a_tenant_id_has_1_to_255_bytes() {
        let keys = Keyring::new(master(1)).unwrap();
        for (length, fits) in [(0, false), (1, true), (2, true), (254, true), (255, true), (256, false)] {
            let tenant = keys.tenant(&"a".repeat(length));
            let refused = matches!(tenant, Err(Error::Setting(SettingError::Tenant)));
            assert_eq!((tenant.is_ok(), refused), (fits, !fits), "{length}");
        }
        assert!(keys.tenant(&"é".repeat(127)).is_ok());
        assert!(keys.tenant(&"é".repeat(128)).is_err());
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = master(1);
        assert_eq!(format!("{key:?}"), "MasterKey(redacted)");
        let id = key.id();
        let keys = Keyring::new(key).unwrap();
        assert_eq!(format!("{keys:?}"), format!("Keyring {{ key_ids: [KeyId({id})], .. }}"));
        let tenant = keys.tenant("acme").unwrap();
        assert_eq!(format!("{tenant:?}"), format!("TenantKeys {{ key_ids: [KeyId({id})], .. }}"));
    }
}

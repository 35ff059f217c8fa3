//! What must not be found, and how it may lie in memory.

use data_encoding::{BASE64, HEXLOWER};
use zeroize::Zeroize;

use crate::common;

/// The length in bytes of the parts that are searched for.
pub(crate) const PART: usize = 16;
pub(crate) const VALUE: usize = 48;
/// Under which key the entry is that a scenario tells.
pub(crate) const KEY: &str = "told";

pub(crate) type Mark = (&'static str, Vec<u8>);

/// Two master keys and a value.
pub(crate) struct Secrets {
    master: [u8; 32],
    other: [u8; 32],
    value: [u8; VALUE],
}

impl Secrets {
    pub(crate) fn generate() -> Self {
        let mut secrets = Self { master: [0; 32], other: [0; 32], value: [0; VALUE] };
        getrandom::fill(&mut secrets.master).unwrap();
        getrandom::fill(&mut secrets.other).unwrap();
        getrandom::fill(&mut secrets.value).unwrap();
        secrets.value.iter_mut().for_each(|byte| *byte = b'a' + *byte % 26);
        secrets
    }

    /// Each as the child reads it.
    pub(crate) fn each(&self, mut tell: impl FnMut(&[u8])) {
        [&self.master[..], &self.other, &self.value].into_iter().for_each(&mut tell);
    }

    pub(crate) fn marks(&self) -> Vec<Mark> {
        let mut marks = vec![("value", self.value.to_vec())];
        marks.extend(of_master(&self.master, MASTER));
        marks.extend(of_master(&self.other, OTHER));
        marks
    }

    /// The AES key of an entry under [`KEY`]: FORMAT.md, "Entry".
    pub(crate) fn entry_key(&self, entry: &[u8]) -> Vec<u8> {
        let sealing = common::tenant_key(&self.master, "acme", "seal");
        let naming = common::tenant_key(&self.master, "acme", "name");
        let name = [&[0xA0 | KEY.len() as u8], KEY.as_bytes()].concat();
        let locator = common::locator(&naming, 2, 0, "", &name);
        let salt = &entry[8..20];
        let commitment = common::expand(&sealing, &[b"entry-com\0", salt, &locator]);
        assert_eq!(entry[32..64], commitment, "another entry than was expected");
        common::expand(&sealing, &[b"entry-key\0", salt, &locator]).to_vec()
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        // A child's memory begins as a copy of this process's.
        self.master.zeroize();
        self.other.zeroize();
        self.value.zeroize();
    }
}

const MASTER: [&str; 12] = [
    "master key",
    "master key as text",
    "master key as hex",
    "master key as base64",
    "tenant root",
    "sealing key",
    "naming key",
    "inner sealing state",
    "outer sealing state",
    "inner naming state",
    "outer naming state",
    "keys of roots",
];
const OTHER: [&str; 12] = [
    "other master key",
    "other master key as text",
    "other master key as hex",
    "other master key as base64",
    "other tenant root",
    "other sealing key",
    "other naming key",
    "other inner sealing state",
    "other outer sealing state",
    "other inner naming state",
    "other outer naming state",
    "other keys of roots",
];

/// All that is made of a master key, under these names.
fn of_master(master: &[u8; 32], names: [&'static str; 12]) -> Vec<Mark> {
    let root = common::expand(master, &[b"blindcache/v1/tenant\0", b"acme"]);
    let of =
        |root: &[u8; 32], label: &str| common::expand(root, &[b"blindcache/v1/", label.as_bytes(), b"\0"]);
    let (sealing, naming) = (of(&root, "seal"), of(&root, "name"));
    // Where the master is a tenant's root itself.
    let of_roots = [of(master, "seal"), of(master, "name")];
    let states =
        of_roots.iter().flat_map(|key| [hmac_state(key, 0x36), hmac_state(key, 0x5C), key.to_vec()].concat());
    let text = blindcache::MasterKey::from_bytes(master).unwrap().to_text();
    let forms = [
        master.to_vec(),
        text["bcmk1-".len()..].into(),
        HEXLOWER.encode(master).into(),
        BASE64.encode(master).into(),
        root.to_vec(),
        sealing.to_vec(),
        naming.to_vec(),
        hmac_state(&sealing, 0x36),
        hmac_state(&sealing, 0x5C),
        hmac_state(&naming, 0x36),
        hmac_state(&naming, 0x5C),
        states.collect(),
    ];
    names.into_iter().zip(forms).collect()
}

/// The SHA-256 state after the first block of an HMAC, RFC 2104, as it lies in memory: as good as the key.
fn hmac_state(key: &[u8; 32], pad: u8) -> Vec<u8> {
    let mut state =
        [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
    let mut block = [pad; 64];
    block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    sha2::block_api::compress256(&mut state, &[block]);
    state.iter().flat_map(|word: &u32| word.to_ne_bytes()).collect()
}

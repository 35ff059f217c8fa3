//! The master keys of a rotation, and what each of its stages accepts.

use blindcache::{Keyring, MasterKey, TenantKeys};

use super::{Plant, tap::TENANTS};

/// The stages: the master key that seals, and those that are accepted beside it.
const STAGES: [(usize, &[usize]); 4] = [(0, &[]), (0, &[1]), (1, &[0]), (1, &[])];

pub(crate) const LAST: usize = STAGES.len() - 1;

pub(crate) fn seals(stage: usize) -> usize {
    STAGES[stage].0
}

pub(crate) fn accepts(stage: usize, master: usize) -> bool {
    let (seals, accepted) = STAGES[stage];
    seals == master || accepted.contains(&master)
}

pub(crate) struct Masters([String; 2]);

impl Masters {
    pub(crate) fn new() -> Self {
        Self([(); 2].map(|()| MasterKey::generate().unwrap().to_text().to_string()))
    }

    pub(crate) fn tenant(&self, stage: usize, tenant: usize, plant: Plant) -> TenantKeys {
        let master = |at: &usize| MasterKey::parse(&self.0[*at]).unwrap();
        let (seals, accepted) = STAGES[stage];
        let keyring =
            Keyring::with_accepted(master(&seals), accepted.iter().map(master), master(&0)).unwrap();
        keyring.tenant(TENANTS[if plant == Plant::OneTenant { 0 } else { tenant }]).unwrap()
    }
}

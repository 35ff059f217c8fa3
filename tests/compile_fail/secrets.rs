//! A secret cannot be cloned, displayed or serialized.

use blindcache::{Keyring, MasterKey, TenantKeys};

pub fn clone<T: Clone>(_: T) {}
pub fn display<T: std::fmt::Display>(_: T) {}
pub fn serialize<T: serde::Serialize>(_: T) {}

pub fn cloned(master: MasterKey, keyring: Keyring, tenant: TenantKeys) {
    clone(master); //~ E0277
    clone(keyring); //~ E0277
    clone(tenant); //~ E0277
}

pub fn displayed(master: MasterKey, keyring: Keyring, tenant: TenantKeys) {
    display(master); //~ E0277
    display(keyring); //~ E0277
    display(tenant); //~ E0277
}

pub fn serialized(master: MasterKey, keyring: Keyring, tenant: TenantKeys) {
    serialize(master); //~ E0277
    serialize(keyring); //~ E0277
    serialize(tenant); //~ E0277
}

fn main() {}

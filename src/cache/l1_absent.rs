//! Without the feature `l1`: an in-memory tier that cannot be made.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    flight::{Published, SlotKey},
    value::Label,
    verdict::Judged,
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum L1 {
    Values,
    Sealed,
}

pub(super) struct Kept {
    pub(super) label: Label,
    pub(super) since: u64,
    pub(super) stands_in: Range<u64>,
    pub(super) judged: Judged,
    pub(super) content: Content,
    #[allow(dead_code)] // only a tier that exists weighs
    pub(super) size: usize,
}

#[derive(Clone)]
pub(super) enum Content {
    Value(Published),
    Sealed(Box<Bytes>),
}

pub(super) struct Tier {
    pub(super) mode: L1,
    never: std::convert::Infallible,
}

impl Tier {
    pub(super) fn get(&self, _: &[u8; 16], _: &[u8]) -> Option<Arc<Kept>> {
        match self.never {}
    }

    pub(super) fn put(&self, _: SlotKey, _: Kept) {
        match self.never {}
    }

    pub(super) fn remove(&self, _: &SlotKey) -> Option<Arc<Kept>> {
        match self.never {}
    }

    pub(super) fn remove_this(&self, _: &[u8; 16], _: &[u8], _: &Arc<Kept>) {
        match self.never {}
    }

    pub(super) fn len(&self) -> usize {
        match self.never {}
    }

    pub(super) fn bytes(&self) -> u64 {
        match self.never {}
    }
}

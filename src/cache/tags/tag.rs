//! A tag, and what looks it up without owning it.

use std::{
    borrow::Borrow,
    hash::{Hash, Hasher},
};

/// A tag of one tenant, namespace and epoch; the empty tag stands for the namespace.
#[derive(Clone)]
pub(in super::super) struct Tag {
    pub(in super::super) scope: [u8; 16],
    pub(in super::super) tag: Box<[u8]>,
}

/// A [`Tag`] that borrows.
#[derive(Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) scope: [u8; 16],
    pub(super) tag: &'a [u8],
}

/// What both have.
pub(super) trait Named {
    fn name(&self) -> Name<'_>;
}

impl Name<'_> {
    pub(super) fn to_tag(self) -> Tag {
        Tag { scope: self.scope, tag: self.tag.into() }
    }
}

impl Named for Name<'_> {
    fn name(&self) -> Name<'_> {
        *self
    }
}

impl Named for Tag {
    fn name(&self) -> Name<'_> {
        Name { scope: self.scope, tag: &self.tag }
    }
}

impl Hash for Name<'_> {
    /// Without the lengths: that of the scope is always the same.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.scope);
        state.write(self.tag);
    }
}

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Self) -> bool {
        // Two empty slices are not compared: glibc's `memcmp` reads none of their bytes with an instruction that takes 70 ns
        // where an address is not one, as that of an empty box.
        let empty = self.tag.is_empty() && other.tag.is_empty();
        self.scope == other.scope && (empty || self.tag == other.tag)
    }
}

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Tag {}

impl Hash for Tag {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl<'a> Borrow<dyn Named + 'a> for Tag {
    fn borrow(&self) -> &(dyn Named + 'a) {
        self
    }
}

impl PartialEq for dyn Named + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for dyn Named + '_ {}

impl Hash for dyn Named + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

//! Bytes that need the heap only where they are many.

use std::{
    cmp::Ordering,
    hash::{Hash, Hasher},
    ops::{Deref, Range},
};

/// How many bytes lie inline: enough for nearly every key. It makes a [`Buffer`] 48 bytes.
pub(super) const INLINE: usize = 46;

/// Bytes that grow: up to [`INLINE`] of them where the buffer is, more on the heap.
#[derive(Clone)]
pub(super) enum Buffer {
    Inline { length: u8, bytes: [u8; INLINE] },
    Heap(Vec<u8>),
}

impl Default for Buffer {
    fn default() -> Self {
        Self::Inline { length: 0, bytes: [0; INLINE] }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            // `length` is never more, which the compiler does not know.
            Self::Inline { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or(bytes),
            Self::Heap(bytes) => bytes,
        }
    }
}

impl Buffer {
    #[inline]
    pub(super) fn extend(&mut self, more: &[u8]) {
        if let Self::Inline { length, bytes } = self {
            let start = usize::from(*length);
            if let Some(room) = bytes.get_mut(start..start + more.len()) {
                room.copy_from_slice(more);
                *length += more.len() as u8; // `INLINE` at most
                return;
            }
        }
        self.grow(more);
    }

    /// On the heap from here on.
    #[cold]
    fn grow(&mut self, more: &[u8]) {
        if let Self::Heap(bytes) = self {
            return bytes.extend_from_slice(more);
        }
        let mut heap = Vec::with_capacity((self.len() + more.len()).max(2 * INLINE));
        heap.extend_from_slice(self);
        heap.extend_from_slice(more);
        *self = Self::Heap(heap);
    }

    /// Removes all from there on.
    pub(super) fn truncate(&mut self, to: usize) {
        match self {
            Self::Inline { length, .. } => *length = u8::try_from(to).unwrap_or(*length).min(*length),
            Self::Heap(bytes) => bytes.truncate(to),
        }
    }

    /// Puts these in place of those.
    pub(super) fn replace(&mut self, range: Range<usize>, by: &[u8]) {
        let rest = self[range.end..].to_vec();
        self.truncate(range.start);
        self.extend(by);
        self.extend(&rest);
    }
}

// By the bytes, wherever they lie.

impl PartialEq for Buffer {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Buffer {}

impl PartialOrd for Buffer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Buffer {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Buffer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

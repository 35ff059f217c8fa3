//! What a store can do to a call.

use std::time::Duration;

use bytes::Bytes;

use crate::error::BackendErrorKind::{self, Denied, Rejected, Throttled, Timeout, Transient};

/// Bytes of a flood: 100 MB.
const FLOOD: usize = 100_000_000;

/// What becomes of one call on a name. Where a lie says nothing of a method, that one is honest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lie {
    /// None.
    None,
    /// A read finds nothing; a write or a delete is told done, and is not.
    Lose,
    /// A write or a delete is told done, and takes place after a later one.
    Delay,
    /// A read finds what was written under this name so many writes ago, deleted and expired or not.
    Replay(usize),
    /// A read finds what was written so many writes ago under another name, another tenant's perhaps.
    Swap(usize),
    /// A read finds only so many bytes of the entry.
    Truncate(usize),
    /// A read finds so many further bytes behind the entry, all zero.
    Extend(usize),
    /// A read finds this bit of the entry changed, counted from the first byte's lowest and from the start again.
    Flip(usize),
    /// A read finds 100 MB that begin as an entry does.
    Flood,
    /// `exists` and `delete` answer the contrary, a read finds nothing, and a ping fails.
    Contrary,
    /// The call takes so much longer, by tokio's time.
    Dawdle(Duration),
    /// The call fails, and does nothing.
    Fail(BackendErrorKind),
}

impl Lie {
    /// One of those that take no time, as two bytes say.
    pub(crate) fn of([which, how]: [u8; 2]) -> Self {
        let how = usize::from(how);
        match which % 16 {
            0 => Self::Lose,
            1 => Self::Delay,
            2 => Self::Replay(how % 8),
            3 => Self::Swap(how % 32),
            4 => Self::Truncate(how),
            5 => Self::Extend(how + 1),
            6 => Self::Flip(how * 7),
            7 => Self::Contrary,
            8 => Self::Fail([Transient, Timeout, Throttled, Denied, Rejected][how % 5]),
            _ => Self::None,
        }
    }
}

/// The entry that a lie makes of what was found.
pub(super) fn forged(lie: Lie, found: Option<Bytes>) -> Option<Bytes> {
    if lie == Lie::Flood {
        let mut flood = b"\xC1bc\x01".to_vec();
        flood.resize(FLOOD, 0);
        return Some(flood.into());
    }
    let mut entry = found?.to_vec();
    match lie {
        Lie::Truncate(length) => entry.truncate(length),
        Lie::Extend(more) => entry.resize(entry.len() + more, 0),
        Lie::Flip(bit) if !entry.is_empty() => {
            let bit = bit % (entry.len() * 8);
            entry[bit / 8] ^= 1 << (bit % 8);
        }
        _ => {}
    }
    Some(entry.into())
}

/// Numbers from a seed: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// None in about every second case. A flood is rare, since it takes its time.
    pub(super) fn lie(&mut self) -> Lie {
        match self.below(400) {
            0..40 => Lie::Lose,
            40..60 => Lie::Delay,
            60..90 => Lie::Replay(self.below(8)),
            90..120 => Lie::Swap(self.below(32)),
            120..130 => Lie::Truncate(self.below(300)),
            130..140 => Lie::Extend(1 + self.below(300)),
            140..160 => Lie::Flip(self.below(1 << 20)),
            160..180 => Lie::Contrary,
            180..190 => Lie::Dawdle(Duration::from_millis(self.below(5_000) as u64)),
            190..199 => Lie::Fail([Transient, Timeout, Throttled, Denied, Rejected][self.below(5)]),
            199 => Lie::Flood,
            _ => Lie::None,
        }
    }
}

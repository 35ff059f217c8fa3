//! How much of a value's length a store may learn.

use crate::error::SettingError;

/// The shortest inner part that Padmé leaves: FORMAT.md, "Entry".
const FLOOR: u64 = 64;
/// The largest bucket of [`Padding::Fixed`] in bytes: 16 MiB.
const MAX_BUCKET: u32 = 16 * 1024 * 1024;

/// How an entry is padded before it is encrypted. A reader accepts any padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Padding {
    /// Padmé (Nikitin et al., PETS 2019, algorithm 1): at most 12 % more, and only log log n bits of the length leak.
    #[default]
    Padme,
    /// None: the store learns the exact length.
    None,
    /// Up to a multiple of this many bytes, 1 to 16,777,216.
    Fixed(u32),
}

impl Padding {
    /// What adds most: a reader reckons with it.
    pub(crate) const LARGEST: Self = Self::Fixed(MAX_BUCKET);

    /// The padded length of an inner part of `length` bytes, which stands in the entry beside 80 bytes.
    pub fn padded(self, length: u64) -> u64 {
        match self {
            Self::Padme => padme(length.max(FLOOR)),
            Self::None => length,
            Self::Fixed(bucket) => length.checked_next_multiple_of(u64::from(bucket)).unwrap_or(length),
        }
    }

    pub(crate) fn checked(self) -> Result<Self, SettingError> {
        match self {
            Self::Fixed(bucket) if !(1..=MAX_BUCKET).contains(&bucket) => Err(SettingError::Padding),
            Self::Padme | Self::None | Self::Fixed(_) => Ok(self),
        }
    }
}

/// Rounds up so that the last E - S bits are zero: E = floor(log2 n), S = floor(log2 E) + 1.
fn padme(length: u64) -> u64 {
    let exponent = length.ilog2();
    let kept = exponent.ilog2() + 1;
    let mask = (1_u64 << (exponent - kept)) - 1;
    length.checked_add(mask).map_or(length, |sum| sum & !mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padme_adds_at_most_12_percent_above_its_floor() {
        for length in (64..10_000).chain((1..=1000).map(|step| step * 4_294_967)) {
            let padded = Padding::Padme.padded(length);
            assert!(
                padded >= length && (padded - length) as f64 <= 0.12 * length as f64,
                "{length}: {padded}"
            );
        }
    }

    #[test]
    fn padme_never_pads_below_its_floor() {
        assert!((0..=64).all(|length| Padding::Padme.padded(length) == 64));
        assert_eq!(Padding::Padme.padded(65), 72);
    }

    #[test]
    fn a_bucket_rounds_up_to_its_multiple() {
        let padded = [0, 1, 99, 100, 101].map(|length| Padding::Fixed(100).padded(length));
        assert_eq!(padded, [0, 100, 100, 100, 200]);
    }

    #[test]
    fn no_padding_keeps_the_length() {
        assert_eq!(Padding::None.padded(12_345), 12_345);
    }

    #[test]
    fn no_length_overflows() {
        for padding in [Padding::Padme, Padding::None, Padding::Fixed(3)] {
            assert!(padding.padded(u64::MAX) >= u64::MAX - 1);
        }
    }

    #[test]
    fn a_bucket_has_1_byte_to_16_mib() {
        for (bucket, fits) in
            [(0, false), (1, true), (2, true), (16_777_215, true), (16_777_216, true), (16_777_217, false)]
        {
            assert_eq!(Padding::Fixed(bucket).checked().is_ok(), fits, "{bucket}");
        }
    }
}

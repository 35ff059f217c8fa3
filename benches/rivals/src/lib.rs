//! Comparisons only: see `benches/`.

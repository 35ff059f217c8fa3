//! The cache on top of the boundary.

#[allow(dead_code, unused_imports)] // until the cache on top uses it
mod flight;

//! For the fuzz target `redis`.

use redis::Value;

use super::{
    map::{self, Endpoint, Map},
    redirect::Redirect,
    slot::SLOTS,
};
use crate::backend::redis::{
    access::Access,
    error::Failure,
    link::{Limits, Link},
};

/// Most ranges that a map is made of here: a link for each takes its time.
const RANGES: usize = 8;

/// An answer as one to `CLUSTER SLOTS`, and as a redirection.
pub(crate) fn reply(reply: &Value) {
    match Redirect::read(reply, "here") {
        Some(Redirect::Moved(node) | Redirect::Ask(node)) => check(&node),
        Some(Redirect::TryAgain) | None => {}
    }
    let Ok(ranges) = map::parse(reply.clone(), "here") else { return };
    for range in &ranges {
        check(&range.master);
        assert!(range.first < SLOTS && range.last < SLOTS);
    }
    let Ok((_, access)) = Access::parse("redis://here", || Err(Failure::setting("TLS"))) else { return };
    let ends: Vec<_> = ranges.iter().take(RANGES).flat_map(|range| [range.first, range.last]).collect();
    let link =
        |(host, port): &Endpoint| Some(Link::new(access.at(host.clone(), *port).ok()?, Limits::default()));
    let ranges = ranges.into_iter().take(RANGES).filter_map(|range| {
        let link = link(&range.master)?;
        Some((range, link))
    });
    let map = Map::new(ranges.collect());
    let nodes = map.nodes();
    for slot in ends.into_iter().chain([0, SLOTS - 1]) {
        let node = map.node(slot);
        assert!(node.is_none_or(|node| nodes.iter().any(|known| known.is(node))), "a node of no range");
    }
}

fn check((host, port): &Endpoint) {
    assert!(!host.is_empty() && host != "?" && *port > 0, "no node");
}

//! The nodes that are known, and how they are asked for the map.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use redis::Value;

use super::map::{Endpoint, Map, parse};
use crate::backend::redis::{
    access::Access,
    command::Command,
    error::Failure,
    link::{Limits, Link, left},
    request::Request,
    shared::Source,
    target::Target,
};

/// Most nodes that are known at a time: twice as many as a cluster can have.
const MAX_NODES: usize = 2_048;
/// Most bytes of a map: each slot by itself, on a node with a few replicas.
const MAP: u64 = 16 * 1024 * 1024;
/// Which part of the time for a new map one node may take at least, while there are others to ask.
const SHARES: usize = 3;

/// The seeds, and the nodes that were learnt from them.
pub(super) struct Nodes {
    /// How to get in to each node.
    access: Access,
    limits: Limits,
    seeds: Vec<Endpoint>,
    links: Mutex<HashMap<Endpoint, Link>>,
}

impl Source for Nodes {
    type Made = Map;

    fn limit(&self) -> Duration {
        self.limits.connect + self.limits.response
    }

    /// Asks one node after the other.
    async fn make(&self) -> Result<Map, Failure> {
        let deadline = Instant::now() + self.limit();
        let candidates = self.candidates();
        let mut why = None;
        for (asked, link) in candidates.iter().enumerate() {
            let share = left(deadline) / (candidates.len() - asked).min(SHARES) as u32;
            match self.ask(link, Instant::now() + share).await {
                Ok(map) => return Ok(map),
                Err(failure) => why = Some(Failure::more_telling(why, failure)),
            }
        }
        Err(why.unwrap_or_else(Failure::no_connection))
    }

    fn works(_: &Map) -> bool {
        true
    }
}

impl Nodes {
    pub(super) fn new(seeds: Vec<Target>, limits: Limits) -> Result<Self, Failure> {
        let access = match seeds.first() {
            Some(first) => first.access.clone(),
            None => return Err(Failure::setting("no seeds")),
        };
        if !seeds.iter().all(|seed| seed.access.is_like(&access)) {
            return Err(Failure::setting("seeds that differ in more than host and port"));
        }
        if access.db != 0 {
            return Err(Failure::setting("a cluster has only database 0"));
        }
        let mut links = HashMap::new();
        let mut endpoints = Vec::new();
        for seed in seeds {
            let (host, port) =
                seed.endpoint().ok_or_else(|| Failure::setting("a seed is a host and a port"))?;
            let endpoint = (host.to_owned(), port);
            endpoints.push(endpoint.clone());
            links.insert(endpoint, Link::new(seed, limits));
        }
        Ok(Self { access, limits, seeds: endpoints, links: Mutex::new(links) })
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    pub(super) fn seeds(&self) -> Vec<Link> {
        let links = self.links();
        self.seeds.iter().filter_map(|seed| links.get(seed)).cloned().collect()
    }

    /// The node there, whether it was known before or not.
    pub(super) fn at(&self, endpoint: Endpoint) -> Result<Link, Failure> {
        let mut links = self.links();
        if let Some(link) = links.get(&endpoint) {
            return Ok(link.clone());
        }
        if links.len() >= MAX_NODES {
            return Err(Failure::astray());
        }
        let (host, port) = endpoint.clone();
        let link = Link::new(self.access.at(host, port)?, self.limits);
        links.insert(endpoint, link.clone());
        Ok(link)
    }

    /// Those with a connection first, in random order.
    fn candidates(&self) -> Vec<Link> {
        let mut candidates: Vec<Link> = self.links().values().cloned().collect();
        candidates.sort_by_cached_key(|link| (!link.is_connected(), getrandom::u32().unwrap_or_default()));
        candidates
    }

    async fn ask(&self, link: &Link, deadline: Instant) -> Result<Map, Failure> {
        let request = Request::one(Command::of_words(&["CLUSTER", "SLOTS"], MAP));
        let answer = link.exchange(&request, deadline).await?;
        if let Value::ServerError(err) = &answer {
            return Err(Failure::no_cluster(err));
        }
        let host = link.target().endpoint().map_or("", |(host, _)| host);
        let ranges = parse(answer, host)?;
        if ranges.is_empty() {
            return Err(Failure::unserved()); // it left the cluster, or is not in it yet
        }
        let masters: HashSet<Endpoint> = ranges.iter().map(|range| range.master.clone()).collect();
        self.keep(&masters);
        let ranges = ranges.into_iter().map(|range| Ok((self.at(range.master.clone())?, range)));
        let ranges: Result<Vec<_>, Failure> =
            ranges.map(|it| it.map(|(link, range)| (range, link))).collect();
        Ok(Map::new(ranges?))
    }

    /// Forgets all others but the seeds, which are known for when no node is left.
    fn keep(&self, masters: &HashSet<Endpoint>) {
        self.links().retain(|endpoint, link| {
            let is_seed = self.seeds.contains(endpoint);
            if is_seed && !masters.contains(endpoint) {
                link.rest();
            }
            is_seed || masters.contains(endpoint)
        });
    }

    fn links(&self) -> MutexGuard<'_, HashMap<Endpoint, Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(urls: &[&str]) -> Result<Nodes, Failure> {
        let target = |url: &&str| Target::parse(url, || unreachable!());
        Nodes::new(urls.iter().map(|url| target(url).unwrap()).collect(), Limits::default())
    }

    #[test]
    fn seeds_differ_in_host_and_port_only() {
        assert!(nodes(&["redis://u:p@a", "redis://u:p@b:7000/0"]).is_ok());
        for urls in [
            &[][..],
            &["redis://u:p@a", "redis://u:other@b"],
            &["redis://u:p@a", "redis://other:p@b"],
            &["redis://a", "redis://b?protocol=resp3"],
            &["redis://a/1"],
            &["unix:/run/redis.sock"],
        ] {
            assert!(nodes(urls).is_err(), "{urls:?}");
        }
    }

    #[test]
    fn node_is_one_link_however_it_is_found() {
        let nodes = nodes(&["redis://a:1", "redis://b:2"]).unwrap();
        let at = |host: &str, port| nodes.at((host.into(), port)).unwrap();
        assert!(at("a", 1).is(&nodes.seeds()[0]));
        assert!(at("c", 3).is(&at("c", 3)));
        assert!(!at("c", 3).is(&at("c", 4)));
        nodes.keep(&HashSet::from([("c".into(), 4)]));
        assert_eq!(nodes.links().len(), 3); // the seeds, and it
    }

    #[test]
    fn no_more_nodes_are_known_than_a_cluster_can_have() {
        let nodes = nodes(&["redis://a:1"]).unwrap();
        for port in 2..=MAX_NODES as u16 {
            nodes.at(("a".into(), port)).unwrap();
        }
        assert!(nodes.at(("b".into(), 1)).is_err());
        assert!(nodes.at(("a".into(), 7)).is_ok());
    }
}

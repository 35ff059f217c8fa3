//! Which node serves which slots, as a node says it.

use std::{collections::BTreeMap, time::Instant};

use redis::Value;

use super::slot::SLOTS;
use crate::backend::redis::{error::Failure, link::Link};

/// A host and a port.
pub(super) type Endpoint = (String, u16);

/// The node for each slot that is served.
pub(super) struct Map {
    pub(super) since: Instant,
    /// By the last slot of a range: its first one, and who serves it.
    ranges: BTreeMap<u16, (u16, Link)>,
}

impl Map {
    pub(super) fn new(ranges: Vec<(Range, Link)>) -> Self {
        let ranges = ranges.into_iter().map(|(range, link)| (range.last, (range.first, link))).collect();
        Self { since: Instant::now(), ranges }
    }

    pub(super) fn node(&self, slot: u16) -> Option<&Link> {
        let (_, (first, link)) = self.ranges.range(slot..).next()?;
        (*first <= slot).then_some(link)
    }

    /// Each node once.
    pub(super) fn nodes(&self) -> Vec<Link> {
        let mut nodes: Vec<Link> = Vec::new();
        for (_, link) in self.ranges.values() {
            if !nodes.iter().any(|node| node.is(link)) {
                nodes.push(link.clone());
            }
        }
        nodes
    }
}

/// Slots that one master serves, both ends included.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) master: Endpoint,
}

/// The answer to `CLUSTER SLOTS` of the node at `host`. Ranges whose master is not known are left out.
pub(super) fn parse(answer: Value, host: &str) -> Result<Vec<Range>, Failure> {
    let Value::Array(ranges) = answer else {
        return Err(Failure::unexpected());
    };
    let mut parsed = Vec::with_capacity(ranges.len());
    for range in ranges {
        let Value::Array(parts) = range else {
            return Err(Failure::unexpected());
        };
        let [first, last, master, ..] = &*parts else {
            return Err(Failure::unexpected());
        };
        let (first, last) = (slot_of(first)?, slot_of(last)?);
        if let Some(master) = endpoint(master, host)? {
            parsed.push(Range { first, last, master });
        }
    }
    Ok(parsed)
}

fn slot_of(value: &Value) -> Result<u16, Failure> {
    match value {
        Value::Int(slot @ 0..) if *slot < i64::from(SLOTS) => Ok(*slot as u16),
        _ => Err(Failure::unexpected()),
    }
}

/// `None` where the node does not know it, and says `?`. Without a host it is that of the node which answers.
fn endpoint(node: &Value, host: &str) -> Result<Option<Endpoint>, Failure> {
    let Value::Array(parts) = node else {
        return Err(Failure::unexpected());
    };
    let [name, Value::Int(port), ..] = &**parts else {
        return Err(Failure::unexpected());
    };
    let port = u16::try_from(*port).map_err(|_| Failure::unexpected())?;
    let name = match name {
        Value::Nil => "",
        Value::BulkString(name) => std::str::from_utf8(name).map_err(|_| Failure::unexpected())?,
        _ => return Err(Failure::unexpected()),
    };
    Ok(resolve(name, port, host))
}

/// Where a node is that another, at `host`, names so.
pub(super) fn resolve(name: &str, port: u16, host: &str) -> Option<Endpoint> {
    match name {
        _ if port == 0 => None,
        "?" => None,
        "" => Some((host.to_owned(), port)),
        name => Some((name.to_owned(), port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::redis::{access::Access, link::Limits};

    fn read(answer: &str) -> Result<Vec<Range>, Failure> {
        parse(redis::parse_redis_value(answer.as_bytes()).unwrap(), "seed")
    }

    fn range(first: u16, last: u16, host: &str, port: u16) -> Range {
        Range { first, last, master: (host.into(), port) }
    }

    #[test]
    fn ranges_and_their_masters_are_read() {
        let node = |host: &str| format!("*3\r\n{host}\r\n:7001\r\n$1\r\nx\r\n");
        for (host, expected) in [("$1\r\na", "a"), ("$0\r\n", "seed"), ("$-1", "seed")] {
            let replicas = node("$7\r\nreplica");
            let answer = format!("*1\r\n*4\r\n:0\r\n:16383\r\n{}{replicas}", node(host));
            assert_eq!(read(&answer).unwrap(), [range(0, 16383, expected, 7001)]);
        }
        assert!(read(&format!("*1\r\n*3\r\n:0\r\n:9\r\n{}", node("$1\r\n?"))).unwrap().is_empty());
        assert!(read("*0\r\n").unwrap().is_empty());
    }

    #[test]
    fn anything_else_is_unexpected() {
        for answer in [
            "+OK\r\n",
            ":1\r\n",
            "*1\r\n:1\r\n",
            "*1\r\n*2\r\n:0\r\n:1\r\n",
            "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
            "*1\r\n*3\r\n:-1\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
            "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:65536\r\n",
            "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\n\u{7f}\r\n$1\r\na\r\n",
            "*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\na\r\n",
        ] {
            assert!(read(answer).is_err(), "{answer}");
        }
    }

    #[test]
    fn each_slot_has_the_node_of_its_range() {
        let tls = || unreachable!();
        let (_, access) = Access::parse("redis://seed", tls).unwrap();
        let link = |port| Link::new(access.at("host".into(), port).unwrap(), Limits::default());
        let (one, two) = (link(1), link(2));
        let map = Map::new(vec![
            (range(0, 99, "host", 1), one.clone()),
            (range(200, 200, "host", 2), two.clone()),
            (range(201, 16383, "host", 1), one.clone()),
        ]);
        for (slot, node) in [
            (0, Some(&one)),
            (99, Some(&one)),
            (100, None),
            (199, None),
            (200, Some(&two)),
            (201, Some(&one)),
            (16383, Some(&one)),
        ] {
            assert_eq!(
                map.node(slot).map(Link::target).map(|it| format!("{it:?}")),
                node.map(Link::target).map(|it| format!("{it:?}")),
                "{slot}"
            );
        }
        assert_eq!(map.nodes().len(), 2);
    }
}

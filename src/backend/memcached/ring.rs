//! Which server keeps a name: consistent hashing.

/// Points of each server on the ring: with this many the shares of servers differ by a tenth or so.
const POINTS: usize = 160;

/// The mapping is ours, not that of another client, and stable: points and names stand at their [`hash`], and a name
/// belongs to the first point at or after it, or to the first of all. Point `i` of a server is the hash of
/// `{server}#{i}`, where the server is `host:port` with the host in lower case, or the path of its socket. So the order in
/// which servers are listed does not matter, and one more server takes its share from the others and moves nothing else.
pub(super) struct Ring(Vec<(u64, usize)>);

impl Ring {
    /// Of at least one server; they are numbered from 0 in this order.
    pub(super) fn new<'a>(servers: impl Iterator<Item = &'a str>) -> Self {
        let mut points: Vec<_> = servers
            .enumerate()
            .flat_map(|(number, server)| {
                (0..POINTS).map(move |at| (hash(format!("{server}#{at}").as_bytes()), server, number))
            })
            .collect();
        // Equal points, should there ever be any, stand in the order of the names.
        points.sort_unstable();
        Self(points.into_iter().map(|(point, _, number)| (point, number)).collect())
    }

    /// The number of the server.
    pub(super) fn server(&self, name: &str) -> usize {
        let hash = hash(name.as_bytes());
        let at = self.0.partition_point(|(point, _)| *point < hash);
        self.0.get(at).or(self.0.first()).map_or(0, |(_, server)| *server)
    }
}

/// FNV-1a of 64 bits, and behind it the finalizer of MurmurHash3, without which texts that differ at the end alone stand
/// close together.
fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: usize = 20_000;

    fn names() -> impl Iterator<Item = String> {
        (0..NAMES).map(|number| format!("b1.{number:052}"))
    }

    fn servers(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("cache-{number}.internal:11211")).collect()
    }

    fn ring(servers: &[String]) -> Ring {
        Ring::new(servers.iter().map(String::as_str))
    }

    /// What this says of a version holds in every later one: else an upgrade would lose the cache.
    #[test]
    fn mapping_is_stable() {
        assert_eq!(hash(b""), 0xEFD0_1F60_BA99_2926);
        assert_eq!(hash(b"cache-0.internal:11211#0"), 0x9087_0DA5_CC31_2A39);
        let ring = ring(&servers(4));
        let first: Vec<_> = names().take(16).map(|name| ring.server(&name)).collect();
        assert_eq!(first, [3, 2, 3, 0, 3, 3, 2, 1, 3, 3, 3, 2, 1, 2, 3, 2]);
        // Behind the last point comes the first.
        assert_eq!(ring.server(&names().nth(139).unwrap()), 1);
    }

    #[test]
    fn shares_are_about_equal() {
        for count in [1, 2, 3, 10] {
            let ring = ring(&servers(count));
            let mut shares = vec![0; count];
            names().for_each(|name| shares[ring.server(&name)] += 1);
            let fair = NAMES / count;
            assert!(
                shares.iter().all(|share| (fair * 7 / 10..=fair * 13 / 10).contains(share)),
                "{shares:?}"
            );
        }
    }

    #[test]
    fn one_more_server_takes_its_share_and_moves_nothing_else() {
        for count in [1, 3, 9] {
            let (before, after) = (ring(&servers(count)), ring(&servers(count + 1)));
            let moved: Vec<_> = names()
                .map(|name| (before.server(&name), after.server(&name)))
                .filter(|(before, after)| before != after)
                .collect();
            assert!(moved.iter().all(|(_, after)| *after == count));
            let fair = NAMES / (count + 1);
            assert!((fair * 7 / 10..=fair * 13 / 10).contains(&moved.len()), "{count}: {}", moved.len());
        }
    }

    #[test]
    fn order_of_the_list_does_not_matter() {
        let (mut listed, given) = (servers(5), servers(5));
        let one = ring(&given);
        listed.reverse();
        let other = ring(&listed);
        assert!(names().all(|name| given[one.server(&name)] == listed[other.server(&name)]));
    }
}

//! A real Redis Cluster of one test.

use blindcache::{RedisBackend, RedisBuilder, StoreKey, conformance::Expiry};
use redis::Value;

use crate::{LIMIT, Options, Remote, Server, Store, process::free_port, until_so};

/// How many slots a cluster has.
pub const SLOTS: usize = 16_384;
/// Masters of a cluster.
pub const MASTERS: usize = 3;

/// Three masters that serve the slots, and a replica of each where there are six nodes. Killed when dropped.
pub struct Cluster {
    pub nodes: Vec<Server>,
    /// Nodes that are down.
    down: Vec<usize>,
}

impl Cluster {
    /// Three masters.
    pub async fn three() -> Self {
        Self::of(MASTERS, MASTERS, Options::default).await
    }

    /// Three masters, and three replicas that take their places.
    pub async fn six() -> Self {
        Self::of(2 * MASTERS, MASTERS, Options::default).await
    }

    /// So many nodes, the first few of them masters.
    pub async fn of(nodes: usize, masters: usize, options: impl Fn() -> Options) -> Self {
        let node = |_| node(options());
        let cluster = Self { nodes: (0..nodes).map(node).collect(), down: Vec::new() };
        for (at, node) in cluster.nodes.iter().enumerate() {
            let _: () = node.admin(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
            if at < masters {
                let (first, last) = (at * SLOTS / masters, (at + 1) * SLOTS / masters - 1);
                let _: () = node.admin(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
            }
            if at > 0 {
                cluster.nodes[0].meet(node);
            }
        }
        until_so("the nodes meet", || cluster.nodes.iter().all(|node| node.known() == nodes)).await;
        for at in masters..nodes {
            let _: () =
                cluster.nodes[at].admin(&["CLUSTER", "REPLICATE", &cluster.nodes[at - masters].node_id()]);
        }
        cluster.settled().await;
        cluster
    }

    /// Waits until every node that is up says that all is well, and the same about who serves what.
    pub async fn settled(&self) {
        let up =
            || self.nodes.iter().enumerate().filter(|(at, _)| !self.down.contains(at)).map(|(_, node)| node);
        until_so("the cluster settles", || {
            let masters: Vec<_> = up().map(Server::masters).collect();
            let replicas = up()
                .filter(|node| node.role() == "slave")
                .all(|node| node.admin::<String>(&["INFO", "replication"]).contains("master_link_status:up"));
            let agree =
                masters.iter().all(|map| map.len() >= MASTERS.min(self.nodes.len()) && *map == masters[0]);
            agree && replicas && up().all(|node| node.is_well())
        })
        .await;
    }

    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }

    /// A backend that knows the first few nodes, with the short limits of the fault tests.
    pub fn impatient(&self) -> RedisBackend {
        short(RedisBackend::cluster_builder(self.urls())).build().unwrap()
    }

    /// The node that serves the slot of a name, by what the nodes that are up say.
    pub fn master_of(&self, key: &StoreKey) -> usize {
        let at = (0..self.nodes.len()).find(|at| !self.down.contains(at)).unwrap();
        let slot = slot_of(&self.nodes[at], key) as u16;
        let masters = self.nodes[at].masters();
        let (.., port) = masters.iter().find(|(first, last, _)| (*first..=*last).contains(&slot)).unwrap();
        self.nodes.iter().position(|node| node.port == *port || node.tls_port == *port).unwrap()
    }

    pub fn kill(&mut self, at: usize) {
        self.nodes[at].stop();
        self.down.push(at);
    }

    pub fn bring_back(&mut self, at: usize) {
        self.nodes[at].start_again();
        self.down.retain(|down| *down != at);
    }

    /// Moves a slot with all that is in it, as `redis-cli --cluster reshard` does. Between the steps `between` is called.
    pub async fn move_slot(&self, slot: usize, from: usize, to: usize, between: impl AsyncFn()) {
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let (text, source_id, target_id) = (slot.to_string(), source.node_id(), target.node_id());
        let _: () = target.admin(&["CLUSTER", "SETSLOT", &text, "IMPORTING", &source_id]);
        let _: () = source.admin(&["CLUSTER", "SETSLOT", &text, "MIGRATING", &target_id]);
        loop {
            between().await;
            let names: Vec<String> = source.admin(&["CLUSTER", "GETKEYSINSLOT", &text, "1"]);
            let Some(name) = names.first() else { break };
            let port = target.port.to_string();
            let _: String = source.admin(&["MIGRATE", "127.0.0.1", &port, name, "0", "5000", "REPLACE"]);
        }
        between().await;
        for node in [target, source] {
            let _: () = node.admin(&["CLUSTER", "SETSLOT", &text, "NODE", &target_id]);
        }
    }
}

/// The slot of a name, by the server's own reckoning.
pub fn slot_of(server: &Server, key: &StoreKey) -> usize {
    server.admin(&["CLUSTER", "KEYSLOT", key.as_str()])
}

/// The short limits of the fault tests.
pub fn short(builder: RedisBuilder) -> RedisBuilder {
    builder.connect_timeout(LIMIT).response_timeout(LIMIT)
}

/// A node that belongs to no cluster yet.
pub fn node(options: Options) -> Server {
    let config = format!(
        "cluster-enabled yes\ncluster-port {}\ncluster-node-timeout 1500\ncluster-replica-validity-factor 0\n\
         repl-diskless-sync-delay 0\n{}",
        free_port(),
        options.config
    );
    Server::with(Options { config, ..options })
}

/// What a node says.
impl Server {
    fn meet(&self, other: &Server) {
        let bus: Vec<String> = other.admin(&["CONFIG", "GET", "cluster-port"]);
        let tls: Vec<String> = other.admin(&["CONFIG", "GET", "tls-cluster"]);
        let port = if tls[1] == "yes" { other.tls_port } else { other.port };
        let _: () = self.admin(&["CLUSTER", "MEET", "127.0.0.1", &port.to_string(), &bus[1]]);
    }

    pub fn node_id(&self) -> String {
        self.admin(&["CLUSTER", "MYID"])
    }

    fn known(&self) -> usize {
        self.admin::<String>(&["CLUSTER", "NODES"]).lines().filter(|line| !line.contains("handshake")).count()
    }

    fn is_well(&self) -> bool {
        self.admin::<String>(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
    }

    /// Whether it says that a master is at this port.
    pub fn knows(&self, port: u16) -> bool {
        self.masters().iter().any(|(.., master)| *master == port)
    }

    pub fn role(&self) -> String {
        let role: Vec<Value> = self.admin(&["ROLE"]);
        redis::from_redis_value(role[0].clone()).unwrap()
    }

    /// First and last slot of each range, and the port of its master.
    fn masters(&self) -> Vec<(u16, u16, u16)> {
        let ranges: Vec<Vec<Value>> = self.admin(&["CLUSTER", "SLOTS"]);
        let number = |value: &Value| redis::from_redis_value::<u16>(value.clone()).unwrap();
        let port = |node: &Value| match node {
            Value::Array(node) => number(&node[1]),
            _ => panic!("no node"),
        };
        let mut masters: Vec<_> =
            ranges.iter().map(|range| (number(&range[0]), number(&range[1]), port(&range[2]))).collect();
        masters.sort_unstable();
        masters
    }
}

impl Store for Cluster {
    type Backend = RedisBackend;

    const NAME: &'static str = "redis";
    const EXPIRY: Expiry = Expiry::Exact;

    async fn start() -> Self {
        Self::six().await
    }

    fn backend(&self) -> RedisBackend {
        RedisBackend::cluster(&self.urls()[..2]).unwrap()
    }

    async fn contents(&self) -> Vec<u8> {
        let mut contents = Vec::new();
        for node in &self.nodes[..MASTERS] {
            contents.extend(Store::contents(node).await);
        }
        contents
    }
}

/// Stopped, it lacks the master of the first slot, whose place a replica takes; started, it has it back as a replica.
impl Remote for Cluster {
    fn port(&self) -> u16 {
        self.nodes[0].port
    }

    fn impatient(&self, port: u16) -> RedisBackend {
        let seeds = [format!("redis://127.0.0.1:{port}"), self.nodes[1].url()];
        short(RedisBackend::cluster_builder(seeds)).build().unwrap()
    }

    async fn stop(&mut self) {
        let (.., port) = self.nodes[1].masters()[0];
        let first = self.nodes.iter().position(|node| node.port == port).unwrap();
        self.kill(first);
    }

    async fn start_again(&mut self) {
        self.settled().await; // a replica has taken its place
        for at in self.down.clone() {
            assert!(self.nodes.iter().all(|node| !node.is_up() || !node.knows(self.nodes[at].port)));
            self.bring_back(at);
        }
        self.settled().await;
    }
}

/// A cluster of one node, so that a proxy stands before all of it: it announces the proxy's port as its own.
pub struct Lone(pub Server);

impl Store for Lone {
    type Backend = RedisBackend;

    const NAME: &'static str = "redis";
    const EXPIRY: Expiry = Expiry::Exact;

    async fn start() -> Self {
        let node = node(Options::default());
        let _: () = node.admin(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
        until_so("the node is well", || node.is_well()).await;
        Self(node)
    }

    fn backend(&self) -> RedisBackend {
        RedisBackend::cluster([self.0.url()]).unwrap()
    }

    async fn contents(&self) -> Vec<u8> {
        Store::contents(&self.0).await
    }
}

impl Remote for Lone {
    fn port(&self) -> u16 {
        self.0.port
    }

    fn impatient(&self, port: u16) -> RedisBackend {
        announce(&self.0, port);
        short(RedisBackend::cluster_builder([format!("redis://127.0.0.1:{port}")])).build().unwrap()
    }

    async fn stop(&mut self) {
        self.0.stop();
    }

    async fn start_again(&mut self) {
        self.0.start_again();
    }
}

/// Has a node say that it is at this port, a proxy's.
pub fn announce(node: &Server, port: u16) {
    let _: () = node.admin(&["CONFIG", "SET", "cluster-announce-port", &port.to_string()]);
}

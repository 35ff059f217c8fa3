//! Redis Cluster: which node a name is on, and the way there when that changes.

#[cfg(feature = "testing")]
pub(super) mod fuzz;
mod map;
mod nodes;
mod order;
mod redirect;
mod slot;

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use redis::Value;
use tokio::time::sleep;

use self::{
    map::Map,
    nodes::Nodes,
    order::{Group, Order},
};
use super::{
    RedisBackend, RedisBuilder,
    answer::pong,
    command::Command,
    error::Failure,
    link::{Limits, Link, left},
    request::{Request, answered_within},
    shared::Shared,
    target::Target,
};
use crate::{crypto::StoreKey, error::BackendError};

/// How often a command is sent at most, while nodes point elsewhere.
const ROUNDS: usize = 8;
/// The pause before a command is sent that a node does not want yet; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// How old a map is at least when a newer one is asked for.
const RENEWED_AFTER: Duration = Duration::from_millis(100);

/// Redis Cluster.
///
/// The first call asks a seed which node serves which names, and each node gets a connection when it is first needed. All
/// that is said of [one server](Self) holds of each node: its limits, its connection and how that is replaced, what it may
/// send. A node that is down or hangs takes no part in calls to the others.
///
/// - A node that no longer serves a name says who does (`MOVED`, `ASK`): the call goes on there, within its limits, and
///   what was learnt is asked for anew, at most ten times a second. Slots can be moved under load without an error.
/// - When a node is out of reach, the others are asked who took its place. While nobody has, calls to its names fail within
///   their limits, and they succeed again by themselves about as soon as the cluster agrees on a new master; so they do
///   after `CLUSTERDOWN`.
/// - A batch goes to all of its nodes at once, as one request for each, with a command of its own for each name: up to 512
///   names, or 4 MiB of entries, at a time. If a node fails, the batch does, and other nodes may have done their part.
/// - [`ping`](crate::Backend::ping) asks each node that serves names, and fails if one of them does not answer.
///
/// Reads go to the masters only. What was written last before a failover may be lost with the old master, or come back as
/// it was before: Redis replicates after it answers.
///
/// Nodes are found at the addresses that they announce, which must be reachable from here, and over TLS be what their
/// certificates say. Each node gets the login: who answers for the cluster, or says where a name went, decides where it
/// is sent. TLS keeps that to servers with a certificate: use [a CA of your own](RedisBuilder::ca_certificates), since
/// with the system's any server with a public certificate for the name that it is called by would do.
impl RedisBackend {
    /// The cluster that these nodes belong to, with the limits of 1 s. Nothing is connected yet.
    ///
    /// The nodes are `redis://` or `rediss://` [URLs](Self::new), one or better several, that differ in host and port
    /// only. A cluster has only database 0.
    ///
    /// ```
    /// # fn example() -> Result<(), blindcache::BackendError> {
    /// use blindcache::RedisBackend;
    ///
    /// let redis = RedisBackend::cluster(["redis://a.example:7000", "redis://b.example:7000"])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) if there are no nodes, a URL is none of these or another
    /// than the others, or the system has no CA certificates where TLS is asked for. No URL is echoed.
    pub fn cluster(nodes: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, BackendError> {
        Self::cluster_builder(nodes).build()
    }

    /// The same, with settings.
    pub fn cluster_builder(nodes: impl IntoIterator<Item = impl AsRef<str>>) -> RedisBuilder {
        RedisBuilder::cluster(nodes)
    }

    /// The same, where the nodes are those of clients of yours: their addresses and logins, over connections of this
    /// backend's own.
    pub fn cluster_builder_from_clients(nodes: &[redis::Client]) -> RedisBuilder {
        RedisBuilder::cluster_from_clients(nodes)
    }
}

/// A cluster. Clones share what is known of it, and its connections.
#[derive(Clone)]
pub(super) struct Cluster {
    maps: Arc<Shared<Nodes>>,
}

impl Cluster {
    pub(super) fn new(seeds: Vec<Target>, limits: Limits) -> Result<Self, Failure> {
        Ok(Self { maps: Arc::new(Shared::new(Nodes::new(seeds, limits)?)) })
    }

    pub(super) fn limits(&self) -> Limits {
        self.maps.source.limits()
    }

    /// The answer to a command about a name, not an error.
    pub(super) async fn call(&self, key: &StoreKey, command: Command) -> Result<Value, Failure> {
        let mut answers = self.run([(key, command)]).await?;
        answers.pop().ok_or_else(Failure::unexpected)
    }

    /// The answers to commands, each about a name: in their order, and none of them an error.
    ///
    /// Takes at most the connect limit and the response limit of all that is sent.
    pub(super) async fn run(
        &self,
        commands: impl IntoIterator<Item = (&StoreKey, Command)>,
    ) -> Result<Vec<Value>, Failure> {
        let commands = commands.into_iter().enumerate();
        let mut orders: Vec<Order> =
            commands.map(|(at, (key, command))| Order::new(at, slot::slot(key), command)).collect();
        let mut answers = vec![Value::Nil; orders.len()];
        let size = orders.iter().map(Order::size).sum();
        let limits = self.limits();
        let deadline = limits.deadline(answered_within(limits.response, size));

        let (mut map, _) = self.maps.get(left(deadline)).await?;
        for round in 0..ROUNDS {
            if round > 1 {
                sleep(FIRST_PAUSE.saturating_mul(1 << round).min(left(deadline))).await;
            }
            if left(deadline).is_zero() {
                break;
            }
            let done = self.round(orders, &map, deadline, &mut answers).await;
            let Open { again, lost } = done.inspect_err(|failure| self.learn_from(failure, &map))?;
            if again.is_empty() {
                return Ok(answers);
            }
            orders = again;
            map = self.newer(map, lost, deadline).await;
        }
        Err(Failure::astray())
    }

    /// Sends all orders, to all nodes at once.
    async fn round(
        &self,
        orders: Vec<Order>,
        map: &Map,
        deadline: Instant,
        answers: &mut [Value],
    ) -> Result<Open, Failure> {
        let groups = Group::of(orders, map)?;
        let outcomes = all(groups.iter().map(|group| group.send(deadline))).await;
        let find = |endpoint| self.maps.source.at(endpoint);
        let mut open = Open::default();
        for (group, outcome) in groups.iter().zip(outcomes) {
            match outcome {
                Ok(sent) => open.again.extend(group.judge(sent, find, |at, answer| answers[at] = answer)?),
                Err(failure) if failure.lost_connection() => {
                    open.lost = true;
                    open.again.extend(group.elsewhere(&failure));
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(open)
    }

    /// The map for the next round. Where a node was lost, only another map helps; where it pointed elsewhere, that does.
    async fn newer(&self, map: Arc<Map>, lost: bool, deadline: Instant) -> Arc<Map> {
        if !self.may_renew(&map) {
            return self.maps.current().unwrap_or(map);
        }
        if lost {
            return self.maps.renewed(&map, left(deadline)).await.unwrap_or(map);
        }
        self.maps.renew(&map);
        map
    }

    fn learn_from(&self, failure: &Failure, map: &Arc<Map>) {
        if failure.outdates_map() && self.may_renew(map) {
            self.maps.renew(map);
        }
    }

    fn may_renew(&self, map: &Map) -> bool {
        map.since.elapsed() >= RENEWED_AFTER
    }

    /// Whether every node that serves names answers.
    pub(super) async fn ping(&self) -> Result<(), Failure> {
        let limits = self.limits();
        let request = Request::one(Command::ping());
        let deadline = limits.deadline(request.limit(limits.response));
        let (map, _) = self.maps.get(left(deadline)).await?;
        let nodes = map.nodes();
        let answers = all(nodes.iter().map(|node| node.exchange(&request, deadline))).await;
        answers
            .into_iter()
            .try_for_each(|answer| {
                let answer = answer?;
                request.refusal(&answer).map_or_else(|| pong(&answer), Err)
            })
            .inspect_err(|failure| self.learn_from(failure, &map))
    }
}

/// What a round left to be done.
#[derive(Default)]
struct Open {
    again: Vec<Order>,
    /// Whether a node was out of reach.
    lost: bool,
}

/// What all of these give, which run side by side.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| (Some(Box::pin(future)), None)).collect();
    poll_fn(|context| {
        let mut pending = false;
        for (future, output) in &mut running {
            if let Some(run) = future {
                match Pin::new(run).poll(context) {
                    Poll::Ready(done) => (*future, *output) = (None, Some(done)),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seeds = self.maps.source.seeds();
        f.debug_list().entries(seeds.iter().map(Link::target)).finish()
    }
}

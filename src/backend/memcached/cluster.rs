//! All servers: each command goes to the one that keeps its name.

use std::{
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
};

use super::{
    address::Address,
    connection::Reply,
    error::Failure,
    request::{Command, Request},
    ring::Ring,
    server::{Limits, Server},
};

pub(super) struct Cluster {
    pub(super) servers: Vec<Arc<Server>>,
    ring: Ring,
    pub(super) limits: Limits,
}

/// Replies, each with the place of its command.
type Placed = Vec<(usize, Reply)>;

impl Cluster {
    pub(super) fn new(addresses: Vec<Address>, limits: Limits) -> Self {
        let ring = Ring::new(addresses.iter().map(|address| address.name.as_str()));
        let servers = addresses.into_iter().map(|address| Arc::new(Server::new(address, limits))).collect();
        Self { servers, ring, limits }
    }

    /// The answer to one command.
    pub(super) async fn one(&self, command: Command<'_>) -> Result<Reply, Failure> {
        let server = self.ring.server(command.key());
        let mut replies = self.servers[server].call(&Request::one(&command)).await?;
        replies.pop().ok_or_else(Failure::unexpected)
    }

    /// The answers to the commands, in order. All servers are asked at the same time; each does its part to the end or
    /// to its failure, whatever others do.
    pub(super) async fn many(&self, commands: Vec<Command<'_>>) -> Result<Vec<Reply>, Failure> {
        let count = commands.len();
        let mut parts: Vec<(Vec<usize>, Vec<Command<'_>>)> = Vec::new();
        parts.resize_with(self.servers.len(), Default::default);
        for (place, command) in commands.into_iter().enumerate() {
            let (places, part) = &mut parts[self.ring.server(command.key())];
            places.push(place);
            part.push(command);
        }
        let parts = self.servers.iter().zip(parts).filter(|(_, (places, _))| !places.is_empty());
        let outcomes =
            all(parts.map(|(server, (places, part))| part_of(server, places, part)).collect()).await;

        let mut placed = Vec::with_capacity(count);
        for outcome in outcomes {
            placed.extend(outcome?);
        }
        placed.sort_unstable_by_key(|(place, _)| *place);
        Ok(placed.into_iter().map(|(_, reply)| reply).collect())
    }

    /// Whether every server answers.
    pub(super) async fn ping(&self) -> Result<(), Failure> {
        let pings = self.servers.iter().map(async |server| server.call(&Request::one(&Command::Noop)).await);
        all(pings.collect()).await.into_iter().try_for_each(|outcome| outcome.map(drop))
    }
}

/// One server's part of a batch.
async fn part_of(
    server: &Arc<Server>,
    places: Vec<usize>,
    part: Vec<Command<'_>>,
) -> Result<Placed, Failure> {
    let mut replies = Vec::with_capacity(part.len());
    while let Some(request) = Request::first_of(&part[replies.len()..], server.max_bytes()) {
        replies.extend(server.call(&request).await?);
    }
    Ok(places.into_iter().zip(replies).collect())
}

/// What each future gives, in order; they run at the same time, and end with this one.
async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<_> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        let waiting = futures.iter_mut().zip(&mut outputs).filter(|(_, output)| output.is_none());
        for (future, output) in waiting {
            if let Poll::Ready(outcome) = future.as_mut().poll(context) {
                *output = Some(outcome);
            }
        }
        if outputs.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

//! Commands on their way: each to the node that serves its name, those to the same node as one request.

use std::time::Instant;

use redis::Value;

use super::{map::Map, redirect::Redirect};
use crate::backend::redis::{
    command::{Command, Scale},
    error::Failure,
    link::Link,
    request::Request,
};

/// A command, and where its answer goes.
pub(super) struct Order {
    command: Command,
    ticket: Ticket,
}

/// All of an order but the command.
pub(super) struct Ticket {
    /// Which answer of all it is.
    pub(super) at: usize,
    slot: u16,
    scale: Scale,
    way: Way,
}

enum Way {
    Map,
    /// Where a node pointed to; and whether that node must be told that it did.
    Pointed {
        link: Link,
        asking: bool,
    },
    /// By the map, but not to this node again, which failed so.
    Not(Link, Failure),
}

impl Order {
    pub(super) fn new(at: usize, slot: u16, command: Command) -> Self {
        Self { ticket: Ticket { at, slot, scale: command.scale, way: Way::Map }, command }
    }

    pub(super) fn size(&self) -> usize {
        self.ticket.scale.size
    }

    fn node(&self, map: &Map) -> Result<Link, Failure> {
        let node = || map.node(self.ticket.slot).ok_or_else(Failure::unserved);
        match &self.ticket.way {
            Way::Map => node().cloned(),
            Way::Pointed { link, .. } => Ok(link.clone()),
            Way::Not(link, failure) if node()?.is(link) => Err(failure.clone()),
            Way::Not(..) => node().cloned(),
        }
    }
}

impl Ticket {
    fn is_asking(&self) -> bool {
        matches!(self.way, Way::Pointed { asking: true, .. })
    }
}

/// The orders to one node.
pub(super) struct Group {
    pub(super) link: Link,
    request: Request,
    tickets: Vec<Ticket>,
}

impl Group {
    /// All orders, by their nodes.
    pub(super) fn of(orders: Vec<Order>, map: &Map) -> Result<Vec<Self>, Failure> {
        let mut nodes: Vec<(Link, Vec<Order>)> = Vec::new();
        for order in orders {
            let link = order.node(map)?;
            match nodes.iter_mut().find(|(node, _)| node.is(&link)) {
                Some((_, orders)) => orders.push(order),
                None => nodes.push((link, vec![order])),
            }
        }
        Ok(nodes.into_iter().map(|(link, orders)| Self::to(link, orders)).collect())
    }

    fn to(link: Link, orders: Vec<Order>) -> Self {
        let (mut commands, mut tickets) =
            (Vec::with_capacity(orders.len()), Vec::with_capacity(orders.len()));
        for Order { command, ticket } in orders {
            if ticket.is_asking() {
                commands.push(Command::of_words(&["ASKING"], 0));
            }
            commands.push(command);
            tickets.push(ticket);
        }
        Self { link, request: Request::of(commands), tickets }
    }

    /// The answers in the order of the tickets; each may be one of the node's errors.
    pub(super) async fn send(&self, deadline: Instant) -> Result<Vec<Value>, Failure> {
        let asking = self.tickets.iter().filter(|ticket| ticket.is_asking()).count();
        let answer = self.link.exchange(&self.request, deadline).await?;
        let mut answers = self.request.answers(answer, self.tickets.len() + asking)?.into_iter();
        let answer_to = |ticket: &Ticket| {
            if ticket.is_asking() {
                answers.next();
            }
            answers.next().ok_or_else(Failure::unexpected)
        };
        self.tickets.iter().map(answer_to).collect()
    }

    /// The orders that these answers leave open; the answers to the others go to `take`.
    pub(super) fn judge(
        &self,
        answers: Vec<Value>,
        find: impl Fn((String, u16)) -> Result<Link, Failure>,
        mut take: impl FnMut(usize, Value),
    ) -> Result<Vec<Order>, Failure> {
        let host = self.link.target().endpoint().map_or("", |(host, _)| host);
        let mut open = Vec::new();
        let mut refused = None;
        for (place, (ticket, answer)) in self.tickets.iter().zip(answers).enumerate() {
            let way = match (Redirect::read(&answer, host), answer) {
                (Some(Redirect::Moved(endpoint)), _) => Way::Pointed { link: find(endpoint)?, asking: false },
                (Some(Redirect::Ask(endpoint)), _) => Way::Pointed { link: find(endpoint)?, asking: true },
                (Some(Redirect::TryAgain), _) => Way::Map,
                (None, Value::ServerError(err)) => {
                    refused.get_or_insert_with(|| Failure::server(&err));
                    continue;
                }
                (None, answer) => {
                    take(ticket.at, answer);
                    continue;
                }
            };
            open.extend(self.again(place, way));
        }
        match refused {
            None => Ok(open),
            Some(failure) => Err(failure),
        }
    }

    /// The orders once more, to whoever serves them by a newer map.
    pub(super) fn elsewhere(&self, failure: &Failure) -> Vec<Order> {
        let not = || Way::Not(self.link.clone(), failure.clone());
        (0..self.tickets.len()).filter_map(|place| self.again(place, not())).collect()
    }

    fn again(&self, place: usize, way: Way) -> Option<Order> {
        let ticket = self.tickets.get(place)?;
        let asked = self.tickets[..=place].iter().filter(|ticket| ticket.is_asking()).count();
        let command = Command { cmd: self.request.command(place + asked)?, scale: ticket.scale };
        let ticket = Ticket { at: ticket.at, slot: ticket.slot, scale: ticket.scale, way };
        Some(Order { command, ticket })
    }
}

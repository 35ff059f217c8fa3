//! Waiting for a value or for the lead, and leading.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::atomic::Ordering::Relaxed,
    task::{Context, Poll, Waker},
};

use super::{slot::Published, table::Seat, write::WriteTurn};

/// What a call that waited may do now.
pub(crate) enum Turn<V> {
    Lead(Leader),
    Value(V),
}

impl Seat {
    /// Waits until this call may lead, or the leader has published a value that is `usable`: a value that is not is waited
    /// out, until its leader publishes another or is done.
    pub(crate) async fn lead_or<V>(&self, usable: impl Fn(&Published) -> Option<V>) -> Turn<V> {
        let mut waiter = Waiter { seat: self, number: None, refused: None };
        loop {
            match poll_fn(|cx| waiter.poll(cx)).await {
                Offer::Lead(leader) => return Turn::Lead(leader),
                Offer::Value(publication, value) => match usable(&value) {
                    Some(value) => return Turn::Value(value),
                    None => waiter.refused = Some(publication),
                },
            }
        }
    }

    /// Leads, unless another does, or has published and is not done.
    pub(crate) fn try_lead(&self) -> Option<Leader> {
        let number = self.slot.change(|state, _| state.lead())?;
        Some(Leader { seat: self.beside(), number })
    }

    /// Whether `lead_or` at this seat had to wait.
    pub(crate) fn waited(&self) -> bool {
        self.waited.load(Relaxed)
    }
}

/// The one who computes for a key. Dropped, it leaves the lead to the next who waits; what it published is still for those who
/// waited for it, and for nobody who comes then.
pub(crate) struct Leader {
    seat: Seat,
    number: u64,
}

impl Leader {
    /// Whether no set or delete has superseded this leader.
    #[cfg(test)]
    pub(crate) fn is_current(&self) -> bool {
        self.seat.slot.change(|state, _| state.leader == Some(self.number))
    }

    /// Hands the value to all who wait and to those who come until this leader is dropped, and runs `then` under the lock,
    /// unless superseded; tells whether it was current. While a set or delete is under way `then` is left out, since what it
    /// puts into L1 could be older than what is in the store by now. `then` must not come back to this slot.
    pub(crate) fn publish(&mut self, value: Published, then: impl FnOnce()) -> bool {
        self.seat.slot.change(|state, after| {
            if state.leader != Some(self.number) {
                return false;
            }
            if state.pen.is_none() {
                then();
            }
            state.publish(self.number, value, after);
            true
        })
    }

    /// Hands the value to those who wait now, if anybody does, and to nobody later.
    pub(crate) fn share(self, value: impl FnOnce() -> Published) {
        self.seat.slot.change(|state, after| {
            if state.leader == Some(self.number) && state.is_awaited() {
                state.publish(self.number, value(), after);
            }
        });
    }

    /// After `publish`: the turn to write to the store, or `None` if superseded. Where another write is under way, `None` comes
    /// at its end, which supersedes this leader; until then its value is handed out.
    pub(crate) async fn write(&self) -> Option<WriteTurn> {
        WriteTurn::wait(&self.seat, self.number).await
    }

    /// What [`write`](Self::write) gives without waiting.
    pub(crate) fn write_at_once(&self) -> Poll<Option<WriteTurn>> {
        pin!(self.write()).poll(&mut Context::from_waker(Waker::noop()))
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.seat.slot.change(|state, after| {
            if state.leader == Some(self.number) {
                state.resign(after);
            }
        });
    }
}

enum Offer {
    Lead(Leader),
    Value(u64, Published),
}

/// One who waits. It is given nothing before it runs, so that whoever runs first can lead.
struct Waiter<'a> {
    seat: &'a Seat,
    number: Option<u64>,
    /// What was published and not usable.
    refused: Option<u64>,
}

impl Waiter<'_> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Offer> {
        let waker = cx.waker().clone();
        self.seat.slot.change(|state, after| {
            if let Some((publication, value)) = state.offer(self.number, self.refused) {
                return Poll::Ready(Offer::Value(publication, value));
            }
            if let Some(number) = state.lead() {
                return Poll::Ready(Offer::Lead(Leader { seat: self.seat.beside(), number }));
            }
            let number = *self.number.get_or_insert_with(|| state.number());
            state.waiters.park(number, waker, after);
            self.seat.waited.store(true, Relaxed);
            Poll::Pending
        })
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.seat.slot.change(|state, after| state.leave(number, after));
        }
    }
}

//! Waiting for a value or for the lead, and leading.

use std::{
    future::poll_fn,
    sync::atomic::Ordering::Relaxed,
    task::{Context, Poll},
};

use super::{
    slot::{Pen, Published},
    table::Seat,
    write::WriteTurn,
};

/// What a call that waited may do now.
pub(crate) enum Turn<V> {
    Lead(Leader),
    Value(V),
}

impl Seat {
    /// Waits until this call may lead, or a leader has published a value that is `usable`.
    pub(crate) async fn lead_or<V>(&self, usable: impl Fn(&Published) -> Option<V>) -> Turn<V> {
        let mut waiter = Waiter { seat: self, number: None, rejected: None };
        loop {
            match poll_fn(|cx| waiter.poll(cx)).await {
                Offer::Lead(leader) => return Turn::Lead(leader),
                Offer::Value(by, value) => match usable(&value) {
                    Some(value) => return Turn::Value(value),
                    None => waiter.rejected = Some(by),
                },
            }
        }
    }

    /// Leads, unless another leads or has published and not finished.
    pub(crate) fn try_lead(&self) -> Option<Leader> {
        let id = self
            .slot
            .change(|state, _| (state.leader.is_none() && state.published.is_none()).then(|| state.lead()))?;
        Some(Leader { seat: self.beside(), id })
    }

    /// Waits until the one who leads now has written, failed or been superseded. Then another can lead already.
    pub(crate) async fn other_is_done(&self) {
        let mut bystander = Bystander { seat: self, number: None };
        poll_fn(|cx| bystander.poll(cx)).await;
    }

    /// Whether `lead_or` at this seat had to wait.
    pub(crate) fn waited(&self) -> bool {
        self.waited.load(Relaxed)
    }
}

/// The one who computes for a key. Dropped before it publishes, it leaves the lead to the next who waits; after that, what it
/// published is no longer handed out.
pub(crate) struct Leader {
    seat: Seat,
    id: u64,
}

impl Leader {
    /// Whether no set or delete has superseded this leader.
    pub(crate) fn is_current(&self) -> bool {
        self.seat.slot.change(|state, _| state.is_current(self.id))
    }

    /// Hands the value, once, to all who wait and to those who come until this leader is dropped, and runs `then` under the
    /// lock, unless superseded: whether it was current. `then` must not come back here. It is left out while a set or
    /// delete is under way, since that may already have reached the store.
    pub(crate) fn publish(&mut self, value: Published, then: impl FnOnce()) -> bool {
        self.seat.slot.change(|state, after| {
            if state.leader != Some(self.id) {
                return false;
            }
            if !matches!(state.writing, Some(Pen::Writer(_))) {
                then();
            }
            state.publish(self.id, value, after);
            true
        })
    }

    /// After `publish`: waits for the turn to write to the store. `None` if superseded meanwhile.
    pub(crate) async fn write(&self) -> Option<WriteTurn> {
        WriteTurn::wait(&self.seat, self.id).await
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.seat.slot.change(|state, after| {
            if state.leader == Some(self.id) {
                state.depose(after);
            } else if state.has_published(self.id) {
                state.retract(after);
            }
        });
    }
}

enum Offer {
    Lead(Leader),
    Value(u64, Published),
}

/// One who waits. It gets nothing while it does not run, so that whoever runs first may lead.
struct Waiter<'a> {
    seat: &'a Seat,
    number: Option<u64>,
    rejected: Option<u64>,
}

impl Waiter<'_> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Offer> {
        let waker = cx.waker().clone();
        let lead = self.seat.slot.change(|state, after| {
            if let Some(published) = &state.published
                && self.rejected != Some(published.by)
            {
                return Poll::Ready(Err((published.by, published.value.clone())));
            }
            if state.leader.is_none() {
                return Poll::Ready(Ok(state.lead()));
            }
            let number = *self.number.get_or_insert_with(|| state.number());
            state.waiters.park(number, waker, after);
            Poll::Pending
        });
        match lead {
            Poll::Ready(Ok(id)) => Poll::Ready(Offer::Lead(Leader { seat: self.seat.beside(), id })),
            Poll::Ready(Err((by, value))) => Poll::Ready(Offer::Value(by, value)),
            Poll::Pending => {
                self.seat.waited.store(true, Relaxed);
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.seat.slot.change(|state, after| state.waiters.leave(number, after));
        }
    }
}

/// One who waits until a leader is done.
struct Bystander<'a> {
    seat: &'a Seat,
    number: Option<u64>,
}

impl Bystander<'_> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        self.seat.slot.change(|state, after| {
            let idle = state.leader.is_none() && state.published.is_none();
            let woken = self.number.is_some_and(|number| !state.bystanders.holds(number));
            if idle || woken {
                return Poll::Ready(());
            }
            let number = *self.number.get_or_insert_with(|| state.number());
            state.bystanders.park(number, waker, after);
            Poll::Pending
        })
    }
}

impl Drop for Bystander<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.seat.slot.change(|state, after| state.bystanders.leave(number, after));
        }
    }
}

//! The turn to write to the store: one at a time for a key.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use super::{slot::Pen, table::Seat};

impl Seat {
    /// For set and delete: supersedes every leader and every read that began before, and waits for the turn to write.
    pub(crate) async fn write(&self) -> Writing {
        let mut writer = Writer { seat: self, number: None };
        poll_fn(|cx| writer.poll(cx)).await
    }
}

/// A set or delete under way. At its end it supersedes once more what began meanwhile, whether it is finished or dropped.
pub(crate) struct Writing {
    seat: Seat,
    pen: Pen,
}

impl Writing {
    /// Runs `then` under the lock, together with the second superseding. `then` must not come back here.
    pub(crate) fn finish(self, then: impl FnOnce()) {
        self.end(then);
    }

    fn end(&self, then: impl FnOnce()) {
        self.seat.slot.change(|state, after| {
            if state.writing == Some(self.pen) {
                then();
                state.writing = None;
                state.supersede(after);
            }
        });
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.end(|| ());
    }
}

/// A leader's turn to write: while it lives, sets and deletes of the key wait.
pub(crate) struct WriteTurn {
    seat: Seat,
    pen: Pen,
}

impl WriteTurn {
    pub(super) async fn wait(seat: &Seat, leader: u64) -> Option<Self> {
        let mut publisher = Publisher { seat, leader, number: None };
        poll_fn(|cx| publisher.poll(cx)).await
    }
}

impl Drop for WriteTurn {
    fn drop(&mut self) {
        self.seat.slot.change(|state, _| {
            if state.writing == Some(self.pen) {
                state.writing = None;
                state.touch();
            }
        });
    }
}

/// A set or delete that waits for its turn, which is given to it, so that writes keep the order of their arrival.
struct Writer<'a> {
    seat: &'a Seat,
    number: Option<u64>,
}

impl Writer<'_> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Writing> {
        let waker = cx.waker().clone();
        let turn = self.seat.slot.change(|state, after| {
            let number = match self.number {
                Some(number) => number,
                None => {
                    state.supersede(after);
                    let number = *self.number.insert(state.number());
                    if state.writing.is_none() && state.writers.is_empty() {
                        state.writing = Some(Pen::Writer(number));
                    }
                    number
                }
            };
            if state.writing == Some(Pen::Writer(number)) {
                return Poll::Ready(number);
            }
            state.writers.park(number, waker, after);
            Poll::Pending
        });
        turn.map(|number| {
            self.number = None;
            Writing { seat: self.seat.beside(), pen: Pen::Writer(number) }
        })
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.seat.slot.change(|state, after| {
                state.writers.leave(number, after);
                if state.writing == Some(Pen::Writer(number)) {
                    state.writing = None;
                }
            });
        }
    }
}

/// A leader that has published and waits for its turn.
struct Publisher<'a> {
    seat: &'a Seat,
    leader: u64,
    number: Option<u64>,
}

impl Publisher<'_> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Option<WriteTurn>> {
        let waker = cx.waker().clone();
        let turn = self.seat.slot.change(|state, after| {
            if !state.has_published(self.leader) {
                return Poll::Ready(None);
            }
            if state.writing.is_none() && state.writers.is_empty() {
                let pen = Pen::Leader(state.number());
                state.writing = Some(pen);
                return Poll::Ready(Some(pen));
            }
            let number = *self.number.get_or_insert_with(|| state.number());
            state.publishers.park(number, waker, after);
            Poll::Pending
        });
        turn.map(|pen| Some(WriteTurn { seat: self.seat.beside(), pen: pen? }))
    }
}

impl Drop for Publisher<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.seat.slot.change(|state, after| state.publishers.leave(number, after));
        }
    }
}

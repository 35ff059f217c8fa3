//! The turn to write to the store: one at a time for a key.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use super::table::Seat;

impl Seat {
    /// For set and delete: supersedes every leader and every read that began before, and waits for the pen.
    pub(crate) async fn write(&self) -> Writing {
        let mut writer = Writer { seat: self, number: None };
        poll_fn(|cx| writer.poll(cx)).await
    }
}

/// A set or delete under way. At its end, finished or dropped, it supersedes what began meanwhile.
pub(crate) struct Writing {
    seat: Seat,
    pen: u64,
    ended: bool,
}

impl Writing {
    /// Runs `then` under the lock, together with the second superseding. `then` must not come back to this slot.
    pub(crate) fn finish(mut self, then: impl FnOnce()) {
        self.end(then);
    }

    fn end(&mut self, then: impl FnOnce()) {
        self.seat.slot.change(|state, after| {
            if state.pen == Some(self.pen) {
                then();
                state.put_down(after);
            }
        });
        self.ended = true;
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.ended {
            self.end(|| ());
        }
    }
}

/// A leader's turn to write: while it lives, sets and deletes of the key wait.
pub(crate) struct WriteTurn {
    seat: Seat,
    leader: u64,
    pen: u64,
}

impl WriteTurn {
    pub(super) async fn wait(seat: &Seat, leader: u64) -> Option<Self> {
        let mut publisher = Publisher { seat, leader, number: None };
        poll_fn(|cx| publisher.poll(cx)).await
    }
}

impl Drop for WriteTurn {
    fn drop(&mut self) {
        self.seat.slot.change(|state, after| {
            if state.pen != Some(self.pen) {
                return;
            }
            if state.leader == Some(self.leader) {
                state.pen = None; // who reads meanwhile is superseded at the end of the leader
            } else {
                state.put_down(after);
            }
        });
    }
}

/// A set or delete that waits. The pen is given to it before it runs, so that writes keep the order of their arrival.
struct Writer<'a> {
    seat: &'a Seat,
    number: Option<u64>,
}

impl Writer<'_> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Writing> {
        let waker = cx.waker().clone();
        self.seat.slot.change(|state, after| {
            let number = match self.number {
                Some(number) => number,
                None => {
                    state.supersede(after);
                    *self.number.insert(state.take_pen().unwrap_or_else(|| state.number()))
                }
            };
            if state.pen == Some(number) {
                self.number = None;
                return Poll::Ready(Writing { seat: self.seat.beside(), pen: number, ended: false });
            }
            state.writers.park(number, waker, after);
            Poll::Pending
        })
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        self.seat.slot.change(|state, after| {
            state.writers.leave(number, after);
            if state.pen == Some(number) {
                state.put_down(after);
            }
        });
    }
}

/// A leader that takes the pen at once, or waits to be superseded by who has it.
struct Publisher<'a> {
    seat: &'a Seat,
    leader: u64,
    number: Option<u64>,
}

impl Publisher<'_> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Option<WriteTurn>> {
        let waker = cx.waker().clone();
        self.seat.slot.change(|state, after| {
            if state.leader != Some(self.leader) {
                return Poll::Ready(None);
            }
            if let Some(pen) = state.take_pen() {
                return Poll::Ready(Some(WriteTurn { seat: self.seat.beside(), leader: self.leader, pen }));
            }
            let number = *self.number.get_or_insert_with(|| state.number());
            state.publishers.park(number, waker, after);
            Poll::Pending
        })
    }
}

impl Drop for Publisher<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.seat.slot.change(|state, after| state.publishers.leave(number, after));
        }
    }
}

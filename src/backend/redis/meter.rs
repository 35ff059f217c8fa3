//! How much the server may send: no more than the calls in flight can be answered with.
//!
//! The client reads all that comes, at any time, and keeps it until it is a whole reply: a lying server could fill the
//! memory with the start of one, even where nobody has asked for anything.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that may come though nothing was asked, in all: a few push messages, or an error before the connection is
/// closed. The client may keep them: it takes push messages for confirmations of subscriptions, and remembers these.
const UNASKED: u64 = 16 * 1024;
/// Bytes that may come in answers to calls that were dropped, in all: nobody knows what they were.
const UNSEEN: u64 = 256 * 1024 * 1024;

/// The bytes that came on one connection, and those that may.
#[derive(Default)]
pub(super) struct Meter {
    state: Mutex<State>,
    flooded: AtomicBool,
    spent: AtomicBool,
}

/// Which bytes are whose is not known here. Those that are of no answer that was had are of requests without one, or
/// came unasked; so there are no more of them than `granted` and `UNASKED`.
#[derive(Default)]
struct State {
    /// Bytes that came, less those of the answers.
    unanswered: u64,
    /// How many of these were taken for answers to dropped requests.
    unseen: u64,
    /// What the requests without an answer may be answered with.
    granted: u64,
    /// The part of it that nobody waits for any more, each with the time of the drop, in order.
    dropped: VecDeque<(u64, u64)>,
    /// Counts the requests and the drops.
    now: u64,
}

/// A request, and the bytes that it may be answered with. If it is dropped without [`Ticket::answered`], these may still
/// come.
pub(super) struct Ticket {
    meter: Arc<Meter>,
    bytes: u64,
    since: u64,
    answered: bool,
}

impl Meter {
    /// To be called before the request is sent.
    pub(super) fn grant(self: &Arc<Self>, bytes: u64) -> Ticket {
        let mut state = self.state();
        state.now += 1;
        state.granted += bytes;
        Ticket { meter: self.clone(), bytes, since: state.now, answered: false }
    }

    /// Whether the server sent more than it may, which ended the connection.
    pub(super) fn is_flooded(&self) -> bool {
        self.flooded.load(Relaxed)
    }

    /// Whether so much came beside the answers, or in answers to dropped requests, that another connection is wanted.
    pub(super) fn is_spent(&self) -> bool {
        self.spent.load(Relaxed)
    }

    /// Whether answers may still come that nobody waits for.
    pub(super) fn has_dropped(&self) -> bool {
        !self.state().dropped.is_empty()
    }

    fn came(&self, bytes: usize) -> io::Result<()> {
        let mut state = self.state();
        state.unanswered += bytes as u64;
        if state.unanswered > state.granted + UNASKED {
            self.flooded.store(true, Relaxed);
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The answer is in, so many bytes at most, and with it those to all requests that were dropped before this one was
    /// made.
    pub(super) fn answered(mut self, size: u64) {
        self.answered = true;
        let mut state = self.meter.state();
        state.unanswered = state.unanswered.saturating_sub(size);
        state.granted -= self.bytes;
        while let Some(&(at, bytes)) = state.dropped.front()
            && at < self.since
        {
            state.granted -= bytes;
            state.dropped.pop_front();
            let unseen = state.unanswered.min(bytes);
            state.unanswered -= unseen;
            state.unseen += unseen;
        }
        // What came beside the answers came while they were allowed for.
        let spent = state.unseen > UNSEEN || state.unanswered > state.granted + UNASKED;
        self.meter.spent.fetch_or(spent, Relaxed);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.answered {
            let mut state = self.meter.state();
            state.now += 1;
            let dropped = (state.now, self.bytes);
            state.dropped.push_back(dropped);
        }
    }
}

/// A stream that fails when more is read from it than its meter allows.
pub(super) struct Metered<S> {
    stream: S,
    meter: Arc<Meter>,
}

impl<S> Metered<S> {
    pub(super) fn new(stream: S, meter: Arc<Meter>) -> Self {
        Self { stream, meter }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
        Poll::Ready(self.meter.came(into.filled().len() - before))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: u64 = 1 << 20;

    /// How much may come now.
    fn room(meter: &Meter) -> u64 {
        let state = meter.state();
        state.granted + UNASKED - state.unanswered
    }

    #[test]
    fn little_may_come_unasked() {
        let meter = Meter::default();
        meter.came(UNASKED as usize).unwrap();
        assert!(!meter.is_flooded());
        assert_eq!(meter.came(1).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(meter.is_flooded());
    }

    #[test]
    fn every_request_may_be_answered_in_full() {
        let meter = Arc::new(Meter::default());
        let (first, second) = (meter.grant(LARGE), meter.grant(LARGE));
        meter.came(2 * LARGE as usize).unwrap();
        second.answered(LARGE); // its caller may run first
        assert_eq!(room(&meter), UNASKED);
        meter.came(UNASKED as usize).unwrap();
        first.answered(LARGE);
        assert_eq!(room(&meter), 0, "what comes beside the answers is not forgotten");
        assert!(meter.came(1).is_err());
    }

    #[test]
    fn answer_that_is_smaller_than_it_may_be_leaves_the_same_room() {
        let meter = Arc::new(Meter::default());
        for _ in 0..100 {
            let ticket = meter.grant(LARGE);
            meter.came(1_000).unwrap();
            ticket.answered(1_010); // a little more than it was
        }
        assert_eq!(room(&meter), UNASKED);
    }

    #[test]
    fn dropped_request_may_be_answered_until_a_later_one_was() {
        let meter = Arc::new(Meter::default());
        let before = meter.grant(0);
        drop(meter.grant(LARGE));
        before.answered(0);
        assert_eq!(room(&meter), LARGE + UNASKED);
        assert!(meter.has_dropped());
        let later = meter.grant(0);
        drop(meter.grant(LARGE));
        meter.came(2 * LARGE as usize).unwrap();
        later.answered(0);
        assert_eq!(room(&meter), UNASKED, "one answer is in, the other may be");
        meter.grant(0).answered(0);
        assert_eq!(room(&meter), UNASKED);
        assert!(!meter.has_dropped());
    }

    #[test]
    fn what_comes_with_an_answer_is_unasked_once_that_is_in() {
        let meter = Arc::new(Meter::default());
        for at_once in [UNASKED, 1] {
            assert!(!meter.is_spent());
            let ticket = meter.grant(LARGE);
            meter.came((1_000 + at_once) as usize).unwrap();
            ticket.answered(1_000);
        }
        assert!(meter.is_spent() && !meter.is_flooded());
    }

    #[test]
    fn dropped_requests_may_be_answered_with_so_much_in_all() {
        let meter = Arc::new(Meter::default());
        for _ in 0..UNSEEN / LARGE + 1 {
            assert!(!meter.is_spent());
            drop(meter.grant(LARGE));
            meter.came(LARGE as usize).unwrap();
            meter.grant(0).answered(0);
        }
        assert!(meter.is_spent() && !meter.is_flooded());
    }
}

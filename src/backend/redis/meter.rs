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

/// Bytes that may come though nothing was asked: a few push messages, or an error before the connection is closed.
const UNASKED: u64 = 16 * 1024;

/// The bytes that came on one connection, and those that may.
#[derive(Default)]
pub(super) struct Meter {
    state: Mutex<State>,
    flooded: AtomicBool,
}

/// Replies come in the order of the requests, but which bytes are whose is not known here. Of those that came since
/// the last answer, none are of a request that was answered; so there are no more of them than `granted` and `UNASKED`.
#[derive(Default)]
struct State {
    /// Bytes since the last answer.
    unanswered: u64,
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
    /// The answer is in, and with it those to all requests that were dropped before this one was made.
    pub(super) fn answered(mut self) {
        self.answered = true;
        let mut state = self.meter.state();
        state.unanswered = 0;
        state.granted -= self.bytes;
        while let Some(&(at, bytes)) = state.dropped.front()
            && at < self.since
        {
            state.granted -= bytes;
            state.dropped.pop_front();
        }
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
        second.answered(); // its caller may run first
        assert_eq!(room(&meter), LARGE + UNASKED);
        first.answered();
        assert_eq!(room(&meter), UNASKED);
    }

    #[test]
    fn dropped_request_may_be_answered_until_a_later_one_was() {
        let meter = Arc::new(Meter::default());
        let before = meter.grant(0);
        drop(meter.grant(LARGE));
        before.answered();
        assert_eq!(room(&meter), LARGE + UNASKED);
        assert!(meter.has_dropped());
        let later = meter.grant(0);
        drop(meter.grant(LARGE));
        meter.came(2 * LARGE as usize).unwrap();
        later.answered();
        assert_eq!(room(&meter), LARGE + UNASKED);
        meter.grant(0).answered();
        assert_eq!(room(&meter), UNASKED);
        assert!(!meter.has_dropped());
    }
}

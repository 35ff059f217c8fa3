//! From a computed value to memory, to those who wait, and to the store.

use std::{sync::Arc, task::Poll};

use super::{
    Cache, Value,
    call::Settings,
    engine::Spot,
    flight::Leader,
    handed::{Why, hand, share},
    mode::Mode,
    tags::Beginning,
    value::Stored,
};
use crate::{
    backend::{Backend, Write},
    encrypted::Place,
    error::Error,
    metrics::{Call, Outcome},
};

/// What a computing call goes by at every step.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a, M> {
    pub(super) call: &'a Call<'a>,
    pub(super) settings: &'a Settings,
    pub(super) mode: M,
}

/// What a computation began with.
pub(super) struct Begun {
    pub(super) beginning: Beginning,
    /// Whether the store has just answered. If not, the write is left to the background, so that a store that is down costs
    /// one time-out and not two.
    pub(super) well: bool,
    /// Where its value goes in the store, if that is known.
    pub(super) place: Option<Place>,
    /// Whether it is done in the background, so that no caller bounds the waiting for the store.
    pub(super) behind: bool,
}

impl Spot<'_> {
    /// Keeps a value that was computed, hands it to those who wait, and writes it to the store.
    pub(super) async fn finish<T: Value, E, M: Mode>(
        self,
        mut leader: Leader,
        Terms { call, settings, mode }: Terms<'_, M>,
        value: T,
        Begun { beginning, well, place, behind }: Begun,
    ) -> Result<T, M::Error<E>> {
        let Self { cache, seat } = self;
        let label = match settings.label(beginning, &value) {
            Ok(label) => label,
            Err(error) => {
                cache.trouble(&error);
                mode.trouble(error)?;
                call.outcome(Outcome::Computed);
                return Ok(value);
            }
        };
        let stored = Arc::new(Stored { value, label });
        let write = match cache.seal(&seat.key().key, place, &stored, beginning) {
            Ok(write) => write,
            Err(error) => {
                cache.trouble(&error);
                mode.trouble(error)?;
                share(leader, &stored, Why::Fresh, well);
                call.outcome(Outcome::Computed);
                return Ok(stored.value.clone());
            }
        };
        let keep = || cache.keep(seat.key(), &stored, cache.copied::<T>(write.as_ref()));
        leader.publish(hand(&stored, Why::Fresh, well), keep);
        match write {
            Some(write) if behind => cache.clone().within_limit(cache.write_in_turn(leader, write)).await,
            Some(write) => cache.write_led(leader, write, well).await.or_else(|error| mode.trouble(error))?,
            None => {}
        }
        call.outcome(Outcome::Computed);
        Ok(stored.into_value())
    }
}

impl Spot<'_> {
    /// Hands a value that is not to be kept to those who wait now.
    pub(super) fn pass_on<T: Value, M: Mode>(
        leader: Leader,
        Terms { call, settings, mode: _ }: Terms<'_, M>,
        value: T,
        Begun { beginning, well, place: _, behind: _ }: Begun,
    ) -> T {
        if let Ok(label) = settings.label(beginning, &value) {
            share(leader, &Arc::new(Stored { value: value.clone(), label }), Why::Fresh, well);
        }
        call.outcome(Outcome::Computed);
        value
    }
}

impl Cache {
    /// Writes what a leader has published, unless it is superseded.
    async fn write_led(&self, leader: Leader, write: Write, well: bool) -> Result<(), Error> {
        let turn = match leader.write_at_once() {
            Poll::Ready(Some(turn)) => turn,
            Poll::Ready(None) => return Ok(()),
            Poll::Pending => {
                // The end of the write under way supersedes this one. Until then its value is handed out.
                Box::pin(self.behind(async move { drop(leader.write().await) })).await;
                return Ok(());
            }
        };
        let cache = self.clone();
        let work = async move {
            let _in_order = (turn, leader);
            cache.send(write).await
        };
        if well {
            return self.unbroken(work).await;
        }
        Box::pin(self.behind(work)).await;
        Ok(())
    }

    /// The same, waiting for the turn.
    async fn write_in_turn(&self, leader: Leader, write: Write) -> Result<(), Error> {
        let Some(turn) = leader.write().await else { return Ok(()) };
        let _in_order = (turn, leader);
        self.send(write).await
    }

    /// One write to the store; what fails is counted.
    pub(super) async fn send(&self, (name, entry, ttl): Write) -> Result<(), Error> {
        let Some(store) = &self.store else { return Ok(()) };
        let written = store.backend().set(&name, entry, ttl).await.map_err(Error::from);
        written.inspect_err(|error| self.trouble(error))
    }
}

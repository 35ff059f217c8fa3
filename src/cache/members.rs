//! The keys of a batch that memory did not answer: led together, found together, written together.

use std::{collections::BTreeMap, sync::Arc, task::Poll};

use super::{
    Cache, Value,
    call::Settings,
    engine::is_well,
    flight::{Leader, Seat, Turn},
    handed::{Why, hand, share},
    memory::Local,
    mode::Lenient,
    search::Way,
    tags::{Beginning, Trust},
    value::Stored,
};
use crate::{
    backend::{Backend, Write},
    error::Error,
    metrics::{Call, Outcome},
};

/// How often a batch tries to lead at all its keys at once, before it computes some beside another call.
const ATTEMPTS: usize = 8;

/// The keys that are missing, by where they stand in the batch.
pub(super) type Members<T> = BTreeMap<usize, Member<T>>;

pub(super) struct Member<T> {
    seat: Seat,
    leader: Option<Leader>,
    write: Option<Write>,
    /// A stale value, should the function fail.
    stale: Option<Arc<Stored<T>>>,
}

impl<T> Member<T> {
    pub(super) fn new(seat: Seat) -> Self {
        Self { seat, leader: None, write: None, stale: None }
    }
}

impl Cache {
    /// Leads at every key, or takes the value of another call that does. While this call waits it leads nowhere, so that
    /// nobody waits for it.
    pub(super) async fn lead_all<T: Value>(
        &self,
        call: &Call<'_>,
        members: &mut Members<T>,
        values: &mut [Option<T>],
    ) {
        for attempt in 1..=ATTEMPTS {
            members.values_mut().for_each(|member| member.leader = member.seat.try_lead());
            if attempt == ATTEMPTS || members.values().all(|member| member.leader.is_some()) {
                return;
            }
            let busy: Vec<usize> =
                members.iter().filter(|(_, member)| member.leader.is_none()).map(|(at, _)| *at).collect();
            members.values_mut().for_each(|member| member.leader = None);
            for at in busy {
                let spot = self.spot(&members[&at].seat);
                let key = &spot.seat.key().key;
                let known = self.confirmed_in_memory::<T>(key, Trust::Asked, Local::is_fresh);
                if let Some(local) = Box::pin(known).await {
                    call.outcome(Outcome::Hit);
                    values[at] = Some(local.stored.value.clone());
                    continue;
                }
                let (stored, outcome) =
                    match spot.turn_in_time::<T, Lenient>(self.shared.policy.soft_timeout).await {
                        Ok(Turn::Value(stored)) => (stored, Outcome::Waited),
                        Err(local) => (local.stored, Outcome::Stale),
                        Ok(Turn::Lead(_)) => continue,
                    };
                call.outcome(outcome);
                values[at] = Some(stored.value.clone());
            }
            members.retain(|at, _| values[*at].is_none());
            for (at, member) in members.iter() {
                values[*at] = self.hit(call, &member.seat.key().key, true);
            }
            members.retain(|at, _| values[*at].is_none());
        }
    }

    /// Takes from the store what is there and fresh, or stands in; tells whether the store is well.
    pub(super) async fn find_all<T: Value>(
        &self,
        call: &Call<'_>,
        members: &mut Members<T>,
        values: &mut [Option<T>],
    ) -> bool {
        if members.is_empty() {
            return true;
        }
        let seats = members.values().map(|member| &member.seat);
        let (found, Way { trouble, now, .. }) = self.find_each::<T>(seats, Trust::Asked).await;
        let well = is_well(trouble.as_ref());
        for ((at, member), stored) in members.iter_mut().zip(found) {
            let Some(stored) = stored else { continue };
            let (outcome, why) = if stored.label.is_fresh(now) {
                (self.spot(&member.seat).found(), Why::Fresh)
            } else if self.stands_in(member.seat.key(), &stored.label) {
                (Outcome::Stale, Why::FailSafe)
            } else {
                member.stale = Some(stored);
                continue;
            };
            call.outcome(outcome);
            values[*at] = Some(stored.value.clone());
            if let Some(leader) = member.leader.take() {
                share(leader, &stored, why, well);
            }
        }
        members.retain(|at, _| values[*at].is_none());
        well
    }

    /// A stale value for each of these keys, if there are so many.
    pub(super) fn stand_ins<T>(
        &self,
        members: &Members<T>,
        missing: &[usize],
    ) -> Option<Vec<(usize, Arc<Stored<T>>)>> {
        let now = self.now();
        let stale = missing.iter().map(|at| {
            let stale = members.get(at)?.stale.as_ref()?;
            stale.label.is_alive(now).then(|| (*at, stale.clone()))
        });
        stale.collect()
    }

    /// Hands the stale values to those who wait too.
    pub(super) fn fall_back_on<T: Value>(
        &self,
        mut members: Members<T>,
        stale: Vec<(usize, Arc<Stored<T>>)>,
        settings: &Settings,
    ) -> Vec<(usize, Arc<Stored<T>>)> {
        for (at, stale) in &stale {
            let Some(Member { seat, leader: Some(leader), .. }) = members.get_mut(at) else { continue };
            let stand_in = || self.let_stand_in(seat.key(), &stale.label, &settings.policy);
            leader.publish(hand(stale, Why::FailSafe, false), stand_in);
        }
        stale
    }

    /// Keeps a computed value, and hands it to those who wait.
    pub(super) fn take_in<T: Value>(
        &self,
        member: &mut Member<T>,
        value: T,
        settings: &Settings,
        beginning: Beginning,
        well: bool,
    ) {
        let Some(leader) = &mut member.leader else { return };
        let stored = match settings.label(beginning, &value) {
            Ok(label) => Arc::new(Stored { value, label }),
            Err(error) => return self.trouble(&error),
        };
        match self.seal(&member.seat.key().key, None, &stored, beginning) {
            Ok(write) => {
                let keep = || self.keep(member.seat.key(), &stored, self.copied::<T>(write.as_ref()));
                leader.publish(hand(&stored, Why::Fresh, well), keep);
                member.write = write;
            }
            Err(error) => {
                self.trouble(&error);
                leader.publish(hand(&stored, Why::Fresh, well), || ());
            }
        }
    }

    /// Writes what was computed in one round trip: in the background if the store has just failed.
    pub(super) async fn write_all<T: Value>(&self, members: Members<T>, well: bool) {
        let cache = self.clone();
        let write = async move { cache.write_now(members).await };
        if well { self.unbroken(write).await } else { self.behind(write).await }
    }

    async fn write_now<T: Value>(&self, mut members: Members<T>) {
        let Some(store) = &self.store else { return };
        let (mut turns, mut writes) = (Vec::new(), Vec::new());
        for member in members.values_mut() {
            let (Some(leader), Some(write)) = (&member.leader, member.write.take()) else { continue };
            // Waiting here with the turn of another key could wait for ever: for a `set_many` that has the one and waits
            // for the other. Where a write is under way, it is newer, and this one is left out.
            if let Poll::Ready(Some(turn)) = leader.write_at_once() {
                turns.push(turn);
                writes.push(write);
            }
        }
        if writes.is_empty() {
            return;
        }
        if let Err(error) = store.backend().set_many(writes).await.map_err(Error::from) {
            self.trouble(&error);
        }
    }
}

//! A model of the boundary over a store that lies: several tenants, namespaces, epochs, and master keys in rotation.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    backend::Backend,
    crypto::{Keyring, MasterKey},
    encrypted::EncryptedBackend,
    error::Error,
    testing::{Clock, HostileBackend},
};

const NAMESPACES: [&str; 2] = ["", "users"];
const EPOCHS: u64 = 2;
const KEYS: u8 = 2;
/// Master keys that rotate: a process seals with one and accepts it and the one before.
const MASTERS: usize = 3;
/// The longest ttl in milliseconds.
const LONGEST: u64 = 10_000;

/// A tenant, a namespace, an epoch, a key.
type Place = (usize, usize, u64, u8);

type Handle<B> = EncryptedBackend<HostileBackend<B>>;

/// One value that was written: where, by which master key, and when it ends.
#[derive(Debug)]
struct Written {
    place: Place,
    master: usize,
    ends: Option<u64>,
}

/// One history, whose every choice comes from outside: a number below the one given.
pub struct History<B, C> {
    clock: Clock,
    /// The store, and how many lies it told.
    pub store: HostileBackend<B>,
    /// For each master key that seals, one for each tenant.
    handles: Vec<Vec<Handle<B>>>,
    written: Vec<Written>,
    choose: C,
    /// What reads came to, by name, and how often.
    pub outcomes: BTreeMap<&'static str, u64>,
}

impl<B: Backend, C: FnMut(u64) -> u64> History<B, C> {
    /// Over a store, for two tenants, which are one where the model is to find that out.
    ///
    /// # Errors
    /// None, but for a system without random bytes.
    pub fn new(store: HostileBackend<B>, tenants: [&str; 2], choose: C) -> Result<Self, Error> {
        let clock = Clock::at(1_790_000_000_000);
        let masters: Vec<_> =
            (0..MASTERS).map(|_| Ok(MasterKey::generate()?.to_text())).collect::<Result<_, Error>>()?;
        let master = |at: usize| MasterKey::parse(&masters[at]);
        let mut handles = Vec::new();
        for at in 0..MASTERS {
            let accepted = if at > 0 { Some(master(at - 1)?) } else { None };
            let keyring = Keyring::with_accepted(master(at)?, accepted, master(0)?)?;
            let handle = |tenant| Ok(Handle::new(store.clone(), keyring.tenant(tenant)?).clock(&clock));
            handles.push(tenants.into_iter().map(handle).collect::<Result<_, Error>>()?);
        }
        Ok(Self { clock, store, handles, written: Vec::new(), choose, outcomes: BTreeMap::new() })
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.choose)(end)
    }

    fn place(&mut self) -> Place {
        let tenant = self.below(2) as usize;
        let namespace = self.below(NAMESPACES.len() as u64) as usize;
        (tenant, namespace, self.below(EPOCHS), self.below(u64::from(KEYS)) as u8)
    }

    fn handle(&self, (tenant, namespace, epoch, _): Place, master: usize) -> Result<Handle<B>, Error> {
        Ok(self.handles[master][tenant].clone().namespace(NAMESPACES[namespace])?.epoch(epoch))
    }

    /// Makes so many calls, and says what was returned that may not be.
    ///
    /// # Errors
    /// What it was, and what was written there.
    pub async fn play(&mut self, steps: usize) -> Result<(), String> {
        for _ in 0..steps {
            let place = self.place();
            let master = self.below(MASTERS as u64) as usize;
            let key = place.3;
            let handle = self.handle(place, master).map_err(|err| err.to_string())?;
            match self.below(10) {
                0..=3 => {
                    let value = self.written.len();
                    let ttl = Some(1 + self.below(LONGEST)).filter(|ttl| *ttl < LONGEST * 9 / 10);
                    let ends = ttl.map(|ttl| self.clock.now() + ttl);
                    // A call that fails may have been done.
                    self.written.push(Written { place, master, ends });
                    let set = handle.set(key, &value, ttl.map(Duration::from_millis)).await;
                    self.count(if set.is_ok() { "set" } else { "not set" });
                }
                4..=6 => {
                    let found = handle.get::<usize>(key).await;
                    self.check(place, master, found)?;
                }
                7 => {
                    let found = handle.get_many::<usize>(0..KEYS).await;
                    for (key, found) in (0..KEYS).zip(found.unwrap_or_default()) {
                        let place = (place.0, place.1, place.2, key);
                        self.check(place, master, found.map_err(Error::Unreadable))?;
                    }
                }
                8 => drop(handle.delete(key).await),
                _ => {
                    let pass = self.below(LONGEST / 2);
                    self.clock.advance(Duration::from_millis(pass));
                }
            }
        }
        Ok(())
    }

    fn check(
        &mut self,
        place: Place,
        master: usize,
        found: Result<Option<usize>, Error>,
    ) -> Result<(), String> {
        let value = match found {
            Ok(Some(value)) => value,
            Ok(None) => {
                self.count("miss");
                return Ok(());
            }
            Err(Error::Unreadable(reason)) => {
                self.count(reason.as_str());
                return Ok(());
            }
            Err(Error::Backend(_)) => {
                self.count("failed");
                return Ok(());
            }
            Err(err) => return Err(format!("an error that no store can cause: {err:?}")),
        };
        self.count("found");
        let Some(written) = self.written.get(value) else { return Err(format!("{value} was never written")) };
        if written.place != place {
            return Err(format!("at {place:?} a value of {written:?}"));
        }
        if written.master != master && written.master + 1 != master {
            return Err(format!("with master {master} a value of {written:?}"));
        }
        if written.ends.is_some_and(|ends| ends <= self.clock.now()) {
            return Err(format!("at {} a value of {written:?}", self.clock.now()));
        }
        Ok(())
    }

    fn count(&mut self, outcome: &'static str) {
        *self.outcomes.entry(outcome).or_default() += 1;
    }
}

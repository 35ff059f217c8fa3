//! A store that lies by a script: it drops, delays, replays and swaps, and fails.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use blindcache::{Backend, BackendError, BackendErrorKind, MemoryBackend, Sealed, StoreKey, Write};
use bytes::Bytes;

/// What becomes of one call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lie {
    Honest,
    /// Honest, after 10 ms; what was sent arrives then even if nobody waits for it any more.
    Slow,
    /// A read finds nothing; a write or a delete is lost.
    Drop,
    /// A write or a delete is told done, and takes place before a later call.
    Delay,
    /// A read finds what was written under this name, so many writes ago.
    Replay(usize),
    /// A read finds what was written under another name.
    Swap(usize),
    Fail,
}

const TRANSIT: Duration = Duration::from_millis(10);

async fn arrive<T: Send + 'static>(what: impl Future<Output = T> + Send + 'static) -> T {
    let arriving = async move {
        tokio::time::sleep(TRANSIT).await;
        what.await
    };
    tokio::spawn(arriving).await.unwrap()
}

/// Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Liar(Arc<Inner>);

#[derive(Default)]
struct Inner {
    memory: MemoryBackend,
    script: Mutex<VecDeque<Lie>>,
    /// All that was ever written.
    written: Mutex<Vec<Write>>,
    /// Calls that have not taken place yet; without an entry they are deletes.
    late: Mutex<Vec<(StoreKey, Option<Sealed>)>>,
}

impl Liar {
    pub(crate) fn new(script: &[Lie]) -> Self {
        let liar = Self::default();
        liar.0.script.lock().unwrap().extend(script);
        liar
    }

    fn lie(&self) -> Result<Lie, BackendError> {
        match self.0.script.lock().unwrap().pop_front() {
            Some(Lie::Fail) => Err(BackendError::new("liar", BackendErrorKind::Transient)),
            Some(lie) => Ok(lie),
            None => Ok(Lie::Honest),
        }
    }

    async fn catch_up(&self) -> Result<(), BackendError> {
        let late = std::mem::take(&mut *self.0.late.lock().unwrap());
        for (key, entry) in late {
            match entry {
                Some(entry) => self.0.memory.set(&key, entry, None).await?,
                None => drop(self.0.memory.delete(&key).await?),
            }
        }
        Ok(())
    }
}

impl Backend for Liar {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        let lie = self.lie()?;
        if let Lie::Slow = lie {
            tokio::time::sleep(TRANSIT).await;
        }
        let found = self.0.memory.get(key).await?;
        let written = self.0.written.lock().unwrap();
        let pick = |back: usize, same: bool| {
            let mut these = written.iter().rev().filter(|(name, ..)| (name == key) == same);
            these.nth(back).map(|(_, entry, _)| entry.clone().into_bytes())
        };
        Ok(match lie {
            Lie::Honest | Lie::Slow | Lie::Delay | Lie::Fail => found,
            Lie::Drop => None,
            Lie::Replay(back) => pick(back, true).or(found),
            Lie::Swap(back) => pick(back, false).or(found),
        })
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        let lie = self.lie()?;
        self.0.written.lock().unwrap().push((key.clone(), entry.clone(), ttl));
        match lie {
            Lie::Drop => Ok(()),
            Lie::Delay => {
                self.0.late.lock().unwrap().push((key.clone(), Some(entry)));
                Ok(())
            }
            Lie::Slow => {
                let (liar, key) = (self.clone(), key.clone());
                arrive(async move { liar.0.memory.set(&key, entry, None).await }).await
            }
            // Time in a history is that of the wall, which this store does not know: it keeps everything.
            _ => {
                self.0.memory.set(key, entry, None).await?;
                self.catch_up().await
            }
        }
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        match self.lie()? {
            Lie::Drop => Ok(false),
            Lie::Delay => {
                self.0.late.lock().unwrap().push((key.clone(), None));
                Ok(true)
            }
            Lie::Slow => {
                let (liar, key) = (self.clone(), key.clone());
                arrive(async move { liar.0.memory.delete(&key).await }).await
            }
            _ => {
                let deleted = self.0.memory.delete(key).await?;
                self.catch_up().await.map(|()| deleted)
            }
        }
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        Ok(self.get(key).await?.is_some())
    }
}

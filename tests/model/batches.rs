//! The calls of a history for all keys of a home at once.

use std::cell::Cell;

use super::{
    history::{Player, fails_by_the_store, settled},
    rules::KEYS,
};

impl Player {
    pub(super) async fn read_all(&mut self, process: usize, home: usize) -> Result<(), String> {
        let values = self.cache((process, home, 0)).get_many::<usize>(0..KEYS).await;
        for (key, value) in (0..KEYS).zip(fails_by_the_store(values)?.unwrap_or_default()) {
            value.map_or(Ok(()), |value| self.check((process, home, key), value, false))?;
        }
        Ok(())
    }

    pub(super) async fn set_all(&mut self, process: usize, home: usize) -> Result<(), String> {
        let (cache, wall) = (self.cache((process, home, 0)), self.wall());
        let mut items = Vec::new();
        for key in 0..KEYS {
            self.model.in_memory.remove(&(process, home, key));
            items.push((key, self.model.write((process, home, key), false, wall)));
        }
        if fails_by_the_store(cache.set_many(items).await)?.is_some() {
            for key in 0..KEYS {
                self.model.wrote((process, home, key));
                self.keeps((process, home, key), false, wall);
            }
        }
        Ok(())
    }

    pub(super) async fn delete_all(&mut self, process: usize, home: usize) -> Result<(), String> {
        for key in 0..KEYS {
            self.model.in_memory.remove(&(process, home, key));
        }
        if fails_by_the_store(self.cache((process, home, 0)).delete_many(0..KEYS).await)?.is_some() {
            (0..KEYS).for_each(|key| self.model.wrote((process, home, key)));
        }
        Ok(())
    }

    pub(super) async fn compute_all(&mut self, process: usize, home: usize, ok: bool) -> Result<(), String> {
        let (cache, wall, first) = (self.cache((process, home, 0)), self.wall(), self.model.written.len());
        let missing = Cell::new(vec![]);
        let compute = async |keys: Vec<u8>| {
            missing.set(keys.clone());
            if ok { Ok(keys.into_iter().zip(first..)) } else { Err(()) }
        };
        let values = cache.get_or_compute_many(0..KEYS, compute).await;
        let missing = missing.take();
        let pauses = (0..KEYS).map(|key| self.model.pauses((process, home, key), wall)).collect::<Vec<_>>();
        for key in &missing {
            self.model.ran((process, home, *key), false, ok, wall);
            if ok {
                self.keeps((process, home, *key), false, wall);
            }
        }
        let values = match values {
            Ok(values) => values,
            Err(()) if !missing.is_empty() && !ok => vec![],
            Err(()) => return Err("an error from nowhere".into()),
        };
        for (key, value) in (0..KEYS).zip(values) {
            let value = value.ok_or("a value is missing")?;
            let stale = !ok && missing.contains(&key) || pauses[usize::from(key)];
            self.check((process, home, key), value, stale)?;
        }
        settled(&cache).await;
        Ok(())
    }
}

//! A backend over the simulated network, with a limit on each call, as those of the library have.

use std::{
    collections::HashSet,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use blindcache::{Backend, BackendError, BackendErrorKind, Sealed, StoreKey, Write};
use bytes::Bytes;
use tokio::{io::AsyncWriteExt as _, time::timeout};
use turmoil::net::TcpStream;

use super::{
    frame::{self, Reply, Request},
    store::{HOST, PORT},
    tap::Tap,
};

/// How long one exchange may take, connecting included.
const LIMIT: Duration = Duration::from_secs(1);

/// Names of writes of which nobody knows whether and when they arrive.
pub(crate) type Doubts = Arc<Mutex<HashSet<String>>>;

pub(crate) struct Wire {
    idle: Mutex<Vec<TcpStream>>,
    tap: Arc<Tap>,
    doubts: Doubts,
    /// Without it a call takes as long as the network does.
    limited: bool,
}

/// A write under way. Unless it ends well, it is in doubt from then on.
struct UnderWay<'a> {
    names: Vec<String>,
    doubts: &'a Doubts,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.doubts.lock().unwrap().extend(self.names.drain(..));
    }
}

impl Wire {
    pub(crate) fn new(tap: Arc<Tap>, doubts: Doubts, limited: bool) -> Self {
        Self { idle: Mutex::default(), tap, doubts, limited }
    }

    async fn ask(&self, asked: &[Request]) -> Result<Vec<Reply>, BackendError> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let limit = if self.limited { LIMIT } else { Duration::from_secs(1 << 20) };
        let answered = timeout(limit, self.exchange(frame::requests(asked))).await;
        let failed = |kind| BackendError::new("wire", kind);
        let replies = answered.map_err(|_| failed(BackendErrorKind::Timeout))?.map_err(|error| {
            // Those beside it are as old, and as dead perhaps.
            self.idle.lock().unwrap().clear();
            failed(BackendErrorKind::Transient).with_source(error)
        })?;
        match replies {
            replies if replies.contains(&Reply::Failed) => Err(failed(BackendErrorKind::Transient)),
            // Passed on as it is: the library must cope with a count that is wrong.
            replies => Ok(replies),
        }
    }

    async fn exchange(&self, request: Vec<u8>) -> io::Result<Vec<Reply>> {
        let idle = self.idle.lock().unwrap().pop();
        let mut stream = match idle {
            Some(stream) => stream,
            None => TcpStream::connect((HOST, PORT)).await?,
        };
        self.tap.search(&request);
        stream.write_all(&request).await?;
        let replies = frame::parse_replies(&frame::read(&mut stream).await?)?;
        // Only a connection whose answers came whole is used again.
        self.idle.lock().unwrap().push(stream);
        Ok(replies)
    }

    async fn one(&self, request: Request) -> Result<Reply, BackendError> {
        match &self.ask(&[request]).await?[..] {
            [reply] => Ok(reply.clone()),
            _ => Err(BackendError::new("wire", BackendErrorKind::Rejected)),
        }
    }

    async fn write(&self, asked: &[Request]) -> Result<Vec<Reply>, BackendError> {
        let name = |request: &Request| match request {
            Request::Set(name, _) | Request::Delete(name) => Some(name.clone()),
            Request::Get(_) | Request::Exists(_) => None,
        };
        let mut under_way = UnderWay { names: asked.iter().filter_map(name).collect(), doubts: &self.doubts };
        let replies = self.ask(asked).await?;
        if replies.len() != asked.len() {
            return Err(BackendError::new("wire", BackendErrorKind::Rejected));
        }
        under_way.names.clear();
        Ok(replies)
    }

    /// Sends a key as it is: what a careless program would do.
    pub(crate) async fn echo(&self, plaintext: &str) {
        drop(self.ask(&[Request::Get(plaintext.into())]).await);
    }
}

fn found(reply: Reply) -> Option<Bytes> {
    match reply {
        Reply::Entry(entry) => Some(entry.into()),
        _ => None,
    }
}

impl Backend for Wire {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        self.one(Request::Get(key.as_str().to_owned())).await.map(found)
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, _: Option<Duration>) -> Result<(), BackendError> {
        self.write(&[Request::Set(key.as_str().to_owned(), entry.as_bytes().to_vec())]).await.map(drop)
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        Ok(self.write(&[Request::Delete(key.as_str().to_owned())]).await? == [Reply::Yes])
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        self.one(Request::Exists(key.as_str().to_owned())).await.map(|reply| reply == Reply::Yes)
    }

    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
        let asked: Vec<Request> = keys.iter().map(|key| Request::Get(key.as_str().to_owned())).collect();
        Ok(self.ask(&asked).await?.into_iter().map(found).collect())
    }

    async fn set_many(&self, writes: Vec<Write>) -> Result<(), BackendError> {
        let set = |(key, entry, _): Write| Request::Set(key.as_str().to_owned(), entry.as_bytes().to_vec());
        self.write(&writes.into_iter().map(set).collect::<Vec<_>>()).await.map(drop)
    }

    async fn delete_many(&self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
        let asked: Vec<Request> = keys.iter().map(|key| Request::Delete(key.as_str().to_owned())).collect();
        Ok(self.write(&asked).await?.iter().map(|reply| *reply == Reply::Yes).collect())
    }

    fn name(&self) -> &'static str {
        "wire"
    }
}

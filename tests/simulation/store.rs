//! The store: a host that serves what it keeps, and whose moods a script decides.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use blindcache::{Backend, MemoryBackend, Sealed, StoreKey, testing::HostileBackend};
use bytes::Bytes;
use tokio::{io::AsyncWriteExt as _, time::sleep};
use turmoil::net::{TcpListener, TcpStream};

use super::{
    dice::Dice,
    frame::{self, Reply, Request},
};

pub(crate) const HOST: &str = "store";
pub(crate) const PORT: u16 = 7000;

/// How the store behaves for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// It answers so much later.
    Slow(Duration),
    /// It takes requests, does them, and says nothing.
    Silent,
    /// It closes the connection in the middle of an answer.
    Cutting,
    /// It answers with bytes that are no frame.
    Babbling,
    /// It says that it failed.
    Failing,
    /// It answers as many requests as were not asked.
    Miscounting,
}

/// What outlives a crash, and what the script changes.
pub(crate) struct Store {
    pub(crate) disk: Mutex<HostileBackend<MemoryBackend>>,
    pub(crate) mood: Mutex<Mood>,
    pub(crate) dice: Mutex<Dice>,
}

impl Store {
    pub(crate) async fn serve(self: Arc<Self>) -> turmoil::Result {
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            let store = self.clone();
            tokio::spawn(async move { drop(store.talk(stream).await) });
        }
    }

    async fn talk(&self, mut stream: TcpStream) -> std::io::Result<()> {
        loop {
            let asked = frame::parse_requests(&frame::read(&mut stream).await?)?;
            let mood = *self.mood.lock().unwrap();
            if let Mood::Slow(time) = mood {
                sleep(time).await;
            }
            let disk = self.disk.lock().unwrap().clone();
            let mut replies = Vec::with_capacity(asked.len());
            for request in asked {
                replies.push(if mood == Mood::Failing {
                    Reply::Failed
                } else {
                    answer(&disk, request).await
                });
            }
            if mood == Mood::Miscounting {
                replies.push(Reply::Nothing);
            }
            let answer = frame::replies(&replies);
            match mood {
                Mood::Silent => {}
                Mood::Cutting => {
                    let half = self.dice.lock().unwrap().below(answer.len() as u64) as usize;
                    return stream.write_all(&answer[..half]).await;
                }
                Mood::Babbling => {
                    let bytes: Vec<u8> = {
                        let mut dice = self.dice.lock().unwrap();
                        (0..dice.below(200)).map(|_| dice.next() as u8).collect()
                    };
                    stream.write_all(&bytes).await?;
                }
                _ => stream.write_all(&answer).await?,
            }
        }
    }
}

async fn answer(disk: &HostileBackend<MemoryBackend>, request: Request) -> Reply {
    let named = |name: &str| StoreKey::parse(name).ok();
    let answer = match request {
        Request::Get(name) => match named(&name) {
            Some(name) => disk.get(&name).await.map(|entry| entry.map_or(Reply::Nothing, sent)),
            None => return Reply::Failed,
        },
        Request::Set(name, entry) => match (named(&name), Sealed::parse(entry)) {
            (Some(name), Ok(entry)) => disk.set(&name, entry, None).await.map(|()| Reply::Yes),
            _ => return Reply::Failed,
        },
        Request::Delete(name) => match named(&name) {
            Some(name) => disk.delete(&name).await.map(yes),
            None => return Reply::Failed,
        },
        Request::Exists(name) => match named(&name) {
            Some(name) => disk.exists(&name).await.map(yes),
            None => return Reply::Failed,
        },
    };
    answer.unwrap_or(Reply::Failed)
}

/// What of an entry is sent: of a flood as much as is refused.
fn sent(entry: Bytes) -> Reply {
    Reply::Entry(entry[..entry.len().min(2 << 20)].to_vec())
}

fn yes(yes: bool) -> Reply {
    if yes { Reply::Yes } else { Reply::Nothing }
}

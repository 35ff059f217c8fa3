//! A server that answers anything with the same bytes.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Greets a client as a server does, then answers all it sends with the same bytes. Ends when dropped.
pub struct Fake {
    pub port: u16,
    task: JoinHandle<()>,
}

impl Fake {
    /// Answers each piece of what a client sends with `reply`, but its login and `PING` with `+PONG`.
    pub async fn start(reply: &[u8]) -> Self {
        Self::greeting(b"+PONG\r\n", reply).await
    }

    /// Answers each command of a login and `PING` with `greeting`, and each other piece with `reply`.
    pub async fn greeting(greeting: &[u8], reply: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let replies: Replies = (greeting.into(), reply.into());
        let task = tokio::spawn(async move {
            let mut clients = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                clients.spawn(answer(client, replies.clone()));
            }
        });
        Self { port, task }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Replies = (Arc<[u8]>, Arc<[u8]>);

async fn answer(mut client: TcpStream, (greeting, reply): Replies) {
    let mut sent = vec![0; 64 * 1024];
    while let Ok(size @ 1..) = client.read(&mut sent).await {
        let sent = &sent[..size];
        let has = |word: &[u8]| sent.windows(word.len()).any(|it| it == word);
        let greets = has(b"PING") || has(b"SETINFO");
        let commands = sent.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"*")).count();
        let answer = if greets { greeting.repeat(commands) } else { reply.to_vec() };
        if client.write_all(&answer).await.is_err() {
            return;
        }
    }
}

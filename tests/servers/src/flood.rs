//! A server that sends more than it was asked for.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Bytes of a flood. What the sockets hold by themselves is a small part of it.
const FLOOD: usize = 400 << 20;

/// Answers each command of a login with `+PONG`, and then goes on and on with the start of a reply that has no end.
/// Ends when dropped.
pub struct Flood {
    port: u16,
    taken: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Flood {
    /// Floods whoever has logged in.
    pub async fn unasked() -> Self {
        Self::start("PING", true).await
    }

    /// Floods whoever asks for an entry, in place of the answer.
    pub async fn in_answer() -> Self {
        Self::start("GET", false).await
    }

    async fn start(word: &'static str, answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (taken, ended) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let task = tokio::spawn({
            let (taken, ended) = (taken.clone(), ended.clone());
            async move {
                loop {
                    let (client, _) = listener.accept().await.unwrap();
                    let _ = serve(client, word, answers, &taken).await;
                    ended.fetch_add(1, SeqCst);
                }
            }
        });
        Self { port, taken, ended, task }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// How many connections have ended.
    pub fn ended(&self) -> usize {
        self.ended.load(SeqCst)
    }

    /// How many bytes the client, and the sockets on the way to it, have taken of the floods.
    pub fn taken(&self) -> usize {
        self.taken.load(SeqCst)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Until the client ends the connection, or has taken all.
async fn serve(mut client: TcpStream, word: &str, answers: bool, taken: &AtomicUsize) -> io::Result<()> {
    let mut said = vec![0; 64 * 1024];
    loop {
        let said = match client.read(&mut said).await? {
            0 => return Ok(()),
            size => String::from_utf8_lossy(&said[..size]).into_owned(),
        };
        let last = said.contains(word);
        if answers || !last {
            client.write_all("+PONG\r\n".repeat(said.matches('*').count()).as_bytes()).await?;
        }
        if last {
            break;
        }
    }
    client.write_all(b"$9000000000000000000\r\n").await?;
    let water = vec![0; 64 * 1024];
    let mut left = FLOOD;
    while left > 0 {
        let size = client.write(&water).await?;
        taken.fetch_add(size, SeqCst);
        left = left.saturating_sub(size);
    }
    Ok(())
}

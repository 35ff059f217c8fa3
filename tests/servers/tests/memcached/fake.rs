//! A memcached that answers whatever it likes.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use blindcache::MemcachedBackend;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Answers each command by a function of its line. Ends when dropped.
pub(crate) struct Fake {
    pub(crate) port: u16,
    sent: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

type Answer = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

impl Fake {
    /// Answers `mn` as a server does, and everything else with what the function gives.
    pub(crate) async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::greeting(move |line| if line == "mn" { b"MN\r\n".into() } else { answer(line) }).await
    }

    /// Answers `mn` too with what the function gives.
    pub(crate) async fn greeting(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sent, ended, answer) = (Arc::default(), Arc::default(), Arc::new(answer) as Answer);
        let task = tokio::spawn(accept(listener, answer, Arc::clone(&sent), Arc::clone(&ended)));
        Self { port, sent, ended, task }
    }

    /// Everything with the same bytes.
    pub(crate) async fn saying(answer: &'static str) -> Self {
        Self::start(move |_| answer.into()).await
    }

    pub(crate) fn url(&self) -> String {
        format!("memcache://127.0.0.1:{}", self.port)
    }

    /// A backend that has enough time for a busy machine.
    pub(crate) fn backend(&self) -> MemcachedBackend {
        let builder = MemcachedBackend::builder(&self.url());
        builder.timeout(Duration::from_secs(30)).build().unwrap()
    }

    /// How many bytes the client, and the sockets on the way to it, have taken.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(SeqCst)
    }

    /// How many connections have ended.
    pub(crate) fn ended(&self) -> usize {
        self.ended.load(SeqCst)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The token of a command.
pub(crate) fn token(line: &str) -> &str {
    line.rsplit(" O").next().unwrap()
}

async fn accept(listener: TcpListener, answer: Answer, sent: Arc<AtomicUsize>, ended: Arc<AtomicUsize>) {
    let mut clients = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let (answer, sent, ended) = (answer.clone(), sent.clone(), ended.clone());
        clients.spawn(async move {
            let _ = serve(client, &*answer, &sent).await;
            ended.fetch_add(1, SeqCst);
        });
    }
}

async fn serve(
    client: TcpStream,
    answer: &(dyn Fn(&str) -> Vec<u8> + Send + Sync),
    sent: &AtomicUsize,
) -> io::Result<()> {
    let (reader, mut writer) = client.into_split();
    let (mut reader, mut line) = (BufReader::new(reader), String::new());
    while reader.read_line(&mut line).await? > 0 {
        if let Some(rest) = line.strip_prefix("ms ") {
            let size: usize = rest.split(' ').nth(1).unwrap().parse().unwrap();
            reader.read_exact(&mut vec![0; size + 2]).await?;
        }
        let answer = answer(line.trim_end());
        for piece in answer.chunks(64 * 1024) {
            writer.write_all(piece).await?;
            sent.fetch_add(piece.len(), SeqCst);
        }
        line.clear();
    }
    Ok(())
}

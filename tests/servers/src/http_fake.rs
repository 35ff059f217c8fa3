//! An HTTP server that answers as a test says.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Bytes of a flood.
const FLOOD: usize = 400 << 20;

/// What a client asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// With the query.
    pub path: String,
    /// All of it up to the body.
    pub head: String,
    pub body: Vec<u8>,
}

/// What it is answered.
pub enum Said {
    /// These bytes, and the next request on the same connection.
    Bytes(Vec<u8>),
    /// These bytes, and the end of the connection.
    Last(Vec<u8>),
    /// These bytes, and then zeros without end.
    Flood(Vec<u8>),
    /// Nothing, for ever.
    Nothing,
    /// The end of the connection.
    End,
}

impl Said {
    /// A whole answer; `headers` are lines, each with its line end.
    pub fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
        Self::Bytes([head.as_bytes(), body].concat())
    }
}

/// An HTTP/1.1 server on a free loopback port. Ends when dropped.
pub struct HttpFake {
    pub port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    answer: Box<dyn Fn(&Asked) -> Said + Send + Sync>,
    asked: Mutex<Vec<Asked>>,
    flooded: AtomicUsize,
}

impl HttpFake {
    pub async fn start(answer: impl Fn(&Asked) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            answer: Box::new(answer),
            asked: Mutex::default(),
            flooded: AtomicUsize::new(0),
        });
        let task = tokio::spawn({
            let shared = shared.clone();
            async move {
                let mut clients = JoinSet::new();
                loop {
                    let (client, _) = listener.accept().await.unwrap();
                    clients.spawn(serve(client, shared.clone()));
                    while clients.try_join_next().is_some() {}
                }
            }
        });
        Self { port, shared, task }
    }

    /// All that was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// How many bytes of floods were taken, by clients and the sockets on the way to them.
    pub fn flooded(&self) -> usize {
        self.shared.flooded.load(SeqCst)
    }
}

impl Drop for HttpFake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut client: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(asked) = next(&mut client, &mut buffer).await? {
        shared.asked.lock().unwrap().push(asked.clone());
        match (shared.answer)(&asked) {
            Said::Bytes(bytes) => client.write_all(&bytes).await?,
            Said::Last(bytes) => return client.write_all(&bytes).await,
            Said::Flood(bytes) => {
                client.write_all(&bytes).await?;
                let water = vec![0; 64 * 1024];
                while shared.flooded.load(SeqCst) < FLOOD {
                    let size = client.write(&water).await?;
                    shared.flooded.fetch_add(size, SeqCst);
                }
                return Ok(());
            }
            Said::Nothing => std::future::pending().await,
            Said::End => return Ok(()),
        }
    }
    Ok(())
}

/// The next request, if there is one.
async fn next(client: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Asked>> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if client.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8(buffer.drain(..end).collect()).unwrap();
    let length = |line: &str| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok();
    let length: usize = head.lines().find_map(length).unwrap_or(0);
    while buffer.len() < length {
        if client.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    let body = buffer.drain(..length).collect();
    let mut words = head.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    Ok(Some(Asked { method, path, head, body }))
}

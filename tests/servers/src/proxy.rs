//! A TCP proxy that misbehaves on demand.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// What the proxy does to connections, those that are open and those to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Resets a connection as soon as the client sends something.
    Reset,
    /// Closes each connection as soon as it is accepted.
    Refuse,
    /// Takes what is sent and delivers nothing. A connection that met this stays dead afterwards.
    BlackHole,
    /// Holds each piece of a reply back for this long.
    Delay(Duration),
    /// Passes on so many bytes of the next reply, then closes the connection.
    Cut(usize),
    /// The same, and no fault from then on.
    CutOnce(usize),
    /// Replaces each reply by bytes that are not RESP.
    Garbage,
}

/// A proxy in front of one port. Ends with its runtime or when dropped.
pub struct Proxy {
    pub port: u16,
    upstream: u16,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

struct Shared {
    fault: watch::Sender<Fault>,
    accepted: AtomicUsize,
    recorded: Mutex<Vec<u8>>,
}

impl Proxy {
    pub async fn start(upstream: u16) -> Self {
        let shared = Shared {
            fault: watch::Sender::new(Fault::None),
            accepted: AtomicUsize::new(0),
            recorded: Mutex::default(),
        };
        let mut proxy = Self { port: 0, upstream, shared: Arc::new(shared), listening: None };
        proxy.open();
        proxy
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn set(&self, fault: Fault) {
        self.shared.fault.send_replace(fault);
    }

    /// Closes the port and every connection: connecting is refused.
    pub async fn close(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            let _ = listening.await; // until the port is free
        }
    }

    /// Opens the port again.
    pub fn open(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(([127, 0, 0, 1], self.port).into()).unwrap();
        let listener = socket.listen(1024).unwrap();
        self.port = listener.local_addr().unwrap().port();
        self.listening = Some(tokio::spawn(accept(listener, self.upstream, self.shared.clone())));
    }

    /// How many connections there were so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(SeqCst)
    }

    /// All bytes so far that either side sent.
    pub fn recorded(&self) -> Vec<u8> {
        self.shared.recorded.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

async fn accept(listener: TcpListener, upstream: u16, shared: Arc<Shared>) {
    let mut connections = JoinSet::new(); // ends them when this task is aborted
    loop {
        let (client, _) = listener.accept().await.unwrap();
        shared.accepted.fetch_add(1, SeqCst);
        if *shared.fault.borrow() != Fault::Refuse {
            connections.spawn(pass(client, upstream, shared.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Passes bytes both ways until one side, or the fault, ends it.
async fn pass(mut client: TcpStream, upstream: u16, shared: Arc<Shared>) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", upstream)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut from_server) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let sent = &from_client[..read?];
                shared.record(sent);
                match *shared.fault.borrow() {
                    Fault::Reset => return reset(&client),
                    Fault::BlackHole => break,
                    _ if sent.is_empty() => return Ok(()),
                    _ => {}
                }
                server.write_all(sent).await?;
            }
            read = server.read(&mut from_server) => {
                let reply = &from_server[..read?];
                shared.record(reply);
                let fault = *shared.fault.borrow();
                match fault {
                    Fault::BlackHole => break,
                    _ if reply.is_empty() => return Ok(()),
                    Fault::CutOnce(bytes) => {
                        shared.fault.send_replace(Fault::None);
                        return client.write_all(&reply[..bytes.min(reply.len())]).await;
                    }
                    Fault::Cut(bytes) => return client.write_all(&reply[..bytes.min(reply.len())]).await,
                    Fault::Garbage => client.write_all(b"\x00not RESP\r\n").await?,
                    Fault::Delay(time) => {
                        tokio::time::sleep(time).await;
                        client.write_all(reply).await?;
                    }
                    Fault::None | Fault::Reset | Fault::Refuse => client.write_all(reply).await?,
                }
            }
        }
    }
    std::future::pending().await // half-open for good: neither bytes nor an end
}

fn reset(client: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(client).set_linger(Some(Duration::ZERO)) // closing then sends RST
}

impl Shared {
    fn record(&self, bytes: &[u8]) {
        self.recorded.lock().unwrap().extend_from_slice(bytes);
    }
}

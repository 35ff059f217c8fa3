//! A server that answers as a test says.

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

/// Bytes of a flood. What the sockets hold by themselves is a small part of it.
const FLOOD: usize = 100 << 20;

/// What was asked: the operation in lower case, such as `getitem`, and the body.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The number of the connection, from 0.
    pub(crate) connection: usize,
    pub(crate) operation: String,
    pub(crate) body: String,
}

impl Asked {
    /// The names in it, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let rest = self.body.split(r#""pk":{"S":""#).skip(1);
        rest.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    }
}

pub(crate) enum Answer {
    Whole(Vec<u8>),
    /// The bytes, and 100 MB after them.
    Flood(Vec<u8>),
    /// None at all.
    Silence,
}

/// An answer without fault.
pub(crate) fn ok(body: &str) -> Answer {
    whole("200 OK", "", body)
}

/// An error of the service.
pub(crate) fn error(status: &str, code: &str, headers: &str) -> Answer {
    whole(
        status,
        headers,
        &format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"hunter2"}}"#),
    )
}

/// Any answer; each of the headers ends with CRLF.
pub(crate) fn whole(status: &str, headers: &str, body: &str) -> Answer {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    Answer::Whole((head + body).into_bytes())
}

/// Answers each request by a function. Ends when dropped.
pub(crate) struct Canned {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    taken: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Canned {
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let taken = Arc::<AtomicUsize>::default();
        let (answer, all, sent) = (Arc::new(answer), asked.clone(), taken.clone());
        let task = tokio::spawn(async move {
            let mut clients = JoinSet::new();
            for connection in 0.. {
                let (client, _) = listener.accept().await.unwrap();
                let (answer, all, sent) = (answer.clone(), all.clone(), sent.clone());
                let answer = move |asked: &Asked| answer(asked);
                clients.spawn(async move { serve(client, connection, answer, &all, &sent).await });
            }
        });
        Self { port, asked, taken, task }
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How many bytes of floods the client, and the sockets on the way to it, have taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(SeqCst)
    }
}

impl Drop for Canned {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut client: TcpStream,
    connection: usize,
    answer: impl Fn(&Asked) -> Answer,
    all: &Mutex<Vec<Asked>>,
    taken: &AtomicUsize,
) -> io::Result<()> {
    let mut heard = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        while let Some((asked, size)) = parse(&heard) {
            let asked = Asked { connection, ..asked };
            heard.drain(..size);
            let answer = answer(&asked);
            all.lock().unwrap().push(asked);
            match answer {
                Answer::Whole(bytes) => client.write_all(&bytes).await?,
                Answer::Flood(bytes) => {
                    client.write_all(&bytes).await?;
                    flood(&mut client, taken).await?;
                }
                Answer::Silence => std::future::pending().await,
            }
        }
        match client.read(&mut piece).await? {
            0 => return Ok(()),
            size => heard.extend(&piece[..size]),
        }
    }
}

/// The first request of what was heard, if it is whole, and its length.
fn parse(heard: &[u8]) -> Option<(Asked, usize)> {
    let head_size = heard.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&heard[..head_size]).to_lowercase();
    let header = |name: &str| {
        let (_, rest) = head.split_once(&format!("\r\n{name}: ")).unwrap_or_else(|| panic!("no {name}"));
        rest.split("\r\n").next().unwrap().to_owned()
    };
    let length: usize = header("content-length").parse().unwrap();
    let body = heard.get(head_size..head_size + length)?;
    let operation = header("x-amz-target").split('.').next_back().unwrap().to_owned();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Some((Asked { connection: 0, operation, body }, head_size + length))
}

async fn flood(client: &mut TcpStream, taken: &AtomicUsize) -> io::Result<()> {
    let water = [b' '; 64 * 1024];
    let mut left = FLOOD;
    while left > 0 {
        let size = client.write(&water[..left.min(water.len())]).await?;
        taken.fetch_add(size, SeqCst);
        left -= size;
    }
    Ok(())
}

//! A server that answers each command as its test likes.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// A command, as words.
pub type Words = Vec<String>;
type Answer = dyn Fn(&[String]) -> Option<Vec<u8>> + Send + Sync;

/// Answers logins, whatever they are, and `PING` as a server does, and each other command by a function. Ends when dropped.
pub struct Script {
    pub port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    answer: Mutex<Arc<Answer>>,
    heard: Mutex<Vec<Words>>,
    accepted: AtomicUsize,
    ended: AtomicUsize,
}

impl Script {
    /// `None` is no answer, ever.
    pub async fn start(answer: impl Fn(&[String]) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer: Arc<Answer> = Arc::new(answer);
        let shared = Arc::new(Shared {
            answer: Mutex::new(answer),
            heard: Mutex::default(),
            accepted: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
        });
        let task = tokio::spawn({
            let shared = shared.clone();
            async move {
                let mut clients = JoinSet::new();
                loop {
                    let (client, _) = listener.accept().await.unwrap();
                    shared.accepted.fetch_add(1, SeqCst);
                    let shared = shared.clone();
                    clients.spawn(async move {
                        serve(client, &shared).await;
                        shared.ended.fetch_add(1, SeqCst);
                    });
                }
            }
        });
        Self { port, shared, task }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Answers so from now on.
    pub fn play(&self, answer: impl Fn(&[String]) -> Option<Vec<u8>> + Send + Sync + 'static) {
        *self.shared.answer.lock().unwrap() = Arc::new(answer);
    }

    /// All commands so far, but those of logins.
    pub fn heard(&self) -> Vec<Words> {
        self.shared.heard.lock().unwrap().clone()
    }

    /// How many connections there are, of those on which nothing was left unanswered.
    pub fn open(&self) -> usize {
        self.accepted() - self.shared.ended.load(SeqCst)
    }

    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(SeqCst)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(client: TcpStream, shared: &Shared) -> Option<()> {
    let mut client = BufReader::new(client);
    loop {
        let words = read(&mut client).await?;
        let answer = match &*words[0] {
            "PING" => Some(b"+PONG\r\n".to_vec()),
            "AUTH" | "CLIENT" | "SELECT" => Some(b"+OK\r\n".to_vec()),
            _ => {
                shared.heard.lock().unwrap().push(words.clone());
                let answer = shared.answer.lock().unwrap().clone();
                answer(&words)
            }
        };
        match answer {
            Some(answer) => client.get_mut().write_all(&answer).await.ok()?,
            None => std::future::pending().await,
        }
    }
}

async fn read(client: &mut BufReader<TcpStream>) -> Option<Words> {
    let mut words = Vec::new();
    for _ in 0..number(client).await? {
        let mut word = vec![0; number(client).await? + 2];
        client.read_exact(&mut word).await.ok()?;
        word.truncate(word.len() - 2);
        words.push(String::from_utf8_lossy(&word).into_owned());
    }
    Some(words)
}

/// Of `*3` or `$3`.
async fn number(client: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut line = String::new();
    client.read_line(&mut line).await.ok()?;
    line.trim_end().get(1..)?.parse().ok()
}

/// The answer to `CLUSTER SLOTS`: all slots, at this port.
pub fn all_slots_at(port: u16) -> Vec<u8> {
    format!("*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:{port}\r\n$1\r\nx\r\n").into_bytes()
}

/// The answer of a sentinel: the master is at this port.
pub fn master_at(port: u16) -> Vec<u8> {
    let port = port.to_string();
    format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len()).into_bytes()
}

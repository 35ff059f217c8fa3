//! Stores that fail: down, with another password, or hostile.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex},
};

use blindcache::{Backend, EncryptedBackend, Error, Keyring};
use blindcache_server_tests::{impatient, in_time};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::{case::Case, marks::Marks};

/// Makes every call; gives how many there were and how many failed.
pub(crate) async fn every_call<B: Backend + Debug>(backend: B, case: &mut Case) -> (usize, usize) {
    let master = case.master("a key of failing calls");
    let tenant = case.tenant(std::slice::from_ref(&master));
    let keys = Keyring::new(master.key()).unwrap().tenant(&tenant).unwrap();
    let store = EncryptedBackend::new(backend, keys).namespace(&case.text("a namespace")).unwrap();
    let key = case.text("a key of a failing call");
    let value = case.text("a value of a failing call");
    let results = [
        in_time(store.backend().ping()).await.map_err(Error::from),
        in_time(store.get::<String>(&key)).await.map(drop),
        in_time(store.get_bytes(&key)).await.map(drop),
        in_time(store.get_many::<String>([&key, &value])).await.map(drop),
        in_time(store.set(&key, &value, None)).await,
        in_time(store.set_bytes(&key, value.as_bytes(), None)).await,
        in_time(store.set_many([(&key, &value), (&value, &key)], None)).await,
        in_time(store.delete(&key)).await.map(drop),
        in_time(store.delete_many([&key, &value])).await.map(drop),
        in_time(store.exists(&key)).await.map(drop),
    ];
    case.show(store.backend());
    case.show(&store);
    let (all, failed) = (results.len(), results.iter().filter(|result| result.is_err()).count());
    results.into_iter().for_each(|result| case.outcome(result));
    (all, failed)
}

/// How a [`Parrot`] answers with what it heard: what stands before it.
const FRAMES: [&str; 13] = [
    "-ERR wrong number of arguments for 'auth' command: ", // the client then tries without the user
    "-ERR unknown command, with args beginning with: ",
    "-WRONGPASS ",
    "-NOAUTH ",
    "-OOM ",
    "-MOVED 1 ",
    "-",
    "+",
    ":",
    "$",
    "!",
    "*1\r\n$",
    "",
];

/// A server that answers with all that it was sent on a connection, the login too. Ends when dropped.
struct Parrot {
    port: u16,
    said: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Parrot {
    /// A polite one takes the login as a server does and repeats it later.
    async fn start(frame: &'static str, polite: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let said = Arc::<Mutex<Vec<u8>>>::default();
        let all = said.clone();
        let task = tokio::spawn(async move {
            let mut clients = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                clients.spawn(repeat(client, frame, polite, all.clone()));
            }
        });
        Self { port, said, task }
    }
}

impl Drop for Parrot {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn repeat(mut client: TcpStream, frame: &str, polite: bool, said: Arc<Mutex<Vec<u8>>>) {
    let mut heard = Vec::new();
    let mut sent = vec![0; 64 * 1024];
    while let Ok(size @ 1..) = client.read(&mut sent).await {
        let sent = &sent[..size];
        heard.extend(sent.iter().filter(|byte| !byte.is_ascii_control()));
        let lines: Vec<&[u8]> = sent.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
        let commands = lines.windows(3).filter(|lines| lines[0].starts_with(b"*")).map(|lines| lines[2]);
        let repeated = [frame.as_bytes(), &length(frame, &heard), &heard, b"\r\n"].concat();
        let answer = commands.flat_map(|name| match name {
            b"HELLO" if polite => b"%0\r\n".as_slice(),
            b"AUTH" | b"CLIENT" if polite => b"+OK\r\n",
            b"PING" if polite => b"+PONG\r\n",
            _ => &repeated,
        });
        let answer: Vec<u8> = answer.copied().collect();
        said.lock().unwrap().extend(&answer);
        if client.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// What a frame that states a length has before what it holds.
fn length(frame: &str, heard: &[u8]) -> Vec<u8> {
    if frame.ends_with(['$', '!']) { format!("{}\r\n", heard.len()).into() } else { Vec::new() }
}

/// Servers that repeat what they were sent, in errors and in answers of every type.
pub(crate) async fn hostile(case: &mut Case) {
    for frame in FRAMES {
        for polite in [false, true] {
            for protocol in ["", "?protocol=resp3"] {
                let mut login = Marks::default();
                let [user, password] = ["a user", "a password"].map(|what| login.text(what));
                case.logins.add("a user of a hostile server", user.as_bytes());
                case.logins.add("a password of a hostile server", password.as_bytes());
                let parrot = Parrot::start(frame, polite).await;
                let url = format!("redis://{user}:{password}@127.0.0.1:{}/{protocol}", parrot.port);
                let (_, failed) = every_call(impatient(&url), case).await;
                assert!(failed > 0, "no failure: {frame:?} {polite} {protocol}");
                assert!(login.find(&parrot.said.lock().unwrap()).is_some(), "{frame:?} {polite} {protocol}");
            }
        }
    }
}

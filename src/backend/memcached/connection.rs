//! One connection to a server: what is sent, and the answers to it.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadHalf,
    WriteHalf, split,
};
use tokio_rustls::TlsConnector;

use super::{
    address::Way,
    error::Failure,
    request::{Answer, Command, Request},
    server::Limits,
};
use crate::backend::socket;

/// Longest line of a server in bytes; those of memcached are a small part of it.
const MAX_LINE: usize = 2 * 1024;

/// An answer to one command.
#[derive(Debug)]
pub(super) enum Reply {
    /// What the name holds.
    Entry(Bytes),
    /// There was something; it was done.
    Done,
    /// There was nothing.
    Missing,
    /// This write was not done.
    Refused(Failure),
}

trait Stream: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

type Boxed = Pin<Box<dyn Stream>>;

/// A connection, owned by one call at a time: what a call that failed or was dropped leaves unread ends with it.
pub(super) struct Connection {
    reader: BufReader<ReadHalf<Boxed>>,
    writer: WriteHalf<Boxed>,
    /// Largest entry in bytes that is read.
    max_entry: usize,
}

impl Connection {
    /// Connects, and waits for one answer: without it, a proxy with no server behind it could look like a connection.
    pub(super) async fn open(way: &Way, limits: Limits, found_before: bool) -> Result<Self, Failure> {
        let tcp = async |host, port| {
            let stream = socket::connect(host, port, limits.timeout).await;
            stream.map_err(|err| Failure::not_connected(err, found_before))
        };
        let stream: Boxed = match way {
            Way::Tcp { host, port } => Box::pin(tcp(host, *port).await?),
            Way::Tls { host, port, server, config } => {
                let stream = tcp(host, *port).await?;
                let connector = TlsConnector::from(config.clone());
                Box::pin(connector.connect(server.clone(), stream).await.map_err(Failure::io)?)
            }
            #[cfg(unix)]
            Way::Unix(path) => Box::pin(tokio::net::UnixStream::connect(path).await.map_err(Failure::io)?),
            #[cfg(not(unix))]
            Way::Unix(_) => return Err(Failure::setting("this system has no unix sockets")),
        };
        let mut connection = Self::over(stream, limits.max_entry);
        connection.exchange(&Request::one(&Command::Noop)).await?;
        Ok(connection)
    }

    fn over(stream: Boxed, max_entry: usize) -> Self {
        let (reader, writer) = split(stream);
        Self { reader: BufReader::new(reader), writer, max_entry }
    }

    /// Whether nothing has come that no call asked for, be it the end.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.reader).poll_fill_buf(&mut context).is_pending()
    }

    /// Sends the request and reads the answers, each in the order of its command.
    ///
    /// Both at the same time: a server takes no more commands while its answers are not read.
    pub(super) async fn exchange(&mut self, request: &Request) -> Result<Vec<Reply>, Failure> {
        let Self { reader, writer, max_entry } = self;
        let mut sent = pin!(async {
            writer.write_all(&request.bytes).await.map_err(Failure::io)?;
            writer.flush().await.map_err(Failure::io)
        });
        let mut answered = pin!(replies(reader, request, *max_entry));
        let (mut is_sent, mut replies) = (false, None);
        poll_fn(|context| {
            if !is_sent && let Poll::Ready(done) = sent.as_mut().poll(context) {
                done?;
                is_sent = true;
            }
            if replies.is_none()
                && let Poll::Ready(done) = answered.as_mut().poll(context)
            {
                replies = Some(done?);
            }
            match replies.take_if(|_| is_sent) {
                Some(replies) => Poll::Ready(Ok(replies)),
                None => Poll::Pending,
            }
        })
        .await
    }
}

pub(super) async fn replies<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    request: &Request,
    max_entry: usize,
) -> Result<Vec<Reply>, Failure> {
    let mut replies = Vec::with_capacity(request.answers.len());
    let mut line = Vec::new();
    for (answer, token) in &request.answers {
        read_line(reader, &mut line).await?;
        replies.push(match Head::parse(&line, *answer, *token) {
            Ok(Head::Entry(size)) => Reply::Entry(read_entry(reader, size, max_entry).await?),
            Ok(Head::Whole(reply)) => reply,
            Err(failure) if *answer == Answer::Stored && failure.refuses_one_write() => {
                Reply::Refused(failure)
            }
            Err(failure) => return Err(failure),
        });
    }
    Ok(replies)
}

/// Reads a line, without its end.
async fn read_line<R: AsyncBufRead + Unpin>(reader: &mut R, line: &mut Vec<u8>) -> Result<(), Failure> {
    line.clear();
    loop {
        let came = reader.fill_buf().await.map_err(Failure::io)?;
        if came.is_empty() {
            return Err(Failure::io(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let end = came.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(came.len(), |at| at + 1);
        if line.len() + taken > MAX_LINE {
            return Err(Failure::endless());
        }
        line.extend_from_slice(&came[..taken]);
        reader.consume(taken);
        if end.is_some() {
            let length = line.strip_suffix(b"\r\n").ok_or_else(Failure::unexpected)?.len();
            line.truncate(length);
            return Ok(());
        }
    }
}

/// Reads an entry of this size and the end of its line. The size is the server's word: nothing is set aside for one
/// that is too large.
async fn read_entry<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    size: usize,
    max_entry: usize,
) -> Result<Bytes, Failure> {
    if size > max_entry {
        return Err(Failure::oversized());
    }
    let mut entry = vec![0; size];
    reader.read_exact(&mut entry).await.map_err(Failure::io)?;
    let mut end = [0; 2];
    reader.read_exact(&mut end).await.map_err(Failure::io)?;
    if end == *b"\r\n" { Ok(entry.into()) } else { Err(Failure::unexpected()) }
}

/// The line that an answer begins with.
enum Head {
    /// An entry of this size in bytes follows.
    Entry(usize),
    Whole(Reply),
}

impl Head {
    fn parse(line: &[u8], answer: Answer, token: u64) -> Result<Self, Failure> {
        let mut words = line.split(|byte| *byte == b' ');
        let code = words.next().unwrap_or_default();
        let head = match (answer, code) {
            (Answer::Entry, b"VA") => Self::Entry(number(words.next()).ok_or_else(Failure::unexpected)?),
            // The misses of older servers have no token: https://github.com/memcached/memcached/issues/880
            (Answer::Entry | Answer::Presence, b"EN") if line == b"EN" => {
                return Ok(Self::Whole(Reply::Missing));
            }
            (Answer::Entry | Answer::Presence, b"EN") => Self::Whole(Reply::Missing),
            (Answer::Presence | Answer::Deleted | Answer::Stored, b"HD") => Self::Whole(Reply::Done),
            (Answer::Deleted, b"NF") => Self::Whole(Reply::Missing),
            (Answer::Refused, b"HD" | b"NF") => Self::Whole(Reply::Refused(Failure::too_large())),
            (Answer::Noop, b"MN") if line == b"MN" => return Ok(Self::Whole(Reply::Done)),
            _ => return Err(Failure::line(line)),
        };
        let echoed = words.next().and_then(|word| number(word.strip_prefix(b"O")));
        if echoed == Some(token) && words.next().is_none() { Ok(head) } else { Err(Failure::crossed()) }
    }
}

/// Decimal digits alone.
fn number<N: std::str::FromStr>(word: Option<&[u8]>) -> Option<N> {
    let word = word.filter(|word| word.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::crypto::StoreKey;

    /// A connection whose sides hold so many bytes that the other has not read, and its other side.
    fn connection(bytes: usize) -> (Connection, BufReader<tokio::io::DuplexStream>) {
        let (ours, theirs) = tokio::io::duplex(bytes);
        (Connection::over(Box::pin(ours), 1_000), BufReader::new(theirs))
    }

    fn gets(count: usize) -> Request {
        let key = StoreKey::probe();
        let commands: Vec<_> = (0..count).map(|_| Command::Get(&key)).collect();
        Request::first_of(&commands, usize::MAX).unwrap()
    }

    #[tokio::test]
    async fn answers_are_read_while_commands_are_sent() {
        let (mut connection, mut server) = connection(64);
        let serving = tokio::spawn(async move {
            let mut line = String::new();
            for _ in 0..50 {
                line.clear();
                server.read_line(&mut line).await.unwrap();
                let token = line.trim_end().rsplit(' ').next().unwrap();
                // No further command is taken before the answer is.
                let answer = format!("VA 900 {token}\r\n{}\r\n", "x".repeat(900));
                server.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let request = gets(50);
        let exchange = tokio::time::timeout(Duration::from_secs(30), connection.exchange(&request));
        let replies = exchange.await.expect("both sides wait for the other").unwrap();
        assert!(replies.iter().all(|reply| matches!(reply, Reply::Entry(entry) if entry.len() == 900)));
        assert_eq!(replies.len(), 50);
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn answer_before_all_is_sent_is_waited_on_with() {
        let (mut connection, mut server) = connection(64);
        let (key, mut entry) = (StoreKey::probe(), vec![b'x'; 900]);
        entry[..4].copy_from_slice(b"\xC1bc\x01");
        let entry = crate::crypto::Sealed::parse(entry).unwrap();
        let serving = tokio::spawn(async move {
            let mut line = String::new();
            server.read_line(&mut line).await.unwrap();
            // As memcached may: the refusal first, and what it refuses is taken afterwards.
            server.write_all(b"SERVER_ERROR object too large for cache\r\n").await.unwrap();
            server.read_exact(&mut vec![0; 902]).await.unwrap();
            server
        });
        let replies = connection.exchange(&Request::one(&Command::Set(&key, &entry, None))).await.unwrap();
        assert!(matches!(replies[..], [Reply::Refused(_)]));
        let _server = serving.await.unwrap();
        assert!(connection.is_quiet());
    }

    #[tokio::test]
    async fn what_nobody_asked_for_is_noticed() {
        let (mut connection, mut server) = connection(64);
        assert!(connection.is_quiet());
        server.write_all(b"x").await.unwrap();
        assert!(!connection.is_quiet());
        let (mut connection, server) = self::connection(64);
        drop(server);
        assert!(!connection.is_quiet());
    }
}

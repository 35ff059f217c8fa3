//! Servers that answer whatever they like: typed errors, no hang, nothing that they echo, and no answer to another call.

use std::sync::Mutex;

use blindcache::{
    Backend, BackendErrorKind as Kind, EncryptedBackend, Error, Keyring, MasterKey, MemcachedBackend,
};
use blindcache_server_tests::{LIMIT, Memcached, Store, entry, in_time, key, until};

use crate::{
    failing,
    fake::{Fake, token},
};

/// Bytes of a flood.
const FLOOD: usize = 100 << 20;
/// More than the sockets hold of what one side sends and the other does not read.
const SOCKETS: usize = 32 << 20;

/// The kinds with which calls of every method end.
async fn all(backend: &MemcachedBackend) -> [Kind; 7] {
    let (one, two) = (key(1), key(2));
    let writes = vec![(key(1), entry(1, 200), None), (key(2), entry(2, 200), None)];
    [
        failing(backend.get(&one)).await,
        failing(backend.exists(&one)).await,
        failing(backend.set(&one, entry(1, 200), None)).await,
        failing(backend.delete(&one)).await,
        failing(backend.get_many(&[one.clone(), two.clone()])).await,
        failing(backend.set_many(writes)).await,
        failing(backend.delete_many(&[one.clone(), two])).await,
    ]
}

#[tokio::test]
async fn error_lines_have_the_kind_of_their_words() {
    for (line, kind) in [
        ("SERVER_ERROR out of memory writing get response\r\n", Kind::Transient),
        ("SERVER_ERROR backend failure\r\n", Kind::Transient),
        ("SERVER_ERROR\r\n", Kind::Transient),
        ("CLIENT_ERROR bad command line format\r\n", Kind::Rejected),
        ("CLIENT_ERROR unauthenticated\r\n", Kind::Denied),
        ("ERROR\r\n", Kind::Misconfigured),
        ("ERROR Too many open connections\r\n", Kind::Transient),
        ("BUSY\r\n", Kind::Rejected),
        ("\r\n", Kind::Rejected),
    ] {
        let fake = Fake::saying(line).await;
        assert_eq!(all(&fake.backend()).await, [kind; 7], "{line}");
    }
}

#[tokio::test]
async fn refusals_of_writes_are_none_of_other_commands() {
    for (line, kind) in [
        ("SERVER_ERROR out of memory storing object\r\n", Kind::Throttled),
        ("SERVER_ERROR object too large for cache\r\n", Kind::TooLarge),
    ] {
        let fake = Fake::saying(line).await;
        let backend = fake.backend();
        assert_eq!(all(&backend).await, [kind; 7], "{line}");
        // A refused write leaves its connection as it was; any other command that is answered so ends it.
        until("the connections of the others end", async || fake.ended() == 5).await;
    }
}

#[tokio::test]
async fn text_of_the_server_is_in_no_error() {
    for line in [
        "SERVER_ERROR hunter2\r\n",
        "CLIENT_ERROR hunter2\r\n",
        "ERROR hunter2\r\n",
        "hunter2\r\n",
        "VA hunter2 O1\r\n",
        "HD hunter2\r\n",
        "EN Ohunter2\r\n",
    ] {
        for fake in [Fake::saying(line).await, Fake::greeting(move |_| line.into()).await] {
            let backend = fake.backend();
            for err in [
                in_time(backend.get(&key(1))).await.unwrap_err(),
                in_time(backend.set(&key(1), entry(1, 200), None)).await.unwrap_err(),
            ] {
                let shown = format!("{err:?} {err} {:?} {backend:?}", std::error::Error::source(&err));
                assert!(!shown.contains("hunter2"), "{shown}");
            }
        }
    }
}

#[tokio::test]
async fn answers_that_are_none_of_the_command_are_rejected() {
    for line in [
        "STORED\r\n",
        "END\r\n",
        "VALUE a 0 1\r\nx\r\nEND\r\n",
        "VA\r\n",
        "VA 200\r\n",
        "VA -1 O1\r\n",
        "VA +1 O1\r\nx\r\n",
        "VA 1e3 O1\r\n",
        "VA 0x10 O1\r\n",
        "VA 18446744073709551616 O1\r\n",
        "HD\r\n",
        "HD \r\n",
        "HD  O1\r\n",
        "NS O1\r\n",
        "EX O1\r\n",
        "ME\r\n",
        "MN\r\n",
        "hd O1\r\n",
        "\0not memcached\r\n",
        "HD O1\n",
        "\n",
    ] {
        let fake = Fake::saying(line).await;
        assert_eq!(all(&fake.backend()).await, [Kind::Rejected; 7], "{}", line.escape_debug());
    }
}

/// `{}` stands for the token of the command.
async fn answering(template: &'static str) -> Fake {
    Fake::start(move |line| template.replace("{}", token(line)).into()).await
}

#[tokio::test]
async fn sizes_above_the_largest_entry_are_refused_unread() {
    for size in [MemcachedBackend::ENTRY as u64 + 1, u64::from(u32::MAX), i64::MAX as u64, u64::MAX] {
        let fake = Fake::start(move |line| format!("VA {size} O{}\r\n", token(line)).into()).await;
        let backend = fake.backend();
        assert_eq!(failing(backend.get(&key(1))).await, Kind::Rejected, "{size}");
        assert_eq!(failing(backend.get_many(&[key(1), key(2)])).await, Kind::Rejected, "{size}");
    }
}

#[tokio::test]
async fn entry_that_is_longer_or_shorter_than_its_size_is_rejected() {
    for template in ["VA 3 O{}\r\nabcd\r\n", "VA 3 O{}\r\nab\r\nEN O{}\r\n", "VA 0 O{}\r\nx\r\n"] {
        let fake = answering(template).await;
        assert_eq!(failing(fake.backend().get(&key(1))).await, Kind::Rejected, "{template}");
    }
}

#[tokio::test]
async fn what_lacks_the_token_of_its_command_is_rejected() {
    for template in [
        "VA 3 O{}0\r\nabc\r\n",
        "VA 3 O0\r\nabc\r\n",
        "VA 3 {}\r\nabc\r\n",
        "VA 3\r\nabc\r\n",
        "VA 3 O{} s3\r\nabc\r\n",
        "VA 3 f0 O{}\r\nabc\r\n",
        "EN O0\r\n",
        "EN O{} k\r\n",
        "EN \r\n",
    ] {
        let fake = answering(template).await;
        let backend = fake.backend();
        assert_eq!(failing(backend.get(&key(1))).await, Kind::Rejected, "{template}");
        assert_eq!(failing(backend.get_many(&[key(1), key(2)])).await, Kind::Rejected, "{template}");
    }
    for template in ["HD O0\r\n", "HD\r\n", "HD O{} O{}\r\n", "HD o{}\r\n"] {
        let fake = answering(template).await;
        let backend = fake.backend();
        assert_eq!(failing(backend.exists(&key(1))).await, Kind::Rejected, "{template}");
        assert_eq!(failing(backend.set(&key(1), entry(1, 200), None)).await, Kind::Rejected, "{template}");
        assert_eq!(failing(backend.delete(&key(1))).await, Kind::Rejected, "{template}");
    }
}

/// The fake's control: with the token as it should be, the same answers are good ones.
#[tokio::test]
async fn right_tokens_are_taken() {
    let fake = answering("VA 3 O{}\r\nabc\r\n").await;
    assert_eq!(*fake.backend().get(&key(1)).await.unwrap().unwrap(), *b"abc");
    // As older servers say it, too.
    for template in ["EN O{}\r\n", "EN\r\n"] {
        let fake = answering(template).await;
        assert!(fake.backend().get(&key(1)).await.unwrap().is_none());
        assert!(!fake.backend().exists(&key(1)).await.unwrap());
    }
    let fake = answering("HD O{}\r\n").await;
    assert!(fake.backend().delete(&key(1)).await.unwrap());
    assert!(fake.backend().exists(&key(1)).await.unwrap());
    fake.backend().set(&key(1), entry(1, 200), None).await.unwrap();
}

#[tokio::test]
async fn answers_in_another_order_are_rejected() {
    // Of two commands: the first waits, and stands behind the second.
    let waiting = Mutex::new(None::<String>);
    let fake = Fake::start(move |line| {
        let answer = format!("VA 3 O{}\r\nabc\r\n", token(line));
        let mut waiting = waiting.lock().unwrap();
        match waiting.take() {
            Some(first) => (answer + &first).into(),
            None => {
                *waiting = Some(answer);
                Vec::new()
            }
        }
    })
    .await;
    assert_eq!(failing(fake.backend().get_many(&[key(1), key(2)])).await, Kind::Rejected);
}

#[tokio::test]
async fn answer_that_comes_twice_reaches_no_later_call() {
    let fake = answering("VA 3 O{}\r\nabc\r\nVA 3 O{}\r\nabc\r\n").await;
    let backend = fake.backend();
    for _ in 0..20 {
        // What is left over came with the answer, so it is seen before the next call has the connection.
        assert_eq!(*in_time(backend.get(&key(1))).await.unwrap().unwrap(), *b"abc");
    }
    until("their connections end", async || fake.ended() == 19).await;
}

#[tokio::test]
async fn entry_of_another_key_is_unreadable() {
    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
    let server = Memcached::start();
    let writer = EncryptedBackend::new(server.backend(), keys.tenant("acme").unwrap());
    writer.set("one", "value", None).await.unwrap();
    let held = server.ask(&format!("mg {} v\r\n", server.names()[0]));
    let (_, held) = held.split_at(held.iter().position(|byte| *byte == b'\n').unwrap() + 1);
    let held = held.strip_suffix(b"\r\n").unwrap().to_vec();
    let fake = Fake::start(move |line| {
        [format!("VA {} O{}\r\n", held.len(), token(line)).as_bytes(), &held, b"\r\n"].concat()
    })
    .await;
    let reader = EncryptedBackend::new(fake.backend(), keys.tenant("acme").unwrap());
    assert_eq!(reader.get::<String>("one").await.unwrap().unwrap(), "value");
    assert!(matches!(reader.get::<String>("another").await, Err(Error::Unreadable(_))));
}

/// Until the client ends the connection, or has taken all.
async fn flooded(answer: fn(&str) -> Vec<u8>) {
    let fake = Fake::start(answer).await;
    let backend = fake.backend();
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Rejected);
    assert_eq!(failing(backend.get_many(&[key(1), key(2)])).await, Kind::Rejected);
    until("the floods end", async || fake.ended() == 2).await;
    assert!(fake.sent() < 2 * SOCKETS, "{} bytes were taken", fake.sent());
}

#[tokio::test]
async fn line_without_an_end_is_rejected() {
    flooded(|_| vec![b'x'; FLOOD]).await;
}

#[tokio::test]
async fn flags_without_an_end_are_rejected() {
    flooded(|_| b"VA 3 ".iter().copied().cycle().take(FLOOD).collect()).await;
}

#[tokio::test]
async fn flood_behind_an_absurd_size_is_rejected() {
    flooded(|line| {
        let mut flood = format!("VA {} O{}\r\n", FLOOD - 100, token(line)).into_bytes();
        flood.resize(FLOOD, b'x');
        flood
    })
    .await;
}

#[tokio::test]
async fn flood_behind_a_good_answer_reaches_no_later_call() {
    let fake = Fake::start(|line| {
        let mut flood = format!("VA 3 O{}\r\nabc\r\n", token(line)).into_bytes();
        flood.resize(FLOOD, b'x');
        flood
    })
    .await;
    let backend = fake.backend();
    for _ in 0..4 {
        match in_time(backend.get(&key(1))).await {
            Ok(found) => assert_eq!(*found.unwrap(), *b"abc"),
            Err(err) => assert_eq!(err.kind(), Kind::Rejected),
        }
    }
    // Nobody reads a connection that waits to be used: the flood stands still in the sockets.
    until("floods end", async || fake.ended() >= 3).await;
    assert!(fake.sent() < 4 * SOCKETS, "{} bytes were taken", fake.sent());
}

#[tokio::test]
async fn late_greeting_and_silence_are_timeouts() {
    let silent = Fake::greeting(|_| Vec::new()).await;
    let deaf = Fake::start(|_| Vec::new()).await;
    let half = answering("VA 100 O{}\r\nabc").await;
    for fake in [silent, deaf, half] {
        let backend = MemcachedBackend::builder(&fake.url()).timeout(LIMIT).build().unwrap();
        assert_eq!(failing(backend.get(&key(1))).await, Kind::Timeout);
    }
}

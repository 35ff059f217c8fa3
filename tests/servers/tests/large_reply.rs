//! How much memory a reply of 100 MB costs, for each backend: as the settings are by default, and with entries of at most 1 MiB.
//!
//! Prints the figures: `cargo test -p blindcache-server-tests --test large_reply -- --nocapture`. The process has this one
//! test, since what is measured is the process. The server pours the reply out of 64 KiB.

use std::{fs, future::Future, path::Path, time::Duration};

use blindcache::{
    Backend, EncryptedBackend, Error, FileBackend, HttpBackend, Keyring, MasterKey, MemcachedBackend,
    MemoryBackend, RedisBackend, Unreadable, UpstashBackend,
    testing::{HostileBackend, Lie},
};
use blindcache_server_tests::{Cloudflare, Server, dynamodb, peak, upstash::TOKEN};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Bytes of the reply, and how many more it may cost where a backend takes all of it by default.
const REPLY: usize = 100 << 20;
const DEFAULT: usize = REPLY + (32 << 20);
/// The same for Redis, whose client holds a reply twice for a moment.
const TWICE: usize = 2 * REPLY + (32 << 20);
/// The largest entry otherwise, and what the reply may cost then.
const SMALL: usize = 1 << 20;
const BOUNDED: usize = 16 << 20;
const LONG: Duration = Duration::from_secs(60);
const KEY: &str = "key";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reply_of_100_mb_costs_no_more_than_it_may() {
    // Without a length that it could be refused by.
    let http = pouring(|_| Some("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".into())).await;
    let url = format!("http://127.0.0.1:{http}");
    let memcached = pouring(|said| said.contains("mg ").then(|| value_for(said))).await;
    let redis = pouring(|said| said.contains("GET").then(|| format!("${REPLY}\r\n"))).await;
    let mut costs = Costs::default();

    let redis = || RedisBackend::builder(&format!("redis://127.0.0.1:{redis}")).response_timeout(LONG);
    let memcached = || MemcachedBackend::builder(&format!("memcache://127.0.0.1:{memcached}")).timeout(LONG);
    let web = || HttpBackend::builder(&url).timeout(LONG);
    let upstash = || UpstashBackend::builder(&url, TOKEN).timeout(LONG);
    let cloudflare = || Cloudflare::builder(http).timeout(LONG);
    // Those that take little go first: the allocator keeps some of what it once had.
    costs.of("redis, 1 MiB", redis().max_entry(SMALL).build().unwrap(), BOUNDED).await;
    costs.of("http, 1 MiB", web().max_entry(SMALL).build().unwrap(), BOUNDED).await;
    costs.of("upstash, 1 MiB", upstash().max_entry(SMALL).build().unwrap(), BOUNDED).await;
    costs.of("cloudflare_kv, 1 MiB", cloudflare().max_entry(SMALL).build().unwrap(), BOUNDED).await;
    real_redis(&mut costs).await;
    costs.of("redis", redis().build().unwrap(), TWICE).await;
    costs.of("memcached", memcached().build().unwrap(), BOUNDED).await;
    costs.of("http", web().build().unwrap(), DEFAULT).await;
    costs.of("upstash", upstash().build().unwrap(), 2 * BOUNDED).await;
    costs.of("cloudflare_kv", cloudflare().build().unwrap(), 4 * BOUNDED).await;
    costs.of("dynamodb", dynamodb::at(http).timeout(LONG).build().unwrap(), BOUNDED).await;
    file(&mut costs).await;
    // A backend that hands all of it over: no copy is made of it.
    let hostile = HostileBackend::script(MemoryBackend::new(), vec![Lie::Flood; 4]);
    costs.of("a backend that hands it over", hostile, DEFAULT).await;
    costs.within_bounds();
}

/// A file in the entry's place.
async fn file(costs: &mut Costs) {
    let dir = tempfile::tempdir().unwrap();
    for (what, largest, most) in
        [("lengthened file, 1 MiB", SMALL, BOUNDED), ("lengthened file", FileBackend::ENTRY, DEFAULT)]
    {
        let builder = FileBackend::builder(dir.path().join(what)).timeout(LONG).max_entry(largest);
        let store = boundary(builder.build().unwrap());
        store.set(KEY, "value", None).await.unwrap();
        lengthen(dir.path());
        costs.of_reading(what, &store, most).await;
    }
}

fn lengthen(dir: &Path) {
    for found in fs::read_dir(dir).unwrap() {
        let path = found.unwrap().path();
        match path.is_dir() {
            true => lengthen(&path),
            false if fs::metadata(&path).unwrap().len() > 100 => {
                fs::File::options().write(true).open(path).unwrap().set_len(REPLY as u64).unwrap();
            }
            false => {}
        }
    }
}

/// A value in a real server.
async fn real_redis(costs: &mut Costs) {
    let server = Server::start();
    for (what, largest, most) in
        [("redis-server, 1 MiB", SMALL, BOUNDED), ("redis-server", RedisBackend::LARGEST_ENTRY, TWICE)]
    {
        let builder = RedisBackend::builder(&server.url()).response_timeout(LONG).max_entry(largest);
        let store = boundary(builder.build().unwrap());
        store.set(KEY, "value", None).await.unwrap();
        let [name] = &server.admin::<Vec<String>>(&["KEYS", "*"])[..] else { panic!("one name") };
        let _: u64 = server.admin(&["SETRANGE", name, &(REPLY - 1).to_string(), "x"]);
        costs.of_reading(what, &store, most).await;
        let _: String = server.admin(&["FLUSHALL"]);
    }
}

fn boundary<B: Backend>(backend: B) -> EncryptedBackend<B> {
    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
    EncryptedBackend::new(backend, keys.tenant("acme").unwrap())
}

/// What each reading cost at its height, and what it may.
#[derive(Default)]
struct Costs(Vec<(&'static str, usize, usize)>);

impl Costs {
    async fn of(&mut self, what: &'static str, backend: impl Backend, most: usize) {
        self.of_reading(what, &boundary(backend), most).await;
    }

    async fn of_reading<B: Backend>(&mut self, what: &'static str, store: &EncryptedBackend<B>, most: usize) {
        let (cost, refused) = height_of(store.get::<String>(KEY)).await;
        println!("{what}: {:.1} MiB, {refused:?}", cost as f64 / (1 << 20) as f64);
        // A file that is not as it was written is none.
        let too_much = matches!(refused, Err(Error::Backend(_) | Error::Unreadable(Unreadable::TooLarge)));
        assert!(too_much || matches!(refused, Ok(None)), "{what}: {refused:?}");
        self.0.push((what, cost, most));
    }

    fn within_bounds(&self) {
        let above: Vec<_> = self.0.iter().filter(|(_, cost, most)| cost > most).collect();
        assert!(above.is_empty(), "{above:?}");
        // The control: where all of it is taken, that shows.
        let taken = self.0.iter().filter(|(_, cost, _)| *cost > REPLY * 9 / 10).count();
        assert!(taken >= 3, "a reply that is taken whole does not show: {:?}", self.0);
    }
}

/// By how many bytes the memory of this process rises at most while the future runs.
async fn height_of<T>(future: impl Future<Output = T>) -> (usize, T) {
    fs::write("/proc/self/clear_refs", "5").unwrap(); // the peak is what there is now
    let before = peak();
    let done = future.await;
    (peak() - before, done)
}

fn value_for(request: &str) -> String {
    let token = request.lines().next().unwrap().rsplit(" O").next().unwrap();
    format!("VA {REPLY} O{token}\r\n")
}

/// A server that answers `+PONG` to what it does not know, and to the rest the head that is given for it, and pours.
async fn pouring(head: fn(&str) -> Option<String>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pour(client, head));
        }
    });
    port
}

async fn pour(mut client: TcpStream, head: fn(&str) -> Option<String>) -> Option<()> {
    let mut said = vec![0; 16 * 1024];
    let water = vec![b'x'; 64 * 1024];
    loop {
        let size = client.read(&mut said).await.ok().filter(|size| *size > 0)?;
        let said = String::from_utf8_lossy(&said[..size]);
        let Some(head) = head(&said) else {
            let count = said.matches('*').count().max(1);
            let answer = if said.starts_with("mn") { "MN\r\n".to_owned() } else { "+PONG\r\n".repeat(count) };
            client.write_all(answer.as_bytes()).await.ok()?;
            continue;
        };
        client.write_all(head.as_bytes()).await.ok()?;
        for _ in 0..REPLY / water.len() {
            client.write_all(&water).await.ok()?;
        }
        if head.starts_with("HTTP") {
            return None; // which ends it
        }
        client.write_all(b"\r\n").await.ok()?;
    }
}

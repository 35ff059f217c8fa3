//! What memory an answer of 100 MB costs. A process of its own, whose peak nothing else raises.

use std::time::Duration;

use blindcache::{BackendErrorKind as Kind, EncryptedBackend, Error, Keyring, MasterKey, RedisBackend};
use blindcache_server_tests::{Server, in_time, peak};

const ANSWER: usize = 100_000_000;
/// Time enough, so that this is not about time.
const PATIENCE: Duration = Duration::from_secs(60);

/// "acme" on a Redis, where the entry under "k" is an answer of 100 MB.
async fn swollen(server: &Server, max_entry: usize) -> EncryptedBackend<RedisBackend> {
    let backend = RedisBackend::builder(&server.url()).max_entry(max_entry).response_timeout(PATIENCE);
    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
    let acme = EncryptedBackend::new(backend.build().unwrap(), keys.tenant("acme").unwrap());
    server.admin::<()>(&["FLUSHALL"]);
    acme.set("k", &1, None).await.unwrap();
    let names: Vec<String> = server.admin(&["KEYS", "*"]);
    let length: usize = server.admin(&["SETRANGE", &names[0], &(ANSWER - 1).to_string(), "x"]);
    assert_eq!(length, ANSWER);
    acme
}

#[tokio::test]
async fn answer_of_100_mb_is_not_read_where_entries_are_smaller_and_costs_twice_its_length_where_they_are_not()
 {
    let server = Server::start();
    let acme = swollen(&server, 1 << 20).await;
    let before = peak();
    let Err(Error::Backend(refused)) = in_time(acme.get::<u64>("k")).await else { panic!("it is refused") };
    assert_eq!(refused.kind(), Kind::Rejected);
    let more = peak() - before;
    println!("{more} bytes of memory for an answer of {ANSWER}, where entries have up to 1 MiB");
    assert!(more < 16 << 20, "{more} bytes");

    let acme = swollen(&server, RedisBackend::LARGEST_ENTRY).await;
    let before = peak();
    let refused = in_time(acme.get::<u64>("k")).await;
    assert!(matches!(refused, Err(Error::Unreadable(_))), "{refused:?}");
    let more = peak() - before;
    println!("{more} bytes of memory for an answer of {ANSWER}, where entries may be as long");
    assert!(more < 5 * ANSWER / 2, "{more} bytes");
}

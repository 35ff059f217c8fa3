//! Ways to Redis through servers that name another: a node of a cluster, a sentinel. Both name the proxy, so that what goes
//! there is searched with all the rest.

use blindcache::{RedisBackend, RedisBuilder};
use blindcache_server_tests::{
    Script,
    script::{all_slots_at, master_at},
};

use crate::{MINUTE, case::Case};

/// A seed and a sentinel, and backends that ask them.
pub(crate) struct Several {
    script: Script,
    login: String,
}

impl Several {
    pub(crate) async fn start(port: u16, login: &str) -> Self {
        let script = Script::start(move |words| match &*words[0] {
            "CLUSTER" => Some(all_slots_at(port)),
            _ => Some(master_at(port)),
        });
        Self { script: script.await, login: login.into() }
    }

    fn url(&self) -> String {
        format!("redis://{}@127.0.0.1:{}", self.login, self.script.port)
    }

    pub(crate) fn cluster(&self, case: &mut Case) -> RedisBackend {
        let _ = case.show((RedisBackend::cluster([self.url()]), RedisBackend::LONGEST_TTL));
        let _ = case
            .show(RedisBackend::cluster_builder_from_clients(&[redis::Client::open(self.url()).unwrap()]));
        built(RedisBackend::cluster_builder([self.url()]), case)
    }

    pub(crate) fn service(&self, case: &mut Case) -> RedisBackend {
        let service = format!("redis://{}@mymaster/8", self.login);
        let _ = case.show(RedisBackend::sentinel(&service, [self.url()]));
        let _ = case.show(RedisBackend::sentinel_builder(&service, [self.url()]));
        let client = redis::Client::open(self.url()).unwrap();
        built(RedisBackend::sentinel_builder_from_clients(&service, &[client]), case)
    }

    /// What was asked before anything was asked of the proxy.
    pub(crate) fn heard(&self, case: &mut Case) {
        let heard = case.show(self.script.heard());
        let asked = |word: &str| heard.iter().any(|words| words[0] == word);
        assert!(asked("CLUSTER") && asked("SENTINEL"));
    }
}

fn built(builder: RedisBuilder, case: &mut Case) -> RedisBackend {
    let builder =
        builder.connect_timeout(MINUTE).response_timeout(MINUTE).max_entry(RedisBackend::LARGEST_ENTRY);
    case.show(&builder);
    builder.build().unwrap()
}

/// Settings that cannot work, with a password in them.
pub(crate) fn refused(login: &str, case: &mut Case) {
    let url = format!("redis://{login}@localhost");
    let unix = format!("unix:///{login}");
    for seeds in [
        vec![login.to_owned()],
        vec![url.clone(), format!("{url}/1")],
        vec![format!("{url}/2")],
        vec![unix.clone()],
    ] {
        case.show(&RedisBackend::cluster_builder(&seeds));
        case.refused(RedisBackend::cluster(seeds));
    }
    for (service, sentinel) in [
        (login, &url),
        (&*unix, &url),
        ("mymaster", &unix),
        ("mymaster", &format!("{url}/1")),
        (&*format!("{url}/{login}"), &url),
    ] {
        case.show(&RedisBackend::sentinel_builder(service, [sentinel]));
        case.refused(RedisBackend::sentinel(service, [sentinel]));
    }
}

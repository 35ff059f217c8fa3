//! The search, in all the places to which something could have got.

use std::io;

use blindcache::{Sealed, StoreKey, Write};
use blindcache_server_tests::{Proxy, Server, until};

use crate::{
    cache,
    case::Case,
    journal::{Log, metrics},
    logins,
    marks::Marks,
    remains,
    store::{self, Monitor},
    upstash::Databases,
};

/// How many entries the eight ways leave in the server, and the caches.
const LEFT: usize = 8 * crate::LEFT + cache::LEFT;

pub(crate) struct Places<'a> {
    pub(crate) server: &'a Server,
    pub(crate) proxy: &'a Proxy,
    pub(crate) monitor: &'a Monitor,
    pub(crate) upstash: &'a Databases,
    pub(crate) log: &'a Log,
}

/// Finds no mark of the case in any place, but in each the control.
pub(crate) async fn nothing_is_found(places: &Places<'_>, mut case: Case, [user, password]: [&str; 2]) {
    let mut names = names(places.server, &mut case);
    for name in places.upstash.names() {
        names.add("the name of an entry in Upstash", &name.as_bytes()[name.len() - 51..]);
    }
    let control = control(places, &mut case).await;
    let Case { marks, logins, shown } = case;

    let traffic = places.proxy.recorded();
    let (traffic_but_logins, count) = logins::cut(&traffic, user, password);
    assert!(count >= 4 && logins.find(&traffic).is_some());

    let (mut leaks, mut searched) = (Vec::new(), 0);
    for (place, text) in [
        ("the traffic", traffic_but_logins),
        ("the commands", places.monitor.heard()),
        ("the dump", store::dump(places.server)),
        ("the RDB file", store::rdb(places.server)),
        ("what Upstash was sent", places.upstash.heard()),
        ("what Upstash holds", places.upstash.dump()),
        ("an error or a Debug", shown.into()),
        ("the log", logged(places.log)),
        ("the metrics", metrics().into()),
    ] {
        assert!(control.find(&text).is_some(), "the control is not found in {place}");
        let of_the_store =
            ["the log", "the metrics", "an error or a Debug"].contains(&place).then_some(&names);
        let found = [&marks, &logins].into_iter().chain(of_the_store).filter_map(|marks| marks.find(&text));
        leaks.extend(found.map(|found| format!("{place}: {found}")));
        searched += text.len();
    }
    remains::tell(searched, &marks, &logins);
    assert!(leaks.is_empty(), "{leaks:#?}");
}

/// Shows every entry of the server; gives marks of their names, of which 8 characters of the locator may be shown.
fn names(server: &Server, case: &mut Case) -> Marks {
    let written = store::entries(server);
    assert_eq!(written.len(), LEFT);
    let mut names = Marks::default();
    for (name, entry) in written {
        let name = String::from_utf8(name).unwrap();
        names.add("the name of an entry", &name.as_bytes()[name.len() - 51..]);
        let write: Write = (StoreKey::parse(&name).unwrap(), Sealed::parse(entry).unwrap(), None);
        case.show(write);
    }
    names
}

/// Puts a mark into every place, by the way that a leak would take.
async fn control(places: &Places<'_>, case: &mut Case) -> Marks {
    let mut control = Marks::default();
    let canary = control.text("the control");
    let mut through = redis::Client::open(places.proxy.url()).unwrap().get_connection().unwrap();
    redis::cmd("ECHO").arg(&canary).exec(&mut through).unwrap();
    let _: () = places.server.admin(&["SET", "control", &canary]);
    until("the server tells", async || control.find(&places.monitor.heard()).is_some()).await;
    places.upstash.control(&canary);
    tracing::trace!("{canary}");
    metrics::counter!("planted", "label" => canary.clone()).increment(1);
    case.error(io::Error::other(canary));
    control
}

/// The log of the process so far, to which what this library and others log belongs: without that it would prove nothing.
fn logged(log: &Log) -> Vec<u8> {
    let text = log.text();
    for library in [" blindcache: ", "mio::", "rustls::", "reqwest::", "h2::"] {
        assert!(text.windows(library.len()).any(|it| it == library.as_bytes()), "{library} logged nothing");
    }
    text
}

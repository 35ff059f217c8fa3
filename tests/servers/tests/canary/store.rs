//! All that a Redis holds and hears.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use blindcache_server_tests::Server;

/// Every entry of every database, by name.
pub(crate) fn entries(server: &Server) -> Vec<(Vec<u8>, Vec<u8>)> {
    on_each_name(server, |connection, name| redis::cmd("GET").arg(name).query(connection).unwrap())
}

/// Every name of every database, and what the server itself makes of its entry.
pub(crate) fn dump(server: &Server) -> Vec<u8> {
    let dumped =
        on_each_name(server, |connection, name| redis::cmd("DUMP").arg(name).query(connection).unwrap());
    dumped.into_iter().flat_map(|(name, dump)| [name, dump].concat()).collect()
}

fn on_each_name(
    server: &Server,
    look: impl Fn(&mut redis::Connection, &[u8]) -> Vec<u8>,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let mut found = Vec::new();
    for database in 0..16 {
        redis::cmd("SELECT").arg(database).exec(&mut connection).unwrap();
        let names: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
        for name in names {
            let bytes = look(&mut connection, &name);
            found.push((name, bytes));
        }
    }
    found
}

/// The file in which the server keeps its databases.
pub(crate) fn rdb(server: &Server) -> Vec<u8> {
    let _: () = server.admin(&["SAVE"]);
    let (_, dir): (String, String) = server.admin(&["CONFIG", "GET", "dir"]);
    fs::read(Path::new(&dir).join("dump.rdb")).unwrap()
}

/// Every command that the server gets, however it arrives: in clear behind TLS too.
pub(crate) struct Monitor(Arc<Mutex<Vec<u8>>>);

impl Monitor {
    pub(crate) fn start(server: &Server) -> Self {
        let heard = Arc::<Mutex<Vec<u8>>>::default();
        let mut connection = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        connection.write_all(b"MONITOR\r\n").unwrap();
        let mut part = vec![0; 64 * 1024];
        assert!(connection.read(&mut part).unwrap() > 0); // it has begun
        let all = heard.clone();
        thread::spawn(move || {
            while let Ok(size @ 1..) = connection.read(&mut part) {
                all.lock().unwrap().extend(&part[..size]);
            }
        });
        Self(heard)
    }

    pub(crate) fn heard(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

//! TCP, as every backend with connections of its own has it.

use std::{io, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};

use crate::error::BackendErrorKind::{self, Denied, Timeout, Transient};

/// After how long without traffic the kernel asks whether the other side is still there, and then how often.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// Why there is no connection.
pub(super) enum NotConnected {
    Lookup(io::Error),
    Io(io::Error),
}

/// Tries each address of the host in turn.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, NotConnected> {
    let addresses = lookup_host((host, port)).await.map_err(NotConnected::Lookup)?;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect(address).await.and_then(tuned) {
            Ok(stream) => return Ok(stream),
            Err(err) => last = err,
        }
    }
    Err(NotConnected::Io(last))
}

pub(super) fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_INTERVAL)
}

/// What an error of a socket means to a caller.
pub(super) fn kind(err: &io::Error) -> BackendErrorKind {
    match err.kind() {
        io::ErrorKind::PermissionDenied => Denied,
        io::ErrorKind::TimedOut => Timeout,
        _ => Transient,
    }
}

fn tuned(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&keepalive())?;
    Ok(stream)
}

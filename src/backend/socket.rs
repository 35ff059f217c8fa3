//! TCP, as every backend with connections of its own has it.

use std::{io, net::SocketAddr, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::error::BackendErrorKind::{self, Denied, Timeout, Transient};

/// After how long without traffic the kernel asks whether the other side is still there, and then how often.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// Why there is no connection.
pub(super) enum NotConnected {
    Lookup(io::Error),
    Io(io::Error),
}

/// Tries each address of the host in turn. The caller's limit is on all of it; so that one which does not answer leaves
/// time for the next, each but the last has its share of it.
pub(super) async fn connect(host: &str, port: u16, limit: Duration) -> Result<TcpStream, NotConnected> {
    let addresses = lookup_host((host, port)).await.map_err(NotConnected::Lookup)?;
    connect_to_any(&addresses.collect::<Vec<_>>(), limit).await.map_err(NotConnected::Io)
}

async fn connect_to_any(addresses: &[SocketAddr], limit: Duration) -> io::Result<TcpStream> {
    let Some((last, others)) = addresses.split_last() else {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    };
    let share = limit.div_f64(addresses.len() as f64);
    for address in others {
        if let Ok(Ok(stream)) = timeout(share, connect_to(*address)).await {
            return Ok(stream);
        }
    }
    connect_to(*last).await
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    tuned(TcpStream::connect(address).await?)
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

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// A port that answers nobody who connects: as many as may wait to be accepted do. And all that keeps it so.
    async fn silent() -> (SocketAddr, Vec<TcpStream>, TcpListener) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let (address, mut waiting) = (listener.local_addr().unwrap(), Vec::new());
        while let Ok(stream) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            waiting.push(stream.unwrap());
        }
        (address, waiting, listener)
    }

    #[tokio::test]
    async fn an_address_that_is_silent_leaves_time_for_the_next() {
        let limit = Duration::from_secs(2);
        let (silent, _waiting, _full) = silent().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let stream = timeout(limit, connect_to_any(&[silent, good], limit)).await.unwrap().unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert!(timeout(limit / 4, connect_to_any(&[silent], limit)).await.is_err(), "control");
        assert_eq!(connect_to_any(&[], limit).await.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }
}

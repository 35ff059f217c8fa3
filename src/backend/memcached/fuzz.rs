//! For the fuzz targets `memcached` and `config`.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use super::{
    address::Address,
    connection::{Reply, replies},
    error::Failure,
    request::{Answer, Request},
};
use crate::error::BackendError;

/// Largest entry in bytes that is read.
const MAX_ENTRY: usize = 1024;

/// Any bytes as the answers to some commands, which these numbers choose.
pub(crate) fn answers(commands: &[u8], server: &[u8]) {
    let Some((replies, left)) = read(commands, 1, server) else { return };
    assert_eq!(replies.len(), commands.len());
    let entries = replies.iter().filter_map(|reply| match reply {
        Reply::Entry(entry) => Some(entry.len()),
        _ => None,
    });
    let read_of = server.len() - left;
    assert!(entries.clone().all(|size| size <= MAX_ENTRY) && entries.clone().sum::<usize>() <= read_of);
    // To other calls, of other tokens, no entry and nothing that was done is an answer.
    let crossed = read(commands, 1 << 40, server).map(|(replies, _)| replies);
    let means_little = |(reply, command): (&Reply, &u8)| match reply {
        Reply::Entry(_) => false,
        Reply::Done => chosen(*command) == Answer::Noop,
        Reply::Missing | Reply::Refused(_) => true,
    };
    assert!(crossed.is_none_or(|replies| replies.iter().zip(commands).all(means_little)), "crossed");
}

fn chosen(command: u8) -> Answer {
    use Answer::{Deleted, Entry, Noop, Presence, Refused, Stored};
    [Entry, Presence, Deleted, Stored, Refused, Noop][usize::from(command % 6)]
}

/// The replies, and how many bytes are left behind them.
fn read(commands: &[u8], first: u64, server: &[u8]) -> Option<(Vec<Reply>, usize)> {
    let answers = commands.iter().zip(first..).map(|(command, token)| (chosen(*command), token)).collect();
    let request = Request { bytes: Vec::new(), answers };
    let mut reader = server;
    let read = pin!(replies(&mut reader, &request, MAX_ENTRY)).poll(&mut Context::from_waker(Waker::noop()));
    match read {
        Poll::Ready(replies) => Some((replies.ok()?, reader.len())),
        Poll::Pending => None, // bytes in memory never are
    }
}

/// Any text as a URL: servers, each once, or an error that shows none of it.
pub(crate) fn url(text: &str) -> Option<String> {
    let tls = || Err(Failure::setting("TLS"));
    match Address::parse(text, tls) {
        Ok(found) => {
            let names: std::collections::BTreeSet<_> = found.iter().map(|address| &address.name).collect();
            assert!(!names.is_empty() && names.len() == found.len(), "no server, or one twice");
            None
        }
        Err(failure) => Some(format!("{:?}", BackendError::from(failure))),
    }
}

//! What the simulated store and its clients say to each other: a frame is its length and so many bytes, a request or a
//! reply is a list of them.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest frame that is read, in bytes.
const LONGEST: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    Get(String),
    Set(String, Vec<u8>),
    Delete(String),
    Exists(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Nothing,
    Entry(Vec<u8>),
    Yes,
    /// The store failed, or does not understand.
    Failed,
}

/// A frame around these pieces, each with its length before it.
fn frame(pieces: impl IntoIterator<Item = (u8, Vec<Vec<u8>>)>) -> Vec<u8> {
    let mut body = Vec::new();
    for (tag, parts) in pieces {
        body.push(tag);
        for part in parts {
            body.extend((part.len() as u32).to_be_bytes());
            body.extend(part);
        }
    }
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}

pub(crate) fn requests(requests: &[Request]) -> Vec<u8> {
    frame(requests.iter().map(|request| match request {
        Request::Get(name) => (1, vec![name.clone().into()]),
        Request::Set(name, entry) => (2, vec![name.clone().into(), entry.clone()]),
        Request::Delete(name) => (3, vec![name.clone().into()]),
        Request::Exists(name) => (4, vec![name.clone().into()]),
    }))
}

pub(crate) fn replies(replies: &[Reply]) -> Vec<u8> {
    frame(replies.iter().map(|reply| match reply {
        Reply::Nothing => (1, vec![]),
        Reply::Entry(entry) => (2, vec![entry.clone()]),
        Reply::Yes => (3, vec![]),
        Reply::Failed => (4, vec![]),
    }))
}

/// The body of the next frame.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>> {
    let length = stream.read_u32().await? as usize;
    if length > LONGEST {
        return Err(broken());
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

pub(crate) fn parse_requests(body: &[u8]) -> Result<Vec<Request>> {
    parse(body, |tag, rest| {
        let name = String::from_utf8(piece(rest)?).map_err(|_| broken())?;
        Ok(match tag {
            1 => Request::Get(name),
            2 => Request::Set(name, piece(rest)?),
            3 => Request::Delete(name),
            4 => Request::Exists(name),
            _ => return Err(broken()),
        })
    })
}

pub(crate) fn parse_replies(body: &[u8]) -> Result<Vec<Reply>> {
    parse(body, |tag, rest| {
        Ok(match tag {
            1 => Reply::Nothing,
            2 => Reply::Entry(piece(rest)?),
            3 => Reply::Yes,
            4 => Reply::Failed,
            _ => return Err(broken()),
        })
    })
}

fn parse<T>(mut body: &[u8], one: impl Fn(u8, &mut &[u8]) -> Result<T>) -> Result<Vec<T>> {
    let mut all = Vec::new();
    while let Some((tag, rest)) = body.split_first() {
        body = rest;
        all.push(one(*tag, &mut body)?);
    }
    Ok(all)
}

fn piece(body: &mut &[u8]) -> Result<Vec<u8>> {
    let (length, rest) = body.split_first_chunk::<4>().ok_or_else(broken)?;
    let (piece, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(broken)?;
    *body = rest;
    Ok(piece.to_vec())
}

fn broken() -> Error {
    Error::from(ErrorKind::InvalidData)
}

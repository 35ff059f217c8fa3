//! The search, at the end of the test of one store that has a test to itself.

use std::{
    collections::BTreeSet,
    io::{self, Read as _, Write as _},
    net::TcpStream,
};

use crate::{case::Case, journal, marks::Marks};

/// What a store key has after its prefix: `b1.` and so many characters.
const LOCATOR: usize = 52;
const VERSION: &[u8] = b"b1.";

/// A place to which something could have got.
pub(crate) struct Place {
    pub(crate) what: &'static str,
    pub(crate) text: Vec<u8>,
    /// Whether it has the names of entries, as what is sent and stored has.
    pub(crate) named: bool,
}

/// The names of entries that stand anywhere in this.
pub(crate) fn names(held: &[u8]) -> BTreeSet<String> {
    let in_base32 = |byte: &u8| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(byte);
    held.windows(VERSION.len() + LOCATOR)
        .filter(|name| name.starts_with(VERSION) && name[VERSION.len()..].iter().all(in_base32))
        .map(|name| String::from_utf8(name.to_vec()).unwrap())
        .collect()
}

/// Marks of names, of which 8 characters of the locator may be shown.
pub(crate) fn marks_of(names: &BTreeSet<String>) -> Marks {
    let mut marks = Marks::default();
    names.iter().for_each(|name| marks.add("the name of an entry", &name.as_bytes()[name.len() - 51..]));
    marks
}

/// A mark in the log, in the metrics and in an error; the caller puts it everywhere else.
pub(crate) fn control(case: &mut Case) -> (Marks, String) {
    let mut control = Marks::default();
    let canary = control.text("the control");
    tracing::trace!("{canary}");
    metrics::counter!("planted", "label" => canary.clone()).increment(1);
    case.error(io::Error::other(canary.clone()));
    (control, canary)
}

/// Sends an HTTP request beside any library, which must succeed.
pub(crate) fn put(port: u16, path: &str, headers: &str, body: &str) {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let headers =
        format!("host: localhost\r\nconnection: close\r\ncontent-length: {}\r\n{headers}", body.len());
    write!(connection, "PUT {path} HTTP/1.1\r\n{headers}\r\n{body}").unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 2"), "{}", answer.escape_ascii());
}

/// The traffic without these header lines, in whatever case the names are; and how many there were.
pub(crate) fn cut(traffic: &[u8], lines: &[String]) -> (Vec<u8>, usize) {
    let (mut rest, mut count) = (Vec::with_capacity(traffic.len()), 0);
    for line in traffic.split_inclusive(|byte| *byte == b'\n') {
        let is_one = |it: &String| line.trim_ascii_end().eq_ignore_ascii_case(it.as_bytes());
        if lines.iter().any(is_one) {
            count += 1;
        } else {
            rest.extend_from_slice(line);
        }
    }
    (rest, count)
}

/// Finds no mark of the case in any place, nor of the names where these do not belong, but in each the control.
pub(crate) fn nothing_is_found(case: Case, names: &Marks, control: &Marks, places: Vec<Place>) {
    let Case { marks, logins, shown } = case;
    let shown = Place { what: "an error or a Debug", text: shown.into(), named: false };
    let metrics = Place { what: "the metrics", text: journal::metrics().into(), named: false };
    let (mut leaks, mut searched) = (Vec::new(), 0);
    for Place { what, text, named } in places.into_iter().chain([shown, metrics]) {
        assert!(control.find(&text).is_some(), "the control is not found in {what}");
        assert!(!named || names.find(&text).is_some(), "no name is found in {what}");
        let looked_for = [&marks, &logins].into_iter().chain((!named).then_some(names));
        leaks.extend(looked_for.filter_map(|marks| marks.find(&text)).map(|it| format!("{what}: {it}")));
        searched += text.len();
    }
    tell(searched, &marks, &logins);
    assert!(leaks.is_empty(), "{leaks:#?}");
}

/// What a line begins with that tells how much was searched, and that no library prints.
pub(crate) const SEARCHED: &str = "canary: ";

pub(crate) fn tell(searched: usize, marks: &Marks, logins: &Marks) {
    println!("{SEARCHED}{searched} bytes searched for {} forms of marks", marks.forms() + logins.forms());
}

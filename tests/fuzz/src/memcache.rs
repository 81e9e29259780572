//! Answers of a memcached server, cut in various ways.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::future::Future;
use std::rc::Rc;

use bytes::Bytes;
use protocols::memcache::{MemcacheClient, MemcacheError};
use reactor::testing::StringTransport;

use crate::receiving::cuts;

/// Four bytes select the requests and one how to cut the answers, which are the remaining bytes.
pub fn memcache(data: &[u8]) {
    let [asked @ .., _] = data.first_chunk::<5>().copied().unwrap_or_default();
    let Some((cut, answers)) = data.get(asked.len()..).and_then(<[u8]>::split_first) else { return };
    let asked = asked.map(|byte| ASKS[usize::from(byte) % ASKS.len()]);
    let expected = expect(&asked, answers);
    for pieces in cuts(answers, *cut) {
        assert_eq!(receive(&asked, &pieces), expected, "{asked:?}: {:?}", answers.escape_ascii().to_string());
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ask {
    Get,
    GetMultiple,
    Store,
    Delete,
    Count,
    Stats,
    Version,
}

const ASKS: [Ask; 7] = [Ask::Get, Ask::GetMultiple, Ask::Store, Ask::Delete, Ask::Count, Ask::Stats, Ask::Version];

const MAX_VALUE_LENGTH: usize = 8;

/// The outcome of each request as text, `None` for those that failed with the connection; and whether the server
/// violated the protocol.
type Came = (Vec<Option<String>>, bool);

/// The rules, applied to all answers at once.
fn expect(asked: &[Ask], mut rest: &[u8]) -> Came {
    let mut outcomes = Vec::new();
    let mut broken = false;
    for ask in asked {
        match answer(*ask, &mut rest) {
            Parsed::Outcome(outcome) => outcomes.push(Some(outcome)),
            Parsed::Unfinished => break,
            Parsed::Broken => {
                broken = true;
                break;
            }
        }
    }
    // A line without a request.
    broken |= outcomes.len() == asked.len() && line(&mut rest).is_some();
    outcomes.resize(asked.len(), None);
    (outcomes, broken)
}

/// An item as text.
struct Shown(String);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

enum Parsed {
    Outcome(String),
    Unfinished,
    Broken,
}

fn answer(ask: Ask, rest: &mut &[u8]) -> Parsed {
    let mut items = BTreeMap::new();
    let mut stats = BTreeMap::new();
    loop {
        let Some(text) = line(rest) else { return Parsed::Unfinished };
        if text == "ERROR" || text.starts_with("CLIENT_ERROR ") || text.starts_with("SERVER_ERROR ") {
            let (kind, text) = text.split_once(' ').unwrap_or((&text, ""));
            return Parsed::Outcome(format!("{kind}: {text}"));
        }
        let done = match ask {
            Ask::Store => Some("STORED"),
            Ask::Delete => Some("DELETED"),
            _ => None,
        };
        if let Some(done) = done {
            return match &*text {
                text if text == done => Parsed::Outcome("true".to_owned()),
                "NOT_STORED" | "NOT_FOUND" | "EXISTS" => Parsed::Outcome("false".to_owned()),
                _ => Parsed::Broken,
            };
        }
        match (ask, &*text) {
            (Ask::Get, "END") => return Parsed::Outcome(format!("{:?}", items.into_values().next())),
            (Ask::GetMultiple, "END") => return Parsed::Outcome(format!("{items:?}")),
            (Ask::Stats, "END") => return Parsed::Outcome(format!("{stats:?}")),
            (Ask::Count, "NOT_FOUND") => return Parsed::Outcome("None".to_owned()),
            (Ask::Count, digits) => {
                return match number(digits, u64::MAX) {
                    Some(number) => Parsed::Outcome(format!("Some({number})")),
                    None => Parsed::Broken,
                };
            }
            (Ask::Version, text) => {
                let Some(version) = text.strip_prefix("VERSION ") else { return Parsed::Broken };
                return Parsed::Outcome(format!("{version:?}"));
            }
            (Ask::Stats, text) => {
                let Some(stat) = text.strip_prefix("STAT ") else { return Parsed::Broken };
                let (name, value) = stat.split_once(' ').unwrap_or((stat, ""));
                stats.insert(name.to_owned(), value.to_owned());
            }
            _ => {
                let words: Vec<_> = text.split(' ').collect();
                let ["VALUE", key, flags, length, cas] = words[..] else { return Parsed::Broken };
                let keys = if ask == Ask::Get { &KEYS[..1] } else { &KEYS };
                let flags = number(flags, u32::MAX.into());
                let length = number(length, MAX_VALUE_LENGTH as u64);
                let (Some(flags), Some(length), Some(cas)) = (flags, length, number(cas, u64::MAX)) else {
                    return Parsed::Broken;
                };
                if !keys.contains(&key) || items.contains_key(key) {
                    return Parsed::Broken;
                }
                let length = length as usize;
                let Some(value) = rest.get(..length + 2) else { return Parsed::Unfinished };
                if &value[length..] != b"\r\n" {
                    return Parsed::Broken;
                }
                let value = Bytes::copy_from_slice(&value[..length]);
                let shown = format!("MemcacheItem {{ value: {value:?}, flags: {flags}, cas: {cas} }}");
                items.insert(key.to_owned(), Shown(shown));
                *rest = &rest[length + 2..];
            }
        }
    }
}

/// As the client's own, which only the client can make.
#[derive(Debug)]
#[expect(dead_code, reason = "it is only shown")]
struct MemcacheItem {
    value: Bytes,
    flags: u32,
    cas: u64,
}

fn line(rest: &mut &[u8]) -> Option<String> {
    let at = rest.windows(2).position(|two| two == b"\r\n")?;
    let text = String::from_utf8_lossy(&rest[..at]).into_owned();
    *rest = &rest[at + 2..];
    Some(text)
}

fn number(digits: &str, most: u64) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let mut number = 0_u128;
    for digit in digits.chars() {
        number = (number * 10 + u128::from(digit.to_digit(10)?)).min(u128::from(u64::MAX) + 1);
    }
    u64::try_from(number).ok().filter(|number| *number <= most)
}

const KEYS: [&str; 2] = ["a", "b"];

/// The actual results of these pieces, followed by the end of the stream.
fn receive(asked: &[Ask], pieces: &[&[u8]]) -> Came {
    let made = Rc::new(RefCell::new(None));
    let handle = Rc::clone(&made);
    let factory = MemcacheClient::factory(move |client| {
        handle.replace(Some(client));
    });
    let mut wire = StringTransport::connect(factory.max_value_length(MAX_VALUE_LENGTH));
    let client: MemcacheClient = made.take().unwrap();
    let outcomes = Rc::new(RefCell::new(vec![None; asked.len()]));
    for (place, ask) in asked.iter().enumerate() {
        let kept = Kept { outcomes: Rc::clone(&outcomes), place };
        let reactor = wire.reactor();
        match ask {
            Ask::Get => reactor.spawn(kept.keep(client.get("a"))),
            Ask::GetMultiple => reactor.spawn(kept.keep(client.get_multiple(&KEYS))),
            Ask::Store => reactor.spawn(kept.keep(client.add("a", b"x", 0, None))),
            Ask::Delete => reactor.spawn(kept.keep(client.delete("a"))),
            Ask::Count => reactor.spawn(kept.keep(client.increment("a", 1))),
            Ask::Stats => reactor.spawn(kept.keep(client.stats())),
            Ask::Version => reactor.spawn(kept.keep(client.version())),
        }
    }
    for piece in pieces {
        wire.receive(piece);
    }
    wire.receive_eof();
    let broken = !wire.close_reason().expect("it has ended").is_clean();
    drop(wire);
    let outcomes = outcomes.take();
    (outcomes, broken)
}

/// Where the outcome of a request is stored.
struct Kept {
    outcomes: Rc<RefCell<Vec<Option<String>>>>,
    place: usize,
}

impl Kept {
    async fn keep<T: Debug>(self, answer: impl Future<Output = Result<T, MemcacheError>>) {
        let outcome = match answer.await {
            Ok(answer) => Some(format!("{answer:?}")),
            Err(MemcacheError::UnknownCommand) => Some("ERROR: ".to_owned()),
            Err(MemcacheError::ClientError(text)) => Some(format!("CLIENT_ERROR: {text}")),
            Err(MemcacheError::ServerError(text)) => Some(format!("SERVER_ERROR: {text}")),
            Err(_) => None,
        };
        self.outcomes.borrow_mut()[self.place] = outcome;
    }
}

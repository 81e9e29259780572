//! A table for Postfix over its TCP protocol (`tcp_table(5)`): `postfix_table [ADDRESS [KEY=VALUE…]]`, as in
//! `postfix_table 127.0.0.1:4242 root=admin@example.org`. To query it: `postmap -q root tcp:localhost:4242`.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use std::{env, io};

use percent_encoding::{NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::{DelayedCall, Reactor};

type Table = HashMap<Vec<u8>, String>;

/// How long a client may be silent.
const TIMEOUT: Duration = Duration::from_secs(600);

struct PostfixTable {
    lines: Lines,
    table: Rc<Table>,
    timeout: DelayedCall,
}

impl PostfixTable {
    fn new(lines: Lines, table: Rc<Table>) -> Self {
        let timeout = lines.call_later(TIMEOUT, |this: &mut Self| this.lines.lose_connection());
        Self { lines, table, timeout }
    }

    /// Looks up a key, however long that takes; other requests wait.
    fn get(&mut self, key: &[u8]) {
        self.lines.pause_reading();
        let key = percent_decode(key).collect();
        self.lines.defer(look_up(Rc::clone(&self.table), key), |this: &mut Self, value| {
            match value {
                Some(value) => this.lines.send_line(format!("200 {}", utf8_percent_encode(&value, NON_ALPHANUMERIC))),
                None => this.lines.send_line("500 no such key"),
            }
            this.lines.resume_reading();
        });
    }
}

impl LineHandler for PostfixTable {
    fn line_received(&mut self, line: &[u8]) {
        self.timeout.reset(TIMEOUT);
        let words: Vec<_> = line.splitn(3, |byte| *byte == b' ').collect();
        match words[..] {
            [b"get", key] => self.get(key),
            [b"get", ..] => self.lines.send_line("400 Command 'get' takes 1 parameter."),
            [b"put", _, _] => self.lines.send_line("500 put is not implemented yet."),
            [b"put", ..] => self.lines.send_line("400 Command 'put' takes 2 parameters."),
            _ => self.lines.send_line("400 unknown command"),
        }
    }
}

async fn look_up(table: Rc<Table>, key: Vec<u8>) -> Option<String> {
    table.get(&key).cloned()
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:4242".to_owned());
    let table: Table = arguments
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) => (key.into(), value.to_owned()),
            None => (pair.into(), String::new()),
        })
        .collect();
    let table = Rc::new(table);
    let reactor = Reactor::new()?;
    let factory = LineReceiver::factory(move |lines| PostfixTable::new(lines, Rc::clone(&table))).delimiter("\n");
    let port = reactor.listen_tcp(address, factory)?;
    println!("listening on {}", port.host());
    reactor.run()
}

#[cfg(test)]
mod tests {
    use reactor::testing::StringTransport;

    use super::*;

    #[test]
    fn a_client_that_says_nothing_for_ten_minutes_is_closed() {
        let factory = LineReceiver::factory(|lines| PostfixTable::new(lines, Rc::default())).delimiter("\n");
        let mut wire = StringTransport::connect(factory);
        wire.advance(TIMEOUT / 2);
        wire.receive("get key\n");
        assert_eq!(wire.written(), b"500 no such key\n");
        wire.advance(TIMEOUT - Duration::from_millis(1));
        assert!(wire.close_reason().is_none());
        wire.advance(Duration::from_millis(1));
        assert!(wire.close_reason().unwrap().is_clean());
    }
}

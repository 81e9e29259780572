use std::rc::Rc;

use reactor::CloseReason;
use reactor::connection::MemoryCharge;

use crate::line::{LineHandler, OnLongLine};
use crate::memcache::client::MemcacheClient;
use crate::memcache::error::MemcacheError;
use crate::memcache::item::MemcacheItem;
use crate::memcache::waiting::{Progress, ValueHeader};

/// Reads the server's answers and passes them to the waiting requests, in order.
pub(crate) struct Answers {
    client: MemcacheClient,
    connected: Rc<dyn Fn(MemcacheClient)>,
    /// The value being received, with its bytes so far.
    value: Option<(ValueHeader, Vec<u8>)>,
    charge: MemoryCharge,
}

impl Answers {
    pub(crate) fn new(client: MemcacheClient, connected: Rc<dyn Fn(MemcacheClient)>) -> Self {
        let charge = client.transport().charge_memory(0);
        Self { client, connected, value: None, charge }
    }

    /// The oldest request has timed out. A late answer would be taken for that of another request, so the connection
    /// ends.
    pub(crate) fn timed_out(&mut self) {
        self.client.transport().fail_connection(CloseReason::TimedOut);
    }

    fn violation(&self, what: &str) {
        self.client.transport().fail_connection(CloseReason::failed(what));
    }
}

impl LineHandler for Answers {
    fn connection_made(&mut self) {
        (self.connected)(self.client.clone());
    }

    fn line_received(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let Some(waiting) = self.client.take_oldest() else {
            return self.violation(&format!("the memcache server sent an answer without a request: {line:?}"));
        };
        match waiting.line_received(&line) {
            Progress::Answered => self.client.oldest_answered(),
            Progress::More(waiting) => self.client.put_oldest(waiting),
            Progress::Value(waiting, header) if header.length <= self.client.max_value_length() => {
                self.client.put_oldest(waiting);
                self.value = Some((header, Vec::new()));
                self.client.lines().set_raw_mode();
            }
            Progress::Value(waiting, _) | Progress::Violation(waiting) => {
                self.client.put_oldest(waiting);
                self.violation(&format!("the memcache server sent an invalid answer: {line:?}"));
            }
        }
    }

    fn raw_data_received(&mut self, data: &[u8]) {
        let Some((header, value)) = &mut self.value else { return };
        let missing = header.length.saturating_add(DELIMITER.len()) - value.len();
        let (taken, rest) = data.split_at(missing.min(data.len()));
        value.extend_from_slice(taken);
        if taken.len() < missing {
            self.charge.set(value.capacity());
            return;
        }
        if !value.ends_with(DELIMITER) {
            return self.violation("the memcache server sent a value whose length differs from the announced one");
        }
        self.charge.set(0);
        value.truncate(header.length);
        let value = std::mem::take(value).into();
        let item = MemcacheItem { value, flags: header.flags, cas: header.cas };
        self.client.item_received(&header.key, item);
        self.value = None;
        self.client.lines().set_line_mode(rest);
    }

    fn line_length_exceeded(&mut self, _data: &[u8]) -> OnLongLine {
        self.violation("the memcache server sent a line that is too long");
        OnLongLine::Close
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.client.fail_all(&MemcacheError::ConnectionLost(reason));
    }
}

const DELIMITER: &[u8] = b"\r\n";

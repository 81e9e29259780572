use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use futures_channel::oneshot;
use reactor::{CloseReason, DelayedCall, Transport};

use crate::line::Lines;
use crate::memcache::error::MemcacheError;
use crate::memcache::item::MemcacheItem;
use crate::memcache::waiting::{Answer, PendingRequest};

/// A handle of one connection to a memcached server. Twisted's `MemCacheProtocol`.
///
/// Each method sends a request at once and returns a future of its answer, which can be awaited in
/// [`Reactor::spawn`](reactor::Reactor::spawn) and [`Reactor::run_until`](reactor::Reactor::run_until), or passed to
/// [`Transport::defer`] of any other connection. Many requests may be under way; the server answers them in order. A
/// request that would exceed the connection's [output limit](reactor::Transport::set_output_limit), 16 MiB, fails with
/// [`Full`](MemcacheError::Full), and the others go on. Dropping a future leaves its request as it is.
///
/// A key has 1 to 250 bytes without blanks and control characters. A value is any bytes, up to
/// [`max_value_length`](crate::memcache::MemcacheFactory::max_value_length). An item expires after the given time, if
/// any, rounded up to whole seconds; expiry times end in January 2038, the last that servers can count.
///
/// ```no_run
/// use std::time::Duration;
///
/// use protocols::memcache::{MemcacheClient, MemcacheError};
/// use reactor::Reactor;
///
/// async fn greet(memcache: &MemcacheClient) -> Result<(), MemcacheError> {
///     memcache.set("greeting", b"hello", 0, Some(Duration::from_secs(3600))).await?;
///     if let Some(item) = memcache.get("greeting").await? {
///         println!("{}", String::from_utf8_lossy(&item.value));
///     }
///     Ok(())
/// }
///
/// let reactor = Reactor::new()?;
/// let connector = reactor.connect_tcp("localhost:11211", MemcacheClient::factory(|memcache| {
///     memcache.transport().reactor().spawn(async move {
///         if let Err(error) = greet(&memcache).await {
///             eprintln!("{error}");
///         }
///         memcache.lose_connection();
///     });
/// }));
/// reactor.run_until(connector.finished())??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Any answer can be a [`MemcacheError`] instead. All requests under way fail with
/// [`ConnectionLost`](MemcacheError::ConnectionLost) when the connection ends, which also happens when the oldest has
/// waited for a minute ([`timeout`](crate::memcache::MemcacheFactory::timeout)) or when the server violates the
/// protocol.
#[derive(Clone)]
pub struct MemcacheClient(Rc<ClientCell>);

struct ClientCell {
    lines: Lines,
    timeout: Duration,
    max_value_length: usize,
    /// Starts the timer of the oldest request.
    start_timer: fn(&Lines, Duration) -> DelayedCall,
    waiting: RefCell<VecDeque<PendingRequest>>,
    /// Times out the oldest request.
    timer: RefCell<Option<DelayedCall>>,
    /// The error of all requests once the connection has ended.
    lost: RefCell<Option<MemcacheError>>,
}

impl MemcacheClient {
    pub(crate) fn new(
        lines: Lines,
        timeout: Duration,
        max_value_length: usize,
        start_timer: fn(&Lines, Duration) -> DelayedCall,
    ) -> Self {
        Self(Rc::new(ClientCell {
            lines,
            timeout,
            max_value_length,
            start_timer,
            waiting: RefCell::default(),
            timer: RefCell::default(),
            lost: RefCell::default(),
        }))
    }

    /// The item of a key, if there is one. Twisted's `get`, always with the identifier.
    pub fn get(&self, key: &str) -> impl Future<Output = Result<Option<MemcacheItem>, MemcacheError>> + use<> {
        let found = self.get_multiple(&[key]);
        async { Ok(found.await?.into_values().next()) }
    }

    /// Those items of these keys that exist. Twisted's `getMultiple`.
    pub fn get_multiple(
        &self,
        keys: &[&str],
    ) -> impl Future<Output = Result<BTreeMap<String, MemcacheItem>, MemcacheError>> + use<> {
        let (answer, receiver) = oneshot::channel();
        let request = keys.iter().try_for_each(|key| self.check(key));
        let keys: BTreeSet<_> = keys.iter().map(ToString::to_string).collect();
        let request = request.map(|()| keys.iter().fold("gets".to_owned(), |request, key| request + " " + key));
        if keys.is_empty() {
            let _ = answer.send(Ok(BTreeMap::new()));
        } else {
            self.send(request, PendingRequest::Items { keys, found: BTreeMap::new(), answer });
        }
        outcome(receiver)
    }

    /// Stores a value in any case and returns true. Twisted's `set`.
    pub fn set(
        &self,
        key: &str,
        value: &[u8],
        flags: u32,
        expires: Option<Duration>,
    ) -> impl Future<Output = Result<bool, MemcacheError>> + use<> {
        self.store("set", key, value, flags, expires, None)
    }

    /// Stores a value if the key has none. Returns whether it was stored. Twisted's `add`.
    pub fn add(
        &self,
        key: &str,
        value: &[u8],
        flags: u32,
        expires: Option<Duration>,
    ) -> impl Future<Output = Result<bool, MemcacheError>> + use<> {
        self.store("add", key, value, flags, expires, None)
    }

    /// Stores a value if the key has one already. Returns whether it was stored. Twisted's `replace`.
    pub fn replace(
        &self,
        key: &str,
        value: &[u8],
        flags: u32,
        expires: Option<Duration>,
    ) -> impl Future<Output = Result<bool, MemcacheError>> + use<> {
        self.store("replace", key, value, flags, expires, None)
    }

    /// Stores a value if the item is unchanged since it was fetched with this [`cas`](MemcacheItem::cas). Returns
    /// whether it was stored. Twisted's `checkAndSet`.
    pub fn check_and_set(
        &self,
        key: &str,
        value: &[u8],
        cas: u64,
        flags: u32,
        expires: Option<Duration>,
    ) -> impl Future<Output = Result<bool, MemcacheError>> + use<> {
        self.store("cas", key, value, flags, expires, Some(cas))
    }

    /// Appends bytes to a value, if there is one. Returns whether it did. Twisted's `append`.
    pub fn append(&self, key: &str, value: &[u8]) -> impl Future<Output = Result<bool, MemcacheError>> + use<> {
        self.store("append", key, value, 0, None, None)
    }

    /// Prepends bytes to a value, if there is one. Returns whether it did. Twisted's `prepend`.
    pub fn prepend(&self, key: &str, value: &[u8]) -> impl Future<Output = Result<bool, MemcacheError>> + use<> {
        self.store("prepend", key, value, 0, None, None)
    }

    /// Adds to a value that is a decimal number, if there is one. Returns the sum, modulo 2⁶⁴. Twisted's `increment`.
    pub fn increment(&self, key: &str, by: u64) -> impl Future<Output = Result<Option<u64>, MemcacheError>> + use<> {
        self.count("incr", key, by)
    }

    /// Subtracts from a value that is a decimal number, if there is one. Returns the difference, at least 0. Twisted's
    /// `decrement`.
    pub fn decrement(&self, key: &str, by: u64) -> impl Future<Output = Result<Option<u64>, MemcacheError>> + use<> {
        self.count("decr", key, by)
    }

    /// Deletes an item. Returns whether there was one. Twisted's `delete`.
    pub fn delete(&self, key: &str) -> impl Future<Output = Result<bool, MemcacheError>> + use<> {
        self.done(self.check(key).map(|()| format!("delete {key}")), "DELETED")
    }

    /// Sets a new expiry time for an item. Returns whether there is one.
    pub fn touch(
        &self,
        key: &str,
        expires: Option<Duration>,
    ) -> impl Future<Output = Result<bool, MemcacheError>> + use<> {
        let request = self.check(key).map(|()| format!("touch {key} {}", self.seconds(expires)));
        self.done(request, "TOUCHED")
    }

    /// Deletes all items and returns true. Twisted's `flushAll`.
    pub fn flush_all(&self) -> impl Future<Output = Result<bool, MemcacheError>> + use<> {
        self.done(self.check_connection().map(|()| "flush_all".to_owned()), "OK")
    }

    /// The server's statistics, by name. Twisted's `stats`.
    pub fn stats(&self) -> impl Future<Output = Result<BTreeMap<String, String>, MemcacheError>> + use<> {
        let request = self.check_connection().map(|()| "stats".to_owned());
        self.ask(request, |answer| PendingRequest::Stats { found: BTreeMap::new(), answer })
    }

    /// The server's version. Twisted's `version`.
    pub fn version(&self) -> impl Future<Output = Result<String, MemcacheError>> + use<> {
        self.ask(self.check_connection().map(|()| "version".to_owned()), PendingRequest::Version)
    }

    /// As [`Transport::lose_connection`]; requests without an answer fail.
    pub fn lose_connection(&self) {
        self.0.lines.lose_connection();
    }

    /// The connection itself, for everything else.
    pub fn transport(&self) -> &Transport {
        self.0.lines.transport()
    }

    fn store(
        &self,
        command: &str,
        key: &str,
        value: &[u8],
        flags: u32,
        expires: Option<Duration>,
        cas: Option<u64>,
    ) -> impl Future<Output = Result<bool, MemcacheError>> + use<> {
        let request = self.check(key).and_then(|()| match value.len() {
            length if length > self.0.max_value_length => Err(MemcacheError::ValueTooLong(length)),
            length => {
                let cas = cas.map(|cas| format!(" {cas}")).unwrap_or_default();
                let request = format!("{command} {key} {flags} {} {length}{cas}", self.seconds(expires));
                self.check_room(request.len() + CRLF + length)?;
                Ok(request)
            }
        });
        let is_sent = request.is_ok();
        let stored = self.done(request, "STORED");
        if is_sent {
            self.0.lines.send_line(value);
        }
        stored
    }

    fn count(
        &self,
        command: &str,
        key: &str,
        by: u64,
    ) -> impl Future<Output = Result<Option<u64>, MemcacheError>> + use<> {
        self.ask(self.check(key).map(|()| format!("{command} {key} {by}")), PendingRequest::Number)
    }

    fn done(
        &self,
        request: Result<String, MemcacheError>,
        line: &'static str,
    ) -> impl Future<Output = Result<bool, MemcacheError>> + use<> {
        self.ask(request, move |answer| PendingRequest::Done { line, answer })
    }

    /// Sends the line of a request, if there is one, and waits for its answer.
    fn ask<T, W: FnOnce(Answer<T>) -> PendingRequest>(
        &self,
        request: Result<String, MemcacheError>,
        waiting: W,
    ) -> impl Future<Output = Result<T, MemcacheError>> + use<T, W> {
        let (answer, receiver) = oneshot::channel();
        self.send(request, waiting(answer));
        outcome(receiver)
    }

    /// An item's expiry time as the server expects it: the seconds from now or, if that is more than 30 days, since
    /// 1970.
    fn seconds(&self, expires: Option<Duration>) -> i32 {
        let Some(mut expires) = expires else { return NEVER };
        if expires.is_zero() {
            return AT_ONCE;
        }
        if expires > LONGEST_FROM_NOW {
            let now = self.transport().reactor().time_of_day();
            expires = expires.saturating_add(now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
        }
        let begun = expires.as_secs().saturating_add(u64::from(expires.subsec_nanos() > 0));
        // A server rejects a number that it cannot count, and then takes the value after it for requests.
        i32::try_from(begun).unwrap_or(NEVER)
    }

    fn check_connection(&self) -> Result<(), MemcacheError> {
        self.0.lost.borrow().clone().map_or(Ok(()), Err)
    }

    /// Checks that the connection exists and the key is valid.
    fn check(&self, key: &str) -> Result<(), MemcacheError> {
        self.check_connection()?;
        let has_length = (1..=MAX_KEY_LENGTH).contains(&key.len());
        if has_length && key.bytes().all(|byte| byte > b' ' && byte != 0x7f) {
            return Ok(());
        }
        Err(MemcacheError::InvalidKey(key.to_owned()))
    }

    /// Checks that the output has room for this many bytes and the end of a line.
    fn check_room(&self, length: usize) -> Result<(), MemcacheError> {
        let transport = self.transport();
        if length + CRLF <= transport.output_room() {
            Ok(())
        } else {
            Err(MemcacheError::Full(transport.unsent_bytes()))
        }
    }

    fn send(&self, request: Result<String, MemcacheError>, waiting: PendingRequest) {
        let request = request.and_then(|request| self.check_room(request.len()).map(|()| request));
        match request {
            Ok(request) => {
                self.0.lines.send_line(request);
                let is_oldest = self.0.waiting.borrow().is_empty();
                self.0.waiting.borrow_mut().push_back(waiting);
                if is_oldest {
                    let timer = (self.0.start_timer)(&self.0.lines, self.0.timeout);
                    self.0.timer.replace(Some(timer));
                }
            }
            Err(error) => waiting.fail(error),
        }
    }

    pub(crate) fn max_value_length(&self) -> usize {
        self.0.max_value_length
    }

    pub(crate) fn lines(&self) -> &Lines {
        &self.0.lines
    }

    pub(crate) fn take_oldest(&self) -> Option<PendingRequest> {
        self.0.waiting.borrow_mut().pop_front()
    }

    /// Puts back what [`take_oldest`](Self::take_oldest) took.
    pub(crate) fn put_oldest(&self, waiting: PendingRequest) {
        self.0.waiting.borrow_mut().push_front(waiting);
    }

    pub(crate) fn item_received(&self, key: &str, item: MemcacheItem) {
        if let Some(oldest) = self.0.waiting.borrow_mut().front_mut() {
            oldest.item_received(key, item);
        }
    }

    /// Starts the timer of the next request.
    pub(crate) fn oldest_answered(&self) {
        if self.0.waiting.borrow().is_empty() {
            if let Some(timer) = self.0.timer.take() {
                timer.cancel();
            }
        } else if let Some(timer) = &*self.0.timer.borrow() {
            timer.reset(self.0.timeout);
        }
    }

    /// Fails all requests, including those made from now on.
    pub(crate) fn fail_all(&self, error: &MemcacheError) {
        self.0.lost.replace(Some(error.clone()));
        for waiting in self.0.waiting.take() {
            waiting.fail(error.clone());
        }
    }
}

async fn outcome<T>(receiver: oneshot::Receiver<Result<T, MemcacheError>>) -> Result<T, MemcacheError> {
    // The request was dropped without an answer because the reactor has ended.
    receiver.await.unwrap_or(Err(MemcacheError::ConnectionLost(CloseReason::Aborted)))
}

impl fmt::Debug for MemcacheClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemcacheClient")
            .field("transport", self.transport())
            .field("waiting", &self.0.waiting.borrow().len())
            .finish_non_exhaustive()
    }
}

const MAX_KEY_LENGTH: usize = 250;

/// The length of a line end.
const CRLF: usize = 2;

const NEVER: i32 = 0;
const AT_ONCE: i32 = -1;

/// The server takes a larger number for a point in time.
const LONGEST_FROM_NOW: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[cfg(test)]
mod tests;

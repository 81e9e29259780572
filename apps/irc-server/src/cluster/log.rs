//! The durable log of a network's lines: a stream of JetStream, which NATS keeps in files.

use std::fmt;
use std::time::Duration;

use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, Stream};
use async_nats::jetstream::{self, Context};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::cluster::bus::Nats;
use crate::cluster::connected_again::unless_connected_again;
use crate::cluster::jetstream_error::JetStreamError;

/// How long an append is tried: well within [`DUPLICATE_WINDOW`].
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause after what has failed.
const PAUSE: Duration = Duration::from_secs(1);
/// For how long the server knows by its name that it has a record.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// The log of one network, which all its nodes write and read. Cheap to clone.
///
/// A record has a number, its place in the log, from 1 on. The oldest are cut off when the log has become too old or too large; the
/// numbers of the others stay.
#[derive(Debug, Clone)]
pub struct Log {
    context: Context,
    config: Config,
    /// Changes when the bus has connected again: what was asked before that is lost.
    connections: watch::Receiver<u64>,
}

/// How much of a log is kept.
#[derive(Debug, Clone, Copy)]
pub struct LogLimits {
    /// Records older than this are cut off.
    pub age: Duration,
    /// And so are the oldest, if all have more bytes.
    pub bytes: u64,
    /// On how many servers of a cluster of NATS each record is kept: 1, 3 or 5.
    pub replicas: usize,
}

/// What [`LogReader::next`] finds in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEntry {
    /// A record, and its number.
    Record {
        /// Its place, from 1 on, larger than that of all before.
        number: u64,
        /// As it was appended.
        record: Bytes,
    },
    /// The records before this number were cut off before they were read.
    CutOff {
        /// The oldest that is still there.
        oldest: u64,
    },
    /// The log is another one than the one read so far: it was deleted, and begins again at number 1.
    BeganAnew,
}

impl Log {
    /// The log of the bus's network. Its limits are those of the node that was started last.
    pub fn new(nats: &Nats, limits: LogLimits) -> Self {
        let network = nats.network();
        let config = Config {
            name: format!("irc-{network}"),
            description: Some("lines of the IRC network, for the history of its nodes".to_owned()),
            subjects: vec![format!("irc.{network}.log")],
            max_age: limits.age,
            max_bytes: i64::try_from(limits.bytes).unwrap_or(i64::MAX),
            num_replicas: limits.replicas,
            duplicate_window: DUPLICATE_WINDOW.min(limits.age),
            ..Config::default()
        };
        Self { context: jetstream::new(nats.client().clone()), config, connections: nats.connections() }
    }

    /// Appends a record, and resolves with its number when the server has written it to its file. A second one with the same name
    /// is the same record, and has its number; names are remembered for two minutes.
    ///
    /// What was written so outlives the server's process. A machine that loses power may lose the last of it, unless there are
    /// replicas or the server's `sync_interval` is `always`.
    ///
    /// # Errors
    ///
    /// If it has not worked for half a minute. The record may be in the log all the same.
    pub async fn append(&self, name: &str, record: Bytes) -> Result<u64, JetStreamError> {
        let mut last = async_nats::Error::from("the server does not answer");
        let attempts = async {
            let mut pause = Duration::ZERO;
            loop {
                match self.try_append(name, record.clone()).await {
                    Ok(number) => return number,
                    Err(error) => last = error,
                }
                // Most often the stream is not there yet.
                if let Err(error) = self.open().await {
                    last = error;
                }
                sleep(pause).await;
                pause = PAUSE;
            }
        };
        let appended = timeout(PATIENCE, attempts).await;
        appended.map_err(|_| JetStreamError::new("a line cannot be kept in the log", last))
    }

    async fn try_append(&self, name: &str, record: Bytes) -> Result<u64, async_nats::Error> {
        let mut connections = self.connections.clone();
        connections.mark_unchanged();
        let message = PublishMessage::build().message_id(name).payload(record);
        let acknowledged = self.context.send_publish(self.config.subjects[0].clone(), message).await?;
        Ok(unless_connected_again(&mut connections, acknowledged.into_future()).await??.sequence)
    }

    /// Reads the records behind the one with this number, 0 for all that are kept. It goes on with those that are appended later, and
    /// for ever.
    pub fn read_after(&self, number: u64) -> LogReader {
        let connections = self.connections.clone();
        LogReader { log: self.clone(), read: number, records: None, connections, has_warned: false }
    }

    /// The stream, which is made, or gets our limits.
    async fn open(&self) -> Result<Stream, async_nats::Error> {
        self.context.create_or_update_stream(self.config.clone()).await?;
        Ok(self.context.get_stream(&self.config.name).await?)
    }
}

/// Reads a log in order, from [`Log::read_after`].
pub struct LogReader {
    log: Log,
    /// The number of the last record read.
    read: u64,
    records: Option<Ordered>,
    connections: watch::Receiver<u64>,
    has_warned: bool,
}

impl LogReader {
    /// The next entry, when there is one. While the server is not reached it waits, and goes on where it was.
    ///
    /// It may be dropped at any time: nothing is left out then.
    pub async fn next(&mut self) -> LogEntry {
        loop {
            match self.try_next().await {
                Ok(Some(entry)) => {
                    self.has_warned = false;
                    return entry;
                }
                Ok(None) => {}
                Err(error) => {
                    self.records = None;
                    if !self.has_warned {
                        self.has_warned = true;
                        tracing::warn!(
                            "{}; it is tried again",
                            JetStreamError::new("the log of lines cannot be read", error)
                        );
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn try_next(&mut self) -> Result<Option<LogEntry>, async_nats::Error> {
        let Some(records) = &mut self.records else { return self.begin().await };
        let Ok(message) = unless_connected_again(&mut self.connections, records.next()).await else {
            self.records = None;
            return Ok(None);
        };
        let message = message.ok_or("the server has ended the reading")??;
        let number = message.info()?.stream_sequence;
        if number <= self.read {
            return Ok(None);
        }
        if number > self.read + 1 {
            // The record is read again, behind this.
            self.records = None;
            self.read = number - 1;
            return Ok(Some(LogEntry::CutOff { oldest: number }));
        }
        self.read = number;
        Ok(Some(LogEntry::Record { number, record: message.message.payload }))
    }

    async fn begin(&mut self) -> Result<Option<LogEntry>, async_nats::Error> {
        self.connections.mark_unchanged();
        let stream = self.log.open().await?;
        if stream.cached_info().state.last_sequence < self.read {
            self.read = 0;
            return Ok(Some(LogEntry::BeganAnew));
        }
        let deliver_policy = DeliverPolicy::ByStartSequence { start_sequence: self.read + 1 };
        let consumer = stream.create_consumer(OrderedConfig { deliver_policy, ..OrderedConfig::default() }).await?;
        self.records = Some(consumer.messages().await?);
        Ok(None)
    }
}

impl fmt::Debug for LogReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogReader").field("log", &self.log).field("read", &self.read).finish_non_exhaustive()
    }
}

//! The lines of all nodes: each writes its own into a log that all read.

use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::time::Duration;

use futures_channel::{mpsc, oneshot};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::sleep;

use crate::cluster::{Log, LogEntry, decode, encode};
use crate::server::request::Record;
use crate::store::{Pending, Progress, Store, StoreError};

/// What the place in the log is called in the store.
pub(super) const STREAM: &str = "cluster log";
/// Lines that may wait to be in the log; those after them are not kept.
const MOST_WAITING: usize = 16_384;
/// Lines on their way at a time.
const AT_A_TIME: usize = 1_024;
/// Lines that are read before it is waited until the store has them.
const READ_AT_A_TIME: usize = 256;
/// The pause after what has failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes lines into the log, in their order.
#[derive(Clone)]
pub(super) struct LogWriter(mpsc::Sender<Waiting>);

struct Waiting {
    record: Record,
    kept: oneshot::Sender<Result<(), StoreError>>,
}

impl LogWriter {
    /// A writer of this log, and what it does, which is to be run.
    pub(super) fn new(log: Log) -> (Self, impl Future<Output = ()>) {
        let (sender, waiting) = mpsc::channel(MOST_WAITING);
        let writing = waiting.for_each_concurrent(AT_A_TIME, move |Waiting { record, kept }: Waiting| {
            let log = log.clone();
            async move {
                let name = String::from_utf8_lossy(&record.speech.msgid);
                let appended = log.append(&name, encode(&record)).await;
                let result = appended.map(drop).map_err(|error| {
                    tracing::error!("{error}");
                    StoreError::of_log(error)
                });
                // Most often nobody waits.
                let _ = kept.send(result);
            }
        });
        (Self(sender), writing)
    }

    /// Writes a line, and resolves when the log has it. Nobody needs to await that.
    pub(super) fn append(&self, record: Record) -> Pending<()> {
        let (kept, told) = oneshot::channel();
        if self.0.clone().try_send(Waiting { record, kept }).is_err() {
            return ready(Err(StoreError::of_log("too many lines wait to be written"))).boxed();
        }
        told.map(|told| told.unwrap_or_else(|_| Err(StoreError::of_log("this node has left the cluster")))).boxed()
    }
}

impl fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogWriter").finish_non_exhaustive()
    }
}

/// Reads what all nodes write into the log, from where it was read before, and for ever.
pub(super) async fn read(log: Log, store: Store) {
    loop {
        let Err(error) = try_read(&log, &store).await;
        tracing::error!("lines of other nodes cannot be kept: {error}; they are read again");
        sleep(PAUSE).await;
    }
}

async fn try_read(log: &Log, store: &Store) -> Result<Infallible, StoreError> {
    let mut reader = log.read_after(store.progress(STREAM).await?);
    let mut writing = Vec::new();
    loop {
        let (records, sequence) = match reader.next().await {
            LogEntry::Record { number, record } => {
                let record = decode(&record);
                if record.is_none() {
                    tracing::warn!("line {number} of the log is not understood: run the same release on all nodes");
                }
                (record.into_iter().collect(), number)
            }
            LogEntry::CutOff { oldest } => {
                tracing::warn!(
                    "the log begins at line {oldest} by now: those before it are missing in this node's history"
                );
                continue;
            }
            LogEntry::BeganAnew => {
                tracing::warn!("the log of the network was deleted: it is read from its beginning");
                (Vec::new(), 0)
            }
        };
        writing.push(store.append(records, Some(Progress { stream: STREAM, sequence })));
        if writing.len() >= READ_AT_A_TIME {
            for written in writing.drain(..) {
                written.await?;
            }
        }
    }
}

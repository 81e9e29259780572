//! Lines that wait for the next transaction.

use std::mem;
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::Shared;

use crate::server::request::Record;
use crate::store::history::append::Progress;
use crate::store::{Pending, StoreError};

/// What is to be written by the next transaction, which is requested already if there is anything.
#[derive(Debug, Default)]
pub(in crate::store) struct Queue(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    batch: Batch,
    /// When the transaction is committed.
    committed: Option<Committed>,
}

#[derive(Debug, Default)]
pub(in crate::store) struct Batch {
    pub(in crate::store) records: Vec<Record>,
    pub(in crate::store) progress: Vec<Progress>,
}

pub(in crate::store) type Committed = Shared<Pending<()>>;

impl Queue {
    /// Adds lines; `request` asks for the transaction that will [take](Self::take) them, if none was asked for.
    pub(in crate::store) fn push(
        &self,
        records: Vec<Record>,
        progress: Option<Progress>,
        request: impl FnOnce() -> Pending<()>,
    ) -> Result<Committed, StoreError> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.batch.records.len() + records.len() > MOST_RECORDS {
            return Err(StoreError::new(format!("{MOST_RECORDS} lines of history wait to be written already")));
        }
        waiting.batch.records.extend(records);
        waiting.batch.progress.extend(progress);
        // While this is locked nothing is taken, whenever the transaction begins.
        Ok(waiting.committed.get_or_insert_with(|| request().shared()).clone())
    }

    /// All that waits. What comes from now on needs another transaction.
    pub(in crate::store) fn take(&self) -> Batch {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.committed = None;
        mem::take(&mut waiting.batch)
    }
}

/// Some 64 MiB of long lines.
const MOST_RECORDS: usize = 65_536;

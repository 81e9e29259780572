use std::collections::HashMap;
use std::future::ready;
use std::sync::{Arc, PoisonError};

use futures_util::FutureExt as _;
use rusqlite::{Connection, OptionalExtension as _};

use crate::server::request::Record;
use crate::server::{Key, Kind};
use crate::store::history::prune;
use crate::store::history::queue::Batch;
use crate::store::{Pending, Store, milliseconds, state};

/// Up to where a stream of other nodes' lines was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which stream.
    pub stream: &'static str,
    /// The number of the last message.
    pub sequence: u64,
}

impl Store {
    /// Keeps these lines, and in the same transaction how far a stream was read. A line that is kept already, by its `msgid`,
    /// is passed over. All that is appended while a transaction is under way goes into the next one.
    ///
    /// Nobody needs to await the result. Questions that are asked from now on see the lines.
    ///
    /// # Errors
    ///
    /// If they cannot be written, or 65,536 others wait.
    pub fn append(&self, records: Vec<Record>, progress: Option<Progress>) -> Pending<()> {
        let shared = Arc::clone(&self.0);
        let request = || {
            let most = self.0.history.lock().unwrap_or_else(PoisonError::into_inner).messages;
            self.run(move |connection| write(connection, &shared.queue.take(), most))
        };
        match self.0.queue.push(records, progress, request) {
            Ok(committed) => committed.boxed(),
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    /// Up to where a stream was read: 0 for not at all.
    pub fn progress(&self, stream: &'static str) -> Pending<u64> {
        self.run(move |connection| {
            let value = state::get(connection, stream)?.and_then(|value| value.try_into().ok());
            Ok(value.map_or(0, u64::from_be_bytes))
        })
    }
}

fn write(connection: &Connection, batch: &Batch, most: usize) -> rusqlite::Result<()> {
    let mut targets = HashMap::new();
    let mut insert = connection.prepare("INSERT OR IGNORE INTO lines VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    for record in &batch.records {
        let Record { target, speech, shown } = record;
        let target = match targets.get_mut(target) {
            Some(target) => target,
            None => targets.entry(Key::clone(target)).or_insert(Touched::new(connection, record)?),
        };
        let added = insert.execute((
            target.id,
            milliseconds(speech.at),
            &*speech.msgid,
            number_of(speech.kind),
            &*speech.source,
            speech.account.as_deref(),
            speech.bot,
            speech.tags.as_deref(),
            &*speech.text,
            &**shown,
        ))?;
        target.added += added;
        if added > 0 {
            target.latest = target.latest.max(milliseconds(speech.at));
        }
    }
    let mut update = connection.prepare("UPDATE targets SET kept = kept + ?, latest = max(latest, ?) WHERE id = ?")?;
    for target in targets.into_values() {
        update.execute((target.added, target.latest, target.id))?;
        prune::to_most(connection, target.id, most)?;
    }
    for Progress { stream, sequence } in &batch.progress {
        state::set(connection, stream, &sequence.to_be_bytes())?;
    }
    Ok(())
}

/// A target that gets lines.
struct Touched {
    id: i64,
    added: usize,
    latest: i64,
}

impl Touched {
    /// Finds the target, or makes it.
    fn new(connection: &Connection, record: &Record) -> rusqlite::Result<Self> {
        let id = connection
            .query_row("SELECT id FROM targets WHERE name = ?", [&*record.target], |row| row.get(0))
            .optional()?;
        if let Some(id) = id {
            return Ok(Self { id, added: 0, latest: 0 });
        }
        let comma = record.target.iter().position(|byte| *byte == b',');
        let two = comma.map(|comma| (&record.target[..comma], &record.target[comma + 1..]));
        let insert = "INSERT INTO targets VALUES (NULL, ?, ?, ?, ?, 0, 0)";
        connection.execute(insert, (&*record.target, &*record.shown, two.map(|two| two.0), two.map(|two| two.1)))?;
        Ok(Self { id: connection.last_insert_rowid(), added: 0, latest: 0 })
    }
}

pub(super) fn number_of(kind: Kind) -> u8 {
    match kind {
        Kind::Privmsg => 0,
        Kind::Notice => 1,
        Kind::Tagmsg => 2,
    }
}

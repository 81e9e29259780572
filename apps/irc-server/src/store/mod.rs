//! What outlives the server: accounts, bans and history, in one file of SQLite's.
//!
//! There is one connection, on a thread of its own, so that each question sees what was asked before it. What is appended
//! meanwhile goes into the file in one transaction.

mod accounts;
mod bans;
mod database;
mod error;
mod history;
mod logins;
mod network;
mod schema;
mod state;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, TryFutureExt as _};
use protocols::database::ConnectionPool;
use reactor::Reactor;
use rusqlite::Connection;

use crate::server::Timestamp;
use crate::settings::HistorySettings;
use crate::store::database::Sqlite;
use crate::store::history::queue::Queue;

pub use accounts::{Account, Outcome};
pub use error::StoreError;
pub use history::Progress;
pub use network::{Fact, UntoldBan};

/// An answer of the store. What was asked is done though nobody awaits it.
pub type Pending<T> = BoxFuture<'static, Result<T, StoreError>>;

/// The file. Cheap to clone; threads share it.
#[derive(Clone, Debug)]
pub struct Store(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: ConnectionPool<Sqlite>,
    history: Mutex<HistorySettings>,
    queue: Queue,
}

impl Store {
    /// Opens the file, which is made if there is none, and brought up to date if it was made by an earlier version. Nobody but
    /// the server's user can read a file that it makes. Without a path everything is in memory, and forgotten at the end.
    ///
    /// `reactor` waits for what was asked when it stops; other threads call [`finish_with`](Self::finish_with).
    ///
    /// # Errors
    ///
    /// If it cannot be opened, is no database, or was made by a later version.
    pub fn open(reactor: &Reactor, path: Option<&Path>, history: HistorySettings) -> Result<Self, StoreError> {
        let database = Sqlite::new(path);
        if path.is_some() {
            // Here, so that the program does not start with a file that does not work.
            database.prepare().map_err(|error| StoreError::new(error).at(path))?;
        }
        let pool = ConnectionPool::new(reactor, database)
            .max_connections(1)
            .max_waiting(MOST_WAITING)
            // What is in memory ends with the connection.
            .idle_timeout(if path.is_some() { IDLE_TIMEOUT } else { Duration::MAX });
        Ok(Self(Arc::new(Shared { pool, history: Mutex::new(history), queue: Queue::default() })))
    }

    /// Has another thread's reactor wait, too, for what was asked.
    pub fn finish_with(&self, reactor: &Reactor) {
        self.0.pool.finish_with(reactor);
    }

    /// How much was asked that was not begun yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.pool.stats().waiting
    }

    /// Calls this with the connection, in a transaction.
    fn run<T: Send + 'static>(
        &self,
        interaction: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Pending<T> {
        // It begins now, whenever the answer is awaited.
        let pending = self.0.pool.run_interaction(|connection| interaction(connection));
        pending.map_err(StoreError::new).boxed()
    }
}

/// A time as SQLite has it. A client may ask for any.
fn milliseconds(time: Timestamp) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// Enough for a client each of many.
const MOST_WAITING: usize = 16_384;

const IDLE_TIMEOUT: Duration = Duration::from_mins(10);

#[cfg(test)]
mod tests;

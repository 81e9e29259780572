//! Databases: a pool of blocking connections, of any driver, each on a thread of its own. Twisted's
//! `twisted.enterprise.adbapi`.
//!
//! A [`Database`] says how to connect, and how transactions begin and end. A [`ConnectionPool`] runs interactions with it, and
//! gives their results back as futures. This crate depends on no driver.
//!
//! For an asynchronous driver there is nothing to pool: its futures run in [`Reactor::spawn`](reactor::Reactor::spawn). Do not
//! give them to [`Transport::defer`](reactor::Transport::defer), which drops them with the connection that asks: what becomes
//! of a transaction that is dropped halfway is the driver's affair. The example `postgres_async` in the repository spawns
//! them, and defers the answer only.

mod error;
mod interaction;
mod options;
mod panics;
mod pool;
mod queue;
mod report;
mod stats;
mod tasks;
mod threads;
mod without_transactions;
mod worker;

use std::error::Error;

pub use error::{DriverError, InteractionError, PoolError};
pub use interaction::PendingInteraction;
pub use pool::ConnectionPool;
pub use stats::PoolStats;
pub use without_transactions::WithoutTransactions;

/// How a [`ConnectionPool`] connects to a database, and how transactions begin and end there. [`ConnectionPool`] has an example
/// for SQLite by `rusqlite`. By `diesel`, whose connections count transactions, so that a `transaction` in an interaction is a
/// savepoint:
///
/// ```ignore
/// use std::error::Error;
///
/// use diesel::connection::{AnsiTransactionManager, TransactionManager};
/// use diesel::{Connection, RunQueryDsl, SqliteConnection, sql_query};
/// use protocols::database::Database;
///
/// struct Diesel { file: String }
///
/// impl Database for Diesel {
///     type Connection = SqliteConnection;
///     type Error = Box<dyn Error + Send + Sync>;
///
///     fn connect(&self) -> Result<SqliteConnection, Self::Error> {
///         Ok(SqliteConnection::establish(&self.file)?)
///     }
///
///     fn is_alive(&self, connection: &mut SqliteConnection) -> bool {
///         sql_query("SELECT 1").execute(connection).is_ok()
///     }
///
///     fn begin(&self, connection: &mut SqliteConnection) -> Result<(), Self::Error> {
///         Ok(AnsiTransactionManager::begin_transaction(connection)?)
///     }
///
///     fn commit(&self, connection: &mut SqliteConnection) -> Result<(), Self::Error> {
///         Ok(AnsiTransactionManager::commit_transaction(connection)?)
///     }
///
///     fn roll_back(&self, connection: &mut SqliteConnection) -> Result<(), Self::Error> {
///         Ok(AnsiTransactionManager::rollback_transaction(connection)?)
///     }
/// }
/// ```
///
/// All methods may block, and are called on a connection's own thread; so a connection need not be `Send`. A method that
/// panics has failed.
pub trait Database: Send + Sync + 'static {
    /// What interactions talk to.
    type Connection: 'static;
    /// The driver's error.
    type Error: Into<Box<dyn Error + Send + Sync>>;

    /// Makes a connection, and prepares it: this is where Twisted's `cp_openfun` goes. While interactions wait it is called
    /// again and again, after pauses of 50 ms up to 2 s. Give it a time limit if the driver has none.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, or refuses.
    fn connect(&self) -> Result<Self::Connection, Self::Error>;

    /// Whether a connection still reaches the database. It is asked after an error alone, and may ask the server. Twisted's
    /// `cp_good_sql`.
    fn is_alive(&self, connection: &mut Self::Connection) -> bool;

    /// Begins a transaction. It is also what finds a connection that was lost while it had nothing to do.
    ///
    /// # Errors
    ///
    /// If the connection is lost: then it is replaced, and the interaction runs on another. Or if the database refuses: then
    /// the interaction fails.
    fn begin(&self, connection: &mut Self::Connection) -> Result<(), Self::Error>;

    /// Commits the transaction, or fails. A database may take a commit for a roll-back and not call that an error, as
    /// PostgreSQL does after a statement that has failed: then ask before.
    ///
    /// # Errors
    ///
    /// If the transaction is not committed, or if the connection is lost, which leaves that uncertain.
    fn commit(&self, connection: &mut Self::Connection) -> Result<(), Self::Error>;

    /// Rolls the transaction back.
    ///
    /// # Errors
    ///
    /// If it may still be open: the connection is closed then.
    fn roll_back(&self, connection: &mut Self::Connection) -> Result<(), Self::Error>;
}

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reactor::Reactor;
use reactor::threads::RemoteReactor;

use crate::database::interaction::{Asked, PendingInteraction};
use crate::database::options::Options;
use crate::database::queue::{Manner, Shared, Waiting};
use crate::database::stats::PoolStats;
use crate::database::{Database, tasks, threads};

/// Connections to a database, each on a thread of its own, so that waiting for the database keeps nothing else waiting.
/// Twisted's `adbapi.ConnectionPool`.
///
/// It is a handle: `Send`, `Sync` and cheap to clone. Connections are made when they are needed. When the last handle is
/// dropped, what was asked is still done, and then the connections end.
///
/// ```
/// use protocols::database::{ConnectionPool, Database};
/// use protocols::{LineHandler, LineReceiver, Lines};
/// use reactor::Reactor;
/// use rusqlite::{Connection, OptionalExtension};
///
/// /// A file of SQLite's.
/// struct Sqlite(&'static str);
///
/// impl Database for Sqlite {
///     type Connection = Connection;
///     type Error = rusqlite::Error;
///
///     fn connect(&self) -> rusqlite::Result<Connection> {
///         Connection::open(self.0)
///     }
///
///     fn is_alive(&self, connection: &mut Connection) -> bool {
///         connection.execute_batch("SELECT 1").is_ok()
///     }
///
///     fn begin(&self, connection: &mut Connection) -> rusqlite::Result<()> {
///         connection.execute_batch("BEGIN")
///     }
///
///     fn commit(&self, connection: &mut Connection) -> rusqlite::Result<()> {
///         connection.execute_batch("COMMIT")
///     }
///
///     fn roll_back(&self, connection: &mut Connection) -> rusqlite::Result<()> {
///         connection.execute_batch("ROLLBACK")
///     }
/// }
///
/// struct Ages { lines: Lines, users: ConnectionPool<Sqlite> }
///
/// impl LineHandler for Ages {
///     fn line_received(&mut self, name: &[u8]) {
///         let name = String::from_utf8_lossy(name).into_owned();
///         let age = self.users.run_interaction(move |users| {
///             users.query_row("SELECT age FROM users WHERE name = ?", [name], |row| row.get::<_, u32>(0)).optional()
///         });
///         self.lines.defer(age, |this: &mut Self, age| match age {
///             Ok(Some(age)) => this.lines.send_line(format!("{age} years old")),
///             Ok(None) => this.lines.send_line("no such user"),
///             Err(error) => this.lines.send_line(format!("not now: {error}")),
///         });
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// let users = ConnectionPool::new(&reactor, Sqlite("users.db"));
/// reactor.listen_tcp("127.0.0.1:0", LineReceiver::factory(move |lines| Ages { lines, users: users.clone() }))?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # An interaction belongs to the pool
///
/// It runs though the connection that has asked is gone, and though its future is dropped: only its result is dropped with
/// that. It ends in one of three ways: committed, rolled back, or with its connection, which is closed. So no transaction
/// stays open. A connection that was lost is replaced.
///
/// When the reactor stops, it waits for all interactions, those that wait included, once its connections are gone, within
/// its [deadline](Reactor::set_shutdown_deadline).
///
/// # In a simulation
///
/// With a reactor of the [testing kit](reactor::testing) there are no threads: up to
/// [`max_connections`](Self::max_connections) tasks of the reactor call the same code, so that a run follows from its seed.
/// [`simulated_latency`](Self::simulated_latency) says how long an interaction takes there.
pub struct ConnectionPool<D: Database>(Arc<Handles<D>>);

/// What ends with the last handle.
struct Handles<D: Database> {
    shared: Arc<Shared<D>>,
    /// The reactor whose tasks the connections are; none if they are threads.
    memory: Option<RemoteReactor>,
}

impl<D: Database> ConnectionPool<D> {
    /// A pool whose deadlines are kept by `reactor`, which waits for its interactions when it stops. Other threads can use it
    /// longer than that, without deadlines.
    pub fn new(reactor: &Reactor, database: D) -> Self {
        let home = reactor.remote();
        let memory = reactor.is_in_memory().then(|| home.clone());
        let pool = Self(Arc::new(Handles { shared: Arc::new(Shared::new(database, home)), memory }));
        pool.finish_with(reactor);
        pool
    }

    /// Has another reactor wait for the interactions, too, when it stops: for a pool that several threads share.
    ///
    /// ```
    /// use std::sync::OnceLock;
    ///
    /// use protocols::database::{ConnectionPool, WithoutTransactions};
    /// use reactor::run_on_threads;
    ///
    /// let shared = OnceLock::new();
    /// run_on_threads(2, |reactor| {
    ///     // The first thread makes it, before the others begin.
    ///     let pool = shared.get_or_init(|| ConnectionPool::new(reactor, WithoutTransactions(|| Ok::<_, String>(42))));
    ///     if reactor.thread_number() > 0 {
    ///         pool.finish_with(reactor);
    ///     }
    ///     # reactor.stop();
    ///     Ok(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn finish_with(&self, reactor: &Reactor) {
        let shared = Arc::clone(&self.0.shared);
        reactor.during_shutdown(async move || {
            let left = Unfinished(shared);
            left.0.settled().await;
        });
    }

    /// How many connections there are at most (5). Twisted's `cp_max`.
    ///
    /// # Panics
    ///
    /// If it is zero, because no interaction would ever run.
    #[must_use]
    #[track_caller]
    pub fn max_connections(self, connections: usize) -> Self {
        assert!(connections > 0, "a pool without connections runs no interaction");
        self.set(|options| options.max_connections = connections)
    }

    /// How many interactions may wait for a connection (1,024). Beyond that they fail at once, with
    /// [`PoolError::Full`](crate::database::PoolError::Full).
    #[must_use]
    pub fn max_waiting(self, interactions: usize) -> Self {
        self.set(|options| options.max_waiting = interactions)
    }

    /// How long an interaction may wait for a connection (30 s). Then it fails with
    /// [`PoolError::NoConnection`](crate::database::PoolError::NoConnection), whether all are busy or none can be made. How
    /// long it runs is the database's to limit, such as by PostgreSQL's `statement_timeout`.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        self.set(|options| options.deadline = deadline)
    }

    /// How long a connection may have nothing to do before it is closed, and its thread ends (10 min).
    #[must_use]
    pub fn idle_timeout(self, timeout: Duration) -> Self {
        self.set(|options| options.idle_timeout = timeout)
    }

    /// About how long an interaction takes with a reactor in memory (1 ms): between half of that and one and a half times,
    /// drawn from the seed.
    #[must_use]
    pub fn simulated_latency(self, latency: Duration) -> Self {
        self.set(|options| options.simulated_latency = latency)
    }

    /// Calls `interaction` in a transaction, on one of the connections' threads. What it returns is committed if it is a
    /// value, and rolled back if it is an error, or if it panics. Interactions begin in the order in which they were
    /// requested. Twisted's `runInteraction`, and its `runQuery` and `runOperation`, which in Rust would be no shorter.
    ///
    /// The future is for [`Transport::defer`](reactor::Transport::defer), [`Reactor::spawn`] or any other executor. A thread
    /// that may wait uses [`RemoteReactor::block_on`]. The interaction is under way though nobody awaits it; if it fails, and
    /// nobody does, that is logged.
    ///
    /// ```
    /// use protocols::database::{ConnectionPool, Database};
    /// use rusqlite::{Connection, params};
    ///
    /// fn transfer<D>(pool: &ConnectionPool<D>, amount: i64, from: String, to: String)
    /// where
    ///     D: Database<Connection = Connection>,
    /// {
    ///     pool.run_interaction(move |bank| {
    ///         bank.execute("UPDATE accounts SET balance = balance - ? WHERE name = ?", params![amount, from])?;
    ///         bank.execute("UPDATE accounts SET balance = balance + ? WHERE name = ?", params![amount, to])
    ///     });
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Failed`](crate::database::InteractionError::Failed) with the interaction's own error;
    /// [`Panicked`](crate::database::InteractionError::Panicked); or a [`PoolError`](crate::database::PoolError), which says
    /// whether it ran.
    pub fn run_interaction<T, E>(
        &self,
        interaction: impl FnOnce(&mut D::Connection) -> Result<T, E> + Send + 'static,
    ) -> PendingInteraction<T, E>
    where
        T: Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        self.run(once(interaction), Manner::Once)
    }

    /// As [`run_interaction`](Self::run_interaction); but if the connection is lost before the commit, the interaction is
    /// called again, in another transaction, up to three times in all. So it should do nothing but talk to the database. A
    /// commit is not repeated, because it may have taken place.
    pub fn retry_interaction<T, E>(
        &self,
        interaction: impl FnMut(&mut D::Connection) -> Result<T, E> + Send + 'static,
    ) -> PendingInteraction<T, E>
    where
        T: Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        self.run(interaction, Manner::Repeated)
    }

    /// As [`run_interaction`](Self::run_interaction), without a transaction: for a single statement, which saves two round
    /// trips, and for those that databases refuse in one, such as PostgreSQL's `VACUUM`. A transaction that the interaction
    /// begins itself it also ends, unless it returns an error: what is open then is rolled back. That a connection was lost
    /// while it had nothing to do is found by the interaction itself, and is its error. Twisted's `runWithConnection`.
    ///
    /// ```
    /// # use std::io;
    /// use protocols::database::{ConnectionPool, WithoutTransactions};
    /// use reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// let pool = ConnectionPool::new(&reactor, WithoutTransactions(|| Ok::<_, io::Error>(vec![1, 2, 3])));
    /// let sum = reactor.run_until(pool.run_with_connection(|numbers| Ok::<i32, String>(numbers.iter().sum())))?;
    /// assert!(matches!(sum, Ok(6)));
    /// # Ok::<(), io::Error>(())
    /// ```
    pub fn run_with_connection<T, E>(
        &self,
        interaction: impl FnOnce(&mut D::Connection) -> Result<T, E> + Send + 'static,
    ) -> PendingInteraction<T, E>
    where
        T: Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        self.run(once(interaction), Manner::Bare)
    }

    /// The pool's numbers now.
    pub fn stats(&self) -> PoolStats {
        self.0.shared.stats()
    }

    fn run<T, E>(
        &self,
        interaction: impl FnMut(&mut D::Connection) -> Result<T, E> + Send + 'static,
        manner: Manner,
    ) -> PendingInteraction<T, E>
    where
        T: Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        let shared = &self.0.shared;
        let (asked, pending) = Asked::new(interaction, shared.report.clone());
        let waiting = move |since| Waiting { interaction: Box::new(asked), manner, since, calls: 0 };
        match &self.0.memory {
            None => shared.push(waiting(now()), threads::start),
            Some(reactor) => {
                let shared = Arc::clone(shared);
                // If the reactor has ended, the interaction is dropped, and its asker hears that.
                let _ = reactor.call_from_thread(move |reactor| {
                    shared.push(waiting(reactor.now()), |shared| {
                        tasks::start(shared, reactor);
                        Ok(())
                    });
                });
            }
        }
        pending
    }

    fn set(self, set: impl FnOnce(&mut Options)) -> Self {
        self.0.shared.set_options(set);
        self
    }
}

/// The time on a thread that may have no reactor.
#[expect(
    clippy::disallowed_methods,
    reason = "a reactor on sockets has the same clock, and one in memory is asked for its own"
)]
fn now() -> Instant {
    Instant::now()
}

/// A closure that is called once, as one that may be called again.
fn once<C, R>(closure: impl FnOnce(&mut C) -> R) -> impl FnMut(&mut C) -> R {
    let mut closure = Some(closure);
    move |connection| closure.take().expect("it is called once")(connection)
}

/// The interactions that a stop of the reactor waits for.
struct Unfinished<D: Database>(Arc<Shared<D>>);

impl<D: Database> Drop for Unfinished<D> {
    fn drop(&mut self) {
        let PoolStats { running, waiting, .. } = self.0.stats();
        if running + waiting > 0 {
            tracing::warn!(running, waiting, "the program ends before its interactions with a database");
        }
    }
}

impl<D: Database> Drop for Handles<D> {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl<D: Database> Clone for ConnectionPool<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D: Database> fmt::Debug for ConnectionPool<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionPool")
            .field("options", &self.0.shared.options())
            .field("stats", &self.stats())
            .finish()
    }
}

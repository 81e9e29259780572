//! Pools of connections to real databases: PostgreSQL and SQLite.

mod failing;
mod link_that_breaks;
mod postgres;
pub(crate) mod server;
mod sqlite;
mod threads;

use std::env;
use std::time::Duration;

use protocols::database::{ConnectionPool, Database};
use reactor::Reactor;

use crate::support::test_reactor;

/// How many interactions a test has at least; `INTERACTIONS` in the environment says another number.
fn interactions(at_least: usize) -> usize {
    env::var("INTERACTIONS").ok().and_then(|number| number.parse().ok()).unwrap_or(at_least)
}

/// Runs this with a reactor on a thread of its own, and a pool.
#[track_caller]
fn with_pool<D: Database, T: Send + 'static>(
    database: D,
    run: impl AsyncFnOnce(Reactor, ConnectionPool<D>) -> T + Send + 'static,
) -> T {
    let run = std::thread::spawn(move || {
        let reactor = test_reactor();
        reactor.set_shutdown_deadline(Duration::from_secs(30));
        let pool = ConnectionPool::new(&reactor, database);
        reactor.run_until(run(reactor.clone(), pool)).unwrap()
    });
    run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

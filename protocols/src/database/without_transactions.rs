use std::error::Error;
use std::fmt;

use crate::database::Database;

/// A [`Database`] that is a closure, which makes connections, and knows no transactions: for tests, and for whatever else is to
/// be asked by code that blocks. After an error or a panic the connection is replaced.
///
/// ```
/// use std::collections::HashMap;
/// use std::time::Duration;
///
/// use protocols::database::{ConnectionPool, WithoutTransactions};
/// use reactor::testing::Simulation;
///
/// let sim = Simulation::new(0);
/// let server = sim.host("server");
/// let table = || Ok::<_, String>(HashMap::from([("joe", 42)]));
/// let pool = ConnectionPool::new(&server, WithoutTransactions(table)).simulated_latency(Duration::from_secs(2));
/// let age = pool.run_interaction(|table| table.get("joe").copied().ok_or("no such user"));
/// assert!(matches!(server.run_until(age)?, Ok(42)));
/// assert!(sim.elapsed() >= Duration::from_secs(1));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct WithoutTransactions<F>(pub F);

impl<C, E, F> Database for WithoutTransactions<F>
where
    C: 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
    F: Fn() -> Result<C, E> + Send + Sync + 'static,
{
    type Connection = C;
    type Error = E;

    fn connect(&self) -> Result<C, E> {
        (self.0)()
    }

    fn is_alive(&self, _connection: &mut C) -> bool {
        false
    }

    fn begin(&self, _connection: &mut C) -> Result<(), E> {
        Ok(())
    }

    fn commit(&self, _connection: &mut C) -> Result<(), E> {
        Ok(())
    }

    fn roll_back(&self, _connection: &mut C) -> Result<(), E> {
        Ok(())
    }
}

impl<F> fmt::Debug for WithoutTransactions<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithoutTransactions").finish_non_exhaustive()
    }
}

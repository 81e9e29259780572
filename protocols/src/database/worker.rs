//! A place for a connection, on a thread or in a task: it connects, runs interactions, and connects again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use reactor::text::{escaped, panic_message};

use crate::database::Database;
use crate::database::error::{DriverError, PoolError};
use crate::database::interaction::{Called, Payload};
use crate::database::panics::contain;
use crate::database::queue::{Manner, Shared, Waiting};

pub(super) struct Worker<D: Database> {
    pub(super) shared: Arc<Shared<D>>,
    connection: Option<D::Connection>,
    /// A transaction has begun on the connection.
    serves: bool,
    /// How long to wait when it cannot connect.
    pause: Duration,
    /// What becomes of panics.
    panicked: Box<dyn Fn(Payload)>,
}

/// What follows a call.
enum End {
    /// The interaction has a result, or an error of its own.
    Answer {
        succeeded: bool,
    },
    /// The pool has an error.
    Fail(PoolError),
    Again,
}

impl<D: Database> Worker<D> {
    pub(super) fn new(shared: Arc<Shared<D>>, panicked: impl Fn(Payload) + 'static) -> Self {
        Self { shared, connection: None, serves: false, pause: FIRST_PAUSE, panicked: Box::new(panicked) }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Connects, or says how long to wait before the next attempt.
    pub(super) fn connect(&mut self) -> Result<(), Duration> {
        match self.guard(Database::connect) {
            Ok(connection) => {
                self.connection = Some(connection);
                self.shared.connected();
                Ok(())
            }
            Err(error) => Err(self.cannot_connect(error)),
        }
    }

    /// Runs an interaction; or says how long to wait, because a new connection does not serve.
    pub(super) fn run(&mut self, mut waiting: Waiting<D::Connection>) -> Result<(), Duration> {
        let Some(mut connection) = self.connection.take() else {
            self.shared.put_back(waiting);
            return Ok(());
        };
        let begun = match waiting.manner {
            Manner::Bare => Ok(()),
            Manner::Once | Manner::Repeated => self.guard(|database| database.begin(&mut connection)),
        };
        let (end, keep) = match begun {
            Ok(()) => {
                if !std::mem::replace(&mut self.serves, true) {
                    self.pause = FIRST_PAUSE;
                    self.shared.outage_is_over();
                }
                self.call(&mut connection, &mut waiting)
            }
            Err(error) if self.is_alive(&mut connection) => (End::Fail(PoolError::Begin(error)), true),
            Err(error) => {
                // Nothing was asked of the database yet, so any connection will do.
                let pause = if self.serves { Ok(()) } else { Err(self.cannot_connect(error)) };
                self.discard(connection);
                self.shared.put_back(waiting);
                return pause;
            }
        };
        if keep {
            self.connection = Some(connection);
        } else {
            self.discard(connection);
        }
        // The asker finds the pool, and the database, as they are behind its interaction.
        match end {
            End::Answer { succeeded } => {
                self.shared.finished(succeeded);
                contain(|| waiting.interaction.answer());
            }
            End::Fail(error) => {
                self.shared.finished(false);
                contain(|| waiting.interaction.fail(error));
            }
            End::Again => self.shared.put_back(waiting),
        }
        Ok(())
    }

    /// Calls the closure, and ends its transaction. Also says whether the connection can be kept: it has no transaction open
    /// then.
    fn call(&self, connection: &mut D::Connection, waiting: &mut Waiting<D::Connection>) -> (End, bool) {
        waiting.calls += 1;
        match (waiting.interaction.call(connection), waiting.manner) {
            (Called::Succeeded, Manner::Bare) => (End::Answer { succeeded: true }, true),
            (Called::Succeeded, _) => match self.guard(|database| database.commit(connection)) {
                Ok(()) => (End::Answer { succeeded: true }, true),
                Err(error) if self.is_alive(connection) => {
                    (End::Fail(PoolError::Commit(error)), self.roll_back(connection))
                }
                Err(error) => (End::Fail(PoolError::Uncertain(error)), false),
            },
            (Called::Failed, manner) => {
                if manner == Manner::Bare {
                    // It may have begun a transaction itself, which only a transaction shows to all databases alike.
                    let _ = self.guard(|database| database.begin(connection));
                }
                let keep = self.roll_back(connection) && self.is_alive(connection);
                let again = !keep && manner == Manner::Repeated && waiting.calls < MOST_CALLS;
                (if again { End::Again } else { End::Answer { succeeded: false } }, keep)
            }
            (Called::Panicked(payload), _) => {
                (self.panicked)(payload);
                // The driver itself may have panicked, in the middle of a change.
                self.roll_back(connection);
                (End::Answer { succeeded: false }, false)
            }
        }
    }

    fn roll_back(&self, connection: &mut D::Connection) -> bool {
        self.guard(|database| database.roll_back(connection)).is_ok()
    }

    fn is_alive(&self, connection: &mut D::Connection) -> bool {
        self.guard(|database| Ok::<_, D::Error>(database.is_alive(connection))).unwrap_or(false)
    }

    /// Calls the driver. A panic is an error.
    fn guard<T, E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        &self,
        call: impl FnOnce(&D) -> Result<T, E>,
    ) -> Result<T, DriverError> {
        match catch_unwind(AssertUnwindSafe(|| call(&self.shared.database).map_err(Into::into))) {
            Ok(result) => result.map_err(DriverError::from),
            Err(payload) => {
                let text = format!("the driver panicked: {}", escaped(&panic_message(&*payload)));
                (self.panicked)(payload);
                Err(DriverError::from(Box::from(text)))
            }
        }
    }

    /// The pause before the next attempt.
    fn cannot_connect(&mut self, error: DriverError) -> Duration {
        self.shared.has_outage(error);
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        pause
    }

    fn discard(&mut self, connection: D::Connection) {
        self.serves = false;
        contain(|| drop(connection));
        self.shared.discarded();
    }
}

/// How often an interaction is called at most: it may itself be what breaks connections.
const MOST_CALLS: u32 = 3;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

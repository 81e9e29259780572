use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use reactor::text::escaped;

/// Why a [`ConnectionPool`](crate::database::ConnectionPool) has no result of an interaction.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum InteractionError<E> {
    /// The interaction returned this error, and its transaction was rolled back.
    Failed(E),
    /// The interaction panicked with this message, and its transaction was rolled back.
    Panicked(String),
    /// The pool or the database failed. Only after [`PoolError::Uncertain`] can the transaction have been committed.
    Pool(PoolError),
}

/// What failed around an interaction.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PoolError {
    /// As many interactions as may were waiting already: this number. This one never ran.
    Full(usize),
    /// No connection was free for this long. The interaction did not run, or its connection was lost before the commit and
    /// it was to be tried again. With the reason why the pool cannot connect, if it cannot.
    NoConnection(Duration, Option<DriverError>),
    /// The transaction could not begin, though the database answers. The interaction did not run.
    Begin(DriverError),
    /// The database refused to commit, and the transaction was rolled back.
    Commit(DriverError),
    /// The connection was lost during the commit: nobody can tell whether it took place.
    Uncertain(DriverError),
    /// The pool has ended, or the reactor of a pool that is in memory. The interaction did not run.
    Stopped,
    /// There is no thread, and the system refuses to start one. The interaction did not run.
    NoThread(Arc<io::Error>),
}

/// An error of the driver, for all that it concerns.
pub type DriverError = Arc<dyn Error + Send + Sync>;

impl<E: fmt::Display> fmt::Display for InteractionError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Panicked(message) => write!(f, "the interaction panicked: {}", escaped(message)),
            Self::Pool(error) => error.fmt(f),
        }
    }
}

impl<E: Error> Error for InteractionError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => error.source(),
            Self::Panicked(_) => None,
            Self::Pool(error) => error.source(),
        }
    }
}

impl<E> From<PoolError> for InteractionError<E> {
    fn from(error: PoolError) -> Self {
        Self::Pool(error)
    }
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(waiting) => {
                write!(f, "{waiting} interactions are waiting for a connection to the database already")
            }
            Self::NoConnection(time, None) => write!(f, "no connection to the database was free within {time:?}"),
            Self::NoConnection(time, Some(error)) => {
                write!(f, "no connection to the database could be made within {time:?}: {error}")
            }
            Self::Begin(error) => write!(f, "the transaction could not begin: {error}"),
            Self::Commit(error) => write!(f, "the database refused to commit: {error}"),
            Self::Uncertain(error) => {
                write!(f, "the connection was lost during the commit, which may have taken place: {error}")
            }
            Self::Stopped => f.write_str("the pool of connections to the database has ended"),
            Self::NoThread(error) => write!(f, "no thread could be started for a connection to the database: {error}"),
        }
    }
}

impl Error for PoolError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoConnection(_, Some(error)) | Self::Begin(error) | Self::Commit(error) | Self::Uncertain(error) => {
                Some(&**error)
            }
            Self::NoThread(error) => Some(&**error),
            Self::Full(_) | Self::NoConnection(_, None) | Self::Stopped => None,
        }
    }
}

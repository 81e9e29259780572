use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Why the store has no answer.
#[derive(Clone, Debug)]
pub struct StoreError {
    /// What failed, and with what.
    what: Arc<str>,
    source: Arc<dyn Error + Send + Sync>,
}

impl StoreError {
    pub(super) fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { what: "the database failed".into(), source: Arc::from(error.into()) }
    }

    /// A line could not be written where all nodes of a cluster read it.
    pub(crate) fn of_log(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { what: "the cluster's log failed".into(), source: Arc::from(error.into()) }
    }

    /// Accounts could not be changed where all nodes of a cluster have them.
    pub(crate) fn of_network(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { what: "accounts of the network cannot be changed".into(), source: Arc::from(error.into()) }
    }

    /// The same, for somebody who has named the file.
    pub(super) fn at(self, path: Option<&Path>) -> Self {
        match path {
            Some(path) => Self { what: format!("cannot use the database {}", path.display()).into(), ..self },
            None => self,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.source)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}

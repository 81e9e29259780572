use std::error::Error;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocols::database::Database;
use rusqlite::Connection;

use crate::store::schema;

/// A file of SQLite's, or one in memory.
#[derive(Debug)]
pub(super) struct Sqlite {
    path: Option<PathBuf>,
}

impl Sqlite {
    pub(super) fn new(path: Option<&Path>) -> Self {
        Self { path: path.map(Path::to_owned) }
    }

    /// Makes the file, or brings it up to date.
    pub(super) fn prepare(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        if let Some(path) = &self.path {
            // Not by SQLite, which would let everybody read it: the files beside it get the same mode.
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
                _ => {}
            }
        }
        self.connect().map(drop)
    }
}

impl Database for Sqlite {
    type Connection = Connection;
    type Error = Box<dyn Error + Send + Sync>;

    fn connect(&self) -> Result<Connection, Self::Error> {
        let mut connection = match &self.path {
            Some(path) => Connection::open(path)?,
            None => Connection::open_in_memory()?,
        };
        // While a new process takes over, two have the file.
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // What is committed survives the end of the process; after a power cut the last transactions may be missing.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        schema::bring_up_to_date(&mut connection)?;
        Ok(connection)
    }

    fn is_alive(&self, connection: &mut Connection) -> bool {
        connection.query_row("SELECT 1", [], |_| Ok(())).is_ok()
    }

    fn begin(&self, connection: &mut Connection) -> Result<(), Self::Error> {
        Ok(connection.execute_batch("BEGIN IMMEDIATE")?)
    }

    fn commit(&self, connection: &mut Connection) -> Result<(), Self::Error> {
        Ok(connection.execute_batch("COMMIT")?)
    }

    fn roll_back(&self, connection: &mut Connection) -> Result<(), Self::Error> {
        // A statement that has failed may have done it.
        match connection.is_autocommit() {
            true => Ok(()),
            false => Ok(connection.execute_batch("ROLLBACK")?),
        }
    }
}

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

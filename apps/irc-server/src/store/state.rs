use rusqlite::{Connection, OptionalExtension as _};

use crate::server::Timestamp;
use crate::store::{Pending, Store};

impl Store {
    /// A value that the server keeps for itself, which `make` makes the first time.
    pub fn kept_value(&self, name: &'static str, make: impl FnOnce() -> Vec<u8> + Send + 'static) -> Pending<Vec<u8>> {
        self.run(move |connection| {
            if let Some(value) = get(connection, name)? {
                return Ok(value);
            }
            let value = make();
            set(connection, name, &value)?;
            Ok(value)
        })
    }

    /// A number for this start of the server, larger than those of all starts before: the time, if the clock was not put back.
    pub fn next_epoch(&self, now: Timestamp) -> Pending<u64> {
        self.run(move |connection| {
            let last = get(connection, "epoch")?.and_then(|value| value.try_into().ok()).map_or(0, u64::from_be_bytes);
            let epoch = now.0.max(last.saturating_add(1));
            set(connection, "epoch", &epoch.to_be_bytes())?;
            Ok(epoch)
        })
    }
}

pub(super) fn get(connection: &Connection, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    connection.query_row("SELECT value FROM state WHERE name = ?", [name], |row| row.get(0)).optional()
}

pub(super) fn set(connection: &Connection, name: &str, value: &[u8]) -> rusqlite::Result<()> {
    connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, value)).map(drop)
}

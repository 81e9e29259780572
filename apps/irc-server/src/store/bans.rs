use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::server::{ServerBan, Timestamp};
use crate::store::{Pending, Store, milliseconds};

impl Store {
    /// Keeps a ban, in place of one of the same mask.
    pub fn add_ban(&self, ban: ServerBan) -> Pending<()> {
        self.run(move |connection| put(connection, &ban))
    }

    /// Forgets the ban of this mask. Says whether there was one.
    pub fn remove_ban(&self, mask: &[u8]) -> Pending<bool> {
        let mask = mask.to_owned();
        self.run(move |connection| remove(connection, &mask))
    }

    /// The bans that have not ended by `now`. The others are forgotten.
    pub fn bans(&self, now: Timestamp) -> Pending<Vec<ServerBan>> {
        self.run(move |connection| {
            connection.execute("DELETE FROM bans WHERE expires <= ?", [milliseconds(now)])?;
            all(connection)
        })
    }
}

pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<ServerBan>> {
    connection.prepare("SELECT mask, reason, setter, created, expires FROM bans")?.query_map([], ban)?.collect()
}

pub(super) fn get(connection: &Connection, mask: &[u8]) -> rusqlite::Result<Option<ServerBan>> {
    let select = "SELECT mask, reason, setter, created, expires FROM bans WHERE mask = ?";
    connection.query_row(select, [mask], ban).optional()
}

pub(super) fn put(connection: &Connection, ban: &ServerBan) -> rusqlite::Result<()> {
    let insert = "INSERT OR REPLACE INTO bans VALUES (?, ?, ?, ?, ?)";
    let until = ban.until.map(milliseconds);
    connection.execute(insert, (&*ban.mask, &*ban.reason, &*ban.by, milliseconds(ban.at), until)).map(drop)
}

pub(super) fn remove(connection: &Connection, mask: &[u8]) -> rusqlite::Result<bool> {
    Ok(connection.execute("DELETE FROM bans WHERE mask = ?", [mask])? > 0)
}

fn ban(row: &Row<'_>) -> rusqlite::Result<ServerBan> {
    Ok(ServerBan {
        mask: Arc::from(row.get_ref(0)?.as_blob()?),
        reason: Arc::from(row.get_ref(1)?.as_blob()?),
        by: Arc::from(row.get_ref(2)?.as_blob()?),
        at: Timestamp(row.get(3)?),
        until: row.get::<_, Option<u64>>(4)?.map(Timestamp),
    })
}

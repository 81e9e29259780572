use std::sync::PoisonError;

use rusqlite::Connection;

use crate::server::Timestamp;
use crate::settings::HistorySettings;
use crate::store::{Pending, Store, milliseconds};

impl Store {
    /// What is kept from now on.
    pub fn set_history(&self, settings: HistorySettings) {
        *self.0.history.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Forgets some of the lines that are older than they may be, or more than there may be in all. Says whether there may be
    /// more to forget: others have their turn before this is called again.
    pub fn forget_old(&self, now: Timestamp) -> Pending<bool> {
        let settings = self.0.history.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let age = settings.age.as_millis().try_into().unwrap_or(u64::MAX);
        let before = milliseconds(Timestamp(now.0.saturating_sub(age)));
        self.run(move |connection| {
            let kept = "SELECT coalesce(sum(kept), 0) FROM targets";
            let kept: usize = connection.query_row(kept, [], |row| row.get(0))?;
            let excess = kept.saturating_sub(settings.total).min(STEP);
            // By their numbers: those that came first are the oldest, or nearly so, and it needs no index.
            let delete = "DELETE FROM lines
                 WHERE id IN (SELECT id FROM lines ORDER BY id LIMIT ?1) AND at < ?2
                 OR id IN (SELECT id FROM lines ORDER BY id LIMIT ?3)
                 RETURNING target";
            let mut delete = connection.prepare(delete)?;
            let targets: Vec<i64> =
                delete.query_map((STEP, before, excess), |row| row.get(0))?.collect::<Result<_, _>>()?;
            let mut update = connection.prepare("UPDATE targets SET kept = kept - 1 WHERE id = ?")?;
            for target in &targets {
                update.execute([target])?;
            }
            let mut delete = connection.prepare("DELETE FROM targets WHERE id = ? AND kept = 0")?;
            for target in &targets {
                delete.execute([target])?;
            }
            Ok(targets.len() == STEP)
        })
    }
}

/// Forgets the first lines of a target that has more than `most`: some at a time.
pub(super) fn to_most(connection: &Connection, target: i64, most: usize) -> rusqlite::Result<()> {
    let kept: usize = connection.query_row("SELECT kept FROM targets WHERE id = ?", [target], |row| row.get(0))?;
    let excess = kept.saturating_sub(most);
    if excess == 0 || excess < most.min(SLACK * 16) / 16 {
        return Ok(());
    }
    let delete = "DELETE FROM lines WHERE id IN (SELECT id FROM lines WHERE target = ? ORDER BY at, id LIMIT ?)";
    let deleted = connection.execute(delete, (target, excess.min(STEP)))?;
    connection.execute("UPDATE targets SET kept = kept - ? WHERE id = ?", (deleted, target)).map(drop)
}

/// How many are forgotten at once: some milliseconds.
const STEP: usize = 500;

/// How many more than the most are kept, so that not each line forgets another: a sixteenth, but no more than this.
const SLACK: usize = 64;

use std::error::Error;

use rusqlite::{Connection, TransactionBehavior};

/// Each brings the tables from the version before to its own. What was released is never changed: another is added.
const VERSIONS: [&str; 2] = [include_str!("version_1.sql"), include_str!("version_2.sql")];

/// Makes the tables, or changes those of earlier versions.
pub(super) fn bring_up_to_date(connection: &mut Connection) -> Result<(), Box<dyn Error + Send + Sync>> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: usize = change.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > VERSIONS.len() {
        return Err(format!(
            "a later version of this program has made it: it has the format {version}, and this one knows up to {}",
            VERSIONS.len()
        )
        .into());
    }
    for step in &VERSIONS[version..] {
        change.execute_batch(step)?;
    }
    change.pragma_update(None, "user_version", VERSIONS.len())?;
    Ok(change.commit()?)
}

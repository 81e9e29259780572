use std::sync::Arc;

use protocols::auth::PasswordHash;
use protocols::tls::Fingerprint;
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::server::{Name, Timestamp, key};
use crate::store::{Pending, Store, milliseconds};

/// An account. Its name is the same in whatever case it is written.
#[derive(Clone, Debug)]
pub struct Account {
    /// As it was registered.
    pub name: Name,
    /// What is kept of the password.
    pub password: PasswordHash,
    /// When it was registered.
    pub created: Timestamp,
    /// When somebody logged in to it last.
    pub seen: Timestamp,
}

impl Store {
    /// The names of all accounts.
    pub fn account_names(&self) -> Pending<Vec<Name>> {
        self.run(|connection| {
            let mut select = connection.prepare("SELECT shown FROM accounts")?;
            let names = select.query_map([], |row| Ok(Arc::from(row.get_ref(0)?.as_blob()?)))?;
            names.collect()
        })
    }

    /// The account of this name.
    pub fn account(&self, name: &[u8]) -> Pending<Option<Account>> {
        let name = key(name);
        self.run(move |connection| {
            let select = "SELECT shown, password, created, seen FROM accounts WHERE name = ?";
            connection.query_row(select, [&*name], account).optional()
        })
    }

    /// The name of the account that this certificate belongs to.
    pub fn account_of(&self, certificate: Fingerprint) -> Pending<Option<Name>> {
        self.run(move |connection| {
            let select = "SELECT shown FROM accounts JOIN fingerprints ON account = name WHERE fingerprint = ?";
            let shown = |row: &Row<'_>| Ok(Arc::from(row.get_ref(0)?.as_blob()?));
            connection.query_row(select, [certificate.to_string()], shown).optional()
        })
    }

    /// Makes an account. Says false if there is one of that name already.
    pub fn add_account(&self, name: &[u8], password: &PasswordHash, now: Timestamp) -> Pending<bool> {
        let (name, shown, password) = (key(name), name.to_owned(), password.to_text());
        self.run(move |connection| {
            let insert = "INSERT OR IGNORE INTO accounts VALUES (?, ?, ?, ?, ?)";
            Ok(connection.execute(insert, (&*name, shown, password, milliseconds(now), milliseconds(now)))? > 0)
        })
    }

    /// Removes an account, with its certificates, and what it has said to others and they to it: the next to register that name must
    /// not read it. Says whether there was one.
    pub fn remove_account(&self, name: &[u8]) -> Pending<bool> {
        let name = key(name);
        self.run(move |connection| {
            let conversations = "SELECT id FROM targets WHERE one = ?1 OR other = ?1";
            connection.execute(&format!("DELETE FROM lines WHERE target IN ({conversations})"), [&*name])?;
            connection.execute("DELETE FROM targets WHERE one = ?1 OR other = ?1", [&*name])?;
            Ok(connection.execute("DELETE FROM accounts WHERE name = ?", [&*name])? > 0)
        })
    }

    /// Gives an account another password. Says whether there is one.
    pub fn set_password(&self, name: &[u8], password: &PasswordHash) -> Pending<bool> {
        let (name, password) = (key(name), password.to_text());
        let update = "UPDATE accounts SET password = ? WHERE name = ?";
        self.run(move |connection| Ok(connection.execute(update, (password, &*name))? > 0))
    }

    /// Somebody has logged in.
    pub fn saw_account(&self, name: &[u8], now: Timestamp) -> Pending<()> {
        let name = key(name);
        let update = "UPDATE accounts SET seen = ? WHERE name = ?";
        self.run(move |connection| connection.execute(update, (milliseconds(now), &*name)).map(drop))
    }

    /// Lets the owner of this certificate log in to an account. Says false if it is another account's, or if this one has
    /// [`MOST_FINGERPRINTS`](Self::MOST_FINGERPRINTS).
    pub fn add_fingerprint(&self, name: &[u8], certificate: Fingerprint) -> Pending<bool> {
        let name = key(name);
        self.run(move |connection| {
            let count = "SELECT count(*) FROM fingerprints WHERE account = ?";
            let count: usize = connection.query_row(count, [&*name], |row| row.get(0))?;
            let insert = "INSERT OR IGNORE INTO fingerprints SELECT ?, name FROM accounts WHERE name = ?";
            Ok(count < Self::MOST_FINGERPRINTS && connection.execute(insert, (certificate.to_string(), &*name))? > 0)
        })
    }

    /// Takes a certificate from an account. Says whether it had it.
    pub fn remove_fingerprint(&self, name: &[u8], certificate: Fingerprint) -> Pending<bool> {
        let name = key(name);
        let delete = "DELETE FROM fingerprints WHERE fingerprint = ? AND account = ?";
        self.run(move |connection| Ok(connection.execute(delete, (certificate.to_string(), &*name))? > 0))
    }

    /// The certificates of an account.
    pub fn fingerprints(&self, name: &[u8]) -> Pending<Vec<Fingerprint>> {
        let name = key(name);
        self.run(move |connection| fingerprints(connection, &name))
    }

    /// How many certificates an account may have.
    pub const MOST_FINGERPRINTS: usize = 10;
}

fn fingerprints(connection: &Connection, name: &[u8]) -> rusqlite::Result<Vec<Fingerprint>> {
    let mut select = connection.prepare("SELECT fingerprint FROM fingerprints WHERE account = ? ORDER BY 1")?;
    let all: Vec<String> = select.query_map([name], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(all.iter().filter_map(|text| text.parse().ok()).collect())
}

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    let password = row.get_ref(1)?.as_str()?.parse();
    let invalid = |error| rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(error));
    Ok(Account {
        name: Arc::from(row.get_ref(0)?.as_blob()?),
        password: password.map_err(invalid)?,
        created: Timestamp(row.get(2)?),
        seen: Timestamp(row.get(3)?),
    })
}

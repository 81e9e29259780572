use std::sync::Arc;

use protocols::auth::PasswordHash;
use protocols::tls::Fingerprint;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension as _, Row};

use crate::server::{Key, Name, Timestamp, key};
use crate::store::{Pending, Store, milliseconds};

/// An account. Its name is the same in whatever case it is written.
#[derive(Clone, Debug)]
pub struct Account {
    /// As it was registered.
    pub name: Name,
    /// What is kept of the password.
    pub password: PasswordHash,
    /// When it was registered. One that was removed and registered again is another.
    pub created: Timestamp,
    /// Whose owners log in to it, in the order of their texts.
    pub certificates: Vec<Fingerprint>,
}

impl Account {
    /// How many certificates an account may have.
    pub const MOST_CERTIFICATES: usize = 10;

    /// What it is found by.
    #[must_use]
    pub fn key(&self) -> Key {
        key(&self.name)
    }
}

impl PartialEq for Account {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.created, &self.certificates) == (&other.name, other.created, &other.certificates)
            && self.password.to_text() == other.password.to_text()
    }
}

/// What has become of a change of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is made.
    Made,
    /// The account was not what it was known as.
    Changed,
    /// Another account has the certificate.
    Claimed,
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

    /// All accounts.
    pub fn accounts(&self) -> Pending<Vec<Account>> {
        self.run(|connection| {
            let mut select = connection.prepare("SELECT shown, password, created FROM accounts")?;
            let mut accounts: Vec<_> = select.query_map([], account)?.collect::<Result<_, _>>()?;
            for account in &mut accounts {
                account.certificates = certificates(connection, &account.key())?;
            }
            Ok(accounts)
        })
    }

    /// The account of this name.
    pub fn account(&self, name: &[u8]) -> Pending<Option<Account>> {
        let name = key(name);
        self.run(move |connection| get(connection, &name))
    }

    /// The account that this certificate belongs to: none if two claim it.
    pub fn account_of(&self, certificate: Fingerprint) -> Pending<Option<Account>> {
        self.run(move |connection| {
            let mut select = connection.prepare("SELECT account FROM fingerprints WHERE fingerprint = ? LIMIT 2")?;
            let name = |row: &Row<'_>| Ok(Arc::from(row.get_ref(0)?.as_blob()?));
            let claimants: Vec<Key> = select.query_map([certificate.to_string()], name)?.collect::<Result<_, _>>()?;
            match &claimants[..] {
                [one] => get(connection, one),
                _ => Ok(None),
            }
        })
    }

    /// Has `new` in the place of `known`, either of which may be none, and both of one name. It does nothing if `known` is not the
    /// account as it is, or if another account has a certificate that `new` has and `known` had not.
    ///
    /// With an account goes what it has said to others and they to it: the next to register that name must not read it.
    pub fn replace_account(&self, known: Option<Account>, new: Option<Account>) -> Pending<Outcome> {
        self.run(move |connection| {
            let Some(name) = known.as_ref().or(new.as_ref()).map(Account::key) else { return Ok(Outcome::Made) };
            if get(connection, &name)? != known {
                return Ok(Outcome::Changed);
            }
            if claims_of_others(connection, known.as_ref(), new.as_ref())? {
                return Ok(Outcome::Claimed);
            }
            match new {
                Some(new) => drop(put(connection, &new)?),
                None => remove(connection, &name)?,
            }
            Ok(Outcome::Made)
        })
    }

    /// Whether another account has a certificate that `new` has and `known` had not.
    pub fn claims_of_others(&self, known: Option<Account>, new: Option<Account>) -> Pending<bool> {
        self.run(move |connection| claims_of_others(connection, known.as_ref(), new.as_ref()))
    }

    /// Somebody has logged in to this account. Says false if it is no longer the same, or has another password by now.
    pub fn saw_account(&self, account: &Account, now: Timestamp) -> Pending<bool> {
        let (name, created, password) = (account.key(), milliseconds(account.created), account.password.to_text());
        let update = "UPDATE accounts SET seen = ? WHERE name = ? AND created = ? AND password = ?";
        self.run(move |connection| Ok(connection.execute(update, (milliseconds(now), &*name, created, password))? > 0))
    }
}

pub(super) fn get(connection: &Connection, name: &[u8]) -> rusqlite::Result<Option<Account>> {
    let select = "SELECT shown, password, created FROM accounts WHERE name = ?";
    let Some(mut account) = connection.query_row(select, [name], account).optional()? else { return Ok(None) };
    account.certificates = certificates(connection, name)?;
    Ok(Some(account))
}

/// Keeps an account as it is now. Says whether one of that name had to go for it, which was registered at another time.
pub(super) fn put(connection: &Connection, account: &Account) -> rusqlite::Result<bool> {
    let Account { name: shown, password, created, certificates } = account;
    let name = account.key();
    let before = get(connection, &name)?;
    if before.as_ref() == Some(account) {
        return Ok(false);
    }
    let is_another = before.is_some_and(|before| before.created != *created);
    if is_another {
        remove(connection, &name)?;
    }
    let insert = "INSERT INTO accounts VALUES (?1, ?2, ?3, ?4, ?4)
                  ON CONFLICT (name) DO UPDATE SET shown = excluded.shown, password = excluded.password";
    connection.execute(insert, (&*name, &**shown, password.to_text(), milliseconds(*created)))?;
    connection.execute("DELETE FROM fingerprints WHERE account = ?", [&*name])?;
    let mut insert = connection.prepare("INSERT OR IGNORE INTO fingerprints VALUES (?, ?)")?;
    for certificate in certificates {
        insert.execute((certificate.to_string(), &*name))?;
    }
    Ok(is_another)
}

/// Removes an account, with its certificates and its conversations.
pub(super) fn remove(connection: &Connection, name: &[u8]) -> rusqlite::Result<()> {
    let conversations = "SELECT id FROM targets WHERE one = ?1 OR other = ?1";
    connection.execute(&format!("DELETE FROM lines WHERE target IN ({conversations})"), [name])?;
    connection.execute("DELETE FROM targets WHERE one = ?1 OR other = ?1", [name])?;
    connection.execute("DELETE FROM accounts WHERE name = ?", [name]).map(drop)
}

fn claims_of_others(connection: &Connection, known: Option<&Account>, new: Option<&Account>) -> rusqlite::Result<bool> {
    let Some(new) = new else { return Ok(false) };
    let mut select = connection.prepare("SELECT 1 FROM fingerprints WHERE fingerprint = ? AND account <> ?")?;
    for certificate in &new.certificates {
        let had = known.is_some_and(|known| known.certificates.contains(certificate));
        if !had && select.exists((certificate.to_string(), &*new.key()))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn certificates(connection: &Connection, name: &[u8]) -> rusqlite::Result<Vec<Fingerprint>> {
    let select = "SELECT fingerprint FROM fingerprints WHERE account = ? ORDER BY 1";
    let mut select = connection.prepare(select)?;
    let all: Vec<String> = select.query_map([name], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(all.iter().filter_map(|text| text.parse().ok()).collect())
}

/// One without its certificates.
fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    let password = row.get_ref(1)?.as_str()?.parse();
    let invalid = |error| Error::FromSqlConversionFailure(1, Type::Text, Box::new(error));
    Ok(Account {
        name: Arc::from(row.get_ref(0)?.as_blob()?),
        password: password.map_err(invalid)?,
        created: Timestamp(row.get(2)?),
        certificates: Vec::new(),
    })
}

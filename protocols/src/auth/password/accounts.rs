use std::collections::HashMap;

use reactor::Reactor;

use crate::auth::credentials::Password;
use crate::auth::error::{InvalidPasswordHash, LoginError};
use crate::auth::identity::Identity;
use crate::auth::password::hash::{NOBODYS, PasswordHash};
use crate::auth::scram::exchange::ScramExchange;

/// Accounts by name.
#[derive(Clone, Default)]
pub(in crate::auth) struct Accounts {
    by_name: HashMap<String, PasswordHash>,
    /// The first: an account that there is not costs as much, and looks like it.
    typical: Option<PasswordHash>,
    typical_scram: Option<PasswordHash>,
}

impl Accounts {
    /// Reads lines `NAME:HASH`. Empty lines and those that begin with `#` are passed over.
    ///
    /// The error has the number of the line, from 1.
    pub(super) fn parse(text: &[u8]) -> Result<Self, (usize, String)> {
        let mut accounts = Self::default();
        let mut line_of = HashMap::new();
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let number = index + 1;
            let wrong = |what: &str| (number, what.to_owned());
            let line = str::from_utf8(line).map_err(|_| wrong("this is no text in UTF-8"))?.trim_ascii();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, hash) =
                line.split_once(':').ok_or_else(|| wrong("there is no \":\" between a name and a hash"))?;
            if name.is_empty() || name.contains(char::is_control) {
                return Err(wrong("the name is empty, or has control characters"));
            }
            let hash = hash.parse().map_err(|error: InvalidPasswordHash| wrong(&error.to_string()))?;
            if let Some(before) = line_of.insert(name.to_owned(), number) {
                return Err(wrong(&format!("the name is also in line {before}")));
            }
            accounts.insert(name.to_owned(), hash);
        }
        Ok(accounts)
    }

    pub(super) fn insert(&mut self, name: String, hash: PasswordHash) {
        self.typical.get_or_insert_with(|| hash.clone());
        if hash.as_scram().is_some() {
            self.typical_scram.get_or_insert_with(|| hash.clone());
        }
        self.by_name.insert(name, hash);
    }

    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.by_name.remove(name).is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(super) async fn check_password(
        &self,
        password: &Password,
        reactor: &Reactor,
    ) -> Result<Option<Identity>, LoginError> {
        let otherwise = self.typical.as_ref().unwrap_or(&NOBODYS);
        let matches = password.matches_or(reactor, self.by_name.get(password.name()), otherwise).await?;
        Ok(matches.then(|| password.name().into()))
    }

    pub(super) async fn check_scram(&self, exchange: &ScramExchange) -> Result<Option<Identity>, LoginError> {
        let verifier = self.by_name.get(exchange.name()).and_then(PasswordHash::as_scram);
        let otherwise = self.typical_scram.as_ref().and_then(PasswordHash::as_scram);
        Ok(exchange.verify_or(verifier, otherwise).await?.then(|| exchange.name().into()))
    }
}

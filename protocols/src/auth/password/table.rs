use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use async_trait::async_trait;
use reactor::Reactor;

use crate::auth::checker::Checker;
use crate::auth::credentials::Password;
use crate::auth::error::LoginError;
use crate::auth::identity::Identity;
use crate::auth::password::accounts::Accounts;
use crate::auth::password::hash::PasswordHash;
use crate::auth::scram::exchange::ScramExchange;

/// Accounts in memory, which checks [`Password`]s, and [`ScramExchange`]s for those whose hash is a
/// [`ScramVerifier`](crate::auth::ScramVerifier). Cheap to clone; the clones share the accounts. Twisted's
/// `InMemoryUsernamePasswordDatabaseDontUse`, with hashes.
///
/// ```no_run
/// use protocols::auth::{Identity, Password, PasswordHash, PasswordTable, Portal};
///
/// let accounts = PasswordTable::new();
/// accounts.insert("guest", PasswordHash::new("welcome"));
/// let portal = Portal::new(|who: &Identity| who.clone());
/// portal.register_checker::<Password>(accounts.clone());
/// ```
#[derive(Clone, Default)]
pub struct PasswordTable(Rc<RefCell<Rc<Accounts>>>);

impl PasswordTable {
    /// A table without accounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an account, or gives it another password. Logins that are being checked are not affected.
    pub fn insert(&self, name: impl Into<String>, hash: impl Into<PasswordHash>) {
        Rc::make_mut(&mut self.0.borrow_mut()).insert(name.into(), hash.into());
    }

    /// Removes an account. Returns false if there is none. Its logins go on.
    pub fn remove(&self, name: &str) -> bool {
        Rc::make_mut(&mut self.0.borrow_mut()).remove(name)
    }

    fn accounts(&self) -> Rc<Accounts> {
        Rc::clone(&self.0.borrow())
    }
}

#[async_trait(?Send)]
impl Checker<Password> for PasswordTable {
    async fn check(&self, password: Password, reactor: &Reactor) -> Result<Option<Identity>, LoginError> {
        self.accounts().check_password(&password, reactor).await
    }
}

#[async_trait(?Send)]
impl Checker<ScramExchange> for PasswordTable {
    async fn check(&self, exchange: ScramExchange, _reactor: &Reactor) -> Result<Option<Identity>, LoginError> {
        self.accounts().check_scram(&exchange).await
    }
}

impl fmt::Debug for PasswordTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordTable").field("accounts", &self.accounts().len()).finish_non_exhaustive()
    }
}

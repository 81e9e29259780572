use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use std::{fmt, fs, io};

use async_trait::async_trait;
use reactor::Reactor;

use crate::auth::checker::Checker;
use crate::auth::credentials::Password;
use crate::auth::error::LoginError;
use crate::auth::identity::Identity;
use crate::auth::password::accounts::Accounts;
use crate::auth::scram::exchange::ScramExchange;
use crate::util::file::{Stamp, name_of, stamp};
use crate::util::lock::lock;

/// Accounts in a file, a line for each: its name, a colon, and a [`PasswordHash`](crate::auth::PasswordHash). Empty lines and
/// those that begin with `#` are passed over. It checks what a [`PasswordTable`](crate::auth::PasswordTable) checks. Twisted's
/// `FilePasswordDB`, and Apache's `htpasswd` with newer hashes.
///
/// ```text
/// # made by: argon2-cffi, passlib, PostgreSQL, or PasswordHash::to_text
/// ann:$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQxMjM0NTY3OA$WFfsXGyUUYpcV3W8yHuVfPnGDVGpLvDxvFAzgkVdLfo
/// bob:SCRAM-SHA-256$100000:c29tZXNhbHQxMjM0NTY3OA==$…:…
/// ```
///
/// When the file changes it is read again, at the next login that is a second or more after it was looked at last. If it is
/// wrong then, the accounts stay as they were, and the error is logged. Cheap to clone, for reactors of other threads, too: the
/// clones share what was read.
///
/// Give all accounts hashes of one cost. An account that there is not takes the time of the first one in the file.
#[derive(Clone)]
pub struct PasswordFile(Arc<Shared>);

struct Shared {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    accounts: Arc<Accounts>,
    /// Of the file, when it was read, or was found to be wrong.
    stamp: Option<Stamp>,
    looked_at: Option<Instant>,
}

impl PasswordFile {
    /// Reads the file. It blocks, so it belongs before [`Reactor::run`].
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or a line of it is wrong.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, PasswordFileError> {
        let path = path.into();
        let stamp = stamp(&path);
        let state = State { accounts: Arc::new(read(&path)?), stamp, looked_at: None };
        Ok(Self(Arc::new(Shared { path, state: Mutex::new(state) })))
    }

    /// Reads the file again, whether it has changed or not: for a signal, or a command. How many accounts there are now.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); the accounts then stay as they were.
    pub async fn reload(&self, reactor: &Reactor) -> Result<usize, PasswordFileError> {
        let shared = Arc::clone(&self.0);
        let reading = reactor.defer_to_thread(move || shared.read());
        reading.await.unwrap_or_else(|error| Err(PasswordFileError::cannot_read(&self.0.path, io::Error::other(error))))
    }

    /// The accounts, read again if that is due.
    async fn accounts(&self, reactor: &Reactor) -> Arc<Accounts> {
        if self.0.is_due(reactor.now()) {
            let shared = Arc::clone(&self.0);
            // Without a thread for it, the accounts are those from before.
            let _ = reactor.defer_to_thread(move || shared.read_if_changed()).await;
        }
        Arc::clone(&self.0.lock().accounts)
    }
}

impl Shared {
    fn read(&self) -> Result<usize, PasswordFileError> {
        let stamp = stamp(&self.path);
        let accounts = read(&self.path);
        let mut state = self.lock();
        state.stamp = stamp;
        state.accounts = Arc::new(accounts?);
        Ok(state.accounts.len())
    }

    /// Whether to look at the file now.
    fn is_due(&self, now: Instant) -> bool {
        let mut state = self.lock();
        let is_due = state.looked_at.is_none_or(|before| now.saturating_duration_since(before) >= LOOK_INTERVAL);
        if is_due {
            state.looked_at = Some(now);
        }
        is_due
    }

    fn read_if_changed(&self) {
        let found = stamp(&self.path);
        if found == self.lock().stamp {
            return;
        }
        match self.read() {
            Ok(accounts) => tracing::info!(path = %name_of(&self.path), accounts, "the accounts have changed"),
            Err(error) => tracing::error!(%error, "the accounts have changed and are wrong: the old ones stay"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

#[async_trait(?Send)]
impl Checker<Password> for PasswordFile {
    async fn check(&self, password: Password, reactor: &Reactor) -> Result<Option<Identity>, LoginError> {
        self.accounts(reactor).await.check_password(&password, reactor).await
    }
}

#[async_trait(?Send)]
impl Checker<ScramExchange> for PasswordFile {
    async fn check(&self, exchange: ScramExchange, reactor: &Reactor) -> Result<Option<Identity>, LoginError> {
        self.accounts(reactor).await.check_scram(&exchange).await
    }
}

impl fmt::Debug for PasswordFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordFile")
            .field("path", &self.0.path)
            .field("accounts", &self.0.lock().accounts.len())
            .finish_non_exhaustive()
    }
}

/// Why a file of accounts was not read: its path, and the line that is wrong. It shows nothing of the hashes.
#[derive(Debug)]
pub struct PasswordFileError {
    path: PathBuf,
    what: What,
}

#[derive(Debug)]
enum What {
    CannotRead(io::Error),
    Line(usize, String),
}

impl PasswordFileError {
    fn cannot_read(path: &Path, error: io::Error) -> Self {
        Self { path: path.to_owned(), what: What::CannotRead(error) }
    }

    /// The number of the line that is wrong, from 1; `None` if the file could not be read.
    pub fn line(&self) -> Option<usize> {
        match self.what {
            What::CannotRead(_) => None,
            What::Line(number, _) => Some(number),
        }
    }
}

impl fmt::Display for PasswordFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = name_of(&self.path);
        match &self.what {
            What::CannotRead(error) => write!(f, "cannot read the accounts in {path}: {error}"),
            What::Line(number, what) => write!(f, "{path}:{number}: {what}"),
        }
    }
}

impl Error for PasswordFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.what {
            What::CannotRead(error) => Some(error),
            What::Line(..) => None,
        }
    }
}

fn read(path: &Path) -> Result<Accounts, PasswordFileError> {
    let text = fs::read(path).map_err(|error| PasswordFileError::cannot_read(path, error))?;
    Accounts::parse(&text)
        .map_err(|(number, what)| PasswordFileError { path: path.to_owned(), what: What::Line(number, what) })
}

const LOOK_INTERVAL: Duration = Duration::from_secs(1);

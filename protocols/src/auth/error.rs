use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why a login has failed. Twisted's `LoginFailed` and its kin.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LoginError {
    /// The credentials are not those of an account. Which part of them is wrong is not told, and takes no other time.
    /// Twisted's `UnauthorizedLogin`.
    Refused,
    /// No checker knows credentials of this kind, such as `passwords`. Twisted's `UnhandledCredentials`.
    Unsupported(&'static str),
    /// What the client sent is not what the mechanism prescribes.
    Malformed(&'static str),
    /// The address, or the account, has had too many failures; after this time another attempt is allowed.
    TooManyAttempts {
        /// How long no attempt will be allowed.
        retry_after: Duration,
    },
    /// Too many passwords wait to be hashed.
    Busy,
    /// For clients: the server has not shown that it knows the password, as the mechanism prescribes. It may be a false one.
    UnprovenServer,
    /// A checker or the realm could not do its work.
    Failed(Arc<dyn Error + Send + Sync>),
}

impl LoginError {
    /// For checkers and realms whose own work has failed: a database that cannot be reached, for example.
    pub fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(Arc::from(error.into()))
    }
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("wrong name or password"),
            Self::Unsupported(kind) => write!(f, "{kind} are not accepted here"),
            Self::Malformed(what) => write!(f, "the login is malformed: {what}"),
            Self::TooManyAttempts { retry_after } => {
                write!(f, "too many failed logins: try again in {} s", retry_after.as_secs_f64().ceil())
            }
            Self::Busy => f.write_str("too many logins at once: try again later"),
            Self::UnprovenServer => f.write_str("the server has not shown that it knows the password"),
            Self::Failed(_) => f.write_str("the login could not be checked"),
        }
    }
}

impl Error for LoginError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => Some(&**error),
            _ => None,
        }
    }
}

/// Why a text is no [`PasswordHash`](crate::auth::PasswordHash) or
/// [`ScramVerifier`](crate::auth::ScramVerifier). It shows nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPasswordHash(pub(in crate::auth) &'static str);

impl fmt::Display for InvalidPasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this is {}", self.0)
    }
}

impl Error for InvalidPasswordHash {}

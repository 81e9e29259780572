use reactor::Transport;
use reactor::address::PeerCredentials;

use crate::auth::secret::Secret;

/// What somebody shows to log in: each type is a kind of credentials, and a [`Portal`](crate::auth::Portal) has a
/// checker for each kind that it accepts. Programs can add kinds of their own. Twisted's `ICredentials`.
///
/// ```
/// use protocols::auth::{Credentials, Secret};
///
/// /// A code from an application for one-time passwords.
/// struct OneTimeCode { name: String, code: Secret }
///
/// impl Credentials for OneTimeCode {
///     const KIND: &'static str = "one-time codes";
///     fn name(&self) -> Option<&str> { Some(&self.name) }
/// }
/// ```
pub trait Credentials: 'static {
    /// What these are called, in the plural: `passwords`. [`LoginError::Unsupported`](crate::auth::LoginError::Unsupported)
    /// says it.
    const KIND: &'static str;

    /// The account that is asked for, if these name one: failures are also counted by it.
    fn name(&self) -> Option<&str> {
        None
    }
}

/// A name and a password. Twisted's `UsernamePassword`.
#[derive(Clone, Debug)]
pub struct Password {
    name: String,
    password: Secret,
}

impl Password {
    /// The password of the account of this name. Neither is changed; names are equal if their bytes are.
    pub fn new(name: impl Into<String>, password: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), password: Secret::new(password) }
    }

    /// The account's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The password.
    pub fn secret(&self) -> &Secret {
        &self.password
    }
}

impl Credentials for Password {
    const KIND: &'static str = "passwords";

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
}

/// A token that stands for an account, such as a session's. A checker best looks it up by its digest: then neither a
/// copy of the table nor the time of the look-up gives tokens away.
#[derive(Clone, Debug)]
pub struct Token(Secret);

impl Token {
    /// This token.
    pub fn new(token: impl Into<Vec<u8>>) -> Self {
        Self(Secret::new(token))
    }

    /// The token.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

impl Credentials for Token {
    const KIND: &'static str = "tokens";
}

/// The process at the other end of a UNIX socket, as the system reports it.
#[derive(Clone, Copy, Debug)]
pub struct UnixPeer(PeerCredentials);

impl UnixPeer {
    /// The peer of this connection; `None` unless it is a UNIX socket, or is inside one.
    pub fn of(transport: &Transport) -> Option<Self> {
        transport.peer_credentials().map(Self)
    }

    /// Its process, user and group.
    pub fn credentials(&self) -> &PeerCredentials {
        &self.0
    }
}

impl Credentials for UnixPeer {
    const KIND: &'static str = "users of this machine";
}

/// No credentials at all. Twisted's `Anonymous`.
#[derive(Clone, Copy, Debug)]
pub struct Anonymous;

impl Credentials for Anonymous {
    const KIND: &'static str = "anonymous logins";
}

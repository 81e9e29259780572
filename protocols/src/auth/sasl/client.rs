use std::fmt;
use std::rc::Rc;

use reactor::{DeferredCall, Transport};

use crate::auth::credentials::Password;
use crate::auth::error::LoginError;
use crate::auth::sasl::mechanism::{ANONYMOUS, EXTERNAL, PLAIN, SCRAM, SCRAM_PLUS, channel_binding, is_private};
use crate::auth::scram::client::{Channel, NOTHING_LEFT, ScramClient};

/// A client's side of SASL, for protocols that carry its messages. The protocol names the [`mechanism`](Self::mechanism), sends
/// the [`first_message`](Self::first_message) with the name or in answer to an empty challenge, answers each further challenge by
/// [`respond`](Self::respond), and calls [`finish`](Self::finish) when the server says that all is well.
///
/// ```
/// use data_encoding::BASE64;
/// use protocols::auth::{Password, SaslClient};
/// use protocols::{LineHandler, Lines};
///
/// struct Submission { lines: Lines, password: Password, sasl: Option<SaslClient> }
///
/// impl LineHandler for Submission {
///     fn line_received(&mut self, line: &[u8]) {
///         match (&self.sasl, line.split_at_checked(4)) {
///             (None, Some((b"250 ", offered))) => {
///                 let offered = String::from_utf8_lossy(offered).into_owned();
///                 let Some(sasl) = SaslClient::choose(offered.split(' '), &self.password, self.lines.transport()) else {
///                     return self.lines.lose_connection();
///                 };
///                 self.lines.send_line(format!("AUTH {} {}", sasl.mechanism(), BASE64.encode(&sasl.first_message())));
///                 self.sasl = Some(sasl);
///             }
///             (Some(sasl), Some((b"334 ", challenge))) => {
///                 let challenge = BASE64.decode(challenge).unwrap_or_default();
///                 sasl.respond(self.lines.transport(), &challenge, |this: &mut Self, answer| match answer {
///                     Ok(answer) => this.lines.send_line(BASE64.encode(&answer)),
///                     Err(_) => this.lines.lose_connection(),
///                 });
///             }
///             (Some(sasl), Some((b"235 ", _))) if sasl.finish().is_ok() => self.lines.send_line("MAIL FROM:<>"),
///             _ => self.lines.lose_connection(),
///         }
///     }
/// }
/// ```
pub struct SaslClient(Side);

enum Side {
    Anonymous,
    External,
    Plain(Password),
    Scram(&'static str, Rc<ScramClient>),
}

impl SaslClient {
    /// By no account.
    pub fn anonymous() -> Self {
        Self(Side::Anonymous)
    }

    /// By what the server knows already: the certificate of TLS, or the user at a UNIX socket.
    pub fn external() -> Self {
        Self(Side::External)
    }

    /// By a password, which the server sees. [`choose`](Self::choose) does so only where nobody else does.
    pub fn plain(password: Password) -> Self {
        Self(Side::Plain(password))
    }

    /// By a password, which nobody sees, without binding to a channel.
    pub fn scram(password: &Password) -> Self {
        Self::with_channel(password, Channel::None)
    }

    /// By the safest way to show a password among these mechanisms: `SCRAM-SHA-256-PLUS`, inside TLS 1.3; `SCRAM-SHA-256`; or
    /// `PLAIN`, inside TLS and on UNIX sockets. `None` if these are not among them.
    pub fn choose<'a>(
        offered: impl IntoIterator<Item = &'a str>,
        password: &Password,
        transport: &Transport,
    ) -> Option<Self> {
        let offered: Vec<_> = offered.into_iter().collect();
        let offers = |mechanism: &str| offered.iter().any(|offered| offered.eq_ignore_ascii_case(mechanism));
        match channel_binding(transport) {
            Some(data) if offers(SCRAM_PLUS) => Some(Self::with_channel(password, Channel::TlsExporter(data))),
            Some(_) if offers(SCRAM) => Some(Self::with_channel(password, Channel::NotOffered)),
            None if offers(SCRAM) => Some(Self::scram(password)),
            _ if offers(PLAIN) && is_private(transport) => Some(Self::plain(password.clone())),
            _ => None,
        }
    }

    fn with_channel(password: &Password, channel: Channel) -> Self {
        let mechanism = if matches!(channel, Channel::TlsExporter(_)) { SCRAM_PLUS } else { SCRAM };
        Self(Side::Scram(mechanism, Rc::new(ScramClient::new(password.name(), password.secret().clone(), channel))))
    }

    /// The name of the mechanism.
    pub fn mechanism(&self) -> &'static str {
        match &self.0 {
            Side::Anonymous => ANONYMOUS,
            Side::External => EXTERNAL,
            Side::Plain(_) => PLAIN,
            Side::Scram(mechanism, _) => mechanism,
        }
    }

    /// What the client says first. It may be empty, which differs from saying nothing.
    pub fn first_message(&self) -> Vec<u8> {
        match &self.0 {
            Side::Anonymous | Side::External => Vec::new(),
            Side::Plain(password) => [b"\0", password.name().as_bytes(), b"\0", password.secret().expose()].concat(),
            Side::Scram(_, scram) => scram.first(),
        }
    }

    /// Finds the answer to a challenge, and calls `call` with it. The password is hashed as
    /// [`Password::matches`] does it. After an error the exchange is to be given up.
    ///
    /// # Errors
    ///
    /// [`UnprovenServer`](LoginError::UnprovenServer) if the server does not know the password; otherwise if the challenge is not
    /// what the mechanism prescribes, or if too many passwords wait to be hashed.
    ///
    /// # Panics
    ///
    /// As [`Transport::call_later`].
    #[track_caller]
    pub fn respond<P: 'static>(
        &self,
        transport: &Transport,
        challenge: &[u8],
        call: impl FnOnce(&mut P, Result<Vec<u8>, LoginError>) + 'static,
    ) -> DeferredCall {
        let scram = match &self.0 {
            Side::Scram(_, scram) => Some(Rc::clone(scram)),
            _ => None,
        };
        let (reactor, challenge) = (transport.reactor(), challenge.to_vec());
        let answering = async move {
            match scram {
                Some(scram) => scram.answer(&challenge, &reactor).await,
                None => Err(NOTHING_LEFT),
            }
        };
        transport.defer(answering, call)
    }

    /// To be called when the server says that the login has succeeded.
    ///
    /// # Errors
    ///
    /// [`UnprovenServer`](LoginError::UnprovenServer) if the mechanism has the server prove itself, too, and it has not.
    pub fn finish(&self) -> Result<(), LoginError> {
        match &self.0 {
            Side::Scram(_, scram) if !scram.is_done() => Err(LoginError::UnprovenServer),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for SaslClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaslClient").field("mechanism", &self.mechanism()).finish_non_exhaustive()
    }
}

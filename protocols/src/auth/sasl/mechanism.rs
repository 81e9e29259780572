//! The mechanisms, as a server offers and runs them.

use std::future::Future;
use std::pin::Pin;

use reactor::Transport;

#[cfg(feature = "tls")]
use crate::auth::certificates::PeerCertificate;
use crate::auth::conversation::Conversation;
use crate::auth::credentials::{Anonymous, Password, UnixPeer};
use crate::auth::error::LoginError;
use crate::auth::login::Login;
use crate::auth::portal::Portal;
use crate::auth::scram::exchange::ScramExchange;
#[cfg(feature = "tls")]
use crate::tls::TlsInfo;

pub(super) const ANONYMOUS: &str = "ANONYMOUS";
pub(super) const EXTERNAL: &str = "EXTERNAL";
pub(super) const PLAIN: &str = "PLAIN";
pub(super) const SCRAM: &str = "SCRAM-SHA-256";
pub(super) const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// The result of a login, which somebody else drives.
pub(super) type LoginFuture<A> = Pin<Box<dyn Future<Output = Result<Login<A>, LoginError>>>>;

impl<A> Portal<A> {
    /// The mechanisms of SASL that can be used on this connection, the safest first: those whose credentials a checker knows.
    ///
    /// | mechanism | for checkers of | where |
    /// |---|---|---|
    /// | `EXTERNAL` | `PeerCertificate`, [`UnixPeer`] | where the peer has shown one, or is at a UNIX socket |
    /// | `SCRAM-SHA-256-PLUS` | [`ScramExchange`] | inside TLS 1.3, to which it binds by `tls-exporter` (RFC 9266) |
    /// | `SCRAM-SHA-256` | [`ScramExchange`] | |
    /// | `PLAIN` | [`Password`] | inside TLS, on UNIX sockets, or [where it is allowed](Self::allow_plain_text) |
    /// | `ANONYMOUS` | [`Anonymous`] | |
    pub fn sasl_mechanisms(&self, transport: &Transport) -> Vec<&'static str> {
        let has_external = self.knows::<UnixPeer>() && UnixPeer::of(transport).is_some();
        #[cfg(feature = "tls")]
        let has_external = has_external || self.knows::<PeerCertificate>() && PeerCertificate::of(transport).is_some();
        let has_scram = self.knows::<ScramExchange>();
        let all = [
            (EXTERNAL, has_external),
            (SCRAM_PLUS, has_scram && channel_binding(transport).is_some()),
            (SCRAM, has_scram),
            (PLAIN, self.knows::<Password>() && (self.allows_plain_text() || is_private(transport))),
            (ANONYMOUS, self.knows::<Anonymous>()),
        ];
        all.into_iter().filter_map(|(name, is_offered)| is_offered.then_some(name)).collect()
    }

    /// Runs a mechanism that is offered. Mechanisms in which the client speaks first ask it with an empty challenge, if it has
    /// not done so.
    pub(super) fn run_mechanism(
        &self,
        transport: &Transport,
        mechanism: &str,
        initial: Option<Vec<u8>>,
        conversation: &Conversation,
    ) -> LoginFuture<A> {
        let offered = self.sasl_mechanisms(transport);
        let mechanism = offered.into_iter().find(|offered| mechanism.eq_ignore_ascii_case(offered));
        let (portal, transport, conversation) = (self.clone(), transport.clone(), conversation.clone());
        Box::pin(async move {
            let mechanism = mechanism.ok_or(LoginError::Unsupported("logins by this mechanism"))?;
            let first = match initial {
                Some(first) => first,
                None => conversation.ask("").await,
            };
            match mechanism {
                PLAIN => {
                    let password = plain(&first)?;
                    portal.log_in(transport, password, None).await
                }
                EXTERNAL => portal.log_in_by_peer(transport, wanted_account(&first)?).await,
                ANONYMOUS => portal.log_in(transport, Anonymous, None).await,
                _ => {
                    let channel = channel_binding(&transport);
                    let exchange =
                        ScramExchange::new(&first, channel.as_deref(), mechanism == SCRAM_PLUS, &conversation)?;
                    portal.log_in(transport, exchange, None).await
                }
            }
        })
    }

    async fn log_in_by_peer(self, transport: Transport, wanted: Option<String>) -> Result<Login<A>, LoginError> {
        #[cfg(feature = "tls")]
        if let Some(certificate) = PeerCertificate::of(&transport).filter(|_| self.knows::<PeerCertificate>()) {
            return self.log_in(transport, certificate, wanted).await;
        }
        let peer = UnixPeer::of(&transport).ok_or(LoginError::Refused)?;
        self.log_in(transport, peer, wanted).await
    }
}

/// The message of `PLAIN` (RFC 4616): the account to act for, which must be the same or none, the name and the password.
fn plain(message: &[u8]) -> Result<Password, LoginError> {
    let parts: Vec<_> = message.split(|byte| *byte == 0).collect();
    let &[wanted, name, password] = &parts[..] else {
        return Err(LoginError::Malformed("the message of PLAIN has not three parts"));
    };
    let name = str::from_utf8(name).ok().filter(|name| !name.is_empty());
    let name = name.ok_or(LoginError::Malformed("the message of PLAIN has no valid name"))?;
    match wanted.is_empty() || wanted == name.as_bytes() {
        true => Ok(Password::new(name, password)),
        false => Err(LoginError::Refused),
    }
}

/// The message of `EXTERNAL` (RFC 4422, appendix A): the account to act for, or nothing.
fn wanted_account(message: &[u8]) -> Result<Option<String>, LoginError> {
    let name =
        str::from_utf8(message).map_err(|_| LoginError::Malformed("the message of EXTERNAL is no valid name"))?;
    Ok(Some(name.to_owned()).filter(|name| !name.is_empty()))
}

/// Whether others cannot listen.
pub(super) fn is_private(transport: &Transport) -> bool {
    #[cfg(feature = "tls")]
    if TlsInfo::of(transport).is_some() {
        return true;
    }
    transport.peer_credentials().is_some()
}

/// What SCRAM binds to.
pub(super) fn channel_binding(transport: &Transport) -> Option<Vec<u8>> {
    #[cfg(feature = "tls")]
    return TlsInfo::of(transport)?.channel_binding().map(<[u8]>::to_vec);
    #[cfg(not(feature = "tls"))]
    {
        let _ = transport;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_plain_has_three_parts() {
        for (message, name, password) in
            [("\0tim\0tanstaaftanstaaf", "tim", "tanstaaftanstaaf"), ("tim\0tim\0", "tim", ""), ("\0ä\0ö", "ä", "ö")]
        {
            let found = plain(message.as_bytes()).unwrap();
            assert_eq!((found.name(), found.secret().expose()), (name, password.as_bytes()));
        }
        assert!(matches!(plain(b"Ursel\0Kurt\0xipj3plmq"), Err(LoginError::Refused)));
        for message in [&b""[..], b"tim", b"\0tim", b"\0\0password", b"\0tim\0pass\0word", b"\0\xff\0x"] {
            assert!(matches!(plain(message), Err(LoginError::Malformed(_))), "{message:?}");
        }
    }
}

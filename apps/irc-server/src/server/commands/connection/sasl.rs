//! `AUTHENTICATE`. <https://ircv3.net/specs/extensions/sasl-3.2>

use data_encoding::BASE64;
use protocols::irc::{Message, MessageBuilder, numeric};

use crate::server::event::Event;
use crate::server::output::capabilities::Caps;
use crate::server::request::{LoginFailure, Request};
use crate::server::tables::client::{Sasl, Waiting};
use crate::server::tables::user::User;
use crate::server::values::ids::ClientId;
use crate::server::values::names::Name;
use crate::server::{Peer, Server};

/// The mechanisms that a client can use: of those that [`protocols::auth`] has, `EXTERNAL` with a certificate, and `PLAIN` where
/// nobody else can read the password.
pub(super) fn mechanisms(peer: &Peer) -> Vec<&'static str> {
    let is_private = peer.secure || peer.address.is_none_or(|address| address.to_canonical().is_loopback());
    let all = [("PLAIN", is_private), ("SCRAM-SHA-256", true), ("EXTERNAL", peer.fingerprint.is_some())];
    all.into_iter().filter_map(|(name, can_be_used)| can_be_used.then_some(name)).collect()
}

/// An answer comes in pieces of this many bytes; a shorter one is the last.
const PIECE: usize = 400;

/// No answer of any mechanism is longer, in base64.
const LONGEST: usize = 8 * PIECE;

impl Server {
    pub(in crate::server::commands) fn authenticate(&mut self, id: ClientId, message: &Message<'_>) {
        let Some(text) = message.param(0) else { return self.need_more(id, "AUTHENTICATE") };
        let Some(client) = self.client_mut(id).filter(|client| client.caps.has(Caps::SASL)) else {
            return self.sasl_failed(id, "SASL is not enabled");
        };
        if client.account.is_some() && matches!(client.sasl, Sasl::Idle) {
            self.numeric(id, numeric::ERR_SASLALREADY, |line| line.trailing("You are already logged in"));
            return;
        }
        match std::mem::take(&mut client.sasl) {
            Sasl::Idle if text == b"*" => self.sasl_aborted(id),
            Sasl::Idle => self.start_sasl(id, text),
            Sasl::Going(_) if text == b"*" => self.ask(id, Waiting::Sasl, Request::SaslAbort),
            Sasl::Going(_) if text.len() > PIECE => {
                self.numeric(id, numeric::ERR_SASLTOOLONG, |line| line.trailing("SASL message too long"));
                self.ask(id, Waiting::SaslRefused, Request::SaslAbort);
            }
            Sasl::Going(mut so_far) => {
                if text != b"+" {
                    so_far.extend_from_slice(text);
                }
                if so_far.len() > LONGEST {
                    self.sasl_failed(id, "SASL authentication failed: the response is too long");
                    self.ask(id, Waiting::SaslRefused, Request::SaslAbort);
                } else if text.len() == PIECE {
                    client.sasl = Sasl::Going(so_far);
                } else {
                    match BASE64.decode(&so_far) {
                        Ok(answer) => self.ask(id, Waiting::Sasl, Request::SaslRespond(answer)),
                        Err(_) => {
                            self.sasl_failed(id, "SASL authentication failed: that is not base64");
                            self.ask(id, Waiting::SaslRefused, Request::SaslAbort);
                        }
                    }
                }
            }
        }
    }

    fn start_sasl(&mut self, id: ClientId, mechanism: &[u8]) {
        let mechanism = mechanism.to_ascii_uppercase();
        let mut offered = self.client(id).map(|client| mechanisms(&client.peer)).unwrap_or_default().into_iter();
        if offered.any(|known| known.as_bytes() == mechanism) {
            self.ask(id, Waiting::Sasl, Request::SaslStart(mechanism.into()));
        } else {
            self.unknown_mechanism(id);
        }
    }

    fn unknown_mechanism(&mut self, id: ClientId) {
        let offered = self.client(id).map(|client| mechanisms(&client.peer)).unwrap_or_default().join(",");
        self.numeric(id, numeric::RPL_SASLMECHS, |line| line.param(offered).trailing("are available SASL mechanisms"));
        self.sasl_failed(id, "SASL authentication failed: unknown mechanism");
    }

    fn sasl_failed(&mut self, id: ClientId, text: &str) {
        self.numeric(id, numeric::ERR_SASLFAIL, |line| line.trailing(text));
    }

    fn sasl_aborted(&mut self, id: ClientId) {
        self.numeric(id, numeric::ERR_SASLABORTED, |line| line.trailing("SASL authentication aborted"));
    }

    /// The client is to respond to this.
    pub(in crate::server::commands) fn challenge(&mut self, id: ClientId, challenge: &[u8]) {
        let encoded = BASE64.encode(challenge);
        let mut pieces: Vec<&str> =
            encoded.as_bytes().chunks(PIECE).map(|piece| str::from_utf8(piece).unwrap_or("+")).collect();
        if encoded.len().is_multiple_of(PIECE) {
            pieces.push("+");
        }
        for piece in pieces {
            self.send_message(id, MessageBuilder::new("AUTHENTICATE").param(piece));
        }
        if let Some(client) = self.client_mut(id) {
            client.sasl = Sasl::Going(Vec::new());
        }
    }

    pub(in crate::server::commands) fn sasl_done(&mut self, id: ClientId, result: Result<Name, LoginFailure>) {
        match result {
            Ok(account) => {
                self.log_in(id, &account);
                self.numeric(id, numeric::RPL_SASLSUCCESS, |line| line.trailing("SASL authentication successful"));
            }
            Err(LoginFailure::Aborted) => self.sasl_aborted(id),
            Err(LoginFailure::Mechanism) => self.unknown_mechanism(id),
            Err(LoginFailure::Refused) => self.sasl_failed(id, "SASL authentication failed"),
            Err(LoginFailure::Unavailable) => self.sasl_failed(id, "SASL authentication failed: try again later"),
        }
    }

    /// A client is logged in to an account.
    pub(in crate::server::commands) fn log_in(&mut self, id: ClientId, account: &Name) {
        let Some(client) = self.client_mut(id) else { return };
        client.account = Some(account.clone());
        let user = client.user;
        let mask = self.mask_of(id);
        self.numeric(id, numeric::RPL_LOGGEDIN, |line| {
            line.param(mask).param(account).trailing([b"You are now logged in as ", &**account].concat())
        });
        if let Some(user) = user {
            self.happen(Event::Account { user, account: Some(account.clone()) });
        }
    }

    /// A client is no longer logged in.
    pub(in crate::server) fn log_out(&mut self, id: ClientId) {
        let Some(client) = self.client_mut(id) else { return };
        client.account = None;
        let user = client.user;
        let mask = self.mask_of(id);
        self.numeric(id, numeric::RPL_LOGGEDOUT, |line| line.param(mask).trailing("You are now logged out"));
        if let Some(user) = user {
            self.happen(Event::Account { user, account: None });
        }
    }

    /// `nick!user@host`, as far as it is known before the client is a user.
    fn mask_of(&self, id: ClientId) -> Name {
        let Some(client) = self.client(id) else { return Name::default() };
        let user = client.user.and_then(|user| self.users.get(&user));
        user.map_or_else(|| [client.shown_nick(), &b"!*@*"[..]].concat().into(), User::mask)
    }
}

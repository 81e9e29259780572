use std::fmt;

use data_encoding::BASE64;

use crate::auth::conversation::Conversation;
use crate::auth::credentials::Credentials;
use crate::auth::error::LoginError;
use crate::auth::scram::keys::random;
use crate::auth::scram::message::{Binding, ClientFinal, ClientFirst};
use crate::auth::scram::verifier::ScramVerifier;

/// A client that shows by SCRAM-SHA-256 that it knows a password: credentials whose check goes on to talk with the client.
///
/// [`PasswordTable`](crate::auth::PasswordTable) and [`PasswordFile`](crate::auth::PasswordFile) check these for the accounts
/// that they have a [`ScramVerifier`] of. A checker of one's own:
///
/// ```
/// # use std::collections::HashMap;
/// # use protocols::auth::{Identity, Portal, ScramExchange, ScramVerifier};
/// # fn register(portal: &Portal<Identity>, accounts: HashMap<String, ScramVerifier>) {
/// portal.register_checker(async move |exchange: ScramExchange, _| {
///     let knows = exchange.verify(accounts.get(exchange.name())).await?;
///     Ok(knows.then(|| exchange.name().into()))
/// });
/// # }
/// ```
pub struct ScramExchange {
    first: ClientFirst,
    /// What the client has to bind to, behind the header of its first message.
    binding: Vec<u8>,
    conversation: Conversation,
}

impl ScramExchange {
    /// Begins with the client's first message. `channel` is the data of channel binding by `tls-exporter`, if there is any;
    /// `uses_it` says that the mechanism is the one with it.
    pub(in crate::auth) fn new(
        first: &[u8],
        channel: Option<&[u8]>,
        uses_it: bool,
        conversation: &Conversation,
    ) -> Result<Self, LoginError> {
        let first = ClientFirst::parse(first).map_err(LoginError::Malformed)?;
        let binding = match (&first.binding, channel, uses_it) {
            (Binding::Used(kind), Some(channel), true) if kind == TLS_EXPORTER => channel.to_vec(),
            (Binding::Unsupported, _, false) | (Binding::Unused, None, false) => Vec::new(),
            (Binding::Unused, Some(_), false) => {
                return Err(LoginError::Malformed("the client was not told of channel binding, which is offered"));
            }
            _ => return Err(LoginError::Malformed("the client binds to no channel of the mechanism")),
        };
        if first.authorization.as_ref().is_some_and(|wanted| *wanted != first.name) {
            return Err(LoginError::Refused);
        }
        Ok(Self { first, binding, conversation: conversation.clone() })
    }

    /// The account's name.
    pub fn name(&self) -> &str {
        &self.first.name
    }

    /// Talks with the client, and finds out whether it knows the password that this was made from. `None` stands for an
    /// account that there is not, or that has no such verifier: the client sees the same as with a wrong password.
    ///
    /// # Errors
    ///
    /// [`Malformed`](LoginError::Malformed), if the client's messages are not SCRAM's.
    pub async fn verify(&self, verifier: Option<&ScramVerifier>) -> Result<bool, LoginError> {
        self.verify_or(verifier, None).await
    }

    /// The same; an account that there is not looks like one with the verifier `otherwise`.
    pub(in crate::auth) async fn verify_or(
        &self,
        verifier: Option<&ScramVerifier>,
        otherwise: Option<&ScramVerifier>,
    ) -> Result<bool, LoginError> {
        let decoy;
        let (verifier, is_known) = match verifier {
            Some(verifier) => (verifier, true),
            None => {
                decoy = ScramVerifier::decoy(self.name(), otherwise);
                (&decoy, false)
            }
        };
        let nonce = self.first.nonce.clone() + &new_nonce();
        let challenge = format!("r={nonce},s={},i={}", BASE64.encode(verifier.salt()), verifier.iterations());
        let answer = self.conversation.ask(&*challenge).await;
        let last = ClientFinal::parse(&answer).map_err(LoginError::Malformed)?;

        let messages = format!("{},{challenge},{}", self.first.bare, last.without_proof);
        let is_proven = verifier.is_proven(messages.as_bytes(), &last.proof) & is_known;
        let is_bound = last.binding == [self.first.gs2_header.as_bytes(), &self.binding].concat();
        if !is_proven || !is_bound || last.nonce != nonce {
            return Ok(false);
        }
        let signature = format!("v={}", BASE64.encode(&*verifier.signature(messages.as_bytes())));
        if !self.conversation.ask(signature).await.is_empty() {
            return Err(LoginError::Malformed("the client answers the server's proof"));
        }
        Ok(true)
    }
}

impl Credentials for ScramExchange {
    const KIND: &'static str = "logins by SCRAM";

    fn name(&self) -> Option<&str> {
        Some(&self.first.name)
    }
}

impl fmt::Debug for ScramExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramExchange").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// Of 144 random bits, all of whose characters a nonce may have.
pub(super) fn new_nonce() -> String {
    let mut nonce = [0; 18];
    random(&mut nonce);
    BASE64.encode(&nonce)
}

/// The kind of channel binding that RFC 9266 defines for TLS 1.3.
const TLS_EXPORTER: &str = "tls-exporter";

use std::cell::RefCell;
use std::mem;
use std::ops::RangeInclusive;

use data_encoding::BASE64;
use reactor::Reactor;
use reactor::text::escaped;

use crate::auth::error::LoginError;
use crate::auth::password::hashing::hash_in_thread;
use crate::auth::scram::exchange::new_nonce;
use crate::auth::scram::keys::{Key, client_proof_key, digest, hmac, salted_password, server_key, xor};
use crate::auth::scram::message::{ServerFirst, escaped_name};
use crate::auth::secret::Secret;

/// There is no answer.
pub(in crate::auth) const NOTHING_LEFT: LoginError =
    LoginError::Malformed("a challenge comes when nothing is left to do");

/// A client's side of SCRAM-SHA-256.
pub(in crate::auth) struct ScramClient {
    password: Secret,
    /// What is said of the channel, and the data that it is bound to.
    binding: (&'static str, Vec<u8>),
    bare: String,
    nonce: String,
    stage: RefCell<Stage>,
}

enum Stage {
    First,
    /// The client has proven itself. The server is to send this.
    Proven(Key),
    /// So has the server.
    Done,
    Failed,
}

/// What a client can bind to.
pub(in crate::auth) enum Channel {
    /// Nothing.
    None,
    /// Something, but the server does not offer it. The server is told so, in case somebody between the two has taken the offer
    /// away.
    NotOffered,
    /// This, of the kind `tls-exporter`.
    TlsExporter(Vec<u8>),
}

impl ScramClient {
    pub(in crate::auth) fn new(name: &str, password: Secret, channel: Channel) -> Self {
        Self::with_nonce(name, password, channel, new_nonce())
    }

    fn with_nonce(name: &str, password: Secret, channel: Channel, nonce: String) -> Self {
        let binding = match channel {
            Channel::None => ("n,,", Vec::new()),
            Channel::NotOffered => ("y,,", Vec::new()),
            Channel::TlsExporter(data) => ("p=tls-exporter,,", data),
        };
        let bare = format!("n={},r={nonce}", escaped_name(name));
        Self { password, binding, bare, nonce, stage: RefCell::new(Stage::First) }
    }

    pub(in crate::auth) fn first(&self) -> Vec<u8> {
        format!("{}{}", self.binding.0, self.bare).into_bytes()
    }

    /// Whether the server has shown that it knows the password.
    pub(in crate::auth) fn is_done(&self) -> bool {
        matches!(*self.stage.borrow(), Stage::Done)
    }

    pub(in crate::auth) async fn answer(&self, challenge: &[u8], reactor: &Reactor) -> Result<Vec<u8>, LoginError> {
        let stage = mem::replace(&mut *self.stage.borrow_mut(), Stage::Failed);
        let (answer, next) = match stage {
            Stage::First => self.prove(challenge, reactor).await?,
            Stage::Proven(expected) => (Vec::new(), self.believe(challenge, &expected)?),
            Stage::Done | Stage::Failed => return Err(NOTHING_LEFT),
        };
        self.stage.replace(next);
        Ok(answer)
    }

    async fn prove(&self, challenge: &[u8], reactor: &Reactor) -> Result<(Vec<u8>, Stage), LoginError> {
        let ServerFirst { nonce, salt, iterations } = ServerFirst::parse(challenge).map_err(LoginError::Malformed)?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(LoginError::Malformed("the server has not continued the client's nonce"));
        }
        if !ITERATIONS.contains(&iterations) {
            return Err(LoginError::Malformed("the server wants fewer than 4,096 iterations, or more than 10,000,000"));
        }
        let password = self.password.clone();
        let salted = hash_in_thread(reactor, move |_| salted_password(password.expose(), &salt, iterations)).await?;

        let binding = BASE64.encode(&[self.binding.0.as_bytes(), &self.binding.1].concat());
        let without_proof = format!("c={binding},r={nonce}");
        let messages = [self.bare.as_bytes(), b",", challenge, b",", without_proof.as_bytes()];
        let client_key = client_proof_key(&salted);
        let signature = hmac(&digest(&*client_key), &messages);
        let answer = format!("{without_proof},p={}", BASE64.encode(&*xor(client_key, &signature)));
        Ok((answer.into_bytes(), Stage::Proven(hmac(&*server_key(&salted), &messages))))
    }

    fn believe(&self, challenge: &[u8], expected: &Key) -> Result<Stage, LoginError> {
        if let Some(error) = challenge.strip_prefix(b"e=") {
            tracing::debug!(error = %escaped(error), "the server refuses a login by SCRAM");
            return Err(LoginError::Refused);
        }
        let signature = challenge.strip_prefix(b"v=").and_then(|text| BASE64.decode(text).ok());
        match signature.is_some_and(|signature| Secret::new(signature).matches(&**expected)) {
            true => Ok(Stage::Done),
            false => Err(LoginError::UnprovenServer),
        }
    }
}

/// Fewer make it easy to guess the password from what is sent, so that a false server would ask for few (RFC 7677, section 4).
/// More take seconds.
const ITERATIONS: RangeInclusive<u32> = 4096..=10_000_000;

#[cfg(test)]
mod tests {
    use reactor::testing::StringTransport;

    use super::*;
    use crate::auth::scram::verifier::ScramVerifier;

    /// RFC 7677, section 3.
    #[test]
    fn the_example_of_the_rfc_is_reproduced() {
        struct Idle;
        impl reactor::Protocol for Idle {
            fn data_received(&mut self, _data: &[u8]) {}
        }
        let wire = StringTransport::connect(|_| Idle);
        let client =
            ScramClient::with_nonce("user", Secret::new("pencil"), Channel::None, "rOprNGfwEbeRWgbNEkqO".to_owned());
        assert_eq!(client.first(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let answer = |challenge: &str| {
            let future = client.answer(challenge.as_bytes(), wire.reactor());
            String::from_utf8(futures_util::FutureExt::now_or_never(future).unwrap().unwrap()).unwrap()
        };
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        assert_eq!(
            answer(&format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")),
            format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        );
        assert_eq!(answer("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), "");
        assert!(client.is_done());
    }

    #[test]
    fn the_keys_are_those_that_postgresql_writes() {
        let text = ScramVerifier::from_parts(
            b"pencil",
            b"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81",
            4096,
        )
        .to_text();
        assert_eq!(
            text,
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
        assert!(text.parse::<ScramVerifier>().unwrap().is_of(b"pencil"));
        assert!(!text.parse::<ScramVerifier>().unwrap().is_of(b"pencils"));
    }
}

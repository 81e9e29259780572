//! The messages of SCRAM (RFC 5802, section 7).

use data_encoding::BASE64;

/// What a client says first.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::auth) struct ClientFirst {
    pub(super) binding: Binding,
    /// The account to act for, if it is not that of the name.
    pub(super) authorization: Option<String>,
    pub(super) name: String,
    pub(super) nonce: String,
    /// The part before the message proper.
    pub(super) gs2_header: String,
    /// The message proper.
    pub(super) bare: String,
}

/// What a client says of channel binding.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// `n`: it knows none.
    Unsupported,
    /// `y`: it knows it, and takes it that the server does not.
    Unused,
    /// `p`: it uses this kind.
    Used(String),
}

impl ClientFirst {
    pub(in crate::auth) fn parse(message: &[u8]) -> Result<Self, &'static str> {
        let text = text(message)?;
        let mut parts = text.splitn(3, ',');
        let (flag, authorization, bare) = (parts.next(), parts.next(), parts.next());
        let (Some(flag), Some(authorization), Some(bare)) = (flag, authorization, bare) else {
            return Err("the first message of SCRAM has no header");
        };
        let binding = match flag {
            "n" => Binding::Unsupported,
            "y" => Binding::Unused,
            _ => match flag.strip_prefix("p=") {
                Some(kind) if !kind.is_empty() => Binding::Used(kind.to_owned()),
                _ => return Err("the first message of SCRAM says nothing of channel binding"),
            },
        };
        let authorization = match authorization {
            "" => None,
            _ => Some(
                authorization.strip_prefix("a=").and_then(name).ok_or("the account to act for has no valid name")?,
            ),
        };
        let mut attributes = bare.split(',');
        // "m=" would be an extension that this side has to know.
        let name = attributes.next().and_then(|part| part.strip_prefix("n=")).and_then(name);
        let nonce = attributes.next().and_then(|part| part.strip_prefix("r=")).filter(|nonce| is_nonce(nonce));
        Ok(Self {
            binding,
            authorization,
            name: name.ok_or("the first message of SCRAM has no valid name")?,
            nonce: nonce.ok_or("the first message of SCRAM has no valid nonce")?.to_owned(),
            gs2_header: text[..text.len() - bare.len()].to_owned(),
            bare: bare.to_owned(),
        })
    }
}

/// What a server answers to that.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerFirst {
    pub(super) nonce: String,
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
}

impl ServerFirst {
    pub(super) fn parse(message: &[u8]) -> Result<Self, &'static str> {
        let mut attributes = text(message)?.split(',');
        let mut attribute = |name| attributes.next().and_then(|part| part.strip_prefix(name));
        let nonce = attribute("r=").filter(|nonce| is_nonce(nonce)).ok_or("the server has sent no valid nonce")?;
        let salt = attribute("s=").and_then(|salt| BASE64.decode(salt.as_bytes()).ok());
        let iterations = attribute("i=").and_then(|number| number.parse().ok());
        Ok(Self {
            nonce: nonce.to_owned(),
            salt: salt.ok_or("the server has sent no valid salt")?,
            iterations: iterations.ok_or("the server has sent no valid number of iterations")?,
        })
    }
}

/// What a client says last.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFinal {
    pub(super) binding: Vec<u8>,
    pub(super) nonce: String,
    pub(super) proof: [u8; 32],
    /// The message up to the proof.
    pub(super) without_proof: String,
}

impl ClientFinal {
    pub(super) fn parse(message: &[u8]) -> Result<Self, &'static str> {
        let (without_proof, proof) =
            text(message)?.rsplit_once(",p=").ok_or("the last message of SCRAM has no proof")?;
        let proof = BASE64.decode(proof.as_bytes()).ok().and_then(|proof| proof.try_into().ok());
        let mut attributes = without_proof.split(',');
        let mut attribute = |name| attributes.next().and_then(|part| part.strip_prefix(name));
        let binding = attribute("c=").and_then(|binding| BASE64.decode(binding.as_bytes()).ok());
        let nonce = attribute("r=").filter(|nonce| is_nonce(nonce));
        Ok(Self {
            binding: binding.ok_or("the last message of SCRAM has no valid channel binding")?,
            nonce: nonce.ok_or("the last message of SCRAM has no valid nonce")?.to_owned(),
            proof: proof.ok_or("the last message of SCRAM has no valid proof")?,
            without_proof: without_proof.to_owned(),
        })
    }
}

/// A name, as it stands in a message: `,` and `=` are written `=2C` and `=3D`.
pub(super) fn escaped_name(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

fn name(escaped: &str) -> Option<String> {
    let mut parts = escaped.split('=');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let rest = match part.strip_prefix("2C") {
            Some(rest) => {
                name.push(',');
                rest
            }
            None => {
                name.push('=');
                part.strip_prefix("3D")?
            }
        };
        name.push_str(rest);
    }
    Some(name).filter(|name| !name.is_empty())
}

fn is_nonce(nonce: &str) -> bool {
    !nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_graphic())
}

fn text(message: &[u8]) -> Result<&str, &'static str> {
    str::from_utf8(message).map_err(|_| "a message of SCRAM is no text in UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_of_the_rfcs_example_is_understood() {
        let first = ClientFirst::parse(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        assert_eq!((first.binding, first.authorization), (Binding::Unsupported, None));
        assert_eq!((&*first.name, &*first.nonce), ("user", "rOprNGfwEbeRWgbNEkqO"));
        assert_eq!((&*first.gs2_header, &*first.bare), ("n,,", "n=user,r=rOprNGfwEbeRWgbNEkqO"));
    }

    #[test]
    fn names_are_written_and_read_with_their_commas_and_equals_signs() {
        for text in ["user", "a,b", "=", ",=,", "=2C", "=3D", "ä=ö"] {
            let message = format!("p=tls-exporter,a={0},n={0},r=x,future=extension", escaped_name(text));
            let first = ClientFirst::parse(message.as_bytes()).unwrap();
            assert_eq!((&*first.name, first.authorization.as_deref()), (text, Some(text)), "{message}");
            assert_eq!(first.binding, Binding::Used("tls-exporter".to_owned()));
        }
    }

    #[test]
    fn messages_that_the_grammar_does_not_know_are_refused() {
        let wrong = [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=user",
            "n,,r=x,n=user",
            "n,,n=,r=x",
            "n,,n=a=b,r=x",
            "n,,n=a=2c,r=x",
            "n,,n=user,r=",
            "n,,n=user,r=\u{7f}",
            "p=,,n=user,r=x",
            "q,,n=user,r=x",
            "n,b=c,n=user,r=x",
            "n,,m=ext,n=user,r=x",
            "n,a=,n=user,r=x",
        ];
        for message in wrong {
            assert!(ClientFirst::parse(message.as_bytes()).is_err(), "{message:?}");
        }
        let proof = BASE64.encode(&[0; 32]);
        assert!(ClientFinal::parse(format!("c=biws,r=x,p={proof}").as_bytes()).is_ok());
        for message in ["", "c=biws,r=x", "c=biws,r=x,p=AA==", "c=biws,r=x,p=*"] {
            assert!(ClientFinal::parse(message.as_bytes()).is_err(), "{message:?}");
        }
        for message in ["r=x,c=biws", "c=*,r=x", "c=biws", "r=x"] {
            assert!(ClientFinal::parse(format!("{message},p={proof}").as_bytes()).is_err(), "{message:?}");
        }
        for message in ["", "r=x", "r=x,s=*,i=1", "r=x,s=AA==", "r=x,s=AA==,i=-1", "e=other-error"] {
            assert!(ServerFirst::parse(message.as_bytes()).is_err(), "{message:?}");
        }
    }
}

//! What nodes send each other: the name of the sender, when it was started, and one of few things.
//!
//! The first byte is the version of what follows, which is in the format of `postcard`: integers of variable length, texts and
//! bytes after their lengths. Nothing is allocated for a length that is only claimed.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::cluster::NodeName;

/// Another version is another format.
const VERSION: u8 = 1;

/// A message between nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Envelope {
    /// Who has sent it.
    pub(super) node: NodeName,
    /// Which of its lives that was.
    pub(super) epoch: u64,
    pub(super) body: Body,
}

/// What a message is about. Sequence numbers are those of the sender's events, from 1 on.
///
/// The order of the variants is part of the format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Body {
    /// Something has changed.
    Event { sequence: u64, payload: Bytes },
    /// The sender is alive. Its next event will be `next`, and the parts of its registers have these digests.
    Heartbeat { next: u64, digests: Vec<u32>, wants_answer: bool },
    /// The sender lacks the events from `from` to before `until` of the recipient, in its life `epoch`.
    WantEvents { epoch: u64, from: u64, until: u64 },
    /// The sender knows nothing of the recipient.
    WantSnapshot { epoch: u64 },
    /// A part of the sender's state after all events before `next`. `number` tells snapshots apart.
    Snapshot { number: u64, next: u64, part: u32, parts: u32, payload: Bytes },
    /// Some of the registers that the sender knows.
    Registers { payload: Bytes },
    /// This part of the recipient's registers differs from the sender's.
    WantRegisters { part: u32 },
    /// The sender ends, in order.
    Leave,
}

/// Why a message cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EnvelopeError {
    Version(u8),
    Malformed,
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => {
                write!(
                    f,
                    "it has version {version} of the format, and this program knows {VERSION}: run the same release on all nodes"
                )
            }
            Self::Malformed => f.write_str("it is malformed"),
        }
    }
}

impl Envelope {
    pub(super) fn encode(&self) -> Bytes {
        postcard::to_extend(self, vec![VERSION]).expect("a list of bytes takes whatever is added to it").into()
    }

    pub(super) fn decode(message: &[u8]) -> Result<Self, EnvelopeError> {
        let (&version, rest) = message.split_first().ok_or(EnvelopeError::Malformed)?;
        if version != VERSION {
            return Err(EnvelopeError::Version(version));
        }
        match postcard::take_from_bytes(rest) {
            Ok((envelope, [])) => Ok(envelope),
            _ => Err(EnvelopeError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_kind() -> Vec<Envelope> {
        let payload = Bytes::from_static(b"payload");
        let bodies = [
            Body::Event { sequence: 1, payload: payload.clone() },
            Body::Heartbeat { next: 300, digests: vec![0, u32::MAX], wants_answer: true },
            Body::WantEvents { epoch: 7, from: 2, until: 70_000 },
            Body::WantSnapshot { epoch: 7 },
            Body::Snapshot { number: 3, next: 9, part: 1, parts: 2, payload: payload.clone() },
            Body::Registers { payload: Bytes::new() },
            Body::WantRegisters { part: 300 },
            Body::Leave,
        ];
        let node = NodeName::new("irc.example").unwrap();
        bodies.map(|body| Envelope { node: node.clone(), epoch: 1_796_000_000_000, body }).into()
    }

    #[test]
    fn what_is_encoded_is_decoded_to_the_same() {
        for envelope in every_kind() {
            assert_eq!(Envelope::decode(&envelope.encode()), Ok(envelope));
        }
    }

    #[test]
    fn an_event_has_few_bytes_around_its_payload() {
        let encoded = every_kind()[0].encode();
        assert_eq!(encoded.len(), b"payload".len() + b"irc.example".len() + 11);
    }

    #[test]
    fn another_version_is_named() {
        let mut encoded = every_kind()[0].encode().to_vec();
        encoded[0] = 2;
        let error = Envelope::decode(&encoded).unwrap_err();
        assert_eq!(error, EnvelopeError::Version(2));
        assert!(error.to_string().contains("version 2"), "{error}");
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_malformed() {
        for envelope in every_kind() {
            let encoded = envelope.encode();
            for cut in 0..encoded.len() {
                assert_eq!(Envelope::decode(&encoded[..cut]), Err(EnvelopeError::Malformed), "{envelope:?} {cut}");
            }
            let longer = [&encoded, &b"x"[..]].concat();
            assert_eq!(Envelope::decode(&longer), Err(EnvelopeError::Malformed));
        }
    }

    #[test]
    fn changed_bytes_are_read_or_refused() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let mut encoded = random.choice(every_kind()).unwrap().encode().to_vec();
            for _ in 0..random.usize(1..4) {
                let place = random.usize(..encoded.len());
                encoded[place] = random.u8(..);
            }
            if let Ok(read) = Envelope::decode(&encoded) {
                assert_eq!(Envelope::decode(&read.encode()), Ok(read));
            }
        }
    }

    #[test]
    fn a_name_that_no_node_can_have_is_malformed() {
        let message = postcard::to_extend(&("a b", 1_u64, Body::Leave), vec![VERSION]).unwrap();
        assert_eq!(Envelope::decode(&message), Err(EnvelopeError::Malformed));
    }
}

//! A codec in a receiver, however its stream is cut.

use std::io;

use protocols::codec::{CodecHandler, CodecReceiver, Messages};
use reactor::OnEof;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::LengthDelimitedCodec;

use crate::receiving::{CLOSE, Log, in_every_cut, obey, receive};

/// Two bytes select the options and the cuts; the others are received: messages preceded by a byte with their length.
pub fn codec(data: &[u8]) {
    let [max_length, cut, stream @ ..] = data else { return };
    let max_length = usize::from(*max_length) % 32;
    in_every_cut(stream, *cut, &expected(max_length, stream), |pieces| {
        receive(pieces, |told| {
            let new_codec =
                move || LengthDelimitedCodec::builder().length_field_length(1).max_frame_length(max_length).new_codec();
            let build = move |new: Messages<LengthDelimitedCodec>| {
                let (messages, came) = told(new);
                Handler { messages, came }
            };
            CodecReceiver::factory(new_codec, build)
        })
    });
}

#[derive(Debug, PartialEq, Eq)]
enum Came {
    Message(Vec<u8>),
    Failed,
    End,
}

/// The rules, applied to the whole stream at once.
fn expected(max_length: usize, stream: &[u8]) -> Vec<Came> {
    let mut came = Vec::new();
    let mut rest = stream;
    while let Some((length, behind)) = rest.split_first() {
        let length = usize::from(*length);
        // The codec has consumed a length alone at the end of the stream, and reports nothing missing.
        if behind.is_empty() && (1..=max_length).contains(&length) {
            break;
        }
        let Some((message, behind)) = behind.split_at_checked(length).filter(|_| length <= max_length) else {
            // Too long, or cut off by the end of the stream.
            came.push(Came::Failed);
            return came;
        };
        came.push(Came::Message(message.to_vec()));
        if message == CLOSE {
            return came;
        }
        rest = behind;
    }
    came.push(Came::End);
    came
}

struct Handler {
    messages: Messages<LengthDelimitedCodec>,
    came: Log<Came>,
}

impl CodecHandler for Handler {
    type Codec = LengthDelimitedCodec;

    fn message_received(&mut self, message: BytesMut) {
        obey(&message, &self.messages);
        self.came.borrow_mut().push(Came::Message(message.to_vec()));
    }

    fn decoding_failed(&mut self, _error: io::Error) {
        self.came.borrow_mut().push(Came::Failed);
    }

    fn eof_received(&mut self) -> OnEof {
        self.came.borrow_mut().push(Came::End);
        OnEof::Close
    }
}

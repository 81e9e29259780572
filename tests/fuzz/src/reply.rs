//! How the time client assembles replies.

#[expect(dead_code, reason = "the client uses more of it")]
#[path = "../../../apps/time-client/src/reply.rs"]
mod client;

use crate::receiving::alike_in_every_cut;
use client::{Progress, Reply};

/// The length of the text, the text, and the received bytes. However these are cut, the reply is the same; and the real
/// answer of a server is always a reply.
pub fn reply(data: &[u8]) {
    let Some((&len, rest)) = data.split_first() else { return };
    let (text, came) = rest.split_at((1 + usize::from(len) % 64).min(rest.len()));
    if text.is_empty() {
        return;
    }
    let whole = alike_in_every_cut(came, len, |pieces| outcome(text, pieces));
    assert_eq!([&whole.1[..], &whole.2].concat(), came, "bytes were lost");
    assert!(whole.0 != Progress::Open || whole.2.is_empty(), "an open reply has an end");

    // A text without a bracket cannot be mistaken for a stamp.
    if !text.contains(&b'[') {
        let stamp = b"[Sun Nov  1 16:58:06 2026] ";
        let (one, two) = text.split_at(came.len() % text.len());
        let pieces = [one, two].into_iter().filter(|piece| !piece.is_empty());
        let answer: Vec<u8> = pieces.flat_map(|piece| [&stamp[..], piece].concat()).collect();
        let (progress, reply, beyond) = outcome(text, &[&answer]);
        assert!(progress != Progress::Open && reply == answer && beyond.is_empty(), "{:?}", answer.escape_ascii());
    }
}

fn outcome(text: &[u8], parts: &[&[u8]]) -> (Progress, Vec<u8>, Vec<u8>) {
    let mut reply = Reply::to(text.to_vec());
    for part in parts {
        reply.receive(part);
    }
    let progress = reply.progress();
    let (reply, beyond) = reply.finish();
    (progress, reply, beyond)
}

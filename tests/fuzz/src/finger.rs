//! Questions to a Finger server.

use protocols::finger::{Finger, FingerQuery};
use reactor::testing::StringTransport;

use crate::receiving::alike_in_every_cut;

/// One byte selects where to cut; a server receives the others.
pub fn finger(data: &[u8]) {
    let [cut, stream @ ..] = data else { return };
    let whole = alike_in_every_cut(stream, *cut, answer);

    let Some(end) = stream.iter().position(|byte| *byte == b'\n') else { return };
    let line = stream[..end].strip_suffix(b"\r").unwrap_or(&stream[..end]);
    let expected = match FingerQuery::parse(line) {
        Ok(query) => {
            assert_eq!(FingerQuery::parse(query.to_string().as_bytes()).as_ref(), Ok(&query));
            match query.host {
                Some(_) => "Finger forwarding service denied\r\n".to_owned(),
                None => format!("{query}\r\n"),
            }
        }
        Err(_) => "Finger query not understood\r\n".to_owned(),
    };
    assert_eq!(whole, (if line.len() > 512 { String::new() } else { expected }, true));
}

/// The answer, and whether the connection has ended.
fn answer(pieces: &[&[u8]]) -> (String, bool) {
    let mut wire = StringTransport::connect(Finger::factory(async |query| Some(format!("{query}\n"))));
    for piece in pieces {
        wire.receive(piece);
    }
    (String::from_utf8(wire.take_written()).unwrap(), wire.close_reason().is_some())
}

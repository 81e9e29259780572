/// The bytes of a stream: lines of 32 bytes, none of them equal to one near it, so that what is lost, doubled or out of order
/// does not go unnoticed.
pub(super) struct Content(Vec<u8>);

const LINE: usize = 32;

/// How many lines there are until they begin anew: a prime, so that no buffer's length is a multiple.
const LINES: usize = 32_749;

impl Content {
    pub(super) fn new() -> Self {
        let line = |number: usize| format!("{number:08} {:022x}\n", number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Self((0..LINES).flat_map(|number| line(number).into_bytes()).collect())
    }

    /// Up to `length` bytes from this place on.
    pub(super) fn at(&self, place: u64, length: usize) -> &[u8] {
        let from = (place % self.0.len() as u64) as usize;
        &self.0[from..self.0.len().min(from + length)]
    }

    /// Whether these are the bytes from this place on.
    pub(super) fn is_at(&self, mut place: u64, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let expected = self.at(place, bytes.len());
            let (now, later) = bytes.split_at(expected.len());
            if now != expected {
                return false;
            }
            (place, bytes) = (place + now.len() as u64, later);
        }
        true
    }

    /// Where the stream of a connection begins: two lines before the end, or earlier, so that [`at`](Self::at) has a whole
    /// message of 64 bytes there.
    pub(super) fn start_of(connection: usize) -> u64 {
        (connection * 101 % (LINES - 1) * LINE) as u64
    }
}

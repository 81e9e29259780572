//! Sending frames, RFC 6455, section 5.

use std::cell::RefCell;

use crate::web_socket::close_code::CloseCode;

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Opcode {
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// The maximum payload of a control frame in bytes.
pub(super) const LONGEST_CONTROL: usize = 125;

/// Up to 2 bytes, 8 for the length, and 4 for the mask.
const LONGEST_HEADER: usize = 14;

pub(super) const FINAL: u8 = 0x80;
pub(super) const MASKED: u8 = 0x80;

/// The header of a frame that is a whole message.
pub(super) struct Header {
    bytes: [u8; LONGEST_HEADER],
    length: usize,
}

impl Header {
    pub(super) fn new(opcode: Opcode, length: usize, key: Option<Key>) -> Self {
        let mut header = Self { bytes: [0; LONGEST_HEADER], length: 0 };
        let masked = if key.is_some() { MASKED } else { 0 };
        header.push(&[FINAL | opcode as u8]);
        match length {
            short @ ..=125 => header.push(&[masked | short as u8]),
            middle @ ..=0xffff => {
                header.push(&[masked | 126]);
                header.push(&(middle as u16).to_be_bytes());
            }
            long => {
                header.push(&[masked | 127]);
                header.push(&(long as u64).to_be_bytes());
            }
        }
        if let Some(key) = key {
            header.push(&key);
        }
        header
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The mask of a client's frame, applied repeatedly.
pub(super) type Key = [u8; 4];

/// Masks or unmasks bytes, the first of which is at `offset` in its frame.
pub(super) fn mask(data: &mut [u8], mut key: Key, offset: u64) {
    key.rotate_left((offset % 4) as usize);
    let [a, b, c, d] = key;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = data.chunks_exact_mut(8);
    for bytes in &mut words {
        let mut copy = [0; 8];
        copy.copy_from_slice(bytes);
        bytes.copy_from_slice(&(u64::from_ne_bytes(copy) ^ word).to_ne_bytes());
    }
    words.into_remainder().iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
}

/// The keys of a client, unpredictable for the author of the payload (section 10.3).
pub(super) struct Keys(RefCell<Pool>);

struct Pool {
    bytes: [u8; 256],
    used: usize,
}

impl Keys {
    pub(super) fn new() -> Self {
        Self(RefCell::new(Pool { bytes: [0; 256], used: 256 }))
    }

    pub(super) fn next(&self) -> Key {
        let mut pool = self.0.borrow_mut();
        if pool.used == pool.bytes.len() {
            // A system without random bytes could not have provided them for this process's hash maps either.
            getrandom::fill(&mut pool.bytes).expect("the system gives random bytes");
            pool.used = 0;
        }
        let mut key = Key::default();
        key.copy_from_slice(&pool.bytes[pool.used..pool.used + 4]);
        pool.used += 4;
        key
    }
}

/// Sends a frame that is a whole message through `write`, masked with a key from `keys` if this is a client.
pub(super) fn send(opcode: Opcode, parts: [&[u8]; 2], keys: Option<&Keys>, write: impl FnOnce(&[&[u8]])) {
    let length = parts[0].len() + parts[1].len();
    match keys.map(Keys::next) {
        None => write(&[Header::new(opcode, length, None).bytes(), parts[0], parts[1]]),
        Some(key) => {
            let mut masked = parts.concat();
            mask(&mut masked, key, 0);
            write(&[Header::new(opcode, length, Some(key)).bytes(), &masked]);
        }
    }
}

/// The payload of a closing frame: the code, and as much of the reason as fits.
pub(super) fn closing(code: CloseCode, reason: &str) -> Vec<u8> {
    if code == CloseCode::NO_STATUS {
        return Vec::new();
    }
    let room = reason.floor_char_boundary(LONGEST_CONTROL - 2);
    [&code.get().to_be_bytes()[..], &reason.as_bytes()[..room]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_the_same_wherever_its_bytes_are_cut() {
        let key = [1, 2, 3, 4];
        let plain: Vec<u8> = (0..=255).collect();
        let expected: Vec<u8> = plain.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        for cut in 0..40 {
            let mut data = plain.clone();
            let (first, rest) = data.split_at_mut(cut);
            mask(first, key, 0);
            mask(rest, key, cut as u64);
            assert_eq!(data, expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_length_takes_as_few_bytes_as_it_can() {
        let header = |length| Header::new(Opcode::Binary, length, None).bytes().to_vec();
        assert_eq!(header(125), [0x82, 125]);
        assert_eq!(header(126), [0x82, 126, 0, 126]);
        assert_eq!(header(65_535), [0x82, 126, 0xff, 0xff]);
        assert_eq!(header(65_536), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(Header::new(Opcode::Text, 1, Some([1, 2, 3, 4])).bytes(), [0x81, 0x81, 1, 2, 3, 4]);
    }

    #[test]
    fn no_key_comes_twice_in_a_row() {
        let keys = Keys::new();
        let drawn: Vec<_> = (0..200).map(|_| keys.next()).collect();
        assert!(drawn.windows(2).filter(|pair| pair[0] == pair[1]).count() <= 1);
    }

    #[test]
    fn a_reason_is_cut_to_what_a_frame_can_carry() {
        assert_eq!(closing(CloseCode::NORMAL, "bye"), b"\x03\xe8bye");
        assert_eq!(closing(CloseCode::NO_STATUS, "bye"), b"");
        let reason = "\u{20ac}".repeat(100);
        assert_eq!(closing(CloseCode::NORMAL, &reason)[2..], reason.as_bytes()[..123]);
    }
}

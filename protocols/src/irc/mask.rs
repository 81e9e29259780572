use std::mem::replace;

use crate::irc::case_mapping::CaseMapping;

/// Whether a mask matches a text as a whole, as in bans: `*` stands for any bytes, also none, `?` for one byte. Behind a
/// backslash these two stand for themselves; any other backslash does, too.
///
/// The time does not depend on what the mask says: it is one step for each byte of the text and each 64 bytes of the mask,
/// without backtracking. A byte of memory for each of the text is needed if the mask is longer than 63 bytes.
///
/// ```
/// use protocols::irc::{CaseMapping, mask_matches};
///
/// assert!(mask_matches(b"*!*@*.example.org", b"ann!a@home.EXAMPLE.org", CaseMapping::Ascii));
/// assert!(!mask_matches(b"ann!?@*", b"ann!~a@example.org", CaseMapping::Ascii));
/// assert!(mask_matches(br"what\?", b"what?", CaseMapping::Ascii));
/// ```
pub fn mask_matches(mask: &[u8], text: &[u8], case_mapping: CaseMapping) -> bool {
    let mut parts = Parts { mask };
    let block = Block::of(&mut parts, case_mapping);
    if block.is_last {
        return block.run(text, case_mapping, 1, |_, _| false);
    }
    // Whether the next block is entered behind the byte at this place.
    let mut enters = vec![false; text.len()];
    block.run(text, case_mapping, 1, |at, leaves| {
        enters[at] = leaves;
        false
    });
    loop {
        let block = Block::of(&mut parts, case_mapping);
        let matches = block.run(text, case_mapping, 0, |at, leaves| replace(&mut enters[at], leaves));
        if block.is_last {
            return matches;
        }
    }
}

/// 64 states of the automaton that reads a text: in state `n` it has matched the first `n` parts of the mask, stars not
/// counted. Bit `n` is the state `n`.
struct Block {
    /// By the byte that is read, in lower case, the states from which it leads to the next.
    goes_on: [u64; 256],
    /// The states from which any byte does.
    goes_on_always: u64,
    /// The states that every byte leaves as they are: there is a star behind them.
    stays: u64,
    /// The number of parts that it has.
    len: u32,
    /// The mask ends in it.
    is_last: bool,
}

enum Part {
    Star,
    AnyByte,
    Byte(u8),
}

/// What is left of a mask.
struct Parts<'a> {
    mask: &'a [u8],
}

impl Block {
    fn of(parts: &mut Parts<'_>, case_mapping: CaseMapping) -> Self {
        let mut block = Self { goes_on: [0; 256], goes_on_always: 0, stays: 0, len: 0, is_last: false };
        while block.len < 64 {
            let state = 1 << block.len;
            match parts.next() {
                None => {
                    block.is_last = true;
                    break;
                }
                Some(Part::Star) => block.stays |= state,
                Some(Part::AnyByte) => {
                    block.goes_on_always |= state;
                    block.len += 1;
                }
                Some(Part::Byte(byte)) => {
                    block.goes_on[usize::from(case_mapping.fold_byte(byte))] |= state;
                    block.len += 1;
                }
            }
        }
        block
    }

    /// Reads a text, and returns whether its last state is reached. `link` is told of each byte, by its place, whether it
    /// leads to the next block, and answers whether it leads to this one.
    fn run(
        &self,
        text: &[u8],
        case_mapping: CaseMapping,
        start: u64,
        mut link: impl FnMut(usize, bool) -> bool,
    ) -> bool {
        let mut active = start;
        for (at, byte) in text.iter().enumerate() {
            let byte = usize::from(case_mapping.fold_byte(*byte));
            let goes_on = active & (self.goes_on[byte] | self.goes_on_always);
            let enters = link(at, goes_on >> 63 == 1);
            active = (goes_on << 1) | (active & self.stays) | u64::from(enters);
        }
        self.is_last && (active >> self.len) & 1 == 1
    }
}

impl Iterator for Parts<'_> {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        let (part, rest) = match *self.mask {
            [] => return None,
            [b'\\', escaped @ (b'*' | b'?'), ref rest @ ..] => (Part::Byte(escaped), rest),
            [b'*', ref rest @ ..] => (Part::Star, rest),
            [b'?', ref rest @ ..] => (Part::AnyByte, rest),
            [byte, ref rest @ ..] => (Part::Byte(byte), rest),
        };
        self.mask = rest;
        Some(part)
    }
}

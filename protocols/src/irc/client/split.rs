use crate::irc::message::builder::cut;

/// Takes a text apart into pieces that each fit a message: lines, and those that are longer than `most` bytes at their
/// spaces, or between characters. Empty lines are left out. Twisted's `split`.
pub(crate) fn split(text: &[u8], most: usize) -> impl Iterator<Item = &[u8]> {
    let lines = text.split(|byte| matches!(byte, b'\r' | b'\n' | 0)).filter(|line| !line.is_empty());
    lines.flat_map(move |line| Pieces { rest: line, most: most.max(1) })
}

struct Pieces<'a> {
    rest: &'a [u8],
    most: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        if self.rest.len() <= self.most {
            return Some(std::mem::take(&mut self.rest));
        }
        // A space at the place of the cut is one, too.
        let space = self.rest[..=self.most].iter().rposition(|byte| *byte == b' ').filter(|at| *at > 0);
        let (piece, rest) = match space {
            Some(at) => (&self.rest[..at], &self.rest[at + 1..]),
            None => {
                let whole = cut(self.rest, self.most).len();
                self.rest.split_at(if whole > 0 { whole } else { self.most })
            }
        };
        self.rest = rest;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str, most: usize) -> Vec<String> {
        split(text.as_bytes(), most).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
    }

    #[test]
    fn long_lines_are_split_at_spaces_or_between_characters() {
        assert_eq!(pieces("one two three", 7), ["one two", "three"]);
        assert_eq!(pieces("one two three", 6), ["one", "two", "three"]);
        assert_eq!(pieces("onetwothree", 4), ["onet", "woth", "ree"]);
        assert_eq!(pieces("ééé", 3), ["é", "é", "é"]);
        assert_eq!(pieces(" leading", 4), [" lea", "ding"]);
        assert_eq!(pieces("🦀", 1).len(), 4, "a character that has no room is cut all the same");
    }

    #[test]
    fn each_line_is_a_piece_and_empty_ones_are_none() {
        assert_eq!(pieces("one\r\n\ntwo\0three\n", 100), ["one", "two", "three"]);
        assert!(pieces("\n\n", 100).is_empty() && pieces("", 0).is_empty());
    }
}

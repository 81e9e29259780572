//! What is typed at a terminal.

use vte::{Params, Parser, Perform};

/// A key, as far as this program knows some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    Ctrl(char),
    Enter,
    Escape,
    Tab,
    BackTab,
    Backspace,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    F1,
}

/// Cuts what a terminal sends into keys.
#[derive(Default)]
pub(crate) struct Keys {
    parser: Parser,
    typed: Typed,
    /// Whether the last byte was an escape: the key, or the beginning of another.
    is_escaping: bool,
}

impl Keys {
    /// The keys that are complete now.
    pub(crate) fn receive(&mut self, data: &[u8]) -> Vec<Key> {
        self.parser.advance(&mut self.typed, data);
        self.is_escaping = data.last() == Some(&ESCAPE);
        std::mem::take(&mut self.typed.keys)
    }

    /// Whether the escape key may have been pressed; [`end_escape`](Self::end_escape) says so when nothing follows.
    pub(crate) fn is_escaping(&self) -> bool {
        self.is_escaping
    }

    /// Nothing has followed an escape.
    pub(crate) fn end_escape(&mut self) -> Key {
        *self = Self::default();
        Key::Escape
    }
}

const ESCAPE: u8 = 0x1b;

/// Makes keys of what the parser finds.
#[derive(Default)]
struct Typed {
    keys: Vec<Key>,
    /// Whether a key is introduced by SS3 (`ESC O`), as some terminals do.
    is_introduced: bool,
}

impl Typed {
    fn push(&mut self, key: Option<Key>) {
        self.keys.extend(key);
    }
}

impl Perform for Typed {
    fn print(&mut self, character: char) {
        let key = match character {
            _ if std::mem::take(&mut self.is_introduced) => by_letter(character),
            '\x7f' => Some(Key::Backspace),
            _ => Some(Key::Char(character)),
        };
        self.push(key);
    }

    fn execute(&mut self, byte: u8) {
        self.is_introduced = false;
        self.push(match byte {
            b'\r' | b'\n' => Some(Key::Enter),
            b'\t' => Some(Key::Tab),
            0x08 | 0x7f => Some(Key::Backspace),
            1..=26 => Some(Key::Ctrl((b'a' + byte - 1).into())),
            _ => None,
        });
    }

    fn csi_dispatch(&mut self, parameters: &Params, _intermediates: &[u8], _ignore: bool, action: char) {
        let first = parameters.iter().next().and_then(|parameter| parameter.first().copied());
        self.push(match (action, first) {
            ('~', Some(1 | 7)) => Some(Key::Home),
            ('~', Some(4 | 8)) => Some(Key::End),
            ('~', Some(5)) => Some(Key::PageUp),
            ('~', Some(6)) => Some(Key::PageDown),
            ('~', Some(11)) => Some(Key::F1),
            _ => by_letter(action),
        });
    }

    fn esc_dispatch(&mut self, _intermediates: &[u8], _ignore: bool, byte: u8) {
        self.is_introduced = byte == b'O';
    }
}

fn by_letter(letter: char) -> Option<Key> {
    Some(match letter {
        'A' => Key::Up,
        'B' => Key::Down,
        'C' => Key::Right,
        'D' => Key::Left,
        'F' => Key::End,
        'H' => Key::Home,
        'P' => Key::F1,
        'Z' => Key::BackTab,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    #[test]
    fn keys_are_the_same_wherever_they_are_cut() {
        let typed = "q\x1b[A\x1b[B\x1b[5~\u{e4}\x1bOH\x1bOP\r\x7f\x03\t\x1b[Z\x1b[1;5C".as_bytes();
        let expected = [
            Key::Char('q'),
            Key::Up,
            Key::Down,
            Key::PageUp,
            Key::Char('\u{e4}'),
            Key::Home,
            Key::F1,
            Key::Enter,
            Key::Backspace,
            Key::Ctrl('c'),
            Key::Tab,
            Key::BackTab,
            Key::Right,
        ];
        assert_eq!(Keys::default().receive(typed), expected);
        for cut in 1..typed.len() {
            let mut keys = Keys::default();
            let mut all = keys.receive(&typed[..cut]);
            all.extend(keys.receive(&typed[cut..]));
            assert_eq!(all, expected, "cut at {cut}");
        }
    }

    #[test]
    fn an_escape_alone_is_a_key_when_nothing_follows() {
        let mut keys = Keys::default();
        assert_eq!(keys.receive(b"\x1b"), []);
        assert!(keys.is_escaping());
        assert_eq!(keys.end_escape(), Key::Escape);
        assert!(!keys.is_escaping());
        assert_eq!(keys.receive(b"[A"), [Key::Char('['), Key::Char('A')]);
    }

    #[test]
    fn what_is_no_key_is_passed_over() {
        let mut keys = Keys::default();
        assert_eq!(keys.receive(b"\x1b[99~\x1b[?1;2c\x1b]0;title\x07\x1bPq\x1b\\\x00\x1c"), []);
        assert_eq!(keys.receive(b"q"), [Key::Char('q')]);
        for seed in 0..2_000_u64 {
            let mut random = seed;
            let bytes = iter::repeat_with(|| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                [0x1b, b'[', b'<', b';', b'9', b'M', b'O', 0xff, 0xe4, 0][(random >> 33) as usize % 10]
            });
            let mut keys = Keys::default();
            keys.receive(&bytes.take(200).collect::<Vec<_>>());
            // Ends whatever has begun.
            keys.receive(b"\x18");
            assert_eq!(keys.receive(b"q").last(), Some(&Key::Char('q')), "seed {seed}");
        }
    }
}

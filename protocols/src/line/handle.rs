use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;

use reactor::Factory;

use crate::line::splitter::Framing;
use crate::receiver::handle::Handle;
use crate::receiver::input::Input;

/// A handle of one connection whose protocol is a [`LineReceiver`](crate::LineReceiver), with which a
/// [`LineHandler`](crate::LineHandler) sends lines and switches between lines and raw data. [`Handle`] has what all
/// handles share: closing, pausing, timers.
pub type Lines = Handle<LineKind>;

/// The kind of [`Handle`] behind [`Lines`], for code that is generic over handles.
pub struct LineKind {
    pub(crate) framing: Rc<Framing>,
    raw: Cell<bool>,
    /// Whether there are changes.
    changed: Cell<bool>,
    /// Made when it is first needed: most handlers take lines as they come.
    rare: OnceCell<Box<Rare>>,
}

#[derive(Default)]
struct Rare {
    changes: RefCell<Changes>,
    /// The place of the bytes that the running callback borrows and may give back.
    lent: Cell<Option<Place>>,
}

/// Changes to the input after the running callback, in this order.
#[derive(Default)]
struct Changes {
    clear: bool,
    /// The number of borrowed bytes, counted from the end, that are to be delivered again.
    take_back: usize,
    /// Bytes to deliver before everything else.
    extra: Vec<u8>,
}

/// The addresses of a slice's first byte and of its end.
type Place = (usize, usize);

impl LineKind {
    /// Whether it is as the splitter sees it: no change of the input is to be made first.
    pub(crate) fn is_settled(&self) -> bool {
        !self.changed.get()
    }

    pub(crate) fn restore_raw_mode(&self, raw: bool) {
        self.raw.set(raw);
    }
}

impl Lines {
    /// Sends a line followed by the delimiter. Twisted's `sendLine`.
    ///
    /// The line is not checked: one that contains a delimiter arrives as two.
    pub fn send_line(&self, line: impl AsRef<[u8]>) {
        self.transport().write_sequence(&[line.as_ref(), self.0.kind.framing.delimiter.to_send()]);
    }

    /// Stops cutting into lines: everything after the line just received goes to
    /// [`raw_data_received`](crate::LineHandler::raw_data_received), until [`set_line_mode`](Self::set_line_mode).
    /// Twisted's `setRawMode`.
    pub fn set_raw_mode(&self) {
        if !self.0.kind.raw.replace(true) {
            self.0.delivery.cuts_anew();
        }
    }

    /// Cuts into lines again, beginning with `extra`: the bytes after the end of the raw data, or `""`. Twisted's
    /// `setLineMode`.
    ///
    /// Whenever this is called, `extra` comes before all received bytes that have not been delivered. An `extra` that
    /// is the end of the slice passed to `raw_data_received` is not copied.
    ///
    /// ```
    /// use protocols::{LineHandler, LineReceiver, Lines};
    /// use reactor::testing::StringTransport;
    ///
    /// /// A line `put N` is followed by N bytes of anything.
    /// struct Store { lines: Lines, value: Vec<u8>, missing: usize }
    ///
    /// impl LineHandler for Store {
    ///     fn line_received(&mut self, line: &[u8]) {
    ///         let length = line.strip_prefix(b"put ").and_then(|n| str::from_utf8(n).ok()?.parse().ok());
    ///         self.missing = length.unwrap_or(0);
    ///         self.lines.set_raw_mode();
    ///     }
    ///     fn raw_data_received(&mut self, data: &[u8]) {
    ///         let (value, rest) = data.split_at(data.len().min(self.missing));
    ///         self.value.extend(value);
    ///         self.missing -= value.len();
    ///         if self.missing == 0 {
    ///             self.lines.send_line("stored");
    ///             self.lines.set_line_mode(rest);
    ///         }
    ///     }
    /// }
    ///
    /// let factory = LineReceiver::factory(|lines| Store { lines, value: Vec::new(), missing: 0 });
    /// let mut wire = StringTransport::connect(factory);
    /// wire.receive("put 4\r\n\r\n\r\nput 1\r\n1put ");
    /// assert_eq!(wire.written(), b"stored\r\nstored\r\n");
    /// ```
    pub fn set_line_mode(&self, extra: impl AsRef<[u8]>) {
        self.0.kind.raw.set(false);
        let extra = extra.as_ref();
        if !extra.is_empty() {
            self.change(|changes| {
                if changes.extra.is_empty() && changes.take_back == 0 && self.0.kind.is_end_of_lent(extra) {
                    changes.take_back = extra.len();
                } else {
                    changes.extra.splice(..0, extra.iter().copied());
                }
            });
        }
    }

    /// Discards received bytes that have not been delivered. Twisted's `clearLineBuffer`, except that it returns
    /// nothing, since input is cut in the reactor's buffer. To get the rest, switch to raw mode.
    pub fn clear_line_buffer(&self) {
        self.change(|changes| *changes = Changes { clear: true, ..Changes::default() });
    }

    /// Gives the connection another protocol, which gets all that the peer has sent behind the line just received:
    /// [`Transport::switch_to`](reactor::Transport::switch_to) says what happens when. For protocols that begin in lines and go
    /// on in another language.
    ///
    /// ```
    /// use protocols::{LineHandler, LineReceiver, Lines};
    /// use reactor::testing::StringTransport;
    /// # use reactor::{Protocol, Transport};
    /// # struct Echo { transport: Transport }
    /// # impl Protocol for Echo {
    /// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
    /// # }
    ///
    /// struct Greeting { lines: Lines }
    ///
    /// impl LineHandler for Greeting {
    ///     fn line_received(&mut self, line: &[u8]) {
    ///         if line == b"UPGRADE echo" {
    ///             self.lines.send_line("OK");
    ///             self.lines.switch_to(|transport| Echo { transport });
    ///         }
    ///     }
    /// }
    ///
    /// let mut wire = StringTransport::connect(LineReceiver::factory(|lines| Greeting { lines }));
    /// wire.receive("UPGRADE echo\r\nwhat follows\r\n");
    /// assert_eq!(wire.written_text(), "OK\r\nwhat follows\r\n");
    /// ```
    pub fn switch_to(&self, factory: impl Factory) {
        self.0.delivery.give_way(factory);
    }

    fn change(&self, change: impl FnOnce(&mut Changes)) {
        let kind = &self.0.kind;
        change(&mut kind.rare().changes.borrow_mut());
        kind.changed.set(true);
        self.0.delivery.ask();
    }
}

impl LineKind {
    pub(crate) fn new(framing: Rc<Framing>) -> Self {
        Self { framing, raw: Cell::new(false), changed: Cell::new(false), rare: OnceCell::new() }
    }

    fn rare(&self) -> &Rare {
        self.rare.get_or_init(Box::default)
    }

    pub(crate) fn is_raw(&self) -> bool {
        self.raw.get()
    }

    /// While `callback` runs, the end of `data` can be given back.
    pub(crate) fn lend<R>(&self, data: &[u8], callback: impl FnOnce(&[u8]) -> R) -> R {
        let lent = &self.rare().lent;
        lent.set(Some(place(data)));
        let result = callback(data);
        lent.set(None);
        result
    }

    /// Makes the requested changes.
    #[inline]
    pub(crate) fn change_input(&self, input: &mut Input<'_>) {
        if self.changed.replace(false) {
            let changes = self.rare().changes.take();
            if changes.clear {
                input.clear();
            }
            input.take_back(changes.take_back);
            input.put_in_front(&changes.extra);
        }
    }

    /// Comparing addresses suffices: while these bytes are borrowed, no others can have the same addresses.
    fn is_end_of_lent(&self, bytes: &[u8]) -> bool {
        let (begin, end) = place(bytes);
        let lent = self.rare.get().and_then(|rare| rare.lent.get());
        lent.is_some_and(|(lent_begin, lent_end)| begin >= lent_begin && end == lent_end)
    }
}

fn place(bytes: &[u8]) -> Place {
    let range = bytes.as_ptr_range();
    (range.start.addr(), range.end.addr())
}

impl fmt::Debug for LineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineKind").field("raw", &self.raw.get()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use reactor::testing::StringTransport;

    use super::*;
    use crate::{LineHandler, LineReceiver};

    struct Idle;

    impl LineHandler for Idle {
        fn line_received(&mut self, _line: &[u8]) {}
    }

    /// What of `extra` is copied, and how much of what was lent is to come again.
    fn copied_and_taken_back(lent: &[u8], extra: &[u8]) -> (Vec<u8>, usize) {
        let wire = StringTransport::connect(LineReceiver::factory(|_| Idle));
        let lines: Lines = wire.transport().handle().expect("a line receiver's");
        lines.0.kind.lend(lent, |_| lines.set_line_mode(extra));
        let changes = lines.0.kind.rare().changes.take();
        (changes.extra, changes.take_back)
    }

    #[test]
    fn a_line_beyond_the_output_limit_is_sent_whole_when_nothing_else_waits() {
        let mut wire = StringTransport::connect(LineReceiver::factory(|_| Idle));
        let lines: Lines = wire.transport().handle().expect("a line receiver's");
        lines.transport().set_output_limit(10);
        lines.send_line([b'x'; 20]);
        wire.settle();
        assert_eq!(wire.written().len(), 22);
        assert!(wire.close_reason().is_none());
    }

    #[test]
    fn an_extra_is_copied_unless_it_is_the_end_of_what_was_lent() {
        let bytes = *b"0123456789";
        let (lent, elsewhere) = bytes.split_at(6);
        assert_eq!(copied_and_taken_back(lent, &lent[2..]), (b"".to_vec(), 4));
        assert_eq!(copied_and_taken_back(lent, lent), (b"".to_vec(), 6));
        assert_eq!(copied_and_taken_back(lent, &lent[2..4]), (b"23".to_vec(), 0));
        assert_eq!(copied_and_taken_back(lent, elsewhere), (b"6789".to_vec(), 0));
        assert_eq!(copied_and_taken_back(lent, b"45"), (b"45".to_vec(), 0));
        assert_eq!(copied_and_taken_back(&bytes[2..6], &bytes[..6]), (b"012345".to_vec(), 0));
        assert_eq!(copied_and_taken_back(lent, b""), (b"".to_vec(), 0));
    }
}

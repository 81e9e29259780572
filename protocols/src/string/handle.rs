use crate::receiver::handle::Handle;
use crate::string::error::StringTooLong;
use crate::string::format::LONGEST_PREFIX;
use crate::string::splitter::StringSplitter;

/// A handle of one connection whose protocol is a [`StringReceiver`](crate::StringReceiver): how a
/// [`StringHandler`](crate::StringHandler) sends strings. How it closes, paces and times is said at [`Handle`].
pub type Strings = Handle<StringKind>;

/// The kind of [`Handle`] that [`Strings`] are: for code over any handle.
#[derive(Debug)]
pub struct StringKind {
    pub(crate) splitter: StringSplitter,
}

impl Strings {
    /// Sends a string with its length. Twisted's `sendString`.
    ///
    /// The greatest length that is accepted from the peer does not count here.
    ///
    /// # Errors
    ///
    /// If the length is greater than the format can tell: 255 bytes for [`StringFormat::Int8`](crate::string::StringFormat::Int8), 65,535 for the formats
    /// of 16 bits, 4,294,967,295 for those of 32. Nothing is sent then.
    pub fn send_string(&self, string: impl AsRef<[u8]>) -> Result<(), StringTooLong> {
        let (format, string) = (self.0.kind.splitter.format, string.as_ref());
        let mut room = [0; LONGEST_PREFIX];
        let prefix = format.write_prefix(string.len(), &mut room)?;
        self.transport().write_sequence(&[prefix, string, format.suffix()]);
        Ok(())
    }
}

use crate::receiver::handle::Handle;
use crate::string::error::StringTooLong;
use crate::string::format::LONGEST_PREFIX;
use crate::string::splitter::StringSplitter;

/// A handle of one connection whose protocol is a [`StringReceiver`](crate::StringReceiver), with which a
/// [`StringHandler`](crate::StringHandler) sends strings. [`Handle`] has what all handles share: closing, pausing,
/// timers.
pub type Strings = Handle<StringKind>;

/// The kind of [`Handle`] behind [`Strings`], for code that is generic over handles.
#[derive(Debug)]
pub struct StringKind {
    pub(crate) splitter: StringSplitter,
}

impl Strings {
    /// Sends a string with its length prefix. Twisted's `sendString`.
    ///
    /// The maximum length of received strings does not apply.
    ///
    /// # Errors
    ///
    /// [`StringTooLong`] if the string is too long for the format: 255 bytes for
    /// [`StringFormat::Int8`](crate::string::StringFormat::Int8), 65,535 for the 16-bit formats, 4,294,967,295 for the
    /// 32-bit formats. Nothing is sent then.
    pub fn send_string(&self, string: impl AsRef<[u8]>) -> Result<(), StringTooLong> {
        let (format, string) = (self.0.kind.splitter.format, string.as_ref());
        let mut room = [0; LONGEST_PREFIX];
        let prefix = format.write_prefix(string.len(), &mut room)?;
        self.transport().write_sequence(&[prefix, string, format.suffix()]);
        Ok(())
    }
}

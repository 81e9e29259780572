use std::borrow::Cow;

/// The end of a segment that a [`TerminatorReceiver`](crate::segment::TerminatorReceiver) looks for.
///
/// ```
/// use protocols::segment::Terminator;
///
/// assert_eq!(Terminator::from("\r\n\r\n"), Terminator::Bytes(b"\r\n\r\n".into()));
/// assert_eq!(Terminator::from(42), Terminator::Count(42));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Terminator {
    /// None: the segment has no end.
    #[default]
    None,
    /// These bytes. An empty sequence is the same as [`None`](Self::None).
    Bytes(Cow<'static, [u8]>),
    /// The end after this many bytes; with 0 it is reached at once.
    Count(usize),
}

impl From<&'static str> for Terminator {
    fn from(bytes: &'static str) -> Self {
        Self::Bytes(bytes.as_bytes().into())
    }
}

impl From<Vec<u8>> for Terminator {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<usize> for Terminator {
    fn from(count: usize) -> Self {
        Self::Count(count)
    }
}

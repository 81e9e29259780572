use std::borrow::Cow;

/// Which characters of names (nicks, channels) are the same in both cases: what a server announces as `CASEMAPPING`.
///
/// ```
/// use protocols::irc::CaseMapping;
///
/// assert!(CaseMapping::Rfc1459.eq(b"Ann[home]", b"ann{HOME}"));
/// assert!(!CaseMapping::Ascii.eq(b"Ann[home]", b"ann{HOME}"));
/// assert_eq!(*CaseMapping::Rfc1459.fold(b"#Rust^"), *b"#rust~");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CaseMapping {
    /// The letters of ASCII: what new servers use.
    Ascii,
    /// Besides, `{}|~` are the lower case of `[]\^`. What holds if a server does not say.
    #[default]
    Rfc1459,
    /// Besides the letters, `{}|` are the lower case of `[]\`.
    Rfc1459Strict,
}

impl CaseMapping {
    /// The mapping that a server calls by this name: `ascii`, `rfc1459`, `rfc1459-strict`.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Ascii, Self::Rfc1459, Self::Rfc1459Strict]
            .into_iter()
            .find(|mapping| mapping.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// Its name, as servers announce it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ascii => "ascii",
            Self::Rfc1459 => "rfc1459",
            Self::Rfc1459Strict => "rfc1459-strict",
        }
    }

    /// The lower case of a byte.
    pub fn fold_byte(self, byte: u8) -> u8 {
        match (self, byte) {
            (Self::Rfc1459 | Self::Rfc1459Strict, b'[' | b']' | b'\\') | (Self::Rfc1459, b'^') => byte + 0x20,
            _ => byte.to_ascii_lowercase(),
        }
    }

    /// A name in lower case: two names are the same if this is. For keys of maps.
    pub fn fold(self, name: &[u8]) -> Cow<'_, [u8]> {
        match name.iter().position(|byte| self.fold_byte(*byte) != *byte) {
            None => Cow::Borrowed(name),
            Some(_) => Cow::Owned(name.iter().map(|byte| self.fold_byte(*byte)).collect()),
        }
    }

    /// Whether two names are the same.
    pub fn eq(self, a: &[u8], b: &[u8]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.fold_byte(*a) == self.fold_byte(*b))
    }
}

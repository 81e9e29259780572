use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::{fmt, io};

use socket2::SockAddr;

use crate::util::escaped::{escaped, escaped_path};

/// The address of a UNIX socket: a path, an abstract name, or none. Twisted's `UNIXAddress`.
///
/// An abstract name lives in the network namespace, not in the file system: it has no permissions, and it is gone with
/// the last socket that has it. A text that begins with `@` is an abstract name, as in other tools; Twisted's NUL in
/// its place means the same. A client's end is usually unnamed.
///
/// Cloning it is cheap. It displays as the path, as `@name`, or as `(unnamed)`, with misleading characters, which a
/// client may have put into its name, [escaped].
///
/// ```
/// use reactor::address::UnixAddress;
///
/// assert_eq!(UnixAddress::from("/run/time.sock"), UnixAddress::from_path("/run/time.sock"));
/// assert_eq!(UnixAddress::from("@time"), UnixAddress::from_abstract_name("time"));
/// assert_eq!(UnixAddress::from_abstract_name(b"a\xff").to_string(), "@a\\xff");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnixAddress(Name);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    Unnamed,
    Path(Arc<Path>),
    Abstract(Arc<[u8]>),
}

impl UnixAddress {
    /// No name: for a client that need not be found, or a datagram socket that only sends.
    pub fn unnamed() -> Self {
        Self(Name::Unnamed)
    }

    /// A path in the file system, even if it begins with `@`.
    pub fn from_path(path: impl AsRef<Path>) -> Self {
        Self(Name::Path(path.as_ref().into()))
    }

    /// A name in the abstract namespace, without the `@` or the NUL.
    pub fn from_abstract_name(name: impl AsRef<[u8]>) -> Self {
        Self(Name::Abstract(name.as_ref().into()))
    }

    /// The path, if it has one.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Name::Path(path) => Some(path),
            _ => None,
        }
    }

    /// The name in the abstract namespace, if it has one.
    pub fn abstract_name(&self) -> Option<&[u8]> {
        match &self.0 {
            Name::Abstract(name) => Some(name),
            _ => None,
        }
    }

    /// Whether it has neither a path nor an abstract name.
    pub fn is_unnamed(&self) -> bool {
        self.0 == Name::Unnamed
    }

    /// A text in one line that no other address has, for programs; people get the escaped name.
    pub(crate) fn unique_text(&self) -> String {
        match &self.0 {
            Name::Unnamed => String::new(),
            Name::Path(path) => {
                let path = path.as_os_str().as_bytes();
                let mark = if path.starts_with(b"@") { "\\" } else { "" };
                format!("{mark}{}", path.escape_ascii())
            }
            Name::Abstract(name) => format!("@{}", name.escape_ascii()),
        }
    }

    /// The system's form of the address; an error if it has none.
    pub(crate) fn to_system(&self) -> io::Result<SockAddr> {
        let (kind, bytes) = match &self.0 {
            Name::Unnamed => return Err(invalid("it has no name")),
            Name::Path(path) => ("path", path.as_os_str().as_bytes()),
            Name::Abstract(name) => ("name", &**name),
        };
        if bytes.is_empty() {
            return Err(invalid(format!("the {kind} is empty")));
        }
        if bytes.len() > LONGEST {
            let len = bytes.len();
            return Err(invalid(format!(
                "the {kind} is {len} bytes long, and the maximum is {LONGEST}; choose a shorter one"
            )));
        }
        if kind == "name" {
            return SockAddr::unix(OsStr::from_bytes(&[b"\0", bytes].concat()));
        }
        if bytes.contains(&0) {
            return Err(invalid("the path has a NUL byte in it"));
        }
        SockAddr::unix(OsStr::from_bytes(bytes))
    }

    /// From the system's form; unnamed if it is an address of another kind.
    pub(crate) fn from_system(address: &SockAddr) -> Self {
        if let Some(path) = address.as_pathname() {
            return Self::from_path(path);
        }
        address.as_abstract_namespace().map_or_else(Self::unnamed, Self::from_abstract_name)
    }
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message.into())
}

impl From<SocketAddr> for UnixAddress {
    fn from(address: SocketAddr) -> Self {
        if let Some(path) = address.as_pathname() {
            return Self::from_path(path);
        }
        address.as_abstract_name().map_or_else(Self::unnamed, Self::from_abstract_name)
    }
}

impl From<&str> for UnixAddress {
    fn from(text: &str) -> Self {
        match text.strip_prefix(['@', '\0']) {
            Some(name) => Self::from_abstract_name(name),
            None => Self::from_path(text),
        }
    }
}

/// As from a `&str`, for texts that are to be checked before a socket is opened: an error if the system has no such
/// address.
impl FromStr for UnixAddress {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Self> {
        let address = Self::from(text);
        match address.to_system() {
            Ok(_) => Ok(address),
            Err(error) => {
                Err(invalid(format!("'{}' is not the address of a UNIX socket: {error}", text.escape_debug())))
            }
        }
    }
}

impl From<String> for UnixAddress {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&Path> for UnixAddress {
    fn from(path: &Path) -> Self {
        Self::from_path(path)
    }
}

impl From<&PathBuf> for UnixAddress {
    fn from(path: &PathBuf) -> Self {
        Self::from_path(path)
    }
}

impl From<PathBuf> for UnixAddress {
    fn from(path: PathBuf) -> Self {
        Self::from_path(path)
    }
}

impl fmt::Display for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Name::Unnamed => f.write_str("(unnamed)"),
            Name::Path(path) => escaped_path(path).fmt(f),
            Name::Abstract(name) => write!(f, "@{}", escaped(name)),
        }
    }
}

/// The system's limit: 108 bytes, including the NUL after a path or before a name.
const LONGEST: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_addresses_have_different_texts() {
        let paths = ["a\n", "a\\n", "@a", "\\@a", "@", "\u{e9}", "\\xc3\\xa9"].map(UnixAddress::from_path);
        let names = ["a\n", "a", "@a", ""].map(UnixAddress::from_abstract_name);
        let all: Vec<_> =
            paths.iter().chain(&names).chain([&UnixAddress::unnamed()]).map(UnixAddress::unique_text).collect();
        assert!(all.iter().all(|text| text.bytes().all(|byte| (b' '..=b'~').contains(&byte))), "{all:?}");
        assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), all.len(), "{all:?}");
    }

    #[test]
    fn what_the_system_is_told_is_what_it_tells() {
        for address in ["/run/a", "a", "@a"].map(UnixAddress::from) {
            assert_eq!(UnixAddress::from_system(&address.to_system().unwrap()), address);
        }
        let binary = UnixAddress::from_abstract_name(b"\0\xff");
        assert_eq!(UnixAddress::from_system(&binary.to_system().unwrap()), binary);
    }

    #[test]
    fn a_text_is_parsed_only_if_the_system_has_such_an_address() {
        for text in ["/run/time.sock", "time.sock", "@time"] {
            assert_eq!(text.parse::<UnixAddress>().unwrap(), UnixAddress::from(text));
        }
        for (text, reason) in [
            ("", "'' is not the address of a UNIX socket: the path is empty"),
            ("@", "'@' is not the address of a UNIX socket: the name is empty"),
            ("a\0b", "'a\\0b' is not the address of a UNIX socket: the path has a NUL byte in it"),
        ] {
            let error = text.parse::<UnixAddress>().unwrap_err();
            assert_eq!((error.kind(), &*error.to_string()), (io::ErrorKind::InvalidInput, reason));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        let long = "x".repeat(LONGEST);
        for text in [long.clone(), format!("@{long}")] {
            UnixAddress::from(text).to_system().unwrap();
        }
        for (address, reason) in [
            (UnixAddress::from(""), "the path is empty"),
            (UnixAddress::from("@"), "the name is empty"),
            (UnixAddress::unnamed(), "it has no name"),
            (UnixAddress::from("a\0b"), "the path has a NUL byte in it"),
            (
                UnixAddress::from(long.clone() + "x"),
                "the path is 108 bytes long, and the maximum is 107; choose a shorter one",
            ),
            (
                UnixAddress::from(format!("@{long}x")),
                "the name is 108 bytes long, and the maximum is 107; choose a shorter one",
            ),
        ] {
            assert_eq!(address.to_system().unwrap_err().to_string(), reason);
        }
    }
}

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

/// The name of a node, by which all others know it: the server's name. Cheap to clone.
///
/// It consists of parts between dots, of the letters of ASCII, digits, `-` and `_`, so that it can stand in the names of topics.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// The most bytes of a name: as many as an IRC server's may have.
    pub const MAX_BYTES: usize = 63;

    /// Checks a name.
    ///
    /// # Errors
    ///
    /// If it is empty, too long, or has a character or an empty part that it must not have.
    pub fn new(name: &str) -> Result<Self, NodeNameError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_part = |part: &str| !part.is_empty() && part.bytes().all(is_allowed);
        if name.len() <= Self::MAX_BYTES && name.split('.').all(is_part) {
            Ok(Self(name.into()))
        } else {
            Err(NodeNameError)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for NodeName {
    type Error = NodeNameError;

    fn try_from(name: String) -> Result<Self, NodeNameError> {
        Self::new(&name)
    }
}

impl Serialize for NodeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A text that no node can have as its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeNameError;

impl fmt::Display for NodeNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max = NodeName::MAX_BYTES;
        write!(f, "a node's name is 1 to {max} letters of ASCII, digits, '-' and '_', in parts between dots")
    }
}

impl std::error::Error for NodeNameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_hosts_are_names_of_nodes() {
        for name in ["a", "irc.example.org", "node_1.chat-2", &"x".repeat(63)] {
            assert_eq!(NodeName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_would_change_the_meaning_of_a_topic_is_no_name() {
        for name in ["", ".", "a.", ".a", "a..b", "*", "a.>", "a b", "a\r\nPUB", "ä", &"x".repeat(64)] {
            assert!(NodeName::new(name).is_err(), "{name:?}");
        }
    }
}

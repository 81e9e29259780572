use std::fmt;

use reactor::text::escaped;

/// Who has logged in: what a checker finds out, and a realm makes an avatar for. Twisted's avatar ID.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The account of this name.
    Account(String),
    /// Nobody in particular. An account that is called "anonymous" is not this.
    Anonymous,
}

impl Identity {
    /// The account's name.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Account(name) => Some(name),
            Self::Anonymous => None,
        }
    }
}

impl From<String> for Identity {
    fn from(name: String) -> Self {
        Self::Account(name)
    }
}

impl From<&str> for Identity {
    fn from(name: &str) -> Self {
        Self::Account(name.to_owned())
    }
}

/// The account's name, escaped for people to read.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(name) => escaped(name).fmt(f),
            Self::Anonymous => f.write_str("(anonymous)"),
        }
    }
}

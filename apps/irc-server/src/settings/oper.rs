use protocols::auth::PasswordHash;
use serde::{Deserialize, Serialize};

/// An operator: who may do what others may not, once they have shown the password by `OPER`.
#[derive(Clone, Debug)]
pub struct Oper {
    /// The name that `OPER` is given.
    pub name: String,
    /// What is kept of the password.
    pub password: PasswordHash,
    /// What they may do.
    pub privileges: Vec<Privilege>,
}

impl Oper {
    /// Whether they may do this.
    pub fn may(&self, privilege: Privilege) -> bool {
        self.privileges.contains(&privilege)
    }
}

/// What an operator may be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Privilege {
    /// To disconnect users: `KILL`.
    Kill,
    /// To keep addresses out: `KLINE`, `UNKLINE`.
    Ban,
    /// To have the settings read again: `REHASH`.
    Rehash,
    /// To write to all operators: `WALLOPS`.
    Wallops,
    /// To see the addresses of all users, and secret channels.
    See,
    /// To give users another host: `CHGHOST`.
    Host,
}

impl Privilege {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Kill, Self::Ban, Self::Rehash, Self::Wallops, Self::See, Self::Host];

    /// As it stands in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Ban => "ban",
            Self::Rehash => "rehash",
            Self::Wallops => "wallops",
            Self::See => "see",
            Self::Host => "host",
        }
    }
}

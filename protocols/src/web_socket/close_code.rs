use std::fmt;

/// The code in a closing frame, which says why a web socket is closed (RFC 6455, section 7.4). Its values are those
/// that a frame may carry, and [`NO_STATUS`](Self::NO_STATUS) for a frame without a code.
///
/// ```
/// use protocols::web_socket::CloseCode;
///
/// const KICKED: CloseCode = CloseCode::new(4001).unwrap();
/// assert_eq!(KICKED.get(), 4001);
/// assert_eq!(CloseCode::new(1006), None, "it means that there was no closing frame");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: this side goes away: a server stops, or the user leaves a page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer violates the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of message that this side does not accept, such as binary.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: no code was given.
    pub const NO_STATUS: Self = Self(1005);
    /// 1007: the content of a message does not fit its kind, such as text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// 1008: a message violates the rules of this side, and no other code fits.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message is too long.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1011: the server encountered an unexpected condition.
    pub const INTERNAL_ERROR: Self = Self(1011);

    /// The code of this value, if a closing frame may carry it: 1000 to 1003, 1007 to 1014, and 3000 to 4999, of which
    /// programs may choose freely from 4000 on. The others are reserved.
    pub const fn new(value: u16) -> Option<Self> {
        match value {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(value)),
            _ => None,
        }
    }

    /// The numeric value.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

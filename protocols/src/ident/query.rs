use reactor::Address;

/// The question of a client of [`IdentServer`](crate::ident::IdentServer): who owns the connection with these ports
/// between the two hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdentQuery {
    /// The port of the connection on the server's host; not 0.
    pub server_port: u16,
    /// The port of the connection on the client's host; not 0.
    pub client_port: u16,
    /// The local address of the connection that the question arrived on; `server_port` is on this host.
    pub host: Address,
    /// The address of its peer; `client_port` is on that host.
    pub peer: Address,
}

/// Two ports as in a query or a reply: two comma-separated numbers of up to five digits, in and out of range, each
/// surrounded by optional spaces and tabs.
pub(crate) fn port_pair(text: &str) -> Option<(u32, u32)> {
    let (one, other) = text.split_once(',')?;
    Some((number(one)?, number(other)?))
}

fn number(text: &str) -> Option<u32> {
    let digits = text.trim_matches(SPACE);
    let good = (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if good { digits.parse().ok() } else { None }
}

/// White space as RFC 1413 defines it.
pub(crate) const SPACE: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_two_numbers_and_nothing_else() {
        for text in ["6193,23", "6193, 23", " 6193\t, 23 ", "06193,00023"] {
            assert_eq!(port_pair(text), Some((6193, 23)), "{text:?}");
        }
        assert_eq!(port_pair("0, 99999"), Some((0, 99_999)));
        for text in
            ["", ",", "6193", "6193,", "1,2,3", "+1,2", "-1,2", "1.0,2", "0x1,2", "1 1,2", "123456,1", "1,\u{a0}2"]
        {
            assert_eq!(port_pair(text), None, "{text:?}");
        }
    }
}

//! Which addresses of clients count as one.

use std::net::{IpAddr, Ipv6Addr};

/// The address that counts for limits: that of IPv4, or the network of 64 bits, which one customer has of IPv6.
pub(crate) fn of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_network_of_64_bits_counts_as_one_address() {
        let of = |text: &str| super::of(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3::4"), "2001:db8:1:2::");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
    }
}

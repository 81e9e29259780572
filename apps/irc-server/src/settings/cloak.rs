use std::fmt;
use std::net::IpAddr;

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Makes pseudonyms of addresses: the same for the same address, and such that those who ban can ban a network.
///
/// A cloak has three parts, of the address itself (of IPv6 the network of 64 bits), of its network (/24, /48) and of the one
/// around that (/16, /32): `*.PART3.cloak` is a mask for the last. Each is a part of an HMAC-SHA-256, so that nobody finds the
/// address without the key.
#[derive(Clone)]
pub struct Cloak {
    key: Box<[u8]>,
    suffix: String,
}

impl Cloak {
    /// Cloaks that are made by this key, and end so.
    pub fn new(key: impl Into<Box<[u8]>>, suffix: impl Into<String>) -> Self {
        Self { key: key.into(), suffix: suffix.into() }
    }

    /// What stands in place of the address of a client.
    ///
    /// ```
    /// use irc_server::settings::Cloak;
    ///
    /// let cloak = Cloak::new(*b"0123456789abcdef", ".cloak");
    /// assert_eq!(cloak.host("192.0.2.7".parse().unwrap()), "sj3ckqk3.3cp3blbp.mzmvhycp.cloak");
    /// ```
    pub fn host(&self, address: IpAddr) -> String {
        let parts = match address.to_canonical() {
            IpAddr::V4(address) => {
                [32, 24, 16].map(|length| self.part(length, &(address.to_bits() >> (32 - length)).to_be_bytes()))
            }
            IpAddr::V6(address) => {
                [64, 48, 32].map(|length| self.part(length, &(address.to_bits() >> (128 - length)).to_be_bytes()))
            }
        };
        parts.join(".") + &self.suffix
    }

    /// That of a network of this length, whose bytes are as many as its family's addresses have.
    fn part(&self, length: u32, network: &[u8]) -> String {
        #[expect(clippy::unwrap_used, reason = "an HMAC takes keys of any length")]
        let mut hmac = Hmac::<Sha256>::new_from_slice(&self.key).unwrap();
        hmac.update(&length.to_be_bytes());
        hmac.update(network);
        BASE32_NOPAD.encode(&hmac.finalize().into_bytes()[..5]).to_ascii_lowercase()
    }
}

/// Without the key.
impl fmt::Debug for Cloak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloak").field("suffix", &self.suffix).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(address: &str) -> Vec<String> {
        let host = Cloak::new(*b"a key", ".cloak").host(address.parse().unwrap());
        host.strip_suffix(".cloak").unwrap().split('.').map(str::to_owned).collect()
    }

    #[test]
    fn neighbours_share_the_parts_of_the_networks_that_they_share() {
        for (address, neighbour, shared) in [
            ("192.0.2.7", "192.0.2.8", 2),
            ("192.0.2.7", "192.0.3.7", 1),
            ("192.0.2.7", "192.1.2.7", 0),
            ("192.0.2.7", "::ffff:192.0.2.7", 3),
            ("2001:db8:1:2::1", "2001:db8:1:2:3::9", 3),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", 2),
            ("2001:db8:1:2::1", "2001:db8:2:2::1", 1),
            ("2001:db8::", "2001:db9::", 0),
        ] {
            let (one, other) = (parts(address), parts(neighbour));
            let same = one.iter().rev().zip(other.iter().rev()).take_while(|(one, other)| one == other).count();
            assert_eq!(same, shared, "{address} {neighbour}");
        }
    }

    #[test]
    fn another_key_makes_another_cloak() {
        let address = "192.0.2.7".parse().unwrap();
        assert_ne!(Cloak::new(*b"one", ".cloak").host(address), Cloak::new(*b"two", ".cloak").host(address));
    }
}

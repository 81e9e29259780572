use std::collections::HashMap;
use std::net::IpAddr;

use crate::server::{Timestamp, network};

/// How many accounts were registered from an address, or an IPv6 network of 64 bits, within an hour.
#[derive(Debug, Default)]
pub(super) struct RegistrationLimit {
    /// By address: since when, and how many.
    recent: HashMap<IpAddr, (Timestamp, u32)>,
}

impl RegistrationLimit {
    /// Counts one more, unless there were `most` within the hour.
    pub(super) fn admits(&mut self, address: IpAddr, most: u32, now: Timestamp) -> bool {
        let is_recent = |since: Timestamp| now.since(since) < HOUR;
        if self.recent.len() >= REMEMBERED {
            self.recent.retain(|_, (since, _)| is_recent(*since));
        }
        let network = network::of(address);
        if self.recent.len() >= REMEMBERED && !self.recent.contains_key(&network) {
            return false;
        }
        let (since, count) = self.recent.entry(network).or_insert((now, 0));
        if !is_recent(*since) {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= most
    }
}

/// In milliseconds.
const HOUR: u64 = 3_600_000;

/// Some 500 KiB; when that many addresses register accounts within an hour, others wait.
const REMEMBERED: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_register_so_many_accounts_an_hour() {
        let mut limit = RegistrationLimit::default();
        let mut admits = |address: &str, now| limit.admits(address.parse().unwrap(), 2, Timestamp(now));
        assert!(admits("192.0.2.1", 0) && admits("192.0.2.1", 1));
        assert!(!admits("192.0.2.1", HOUR - 1) && !admits("::ffff:192.0.2.1", HOUR - 1));
        assert!(admits("192.0.2.2", 1));
        assert!(admits("192.0.2.1", HOUR));
        assert!(admits("2001:db8::1", 0) && admits("2001:db8::2", 0) && !admits("2001:db8::3", 0));
    }

    #[test]
    fn what_is_remembered_of_addresses_is_bounded() {
        let mut limit = RegistrationLimit::default();
        for number in 0..10_000_u32 {
            limit.admits(IpAddr::V4(number.into()), 2, Timestamp(0));
        }
        assert_eq!(limit.recent.len(), REMEMBERED);
        assert!(limit.admits(IpAddr::V4(9_999.into()), 2, Timestamp(HOUR)));
    }
}

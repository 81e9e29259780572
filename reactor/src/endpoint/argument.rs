use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use crate::endpoint::EndpointError;

/// One argument of an endpoint's description, unquoted, with its position. Its methods parse it; their errors name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    pub(super) description: Rc<str>,
    pub(super) value: String,
    /// The position of the value in the description.
    pub(super) position: usize,
}

impl Argument {
    /// The text of the argument.
    pub fn as_str(&self) -> &str {
        &self.value
    }

    /// Parses a port number.
    ///
    /// # Errors
    ///
    /// If it is not a decimal number up to 65535.
    pub fn port(&self) -> Result<u16, EndpointError> {
        self.number().ok_or_else(|| self.error("is not a port: a port is a number from 0 to 65535"))
    }

    /// Parses a count.
    ///
    /// # Errors
    ///
    /// If it is not a decimal number below 2³¹.
    pub fn count(&self) -> Result<u32, EndpointError> {
        let count = self.number::<i32>().and_then(|count| u32::try_from(count).ok());
        count.ok_or_else(|| self.error(format_args!("is not a number from 0 to {}", i32::MAX)))
    }

    /// Parses a time in seconds.
    ///
    /// # Errors
    ///
    /// If it is not a positive decimal number, with or without a fraction, or is more than a year.
    pub fn seconds(&self) -> Result<Duration, EndpointError> {
        let plain = self.value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let seconds = self.value.parse().ok().filter(|seconds| plain && *seconds > 0.0 && *seconds <= A_YEAR);
        let duration = seconds.map(Duration::from_secs_f64).filter(|duration| !duration.is_zero());
        duration.ok_or_else(|| self.error("is not a time: a time is a number of seconds, as in 30 or 0.5"))
    }

    /// Parses a switch: `1`, `yes`, `true` or `on`, or the opposite.
    ///
    /// # Errors
    ///
    /// If it is neither.
    pub fn is_on(&self) -> Result<bool, EndpointError> {
        match &*self.value {
            "1" | "yes" | "true" | "on" => Ok(true),
            "0" | "no" | "false" | "off" => Ok(false),
            _ => Err(self.error("is neither yes nor no")),
        }
    }

    /// The elements of a comma-separated list, without the spaces around them.
    pub fn list(&self) -> Vec<String> {
        self.value.split(',').map(|element| element.trim().to_owned()).collect()
    }

    /// Parses an IP address of either family, and adds `port`. An IPv6 address has no brackets, but may have a scope,
    /// as in `fe80::1%3`.
    ///
    /// # Errors
    ///
    /// If it is not an IP address, such as a name.
    pub fn ip_address(&self, port: u16) -> Result<SocketAddr, EndpointError> {
        let address = match self.value.parse() {
            Ok(ip @ IpAddr::V4(_)) => Some(SocketAddr::new(ip, port)),
            // `SocketAddr` parses scopes, `IpAddr` does not.
            _ => format!("[{}]:{port}", self.value).parse().ok(),
        };
        address.ok_or_else(|| self.error("is not an IP address"))
    }

    /// An error that names the argument and its position, followed by what is `wrong`: `"x" (at 4) is …`.
    pub fn error(&self, wrong: impl fmt::Display) -> EndpointError {
        EndpointError::at(&self.description, &self.value, self.position, wrong)
    }

    pub(super) fn number<N: std::str::FromStr>(&self) -> Option<N> {
        // `parse` alone would take "+80".
        self.value.bytes().all(|byte| byte.is_ascii_digit()).then(|| self.value.parse().ok()).flatten()
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.value)
    }
}

/// In seconds.
const A_YEAR: f64 = 365.0 * 24.0 * 60.0 * 60.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn argument(value: &str) -> Argument {
        Argument { description: "x:".into(), value: value.to_owned(), position: 2 }
    }

    #[test]
    fn numbers_are_plain_and_in_range() {
        assert_eq!(argument("65535").port(), Ok(65_535));
        assert_eq!(argument("0").port(), Ok(0));
        assert_eq!(argument("2147483647").count(), Ok(i32::MAX as u32));
        for text in ["", "+80", "-1", " 80", "65536", "0x50", "8_0", "http"] {
            let error = argument(text).port().unwrap_err().to_string();
            assert_eq!(error, format!("x:: {text:?} (at 2) is not a port: a port is a number from 0 to 65535"));
        }
        assert!(argument("2147483648").count().is_err() && argument("").count().is_err());
    }

    #[test]
    fn seconds_may_have_a_fraction_and_are_not_none() {
        for (text, millis) in [("30", 30_000), ("0.5", 500), (".25", 250), ("1.", 1000), ("31536000", 31_536_000_000)] {
            assert_eq!(argument(text).seconds(), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", ".", "0", "0.0", "0.0000000001", "-1", "+1", "1e3", "inf", "nan", "1s", "31536001", "1.2.3"] {
            assert!(argument(text).seconds().is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_may_have_a_scope_and_no_brackets() {
        for (text, address) in [("127.0.0.1", "127.0.0.1:7"), ("::1", "[::1]:7"), ("fe80::1%3", "[fe80::1%3]:7")] {
            assert_eq!(argument(text).ip_address(7), Ok(address.parse().unwrap()));
        }
        for text in ["", "localhost", "[::1]", "127.0.0.1:80", "1.2.3", "::1]:80", "256.0.0.1"] {
            assert!(argument(text).ip_address(7).is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_has_commas_between_its_elements() {
        assert_eq!(argument("a, b ,c").list(), ["a", "b", "c"]);
        assert_eq!(argument("").list(), [""]);
    }

    #[test]
    fn a_switch_is_on_or_off() {
        assert_eq!(
            ["1", "yes", "on", "0", "no", "off"].map(|text| argument(text).is_on().unwrap() as u8),
            [1, 1, 1, 0, 0, 0]
        );
        assert_eq!(argument("maybe").is_on().unwrap_err().to_string(), "x:: \"maybe\" (at 2) is neither yes nor no");
    }
}

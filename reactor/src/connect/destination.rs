//! The target of a connector.

use std::fmt;
use std::time::Duration;

use crate::net::connect_options::ConnectOptions;
use crate::net::connection_options::ConnectionOptions;
use crate::unix::options::UnixConnectOptions;

/// The options given to a [`Connector`](crate::Connector), of either kind.
pub(crate) enum Destination {
    Tcp(ConnectOptions),
    Unix(UnixConnectOptions),
}

impl Destination {
    /// The time limit of an attempt. On a UNIX socket it takes no time.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        match self {
            Self::Tcp(options) => options.deadline,
            Self::Unix(_) => None,
        }
    }

    pub(crate) fn connection_options(&self) -> &ConnectionOptions {
        match self {
            Self::Tcp(options) => &options.connection,
            Self::Unix(options) => &options.connection,
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(options) => options.target.fmt(f),
            Self::Unix(options) => options.address.fmt(f),
        }
    }
}

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use crate::net::error::{BindError, text_of};
use crate::transport::close_reason::CloseReason;
use crate::util::escaped::escaped;

/// Why a connection could not be made. It displays as a sentence that names the target: `cannot connect to
/// localhost:21567: connection refused`.
///
/// If several addresses failed in different ways, the sentence lists each; [`attempts`](Self::attempts) always does.
/// The source is the operating system's error.
#[derive(Clone, Debug)]
pub struct ConnectError {
    target: String,
    kind: ConnectErrorKind,
    attempts: Arc<[(SocketAddr, io::Error)]>,
    /// What failed other than an address.
    cause: Option<Arc<io::Error>>,
}

/// The kind of failure. Twisted has an exception class for each.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// The target's text is malformed. Twisted's `ServiceNameUnknownError`, `ValueError`.
    InvalidTarget,
    /// The name has no address, or the lookup failed. Twisted's `DNSLookupError`, `UnknownHostError`.
    Unresolved,
    /// The local address could not be bound. Twisted's `ConnectBindError`.
    Bind,
    /// Nothing listens there. Twisted's `ConnectionRefusedError`.
    Refused,
    /// There is no way to the host or its network. Twisted's `NoRouteError`.
    Unreachable,
    /// The operating system gave up waiting. Twisted's `TCPTimedOutError`.
    TimedOut,
    /// The [`ConnectOptions::deadline`](crate::net::ConnectOptions::deadline), given here, has passed. Twisted's
    /// `TimeoutError`.
    Deadline(Duration),
    /// [`Connector::disconnect`](crate::Connector::disconnect) was called, or the reactor stopped. Twisted's
    /// `UserError`.
    Cancelled,
    /// The factory refused the connection, or this side closed it before there was a protocol. Twisted's `NoProtocol`.
    NoProtocol,
    /// `build_protocol` or `connection_made` panicked with this message.
    Panicked(String),
    /// Something else, described by the source, or several addresses failed in different ways.
    Other,
}

impl ConnectError {
    /// For code that implements endpoints: the failure to connect to `target`, with the system's error if there is one.
    pub fn new(target: impl Into<String>, kind: ConnectErrorKind, cause: Option<io::Error>) -> Self {
        Self { target: target.into(), kind, attempts: Arc::new([]), cause: cause.map(Arc::new) }
    }

    /// The failure of an attempt that has only one address.
    pub(crate) fn failed(target: String, error: io::Error) -> Self {
        Self::new(target, kind_of(&error), Some(error))
    }

    /// The failure of an attempt in which every address has failed.
    pub(crate) fn all_failed(target: String, attempts: Vec<(SocketAddr, io::Error)>) -> Self {
        let mut kinds = attempts.iter().map(|(_, error)| kind_of(error));
        let first = kinds.next().unwrap_or(ConnectErrorKind::Other);
        let kind = if kinds.all(|kind| kind == first) { first } else { ConnectErrorKind::Other };
        Self { target, kind, attempts: attempts.into(), cause: None }
    }

    /// The failure of a connection that has ended before it was established.
    pub(crate) fn unestablished(target: String, reason: CloseReason) -> Self {
        match reason {
            CloseReason::Panicked(message) => Self::new(target, ConnectErrorKind::Panicked(message), None),
            CloseReason::Done => Self::new(target, ConnectErrorKind::NoProtocol, None),
            reason => Self::new(target, ConnectErrorKind::Other, Some(reason.into())),
        }
    }

    /// The kind of failure.
    pub fn kind(&self) -> &ConnectErrorKind {
        &self.kind
    }

    /// What the caller wanted to connect to, as `host:port`, or as a [`UnixAddress`](crate::address::UnixAddress) displays.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The internet addresses that were tried, with their errors, in the order of the attempts.
    pub fn attempts(&self) -> &[(SocketAddr, io::Error)] {
        &self.attempts
    }

    fn io_error(&self) -> Option<&io::Error> {
        self.cause.as_deref().or_else(|| self.attempts.first().map(|(_, error)| error))
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {}: ", self.target)?;
        match &self.kind {
            ConnectErrorKind::Deadline(deadline) => return write!(f, "no answer within {deadline:?}"),
            ConnectErrorKind::Cancelled => return f.write_str("the attempt was given up"),
            ConnectErrorKind::NoProtocol => return f.write_str("connected, but no protocol was built"),
            ConnectErrorKind::Panicked(message) => return write!(f, "the protocol panicked: {}", escaped(message)),
            _ => {}
        }
        if let Some(cause) = &self.cause {
            return f.write_str(&text_of(cause));
        }
        let texts: Vec<_> = self.attempts.iter().map(|(_, error)| text_of(error)).collect();
        match texts.first() {
            None => f.write_str("there was no address to try"),
            Some(first) if texts.iter().all(|text| text == first) => f.write_str(first),
            Some(_) => {
                for (index, ((address, _), text)) in self.attempts.iter().zip(&texts).enumerate() {
                    write!(f, "{}{address}: {text}", if index == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            // Its text is part of this error's text, so the source is what lies below.
            Some(cause) if cause.get_ref().is_some() => cause.get_ref().and_then(|inner| inner.source()),
            _ => self.io_error().map(|error| error as _),
        }
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        let kind = match error.kind {
            ConnectErrorKind::Deadline(_) => io::ErrorKind::TimedOut,
            ConnectErrorKind::Cancelled => io::ErrorKind::Interrupted,
            _ => error.io_error().map_or(io::ErrorKind::Other, Self::kind),
        };
        Self::new(kind, error)
    }
}

fn kind_of(error: &io::Error) -> ConnectErrorKind {
    if error.get_ref().and_then(|inner| inner.downcast_ref::<BindError>()).is_some() {
        return ConnectErrorKind::Bind;
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectErrorKind::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => ConnectErrorKind::Unreachable,
        io::ErrorKind::TimedOut => ConnectErrorKind::TimedOut,
        _ => ConnectErrorKind::Other,
    }
}

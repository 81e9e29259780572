//! From names to addresses.

use std::error::Error;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::{fmt, io};

use crate::address::target::Target;

/// Finds the addresses of a name, for every connection made by name.
///
/// A reactor asks the system (`getaddrinfo`: DNS and whatever else is configured) on dedicated threads. Addresses,
/// names in `/etc/hosts`, `localhost`, and names that end in `.localhost` or `.invalid` (RFC 6761) never wait for a
/// name server, and equal questions under way are joined. Your own implementation can answer from a table, ask a
/// service registry, or replace the network in a test.
///
/// - It is asked once for every attempt to connect, and nothing is remembered between attempts: a cache is the
///   implementation's business. It is not asked for a target that is already an address.
/// - It runs on the reactor's thread and must not block; several questions may be open at a time.
/// - The answer lists the addresses with the best first. That order is kept, but the two families take turns when they
///   are tried (RFC 8305). An empty list means that the name is not known.
/// - An error ends the attempt. Its text is shown after `cannot connect to host:port: `, so it should say in lower case
///   what happened, without the name.
/// - The future is dropped when its answer is no longer needed: the deadline of the attempt has passed, or its
///   connector was disconnected.
///
/// ```
/// use std::collections::HashMap;
/// use std::io;
/// use std::net::{IpAddr, SocketAddr};
///
/// use reactor::net::{Resolver, Resolving};
///
/// struct Table(HashMap<String, IpAddr>);
///
/// impl Resolver for Table {
///     fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
///         Box::pin(async move { Ok(self.0.get(host).map(|ip| SocketAddr::new(*ip, port)).into_iter().collect()) })
///     }
/// }
/// ```
pub trait Resolver: 'static {
    /// The addresses of `host`, each with `port`, the best first.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;
}

/// What [`Resolver::resolve`] returns: the addresses, when they are known.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + 'a>>;

impl Target {
    /// The addresses of this target, at least one; `resolver` is asked only for a name.
    pub(crate) async fn resolve(&self, resolver: &dyn Resolver) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Address(address) => Ok(vec![*address]),
            Self::Name { host, port } => {
                let addresses = resolver.resolve(host, *port).await?;
                if addresses.is_empty() { Err(not_known()) } else { Ok(addresses) }
            }
            Self::Malformed { reason, .. } => Err(io::Error::new(io::ErrorKind::InvalidInput, *reason)),
        }
    }
}

/// A name that has no address.
pub(crate) fn not_known() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, LookupError { message: "name not known", source: None })
}

/// Why a lookup failed; shared by all callers that asked for the same name.
#[derive(Clone, Debug)]
pub(crate) struct LookupError {
    pub(crate) message: &'static str,
    /// What the system said.
    pub(crate) source: Option<Arc<io::Error>>,
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl Error for LookupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use futures_util::FutureExt;

    use crate::address::target::ToTarget;

    use super::*;

    #[test]
    fn only_names_are_asked_of_the_resolver() {
        let resolve = |target: &str| target.to_target().resolve(&Table).now_or_never().unwrap();
        assert_eq!(resolve("known:80").unwrap(), ["10.0.0.1:80".parse().unwrap()]);
        assert_eq!(resolve("127.0.0.1:80").unwrap(), ["127.0.0.1:80".parse().unwrap()]);
        assert_eq!(resolve("unknown:80").unwrap_err().to_string(), "name not known");
        assert_eq!(resolve("known").unwrap_err().to_string(), "no port given (expected host:port)");
        assert_eq!(resolve("known").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    struct Table;

    impl Resolver for Table {
        fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
            assert!(host.ends_with("known"), "{host} was asked for");
            let known = (host == "known").then(|| SocketAddr::from(([10, 0, 0, 1], port)));
            Box::pin(ready(Ok(known.into_iter().collect())))
        }
    }
}

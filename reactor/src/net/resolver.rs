//! From names to addresses.

use std::error::Error;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::{fmt, io};

use async_trait::async_trait;

use crate::address::target::Target;
use crate::util::thread_pool::ThreadPool;

/// Finds the addresses of a name, for everything that connects by name.
///
/// A reactor asks the system (`getaddrinfo`: `/etc/hosts`, DNS and what else is configured) on threads that
/// do nothing else. An implementation of one's own answers from a table, asks a service registry, or stands
/// in for the network in a test.
///
/// - It is asked once for every attempt to connect, and nothing is remembered between two: a cache is the
///   implementation's business. A target that is already an address is not asked for.
/// - It runs on the reactor's thread and must not block; several questions may be open at a time.
/// - The answer lists the addresses with the best first; that order is kept, but the two families take turns
///   when they are tried (RFC 8305). An empty list means that the name is not known.
/// - An error ends the attempt. Its text is read after `cannot connect to host:port: `, so it says in lower
///   case what happened and does not repeat the name.
/// - The future is dropped when nobody wants the answer any more: the deadline of the attempt has passed, or
///   its connector was disconnected.
///
/// ```
/// use std::collections::HashMap;
/// use std::io;
/// use std::net::{IpAddr, SocketAddr};
///
/// use async_trait::async_trait;
/// use reactor::net::Resolver;
///
/// struct Table(HashMap<String, IpAddr>);
///
/// #[async_trait(?Send)]
/// impl Resolver for Table {
///     async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
///         Ok(self.0.get(host).map(|ip| SocketAddr::new(*ip, port)).into_iter().collect())
///     }
/// }
/// ```
#[async_trait(?Send)]
pub trait Resolver: 'static {
    /// The addresses of `host`, each with `port`, the best first.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The resolver that asks the system, on two threads of its own: a slow name server must not keep other work
/// from its threads, nor the reverse.
pub(crate) struct SystemResolver {
    pool: ThreadPool,
}

impl SystemResolver {
    /// Starts no thread before a name is asked for.
    pub(crate) fn new() -> Self {
        Self { pool: ThreadPool::new("reactor-resolve", 2, 1024) }
    }

    /// Runs `lookup` on a thread, unless the answer is no longer wanted when its turn comes: with a name
    /// server that is silent, given-up questions would otherwise keep those after them waiting.
    async fn ask(
        &self,
        lookup: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> io::Result<Vec<SocketAddr>> {
        let asking = Arc::new(()); // dropped with this future
        let asked = Arc::downgrade(&asking);
        let wanted = move || asked.strong_count() > 0;
        let job = move || if wanted() { lookup() } else { Ok(Vec::new()) };
        let answer = self.pool.run(job).await;
        answer.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

#[async_trait(?Send)]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        if is_invalid(host) {
            return Err(not_known(None));
        }
        let question = (host.to_owned(), port);
        self.ask(move || question.to_socket_addrs().map(Iterator::collect)).await.map_err(explain)
    }
}

impl Target {
    /// The addresses of this target, at least one; `resolver` is asked only for a name.
    pub(crate) async fn resolve(&self, resolver: &dyn Resolver) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Address(address) => Ok(vec![*address]),
            Self::Name { host, port } => {
                let addresses = resolver.resolve(host, *port).await?;
                if addresses.is_empty() { Err(not_known(None)) } else { Ok(addresses) }
            }
            Self::Malformed { reason, .. } => Err(io::Error::new(io::ErrorKind::InvalidInput, *reason)),
        }
    }
}

/// Whether RFC 6761, section 6.4, promises that the name does not exist: then no server need be asked, which
/// without a network would only say that it cannot tell.
fn is_invalid(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("invalid"))
}

/// Our sentence for what the system said, which becomes its source.
///
/// The standard library passes on the text of getaddrinfo's code and not the code. A text that is not in the
/// list makes the sentence less definite, never wrong.
fn explain(error: io::Error) -> io::Error {
    const NOT_KNOWN: [&str; 4] = [
        "not known",             // EAI_NONAME: glibc, macOS
        "No address associated", // EAI_NODATA: glibc, macOS
        "Name does not resolve", // EAI_NONAME: musl
        "no usable address",     // EAI_NODATA: musl
    ];
    let text = error.to_string();
    if NOT_KNOWN.iter().any(|known| text.contains(known)) {
        not_known(Some(error))
    } else {
        io::Error::new(error.kind(), LookupError { message: "name lookup failed", source: Some(error) })
    }
}

fn not_known(source: Option<io::Error>) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, LookupError { message: "name not known", source })
}

#[derive(Debug)]
struct LookupError {
    message: &'static str,
    source: Option<io::Error>,
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl Error for LookupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt;
    use tokio::runtime;

    use crate::address::target::ToTarget;

    use super::*;

    #[test]
    fn address_literals_are_answered_without_a_thread() {
        let resolver = SystemResolver::new();
        for (host, expected) in [("127.0.0.1", "127.0.0.1:7"), ("::1", "[::1]:7")] {
            let answer = resolver.resolve(host, 7).now_or_never();
            assert_eq!(answer.unwrap().unwrap(), [expected.parse().unwrap()]);
        }
    }

    #[test]
    fn localhost_is_a_loopback_address_with_the_port_asked_for() {
        let addresses = block_on(SystemResolver::new().resolve("localhost", 7)).unwrap();
        assert!(!addresses.is_empty());
        assert!(addresses.iter().all(|address| address.ip().is_loopback() && address.port() == 7));
    }

    #[test]
    fn names_under_invalid_are_not_known_and_nobody_is_asked() {
        for host in ["nowhere.invalid", "nowhere.INVALID.", "invalid"] {
            let error = SystemResolver::new().resolve(host, 7).now_or_never().unwrap().unwrap_err();
            assert_eq!(error.to_string(), "name not known");
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
        assert!(!is_invalid("invalid.example"));
        assert!(!is_invalid("notinvalid"));
    }

    #[test]
    fn what_the_system_says_is_the_source_of_our_sentence() {
        for (text, expected) in [
            ("Name or service not known", "name not known"),
            ("No address associated with hostname", "name not known"),
            ("Name does not resolve", "name not known"),
            ("Name has no usable address", "name not known"),
            ("nodename nor servname provided, or not known", "name not known"),
            ("Temporary failure in name resolution", "name lookup failed"),
            ("Try again", "name lookup failed"),
        ] {
            let text = format!("failed to lookup address information: {text}");
            let error = explain(io::Error::other(text.clone()));
            assert_eq!(error.to_string(), expected);
            assert_eq!(error.source().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_name_the_system_cannot_take_is_an_error() {
        let error = block_on(SystemResolver::new().resolve("local\0host", 7)).unwrap_err();
        assert_eq!(error.to_string(), "name lookup failed");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_question_nobody_waits_for_is_not_asked() {
        let resolver = SystemResolver::new();
        let mut stuck = Vec::new();
        for _ in 0..2 {
            let (key, lock) = mpsc::channel::<()>();
            let lookup = move || lock.recv().map(|()| Vec::new()).map_err(io::Error::other);
            let mut question = resolver.ask(lookup).boxed_local();
            assert!((&mut question).now_or_never().is_none());
            stuck.push((key, question));
        }
        let (ask, asked) = mpsc::channel();
        let given_up = resolver.ask(move || ask.send(()).map(|()| Vec::new()).map_err(io::Error::other));
        assert!(given_up.now_or_never().is_none());
        drop(stuck);
        assert!(asked.recv().is_err(), "the question was dropped and not asked");
    }

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

    #[async_trait(?Send)]
    impl Resolver for Table {
        async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
            assert!(host.ends_with("known"), "{host} was asked for");
            Ok(if host == "known" { vec![SocketAddr::from(([10, 0, 0, 1], port))] } else { Vec::new() })
        }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }
}

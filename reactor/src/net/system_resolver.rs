//! The resolver that asks the system.
//!
//! It calls `getaddrinfo` on threads rather than asking name servers itself, so names mean the same as in all other
//! programs of the machine, whatever `nsswitch.conf` has besides DNS (mDNS, LDAP, systemd-resolved, the machine's own
//! name). hickory, which is well kept and asynchronous, only knows what `/etc/hosts` and `resolv.conf` say, and would
//! add some sixty packages (0.26, without TLS) to the forty of this crate; a program that wants it can put it behind
//! [`Resolver`] in twenty lines. The weaknesses of threads are avoided: what needs no server is answered without one,
//! equal questions are joined, and a question that nobody waits for any more takes no thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, Shared, WeakShared};
use tokio::sync::Semaphore;

use crate::net::hosts;
use crate::net::resolver::{LookupError, Resolver, Resolving, not_known};
use crate::util::thread_pool::ThreadPool;

/// Looks names up on dedicated threads: a slow name server must not keep other work from its threads, nor the reverse.
pub(crate) struct SystemResolver {
    lookup: Rc<Lookup>,
    /// The questions under way, by name.
    questions: RefCell<HashMap<String, WeakShared<Question>>>,
}

/// The addresses have port 0.
type Answer = Result<Rc<[SocketAddr]>, LookupError>;
type Question = LocalBoxFuture<'static, Answer>;

/// Asks the system for one name. It may block for as long as the name servers are silent.
type Ask = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

struct Lookup {
    ask: Arc<Ask>,
    /// For `/etc/hosts` only: nothing here waits for a name server.
    files: ThreadPool,
    threads: ThreadPool,
    /// One for each thread. A lookup that was given up while it ran keeps its place until the system gives up, too.
    places: Arc<Semaphore>,
}

impl SystemResolver {
    /// Starts no thread until a name is asked for.
    pub(crate) fn new() -> Self {
        Self::asking(|name| (name, 0).to_socket_addrs().map(Iterator::collect))
    }

    fn asking(ask: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        let lookup = Lookup {
            ask: Arc::new(ask),
            files: ThreadPool::new("reactor-hosts", 1, MOST_WAITING),
            threads: ThreadPool::new("reactor-resolve", THREADS, THREADS),
            places: Arc::new(Semaphore::new(THREADS)),
        };
        Self { lookup: Rc::new(lookup), questions: RefCell::default() }
    }

    /// The addresses of `host`, without a port.
    async fn look_up(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        if let Some(address) = hosts::literal(host) {
            return Ok(vec![address]);
        }
        // RFC 6761, section 6.4: without a network, a server could only report a temporary failure.
        if last_label_is(host, "invalid") {
            return Err(not_known());
        }
        self.question(host.to_ascii_lowercase()).await.map(|addresses| addresses.to_vec()).map_err(|error| {
            let kind = error.source.as_ref().map_or(io::ErrorKind::Other, |source| source.kind());
            let is_unknown = error.message == NOT_KNOWN;
            io::Error::new(if is_unknown { io::ErrorKind::NotFound } else { kind }, error)
        })
    }

    /// The question for this name: the one under way, or a new one. It is dropped with the last caller that waits for
    /// it.
    fn question(&self, name: String) -> Shared<Question> {
        let mut questions = self.questions.borrow_mut();
        if let Some(question) = questions.get(&name).and_then(WeakShared::upgrade) {
            return question;
        }
        if questions.len() == questions.capacity() {
            questions.retain(|_, question| question.upgrade().is_some());
        }
        let lookup = Rc::clone(&self.lookup);
        let asked = name.clone();
        let question = async move { lookup.look_up(asked).await }.boxed_local().shared();
        if let Some(weak) = question.downgrade() {
            questions.insert(name, weak);
        }
        question
    }
}

impl Lookup {
    async fn look_up(&self, name: String) -> Answer {
        let asked = name.clone();
        if let Ok(addresses) = self.files.run(move || hosts::look_up(&asked)).await
            && !addresses.is_empty()
        {
            return Ok(addresses.into());
        }
        if last_label_is(&name, "localhost") {
            return Ok([Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]
                .map(|ip| SocketAddr::new(ip, 0))
                .into());
        }
        // A question that was dropped no longer waits for a place.
        let place = Arc::clone(&self.places).acquire_owned().await;
        let ask = Arc::clone(&self.ask);
        let answer = self.threads.run(move || {
            let answer = ask(&name);
            drop(place);
            answer
        });
        match answer.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(addresses) => Ok(addresses.into()),
            Err(error) => Err(explain(error)),
        }
    }
}

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(async move {
            let mut addresses = self.look_up(host).await?;
            addresses.iter_mut().for_each(|address| address.set_port(port));
            Ok(addresses)
        })
    }
}

/// Whether `host` is this label, or ends in it.
fn last_label_is(host: &str, label: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case(label))
}

/// Replaces the system's text by a sentence; the system's error becomes its source.
///
/// The standard library passes on the text of getaddrinfo's code and not the code. A text that is not in the list makes
/// the sentence less definite, never wrong.
fn explain(error: io::Error) -> LookupError {
    const TEXTS: [&str; 4] = [
        "not known",             // EAI_NONAME: glibc, macOS
        "No address associated", // EAI_NODATA: glibc, macOS
        "Name does not resolve", // EAI_NONAME: musl
        "no usable address",     // EAI_NODATA: musl
    ];
    let text = error.to_string();
    let message = if TEXTS.iter().any(|known| text.contains(known)) { NOT_KNOWN } else { "name lookup failed" };
    LookupError { message, source: Some(Arc::new(error)) }
}

pub(crate) const NOT_KNOWN: &str = "name not known";

/// Each lookup may wait for half a minute while name servers are silent.
const THREADS: usize = 32;

/// How many names may wait to be looked up in the table.
const MOST_WAITING: usize = 65_536;

#[cfg(test)]
mod tests;

//! A SOCKS proxy, versions 4, 4a and 5: [`Socks`], whose rule decides about each [`SocksRequest`]. Twisted's
//! `protocols.socks`.

pub(crate) mod parser;
pub(crate) mod request;

pub use request::{SocksName, SocksRequest};

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Future, ready};
use std::mem::take;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use std::{fmt, io, vec};

use reactor::connect::ConnectErrorKind;
use reactor::net::ConnectOptions;
use reactor::{Address, CloseReason, ConnectError, DelayedCall, Factory, OnEof, Protocol, Transport};

use crate::forward::splice::{Forward, HALF_CLOSED};
use crate::socks::parser::{
    CONNECT, Malformed, Message, NO_METHOD, NO_PASSWORD, PASSWORD, PASSWORD_ACCEPTED, PASSWORD_REFUSED, Reply, Request,
    Stage, Version, parse, reply,
};

/// A factory of SOCKS servers, which connect clients to the targets that they name. Versions 4, 4a and 5 (RFC 1928) are
/// distinguished by the first byte. Twisted's `SOCKSv4Factory`, which supports 4 and 4a.
///
/// A rule decides about each request. No default allows everything, because such a server gives its clients access to
/// everything that its machine can reach:
///
/// ```no_run
/// use protocols::socks::Socks;
/// use reactor::Reactor;
///
/// let reactor = Reactor::new()?;
/// let socks = Socks::new(|request| request.address.port() == 443 && !request.address.ip().is_loopback());
/// reactor.listen_tcp("127.0.0.1:1080", socks)?;
/// reactor.run()
/// # ?; Ok::<(), std::io::Error>(())
/// ```
///
/// The server resolves names, and calls the rule for each address of a name; the allowed addresses are tried one after
/// another, each for ten seconds. Before a lookup, the rule of [`allow_names`](Self::allow_names) is called. A peer, an
/// IPv4 address or an IPv6 network of 64 bits, may have eight lookups under way; more are refused. A client that is not
/// connected within thirty seconds is told so, and closed. From then on everything is as with
/// [`PortForward`](crate::forward::PortForward), and nothing that the client sent early is lost.
///
/// Only the command `CONNECT` is supported; `BIND` and `UDP ASSOCIATE` are answered as unsupported.
pub struct Socks {
    access: Rc<Access>,
    names: Option<Rc<NameRule>>,
    half_closed: Option<Duration>,
    /// The number of lookups that each peer has under way. No count is zero.
    lookups: Rc<RefCell<HashMap<Address, usize>>>,
}

type NameRule = dyn Fn(&SocksName) -> bool;

/// Who may do what.
struct Access {
    rule: Box<dyn Fn(&SocksRequest) -> bool>,
    /// `None` if no authentication is needed.
    check: Option<Box<dyn Fn(String, String) -> Checked>>,
}

type Checked = Pin<Box<dyn Future<Output = bool>>>;

impl Socks {
    /// Serves the requests that `rule` allows, for all clients. The user id of a version 4 client is ignored.
    pub fn new(rule: impl Fn(&SocksRequest) -> bool + 'static) -> Self {
        Self::with_access(Access { rule: Box::new(rule), check: None })
    }

    /// Serves only clients with a user and password (RFC 1929) for which `check` returns true; `rule` sees the user.
    /// Version 4 has no passwords, so its clients are refused.
    ///
    /// Both are sent in clear text: anyone on the network can read them.
    ///
    /// ```
    /// use protocols::socks::Socks;
    ///
    /// let socks = Socks::with_password(
    ///     async |user, password| user == "me" && password == "secret",
    ///     |request| request.user.is_some() && request.address.port() == 443,
    /// );
    /// ```
    pub fn with_password(
        check: impl AsyncFn(String, String) -> bool + 'static,
        rule: impl Fn(&SocksRequest) -> bool + 'static,
    ) -> Self {
        let check = Rc::new(check);
        let check = move |user, password| {
            let check = Rc::clone(&check);
            Box::pin(async move { check(user, password).await }) as Checked
        };
        Self::with_access(Access { rule: Box::new(rule), check: Some(Box::new(check)) })
    }

    fn with_access(access: Access) -> Self {
        Self { access: Rc::new(access), names: None, half_closed: Some(HALF_CLOSED), lookups: Rc::default() }
    }

    /// Looks up only names that `rule` allows, so that clients cannot make the server query names of targets that they
    /// may not reach anyway.
    ///
    /// ```
    /// use protocols::socks::Socks;
    ///
    /// let socks = Socks::new(|request| request.address.port() == 443)
    ///     .allow_names(|name| name.port == 443 && name.host.ends_with(".example.org"));
    /// ```
    #[must_use]
    pub fn allow_names(mut self, rule: impl Fn(&SocksName) -> bool + 'static) -> Self {
        self.names = Some(Rc::new(rule));
        self
    }

    /// As [`PortForward::half_closed_timeout`](crate::forward::PortForward::half_closed_timeout): how long one peer may be
    /// silent after the other has ended its stream. Default: five minutes; `None` is no limit.
    #[must_use]
    pub fn half_closed_timeout(mut self, silence: Option<Duration>) -> Self {
        self.half_closed = silence;
        self
    }
}

impl Factory for Socks {
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        let limit = transport.call_later(LIMIT, SocksServer::out_of_time);
        Some(Box::new(SocksServer {
            transport,
            access: Rc::clone(&self.access),
            names: self.names.clone(),
            half_closed: self.half_closed,
            lookups: Rc::clone(&self.lookups),
            input: Rc::default(),
            stage: Some(Stage::Greeting),
            version: Version::V5,
            user: None,
            addresses: Vec::new().into_iter(),
            limit,
            forward: None,
        }))
    }
}

impl fmt::Debug for Socks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socks").field("with_password", &self.access.check.is_some()).finish_non_exhaustive()
    }
}

struct SocksServer {
    transport: Transport,
    access: Rc<Access>,
    names: Option<Rc<NameRule>>,
    half_closed: Option<Duration>,
    lookups: Rc<RefCell<HashMap<Address, usize>>>,
    /// Bytes received and not yet parsed; while no message is expected, bytes for the target.
    input: Rc<RefCell<Vec<u8>>>,
    /// The expected message; `None` while the client waits and reading is paused.
    stage: Option<Stage>,
    version: Version,
    /// The authenticated user.
    user: Option<String>,
    /// The addresses still to try.
    addresses: vec::IntoIter<SocketAddr>,
    limit: DelayedCall,
    /// Set from the first attempt on.
    forward: Option<Forward>,
}

impl Protocol for SocksServer {
    fn data_received(&mut self, data: &[u8]) {
        match &self.forward {
            Some(forward) => forward.data_received(data),
            None => {
                self.input.borrow_mut().extend_from_slice(data);
                self.negotiate();
            }
        }
    }

    fn eof_received(&mut self) -> OnEof {
        match &self.forward {
            Some(forward) => forward.eof_received(),
            None if self.stage.is_none() => OnEof::NotYet,
            None => OnEof::Close,
        }
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        if let Some(forward) = &self.forward {
            forward.connection_lost(&reason);
        }
    }
}

impl SocksServer {
    /// Processes the received bytes as far as possible.
    fn negotiate(&mut self) {
        while let Some(stage) = self.stage
            && !self.transport.is_closing()
        {
            let parsed = parse(stage, &self.input.borrow());
            match parsed {
                Ok(Some((message, length))) => {
                    self.input.borrow_mut().drain(..length);
                    self.message(message);
                }
                Ok(None) => return,
                Err(Malformed(answer)) => self.close_with(&answer),
            }
        }
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Methods { none, password } => {
                let (method, stage) = match &self.access.check {
                    Some(_) if password => (PASSWORD, Stage::Password),
                    None if none => (NO_PASSWORD, Stage::Request),
                    _ => return self.close_with(&[5, NO_METHOD]),
                };
                self.transport.write([5, method]);
                self.stage = Some(stage);
            }
            Message::Password { user, password } => self.check(user, password),
            Message::Request(request) => self.request(request),
        }
    }

    fn check(&mut self, user: String, password: String) {
        let Some(check) = &self.access.check else { return };
        let checked = check(user.clone(), password);
        self.have_client_wait();
        self.transport.defer(checked, move |this: &mut Self, accepted| {
            if !accepted {
                return this.close_with(&PASSWORD_REFUSED);
            }
            this.user = Some(user);
            this.transport.write(PASSWORD_ACCEPTED);
            this.stage = Some(Stage::Request);
            this.transport.resume_reading();
            this.negotiate();
        });
    }

    fn request(&mut self, request: Request) {
        self.version = request.version;
        if self.access.check.is_some() && self.user.is_none() {
            return self.refuse(Reply::NotAllowed);
        }
        if request.command != CONNECT {
            return self.refuse(Reply::CommandNotSupported);
        }
        let Request { host, port, .. } = request;
        let is_name = host.parse::<IpAddr>().is_err();
        if is_name && !self.allows_name(&host, port) {
            return self.refuse(Reply::NotAllowed);
        }
        let Some(under_way) = UnderWay::begin(&self.lookups, self.transport.peer().network()) else {
            return self.refuse(Reply::Failed);
        };
        self.have_client_wait();
        let addresses = self.transport.reactor().resolve((&*host, port));
        let addresses = async move {
            let _under_way = under_way;
            addresses.await
        };
        self.transport.defer(addresses, move |this: &mut Self, addresses| match addresses {
            Ok(addresses) => this.resolved(&host, addresses),
            Err(_) => this.refuse(Reply::HostUnreachable),
        });
    }

    fn resolved(&mut self, host: &str, mut addresses: Vec<SocketAddr>) {
        for address in &mut addresses {
            // In canonical form, so that an address written as IPv6 does not bypass a rule about IPv4.
            address.set_ip(address.ip().to_canonical());
        }
        addresses.retain(|address| self.allows(host, *address));
        self.addresses = addresses.into_iter();
        self.connect_to_next(Reply::NotAllowed);
    }

    fn allows_name(&self, host: &str, port: u16) -> bool {
        let (client, user, host) = (self.transport.peer(), self.user.clone(), host.to_owned());
        self.names.as_ref().is_none_or(|rule| rule(&SocksName { client, user, host, port }))
    }

    fn allows(&self, host: &str, address: SocketAddr) -> bool {
        let (client, user, host) = (self.transport.peer(), self.user.clone(), host.to_owned());
        // Some systems take the unspecified address for the loopback of this machine.
        !address.ip().is_unspecified() && (self.access.rule)(&SocksRequest { client, user, host, address })
    }

    /// Tries the next address; without one, sends this reply.
    fn connect_to_next(&mut self, otherwise: Reply) {
        let Some(address) = self.addresses.next() else { return self.refuse(otherwise) };
        let established = {
            let (client, version) = (self.transport.clone(), self.version);
            let (early, limit) = (Rc::clone(&self.input), self.limit.clone());
            move |outgoing: &Transport| {
                limit.cancel();
                client.write(reply(version, Reply::Granted, outgoing.host().socket_addr()));
                outgoing.write(take(&mut *early.borrow_mut()));
            }
        };
        let client = self.transport.clone();
        let failed = move |error| {
            client.defer(ready(error), |this: &mut Self, error| this.connect_to_next(reply_to(&error)));
        };
        let target = ConnectOptions::new(address).deadline(Some(ATTEMPT));
        self.forward = Some(Forward::connect(&self.transport, target, self.half_closed, established, failed));
    }

    fn have_client_wait(&mut self) {
        self.stage = None;
        self.transport.pause_reading();
    }

    fn refuse(&self, why: Reply) {
        self.close_with(&reply(self.version, why, None));
    }

    fn close_with(&self, answer: &[u8]) {
        self.transport.write(answer);
        self.transport.lose_connection();
    }

    fn out_of_time(&mut self) {
        if self.stage.is_none() {
            self.refuse(Reply::TimedOut);
        } else {
            self.transport.fail_connection(CloseReason::TimedOut);
        }
    }
}

/// A lookup for a peer, until it is dropped.
struct UnderWay {
    lookups: Rc<RefCell<HashMap<Address, usize>>>,
    peer: Address,
}

impl UnderWay {
    /// `None` if the peer has the maximum under way.
    fn begin(lookups: &Rc<RefCell<HashMap<Address, usize>>>, peer: Address) -> Option<Self> {
        let mut counts = lookups.borrow_mut();
        let count = counts.entry(peer.clone()).or_default();
        if *count >= LOOKUPS_OF_A_PEER {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Self { lookups: Rc::clone(lookups), peer })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut counts = self.lookups.borrow_mut();
        if let Some(count) = counts.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.peer);
            }
        }
    }
}

fn reply_to(error: &ConnectError) -> Reply {
    let network_is = |kind| error.attempts().first().is_some_and(|(_, error)| error.kind() == kind);
    match error.kind() {
        ConnectErrorKind::Refused => Reply::Refused,
        ConnectErrorKind::Unreachable if network_is(io::ErrorKind::NetworkUnreachable) => Reply::NetworkUnreachable,
        ConnectErrorKind::Unreachable => Reply::HostUnreachable,
        ConnectErrorKind::TimedOut | ConnectErrorKind::Deadline(_) => Reply::TimedOut,
        _ => Reply::Failed,
    }
}

/// The time from the start of the client's connection to that of the target's.
const LIMIT: Duration = Duration::from_secs(30);

/// So that with a silent name server one peer does not take all lookups.
const LOOKUPS_OF_A_PEER: usize = 8;

/// The time limit for one address.
const ATTEMPT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;

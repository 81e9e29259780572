//! What descriptions of endpoints may begin with.

mod accept_limits;
pub(crate) mod exec;
pub(crate) mod inherited;
pub(crate) mod sim;
pub(crate) mod stdio;
pub(crate) mod tcp;
pub(crate) mod unix;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::endpoint::{Arguments, ClientEndpoint, EndpointError, ServerEndpoint};
use crate::reactor::Reactor;
use crate::reactor::parts::Part;
use crate::util::panics::log_panic;

/// Makes the endpoint that a description is of, or says what is wrong with that. Nothing is opened or resolved.
pub(super) type Parse<E> = dyn Fn(&Reactor, &mut Arguments) -> Result<Box<E>, EndpointError>;

/// The schemes of a reactor that others have added, and those that have to be allowed and are.
#[derive(Default)]
pub(crate) struct Schemes {
    servers: Added<dyn ServerEndpoint>,
    clients: Added<dyn ClientEndpoint>,
    allowed: RefCell<BTreeSet<String>>,
}

type Added<E> = RefCell<BTreeMap<String, Rc<Parse<E>>>>;

impl Part for Schemes {
    /// Drops what users have added.
    fn clear(&self) {
        let added = (self.servers.take(), self.clients.take());
        log_panic("drop of a scheme", || drop(added));
    }
}

/// What to listen on, by a description such as `tcp:8007:interface=127.0.0.1`. Twisted's `serverFromString`.
///
/// | description | is |
/// |---|---|
/// | `tcp:PORT` | a TCP port of all IPv4 interfaces, or of the address `interface=`, of either family |
/// | `tcp6:PORT` | a TCP port of all interfaces, for IPv6 and IPv4 at once, or of the IPv6 address `interface=` |
/// | `unix:PATH` | a UNIX socket, or by `@` an abstract name; `mode=` are the permissions of its file, in octal (666); it is [locked](crate::unix::UnixListenOptions::lock), unless `lockfile=no` |
/// | `stdio:` * | standard input and output as the only connection, see [`Reactor::stdio`]; the port closes when that ends |
/// | `systemd:name=NAME` * or `systemd:index=N` | a socket that the service manager has opened for this program (`LISTEN_FDS`), the next of this name, or the one with this index, from 0; with `domain=` (`INET`, `INET6` or `UNIX`) only if it is of that family |
/// | `fd:N` * | a listening socket that this program was started with, by its number; in place of 0, 1 and 2 there is `/dev/null` then |
/// | `sim:HOST:PORT` | a port of a host of the simulation that the reactor is in |
///
/// Those with a * take what this process has, and have to be [allowed](Reactor::allow_endpoint_schemes).
///
/// TCP and UNIX sockets have `backlog=`, how many connections may wait (1,024). These, the inherited and the simulated ones have limits, each
/// a number or `none`:
///
/// | keyword | is |
/// |---|---|
/// | `max-connections=` | [`ListenOptions::max_connections`](crate::net::ListenOptions::max_connections) |
/// | `per-peer=` | [`ListenOptions::max_connections_per_peer`](crate::net::ListenOptions::max_connections_per_peer), not on UNIX sockets; `none` behind a proxy |
/// | `max-pending=` | [`ListenOptions::max_pending`](crate::net::ListenOptions::max_pending) |
/// | `pending-per-peer=` | [`ListenOptions::max_pending_per_peer`](crate::net::ListenOptions::max_pending_per_peer), likewise |
/// | `rate=` | [`ListenOptions::accept_rate`](crate::net::ListenOptions::accept_rate), in a second and at once |
///
/// What stands in turn may have its keyword,
/// too, as in `tcp:port=8007`. Other crates [add schemes](Reactor::add_server_scheme).
///
/// A colon parts arguments, and the first `=` in one a keyword from its value. To stand for themselves they have a
/// backslash before them, as in `interface=\:\:1`: see [`quote_string_argument`](crate::endpoint::quote_string_argument).
///
/// A socket that the program was started with is taken when it is listened on, once in the whole process; a second
/// time is an error. By its number only such a one can be taken, and none that the program has opened itself.
///
/// ```
/// use reactor::{Protocol, Reactor, Transport};
/// use reactor::endpoint::server_from_string;
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// let reactor = Reactor::new()?;
/// let endpoint = server_from_string(&reactor, "tcp:0:interface=127.0.0.1")?;
/// let port = reactor.run_until(async move {
///     endpoint.listen(Box::new(|transport| Echo { transport })).await
/// })??;
/// println!("listening on {}", port.host());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Whatever is wrong with the description is found here, while nothing is opened yet: whether it can be listened on,
/// only [`listen`](ServerEndpoint::listen) finds out.
pub fn server_from_string(reactor: &Reactor, description: &str) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
    Arguments::parse(description)?.server_endpoint(reactor)
}

/// What to connect to, by a description such as `tcp:example.org:8007`. Twisted's `clientFromString`.
///
/// | description | is |
/// |---|---|
/// | `tcp:HOST:PORT` | a TCP port of a host, by its name or address; names are resolved to both families, and raced, see [`Reactor::connect_tcp`]; `bindAddress=` is the local address |
/// | `unix:PATH` | a UNIX socket, or by `@` an abstract name |
/// | `exec:PROGRAM:ARGUMENT…` | a program, which is started as the peer, see [`Reactor::connect_process`]; it has to be [allowed](Reactor::allow_endpoint_schemes) |
/// | `sim:HOST:PORT` | a port of a host of the simulation that the reactor is in |
///
/// TCP and UNIX sockets have `timeout=`, how many seconds an attempt may take (30); on a UNIX socket it takes no time.
/// Otherwise all is as with [`server_from_string`].
///
/// ```no_run
/// use reactor::{Protocol, Reactor, Transport};
/// use reactor::endpoint::client_from_string;
/// # struct Client { transport: Transport }
/// # impl Protocol for Client { fn data_received(&mut self, _: &[u8]) {} }
///
/// let reactor = Reactor::new()?;
/// let endpoint = client_from_string(&reactor, "tcp:localhost:21567:timeout=2.5")?;
/// reactor.run_until(async move {
///     let transport = endpoint.connect(Box::new(|transport| Client { transport })).await?;
///     transport.finished().await;
///     Ok::<_, reactor::ConnectError>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// As [`server_from_string`].
pub fn client_from_string(reactor: &Reactor, description: &str) -> Result<Box<dyn ClientEndpoint>, EndpointError> {
    Arguments::parse(description)?.client_endpoint(reactor)
}

impl Reactor {
    /// Makes [`server_from_string`] know descriptions that begin with `scheme`, in place of what they meant before.
    /// `parse` makes the endpoint from their arguments. Twisted's plugins, but nobody else is concerned.
    ///
    /// An endpoint around another takes the [rest](Arguments::rest) of the description for that:
    ///
    /// ```
    /// use std::fmt;
    /// use std::io;
    /// use async_trait::async_trait;
    /// use reactor::{Factory, Port, Reactor};
    /// use reactor::endpoint::{Arguments, ServerEndpoint, server_from_string};
    ///
    /// /// Says that it listens.
    /// struct Loud { arguments: Arguments, greeting: String, inside: Box<dyn ServerEndpoint> }
    ///
    /// #[async_trait(?Send)]
    /// impl ServerEndpoint for Loud {
    ///     async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port> {
    ///         let port = self.inside.listen(factory).await?;
    ///         println!("{}: {}", self.greeting, port.host());
    ///         Ok(port)
    ///     }
    /// }
    ///
    /// impl fmt::Display for Loud {
    ///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    ///         self.arguments.fmt(f)
    ///     }
    /// }
    ///
    /// let reactor = Reactor::new()?;
    /// reactor.add_server_scheme("loud", |reactor, arguments| {
    ///     let inside = arguments.rest()?.server_endpoint(reactor)?;
    ///     let greeting = arguments.optional("greeting")?;
    ///     let greeting = greeting.map_or_else(|| "hear, hear".to_owned(), |greeting| greeting.to_string());
    ///     Ok(Box::new(Loud { arguments: arguments.clone(), greeting, inside }))
    /// });
    /// server_from_string(&reactor, "loud:greeting=here I am:tcp:8007")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_server_scheme(
        &self,
        scheme: &str,
        parse: impl Fn(&Self, &mut Arguments) -> Result<Box<dyn ServerEndpoint>, EndpointError> + 'static,
    ) {
        let old = self.0.parts.get::<Schemes>().servers.borrow_mut().insert(scheme.to_owned(), Rc::new(parse));
        drop(old);
    }

    /// The same for [`client_from_string`].
    pub fn add_client_scheme(
        &self,
        scheme: &str,
        parse: impl Fn(&Self, &mut Arguments) -> Result<Box<dyn ClientEndpoint>, EndpointError> + 'static,
    ) {
        let old = self.0.parts.get::<Schemes>().clients.borrow_mut().insert(scheme.to_owned(), Rc::new(parse));
        drop(old);
    }
}

impl Reactor {
    /// Lets descriptions of endpoints begin with these schemes, too, which do more than to talk over a network: `exec` runs a
    /// program, and `fd`, `stdio` and `systemd` take descriptors of this process. A program that is told where to connect to
    /// need not be told what to run: so allow them where the descriptions come from the one who runs the program, or by an
    /// option of its own.
    ///
    /// ```
    /// use reactor::Reactor;
    /// use reactor::endpoint::client_from_string;
    ///
    /// let reactor = Reactor::new()?;
    /// let error = client_from_string(&reactor, "exec:cat").unwrap_err();
    /// assert_eq!(error.to_string(), "exec:cat: \"exec\" (at 0) is not allowed here: it runs a program");
    /// reactor.allow_endpoint_schemes(&["exec"]);
    /// client_from_string(&reactor, "exec:cat")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If one of them is none that has to be allowed.
    #[track_caller]
    pub fn allow_endpoint_schemes(&self, schemes: &[&str]) {
        for scheme in schemes {
            let is_known = is_guarded(SERVERS, scheme) || is_guarded(CLIENTS, scheme);
            assert!(is_known, "{scheme:?} is not a scheme that has to be allowed");
            self.0.parts.get::<Schemes>().allowed.borrow_mut().insert((*scheme).to_owned());
        }
    }

    fn offers(&self, scheme: &str, when: Offered) -> bool {
        match when {
            Offered::Always => true,
            Offered::InSimulations => self.0.simulated().is_some(),
            Offered::IfAllowed(_) => self.0.parts.get::<Schemes>().allowed.borrow().contains(scheme),
        }
    }
}

impl Arguments {
    /// The endpoint to listen on that this describes: for one inside another.
    ///
    /// # Errors
    ///
    /// As [`server_from_string`].
    pub fn server_endpoint(self, reactor: &Reactor) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
        let schemes = reactor.0.parts.get::<Schemes>();
        self.endpoint(reactor, &schemes.servers, SERVERS)
    }

    /// The endpoint to connect to that this describes: for one inside another.
    ///
    /// # Errors
    ///
    /// As [`client_from_string`].
    pub fn client_endpoint(self, reactor: &Reactor) -> Result<Box<dyn ClientEndpoint>, EndpointError> {
        let schemes = reactor.0.parts.get::<Schemes>();
        self.endpoint(reactor, &schemes.clients, CLIENTS)
    }

    fn endpoint<E: ?Sized>(
        mut self,
        reactor: &Reactor,
        added: &Added<E>,
        built_in: &'static [BuiltIn<E>],
    ) -> Result<Box<E>, EndpointError> {
        let parse = added.borrow().get(self.scheme()).cloned();
        let built_in_parse = built_in.iter().find(|(scheme, ..)| *scheme == self.scheme());
        let endpoint = match (parse, built_in_parse) {
            (Some(parse), _) => parse(reactor, &mut self)?,
            (None, Some((scheme, when, parse))) if reactor.offers(scheme, *when) => parse(reactor, &mut self)?,
            (None, Some((_, Offered::IfAllowed(what), _))) => {
                return Err(self.scheme_error(format_args!("is not allowed here: {what}")));
            }
            (None, _) => {
                let added = added.borrow();
                let built_in = built_in.iter().filter(|(scheme, when, _)| reactor.offers(scheme, *when));
                let built_in = built_in.map(|(scheme, ..)| *scheme);
                let known: BTreeSet<&str> = built_in.chain(added.keys().map(String::as_str)).collect();
                let known = known.into_iter().collect::<Vec<_>>().join(", ");
                return Err(self.scheme_error(format_args!("is not a scheme: those known are {known}")));
            }
        };
        self.finish().map(|()| endpoint)
    }
}

/// A scheme, when there is such, and what reads the rest of the description.
type BuiltIn<E> = (&'static str, Offered, fn(&Reactor, &mut Arguments) -> Result<Box<E>, EndpointError>);

#[derive(Clone, Copy)]
enum Offered {
    Always,
    InSimulations,
    /// Because of what it does.
    IfAllowed(&'static str),
}

fn is_guarded<E: ?Sized>(built_in: &[BuiltIn<E>], scheme: &str) -> bool {
    built_in.iter().any(|(other, when, _)| *other == scheme && matches!(when, Offered::IfAllowed(_)))
}

const SERVERS: &[BuiltIn<dyn ServerEndpoint>] = &[
    ("fd", Offered::IfAllowed("it takes a descriptor of this process"), inherited::by_number),
    ("sim", Offered::InSimulations, sim::server),
    ("stdio", Offered::IfAllowed("it takes the standard input and output of this process"), stdio::server),
    ("systemd", Offered::IfAllowed("it takes a descriptor of this process"), inherited::by_systemd),
    ("tcp", Offered::Always, tcp::server),
    ("tcp6", Offered::Always, tcp::server_of_both_families),
    ("unix", Offered::Always, unix::server),
];

const CLIENTS: &[BuiltIn<dyn ClientEndpoint>] = &[
    ("exec", Offered::IfAllowed("it runs a program"), exec::client),
    ("sim", Offered::InSimulations, sim::client),
    ("tcp", Offered::Always, tcp::client),
    ("unix", Offered::Always, unix::client),
];

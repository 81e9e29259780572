//! The schemes that descriptions of endpoints may begin with.

mod accept_limits;
pub(crate) mod exec;
pub(crate) mod inherited;
pub(crate) mod sim;
pub(crate) mod stdio;
pub(crate) mod tcp;
pub(crate) mod unix;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::endpoint::{Arguments, ClientEndpoint, EndpointError, ServerEndpoint};
use crate::reactor::Reactor;
use crate::reactor::parts::Part;
use crate::time::panic_log::log_panic;

/// Makes the endpoint from its description, or returns what is wrong with it. Opens and resolves nothing.
pub(super) type Parse<E> = dyn Fn(&Reactor, &mut Arguments) -> Result<Box<E>, EndpointError>;

/// The schemes added to a reactor, and those that it allows.
#[derive(Default)]
pub(crate) struct Schemes {
    servers: Added<dyn ServerEndpoint>,
    clients: Added<dyn ClientEndpoint>,
    allowed: RefCell<HashSet<String>>,
}

type Added<E> = RefCell<HashMap<String, Rc<Parse<E>>>>;

impl Part for Schemes {
    /// Drops the added schemes.
    fn clear(&self) {
        let added = (self.servers.take(), self.clients.take());
        log_panic("drop of a scheme", || drop(added));
    }
}

/// Makes an endpoint to listen on from a description such as `tcp:8007:interface=127.0.0.1`. Twisted's
/// `serverFromString`.
///
/// | description | endpoint |
/// |---|---|
/// | `tcp:PORT` | a TCP port on all IPv4 interfaces, or on the address `interface=`, of either family |
/// | `tcp6:PORT` | a TCP port on all interfaces, for IPv6 and IPv4 at once, or on the IPv6 address `interface=` |
/// | `unix:PATH` | a UNIX socket, or with `@` an abstract name; `mode=` sets the permissions of its file, in octal (666); it is [locked](crate::unix::UnixListenOptions::lock), unless `lockfile=no`; `descriptors=yes` lets clients [send descriptors](crate::unix::UnixListenOptions::receive_file_descriptors) |
/// | `stdio:` * | standard input and output as the only connection, see [`Reactor::stdio`]; the port closes when that ends |
/// | `systemd:name=NAME` * or `systemd:index=N` | a socket that the service manager has opened for this program (`LISTEN_FDS`): the next with this name, or the one with this index, from 0; with `domain=` (`INET`, `INET6` or `UNIX`) only if it is of that family |
/// | `fd:N` * | a listening socket that this program was started with, by its number; afterwards 0, 1 and 2 refer to `/dev/null` |
/// | `sim:HOST:PORT` | a port of a host of the simulation that the reactor is in |
///
/// Those with a * use what this process has, and must be [allowed](Reactor::allow_endpoint_schemes).
///
/// TCP and UNIX sockets have `backlog=`, the number of connections that may wait (1,024). These, inherited and
/// simulated sockets have limits, each a number or `none`:
///
/// | keyword | option |
/// |---|---|
/// | `max-connections=` | [`AcceptLimits::connections`](crate::port::AcceptLimits::connections) |
/// | `per-peer=` | [`AcceptLimits::per_peer`](crate::port::AcceptLimits::per_peer), not on UNIX sockets; `none` behind a proxy |
/// | `max-pending=` | [`AcceptLimits::pending`](crate::port::AcceptLimits::pending) |
/// | `pending-per-peer=` | [`AcceptLimits::pending_per_peer`](crate::port::AcceptLimits::pending_per_peer), likewise |
/// | `rate=` | [`AcceptLimits::rate`](crate::port::AcceptLimits::rate), per second and as a burst |
///
/// TCP sockets, including those of clients, have `keep-alive=`, the seconds of silence after which the peer is probed
/// (300), or `none`; `keep-alive-interval=`, the seconds between two probes (a tenth of that); and `keep-alive-count=`,
/// how many probes may stay unanswered (9).
///
/// Positional arguments may also be given by keyword, as in `tcp:port=8007`. Other crates can
/// [add schemes](Reactor::add_server_scheme).
///
/// A colon separates arguments, and the first `=` in an argument separates a keyword from its value. To stand for
/// themselves they need a backslash before them, as in `interface=\:\:1`: see
/// [`quote_string_argument`](crate::endpoint::quote_string_argument).
///
/// A socket that the program was started with is taken when it is listened on, once in the whole process; a second time
/// is an error. A number can only name such a socket, not one that the program has opened itself.
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
/// If the description is wrong. Nothing is opened here: only [`listen`](ServerEndpoint::listen) finds out whether the
/// endpoint can be listened on.
pub fn server_from_string(reactor: &Reactor, description: &str) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
    Arguments::parse(description)?.server_endpoint(reactor)
}

/// Makes an endpoint to connect to from a description such as `tcp:example.org:8007`. Twisted's `clientFromString`.
///
/// | description | endpoint |
/// |---|---|
/// | `tcp:HOST:PORT` | a TCP port of a host, by name or address; names are resolved to both families, which are raced, see [`Reactor::connect_tcp`]; `bindAddress=` is the local address |
/// | `unix:PATH` | a UNIX socket, or with `@` an abstract name |
/// | `exec:PROGRAM:ARGUMENT…` | a program, which is started as the peer, see [`Reactor::connect_process`]; it must be [allowed](Reactor::allow_endpoint_schemes) |
/// | `sim:HOST:PORT` | a port of a host of the simulation that the reactor is in |
///
/// TCP and UNIX sockets have `timeout=`, the maximum number of seconds of an attempt (30); on a UNIX socket it takes no
/// time. Everything else is as with [`server_from_string`].
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
    /// Adds a scheme to [`server_from_string`], replacing any earlier meaning of `scheme`. `parse` makes the endpoint
    /// from the description's arguments. Like Twisted's plugins, but for this reactor only.
    ///
    /// An endpoint around another takes the [rest](Arguments::rest) of the description for the inner one:
    ///
    /// ```
    /// use std::fmt;
    /// use std::io;
    /// use async_trait::async_trait;
    /// use reactor::{Factory, Port, Reactor};
    /// use reactor::endpoint::{Arguments, ServerEndpoint, server_from_string};
    ///
    /// /// Prints that it listens.
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

    /// Adds a scheme to [`client_from_string`], as [`add_server_scheme`](Self::add_server_scheme) does.
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
    /// Allows these schemes in descriptions of endpoints, which do more than talk over a network: `exec` runs a
    /// program, and `fd`, `stdio` and `systemd` take descriptors of this process. Permission to choose where to connect
    /// is not permission to choose what to run, so allow them only if the descriptions come from the person who runs
    /// the program, or by a separate option.
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
    /// If one of them is not a scheme that must be allowed.
    #[track_caller]
    pub fn allow_endpoint_schemes(&self, schemes: &[&str]) {
        for scheme in schemes {
            let is_known = is_guarded(SERVERS, scheme) || is_guarded(CLIENTS, scheme);
            assert!(is_known, "{scheme:?} is not a scheme that must be allowed");
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
    /// Makes the endpoint to listen on that this describes, for an endpoint around it.
    ///
    /// # Errors
    ///
    /// As [`server_from_string`].
    pub fn server_endpoint(self, reactor: &Reactor) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
        let schemes = reactor.0.parts.get::<Schemes>();
        self.endpoint(reactor, &schemes.servers, SERVERS)
    }

    /// Makes the endpoint to connect to that this describes, for an endpoint around it.
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
                let mut known: Vec<&str> = built_in.chain(added.keys().map(String::as_str)).collect();
                known.sort_unstable();
                known.dedup();
                let known = known.join(", ");
                return Err(self.scheme_error(format_args!("is not a scheme: those known are {known}")));
            }
        };
        self.finish().map(|()| endpoint)
    }
}

/// A scheme, its availability, and the function that reads the rest of the description.
type BuiltIn<E> = (&'static str, Offered, fn(&Reactor, &mut Arguments) -> Result<Box<E>, EndpointError>);

#[derive(Clone, Copy)]
enum Offered {
    Always,
    InSimulations,
    /// If allowed; the text says what it does.
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

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::{fmt, io};

use async_trait::async_trait;
use proptest::prelude::*;
use protocols::add_endpoint_schemes;
use reactor::endpoint::{
    Arguments, EndpointError, ServerEndpoint, client_from_string, quote_string_argument, server_from_string,
};
use reactor::net::{Resolver, Resolving};
use reactor::testing::Simulation;
use reactor::{Factory, Port, Reactor};

use crate::support::panic_of;

fn in_a_simulation() -> Reactor {
    // The reactor outlives it: nothing runs here.
    let reactor = Simulation::new(1).host("here");
    reactor.allow_endpoint_schemes(&["exec", "fd", "stdio", "systemd"]);
    reactor
}

fn server(description: &str) -> Result<String, String> {
    shown(server_from_string(&in_a_simulation(), description))
}

fn client(description: &str) -> Result<String, String> {
    shown(client_from_string(&in_a_simulation(), description))
}

fn shown<E: fmt::Debug>(endpoint: Result<E, EndpointError>) -> Result<String, String> {
    endpoint.map(|endpoint| format!("{endpoint:?}")).map_err(|error| error.to_string())
}

#[test]
fn s140_what_is_wrong_with_a_description_of_a_server_is_told_with_its_place() {
    for (description, problem) in [
        ("", "\"\" (at 0) is not a scheme: those known are fd, sim, stdio, systemd, tcp, tcp6, unix"),
        ("8007", "\"8007\" (at 0) is not a scheme: those known are fd, sim, stdio, systemd, tcp, tcp6, unix"),
        ("tcp=80", "\"tcp\" (at 0) is a keyword, where a scheme was expected"),
        ("tcp:80\\", "\"\\\\\" (at 6) is at the end: a backslash quotes the character after it"),
        ("tcp:80x:interface=::1", "\"80x\" (at 4) is not a port: a port is a number from 0 to 65535"),
        ("tcp:65536", "\"65536\" (at 4) is not a port: a port is a number from 0 to 65535"),
        ("tcp:", "the port is missing"),
        ("tcp", "the port is missing"),
        ("tcp::", "\"\" (at 4) is not a port: a port is a number from 0 to 65535"),
        ("tcp:interface=127.0.0.1", "the port is missing"),
        ("tcp:80:port=81", "\"81\" (at 12) is a second port"),
        ("tcp:80:backlog=5:backlog=5", "\"backlog\" (at 17) was already given"),
        (
            "tcp:80:interfce=127.0.0.1",
            "\"interfce\" (at 7) is not a keyword of tcp: it has port, interface, backlog, reuse-port, max-connections, max-pending, rate, per-peer, pending-per-peer, keep-alive, keep-alive-interval, keep-alive-count",
        ),
        ("tcp:80:interface=localhost", "\"localhost\" (at 17) is not an IP address"),
        (
            "tcp:80:127.0.0.1",
            "\"127.0.0.1\" (at 7) is an argument too many: tcp takes port (a colon in an argument is written \\:)",
        ),
        ("tcp:80:interface=::1", "\"\" (at 17) is not an IP address"),
        ("tcp:80:backlog=-1", "\"-1\" (at 15) is not a number from 0 to 2147483647"),
        ("tcp:80:per-peer=0", "\"0\" (at 16) is not a limit: a limit is a number from 1, or none"),
        ("tcp:80:max-connections=many", "\"many\" (at 23) is not a limit: a limit is a number from 1, or none"),
        ("tcp:80:rate=1.5", "\"1.5\" (at 12) is not a rate: a rate is a number of connections a second, or none"),
        ("tcp6:80:interface=127.0.0.1", "\"127.0.0.1\" (at 18) is not an IPv6 address"),
        ("unix:", "the path is missing"),
        ("unix:/a:mode=888", "\"888\" (at 13) is not a mode: a mode is an octal number up to 777"),
        ("unix:/a:mode=1777", "\"1777\" (at 13) is not a mode: a mode is an octal number up to 777"),
        ("unix:/a:mode=+7", "\"+7\" (at 13) is not a mode: a mode is an octal number up to 777"),
        ("unix:/a:lockfile=maybe", "\"maybe\" (at 17) is neither yes nor no"),
        (
            "unix:/a:per-peer=1",
            "\"per-peer\" (at 8) is not a keyword of unix: it has path, mode, backlog, lockfile, descriptors, max-connections, max-pending, rate",
        ),
        ("unix:@", "\"@\" (at 5) is not the address of a UNIX socket: the name is empty"),
        ("stdio:x", "\"x\" (at 6) is an argument too many: stdio takes none (a colon in an argument is written \\:)"),
        ("stdio:x=y", "\"x\" (at 6) is not a keyword of stdio: it has none"),
        ("fd:x", "\"x\" (at 3) is not the number of a descriptor"),
        ("fd:-1", "\"-1\" (at 3) is not the number of a descriptor"),
        ("systemd:", "systemd needs an index or a name"),
        ("systemd:domain=INET:index=0:name=web", "systemd takes an index or a name, not both"),
        ("systemd:domain=IPX:index=0", "\"IPX\" (at 15) is not a domain: those known are INET, INET6, UNIX"),
        ("systemd:index=first", "\"first\" (at 14) is not a number from 0 to 2147483647"),
        ("sim:here", "the port is missing"),
    ] {
        assert_eq!(server(description), Err(format!("{description}: {problem}")));
    }
    let long = format!("unix:/{}", "x".repeat(120));
    assert!(
        server(&long)
            .unwrap_err()
            .ends_with("the path is 121 bytes long, and the maximum is 107; choose a shorter one")
    );
}

#[test]
fn s140_what_is_wrong_with_a_description_of_a_client_is_told_with_its_place() {
    for (description, problem) in [
        ("localhost:80", "\"localhost\" (at 0) is not a scheme: those known are exec, sim, tcp, unix"),
        ("tcp::80", "\"\" (at 4) is not a host: a host is a name or an IP address"),
        ("tcp:localhost", "the port is missing"),
        ("tcp:port=80", "the host is missing"),
        ("tcp:localhost:http", "\"http\" (at 14) is not a port: a port is a number from 0 to 65535"),
        ("tcp:a:80:timeout=0", "\"0\" (at 17) is not a time: a time is a number of seconds, as in 30 or 0.5"),
        ("tcp:a:80:timeout=1e3", "\"1e3\" (at 17) is not a time: a time is a number of seconds, as in 30 or 0.5"),
        ("tcp:a:80:bindAddress=b", "\"b\" (at 21) is not an IP address"),
        ("unix:/a:timeout=x", "\"x\" (at 16) is not a time: a time is a number of seconds, as in 30 or 0.5"),
        ("unix:/a:mode=1", "\"mode\" (at 8) is not a keyword of unix: it has path, lockfile, timeout"),
        ("unix:/a:lockfile=maybe", "\"maybe\" (at 17) is neither yes nor no"),
        ("exec:", "the program is missing"),
        ("exec::", "\"\" (at 5) is not a program: a program is a name or a path"),
    ] {
        assert_eq!(client(description), Err(format!("{description}: {problem}")));
    }
}

#[test]
fn a_simulated_host_is_none_for_a_reactor_on_sockets() {
    let reactor = Reactor::new().unwrap();
    let problem = |known| format!("sim:a:80: \"sim\" (at 0) is not a scheme: those known are {known}");
    assert_eq!(server_from_string(&reactor, "sim:a:80").unwrap_err().to_string(), problem("tcp, tcp6, unix"));
    assert_eq!(client_from_string(&reactor, "sim:a:80").unwrap_err().to_string(), problem("tcp, unix"));
}

#[test]
fn what_runs_programs_or_takes_descriptors_has_to_be_allowed_also_inside_another() {
    let reactor = Reactor::new().unwrap();
    add_endpoint_schemes(&reactor);
    let clients = [("exec:cat", "\"exec\" (at 0)"), ("web:exec:cat", "\"exec\" (at 4)")];
    for (description, place) in clients {
        let error = client_from_string(&reactor, description).unwrap_err().to_string();
        assert_eq!(error, format!("{description}: {place} is not allowed here: it runs a program"));
    }
    for description in ["fd:3", "stdio:", "systemd:index=0", "haproxy:fd:3", "web:stdio:"] {
        let error = server_from_string(&reactor, description).unwrap_err().to_string();
        assert!(error.contains(" is not allowed here: it takes "), "{error}");
    }
    reactor.allow_endpoint_schemes(&["exec", "fd"]);
    for (description, _) in clients {
        client_from_string(&reactor, description).unwrap();
    }
    server_from_string(&reactor, "haproxy:fd:3").unwrap();
    server_from_string(&reactor, "stdio:").unwrap_err();
    let panic = panic_of(|| Reactor::new().unwrap().allow_endpoint_schemes(&["tcp"]));
    assert_eq!(panic.message, "\"tcp\" is not a scheme that must be allowed");
}

#[test]
fn s140_a_description_is_read_without_anything_being_resolved_and_shown_as_it_was() {
    struct Unasked;
    impl Resolver for Unasked {
        fn resolve<'a>(&'a self, host: &'a str, _port: u16) -> Resolving<'a> {
            panic!("asked for {host}")
        }
    }
    let reactor = in_a_simulation();
    reactor.set_resolver(Unasked);
    for description in [
        "tcp:80",
        "tcp:port=80:interface=\\:\\:1:backlog=5:reuse-port=yes",
        "tcp6:80:interface=fe80\\:\\:1%3",
        "unix:/no/such/directory/a\\=b:mode=600:lockfile=no",
        "unix:@name",
        "stdio:",
        "fd:1234",
        "systemd:domain=INET:index=7",
        "systemd:name=web",
        "sim:nobody:80",
    ] {
        assert_eq!(server_from_string(&reactor, description).unwrap().to_string(), description);
    }
    for description in [
        "tcp:example.invalid:80:timeout=0.5:bindAddress=127.0.0.1",
        "tcp:host=example.invalid:port=80",
        "tcp:\\:\\:1:80",
        "unix:/no/such/file:lockfile=yes:timeout=5",
        "exec:/no/such/program:--a=b",
        "sim:nobody:80",
    ] {
        assert_eq!(client_from_string(&reactor, description).unwrap().to_string(), description);
    }
    assert_eq!(server("stdio"), Ok("stdio:".to_owned()));
    assert_eq!(server("\\tcp:8\\0"), Ok("tcp:80".to_owned()));
}

/// What descriptions are made of, and what is not quite that.
fn descriptions() -> impl Strategy<Value = String> {
    let words = "tcp|tcp6|unix|stdio|fd|systemd|sim|exec|port|host|interface|backlog|mode|name|index|domain|timeout|80|7|\
        INET|yes|0\\.5|127\\.0\\.0\\.1|\\\\:\\\\:1|/a|@b|\\\\\\\\|\\\\=|é";
    proptest::collection::vec((words, ":|:|:|=|"), 1..8)
        .prop_map(|pieces| pieces.into_iter().map(|(word, end)| word + &end).collect())
}

proptest! {
    #[test]
    fn s140_whatever_is_taken_for_a_description_is_shown_as_one_of_the_same(description in descriptions()) {
        for read in [server, client] {
            match read(&description) {
                Ok(shown) => prop_assert_eq!(read(&shown), Ok(shown.clone())),
                Err(error) => prop_assert_eq!(error.find(&*description), Some(0)),
            }
        }
    }
}

#[test]
fn s140_a_quoted_argument_is_taken_as_it_is() {
    assert_eq!(quote_string_argument("a:b\\c=d"), "a\\:b\\\\c\\=d");
    let path = "/run/a:b=\\c";
    assert_eq!(server(&format!("unix:{}", quote_string_argument(path))), Ok("unix:/run/a\\:b\\=\\\\c".to_owned()));
}

/// Counts what is listened on by way of it.
struct Counting {
    arguments: Arguments,
    label: String,
    inside: Box<dyn ServerEndpoint>,
    counts: Rc<RefCell<BTreeMap<String, u32>>>,
}

#[async_trait(?Send)]
impl ServerEndpoint for Counting {
    async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port> {
        *self.counts.borrow_mut().entry(self.label.clone()).or_default() += 1;
        self.inside.listen(factory).await
    }
}

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments.fmt(f)
    }
}

#[test]
fn s140_a_scheme_of_ones_own_may_be_around_other_endpoints_and_is_known_to_one_reactor() {
    let (sim, counts) = (Simulation::new(1), Rc::default());
    let reactor = sim.host("here");
    let inside = Rc::clone(&counts);
    reactor.add_server_scheme("counting", move |reactor, arguments| {
        let endpoint = arguments.rest()?.server_endpoint(reactor)?;
        let label = arguments.required("label")?.to_string();
        let (arguments, counts) = (arguments.clone(), Rc::clone(&inside));
        Ok(Box::new(Counting { arguments, label, inside: endpoint, counts }))
    });
    let description = "counting:label=a:counting:label=b:tcp:80:interface=127.0.0.1";
    let endpoint = server_from_string(&reactor, description).unwrap();
    assert_eq!(endpoint.to_string(), description);
    reactor.run_until(async move { endpoint.listen(Box::new(super::echoing)).await }).unwrap().unwrap();
    assert_eq!(*counts.borrow(), BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 1)]));

    let reactor = sim.host("here");
    assert_eq!(
        server_from_string(&reactor, "counting:tcp:80").unwrap_err().to_string(),
        "counting:tcp:80: \"counting\" (at 0) is not a scheme: those known are sim, tcp, tcp6, unix",
        "it came back with a new reactor"
    );
    let other = sim.host("other");
    other.add_server_scheme("counting", |_, arguments| Err(arguments.error("it is not for you")));
    let error = |description| server_from_string(&other, description).unwrap_err();
    assert_eq!(error("counting:tcp:80").to_string(), "counting:tcp:80: it is not for you");
    assert!(error("x").to_string().contains("known are counting, sim, "));
    other.add_server_scheme("counting", |_, arguments| Err(arguments.rest()?.required("port")?.error("is odd")));
    let wrong = error("counting:a=b:tcp:81");
    assert_eq!(
        (wrong.to_string().as_str(), wrong.position()),
        ("counting:a=b:tcp:81: \"81\" (at 17) is odd", Some(17))
    );
    assert_eq!(error("counting:a=b").to_string(), "counting:a=b: the endpoint inside counting is missing");
}

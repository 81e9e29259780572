use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use futures_util::FutureExt;
use reactor::endpoint::server_from_string;
use reactor::testing::Simulation;
use reactor::{Factory, Port, Reactor};

use crate::endpoints::{Logging, echoing};
use crate::support::{Callback, Log, Recorder, connect, connect_unix, fresh_path, in_time, test_reactor};

/// Listens on what is described, and has `with` look at the port while the reactor runs, on a thread of its own.
fn serve<T: Send + 'static>(
    reactor: &Reactor,
    description: &str,
    factory: impl Factory,
    with: impl FnOnce(String) -> T + Send + 'static,
) -> std::io::Result<T> {
    reactor.allow_endpoint_schemes(&["fd", "systemd"]);
    let endpoint = server_from_string(reactor, description).unwrap();
    let threads = reactor.clone();
    reactor.run_until(async move {
        let port: Port = endpoint.listen(Box::new(factory)).await?;
        let host = port.host().to_string();
        Ok(threads.defer_to_thread(move || with(host)).await.unwrap())
    })?
}

fn round_trip(mut socket: impl Read + Write) {
    let mut answer = [0; 2];
    socket.write_all(b"hi").unwrap();
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hi");
}

#[test]
fn s139_a_failure_to_listen_is_the_result_and_the_factory_is_not_started() {
    in_time(|| {
        let (_folder, path) = fresh_path();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let missing = path.join("socket");
        for (description, expected) in [
            (
                format!("tcp:{}:interface=127.0.0.1", address.port()),
                format!("cannot listen on {address}: address in use"),
            ),
            (
                "tcp:0:interface=192.0.2.1".to_owned(),
                "cannot listen on 192.0.2.1:0: not an address of this machine".to_owned(),
            ),
            (
                format!("unix:{}", missing.display()),
                format!("cannot listen on {}: there is no directory {}", missing.display(), path.display()),
            ),
            (
                "systemd:name=web".to_owned(),
                "cannot listen on systemd:name=web: no sockets were passed to this program: LISTEN_PID is not set"
                    .to_owned(),
            ),
            (
                "fd:1999999999".to_owned(),
                "cannot listen on fd:1999999999: descriptor 1999999999 is not open".to_owned(),
            ),
            (
                format!("fd:{}", taken.as_raw_fd()),
                format!(
                    "cannot listen on fd:{0}: descriptor {0} was opened by this process, not inherited",
                    taken.as_raw_fd()
                ),
            ),
        ] {
            let (reactor, log) = (test_reactor(), Log::default());
            let factory = Logging::boxed(&log, |_| None);
            let error = serve(&reactor, &description, factory, |_| ()).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert_eq!(log.lines(), [""; 0]);
        }
        drop(connect(address));
    });
}

#[test]
fn s139_listening_gives_a_port_that_stops_the_factory() {
    in_time(|| {
        let (reactor, log) = (test_reactor(), Log::default());
        let endpoint = server_from_string(&reactor, "tcp:0:interface=127.0.0.1").unwrap();
        let factory = Logging::boxed(&log, |_| None);
        let stopped = log.clone();
        reactor
            .run_until(async move {
                let port = endpoint.listen(factory).await.unwrap();
                assert_eq!(stopped.lines(), ["started"]);
                port.stop_listening().await;
            })
            .unwrap();
        assert_eq!(log.lines(), ["started", "stopped"]);
    });
}

#[test]
fn s141_tcp_is_all_ipv4_interfaces_unless_one_is_named() {
    in_time(|| {
        for (description, beginning, client) in [
            ("tcp:0", "0.0.0.0:", "127.0.0.1:"),
            ("tcp:0:interface=127.0.0.1", "127.0.0.1:", "127.0.0.1:"),
            ("tcp:0:interface=\\:\\:1:backlog=5", "[::1]:", "[::1]:"),
            ("tcp6:0:interface=\\:\\:1", "[::1]:", "[::1]:"),
        ] {
            let served = serve(&test_reactor(), description, echoing, move |host| {
                let port = host.strip_prefix(beginning).unwrap_or_else(|| panic!("{host} for {description}"));
                round_trip(connect(format!("{client}{port}").parse().unwrap()));
            });
            served.unwrap();
        }
    });
}

#[test]
fn s141_tcp6_is_all_interfaces_of_both_families() {
    in_time(|| {
        let log = Log::default();
        let recorders = log.clone();
        let factory = move |transport| {
            let log = recorders.clone();
            Recorder::new(transport, Log::default()).on(Callback::Data, move |this| {
                log.add(this.transport.peer().socket_addr().unwrap().ip().to_string());
                this.transport.write(&this.data);
            })
        };
        let served = serve(&test_reactor(), "tcp6:0", factory, |host| {
            let port = host.strip_prefix("[::]:").unwrap();
            for address in ["127.0.0.1", "[::1]"] {
                round_trip(connect(format!("{address}:{port}").parse().unwrap()));
            }
        });
        served.unwrap();
        assert_eq!(log.lines(), ["127.0.0.1", "::1"]);
    });
}

#[test]
fn s141_a_unix_socket_is_for_everybody_and_locked_unless_told_otherwise() {
    in_time(|| {
        for (options, mode, locked) in
            [("", 0o666, true), (":mode=600:lockfile=0", 0o600, false), (":mode=0660:backlog=1", 0o660, true)]
        {
            let (folder, path) = fresh_path();
            let description = format!("unix:{}{options}", path.display());
            let served = serve(&test_reactor(), &description, echoing, move |host| {
                assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode);
                assert_eq!(Path::new(&format!("{host}.lock")).symlink_metadata().is_ok(), locked);
                round_trip(connect_unix(&path));
            });
            served.unwrap();
            assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing is left behind");
        }
    });
}

#[test]
fn s139_in_a_simulation_there_are_no_sockets_of_the_system() {
    let sim = Simulation::new(1);
    let reactor = sim.host("here");
    reactor.allow_endpoint_schemes(&["stdio", "fd"]);
    for description in ["stdio:", "fd:0", "unix:@name"] {
        let endpoint = server_from_string(&reactor, description).unwrap();
        let listening = endpoint.listen(Box::new(echoing)).now_or_never().unwrap();
        let error = listening.unwrap_err().to_string();
        assert!(error.contains("this reactor is in memory and has no "), "{error}");
    }
}

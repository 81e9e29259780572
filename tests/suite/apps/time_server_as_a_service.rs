//! `time-server` under a service manager.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::apps::binaries::binary;
use crate::apps::net;
use crate::apps::program::{Program, hearing_signals};
use crate::apps::server::Server;
use crate::apps::stamps::is_stamped;
use crate::support::{ServiceManager, fresh_path};

fn managed(options: &str) -> (ServiceManager, Server) {
    let manager = ServiceManager::new();
    let mut command = hearing_signals(binary("time-server"));
    let server =
        Server::start_as(manager.manage(command.args(options.split(' ')), Duration::from_millis(20)).env("TZ", "UTC0"));
    (manager, server)
}

#[test]
fn it_says_when_it_serves_reloads_and_stops_and_that_it_is_alive() {
    let (manager, server) = managed("--tcp 127.0.0.1:0 --udp 127.0.0.1:0");
    assert_eq!(manager.next(), "READY=1\n");
    manager.wait_for_life();
    manager.wait_for_life();

    server.program.signal(Signal::SIGHUP);
    let reloading = manager.next();
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|time| time.strip_suffix('\n'));
    assert!(time.is_some_and(|time| time.parse::<u64>().is_ok()), "{reloading:?}");
    assert_eq!(manager.next(), "READY=1\n");
    manager.wait_for_life();
    let mut client = net::connect(server.addresses[0]);
    client.write_all(b"hi").unwrap();
    assert!(is_stamped(net::read(&mut client, 29), "hi"), "a hangup ends nothing");

    server.program.signal(Signal::SIGTERM);
    assert_eq!(manager.next(), "STOPPING=1\n");
    server.program.finish().with_code(0);
    assert!(!manager.told().contains(&"READY=1\n".to_owned()));
}

#[test]
fn it_says_that_it_stops_before_a_port_refuses_anybody() {
    let (manager, server) = managed("--tcp 127.0.0.1:0");
    assert_eq!(manager.next(), "READY=1\n");
    let address = server.addresses[0];
    server.program.signal(Signal::SIGTERM);
    while TcpStream::connect(address).is_ok() {}
    let told = manager.told();
    assert!(told.contains(&"STOPPING=1\n".to_owned()), "{told:?}");
    server.program.finish().with_code(0);
}

#[test]
fn it_does_not_say_that_it_serves_when_it_cannot() {
    let (_listener, taken) = net::listen();
    let manager = ServiceManager::new();
    let mut command = hearing_signals(binary("time-server"));
    command.args(["--tcp", "127.0.0.1:0", "--tcp", &taken.to_string()]);
    let program = Program::start(manager.manage(&mut command, Duration::from_secs(60)));
    program.finish().with_code(1);
    assert_eq!(manager.told(), ["STOPPING=1\n"]);
}

#[test]
fn a_server_takes_over_from_the_one_before_and_goes_on_with_what_that_has_accepted() {
    let (folder, path) = fresh_path();
    let (handover, unix) = (folder.path().join("handover"), path.display().to_string());
    let start = || {
        let arguments = ["-v", "--lines", "127.0.0.1:0", "--unix", &unix, "--handover", handover.to_str().unwrap()];
        let mut server = Program::app("time-server", arguments);
        let address: SocketAddr = server.line_after("waiting for connection... lines ").parse().unwrap();
        assert_eq!(server.line_after("waiting for connection... unix "), unix);
        server.stderr_line_with("offering");
        (server, address)
    };
    let (mut first, address) = start();
    let mut early = net::connect(address);
    first.line_after("...connected from: 127.0.0.1");
    early.write_all(b"ear").unwrap();
    let (mut second, same) = start();
    assert_eq!(address, same);
    first.finish().with_code(0);
    early.write_all(b"ly\n").unwrap();
    second.line_after("...received from 127.0.0.1");
    assert!(is_stamped(net::read(&mut early, 33), "early\n"));
    let mut late = net::connect(address);
    second.line_after("...connected from: 127.0.0.1");
    late.write_all(b"late\n").unwrap();
    assert!(is_stamped(net::read(&mut late, 32), "late\n"));
    second.signal(Signal::SIGTERM);
    second.finish().with_code(0);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

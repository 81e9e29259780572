use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::Command;
use std::thread;

use nix::sys::signal::Signal;

use crate::apps::binaries::example;
use crate::apps::net::{accept, connect, datagram_socket, listen, read, read_to_end};
use crate::apps::peers::script;
use crate::apps::program::{Program, hearing_signals};
use crate::apps::tools::is_there;

/// Starts a relay between these destinations, and returns where it listens, over TCP and UDP.
fn serve(destinations: &[String]) -> (Program, [SocketAddr; 2]) {
    let mut relay = Program::start(hearing_signals(example("carbon_relay")).arg("127.0.0.1:0").args(destinations));
    let address = |relay: &mut Program| relay.stderr_line_with(" host=").rsplit_once('=').unwrap().1.parse().unwrap();
    let addresses = [address(&mut relay), address(&mut relay)];
    (relay, addresses)
}

#[test]
fn metrics_go_where_carbons_own_ring_sends_them() {
    let test = "metrics_go_where_carbons_own_ring_sends_them";
    if !is_there("Graphite's carbon", Command::new("python3").args(["-c", "import carbon.hashing"]), test) {
        return;
    }
    let nodes = ["127.0.0.1:a", "127.0.0.1:b", "localhost:a", "127.0.0.1:"];
    let metrics: Vec<_> = (0..5000).map(|number| format!("servers.web{}.metrïc.{number}", number % 40)).collect();
    let mut ring = Program::start(script("carbon_ring.py").args(nodes).env("PYTHONIOENCODING", "utf-8"));
    ring.type_in(metrics.join("\n"));
    let expected: Vec<usize> =
        ring.close_and_finish().with_code(0).stdout.lines().map(|index| index.parse().unwrap()).collect();
    assert_eq!(expected.len(), metrics.len());

    let stores = nodes.map(|_| listen());
    let destinations = nodes.iter().zip(&stores).map(|(node, (_, address))| {
        let (host, instance) = node.split_once(':').unwrap();
        format!("{host}:{}:{instance}", address.port()).trim_end_matches(':').to_owned()
    });
    let (_relay, [address, _]) = serve(&destinations.collect::<Vec<_>>());
    let mut client = connect(address);
    for metric in &metrics {
        client.write_all(format!("{metric} 1.5 1700000000\n").as_bytes()).unwrap();
    }
    for (index, (store, _)) in stores.iter().enumerate() {
        let mut lines = BufReader::new(accept(store)).lines();
        let expected = metrics.iter().zip(&expected).filter(|(_, place)| **place == index);
        for (metric, _) in expected {
            assert_eq!(lines.next().unwrap().unwrap(), format!("{metric} 1.5 1700000000"));
        }
    }
}

#[test]
fn a_relay_that_is_stopped_hands_on_what_it_has_taken() {
    const LINES: usize = 100_000;
    let (store, address) = listen();
    let (relay, [lines, datagrams]) = serve(&[address.to_string()]);
    let mut from_store = accept(&store);
    let (socket, _) = datagram_socket();
    socket.send_to(b"by.datagram 1 1700000000\n", datagrams).unwrap();
    let mut client = connect(lines);
    let writer = thread::spawn(move || {
        for number in 0..LINES {
            // Not all of it fits before the store reads, and the rest is refused when the relay stops.
            if writeln!(client, "metric.{number} {number} 1700000000").is_err() {
                break;
            }
        }
    });
    let first = read(&mut from_store, 24);
    relay.signal(Signal::SIGTERM);
    let received = String::from_utf8([first, read_to_end(&mut from_store)].concat()).unwrap();
    let ended = relay.finish().with_code(0);
    writer.join().unwrap();
    let report = ended.stderr.lines().rfind(|line| line.contains("accepted_lines=")).unwrap();
    let accepted = report.split("accepted_lines=").nth(1).unwrap().split(' ').next().unwrap();
    assert_eq!(received.lines().count().to_string(), accepted);
    assert!(report.ends_with("dropped_lines=0 waiting_bytes=0") && received.ends_with('\n'), "{report}");
}

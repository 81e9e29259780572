//! More clients than a port lets in.

use std::time::Duration;

use protocols::WebSocket;
use reactor::ListenOptions;
use reactor::Transport;
use reactor::testing::Simulation;

use crate::support::Callback;
use crate::support::Log;
use crate::support::Recorder;

const MOMENT: Duration = Duration::from_secs(1);

#[test]
fn connections_that_are_not_established_are_counted_and_those_beyond_are_turned_away() {
    let sim = Simulation::new(1);
    let log = Log::default();
    let seen = log.clone();
    let inside = WebSocket::around(move |transport| Recorder::new(transport, seen.clone()));
    let port = sim.host("server").listen_tcp(ListenOptions::new(7).max_pending(2), inside).unwrap();
    let silent = |served| {
        let log = Log::default();
        let seen = log.clone();
        sim.host("client").connect_tcp("server:7", move |transport| Recorder::new(transport, seen.clone()));
        sim.run_for(MOMENT);
        assert_eq!(log.lines(), if served { &["made"][..] } else { &["made", "eof", "lost Done", "dropped"] });
    };
    silent(true);
    // Who is established does not count, and does so for as long as it lasts.
    sim.host("client").connect_tcp(
        "server:7",
        WebSocket::client("ws://server/", |transport: Transport| {
            Recorder::new(transport, Log::default()).on(Callback::Made, |this| this.transport.write("hello"))
        }),
    );
    sim.run_for(MOMENT);
    assert_eq!((log.lines(), port.pending(), port.connections()), (vec!["made".into(), "data hello".into()], 1, 2));
    silent(true);
    assert_eq!((port.pending(), port.refused()), (2, 0));
    silent(false);
    assert_eq!((port.pending(), port.refused()), (2, 1));
    // Their handshakes time out.
    sim.run_for(10 * MOMENT);
    assert_eq!((port.pending(), port.connections()), (0, 1));
    silent(true);
    sim.reset_connections("client", "server");
    sim.run_for(MOMENT);
    assert_eq!((port.pending(), port.connections()), (0, 0));
}

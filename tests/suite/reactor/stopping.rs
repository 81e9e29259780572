//! What stopping the reactor does to its connections.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use reactor::connect::ConnectErrorKind;
use reactor::testing::Simulation;
use reactor::{CloseReason, Protocol, Transport};

use crate::support::{Callback, Ending, HUGE, Log, Recorder, on_sockets};

#[test]
fn s160_stopping_closes_in_order_and_flushes() {
    on_sockets(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write(vec![b'x'; HUGE]);
                this.transport.reactor().stop();
            })
        },
        |peer| {
            peer.send("hi");
            peer.expect_all_sent(HUGE);
        },
    );
}

#[test]
fn s159_stopping_reaches_a_connection_whose_reading_is_paused() {
    on_sockets(
        |recorder| recorder.on(Callback::Made, |this| this.transport.pause_reading()),
        |peer| {
            peer.send("never read");
            peer.act(|transport| transport.reactor().stop());
            peer.expect(&["made", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn s055_stopping_aborts_peers_that_do_not_read_when_the_deadline_has_passed() {
    on_sockets(
        |recorder| {
            recorder.on(Callback::Made, |this| {
                this.transport.write(vec![b'x'; HUGE]);
                let reactor = this.transport.reactor();
                reactor.set_shutdown_deadline(Duration::from_millis(50));
                reactor.stop();
            })
        },
        |peer| {
            peer.expect_cut_off(HUGE);
        },
    );
}

#[test]
fn a_protocol_whose_answer_to_the_end_is_half_close_is_closed_by_stopping() {
    on_sockets(
        |recorder| recorder.keeping_writing(),
        |peer| {
            peer.send_eof();
            peer.wait_for("eof");
            peer.act(|transport| transport.reactor().stop());
            peer.expect(&["made", "eof", "lost Done", "dropped"]);
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Clean));
        },
    );
}

#[test]
fn no_attempt_to_connect_is_made_while_the_reactor_stops_and_that_is_told_at_once() {
    struct Last {
        transport: Transport,
        told: Rc<RefCell<Option<ConnectErrorKind>>>,
    }
    impl Protocol for Last {
        fn data_received(&mut self, _data: &[u8]) {}
        fn connection_lost(&mut self, _reason: CloseReason) {
            let connector =
                self.transport.reactor().connect_tcp("server:7", |transport| Recorder::new(transport, Log::default()));
            let finished = connector.finished().now_or_never();
            self.told.replace(finished.map(|outcome| outcome.unwrap_err().kind().clone()));
        }
    }
    let sim = Simulation::new(0);
    let told = Rc::new(RefCell::new(None));
    let kept = Rc::clone(&told);
    let server = sim.host("server");
    server.listen_tcp(7, move |transport| Last { transport, told: Rc::clone(&kept) }).unwrap();
    sim.host("client").connect_tcp("server:7", |transport| Recorder::new(transport, Log::default()));
    sim.run_for(Duration::from_secs(1));
    server.stop();
    sim.run_for(Duration::from_secs(60));
    assert_eq!(*told.borrow(), Some(ConnectErrorKind::Cancelled));
}

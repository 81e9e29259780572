//! A peer on another host of a simulation.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use protocols::web_socket::WebSocket;
use reactor::testing::Simulation;
use reactor::{CloseReason, OnEof, Protocol, Transport};
use rig::certificates;
use rig::certificates::SERVER_NAME;

use crate::support::{Ending, PATIENCE};

/// The other end of the connection under test, in a test's hands: it sends and closes when told to, and keeps what it
/// receives until that is asked for.
pub(super) struct FarEnd {
    sim: Simulation,
    transport: Transport,
    seen: Rc<Seen>,
    stalled: bool,
}

/// What carries the connection under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Tcp,
    Tls,
    WebSocket,
}

#[derive(Default)]
struct Seen {
    data: RefCell<Vec<u8>>,
    ended: Cell<bool>,
    reset: Cell<bool>,
}

struct Receiver(Rc<Seen>);

impl Protocol for Receiver {
    fn data_received(&mut self, data: &[u8]) {
        self.0.data.borrow_mut().extend_from_slice(data);
    }

    fn eof_received(&mut self) -> OnEof {
        self.0.ended.set(true);
        OnEof::KeepWriting
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.0.ended.set(self.0.ended.get() || reason.is_clean());
        self.0.reset.set(!reason.is_clean());
    }
}

impl FarEnd {
    /// Connects to port 7 of the host "near", and waits until it is accepted.
    pub(super) fn connect(sim: &Simulation, carrier: Carrier, accepted: impl Fn() -> bool) -> Self {
        let seen = Rc::<Seen>::default();
        let made = Rc::new(RefCell::new(None));
        let (kept, handle) = (Rc::clone(&seen), Rc::clone(&made));
        let build = move |transport: Transport| {
            transport.set_output_limit(usize::MAX);
            handle.replace(Some(transport));
            Receiver(Rc::clone(&kept))
        };
        match carrier {
            Carrier::Tcp => sim.host("far").connect_tcp("near:7", build),
            Carrier::Tls => sim.host("far").connect_tcp("near:7", certificates::client().around(SERVER_NAME, build)),
            Carrier::WebSocket => sim.host("far").connect_tcp("near:7", WebSocket::client("ws://near:7/", build)),
        };
        assert!(sim.run_until(|| made.borrow().is_some() && accepted()), "nobody accepts");
        let transport = made.take().expect("it was made");
        Self { sim: sim.clone(), transport, seen, stalled: false }
    }

    pub(super) fn send(&self, data: &[u8]) {
        self.transport.write(data);
        self.let_it_leave();
    }

    pub(super) fn send_eof(&self) {
        self.transport.write_eof();
        self.let_it_leave();
    }

    pub(super) fn reset(&self) {
        self.transport.abort_connection();
    }

    pub(super) fn stop_reading(&mut self) {
        self.stalled = true;
        self.transport.pause_reading();
    }

    #[track_caller]
    pub(super) fn read(&mut self, n: usize) -> Vec<u8> {
        self.transport.resume_reading();
        let data = &self.seen.data;
        assert!(self.run_until(|| data.borrow().len() >= n), "only {} of {n} bytes came", data.borrow().len());
        if self.stalled {
            self.transport.pause_reading();
        }
        data.borrow_mut().drain(..n).collect()
    }

    #[track_caller]
    pub(super) fn read_to_the_end(&mut self) -> (Vec<u8>, Ending) {
        let data = self.read_what_comes();
        match (self.seen.ended.get(), self.seen.reset.get()) {
            (true, _) => (data, Ending::Clean),
            (false, true) => (data, Ending::Reset),
            (false, false) => panic!("the stream has not ended"),
        }
    }

    pub(super) fn read_what_comes(&mut self) -> Vec<u8> {
        self.stalled = false;
        self.transport.resume_reading();
        self.run_until(|| self.seen.ended.get() || self.seen.reset.get());
        self.seen.data.take()
    }

    /// Whether `condition` has come true before nothing was left to happen, or too much time has passed.
    pub(super) fn run_until(&self, condition: impl Fn() -> bool) -> bool {
        let end = self.sim.elapsed() + PATIENCE;
        self.sim.run_until(|| condition() || self.sim.elapsed() > end);
        condition()
    }

    /// What is written has left when the host had its turn.
    fn let_it_leave(&self) {
        self.sim.run_for(Duration::ZERO);
    }
}

//! A server whose protocols panic on request: R16, R17.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use reactor::{CloseReason, OnEof, Protocol, Transport};

/// Where a connection's code fails. The client selects it by the address it connects from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// Nowhere: it echoes.
    None,
    /// In `connection_made`.
    Made,
    /// In `data_received`.
    Data,
    /// In `eof_received`.
    Eof,
    /// In `pause_writing`.
    Pause,
    /// In `resume_writing`.
    Resume,
    /// In `connection_lost`.
    Lost,
    /// In a timed call.
    Timer,
    /// In a deferred future.
    Deferred,
    /// In `build_protocol`.
    Build,
    /// No panic: `build_protocol` refuses.
    Refusal,
}

impl Fault {
    /// The faults in callbacks.
    pub const IN_CALLBACKS: [Self; 8] =
        [Self::Made, Self::Data, Self::Eof, Self::Pause, Self::Resume, Self::Lost, Self::Timer, Self::Deferred];

    /// The address to connect from.
    pub fn source(self) -> IpAddr {
        Ipv4Addr::new(127, 0, 7, 1 + self as u8).into()
    }

    fn of(transport: &Transport) -> Self {
        let all = Self::IN_CALLBACKS.into_iter().chain([Self::Build, Self::Refusal]);
        let ip = transport.peer().socket_addr().map(|address| address.ip());
        all.into_iter().find(|fault| Some(fault.source()) == ip).unwrap_or(Self::None)
    }
}

/// Counts of events.
#[derive(Debug, Default)]
pub struct Tally {
    /// Protocols built.
    pub built: Cell<u64>,
    /// Calls of `connection_lost`, up to one for each.
    pub lost: Cell<u64>,
    /// Calls whose reason is the panic's message.
    pub panicked: Cell<u64>,
    /// Callbacks that must not come: after a panic, or after `connection_lost`.
    pub wrong: Cell<u64>,
    /// Protocols dropped.
    pub dropped: Cell<u64>,
}

fn one_more(count: &Cell<u64>) {
    count.set(count.get() + 1);
}

/// The protocol.
#[derive(Debug)]
pub struct Faulty {
    transport: Transport,
    fault: Fault,
    tally: Rc<Tally>,
    failed: bool,
    lost: bool,
}

impl Faulty {
    /// Builds a protocol, or fails to.
    pub fn build(transport: Transport, tally: &Rc<Tally>) -> Option<Self> {
        let fault = Fault::of(&transport);
        match fault {
            Fault::Build => panic!("build"),
            Fault::Refusal => return None,
            _ => {}
        }
        one_more(&tally.built);
        Some(Self { transport, fault, tally: Rc::clone(tally), failed: false, lost: false })
    }

    /// Panics if the fault is here.
    fn called(&mut self, here: Fault) {
        if self.failed || self.lost {
            one_more(&self.tally.wrong);
        }
        if self.fault == here {
            self.failed = true;
            panic!("{here:?}");
        }
    }
}

impl Protocol for Faulty {
    fn connection_made(&mut self) {
        self.called(Fault::Made);
    }

    fn data_received(&mut self, data: &[u8]) {
        self.called(Fault::Data);
        match self.fault {
            Fault::Pause | Fault::Resume => self.transport.write(vec![b'x'; 100_000]),
            Fault::Timer => {
                self.transport.call_later(Duration::ZERO, |this: &mut Self| this.called(Fault::Timer));
            }
            Fault::Deferred => {
                self.failed = true;
                self.transport.defer(async { panic!("Deferred") }, |this: &mut Self, ()| this.called(Fault::None));
            }
            _ => self.transport.write(data),
        }
    }

    fn eof_received(&mut self) -> OnEof {
        self.called(Fault::Eof);
        OnEof::Close
    }

    fn pause_writing(&mut self) {
        self.called(Fault::Pause);
    }

    fn resume_writing(&mut self) {
        self.called(Fault::Resume);
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        if std::mem::replace(&mut self.lost, true) {
            one_more(&self.tally.wrong);
        }
        one_more(&self.tally.lost);
        if matches!(&reason, CloseReason::Panicked(message) if *message == format!("{:?}", self.fault)) {
            one_more(&self.tally.panicked);
        }
        assert!(self.fault != Fault::Lost, "Lost");
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        one_more(&self.tally.dropped);
    }
}

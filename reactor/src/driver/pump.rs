//! What handles of a connection ask of its driver.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Waker};

use crate::driver::stream::Stream;
use crate::driver::{Driver, Resting, StreamLoop, StreamPhase};
use crate::transport::close_reason::CloseReason;
use crate::transport::moving::pump::{AtRest, Pump};
use crate::transport::traffic::sums::Traffic;

impl<S: Stream> Pump for Driver<S> {
    fn wake(&self) {
        if self.link.try_borrow_mut().is_ok()
            && let Some(waker) = self.waker.take()
        {
            waker.wake_by_ref();
            self.waker.set(Some(waker));
        }
    }

    fn turn(&self) {
        if let Ok(mut link) = self.link.try_borrow_mut() {
            let _entered = self.span.as_ref().map(|span| span.enter());
            if let StreamPhase::Open(connection) = &mut link.phase {
                // Futures woken here are polled again below, with the task's own waker.
                connection.turn(&mut Context::from_waker(Waker::noop()));
            }
        }
        self.wake();
    }

    fn traffic(&self) -> Option<&Traffic> {
        Some(&self.wire.traffic)
    }

    fn socket(&self) -> Option<io::Result<OwnedFd>> {
        // A stream of the program's own may ask for this while it moves bytes.
        self.wire.stream.try_borrow().ok()?.descriptor()
    }

    fn set_held(&self, held: bool) {
        if let Ok(mut link) = self.link.try_borrow_mut() {
            let _entered = self.span.as_ref().map(|span| span.enter());
            link.set_held(held);
        }
        self.wake();
    }

    fn rest(&self) -> Option<AtRest> {
        let mut link = self.link.try_borrow_mut().ok()?;
        let _entered = self.span.as_ref().map(|span| span.enter());
        let at_rest = link.rest(|| self.socket()?.ok());
        drop(link);
        if at_rest.is_none() {
            // A panic ends the connection.
            self.wake();
        }
        at_rest
    }

    fn begin_at_rest(&self) {
        if let Ok(mut link) = self.link.try_borrow_mut() {
            link.begin_to_rest(0);
        }
    }

    fn go(&self) {
        if let Ok(mut link) = self.link.try_borrow_mut()
            && let Some(resting) = link.take_resting()
        {
            link.phase = StreamPhase::Open(resting.connection);
        }
        self.wake();
    }

    fn release(&self) -> Vec<u8> {
        let Ok(mut link) = self.link.try_borrow_mut() else { return Vec::new() };
        let _entered = self.span.as_ref().map(|span| span.enter());
        let Some(Resting { connection, unsent }) = link.take_resting() else { return Vec::new() };
        let written = connection.transport().innermost().0.unsent().split_off(unsent);
        // The socket stays open in another process.
        link.lost(connection, CloseReason::HandedOver, &self.wire.traffic);
        drop(link);
        self.wake();
        written
    }
}

impl StreamLoop {
    fn set_held(&mut self, held: bool) {
        let Self { phase: StreamPhase::Open(connection), keeper, .. } = self else { return };
        let mut outcome = Ok(());
        connection.hold(|protocol| outcome = keeper.set_held(protocol, held));
        if let Err(message) = outcome {
            connection.panicked(message);
        }
    }

    /// Stops moving bytes, if another process can go on with the connection.
    fn rest(&mut self, socket: impl FnOnce() -> Option<OwnedFd>) -> Option<AtRest> {
        let Self { phase: StreamPhase::Open(connection), io, keeper, .. } = self else { return None };
        if io.eof || io.broken.is_some() {
            return None;
        }
        let socket = socket()?;
        let mut panic = None;
        let state = connection.save(|protocol| match keeper.save(protocol) {
            Ok(state) => state,
            Err(message) => {
                panic = Some(message);
                None
            }
        });
        if let Some(message) = panic {
            connection.panicked(message);
        }
        let at_rest = AtRest { socket, state: state?, unsent: connection.transport().0.unsent() };
        let unsent = connection.transport().innermost().unsent_bytes();
        self.begin_to_rest(unsent);
        Some(at_rest)
    }

    fn begin_to_rest(&mut self, unsent: usize) {
        self.phase = match std::mem::replace(&mut self.phase, StreamPhase::Over) {
            StreamPhase::Open(connection) => StreamPhase::Resting(Box::new(Resting { connection, unsent })),
            other => other,
        };
    }

    /// What rests; the phase has to be set afterwards, or the connection is over.
    fn take_resting(&mut self) -> Option<Resting> {
        match std::mem::replace(&mut self.phase, StreamPhase::Over) {
            StreamPhase::Resting(resting) => Some(*resting),
            other => {
                self.phase = other;
                None
            }
        }
    }
}

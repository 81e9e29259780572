//! What handles of a connection ask of its driver.

use std::rc::Rc;
use std::task::{Context, Waker};

use crate::driver::stream::Stream;
use crate::driver::{Driver, StreamLoop, StreamPhase};
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;
use crate::transport::moving::pump::{AtRest, Pump};

impl<S: Stream> Pump for Driver<S> {
    fn wake(&self) {
        if self.link.try_borrow_mut().is_ok()
            && let Some(waker) = &*self.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }

    fn turn(&self) {
        if let Ok(mut link) = self.link.try_borrow_mut()
            && link.resting.is_none()
        {
            let _entered = self.span.as_ref().map(|span| span.enter());
            if let StreamPhase::Open(connection) = &mut link.phase {
                // Futures woken here are polled again below, with the task's own waker.
                connection.turn(&mut Context::from_waker(Waker::noop()));
            }
        }
        self.wake();
    }

    fn rest(&self) -> Option<AtRest> {
        let mut link = self.link.try_borrow_mut().ok()?;
        let _entered = self.span.as_ref().map(|span| span.enter());
        let at_rest = link.rest();
        drop(link);
        if at_rest.is_none() {
            // A panic ends the connection.
            self.wake();
        }
        at_rest
    }

    fn begin_at_rest(&self) {
        if let Ok(mut link) = self.link.try_borrow_mut() {
            link.resting = Some(0);
        }
    }

    fn go(&self) {
        if let Ok(mut link) = self.link.try_borrow_mut() {
            link.resting = None;
        }
        self.wake();
    }

    fn release(&self) -> Vec<u8> {
        let Ok(mut link) = self.link.try_borrow_mut() else { return Vec::new() };
        let _entered = self.span.as_ref().map(|span| span.enter());
        let Some(unsent) = link.resting.take() else { return Vec::new() };
        let written = Transport(Rc::clone(&self.state)).innermost().0.unsent().split_off(unsent);
        link.release();
        drop(link);
        self.wake();
        written
    }
}

impl<S: Stream> StreamLoop<S> {
    /// Stops moving bytes, if another process can go on with the connection.
    fn rest(&mut self) -> Option<AtRest> {
        let Self { phase: StreamPhase::Open(connection), io, keeper, resting: resting @ None, .. } = self else {
            return None;
        };
        if io.eof || io.broken.is_some() {
            return None;
        }
        let socket = io.stream.descriptor()?.ok()?;
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
        let state = state?;
        *resting = Some(connection.transport().innermost().unsent_bytes());
        Some(AtRest { socket, state, unsent: connection.transport().0.unsent() })
    }

    /// Ends the connection here: the socket is closed, and stays open in another process.
    fn release(&mut self) {
        let StreamPhase::Open(mut connection) = std::mem::replace(&mut self.phase, StreamPhase::Over) else { return };
        let transport = connection.transport().clone();
        let reason = CloseReason::HandedOver;
        tracing::debug!(%reason, received = self.io.received, sent = self.io.sent, "closed");
        connection.lost(reason.clone());
        drop(connection);
        self.keeper.connection_ends(&transport);
        self.keeper.connection_lost(&reason);
        self.roster.remove(self.key);
    }
}

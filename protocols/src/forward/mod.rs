//! Forwarding connections to another address, by [`PortForward`]. Twisted's `protocols.portforward`.

pub(crate) mod splice;

use std::time::Duration;

use reactor::net::ConnectOptions;
use reactor::{CloseReason, Factory, OnEof, Protocol, Transport};

use crate::forward::splice::{Forward, HALF_CLOSED};

/// A factory that forwards connections to another address. Twisted's `portforward.ProxyFactory`.
///
/// ```no_run
/// use protocols::forward::PortForward;
/// use reactor::Reactor;
///
/// let reactor = Reactor::new()?;
/// reactor.listen_tcp("127.0.0.1:8080", PortForward::new("example.org:80"))?;
/// reactor.run()
/// # ?; Ok::<(), std::io::Error>(())
/// ```
///
/// For each accepted connection one to the target is made; nothing is read until it is established. Then bytes go both
/// ways. If one side does not read, the other is not read either, so a connection costs at most about 128 KiB each way,
/// and nothing while it is idle.
///
/// # How connections end
///
/// As they would without a forwarder in between:
///
/// - The end of a stream is passed on, and the other direction goes on: half-close works. (Twisted closes both.) If
///   that direction is silent for five minutes ([`half_closed_timeout`](Self::half_closed_timeout)), both are reset.
/// - When one connection has closed, the other closes after sending everything.
/// - When one is reset or breaks, the other is reset. (Twisted closes it in order, and a reader cannot tell that
///   something is missing.)
/// - If the target cannot be reached, the accepted connection is reset, with the
///   [`ConnectError`](reactor::ConnectError) as its reason. (Twisted closes it in order, which looks like an empty
///   answer.)
/// - If the client leaves before the target is connected, the attempt is given up. A target that has already accepted
///   sees a connection without a byte.
///
/// Vanished peers are detected by [`keep_alive`](reactor::net::ConnectionOptions::keep_alive), which is on; silent ones
/// by a policy that limits idle time.
#[derive(Clone, Debug)]
pub struct PortForward {
    target: ConnectOptions,
    half_closed: Option<Duration>,
}

impl PortForward {
    /// Forwards to `target`: anything that [`Reactor::connect_tcp`](reactor::Reactor::connect_tcp) accepts.
    pub fn new(target: impl Into<ConnectOptions>) -> Self {
        Self { target: target.into(), half_closed: Some(HALF_CLOSED) }
    }

    /// How long one peer may be silent after the other has ended its stream, before both connections are reset.
    /// Default: five minutes; `None` is no limit.
    #[must_use]
    pub fn half_closed_timeout(mut self, silence: Option<Duration>) -> Self {
        self.half_closed = silence;
        self
    }
}

impl Factory for PortForward {
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        Some(Box::new(Incoming {
            transport,
            target: self.target.clone(),
            half_closed: self.half_closed,
            forward: None,
        }))
    }
}

struct Incoming {
    transport: Transport,
    target: ConnectOptions,
    half_closed: Option<Duration>,
    /// Set from `connection_made` on.
    forward: Option<Forward>,
}

impl Protocol for Incoming {
    fn connection_made(&mut self) {
        let transport = self.transport.clone();
        let failed = move |error| transport.fail_connection(CloseReason::failed(error));
        self.forward = Some(Forward::connect(&self.transport, self.target.clone(), self.half_closed, |_| (), failed));
    }

    fn data_received(&mut self, data: &[u8]) {
        if let Some(forward) = &self.forward {
            forward.data_received(data);
        }
    }

    fn eof_received(&mut self) -> OnEof {
        self.forward.as_ref().map_or(OnEof::Close, Forward::eof_received)
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        if let Some(forward) = &self.forward {
            forward.connection_lost(&reason);
        }
    }
}

#[cfg(test)]
mod tests;

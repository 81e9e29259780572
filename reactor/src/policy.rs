use std::any::Any;
use std::fmt;
use std::os::fd::OwnedFd;
use std::task::Context;

use crate::connection::Connection;
use crate::contain::contained;
use crate::factory::Factory;
use crate::protocol::OnEof;
use crate::protocol::Protocol;
use crate::reason::CloseReason;
use crate::state::HIGH_WATER;
use crate::transport::Transport;

/// What stands between a connection and the protocol inside it, and sees everything that passes: a time limit, a
/// throttle, a log. [`layer`] makes a factory of it.
///
/// It keeps the outer transport it was made with: by that it closes the connection, and its
/// [`call_later`](Transport::call_later) and [`defer`](Transport::defer) call the policy. Twisted's
/// `ProtocolWrapper`, for what `policies` uses it for.
pub trait Policy: 'static {
    /// The connection is established; the protocol inside is told next.
    fn connection_made(&mut self) {}

    /// The peer sent these bytes; the protocol inside gets them next.
    fn incoming(&mut self, data: &[u8]) {
        let _ = data;
    }

    /// The protocol inside has got a whole message, or several: [`Transport::note_message`] says so.
    fn message_received(&mut self) {}

    /// The peer has ended its stream; the protocol inside is told next.
    fn eof_received(&mut self) {}

    /// The protocol inside wants to send these bytes, 65,536 at the most: answers how many of them may leave now. The
    /// rest is offered again whenever something happens on the connection, a timer of the policy's own included.
    fn outgoing(&mut self, data: &[u8]) -> usize {
        data.len()
    }

    /// The connection has ended; the protocol inside is told next.
    fn connection_lost(&mut self, reason: &CloseReason) {
        let _ = reason;
    }
}

/// What the closure given to [`layer`] may return: a policy, or an `Option` of one, where `None` refuses the connection.
pub trait IntoPolicy {
    /// The policy's type.
    type Policy: Policy;

    /// The policy, or `None` to refuse the connection.
    fn into_policy(self) -> Option<Self::Policy>;
}

impl<P: Policy> IntoPolicy for P {
    type Policy = P;

    fn into_policy(self) -> Option<P> {
        Some(self)
    }
}

impl<P: Policy> IntoPolicy for Option<P> {
    type Policy = P;

    fn into_policy(self) -> Self {
        self
    }
}

/// A factory around a factory: puts a policy, made by `policy` with the outer transport, between each connection and
/// the protocol that `inside` builds then. Layers stack in any order.
///
/// A policy that closes connections on which nothing was received for a minute:
///
/// ```
/// use std::time::Duration;
/// use reactor::{layer, DelayedCall, Factory, Policy, Transport};
///
/// struct IdleTimeout { timer: DelayedCall, limit: Duration }
///
/// impl Policy for IdleTimeout {
///     fn incoming(&mut self, _data: &[u8]) {
///         self.timer.reset(self.limit);
///     }
/// }
///
/// fn idle_timeout(limit: Duration, inside: impl Factory) -> impl Factory {
///     layer(
///         move |outer: Transport| {
///             let closing = outer.clone();
///             let timer = outer.call_later(limit, move |_: &mut IdleTimeout| closing.lose_connection());
///             IdleTimeout { timer, limit }
///         },
///         inside,
///     )
/// }
/// ```
pub fn layer<P: IntoPolicy>(policy: impl FnMut(Transport) -> P + 'static, inside: impl Factory) -> impl Factory {
    LayerFactory { policy, inside }
}

struct LayerFactory<M, F> {
    policy: M,
    inside: F,
}

impl<P: IntoPolicy, M: FnMut(Transport) -> P + 'static, F: Factory> Factory for LayerFactory<M, F> {
    fn start_factory(&mut self) {
        self.inside.start_factory();
    }

    fn build_protocol(&mut self, outer: Transport) -> Option<Box<dyn Protocol>> {
        let policy = (self.policy)(outer.clone()).into_policy()?;
        let mut unbuilt = Unbuilt(Some(Transport::nested(&outer)));
        let inner = unbuilt.0.clone()?;
        inner.0.passes_descriptors.set(outer.0.passes_descriptors.get());
        let inside = Connection::new(inner.clone(), self.inside.build_protocol(inner)?);
        unbuilt.0 = None;
        // What waits to be sent is counted and limited inside; only 64 KiB at a time come out here.
        outer.set_output_limit(usize::MAX);
        Some(Box::new(Layer { outer, policy, inside, holding: false }))
    }

    fn stop_factory(&mut self) {
        self.inside.stop_factory();
    }
}

/// A transport whose protocol is being built: if that comes to nothing, its handles are stale.
struct Unbuilt(Option<Transport>);

impl Drop for Unbuilt {
    fn drop(&mut self) {
        if let Some(transport) = &self.0 {
            contained("drop of a call", || transport.0.end());
        }
    }
}

/// A policy with the connection nested in it: what a socket's driver is to the outer connection, it is to the inner.
struct Layer<P> {
    outer: Transport,
    policy: P,
    inside: Connection,
    /// Whether the outer connection is held because the inner does not want to read.
    holding: bool,
}

impl<P: Policy> Protocol for Layer<P> {
    fn connection_made(&mut self) {
        self.policy.connection_made();
        self.pass_on_close();
        self.inside.made();
        self.drain();
    }

    fn data_received(&mut self, data: &[u8]) {
        self.policy.incoming(data);
        self.pass_on_close();
        self.inside.received(data);
        self.drain();
    }

    fn file_descriptor_received(&mut self, descriptor: OwnedFd) {
        self.pass_on_close();
        self.inside.file_descriptor_received(descriptor);
    }

    /// The inner connection closes the outer one when what the policy holds back has left.
    fn eof_received(&mut self) -> OnEof {
        if !self.inside.has_ended() {
            self.policy.eof_received();
            self.pass_on_close();
        }
        let answer = self.inside.ended();
        self.drain();
        if answer == OnEof::NotYet { answer } else { OnEof::KeepWriting }
    }

    fn resume_writing(&mut self) {
        self.drain();
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        contained("policy", || self.policy.connection_lost(&reason));
        self.inside.lost(reason);
    }

    fn handler(&mut self) -> Option<&mut dyn Any> {
        Some(&mut self.policy)
    }

    fn inside(&mut self) -> Option<&mut dyn Protocol> {
        self.inside.protocol()
    }

    fn is_layer(&self) -> bool {
        true
    }

    fn turn(&mut self, cx: &mut Context<'_>) {
        self.pass_on_close();
        self.inside.turn(cx);
        self.drain();
    }
}

impl<P: Policy> Layer<P> {
    /// A close asked for outside, by the policy or by the shutdown, closes the protocol inside: what that has written
    /// still leaves.
    fn pass_on_close(&self) {
        let inner = self.inside.transport();
        if self.outer.is_closing() {
            inner.lose_connection();
        } else if self.outer.0.wants_eof() {
            inner.write_eof();
        }
    }

    /// Carries out what the inner connection wants. While the outer one is full its bytes stay inside, so that they
    /// count where they were written.
    fn drain(&mut self) {
        if self.inside.transport().0.take_message() {
            self.policy.message_received();
            self.outer.note_message();
        }
        while !self.outer.is_full() && self.inside.failure().is_none() {
            let (outer, inner, policy) = (&self.outer, self.inside.transport(), &mut self.policy);
            let passed = self.inside.with_output(|data| {
                let data = &data[..data.len().min(HIGH_WATER)];
                let allowed = if data.is_empty() { 0 } else { policy.outgoing(data).min(data.len()) };
                outer.0.carry_all(&inner.0, &data[..allowed]);
                allowed
            });
            if passed == 0 {
                break;
            }
            self.inside.sent(passed);
        }
        self.outer.0.set_unfinished(!self.inside.transport().0.is_finished());
        if let Some(reason) = self.inside.failure() {
            self.outer.fail_connection(reason);
        } else if self.inside.wants_close() {
            self.outer.lose_connection();
        } else if self.inside.wants_shut() {
            self.outer.write_eof();
            self.inside.shut();
        }
        self.hold(!self.inside.wants_read());
    }

    fn hold(&mut self, hold: bool) {
        if hold != self.holding {
            self.holding = hold;
            if hold {
                self.outer.0.hold();
            } else {
                self.outer.0.release();
            }
        }
    }
}

impl<P> fmt::Debug for Layer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer").field("inside", &self.inside).finish_non_exhaustive()
    }
}

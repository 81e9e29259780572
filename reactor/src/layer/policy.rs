use std::any::Any;
use std::fmt;
use std::os::fd::OwnedFd;

use crate::connection::factory::Factory;
use crate::connection::{Connection, Layer, OnEof, Protocol, Resumption};
use crate::layer::nested::Nested;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;
use crate::transport::moving::parts::{add_part, take_part};

/// Code between a connection and the protocol inside it that sees everything that passes: a time limit, a throttle, a
/// log. [`around`] makes a factory of it.
///
/// It keeps the outer transport it was made with: with it the policy can close the connection, and its
/// [`call_later`](Transport::call_later) and [`defer`](Transport::defer) call the policy. Twisted's `ProtocolWrapper`,
/// as used in `policies`.
pub trait Policy: 'static {
    /// The connection is established; the protocol inside hears of it next.
    fn connection_made(&mut self) {}

    /// The peer sent these bytes; the protocol inside receives them next.
    fn incoming(&mut self, data: &[u8]) {
        let _ = data;
    }

    /// The protocol inside has received one or more whole messages, as reported by [`Transport::note_message`].
    fn message_received(&mut self) {}

    /// The peer has ended its stream; the protocol inside hears of it next.
    fn eof_received(&mut self) {}

    /// The protocol inside wants to send these bytes, up to 65,536. Returns how many of them may leave now. The rest is
    /// offered again whenever something happens on the connection, including a timer of the policy's own.
    fn outgoing(&mut self, data: &[u8]) -> usize {
        data.len()
    }

    /// The connection has ended; the protocol inside hears of it next.
    fn connection_lost(&mut self, reason: &CloseReason) {
        let _ = reason;
    }

    /// The policy's state as bytes, for [`resume`](Self::resume) in the process that takes over from this one: see
    /// [`Resumable`](crate::connection::Resumable). The default returns `None`: the connection stays in this process.
    fn state(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// Goes on with the state of a policy in the previous process, in place of
    /// [`connection_made`](Self::connection_made): sets its timers again. Returns whether it can.
    fn resume(&mut self, state: &[u8]) -> bool {
        let _ = state;
        false
    }
}

/// What the closure given to [`around`] may return: a policy, or an `Option` of one, where `None` refuses the connection.
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

/// Wraps a factory: puts a policy, made by `policy` with the outer transport, between each connection and the protocol
/// that `inside` then builds. Layers stack in any order.
///
/// This policy closes connections on which nothing was received for a minute:
///
/// ```
/// use std::time::Duration;
/// use reactor::{DelayedCall, Factory, Transport};
/// use reactor::layer::{self, Policy};
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
///     layer::around(
///         move |outer: Transport| {
///             let closing = outer.clone();
///             let timer = outer.call_later(limit, move |_: &mut IdleTimeout| closing.lose_connection());
///             IdleTimeout { timer, limit }
///         },
///         inside,
///     )
/// }
/// ```
pub fn around<P: IntoPolicy>(policy: impl FnMut(Transport) -> P + 'static, inside: impl Factory) -> impl Factory {
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
        let inner = Transport::nested(&outer);
        inner.0.passes_descriptors.set(outer.0.passes_descriptors.get());
        let nested = Nested::build_with(&outer, inner, &mut self.inside)?;
        Some(Box::new(PolicyLayer { policy, nested }))
    }

    fn stop_factory(&mut self) {
        self.inside.stop_factory();
    }

    fn resumption(&mut self) -> Option<&mut dyn Resumption> {
        let is_resumable = self.inside.resumption().is_some();
        is_resumable.then_some(self)
    }
}

/// A state has three parts: the policy's, what is unsent inside, and that of the protocol inside. Each of the first two
/// begins with its length.
impl<P: IntoPolicy, M: FnMut(Transport) -> P + 'static, F: Factory> Resumption for LayerFactory<M, F> {
    fn set_held(&mut self, protocol: &mut dyn Protocol, held: bool) {
        if let Some(layer) = (protocol as &mut dyn Any).downcast_mut::<PolicyLayer<P::Policy>>()
            && let Some(resumption) = self.inside.resumption()
        {
            layer.nested.inside().hold(|protocol| resumption.set_held(protocol, held));
        }
    }

    fn save(&mut self, protocol: &mut dyn Protocol) -> Option<Vec<u8>> {
        let layer = (protocol as &mut dyn Any).downcast_mut::<PolicyLayer<P::Policy>>()?;
        let policy = layer.policy.state()?;
        let inside = layer.nested.inside();
        let unsent = inside.transport().0.unsent();
        let state = inside.save(|protocol| self.inside.resumption()?.save(protocol))?;
        let mut all = Vec::with_capacity(8 + policy.len() + unsent.len() + state.len());
        add_part(&mut all, &policy)?;
        add_part(&mut all, &unsent)?;
        all.extend(state);
        Some(all)
    }

    fn resume(&mut self, outer: Transport, mut state: &[u8]) -> Option<Box<dyn Protocol>> {
        let (of_policy, unsent) = (take_part(&mut state)?, take_part(&mut state)?);
        let mut policy = (self.policy)(outer.clone()).into_policy()?;
        let inner = Transport::nested(&outer);
        inner.0.passes_descriptors.set(outer.0.passes_descriptors.get());
        let nested = Nested::resume(&outer, inner, |inner| self.inside.resumption()?.resume(inner, state))?;
        nested.restore_unsent(unsent);
        policy.resume(of_policy).then(|| Box::new(PolicyLayer { policy, nested }) as Box<dyn Protocol>)
    }
}

/// A policy with its nested connection, which it drives as a socket's driver does the outer one.
struct PolicyLayer<P> {
    policy: P,
    nested: Nested,
}

impl<P: Policy> Protocol for PolicyLayer<P> {
    fn connection_made(&mut self) {
        self.policy.connection_made();
    }

    fn data_received(&mut self, data: &[u8]) {
        self.policy.incoming(data);
        self.nested.received(data);
    }

    fn file_descriptor_received(&mut self, descriptor: OwnedFd) {
        self.nested.file_descriptor_received(descriptor);
    }

    fn eof_received(&mut self) -> OnEof {
        if !self.nested.inside().has_ended() {
            self.policy.eof_received();
        }
        self.nested.received_eof()
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.policy.connection_lost(&reason);
    }

    fn handler(&mut self) -> Option<&mut dyn Any> {
        Some(&mut self.policy)
    }

    fn layer(&mut self) -> Option<&mut dyn Layer> {
        Some(self)
    }
}

impl<P: Policy> Layer for PolicyLayer<P> {
    fn inside(&mut self) -> Option<&mut Connection> {
        Some(self.nested.inside())
    }

    fn pass(&mut self) {
        if self.nested.has_message() {
            self.policy.message_received();
        }
        let policy = &mut self.policy;
        self.nested.pass_unchanged(|data| policy.outgoing(data));
    }
}

impl<P> fmt::Debug for PolicyLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyLayer").field("nested", &self.nested).finish_non_exhaustive()
    }
}

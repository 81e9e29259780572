//! Receivers of messages that go on in the next process.

use std::any::Any;
use std::fmt;
use std::rc::Rc;

use reactor::connection::{Resumable, Resumption};
use reactor::{Factory, Protocol, Transport};

use crate::irc::handle::{Irc, IrcKind};
use crate::irc::handler::IrcHandler;
use crate::irc::splitter::Splitter;
use crate::irc::{IrcFactory, IrcReceiver};
use crate::receiver::input::Buffer;
use crate::receiver::into_handler::IntoHandler;
use crate::receiver::protocol::{self, Receiver};
use crate::receiver::state::ReceiverState;

impl<F, T> IrcFactory<F>
where
    F: FnMut(Irc) -> T + 'static,
    T: IntoHandler<Irc>,
    T::Handler: IrcHandler + Resumable,
{
    /// Connections [go on](Resumable) in the process that takes over from this one: `resume` gets the connection's [`Irc`] and
    /// the handler's state, and returns a handler, or `None` if that makes no sense to it. What the receiver knows goes along:
    /// the beginning of a line. `resume` comes after the other options.
    ///
    /// ```
    /// use protocols::irc::{Irc, IrcHandler, IrcReceiver, Message, MessageBuilder};
    /// use reactor::connection::Resumable;
    ///
    /// struct Session { irc: Irc, nick: Vec<u8> }
    ///
    /// impl IrcHandler for Session {
    ///     fn message_received(&mut self, message: &Message<'_>) {
    ///         if let (b"NICK", [nick]) = (message.command(), message.params()) {
    ///             self.irc.send(MessageBuilder::new("NICK").source(&self.nick).param(nick));
    ///             self.nick = nick.to_vec();
    ///         }
    ///     }
    /// }
    ///
    /// impl Resumable for Session {
    ///     fn state(&mut self) -> Option<Vec<u8>> {
    ///         Some(self.nick.clone())
    ///     }
    /// }
    ///
    /// let reactor = reactor::Reactor::new()?;
    /// let factory = IrcReceiver::factory(|irc| Session { irc, nick: b"*".to_vec() });
    /// let factory = factory.resumable(|irc, nick| Some(Session { irc, nick: nick.to_vec() }));
    /// reactor.listen_tcp("127.0.0.1:0", factory)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn resumable<R>(self, resume: R) -> ResumableIrcFactory<F, R>
    where
        R: FnMut(Irc, &[u8]) -> Option<T::Handler> + 'static,
    {
        ResumableIrcFactory { irc: self, resume }
    }
}

/// A factory from [`IrcFactory::resumable`].
pub struct ResumableIrcFactory<F, R> {
    irc: IrcFactory<F>,
    resume: R,
}

impl<F, R, T> Factory for ResumableIrcFactory<F, R>
where
    F: FnMut(Irc) -> T + 'static,
    T: IntoHandler<Irc>,
    T::Handler: IrcHandler + Resumable,
    R: FnMut(Irc, &[u8]) -> Option<T::Handler> + 'static,
{
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        self.irc.build_protocol(transport)
    }

    fn resumption(&mut self) -> Option<&mut dyn Resumption> {
        Some(self)
    }
}

/// The flag of the state is set while a line is left out that is too long.
impl<F, R, T> Resumption for ResumableIrcFactory<F, R>
where
    F: FnMut(Irc) -> T + 'static,
    T: IntoHandler<Irc>,
    T::Handler: IrcHandler + Resumable,
    R: FnMut(Irc, &[u8]) -> Option<T::Handler> + 'static,
{
    fn set_held(&mut self, protocol: &mut dyn Protocol, held: bool) {
        if let Some(receiver) = (protocol as &mut dyn Any).downcast_mut::<Receiver<T::Handler, IrcReceiver>>() {
            receiver.handle.0.delivery.set_held(held);
        }
    }

    fn save(&mut self, protocol: &mut dyn Protocol) -> Option<Vec<u8>> {
        let receiver = (protocol as &mut dyn Any).downcast_mut::<Receiver<T::Handler, IrcReceiver>>()?;
        let delivery = &receiver.handle.0.delivery;
        if !delivery.is_at_rest() {
            return None;
        }
        let IrcReceiver { buffer, splitter } = &receiver.cut;
        let (held, handler) = (delivery.is_held(), &receiver.handler.state()?);
        ReceiverState { flag: splitter.skips, held, kept: buffer.kept(), handler }.join()
    }

    fn resume(&mut self, transport: Transport, state: &[u8]) -> Option<Box<dyn Protocol>> {
        let state = ReceiverState::split(state)?;
        let kind = IrcKind { limits: Rc::clone(&self.irc.limits) };
        let cut = IrcReceiver { buffer: Buffer::of(state.kept.to_vec()), splitter: Splitter { skips: state.flag } };
        protocol::build(transport, kind, cut, |irc| {
            irc.0.delivery.restore(&state);
            (self.resume)(irc, state.handler)
        })
    }
}

impl<F, R> fmt::Debug for ResumableIrcFactory<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumableIrcFactory").field("irc", &self.irc).finish_non_exhaustive()
    }
}

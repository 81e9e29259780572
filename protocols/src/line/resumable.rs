//! Receivers of lines that go on in the next process.

use std::any::Any;
use std::fmt;
use std::rc::Rc;

use reactor::connection::{Resumable, Resumption};
use reactor::{Factory, Protocol, Transport};

use crate::line::handle::{LineKind, Lines};
use crate::line::handler::LineHandler;
use crate::line::{LineFactory, LineReceiver};
use crate::receiver::input::Buffer;
use crate::receiver::into_handler::IntoHandler;
use crate::receiver::protocol::{self, Receiver};
use crate::receiver::state::ReceiverState;

impl<F, T> LineFactory<F>
where
    F: FnMut(Lines) -> T + 'static,
    T: IntoHandler<Lines>,
    T::Handler: LineHandler + Resumable,
{
    /// Connections [go on](Resumable) in the process that takes over from this one: `resume` gets the connection's [`Lines`]
    /// and the handler's state, and returns a handler, or `None` if that makes no sense to it. What the receiver knows goes
    /// along: the beginning of a line, and whether it is in raw mode. `resume` comes after the other options.
    ///
    /// ```
    /// use protocols::{LineHandler, LineReceiver, Lines};
    /// use reactor::connection::Resumable;
    ///
    /// struct Echo { lines: Lines }
    ///
    /// impl LineHandler for Echo {
    ///     fn line_received(&mut self, line: &[u8]) {
    ///         self.lines.send_line(line);
    ///     }
    /// }
    ///
    /// impl Resumable for Echo {
    ///     fn state(&mut self) -> Option<Vec<u8>> {
    ///         Some(Vec::new()) // it has none
    ///     }
    /// }
    ///
    /// let reactor = reactor::Reactor::new()?;
    /// let factory = LineReceiver::factory(|lines| Echo { lines }).resumable(|lines, _state| Some(Echo { lines }));
    /// reactor.listen_tcp("127.0.0.1:0", factory)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn resumable<R>(self, resume: R) -> ResumableLineFactory<F, R>
    where
        R: FnMut(Lines, &[u8]) -> Option<T::Handler> + 'static,
    {
        ResumableLineFactory { lines: self, resume }
    }
}

/// A factory from [`LineFactory::resumable`].
pub struct ResumableLineFactory<F, R> {
    lines: LineFactory<F>,
    resume: R,
}

impl<F, R, T> Factory for ResumableLineFactory<F, R>
where
    F: FnMut(Lines) -> T + 'static,
    T: IntoHandler<Lines>,
    T::Handler: LineHandler + Resumable,
    R: FnMut(Lines, &[u8]) -> Option<T::Handler> + 'static,
{
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        self.lines.build_protocol(transport)
    }

    fn resumption(&mut self) -> Option<&mut dyn Resumption> {
        Some(self)
    }
}

/// The flag of the state is the mode: set if that is raw.
impl<F, R, T> Resumption for ResumableLineFactory<F, R>
where
    F: FnMut(Lines) -> T + 'static,
    T: IntoHandler<Lines>,
    T::Handler: LineHandler + Resumable,
    R: FnMut(Lines, &[u8]) -> Option<T::Handler> + 'static,
{
    fn set_held(&mut self, protocol: &mut dyn Protocol, held: bool) {
        if let Some(receiver) = (protocol as &mut dyn Any).downcast_mut::<Receiver<T::Handler, LineReceiver>>() {
            receiver.handle.0.delivery.set_held(held);
        }
    }

    fn save(&mut self, protocol: &mut dyn Protocol) -> Option<Vec<u8>> {
        let receiver = (protocol as &mut dyn Any).downcast_mut::<Receiver<T::Handler, LineReceiver>>()?;
        let cell = &receiver.handle.0;
        if !cell.delivery.is_at_rest() || !cell.kind.is_settled() {
            return None;
        }
        let (flag, held) = (cell.kind.is_raw(), cell.delivery.is_held());
        ReceiverState { flag, held, kept: receiver.cut.buffer.kept(), handler: &receiver.handler.state()? }.join()
    }

    fn resume(&mut self, transport: Transport, state: &[u8]) -> Option<Box<dyn Protocol>> {
        let state = ReceiverState::split(state)?;
        let kind = LineKind::new(Rc::clone(&self.lines.framing));
        kind.restore_raw_mode(state.flag);
        let cut = LineReceiver { buffer: Buffer::of(state.kept.to_vec()) };
        protocol::build(transport, kind, cut, |lines| {
            lines.0.delivery.restore(&state);
            (self.resume)(lines, state.handler)
        })
    }
}

impl<F, R> fmt::Debug for ResumableLineFactory<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumableLineFactory").field("lines", &self.lines).finish_non_exhaustive()
    }
}

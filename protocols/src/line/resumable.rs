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

/// A state has three parts: the mode, 1 if that is raw; the kept input with its length; the handler's state.
impl<F, R, T> Resumption for ResumableLineFactory<F, R>
where
    F: FnMut(Lines) -> T + 'static,
    T: IntoHandler<Lines>,
    T::Handler: LineHandler + Resumable,
    R: FnMut(Lines, &[u8]) -> Option<T::Handler> + 'static,
{
    fn save(&mut self, protocol: &mut dyn Protocol) -> Option<Vec<u8>> {
        let receiver = (protocol as &mut dyn Any).downcast_mut::<Receiver<T::Handler, LineReceiver>>()?;
        let cell = &receiver.handle.0;
        if !cell.delivery.is_at_rest() || !cell.kind.is_settled() {
            return None;
        }
        let kept = receiver.cut.buffer.kept();
        let mut all = vec![u8::from(cell.kind.is_raw())];
        all.extend(u32::try_from(kept.len()).ok()?.to_be_bytes());
        all.extend(kept);
        all.extend(receiver.handler.state()?);
        Some(all)
    }

    fn resume(&mut self, transport: Transport, state: &[u8]) -> Option<Box<dyn Protocol>> {
        let (raw, state) = state.split_first()?;
        let (len, state) = state.split_first_chunk()?;
        let (kept, state) = state.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        let kind = LineKind::new(Rc::clone(&self.lines.framing));
        kind.restore_raw_mode(*raw == 1);
        let cut = LineReceiver { buffer: Buffer::of(kept.to_vec()) };
        protocol::build(transport, kind, cut, |lines| {
            lines.0.delivery.restore(kept.len());
            (self.resume)(lines, state)
        })
    }
}

impl<F, R> fmt::Debug for ResumableLineFactory<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumableLineFactory").field("lines", &self.lines).finish_non_exhaustive()
    }
}

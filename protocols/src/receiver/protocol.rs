use std::any::Any;
use std::fmt;
use std::future::ready;

use reactor::{CloseReason, OnEof, Protocol, Transport};

use crate::receiver::handle::Handle;
use crate::receiver::into_handler::IntoHandler;

/// The protocol of every receiver: `cut` delivers to the handler; everything else is passed on.
pub(crate) struct Receiver<H, C: Cut<H>> {
    pub(crate) handler: H,
    pub(crate) handle: Handle<C::Kind>,
    pub(crate) cut: C,
}

/// What distinguishes one kind of receiver: how it cuts the input, and how its handler is called.
pub(crate) trait Cut<H>: Sized + 'static {
    /// What the receiver shares with its handles.
    type Kind: 'static;

    /// Delivers the kept input, then this chunk, as long as delivery may go on. The rest is kept.
    fn deliver(receiver: &mut Receiver<H, Self>, chunk: &[u8]);

    /// Tells the handler that the peer has ended its stream, after everything there is to deliver.
    fn end_of_stream(receiver: &mut Receiver<H, Self>) -> OnEof;

    /// Tells the handler what happened to the connection.
    fn tell(receiver: &mut Receiver<H, Self>, event: Event);
}

/// Events that all handlers have in common, each reported by the callback of this name.
pub(crate) enum Event {
    ConnectionMade,
    PauseWriting,
    ResumeWriting,
    ConnectionLost(CloseReason),
}

/// Builds the handle, the handler and the receiver of one connection; `None` if the handler is refused.
pub(crate) fn build<H: 'static, C: Cut<H>, T>(
    transport: Transport,
    kind: C::Kind,
    cut: C,
    build: impl FnOnce(Handle<C::Kind>) -> T,
) -> Option<Box<dyn Protocol>>
where
    T: IntoHandler<Handle<C::Kind>, Handler = H>,
{
    let deliver_later = |transport: &Transport| {
        transport.defer(ready(()), |receiver: &mut Receiver<H, C>, ()| C::deliver(receiver, b""));
    };
    let handle = Handle::new(transport, kind, deliver_later);
    let handler = build(handle.clone()).into_handler()?;
    Some(Box::new(Receiver { handler, handle, cut }))
}

impl<H: 'static, C: Cut<H>> Protocol for Receiver<H, C> {
    fn connection_made(&mut self) {
        C::tell(self, Event::ConnectionMade);
    }

    fn data_received(&mut self, data: &[u8]) {
        C::deliver(self, data);
    }

    fn eof_received(&mut self) -> OnEof {
        C::end_of_stream(self)
    }

    fn pause_writing(&mut self) {
        C::tell(self, Event::PauseWriting);
    }

    fn resume_writing(&mut self) {
        C::tell(self, Event::ResumeWriting);
        if self.handle.0.delivery.is_held() {
            C::deliver(self, b"");
        }
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        C::tell(self, Event::ConnectionLost(reason));
    }

    fn handler(&mut self) -> Option<&mut dyn Any> {
        Some(&mut self.handler)
    }
}

impl<H, C: Cut<H>> fmt::Debug for Receiver<H, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("handle", &self.handle).finish_non_exhaustive()
    }
}

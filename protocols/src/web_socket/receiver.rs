//! The connection inside a web socket whose messages go to a handler.

use std::cell::RefCell;
use std::rc::Rc;

use reactor::{CloseReason, OnEof, Protocol, Transport};

use crate::receiver::protocol::{Cut, Event, Receiver};
use crate::web_socket::frame::Opcode;
use crate::web_socket::handle::{WebSocketHandle, WebSocketKind};
use crate::web_socket::handler::{IntoWebSocketHandler, WebSocketHandler};
use crate::web_socket::handshake::opening::Opening;
use crate::web_socket::link::MessageLink;
use crate::web_socket::options::Inside;

/// Messages for the handlers that `build` returns.
pub(super) fn messages<T: IntoWebSocketHandler>(
    mut build: impl FnMut(WebSocketHandle, &Opening) -> T + 'static,
) -> Inside {
    let build = move |transport: Transport, link: &Rc<MessageLink>, opening: &Opening| {
        // Nothing is kept here for later delivery: the layer does that.
        let socket = WebSocketHandle::new(transport, WebSocketKind { link: Rc::clone(link) }, |_| {});
        let handler = build(socket.clone(), opening).into_handler()?;
        Ok(Box::new(Receiver { handler, handle: socket, cut: WholeMessages }) as Box<dyn Protocol>)
    };
    Inside::Messages(Rc::new(RefCell::new(build)))
}

/// Each input is complete: an opcode, and the content of a message or control frame of that kind. See [`MessageLink`].
struct WholeMessages;

impl<H: WebSocketHandler> Cut<H> for WholeMessages {
    type Kind = WebSocketKind;

    fn deliver(receiver: &mut Receiver<H, Self>, input: &[u8]) {
        let Receiver { handler, handle: socket, .. } = receiver;
        let Some((kind, data)) = input.split_first() else { return };
        match *kind {
            TEXT => match str::from_utf8(data) {
                Ok(text) => handler.text_received(text),
                Err(error) => socket.transport().fail_connection(CloseReason::failed(error)),
            },
            PING => {
                // In order after earlier output, and as an answer: if a peer does not read, it is not read either.
                socket.send(Opcode::Pong, data);
                handler.ping_received(data);
            }
            PONG => handler.pong_received(data),
            _ => handler.bytes_received(data),
        }
    }

    fn end_of_stream(_: &mut Receiver<H, Self>) -> OnEof {
        OnEof::Close
    }

    fn tell(receiver: &mut Receiver<H, Self>, event: Event) {
        let Receiver { handler, handle: socket, .. } = receiver;
        match event {
            Event::ConnectionMade => handler.connection_made(),
            Event::PauseWriting => handler.pause_writing(),
            Event::ResumeWriting => handler.resume_writing(),
            Event::ConnectionLost(reason) => {
                let closed = socket.0.kind.link.closed.take();
                if let Some((code, why)) = closed {
                    handler.closed(code, &why);
                }
                handler.connection_lost(reason);
            }
        }
    }
}

const TEXT: u8 = Opcode::Text as u8;
const PING: u8 = Opcode::Ping as u8;
const PONG: u8 = Opcode::Pong as u8;
